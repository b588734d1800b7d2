"""Types, rules and overlays of single tables, all taken from the dictionary.

A :class:`Rule` is a polars expression that is true where a row is wrong, with the code and column to report. One list of rules serves both
ways of checking: :func:`broken` evaluates it in one pass (every run does that, in milliseconds) and ``check_contract`` wraps the same
expressions into a pandera schema (``transport check``).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import polars as pl

from transport.check_files import FILE, ROW, RawTable
from transport.check_problems import Problem, nearest

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from transport.check_dictionary import ColumnSpec, TableSpec

#: Words that people and spreadsheets write for yes and no.
_BOOL = {"true": True, "yes": True, "1": True, "是": True, "false": False, "no": False, "0": False, "否": False}
#: What people write for "no value"; a cell of dashes and dots means the same.
_NOTHING = frozenset({"", "na", "n/a", "nan", "null", "none", "无", "空", "未知", "不详", "缺"})
#: Columns that hold the number which ``low`` and ``high`` enclose.
MAIN_COLUMNS: tuple[str, ...] = ("value", "t_per_year", "cost_cny")
_SOURCES = "sources"
_MISSING = frozenset({"value.missing", "source.missing"})
#: Ids look alike; only a close one is worth suggesting.
_ID_LIKENESS = 0.8
_NAME_LIKENESS = 0.7


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule of one table.

    Attributes
    ----------
    code, column, variant, values
        What to report, see :class:`~transport.check_problems.Problem`.
    bad
        Boolean expression over the typed table, true where a row breaks the rule, never null.
    allowed
        Values to suggest one from.
    """

    code: str
    column: str
    bad: pl.Expr
    variant: str = ""
    values: Mapping[str, object] = field(default_factory=dict)
    allowed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Known:
    """What codes and ids exist.

    Attributes
    ----------
    codes
        Code list -> code -> its Chinese and English label.
    ids
        ``(table, column)`` -> values that stand there.
    """

    codes: Mapping[str, Mapping[str, tuple[str, str]]]
    ids: Mapping[tuple[str, str], frozenset[str]]


def typed(raw: RawTable, spec: TableSpec) -> tuple[pl.DataFrame, list[Problem]]:
    """Return a table with the dictionary's columns and types, and what is wrong with its columns and numbers.

    Unknown columns are left out, absent ones and texts that are no number are null; ``_row`` and ``_file`` come last.
    """
    problems = _columns(raw, spec)
    present = set(raw.columns)
    casts = [_cast(c) if c.column in present else pl.lit(None, dtype=spec.schema[c.column]).alias(c.column) for c in spec.columns]
    frame = raw.frame.select(*casts, pl.col(ROW), pl.lit(raw.file).alias(FILE))
    numeric = [c for c in spec.columns if c.dtype != "text" and c.column in present]
    lost = [c for c in numeric if raw.frame[c.column].null_count() != frame[c.column].null_count()]
    for column in lost:
        name = column.column
        bad = raw.frame.filter(pl.col(name).is_not_null() & frame[name].is_null()).select(name, ROW)
        problems += [
            Problem(
                raw.file, row, name, "value.text", value=text, variant=_text_variant(text, column.dtype), values=column.labels
            )
            for text, row in bad.iter_rows()
        ]
    return frame, problems


def _columns(raw: RawTable, spec: TableSpec) -> list[Problem]:
    problems = []
    for name in raw.columns:
        if name not in spec.names:
            by_label = next((c.column for c in spec.columns if name in (c.label_zh, c.label_en)), "")
            hint = by_label or nearest(name, spec.names, cutoff=_NAME_LIKENESS)
            values = {"hint": hint, "known": ", ".join(spec.names)}
            problems.append(Problem(raw.file, 1, name, "column.unknown", values=values))
    problems += [
        Problem(raw.file, 1, c.column, "column.missing", values=c.labels)
        for c in spec.columns
        if c.required and c.column not in raw.columns
    ]
    return problems


