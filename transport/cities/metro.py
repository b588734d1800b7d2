"""Length of a city's metro in service: the open lines of ``demand/metro_lines``, what they leave of the network observed, and what levers add."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from transport.cities.segments import of_area
from transport.layout import YEARS

if TYPE_CHECKING:
    from transport.cities.layout import Array
    from transport.params import Params
    from transport.passengers import TableSource

#: Table of the lines, their sections and extensions.
LINES = "demand/metro_lines"


def metro_length_km(inputs: TableSource, params: Params, area: str) -> Array:
    """Return the mean length of the metro in service over each year [km], array ``[draw, year]``.

    Parameters
    ----------
    inputs
        Table ``demand/metro_lines``; openings that a scenario sets stand in it (:func:`transport.projects.with_projects`).
    params
        Rows ``metro_programme_year``, ``metro_opening_delay``, ``metro_length_other`` and ``metro_length_added``.
    area
        Prefecture code.

    Raises
    ------
    ValueError
        If a line's opening does not lie between its earliest and latest, or the length of a year is negative.

    Notes
    -----
    ``length = sum over lines of km x min(1, years open) + other + added``. A line opens at its expected time plus ``d`` times the distance
    to the latest (``d > 0``) or earliest (``d < 0``) one, ``d`` of ``metro_opening_delay`` between -1 and 1: the lines of a city are late together.
    ``metro_programme_year`` is the year whose state of the lines holds: the calendar, unless parameters are held at a year; openings that a
    scenario sets keep to the calendar.
    """
    programme = of_area(params, "metro_programme_year", area) + 1.0
    calendar = np.asarray(YEARS, dtype=np.float64) + 1.0
    delay = of_area(params, "metro_opening_delay", area)[:, :1]
    length: Array = np.zeros((params.draws, len(YEARS)))
    rows = inputs.table(LINES).filter(pl.col("area") == area, pl.col("open_year").is_not_null()).sort("line_id")
    for row in rows.iter_rows(named=True):
        line, km, expected = row["line_id"], row["length_km"], row["open_year"]
        early, late = (expected if row[name] is None else row[name] for name in ("open_low", "open_high"))
        year_ends = calendar if row.get("by_scenario") else programme
        if not early <= expected <= late:
            msg = f"{LINES}: {line} opens in {expected:g}, not between open_low {early:g} and open_high {late:g}; correct the row"
            raise ValueError(msg)
        opening = expected + np.where(delay > 0, delay * (late - expected), delay * (expected - early))
        length += km * np.clip(year_ends - opening, 0.0, 1.0)
    length += of_area(params, "metro_length_other", area)
    length += of_area(params, "metro_length_added", area)
    # a network observed and its lines may differ in the last digits
    if bool(np.any(length < -1e-9)):
        draw, year = (int(i) for i in np.argwhere(length < 0)[0])
        msg = f"the metro of {area} has {length[draw, year]:.1f} km in {YEARS[year]}; metro_length_other takes away more than the lines hold"
        raise ValueError(msg)
    return np.maximum(length, 0.0)


def network_length_km(inputs: TableSource, params: Params) -> Array:
    """Return the mean length of the metros of all cities in service over each year [km], array ``[draw, year]``.

    Parameters
    ----------
    inputs, params
        As :func:`metro_length_km`; the cities are the subjects of ``metro_length_added``.
    """
    total: Array = np.zeros((params.draws, len(YEARS)))
    for area in params.subjects("metro_length_added"):
        total += metro_length_km(inputs, params, area)
    return total
