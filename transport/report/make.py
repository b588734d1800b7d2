"""From a run to the files of its report: the sections of each kind, and files that are written whole or not at all."""

from __future__ import annotations

import uuid
from contextlib import suppress
from typing import TYPE_CHECKING

from transport.report import annex, annual, chapters, city
from transport.report.content import Report, Section
from transport.report.fonts import require_font
from transport.report.source import ReportError, find_city
from transport.store import StoreError, editors_only, runs_folder

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from transport.report.content import Kind
    from transport.report.source import Source

KINDS: tuple[Kind, ...] = ("scenario", "annual_evaluation")
FORMATS: tuple[str, ...] = ("docx", "xlsx")


def make_report(source: Source, *, kind: Kind = "scenario", place: str = "") -> Report:
    """Return the report on a run.

    Parameters
    ----------
    source
        The run.
    kind
        ``scenario`` or ``annual_evaluation``.
    place
        Prefecture, by code or by name in either language; empty = the province.

    Raises
    ------
    ReportError
        If there is no such prefecture, the kind has no report by prefecture, or the run lacks tables.
    """
    area = find_city(place, source.inputs, source.lang) if place else ""
    if area and kind != "scenario":
        raise ReportError(source.say("no_city_evaluation"))
    say, manifest = source.say, source.run.manifest
    name = source.names("area")[area] if area else source.names("area")["210000"]
    warning = [say("warning")]
    if source.other_data:
        warning.append(say("other_data", run=str(manifest["data_hash"])[:12], now=source.inputs.data_hash[:12]))
    parts = [str(manifest["scenario"]), str(manifest["run_id"]), *([area] if area else []), kind, source.lang]
    try:
        sections = _sections(source, kind, area)
    except StoreError as error:
        # what came with the program, or was made by an earlier version, holds fewer tables
        raise ReportError(say("few_tables", run=str(manifest["run_id"]), scenario=str(manifest["scenario"]))) from error
    return Report(
        kind=kind,
        lang=source.lang,
        name="-".join("".join(c if c.isascii() and (c.isalnum() or c in "_-") else "_" for c in part) for part in parts),
        title=say(f"title.{'city' if area else kind}", place=name),
        subtitle=say("subtitle", scenario=source.title),
        lines=annex.identity(source),
        warning=chapters.joined(warning, source.lang),
        sections=sections,
        definitions=annex.definitions(source),
        author=say("author"),
        made=str(manifest["created_at"]),
    )


def _sections(source: Source, kind: Kind, area: str) -> tuple[Section, ...]:
    end = (annex.method(source), annex.quality(source), annex.sources(source))
    if kind == "annual_evaluation":
        return (annual.evaluation_summary(source), annual.clauses(source), annual.progress(source), annual.missed(source), *end)
    if area:
        table = city.profile(source)
        return (
            city.lead(source, area, table),
            city.overview(source, area, table),
            city.reconciliation(source, area, table),
            city.made_of(source, area, table),
            city.trips(source, area),
            city.shares(source, area),
            annex.difference(source),
            *end,
        )
    return (
        chapters.summary(source),
        chapters.targets(source),
        chapters.intensity(source),
        chapters.attribution(source),
        chapters.freight(source),
        chapters.fleets(source),
        chapters.energy(source),
        chapters.green_travel(source),
        annex.difference(source),
        *end,
    )


def default_folder() -> Path:
    """Return where reports are written where no folder is named: ``reports`` in the runs folder."""
    return runs_folder() / "reports"


def report_bytes(report: Report, formats: Sequence[str] = FORMATS) -> dict[str, bytes]:
    """Return the files of a report by their names.

    Parameters
    ----------
    report
        The document.
    formats
        Some of :data:`FORMATS`.

    Raises
    ------
    ReportError
        If a Word file is asked for and this computer cannot draw Chinese.
    """
    made: dict[str, bytes] = {}
    if "docx" in formats:
        from transport.report.docx import word_bytes

        made[f"{report.name}.docx"] = word_bytes(report, require_font(report.lang))
    if "xlsx" in formats:
        from transport.report.xlsx import workbook_bytes

        made[f"{report.name}.xlsx"] = workbook_bytes(report)
    return made


def write_files(files: Mapping[str, bytes], folder: Path, lang: str) -> list[Path]:
    """Write files so that each is there whole or not at all, and none if one of them cannot be replaced.

    Parameters
    ----------
    files
        Bytes by name.
    folder
        Where they go; made if it is not there.
    lang
        Language of the messages.

    Raises
    ------
    ReportError
        If nothing may be written there, or another program holds a file open.
    RoleError
        If a viewer asks for files in the runs folder.
    """
    from transport.i18n import t

    mark = uuid.uuid4().hex[:8]
    editors_only(folder)
    partial = {name: folder / f".{name}.partial-{mark}" for name in files}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name in files:
            # a file that Word or Excel has open cannot be opened for writing on Windows
            if (folder / name).exists():
                _ask(folder / name, lang)
        for name, data in files.items():
            partial[name].write_bytes(data)
        made = []
        for name, path in partial.items():
            try:
                path.replace(folder / name)
            except PermissionError as error:
                raise ReportError(t("report.locked", lang, file=str(folder / name))) from error
            made.append(folder / name)
    except ReportError:
        raise
    except OSError as error:
        raise ReportError(t("report.not_written", lang, folder=str(folder), problem=error.strerror or str(error))) from error
    finally:
        for path in partial.values():
            with suppress(OSError):
                path.unlink(missing_ok=True)
    return made


def _ask(file: Path, lang: str) -> None:
    from transport.i18n import t

    try:
        with file.open("r+b"):
            pass
    except PermissionError as error:
        raise ReportError(t("report.locked", lang, file=str(file))) from error
