"""What the workers of the tests of clusters do: a light module, as every worker imports it."""

from __future__ import annotations

import math
import os
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from transport.evaluate import Outcome
    from transport.freight_start import FreightStarts
    from transport.inputs import Inputs
    from transport.sampling import Key
    from transport.scenario import Scenario


def drawn(task: tuple[int, NDArray[np.float64]]) -> pl.DataFrame:
    """Return a table of random numbers from the task's own seed, and of what all share."""
    k, weights = task
    time.sleep(0.02 * (k % 3))
    from transport.params import seed_for

    numbers = np.random.default_rng(seed_for(7, "cluster", k)).normal(size=weights.size) * weights
    return pl.DataFrame({"task": k, "number": numbers, "total": [math.fsum(numbers)] * weights.size})


def rooted(task: float) -> float:
    time.sleep(0.05)
    return math.sqrt(task)


def left_a_mark(task: tuple[str, int]) -> int:
    folder, k = task
    (Path(folder) / str(k)).touch()
    time.sleep(0.0 if k == 0 else 0.3)
    return k


def killed_always(k: int) -> int:
    if k == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    return k


def stub(scenario: Scenario, inputs: Inputs, names: Sequence[str], starts: FreightStarts) -> dict[str, pl.DataFrame]:
    """Return tables that depend on the settings and the data, as a run's do, without running a model."""
    toll = scenario.settings.get("road_toll", 1.0)
    if toll == 2.0:
        msg = "no road left"
        raise ArithmeticError(msg)
    keys = {"id": ["x", "y"], "area": ["210000"] * 2, "year": [2025, 2030]}
    table = pl.DataFrame({**keys, "value": [toll, float(inputs.parameters.height)], "unit": ["percent"] * 2})
    return dict.fromkeys(names, table)


def outcome(
    scenario: Scenario, inputs: Inputs, drawn: Mapping[Key, NDArray[np.float64]], draws: int, starts: FreightStarts
) -> Outcome:
    """Return an indicator that depends on all that is drawn, as an ensemble's does, without running a model."""
    from transport.evaluate import Outcome
    from transport.indicators import Series
    from transport.layout import YEARS

    total = np.zeros((draws, len(YEARS)))
    for k, key in enumerate(sorted(drawn)):
        total += np.nan_to_num(drawn[key])[:, None] * math.sin(k)
    return Outcome((Series("operating_co2_intensity", "210000", "percent", total, "direct", "road", "2020"),), frozenset(drawn))
