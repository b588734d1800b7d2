"""Check of the zip of a run: is it whole, was it made by this program on these data, and does computing it again give the same tables.

A zip comes from outside and is not trusted: nothing is unpacked unless every name is safe, sizes are counted while reading and not believed, and
what is unpacked goes to a temporary folder under names that have been checked. All problems come at once.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import re
import stat
import tempfile
import zipfile
import zlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from transport import __version__, measures_folder
from transport.bundle import ABOUT, COVER, ENSEMBLE, FORMAT, MANIFEST, MEASURES, OUTPUTS, README, SCENARIO, SUMS
from transport.bundle_draws import RTOL, ZERO, draws_again
from transport.check_problems import Problem
from transport.ensemble import identity_of
from transport.inputs import data_folder, data_hash, read_layers
from transport.scenario import RunOptions, Scenario, check_levers
from transport.scenario_sections import Sections, check_sections, names_of
from transport.store import KEPT, KEPT_FEEDBACK, KEPT_PACK, feedback_hash, surroundings, write_table

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from transport.bundle_draws import Alone
    from transport.inputs import Inputs
    from transport.store import StoredRun

    #: Computes the tables of a scenario.
    Run = Callable[[Scenario, Inputs], Mapping[str, pl.DataFrame]]

#: A zip beyond these limits is refused: a run has some hundred tables and a few MB, a data pack at most 256 MB.
MAX_MEMBERS = 5_000
MAX_BYTES = 1024**3
#: Columns whose unit stands in the column `unit` of the row: beside tonne-kilometres no percentage is zero.
_BY_UNIT = frozenset({"value", "actual", "target", "tolerance", "low", "high", "observed", "modelled", "quantity"})
#: Longest text (manifest, scenario, checksums) [bytes].
MAX_TEXT = 16 * 1024**2
_CHUNK = 1 << 20
_ENCRYPTED = 0x1
_TEXTS = frozenset({ABOUT, MANIFEST, SCENARIO, SUMS})
_SUM = re.compile(r"([0-9a-f]{64})  (.+)")
_UNREADABLE = (zipfile.BadZipFile, zlib.error, OSError, EOFError, NotImplementedError, ValueError, RuntimeError)
_COMPARED = ("python", "platform", "packages")


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the check of a zip found.

    Attributes
    ----------
    problems
        What is wrong; none if the zip holds what it says.
    remarks
        What is not wrong but worth knowing: other versions of Python or of packages, numbers equal to the ninth digit only.
    about
        The manifest of the run, empty if it cannot be read.
    compared
        Number of tables, of an ensemble of draws, computed again and found equal.
    """

    problems: tuple[Problem, ...]
    remarks: tuple[Problem, ...] = ()
    about: Mapping[str, Any] = field(default_factory=dict)
    compared: int = 0


def verify(path: Path, *, rerun: Run | None = None, draws: Sequence[int] = (), alone: Alone | None = None) -> Verdict:
    """Check the zip of a run.

    Parameters
    ----------
    path
        The file.
    rerun
        Computes the run again, for example :func:`compute`; without it checksums, version and data are checked only.
    draws, alone
        Of an ensemble: draws that are worked out again, each alone (default the first, the middle and the last), and what works one out.

    Returns
    -------
    Verdict
        Every problem, in the order of the checks.
    """
    from transport.inputs import load_inputs

    with contextlib.ExitStack() as stack:
        try:
            archive = stack.enter_context(zipfile.ZipFile(path))
        except _UNREADABLE as error:
            return Verdict((Problem(path.name, 0, "", "bundle.broken", values={"detail": _said(error)}),))
        problems = _hostile(path.name, archive)
        if problems:
            return Verdict(tuple(problems))
        hashes, texts, problems = _read(path.name, archive)
        problems += _against_sums(hashes, texts.get(SUMS))
        about, wrong = _manifest(hashes, texts)
        problems += [one for one in wrong if one not in problems]
        if not about:
            return Verdict(tuple(problems))
        remarks = _other_surroundings(about)
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="transport-verify-")))
        # every limit was kept while reading, so what is unpacked is as small as it was then
        whole = not any(one.code in {"bundle.unreadable", "bundle.large"} for one in problems)
        pack = _unpack(archive, folder) if whole else None
        problems += _installed(about, pack, data=whole)
        if rerun is None or problems:
            if rerun is not None:
                remarks.append(Problem(path.name, 0, "", "bundle.not_rerun"))
            return Verdict(tuple(problems), tuple(remarks), about)
        inputs = load_inputs(pack=pack)
        scenario, wrong = _scenario(about, folder / KEPT_FEEDBACK, inputs)
        if scenario is None:
            return Verdict(tuple(wrong), tuple(remarks), about)
        if about.get("kind") == ENSEMBLE:
            wrong, nearly, count = draws_again(archive.read(f"{OUTPUTS}/outcomes.parquet"), about, scenario, inputs, draws, alone)
            return Verdict(tuple(wrong), (*remarks, *nearly), about, count)
        asked = None
        if about.get("kind") == MEASURES:
            asked = measures_folder.Asked.of(about)
            check_levers(asked.settings, inputs.levers, MANIFEST, wrong, names_of(inputs.tables).areas)
            if wrong:
                return Verdict(tuple(wrong), tuple(remarks), about)
        again = measures_folder.measure_tables(scenario, inputs, asked) if asked is not None else rerun(scenario, inputs)
        written = {name: archive.read(f"{OUTPUTS}/{name}.parquet") for name in about["tables"]}
        wrong, nearly = _compare(written, again, same_place=not remarks, folder=folder)
        return Verdict(tuple(wrong), (*remarks, *nearly), about, len(written) - len({one.file for one in wrong}))


