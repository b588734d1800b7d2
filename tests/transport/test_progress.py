"""Progress to targets: paths and rates by hand, lights at their edges, what is not known, and one CSV that adds a year."""

from __future__ import annotations

import json
import re
import tomllib
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from transport.cli import main
from transport.i18n import has_text, t
from transport.inputs import Inputs, Target, load_inputs
from transport.progress import SCHEMA, Rule, default_as_of, judge, judge_past, progress, progress_table, read_rules
from transport.progress_cli import progress_lines, reading_counts, readings_lines
from transport.scenario import load_scenario
from transport.targets import unmodelled
from transport.text import reason_text

if TYPE_CHECKING:
    from pathlib import Path

    from transport.store import StoredRun

LINEAR, RATE = Rule("linear", "model", 1.5), Rule("rate", "zero", 1.5)
YEARS = (2020, 2024, 2030)
Actual = tuple[str, float | None, float | None, float | None]


def target(**given: Any) -> Target:
    texts = dict.fromkeys(("document", "clause", "wording_zh", "lead_department", "scope", "boundary", "base"), "")
    known = {
        "id": "sea_rail_share",
        "area": "210000",
        "year": 2030,
        "value": 20.0,
        "unit": "percent",
        "direction": "at_least",
        "base_year": None,
        "tolerance": 0.0,
        "strength": "binding",
    }
    return Target(**{**texts, **known, **given})


def actuals(*rows: Actual, unit: str = "percent") -> pl.DataFrame:
    names = ("period", "value", "low", "high")
    same = {"series": "sea_rail_share", "area": "210000", "unit": unit, "quality": "official"}
    schema = dict.fromkeys(("series", "area", "unit", "quality", "period"), pl.String) | dict.fromkeys(names[1:], pl.Float64)
    return pl.DataFrame([same | dict(zip(names, r, strict=True)) for r in rows], schema=schema)


def row(
    *rows: Actual, as_of: int, unit: str = "percent", rule: Rule = LINEAR, start: float | None = 10.0, **of: Any
) -> dict[str, Any]:
    starts = {} if start is None else {("sea_rail_share", "210000"): start}
    table = progress([target(**of)], starts, actuals(*rows, unit=unit), {"all": rule}, as_of)
    assert table.schema == SCHEMA
    return table.row(0, named=True)


# ---- known answers -----------------------------------------------------------------------------------------------------------------


def test_a_straight_path_by_hand() -> None:
    # from 10 in 2020 to 20 in 2030: 14 in 2024; at 12, 8 are missing in 6 years, 2 were made in 4
    found = judge(LINEAR, start=10.0, actual=12.0, target=20.0, years=YEARS, direction="at_least")
    assert (found.path, found.gap, found.achieved) == (14.0, 2.0, 0.5)
    assert found.needed == pytest.approx(8.0 / 6.0)
    assert (found.light, found.reason) == ("red", "behind")


def test_a_falling_path_by_hand() -> None:
    # -9.5 % from 2020 to 2030: -3.8 in 2024; at -3, 6.5 points in 6 years
    found = judge(Rule("linear", "zero", 1.5), start=0.0, actual=-3.0, target=-9.5, years=YEARS, direction="at_most")
    assert found.path == pytest.approx(-3.8)
    assert found.gap == pytest.approx(0.8)
    assert found.needed == pytest.approx(-6.5 / 6.0)
    assert found.achieved == pytest.approx(-0.75)
    assert found.light == "amber"  # 1.083 <= 1.5 x 0.75


@pytest.mark.parametrize(("so_far", "needed", "light"), [(8.0, 13.07, "red"), (9.0, 11.52, "amber"), (10.0, 10.0, "green")])
def test_a_growth_must_be_held_on_average(so_far: float, needed: float, light: str) -> None:
    # 1.10^5 = 1.6105; over 1.08^3 = 1.2597 the root of 1.2785 is left for two years
    found = judge(RATE, start=None, actual=so_far, target=10.0, years=(2020, 2023, 2025), direction="at_least")
    assert found.needed == pytest.approx(needed, abs=0.005)
    assert (found.path, found.achieved, found.light) == (10.0, so_far, light)


