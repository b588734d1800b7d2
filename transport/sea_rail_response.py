"""What boxes on trains answer to: prices and dwell (elasticities), and the levers that would bring their share to a target.

Everything runs at given delays and scarcity prices: those of the base year for elasticities, those of the year asked about for levers. Demand by
place and the demand of other goods stay; boxes choose mode, route, terminal and port.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from networks.choice import Segments
from networks.cost import COMPONENT
from networks.measure import MEASURE, MEASURES
from networks.parts import NEST
from networks.solve import row_flow
from networks.wiring import expressway_territory_km
from transport.freight_calibration import fit_constants
from transport.freight_capacity import conditioned
from transport.freight_costs import make_costs
from transport.freight_demand import COMMODITIES
from transport.layout import BASE_YEAR, year_index

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from networks.solve import Costs, Demand, Rows
    from transport.freight_model import FreightModel
    from transport.freight_ports import PortBoxes
    from transport.freight_prepare import Tables
    from transport.params import Lever, Params

    Array = NDArray[np.float64]

_BASE, _FIRST = year_index(BASE_YEAR), slice(0, 1)
_BOXES, _ROAD, _RAIL = COMMODITIES.index("containers"), 0, 1
#: Rise of a price or of the dwell in the elasticities.
SMALL_RISE = 0.01
#: Parameters that rise together.
PRICES: dict[str, tuple[str, ...]] = {
    "rail_price": ("rail_container_tariff_per_km", "rail_container_tariff_fixed", "rail_construction_fund_container"),
    "road_price": (
        "road_fuel_cost_level",
        "road_wear_per_km",
        "road_toll_per_km",
        "road_toll_other_per_km",
        "road_hour_cost",
        "road_loading",
    ),
    "drayage_price": ("drayage_fixed", "drayage_per_km"),
    "rail_dwell": ("rail_terminal_dwell",),
}
#: Hours of trucks that feed railways: the price of line-haul trucks leaves them alone.
_FEEDER_HOURS = ("drayage_h", "site_drayage_h", "last_mile_h")
_SCALE = "freight_cost_scale"
ELASTICITIES = {
    "case": pl.String,
    "scale": pl.Float64,
    "price_of": pl.String,
    "sea_rail_teu": pl.Float64,
    "road_line_haul_tkm": pl.Float64,
    "drayage_tkm": pl.Float64,
    "throughput_teu": pl.Float64,
    "outside_teu": pl.Float64,
}
#: Single levers, each with the end of its range that helps trains.
SINGLE: dict[str, str] = {
    "container_rail_subsidy": "max",
    "container_rail_tariff": "min",
    "container_rail_tariff_fixed": "min",
    "container_construction_fund": "min",
    "rail_terminal_dwell": "min",
    "rail_time": "min",
    "window_trains": "max",
    "rail_terminal_handling": "min",
    "drayage_cost": "min",
    "drayage_fixed_cost": "min",
    "container_truck_toll": "max",
    "freight_carbon_price": "max",
}
#: Levers that move together, each from its value in the scenario towards its end by the same share of the way.
PACKAGES: dict[str, tuple[str, ...]] = {
    "subsidy": ("container_rail_subsidy",),
    "tariff": ("container_rail_tariff", "container_rail_tariff_fixed", "container_construction_fund"),
    "service": ("rail_terminal_dwell", "rail_time", "window_trains"),
    "ends": ("rail_terminal_handling", "drayage_cost", "drayage_fixed_cost"),
    "service_and_ends": (
        "rail_terminal_dwell",
        "rail_time",
        "window_trains",
        "rail_terminal_handling",
        "drayage_cost",
        "drayage_fixed_cost",
    ),
    "tariff_and_service": (
        "container_rail_tariff",
        "container_rail_tariff_fixed",
        "container_construction_fund",
        "rail_terminal_dwell",
        "rail_time",
        "window_trains",
    ),
    "all": tuple(SINGLE),
}
#: Levers that make trains faster or denser: they cost what that takes, not what shippers pay less.
SERVICE = frozenset({"rail_terminal_dwell", "rail_time", "window_trains"})
_HALVINGS = 14


@dataclass(frozen=True)
class BoxYear:
    """The boxes of one year at given delays and prices.

    Attributes
    ----------
    demand, rows
        Demand, and its rows of containers alone.
    constants
        Of the first draw ``[1, constant]``.
    year
        Position on the year axis.
    teu_per_t
        Boxes per tonne by port ``[port]``, first those of the province.
    n_inside
        Number of ports in the province.
    beside
        What is transhipped (twice) and residual in the ports of the province [TEU/yr].
    """

    demand: Demand
    rows: Rows
    constants: Array
    year: int
    teu_per_t: Array
    n_inside: int
    beside: float

    @classmethod
    def of(cls, model: FreightModel, boxes: PortBoxes, year: int) -> BoxYear:
        """Return the boxes of a year at the delays and prices of the results.

        Parameters
        ----------
        model
            A solved model.
        boxes
            From :func:`transport.freight_ports.port_boxes`.
        year
            Position on the year axis.
        """
        state = model.prepared.states[model.prepared.state_of_year[year]]
        beside = 2.0 * boxes.transhipped[:, 0, year] + boxes.residual[:, 0, year]
        rows, constants = only_boxes(model.speed.adapt(state.rows, year)), model.speed.fitted.constants[_FIRST]
        return cls(
            model.prepared.demand.demand, rows, constants, year, boxes.teu_per_t[:, 0], boxes.n_inside, float(beside.sum())
        )

    def answer(self, costs: Costs) -> dict[str, float]:
        """Return what boxes do at given costs: TEU on trains, throughput, TEU through ports outside, tkm of trucks on the line haul and as feeders.

        Parameters
        ----------
        costs
            Of the run.

        Returns
        -------
        dict
            ``sea_rail_teu``, ``throughput_teu``, ``outside_teu`` [TEU/yr], ``road_line_haul_tkm``, ``drayage_tkm`` (in the province) [tkm/yr].
        """
        flow = self.flow(costs)
        n, first = self.teu_per_t.size, len(MEASURES)
        counted = flow @ self.rows.measure
        train, every = (self.teu_per_t * counted[first + k * n : first + (k + 1) * n] for k in (0, 1))
        nest = NEST[self.rows.alternative]
        truck_km = self.rows.measure[:, MEASURE["territory_km_road"]]
        site = (1.0 - costs.siding_share[0, self.year]) * self.rows.measure[:, MEASURE["site_rail_territory_km"]]
        return {
            "sea_rail_teu": float(train[: self.n_inside].sum()),
            "throughput_teu": float(every[: self.n_inside].sum()) + self.beside,
            "outside_teu": float(every[self.n_inside :].sum()),
            "road_line_haul_tkm": float(flow[nest == _ROAD] @ truck_km[nest == _ROAD]),
            "drayage_tkm": float(flow[nest == _RAIL] @ (truck_km + site)[nest == _RAIL]),
        }

    def flow(self, costs: Costs) -> Array:
        """Return the flow of each row at given costs ``[row]`` [t/yr]."""
        found: Array = row_flow(self.rows, self.demand, costs, self.constants, _FIRST, self.year)[0][0]
        return found

    def share_pct(self, costs: Costs) -> float:
        """Return boxes on trains over throughput at given costs [percent]."""
        found = self.answer(costs)
        return 100.0 * found["sea_rail_teu"] / found["throughput_teu"]


def with_flows(boxes: PortBoxes, model: FreightModel, year: int) -> PortBoxes:
    """Return boxes whose gateway boxes and boxes on trains of one year are those of a model's flows, draw 0.

    Parameters
    ----------
    boxes
        Boxes of another solution of the same base year.
    model
        A solved model with the flows of that year.
    year
        Position on the year axis.
    """
    rows = model.speed.adapt(model.prepared.states[model.prepared.state_of_year[year]].rows, year)
    a, b = rows.slices[_BOXES]
    n, first = len(boxes.ports), len(MEASURES)
    counted = model.speed.solution.flows[year][a:b] @ rows.measure[a:b]
    changed = []
    for k, held in enumerate((boxes.sea_rail, boxes.gateway)):
        found = held.copy()
        found[:, 0, year] = boxes.teu_per_t[:, 0] * counted[first + k * n : first + (k + 1) * n]
        changed.append(found)
    return replace(boxes, sea_rail=changed[0], gateway=changed[1])


def only_boxes(rows: Rows) -> Rows:
    """Return the rows of containers alone; choice between them is the same, as no demand row has two commodities.

    Parameters
    ----------
    rows
        Rows of all commodities.
    """
    (a, b), (first, last) = rows.slices[_BOXES], rows.group_slices[_BOXES]
    demand, alternative = rows.group_demand[first:last], rows.group_alternative[first:last]

    def part(name: str) -> Any:
        return getattr(rows, name)[a:b]

    def starts(edges: NDArray[np.int64]) -> NDArray[np.int64]:
        return np.append(edges[(edges >= a) & (edges < b)] - a, b - a)

    by_row = ("demand", "chain", "alternative", "components", "measure", "price", "port", "marks", "place", "trucked", "railed")
    mine = range(len(rows.slices))
    return replace(
        rows,
        **{name: part(name) for name in by_row},
        port_start=starts(rows.port_start),
        group_start=starts(rows.group_start),
        group_demand=demand,
        group_alternative=alternative,
        features=rows.features[first:last],
        segments=Segments.build(demand, NEST[alternative]),
        slices=tuple((0, b - a) if c == _BOXES else (0, 0) for c in mine),
        group_slices=tuple((0, last - first) if c == _BOXES else (0, 0) for c in mine),
        unserved=np.zeros(0, dtype=np.int64),
    )


# --- elasticities -------------------------------------------------------------------------------------------------------------------


def elasticity_table(inputs: Tables, params: Params, model: FreightModel, boxes: PortBoxes) -> pl.DataFrame:
    """Return the table ``sea_rail_elasticities``: what prices and dwell do to boxes on trains and to the trucks that replace and feed them.

    Parameters
    ----------
    inputs
        Rows with the range of the cost scale.
    params
        Parameters of the run.
    model
        A solved model; delays and prices of its base year are kept.
    boxes
        From :func:`transport.freight_ports.port_boxes`.

    Returns
    -------
    polars.DataFrame
        Columns of :data:`ELASTICITIES`: percent per percent of each price, in the base year; ``case`` is the cost scale at its central value or at an end of its
        range, with the constants fitted again.

    Notes
    -----
    Arc elasticities of a rise of one per cent. Trucks are a substitute on the line haul and a complement at the ends: dearer line-haul trucks give the
    railway boxes and the drayage work, dearer drayage takes boxes off the railway.
    """
    central = params if params.draws == 1 else inputs.params()
    index = model.prepared.state_of_year[_BASE]
    state, conditions = model.prepared.states[index], model.frozen[index].conditions
    rows, km = conditioned(state.rows, state, conditions), expressway_territory_km(state.wiring, conditions)
    ranged = [pl.coalesce(end, "value").alias(end) for end in ("low", "high")]  # a pack may give it as one number
    row = inputs.parameters.filter(pl.col("parameter") == _SCALE).with_columns(ranged).row(0, named=True)
    start = model.fixed.fitted.constants[_FIRST]
    found = []
    for case, scale in (("central", row["value"]), ("scale.low", row["low"]), ("scale.high", row["high"])):
        moved = central.replace(_SCALE, "all", np.array(scale))
        costs = make_costs(moved, model.prepared)
        constants = (
            start
            if case == "central"
            else fit_constants(inputs, moved, model.prepared, costs, rows, km, start=start).constants[_FIRST]
        )
        beside = float((2.0 * boxes.transhipped + boxes.residual)[:, 0, _BASE].sum())
        at = BoxYear(
            model.prepared.demand.demand, only_boxes(rows), constants, _BASE, boxes.teu_per_t[:, 0], boxes.n_inside, beside
        )
        before = at.answer(costs)
        for name in PRICES:
            after = at.answer(_dearer(moved, model, costs, name))
            found.append(
                {"case": case, "scale": float(scale), "price_of": name}
                | {k: (after[k] / before[k] - 1.0) / SMALL_RISE if before[k] > 0.0 else None for k in list(ELASTICITIES)[3:]}
            )
    return pl.DataFrame(found, schema=ELASTICITIES)


def _dearer(params: Params, model: FreightModel, costs: Costs, price: str) -> Costs:
    """Return the costs with the parameters of a price up by :data:`SMALL_RISE`."""
    for name in PRICES[price]:
        params = params.replace(name, "all", params.get(name) * (1.0 + SMALL_RISE))
    moved = make_costs(params, model.prepared)
    if price == "road_price":
        coefficients = moved.coefficients.copy()
        for name in _FEEDER_HOURS:
            coefficients[..., COMPONENT[name]] = costs.coefficients[..., COMPONENT[name]]
        moved = replace(moved, coefficients=coefficients)
    return moved


# --- what reaches a share -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Need:
    """What a lever or package must do for a share.

    Attributes
    ----------
    name
        Lever or package.
    levers
        Value of each lever at that strength.
    strength
        Share of the way from the scenario's values to the helping ends of the ranges; 1 where even that does not reach the target.
    share_pct
        Share at that strength [percent].
    reached
        Whether the target is reached.
    outlay_cny
        What shippers of boxes on trains pay less at that strength than at the scenario's prices, and what faster and denser trains cost [CNY/yr]; tolls
        and carbon price cost the budget nothing.
    unpriced
        Levers in it whose own cost no row knows.
    """

    name: str
    levers: Mapping[str, float]
    strength: float
    share_pct: float
    reached: bool
    outlay_cny: float
    unpriced: tuple[str, ...]


def strengths(
    at: BoxYear,
    model: FreightModel,
    costs_of: Callable[[Mapping[str, float]], Costs],
    values: Mapping[str, float],
    ends: Mapping[str, float],
    target_pct: float,
    *,
    name: str,
    service_cost: Callable[[str, float, Array], float | None] | None = None,
) -> Need:
    """Return the least strength at which levers that move together bring the share of boxes on trains to a target, at fixed delays.

    Parameters
    ----------
    at
        Boxes of the year.
    model
        The solved model, for its costs.
    costs_of
        Costs at given values of levers.
    values, ends
        Value of each lever in the scenario, and the end of its range that helps.
    target_pct
        Share to be reached [percent].
    name
        Lever or package.
    service_cost
        Lever of :data:`SERVICE`, its value and the flow of each row ``[row]`` -> yearly cost [CNY/yr], ``None`` where no row tells it; without this no
        such lever has a known cost.

    Notes
    -----
    The share grows with the strength of such levers, so that halving finds the least one to 1e-4 of the way.
    """

    def setting(strength: float) -> dict[str, float]:
        return {lever: (1.0 - strength) * values[lever] + strength * ends[lever] for lever in ends}

    def need(strength: float, share: float) -> Need:
        used = setting(strength)
        paid = {lever: v for lever, v in used.items() if lever not in SERVICE}
        outlay = _saved(at, model.costs, costs_of(used), costs_of(paid) if paid else model.costs)
        flow = at.flow(costs_of(used))
        service = {x: None if service_cost is None else service_cost(x, used[x], flow) for x in sorted(SERVICE & set(used))}
        outlay += sum(cost for cost in service.values() if cost is not None)
        unpriced = tuple(lever for lever, cost in service.items() if cost is None)
        return Need(name, used, strength, share, share >= target_pct, outlay, unpriced)

    now, full = at.share_pct(model.costs), at.share_pct(costs_of(setting(1.0)))
    if now >= target_pct:
        return need(0.0, now)
    if full < target_pct:
        return need(1.0, full)
    low, high, reached = 0.0, 1.0, full
    for _ in range(_HALVINGS):
        middle = (low + high) / 2.0
        share = at.share_pct(costs_of(setting(middle)))
        low, high, reached = (low, middle, share) if share >= target_pct else (middle, high, reached)
    return need(high, reached)


def _saved(at: BoxYear, before: Costs, used: Costs, paid: Costs) -> float:
    """Return what boxes on trains pay less at the prices ``paid`` than before, with the flows of ``used`` [CNY/yr]."""
    rail = NEST[at.rows.alternative] == _RAIL
    less = before.coefficients[_BOXES, 0, at.year] - paid.coefficients[_BOXES, 0, at.year]
    return float(at.flow(used)[rail] @ (at.rows.components[rail] @ np.maximum(less, 0.0)))


def helping_ends(levers: Sequence[Lever], names: Sequence[str]) -> dict[str, float]:
    """Return the end of the range of each lever that helps trains.

    Parameters
    ----------
    levers
        All levers.
    names
        Names out of :data:`SINGLE`.
    """
    known = {lever.lever: lever for lever in levers}
    return {name: known[name].maximum if SINGLE[name] == "max" else known[name].minimum for name in names}
