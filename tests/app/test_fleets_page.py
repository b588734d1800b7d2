"""The page of fleets: shown numbers against the run's tables in both languages, and its frames and charts by hand."""

from __future__ import annotations

import re
import shutil
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest
from streamlit.testing.v1 import AppTest

from transport.app import fleet_charts, fleet_costs, fleet_energy, fleet_tables
from transport.app.fleet_tables import Fleet
from transport.i18n import labels, t
from transport.scenario import load_scenario
from transport.store import run_id

if TYPE_CHECKING:
    from pathlib import Path

    from transport.inputs import Inputs
    from transport.store import StoredRun
    from transport.study import Results

CHINESE = re.compile(r"[\u4e00-\u9fff]")


@pytest.fixture
def runs(stored_run: StoredRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, inputs: Inputs) -> Path:
    """Return the plan's run folder, where the app looks for it."""
    folder = tmp_path / run_id(load_scenario("plan_2030", inputs.folder, inputs.levers), inputs.data_hash)
    shutil.copytree(stored_run.folder, folder)
    monkeypatch.setenv("TRANSPORT_RUNS", str(tmp_path))
    return folder


def opened(root: Path, **query: str) -> AppTest:
    page = AppTest.from_file(str(root / "streamlit_app.py"), default_timeout=180)
    for key, value in query.items():
        page.query_params[key] = value
    page.run()
    return page.switch_page(str(root / "transport" / "app" / "views" / "fleets.py")).run()


def frame_with(page: AppTest, *columns: str) -> Any:
    return next(found.value for found in page.dataframe if set(columns) <= set(found.value.columns))


def is_at(results: Results, name: str, **codes: object) -> pl.DataFrame:
    return results.tables[name].filter(*[pl.col(k) == v for k, v in codes.items()])


def total(values: pl.Series) -> float:
    return float(values.to_numpy().sum())


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_the_page_shows_the_numbers_of_the_run(root: Path, runs: Path, lang: str, results: Results, inputs: Inputs) -> None:
    del runs
    page = opened(root, lang=lang)
    assert not page.exception
    assert len(page.tabs) == 7
    scale = 1e4 if lang == "zh" else 1e3
    classes, fleets = frame_with(page, "stock", "sales_share"), fleet_tables.fleets(inputs, results.tables["stock"], lang)
    assert len(classes) == len(fleets)
    cars = is_at(results, "stock", year=2030, vehicle_class="private_car")
    mine = classes[classes["fleet"] == labels(inputs, "vehicle_class", lang)["private_car"]].iloc[0]
    assert mine["stock"] == pytest.approx(total(cars["stock_veh"]), abs=0.5)
    assert mine["scrap"] == pytest.approx(total(cars["scrap_veh"]), abs=0.5)
    assert sum(classes["stock"].iloc[1:]) == pytest.approx(total(is_at(results, "stock", year=2030)["stock_veh"]), abs=20)

    share = is_at(results, "indicators", id="clean_share_of_additions", year=2030, variant="operating:plan")["value"][0]
    said = [box.value for box in page.info]
    assert any(f"{share:.1f}" in text and "40" in text for text in said)
    by_class = frame_with(page, "plan", "nev_only")
    taxis = is_at(results, "indicators", id="clean_share_of_class_additions", year=2030, variant="taxi:nev_only")["value"][0]
    assert by_class[by_class["fleet"] == labels(inputs, "vehicle_class", lang)["taxi"]]["nev_only"].iloc[0] == f"{taxis:.1f}"

    energy = is_at(results, "energy", year=2030)
    table = frame_with(page, "coal", "electricity")
    assert table["coal"].sum() == pytest.approx(total(energy["kgce"]) / 1000 / scale)
    kwh = total(energy.filter(pl.col("carrier") == "electricity")["quantity"])
    assert table["electricity"].sum() == pytest.approx(kwh / (1e8 if lang == "zh" else 1e6))

    co2 = frame_with(page, "name", "amount", "share")
    assert co2["amount"].sum() == pytest.approx(total(is_at(results, "co2", year=2030, scope="direct_power")["t"]) / scale)
    assert co2["share"].sum() == pytest.approx(100.0)

    tco = is_at(results, "tco", year=2030, vehicle_class="tractor_trailer").sort("total_cny2023_per_unit")
    costs = frame_with(page, "by_cost", "even")
    assert costs["total"].tolist() == pytest.approx(tco["total_cny2023_per_unit"].to_list())
    assert costs[list(fleet_costs.COMPONENTS)].sum(axis=1).tolist() == pytest.approx(tco["total_cny2023_per_unit"].to_list())

    batteries = frame_with(page, "scrapped", "replaced")
    retired = total(is_at(results, "retired_batteries", year=2030)["kwh"]) / scale
    assert batteries[batteries["year"] == 2030]["all"].iloc[0] == pytest.approx(retired)
    assert frame_with(page, "calls")["calls"].sum() == pytest.approx(total(is_at(results, "berths", year=2030)["calls"]), abs=3)
    assert frame_with(page, "movements")["movements"].max() == is_at(results, "airports", year=2030)["movements"].max()


