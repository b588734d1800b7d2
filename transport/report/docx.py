"""Reports as Word files, in the look of an official document (GB/T 9704): page, fonts with East Asian names, numbered captions, page numbers.

Fonts are named and not embedded: a computer without one of them takes the next best, which the file's own table of fonts names.
"""

from __future__ import annotations

import io
import re
from datetime import datetime
from itertools import zip_longest
from typing import TYPE_CHECKING, Any
from xml.sax.saxutils import escape, quoteattr

from docx import Document
from docx.enum.section import WD_ORIENT, WD_SECTION
from docx.enum.style import WD_STYLE_TYPE
from docx.enum.text import WD_ALIGN_PARAGRAPH, WD_LINE_SPACING, WD_TAB_ALIGNMENT, WD_TAB_LEADER
from docx.oxml import OxmlElement, parse_xml
from docx.oxml.ns import nsdecls, qn
from docx.shared import Mm, Pt, Twips

from transport.report.content import Figure, Table, Text, written
from transport.report.figures import picture

if TYPE_CHECKING:
    from docx.document import Document as Word
    from docx.styles.style import ParagraphStyle
    from docx.text.paragraph import Paragraph

    from transport.report.content import Block, Column, Report
    from transport.report.fonts import Font

#: Page and margins [mm]: top, bottom, left, right.
_PAGE = (210, 297)
_MARGINS = (37, 35, 28, 26)
_LATIN = "Times New Roman"
#: Name of a style -> (East Asian font, size [pt] in Chinese, in English).
_STYLES: dict[str, tuple[str, float, float]] = {
    "Normal": ("仿宋", 16.0, 11.0),
    "Title": ("方正小标宋简体", 22.0, 20.0),
    "Subtitle": ("楷体", 16.0, 13.0),
    "Heading 1": ("黑体", 16.0, 14.0),
    "List Bullet": ("仿宋", 14.0, 11.0),
    "Caption": ("黑体", 12.0, 10.5),
    "Contents": ("宋体", 12.0, 10.5),
    "Cell": ("宋体", 9.0, 8.5),
    "Note": ("宋体", 9.0, 8.5),
}
#: Fonts that not every computer has -> what stands in for them.
_STAND_INS = {"方正小标宋简体": "宋体", "仿宋": "仿宋_GB2312", "楷体": "楷体_GB2312", "黑体": "微软雅黑", "宋体": "新宋体"}
_LINE_PT = {"zh": 28.0, "en": 15.0}
_TWIPS_PER_MM = 1440 / 25.4
_PICTURE_MM = 150
#: Rows that stay with the heading of their table, and with its notes.
_KEPT = 2
#: A table of no more rows stands on one page.
_WHOLE = 12
#: Characters that a property of a file may have.
_LONGEST_REMARK = 255
#: Room beside the text of a cell [twips].
_CELL_MARGIN = 57
#: Width of a Latin letter or a digit in a table, a little generous for fonts that stand in [share of the size].
_LATIN_EM = 0.68
#: A longer word may be broken [characters].
_LONGEST_WORD = 14
#: The same of headings, which are bold.
_BOLD_EM = 0.76
#: What a column has room for at least, and the longest Chinese text that stands on one line [Chinese characters].
_NARROWEST, _UNBROKEN = 2, 5
_WORD = re.compile(r"[!-~]+")


def word_bytes(report: Report, font: Font) -> bytes:
    """Return a report as the bytes of a Word file.

    Parameters
    ----------
    report
        The document.
    font
        Font of the figures.
    """
    document = Document()
    _styles(document, report.lang)
    _page(document)
    properties = document.core_properties
    properties.title, properties.author, properties.subject = report.title, report.author, report.subtitle
    properties.created = properties.modified = datetime.fromisoformat(report.made)
    properties.language = "zh-CN" if report.lang == "zh" else "en-GB"
    properties.comments = _remark(report)
    document.add_paragraph(report.title, "Title")
    if report.subtitle:
        document.add_paragraph(report.subtitle, "Subtitle")
    document.element.body.insert(len(document.element.body) - 1, _lines(report))
    document.add_paragraph(report.warning, "Note")
    _contents(document, report)
    numbers = {id(table): i for i, table in report.tables()} | {id(figure): i for i, figure in report.figures()}
    wide = False
    for number, (heading, section) in enumerate(zip(report.headings(), report.sections, strict=True), 1):
        if section.wide != wide:
            wide = section.wide
            _turn(document, wide=wide)
        _bookmark(document.add_heading(heading, 1), number)
        for block, after in zip_longest(section.blocks, section.blocks[1:]):
            _block(document, block, numbers.get(id(block), 0), report, font, wide=wide)
            if isinstance(block, Text) and isinstance(after, Table | Figure):
                document.paragraphs[-1].paragraph_format.keep_with_next = True
    file = io.BytesIO()
    document.save(file)
    return file.getvalue()


