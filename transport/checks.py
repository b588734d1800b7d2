"""Checking the data: every problem of the bundled tables or of a data pack at once.

One source of rules, two ways to evaluate them. ``data/dictionary.csv`` becomes a list of rules per table
(:func:`transport.check_tables.rules`), each a polars expression with the code to report. ``transport check`` wraps them into pandera schemas
and reads the failure cases; ``transport run`` evaluates the same expressions in one pass per table, because importing pandera takes 2 s and
pint 0.6 s, more than reading all the data. What no frame contract can say (bytes and encodings, rows against other rows, tables against
tables, units, the network as a graph) stands in the ``check_*`` modules and runs in both.

Every finding is an error: a run starts only on data without findings.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from transport.check_contract import broken_contract
from transport.check_problems import format_finding, words
from transport.check_run import examine
from transport.inputs import data_folder, read_layers

if TYPE_CHECKING:
    from pathlib import Path

    from transport.findings import Finding

__all__ = ["check_data", "format_finding"]


def check_data(folder: Path | None = None, pack: Path | None = None, *, lang: str = "zh") -> list[Finding]:
    """Return every problem of a data folder and of a pack laid over it.

    Parameters
    ----------
    folder
        Data folder; the bundled one by default.
    pack
        Data pack, a folder or a zip file.
    lang
        Language of rule and remedy.

    Returns
    -------
    findings
        Sorted by file, line, column and code; empty if all is well.
    """
    base, over, problems = read_layers(folder or data_folder(), pack)
    found = examine(base, over, evaluate=broken_contract, every_unit=True)
    return words([*problems, *found.problems], lang)
