"""Which numbers the workbook asks for: sheets in the order of a statistical yearbook, each line with the keys of the data rows behind it."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from transport.i18n import has_text, labels, parameter_labels, t

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from transport.inputs import Inputs

#: Sheets in order; their names stand in the locale files.
SHEETS = ("actuals", "freight", "ports", "vehicles", "additions", "urban", "airports", "energy", "green_travel", "power", "first")
PARAMETERS = "parameters"
_ROWS = Path(__file__).resolve().parent / "rows.csv"
#: Sources that are no publication; said in the language of the workbook.
_OWN_SOURCES = ("expert_judgement", "memory_2026", "derived_rows", "derived_in_note", "not_found")
#: Code lists in which the words of a subject are looked up, the first that has it.
_LISTS = (
    "area", "vehicle_class", "powertrain", "travel_mode", "mode", "carrier", "product", "commodity", "travel_purpose", "person_group",
    "length_band", "week", "ground_equipment", "aircraft_size", "city_class", "system", "station_energy", "subject",
)  # fmt: skip
#: Columns of a key after the name of its table.
PARAMETER_KEY = ("parameter", "subject", "year")
OBSERVED_KEY = ("series", "area", "period", "mode", "item")


@dataclass(frozen=True, slots=True)
class Line:
    """One number that can be filled in.

    Attributes
    ----------
    sheet, block, label, year
        Where it stands and what it is called; the year is empty where the number holds for every year.
    unit
        Unit it is asked in, for example ``wan_t/yr``.
    keys
        The data rows it becomes: ``parameters|name|subject|year`` or ``observed/table|series|area|period|mode|item``.
    value, low, high
        What the data say now, in ``unit``.
    source, quality
        Citation and quality code of that.
    decides
        Whether runs or verdicts read it; otherwise it is only held against their results.
    """

    sheet: str
    block: str
    label: str
    year: str
    unit: str
    keys: tuple[str, ...]
    value: float | None
    low: float | None
    high: float | None
    source: str
    quality: str
    decides: bool


def template_lines(inputs: Inputs, lang: str, first: Iterable[tuple[str, str]] = ()) -> list[Line]:
    """Return the lines of the workbook.

    Parameters
    ----------
    inputs
        Checked data, with a pack where one is in use: its numbers are the present ones.
    lang
        Language of the labels.
    first
        Parameters to ask for on the last sheet before its own: ``(parameter, subject)``, those that matter most first.
    """
    citations = cited(inputs, lang)
    source = _Source(inputs, lang, data_rows(inputs), citations, subject_words(inputs, lang))
    made = [line for row in _layout() for line in _expanded(row, source)]
    there = {key.rpartition("|")[0] for line in made for key in line.keys}
    names = parameter_labels(inputs, lang)
    extra = []
    for parameter, subject in first:
        if f"{PARAMETERS}|{parameter}|{subject}" in there:
            continue
        rows = inputs.own_parameters().filter(pl.col("parameter") == parameter, pl.col("subject") == subject)
        for year in rows["year"].to_list():
            key = f"{PARAMETERS}|{parameter}|{subject}|{'' if year is None else year}"
            what = {
                "sheet": "first",
                "block": t("template.block_first", lang),
                "label": t(
                    "template.parameter_of",
                    lang,
                    parameter=names.get(parameter, parameter),
                    subject=subject_label(subject, source.words, lang),
                ),
                "year": "" if year is None else str(year),
                "unit": str(rows["unit"][0]),
            }
            extra.append(_line(what, (key,), source))
    at = next((i for i, line in enumerate(made) if line.sheet == "first"), len(made))
    return _in_order([*made[:at], *extra, *made[at:]])


def subject_label(subject: str, words: Mapping[str, str], lang: str) -> str:
    """Return what a subject means: words of code lists and names of places, the parts of a compound one by one.

    Parameters
    ----------
    subject
        For example ``taxi``, ``210100.bus``, ``urban_bus:cng`` or ``Z_PT_BAYUQUAN``.
    words
        As :func:`subject_words` makes them.
    lang
        Language of the words.
    """
    if subject == "all":
        return t("template.all", lang)
    if subject in words:
        return words[subject]
    for mark in (":", "."):
        if mark in subject:
            return " ".join(subject_label(part, words, lang) for part in subject.split(mark))
    return subject


def unit_label(unit: str, lang: str) -> str:
    """Return a unit as the workbook writes it; one without a name stands as it is."""
    key = f"template.unit.{unit.replace('/', '_per_')}"
    return t(key, lang) if has_text(key, lang) else unit


def factor(unit: str, data_unit: str) -> float:
    """Return how many data units one unit of the workbook is; a yearly amount of a parameter is the same as an amount of a year's statistic.

    Raises
    ------
    UnitError
        If they measure different things.
    """
    from transport.units import UnitError, conversion_factor

    if unit == data_unit:
        return 1.0
    try:
        return conversion_factor(unit, data_unit)
    except UnitError:
        yearly = [u.removesuffix("/yr").removesuffix("/year") for u in (unit, data_unit)]
        return conversion_factor(*yearly)


def cited(inputs: Inputs, lang: str) -> dict[str, str]:
    """Return source -> citation; sources that are no publication in the language of the reader.

    Parameters
    ----------
    inputs
        Checked data.
    lang
        Language of the words.
    """
    citations = dict(inputs.table("sources").select("source", "citation").iter_rows())
    return citations | {code: t(f"template.source_{code}", lang) for code in _OWN_SOURCES if code in citations}


def layout_names(lang: str) -> dict[str, str]:
    """Return what the workbook calls parameters and series: the block they stand in, with the line where a name belongs to one line only."""
    lines: dict[str, set[tuple[str, str]]] = {}
    for row in _layout():
        for key in row["keys"].split(";"):
            lines.setdefault(key.split("|")[1], set()).add((row[f"block_{lang}"], row[f"label_{lang}"]))
    made = {}
    for name, places in lines.items():
        blocks, called = {block for block, _ in places}, {label for _, label in places}
        alone = len(places) == 1 and "{subject}" not in next(iter(called))
        if len(blocks) == 1:
            block = next(iter(blocks))
            made[name] = t("template.line_of", lang, block=block, label=next(iter(called))) if alone else block
    return made


def data_rows(inputs: Inputs) -> dict[str, dict[str, Any]]:
    """Return every row of the parameters and of the observed statistics by its key."""
    made: dict[str, dict[str, Any]] = {}
    for row in inputs.parameters.iter_rows(named=True):
        made["|".join((PARAMETERS, *(_text(row[c]) for c in PARAMETER_KEY)))] = row
    for name, table in inputs.tables.items():
        if name.startswith("observed/"):
            for row in table.iter_rows(named=True):
                made["|".join((name, *(_text(row[c]) for c in OBSERVED_KEY)))] = row
    return made


def _layout() -> list[dict[str, str]]:
    with _ROWS.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@dataclass(frozen=True, slots=True)
class _Source:
    """What lines are made from: the data, their rows by key, and words."""

    inputs: Inputs
    lang: str
    rows: Mapping[str, Mapping[str, Any]]
    citations: Mapping[str, str]
    words: Mapping[str, str]


def _expanded(row: Mapping[str, str], source: _Source) -> list[Line]:
    """Return the lines of one row of the layout: every subject and year."""
    inputs, lang = source.inputs, source.lang
    keys = row["keys"].split(";")
    subjects: Sequence[str] = row["subjects"].split() or [""]
    if row["subjects"] == "*":
        name = keys[0].split("|")[1]
        subjects = inputs.parameters.filter(pl.col("parameter") == name)["subject"].unique(maintain_order=True).to_list()
    areas = dict(inputs.table("networks/zones").select("zone_id", "area").iter_rows())
    made = []
    for subject in subjects:
        for year in row["years"].split() or [""]:
            values = {"subject": subject, "year": year, "area": areas.get(subject, "")}
            # a place that is no zone of the network (or of a pack's) has no statistic of its own
            mine = tuple(key.format(**values) for key in keys if values["area"] or "{area}" not in key)
            label = row[f"label_{lang}"].format(subject=subject_label(subject, source.words, lang) if subject else "")
            what = {"sheet": row["sheet"], "block": row[f"block_{lang}"], "label": label, "year": year, "unit": row["unit"]}
            made.append(_line(what, mine, source))
    return made


def _line(what: Mapping[str, str], keys: tuple[str, ...], source: _Source) -> Line:
    """Return a line with what the data say now: the first of its rows that has a number."""
    found: Mapping[str, Any] = next((source.rows[k] for k in keys if source.rows.get(k, {}).get("value") is not None), {})
    scale = factor(what["unit"], str(found["unit"])) if found else 1.0
    numbers = [None if found.get(n) is None else _tidy(found[n] / scale) for n in ("value", "low", "high")]
    code = str(found.get("source") or "")
    return Line(
        sheet=what["sheet"],
        block=what["block"],
        label=what["label"],
        year=what["year"],
        unit=what["unit"],
        keys=keys,
        value=numbers[0],
        low=numbers[1],
        high=numbers[2],
        source=source.citations.get(code, code),
        quality=str(found.get("quality") or ""),
        decides=any(key.startswith((PARAMETERS, "observed/actuals")) for key in keys),
    )


def _tidy(number: float) -> float:
    """Return a number without the last digits that a change of unit leaves behind."""
    return float(f"{number:.12g}")


def _in_order(lines: Sequence[Line]) -> list[Line]:
    """Return the lines by sheet and block, those of one label together and by year."""
    place: dict[tuple[str, ...], int] = {}
    for line in lines:
        for key in ((line.sheet,), (line.sheet, line.block), (line.sheet, line.block, line.label)):
            place.setdefault(key, len(place))
    return sorted(
        lines,
        key=lambda x: (
            SHEETS.index(x.sheet),
            place[x.sheet, x.block],
            place[x.sheet, x.block, x.label],
            x.year,
        ),
    )


def subject_words(inputs: Inputs, lang: str) -> dict[str, str]:
    """Return the words of codes that stand in subjects: code lists, stations and zones."""
    made: dict[str, str] = dict(inputs.table("networks/nodes").select("node_id", f"name_{lang}").iter_rows())
    zones = inputs.table("networks/zones").select("zone_id", "node_id").iter_rows()
    made |= {zone: made[node] for zone, node in zones if node in made}
    for name in reversed(_LISTS):
        made |= labels(inputs, name, lang)
    return made


def _text(value: object) -> str:
    return "" if value is None else str(value)
