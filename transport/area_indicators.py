"""Indicators by prefecture: numerators and denominators of the province laid to places by the same drivers, so that the places sum to it.

A prefecture's intensity is allocated, not observed: carriers, vehicles and consumption are alike everywhere, and what differs between two
places is how their transport is made up of modes and services. Only boxes at the quays are modelled where they stand.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from transport import accounts, indicators
from transport.area_turnover import turnover_by_place, turnover_frame, turnover_shares
from transport.layout import BASE_YEAR, NORMAL_YEAR, PROVINCE, QUALITY_ORDER, SCOPES, YEARS, year_index
from transport.parts import boundaries, part_of_class
from transport.prefectures import (
    SUM_LIMIT,
    AreaError,
    area_shares,
    driver_quality,
    drivers_of,
    places,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    from transport.area_turnover import TurnoverAreas
    from transport.parts import Books, Parts

    Array = NDArray[np.float64]

#: Driver of what the models put in a place themselves.
MODELLED = "modelled"
_G_PER_T = 1e6
_PERCENT = 100.0
#: Years before have no observed input of the boxes by rail.
_FIRST_BOXES = 2018


@dataclass(frozen=True)
class AreaSeries:
    """One indicator by place and year, first draw; value = factor x numerator / denominator.

    Attributes
    ----------
    id, scope, boundary, base, variant, unit
        As in the result table ``indicators``.
    factor
        From numerator over denominator to the unit.
    numerator, denominator
        ``[place, year]``; the denominator is None for an amount.
    start
        Numerator and denominator ``[place]`` of the base.
    whole, whole_start
        The same of the province from its own accounts ``[year]`` and numbers, not summed over places.
    drivers
        What the places follow.
    """

    id: str
    unit: str
    numerator: Array
    denominator: Array | None
    start: tuple[Array, Array | None]
    whole: tuple[Array, Array | None]
    whole_start: tuple[float, float | None]
    drivers: frozenset[str]
    factor: float = 1.0
    scope: str = ""
    boundary: str = ""
    base: str = ""
    variant: str = ""


# ---- indicators --------------------------------------------------------------------------------------------------------------------


def area_indicators(parts: Parts) -> list[AreaSeries]:
    """Return every indicator that the parts allow by place.

    Parameters
    ----------
    parts
        Of the run.

    Returns
    -------
    list of AreaSeries
        Intensity in every reading, CO2, land oil, energy of the railway, clean share of additions, boxes by rail at the quays.
    """
    shares = area_shares(parts)
    moved = turnover_shares(parts, shares)
    return [
        *_intensities(parts, shares, moved),
        *_totals(parts, shares),
        *_rail(parts, shares, moved),
        *_additions(parts, shares),
        *_boxes(parts),
    ]


def _places_of(parts: Parts, shares: Mapping[str, Array], amounts: Mapping[str, Array]) -> tuple[Array, frozenset[str]]:
    """Return amounts by class ``[..., year]`` laid to places ``[..., place, year]``, and the drivers used."""
    known = drivers_of(parts.inputs, amounts)
    total: Array = np.zeros(1)
    used = set()
    for name, amount in amounts.items():
        driver = known[name][1]
        total = total + shares[driver] * amount[..., None, :]
        if bool(np.any(amount)):
            used.add(driver)
    return total, frozenset(used)


def _by_class(books: Books, quantity: Array, classes: Iterable[str]) -> dict[str, Array]:
    """Return a quantity ``[..., key, year]`` of the energy keys summed by class, of these classes."""
    wanted = set(classes)
    found: dict[str, Array] = {}
    for k, key in enumerate(books.energy.keys):
        if key.vehicle_class in wanted:
            found[key.vehicle_class] = found.get(key.vehicle_class, 0.0) + quantity[..., k, :]
    return found


def _intensities(parts: Parts, shares: Mapping[str, Array], moved: Sequence[TurnoverAreas]) -> list[AreaSeries]:
    """Return CO2 per converted turnover of operating transport in every boundary, scope and base."""
    part_of = part_of_class(parts.inputs, operating_only=True)
    at = year_index(BASE_YEAR)
    made = []
    laid = []
    for books in (parts.now, parts.before):
        co2, tkm = {}, {}
        for part in books.book.turnover_tkm:
            classes = [name for name, p in part_of.items() if p == part]
            co2[part] = _places_of(parts, shares, _by_class(books, books.co2_t[:, :, 0], classes))
            tkm[part] = turnover_by_place(books, moved, part)
        laid.append((co2, tkm))
    for boundary, inside in boundaries(parts.inputs).items():
        (co2, tkm), (co2_normal, tkm_normal) = laid
        used = frozenset().union(*(co2[p][1] | tkm[p][1] for p in inside))
        bottom, bottom_normal = (np.sum([x[p][0] for p in inside], axis=0) for x in (tkm, tkm_normal))
        whole_bottom, whole_normal = (
            np.sum([b.book.turnover_tkm[p][0] for p in inside], axis=0) for b in (parts.now, parts.before)
        )
        for s, scope in enumerate(SCOPES):
            top, top_normal = (np.sum([x[p][0][s] for p in inside], axis=0) for x in (co2, co2_normal))
            whole_top, normal_top = (np.sum([b.book.co2_t[p][s, 0] for p in inside], axis=0) for b in (parts.now, parts.before))
            starts = {
                str(BASE_YEAR): ((top, bottom), (whole_top, whole_bottom)),
                f"{BASE_YEAR}_normal": ((top_normal, bottom_normal), (normal_top, whole_normal)),
            }
            for base, (of_place, of_all) in starts.items():
                made.append(
                    AreaSeries(
                        id="operating_co2_intensity_level",
                        unit="gCO2/tkm",
                        factor=_G_PER_T,
                        numerator=top,
                        denominator=bottom,
                        start=(of_place[0][:, at], of_place[1][:, at]),
                        whole=(whole_top, whole_bottom),
                        whole_start=(float(of_all[0][at]), float(of_all[1][at])),
                        drivers=used,
                        scope=scope,
                        boundary=boundary,
                        base=base,
                    )
                )
    return made


def _amount(
    series: str, unit: str, laid: tuple[Array, frozenset[str]], whole: Array, *, scope: str = "", variant: str = ""
) -> AreaSeries:
    """Return an amount by place, compared with its own base year."""
    at = year_index(BASE_YEAR)
    return AreaSeries(
        id=series,
        unit=unit,
        numerator=laid[0],
        denominator=None,
        start=(laid[0][:, at], None),
        whole=(whole, None),
        whole_start=(float(whole[at]), None),
        drivers=laid[1],
        scope=scope,
        base=str(BASE_YEAR),
        variant=variant,
    )


def _totals(parts: Parts, shares: Mapping[str, Array]) -> list[AreaSeries]:
    """Return CO2 of all transport by scope, and oil burnt on land."""
    params, now = parts.params, parts.now
    every = {key.vehicle_class for key in now.energy.keys}
    made = []
    co2, used = _places_of(parts, shares, _by_class(now, now.co2_t[:, :, 0], every))
    for s, scope in enumerate(SCOPES):
        made.append(_amount("transport_co2_total", "tCO2/yr", (co2[s], used), now.co2_t[s, :, 0].sum(axis=0), scope=scope))
    kgce = accounts.coal_equivalent(now.energy, params)
    part_of = part_of_class(parts.inputs, operating_only=False)
    per_kgce = params.get("oil_equivalent")
    for variant, without in (("", ()), ("without_private_cars", ("private_car",))):
        rows = indicators.land_oil_rows(now.energy, part_of, without=without)
        counted = np.zeros_like(kgce[:, 0])
        counted[rows] = kgce[rows, 0] * per_kgce[0] / 1000.0
        laid = _places_of(parts, shares, _by_class(now, counted, {now.energy.keys[k].vehicle_class for k in rows}))
        whole = indicators.land_oil_toe(now.energy, kgce, part_of, per_kgce, without=without)[0]
        made.append(_amount("land_oil", "toe/yr", laid, whole, variant=variant))
    return made


def _rail(parts: Parts, shares: Mapping[str, Array], moved: Sequence[TurnoverAreas]) -> list[AreaSeries]:
    """Return energy of the railway per converted turnover in both conversions of electricity, against every base of the indicator."""
    part_of = part_of_class(parts.inputs, operating_only=False)
    classes = [name for name, part in part_of.items() if part == "rail"]
    made = []
    for conversion in ("calorific", "equivalence"):
        sides = []
        for books in (parts.now, parts.before):
            kgce = accounts.coal_equivalent(books.energy, parts.params, electricity=conversion)[:, 0]
            whole = kgce[[k for k, key in enumerate(books.energy.keys) if key.vehicle_class in classes]].sum(axis=0)
            used = _places_of(parts, shares, _by_class(books, kgce, classes))
            tkm = turnover_by_place(books, moved, "rail")
            sides.append((used, tkm, whole, books.book.turnover_tkm["rail"][0]))
        now, before = sides
        bases = {
            str(BASE_YEAR): (now, BASE_YEAR),
            str(NORMAL_YEAR): (now, NORMAL_YEAR),
            f"{BASE_YEAR}_normal": (before, BASE_YEAR),
        }
        for base, (side, year) in bases.items():
            at = year_index(year)
            made.append(
                AreaSeries(
                    id="rail_energy_intensity_level",
                    unit="kgce/Mtkm",
                    factor=1e6,
                    numerator=now[0][0],
                    denominator=now[1][0],
                    start=(side[0][0][:, at], side[1][0][:, at]),
                    whole=(now[2], now[3]),
                    whole_start=(float(side[2][at]), float(side[3][at])),
                    drivers=now[0][1] | now[1][1],
                    base=base,
                    variant=conversion,
                )
            )
    return made


def _share(
    series: str, laid: Sequence[Array], whole: Sequence[Array], drivers: frozenset[str], *, variant: str = ""
) -> AreaSeries:
    """Return a share in percent by place; its change is in points."""
    at = year_index(BASE_YEAR)
    return AreaSeries(
        id=series,
        unit="percent",
        factor=_PERCENT,
        numerator=laid[0],
        denominator=laid[1],
        start=(laid[0][:, at], laid[1][:, at]),
        whole=(whole[0], whole[1]),
        whole_start=(float(whole[0][at]), float(whole[1][at])),
        drivers=drivers,
        base=str(BASE_YEAR),
        variant=variant,
    )


def _additions(parts: Parts, shares: Mapping[str, Array]) -> list[AreaSeries]:
    """Return the clean share of the additions of a year; vehicles are added where the energy of their class is used."""
    fleet = parts.vehicles
    total = dict(zip(fleet.classes, fleet.sales[:, :, 0].sum(axis=1), strict=True))
    groups = indicators.addition_groups(fleet.classes, fleet.is_operating)
    both = [i for i, name in enumerate(fleet.classes) if fleet.parent.get(name, name) in {"urban_bus", "taxi"}]
    motor = [i for i, name in enumerate(fleet.classes) if fleet.mode[name] == "road"]
    made = []
    for definition, counts in fleet.clean.items():
        mask = indicators.clean_mask(counts, fleet.classes, fleet.powertrains)[:, :, None]
        cleaned = dict(zip(fleet.classes, (fleet.sales[:, :, 0] * mask).sum(axis=1), strict=True))
        wanted = [("clean_share_of_additions", f"{group}:{definition}", rows) for group, rows in groups.items()]
        wanted.append(("clean_share_new_bus_taxi", definition, both))
        if definition == "nev_only":
            wanted.append(("nev_sales_share", "", motor))
        for series, variant, rows in wanted:
            names = [fleet.classes[i] for i in rows if bool(total[fleet.classes[i]].any())]
            top, bottom = (_places_of(parts, shares, {n: of[n] for n in names}) for of in (cleaned, total))
            whole = [np.sum([of[n] for n in names], axis=0) for of in (cleaned, total)]
            made.append(_share(series, (top[0], bottom[0]), whole, bottom[1], variant=variant))
    return made


def _boxes(parts: Parts) -> list[AreaSeries]:
    """Return the share of the boxes over the quays of a place that come or go by rail, as modelled at each port."""
    zones = parts.inputs.table("networks/zones").select("zone_id", "area")
    rows = parts.freight.port_containers.join(zones, on="zone_id", how="left").filter(pl.col("year") >= _FIRST_BOXES)
    names = places(parts.inputs)
    laid = np.zeros((2, len(names), len(YEARS)))
    for area, year, rail, teu in rows.select("area", "year", "sea_rail_teu", "teu_throughput").iter_rows():
        at = names.index(area) if area in names else len(names) - 1
        laid[:, at, year_index(year)] += (rail, teu)
    known = np.asarray(YEARS) >= _FIRST_BOXES
    whole = [np.where(known, array[0], 0.0) for array in (parts.freight.sea_rail_teu, parts.freight.port_teu)]
    return [_share("sea_rail_share", list(laid), whole, frozenset({MODELLED}))]


# ---- tables ------------------------------------------------------------------------------------------------------------------------


def area_tables(parts: Parts) -> Mapping[str, pl.DataFrame]:
    """Return the tables ``indicator_areas`` and ``turnover_areas`` of a run.

    Parameters
    ----------
    parts
        Of the run.

    Raises
    ------
    AreaError
        If the places do not sum to the province.
    """
    found = area_indicators(parts)
    worst = max(_errors(found).values())
    if not worst <= SUM_LIMIT:
        msg = f"indicators by prefecture differ from the province by {worst:.1e} of it (limit {SUM_LIMIT:.0e})"
        raise AreaError(msg)
    return {"indicator_areas": _indicator_frame(parts, found), "turnover_areas": turnover_frame(parts)}


def area_indicator_checks(parts: Parts) -> pl.DataFrame:
    """Return the check ``areas.indicator_sum``: numerators and denominators of the places against the province, largest relative difference."""
    worst = max(_errors(area_indicators(parts)).values())
    return pl.DataFrame(
        {"check": ["areas.indicator_sum"], "value": [worst], "limit": [SUM_LIMIT], "passed": [worst <= SUM_LIMIT]}
    )


def _errors(found: Sequence[AreaSeries]) -> dict[str, float]:
    """Return indicator -> largest difference between the sum of the places and the province, as a share of the series' largest year."""
    worst: dict[str, float] = {}
    for series in found:
        pairs = [(series.numerator, series.whole[0]), (series.denominator, series.whole[1])]
        for laid, whole in pairs:
            if laid is None or whole is None:
                continue
            size = float(np.max(np.abs(whole)))
            error = float(np.max(np.abs(laid.sum(axis=0) - whole))) / (size if size > 0 else 1.0)
            worst[series.id] = max(worst.get(series.id, 0.0), error)
    return worst


