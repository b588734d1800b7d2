"""Loading: where the data come from, what a data pack changes and what it leaves alone, and the hash of it all."""

from __future__ import annotations

import io
import shutil
import zipfile
from dataclasses import FrozenInstanceError, replace
from typing import TYPE_CHECKING

import polars as pl
import pytest
from polars.testing import assert_frame_equal

import transport.inputs
from transport.findings import DataError
from transport.inputs import Inputs, Target, data_folder, load_inputs
from transport.layout import year_index
from transport.params import Lever

if TYPE_CHECKING:
    from pathlib import Path

HEADER = "parameter,subject,year,value,low,high,distribution,unit,source,quality,note\n"


@pytest.fixture(scope="module")
def small(small_data: Path) -> Inputs:
    return load_inputs(small_data)


@pytest.fixture
def copy(small_data: Path, tmp_path: Path) -> Path:
    folder = tmp_path / "copy" / "data"
    shutil.copytree(small_data, folder)
    return folder


def pack_of(tmp_path: Path, **files: str) -> Path:
    """Return a pack folder; ``__`` in a name stands for ``/``."""
    folder = tmp_path / "pack"
    for name, text in files.items():
        path = folder / f"{name.replace('__', '/')}.csv"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return folder


def same(a: Inputs, b: Inputs) -> bool:
    assert list(a.tables) == list(b.tables)
    for name, table in a.tables.items():
        assert_frame_equal(table, b.tables[name])
    assert_frame_equal(a.parameters, b.parameters)
    return (a.levers, a.targets) == (b.levers, b.targets)


# --- where


def test_data_folder_of_the_checkout(data_folder: Path) -> None:
    assert transport.inputs.data_folder() == data_folder


def test_data_folder_named_by_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRANSPORT_DATA", str(tmp_path))
    assert data_folder() == tmp_path
    monkeypatch.setenv("TRANSPORT_DATA", str(tmp_path / "absent"))
    with pytest.raises(FileNotFoundError, match="absent"):
        data_folder()


def test_data_folder_of_the_wheel_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport.inputs, "__file__", str(tmp_path / "transport" / "inputs.py"))
    (tmp_path / "data").mkdir()
    assert data_folder() == tmp_path / "data"
    (tmp_path / "transport" / "_data").mkdir(parents=True)
    assert data_folder() == tmp_path / "transport" / "_data"


# --- what


def test_bundled_data_loads() -> None:
    inputs = load_inputs()
    assert inputs.pack is None
    assert inputs.parameters.height > 500
    assert inputs.table("networks/links").height > 500
    assert {target.id for target in inputs.targets} >= {"operating_co2_intensity", "sea_rail_share", "green_travel_share"}
    params = inputs.params()
    assert params.get("grid_factor").shape == (1, 21)
    assert inputs.parameters.select("parameter", "subject", "year").is_duplicated().sum() == 0


def test_tables_are_typed_by_the_dictionary(small: Inputs) -> None:
    nodes = small.table("networks/nodes")
    assert nodes.schema["lat"] == pl.Float64
    assert nodes.schema["in_province"] == pl.Boolean
    assert nodes["in_province"].to_list() == [True, True, True, False]
    links = small.table("networks/links")
    assert links.schema["open_year"] == pl.Int64
    assert links["open_year"].to_list() == [None, 1990, None, None]
    assert links["note"].null_count() == links.height  # an empty cell is missing, not an empty text
    assert not any(name.startswith("_") for table in small.tables.values() for name in table.columns)


def test_parameters_know_their_file(small: Inputs) -> None:
    files = dict(small.parameters.select("parameter", "file").iter_rows())
    assert files["diesel_price"] == "parameters/costs"
    assert files["truck_payload"] == "parameters/energy"
    assert small.params().get("energy_intensity", "battery_electric")[0, year_index(2025)] == pytest.approx(1.4)
    assert small.params(draws=5, seed=1).get("empty_running").shape == (5, 21)


def test_levers_and_targets(small: Inputs) -> None:
    assert small.levers[1] == Lever("empty_cut", "empty_running", "*", "add", -0.3, 0.3, 0.0)
    (target,) = small.targets
    assert target == Target(
        id="sea_rail_share",
        area="210000",
        year=2025,
        value=15.0,
        unit="percent",
        direction="at_least",
        base_year=None,
        tolerance=0.0,
        strength="binding",
        document="计划",
        clause="三(四)1",
        wording_zh="到2025年，集装箱海铁联运量占港口集装箱吞吐量比例达到15%。",
        lead_department="",
        scope="",
        boundary="",
        base="",
    )


