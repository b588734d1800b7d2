"""Every lever on charging moves what its sentence in ``data/lever_effects.csv`` says, its own way."""

from __future__ import annotations

import functools
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
import pytest

from tests.transport.weeks.test_corridors import fleet, flows_of, station_case, values
from transport import simulations
from transport.layout import YEARS
from transport.scenario import load_scenario
from transport.study import SIMULATED_YEAR, scenario_params
from transport.week_values import WEEKS, CityFleet
from transport.weeks.corridor_demand import corridor_demand
from transport.weeks.tables import simulated

if TYPE_CHECKING:
    from collections.abc import Callable

    from transport.inputs import Inputs
    from transport.params import LeverValue

    #: System, week, metric -> value.
    Answer = Callable[[str, str, str], float]

#: Electric buses and taxis of the simulated city and what each drives in a year.
FLEETS = {("bus_depot", "210100"): CityFleet(5000.0, 46_000.0), ("taxi_city", "210100"): CityFleet(9000.0, 128_000.0)}


@dataclass(frozen=True)
class Case:
    """One lever, its value, and what it moves: system, week, metric and the sign of the change."""

    lever: str
    value: LeverValue
    system: str
    metric: str
    sign: int
    week: str = "winter"


CASES: tuple[Case, ...] = (
    Case("depot_plugs_per_bus", 0.3, "bus_depot", "wait_mean_min", +1),
    Case("depot_feeder_share", 0.3, "bus_depot", "peak_kw", -1),
    Case("charger_power", 0.3, "bus_depot", "wait_mean_min", +1),
    Case("charger_power", 2.0, "taxi_city", "wait_mean_min", -1),
    Case("managed_charging_share", 0.5, "bus_depot", "valley_share", +1, "year"),
    Case("peak_shaving_share", 1.0, "bus_depot", "peak_kw", -1),
    Case("terminus_charging_share", 1.0, "bus_depot", "wait_mean_min", -1),
    Case("taxi_plugs_per_taxi", 0.2, "taxi_city", "wait_mean_min", +1),
    Case("taxi_swap_share", 0.9, "taxi_city", "wait_mean_min", -1),
    Case("apron_plugs_per_unit", 0.2, "airport", "wait_mean_min", +1),
    Case("corridor_plugs", 0.4, "truck_corridor", "plug_wait_mean_min", +1),
    Case("corridor_swap_places", 0.4, "truck_corridor", "swap_served_share", -1),
    Case("corridor_lng_places", 0.4, "truck_corridor", "lng_wait_mean_min", +1),
    Case("corridor_hydrogen_places", 0.4, "truck_corridor", "hydrogen_served_share", -1),
    Case("corridor_power", 2.0, "truck_corridor", "plug_wait_mean_min", -1),
)
#: Truck station with all four energies, and what the other energies must not notice.
STATION = "S_TIELING"


@pytest.fixture(scope="module")
def weeks(inputs: Inputs) -> Callable[[str, str, LeverValue], Answer]:
    """Return a function from a system, a lever and its value to the answers of the plan's representative weeks, on small samples."""
    small = {
        ("depot_buses", "all"): 40.0,
        ("taxi_sample", "sample"): 80.0,
        ("airport_movements", "A_SHE"): 60_000.0,
        ("simulation_replications", "sample"): 2.0,
    }

    @functools.cache
    def summary(system: str, week: str, lever: str, value: LeverValue) -> pl.DataFrame:
        scenario = load_scenario("plan_2030", inputs.folder, inputs.levers, extra={lever: value} if lever else {})
        params = scenario_params(scenario, replace(inputs, reads={}))
        for (parameter, subject), number in small.items():
            params = params.replace(parameter, subject, np.full((1, len(YEARS)), number))
        if system == "truck_corridor":
            made = corridor_demand(inputs, params, flows_of(inputs, 1.2e8), fleet(), SIMULATED_YEAR)
            read = values(inputs, params, {STATION: made[STATION]}, SIMULATED_YEAR)
            # without the week before, and no pack waits for the valley
            one = replace(station_case(inputs, read, STATION, week), warmup_days=0)
            return simulated(replace(one, given={**one.given, "pack_plan": None})).summary
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(simulations, "SAMPLE", tuple(s for s in simulations.SAMPLE if s[0] == system))
            # weeks do not know each other: one is enough for a measure of its own
            patch.setattr(simulations, "WEEKS", WEEKS if week == "year" else (week,))
            return simulations.simulate_weeks(inputs, params, FLEETS, year=SIMULATED_YEAR, seed=1).summary

    def answered(system: str, lever: str, value: LeverValue) -> Answer:
        def at(of: str, week: str, metric: str) -> float:
            table = summary(system, week, lever, value)
            found = table.filter(pl.col("system") == of, pl.col("week") == week, pl.col("metric") == metric)
            return float(found["value"].item())

        return at

    return answered


def test_a_lever_on_one_energy_leaves_the_others_alone(weeks: Callable[[str, str, LeverValue], Answer]) -> None:
    before, after = weeks("truck_corridor", "", 0.0), weeks("truck_corridor", "corridor_plugs", 0.4)
    for energy in ("swap", "lng", "hydrogen"):
        metric = f"{energy}_wait_mean_min"
        assert after("truck_corridor", "winter", metric) == before("truck_corridor", "winter", metric)


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.lever}-{case.value}-{case.system}")
def test_a_charging_lever_moves_its_measure(weeks: Callable[[str, str, LeverValue], Answer], case: Case) -> None:
    before, after = weeks(case.system, "", 0.0), weeks(case.system, case.lever, case.value)
    where = (case.system, case.week, case.metric)
    assert case.sign * (after(*where) - before(*where)) > 0.0


def test_every_charging_lever_has_a_case(inputs: Inputs) -> None:
    charging = set(inputs.table("lever_effects").filter(pl.col("domain") == "charging")["parameter"])
    assert {lever.lever for lever in inputs.levers if lever.parameter in charging} == {case.lever for case in CASES}
