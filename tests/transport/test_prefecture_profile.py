"""Contributions of prefectures: by hand, exact sums, ranks and qualities, what is missing, what earlier runs hold."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from transport.i18n import has_text, texts
from transport.layout import BASE_YEAR, PROVINCE, QUALITY_ORDER
from transport.prefecture_profile import (
    SCHEMA,
    central_residents,
    count_qualities,
    mix_scope,
    place_mix,
    prefecture_profile,
    residents,
)
from transport.prefecture_series import AMOUNTS, CITIES, NEEDED, RULES, Unplaced, place_series
from transport.prefecture_shares import ranks, ratio_contributions
from transport.prefecture_text import TOTALS, reason_text, scaled, signed, sorted_by
from transport.prefectures import UNALLOCATED, prefectures
from transport.scorecard import headline_rows
from transport.text import number, shown

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from transport.inputs import Inputs
    from transport.study import Results

    Found = tuple[pl.DataFrame, list[Unplaced]]

INTENSITY, GREEN, OIL, CO2 = "operating_co2_intensity", "green_travel_share", "land_oil_peak", "transport_co2_total"
FIVE = {"210100", "210200", "210300", "210400", "210700"}


@pytest.fixture(scope="module")
def tables(results: Results) -> Mapping[str, pl.DataFrame]:
    return {name: results.tables[name] for name in NEEDED}


@pytest.fixture(scope="module")
def found(tables: Mapping[str, pl.DataFrame], inputs: Inputs) -> Found:
    return prefecture_profile(tables, inputs, 2030)


@pytest.fixture(scope="module")
def profile(found: Found) -> pl.DataFrame:
    return found[0]


def rows_of(profile: pl.DataFrame, indicator: str) -> dict[str, dict[str, Any]]:
    return {row["area"]: row for row in profile.filter(pl.col("id") == indicator).iter_rows(named=True)}


def places(profile: pl.DataFrame) -> pl.DataFrame:
    return profile.filter(~pl.col("area").is_in(TOTALS))


# ---- known answers ----


def test_two_places_by_hand() -> None:
    """Half of the turnover at 10, half at 30; later a quarter at 8 and three quarters at 20.

    The province: (10 + 30) / 2 = 20, later (8 + 60) / 4 = 17. Weights go from 0.5, 0.5 to 0.25, 0.75, the mean of the province is 18.5.
    """
    top = np.array([[10.0, 30.0, 40.0], [8.0, 60.0, 68.0]])
    bottom = np.array([[1.0, 1.0, 2.0], [1.0, 3.0, 4.0]])
    made = ratio_contributions(top, bottom)
    assert made.part.tolist() == [2.0, 15.0, 17.0]
    # numerator over the whole: 5 -> 2 and 15 -> 15; weights -0.25 and +0.25 at 18.5
    np.testing.assert_allclose(made.by_numerator, [-3.0, 0.0, -3.0])
    np.testing.assert_allclose(made.by_denominator, [4.625, -4.625, 0.0])
    np.testing.assert_allclose(made.change, [1.625, -4.625, -3.0])
    # own ratio 10 -> 8 at weight 0.375, 30 -> 20 at weight 0.625
    np.testing.assert_allclose(made.by_own, [-0.75, -6.25, -3.0])
    # mean ratio 9 and 25, less 18.5, by the change of the weight
    np.testing.assert_allclose(made.by_weight, [(9.0 - 18.5) * -0.25, (25.0 - 18.5) * 0.25, 0.0])


def test_where_everything_grows_alike_nobody_contributes() -> None:
    top, bottom = np.array([3.0, 8.0, 11.0]), np.array([1.0, 2.0, 3.0])
    made = ratio_contributions(np.stack([top, 1.7 * top]), np.stack([bottom, 1.7 * bottom]))
    for shared in (made.change, made.by_own, made.by_weight, made.by_denominator):
        np.testing.assert_allclose(shared, 0.0, atol=1e-12)


def test_a_new_place_is_all_weight_and_what_has_no_denominator_is_its_own() -> None:
    top = np.array([[0.0, 2.0, 1.0, 3.0], [4.0, 2.0, 2.0, 8.0]])
    bottom = np.array([[0.0, 1.0, 0.0, 1.0], [1.0, 1.0, 0.0, 2.0]])
    made = ratio_contributions(top, bottom)
    assert made.by_own[0] == 0.0
    assert made.by_weight[0] == pytest.approx(2.0 - 3.5 * 0.5)
    assert (made.by_own[2], made.by_weight[2]) == (pytest.approx(1.0 - 1.0), 0.0)
    assert made.change[:-1].sum() == pytest.approx(made.change[-1])


def test_ranks_share_a_place_where_values_are_equal() -> None:
    values = [70.5, 70.5 * (1 + 1e-12), None, 65.0, float("nan"), 71.0]
    assert ranks(values, largest_first=True) == [2, 2, None, 4, None, 1]
    assert ranks(values, largest_first=False) == [2, 2, None, 1, None, 4]


def test_the_intensity_of_shenyang_by_hand(profile: pl.DataFrame, tables: Mapping[str, pl.DataFrame]) -> None:
    """From the result table alone: what the city's CO2 over the province's turnover did, less its share of the turnover at the mean level."""
    reading = {"scope": "direct", "boundary": "road+rail+water", "base": "2020", "id": "operating_co2_intensity_level"}
    rows = tables["indicator_areas"].filter(*[pl.col(k) == v for k, v in reading.items()])

    def at(area: str, year: int, column: str) -> float:
        return float(rows.filter(pl.col("area") == area, pl.col("year") == year)[column][0])

    pieces, shares, levels = [], [], []
    for year in (BASE_YEAR, 2030):
        whole = at(PROVINCE, year, "denominator")
        pieces.append(1e6 * at("210100", year, "numerator") / whole)
        shares.append(at("210100", year, "denominator") / whole)
        levels.append(at(PROVINCE, year, "value"))
    points = pieces[1] - pieces[0] - 0.5 * sum(levels) * (shares[1] - shares[0])
    row = rows_of(profile, INTENSITY)["210100"]
    assert row["contribution"] == pytest.approx(100.0 * points / levels[0], rel=1e-9)
    assert row["part"] == pytest.approx(pieces[1], rel=1e-12)
    assert row["value"] == pytest.approx(at("210100", 2030, "value"), rel=1e-12)
    assert row["per_head"] == pytest.approx(at("210100", 2030, "numerator") / row["residents"])


def test_a_growth_is_laid_by_what_each_port_adds(
    profile: pl.DataFrame, tables: Mapping[str, pl.DataFrame], inputs: Inputs
) -> None:
    zones = dict(inputs.table("networks/zones").select("zone_id", "area").iter_rows())
    boxes: dict[tuple[str, int], float] = {}
    for zone, year, teu in tables["port_containers"].select("zone_id", "year", "sea_rail_teu").iter_rows():
        boxes[zones[zone], year] = boxes.get((zones[zone], year), 0.0) + teu
    before, after = (sum(teu for (_, y), teu in boxes.items() if y == year) for year in (BASE_YEAR, 2030))
    growth = 100.0 * ((after / before) ** 0.1 - 1.0)
    rows = rows_of(profile, "sea_rail_growth")
    assert rows[PROVINCE]["value"] == pytest.approx(growth)
    added = boxes["210200", 2030] - boxes["210200", BASE_YEAR]
    assert rows["210200"]["contribution"] == pytest.approx(growth * added / (after - before))
    assert rows["210100"]["value"] is None
    assert rows["210100"]["value_rank"] is None


# ---- the run's own figures ----


@pytest.mark.parametrize("indicator", [rule.id for rule in RULES])
def test_the_province_is_the_run_s_own_figure(
    profile: pl.DataFrame, tables: Mapping[str, pl.DataFrame], inputs: Inputs, indicator: str
) -> None:
    """Value or change of the total equals the table of indicators, which no line of the profile made."""
    total = next(row for area, row in rows_of(profile, indicator).items() if area in TOTALS)
    headline = headline_rows(tables["indicators"], inputs.table("indicators")).filter(
        pl.col("id") == indicator, pl.col("year") == 2030
    )
    if total["area"] == CITIES:
        own = {row["area"]: row["value"] for row in headline.iter_rows(named=True) if row["area"] in prefectures(inputs)}
        mine = {area: row["value"] for area, row in rows_of(profile, indicator).items() if area not in TOTALS}
        assert mine == pytest.approx(own)
        assert min(own.values()) < total["value"] < max(own.values())
        return
    expected = float(headline["value"][0])
    shows = {INTENSITY: "change", "rail_energy_intensity": "change", OIL: "peak_year"}.get(indicator, "value")
    assert total[shows] == pytest.approx(expected, rel=1e-9)
    assert total["indicator_value"] == expected
    assert (total["target"], total["verdict"]) == (headline["target"][0], headline["verdict"][0])


@pytest.mark.parametrize("year", [2025, 2030, 2035])
@pytest.mark.parametrize("scope", [None, "direct", "direct_power", "wtw"])
def test_contributions_and_parts_sum_to_the_province(
    tables: Mapping[str, pl.DataFrame], inputs: Inputs, year: int, scope: str | None
) -> None:
    table, without = prefecture_profile(tables, inputs, year, scope=scope)
    assert table["id"].n_unique() == len(RULES) - sum(one.reason == "year" for one in without)
    assert table["id"].n_unique() >= len(RULES) - 1
    for (name,), rows in table.group_by(["id"]):
        total = rows.filter(pl.col("area").is_in(TOTALS)).row(0, named=True)
        body = places(rows)
        for column, whole in (("part", "value"), ("contribution", "change"), ("numerator", "numerator")):
            size = max(abs(total[whole]), *body[column].abs().to_list())
            assert abs(body[column].sum() - total[whole]) <= 1e-9 * size, (name, column)
        if total["kind"] == "ratio":
            size = max(*body["contribution"].abs().to_list())
            for pair in (("by_numerator", "by_denominator"), ("by_own", "by_weight")):
                np.testing.assert_allclose(body[pair[0]] + body[pair[1]], body["contribution"], atol=1e-9 * size)
            assert abs(body["by_denominator"].sum()) <= 1e-9 * size
            assert body["numerator_pct"].sum() == pytest.approx(100.0, abs=1e-7)
            assert body["denominator_pct"].sum() == pytest.approx(100.0, abs=1e-7)


@given(
    top=arrays(np.float64, (2, 5), elements=st.floats(0.0, 1e6)),
    bottom=arrays(np.float64, (2, 5), elements=st.one_of(st.just(0.0), st.floats(1e-3, 1e6))),
)
def test_contributions_of_any_places_leave_no_rest(top: NDArray[np.float64], bottom: NDArray[np.float64]) -> None:
    bottom[:, 0] += 1.0
    whole = [np.concatenate([side, side.sum(axis=1, keepdims=True)], axis=1) for side in (top, bottom)]
    made = ratio_contributions(whole[0], whole[1])
    ratio = whole[0][:, -1] / whole[1][:, -1]
    size = 1.0 + float(np.abs(made.by_numerator).max() + np.abs(made.by_denominator).max())
    assert np.isfinite(made.change).all()
    assert abs(made.change[:-1].sum() - (ratio[1] - ratio[0])) <= 1e-9 * size
    assert abs(made.part[:-1].sum() - ratio[1]) <= 1e-9 * size
    np.testing.assert_allclose(made.by_own + made.by_weight, made.change, atol=1e-9 * size)


# ---- what is shown with them ----


def test_every_indicator_has_places_or_a_reason_in_both_languages(found: Found, inputs: Inputs) -> None:
    table, without = found
    listed = [*table["id"].unique(maintain_order=True).to_list(), *[one.id for one in without]]
    assert sorted(listed) == sorted(inputs.table("indicators")["id"].to_list())
    for one in without:
        assert one.reason == "model"
        for lang in ("zh", "en"):
            assert has_text(f"prefecture.reason.{one.id}", lang), one.id
            assert len(reason_text(one, lang)) > 8
    for amount in AMOUNTS.values():
        for unit in (amount.head_unit, amount.gdp_unit):
            assert f"prefecture.unit.{unit}" in texts("zh")
    assert {f"prefecture.amount.{rule.id}" for rule in RULES} <= set(texts("en"))


def test_each_indicator_has_all_prefectures_and_one_total(profile: pl.DataFrame, inputs: Inputs) -> None:
    assert profile.schema == pl.Schema(SCHEMA)
    for (name,), rows in profile.group_by(["id"]):
        codes = rows["area"].to_list()
        assert codes[:14] == list(prefectures(inputs)), name
        assert set(codes[14:]) <= {UNALLOCATED, *TOTALS}
        ranked = rows["value_rank"].drop_nulls().to_list()
        assert min(ranked) == 1
        assert len(ranked) == rows["ranked"].drop_nulls()[0]
        assert rows.filter(pl.col("area").is_in([UNALLOCATED, *TOTALS]))["value_rank"].null_count() == len(codes) - 14


def test_ranks_follow_the_aim(profile: pl.DataFrame) -> None:
    for indicator, column, rank, best in (
        (INTENSITY, "value", "value_rank", min),
        (CO2, "value", "value_rank", max),
        (CO2, "per_head", "per_head_rank", min),
        (OIL, "change", "change_rank", min),
        ("sea_rail_share", "value", "value_rank", max),
        (GREEN, "value", "value_rank", max),
        ("rail_energy_intensity", "value", "value_rank", min),
    ):
        rows = profile.filter(pl.col("id") == indicator, pl.col(rank).is_not_null())
        first = rows.filter(pl.col(rank) == 1)
        assert first[column][0] == best(rows[column].to_list()), indicator


def test_green_travel_is_of_central_cities_with_five_targets(profile: pl.DataFrame, inputs: Inputs) -> None:
    rows = rows_of(profile, GREEN)
    assert PROVINCE not in rows
    assert {area for area, row in rows.items() if row["target"] is not None} == FIVE
    assert {row["verdict"] for area, row in rows.items() if area in FIVE} <= {"met", "missed", "within_tolerance"}
    assert {row["verdict"] for area, row in rows.items() if area not in {*FIVE, CITIES}} == {"tracked"}
    central, all_of_it = central_residents(inputs, 2030), residents(inputs, 2030)
    assert all(central[area] < all_of_it[area] for area in prefectures(inputs))
    assert rows["210100"]["residents"] == pytest.approx(central["210100"])
    assert rows["210100"]["per_gdp"] is None
    assert rows["210100"]["per_head"] == pytest.approx(rows["210100"]["numerator"] / central["210100"])


def test_residents_are_the_census_and_gdp_is_one_vintage(profile: pl.DataFrame, inputs: Inputs) -> None:
    census = residents(inputs, BASE_YEAR)
    assert census["210100"] == 9_070_093
    later = residents(inputs, 2030)
    for found in (census, later):
        assert sum(found[area] for area in prefectures(inputs)) == pytest.approx(found[PROVINCE], rel=1e-12)
    path = inputs.params().get("province_population", PROVINCE)[0]
    assert later[PROVINCE] / census[PROVINCE] == pytest.approx(path[15] / path[5])
    # the large cities gain from the rest, as the travel model has it
    assert later["210100"] / census["210100"] > later[PROVINCE] / census[PROVINCE] > later["211300"] / census["211300"]
    row = rows_of(profile, CO2)["210100"]
    published = inputs.table("observed/economy").filter(
        pl.col("series") == "gdp", pl.col("area") == "210100", pl.col("period") == "2020", pl.col("item") == "first_release"
    )
    assert row["gdp_cny"] == published["value"][0]
    assert row["per_gdp"] == pytest.approx(1e4 * row["numerator"] / row["gdp_cny"])
    assert row["per_head"] == pytest.approx(row["numerator"] / later["210100"])
    assert rows_of(profile, CO2)[UNALLOCATED]["per_head"] is None


def test_qualities_are_the_weakest_of_what_they_stand_on(profile: pl.DataFrame, inputs: Inputs) -> None:
    at = QUALITY_ORDER.index
    for row in profile.iter_rows(named=True):
        if row["quality"] is None:
            assert row["value"] is None
            continue
        parts = [row["value_quality"], *([] if row["area"] in TOTALS else [row["place_quality"]])]
        assert at(row["quality"]) == max(map(at, parts))
        for name in ("per_head", "per_gdp"):
            if row[name] is not None:
                assert at(row[f"{name}_quality"]) >= at(row["quality"])
    heads, money = count_qualities(inputs, BASE_YEAR)
    assert heads["210100"] == "official"
    assert (money["210100"], money["210200"]) == ("literature", "recalled")
    assert count_qualities(inputs, 2030)[0]["210100"] == "assumption"


def test_an_upgraded_row_improves_the_badge_of_its_city_only(tables: Mapping[str, pl.DataFrame], inputs: Inputs) -> None:
    """Mode shares and trip rate of Shenyang measured: its badge of the place gets better, that of Dalian does not."""
    mine = pl.col("parameter").is_in(["travel_base_share", "trip_rate"]) & pl.col("subject").str.starts_with("210100")
    better = inputs.parameters.with_columns(quality=pl.when(mine).then(pl.lit("measured")).otherwise(pl.col("quality")))
    before, after = (
        rows_of(prefecture_profile(tables, replace(inputs, parameters=rows), 2030)[0], GREEN)
        for rows in (inputs.parameters, better)
    )
    assert before["210100"]["place_quality"] == "recalled"
    assert after["210100"]["place_quality"] == "derived"
    assert after["210200"]["place_quality"] == "recalled"


def test_a_place_without_a_port_has_nothing_and_contributes_nothing(profile: pl.DataFrame) -> None:
    rows = rows_of(profile, "sea_rail_share")
    inland = rows["210100"]
    assert [inland[c] for c in ("value", "value_rank", "per_head", "quality")] == [None] * 4
    assert inland["contribution"] == 0.0
    assert rows["211400"]["value"] == 0.0
    assert rows["211400"]["value_rank"] == rows["210200"]["ranked"]


def test_the_mix_sums_to_the_place_and_to_the_province(profile: pl.DataFrame, tables: Mapping[str, pl.DataFrame]) -> None:
    mix = place_mix(tables, "210100", 2030, scope=mix_scope(profile))
    for (of,), rows in mix.group_by(["of"]):
        assert rows["share_pct"].sum() == pytest.approx(100.0), of
        assert rows["province_pct"].sum() == pytest.approx(100.0), of
    assert mix.filter(pl.col("of") == "co2")["amount"].sum() == pytest.approx(rows_of(profile, CO2)["210100"]["value"], rel=1e-9)


def test_numbers_are_written_on_one_scale() -> None:
    for lang in ("zh", "en"):
        for unit in ("t/yr", "tCO2/yr", "toe/yr", "percent", "gCO2/tkm", "percent/yr"):
            assert shown(123456.0, unit, lang) == number(123456.0 / scaled(unit, lang))
    assert signed(-0.0001) == "0.00"


def test_rows_are_sorted_by_rank_with_the_total_last(profile: pl.DataFrame) -> None:
    rows = sorted_by(profile.filter(pl.col("id") == "sea_rail_share"), "value")
    known = rows["value_rank"].drop_nulls().to_list()
    assert known == sorted(known)
    assert rows["value_rank"][len(known)] is None
    assert rows["area"][-1] == PROVINCE


# ---- what is missing ----


def test_a_run_without_a_table_says_so_and_shows_the_rest(
    tables: Mapping[str, pl.DataFrame], inputs: Inputs, found: Found
) -> None:
    old = {name: table for name, table in tables.items() if name != "indicator_areas"}
    table, without = prefecture_profile(old, inputs, 2030)
    lost = {one.id for one in without if one.reason == "table"}
    assert lost == {rule.id for rule in RULES if rule.source == "indicator_areas"}
    assert all("indicator_areas" in reason_text(one, "zh") for one in without if one.reason == "table")
    kept = found[0].filter(~pl.col("id").is_in(lost))
    assert table.drop("drivers").equals(kept.drop("drivers"))
    narrow = {**tables, "airports": tables["airports"].drop("bridge_power_share")}
    assert "bridge_power_share" in {one.id for one in prefecture_profile(narrow, inputs, 2030)[1] if one.reason == "table"}
    nothing, every = prefecture_profile({}, inputs, 2030)
    assert nothing.is_empty()
    assert {one.id for one in every} == set(inputs.table("indicators")["id"].to_list())


def test_a_year_without_results_names_those_with(tables: Mapping[str, pl.DataFrame], inputs: Inputs) -> None:
    table, without = prefecture_profile(tables, inputs, 2027)
    found = {one.id: one for one in without if one.reason == "year"}
    assert set(found) == {"rail_freight_increase"}
    years = tables["freight_areas"]["year"].unique().sort().to_list()
    assert ", ".join(map(str, years)) in reason_text(found["rail_freight_increase"], "en")
    assert "rail_freight_increase" not in table["id"].to_list()
    early = {one.id for one in prefecture_profile(tables, inputs, BASE_YEAR)[1] if one.reason == "year"}
    assert early == {"sea_rail_growth", "transhipment_growth"}


def test_a_group_of_cities_counts_nothing_twice(
    tables: Mapping[str, pl.DataFrame], inputs: Inputs, profile: pl.DataFrame
) -> None:
    """A metropolitan area stands beside its cities in the tables: rows of it change no city and no total."""
    more = dict(tables)
    for name in ("green_travel", "indicators"):
        group = tables[name].filter(pl.col("area") == "210100").with_columns(area=pl.lit("metropolitan_area"))
        more[name] = pl.concat([tables[name], group])
    assert prefecture_profile(more, inputs, 2030)[0].equals(profile)


def test_an_indicator_of_a_pack_without_a_rule_is_listed(tables: Mapping[str, pl.DataFrame], inputs: Inputs) -> None:
    rows = inputs.table("indicators")
    added = pl.concat([rows, rows.head(1).with_columns(id=pl.lit("of_the_pack"))])
    more = replace(inputs, tables={**inputs.tables, "indicators": added})
    _, without = place_series(tables, more, 2030)
    one = next(one for one in without if one.id == "of_the_pack")
    assert reason_text(one, "en") == texts("en")["prefecture.reason_model"]