def test_another_fleet_year_and_prefecture(root: Path, runs: Path, results: Results, inputs: Inputs) -> None:
    del runs
    page = opened(root)
    page.selectbox(key="fleets_energy_area").set_value("210200")
    page.selectbox(key="fleets_co2_area").set_value("210200")
    page.selectbox(key="fleets_fleet").set_value("urban_bus")
    page.select_slider(key="fleets_year").set_value(2025).run()
    assert not page.exception
    dalian = is_at(results, "energy_areas", year=2025, area="210200", carrier="diesel")
    assert frame_with(page, "coal", "diesel")["diesel"].sum() == pytest.approx(total(dalian["quantity"]) / 1e4)
    buses = is_at(results, "stock", year=2025).filter(pl.col("vehicle_class").str.starts_with("urban_bus"))
    written = f"{total(buses['stock_veh']):,.1f}"
    assert any(written in box.value and labels(inputs, "vehicle_class", "zh")["urban_bus"] in box.value for box in page.info)
    sectors = [found.value for found in page.dataframe if list(found.value.columns) == ["name", "amount", "share"]]
    city = is_at(results, "co2_areas", year=2025, area="210200", scope="direct_power")
    assert any(found["amount"].sum() == pytest.approx(total(city["t"]) / 1e4) for found in sectors)
    assert page.selectbox(key="fleets_class_urban_bus").value == "urban_bus_8m"
    page.button_group(key="lang").set_value("en").run()
    assert page.selectbox(key="fleets_fleet").value == "urban_bus"
    assert page.select_slider(key="fleets_year").value == 2025
    assert not page.exception
    page.select_slider(key="fleets_year").set_value(2015).run()
    assert not page.exception, "no additions, costs or batteries so early"


def test_no_code_and_no_empty_cell_stands_on_the_page(root: Path, runs: Path) -> None:
    del runs
    page = opened(root)
    parts = [*page.header, *page.subheader, *page.caption, *page.info, *page.expander, *page.tabs, *page.markdown]
    texts = [text for part in parts for text in (getattr(part, "label", ""), str(getattr(part, "value", ""))) if text]
    for table in page.dataframe:
        assert not table.value.isna().any().any(), list(table.value.columns)
        words = table.value.select_dtypes(exclude=["number", "bool"]).drop(columns=["sources", "link"], errors="ignore")
        texts += [str(value) for name in words.columns for value in words[name].unique()]
    assert len(texts) > 200
    codes = re.compile(r"\b(fleets\.|urban_bus|battery_|[a-z]+_[a-z_]+)\b")
    assert [text for text in texts if codes.search(text)] == []
    english = [x for x in texts if re.search(r"[A-Za-z]{4,}", x) and not CHINESE.search(x) and "OpenStreetMap" not in x]
    assert english == []


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_without_a_run_the_page_says_what_to_do(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lang: str) -> None:
    monkeypatch.setenv("TRANSPORT_RUNS", str(tmp_path))
    page = opened(root, lang=lang)
    assert not page.exception
    assert not page.tabs
    assert len(page.info) == 2


def test_an_old_run_names_what_it_lacks(root: Path, runs: Path) -> None:
    text = (runs / "manifest.json").read_text(encoding="utf-8").replace('"retired_batteries"', '"other_batteries"')
    (runs / "manifest.json").write_text(text, encoding="utf-8")
    page = opened(root)
    assert not page.exception
    assert any("retired_batteries" in box.value and "plan_2030" in box.value for box in page.info)


# ---- frames by hand ----------------------------------------------------------------------------------------------------------------

TAXI = Fleet("taxi", "出租车", ("taxi",), "vehicle")
NEW = frozenset({("taxi", "battery_electric")})
STOCK = pl.DataFrame(
    {
        "year": [2020, 2020, 2030, 2030],
        "vehicle_class": ["taxi"] * 4,
        "powertrain": ["cng", "battery_electric"] * 2,
        "stock_veh": [90.0, 10.0, 25.0, 75.0],
        "sales_veh": [0.0, 5.0, 1.0, 9.0],
        "scrap_veh": [4.0, 0.0, 7.0, 2.0],
        "inflow_veh": [0.0] * 4,
    }
)


def test_stock_by_hand(inputs: Inputs) -> None:
    rows = fleet_tables.paths(STOCK, TAXI, NEW, inputs, "zh")
    assert rows["part"].unique(maintain_order=True).to_list() == ["压缩天然气", "纯电动"], "new energy on top"
    assert dict(fleet_tables.new_shares(rows).select("year", "share").iter_rows()) == {2020: 10.0, 2030: 75.0}
    [row] = fleet_tables.class_stock(STOCK, {"taxi": TAXI}, NEW, 2030).to_dicts()
    assert (row["stock"], row["share"], row["sales"], row["sales_share"], row["scrap"]) == (100.0, 75.0, 10.0, 90.0, 9.0)
    shown = fleet_tables.changes(STOCK, TAXI, "zh").filter(pl.col("year") == 2030)
    assert dict(shown.select("part", "amount").iter_rows()) == {"新增": 10.0, "报废": -9.0}, "nothing moves, so no third bar"
    assert fleet_tables.scale_of(pl.Series([4e4]), "zh") == 1.0
    assert fleet_tables.scale_of(pl.Series([6e4]), "zh") == 1e4


