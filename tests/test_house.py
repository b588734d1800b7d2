"""The house keeps its own rules: floors, locks, clean text, light imports; style and types are checked by ``make lint types``."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from functools import cache
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("transport", "networks", "fleets")
MAX_LINES = 600
HEAVY = (
    "altair",
    "numpy",
    "osmnx",
    "pandas",
    "pandera",
    "pint",
    "polars",
    "pydantic",
    "scipy",
    "simpy",
    "sqlalchemy",
    "streamlit",
    "tqdm",
)


def run(*command: str, cwd: Path = ROOT, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        cwd=cwd,
        env={**os.environ, "PYTHONUTF8": "1", **env},
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )


@cache
def own_files() -> tuple[Path, ...]:
    """Return every file of the project: what git tracks or would track, or everything in an unpacked source archive."""
    if (ROOT / ".git").exists():
        listed = run("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
        assert listed.returncode == 0, listed.stderr
        found = [ROOT / name for name in set(listed.stdout.split("\0")) - {""}]
    else:
        found = []
        for folder, inner, names in os.walk(ROOT):
            inner[:] = [name for name in inner if name not in {".venv", ".cache", "runs", "dist", "__pycache__"}]
            found += [Path(folder, name) for name in names]
    return tuple(sorted(path for path in found if path.is_file()))


def own_python() -> list[Path]:
    return [path for path in own_files() if path.suffix == ".py"]


@cache
def own_text() -> dict[str, str]:
    """Return the readable files by name; the wrong-on-purpose inputs and pictures are left out."""
    names = {path.relative_to(ROOT).as_posix(): path for path in own_files()}
    binary = (".png", ".gz", ".parquet", ".zip", ".xlsx")
    return {
        name: path.read_bytes().decode("utf-8")
        for name, path in names.items()
        if not name.endswith(binary) and not name.startswith("tests/bad_inputs/")
    }


# ---- tools ----


@pytest.mark.parametrize(
    ("target", "tools"),
    [("lint", ["ruff check .", "ruff format --check .", "lint-imports", "numpydoc lint", "codespell"]), ("types", ["mypy"])],
)
def test_every_submission_passes_the_tools(target: str, tools: list[str]) -> None:
    """They take as long as many tests, so they are a step of their own, which no submission may lose."""
    steps = re.findall(r"^step .*? make ([a-z ]+)", (ROOT / ".ci" / "run").read_text(encoding="utf-8"), re.MULTILINE)
    assert target in {word for names in steps for word in names.split()}
    recipe = re.search(rf"^{target}:.*\n((?:\t.*\n)+)", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    assert recipe
    for tool in tools:
        assert f"\t$(BIN)/{tool}" in recipe[1]
    assert "|| true" not in recipe[1]
    assert "\t-" not in recipe[1]


def test_floor_contract_names_every_module() -> None:
    """The exhaustive contract may list planned modules as optional, but never a floor that is empty."""
    contracts = config()["tool"]["importlinter"]["contracts"]
    floors = next(c["layers"] for c in contracts if c.get("containers") == ["transport"])
    modules = {p.stem for p in (ROOT / "transport").glob("*.py")} | {
        p.parent.name for p in (ROOT / "transport").glob("*/__init__.py")
    }
    for floor in floors:
        named = {part.strip(" ()") for part in re.split(r"[:|]", floor)}
        assert named & modules, f"no module of the floor {floor!r} exists"


# ---- imports ----


def loaded_by(statement: str) -> set[str]:
    code = f"import sys\n{statement}\nimport json\nprint(json.dumps(sorted(sys.modules)))"
    done = run(sys.executable, "-c", code)
    assert done.returncode == 0, done.stderr
    return {name.partition(".")[0] for name in json.loads(done.stdout)}


def test_import_of_transport_loads_nothing_heavy() -> None:
    loaded = loaded_by("import transport")
    assert "transport" in loaded
    assert not loaded & set(HEAVY)


def test_command_line_loads_no_screen_and_no_map_service() -> None:
    loaded = loaded_by("import transport.cli")
    assert not loaded & {"streamlit", "osmnx", "geopandas", "pydeck", "altair", "sqlalchemy"}


def test_matrix_products_take_one_thread() -> None:
    """Another number of threads sums in another order, so that the last digits would depend on the processor."""
    bare = {name: value for name, value in os.environ.items() if not name.endswith("_NUM_THREADS")}
    code = "import transport, os; print(os.environ['OPENBLAS_NUM_THREADS'])"
    said = subprocess.run([sys.executable, "-c", code], env=bare, capture_output=True, text=True, check=True).stdout
    assert said.strip() == "1"


def test_version_stands_in_one_voice() -> None:
    import transport

    assert config()["project"]["version"] == transport.__version__
    assert re.search(
        rf"^version: {re.escape(transport.__version__)}$", (ROOT / "CITATION.cff").read_text(encoding="utf-8"), re.MULTILINE
    )
    assert f"## {transport.__version__}" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


# ---- lock files ----


def config() -> dict:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def group(name: str) -> list[str]:
    """Return the requirements of a dependency group, included groups resolved."""
    found = []
    for entry in config()["dependency-groups"][name]:
        found += [entry] if isinstance(entry, str) else group(entry["include-group"])
    return found


def pins(lock: str) -> dict[str, set[Version]]:
    """Return the pinned versions by package; a package may be pinned differently by Python version or platform."""
    found: dict[str, set[Version]] = {}
    for line in (ROOT / lock).read_text(encoding="utf-8").splitlines():
        pinned = re.match(r"([A-Za-z0-9._-]+)==([^ ;\\]+)", line)
        if pinned:
            found.setdefault(canonicalize_name(pinned[1]), set()).add(Version(pinned[2]))
    return found


LOCKS = {"requirements.lock": ("build",), "requirements-dev.lock": ("dev",)}


@pytest.mark.parametrize(("lock", "groups"), LOCKS.items(), ids=LOCKS)
def test_lock_matches_ranges(lock: str, groups: tuple[str, ...]) -> None:
    pinned = pins(lock)
    wanted = config()["project"]["dependencies"] + [line for name in groups for line in group(name)]
    for line in wanted:
        requirement = Requirement(line)
        versions = pinned.get(canonicalize_name(requirement.name), set())
        assert versions, f"{requirement} is not pinned in {lock}; run make lock"
        assert all(version in requirement.specifier for version in versions), f"{requirement} against {versions} in {lock}"


@pytest.mark.parametrize("lock", LOCKS)
def test_lock_has_hashes_and_no_address(lock: str) -> None:
    text = (ROOT / lock).read_text(encoding="utf-8")
    assert "://" not in text
    blocks = [b for b in re.split(r"\n(?=[A-Za-z0-9])", text) if "==" in b]
    assert len(blocks) >= len(config()["project"]["dependencies"])
    assert all("--hash=sha256:" in block for block in blocks)


def test_test_environment_runs_the_versions_of_the_run_lock() -> None:
    run_pins, dev_pins = pins("requirements.lock"), pins("requirements-dev.lock")
    assert {name: dev_pins.get(name) for name in run_pins} == run_pins


# ---- text ----


def test_python_files_stay_readable() -> None:
    long = {
        p.relative_to(ROOT).as_posix(): n
        for p in own_python()
        if (n := len(p.read_text(encoding="utf-8").splitlines())) > MAX_LINES
    }
    assert not long, f"split by noun, at most {MAX_LINES} lines: {long}"


# written in two halves, so that this file does not find itself
FORBIDDEN = {
    "registry host": "|".join(
        re.escape(a + b)
        for a, b in [("pypi", ".org"), ("files.python", "hosted"), ("npm", "js.org"), ("npm", "js.com"), ("anaconda", ".org")]
    ),
    "place outside the project": "|".join(
        re.escape(a + b) for a, b in [("../sha", "red"), ("/work/", "main"), ("/work/", "shared"), ("/t", "mp/build")]
    ),
    "unfinished work": r"\b(?:TO" + r"DO|FIX" + r"ME|XX" + r"X)\b",
}


@pytest.mark.parametrize("what", FORBIDDEN)
def test_no_file_mentions(what: str) -> None:
    pattern = re.compile(FORBIDDEN[what])
    texts = own_text()
    assert "pyproject.toml" in texts
    hits = [
        f"{name}:{text.count(chr(10), 0, hit.start()) + 1}: {hit[0]}"
        for name, text in texts.items()
        for hit in pattern.finditer(text)
    ]
    if what == "unfinished work":
        hits = [hit for hit in hits if not hit.startswith(("requirements", "data/"))]
    assert not hits, hits


def test_text_files_end_lines_the_same_way() -> None:
    for name, text in own_text().items():
        assert "\r" not in text, f"{name} has Windows line ends"
        assert not text.startswith("\ufeff"), f"{name} starts with a byte order mark"


# ---- commands of the papers ----


@pytest.mark.parametrize("paper", ["README.md", "CONTRIBUTING.md", "benchmarks/README.md"])
def test_make_commands_of_the_papers_exist(paper: str) -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    text = (ROOT / paper).read_text(encoding="utf-8")
    named = {
        c
        for block in re.findall(r"```.*?```|`[^`\n]+`", text, re.DOTALL)
        for c in re.findall(r"^`?make ([a-z]+)", block, re.MULTILINE)
    }
    assert named
    assert named <= targets


def test_readme_starts_with_the_two_commands() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert re.findall(r"^make ([a-z]+)", text, re.MULTILINE)[:3] == ["run", "test", "app"]


def test_transport_commands_of_the_readme_exist(capsys: pytest.CaptureFixture[str]) -> None:
    from transport.cli import main

    text = (ROOT / "README.md").read_text(encoding="utf-8")
    named = set(re.findall(r"(?:^|[`\\])transport ([a-z]+(?:-[a-z]+)*)", text, re.MULTILINE))
    assert {"run", "check", "compare", "show", "app"} <= named
    for verb in sorted(named):
        with pytest.raises(SystemExit) as ended:
            main([verb, "--help"])
        told = capsys.readouterr()
        assert ended.value.code == 0, f"transport {verb}: {told.err}"
        assert verb in told.out


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", "benchmarks/README.md"])
def test_links_of_the_papers_lead_somewhere(name: str) -> None:
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", (ROOT / name).read_text(encoding="utf-8")):
        assert ((ROOT / name).parent / target).exists(), f"{name} links to {target}"


def test_dependency_table_names_every_dependency() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    table = set(re.findall(r"^\| `([A-Za-z0-9._-]+)`", text, re.MULTILINE))
    declared = {Requirement(line).name for line in config()["project"]["dependencies"]}
    assert declared <= table, f"not in the dependency table: {sorted(declared - table)}"


# ---- the rules about skipping ----

SKIPPING = """
import pytest

