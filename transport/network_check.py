"""Weak places of a network as findings: what spoils a result, and notes on what the network rests on.

The rules of the tables themselves (lengths, ends, islands) are those of :mod:`transport.check_network`; here is what only the graph shows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl

from transport import check_network
from transport.check_files import FILE, ROW, parse_table
from transport.check_problems import Problem, nearest
from transport.findings import Finding
from transport.i18n import t
from transport.inputs import data_folder, read_layers

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import networkx as nx

#: Table -> its key, and the columns that name rows of other tables: column -> (table, key).
_KEYS = {"nodes": "node_id", "links": "link_id", "zones": "zone_id"}
_REFERENCES = {
    "links": {"from_node": "nodes", "to_node": "nodes"},
    "zones": {"node_id": "nodes"},
    "connectors": {"zone_id": "zones", "node_id": "nodes"},
}
#: How many names a note lists.
_LISTED = 8


def table_problems(tables: Mapping[str, pl.DataFrame]) -> list[Problem]:
    """Return the problems of network tables that were read without the dictionary: doubled ids, dangling ids, lengths, islands."""
    placed = {
        f"networks/{name}": frame.with_row_index(ROW, offset=2).with_columns(
            pl.col(ROW).cast(pl.Int64), pl.lit(f"{name}.csv").alias(FILE)
        )
        for name, frame in tables.items()
    }
    problems: list[Problem] = []
    for name, key in _KEYS.items():
        frame = placed[f"networks/{name}"]
        first = dict(zip(reversed(frame[key].to_list()), reversed(frame[ROW].to_list()), strict=True))
        twice = frame.filter(~pl.col(key).is_first_distinct()).select(key, ROW)
        problems += [
            Problem(
                f"{name}.csv",
                row,
                key,
                "key.duplicate",
                value=i,
                values={"key": key, "first": first[i], "first_file": f"{name}.csv"},
            )
            for i, row in twice.iter_rows()
        ]
    for name, columns in _REFERENCES.items():
        for column, target in columns.items():
            there = tables[target][_KEYS[target]].drop_nulls().to_list()
            lost = placed[f"networks/{name}"].filter(~pl.col(column).is_in(there).fill_null(value=False)).select(column, ROW)
            where = {"target": f"{target}.{_KEYS[target]}", "label_zh": column, "label_en": column}
            problems += [
                Problem(
                    f"{name}.csv",
                    row,
                    column,
                    "id.dangling",
                    value=i or "",
                    values={**where, "hint": nearest(i or "", there, cutoff=0.8)},
                )
                for i, row in lost.iter_rows()
            ]
    return problems or check_network.network(placed)


def places(pack: Path | None) -> dict[tuple[str, str], tuple[str, int]]:
    """Return file and line of every link, node and zone of the data, the pack's where it has the row."""
    base, over, _ = read_layers(data_folder(), pack)
    found: dict[tuple[str, str], tuple[str, int]] = {}
    for layer in (base, over):
        for name, key in _KEYS.items():
            path = f"networks/{name}.csv"
            if layer is None or path not in layer.files:
                continue
            table, _ = parse_table(path[:-4], layer.prefix + path, layer.files[path])
            if table is not None and key in table.columns:
                found |= {(name, i): (table.file, row) for i, row in table.frame.select(key, ROW).iter_rows()}
    return found


