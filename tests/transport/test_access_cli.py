"""The command ``transport access``: what it prints, the data pack it writes, what it refuses, and its exit codes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import osmnx
import polars as pl
import pytest

from networks.access import access_rules, measure
from networks.osm import streets_from
from transport.cities.layout import MODES
from transport.cities.service import cycle_reach, stop_coverage
from transport.cli import main
from transport.inputs import load_inputs
from transport.layout import year_index
from transport.params import lever_settings
from transport.travel import model_travel

if TYPE_CHECKING:
    from pathlib import Path

    from transport.inputs import Inputs

Options = dict[str, Any]


@pytest.fixture(scope="session")
def town(root: Path) -> Path:
    return root / "docs" / "how-to" / "access_town"


@pytest.fixture
def files(town: Path) -> Options:
    """Return the options that name the files of the made-up town."""
    names = {"walk": "walk.graphml", "cycle": "cycle.graphml", "stops": "stops.csv", "population": "population.csv"}
    return {"--area": "210100", **{f"--{option}": town / name for option, name in names.items()}}


def call(capsys: pytest.CaptureFixture[str], options: Options, *more: object) -> tuple[int, str, str]:
    named = [part for pair in options.items() for part in pair]
    code = main(["access", *map(str, named), *map(str, more)])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def as_json(capsys: pytest.CaptureFixture[str], options: Options, *more: object, code: int = 0) -> Any:
    got, out, err = call(capsys, options, *more, "--json")
    assert got == code, out + err
    return json.loads(out)


def text_of(folder: Path) -> dict[str, str]:
    return {path.relative_to(folder).as_posix(): path.read_text(encoding="utf-8") for path in folder.rglob("*") if path.is_file()}


# ---- what it prints ----


def test_the_measures_are_those_of_the_library(
    capsys: pytest.CaptureFixture[str], files: Options, inputs: Inputs, town: Path
) -> None:
    rules = access_rules(inputs.parameters)
    walk, cycle = (streets_from(mode=m, piece_m=rules.piece_m, graphml=town / f"{m}.graphml") for m in ("walk", "cycle"))
    expected = measure(walk, cycle, pl.read_csv(town / "stops.csv"), pl.read_csv(town / "population.csv"), rules)
    found = as_json(capsys, files)
    assert found["measures"] == expected.to_dicts()
    assert found["area"] == "210100"
    assert found["date"] == "2026-01-01"
    assert found["pack"] is None
    assert "no data of OpenStreetMap" in found["attribution"]


@pytest.mark.parametrize(
    ("lang", "words"),
    [
        ("zh", ("沈阳", "站点步行范围内居民比例（沿街道）", "公交", "地铁", "居民骑行连通率", "no data of OpenStreetMap")),
        (
            "en",
            ("Shenyang", "Residents near a stop, along streets", "bus", "metro", "Cycle connectivity", "Detour factor on foot"),
        ),
    ],
)
def test_the_table_is_written_in_the_language_asked_for(
    capsys: pytest.CaptureFixture[str], files: Options, lang: str, words: tuple[str, ...]
) -> None:
    code, out, _ = call(capsys, files, "--lang", lang)
    assert code == 0
    assert all(word in out for word in words)
    share = next(m for m in as_json(capsys, files)["measures"] if m["measure"] == "stop_share_network" and m["kind"] == "bus")
    assert f"{100 * share['value']:.1f}" in out
    assert f"{100 * share['low']:.1f} - {100 * share['high']:.1f}" in out


def test_a_stated_area_changes_densities_only(capsys: pytest.CaptureFixture[str], files: Options) -> None:
    usual, stated = (as_json(capsys, files, *more)["measures"] for more in ((), ("--km2", 5)))
    changed = {a["measure"] for a, b in zip(usual, stated, strict=True) if a != b}
    assert changed == {"area", "walk_density", "crossing_density", "cycle_density", "calm_density"}


# ---- the data pack ----


@pytest.mark.parametrize("definition", ["network", "straight"])
def test_a_run_with_the_pack_reads_the_shares(
    capsys: pytest.CaptureFixture[str], files: Options, inputs: Inputs, tmp_path: Path, definition: str
) -> None:
    found = as_json(capsys, files, "--out", tmp_path / "pack", "--definition", definition)
    value = {(m["measure"], m["kind"]): m for m in found["measures"]}
    laid = load_inputs(pack=tmp_path / "pack")
    params = laid.params()
    for parameter, measured in (
        ("bus_stop_coverage_share", value[f"stop_share_{definition}", "bus"]),
        ("cycle_connectivity_share", value["cycle_connectivity_share", ""]),
    ):
        assert (params.get(parameter, "210100") == round(measured["value"], 4)).all()
        row = laid.parameters.filter(pl.col("parameter") == parameter, pl.col("subject") == "210100").row(0, named=True)
        assert (row["low"], row["high"]) == (round(measured["low"], 4), round(measured["high"], 4))
        assert (row["quality"], row["source"], row["distribution"]) == ("derived", "access_210100", "triangular")
        others = pl.col("subject") != "210100"
        assert laid.parameters.filter(others).drop("file").equals(inputs.parameters.filter(others).drop("file"))
    assert (stop_coverage(params, "210100") == params.get("bus_stop_coverage_share", "210100")).all()
    assert (cycle_reach(params, "210100") == params.get("cycle_connectivity_share", "210100")).all()
    source = laid.table("sources").filter(pl.col("source") == "access_210100").row(0, named=True)
    assert source["date"] == "2026-01-01"
    assert "walk.graphml, cycle.graphml, stops.csv, population.csv" in source["citation"]
    assert source["licence"] is None, "the made-up town is not OpenStreetMap"
    formula = laid.table("derivations").filter(pl.col("parameter") == "cycle_connectivity_share")["formula"][0]
    counted, everybody = (float(part) for part in formula.split(" / "))
    assert counted / everybody == pytest.approx(value["cycle_connectivity_share", ""]["value"])


def test_a_measured_share_changes_what_a_lever_brings(
    capsys: pytest.CaptureFixture[str], files: Options, inputs: Inputs, tmp_path: Path
) -> None:
    """The drawing has fewer residents near a stop than the data say, so new stops bring more to the bus; without the lever nothing moves."""
    as_json(capsys, files, "--out", tmp_path / "pack")
    laid = load_inputs(pack=tmp_path / "pack")
    bus, year = MODES.index("bus"), year_index(2030)

    def share(data: Inputs, **settings: float) -> float:
        params = data.params().with_levers(lever_settings(data.levers, settings))
        return float(model_travel(data, params, areas=["210100"]).share[0, bus, 0, year])

    before, after = share(inputs), share(laid)
    assert after == pytest.approx(before, rel=1e-9)
    measured, stated = (data.params().get("bus_stop_coverage_share", "210100")[0, year] for data in (laid, inputs))
    assert measured < stated
    assert share(laid, bus_coverage=0.5) - after > share(inputs, bus_coverage=0.5) - before > 0


def test_a_network_of_openstreetmap_names_its_contributors(
    capsys: pytest.CaptureFixture[str], files: Options, tmp_path: Path, town: Path
) -> None:
    graph = osmnx.load_graphml(town / "walk.graphml")
    graph.graph.pop("attribution")
    osmnx.save_graphml(graph, tmp_path / "walk.graphml")
    as_json(capsys, {**files, "--walk": tmp_path / "walk.graphml"}, "--out", tmp_path / "pack")
    source = load_inputs(pack=tmp_path / "pack").table("sources").filter(pl.col("source") == "access_210100").row(0, named=True)
    assert (source["publisher"], source["licence"]) == ("OpenStreetMap contributors", "ODbL 1.0")
    assert "© OpenStreetMap contributors, ODbL 1.0" in source["citation"]


def test_several_cities_go_into_one_pack(capsys: pytest.CaptureFixture[str], files: Options, tmp_path: Path) -> None:
    pack = tmp_path / "pack"
    as_json(capsys, files, "--out", pack)
    first = text_of(pack)
    code, _, err = call(capsys, {**files, "--area": "210200"}, "--out", pack, "--lang", "en")
    assert code == 2
    assert "holds something and was left alone; --force" in err
    assert text_of(pack) == first
    as_json(capsys, {**files, "--area": "210200"}, "--out", pack, "--force")
    both = text_of(pack)
    assert both["parameters/access_210100.csv"] == first["parameters/access_210100.csv"]
    laid = load_inputs(pack=pack)
    assert set(laid.parameters.filter(pl.col("source").str.starts_with("access_"))["subject"]) == {"210100", "210200"}
    as_json(capsys, {**files, "--area": "210200"}, "--out", pack, "--force")
    assert text_of(pack) == both, "the same measurement again changes nothing"


def test_what_the_check_refuses_is_not_written(capsys: pytest.CaptureFixture[str], files: Options, tmp_path: Path) -> None:
    pack = tmp_path / "pack"
    (pack / "parameters").mkdir(parents=True)
    (pack / "parameters" / "own.csv").write_text("parameter,subject\nx,y\n", encoding="utf-8")
    before = text_of(pack)
    code, _, err = call(capsys, files, "--out", pack, "--force", "--lang", "en")
    assert code == 2
    assert "parameters/own.csv" in err
    assert text_of(pack) == before
    assert [path.name for path in tmp_path.iterdir()] == ["pack"], "nothing half-written is left"


def test_shares_of_zero_are_not_written(capsys: pytest.CaptureFixture[str], files: Options, tmp_path: Path, town: Path) -> None:
    """Homes beyond the walk of a stop and the reach of a calm street; the model takes logarithms of the shares."""
    (tmp_path / "far.csv").write_text("point_id,lat,lon,population\nA,41.8,123.385,10\n", encoding="utf-8")
    far = {**files, "--population": tmp_path / "far.csv"}
    code, out, _ = call(capsys, far, "--out", tmp_path / "pack", "--lang", "en")
    assert code == 0
    assert "Nothing written" in out
    assert not (tmp_path / "pack").exists()
    assert as_json(capsys, far, "--out", tmp_path / "pack")["pack"] is None


# ---- what it refuses ----


def test_the_problems_of_all_files_are_told_at_once(
    capsys: pytest.CaptureFixture[str], files: Options, tmp_path: Path, town: Path
) -> None:
    (tmp_path / "stops.csv").write_text("stop_id,kind,lat\nA,bus,41.8\n", encoding="utf-8")
    people = "point_id,lat,lon,population\nA,41.8,123.4,10\nB,41.8,123.4,-3\nC,31.2,121.5,5\n"
    (tmp_path / "people.csv").write_text(people, encoding="utf-8")
    odd = {
        **files,
        "--walk": tmp_path / "gone.graphml",
        "--stops": tmp_path / "stops.csv",
        "--population": tmp_path / "people.csv",
    }
    wrong = as_json(capsys, odd, code=2)["error"]
    assert len(wrong) == 4
    for words in (
        "gone.graphml",
        "stops.csv line 1, lon: the column is required",
        "population -3.0",
        "outside the cycle network",
    ):
        assert any(words in line for line in wrong), words
    code, out, err = call(capsys, odd, "--lang", "en")
    assert code == 2
    assert out == ""
    assert "4 problem(s)" in err
    assert all(line in err for line in wrong)


def test_options_that_do_not_fit_are_refused(capsys: pytest.CaptureFixture[str], files: Options, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    bad = {k: v for k, v in files.items() if k not in {"--walk", "--stops"}} | {"--area": "999999", "--out": tmp_path / "file"}
    wrong = as_json(capsys, bad, "--lang", "en", code=2)["error"]
    assert [line.split(" ", 1)[0] for line in wrong] == ["--area", "--walk,", "--out"]
    assert "210100" in wrong[0]
    for more in (("--point", "123.4,41.8,5"), ("--point", "91,0"), ("--dist", "-1"), ("--km2", "0"), ("--definition", "other")):
        with pytest.raises(SystemExit) as ended:
            call(capsys, files, *more)
        assert ended.value.code == 2
        assert more[0] in capsys.readouterr().err


def test_without_internet_a_place_is_refused_with_the_remedy(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, files: Options
) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        problem = "no route to host"
        raise ConnectionError(problem)

    for name in ("graph_from_place", "features_from_place", "graph_from_point", "features_from_point"):
        monkeypatch.setattr(osmnx, name, refuse)
    online = {option: files[option] for option in ("--area", "--population")}
    for where in (("--place", "Shenyang, China"), ("--point", "41.8,123.4")):
        wrong = as_json(capsys, online, *where, code=2)["error"]
        assert len(wrong) == 3
        assert all("needs the internet" in line for line in wrong)


def test_files_go_before_the_place_that_is_asked_for(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, files: Options, town: Path, tmp_path: Path
) -> None:
    asked: list[Any] = []

    def answer(what: Any, *rest: Any, **options: Any) -> Any:
        asked.append((what, *rest, options["network_type"]))
        return osmnx.load_graphml(town / "cycle.graphml")

    monkeypatch.setattr(osmnx, "graph_from_point", answer)
    usual = as_json(capsys, files)["measures"]
    del files["--cycle"]
    for _ in range(2):
        found = as_json(capsys, files, "--point", "41.8,123.4", "--dist", 800, "--cache", tmp_path)
        assert found["measures"] == usual
        assert found["files"] == ["walk.graphml", "stops.csv", "41.8,123.4", "population.csv"]
    assert asked == [((41.8, 123.4), 800.0, "bike")]


def test_the_how_to_names_what_there_is(root: Path, town: Path) -> None:
    text = (root / "docs" / "how-to" / "access.md").read_text(encoding="utf-8")
    for path in town.iterdir():
        assert f"access_town/{path.name}" in text
    assert "transport access" in text
