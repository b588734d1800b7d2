"""Energy and CO2 by prefecture: places sum to the province, drivers are what the data say, and what has none stays unallocated."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from transport import prefectures
from transport.accounts import co2_frame
from transport.layout import YEARS, year_index
from transport.prefectures import UNALLOCATED, AreaError
from transport.urban_service import class_km

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    from transport.inputs import Inputs
    from transport.parts import Parts


@pytest.fixture(scope="module")
def parts(parts_of: Callable[..., Parts]) -> Parts:
    return parts_of("plan_2030")


@pytest.fixture(scope="module")
def tables(parts: Parts) -> Mapping[str, pl.DataFrame]:
    return prefectures.prefecture_tables(parts)


def with_rows(parts: Parts, table: str, rows: pl.DataFrame) -> Parts:
    return replace(parts, inputs=replace(parts.inputs, tables={**parts.inputs.tables, table: rows}))


def row_of(parts: Parts, vehicle_class: str, driver: str) -> Parts:
    """Return parts in which one class has another driver."""
    rows = parts.inputs.table("accounts/area_drivers")
    changed = pl.when(pl.col("vehicle_class") == vehicle_class).then(pl.lit(driver)).otherwise(pl.col("driver"))
    return with_rows(parts, "accounts/area_drivers", rows.with_columns(driver=changed))


def test_cars_follow_city_travel_and_the_rest_the_households_that_own_one(
    parts: Parts, tables: Mapping[str, pl.DataFrame]
) -> None:
    census = parts.inputs.table("demand/population").filter(pl.col("county") == pl.col("area"), pl.col("area") != "210000")
    value = {(a, i): v for a, i, v in census.select("area", "item", "value").iter_rows()}
    areas = sorted({a for a, _ in value})
    owners = {a: value[a, "family_households"] * value[a, "households_with_car_share"] for a in areas}
    assert len(areas) == 14
    assert owners["210100"] == pytest.approx(3_748_824 * 0.3944)
    cars = tables["energy_areas"].filter(
        pl.col("vehicle_class") == "private_car", pl.col("carrier") == "gasoline", pl.col("year") == 2030
    )
    got = dict(cars.select("area", "quantity").iter_rows())
    at = year_index(2030)
    urban, total = parts.urban, class_km(parts.vehicles, ["private_car"])[0, at]
    city, was = (dict(zip(urban.areas, km["private_car"][:, 0, at], strict=True)) for km in (urban.city_km, urban.reference_km))
    stood = total - urban.shift_km["private_car"][0, at]
    # before the plan every owner drives equally far; the city's part of it changes with the plan
    left = {a: max(owners[a] / sum(owners.values()) * stood - was[a], 0.0) for a in areas}
    for area in areas:
        km = city[area] + left[area] / sum(left.values()) * (total - sum(city.values()))
        assert got[area] / sum(got.values()) == pytest.approx(km / total, rel=1e-9)


def test_places_sum_to_every_row_of_the_province(parts: Parts, tables: Mapping[str, pl.DataFrame]) -> None:
    keys = ["year", "vehicle_class", "carrier"]
    whole = parts.now.energy.frame().group_by(keys).agg(pl.col("quantity").sum()).filter(pl.col("quantity") > 0.0)
    placed = tables["energy_areas"].group_by(keys).agg(placed=pl.col("quantity").sum())
    both = whole.join(placed, on=keys, how="full", coalesce=True)
    assert both.height == whole.height == placed.height
    np.testing.assert_allclose(both["placed"].to_numpy(), both["quantity"].to_numpy(), rtol=1e-9)


def test_co2_of_all_places_and_sectors_is_the_province(parts: Parts, tables: Mapping[str, pl.DataFrame]) -> None:
    whole = co2_frame(parts.now.energy, parts.now.co2_t).group_by("year", "scope").agg(pl.col("t").sum()).sort("year", "scope")
    placed = tables["co2_areas"].group_by("year", "scope").agg(pl.col("t").sum()).sort("year", "scope")
    assert placed.select("year", "scope").equals(whole.select("year", "scope"))
    np.testing.assert_allclose(placed["t"].to_numpy(), whole["t"].to_numpy(), rtol=1e-9)
    assert prefectures.area_checks(parts)["passed"].all()


def test_operating_sectors_hold_what_the_headline_counts(parts: Parts, tables: Mapping[str, pl.DataFrame]) -> None:
    """Sectors are whole parts of the ledger, so that a city's sector can be compared with the province's part."""
    at = year_index(2030)
    book = parts.now.book.co2_t
    rows = tables["co2_areas"].filter(pl.col("year") == 2030, pl.col("scope") == "direct")
    by_sector = dict(rows.group_by("sector").agg(pl.col("t").sum()).iter_rows())
    road = by_sector["road_freight"] + by_sector["coaches"]
    assert road == pytest.approx(book["road"][0, 0, at], rel=1e-9)
    assert by_sector["shipping"] == pytest.approx(book["coastal"][0, 0, at] + book["ocean"][0, 0, at], rel=1e-9)
    assert by_sector["pipelines"] == pytest.approx(book["pipeline"][0, 0, at], rel=1e-9)
    assert by_sector["aviation"] == pytest.approx(book["air"][0, 0, at], rel=1e-9)
    assert by_sector["railway"] > book["rail"][0, 0, at], "stations and shunting are railway and no operating vehicles"


def test_what_has_no_driver_is_nowhere_else(tables: Mapping[str, pl.DataFrame]) -> None:
    for name in ("aircraft", "ocean_ship", "high_speed_train"):
        rows = tables["energy_areas"].filter(pl.col("vehicle_class") == name)
        assert set(rows["area"].to_list()) == {UNALLOCATED}
    metro = tables["energy_areas"].filter(pl.col("vehicle_class") == "metro_train", pl.col("year") == 2020)
    assert set(metro["area"].to_list()) == {"210100", "210200"}
    ferries = tables["energy_areas"].filter(pl.col("vehicle_class") == "ro_pax_ship")
    assert set(ferries["area"].to_list()) == {"210200"}


def test_every_class_with_energy_has_one_driver_and_no_row_is_stale(parts: Parts, inputs: Inputs) -> None:
    rows = inputs.table("accounts/area_drivers")["vehicle_class"].to_list()
    assert sorted(rows) == sorted({key.vehicle_class for key in parts.now.energy.keys})


def test_shares_sum_to_one_and_stay_between_the_reported_years(parts: Parts) -> None:
    shares = prefectures.area_shares(parts)
    for driver, array in shares.items():
        assert array.shape == (15, len(YEARS)), driver
        np.testing.assert_allclose(array.sum(axis=0), 1.0, atol=1e-12)
        assert (array >= 0.0).all()
    road = parts.freight.tables["freight_areas"].filter(pl.col("mode") == "road", pl.col("year") == 2030).sort("area")
    whole = parts.freight.territory_tkm[0, year_index(2030), parts.freight.modes.index("road")].sum()
    of_all = max(whole, road["territory_tkm"].sum())
    np.testing.assert_allclose(shares["road_tkm"][:-1, year_index(2030)], road["territory_tkm"].to_numpy() / of_all, rtol=1e-12)
    first, last = year_index(2025), year_index(2030)
    between = shares["rail_tonnes"][:, first : last + 1]
    assert (between <= between[:, [0, -1]].max(axis=1, keepdims=True) + 1e-3).all()


@given(
    st.lists(st.floats(0.0, 1e9), min_size=1, max_size=6),
    st.lists(st.floats(0.01, 1e6), min_size=2, max_size=15),
)
def test_any_split_gives_the_whole_back(quantity: list[float], weight: list[float]) -> None:
    whole = np.asarray(quantity)
    weights = np.repeat(np.asarray(weight)[:, None], whole.size, axis=1)
    shares: NDArray[np.float64] = weights / weights.sum(axis=0)
    np.testing.assert_allclose(prefectures.split(whole, shares).sum(axis=0), whole, rtol=1e-9)


def test_a_class_without_a_row_is_named(parts: Parts) -> None:
    rows = parts.inputs.table("accounts/area_drivers").filter(pl.col("vehicle_class") != "coach")
    with pytest.raises(AreaError, match=r"no row for coach; add one"):
        prefectures.prefecture_tables(with_rows(parts, "accounts/area_drivers", rows))


def test_a_driver_nobody_knows_is_named(parts: Parts) -> None:
    with pytest.raises(AreaError, match=r"driver 'moonlight' is neither modelled nor counted"):
        prefectures.prefecture_tables(row_of(parts, "coach", "moonlight"))


def test_a_driver_without_any_value_is_named(parts: Parts) -> None:
    rows = parts.inputs.table("accounts/area_weights").with_columns(
        value=pl.when(pl.col("driver") == "taxis").then(0.0).otherwise(pl.col("value"))
    )
    with pytest.raises(AreaError, match=r"driver 'taxi_km' has no value in any prefecture"):
        prefectures.prefecture_tables(with_rows(parts, "accounts/area_weights", rows))
