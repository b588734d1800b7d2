"""The command ``transport prefectures``: what it prints, what it writes, what it refuses."""

from __future__ import annotations

import json
import re
import shutil
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest

from transport import cli
from transport.i18n import t
from transport.prefecture_profile import SCHEMA
from transport.prefecture_series import RULES
from transport.prefecture_text import TOTALS
from transport.scenario import load_scenario
from transport.store import run_id

if TYPE_CHECKING:
    from pathlib import Path

    from transport.inputs import Inputs
    from transport.store import StoredRun

CHINESE = re.compile(r"[\u4e00-\u9fff]")


@pytest.fixture
def run(stored_run: StoredRun) -> str:
    return str(stored_run.folder)


def asked(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    code = cli.main(["prefectures", *words])
    said = capsys.readouterr()
    return code, said.out, said.err


def answer(capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, Any]:
    code, out, _ = asked(capsys, *words, "--json")
    assert code == 0
    found: dict[str, Any] = json.loads(out)
    return found


@pytest.mark.parametrize(("lang", "words"), [("zh", ()), ("en", ()), ("zh", ("--per", "head")), ("en", ("--per", "gdp"))])
def test_the_overview_lists_every_indicator(
    capsys: pytest.CaptureFixture[str], run: str, inputs: Inputs, lang: str, words: tuple[str, ...]
) -> None:
    code, out, _ = asked(capsys, run, *words, "--lang", lang)
    assert code == 0
    for rule in RULES:
        assert re.search(rf" {rule.id}$", out, flags=re.MULTILINE), rule.id
    without = inputs.table("indicators").height - len(RULES)
    assert len(re.findall(r"^- ", out, flags=re.MULTILINE)) == without
    assert t("prefecture.allocated", lang) in out
    assert bool(CHINESE.search(out)) == (lang == "zh")


@pytest.mark.parametrize("lang", ["zh", "en"])
@pytest.mark.parametrize(
    "indicator", ["operating_co2_intensity", "green_travel_share", "sea_rail_growth", "rail_freight_increase"]
)
def test_indicators_of_every_kind_are_ranked(capsys: pytest.CaptureFixture[str], run: str, indicator: str, lang: str) -> None:
    code, out, _ = asked(capsys, run, "--indicator", indicator, "--lang", lang)
    assert code == 0
    assert ("沈阳市" if lang == "zh" else "Shenyang") in out
    assert bool(CHINESE.search(out)) == (lang == "zh")
    assert "{" not in out
    assert "nan" not in out


def test_contributions_sum_and_ranks_run_from_one(capsys: pytest.CaptureFixture[str], run: str) -> None:
    rows = pl.DataFrame(answer(capsys, run, "--indicator", "operating_co2_intensity")["profile"], infer_schema_length=None)
    total = rows.filter(pl.col("area").is_in(TOTALS))
    body = rows.filter(~pl.col("area").is_in(TOTALS))
    assert body["contribution"].sum() == pytest.approx(total["change"][0], abs=1e-9)
    assert body["part"].sum() == pytest.approx(total["value"][0], rel=1e-9)
    assert sorted(body["value_rank"].drop_nulls()) == list(range(1, 15))


@pytest.mark.parametrize("name", ["210400", "抚顺", "抚顺市", "fushun"])
def test_a_prefecture_by_code_or_name(capsys: pytest.CaptureFixture[str], run: str, name: str) -> None:
    found = answer(capsys, run, "--area", name)
    assert {row["area"] for row in found["profile"]} == {"210400", *TOTALS}
    assert {row["id"] for row in found["profile"]} == {rule.id for rule in RULES}
    assert sum(row["share_pct"] for row in found["mix"] if row["of"] == "turnover") == pytest.approx(100.0)
    assert {one["reason"] for one in found["unplaced"]} == {"model"}


def test_a_prefecture_in_words(capsys: pytest.CaptureFixture[str], run: str) -> None:
    code, out, _ = asked(capsys, run, "--area", "Yingkou", "--lang", "en", "--per", "head")
    assert code == 0
    assert "Yingkou" in out
    assert "tCO2/person" in out
    assert "Coastal shipping" in out
    assert t("prefecture.head_note", "en", year=2030) in out


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_the_table_is_written(capsys: pytest.CaptureFixture[str], run: str, tmp_path: Path, ending: str) -> None:
    file = tmp_path / "more" / f"prefectures.{ending}"
    code, out, _ = asked(capsys, run, "--out", str(file), "--year", "2025")
    assert code == 0
    assert str(file) in out
    table = pl.read_csv(file, infer_schema_length=None) if ending == "csv" else pl.read_parquet(file)
    assert table.columns == list(SCHEMA)
    assert table["year"].unique().to_list() == [2025]
    assert file.read_bytes().startswith(b"\xef\xbb\xbf") == (ending == "csv")


def test_the_stored_run_of_a_scenario_is_taken(
    capsys: pytest.CaptureFixture[str], stored_run: StoredRun, inputs: Inputs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scenario = load_scenario("plan_2030", inputs.folder, inputs.levers)
    shutil.copytree(stored_run.folder, tmp_path / run_id(scenario, inputs.data_hash))
    monkeypatch.setenv("TRANSPORT_RUNS", str(tmp_path))
    monkeypatch.setattr("transport.prefecture_cli.models_of", lambda *_: pytest.fail("the stored run would do"))
    by_name = answer(capsys, "plan_2030", "--indicator", "land_oil_peak")["profile"]
    assert by_name == answer(capsys, str(stored_run.folder), "--indicator", "land_oil_peak")["profile"]


def test_an_earlier_run_says_which_table_it_lacks(
    capsys: pytest.CaptureFixture[str], stored_run: StoredRun, tmp_path: Path
) -> None:
    folder = tmp_path / "old"
    shutil.copytree(stored_run.folder, folder)
    (folder / "indicator_areas.parquet").unlink()
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    del manifest["tables"]["indicator_areas"]
    (folder / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    code, out, _ = asked(capsys, str(folder), "--lang", "en")
    assert code == 0
    assert out.count("indicator_areas") == sum(rule.source == "indicator_areas" for rule in RULES)
    code, _, err = asked(capsys, str(folder), "--lang", "en", "--indicator", "land_oil_peak")
    assert code == 2
    assert "indicator_areas" in err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--area", "Beijing"), ("Beijing", "210100 Shenyang")),
        (("--indicator", "speed"), ("speed", "operating_co2_intensity")),
        (("--indicator", "rail_electrified_share"), ("rail_electrified_share", "no length by prefecture")),
        (("--indicator", "rail_freight_increase", "--year", "2027"), ("rail_freight_increase", "2030")),
        (("--out", "table.xlsx"), ("table.xlsx", ".csv")),
        (("--capacity", "fixed"), ("--capacity",)),
    ],
)
def test_what_it_cannot_do_it_says(
    capsys: pytest.CaptureFixture[str], run: str, words: tuple[str, ...], said: tuple[str, ...]
) -> None:
    code, out, err = asked(capsys, run, *words, "--lang", "en")
    assert code == 2
    assert not out
    for part in said:
        assert part in err
