"""An OD table of a data pack takes the place of the gravity model: the same from CSV, Parquet and OMX, to the last tonne."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from networks.formats import od_frame, od_matrices, write_omx
from transport import freight_prepare
from transport.check_network import great_circle_km
from transport.checks import check_data
from transport.findings import DataError
from transport.freight_demand import COMMODITIES, FreightDemand, ZoneTable, build_demand
from transport.inputs import Inputs, load_inputs

if TYPE_CHECKING:
    from pathlib import Path

COAL, STEEL, GRAIN = (COMMODITIES.index(name) for name in ("coal", "steel", "grain"))
#: Tonnes with many digits, one pair inside the province, one entering, one crossing, one inside a city.
ROWS = [
    ("Z_AS", "Z_BX", "coal", 123456.7890123),
    ("Z_BX", "Z_AS", "coal", 0.1),
    ("Z_AS", "Z_AS", "coal", 1e7 / 3),
    ("Z_DL", "Z_AS", "steel", 7.25),
]
OD = pl.DataFrame(ROWS, schema=["origin", "destination", "commodity", "t_per_year"], orient="row")


@pytest.fixture(scope="module")
def distance(inputs: Inputs) -> np.ndarray:
    """Return road distances by the great circle, hauls inside a zone on the diagonal [km]."""
    zones = inputs.table("networks/zones").sort("zone_id")
    places = zones.join(inputs.table("networks/nodes"), on="node_id", how="left", maintain_order="left")
    lat, lon = places["lat"].to_numpy(), places["lon"].to_numpy()
    km = 1.3 * great_circle_km(lat[:, None], lon[:, None], lat[None, :], lon[None, :]) + 1.0
    np.fill_diagonal(km, zones["intrazonal_km"].to_numpy())
    return km


def demand_of(inputs: Inputs, distance: np.ndarray) -> FreightDemand:
    tables = {name: inputs.table(f"demand/{name}") for name in ("generators", "flows", "population", "land_weights", "od")}
    return build_demand(tables, inputs.params(), ZoneTable.read(inputs.table("networks/zones")), distance)


def rows_of(demand: FreightDemand, commodity: int) -> dict[tuple[int, int], float]:
    """Return tonnes by pair; what chooses its port is left out."""
    d = demand.demand
    mine = np.flatnonzero((d.commodity[d.row] == commodity) & (d.port < 0))
    keys = zip(d.origin[d.pair[mine]].tolist(), d.destination[d.pair[mine]].tolist(), strict=True)
    return dict(zip(keys, d.t_per_year[d.row[mine]].tolist(), strict=True))


@pytest.fixture(scope="module")
def packs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Return a pack with the same OD table in each format."""
    made = {}
    for kind in ("csv", "parquet", "omx"):
        folder = tmp_path_factory.mktemp(kind) / "demand"
        folder.mkdir()
        made[kind] = folder.parent
    OD.write_csv(made["csv"] / "demand" / "od.csv")
    OD.write_parquet(made["parquet"] / "demand" / "od.parquet")
    zones = sorted(set(OD["origin"]) | set(OD["destination"]))
    write_omx(made["omx"] / "demand" / "od.omx", od_matrices(OD, zones), zones)
    return made


@pytest.fixture(scope="module")
def gravity(inputs: Inputs, distance: np.ndarray) -> FreightDemand:
    return demand_of(inputs, distance)


@pytest.fixture(scope="module")
def replaced(packs: dict[str, Path], distance: np.ndarray) -> FreightDemand:
    return demand_of(load_inputs(pack=packs["csv"]), distance)


def test_without_a_pack_the_table_is_there_and_empty(inputs: Inputs) -> None:
    od = inputs.table("demand/od")
    assert od.is_empty()
    assert od.schema["t_per_year"] == pl.Float64
    assert od.columns[:5] == ["origin", "destination", "commodity", "t_per_year", "year"]


