"""What a report is made of: sections of paragraphs, tables and figures with numbers at full precision beside the text that is printed.

A table says how it is written in Word (the text of a cell) and in Excel (the value of a cell) at once, so that the two cannot differ by more
than the digits shown. Captions are numbered here, in the order of the document.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

from transport.i18n import t
from transport.text import divisor, shown

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


#: Data qualities nobody has verified.
WEAK = frozenset({"assumption", "recalled"})
#: Mark of a number on unverified values.
MARK = "*"
#: Numbers of chapters.
_COUNT = "一二三四五六七八九十"

Kind: TypeAlias = Literal["scenario", "annual_evaluation"]
Shape: TypeAlias = Literal["path", "area", "columns", "bars", "waterfall"]


@dataclass(frozen=True, slots=True)
class Number:
    """A number in a table.

    Attributes
    ----------
    value
        On the reader's scale, at full precision.
    text
        As it is printed.
    weak
        Whether it stands on values that nobody has verified.
    """

    value: float
    text: str
    weak: bool = False

    @property
    def form(self) -> str:
        """Return the number format of a spreadsheet that prints the text.

        Examples
        --------
        >>> Number(1234.5, "1,234.5").form, Number(-0.25, "-0.25").form, Number(0.25, "+0.25").form, Number(-9.5, "≤ -9.5").form
        ('#,##0.0', '0.00', '+0.00;-0.00;0.00', '"≤ "0.0;"≤ "-0.0')
        """
        sign, _, digits = self.text.rpartition(" ")
        decimals = len(digits.partition(".")[2])
        plain = ("#,##0" if "," in digits else "0") + ("." + "0" * decimals if decimals else "")
        if sign:
            # of one form for both, a spreadsheet writes the minus before the sign: -≤ 9.5
            return f'"{sign} "{plain};"{sign} "-{plain}'
        return f"+{plain};-{plain};{plain}" if digits.startswith("+") else plain


#: What stands in a cell.
Cell: TypeAlias = "str | Number"


@dataclass(frozen=True, slots=True)
class Column:
    """A column: its heading, its share of the width, and whether numbers stand in it."""

    head: str
    width: float = 1.0
    numeric: bool = True


@dataclass(frozen=True, slots=True)
class Table:
    """A table with its caption.

    Attributes
    ----------
    key
        Short name, unique in the report; the sheet of a workbook is named after the title.
    title
        Caption without its number.
    sheet
        Short title for a sheet of a workbook.
    columns, rows
        Headings and cells.
    unit
        Unit of all numbers, empty where a column names them.
    notes
        Sentences below the table.
    merged
        Columns in which an empty cell belongs to the cell above it.
    bold
        Rows that are totals, or the one the report is about.
    wide
        Whether it needs a page on its side.
    """

    key: str
    title: str
    sheet: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    unit: str = ""
    notes: tuple[str, ...] = ()
    merged: tuple[int, ...] = ()
    bold: frozenset[int] = frozenset()
    wide: bool = False


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure, drawn from a table: its first column holds the categories, each other one a series.

    Attributes
    ----------
    data
        What is drawn; its title and unit are those of the figure.
    shape
        ``path`` (lines over years, the second and third series as a band), ``area`` and ``columns`` (stacked over years), ``bars`` (one series across,
        a second as marks), ``waterfall`` (changes that add up to the last).
    axis
        Title of the axis of values.
    colours
        One per series.
    alt
        What is seen, in words.
    target
        Value of a target line.
    target_label
        What is written at it.
    """

    data: Table
    shape: Shape
    axis: str
    colours: tuple[str, ...]
    alt: str
    target: float | None = None
    target_label: str = ""


@dataclass(frozen=True, slots=True)
class Text:
    """A paragraph: ``body``, ``item`` of a list, or ``note`` in small print."""

    text: str
    style: Literal["body", "item", "note"] = "body"


Block: TypeAlias = "Text | Table | Figure"


@dataclass(frozen=True, slots=True)
class Section:
    """A chapter: its heading without number, what follows it, and whether it is an annex."""

    title: str
    blocks: tuple[Block, ...] = ()
    annex: bool = False

    @property
    def wide(self) -> bool:
        """Return whether its pages lie on their side."""
        return any(isinstance(block, Table) and block.wide for block in self.blocks)


