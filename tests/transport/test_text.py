"""Sentences about a run: what capacity does, and how sure the shift is."""

from __future__ import annotations

import polars as pl
import pytest

from transport.inputs import Inputs, load_inputs
from transport.text import capacity_line, response_line


class Run:
    """Tables of a run, by name."""

    def __init__(self, **tables: pl.DataFrame) -> None:
        self._tables = tables

    def table(self, name: str) -> pl.DataFrame:
        return self._tables[name]


@pytest.fixture(scope="module")
def inputs() -> Inputs:
    return load_inputs()


def run_with(ratio: float, *, equilibrium: bool) -> Run:
    link = {"year": 2030, "link_id": "RL001", "from_node": "R_SY", "to_node": "R_ANSHAN", "mode": "rail", "vc_ratio": ratio}
    speeds = {"year": 2030, "mode": "rail", "territory_tkm_equilibrium": 96.0, "territory_tkm_fixed": 100.0}
    return Run(
        freight_links=pl.DataFrame([link, link | {"link_id": "RL002", "vc_ratio": 0.4}]),
        freight_convergence=pl.DataFrame({"year": [2030] if equilibrium else []}, schema={"year": pl.Int64}),
        freight_unmet=pl.DataFrame({"year": [2025, 2030, 2030], "unmet_t": [9e6, 1e6, 2e6]}),
        freight_speeds=pl.DataFrame([speeds]),
    )


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_a_full_section_is_named_with_what_it_holds_back(inputs: Inputs, lang: str) -> None:
    line = capacity_line(run_with(1.25, equilibrium=True), inputs, lang)  # type: ignore[arg-type]
    nodes = dict(inputs.table("networks/nodes").select("node_id", f"name_{lang}").iter_rows())
    assert f"{nodes['R_SY']}-{nodes['R_ANSHAN']}" in line
    assert "1.25" in line
    assert "-4.0" in line
    assert ("300" if lang == "zh" else "3.0") in line  # 3 Mt in the reader's unit


def test_fixed_delays_are_said_to_hold(inputs: Inputs) -> None:
    line = capacity_line(run_with(1.25, equilibrium=False), inputs, "en")  # type: ignore[arg-type]
    assert "holds the congestion of 2020" in line


def test_nothing_is_said_while_there_is_room(inputs: Inputs) -> None:
    assert capacity_line(run_with(0.89, equilibrium=True), inputs, "zh") == ""  # type: ignore[arg-type]


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_the_response_shows_its_range_in_order(lang: str) -> None:
    cases = pl.DataFrame({"case": ["central", "scale.low", "scale.high"], "rail_tkm_pct": [20.3, 31.4, 10.8]})
    line = response_line(Run(freight_response=cases), lang)  # type: ignore[arg-type]
    assert line.index("+20") < line.index("+11") < line.index("+31")
