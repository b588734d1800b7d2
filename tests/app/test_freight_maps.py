"""The flow chart of the freight page and its maps of one commodity and of one haul, by hand."""

from __future__ import annotations

import polars as pl
import pytest

from transport import freight_loads
from transport.app import change_maps, charts, freight_sankey, freight_tables, haul_maps, maps
from transport.app.freight_tables import Names
from transport.palette import LESS_COLOUR, MORE_COLOUR, UNCHANGED_COLOUR

NAMES = Names({"A": "甲", "B": "乙", "A1": "甲", "A2": "甲", "B1": "乙"}, {"1": "甲线"}, {"1": "甲—乙"}, frozenset())
NODES = pl.DataFrame({"node_id": ["A", "B"], "lat": [41.0, 42.0], "lon": [123.0, 124.0]})
SHAPES = pl.DataFrame({"link_id": ["1"], "shape": ["123 41;123.4 41.7;124 42"]})
TOWNS = pl.DataFrame({"name": ["甲"], "lat": [41.0], "lon": [123.0]})
TWO = pl.DataFrame(
    {
        "year": [2030, 2030],
        "link_id": ["1", "2"],
        "from_node": ["A", "A"],
        "to_node": ["B", "B"],
        "mode": ["rail", "water"],
        "forward_t": [4e6, 9e6],
        "backward_t": [1e6, 0.0],
        "capacity_t_per_year": [5e6, None],
        "vc_ratio": [0.8, None],
        "delay_h": [None, None],
        "price_cny_per_t": [1.0, None],
    },
    schema_overrides={"delay_h": pl.Float64},
)
NO_DOTS = pl.DataFrame(schema={"node_id": pl.String, "vc_ratio": pl.Float64, "lon": pl.Float64, "lat": pl.Float64})


FLOWS = pl.DataFrame(
    {
        "year": [2030] * 4,
        "origin": ["A1", "A1", "A1", "X"],
        "destination": ["A2", "B1", "B1", "A1"],
        "commodity": ["coal", "coal", "grain", "coal"],
        "alternative": ["road", "rail_truck_truck", "road", "sea_truck"],
        "t": [4e4, 3e4, 2e4, 1e4],
    }
)
PLACES = pl.DataFrame(
    {
        "zone_id": ["A1", "A2", "B1", "X"],
        "area": ["a", "a", "b", "x"],
        "in_province": [True, True, True, False],
        "node_id": ["A", "A", "B", "B"],
    }
)


def test_the_flow_chart_keeps_all_tonnes_in_both_halves() -> None:
    rows = freight_sankey.flow_rows(FLOWS, PLACES, 2030, top=1)
    assert dict(rows.group_by("corridor").agg(pl.col("t").sum()).iter_rows()) == {"within": 4e4, "a|b": 5e4, "other": 1e4}
    names = Names({"a": "甲市", "b": "乙市"}, {}, {}, frozenset())
    modes = {"road": "公路", "rail": "铁路", "water": "水路", "pipeline": "管道"}
    shown = freight_sankey.named_rows(rows, names, {"coal": "煤炭", "grain": "粮食"}, modes, "zh")
    option = freight_sankey.option(shown, modes, "zh")
    [series] = option["series"]
    assert [node["name"] for node in series["data"]] == ["煤炭", "粮食", "公路", "铁路", "水路", "甲市→乙市", "市内", "其他通道"]
    sources = {link["source"] for link in series["links"]}
    halves = [
        sum(link["value"] for link in series["links"] if (link["source"] in modes.values()) is half) for half in (False, True)
    ]
    assert halves == pytest.approx([10.0, 10.0])
    assert sources == {"煤炭", "粮食", "公路", "铁路", "水路"}
    rail = next(node for node in series["data"] if node["name"] == "铁路")
    assert rail["itemStyle"]["color"] == charts.MODE_COLOURS["rail"]
    assert freight_sankey.height(shown) >= 320
    assert freight_sankey.flow_rows(FLOWS, PLACES, 2031).is_empty()


def test_lines_between_places_are_straight_and_the_heaviest_lies_on_top() -> None:
    lines = haul_maps.desire_lines(FLOWS, PLACES, NODES, ["road", "rail"], freight_loads.main_modes(), 2)
    assert lines["t_per_year"].to_list() == [3e4, 4e4]
    assert lines["path"].to_list()[0] == [[123.0, 41.0], [124.0, 42.0]]
    deck = haul_maps.desire_map(lines, TOWNS, NAMES, {"road": "公路", "rail": "铁路"}, "zh")
    assert deck.map_provider is None
    assert deck.layers[0].data[1]["tip"].endswith("4 万吨/年")


