"""Results as lines of text for the terminal, in the reader's language."""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING, Any

import polars as pl

from transport.i18n import has_text, labels, parameter_labels, t
from transport.layout import BASE_YEAR, PROVINCE, YEARS
from transport.params import split_setting
from transport.scorecard import ScoreLine, scorecard
from transport.targets import NOT_MODELLED, unmodelled

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from transport.inputs import Inputs
    from transport.store import StoredRun

#: Base years whose totals are printed: fuel of 2019, freight of 2020.
FIT_YEARS = (2019, 2020)
#: Freight of the table ``fit`` whose held-out rows are printed for every year.
FREIGHT_ITEMS = ("freight_t", "territory_tkm", "carrier_tkm", "total_tkm", "tkm_share", "sea_rail_share")
#: Use of an observation -> column of its error.
FIT_ERRORS = {"calibration": "error_in_sample", "validation": "error_held_out", "context": "error_context"}
#: A modelled value no further than this beyond the range of an observation stands at its end [share of the end].
_ROUNDING = 1e-9
#: A year, or quarters or months of one.
_PART_OF_YEAR = re.compile(r"(\d{4})(?:(Q|M)(\d{1,2})(?:-(\d{1,2}))?)?")
#: Years printed beside target years.
SHOWN_YEARS = (2025, 2030)
#: Parameters that levers on sales shares move; where sales follow costs they only say what was sold through the base year.
_SHARE_ROWS = frozenset({"clean_sales_share", "new_energy_share_of_clean", "split_in_group"})


def width(text: str) -> int:
    """Return the number of terminal columns of a text; Chinese characters take two."""
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def table_lines(table: pl.DataFrame) -> list[str]:
    """Return a table as aligned lines, numbers to the right."""
    numeric = [dtype.is_numeric() for dtype in table.dtypes]
    cells = [table.columns, *[[_cell(v) for v in row] for row in table.iter_rows()]]
    widths = [max(width(row[j]) for row in cells) for j in range(table.width)]
    lines = []
    for row in cells:
        padded = [
            " " * (w - width(c)) + c if right else c + " " * (w - width(c))
            for c, w, right in zip(row, widths, numeric, strict=True)
        ]
        lines.append("  ".join(padded).rstrip())
    return lines


def number(value: float | None, unit: str = "") -> str:
    """Return a number with a sensible number of digits, years without separators."""
    if value is None:
        return "-"
    if unit == "year":
        return f"{value:.0f}"
    size = abs(value)
    digits = 0 if size >= 1000 else 1 if size >= 10 else 2
    return f"{value:,.{digits}f}"


#: Units shown on another scale: unit -> (divisor, text key), by language.
_SHOWN_UNITS: dict[str, dict[str, tuple[float, str]]] = {
    "zh": {
        "t/yr": (1e4, "unit.tonnes"),
        "tCO2/yr": (1e4, "unit.co2"),
        "TEU/yr": (1e4, "unit.teu"),
        "toe/yr": (1e4, "unit.toe"),
        "tkm/yr": (1e8, "unit.tkm"),
        "pkm/yr": (1e8, "unit.pkm"),
        "person/yr": (1e4, "unit.person"),
        "trip/yr": (1e4, "unit.trip"),
        "m3/yr": (1e8, "unit.m3"),
        "veh": (1e4, "unit.veh"),
    },
    "en": {
        "t/yr": (1e6, "unit.tonnes"),
        "tCO2/yr": (1e6, "unit.co2"),
        "TEU/yr": (1e3, "unit.teu"),
        "toe/yr": (1e6, "unit.toe"),
        "tkm/yr": (1e9, "unit.tkm"),
        "pkm/yr": (1e9, "unit.pkm"),
        "person/yr": (1e6, "unit.person"),
        "trip/yr": (1e6, "unit.trip"),
        "m3/yr": (1e9, "unit.m3"),
        "veh": (1e3, "unit.veh"),
    },
}


def divisor(unit: str, lang: str) -> float:
    """Return what :func:`shown` divides a value in a unit by."""
    return _SHOWN_UNITS[lang].get(unit, (1.0, ""))[0]


def shown(value: float | None, unit: str, lang: str) -> str:
    """Return a value on the scale its reader uses (10^4 t in Chinese, Mt in English)."""
    return number(None if value is None else value / divisor(unit, lang), unit)


