"""What the freight flows put on links and terminals, what that costs, and what could not move for want of capacity."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from networks.delays import delay_value
from networks.parts import LEG_MODES, LEG_NETWORKS, NEST
from networks.skim import imbalance, load_paths, skim
from networks.solve import flow_at_cost, row_costs
from networks.wiring import LINES, ROAD_CLASSES, chain_changes, extra_cost, leg_matrices, leg_network, stop_loads, sum_by
from transport.freight_demand import COMMODITIES
from transport.freight_limits import KIND_OF_CLASS, make_background, make_supply
from transport.layout import FIRST_YEAR, YEARS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from networks.capacity import Equilibrium, Supply
    from networks.graph import CompiledNetwork
    from networks.skim import Skim
    from transport.freight_model import FreightModel
    from transport.freight_prepare import Prepared, State

    Array = NDArray[np.float64]

#: Columns of the table of unmet demand before the first year is known.
UNMET_COLUMNS = ("year", "constraint", "place", "vc_ratio", "mode", "commodity", "unmet_t")
#: Mode of each leg network in the link table.
NETWORK_MODE = dict(
    zip(LEG_NETWORKS, ("road", "road", "rail", "water", "water", "pipeline", "pipeline", "pipeline"), strict=True)
)
#: Qualities of a capacity that is not read in a source.
_DEFAULT_QUALITIES = ("derived", "assumption")


@dataclass(frozen=True)
class NetworkLoad:
    """Flow on the arcs of one network [t/yr], the largest imbalance at a vertex over the total flow, and the network."""

    name: str
    network: CompiledNetwork
    flow: Array
    imbalance: float


@dataclass(frozen=True)
class YearLoad:
    """Everything that is loaded in one year (draw 0).

    Attributes
    ----------
    networks
        Flow by network.
    supply
        Limits of the year.
    delay_h
        Hours beyond free flow on each arc of the road network.
    price
        Scarcity price of each arc of the lines by network [CNY/t].
    terminal_t, terminal_price
        Load [t/yr] and price [CNY/t] by terminal kind ``[place]``.
    """

    networks: tuple[NetworkLoad, ...]
    supply: Supply
    delay_h: Array
    price: Mapping[str, Array]
    terminal_t: Mapping[str, Array]
    terminal_price: Mapping[str, Array]


def year_load(model: FreightModel, year: int) -> YearLoad:
    """Load the chosen chains and the captive flows of one year position.

    Parameters
    ----------
    model
        A solved model with the flows of that year.
    year
        Position on the year axis.
    """
    prepared = model.prepared
    index = prepared.state_of_year[year]
    state = prepared.states[index]
    supply = make_supply(model.limits, prepared, index, year)
    background = make_background(prepared, model.costs, index, year)
    chain_flow = sum_by(state.rows.chain, model.speed.solution.flows[year], state.chains.pair.size)
    matrices = leg_matrices(state.inputs, state.wiring, chain_flow, supply.trucked)
    for name, more in background.flow.items():
        matrices[name] = matrices[name] + more
    equilibrium = model.years.years[year] if model.years is not None else None
    skims = model.frozen[index].skims
    loads = []
    for name in LEG_NETWORKS:
        if equilibrium is not None and name in (*ROAD_CLASSES, *LINES):
            network, flow = _settled(equilibrium, supply, state, name)
            ends = network
        else:
            found: Skim = skims.get(name) or getattr(state.inputs, name)
            network = ends = found.network
            flow = load_paths(found, matrices[name]) if network.terminals else np.zeros(network.head.size)
        loads.append(NetworkLoad(name, network, flow, imbalance(ends, matrices[name], flow)))
    sizes = {kind: places.capacity_t.size for kind, places in supply.places.items()}
    terminal_t = stop_loads(state.wiring, chain_flow, sizes, supply.site_yard_share)
    for kind, more in background.load.items():
        terminal_t[kind] = terminal_t[kind] + more
    if equilibrium is not None:
        hours = delay_value(supply.road.delay, equilibrium.road.flow.sum(axis=0))
        along = delay_value(supply.lines.delay, equilibrium.lines.flow[0])
        price: Mapping[str, Array] = {name: along[part] for name, part in supply.line_arcs.items()}
        places: Mapping[str, Array] = {kind: found.price(terminal_t[kind]) for kind, found in supply.places.items()}
    else:
        held = model.frozen[index]
        hours, price, places = held.hours, held.price, held.conditions.places
    return YearLoad(tuple(loads), supply, hours - supply.road.delay.t0, price, terminal_t, places)


def _settled(equilibrium: Equilibrium, supply: Supply, state: State, name: str) -> tuple[CompiledNetwork, Array]:
    """Return network and flow of a network in equilibrium."""
    if name in ROAD_CLASSES:
        return state.inputs.road.network, equilibrium.road.flow[ROAD_CLASSES.index(name)]
    return leg_network(state.inputs, name), equilibrium.lines.flow[0, supply.line_arcs[name]]


# --- links --------------------------------------------------------------------------------------------------------------------------


def link_frame(load: YearLoad, links: pl.DataFrame, year: int) -> tuple[pl.DataFrame, float]:
    """Return flows by open link and direction, and the flow on links that are not open in that year [t/yr].

    Parameters
    ----------
    load
        From :func:`year_load`.
    links
        Links open in the year.
    year
        Calendar year.

    Notes
    -----
    ``capacity_t_per_year`` is the one in force: that of a road is what fits beside its cars. ``vc_ratio`` is the larger direction's (cars and trucks) /
    (whole capacity) on roads, flow / capacity elsewhere; ``delay_h`` and ``price_cny_per_t`` are those of the worse direction.
    """
    flow: dict[tuple[str, bool], float] = {}
    for found in load.networks:
        network = found.network
        for arc in np.flatnonzero(found.flow):
            name = network.link_ids[network.link[arc]]
            if not name.startswith("connector:"):
                key = (name, bool(network.forward[arc]))
                flow[key] = flow.get(key, 0.0) + float(found.flow[arc])
    limit = _link_limits(load)
    ordered = links.sort("link_id")
    ids = ordered["link_id"].to_list()
    there, back = [flow.get((i, True), 0.0) for i in ids], [flow.get((i, False), 0.0) for i in ids]
    stray = sum(value for (name, _), value in flow.items() if name not in frozenset(ids))
    columns = {
        "capacity_t_per_year": [limit[i].left_t if i in limit else None for i in ids],
        "vc_ratio": [limit[i].ratio(max(a, b)) if i in limit else None for i, a, b in zip(ids, there, back, strict=True)],
        "delay_h": [limit[i].delay_h if i in limit else None for i in ids],
        "price_cny_per_t": [limit[i].price if i in limit else None for i in ids],
    }
    frame = ordered.select("link_id", "from_node", "to_node", "mode").with_columns(
        pl.lit(year, dtype=pl.Int64).alias("year"),
        pl.Series("forward_t", there, dtype=pl.Float64),
        pl.Series("backward_t", back, dtype=pl.Float64),
        *(pl.Series(name, values, dtype=pl.Float64) for name, values in columns.items()),
    )
    return frame.select("year", "link_id", "from_node", "to_node", "mode", "forward_t", "backward_t", *columns), float(stray)


@dataclass(frozen=True)
class _LinkLimit:
    """Whole capacity and cars of a link, both in tonnes of trucks a year, delay [h] and price [CNY/t] of the worse direction."""

    full_t: float
    cars_t: float
    delay_h: float | None
    price: float | None

    @property
    def left_t(self) -> float:
        return max(self.full_t - self.cars_t, 0.0)

    def ratio(self, flow_t: float) -> float:
        return (flow_t + self.cars_t) / self.full_t


def _link_limits(load: YearLoad) -> dict[str, _LinkLimit]:
    """Return the limit of every link that has one; cars, delay and price of the worse direction."""
    found: dict[str, _LinkLimit] = {}
    road = next(n.network for n in load.networks if n.name == "road")
    delay = load.supply.road.delay
    for arc in np.flatnonzero(delay.code != 0).tolist():
        name = road.link_ids[road.link[arc]]
        cars, late = float(delay.preload[arc]), float(load.delay_h[arc])
        if name in found:
            cars, late = max(cars, found[name].cars_t), max(late, found[name].delay_h or 0.0)
        found[name] = _LinkLimit(float(delay.capacity[arc]), cars, late, None)
    for line in LINES:
        network = next(n.network for n in load.networks if n.name == line)
        part = load.supply.line_arcs[line]
        code, capacity = load.supply.lines.delay.code[part], load.supply.lines.delay.capacity[part]
        for arc in np.flatnonzero(code != 0).tolist():
            name, price = network.link_ids[network.link[arc]], float(load.price[line][arc])
            if name in found:
                price = max(price, found[name].price or 0.0)
            found[name] = _LinkLimit(float(capacity[arc]), 0.0, None, price)
    return found


def default_shares(frame: pl.DataFrame, links: pl.DataFrame) -> pl.DataFrame:
    """Return the share of tkm by mode on links whose capacity is derived or assumed, or missing.

    Parameters
    ----------
    frame
        Flows by link of one year.
    links
        Links with ``length_km`` and ``capacity_quality``.
    """
    joined = frame.join(links.select("link_id", "length_km", "capacity_quality"), on="link_id", how="left")
    joined = joined.with_columns(((pl.col("forward_t") + pl.col("backward_t")) * pl.col("length_km")).alias("tkm"))
    rows = []
    for mode in LEG_MODES:
        mine = joined.filter(pl.col("mode") == mode)
        total = float(mine["tkm"].sum())
        if total == 0.0:
            continue
        on_default = float(mine.filter(pl.col("capacity_quality").is_in(_DEFAULT_QUALITIES))["tkm"].sum())
        without = float(mine.filter(pl.col("capacity_t_per_year").is_null())["tkm"].sum())
        rows.append(
            (f"{mode}.capacity", 100.0 * on_default / total, "share of tkm on links whose capacity is derived or a class default")
        )
        rows.append((f"{mode}.capacity_missing", 100.0 * without / total, "share of tkm on links without a capacity"))
    return pl.DataFrame(rows, schema={"subject": pl.String, "share_pct": pl.Float64, "note": pl.String}, orient="row")


def line_frame(frame: pl.DataFrame, links: pl.DataFrame) -> pl.DataFrame:
    """Return flows by line or road: kilometres, tkm, mean flow, worst section.

    Parameters
    ----------
    frame
        Flows by link, any years.
    links
        Link table with ``length_km``, ``in_province_share`` and ``line_zh``.
    """
    joined = frame.join(links.select("link_id", "length_km", "in_province_share", "line_zh"), on="link_id", how="left")
    both = pl.col("forward_t") + pl.col("backward_t")
    worst = pl.col("link_id").sort_by(pl.col("vc_ratio").fill_null(-1.0), "link_id", descending=[True, False]).first()
    return (
        joined.filter(pl.col("line_zh").is_not_null())
        .group_by("year", "mode", "line_zh")
        .agg(
            pl.col("length_km").sum().alias("km"),
            (both * pl.col("length_km")).sum().alias("tkm"),
            (both * pl.col("length_km") * pl.col("in_province_share")).sum().alias("territory_tkm"),
            pl.col("vc_ratio").max().alias("worst_vc_ratio"),
            worst.alias("worst_link_id"),
        )
        .with_columns((pl.col("tkm") / pl.col("km")).alias("mean_t"))
        .select("year", "mode", "line_zh", "km", "mean_t", "tkm", "territory_tkm", "worst_vc_ratio", "worst_link_id")
        .sort("year", "mode", "line_zh")
    )


def area_frame(
    frame: pl.DataFrame, links: pl.DataFrame, nodes: pl.DataFrame, od: pl.DataFrame, zones: pl.DataFrame
) -> pl.DataFrame:
    """Return tkm on the territory, tonnes sent and tonnes received by prefecture, mode and year.

    Parameters
    ----------
    frame
        Flows by link.
    links, nodes
        Link and node tables; a link between two prefectures counts half in each.
    od
        Result table ``freight_od``; the mode is the main one of the chain.
    zones
        Zone table.
    """
    place = nodes.filter(pl.col("in_province")).select("node_id", "area")
    tkm = (pl.col("forward_t") + pl.col("backward_t")) * pl.col("length_km") * pl.col("in_province_share")
    joined = frame.join(links.select("link_id", "length_km", "in_province_share"), on="link_id", how="left").with_columns(
        tkm.alias("tkm")
    )
    ends = pl.concat(
        [joined.select("year", "mode", "link_id", "tkm", pl.col(end).alias("node_id")) for end in ("from_node", "to_node")]
    )
    halves = ends.join(place, on="node_id", how="inner").with_columns(
        (pl.col("tkm") / pl.len().over("year", "link_id")).alias("tkm")
    )
    on_land = halves.group_by("year", "area", "mode").agg(pl.col("tkm").sum().alias("territory_tkm"))
    inside = zones.filter(pl.col("in_province")).select("zone_id", "area")
    main = od.with_columns(pl.col("alternative").replace_strict(main_modes(), return_dtype=pl.String).alias("mode"))
    sides = [
        main.join(inside, left_on=end, right_on="zone_id", how="inner")
        .group_by("year", "area", "mode")
        .agg(pl.col("t").sum().alias(name))
        for end, name in (("origin", "sent_t"), ("destination", "received_t"))
    ]
    keys = ["year", "area", "mode"]
    whole = on_land.join(sides[0], on=keys, how="full", coalesce=True).join(sides[1], on=keys, how="full", coalesce=True)
    return (
        whole.with_columns(pl.col("territory_tkm", "sent_t", "received_t").fill_null(0.0))
        .select(*keys, "territory_tkm", "sent_t", "received_t")
        .sort(keys)
    )


def corridor_frame(od: pl.DataFrame, zones: pl.DataFrame) -> pl.DataFrame:
    """Return tonnes and tkm between prefectures (gateways by name) by main mode and year.

    Parameters
    ----------
    od
        Result table ``freight_od``.
    zones
        Zone table; a zone outside the province is a corridor end of its own.
    """
    end = zones.select("zone_id", pl.when(pl.col("in_province")).then(pl.col("area")).otherwise(pl.col("zone_id")).alias("place"))
    return (
        od.with_columns(pl.col("alternative").replace_strict(main_modes(), return_dtype=pl.String).alias("mode"))
        .join(end.rename({"place": "from_place"}), left_on="origin", right_on="zone_id", how="left")
        .join(end.rename({"place": "to_place"}), left_on="destination", right_on="zone_id", how="left")
        .group_by("year", "from_place", "to_place", "mode")
        .agg(pl.col("t").sum(), (pl.col("t") * pl.col("km")).sum().alias("tkm"))
        .with_columns((pl.col("tkm") / pl.col("t")).alias("mean_haul_km"))
        .sort("year", "from_place", "to_place", "mode")
    )


def main_modes() -> dict[str, str]:
    """Return the main mode of each chain alternative."""
    from networks.parts import ALTERNATIVES

    return {name: LEG_MODES[NEST[code]] for code, name in enumerate(ALTERNATIVES)}


# --- terminals and unmet demand -----------------------------------------------------------------------------------------------------


def terminal_frame(load: YearLoad, prepared: Prepared, terminals: pl.DataFrame, year: int) -> pl.DataFrame:
    """Return load, capacity, ratio and scarcity price of every terminal.

    Parameters
    ----------
    load
        From :func:`year_load`.
    prepared
        Networks.
    terminals
        Terminal table.
    year
        Calendar year.
    """
    stations = next(n.network for n in load.networks if n.name == "rail").terminals
    at = {"yard": {name: i for i, name in enumerate(stations)}}
    rows: list[dict[str, object]] = []
    seen: set[tuple[str, str]] = set()
    for row in terminals.sort("terminal_id").iter_rows(named=True):
        kind = KIND_OF_CLASS[row["link_class"]]
        place = str(row["node_id"] if kind == "yard" else row["zone_id"])
        position = at.get(kind, prepared.zones.position).get(place)
        if position is None or (kind, place) in seen:
            continue
        seen.add((kind, place))
        capacity = float(load.supply.places[kind].capacity_t[position])
        tonnes = float(load.terminal_t[kind][position])
        rows.append(
            {
                "year": year,
                "terminal_id": row["terminal_id"],
                "kind": kind,
                "place": place,
                "t_per_year": tonnes,
                "capacity_t_per_year": capacity,
                "vc_ratio": tonnes / capacity,
                "price_cny_per_t": float(load.terminal_price[kind][position]),
            }
        )
    return pl.DataFrame(rows)


def unmet_frame(model: FreightModel) -> pl.DataFrame:
    """Return what would go by rail, water or pipeline if nothing were scarce, and what does, by the place that holds it back.

    Parameters
    ----------
    model
        A model solved with equilibrium; empty table otherwise.

    Notes
    -----
    Wanted = choice at the delays and constants of the equilibrium with every scarcity price at zero. What a mode loses of a demand row, moves between its
    own terminal pairs netted, is booked on the section or terminal with the highest price on the way of the chains that lose, if that place is binding
    (flow / capacity of at least ``binding_ratio``). Amounts below what the gap of the equilibrium leaves open are not listed. ``first_year`` is the first
    year in which the place is listed.
    """
    schema = {
        "year": pl.Int64, "constraint": pl.String, "place": pl.String, "vc_ratio": pl.Float64, "mode": pl.String, "commodity": pl.String,
        "unmet_t": pl.Float64, "first_year": pl.Int64,
    }  # fmt: skip
    if model.years is None:
        return pl.DataFrame(schema=schema)
    whole = pl.concat([_unmet_year(model, year) for year in range(len(YEARS))])
    keys = ["year", "constraint", "place"]
    asked = pl.DataFrame({"year": list(YEARS), "least_t": model.speed.solution.served_t[:, 0].sum(axis=0) * model.limits.gap})
    held = (
        whole.group_by(keys)
        .agg(pl.col("unmet_t").sum().alias("all_t"))
        .join(asked, on="year")
        .filter(pl.col("all_t") >= pl.col("least_t"))
    )
    first = held.group_by("constraint", "place").agg(pl.col("year").min().alias("first_year"))
    return (
        whole.join(held.select(keys), on=keys, how="inner")
        .join(first, on=["constraint", "place"], how="left")
        .select(list(schema))
        .sort("year", "constraint", "place", "mode", "commodity")
    )


def _unmet_year(model: FreightModel, year: int) -> pl.DataFrame:
    """Return what each mode loses on binding places, by place, mode and commodity."""
    prepared, costs = model.prepared, model.costs
    index = prepared.state_of_year[year]
    state, rows = prepared.states[index], prepared.states[index].rows
    equilibrium = model.years.years[year]  # type: ignore[union-attr]
    conditions = equilibrium.conditions
    free = replace(
        conditions,
        lines={name: np.concatenate([np.zeros_like(v[:1]), v[1:]]) for name, v in conditions.lines.items()},
        places={kind: np.zeros_like(v) for kind, v in conditions.places.items()},
    )
    only = slice(0, 1)
    cost = row_costs(rows, costs, only, year) + extra_cost(
        rows, chain_changes(state.wiring, free), costs.coefficients[:, 0, year]
    )
    constants = model.speed.fitted.constants[:1]
    wanted = flow_at_cost(rows, prepared.demand.demand, costs, cost, constants, only, year)[0]
    mode = NEST[rows.alternative]
    lost = net_losses(wanted - equilibrium.flow, rows.demand * len(LEG_MODES) + mode)
    place, names, ratio = _binding_places(model, index, year, equilibrium)
    code = place[rows.chain]
    keep = (code >= 0) & (mode > 0) & (lost > 0)
    keep[keep] = ratio[code[keep]] >= model.limits.binding_ratio
    commodity = prepared.demand.demand.commodity[rows.demand[keep]]
    found = pl.DataFrame({"code": code[keep], "mode": mode[keep], "commodity": commodity, "unmet_t": lost[keep]})
    summed = found.group_by("code", "mode", "commodity").agg(pl.col("unmet_t").sum()).sort("code", "mode", "commodity")
    where = summed["code"].to_list()
    types = dict(zip(UNMET_COLUMNS, (pl.Int64, pl.String, pl.String, pl.Float64, pl.String, pl.String, pl.Float64), strict=True))
    return pl.DataFrame(
        {
            "year": [FIRST_YEAR + year] * len(where),
            "constraint": [names[i][0] for i in where],
            "place": [names[i][1] for i in where],
            "vc_ratio": [float(ratio[i]) for i in where],
            "mode": [LEG_MODES[i] for i in summed["mode"]],
            "commodity": [COMMODITIES[i] for i in summed["commodity"]],
            "unmet_t": summed["unmet_t"].to_list(),
        },
        schema=types,
    )


def net_losses(lost: Array, group: NDArray[np.int64]) -> Array:
    """Return losses net of the gains in their group, shared over the losers in proportion ``[row]``.

    Parameters
    ----------
    lost
        Wanted less carried of each row, negative for a gain [t/yr].
    group
        Group of each row, counted from 0.
    """
    size = int(group.max(initial=-1)) + 1
    net = np.maximum(np.bincount(group, lost, minlength=size), 0.0)
    gross = np.bincount(group, np.maximum(lost, 0.0), minlength=size)
    share = np.divide(net, gross, out=np.zeros(size), where=gross > 0)
    found: Array = np.maximum(lost, 0.0) * share[group]
    return found


def _binding_places(
    model: FreightModel, index: int, year: int, equilibrium: Equilibrium
) -> tuple[NDArray[np.int64], list[tuple[str, str]], Array]:
    """Return the dearest place on the way of each chain (-1 = none) as a position in the list of (constraint, place), and flow / capacity of each."""
    prepared = model.prepared
    state = prepared.states[index]
    supply = make_supply(model.limits, prepared, index, year)
    n = state.chains.pair.size
    highest, where = np.zeros(n), np.full(n, -1, dtype=np.int64)
    names: list[tuple[str, str]] = []
    ratios: list[Array] = []
    along = delay_value(supply.lines.delay, equilibrium.lines.flow[0])
    for line in LINES:
        network, part = leg_network(state.inputs, line), supply.line_arcs[line]
        if not network.terminals:
            continue
        worst, arc = dearest_arcs(skim(network, supply.lines.fixed_cost[0, part] + along[part], {}), along[part])
        start, end, chain = state.wiring.legs[line]
        _raise(highest, where, chain, worst[start, end], network.link[arc[start, end]] + len(names))
        names += [("rail" if line == "rail" else "pipeline", link) for link in network.link_ids]
        delay = supply.lines.delay
        limited = delay.code[part] != 0
        used = np.where(limited, equilibrium.lines.flow[0, part] / np.where(limited, delay.capacity[part], 1.0), 0.0)
        highest_of_link = np.zeros(len(network.link_ids))
        np.maximum.at(highest_of_link, network.link, used)
        ratios.append(highest_of_link)
    for kind, price in equilibrium.conditions.places.items():
        position, chain = state.wiring.stops[kind]
        if (
            kind == "berth"
        ):  # where no port is chosen the quay at an end of the haul is on every way it can take, and holds back none of them
            pair, demand = state.chains.pair[chain], prepared.demand.demand
            chooses = np.zeros(demand.origin.size, dtype=np.bool_)
            chooses[demand.pair[demand.port >= 0]] = True
            between = chooses[pair] | ((position != demand.origin[pair]) & (position != demand.destination[pair]))
            position, chain = position[between], chain[between]
        _raise(highest, where, chain, price[position], position + len(names))
        ids = leg_network(state.inputs, "rail").terminals if kind == "yard" else prepared.zones.ids
        names += [(kind, name) for name in ids]
        ratios.append(equilibrium.load_t[kind] / supply.places[kind].capacity_t)
    return where, names, np.concatenate(ratios)


def _raise(highest: Array, where: NDArray[np.int64], chain: NDArray[np.int64], price: Array, code: NDArray[np.int64]) -> None:
    """Note the dearest place of each chain."""
    order = np.argsort(price, kind="stable")
    chain, price, code = chain[order], price[order], code[order]
    better = price > highest[chain]
    highest[chain[better]] = price[better]
    where[chain[better]] = code[better]


def dearest_arcs(found: Skim, value: Array) -> tuple[Array, NDArray[np.int64]]:
    """Return the largest value of an arc on the path of every pair of terminals, and that arc (0 where there is no path).

    Parameters
    ----------
    found
        Paths.
    value
        Value of each arc, not negative.
    """
    n_origin, n = found.predecessor.shape
    top, arc = np.full((n_origin, n), -1.0), np.zeros((n_origin, n), dtype=np.int64)
    rows = np.arange(n_origin)
    for position in range(n):
        vertex = found.rank[:, position]
        before = found.predecessor[rows, vertex]
        has = before >= 0
        i, v, p = rows[has], vertex[has], before[has]
        own = found.arc_of[i, v]
        take = value[own] > top[i, p]
        top[i, v] = np.where(take, value[own], top[i, p])
        arc[i, v] = np.where(take, own, arc[i, p])
    pick = found.network.destinations
    return np.maximum(top[:, pick], 0.0), arc[:, pick]


# --- the two speeds -----------------------------------------------------------------------------------------------------------------


def convergence_frame(years: Sequence[Equilibrium]) -> pl.DataFrame:
    """Return how well the equilibrium of each year is reached.

    Parameters
    ----------
    years
        Equilibria by year position; none at the fixed speed, which gives an empty table.
    """
    return pl.DataFrame(
        {
            "year": list(YEARS)[: len(years)],
            "iterations": [len(e.gaps) for e in years],
            "choice_gap": [e.gaps[-1] for e in years],
            "road_gap": [max(e.road.relative_gap, 0.0) for e in years],
            "line_gap": [max(e.lines.relative_gap, 0.0) for e in years],
        },
        schema={
            "year": pl.Int64,
            "iterations": pl.Int64,
            "choice_gap": pl.Float64,
            "road_gap": pl.Float64,
            "line_gap": pl.Float64,
        },
    )
