"""What each city and sector must contribute: rules by hand, cells that sum to the target, and the command."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from transport import decompose
from transport.cli import main
from transport.decompose import RULES, DecomposeError, Effort
from transport.layout import year_index
from transport.prefectures import UNALLOCATED, area_shares

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from transport.parts import Parts
    from transport.store import StoredRun

#: Two cities and what belongs to none, two sectors; 10 % of a reference of 1000 must be cut.
ASKED = Effort(
    target="operating_co2_intensity",
    year=2030,
    unit="tCO2/yr",
    places=("A", "B", UNALLOCATED),
    sectors=("rail", "road"),
    base=np.array([[50.0, 250.0], [40.0, 60.0], [0.0, 100.0]]),
    past=np.array([[100.0, 300.0], [50.0, 50.0], [0.0, 500.0]]),
    reference=np.array([[100.0, 500.0], [80.0, 120.0], [0.0, 200.0]]),
    modelled=np.array([[90.0, 440.0], [90.0, 90.0], [0.0, 200.0]]),
    cut=100.0,
)
WEIGHTS = {"population": np.array([1.0, 3.0]), "gdp": np.array([3.0, 1.0])}


def test_the_rules_by_hand() -> None:
    found = {rule: decompose.share_cut(ASKED, rule, WEIGHTS) for rule in RULES}
    assert found["equal_rate"].tolist() == [[10.0, 50.0], [8.0, 12.0], [0.0, 20.0]]
    assert found["emissions"].tolist() == [[10.0, 30.0], [5.0, 5.0], [0.0, 50.0]]
    # what belongs to no city keeps 20; the cities share 80 as 1 : 3, inside a city by reference
    np.testing.assert_allclose(found["population"], [[20 / 6, 100 / 6], [24.0, 36.0], [0.0, 20.0]])
    np.testing.assert_allclose(found["gdp"], [[10.0, 50.0], [8.0, 12.0], [0.0, 20.0]])
    # the run takes away 10 + 60 + 30; the one cell above its reference and the one on it give nothing
    np.testing.assert_allclose(found["potential"], [[10.0, 60.0], [0.0, 30.0], [0.0, 0.0]])


def test_no_cell_gives_more_than_it_has() -> None:
    small = replace(ASKED, reference=np.array([[100.0, 500.0], [10.0, 30.0], [0.0, 360.0]]))
    cut = decompose.share_cut(small, "population", WEIGHTS)
    # unallocated 36; B would give 48 and has 40, so that A gives 24 instead of 16
    np.testing.assert_allclose(cut, [[4.0, 20.0], [10.0, 30.0], [0.0, 36.0]])


@given(
    st.lists(st.tuples(st.floats(0.0, 1e6), st.floats(1.0, 1e6), st.floats(0.0, 1e6)), min_size=3, max_size=12),
    st.floats(0.01, 0.3),
    st.sampled_from(RULES),
)
def test_any_rule_sums_to_the_target(cells: list[tuple[float, float, float]], part: float, rule: str) -> None:
    past, reference, modelled = (np.array(column)[:, None] for column in zip(*cells, strict=True))
    asked = Effort(
        "operating_co2_intensity", 2030, "tCO2/yr", (*[f"C{i}" for i in range(len(cells) - 1)], UNALLOCATED), ("road",),
        reference, past, reference, modelled, part * float(reference.sum()),
    )  # fmt: skip
    people = np.arange(1.0, len(cells))
    weights = {"population": people, "gdp": people[::-1]}
    weight = {"emissions": past, "potential": reference - modelled}.get(rule, reference)
    assert decompose.can_share(asked, rule) == bool(reference[weight > 1e-9 * reference].sum() >= asked.cut)
    if not decompose.can_share(asked, rule):
        with pytest.raises(DecomposeError, match="to nobody"):
            decompose.share_cut(asked, rule, weights)
        return
    cut = decompose.share_cut(asked, rule, weights)
    assert cut.sum() == pytest.approx(asked.cut, rel=1e-9)
    assert (cut >= 0.0).all()
    assert (cut <= reference * (1.0 + 1e-9)).all()


def test_rounding_is_no_potential() -> None:
    """Cells that stay below their reference by rounding alone take no part, however much the others lack."""
    modelled = np.array([[100.0, 500.0], [79.0, 119.0], [0.0, 200.0]]) * (1.0 - 1e-14)
    modelled[1] = 79.0, 119.0
    found = decompose.share_cut(replace(ASKED, modelled=modelled), "potential", WEIGHTS)
    np.testing.assert_array_equal(found, [[0.0, 0.0], [50.0, 50.0], [0.0, 0.0]])
    small = replace(ASKED, past=np.array([[1e-9, 1e-9], [3.0, 1.0], [0.0, 0.0]]))
    np.testing.assert_array_equal(decompose.share_cut(small, "emissions", WEIGHTS), [[0.0, 0.0], [75.0, 25.0], [0.0, 0.0]])


@pytest.fixture(scope="module")
def parts(parts_of: Callable[..., Parts]) -> Parts:
    return parts_of("plan_2030")


@pytest.fixture(scope="module")
def shares(parts: Parts) -> pl.DataFrame:
    return decompose.target_shares(parts)


def test_cells_sum_to_what_the_target_allows_the_province(parts: Parts, shares: pl.DataFrame) -> None:
    book, counted = parts.now.book, ("road", "rail", "coastal", "ocean")
    base, due = year_index(2020), year_index(2030)
    co2 = sum(book.co2_t[part][0, 0] for part in counted)
    turnover = sum(book.turnover_tkm[part][0] for part in counted)
    target = next(t for t in parts.inputs.targets if t.id == "operating_co2_intensity")
    assert target.value is not None
    allowed = co2[base] / turnover[base] * (1.0 + target.value / 100.0) * turnover[due]
    mine = shares.filter(pl.col("target") == "operating_co2_intensity")
    assert set(mine["rule"].to_list()) == set(RULES)
    for (rule,), rows in mine.group_by("rule"):
        assert rows["allowed"].sum() == pytest.approx(allowed, rel=1e-9), rule
        assert rows["modelled"].sum() == pytest.approx(co2[due], rel=1e-9), rule
        assert rows["base"].sum() == pytest.approx(co2[base], rel=1e-9), rule
        for by in ("area", "sector"):
            assert decompose.summed(rows, by)["cut"].sum() == pytest.approx(rows["cut"].sum(), rel=1e-12)


def test_a_run_that_takes_nearly_nothing_away_still_has_its_shares(
    parts_of: Callable[..., Parts], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only the loads of passengers recover: what stays below its reference cannot carry the cut, so that the rule has no rows."""
    told = tmp_path / "loads_only.toml"
    told.write_text(
        'title_zh = "a"\ntitle_en = "a"\nabout_zh = "a"\nabout_en = "a"\nbase = "baseline"\n\n'
        '[run]\n[run.hold]\nyear = 2020\nbut = ["passenger_load_recovery"]\n',
        encoding="utf-8",
    )
    held = parts_of(str(told))
    # the freight of these parts is held in sum, not in where it runs
    kept = {
        driver: np.repeat(share[:, [year_index(2020)]], share.shape[1], axis=1) for driver, share in area_shares(held).items()
    }
    monkeypatch.setattr(decompose, "area_shares", lambda _: kept)
    target = decompose.province_targets(held.inputs)["operating_co2_intensity"]
    asked = decompose.effort(held, target)
    assert np.any(asked.reference > asked.modelled)
    assert not decompose.can_share(asked, "potential")
    mine = decompose.target_shares(held).filter(pl.col("target") == target.id)
    assert set(mine["rule"]) == set(RULES) - {"potential"}