@dataclass(frozen=True, slots=True)
class Report:
    """A whole report.

    Attributes
    ----------
    kind, lang, name
        Kind, language, and the beginning of the names of its files.
    title, subtitle
        Of the first page.
    lines
        Label and text of the lines below the title.
    warning
        What must be known before anything is quoted.
    sections
        The document.
    definitions
        Label and text of what the numbers mean: readings, sources, difference to the base, hashes; a sheet of its own in the workbook.
    author
        Who stands in the properties of the files.
    made
        When the run was made, ISO 8601.
    """

    kind: Kind
    lang: str
    name: str
    title: str
    subtitle: str
    lines: tuple[tuple[str, str], ...]
    warning: str
    sections: tuple[Section, ...]
    definitions: tuple[tuple[str, str], ...]
    author: str
    made: str

    def say(self, key: str, /, **values: object) -> str:
        """Return a text of the section ``report`` in the language of the report."""
        return t(f"report.{key}", self.lang, **values)

    def headings(self) -> list[str]:
        """Return the headings of the sections with their numbers."""
        chapters, annexes, made = 0, 0, []
        for section in self.sections:
            if section.annex:
                annexes += 1
                made.append(self.say("annex_heading", number=chr(ord("A") + annexes - 1), title=section.title))
            else:
                chapters += 1
                number = _COUNT[chapters - 1] if self.lang == "zh" else str(chapters)
                made.append(self.say("heading", number=number, title=section.title))
        return made

    def tables(self) -> Iterator[tuple[int, Table]]:
        """Return the tables with their numbers, in the order of the document."""
        found = [block for section in self.sections for block in section.blocks if isinstance(block, Table)]
        yield from enumerate(found, 1)

    def figures(self) -> Iterator[tuple[int, Figure]]:
        """Return the figures with their numbers, in the order of the document."""
        found = [block for section in self.sections for block in section.blocks if isinstance(block, Figure)]
        yield from enumerate(found, 1)

    def table(self, key: str) -> Table:
        """Return the table of a key.

        Raises
        ------
        KeyError
            If the report has no such table.
        """
        for _, table in self.tables():
            if table.key == key:
                return table
        raise KeyError(key)


def amount(value: float | None, unit: str, lang: str, *, weak: bool = False) -> Cell:
    """Return a value on the reader's scale, a dash where there is none.

    Parameters
    ----------
    value
        In ``unit``.
    unit
        Unit of the tables.
    lang
        ``zh`` or ``en``.
    weak
        Whether it stands on unverified values.
    """
    if value is None:
        return "-"
    return Number(value / divisor(unit, lang), shown(value, unit, lang), weak)


def signed(value: float | None, digits: int = 1, *, weak: bool = False) -> Cell:
    """Return a change with its sign, a dash where there is none.

    Examples
    --------
    >>> signed(-0.01).text, signed(2.34).text, signed(None)
    ('0.0', '+2.3', '-')
    """
    if value is None:
        return "-"
    return Number(value, signed_text(value, digits), weak)


def signed_text(value: float, digits: int = 1) -> str:
    """Return a change with its sign as it is printed; none for what rounds to nought."""
    rounded = round(value, digits)
    return f"{rounded:+.{digits}f}" if rounded else f"{0.0:.{digits}f}"


def change(value: float | None, unit: str, lang: str) -> Cell:
    """Return a change of a value with its sign on the reader's scale, a dash where there is none."""
    if value is None:
        return "-"
    text = shown(abs(value), unit, lang)
    flat = not any(digit in "123456789" for digit in text)
    return Number(value / divisor(unit, lang), text if flat else f"{'-' if value < 0 else '+'}{text}")


def plain(value: float | None, digits: int = 1, *, weak: bool = False) -> Cell:
    """Return a number with a given number of digits, a dash where there is none."""
    return "-" if value is None else Number(value, f"{value:,.{digits}f}", weak)


def year(value: int) -> Cell:
    """Return a year."""
    return Number(float(value), str(value))


def written(cell: Cell) -> str:
    """Return the text of a cell, with the mark of unverified values."""
    return cell if isinstance(cell, str) else cell.text + (MARK if cell.weak else "")


def columns(heads: Sequence[str], widths: Sequence[float], text: Sequence[int] = (0,)) -> tuple[Column, ...]:
    """Return columns from headings and widths; those at ``text`` hold words."""
    return tuple(Column(head, width, i not in text) for i, (head, width) in enumerate(zip(heads, widths, strict=True)))
