"""Comparisons and sweeps as lines of text for the terminal, in the reader's language."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl

from transport.i18n import labels, t
from transport.run_deltas import VIEWS, ranked
from transport.scenario_words import NAMED, differences, sentence
from transport.scorecard import READING, SIDES, headline_rows
from transport.text import shown, table_lines, unit_label
from transport.travel import plan_targets

if TYPE_CHECKING:
    from collections.abc import Sequence

    from transport.inputs import Inputs
    from transport.store import StoredRun
    from transport.sweeps import SweepResult

#: Rows of a comparison by place or commodity that are printed; the others are one row.
TOP = 15
#: Indicators of the table of a sweep: id and the year shown; None = the year asked for.
_SWEPT = ("operating_co2_intensity", "sea_rail_share")
_MODES = ("road", "rail", "water", "pipeline")


def side_names(runs: Sequence[StoredRun], lang: str) -> list[str]:
    """Return the titles of runs, with their letters where two have the same title."""
    titles = [str(run.manifest[f"title_{lang}"]) for run in runs]
    return [f"{title} ({side.upper()})" if titles.count(title) > 1 else title for title, side in zip(titles, SIDES, strict=False)]


def heads(runs: Sequence[StoredRun], inputs: Inputs, lang: str, *, most: int | None = NAMED) -> list[str]:
    """Return what is compared: a line per run, and what each other run is in words of the first.

    Parameters
    ----------
    runs
        Up to four.
    inputs, lang
        Names, and the language.
    most
        Differences that are named; None = all.
    """
    lines = [
        f"{side.upper()} = {run.manifest[f'title_{lang}']} ({run.manifest['run_id']})"
        for side, run in zip(SIDES, runs, strict=False)
    ]
    resolved = [run.manifest["resolved"] for run in runs]
    for side, other in zip(SIDES[1:], resolved[1:], strict=False):
        lines.append(sentence("A", side.upper(), differences(resolved[0], other, inputs, lang), lang, most=most))
    return lines


def indicator_lines(table: pl.DataFrame, count: int, inputs: Inputs, lang: str) -> list[str]:
    """Return the headline readings of several runs side by side; of indicators with targets only the areas that have one.

    Parameters
    ----------
    table
        From :func:`transport.scorecard.compare_runs`.
    count
        Number of runs.
    inputs, lang
        Names, and the language.
    """
    definitions = inputs.table("indicators").select("id", *[pl.col(c).fill_null("") for c in READING])
    both = table.join(definitions, on=["id", *READING], how="semi", maintain_order="left").drop_nulls("difference")
    promised = {(x.id, x.area) for x in plan_targets(inputs) if x.value is not None}
    with_target = {x for x, _ in promised}
    names, areas = labels(inputs, "indicator", lang), labels(inputs, "area", lang)
    rows = []
    for r in both.iter_rows(named=True):
        if r["id"] in with_target and (r["id"], r["area"]) not in promised:
            continue
        values = {s.upper(): shown(r[f"value_{s}"], r["unit"], lang) for s in SIDES[:count]}
        changes = {
            f"{s.upper()} - A": shown(r["difference" if s == "b" else f"difference_{s}"], r["unit"], lang) for s in SIDES[1:count]
        }
        rows.append(
            {
                t("scorecard.indicator", lang): names.get(r["id"], r["id"]),
                t("scorecard.area", lang): areas.get(r["area"], r["area"]),
                t("scorecard.year", lang): str(r["year"]),
                **values,
                **changes,
                t("scorecard.unit", lang): unit_label(r["unit"], lang),
            }
        )
    return table_lines(pl.DataFrame(rows)) if rows else []


def delta_lines(by: str, table: pl.DataFrame, inputs: Inputs, lang: str, *, top: int = TOP) -> list[str]:
    """Return changes by corridor, commodity or prefecture, a table per run and year, the largest first; the rest and the total close it.

    Parameters
    ----------
    by
        One of :data:`transport.run_deltas.VIEWS`.
    table
        From :func:`transport.run_deltas.deltas`.
    inputs, lang
        Names, and the language.
    top
        Rows before the rest; 0 = all.
    """
    lines: list[str] = []
    for (run, year), part in table.group_by("run", "year", maintain_order=True):
        wide = ranked(by, part)
        modes = [name for name in _MODES if name in wide.columns]
        kept = wide.head(top) if top else wide
        rest = wide.slice(kept.height)
        rows = [_row(by, [str(r[k]) for k in VIEWS[by].keys], r, modes, inputs, lang) for r in kept.iter_rows(named=True)]
        sums = [("compare.rest", rest)] if not rest.is_empty() else []
        for key, frame in (*sums, ("compare.total", wide)):
            whole = {name: frame[name].sum() for name in (*modes, "change")}
            rows.append(_row(by, [], whole, modes, inputs, lang, name=t(key, lang, count=frame.height)))
        lines += ["", t(f"compare.by_{by}", lang, run=str(run), year=year, unit=unit_label("tkm/yr", lang))]
        lines += table_lines(pl.DataFrame(rows))
    return lines


def _row(
    by: str, keys: Sequence[str], values: Any, modes: Sequence[str], inputs: Inputs, lang: str, *, name: str | None = None
) -> dict[str, str]:
    listed = labels(inputs, "mode", lang)
    label = name if name is not None else " - ".join(_place(by, key, inputs, lang) for key in keys)
    changes = {listed.get(mode, mode): shown(float(values[mode]), "tkm/yr", lang) for mode in modes}
    return {t(f"compare.{by}", lang): label, **changes, t("compare.sum", lang): shown(float(values["change"]), "tkm/yr", lang)}


def _place(by: str, code: str, inputs: Inputs, lang: str) -> str:
    """Return the name of a commodity, of a prefecture, or of a gateway by its node."""
    listed = labels(inputs, "commodity" if by == "commodity" else "area", lang)
    if code in listed:
        return listed[code]
    zones, nodes = inputs.table("networks/zones"), inputs.table("networks/nodes")
    found = zones.filter(pl.col("zone_id") == code).join(nodes, on="node_id", how="inner")
    return code if found.is_empty() else str(found[f"name_{lang}"][0] or code)


# ---- sweeps ----


def sweep_frame(result: SweepResult, inputs: Inputs, *, year: int) -> pl.DataFrame:
    """Return one row per case: headline readings of a year, territory tkm by mode, and what each changes against the first case.

    Parameters
    ----------
    result
        A sweep.
    inputs
        Headline definitions.
    year
        Calendar year.

    Returns
    -------
    polars.DataFrame
        ``case``, titles, words, ``operating_co2_intensity`` [percent], ``sea_rail_share`` [percent], ``<mode>_tkm`` [tkm/yr], ``<mode>_tkm_change``
        against the first case, ``seconds`` of the case, ``error``.
    """
    cases = result.table("cases").select("case", "title_zh", "title_en", "words_zh", "words_en", "error")
    seconds = pl.DataFrame(
        {"case": [c["case"] for c in result.manifest["cases"]], "seconds": [c["seconds"] for c in result.manifest["cases"]]},
        schema_overrides={"seconds": pl.Float64},
    )
    if "indicators" in result.manifest["tables"]:
        values = headline_rows(result.table("indicators"), inputs.table("indicators")).filter(
            pl.col("year") == year, pl.col("area") == "210000", pl.col("id").is_in(_SWEPT)
        )
        cases = cases.join(
            values.pivot(on="id", on_columns=list(_SWEPT), index="case", values="value"),
            on="case",
            how="left",
            maintain_order="left",
        )
    if "freight" in result.manifest["tables"]:
        freight = result.table("freight").filter(pl.col("year") == year)
        sums = freight.group_by("case", "mode").agg(pl.col("territory_tkm").sum())
        wide = sums.pivot(on="mode", on_columns=list(_MODES), index="case", values="territory_tkm")
        cases = cases.join(wide.rename({m: f"{m}_tkm" for m in _MODES}), on="case", how="left", maintain_order="left")
        cases = cases.with_columns((pl.col(f"{m}_tkm") - pl.col(f"{m}_tkm").first()).alias(f"{m}_tkm_change") for m in _MODES)
    return cases.join(seconds, on="case", how="left", maintain_order="left")


def sweep_lines(result: SweepResult, inputs: Inputs, lang: str, *, year: int) -> list[str]:
    """Return the comparison table of a sweep: what each case changes, what it comes to, and how long it took.

    Parameters
    ----------
    result
        A sweep.
    inputs, lang
        Names, and the language.
    year
        Calendar year of the figures.
    """
    frame = sweep_frame(result, inputs, year=year)
    listed = labels(inputs, "mode", lang)
    rows = [
        {
            t("sweep.case", lang): r[f"title_{lang}"],
            t("sweep.intensity", lang): shown(r.get("operating_co2_intensity"), "percent", lang),
            t("sweep.sea_rail", lang): shown(r.get("sea_rail_share"), "percent", lang),
            **{f"{listed[m]} Δ": shown(r.get(f"{m}_tkm_change"), "tkm/yr", lang) for m in _MODES if f"{m}_tkm" in frame.columns},
            t("sweep.seconds", lang): "-" if r["seconds"] is None else f"{r['seconds']:.1f}",
            t("sweep.words", lang): r["error"] or r[f"words_{lang}"] or "-",
        }
        for r in frame.iter_rows(named=True)
    ]
    done = next((case["case"] for case in result.manifest["cases"] if case["seconds"] is not None), None)
    fixed = done is not None and result.case(done).manifest["resolved"]["run"]["capacity"] == "fixed"
    return [
        t("sweep.title", lang, title=result.manifest[f"title_{lang}"], year=year),
        *table_lines(pl.DataFrame(rows)),
        t("sweep.note", lang, unit=unit_label("tkm/yr", lang), first=frame[f"title_{lang}"][0]),
        *([t("sweep.fixed", lang)] if fixed else []),
    ]
