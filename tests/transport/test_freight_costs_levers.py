"""Every cost lever moves the unit costs it names, up or down as it should, and no others."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl
import pytest

from networks.cost import COMPONENTS
from transport.freight_costs import BULK, HANDLING_OF, PIPE_OF, unit_costs
from transport.freight_demand import COMMODITIES
from transport.layout import year_index

if TYPE_CHECKING:
    from collections.abc import Collection

    from numpy.typing import NDArray

    from transport.inputs import Inputs
    from transport.params import Params

LATER = year_index(2030)
ALL = frozenset(COMMODITIES)
BOXES = frozenset({"containers"})
WAGONS = ALL - BOXES
ROADS = frozenset({"road_expressway_km", "road_other_km"})
#: Hours of trucks: of the line haul, and delays on the way to railways and pipelines.
TRUCK_HOURS = frozenset({"road_h", "drayage_h", "site_drayage_h", "last_mile_h"})


def handled(group: str) -> frozenset[str]:
    """Return the commodities of one group of the port handling charge."""
    return frozenset(c for c in COMMODITIES if HANDLING_OF.get(c, "bulk") == group)


def piped(kind: str) -> frozenset[str]:
    return frozenset(c for c, found in PIPE_OF.items() if found == kind)


#: Lever, its value, the components it moves, for which commodities, and whether they rise.
CASES: list[tuple[str, float, Collection[str], Collection[str], bool]] = [
    (
        "cargo_value_of_time",
        2.0,
        {*TRUCK_HOURS, "road_load", "rail_h", "rail_load", "sea_h", "sea_load", "roro_load"},
        ALL,
        True,
    ),
    ("truck_hour_cost", 1.5, TRUCK_HOURS, ALL, True),
    ("truck_wear_cost", 1.5, ROADS, ALL, True),
    ("truck_loading_cost", 0.5, {"road_load"}, ALL, False),
    ("truck_loading_time", 0.5, {"road_load"}, ALL, False),
    ("road_fuel_price", 1.5, ROADS, ALL, True),
    ("road_toll", 1.5, {"road_expressway_km"}, ALL, True),
    ("road_toll_other", 2.0, {"road_other_km"}, ALL, True),
    ("road_toll_six_axle", 0.5, {"road_expressway_km"}, ALL, False),
    ("container_truck_toll", 0.5, {"road_expressway_km"}, BOXES, False),
    ("rail_tariff", 0.8, {"rail_load", "rail_tariff_km"}, ALL, False),
    ("rail_tariff_fixed_part", 0.8, {"rail_load"}, WAGONS, False),
    ("rail_tariff_distance_part", 0.8, {"rail_tariff_km"}, WAGONS, False),
    ("container_rail_tariff", 0.8, {"rail_tariff_km"}, BOXES, False),
    ("container_rail_tariff_fixed", 0.8, {"rail_load"}, BOXES, False),
    ("rail_construction_fund", 0.0, {"rail_tariff_km"}, WAGONS - {"grain"}, False),
    ("container_construction_fund", 0.0, {"rail_tariff_km"}, BOXES, False),
    ("rail_electrification_surcharge", 0.02, {"rail_tariff_km"}, ALL, True),
    ("rail_track_access", -0.02, {"rail_tariff_km"}, ALL, False),
    ("rail_time", 0.5, {"rail_h"}, ALL, False),
    ("rail_terminal_dwell", 0.5, {"rail_load"}, ALL, False),
    ("rail_terminal_handling", 1.5, {"drayage_end", "site_drayage_end"}, ALL, True),
    ("rail_siding_charge", 2.0, {"siding_end"}, ALL, True),
    ("rail_siding_yearly_fee", 3.0, {"siding_end"}, ALL, True),
    ("drayage_fixed_cost", 0.5, {"drayage_end", "site_drayage_end"}, ALL, False),
    ("drayage_cost", 0.5, {"drayage_km", "site_drayage_km", "last_mile_km"}, ALL, False),
    ("container_rail_subsidy", 300.0, {"port_train_box"}, BOXES, False),
    ("port_truck_charge", 30.0, {"port_truck_bulk"}, frozenset(BULK), True),
    ("port_handling", 1.5, {"sea_load"}, ALL, True),
    ("port_handling_bulk", 1.5, {"sea_load"}, handled("bulk"), True),
    ("port_handling_container", 1.5, {"sea_load"}, handled("container"), True),
    ("port_handling_general", 1.5, {"sea_load"}, handled("general"), True),
    ("port_handling_liquid", 1.5, {"sea_load"}, handled("liquid"), True),
    ("coastal_service", 0.8, {"sea_km", "sea_load"}, ALL, False),
    ("sea_rate_fixed", 0.8, {"sea_load"}, ALL, False),
    ("sea_rate_distance", 0.8, {"sea_km"}, ALL, False),
    ("sea_dwell", 0.5, {"sea_load"}, ALL, False),
    ("roro_fixed_fare", 0.5, {"roro_load"}, ALL, False),
    ("roro_distance_fare", 0.5, {"roro_km"}, ALL, False),
    ("roro_dwell", 2.0, {"roro_load"}, ALL, True),
    ("pipeline_tariff_crude", 1.5, {"pipeline_km"}, piped("crude"), True),
    ("pipeline_tariff_product", 1.5, {"pipeline_km"}, piped("product"), True),
    ("pipeline_tariff_gas", 1.5, {"pipeline_km"}, piped("gas"), True),
    ("pipeline_debottlenecking", 0.8, {"pipeline_km"}, frozenset(PIPE_OF), False),
    ("pipeline_terminal_cost", 1.5, {"pipeline_load"}, ALL, True),
    ("pipeline_last_mile", 0.5, {"last_mile_end"}, ALL, False),
]


@pytest.fixture(scope="module")
def params(inputs: Inputs) -> Params:
    return inputs.params()


@pytest.fixture(scope="module")
def base(params: Params) -> NDArray[np.float64]:
    """Return the unit costs of a later year ``[commodity, component]``."""
    costs: NDArray[np.float64] = unit_costs(params)[:, 0, LATER]
    return costs


@pytest.mark.parametrize(("lever", "value", "components", "commodities", "rises"), CASES, ids=[c[0] for c in CASES])
def test_a_lever_moves_what_it_names_and_nothing_else(
    inputs: Inputs,
    params: Params,
    base: NDArray[np.float64],
    lever: str,
    value: float,
    components: Collection[str],
    commodities: Collection[str],
    rises: bool,
) -> None:
    levers = {found.lever: found for found in inputs.levers}
    moved = unit_costs(params.with_levers([(levers[lever], value)]))[:, 0, LATER]
    expected = np.array([[c in commodities and k in components for k in COMPONENTS] for c in COMMODITIES])
    change = np.where(np.isclose(moved, base, rtol=1e-12, atol=0), 0.0, moved - base)
    seen = {(COMMODITIES[i], COMPONENTS[k]) for i, k in zip(*np.nonzero(change), strict=True)}
    assert seen == {(COMMODITIES[i], COMPONENTS[k]) for i, k in zip(*np.nonzero(expected), strict=True)}
    assert (np.sign(change[expected]) == (1 if rises else -1)).all()


def test_every_cost_row_a_bureau_can_set_has_a_lever(inputs: Inputs) -> None:
    """Prices, charges, dwell and the value of time: each parameter of a cost in CNY or hours is in the hand of some lever."""
    held = {lever.parameter for lever in inputs.levers}
    # what wires over a railway cost is no price of a haul
    rows = inputs.parameters.filter(pl.col("parameter") != "rail_electrification_cost")
    prices = {
        name
        for name, unit in rows.select("parameter", "unit").unique().iter_rows()
        if name.startswith(
            ("rail_", "road_", "sea_", "roro_", "port_", "pipeline_", "drayage_", "last_mile_", "value_of_time_cargo")
        )
        and unit.startswith(("CNY/t", "CNY/km", "CNY/h", "CNY/TEU"))
    }
    assert len(prices) > 20
    assert sorted(prices - held) == []


def test_the_toll_classes_leave_the_mean_toll(params: Params) -> None:
    """Shares sum to one and the class factors weighted by them to one, so the mean toll is the row of the mean."""
    share = {s: params.get("road_toll_class_share", s)[0, 0] for s in params.subjects("road_toll_class_share")}
    factor = {s: params.get("road_toll_class_factor", s)[0, 0] for s in share}
    assert sum(share.values()) == pytest.approx(1)
    assert sum(share[s] * factor[s] for s in share) == pytest.approx(1)


def test_a_six_axle_discount_by_hand(inputs: Inputs, params: Params) -> None:
    """Half toll for six axles: 70 % of the km x factor 1.1 x 0.5 = 38.5 % less toll, on 1.8 CNY/km and what a coal truck is paid for."""
    levers = {found.lever: found for found in inputs.levers}
    coal, km = COMMODITIES.index("coal"), COMPONENTS.index("road_expressway_km")
    moved = unit_costs(params.with_levers([(levers["road_toll_six_axle"], 0.5)]))[coal, 0, LATER, km]
    more = unit_costs(params.with_levers([(levers["road_toll"], 2.0)]))[coal, 0, LATER, km]
    now = unit_costs(params)[coal, 0, LATER, km]
    assert now - moved == pytest.approx(0.385 * (more - now))
