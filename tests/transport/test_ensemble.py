"""Ensembles: closed forms, the same bytes for any number of processes, draws alone, what was stopped, and draws without a result."""

from __future__ import annotations

import json
from dataclasses import replace
from statistics import NormalDist
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
import pytest
from scipy.special import ndtri

from transport import ensemble, freight_model
from transport.cli import main
from transport.ensemble import (
    CHUNK,
    MANIFEST,
    Cases,
    EnsembleError,
    design_cases,
    parts_of,
    prepared,
    read_ensemble,
    run_ensemble,
    run_one,
)
from transport.ensemble_tables import TABLES, weighted_quantiles
from transport.evaluate import Outcome, evaluate_drawn
from transport.indicators import Series
from transport.inputs import Inputs, Target
from transport.layout import YEARS
from transport.observed_weights import DEVIATION, OBSERVED, PREFIX, WeightError, weigh
from transport.scenario import load_scenario
from transport.sensitivity import drivers_of
from transport.store import CLOCK_FIELDS, StoreError
from transport.store import MANIFEST as RUN_MANIFEST

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from transport.freight_start import FreightStarts
    from transport.sampling import Key
    from transport.scenario import Scenario

#: Mean and standard deviation of the headline in the two readings of the stub.
READINGS = {"direct": (-10.0, 1.0), "wtw": (-9.0, 2.0)}
GOAL = -9.5


def target(area: str = "210000", value: float = GOAL) -> Target:
    words = ("percent", "at_most", 2020, 0.5, "binding", "a plan", "1", "降低", "office", "direct", "road", "2020")
    return Target("operating_co2_intensity", area, 2030, value, *words)  # type: ignore[arg-type]


@pytest.fixture
def small(inputs: Inputs, tmp_path: Path) -> Inputs:
    """Return inputs with two uncertain numbers between 0 and 1, whose values are their quantiles, and one target."""
    rows = [("signal", "all", 0.5, 0.0, 1.0), ("noise", "all", 0.5, 0.0, 1.0), ("sure", "all", 1.0, None, None)]
    rows += [(DEVIATION, "rail_turnover", 0.5, None, None)]
    made = pl.DataFrame(
        [
            {
                "parameter": p,
                "subject": s,
                "year": None,
                "value": v,
                "low": low,
                "high": high,
                "distribution": "fixed" if low is None else "uniform",
                "unit": "dimensionless",
                "source": "expert_judgement",
                "quality": "assumption",
                "note": None,
                "file": f"parameters/{p}",
            }
            for p, s, v, low, high in rows
        ],
        schema=inputs.parameters.schema,
    )
    return replace(inputs, folder=tmp_path, tables={}, parameters=made, targets=(target(),), data_hash="small")


@pytest.fixture(scope="module")
def scenario(inputs: Inputs) -> Scenario:
    return prepared(load_scenario("plan_2030", inputs.folder, inputs.levers))


def normal(scenario: Scenario, inputs: Inputs, drawn: Mapping[Key, np.ndarray], draws: int, starts: FreightStarts) -> Outcome:
    """Return the headline in two readings, normal over the draws, and an observation that is met the better the smaller the signal."""
    params = inputs.params(drawn=drawn, draws=draws)
    u = params.get("signal")
    made = [
        Series("operating_co2_intensity", "210000", "percent", mean + spread * ndtri(u), scope, "road", "2020")
        for scope, (mean, spread) in READINGS.items()
    ]
    ratio = np.full(u.shape, np.nan)
    ratio[:, YEARS.index(OBSERVED["rail_turnover"])] = 1.0 + ndtri(u[:, 0])
    observed = Series(f"{PREFIX}rail_turnover", "210000", "dimensionless", ratio)
    return Outcome((*made, observed), frozenset({("signal", "all"), ("noise", "all"), ("sure", "all")}))


def unweighted(*args: Any) -> Outcome:
    series, read, _ = normal(*args)
    return Outcome(tuple(s for s in series if not s.id.startswith(PREFIX)), read)


