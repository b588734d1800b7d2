"""Reports as Excel files: one sheet per table with frozen headings and numbers at full precision, native charts, a sheet of definitions."""

from __future__ import annotations

import io
import math
from datetime import datetime
from typing import TYPE_CHECKING, Any

import xlsxwriter

from transport.palette import TARGET_COLOUR
from transport.report.content import MARK, Number
from transport.text import width

if TYPE_CHECKING:
    from xlsxwriter.format import Format
    from xlsxwriter.workbook import Workbook
    from xlsxwriter.worksheet import Worksheet

    from transport.report.content import Cell, Figure, Report, Table

#: Rows above the data of a sheet: caption, unit, headings.
TOP = 3
_LONGEST = 31
_NARROW, _WIDE = 8.0, 60.0
_ROWS_OF_CHART = 24
#: Height of a line [pt].
_LINE = 15.0
#: Native chart of a shape.
_CHARTS: dict[str, dict[str, str]] = {
    "path": {"type": "line"},
    "area": {"type": "area", "subtype": "stacked"},
    "columns": {"type": "column", "subtype": "stacked"},
    "bars": {"type": "bar"},
    "waterfall": {"type": "bar"},
}
_FONT = "Microsoft YaHei"


def workbook_bytes(report: Report) -> bytes:
    """Return a report as the bytes of an Excel file.

    Parameters
    ----------
    report
        The document.
    """
    file = io.BytesIO()
    book = xlsxwriter.Workbook(
        file, {"in_memory": True, "strings_to_numbers": False, "strings_to_formulas": False, "strings_to_urls": False}
    )
    book.set_properties(
        {
            "title": report.title,
            "subject": report.subtitle,
            "author": report.author,
            "comments": "; ".join(f"{label}: {value}" for label, value in report.lines),
            "created": datetime.fromisoformat(report.made),
        }
    )
    styles = _Styles(book)
    names = sheet_names(report)
    _cover(book, report, names, styles)
    _definitions(book, report, styles)
    for number, table in report.tables():
        _table(book, names[f"table {number}"], table, f"{report.say('caption_table')} {number}", report, styles)
    for number, figure in report.figures():
        label = f"{report.say('caption_figure')} {number}"
        sheet = _table(book, names[f"figure {number}"], figure.data, label, report, styles, gaps=True)
        _chart(book, sheet, names[f"figure {number}"], figure)
    book.close()
    return file.getvalue()


def sheet_names(report: Report) -> dict[str, str]:
    """Return ``table 1``, ``figure 1`` ... -> name of the sheet, without the characters that Excel refuses and no longer than it allows."""
    made: dict[str, str] = {}
    for kind, items in (("table", report.tables()), ("figure", ((i, figure.data) for i, figure in report.figures()))):
        for number, table in items:
            text = f"{report.say(f'caption_{kind}')}{number} {table.sheet}"
            made[f"{kind} {number}"] = "".join(" " if c in "[]:*?/\\'" else c for c in text)[:_LONGEST].strip()
    return made


class _Styles:
    """Formats of cells, each made once."""

    def __init__(self, book: Workbook) -> None:
        self._book, self._made = book, {}  # type: ignore[var-annotated]

    def __call__(self, **wanted: Any) -> Format:
        key = tuple(sorted(wanted.items()))
        if key not in self._made:
            self._made[key] = self._book.add_format({"font_name": _FONT, "font_size": 10, "valign": "vcenter", **wanted})
        made: Format = self._made[key]
        return made