def test_the_pairs_of_the_table_are_all_the_pairs(replaced: FreightDemand, inputs: Inputs) -> None:
    position = ZoneTable.read(inputs.table("networks/zones")).position
    for name, commodity in (("coal", COAL), ("steel", STEEL)):
        wanted = {(position[o], position[d]): t for o, d, c, t in ROWS if c == name}
        assert rows_of(replaced, commodity) == wanted
        # the table says which port, so none is chosen
        assert (replaced.ports.constant[commodity] < 0).all()


def test_other_commodities_and_captive_flows_stay(replaced: FreightDemand, gravity: FreightDemand) -> None:
    for commodity in set(range(len(COMMODITIES))) - {COAL, STEEL}:
        assert rows_of(replaced, commodity) == rows_of(gravity, commodity)
    columns = ["flow_id", "origin", "destination", "commodity", "mode", "t_per_year"]
    assert_frame_equal(replaced.captive.select(columns), gravity.captive.select(columns))


def test_known_pairs_of_the_commodity_are_replaced(replaced: FreightDemand, gravity: FreightDemand, inputs: Inputs) -> None:
    position = ZoneTable.read(inputs.table("networks/zones")).position
    known = inputs.table("demand/flows").filter(~pl.col("captive"), pl.col("commodity") == "coal")
    pairs = {(position[o], position[d]) for o, d in known.select("origin", "destination").iter_rows()}
    assert pairs & rows_of(gravity, COAL).keys()
    assert not pairs & rows_of(replaced, COAL).keys()


def test_the_report_names_what_came_from_the_table(replaced: FreightDemand) -> None:
    report = replaced.report.filter(pl.col("segment").str.ends_with("_od"))
    assert report["commodity"].to_list() == ["coal", "steel"]
    assert report["produced_t"][0] == pytest.approx(sum(t for *_, c, t in ROWS if c == "coal"), rel=1e-15)
    assert report["beta_per_km"].null_count() == 2
    assert not set(replaced.report["segment"]) & {"coal", "steel"}


@pytest.mark.parametrize("kind", ["parquet", "omx"])
def test_every_format_gives_the_same_demand(
    kind: str, packs: dict[str, Path], replaced: FreightDemand, distance: np.ndarray
) -> None:
    other = demand_of(load_inputs(pack=packs[kind]), distance)
    for name in ("pair", "commodity", "t_per_year", "group", "origin", "destination"):
        np.testing.assert_array_equal(getattr(other.demand, name), getattr(replaced.demand, name))
    assert other.groups == replaced.groups


def test_a_commodity_of_zeros_is_replaced_by_nothing(tmp_path: Path, distance: np.ndarray, gravity: FreightDemand) -> None:
    (tmp_path / "demand").mkdir()
    text = "origin,destination,commodity,t_per_year\nZ_AS,Z_BX,grain,0\n"
    (tmp_path / "demand" / "od.csv").write_text(text, encoding="utf-8")
    found = demand_of(load_inputs(pack=tmp_path), distance)
    assert rows_of(gravity, GRAIN)
    assert not rows_of(found, GRAIN)
    assert (found.demand.t_per_year > 0).all()