def compute(scenario: Scenario, inputs: Inputs) -> Mapping[str, pl.DataFrame]:
    """Return the tables of a run, from a cold start.

    Parameters
    ----------
    scenario, inputs
        As in :func:`transport.study.run`.
    """
    from transport.study import run

    return run(scenario, inputs).tables


def scenario_of(manifest: Mapping[str, Any], feedback: Path) -> Scenario:
    """Return the scenario that a manifest describes.

    Parameters
    ----------
    manifest
        With ``resolved``.
    feedback
        Where the table of the results of simulated weeks lies, if the run takes one.
    """
    resolved = manifest["resolved"]
    options, sections = resolved["run"], Sections.of_resolved(resolved)
    takes = "feedback" in options

    def value(given: float | Mapping[str, float]) -> float | dict[int, float]:
        return float(given) if isinstance(given, (int, float)) else {int(year): float(number) for year, number in given.items()}

    return Scenario(
        name=str(manifest["scenario"]),
        title_zh=str(manifest.get("title_zh", "")),
        title_en=str(manifest.get("title_en", "")),
        about_zh="",
        about_en="",
        settings={name: value(given) for name, given in resolved["set"].items()},
        lineage=tuple(manifest.get("lineage", ())),
        **{name: options[name] for name in ("seed", "draws", "simulate", "capacity", "network", "sales", "hold_year")},
        hold_but=tuple(options["hold_but"]),
        projects=sections.projects,
        closures=sections.closures,
        sites=sections.sites,
        feedback=str(feedback) if takes else "",
        feedback_hash=feedback_hash(str(feedback)) if takes else "",
    )


def _scenario(about: Mapping[str, Any], feedback: Path, inputs: Inputs) -> tuple[Scenario | None, list[Problem]]:
    """Return the scenario of a manifest if it may be run: the file has been through other hands, and its values are checked as if written anew."""
    problems: list[Problem] = []
    resolved = about["resolved"]
    names = names_of(inputs.tables)
    try:
        given = {name: value for name, value in resolved["run"].items() if name in RunOptions.model_fields}
        RunOptions.model_validate(given, strict=True)
        scenario = scenario_of(about, feedback)
        check_levers(scenario.settings, inputs.levers, SCENARIO, problems, names.areas)
        check_sections(SCENARIO, resolved.get("projects", {}), scenario.closures, scenario.sites, names, problems)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        return None, [*problems, Problem(SCENARIO, 0, "", "bundle.syntax", values={"detail": _said(error)})]
    if not problems and scenario.scenario_hash() != about["scenario_hash"]:
        problems.append(
            Problem(SCENARIO, 0, "feedback" if scenario.feedback else "", "bundle.contradicts", scenario.feedback_hash[:12])
        )
    return (None if problems else scenario), problems


# ---- the zip -----------------------------------------------------------------------------------------------------------------------


