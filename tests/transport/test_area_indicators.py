"""Indicators by prefecture: the places sum to the province, and differ only by what they are made of."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
import pytest

from transport import area_indicators, prefectures
from transport.area_turnover import turnover_shares
from transport.layout import BASE_YEAR, PROVINCE, SCOPES, year_index
from transport.prefectures import UNALLOCATED, AreaError
from transport.study import indicator_table

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from transport.parts import Parts

READING = ("scope", "boundary", "base", "variant")
KEYS = ("id", "year", *READING)


@pytest.fixture(scope="module")
def parts(parts_of: Callable[..., Parts]) -> Parts:
    return parts_of("plan_2030")


@pytest.fixture(scope="module")
def tables(parts: Parts) -> Mapping[str, pl.DataFrame]:
    return area_indicators.area_tables(parts)


def with_drivers(parts: Parts, driver: pl.Expr) -> Parts:
    """Return parts whose classes follow other drivers."""
    rows = parts.inputs.table("accounts/area_drivers").with_columns(driver=driver)
    return replace(parts, inputs=replace(parts.inputs, tables={**parts.inputs.tables, "accounts/area_drivers": rows}))


def reading(table: pl.DataFrame, year: int, *, base: str = str(BASE_YEAR), scope: str = "direct") -> dict[str, dict[str, Any]]:
    """Return place -> row of the intensity in one reading."""
    rows = table.filter(
        pl.col("id") == "operating_co2_intensity_level",
        pl.col("year") == year,
        pl.col("boundary") == "road+rail+water",
        pl.col("scope") == scope,
        pl.col("base") == base,
    )
    return {row["area"]: row for row in rows.iter_rows(named=True)}


# ---- known answers ----


def test_a_city_without_a_port_is_trucks_coaches_and_goods_trains(parts: Parts, tables: Mapping[str, pl.DataFrame]) -> None:
    """Anshan by hand: the province's CO2 and turnover of each class times the city's share of what the class follows."""
    at, city = year_index(2030), "210300"
    freight = parts.freight
    areas = freight.tables["freight_areas"].filter(pl.col("year") == 2030)

    def of_tkm(mode: str) -> float:
        rows = areas.filter(pl.col("mode") == mode)
        whole = max(freight.territory_tkm[0, at, freight.modes.index(mode)].sum(), rows["territory_tkm"].sum())
        return float(rows.filter(pl.col("area") == city)["territory_tkm"][0] / whole)

    people = dict(
        parts.inputs.table("demand/population")
        .filter(pl.col("item") == "resident_population", pl.col("county") == pl.col("area"), pl.col("area") != PROVINCE)
        .select("area", "value")
        .iter_rows()
    )
    share = {"road": of_tkm("road"), "rail": of_tkm("rail"), "coach": people[city] / sum(people.values())}
    follows = {
        "medium_truck": "road",
        "heavy_rigid_truck": "road",
        "tractor_trailer": "road",
        "coach": "coach",
        "locomotive_freight": "rail",
    }
    co2 = sum(
        parts.now.co2_t[0, k, 0, at] * share[follows[key.vehicle_class]]
        for k, key in enumerate(parts.now.energy.keys)
        if key.vehicle_class in follows
    )
    moved = {(key.mode, key.service): parts.now.converted_tkm[k, 0, at] for k, key in enumerate(parts.now.turnover.keys)}
    tkm = (
        moved["road", "freight"] * share["road"]
        + moved["rail", "freight"] * share["rail"]
        + moved["road", "coach"] * share["coach"]
    )
    row = reading(tables["indicator_areas"], 2030)[city]
    assert row["numerator"] == pytest.approx(co2, rel=1e-12)
    assert row["denominator"] == pytest.approx(tkm, rel=1e-12)
    assert row["value"] == pytest.approx(1e6 * co2 / tkm, rel=1e-12)


def test_where_all_follow_one_driver_every_city_is_the_province(parts: Parts) -> None:
    """With one driver for everything the mix is the same everywhere: so is each intensity, and so is each change."""
    table = area_indicators.area_tables(with_drivers(parts, pl.lit("gdp")))["indicator_areas"]
    for scope in SCOPES:
        rows = reading(table, 2030, scope=scope)
        assert UNALLOCATED not in rows
        assert len(rows) == 15
        for name in ("value", "base_value", "change"):
            np.testing.assert_allclose([row[name] for row in rows.values()], rows[PROVINCE][name], rtol=1e-9)


def test_classes_of_one_service_with_two_drivers_count_by_their_work(parts: Parts) -> None:
    driver = pl.when(pl.col("vehicle_class") == "tractor_trailer").then(pl.lit("gdp")).otherwise(pl.col("driver"))
    moved = with_drivers(parts, driver)
    shares = prefectures.area_shares(moved)
    road = next(row for row in turnover_shares(moved, shares) if (row.key.mode, row.key.service) == ("road", "freight"))
    assert road.drivers == {"gdp", "road_tkm"}
    work = {name: tkm[0] for name, tkm in parts.vehicles.class_tkm.items()}
    tractors = work["tractor_trailer"] / sum(work.values())
    expected = shares["gdp"] * tractors + shares["road_tkm"] * (1.0 - tractors)
    np.testing.assert_allclose(road.share, expected, rtol=1e-12, atol=1e-15)


def test_one_bridge_leads_from_the_territory_of_every_city_to_the_carriers(
    parts: Parts, tables: Mapping[str, pl.DataFrame]
) -> None:
    names = {"road": "road_index_of_2020", "rail": "rail_freight_by_line", "pipeline": "pipeline_whole_line"}
    there = parts.freight.tables["freight_areas"].filter(pl.col("year") == 2030)
    rows = tables["turnover_areas"].filter(pl.col("year") == 2030, pl.col("service") == "freight")
    for mode, bridge in names.items():
        both = rows.filter(pl.col("mode") == mode).join(there.filter(pl.col("mode") == mode), on="area")
        both = both.filter(pl.col("territory_tkm") > 0.0)
        assert set(both["bridge"].to_list()) == {bridge}
        ratio = (both["tkm"] / both["territory_tkm"]).to_numpy()
        assert ratio.size >= 9
        np.testing.assert_allclose(ratio, ratio[0], rtol=1e-12)


def test_boxes_by_rail_are_those_of_the_ports_of_a_city(parts: Parts, tables: Mapping[str, pl.DataFrame]) -> None:
    boxes = parts.freight.port_containers.filter(pl.col("year") == 2025)
    dalian = boxes.filter(pl.col("zone_id") == "Z_PT_DAYAOWAN")
    rows = tables["indicator_areas"].filter(pl.col("id") == "sea_rail_share", pl.col("year") == 2025)
    found = {row["area"]: row for row in rows.iter_rows(named=True)}
    assert found["210200"]["value"] == pytest.approx(100.0 * dalian["sea_rail_teu"][0] / dalian["teu_throughput"][0], rel=1e-12)
    assert {"210600", "210700", "210800", "211100"} <= set(found)
    assert "210100" not in found
    assert found[PROVINCE]["drivers"] == area_indicators.MODELLED


# ---- conservation ----


def test_numerators_and_denominators_of_the_places_sum_to_the_province(tables: Mapping[str, pl.DataFrame]) -> None:
    table = tables["indicator_areas"].with_columns(pl.col("denominator").fill_null(0.0))
    sums = [pl.col(name).sum() for name in ("numerator", "denominator")]
    placed = table.filter(pl.col("area") != PROVINCE).group_by(KEYS).agg(sums).sort(KEYS)
    whole = table.filter(pl.col("area") == PROVINCE).select(*KEYS, "numerator", "denominator").sort(KEYS)
    assert placed.select(KEYS).equals(whole.select(KEYS))
    for name in ("numerator", "denominator"):
        np.testing.assert_allclose(placed[name].to_numpy(), whole[name].to_numpy(), rtol=1e-9)


def test_the_province_is_that_of_the_indicators(parts: Parts, tables: Mapping[str, pl.DataFrame]) -> None:
    """Levels and amounts are those of the table ``indicators``; the change of the level is the headline indicator itself."""
    known = indicator_table(parts).filter(pl.col("area") == PROVINCE).select(*KEYS, known="value")
    mine = tables["indicator_areas"].filter(pl.col("area") == PROVINCE)
    levels = mine.with_columns(base=pl.when(pl.col("id") == "operating_co2_intensity_level").then("base").otherwise(pl.lit("")))
    values = levels.join(known, on=KEYS)
    assert set(values["id"].to_list()) == set(mine["id"].to_list())
    np.testing.assert_allclose(values["value"].to_numpy(), values["known"].to_numpy(), rtol=1e-12)
    changes = mine.filter(pl.col("id").is_in(["operating_co2_intensity_level", "rail_energy_intensity_level"]))
    changes = changes.with_columns(pl.col("id").str.strip_suffix("_level")).join(known, on=KEYS)
    assert changes.height == 21 * (36 + 6)
    np.testing.assert_allclose(changes["change"].to_numpy(), changes["known"].to_numpy(), atol=1e-9)


def test_turnover_of_the_places_is_the_turnover_table(parts: Parts, tables: Mapping[str, pl.DataFrame]) -> None:
    at = year_index(2030)
    placed = (
        tables["turnover_areas"].filter(pl.col("year") == 2030).group_by("mode", "service").agg(pl.col("converted_tkm").sum())
    )
    found = {(mode, service): tkm for mode, service, tkm in placed.iter_rows()}
    whole = {(key.mode, key.service): parts.now.converted_tkm[k, 0, at] for k, key in enumerate(parts.now.turnover.keys)}
    assert found.keys() == whole.keys()
    for key, tkm in whole.items():
        assert found[key] == pytest.approx(tkm, rel=1e-9), key


def test_what_belongs_to_no_city_stays_apart_and_is_said(tables: Mapping[str, pl.DataFrame]) -> None:
    rows = tables["turnover_areas"]
    for mode, service in (("ocean", "freight"), ("air", "air"), ("rail", "high_speed"), ("rail", "conventional")):
        mine = rows.filter(pl.col("mode") == mode, pl.col("service") == service)
        assert set(mine["area"].to_list()) == {UNALLOCATED}
        assert set(mine["drivers"].to_list()) == {"none"}
    row = reading(tables["indicator_areas"], 2030)["210100"]
    assert "none" in str(row["drivers"]).split()
    assert row["quality"] == "recalled"


def test_the_check_of_a_run_passes(parts: Parts) -> None:
    checks = area_indicators.area_indicator_checks(parts)
    assert checks["check"].to_list() == ["areas.indicator_sum"]
    assert checks["passed"].all()
    assert 0.0 <= checks["value"][0] <= 1e-9


# ---- bad input ----


def test_shares_that_do_not_sum_to_one_are_refused(parts: Parts, monkeypatch: pytest.MonkeyPatch) -> None:
    good = prefectures.area_shares(parts)
    monkeypatch.setattr(area_indicators, "area_shares", lambda _: good | {"road_tkm": 0.99 * good["road_tkm"]})
    with pytest.raises(AreaError, match=r"indicators by prefecture differ from the province by .*e-0[23] of it"):
        area_indicators.area_tables(parts)


def test_a_class_without_a_driver_row_is_named(parts: Parts) -> None:
    rows = parts.inputs.table("accounts/area_drivers").filter(pl.col("vehicle_class") != "coach")
    lacking = replace(parts, inputs=replace(parts.inputs, tables={**parts.inputs.tables, "accounts/area_drivers": rows}))
    with pytest.raises(AreaError, match=r"no row for coach; add one"):
        area_indicators.area_indicators(lacking)
