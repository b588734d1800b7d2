"""Carbon, energy and converted-turnover accounts over any boundary.

The accounts only add up what the models report, under named definitions: no module here reads a lever. Series of different statistical
principles are refused unless a named bridge has carried them over (:mod:`transport.principles`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from transport.layout import CARRIER_UNITS, FIRST_YEAR, SCOPES, YEARS, EnergyUse, Turnover, TurnoverKey
from transport.power import hydrogen_factor
from transport.principles import Stated, cross, find_bridge, read_bridges, read_statements, require, statement_of, summed

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from transport.inputs import Inputs
    from transport.params import Params

_KG_PER_T = 1000.0
_GAS = "natural_gas"


@dataclass(frozen=True, slots=True)
class CarbonFactors:
    """CO2 per native unit of each carrier, by scope.

    Attributes
    ----------
    t_per_unit
        (scope, carrier) -> array ``[draw, year]`` [t CO2 per t, m3 or kWh].
    """

    t_per_unit: Mapping[tuple[str, str], NDArray[np.float64]]


def carbon_factors(params: Params, grid_kg_per_kwh: NDArray[np.float64]) -> CarbonFactors:
    """Return the carbon factors of the three scopes.

    Parameters
    ----------
    params
        Holds ``co2_factor_mass``, ``co2_factor_gas`` and the upstream rows.
    grid_kg_per_kwh
        Grid factor ``[draw, year]`` [kgCO2/kWh].

    Notes
    -----
    ``direct`` is combustion only; ``direct_power`` adds electricity at the year's grid factor; ``wtw`` adds the production of fuels,
    hydrogen and of the power stations' fuel (CO2 only, after ISO 14083 in kind).
    """
    shape = grid_kg_per_kwh.shape
    zero = np.zeros(shape)
    factors: dict[tuple[str, str], NDArray[np.float64]] = {}
    for carrier, unit in CARRIER_UNITS.items():
        if carrier == "electricity":
            combustion, power = zero, grid_kg_per_kwh / _KG_PER_T
            wtw = power * (1.0 + params.get("upstream_electricity", "electricity"))
        elif carrier == "hydrogen":
            combustion = power = zero
            wtw = hydrogen_factor(params, grid_kg_per_kwh)
        else:
            if unit == "t":
                combustion = params.get("co2_factor_mass", carrier) + zero
            else:
                combustion = params.get("co2_factor_gas", carrier) / _KG_PER_T + zero
            power = combustion
            wtw = combustion * (1.0 + params.get("upstream_share", carrier))
        factors["direct", carrier] = combustion
        factors["direct_power", carrier] = power
        factors["wtw", carrier] = wtw
    return CarbonFactors(factors)


def account(energy: EnergyUse, factors: CarbonFactors) -> NDArray[np.float64]:
    """Return CO2 of every energy key.

    Returns
    -------
    array (scope, key, draw, year) [t CO2/yr]
        Scopes in the order of ``SCOPES``.
    """
    made = np.empty((len(SCOPES), *energy.quantity.shape))
    for s, scope in enumerate(SCOPES):
        for k, key in enumerate(energy.keys):
            made[s, k] = energy.quantity[k] * factors.t_per_unit[scope, key.carrier]
    return made


def coal_equivalent(energy: EnergyUse, params: Params, *, electricity: str = "calorific") -> NDArray[np.float64]:
    """Return energy in coal equivalent.

    Parameters
    ----------
    electricity
        ``calorific`` (0.1229 kgce/kWh, official) or ``equivalence`` (about 0.30).

    Returns
    -------
    array (key, draw, year) [kgce/yr]
    """
    made = np.empty_like(energy.quantity)
    for k, key in enumerate(energy.keys):
        if key.carrier == "electricity":
            per_unit = params.get("coal_equivalent_electricity", electricity)
        elif key.carrier == _GAS:
            per_unit = params.get("coal_equivalent_gas", key.carrier)
        else:
            per_unit = params.get("coal_equivalent_mass", key.carrier) * _KG_PER_T
        made[k] = energy.quantity[k] * per_unit
    return made


def converted_turnover(turnover: Turnover, params: Params) -> NDArray[np.float64]:
    """Return converted turnover of every key: freight tkm + passenger-km x coefficient.

    Returns
    -------
    array (key, draw, year) [tkm/yr]

    Notes
    -----
    Coefficients: rail 1, road 0.1, water berth 1 and seat 0.33 (mixed by the berth share), air by the data source.
    """
    made = turnover.tkm.copy()
    berth = params.get("ro_pax_berth_share")
    for k, key in enumerate(turnover.keys):
        if key.service == "freight":
            continue
        if key.service == "ro_pax":
            coefficient = berth * params.get("pkm_to_tkm", "ro_pax_berth") + (1.0 - berth) * params.get(
                "pkm_to_tkm", "ro_pax_seat"
            )
        else:
            coefficient = params.get("pkm_to_tkm", key.service)
        made[k] += turnover.pkm[k] * coefficient
    return made


def stated_turnover(
    inputs: Inputs,
    params: Params,
    freight_tkm: Mapping[str, NDArray[np.float64]],
    passenger_pkm: Mapping[tuple[str, str], NDArray[np.float64]],
    *,
    principle: str = "carrier",
) -> Turnover:
    """Return turnover of the models under one principle: every series is stated, and crosses its bridge where it counts by another.

    Parameters
    ----------
    inputs
        Tables ``accounts/statements`` and ``accounts/bridges``.
    params
        Holds the parameters of the bridges.
    freight_tkm
        Part -> ``[draw, year]`` [tkm/yr].
    passenger_pkm
        (part, service) -> ``[draw, year]`` [pkm/yr].
    principle
        Principle of the sums.

    Raises
    ------
    PrincipleError
        If a series has no statement, or no bridge leads from it to the principle.
    """
    statements, bridges = read_statements(inputs, "turnover"), read_bridges(inputs)

    def state(part: str, service: str, values: NDArray[np.float64], unit: str) -> Stated:
        found = statement_of(statements, f"{part}:{service}")
        stated = Stated(f"{unit} of {part}:{service}", values, unit, found.principle, found.definition)
        if found.principle == principle:
            return stated
        return cross(stated, find_bridge(bridges, stated.what, found.group, found.principle, principle), params)

    return make_turnover(
        {part: state(part, "freight", tkm, "tkm") for part, tkm in freight_tkm.items()},
        {(part, service): state(part, service, pkm, "pkm") for (part, service), pkm in passenger_pkm.items()},
        principle=principle,
    )


def carrier_pkm(inputs: Inputs, params: Params, part: str, service: str, pkm: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return passenger-km of one service as the carriers count them ``[draw, year]``, so that energy and turnover move together."""
    return np.asarray(stated_turnover(inputs, params, {}, {(part, service): pkm}).pkm[0])


