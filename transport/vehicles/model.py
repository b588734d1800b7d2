"""Stock and energy of all vehicles in one call."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from fleets import vehicles as fleet
from transport.layout import year_index
from transport.vehicles import energies, stocks
from transport.vehicles.batteries import RetiredBatteries, retired_batteries
from transport.vehicles.fit import balance_checks, fit_table
from transport.vehicles.sales import sales_rule
from transport.vehicles.tables import find_class, members, parents, read_classes, read_clean, read_climates
from transport.vehicles.work import truck_tkm

if TYPE_CHECKING:
    from collections.abc import Mapping

    import polars as pl

    from fleets.stock import StockPath
    from transport.inputs import Inputs
    from transport.layout import EnergyUse, WorkUse
    from transport.params import Params
    from transport.vehicles.sales import SalesModel
    from transport.vehicles.stocks import KnownPath
    from transport.vehicles.tables import Activity, Array


@dataclass(frozen=True)
class VehicleOutcome:
    """Stock, energy and what hangs on them.

    Attributes
    ----------
    energy
        Energy by vehicle class, powertrain and carrier.
    work
        Distance, gross tonne-km, seat-km or tonne-km behind the energy, by class, powertrain, service and drive.
    class_tkm
        Tonne-km of operating road freight by truck class ``[draw, year]`` [tkm/yr].
    classes, powertrains
        Labels of the first two axes of the stock arrays.
    parent
        Vehicle class -> group it is a part of, itself where it has none.
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
    old_diesel_locomotive_share
        ``[draw, year]`` share of diesel locomotives at or above the age that counts as old.
    retired
        Batteries that left their vehicles, by class and powertrain.
    fit
        Modelled against observed values, as in the contract.
    checks
        Balances: check, value, limit, passed.
    """

    energy: EnergyUse
    work: WorkUse
    class_tkm: Mapping[str, Array]
    classes: tuple[str, ...]
    powertrains: tuple[str, ...]
    parent: Mapping[str, str]
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
    old_diesel_locomotive_share: Array
    retired: RetiredBatteries
    fit: pl.DataFrame
    checks: pl.DataFrame


def model_vehicles(
    inputs: Inputs,
    params: Params,
    activity: Activity,
    *,
    hold_composition_after: int | None = None,
    sales: SalesModel = "path",
    known: dict[str, KnownPath] | None = None,
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
    sales
        Sales by powertrain after the base year: ``path`` (rows and levers), ``tco`` (logit of costs of ownership), ``held`` (as in the base year).
    known
        Cohorts by class of another call on the same parameters with other turnover; taken where they are the same and added to.

    Returns
    -------
    VehicleOutcome
    """
    classes = read_classes(inputs)
    params = params.inheriting(parents(classes))
    hold = None if hold_composition_after is None else year_index(hold_composition_after)
    electrified = np.clip(params.get("rail_electrified_share"), 0.0, 1.0)
    if hold is not None:
        electrified = fleet.hold_after(electrified, hold)
    shape = electrified.shape
    book = energies.EnergyBook(shape)
    climate = read_climates(inputs, params)
    shares = sales_rule(params, activity, climate, sales)
    clean = read_clean(inputs)
    paths: dict[str, StockPath] = {}
    for spec in classes:
        if spec.stock_driver == "locomotive":
            paths[spec.name] = stocks.locomotive_path(spec, params, activity, electrified)
        elif spec.stock_driver != "none":
            paths[spec.name] = stocks.stock_path(spec, params, activity, hold, shares, known)
    for spec in classes:
        if spec.climate:
            enters = np.array([clean["nev_only"][spec.name, p.powertrain] for p in spec.pairs], dtype=np.float64)
            zoned = enters if spec.stock_driver == "light_freight" else None
            energies.add_road(book, spec, params, activity, paths[spec.name], climate[spec.climate], hold, enters=zoned)
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
    airside = members(classes, "airside_equipment")
    held = [paths[name].by_powertrain() for name in airside]
    plugged = [np.asarray([clean["nev_only"][n, p.powertrain] for p in find_class(classes, n).pairs]) for n in airside]
    electric = sum(stock[..., which].sum(axis=-1) for stock, which in zip(held, plugged, strict=True))
    return VehicleOutcome(
        energy=energy,
        work=book.work(),
        class_tkm={spec.name: truck_tkm(spec.name, params, activity) for spec in classes if spec.distance_driver == "truck_tkm"},
        classes=names,
        powertrains=powertrains,
        stock=arrays[0],
        sales=arrays[1],
        scrapped=arrays[2],
        inflow=arrays[3],
        parent={spec.name: spec.group for spec in classes},
        is_operating={spec.name: spec.is_operating for spec in classes},
        mode={spec.name: spec.mode for spec in classes},
        clean=clean,
        rail_gross_tkm_electric_share=electric_share,
        rail_electrified_share=electrified,
        airside_electric_share=np.asarray(electric / sum(stock.sum(axis=-1) for stock in held)),
        old_diesel_locomotive_share=stocks.old_diesel_share(classes, paths, params),
        retired=retired_batteries(classes, paths, params),
        fit=fit_table(inputs, params, activity, classes, energy, paths, clean),
        checks=balance_checks(classes, paths, energy),
    )
