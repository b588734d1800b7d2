"""The headline under every reading, one plain sentence each: what is counted, against what, how much it changes, whether that is enough."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl

from transport.i18n import labels, t
from transport.layout import SCOPES
from transport.report.content import WEAK, Number, Table, columns, signed
from transport.scorecard import MET

if TYPE_CHECKING:
    from collections.abc import Mapping

    from transport.inputs import Inputs
    from transport.report.content import Cell
    from transport.report.source import Source

INTENSITY = "operating_co2_intensity"
TARGET_YEAR = 2030


def reading_rows(indicators: pl.DataFrame, inputs: Inputs, *, year: int = TARGET_YEAR) -> list[dict[str, Any]]:
    """Return every reading of the headline, by base, boundary and scope in the order of their codes.

    Parameters
    ----------
    indicators
        Result table ``indicators``.
    inputs
        For the order.
    year
        Year of the target.
    """
    order = {key: list(labels(inputs, key)) for key in ("base", "boundary")} | {"scope": list(SCOPES)}
    rows = indicators.filter(pl.col("id") == INTENSITY, pl.col("year") == year, pl.col("variant") == "").to_dicts()
    return sorted(rows, key=lambda row: tuple(order[key].index(row[key]) for key in ("base", "boundary", "scope")))


def reading_sentence(row: Mapping[str, Any], lang: str) -> str:
    """Return one reading in plain words.

    Parameters
    ----------
    row
        Of the result table ``indicators``, an intensity with boundary, scope and base.
    lang
        ``zh`` or ``en``.
    """
    parts = {key: t(f"report.{key}.{_key(row[key])}", lang) for key in ("boundary", "scope", "base")}
    change = round(float(row["value"]), 1)
    way = "level" if change == 0 else "fall" if change < 0 else "rise"
    made = t(f"report.reading_{way}", lang, **parts, year=row["year"], change=f"{abs(change):.1f}")
    if row["target"] is None:
        return made
    gap = float(row["value"]) - float(row["target"])
    verdict = t(f"report.reading_{row['verdict']}", lang, target=f"{abs(row['target']):g}", gap=f"{abs(gap):.1f}")
    return made + ("" if lang == "zh" else " ") + verdict


def _key(code: str) -> str:
    """Return a code as a key of the locale file."""
    return code.strip("+").replace("+", "_")


def matrix_table(source: Source) -> Table:
    """Return the matrix of readings: boundary and base down, scopes across, how many of the three meet the target."""
    rows = reading_rows(source.table("indicators"), source.inputs)
    boundaries, bases, scopes = (source.names(key) for key in ("boundary", "base", "scope"))
    found: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for row in rows:
        found.setdefault((row["base"], row["boundary"]), []).append(row)
    cells: list[tuple[Cell, ...]] = []
    last = ""
    for (base, boundary), block in found.items():
        met = sum(row["verdict"] in MET for row in block)
        values = [signed(row["value"], weak=row["quality"] in WEAK) for row in block]
        cells.append((bases[base] if base != last else "", boundaries[boundary], *values, f"{met}/{len(block)}"))
        last = base
    line = next(one for one in source.lines if one.id == INTENSITY)
    say = source.say
    return Table(
        "matrix",
        say("matrix.title", year=TARGET_YEAR),
        say("matrix.sheet"),
        columns(
            (say("matrix.base"), say("matrix.boundary"), *(scopes[scope] for scope in SCOPES), say("matrix.met")),
            (1.6, 2.4, 1.3, 1.3, 1.5, 0.9),
            (0, 1, 5),
        ),
        tuple(cells),
        unit="%",
        notes=(say("matrix.note", readings=line.readings, met=line.met, **headline_words(source)),),
        merged=(0,),
    )


def headline_words(source: Source) -> dict[str, str]:
    """Return boundary, scope and base of the headline in words."""
    row = source.inputs.table("indicators").filter(pl.col("id") == INTENSITY).row(0, named=True)
    return {key: source.names(key)[row[key]] for key in ("boundary", "scope", "base")}


def sentence_table(source: Source) -> Table:
    """Return one sentence per reading, with its value and verdict."""
    say, verdicts = source.say, source.names("verdict")
    rows: list[tuple[Cell, ...]] = []
    for number, row in enumerate(reading_rows(source.table("indicators"), source.inputs), 1):
        rows.append(
            (
                Number(float(number), str(number)),
                reading_sentence(row, source.lang),
                signed(row["value"], weak=row["quality"] in WEAK),
                verdicts[row["verdict"]],
            )
        )
    heads = (say("number"), say("sentences.reading"), say("sentences.change"), say("verdict"))
    return Table(
        "sentences",
        say("sentences.title", year=TARGET_YEAR),
        say("sentences.sheet"),
        columns(heads, (0.6, 7.0, 1.3, 1.3), (1, 3)),
        tuple(rows),
        notes=(say("sentences.note"),),
    )
