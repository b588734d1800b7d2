"""Flights of an airport as turnarounds: a timetable made from yearly movements, or one that somebody hands in.

A turnaround is an aircraft on a stand from its arrival to its departure. Aircraft that stay overnight arrive in the evening and leave in the
morning; all others stay about as long as their size needs. Time is minutes from Monday 00:00; a warm-up lies before 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from fleets.errors import BlockError
from fleets.records import DAY_MIN, WEEK_MIN, child_seed
from fleets.tables import as_frame

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from numpy.typing import ArrayLike, NDArray

STANDS: tuple[str, ...] = ("contact", "remote")
_SCHEMA: dict[str, Any] = {"arrive_min": pl.Float64, "depart_min": pl.Float64, "size": pl.String, "stand": pl.String}
_NUMBER, _STAY, _SIZE, _STAND, _NIGHT = range(5)
_HOUR = 60.0


@dataclass(frozen=True, slots=True)
class Traffic:
    """Traffic of an airport from which a timetable is made.

    Attributes
    ----------
    turnarounds_per_day
        Mean number of turnarounds by day, from the first day of the warm-up.
    size_share
        Share of each aircraft size; they add up to 1.
    stay_min
        Mean time on stand by size, nights left out [min].
    stay_cv
        Coefficient of variation of the time on stand.
    shortest_min
        Shortest time on stand by (size, stand): what handling takes if nothing is missing [min]; 0 where it is not named.
    contact_share
        Share of turnarounds at contact stands.
    overnight_share
        Share of turnarounds that stay overnight.
    evening_h, morning_h
        Hours between which aircraft of the night arrive and, the next day, leave [h].
    """

    turnarounds_per_day: tuple[float, ...]
    size_share: Mapping[str, float]
    stay_min: Mapping[str, float]
    stay_cv: float
    shortest_min: Mapping[tuple[str, str], float]
    contact_share: float
    overnight_share: float = 0.0
    evening_h: tuple[float, float] = (20.0, 24.0)
    morning_h: tuple[float, float] = (6.0, 9.0)

    def __post_init__(self) -> None:
        shares = list(self.size_share.values())
        if any(s < 0.0 for s in shares) or abs(sum(shares) - 1.0) > 1e-9:
            msg = f"size_share={dict(self.size_share)} must not be negative and add up to 1"
            raise BlockError(msg)
        missing = [s for s in self.size_share if not self.stay_min.get(s, 0.0) > 0.0]
        if missing:
            msg = f"stay_min has no time on stand for the size {missing[0]}"
            raise BlockError(msg)
        for name, value in (("contact_share", self.contact_share), ("overnight_share", self.overnight_share)):
            if not 0.0 <= value <= 1.0:
                msg = f"{name}={value} must lie in 0 to 1"
                raise BlockError(msg)
        if not all(n >= 0.0 for n in self.turnarounds_per_day) or not self.stay_cv >= 0.0:
            msg = f"turnarounds_per_day={self.turnarounds_per_day} and stay_cv={self.stay_cv} must not be negative"
            raise BlockError(msg)
        for name, (begin, end) in (("evening_h", self.evening_h), ("morning_h", self.morning_h)):
            if not 0.0 <= begin < end <= 24.0:
                msg = f"{name}=({begin:g}, {end:g}) must be two rising hours of the day"
                raise BlockError(msg)


def flight_schedule(
    traffic: Traffic, hourly_share: ArrayLike, seed: np.random.SeedSequence, *, warmup_min: int = DAY_MIN
) -> pl.DataFrame:
    """Return a timetable for the days of the traffic.

    Parameters
    ----------
    traffic
        Turnarounds by day, sizes, stands and nights.
    hourly_share
        Movements (arrivals and departures) by hour of the day, array ``(24,)``.
    seed
        Seed of the timetable; number, stays, sizes, stands and nights have streams of their own.
    warmup_min
        Length of the warm-up that the first days are [min].

    Returns
    -------
    table
        Columns arrive_min, depart_min, size, stand, sorted by arrival.

    Raises
    ------
    BlockError
        If the profile is not 24 values with a positive sum.

    Notes
    -----
    The number of a day is fixed up to rounding. Nights take their arrivals from the evening and their departures from the morning of the
    profile; what is left of the profile gives the middle of all other stays, so that half of each stay lies before and half after it. A stay
    is the shortest one plus a gamma time, with the mean and the spread of the size (less spread where that would need more than an exponential).
    """
    share = np.asarray(hourly_share, dtype=np.float64)
    if share.shape != (24,) or not share.sum() > 0 or not (share >= 0.0).all():
        msg = f"hourly_share needs 24 values that are not negative, with a positive sum; got shape {share.shape}"
        raise BlockError(msg)
    share = share / share.sum()
    rng = [np.random.default_rng(child_seed(seed, k)) for k in range(5)]
    evening, morning = _within(share, traffic.evening_h), _within(share, traffic.morning_h)
    middle: list[NDArray[np.float64]] = []
    night: list[NDArray[np.float64]] = []
    for day, mean in enumerate(traffic.turnarounds_per_day):
        begin = day * DAY_MIN - warmup_min
        n = int(mean + rng[_NUMBER].random())
        nights = min(n, int(traffic.overnight_share * n + rng[_NIGHT].random()))
        rest = np.maximum(2.0 * n * share - nights * (evening + morning), 0.0)
        rest = rest if rest.sum() > 0.0 else share
        middle.append(begin + _spread(rest, n - nights, rng[_NUMBER]))
        leave = begin + DAY_MIN + rng[_NIGHT].permutation(_spread(morning, nights, rng[_NIGHT]))
        night.append(np.column_stack([begin + _spread(evening, nights, rng[_NIGHT]), leave]))
    mid, stays = np.concatenate(middle), np.concatenate(night)
    n = mid.size + len(stays)
    sizes = list(traffic.size_share)
    size = rng[_SIZE].choice(len(sizes), n, p=np.array([traffic.size_share[s] for s in sizes]))
    contact = rng[_STAND].random(n) < traffic.contact_share
    shortest = np.array([[traffic.shortest_min.get((s, stand), 0.0) for stand in STANDS] for s in sizes])
    stay = _stays(
        np.array([traffic.stay_min[s] for s in sizes])[size], shortest[size, np.where(contact, 0, 1)], traffic.stay_cv, rng[_STAY]
    )
    arrive = np.concatenate([mid - stay[: mid.size] / 2.0, stays[:, 0]])
    depart = np.concatenate([mid + stay[: mid.size] / 2.0, np.maximum(stays[:, 1], stays[:, 0] + stay[mid.size :])])
    frame = pl.DataFrame(
        {
            # the run begins with an empty apron: nobody has arrived before
            "arrive_min": np.maximum(arrive, -float(warmup_min)),
            "depart_min": np.maximum(depart, stay - warmup_min),
            "size": np.array(sizes, dtype=object)[size].tolist(),
            "stand": np.where(contact, *STANDS).tolist(),
        },
        schema=_SCHEMA,
    )
    return frame.sort("arrive_min", "depart_min", "size", "stand")


def check_schedule(schedule: Any, sizes: Collection[str], *, contact_share: float | None = None) -> pl.DataFrame:
    """Return a timetable that somebody hands in, checked and sorted by arrival.

    Parameters
    ----------
    schedule
        Table with arrive_min and depart_min (minutes from Monday 00:00, arrivals within the week), size, and if wanted stand
        (``contact``, ``remote`` or missing); a column row says where each stands in its file, and problems name that row.
    sizes
        Sizes that handling knows.
    contact_share
        Share of contact stands where no stand is named: every turnaround in order gets the stand that keeps the share; None asks for all stands.

    Returns
    -------
    table
        Columns arrive_min, depart_min, size, stand.

    Raises
    ------
    BlockError
        With all problems at once, each with its row (that of its file, or counted from 0) and value.

    Examples
    --------
    >>> check_schedule(
    ...     {"arrive_min": [60], "depart_min": [110], "size": ["narrow_body"]}, ["narrow_body"], contact_share=1.0
    ... ).row(0)
    (60.0, 110.0, 'narrow_body', 'contact')
    """
    frame = as_frame(schedule, "schedule", BlockError)
    lacking = [c for c in ("arrive_min", "depart_min", "size") if c not in frame.columns]
    if lacking:
        msg = f"schedule: columns {', '.join(lacking)} are missing; there are {', '.join(frame.columns) or 'none'}"
        raise BlockError(msg)
    found = frame.select(
        pl.col("arrive_min", "depart_min").cast(pl.Float64, strict=False),
        pl.col("size").cast(pl.String),
        (pl.col("stand").cast(pl.String) if "stand" in frame.columns else pl.lit(None, dtype=pl.String)).alias("stand"),
    ).with_columns(pl.when(pl.col("stand").str.strip_chars() != "").then(pl.col("stand").str.strip_chars()).alias("stand"))
    rows = frame["row"].to_list() if "row" in frame.columns else range(found.height)
    problems = []
    for i, column, remedy in schedule_faults(found, sizes, all_stands=contact_share is None):
        value = frame[column][i] if column in frame.columns else None
        said = "missing" if column == "stand" and value is None else repr(value) if column in {"size", "stand"} else value
        problems.append(f"row {rows[i]}: {column} is {said}; {remedy}")
    if not frame.height:
        problems.append("there is no turnaround")
    if problems:
        msg = f"schedule: {len(problems)} problems\n" + "\n".join(problems)
        raise BlockError(msg)
    found = found.sort("arrive_min", "depart_min", "size", "stand")
    if contact_share is not None:
        # each turnaround without a stand gets the one that brings the contact share of all so far closest to the wanted one
        order = np.arange(found.height)
        contact = np.floor((order + 1) * contact_share + 1e-9) > np.floor(order * contact_share + 1e-9)
        found = found.with_columns(pl.coalesce("stand", pl.Series(np.where(contact, *STANDS).tolist())).alias("stand"))
    return found.select(list(_SCHEMA))


def schedule_faults(schedule: pl.DataFrame, sizes: Collection[str], *, all_stands: bool = False) -> list[tuple[int, str, str]]:
    """Return what is wrong with the turnarounds of a timetable: position, column and what to do.

    Parameters
    ----------
    schedule
        Columns arrive_min, depart_min (missing where they are no number), size, stand (missing where none is named).
    sizes
        Sizes that handling knows.
    all_stands
        Whether every turnaround must name its stand.
    """
    found = []
    for i, (arrive, depart, size, stand) in enumerate(schedule.select(list(_SCHEMA)).iter_rows()):
        if arrive is None or not 0.0 <= arrive < WEEK_MIN:
            found.append((i, "arrive_min", f"it must be minutes from Monday 00:00, 0 to {WEEK_MIN}"))
        elif depart is None or not arrive < depart <= arrive + WEEK_MIN:
            found.append((i, "depart_min", f"it must lie after arrive_min={arrive:g}, within a week"))
        if size not in sizes:
            found.append((i, "size", f"there are {', '.join(sorted(sizes))}"))
        if stand not in STANDS and (all_stands or stand is not None):
            found.append((i, "stand", f"there are {', '.join(STANDS)}"))
    return found


def with_warmup(schedule: pl.DataFrame, warmup_min: int) -> pl.DataFrame:
    """Return a timetable of a week with the end of the week before in front of it, as far as the warm-up goes."""
    before = schedule.filter(pl.col("arrive_min") >= WEEK_MIN - warmup_min).with_columns(
        pl.col("arrive_min", "depart_min") - WEEK_MIN
    )
    return pl.concat([before, schedule]).sort("arrive_min", "depart_min", "size", "stand")


def movements_by_hour(schedule: pl.DataFrame) -> NDArray[np.float64]:
    """Return arrivals and departures of a timetable by hour of the day, array ``(24,)``."""
    times = np.concatenate([schedule["arrive_min"].to_numpy(), schedule["depart_min"].to_numpy()])
    return np.bincount((np.floor(times / _HOUR) % 24).astype(np.int64), minlength=24).astype(np.float64)


def _within(share: NDArray[np.float64], hours: tuple[float, float]) -> NDArray[np.float64]:
    """Return the profile inside some hours with a sum of 1; even if nobody moves then."""
    edge = np.arange(24.0)
    part = np.clip(np.minimum(edge + 1.0, hours[1]) - np.maximum(edge, hours[0]), 0.0, 1.0)
    inside = share * part
    if not inside.sum() > 0.0:
        inside = part
    return np.asarray(inside / inside.sum())


def _spread(share: NDArray[np.float64], n: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Return n times of the day that follow a profile evenly [min]."""
    cumulative = np.concatenate([[0.0], np.cumsum(share / share.sum())])
    points = (np.arange(n) + rng.random(n)) / max(n, 1)
    hour = np.arange(25) * _HOUR
    # hours without movements have no width in the cumulative share: the search steps over them
    left = np.minimum(np.searchsorted(cumulative[1:], points, side="right"), np.flatnonzero(share)[-1])
    width = cumulative[left + 1] - cumulative[left]
    return np.asarray(hour[left] + _HOUR * (points - cumulative[left]) / width)


def _stays(mean: NDArray[np.float64], shortest: NDArray[np.float64], cv: float, rng: np.random.Generator) -> NDArray[np.float64]:
    """Return times on stand with a mean, a spread and a shortest time [min]."""
    above = np.maximum(mean - shortest, 0.0)
    # where little is left above the shortest time, at most an exponential time comes on top
    spread = np.minimum(cv * mean, above)
    random = spread > 0.0
    shape = np.where(random, (above / np.where(random, spread, 1.0)) ** 2, 1.0)
    drawn = rng.gamma(shape) / shape * above
    return shortest + np.where(random, drawn, above)