def unit_label(unit: str, lang: str) -> str:
    """Return a unit as the reader writes it, on the scale of :func:`shown`."""
    if unit in _SHOWN_UNITS[lang]:
        return t(_SHOWN_UNITS[lang][unit][1], lang)
    if unit in {"percent", "year"}:
        return "%" if unit == "percent" else ""
    key = f"unit.named.{unit.replace('/', '_per_')}"
    return t(key, lang) if has_text(key, lang) else unit


def scorecard_lines(stored: StoredRun, inputs: Inputs, lang: str) -> list[str]:
    """Return the scorecard of a run."""
    manifest = stored.manifest
    lines = scorecard(stored.table("indicators"), inputs.table("indicators"))
    made = [t("cli.title", lang, title=manifest[f"title_{lang}"], run=manifest["run_id"])]
    made += [t("cli.network_fine", lang)] if stored.network == "fine" else []
    made += table_lines(scorecard_frame(lines, inputs, lang))
    # Readings of a target that waits for its actual value say nothing yet.
    many = [line for line in lines if line.readings > 1 and line.verdict != "actual_pending"]
    names, areas = labels(inputs, "indicator", lang), labels(inputs, "area", lang)
    for line in many:
        place = "" if line.area == PROVINCE else f"{areas.get(line.area, line.area)} "
        made.append(t("cli.readings", lang, name=place + names[line.id], met=line.met, readings=line.readings))
    made += [line for line in (frozen_grid_line(stored.table("indicators"), inputs, lang),) if line]
    made += unmodelled_lines(lines, inputs, lang)
    return [
        *made,
        *(
            line
            for line in (capacity_line(stored, inputs, lang), response_line(stored, lang), sales_line(stored, inputs, lang))
            if line
        ),
    ]


def unmodelled_lines(lines: Sequence[ScoreLine], inputs: Inputs, lang: str) -> list[str]:
    """Return one sentence per target without a value: with the reason of the data where no model reaches it, and for a peak that does not come."""
    names, reasons = labels(inputs, "indicator", lang), unmodelled(inputs, lang)
    made = [
        t("scorecard.not_modelled", lang, name=names[line.id], reason=reasons.get(line.id, t("scorecard.no_reason", lang)))
        for line in lines
        if line.value is None and (line.id in reasons or line.verdict == NOT_MODELLED)
    ]
    return made + [
        t("scorecard.no_peak", lang, name=names[line.id], year=YEARS[-1])
        for line in lines
        if (line.id, line.value, line.verdict) == ("land_oil_peak", None, "missed")
    ]


def frozen_grid_line(indicators: pl.DataFrame, inputs: Inputs, lang: str, *, year: int = SHOWN_YEARS[-1]) -> str:
    """Return the change of the intensity with power in the boundary of the headline, at the grid of each year and at that of the base year.

    Parameters
    ----------
    indicators
        Result table ``indicators``.
    inputs
        With the table ``indicators``, which names the boundary.
    lang
        Language of the text.
    year
        Year of the change from the base year.

    Returns
    -------
    str
        Empty where the table lacks one of the two.
    """
    now = "operating_co2_intensity"
    boundary = inputs.table("indicators").filter(pl.col("id") == now)["boundary"][0]
    reading = {"year": year, "scope": "direct_power", "boundary": boundary, "base": str(BASE_YEAR), "variant": ""}
    found = indicators.filter(*[pl.col(name) == value for name, value in reading.items()], pl.col("value").is_not_null())
    values = dict(found.select("id", "value").iter_rows())
    frozen = f"{now}_frozen_grid"
    if not {now, frozen} <= set(values):
        return ""
    written = {"now": f"{values[now]:+.1f}", "frozen": f"{values[frozen]:+.1f}"}
    return t("cli.frozen_grid", lang, name=labels(inputs, "indicator", lang)[now], year=year, base=BASE_YEAR, **written)


_HEADS = ("indicator", "area", "year", "value", "actual", "target", "gap", "unit", "verdict", "quality")


