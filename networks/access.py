"""Access by network: who lives within a walk of a stop, how well streets for walking and cycling hang together.

Pure functions over streets (:mod:`networks.streets`) and frames: ``stops`` has ``kind``, ``lat``, ``lon``; ``homes`` has ``lat``, ``lon``,
``population``, a point standing for the residents around it. A walk is the straight line from the home to its nearest street place, the
shortest way along streets, and the straight line from there to the stop; so no walk is shorter than the straight line, and coverage by
network is never above coverage by straight line, which is what standards of stop coverage state.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
from scipy.sparse import csr_array
from scipy.sparse.csgraph import dijkstra
from scipy.spatial import cKDTree

from networks.errors import NetworkError
from networks.streets import degrees, on_sphere, snap

if TYPE_CHECKING:
    from collections.abc import Mapping

    from networks.streets import Flags, Floats, Ints, Streets

#: Kinds of stops.
KINDS = ("bus", "metro")
#: A home or stop farther beyond the outline of the streets belongs to another place [m].
_OUTSIDE_M = 2_000.0
#: Distances closer to a radius than this count as on it [m].
_ON_IT_M = 1e-3
#: Ways from a home to others are followed up to this multiple of the farthest straight line asked for.
_FARTHEST = 5.0
#: Searches for detours touch about so many places in all, and start from no fewer homes than this.
_WORK, _LEAST_ORIGINS = 5_000_000, 20
_BLOCK = 64


@dataclass(frozen=True)
class AccessRules:
    """What counts as near, and which streets are calm enough to cycle on.

    Attributes
    ----------
    radius_m
        Kind of stop -> walk that still counts as near [m].
    walk_km_h
        Speed of a walk [km/h].
    point_error_m
        How far residents live from the point that stands for them [m]; the range of a share comes from radius plus and minus this.
    piece_m
        Longest piece of street without a place to join it [m].
    calm_classes
        Values of ``highway`` whose streets are calm.
    calm_tracks
        Values of ``cycleway`` that make any street calm.
    calm_speed_km_h
        A street of any class with a limit up to this is calm [km/h].
    mixed_speed_km_h
        A street of a calm class with a limit above this is not [km/h].
    reach_m
        Farthest calm street that a home can reach [m].
    merge_m
        Crossings closer than this are one [m].
    detour_m
        Mode (walk, cycle) -> nearest and farthest straight line of the trips that detours are measured on [m].
    """

    radius_m: Mapping[str, float]
    walk_km_h: float
    point_error_m: float
    piece_m: float
    calm_classes: frozenset[str]
    calm_tracks: frozenset[str]
    calm_speed_km_h: float
    mixed_speed_km_h: float
    reach_m: float
    merge_m: float
    detour_m: Mapping[str, tuple[float, float]]


def access_rules(parameters: pl.DataFrame) -> AccessRules:
    """Return the rules that the rows ``access_*`` of the parameters state.

    Parameters
    ----------
    parameters
        Rows with ``parameter``, ``subject``, ``value``.

    Raises
    ------
    NetworkError
        If a row is missing.
    """
    value = {(p, s): v for p, s, v in parameters.select("parameter", "subject", "value").iter_rows() if v is not None}

    def of(parameter: str, subject: str = "all") -> float:
        try:
            return float(value[parameter, subject])
        except KeyError:
            msg = f"no value of {parameter} {subject}; add the row to data/parameters"
            raise NetworkError(msg) from None

    def chosen(parameter: str) -> frozenset[str]:
        return frozenset(s for (p, s), v in value.items() if p == parameter and v > 0)

    return AccessRules(
        radius_m={kind: of("access_radius", kind) for kind in KINDS},
        walk_km_h=of("access_walk_speed"),
        point_error_m=of("access_point_error"),
        piece_m=of("access_piece_length"),
        calm_classes=chosen("access_calm_class"),
        calm_tracks=chosen("access_calm_track"),
        calm_speed_km_h=of("access_calm_speed", "any_class"),
        mixed_speed_km_h=of("access_calm_speed", "calm_class"),
        reach_m=of("access_cycle_reach"),
        merge_m=of("access_crossing_merge"),
        detour_m={
            m: (of("access_detour_distance", f"{m}_least"), of("access_detour_distance", f"{m}_most")) for m in ("walk", "cycle")
        },
    )


# ---- stops ----


def walks(streets: Streets, stops: pl.DataFrame, homes: pl.DataFrame) -> tuple[Floats, Floats]:
    """Return the walk from each home to its nearest stop, along streets and as a straight line.

    Dijkstra's search from all stops at once, each beginning with its way to the street.

    Parameters
    ----------
    streets
        Streets on foot.
    stops, homes
        With ``lat``, ``lon``.

    Returns
    -------
    network_m, straight_m
        Arrays ``[home]`` [m]; infinite along streets where no stop is joined to the home's street, or there is no stop.
    """
    count = len(streets.place)
    if stops.is_empty():
        return np.full(homes.height, np.inf), np.full(homes.height, np.inf)
    where, there = _points(stops), _points(homes)
    to_street, joined = snap(streets, where)
    from_home, left = snap(streets, there)
    # one more place from which each stop is as far as its way to the street; of several stops at a place the nearest counts
    first = np.lexsort([to_street, joined])
    joined, start = np.unique(joined[first], return_index=True)
    along = streets.matrix().tocoo()
    rows = np.concatenate([along.row, np.full(len(joined), count)])
    columns = np.concatenate([along.col, joined])
    lengths = np.concatenate([along.data, to_street[first][start]])
    linked = csr_array((lengths, (rows, columns)), shape=(count + 1, count + 1))
    found = np.asarray(dijkstra(linked, directed=True, indices=[count]))[0]
    straight, _ = cKDTree(where).query(there)
    return from_home + found[left], np.asarray(straight)


def stop_access(streets: Streets, stops: pl.DataFrame, homes: pl.DataFrame, rules: AccessRules) -> pl.DataFrame:
    """Return how many residents live near a stop of each kind.

    Parameters
    ----------
    streets
        Streets on foot.
    stops
        ``kind``, ``lat``, ``lon``.
    homes
        ``lat``, ``lon``, ``population``.
    rules
        Radius by kind, walking speed, error of the points.

    Returns
    -------
    polars.DataFrame
        One row per kind that has stops: ``kind``, ``stops``, ``share`` (of residents within the radius along streets), ``low`` and ``high`` (radius less
        and plus the error of the points), ``straight_share``, ``straight_low``, ``straight_high``, ``walk_min`` (mean walk to the nearest stop
        of those joined to one [min]; null if none is), ``apart_share`` (of residents whose streets lead to no stop).
    """
    people = homes["population"].to_numpy().astype(np.float64)
    rows = []
    for kind in (k for k in KINDS if k in set(stops["kind"])):
        of_kind = stops.filter(pl.col("kind") == kind)
        along, straight = walks(streets, of_kind, homes)
        joined = np.isfinite(along)
        radius, error = rules.radius_m[kind], rules.point_error_m
        spread = (radius, max(radius - error, 0.0), radius + error)
        shares = [_share(distance <= r + _ON_IT_M, people) for distance in (along, straight) for r in spread]
        reached = float(people[joined].sum())
        minutes = float(along[joined] @ people[joined]) / reached / (rules.walk_km_h * 1000.0 / 60.0) if reached else None
        rows.append((kind, of_kind.height, *shares, minutes, _share(~joined, people)))
    columns = ["share", "low", "high", "straight_share", "straight_low", "straight_high", "walk_min", "apart_share"]
    types = {"kind": pl.String(), "stops": pl.Int64(), **dict.fromkeys(columns, pl.Float64())}
    return pl.DataFrame(rows, schema=types, orient="row")


def _share(chosen: Flags, people: Floats) -> float:
    # zeros in the place of those left out: the same order of summing, so no rounding lifts a part above the whole
    return float((people * chosen).sum() / people.sum())


def _points(frame: pl.DataFrame) -> Floats:
    return on_sphere(frame["lat"].to_numpy(), frame["lon"].to_numpy())


# ---- cycling ----


def calm(streets: Streets, rules: AccessRules) -> Flags:
    """Return which pieces are calm enough for most people to cycle on, array ``[piece]``.

    All classes of a way are calm classes and its limit is not above the one of mixed traffic; or all its cycleway tags name a track; or its
    limit is that of calm traffic. A way with several tags (joined by the simplification of the graph) must pass with all of them.
    """
    classes, tracks = pl.col("highway"), pl.col("cycleway")
    limit = pl.col("maxspeed_km_h")

    def all_in(column: pl.Expr, allowed: frozenset[str]) -> pl.Expr:
        return (column.list.len() > 0) & column.list.eval(pl.element().is_in(sorted(allowed))).list.all()

    quiet = all_in(classes, rules.calm_classes) & (limit.is_null() | (limit <= rules.mixed_speed_km_h))
    slow = (limit <= rules.calm_speed_km_h).fill_null(value=False)
    found = streets.tags.select(calm=quiet | all_in(tracks, rules.calm_tracks) | slow)["calm"]
    return np.asarray(found.to_numpy(), dtype=np.bool_)[streets.tag]


def served_share(streets: Streets, homes: pl.DataFrame, reach_m: float) -> float:
    """Return the share of residents who can reach one and the same connected part of the streets.

    Of all parts the one that serves most residents counts; a home is served if a place of the part lies within ``reach_m`` [m] of it. With
    fewer streets it never rises.

    Parameters
    ----------
    streets
        Calm streets.
    homes
        ``lat``, ``lon``, ``population``.
    reach_m
        Straight line [m].
    """
    if not len(streets.place):
        return 0.0
    people = homes["population"].to_numpy().astype(np.float64)
    part = streets.parts()
    found: Any = cKDTree(streets.place).query_ball_point(_points(homes), reach_m + _ON_IT_M, return_sorted=False)
    near: list[list[int]] = list(found)
    counts = np.array([len(some) for some in near], dtype=np.int64)
    if not counts.sum():
        return 0.0
    places = np.concatenate([np.asarray(some, dtype=np.int64) for some in near if some])
    size = int(part.max()) + 1
    home, of = np.divmod(np.unique(np.repeat(np.arange(len(near)), counts) * size + part[places]), size)
    served = np.bincount(of, weights=people[home])
    everybody = np.bincount(np.zeros(len(people), dtype=np.int64), weights=people)  # summed one by one, as the parts are
    return float(served.max() / everybody[0])


@dataclass(frozen=True)
class Detour:
    """How much longer trips are than the straight line.

    Attributes
    ----------
    factor
        Sum of ways over sum of straight lines, both weighted by the residents at either end [-]; None if no pair is connected.
    connected_share
        Share of the pairs, weighted alike, that streets connect; None if there is no pair.
    pairs
        Number of pairs asked for.
    """

    factor: float | None
    connected_share: float | None
    pairs: int


def detour(streets: Streets, homes: pl.DataFrame, band_m: tuple[float, float], *, work: int = _WORK) -> Detour:
    """Return the detour factor between homes.

    All pairs of a small place; of a large one the pairs of evenly spaced homes in the order of their coordinates with all others, so the
    same homes give the same number in whatever order they come.

    Parameters
    ----------
    streets
        Streets of the mode.
    homes
        ``lat``, ``lon``, ``population``.
    band_m
        Nearest and farthest straight line of a pair [m].
    work
        Number of origins x places of the streets that is not exceeded.
    """
    near_m, far_m = band_m
    homes = homes.sort("lat", "lon", "population")
    people = homes["population"].to_numpy().astype(np.float64)
    there = _points(homes)
    off, node = snap(streets, there)
    count = homes.height
    origins = min(count, max(_LEAST_ORIGINS, work // max(len(streets.place), 1)))
    chosen = ((np.arange(origins) + 0.5) * count / origins).astype(np.int64)
    matrix = streets.matrix()
    way, line, joined, asked, pairs = 0.0, 0.0, 0.0, 0.0, 0
    for first in range(0, origins, _BLOCK):
        some = chosen[first : first + _BLOCK]
        found = dijkstra(matrix, directed=False, indices=node[some], limit=_FARTHEST * far_m)[:, node]
        straight = np.linalg.norm(there[some][:, None, :] - there[None, :, :], axis=2)
        wanted = (straight >= near_m) & (straight <= far_m)
        weight = people[some][:, None] * people[None, :] * wanted
        total = off[some][:, None] + found + off[None, :]
        linked = weight * np.isfinite(total)
        asked += float(weight.sum())
        joined += float(linked.sum())
        way += float((linked * np.where(np.isfinite(total), total, 0.0)).sum())
        line += float((linked * straight).sum())
        pairs += int(np.count_nonzero(weight))
    return Detour(way / line if line else None, joined / asked if asked else None, pairs)


# ---- everything at once ----


def measure(
    walk: Streets, cycle: Streets, stops: pl.DataFrame, homes: pl.DataFrame, rules: AccessRules, *, km2: float | None = None
) -> pl.DataFrame:
    """Return all measures of a place.

    Parameters
    ----------
    walk, cycle
        Streets on foot and on bicycle.
    stops, homes
        See :func:`stop_access`.
    rules
        See :class:`AccessRules`.
    km2
        Area of the place [km2]; None = the convex outline of the streets on foot.

    Returns
    -------
    polars.DataFrame
        ``measure``, ``kind`` (of stop; empty elsewhere), ``value`` (null if it cannot be told), ``low``, ``high`` (null without a range), ``unit``.

    Raises
    ------
    NetworkError
        Every problem of :func:`problems` at once, or that no home is joined to a stop.
    """
    wrong = problems({"walk": walk, "cycle": cycle}, stops, homes)
    if wrong:
        raise NetworkError("\n".join(wrong))
    near = stop_access(walk, stops, homes, rules)
    if (near["apart_share"] == 1.0).all():
        msg = "no stop within reach: the streets lead from no home to any stop; stops and homes lie on parts of the network that nothing connects"
        raise NetworkError(msg)
    area = walk.hull_km2() if km2 is None else km2
    rows: list[tuple[str, str, float | None, float | None, float | None, str]] = []

    def add(
        name: str, value: float | None, unit: str, kind: str = "", spread: tuple[float | None, float | None] = (None, None)
    ) -> None:
        rows.append((name, kind, value, *spread, unit))

    for row in near.iter_rows(named=True):
        kind = row["kind"]
        add("stops", row["stops"], "dimensionless", kind)
        add("stop_share_network", row["share"], "dimensionless", kind, (row["low"], row["high"]))
        add("stop_share_straight", row["straight_share"], "dimensionless", kind, (row["straight_low"], row["straight_high"]))
        add("stop_walk", row["walk_min"], "min", kind)
        add("apart_share", row["apart_share"], "dimensionless", kind)
    quiet = cycle.part(calm(cycle, rules))
    shares = [served_share(quiet, homes, max(rules.reach_m + e, 0.0)) for e in (0.0, -rules.point_error_m, rules.point_error_m)]
    on_foot, by_cycle = (detour(s, homes, rules.detour_m[m]) for s, m in ((walk, "walk"), (cycle, "cycle")))
    parts = _part_km(quiet)
    crossings = walk.crossings(rules.merge_m)
    add("area", area, "km2")
    add("walk_length", walk.km, "km")
    add("walk_density", _over(walk.km, area), "km/km2")
    add("crossing_density", _over(crossings, area), "1/km2")
    add("walk_detour", on_foot.factor, "dimensionless")
    add("cycle_connectivity_share", shares[0], "dimensionless", spread=(shares[1], shares[2]))
    add("cycle_length", cycle.km, "km")
    add("cycle_density", _over(cycle.km, area), "km/km2")
    add("calm_length", quiet.km, "km")
    add("calm_density", _over(quiet.km, area), "km/km2")
    add("calm_parts", len(parts), "dimensionless")
    add("calm_largest_length", float(parts.max(initial=0.0)), "km")
    add("cycle_detour", by_cycle.factor, "dimensionless")
    columns = ["measure", "kind", "value", "low", "high", "unit"]
    types = {c: pl.String() if c in {"measure", "kind", "unit"} else pl.Float64() for c in columns}
    return pl.DataFrame(rows, schema=types, orient="row")


def _over(value: float, area: float | None) -> float | None:
    return value / area if area else None


def _part_km(streets: Streets) -> Floats:
    """Return the length of each connected part [km]."""
    if not len(streets.place):
        return np.zeros(0)
    found: Floats = np.bincount(streets.parts()[streets.ends[:, 0]], weights=streets.length_m) / 1000.0
    return found


def problems(streets: Mapping[str, Streets], stops: pl.DataFrame | None, homes: pl.DataFrame | None) -> list[str]:
    """Return what is wrong with stops and homes, and with where they lie.

    Parameters
    ----------
    streets
        Mode (walk, cycle) -> streets, as far as they could be read.
    stops
        ``stop_id``, ``kind``, ``lat``, ``lon``; None = could not be read.
    homes
        ``point_id``, ``lat``, ``lon``, ``population``; None = could not be read.
    """
    found: list[str] = []
    for frame, what, key in ((stops, "stop", "stop_id"), (homes, "population point", "point_id")):
        if frame is None:
            continue
        if frame.is_empty():
            found.append(f"there is no {what}; give one row or more")
            continue
        twice = frame.filter(pl.col(key).is_duplicated())
        if twice.height:
            found.append(f"{what} {twice[key][0]!r} stands twice; give each its own {key}")
        astray = frame.filter(~(pl.col("lat").is_between(-90, 90) & pl.col("lon").is_between(-180, 180)))
        if astray.height:
            row = astray.row(0, named=True)
            found.append(f"{what} {row[key]!r} lies at lat {row['lat']}, lon {row['lon']}: write degrees, latitude first")
            continue
        nets = {name: net for name, net in streets.items() if name == "walk" or what != "stop"}
        found += [text for name, net in nets.items() if (text := _outside(frame, net, what, key, name))]
    if stops is not None and (kinds := stops.filter(~pl.col("kind").is_in(KINDS))).height:
        row = kinds.row(0, named=True)
        found.append(f"stop {row['stop_id']!r} has the kind {row['kind']!r}; write {' or '.join(KINDS)}")
    if homes is not None and (bad := homes.filter(~(pl.col("population").is_finite() & (pl.col("population") >= 0)))).height:
        row = bad.row(0, named=True)
        found.append(f"population point {row['point_id']!r} has the population {row['population']}; write a number from 0 on")
    elif homes is not None and homes.height and homes["population"].sum() == 0:
        found.append("no population point has residents; fill the column population")
    return found


def _outside(frame: pl.DataFrame, streets: Streets, what: str, key: str, name: str) -> str:
    """Return what to say about points far beyond the box around the streets; nothing if there are none."""
    lat, lon = degrees(streets.place)
    there = frame["lat"].to_numpy(), frame["lon"].to_numpy()
    inside = np.clip(there[0], lat.min(), lat.max()), np.clip(there[1], lon.min(), lon.max())
    beyond = np.linalg.norm(on_sphere(*there) - on_sphere(*inside), axis=1)
    far: Ints = np.flatnonzero(beyond > _OUTSIDE_M)
    if not len(far):
        return ""
    ids = ", ".join(frame[key].gather(far[:3]).to_list())
    more = f" and {len(far) - 3} more" if len(far) > 3 else ""
    return (
        f"{what} {ids}{more}: {beyond[far].max() / 1000:.1f} km outside the {name} network; the files are of different places, "
        "or latitude and longitude are exchanged"
    )
