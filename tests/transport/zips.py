"""What the tests of zips share: their files, changed copies, and every problem found in them."""

from __future__ import annotations

import hashlib
import zipfile
from typing import TYPE_CHECKING, Any

from transport.bundle import SUMS, sums_text, write_zip
from transport.bundle_check import verify
from transport.check_problems import word, words

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


def members(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def rewritten(good: Path, changes: Mapping[str, bytes | None], *, sums: bool = False) -> Path:
    """Return a zip with other members; with ``sums`` the checksums are made to fit."""
    inside = {name: data for name, data in {**members(good), **changes}.items() if data is not None}
    if sums:
        inside[SUMS] = sums_text(
            {name: hashlib.sha256(data).hexdigest() for name, data in inside.items() if name != SUMS}
        ).encode()
    path = good.with_name("changed.zip")
    write_zip(path, inside)
    return path


def found(path: Path, rerun: Any = None) -> set[tuple[str, str, str]]:
    """Return file, column and code with variant of every problem, worded in both languages on the way."""
    verdict = verify(path, rerun=rerun)
    for lang in ("zh", "en"):
        assert len(words(verdict.problems, lang)) == len(verdict.problems)
        for one in verdict.remarks:
            assert word(one, lang).rule
    return {(one.file, one.column, f"{one.code}{':' if one.variant else ''}{one.variant}") for one in verdict.problems}
