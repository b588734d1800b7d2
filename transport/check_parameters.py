"""Rules of parameters, levers and units that span rows or tables: distributions, one unit per parameter, formulas of derived values."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import polars as pl

from transport.check_files import FILE, ROW
from transport.check_problems import Problem, nearest
from transport.check_tables import Rule
from transport.params import EVERYWHERE, ranged_keys
from transport.sampling import Correlation, DesignError, joint

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from transport.check_dictionary import TableSpec

#: A pack's number this many times above or below the bundled one is taken for a slip of the unit (t for kg, t for 万吨).
SLIP = 1000.0
_SCALE_FREE = frozenset({"", "dimensionless", "percent", "1"})
_KEY = ("parameter", "subject", "year")
#: Code of an area as a subject.
_AREA = re.compile(r"\d{6}")

#: Where files of the bundled data are said to stand.
_BUNDLED = "data/"


def parameter_rules(derivations: pl.DataFrame | None) -> list[Rule]:
    """Return the rules of parameter rows that the dictionary cannot state for a single column."""
    low, high = pl.col("low").is_null(), pl.col("high").is_null()
    is_fixed = pl.col("distribution") == "fixed"
    found = [
        Rule("distribution.range", "distribution", (is_fixed & ~(low & high)).fill_null(value=False), variant="fixed"),
        Rule(
            "distribution.range",
            "distribution",
            (pl.col("distribution").is_in(["uniform", "triangular"]) & (low | high)).fill_null(value=False),
            variant="open",
        ),
    ]
    named: set[str] = set()
    if derivations is not None:
        for parameter, subject, year in derivations.select(_KEY).iter_rows():
            named.add(f"{parameter}|{subject}|{'' if year is None else year}")
    key = [pl.col("parameter"), pl.lit("|")]
    year = pl.col("year").cast(pl.String).fill_null("")
    # a formula without a year or with subject * stands for all of them
    keys = [
        pl.concat_str(*key, subject, pl.lit("|"), when)
        for subject in (pl.col("subject"), pl.lit("*"))
        for when in (year, pl.lit(""))
    ]
    has_formula = pl.any_horizontal(k.is_in(sorted(named)) for k in keys)
    missing = (pl.col("quality") == "derived") & ~has_formula
    found.append(Rule("quality.derived_without_formula", "quality", missing.fill_null(value=False)))
    return found


def mixed_years(rows: pl.DataFrame, pack: pl.DataFrame | None) -> list[Problem]:
    """Return a problem for each row without a year whose parameter and subject also have rows with one; rows of the pack come first."""
    keys = ["parameter", "subject"]
    has_year = pl.col("year").is_not_null()
    mixed = rows.filter(has_year.any().over(keys) & ~has_year.all().over(keys))
    to_blame = mixed.filter(~has_year)
    if pack is not None:
        changed = pack.join(mixed.select(keys).unique(), on=keys, how="semi", nulls_equal=True, maintain_order="left")
        to_blame = pl.concat(
            [changed, to_blame.join(changed.select(keys), on=keys, how="anti", nulls_equal=True, maintain_order="left")]
        )
    return [
        Problem(file, row, "year", "year.mixed", value=_year(year), values={"parameter": parameter, "subject": subject})
        for parameter, subject, year, row, file in to_blame.select(*keys, "year", ROW, FILE).iter_rows()
    ]


def _year(year: int | None) -> str:
    return "" if year is None else str(year)


def unknown_units(tables: Mapping[str, pl.DataFrame], trusted: frozenset[str] = frozenset()) -> list[Problem]:
    """Return a problem for each cell of a column ``unit`` that the unit registry cannot read.

    Parameters
    ----------
    tables
        Typed tables with ``_row`` and ``_file``.
    trusted
        Unit strings not to look up: the registry takes 0.6 s to load, and a run knows the units of the bundled tables.
    """
    problems = []
    for _, frame in sorted(tables.items()):
        if "unit" not in frame.columns:
            continue
        asked = set(frame["unit"].drop_nulls().unique().to_list()) - trusted
        if not asked:
            continue
        from transport.units import is_unit

        strange = sorted(unit for unit in asked if not is_unit(unit))
        for unit, row, file in frame.filter(pl.col("unit").is_in(strange)).select("unit", ROW, FILE).iter_rows():
            hint = nearest(unit, trusted | asked - set(strange))
            problems.append(Problem(file, row, "unit", "unit.unknown", value=unit, values={"hint": hint}))
    return problems


def mixed_units(base: pl.DataFrame, pack: pl.DataFrame | None) -> list[Problem]:
    """Return a problem for each parameter row whose unit differs from the bundled (or else the first) row of the parameter."""
    problems = []
    first = base.group_by("parameter", maintain_order=True).agg(pl.col("unit").first().alias("expected"))
    frames = [(base, first)]
    if pack is not None:
        new = pack.join(first, on="parameter", how="anti").group_by("parameter", maintain_order=True)
        frames.append((pack, pl.concat([first, new.agg(pl.col("unit").first().alias("expected"))])))
    for rows, expected in frames:
        differ = rows.join(expected, on="parameter", how="inner", maintain_order="left").filter(
            pl.col("unit") != pl.col("expected")
        )
        for parameter, unit, wanted, value, row, file in differ.select(
            "parameter", "unit", "expected", "value", ROW, FILE
        ).iter_rows():
            problems.append(mismatch(file, row, unit, wanted, value, parameter))
    return problems


def mismatch(file: str, row: int, unit: str, expected: str, value: float | None, subject: str) -> Problem:
    """Return the problem of a unit that differs from the expected one, with the converted value if there is one."""
    from transport.units import UnitError, conversion_factor, same_dimension

    values: dict[str, object] = {"expected": expected, "subject": subject, "unit": unit}
    try:
        if not same_dimension(unit, expected):
            return Problem(file, row, "unit", "unit.mismatch", value=unit, variant="dimension", values=values)
        factor = conversion_factor(unit, expected)
    except UnitError:
        return Problem(file, row, "unit", "unit.mismatch", value=unit, variant="dimension", values=values)
    values |= {"factor": f"{factor:.6g}", "hint": "" if value is None else f"{value * factor:.10g}"}
    return Problem(file, row, "unit", "unit.mismatch", value=unit, values=values)


def levers(table: pl.DataFrame, parameters: pl.DataFrame) -> list[Problem]:
    """Return the problems of levers: no such parameter row, not by area, a default outside the range or not neutral, another unit."""
    subjects: dict[str, set[str]] = {}
    units: dict[str, str] = {}
    for parameter, subject, unit in parameters.select("parameter", "subject", "unit").iter_rows():
        subjects.setdefault(parameter, set()).add(subject)
        units.setdefault(parameter, unit)
    neutral = {"add": 0.0, "scale": 1.0}
    problems = []
    for row in table.iter_rows(named=True):
        place = (str(row[FILE]), int(row[ROW]))
        parameter, subject, default = row["parameter"], row["subject"], row["default"]
        if parameter not in subjects:
            hint = nearest(str(parameter), subjects)
            problems.append(Problem(*place, "parameter", "lever.dangling", value=str(parameter), values={"hint": hint}))
            continue
        if subject != "*" and subject not in subjects[parameter]:
            values = {"hint": nearest(str(subject), subjects[parameter]), "parameter": parameter}
            problems.append(Problem(*place, "subject", "lever.dangling", value=str(subject), variant="subject", values=values))
        if row["by_area"]:
            strange = sorted(s for s in subjects[parameter] - {EVERYWHERE} if not _AREA.fullmatch(s))
            if subject != "*" or strange:
                listed = {"parameter": parameter, "strange": ", ".join(strange) or str(subject)}
                problems.append(Problem(*place, "by_area", "lever.by_area", value="true", values=listed))
        if row["operation"] in {"set", "add"} and row["unit"] and row["unit"] != units[parameter]:
            problems.append(mismatch(*place, row["unit"], units[parameter], None, parameter))
        low, high = row["min"], row["max"]
        if None not in (low, high, default) and not low <= default <= high:
            values = {"low": f"{low:.10g}", "high": f"{high:.10g}"}
            problems.append(Problem(*place, "default", "lever.default", value=f"{default:.10g}", values=values))
        elif default is not None and default != neutral.get(row["operation"], default):
            values = {"neutral": f"{neutral[row['operation']]:g}", "operation": row["operation"]}
            problems.append(
                Problem(*place, "default", "lever.default", value=f"{default:.10g}", variant="neutral", values=values)
            )
    return problems


def correlations(table: pl.DataFrame, parameters: pl.DataFrame) -> list[Problem]:
    """Return the problems of correlations: an input that does not exist or has no range, a pair that stands twice, numbers that contradict each other.

    Parameters
    ----------
    table
        Typed table ``correlations`` with ``_row`` and ``_file``.
    parameters
        All parameter rows with ``_file``.
    """
    subjects: dict[str, set[str]] = {}
    for parameter, subject in parameters.select("parameter", "subject").iter_rows():
        subjects.setdefault(parameter, set()).add(subject)
    ranged = set(ranged_keys(parameters))
    # a pack may give a bundled input one number without a range: its correlation then has nothing to act on
    packed = {str(p) for p, file in parameters.select("parameter", FILE).iter_rows() if not str(file).startswith(_BUNDLED)}
    problems: list[Problem] = []
    seen: dict[frozenset[tuple[str, str]], int] = {}
    pairs: list[Correlation] = []
    rows = [row for row in table.iter_rows(named=True) if None not in (row["correlation"], row["subject"], row["with_subject"])]
    for row in rows:
        place = (str(row[FILE]), int(row[ROW]))
        one, other = (row["parameter"], row["subject"]), (row["with_parameter"], row["with_subject"])
        for start, key in (("", one), ("with_", other)):
            if key[0] not in subjects:
                hint = nearest(str(key[0]), subjects)
                problems.append(
                    Problem(*place, f"{start}parameter", "correlation.unknown", value=str(key[0]), values={"hint": hint})
                )
            elif key not in ranged and not (place[0].startswith(_BUNDLED) and key[0] in packed):
                known = sorted(subject for parameter, subject in ranged if parameter == key[0])
                values = {"hint": nearest(key[1], known), "parameter": key[0]}
                problems.append(
                    Problem(*place, f"{start}subject", "correlation.unknown", value=key[1], variant="subject", values=values)
                )
        pair = frozenset((one, other))
        if one == other or pair in seen:
            values = {"first": seen.get(pair, place[1])}
            problems.append(
                Problem(*place, "with_subject", "correlation.matrix", value=str(other[1]), variant="twice", values=values)
            )
        elif one in ranged and other in ranged and abs(row["correlation"]) <= 1.0:
            pairs.append(Correlation(one, other, row["correlation"]))
        seen.setdefault(pair, place[1])
    try:
        joint(ranged, pairs)
    except DesignError as wrong:
        first = rows[0]
        problems.append(
            Problem(
                str(first[FILE]),
                0,
                "correlation",
                "correlation.matrix",
                values={"keys": "; ".join(" ".join(k) for k in wrong.keys)},
            )
        )
    return problems


def slips(base: pl.DataFrame, pack: pl.DataFrame, spec: TableSpec, on: Iterable[str]) -> list[Problem]:
    """Return a problem for each number of a pack that is :data:`SLIP` times above or below the bundled rows of the same thing.

    Parameters
    ----------
    base, pack
        Typed tables with ``_row`` and ``_file``.
    spec
        Their contract.
    on
        Columns that name the thing: the primary key, or parameter and subject. Shares and other numbers without a unit are left out.
    """
    keys = list(on)
    has_unit = "unit" in spec.names
    problems = []
    for column in (
        c for c in spec.columns if c.dtype == "float" and c.column not in {*keys, "low", "high", "lat", "lon", "min", "max"}
    ):
        if not has_unit and column.unit in _SCALE_FREE:
            continue
        positive = base.filter(pl.col(column.column) > 0)
        stats = positive.group_by(keys).agg(
            pl.col(column.column).min().alias("_low"),
            pl.col(column.column).max().alias("_high"),
            *([pl.col("unit").first().alias("_unit")] if has_unit else []),
        )
        both = pack.filter(pl.col(column.column) > 0).join(stats, on=keys, how="inner", nulls_equal=True, maintain_order="left")
        if has_unit:
            both = both.filter((pl.col("unit") == pl.col("_unit")) & ~pl.col("unit").is_in(sorted(_SCALE_FREE)))
        number = pl.col(column.column)
        far = both.filter((number >= SLIP * pl.col("_high")) | (number * SLIP <= pl.col("_low")))
        for row in far.iter_rows(named=True):
            unit = str(row["unit"] if has_unit else column.unit)
            value, bundled = float(row[column.column]), float(row["_high" if row[column.column] > row["_high"] else "_low"])
            values = column.labels | {"unit": unit, "bundled": f"{bundled:.10g}", "ratio": f"{value / bundled:.4g}"}
            problems.append(Problem(row[FILE], row[ROW], column.column, "value.magnitude", value=f"{value:.10g}", values=values))
    return problems


def changed_units(base: pl.DataFrame, pack: pl.DataFrame, key: Iterable[str]) -> list[Problem]:
    """Return a problem for each pack row that replaces a bundled row but has another unit."""
    keys = list(key)
    main = next((name for name in ("value", "t_per_year") if name in pack.columns), None)
    both = pack.join(
        base.select(*keys, pl.col("unit").alias("_unit")), on=keys, how="inner", nulls_equal=True, maintain_order="left"
    )
    differ = both.filter(pl.col("unit") != pl.col("_unit"))
    return [
        mismatch(row[FILE], row[ROW], row["unit"], row["_unit"], row[main] if main else None, str(row[keys[0]]))
        for row in differ.iter_rows(named=True)
    ]
