"""Readers and writers: our tables, TNTP, GMNS, OMX matrices, GraphML, GeoJSON.

Every function takes explicit paths. What is written goes to a temporary file beside the target and is renamed, so a killed program leaves
either the old file or the new one. A reader reports every problem of its files at once: file, line, field, value and remedy.
"""

from __future__ import annotations

import csv
import io
import json
import os
import pickle
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import networkx as nx
import numpy as np
import polars as pl

from networks import gmns
from networks.errors import NetworkError
from networks.geojson import collection
from networks.gmns import problem, raise_problems

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    Matrices = dict[str, NDArray[np.float64]]

#: Larger matrices are refused before memory is asked for; a province has some hundred zones, its villages some ten thousand.
_MOST_ZONES = 20_000
#: Mapping of an OMX file that names the zones.
ZONES = "zone_id"

_TEXT, _INT, _FLOAT, _BOOL = pl.String(), pl.Int64(), pl.Float64(), pl.Boolean()
_ORIGIN: dict[str, pl.DataType] = {"source": _TEXT, "quality": _TEXT, "note": _TEXT}
#: Columns of the network tables as in the data contract; the first ones must be there.
TABLES: dict[str, dict[str, pl.DataType]] = {
    "nodes": {
        "node_id": _TEXT, "kind": _TEXT, "area": _TEXT, "in_province": _BOOL, "lat": _FLOAT, "lon": _FLOAT,
        "name_zh": _TEXT, "name_en": _TEXT, **_ORIGIN,
    },
    "links": {
        "link_id": _TEXT, "from_node": _TEXT, "to_node": _TEXT, "mode": _TEXT, "link_class": _TEXT, "length_km": _FLOAT,
        "in_province_share": _FLOAT, "oneway": _BOOL, "line_zh": _TEXT, "tariff_km": _FLOAT, "speed_km_h": _FLOAT, "tracks": _INT, "electrified_year": _INT,
        "capacity_t_per_year": _FLOAT, "capacity_quality": _TEXT, "open_year": _INT, "close_year": _INT, **_ORIGIN,
    },
    "zones": {
        "zone_id": _TEXT, "node_id": _TEXT, "kind": _TEXT, "area": _TEXT, "in_province": _BOOL, "intrazonal_km": _FLOAT, **_ORIGIN,
    },
    "connectors": {
        "zone_id": _TEXT, "node_id": _TEXT, "mode": _TEXT, "link_class": _TEXT, "length_km": _FLOAT, "in_province_share": _FLOAT, **_ORIGIN,
    },
}  # fmt: skip
#: How many of the columns above a file must have.
_NEEDED = {"nodes": 6, "links": 7, "zones": 6, "connectors": 6}


# ---- our tables ----


def read_tables(folder: Path | str) -> dict[str, pl.DataFrame]:
    """Read ``nodes.csv``, ``links.csv``, ``zones.csv`` and ``connectors.csv`` of a folder.

    Parameters
    ----------
    folder
        Folder of the four files; optional columns that are absent come back empty, further columns as text.

    Returns
    -------
    dict
        Table name -> typed frame, ready for :func:`networks.build_graph`.

    Raises
    ------
    NetworkError
        Every missing file, missing column and cell that is no number at once.
    """
    wrong: list[str] = []
    tables = {n: _typed(Path(folder) / f"{n}.csv", c, list(c)[: _NEEDED[n]], wrong) for n, c in TABLES.items()}
    if wrong:
        raise_problems(wrong)
    return tables


def read_points(path: Path | str, columns: Mapping[str, pl.DataType]) -> pl.DataFrame:
    """Read a CSV table whose columns must all be there and filled, such as stops or homes; further columns come back as text.

    Raises
    ------
    NetworkError
        Everything wrong with the file at once.
    """
    wrong: list[str] = []
    frame = _typed(Path(path), columns, list(columns), wrong)
    blank = [(c, i) for c in columns if not wrong for i, cell in enumerate(frame[c], start=2) if cell is None]
    wrong += [problem(Path(path).name, i, c, "", "is empty; fill it in or take the row out") for c, i in blank]
    if wrong:
        raise_problems(wrong)
    return frame