def _remark(report: Report) -> str:
    """Return the lines below the title for the properties of the file, as many as the format has room for."""
    made = ""
    for label, value in report.lines:
        longer = f"{made}; {label}: {value}" if made else f"{label}: {value}"
        if len(longer) > _LONGEST_REMARK:
            break
        made = longer
    return made


# ---- page and styles ---------------------------------------------------------------------------------------------------------------


def _styles(document: Word, lang: str) -> None:
    """Name Latin and East Asian fonts on every style; the fonts of the theme would go before them."""
    for name in ("Contents", "Cell", "Note"):
        document.styles.add_style(name, WD_STYLE_TYPE.PARAGRAPH)
    defaults = document.styles.element.find(f"{qn('w:docDefaults')}/{qn('w:rPrDefault')}/{qn('w:rPr')}")
    _fonts(defaults, _STYLES["Normal"][0])
    languages = defaults.find(qn("w:lang"))
    if languages is not None:
        languages.set(qn("w:val"), "en-GB")
        languages.set(qn("w:eastAsia"), "zh-CN")
    for name, (font, chinese, english) in _STYLES.items():
        style: Any = document.styles[name]
        style.font.name = _LATIN
        style.font.size = Pt(chinese if lang == "zh" else english)
        style.font.color.rgb = None
        style.font.italic = False
        style.font.bold = name in {"Heading 1", "Title"} and lang == "en"
        _fonts(style.element.get_or_add_rPr(), font)
        _paragraphs(name, style, lang)
    _font_table(document)


def _paragraphs(name: str, style: ParagraphStyle, lang: str) -> None:
    shape = style.paragraph_format
    shape.space_before = shape.space_after = Pt(0)
    if name == "Normal":
        shape.line_spacing_rule, shape.line_spacing = WD_LINE_SPACING.EXACTLY, Pt(_LINE_PT[lang])
        shape.alignment = WD_ALIGN_PARAGRAPH.JUSTIFY
    elif name in {"Title", "Subtitle", "Caption"}:
        shape.alignment = WD_ALIGN_PARAGRAPH.CENTER
        shape.line_spacing_rule = WD_LINE_SPACING.SINGLE
        shape.space_before, shape.space_after = Pt(6), Pt(4 if name == "Caption" else 10)
    elif name == "Heading 1":
        shape.space_before, shape.space_after = Pt(14), Pt(6)
        shape.line_spacing_rule = WD_LINE_SPACING.SINGLE
        shape.alignment = WD_ALIGN_PARAGRAPH.LEFT
        shape.keep_with_next = True
    elif name == "List Bullet":
        shape.line_spacing_rule, shape.line_spacing = WD_LINE_SPACING.EXACTLY, Pt(24.0 if lang == "zh" else 14.5)
    else:
        shape.line_spacing_rule = WD_LINE_SPACING.SINGLE
        shape.alignment = WD_ALIGN_PARAGRAPH.LEFT
        shape.space_after = Pt({"Note": 2, "Contents": 4}.get(name, 0))
    if name == "Title":
        borders = style.element.get_or_add_pPr().find(qn("w:pBdr"))
        if borders is not None:
            style.element.get_or_add_pPr().remove(borders)


def _fonts(properties: Any, font: str) -> None:
    """Name the fonts in run properties, and take away those of the theme."""
    named = properties.find(qn("w:rFonts"))
    if named is None:
        named = OxmlElement("w:rFonts")
        properties.insert(0, named)
    for key in list(named.attrib):
        del named.attrib[key]
    for key, value in (("ascii", _LATIN), ("hAnsi", _LATIN), ("cs", _LATIN), ("eastAsia", font)):
        named.set(qn(f"w:{key}"), value)


def _font_table(document: Word) -> None:
    """Say in the table of fonts what stands in for those that not every computer has."""
    part: Any = next((p for p in document.part.package.iter_parts() if str(p.partname) == "/word/fontTable.xml"), None)
    if part is None:
        return
    entries = "".join(
        f'<w:font w:name={quoteattr(name)}><w:altName w:val={quoteattr(other)}/><w:charset w:val="86"/><w:family w:val="auto"/></w:font>'
        for name, other in _STAND_INS.items()
    )
    part._blob = part.blob.replace(b"</w:fonts>", entries.encode() + b"</w:fonts>")  # noqa: SLF001  (the library reads the part and never writes it)


