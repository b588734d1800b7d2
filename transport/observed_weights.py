"""How well a draw meets what was observed: the likelihood of its diesel, rail turnover and sea-rail containers, and weights from it.

The margins of 2020 are fitted in every draw to a sampled value, so that they say nothing about a draw. What is compared lies outside that fit:
diesel of the energy balance of 2019, which nothing is fitted to, and rail turnover and sea-rail containers of 2022, two years after the base year
and before the levers of the bundled scenarios act, so that two scenarios weigh a draw nearly alike.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from transport.bridge import explained
from transport.indicators import Series
from transport.layout import PROVINCE, YEARS, year_index

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from transport.inputs import Inputs
    from transport.parts import Parts

    Array = NDArray[np.float64]

#: Parameter of the standard deviations, subject = observation.
DEVIATION = "observed_weight_deviation"
#: Beginning of the ids of the series that are compared: modelled over observed.
PREFIX = "observed."
DIESEL, RAIL, SEA_RAIL = "transport_diesel", "rail_turnover", "sea_rail_containers"
#: Observation -> year of it.
OBSERVED: dict[str, int] = {DIESEL: 2019, RAIL: 2022, SEA_RAIL: 2022}
#: Part of a year that a period names: quarters 1 to 3.
_QUARTERS = re.compile(r"\d{4}Q1-([1-4])")


class WeightError(ValueError):
    """Exception for an observation without a row, or draws of which none meets what was observed."""


@dataclass(frozen=True, slots=True)
class Weights:
    """Weights of draws.

    Attributes
    ----------
    weight
        Weight of each draw ``[draw]``, mean 1.
    log_likelihood
        Observation -> logarithm of its likelihood, without the constant ``[draw]``.
    effective
        Effective sample size: as many draws of equal weight would say as much.
    """

    weight: Array
    log_likelihood: Mapping[str, Array]
    effective: float


def observed_series(parts: Parts) -> list[Series]:
    """Return modelled over observed value of every observation as series ``[draw, year]``, NaN in other years.

    Parameters
    ----------
    parts
        A run.

    Raises
    ------
    WeightError
        If an observation has no row.

    Notes
    -----
    Diesel: what the bridge explains of the entry over the entry less users that are no vehicles, so that ``1 - ratio`` is the line
    ``unexplained``. Nine months of containers count as 4/3.
    """
    inputs, freight = parts.inputs, parts.freight
    sold, bought = explained(inputs, parts.params, parts.now.energy, year=OBSERVED[DIESEL], sector="transport", fuel="diesel")
    rail = freight.territory_tkm[:, year_index(OBSERVED[RAIL]), freight.modes.index("rail")].sum(axis=-1)
    boxes = freight.sea_rail_teu[:, year_index(OBSERVED[SEA_RAIL])]
    ratios = {
        DIESEL: sold / bought,
        RAIL: rail / _observed(inputs, "observed/freight", "freight_turnover", OBSERVED[RAIL], mode="rail"),
        SEA_RAIL: boxes / _observed(inputs, "observed/sea_rail", "sea_rail_containers", OBSERVED[SEA_RAIL]),
    }
    made = []
    for name, ratio in ratios.items():
        values = np.full((ratio.size, len(YEARS)), np.nan)
        values[:, year_index(OBSERVED[name])] = ratio
        made.append(Series(PREFIX + name, PROVINCE, "dimensionless", values))
    return made


def deviations(inputs: Inputs) -> dict[str, float]:
    """Return observation -> standard deviation of modelled over observed value [dimensionless].

    Parameters
    ----------
    inputs
        Checked data.
    """
    params = inputs.params()
    return {name: float(params.get(DEVIATION, name)[0, 0]) for name in OBSERVED if params.has(DEVIATION, name)}


def weigh(ratios: Mapping[str, Array], deviation: Mapping[str, float]) -> Weights:
    r"""Return the weights of draws.

    Parameters
    ----------
    ratios
        Observation -> modelled over observed value ``[draw]``.
    deviation
        Observation -> standard deviation of the ratio; observations without one are left out.

    Returns
    -------
    Weights
        All 1 if nothing is compared.

    Raises
    ------
    WeightError
        If no draw has all ratios.

    Notes
    -----
    :math:`\ln L_i = -\sum_o (r_{io} - 1)^2 / (2 \sigma_o^2)`, weights :math:`w_i \propto L_i` with mean 1, effective sample size
    :math:`(\sum w_i)^2 / \sum w_i^2` (Kish). A draw without a ratio cannot be (its rows contradict each other) and weighs nothing.
    """
    terms = {
        name: np.nan_to_num(-0.5 * ((ratio - 1.0) / deviation[name]) ** 2, nan=-np.inf)
        for name, ratio in ratios.items()
        if name in deviation
    }
    count = len(next(iter(ratios.values()), []))
    total = sum(terms.values(), np.zeros(count))
    if count and not np.isfinite(total).any():
        msg = f"no draw can be weighed by {', '.join(terms)}: none has a value for all of them"
        raise WeightError(msg)
    # relative to the best draw: likelihoods far from the observation would all be 0
    raw = np.exp(total - total.max()) if count else total
    weight = raw / raw.mean() if count else raw
    return Weights(weight, terms, effective_size(weight))


def effective_size(weight: Array) -> float:
    """Return the effective sample size of weights.

    >>> effective_size(np.ones(50)), effective_size(np.array([1.0, 0.0, 0.0]))
    (50.0, 1.0)
    """
    return float(weight.sum() ** 2 / (weight**2).sum()) if weight.size else 0.0


def ratios_of(series: Sequence[Series]) -> dict[str, Array]:
    """Return observation -> modelled over observed value ``[draw]`` from the series of a run."""
    return {
        s.id.removeprefix(PREFIX): s.values[:, year_index(OBSERVED[s.id.removeprefix(PREFIX)])]
        for s in series
        if s.id.startswith(PREFIX)
    }


def _observed(inputs: Inputs, table: str, series: str, year: int, *, mode: str = "") -> float:
    """Return an observed total of the province in a year; months that are missing are filled up in proportion."""
    rows = inputs.table(table).filter(
        pl.col("series") == series,
        pl.col("area") == PROVINCE,
        pl.col("item") == "total",
        pl.col("mode").fill_null("") == mode,
        pl.col("period").str.starts_with(str(year)),
        pl.col("value").is_not_null(),
    )
    if rows.height != 1:
        msg = f"{table}: {rows.height} rows of {series} in {year}; one is needed to weigh draws"
        raise WeightError(msg)
    part = _QUARTERS.fullmatch(rows["period"][0])
    return float(rows["value"][0]) * (4.0 / int(part[1]) if part else 1.0)