def _typed(path: Path, columns: Mapping[str, pl.DataType], required: Sequence[str], wrong: list[str]) -> pl.DataFrame:
    """Return a CSV file as a typed frame, other columns as texts; an empty one, with the reasons added to ``wrong``, if it cannot be read."""
    rows = _csv_rows(path, wrong)
    needed = [] if rows is None else [c for c in required if not rows or c not in rows[0]]
    wrong += [problem(path.name, 1, c, "", "the column is required; add it") for c in needed]
    if not rows or needed:
        return pl.DataFrame()
    data: dict[str, list[object]] = {}
    for column in (*columns, *(c for c in rows[0] if c not in columns)):
        dtype = columns.get(column, _TEXT)
        data[column] = [_cell(path.name, i, column, row.get(column, ""), dtype, wrong) for i, row in enumerate(rows, start=2)]
    return pl.DataFrame(data, schema={c: columns.get(c, _TEXT) for c in data}, orient="row")


def _cell(file: str, line: int, column: str, text: str, dtype: pl.DataType, wrong: list[str]) -> object:
    text = text.strip()
    if not text:
        return None
    if dtype == _BOOL:
        if text.lower() not in {"true", "false"}:
            wrong.append(problem(file, line, column, text, "write true or false"))
        return text.lower() == "true"
    if dtype in {_FLOAT, _INT}:
        try:
            number = float(text)
        except ValueError:
            number = float("nan")
        if not np.isfinite(number) or (dtype == _INT and number != round(number)):
            wrong.append(problem(file, line, column, text, "write a plain number without unit or separators, or nothing"))
            return None
        return int(number) if dtype == _INT else number
    return text


def write_tables(folder: Path | str, tables: Mapping[str, pl.DataFrame]) -> None:
    """Write network tables as CSV files ``<name>.csv`` into a folder.

    Raises
    ------
    NetworkError
        If a table is not one of nodes, links, zones and connectors, or lacks a required column.
    """
    wrong = [f"{name} is no network table; use {', '.join(TABLES)}" for name in tables if name not in TABLES]
    for name in set(tables) & set(TABLES):
        wrong += [f"{name} lacks the column {c}" for c in list(TABLES[name])[: _NEEDED[name]] if c not in tables[name].columns]
    if wrong:
        raise_problems(sorted(wrong))
    for name, frame in tables.items():
        _write_text(Path(folder) / f"{name}.csv", frame.write_csv())


# ---- TNTP ----


def read_tntp(
    net: Path | str, trips: Path | str, *, toll_weight: float = 0.0, length_weight: float = 0.0
) -> tuple[nx.MultiDiGraph[int], pl.DataFrame]:
    """Read a network and its trips in the TNTP format of the Transportation Networks collection.

    Parameters
    ----------
    net, trips
        The two files.
    toll_weight, length_weight
        Cost of a unit of toll and of length in units of time.

    Returns
    -------
    graph, od
        What :func:`networks.tntp.parse_tntp` returns.

    Raises
    ------
    NetworkError
        As :func:`networks.tntp.parse_tntp`, with the names of the files.
    """
    from networks.tntp import parse_tntp

    texts = [_read_text(Path(path)) for path in (net, trips)]
    return parse_tntp(
        texts[0],
        texts[1],
        toll_weight=toll_weight,
        length_weight=length_weight,
        net_name=Path(net).name,
        trips_name=Path(trips).name,
    )


# ---- GMNS ----


