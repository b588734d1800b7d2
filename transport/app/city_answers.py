"""Answers about cities and figures published elsewhere, as plain frames under the names of the reader."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from transport.app.city_tables import WEAK, joint
from transport.city_text import input_name, item_name, lever_labels
from transport.i18n import labels, listed, t
from transport.template.layout import cited

if TYPE_CHECKING:
    from collections.abc import Mapping

    from transport.inputs import Inputs

#: Money of a mix: 10^4 yuan in Chinese, 10^6 in English.
MONEY: Mapping[str, float] = {"zh": 1e4, "en": 1e6}
#: Roles of published figures, in the order of the page.
ROLES = ("calibration", "validation", "context")


def interval_rows(view: pl.DataFrame, titles: Mapping[str, str], data: Inputs, lang: str) -> pl.DataFrame:
    """Return the intervals by city and scenario under labels.

    Parameters
    ----------
    view
        From :func:`transport.city_needs.green_travel_view`.
    titles
        Scenario -> title, in order.
    data
        For the labels.
    lang
        ``zh`` or ``en``.

    Returns
    -------
    frame
        Columns city, scenario, share, low, high, probability, gap, without_e_bike, peak, cold [percent, percentage points], target.
    """
    area = labels(data, "area", lang)
    order = {name: k for k, name in enumerate(titles)}
    return (
        view.with_columns(rank=pl.col("scenario").replace_strict(order))
        .sort("has_target", "area", "rank", descending=[True, False, False])
        .select(
            city=pl.col("area").replace(area),
            scenario=pl.col("scenario").replace(dict(titles)),
            share="share_pct",
            low="share_p5_pct",
            high="share_p95_pct",
            probability="probability_pct",
            gap="gap_points",
            without_e_bike="without_e_bike_pct",
            peak="peak_pct",
            cold="cold_pct",
            target="target_pct",
        )
    )


def reach_rows(needs: pl.DataFrame, data: Inputs, lang: str) -> pl.DataFrame:
    """Return how far each lever alone brings the share, the farthest first.

    Parameters
    ----------
    needs
        From :func:`transport.city_needs.city_needs`, of one city.
    data
        For the labels.
    lang
        ``zh`` or ``en``.

    Returns
    -------
    frame
        Columns lever, now, share [percent], status, answer; levers that cannot help are left out.
    """
    names = lever_labels(data, lang)
    rows = needs.filter(pl.col("status") != "no_help").sort("share_pct", descending=True, maintain_order=True)
    return rows.select(
        lever=pl.col("lever").replace(names),
        now="share_now_pct",
        share="share_pct",
        status="status",
        answer=pl.Series(
            [
                t(f"green_travel.status_{status}", lang, value=f"{value:.4g}", share=f"{share:.2f}")
                for status, value, share in rows.select("status", "value", "share_pct").iter_rows()
            ],
            dtype=pl.String,
        ),
    )


def mix_rows(mix: pl.DataFrame, data: Inputs, lang: str) -> pl.DataFrame:
    """Return the levers of a mix under labels, the dearest first.

    Parameters
    ----------
    mix
        From :func:`transport.city_mix.mix_table`, one mix.
    data
        For the labels.
    lang
        ``zh`` or ``en``.

    Returns
    -------
    frame
        Columns lever, now, value, end, cost [unit of the reader per year], binding.
    """
    names = lever_labels(data, lang)
    return (
        mix.drop_nulls("lever")
        .sort("lever_cost_cny", descending=True, maintain_order=True)
        .select(
            lever=pl.col("lever").replace(names),
            now="now",
            value="value",
            end="end",
            cost=pl.col("lever_cost_cny") / MONEY[lang],
            binding=pl.col("binding").replace_strict({True: t("cities.at_limit", lang), False: ""}, return_dtype=pl.String),
        )
    )


def driver_rows(drivers: pl.DataFrame, top: int, data: Inputs, lang: str) -> pl.DataFrame:
    """Return the widest swings of a city, two rows for each input: its low and its high end.

    Parameters
    ----------
    drivers
        From :func:`transport.city_drivers.city_drivers`, of one city.
    top
        Inputs.
    data
        For the labels.
    lang
        ``zh`` or ``en``.

    Returns
    -------
    frame
        Columns name, end, share [percent], value, quality, weak.
    """
    qualities = labels(data, "quality", lang)
    rows = [
        {
            "name": input_name(row["parameter"], row["subject"], data, lang),
            "end": t(f"cities.end_{end}", lang),
            "share": row[f"share_{end}_pct"],
            "value": f"{row[end]:.4g}",
            "quality": qualities.get(row["quality"], row["quality"]),
            "weak": row["quality"] in WEAK,
        }
        for row in drivers.head(top).iter_rows(named=True)
        for end in ("low", "high")
    ]
    return pl.DataFrame(rows)


# ---- elasticities and cases --------------------------------------------------------------------------------------------------------


def published_rows(table: pl.DataFrame, role: str, data: Inputs, lang: str, *, cases: bool = False) -> pl.DataFrame:
    """Return modelled values beside published ones, of one role.

    Parameters
    ----------
    table
        Table ``travel_elasticities``.
    role
        One of :data:`ROLES`.
    data
        For the labels.
    lang
        ``zh`` or ``en``.
    cases
        Whether published cases (percent) are meant, or elasticities.

    Returns
    -------
    frame
        Columns item, modes, area, modelled, published, low, high, range, verdict, verdict_code, quality, source, note; where the published range
        is missing it is the published value alone.
    """
    is_case = pl.col("unit") == "percent"
    rows = table.filter(pl.col("role") == role, is_case if cases else ~is_case)
    modes, qualities = labels(data, "travel_mode", lang), labels(data, "quality", lang)
    area = {**labels(data, "area", lang), "targets": t("cities.all_targets", lang)}
    citations = cited(data, lang)
    said = "verdict" if role == "validation" else "inside"
    made = []
    for row in rows.iter_rows(named=True):
        low, high = (row["published"] if row[end] is None else row[end] for end in ("low", "high"))
        code = row["verdict"] if row["verdict"] in ("within", "edge", "outside") else "unknown"
        made.append(
            {
                "item": item_name(row["item"], lang),
                "modes": joint(lang).join(modes.get(m, m) for m in row["modes"].split()),
                "area": area.get(row["area"], row["area"]),
                "modelled": row["modelled"],
                "published": row["published"],
                "low": low,
                "high": high,
                "range": "" if low is None or high is None else f"{low:g} – {high:g}",
                "verdict": t(f"cities.{said}_{code}", lang),
                "verdict_code": code,
                "quality": qualities.get(row["quality"], row["quality"]),
                "source": listed((citations.get(code, code) for code in str(row["source"] or "").split()), lang, long=True),
                "note": row["note"] or "",
            }
        )
    numbers = ("modelled", "published", "low", "high")
    names = ("item", "modes", "area", *numbers, "range", "verdict", "verdict_code", "quality", "source", "note")
    return pl.DataFrame(made, schema={name: pl.Float64 if name in numbers else pl.String for name in names})
