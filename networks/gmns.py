"""The General Modeling Network Specification: rows of its two tables and back to a graph.

Field names follow the specification from version 0.93 on (``node.csv``: node_id, x_coord, y_coord, ...; ``link.csv``: link_id, from_node_id,
to_node_id, directed, length, free_speed, capacity, lanes, allowed_uses, facility_type, geometry, ...; ``config.csv``: units). What the
specification has no field for keeps the name of our attribute, which it allows ("user-defined fields"). Pairs that mean the same:

=================  ==============================  ===========================================================
field              attribute                       unit
=================  ==============================  ===========================================================
x_coord, y_coord   lon, lat                        degree (WGS 84, EPSG 4326)
node_type          kind
length             length_km                       ``long_length`` of config.csv, written as km
free_speed         speed_km_h                      ``speed`` of config.csv, written as km/h
capacity           capacity                        vehicles per hour *and lane*; the attribute is for all lanes
allowed_uses       mode
facility_type      link_class
geometry           shape                           WKT LINESTRING; the attribute is a list of (lon, lat)
=================  ==============================  ===========================================================

In another coordinate system (``crs`` of config.csv, kept in ``graph.graph["crs"]``) the attributes are ``x``, ``y`` and ``shape_xy`` instead, so
that nobody takes metres for degrees; a file without ``crs`` is taken as WGS 84 if its coordinates can be degrees, and refused if not.

Yearly tonnes are no saturation flow, so ``capacity_t_per_year`` stays a field of its own. The arcs of a graph that is read carry what
:func:`networks.assign_equilibrium` needs where the file states it: ``capacity``, ``free_flow_time`` (own field, else length over speed, in
minutes), ``b`` and ``power`` (own fields, or ``VDF_alpha``, ``VDF_beta``, ``VDF_fftt`` of common GMNS tools).

Source: GMNS, Volpe Center / FHWA with the Zephyr Foundation, repository zephyr-data-specs/GMNS (Apache 2.0), folder ``spec``.
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any

import networkx as nx

from networks.errors import NetworkError
from networks.graph import ZONE_PREFIX

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    Row = dict[str, Any]

#: Version of the specification that the written fields follow.
VERSION = 0.96
#: km per unit of length and km/h per unit of speed, by the names that ``config.csv`` files use.
_KM = {
    **dict.fromkeys(("km", "kilometer", "kilometers", "kilometre", "kilometres"), 1.0),
    **dict.fromkeys(("m", "meter", "meters", "metre", "metres"), 1e-3),
    **dict.fromkeys(("mi", "mile", "miles"), 1.609344),
    **dict.fromkeys(("ft", "foot", "feet"), 0.0003048),
}
_KM_H = {
    **dict.fromkeys(("km/h", "kmh", "kph", "kmph", "km per hour", "kilometers per hour"), 1.0),
    **dict.fromkeys(("mph", "mi/h", "miles per hour"), 1.609344),
    **dict.fromkeys(("m/s", "mps"), 3.6),
    **dict.fromkeys(("ft/s", "fps"), 1.09728),
}
#: Median of length over great circle beyond which the stated unit of length cannot be right: miles read as km give 0.6 times the true
#: ratio, metres read as km a thousand times. Roads wind, so the true ratio lies between 1 and some 2.
_RATIO = (0.85, 30.0)
_EARTH_KM = 6371.0088
#: Shorter links say nothing about the unit: coordinates are rounded and places have a width.
_MEASURABLE_KM = 1.0

_NODE_FIELDS = {"kind": "node_type", "name": "name", "zone_id": "zone_id", "lon": "x_coord", "lat": "y_coord"}
_LINK_FIELDS = {
    "length_km": "length",
    "speed_km_h": "free_speed",
    "capacity": "capacity",
    "lanes": "lanes",
    "mode": "allowed_uses",
    "link_class": "facility_type",
    "line_zh": "name",
    "shape": "geometry",
}
#: The same in a coordinate system other than degrees.
_FLAT_NODE_FIELDS = {**_NODE_FIELDS, "x": "x_coord", "y": "y_coord"}
_FLAT_LINK_FIELDS = {**_LINK_FIELDS, "shape_xy": "geometry"}
for _name in ("lon", "lat"):
    del _FLAT_NODE_FIELDS[_name]
del _FLAT_LINK_FIELDS["shape"]
_DEGREES = frozenset({"", "4326", "WGS84", "WGS 84", "CRS84"})
_NODE_FIRST = ("node_id", "name", "x_coord", "y_coord", "node_type", "zone_id", "coord_of")
_LINK_FIRST = ("link_id", "name", "from_node_id", "to_node_id", "directed", "geometry", "length", "facility_type", "capacity",
               "free_speed", "lanes", "allowed_uses", "arc_key")  # fmt: skip
_NODE_NEEDED = ("node_id", "x_coord", "y_coord")
_LINK_NEEDED = ("link_id", "from_node_id", "to_node_id", "directed")
#: Put before an attribute whose name is a field of another meaning.
_OWN = "own_"
_NUMBERS = ("length", "free_speed", "capacity", "lanes", "free_flow_time", "b", "power")
_VDF = {"vdf_alpha": "b", "vdf_beta": "power", "vdf_fftt": "free_flow_time"}
_YES, _NO = ("true", "1", "1.0", "yes", "t", "y"), ("false", "0", "0.0", "no", "f", "n")
_LINE = re.compile(r"^\s*LINESTRING\s*Z?\s*\(([^()]*)\)\s*$", re.IGNORECASE)
_MISSING = ("", "nan")


def to_rows(graph: nx.MultiDiGraph[Any]) -> tuple[list[Row], list[Row]]:
    """Return the rows of ``node.csv`` and ``link.csv`` of a graph.

    Parameters
    ----------
    graph
        Any graph; two arcs there and back under one key that differ in ``forward`` only become one undirected row.

    Returns
    -------
    nodes, links
        Every row has every field. A node without coordinates (a zone centroid) stands at its nearest neighbour, named in ``coord_of``,
        because the specification asks for coordinates.

    Raises
    ------
    NetworkError
        If an attribute is neither text, number nor a polyline.
    """
    degrees = in_degrees(graph.graph.get("crs"))
    fields = _LINK_FIELDS if degrees else _FLAT_LINK_FIELDS
    nodes = [
        _node_row(graph, name, data, _NODE_FIELDS if degrees else _FLAT_NODE_FIELDS) for name, data in graph.nodes(data=True)
    ]
    links: list[Row] = []
    taken: set[Any] = set()
    for start, end, key, data in graph.edges(keys=True, data=True):
        twin = graph.get_edge_data(end, start, key) if start != end else None
        merged = twin is not None and _one_link(data, twin)
        if merged and not data["forward"]:
            continue
        link_id = data.get("link_id", key)
        row: Row = {"link_id": link_id, "from_node_id": start, "to_node_id": end, "directed": not merged}
        if link_id in taken:
            row["own_link_id"] = link_id
            link_id = row["link_id"] = f"{link_id}|{start}|{end}|{key}"
        taken.add(link_id)
        if key != link_id:
            row["arc_key"] = key
        for name, value in data.items():
            if name == "link_id" or (name == "forward" and merged):
                continue
            _put(row, name, value, fields, _LINK_FIRST, f"link {link_id}")
        if row.get("capacity") is not None and row.get("lanes"):
            row["capacity"] = float(row["capacity"]) / float(row["lanes"])
        links.append(row)
    return _full(nodes, _NODE_FIRST, _NODE_NEEDED), _full(links, _LINK_FIRST, _LINK_NEEDED)


def _one_link(there: Mapping[str, Any], back: Mapping[str, Any]) -> bool:
    """Return whether two arcs are the two directions of one undirected link."""
    if {there.get("forward"), back.get("forward")} != {True, False}:
        return False
    return {**there, "forward": None} == {**back, "forward": None}


def in_degrees(crs: object) -> bool:
    """Return whether a coordinate system is WGS 84 in degrees; none stated means that.

    >>> in_degrees("EPSG:4326"), in_degrees(None), in_degrees("26919")
    (True, True, False)
    """
    return str(crs or "").strip().upper().removeprefix("EPSG:").strip() in _DEGREES


def _node_row(graph: nx.MultiDiGraph[Any], name: Any, data: Mapping[str, Any], fields: Mapping[str, str]) -> Row:
    row: Row = {"node_id": name}
    for attribute, value in data.items():
        _put(row, attribute, value, fields, _NODE_FIRST, f"node {name}")
    if isinstance(name, str) and name.startswith(ZONE_PREFIX) and "zone_id" not in data:
        row["zone_id"] = name.removeprefix(ZONE_PREFIX)
    if row.get("x_coord") is None or row.get("y_coord") is None:
        names = {field: attribute for attribute, field in fields.items()}
        x, y = names["x_coord"], names["y_coord"]
        placed = [
            (float(arc.get("length_km") or 0.0), str(end), graph.nodes[end])
            for _, end, arc in graph.out_edges(name, data=True)
            if graph.nodes[end].get(x) is not None and graph.nodes[end].get(y) is not None
        ]
        if placed:
            _, row["coord_of"], place = min(placed, key=lambda found: found[:2])
            row["x_coord"], row["y_coord"] = place[x], place[y]
    return row


def _put(row: Row, name: str, value: Any, fields: Mapping[str, str], first: Sequence[str], what: str) -> None:
    """Put an attribute under its field."""
    field = fields.get(name) or (_OWN + name if name in first else name)
    if field == "geometry" and value is not None:
        value = "LINESTRING (" + ", ".join(f"{float(x)!r} {float(y)!r}" for x, y in value) + ")"
    if hasattr(value, "item"):
        value = value.item()
    if not (value is None or isinstance(value, str | bool | int | float)):
        msg = f"{what}: attribute {name} is {type(value).__name__}; GMNS fields hold texts and numbers, so drop it or write it as text"
        raise NetworkError(msg)
    row[field] = value


def _full(rows: Iterable[Row], first: Sequence[str], needed: Sequence[str]) -> list[Row]:
    """Give every row every field that is needed or that some row has."""
    kept = list(rows)
    given = {name for row in kept for name in row} | set(needed)
    fields = [*(name for name in first if name in given), *sorted(given - set(first))]
    return [{name: row.get(name) for name in fields} for row in kept]


def field_types(rows: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Return the type of each field as a table schema writes it: string, integer, number or boolean.

    >>> field_types([{"a": 1, "b": None}, {"a": 2.5, "b": True}])
    {'a': 'number', 'b': 'boolean'}
    """
    found: dict[str, str] = {}
    for name in rows[0] if rows else ():
        kinds = {type(row[name]) for row in rows if row[name] is not None}
        found[name] = (
            "boolean"
            if kinds == {bool}
            else "integer"
            if kinds == {int}
            else "number"
            if kinds and kinds <= {int, float}
            else "string"
        )
    return found


