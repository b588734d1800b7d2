"""Sensitivity: Ishigami's function and an additive one with known indices, noise that is not reported, and where to write a better number."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl
import pytest

from transport.params import seed_for
from transport.sampling import quantiles
from transport.sensitivity import (
    Drivers,
    file_of_keys,
    group_cases,
    group_indices,
    pawn,
    replace_first,
    tornado,
    tornado_cases,
    variance_shares,
)

if TYPE_CHECKING:
    from transport.inputs import Inputs

KEYS = [("x", str(k)) for k in range(1, 4)]
#: First-order and total indices of Ishigami's function with a = 7, b = 0.1 (Ishigami and Homma 1990).
FIRST = {"1": 0.31391, "2": 0.44241, "3": 0.0}
TOTAL = {"1": 0.55759, "2": 0.44241, "3": 0.24368}


def ishigami(u: np.ndarray) -> np.ndarray:
    x = (2.0 * u - 1.0) * np.pi
    return np.sin(x[:, 0]) + 7.0 * np.sin(x[:, 1]) ** 2 + 0.1 * x[:, 2] ** 4 * np.sin(x[:, 0])


def drawn(keys: list[tuple[str, str]], draws: int, seed: int = 1) -> np.ndarray:
    found = quantiles(keys, draws + 1, lambda name: seed_for(seed, name))
    return np.stack([found[key][1:] for key in keys], axis=1)


def test_ishigami_first_order_shares_from_given_draws() -> None:
    u = drawn(KEYS, 1000)
    found = variance_shares(KEYS, u, ishigami(u), degree=10)
    shares = {s: (share, low, high) for s, share, low, high in found.shares.select("subject", "share", "low", "high").iter_rows()}
    assert set(shares) == {"1", "2"}, "the third acts only together with the first"
    for subject, (share, low, high) in shares.items():
        assert share == pytest.approx(FIRST[subject], abs=0.03)
        assert low < FIRST[subject] < high
    assert found.explained == pytest.approx(FIRST["1"] + FIRST["2"], abs=0.04), "the rest is interaction"


def test_ishigami_indices_of_groups() -> None:
    cases, problem = group_cases({key: key[1] for key in KEYS}, base=1024, seed=3)
    found = group_indices(problem, ishigami(cases.quantile[1:]), seed=3)
    for row in found.iter_rows(named=True):
        assert abs(row["first"] - FIRST[row["group"]]) <= row["first_error"]
        assert abs(row["total"] - TOTAL[row["group"]]) <= row["total_error"]


def test_a_group_of_inputs_owns_what_they_own_together() -> None:
    groups = {("a", "1"): "one", ("a", "2"): "one", ("b", "1"): "two"}
    cases, problem = group_cases(groups, base=512, seed=1)
    values = cases.quantile[1:] @ np.asarray([1.0, 2.0, 1.0])
    found = dict(group_indices(problem, values).select("group", "first").iter_rows())
    assert found["one"] == pytest.approx(5.0 / 6.0, abs=0.05)
    assert found["two"] == pytest.approx(1.0 / 6.0, abs=0.05)


def test_pawn_sees_an_input_that_acts_only_with_another() -> None:
    u = drawn([*KEYS, ("nothing", "all")], 2000)
    found, noise = pawn([*KEYS, ("nothing", "all")], u, ishigami(u))
    above = dict(found.select("subject", "above_noise").iter_rows())
    assert above == {"1": True, "2": True, "3": True, "all": False}
    assert 0.0 < noise < 0.2


def test_few_drivers_are_found_among_many_inputs() -> None:
    keys = [("p", f"{k:03d}") for k in range(300)]
    u = drawn(keys, 400)
    noise = np.random.default_rng(5).normal(size=400)
    slopes = {"007": 4.0, "123": -2.0, "250": 1.0}
    y = sum(slope * np.sqrt(12.0) * u[:, int(name)] for name, slope in slopes.items()) + noise
    found = variance_shares(keys, u, y)
    assert found.shares["subject"].to_list()[:3] == list(slopes)
    assert found.shares.height <= 4, "others are below the noise"
    for share, slope in zip(found.shares["share"], slopes.values(), strict=False):
        assert share == pytest.approx(slope**2 / 22.0, abs=0.05)
    assert [d > 0 for d in found.shares["direction"][:3]] == [True, False, True]
    assert found.explained == pytest.approx(21.0 / 22.0, abs=0.02)


def test_inputs_without_influence_show_nothing() -> None:
    keys = [("p", str(k)) for k in range(200)]
    found = [
        variance_shares(keys, drawn(keys, 200, seed), np.random.default_rng(seed).normal(size=200)).shares.height
        for seed in range(8)
    ]
    assert sum(height > 0 for height in found) <= 2, "one in twenty ensembles shows a driver by chance"
    with pytest.raises(ValueError, match="too few"):
        variance_shares(keys, drawn(keys, 5), np.arange(5.0))
    constant = variance_shares(keys, drawn(keys, 50), np.full(50, 3.0))
    assert constant.shares.is_empty()
    assert constant.explained == 0.0


def test_weights_count_as_draws() -> None:
    u = drawn(KEYS, 500)
    y = u[:, 0] + np.where(u[:, 1] > 0.5, u[:, 2], 0.0)
    shares = variance_shares(KEYS, u, y, np.where(u[:, 1] > 0.5, 0.0, 2.0)).shares
    assert shares["subject"].to_list() == ["1"], "the third acts only in draws without weight"
    assert shares["share"][0] == pytest.approx(1.0, abs=1e-6)


def test_tornado_moves_one_input_at_a_time() -> None:
    cases = tornado_cases(KEYS, low=0.1, high=0.9)
    filled = np.where(np.isnan(cases.quantile), 0.5, cases.quantile)
    values = filled @ np.asarray([1.0, -3.0, 0.0])
    found = tornado(KEYS, float(values[0]), values[1:])
    assert found["subject"].to_list() == ["2", "1", "3"]
    assert found["swing"].to_list() == pytest.approx([2.4, 0.8, 0.0])
    assert (np.isfinite(cases.quantile).sum(axis=1) <= 1).all()


def test_what_to_replace_first_names_file_and_row(inputs: Inputs) -> None:
    keys = [("annual_distance", "tractor_trailer"), ("observed_port_t", "all"), ("diesel_use", "tractor_trailer:diesel")]
    shares = pl.DataFrame(
        {
            "parameter": [k[0] for k in keys],
            "subject": [k[1] for k in keys],
            "share": [0.5, 0.2, 0.1],
            "low": [0.4, 0.1, 0.0],
            "high": [0.6, 0.3, 0.2],
        }
    )
    found = replace_first(Drivers(shares, 0.8, 0.01, 100, 90.0), inputs, count=2)
    assert found["replace_first"].to_list() == [1, 2]
    for row in found.iter_rows(named=True):
        line = (inputs.folder / row["file"]).read_text(encoding="utf-8").splitlines()[row["row"] - 1]
        assert line.startswith(f"{row['parameter']},{row['subject']},")
    files = file_of_keys(inputs)
    assert files[keys[0]] == found["file"][0].removesuffix(".csv")
