"""A scenario under given parameters, down to its indicators: what ensembles, sensitivities and searches call again and again."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import polars as pl

from transport.observed_weights import observed_series
from transport.study import Given, all_series, model_parts, scenario_inputs, scenario_params

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    from numpy.typing import NDArray

    from transport.freight_start import FreightStarts
    from transport.indicators import Series
    from transport.inputs import Inputs
    from transport.params import Params
    from transport.sampling import Key
    from transport.scenario import Scenario


class Outcome(NamedTuple):
    """What a batch of draws came to.

    Attributes
    ----------
    series
        Indicators ``[draw, year]``, and modelled over observed values (ids ``observed.*``).
    read
        Inputs that the run read.
    """

    series: tuple[Series, ...]
    read: frozenset[Key]


def evaluate(
    scenario: Scenario, inputs: Inputs, params: Params, *, starts: FreightStarts | None = None, plain: Params | None = None
) -> tuple[Series, ...]:
    """Return the indicators of a scenario under given parameters, without any result table.

    Parameters
    ----------
    scenario
        A resolved scenario; its levers and samples are those of ``params``.
    inputs
        Checked data.
    params
        Parameters as a run takes them: after hold, levers and simulated weeks. The first draw is the central one; a batch of cases stands behind.
    starts
        As in :func:`transport.study.model_parts`.
    plain
        The same draws before any lever; by default what the scenario samples itself.

    Returns
    -------
    tuple of Series
        Every indicator ``[draw, year]``, then modelled over observed values (ids ``observed.*``). Nothing is simulated.
    """
    bare = replace(scenario, simulate="none")
    if plain is None:
        plain = scenario_params(replace(bare, settings={}), scenario_inputs(bare, inputs))
    parts = model_parts(bare, inputs, starts=starts, response=False, given=Given(params, plain), light=True)
    return (*all_series(parts), *observed_series(parts))


def evaluate_drawn(
    scenario: Scenario, inputs: Inputs, drawn: Mapping[Key, NDArray[np.float64]], draws: int, starts: FreightStarts | None = None
) -> Outcome:
    """Return what a scenario comes to where inputs take given quantiles of their ranges.

    Parameters
    ----------
    scenario, inputs, starts
        As in :func:`evaluate`.
    drawn
        Key -> quantile of every draw ``[draw]``; NaN = central value, as all of draw 0 is.
    draws
        Number of draws.
    """
    own = replace(scenario_inputs(scenario, inputs), reads={})
    sampled = own.params(drawn=drawn, draws=draws)
    plain = scenario_params(replace(scenario, settings={}), own, sampled)
    params = scenario_params(scenario, own, sampled)
    series = evaluate(scenario, inputs, params, starts=starts, plain=plain)
    read = params.reads().filter(pl.col("reads") > 0)
    return Outcome(series, frozenset(read.select("parameter", "subject").iter_rows()))
