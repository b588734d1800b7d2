"""Sentences about a run: what capacity does, and how sure the shift is."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import polars as pl
import pytest

from transport.i18n import labels
from transport.layout import FIT_SCHEMA, YEARS
from transport.scorecard import ScoreLine
from transport.text import capacity_line, fit_frame, fit_lines, frozen_grid_line, response_line, sales_line, unmodelled_lines

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


@pytest.mark.parametrize(("lang", "mark", "head"), [("zh", "（范围外）", "观测区间"), ("en", "(outside)", "Observed range")])
def test_a_value_outside_the_range_of_the_observation_is_marked(inputs: Inputs, lang: str, mark: str, head: str) -> None:
    """Observed 100 million t; modelled within, below, above, at the end but for rounding, and without a range."""
    use = "calibration"
    fit = fit_of(*(("freight_t", "rail", year, error, use) for year, error in enumerate((5.0, -12.0, 12.0, 10.0, 12.0), 2018)))
    ends = {"low": [9e7, 9e7, None, 9e7, None], "high": [1.1e8, 1.1e8, 1.1e8, 1.1e8 - 1e-3, None]}
    found = fit_frame(fit.with_columns(pl.Series(k, v, dtype=pl.Float64) for k, v in ends.items()), inputs, lang)
    assert [mark in cell for cell in found[head]] == [False, True, True, False, False]


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
    acting = {"rail_electrified_share": 0.7, "battery_price": 0.8}  # trains go by the wires; a price acts through the cost
    line = sales_line(Manifest("tco", **idle, **acting), inputs, lang)  # type: ignore[arg-type]
    assert " 3 " in line.replace("中3项", " 3 ")
    assert "2020" in line


@pytest.mark.parametrize("sales", [None, "path"])
def test_sales_by_levers_need_no_line(inputs: Inputs, sales: str | None) -> None:
    assert sales_line(Manifest(sales, clean_sales_share_taxi=0.9), inputs, "en") == ""  # type: ignore[arg-type]


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_a_peak_that_does_not_come_is_explained_once(inputs: Inputs, lang: str) -> None:
    missed = ScoreLine(
        "land_oil_peak", "210000", 2030, None, None, 2030.0, None, "year", "at_most", "hard", "missed", "assumption", 0, 1
    )
    (line,) = unmodelled_lines([missed], inputs, lang)
    assert str(YEARS[-1]) in line
    assert {"zh": "平台期", "en": "plateau"}[lang] in line
    came = replace(missed, value=2027.0, verdict="met", met=1)
    late = replace(missed, value=2033.0)
    waiting = replace(missed, verdict="actual_pending")
    assert unmodelled_lines([came, late, waiting, replace(missed, id="land_oil", verdict="missed")], inputs, lang) == []


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_the_grid_is_what_lies_between_two_factors(inputs: Inputs, lang: str) -> None:
    reading = {"year": 2030, "scope": "direct_power", "boundary": "road+rail+water", "base": "2020", "variant": ""}
    rows = pl.DataFrame(
        [
            {"id": "operating_co2_intensity", "value": -27.43, **reading},
            {"id": "operating_co2_intensity_frozen_grid", "value": -23.45, **reading},
            {"id": "operating_co2_intensity", "value": -99.9, **reading, "scope": "wtw"},
        ]
    )
    line = frozen_grid_line(rows, inputs, lang)
    assert "-27.4" in line
    assert "-23.4" in line
    assert "99.9" not in line
    assert labels(inputs, "indicator", lang)["operating_co2_intensity"] in line
    assert frozen_grid_line(rows.filter(pl.col("value") < -25.0), inputs, lang) == ""
    assert frozen_grid_line(rows, inputs, lang, year=2025) == ""