def weaknesses(
    graph: nx.MultiDiGraph[Any],
    tables: Mapping[str, pl.DataFrame] | None,
    file: str,
    where: Mapping[tuple[str, str], tuple[str, int]],
    lang: str,
    modes: Mapping[str, str],
) -> tuple[list[Finding], list[Finding]]:
    """Return what the graph of a year shows.

    Parameters
    ----------
    graph
        Graph of any format.
    tables
        The tables it was built from, if it was.
    file
        File that findings name where no place is known.
    where
        (table, id) -> (file, line), see :func:`places`.
    lang
        ``zh`` or ``en``.
    modes
        Label of each mode; a mode without one keeps its code.

    Returns
    -------
    errors, notes
        Errors: doubled links, capacities of zero, one-way traps, terminals without a link, zones that nothing reaches. Notes: parts of a mode
        apart from its main network, zones without access, capacities derived or absent, links that open or close.
    """
    from networks.inspection import components, duplicates, link_table, traps

    links = link_table(graph)
    if tables is not None:
        links = links.join(tables["links"].select("link_id", "line_zh"), on="link_id", how="left", maintain_order="left")

    def finding(
        code: str, table: str = "", name: str = "", column: str = "", /, *, value: str | None = None, **values: object
    ) -> Finding:
        place = where.get((table, name), (file, 0))
        if "mode" in values:
            values["mode"] = modes.get(str(values["mode"]), values["mode"])
        texts = {part: t(f"network.finding.{code}.{part}", lang, name=name, **values) for part in ("rule", "remedy")}
        return Finding(place[0], place[1], column, f"network.{code}", name if value is None else value, **texts)

    errors = [finding("duplicate", "links", link, "link_id", first=first) for link, first in duplicates(links)]
    none = links.filter(pl.col("capacity") == 0)
    errors += [finding("zero_capacity", "links", link, "capacity_t_per_year") for link in none["link_id"]]
    errors += [finding(f"trap_{kind}", "nodes", node, "node_id", mode=mode) for mode, node, kind in traps(graph)]
    groups = components(links)
    joined = {node for found in groups.values() for group in found for node in group}
    terminals = links.filter(pl.col("is_connector"), pl.col("link_class") != "connector")["to_node"].unique().sort()
    errors += [finding("lonely_terminal", "nodes", node, "node_id") for node in terminals if node not in joined]
    notes = [note for mode, found in groups.items() for note in _apart(links, mode, found, finding)]
    own = links.filter(~pl.col("is_connector"))
    notes += _capacities(own, finding)
    if tables is not None:
        notes += _lives(tables["links"], finding)
    reached = {z for note in groups.values() for z, hit in _reach(links, note).items() if hit}
    zones = sorted(set(_reach(links, [])) - reached)
    errors += [finding("lost_zone", "zones", zone, "zone_id") for zone in zones]
    return sorted(errors), notes


def _reach(links: pl.DataFrame, groups: list[frozenset[str]]) -> dict[str, tuple[int, ...]]:
    from networks.inspection import zones_by_component

    return zones_by_component(links, groups)


def _few(names: list[str]) -> str:
    return ", ".join(names[:_LISTED]) + (" …" if len(names) > _LISTED else "")


def _apart(links: pl.DataFrame, mode: str, groups: list[frozenset[str]], finding: Any) -> list[Finding]:
    """Return the parts of a mode besides the largest, and the zones that reach only such a part."""
    notes = []
    reach = _reach(links, groups)
    for i, group in enumerate(groups[1:], start=1):
        only = [zone for zone, hit in reach.items() if hit == (i,)]
        members = sorted(group)
        notes.append(
            finding(
                "apart",
                "nodes",
                members[0],
                "node_id",
                mode=mode,
                count=len(members),
                members=_few(members),
                zones=_few(only) or "-",
            )
        )
    without = [zone for zone, hit in reach.items() if not hit]
    if without:
        notes.append(
            finding("no_access", value=str(len(without)), mode=mode, count=len(without), of=len(reach), zones=_few(without))
        )
    return notes


def _capacities(own: pl.DataFrame, finding: Any) -> list[Finding]:
    """Return per mode how much runs on a capacity that is derived or assumed, and how much has none."""
    from networks.inspection import DERIVED

    notes = []
    for mode in own["mode"].unique().sort():
        mine = own.filter(pl.col("mode") == mode)
        km = float(mine["length_km"].fill_null(0.0).sum())
        derived = mine.filter(pl.col("capacity").is_not_null() & pl.col("capacity_quality").is_in(DERIVED).fill_null(value=False))
        absent = mine.filter(pl.col("capacity").is_null())
        for code, some in (("derived_capacity", derived), ("no_capacity", absent)):
            if some.is_empty():
                continue
            share = 100.0 * float(some["length_km"].fill_null(0.0).sum()) / km if km > 0 else 0.0
            listed = _few(some["link_id"].to_list())
            notes.append(
                finding(
                    code, value=str(some.height), mode=mode, count=some.height, of=mine.height, share=f"{share:.0f}", links=listed
                )
            )
    return notes


def _lives(links: pl.DataFrame, finding: Any) -> list[Finding]:
    from transport.layout import FIRST_YEAR, LAST_YEAR

    notes = []
    for code, column in (("opens", "open_year"), ("closes", "close_year")):
        some = links.filter(pl.col(column).is_between(FIRST_YEAR + 1, LAST_YEAR)).sort(column, "link_id")
        if not some.is_empty():
            listed = _few([f"{link} {year}" for link, year in some.select("link_id", column).iter_rows()])
            notes.append(finding(code, value=str(some.height), count=some.height, links=listed))
    return notes
