"""The workbook as it is handed out: a sheet per subject of the yearbook, present numbers grey and locked, cells to fill in yellow.

The structure is protected without a password: it keeps a slip of the hand from moving a key, not a person from looking.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

from transport.i18n import labels, t
from transport.layout import QUALITY_ORDER
from transport.template.layout import SHEETS, unit_label
from transport.template.reader import DEFAULT_COLUMN, DEFAULTS, MARK

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from transport.inputs import Inputs
    from transport.template.layout import Line

#: Columns of a sheet of numbers: role and width in characters; the roles stand in a hidden row, so that heads may be in any language.
COLUMNS = {
    MARK: 2,
    "unit_code": 2,
    "label": 34,
    "year": 8,
    "unit": 12,
    "now": 13,
    "now_range": 19,
    "now_quality": 11,
    "now_source": 30,
    "use": 11,
    "value": 14,
    "low": 10,
    "high": 10,
    "source": 30,
    "quality": 13,
    "note": 26,
}
#: Columns of the sheet on which any other parameter can be given.
FREE_COLUMNS = {
    MARK: 2,
    "parameter": 34,
    "subject": 26,
    "year": 8,
    "unit": 16,
    "value": 14,
    "low": 10,
    "high": 10,
    "source": 30,
    "quality": 13,
    "note": 30,
}
FREE_ROWS = 60
#: Roles that are filled in.
_OPEN = frozenset({"value", "low", "high", "source", "quality", "note"})
_NUMBERS = frozenset({"value", "low", "high"})
_HIDDEN = frozenset({MARK, "unit_code"})
#: Row of the roles, counted from 0; heads follow it.
_ROLES, _HEADS = 3, 4
_GUIDES = 9
#: Quality that needs a formula in a table of its own, so that no cell of the workbook can state it.
_NEEDS_FORMULA = "derived"


def workbook_bytes(lines: Sequence[Line], inputs: Inputs, lang: str) -> bytes:
    """Return the workbook.

    Parameters
    ----------
    lines
        As :func:`transport.template.layout.template_lines` makes them.
    inputs
        Checked data.
    lang
        Language of all heads and notes.
    """
    import xlsxwriter

    file = io.BytesIO()
    book = xlsxwriter.Workbook(file, {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False})
    book.set_properties(
        {"title": t("template.title", lang), "comments": t("template.made_from", lang, data=inputs.data_hash[:12])}
    )
    pen = _Pen(book, lang)
    qualities = {code: label for code, label in labels(inputs, "quality", lang).items() if code in QUALITY_ORDER}
    present = [name for name in SHEETS if any(line.sheet == name for line in lines)]
    _guide(pen, present, lines, qualities, inputs.data_hash[:12])
    for name in present:
        _numbers(pen, name, [line for line in lines if line.sheet == name], qualities)
    _free(pen, qualities)
    book.close()
    return file.getvalue()


class _Pen:
    """The workbook with the formats that all sheets share."""

    def __init__(self, book: Any, lang: str) -> None:
        self.book, self.lang = book, lang
        font = {"font_name": "Microsoft YaHei" if lang == "zh" else "Calibri", "font_size": 10, "valign": "vcenter"}
        edge = {"border": 1, "border_color": "#BFBFBF"}
        digits = {"num_format": "#,##0.######"}
        kinds: dict[str, dict[str, object]] = {
            "title": {"bold": True, "font_size": 14},
            "plain": {"text_wrap": True, "valign": "top"},
            "head": {"bold": True, "bg_color": "#DCE6F1", "text_wrap": True, "align": "center", **edge},
            "block": {"bold": True, "bg_color": "#F2F2F2", **edge},
            "text": {"text_wrap": True, **edge},
            "grey": {"font_color": "#595959", "indent": 1, **edge},
            "year": {"align": "center", **edge},
            "number": {"font_color": "#595959", **digits, **edge},
            "open_number": {"bg_color": "#FFF9DB", "locked": False, **digits, **edge},
            "open_text": {"bg_color": "#FFF9DB", "locked": False, "text_wrap": True, "num_format": "@", **edge},
            "link": {"font_color": "#1F4E79", "underline": 1, **edge},
        }
        self.forms = {name: book.add_format(font | form) for name, form in kinds.items()}

    def sheet(self, name: str, widths: Mapping[str, int]) -> Any:
        """Return a new protected sheet with its columns, ready to print on A4 across."""
        sheet = self.book.add_worksheet(self.words(f"sheet_{name}"))
        for column, (role, wide) in enumerate(widths.items()):
            sheet.set_column(column, column, wide, None, {"hidden": role in _HIDDEN})
        sheet.protect("", {"format_columns": True, "format_rows": True, "autofilter": True, "sort": True})
        sheet.set_landscape()
        sheet.set_paper(9)
        sheet.fit_to_pages(1, 0)
        sheet.hide_gridlines(2)
        return sheet

    def words(self, key: str, **values: object) -> str:
        """Return a text of the template."""
        return t(f"template.{key}", self.lang, **values)


def _guide(pen: _Pen, present: Sequence[str], lines: Sequence[Line], qualities: Mapping[str, str], data: str) -> None:
    """Write the first sheet: how to fill in, what holds for all numbers, what stands on which sheet, what the qualities mean."""
    sheet = pen.sheet("guide", {MARK: 2, "what": 26, "text": 60, "count": 12})
    sheet.fit_to_pages(1, 1)
    sheet.write(0, 1, pen.words("title"), pen.forms["title"])
    sheet.set_row(0, 24)
    sheet.merge_range(1, 1, 1, 3, pen.words("made_from", data=data), pen.forms["plain"])
    row = 3
    for number in range(1, _GUIDES + 1):
        text = pen.words(f"guide_{number}")
        sheet.merge_range(row, 1, row, 3, text, pen.forms["plain"])
        sheet.set_row(row, 15.5 * (1 + sum(2 if ch > "\x7f" else 1 for ch in text) // 104))
        row += 1
    row += 1
    sheet.merge_range(row, 1, row, 3, pen.words("defaults"), pen.forms["block"])
    for name in DEFAULTS:
        row += 1
        sheet.write(row, 0, name)
        sheet.write(row, 1, pen.words(f"default{name}"), pen.forms["text"])
        sheet.write_blank(row, DEFAULT_COLUMN - 1, None, pen.forms["open_text"])
        if name == "_quality":
            _offer(sheet, row, row, DEFAULT_COLUMN - 1, qualities, pen)
    row += 2
    for column, key in enumerate(("sheet", "contents", "count"), start=1):
        sheet.write(row, column, pen.words(f"list_{key}"), pen.forms["head"])
    for name in present:
        row += 1
        title = pen.words(f"sheet_{name}")
        sheet.write_url(row, 1, f"internal:'{title}'!A1", pen.forms["link"], title)
        sheet.write(row, 2, pen.words(f"about_{name}"), pen.forms["text"])
        sheet.write(row, 3, sum(line.sheet == name for line in lines), pen.forms["number"])
    row += 1
    title = pen.words("sheet_free")
    sheet.write_url(row, 1, f"internal:'{title}'!A1", pen.forms["link"], title)
    sheet.write(row, 2, pen.words("about_free"), pen.forms["text"])
    sheet.write_blank(row, 3, None, pen.forms["number"])
    row += 2
    sheet.write(row, 1, pen.words("head_quality"), pen.forms["head"])
    sheet.merge_range(row, 2, row, 3, pen.words("quality_means"), pen.forms["head"])
    for code, label in qualities.items():
        row += 1
        sheet.write(row, 1, label, pen.forms["text"])
        sheet.merge_range(row, 2, row, 3, pen.words(f"quality_{code}"), pen.forms["text"])


def _heads(sheet: Any, pen: _Pen, name: str, columns: Mapping[str, int], fixed: int) -> None:
    """Write title, note, the hidden row of roles and the heads."""
    first = len([role for role in columns if role in _HIDDEN])
    sheet.write(0, first, pen.words(f"sheet_{name}"), pen.forms["title"])
    sheet.set_row(0, 24)
    sheet.write(1, first, pen.words(f"about_{name}"))
    for column, role in enumerate(columns):
        sheet.write(_ROLES, column, role)
        if role not in _HIDDEN:
            sheet.write(_HEADS, column, pen.words(f"head_{role}"), pen.forms["head"])
    sheet.set_row(_ROLES, None, None, {"hidden": True})
    sheet.set_row(_HEADS, 32)
    sheet.freeze_panes(_HEADS + 1, fixed)
    sheet.repeat_rows(_HEADS)


def _numbers(pen: _Pen, name: str, lines: Sequence[Line], qualities: Mapping[str, str]) -> None:
    """Write one sheet of numbers: a line per number, blocks under a head of their own."""
    sheet = pen.sheet(name, COLUMNS)
    _heads(sheet, pen, name, COLUMNS, 4)
    at = {role: column for column, role in enumerate(COLUMNS)}
    row, block = _HEADS, ""
    for line in lines:
        row += 1
        if line.block != block:
            block = line.block
            for role, column in at.items():
                if role not in _HIDDEN:
                    sheet.write(row, column, block if role == "label" else "", pen.forms["block"])
            row += 1
        span = "" if line.low is None or line.high is None else f"{line.low:,.10g} – {line.high:,.10g}"
        shown: dict[str, tuple[object, str]] = {
            MARK: (";".join(line.keys), "text"),
            "unit_code": (line.unit, "text"),
            "label": (line.label, "text"),
            "year": (int(line.year) if line.year else pen.words("every_year"), "year"),
            "unit": (unit_label(line.unit, pen.lang), "text"),
            "now": (line.value, "number"),
            "now_range": (span, "grey"),
            "now_quality": (qualities.get(line.quality, ""), "grey"),
            "now_source": (line.source[:120], "grey"),
            "use": (pen.words("use_decides" if line.decides else "use_compares"), "grey"),
        }
        for role, column in at.items():
            if role in shown:
                value, form = shown[role]
                sheet.write(row, column, value, pen.forms[form])
            else:
                sheet.write_blank(row, column, None, pen.forms["open_number" if role in _NUMBERS else "open_text"])
        sheet.set_row(row, 18)
    _rules(sheet, pen, at, _HEADS + 1, row, qualities)


def _free(pen: _Pen, qualities: Mapping[str, str]) -> None:
    """Write the sheet on which any other parameter can be given by its name."""
    sheet = pen.sheet("free", FREE_COLUMNS)
    _heads(sheet, pen, "free", FREE_COLUMNS, 3)
    last = _HEADS + FREE_ROWS
    for row in range(_HEADS + 1, last + 1):
        for column, role in enumerate(FREE_COLUMNS):
            if role not in _HIDDEN:
                sheet.write_blank(row, column, None, pen.forms["open_number" if role in _NUMBERS else "open_text"])
    _rules(sheet, pen, {role: column for column, role in enumerate(FREE_COLUMNS)}, _HEADS + 1, last, qualities)


def _rules(sheet: Any, pen: _Pen, at: Mapping[str, int], first: int, last: int, qualities: Mapping[str, str]) -> None:
    """Let the cells of numbers take numbers only, and offer the qualities; what is pasted over it is found when the file is read."""
    for role in sorted(_NUMBERS):
        rule = {
            "validate": "decimal",
            "criteria": "between",
            "minimum": -1e15,
            "maximum": 1e15,
            "error_title": pen.words("only_numbers_title"),
            "error_message": pen.words("only_numbers"),
        }
        sheet.data_validation(first, at[role], last, at[role], rule)
    _offer(sheet, first, last, at["quality"], qualities, pen)


def _offer(sheet: Any, first: int, last: int, column: int, qualities: Mapping[str, str], pen: _Pen) -> None:
    rule = {
        "validate": "list",
        "source": [label for code, label in qualities.items() if code != _NEEDS_FORMULA],
        "input_title": pen.words("head_quality"),
        "input_message": pen.words("choose_quality"),
    }
    sheet.data_validation(first, column, last, column, rule)
