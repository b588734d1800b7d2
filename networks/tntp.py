"""Text of the TNTP format (Transportation Networks for Research): a network file and a trip file into a graph and an OD table.

A network file has metadata lines ``<KEY> value`` up to ``<END OF METADATA>``, then one line per link: tail, head, capacity, length, free-flow time, ``b``,
power, speed, toll, type, ended by ``;``. A trip file has blocks ``Origin n`` followed by ``destination : trips;`` over any number of lines. What follows a
``~`` is a comment. Nodes below ``<FIRST THRU NODE>`` are zones that no path may run through.

Published files keep to this only roughly. A row that cannot be read is an error; metadata that are missing or say something else than the rows are a
warning, and the rows count.
"""

from __future__ import annotations

import math
import warnings
from typing import TYPE_CHECKING

import networkx as nx
import polars as pl

from networks.errors import NetworkError

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Columns of a link line; those after the power may be missing.
_COLUMNS = ("init_node", "term_node", "capacity", "length", "free_flow_time", "b", "power", "speed", "toll", "link_type")
#: Columns a link line must have.
_NEEDED = 7


def parse_tntp(
    net_text: str,
    trips_text: str,
    *,
    toll_weight: float = 0.0,
    length_weight: float = 0.0,
    net_name: str = "network file",
    trips_name: str = "trip file",
) -> tuple[nx.MultiDiGraph[int], pl.DataFrame]:
    """Parse a network and its trips.

    Parameters
    ----------
    net_text, trips_text
        Whole text of the two files.
    toll_weight, length_weight
        Time per unit of toll and per unit of length: the generalised cost of a link is time + toll_weight x toll + length_weight x length.
    net_name, trips_name
        Names of the files, for messages.

    Returns
    -------
    networkx.MultiDiGraph
        Nodes are whole numbers, zones first: from 1, or from 0 where a link names node 0. Arcs carry ``link_id`` (position in the file, from 1), ``capacity``, ``free_flow_time``, ``b``, ``power``,
        ``length``, ``toll``, ``speed`` and ``fixed_cost`` (weighted toll and length); the graph carries ``first_thru_node``,
        ``number_of_zones``, ``first_zone`` and all metadata as text under ``metadata``.
    polars.DataFrame
        ``origin``, ``destination``, ``demand`` of every pair with demand, intrazonal demand included.

    Raises
    ------
    NetworkError
        Names file, line, value and what is needed instead.

    Warns
    -----
    UserWarning
        If the number of zones, nodes or links of the metadata is not that of the rows, or ``<FIRST THRU NODE>`` or ``<END OF METADATA>`` is missing.
    """
    graph = _parse_net(net_text, net_name, toll_weight, length_weight)
    first = int(graph.graph["first_zone"])
    return graph, _parse_trips(trips_text, trips_name, range(first, first + int(graph.graph["number_of_zones"])))


def _fail(name: str, line: int, what: str) -> NetworkError:
    return NetworkError(f"{name} line {line}: {what}")


def _warn(name: str, line: int, what: str) -> None:
    warnings.warn(f"{name} line {line}: {what}", UserWarning, stacklevel=5)  # the caller of parse_tntp


def _metadata(text: str, name: str) -> tuple[dict[str, tuple[int, str]], list[tuple[int, str]]]:
    """Return the metadata with its line numbers, and the numbered lines after it without comments and blanks."""
    found: dict[str, tuple[int, str]] = {}
    lines = [(number, raw.strip()) for number, raw in enumerate(text.lstrip("\ufeff").splitlines(), start=1)]
    begin, last = -1, 0
    for at, (number, line) in enumerate(lines):
        if not line.startswith("<"):
            continue  # remarks, with or without a mark
        key, closed, value = line[1:].partition(">")
        if not closed:
            raise _fail(name, number, f"metadata {line[:40]!r} has no closing '>'")
        last = at + 1
        key = " ".join(key.split()).upper()
        if key == "END OF METADATA":
            begin = last
            break
        found[key] = (number, value.strip())
    rows = [(number, line.split("~", maxsplit=1)[0].strip()) for number, line in lines[last:]]
    rows = [(number, row) for number, row in rows if row.strip("; \t")]
    if begin < 0:
        _warn(name, max(last, 1), "<END OF METADATA> is missing; what follows the last line of metadata is read as rows")
    return found, rows


def _whole(text: str, name: str, line: int, what: str) -> int:
    number = _number(text, name, line, what)
    if number != int(number):
        raise _fail(name, line, f"{what} is {text!r}; a whole number is needed")
    return int(number)


def _number(text: str, name: str, line: int, what: str) -> float:
    try:
        number = float(text)
    except ValueError:
        raise _fail(name, line, f"{what} is {text!r}; a number is needed") from None
    if not math.isfinite(number):
        raise _fail(name, line, f"{what} is {text!r}; a finite number is needed")
    return number


def _stated(found: dict[str, tuple[int, str]], key: str, name: str) -> tuple[int, int] | None:
    """Return a whole number of the metadata and the line it stands in; None if the key is missing."""
    if key not in found:
        return None
    line, value = found[key]
    words = value.split("~", maxsplit=1)[0].split()  # a remark may follow the number
    return _whole(words[0].rstrip(";") if words else "", name, line, f"<{key}>"), line