def make_turnover(
    freight_tkm: Mapping[str, Stated], passenger_pkm: Mapping[tuple[str, str], Stated], *, principle: str = "carrier"
) -> Turnover:
    """Return turnover by key from freight tkm by part and passenger-km by (part, service), all of one principle.

    Parts are ``road rail coastal ocean pipeline air``.

    Raises
    ------
    PrincipleError
        If a series counts by another principle.
    """
    keys = tuple(TurnoverKey(part, "freight") for part in freight_tkm) + tuple(TurnoverKey(p, s) for p, s in passenger_pkm)
    values = np.stack([require(stated, principle).values for stated in (*freight_tkm.values(), *passenger_pkm.values())])
    is_freight = np.asarray([k.service == "freight" for k in keys])[:, None, None]
    return Turnover(keys, np.where(is_freight, values, 0.0), np.where(is_freight, 0.0, values), principle)


def require_summable(inputs: Inputs, boundaries: Mapping[str, Sequence[str]]) -> None:
    """Refuse a boundary whose parts cannot be added.

    Parameters
    ----------
    inputs
        Tables ``accounts/statements`` and ``accounts/bridges``.
    boundaries
        Boundary -> parts whose freight turnover is summed.

    Raises
    ------
    PrincipleError
        If parts differ in principle, or in a definition that no named row joins.
    """
    statements, bridges = read_statements(inputs, "turnover"), read_bridges(inputs)
    nothing = np.zeros(0)
    for boundary, parts in boundaries.items():
        found = [statement_of(statements, f"{part}:freight") for part in parts]
        stated = [
            Stated(f"{part} in boundary {boundary}", nothing, "tkm", f.principle, f.definition)
            for part, f in zip(parts, found, strict=True)
        ]
        summed(stated, bridges.values())


@dataclass(frozen=True, slots=True)
class Reading:
    """One reading of the intensity: boundary, scope and base.

    Attributes
    ----------
    boundary, scope, base
        Codes of the reading.
    intensity_g_per_tkm
        ``[draw, year]`` [g CO2 per converted tkm].
    change_pct
        ``[draw, year]`` change against the base [%]; falling is negative.
    """

    boundary: str
    scope: str
    base: str
    intensity_g_per_tkm: NDArray[np.float64]
    change_pct: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Ledger:
    """Everything the intensity needs, by part of the transport system.

    Attributes
    ----------
    co2_t
        part -> array ``[scope, draw, year]`` of operating classes [t CO2].
    turnover_tkm
        part -> converted turnover ``[draw, year]`` [tkm].
    """

    co2_t: Mapping[str, NDArray[np.float64]]
    turnover_tkm: Mapping[str, NDArray[np.float64]]


