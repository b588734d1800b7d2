"""Why a haul goes the way it does: every chain of a pair and commodity with its cost terms, terminals, path and share.

The chains are built for just that pair by the same functions as the model's, under the delays and prices of the year, so any two zones can be asked
for, also those without demand.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from networks.chains import build_chains
from networks.cost import COMPONENT
from networks.errors import NetworkError
from networks.measure import MEASURE, MEASURES, fold_sites
from networks.parts import ALTERNATIVES, LEG_MODES
from networks.solve import Demand, demand_flow, expand, flow_at_cost, group_utility, row_costs
from networks.wiring import apply_changes, chain_changes, wire
from transport.freight_costs import HANDLING_OF
from transport.freight_demand import COMMODITIES
from transport.freight_loads import year_load
from transport.freight_paths import PathMaker, Places, arc_ratios, path_skims, stop_table
from transport.freight_prepare import _ROUTE_OF, central_value
from transport.i18n import labels, t
from transport.layout import year_index

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from networks.chains import ChainSet
    from networks.solve import Costs, Rows
    from transport.freight_loads import YearLoad
    from transport.freight_model import FreightModel
    from transport.freight_prepare import State
    from transport.inputs import Inputs
    from transport.params import Params

    Array = NDArray[np.float64]

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
        From :func:`transport.freight_loads.year_load`, for many questions about one year; made if not given.
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
    chains = build_chains(state.inputs, *pair)
    rows = _rows(inputs, model, state, chains, pair, code, now)
    names = node_names(inputs, lang)
    node_of = dict(inputs.table("networks/zones").select("zone_id", "node_id").iter_rows())
    ends = [names[node_of[z]] for z in (start, end)]
    if rows.demand.size == 0:
        raise NetworkError(t("explain.no_chain", lang, origin=ends[0], destination=ends[1], year=year))
    asked, captive = _demand(model, pair, code, now)
    numbered, order = _chain_table(params, model, rows, chains.rank[rows.chain], code, now, asked)
    load = year_load(model, now) if load is None else load
    place = Places(zones.ids, state.inputs.rail.network.terminals, node_of, names)
    picked = rows.chain[order]
    stops = stop_table(chains, picked, load, place)
    path = PathMaker(state, path_skims(model, now), arc_ratios(load), place).table(
        chains, picked, int(pair[0][0]), int(pair[1][0])
    )
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
        asked,
        captive,
        table.select([*columns[:3], "terminals", *columns[3:]]),
        stops,
        path,
    )


def _rows(
    inputs: Inputs,
    model: FreightModel,
    state: State,
    chains: ChainSet,
    pair: tuple[NDArray[np.int64], NDArray[np.int64]],
    commodity: int,
    year: int,
) -> Rows:
    """Return the rows of one tonne between the pair, under the conditions of the year."""
    central, zones = inputs.params(), model.prepared.zones
    blank = np.zeros(1, dtype=np.int64)
    demand = Demand(blank, np.array([commodity]), np.ones(1), blank, *pair)
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
    )
    index = model.prepared.state_of_year[year]
    conditions = model.frozen[index].conditions if model.years is None else model.years.years[year].conditions
    return apply_changes(rows, chain_changes(wire(chains, state.inputs), conditions))


def _demand(
    model: FreightModel, pair: tuple[NDArray[np.int64], NDArray[np.int64]], commodity: int, year: int
) -> tuple[float, float]:
    """Return demand that chooses and captive flows of a pair [t/yr]."""
    demand, costs = model.prepared.demand.demand, model.costs
    mine = (
        (demand.commodity == commodity) & (demand.origin[demand.pair] == pair[0]) & (demand.destination[demand.pair] == pair[1])
    )
    table, captive = model.prepared.demand.captive, model.prepared.captive
    held = (
        (captive.commodity == commodity) & (table["origin"].to_numpy() == pair[0]) & (table["destination"].to_numpy() == pair[1])
    )
    level = costs.growth[captive.commodity, 0, year] * costs.group_level[captive.group, 0, year]
    asked = demand_flow(demand, costs, slice(0, 1), year)[0]
    return float(asked[mine].sum()), float((captive.t_per_year * level)[held].sum())


def _chain_table(
    params: Params, model: FreightModel, rows: Rows, rank: NDArray[np.int64], commodity: int, year: int, asked_t: float
) -> tuple[pl.DataFrame, NDArray[np.int64]]:
    """Return the table of the chains, largest share first, and the rows in that order."""
    costs, only = model.costs, slice(0, 1)
    cost = row_costs(rows, costs, only, year)
    one = Demand(np.zeros(1, dtype=np.int64), np.array([commodity]), np.ones(1), *([np.zeros(1, dtype=np.int64)] * 3))
    constants = model.speed.fitted.constants[:1]
    flow = flow_at_cost(rows, one, costs, cost, constants, only, year)[0]
    probability = flow / flow.sum()
    scale = float(costs.scale[0, year])
    by_group = group_utility(rows, costs, np.zeros_like(cost), only, year)[0][0]
    # at zero cost only preferences are left, and the log-sum over equal terminal pairs, which is no preference
    pairs = np.diff(rows.group_start)
    by_group = by_group - costs.terminal_scale[0, year] * np.log(pairs) + (constants @ rows.features.T)[0]
    beside = by_group[rows.group_of]
    km = _folded_km(rows, costs, year)
    co2 = np.array([float(params.get("freight_direct_co2", mode)[0, year]) for mode in LEG_MODES]) / _G_PER_KG
    columns = {
        "alternative": [ALTERNATIVES[a] for a in rows.alternative],
        "rank": rank + 1,
        **{f"km_{mode}": km[:, i] for i, mode in enumerate(LEG_MODES)},
        "hours": _hours(params, rows, year),
        **_terms(params, costs.coefficients[commodity, 0, year], rows, COMMODITIES[commodity], year),
        "cost_cny_per_t": cost[0],
        "beside_cost_cny_per_t": beside / scale,
        "utility": beside - scale * cost[0],
        "probability": probability,
        "t_per_year": probability * asked_t,
        "co2_kg_per_t": km @ co2,
    }
    whole = np.add.reduceat(probability, rows.group_start[:-1])[rows.group_of]
    order = np.lexsort((cost[0], -probability, rows.group_of, -whole))
    number = np.arange(1, order.size + 1)
    return pl.DataFrame({"chain": number} | {k: np.asarray(v)[order] for k, v in columns.items()}), order


def _folded_km(rows: Rows, costs: Costs, year: int) -> Array:
    """Return kilometres by mode ``[row, mode]``, truck access of large sites folded in."""
    measure = rows.measure[:, : len(MEASURES)].T[None, :, :, None]
    share = (costs.siding_share[:1, [year]], costs.pipe_share[:1, [year]])
    folded = fold_sites(measure, *share)[0, :, :, 0]
    found: Array = np.stack([folded[MEASURE[f"km_{mode}"]] for mode in LEG_MODES], axis=1)
    return found


def _hours(params: Params, rows: Rows, year: int) -> Array:
    """Return hours that the value of time counts: line haul and dwell; drayage has none of its own."""

    def at(name: str) -> float:
        return float(params.get(name)[0, year])

    x = rows.components
    hours: Array = (
        x[:, COMPONENT["road_h"]]
        + x[:, COMPONENT["road_load"]] * at("road_loading_time")
        + x[:, COMPONENT["rail_h"]] * at("rail_time_factor") * at("rail_speed_factor")
        + x[:, COMPONENT["rail_load"]] * at("rail_terminal_dwell")
        + x[:, COMPONENT["sea_h"]]
        + x[:, COMPONENT["sea_load"]] * at("sea_dwell")
        + x[:, COMPONENT["roro_load"]] * at("roro_dwell")
    )
    return hours


def _terms(params: Params, coefficient: Array, rows: Rows, commodity: str, year: int) -> dict[str, Array]:
    """Return the terms of the cost of each row [CNY/t]; time and handling are taken out of the fixed parts of rail and sea."""

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
        "road_time": each["road_h"],
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
        "scarcity": rows.price,
    }
    return {name: made[name] for name in TERMS}