@pytest.mark.parametrize(
    ("actual", "light", "reason"),
    [
        (14.0, "green", "on_path"),
        (13.999, "amber", "behind"),
        (170.0 / 13.0, "amber", "behind"),  # (20 - x) / 6 = 1.5 (x - 10) / 4
        (170.0 / 13.0 - 1e-6, "red", "behind"),
        (10.0, "red", "wrong_way"),
        (9.0, "red", "wrong_way"),
        (20.0, "green", "reached"),
    ],
)
def test_lights_change_at_their_edges(actual: float, light: str, reason: str) -> None:
    found = judge(LINEAR, start=10.0, actual=actual, target=20.0, years=YEARS, direction="at_least")
    assert (found.light, found.reason) == (light, reason)


def test_what_about_allows_is_reached() -> None:
    at: dict[str, Any] = {"start": 10.0, "target": 20.0, "years": YEARS, "direction": "at_least"}
    assert judge(LINEAR, actual=19.0, tolerance=1.0, **at).reason == "reached"
    assert judge(LINEAR, actual=19.0, tolerance=0.5, **at).reason == "on_path"


def test_a_path_without_a_start_and_a_date_stay_grey() -> None:
    found = judge(LINEAR, start=None, actual=12.0, target=20.0, years=YEARS, direction="at_least")
    assert (found.light, found.reason, found.path) == ("grey", "no_start", None)
    assert found.needed == pytest.approx(8.0 / 6.0)
    dated = judge(Rule("date", "zero", 1.5), start=None, actual=2026.0, target=2029.0, years=YEARS, direction="at_most")
    assert (dated.light, dated.reason) == ("grey", "date")


@pytest.mark.parametrize(
    ("actual", "light", "reason"), [(20.0, "green", "met"), (19.5, "green", "within_tolerance"), (18.9, "red", "missed")]
)
def test_a_past_target_is_judged_by_its_actual(actual: float, light: str, reason: str) -> None:
    found = judge_past(actual=actual, target=20.0, direction="at_least", tolerance=1.0)
    assert (found.light, found.reason) == (light, f"past_{reason}")
    assert found.gap == pytest.approx(20.0 - actual)


@given(
    start=st.floats(-100, 100),
    step=st.floats(0.1, 50),
    actual=st.floats(-200, 200),
    year=st.integers(2021, 2029),
    rising=st.booleans(),
)
def test_properties_of_a_judgement(start: float, step: float, actual: float, year: int, rising: bool) -> None:
    sign = 1.0 if rising else -1.0
    direction = "at_least" if rising else "at_most"
    due = start + sign * step
    found = judge(LINEAR, start=start, actual=actual, target=due, years=(2020, year, 2030), direction=direction)
    assert found.path is not None
    assert found.needed is not None
    assert found.achieved is not None
    assert min(start, due) <= found.path <= max(start, due)
    if found.reason != "reached":  # the needed rate leads to the target, the rate so far to the actual value
        assert actual + found.needed * (2030 - year) == pytest.approx(due, abs=1e-9)
        assert start + found.achieved * (year - 2020) == pytest.approx(actual, abs=1e-9)
    mirrored = judge(
        LINEAR, start=-start, actual=-actual, target=-due, years=(2020, year, 2030), direction="at_most" if rising else "at_least"
    )
    assert mirrored.light == found.light
    # more of what is wanted never makes a light worse
    better = judge(LINEAR, start=start, actual=actual + sign, target=due, years=(2020, year, 2030), direction=direction)
    order = ("red", "amber", "green")
    assert order.index(better.light) >= order.index(found.light)


# ---- tables ------------------------------------------------------------------------------------------------------------------------


def test_a_target_without_actuals_is_grey_with_the_reason() -> None:
    found = row(("2024", None, None, None), as_of=2025)
    assert (found["light"], found["reason"], found["actual"]) == ("grey", "no_actual", None)
    assert "No actual value" in reason_text(found, "en")