def with_holes(scenario: Scenario, inputs: Inputs, drawn: Mapping[Key, np.ndarray], *rest: Any) -> Outcome:
    """Fail where the signal lies in the upper tenth, as a whole batch."""
    if np.nanmax(drawn.get(("signal", "all"), np.zeros(1))) > 0.9:
        msg = "no constants"
        raise ArithmeticError(msg)
    return unweighted(scenario, inputs, drawn, *rest)


def never(*args: Any) -> Outcome:
    series, read, _ = unweighted(*args)
    return Outcome(tuple(replace(s, values=np.full_like(s.values, np.nan)) for s in series), read)


def always_failing(*_: Any) -> Outcome:
    msg = "broken"
    raise ArithmeticError(msg)


def bytes_of(folder: Path) -> dict[str, bytes]:
    found = {p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}
    about = json.loads(found.pop(RUN_MANIFEST))
    assert CLOCK_FIELDS[0] in about
    return found | {RUN_MANIFEST: json.dumps({k: v for k, v in about.items() if k not in CLOCK_FIELDS}).encode()}


def test_probability_is_that_of_the_closed_form(small: Inputs, scenario: Scenario, tmp_path: Path) -> None:
    result = run_ensemble(scenario, small, draws=400, seed=3, folder=tmp_path / "e", workers=1, evaluate=unweighted)
    table = result.table("probabilities")
    assert table["scope"].to_list() == list(READINGS), "a probability for each reading, none over readings"
    for row in table.iter_rows(named=True):
        truth = NormalDist(*READINGS[row["scope"]]).cdf(GOAL)
        assert abs(row["probability"] - truth) <= 2.0 * row["standard_error"]
        assert row["standard_error"] == pytest.approx((truth * (1 - truth) / 400) ** 0.5, rel=0.05)
        assert row["low"] < truth < row["high"]
        assert row["probability_within"] > row["probability"]
        assert row["central"] == READINGS[row["scope"]][0]
        assert row["central_verdict"] == {"direct": "met", "wtw": "within_tolerance"}[row["scope"]]
    paths = result.table("paths").filter(year=2030)
    for row, (mean, spread) in zip(paths.iter_rows(named=True), READINGS.values(), strict=True):
        for name, level in (("p05", 0.05), ("p50", 0.5), ("p95", 0.95)):
            assert row[name] == pytest.approx(NormalDist(mean, spread).inv_cdf(level), abs=0.02 * spread)


def test_weights_of_a_gaussian_observation(small: Inputs, scenario: Scenario, tmp_path: Path) -> None:
    """A normal prior of spread 1 met by an observation of deviation 0.5 is normal with spread 0.2 ** 0.5."""
    result = run_ensemble(scenario, small, draws=2000, seed=3, folder=tmp_path / "e", workers=1, evaluate=normal)
    row = result.table("probabilities").filter(scope="direct").row(0, named=True)
    after = NormalDist(-10.0, 0.2**0.5)
    assert row["probability"] == pytest.approx(after.cdf(GOAL), abs=2.0 * row["standard_error"])
    assert row["unweighted"] == pytest.approx(NormalDist(-10.0, 1.0).cdf(GOAL), abs=2.0 * row["unweighted_error"])
    # E[w]^2 / E[w^2] of exp(-z^2 / (2 s^2)): sqrt(s^2 / (1 + s^2))^2 / sqrt(s^2 / (2 + s^2))
    expected = 2000 * (0.25 / 1.25) / (0.25 / 2.25) ** 0.5
    assert row["effective_sample_size"] == pytest.approx(expected, rel=0.03)
    assert result.manifest["effective_sample_size"] == row["effective_sample_size"]
    path = result.table("paths").filter(year=2030, series=0).row(0, named=True)
    assert path["p05"] == pytest.approx(after.inv_cdf(0.05), abs=0.05)
    assert path["unweighted_p05"] == pytest.approx(NormalDist(-10.0, 1.0).inv_cdf(0.05), abs=0.05)