def read_gmns(folder: Path | str) -> nx.MultiDiGraph[Any]:
    """Read a network in the General Modeling Network Specification.

    Parameters
    ----------
    folder
        Folder with ``node.csv`` and ``link.csv``, if need be ``config.csv`` (units; without it km and km/h are assumed, and lengths are held
        against the coordinates) and ``datapackage.json`` (types of the fields).

    Returns
    -------
    networkx.MultiDiGraph
        Attributes as described in :mod:`networks.gmns`.

    Raises
    ------
    NetworkError
        Every problem at once.
    """
    wrong: list[str] = []
    where = Path(folder)
    nodes, links = (_csv_rows(where / name, wrong) for name in ("node.csv", "link.csv"))
    config = _csv_rows(where / "config.csv", wrong) if (where / "config.csv").is_file() else []
    package = where / "datapackage.json"
    types: dict[str, dict[str, str]] = {}
    described: Mapping[str, Any] = {}
    if package.is_file():
        try:
            described = json.loads(_read_text(package))
            for resource in described.get("resources", []):
                schema = resource.get("schema")
                if isinstance(schema, dict):
                    types[resource["name"]] = {f["name"]: f.get("type", "string") for f in schema.get("fields", [])}
        except (ValueError, KeyError, AttributeError, TypeError) as broken:
            wrong.append(f"datapackage.json: is no data package ({broken}); correct or remove it")
    if wrong or nodes is None or links is None:
        raise_problems(wrong)
        return nx.MultiDiGraph()
    graph = gmns.to_graph(nodes, links, config[0] if config else {}, types)
    graph.graph.update(described.get("graph", {}))
    return graph


def write_gmns(folder: Path | str, graph: nx.MultiDiGraph[Any], *, name: str = "network") -> None:
    """Write a graph as GMNS: ``node.csv``, ``link.csv``, ``config.csv`` (km, km/h, EPSG 4326 or ``graph.graph["crs"]``) and ``datapackage.json``.

    Parameters
    ----------
    folder
        Made if need be.
    graph
        Node names all of one type, whole numbers or texts.
    name
        Name of the data set.
    """
    nodes, links = gmns.to_rows(graph)
    whole = all(isinstance(node, int) for node in graph)
    config = {
        "dataset_name": name, "short_length": "m", "long_length": "km", "speed": "km/h", "crs": graph.graph.get("crs") or "EPSG:4326",
        "geometry_field_format": "WKT", "currency": "CNY", "version_number": gmns.VERSION, "id_type": "integer" if whole else "string",
    }  # fmt: skip
    resources = [
        {
            "name": table,
            "path": f"{table}.csv",
            "schema": {"fields": [{"name": n, "type": t} for n, t in gmns.field_types(rows).items()]},
        }
        for table, rows in (("node", nodes), ("link", links))
    ]
    where = Path(folder)
    for table, rows in (("node", nodes), ("link", links), ("config", [config])):
        _write_text(where / f"{table}.csv", _csv_text(rows))
    package = {"name": name, "profile": "gmns", "graph": dict(graph.graph), "resources": resources}
    _write_text(where / "datapackage.json", json.dumps(package, indent=1, ensure_ascii=False) + "\n")


# ---- matrices ----


