"""A result that came with the program makes the report of the run that it was made from, and says that it did; one that lacks a table says so."""

from __future__ import annotations

import json
import shutil
import zipfile
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from transport.bundled import write_bundled
from transport.cli import main
from transport.i18n import t
from transport.report.content import Number, Text
from transport.report.make import make_report
from transport.report.source import ReportError, find_run
from transport.store import MANIFEST

if TYPE_CHECKING:
    from pathlib import Path

    from transport.inputs import Inputs
    from transport.report.content import Kind, Report
    from transport.report.source import Source
    from transport.store import StoredRun


@pytest.fixture(scope="module")
def slim(stored_run: StoredRun, tmp_path_factory: pytest.TempPathFactory) -> StoredRun:
    """Return the slim copy of the plan's run."""
    return write_bundled(stored_run, tmp_path_factory.mktemp("slim") / "results")


@pytest.fixture
def shipped(slim: StoredRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StoredRun:
    """Let the program come with the slim copy and with nothing else."""
    monkeypatch.setenv("TRANSPORT_RESULTS", str(slim.folder.parent))
    monkeypatch.setenv("TRANSPORT_RUNS", str(tmp_path / "runs"))
    return slim


@pytest.mark.parametrize(("kind", "place"), [("scenario", ""), ("annual_evaluation", ""), ("scenario", "210100")])
@pytest.mark.parametrize("lang", ["zh", "en"])
def test_a_slim_result_makes_the_whole_report(
    slim: StoredRun, sources: dict[str, Source], reports: dict[tuple[str, str], Report], lang: str, kind: Kind, place: str
) -> None:
    found = make_report(replace(sources[lang], run=slim), kind=kind, place=place)
    whole = reports[lang, place or kind]
    assert found.headings() == whole.headings()
    assert len(list(found.figures())) == len(list(whole.figures()))
    numbers = 0
    for (_, one), (_, other) in zip(found.tables(), whole.tables(), strict=True):
        assert (one.key, one.title, len(one.rows)) == (other.key, other.title, len(other.rows))
        for row, wanted in zip(one.rows, other.rows, strict=True):
            for cell, right in zip(row, wanted, strict=True):
                assert isinstance(cell, Number) == isinstance(right, Number), (one.key, row)
                if isinstance(cell, Number) and isinstance(right, Number):
                    # differences of large numbers keep fewer digits than these
                    assert cell.value == pytest.approx(right.value, rel=1e-4, abs=1e-5), (one.key, row)
                    numbers += 1
    assert numbers > 80
    label = t("report.line.origin", lang)
    assert dict(found.lines)[label] == t("report.line.bundled", lang)
    assert label not in dict(whole.lines)
    assert all(block.text for section in found.sections for block in section.blocks if isinstance(block, Text))


def test_the_command_takes_what_came_with_the_program(
    shipped: StoredRun, inputs: Inputs, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert find_run("plan_2030", inputs, "zh").folder == shipped.folder
    assert main(["report", "plan_2030", "--kind", "annual_evaluation", "--format", "xlsx", "--out", str(tmp_path / "out")]) == 0
    (file,) = (tmp_path / "out").iterdir()
    assert str(file) in capsys.readouterr().out
    assert zipfile.is_zipfile(file)
    with pytest.raises(ReportError, match="transport run baseline"):
        find_run("baseline", inputs, "zh")


def test_what_came_with_the_program_on_other_data_is_not_taken(shipped: StoredRun, inputs: Inputs) -> None:
    with pytest.raises(ReportError, match="transport run plan_2030"):
        find_run("plan_2030", inputs, "zh", data_hash="0" * 64)
    assert shipped.folder.is_dir()


@pytest.mark.parametrize(("lang", "words"), [("zh", "不能生成报告"), ("en", "too few for a report")])
def test_a_run_that_lacks_a_table_says_what_to_do(
    slim: StoredRun, tmp_path: Path, capsys: pytest.CaptureFixture[str], lang: str, words: str
) -> None:
    folder = shutil.copytree(slim.folder, tmp_path / "old")
    manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    del manifest["tables"]["co2_areas"]
    (folder / "co2_areas.parquet").unlink()
    (folder / MANIFEST).write_text(json.dumps(manifest), encoding="utf-8")
    assert main(["report", str(folder), "--lang", lang, "--out", str(tmp_path / "out")]) == 2
    said = capsys.readouterr()
    assert words in said.err
    assert "transport run plan_2030" in said.err
    assert not (tmp_path / "out").exists()


def test_a_viewer_writes_reports_elsewhere_only(
    shipped: StoredRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TRANSPORT_ROLE", "viewer")
    arguments = ["report", str(shipped.folder), "--format", "xlsx", "--lang", "en"]
    assert main(arguments) == 1
    assert capsys.readouterr().err.strip() == t("report.only_viewer", "en")
    assert not (tmp_path / "runs").exists()
    assert main([*arguments, "--out", str(tmp_path / "mine")]) == 0
    assert [file.suffix for file in (tmp_path / "mine").iterdir()] == [".xlsx"]