def to_graph(
    nodes: Sequence[Mapping[str, str]],
    links: Sequence[Mapping[str, str]],
    config: Mapping[str, str],
    types: Mapping[str, Mapping[str, str]],
) -> nx.MultiDiGraph[Any]:
    """Return the graph in the rows of ``node.csv`` and ``link.csv``.

    Parameters
    ----------
    nodes, links
        Texts by field, in file order (line 2 is the first row).
    config
        Fields of ``config.csv``; without them km and km/h are assumed, which is checked against the coordinates.
    types
        ``node`` and ``link``: type of each field as in a table schema; a field without one is a number where every cell is.

    Returns
    -------
    networkx.MultiDiGraph
        Attributes as in the table above; an empty cell is None. An undirected row becomes two arcs with ``forward`` True and False.

    Raises
    ------
    NetworkError
        Every problem at once: file, line, field, value and remedy.
    """
    wrong: list[str] = []
    km = _unit(config, "long_length", "km", _KM, wrong)
    km_h = _unit(config, "speed", "km/h", _KM_H, wrong)
    _fields("node.csv", nodes, _NODE_NEEDED, wrong)
    _fields("link.csv", links, _LINK_NEEDED, wrong)
    if wrong:
        raise_problems(wrong)
    graph: nx.MultiDiGraph[Any] = nx.MultiDiGraph()
    degrees = in_degrees(config.get("crs"))
    if not degrees:
        graph.graph["crs"] = config["crs"].strip()
    node_fields, link_fields = (_NODE_FIELDS, _LINK_FIELDS) if degrees else (_FLAT_NODE_FIELDS, _FLAT_LINK_FIELDS)
    number = int if config.get("id_type", "").strip().lower() == "integer" else str
    node_types = {**_guess(nodes), **types.get("node", {}), "x_coord": "number", "y_coord": "number", "node_id": "string"}
    for line, row in enumerate(nodes, start=2):
        data = _values("node.csv", line, row, node_types, wrong)
        name = _id("node.csv", line, "node_id", row["node_id"], number, wrong)
        if name in graph:
            wrong.append(problem("node.csv", line, "node_id", row["node_id"], "the same node stands twice; give each its own id"))
        borrowed = data.pop("coord_of", None)
        if degrees and (abs(data["x_coord"] or 0.0) > 180.0 or abs(data["y_coord"] or 0.0) > 90.0):
            place = f"{row['x_coord']}, {row['y_coord']}"
            wrong.append(
                problem(
                    "node.csv", line, "x_coord, y_coord", place, "are no degrees; name the coordinate system in crs of config.csv"
                )
            )
        attributes = _attributes(data, node_fields, ("node_id",))
        if borrowed is not None:
            for field in ("x_coord", "y_coord"):
                attributes = {name: value for name, value in attributes.items() if node_fields.get(name) != field}
        if str(name).startswith(ZONE_PREFIX):
            attributes.pop("zone_id", None)
        graph.add_node(name, **attributes)
    link_types = {**_guess(links), **types.get("link", {}), **dict.fromkeys(("from_node_id", "to_node_id"), "string")}
    for name in {field.lower(): field for field in (links[0] if links else ())}.values():
        if name in _NUMBERS or name.lower() in _VDF:
            link_types[name] = "number" if link_types.get(name) != "integer" else "integer"
    link_types["directed"] = "boolean"
    seen: dict[str, int] = {}
    for line, row in enumerate(links, start=2):
        data = _values("link.csv", line, row, link_types, wrong)
        first = seen.setdefault(row["link_id"], line)
        if first != line:
            wrong.append(
                problem("link.csv", line, "link_id", row["link_id"], f"stands in line {first} already; give each link its own id")
            )
        ends = [_id("link.csv", line, f, row[f], number, wrong) for f in ("from_node_id", "to_node_id")]
        for field, end in zip(("from_node_id", "to_node_id"), ends, strict=True):
            if end not in graph:
                wrong.append(problem("link.csv", line, field, row[field], "is not in node.csv; add the node or correct the id"))
        if data["directed"] is None:
            wrong.append(problem("link.csv", line, "directed", row["directed"], "write true or false"))
        if not wrong:
            _add(graph, ends, data, km, km_h, line, link_fields)
    _unit_holds(graph, config, wrong)
    if wrong:
        raise_problems(wrong)
    return graph


