"""Measures that are kept: read again, in the catalogue beside runs, and handed on as a zip that is worked out again."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest

from tests.transport.zips import found, members, rewritten
from transport import measures
from transport.bundle import MANIFEST
from transport.bundle_check import compute
from transport.catalogue import Catalogue
from transport.cli import main
from transport.layout import YEARS
from transport.report.source import ReportError, find_run
from transport.scenario import load_scenario
from transport.store import write_run

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from transport.inputs import Inputs

TOLL = {"rail_tariff": -10.0, "rail_electrified_share": -4.0}


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch, inputs: Inputs, tmp_path: Path) -> list[int]:
    """Let packages come to the sum of what their levers do; return the number of packages of each call."""
    made: list[int] = []

    def values(_: object, __: object, settings: Sequence[Mapping[str, object]], **___: object) -> list[np.ndarray]:
        made.append(len(settings))
        each = [sum(TOLL.get(lever, -1.0) for lever in package) for package in settings]
        return [np.array([[co2] * len(YEARS), [co2 / 100.0] * len(YEARS), [-co2] * len(YEARS)]) for co2 in each]

    monkeypatch.setattr(measures, "values_of_cases", values)
    monkeypatch.setattr("transport.inputs.load_inputs", lambda **_: inputs)
    monkeypatch.setenv("TRANSPORT_RUNS", str(tmp_path / "runs"))
    (tmp_path / "mine.toml").write_text(
        'title_zh = "试算"\ntitle_en = "Trial"\nbase = "plan_2030"\n[set]\nrail_tariff = 0.5\nrail_electrified_share = 0.9\n',
        encoding="utf-8",
    )
    return made


def asked(tmp_path: Path, *more: str, folder: str = "kept") -> int:
    out = str(tmp_path / "runs" / folder)
    return main(["measures", str(tmp_path / "mine.toml"), "--pairs", "1", "--out", out, "--lang", "en", *more])


def test_they_are_kept_and_read_again(calls: list[int], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert asked(tmp_path) == 0
    first = capsys.readouterr().out
    assert asked(tmp_path) == 0
    assert capsys.readouterr().out == first
    assert len(calls) == 1
    assert {path.name for path in (tmp_path / "runs" / "kept").iterdir()} == {
        "abatement_curve.parquet",
        "manifest.json",
        "measure_interactions.parquet",
        "measures.parquet",
    }
    assert asked(tmp_path, "--no-interactions") == 1
    assert "holds other measures" in capsys.readouterr().err
    assert asked(tmp_path, "--no-interactions", folder="fewer") == 0
    assert not (tmp_path / "runs" / "fewer" / "measure_interactions.parquet").exists()
    thesis = tmp_path / "runs" / "thesis"
    thesis.mkdir()
    (thesis / "chapter.txt").write_text("years of work", encoding="utf-8")
    assert asked(tmp_path, folder="thesis") == 1
    assert [path.name for path in thesis.iterdir()] == ["chapter.txt"]
    assert len(calls) == 2


def test_a_viewer_keeps_nothing(calls: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRANSPORT_ROLE", "viewer")
    assert asked(tmp_path) == 1
    assert not calls
    assert not (tmp_path / "runs").exists()


def test_the_catalogue_knows_them(calls: list[int], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert asked(tmp_path) == 0
    with Catalogue() as catalogue:
        (entry,) = catalogue.entries()
    assert entry.folder == "kept"
    assert entry.levers["rail_tariff"] == 0.5
    capsys.readouterr()
    assert main(["runs", "list", "--lang", "en"]) == 0
    assert "Trial (measures)" in capsys.readouterr().out
    assert main(["runs", "tag", entry.run_id, "sent"]) == 0
    assert main(["runs", "find", "--tag", "sent", "--set", "rail_tariff=0.5", "--json"]) == 0
    assert entry.run_id in capsys.readouterr().out
    assert main(["runs", "show", "kept", "--lang", "en"]) == 0
    assert "put on plan_2030, 1 pairs of orders" in capsys.readouterr().out
    assert main(["runs", "delete", "kept", "--yes"]) == 0
    assert not (tmp_path / "runs" / "kept").exists()
    assert asked(tmp_path, folder="again") == 0
    with Catalogue() as catalogue:
        assert [one.folder for one in catalogue.entries()] == ["again"]


def test_the_zip_is_worked_out_again(calls: list[int], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert asked(tmp_path) == 0
    zipped = tmp_path / "m.zip"
    assert main(["runs", "export", "kept", "--out", str(zipped)]) == 0
    capsys.readouterr()
    assert main(["verify", str(zipped), "--rerun", "--lang", "en"]) == 0
    said = capsys.readouterr().out
    assert "put on plan_2030, 1 pairs of orders" in said
    assert "3" in said.splitlines()[-1]
    assert len(calls) == 2


def test_a_changed_zip_is_told(calls: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert asked(tmp_path) == 0
    good = tmp_path / "m.zip"
    assert main(["runs", "export", "kept", "--out", str(good)]) == 0
    about = json.loads(members(good)[MANIFEST])
    other = {**about, "pairs": 2}
    assert (MANIFEST, "run_id", "bundle.contradicts") in found(rewritten(good, {MANIFEST: json.dumps(other).encode()}, sums=True))
    broken = {**about, "base_settings": ["rail_tariff"]}
    assert (MANIFEST, "", "bundle.syntax") in found(rewritten(good, {MANIFEST: json.dumps(broken).encode()}, sums=True))
    monkeypatch.setitem(TOLL, "rail_tariff", -11.0)
    assert ("outputs/measures.parquet", "alone_co2_t", "bundle.rerun") in found(good, compute)


def test_no_report_is_made_of_them(calls: list[int], inputs: Inputs, tmp_path: Path) -> None:
    """The newest run of the scenario is older than its measures."""
    mine = load_scenario(str(tmp_path / "mine.toml"), inputs.folder, inputs.levers)
    run = write_run(tmp_path / "runs" / "run", {}, mine, inputs.data_hash, seconds=1.0)
    older = {**run.manifest, "created_at": "2020-01-01T00:00:00+00:00"}
    (run.folder / MANIFEST).write_text(json.dumps(older), encoding="utf-8")
    assert asked(tmp_path) == 0
    assert find_run("mine", inputs, "en").folder == run.folder
    with pytest.raises(ReportError, match="holds the result of transport measures"):
        find_run("kept", inputs, "en")