def capacity_line(run: StoredRun, inputs: Inputs, lang: str, *, year: int = SHOWN_YEARS[-1]) -> str:
    """Return what the capacity of the railways does in a year, in one or two sentences; empty if no section is nearly full.

    With equilibrium it names the worst section, the tonnes that would go by rail, water or pipe if nothing were scarce, and what capacity takes from
    rail turnover; at fixed delays it warns that capacity does not act beyond the base year.
    """
    binding = float(inputs.params().get("binding_ratio")[0, 0])
    rail = run.table("freight_links").filter(pl.col("year") == year, pl.col("mode") == "rail", pl.col("vc_ratio") >= binding)
    if rail.is_empty():
        return ""
    worst = rail.sort("vc_ratio", "link_id", descending=[True, False]).row(0, named=True)
    nodes = dict(inputs.table("networks/nodes").select("node_id", f"name_{lang}").iter_rows())
    section = f"{nodes[worst['from_node']]}-{nodes[worst['to_node']]}"
    values = {
        "year": year,
        "count": rail.height,
        "worst": f"{worst['vc_ratio']:.2f}",
        "section": section,
        "limit": f"{binding:g}",
    }
    if run.table("freight_convergence").is_empty():
        return t("cli.capacity_fixed", lang, **values)
    unmet = float(run.table("freight_unmet").filter(pl.col("year") == year)["unmet_t"].sum())
    speeds = run.table("freight_speeds").filter(pl.col("year") == year, pl.col("mode") == "rail").row(0, named=True)
    change = 100.0 * (speeds["territory_tkm_equilibrium"] / speeds["territory_tkm_fixed"] - 1.0)
    tonnes = f"{shown(unmet, 't/yr', lang)} {unit_label('t/yr', lang)}"
    return t("cli.capacity", lang, **values, unmet=tonnes, change=f"{change:+.1f}")


def response_line(run: StoredRun, lang: str) -> str:
    """Return how strongly railways answer to dearer trucks, with the range that the cost scale leaves open."""
    cases = {row["case"]: row["rail_tkm_pct"] for row in run.table("freight_response").iter_rows(named=True)}
    low, high = sorted((cases["scale.low"], cases["scale.high"]))
    return t("cli.response", lang, central=f"{cases['central']:+.0f}", low=f"{low:+.0f}", high=f"{high:+.0f}")


def sales_line(run: StoredRun, inputs: Inputs, lang: str) -> str:
    """Return that sales follow costs of ownership, and how many levers on sales shares therefore do nothing; empty where levers set the sales."""
    resolved = run.manifest["resolved"]
    if resolved["run"].get("sales", "path") == "path":
        return ""
    priced = {s.split(":")[0] for s in inputs.params().subjects("vehicle_price")}
    target = {lever.lever: (lever.parameter, lever.subject.split(":")[0]) for lever in inputs.levers}
    moved = [target[split_setting(name)[0]] for name in resolved["set"]]
    idle = [parameter for parameter, subject in moved if parameter in _SHARE_ROWS and subject in priced]
    return t("cli.sales_tco", lang, count=len(idle), year=BASE_YEAR)


def scorecard_frame(lines: Sequence[ScoreLine], inputs: Inputs, lang: str) -> pl.DataFrame:
    """Return the scorecard with labels, ready to show."""
    names, areas = labels(inputs, "indicator", lang), labels(inputs, "area", lang)
    verdicts, qualities = labels(inputs, "verdict", lang), labels(inputs, "quality", lang)
    head = {c: t(f"scorecard.{c}", lang) for c in _HEADS}
    rows = [
        {
            head["indicator"]: names[x.id],
            head["area"]: areas[x.area],
            head["year"]: str(x.year),
            head["value"]: shown(x.value, x.unit, lang),
            head["actual"]: shown(x.actual, x.unit, lang),
            head["target"]: target_text(x, lang),
            head["gap"]: "-" if x.gap is None else shown(x.gap, "" if x.unit == "year" else x.unit, lang),
            head["unit"]: unit_label(x.unit, lang),
            head["verdict"]: verdicts[x.verdict],
            head["quality"]: qualities.get(x.quality, "-"),
        }
        for x in lines
    ]
    table = pl.DataFrame(rows)
    return table if any(x.actual is not None for x in lines) else table.drop(head["actual"])


def target_text(line: ScoreLine, lang: str) -> str:
    """Return a target with its direction."""
    return ("≥ " if line.direction == "at_least" else "≤ ") + goal(line.target, line.unit, lang)


def goal(value: float | None, unit: str, lang: str) -> str:
    """Return a target on the reader's scale with the digits it was set with, for zeros behind the point would claim more.

    Examples
    --------
    >>> goal(-9.5, "percent", "zh"), goal(70.0, "percent", "zh"), goal(1.5e7, "t/yr", "zh"), goal(2029.0, "year", "zh")
    ('-9.5', '70', '1,500', '2029')
    """
    if value is None:
        return "-"
    return f"{value:.0f}" if unit == "year" else f"{value / divisor(unit, lang):,.10g}"