def test_only_values_through_the_year_asked_for_count() -> None:
    rows: tuple[Actual, ...] = (("2023", 12.0, None, None), ("2024", 15.0, None, None), ("2024Q1-3", 1.0, None, None))
    assert row(*rows, as_of=2023)["actual"] == 12.0
    later = row(*rows, as_of=2024)
    assert (later["actual"], later["period"], later["light"]) == (15.0, "2024", "green")  # a whole year wins over a part of it


def test_an_actual_after_the_year_judged_is_named_with_the_way_to_it() -> None:
    found = row(("2024", None, None, None), ("2026", 16.0, None, None), ("2027", 17.0, None, None), as_of=2025)
    assert (found["light"], found["reason"], found["actual"]) == ("grey", "later_actual", None)
    assert reason_text(found, "en") == "An actual value of 2026 is entered; add --as-of 2026."
    assert reason_text(found, "zh") == "已录入2026年，请加 --as-of 2026。"
    part = row(("2026Q1-3", 16.0, None, None), as_of=2025)
    assert "Q1-Q3 2026 is entered; add --as-of 2026" in reason_text(part, "en")
    assert row(("2031", 30.0, None, None), as_of=2025)["reason"] == "no_actual"  # nothing after the target's year


def test_the_year_judged_follows_the_last_whole_year_entered(inputs: Inputs, baseline_run: StoredRun) -> None:
    assert default_as_of(inputs, 2026) == 2025
    rows = inputs.table("observed/actuals")
    line = rows.filter(pl.col("series") == "sea_rail_share").head(1)

    def entered(period: str, value: float | None, series: str = "sea_rail_share") -> Inputs:
        more = line.with_columns(period=pl.lit(period), value=pl.lit(value, pl.Float64), series=pl.lit(series))
        return replace(inputs, tables={**inputs.tables, "observed/actuals": pl.concat([rows, more.select(rows.columns)])})

    assert default_as_of(entered("2026", 14.8), 2026) == 2026
    assert default_as_of(entered("2026", 14.8), 2028) == 2027
    for period, value, series in (("2026Q1-3", 14.8, "sea_rail_share"), ("2026", None, "sea_rail_share"), ("2026", 1.0, "moon")):
        assert default_as_of(entered(period, value, series), 2026) == 2025
    newer = entered("2026", 14.8)
    table = progress_table(newer, baseline_run.table("indicators"), as_of=default_as_of(newer, 2026))
    due_2030 = table.filter(pl.col("id") == "sea_rail_share", pl.col("target_year") == 2030)
    assert due_2030.select("period", "actual").rows() in ([], [("2026", 14.8)])


def test_a_past_target_needs_the_whole_year() -> None:
    part = row(("2024Q1-3", 13.5, None, None), ("2025Q1-3", 99.0, None, None), as_of=2025, year=2025, value=15.0)
    assert (part["light"], part["reason"], part["actual"]) == ("grey", "past_last_known", 13.5)
    assert part["path"] == pytest.approx(14.0)
    whole = row(("2024Q1-3", 13.5, None, None), ("2025", 14.0, None, None), as_of=2025, year=2025, value=15.0)
    assert (whole["light"], whole["reason"], whole["gap"]) == ("red", "past_missed", 1.0)
    assert row(("2025", 14.0, None, None), as_of=2026, year=2025, value=15.0, direction="at_most")["light"] == "green"


def test_a_range_that_leaves_the_light_open_is_said() -> None:
    found = row(("2024", 14.5, 11.0, 16.0), as_of=2025)
    assert (found["light"], found["light_low"], found["light_high"]) == ("green", "red", "green")
    assert "leaves it open: at 11.0 red, at 16.0 green" in reason_text(found, "en")