def _cast(spec: ColumnSpec) -> pl.Expr:
    text = pl.col(spec.column)
    if spec.dtype == "text":
        return text
    if spec.dtype == "bool":
        return text.str.to_lowercase().replace_strict(_BOOL, default=None, return_dtype=pl.Boolean)
    number = text.cast(pl.Float64, strict=False)
    number = pl.when(number.is_finite()).then(number)
    if spec.dtype == "int":
        # spreadsheets write 2020 as 2020.0
        number = pl.when(number == number.round()).then(number).cast(pl.Int64)
    return number.alias(spec.column)


def _text_variant(text: str, dtype: str) -> str:
    """Return which wording of ``value.text`` helps with a text in a column of numbers."""
    if dtype == "bool":
        return "bool"
    if any("０" <= ch <= "９" or ch in "．，－％" for ch in text):
        return "fullwidth"
    if text.strip("-—–_./\\…*").casefold() in _NOTHING:
        return "empty"
    plain = text.replace(",", "").replace(" ", "")
    if plain != text and _is_number(plain):
        return "thousands"
    if _is_number(text):
        return "whole" if dtype == "int" else "plain"
    digits = text.lstrip("+-约近≈~<>≤≥ ")
    return "unit" if digits[:1].isdigit() else "plain"


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def rules(spec: TableSpec, known: Known) -> list[Rule]:
    """Return the rules of a table: each cell by its column's row of the dictionary, then rows with an interval or a life."""
    found = [rule for column in spec.columns for rule in _column_rules(column, known)]
    main = next((name for name in MAIN_COLUMNS if name in spec.names), None)
    if main and {"low", "high"} <= set(spec.names):
        value, low, high = pl.col(main), pl.col("low"), pl.col("high")
        bad = ((low > value) | (value > high) | (low > high)).fill_null(value=False)
        found.append(Rule("value.order", main, bad, values=spec.column(main).labels))
    if {"open_year", "close_year"} <= set(spec.names):
        found.append(Rule("year.order", "close_year", (pl.col("close_year") <= pl.col("open_year")).fill_null(value=False)))
    return found


def key_rule(spec: TableSpec) -> list[Rule]:
    """Return the rule that no key stands twice in a table (for one file set at a time, since a pack repeats keys on purpose)."""
    if not spec.key:
        return []
    return [Rule("key.duplicate", spec.key[0], ~pl.struct(spec.key).is_first_distinct(), values={"key": ", ".join(spec.key)})]


def _column_rules(spec: ColumnSpec, known: Known) -> list[Rule]:
    cell = pl.col(spec.column)
    values: dict[str, object] = dict(spec.labels) | {"unit": spec.unit}
    is_source = any(table == _SOURCES for table, _ in spec.references)
    found = []
    if spec.required:
        found.append(Rule("source.missing" if is_source else "value.missing", spec.column, cell.is_null(), values=values))
    low, high = spec.minimum, spec.maximum
    if spec.dtype in {"int", "float"} and (low is not None or high is not None):
        limits = {"minimum": "" if low is None else f"{low:.10g}", "maximum": "" if high is None else f"{high:.10g}"}
        variant = "both" if low is not None and high is not None else "minimum" if high is None else "maximum"
        below = cell < low if low is not None else pl.lit(value=False)
        above = cell > high if high is not None else pl.lit(value=False)
        found.append(
            Rule("value.range", spec.column, (below | above).fill_null(value=False), variant=variant, values=values | limits)
        )
    if spec.codes:
        allowed = list(known.codes.get(spec.codes, {}))
        code = "target.unknown_indicator" if spec.codes == "indicator" else "value.code"
        bad = ~cell.is_in(allowed).fill_null(value=True)
        found.append(Rule(code, spec.column, bad, values=values | {"list": spec.codes}))
    if spec.references:
        there = tuple(sorted(frozenset[str]().union(*(known.ids.get(pair, frozenset()) for pair in spec.references))))
        bad = ~cell.is_in(list(there)).fill_null(value=True)
        where = {"target": " / ".join(f"{table}.{column}" for table, column in spec.references)}
        found.append(
            Rule("source.unknown" if is_source else "id.dangling", spec.column, bad, values=values | where, allowed=there)
        )
    return found


