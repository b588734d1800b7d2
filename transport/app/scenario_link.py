"""Scenarios in links and uploaded files: packed small, unpacked with care, checked like any scenario file."""

from __future__ import annotations

import base64
import binascii
import json
import re
import tempfile
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import ValidationError

from transport.check_problems import Problem, words
from transport.findings import DataError
from transport.scenario import ScenarioFile, load_scenario, scenario_names
from transport.scenario_sections import names_of
from transport.scenario_shelf import as_toml, contents, parsed

if TYPE_CHECKING:
    from transport.inputs import Inputs

#: Key of a packed scenario in a link.
KEY = "edit"
#: Longest text of a scenario that somebody sends, unpacked [bytes].
LONGEST = 200_000
#: Names of other files that a file from outside may say; a path would let it read what it likes.
_NAME = re.compile(r"[A-Za-z0-9_-]+")
#: What makes links and pictures of a text, and signs that cannot be seen.
_MARKUP = re.compile(r"[\x00-\x1f\x7f\u200b-\u200f\u2028-\u202e<>\[\]`]")
_LONGEST_TITLE, _LONGEST_ABOUT = 120, 2000
_FROM_LINK, _FROM_FILE = "link.toml", "upload.toml"


class LinkError(ValueError):
    """Exception for a text in a link that is no packed scenario."""


def packed(file: ScenarioFile) -> str:
    """Return a scenario as it stands in a link.

    Parameters
    ----------
    file
        The scenario.

    Examples
    --------
    >>> unpacked(packed(ScenarioFile(title_zh="例", set={"road_toll": {2030: 1.5}}))).set
    {'road_toll': {2030: 1.5}}
    """
    text = json.dumps(contents(file), ensure_ascii=False, separators=(",", ":"))
    return base64.urlsafe_b64encode(zlib.compress(text.encode(), 9)).decode().rstrip("=")


def unpacked(text: str) -> ScenarioFile:
    """Return the scenario of a link; its names and numbers are still to be checked.

    Raises
    ------
    LinkError
        If the text is no packed scenario, or a very long one.
    """
    try:
        squeezed = base64.b64decode(text.encode() + b"=" * (-len(text) % 4), altchars=b"-_", validate=True)
        press = zlib.decompressobj()
        plain = press.decompress(squeezed, LONGEST)
        if press.unconsumed_tail or not press.eof:
            raise LinkError(text[:20])
        file = ScenarioFile.model_validate(json.loads(plain))
        as_toml(file).encode()  # half a character cannot be written
    except (binascii.Error, zlib.error, ValueError, ValidationError, RecursionError) as error:
        raise LinkError(text[:20]) from error
    return file


def checked(file: ScenarioFile, inputs: Inputs, lang: str) -> ScenarioFile:
    """Return a scenario from outside if it may be used.

    Parameters
    ----------
    file
        The scenario.
    inputs
        Checked data.
    lang
        Language of the findings.

    Raises
    ------
    transport.findings.DataError
        If it names what is not there, or numbers out of range; all at once.
    """
    return read_upload(as_toml(file).encode(), _FROM_LINK, inputs, lang)


def read_upload(data: bytes, name: str, inputs: Inputs, lang: str) -> ScenarioFile:
    """Return the scenario of a file from outside.

    Parameters
    ----------
    data
        Of the file.
    name
        Of the file, for the findings.
    inputs
        Checked data.
    lang
        Language of the findings.

    Raises
    ------
    transport.findings.DataError
        If it is no scenario file, names what is not there, or numbers out of range; all at once.
    """
    origin = Path(name.replace("\\", "/")).name or _FROM_FILE
    if len(data) > LONGEST:
        raise DataError(words([Problem(origin, 0, "", "scenario.syntax", values={"detail": f"> {LONGEST} bytes"})], lang))
    with tempfile.TemporaryDirectory(prefix="transport-scenario-") as folder:
        path = Path(folder) / (origin if origin.endswith(".toml") else f"{origin}.toml")
        path.write_bytes(data)
        _refuse_paths(data, origin, inputs, lang)
        load_scenario(str(path), inputs.folder, inputs.levers, names=names_of(inputs.tables), lang=lang)
        return _plain(parsed(data.decode("utf-8-sig")))


def _plain(file: ScenarioFile) -> ScenarioFile:
    """Return a scenario from outside whose texts are short lines: no picture in a title makes the browser ask another computer."""
    texts = {
        name: " ".join(_MARKUP.sub(" ", getattr(file, name)).split()) for name in ("title_zh", "title_en", "about_zh", "about_en")
    }
    return file.model_copy(
        update={name: text[: _LONGEST_TITLE if "title" in name else _LONGEST_ABOUT] for name, text in texts.items()}
    )


def _refuse_paths(data: bytes, origin: str, inputs: Inputs, lang: str) -> None:
    """Refuse names of other files that are no plain names; what is no scenario file at all is told by the reader of scenarios."""
    try:
        file = parsed(data.decode("utf-8-sig"))
    except (ValueError, ValidationError):
        return
    wrong = [("base", file.base)] if file.base and not _NAME.fullmatch(file.base) else []
    wrong += [("overrides", name) for name in file.overrides if not _NAME.fullmatch(name)]
    known = ", ".join(scenario_names(inputs.folder))
    problems = [
        Problem(origin, 0, where, "scenario.missing", name[:40], values={"hint": "", "known": known}) for where, name in wrong
    ]
    if file.run.feedback and not _NAME.fullmatch(file.run.feedback):
        problems.append(Problem(origin, 0, "feedback", "scenario.feedback", file.run.feedback[:40]))
    if problems:
        raise DataError(words(problems, lang))
