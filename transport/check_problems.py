"""A problem of the input data before it is put into words, and the words.

Checks return :class:`Problem` (no language in it); :func:`word` turns it into a :class:`~transport.findings.Finding` with the rule and the
remedy of ``locale/*.toml``, and :func:`format_finding` into the one line that the analyst reads.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING

from transport.findings import Finding
from transport.i18n import has_text, t

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

#: Longest cell text that a finding repeats.
_SHOWN = 60


@dataclass(frozen=True, slots=True)
class Problem:
    """One problem without words.

    Attributes
    ----------
    file, row, column, code, value
        As in :class:`~transport.findings.Finding`.
    variant
        Which wording of the code applies, for example ``thousands`` of ``value.text``; empty for the plain one.
    values
        Values of the placeholders. ``name_zh`` and ``name_en`` fill the placeholder ``name``. A value ``hint`` that is not empty chooses
        the remedy with a suggestion.
    """

    file: str
    row: int
    column: str
    code: str
    value: str = ""
    variant: str = ""
    values: Mapping[str, object] = field(default_factory=dict)


def word(problem: Problem, lang: str) -> Finding:
    """Return the finding of a problem in a language."""
    base = f"finding.{problem.code}"
    if problem.variant and has_text(f"{base}:{problem.variant}.rule", lang):
        base = f"{base}:{problem.variant}"
    ending = f"_{lang}"
    values = dict(problem.values) | {"value": problem.value, "column": problem.column, "file": problem.file, "row": problem.row}
    values |= {name.removesuffix(ending): value for name, value in problem.values.items() if name.endswith(ending)}
    remedy = f"{base}.remedy_hint" if values.get("hint") and has_text(f"{base}.remedy_hint", lang) else f"{base}.remedy"
    return Finding(
        file=problem.file,
        row=problem.row,
        column=problem.column,
        code=problem.code,
        value=problem.value,
        rule=t(f"{base}.rule", lang, **values),
        remedy=t(remedy, lang, **values),
    )


def words(problems: Iterable[Problem], lang: str) -> list[Finding]:
    """Return the findings of problems, each once, sorted by file, row, column and code."""
    return sorted({word(problem, lang) for problem in problems})


def format_finding(finding: Finding, lang: str = "zh") -> str:
    """Return a finding as one line: where, what stands there, what should hold, what to do, and the code."""
    place = "cell" if finding.row and finding.column else "row" if finding.row else "column" if finding.column else "file"
    value = "" if not finding.value else "_value"
    shown = finding.value.replace("\n", " ")
    return t(
        f"format.{place}{value}",
        lang,
        file=finding.file,
        row=finding.row,
        column=finding.column,
        value=shown if len(shown) <= _SHOWN else shown[: _SHOWN - 1] + "…",
        rule=finding.rule,
        remedy=finding.remedy,
        code=finding.code,
    )


def nearest(text: str, known: Iterable[str], *, cutoff: float = 0.6) -> str:
    """Return the known word nearest to a text, or an empty text if none is near; case and spaces do not count."""
    return _nearest(text.strip().casefold(), tuple(known), cutoff)


@lru_cache(maxsize=1024)
def _nearest(text: str, known: tuple[str, ...], cutoff: float) -> str:
    folded = {word.casefold(): word for word in known}
    found = difflib.get_close_matches(text, folded, n=1, cutoff=cutoff)
    return folded[found[0]] if found else ""
