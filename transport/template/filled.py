"""From the filled lines of a workbook to a data pack, through the same checks as any other pack; findings name the sheet, row and column.

A line becomes one row of a table, or two where a published figure is both a statistic and what the model is fitted to. The rows are laid over
the pack in use, if there is one, and with it over the bundled data in memory and examined; a problem of such a row is brought back to the cell
that was filled, in the unit it was filled in.
"""

from __future__ import annotations

import hashlib
import io
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from transport.check_problems import Problem, nearest, words
from transport.check_run import BINARY, Layer, examine
from transport.findings import DataError, Finding
from transport.i18n import LANGUAGES, labels, t
from transport.inputs import pack_files, read_layers
from transport.template.figures import read_figure, read_year
from transport.template.layout import OBSERVED_KEY, PARAMETER_KEY, PARAMETERS, data_rows, factor, unit_label
from transport.template.merge import laid_over
from transport.template.reader import DEFAULTS, Entry, Filled, in_sheet, read_workbook

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from transport.inputs import Inputs
    from transport.template.merge import Lines

#: Name of the table of parameters in the pack.
_PARAMETER_FILE = "parameters/filled_in.csv"
_PARAMETER_COLUMNS = (*PARAMETER_KEY, "value", "low", "high", "distribution", "unit", "source", "quality", "note")
_OBSERVED_COLUMNS = (
    *OBSERVED_KEY,
    "value",
    "low",
    "high",
    "unit",
    "principle",
    "used_for",
    "scope_break",
    "source",
    "quality",
    "footnote",
)
_SOURCE_COLUMNS = ("source", "citation", "publisher", "date", "licence", "location", "accessed")
_NUMBERS = ("value", "low", "high")
#: Role of a column of the workbook that a column of a table was made from.
_ROLE = {"distribution": "low", "footnote": "note", "citation": "source", "parameter": "parameter", "subject": "subject"}
#: A percentage at most a tenth of a percent to one, where the present value is this much or more, was meant as a fraction.
_FRACTION_FROM = 10.0
#: Codes of the check that say it in words of their own where the number was filled into a workbook, and those that name a unit.
_OWN_CODES = {"source.missing": "template.source", "value.magnitude": "template.scale", "distribution.range": "template.range"}
#: What is wrong with a quality, said alike: the workbook offers a list, and asks for no formulas.
_OF_QUALITY = frozenset({"value.missing", "value.code", "quality.derived_without_formula"})
_WITH_UNIT = frozenset({"value.magnitude", "value.range"})
#: What the check says of a cell that holds no number, which has been said already.
_OF_TEXT = frozenset({"value.text", "distribution.range"})
#: Units in which a percentage is written without its sign, and those in which it is a hundredth.
_PERCENT, _PLAIN = frozenset({"percent", "percent/yr"}), frozenset({"", "1", "dimensionless"})
#: Numbers this many times above or below another year of the same statistic are slips of the unit, as in the check of packs.
_SLIP = 1000.0


@dataclass(frozen=True, slots=True)
class Pack:
    """A data pack made from a workbook.

    Attributes
    ----------
    files
        Path in the pack -> content.
    lines
        How many lines of the workbook it holds.
    extends
        Name of the pack whose other rows it holds, empty if there is none.
    """

    files: Mapping[str, bytes]
    lines: int
    extends: str = ""


def pack_of_workbook(data: bytes, name: str, inputs: Inputs, *, lang: str = "zh") -> Pack:
    """Return the data pack of a filled workbook: with a pack in use that pack, with the filled rows in the place of its own.

    Parameters
    ----------
    data
        Content of the file.
    name
        Its name, for findings.
    inputs
        Checked data that it is laid over, with the pack in use.
    lang
        Language of the findings.

    Raises
    ------
    DataError
        With every finding at once: texts where numbers belong, numbers out of range or of another scale, sources and qualities that are
        missing or unknown, changed keys, formulas without a result.
    """
    filled = read_workbook(data, name)
    if not filled.entries:
        raise DataError(_once(words(filled.problems, lang), filled))
    maker = _Maker(filled, inputs)
    for entry in filled.entries:
        maker.take(entry)
    base, over, _ = read_layers(inputs.folder, inputs.pack)
    files = maker.files({} if over is None else over.files)
    found = examine(base, Layer(files, "", is_pack=True))
    of_tables = [maker.in_workbook(problem) for problem in found.problems if not maker.is_said(problem)]
    findings = _once([*words([*filled.problems, *maker.problems], lang), *words(of_tables, lang)], filled)
    if findings:
        raise DataError(findings)
    if inputs.pack is None:
        return Pack(files, len(filled.entries))
    # tables of other formats stay as they lie in the pack
    own = pack_files(inputs.pack)
    kept = {path: own[path] if path in BINARY else content for path, content in files.items()}
    return Pack(kept, len(filled.entries), inputs.pack.name)


