"""The command ``transport size``: the answer meets the limits and one plug less does not, what it prints, and what it refuses."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from transport import sizing
from transport.cli import main
from transport.i18n import has_text, t
from transport.sizing import LIMITS, SCHEMA, SizingError, place_from, present, size_place, with_plugs
from transport.sizing_text import sizing_text, sizing_view, what_name
from transport.week_values import CityFleet, WeekValues
from transport.weeks import airports, taxis

if TYPE_CHECKING:
    from pathlib import Path

    from transport.inputs import Inputs
    from transport.sizing import Place

FLEETS = {("bus_depot", "210100"): CityFleet(4000.0, 46_000.0), ("taxi_city", "210100"): CityFleet(1500.0, 118_000.0)}


@pytest.fixture(scope="module")
def read(inputs: Inputs) -> WeekValues:
    """Return the values of 2030 with small fleets."""
    params = inputs.params()
    for parameter, subject, value in [
        ("depot_buses", "all", 20.0),
        ("taxi_sample", "sample", 40.0),
        ("airport_movements", "A_SHE", 15_000.0),
        ("simulation_replications", "sample", 2.0),
        ("sizing_feeder_step", "all", 50.0),
    ]:
        params = params.replace(parameter, subject, np.full((1, 21), value))
    return WeekValues(inputs, params, FLEETS, 2030)


def placed(inputs: Inputs, read: WeekValues, system: str, **more: Any) -> Place:
    return place_from(inputs, read, system, "210100", place="A_SHE" if system == "airport" else "", seed=3, **more)


@pytest.fixture(scope="module")
def depot(inputs: Inputs, read: WeekValues) -> pl.DataFrame:
    return size_place(placed(inputs, read, "bus_depot"), around=1)


def test_one_plug_less_does_not_do(depot: pl.DataFrame) -> None:
    assert dict(depot.schema) == SCHEMA
    assert depot["what"].unique(maintain_order=True).to_list() == ["plugs", "feeder"]
    for part in depot.partition_by("what"):
        chosen = part.filter("chosen")
        assert chosen["meets"].all()
        assert set(chosen["metric"]) == set(LIMITS["bus_depot"])
        step = 1.0 if chosen["what"][0] == "plugs" else 50.0
        below = part.filter(pl.col("size") == chosen["size"][0] - step)
        assert below.is_empty() or not below["meets"].all()
        assert chosen["over_built_share"][0] == pytest.approx(chosen["present_size"][0] / chosen["size"][0] - 1.0)


def test_no_rule_does_with_less_than_the_bound(depot: pl.DataFrame) -> None:
    feeder = depot.filter(pl.col("what") == "feeder", "chosen").row(0, named=True)
    assert 0.0 < feeder["bound"] <= feeder["size"] + 50.0
    assert feeder["gap_share"] == pytest.approx(feeder["size"] / feeder["bound"] - 1.0)
    assert depot.filter(pl.col("what") == "plugs")["bound"].null_count() == depot.filter(pl.col("what") == "plugs").height


def test_the_answer_is_said_in_both_languages(depot: pl.DataFrame) -> None:
    plugs = depot.filter(pl.col("what") == "plugs")
    size = f"{plugs.filter('chosen')['size'][0]:g}"
    for lang in ("zh", "en"):
        assert size in sizing_text(plugs, lang)
        view = sizing_view(plugs, lang)
        assert size in view[view.columns[0]].to_list()
        assert f"{depot.filter(pl.col('what') == 'feeder', 'chosen')['bound'][0]:,.0f}" in sizing_text(
            depot.filter(pl.col("what") == "feeder"), lang
        )
        for metric in {m for limits in LIMITS.values() for m in limits}:
            assert has_text(f"sizing.metric_{metric}", lang)


def test_only_a_larger_size_that_fails_is_worth_a_warning(depot: pl.DataFrame) -> None:
    plugs = depot.filter(pl.col("what") == "plugs").with_columns(monotone=pl.lit(value=False))
    said = t("sizing.not_monotone", "en")
    top = plugs["size"].max()
    assert plugs.filter("chosen")["size"][0] < top
    assert said not in sizing_text(plugs.with_columns(meets=pl.col("size") >= plugs.filter("chosen")["size"][0]), "en")
    assert said in sizing_text(plugs.with_columns(meets=pl.col("size") < top), "en")


def test_a_limit_that_plugs_cannot_meet_is_an_answer(inputs: Inputs, read: WeekValues) -> None:
    place = placed(inputs, read, "bus_depot", limits={"missed_share": 0.0, "delayed_share": -1.0})
    place = replace(place, cases=tuple(with_plugs(case, 2) for case in place.cases))
    table = size_place(place, around=0)
    assert not table["feasible"].any()
    assert table["over_built_share"].null_count() == table.height
    for lang in ("zh", "en"):
        assert "-100.00 %" in sizing_text(table.filter(pl.col("what") == "plugs"), lang)


@pytest.mark.parametrize("system", ["taxi_city", "airport"])
def test_other_systems_are_sized_too(inputs: Inputs, read: WeekValues, system: str) -> None:
    place = placed(inputs, read, system, limits={"wait_p95_min": 20.0})
    table = size_place(place, around=0)
    plugs = table.filter(pl.col("what") == "plugs")
    assert plugs["present_size"][0] == present(place.cases[0])
    assert plugs.filter("chosen")["meets"].all() == plugs["feasible"][0]
    if system == "taxi_city":
        assert {"bays", "packs"} <= set(table["what"])


# ---- fitted berths -----------------------------------------------------------------------------------------------------------------

PORT = "PT_LVSHUN"


@pytest.fixture(scope="module")
def port(inputs: Inputs, read: WeekValues) -> pl.DataFrame:
    params = read.params.replace("shore_power_ships", "ro_pax", np.full((1, 21), 0.9))
    ferries = WeekValues(inputs, params, {}, 2030)
    return size_place(place_from(inputs, ferries, "shore_power", "210200", place=PORT, seed=3), around=1)


def test_one_fitted_berth_less_does_not_do(port: pl.DataFrame) -> None:
    assert dict(port.schema) == SCHEMA
    assert port["what"].unique(maintain_order=True).to_list() == ["berths", "shore_feeder"]
    assert set(port["place"]) == {f"{PORT}:ro_pax"}
    for part in port.partition_by("what"):
        limited = part.filter(pl.col("metric") == "unconnected_share")
        chosen = limited.filter("chosen").row(0, named=True)
        assert chosen["size"] > 0.0
        assert chosen["value"] <= chosen["limit"]
        below = limited.filter(pl.col("size") < chosen["size"])
        assert below.height
        assert not below["meets"].any()
        # a fitted berth has no part in who waits for a berth: shown beside the limits, and the same at all sizes
        waits = part.filter(pl.col("metric") == "anchorage_wait_p95_h")
        assert set(waits["size"]) == set(limited["size"])
        assert waits["limit"].null_count() == waits["meets"].null_count() == waits.height
        assert waits["value"].n_unique() == 1
    berths_, feeder = (part.filter("chosen").row(0, named=True) for part in port.partition_by("what"))
    # in steps, and never more than all ships of the answer at once
    assert feeder["size"] % 50.0 == 0.0
    assert feeder["size"] < berths_["size"] * 3000.0 / 0.9 / 0.9


def test_berths_are_told_in_both_languages(port: pl.DataFrame) -> None:
    for lang in ("zh", "en"):
        for part in port.partition_by("what"):
            text, view = sizing_text(part, lang), sizing_view(part, lang)
            assert f"{part.filter('chosen')['size'][0]:g}" in text
            assert t("sizing.metric_anchorage_wait_p95_h", lang) in view[view.columns[1]].to_list()
        none = port.filter(pl.col("what") == "berths").with_columns(size=pl.lit(0.0), feasible=pl.lit(value=True))
        assert sizing_text(none, lang) == t(
            "sizing.none_needed",
            lang,
            what=t("sizing.what_berths", lang),
            present=f"{none['present_size'][0]:g}",
            unit=t("sizing.unit_berth", lang),
            evaluations=none["evaluations"][0],
        )
        assert what_name("berths_container", lang) == t("sizing.what_berths_of", lang, ship=t("charging.ship_container", lang))


def test_a_limit_on_energy_and_a_port_with_several_kinds_of_ships(inputs: Inputs, read: WeekValues) -> None:
    place = place_from(
        inputs, read, "shore_power", "210200", place=PORT, limits={"unconnected_share": 1.0, "unconnected_energy_share": 0.0}
    )
    table = size_place(place, around=0).filter(pl.col("what") == "berths", "chosen")
    at = dict(table.select("metric", "value").iter_rows())
    assert at["unconnected_energy_share"] == 0.0
    assert table["feasible"].all()
    with pytest.raises(SizingError, match=r"no place PT_DALIANWAN in 210200 .* PT_DALIANWAN:cargo, PT_DALIANWAN:ro_pax"):
        place_from(inputs, read, "shore_power", "210200", place="PT_DALIANWAN")


def test_a_wait_without_end_is_missing_in_json(
    inputs: Inputs, read: WeekValues, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sizing, "values_of", lambda *_, **__: (inputs, read))
    endless = pl.DataFrame({"size": [0.0, 1.0], "value": [np.inf, 3.0], "chosen": [False, True], "what": ["plugs", "plugs"]})
    monkeypatch.setattr(sizing, "size_place", lambda *_, **__: endless)
    assert main(["size", "taxi_city", "--area", "210100", "--json"]) == 0

    def refuse(name: str) -> None:
        pytest.fail(f"{name} is no JSON")

    rows = json.loads(capsys.readouterr().out, parse_constant=refuse)
    assert [row["value"] for row in rows] == [None, 3.0]


def test_other_plugs_need_no_second_week_without_plans(inputs: Inputs, read: WeekValues) -> None:
    case = placed(inputs, read, "taxi_city").cases[0]
    assert case.given["pack_plan"] is not None
    assert case.given["reaction"] is not None
    # what the stores expect is looked up once, and is the same whatever the plugs
    for plugs in (2, present(case) + 3):
        alone = taxis.managed_week(with_plugs(taxis.ready(case), plugs))
        whole = taxis.simulate(with_plugs(case, plugs)).result
        assert_frame_equal(alone.summary, whole.summary, check_exact=True)
        assert (alone.load_kw == whole.load_kw).all()


def test_plugs_are_spread_evenly(inputs: Inputs, read: WeekValues) -> None:
    case = placed(inputs, read, "taxi_city").cases[0]
    stations = [*case.given["stations"], *case.given["stations"]]
    case = replace(case, given={**case.given, "stations": stations})
    counts = [p.count for p in with_plugs(case, 2 * len(stations) + 1).given["stations"]]
    assert sum(counts) == 2 * len(stations) + 1
    assert max(counts) - min(counts) == 1


# ---- the command -------------------------------------------------------------------------------------------------------------------


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch, inputs: Inputs, read: WeekValues) -> None:
    """Let the command take the small fleets instead of those of a model run."""
    monkeypatch.setattr(sizing, "values_of", lambda *_: (inputs, read))


@pytest.mark.usefixtures("quick")
def test_the_command_prints_and_writes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "sizing.csv"
    argv = ["size", "airport", "--area", "210100", "--place", "A_SHE", "--limit", "missed_share=1", "wait_p95_min=45"]
    assert main([*argv, "--lang", "en", "--out", str(file)]) == 0
    said = capsys.readouterr().out
    assert "Winter week" in said
    assert "P95 wait" in said
    written = pl.read_csv(file)
    assert set(written["limit"]) == {1.0, 45.0}
    assert file.read_bytes().startswith(b"\xef\xbb\xbf")
    assert main([*argv, "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert {row["what"] for row in rows} == {"plugs"}
    assert next(r["size"] for r in rows if r["chosen"]) == written.filter(pl.col("chosen"))["size"][0]


@pytest.mark.usefixtures("quick")
def test_the_fleet_of_an_airport_stands_beside_the_published_figures(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    found = pl.DataFrame(
        {
            "rule": ["gaps", "overnight"],
            "item": ["tug", "tug"],
            "number": [4, 6],
            "feasible": [True, True],
            "charges_per_day": [2.4, 0.9],
            "extra_share": [0.0, 0.5],
        }
    )
    asked: list[Any] = []

    def needs(case: Any, limits: Any) -> pl.DataFrame:
        asked.append((case.replications, limits.missed_share))
        return found

    monkeypatch.setattr(airports, "needs", needs)
    argv = ["size", "airport", "--area", "210100", "--place", "A_SHE", "--limit", "missed_share=1", "wait_p95_min=600"]
    for lang in ("zh", "en"):
        assert main([*argv, "--fleet", "--lang", lang]) == 0
        said = capsys.readouterr().out
        assert "+50 %" in said
        assert "2.4" in said
    assert [replications for replications, _ in asked] == [1, 1]
    assert all(0.0 < share < 1.0 for _, share in asked)


@pytest.mark.usefixtures("quick")
def test_a_timetable_of_ones_own(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(airports, "needs", lambda *_: pl.DataFrame({"rule": ["gaps"], "item": ["tug"], "number": [1]}))
    file, written = tmp_path / "flights.csv", tmp_path / "sizing.csv"
    head = "day,arrive,depart,size,stand\n"
    file.write_text(
        head + "".join(f"{d},{h}:10,{h}:58,narrow_body,remote\n" for d in range(1, 8) for h in (8, 9)), encoding="utf-8"
    )
    argv = ["size", "airport", "--area", "210100", "--place", "A_SHE", "--schedule", str(file), "--lang", "en"]
    assert main([*argv, "--fleet", "--json", "--out", str(written)]) == 0
    found = json.loads(capsys.readouterr().out)
    # one aircraft at a time: as many units as its tasks bind, far fewer than those of the movements
    assert found["sizing"][0]["vehicles"] < 30
    assert found["fleet"] == [{"rule": "gaps", "item": "tug", "number": 1}]
    assert pl.read_csv(tmp_path / "sizing_fleet.csv").height == 1
    file.write_text(head + "1,8:10,8:58,jumbo,remote\n1,25:99,8:58,narrow_body,gate\n", encoding="utf-8")
    assert main(argv) == 2
    said = capsys.readouterr().err
    # everything at once, by the rows of the file
    for part in (
        "flights.csv row 2, column size: 'jumbo'; there are narrow_body, regional, wide_body",
        "flights.csv row 3, column arrive: '25:99",
        "flights.csv row 3, column stand: 'gate'; there are contact, remote",
    ):
        assert part in said
    assert main([*argv[:-4], "--schedule", str(tmp_path / "none.csv"), "--lang", "en"]) == 2
    assert "none.csv" in capsys.readouterr().err
    assert main(["size", "taxi_city", "--area", "210100", "--schedule", str(file), "--lang", "en"]) == 2
    assert "only an airport has a timetable" in capsys.readouterr().err


def test_levers_are_set_as_in_a_run(monkeypatch: pytest.MonkeyPatch, inputs: Inputs, read: WeekValues) -> None:
    taken: list[Any] = []

    def values(_: Any, scenario: Any, *__: Any) -> tuple[Inputs, WeekValues]:
        taken.append(scenario)
        return inputs, read

    monkeypatch.setattr(sizing, "values_of", values)
    argv = ["size", "airport", "--area", "210100", "--place", "A_SHE", "--limit", "missed_share=1", "wait_p95_min=600", "--json"]
    assert main([*argv, "--set", "apron_plugs_per_unit=0.5", "--set", "charger_power=2025:1.1,2030:1.3"]) == 0
    assert taken[0].settings["apron_plugs_per_unit"] == 0.5
    assert taken[0].settings["charger_power"] == {2025: 1.1, 2030: 1.3}
    assert main([*argv, "--set", "no_such_lever=1"]) == 2
    assert main([*argv, "--set", "charger_power"]) == 2
    assert len(taken) == 1


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize(
    ("argv", "text"),
    [
        (["size", "trams", "--area", "210100"], "there is no system trams; there are bus_depot"),
        (["size", "airport", "--area", "210100"], "no place - in 210100 in 2030 (airport); there are A_SHE"),
        (
            ["size", "airport", "--area", "210200", "--place", "A_SHE"],
            "no place A_SHE in 210200 in 2030 (airport); there are A_CNI, A_DLC",
        ),
        (["size", "bus_depot", "--area", "999999"], "there is no area with the code 999999"),
        (["size", "bus_depot", "--area", "210100", "--week", "spring"], "there is no week spring"),
        (
            ["size", "bus_depot", "--area", "210100", "--limit", "queue=3"],
            "there is no limit for queue; there are missed_share",
        ),
    ],
)
def test_what_the_command_refuses(argv: list[str], text: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*argv, "--lang", "en"]) == 2
    assert text in capsys.readouterr().err


def test_a_limit_without_a_number_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["size", "bus_depot", "--area", "210100", "--limit", "wait"])
    assert "wait_p95_min=10" in capsys.readouterr().err
