"""The split of the change of intensity: by hand, one factor at a time, exact for any states, and zero policy in a mere rebound."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from transport import accounts, study
from transport.attribution import (
    FACTORS,
    LINES,
    Attribution,
    attribute,
    attribution_between,
    attribution_tables,
    structure_lines,
)
from transport.attribution_state import AttributionError, Cell, State, make_state
from transport.layout import BASE_YEAR, SCOPES, WorkUse, year_index
from transport.parts import Models, boundaries, make_parts
from transport.scenario import load_scenario

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from transport.inputs import Inputs
    from transport.parts import Parts

    MakeParts = Callable[..., Parts]

DRAWS = 2
#: Limit of the sum of parts against the change, and of the policy effect of a mere rebound [points].
EXACT = 1e-9
#: The same where the freight of each year is an equilibrium of its own [points].
EQUILIBRIUM = 1e-3

CELLS = (
    Cell("road", "freight"),
    Cell("road", "coach"),
    Cell("rail", "freight"),
    Cell("rail", "high_speed"),
    Cell("coastal", "freight"),
    Cell("pipeline", "pipeline_crude"),
    Cell("air", "freight"),
    Cell("air", "air"),
)
CLASSES = (
    (0, "tractor"),
    (0, "rigid"),
    (1, "coach"),
    (2, "locomotive"),
    (3, "train"),
    (4, "ship"),
    (5, "pump"),
    (6, "plane"),
    (7, "plane"),
)
ROWS = (
    (0, "battery", True),
    (0, "diesel", False),
    (0, "lng", False),
    (1, "battery", True),
    (1, "diesel", False),
    (2, "diesel", False),
    (3, "electric", True),
    (3, "diesel", False),
    (4, "electric", True),
    (5, "oil", False),
    (6, "", False),
    (7, "turbine", False),
    (8, "turbine", False),
)
CARRIERS = ("diesel", "lng", "electricity")
BOUNDARIES = {"road+rail": ["road", "rail"], "all": ["road", "rail", "coastal", "pipeline", "air"]}
ARRAYS = tuple(f.name for f in fields(State) if f.name not in {"cells", "classes", "rows", "carriers"})


def random_state(seed: int) -> State:
    """Return a state with every number drawn anew; shares within a drive sum to 1."""
    rng = np.random.default_rng(seed)

    def some(*shape: int) -> np.ndarray:
        return rng.uniform(0.2, 2.0, (*shape, DRAWS, 1))

    share = some(len(ROWS))
    for i in range(len(CLASSES)):
        for wired in (True, False):
            at = [k for k, row in enumerate(ROWS) if (row[0], row[2]) == (i, wired)]
            share[at] /= share[at].sum(axis=0)
    electric = rng.uniform(0.1, 0.9, (len(CLASSES), DRAWS, 1))
    for i in range(len(CLASSES)):
        drives = {row[2] for row in ROWS if row[0] == i}
        if len(drives) == 1:
            electric[i] = float(drives.pop())
    factor = some(len(SCOPES), len(CARRIERS))
    return State(
        cells=CELLS,
        classes=CLASSES,
        rows=ROWS,
        carriers=CARRIERS,
        turnover=some(len(CELLS)),
        recovery=some(len(CELLS)),
        load_recovery=some(len(CELLS)),
        work=some(len(CLASSES)),
        electric=electric,
        share=share,
        use=some(len(ROWS), len(CARRIERS)),
        factor=factor,
    )


def changed(state: State, factor: str, other: State) -> State:
    """Return the state with what belongs to one factor as in another state."""
    wired = np.asarray([row[2] for row in ROWS])[:, None, None]
    supplied = np.asarray([c == "electricity" for c in CARRIERS])[:, None, None]
    parts: dict[str, dict[str, Any]] = {
        "mode_structure": {"turnover": other.turnover},
        "load_empty": {"work": other.work},
        "efficiency": {"use": other.use},
        "electrification": {"electric": other.electric, "share": np.where(wired, other.share, state.share)},
        "fuel_switch": {
            "share": np.where(wired, state.share, other.share),
            "factor": np.where(supplied, state.factor, other.factor),
        },
        "grid": {"factor": np.where(supplied, other.factor, state.factor)},
        "covid_rebound": {"recovery": other.recovery, "load_recovery": other.load_recovery},
    }
    return replace(state, **parts[factor])


def whole(reading: Attribution) -> np.ndarray:
    return np.asarray(reading.after - reading.before)


def close(found: np.ndarray, wanted: np.ndarray | float, scale: np.ndarray) -> bool:
    return bool(np.all(np.abs(found - wanted) <= EXACT * scale / 100.0))


# ---- by hand ----


def test_three_factors_by_hand() -> None:
    """Work from 1 to 2, energy per work from 1 to 3, carbon per energy from 1 to 4: 5.5, 8 and 9.5 of 23 (see the test of Shapley)."""
    one = np.ones((1, 1, 1))
    a = State(
        cells=CELLS[:1],
        classes=((0, "tractor"),),
        rows=((0, "diesel", False),),
        carriers=("diesel",),
        turnover=one,
        recovery=one,
        load_recovery=one,
        work=one,
        electric=0.0 * one,
        share=one,
        use=one[None],
        factor=np.ones((len(SCOPES), 1, 1, 1)),
    )
    b = replace(a, work=2.0 * a.work, use=3.0 * a.use, factor=4.0 * a.factor)
    effect = {k: v.item() / 1e6 for k, v in attribute(a, b, {"road": ["road"]})[0].effect.items()}
    assert effect == pytest.approx(
        {
            "mode_structure": 0.0,
            "load_empty": 5.5,
            "efficiency": 8.0,
            "electrification": 0.0,
            "fuel_switch": 9.5,
            "grid": 0.0,
            "covid_rebound": 0.0,
        },
        rel=1e-12,
        abs=1e-12,
    )


def test_lines_of_the_structure_by_hand() -> None:
    """Road gives 10 points to rail and 5 to water; pipelines stay; half of the turnover is passengers, which stay as well.

    With 60, 10, 20 and 500 g/tkm: 0.5 (0.10 (10 - 60) + 0.05 (20 - 60)).
    """
    cells = (Cell("road", "freight"), Cell("rail", "freight"), Cell("ocean", "freight"), Cell("rail", "high_speed"))
    before, after = np.asarray([0.30, 0.10, 0.10, 0.50]), np.asarray([0.25, 0.15, 0.10, 0.50])
    after[[0, 2]] += [-0.025, 0.025]
    lines = structure_lines(cells, before, after, np.asarray([60.0, 10.0, 20.0, 500.0]))
    assert lines["road_to_rail"] == pytest.approx(0.05 * (10.0 - 60.0), rel=1e-12)
    assert lines["road_to_water"] == pytest.approx(0.025 * (20.0 - 60.0), rel=1e-12)
    assert lines["passengers"] == pytest.approx(0.0, abs=1e-12)


def test_what_moves_back_to_the_road_counts_the_other_way() -> None:
    cells = (Cell("road", "freight"), Cell("rail", "freight"), Cell("pipeline", "pipeline_gas"))
    there = structure_lines(cells, np.asarray([0.5, 0.3, 0.2]), np.asarray([0.4, 0.4, 0.2]), np.asarray([60.0, 10.0, 5.0]))
    back = structure_lines(cells, np.asarray([0.4, 0.4, 0.2]), np.asarray([0.5, 0.3, 0.2]), np.asarray([60.0, 10.0, 5.0]))
    assert there["road_to_rail"] == pytest.approx(-5.0, rel=1e-12)
    assert back["road_to_rail"] == pytest.approx(5.0, rel=1e-12)
    assert there["road_to_pipeline"] == back["road_to_pipeline"] == 0.0


def test_more_passengers_against_freight_are_a_line_of_their_own() -> None:
    """From a tenth to three tenths of the turnover: 0.2 x (20 - 60)."""
    cells = (Cell("road", "freight"), Cell("rail", "high_speed"))
    lines = structure_lines(cells, np.asarray([0.9, 0.1]), np.asarray([0.7, 0.3]), np.asarray([60.0, 20.0]))
    assert {k: float(v) for k, v in lines.items()} == pytest.approx({"passengers": -8.0}, rel=1e-12)


# ---- one factor at a time ----


@pytest.mark.parametrize("factor", FACTORS)
def test_a_change_of_one_factor_is_attributed_wholly_to_it(factor: str) -> None:
    a = random_state(1)
    for reading in attribute(a, changed(a, factor, random_state(2)), BOUNDARIES):
        assert (np.abs(whole(reading)) > 1e-3 * reading.before).all(), (reading.boundary, reading.scope)
        for name in FACTORS:
            wanted = whole(reading) if name == factor else 0.0
            assert close(reading.effect[name], wanted, reading.before), name


def test_the_same_state_twice_has_no_change() -> None:
    a = random_state(1)
    for reading in attribute(a, a, BOUNDARIES):
        assert not any(part.any() for part in (*reading.effect.values(), *reading.lines.values()))


def test_more_traffic_of_the_same_kind_changes_nothing() -> None:
    a = random_state(1)
    for reading in attribute(a, replace(a, turnover=1.7 * a.turnover), BOUNDARIES):
        assert close(whole(reading), 0.0, reading.before)
        assert close(reading.effect["mode_structure"], 0.0, reading.before)


def test_a_new_powertrain_is_no_gain_of_efficiency() -> None:
    """Tractors get batteries for the first time: their rates come with them, and the diesel ones have not changed."""
    b = random_state(1)
    electric, share, use = b.electric.copy(), b.share.copy(), b.use.copy()
    electric[0], share[0], use[0] = 0.0, np.nan, np.nan
    for reading in attribute(replace(b, electric=electric, share=share, use=use), b, BOUNDARIES):
        assert close(reading.effect["electrification"], whole(reading), reading.before)
        assert not reading.effect["efficiency"].any()


def test_a_boundary_without_rail_has_no_shift_to_rail() -> None:
    for reading in attribute(random_state(1), random_state(2), {"road+water": ["road", "coastal"]}):
        assert not reading.lines["road_to_rail"].any()
        assert reading.lines["road_to_water"].all()


# ---- properties ----


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.integers(0, 10_000))
def test_the_parts_sum_to_the_change(first: int, second: int) -> None:
    a, b = random_state(first), random_state(second)
    for reading in attribute(a, b, BOUNDARIES):
        assert close(sum(reading.effect.values(), np.zeros(1)), whole(reading), reading.before)
        assert close(sum(reading.lines.values(), np.zeros(1)), reading.effect["mode_structure"], reading.before)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10_000), st.integers(0, 10_000))
def test_the_way_back_is_the_way_there_reversed(first: int, second: int) -> None:
    a, b = random_state(first), random_state(second)
    for there, back in zip(attribute(a, b, BOUNDARIES), attribute(b, a, BOUNDARIES), strict=True):
        scale = np.maximum(there.before, there.after)
        for factor in FACTORS:
            assert close(there.effect[factor], -back.effect[factor], scale), factor
        for line in LINES:
            assert close(there.lines[line], -back.lines[line], scale), line


def of_draw(state: State, draw: int) -> State:
    cut: dict[str, Any] = {name: getattr(state, name)[..., draw : draw + 1, :] for name in ARRAYS}
    return replace(state, **cut)


def test_draws_do_not_mix() -> None:
    a, b = random_state(1), random_state(2)
    both = attribute(a, b, BOUNDARIES)
    for draw in range(DRAWS):
        for alone, together in zip(attribute(of_draw(a, draw), of_draw(b, draw), BOUNDARIES), both, strict=True):
            for factor in FACTORS:
                assert close(alone.effect[factor], together.effect[factor][draw : draw + 1], alone.before), factor


# ---- bad input ----


def test_states_of_other_classes_are_refused() -> None:
    a = random_state(1)
    other = replace(a, carriers=("diesel", "lng", "hydrogen"))
    with pytest.raises(AttributionError, match="different carriers cannot be compared: only one has electricity, hydrogen"):
        attribute(a, other, BOUNDARIES)


# ---- on the models ----


@pytest.fixture(scope="module")
def baseline(parts_of: MakeParts) -> Parts:
    return parts_of("baseline")


def unchanged(parts: Parts, counted: Mapping[str, list[str]]) -> list[Attribution]:
    """Return the readings of all years from the states alone."""
    state = make_state(parts)
    return attribute(state, state, counted)


def effects(table: pl.DataFrame, **where: Any) -> dict[str, np.ndarray]:
    """Return factor -> values in points, without the lines of the structure."""
    for column, value in where.items():
        table = table.filter(pl.col(column) == value)
    table = table.filter(pl.col("detail") == "").sort("to_year", "boundary", "scope", "base")
    return {str(f): rows["change_pct"].to_numpy() for (f,), rows in table.group_by(["factor"], maintain_order=True)}


def test_states_hold_the_intensity_of_the_accounts(baseline: Parts) -> None:
    """All readings of all years, from the state alone."""
    counted = boundaries(baseline.inputs)
    found = {(x.boundary, x.scope): x.after for x in unchanged(baseline, counted)}
    for reading in accounts.readings(baseline.now.book, baseline.before.book, counted):
        if reading.base == str(BASE_YEAR):
            assert found[reading.boundary, reading.scope] == pytest.approx(reading.intensity_g_per_tkm, rel=1e-12)


def test_the_table_sums_to_the_readings(baseline: Parts) -> None:
    table = attribution_tables(baseline)["attribution"]
    for reading in accounts.readings(baseline.now.book, baseline.before.book, boundaries(baseline.inputs)):
        points = effects(table, boundary=reading.boundary, scope=reading.scope, base=reading.base)
        change = reading.change_pct[0, year_index(BASE_YEAR) + 1 :]
        assert points["total"] == pytest.approx(change, abs=EXACT)
        assert sum(points[f] for f in FACTORS) == pytest.approx(change, abs=EXACT)
    lines = table.filter(pl.col("detail") != "").group_by("to_year", "boundary", "scope", "base").agg(pl.col("change_pct").sum())
    structure = table.filter(pl.col("factor") == "mode_structure", pl.col("detail") == "")
    both = lines.join(structure, on=["to_year", "boundary", "scope", "base"])
    assert both.height == structure.height
    assert both["change_pct"].to_numpy() == pytest.approx(both["change_pct_right"].to_numpy(), abs=EXACT)


def test_a_mere_rebound_has_no_policy_effect(parts_of: MakeParts) -> None:
    """In every reading and year all of the change is covid_rebound; the limit is 1e-9 points."""
    points = effects(attribution_tables(parts_of("rebound_only"))["attribution"])
    assert np.abs(points["total"]).max() > 1.0
    assert points["covid_rebound"] == pytest.approx(points["total"], abs=EXACT)
    for factor in FACTORS[:-1]:
        assert points[factor] == pytest.approx(np.zeros_like(points[factor]), abs=EXACT), factor


def test_a_rebound_differs_from_held_policies_by_the_rebound_alone(parts_of: MakeParts, tmp_path: Path) -> None:
    """Against a run in which everything is held at 2020, the recovery as well: zero policy in the year of the target."""
    held = tmp_path / "held.toml"
    held.write_text('title_zh = "全部保持2020年"\nbase = "baseline"\n[run.hold]\nyear = 2020\n', encoding="utf-8")
    points = effects(attribution_between(parts_of(str(held)), parts_of("rebound_only"), 2030, 2030))
    assert np.abs(points["total"]).min() > 0.1
    assert points["covid_rebound"] == pytest.approx(points["total"], abs=EXACT)


@pytest.mark.slow
def test_a_whole_run_of_the_rebound_has_no_policy_effect(inputs: Inputs) -> None:
    """The freight of its own, with the equilibrium of every year, instead of a held one."""
    scenario = load_scenario("rebound_only", inputs.folder, inputs.levers, simulate="none")
    points = effects(attribution_tables(study.model_parts(scenario, inputs))["attribution"])
    for factor in FACTORS[:-1]:
        assert np.abs(points[factor]).max() < EQUILIBRIUM, factor


def test_the_baseline_is_more_than_a_rebound(parts_of: MakeParts, baseline: Parts) -> None:
    """Both have the same recovery, so that what differs is everything but the recovery."""
    points = effects(attribution_between(parts_of("rebound_only"), baseline, 2030, 2030), boundary="road+rail+water")
    assert np.abs(points["total"]).min() > 1.0
    assert np.abs(points["covid_rebound"]).max() < 0.01 * np.abs(points["total"]).min()


def test_a_cleaner_grid_is_all_grid(parts_of: MakeParts, baseline: Parts) -> None:
    between = attribution_between(baseline, parts_of("baseline", grid_non_fossil_share=0.1), 2030, 2030)
    for scope in ("direct_power", "wtw"):
        points = effects(between, scope=scope)
        moved = points["total"] != 0.0
        assert moved.any()
        assert points["grid"] == pytest.approx(points["total"], abs=EXACT)
    assert not effects(between, scope="direct")["total"].any()


def test_better_aircraft_are_all_efficiency(parts_of: MakeParts, baseline: Parts) -> None:
    between = attribution_between(baseline, parts_of("baseline", aircraft_efficiency=0.9), 2030, 2030)
    points = effects(between, boundary="all")
    assert (points["total"] < -1e-3).all()
    assert points["efficiency"] == pytest.approx(points["total"], abs=EXACT)
    assert not effects(between, boundary="+pipeline")["total"].any()


def test_two_steps_sum_to_one(baseline: Parts) -> None:
    """Points are of the same base, so that the total of 2020-2030 is that of 2020-2025 and 2025-2030."""
    steps = [
        effects(attribution_between(baseline, baseline, *years))["total"] for years in ((2020, 2025), (2025, 2030), (2020, 2030))
    ]
    actual = effects(attribution_between(baseline, baseline, 2020, 2030), base="2020")["total"]
    assert (steps[0] + steps[1])[::2] == pytest.approx(actual, abs=EXACT)
    assert steps[2][::2] == pytest.approx(actual, abs=EXACT)


def test_a_class_made_operating_is_counted_where_it_has_no_turnover(baseline: Parts) -> None:
    """Taxis, and stations without counted work, stand with the freight of their part; the state is still that of the ledger."""
    table = baseline.inputs.table("fleets/classes")
    added = pl.col("vehicle_class").is_in(["taxi", "rail_other"])
    statements = baseline.inputs.table("accounts/statements").with_columns(principle=pl.lit("carrier"))
    tables = {
        **baseline.inputs.tables,
        "accounts/statements": statements,
        "fleets/classes": table.with_columns(is_operating=pl.col("is_operating") | added),
    }
    inputs = replace(baseline.inputs, tables=tables)
    models = Models(**{name: getattr(baseline, name) for name in Models._fields})
    parts = make_parts(inputs, baseline.params, models)
    counted = boundaries(inputs)
    before = {(x.boundary, x.scope): x.after for x in unchanged(baseline, counted)}
    found = {(x.boundary, x.scope): x.after for x in unchanged(parts, counted)}
    for reading in accounts.readings(parts.now.book, parts.before.book, counted):
        key = reading.boundary, reading.scope
        assert found[key] == pytest.approx(reading.intensity_g_per_tkm, rel=1e-12)
        assert (found[key] > before[key]).all()


def test_energy_without_work_is_refused(baseline: Parts) -> None:
    work = baseline.vehicles.work
    kept = {k: v for k, v in work.energy.items() if work.keys[k[0]].vehicle_class != "coach"}
    vehicles = replace(baseline.vehicles, work=WorkUse(work.keys, work.units, work.quantity, work.load_ratio, kept))
    with pytest.raises(AttributionError, match=r"coach: .* of the accounts is not that of its work"):
        make_state(replace(baseline, vehicles=vehicles))
