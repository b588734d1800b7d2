"""Tables of the tab of backcasts: what can be asked for, and the rows of an answer under the words and units of the reader."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from transport.backcast_tables import BEST
from transport.backcast_words import SCALE, distance, step_unit, target_name, variable_names
from transport.i18n import labels, t
from transport.layout import BASE_YEAR
from transport.text import number, unit_label

if TYPE_CHECKING:
    from transport.backcast_tables import Backcast
    from transport.inputs import Inputs

#: Level below which a lever is not used.
LEAST = 0.005
#: Kinds of what binds, and the keys of their words.
_KINDS = {"link": "link", "terminal": "terminal", "unmet": "unmet_kind"}


def options(data: Inputs, lang: str) -> dict[str, str]:
    """Return ``ID@YEAR`` -> label of the targets with a number that levers can still move."""
    names = labels(data, "indicator", lang)
    known = set(data.table("indicators")["id"])
    found: dict[str, str] = {}
    for target in data.targets:
        if target.value is not None and target.year is not None and target.year > BASE_YEAR and target.id in known:
            label = t("backcast.target_name", lang, name=names.get(target.id, target.id), year=target.year)
            found.setdefault(f"{target.id}@{target.year}", label)
    return dict(sorted(found.items(), key=lambda pair: (int(pair[0].rpartition("@")[2]), pair[0])))


def lever_rows(found: Backcast, data: Inputs, lang: str) -> pl.DataFrame:
    """Return the levers of the package, dearest first: measure, lever, value in the scenario and in the package, bound, level, cost."""
    names, own = variable_names(data, lang), dict(data.table("levers").select("lever", f"label_{lang}").iter_rows())
    table = found.table("levers").filter(pl.col("package") == BEST, pl.col("level") > LEAST)
    shown = table.sort("cost_cny2023", "variable", "lever", descending=[True, False, False], nulls_last=True)
    rows = [
        {
            "measure": names.get(row["variable"], row["variable"]),
            "lever": own.get(row["lever"], row["lever"]),
            "from": _value(row["base_value"], row["unit"], lang),
            "to": _value(row["value"], row["unit"], lang),
            "bound": _value(row["bound_value"], row["unit"], lang),
            "level": 100.0 * row["level"],
            "cost": "" if row["cost_cny2023"] is None else number(row["cost_cny2023"] / SCALE[lang]["cost"]),
        }
        for row in shown.iter_rows(named=True)
    ]
    names_of = ("measure", "lever", "from", "to", "bound", "level", "cost")
    return pl.DataFrame(rows, schema={name: pl.Float64 if name == "level" else pl.String for name in names_of})


def _value(value: float, unit: str, lang: str) -> str:
    if unit == "dimensionless":
        return f"{value:.4g}"
    return f"{value:.4g} {unit_label(unit, lang)}".strip()


def front_points(found: Backcast, lang: str) -> pl.DataFrame:
    """Return cost and CO2 of the points of the front: point, co2, cost, met, best; CO2 and money in the units of the language."""
    scale = SCALE[lang]
    return found.table("front").select(
        "point",
        "best",
        co2=pl.col("co2_change_t") / scale["co2"],
        cost=pl.col("cost_cny2023") / scale["cost"],
        met=pl.format("{}/{}", "targets_met", "targets"),
    )


def price_rows(found: Backcast, data: Inputs, lang: str) -> pl.DataFrame:
    """Return the shadow prices: target, which side, step, cost of it, cost of a unit and of a tonne of CO2; what has no price is blank."""
    scale = SCALE[lang]["cost"]
    rows = []
    for row in found.table("shadow_prices").iter_rows(named=True):
        lacks = row["cost_cny2023"] is None
        size, unit = step_unit(row["unit"], lang)
        rows.append(
            {
                "target": target_name(row, data, lang),
                "side": t(f"backcast_tab.{row['side']}", lang),
                "step": distance(row["step"], row["unit"], lang),
                "cost": t("backcast_tab.not_reachable", lang) if lacks else number(row["cost_cny2023"] / scale),
                "per_unit": "" if row["cny2023_per_unit"] is None else f"{number(row['cny2023_per_unit'] * size / scale)}/{unit}",
                "per_tonne": "" if row["cny2023_per_tco2"] is None else number(row["cny2023_per_tco2"]),
            }
        )
    return pl.DataFrame(rows, schema=dict.fromkeys(("target", "side", "step", "cost", "per_unit", "per_tonne"), pl.String))


def binding_rows(found: Backcast, lang: str) -> pl.DataFrame:
    """Return the links and terminals whose capacity binds: name, kind, load over capacity, price [CNY/t], goods turned away."""
    unmet = pl.col("unmet_t") / SCALE[lang]["t"]
    return found.table("binding").select(
        name=pl.col(f"name_{lang}"),
        kind=pl.col("kind").replace_strict(
            {k: t(f"backcast_tab.{key}", lang) for k, key in _KINDS.items()}, default=pl.col("kind")
        ),
        load=pl.col("vc_ratio").map_elements(lambda x: f"{x:.2f}", return_dtype=pl.String).fill_null(""),
        price=pl.col("price_cny_per_t").map_elements(number, return_dtype=pl.String).fill_null(""),
        unmet=unmet.map_elements(number, return_dtype=pl.String).fill_null(""),
    )
