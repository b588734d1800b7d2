"""The zip of a run: the same bytes every time, every damage found at once, hostile zips refused, computed again and compared."""

from __future__ import annotations

import hashlib
import json
import shutil
import stat
import zipfile
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest

from tests.transport.zips import found, members, rewritten
from transport import bundle_check
from transport.bundle import ABOUT, FORMAT, MANIFEST, SCENARIO, SUMS, export_run
from transport.bundle_check import compute, is_of_installed_data, scenario_of, verify
from transport.check_problems import words
from transport.cli import main
from transport.inputs import load_inputs
from transport.scenario import load_scenario
from transport.store import StoredRun, StoreError, files_to_keep, read_run, run_id, surroundings, write_run

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from transport.inputs import Inputs
    from transport.scenario import Scenario

TABLES = {
    "co2": pl.DataFrame({"year": [2020, 2030], "area": ["大连", None], "t": [1.5e7, 0.1 + 0.2], "x": [None, float("nan")]}),
    "gaps": pl.DataFrame({"gap": [1e-17, -3e3]}),
}


@pytest.fixture(scope="module")
def plan(inputs: Inputs) -> Scenario:
    extra = {"rail_tariff": {2027: 0.95, 2030: 0.9}, "metro_km_dalian": 30.0}
    sections = {"sites": {}, "closures": {inputs.table("networks/links")["link_id"][0]: {2028: 0.25}}}
    return load_scenario("plan_2030", inputs.folder, inputs.levers, extra=extra, **sections)


@pytest.fixture
def run(plan: Scenario, inputs: Inputs, tmp_path: Path) -> StoredRun:
    return write_run(tmp_path / "runs" / "one", TABLES, plan, inputs.data_hash, seconds=1.0)


@pytest.fixture
def good(run: StoredRun, tmp_path: Path) -> Path:
    export_run(run, tmp_path / "good.zip")
    return tmp_path / "good.zip"


# ---- export ----


def test_the_same_run_gives_the_same_bytes(plan: Scenario, inputs: Inputs, good: Path, tmp_path: Path) -> None:
    again = write_run(tmp_path / "elsewhere", dict(reversed(TABLES.items())), plan, inputs.data_hash, seconds=99.0)
    digest = export_run(again, tmp_path / "new" / "again.zip")
    data = (tmp_path / "new" / "again.zip").read_bytes()
    assert data == good.read_bytes()
    assert digest == hashlib.sha256(data).hexdigest()
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["again.zip"]


