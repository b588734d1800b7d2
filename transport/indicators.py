"""The plan's indicators from modelled quantities; no lever is read here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from transport.layout import BASE_YEAR, FIRST_YEAR, PROVINCE, QUALITY_ORDER, SCOPES, YEARS, year_index

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from transport.accounts import Ledger, Reading
    from transport.inputs import Inputs
    from transport.layout import EnergyUse

#: Classes whose oil counts in "land oil": all road vehicles incl. private cars, and rail.
LAND_PARTS = ("road", "rail")
LAND_OIL_CARRIERS = ("gasoline", "diesel", "lpg")


@dataclass(frozen=True, slots=True)
class Series:
    """One indicator over the years.

    Attributes
    ----------
    id, area, unit
        Indicator code, area code, unit of the values.
    values
        Array ``[draw, year]``; NaN where the indicator has no meaning.
    scope, boundary, base, variant
        Empty where they do not apply.
    """

    id: str
    area: str
    unit: str
    values: NDArray[np.float64]
    scope: str = ""
    boundary: str = ""
    base: str = ""
    variant: str = ""


def intensity_series(matrix: Sequence[Reading]) -> list[Series]:
    """Return the operating CO2 intensity in every reading, as change against the base and as level."""
    made: list[Series] = []
    for r in matrix:
        made.append(Series("operating_co2_intensity", PROVINCE, "percent", r.change_pct, r.scope, r.boundary, r.base))
        if r.base == str(BASE_YEAR):
            made.append(
                Series("operating_co2_intensity_level", PROVINCE, "gCO2/tkm", r.intensity_g_per_tkm, r.scope, r.boundary, r.base)
            )
    return made


def companions(
    book: Ledger,
    boundaries: Mapping[str, Sequence[str]],
    freight_tkm: Mapping[str, NDArray[np.float64]],
    effective_share: NDArray[np.float64],
) -> list[Series]:
    """Return what stands beside the intensity: absolute CO2, CO2 per effective tkm, and leakage out of each boundary.

    Parameters
    ----------
    freight_tkm
        Part -> freight turnover ``[draw, year]`` [tkm/yr].
    effective_share
        Effective over driven freight tkm ``[draw, year]`` (shortest feasible OD distance).

    Notes
    -----
    Leakage is the freight that moved since the base year to parts ``p`` outside the boundary: the sum of
    ``(share_p(t) - share_p(base)) * total tkm(t)``, and its CO2 at the part's own intensity. Passengers are left out: their return after
    COVID moves between parts without any shift.
    """
    made: list[Series] = []
    base = year_index(BASE_YEAR)
    total = sum(freight_tkm.values(), np.zeros(1))
    moved = {p: (tkm / total - (tkm / total)[:, base : base + 1]) * total for p, tkm in freight_tkm.items()}
    for boundary, inside in boundaries.items():
        outside = [p for p in sorted(moved) if p not in inside]
        made.append(
            Series("leakage_tkm", PROVINCE, "tkm/yr", sum((moved[p] for p in outside), np.zeros_like(total)), boundary=boundary)
        )
        tkm = sum((book.turnover_tkm[p] for p in inside), np.zeros_like(total))
        for s, scope in enumerate(SCOPES):
            leaked = sum((moved[p] * book.co2_t[p][s] / book.turnover_tkm[p] for p in outside), np.zeros_like(total))
            made.append(Series("leakage_co2", PROVINCE, "tCO2/yr", leaked, scope, boundary))
            co2 = sum((book.co2_t[p][s] for p in inside), np.zeros_like(total))
            made.append(Series("operating_co2", PROVINCE, "tCO2/yr", co2, scope, boundary))
            per_effective = co2 * 1e6 / (tkm * effective_share)
            made.append(Series("operating_co2_per_effective_tkm", PROVINCE, "gCO2/tkm", per_effective, scope, boundary))
    return made


def sea_rail_series(
    sea_rail_teu: NDArray[np.float64], port_teu: NDArray[np.float64], base_range_teu: Sequence[float]
) -> list[Series]:
    """Return the sea-rail container share and its yearly growth since 2020.

    Parameters
    ----------
    sea_rail_teu, port_teu
        Arrays ``[draw, year]`` [TEU/yr].
    base_range_teu
        Low and high of the recalled 2020 base; the growth is shown against both beside the modelled base.

    Notes
    -----
    The indicator is undefined before 2018: no input of those years is observed.
    """
    known = np.asarray(YEARS) >= 2018
    share = np.where(known, 100.0 * sea_rail_teu / port_teu, np.nan)
    made = [
        Series("sea_rail_share", PROVINCE, "percent", share),
        Series("sea_rail_teu", PROVINCE, "TEU/yr", np.where(known, sea_rail_teu, np.nan)),
        Series("port_container_teu", PROVINCE, "TEU/yr", np.where(known, port_teu, np.nan)),
    ]
    base = year_index(BASE_YEAR)
    span = np.asarray(YEARS) - BASE_YEAR
    low, high = base_range_teu
    bases = {"": sea_rail_teu[:, base : base + 1], "base_low": np.full((1, 1), low), "base_high": np.full((1, 1), high)}
    for variant, at in bases.items():
        growth = np.full(sea_rail_teu.shape, np.nan)
        growth[:, span > 0] = 100.0 * ((sea_rail_teu[:, span > 0] / at) ** (1.0 / span[span > 0]) - 1.0)
        made.append(Series("sea_rail_growth", PROVINCE, "percent/yr", growth, variant=variant))
    return made


def addition_groups(classes: Sequence[str], is_operating: Mapping[str, bool]) -> dict[str, list[int]]:
    """Return group of the clean share of additions -> positions of its classes."""
    return {
        "all_civil": list(range(len(classes))),
        "operating": [i for i, c in enumerate(classes) if is_operating.get(c, False)],
        "without_private_cars": [i for i, c in enumerate(classes) if c != "private_car"],
    }


def clean_mask(clean: Mapping[tuple[str, str], bool], classes: Sequence[str], powertrains: Sequence[str]) -> NDArray[np.bool_]:
    """Return which ``[class, powertrain]`` count as clean by one definition."""
    return np.asarray([[clean.get((c, p), False) for p in powertrains] for c in classes])


def additions_series(
    sales: NDArray[np.float64],
    classes: Sequence[str],
    powertrains: Sequence[str],
    clean: Mapping[str, Mapping[tuple[str, str], bool]],
    is_operating: Mapping[str, bool],
    is_road: Mapping[str, bool],
    parent: Mapping[str, str],
) -> list[Series]:
    """Return the clean share of the year's additions (all civil, operating only, by class) and the new-energy share of new motor vehicles.

    Parameters
    ----------
    sales
        ``[class, powertrain, draw, year]`` [veh/yr].
    clean
        Definition (``plan`` or ``nev_only``) -> (class, powertrain) -> counts as clean.
    parent
        Vehicle class -> group; the group has a share of its own beside those of its classes.
    """
    made: list[Series] = []
    of_group: dict[str, list[int]] = {}
    for i, vehicle_class in enumerate(classes):
        of_group.setdefault(parent.get(vehicle_class, vehicle_class), []).append(i)
    for definition, counts in clean.items():
        mask = clean_mask(counts, classes, powertrains)[:, :, None, None]
        cleaned = (sales * mask).sum(axis=1)
        total = sales.sum(axis=1)

        def share(
            rows: list[int], cleaned: NDArray[np.float64] = cleaned, total: NDArray[np.float64] = total
        ) -> NDArray[np.float64]:
            bottom = total[rows].sum(axis=0)
            return np.where(bottom > 0, 100.0 * cleaned[rows].sum(axis=0) / np.where(bottom > 0, bottom, 1.0), np.nan)

        for group, rows in addition_groups(classes, is_operating).items():
            made.append(Series("clean_share_of_additions", PROVINCE, "percent", share(rows), variant=f"{group}:{definition}"))
        for name, rows in ({c: [i] for i, c in enumerate(classes)} | of_group).items():
            if total[rows].sum() > 0:
                variant = f"{name}:{definition}"
                made.append(Series("clean_share_of_class_additions", PROVINCE, "percent", share(rows), variant=variant))
        if definition == "nev_only":
            motor = [i for i, c in enumerate(classes) if is_road.get(c, False)]
            made.append(Series("nev_sales_share", PROVINCE, "percent", share(motor)))
        both = [i for name in ("urban_bus", "taxi") for i in of_group.get(name, [])]
        made.append(Series("clean_share_new_bus_taxi", PROVINCE, "percent", share(both), variant=definition))
    return made


def rail_series(
    rail_kgce: Mapping[str, NDArray[np.float64]],
    rail_tkm: NDArray[np.float64],
    rail_kgce_normal: Mapping[str, NDArray[np.float64]],
    rail_tkm_normal: NDArray[np.float64],
) -> list[Series]:
    """Return rail energy per converted turnover, as level and as change against 2020, 2019 and 2020 with normal loads.

    Parameters
    ----------
    rail_kgce, rail_kgce_normal
        Electricity conversion (``calorific`` or ``equivalence``) -> ``[draw, year]`` [kgce/yr].
    rail_tkm, rail_tkm_normal
        Converted turnover ``[draw, year]`` [tkm/yr].
    """
    made: list[Series] = []
    for conversion, kgce in rail_kgce.items():
        level = kgce / rail_tkm * 1e6
        normal = rail_kgce_normal[conversion] / rail_tkm_normal * 1e6
        made.append(Series("rail_energy_intensity_level", PROVINCE, "kgce/Mtkm", level, variant=conversion))
        bases = {
            "2020": level[:, [year_index(2020)]],
            "2019": level[:, [year_index(2019)]],
            "2020_normal": normal[:, [year_index(2020)]],
        }
        for base, at in bases.items():
            made.append(
                Series("rail_energy_intensity", PROVINCE, "percent", 100.0 * (level / at - 1.0), base=base, variant=conversion)
            )
    return made


def land_oil_rows(energy: EnergyUse, part_of_class: Mapping[str, str], *, without: Sequence[str] = ()) -> list[int]:
    """Return the positions of the keys whose energy is land oil: gasoline, diesel and LPG of road (incl. private) and rail.

    Parameters
    ----------
    part_of_class
        Vehicle class -> part, operating or not.
    without
        Classes left out.
    """
    return [
        k
        for k, key in enumerate(energy.keys)
        if key.carrier in LAND_OIL_CARRIERS
        and part_of_class.get(key.vehicle_class) in LAND_PARTS
        and key.vehicle_class not in without
    ]


def land_oil_toe(
    energy: EnergyUse,
    kgce: NDArray[np.float64],
    part_of_class: Mapping[str, str],
    koe_per_kce: NDArray[np.float64],
    *,
    without: Sequence[str] = (),
) -> NDArray[np.float64]:
    """Return gasoline, diesel and LPG of road (incl. private) and rail ``[draw, year]`` [toe/yr].

    Parameters
    ----------
    kgce
        Coal equivalent of every key ``[key, draw, year]``.
    part_of_class
        Vehicle class -> part, operating or not.
    koe_per_kce
        Oil equivalent per coal equivalent.
    without
        Classes left out.
    """
    rows = land_oil_rows(energy, part_of_class, without=without)
    return np.asarray(kgce[rows].sum(axis=0) * koe_per_kce / 1000.0)


def peak_year(toe: NDArray[np.float64], *, margin: float, later_years: int) -> NDArray[np.float64]:
    """Return the year of the oil peak per draw, NaN where the series only flattens or still rises (a plateau is no peak).

    Parameters
    ----------
    toe
        Series ``[draw, year]``.
    margin
        Share by which later years must lie below the peak.
    later_years
        Number of later years that must do so.
    """
    at = toe.argmax(axis=1)
    made = np.full(toe.shape[0], np.nan)
    for d, i in enumerate(at):
        below = toe[d, i + 1 :] <= toe[d, i] * (1.0 - margin)
        # A maximum in the first year of the series may have come before it: no peak was seen.
        if i > 0 and below.sum() >= later_years and bool(below[-later_years:].all()):
            made[d] = FIRST_YEAR + i
    return made


def oil_series(toe: NDArray[np.float64], *, margin: float, later_years: int, variant: str) -> list[Series]:
    """Return the land oil series and its peak year (shown in every year of the run)."""
    peak = peak_year(toe, margin=margin, later_years=later_years)
    return [
        Series("land_oil", PROVINCE, "toe/yr", toe, variant=variant),
        Series("land_oil_peak", PROVINCE, "year", np.repeat(peak[:, None], len(YEARS), axis=1), variant=variant),
    ]


def rail_increase(rail_t: NDArray[np.float64]) -> Series:
    """Return rail freight above that of 2020.

    Parameters
    ----------
    rail_t
        Rail tonnes ``[draw, year]`` [t/yr].
    """
    base = year_index(BASE_YEAR)
    return Series("rail_freight_increase", PROVINCE, "t/yr", rail_t - rail_t[:, base : base + 1])


def transhipment_growth(containers: pl.DataFrame) -> Series:
    """Return the yearly growth since 2020 of the boxes that change from ship to ship.

    Parameters
    ----------
    containers
        Result table ``port_containers``.

    Notes
    -----
    Compound growth. Only boxes: what ore, oil and grain do between ships is known to no model here. Their share of a port's throughput is a
    parameter, so that the growth is mostly that of the throughput that is entered.
    """
    teu = containers.group_by("year").agg(pl.col("transhipped_teu").sum()).sort("year")
    series = np.zeros(len(YEARS))
    series[[year_index(year) for year in teu["year"]]] = teu["transhipped_teu"].to_numpy()
    start, span = series[year_index(BASE_YEAR)], np.asarray(YEARS) - BASE_YEAR
    growth = np.full(len(YEARS), np.nan)
    if start > 0:
        growth[span > 0] = 100.0 * ((series[span > 0] / start) ** (1.0 / span[span > 0]) - 1.0)
    return Series("transhipment_growth", PROVINCE, "percent/yr", growth[None], variant="containers")


def share_series(indicator: str, share: NDArray[np.float64], *, area: str = PROVINCE, variant: str = "") -> Series:
    """Return a share 0-1 as an indicator in percent."""
    return Series(indicator, area, "percent", 100.0 * share, variant=variant)


def indicator_quality(inputs: Inputs) -> dict[str, str]:
    """Return indicator -> weakest quality among the parameters it mainly stands on (``indicators.csv``)."""
    by_parameter = {
        str(p): max(group["quality"].to_list(), key=QUALITY_ORDER.index)
        for (p,), group in inputs.parameters.filter(pl.col("value").is_not_null()).group_by(["parameter"], maintain_order=True)
    }
    found: dict[str, str] = {}
    for indicator, basis in inputs.table("indicators").select("id", "basis").iter_rows():
        qualities = [by_parameter[p] for p in basis.split()]
        found[indicator] = max(qualities, key=QUALITY_ORDER.index)
    return found


def series_frame(found: Sequence[Series], quality: Mapping[str, str], *, draw: int = 0) -> pl.DataFrame:
    """Return one draw of all series as a long table, years without a value left out except for the peak year.

    Parameters
    ----------
    quality
        Indicator code -> weakest quality of the data it stands on.
    """
    frames = []
    for s in found:
        values = s.values[min(draw, s.values.shape[0] - 1)]
        frames.append(
            pl.DataFrame(
                {
                    "id": [s.id] * len(YEARS),
                    "area": [s.area] * len(YEARS),
                    "year": np.asarray(YEARS, dtype=np.int64),
                    "scope": [s.scope] * len(YEARS),
                    "boundary": [s.boundary] * len(YEARS),
                    "base": [s.base] * len(YEARS),
                    "variant": [s.variant] * len(YEARS),
                    "value": values,
                    "unit": [s.unit] * len(YEARS),
                    "quality": [quality.get(s.id, "assumption")] * len(YEARS),
                }
            )
        )
    return pl.concat(frames).with_columns(value=pl.col("value").fill_nan(None))
