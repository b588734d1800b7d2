"""Targets and other TOML files: syntax with its line, and each ``[[target]]`` as a row of the table ``targets/*.toml``.

A target becomes a row of texts, so that the dictionary checks its keys, codes and ranges like any other table.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import polars as pl

from transport.check_files import FILE, ROW, RawTable
from transport.check_problems import Problem, nearest

if TYPE_CHECKING:
    from collections.abc import Mapping

#: Indicator of the green travel target, and the parameter with which the city model works out what the target asks for.
_CITY_TARGET, _CITY_SHARE = "green_travel_share", "green_travel_target_share"
#: Difference between the two that is rounding [percent].
_SAME = 1e-9
#: Name of the targets in the dictionary.
TARGETS = "targets/*.toml"
_DECODE_LINE = re.compile(r"\(at line (\d+)")
_KEY_LINE = re.compile(r"""^\s*["']?([A-Za-z_][A-Za-z0-9_]*)["']?\s*=""")


@dataclass(frozen=True, slots=True)
class TargetTable:
    """The targets of one file.

    Attributes
    ----------
    raw
        One row per ``[[target]]``; ``_row`` is the line of its heading.
    lines
        ``(line of the heading, key)`` -> line of the key.
    """

    raw: RawTable
    lines: Mapping[tuple[int, str], int]


def parse_toml(file: str, data: bytes) -> tuple[dict[str, Any] | None, str, list[Problem]]:
    """Return the content of a TOML file (None if it cannot be read), its text, and what is wrong with it."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return None, "", [Problem(file, 0, "", "file.encoding", variant="toml")]
    try:
        return tomllib.loads(text), text, []
    except tomllib.TOMLDecodeError as broken:
        found = _DECODE_LINE.search(str(broken))
        line = int(found[1]) if found else text.count("\n") + 1
        source = text.split("\n")
        value = source[line - 1].strip() if line <= len(source) else ""
        return None, text, [Problem(file, line, "", "toml.syntax", value=value, values={"detail": str(broken)})]


def parse_targets(file: str, data: bytes) -> tuple[TargetTable | None, list[Problem]]:
    """Return the targets of a file, and what is wrong with the file."""
    content, text, problems = parse_toml(file, data)
    if content is None:
        return None, problems
    rows = content.get("target", [])
    if not isinstance(rows, list) or not rows or not all(isinstance(row, dict) for row in rows):
        return None, [Problem(file, 0, "", "file.empty", variant="targets")]
    starts = [i for i, line in enumerate(text.splitlines(), start=1) if re.match(r"^\s*\[\[\s*target\s*\]\]", line)]
    starts += [0] * (len(rows) - len(starts))
    shared = {"document": content.get("document"), "source": content.get("source")}
    cells = [shared | row for row in rows]
    columns = list(dict.fromkeys(name for row in cells for name in row))
    frame = pl.DataFrame(
        {name: [_text(row.get(name)) for row in cells] for name in columns}, schema={name: pl.String() for name in columns}
    ).with_columns(pl.Series(ROW, starts, dtype=pl.Int64))
    lines: dict[tuple[int, str], int] = {}
    start = 0
    for i, line in enumerate(text.splitlines(), start=1):
        start = i if i in starts else start
        key = _KEY_LINE.match(line)
        if key and start:
            lines.setdefault((start, key[1]), i)
    return TargetTable(RawTable(TARGETS, file, frame), lines), []


def _text(value: object) -> str | None:
    if value is None or value == "":
        return None
    return repr(value) if isinstance(value, float) else str(value)


def clause_indicators(clauses: pl.DataFrame, indicators: Mapping[str, object]) -> list[Problem]:
    """Return a problem for each word of a clause's ``indicator`` cell that is no indicator."""
    problems: list[Problem] = []
    if "indicator" not in clauses.columns:
        return problems
    for cell, row, file in clauses.select("indicator", ROW, FILE).drop_nulls().iter_rows():
        for name in cell.split():
            if name not in indicators:
                values = {
                    "hint": nearest(name, indicators),
                    "list": "indicator",
                    "allowed": ", ".join(list(indicators)[:12]) + " …",
                }
                problems.append(Problem(file, row, "indicator", "target.unknown_indicator", value=name, values=values))
    return problems


def city_shares(targets: pl.DataFrame, parameters: pl.DataFrame) -> list[Problem]:
    """Return a problem for each row of the target share of city travel that is not the green travel target of that year.

    Parameters
    ----------
    targets, parameters
        Rows of all layers with their file and line.
    """
    wanted = targets.filter(pl.col("id") == _CITY_TARGET, pl.col("value").is_not_null()).unique(
        ["year", "value"], keep="first", maintain_order=True
    )
    shares = parameters.filter(pl.col("parameter") == _CITY_SHARE, pl.col("value").is_not_null())
    problems: list[Problem] = []
    for target in wanted.iter_rows(named=True):
        for row in shares.iter_rows(named=True):
            if row["year"] in {None, target["year"]} and abs(100.0 * row["value"] - target["value"]) > _SAME:
                values = {"target": f"{target['value']:.10g}", "file_of_target": target[FILE], "line": target[ROW]}
                problems.append(
                    Problem(row[FILE], row[ROW], "value", "target.other_share", value=f"{row['value']:.10g}", values=values)
                )
    return problems
