"""Texts in Chinese and English: ``t("key", lang, **values)`` from ``locale/*.toml``, labels of codes from ``codes.csv``, of parameters from ``parameter_labels.csv``.

Texts are whole sentences with named placeholders; nothing joins pieces of sentences. Both files hold the same keys and placeholders.
"""

from __future__ import annotations

import difflib
import tomllib
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import polars as pl

#: Languages of the program, the default first.
LANGUAGES: tuple[str, ...] = ("zh", "en")

#: What stands between the words of a list, and between its longer parts.
_MARKS = {"zh": ("、", "；"), "en": (", ", "; ")}
_LOCALE = Path(__file__).resolve().parent / "locale"


class TextError(KeyError):
    """Exception for a text key or a language that does not exist."""

    def __str__(self) -> str:
        """Return the message without the quotes that KeyError adds."""
        return str(self.args[0])


class _HasTables(Protocol):
    @property
    def tables(self) -> Mapping[str, pl.DataFrame]: ...


def listed(words: Iterable[str], lang: str, *, long: bool = False) -> str:
    """Return words as a list within a sentence.

    Parameters
    ----------
    words
        Names in the language.
    lang
        ``zh`` or ``en``.
    long
        Whether they are parts of a sentence that may hold commas themselves.
    """
    return _MARKS[lang][long].join(words)


def t(key: str, /, lang: str = "zh", **values: object) -> str:
    """Return the text of a key with its placeholders filled.

    Parameters
    ----------
    key
        Dotted path in the locale file, for example ``finding.value.range.rule``.
    lang
        ``zh`` or ``en``.
    **values
        Values of the named placeholders.

    Raises
    ------
    TextError
        If the key, the language or a placeholder's value is missing.
    """
    found = texts(lang)
    if key not in found:
        near = difflib.get_close_matches(key, found, n=1)
        msg = f"no text {key!r} in locale/{lang}.toml" + (f"; did you mean {near[0]!r}?" if near else "")
        raise TextError(msg)
    try:
        return found[key].format(**values)
    except KeyError as missing:
        msg = f"text {key!r} needs a value for {missing}"
        raise TextError(msg) from None


def has_text(key: str, lang: str = "zh") -> bool:
    """Return whether the locale file of a language holds a key."""
    return key in texts(lang)


@cache
def texts(lang: str) -> dict[str, str]:
    """Return all texts of a language by dotted key.

    Raises
    ------
    TextError
        If the language is unknown.
    """
    if lang not in LANGUAGES:
        msg = f"no language {lang!r}; use one of {', '.join(LANGUAGES)}"
        raise TextError(msg)
    with (_LOCALE / f"{lang}.toml").open("rb") as file:
        return dict(_flat(tomllib.load(file)))


def _flat(node: Mapping[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    for name, value in node.items():
        if isinstance(value, dict):
            found += _flat(value, f"{prefix}{name}.")
        else:
            found.append((prefix + name, str(value)))
    return found


def label(source: _HasTables | pl.DataFrame, list_name: str, code: str, lang: str = "zh") -> str:
    """Return the label of a code; a code without a label is returned as it is.

    Parameters
    ----------
    source
        The inputs, or the table ``codes`` (list, code, label_zh, label_en).
    list_name
        Code list, for example ``indicator``.
    code
        The code.
    lang
        ``zh`` or ``en``.
    """
    return labels(source, list_name, lang).get(code, code)


def labels(source: _HasTables | pl.DataFrame, list_name: str, lang: str = "zh") -> dict[str, str]:
    """Return code -> label of one code list, in the order of the table.

    Raises
    ------
    TextError
        If the code list does not exist.
    """
    # the command line and the start of the app need texts and no table
    import polars as pl

    codes = source if isinstance(source, pl.DataFrame) else source.tables["codes"]
    rows = codes.filter(pl.col("list") == list_name)
    if rows.is_empty():
        near = difflib.get_close_matches(list_name, codes["list"].unique().sort().to_list(), n=1)
        msg = f"no code list {list_name!r}" + (f"; did you mean {near[0]!r}?" if near else "")
        raise TextError(msg)
    return dict(zip(rows["code"].to_list(), rows[f"label_{lang}"].to_list(), strict=True))


def parameter_labels(source: _HasTables, lang: str = "zh") -> dict[str, str]:
    """Return parameter -> what it is called, from the table ``parameter_labels``; empty for data without it.

    Parameters
    ----------
    source
        The inputs.
    lang
        ``zh`` or ``en``.
    """
    if "parameter_labels" not in source.tables:
        return {}
    return dict(source.tables["parameter_labels"].select("parameter", f"label_{lang}").iter_rows())


def column_label(source: _HasTables, table: str, column: str, lang: str = "zh") -> str:
    """Return the label of a table's column from the dictionary; an undescribed column keeps its name."""
    import polars as pl

    rows = source.tables["dictionary"].filter(pl.col("table") == table, pl.col("column") == column)
    return column if rows.is_empty() else str(rows[f"label_{lang}"][0])
