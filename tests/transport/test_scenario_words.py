"""How scenarios differ, in words of both languages."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from transport.scenario import load_scenario
from transport.scenario_words import differences, sentence

if TYPE_CHECKING:
    from typing import Any

    from transport.inputs import Inputs


def resolved(inputs: Inputs, name: str = "baseline", **more: Any) -> dict[str, Any]:
    return load_scenario(name, inputs.folder, inputs.levers, **more).resolved()


def words(inputs: Inputs, lang: str, before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    return differences(resolved(inputs, **before), resolved(inputs, **after), inputs, lang)


def test_b_in_words_of_a(inputs: Inputs) -> None:
    after = {"extra": {"road_toll": 1.1}, "projects": {"port_rail_bayuquan": 2027}}
    zh, en = (words(inputs, lang, {}, after) for lang in ("zh", "en"))
    assert (
        sentence("方案A", "方案B", zh, "zh") == "方案B = 方案A + 营口自贸区-鲅鱼圈疏港铁路2027年投产 + 高速公路货车通行费 +10 %"
    )
    assert (
        sentence("A", "B", en, "en")
        == "B = A + Yingkou FTZ-Bayuquan port railway in service in 2027 + Expressway toll of trucks +10 %"
    )


@pytest.mark.parametrize(
    ("before", "after", "zh", "en"),
    [
        ({}, {"road_toll": 0.8}, "高速公路货车通行费 -20 %", "Expressway toll of trucks -20 %"),
        ({}, {"freight_carbon_price": 200.0}, "货运碳价 200 元/吨", "Carbon price on freight 200 CNY/t"),
        ({}, {"new_siding_share": 0.4}, "新建专用线比例 40 %", "New siding share 40 %"),
        (
            {},
            {"rail_electrification_surcharge": 0.007},
            "电气化附加费 +0.007 元/吨公里",
            "Electrification surcharge +0.007 CNY/tkm",
        ),
        (
            {},
            {"road_toll": {2025: 1.0, 2026: 1.1}},
            "高速公路货车通行费 2026年起 +10 %",
            "Expressway toll of trucks +10 % from 2026",
        ),
        ({}, {"road_toll": {2030: 1.1}}, "高速公路货车通行费 至2030年 +10 %", "Expressway toll of trucks +10 % by 2030"),
        (
            {"road_toll": 1.1},
            {"road_toll": 1.2},
            "高速公路货车通行费由 +10 % 改为 +20 %",
            "Expressway toll of trucks +20 % instead of +10 %",
        ),
        ({"road_toll": 1.1}, {}, "高速公路货车通行费恢复默认", "Expressway toll of trucks back to its default"),
        ({"road_toll": 1.1}, {"road_toll": 1.0}, "高速公路货车通行费恢复默认", "Expressway toll of trucks back to its default"),
    ],
)
def test_levers_read_as_their_operation_and_unit(
    inputs: Inputs, before: dict[str, Any], after: dict[str, Any], zh: str, en: str
) -> None:
    assert words(inputs, "zh", {"extra": before}, {"extra": after}) == [zh]
    assert words(inputs, "en", {"extra": before}, {"extra": after}) == [en]


def test_projects_closures_and_sites_read_by_name(inputs: Inputs) -> None:
    after = {"projects": {"dbl_yechi": "never"}, "closures": {"RL006": {2030: 1.0}}, "sites": {"Z_RF_JZSH": {2028: 0.0}}}
    assert words(inputs, "zh", {}, after) == [
        "不建叶赤线复线",
        "关闭沈大线 海城站—大石桥编组站（2030年全年）",
        "锦州石化生产水平2028年起 0 %",
    ]
    assert words(inputs, "en", {}, after) == [
        "Doubling of the Yebaishou-Chifeng line is not built",
        "Haicheng - Dashiqiao yard closed (2030: all year)",
        "output of Jinzhou Petrochemical 0 % from 2028",
    ]
    assert words(inputs, "en", after, {}) == [
        "Doubling of the Yebaishou-Chifeng line as dated",
        "Haicheng - Dashiqiao yard open again",
        "output of Jinzhou Petrochemical as in the data",
    ]


def test_run_options_are_named(inputs: Inputs) -> None:
    assert words(inputs, "en", {}, {"capacity": "fixed"}) == ["run option Freight network = Delays and prices of the base year"]
    assert words(inputs, "zh", {}, {"draws": 7}) == ["运行选项 draws = 7"]


def test_many_differences_are_counted_and_none_is_said(inputs: Inputs) -> None:
    found = words(inputs, "en", {}, {"name": "plan_2030"})
    assert len(found) > 40
    assert sentence("A", "B", found, "en", most=2).endswith(f" + {len(found) - 2} more")
    assert sentence("A", "B", found, "en", most=None).count(" + ") == len(found)
    assert sentence("甲", "乙", [], "zh") == "乙 与 甲 相同"


def test_words_of_a_manifest_are_those_of_the_scenario(inputs: Inputs) -> None:
    """A run folder holds years as texts; the words are the same."""
    import json

    before, after = (
        resolved(inputs),
        resolved(inputs, extra={"road_toll": {2025: 1.0, 2030: 1.3}}, sites={"Z_RF_JZSH": {2028: 0.5}}),
    )
    stored = [json.loads(json.dumps(x)) for x in (before, after)]
    for lang in ("zh", "en"):
        assert differences(*stored, inputs, lang) == differences(before, after, inputs, lang)
