"""Whose goods a link, a line or a terminal carries: by commodity, kind of chain, pair of places and pair of prefectures.

In equilibrium the share of the used paths of each leg that runs over the link comes from the bushes of the year; at the fixed speed every pair of
terminals has one path, so a chain either uses a link or does not. Either way what is found adds up to the flow of the link.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from networks.errors import NetworkError
from networks.parts import ALTERNATIVES, LEG_NETWORK, TERMINAL_KIND, TERMINAL_KINDS
from networks.passage import od_passage
from networks.wiring import LINES, ROAD_CLASSES, leg_network
from transport.freight_demand import COMMODITIES
from transport.freight_limits import KIND_OF_CLASS, make_supply
from transport.freight_loads import dearest_arcs
from transport.i18n import t
from transport.layout import year_index

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    from networks.capacity import Equilibrium, Supply
    from networks.graph import CompiledNetwork
    from networks.skim import Skim
    from transport.freight_model import FreightModel
    from transport.freight_prepare import Prepared, State
    from transport.inputs import Inputs

    Array = NDArray[np.float64]

#: What stands for the alternative of flows that do not choose.
CAPTIVE = "captive"
_SUGGESTED, _LISTED = 4, 12


@dataclass(frozen=True)
class Target:
    """What was asked for: ``link``, ``line`` or ``terminal``, its name, the links or the terminal kind and place."""

    what: str
    name: str
    links: frozenset[str] = frozenset()
    kind: str = ""
    place: str = ""


@dataclass(frozen=True)
class Selection:
    """Goods over one link, line or terminal.

    Attributes
    ----------
    target, year
        What was asked for.
    capacity
        Speed of the model that was asked: ``equilibrium`` or ``fixed``.
    t_per_year
        Sum of all rows [t/yr]; for a link its flow in both directions, for a terminal its load. A leg that touches a line counts once, however many of
        its links it uses; a chain with two such legs counts twice.
    rows
        ``origin``, ``destination``, ``commodity``, ``alternative`` (or ``captive``), ``t`` [t/yr], sorted.
    by_commodity, by_alternative, by_pair, by_area
        Sums of the rows with their share, the largest first; an end outside the province stands for itself.
    """

    target: Target
    year: int
    capacity: str
    t_per_year: float
    rows: pl.DataFrame
    by_commodity: pl.DataFrame
    by_alternative: pl.DataFrame
    by_pair: pl.DataFrame
    by_area: pl.DataFrame


def find_target(inputs: Inputs, open_now: pl.DataFrame, text: str, year: int, lang: str = "zh") -> Target:
    """Return the link, line or terminal that a text names.

    Parameters
    ----------
    inputs
        Link and terminal tables.
    open_now
        Links open in the year.
    text
        Link id, line name (its beginning is enough) or terminal id.
    year
        Calendar year, for the message.
    lang
        Language of the messages.

    Raises
    ------
    NetworkError
        If nothing or several things fit, or the link is not open in the year.
    """
    wanted = text.strip()
    links, terminals = inputs.table("networks/links"), inputs.table("networks/terminals")
    ids, folded = {str(i).casefold(): str(i) for i in links["link_id"]}, wanted.casefold()
    now = frozenset(open_now["link_id"].to_list())
    if folded in ids:
        if ids[folded] not in now:
            raise NetworkError(t("select.closed", lang, what=ids[folded], year=year))
        row = links.filter(pl.col("link_id") == ids[folded]).row(0, named=True)
        return Target("link", str(row["line_zh"] or ids[folded]), frozenset({ids[folded]}))
    for row in terminals.iter_rows(named=True):
        if str(row["terminal_id"]).casefold() == folded:
            kind = KIND_OF_CLASS[row["link_class"]]
            return Target(
                "terminal", str(row["terminal_id"]), kind=kind, place=str(row["node_id" if kind == "yard" else "zone_id"])
            )
    lines = open_now.filter(pl.col("line_zh").is_not_null())
    names = lines["line_zh"].unique().sort().to_list()
    found = [n for n in names if n == wanted] or [n for n in names if wanted and n.startswith(wanted)]
    if len(found) == 1:
        return Target("line", found[0], frozenset(lines.filter(pl.col("line_zh") == found[0])["link_id"].to_list()))
    if found:
        raise NetworkError(t("select.ambiguous", lang, what=text, count=len(found), found=", ".join(found[:_LISTED])))
    known = {**ids, **{str(i).casefold(): str(i) for i in terminals["terminal_id"]}, **{n.casefold(): n for n in names}}
    inside = [n for k, n in known.items() if folded and folded in k][:_SUGGESTED]
    near = [known[k] for k in difflib.get_close_matches(folded, known, n=_SUGGESTED, cutoff=0.4)]
    raise NetworkError(t("select.unknown", lang, what=text, near=", ".join(dict.fromkeys([*inside, *near])) or "-"))


def select(inputs: Inputs, model: FreightModel, what: str, year: int, *, lang: str = "zh") -> Selection:
    """Return the goods over a link, a line or a terminal, first draw.

    Parameters
    ----------
    inputs
        Network tables.
    model
        Solved with the flows of that year (``detail``), or of that year alone (:func:`transport.freight_year.solve_year`).
    what
        As in :func:`find_target`.
    year
        Calendar year.
    lang
        Language of the messages.

    Returns
    -------
    Selection
        At the speed of the model: in equilibrium flow x share of the leg's used paths (:func:`networks.passage.od_passage`), at the fixed speed the
        chains whose path is on the link.

    Raises
    ------
    NetworkError
        As :func:`find_target`.
    """
    now = year_index(year)
    prepared = model.prepared
    state = prepared.states[prepared.state_of_year[now]]
    target = find_target(inputs, state.links, what, year, lang)
    if target.what == "terminal":
        parts = list(_over_terminal(model, state, target, now))
    else:
        parts = list(_over_links(model, state, target, now))
    keys = ["origin", "destination", "commodity", "alternative"]
    rows = (
        pl.concat(parts)
        .filter(pl.col("t") > 0)
        .group_by(keys)
        .agg(pl.col("t").sum())
        .sort(["t", *keys], descending=[True, *[False] * 4])
    )
    zones = inputs.table("networks/zones").select(
        "zone_id", pl.when(pl.col("in_province")).then(pl.col("area")).otherwise(pl.col("zone_id")).alias("place")
    )
    wide = rows.join(zones.rename({"place": "from_place"}), left_on="origin", right_on="zone_id", how="left").join(
        zones.rename({"place": "to_place"}), left_on="destination", right_on="zone_id", how="left"
    )
    return Selection(
        target,
        year,
        "fixed" if model.years is None else "equilibrium",
        float(rows["t"].sum()),
        rows,
        _sums(wide, "commodity"),
        _sums(wide, "alternative"),
        _sums(wide, "origin", "destination"),
        _sums(wide, "from_place", "to_place"),
    )


def _sums(rows: pl.DataFrame, *keys: str) -> pl.DataFrame:
    """Return tonnes and their share by keys, the largest first."""
    made = rows.group_by(keys).agg(pl.col("t").sum()).with_columns((100.0 * pl.col("t") / pl.col("t").sum()).alias("share_pct"))
    return made.sort(["t", *keys], descending=[True, *[False] * len(keys)])


def _frame(
    prepared: Prepared,
    origin: NDArray[np.int64],
    destination: NDArray[np.int64],
    commodity: NDArray[np.int64],
    alternative: list[str],
    tonnes: Array,
) -> pl.DataFrame:
    zones, names = np.array(prepared.zones.ids), np.array(COMMODITIES)
    return pl.DataFrame(
        {
            "origin": zones[origin].astype(str),
            "destination": zones[destination].astype(str),
            "commodity": names[commodity].astype(str),
            "alternative": pl.Series(alternative, dtype=pl.String),
            "t": tonnes,
        }
    )


def _chosen(model: FreightModel, state: State, times: Array, year: int) -> pl.DataFrame:
    """Return the flows of the rows whose chains count, times how often ``[chain]``."""
    rows, demand = state.rows, model.prepared.demand.demand
    flow = model.speed.solution.flows[year] * times[rows.chain]
    kept = np.flatnonzero(flow > 0)
    pair = state.chains.pair[rows.chain[kept]]
    names = [ALTERNATIVES[a] for a in rows.alternative[kept]]
    return _frame(
        model.prepared, demand.origin[pair], demand.destination[pair], demand.commodity[rows.demand[kept]], names, flow[kept]
    )


def _captive(model: FreightModel, state: State, times: Array, year: int) -> pl.DataFrame:
    """Return the captive flows that count, times how often ``[captive flow]``."""
    captive, costs, table = state.captive, model.costs, model.prepared.demand.captive
    level = costs.growth[captive.commodity, 0, year] * costs.group_level[captive.group, 0, year]
    tonnes = captive.t_per_year * level * times
    ends = table["origin"].to_numpy(), table["destination"].to_numpy()
    return _frame(model.prepared, *ends, captive.commodity, [CAPTIVE] * tonnes.size, tonnes)


def _over_links(model: FreightModel, state: State, target: Target, year: int) -> Iterator[pl.DataFrame]:
    """Yield the chosen and the captive flows over links."""
    supply = make_supply(model.limits, model.prepared, model.prepared.state_of_year[year], year)
    chosen, captive = _link_times(model, state, supply, target.links, year)
    yield _chosen(model, state, chosen, year)
    yield _captive(model, state, captive, year)


def _link_times(model: FreightModel, state: State, supply: Supply, links: frozenset[str], year: int) -> tuple[Array, Array]:
    """Return how often each chain and each captive flow uses links; of a truck leg that sidings or pipes have taken over counts what trucks still carry."""
    chosen, captive = np.zeros(state.chains.pair.size), np.zeros(state.captive.t_per_year.size)
    for name, share in _passages(model, state, supply, links, year):
        for legs, times in ((state.chains.legs, chosen), (state.captive.legs, captive)):
            on = legs.network == LEG_NETWORK[name]
            np.add.at(times, legs.chain[on], supply.trucked[legs.role[on]] * share[legs.start[on], legs.end[on]])
    return chosen, captive


def _passages(model: FreightModel, state: State, supply: Supply, links: frozenset[str], year: int) -> Iterator[tuple[str, Array]]:
    """Yield each leg network that has some of the links, with the share of each pair's flow that uses any of them ``[start, end]``."""
    skims: dict[str, Skim] = {"sea": state.inputs.sea, "roro": state.inputs.roro}
    if model.years is None:
        skims |= model.frozen[model.prepared.state_of_year[year]].skims
    else:
        yield from _settled_passages(state, supply, model.years.years[year], links)
    for name, found in skims.items():
        network = found.network
        mine = _marked(network, links)
        if not mine.any() or not network.terminals:
            continue
        used = dearest_arcs(found, mine.astype(np.float64))[0]
        # what starts and ends at the same terminal never enters the network
        used[network.origins[:, None] == network.destinations[None, :]] = 0.0
        np.fill_diagonal(used, 0.0)
        yield name, used


