"""Stock and energy of all vehicles in one call."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from fleets import vehicles as fleet
from transport.layout import year_index
from transport.vehicles import energies, stocks
from transport.vehicles.fit import balance_checks, fit_table
from transport.vehicles.tables import find_class, read_classes, read_clean, read_climates

if TYPE_CHECKING:
    from collections.abc import Mapping

    import polars as pl

    from fleets.stock import StockPath
    from transport.inputs import Inputs
    from transport.layout import EnergyUse
    from transport.params import Params
    from transport.vehicles.tables import Activity, Array


@dataclass(frozen=True)
class VehicleOutcome:
    """Stock, energy and what hangs on them.

    Attributes
    ----------
    energy
        Energy by vehicle class, powertrain and carrier.
    classes, powertrains
        Labels of the first two axes of the stock arrays.
    stock, sales, scrapped, inflow
        ``[class, powertrain, draw, year]`` [veh] and [veh/yr]; zero where the pair does not exist or no vehicles are counted. Inflow is
        what enters the province's register used, less what leaves it.
    is_operating, mode
        By vehicle class.
    clean
        Definition (``plan`` or ``nev_only``) -> (class, powertrain) -> counts as clean.
    rail_gross_tkm_electric_share
        ``[draw, year]`` share of freight and passenger gross tonne-km with locomotives that is hauled electrically.
    rail_electrified_share
        ``[draw, year]`` electrified length / operating length.
    airside_electric_share
        ``[draw, year]`` electric share of airside vehicles and equipment.
    retired_battery_kwh
        ``[draw, year]`` nominal capacity of the batteries in scrapped vehicles [kWh/yr].
    fit
        Modelled against observed values, as in the contract.
    checks
        Balances: check, value, limit, passed.
    """

    energy: EnergyUse
    classes: tuple[str, ...]
    powertrains: tuple[str, ...]
    stock: Array
    sales: Array
    scrapped: Array
    inflow: Array
    is_operating: Mapping[str, bool]
    mode: Mapping[str, str]
    clean: Mapping[str, Mapping[tuple[str, str], bool]]
    rail_gross_tkm_electric_share: Array
    rail_electrified_share: Array
    airside_electric_share: Array
    retired_battery_kwh: Array
    fit: pl.DataFrame
    checks: pl.DataFrame


def model_vehicles(
    inputs: Inputs, params: Params, activity: Activity, *, hold_composition_after: int | None = None
) -> VehicleOutcome:
    """Model stock and energy of all vehicle classes.

    Parameters
    ----------
    inputs
        Tables ``fleets/classes``, ``fleets/powertrains``, ``fleets/clean_powertrains``, ``fleets/climate``, ``fleets/fit_targets``.
    params
        Parameters of the run.
    activity
        Turnover to be carried.
    hold_composition_after
        Year whose mix of powertrains, ages and traction is kept afterwards, so that only activity and loads change.

    Returns
    -------
    VehicleOutcome
    """
    classes = read_classes(inputs)
    hold = None if hold_composition_after is None else year_index(hold_composition_after)
    electrified = np.clip(params.get("rail_electrified_share"), 0.0, 1.0)
    if hold is not None:
        electrified = fleet.hold_after(electrified, hold)
    shape = electrified.shape
    book = energies.EnergyBook(shape)
    climate = read_climates(inputs, params)
    paths: dict[str, StockPath] = {}
    for spec in classes:
        if spec.stock_driver == "locomotive":
            paths[spec.name] = stocks.locomotive_path(spec, params, activity, electrified)
        elif spec.stock_driver != "none":
            paths[spec.name] = stocks.stock_path(spec, params, activity, hold)
    for spec in classes:
        if spec.climate:
            energies.add_road(book, spec, params, activity, paths[spec.name], climate[spec.climate], hold)
        elif spec.distance_driver == "ship":
            energies.add_ships(book, spec, params, activity, paths[spec.name], hold)
    electric_share = energies.add_rail(book, params, activity, electrified)
    energies.add_metro(book, params, paths["metro_train"])
    energies.add_pipelines(book, params, activity)
    energies.add_aircraft(book, params, activity)
    energy = book.energy()
    names = tuple(spec.name for spec in classes)
    powertrains = tuple(dict.fromkeys(p.powertrain for spec in classes for p in spec.pairs))
    arrays = stocks.stock_arrays(classes, powertrains, paths, shape)
    airside = paths["airside_equipment"].by_powertrain()
    clean = read_clean(inputs)
    electric = [clean["nev_only"]["airside_equipment", p.powertrain] for p in find_class(classes, "airside_equipment").pairs]
    return VehicleOutcome(
        energy=energy,
        classes=names,
        powertrains=powertrains,
        stock=arrays[0],
        sales=arrays[1],
        scrapped=arrays[2],
        inflow=arrays[3],
        is_operating={spec.name: spec.is_operating for spec in classes},
        mode={spec.name: spec.mode for spec in classes},
        clean=clean,
        rail_gross_tkm_electric_share=electric_share,
        rail_electrified_share=electrified,
        airside_electric_share=airside[..., np.asarray(electric)].sum(axis=-1) / airside.sum(axis=-1),
        retired_battery_kwh=stocks.retired_battery_kwh(classes, paths, params, shape),
        fit=fit_table(inputs, params, activity, classes, energy, paths, clean),
        checks=balance_checks(classes, paths, energy),
    )