def read_omx(source: Path | str | bytes, names: Sequence[str] | None = None) -> tuple[Matrices, tuple[Any, ...]]:
    """Read the matrices of an Open Matrix file.

    Parameters
    ----------
    source
        Path, or the content of a file.
    names
        Matrices to read; all by default.

    Returns
    -------
    matrices, zones
        Name -> array ``[origin, destination]``, and the zone of each row: texts, whole numbers, or 1..n where the file maps none.

    Raises
    ------
    NetworkError
        If it is no OMX file, a matrix is absent or not square, or the zones do not fit.
    """
    import tables  # type: ignore[import-untyped]
    from tables import attributeset

    # the library unpickles attributes, which would run the code of whoever made the file
    attributeset.pickle = _Sealed
    what = "OMX file" if isinstance(source, bytes) else Path(source).name
    wrong: list[str] = []
    try:
        content = source if isinstance(source, bytes) else Path(source).read_bytes()
        # the library of HDF5 opens no file itself: names beyond ASCII fail on Windows
        with tables.open_file(
            "in_memory.omx", "r", driver="H5FD_CORE", driver_core_image=content, driver_core_backing_store=0
        ) as file:
            groups = {}
            for group in ("data", "lookup"):
                node = file.get_node("/", group) if group in file.root else None
                # arrays only: other kinds of nodes hold pickles or lead to other files
                arrays = file.list_nodes(node) if isinstance(node, tables.Group) else []
                groups[group] = {array.name: array for array in arrays if isinstance(array, tables.Array)}
            stored = groups["data"]
            wrong += [f"{what}: no matrix {n!r}; it holds {', '.join(stored) or 'none'}" for n in names or () if n not in stored]
            asked = {n: stored[n] for n in names or stored if n in stored} | groups["lookup"]
            large = [n for n, node in asked.items() if max(node.shape, default=0) > _MOST_ZONES]
            wrong += [
                f"{what}: {n!r} has more than {_MOST_ZONES} rows or columns; divide the area into fewer zones" for n in large
            ]
            kept = [n for n in names or stored if n in stored and n not in large]
            texts = [n for n in kept if stored[n].dtype.kind not in "fiub"]
            wrong += [f"{what}: matrix {n!r} holds no numbers; write tonnes" for n in texts]
            matrices = {n: np.asarray(stored[n][:], dtype=np.float64) for n in kept if n not in texts}
            lookups = {n: np.asarray(node[:]) for n, node in groups["lookup"].items() if n not in large}
    except FileNotFoundError:
        msg = f"{source!s}: no such file"
        raise NetworkError(msg) from None
    except (OSError, ValueError, tables.HDF5ExtError) as broken:
        msg = f"{what}: is no OMX (HDF5) file; write it with an OMX library ({type(broken).__name__})"
        raise NetworkError(msg) from broken
    if not stored:
        wrong.append(f"{what}: holds no matrix; an OMX file keeps its matrices in the group /data")
    for name, matrix in matrices.items():
        if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1]:
            wrong.append(f"{what}: matrix {name!r} has shape {matrix.shape}; an OD matrix is square")
    size = next(iter(matrices.values())).shape[0] if matrices else 0
    if len({m.shape for m in matrices.values()}) > 1:
        wrong.append(f"{what}: the matrices differ in shape; all belong to the same zones")
    if ZONES not in lookups and len(lookups) > 1:
        wrong.append(f"{what}: several mappings ({', '.join(lookups)}); name the one of the zones {ZONES!r}")
    mapping = lookups.get(ZONES, next(iter(lookups.values())) if lookups else np.arange(1, size + 1))
    zones = tuple(z.decode("utf-8", errors="replace") if isinstance(z, bytes) else z for z in mapping.tolist())
    if matrices and len(zones) != size:
        wrong.append(f"{what}: the mapping names {len(zones)} zones, the matrices have {size} rows; give one zone per row")
    if len(set(zones)) != len(zones):
        twice = next(z for i, z in enumerate(zones) if z in zones[:i])
        wrong.append(f"{what}: zone {twice!r} stands twice in the mapping; each row needs a zone of its own")
    if wrong:
        raise_problems(wrong)
    return matrices, zones


class _Sealed:
    """Stands for ``pickle`` in a library that must write, but never load."""

    dumps = staticmethod(pickle.dumps)

    @staticmethod
    def loads(*_args: object, **_options: object) -> None:
        """Refuse."""
        msg = "a pickle in a file is not loaded"
        raise ValueError(msg)


def write_omx(path: Path | str, matrices: Mapping[str, NDArray[Any]], zones: Sequence[Any]) -> None:
    """Write matrices as an Open Matrix file.

    Parameters
    ----------
    path
        File to write.
    matrices
        Name -> square array; names are letters, digits and underscores.
    zones
        Zone of each row, texts (kept as UTF-8 in the mapping ``zone_id``) or whole numbers.

    Raises
    ------
    NetworkError
        If shapes and zones do not fit, or a name cannot stand in the file.
    """
    wrong = [
        f"matrix {n!r} has shape {np.shape(m)}; {len(zones)} zones need ({len(zones)}, {len(zones)})"
        for n, m in matrices.items()
        if np.shape(m) != (len(zones), len(zones))
    ]
    wrong += [f"{n!r} is no name of a matrix; use letters, digits and underscores" for n in matrices if not n.isidentifier()]
    wrong += ["there is no zone; give one per row"] if not zones else []
    if wrong:
        raise_problems(wrong)
    import openmatrix  # type: ignore[import-untyped]

    whole = all(isinstance(z, int | np.integer) for z in zones)
    with openmatrix.open_file("in_memory.omx", "w", driver="H5FD_CORE", driver_core_backing_store=0) as file:
        for name, matrix in matrices.items():
            file[name] = np.ascontiguousarray(matrix)
        if whole:
            file.create_mapping(ZONES, [int(z) for z in zones])
        else:  # the library's own mappings hold whole numbers only
            file.create_array(file.root.lookup, ZONES, obj=np.array([str(z).encode() for z in zones]))
        content = file.get_file_image()
    with _replacing(Path(path)) as partial:
        partial.write_bytes(content)


