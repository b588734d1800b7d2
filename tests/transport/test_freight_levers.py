"""Every freight lever: nothing moves at its default, and a named result moves the right way when it is moved.

One network, the fixed speed, one year; levers of capacity, which act in the equilibrium only, are looked at where they limit the networks, and some of
them in the equilibrium itself (slow).
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import polars as pl
import pytest

from networks.cost import COMPONENT
from networks.measure import MARK, MEASURE
from networks.parts import ALTERNATIVES
from networks.solve import row_flow
from transport.freight_costs import BULK, make_costs, mark_costs, saved_hours, truck_load_t, unit_costs
from transport.freight_demand import COMMODITIES
from transport.freight_limits import make_supply, read_limits
from transport.freight_quotas import Quotas, charged
from transport.layout import YEARS, year_index

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from networks.capacity import Supply
    from networks.solve import Rows
    from transport.freight_model import FreightModel
    from transport.inputs import Inputs
    from transport.params import Lever, Params

    Array = NDArray[np.float64]

YEAR = 2030
AT = year_index(YEAR)
ALL = tuple(COMMODITIES)
BOXES = ("containers",)
PORTS = {
    "bayuquan": "Z_PT_BAYUQUAN",
    "changxing": "Z_PT_CHANGXING",
    "dalianwan": "Z_PT_DALIANWAN",
    "dandong": "Z_PT_DANDONG",
    "dayaowan": "Z_PT_DAYAOWAN",
    "huludao": "Z_PT_HULUDAO",
    "jinzhou": "Z_PT_JINZHOU",
    "nianyuwan": "Z_PT_NIANYUWAN",
    "panjin": "Z_PT_PANJIN",
    "suizhong": "Z_PT_SUIZHONG",
    "zhuanghe": "Z_PT_ZHUANGHE",
}
BOX_PORTS = ("bayuquan", "dandong", "dayaowan", "jinzhou", "panjin")
LINER_PORTS = ("bayuquan", "dalianwan", "dandong", "huludao", "jinzhou", "panjin")
#: Levers that another test moves, and where.
ELSEWHERE = {"planned_links": "test_freight.py::test_planned_links_open_by_lever"}


@dataclass(frozen=True)
class Moved:
    """Flows of the year at the fixed speed, and the limits of its networks."""

    params: Params
    rows: Rows
    flow: Array
    supply: Callable[[], Supply]
    zones: dict[str, int]

    def measure(self, name: str, commodities: tuple[str, ...] = ALL) -> float:
        """Return a measure summed over commodities [t/yr] or [tkm/yr]; truck access that sidings and pipes replace is not folded in."""
        mine = self._mine(commodities)
        return float(self.flow[mine] @ self.rows.measure[mine, MEASURE[name]])

    def component(self, name: str, commodities: tuple[str, ...] = ALL) -> float:
        mine = self._mine(commodities)
        return float(self.flow[mine] @ self.rows.components[mine, COMPONENT[name]])

    def mark(self, name: str, commodities: tuple[str, ...] = ALL) -> float:
        mine = self._mine(commodities)
        return float(self.flow[mine] @ self.rows.marks[mine, MARK[name]])

    def by(self, alternative: str) -> float:
        return float(self.flow[self.rows.alternative == ALTERNATIVES.index(alternative)].sum())

    def trucked(self, port: str) -> float:
        return float(self.flow[self.rows.trucked == self.zones[port]].sum())

    def railed(self, port: str) -> float:
        mine = (self.rows.railed == self.zones[port]) & self._mine(BOXES)
        return float(self.flow[mine].sum())

    def shipped(self, port: str) -> float:
        mine = (self.rows.place == self.zones[port]) & (self.rows.components[:, COMPONENT["sea_load"]] > 0)
        return float(self.flow[mine].sum())

    def _mine(self, commodities: tuple[str, ...]) -> NDArray[np.bool_]:
        found = np.zeros(self.flow.size, dtype=np.bool_)
        for commodity in commodities:
            found[slice(*self.rows.slices[COMMODITIES.index(commodity)])] = True
        return found


class Case(NamedTuple):
    """A lever, the value it is moved to, the result that must move, which way, and why."""

    lever: str
    value: float
    result: Callable[[Moved], float]
    sign: int
    reason: str


def km(mode: str, *commodities: str) -> Callable[[Moved], float]:
    return lambda m: m.measure(f"km_{mode}", commodities or ALL)


def line_capacity(network: str, link: str | None = None) -> Callable[[Moved], float]:
    """Return the capacity of the sections of a network summed [t/yr], or of one link."""

    def found(m: Moved) -> float:
        supply = m.supply()
        part = supply.line_arcs[network]
        capacity = supply.lines.delay.capacity[part]
        return float(capacity[np.isfinite(capacity)].sum())

    return found


def place_capacity(kind: str) -> Callable[[Moved], float]:
    def found(m: Moved) -> float:
        capacity = m.supply().places[kind].capacity_t
        return float(capacity[np.isfinite(capacity)].sum())

    return found


CASES: list[Case] = [
    Case("rail_tariff", 0.8, km("rail"), 1, "cheaper trains"),
    Case("container_rail_tariff", 0.7, km("rail", "containers"), 1, "cheaper box km"),
    Case("rail_tariff_fixed_part", 0.6, lambda m: m.measure("t_rail"), 1, "cheaper wagon loads"),
    Case("rail_tariff_distance_part", 0.8, km("rail"), 1, "cheaper wagon km"),
    Case("container_rail_tariff_fixed", 0.6, lambda m: m.measure("t_rail", BOXES), 1, "cheaper box loads"),
    Case("rail_short_haul", 0.5, lambda m: m.mark("rail_short"), 1, "short hauls half price"),
    Case("rail_construction_fund", 0.0, km("rail"), 1, "no fund on wagon km"),
    Case("container_construction_fund", 0.0, km("rail", "containers"), 1, "no fund on box km"),
    Case("rail_electrification_surcharge", 0.02, km("rail"), -1, "dearer train km"),
    Case("rail_track_access", -0.02, km("rail"), 1, "cheaper tracks"),
    Case("rail_terminal_handling", 2.0, lambda m: m.by("rail_truck_truck"), -1, "dearer yards at both ends"),
    Case("rail_siding_charge", 2.0, lambda m: m.by("rail_siding_siding"), -1, "dearer sidings at both ends"),
    Case("rail_siding_yearly_fee", 3.0, lambda m: m.by("rail_siding_siding"), -1, "dearer sidings at both ends"),
    Case("drayage_cost", 0.6, lambda m: m.by("rail_truck_truck"), 1, "cheaper truck legs at both ends"),
    Case("drayage_fixed_cost", 0.5, lambda m: m.by("rail_truck_truck"), 1, "cheaper truck legs at both ends"),
    Case("container_rail_subsidy", 500.0, lambda m: m.component("port_train_box", BOXES), 1, "paid per box on trains at ports"),
    Case("new_siding_share", 0.8, lambda m: m.measure("t_rail"), 1, "rail without a truck leg"),
    Case("rail_time", 0.6, km("rail"), 1, "faster trains"),
    Case("rail_terminal_dwell", 0.4, lambda m: m.measure("t_rail"), 1, "shorter dwell"),
    Case("rail_ferry_fare", 60.0, lambda m: m.mark("rail_ferry"), -1, "dearer crossing"),
    Case("rail_ferry_dwell", 48.0, lambda m: m.mark("rail_ferry"), -1, "slower crossing"),
    Case("rail_ferry_capacity", 2.0, line_capacity("rail"), 1, "a second ship"),
    Case("road_toll", 1.5, lambda m: m.component("road_expressway_km"), -1, "dearer expressways"),
    Case("road_toll_night", 0.5, lambda m: m.component("road_expressway_km"), 1, "a third of the km at half toll"),
    *(
        Case(f"road_toll_{axles}_axle", 2.0, lambda m: m.component("road_expressway_km"), -1, "a class pays twice")
        for axles in ("two", "three", "four", "five", "six")
    ),
    Case("container_truck_toll", 0.5, lambda m: m.component("road_expressway_km", BOXES), 1, "half toll for boxes"),
    Case("road_toll_other", 5.0, lambda m: m.component("road_other_km"), -1, "dearer ordinary roads"),
    Case("road_fuel_price", 1.5, km("road"), -1, "dearer truck km"),
    Case("truck_hour_cost", 1.5, km("road"), -1, "dearer truck hours"),
    Case("truck_wear_cost", 2.0, km("road"), -1, "dearer truck km"),
    Case("truck_loading_cost", 2.0, lambda m: m.by("road") + m.by("road_ordinary"), -1, "dearer truck loads"),
    Case("truck_loading_time", 2.0, lambda m: m.by("road") + m.by("road_ordinary"), -1, "slower truck loads"),
    Case("cargo_value_of_time", 3.0, lambda m: m.measure("km_rail") + m.measure("km_water"), -1, "slow modes lose"),
    Case("bulk_long_haul_rule", 0.5, lambda m: m.mark("road_long", BULK), -1, "half of the long bulk loads are fined"),
    Case("overload_enforcement", 1.0, km("road"), -1, "lighter loads cost more a tonne"),
    Case("truck_payload", 1.15, km("road"), 1, "heavier loads cost less a tonne"),
    Case("truck_load_factor", 0.85, km("road"), -1, "lighter loads cost more a tonne"),
    Case("loaded_km_share_tractor_trailer", 0.1, km("road"), 1, "fewer empty km to pay"),
    Case("loaded_km_share_heavy_rigid_truck", 0.1, lambda m: load("heavy_rigid_truck", m), 1, "fewer empty km"),
    Case("loaded_km_share_medium_truck", 0.1, lambda m: load("medium_truck", m), 1, "fewer empty km"),
    Case("freight_carbon_price", 300.0, km("road"), -1, "trucks emit most"),
    Case("port_truck_charge", 20.0, lambda m: m.measure("port_clean_t", BULK), 1, "trucks at ports pay"),
    Case("port_clean_quota", 0.8, lambda m: m.measure("port_clean_t", BULK), 1, "the quota binds at most ports"),
    *(
        Case(f"port_clean_quota_{name}", 0.95, lambda m, z=zone: m.trucked(z), -1, "the quota binds")  # type: ignore[misc]
        for name, zone in PORTS.items()
    ),
    Case("coastal_service", 0.7, km("water"), 1, "cheaper ships"),
    Case("sea_rate_fixed", 0.6, km("water"), 1, "cheaper ships"),
    Case("sea_rate_distance", 0.6, km("water"), 1, "cheaper ships"),
    Case("sea_dwell", 0.4, km("water"), 1, "shorter dwell"),
    Case("port_handling", 0.5, km("water"), 1, "cheaper ports"),
    Case("port_handling_bulk", 0.5, km("water", *BULK), 1, "cheaper bulk ports"),
    # every box of the data is bound for a port, so the price of handling it shifts nothing; only the price itself moves
    Case("port_handling_container", 0.5, lambda m: price("containers", "sea_load", m), -1, "cheaper box ports"),
    Case("port_handling_general", 0.5, km("water", "general_cargo", "finished_vehicles"), 1, "cheaper general ports"),
    Case("port_handling_liquid", 0.5, km("water", "crude", "refined_products", "chemicals"), 1, "cheaper liquid ports"),
    Case("roro_fixed_fare", 0.5, lambda m: m.by("roro"), 1, "cheaper ferries"),
    Case("roro_distance_fare", 0.5, lambda m: m.by("roro"), 1, "cheaper ferries"),
    Case("roro_dwell", 3.0, lambda m: m.by("roro"), -1, "longer wait"),
    Case("window_trains", 10.0, lambda m: m.component("port_train_box", BOXES), 1, "shorter wait for a train"),
    Case("coastal_sailings", 30.0, km("water", "general_cargo", "finished_vehicles"), 1, "shorter wait for a ship"),
    *(
        Case(f"window_trains_{name}", 10.0, lambda m, z=PORTS[name]: m.railed(z), 1, "shorter wait for a train")  # type: ignore[misc]
        for name in BOX_PORTS
    ),
    *(
        Case(f"coastal_sailings_{name}", 30.0, lambda m, z=PORTS[name]: m.shipped(z), 1, "shorter wait for a ship")  # type: ignore[misc]
        for name in LINER_PORTS
    ),
    Case("pipeline_debottlenecking", 0.6, km("pipeline"), 1, "cheaper pipes"),
    Case("pipeline_tariff_crude", 0.6, km("pipeline", "crude"), 1, "cheaper pipes"),
    Case("pipeline_tariff_product", 0.6, km("pipeline", "refined_products"), 1, "cheaper pipes"),
    Case("pipeline_tariff_gas", 0.6, km("pipeline", "gas"), 1, "cheaper pipes"),
    Case("pipeline_terminal_cost", 0.4, km("pipeline"), 1, "cheaper pipe ends"),
    Case("pipeline_last_mile", 0.4, km("pipeline"), 1, "cheaper trucks at pipe ends"),
    Case("pipeline_connections", 0.8, km("pipeline"), 1, "pipes instead of trucks at the ends"),
    Case("freight_growth", 1.1, lambda m: m.flow.sum(), 1, "more of everything"),
    Case("rail_train_pairs", 1.3, line_capacity("rail"), 1, "more paths"),
    Case("rail_passenger_pairs", 0.5, line_capacity("rail"), 1, "paths left by passenger trains"),
    Case("rail_train_load", 1.3, line_capacity("rail"), 1, "heavier trains"),
    Case("siding_capacity", 1.5, place_capacity("siding"), 1, "larger sidings"),
    Case("yard_capacity", 1.5, place_capacity("yard"), 1, "larger yards"),
    Case("berth_capacity", 1.5, place_capacity("berth"), 1, "larger ports"),
    Case("pipeline_terminal_capacity", 1.5, place_capacity("crude"), 1, "larger pipe ends"),
    Case("pipeline_capacity_crude", 1.5, line_capacity("crude"), 1, "stronger pumps"),
    Case("pipeline_capacity_product", 1.5, line_capacity("product"), 1, "stronger pumps"),
    Case("pipeline_capacity_gas", 1.5, line_capacity("gas"), 1, "stronger pumps"),
    Case("expressway_lane_capacity", 1.3, lambda m: _finite(m.supply().road.delay.capacity), 1, "wider expressways"),
    Case("car_traffic", 1.3, lambda m: float(m.supply().road.delay.preload.sum()), 1, "more cars ahead of the trucks"),
]


def _finite(values: Array) -> float:
    return float(values[np.isfinite(values)].sum())


def price(commodity: str, component: str, m: Moved) -> float:
    """Return a unit cost in the year [CNY/t per unit]."""
    return float(unit_costs(m.params)[COMMODITIES.index(commodity), 0, AT, COMPONENT[component]])


def load(truck: str, m: Moved) -> float:
    """Return the mean load of a class of trucks over all km in the year [t/veh]."""
    return float(truck_load_t(truck, m.params)[0, AT])


@pytest.fixture(scope="module")
def solve(inputs: Inputs, fixed_model: FreightModel) -> Callable[..., Moved]:
    """Return a function: lever values -> the flows of the year with the constants and delays of the base year."""
    levers = {lever.lever: lever for lever in inputs.levers}
    prepared, constants = fixed_model.prepared, fixed_model.fixed.fitted.constants
    state = prepared.state_of_year[AT]
    central = inputs.params()

    @functools.cache
    def made(**settings: float) -> Moved:
        params = central.with_levers([(levers[name], value) for name, value in settings.items()])
        costs = make_costs(params, prepared)
        adapt, _ = charged(Quotas.read(params, prepared, costs), prepared, costs, fixed_model.fixed.adapt, constants)
        rows = adapt(prepared.states[state].rows, AT)
        flow = row_flow(rows, prepared.demand.demand, costs, constants, slice(0, 1), AT)[0][0]

        def supply() -> Supply:
            return make_supply(read_limits(inputs, params, prepared), prepared, state, AT)

        return Moved(params, rows, flow, supply, dict(prepared.zones.position))

    return made


def freight_levers(inputs: Inputs) -> list[Lever]:
    """Return the levers on parameters of the freight model."""
    freight = set(inputs.table("lever_effects").filter(pl.col("domain") == "freight")["parameter"])
    return [lever for lever in inputs.levers if lever.parameter in freight]


def test_every_freight_lever_has_a_case(inputs: Inputs) -> None:
    """One lever, one line of the table; a lever without one fails here."""
    named = [case.lever for case in CASES]
    assert len(set(named)) == len(named)
    industry = {lever.lever for lever in inputs.levers if lever.parameter == "industry_output_level"}
    second = {"bulk_long_haul_penalty", "port_quota_ceiling"}  # idle without the rule and the quota: tests of their own
    assert {lever.lever for lever in freight_levers(inputs)} - set(ELSEWHERE) - industry - second == set(named)


@pytest.mark.parametrize("case", CASES, ids=[case.lever for case in CASES])
def test_a_freight_lever_moves_its_result_the_right_way(solve: Callable[..., Moved], case: Case) -> None:
    before, after = case.result(solve()), case.result(solve(**{case.lever: case.value}))
    assert before > 0
    assert np.sign(after - before) == case.sign, case.reason
    assert abs(after - before) > 1e-9 * before


def test_the_penalty_of_the_bulk_rule_counts_only_with_the_rule(solve: Callable[..., Moved]) -> None:
    alone, base = solve(bulk_long_haul_penalty=2.0), solve()
    np.testing.assert_array_equal(alone.flow, base.flow)
    rule, double = solve(bulk_long_haul_rule=0.5), solve(bulk_long_haul_rule=0.5, bulk_long_haul_penalty=2.0)
    assert double.mark("road_long", BULK) < rule.mark("road_long", BULK)
    other = tuple(c for c in COMMODITIES if c not in BULK)
    assert rule.mark("road_long", other) == base.mark("road_long", other)


def test_the_ceiling_of_a_charge_counts_only_with_a_quota(solve: Callable[..., Moved]) -> None:
    """A quota of all cargo is out of reach, so its charge is the ceiling: half of it leaves more trucks."""
    np.testing.assert_array_equal(solve(port_quota_ceiling=2.0).flow, solve().flow)
    asked, half = solve(port_clean_quota_zhuanghe=1.0), solve(port_clean_quota_zhuanghe=1.0, port_quota_ceiling=0.5)
    assert asked.trucked("Z_PT_ZHUANGHE") < half.trucked("Z_PT_ZHUANGHE") < solve().trucked("Z_PT_ZHUANGHE")


def test_the_plants_of_a_product_move_more_goods(inputs: Inputs, solve: Callable[..., Moved]) -> None:
    levers = [lever.lever for lever in inputs.levers if lever.parameter == "industry_output_level"]
    assert levers
    base = solve().flow.sum()
    for lever in levers:
        assert solve(**{lever: 1.5}).flow.sum() > base, lever


def test_all_freight_levers_at_their_defaults_change_no_bit(inputs: Inputs, solve: Callable[..., Moved]) -> None:
    """Flows, components and limits of a run that names every lever with its default."""
    named = solve(**{lever.lever: lever.default for lever in freight_levers(inputs)})
    base = solve()
    np.testing.assert_array_equal(named.flow, base.flow)
    np.testing.assert_array_equal(named.rows.components, base.rows.components)
    np.testing.assert_array_equal(named.supply().lines.delay.capacity, base.supply().lines.delay.capacity)
    np.testing.assert_array_equal(named.supply().road.delay.preload, base.supply().road.delay.preload)


def test_any_lever_at_its_default_changes_no_parameter(inputs: Inputs) -> None:
    """All levers of the model, one by one: the same bits in every row of every year."""
    central = inputs.params()
    changed = [lever.lever for lever in inputs.levers if central.with_levers([(lever, lever.default)]).unlike(central)]
    assert changed == []


def test_any_lever_moves_the_rows_it_names_its_way_and_no_others(inputs: Inputs) -> None:
    """All levers of the model, one by one, at the far end of their range: up or down after 2020, on the subjects they name, nothing else."""
    central, after = inputs.params(), np.asarray(YEARS) > 2020
    for lever in inputs.levers:
        value = lever.maximum if lever.maximum > lever.default else lever.minimum
        moved = central.with_levers([(lever, value)])
        subjects = central.subjects(lever.parameter) if lever.subject == "*" else (lever.subject,)
        changed = moved.unlike(central)
        assert changed, lever.lever
        assert set(changed) <= {(lever.parameter, s) for s in subjects}, lever.lever
        for key in changed:
            change = moved.get(*key) - central.get(*key)
            assert not change[:, ~after].any(), lever.lever
            # what is set may lie below a path of the data that has passed it already; what is added or scaled has one direction
            if lever.operation != "set":
                assert (np.sign(change[:, after]) * np.sign(value - lever.default) * _sense(central, key) >= 0).all(), lever.lever


def _sense(params: Params, key: tuple[str, str]) -> int:
    """Return which way scaling up moves a row: down where its values are negative."""
    return -1 if params.get(*key).max() < 0 else 1


def test_a_freight_lever_leaves_the_years_before_its_start(inputs: Inputs) -> None:
    """A lever that starts in 2028 leaves every cost of 2027 and before as it is, to the bit."""
    central, zones = inputs.params(), inputs.table("networks/zones")["zone_id"].sort().to_list()
    costs, last = unit_costs(central), year_index(2027)
    cases = {case.lever: case.value for case in CASES}
    for lever in freight_levers(inputs):
        if lever.lever not in cases:
            continue
        moved = central.with_levers([(lever, {2027: lever.default, 2028: cases[lever.lever]})])
        np.testing.assert_array_equal(unit_costs(moved)[:, :, : last + 1], costs[:, :, : last + 1])
        marks, saved = mark_costs(moved), saved_hours(moved, zones)
        assert marks is None or not marks[:, :, : last + 1].any(), lever.lever
        assert saved is None or not saved[..., : last + 1].any(), lever.lever
        for key in moved.unlike(central):
            np.testing.assert_array_equal(moved.get(*key)[:, : last + 1], central.get(*key)[:, : last + 1])
            assert not np.array_equal(moved.get(*key)[:, last + 1 :], central.get(*key)[:, last + 1 :])


# --- what single levers must come to --------------------------------------------------------------------------------------------------


def test_denser_services_save_the_wait_they_shorten(inputs: Inputs) -> None:
    """As many window trains again as there are halve the wait: 24 h become 12 h, at that port, for boxes and nothing else."""
    levers = {lever.lever: lever for lever in inputs.levers}
    central, zones = inputs.params(), inputs.table("networks/zones")["zone_id"].sort().to_list()
    there = float(central.get("box_trains_per_day", "Z_PT_BAYUQUAN")[0, AT])
    saved = saved_hours(central.with_levers([(levers["window_trains_bayuquan"], there)]), zones)
    assert saved is not None
    assert saved[COMMODITIES.index("containers"), 0, zones.index("Z_PT_BAYUQUAN"), AT] == pytest.approx(12.0)
    assert (saved > 0).sum() == sum(year > 2020 for year in YEARS)


def test_window_trains_widen_the_port_railway_only(inputs: Inputs, solve: Callable[..., Moved]) -> None:
    """2 x 365 x 10 trains of 100 TEU at 14.5 t are 10.6 Mt a year over the tracks of the port, and no section of any line."""
    more, base = solve(window_trains_dayaowan=10.0), solve()
    after, before = (m.supply().places["siding"].capacity_t for m in (more, base))
    zone = base.zones["Z_PT_DAYAOWAN"]
    assert after[zone] - before[zone] == pytest.approx(2 * 365 * 10 * 100 * 14.5)
    assert np.flatnonzero(after != before).tolist() == [zone]
    np.testing.assert_array_equal(more.supply().lines.delay.capacity, base.supply().lines.delay.capacity)


def test_a_night_discount_by_hand(inputs: Inputs) -> None:
    """35 % of the km at half toll are 17.5 % less toll."""
    levers = {lever.lever: lever for lever in inputs.levers}
    params = inputs.params()
    at = COMMODITIES.index("coal"), 0, AT, COMPONENT["road_expressway_km"]
    now, night, none = (
        unit_costs(params.with_levers(moved))[at]
        for moved in ([], [(levers["road_toll_night"], 0.5)], [(levers["road_toll"], 0.0)])
    )
    assert now - night == pytest.approx(0.175 * (now - none))


def test_enforcement_takes_the_overload_away_in_price_and_load(inputs: Inputs, solve: Callable[..., Moved]) -> None:
    """A tenth of the trucks with 30 % too much: loads fall by 0.03 / 1.03, truck-km per tonne-km rise, and the fleet sees the same loads."""
    strict, base = solve(overload_enforcement=1.0), solve()
    for truck in ("tractor_trailer", "heavy_rigid_truck", "medium_truck"):
        assert load(truck, strict) / load(truck, base) == pytest.approx(1 / 1.03)
    assert price_of_a_km(strict) == pytest.approx(price_by_hand(inputs, base, strict))
    assert price_of_a_km(strict) > price_of_a_km(base)


def test_freight_matching_moves_the_price_and_the_fleet(inputs: Inputs, solve: Callable[..., Moved]) -> None:
    """Loaded km of tractors up by a tenth of all: hours and tolls per tonne fall as the mean load rises, fuel by less, for it burns more per km."""
    matched, base = solve(loaded_km_share_tractor_trailer=0.1), solve()
    gain = load("tractor_trailer", matched) / load("tractor_trailer", base)
    assert gain > 1.1
    hours = [unit_costs(m.params)[COMMODITIES.index("coal"), 0, AT, COMPONENT["road_h"]] for m in (matched, base)]
    waiting = base.params.get("value_of_time_cargo", "coal")[0, AT]
    assert (hours[1] - waiting) / (hours[0] - waiting) == pytest.approx(gain)
    assert price_of_a_km(matched) == pytest.approx(price_by_hand(inputs, base, matched))
    assert price_of_a_km(base) / gain < price_of_a_km(matched) < price_of_a_km(base)


def price_of_a_km(moved: Moved) -> float:
    """Return the price of a tonne-km of coal on expressways."""
    return float(unit_costs(moved.params)[COMMODITIES.index("coal"), 0, AT, COMPONENT["road_expressway_km"]])


def price_by_hand(inputs: Inputs, base: Moved, moved: Moved) -> float:
    """Return the price that another mean load gives: fuel per km as the fleet burns it, all by the tonnes that pay for it."""
    level = next(found for found in inputs.levers if found.lever == "road_fuel_price")
    dearer = base.params.with_levers([(level, 1.1)])
    at = COMMODITIES.index("coal"), 0, AT, COMPONENT["road_expressway_km"]
    fuel = 10.0 * float(unit_costs(dearer)[at] - unit_costs(base.params)[at])
    reference, grows = (base.params.get(name, "tractor_trailer")[0, AT] for name in ("truck_reference_load", "load_fuel_share"))
    burn = [1.0 + grows * (load("tractor_trailer", m) / reference - 1.0) for m in (base, moved)]
    gain = load("tractor_trailer", moved) / load("tractor_trailer", base)
    return float((price_of_a_km(base) - fuel + fuel * burn[1] / burn[0]) / gain)


@pytest.mark.parametrize("lever", ["freight_carbon_price", "road_fuel_price", "rail_electrification_surcharge"])
def test_prices_reach_the_chains_of_every_commodity(inputs: Inputs, lever: str) -> None:
    levers = {found.lever: found for found in inputs.levers}
    params = inputs.params()
    moved = unit_costs(params.with_levers([(levers[lever], levers[lever].maximum)]))
    name = "rail_tariff_km" if lever == "rail_electrification_surcharge" else "road_expressway_km"
    assert (moved[:, 0, AT, COMPONENT[name]] > unit_costs(params)[:, 0, AT, COMPONENT[name]]).all()
