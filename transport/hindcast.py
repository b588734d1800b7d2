"""Modelled against observed series of 2015-2024: what was fitted beside what was held out, and the same with the data cut off earlier.

The rows of the table ``fit`` stand here again, with series that no part of the model compares itself (``accounts/hindcast_series``): the
grid factor, containers, rail energy, stocks. A calibrated figure is in-sample; with a cut, rows of parameters after the cut are taken
away, the model carries on without them, and a figure after the cut is held out whatever it was used for before.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from transport import accounts, bridge
from transport.layout import FIRST_CUT, FIRST_YEAR, FIT_SCHEMA, LAST_OBSERVED, year_index
from transport.parts import part_of_class
from transport.principles import Stated, compare, observed
from transport.urban_tables import urban_fit

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    from transport.inputs import Inputs
    from transport.params import LeverValue
    from transport.parts import Parts

    Array = NDArray[np.float64]

#: Columns of the result table, in order.
COLUMNS = (
    "item",
    "mode",
    "year",
    "unit",
    "observed",
    "low",
    "high",
    "modelled",
    "error_pct",
    "error_in_sample_pct",
    "error_held_out_pct",
    "used_for",
    "principle",
    "quality",
)
_PERIOD = re.compile(r"(\d{4})(.*)")


class HindcastError(ValueError):
    """Exception for a series that names a quantity the model does not have, or a cut outside its years."""


def hindcast_tables(parts: Parts) -> Mapping[str, pl.DataFrame]:
    """Return the result table ``hindcast`` of a run, with all data in sight."""
    return {"hindcast": hindcast(parts)}


def hindcast(parts: Parts, *, cut: int | None = None) -> pl.DataFrame:
    """Return modelled beside observed values of 2015-2024.

    Parameters
    ----------
    parts
        A run; with a cut one made from :func:`until`.
    cut
        Last year whose observations the model has seen; None = all.

    Returns
    -------
    frame
        Columns of :data:`COLUMNS`. ``error_pct`` = 100 (modelled / observed - 1), empty where the observation counts by another principle, again in the column that says whether the model had seen the
        figure; ``used_for`` is ``context`` where scopes differ too much for either, and after a cut where rows of years before it were
        written with the figure in sight (``seen_through``).

    Raises
    ------
    HindcastError
        If ``accounts/hindcast_series`` names an unknown quantity, or the cut lies outside the observed years.
    PrincipleError
        If a series that is no context is observed by another principle or definition than it is modelled.
    """
    _require_cut(cut)
    # What the fit compares itself is not taken a second time.
    rows = pl.concat([_fit_rows(parts), _series_rows(parts)], how="vertical")
    rows = rows.unique(["item", "mode", "year"], keep="first", maintain_order=True)
    if cut is not None:
        rows = _held_out(rows, parts.inputs, cut)
    uses = {"error_in_sample_pct": "calibration", "error_held_out_pct": "validation"}
    return (
        rows.with_columns(pl.when(pl.col("used_for") == use).then("error_pct").alias(name) for name, use in uses.items())
        .select(COLUMNS)
        .sort("item", "mode", "year", maintain_order=True)
    )


def summary(table: pl.DataFrame) -> pl.DataFrame:
    """Return one row per series: its years, and the mean absolute error of what was fitted, held out and neither.

    Parameters
    ----------
    table
        The result table ``hindcast``.

    Returns
    -------
    frame
        Columns item, mode, first, last, count, in_sample_pct, held_out_pct, context_pct, bias_pct (mean signed error of all its years).
    """

    def mean(use: str) -> pl.Expr:
        return pl.col("error_pct").filter(pl.col("used_for") == use).abs().mean()

    return table.group_by("item", "mode", maintain_order=True).agg(
        first=pl.col("year").min(),
        last=pl.col("year").max(),
        count=pl.len(),
        in_sample_pct=mean("calibration"),
        held_out_pct=mean("validation"),
        context_pct=mean("context"),
        bias_pct=pl.col("error_pct").mean(),
    )


def explanations(inputs: Inputs, lang: str) -> dict[tuple[str, str], str]:
    """Return (item, mode) -> why the model and the series differ, from ``accounts/hindcast_notes``; a mode ``""`` stands for every mode.

    The entries of the energy balance take the words of ``accounts/balance_notes``, which the bridge shows too.
    """
    balance = inputs.table("accounts/balance_notes").select("sector", "fuel", f"note_{lang}").iter_rows()
    found = {(f"{sector}_{fuel}", ""): str(note) for sector, fuel, note in balance}
    own = inputs.table("accounts/hindcast_notes").select("item", "mode", f"note_{lang}").iter_rows()
    return found | {(item, mode or ""): str(note) for item, mode, note in own}


def explanation(found: Mapping[tuple[str, str], str], item: str, mode: str) -> str:
    """Return the explanation of one series, empty where none is written."""
    return found.get((item, mode), found.get((item, ""), ""))


def until(inputs: Inputs, cut: int) -> Inputs:
    """Return inputs without the parameter rows after the cut, through 2024, so that the model carries on as if it were written then.

    Parameters
    ----------
    inputs
        Checked inputs.
    cut
        Last year whose rows stay. A parameter that starts after the cut keeps its rows: without them it would not exist.

    Raises
    ------
    HindcastError
        If the cut lies outside 2020-2023.

    Notes
    -----
    Rows after 2024 stay: they are assumptions on the future, and the years between are linear from the last row kept to them. They were
    written with the observations in sight, so that a hindcast with a cut is no more than nearly blind.
    """
    _require_cut(cut)
    key = ("parameter", "subject")
    first = pl.col("year").min().over(*key)
    late = pl.col("year").is_between(cut + 1, LAST_OBSERVED) & (first <= cut)
    return replace(inputs, parameters=inputs.parameters.filter(~late.fill_null(value=False)))


def levers_until(settings: Mapping[str, LeverValue], cut: int) -> dict[str, LeverValue]:
    """Return settings of levers without their values after the cut, through 2024; a lever left without a value is not set.

    Parameters
    ----------
    settings
        Lever -> number, or number by year.
    cut
        Last year whose values stay.
    """
    kept: dict[str, LeverValue] = {}
    for lever, value in settings.items():
        if isinstance(value, (int, float)):
            kept[lever] = value
            continue
        years = {year: number for year, number in value.items() if not cut < int(year) <= LAST_OBSERVED}
        if years:
            kept[lever] = years
    return kept


def _held_out(rows: pl.DataFrame, inputs: Inputs, cut: int) -> pl.DataFrame:
    """Return rows in which figures after a cut are held out, or context where the rows that the cut leaves know them all the same."""
    known = (
        inputs.table("accounts/hindcast_series").group_by("item", pl.col("mode").fill_null("")).agg(pl.col("seen_through").max())
    )
    late = (pl.col("used_for") == "calibration") & (pl.col("year") > cut)
    told = pl.col("year") <= pl.col("seen_through").fill_null(cut)
    use = pl.when(late & told).then(pl.lit("context")).when(late).then(pl.lit("validation")).otherwise(pl.col("used_for"))
    rows = rows.join(known, on=["item", "mode"], how="left", maintain_order="left")
    return rows.with_columns(used_for=use).drop("seen_through")


def _require_cut(cut: int | None) -> None:
    if cut is not None and not FIRST_CUT <= cut < LAST_OBSERVED:
        msg = f"cut {cut} lies outside {FIRST_CUT}-{LAST_OBSERVED - 1}: the base year must be seen, and a year must be left to hold out"
        raise HindcastError(msg)


def _fit_rows(parts: Parts) -> pl.DataFrame:
    """Return the rows of the fit that have an observation."""
    balance = bridge.bridge_table(parts.inputs, parts.params, parts.now.energy)
    fit = pl.concat(
        [
            parts.freight.fit,
            parts.passengers.fit,
            parts.now.vehicles.fit,
            bridge.balance_fit(parts.inputs, balance),
            parts.travel.fit,
            urban_fit(parts.inputs, parts.params, parts.urban, parts.now.vehicles),
        ],
        how="vertical",
    )
    wanted = pl.col("year").is_between(FIRST_YEAR, LAST_OBSERVED)
    return fit.filter(wanted, pl.col("observed").is_not_null(), pl.col("modelled").is_not_null()).drop("note")


def _series_rows(parts: Parts) -> pl.DataFrame:
    """Return the series that ``accounts/hindcast_series`` compares, one row per observation."""
    rows: list[dict[str, object]] = []
    for series in parts.inputs.table("accounts/hindcast_series").iter_rows(named=True):
        modelled = _modelled(parts, str(series["quantity"]))
        stated = _stated(parts.inputs, series)
        for seen in _observations(parts.inputs, series).iter_rows(named=True):
            year = int(_PERIOD.fullmatch(seen["period"])[1])  # type: ignore[index]  # the filter matched it
            used_for = seen["used_for"] if seen["used_for"] == "context" else series["used_for"] or seen["used_for"]
            value = float(modelled[year_index(year)])
            rows.append(
                {
                    **{name: series[name] for name in ("item", "unit")},
                    "mode": series["mode"] or "",
                    "year": year,
                    "observed": float(seen["value"]) * float(series["factor"]),
                    **{c: None if seen[c] is None else float(seen[c]) * float(series["factor"]) for c in ("low", "high")},
                    "modelled": value,
                    "error_pct": _error_pct(value, stated[seen["period"]], series, seen["scope_break"], used_for),
                    "used_for": used_for,
                    "principle": seen["principle"],
                    "quality": seen["quality"],
                }
            )
    schema = {name: dtype for name, dtype in FIT_SCHEMA.items() if name != "note"}
    return pl.DataFrame(rows, schema=schema)


def _stated(inputs: Inputs, series: Mapping[str, object]) -> dict[str, Stated]:
    """Return the observations of a series by period in the unit of the comparison, each with what it counts."""
    keys = {
        name: str(series[column] or "") for name, column in (("series", "series"), ("area", "area"), ("item", "observed_item"))
    }
    found = observed(
        inputs, str(series["table"]).removeprefix("observed/"), mode=str(series["observed_mode"] or "") or None, **keys
    )
    factor, unit = float(str(series["factor"])), str(series["unit"])
    return {period: replace(one, values=one.values * factor, unit=unit) for period, one in found.items()}


def _error_pct(value: float, seen: Stated, series: Mapping[str, object], mark: str | None, used_for: str) -> float | None:
    """Return the error of a modelled value, None where a figure of the context counts something else.

    Raises
    ------
    PrincipleError
        If a figure that is no context counts by another principle or definition than the model.
    """
    # A break that the model follows too puts both on one side.
    definition = seen.definition if mark and mark == series["scope_break"] else frozenset(str(series["definition"] or "").split())
    model = Stated(f"modelled {series['item']}", np.asarray(value), seen.unit, str(series["principle"]), definition)
    if used_for == "context" and (model.principle, model.definition) != (seen.principle, seen.definition):
        return None
    return 100.0 * (float(compare(model, seen)) - 1.0)


def _observations(inputs: Inputs, series: Mapping[str, object]) -> pl.DataFrame:
    """Return the rows of one observed series: those of whole years, or of the part of the year that the series names."""
    table = inputs.table(str(series["table"]))
    end = re.escape(str(series["period"] or ""))
    same = [
        pl.col(column).fill_null("") == str(series[name] or "")
        for column, name in (("series", "series"), ("area", "area"), ("mode", "observed_mode"), ("item", "observed_item"))
    ]
    year = pl.col("period").str.slice(0, 4).cast(pl.Int64, strict=False)
    return table.filter(
        *same,
        pl.col("period").str.contains(f"^[0-9]{{4}}{end}$"),
        year.is_between(FIRST_YEAR, LAST_OBSERVED),
        pl.col("value").is_not_null(),
        # A series before a break counts something else.
        pl.col("scope_break").fill_null("").is_in(["", str(series["scope_break"] or "")]),
    )


def _modelled(parts: Parts, quantity: str) -> Array:
    """Return a modelled quantity ``[year]`` of the first draw."""
    kind, _, names = quantity.partition(":")
    if kind not in _QUANTITIES:
        msg = f"accounts/hindcast_series: unknown quantity {quantity!r}; write one of {', '.join(_QUANTITIES)}"
        raise HindcastError(msg)
    return np.asarray(_QUANTITIES[kind](parts, names)[0])


def _stock(parts: Parts, names: str, definition: str | None = None) -> Array:
    """Return the vehicles of classes or groups joined by ``+`` ``[draw, year]`` [veh], all or those that a definition counts as clean."""
    fleet = parts.now.vehicles
    wanted = names.split("+")
    unknown = set(wanted) - set(fleet.classes) - set(fleet.parent.values())
    if unknown:
        msg = f"accounts/hindcast_series: unknown vehicle class {', '.join(sorted(unknown))}"
        raise HindcastError(msg)
    total = np.zeros(fleet.stock.shape[2:])
    for i, name in enumerate(fleet.classes):
        if name not in wanted and fleet.parent.get(name, name) not in wanted:
            continue
        for j, train in enumerate(fleet.powertrains):
            if definition is None or fleet.clean[definition].get((name, train), False):
                total += fleet.stock[i, j]
    return total


def _rail_intensity(parts: Parts, _: str) -> Array:
    """Return rail energy per converted tonne-km ``[draw, year]`` [tce/Mtkm], electricity by calorific value as rail statistics do."""
    books = parts.now
    part = part_of_class(parts.inputs, operating_only=False)
    kgce = accounts.coal_equivalent(books.energy, parts.params, electricity="calorific")
    rows = [k for k, key in enumerate(books.energy.keys) if part.get(key.vehicle_class) == "rail"]
    return np.asarray(kgce[rows].sum(axis=0) / books.book.turnover_tkm["rail"] * 1e3)


def _ground_co2(parts: Parts, _: str) -> Array:
    """Return CO2 from the fuel of all road vehicles and railways, operating or not ``[draw, year]`` [tCO2/yr]."""
    part = part_of_class(parts.inputs, operating_only=False)
    keys = parts.now.energy.keys
    rows = [k for k, key in enumerate(keys) if part.get(key.vehicle_class) in {"road", "rail"}]
    return np.asarray(parts.now.co2_t[0][rows].sum(axis=0))


#: Quantity of ``accounts/hindcast_series`` before the colon -> the modelled series; what follows the colon are vehicle classes.
_QUANTITIES: Mapping[str, Callable[[Parts, str], Array]] = {
    "grid_factor": lambda parts, _: parts.grid,
    "sea_rail_teu": lambda parts, _: parts.freight.sea_rail_teu,
    "port_teu": lambda parts, _: parts.freight.port_teu,
    "rail_t": lambda parts, _: parts.freight.rail_loaded_t,
    "rail_intensity": _rail_intensity,
    "ground_co2": _ground_co2,
    "stock": _stock,
    "new_energy_stock": lambda parts, names: _stock(parts, names, "nev_only"),
}
