"""A scenario under given parameters, down to its indicators: what ensembles, sensitivities and searches call again and again."""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType
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
    lost
        Draws of the batch of which nothing holds -> why.
    """

    series: tuple[Series, ...]
    read: frozenset[Key]
    lost: Mapping[int, str] = MappingProxyType({})


def evaluate_drawn(
    scenario: Scenario, inputs: Inputs, drawn: Mapping[Key, NDArray[np.float64]], draws: int, starts: FreightStarts | None = None
) -> Outcome:
    """Return what a scenario comes to where inputs take given quantiles of their ranges; nothing is simulated.

    Parameters
    ----------
    scenario
        A resolved scenario.
    inputs
        Checked data.
    starts
        As in :func:`transport.study.model_parts`.
    drawn
        Key -> quantile of every draw ``[draw]``; NaN = central value, as all of draw 0 is.
    draws
        Number of draws.
    """
    own = replace(scenario_inputs(scenario, inputs), reads={})
    sampled = own.params(drawn=drawn, draws=draws)
    plain = scenario_params(replace(scenario, settings={}), own, sampled)
    params = scenario_params(scenario, own, sampled)
    bare = replace(scenario, simulate="none")
    parts = model_parts(bare, inputs, starts=starts, response=False, given=Given(params, plain), light=True)
    read = params.reads().filter(pl.col("reads") > 0)
    return Outcome(
        (*all_series(parts), *observed_series(parts)),
        frozenset(read.select("parameter", "subject").iter_rows()),
        dict.fromkeys(parts.freight.unsettled, "CalibrationError: a margin of the base year is out of reach of the constants"),
    )