@pytest.mark.browser
def test_page(chromium_path):
    raise AssertionError("never reached without Chromium")

@pytest.mark.xfail(reason="known", strict=True)
def test_known():
    assert False
"""


@pytest.mark.parametrize(
    ("ci", "code", "summary"),
    [("", 0, "1 skipped, 1 xfailed"), ("true", 1, "1 xfailed, 1 error")],
    ids=["at-a-desk", "in-ci"],
)
def test_browser_tests_skip_at_a_desk_and_fail_in_ci(tmp_path: Path, ci: str, code: int, summary: str) -> None:
    shutil.copy(ROOT / "tests/conftest.py", tmp_path / "conftest.py")
    (tmp_path / "test_sample.py").write_text(SKIPPING, encoding="utf-8")
    (tmp_path / "pytest.ini").write_text("[pytest]\nmarkers =\n    browser: needs Chromium\n", encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-ra", "-p", "no:cacheprovider", "-p", "no:xdist", "-p", "no:cov"]
    done = run(*command, cwd=tmp_path, CI=ci, CHROMIUM="no-such-browser", PYTEST_ADDOPTS="", PYTHONWARNINGS="")
    assert done.returncode == code, done.stdout + done.stderr
    assert summary in done.stdout
    assert "apt-get install chromium" in done.stdout


def test_tests_cannot_reach_the_internet() -> None:
    import socket

    with socket.socket() as outside, pytest.raises(AssertionError, match="without internet"):
        outside.connect(("192.0.2.1", 80))