def _page(document: Word) -> None:
    section = document.sections[0]
    section.page_width, section.page_height = Mm(_PAGE[0]), Mm(_PAGE[1])
    section.top_margin, section.bottom_margin, section.left_margin, section.right_margin = (Mm(value) for value in _MARGINS)
    section.footer_distance = Mm(28)
    footer = section.footer.paragraphs[0]
    footer.alignment = WD_ALIGN_PARAGRAPH.CENTER
    footer.style = document.styles["Cell"]
    footer.add_run("— ").font.size = Pt(14)
    footer._p.append(_field("PAGE", "1", 28))  # noqa: SLF001  (fields have no interface)
    footer.add_run(" —").font.size = Pt(14)


def _turn(document: Word, *, wide: bool) -> None:
    """Begin a page on its side, or upright again."""
    section = document.add_section(WD_SECTION.NEW_PAGE)
    top, bottom, left, right = _MARGINS
    if wide:
        section.orientation = WD_ORIENT.LANDSCAPE
        section.page_width, section.page_height = Mm(_PAGE[1]), Mm(_PAGE[0])
        top, bottom, left, right = left, right, top, bottom
        section.footer_distance = Mm(16)
    else:
        section.orientation = WD_ORIENT.PORTRAIT
        section.page_width, section.page_height = Mm(_PAGE[0]), Mm(_PAGE[1])
        section.footer_distance = Mm(28)
    section.top_margin, section.bottom_margin, section.left_margin, section.right_margin = (
        Mm(top),
        Mm(bottom),
        Mm(left),
        Mm(right),
    )


def _twips(*, wide: bool) -> int:
    """Return the width of the text [twips]."""
    margins = _MARGINS[0] + _MARGINS[1] if wide else _MARGINS[2] + _MARGINS[3]
    return round((_PAGE[1 if wide else 0] - margins) * _TWIPS_PER_MM)


# ---- blocks ------------------------------------------------------------------------------------------------------------------------


def _block(document: Word, block: Block, number: int, report: Report, font: Font, *, wide: bool) -> None:
    if isinstance(block, Text):
        _text(document, block, report.lang)
    elif isinstance(block, Table):
        _caption(document, "table", number, _titled(block, report), report).paragraph_format.keep_with_next = True
        document.element.body.insert(len(document.element.body) - 1, table_xml(block, _twips(wide=wide)))
        for i, note in enumerate(block.notes, 1):
            document.add_paragraph(note, "Note").paragraph_format.keep_with_next = i < len(block.notes)
        document.add_paragraph("", "Note")
    else:
        _figure(document, block, number, report, font)


def _text(document: Word, block: Text, lang: str) -> None:
    paragraph = document.add_paragraph(block.text, {"body": "Normal", "item": "List Bullet", "note": "Note"}[block.style])
    if block.style == "body" and lang == "zh":
        indent = paragraph._p.get_or_add_pPr().get_or_add_ind()  # noqa: SLF001  (indents in characters have no interface)
        indent.set(qn("w:firstLineChars"), "200")
        indent.set(qn("w:firstLine"), str(round(2 * 20 * _STYLES["Normal"][1])))
    elif block.style == "body":
        paragraph.paragraph_format.space_after = Pt(5)


def _figure(document: Word, figure: Figure, number: int, report: Report, font: Font) -> None:
    run = document.add_paragraph(style="Cell").add_run()
    run._r.getparent().get_or_add_pPr().get_or_add_jc().set(qn("w:val"), "center")  # noqa: SLF001  (see above)
    paragraph = document.paragraphs[-1]
    paragraph.paragraph_format.keep_with_next = True
    shape = run.add_picture(io.BytesIO(picture(figure, font.family)), width=Mm(_PICTURE_MM))
    described = shape._inline.docPr  # noqa: SLF001  (alternative texts have no interface)
    described.set("descr", figure.alt)
    described.set("title", figure.data.title)
    _caption(document, "figure", number, _titled(figure.data, report), report)
    for note in figure.data.notes:
        document.add_paragraph(note, "Note")


def _titled(table: Table, report: Report) -> str:
    """Return the title of a table or figure with its unit."""
    if not table.unit:
        return table.title
    return table.title + ("" if report.lang == "zh" else " ") + report.say("unit_in_title", unit=table.unit)