def test_one_commodity_takes_the_width_and_leaves_the_saturation() -> None:
    paths = maps.network_paths(TWO, NODES, SHAPES, 2030, ["rail"])
    loads = pl.DataFrame({"link_id": ["1", "1", "3"], "commodity": ["coal", "grain", "coal"], "t": [1e6, 4e6, 1e6]})
    mine = haul_maps.of_goods(paths, loads, "煤炭", "coal")
    assert mine.select("link_id", "t_per_year", "vc_ratio").rows() == [("1", 1e6, 0.8)]
    deck = maps.network_map(mine, NO_DOTS, TOWNS, NAMES, {"yard": "货场", "berth": "泊位"}, colour_by="mode", lang="zh")
    assert "其中煤炭 100 万吨/年" in deck.layers[0].data[0]["tip"]
    table = freight_tables.map_table(mine, NAMES, {"rail": "铁路"}, "zh")
    assert table.rows() == [("甲线", "铁路", 100.0, 400.0, 100.0, "500", "0.80")]


def test_the_map_of_a_haul_draws_its_links_over_the_pale_network() -> None:
    network = maps.network_paths(TWO, NODES, SHAPES, 2030, ["rail", "water"])
    legs = [{"mode": "rail", "links": ["1", "gone"], "tip": "1. 铁路"}]
    deck = haul_maps.chain_map(network, legs, [{"lon": 123.0, "lat": 41.0, "tip": "货场"}], TOWNS, NAMES, "zh")
    drawn = deck.layers[0].data
    assert len(drawn) == network.height + 1
    assert drawn[-1]["colour"][:3] == maps.rgb(charts.MODE_COLOURS["rail"])[:3]
    assert drawn[-1]["path"][1] == [123.4, 41.7]
    assert len(deck.layers[1].data) == 1
    assert "http" not in deck.to_json()


NETWORK = pl.DataFrame({"link_id": ["1", "2", "3", "4"], "from_node": ["A"] * 4, "to_node": ["B"] * 4})
MODES = {"rail": "铁路", "road": "公路", "water": "水路"}
#: A line that takes 90 of the 100 Mt which leave a road, a shipping lane that hardly moves, and a line that is closed.
CHANGED = pl.DataFrame(
    {
        "link_id": ["1", "2", "3", "4"],
        "mode": ["rail", "road", "water", "rail"],
        "t": [1e6, 3e6, 5e6, 4e4],
        "t_after": [1.9e6, 2e6, 5e6 + 900.0, 0.0],
        "vc_ratio": [0.2, 0.6, None, 0.1],
        "vc_ratio_after": [0.38, 0.4, None, None],
    }
).with_columns(change=pl.col("t_after") - pl.col("t"))


def test_the_map_of_a_change_colours_more_and_less_and_widens_with_the_difference() -> None:
    paths = change_maps.change_paths(CHANGED, NETWORK, NODES, SHAPES)
    deck = change_maps.change_map(paths, TOWNS, NAMES, MODES, "zh")
    assert deck.map_provider is None
    assert "http" not in deck.to_json()
    drawn = {row["tip"].split("　")[0]: row for row in deck.layers[0].data}
    colours = {name: row["colour"][:3] for name, row in drawn.items()}
    more, less, same = (maps.rgb(colour)[:3] for colour in (MORE_COLOUR, LESS_COLOUR, UNCHANGED_COLOUR))
    assert colours == {"甲线": more, "2": less, "3": same, "4": less}
    widths = [row["width"] for row in deck.layers[0].data]
    assert list(drawn) == ["3", "4", "甲线", "2"], "the largest difference on top"
    assert widths[1] < widths[2] < widths[3] == maps.line_width(1.0, 1.0)
    assert drawn["甲线"]["path"][1] == [123.4, 41.7], "along its course"
    assert drawn["甲线"]["tip"] == ("甲线　铁路\n改动前 100 万吨/年\n改动后 190 万吨/年\n变化 +90.0 万吨/年\n饱和度 0.20 → 0.38")
    assert drawn["4"]["tip"].endswith("饱和度 0.10 → -")
    assert "饱和度" not in drawn["3"]["tip"]
    english = change_maps.change_map(paths, TOWNS, NAMES, MODES, "en").layers[0].data
    assert "Change -0.040 Mt/yr" in english[1]["tip"]


def test_the_legend_of_a_change_shows_widths_up_to_the_largest_difference() -> None:
    paths = change_maps.change_paths(CHANGED, NETWORK, NODES, SHAPES)
    entries = change_maps.legend(paths, "zh")
    assert [entry[0] for entry in entries] == ["增加", "减少", "基本不变", "变化 10 万吨", "变化 100 万吨"]
    assert entries[-1][2] == maps.line_width(1e6, 1e6)


def test_colours_of_more_and_less_are_no_colour_of_a_mode() -> None:
    assert not {MORE_COLOUR, LESS_COLOUR, UNCHANGED_COLOUR} & set(charts.MODE_COLOURS.values())