def with_base(parts: Parts, base: str) -> Parts:
    table = parts.inputs.table("indicators")
    bent = table.with_columns(base=pl.when(pl.col("id") == "operating_co2_intensity").then(pl.lit(base)).otherwise("base"))
    return replace(parts, inputs=replace(parts.inputs, tables={**parts.inputs.tables, "indicators": bent}))


def test_the_base_of_the_headline_is_the_base_of_the_cut(parts: Parts) -> None:
    """Read against 2020 with the passengers of 2019, the province is allowed that intensity less 9.5 %."""
    normal = with_base(parts, "2020_normal")
    target = decompose.province_targets(normal.inputs)["operating_co2_intensity"]
    book, counted = parts.before.book, ("road", "rail", "coastal", "ocean")
    base, due = year_index(2020), year_index(2030)
    co2 = sum(book.co2_t[part][0, 0, base] for part in counted)
    level = co2 / sum(book.turnover_tkm[part][0, base] for part in counted)
    asked = decompose.effort(normal, target)
    turnover = sum(parts.now.book.turnover_tkm[part][0, due] for part in counted)
    assert asked.base.sum() == pytest.approx(co2, rel=1e-9)
    assert asked.reference.sum() - asked.cut == pytest.approx(0.905 * level * turnover, rel=1e-9)
    as_modelled = decompose.effort(parts, target)
    assert asked.cut != pytest.approx(as_modelled.cut, rel=1e-3)
    np.testing.assert_array_equal(asked.past, as_modelled.past)
    with pytest.raises(DecomposeError, match=r"is read against '2019', its target against 2020; set base to 2020"):
        decompose.effort(with_base(parts, "2019"), target)


