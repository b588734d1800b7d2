"""Base shares by segment: raking with known answers, structural zeros, seasons that average to the year, a metro before it runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from transport.cities.base_shares import (
    BaseShareError,
    base_shares,
    by_season,
    cold_days,
    over,
    rake,
    season_shares,
    seed_shares,
    virtual_metro,
)
from transport.cities.layout import MODES, SEGMENTS
from transport.params import ParameterError, Params

if TYPE_CHECKING:
    from pathlib import Path

    from transport.cities.layout import Array

METRO, WALK, CYCLE, CAR = (MODES.index(m) for m in ("metro", "walk", "cycle", "car"))


@pytest.fixture(scope="module")
def rows(data_folder: Path) -> pl.DataFrame:
    files = sorted((data_folder / "parameters").glob("travel_*.csv"))
    read = pl.concat([pl.read_csv(f, infer_schema=False) for f in files])
    return read.with_columns(pl.col("value", "low", "high").cast(pl.Float64), pl.col("year").cast(pl.Int64))


@pytest.fixture(scope="module")
def params(rows: pl.DataFrame) -> Params:
    return Params.from_frame(rows)


def small(*values: list[float]) -> Array:
    """Return a table with one draw behind it."""
    return np.asarray(values, dtype=np.float64)[..., None]


# ---- raking ----


def test_raking_two_by_two_by_hand() -> None:
    """Odds ratio 4 kept, equal weights, equal shares: p / (1 - p) = 2 in the first segment, its inverse in the second."""
    share, factor = rake(small([4.0, 1.0], [1.0, 1.0]), np.full((2, 1), 0.5), np.full((2, 1), 0.5))
    np.testing.assert_allclose(share[..., 0], [[2 / 3, 1 / 3], [1 / 3, 2 / 3]], rtol=1e-13)
    np.testing.assert_allclose(factor[:, 0] / factor[0, 0], [1.0, 2.0], rtol=1e-12)


def test_raking_with_a_zero_by_hand() -> None:
    """The second segment cannot use the first mode, so all of its 0.3 come from the first segment, which is half of the trips."""
    share, _ = rake(small([0.2, 0.8], [0.0, 1.0]), np.full((2, 1), 0.5), small([0.3, 0.7])[0])
    np.testing.assert_allclose(share[..., 0], [[0.6, 0.4], [0.0, 1.0]], rtol=1e-12)


def test_a_seed_that_meets_the_shares_stays_as_it_is() -> None:
    seed, weight = small([0.7, 0.3], [0.1, 0.9]), small([0.25, 0.75])[0]
    share, _ = rake(seed, weight, (weight[:, None] * seed).sum(axis=0))
    np.testing.assert_array_equal(share, seed / seed.sum(axis=1, keepdims=True))


def test_shares_that_no_segment_can_give_name_the_mode_and_the_remedy() -> None:
    """Walking is possible for a tenth of the trips and should make half of them."""
    seed = np.ones((len(SEGMENTS), len(MODES), 1))
    seed[1:, WALK] = 0.0
    weight = np.full((len(SEGMENTS), 1), 0.9 / (len(SEGMENTS) - 1))
    weight[0] = 0.1
    target = np.full((len(MODES), 1), 0.5 / (len(MODES) - 1))
    target[WALK] = 0.5
    with pytest.raises(BaseShareError, match=r"share of walk .* travel_base_share; lower that row"):
        rake(seed, weight, target)


def test_a_segment_without_any_mode_is_named() -> None:
    seed = np.ones((len(SEGMENTS), len(MODES), 1))
    seed[3] = 0.0
    with pytest.raises(BaseShareError, match=" ".join(SEGMENTS[3])):
        rake(seed, np.full((len(SEGMENTS), 1), 1 / len(SEGMENTS)), np.full((len(MODES), 1), 1 / len(MODES)))


positive = st.floats(0.05, 5.0)


@given(
    st.lists(st.lists(positive, min_size=3, max_size=3), min_size=4, max_size=4),
    st.lists(positive, min_size=4, max_size=4),
    st.lists(positive, min_size=3, max_size=3),
    st.integers(0, 3),
)
def test_raked_shares_are_shares_with_the_means_and_the_odds_ratios_asked_for(
    cells: list[list[float]], weights: list[float], targets: list[float], closed: int
) -> None:
    seed = small(*cells)
    seed[closed, 0] = 0.0
    weight, target = (np.asarray(v)[:, None] / sum(v) for v in (weights, targets))
    if target[0, 0] > 0.8 * (1.0 - weight[closed, 0]):
        return
    share, _ = rake(seed, weight, target)
    assert share[closed, 0, 0] == 0.0
    assert bool(np.all(np.delete(share[..., 0].ravel(), closed * 3) > 0))
    np.testing.assert_allclose(share.sum(axis=1), 1.0, rtol=1e-13)
    np.testing.assert_allclose((weight[:, None] * share).sum(axis=0), target, atol=1e-12)
    odds, before = share[:, 1, 0] / share[:, 2, 0], seed[:, 1, 0] / seed[:, 2, 0]
    np.testing.assert_allclose(odds / odds[0], before / before[0], rtol=1e-9)


def test_raking_of_a_draw_does_not_know_the_others() -> None:
    rng = np.random.default_rng(4)
    seed = rng.random((6, 4, 5)) + 0.05
    weight, target = rng.random((6, 5)) + 0.1, rng.random((4, 5)) + 0.1
    weight, target = weight / weight.sum(axis=0), target / target.sum(axis=0)
    # one draw that converges at once and one that takes long
    target[:, 1] = (weight[:, None, 1] * seed[..., 1] / seed[..., 1].sum(axis=1, keepdims=True)).sum(axis=0)
    seed[:, :, 2] *= np.exp(6.0 * rng.standard_normal((6, 4)))
    together = rake(seed, weight, target)
    for i in range(5):
        alone = rake(seed[..., [i]], weight[:, [i]], target[:, [i]])
        for a, b in zip(together, alone, strict=True):
            np.testing.assert_array_equal(a[..., [i]], b)


def test_the_ordered_sum_is_the_sum_in_order() -> None:
    values = np.asarray([1e16, 1.0, -1e16, 1.0])
    assert over(values[:, None], 0)[0] == ((1e16 + 1.0) - 1e16) + 1.0
    np.testing.assert_array_equal(over(np.arange(6.0).reshape(2, 3), 1), [3.0, 12.0])


# ---- seed of the data ----


def test_nobody_walks_far_and_no_metro_serves_the_corner(params: Params) -> None:
    seed = seed_shares(params)
    zero = {
        (band, mode)
        for (_, _, band), line in zip(SEGMENTS, seed[..., 0], strict=True)
        for mode, v in zip(MODES, line, strict=True)
        if v == 0
    }
    assert zero == {
        *((b, "walk") for b in ("km_8", "km_15", "km_over_15")),
        *((b, "cycle") for b in ("km_15", "km_over_15")),
        ("km_over_15", "e_bike"),
        ("km_1", "metro"),
    }


def test_seed_is_the_product_of_its_three_rows(params: Params) -> None:
    seed = seed_shares(params)
    segment = SEGMENTS.index(("commute", "adult_no_car", "km_4"))
    rows = [("mode_seed_share", "km_4.car"), ("mode_seed_group_factor", "adult_no_car.car"), ("mode_seed_purpose_factor", "all")]
    assert seed[segment, CAR, 0] == pytest.approx(np.prod([params.get(*row)[0, 0] for row in rows]))


@pytest.mark.parametrize(
    ("parameter", "subject"),
    [("mode_seed_share", "km_4.bus"), ("mode_seed_group_factor", "all"), ("winter_mode_ratio", "all")],
)
def test_a_missing_row_is_named(rows: pl.DataFrame, parameter: str, subject: str) -> None:
    less = Params.from_frame(rows.filter((pl.col("parameter") != parameter) | (pl.col("subject") != subject)))
    with pytest.raises(ParameterError, match=f"{parameter} has no subject '{subject}'; did you mean"):
        by_season(less, seed_shares(less), np.ones((len(MODES), 1)), small([0.2, 0.8])[0])


def test_base_shares_are_closed_rows(params: Params) -> None:
    found = base_shares(params, ("210300",))[0, :, 0]
    raw = np.asarray([params.get("travel_base_share", f"210300.{m}")[0, 0] for m in MODES])
    np.testing.assert_allclose(found, raw / raw.sum(), rtol=1e-14)


# ---- a metro that does not yet run ----


def test_virtual_metro_by_hand() -> None:
    """One segment: weight v beside one takes v / (1 + v); a fifth of the trips needs v = 1/4."""
    seed = np.ones((1, len(MODES), 1))
    factor = np.ones((len(MODES), 1))
    factor[METRO] = 0.0
    v = virtual_metro(seed, factor, np.ones((1, 1)), np.asarray([0.2]))
    assert v[0, 0] == pytest.approx(0.25, rel=1e-13)


@given(st.floats(1e-4, 0.45), st.integers(0, 1000))
def test_virtual_metro_takes_its_share_of_all_trips(share: float, number: int) -> None:
    rng = np.random.default_rng(number)
    seed = rng.random((8, len(MODES), 2)) + 0.01
    seed[:2, METRO] = 0.0
    factor = rng.random((len(MODES), 2)) + 0.1
    factor[METRO] = 0.0
    weight = np.full((8, 2), 1 / 8)
    v = virtual_metro(seed, factor, weight, np.asarray([share, share / 2]))
    np.testing.assert_allclose((weight * v / (1.0 + v)).sum(axis=0), [share, share / 2], atol=1e-12)
    assert bool(np.all(v[:2] == 0) and np.all(v[2:] > 0))


def test_a_metro_for_more_trips_than_are_long_enough_is_refused() -> None:
    seed = np.ones((2, len(MODES), 1))
    seed[0, METRO] = 0.0
    factor = np.ones((len(MODES), 1))
    factor[METRO] = 0.0
    with pytest.raises(BaseShareError, match=r"0\.600 of all trips, but only 0\.500 .* lower metro_boardings_per_km_day"):
        virtual_metro(seed, factor, np.full((2, 1), 0.5), np.asarray([0.6]))


# ---- seasons ----


def climate(temperatures: list[float], period: str = "1991-2020") -> pl.DataFrame:
    return pl.DataFrame(
        {
            "series": "mean_temperature",
            "area": "210100",
            "period": period,
            "item": [f"month_{i + 1:02d}" for i in range(len(temperatures))],
            "value": temperatures,
        }
    )


def test_cold_days_are_the_days_of_the_months_below_zero() -> None:
    """January, February and December: 31 + 28 + 31; exactly zero is not cold, an older normal does not count."""
    normal = climate([-11.3, -6.6, 0.0, 10, 17, 22, 25, 24, 18, 10, 0.2, -8.6])
    assert cold_days(pl.concat([normal, climate([-20.0] * 12, "1951-1980")]), "210100") == 90.0


@pytest.mark.parametrize("table", [climate([1.0] * 11), pl.concat([climate([1.0] * 12), climate([1.0] * 12)])])
def test_a_month_missing_or_twice_is_refused(table: pl.DataFrame) -> None:
    with pytest.raises(
        ValueError, match=r"observed/climate: mean_temperature of 210100.*needs one each for month_01 to month_12"
    ):
        cold_days(table, "210100")


def test_season_shares_by_hand(params: Params) -> None:
    """A quarter of the days with nine tenths of the trips a day: 0.225 of 0.975."""
    ninety = params.replace("winter_trip_ratio", "all", np.full((1, 1), 0.9))
    np.testing.assert_allclose(season_shares(ninety, 365 / 4)[:, 0], [0.225 / 0.975, 0.75 / 0.975], rtol=1e-13)


def test_winter_by_hand(params: Params) -> None:
    """Half of the trips by cycle, weight 0.45: 0.225 / 0.725 in winter; with a quarter of the trips in winter the year is as before."""
    annual = np.zeros((1, len(MODES), 1))
    annual[0, CYCLE], annual[0, CAR] = 0.5, 0.5
    seasons = small([0.25, 0.75])[0]
    cold, warm = by_season(params, annual, np.ones((len(MODES), 1)), seasons)
    assert cold[0, CYCLE, 0] == pytest.approx(0.225 / 0.725, rel=1e-13)
    assert warm[0, CYCLE, 0] == pytest.approx((0.5 - 0.25 * 0.225 / 0.725) / 0.75, rel=1e-13)
    np.testing.assert_allclose(cold.sum(axis=1), 1.0, rtol=1e-14)
    np.testing.assert_allclose(warm.sum(axis=1), 1.0, rtol=1e-14)


def test_a_virtual_metro_does_not_count_as_running(params: Params) -> None:
    annual = np.zeros((1, len(MODES), 1))
    annual[0, CYCLE], annual[0, CAR], annual[0, METRO] = 0.5, 0.5, 0.2
    running = np.ones((len(MODES), 1))
    running[METRO] = 0.0
    seasons = small([0.25, 0.75])[0]
    both = by_season(params, annual, running, seasons)
    np.testing.assert_allclose(np.delete(both, METRO, axis=2).sum(axis=2), 1.0, rtol=1e-14)
    assert both[0, 0, METRO, 0] == pytest.approx(0.2 / 0.725, rel=1e-13)
    np.testing.assert_allclose((seasons[:, None, None] * both).sum(axis=0), annual, rtol=1e-14)


def test_a_winter_that_would_empty_the_summer_is_refused(params: Params) -> None:
    """Nearly all trips on foot, a very light weight: the other mode would be used in winter alone, and more."""
    light = params.replace("winter_mode_ratio", "walk", np.full((1, 1), 0.01))
    annual = np.zeros((len(SEGMENTS), len(MODES), 1))
    annual[:, WALK], annual[:, CAR] = 0.9, 0.1
    with pytest.raises(BaseShareError, match=r"car of .* negative share in the warm months.*winter_mode_ratio nearer to one"):
        by_season(light, annual, np.ones((len(MODES), 1)), small([0.4, 0.6])[0])
