"""Green travel of the cities: the share with its interval and switches by scenario, and what each lever alone would need for the target."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl
from scipy.optimize import elementwise

from transport.city_case import city_cases
from transport.study import GREEN_TARGET_YEAR

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    from transport.city_case import CityCase, Job
    from transport.inputs import Inputs
    from transport.params import Lever
    from transport.scenario import Scenario

    Array = NDArray[np.float64]
    #: Called with (cities done, cities to do, scenario and city).
    Progress = Callable[[int, int, str], None]

#: Ends of the interval of a share and of a required value.
INTERVAL = (0.05, 0.95)
#: Values of a lever that are tried between the ends of its range, to see where the share rises and falls.
_GRID = 9
#: A share this near to the target has reached it; a lever that moves the share by less does not act in the city [dimensionless].
_NEAR, _NOTHING = 1e-9, 1e-9
_PERCENT = 100.0
#: Columns of the view.
VIEW = {
    "scenario": pl.String,
    "area": pl.String,
    "year": pl.Int64,
    "has_target": pl.Boolean,
    "share_pct": pl.Float64,
    "share_p5_pct": pl.Float64,
    "share_p95_pct": pl.Float64,
    "target_pct": pl.Float64,
    "gap_points": pl.Float64,
    "probability_pct": pl.Float64,
    "without_e_bike_pct": pl.Float64,
    "peak_pct": pl.Float64,
    "cold_pct": pl.Float64,
    "transit_of_motorised_pct": pl.Float64,
    "base_pct": pl.Float64,
    "break_even_base_pct": pl.Float64,
    "break_even_2019_pct": pl.Float64,
}
#: Readings that stand beside the share.
_BESIDE = ("without_e_bike", "peak", "cold", "transit_of_motorised", "base", "break_even_base", "break_even_2019")
#: Columns of the required values.
NEEDS = {
    "scenario": pl.String,
    "area": pl.String,
    "year": pl.Int64,
    "lever": pl.String,
    "scope": pl.String,
    "now": pl.Float64,
    "minimum": pl.Float64,
    "maximum": pl.Float64,
    "status": pl.String,
    "value": pl.Float64,
    "value_p5": pl.Float64,
    "value_p95": pl.Float64,
    "reach_pct": pl.Float64,
    "share_now_pct": pl.Float64,
    "share_pct": pl.Float64,
    "monotonic": pl.Boolean,
}


def green_travel_view(
    scenarios: Sequence[Scenario],
    inputs: Inputs,
    *,
    draws: int = 200,
    areas: Iterable[str],
    year: int = GREEN_TARGET_YEAR,
    target: float | None = None,
    progress: Progress | None = None,
) -> pl.DataFrame:
    """Return the green travel share of cities by scenario.

    Parameters
    ----------
    scenarios
        Resolved scenarios.
    inputs
        Checked data.
    draws
        Number of draws; with one there is no interval and no probability.
    areas
        Prefecture codes.
    year
        Calendar year.
    target
        Share to hold the cities against [dimensionless]; that of the data by default.
    progress
        Called before every city.

    Returns
    -------
    DataFrame
        Columns of :data:`VIEW`: share of the central run with its 5 and 95 percent quantiles, what is missing to the target [percentage points],
        share of the draws that meet it, the switches beside it (null where the travel model has none), the share of 2020 and the one with which
        the target of 2030 would be met exactly.

    Notes
    -----
    Only the travel model runs, with the parameters that it reads.
    """
    wanted = tuple(areas)
    tell = progress or (lambda *_: None)
    count = len(scenarios) * len(wanted)
    rows: list[dict[str, object]] = []
    for scenario in scenarios:
        for case in city_cases(inputs, scenario, wanted, year, draws=draws, target=target):
            tell(len(rows), count, f"{scenario.name} {case.area}")
            rows.append(_view_row(case))
    tell(count, count, "")
    return pl.DataFrame(rows, schema=VIEW)


def _view_row(case: CityCase) -> dict[str, object]:
    found = case.readings()
    share, sampled = case.sampled(), case.bare.draws > 1
    low, high = np.quantile(share, INTERVAL) * _PERCENT

    def percent(name: str) -> float | None:
        value = found[name]
        return None if value is None else value * _PERCENT

    return {
        "scenario": case.scenario,
        "area": case.area,
        "year": case.year,
        "has_target": case.has_target,
        "share_pct": float(share[0]) * _PERCENT,
        "share_p5_pct": float(low) if sampled else None,
        "share_p95_pct": float(high) if sampled else None,
        "target_pct": case.target * _PERCENT,
        "gap_points": (case.target - float(share[0])) * _PERCENT,
        "probability_pct": float(np.mean(share >= case.target)) * _PERCENT if sampled else None,
        **{f"{name}_pct": percent(name) for name in _BESIDE},
    }


# ---- what one lever alone would need ----


def city_needs(case: CityCase, *, levers: Iterable[str] | None = None) -> pl.DataFrame:
    """Return, for each lever that acts on a city's travel, the value that brings the green share to the target on top of the scenario.

    Parameters
    ----------
    case
        The city in its scenario; with several draws the required value has an interval.
    levers
        Names of the levers to ask; all that act by default.

    Returns
    -------
    DataFrame
        Columns of :data:`NEEDS`, those that reach the target first. ``status``: ``met`` (the scenario is there without it), ``reached`` (at ``value``),
        ``out_of_range`` (``value`` is the best one within the range), ``no_help`` (no value is better than the scenario's).
        ``scope``: whether the lever can be moved for the city alone or moves the whole province. ``value_p5`` and ``value_p95``: between them the required value lies in nine of
        ten draws, in order of effort; null where that effort is beyond the range. ``reach_pct``: share of the draws in which the range is enough.

    Notes
    -----
    The share is looked at on a grid over the lever's range; the crossing nearest to the scenario's value is then found by Chandrupatla's method, all
    levers at once, until the share is within 1e-9 of the target.
    """
    asked = [lever for lever in case.levers if levers is None or lever.lever in set(levers)]
    grids = [_grid(lever, case.value(lever)) for lever in asked]
    seen = case.shares([(case.moved(x, v), 0) for x, grid in zip(asked, grids, strict=True) for v in grid])
    curves = np.split(seen, np.cumsum([grid.size for grid in grids])[:-1]) if asked else []
    acting = [k for k, curve in enumerate(curves) if float(np.ptp(curve)) > _NOTHING]
    now = float(case.shares([({}, 0)])[0])
    brackets = {k: _bracket(grids[k], curves[k] - case.target, case.value(asked[k])) for k in acting}
    open_ = [k for k in acting if brackets[k] is not None and now < case.target - _NEAR]
    values = dict(zip(open_, _roots(case, [(asked[k], 0, brackets[k]) for k in open_]), strict=True))  # type: ignore[misc]
    best = {k: float(grids[k][int(np.argmax(curves[k]))]) for k in acting}
    spread = _spread(case, {k: (asked[k], best[k]) for k in acting}) if case.bare.draws > 1 else {}
    rows = []
    for k in acting:
        lever, top = asked[k], float(curves[k].max())
        status, value, share = "out_of_range", best[k], top
        if now >= case.target - _NEAR:
            status, value, share = "met", case.value(lever), now
        elif k in values:
            status, value, share = "reached", values[k], case.target
        elif top <= now + _NOTHING:
            status, value, share = "no_help", case.value(lever), now
        low, high, reach = spread.get(k, (None, None, None))
        steps = np.diff(curves[k])
        rows.append(
            {
                "scenario": case.scenario,
                "area": case.area,
                "year": case.year,
                "lever": lever.lever,
                "scope": "city" if lever.by_area or lever.subject == case.area else "province",
                "now": case.value(lever),
                "minimum": lever.minimum,
                "maximum": lever.maximum,
                "status": status,
                "value": value,
                "value_p5": low,
                "value_p95": high,
                "reach_pct": reach,
                "share_now_pct": now * _PERCENT,
                "share_pct": share * _PERCENT,
                "monotonic": bool((steps >= -_NOTHING).all() or (steps <= _NOTHING).all()),
            }
        )
    order = {"met": 0, "reached": 1, "out_of_range": 2, "no_help": 3}
    rows.sort(key=lambda row: (order[str(row["status"])], -float(str(row["share_pct"]))))
    return pl.DataFrame(rows, schema=NEEDS)


def _grid(lever: Lever, now: float) -> Array:
    """Return values over the range of a lever, the scenario's among them, sorted."""
    return np.unique([*np.linspace(lever.minimum, lever.maximum, _GRID), now])


def _bracket(grid: Array, gap: Array, now: float) -> tuple[float, float] | None:
    """Return the two values between which the share crosses the target from below, the nearest pair to the scenario's value; None without any."""
    crossed = np.flatnonzero((gap[:-1] < 0.0) != (gap[1:] < 0.0))
    if crossed.size == 0:
        return None
    distance = np.minimum(np.abs(grid[crossed] - now), np.abs(grid[crossed + 1] - now))
    k = int(crossed[int(np.argmin(distance))])
    return float(grid[k]), float(grid[k + 1])


def _roots(case: CityCase, asked: Sequence[tuple[Lever, int, tuple[float, float]]]) -> list[float]:
    """Return the values at which the share is the target: (lever, draw, bracket) each."""
    if not asked:
        return []

    def gap(value: Array, which: Array) -> Array:
        jobs: list[Job] = []
        for v, k in zip(np.ravel(value).tolist(), np.ravel(which).tolist(), strict=True):
            lever, draw, _ = asked[int(k)]
            jobs.append((case.moved(lever, min(max(v, lever.minimum), lever.maximum)), draw))
        return (case.shares(jobs) - case.target).reshape(np.shape(value))

    low, high = (np.array([bracket[end] for _, _, bracket in asked]) for end in (0, 1))
    found = elementwise.find_root(gap, (low, high), args=(np.arange(len(asked), dtype=np.float64),), tolerances={"fatol": _NEAR})
    return [float(x) for x in np.atleast_1d(found.x)]


def _spread(case: CityCase, asked: Mapping[int, tuple[Lever, float]]) -> dict[int, tuple[float | None, float | None, float]]:
    """Return the required value at both ends of the interval over the draws, and the share of the draws within the range [percent].

    Notes
    -----
    Effort is the way from the scenario's value to the best one of the range: none where the draw meets the target by itself, more than the whole
    where even the best value misses it. (lever, best value) come by key.
    """
    keys = [k for k, (lever, best) in asked.items() if best != case.value(lever)]
    gaps = np.stack([case.sampled(), *(case.sampled(case.moved(*asked[k])) for k in keys)]) - case.target
    jobs = [(k, int(d)) for j, k in enumerate(keys, start=1) for d in np.flatnonzero((gaps[0] < 0.0) & (gaps[j] >= 0.0))]
    roots = _roots(case, [(asked[k][0], d, (case.value(asked[k][0]), asked[k][1])) for k, d in jobs])
    efforts = {k: np.where(gaps[0] >= 0.0, 0.0, np.inf) for k in asked}
    for (k, d), root in zip(jobs, roots, strict=True):
        start = case.value(asked[k][0])
        efforts[k][d] = (root - start) / (asked[k][1] - start)
    found = {}
    for k, (lever, best) in asked.items():
        start = case.value(lever)
        ends = [
            start + float(e) * (best - start) if np.isfinite(e) else None
            for e in np.quantile(efforts[k], INTERVAL, method="nearest")
        ]
        found[k] = (ends[0], ends[1], float(np.mean(np.isfinite(efforts[k]))) * _PERCENT)
    return found


def needs_table(cases: Iterable[CityCase], *, progress: Progress | None = None) -> pl.DataFrame:
    """Return the required values of several cities, one after the other.

    Parameters
    ----------
    cases
        Cities in their scenarios.
    progress
        Called before every city.
    """
    every = tuple(cases)
    tell = progress or (lambda *_: None)
    frames = [pl.DataFrame(schema=NEEDS)]
    for k, case in enumerate(every):
        tell(k, len(every), f"{case.scenario} {case.area}")
        frames.append(city_needs(case))
    tell(len(every), len(every), "")
    return pl.concat(frames)
