"""The path of the sea-rail share by port and province, beside every observed figure and the target."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl

from transport.layout import BASE_YEAR, PROVINCE

if TYPE_CHECKING:
    from collections.abc import Mapping

#: First year of the path: no box of a train was published before.
FIRST_SHARE = 2018
#: Last year whose figures the model was set to; later ones are predictions.
FITTED_THROUGH = 2022
#: Ending of a period of nine months, and what carries its volume to a year; a share is compared as it is.
_PART, _TO_YEAR = "Q1-3", 4.0 / 3.0
PATH = {
    "year": pl.Int64,
    "zone_id": pl.String,
    "sea_rail_teu": pl.Float64,
    "teu_throughput": pl.Float64,
    "share_pct": pl.Float64,
    "growth_pct_per_year": pl.Float64,
    "observed_period": pl.String,
    "observed_teu": pl.Float64,
    "observed_share_pct": pl.Float64,
    "teu_error_pct": pl.Float64,
    "share_error_points": pl.Float64,
    "used_for": pl.String,
    "quality": pl.String,
    "target_share_pct": pl.Float64,
    "target_growth_pct": pl.Float64,
}


def path_table(observed: pl.DataFrame, ports: pl.DataFrame) -> pl.DataFrame:
    """Return the table ``sea_rail_path``: boxes on trains and their share of throughput by port and for the province, beside what was observed.

    Parameters
    ----------
    observed
        Table ``observed/sea_rail``.
    ports
        Table ``sea_rail_ports``.

    Returns
    -------
    polars.DataFrame
        Columns of :data:`PATH` from 2018 on; ``growth_pct_per_year`` is the mean growth since 2020. Nine months of boxes count 4/3 of a year, shares stand as
        published. ``used_for`` is ``calibration`` for years through 2022 and ``validation`` afterwards; a floor ("more than") is ``context`` through 2022; later floors stay
        ``validation``.
    """
    inside = ports.filter(pl.col("in_province") & (pl.col("year") >= FIRST_SHARE)).select(
        "year", "zone_id", "sea_rail_teu", "teu_throughput"
    )
    both = pl.col("sea_rail_teu", "teu_throughput").sum()
    whole = inside.group_by("year").agg(both).select("year", pl.lit(PROVINCE).alias("zone_id"), "sea_rail_teu", "teu_throughput")
    rows = pl.concat([inside, whole])
    base = rows.filter(pl.col("year") == BASE_YEAR).select("zone_id", pl.col("sea_rail_teu").alias("base_teu"))
    years = pl.col("year") - BASE_YEAR
    growth = pl.when((years > 0) & (pl.col("base_teu") > 0)).then(
        100.0 * ((pl.col("sea_rail_teu") / pl.col("base_teu")) ** (1.0 / years) - 1.0)
    )
    share = pl.when(pl.col("teu_throughput") > 0).then(100.0 * pl.col("sea_rail_teu") / pl.col("teu_throughput"))
    seen = pl.DataFrame(
        list(_observed(observed).values()),
        schema={
            n: PATH[n]
            for n in ("year", "zone_id", "observed_period", "observed_teu", "observed_share_pct", "used_for", "quality")
        },
        orient="row",
    )
    targets = pl.DataFrame(
        _targets(observed),
        schema={n: PATH[n] for n in ("year", "zone_id", "target_share_pct", "target_growth_pct")},
        orient="row",
    )
    return (
        rows.join(base, on="zone_id", how="left")
        .with_columns(share.alias("share_pct"), growth.alias("growth_pct_per_year"))
        .join(seen, on=["year", "zone_id"], how="left")
        .join(targets, on=["year", "zone_id"], how="left")
        .with_columns(
            (100.0 * (pl.col("sea_rail_teu") / pl.col("observed_teu") - 1.0)).alias("teu_error_pct"),
            (pl.col("share_pct") - pl.col("observed_share_pct")).alias("share_error_points"),
        )
        .select(list(PATH))
        .sort("zone_id", "year")
    )


def _observed(table: pl.DataFrame) -> Mapping[int, dict[str, Any]]:
    """Return the observations of the province by year: boxes of a year (nine months carried to one), share, quality."""
    found: dict[int, dict[str, Any]] = {}
    wanted = table.filter(
        (pl.col("area") == PROVINCE)
        & pl.col("series").is_in(["sea_rail_containers", "sea_rail_share"])
        & (pl.col("item") == "total")
        & pl.col("value").is_not_null()
        & pl.col("period").str.contains(f"^[0-9]{{4}}({_PART})?$")
    )
    for row in wanted.sort("period", "series").iter_rows(named=True):
        year, part = int(row["period"][:4]), row["period"].endswith(_PART)
        if year < FIRST_SHARE:
            continue
        use = "validation" if year > FITTED_THROUGH else "context" if row["used_for"] == "context" else "calibration"
        one = found.setdefault(
            year,
            {
                "year": year,
                "zone_id": PROVINCE,
                "observed_period": row["period"],
                "observed_teu": None,
                "observed_share_pct": None,
                "used_for": use,
                "quality": row["quality"],
            },
        )
        if row["series"] == "sea_rail_share":
            one["observed_share_pct"] = row["value"]
        else:
            one["observed_teu"] = row["value"] * (_TO_YEAR if part else 1.0)
    return found


def _targets(table: pl.DataFrame) -> list[tuple[int, str, float | None, float | None]]:
    """Return year, area, promised share and promised growth [%]."""
    rows = table.filter(
        (pl.col("area") == PROVINCE) & pl.col("series").is_in(["sea_rail_share_target", "sea_rail_growth_target"])
    )
    found: dict[int, dict[str, float]] = {}
    for series, period, value in rows.select("series", "period", "value").iter_rows():
        found.setdefault(int(period), {})[series] = value
    return [
        (year, PROVINCE, of.get("sea_rail_share_target"), of.get("sea_rail_growth_target")) for year, of in sorted(found.items())
    ]