def ledger(
    energy: EnergyUse,
    co2_t: NDArray[np.float64],
    turnover: Turnover,
    converted_tkm: NDArray[np.float64],
    part_of_class: Mapping[str, str],
) -> Ledger:
    """Return CO2 and converted turnover by part, operating classes only.

    Parameters
    ----------
    co2_t
        Array ``[scope, key, draw, year]`` of :func:`account`.
    converted_tkm
        Array ``[key, draw, year]`` of :func:`converted_turnover`.
    part_of_class
        Operating vehicle class -> part (road, rail, coastal, ocean, pipeline, air); classes that are missing stay outside.
    """
    parts = sorted({key.mode for key in turnover.keys})
    co2: dict[str, NDArray[np.float64]] = {}
    tkm: dict[str, NDArray[np.float64]] = {}
    for part in parts:
        rows = [k for k, key in enumerate(energy.keys) if part_of_class.get(key.vehicle_class) == part]
        co2[part] = co2_t[:, rows].sum(axis=1) if rows else np.zeros((co2_t.shape[0], *co2_t.shape[2:]))
        tkm[part] = converted_tkm[[k for k, key in enumerate(turnover.keys) if key.mode == part]].sum(axis=0)
    return Ledger(co2, tkm)


def readings(now: Ledger, normal: Ledger, boundaries: Mapping[str, Sequence[str]], *, base_year: int = 2020) -> list[Reading]:
    """Return the whole matrix boundary x scope x base of the operating CO2 intensity.

    Parameters
    ----------
    now
        Ledger of the run.
    normal
        Ledger in which the base year carries the passenger loads of 2019 (only its base year is used).
    boundaries
        Boundary code -> parts counted.

    Notes
    -----
    ``I(t) = sum CO2(part, scope, t) / sum converted tkm(part, t)`` over the boundary's parts; change = ``I(t) / I(base) - 1``.
    """
    cut = base_year - FIRST_YEAR
    made: list[Reading] = []
    for boundary, parts in boundaries.items():
        for s, scope in enumerate(SCOPES):
            intensity = _intensity(now, parts, s)
            for base, source in (("2020", intensity), ("2020_normal", _intensity(normal, parts, s))):
                change = (intensity / source[:, cut : cut + 1] - 1.0) * 100.0
                made.append(Reading(boundary, scope, base, intensity, change))
    return made


def _intensity(book: Ledger, parts: Sequence[str], scope: int) -> NDArray[np.float64]:
    grams = sum((book.co2_t[p][scope] for p in parts), np.zeros(1)) * 1e6
    return np.asarray(grams / sum((book.turnover_tkm[p] for p in parts), np.zeros(1)))


def turnover_frame(turnover: Turnover, converted_tkm: NDArray[np.float64], *, draw: int = 0) -> pl.DataFrame:
    """Return one draw of the turnover table: year, mode, service, principle, tkm, pkm, converted_tkm."""
    n_year = len(YEARS)
    modes = [k.mode for k in turnover.keys]
    return pl.DataFrame(
        {
            "year": np.tile(np.asarray(YEARS), len(modes)),
            "mode": np.repeat(modes, n_year),
            "service": np.repeat([k.service for k in turnover.keys], n_year),
            "principle": np.repeat([turnover.principle] * len(modes), n_year),
            "tkm": turnover.tkm[:, draw].ravel(),
            "pkm": turnover.pkm[:, draw].ravel(),
            "converted_tkm": converted_tkm[:, draw].ravel(),
        }
    ).sort("year", "mode", "service")


def co2_frame(energy: EnergyUse, co2_t: NDArray[np.float64], *, draw: int = 0) -> pl.DataFrame:
    """Return one draw of CO2 by key and scope: year, vehicle_class, powertrain, carrier, scope, t."""
    frames = [
        EnergyUse(energy.keys, co2_t[s]).frame(draw=draw).with_columns(scope=pl.lit(scope)) for s, scope in enumerate(SCOPES)
    ]
    table = pl.concat(frames).rename({"quantity": "t"})
    return table.select("year", "vehicle_class", "powertrain", "carrier", "scope", "t").sort(
        "year", "vehicle_class", "powertrain", "carrier", "scope"
    )
