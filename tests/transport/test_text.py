"""Sentences about a run: what capacity does, and how sure the shift is."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl
import pytest

from transport.layout import FIT_SCHEMA
from transport.text import capacity_line, fit_frame, fit_lines, response_line, sales_line

if TYPE_CHECKING:
    from transport.inputs import Inputs


class Run:
    """Tables of a run, by name."""

    def __init__(self, **tables: pl.DataFrame) -> None:
        self._tables = tables

    def table(self, name: str) -> pl.DataFrame:
        return self._tables[name]


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


def fit_of(*rows: tuple[str, str, int, float | None, str]) -> pl.DataFrame:
    """Return rows of the table ``fit``: item, mode, year, error in percent, use; observed is 100."""
    given = [
        dict.fromkeys(FIT_SCHEMA) | dict(zip(("item", "mode", "year", "error_pct", "used_for"), row, strict=True)) for row in rows
    ]
    return pl.DataFrame(given, schema=FIT_SCHEMA).with_columns(
        pl.lit("t/year").alias("unit"),
        pl.lit(1e8).alias("observed"),
        (1e8 + 1e6 * pl.col("error_pct")).alias("modelled"),
        pl.lit("official").alias("quality"),
    )


@pytest.mark.parametrize(
    ("lang", "heads"),
    [
        ("zh", ("样本内误差%", "样本外误差%", "仅供参考误差%")),
        ("en", ("Error % in sample", "Error % held out", "Error % context")),
    ],
)
def test_an_error_stands_in_the_column_of_its_use(inputs: Inputs, lang: str, heads: tuple[str, str, str]) -> None:
    fit = fit_of(
        ("freight_t", "rail", 2020, 0.25, "calibration"),
        ("freight_t", "rail", 2022, -7.04, "validation"),
        ("freight_t", "road", 2020, 12.0, "context"),
        ("freight_t", "water", 2020, None, "context"),
    )
    assert fit_frame(fit, inputs, lang).select(heads).rows() == [
        ("+0.2", "", ""),
        ("", "-7.0", ""),
        ("", "", "+12.0"),
        ("", "", "-"),
    ]


def test_held_out_freight_is_printed_for_every_year(inputs: Inputs) -> None:
    fit = fit_of(
        ("freight_t", "rail", 2020, 0.25, "calibration"),
        ("territory_tkm", "rail", 2022, -7.04, "validation"),
        ("territory_tkm", "rail", 2023, 1.5, "context"),
        ("transport_diesel", "all", 2018, 3.5, "validation"),
    )
    text = "\n".join(fit_lines(Run(fit=fit), inputs, "en"))  # type: ignore[arg-type]
    assert "+0.2" in text
    assert "-7.0" in text
    assert "+1.5" not in text
    assert "+3.5" not in text


class Manifest:
    """A run that is only known by its manifest."""

    def __init__(self, sales: str | None, **settings: float) -> None:
        run = {} if sales is None else {"sales": sales}
        self.manifest = {"resolved": {"run": run, "set": settings}}


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_sales_by_cost_are_told_with_the_levers_that_set_nothing(inputs: Inputs, lang: str) -> None:
    idle = {"clean_sales_share_taxi": 0.9, "battery_swap_split_taxi": 0.5, "new_energy_share_of_clean_taxi": 0.5}
    # ships have no prices, so that their lever still acts; a price acts through the cost
    acting = {"clean_sales_share_ro_pax_ship": 0.1, "battery_price": 0.8}
    line = sales_line(Manifest("tco", **idle, **acting), inputs, lang)  # type: ignore[arg-type]
    assert " 3 " in line.replace("中3项", " 3 ")
    assert "2020" in line


@pytest.mark.parametrize("sales", [None, "path"])
def test_sales_by_levers_need_no_line(inputs: Inputs, sales: str | None) -> None:
    assert sales_line(Manifest(sales, clean_sales_share_taxi=0.9), inputs, "en") == ""  # type: ignore[arg-type]
