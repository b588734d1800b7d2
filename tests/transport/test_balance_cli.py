"""``transport balance``: what it prints, in both languages, and what it says when there is nothing."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
import pytest

from transport import bridge, cli
from transport.balance_cli import balance_lines
from transport.layout import YEARS, EnergyKey, EnergyUse

if TYPE_CHECKING:
    from transport.inputs import Inputs
    from transport.store import StoredRun


@pytest.fixture(scope="module")
def table(inputs: Inputs) -> pl.DataFrame:
    keys = (EnergyKey("tractor_trailer", "diesel", "diesel"), EnergyKey("private_car", "gasoline", "gasoline"))
    amounts = np.stack([np.full((1, len(YEARS)), q) for q in (8.0e6, 3.3e6)])
    return bridge.bridge_table(inputs, inputs.params(), EnergyUse(keys, amounts))


def test_a_block_names_lines_the_rest_the_limit_and_the_reason(inputs: Inputs, table: pl.DataFrame) -> None:
    one = table.filter(pl.col("year") == 2019, pl.col("sector") == "transport", pl.col("fuel") == "diesel")
    text = "\n".join(balance_lines(one, inputs, "en"))
    for words in (
        "Transport, storage and post - Diesel - 2019 (Mt/yr)",
        "Tractor with trailer",
        "Trucks: fuel bought in the province",
        "within the limit of 25 %",
        "No parameter is fitted to this figure.",
        "Where trucks fill up is the largest doubt",
        "in 1 of 1 entries",
    ):
        assert words in text, words
    assert "-2.40" in text  # (0.7 - 1) x 8.0


def test_verdicts_are_counted(inputs: Inputs, table: pl.DataFrame) -> None:
    both = table.filter(pl.col("year") == 2019, pl.col("sector").is_in(["transport", "household"]), pl.col("fuel") != "diesel")
    judged = both["passed"].drop_nulls()
    last = balance_lines(both, inputs, "en")[-1]
    assert last == f"The unexplained part stays within the limit in {judged.sum()} of {judged.len()} entries."
    assert 0 < judged.sum() < judged.len()


def test_a_year_without_a_balance_gets_no_verdict(inputs: Inputs, table: pl.DataFrame) -> None:
    lines = balance_lines(table.filter(pl.col("year") == 2020, pl.col("fuel") == "diesel"), inputs, "zh")
    assert lines[-1].startswith("该年没有公布的平衡表")
    assert not any("限值" in line for line in lines[:-1])


def test_kerosene_says_that_it_is_calibration(inputs: Inputs, table: pl.DataFrame) -> None:
    lines = balance_lines(table.filter(pl.col("year") == 2019, pl.col("fuel") == "kerosene"), inputs, "en")
    assert "This figure was in sight when a parameter was chosen: calibration, it proves nothing." in lines


def test_command_on_a_run_folder(baseline_run: StoredRun, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["balance", str(baseline_run.folder), "--json", "--lang", "en"]) == 0
    found = json.loads(capsys.readouterr().out)
    lines = pl.DataFrame(found["lines"])
    assert set(lines["year"]) == {2019}
    assert lines.filter(pl.col("kind") == "published").height == 7
    for key, block in lines.group_by("sector", "fuel"):
        entry = block.filter(pl.col("kind") == "published")["quantity"][0]
        assert block.filter(pl.col("kind") != "published")["quantity"].sum() == pytest.approx(entry, rel=1e-12), key
    assert {note["sector"] for note in found["notes"]} >= {"transport", "household"}


def test_an_unknown_sector_is_said(baseline_run: StoredRun, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["balance", str(baseline_run.folder), "--sector", "moon", "--lang", "en"]) == 2
    assert "has no such entry (sector moon" in capsys.readouterr().err


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_every_line_has_a_name(inputs: Inputs, table: pl.DataFrame, lang: str) -> None:
    known = set(table["line"]) - {"entry", "unexplained"}
    text = "\n".join(balance_lines(table.filter(pl.col("year") == 2019), inputs, lang))
    assert not [name for name in known if f"{name} " in text]