def test_the_zip_holds_inputs_versions_seed_outputs_and_checksums(good: Path, run: StoredRun, plan: Scenario) -> None:
    inside = members(good)
    assert sorted(inside) == sorted(
        ["README.txt", SUMS, ABOUT, MANIFEST, SCENARIO, "outputs/co2.parquet", "outputs/gaps.parquet"]
    )
    for name in TABLES:
        assert inside[f"outputs/{name}.parquet"] == (run.folder / f"{name}.parquet").read_bytes()
    cover = json.loads(inside[ABOUT])
    assert (cover["format"], cover["seed"], cover["draws"], cover["run_id"]) == (FORMAT, plan.seed, 1, run.manifest["run_id"])
    assert {name: cover[name] for name in ("python", "platform", "packages")} == surroundings()
    assert json.loads(inside[SCENARIO]) == plan.resolved()
    assert not {"created_at", "seconds"} & json.loads(inside[MANIFEST]).keys()
    listed = dict(reversed(line.split("  ", 1)) for line in inside[SUMS].decode().splitlines())
    assert listed == {name: hashlib.sha256(data).hexdigest() for name, data in inside.items() if name != SUMS}
    with zipfile.ZipFile(good) as archive:
        assert {one.date_time for one in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        assert archive.namelist() == sorted(inside)


def test_a_run_that_was_changed_is_not_handed_on(run: StoredRun, tmp_path: Path) -> None:
    (run.folder / "co2.parquet").write_bytes(b"other")
    (run.folder / "gaps.parquet").unlink()
    with pytest.raises(StoreError, match=r"not what the run wrote: co2\.parquet, gaps\.parquet"):
        export_run(run, tmp_path / "bad.zip")
    assert not (tmp_path / "bad.zip").exists()


def test_what_is_no_run_is_not_handed_on(run: StoredRun, tmp_path: Path) -> None:
    for manifest in ({**run.manifest, "kind": "simulate"}, {k: v for k, v in run.manifest.items() if k != "packages"}):
        with pytest.raises(StoreError, match=r"result of transport simulate|manifest lacks packages"):
            export_run(StoredRun(run.folder, manifest), tmp_path / "no.zip")


def test_a_place_that_cannot_be_written_leaves_nothing(run: StoredRun, tmp_path: Path) -> None:
    (tmp_path / "folder.zip").mkdir()
    with pytest.raises(StoreError, match="cannot write"):
        export_run(run, tmp_path / "folder.zip")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["folder.zip", "runs"]


# ---- check ----


def test_a_good_zip_is_found_good(good: Path, run: StoredRun) -> None:
    verdict = verify(good)
    assert (verdict.problems, verdict.remarks) == ((), ())
    assert verdict.about["run_id"] == run.manifest["run_id"]


def test_every_planted_damage_is_found_at_once(good: Path) -> None:
    sums = members(good)[SUMS].decode()
    path = rewritten(
        good,
        {
            "outputs/co2.parquet": b"other",
            "outputs/gaps.parquet": None,
            "outputs/more.parquet": b"new",
            SCENARIO: b"{",
            SUMS: (sums + "no checksum\n").encode(),
        },
    )
    assert found(path) == {
        ("outputs/co2.parquet", "", "bundle.changed"),
        ("outputs/gaps.parquet", "", "bundle.missing"),
        ("outputs/more.parquet", "", "bundle.extra"),
        (SCENARIO, "", "bundle.changed"),
        (SCENARIO, "", "bundle.syntax"),
        (SUMS, "", "bundle.sums"),
    }


def test_a_forger_who_also_forges_the_checksums_is_found(good: Path, run: StoredRun) -> None:
    cover = json.loads(members(good)[ABOUT])
    resolved = json.loads(members(good)[SCENARIO])
    resolved["set"]["rail_tariff"]["2030"] = 0.5
    path = rewritten(
        good,
        {
            "outputs/co2.parquet": b"other",
            "outputs/gaps.parquet": None,
            "outputs/more.parquet": b"new",
            SCENARIO: json.dumps(resolved).encode(),
            ABOUT: json.dumps(cover | {"seed": 7, "run_id": "000000000000"}).encode(),
        },
        sums=True,
    )
    assert found(path) == {
        ("outputs/co2.parquet", "", "bundle.manifest"),
        ("outputs/gaps.parquet", "", "bundle.manifest:absent"),
        ("outputs/more.parquet", "", "bundle.manifest:unknown"),
        (SCENARIO, "", "bundle.contradicts"),
        (ABOUT, "seed", "bundle.contradicts"),
        (ABOUT, "run_id", "bundle.contradicts"),
    }


def test_other_version_and_other_data_are_found_together(good: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bundle_check, "__version__", "9.9")
    monkeypatch.setattr(bundle_check, "data_hash", lambda *_: "f" * 64)
    assert found(good) == {(MANIFEST, "version", "bundle.version"), (MANIFEST, "data_hash", "bundle.data")}
    verdict = verify(good, rerun=lambda *_: pytest.fail("nothing is computed with another program"))
    assert [one.code for one in verdict.remarks] == ["bundle.not_rerun"]


def test_a_later_layout_is_told(good: Path) -> None:
    cover = json.loads(members(good)[ABOUT])
    assert found(rewritten(good, {ABOUT: json.dumps(cover | {"format": 2}).encode()}, sums=True)) == {
        (ABOUT, "format", "bundle.format")
    }


@pytest.mark.parametrize("name", [ABOUT, MANIFEST, SCENARIO, SUMS])
@pytest.mark.parametrize("content", [None, b"", b"[]", b"\xff", b"[" * 100_000, b'{"format": 1, "tables": 3}'])
def test_no_text_of_the_zip_can_break_the_check(good: Path, name: str, content: bytes | None) -> None:
    files = {file for file, *_ in found(rewritten(good, {name: content}))}
    assert files
    assert name in files or (name, content) == (SUMS, b"")  # then every other member is one too many


@pytest.mark.parametrize("text", ["\ud800", "a\x1b[2Jb"])
def test_odd_letters_in_the_manifest_break_nothing_and_reach_no_terminal(good: Path, text: str) -> None:
    manifest = json.loads(members(good)[MANIFEST])
    for change in ({"data_hash": text}, {"tables": {text: "0" * 64}}):
        verdict = verify(rewritten(good, {MANIFEST: json.dumps(manifest | change).encode()}, sums=True))
        assert verdict.problems
        assert all(one.file.isprintable() for one in words(verdict.problems, "en"))


@pytest.mark.parametrize("content", [b"", b"no zip", b"PK\x05\x06" + b"\0" * 18, b"PK\x03\x04 cut short"])
def test_what_is_no_zip_is_told(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.zip").write_bytes(content)
    assert {code for *_, code in found(tmp_path / "a.zip")} <= {"bundle.broken", "bundle.missing"}
    assert verify(tmp_path / "a.zip").problems


def test_a_file_cut_short_or_with_a_flipped_bit_is_told(good: Path, tmp_path: Path) -> None:
    data = bytearray(good.read_bytes())
    (tmp_path / "cut.zip").write_bytes(data[:-100])
    assert {code for *_, code in found(tmp_path / "cut.zip")} == {"bundle.broken"}
    at = bytes(data).index((good.parent / "runs" / "one" / "co2.parquet").read_bytes()) + 50
    data[at] ^= 1
    (tmp_path / "bit.zip").write_bytes(data)
    assert found(tmp_path / "bit.zip") == {("outputs/co2.parquet", "", "bundle.unreadable")}


# ---- hostile zips ----


def hostile(path: Path, *names: str, mode: int = 0o100644, data: bytes = b"x", flags: int = 0) -> Path:
    with (
        pytest.warns(UserWarning, match="Duplicate") if len(set(names)) < len(names) else zipfile.ZipFile(path, "w"),
        zipfile.ZipFile(path, "w") as archive,
    ):
        for name in names:
            member = zipfile.ZipInfo(name)
            member.filename = name
            member.external_attr, member.flag_bits, member.create_system = mode << 16, flags, 3
            archive.writestr(member, data)
    return path


@pytest.mark.parametrize(
    ("names", "mode", "code"),
    [
        (("../../etc/passwd",), 0o100644, "bundle.unsafe"),
        (("inputs/pack/../../../x",), 0o100644, "bundle.unsafe"),
        (("/etc/passwd",), 0o100644, "bundle.unsafe"),
        (("C:/x",), 0o100644, "bundle.unsafe"),
        (("..\\x",), 0o100644, "bundle.unsafe"),
        (("inputs//x",), 0o100644, "bundle.unsafe"),
        (("inputs/./x",), 0o100644, "bundle.unsafe"),
        (("inputs/",), 0o100644, "bundle.unsafe"),
        (("a\nb",), 0o100644, "bundle.unsafe"),
        (("inputs/.. /x",), 0o100644, "bundle.unsafe"),
        (("inputs/pack./x",), 0o100644, "bundle.unsafe"),
        (("inputs/pack/x",), stat.S_IFLNK | 0o777, "bundle.link"),
        (("inputs/pack/x",), stat.S_IFIFO | 0o644, "bundle.link"),
        (("manifest.json", "manifest.json"), 0o100644, "bundle.twice"),
        (("manifest.json", "Manifest.json"), 0o100644, "bundle.twice"),
    ],
)
def test_a_hostile_zip_is_refused_and_nothing_unpacked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, names: tuple[str, ...], mode: int, code: str
) -> None:
    monkeypatch.setattr(bundle_check, "_read", lambda *_: pytest.fail("a hostile zip is not read"))
    path = hostile(tmp_path / "h.zip", *names, mode=mode)
    assert {one for *_, one in found(path)} == {code}
    assert [one.name for one in tmp_path.iterdir()] == ["h.zip"]


def test_all_that_is_hostile_is_told_at_once(tmp_path: Path) -> None:
    path = hostile(tmp_path / "h.zip", "../a", "/b", "c:d")
    assert [one.value for one in verify(path).problems] == ["../a", "/b", "c:d"]


def test_a_locked_zip_is_told(tmp_path: Path) -> None:
    data = bytearray(hostile(tmp_path / "h.zip", "manifest.json").read_bytes())
    data[data.index(b"PK\x01\x02") + 8] |= 1
    (tmp_path / "h.zip").write_bytes(data)
    assert {one for *_, one in found(tmp_path / "h.zip")} == {"bundle.locked"}


def test_a_zip_that_is_too_large_is_refused_by_its_words_and_by_its_deeds(good: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bundle_check, "MAX_MEMBERS", 6)
    assert {code for *_, code in found(good)} == {"bundle.large:count"}
    monkeypatch.undo()
    monkeypatch.setattr(bundle_check, "MAX_BYTES", 3000)
    assert {code for *_, code in found(good)} == {"bundle.large"}
    monkeypatch.setattr(bundle_check, "_hostile", lambda *_: [])  # as if the sizes in the zip lied
    assert "bundle.large" in {code for *_, code in found(good)}


# ---- computed again ----


def test_the_scenario_of_the_zip_is_the_one_that_was_run(good: Path, plan: Scenario, inputs: Inputs) -> None:
    seen = []

    def again(scenario: Scenario, data: Inputs) -> Mapping[str, pl.DataFrame]:
        seen.append(scenario)
        assert data.data_hash == inputs.data_hash
        return TABLES | {"further": TABLES["co2"]}

    verdict = verify(good, rerun=again)
    assert (verdict.problems, verdict.remarks, verdict.compared) == ((), (), 2)
    (scenario,) = seen
    assert scenario.resolved() == plan.resolved()
    assert scenario.settings == plan.settings
    assert scenario.lineage == plan.lineage
    assert run_id(scenario, inputs.data_hash) == verdict.about["run_id"]


def shifted(factor: float) -> dict[str, pl.DataFrame]:
    return {**TABLES, "co2": TABLES["co2"].with_columns(pl.col("t") * factor)}


@pytest.mark.parametrize(
    ("again", "here", "elsewhere"),
    [
        (TABLES, set(), set()),
        (shifted(1 + 1e-12), {("outputs/co2.parquet", "", "bundle.rerun:bytes")}, set()),
        (shifted(1 + 1e-8), {("outputs/co2.parquet", "t", "bundle.rerun")}, {("outputs/co2.parquet", "t", "bundle.rerun")}),
        (
            {**TABLES, "gaps": TABLES["gaps"].with_columns(pl.Series("gap", [0.0, -3e3]))},
            {("outputs/gaps.parquet", "", "bundle.rerun:bytes")},
            set(),
        ),
        (
            {"co2": TABLES["co2"].with_columns(area=pl.lit("x"), x=pl.lit(1.0)), "gaps": TABLES["gaps"].head(1)},
            *[
                {
                    ("outputs/co2.parquet", "area", "bundle.rerun"),
                    ("outputs/co2.parquet", "x", "bundle.rerun"),
                    ("outputs/gaps.parquet", "", "bundle.rerun:rows"),
                }
            ]
            * 2,
        ),
        (
            {"gaps": TABLES["gaps"].cast(pl.Float32)},
            *[{("outputs/co2.parquet", "", "bundle.rerun:absent"), ("outputs/gaps.parquet", "", "bundle.rerun:columns")}] * 2,
        ),
    ],
    ids=["same", "last digits", "ninth digit", "zero", "values and rows", "missing"],
)
def test_tables_computed_again_are_equal_in_bytes_here_and_in_nine_digits_elsewhere(
    good: Path,
    monkeypatch: pytest.MonkeyPatch,
    again: Mapping[str, pl.DataFrame],
    here: set[tuple[str, str, str]],
    elsewhere: set[tuple[str, str, str]],
) -> None:
    assert found(good, lambda *_: again) == here
    monkeypatch.setattr(bundle_check, "surroundings", lambda: {**surroundings(), "platform": "another"})
    assert found(good, lambda *_: again) == elsewhere
    codes = [one.code for one in verify(good, rerun=lambda *_: again).remarks]
    assert codes[0] == "bundle.other"
    assert ("bundle.nearly" in codes) == bool(here and not elsewhere)


@pytest.mark.parametrize(
    ("kept", "again", "wrong"),
    [
        ([4e11, 0.25], [4e11 * (1 + 1e-11), 0.25 * (1 + 1e-11)], None),
        ([4e11, 0.25], [4e11, 0.2501], "0.25"),  # nothing beside tonne-kilometres, but not beside percents
        ([4e11, 0.25], [4e11, float("inf")], "0.25"),
        ([float("inf"), 0.25], [float("inf"), 0.25], None),
        ([float("inf"), 0.25], [float("-inf"), 0.25], "inf"),
        ([4e11, float("nan")], [4e11, float("nan")], None),
        ([4e11, float("nan")], [4e11, 0.0], "nan"),
        ([4e11, None], [4e11, 0.0], "None"),
    ],
)
def test_a_number_is_held_against_its_own_size_and_unit(kept: list[Any], again: list[Any], wrong: str | None) -> None:
    one, two = (pl.DataFrame({"unit": ["tkm", "percent"], "value": values}) for values in (kept, again))
    found = bundle_check._differences("t", one.lazy(), two)
    assert [(p.column, p.value) for p in found] == ([] if wrong is None else [("value", wrong)])


def test_a_table_that_is_no_parquet_is_told(run: StoredRun, tmp_path: Path) -> None:
    data = b"PAR1 not at all"
    (run.folder / "co2.parquet").write_bytes(data)
    manifest = {**run.manifest, "tables": {**run.manifest["tables"], "co2": hashlib.sha256(data).hexdigest()}}
    export_run(StoredRun(run.folder, manifest), tmp_path / "odd.zip")
    assert found(tmp_path / "odd.zip", lambda *_: TABLES) == {("outputs/co2.parquet", "", "bundle.unreadable")}


@pytest.mark.parametrize(
    ("part", "value", "place"),
    [
        ("set", {"no_such_lever": 1.0}, "no_such_lever"),
        ("set", {"rail_tariff": 1e9}, "rail_tariff"),
        ("sites", {"nowhere": {"2027": 1.0}}, "nowhere"),
        ("run", {"draws": -1}, ""),
        ("run", {"draws": "many"}, ""),
        ("run", {"feedback": "f" * 64}, "feedback"),
    ],
)
def test_a_scenario_from_outside_is_checked_before_it_is_computed(
    plan: Scenario, inputs: Inputs, run: StoredRun, tmp_path: Path, part: str, value: dict[str, Any], place: str
) -> None:
    resolved = plan.resolved()
    resolved[part] = {**resolved.get(part, {}), **value}
    text = json.dumps(resolved, sort_keys=True, ensure_ascii=True, separators=(",", ":"))
    digest = hashlib.sha256(text.encode()).hexdigest()
    identity = hashlib.sha256(f"{digest}:{inputs.data_hash}:{run.manifest['version']}".encode()).hexdigest()[:12]
    forged = StoredRun(run.folder, {**run.manifest, "resolved": resolved, "scenario_hash": digest, "run_id": identity})
    export_run(forged, tmp_path / "forged.zip")
    assert found(tmp_path / "forged.zip") == set()  # whole in itself
    wrong = found(tmp_path / "forged.zip", lambda *_: pytest.fail("it must not be computed"))
    assert {(file, column) for file, column, _ in wrong} == {(SCENARIO, place)} or place in {c for _, c, _ in wrong}
    assert wrong


# ---- data packs and feedback ----


@pytest.fixture
def packed(tmp_path: Path, inputs: Inputs, plan: Scenario) -> tuple[Inputs, StoredRun]:
    """Return inputs with a data pack and a run that was made from them, which keeps the pack."""
    row = inputs.parameters.filter(pl.col("low").is_not_null(), pl.col("quality") == "assumption").head(1)
    columns = ["parameter", "subject", "year", "value", "low", "high", "distribution", "unit", "source", "quality", "note"]
    table = row.select(columns).with_columns(value=pl.col("low"))
    (tmp_path / "pack" / "parameters").mkdir(parents=True)
    (tmp_path / "pack" / "README.md").write_text("ours", encoding="utf-8")
    table.write_csv(tmp_path / "pack" / "parameters" / "ours.csv")
    with_pack = load_inputs(pack=tmp_path / "pack")
    kept = files_to_keep(plan, tmp_path / "pack")
    return with_pack, write_run(tmp_path / "runs" / "two", TABLES, plan, with_pack.data_hash, seconds=1.0, kept=kept)


def test_a_data_pack_goes_with_the_run(packed: tuple[Inputs, StoredRun], inputs: Inputs, tmp_path: Path) -> None:
    with_pack, run = packed
    assert with_pack.data_hash != inputs.data_hash
    shutil.rmtree(tmp_path / "pack")  # the run has its own copy
    assert is_of_installed_data(run)
    export_run(run, tmp_path / "a.zip")
    assert "inputs/pack/parameters/ours.csv" in members(tmp_path / "a.zip")
    seen = []
    assert found(tmp_path / "a.zip", lambda _, data: (seen.append(data), TABLES)[1]) == set()
    assert seen[0].parameters.equals(with_pack.parameters)
    changed = rewritten(tmp_path / "a.zip", {"inputs/pack/parameters/ours.csv": None}, sums=True)
    assert found(changed) == {
        ("inputs/pack/parameters/ours.csv", "", "bundle.manifest:absent"),
        (MANIFEST, "data_hash", "bundle.data"),
    }
    again = write_run(run.folder, TABLES, scenario_of(run.manifest, tmp_path), inputs.data_hash, seconds=1.0)
    assert not (again.folder / "inputs").exists()


def test_a_feedback_table_goes_with_the_run(inputs: Inputs, tmp_path: Path) -> None:
    TABLES["gaps"].write_parquet(tmp_path / "feedback.parquet")
    taking = load_scenario("plan_2030", inputs.folder, inputs.levers, feedback=str(tmp_path / "feedback.parquet"))
    kept = files_to_keep(taking, None)
    run = write_run(tmp_path / "runs" / "three", TABLES, taking, inputs.data_hash, seconds=1.0, kept=kept)
    assert run.manifest["inputs"].keys() == {"feedback.parquet"}
    (tmp_path / "feedback.parquet").unlink()
    export_run(run, tmp_path / "a.zip")
    tables = []

    def again(scenario: Scenario, _: Inputs) -> Mapping[str, pl.DataFrame]:
        tables.append(pl.read_parquet(scenario.feedback))
        return TABLES

    assert found(tmp_path / "a.zip", again) == set()
    assert tables[0].equals(TABLES["gaps"])


# ---- commands ----


def call(capsys: pytest.CaptureFixture[str], *argv: str) -> tuple[int, str, str]:
    code = main(argv)
    captured = capsys.readouterr()
    return code, captured.out, captured.err


@pytest.fixture
def at_home(monkeypatch: pytest.MonkeyPatch, run: StoredRun) -> str:
    """Make the runs folder of the test the runs folder; return the name of the run."""
    monkeypatch.setenv("TRANSPORT_RUNS", str(run.folder.parent))
    monkeypatch.setenv("TRANSPORT_AUTHOR", "李")
    for name in ("TRANSPORT_STORE", "TRANSPORT_ROLE"):
        monkeypatch.delenv(name, raising=False)
    return run.folder.name


def test_the_catalogue_by_command(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, at_home: str, run: StoredRun, tmp_path: Path
) -> None:
    assert call(capsys, "runs", "list", "--lang", "en")[1].startswith("No run in the catalogue; transport runs scan")
    assert call(capsys, "runs", "scan", "--lang", "en") == (0, "1 runs taken in, 1 in the catalogue.\n", "")
    name = str(run.manifest["run_id"])
    assert call(capsys, "runs", "tag", name, "上报", "final")[0] == 0
    code, out, _ = call(capsys, "runs", "note", name[:6], "checked against the yearbook", "--json")
    assert (code, json.loads(out)["tags"]) == (0, ["final", "上报"])
    assert call(capsys, "runs", "untag", at_home, "final", "--lang", "en")[1] == "one: tags 上报; 1 notes\n"
    code, out, _ = call(capsys, "runs", "list", "--json")
    assert [(one["folder"], one["tags"], one["there"]) for one in json.loads(out)] == [("one", ["上报"], True)]
    asked = ["--tag", "上报", "--text", "yearbook", "--set", "rail_tariff=2027:0.95,2030:0.9", "--set", "metro_km_dalian"]
    code, out, _ = call(capsys, "runs", "find", *asked, "--since", "2020-01-01", "--lang", "en")
    assert code == 0
    assert name in out
    assert call(capsys, "runs", "find", "--author", "李", "--lang", "en") == (0, "", "No run meets all conditions.\n")
    assert call(capsys, "runs", "find", "--since", "yesterday", "--lang", "en")[0] == 2
    shown = call(capsys, "runs", "show", name)[1]
    assert "checked against the yearbook" in shown
    assert "rail_tariff=2027:0.95,2030:0.9" in shown
    code, out, _ = call(capsys, "runs", "export", name, "--out", str(tmp_path / "a.zip"), "--json")
    assert (code, json.loads(out)["data_installed"]) == (0, True)
    assert json.loads(out)["sha256"] == hashlib.sha256((tmp_path / "a.zip").read_bytes()).hexdigest()

    monkeypatch.setenv("TRANSPORT_ROLE", "viewer")
    code, _, err = call(capsys, "runs", "delete", name, "--yes", "--lang", "en")
    assert (code, err) == (1, "You may read and download, but not run, change or save anything; ask an editor.\n")
    monkeypatch.delenv("TRANSPORT_ROLE")
    assert call(capsys, "runs", "delete", name)[0] == 2
    assert read_run(run.folder).manifest == run.manifest
    assert call(capsys, "runs", "delete", name, "--yes")[0] == 0
    assert not run.folder.exists()
    code, _, err = call(capsys, "runs", "show", name, "--lang", "en")
    assert code == 1
    assert "holds no run" in err


def test_verify_by_command(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, good: Path, at_home: str, run: StoredRun
) -> None:
    monkeypatch.setattr(bundle_check, "compute", lambda *_: TABLES)
    code, out, err = call(capsys, "verify", str(good), "--rerun", "--lang", "en")
    assert (code, err) == (0, "")
    assert out.splitlines() == [
        f"good.zip: run {run.manifest['run_id']} (plan_2030), 2 tables; checksums, version and data are right.",
        "Computed again: all 2 tables are the same.",
    ]
    path = rewritten(good, {"outputs/co2.parquet": b"other", "outputs/gaps.parquet": None})
    code, out, _ = call(capsys, "verify", str(path))
    assert code == 2
    lines = out.splitlines()
    assert lines[-1] == "changed.zip：共 4 个问题。"
    assert lines[0].startswith("outputs/co2.parquet")
    code, out, _ = call(capsys, "verify", str(path), "--json")
    assert code == 2
    assert {one["code"] for one in json.loads(out)["findings"]} == {"bundle.changed", "bundle.missing", "bundle.manifest"}
    assert call(capsys, "verify", str(path.with_name("none.zip")))[0] == 2


def test_run_and_sweep_enter_the_catalogue_and_a_broken_one_costs_no_run(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, at_home: str, run: StoredRun, tmp_path: Path
) -> None:
    from transport import study, sweeps, text

    made: Callable[..., study.Results] = lambda scenario, inputs, **_: study.Results(scenario, inputs.data_hash, TABLES)  # noqa: E731
    monkeypatch.setattr(study, "run", made)
    monkeypatch.setattr(text, "indicator_rows", lambda *_: [])
    monkeypatch.setattr("transport.cli._run_json", lambda stored, _: {"folder": str(stored.folder)})
    code, out, err = call(capsys, "run", "baseline", "--json")
    assert (code, err) == (0, "")
    folder = json.loads(out)["folder"]
    code, out, _ = call(capsys, "runs", "find", "--author", "李", "--json")
    assert [one["scenario"] for one in json.loads(out)] == ["baseline"]
    assert run.folder.parent / json.loads(out)[0]["folder"] == run.folder.parent / folder.rpartition("/")[2]

    cases = 'title_zh = "两例"\ntables = ["indicators"]\nbase = "baseline"\n[[case]]\nname = "a"\n[[case]]\nname = "b"\nset.rail_tariff = 0.9\n'
    (tmp_path / "two.toml").write_text(cases, encoding="utf-8")
    monkeypatch.setattr(sweeps, "case_tables", lambda *_: {"indicators": TABLES["gaps"]})
    monkeypatch.setattr("transport.sweep_cli._told", lambda *_: 0)
    code, _, err = call(capsys, "sweep", str(tmp_path / "two.toml"), "--quiet")
    assert (code, err) == (0, "")
    code, out, _ = call(capsys, "runs", "list", "--json")
    assert {one["folder"].rpartition("/")[0] for one in json.loads(out)} == {"", "sweep-two/cases"}
    assert len(json.loads(out)) == 3

    code, out, err = call(capsys, "run", "baseline", "--json", "--lang", "en", "--store", f"sqlite:///{tmp_path}")
    assert code == 0
    assert read_run(run.folder.parent / folder.rpartition("/")[2]).table("co2").equals(TABLES["co2"])
    assert err.startswith("The run is written, but the catalogue of runs did not take it: ")
    assert err.count("\n") == 1


@pytest.mark.slow
def test_a_real_run_computed_again_is_the_same_byte_for_byte(baseline_run: StoredRun, tmp_path: Path) -> None:
    export_run(baseline_run, tmp_path / "a.zip")
    verdict = verify(tmp_path / "a.zip", rerun=compute)
    assert (verdict.problems, verdict.remarks) == ((), ())
    assert verdict.compared == len(baseline_run.manifest["tables"]) > 50