def _cover(book: Workbook, report: Report, names: dict[str, str], styles: _Styles) -> None:
    """Write title, identity and the list of sheets with links."""
    sheet = book.add_worksheet(report.say("cover"))
    sheet.hide_gridlines(2)
    sheet.set_column(0, 0, 22)
    sheet.set_column(1, 1, 90)
    sheet.write_string(0, 0, report.title, styles(bold=True, font_size=16))
    sheet.write_string(1, 0, report.subtitle, styles(font_size=12))
    at = 3
    for label, value in report.lines:
        sheet.write_string(at, 0, label, styles(bold=True))
        sheet.write_string(at, 1, value, styles(text_wrap=True))
        at += 1
    sheet.write_string(at + 1, 0, report.say("warning_label"), styles(bold=True))
    sheet.write_string(at + 1, 1, report.warning, styles(text_wrap=True))
    at += 3
    sheet.write_string(at, 0, report.say("sheets"), styles(bold=True))
    titles = {f"table {i}": table.title for i, table in report.tables()} | {
        f"figure {i}": figure.data.title for i, figure in report.figures()
    }
    linked = {
        report.say("definitions.sheet"): report.say("definitions.title"),
        **{names[key]: title for key, title in titles.items()},
    }
    for name, title in linked.items():
        at += 1
        sheet.write_url(at, 0, f"internal:'{name}'!A1", styles(font_color="#0563c1", underline=1), name)
        sheet.write_string(at, 1, title, styles(text_wrap=True))
    _printed(sheet)


def _definitions(book: Workbook, report: Report, styles: _Styles) -> None:
    """Write what the numbers mean: readings, method, difference to the base, sources, hashes."""
    sheet = book.add_worksheet(report.say("definitions.sheet"))
    sheet.set_column(0, 0, 26)
    sheet.set_column(1, 1, 110)
    head = styles(bold=True, bg_color="#e8eef4", border=1)
    sheet.write_row(0, 0, (report.say("definitions.item"), report.say("definitions.text")), head)
    for i, (label, text) in enumerate(report.definitions, 1):
        sheet.write_string(i, 0, label, styles(border=1, bold=True, text_wrap=True))
        sheet.write_string(i, 1, text, styles(border=1, text_wrap=True))
        sheet.set_row(i, _LINE * max(_lines(label, 26), _lines(text, 110)))
    sheet.freeze_panes(1, 1)
    sheet.repeat_rows(0)
    _printed(sheet)


def _table(
    book: Workbook, name: str, table: Table, label: str, report: Report, styles: _Styles, *, gaps: bool = False
) -> Worksheet:
    """Write one table: caption, unit, headings, numbers, notes."""
    sheet = book.add_worksheet(name)
    sheet.write_string(0, 0, f"{label}  {table.title}", styles(bold=True, font_size=12))
    if table.unit:
        sheet.write_string(1, 0, report.say("unit_row", unit=table.unit), styles(font_color="#555555"))
    head = styles(bold=True, bg_color="#e8eef4", border=1, text_wrap=True, align="center")
    widths = [_column_width(table, j) for j in range(len(table.columns))]
    for j, column in enumerate(table.columns):
        sheet.write_string(TOP - 1, j, column.head, head)
        sheet.set_column(j, j, widths[j])
    sheet.set_row(TOP - 1, _LINE * max(_lines(column.head, wide) for column, wide in zip(table.columns, widths, strict=True)))
    for i, row in enumerate(table.rows):
        bold = i in table.bold
        sheet.set_row(
            TOP + i,
            _LINE * max(1 if isinstance(cell, Number) else _lines(cell, wide) for cell, wide in zip(row, widths, strict=True)),
        )
        for j, cell in enumerate(row):
            # a chart draws a dash as zero, and an empty cell as nothing
            shown = "" if gaps and cell == "-" else cell
            _write(sheet, TOP + i, j, shown, styles, bold=bold, numeric=table.columns[j].numeric)
    at = TOP + len(table.rows) + 1
    # here the ground of a cell stands for the star that is printed in Word
    is_weak = any(isinstance(cell, Number) and cell.weak for row in table.rows for cell in row)
    notes = (*table.notes, *((report.say("ground_note", mark=MARK),) if is_weak else ()))
    for k, note in enumerate(notes):
        # over all columns and no further, for a chart may stand beside them
        sheet.merge_range(at + k, 0, at + k, len(widths) - 1, note, styles(font_color="#555555", font_size=9, text_wrap=True))
        sheet.set_row(at + k, _LINE * _lines(note, sum(widths)))
    frozen = 1 if len(table.columns) < 3 or table.columns[0].numeric is False else 2
    sheet.freeze_panes(TOP, frozen)
    _printed(sheet)
    sheet.repeat_rows(TOP - 1)
    return sheet