def test_the_model_hands_the_table_over(packs: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    class Stop(Exception):  # noqa: N818
        pass

    def spy(tables: dict[str, pl.DataFrame], *_: object) -> None:
        assert tables["od"].select(OD.columns).rows() == ROWS
        raise Stop

    monkeypatch.setattr(freight_prepare, "build_demand", spy)
    read = load_inputs(pack=packs["parquet"])
    with pytest.raises(Stop):
        freight_prepare.prepare(read, read.params())


def test_a_changed_table_changes_the_data_hash(packs: dict[str, Path], inputs: Inputs, tmp_path: Path) -> None:
    hashes = {kind: load_inputs(pack=pack).data_hash for kind, pack in packs.items()}
    assert inputs.data_hash not in hashes.values()
    (tmp_path / "demand").mkdir()
    OD.with_columns(pl.col("t_per_year") * 2).write_parquet(tmp_path / "demand" / "od.parquet")
    assert load_inputs(pack=tmp_path).data_hash != hashes["parquet"]


@settings(max_examples=25)
@given(
    cells=st.dictionaries(
        st.tuples(st.sampled_from("abc"), st.sampled_from("abc"), st.sampled_from(["coal", "steel"])),
        st.floats(1e-6, 1e9),
        min_size=1,
        max_size=12,
    )
)
def test_rows_and_matrices_are_the_same_table(cells: dict[tuple[str, str, str], float]) -> None:
    od = pl.DataFrame([(*k, v) for k, v in cells.items()], schema=OD.schema, orient="row")
    back = od_frame(od_matrices(od, ["c", "a", "b"]), ["c", "a", "b"])
    assert {(o, d, c): t for o, d, c, t in back.iter_rows()} == cells


# --- bad input


BAD = [
    ("Z_AS", "Z_ATLANTIS", "coal", "1", "destination", "id.dangling"),
    ("Z_AS", "Z_BX", "unobtainium", "1", "commodity", "value.code"),
    ("Z_AS", "Z_BX", "coal", "-5", "t_per_year", "value.range"),
    ("Z_AS", "Z_DL", "coal", "many", "t_per_year", "value.text"),
    ("Z_AS", "Z_SY", "coal", "", "t_per_year", "value.missing"),
]


def test_every_bad_row_is_found_at_once(tmp_path: Path) -> None:
    (tmp_path / "demand").mkdir()
    lines = ["origin,destination,commodity,t_per_year,year", *(f"{o},{d},{c},{t}," for o, d, c, t, _, _ in BAD)]
    lines += ["Z_AS,Z_BX,steel,1,", "Z_AS,Z_BX,steel,2,", "Z_BX,Z_AS,steel,2,2024"]
    (tmp_path / "demand" / "od.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    found = {(f.file, f.row, f.column, f.code) for f in check_data(pack=tmp_path)}
    wanted = {("demand/od.csv", i, column, code) for i, (*_, column, code) in enumerate(BAD, start=2)}
    wanted |= {("demand/od.csv", 8, "origin", "key.duplicate"), ("demand/od.csv", 9, "year", "value.range")}
    assert found == wanted
    with pytest.raises(DataError):
        load_inputs(pack=tmp_path)


def test_the_same_pair_in_two_files_is_a_duplicate(packs: dict[str, Path], tmp_path: Path) -> None:
    (tmp_path / "demand").mkdir()
    OD.write_csv(tmp_path / "demand" / "od.csv")
    OD.head(1).write_parquet(tmp_path / "demand" / "od.parquet")
    (finding,) = check_data(pack=tmp_path, lang="en")
    assert (finding.file, finding.row, finding.code) == ("demand/od.parquet", 2, "key.duplicate")
    assert "od.csv" in finding.rule + finding.remedy


def test_findings_of_matrices_name_the_pair_instead_of_a_line(tmp_path: Path) -> None:
    (tmp_path / "demand").mkdir()
    matrix = np.array([[0.0, -5.0, 1.0], [1.0, 0.0, np.nan], [0.0, 0.0, 0.0]])
    write_omx(tmp_path / "demand" / "od.omx", {"coal": matrix}, ["Z_AS", "Z_BX", "Z_ATLANTIS"])
    found = check_data(pack=tmp_path, lang="en")
    assert [(f.file, f.row, f.column, f.code, f.value) for f in found] == [
        ("demand/od.omx", 0, "destination", "id.dangling", "Z_ATLANTIS"),
        ("demand/od.omx", 0, "t_per_year", "value.range", "-5.0 (coal: Z_AS - Z_BX)"),
        ("demand/od.omx", 0, "t_per_year", "value.text", "NaN (coal: Z_BX - Z_ATLANTIS)"),
    ]
    assert all(f.rule and f.remedy for f in found)


@pytest.mark.parametrize("name", ["od.parquet", "od.omx"])
def test_a_broken_binary_file_is_a_finding(name: str, tmp_path: Path) -> None:
    (tmp_path / "demand").mkdir()
    (tmp_path / "demand" / name).write_bytes(b"nothing that any library reads" * 10)
    (finding,) = check_data(pack=tmp_path, lang="en")
    assert (finding.file, finding.row, finding.code) == (f"demand/{name}", 0, "file.syntax")
    assert "write it as CSV" in finding.remedy