def test_equal_rate_asks_the_same_of_all_and_others_do_not(shares: pl.DataFrame) -> None:
    mine = shares.filter(pl.col("target") == "operating_co2_intensity")
    np.testing.assert_allclose(mine.filter(pl.col("rule") == "equal_rate")["cut_pct"].to_numpy(), 9.5, rtol=1e-9)
    by_people = decompose.summed(mine.filter(pl.col("rule") == "population"), "area")
    people = dict(by_people.select("area", "cut").iter_rows())
    census = {"210100": 9_070_093, "210200": 7_450_785}
    assert people["210100"] / people["210200"] == pytest.approx(census["210100"] / census["210200"], rel=1e-9)
    rates = by_people["cut_pct"].to_numpy()
    assert rates.max() > 9.5 > rates.min()


def test_rail_energy_is_shared_by_energy_of_railways_alone(parts: Parts, shares: pl.DataFrame) -> None:
    mine = shares.filter(pl.col("target") == "rail_energy_intensity", pl.col("rule") == "equal_rate")
    assert set(mine["sector"].to_list()) == {"railway"}
    assert set(mine["unit"].to_list()) == {"kgce/yr"}
    rail = next(t for t in parts.inputs.targets if t.id == "rail_energy_intensity")
    np.testing.assert_allclose(mine["cut_pct"].to_numpy(), -(rail.value or 0.0), rtol=1e-9)


def test_what_cannot_be_shared_is_refused(parts: Parts) -> None:
    with pytest.raises(DecomposeError, match=r"no rule 'fairness'; it can be one of equal_rate, emissions"):
        decompose.share_cut(ASKED, "fairness", WEIGHTS)
    nothing = replace(ASKED, modelled=ASKED.reference)
    with pytest.raises(DecomposeError, match=r"leaves 100 % of the cut to nobody"):
        decompose.share_cut(nothing, "potential", WEIGHTS)
    other = next(t for t in parts.inputs.targets if t.id == "sea_rail_share")
    with pytest.raises(DecomposeError, match=r"'sea_rail_share' is no change per converted turnover"):
        decompose.effort(parts, other)
    headline = next(t for t in parts.inputs.targets if t.id == "operating_co2_intensity")
    with pytest.raises(DecomposeError, match=r"only a fall since a base year can be shared"):
        decompose.effort(parts, replace(headline, value=5.0))


def test_the_command_prints_what_the_run_holds(baseline_run: StoredRun, capsys: pytest.CaptureFixture[str]) -> None:
    at = ["decompose", "operating_co2_intensity", "--scenario", str(baseline_run.folder), "--rule", "gdp"]
    assert main([*at, "--json"]) == 0
    rows = pl.DataFrame(json.loads(capsys.readouterr().out)["target_shares"])
    held = baseline_run.table("target_shares").filter(pl.col("target") == "operating_co2_intensity", pl.col("rule") == "gdp")
    assert rows["cut"].to_list() == held["cut"].to_list()
    assert main([*at, "--by", "sector", "--lang", "en"]) == 0
    text = capsys.readouterr().out
    assert "Road freight" in text
    assert "Total" in text
    assert f"{held['cut'].to_numpy().sum() / 1e3:,.0f}" in text
    assert main([*at, "--lang", "zh"]) == 0
    text = capsys.readouterr().out
    assert "沈阳市" in text
    assert "未分配到地市" in text


def test_the_command_names_what_it_does_not_know(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["decompose", "sea_rail_share", "--lang", "en"]) == 2
    assert "No target sea_rail_share can be shared" in capsys.readouterr().err
