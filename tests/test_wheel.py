"""The wheel carries the code, the texts and the data, and works far from the checkout."""

from __future__ import annotations

import email
import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("transport", "networks", "fleets")


def build(target: str, root: Path, folder: Path) -> Path:
    """Build the wheel or the source archive of a tree and return its file."""
    done = subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", target, "-d", str(folder)],
        cwd=root,
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == 0, done.stderr
    (found,) = folder.iterdir()
    return found


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build("wheel", ROOT, tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def unpacked(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    return folder


def files_under(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and "__pycache__" not in path.parts and path.name != ".DS_Store"
    }


def test_data_is_inside_byte_for_byte(unpacked: Path) -> None:
    bundled = files_under(ROOT / "data")
    assert bundled
    assert files_under(unpacked / "transport/_data") == bundled


@pytest.mark.parametrize("package", PACKAGES)
def test_package_is_inside_with_its_texts(unpacked: Path, package: str) -> None:
    inside = {name: content for name, content in files_under(unpacked / package).items() if not name.startswith("_data/")}
    assert inside == files_under(ROOT / package)


def test_nothing_else_is_installed(unpacked: Path) -> None:
    assert sorted(p.name for p in unpacked.iterdir() if not p.name.endswith(".dist-info")) == sorted(PACKAGES)


def test_metadata(unpacked: Path) -> None:
    (info,) = unpacked.glob("*.dist-info")
    metadata = email.message_from_string((info / "METADATA").read_text(encoding="utf-8"))
    assert metadata["Name"] == "provincial-transport"
    assert metadata["License-Expression"] == "MIT"
    assert "Private :: Do Not Upload" in metadata.get_all("Classifier", [])
    assert {Path(name).name for name in metadata.get_all("License-File", [])} == {"LICENSE", "LICENSE-DATA.md"}
    assert "transport = transport.cli:main" in (info / "entry_points.txt").read_text(encoding="utf-8")


def test_source_archive_builds_the_same_wheel(wheel: Path, tmp_path: Path) -> None:
    archive = build("sdist", ROOT, tmp_path / "sdist")
    with tarfile.open(archive) as packed:
        packed.extractall(tmp_path / "tree", filter="data")
    (tree,) = (tmp_path / "tree").iterdir()
    for needed in ("Makefile", "requirements.lock", "requirements-dev.lock", "tests/conftest.py", "docs/contracts.md", ".ci/run"):
        assert (tree / needed).is_file(), needed
    again = build("wheel", tree, tmp_path / "wheel")
    with zipfile.ZipFile(wheel) as first, zipfile.ZipFile(again) as second:
        assert {(i.filename, i.CRC) for i in first.infolist()} == {(i.filename, i.CRC) for i in second.infolist()}


def away(unpacked: Path, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run this interpreter in another folder with the unpacked wheel before everything else."""
    env = {**os.environ, "PYTHONPATH": str(unpacked), "PYTHONUTF8": "1"}
    return subprocess.run(
        [sys.executable, *arguments], cwd=folder, env=env, capture_output=True, text=True, encoding="utf-8", check=False
    )


def test_version_from_another_folder(unpacked: Path, tmp_path: Path) -> None:
    import transport

    done = away(unpacked, tmp_path, "-m", "transport", "--version")
    assert done.returncode == 0, done.stderr
    assert transport.__version__ in done.stdout


@pytest.mark.slow
def test_check_reads_the_data_of_the_wheel(unpacked: Path, tmp_path: Path) -> None:
    done = away(unpacked, tmp_path, "-m", "transport", "check")
    assert done.returncode == 0, done.stdout + done.stderr
    # one broken cell in the wheel's copy must be seen: proof that no other copy is read
    codes = unpacked / "transport/_data/codes.csv"
    whole = codes.read_bytes()
    codes.write_bytes(whole.splitlines(keepends=True)[0] + b"mode,road\n")
    try:
        done = away(unpacked, tmp_path, "-m", "transport", "check")
    finally:
        codes.write_bytes(whole)
    assert done.returncode == 2, done.stdout + done.stderr
    assert "codes.csv" in done.stdout + done.stderr
