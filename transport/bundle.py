"""One zip of a run that a third party can check and compute again: inputs, versions, seed, outputs, checksums.

Members, in the order of their names, uncompressed and with one fixed time, so that the same run always gives the same bytes:

``README.txt``
    What this is and how it is checked, in both languages.
``SHA256SUMS``
    Checksum of every other member, as ``sha256sum -c`` reads it.
``bundle.json``
    Layout version, run id, program version, hash of the data, seed, draws, Python, machine, packages.
``inputs/...``
    The data pack and the table of results of simulated weeks, if the run read any. The data folder is part of the program and stands in by
    its hash.
``manifest.json``
    The manifest of the run without its clock fields.
``outputs/*.parquet``
    The result tables.
``scenario.json``
    The resolved scenario: every lever, project, closure, site and option.
"""

from __future__ import annotations

import hashlib
import json
import os
import zipfile
from typing import TYPE_CHECKING, Any

from transport.i18n import LANGUAGES, t
from transport.store import CLOCK_FIELDS, KEPT, StoreError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from transport.store import StoredRun

#: Version of the layout above.
FORMAT = 1
README, SUMS, ABOUT, MANIFEST, SCENARIO = "README.txt", "SHA256SUMS", "bundle.json", "manifest.json", "scenario.json"
OUTPUTS = "outputs"
#: Time of every member: the first that a zip can hold.
_TIME = (1980, 1, 1, 0, 0, 0)
_UNIX, _PLAIN_FILE = 3, 0o100644 << 16
#: Kind of a manifest whose tables come from many draws; a draw alone is what is computed again.
ENSEMBLE = "ensemble"
#: Kind of a manifest whose tables say what each measure of a scenario does.
MEASURES = "measures"
#: Fields of the manifest that the cover repeats.
COVER = ("run_id", "scenario", "title_zh", "title_en", "version", "data_hash", "scenario_hash", "python", "platform", "packages")


def export_run(run: StoredRun, out: Path) -> str:
    """Write the zip of a run, whole or not at all.

    Parameters
    ----------
    run
        A stored run.
    out
        Name of the file; one that is there is replaced.

    Returns
    -------
    str
        The sha256 of the file.

    Raises
    ------
    StoreError
        If a table or a kept input is missing or is not what the run wrote, or the file cannot be written.

    Notes
    -----
    What was simulated with ``transport simulate`` and what the catalogue says of the run are no part of it.
    """
    members = _members(run)
    members[SUMS] = sums_text({name: hashlib.sha256(data).hexdigest() for name, data in members.items()}).encode()
    out = out.absolute()
    partial = out.with_name(f".{out.name}.partial-{os.getpid()}")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        write_zip(partial, members)
        digest = hashlib.sha256(partial.read_bytes()).hexdigest()
        partial.replace(out)
    except OSError as error:
        msg = f"cannot write {out}: {error.strerror}"
        raise StoreError(msg) from error
    finally:
        partial.unlink(missing_ok=True)
    return digest


def write_zip(path: Path, members: Mapping[str, bytes]) -> None:
    """Write members by name, in the order of their names, so that the same members give the same bytes.

    Parameters
    ----------
    path
        The file.
    members
        Content by name.
    """
    with zipfile.ZipFile(path, "w") as archive:
        for name in sorted(members):
            member = zipfile.ZipInfo(name, _TIME)
            # stored, not deflated: tables are compressed already, and the bytes must not depend on the version of zlib
            member.compress_type, member.create_system, member.external_attr = zipfile.ZIP_STORED, _UNIX, _PLAIN_FILE
            archive.writestr(member, members[name])


def sums_text(hashes: Mapping[str, str]) -> str:
    r"""Return checksums as ``sha256sum`` writes them.

    Parameters
    ----------
    hashes
        Checksum by name.

    Examples
    --------
    >>> sums_text({"b": "22", "a": "11"})
    '11  a\n22  b\n'
    """
    return "".join(f"{hashes[name]}  {name}\n" for name in sorted(hashes))


def _members(run: StoredRun) -> dict[str, bytes]:
    """Return all members but the checksums; tables and kept files are those that the run wrote."""
    manifest = {name: value for name, value in run.manifest.items() if name not in CLOCK_FIELDS}
    missing = [name for name in (*COVER, "resolved", "tables") if name not in manifest]
    if missing or manifest.get("kind", "") not in {"", ENSEMBLE, MEASURES}:
        lacks = f"its manifest lacks {', '.join(missing)}" if missing else f"it is the result of transport {manifest['kind']}"
        msg = (
            f"{run.folder} is no run that can be handed on: {lacks}; "
            "export the folder of a transport run, a transport ensemble or transport measures"
        )
        raise StoreError(msg)
    options = manifest if manifest.get("kind") == ENSEMBLE else manifest["resolved"]["run"]
    cover = {
        "format": FORMAT,
        **{name: manifest[name] for name in COVER},
        "seed": options["seed"],
        "draws": options["draws"],
        "inputs": sorted(manifest.get(KEPT, {})),
        "tables": sorted(manifest["tables"]),
    }
    found = {
        README: "".join(f"{t('bundle.readme', lang, run=manifest['run_id'])}\n\n" for lang in LANGUAGES).encode(),
        ABOUT: _json(cover),
        MANIFEST: _json(manifest),
        SCENARIO: _json(manifest["resolved"]),
    }
    wrong = []
    written = {f"{OUTPUTS}/{name}.parquet": (f"{name}.parquet", digest) for name, digest in manifest["tables"].items()}
    written |= {f"{KEPT}/{name}": (f"{KEPT}/{name}", digest) for name, digest in manifest.get(KEPT, {}).items()}
    for member, (name, digest) in written.items():
        file = run.folder / name
        data = file.read_bytes() if file.is_file() else b""
        if hashlib.sha256(data).hexdigest() != digest:
            wrong.append(name)
        found[member] = data
    if wrong:
        msg = f"{run.folder}: not what the run wrote: {', '.join(sorted(wrong))}; make the run again before it is handed on"
        raise StoreError(msg)
    return found


def _json(value: Mapping[str, Any]) -> bytes:
    return (json.dumps(value, ensure_ascii=False, indent=1, sort_keys=True) + "\n").encode()