def _value(series: AreaSeries, top: Array, bottom: Array | None) -> Array:
    """Return the value, nan where there is nothing below."""
    if bottom is None:
        return np.asarray(series.factor * top)
    out = np.full(np.broadcast_shapes(top.shape, bottom.shape), np.nan)
    return np.asarray(series.factor * np.divide(top, bottom, out=out, where=bottom > 0))


def _indicator_frame(parts: Parts, found: Sequence[AreaSeries]) -> pl.DataFrame:
    names = (*places(parts.inputs), PROVINCE)
    of_indicator, of_driver = indicators.indicator_quality(parts.inputs), driver_quality(parts.inputs)
    labels = pl.DataFrame([_labels(series, of_indicator, of_driver) for series in found])
    numbers = {name: np.stack(arrays) for name, arrays in _numbers(found, len(names)).items()}
    n_series, n_year = len(found), len(YEARS)
    columns = {
        "area": np.tile(np.repeat(names, n_year), n_series),
        "year": np.tile(np.asarray(YEARS, dtype=np.int64), n_series * len(names)),
        **{name: array.ravel() for name, array in numbers.items()},
    }
    table = pl.concat([labels[np.repeat(np.arange(n_series), len(names) * n_year)], pl.DataFrame(columns)], how="horizontal")
    empty = (pl.col("numerator") == 0.0) & (pl.col("denominator").is_nan() | (pl.col("denominator") == 0.0))
    return (
        table.filter(~empty)
        .with_columns(*[pl.col(name).fill_nan(None) for name in numbers])
        .select(
            "id",
            "area",
            "year",
            "scope",
            "boundary",
            "base",
            "variant",
            "numerator",
            "denominator",
            "value",
            "unit",
            "base_value",
            "change",
            "change_unit",
            "drivers",
            "quality",
        )
        .sort("id", "area", "year", "scope", "boundary", "base", "variant")
    )


