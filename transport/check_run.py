"""Reading and checking in one pass: files in, typed tables and problems out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import polars as pl

from transport import check_network, check_parameters, check_projects, check_targets
from transport.check_dictionary import Dictionary, TableSpec
from transport.check_files import FILE, ROW, RawTable, parse_table
from transport.check_problems import Problem, nearest
from transport.check_tables import Known, Rule, broken, key_rule, overlay, report, rules, typed

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    Evaluate = Callable[[pl.DataFrame, TableSpec, Sequence[Rule]], list[tuple[Rule, int]]]

PARAMETERS = "parameters/*"
#: Column of the joined parameters that names the table a row came from.
PARAMETER_FILE = "file"
#: Tables that only a data pack brings; without one they are there and have no rows.
OPTIONAL = frozenset({"demand/od"})
#: Tables that a pack may bring in another format; the loader hands them over as CSV under their own name.
BINARY = frozenset({"demand/od.parquet", "demand/od.omx"})
_MATRICES = ".omx"
#: Line of the first row of a table, after its header.
_FIRST_ROW = 2
#: Files of the data folder that are neither tables nor TOML.
_OTHER_FILES = frozenset({"units.txt", "LICENSE-DATA.md", "README.md"})
#: Without these nothing can be checked.
_NEEDED = ("codes.csv", "dictionary.csv", "sources.csv", "units.txt")
#: What a data pack may not change: the rules it is checked by.
_HOUSE = frozenset({"dictionary.csv", "units.txt"})
_TOML_FOLDERS = ("targets/", "scenarios/", "sweeps/")


@dataclass(frozen=True, slots=True)
class Layer:
    """The files of the data folder or of a pack.

    Attributes
    ----------
    files
        Path relative to the folder, with ``/`` -> content.
    prefix
        What findings put before the path: ``data/`` or nothing.
    is_pack
        Whether the layer lies over another.
    """

    files: Mapping[str, bytes]
    prefix: str
    is_pack: bool


@dataclass(frozen=True, slots=True)
class Examined:
    """Tables and problems.

    Attributes
    ----------
    tables
        Typed tables by name with the pack laid over, without parameters.
    parameters
        All parameter rows, with the column ``file``.
    targets
        One row per target, columns of the dictionary's ``targets/*.toml``.
    problems
        Everything found.
    """

    tables: Mapping[str, pl.DataFrame]
    parameters: pl.DataFrame
    targets: pl.DataFrame
    problems: tuple[Problem, ...]


@dataclass(slots=True)
class _Read:
    """Typed tables of one layer."""

    tables: dict[str, pl.DataFrame]
    raws: dict[str, RawTable]
    problems: list[Problem]
    lines: dict[str, Mapping[tuple[int, str], int]]


def examine(base: Layer, pack: Layer | None = None, *, evaluate: Evaluate | None = None, every_unit: bool = False) -> Examined:
    """Read and check a data folder with a pack laid over it.

    Parameters
    ----------
    base, pack
        The files.
    evaluate
        How to find the rows that break a table's rules; by default all rules of a table in one polars pass. With a pack it is asked about
        the tables of the pack only.
    every_unit
        Whether to parse the units of the bundled tables too, not only those that a pack adds.
    """
    text, problems = _dictionary(base)
    if text is None:
        empty = pl.DataFrame()
        return Examined({}, empty, empty, tuple(problems))
    dictionary = Dictionary.from_frame(text.frame)
    names = _known_files(base, dictionary)
    below = _read(base, dictionary, names)
    above = _read(pack, dictionary, names) if pack else None
    layers = [below] if above is None else [below, above]
    raws = {file: raw for layer in layers for file, raw in layer.raws.items()}
    problems += [problem for layer in layers for problem in layer.problems]
    lines = {name: layer.lines[name] for layer in layers for name in layer.lines}

    tables = dict(below.tables)
    for name, frame in (above.tables if above else {}).items():
        spec = _spec(dictionary, name)
        tables[name] = overlay(tables[name], frame, spec.key) if name in tables else frame
    known = _known(tables, dictionary)
    for layer in layers:
        for name, frame in sorted(layer.tables.items()):
            spec = _spec(dictionary, name)
            problems += report(broken(frame, key_rule(spec)), frame, spec, raws, known)
    for name, frame in sorted(tables.items()):
        spec = _spec(dictionary, name)
        checks = rules(spec, known)
        if name == PARAMETERS:
            checks += check_parameters.parameter_rules(tables.get("derivations"))
        is_touched = above is None or name in above.tables
        find = evaluate if evaluate and is_touched else _direct
        problems += report(find(frame, spec, checks), frame, spec, raws, known)
    problems += _across(tables, below, above, dictionary, known, every_unit=every_unit)
    hidden = [ROW, FILE]
    for name in sorted(OPTIONAL & dictionary.tables.keys() - tables.keys()):
        tables[name] = pl.DataFrame(schema={**_spec(dictionary, name).schema, ROW: pl.Int64(), FILE: pl.String()})
    parameters = tables.pop(PARAMETERS, None)
    targets = tables.pop(check_targets.TARGETS, None)
    return Examined(
        tables={name: frame.drop(hidden) for name, frame in sorted(tables.items())},
        parameters=pl.DataFrame() if parameters is None else _with_file(parameters).drop(hidden),
        targets=pl.DataFrame() if targets is None else targets.drop(hidden),
        problems=tuple(_of_matrix(_moved(problem, lines), raws) for problem in problems),
    )


def _direct(frame: pl.DataFrame, _spec: TableSpec, checks: Sequence[Rule]) -> list[tuple[Rule, int]]:
    return broken(frame, checks)


def _across(
    tables: Mapping[str, pl.DataFrame],
    below: _Read,
    above: _Read | None,
    dictionary: Dictionary,
    known: Known,
    *,
    every_unit: bool,
) -> list[Problem]:
    """Return the problems that span rows or tables."""
    problems = check_network.network(tables) + check_projects.projects(tables)
    bundled = (frame["unit"].drop_nulls().unique().to_list() for frame in below.tables.values() if "unit" in frame.columns)
    trusted = frozenset[str]() if every_unit else frozenset(unit for some in bundled for unit in some)
    problems += check_parameters.unknown_units(tables, trusted)
    if "targets/clauses" in tables:
        problems += check_targets.clause_indicators(tables["targets/clauses"], known.codes.get("indicator", {}))
    parameters, first = tables.get(PARAMETERS), below.tables.get(PARAMETERS)
    if parameters is not None:
        if check_targets.TARGETS in tables:
            problems += check_targets.city_shares(tables[check_targets.TARGETS], parameters)
        problems += check_parameters.mixed_years(parameters, above.tables.get(PARAMETERS) if above else None)
        if "levers" in tables:
            rows = parameters if first is None else pl.concat([first, parameters])  # the bundled unit counts
            problems += check_parameters.levers(tables["levers"], rows)
        if "correlations" in tables:
            problems += check_parameters.correlations(tables["correlations"], parameters)
    if first is not None:
        problems += check_parameters.mixed_units(first, above.tables.get(PARAMETERS) if above else None)
    for name, frame in sorted(above.tables.items() if above else ()):
        if name not in below.tables:
            continue
        spec = _spec(dictionary, name)
        on = ("parameter", "subject") if name == PARAMETERS else spec.key
        if not on:
            continue
        problems += check_parameters.slips(below.tables[name], frame, spec, on)
        if "unit" in spec.names and name not in {PARAMETERS, "levers"} and "unit" not in spec.key:
            problems += check_parameters.changed_units(below.tables[name], frame, spec.key)
    return problems


def _dictionary(base: Layer) -> tuple[RawTable | None, list[Problem]]:
    absent = [Problem(base.prefix + name, 0, "", "file.missing") for name in _NEEDED if name not in base.files]
    if absent:
        return None, absent
    file = f"{base.prefix}dictionary.csv"
    table, problems = parse_table("dictionary", file, base.files["dictionary.csv"])
    lacking = {"table", "column", "dtype"} - set(table.columns if table else ())
    if lacking:
        return None, [*problems, Problem(file, 1, min(lacking), "column.missing", values={"label_zh": "", "label_en": ""})]
    return table, []


def _read(layer: Layer, dictionary: Dictionary, names: Sequence[str]) -> _Read:
    """Return the typed tables of a layer; parameter files come as one table."""
    read = _Read({}, {}, [], {})
    groups: dict[str, list[pl.DataFrame]] = {}
    for path, data in sorted(layer.files.items()):
        file = layer.prefix + path
        if layer.is_pack and path in _HOUSE:
            read.problems.append(Problem(file, 0, "", "file.protected"))
            continue
        if path.lower().endswith(".toml") and path.startswith(_TOML_FOLDERS):
            if path.startswith("targets/"):
                targets, problems = check_targets.parse_targets(file, data)
                raw = targets.raw if targets else None
                read.lines[file] = targets.lines if targets else {}
                name = check_targets.TARGETS
            else:
                _, _, problems = check_targets.parse_toml(file, data)
                raw, name = None, path
            read.problems += problems
        elif (path.lower().endswith(".csv") or path in BINARY) and dictionary.spec(path.rpartition(".")[0]) is not None:
            stem = path.rpartition(".")[0]
            name = PARAMETERS if path.startswith("parameters/") else stem
            raw, problems = parse_table(stem, file, data)
            read.problems += problems
        else:
            if path not in _OTHER_FILES:
                read.problems.append(_unknown_file(file, path, names, is_pack=layer.is_pack))
            continue
        if raw is not None:
            read.raws[file] = raw
            frame, problems = typed(raw, _spec(dictionary, name))
            read.problems += problems
            groups.setdefault(name, []).append(frame)
    read.tables = {name: pl.concat(frames, rechunk=True) for name, frames in groups.items()}
    return read


def _known_files(base: Layer, dictionary: Dictionary) -> list[str]:
    tables = {f"{name}.csv" for name in dictionary.tables if "*" not in name}
    return sorted(tables | {path for path in base.files if path.lower().endswith((".csv", ".toml"))})


def _unknown_file(file: str, path: str, names: Sequence[str], *, is_pack: bool) -> Problem:
    suffix = path.rpartition(".")[2].lower()
    if suffix == "csv" and not is_pack:
        return Problem(file, 0, "", "file.unknown", variant="undescribed")
    leaf = path.rpartition("/")[2]
    hint = next((name for name in names if name.rpartition("/")[2] == leaf), "") or nearest(path, names)
    variant = "workbook" if suffix in {"xlsx", "xls", "xlsm", "et", "ods"} else ""
    return Problem(file, 0, "", "file.unknown", variant=variant, values={"hint": hint})


def _spec(dictionary: Dictionary, name: str) -> TableSpec:
    spec = dictionary.spec(name)
    return spec if spec is not None else TableSpec(name, ())


def _known(tables: Mapping[str, pl.DataFrame], dictionary: Dictionary) -> Known:
    codes: dict[str, dict[str, tuple[str, str]]] = {}
    if "codes" in tables:
        for name, code, zh, en in tables["codes"].select("list", "code", "label_zh", "label_en").iter_rows():
            codes.setdefault(str(name), {})[str(code)] = (str(zh), str(en))
    ids: dict[tuple[str, str], frozenset[str]] = {}
    for table, column in dictionary.referenced():
        if table in tables and column in tables[table].columns:
            ids[table, column] = frozenset(tables[table][column].drop_nulls().to_list())
    return Known(codes, ids)


def _with_file(parameters: pl.DataFrame) -> pl.DataFrame:
    stem = pl.col(FILE).str.strip_prefix("data/").str.replace(r"\.[cC][sS][vV]$", "")
    return parameters.with_columns(stem.alias(PARAMETER_FILE))


def _of_matrix(problem: Problem, raws: Mapping[str, RawTable]) -> Problem:
    """Return the problem of a matrix file without a line, which it has none, and with the pair beside a number."""
    if not problem.file.endswith(_MATRICES) or problem.row < _FIRST_ROW:
        return problem
    value = problem.value
    if problem.column == "t_per_year" and problem.file in raws:
        commodity, origin, destination = (raws[problem.file].cell(problem.row, c) for c in ("commodity", "origin", "destination"))
        value = f"{value} ({commodity}: {origin} - {destination})"
    return Problem(problem.file, 0, problem.column, problem.code, value, problem.variant, problem.values)


def _moved(problem: Problem, lines: Mapping[str, Mapping[tuple[int, str], int]]) -> Problem:
    """Return the problem of a target at the line of its key instead of the line of ``[[target]]``."""
    of_file = lines.get(problem.file, {})
    line = of_file.get((problem.row, problem.column))
    if problem.code == "column.unknown":
        line = min((at for (_, key), at in of_file.items() if key == problem.column), default=None)
    if line is None:
        return problem
    return Problem(problem.file, line, problem.column, problem.code, problem.value, problem.variant, problem.values)