def _add(
    graph: nx.MultiDiGraph[Any], ends: Sequence[Any], data: Row, km: float, km_h: float, line: int, fields: Mapping[str, str]
) -> None:
    directed, link_id = data.pop("directed"), data.pop("link_id")
    own_id = data.pop("own_link_id", None)
    key = data.pop("arc_key", None)
    for field, scale in (("length", km), ("free_speed", km_h)):
        if data.get(field) is not None:
            data[field] *= scale
    if data.get("capacity") is not None and data.get("lanes"):
        data["capacity"] *= data["lanes"]
    if data.get("geometry") is not None:
        data["geometry"] = _points(data["geometry"], line)
    for field in list(data):
        if field.lower() in _VDF:
            data.setdefault(_VDF[field.lower()], data[field])
    attributes = {"link_id": link_id if own_id is None else own_id, **_attributes(data, fields, ("from_node_id", "to_node_id"))}
    length, speed = attributes.get("length_km"), attributes.get("speed_km_h")
    if attributes.get("capacity") is not None and attributes.get("free_flow_time") is None and length is not None and speed:
        attributes["free_flow_time"] = 60.0 * length / speed
    key = link_id if key is None else key
    if directed:
        if attributes.get("forward") is None:
            attributes.pop("forward", None)
        graph.add_edge(ends[0], ends[1], key=key, **attributes)
        return
    graph.add_edge(ends[0], ends[1], key=key, **{**attributes, "forward": True})
    graph.add_edge(ends[1], ends[0], key=key, **{**attributes, "forward": False})