def test_weights_of_impossible_draws() -> None:
    far = weigh({"rail_turnover": np.asarray([40.0, 41.0])}, {"rail_turnover": 0.05})
    assert far.weight.tolist() == [2.0, 0.0], "relative to the best, however far off all are"
    assert far.effective == 1.0
    assert weigh({"rail_turnover": np.asarray([1.0, 2.0])}, {}).weight.tolist() == [1.0, 1.0]
    assert weigh({"rail_turnover": np.asarray([1.0, np.nan])}, {"rail_turnover": 0.1}).weight.tolist() == [2.0, 0.0]
    with pytest.raises(WeightError, match="no draw can be weighed by rail_turnover"):
        weigh({"rail_turnover": np.asarray([np.nan, np.nan])}, {"rail_turnover": 0.1})


def test_weighted_quantiles_are_those_of_repeated_draws() -> None:
    values, times = np.asarray([5.0, 1.0, 3.0]), np.asarray([100.0, 300.0, 600.0])
    repeated = np.repeat(values, times.astype(int))
    whole = weighted_quantiles(repeated, np.ones(1000), (0.2, 0.6, 0.95))
    assert np.allclose(weighted_quantiles(values, times, (0.15, 0.6, 0.95)), [1.0, 3.0, 5.0])
    assert np.allclose(whole, [1.0, 3.0, 5.0])


def test_tables_have_the_columns_that_are_named(small: Inputs, scenario: Scenario, tmp_path: Path) -> None:
    result = run_ensemble(scenario, small, draws=30, folder=tmp_path / "e", workers=1, evaluate=normal)
    for name, columns in TABLES.items():
        assert tuple(result.table(name).columns)[: len(columns)] == columns
    assert result.table("draws").columns[2:] == ["noise all", "signal all"], "what was read and has a range"
    assert result.table("outcomes").filter(draw=0).height == 2 * len(YEARS)
    again = read_ensemble(tmp_path / "e")
    assert again.manifest == result.manifest
    about = json.loads((tmp_path / "e" / RUN_MANIFEST).read_text(encoding="utf-8"))
    assert (about["kind"], about["run_id"], about["draws"], about["seed"]) == ("ensemble", result.manifest["ensemble"], 30, 0)
    assert about["tables"] == result.manifest["tables"]
    with pytest.raises(StoreError, match="holds no table 'x'"):
        again.table("x")


