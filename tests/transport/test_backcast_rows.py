"""Rows of a backcast call levers and their ends by name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl
import pytest

from transport.backcast_rows import lever_rows
from transport.backcast_tables import TABLES, write_backcast
from transport.i18n import t
from transport.scenario import load_scenario

if TYPE_CHECKING:
    from pathlib import Path

    from transport.inputs import Inputs


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_levers_and_their_ends_have_names(lang: str, inputs: Inputs, tmp_path: Path) -> None:
    lever = inputs.table("levers").row(0, named=True)
    stretch = load_scenario("stretch", inputs.folder, inputs.levers)
    titles = {"zh": stretch.title_zh, "en": stretch.title_en}
    row: dict[str, Any] = {"package": "best", "variable": lever["lever"], "lever": lever["lever"], "level": 0.5}
    row |= {"base_value": 1.0, "value": 2.0, "bound_value": 3.0, "cost_cny2023": 1e8}
    rows = [{**row, "bound_source": source} for source in ("stretch", "range")] + [{**row, "level": 0.0}]
    tables = {name: pl.DataFrame(rows if name == "levers" else [], schema=schema) for name, schema in TABLES.items()}
    about = {"backcast": "b", "bounds": "stretch", **{f"bounds_{name}": title for name, title in titles.items()}}
    shown = lever_rows(write_backcast(tmp_path / "backcast-b", about, tables), 0.005, inputs, lang)
    assert shown[t("backcast.lever", lang)].to_list() == [lever[f"label_{lang}"]] * 2
    assert shown[t("backcast.code", lang)].to_list() == [lever["lever"]] * 2
    assert sorted(shown[t("backcast.source", lang)]) == sorted([titles[lang], t("backcast.bounds_range", lang)])
