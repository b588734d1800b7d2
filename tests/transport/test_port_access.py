"""Port areas with a railway or pipeline of their own, and the growth of boxes from ship to ship."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
import pytest

from transport.indicators import transhipment_growth
from transport.layout import FIRST_YEAR, YEARS, year_index
from transport.port_access import port_access

if TYPE_CHECKING:
    from transport.inputs import Inputs

ZONES = pl.DataFrame(
    {
        "zone_id": ["rail", "pipe", "road", "small", "abroad", "works"],
        "kind": ["port"] * 5 + ["steelworks"],
        "in_province": [True, True, True, True, False, True],
    }
)
GENERATORS = pl.DataFrame(
    {"zone_id": ["rail", "rail", "pipe", "road", "small", "abroad", "works"], "t_per_year": [4e6, 2e6, 2e6, 8e6, 1e6, 9e9, 9e9]}
)
CONNECTORS = pl.DataFrame(
    {
        "zone_id": ["rail", "pipe", "pipe", "road", "road", "small", "works"],
        "mode": ["rail", "pipeline", "road", "rail", "road", "rail", "rail"],
        "link_class": ["siding", "crude", "connector", "drayage", "connector", "siding", "siding"],
    }
)


def with_ports(inputs: Inputs, generators: pl.DataFrame = GENERATORS) -> Inputs:
    tables = {"networks/zones": ZONES, "demand/generators": generators, "networks/connectors": CONNECTORS}
    return replace(inputs, tables={**inputs.tables, **tables})


def test_three_ports_by_hand(inputs: Inputs) -> None:
    """6 Mt by a siding, 2 Mt by a pipe, 8 Mt only by drayage to a yard; below the limit and outside the province nothing counts."""
    found = port_access(with_ports(inputs), inputs.params())
    np.testing.assert_allclose(found.by_area, 2.0 / 3.0)
    np.testing.assert_allclose(found.by_cargo, 8.0 / 16.0)
    assert found.without == ("road",)
    assert found.by_area.shape == (1, len(YEARS))


def test_new_sidings_reach_the_ports_without(inputs: Inputs) -> None:
    half = inputs.params().replace("new_siding_share", "all", np.full((1, len(YEARS)), 0.5))
    found = port_access(with_ports(inputs), half)
    np.testing.assert_allclose(found.by_area, 5.0 / 6.0)
    np.testing.assert_allclose(found.by_cargo, 12.0 / 16.0)


def test_the_ports_of_the_data(inputs: Inputs) -> None:
    """Xianrendao has its crude pipeline; Suizhong and Zhuanghe reach a yard only by road."""
    found = port_access(inputs, inputs.params())
    assert found.without == ("Z_PT_SUIZHONG", "Z_PT_ZHUANGHE")
    assert found.by_area[0, year_index(2025)] == pytest.approx(13.0 / 15.0)
    assert found.by_area[0, 0] < found.by_cargo[0, 0] < 1.0


def test_a_province_without_ports_is_named(inputs: Inputs) -> None:
    none = with_ports(inputs, GENERATORS.filter(pl.col("zone_id") == "works"))
    with pytest.raises(ValueError, match=r"no port area of the province moves 1\.5e\+06 t a year"):
        port_access(none, inputs.params())


def test_boxes_from_ship_to_ship_grow_by_hand() -> None:
    """100 boxes in 2020 at two ports, 121 in 2022, 150 in 2025."""
    boxes = {2020: (60.0, 40.0), 2021: (60.0, 45.0), 2022: (71.0, 50.0), 2025: (100.0, 50.0)}
    rows = [(year, port, teu) for year, pair in boxes.items() for port, teu in zip("ab", pair, strict=True)]
    table = pl.DataFrame(rows, schema=["year", "zone_id", "transhipped_teu"], orient="row")
    series = transhipment_growth(table)
    assert (series.id, series.unit, series.variant) == ("transhipment_growth", "percent/yr", "containers")
    growth = {FIRST_YEAR + i: v for i, v in enumerate(series.values[0])}
    assert growth[2022] == pytest.approx(10.0)
    assert growth[2021] == pytest.approx(5.0)
    assert growth[2025] == pytest.approx(100.0 * (1.5**0.2 - 1.0))
    assert np.isnan([growth[year] for year in range(2015, 2021)]).all()


def test_without_boxes_in_the_base_year_there_is_no_growth() -> None:
    table = pl.DataFrame({"year": [2020, 2025], "zone_id": ["a", "a"], "transhipped_teu": [0.0, 5.0]})
    assert np.isnan(transhipment_growth(table).values).all()
