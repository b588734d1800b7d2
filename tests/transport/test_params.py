"""Parameters on the common layout: known answers of interpolation, sampling, levers, holding, hints."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import triang

from transport.layout import BASE_YEAR, YEARS, year_index
from transport.params import Lever, ParameterError, Params, lever_path, seed_for

SCHEMA = {
    "parameter": pl.String,
    "subject": pl.String,
    "year": pl.Int64,
    "value": pl.Float64,
    "low": pl.Float64,
    "high": pl.Float64,
    "distribution": pl.String,
    "unit": pl.String,
}
ROWS: list[tuple[Any, ...]] = [
    ("factor", "all", 2030, 4.0, None, None, "fixed", "t"),
    ("factor", "all", 2020, 2.0, None, None, "fixed", "t"),
    ("energy", "bus", None, 1.2, 1.0, 1.6, "triangular", "kWh/km"),
    ("energy", "truck", None, 3.0, 2.0, 4.0, "uniform", "kWh/km"),
    ("share", "all", 2020, 0.2, 0.1, 0.3, "uniform", "dimensionless"),
    ("share", "all", 2030, 0.6, 0.5, 0.7, "uniform", "dimensionless"),
    ("lost", "all", None, None, None, None, "fixed", "t"),
]


def frame(rows: list[tuple[Any, ...]] = ROWS) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=SCHEMA, orient="row")


def lever(operation: str = "scale", parameter: str = "energy", subject: str = "*", **other: float) -> Lever:
    neutral = {"scale": 1.0, "add": 0.0, "set": 2.0}[operation]
    limits = {"minimum": -100.0, "maximum": 100.0, "default": neutral} | other
    return Lever("handle", parameter, subject, operation, limits["minimum"], limits["maximum"], limits["default"])


@pytest.fixture
def params() -> Params:
    return Params.from_frame(frame())


# --- values


def test_years_are_joined_linearly_and_held_flat(params: Params) -> None:
    factor = params.get("factor")
    assert factor.shape == (1, len(YEARS))
    assert [factor[0, year_index(year)] for year in (2015, 2020, 2023, 2025, 2030, 2035)] == [
        2.0,
        2.0,
        pytest.approx(2.6),
        3.0,
        4.0,
        4.0,
    ]


def test_a_row_without_a_year_holds_in_every_year(params: Params) -> None:
    assert params.get("energy", "bus").tolist() == [[1.2] * len(YEARS)]


def test_one_dated_row_holds_in_every_year() -> None:
    params = Params.from_frame(frame([("a", "all", 2022, 5.0, None, None, "fixed", "t")]))
    assert params.get("a").tolist() == [[5.0] * len(YEARS)]


def test_row_order_does_not_matter() -> None:
    forward = Params.from_frame(frame(), draws=7, seed=3)
    backward = Params.from_frame(frame(ROWS[::-1]), draws=7, seed=3)
    for parameter, subject in forward.reads().select("parameter", "subject").iter_rows():
        assert np.array_equal(forward.get(parameter, subject), backward.get(parameter, subject))


def test_values_cannot_be_written(params: Params) -> None:
    with pytest.raises(ValueError, match="read-only"):
        params.get("factor")[0, 0] = 9.0


def test_lookups(params: Params) -> None:
    assert params.subjects("energy") == ("bus", "truck")
    assert params.unit("energy") == "kWh/km"
    assert params.has("energy", "bus")
    assert not params.has("energy")
    assert not params.has("lost")


def test_hints(params: Params) -> None:
    with pytest.raises(ParameterError, match=r"^no parameter 'facter'; did you mean factor\?$"):
        params.get("facter")
    with pytest.raises(ParameterError, match=r"^parameter energy has no subject 'busx'; did you mean bus"):
        params.get("energy", "busx")
    with pytest.raises(ParameterError, match="one of bus, truck"):
        params.get("energy", "12345")
    with pytest.raises(ParameterError, match="no parameter 'lost'"):
        params.get("lost")
    with pytest.raises(ParameterError, match="did you mean energy"):
        params.subjects("energyy")


def test_a_record_of_its_own_counts_only_its_own_reads(params: Params) -> None:
    params.get("factor")
    shared: dict[tuple[str, str], int] = {}
    other = params.recorded(shared)
    assert other.get("factor") is params.get("factor")
    assert shared == {("factor", "all"): 1}
    assert params.recorded(None).reads()["reads"].sum() == 0


def test_reads_are_counted_over_copies(params: Params) -> None:
    params.get("factor")
    params.hold(2020).get("factor")
    params.with_levers([(lever(), 2.0)]).get("energy", "bus")
    reads = {(p, s): n for p, s, n in params.reads().iter_rows()}
    assert reads == {("energy", "bus"): 1, ("energy", "truck"): 0, ("factor", "all"): 2, ("share", "all"): 0}


# --- sampling


def test_single_run_takes_central_values() -> None:
    assert Params.from_frame(frame(), draws=1, seed=99).get("energy", "truck")[0, 0] == 3.0


def test_sampling_is_deterministic_by_name() -> None:
    first = Params.from_frame(frame(), draws=50, seed=7)
    again = Params.from_frame(frame(), draws=50, seed=7)
    fewer = Params.from_frame(frame([row for row in ROWS if row[0] == "energy"]), draws=50, seed=7)
    other = Params.from_frame(frame(), draws=50, seed=8)
    bus = first.get("energy", "bus")
    assert np.array_equal(bus, again.get("energy", "bus"))
    assert np.array_equal(bus, fewer.get("energy", "bus"))  # another parameter reshuffles nothing
    assert not np.array_equal(bus, other.get("energy", "bus"))
    assert not np.array_equal(first.get("energy", "truck") - 2.0, bus)


def test_some_draws_are_those_of_all() -> None:
    whole = Params.from_frame(frame(), draws=50, seed=7)
    some = Params.from_frame(frame(), draws=50, seed=7, only=(31, 4))
    assert some.draws == 3
    for key in (("energy", "bus"), ("share", "all"), ("factor", "all")):
        assert np.array_equal(some.get(*key), whole.get(*key)[[0, 31, 4]])
    assert np.array_equal(
        Params.from_frame(frame(), draws=50, seed=7, only=()).get("share"), Params.from_frame(frame()).get("share")
    )
    with pytest.raises(ValueError, match="draws 0 to 50 of a design with draws 0 to 49"):
        Params.from_frame(frame(), draws=50, only=(50,))


def test_each_slice_of_a_range_holds_one_draw() -> None:
    truck = Params.from_frame(frame(), draws=101, seed=7).get("energy", "truck")[1:, 0]
    assert sorted(np.floor((truck - 2.0) / 2.0 * 100.0).tolist()) == list(range(100))


def test_quantiles_are_given_by_case() -> None:
    drawn = {("energy", "truck"): np.asarray([np.nan, 0.25, np.nan]), ("share", "all"): np.asarray([np.nan, np.nan, 1.0])}
    params = Params.from_quantiles(frame(), drawn, draws=3)
    assert params.get("energy", "truck")[:, 0].tolist() == [3.0, 2.5, 3.0]
    assert params.get("share")[:, year_index(2030)].tolist() == pytest.approx([0.6, 0.6, 0.7])
    assert params.get("energy", "bus")[:, 0].tolist() == [1.2, 1.2, 1.2]


@given(
    st.lists(st.integers(2010, 2040), min_size=2, max_size=6, unique=True).map(sorted),
    st.lists(st.floats(0.01, 0.99), min_size=1, max_size=4),
)
def test_years_of_a_draw_are_joined_as_those_of_the_central_run(years: list[int], levels: list[float]) -> None:
    rows = [
        ("a", "all", year, 1.0 + k % 3, 0.5 * (1.0 + k % 3), 2.0 + 2 * (k % 3), "uniform", "t") for k, year in enumerate(years)
    ]
    found = Params.from_quantiles(frame(rows), {("a", "all"): np.asarray([np.nan, *levels])}, draws=len(levels) + 1).get("a")
    for level, drawn in zip(levels, found[1:], strict=True):
        ends = [low + level * (high - low) for *_, low, high, _, _ in rows]
        assert drawn.tolist() == pytest.approx(np.interp(YEARS, years, ends), rel=1e-13)


def test_fixed_rows_do_not_vary() -> None:
    assert np.ptp(Params.from_frame(frame(), draws=20, seed=1).get("factor"), axis=0).tolist() == [0.0] * len(YEARS)


def test_one_quantile_for_all_years_of_a_key() -> None:
    share = Params.from_frame(frame(), draws=200, seed=5).get("share")
    base = (share[:, year_index(2020)] - 0.1) / 0.2
    later = (share[:, year_index(2030)] - 0.5) / 0.2
    assert np.allclose(base, later)
    assert base.min() >= 0
    assert base.max() <= 1


def test_triangular_and_uniform_moments() -> None:
    params = Params.from_frame(frame(), draws=40_000, seed=11)
    bus, truck = params.get("energy", "bus")[:, 0], params.get("energy", "truck")[:, 0]
    shape = triang(c=(1.2 - 1.0) / 0.6, loc=1.0, scale=0.6)
    for probability in (0.05, 0.5, 0.95):
        assert np.quantile(bus, probability) == pytest.approx(shape.ppf(probability), abs=0.01)
        assert np.quantile(truck, probability) == pytest.approx(2.0 + 2.0 * probability, abs=0.03)
    assert bus.min() >= 1.0
    assert bus.max() <= 1.6


def test_triangle_without_width_is_its_mode() -> None:
    params = Params.from_frame(frame([("a", "all", None, 2.0, 2.0, 2.0, "triangular", "t")]), draws=5)
    assert params.get("a").min() == params.get("a").max() == 2.0


def test_seeds_come_from_names() -> None:
    def first(*args: Any) -> float:
        return float(np.random.default_rng(seed_for(*args)).random())

    assert first(1, "demand") == first(1, "demand", 0)
    assert len({first(1, "demand"), first(2, "demand"), first(1, "breakdown"), first(1, "demand", 1)}) == 4


# --- levers


def test_default_lever_is_bit_identical(params: Params) -> None:
    changed = params.with_levers([(lever(), 1.0), (lever("add", "factor", "all"), {2025: 0.0, 2030: 0.0})])
    for parameter, subject in params.reads().select("parameter", "subject").iter_rows():
        assert changed.get(parameter, subject).tobytes() == params.get(parameter, subject).tobytes()


@pytest.mark.parametrize(
    ("operation", "value", "expected"),
    [("scale", 0.5, (2.0, 1.1, 1.5, 2.0)), ("add", 1.0, (2.0, 3.2, 4.0, 5.0)), ("set", 9.0, (2.0, 9.0, 9.0, 9.0))],
)
def test_a_number_holds_from_2021_on(params: Params, operation: str, value: float, expected: tuple[float, ...]) -> None:
    factor = params.with_levers([(lever(operation, "factor", "all"), value)]).get("factor")
    assert [factor[0, year_index(year)] for year in (2020, 2021, 2025, 2030)] == pytest.approx(expected)


def test_years_of_a_lever_are_joined_from_2020() -> None:
    path = lever_path({2030: 0.5, 2025: 0.9}, 1.0)
    expected = {2015: 1.0, 2020: 1.0, 2021: 0.98, 2025: 0.9, 2026: 0.82, 2030: 0.5, 2035: 0.5}
    assert {year: pytest.approx(path[year_index(year)]) for year in expected} == expected


def test_no_lever_moves_the_base_year(params: Params) -> None:
    with pytest.raises(ValueError, match="after 2020"):
        params.with_levers([(lever(), {2020: 0.5})])
    with pytest.raises(ValueError, match="after 2020"):
        lever_path({}, 1.0)


@given(
    st.sampled_from(["scale", "add", "set"]),
    st.one_of(
        st.floats(-100, 100, allow_nan=False),
        st.dictionaries(st.integers(2021, 2035), st.floats(-100, 100, allow_nan=False), min_size=1),
    ),
)
def test_history_is_out_of_reach_of_any_lever(operation: str, value: float | dict[int, float]) -> None:
    params = Params.from_frame(frame(), draws=3, seed=2)
    changed = params.with_levers([(lever(operation, "share", "all"), value)])
    past = slice(0, year_index(BASE_YEAR) + 1)
    assert changed.get("share")[:, past].tobytes() == params.get("share")[:, past].tobytes()
    assert changed.get("energy", "bus").tobytes() == params.get("energy", "bus").tobytes()


def test_star_acts_on_every_subject_and_a_name_on_one(params: Params) -> None:
    late = year_index(2030)
    both = params.with_levers([(lever(), 2.0)])
    assert [both.get("energy", s)[0, late] for s in ("bus", "truck")] == [2.4, 6.0]
    one = params.with_levers([(lever(subject="bus"), 2.0)])
    assert [one.get("energy", s)[0, late] for s in ("bus", "truck")] == [2.4, 3.0]
    assert params.get("energy", "bus")[0, late] == 1.2


def test_levers_act_in_order(params: Params) -> None:
    double, more = (lever("scale", "factor", "all"), 2.0), (lever("add", "factor", "all"), 1.0)
    late = year_index(2030)
    assert params.with_levers([double, more]).get("factor")[0, late] == 9.0
    assert params.with_levers([more, double]).get("factor")[0, late] == 10.0


def test_lever_limits_and_names(params: Params) -> None:
    narrow = lever(minimum=0.5, maximum=1.5)
    with pytest.raises(ValueError, match=r"handle = 1.6 is outside 0.5 to 1.5"):
        params.with_levers([(narrow, 1.6)])
    with pytest.raises(ValueError, match="outside"):
        params.with_levers([(narrow, {2030: 0.4})])
    with pytest.raises(ParameterError, match="did you mean energy"):
        params.with_levers([(lever(parameter="energyy"), 2.0)])
    with pytest.raises(ParameterError, match="no subject 'tram'"):
        params.with_levers([(lever(subject="tram"), 2.0)])
    with pytest.raises(ValueError, match="unknown lever operation 'divide'"):
        params.with_levers([(Lever("x", "energy", "*", "divide", 0, 9, 1), 2.0)])


# --- holding and replacing


def test_hold_freezes_after_a_year(params: Params) -> None:
    held = params.hold(2025)
    factor = held.get("factor")[0]
    assert np.array_equal(factor[: year_index(2025) + 1], params.get("factor")[0, : year_index(2025) + 1])
    assert set(factor[year_index(2025) :]) == {3.0}


def test_hold_but(params: Params) -> None:
    held = params.hold(2020, but=["factor"])
    assert np.array_equal(held.get("factor"), params.get("factor"))
    assert set(held.get("share")[0]) == {0.2}


def test_replace_broadcasts(params: Params) -> None:
    new = params.replace("factor", "all", np.arange(len(YEARS), dtype=np.float64))
    assert new.get("factor").tolist() == [list(map(float, range(len(YEARS))))]
    assert params.get("factor")[0, 0] == 2.0
    with pytest.raises(ParameterError, match="no parameter 'nothing'"):
        params.replace("nothing", "all", np.zeros(len(YEARS)))
