"""The tables, maps and charts of the freight page, by hand."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest

from networks.parts import ALTERNATIVES, TERMINAL_KINDS
from transport.app import charts, freight_flows, freight_tables, maps
from transport.app.freight_tables import MODES, NEEDED, OUTSIDE, Names
from transport.i18n import has_text

if TYPE_CHECKING:
    from transport.inputs import Inputs

CHINESE = re.compile(r"[\u4e00-\u9fff]")
NAMES = Names(
    {"A": "甲", "B": "乙", "Z_A": "甲", "210100": "沈阳市", OUTSIDE: "省外"},
    {"1": "甲线"},
    {"1": "甲—乙"},
    frozenset({"2", "Z_OUT"}),
)


def links_of(rows: list[dict[str, Any]]) -> pl.DataFrame:
    blank = {
        "year": 2030,
        "mode": "rail",
        "from_node": "A",
        "to_node": "B",
        "backward_t": 0.0,
        "delay_h": None,
        "price_cny_per_t": 1.0,
    }
    schema = {"link_id": pl.String, "capacity_t_per_year": pl.Float64, "vc_ratio": pl.Float64, "delay_h": pl.Float64}
    return pl.DataFrame([blank | row for row in rows], schema_overrides=schema)


TWO = links_of(
    [
        {"link_id": "1", "forward_t": 4e6, "backward_t": 1e6, "capacity_t_per_year": 5e6, "vc_ratio": 0.8},
        {"link_id": "2", "forward_t": 2e6, "capacity_t_per_year": 1e6, "vc_ratio": 2.0},
        {
            "link_id": "3",
            "mode": "water",
            "forward_t": 9e6,
            "capacity_t_per_year": None,
            "vc_ratio": None,
            "price_cny_per_t": None,
        },
        {"link_id": "4", "forward_t": 0.0, "capacity_t_per_year": 1e6, "vc_ratio": 0.0},
    ]
)
NODES = pl.DataFrame({"node_id": ["A", "B"], "lat": [41.0, 42.0], "lon": [123.0, 124.0]})
SHAPES = pl.DataFrame({"link_id": ["1"], "shape": ["123 41;123.4 41.7;124 42"]})


def test_links_follow_their_shape_and_straight_lines_without_one() -> None:
    paths = maps.network_paths(TWO, NODES, SHAPES, 2030, ["rail"])
    assert paths["link_id"].to_list() == ["2", "1"], "the heaviest on top, empty ones left out"
    assert paths["path"].to_list() == [[[123.0, 41.0], [124.0, 42.0]], [[123.0, 41.0], [123.4, 41.7], [124.0, 42.0]]]
    assert paths["t_per_year"].to_list() == [2e6, 5e6]


def test_the_map_asks_nothing_of_the_internet_and_tells_both_directions() -> None:
    paths = maps.network_paths(TWO, NODES, SHAPES, 2030, ["rail", "water"])
    deck = maps.network_map(
        paths, TERMINALS_AT, TOWNS, NAMES, {"yard": "货场", "berth": "泊位"}, colour_by="saturation", lang="zh"
    )
    assert deck.map_provider is None
    assert "http" not in deck.to_json()
    drawn = {row["tip"].split("\n")[0]: row for row in deck.layers[0].data}
    assert "甲 → 乙：400 万吨/年\n乙 → 甲：100 万吨/年" in drawn["甲线"]["tip"]
    assert "单向能力 500 万吨/年，饱和度 0.80" in drawn["甲线"]["tip"]
    assert drawn["2"]["colour"][:3] == [int(charts.saturation_colour(2.0)[i : i + 2], 16) for i in (1, 3, 5)]
    assert drawn["3"]["tip"].endswith("没有能力值")
    assert drawn["3"]["width"] == max(row["width"] for row in drawn.values())
    assert [row["tip"].split("\n")[0] for row in deck.layers[0].data] == ["3", "甲线", "2"], "the fullest on top"
    [dot] = deck.layers[1].data
    assert dot["tip"].count("饱和度") == 2, "two terminals of one place share a dot"
    assert dot["tip"].startswith("甲　泊位")


TOWNS = pl.DataFrame({"name": ["甲"], "lat": [41.0], "lon": [123.0]})
TERMINALS_OF = pl.DataFrame(
    {
        "year": [2030, 2030, 2030, 2025],
        "terminal_id": ["yard_A", "berth_A", "yard_B", "yard_A"],
        "kind": ["yard", "berth", "yard", "yard"],
        "place": ["A", "Z_A", "B", "A"],
        "t_per_year": [9e5, 2e6, 1e5, 9e5],
        "capacity_t_per_year": [1e6, 1e6, 1e6, 1e6],
        "vc_ratio": [0.9, 2.0, 0.1, 5.0],
        "price_cny_per_t": [3.0, 40.0, 0.0, 3.0],
    }
)
ZONES = pl.DataFrame({"zone_id": ["Z_A"], "node_id": ["A"]})
TERMINALS_AT = maps.busy_terminals(TERMINALS_OF, ZONES, NODES, 2030, 0.8)


def test_only_busy_terminals_are_drawn_where_their_zone_lies() -> None:
    assert TERMINALS_AT["terminal_id"].to_list() == ["yard_A", "berth_A"]
    assert TERMINALS_AT["lon"].to_list() == [123.0, 123.0]


def test_saturation_classes_cover_every_ratio_and_grow_darker() -> None:
    found = [charts.saturation_colour(ratio) for ratio in (0.0, 0.49, 0.5, 0.79, 0.8, 0.99, 1.0, 9.0)]
    assert found == [colour for _, colour in charts.SATURATION_CLASSES for _ in range(2)]
    light = [sum(w * int(c[i : i + 2], 16) for w, i in ((0.3, 1), (0.59, 3), (0.11, 5))) for _, c in charts.SATURATION_CLASSES]
    assert light[0] > light[1]
    assert light[2] > light[3]
    assert light[-1] == min(light), "above capacity is the darkest, whatever the eye makes of the hue"


def test_headline_by_hand() -> None:
    freight = pl.DataFrame(
        {
            "year": [2030, 2030, 2020],
            "mode": ["rail", "road", "rail"],
            "commodity": ["coal", "coal", "coal"],
            "t": [3.0, 7.0, 1.0],
            "territory_tkm": [30.0, 90.0, 5.0],
        }
    )
    unmet = pl.DataFrame({"year": [2030, 2030, 2020], "unmet_t": [1.0, 2.5, 9.0]})
    found = freight_tables.headline(freight, TWO, unmet, 2030)
    assert (found.rail_share, found.rail_t, found.unmet_t) == (25.0, 3.0, 3.5)
    assert dict(found.over) == {"rail": 1, "road": 0, "water": 0, "pipeline": 0}


UNMET = pl.DataFrame(
    {
        "year": [2030, 2030, 2030, 2025],
        "constraint": ["rail", "rail", "yard", "rail"],
        "place": ["1", "1", "A", "1"],
        "mode": ["rail", "rail", "rail", "rail"],
        "commodity": ["coal", "grain", "coal", "coal"],
        "vc_ratio": [1.1, 1.1, 0.95, 1.0],
        "unmet_t": [1e6, 2e6, 1e6, 1e9],
        "first_year": [2021, 2021, 2024, 2021],
    }
)


def test_the_worst_bottleneck_sums_all_commodities() -> None:
    worst = freight_tables.bottlenecks(UNMET, 2030)
    assert worst.row(0, named=True) == {
        "constraint": "rail", "place": "1", "vc_ratio": 1.1, "unmet_t": 3e6, "first_year": 2021, "commodity": "grain",
    }  # fmt: skip
    assert freight_tables.bottlenecks(UNMET, 2031).is_empty()
    shown = freight_tables.held_places(
        worst, NAMES, {"rail": "铁路区段", "yard": "货场"}, {"coal": "煤炭", "grain": "粮食"}, "zh"
    )
    assert shown["place"].to_list() == ["甲线", "甲"]
    assert shown["unmet"].to_list() == [300.0, 100.0]
    by_kind = freight_tables.held_back(UNMET, {"rail": "铁路区段", "yard": "货场"}, 2030, "zh")
    assert by_kind.rows() == [("铁路区段", 300.0, 1, 2021), ("货场", 100.0, 1, 2024)]


def test_saturation_of_a_bottleneck_comes_from_links_or_terminals() -> None:
    assert freight_tables.saturation_of("rail", "1", TWO, TERMINALS_OF, 2030) == 0.8
    assert freight_tables.saturation_of("berth", "Z_A", TWO, TERMINALS_OF, 2030) == 2.0
    assert freight_tables.saturation_of("siding", "Z_A", TWO, TERMINALS_OF, 2030) is None


def test_the_fullest_section_in_the_province_leaves_out_what_lies_outside() -> None:
    assert freight_tables.fullest_rail(TWO, NAMES, 2030) == ("1", 0.8, 0)
    assert freight_tables.fullest_rail(TWO, NAMES, 2031) is None


CORRIDORS = pl.DataFrame(
    {
        "year": [2030] * 4,
        "from_place": ["210100", "210100", "Z_OUT", "210100"],
        "to_place": ["Z_OUT", "Z_OUT", "210100", "210100"],
        "mode": ["rail", "road", "rail", "road"],
        "t": [3e6, 1e6, 2e6, 8e6],
        "tkm": [9e8, 2e8, 4e8, 8e7],
    }
)


def test_corridors_join_what_lies_outside_and_keep_all_tonnes() -> None:
    matrix = freight_flows.corridor_matrix(CORRIDORS, NAMES, 2030)
    cells = {(a, b): (t, share) for a, b, t, share in matrix.iter_rows()}
    assert cells["210100", OUTSIDE] == (4e6, 75.0)
    assert matrix["t"].sum() == CORRIDORS["t"].sum()
    table = freight_flows.corridor_table(CORRIDORS, NAMES, 2030, "zh")
    assert table.row(0, named=True) == {
        "from": "沈阳市", "to": "Z_OUT", "t": 400.0, "rail_share": 75.0, "rail": 300.0, "road": 100.0, "water": 0.0, "pipeline": 0.0, "haul": 275.0,
    }  # fmt: skip
    hauls = dict(freight_flows.mean_hauls(CORRIDORS).select("mode", "haul").iter_rows())
    assert hauls == pytest.approx({"rail": 13e8 / 5e6, "road": 28e7 / 9e6})


def test_corridor_chart_writes_the_numbers_of_the_matrix() -> None:
    matrix = freight_flows.corridor_matrix(CORRIDORS, NAMES, 2030)
    places = {"210100": "沈阳市", OUTSIDE: "省外"}
    for measure, first in (("t", "400"), ("rail_share", "75")):
        spec = charts.corridor_matrix(matrix, places, measure=measure, lang="zh").to_dict()
        rows = [row for data in spec["datasets"].values() for row in data]
        assert first in {row["written"] for row in rows if (row["from"], row["to"]) == ("沈阳市", "省外")}


def test_commodity_bars_hold_all_turnover_and_the_share_of_rail() -> None:
    freight = pl.DataFrame(
        {
            "year": [2030] * 3,
            "mode": ["rail", "road", "road"],
            "commodity": ["coal", "coal", "grain"],
            "territory_tkm": [6e8, 2e8, 1e8],
        }
    )
    shares = freight_flows.commodity_modes(freight, 2030)
    assert shares["tkm"].sum() == 9e8
    assert dict(shares.select("commodity", "rail_share").iter_rows()) == {"coal": 75.0, "grain": 0.0}
    spec = charts.commodity_modes(shares, {"coal": "煤炭", "grain": "粮食"}, {m: m for m in MODES}, lang="zh").to_dict()
    rows = [row for data in spec["datasets"].values() for row in data]
    assert {row["written"] for row in rows if row["commodity"] == "煤炭"} == {"铁路 75 %"}
    assert {row["value"] for row in rows} >= {6.0, 2.0, 1.0}


def test_the_legend_breaks_into_rows_that_fit() -> None:
    entries = [(f"饱和度 {i}", "#000000", 5.0, "line") for i in range(12)]
    rows = [row for data in charts.map_legend(entries).to_dict()["datasets"].values() for row in data]
    assert len(rows) == 12
    assert max(row["y"] for row in rows) >= 1
    assert max(row["text"] for row in rows) < 880


def test_speeds_by_hand() -> None:
    table = pl.DataFrame(
        {
            "year": [2030],
            "mode": ["rail"],
            "t_equilibrium": [9e6],
            "t_fixed": [10e6],
            "territory_tkm_equilibrium": [3e9],
            "territory_tkm_fixed": [2e9],
        }
    )
    found = freight_flows.speeds(table, {"rail": "铁路"}, 2030, "zh")
    assert found.rows() == [("铁路", 900.0, 1000.0, -10.0, 30.0, 20.0, 50.0)]
    spec = charts.two_speeds(table, {m: m for m in MODES}, lang="en").to_dict()
    assert {row["value"] for data in spec["datasets"].values() for row in data} == {3.0, 2.0}


def test_every_chain_and_constraint_has_a_name() -> None:
    for lang in ("zh", "en"):
        assert [a for a in ALTERNATIVES if not has_text(f"freight.chain_{a}", lang)] == []
        assert [k for k in TERMINAL_KINDS if k != "site_yard" and not has_text(f"freight.kind_{k}", lang)] == []


def test_a_run_that_lacks_a_column_is_named() -> None:
    assert freight_tables.missing_tables(NEEDED) == []
    assert freight_tables.missing_tables({}) == list(NEEDED)


def test_lines_are_called_by_their_ends_in_english_and_by_their_name_in_chinese(inputs: Inputs) -> None:
    names = freight_tables.names_of(inputs, "en")
    assert freight_tables.names_of(inputs, "zh").lines == {}
    known = set(inputs.table("networks/links")["line_zh"].drop_nulls())
    assert set(names.lines) <= known
    assert len(names.lines) > 20
    assert len(set(names.lines.values())) == len(names.lines)
    assert not [name for name in names.lines.values() if CHINESE.search(name)]