def test_inputs_are_frozen_and_tables_are_named(small: Inputs) -> None:
    with pytest.raises(FrozenInstanceError):
        small.data_hash = "x"  # type: ignore[misc]
    with pytest.raises(KeyError, match="did you mean 'networks/nodes'"):
        small.table("networks/node")


def test_mistakes_are_refused_together(small_data: Path, bad_inputs: Path) -> None:
    with pytest.raises(DataError, match=r"^5 problem\(s\)") as refused:
        load_inputs(small_data, bad_inputs / "five_mistakes")
    assert len(refused.value.findings) == 5


# --- packs


def test_pack_row_replaces_by_key_whatever_the_file_is_called(small_data: Path, small: Inputs, tmp_path: Path) -> None:
    pack = pack_of(tmp_path, parameters__ours=HEADER + "truck_payload,tractor_trailer,,33,,,fixed,t/veh,yearbook,measured,\n")
    laid = load_inputs(small_data, pack)
    key = pl.col("parameter") == "truck_payload"
    assert laid.parameters.filter(key).select("value", "quality", "file").rows() == [(33.0, "measured", "parameters/ours")]
    assert_frame_equal(laid.parameters.filter(~key), small.parameters.filter(~key))
    assert laid.params().get("truck_payload", "tractor_trailer")[0, 0] == 33.0
    assert laid.tables.keys() == small.tables.keys()


def test_pack_adds_a_year_and_a_subject(small_data: Path, tmp_path: Path) -> None:
    rows = (
        "energy_intensity,battery_electric,2025,1.0,,,fixed,kWh/km,yearbook,measured,\n"
        "energy_intensity,fuel_cell,,2.4,,,fixed,kWh/km,yearbook,measured,\n"
    )
    params = load_inputs(small_data, pack_of(tmp_path, parameters__energy=HEADER + rows)).params()
    assert params.get("energy_intensity", "battery_electric")[0, year_index(2025)] == 1.0
    assert params.get("energy_intensity", "battery_electric")[0, year_index(2030)] == pytest.approx(1.3)
    assert params.get("energy_intensity", "fuel_cell")[0, 0] == 2.4


def test_pack_table_replaces_in_place_and_adds(small_data: Path, small: Inputs, tmp_path: Path) -> None:
    lines = (small_data / "networks" / "links.csv").read_text(encoding="utf-8").splitlines()
    changed = lines[2].replace(",375,375,", ",380,380,")
    added = "RD2,DL,GW_CC,road,expressway,大连至长春,700,700,80,,,,,0.6,,,yearbook,literature,"
    laid = load_inputs(small_data, pack_of(tmp_path, networks__links="\n".join([lines[0], added, changed])))
    links = laid.table("networks/links")
    assert links["link_id"].to_list() == [*small.table("networks/links")["link_id"].to_list(), "RD2"]
    assert links["length_km"].to_list() == [397.0, 380.0, 0.0, 305.0, 700.0]


def test_pack_with_the_same_rows_changes_nothing_but_the_hash(small_data: Path, small: Inputs, tmp_path: Path) -> None:
    pack = tmp_path / "pack"
    for name in ("networks", "demand", "targets"):
        shutil.copytree(small_data / name, pack / name)
    laid = load_inputs(small_data, pack)
    assert same(laid, small)
    assert laid.data_hash != small.data_hash


def test_pack_brings_its_own_source(small_data: Path, tmp_path: Path) -> None:
    pack = pack_of(
        tmp_path,
        sources="source,citation,publisher,date,licence,location,accessed\nbureau_2026,交通局台账,交通局,2026,,,2026-11-22\n",
        parameters__ours=HEADER + "empty_running,all,,0.36,0.3,0.4,uniform,dimensionless,bureau_2026,measured,\n",
    )
    assert load_inputs(small_data, pack).table("sources")["source"].to_list()[-1] == "bureau_2026"


