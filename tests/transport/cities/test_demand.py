"""Demand of the cities: trips conserved, base shares of the city, groups and lengths by hand, levers, what was observed."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
import pytest

from transport.cities.base_shares import base_shares
from transport.cities.demand import (
    annual_base,
    car_ownership_elasticity,
    city_demand,
    commutes_within,
    demand_anchors,
    mean_commute_km,
    mean_length_by_mode,
    trip_pattern,
)
from transport.cities.layout import BANDS, GROUPS, MODES, PURPOSES, SEGMENTS, TRAVELLERS
from transport.cities.segments import (
    BAND_ENDS_KM,
    band_moments,
    cars_against_census,
    city_class,
    city_residents,
    group_shares,
    grown_compactly,
    households_with_car,
    prefectures,
    total_trips,
    traveller_weights,
)
from transport.layout import YEARS, year_index
from transport.params import Lever, ParameterError, Params
from transport.passengers import fit_table

if TYPE_CHECKING:
    from pathlib import Path

    from transport.cities.layout import CityDemand

I2019, I2020, I2030 = (year_index(y) for y in (2019, 2020, 2030))
SHENYANG, DALIAN, ANSHAN, FUSHUN, BENXI = "210100", "210200", "210300", "210400", "210500"
METRO = MODES.index("metro")
RUNNING = [i for i in range(len(MODES)) if i != METRO]
NUMBERS = ("value", "low", "high")


class Tables:
    """Tables straight from the files, each replaceable."""

    def __init__(self, folder: Path, **other: pl.DataFrame) -> None:
        self.tables = {}
        for name in ("codes", "demand/population", "observed/climate", "observed/cities"):
            found = pl.read_csv(folder / f"{name}.csv", infer_schema=False)
            self.tables[name] = found.with_columns(pl.col([c for c in NUMBERS if c in found.columns]).cast(pl.Float64))
        self.tables |= {name.replace("_", "/"): table for name, table in other.items()}

    def table(self, name: str) -> pl.DataFrame:
        return self.tables[name]


@pytest.fixture(scope="module")
def tables(data_folder: Path) -> Tables:
    return Tables(data_folder)


@pytest.fixture(scope="module")
def rows(data_folder: Path) -> pl.DataFrame:
    files = sorted((data_folder / "parameters").glob("travel_*.csv"))
    files += [data_folder / "parameters" / f"{name}.csv" for name in ("passengers_trend", "vehicles_stock")]
    read = pl.concat([pl.read_csv(f, infer_schema=False) for f in files])
    return read.with_columns(pl.col(NUMBERS).cast(pl.Float64), pl.col("year").cast(pl.Int64))


@pytest.fixture(scope="module")
def params(rows: pl.DataFrame) -> Params:
    return Params.from_frame(rows)


@pytest.fixture(scope="module")
def areas(tables: Tables) -> tuple[str, ...]:
    return prefectures(tables.table("codes"))


@pytest.fixture(scope="module")
def demands(tables: Tables, params: Params, areas: tuple[str, ...]) -> dict[str, CityDemand]:
    return {area: city_demand(tables, params, area) for area in areas}


@pytest.fixture(scope="module")
def drawn(rows: pl.DataFrame) -> Params:
    return Params.from_frame(rows, draws=12, seed=7)


# ---- the layout and the trips ----


def test_bands_are_named_by_their_upper_ends() -> None:
    assert (*map("km_{:g}".format, BAND_ENDS_KM[:-1]), "km_over_15") == BANDS
    assert np.isinf(BAND_ENDS_KM[-1])


def test_segments_of_a_city_add_up_to_its_trips(
    tables: Tables, params: Params, areas: tuple[str, ...], demands: dict[str, CityDemand]
) -> None:
    total = total_trips(params, areas, city_residents(tables.table("demand/population"), areas))
    for area, expected in zip(areas, total, strict=True):
        np.testing.assert_allclose(demands[area].trips.sum(axis=0), expected, rtol=1e-13)
    shenyang = 7067239 * 0.96 * 2.35 * 365
    assert demands[SHENYANG].trips[:, 0, I2020].sum() == pytest.approx(shenyang * 0.86)
    assert demands[SHENYANG].trips[:, 0, I2019].sum() == pytest.approx(shenyang * (0.955 + 0.8 * 0.045))


def test_base_of_the_segments_is_the_base_of_the_city_in_every_draw(
    tables: Tables, drawn: Params, areas: tuple[str, ...]
) -> None:
    for area in areas:
        demand = city_demand(tables, drawn, area)
        weight = demand.trips[..., I2019] / demand.trips[..., I2019].sum(axis=0)
        made = (weight[:, None] * annual_base(demand)).sum(axis=0)
        np.testing.assert_allclose(made[RUNNING], base_shares(drawn, (area,))[0, RUNNING], rtol=0, atol=1e-12)
        np.testing.assert_allclose(demand.season_share.sum(axis=0), 1.0, rtol=1e-14)
        for season in demand.base:
            closed = season if area in {SHENYANG, DALIAN} else season[:, RUNNING]
            np.testing.assert_allclose(closed.sum(axis=1), 1.0, rtol=1e-12)
            assert bool(np.all(season >= 0))


def test_no_draw_depends_on_the_others(rows: pl.DataFrame, tables: Tables, drawn: Params) -> None:
    """Draw 5 alone, whatever the other draws are, to the last bit."""
    fifth = {}
    for key in {(p, s) for p, s, n in drawn.reads().iter_rows() if n}:
        fifth[key] = drawn.get(*key)[[5]].copy()
    alone = Params(fifth, dict(zip(rows["parameter"], rows["unit"], strict=True)), 1)
    for area in (SHENYANG, ANSHAN):
        together, single = city_demand(tables, drawn, area), city_demand(tables, alone, area)
        for name, axis in (("trips", 1), ("base", 3), ("season_share", 1), ("length_km", 1), ("peak_share", 1)):
            np.testing.assert_array_equal(np.take(getattr(together, name), [5], axis=axis), getattr(single, name))


def test_winter_is_a_fifth_to_a_third_of_the_year_and_cycling_falls(demands: dict[str, CityDemand]) -> None:
    assert demands[SHENYANG].season_share[0, 0] == pytest.approx(90 * 0.95 / (90 * 0.95 + 275))
    # November is below zero in Fushun
    assert demands[FUSHUN].season_share[0, 0] == pytest.approx(120 * 0.95 / (120 * 0.95 + 245))
    weight = demands[SHENYANG].trips[:, 0, I2019]
    by_season = {mode: weight @ demands[SHENYANG].base[:, :, i, 0].T for i, mode in enumerate(MODES)}
    assert by_season["cycle"][0] < 0.6 * by_season["cycle"][1]
    assert by_season["walk"][0] < by_season["walk"][1]
    assert by_season["bus"][0] > by_season["bus"][1]


def test_a_city_without_a_metro_has_the_weight_of_a_first_line(
    tables: Tables, params: Params, demands: dict[str, CityDemand]
) -> None:
    """At the length of reference the line takes its boardings over boardings per trip, as odds against all trips of 2019."""
    demand = demands[ANSHAN]
    weight = demand.trips[:, 0, I2019]
    v = annual_base(demand)[:, METRO, 0]
    taken = (weight * v / (1.0 + v)).sum()
    entry = 4500 * 10 * 365 / 1.2
    assert taken == pytest.approx(entry / (1.0 + entry / weight.sum()), rel=1e-10)
    longer = city_demand(tables, params.replace("first_metro_length", "all", np.full((1, 1), 20.0)), ANSHAN)
    v = annual_base(longer)[:, METRO, 0]
    assert (weight * v / (1.0 + v)).sum() == pytest.approx(2 * entry / (1.0 + 2 * entry / weight.sum()), rel=1e-10)


def test_a_first_line_serves_trips_beyond_four_km_most(demands: dict[str, CityDemand]) -> None:
    v = annual_base(demands[ANSHAN])[:, METRO, 0].reshape(len(TRAVELLERS), len(BANDS))
    assert bool(np.all(v[:, 0] == 0))
    assert bool(np.all(np.diff(v[:, :5], axis=1) > 0))
    assert bool(np.all(v[:, 5] > v[:, 2]))


def test_peak_shares_are_those_of_the_purpose(demands: dict[str, CityDemand], params: Params) -> None:
    found = {purpose: v for (purpose, _, _), v in zip(SEGMENTS, demands[BENXI].peak_share[:, 0], strict=True)}
    assert found == {p: params.get("peak_trip_share", p)[0, 0] for p in PURPOSES}


# ---- groups ----


def population(**shares: float) -> pl.DataFrame:
    """Return a census with one district per name and 100 or 300 households."""
    rows = []
    for i, (county, share) in enumerate(shares.items()):
        rows += [
            {"area": "210100", "county": county[1:], "item": "households_with_car_share", "value": share},
            {"area": "210100", "county": county[1:], "item": "family_households", "value": 100.0 if i == 0 else 300.0},
        ]
    return pl.DataFrame(rows)


def test_households_with_a_car_are_those_of_the_districts_by_hand() -> None:
    """Two districts of 100 and 300 households; the county and the whole prefecture do not count."""
    assert households_with_car(population(_210102=0.5, _210104=0.3, _210124=0.9, _210100=0.8), "210100") == pytest.approx(0.35)
    assert households_with_car(population(_210124=0.9, _210100=0.8), "210100") == pytest.approx(0.8)


def test_a_census_without_cars_names_what_to_add() -> None:
    with pytest.raises(ValueError, match=r"no households_with_car_share with family_households for 210100.*add the rows"):
        households_with_car(population(_210124=0.9), "210100")
    with pytest.raises(ValueError, match=r"of 210100 is 1.2; it must lie between 0 and 1"):
        households_with_car(population(_210102=1.2), "210100")


def test_groups_by_hand(params: Params) -> None:
    """Half of the households own a car; twice the cars leave (1/2)^2 without. One adult in each household of either kind."""
    known = params.replace("car_household_adults", "all", np.ones((1, 1)))
    known = known.replace("resident_group_share", "all.student", np.full((1, 1), 0.1))
    known = known.replace("resident_group_share", "all.senior", np.full((1, 1), 0.3))
    cars = np.ones((1, len(YEARS)))
    cars[0, I2030] = 2.0
    shares = dict(zip(GROUPS, group_shares(known, ANSHAN, 0.5, cars), strict=True))
    assert shares["adult_car"][0, I2020] == pytest.approx(0.6 * 0.5)
    assert shares["adult_car"][0, I2030] == pytest.approx(0.6 * 0.75)
    assert shares["adult_no_car"][0, I2030] == pytest.approx(0.6 * 0.25)
    assert shares["student"][0, I2030] == 0.1
    np.testing.assert_allclose(sum(shares.values()), 1.0, rtol=1e-14)


def test_any_number_of_cars_leaves_shares(params: Params) -> None:
    for ratio in (1e-6, 0.3, 5.0, 1e3):
        shares = group_shares(params, ANSHAN, 0.3, np.full((1, len(YEARS)), ratio))
        assert bool(np.all(shares >= 0))
        np.testing.assert_allclose(shares.sum(axis=0), 1.0, rtol=1e-13)


def test_no_cars_at_all_and_no_adults_are_refused(params: Params) -> None:
    with pytest.raises(ValueError, match=r"cars per resident fall to 0; vehicle_stock private_car"):
        cars_against_census(params.replace("vehicle_stock", "private_car", np.zeros((1, 1))))
    with pytest.raises(ValueError, match=r"resident_group_share: students and seniors of 210300 add up to 1\.\d+"):
        group_shares(
            params.replace("resident_group_share", "all.student", np.full((1, 1), 0.9)), ANSHAN, 0.3, np.ones((1, len(YEARS)))
        )


def test_recalled_cars_fit_the_census_by_the_law_of_chance(params: Params) -> None:
    """The law is not fitted: cars by household of 2020 give the share of owners that the census counted."""
    cars = params.get("vehicle_stock", "private_car")[0, I2020]
    assert 1.0 - np.exp(-cars / 17467111) == pytest.approx(0.3438, abs=0.01)


def test_classes_of_cities(params: Params) -> None:
    assert [city_class(params, n) for n in (7.1e6, 5e6, 4.9e6, 1e6, 0.9e6)] == [
        "very_large",
        "very_large",
        "large",
        "large",
        "medium",
    ]


def test_rates_that_make_no_trip_are_refused(params: Params) -> None:
    less = params.replace("trip_rate_by_purpose", "leisure.senior", np.full((1, 1), -1.0))
    with pytest.raises(ValueError, match="trip_rate_by_purpose must not be negative"):
        traveller_weights(less, np.ones((len(GROUPS), 1, len(YEARS))))


# ---- lengths ----


def test_lognormal_bands_by_hand() -> None:
    """Spread 1, mean e^0.5, so the median is 1 km: half of the trips are in the first band, with N(-1) of the km."""
    share, length = band_moments(np.asarray([np.exp(0.5)]), np.asarray([1.0]))
    assert share[0, 0] == pytest.approx(0.5)
    assert length[0, 0] == pytest.approx(np.exp(0.5) * 0.15865525393145707 / 0.5)
    np.testing.assert_allclose(share.sum(axis=0), 1.0, rtol=1e-14)
    np.testing.assert_allclose((share * length).sum(axis=0), np.exp(0.5), rtol=1e-13)


def test_band_means_lie_in_their_bands(demands: dict[str, CityDemand]) -> None:
    ends = dict(zip(BANDS, zip((0.0, *BAND_ENDS_KM), BAND_ENDS_KM, strict=False), strict=True))
    for demand in demands.values():
        for (_, _, band), km in zip(SEGMENTS, demand.length_km[:, 0], strict=True):
            assert ends[band][0] < km < ends[band][1]


def test_a_band_beyond_all_trips_is_empty_and_has_a_length() -> None:
    share, length = band_moments(np.asarray([0.2]), np.asarray([0.05]))
    np.testing.assert_array_equal(share[2:, 0], 0.0)
    assert bool(np.all(np.isfinite(length)))
    with pytest.raises(ValueError, match="trip_length_mean and trip_length_spread must be positive"):
        band_moments(np.asarray([0.2]), np.asarray([0.0]))


def test_mean_length_of_a_purpose_is_its_row(tables: Tables, params: Params, demands: dict[str, CityDemand]) -> None:
    for area, kind in ((SHENYANG, "very_large"), (ANSHAN, "large"), (BENXI, "medium")):
        demand = demands[area]
        for purpose in PURPOSES:
            of = [i for i, (p, _, _) in enumerate(SEGMENTS) if p == purpose]
            trips = demand.trips[of, 0, I2019]
            mean = (trips * demand.length_km[of, 0]).sum() / trips.sum()
            assert mean == pytest.approx(params.get("trip_length_mean", f"{kind}.{purpose}")[0, 0], rel=1e-12)
        assert mean_commute_km(trip_pattern(tables, params, area))[0] == pytest.approx(
            params.get("trip_length_mean", f"{kind}.commute")[0, 0]
        )


def test_commutes_within_a_band_end_are_the_bands_below_it(
    tables: Tables, params: Params, demands: dict[str, CityDemand]
) -> None:
    trips = {s: demands[SHENYANG].trips[i, 0, I2019] for i, s in enumerate(SEGMENTS) if s[0] == "commute"}
    below = sum(v for (_, _, band), v in trips.items() if band in BANDS[:4]) / sum(trips.values())
    assert commutes_within(trip_pattern(tables, params, SHENYANG), 8.0)[0] == pytest.approx(below, rel=1e-12)


# ---- levers ----


def test_compact_growth_by_hand() -> None:
    """A tenth of each band moves one band down; the shortest only receives."""
    trips = np.tile(np.asarray([10.0, 20.0, 30.0, 40.0, 50.0, 60.0]), len(TRAVELLERS))[:, None, None]
    moved = grown_compactly(trips, np.full((1, 1), 0.1))
    np.testing.assert_allclose(moved[: len(BANDS), 0, 0], [12.0, 21.0, 31.0, 41.0, 51.0, 54.0])


def test_compact_growth_shortens_trips_and_makes_none(tables: Tables, params: Params, demands: dict[str, CityDemand]) -> None:
    lever = Lever("compact_growth", "compact_growth_share", "*", "add", 0.0, 1.0, 0.0)
    before, after = demands[ANSHAN], city_demand(tables, params.with_levers([(lever, {2030: 0.2})]), ANSHAN)
    np.testing.assert_array_equal(after.trips[..., : I2020 + 1], before.trips[..., : I2020 + 1])
    np.testing.assert_allclose(after.trips.sum(axis=0), before.trips.sum(axis=0), rtol=1e-13)
    km = [(d.trips[..., I2030] * d.length_km).sum() for d in (before, after)]
    assert 0.7 < km[1] / km[0] < 0.98
    np.testing.assert_array_equal(after.base, before.base)


def test_compact_growth_beyond_all_trips_is_refused(tables: Tables, params: Params) -> None:
    with pytest.raises(ValueError, match=r"compact_growth_share must stay between 0 and 1; with the lever it reaches .* 1\.2"):
        city_demand(tables, params.replace("compact_growth_share", "all", np.full((1, 1), 1.2)), ANSHAN)


def test_no_compact_growth_leaves_every_bit(tables: Tables, params: Params, demands: dict[str, CityDemand]) -> None:
    zero = params.replace("compact_growth_share", "all", np.zeros((1, 1)))
    np.testing.assert_array_equal(city_demand(tables, zero, ANSHAN).trips, demands[ANSHAN].trips)


def test_more_cars_move_adults_and_make_no_trip(tables: Tables, params: Params, demands: dict[str, CityDemand]) -> None:
    lever = Lever("car_ownership", "vehicle_stock", "private_car", "scale", 0.7, 1.2, 1.0)
    before, after = demands[DALIAN], city_demand(tables, params.with_levers([(lever, 1.2)]), DALIAN)
    np.testing.assert_allclose(after.trips.sum(axis=0), before.trips.sum(axis=0), rtol=1e-13)

    def of(demand: CityDemand, group: str) -> float:
        return float(sum(demand.trips[i, 0, I2030] for i, (_, g, _) in enumerate(SEGMENTS) if g == group))

    assert of(after, "adult_car") > 1.04 * of(before, "adult_car")
    assert of(after, "adult_no_car") < 0.96 * of(before, "adult_no_car")
    np.testing.assert_array_equal(after.base, before.base)


def test_car_trips_follow_cars_as_the_elasticity_row_says(
    tables: Tables, params: Params, drawn: Params, rows: pl.DataFrame, areas: tuple[str, ...]
) -> None:
    row = rows.filter((pl.col("parameter") == "travel_elasticity") & (pl.col("subject") == "car_ownership"))
    low, high = float(row["low"][0]), float(row["high"][0])
    for area in areas:
        assert low < car_ownership_elasticity(tables, params, area)[0] < high
        assert bool(np.all(car_ownership_elasticity(tables, drawn, area) > low))


def test_the_implied_elasticity_is_the_response_to_more_cars(tables: Tables, params: Params) -> None:
    """The year 2030 made like 2019 in cars and seniors, then with a few more cars: what the city model shows is the figure reported."""
    step = 1.0 + 1e-4
    stock = params.get("vehicle_stock", "private_car").copy()
    stock[:, I2030] = stock[:, I2019] * params.get("province_population", "210000")[:, I2030]
    stock[:, I2030] /= params.get("province_population", "210000")[:, I2019]
    groups = params.get("resident_group_share", "all.senior")[:, I2019]
    still = params.replace("resident_group_share", "all.senior", np.full((1, 1), groups[0]))
    still = still.replace("vehicle_stock", "private_car", stock)
    stock = stock.copy()
    stock[:, I2030] *= step
    more = still.replace("vehicle_stock", "private_car", stock)
    car = MODES.index("car")
    found = []
    for given in (still, more):
        demand = city_demand(tables, given, ANSHAN)
        found.append(demand.trips[:, 0, I2030] @ annual_base(demand)[:, car, 0])
    assert np.log(found[1] / found[0]) / np.log(step) == pytest.approx(
        car_ownership_elasticity(tables, still, ANSHAN)[0], rel=1e-3
    )


# ---- what was observed, and bad input ----


def test_lengths_by_mode_lie_in_their_observed_ranges(tables: Tables, params: Params, demands: dict[str, CityDemand]) -> None:
    """Large cities: all within the range of the rows; Anshan, to 0.7 of the bus, taxi and car of a large city, is over by up to a tenth."""
    anchors = [a for area in (SHENYANG, DALIAN, ANSHAN) for a in demand_anchors(tables, params, demands[area])]
    fit = fit_table(anchors, tables).filter(
        pl.col("item").str.starts_with("mean trip length"), pl.col("used_for") == "calibration"
    )
    large = fit.filter(~pl.col("item").str.contains(ANSHAN))
    assert large.height == 14
    assert large.filter(~pl.col("modelled").is_between("low", "high")).height == 0
    medium = fit.filter(pl.col("item").str.contains(ANSHAN))
    assert medium.height == 3
    assert medium.filter(~pl.col("modelled").is_between("low", 1.1 * pl.col("high"))).height == 0
    seen = fit_table(demand_anchors(tables, params, demands[SHENYANG]), tables).filter(pl.col("used_for") == "validation")
    assert seen["item"].to_list() == [f"mean trip length, {SHENYANG} shared bicycle"]
    assert abs(float(seen["error_pct"][0])) < 10.0


def test_commutes_meet_the_classes_of_the_commuting_report(
    tables: Tables, params: Params, areas: tuple[str, ...], demands: dict[str, CityDemand]
) -> None:
    fit = fit_table([a for area in areas for a in demand_anchors(tables, params, demands[area])], tables)
    within = fit.filter(pl.col("item").str.starts_with("commutes within 5 km"))
    assert within.height == 5
    assert float(within["error_pct"].abs().max()) < 3.0  # type: ignore[arg-type]
    observed = tables.table("observed/cities").filter(pl.col("series") == "mean_commute_distance")
    for area in (SHENYANG, DALIAN):
        row = observed.filter(pl.col("area") == area)
        assert row.height == 1
        assert float(row["low"][0]) < mean_commute_km(trip_pattern(tables, params, area))[0] < float(row["high"][0])


def test_mean_length_of_no_trips_is_nan(demands: dict[str, CityDemand]) -> None:
    found = mean_length_by_mode(demands[SHENYANG])
    assert found.shape == (len(MODES), 1)
    assert bool(np.all(np.isfinite(found)))
    assert found[MODES.index("walk"), 0] < found[MODES.index("cycle"), 0] < found[MODES.index("bus"), 0]


@pytest.mark.parametrize(
    ("parameter", "subject"),
    [
        ("trip_rate_by_purpose", "school.student"),
        ("resident_group_share", "all.senior"),
        ("trip_length_mean", "large.leisure"),
        ("trip_length_group_ratio", "senior"),
        ("peak_trip_share", "school"),
        ("mode_seed_share", "km_8.bus"),
    ],
)
def test_a_missing_row_is_named(tables: Tables, rows: pl.DataFrame, parameter: str, subject: str) -> None:
    less = Params.from_frame(rows.filter((pl.col("parameter") != parameter) | (pl.col("subject") != subject)))
    with pytest.raises(ParameterError, match=f"{parameter} has no subject '{subject}'; did you mean"):
        city_demand(tables, less, ANSHAN)


def test_fourteen_cities_are_fast(tables: Tables, params: Params, areas: tuple[str, ...]) -> None:
    """About 0.07 s of this process; the best of five, with room for a slow machine, whatever else runs on it."""
    taken = []
    for _ in range(5):
        start = time.process_time()
        for area in areas:
            city_demand(tables, params, area)
        taken.append(time.process_time() - start)
    assert min(taken) < 0.5