def _caption(document: Word, kind: str, number: int, title: str, report: Report) -> Paragraph:
    """Write a caption whose number is a field, so that Word can make a list of tables or figures of it."""
    paragraph = document.add_paragraph(style="Caption")
    word = report.say(f"caption_{kind}")
    paragraph.add_run(word + ("" if report.lang == "zh" else " "))
    paragraph._p.append(_field(f"SEQ {word} \\* ARABIC", str(number)))  # noqa: SLF001  (fields have no interface)
    paragraph.add_run(("　" if report.lang == "zh" else ". ") + title)
    return paragraph


def _field(code: str, text: str, half_points: int | None = None) -> Any:
    """Return a field with the text that stands there until the program works it out."""
    size = f'<w:rPr><w:sz w:val="{half_points}"/></w:rPr>' if half_points else ""
    return parse_xml(
        f"<w:fldSimple {nsdecls('w')} w:instr={quoteattr(code)}><w:r>{size}<w:t>{escape(text)}</w:t></w:r></w:fldSimple>"
    )


# ---- contents ----------------------------------------------------------------------------------------------------------------------


def _contents(document: Word, report: Report) -> None:
    """List the chapters as links with their pages: fields that stand empty until a program lays the pages out, for only that one knows them."""
    document.add_paragraph(report.say("contents"), "Caption").paragraph_format.space_before = Pt(18)
    for number, heading in enumerate(report.headings(), 1):
        paragraph = document.add_paragraph(style="Contents")
        paragraph.paragraph_format.tab_stops.add_tab_stop(Twips(_twips(wide=False)), WD_TAB_ALIGNMENT.RIGHT, WD_TAB_LEADER.DOTS)
        link = parse_xml(
            f'<w:hyperlink {nsdecls("w")} w:anchor="{_anchor(number)}" w:history="1">'
            f"<w:r><w:t>{escape(heading)}</w:t></w:r><w:r><w:tab/></w:r>"
            f'<w:fldSimple w:instr="PAGEREF {_anchor(number)} \\h" w:dirty="true"><w:r><w:t/></w:r></w:fldSimple></w:hyperlink>'
        )
        paragraph._p.append(link)  # noqa: SLF001  (links and fields have no interface)


def _anchor(number: int) -> str:
    return f"_Chapter{number}"


def _bookmark(heading: Paragraph, number: int) -> None:
    """Mark a heading as what the list of contents leads to."""
    start = parse_xml(f'<w:bookmarkStart {nsdecls("w")} w:id="{number}" w:name="{_anchor(number)}"/>')
    heading._p.insert_element_before(start, "w:r")  # noqa: SLF001  (bookmarks have no interface)
    heading._p.append(parse_xml(f'<w:bookmarkEnd {nsdecls("w")} w:id="{number}"/>'))  # noqa: SLF001


# ---- tables ------------------------------------------------------------------------------------------------------------------------


def _lines(report: Report) -> Any:
    """Return the lines below the title as a table without number."""
    total = _twips(wide=False)
    widths = (round(0.24 * total), total - round(0.24 * total))
    rows = "".join(
        f"<w:tr>{_cell(label, widths[0], 'left', bold=True)}{_cell(value, widths[1], 'left')}</w:tr>"
        for label, value in report.lines
    )
    return parse_xml(_table(rows, widths))


def table_xml(table: Table, twips: int) -> Any:
    """Return a table as an element of the document; written at once, for cell by cell the library needs minutes for long ones.

    Parameters
    ----------
    table
        The table.
    twips
        Width [twips].
    """
    widths = column_widths(table, twips)
    head = "".join(
        _cell(column.head, width, "center", shade=True, bold=True, keep=True)
        for column, width in zip(table.columns, widths, strict=True)
    )
    rows = [f"<w:tr><w:trPr><w:cantSplit/><w:tblHeader/></w:trPr>{head}</w:tr>"]
    count = len(table.rows)
    for i, row in enumerate(table.rows):
        is_kept = (i < _KEPT or i >= count - _KEPT or count <= _WHOLE) and (i < count - 1 or bool(table.notes))
        cells = []
        for j, (cell, column, width) in enumerate(zip(row, table.columns, widths, strict=True)):
            cells.append(
                _cell(written(cell), width, _side(column), merge=_merge(table, i, j), bold=i in table.bold, keep=is_kept)
            )
        rows.append(f"<w:tr><w:trPr><w:cantSplit/></w:trPr>{''.join(cells)}</w:tr>")
    return parse_xml(_table("".join(rows), widths))


