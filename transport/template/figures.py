"""What a person means by a number: digits as they are typed in Chinese and English offices, and why a text is none.

Only what can mean one thing is taken: full-width digits, thousands commas in groups of three, a percentage. Everything else is refused with the
kind of mistake, so that nobody's ``1_000``, ``1,5`` or ``13.86亿吨`` becomes a number by guessing.
"""

from __future__ import annotations

import math
import re
from typing import NamedTuple

#: Full-width forms of ASCII, the space of Chinese input, the minus sign of mathematics, spaces that do not break.
_HALF = {code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)} | {0x3000: " ", 0x2212: "-", 0xA0: " ", 0x202F: " ", 0x2009: " "}
_PLAIN = re.compile(r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d{1,3})?", re.ASCII)
_GROUPED = re.compile(r"[+-]?[1-9]\d{0,2}(?:,\d{3})+(?:\.\d*)?", re.ASCII)
_DATE = re.compile(r"\d{1,4}[-/.年]\d{1,2}([-/.月]|$).*|\d{1,2}:\d{2}.*|\d{1,2}月.*", re.ASCII)
_ABOUT = re.compile(r"^[约近<>≤≥~≈]|\d.*(?:[左右余多上下~]|以内)$|\d\s*[~—–-]\s*\d", re.ASCII)
_BEGINS = re.compile(r"[+-]?\d", re.ASCII)
#: Texts that stand for no number.
_NOTHING = frozenset({"", "无", "空", "缺", "暂无", "不详", "未知", "没有", "none", "null", "na", "n/a", "nan", "unknown"})
_YEAR = re.compile(r"(\d{4})(?:\.0+)?\s*年?", re.ASCII)


class Figure(NamedTuple):
    """A text read as a number.

    Attributes
    ----------
    number
        The number, without the percent sign; None where the text is none.
    is_percent
        Whether it has a percent sign.
    fault
        Why it is none: ``error``, ``empty``, ``underscore``, ``date``, ``thousands``, ``about``, ``unit`` or ``text``; empty for a number.
    """

    number: float | None
    is_percent: bool
    fault: str


def read_figure(text: str) -> Figure:
    """Return what a text means as a number.

    Parameters
    ----------
    text
        Of a cell.

    Examples
    --------
    >>> read_figure("１，２３４．５").number
    1234.5
    >>> read_figure("12 %")
    Figure(number=12.0, is_percent=True, fault='')
    >>> read_figure("1_000").fault
    'underscore'
    """
    plain = text.translate(_HALF).strip()
    body = plain.removesuffix("%").rstrip()
    if _PLAIN.fullmatch(body) or _GROUPED.fullmatch(body):
        number = float(body.replace(",", ""))
        if math.isfinite(number):
            return Figure(number, plain.endswith("%"), "")
    return Figure(None, False, _fault(plain))


def read_year(text: str) -> str:
    """Return the four digits of a year as people write it, empty where the text is none.

    Parameters
    ----------
    text
        Of a cell, for example ``2024``, ``２０２４`` or ``2024年``.
    """
    found = _YEAR.fullmatch(text.translate(_HALF).strip())
    return found[1] if found else ""


def _fault(plain: str) -> str:
    """Return why a text is no number."""
    if plain.startswith("#"):
        return "error"
    if plain.strip("-—–_./\\…*").casefold() in _NOTHING:
        return "empty"
    if "_" in plain:
        return "underscore"
    if _DATE.fullmatch(plain):
        return "date"
    bare = re.sub(r"[, ']", "", plain)
    if bare != plain and _PLAIN.fullmatch(bare):
        return "thousands"
    if _ABOUT.search(plain):
        return "about"
    return "unit" if _BEGINS.match(plain) and not _PLAIN.fullmatch(plain) else "text"
