"""CO2 equivalent in the sense of ISO 14083 and the GLEC framework: an optional scope beside the readings of the headline.

What it holds: CO2, methane and nitrous oxide of vehicle operation (empty runs, unburnt methane and the cold start of the fleet average
included) and of energy provision (production and supply of fuels, generation of electricity at the year's grid factor, mine and pipeline
methane), all with the global warming potential over 100 years. What it leaves out, as both documents do: building and upkeep of vehicles and of
infrastructure. Not counted for want of data: refrigerants, black carbon, terminals and transhipment, losses of the power grid. The boundary of
operating classes is that of the headline, per converted tonne-km rather than per shipment, so that no transport chain is certified by it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from transport import accounts
from transport.fuel_units import terajoules
from transport.layout import SCOPES, YEARS, EnergyUse

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from transport.inputs import Inputs
    from transport.params import Params

    Array = NDArray[np.float64]

#: Code of the scope; it is no member of ``SCOPES`` and of no reading.
CO2E_SCOPE = "wtw_co2e"
#: Parts of the scope: stage and gas, in the order of :func:`gases`.
PARTS: tuple[tuple[str, str], ...] = (
    ("operation", "co2"),
    ("operation", "ch4"),
    ("operation", "ch4_slip"),
    ("operation", "n2o"),
    ("provision", "co2"),
    ("provision", "ch4"),
)
_KG_PER_T = 1000.0
_GASEOUS = ("natural_gas", "lng")
#: Carriers that burn to nothing but water, or burn elsewhere.
_CLEAN = ("electricity", "hydrogen")
# CO2 of combustion is not reduced by what slips, so that its carbon is counted already: the potential without oxidation.
_POTENTIAL = {"ch4": "ch4_combustion", "ch4_slip": "ch4_combustion", "n2o": "n2o"}


@dataclass(frozen=True, slots=True)
class Equivalent:
    """Greenhouse gases by energy key.

    Attributes
    ----------
    gas_t
        ``[part, key, draw, year]`` [t of the gas], parts as :data:`PARTS`.
    co2e_t
        The same in [t CO2e].
    """

    gas_t: Array
    co2e_t: Array


def modes(inputs: Inputs) -> dict[str, str]:
    """Return vehicle class -> mode whose emission factors it takes; turbines on stand burn as aircraft, ships at berth as ships."""
    return dict(inputs.table("fleets/classes").select("vehicle_class", "mode").iter_rows()) | {
        "aircraft_apu": "air",
        "ship_at_berth": "water",
    }


def gases(energy: EnergyUse, co2_t: Array, params: Params, mode_of_class: Mapping[str, str]) -> Equivalent:
    """Return CO2, methane and nitrous oxide of every energy key.

    Parameters
    ----------
    energy
        Energy by key.
    co2_t
        ``[scope, key, draw, year]`` of :func:`transport.accounts.account`.
    params
        Holds ``ch4_factor``, ``n2o_factor`` (kg/TJ by mode:carrier), ``methane_slip``, ``methane_content``, ``methane_content_lng``,
        ``upstream_leak``, ``upstream_ch4``, ``upstream_ch4_power``, ``gwp100``, ``net_calorific_value``.
    mode_of_class
        Vehicle class -> mode.

    Returns
    -------
    Equivalent

    Raises
    ------
    ParameterError
        If a mode burns a carrier without a factor.

    Notes
    -----
    Operation: CO2 of combustion; CH4 and N2O = TJ x factor; gas engines instead lose ``methane_slip`` of their methane. Provision: CO2 =
    well to wheel less combustion; CH4 = fuel x ``upstream_ch4``, methane in gas x ``upstream_leak``, CO2 of power and of the supply of
    hydrogen x ``upstream_ch4_power``.
    CO2e = sum over gases of t x GWP100. Combustion CO2 counts all carbon of the fuel, so that methane of operation, slip included, takes the
    potential without its oxidation to CO2. IPCC 2006 Vol. 2; IPCC AR6 Table 7.15; ISO 14083:2023; GLEC framework v3.
    """
    tj = terajoules(energy, params)
    direct, power, wtw = (co2_t[SCOPES.index(scope)] for scope in ("direct", "direct_power", "wtw"))
    gas_t = np.zeros((len(PARTS), *energy.quantity.shape))
    at = {part: i for i, part in enumerate(PARTS)}
    gas_t[at["operation", "co2"]] = direct
    gas_t[at["provision", "co2"]] = wtw - direct
    for k, key in enumerate(energy.keys):
        subject = f"{mode_of_class[key.vehicle_class]}:{key.carrier}"
        if key.carrier not in _CLEAN:
            gas_t[at["operation", "n2o"], k] = tj[k] * params.get("n2o_factor", subject) / _KG_PER_T
        if key.carrier in _GASEOUS:
            methane = _methane_t(energy, params, k)
            gas_t[at["operation", "ch4_slip"], k] = methane * params.get("methane_slip", subject)
            gas_t[at["provision", "ch4"], k] = methane * params.get("upstream_leak", key.carrier)
        elif key.carrier in _CLEAN:  # generation of power, supply of hydrogen by its pathways
            supply = power[k] if key.carrier == "electricity" else wtw[k]
            gas_t[at["provision", "ch4"], k] = supply * params.get("upstream_ch4_power", key.carrier)
        else:
            gas_t[at["operation", "ch4"], k] = tj[k] * params.get("ch4_factor", subject) / _KG_PER_T
            gas_t[at["provision", "ch4"], k] = energy.quantity[k] * params.get("upstream_ch4", key.carrier)
    co2e_t = gas_t.copy()
    for (stage, gas), i in at.items():
        if gas != "co2":
            potential = "ch4_leak" if stage == "provision" else _POTENTIAL[gas]
            co2e_t[i] *= params.get("gwp100", potential)
    return Equivalent(gas_t, co2e_t)


def _methane_t(energy: EnergyUse, params: Params, k: int) -> Array:
    """Return the methane in a gaseous fuel [t/yr]."""
    if energy.keys[k].carrier == "lng":
        return np.asarray(energy.quantity[k] * params.get("methane_content_lng", "lng"))
    return np.asarray(energy.quantity[k] * params.get("methane_content", "natural_gas") / _KG_PER_T)


def co2e_frame(energy: EnergyUse, found: Equivalent) -> pl.DataFrame:
    """Return the first draw: year, vehicle_class, carrier, stage, gas, t, t_co2e; rows without any gas left out."""
    n_year = len(YEARS)
    frames = []
    for i, (stage, gas) in enumerate(PARTS):
        rows = [k for k in range(len(energy.keys)) if found.gas_t[i, k, 0].any()]
        frames.append(
            pl.DataFrame(
                {
                    "year": np.tile(np.asarray(YEARS), len(rows)),
                    "vehicle_class": np.repeat([energy.keys[k].vehicle_class for k in rows], n_year),
                    "carrier": np.repeat([energy.keys[k].carrier for k in rows], n_year),
                    "stage": [stage] * (n_year * len(rows)),
                    "gas": [gas] * (n_year * len(rows)),
                    "t": found.gas_t[i, rows, 0].ravel(),
                    "t_co2e": found.co2e_t[i, rows, 0].ravel(),
                },
                schema_overrides={"year": pl.Int64, "vehicle_class": pl.String, "carrier": pl.String},
            )
        )
    keys = ["year", "vehicle_class", "carrier", "stage", "gas"]
    return pl.concat(frames).group_by(keys).agg(pl.col("t").sum(), pl.col("t_co2e").sum()).sort(keys)


def co2e_readings(
    now: tuple[EnergyUse, Equivalent],
    normal: tuple[EnergyUse, Equivalent],
    books: tuple[accounts.Ledger, accounts.Ledger],
    part_of_class: Mapping[str, str],
    boundaries: Mapping[str, Sequence[str]],
) -> pl.DataFrame:
    """Return the intensity in CO2e by boundary and base (first draw), beside and outside the 36 readings.

    Parameters
    ----------
    now, normal
        Energy and gases of the run, and with the passengers of 2019 in 2020.
    books
        Ledgers of both, for the converted turnover.
    part_of_class
        Operating class -> part.
    boundaries
        Boundary -> parts.

    Returns
    -------
    frame with columns year, scope, boundary, base, g_per_tkm, change_pct
    """
    ledgers = []
    for (energy, found), book in zip((now, normal), books, strict=True):
        total = found.co2e_t.sum(axis=0)
        co2e = {
            part: total[[k for k, key in enumerate(energy.keys) if part_of_class.get(key.vehicle_class) == part]].sum(axis=0)
            for part in book.turnover_tkm
        }
        # the ledger holds one row per scope; the equivalent takes the place of all of them
        ledgers.append(
            accounts.Ledger({part: np.repeat(t[None], len(SCOPES), axis=0) for part, t in co2e.items()}, book.turnover_tkm)
        )
    rows = [r for r in accounts.readings(ledgers[0], ledgers[1], boundaries) if r.scope == SCOPES[0]]
    return pl.concat(
        [
            pl.DataFrame(
                {
                    "year": np.asarray(YEARS),
                    "scope": [CO2E_SCOPE] * len(YEARS),
                    "boundary": [r.boundary] * len(YEARS),
                    "base": [r.base] * len(YEARS),
                    "g_per_tkm": r.intensity_g_per_tkm[0],
                    "change_pct": r.change_pct[0],
                }
            )
            for r in rows
        ]
    )
