"""What the page of cities shows, as plain frames: result tables of a run and answers in, names and units of the reader out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from transport.i18n import labels, t
from transport.layout import BASE_YEAR, NORMAL_YEAR, PROVINCE, QUALITY_ORDER
from transport.template.layout import cited

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from transport.inputs import Inputs

GREEN, TRANSIT, BREAK_EVEN = "green_travel_share", "transit_share_of_motorised_trips", "green_travel_break_even_base"
TARGET_YEAR = 2030
#: Switches shown beside the share: variant of the indicator -> column.
SWITCHES: Mapping[str, str] = {"without_e_bike": "without_e_bike", "peak": "peak", "cold": "cold"}
#: Columns each section needs, by result table; a run of an older version lacks some.
NEEDED: Mapping[str, tuple[str, ...]] = {
    "green_travel": ("year", "area", "mode", "share", "trips"),
    "travel_elasticities": (
        "item",
        "modes",
        "area",
        "unit",
        "modelled",
        "published",
        "low",
        "high",
        "role",
        "verdict",
        "source",
        "quality",
        "note",
    ),
    "travel_segments": ("year", "area", "purpose", "person_group", "length_band", "mode", "trips", "pkm"),
    "travel_times": (
        "year",
        "area",
        "mode",
        "length_band",
        "in_vehicle_min",
        "access_min",
        "wait_min",
        "total_min",
        "outlay_cny",
    ),
    "city_roads": ("year", "area", "mode", "vehicle_km", "car_time_index"),
    "urban_travel": (
        "year",
        "area",
        "mode",
        "pkm",
        "vehicle_km",
        "energy_tj",
        "direct_t",
        "direct_power_t",
        "wtw_t",
        "energy_basis",
    ),
    "urban_km": ("year", "vehicle_class", "city_km", "rest_km", "intercity_km", "total_km", "reconciliation"),
    "transit_load": (
        "year",
        "area",
        "mode",
        "line_km",
        "line_km_low",
        "line_km_high",
        "line_basis",
        "central_share",
        "boardings",
        "pkm_per_line_km",
        "boardings_per_line_km_day",
        "persons_per_vehicle",
        "load",
        "load_low",
        "load_high",
        "load_limit",
        "crowded",
    ),
    "active_travel": ("year", "area", "walk_km_per_day", "walk_min_per_day", "cycle_km_per_day", "cycle_min_per_day"),
}
#: Trips and passenger-km in the unit of the reader: 10^8 in Chinese, 10^6 (trips) and 10^9 (passenger-km) in English.
TRIPS: Mapping[str, float] = {"zh": 1e8, "en": 1e6}
PKM: Mapping[str, float] = {"zh": 1e8, "en": 1e9}
#: Qualities of what was never read in a source.
WEAK = ("assumption", "recalled")
#: How trips are split, and the code lists of their labels.
SPLITS: Mapping[str, str] = {"purpose": "travel_purpose", "person_group": "person_group", "length_band": "length_band"}
#: Variant of the break-even base that is a share of 2019.
_OF_2019 = "base_2019"
_PERCENT = 100.0


def joint(lang: str) -> str:
    """Return what stands between the items of a list in a sentence."""
    return "、" if lang == "zh" else ", "


def with_target(indicators: pl.DataFrame) -> list[str]:
    """Return the areas whose share has a target.

    Parameters
    ----------
    indicators
        Of a run.
    """
    rows = indicators.filter(pl.col("id") == GREEN, pl.col("area") != PROVINCE, pl.col("target").is_not_null())
    return sorted(set(rows["area"].to_list()))


def areas_of(indicators: pl.DataFrame) -> list[str]:
    """Return the areas with a share, those with a target first.

    Parameters
    ----------
    indicators
        Of a run.
    """
    every = set(indicators.filter(pl.col("id") == GREEN, pl.col("area") != PROVINCE)["area"].to_list())
    first = with_target(indicators)
    return [*first, *sorted(every - set(first))]


def readings(indicators: pl.DataFrame, areas: Sequence[str], year: int) -> pl.DataFrame:
    """Return the share of cities with what stands beside it.

    Parameters
    ----------
    indicators
        Of a run.
    areas
        Codes in order.
    year
        Calendar year.

    Returns
    -------
    frame
        Columns area, base_share, share, target, gap (to the target, positive = missing), verdict, is_met, without_e_bike, peak, cold, transit, break_even (share
        of 2020), break_even_2019, quality; null where the run has none [percent; gap in percentage points].
    """
    rows = indicators.filter(pl.col("area").is_in(list(areas)))
    found: dict[tuple[str, str, str, int], dict[str, object]] = {
        (row["id"], row["area"], row["variant"] or "", row["year"]): row
        for row in rows.filter(pl.col("id").is_in([GREEN, TRANSIT, BREAK_EVEN])).iter_rows(named=True)
    }

    def value(name: str, area: str, variant: str, at: int) -> float | None:
        known = found.get((name, area, variant, at), {}).get("value")
        return float(str(known)) if known is not None else None

    made = []
    for area in areas:
        head = found.get((GREEN, area, "", year), {})
        share, target = value(GREEN, area, "", year), head.get("target")
        goal = None if target is None else float(str(target))
        verdict = str(head.get("verdict") or "")
        made.append(
            {
                "area": area,
                "base_share": value(GREEN, area, "", BASE_YEAR),
                "share": share,
                "target": goal,
                "gap": None if goal is None or share is None else goal - share,
                "verdict": verdict,
                "is_met": verdict in {"met", "within_tolerance"},
                **{column: value(GREEN, area, variant, year) for variant, column in SWITCHES.items()},
                "transit": value(TRANSIT, area, "", year),
                "break_even": value(BREAK_EVEN, area, "", TARGET_YEAR),
                "break_even_2019": value(BREAK_EVEN, area, _OF_2019, TARGET_YEAR),
                "quality": str(head.get("quality") or ""),
            }
        )
    kinds = {"area": pl.String, "verdict": pl.String, "is_met": pl.Boolean, "quality": pl.String}
    names = (
        "area",
        "base_share",
        "share",
        "target",
        "gap",
        "verdict",
        "is_met",
        *SWITCHES.values(),
        "transit",
        "break_even",
        "break_even_2019",
        "quality",
    )
    return pl.DataFrame(made, schema={name: kinds.get(name, pl.Float64) for name in names})


# ---- base shares -------------------------------------------------------------------------------------------------------------------


def base_rows(data: Inputs, area: str, lang: str) -> pl.DataFrame:
    """Return the rows of a city's base shares under labels.

    Parameters
    ----------
    data
        Checked data.
    area
        Prefecture code.
    lang
        ``zh`` or ``en``.

    Returns
    -------
    frame
        Columns mode, value, low, high [percent], quality, source.
    """
    modes, qualities = labels(data, "travel_mode", lang), labels(data, "quality", lang)
    rows = data.parameters.filter(pl.col("parameter") == "travel_base_share", pl.col("subject").str.starts_with(f"{area}."))
    return rows.select(
        mode=pl.col("subject").str.split(".").list.last().replace(modes),
        value="value",
        low="low",
        high="high",
        quality=pl.col("quality").replace(qualities),
        source=pl.col("source").replace(cited(data, lang)),
    )


def base_quality(data: Inputs, areas: Sequence[str]) -> dict[str, str]:
    """Return area -> weakest quality of its base shares.

    Parameters
    ----------
    data
        Checked data.
    areas
        Codes.
    """
    rows = data.parameters.filter(pl.col("parameter") == "travel_base_share")
    found = {}
    for area in areas:
        known = rows.filter(pl.col("subject").str.starts_with(f"{area}."))["quality"].to_list()
        if known:
            found[area] = max(known, key=QUALITY_ORDER.index)
    return found


def alike(data: Inputs, areas: Sequence[str]) -> list[list[str]]:
    """Return groups of cities whose base shares are the same rows, as nothing tells them apart.

    Parameters
    ----------
    data
        Checked data.
    areas
        Codes.
    """
    rows = data.parameters.filter(pl.col("parameter") == "travel_base_share")
    groups: dict[tuple[object, ...], list[str]] = {}
    for area in areas:
        own = rows.filter(pl.col("subject").str.starts_with(f"{area}.")).sort("subject").select("value", "low", "high")
        groups.setdefault(tuple(own.iter_rows()), []).append(area)
    return [group for group in groups.values() if len(group) > 1]


# ---- structure ---------------------------------------------------------------------------------------------------------------------


def mode_table(travel: pl.DataFrame, area: str, year: int, data: Inputs, lang: str) -> pl.DataFrame:
    """Return shares, trips and passenger-km by mode of the base year and of another one.

    Parameters
    ----------
    travel
        Table ``green_travel``.
    area
        Prefecture code.
    year
        Calendar year.
    data
        For the labels.
    lang
        ``zh`` or ``en``.

    Returns
    -------
    frame
        Columns mode, base_share, share [percent], change [percentage points], base_trips, trips [unit of the reader], and, where the run knows them,
        base_pkm, pkm [unit of the reader] and km (mean length of a trip); the sum last.
    """
    names = labels(data, "travel_mode", lang)
    own = travel.filter(pl.col("area") == area)
    now, base = (own.filter(pl.col("year") == y) for y in (year, BASE_YEAR))
    both = now.join(base, on="mode", how="left", suffix="_base", maintain_order="left")
    order = {code: k for k, code in enumerate(names)}
    both = both.sort(pl.col("mode").replace_strict(order))
    rows = both.select(
        mode=pl.col("mode").replace(names),
        base_share=_PERCENT * pl.col("share_base"),
        share=_PERCENT * pl.col("share"),
        change=_PERCENT * (pl.col("share") - pl.col("share_base")),
        base_trips=pl.col("trips_base") / TRIPS[lang],
        trips=pl.col("trips") / TRIPS[lang],
    )
    if "pkm" not in travel.columns:
        return pl.concat([rows, whole(rows, lang)])
    kilometres = both.select(base_pkm=pl.col("pkm_base") / PKM[lang], pkm=pl.col("pkm") / PKM[lang])
    rows = pl.concat([rows, kilometres], how="horizontal")
    length = pl.Series("km", [*both.select(_km()).to_series(), *both.select(_km(whole=True)).to_series()], dtype=pl.Float64)
    return pl.concat([rows, whole(rows, lang)]).with_columns(length)


def _km(*, whole: bool = False) -> pl.Expr:
    """Return the mean length of a trip [km]."""
    if whole:
        return pl.col("pkm").sum() / pl.col("trips").sum()
    return pl.when(pl.col("trips") > 0.0).then(pl.col("pkm") / pl.col("trips"))


def whole(rows: pl.DataFrame, lang: str) -> pl.DataFrame:
    """Return the row that sums a table by mode.

    Parameters
    ----------
    rows
        Column mode, and numbers.
    lang
        ``zh`` or ``en``.
    """
    return rows.select(pl.lit(t("cities.all", lang)).alias("mode"), pl.exclude("mode").sum())


def split_table(segments: pl.DataFrame, split: str, year: int, data: Inputs, lang: str) -> pl.DataFrame:
    """Return the mode shares of parts of the trips.

    Parameters
    ----------
    segments
        From :func:`transport.app.city_jobs.segment_trips`.
    split
        One of :data:`SPLITS`.
    year
        Calendar year.
    data
        For the labels.
    lang
        ``zh`` or ``en``.

    Returns
    -------
    frame
        Columns part, mode (code), share [percent of the part's trips], weight [percent of all trips], in the order of the code lists.
    """
    names = labels(data, SPLITS[split], lang)
    rows = segments.filter(pl.col("year") == year).group_by(split, "mode", maintain_order=True).agg(pl.col("trips").sum())
    order = {code: k for k, code in enumerate(names)}
    whole = pl.col("trips").sum().over(split)
    return (
        rows.with_columns(rank=pl.col(split).replace_strict(order), part_trips=whole)
        .filter(pl.col("part_trips") > 0.0)
        .sort("rank", maintain_order=True)
        .select(
            part=pl.col(split).replace(names),
            mode="mode",
            share=_PERCENT * pl.col("trips") / pl.col("part_trips"),
            weight=_PERCENT * pl.col("part_trips") / float(rows["trips"].sum()),
        )
    )


def green_of_parts(table: pl.DataFrame, *, e_bike: bool = True) -> pl.DataFrame:
    """Return the green share of each part.

    Parameters
    ----------
    table
        From :func:`split_table`.
    e_bike
        Whether e-bikes count as cycling.

    Returns
    -------
    frame
        Columns part, weight, green [percent].
    """
    green = ["walk", "cycle", "bus", "metro", *(["e_bike"] if e_bike else [])]
    return table.group_by("part", maintain_order=True).agg(
        weight=pl.col("weight").first(), green=pl.col("share").filter(pl.col("mode").is_in(green)).sum()
    )


def speed(car_time: pl.DataFrame, area: str, year: int) -> float | None:
    """Return the speed of cars in a year against 2019 [percent], None where the run does not know it.

    Parameters
    ----------
    car_time
        Columns year, area, car_time_index [dimensionless].
    area
        Prefecture code.
    year
        Calendar year.
    """
    rows = car_time.filter(pl.col("area") == area)
    found = dict(rows.select("year", "car_time_index").iter_rows())
    if year not in found or NORMAL_YEAR not in found:
        return None
    return _PERCENT * float(found[NORMAL_YEAR]) / float(found[year])
