"""The command ``transport sea-rail``: what it answers, how it asks capacity, what it prints and refuses."""

from __future__ import annotations

import contextlib
import copy
import io
import json
from typing import TYPE_CHECKING

import polars as pl
import pytest

from transport import sea_rail_cli, sea_rail_needs
from transport.cli import main
from transport.sea_rail_path import PATH
from transport.sea_rail_response import PACKAGES, SERVICE, SINGLE, Need

if TYPE_CHECKING:
    from pathlib import Path

    from tests.transport.conftest import Shared


@pytest.fixture(scope="module")
def told(shared: Shared, request: pytest.FixtureRequest) -> dict[str, object]:
    def make(folder: Path) -> None:
        base_year = copy.copy(request.getfixturevalue("base_year"))
        with contextlib.redirect_stdout(io.StringIO()) as printed, pytest.MonkeyPatch.context() as patch:
            patch.setattr(sea_rail_needs, "solve_base", base_year.base_of)
            assert main(["sea-rail", "baseline", "--capacity", "fixed", "--year", "2025", "--target", "14.5", "--json"]) == 0
        folder.mkdir()
        (folder / "answer.json").write_text(printed.getvalue(), encoding="utf-8")

    found: dict[str, object] = json.loads((shared("sea_rail", make) / "answer.json").read_text(encoding="utf-8"))
    return found


def test_the_answer_names_levers_packages_and_the_fullest_places(told: dict) -> None:
    assert (told["scenario"], told["capacity"], told["target_pct"]) == ("baseline", "fixed", 14.5)
    needs = told["needs"]
    assert [n["name"] for n in needs if n["kind"] == "lever"] == list(SINGLE)
    assert {n["name"] for n in needs if n["kind"] == "package"} == set(PACKAGES)
    for need in needs:
        assert need["year"] == 2025
        if need["reached"]:
            assert 14.5 <= need["share_pct"] < 14.52
            assert 0.0 < need["strength"] <= 1.0
        else:
            assert need["share_pct"] < 14.5
            assert need["strength"] == 1.0
    # a package of one lever is that lever
    both = [n for n in needs if n["levers"].startswith("container_rail_subsidy=") and "," not in n["levers"]]
    assert len(both) == 2
    assert both[0]["outlay_mcny"] == both[1]["outlay_mcny"] > 0.0
    # faster and denser trains cost something too: no lever is left without a cost
    assert {n["unpriced"] for n in needs} == {""}
    assert all(next(n for n in needs if n["name"] == name)["outlay_mcny"] > 0.0 for name in SERVICE)
    priced = [n["outlay_mcny"] for n in needs if n["kind"] == "package" and n["reached"]]
    assert priced == sorted(priced)
    assert next(p for p in told["path"] if p["zone_id"] == "210000" and p["year"] == 2023)["observed_share_pct"] == 12.2
    ratios = [p["vc_ratio"] for p in told["tight"]]
    assert ratios == sorted(ratios, reverse=True)
    assert len(ratios) == 5


@pytest.mark.parametrize("target", ["0", "100", "-3", "much"])
def test_a_target_is_a_share(target: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["sea-rail", "baseline", "--target", target])
    assert "--target" in capsys.readouterr().err


def test_an_unknown_scenario_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sea-rail", "baselin", "--lang", "en"]) == 2
    assert "baselin" in capsys.readouterr().err


def need(goal: float) -> Need:
    """Return a package that gives 10 % + 10 points per strength at fixed delays."""
    strength = min((goal - 10.0) / 10.0, 1.0)
    return Need("p", {"x": strength}, strength, 10.0 + 10.0 * strength, goal <= 20.0, 5.0 * strength, ())


@pytest.mark.parametrize(("kept", "met"), [(1.0, True), (0.6, True), (0.2, False)])
def test_what_capacity_takes_is_asked_for_again(kept: float, met: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    # capacity leaves a part of what the package gains
    class Box:
        def __init__(self, strength: float) -> None:
            self.strength = strength

        def share_pct(self, _: object) -> float:
            return 10.0 + 10.0 * kept * self.strength

    class Model:
        costs = None

        def __init__(self, strength: float) -> None:
            self.strength = strength

    monkeypatch.setattr("transport.sea_rail_response.BoxYear.of", lambda model, *_: Box(model.strength))
    found, solved = sea_rail_needs.at_capacity(need, lambda n: Model(n.strength), None, 0, 15.0)
    assert found.reached is met
    assert found.share_pct == pytest.approx(10.0 + 10.0 * kept * found.strength)
    assert solved.strength == found.strength
    if met:
        assert 14.95 <= found.share_pct < 16.0
    else:
        assert found.strength == 1.0


@pytest.mark.parametrize(
    ("lang", "words"),
    [
        ("en", ("does not reach 15 %", "capacity takes the rest", "No package")),
        ("zh", ("均未达到15%", "受能力限制", "都达不到15%")),
    ],
)
def test_it_says_in_words_what_does_not_reach(lang: str, words: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    import argparse

    path = pl.DataFrame({**dict.fromkeys(PATH, None), "year": 2025, "zone_id": "210000", "share_pct": 13.0}, schema=PATH)
    rows = [
        (2025, "package", "ends", 1.0, "drayage_cost=0.5", 14.0, False, 3.0, ""),
        (2025, "at_capacity", "ends", 1.0, "drayage_cost=0.5", 13.5, False, 3.0, ""),
    ]
    needs = pl.DataFrame(rows, schema=sea_rail_needs.NEEDS, orient="row")
    tight = pl.DataFrame(
        {
            "year": [2025],
            "package": ["ends"],
            "kind": ["line"],
            "place": ["RL068"],
            "line": ["沟海线"],
            "vc_ratio": [1.1],
            "sea_rail_teu": [9e4],
        }
    )

    class Scenario:
        name = "s"

    sea_rail_cli._print(sea_rail_needs.Answer(path, needs, tight), Scenario(), argparse.Namespace(lang=lang, target=15.0))
    printed = capsys.readouterr().out
    for word in (*words, "RL068", "13.50"):
        assert word in printed
