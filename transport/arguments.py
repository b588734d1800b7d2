"""Options of the command line in the language of its reader: help from the locale files, and what argparse says itself."""

from __future__ import annotations

import argparse
import copy
import re
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, NoReturn, Self
from unicodedata import east_asian_width

from transport.i18n import LANGUAGES, t

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_LANGUAGE: ContextVar[str] = ContextVar("language of the command line", default=LANGUAGES[0])

#: What argparse says (without blanks at the end) -> key under ``argparse`` in the locale files.
_WORDS = {
    "usage:": "usage",
    "positional arguments": "positional",
    "options": "options",
    "%(prog)s: error: %(message)s": "error",
    "argument %(argument_name)s: %(message)s": "argument",
    "the following arguments are required: %s": "required",
    "one of the arguments %s is required": "one_required",
    "unrecognized arguments: %s": "unrecognized",
    "invalid choice: %(value)r (choose from %(choices)s)": "choice",
    "invalid %(type)s value: %(value)r": "value",
    "expected one argument": "expected_one",
    "expected at most one argument": "expected_at_most_one",
    "expected at least one argument": "expected_some",
    "not allowed with argument %s": "not_with",
    "ambiguous option: %(option)s could match %(matches)s": "ambiguous",
    "ignored explicit argument %r": "no_value",
}
#: A piece of text after which a line may end: a word, or one Chinese character, with the signs that stay with it.
_PIECE = re.compile(r"[（“]*(?:[^\s\u2e80-\uffef“”]+|[\u2e80-\uffef])[，。；：、）”]*\s*")


class Text(str):
    """Key of a help text that has placeholders, with their values beside it."""

    __slots__ = ("values",)

    values: dict[str, object]

    def __new__(cls, key: str, **values: object) -> Self:
        """Return a key of the locale files with the values of its placeholders."""
        made = super().__new__(cls, key)
        made.values = values
        return made


class Parser(argparse.ArgumentParser):
    """A parser whose ``help`` and ``description`` are keys of the locale files; they are read when help is asked for, not before."""

    def __init__(self, *, add_help: bool = True, **options: Any) -> None:
        super().__init__(add_help=False, formatter_class=_Formatter, **options)
        if add_help:
            self.add_argument("-h", "--help", action="help", default=argparse.SUPPRESS, help="help.shared.help")


class _Formatter(argparse.HelpFormatter):
    def add_text(self, text: str | None) -> None:
        super().add_text(text and _help(text))

    def start_section(self, heading: str | None) -> None:
        super().start_section(heading and _word(heading))

    def _expand_help(self, action: argparse.Action) -> str:
        shown = copy.copy(action)
        shown.help = _help(action.help or "")
        return super()._expand_help(shown)

    def _split_lines(self, text: str, width: int) -> list[str]:
        """Break lines by what a terminal shows: a Chinese character is two columns wide, and a line may end after it."""
        lines = [""]
        for piece in _PIECE.findall(text):
            if lines[-1] and _columns(lines[-1] + piece.rstrip()) > width:
                lines.append("")
            lines[-1] += piece
        return [line.rstrip() for line in lines]


def said(key: str, **values: object) -> str:
    """Return a text in the language of the command line that is being read."""
    return t(key, _LANGUAGE.get(), **values)


def refuse(key: str, **values: object) -> NoReturn:
    """Refuse the value of an option, in the language of the command line that is being read.

    Raises
    ------
    argparse.ArgumentTypeError
        Always.
    """
    raise argparse.ArgumentTypeError(said(key, **values))


def language_of(given: Sequence[str]) -> tuple[str, list[str]]:
    """Return the language that a command line asks for, and the other words of it.

    It is needed before the options are read: what is wrong with them is said in it. A wrong language is refused later.
    """
    early = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    early.add_argument("--lang", nargs="?", default=LANGUAGES[0])
    found, others = early.parse_known_args(given)
    return found.lang if found.lang in LANGUAGES else LANGUAGES[0], others


@contextmanager
def speaking(lang: str) -> Iterator[None]:
    """Let argparse speak a language while a command line is read.

    It takes its words through two names of its module that stand for gettext, which would want compiled catalogues and the
    language of the environment; they are given back afterwards.
    """
    words = vars(argparse)
    own = {name: words[name] for name in ("_", "ngettext")}
    token = _LANGUAGE.set(lang)
    words.update(_=_word, ngettext=lambda one, many, count: _word(one if count == 1 else many))
    try:
        yield
    finally:
        words.update(own)
        _LANGUAGE.reset(token)


def _help(key: str) -> str:
    return said(key, **key.values) if isinstance(key, Text) else said(key)


def _word(text: str) -> str:
    """Return what argparse says in the language of the reader; words that later versions say stay as they are."""
    bare = text.rstrip()
    return said(f"argparse.{_WORDS[bare]}") + text[len(bare) :] if bare in _WORDS else text


def _columns(text: str) -> int:
    return sum(2 if east_asian_width(sign) in "WF" else 1 for sign in text)