def _write(sheet: Worksheet, i: int, j: int, cell: Cell, styles: _Styles, *, bold: bool, numeric: bool) -> None:
    """Write one cell: a number as a number, one on unverified values on a light ground."""
    look: dict[str, Any] = {"border": 1} | ({"bold": True} if bold else {})
    if isinstance(cell, Number):
        if cell.weak:
            look |= {"bg_color": "#fff4d6"}
        sheet.write_number(i, j, cell.value, styles(num_format=cell.form, **look))
    elif not cell:
        sheet.write_blank(i, j, None, styles(**look))
    elif numeric:
        sheet.write_string(i, j, cell, styles(align="right", **look))
    else:
        sheet.write_string(i, j, cell, styles(text_wrap=True, indent=1, **look))


def _column_width(table: Table, j: int) -> float:
    """Return the width of a column: its longest cell, within bounds; headings wrap."""
    cells = (row[j] for row in table.rows)
    longest = max((width(cell.text if isinstance(cell, Number) else cell) for cell in cells), default=0)
    head = width(table.columns[j].head)
    return min(max(longest + 2.0, min(head + 2.0, 18.0), _NARROW), _WIDE)


def _lines(text: str, wide: float) -> int:
    """Return how many lines a text takes in a column."""
    return max(1, math.ceil(width(text) * 1.08 / wide))


def _printed(sheet: Worksheet) -> None:
    """Make a sheet fit the width of a page on its side."""
    sheet.set_landscape()
    sheet.set_paper(9)
    sheet.fit_to_pages(1, 0)


def _points(figure: Figure) -> list[dict[str, Any]]:
    """Return the colours of changes: falls, rises, and the last one as the total."""
    values = [row[1].value if isinstance(row[1], Number) else 0.0 for row in figure.data.rows]
    kinds = [int(value > 0) for value in values[:-1]] + [2]
    return [{"fill": {"color": figure.colours[kind]}} for kind in kinds]


def _chart(book: Workbook, sheet: Worksheet, name: str, figure: Figure) -> None:
    """Put a native chart that reads the cells of its sheet beside them."""
    table = figure.data
    chart = book.add_chart(_CHARTS[figure.shape])
    last = TOP + len(table.rows) - 1
    count = len(table.columns) - 1
    for j in range(1, count + 1):
        series: dict[str, Any] = {
            "name": [name, TOP - 1, j],
            "categories": [name, TOP, 0, last, 0],
            "values": [name, TOP, j, last, j],
        }
        colour = figure.colours[min(j - 1, len(figure.colours) - 1)]
        if figure.shape == "path":
            dashed = {"dash_type": "dash"} if j == count else {}
            series["line"] = {"color": TARGET_COLOUR if j == count else colour, "width": 2.25 if j == 1 else 1.25, **dashed}
        elif figure.shape == "waterfall":
            series |= {"points": _points(figure), "data_labels": {"value": True}, "gap": 40}
        else:
            series |= {"fill": {"color": colour}, "border": {"none": True}}
        chart.add_series(series)
    title = table.title + (f" - {figure.target_label}" if figure.target_label else "")
    chart.set_title({"name": title, "name_font": {"size": 12, "name": _FONT}, "overlay": False})
    values: dict[str, Any] = {
        "name": figure.axis,
        "name_font": {"bold": False},
        "major_gridlines": {"visible": True, "line": {"color": "#e3e3e3"}},
    }
    if figure.shape in {"bars", "waterfall"}:
        chart.set_x_axis(values | ({"min": 0, "max": 100} if figure.shape == "bars" else {}))
        chart.set_y_axis({"reverse": True, "label_position": "low", "crossing": "max"})
    else:
        chart.set_y_axis(values)
        chart.set_x_axis({"label_position": "low"})
    chart.set_legend({"none": True} if figure.shape == "waterfall" else {"position": "bottom"})
    rows = max(_ROWS_OF_CHART, len(table.rows) + 4 if figure.shape in {"bars", "waterfall"} else 0)
    chart.set_size({"width": 820, "height": 20 * rows})
    sheet.insert_chart(TOP - 1, len(table.columns) + 1, chart, {"description": figure.alt})