def _settled_passages(
    state: State, supply: Supply, equilibrium: Equilibrium, links: frozenset[str]
) -> Iterator[tuple[str, Array]]:
    """Yield the shares on roads and lines in equilibrium."""
    on_road = _marked(state.inputs.road.network, links)
    if on_road.any():
        yield from zip(ROAD_CLASSES, od_passage(supply.road, equilibrium.road, on_road), strict=True)
    on_line = np.concatenate([_marked(leg_network(state.inputs, name), links) for name in LINES])
    if on_line.any():
        between = od_passage(supply.lines, equilibrium.lines, on_line)[0]
        for name, part in supply.line_zones.items():
            yield name, between[part, part]


def _marked(network: CompiledNetwork, links: frozenset[str]) -> NDArray[np.bool_]:
    """Return which arcs belong to the links ``[arc]``."""
    mine = np.array([link in links for link in network.link_ids], dtype=np.bool_)
    found: NDArray[np.bool_] = mine[network.link]
    return found


def _over_terminal(model: FreightModel, state: State, target: Target, year: int) -> Iterator[pl.DataFrame]:
    """Yield the flows through a terminal, loaded and unloaded together."""
    supply = make_supply(model.limits, model.prepared, model.prepared.state_of_year[year], year)
    chosen, captive = _terminal_times(model, state, supply, target.kind, target.place)
    yield _chosen(model, state, chosen, year)
    yield _captive(model, state, captive, year)