def test_pack_changes_a_target(small_data: Path, tmp_path: Path) -> None:
    text = (small_data / "targets" / "plan.toml").read_text(encoding="utf-8").replace("value = 15.0", "value = 16")
    (tmp_path / "targets").mkdir()
    (tmp_path / "targets" / "ours.toml").write_text(text, encoding="utf-8")
    (target,) = load_inputs(small_data, tmp_path).targets
    assert target.value == 16.0


@pytest.mark.parametrize("inner", ["", "data/", "沈阳数据包/", "pack/data/"])
def test_zip_is_the_same_as_its_folder(inner: str, small_data: Path, bad_inputs: Path, tmp_path: Path) -> None:
    """Zipping a folder adds one level, macOS its own files."""
    path = tmp_path / "pack.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for file in sorted((bad_inputs / "clean").rglob("*")):
            if file.is_file():
                name = inner + file.relative_to(bad_inputs / "clean").as_posix()
                archive.writestr(name, file.read_bytes())
        archive.writestr("__MACOSX/._energy.csv", b"\x00\x05")
    laid = load_inputs(small_data, path)
    folder = load_inputs(small_data, bad_inputs / "clean")
    assert same(laid, folder)
    assert laid.data_hash == folder.data_hash
    assert laid.table("observed/own")["value"].to_list() == [3.2e8]


def test_gbk_name_of_a_parameter_file(small_data: Path, tmp_path: Path) -> None:
    """Windows in China writes GBK names without saying so."""
    path = tmp_path / "pack.zip"
    row = "truck_payload,tractor_trailer,,33,,,fixed,t/veh,yearbook,measured,\n"
    raw = _raw_gbk_zip("parameters/沈阳.csv", (HEADER + row).encode())
    path.write_bytes(raw)
    laid = load_inputs(small_data, path)
    assert laid.parameters.filter(pl.col("value") == 33.0)["file"].to_list() == ["parameters/沈阳"]


def _raw_gbk_zip(name: str, data: bytes) -> bytes:
    """Return a zip whose member name is GBK bytes: write an ASCII name of the same length and swap the bytes."""
    wanted = name.encode("gb18030")
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("x" * len(wanted), data)
    return stream.getvalue().replace(b"x" * len(wanted), wanted)


# --- hash


def test_hash_ignores_newlines_and_byte_order_marks(small: Inputs, copy: Path) -> None:
    for path in copy.rglob("*.csv"):
        path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\r\n", b"\n").replace(b"\n", b"\r\n"))
    other = load_inputs(copy)
    assert same(other, replace(small, folder=copy))
    assert other.data_hash == small.data_hash
    assert len(small.data_hash) == 64


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("parameters/energy.csv", "1.5,", "1.6,"),
        ("targets/plan.toml", "15.0", "15.5"),
        ("scenarios/plain.toml", "Plain", "Plainer"),
        ("units.txt", "# Units", "# The units"),
        ("networks/nodes.csv", "Dalian,", "Dairen,"),
    ],
)
def test_hash_sees_every_file(small: Inputs, copy: Path, name: str, old: str, new: str) -> None:
    path = copy / name
    before = path.read_text(encoding="utf-8")
    path.write_text(before.replace(old, new, 1), encoding="utf-8")
    assert path.read_text(encoding="utf-8") != before
    assert load_inputs(copy).data_hash != small.data_hash


def test_hash_ignores_licence_and_litter(small: Inputs, copy: Path) -> None:
    (copy / "LICENSE-DATA.md").write_text("CC BY 4.0", encoding="utf-8")
    (copy / ".DS_Store").write_bytes(b"x")
    assert load_inputs(copy).data_hash == small.data_hash


# --- parameters


def test_the_reference_library_is_kept_but_no_run_gets_it(small: Inputs) -> None:
    own = small.parameters.filter(pl.col("value").is_not_null()).head(1)
    beside = own.with_columns(parameter=pl.lit("ref_of_the_same"), unit=pl.lit("t"))
    both = replace(small, parameters=pl.concat([small.parameters, beside]))
    assert "ref_of_the_same" in both.parameters["parameter"]
    assert not both.params().has("ref_of_the_same", own["subject"][0])
    assert_frame_equal(both.params().reads(), small.params().reads())
    key = (own["parameter"][0], own["subject"][0])
    assert both.params().get(*key).tolist() == small.params().get(*key).tolist()
    assert both.params(draws=3, seed=1).reads().height == small.params().reads().height
