"""Rows of a backcast under labels, in the units of the language: for the terminal and the page."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from transport.backcast_tables import BEST
from transport.backcast_words import SCALE, bounds_name, in_unit, target_name, variable_names
from transport.i18n import labels, t

if TYPE_CHECKING:
    from transport.backcast_tables import Backcast
    from transport.inputs import Inputs


def target_rows(found: Backcast, inputs: Inputs, lang: str) -> pl.DataFrame:
    """Return the targets of the answer under labels, the scenario beside it.

    Parameters
    ----------
    found
        A backcast.
    inputs, lang
        For the labels.
    """
    table = found.table("targets")
    before = {(r["id"], r["area"], r["year"]): r for r in table.filter(package="base").to_dicts()}
    rows = []
    for row in table.filter(package="best").to_dicts():
        unit = row["unit"]
        sign = "≥" if row["direction"] == "at_least" else "≤"
        chance = "" if row["probability"] is None else f"{row['probability']:.0%} ± {row['standard_error']:.0%}"
        rows.append(
            {
                "target": target_name(row, inputs, lang),
                "goal": f"{sign} {in_unit(row['target'], unit, lang)}",
                "before": in_unit(before[row["id"], row["area"], row["year"]]["central"], unit, lang),
                "central": in_unit(row["central"], unit, lang),
                "margin": in_unit(row["margin"], unit, lang),
                "chance_of": chance,
                "equilibrium": "" if row["equilibrium"] is None else in_unit(row["equilibrium"], unit, lang),
            }
        )
    return pl.DataFrame([{t(f"backcast.{k}", lang): v for k, v in row.items()} for row in rows])


def lever_rows(found: Backcast, least: float, inputs: Inputs, lang: str) -> pl.DataFrame:
    """Return the levers of the answer under labels, the dearest measures first.

    Parameters
    ----------
    found
        A backcast.
    least
        Level below which a lever counts as unused.
    inputs, lang
        For the labels.
    """
    names = variable_names(inputs, lang)
    levers = found.table("levers").filter(pl.col("package") == BEST, pl.col("level") > least)
    shown = levers.sort("cost_cny2023", "variable", "lever", descending=[True, False, False], nulls_last=True)
    rows = [
        {
            "measure": names.get(row["variable"], row["variable"]),
            "lever": names.get(row["lever"], row["lever"]),
            "code": row["lever"],
            "now": f"{row['base_value']:.4g}",
            "value": f"{row['value']:.4g}",
            "bound": f"{row['bound_value']:.4g}",
            "level": f"{row['level']:.0%}",
            "source": bounds_name(row["bound_source"], found.manifest, lang),
            "cost": None if row["cost_cny2023"] is None else round(row["cost_cny2023"] / SCALE[lang]["cost"], 2),
        }
        for row in shown.to_dicts()
    ]
    schema = {"cost": pl.Float64}
    names_of = ("measure", "lever", "code", "now", "value", "bound", "level", "source", "cost")
    made = pl.DataFrame(rows, schema={name: schema.get(name, pl.String) for name in names_of})
    return made.rename({name: t(f"backcast.{name}", lang) for name in names_of})


def front_rows(front: pl.DataFrame, lang: str) -> pl.DataFrame:
    """Return the front under labels in the units of the language.

    Parameters
    ----------
    front
        Table ``front``.
    lang
        Language.
    """
    return front.select(
        pl.when("best").then(pl.lit("★" if lang == "zh" else "*")).otherwise(pl.lit("")).alias(t("backcast.answer", lang)),
        (pl.col("cost_cny2023") / SCALE[lang]["cost"]).round(2).alias(t("backcast.cost", lang)),
        (pl.col("co2_change_t") / SCALE[lang]["co2"]).round(1).alias(t("backcast.co2", lang)),
        pl.format("{}/{}", "targets_met", "targets").alias(t("backcast.met_count", lang)),
    )


def left_rows(left: pl.DataFrame, inputs: Inputs, lang: str) -> pl.DataFrame:
    """Return the levers that were not used under labels.

    Parameters
    ----------
    left
        Table ``left_out``.
    inputs, lang
        For the labels.
    """
    names, measures = variable_names(inputs, lang), labels(inputs, "measure", lang)
    return left.select(
        pl.col("lever").replace_strict(names, default=pl.col("lever")).alias(t("backcast.lever", lang)),
        pl.col("measure").replace_strict(measures, default=pl.col("measure")).alias(t("backcast.measure", lang)),
        pl.col("reason")
        .replace_strict({r: t(f"backcast.{r}", lang) for r in ("no_cost", "networks", "no_help")})
        .alias(t("backcast.reason", lang)),
    )