def test_break_even_needs_all_later_years() -> None:
    years = [2025, 2026, 2027, 2028]
    electric, gas = [9.0, 6.0, 8.0, 6.0], [7.0, 7.0, 7.0, 7.0]
    table = pl.DataFrame(
        {
            "year": years * 2,
            "vehicle_class": ["taxi"] * 8,
            "powertrain": ["battery_electric"] * 4 + ["cng"] * 4,
            "total_cny2023_per_unit": electric + gas,
        }
    )
    assert fleet_costs.break_even(table, "taxi", NEW) == {"battery_electric": 2028}, "the dip of 2026 does not last"
    assert fleet_costs.break_even(table, "taxi", frozenset()) == {}
    dear = table.with_columns(pl.col("total_cny2023_per_unit") + pl.when(pl.col("powertrain") == "cng").then(-5.0).otherwise(0.0))
    assert fleet_costs.break_even(dear, "taxi", NEW) == {"battery_electric": None}


def test_energy_of_a_prefecture_keeps_the_coal_equivalent_of_the_run(inputs: Inputs, results: Results) -> None:
    energy, areas = results.tables["energy"], results.tables["energy_areas"]
    places = sorted(set(areas["area"].to_list()))
    parts = [fleet_energy.of_area(energy, areas, area).filter(pl.col("year") == 2030) for area in places]
    whole = total(is_at(results, "energy", year=2030)["kgce"])
    assert sum(total(part["kgce"]) for part in parts) == pytest.approx(whole, rel=1e-9)
    assert fleet_energy.of_area(energy, areas, "210000")["kgce"].sum() == energy["kgce"].sum()
    bars = fleet_energy.class_energy(fleet_energy.of_area(energy, None, "210000"), 2030, inputs, "zh")
    assert total(bars["amount"]) == pytest.approx(whole / 1e7)
    paths = fleet_energy.co2_paths(results.tables["co2"], "wtw", inputs, "zh", 3, "其他")
    assert len(paths["part"].unique()) == 4
    assert total(paths.filter(pl.col("year") == 2030)["amount"]) == pytest.approx(
        total(is_at(results, "co2", year=2030, scope="wtw")["t"]) / 1e4
    )


def test_new_energy_counts_as_the_indicators_do(inputs: Inputs, results: Results) -> None:
    new = fleet_tables.new_energy(inputs)
    sold = is_at(results, "stock", year=2030)
    chosen = pl.Series([pair in new for pair in sold.select("vehicle_class", "powertrain").iter_rows()])
    share = 100.0 * total(sold.filter(chosen)["sales_veh"]) / total(sold["sales_veh"])
    shown = is_at(results, "indicators", id="clean_share_of_additions", year=2030, variant="all_civil:nev_only")["value"][0]
    assert share == pytest.approx(shown, rel=1e-9)


def test_charts_hold_all_amounts_and_the_target() -> None:
    rows = pl.DataFrame({"year": [2020, 2020], "part": ["a", "b"], "amount": [1.0, 2.0]})
    spec = fleet_charts.areas(rows, {"a": "#111111", "b": "#222222"}, title="万辆", lang="zh").to_dict()
    assert spec["encoding"]["color"]["scale"] == {"domain": ["a", "b"], "range": ["#111111", "#222222"]}
    assert spec["encoding"]["y"]["title"] == "万辆"
    shares = pl.DataFrame({"year": [2030], "name": ["全部民用"], "list": ["仅新能源"], "share": [30.0]})
    spec = fleet_charts.clean_shares(shares, (2030, 40.0, 2.0), title="%", lang="zh").to_dict()
    goal = next(row for data in spec["datasets"].values() for row in data if "low" in row)
    assert (goal["share"], goal["low"]) == (40.0, 38.0)
    assert "40" in goal["label"]
    assert len(fleet_charts.clean_shares(shares, None, title="%", lang="zh").to_dict()["layer"]) == 1


def test_every_powertrain_and_carrier_has_a_colour_and_every_route_a_name(inputs: Inputs, results: Results) -> None:
    used = results.tables["stock"].filter(pl.col("stock_veh") > 0)["powertrain"].unique().to_list()
    assert [code for code in used if code not in fleet_charts.POWERTRAIN_COLOURS] == []
    assert [code for code in labels(inputs, "carrier", "zh") if code not in fleet_charts.CARRIER_COLOURS] == []
    for lang in ("zh", "en"):
        routes = fleet_tables.ferries(results.tables["berths"], 2030, lang)["route"].to_list()
        assert routes[0] == t("fleets.route", lang, start=t("fleets.port_dalian", lang), end=t("fleets.port_yantai", lang))
        assert not any(re.search(r"\b[a-z]{4,}\b", route) for route in routes)