def od_frame(matrices: Mapping[str, NDArray[np.float64]], zones: Sequence[Any]) -> pl.DataFrame:
    """Return OD matrices as rows origin, destination, commodity, t_per_year, one per cell that is not zero.

    Parameters
    ----------
    matrices
        Commodity -> ``[origin, destination]`` [t/yr].
    zones
        Zone of each row.
    """
    rows = []
    for name, matrix in matrices.items():
        where = np.nonzero(matrix != 0)  # a NaN is kept, so that whoever checks the rows sees it
        rows += [(str(zones[o]), str(zones[d]), name, float(matrix[o, d])) for o, d in zip(*where, strict=True)]
    columns = {"origin": _TEXT, "destination": _TEXT, "commodity": _TEXT, "t_per_year": _FLOAT}
    return pl.DataFrame(rows, schema=columns, orient="row")


def od_matrices(od: pl.DataFrame, zones: Sequence[str]) -> Matrices:
    """Return OD rows as one matrix per commodity; rows of the same pair add up.

    Parameters
    ----------
    od
        Columns origin, destination, commodity, t_per_year [t/yr].
    zones
        Zone of each row and column.

    Raises
    ------
    NetworkError
        If a row names a zone that is not among the zones.
    """
    position = {zone: i for i, zone in enumerate(zones)}
    named = {z for column in ("origin", "destination") for z in od[column].unique().to_list()}
    if named - position.keys():
        raise_problems([f"zone {z!r} of the OD rows is not among the zones" for z in sorted(named - position.keys())])
    found: Matrices = {}
    for o, d, commodity, t in od.select("origin", "destination", "commodity", "t_per_year").iter_rows():
        matrix = found.setdefault(str(commodity), np.zeros((len(zones), len(zones))))
        matrix[position[o], position[d]] += t
    return dict(sorted(found.items()))


# ---- GraphML and GeoJSON ----


def write_graphml(path: Path | str, graph: nx.MultiDiGraph[Any]) -> None:
    """Write a graph as GraphML.

    Parameters
    ----------
    path
        File to write.
    graph
        An attribute without a value is left out of its element and named in ``arc_attributes`` of the graph; a polyline becomes the text
        ``lon lat;lon lat``.
    """
    # what the graph itself carries may be a mapping (metadata of a file); it is written as JSON
    about = {k: json.dumps(v) if isinstance(v, dict) else v for k, v in graph.graph.items() if v is not None}
    plain: nx.MultiDiGraph[Any] = nx.MultiDiGraph(**{k: _scalar(k, v) for k, v in about.items()})
    for node, data in graph.nodes(data=True):
        plain.add_node(node, **{k: _scalar(k, v) for k, v in data.items() if v is not None})
    for start, end, key, data in graph.edges(keys=True, data=True):
        plain.add_edge(start, end, key=key, **{k: _scalar(k, v) for k, v in data.items() if v is not None})
    plain.graph["arc_attributes"] = " ".join(sorted({k for *_, data in graph.edges(data=True) for k in data}))
    with _replacing(Path(path)) as partial:
        # not write_graphml, whose bytes depend on whether lxml is installed
        nx.write_graphml_xml(plain, partial, encoding="utf-8")