def column_widths(table: Table, twips: int) -> tuple[int, ...]:
    """Return the widths of the columns [twips]: as the table asks for, but no number and no word is broken while others have room to give.

    Parameters
    ----------
    table
        The table.
    twips
        Width of all columns [twips].
    """
    whole = sum(column.width for column in table.columns)
    wanted = [twips * column.width / whole for column in table.columns]
    least = [_least(table, j) for j in range(len(table.columns))]
    if sum(least) >= twips:
        return tuple(round(twips * width / sum(least)) for width in least)
    short = [j for j, (width, low) in enumerate(zip(wanted, least, strict=True)) if width < low]
    while True:
        given = twips - sum(least[j] for j in short)
        rest = sum(width for j, width in enumerate(wanted) if j not in short)
        made = [least[j] if j in short else wanted[j] * given / rest for j in range(len(wanted))]
        more = [j for j in range(len(wanted)) if j not in short and made[j] < least[j]]
        if not more:
            return tuple(round(width) for width in made)
        short += more


def _least(table: Table, j: int) -> float:
    """Return the width below which a number or a word of a column would be broken [twips]."""
    column = table.columns[j]
    cells = [written(row[j]) for row in table.rows]
    wanted = [float(_NARROWEST)]
    for text, em in ((column.head, _BOLD_EM), *((cell, _LATIN_EM) for cell in cells)):
        wanted += [em * min(len(word), _LONGEST_WORD) for word in _WORD.findall(text)]
        if column.numeric and text != column.head:
            wanted.append(em * len(text))
        if len(text) <= _UNBROKEN:
            wanted.append(sum(em if character.isascii() else 1.0 for character in text))
    return 20.0 * _STYLES["Cell"][1] * max(wanted) + 2 * _CELL_MARGIN


def _side(column: Column) -> str:
    return "right" if column.numeric else "left"


def _merge(table: Table, i: int, j: int) -> str:
    """Return ``restart`` where a merged cell begins, ``continue`` below it, empty elsewhere."""
    if j not in table.merged:
        return ""
    if not written(table.rows[i][j]) and i > 0:
        return "continue"
    below = i + 1 < len(table.rows) and not written(table.rows[i + 1][j])
    return "restart" if below else ""


def _table(rows: str, widths: tuple[int, ...]) -> str:
    borders = "".join(
        f'<w:{side} w:val="single" w:sz="4" w:space="0" w:color="7f7f7f"/>'
        for side in ("top", "left", "bottom", "right", "insideH", "insideV")
    )
    grid = "".join(f'<w:gridCol w:w="{width}"/>' for width in widths)
    sides = "".join(f'<w:{side} w:w="{_CELL_MARGIN}" w:type="dxa"/>' for side in ("left", "right"))
    margins = f"<w:tblCellMar>{sides}</w:tblCellMar>"
    return (
        f'<w:tbl {nsdecls("w")}><w:tblPr><w:tblW w:w="{sum(widths)}" w:type="dxa"/><w:jc w:val="center"/>'
        f'<w:tblBorders>{borders}</w:tblBorders><w:tblLayout w:type="fixed"/>{margins}</w:tblPr><w:tblGrid>{grid}</w:tblGrid>{rows}</w:tbl>'
    )


def _cell(
    text: str, width: int, side: str, *, shade: bool = False, bold: bool = False, merge: str = "", keep: bool = False
) -> str:
    # numbers are not broken at their sign
    whole = "<w:noWrap/>" if side == "right" else ""
    fill = '<w:shd w:val="clear" w:color="auto" w:fill="e8eef4"/>' if shade else ""
    join = f'<w:vMerge w:val="{merge}"/>' if merge else ""
    kept = "<w:keepNext/>" if keep else ""
    strong = "<w:rPr><w:b/></w:rPr>" if bold else ""
    run = f'<w:r>{strong}<w:t xml:space="preserve">{escape(text)}</w:t></w:r>' if text else ""
    return (
        f'<w:tc><w:tcPr><w:tcW w:w="{width}" w:type="dxa"/>{join}{fill}{whole}<w:vAlign w:val="center"/></w:tcPr>'
        f'<w:p><w:pPr><w:pStyle w:val="Cell"/>{kept}<w:jc w:val="{side}"/></w:pPr>{run}</w:p></w:tc>'
    )