def test_the_number_of_processes_changes_no_byte(small: Inputs, scenario: Scenario, tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    for workers in (1, 2):
        folder = tmp_path / str(workers)
        run_ensemble(
            scenario, small, draws=CHUNK + 3, folder=folder, workers=workers, evaluate=normal, progress=lambda *x: told.append(x)
        )
    assert bytes_of(tmp_path / "1") == bytes_of(tmp_path / "2")
    half = (CHUNK + 3) // 2
    assert told == 2 * [(0, CHUNK + 3), (half, CHUNK + 3), (CHUNK + 3, CHUNK + 3)]


def test_chunks_are_even_and_hold_every_case_once() -> None:
    for count in (0, 1, 15, 16, 17, 100, CHUNK, CHUNK + 1, 1000, 4096):
        parts = parts_of(count)
        assert [number for part in parts for number in part] == list(range(1, count + 1))
        sizes = {len(part) for part in parts}
        assert max(sizes) <= CHUNK
        assert max(sizes) - min(sizes) <= 1
    assert len(parts_of(15)) == 1
    assert len(parts_of(16)) == 2


def test_what_was_stopped_goes_on(small: Inputs, scenario: Scenario, tmp_path: Path) -> None:
    def stop(done: int, _: int) -> None:
        if done == CHUNK:
            raise KeyboardInterrupt

    ask: dict[str, Any] = {"draws": 2 * CHUNK, "workers": 1, "evaluate": normal}
    with pytest.raises(KeyboardInterrupt):
        run_ensemble(scenario, small, folder=tmp_path / "e", progress=stop, **ask)
    assert not read_ensemble(tmp_path / "e").manifest["complete"]
    assert run_ensemble(scenario, small, folder=tmp_path / "e", **ask).ran == CHUNK
    assert run_ensemble(scenario, small, folder=tmp_path / "e", **ask).ran == 0
    run_ensemble(scenario, small, folder=tmp_path / "straight", **ask)
    assert bytes_of(tmp_path / "e") == bytes_of(tmp_path / "straight")
    with pytest.raises(StoreError, match="holds another ensemble"):
        run_ensemble(scenario, small, folder=tmp_path / "e", **(ask | {"seed": 5}))
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter.txt").write_text("years", encoding="utf-8")
    with pytest.raises(StoreError, match="is no ensemble"):
        run_ensemble(scenario, small, folder=tmp_path / "thesis", **ask)


def test_a_draw_without_a_result_takes_no_other_along(small: Inputs, scenario: Scenario, tmp_path: Path) -> None:
    result = run_ensemble(scenario, small, draws=100, folder=tmp_path / "e", workers=1, evaluate=with_holes)
    signal = design_cases(small, draws=100, seed=0).of(range(1, 101))[("signal", "all")]
    lost = [k for k in range(1, 101) if signal[k] > 0.9]
    assert result.table("failed")["draw"].to_list() == lost
    assert len(lost) == result.manifest["failed"] == 10
    assert result.table("failed")["problem"][0] == "ArithmeticError: no constants"
    assert result.table("draws")["draw"].to_list() == [k for k in range(1, 101) if k not in lost]
    whole = run_ensemble(scenario, small, draws=100, folder=tmp_path / "w", workers=1, evaluate=unweighted)
    kept = whole.table("outcomes").filter(~pl.col("draw").is_in(lost))
    assert result.table("outcomes").equals(kept)
    with pytest.raises(ArithmeticError, match="broken"):
        run_ensemble(scenario, small, draws=3, folder=tmp_path / "n", workers=1, evaluate=always_failing)


def test_one_draw_alone_is_that_of_all(small: Inputs, scenario: Scenario, tmp_path: Path) -> None:
    result = run_ensemble(scenario, small, draws=60, seed=8, folder=tmp_path / "e", workers=1, evaluate=normal)
    for number in (0, 1, 31, 60):
        alone = run_one(scenario, small, number, draws=60, seed=8, evaluate=normal)
        rows = alone.filter(~pl.col("id").str.starts_with(PREFIX)).select("draw", "series", "year", "value")
        assert rows.equals(result.table("outcomes").filter(draw=number))
    with pytest.raises(EnsembleError, match="no draw 61; the ensemble has draws 1 to 60"):
        run_one(scenario, small, 61, draws=60, evaluate=normal)


def test_scenarios_share_their_draws(small: Inputs, scenario: Scenario, tmp_path: Path) -> None:
    other = replace(scenario, name="other", settings={})
    tables = [
        run_ensemble(s, small, draws=20, folder=tmp_path / s.name, workers=1, evaluate=normal).table("draws")
        for s in (scenario, other)
    ]
    assert tables[0].equals(tables[1])


def test_drivers_of_an_ensemble(small: Inputs, scenario: Scenario, tmp_path: Path) -> None:
    result = run_ensemble(scenario, small, draws=200, folder=tmp_path / "e", workers=1, evaluate=unweighted)
    found = drivers_of(result, 0, 2030)
    assert found.shares.select("parameter").to_series().to_list() == ["signal"]
    assert found.shares["share"][0] > 0.9
    with pytest.raises(ValueError, match="not kept for 1999"):
        drivers_of(result, 0, 1999)


def test_cases_leave_out_what_never_varies() -> None:
    cases = Cases((("a", "x"), ("b", "y")), np.asarray([[np.nan, np.nan], [0.2, np.nan], [np.nan, 0.4]]))
    assert list(cases.of([1])) == [("a", "x")]
    assert cases.of([2])[("b", "y")].tolist() == pytest.approx([np.nan, 0.4], nan_ok=True)


def test_a_draw_of_the_model_is_the_same_alone(inputs: Inputs, scenario: Scenario) -> None:
    """The whole model: two draws side by side, and the second alone from a cold start."""
    cases = design_cases(inputs, draws=4, seed=20220912)
    chunk = ensemble.Chunk(scenario, inputs, ensemble.FreightStarts(), cases, (3, 4), evaluate_drawn, None)
    found = ensemble.run_chunk(chunk, alone=True)
    assert not found.failed
    alone = run_one(scenario, inputs, 4, draws=4, seed=20220912)
    both = found.values.filter(draw=4).join(alone, on=["series", "year"], suffix="_alone", nulls_equal=True)
    assert both.height == alone.height > 1000
    there = both.filter(pl.col("value").is_not_nan())
    off = (there["value"] - there["value_alone"]).abs() / pl.max_horizontal(pl.lit(1.0), there["value"].abs())
    assert there.select(off.alias("off")).to_series().max() < 1e-9  # type: ignore[operator]
    ratios = alone.filter(pl.col("id").str.starts_with(PREFIX))
    assert ratios["id"].str.strip_prefix(PREFIX).to_list() == list(OBSERVED)
    assert ratios["value"].is_between(0.4, 1.6).all()


@pytest.mark.slow
def test_with_equilibrium_a_draw_alone_is_that_of_all_within_ten_gaps(inputs: Inputs, scenario: Scenario) -> None:
    scenario = prepared(scenario, capacity="equilibrium")
    cases = design_cases(inputs, draws=3, seed=1)
    chunk = ensemble.Chunk(scenario, inputs, ensemble.FreightStarts(), cases, (2, 3), evaluate_drawn, None)
    alone = run_one(scenario, inputs, 3, draws=3, seed=1)
    together = ensemble.run_chunk(chunk).values.filter(draw=3)
    both = together.join(alone, on=["series", "year"], suffix="_alone").filter(pl.col("value").is_not_nan())
    assert both.height > 1000
    off = (both["value"] - both["value_alone"]).abs() / pl.Series(np.maximum(1.0, both["value"].abs().to_numpy()))
    assert off.max() < 10.0 * float(inputs.params().get("freight_equilibrium_gap")[0, 0])  # type: ignore[operator]


def test_a_draw_whose_base_year_is_out_of_reach_is_listed(
    inputs: Inputs, scenario: Scenario, starts: FreightStarts, monkeypatch: pytest.MonkeyPatch
) -> None:
    fitted = freight_model.fit_further

    def creeping(first: Any, compact: Any, demand: Any, costs: Any, aim: Any) -> Any:
        found = fitted(first, compact, demand, costs, aim)
        calls.append(aim.observed.shape[0])
        return replace(found, unsettled=found.unsettled | (np.arange(aim.observed.shape[0]) == 1))

    calls: list[int] = []
    monkeypatch.setattr(freight_model, "fit_further", creeping)
    chunk = ensemble.Chunk(scenario, inputs, starts, design_cases(inputs, draws=3, seed=1), (1, 2), evaluate_drawn, None)
    found = ensemble.run_chunk(chunk)
    assert list(found.failed) == [1]
    assert "out of reach of the constants" in found.failed[1]
    assert found.values["draw"].unique().to_list() == [0, 2]
    assert calls == [3]  # the others are not worked out again


def test_command_line(
    small: Inputs, inputs: Inputs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = replace(small, folder=inputs.folder, tables=inputs.tables, levers=inputs.levers)
    monkeypatch.setattr("transport.inputs.load_inputs", lambda **_: whole)
    monkeypatch.setattr(ensemble.run_ensemble, "__kwdefaults__", ensemble.run_ensemble.__kwdefaults__ | {"evaluate": unweighted})
    monkeypatch.setattr(ensemble.run_one, "__kwdefaults__", ensemble.run_one.__kwdefaults__ | {"evaluate": unweighted})
    monkeypatch.setattr(ensemble.run_cases, "__kwdefaults__", ensemble.run_cases.__kwdefaults__ | {"evaluate": unweighted})
    monkeypatch.setattr("transport.sensitivity.replace_first", lambda *_, **__: pl.DataFrame())
    ask = ["ensemble", "plan_2030", "baseline", "--draws", "60", "--workers", "1", "--lang", "en", "--out", str(tmp_path / "o")]
    assert main(ask) == 0
    printed = capsys.readouterr()
    assert "60 draws over the ranges" in printed.out
    assert "signal" in printed.out.partition("Replace these numbers first")[2]
    assert "Side by side" in printed.out
    assert "60 draws worked out" in printed.err
    assert (tmp_path / "o" / "baseline" / MANIFEST).is_file()
    assert main([*ask, "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)["ensembles"]
    assert [one["scenario"] for one in answer] == ["plan_2030", "baseline"]
    assert len(answer[0]["probabilities"]) == 2
    assert main([*ask, "--json", "--tornado", "--groups", "64", "--pawn"]) == 0
    more = json.loads(capsys.readouterr().out)["ensembles"][1]
    assert [row["parameter"] for row in more["tornado"]] == ["signal"]
    assert more["tornado"][0]["swing"] > 3.0, "from its 5 to its 95 percent quantile, in deviations"
    assert more["pawn"][0]["parameter"] == "signal"
    assert more["pawn"][0]["above_noise"] is True
    assert [row["group"] for row in more["groups"]] == ["parameters/signal", "parameters/noise"]
    assert more["groups"][0]["total"] == pytest.approx(1.0, abs=0.2)
    assert main([*ask, "--only", "7", "--json"]) == 0
    alone = json.loads(capsys.readouterr().out)["values"]["baseline"]
    kept = read_ensemble(tmp_path / "o" / "baseline").table("outcomes").filter(draw=7)["value"].to_list()
    assert [row["value"] for row in alone] == kept
    assert main([*ask, "--drivers", "sea_rail_shar"]) == 2
    assert "sea_rail_share" in capsys.readouterr().err


def test_command_line_says_what_it_cannot_tell(
    small: Inputs, inputs: Inputs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = replace(small, folder=inputs.folder, tables=inputs.tables, levers=inputs.levers)
    monkeypatch.setattr("transport.inputs.load_inputs", lambda **_: whole)
    monkeypatch.setattr(ensemble.run_ensemble, "__kwdefaults__", ensemble.run_ensemble.__kwdefaults__ | {"evaluate": unweighted})
    monkeypatch.setattr(ensemble.run_one, "__kwdefaults__", ensemble.run_one.__kwdefaults__ | {"evaluate": never})
    ask = ["ensemble", "baseline", "--draws", "20", "--workers", "1", "--lang", "en", "--out", str(tmp_path / "o")]
    assert main([*ask, "--drivers", "cr_express_trains"]) == 0
    assert "No drivers: no model makes China-Europe trains" in capsys.readouterr().out
    assert main([*ask, "--year", "1999", "--json"]) == 0
    assert "choose from 2015, " in json.loads(capsys.readouterr().out)["ensembles"][0]["no_drivers"]
    assert main([*ask, "--only", "21"]) == 2
    assert "there is no draw 21" in capsys.readouterr().err
    assert main([*ask, "--only", "3", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out, parse_constant=pytest.fail)["values"]["baseline"]
    assert {row["value"] for row in rows} == {None}
    for wrong in (["--draws", "0"], ["--groups", "60"]):
        with pytest.raises(SystemExit):
            main([*ask, *wrong])
    assert "a power of two such as 64, not 60" in capsys.readouterr().err


def test_reasons_are_told_in_the_language_of_the_reader() -> None:
    from transport.ensemble_cli import problem_text, reason_of
    from transport.sensitivity import OneGroupError, TooFewDrawsError, group_cases

    with pytest.raises(OneGroupError, match=r"all inputs stand in a\.csv") as one:
        group_cases({("x", "all"): "a.csv", ("y", "all"): "a.csv"}, base=8)
    for lang, few, alone in (("zh", "有效样本量 3.2", "a.csv 一个数据文件"), ("en", "effective size 3.2", "one data file a.csv")):
        assert few in reason_of(TooFewDrawsError(9, 3.16), lang)
        assert alone in reason_of(one.value, lang)
        assert problem_text("ZeroDivisionError: x", lang) == "ZeroDivisionError: x"
        assert problem_text("CalibrationError: mark 7", lang).endswith(("（mark 7）", "(mark 7)"))


def test_tables_are_those_of_the_contract(root: Path) -> None:
    text = (root / "docs" / "contracts.md").read_text(encoding="utf-8").split("\n## 5b. ")[1].split("\n## ")[0]
    for name, columns in TABLES.items():
        assert f"| `{name}` | {', '.join(columns)} |\n" in text