def test_an_actual_value_of_the_base_year_starts_the_path() -> None:
    found = row(("2020", 12.0, None, None), ("2024", 15.0, None, None), as_of=2025)
    assert (found["start"], found["start_from"]) == (12.0, "actual")
    assert found["path"] == pytest.approx(15.2)
    assert row(("2020", 12.0, None, None), as_of=2025)["reason"] == "no_actual"
    assert row(("2024", 15.0, None, None), as_of=2025, start=None)["reason"] == "no_start"


def test_another_unit_is_refused_in_words() -> None:
    found = row(("2024", 0.15, None, None), as_of=2025, unit="dimensionless")
    assert (found["light"], found["reason"]) == ("grey", "other_unit")
    assert row(("2024", 15.0, None, None), as_of=2025, unit="percent/yr")["light"] == "green"


def test_rules_of_the_data_name_known_indicators(inputs: Inputs) -> None:
    rules = read_rules(inputs.table("accounts/progress_rules"))
    known = {x.id for x in inputs.targets}
    assert set(rules) - {"all"} <= known
    assert all(
        r.path in {"linear", "rate", "date"} and r.start in {"zero", "model"} and r.amber_factor >= 1.0 for r in rules.values()
    )
    assert rules["sea_rail_growth"].path == "rate"


def test_growth_entered_follows_from_the_containers(inputs: Inputs) -> None:
    boxes = inputs.table("observed/sea_rail").filter(pl.col("series") == "sea_rail_containers", pl.col("area") == "210000")

    def teu(period: str, item: str = "total") -> dict[str, Any]:
        return boxes.filter(pl.col("period") == period, pl.col("item") == item).row(0, named=True)

    base = teu("2020")
    grown = inputs.table("observed/actuals").filter(pl.col("series") == "sea_rail_growth", pl.col("value").is_not_null())
    assert grown.height == 2
    for r in grown.iter_rows(named=True):
        year = int(r["period"][:4])
        for name, start in (("value", base["value"]), ("low", base["high"]), ("high", base["low"])):
            growth = 100.0 * ((teu(r["period"])["value"] * 4.0 / 3.0 / start) ** (1.0 / (year - 2020)) - 1.0)
            assert r[name] == pytest.approx(growth, abs=0.06)


def test_a_year_is_added_by_one_csv(tmp_path: Path, data_folder: Path, baseline_run: StoredRun) -> None:
    (tmp_path / "observed").mkdir()
    head = (data_folder / "observed" / "actuals.csv").read_text(encoding="utf-8").splitlines()[0]
    line = "sea_rail_share,210000,2025,,headline,14.2,,,percent,territory,context,,expert_judgement,official,"
    (tmp_path / "observed" / "actuals.csv").write_text(f"{head}\n{line}\n", encoding="utf-8")
    table = progress_table(load_inputs(pack=tmp_path), baseline_run.table("indicators"), as_of=2025)
    found = table.filter(pl.col("id") == "sea_rail_share").row(0, named=True)
    assert (found["actual"], found["light"], found["reason"]) == (14.2, "red", "past_missed")
    assert found["gap"] == pytest.approx(0.8)


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_every_reason_and_light_has_words(inputs: Inputs, baseline_run: StoredRun, lang: str) -> None:
    reasons = {
        "no_actual",
        "later_actual",
        "past_no_actual",
        "past_last_known",
        "no_start",
        "too_early",
        "other_unit",
        "date",
        "reached",
    }
    reasons |= {"on_path", "behind", "wrong_way", "past_met", "past_within_tolerance", "past_missed"}
    assert all(has_text(f"progress.reason.{r}", lang) for r in reasons)
    table = progress_table(inputs, baseline_run.table("indicators"), as_of=2024)
    lines = progress_lines(table, inputs, lang)
    assert len([x for x in lines if re.match(r"\d+\. ", x)]) == table.height
    light = dict(zip(table["id"], table["light"], strict=True))
    assert light["sea_rail_share"] == "amber"
    assert light["sea_rail_growth"] == "green"
    why = {
        name: next(x for x in lines if x.startswith(f"{i}. "))
        for i, name in enumerate(table["id"], 1)
        if name in unmodelled(inputs, lang)
    }
    assert why.keys() == {"cr_express_trains"}
    for name, line in why.items():
        assert line.endswith(t("progress.not_modelled", lang, reason=unmodelled(inputs, lang)[name]))


