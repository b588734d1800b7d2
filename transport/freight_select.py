"""Whose goods a link, a line or a terminal carries: by commodity, kind of chain, pair of places and pair of prefectures.

At the fixed speed every pair of terminals has one path, so a chain either uses a link or does not, and what is found adds up to the flow of the link.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from networks.errors import NetworkError
from networks.parts import ALTERNATIVES, LEG_NETWORK, LEG_NETWORKS, TERMINAL_KIND
from networks.solve import demand_flow
from transport.freight_demand import COMMODITIES
from transport.freight_limits import KIND_OF_CLASS
from transport.freight_loads import dearest_arcs
from transport.i18n import t
from transport.layout import year_index

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numpy.typing import NDArray

    from networks.skim import Skim
    from transport.freight_model import FreightModel
    from transport.freight_prepare import Prepared, State
    from transport.inputs import Inputs

    Array = NDArray[np.float64]

#: What stands for the alternative of flows that do not choose, and of goods that no chain can carry (they still pass their berth).
CAPTIVE, UNSERVED = "captive", "unserved"
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
    """Goods over one link, line or terminal at the fixed speed.

    Attributes
    ----------
    target, year
        What was asked for.
    t_per_year
        Sum of all rows [t/yr]; for a link its flow in both directions, for a terminal its load. A chain that touches a line counts once per leg.
    rows
        ``origin``, ``destination``, ``commodity``, ``alternative`` (or ``captive``, ``unserved``), ``t`` [t/yr], sorted.
    by_commodity, by_alternative, by_pair, by_area
        Sums of the rows with their share, the largest first; an end outside the province stands for itself.
    """

    target: Target
    year: int
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
    """Return the goods over a link, a line or a terminal at the fixed speed, first draw.

    Parameters
    ----------
    inputs
        Network tables.
    model
        Solved with the flows of that year (``detail``); with equilibrium its fixed speed is taken.
    what
        As in :func:`find_target`.
    year
        Calendar year.
    lang
        Language of the messages.
    """
    now = year_index(year)
    prepared = model.prepared
    index = prepared.state_of_year[now]
    state = prepared.states[index]
    target = find_target(inputs, state.links, what, year, lang)
    if target.what == "terminal":
        parts = list(_over_terminal(model, state, target, now))
    else:
        skims: Mapping[str, Skim] = {"sea": state.inputs.sea, "roro": state.inputs.roro, **model.frozen[index].skims}
        parts = list(_over_links(model, state, skims, target, now))
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
    flow = model.fixed.solution.flows[year] * times[rows.chain]
    kept = np.flatnonzero(flow > 0)
    pair = demand.pair[rows.demand[kept]]
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


def _over_links(
    model: FreightModel, state: State, skims: Mapping[str, Skim], target: Target, year: int
) -> Iterator[pl.DataFrame]:
    """Yield the chosen and the captive flows over links."""
    chosen, captive = np.zeros(state.chains.pair.size), np.zeros(state.captive.t_per_year.size)
    for name in LEG_NETWORKS:
        network = skims[name].network
        mine = np.array([link in target.links for link in network.link_ids], dtype=np.bool_)
        if not mine.any() or not network.terminals:
            continue
        used = dearest_arcs(skims[name], mine[network.link].astype(np.float64))[0]
        # what starts and ends at the same terminal never enters the network
        used[network.origins[:, None] == network.destinations[None, :]] = 0.0
        np.fill_diagonal(used, 0.0)
        for legs, times in ((state.chains.legs, chosen), (state.captive.legs, captive)):
            on = legs.network == LEG_NETWORK[name]
            np.add.at(times, legs.chain[on], used[legs.start[on], legs.end[on]])
    yield _chosen(model, state, chosen, year)
    yield _captive(model, state, captive, year)


def _over_terminal(model: FreightModel, state: State, target: Target, year: int) -> Iterator[pl.DataFrame]:
    """Yield the flows through a terminal, loaded and unloaded together; through a berth passes whatever its port sends or receives by land, too."""
    prepared, stops = model.prepared, state.chains.stops
    stations = state.inputs.rail.network.terminals
    where = stations.index(target.place) if target.kind == "yard" else prepared.zones.position[target.place]
    times = np.zeros(state.chains.pair.size)
    here = stops.place == where
    np.add.at(times, stops.chain[here & (stops.kind == TERMINAL_KIND[target.kind])], 1.0)
    if target.kind == "yard":
        share = 1.0 - model.limits.at("new_siding_share", "all", year)
        np.add.at(times, stops.chain[here & (stops.kind == TERMINAL_KIND["site_yard"])], share)
    yield _chosen(model, state, times, year)
    if target.kind != "berth" or not prepared.zones.port[where]:
        return
    demand = prepared.demand.demand
    ends = (demand.origin == where).astype(np.float64) + (demand.destination == where)
    yield _chosen(model, state, ends[state.chains.pair], year)
    lost = state.rows.unserved
    pair = demand.pair[lost]
    tonnes = demand_flow(demand, model.costs, slice(0, 1), year)[0][lost] * ends[pair]
    yield _frame(prepared, demand.origin[pair], demand.destination[pair], demand.commodity[lost], [UNSERVED] * lost.size, tonnes)
    table = prepared.demand.captive
    at = (table["origin"].to_numpy() == where).astype(np.float64) + (table["destination"].to_numpy() == where)
    yield _captive(model, state, at, year)