def broken(frame: pl.DataFrame, checks: Sequence[Rule]) -> list[tuple[Rule, int]]:
    """Return every (rule, row index) that fails, by rule, in one pass over the table."""
    if not checks or frame.is_empty():
        return []
    marks = frame.select(rule.bad.alias(str(i)) for i, rule in enumerate(checks))
    flags = marks.select(pl.all().any()).row(0)
    return [(checks[i], int(row)) for i, failed in enumerate(flags) if failed for row in marks[str(i)].arg_true()]


def report(
    failures: Iterable[tuple[Rule, int]], frame: pl.DataFrame, spec: TableSpec, raws: Mapping[str, RawTable], known: Known
) -> list[Problem]:
    """Return the problems of failed rules: line, text as it stands in the file, suggestion."""
    problems = []
    for rule, index in failures:
        row = frame.row(index, named=True)
        line, file = int(row[ROW]), str(row[FILE])
        raw = raws[file]
        value = raw.cell(line, rule.column)
        if rule.code in _MISSING and (value or rule.column not in raw.columns):
            continue  # the text that is no number, or the column as a whole, is reported already
        values = dict(rule.values)
        if rule.code == "key.duplicate":
            value = ", ".join(_shown(row[name]) for name in spec.key)
            same = frame[:index].filter(pl.all_horizontal(pl.col(name).eq_missing(pl.lit(row[name])) for name in spec.key))
            values |= {"first": int(same[ROW][0]), "first_file": str(same[FILE][0])}
        elif rule.code == "value.range":
            unit = str(values["unit"] or row.get("unit") or "")
            values["hint"] = "" if unit == "dimensionless" else unit
        elif rule.code == "value.order":
            values |= {"low": _shown(row["low"]) or "-", "high": _shown(row["high"]) or "-"}
        elif rule.code == "year.order":
            values |= {"open": _shown(row["open_year"])}
        elif rule.code in {"value.code", "target.unknown_indicator"}:
            values |= _code_hint(value, known.codes.get(str(values["list"]), {}))
        elif rule.code in {"id.dangling", "source.unknown"}:
            values["hint"] = nearest(value, rule.allowed, cutoff=_ID_LIKENESS)
        problems.append(Problem(file, line, rule.column, rule.code, value=value, variant=rule.variant, values=values))
    return problems


def _shown(value: object) -> str:
    return "" if value is None else f"{value:.10g}" if isinstance(value, float) else str(value)


def _code_hint(value: str, codes: Mapping[str, tuple[str, str]]) -> dict[str, object]:
    """Return the code that an officer may have meant (a label, part of one, a slip of the pen) and what is allowed."""
    by_label = [code for code, names in codes.items() if value in names]
    by_part = [code for code, names in codes.items() if value and any(value in name for name in names)]
    listed = list(codes)
    hint = by_label[0] if by_label else by_part[0] if len(by_part) == 1 else nearest(value, listed)
    few = 12
    return {"hint": hint, "allowed": ", ".join(listed[:few]) + (" …" if len(listed) > few else "")}


def overlay(base: pl.DataFrame, pack: pl.DataFrame, key: Sequence[str]) -> pl.DataFrame:
    """Return the base table with the rows of a pack: same key replaces in place, a new key is added at the end."""
    if not key:
        return pl.concat([base, pack])
    order = "_order"
    numbered = base.with_row_index(order)
    places = numbered.select(*key, order)
    new = pack.unique(subset=list(key), keep="first", maintain_order=True).join(
        places, on=list(key), how="left", nulls_equal=True, maintain_order="left"
    )
    kept = numbered.join(new, on=list(key), how="anti", nulls_equal=True, maintain_order="left")
    joined = pl.concat([kept.select(new.columns), new])
    return joined.sort(order, nulls_last=True, maintain_order=True).drop(order)
