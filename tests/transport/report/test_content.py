"""What reports say: shown numbers are the run's, every clause stands once, places sum to the province, each language keeps to itself."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

import polars as pl
import pytest

from transport.decompose import summed
from transport.i18n import has_text, labels, texts
from transport.layout import PROVINCE
from transport.prefecture_profile import prefecture_profile
from transport.prefecture_series import NEEDED
from transport.prefecture_text import TOTALS
from transport.prefectures import prefectures
from transport.report import annex
from transport.report.chapters import reason, target_table
from transport.report.city import SUMMED
from transport.report.content import Figure, Number, Table, Text, written
from transport.report.readings import INTENSITY, reading_rows, reading_sentence
from transport.report.source import Base
from transport.scorecard import scorecard
from transport.text import divisor, shown

if TYPE_CHECKING:
    from collections.abc import Iterator

    from transport.inputs import Inputs
    from transport.report.content import Report
    from transport.report.source import Source
    from transport.study import Results

CHINESE = re.compile(r"[\u3000-\u303f\u4e00-\u9fff\uff00-\uffef]")
Reports = dict[tuple[str, str], "Report"]


def value(cell: object) -> float:
    assert isinstance(cell, Number), cell
    return cell.value


def column(table: Table, head: str) -> list[object]:
    """Return the cells below a heading."""
    heads = [one.head for one in table.columns]
    return [row[heads.index(head)] for row in table.rows]


# ---- numbers -----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_targets_are_those_of_the_run(reports: Reports, results: Results, inputs: Inputs, lang: str) -> None:
    lines = scorecard(results.tables["indicators"], inputs.table("indicators"))
    table = reports[lang, "scenario"].table("targets")
    assert len(table.rows) == len(lines) > 20
    heads = texts(lang)
    shown_values = column(table, heads["scorecard.value"])
    shown_targets, gaps = column(table, heads["scorecard.target"]), column(table, heads["scorecard.gap"])
    for line, one, target, gap in zip(lines, shown_values, shown_targets, gaps, strict=True):
        scale = divisor(line.unit, lang)
        assert value(target) == pytest.approx(line.target / scale, rel=1e-15)
        if line.value is None:
            assert one == "-"
            continue
        assert value(one) == line.value / scale
        assert one.text == shown(line.value, line.unit, lang)  # type: ignore[attr-defined]
        if line.gap is not None:
            # the gap is what the reader would work out
            sign = 1.0 if line.direction == "at_least" else -1.0
            actual = line.value if line.actual is None else line.actual
            assert value(gap) == pytest.approx(sign * (line.target - actual) / scale, rel=1e-12, abs=1e-12)
    verdicts = labels(inputs, "verdict", lang)
    assert column(table, heads["scorecard.verdict"]) == [verdicts[line.verdict] for line in lines]


def test_matrix_and_sentences_are_the_36_readings(reports: Reports, results: Results, inputs: Inputs) -> None:
    indicators = results.tables["indicators"]
    rows = reading_rows(indicators, inputs)
    assert len({(row["boundary"], row["scope"], row["base"]) for row in rows}) == len(rows) == 36
    report = reports["zh", "scenario"]
    matrix = [value(cell) for row in report.table("matrix").rows for cell in row[2:5]]
    assert matrix == [row["value"] for row in rows]
    found = indicators.filter(pl.col("id") == INTENSITY, pl.col("year") == 2030, pl.col("variant") == "")["value"]
    assert sorted(matrix) == sorted(found.to_list())
    sentences = report.table("sentences")
    assert [value(row[2]) for row in sentences.rows] == matrix
    assert len({row[1] for row in sentences.rows}) == 36  # each says what it counts
    for row, said in zip(rows, sentences.rows, strict=True):
        assert f"{abs(row['value']):.1f}%" in str(said[1])


def test_a_reading_in_words() -> None:
    row = {
        "boundary": "road+rail",
        "scope": "direct",
        "base": "2020",
        "year": 2030,
        "value": -7.0,
        "target": -9.5,
        "verdict": "missed",
    }
    zh, en = reading_sentence(row, "zh"), reading_sentence(row, "en")
    assert (
        zh
        == "只计公路和铁路，只算车船燃料燃烧的排放，与2020年实际相比：2030年强度下降7.0%。未达到下降9.5%的目标，差2.5个百分点。"
    )
    assert "falls by 7.0 % by 2030" in en
    assert "misses the target of a 9.5 % fall by 2.5 points" in en
    assert "上升0.2%" in reading_sentence(row | {"value": 0.2}, "zh")
    assert reading_sentence(row | {"value": -0.01, "target": None}, "zh").endswith("持平。")


@pytest.mark.parametrize("verdict", ["met", "within_tolerance", "missed", "actual_pending", "tracked"])
def test_every_verdict_of_a_reading_has_words(verdict: str) -> None:
    for lang in ("zh", "en"):
        assert has_text(f"report.reading_{verdict}", lang)


def test_attribution_adds_up(reports: Reports, results: Results) -> None:
    figure = next(figure for _, figure in reports["zh", "scenario"].figures() if figure.shape == "waterfall")
    *factors, total = [value(row[1]) for row in figure.data.rows]
    assert len(factors) == 7
    assert sum(factors) == pytest.approx(total, abs=1e-9)
    headline = results.tables["indicators"].filter(
        pl.col("id") == INTENSITY,
        pl.col("year") == 2030,
        pl.col("boundary") == "road+rail+water",
        pl.col("scope") == "direct",
        pl.col("base") == "2020",
    )
    assert total == pytest.approx(headline["value"][0], abs=1e-9)


@pytest.mark.parametrize(("lang", "scale"), [("zh", 1e8), ("en", 1e9)])
def test_freight_by_mode_is_the_table_of_the_run(reports: Reports, results: Results, lang: str, scale: float) -> None:
    freight = results.tables["freight"]
    *modes, total, rail = reports[lang, "scenario"].table("freight_tkm").rows
    whole = freight.filter(pl.col("year") == 2030)["territory_tkm"].sum() / scale
    assert sum(value(row[3]) for row in modes) == pytest.approx(value(total[3]), rel=1e-12) == pytest.approx(whole, rel=1e-12)
    by_rail = freight.filter(pl.col("year") == 2030, pl.col("mode") == "rail")["territory_tkm"].sum() / scale
    assert value(rail[3]) == pytest.approx(100.0 * by_rail / whole, rel=1e-12)


def test_fleets_agree_with_their_indicators(reports: Reports, results: Results, inputs: Inputs) -> None:
    rows = {row[0]: row for row in reports["zh", "scenario"].table("fleets").rows}
    names = labels(inputs, "vehicle_class", "zh")
    stock = results.tables["stock"].filter(pl.col("year") == 2030)
    assert sum(value(row[3]) for row in rows.values()) == pytest.approx(stock["stock_veh"].sum(), rel=1e-12)
    # of the class that has an indicator of its own, the share of electric units is that indicator
    gse = results.tables["indicators"].filter(pl.col("id") == "airport_gse_electric_share", pl.col("year") == 2030)["value"][0]
    assert value(rows[names["airside_equipment"]][6]) == pytest.approx(gse, rel=1e-9)
    # powertrains of parts of a class are described for the class
    buses = stock.filter(pl.col("vehicle_class").str.starts_with("urban_bus"))
    new = buses.filter(
        pl.col("powertrain").is_in(["battery_electric", "battery_swap", "plug_in_hybrid", "range_extended", "fuel_cell"])
    )
    assert value(rows[names["urban_bus"]][6]) == pytest.approx(
        100.0 * new["stock_veh"].sum() / buses["stock_veh"].sum(), rel=1e-9
    )


def test_sectors_sum_to_the_province(reports: Reports, results: Results) -> None:
    table = reports["zh", "scenario"].table("co2")
    *sectors, direct, power, wtw = table.rows
    assert sum(value(row[3]) for row in sectors) == pytest.approx(value(power[3]), rel=1e-12)
    for row, scope in ((direct, "direct"), (power, "direct_power"), (wtw, "wtw")):
        found = results.tables["indicators"].filter(
            pl.col("id") == "transport_co2_total", pl.col("year") == 2030, pl.col("scope") == scope
        )
        assert value(row[3]) * 1e4 == pytest.approx(found["value"][0], rel=1e-9)


def test_energy_is_that_of_the_run(reports: Reports, results: Results, inputs: Inputs) -> None:
    names = labels(inputs, "carrier", "zh")
    rows = {row[0]: row for row in reports["zh", "scenario"].table("energy").rows}
    energy = results.tables["energy"].filter(pl.col("year") == 2030)
    for carrier, scale in (("diesel", 1e4), ("electricity", 1e8), ("natural_gas", 1e8)):
        assert value(rows[names[carrier]][4]) == pytest.approx(
            energy.filter(pl.col("carrier") == carrier)["quantity"].sum() / scale, rel=1e-12
        )
    figure = next(figure for _, figure in reports["zh", "scenario"].figures() if figure.data.key == "energy_path")
    last = next(row for row in figure.data.rows if value(row[0]) == 2030)
    assert sum(value(cell) for cell in last[1:]) == pytest.approx(energy["kgce"].sum() / 1e7, rel=1e-9)


def test_unverified_numbers_are_marked(reports: Reports, results: Results) -> None:
    lines = {(line.id, line.area): line for line in scorecard(results.tables["indicators"], results_definitions(reports))}
    table = reports["zh", "scenario"].table("targets")
    marked = [row[4].weak for row in table.rows if isinstance(row[4], Number)]
    expected = [line.quality in {"assumption", "recalled"} for line in lines.values() if line.value is not None]
    assert marked == expected
    assert True in marked
    assert written(Number(1.0, "1.0", weak=True)) == "1.0*"


def results_definitions(reports: Reports) -> pl.DataFrame:
    del reports
    from transport.inputs import load_inputs

    return load_inputs().table("indicators")


# ---- reasons -----------------------------------------------------------------------------------------------------------------------


def test_reasons_name_value_target_and_gap(sources: dict[str, Source]) -> None:
    source = sources["zh"]
    line = replace(
        next(one for one in source.lines if one.id == "green_travel_share"),
        value=68.0,
        actual=None,
        gap=2.0,
        verdict="missed",
        met=0,
        readings=4,
    )
    assert reason(line, source).startswith("2030年模型值68.0%，目标≥ 70%，尚差2.00个百分点。4种口径中0种达标。")
    assert "余量1.00个百分点" in reason(replace(line, value=71.0, gap=-1.0, verdict="met"), source)
    actual = replace(line, actual=72.0, gap=-2.0, verdict="met")
    assert reason(actual, source).startswith("2030年实际值72.0%，目标≥ 70%，余量2.00个百分点（模型值68.0%）。")
    assert "不作判定" in reason(replace(line, verdict="actual_pending"), source)
    assert "视为未达到" in reason(replace(line, value=None, gap=None), source)
    trains = next(one for one in source.lines if one.id == "cr_express_trains")
    assert reason(trains, source).startswith("未建模：")


def test_actual_values_have_a_column_where_there_are_any(sources: dict[str, Source]) -> None:
    source = sources["zh"]
    lines = [replace(source.lines[0], actual=-8.0, gap=1.5), source.lines[1]]
    table = target_table(source, lines)
    head = texts("zh")["scorecard.actual"]
    assert [written(cell) for cell in column(table, head)] == ["-8.00", "-"]  # type: ignore[arg-type]
    assert head not in [one.head for one in target_table(source, [source.lines[1]]).columns]


# ---- annual evaluation -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("lang", "wording"), [("zh", "wording_zh"), ("en", "wording_en")])
def test_every_clause_stands_once(reports: Reports, inputs: Inputs, lang: str, wording: str) -> None:
    clauses = inputs.table("targets/clauses")
    table = reports[lang, "annual_evaluation"].table("clauses")
    assert [row[0] for row in table.rows if row[0]] == clauses["clause_id"].to_list()
    assert [row[1] for row in table.rows if row[1]] == clauses[wording].to_list()
    transport = clauses.filter(pl.col("paragraph").str.starts_with("三(四)"))
    assert transport.height == 25
    assert set(transport["clause_id"]) <= {row[0] for row in table.rows}
    # every row has an indicator or a note, and a status
    assert all(row[3] and row[-1] for row in table.rows)


def test_indicators_of_clauses_stand_with_their_values(reports: Reports, results: Results, inputs: Inputs) -> None:
    report = reports["zh", "annual_evaluation"]
    names = labels(inputs, "indicator", "zh")
    lines = {line.id: line for line in scorecard(results.tables["indicators"], inputs.table("indicators"))}
    rows = [row for row in report.table("clauses").rows if row[3] == names["rail_energy_intensity"]]
    line = lines["rail_energy_intensity"]
    assert [value(row[5]) for row in rows] == [line.value] * len(rows)
    assert [value(row[7]) for row in rows] == [line.target] * len(rows)
    assert rows[0][-1] == labels(inputs, "verdict", "zh")[line.verdict]
    tracked = next(row for row in report.table("clauses").rows if row[3] == names["transport_co2_total"])
    headline = results.tables["indicators"].filter(
        pl.col("id") == "transport_co2_total", pl.col("year") == 2030, pl.col("scope") == "direct_power"
    )
    assert value(tracked[5]) == headline["value"][0] / 1e4
    assert (tracked[7], tracked[8]) == ("-", "-")


def test_clauses_outside_the_model_say_so(reports: Reports, inputs: Inputs) -> None:
    kinds = labels(inputs, "clause_status", "zh")
    rows = {row[0]: row for row in reports["zh", "annual_evaluation"].table("clauses").rows if row[0]}
    silent = inputs.table("targets/clauses").filter(pl.col("indicator").is_null() | (pl.col("indicator") == ""))
    for clause in silent.iter_rows(named=True):
        assert rows[clause["clause_id"]][-1] == kinds[clause["status"]]
    assert kinds["not_modelled"] == "未建模"
    assert rows["3.5.2"][-1] == "未建模"


def test_lead_department_of_a_target_or_a_clause(sources: dict[str, Source]) -> None:
    from transport.report.annual import clause_table

    source = sources["zh"]
    # the plan names none: said once below the table, not in a column of its own
    plain = clause_table(source)
    assert texts("zh")["report.clauses.lead_department"] not in [one.head for one in plain.columns]
    assert len([note for note in plain.notes if "牵头部门" in note]) == 1
    clauses = source.inputs.table("targets/clauses").with_columns(
        lead=pl.when(pl.col("clause_id") == "3.4.1.7").then(pl.lit("甲厅")).otherwise(pl.col("lead"))
    )
    targets = tuple(
        replace(target, lead_department="乙厅") if target.id == "land_oil_peak" else target for target in source.inputs.targets
    )
    other = replace(
        source, inputs=replace(source.inputs, tables={**source.inputs.tables, "targets/clauses": clauses}, targets=targets)
    )
    table = clause_table(other)
    assert table.columns[10].head == texts("zh")["report.clauses.lead_department"]
    assert not [note for note in table.notes if "牵头部门" in note]
    leads = {row[0]: row[10] for row in table.rows if row[0]}
    assert (leads["3.4.1.7"], leads["3.4.2.8"], leads["3.4.1.6"]) == ("甲厅", "乙厅", "未明确")


def test_progress_and_missed_targets(reports: Reports, results: Results) -> None:
    report = reports["zh", "annual_evaluation"]
    progress = results.tables["progress"]
    table = report.table("progress")
    assert len(table.rows) == progress.height
    for row, found in zip(table.rows, progress.iter_rows(named=True), strict=True):
        if found["actual"] is None:
            assert row[5] == "-" == row[8]
        else:
            assert value(row[5]) == found["actual"] / divisor(found["unit"], "zh")
            sign = 1.0 if found["direction"] == "at_least" else -1.0
            assert value(row[8]) == pytest.approx(sign * (found["target"] - found["actual"]) / divisor(found["unit"], "zh"))
    assert progress["actual"].count() > 0
    chapter = next(section for section in report.sections if section.title == "未达标与待定目标")
    items = [block for block in chapter.blocks if isinstance(block, Text) and block.style == "item"]
    lines = results.tables["indicators"].filter(pl.col("target").is_not_null())
    assert len(items) == sum(
        line.verdict in {"missed", "actual_pending", "not_modelled"} for line in scorecard(lines, results_definitions(reports))
    )


# ---- places ------------------------------------------------------------------------------------------------------------------------


def test_contributions_of_all_places_sum_to_the_province(reports: Reports, results: Results, inputs: Inputs) -> None:
    tables = {name: results.tables[name] for name in NEEDED if name in results.tables}
    profile = prefecture_profile(tables, inputs, 2030)[0]
    table = reports["zh", "210100"].table("contributions")
    *places, total = table.rows
    assert {row[0] for row in places} >= {labels(inputs, "area", "zh")[area] for area in prefectures(inputs)}
    for j, name in enumerate(SUMMED, 1):
        parts = [value(row[j]) for row in places if isinstance(row[j], Number)]
        mine = profile.filter(pl.col("id") == name)
        order = mine["id"][0]
        assert order == name
        assert sum(parts) == pytest.approx(value(total[j]), abs=1e-8)
    assert places[0][0] == "沈阳市"
    assert 0 in table.bold


def test_city_values_are_those_of_the_profile(reports: Reports, results: Results, inputs: Inputs) -> None:
    tables = {name: results.tables[name] for name in NEEDED if name in results.tables}
    profile = prefecture_profile(tables, inputs, 2030)[0]
    rows = reports["en", "210100"].table("profile").rows
    mine = profile.filter(pl.col("area") == "210100")
    assert len(rows) == mine.height
    totals = profile.filter(pl.col("area").is_in(TOTALS))
    for row, one, whole in zip(rows, mine.iter_rows(named=True), totals.iter_rows(named=True), strict=True):
        for cell, found in ((row[1], one), (row[2], whole)):
            if found["value"] is None:
                assert cell == "-"
            else:
                assert value(cell) == pytest.approx(found["value"] / divisor(found["unit"], "en"), rel=1e-12)


def test_city_co2_and_shares(reports: Reports, results: Results) -> None:
    report = reports["zh", "210100"]
    mine = (
        results.tables["co2_areas"]
        .filter(pl.col("area") == "210100", pl.col("year") == 2030, pl.col("scope") == "direct_power")["t"]
        .sum()
    )
    power = report.table("co2").rows[-2]
    assert value(power[3]) * 1e4 == pytest.approx(mine, rel=1e-12)
    shares = results.tables["target_shares"].filter(pl.col("rule") == "equal_rate", pl.col("target") == INTENSITY)
    cut = summed(shares, "area").filter(pl.col("area") == "210100")["cut"][0]
    co2 = [row for row in report.table("shares").rows if "CO2" in str(row[8])]
    assert sum(value(row[4]) for row in co2) * 1e4 == pytest.approx(cut, rel=1e-9)
    assert sum(value(row[1]) for row in next(f for _, f in report.figures() if f.data.key == "trips_path").data.rows) > 0
    trips = report.table("trips").rows
    assert sum(value(row[3]) for row in trips) == pytest.approx(100.0, abs=1e-6)


# ---- difference --------------------------------------------------------------------------------------------------------------------


def test_difference_lists_every_setting(sources: dict[str, Source]) -> None:
    source = sources["zh"]
    resolved = source.run.manifest["resolved"]
    assert source.base.name == "baseline"
    found = annex.difference(source)
    table = next(block for block in found.blocks if isinstance(block, Table))
    assert len(table.rows) >= len(resolved["set"]) > 10
    same = replace(source, base=Base("plan_2030", "碳达峰方案情景", resolved, source.run))
    assert all(isinstance(block, Text) for block in annex.difference(same).blocks)


def test_results_stand_beside_those_of_the_base(sources: dict[str, Source]) -> None:
    source = sources["zh"]
    resolved = {**source.run.manifest["resolved"], "set": {}}
    own = replace(source, base=Base("x", "甲", resolved, source.run))
    table = next(block for block in annex.difference(own).blocks if isinstance(block, Table) and block.key == "beside")
    assert len(table.rows) == len(source.lines)
    # the base is the same run: nothing changes, and both verdicts are alike
    assert all(row[4] == "-" or value(row[4]) == 0.0 for row in table.rows)
    assert all(row[6] == row[7] for row in table.rows)


# ---- languages, identity -----------------------------------------------------------------------------------------------------------


def all_texts(report: Report) -> Iterator[tuple[str, str]]:
    """Return (where, text) of everything that a report says."""
    yield from (("title", text) for text in (report.title, report.subtitle, report.warning, report.author, *report.headings()))
    yield from (("line", text) for pair in report.lines for text in pair)
    yield from (("definitions", text) for pair in report.definitions for text in pair)
    for section in report.sections:
        for block in section.blocks:
            if isinstance(block, Text):
                yield "text", block.text
                continue
            table = block.data if isinstance(block, Figure) else block
            if isinstance(block, Figure):
                yield from (("figure", text) for text in (block.axis, block.alt, block.target_label))
            yield from (("caption", text) for text in (table.title, table.sheet, table.unit, *table.notes))
            yield from (("head", one.head) for one in table.columns)
            for row in table.rows:
                # citations stand as published
                yield from ((table.key, written(cell)) for cell in (row[2:] if table.key == "sources" else row))


@pytest.mark.parametrize("kind", ["scenario", "annual_evaluation", "210100"])
def test_english_reports_hold_no_chinese(reports: Reports, kind: str) -> None:
    wrong = [(where, text) for where, text in all_texts(reports["en", kind]) if CHINESE.search(text)]
    assert not wrong, wrong[:5]


@pytest.mark.parametrize("kind", ["scenario", "annual_evaluation", "210100"])
def test_chinese_reports_hold_no_english_text(reports: Reports, kind: str) -> None:
    english = {text for key, text in texts("en").items() if "{" not in text and len(text) > 3 and text != texts("zh").get(key)}
    wrong = [(where, text) for where, text in all_texts(reports["zh", kind]) if text in english]
    assert not wrong, wrong[:5]
    # no words in a row but names of commands and licences
    known = re.compile(
        r"transport [a-z]+( [a-z]+)?|Global|data/\S+|OpenStreetMap|GeoNames|searoute / Eurostat|CC BY|Power|[A-Z]{2,}\S*"
    )
    prose = [
        (where, text) for where, text in all_texts(reports["zh", kind]) if re.search(r"[a-z]{3,} [a-z]{3,}", known.sub("", text))
    ]
    assert not [item for item in prose if item[0] not in {"sources", "replace_first"}], prose[:5]


@pytest.mark.parametrize("kind", ["scenario", "annual_evaluation", "210100"])
def test_nothing_is_empty_and_captions_are_numbered(reports: Reports, kind: str) -> None:
    report = reports["zh", kind]
    numbers = [number for number, _ in report.tables()]
    assert numbers == list(range(1, len(numbers) + 1))
    keys = [table.key for _, table in report.tables()] + [figure.data.key for _, figure in report.figures()]
    assert len(set(keys)) == len(keys)
    for _, table in report.tables():
        assert table.rows, table.key
        assert all(len(row) == len(table.columns) for row in table.rows), table.key
        for row in table.rows:
            for j, cell in enumerate(row):
                assert written(cell) not in {"None", "nan"}, (table.key, row)
                assert written(cell) or j in table.merged or (table.key, j) == ("qualities", 3), (table.key, row)
    for _, figure in report.figures():
        assert len(figure.colours) >= len(figure.data.columns) - 1 or figure.shape == "waterfall"
        assert figure.alt


def test_identity_and_sources(reports: Reports, results: Results, inputs: Inputs) -> None:
    report = reports["zh", "scenario"]
    said = dict(report.lines)
    assert said["运行编号"] in report.name
    definitions = [text for _, text in report.definitions]
    assert results.data_hash in definitions
    assert results.scenario.scenario_hash() in definitions
    assert any("OpenStreetMap" in text and "ODbL" in text for text in definitions)
    used = results.tables["parameters_used"].filter(pl.col("reads") > 0)
    counted = {row[0]: value(row[1]) for row in report.table("qualities").rows}
    for code, count in used.group_by("quality").len().iter_rows():
        assert counted[labels(inputs, "quality", "zh")[code]] == count
    cited = {row[0] for row in report.table("sources").rows}
    assert cited == {code for text in used["source"].drop_nulls() for code in text.split()} & set(
        inputs.table("sources")["source"]
    )
    assert PROVINCE == "210000"