def _attributes(data: Mapping[str, Any], fields: Mapping[str, str], left_out: Sequence[str]) -> Row:
    names = {field: name for name, field in fields.items()}
    return {names.get(f) or f.removeprefix(_OWN): value for f, value in data.items() if f not in left_out}


def _fields(file: str, rows: Sequence[Mapping[str, str]], needed: Sequence[str], wrong: list[str]) -> None:
    if not rows:
        wrong.append(f"{file}: there is no row; write a header and at least one row")
    else:
        wrong += [problem(file, 1, f, "", "the field is required; add the column") for f in needed if f not in rows[0]]


def _guess(rows: Sequence[Mapping[str, str]]) -> dict[str, str]:
    """Return number for the fields whose cells all read as one, string for the rest."""
    found = {}
    for name in rows[0] if rows else ():
        cells = [row[name] for row in rows if row[name].strip().lower() not in _MISSING]
        found[name] = "number" if cells and all(_float(cell) is not None for cell in cells) else "string"
    # ids are names even where they are digits
    return {name: "string" if name.endswith("_id") or name == "name" else kind for name, kind in found.items()}


def _float(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _values(file: str, line: int, row: Mapping[str, str], types: Mapping[str, str], wrong: list[str]) -> Row:
    found: Row = {}
    for name, cell in row.items():
        text, kind = cell.strip(), types.get(name, "string")
        value: Any = None
        if text.lower() not in _MISSING:
            value = text
            if kind == "boolean":
                value = True if text.lower() in _YES else False if text.lower() in _NO else None
                if value is None and name != "directed":
                    wrong.append(problem(file, line, name, cell, "write true or false"))
            elif kind in {"number", "integer"}:
                value = _float(text)
                if value is None:
                    wrong.append(problem(file, line, name, cell, "write a plain number, or nothing"))
                elif value < 0 and name in _NUMBERS:
                    wrong.append(problem(file, line, name, cell, "must not be negative"))
                elif kind == "integer":
                    value = int(value)
            elif name == "geometry" and _LINE.match(text) is None:
                wrong.append(problem(file, line, name, cell[:40], "write WKT: LINESTRING (lon lat, lon lat, ...)"))
        found[name] = value
    return found


def _points(text: str, line: int) -> list[tuple[float, float]]:
    matched = _LINE.match(text)
    numbers = [[_float(x) for x in point.split()[:2]] for point in (matched.group(1) if matched else "").split(",")]
    points = [(p[0], p[1]) for p in numbers if len(p) == 2 and p[0] is not None and p[1] is not None]
    if len(points) < 2 or len(points) != len(numbers):
        raise_problems(
            [problem("link.csv", line, "geometry", text[:40], "write at least two points: LINESTRING (lon lat, lon lat, ...)")]
        )
    return points


def _id(file: str, line: int, field: str, text: str, number: type[int | str], wrong: list[str]) -> Any:
    name = text.strip()
    if not name or (number is int and not name.lstrip("-").isdecimal()):
        wrong.append(problem(file, line, field, text, f"must be filled with {'a whole number' if number is int else 'an id'}"))
        return text
    return number(name)


def _unit(config: Mapping[str, str], field: str, assumed: str, known: Mapping[str, float], wrong: list[str]) -> float:
    named = (config.get(field) or assumed).strip().lower()
    if named not in known:
        wrong.append(problem("config.csv", 2, field, named, f"unknown unit; write one of {', '.join(sorted(known))}"))
    return known.get(named, 1.0)


def _unit_holds(graph: nx.MultiDiGraph[Any], config: Mapping[str, str], wrong: list[str]) -> None:
    """Compare lengths with great circles: a unit of length that is wrong or assumed wrongly shows in the median."""
    if not in_degrees(config.get("crs")):
        return
    ratios = []
    for start, end, data in graph.edges(data=True):
        ends = [float(x) for n in (start, end) for x in map(graph.nodes[n].get, ("lat", "lon")) if x is not None]
        if data.get("length_km") is None or len(ends) < 4:
            continue
        (a1, o1, a2, o2) = (math.radians(x) for x in ends)
        h = math.sin((a2 - a1) / 2) ** 2 + math.cos(a1) * math.cos(a2) * math.sin((o2 - o1) / 2) ** 2
        straight = 2 * _EARTH_KM * math.asin(min(1.0, math.sqrt(h)))
        if straight >= _MEASURABLE_KM:
            ratios.append(data["length_km"] / straight)
    if not ratios:
        return
    median = sorted(ratios)[len(ratios) // 2]
    if not _RATIO[0] <= median <= _RATIO[1]:
        unit = config.get("long_length") or "km (assumed)"
        wrong.append(
            problem(
                "config.csv",
                2,
                "long_length",
                unit,
                f"half the links are {median:.3g} times as long as the great circle; state the true unit",
            )
        )


def problem(file: str, line: int, column: str, value: object, remedy: str) -> str:
    """Return one problem of a file as text."""
    shown = f" = {value!r}" if value not in (None, "") else ""
    return f"{file} line {line}, {column}{shown}: {remedy}"


def raise_problems(wrong: Sequence[str]) -> None:
    """Raise one error that lists every problem.

    Raises
    ------
    NetworkError
        Always.
    """
    head = f"{len(wrong)} problem(s)" if len(wrong) > 1 else "1 problem"
    msg = "\n".join([f"{head}:", *(f"- {text}" for text in wrong)])
    raise NetworkError(msg)