def period_text(period: str | None, lang: str) -> str:
    """Return a period of the observed values in words, a dash where there is none.

    Examples
    --------
    >>> [period_text(p, "en") for p in ("2024", "2024Q1-3", "2022Q3", "2024M1-5", "2021M2", None)]
    ['2024', 'Q1-Q3 2024', 'Q3 2022', 'months 1-5 of 2024', 'month 2 of 2021', '-']
    """
    part = _PART_OF_YEAR.fullmatch(period or "")
    if part is None:
        return period or "-"
    year, kind, first, last = part.groups()
    key = {"Q": "quarter", "M": "month", None: "year"}[kind] + ("s" if last else "")
    return t(f"period.{key}", lang, year=year, first=first, last=last)


def reason_text(row: Mapping[str, Any], lang: str) -> str:
    """Return the reason of a light in words.

    Parameters
    ----------
    row
        One row of the result table ``progress``.
    lang
        Language of the text.
    """
    unit = row["unit"]

    def written(column: str) -> str:
        return shown(row[column], unit, lang)

    made = [
        t(
            f"progress.reason.{row['reason']}",
            lang,
            year=row["target_year"],
            start_year=row["start_year"],
            period=period_text(row["period"], lang),
            period_year=(row["period"] or "-")[:4],
            unit=unit_label(unit, lang),
            gap=shown(None if row["gap"] is None else abs(row["gap"]), unit, lang),
            **{name: written(name) for name in ("actual", "path")},
            target=goal(row["target"], unit, lang),
            needed=written("needed_per_year"),
            achieved=written("achieved_per_year"),
        )
    ]
    lights = {row["light"], row["light_low"], row["light_high"]} - {None}
    if len(lights) > 1:
        ends = {end: t(f"progress.light.{row[f'light_{end}'] or row['light']}", lang) for end in ("low", "high")}
        made.append(t("progress.open", lang, low_value=written("low"), high_value=written("high"), **ends))
    if row["start_from"] == "model" and row["path"] is not None:
        made.append(t("progress.modelled_start", lang, year=row["start_year"]))
    return ("" if lang == "zh" else " ").join(made)


def fit_frame(fit: pl.DataFrame, inputs: Inputs, lang: str) -> pl.DataFrame:
    """Return the rows of the table ``fit`` that have an observed value, with labels, on the reader's scale.

    The error stands in the column that says how the observation was used: fitted, held out or neither; a dash there means that nothing is modelled.
    A modelled value outside the range of the observation is marked there.
    """
    names, modes = labels(inputs, "fit_item", lang), labels(inputs, "mode", lang)
    qualities = labels(inputs, "quality", lang)
    head = {
        c: t(f"fit.{c}", lang)
        for c in ("item", "mode", "year", "observed", "modelled", *FIT_ERRORS.values(), "range", "unit", "quality")
    }
    rows = []
    for r in fit.filter(pl.col("observed").is_not_null()).iter_rows(named=True):
        unit = r["unit"].replace("/year", "/yr").replace("dimensionless", "")
        unit = f"{unit}/yr" if f"{unit}/yr" in _SHOWN_UNITS[lang] else unit
        low, high = (shown(r[c], unit, lang) for c in ("low", "high"))
        error = "-" if r["error_pct"] is None else f"{round(r['error_pct'], 1) + 0.0:+.1f}"
        span = f"{low} - {high}" if "-" not in (low, high) else f">= {low}" if low != "-" else f"<= {high}" if high != "-" else ""
        if _beyond(r["low"], r["modelled"]) or _beyond(r["modelled"], r["high"]):
            span = f"{span} {t('fit.outside', lang)}"
        rows.append(
            {
                head["item"]: names.get(r["item"], r["item"]),
                head["mode"]: modes.get(r["mode"], ""),
                head["year"]: str(r["year"]),
                head["observed"]: shown(r["observed"], unit, lang),
                head["modelled"]: shown(r["modelled"], unit, lang),
                **{head[column]: error if r["used_for"] == use else "" for use, column in FIT_ERRORS.items()},
                head["range"]: span,
                head["unit"]: unit_label(unit, lang),
                head["quality"]: qualities.get(r["quality"], r["quality"]),
            }
        )
    return pl.DataFrame(rows)


def _beyond(less: float | None, more: float | None) -> bool:
    """Return whether what should be less is more, by more than rounding."""
    return less is not None and more is not None and less - more > _ROUNDING * abs(more)