def _labels(series: AreaSeries, of_indicator: Mapping[str, str], of_driver: Mapping[str, str]) -> dict[str, str]:
    """Return the codes and words of one indicator; its quality is the weakest of the indicator's and the drivers'."""
    qualities = [
        of_indicator.get(series.id.removesuffix("_level"), "assumption"),
        *(of_driver.get(d, "derived") for d in series.drivers),
    ]
    return {
        "id": series.id,
        "scope": series.scope,
        "boundary": series.boundary,
        "base": series.base,
        "variant": series.variant,
        "unit": series.unit,
        "change_unit": "points" if series.unit == "percent" else "percent",
        "drivers": " ".join(sorted(series.drivers)),
        "quality": max(qualities, key=QUALITY_ORDER.index),
    }


def _numbers(found: Sequence[AreaSeries], n_place: int) -> dict[str, list[Array]]:
    """Return column -> numbers of every indicator ``[place, year]``, the province last; nan where there is none."""
    made: dict[str, list[Array]] = {name: [] for name in ("numerator", "denominator", "value", "base_value", "change")}
    shape = (n_place, len(YEARS))
    for series in found:
        top = np.concatenate([series.numerator, series.whole[0][None]])
        start_top = np.append(series.start[0], series.whole_start[0])
        bottom = start_bottom = None
        if series.denominator is not None and series.whole[1] is not None:
            bottom = np.concatenate([series.denominator, series.whole[1][None]])
        if series.start[1] is not None and series.whole_start[1] is not None:
            start_bottom = np.append(series.start[1], series.whole_start[1])
        value, start = _value(series, top, bottom), _value(series, start_top, start_bottom)[:, None]
        if series.unit == "percent":
            change = value - start
        else:
            change = _PERCENT * (np.divide(value, start, out=np.full(shape, np.nan), where=start > 0) - 1.0)
        made["numerator"].append(top)
        made["denominator"].append(np.full(shape, np.nan) if bottom is None else bottom)
        made["value"].append(value)
        made["base_value"].append(np.broadcast_to(start, shape))
        made["change"].append(change)
    return made