def read_graphml(path: Path | str) -> nx.MultiDiGraph[Any]:
    """Read a graph that :func:`write_graphml` wrote; names of nodes and keys of arcs come back as texts.

    Raises
    ------
    NetworkError
        If the file is no GraphML of a directed graph with parallel arcs.
    """
    from xml.etree.ElementTree import ParseError

    try:
        graph = nx.read_graphml(Path(path), node_type=str, edge_key_type=str, force_multigraph=True)
    except (ParseError, nx.NetworkXError, ValueError, KeyError) as broken:
        msg = f"{Path(path).name}: is no GraphML file that can be read ({broken}); export it anew"
        raise NetworkError(msg) from broken
    if not isinstance(graph, nx.MultiDiGraph):
        msg = f"{Path(path).name}: the graph is undirected; write two arcs per link and edgedefault directed"
        raise NetworkError(msg)
    graph.graph.pop("node_default", None)
    graph.graph.pop("edge_default", None)
    names = str(graph.graph.pop("arc_attributes", "")).split()
    for *_, data in graph.edges(data=True):
        for name in names:
            data.setdefault(name, None)
        data.pop("id", None) if "id" not in names else None
        if isinstance(data.get("shape"), str):
            data["shape"] = [(float(x), float(y)) for x, y in (point.split() for point in data["shape"].split(";"))]
    return graph


def _scalar(name: str, value: Any) -> Any:
    if name == "shape" and not isinstance(value, str):
        return ";".join(f"{float(x)!r} {float(y)!r}" for x, y in value)
    if hasattr(value, "item"):
        value = value.item()
    if not isinstance(value, str | bool | int | float):
        msg = f"attribute {name} is {type(value).__name__}; GraphML holds texts and numbers, so drop it or write it as text"
        raise NetworkError(msg)
    return value


def write_geojson(
    path: Path | str,
    graph: nx.MultiDiGraph[Any],
    *,
    shapes: Mapping[str, Sequence[tuple[float, float]]] | None = None,
    joined: Mapping[str, Mapping[str, Any]] | None = None,
) -> int:
    """Write nodes and links as GeoJSON and return how many links have no place; see :func:`networks.geojson.collection`."""
    made, left_out = collection(graph, shapes=shapes, joined=joined)
    _write_text(Path(path), json.dumps(made, ensure_ascii=False, allow_nan=False) + "\n")
    return left_out


# ---- files ----


@contextmanager
def _replacing(path: Path) -> Generator[Path]:
    """Give a temporary path beside the target and rename it at the end; on an error nothing is left."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        yield partial
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def _write_text(path: Path, text: str) -> None:
    with _replacing(path) as partial:
        partial.write_text(text, encoding="utf-8", newline="\n")


def _read_text(path: Path) -> str:
    """Return the text of a file.

    Raises
    ------
    NetworkError
        If the file is absent or not UTF-8.
    """
    try:
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        msg = f"{path}: no such file"
        raise NetworkError(msg) from None
    except UnicodeDecodeError as broken:
        msg = f"{path.name}: is not UTF-8 at byte {broken.start}; save it as UTF-8"
        raise NetworkError(msg) from None


def _csv_rows(path: Path, wrong: list[str]) -> list[dict[str, str]] | None:
    """Return the rows of a CSV file as texts by field, or None with the reason added to ``wrong``."""
    try:
        reader = csv.reader(io.StringIO(_read_text(path), newline=""))
        lines = [row for row in reader if row]
    except (NetworkError, csv.Error) as broken:
        wrong.append(str(broken))
        return None
    header = [name.strip() for name in lines[0]] if lines else []
    bad = [
        problem(path.name, i, "", f"{len(r)} cells", f"the header has {len(header)}")
        for i, r in enumerate(lines, 1)
        if len(r) != len(header)
    ]
    wrong += bad
    return None if bad else [dict(zip(header, row, strict=True)) for row in lines[1:]]


def _csv_text(rows: Iterable[Mapping[str, Any]]) -> str:
    kept = list(rows)
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(kept[0] if kept else [])
    for row in kept:
        cells = (str(v).lower() if isinstance(v, bool) else repr(v) if isinstance(v, float) else v for v in row.values())
        writer.writerow(["" if cell is None else cell for cell in cells])
    return out.getvalue()
