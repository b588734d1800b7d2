"""What a network holds and where it is weak: sums by class, components by mode, traps, duplicates, capacities that nobody published.

Everything works on the graph, so a network read from TNTP or GMNS is inspected by the same functions as our own tables.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import networkx as nx
import polars as pl

from networks.graph import ZONE_PREFIX

if TYPE_CHECKING:
    from collections.abc import Sequence

#: Qualities of a capacity that a rule or a judgement gave, not a document.
DERIVED: tuple[str, ...] = ("derived", "assumption")
#: Mode whose links run one way by nature.
_ONE_WAY_MODE = "pipeline"
#: Word for the mode and class of a network that states none.
UNSTATED = "-"

_SCHEMA: dict[str, pl.DataType] = {
    "link_id": pl.String(),
    "from_node": pl.String(),
    "to_node": pl.String(),
    "mode": pl.String(),
    "link_class": pl.String(),
    "length_km": pl.Float64(),
    "in_province_share": pl.Float64(),
    "capacity": pl.Float64(),
    "capacity_quality": pl.String(),
    "is_connector": pl.Boolean(),
    "is_directed": pl.Boolean(),
}


def link_table(graph: nx.MultiDiGraph[Any]) -> pl.DataFrame:
    """Return one row per link, whether it is one arc or two.

    Returns
    -------
    polars.DataFrame
        Columns link_id, from_node, to_node, mode, link_class, length_km [km], in_province_share [-], capacity (t/yr where the graph states yearly tonnes,
        otherwise in the unit of the graph; null = none stated), capacity_quality, is_connector, is_directed; sorted by link_id.
    """
    rows = []
    for start, end, key, data in graph.edges(keys=True, data=True):
        twin = start != end and graph.has_edge(end, start, key)
        if twin and data.get("forward") is False:
            continue
        capacity = data.get("capacity_t_per_year", data.get("capacity"))
        share = data.get("in_province_share")
        rows.append(
            (
                str(data.get("link_id", key)),
                str(start),
                str(end),
                str(data.get("mode") or UNSTATED),
                str(data.get("link_class") or UNSTATED),
                _number(data.get("length_km", data.get("length"))),
                _number(share),
                _number(capacity),
                None if data.get("capacity_quality") is None else str(data["capacity_quality"]),
                str(start).startswith(ZONE_PREFIX) or str(end).startswith(ZONE_PREFIX),
                not (twin and "forward" in data),
            )
        )
    return pl.DataFrame(rows, schema=_SCHEMA, orient="row").sort("link_id", "from_node", "to_node")


def _number(value: object) -> float | None:
    return None if value is None else float(str(value))


def by_class(links: pl.DataFrame) -> pl.DataFrame:
    """Return links, km and shares of km by mode and class, connectors left out.

    Parameters
    ----------
    links
        From :func:`link_table`.

    Returns
    -------
    polars.DataFrame
        Columns mode, link_class, links, km, province_km (length x share inside), derived_km_share (share of km whose capacity is derived or assumed) and
        open_km_share (share of km without any capacity) [-].
    """
    km = pl.col("length_km").fill_null(0.0)
    derived = pl.col("capacity").is_not_null() & pl.col("capacity_quality").is_in(DERIVED).fill_null(value=False)
    total = km.sum()

    def share(part: pl.Expr) -> pl.Expr:
        return pl.when(total > 0).then(km.filter(part).sum() / total).otherwise(0.0)

    return (
        links.filter(~pl.col("is_connector"))
        .group_by("mode", "link_class")
        .agg(
            links=pl.len().cast(pl.Int64),
            km=total,
            province_km=(km * pl.col("in_province_share").fill_null(1.0)).sum(),
            derived_km_share=share(derived),
            open_km_share=share(pl.col("capacity").is_null()),
        )
        .sort("mode", "link_class")
    )


def components(links: pl.DataFrame, modes: Sequence[str] = ()) -> dict[str, list[frozenset[str]]]:
    """Return the groups of nodes that the links of a mode join, largest first; zones and their connectors do not join anything.

    Parameters
    ----------
    links
        From :func:`link_table`.
    modes
        Modes to look at; all by default. Transfers between modes count for no mode.
    """
    found: dict[str, list[frozenset[str]]] = {}
    own = links.filter(~pl.col("is_connector"))
    for mode in modes or own["mode"].unique().sort().to_list():
        graph: nx.Graph[str] = nx.Graph(own.filter(pl.col("mode") == mode).select("from_node", "to_node").rows())
        found[mode] = sorted((frozenset(group) for group in nx.connected_components(graph)), key=lambda g: (-len(g), min(g)))
    return found


def zones_by_component(links: pl.DataFrame, groups: Sequence[frozenset[str]]) -> dict[str, tuple[int, ...]]:
    """Return the components of a mode that each zone reaches over its connectors; nothing for a zone that has no access to the mode.

    Parameters
    ----------
    links
        From :func:`link_table`.
    groups
        Components of one mode from :func:`components`; a connector counts when its node lies in one, whatever the mode of the connector.
    """
    where = {node: i for i, group in enumerate(groups) for node in group}
    found: dict[str, set[int]] = {}
    for start, end in links.filter(pl.col("is_connector")).select("from_node", "to_node").iter_rows():
        zone, node = (start, end) if start.startswith(ZONE_PREFIX) else (end, start)
        reached = found.setdefault(zone.removeprefix(ZONE_PREFIX), set())
        if node in where:
            reached.add(where[node])
    return {zone: tuple(sorted(reached)) for zone, reached in sorted(found.items())}


def traps(graph: nx.MultiDiGraph[Any]) -> list[tuple[str, str, str]]:
    """Return (mode, node, kind) of nodes that one-way links let in but not out (``sink``) or out but not in (``source``).

    A node is trapped when it lies in the weakly connected main network of its mode but outside its largest strongly connected part. Zones are
    no junctions, so their connectors do not count. Pipelines run from where something is put in to where it is taken out: their nodes are trapped
    only if what arrives can nowhere be taken out, or if nothing can be put in that leaves them; parts that join fewer than two zones carry
    nothing either way and are not looked at.
    """
    by_mode: dict[str, list[tuple[Any, Any]]] = {}
    joined = {node for start, end in graph.edges() for node in (start, end) if ZONE_PREFIX in f"{start} {end}"}
    for start, end, data in graph.edges(data=True):
        if not (str(start).startswith(ZONE_PREFIX) or str(end).startswith(ZONE_PREFIX)):
            by_mode.setdefault(str(data.get("mode") or UNSTATED), []).append((start, end))
    found = []
    for mode, arcs in sorted(by_mode.items()):
        own: nx.DiGraph[Any] = nx.DiGraph(arcs)
        if mode == _ONE_WAY_MODE:
            parts = [group for group in nx.weakly_connected_components(own) if len(group & joined) > 1]
            found += [(mode, str(node), kind) for group in parts for node, kind in _dry_ends(own.subgraph(group), joined & group)]
            continue
        for group in nx.weakly_connected_components(own):
            parts = sorted(nx.strongly_connected_components(own.subgraph(group)), key=lambda p: (-len(p), min(map(str, p))))
            if len(parts) < 2:
                continue
            heart = next(iter(parts[0]))
            reached = nx.descendants(own, heart) | {heart}
            caught = sorted(group - parts[0], key=str)
            found += [(mode, str(node), "sink" if node in reached else "source") for node in caught]
    return found


def _dry_ends(own: nx.DiGraph[Any], joined: set[Any]) -> list[tuple[Any, str]]:
    """Return nodes of one-way pipes from which nothing can be taken out (``sink``) or into which nothing can be put (``source``)."""
    found = []
    for node in sorted(own, key=str):
        if node not in joined and own.in_degree(node) and not joined & nx.descendants(own, node):
            found.append((node, "sink"))
        elif node not in joined and own.out_degree(node) and not joined & nx.ancestors(own, node):
            found.append((node, "source"))
    return found


def duplicates(links: pl.DataFrame) -> list[tuple[str, str]]:
    """Return (link, earlier link) pairs that join the same two nodes by the same mode and class with the same length.

    Parameters
    ----------
    links
        From :func:`link_table`. A column ``line_zh`` must agree as well where there is one: two lines may run side by side.
    """
    more = [name for name in ("line_zh",) if name in links.columns]
    seen: dict[tuple[Any, ...], str] = {}
    found = []
    columns = ["link_id", "from_node", "to_node", "is_directed", "mode", "link_class", "length_km", *more]
    for link, start, end, is_directed, *rest in links.filter(~pl.col("is_connector")).select(columns).iter_rows():
        ends = (start, end) if is_directed else tuple(sorted((start, end)))
        first = seen.setdefault((*ends, is_directed, *rest), link)
        if first != link:
            found.append((link, first))
    return found
