"""What the accounts page shows, as plain frames: result tables of a run in, names and units of the reader out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from transport.i18n import labels, listed, t
from transport.layout import PROVINCE
from transport.scorecard import MET
from transport.targets import unmodelled
from transport.text import goal, period_text, reason_text, shown, unit_label

if TYPE_CHECKING:
    from collections.abc import Mapping

    from transport.inputs import Inputs

#: Columns each section needs, by result table; a run of an older version lacks some.
NEEDED: Mapping[str, tuple[str, ...]] = {
    "attribution": ("to_year", "boundary", "scope", "base", "factor", "detail", "change_pct", "g_per_tkm"),
    "balance_bridge": (
        "year",
        "sector",
        "fuel",
        "line",
        "kind",
        "quantity",
        "unit",
        "share_pct",
        "limit_pct",
        "passed",
        "used_for",
    ),
    "hindcast": ("item", "mode", "year", "unit", "observed", "modelled", "error_pct", "used_for", "quality"),
    "costs": ("year", "measure", "status", "service_cny2023", "total_cny2023", "discounted_cny2023", "avoided_tco2"),
    "co2_areas": ("year", "area", "sector", "scope", "t"),
    "energy_areas": ("year", "area", "vehicle_class", "carrier", "quantity", "unit"),
    "indicator_areas": ("id", "area", "year", "numerator", "denominator", "value", "base_value", "change", "drivers", "quality"),
    "energy_months": (
        "year",
        "month",
        "vehicle_class",
        "powertrain",
        "carrier",
        "temperature_c",
        "share_pct",
        "per_km",
        "per_km_unit",
    ),
    "target_shares": ("target", "year", "rule", "area", "sector", "unit", "reference", "cut", "allowed", "modelled", "gap"),
}
#: Factors of the attribution in the order of the bars.
FACTORS = ("covid_rebound", "mode_structure", "load_empty", "efficiency", "electrification", "fuel_switch", "grid")
#: Components of the cost of a measure.
MEASURE_COMPONENTS = ("capital", "energy", "maintenance", "infrastructure", "service")
#: Tonnes in the unit the reader uses: 10^4 t in Chinese, kt in English.
TONNES: Mapping[str, float] = {"zh": 1e4, "en": 1e3}
#: Money in the unit the reader uses: 10^8 yuan in Chinese, 10^9 in English.
MONEY: Mapping[str, float] = {"zh": 1e8, "en": 1e9}
_ENTRY = ("published", "estimated")
_CARRIERS = ("gasoline", "diesel", "fuel_oil", "natural_gas", "lng", "electricity")


def verdicts(indicators: pl.DataFrame, indicator: str, year: int, headline: Mapping[str, str]) -> pl.DataFrame:
    """Return every reading of an indicator: boundary, scope, base, value, is_met, is_headline.

    Parameters
    ----------
    indicators
        Result table ``indicators``.
    indicator, year
        Target.
    headline
        Boundary, scope and base of the headline.
    """
    rows = indicators.filter(pl.col("id") == indicator, pl.col("year") == year, pl.col("variant") == "")
    is_headline = pl.all_horizontal(*[pl.col(k) == v for k, v in headline.items()])
    return rows.select("boundary", "scope", "base", "value", is_met=pl.col("verdict").is_in(MET), is_headline=is_headline)


def demand(data: Inputs, indicator: str, year: int) -> dict[str, str]:
    """Return what a target asks for in written numbers: target and tolerance, a dash where none is set."""
    found = [x for x in data.targets if (x.id, x.area, x.year) == (indicator, PROVINCE, year) and x.value is not None]
    if not found:
        return {"target": "-", "tolerance": "-"}
    return {"target": f"{found[0].value:g}".replace("-", "−"), "tolerance": f"{found[0].tolerance or 0.0:g}"}


def steps(table: pl.DataFrame, year: int, reading: Mapping[str, str]) -> pl.DataFrame:
    """Return the bars of an attribution: key, change [points], from and to of each bar; the last one is the total from zero.

    Parameters
    ----------
    table
        Result table ``attribution``.
    year
        Last year of the change.
    reading
        Boundary, scope and base.
    """
    rows = table.filter(pl.col("to_year") == year, pl.col("detail") == "", *[pl.col(k) == v for k, v in reading.items()])
    change = dict(rows.select("factor", "change_pct").iter_rows())
    made, at = [], 0.0
    for factor in FACTORS:
        value = float(change.get(factor, 0.0))
        made.append({"key": factor, "change": value, "start": at, "end": at + value})
        at += value
    made.append({"key": "total", "change": float(change["total"]), "start": 0.0, "end": float(change["total"])})
    return pl.DataFrame(made)


def structure(table: pl.DataFrame, year: int, reading: Mapping[str, str], lang: str) -> pl.DataFrame:
    """Return the lines of the mode structure: name, points."""
    rows = table.filter(pl.col("to_year") == year, pl.col("detail") != "", *[pl.col(k) == v for k, v in reading.items()])
    names = [t(f"attribution.line.{detail}", lang) for detail in rows["detail"]]
    return rows.select(pl.Series("name", names, dtype=pl.String), points="change_pct")


def balance_entries(table: pl.DataFrame, year: int, data: Inputs, lang: str) -> pl.DataFrame:
    """Return one row per entry of the energy balance: what the model explains of it, and the verdict on the rest."""
    rows = table.filter(pl.col("year") == year)
    keys = ["sector", "fuel"]
    entry = rows.filter(pl.col("kind").is_in(_ENTRY)).select(*keys, "unit", "used_for", entry="quantity")
    rest = rows.filter(pl.col("kind") == "unexplained").select(*keys, "share_pct", "limit_pct", "passed", rest="quantity")
    # a share of the entry itself: explained by nothing in the model
    outside = rows.filter(pl.col("kind") == "outside").group_by(keys).agg(outside=pl.col("quantity").sum())
    both = entry.join(rest, on=keys, how="left", maintain_order="left").join(outside, on=keys, how="left", maintain_order="left")
    verdict = {
        True: t("app.accounts.within", lang),
        False: t("app.accounts.beyond", lang),
        None: t("app.accounts.not_judged", lang),
    }
    sectors, fuels, uses = (labels(data, name, lang) for name in ("nbs_sector", "carrier", "used_for"))
    rank = {code: i for i, code in enumerate(sectors)}
    both = both.sort(pl.col("sector").replace_strict(rank, return_dtype=pl.Int64), maintain_order=True)
    return both.select(
        sector=pl.col("sector").replace_strict(sectors),
        fuel=pl.col("fuel").replace_strict(fuels),
        unit=pl.col("unit").replace_strict({unit: t(f"app.accounts.unit_{_kind(unit)}", lang) for unit in both["unit"].unique()}),
        entry=pl.col("entry") / _scale(lang),
        explained=(pl.col("entry") - pl.col("rest") - pl.col("outside").fill_null(0.0)) / _scale(lang),
        rest_pct="share_pct",
        limit_pct="limit_pct",
        verdict=pl.Series([verdict[value] for value in both["passed"]], dtype=pl.String),
        used_for=pl.col("used_for").replace(uses),
    )


def _kind(unit: str) -> str:
    return "gas" if unit.startswith("m3") else "mass"


def _scale(lang: str) -> pl.Expr:
    """Return t and m3 in the unit of the reader: 10^4 t and 10^8 m3 in Chinese, kt and 10^6 m3 in English."""
    mass, gas = (1e4, 1e8) if lang == "zh" else (1e3, 1e6)
    return pl.when(pl.col("unit").str.starts_with("m3")).then(gas).otherwise(mass)


def balance_steps(table: pl.DataFrame, year: int, sector: str, fuel: str, data: Inputs, lang: str) -> pl.DataFrame:
    """Return the bars of one bridge: name, kind, quantity, start, end; the last bar is the entry from zero.

    Parameters
    ----------
    table
        Result table ``balance_bridge``.
    year, sector, fuel
        Entry of the balance.
    data
        For the names of the lines.
    lang
        ``zh`` or ``en``.
    """
    rows = table.filter(pl.col("year") == year, pl.col("sector") == sector, pl.col("fuel") == fuel)
    names = dict(labels(data, "vehicle_class", lang))
    for source, key in (("accounts/bridges", "bridge"), ("accounts/balance_lines", "line")):
        names |= dict(data.table(source).select(key, f"label_{lang}").iter_rows())
    made, at = [], 0.0
    for row in rows.with_columns(scale=_scale(lang)).iter_rows(named=True):
        value = float(row["quantity"]) / float(row["scale"])
        is_total = row["kind"] in _ENTRY
        special = row["kind"] in {"unexplained", *_ENTRY}
        if not value and not special:
            continue
        name = t(f"account.kind.{row['kind']}", lang) if special else names.get(row["line"], row["line"])
        start = 0.0 if is_total else at
        kind = "total" if is_total else "rest" if row["kind"] == "unexplained" else "line"
        made.append({"name": name, "kind": kind, "quantity": value, "start": start, "end": start + value})
        at += 0.0 if is_total else value
    return pl.DataFrame(made)


def incomparable(table: pl.DataFrame, data: Inputs, lang: str) -> list[str]:
    """Return the series and years whose observation counts by another principle than the model, so that no error is told.

    Parameters
    ----------
    table
        Result table ``hindcast``.
    data
        For labels.
    lang
        ``zh`` or ``en``.
    """
    names = labels(data, "fit_item", lang)
    without = (
        table.filter(pl.col("error_pct").is_null()).group_by("item", maintain_order=True).agg(pl.col("year").sort().unique())
    )
    return [
        t("app.accounts.series_years", lang, series=names.get(item, item), years=listed([str(year) for year in years], lang))
        for item, years in without.iter_rows()
    ]


def errors(rows: pl.DataFrame, data: Inputs, lang: str) -> pl.DataFrame:
    """Return the errors of every series of the hindcast, held out first and the largest on top.

    Parameters
    ----------
    rows
        Of :func:`transport.hindcast.summary`.
    data
        For labels.
    lang
        ``zh`` or ``en``.

    Returns
    -------
    frame
        Columns series, years, held_out, in_sample, context, bias; written numbers, empty where there is none.
    """
    names, modes = labels(data, "fit_item", lang), labels(data, "mode", lang)

    def written(column: str, form: str) -> pl.Series:
        return pl.Series(["" if v is None else f"{v:{form}}" for v in ordered[column]], dtype=pl.String)

    ordered = rows.sort("held_out_pct", descending=True, nulls_last=True, maintain_order=True)
    series = []
    for item, mode in ordered.select("item", "mode").iter_rows():
        name = names.get(item, item)
        series.append(t("app.accounts.series_mode", lang, series=name, mode=modes[mode]) if mode in modes else name)
    return ordered.select(
        series=pl.Series(series, dtype=pl.String),
        years=pl.when(pl.col("first") == pl.col("last"))
        .then(pl.format("{}", "first"))
        .otherwise(pl.format("{}-{}", "first", "last")),
        held_out=written("held_out_pct", ".1f"),
        in_sample=written("in_sample_pct", ".1f"),
        context=written("context_pct", ".1f"),
        bias=written("bias_pct", "+.1f"),
    )


def lights(table: pl.DataFrame, data: Inputs, lang: str) -> pl.DataFrame:
    """Return progress towards the targets in words and written numbers.

    Parameters
    ----------
    table
        Of :func:`transport.progress.progress_table`.
    data
        For labels.
    lang
        ``zh`` or ``en``.

    Returns
    -------
    frame
        Columns light, target, area, year, unit, goal, actual, period, path, needed, reason.
    """
    names, areas = labels(data, "indicator", lang), labels(data, "area", lang)
    unknown = {name: t("progress.not_modelled", lang, reason=reason) for name, reason in unmodelled(data, lang).items()}
    made = []
    for row in table.iter_rows(named=True):
        numbers = {name: shown(row[name], row["unit"], lang) for name in ("actual", "path", "needed_per_year")}
        made.append(
            {
                "light": t(f"app.accounts.light_{row['light']}", lang),
                "target": names.get(row["id"], row["id"]),
                "area": areas.get(row["area"], row["area"]),
                "year": row["target_year"],
                "unit": unit_label(row["unit"], lang),
                "goal": goal(row["target"], row["unit"], lang),
                "actual": numbers["actual"],
                "period": period_text(row["period"], lang),
                "path": numbers["path"],
                "needed": numbers["needed_per_year"],
                "reason": " ".join(words for words in (reason_text(row, lang), unknown.get(row["id"], "")) if words),
            }
        )
    return pl.DataFrame(made)


def measures(table: pl.DataFrame, year: int, data: Inputs, lang: str) -> pl.DataFrame:
    """Return what the measures cost in one year by component [10^8 or 10^9 CNY], what they avoid, the cost per tonne, and the present value of all years.

    A measure without a known cost has no numbers: its sum is nothing, not zero.
    """
    parts = [f"{part}_cny2023" for part in (*MEASURE_COMPONENTS, "total")]
    known = [pl.when(pl.col(c).count() > 0).then(pl.col(c).sum()).alias(c) for c in (*parts, "avoided_tco2")]
    keys = ["measure", "status"]
    worth = pl.when(pl.col("discounted_cny2023").count() > 0).then(pl.col("discounted_cny2023").sum())
    present = table.group_by(keys).agg(worth.alias("present_cny2023"))
    rows = table.filter(pl.col("year") == year).group_by(keys, maintain_order=True).agg(known)
    rows = rows.join(present, on=keys, how="left", maintain_order="left")
    return rows.select(
        pl.col("measure").replace(labels(data, "measure", lang)),
        pl.col("status").replace(labels(data, "cost_status", lang)),
        *[(pl.col(c) / MONEY[lang]).alias(c.removesuffix("_cny2023")) for c in (*parts, "present_cny2023")],
        avoided=pl.col("avoided_tco2") / TONNES[lang],
        per_tonne=pl.when(pl.col("avoided_tco2") > 1.0).then(pl.col("total_cny2023") / pl.col("avoided_tco2")).round(0),
    )


def area_names(data: Inputs, lang: str) -> dict[str, str]:
    """Return the name of every prefecture, and of what is not allocated, in the order of the rows."""
    from transport.prefectures import UNALLOCATED

    named = labels(data, "area", lang)
    codes = sorted(code for code in named if code.startswith("21") and code != "210000")
    return {code: named[code] for code in codes} | {UNALLOCATED: t("decompose.unallocated", lang)}


def area_co2(table: pl.DataFrame, year: int, scope: str, lang: str) -> pl.DataFrame:
    """Return CO2 by area and sector in the unit of the reader: area, sector, amount."""
    rows = table.filter(pl.col("year") == year, pl.col("scope") == scope)
    return rows.select("area", "sector", amount=pl.col("t") / TONNES[lang])


def area_energy(table: pl.DataFrame, year: int, names: Mapping[str, str], lang: str) -> pl.DataFrame:
    """Return the main energy carriers by area with the province last: 10^4 t, 10^8 m3 and 10^8 kWh in Chinese, kt, 10^6 m3 and GWh in English."""
    scale = {"t": TONNES[lang], "m3": 1e8 if lang == "zh" else 1e6, "kWh": 1e8 if lang == "zh" else 1e6}
    rows = (
        table.filter(pl.col("year") == year, pl.col("carrier").is_in(_CARRIERS))
        .with_columns(amount=pl.col("quantity") / pl.col("unit").replace_strict(scale))
        .group_by("area", "carrier")
        .agg(pl.col("amount").sum())
        .pivot(on="carrier", index="area", values="amount")
    )
    order = pl.DataFrame({"area": list(names)})
    kept = [c for c in _CARRIERS if c in rows.columns]
    found = order.join(rows, on="area", how="left", maintain_order="left").select(
        pl.col("area").replace_strict(names), *[pl.col(c).fill_null(0.0) for c in kept]
    )
    total = found.select(pl.lit(t("app.accounts.province", lang)).alias("area"), *[pl.col(c).sum() for c in kept])
    return pl.concat([found, total])


def contributions(table: pl.DataFrame, target: str, rule: str, by: str, names: Mapping[str, str], lang: str) -> pl.DataFrame:
    """Return what a target asks of every area or sector in the unit of the reader, with a last row of the sum.

    Parameters
    ----------
    table
        Result table ``target_shares``.
    target, rule
        Codes.
    by
        ``area`` or ``sector``.
    names
        Code -> name, in the order of the rows.
    lang
        ``zh`` or ``en``.
    """
    from transport.decompose import summed

    rows = summed(table.filter(pl.col("target") == target, pl.col("rule") == rule), by)
    rank = {code: i for i, code in enumerate(names)}
    amounts = ("base", "reference", "cut", "allowed", "modelled", "gap")
    unit = table.filter(pl.col("target") == target)["unit"][0]
    scale = TONNES[lang] * (1e3 if unit.startswith("kgce") else 1.0)
    total = rows.select(pl.lit("total").alias(by), *[pl.col(c).sum() for c in amounts]).with_columns(
        cut_pct=100.0 * pl.col("cut") / pl.col("reference")
    )
    ordered = rows.sort(pl.col(by).replace_strict(rank, return_dtype=pl.Int64))
    called = dict(names) | {"total": t("decompose.total", lang)}
    both = pl.concat([ordered.select(by, *amounts, "cut_pct"), total.select(by, *amounts, "cut_pct")])
    return both.select(pl.col(by).replace_strict(called).alias("name"), *[pl.col(c) / scale for c in amounts], "cut_pct")