def _hostile(file: str, archive: zipfile.ZipFile) -> list[Problem]:
    """Return what no zip of ours holds: names that leave the folder, links, names that meet on some computer, too many or too large members."""
    members = archive.infolist()
    if len(members) > MAX_MEMBERS:
        return [Problem(file, 0, "", "bundle.large", str(len(members)), variant="count", values={"limit": MAX_MEMBERS})]
    problems = []
    seen: set[str] = set()
    for member in members:
        name = member.orig_filename
        if (
            not name.isprintable()
            or any(mark in name for mark in ("\\", ":", "//"))
            or name.startswith("/")
            or name.endswith("/")
            # also "..", and what Windows makes of ".. " and "name."
            or any(part != part.rstrip(" .") for part in name.split("/"))
        ):
            problems.append(Problem(file, 0, "", "bundle.unsafe", _shown(name)))
        elif stat.S_IFMT(member.external_attr >> 16) not in {0, stat.S_IFREG}:
            problems.append(Problem(file, 0, "", "bundle.link", _shown(name)))
        if name.lower() in seen:
            problems.append(Problem(file, 0, "", "bundle.twice", _shown(name)))
        seen.add(name.lower())
        if member.flag_bits & _ENCRYPTED:
            problems.append(Problem(file, 0, "", "bundle.locked", _shown(name)))
    if sum(member.file_size for member in members) > MAX_BYTES:
        problems.append(Problem(file, 0, "", "bundle.large", values={"limit": MAX_BYTES // 1024**2}))
    return problems


def _read(file: str, archive: zipfile.ZipFile) -> tuple[dict[str, str], dict[str, bytes], list[Problem]]:
    """Return the sha256 of every member, the contents of the texts, and what cannot be read; the sizes of the zip are not believed."""
    hashes: dict[str, str] = {}
    texts: dict[str, bytes] = {}
    problems: list[Problem] = []
    left = MAX_BYTES
    for member in archive.infolist():
        digest, content, room = hashlib.sha256(), [], MAX_TEXT if member.filename in _TEXTS else 0
        try:
            with archive.open(member) as stream:
                while chunk := stream.read(_CHUNK):
                    left -= len(chunk)
                    if left < 0:
                        problems.append(Problem(file, 0, "", "bundle.large", values={"limit": MAX_BYTES // 1024**2}))
                        return hashes, texts, problems
                    digest.update(chunk)
                    content.append(chunk[:room])
                    room -= len(content[-1])
        except _UNREADABLE as error:
            problems.append(Problem(member.filename, 0, "", "bundle.unreadable", values={"detail": _said(error)}))
            hashes[member.filename] = ""
            continue
        hashes[member.filename] = digest.hexdigest()
        if member.filename in _TEXTS:
            texts[member.filename] = b"".join(content)
    return hashes, texts, problems


def _against_sums(hashes: Mapping[str, str], sums: bytes | None) -> list[Problem]:
    """Hold the members against their checksums."""
    if sums is None:
        return [Problem(SUMS, 0, "", "bundle.missing", SUMS)]
    listed: dict[str, str] = {}
    problems = []
    for number, line in enumerate(sums.decode("utf-8", errors="replace").splitlines(), start=1):
        pair = _SUM.fullmatch(line)
        if pair is None or pair[2] in listed:
            problems.append(Problem(SUMS, number, "", "bundle.sums", _shown(line)))
        else:
            listed[pair[2]] = pair[1]
    problems += [Problem(_shown(name), 0, "", "bundle.missing", _shown(name)) for name in sorted(listed.keys() - hashes.keys())]
    problems += [Problem(name, 0, "", "bundle.extra", _shown(name)) for name in sorted(hashes.keys() - listed.keys() - {SUMS})]
    changed = [name for name in sorted(listed.keys() & hashes.keys()) if hashes[name] and listed[name] != hashes[name]]
    return problems + [Problem(name, 0, "", "bundle.changed", hashes[name][:12]) for name in changed]


def _manifest(hashes: Mapping[str, str], texts: Mapping[str, bytes]) -> tuple[dict[str, Any], list[Problem]]:
    """Return the manifest if it can be used, and where manifest, cover, scenario and members contradict each other."""
    problems: list[Problem] = []
    read: dict[str, Any] = {}
    for name in (ABOUT, MANIFEST, SCENARIO):
        try:
            read[name] = json.loads(texts.get(name, b"").decode("utf-8"))
        except (ValueError, RecursionError) as error:
            told = {"values": {"detail": _said(error)}} if name in hashes else {"value": name}
            problems.append(Problem(name, 0, "", "bundle.syntax" if name in hashes else "bundle.missing", **told))
    if len(read) < 3:
        return {}, problems
    cover, about = read[ABOUT], read[MANIFEST]
    try:
        if cover["format"] != FORMAT:
            return {}, [*problems, Problem(ABOUT, 0, "format", "bundle.format", str(cover["format"]), values={"known": FORMAT})]
        text = json.dumps(about["resolved"], sort_keys=True, ensure_ascii=True, separators=(",", ":"))
        scenario_hash = hashlib.sha256(text.encode()).hexdigest()
        options = about if about.get("kind") == ENSEMBLE else about["resolved"]["run"]
        expected = {
            (MANIFEST, "scenario_hash"): (about["scenario_hash"], scenario_hash),
            (MANIFEST, "run_id"): (about["run_id"], _identity(about, scenario_hash)),
            (SCENARIO, ""): (read[SCENARIO], about["resolved"]),
            **{(ABOUT, name): (cover[name], about[name]) for name in COVER},
            (ABOUT, "tables"): (cover["tables"], sorted(about["tables"])),
            (ABOUT, KEPT): (cover[KEPT], sorted(about.get(KEPT, {}))),
            (ABOUT, "seed"): (cover["seed"], options["seed"]),
            (ABOUT, "draws"): (cover["draws"], options["draws"]),
        }
        members = {f"{OUTPUTS}/{name}.parquet": digest for name, digest in about["tables"].items()}
        members |= {f"{KEPT}/{name}": digest for name, digest in about.get(KEPT, {}).items()}
        wanted = {README, SUMS, ABOUT, MANIFEST, SCENARIO, *members}
    except (KeyError, TypeError, AttributeError, ValueError, RecursionError) as error:
        return {}, [*problems, Problem(MANIFEST, 0, "", "bundle.syntax", values={"detail": _said(error)})]
    problems += [
        Problem(file, 0, column, "bundle.contradicts", _shown(str(said)) if column else "")
        for (file, column), (said, computed) in expected.items()
        if said != computed
    ]
    for name in sorted(wanted | hashes.keys()):
        if name not in hashes or name not in wanted:
            problems.append(
                Problem(_shown(name), 0, "", "bundle.manifest", variant="absent" if name not in hashes else "unknown")
            )
        elif name in members and hashes[name] and hashes[name] != members[name]:
            problems.append(Problem(name, 0, "", "bundle.manifest"))
    return about, problems


def _identity(about: Mapping[str, Any], scenario_hash: str) -> str:
    """Return the identifier that a run or an ensemble must have."""
    if about.get("kind") == ENSEMBLE:
        design = {name: about[name] for name in ("draws", "seed", "design")}
        return identity_of(scenario_hash, about["data_hash"], about["version"], **design)
    if about.get("kind") == MEASURES:
        return measures_folder.identity_of(measures_folder.Asked.of(about), scenario_hash, about["data_hash"], about["version"])
    return hashlib.sha256(f"{scenario_hash}:{about['data_hash']}:{about['version']}".encode()).hexdigest()[:12]


def _unpack(archive: zipfile.ZipFile, folder: Path) -> Path | None:
    """Put the kept inputs into a folder and return the data pack, if there is one; all names have been checked."""
    for name in archive.namelist():
        if name.startswith(f"{KEPT}/"):
            place = folder / name.removeprefix(f"{KEPT}/")
            place.parent.mkdir(parents=True, exist_ok=True)
            with contextlib.suppress(*_UNREADABLE):  # told when it was read
                place.write_bytes(archive.read(name))
    pack = folder / KEPT_PACK
    return pack if pack.is_dir() else None


def is_of_installed_data(run: StoredRun) -> bool:
    """Return whether a run was made from the data installed here, with the data pack that it keeps."""
    pack = run.folder / KEPT / KEPT_PACK
    base, over, _ = read_layers(data_folder(), pack if pack.is_dir() else None)
    return bool(run.manifest["data_hash"] == data_hash(base, over))


# ---- the program and the data ------------------------------------------------------------------------------------------------------


def _installed(about: Mapping[str, Any], pack: Path | None, *, data: bool) -> list[Problem]:
    """Hold version and, where all inputs could be read, data of the run against what is installed."""
    problems = []
    if about["version"] != __version__:
        problems.append(Problem(MANIFEST, 0, "version", "bundle.version", str(about["version"]), values={"here": __version__}))
    base, over, _ = read_layers(data_folder(), pack)
    here = data_hash(base, over)
    if data and about["data_hash"] != here:
        variant = "pack" if pack is not None else ""
        values = {"here": here[:12]}
        problems.append(Problem(MANIFEST, 0, "data_hash", "bundle.data", str(about["data_hash"])[:12], variant, values))
    return problems


def _other_surroundings(about: Mapping[str, Any]) -> list[Problem]:
    """Return in what this machine differs from the one of the run, so that equal bytes cannot be asked for."""
    here = surroundings()
    found = []
    for name in _COMPARED:
        said, present = about.get(name), here[name]
        if isinstance(present, dict) and isinstance(said, dict):
            for package in sorted(said.keys() | present.keys()):
                pair = str(said.get(package, "-")), str(present.get(package, "-"))
                if pair[0] != pair[1]:
                    found.append(Problem(MANIFEST, 0, package, "bundle.other", pair[0], values={"here": pair[1]}))
        elif said != present:
            found.append(Problem(MANIFEST, 0, name, "bundle.other", str(said), values={"here": str(present)}))
    return found


def _compare(
    written: Mapping[str, bytes], again: Mapping[str, pl.DataFrame], *, same_place: bool, folder: Path
) -> tuple[list[Problem], list[Problem]]:
    """Return how tables computed again differ: in bytes where the machine is the same, in values where it is another one."""
    problems: list[Problem] = []
    nearly: list[Problem] = []
    for name in sorted(written):
        file = f"{OUTPUTS}/{name}.parquet"
        if name not in again:
            problems.append(Problem(file, 0, "", "bundle.rerun", variant="absent"))
            continue
        if write_table(folder / "again.parquet", again[name]) == hashlib.sha256(written[name]).hexdigest():
            continue
        try:
            found = _differences(file, pl.scan_parquet(io.BytesIO(written[name])), again[name])
        except (pl.exceptions.PolarsError, OSError) as error:
            found = [Problem(file, 0, "", "bundle.unreadable", values={"detail": _said(error)})]
        if found:
            problems += found
        elif same_place:
            problems.append(Problem(file, 0, "", "bundle.rerun", variant="bytes", values={"rtol": f"{RTOL:g}"}))
        else:
            nearly.append(Problem(file, 0, "", "bundle.nearly", values={"rtol": f"{RTOL:g}"}))
    return problems, nearly


def _differences(file: str, kept: pl.LazyFrame, again: pl.DataFrame) -> list[Problem]:
    """Return the columns that differ in more than the last digits; a table of another shape is not even read."""
    if kept.collect_schema() != again.schema:
        return [Problem(file, 0, "", "bundle.rerun", variant="columns", values={"here": ", ".join(again.columns)})]
    height = int(kept.select(pl.len()).collect().item())
    if height != again.height:
        return [Problem(file, 0, "", "bundle.rerun", str(height), variant="rows", values={"here": again.height})]
    before = kept.collect()
    problems = []
    for name in before.columns:
        one, two = before[name], again[name]
        if one.dtype.is_float():
            size = pl.select(pl.max_horizontal(one.abs(), two.abs())).to_series()
            near = (one - two).abs() <= RTOL * size + ZERO * _largest(before, name)
            # what is no number, or has no end, is equal to itself only
            near = (near & one.is_finite() & two.is_finite()).fill_null(value=False)
            wrong = ~(near | one.eq_missing(two))
        else:
            wrong = one.ne_missing(two)
        if wrong.any():
            row = int(wrong.arg_true()[0])
            values = {"count": int(wrong.sum()), "here": str(two[row])}
            problems.append(Problem(file, row + 1, name, "bundle.rerun", str(one[row]), values=values))
    return problems


def _largest(table: pl.DataFrame, name: str) -> pl.Series:
    """Return for each row the largest finite size in a column, among the rows of its unit where rows have units of their own."""
    size = pl.col(name).filter(pl.col(name).is_finite()).abs().max()
    size = size.over("unit") if name in _BY_UNIT and "unit" in table.columns else size
    return table.with_columns(size.fill_null(0.0).alias(name))[name]


def _said(error: Exception) -> str:
    return (str(error).splitlines() or [""])[0] or type(error).__name__


def _shown(text: str) -> str:
    return text.encode("unicode_escape").decode() if not text.isprintable() else text
