"""What brings the sea-rail share to a target: the strength each lever and package needs, with the capacity it runs into."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from networks.measure import MARKS
from networks.parts import LEG_MODES, NEST
from transport import freight_loads as loads
from transport.freight_costs import make_costs
from transport.freight_model import solve_base, solve_model
from transport.freight_ports import last_observed, port_boxes
from transport.freight_works import time_amount
from transport.freight_year import solve_year
from transport.layout import year_index
from transport.params import lever_path, lever_settings
from transport.sea_rail import CHAINS, Used, chain_frame, port_table
from transport.sea_rail_path import path_table
from transport.sea_rail_response import PACKAGES, SINGLE, BoxYear, helping_ends, strengths, with_flows
from transport.study import scenario_inputs, scenario_params

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from networks.solve import Costs
    from transport.freight_model import FreightModel
    from transport.freight_ports import PortBoxes
    from transport.inputs import Inputs
    from transport.params import Lever, Params
    from transport.scenario import Scenario
    from transport.sea_rail_response import Need

    Array = NDArray[np.float64]
    ServiceCost = Callable[[str, float, Array], float | None]

#: Places listed as the fullest ones, and the boxes from which a place counts [TEU/yr].
_TIGHT, _LEAST_TEU = 5, 1000.0
#: A share this near to the target has reached it [percentage point].
_ROUNDING = 0.05
#: Solutions of a year tried for one package, and what is asked for on top of what capacity took.
_ROUNDS, _OVER = 5, 1.3
_RAIL = LEG_MODES.index("rail")
#: Window trains a year per train a day and direction.
_TRAINS_PER_YEAR = 2.0 * 365.0
#: Columns of the strengths that are needed.
NEEDS = {
    "year": pl.Int64,
    "kind": pl.String,
    "name": pl.String,
    "strength": pl.Float64,
    "levers": pl.String,
    "share_pct": pl.Float64,
    "reached": pl.Boolean,
    "outlay_mcny": pl.Float64,
    "unpriced": pl.String,
}


@dataclass(frozen=True)
class Answer:
    """What the command found.

    Attributes
    ----------
    path
        Table ``sea_rail_path``.
    needs
        One row per year and lever or package: ``year``, ``kind`` (lever, package, or at_capacity: the best package with the delays
        and scarcity prices that it makes itself, not at the fixed speed), ``name``, ``strength``, ``levers``, ``share_pct``, ``reached``,
        ``outlay_mcny`` [million CNY/yr], ``unpriced``.
    tight
        Fullest lines and terminals on the way of boxes: ``year``, ``package``, ``kind``, ``place``, ``vc_ratio``, ``sea_rail_teu`` through it.
    """

    path: pl.DataFrame
    needs: pl.DataFrame
    tight: pl.DataFrame


def answer(
    inputs: Inputs, scenario: Scenario, target_pct: float, years: Sequence[int], *, tell: Callable[[str], None] | None = None
) -> Answer:
    """Return the path of a scenario and what reaches a share.

    Parameters
    ----------
    inputs
        Checked data.
    scenario
        A resolved scenario.
    target_pct
        Share to be reached [percent].
    years
        Calendar years in which it is to be reached.
    tell
        Called with ``years`` and ``check`` before the long steps.

    Notes
    -----
    Strengths are found at the delays and scarcity prices of the scenario, which take milliseconds each; the cheapest package that reaches the target is
    then solved with those it makes itself. Packages with parts that no row prices come after those without, whatever they cost.
    """
    own = scenario_inputs(scenario, inputs)
    params, held = scenario_params(scenario, own), scenario.hold_year or None
    if tell is not None:
        tell("years")
    base = solve_base(own, params, hold_network_after=held)
    model = solve_model(own, params, capacity=scenario.capacity, base=base, detail=tuple(years))
    boxes = port_boxes(params, model.prepared, model.speed.solution.totals, last_observed(own.parameters))
    path = path_table(own.table("observed/sea_rail"), port_table(params, boxes, pl.DataFrame(schema=CHAINS)))
    levers, moved = {lever.lever: lever for lever in own.levers}, _moving(own, scenario)
    needs: list[tuple[object, ...]] = []
    tight = []
    for year in years:
        at, position = BoxYear.of(model, boxes, year_index(year)), year_index(year)
        now = {n: float(lever_path(scenario.settings.get(n, levers[n].default), levers[n].default)[position]) for n in SINGLE}
        service = _service_cost(own, at, moved)
        found = _needs(levers, at, model, moved, now, target_pct, service)
        needs += [(year, kind, *_row(need)) for kind, need in found]
        packages = [need for kind, need in found if kind == "package"]
        best = packages[0] if packages[0].reached else max(packages, key=lambda n: n.share_pct)
        if scenario.capacity == "fixed" or best.strength == 0.0:  # where the scenario is there already, its own capacities are in
            tight.append(_tight(own, params, model, boxes, year, ""))
            continue
        if tell is not None:
            tell("check")
        names = PACKAGES[best.name]
        ends, values = helping_ends(list(levers.values()), names), {n: now[n] for n in names}

        def need_of(
            goal: float,
            at: BoxYear = at,
            best: Need = best,
            ends: dict[str, float] = ends,
            values: dict[str, float] = values,
            service: ServiceCost = service,
        ) -> Need:
            def made(used: Mapping[str, float]) -> Costs:
                return make_costs(moved(used), model.prepared)

            return strengths(at, model, made, values, ends, goal, name=best.name, service_cost=service)

        def solved_at(need: Need, year: int = year) -> FreightModel:
            return solve_year(own, moved(need.levers), year, capacity=scenario.capacity, base=base)

        need, solved = at_capacity(need_of, solved_at, boxes, position, target_pct)
        needs.append((year, "at_capacity", *_row(need)))
        tight.append(_tight(own, moved(need.levers), solved, with_flows(boxes, solved, position), year, best.name))
    return Answer(path, pl.DataFrame(needs, schema=NEEDS, orient="row"), pl.concat(tight))


def at_capacity(
    need_of: Callable[[float], Need],
    solved_at: Callable[[Need], FreightModel],
    boxes: PortBoxes,
    position: int,
    target_pct: float,
) -> tuple[Need, FreightModel]:
    """Return a package at the least strength that reaches the target with the delays and prices it makes itself, and the year solved with it.

    Notes
    -----
    What capacity takes back is asked for on top at fixed delays and the year is solved again, until the share is there or the package is at its end.
    """
    goal = target_pct
    for left in range(_ROUNDS, 0, -1):
        need = need_of(goal)
        solved = solved_at(need)
        share = BoxYear.of(solved, boxes, position).share_pct(solved.costs)
        if share >= target_pct - _ROUNDING or not need.reached or left == 1:
            break
        goal += _OVER * (target_pct - share)
    return replace(need, share_pct=share, reached=share >= target_pct - _ROUNDING), solved


def _row(need: Need) -> tuple[object, ...]:
    levers = ", ".join(f"{name}={value:.4g}" for name, value in need.levers.items())
    outlay = None if set(need.levers) <= set(need.unpriced) else need.outlay_cny / 1e6
    return need.name, need.strength, levers, need.share_pct, need.reached, outlay, ", ".join(need.unpriced)


def _moving(inputs: Inputs, scenario: Scenario) -> Callable[[Mapping[str, float]], Params]:
    """Return what gives the parameters of a scenario with some of its levers at other values."""
    bare = scenario_params(replace(scenario, settings={}), inputs)

    def moved(settings: Mapping[str, float]) -> Params:
        return bare.with_levers(lever_settings(inputs.levers, {**scenario.settings, **settings}))

    return moved


def _service_cost(inputs: Inputs, at: BoxYear, moved: Callable[[Mapping[str, float]], Params]) -> ServiceCost:
    """Return what gives the yearly cost of faster and denser trains for boxes, by the rules of ``lever_effects``.

    Notes
    -----
    Window trains: departures beyond the scenario's x ``window_train_cost``. Times: hours saved x tonnes of boxes on trains x ``time_saving_cost``.
    """
    known = {lever.lever: lever for lever in inputs.levers}
    rules = dict(inputs.table("lever_effects").select("parameter", "cost_rule").drop_nulls().iter_rows())
    before = moved({})

    def cost(name: str, value: float, flow: Array) -> float | None:
        lever, after = known[name], moved({name: value})
        rule = rules.get(lever.parameter, "")
        if rule == "departures":
            added = sum(
                float((after.get(lever.parameter, port) - before.get(lever.parameter, port))[0, at.year])
                for port in before.subjects(lever.parameter)
            )
            return max(added, 0.0) * _TRAINS_PER_YEAR * float(after.get("window_train_cost")[0, at.year])
        if rule != "time":
            return None
        rail = flow[NEST[at.rows.alternative] == _RAIL] @ at.rows.components[NEST[at.rows.alternative] == _RAIL]
        return time_amount(after, before, (lever.parameter, lever.subject), rail[None], np.zeros((1, len(MARKS))), at.year)

    return cost


def _needs(
    levers: Mapping[str, Lever],
    at: BoxYear,
    model: FreightModel,
    moved: Callable[[Mapping[str, float]], Params],
    now: Mapping[str, float],
    target_pct: float,
    service: ServiceCost,
) -> list[tuple[str, Need]]:
    """Return the need of every single lever, then of every package; packages that reach the target first, then those that are priced, cheapest first."""

    def found(name: str, names: Sequence[str]) -> Need:
        ends = helping_ends(list(levers.values()), names)
        values = {n: now[n] for n in names}

        def made(used: Mapping[str, float]) -> Costs:
            return make_costs(moved(used), model.prepared)

        return strengths(at, model, made, values, ends, target_pct, name=name, service_cost=service)

    single = [("lever", found(name, (name,))) for name in SINGLE]
    packages = [("package", found(name, names)) for name, names in PACKAGES.items()]
    return single + sorted(packages, key=lambda kn: (not kn[1].reached, bool(kn[1].unpriced), kn[1].outlay_cny))


def _tight(inputs: Inputs, params: Params, model: FreightModel, boxes: PortBoxes, year: int, package: str) -> pl.DataFrame:
    """Return the fullest lines and terminals on the way of boxes in a year, and the boxes that pass them as their tightest place."""
    position = year_index(year)
    state, load = model.prepared.states[model.prepared.state_of_year[position]], loads.year_load(model, position)
    links, _ = loads.link_frame(load, state.links, year)
    terminals = loads.terminal_frame(load, model.prepared, inputs.table("networks/terminals"), year)
    line_of = dict(inputs.table("networks/links").select("link_id", "line_zh").drop_nulls().iter_rows())
    chains = chain_frame(params, model, boxes, Used(links, terminals, line_of), year)
    place = pl.col("tightest_place")
    return (
        chains.filter(place.is_not_null())
        .group_by("tightest_kind", "tightest_place")
        .agg(pl.col("tightest_vc_ratio").first(), (pl.col("loaded_teu") + pl.col("empty_teu")).sum().alias("sea_rail_teu"))
        .filter(pl.col("sea_rail_teu") >= _LEAST_TEU)
        .sort("tightest_vc_ratio", "tightest_place", descending=[True, False])
        .head(_TIGHT)
        .select(
            pl.lit(year, dtype=pl.Int64).alias("year"),
            pl.lit(package).alias("package"),
            pl.col("tightest_kind").alias("kind"),
            place.alias("place"),
            place.replace_strict(line_of, default="").alias("line"),
            pl.col("tightest_vc_ratio").alias("vc_ratio"),
            "sea_rail_teu",
        )
    )
