"""Replications: seeds named by purpose, so that variants see the same randomness, and intervals of the mean over replications."""

from __future__ import annotations

import hashlib
import math
import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
from scipy.special import stdtrit

from fleets.errors import FleetError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import ArrayLike


class Streams:
    """Random numbers of one replication, one independent stream per purpose.

    Parameters
    ----------
    seed
        Seed of the study.
    replication
        Number of the replication.

    Notes
    -----
    The stream of a purpose depends on the seed, the replication and the purpose's name only: another plug or another vehicle draws nothing
    from the arrivals (common random numbers), and no hash of the interpreter enters.
    """

    def __init__(self, seed: int, replication: int) -> None:
        self.seed, self.replication = seed, replication

    def __call__(self, purpose: str) -> np.random.Generator:
        """Return the generator of a purpose, always from its beginning."""
        words = np.frombuffer(hashlib.sha256(purpose.encode()).digest()[:16], dtype="<u4").tolist()
        return np.random.default_rng(np.random.SeedSequence(self.seed, spawn_key=(self.replication, *words)))


def interval(values: ArrayLike, confidence: float = 0.95) -> tuple[float, float, float]:
    """Return the mean of replications with its interval (mean, low, high).

    Parameters
    ----------
    values
        One value per replication, array ``(replication,)``.
    confidence
        Level of the interval.

    Notes
    -----
    mean -+ t(n - 1) s / sqrt(n); with one replication the ends are not a number.

    Examples
    --------
    >>> mean, low, high = interval([1.0, 2.0, 3.0])
    >>> round(mean, 3), round(low, 3), round(high, 3)
    (2.0, -0.484, 4.484)
    """
    x = np.asarray(values, dtype=np.float64)
    if x.ndim != 1 or not x.size or not 0.0 < confidence < 1.0:
        msg = f"need a list of values and a confidence between 0 and 1, got shape {x.shape} and {confidence}"
        raise FleetError(msg)
    mean = float(x.mean())
    if x.size == 1:
        return mean, math.nan, math.nan
    half = float(stdtrit(x.size - 1, 0.5 + confidence / 2.0)) * float(x.std(ddof=1)) / math.sqrt(x.size)
    return mean, mean - half, mean + half


def replicate(
    run: Callable[[Streams], Mapping[str, float]],
    *,
    replications: int,
    seed: int = 0,
    confidence: float = 0.95,
    workers: int = 1,
) -> pl.DataFrame:
    """Run a simulation several times and return every statistic with its interval.

    Parameters
    ----------
    run
        Takes the random streams of a replication and returns its statistics; a module-level function if ``workers`` exceeds 1.
    replications
        Number of replications.
    seed
        Seed of the study.
    confidence
        Level of the intervals.
    workers
        Processes; the result does not depend on it.

    Returns
    -------
    table
        Columns metric, value, low, high, replications; low and high are missing with one replication.

    Raises
    ------
    FleetError
        If there is no replication, or replications return different statistics.
    """
    if replications < 1 or workers < 1:
        msg = f"replications={replications} and workers={workers} must be 1 or more"
        raise FleetError(msg)
    tasks = [Streams(seed, r) for r in range(replications)]
    if workers == 1:
        found = [dict(run(task)) for task in tasks]
    else:
        with ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn")) as pool:
            found = list(pool.map(partial(_one, run), tasks))
    names = list(found[0])
    if any(list(values) != names for values in found):
        msg = "replications return different statistics"
        raise FleetError(msg)
    rows = [(name, *interval([values[name] for values in found], confidence), replications) for name in names]
    schema = {"metric": pl.String, "value": pl.Float64, "low": pl.Float64, "high": pl.Float64, "replications": pl.Int64}
    return pl.DataFrame(rows, schema=schema, orient="row").with_columns(pl.col("low", "high").fill_nan(None))


def _one(run: Callable[[Streams], Mapping[str, float]], streams: Streams) -> dict[str, float]:
    return dict(run(streams))