def test_the_result_table_is_that_of_the_year_before_the_data(inputs: Inputs, baseline_run: StoredRun) -> None:
    stored = baseline_run.table("progress")
    assert set(stored["as_of"]) == {2025}
    assert stored.equals(progress_table(inputs, baseline_run.table("indicators"), as_of=2025))
    assert stored.height == sum(1 for x in inputs.targets if x.value is not None and x.year is not None)


# ---- commands ----------------------------------------------------------------------------------------------------------------------


def test_progress_of_a_run_folder(baseline_run: StoredRun, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["progress", str(baseline_run.folder), "--as-of", "2024", "--json", "--lang", "en"]) == 0
    found = json.loads(capsys.readouterr().out)
    share = next(x for x in found["progress"] if x["id"] == "sea_rail_share")
    assert (found["as_of"], share["light"], share["period"]) == (2024, "amber", "2024Q1-3")
    assert "a year is needed to 2025" in share["reason_text"]
    assert share["not_modelled"] is None
    trains = next(x for x in found["progress"] if x["id"] == "cr_express_trains")
    assert "their number is not modelled" in trains["not_modelled"]
    assert main(["progress", str(baseline_run.folder), "--lang", "zh"]) == 0
    assert "2025年目标已到期" in capsys.readouterr().out


def test_readings_of_run_folders(baseline_run: StoredRun, capsys: pytest.CaptureFixture[str]) -> None:
    folder = str(baseline_run.folder)
    assert main(["readings", folder, "--json", "--lang", "en"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert len(found["readings"]) == 36
    assert {r["boundary"] for r in found["readings"]} == {
        "road+water",
        "road+rail",
        "road+rail+water",
        "road+rail+coastal",
        "+pipeline",
        "all",
    }
    met = sum(r["verdict"] in {"met", "within_tolerance"} for r in found["readings"])
    assert found["counts"] == [{"scenario": folder, "met": met, "readings": 36, "from": "stored run"}]
    assert main(["readings", folder, "--lang", "en"]) == 0
    text = capsys.readouterr().out
    assert f"met in {met} of 36 readings" in text
    assert "at the delays and prices" not in text  # nothing was run


def test_readings_of_two_scenarios_stand_apart(inputs: Inputs, baseline_run: StoredRun) -> None:
    rows = baseline_run.table("indicators").filter(pl.col("id") == "operating_co2_intensity", pl.col("year") == 2030)
    other = rows.with_columns(verdict=pl.lit("missed"), value=pl.lit(1.0))
    both = pl.concat([rows.with_columns(scenario=pl.lit("a")), other.with_columns(scenario=pl.lit("b"))])
    counts = {name: (met, total) for name, met, total in reading_counts(both)}
    assert counts["b"] == (0, 36)
    assert counts["a"][1] == 36
    text = readings_lines(both, inputs, "zh", year=2030, capacity="fixed")
    assert "b：36种口径中0种达标" in text
    assert sum("+1.0" in x for x in text) == 12
    assert text[-1].startswith("本次运行的情景按2020年")


def test_known_progress_is_what_the_scenario_sets(inputs: Inputs) -> None:
    rows = inputs.table("accounts/known_progress")
    assert (rows["low"] <= rows["value"]).all()
    assert (rows["value"] <= rows["high"]).all()
    file = tomllib.loads((inputs.folder / "scenarios" / "observed_2024.toml").read_text(encoding="utf-8"))
    written = {(lever, int(year)): value for lever, values in file["set"].items() for year, value in values.items()}
    assert written == {(r["lever"], r["year"]): r["value"] for r in rows.iter_rows(named=True)}
    plan = load_scenario("plan_2030", inputs.folder, inputs.levers).settings
    for (lever, year), value in written.items():
        planned = plan[lever]
        assert not isinstance(planned, float | int)
        assert planned[year] == value, (lever, year)