def write_pack(pack: Pack, out: Path) -> None:
    """Write a pack as a folder, or as a zip file if the name ends in .zip; nothing that is there is overwritten.

    Parameters
    ----------
    pack
        What :func:`pack_of_workbook` made.
    out
        Where.

    Raises
    ------
    FileExistsError
        If the file or a folder with something in it is there already.
    """
    if out.exists() and (out.is_file() or any(out.iterdir())):
        raise FileExistsError(str(out))
    if out.suffix.lower() == ".zip":
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_bytes(zipped(pack))
        return
    for path, content in pack.files.items():
        place = out / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content)


def zipped(pack: Pack) -> bytes:
    """Return a pack as a zip file: the same bytes for the same rows."""
    import zipfile

    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, content in sorted(pack.files.items()):
            archive.writestr(zipfile.ZipInfo(path, (2000, 1, 1, 0, 0, 0)), content)
    return file.getvalue()


def _times(ratio: float) -> str:
    return f"{ratio:,.0f}" if ratio >= 10 else f"{ratio:.4g}"


def _labels(role: str) -> dict[str, Any]:
    """Return the placeholders of the head of a column in both languages."""
    return {f"label_{lang}": t(f"template.head_{role}", lang) for lang in LANGUAGES}


def _is_same(row: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Return whether two rows say the same of two years."""
    return all(row[name] == other[name] for name in ("subject", "area", "mode", "item") if name in row)


def _units(unit: str) -> dict[str, Any]:
    """Return the placeholders of a unit in both languages."""
    return {f"unit_{lang}": unit_label(unit, lang) for lang in LANGUAGES}


class _Maker:
    """Makes rows of tables from filled lines and remembers which cell each came from."""

    def __init__(self, filled: Filled, inputs: Inputs) -> None:
        self.problems: list[Problem] = []
        self._filled = filled
        self._rows: dict[str, list[dict[str, str]]] = {}
        self._origins: dict[tuple[str, int], tuple[Entry, float, str]] = {}
        self._sources: dict[str, tuple[str, Entry]] = {}
        self._seen: dict[str, tuple[Entry, float | None]] = {}
        self._unread: set[tuple[str, int, str]] = set()
        self._lines: Lines = {}
        self._known = data_rows(inputs)
        self._of_name: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
        for key, row in self._known.items():
            table, name = key.split("|")[:2]
            self._of_name.setdefault((table, name), []).append(row)
        self._qualities: dict[str, str] = {}
        for lang in LANGUAGES:
            self._qualities |= {label.casefold(): code for code, label in labels(inputs, "quality", lang).items()}

    def take(self, entry: Entry) -> None:
        """Turn one line into rows."""
        typed = "parameter" in entry.heads
        keys = self._typed_key(entry) if typed else entry.cells.get("key", "").split(";")
        for key in keys:
            self._take_key(entry, key, typed=typed)

    def _typed_key(self, entry: Entry) -> list[str]:
        """Return the key that a line of the free sheet spells out."""
        name, subject = entry.cells.get("parameter", ""), entry.cells.get("subject", "") or "all"
        if (PARAMETERS, name) not in self._of_name:
            near = nearest(name, {n for table, n in self._of_name if table == PARAMETERS})
            self._wrong(entry, "parameter", "template.key", value=name, variant="parameter", hint=near)
            return []
        subjects = {str(row["subject"]) for row in self._of_name[PARAMETERS, name]}
        if subject not in subjects:
            self._wrong(entry, "subject", "template.key", value=subject, variant="subject", hint=nearest(subject, subjects))
            return []
        said = entry.cells.get("year", "")
        year = read_year(said)
        if said and not year:
            self._wrong(entry, "year", "template.key", value=said, variant="year")
            return []
        return [f"{PARAMETERS}|{name}|{subject}|{year}"]

    def _take_key(self, entry: Entry, key: str, *, typed: bool) -> None:
        table, _, rest = key.partition("|")
        parts = rest.split("|")
        alike = self._of_name.get((table, parts[0]), [])
        columns = PARAMETER_KEY if table == PARAMETERS else OBSERVED_KEY
        if not alike or len(parts) != len(columns):
            self._wrong(entry, "key", "template.key", value=key[:60])
            return
        like = self._likeness(key, parts, alike)
        unit = entry.cells.get("unit_code", "") if not typed else str(like["unit"])
        try:
            scale = 1.0 if typed else factor(unit, str(like["unit"]))
        except ValueError:
            self._wrong(entry, "unit", "template.key", value=unit, variant="unit")
            return
        numbers = {role: self._number(entry, role, unit, scale) for role in _NUMBERS}
        same = self._seen.setdefault(key, (entry, numbers["value"]))
        if same[0] is not entry:
            if same[1] != numbers["value"]:
                said = entry.cells.get("value", "")
                self._wrong(entry, "value", "template.twice", value=said, sheet=same[0].sheet, first=same[0].row)
            return
        self._judge(entry, numbers, unit, scale, alike, like)
        # a text that is no number goes on as it is: its row still counts, and is looked at with the others
        texts = {role: entry.cells.get(role, "") if x is None else f"{x:.12g}" for role, x in numbers.items()}
        row = dict(zip(columns, parts, strict=True)) | texts
        row |= {"unit": entry.cells.get("unit", unit) if typed else str(like["unit"])}
        row |= {"source": self._source(entry), "quality": self._quality(entry)}
        note = entry.cells.get("note", "")
        shape: tuple[str, ...]
        if table == PARAMETERS:
            row |= {"distribution": "triangular" if texts["low"] or texts["high"] else "fixed", "note": note}
            path, shape = _PARAMETER_FILE, _PARAMETER_COLUMNS
        else:
            row |= {name: str(like[name] or "") for name in ("principle", "used_for", "scope_break")}
            row |= {"footnote": note}
            path, shape = f"{table}.csv", _OBSERVED_COLUMNS
        self._rows.setdefault(path, []).append({name: row.get(name, "") for name in shape})
        self._origins[path, len(self._rows[path]) + 1] = (entry, scale, unit)

    def _likeness(self, key: str, parts: Sequence[str], alike: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
        """Return the row that a line replaces, or the one nearest in kind: of the same series the one that shares most of its key."""
        if key in self._known:
            return self._known[key]
        columns = PARAMETER_KEY if key.startswith(f"{PARAMETERS}|") else OBSERVED_KEY
        return max(alike, key=lambda row: sum(str(row[c] or "") == part for c, part in zip(columns, parts, strict=True)))

    def _number(self, entry: Entry, role: str, unit: str, scale: float) -> float | None:
        """Return a number in the unit of the data; None for an empty cell, and for a text that is no number, which is reported."""
        said = entry.cells.get(role, "")
        figure = read_figure(said)
        is_hundredth = role in entry.percent  # the cell shows 23.8 % and holds 0.238
        fault = figure.fault
        if (figure.is_percent or is_hundredth) and unit not in _PERCENT | _PLAIN:
            fault = "percent"
        if fault or figure.number is None:
            if said:
                self._wrong(entry, role, "template.number", value=said, variant=fault, **_units(unit))
                self._unread.add((in_sheet(self._filled.name, entry.sheet), entry.row, entry.heads.get(role, "")))
            return None
        in_percent = 1.0 if figure.is_percent else 100.0 if is_hundredth else 0.0
        number = figure.number
        if in_percent and unit in _PERCENT:
            number *= in_percent
        elif figure.is_percent:
            number /= 100.0
        return number * scale

    def _judge(
        self,
        entry: Entry,
        numbers: Mapping[str, float | None],
        unit: str,
        scale: float,
        alike: Sequence[Mapping[str, Any]],
        like: Mapping[str, Any],
    ) -> None:
        """Report numbers that none of their kind could be: negative, above 100 %, nought, a fraction for a percentage, of another scale."""
        bundled = [float(row[n]) for row in alike for n in _NUMBERS if row[n] is not None]
        least = 0.0 if all(value >= 0 for value in bundled) and not unit.endswith("percent/yr") else None
        whole = 100.0 if unit == "percent" and all(0 <= value * (1 / scale) <= 100 for value in bundled) else None
        beyond = False
        for role, number in numbers.items():
            if number is not None and ((least is not None and number < least) or (whole is not None and number / scale > whole)):
                variant = "both" if whole is not None else "minimum"
                limits = {"minimum": "0", "maximum": "100"}
                self._wrong(entry, role, "value.range", value=entry.cells[role], variant=variant, **_labels(role), **limits)
                beyond = True
        value = numbers["value"]
        if beyond or value is None:
            return
        said_by, shown = entry.cells["value"], value / scale
        # a share may come to nothing where another of its kind does; a volume or a stock where it has before
        same = alike if unit in _PERCENT else [row for row in alike if _is_same(row, like)]
        before = [float(row[n]) for row in same for n in ("value", "low") if row[n] is not None]
        if shown == 0 and before and min(before) > 0:
            self._wrong(entry, "value", "template.zero", value=said_by, **_labels("value"))
            return
        if like["value"] is None:
            return
        now = float(like["value"]) / scale
        if unit == "percent" and now >= _FRACTION_FROM and 0 < shown < 1:
            meant = {"now": f"{now:.10g}", "meant": f"{shown * 100:.10g}"}
            self._wrong(entry, "value", "template.percent", value=said_by, **meant)
            return
        has_scale = unit not in _PERCENT and shown > 0 and now > 0
        if has_scale and not 1 / _SLIP < shown / now < _SLIP:
            ratio = {"bundled": f"{now:,.10g}", "ratio": _times(shown / now)}
            self._wrong(entry, "value", "template.scale", value=said_by, **_units(unit), **ratio)

    def _quality(self, entry: Entry) -> str:
        said = entry.cells.get("quality") or self._filled.defaults.get("_quality", "")
        return self._qualities.get(said.casefold(), said)

    def _source(self, entry: Entry) -> str:
        said = entry.cells.get("source") or self._filled.defaults.get("_source", "")
        if not said:
            return ""
        code = "filled_" + hashlib.sha256(said.encode()).hexdigest()[:10]
        self._sources.setdefault(said, (code, entry))
        return code

    def _wrong(self, entry: Entry, role: str, code: str, *, value: str, variant: str = "", **values: object) -> None:
        file = in_sheet(self._filled.name, entry.sheet)
        head = entry.heads.get(role) or entry.heads.get("label", "")
        self.problems.append(Problem(file, entry.row, head, code, value, variant, values))

    def files(self, present: Mapping[str, bytes]) -> dict[str, bytes]:
        """Return the tables of the pack as CSV: those of the pack in use, with the filled rows first."""
        office, date = (self._filled.defaults.get(name, "") for name in (DEFAULTS[0], DEFAULTS[3]))
        listed = []
        for citation, (code, entry) in self._sources.items():
            values = (code, citation, office, date, "", "", "")
            listed.append(dict(zip(_SOURCE_COLUMNS, values, strict=True)))
            self._origins["sources.csv", len(listed) + 1] = (entry, 1.0, "")
        rows = self._rows | ({"sources.csv": listed} if listed else {})
        made, self._lines = laid_over(present, rows)
        return made

    def is_said(self, problem: Problem) -> bool:
        """Return whether a problem of a table only repeats that a cell holds no number."""
        brought = self.in_workbook(problem)
        return problem.code in _OF_TEXT and (brought.file, brought.row, brought.column) in self._unread

    def in_workbook(self, problem: Problem) -> Problem:
        """Return a problem of a table at the cell that it came from, its numbers in the unit of the workbook."""
        origin = self._origins.get((problem.file, problem.row))
        if origin is None:
            return replace(problem, row=self._lines.get((problem.file, problem.row), problem.row))
        entry, scale, unit = origin
        role = _ROLE.get(problem.column, problem.column)
        if problem.file == "sources.csv" and problem.column in {"publisher", "date"}:
            role = "source"
        if problem.code == "year.mixed":
            role = "year" if "year" in entry.heads else "value"
        values = dict(problem.values)
        for name in ("bundled", "low", "high", "hint", "minimum", "maximum"):
            try:
                values[name] = f"{float(str(values[name])) / scale:,.10g}"
            except (KeyError, ValueError):
                continue
        if "ratio" in values:
            values["ratio"] = _times(float(str(values["ratio"])))
        if unit and problem.code in _WITH_UNIT:
            values |= _units(unit)
        code = _OWN_CODES.get(problem.code, problem.code)
        code = "template.quality" if role == "quality" and code in _OF_QUALITY else code
        variant = "" if code.startswith("template.") else problem.variant
        return Problem(
            in_sheet(self._filled.name, entry.sheet),
            entry.row,
            entry.heads.get(role, entry.heads.get("value", "")),
            code,
            entry.cells.get(role, ""),
            variant,
            values,
        )


def _once(findings: Iterable[Finding], filled: Filled) -> list[Finding]:
    """Return one finding per cell and kind, in the order of the workbook: a line that became two rows says it once."""
    kept: dict[tuple[str, int, str, str], Finding] = {}
    for finding in findings:
        kept.setdefault((finding.file, finding.row, finding.column, finding.code), finding)
    order = {in_sheet(filled.name, sheet): place for place, sheet in enumerate(filled.sheets)}
    return sorted(kept.values(), key=lambda finding: (order.get(finding.file, len(order)), finding))