def _terminal_times(model: FreightModel, state: State, supply: Supply, kind: str, place: str) -> tuple[Array, Array]:
    """Return how often each chain and each captive flow uses a terminal; whatever starts or ends at a port passes its berth, captive flows too."""
    prepared = model.prepared
    stations = state.inputs.rail.network.terminals
    where = stations.index(place) if kind == "yard" else prepared.zones.position[place]
    weight = np.zeros(len(TERMINAL_KINDS))
    weight[TERMINAL_KIND[kind]] = 1.0
    if kind == "yard":
        weight[TERMINAL_KIND["site_yard"]] = supply.site_yard_share
    chosen, captive = np.zeros(state.chains.pair.size), np.zeros(state.captive.t_per_year.size)
    for stops, times in ((state.chains.stops, chosen), (state.captive.stops, captive)):
        here = stops.place == where
        np.add.at(times, stops.chain[here], weight[stops.kind[here]])
    if kind == "berth":
        table = prepared.demand.captive
        ends = (table["origin"].to_numpy() == where).astype(np.float64) + (table["destination"].to_numpy() == where)
        captive = ends * float(prepared.zones.port[where])
    return chosen, captive


# --- all links and terminals --------------------------------------------------------------------------------------------------------


def commodity_loads(
    model: FreightModel,
    year: int,
    terminals: pl.DataFrame,
    *,
    links: Sequence[str] | None = None,
    tell: Callable[[int, int], None] | None = None,
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return what every open link and every terminal carries by commodity in one year, first draw.

    Parameters
    ----------
    model
        Solved with the flows of that year, as for :func:`select`.
    year
        Calendar year.
    terminals
        Columns kind and place of the terminals asked about, as in ``freight_terminals``.
    links
        Links asked about; None = all that are open.
    tell
        Called with (links done, links) now and then.

    Returns
    -------
    links, terminals
        Columns link_id, commodity, t (both directions), and kind, place, commodity, t [t/yr]; rows of zero are left out. Their sums over commodities
        are the flows of ``freight_links`` and the loads of ``freight_terminals``.
    """
    now = year_index(year)
    state = model.prepared.states[model.prepared.state_of_year[now]]
    supply = make_supply(model.limits, model.prepared, model.prepared.state_of_year[now], now)
    rows, demand, costs, captive = state.rows, model.prepared.demand.demand, model.costs, state.captive
    flow, goods = model.speed.solution.flows[now], demand.commodity[rows.demand]
    level = costs.growth[captive.commodity, 0, now] * costs.group_level[captive.group, 0, now]
    held = captive.t_per_year * level

    def tonnes(times: tuple[Array, Array]) -> Array:
        found: Array = np.zeros(len(COMMODITIES))
        found += np.bincount(goods, flow * times[0][rows.chain], found.size)
        found += np.bincount(captive.commodity, held * times[1], found.size)
        return found

    names = state.links["link_id"].to_list() if links is None else list(links)
    over_links = []
    for k, name in enumerate(names):
        if tell is not None and k % 50 == 0:
            tell(k, len(names))
        over_links.append(((str(name),), tonnes(_link_times(model, state, supply, frozenset({name}), now))))
    pairs = terminals.select("kind", "place").unique(maintain_order=True).rows()
    over_places = [((kind, place), tonnes(_terminal_times(model, state, supply, kind, place))) for kind, place in pairs]
    return _long(over_links, ("link_id",)), _long(over_places, ("kind", "place"))


def _long(found: Sequence[tuple[tuple[str, ...], Array]], keys: tuple[str, ...]) -> pl.DataFrame:
    """Return tonnes by keys and commodity, rows of zero left out."""
    rows = [
        (*key, commodity, float(t)) for key, tonnes in found for commodity, t in zip(COMMODITIES, tonnes, strict=True) if t > 0
    ]
    schema = {**dict.fromkeys((*keys, "commodity"), pl.String), "t": pl.Float64}
    return pl.DataFrame(rows, schema=schema, orient="row")
