"""Data that are known to be without findings: the same tables as the check makes of them, and the check where a byte is another one."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from transport import checked
from transport.check_problems import Problem
from transport.check_run import Layer, examine
from transport.checked import read_checked, write_checked
from transport.findings import DataError
from transport.inputs import data_folder, load_inputs, read_layers

if TYPE_CHECKING:
    from pathlib import Path

    from transport.check_run import Examined


@pytest.fixture(scope="module")
def layer() -> Layer:
    base, _, problems = read_layers(data_folder(), None)
    assert problems == []
    return base


@pytest.fixture(scope="module")
def found(layer: Layer) -> Examined:
    return examine(layer)


@pytest.fixture(scope="module")
def kept(layer: Layer, found: Examined, tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("checked") / "results" / "checked.zip"
    write_checked(layer, found, file)
    return file


def test_the_kept_tables_are_those_of_the_check(layer: Layer, found: Examined, kept: Path) -> None:
    known = read_checked(layer, kept)
    assert known is not None
    assert known.problems == ()
    assert list(known.tables) == list(found.tables)
    for name, frame in found.tables.items():
        assert known.tables[name].schema == frame.schema, name
        assert known.tables[name].equals(frame), name
    assert known.parameters.equals(found.parameters)
    assert known.targets.equals(found.targets)


def test_the_same_tables_are_the_same_bytes(layer: Layer, found: Examined, kept: Path, tmp_path: Path) -> None:
    write_checked(layer, found, tmp_path / "again.zip")
    assert (tmp_path / "again.zip").read_bytes() == kept.read_bytes()


@pytest.mark.parametrize(
    "change",
    [
        {"indicators.csv": b"\n"},
        # a name that the data hash leaves out, and which the check refuses
        {"绿色出行.xlsx": b""},
    ],
)
def test_other_files_are_not_known(layer: Layer, kept: Path, change: dict[str, bytes]) -> None:
    files = dict(layer.files)
    for name, data in change.items():
        files[name] = files.get(name, b"") + data
    assert read_checked(replace(layer, files=files), kept) is None


def test_other_rules_do_not_know_the_data(layer: Layer, kept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checked, "_RULES", "check_r*.py")
    assert read_checked(layer, kept) is None


def test_a_missing_or_broken_file_knows_nothing(layer: Layer, kept: Path, tmp_path: Path) -> None:
    assert read_checked(layer, tmp_path / "none.zip") is None
    half = tmp_path / "half.zip"
    half.write_bytes(kept.read_bytes()[:5000])
    assert read_checked(layer, half) is None


def test_data_with_findings_are_not_kept(layer: Layer, found: Examined, tmp_path: Path) -> None:
    wrong = replace(found, problems=(Problem("data/codes.csv", 0, "", "file.empty"),))
    with pytest.raises(ValueError, match="1 findings"):
        write_checked(layer, wrong, tmp_path / "checked.zip")
    assert list(tmp_path.iterdir()) == []


def test_known_data_are_not_checked_again_and_a_pack_always_is(
    layer: Layer, kept: Path, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Layer] = []

    def looked(base: Layer, pack: Layer | None = None) -> Examined:
        asked.append(base)
        return examine(base, pack)

    monkeypatch.setattr("transport.inputs.examine", looked)
    monkeypatch.setattr("transport.inputs.read_checked", lambda base: read_checked(base, kept))
    assert load_inputs().tables["codes"].height > 0
    assert asked == []
    with pytest.raises(DataError):
        load_inputs(pack=root / "tests" / "bad_inputs" / "value.range")
    assert len(asked) == 1


def test_the_kept_tables_that_come_with_the_program_are_of_the_present_data(layer: Layer) -> None:
    assert read_checked(layer) is not None, "data or the rules of the check changed: make results"
