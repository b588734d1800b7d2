"""Two stored runs side by side, as plain frames: what differs in words, what moved, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from transport.app.freight_tables import MODES
from transport.app.what_if_tables import TKM
from transport.i18n import labels, t
from transport.run_deltas import VIEWS, deltas, ranked
from transport.scenario_words import differences
from transport.scorecard import READING, compare_runs
from transport.shift import UNSERVED
from transport.text import shown, unit_label
from transport.travel import plan_targets

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from transport.app.freight_tables import Names
    from transport.inputs import Inputs
    from transport.store import StoredRun

#: Tonnes in the unit of a shift: 10^4 t in Chinese, kt in English.
TONNES: Mapping[str, float] = {"zh": 1e4, "en": 1e3}
#: Rows of a comparison by place.
TOP = 15
_ROAD = "road"


def title(run: StoredRun, lang: str) -> str:
    """Return what a stored run is called in a list: title, day and hour, identifier.

    Parameters
    ----------
    run
        A stored run.
    lang
        ``zh`` or ``en``.
    """
    manifest = run.manifest
    made = str(manifest["created_at"])[:16].replace("T", " ")
    return t("what_if.run_title", lang, title=manifest[f"title_{lang}"], made=made, run=str(manifest["run_id"])[:6])


def words(first: StoredRun, second: StoredRun, data: Inputs, lang: str) -> tuple[list[str], list[str]]:
    """Return what has to be done to the first run's scenario to have the second's: freight, projects, closures and options; then all else.

    Parameters
    ----------
    first, second
        Stored runs.
    data
        Levers and names.
    lang
        ``zh`` or ``en``.
    """
    effects = data.table("lever_effects").filter(pl.col("domain") == "freight").select("parameter")
    freight = set(data.table("levers").join(effects, on="parameter", how="semi")["lever"].to_list())
    sides = [run.manifest["resolved"] for run in (first, second)]
    mine = [{**one, "set": {k: v for k, v in one["set"].items() if k in freight}} for one in sides]
    others = [{"set": {k: v for k, v in one["set"].items() if k not in freight}} for one in sides]
    return differences(mine[0], mine[1], data, lang), differences(others[0], others[1], data, lang)


def totals(first: pl.DataFrame, second: pl.DataFrame, year: int, named: Mapping[str, str], lang: str) -> pl.DataFrame:
    """Return turnover on the territory by mode in both runs and its change: mode, a, b, change, percent; the sum last.

    Parameters
    ----------
    first, second
        Result tables ``freight``.
    year
        Calendar year.
    named
        Labels of modes.
    lang
        ``zh`` or ``en``.
    """
    sides = [
        table.filter(pl.col("year") == year, pl.col("mode").is_in(MODES)).group_by("mode").agg(pl.col("territory_tkm").sum())
        for table in (first, second)
    ]
    both = sides[0].join(sides[1], on="mode", how="full", coalesce=True, suffix="_b").fill_null(0.0)
    rows = both.select("mode", a=pl.col("territory_tkm") / TKM[lang], b=pl.col("territory_tkm_b") / TKM[lang])
    order = {mode: k for k, mode in enumerate(MODES)}
    rows = rows.sort(pl.col("mode").replace_strict(order, return_dtype=pl.Int64))
    whole = rows.select(pl.lit(t("what_if.all_modes", lang)).alias("mode"), pl.col("a", "b").sum())
    return pl.concat([rows.with_columns(pl.col("mode").replace_strict(named)), whole]).with_columns(
        change=pl.col("b") - pl.col("a"),
        percent=pl.when(pl.col("a") > 0).then(100.0 * (pl.col("b") / pl.col("a") - 1.0)),
    )


def moved(by: str, first: pl.DataFrame, second: pl.DataFrame, year: int, names: Names, data: Inputs, lang: str) -> pl.DataFrame:
    """Return the change of turnover by commodity, corridor or prefecture: name, one column per mode, change; the largest first.

    Parameters
    ----------
    by
        One of :data:`transport.run_deltas.VIEWS`.
    first, second
        Its result tables.
    year
        One of their years.
    names
        Names of places.
    data
        For labels.
    lang
        ``zh`` or ``en``.
    """
    wide = ranked(by, deltas(by, first, {"b": second}, years=[year]))
    called = labels(data, "commodity", lang) if by == "commodity" else names.places
    keys = VIEWS[by].keys
    label = [" - ".join(called.get(code, code) for code in row) for row in wide.select(keys).iter_rows()]
    modes = [mode for mode in MODES if mode in wide.columns]
    return wide.select(
        name=pl.Series(label, dtype=pl.String),
        **{mode: pl.col(mode) / TKM[lang] for mode in modes},
        change=pl.col("change") / TKM[lang],
    )


def bars(table: pl.DataFrame, named: Mapping[str, str], top: int = TOP) -> pl.DataFrame:
    """Return the largest rows of :func:`moved` as bars: name, part (mode label), amount.

    Parameters
    ----------
    table
        From :func:`moved`.
    named
        Labels of modes.
    top
        Names.
    """
    modes = [mode for mode in MODES if mode in table.columns]
    long = table.head(top).unpivot(on=modes, index="name", variable_name="part", value_name="amount")
    return long.with_columns(pl.col("part").replace_strict(named))


def indicators(first: pl.DataFrame, second: pl.DataFrame, year: int, data: Inputs, lang: str) -> pl.DataFrame:
    """Return headline readings of the province in both runs: indicator, a, b, change, unit; only those that differ.

    Parameters
    ----------
    first, second
        Result tables ``indicators``.
    year
        Calendar year.
    data
        Headline definitions and labels.
    lang
        ``zh`` or ``en``.
    """
    definitions = data.table("indicators").select("id", *[pl.col(c).fill_null("") for c in READING])
    table = compare_runs(first, second, years=[year]).join(definitions, on=["id", *READING], how="semi", maintain_order="left")
    named, areas = labels(data, "indicator", lang), labels(data, "area", lang)
    promised = {(x.id, x.area) for x in plan_targets(data)}
    rows = [
        {
            "indicator": named.get(r["id"], r["id"]),
            "area": areas.get(r["area"], r["area"]),
            "a": shown(r["value_a"], r["unit"], lang),
            "b": shown(r["value_b"], r["unit"], lang),
            "change": shown(r["difference"], r["unit"], lang),
            "unit": unit_label(r["unit"], lang),
        }
        for r in table.drop_nulls("difference").iter_rows(named=True)
        if (r["id"], r["area"]) in promised and abs(r["difference"]) > 1e-9
    ]
    return pl.DataFrame(rows, schema=dict.fromkeys(("indicator", "area", "a", "b", "change", "unit"), pl.String))


# ---- causes of a shift -------------------------------------------------------------------------------------------------------------


def off_road(moves: pl.DataFrame) -> dict[str, float]:
    """Return tonnes that leave the road for each other mode, net of those that come from it [t/yr].

    Parameters
    ----------
    moves
        Columns from_mode, to_mode, t.
    """

    def between(source: str, target: str) -> float:
        return float(moves.filter(pl.col("from_mode") == source, pl.col("to_mode") == target)["t"].to_numpy().sum())

    return {mode: between(_ROAD, mode) - between(mode, _ROAD) for mode in MODES if mode != _ROAD}


def by_cause(moves: pl.DataFrame, data: Inputs, lang: str) -> pl.DataFrame:
    """Return what leaves the road by cause and mode, net: cause, one column per mode, total; the sum of causes last.

    Parameters
    ----------
    moves
        Columns cause, from_mode, to_mode, t [t/yr].
    data
        For labels.
    lang
        ``zh`` or ``en``.
    """
    causes = labels(data, "shift_cause", lang)
    found = set(moves["cause"].to_list())
    rows = [(label, off_road(moves.filter(pl.col("cause") == code))) for code, label in causes.items() if code in found]
    rows.append((t("what_if.all_causes", lang), off_road(moves)))
    return pl.DataFrame(
        [
            {"cause": label, **{m: v / TONNES[lang] for m, v in of.items()}, "total": sum(of.values()) / TONNES[lang]}
            for label, of in rows
        ]
    )


def by_commodity(moves: pl.DataFrame, data: Inputs, lang: str) -> pl.DataFrame:
    """Return moves by commodity and cause, the largest first: commodity, cause, from, to, t.

    Parameters
    ----------
    moves
        Columns commodity, cause, from_mode, to_mode, t [t/yr].
    data
        For labels.
    lang
        ``zh`` or ``en``.
    """
    modes: dict[str | None, str] = {UNSERVED: t("shift.unserved", lang), None: t("shift.added", lang)}
    modes.update(labels(data, "mode", lang).items())
    commodities, causes = labels(data, "commodity", lang), labels(data, "shift_cause", lang)
    rows = moves.sort(pl.col("t").abs(), descending=True)

    def named(column: str, called: Mapping[str | None, str] | Mapping[str, str]) -> pl.Series:
        return pl.Series(column, [called.get(code, code) for code in rows[column]], dtype=pl.String)

    return rows.select(
        named("commodity", commodities), named("cause", causes), named("from_mode", modes), named("to_mode", modes),
        t=pl.col("t") / TONNES[lang],
    )  # fmt: skip


def comparable(runs: Sequence[StoredRun]) -> list[StoredRun]:
    """Return the runs that hold what a comparison needs.

    Parameters
    ----------
    runs
        Stored runs.
    """
    needed = {view.table for view in VIEWS.values()} | {"indicators"}
    return [run for run in runs if needed <= set(run.manifest["tables"]) and "resolved" in run.manifest]