def fit_lines(stored: StoredRun, inputs: Inputs, lang: str) -> list[str]:
    """Return the totals of the base years and all held-out freight, observed beside modelled, with the errors; the table ``fit`` holds all years."""
    held_out = pl.col("item").is_in(FREIGHT_ITEMS) & (pl.col("used_for") == "validation")
    fit = stored.table("fit").filter(pl.col("year").is_in(FIT_YEARS) | held_out)
    return ["", t("cli.fit", lang), *table_lines(fit_frame(fit, inputs, lang))]


def indicator_rows(indicators: pl.DataFrame, inputs: Inputs) -> list[dict[str, Any]]:
    """Return the indicator rows of the JSON contract: those with a target, and the shown years of the others."""
    del inputs
    kept = indicators.filter(pl.col("target").is_not_null() | pl.col("year").is_in(SHOWN_YEARS))
    columns = [
        "id",
        "area",
        "year",
        "scope",
        "boundary",
        "base",
        "variant",
        "value",
        "unit",
        "target",
        "direction",
        "verdict",
        "quality",
    ]
    return kept.select(columns).to_dicts()


def show_table(what: str, inputs: Inputs, lang: str, needle: str) -> pl.DataFrame:
    """Return the rows that ``transport show`` prints, those that contain ``needle`` in any cell."""
    if what == "params":
        called = pl.DataFrame(
            list(parameter_labels(inputs, lang).items()), schema={"parameter": pl.String, "name": pl.String}, orient="row"
        )
        table = inputs.parameters.join(called, on="parameter", how="left", maintain_order="left").select(
            "parameter", "name", "subject", "year", "value", "low", "high", "unit", "quality", "source", "note"
        )
    elif what == "levers":
        table = _levers(inputs, lang)
    elif what == "targets":
        from transport.travel import plan_targets

        names = labels(inputs, "indicator", lang)
        table = pl.DataFrame(
            [
                {
                    "id": x.id,
                    "indicator": names.get(x.id, x.id),
                    "area": x.area,
                    "year": x.year,
                    "direction": x.direction,
                    "value": x.value,
                    "unit": x.unit,
                    "strength": x.strength,
                    "document": x.document,
                    "clause": x.clause,
                    "wording_zh": x.wording_zh,
                }
                for x in plan_targets(inputs)
            ],
            infer_schema_length=None,
        )
    elif what == "projects":
        columns = [
            "project_id",
            f"label_{lang}",
            "kind",
            "target",
            "open_year",
            "status",
            "cost_cny",
            "low",
            "high",
            "quality",
            "note",
        ]
        table = inputs.table("networks/projects").select(columns)
    elif what == "scenarios":
        table = _scenarios(inputs, lang)
    else:
        table = inputs.table("sources")
    if needle:
        cells = pl.concat_str(pl.all().cast(pl.String).fill_null(""), separator="\t").str.to_lowercase()
        table = table.filter(cells.str.contains(needle.lower(), literal=True))
    return table


def _levers(inputs: Inputs, lang: str) -> pl.DataFrame:
    """Return the levers with what moves which way when they are moved; a lever whose parameter has no such text shows its help."""
    effects = inputs.table("lever_effects").select("parameter", f"effect_{lang}")
    shown = [
        "lever",
        "label_zh",
        "label_en",
        "unit",
        "min",
        "max",
        "default",
        "effect",
        "operation",
        "parameter",
        "subject",
        "by_area",
    ]
    return (
        inputs.table("levers")
        .join(effects, on="parameter", how="left", maintain_order="left")
        .with_columns(pl.coalesce(f"effect_{lang}", f"help_{lang}").alias("effect"), pl.col("by_area").fill_null(value=False))
        .select(*shown, f"help_{lang}")
    )


def _scenarios(inputs: Inputs, lang: str) -> pl.DataFrame:
    from transport.scenario import load_scenario, scenario_names

    found = [load_scenario(name, inputs.folder, inputs.levers) for name in scenario_names(inputs.folder)]
    return pl.DataFrame(
        [
            {
                "scenario": s.name,
                "title": s.title_zh if lang == "zh" else s.title_en,
                "about": s.about_zh if lang == "zh" else s.about_en,
                "levers": len(s.settings),
            }
            for s in found
        ]
    )


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return number(value) if abs(value) >= 0.01 or value == 0 else f"{value:.3g}"
    return str(value)
