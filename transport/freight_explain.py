"""Why a haul goes the way it does: every chain of a pair and commodity with its cost terms, terminals, path and share.

Where the pair has demand these are the model's own chains and flows. For any other two zones the chains of one tonne are built by the same functions,
under the delays and prices of the year.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from networks.chains import build_chains
from networks.cost import COMPONENT
from networks.errors import NetworkError
from networks.measure import MEASURE, MEASURES, fold_sites
from networks.parts import ALTERNATIVES, LEG_MODES
from networks.ports import FROM_SEA, TO_SEA
from networks.solve import CONSTANTS, Demand, expand, group_utility, row_costs, row_flow
from networks.wiring import apply_changes, chain_changes, sum_by, wire
from transport.freight_costs import HANDLING_OF
from transport.freight_demand import COMMODITIES
from transport.freight_loads import year_load
from transport.freight_paths import PathMaker, Places, arc_ratios, path_skims, stop_table
from transport.freight_prepare import _ROUTE_OF, central_value, make_gates
from transport.i18n import labels, t
from transport.layout import year_index

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from networks.chains import ChainSet
    from networks.skim import Skim
    from networks.solve import Costs, Rows
    from transport.freight_loads import YearLoad
    from transport.freight_model import FreightModel
    from transport.freight_prepare import State
    from transport.inputs import Inputs
    from transport.params import Params

    Array = NDArray[np.float64]
    #: Link and whether it is travelled forward.
    Link = tuple[str, bool]

#: Terms of the generalised cost [CNY/t], in the order they are shown; they sum to it.
TERMS: tuple[str, ...] = (
    "road_expressway",
    "road_other",
    "road_time",
    "road_loading",
    "rail_fixed",
    "rail_distance",
    "rail_time",
    "siding",
    "drayage",
    "sea_fixed",
    "sea_distance",
    "sea_time",
    "handling",
    "roro",
    "pipeline",
    "port_charge",
    "subsidy",
    "rules",
    "scarcity",
)
_G_PER_KG = 1000.0
#: Suggestions named in a message, and candidates listed where a name fits several places.
_SUGGESTED, _LISTED = 4, 12


@dataclass(frozen=True)
class Explanation:
    """Chains of one pair of zones and commodity in one year.

    Attributes
    ----------
    origin, destination
        Zone ids.
    origin_name, destination_name
        Their names in the language asked for.
    commodity, year, capacity
        Commodity code, calendar year, and ``fixed`` or ``equilibrium``.
    t_per_year, captive_t_per_year
        Demand that chooses, and captive flows of the pair beside it [t/yr].
    chains
        One row per chain, the kind of chain with the largest share first: ``chain`` (number), ``alternative``, ``rank`` of the terminal pair (1 = best), ``terminals``, km by
        mode, ``hours``, one column per term of :data:`TERMS` [CNY/t], ``cost_cny_per_t`` (their sum), ``beside_cost_cny_per_t`` (what preferences and
        constants are worth; adds to the utility), ``utility``, ``probability``, ``t_per_year``, ``co2_kg_per_t`` (direct).
    stops
        Terminals of each chain: ``chain``, ``kind``, ``place``, ``name``, load and capacity [t/yr], ``vc_ratio``, price [CNY/t].
    path
        Legs of each chain in travel order: ``chain``, ``leg``, ``network``, ``from``, ``to``, ``nodes``, ``names``, ``links``, ``km``, and of the worst
        section ``worst_vc_ratio``, ``worst_link_id``, ``worst_name``.
    """

    origin: str
    destination: str
    origin_name: str
    destination_name: str
    commodity: str
    year: int
    capacity: str
    t_per_year: float
    captive_t_per_year: float
    chains: pl.DataFrame
    stops: pl.DataFrame
    path: pl.DataFrame


# --- names --------------------------------------------------------------------------------------------------------------------------


def find_zone(inputs: Inputs, text: str, lang: str = "zh") -> str:
    """Return the zone that a text names: zone id, node id, or the beginning of a Chinese or English name.

    Parameters
    ----------
    inputs
        Zone and node tables.
    text
        What was asked for.
    lang
        Language of the messages.

    Raises
    ------
    NetworkError
        If no zone or several fit; the message lists the nearest ones or the candidates.
    """
    nodes = inputs.table("networks/nodes").select("node_id", "name_zh", "name_en")
    rows = inputs.table("networks/zones").join(nodes, on="node_id", how="left").sort("zone_id")
    wanted = text.strip().casefold()
    known = [
        (str(z), tuple(str(x) for x in (z, n, zh, en) if x is not None), f"{zh if lang == 'zh' else en} ({z})")
        for z, n, zh, en in rows.select("zone_id", "node_id", "name_zh", "name_en").iter_rows()
    ]
    exact = [k for k in known if wanted in {name.casefold() for name in k[1]}]
    found = exact or [k for k in known if wanted and any(name.casefold().startswith(wanted) for name in k[1][2:])]
    if len(found) == 1:
        return found[0][0]
    if found:
        shown = ", ".join(k[2] for k in found[:_LISTED])
        raise NetworkError(t("explain.ambiguous_place", lang, what=text, count=len(found), found=shown))
    inside = [k[2] for k in known if wanted and any(wanted in name.casefold() for name in k[1])]
    by_name = {name.casefold(): k[2] for k in known for name in k[1]}
    near = [by_name[name] for name in difflib.get_close_matches(wanted, by_name, n=_SUGGESTED, cutoff=0.4)]
    shown = ", ".join(dict.fromkeys([*inside[:_SUGGESTED], *near]))
    raise NetworkError(t("explain.unknown_place", lang, what=text, near=shown or "-"))


def find_commodity(inputs: Inputs, text: str, lang: str = "zh") -> str:
    """Return the commodity that a text names: code, or Chinese or English label, or the beginning of one of them.

    Parameters
    ----------
    inputs
        Code lists.
    text
        What was asked for.
    lang
        Language of the message.

    Raises
    ------
    NetworkError
        If no commodity or several fit.
    """
    zh, en = labels(inputs, "commodity", "zh"), labels(inputs, "commodity", "en")
    wanted = text.strip().casefold()
    known = {c: {x.casefold() for x in (c, zh.get(c, c), en.get(c, c))} for c in COMMODITIES}
    exact = [c for c, named in known.items() if wanted in named]
    found = exact or [c for c, named in known.items() if wanted and any(name.startswith(wanted) for name in named)]
    if len(found) == 1:
        return found[0]
    own = zh if lang == "zh" else en
    names = {name.casefold(): c for c in COMMODITIES for name in (c, zh.get(c, c), en.get(c, c))}
    near = [names[n] for n in difflib.get_close_matches(wanted, names, n=_SUGGESTED, cutoff=0.3)]
    near += [c for n, c in names.items() if wanted and wanted in n]
    shown = ", ".join(f"{own.get(c, c)} ({c})" for c in dict.fromkeys(near or COMMODITIES))
    raise NetworkError(t("explain.unknown_commodity", lang, what=text, near=shown))


def node_names(inputs: Inputs, lang: str) -> dict[str, str]:
    """Return names of the nodes by id."""
    rows = inputs.table("networks/nodes").select("node_id", f"name_{lang}")
    return {str(n): str(name) if name is not None else str(n) for n, name in rows.iter_rows()}


# --- the explanation ----------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Ready:
    """What every question about one year of a model needs, worked out once, so that each is answered in milliseconds.

    Attributes
    ----------
    year
        Position on the year axis.
    central
        Central parameters.
    load
        Flows on the networks and at the terminals.
    rows
        Rows of the demand under the conditions of the year.
    cost, beside
        Generalised cost [CNY/t] and utility beside cost [-] of each row.
    skims, ratios
        Least-cost paths and loads over capacity by arc.
    """

    year: int
    central: Params
    load: YearLoad
    rows: Rows
    cost: Array
    beside: Array
    skims: Mapping[str, Skim]
    ratios: Mapping[Link, float]


def get_ready(inputs: Inputs, model: FreightModel, year: int, *, load: YearLoad | None = None) -> Ready:
    """Return what questions about one year need.

    Parameters
    ----------
    inputs
        Of the run.
    model
        Solved with the flows of that year (``detail``).
    year
        Calendar year.
    load
        From :func:`transport.freight_loads.year_load`; made if not given.
    """
    now = year_index(year)
    rows = model.speed.adapt(model.prepared.states[model.prepared.state_of_year[now]].rows, now)
    load = year_load(model, now) if load is None else load
    cost, beside = row_costs(rows, model.costs, slice(0, 1), now)[0], _beside(model, rows, now)
    return Ready(now, inputs.params(), load, rows, cost, beside, path_skims(model, now), arc_ratios(load))


def explain(
    inputs: Inputs,
    params: Params,
    model: FreightModel,
    origin: str,
    destination: str,
    commodity: str,
    year: int,
    *,
    load: YearLoad | None = None,
    ready: Ready | None = None,
    lang: str = "zh",
) -> Explanation:
    """Explain the chains between two zones.

    Parameters
    ----------
    inputs, params
        Of the run.
    model
        Solved with the flows of that year (``detail``).
    origin, destination, commodity
        As in :func:`find_zone` and :func:`find_commodity`.
    year
        Calendar year.
    load
        From :func:`transport.freight_loads.year_load`; made if not given.
    ready
        From :func:`get_ready` with the same year, for many questions about it; made if not given.
    lang
        Language of names and messages.

    Returns
    -------
    Explanation
        First draw. At the fixed speed the path is the one of the model; in equilibrium it is the cheapest of the used paths, while kilometres, hours
        and costs of the chain are averages over all of them.

    Raises
    ------
    NetworkError
        If a name is not known or no chain joins the two places.
    """
    now = year_index(year)
    zones = model.prepared.zones
    start, end = find_zone(inputs, origin, lang), find_zone(inputs, destination, lang)
    code = COMMODITIES.index(find_commodity(inputs, commodity, lang))
    pair = np.array([zones.position[start]]), np.array([zones.position[end]])
    state = model.prepared.states[model.prepared.state_of_year[now]]
    ready = get_ready(inputs, model, year, load=load) if ready is None else ready
    case = _own_chains(model, state, pair, code, now, ready) or _built_chains(
        inputs, model, state, pair, code, now, central=ready.central
    )
    names = node_names(inputs, lang)
    node_of = dict(inputs.table("networks/zones").select("zone_id", "node_id").iter_rows())
    ends = [names[node_of[z]] for z in (start, end)]
    if case.chain.size == 0:
        raise NetworkError(t("explain.no_chain", lang, origin=ends[0], destination=ends[1], year=year))
    numbered, order = _chain_table(params, model, case, code, now)
    place = Places(zones.ids, state.inputs.rail.network.terminals, node_of, names)
    chains, picked = case.chains, case.chain[order]
    stops = stop_table(chains, picked, ready.load, place)
    path = PathMaker(state, ready.skims, ready.ratios, place).table(chains, picked, int(pair[0][0]), int(pair[1][0]))
    by_chain = (
        {} if stops.is_empty() else {int(k): g["name"].to_list() for (k,), g in stops.group_by("chain", maintain_order=True)}
    )
    terminals = [" - ".join(dict.fromkeys(by_chain.get(i, []))) for i in numbered["chain"]]
    columns = numbered.columns
    table = numbered.with_columns(pl.Series("terminals", terminals, dtype=pl.String))
    return Explanation(
        start,
        end,
        ends[0],
        ends[1],
        COMMODITIES[code],
        year,
        "fixed" if model.years is None else "equilibrium",
        case.t_per_year,
        _captive_t(model, pair, code, now),
        table.select([*columns[:3], "terminals", *columns[3:]]),
        stops,
        path,
    )


@dataclass(frozen=True)
class _Case:
    """Chains of one pair and commodity.

    Attributes
    ----------
    chains
        The set that ``chain`` counts in.
    chain, alternative
        Chain and alternative code of each row.
    components, measure, price
        As in :class:`networks.solve.Rows`, under the conditions of the year.
    cost
        Generalised cost of each row [CNY/t].
    beside
        Utility of each row beside its cost: preferences and constants [-].
    probability
        Share of each row.
    t_per_year
        Tonnes that chose among them [t/yr].
    """

    chains: ChainSet
    chain: NDArray[np.int64]
    alternative: NDArray[np.int64]
    components: Array
    measure: Array
    price: Array
    cost: Array
    beside: Array
    probability: Array
    t_per_year: float

    @classmethod
    def of(cls, chains: ChainSet, rows: Rows, mine: NDArray[np.int64], tonnes: Array, cost: Array, beside: Array) -> _Case:
        """Return the chosen rows, which carry these tonnes; cost and utility beside it are those of all rows."""
        whole = float(tonnes.sum())
        return cls(
            chains,
            rows.chain[mine],
            rows.alternative[mine],
            rows.components[mine],
            rows.measure[mine],
            rows.price[mine],
            cost[mine],
            beside[mine],
            tonnes / whole if whole > 0 else tonnes,
            whole,
        )


def _own_chains(
    model: FreightModel,
    state: State,
    pair: tuple[NDArray[np.int64], NDArray[np.int64]],
    commodity: int,
    year: int,
    ready: Ready | None = None,
) -> _Case | None:
    """Return the chains that the model's demand between the pair uses, each once; nothing without such a demand.

    Notes
    -----
    Several demand rows may use the same chain (known and distributed flows, and those that choose their port): their tonnes add up, and what depends
    on the row is that of the row with most tonnes.
    """
    demand, rows = model.prepared.demand.demand, state.rows
    at = state.chains.pair[rows.chain]
    mine = np.flatnonzero(
        (demand.origin[at] == pair[0]) & (demand.destination[at] == pair[1]) & (demand.commodity[rows.demand] == commodity)
    )
    flow = model.speed.solution.flows[year][mine]
    if not flow.sum() > 0:
        return None
    order = np.lexsort((-flow, rows.chain[mine]))
    mine, flow = mine[order], flow[order]
    _, first, where = np.unique(rows.chain[mine], return_index=True, return_inverse=True)
    tonnes = sum_by(where, flow, first.size)
    if ready is not None:
        return _Case.of(state.chains, ready.rows, mine[first], tonnes, ready.cost, ready.beside)
    adapted = model.speed.adapt(rows, year)
    cost = row_costs(adapted, model.costs, slice(0, 1), year)[0]
    return _Case.of(state.chains, adapted, mine[first], tonnes, cost, _beside(model, adapted, year))


def _built_chains(
    inputs: Inputs,
    model: FreightModel,
    state: State,
    pair: tuple[NDArray[np.int64], NDArray[np.int64]],
    commodity: int,
    year: int,
    *,
    central: Params | None = None,
) -> _Case:
    """Return the chains of one tonne between the pair, under the conditions of the year; it uses any port that handles such goods."""
    central = inputs.params() if central is None else central
    zones, ports = model.prepared.zones, model.prepared.demand.ports
    usable = ports.handled[commodity, np.where(zones.in_province[pair[0]], TO_SEA, FROM_SEA)] & (
        zones.port | (np.arange(zones.port.size) == pair[0]) | (np.arange(zones.port.size) == pair[1])
    )
    chains = build_chains(state.inputs, *pair, usable_ports=usable)
    blank = np.zeros(1, dtype=np.int64)
    demand = Demand.between(blank, np.array([commodity]), np.ones(1), blank, *pair)
    allowed = [
        [central_value(central, "freight_available", f"{c}.{_ROUTE_OF.get(a, a)}") > 0 for a in ALTERNATIVES] for c in COMMODITIES
    ]
    rows = expand(
        demand,
        chains,
        np.array(allowed),
        container=COMMODITIES.index("containers"),
        floor_km=central_value(central, "freight_slope_floor"),
        long_haul_km=central_value(central, "long_haul_limit"),
        port_pair=zones.port[pair[0]] | zones.port[pair[1]],
        box_port=np.zeros((1, len(model.prepared.box_ports)), dtype=np.bool_),
        ports=ports,
        gates=make_gates(zones, *pair, central_value(central, "short_haul_limit"), chains, state.inputs),
    )
    rows = apply_changes(rows, chain_changes(wire(chains, state.inputs), model.conditions(year)))
    flow = row_flow(rows, demand, model.costs, model.speed.fitted.constants[:1], slice(0, 1), year)[0][0]
    cost = row_costs(rows, model.costs, slice(0, 1), year)[0]
    return replace(_Case.of(chains, rows, np.arange(flow.size), flow, cost, _beside(model, rows, year)), t_per_year=0.0)


def _beside(model: FreightModel, rows: Rows, year: int) -> Array:
    """Return the utility beside cost of each row: preferences, and the constants of its mode and port."""
    costs, only = model.costs, slice(0, 1)
    free = np.zeros((1, rows.chain.size))
    bare = replace(costs, preference=np.zeros_like(costs.preference), sea_preference=np.zeros_like(costs.sea_preference))
    # at zero cost preferences are left, and log-sums over equal ports and terminal pairs, which are no preference
    preference, logsum = (group_utility(rows, c, free, only, year)[0][0] for c in (costs, bare))
    constants = model.speed.fitted.constants[0]
    modes, ports = constants[: len(CONSTANTS)], np.append(constants[len(CONSTANTS) :], 0.0)
    found: Array = (preference - logsum + rows.features @ modes)[rows.group_of] + ports[rows.port]
    return found


def _captive_t(model: FreightModel, pair: tuple[NDArray[np.int64], NDArray[np.int64]], commodity: int, year: int) -> float:
    """Return the captive flows of a pair [t/yr]."""
    costs, table, captive = model.costs, model.prepared.demand.captive, model.prepared.captive
    held = (
        (captive.commodity == commodity) & (table["origin"].to_numpy() == pair[0]) & (table["destination"].to_numpy() == pair[1])
    )
    level = costs.growth[captive.commodity, 0, year] * costs.group_level[captive.group, 0, year]
    return float((captive.t_per_year * level)[held].sum())


def _chain_table(
    params: Params, model: FreightModel, case: _Case, commodity: int, year: int
) -> tuple[pl.DataFrame, NDArray[np.int64]]:
    """Return the table of the chains, largest share first, and the rows in that order."""
    costs, cost, probability = model.costs, case.cost, case.probability
    scale = float(costs.scale[0, year])
    km = _folded_km(case, costs, year)
    co2 = np.array([float(params.get("freight_direct_co2", mode)[0, year]) for mode in LEG_MODES]) / _G_PER_KG
    columns = {
        "alternative": [ALTERNATIVES[a] for a in case.alternative],
        "rank": case.chains.rank[case.chain] + 1,
        **{f"km_{mode}": km[:, i] for i, mode in enumerate(LEG_MODES)},
        "hours": _hours(params, case, year),
        **_terms(params, costs, case, commodity, year),
        "cost_cny_per_t": cost,
        "beside_cost_cny_per_t": case.beside / scale,
        "utility": case.beside - scale * cost,
        "probability": probability,
        "t_per_year": probability * case.t_per_year,
        "co2_kg_per_t": km @ co2,
    }
    whole = sum_by(case.alternative, probability, len(ALTERNATIVES))[case.alternative]
    order = np.lexsort((cost, -probability, case.alternative, -whole))
    number = np.arange(1, order.size + 1)
    return pl.DataFrame({"chain": number} | {k: np.asarray(v)[order] for k, v in columns.items()}), order


def _folded_km(rows: _Case, costs: Costs, year: int) -> Array:
    """Return kilometres by mode ``[row, mode]``, truck access of large sites folded in."""
    measure = rows.measure[:, : len(MEASURES)].T[None, :, :, None]
    share = (costs.siding_share[:1, [year]], costs.pipe_share[:1, [year]])
    folded = fold_sites(measure, *share)[0, :, :, 0]
    found: Array = np.stack([folded[MEASURE[f"km_{mode}"]] for mode in LEG_MODES], axis=1)
    return found


def _hours(params: Params, rows: _Case, year: int) -> Array:
    """Return hours that the value of time counts: line haul, dwell and delays; the price of drayage covers its other hours."""

    def at(name: str) -> float:
        return float(params.get(name)[0, year])

    x = rows.components
    hours: Array = (
        x[:, COMPONENT["road_h"]]
        + x[:, COMPONENT["drayage_h"]]
        + x[:, COMPONENT["site_drayage_h"]] * (1.0 - at("new_siding_share"))
        + x[:, COMPONENT["last_mile_h"]] * (1.0 - at("new_pipeline_connection_share"))
        + x[:, COMPONENT["road_load"]] * at("road_loading_time")
        + x[:, COMPONENT["rail_h"]] * at("rail_time_factor") * at("rail_speed_factor")
        + x[:, COMPONENT["rail_load"]] * at("rail_terminal_dwell")
        + x[:, COMPONENT["sea_h"]]
        + x[:, COMPONENT["sea_load"]] * at("sea_dwell")
        + x[:, COMPONENT["roro_load"]] * at("roro_dwell")
    )
    return hours


def _terms(params: Params, costs: Costs, rows: _Case, code: int, year: int) -> dict[str, Array]:
    """Return the terms of the cost of each row [CNY/t]; time and handling are taken out of the fixed parts of rail and sea.

    Notes
    -----
    ``rules`` is what hangs on whole hauls and ports: short-haul rates, the rule on long hauls of bulk, the train ferry, denser services.
    """
    commodity, coefficient = COMMODITIES[code], costs.coefficients[code, 0, year]

    def at(name: str, subject: str = "all") -> float:
        return float(params.get(name, subject)[0, year])

    each = {name: rows.components[:, k] * coefficient[k] for name, k in COMPONENT.items()}
    count = {name: rows.components[:, COMPONENT[name]] for name in ("rail_load", "sea_load")}
    hour = at("value_of_time_cargo", commodity)
    rail_dwell = hour * at("rail_terminal_dwell") * count["rail_load"]
    sea_dwell = hour * at("sea_dwell") * count["sea_load"]
    handling = 2.0 * at("port_handling") * at("port_handling_factor", HANDLING_OF.get(commodity, "bulk")) * count["sea_load"]
    made = {
        "road_expressway": each["road_expressway_km"],
        "road_other": each["road_other_km"],
        "road_time": each["road_h"] + each["drayage_h"] + each["site_drayage_h"] + each["last_mile_h"],
        "road_loading": each["road_load"],
        "rail_fixed": each["rail_load"] - rail_dwell,
        "rail_distance": each["rail_tariff_km"],
        "rail_time": each["rail_h"] + rail_dwell,
        "siding": each["siding_end"],
        "drayage": each["drayage_end"] + each["drayage_km"] + each["site_drayage_end"] + each["site_drayage_km"],
        "sea_fixed": each["sea_load"] - sea_dwell - handling,
        "sea_distance": each["sea_km"],
        "sea_time": each["sea_h"] + sea_dwell,
        "handling": handling,
        "roro": each["roro_km"] + each["roro_load"],
        "pipeline": each["pipeline_km"] + each["pipeline_load"] + each["last_mile_end"] + each["last_mile_km"],
        "port_charge": each["port_truck_bulk"],
        "subsidy": each["port_train_box"],
        "scarcity": rows.price + each["site_yard_price"],
    }
    plain = costs.marks is None and costs.saved_h is None
    made["rules"] = np.zeros_like(rows.cost) if plain else rows.cost - sum(made.values())
    return {name: made[name] for name in TERMS}