def _compare(found: dict[str, tuple[int, str]], key: str, name: str, rows: int, what: str) -> None:
    """Warn if a count of the metadata is not that of the rows."""
    stated = _stated(found, key, name)
    if stated is not None and stated[0] != rows:
        _warn(name, stated[1], f"<{key}> is {stated[0]}, but {what} {rows}; the rows count, see whether the file is whole")


def _parse_net(text: str, name: str, toll_weight: float, length_weight: float) -> nx.MultiDiGraph[int]:
    found, lines = _metadata(text, name)
    stated = _stated(found, "NUMBER OF ZONES", name)
    if stated is None:
        raise _fail(name, 1, "metadata <NUMBER OF ZONES> is missing; without it nodes cannot be told from zones")
    zones, at = stated
    if zones < 1:
        raise _fail(name, at, f"<NUMBER OF ZONES> is {zones}; at least one zone is needed")
    if not lines:
        raise _fail(name, 1, "the file has no link lines")
    rows = [_link(body, name, line) for line, body in lines]
    ends = {int(row[c]) for row in rows for c in ("init_node", "term_node")}
    origin = min(*ends, 1)
    nodes = ends | set(range(origin, origin + zones))
    _compare(found, "NUMBER OF LINKS", name, len(rows), "the number of link lines is")
    _compare(found, "NUMBER OF NODES", name, len(nodes), "the number of zones and nodes at links is")
    thru = _stated(found, "FIRST THRU NODE", name)
    if thru is None:
        _warn(name, 1, "<FIRST THRU NODE> is missing; paths may run through every zone")
    graph: nx.MultiDiGraph[int] = nx.MultiDiGraph(
        first_thru_node=origin if thru is None else thru[0],
        number_of_zones=zones,
        first_zone=origin,
        metadata={key: value for key, (_, value) in found.items()},
    )
    graph.add_nodes_from(sorted(nodes))
    for number, row in enumerate(rows, start=1):
        tail, head = int(row.pop("init_node")), int(row.pop("term_node"))
        fixed = toll_weight * row["toll"] + length_weight * row["length"]
        graph.add_edge(tail, head, key=number, link_id=number, fixed_cost=fixed, **row)
    return graph


def _link(body: str, name: str, line: int) -> dict[str, float]:
    """Return the columns of one link line."""
    words = body.split(";", maxsplit=1)[0].split()
    if len(words) < _NEEDED:
        raise _fail(name, line, f"{len(words)} columns; at least {_NEEDED} are needed ({', '.join(_COLUMNS[:_NEEDED])})")
    row = {column: _number(word, name, line, column) for column, word in zip(_COLUMNS[:-1], words, strict=False)}
    for column in ("init_node", "term_node"):
        if _whole(words[_COLUMNS.index(column)], name, line, column) < 0:
            raise _fail(name, line, f"{column} is {row[column]:g}; nodes are numbered from 1 (or from 0)")
    for column in ("capacity", "free_flow_time", "b", "power"):
        if row[column] < 0:
            raise _fail(name, line, f"{column} is {row[column]:g}; it must not be negative")
    if row["capacity"] == 0 and row["free_flow_time"] * row["b"] * row["power"] > 0:
        raise _fail(name, line, "capacity is 0 on a link whose time depends on flow; give a capacity or b = 0")
    return {"speed": 0.0, "toll": 0.0} | row


def _trip_lines(lines: list[tuple[int, str]], name: str) -> Iterator[tuple[int, str, str]]:
    """Yield line, origin text and the rest of every line of trips."""
    origin = ""
    for line, body in lines:
        rest = body
        if body[:6].lower() == "origin":
            words = body[6:].split(maxsplit=1)
            if not words:
                raise _fail(name, line, "'Origin' without a number")
            origin, rest = words[0], words[1] if len(words) > 1 else ""
        elif not origin:
            raise _fail(name, line, f"{body[:40]!r} stands before the first 'Origin'")
        yield line, origin, rest


def _parse_trips(text: str, name: str, zones: range) -> pl.DataFrame:
    found, lines = _metadata(text, name)
    _compare(found, "NUMBER OF ZONES", name, len(zones), "the number of zones in the network file is")
    table: dict[str, list[float]] = {"origin": [], "destination": [], "demand": []}
    for line, origin, rest in _trip_lines(lines, name):
        start = _zone(origin, name, line, "origin", zones)
        for piece in rest.split(";"):
            if not piece.strip():
                continue
            end, colon, value = piece.partition(":")
            if not colon:
                raise _fail(name, line, f"{piece.strip()[:40]!r}; 'destination : trips;' is needed")
            demand = _number(value.strip(), name, line, "trips")
            if demand < 0:
                raise _fail(name, line, f"trips are {demand:g}; they must not be negative")
            finish = _zone(end.strip(), name, line, "destination", zones)
            if demand > 0:
                table["origin"].append(start)
                table["destination"].append(finish)
                table["demand"].append(demand)
    return pl.DataFrame(table, schema={"origin": pl.Int64, "destination": pl.Int64, "demand": pl.Float64})


def _zone(text: str, name: str, line: int, what: str, zones: range) -> int:
    zone = _whole(text, name, line, what)
    if zone not in zones:
        raise _fail(name, line, f"{what} is {zone}; zones run from {zones[0]} to {zones[-1]}")
    return zone
