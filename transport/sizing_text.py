"""The answer of a search for the right size in words, and the sizes around it as a table to read."""

from __future__ import annotations

import math

import polars as pl

from transport.i18n import has_text, t
from transport.sizing import AROUND

#: Difference between the present size and the answer that is not worth a word.
_SAME = 0.005


def sizing_text(part: pl.DataFrame, lang: str) -> str:
    """Return the answer of one search as a sentence.

    Parameters
    ----------
    part
        Rows of the result of :func:`size_place` with one ``what``.
    lang
        ``zh`` or ``en``.
    """
    row = part.filter("chosen").row(0, named=True)
    words = {
        "size": f"{row['size']:g}",
        "what": what_name(row["what"], lang),
        "unit": t(f"sizing.unit_{row['unit']}", lang),
        "present": f"{row['present_size']:,.0f}",
        "evaluations": row["evaluations"],
    }
    said = []
    if not row["feasible"]:
        missed = part.filter(pl.col("chosen") & ~pl.col("meets")).sort("metric")
        words["misses"] = ("；" if lang == "zh" else "; ").join(
            t(
                "sizing.miss",
                lang,
                metric=t(f"sizing.metric_{m['metric']}", lang),
                value=_written(m["value"], m["metric_unit"]),
                limit=_written(m["limit"], m["metric_unit"]),
            )
            for m in missed.iter_rows(named=True)
        )
        said.append(t("sizing.infeasible", lang, **words))
    elif row["size"] == 0.0 and row["present_size"] > 0.0:
        said.append(t("sizing.none_needed", lang, **words))
    elif row["over_built_share"] is None or abs(row["over_built_share"]) < _SAME:
        said.append(t("sizing.just_right", lang, **words))
    else:
        key = "over" if row["over_built_share"] > 0.0 else "under"
        said.append(t(f"sizing.{key}", lang, share=f"{100 * abs(row['over_built_share']):.0f}", **words))
    if row["bound"] is not None:
        words |= {
            "bound": f"{row['bound']:,.0f}",
            "gap": f"{100 * row['gap_share']:.1f}" if row["gap_share"] is not None else "-",
        }
        said.append(t("sizing.bound", lang, **words))
    # a little worse well inside the limits is chance; a larger size that fails where a smaller one does not puts the answer in doubt
    holds = part.group_by("size").agg(pl.col("meets").all()).sort("size")["meets"].to_list()
    if not row["monotone"] and holds != sorted(holds):
        said.append(t("sizing.not_monotone", lang))
    return ("" if lang == "zh" else " ").join(said)


def what_name(what: str, lang: str) -> str:
    """Return the name of what is sized; berths of one type of ship are told by the ship.

    Parameters
    ----------
    what, lang
        Column of the result of :func:`size_place`, and ``zh`` or ``en``.
    """
    key = f"sizing.what_{what}"
    if has_text(key, lang):
        return t(key, lang)
    return t("sizing.what_berths_of", lang, ship=t(f"charging.ship_{what.removeprefix('berths_')}", lang))


def sizing_view(part: pl.DataFrame, lang: str, around: int = AROUND) -> pl.DataFrame:
    """Return the sizes around the answer and the present one as a table to read.

    Parameters
    ----------
    part
        As in :func:`sizing_text`.
    lang
        ``zh`` or ``en``.
    around
        Sizes on either side.
    """
    sizes = part["size"].unique().sort().to_list()
    at = sizes.index(part.filter("chosen")["size"][0])
    near = sizes[max(0, at - around) : at + around + 1]
    shown = part.filter(pl.col("size").is_in(near) | pl.col("present")).sort("size", "metric")
    head = {key: t(f"sizing.column_{key}", lang) for key in ("size", "metric", "value", "interval", "limit", "meets", "note")}
    rows = [
        {
            head["size"]: f"{r['size']:g}",
            head["metric"]: t(f"sizing.metric_{r['metric']}", lang),
            head["value"]: _written(r["value"], r["metric_unit"]),
            head["interval"]: ""
            if r["low"] is None
            else f"{_bare(r['low'], r['metric_unit'])}–{_written(r['high'], r['metric_unit'])}",
            head["limit"]: _written(r["limit"], r["metric_unit"]),
            head["meets"]: "" if r["meets"] is None else t("sizing.yes" if r["meets"] else "sizing.no", lang),
            head["note"]: " ".join(t(f"sizing.{key}", lang) for key in ("chosen", "present") if r[key]),
        }
        for r in shown.iter_rows(named=True)
    ]
    return pl.DataFrame(rows, schema=dict.fromkeys(head.values(), pl.String))


def _bare(value: float, unit: str) -> str:
    return f"{100 * value:.2f}" if unit == "dimensionless" else f"{value:.1f}"


def _written(value: float | None, unit: str) -> str:
    if value is None or not math.isfinite(value):
        return "-"
    return f"{_bare(value, unit)} %" if unit == "dimensionless" else f"{_bare(value, unit)} {unit}"
