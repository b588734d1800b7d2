"""The physical work behind the energy: by class, powertrain, service and drive, and the parts of passenger demand."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from transport.freight_costs import truck_load_t
from transport.layout import YEARS, WorkKey, WorkUse
from transport.passengers import SERVICES, model_passengers
from transport.vehicles import Activity, VehicleOutcome, model_vehicles
from transport.vehicles.energies import EnergyBook

if TYPE_CHECKING:
    from transport.inputs import Inputs
    from transport.params import Params

SHAPE = (2, len(YEARS))
TRUCK = WorkKey("tractor_trailer", "diesel", "freight", "fuel")
CITY, AWAY = (WorkKey("private_car", "gasoline", service, "fuel") for service in ("own", "private_car"))


def activity(shape: tuple[int, int]) -> Activity:
    """Return round volumes of the size of the province's."""

    def full(value: float) -> np.ndarray:
        return np.full(shape, value)

    services = ("conventional", "high_speed", "coach", "ro_pax", "air")
    return Activity(
        road_freight_tkm=full(250e9),
        rail_freight_tkm=full(120e9),
        coastal_tkm=full(60e9),
        ocean_tkm=full(200e9),
        pipeline_tkm={"crude": full(30e9), "product": full(5e9), "gas": full(10e9)},
        air_freight_tkm=full(0.3e9),
        passenger_pkm=dict.fromkeys(services, full(10e9)),
        passenger_load=dict.fromkeys(services, full(0.7)),
        private_car_pkm=full(30e9),
        light_trucks=full(0.8e6),
        clean_zone_share=full(0.0),
    )


@pytest.fixture(scope="module")
def params(inputs: Inputs) -> Params:
    return inputs.params(draws=2, seed=3)


@pytest.fixture(scope="module")
def vehicles(inputs: Inputs, params: Params) -> VehicleOutcome:
    return model_vehicles(inputs, params, activity(SHAPE))


def work_of(outcome: VehicleOutcome, vehicle_class: str, service: str) -> np.ndarray:
    rows = [i for i, k in enumerate(outcome.work.keys) if (k.vehicle_class, k.service) == (vehicle_class, service)]
    return np.asarray(outcome.work.quantity[rows].sum(axis=0))


# ---- known answers ----


def test_energy_is_split_over_the_services_by_their_work() -> None:
    book = EnergyBook(SHAPE)
    book.move([CITY, AWAY], "km", [np.full(SHAPE, 30.0), np.full(SHAPE, 10.0)])
    book.add("private_car", "gasoline", "gasoline", np.full(SHAPE, 8.0), [CITY, AWAY])
    work = book.work()
    assert work.keys == (CITY, AWAY)
    assert work.service_energy("own", "gasoline") == pytest.approx(np.full(SHAPE, 6.0), rel=1e-15)
    assert work.service_energy("private_car", "gasoline") == pytest.approx(np.full(SHAPE, 2.0), rel=1e-15)
    assert not work.service_energy("freight", "gasoline").any()


def test_work_of_trains_seats_and_tonne_km_by_hand(params: Params, vehicles: VehicleOutcome) -> None:
    gross = 120e9 / params.get("rail_net_gross_ratio")
    assert work_of(vehicles, "locomotive_freight", "freight") == pytest.approx(gross, rel=1e-12)
    assert work_of(vehicles, "high_speed_train", "high_speed") == pytest.approx(np.full(SHAPE, 10e9 / 0.7), rel=1e-12)
    assert work_of(vehicles, "aircraft", "freight") == pytest.approx(np.full(SHAPE, 0.3e9), rel=1e-12)
    assert work_of(vehicles, "pipeline_pump", "pipeline_crude") == pytest.approx(np.full(SHAPE, 30e9), rel=1e-12)


def test_distance_of_trucks_carries_the_tonne_km(params: Params, vehicles: VehicleOutcome) -> None:
    for name, tkm in vehicles.class_tkm.items():
        assert work_of(vehicles, name, "freight") * truck_load_t(name, params) == pytest.approx(tkm, rel=1e-12)
    assert sum(vehicles.class_tkm.values(), np.zeros(SHAPE)) == pytest.approx(np.full(SHAPE, 250e9), rel=1e-12)


def test_cars_between_cities_carry_the_intercity_passengers(params: Params, vehicles: VehicleOutcome) -> None:
    km = work_of(vehicles, "private_car", "private_car")
    assert km * params.get("persons_per_car", "private_car") == pytest.approx(np.full(SHAPE, 30e9), rel=1e-9)


# ---- conservation ----


def test_energy_of_the_work_sums_to_the_energy_of_each_class(vehicles: VehicleOutcome) -> None:
    """Only what is used without any counted work (stations, shunting) has no key."""
    by_work: dict[tuple[str, str], np.ndarray] = {}
    for (k, carrier), quantity in vehicles.work.energy.items():
        key = (vehicles.work.keys[k].vehicle_class, carrier)
        by_work[key] = by_work.get(key, np.zeros(SHAPE)) + quantity
    booked: dict[tuple[str, str], np.ndarray] = {}
    for row, e in enumerate(vehicles.energy.keys):
        key = (e.vehicle_class, e.carrier)
        booked[key] = booked.get(key, np.zeros(SHAPE)) + vehicles.energy.quantity[row]
    assert {vehicle_class for vehicle_class, _ in set(booked) - set(by_work)} == {"rail_other"}
    for key, quantity in by_work.items():
        assert quantity == pytest.approx(booked[key], rel=1e-12), key


def test_no_energy_without_work(vehicles: VehicleOutcome) -> None:
    for (k, carrier), quantity in vehicles.work.energy.items():
        assert not quantity[vehicles.work.quantity[k] == 0].any(), (vehicles.work.keys[k], carrier)


@pytest.mark.parametrize("normal_2020", [False, True])
def test_passengers_are_trend_times_recovery(params: Params, *, normal_2020: bool) -> None:
    outcome = model_passengers(params, normal_2020=normal_2020)
    for service in SERVICES:
        assert outcome.trend_pkm[service] * outcome.recovery[service] == pytest.approx(outcome.pkm[service], rel=1e-14)
        assert outcome.base_load[service] * outcome.load_recovery[service] == pytest.approx(outcome.load[service], rel=1e-14)
        assert (outcome.load[service] <= 1.0).all()


# ---- bad input ----


def test_work_counted_twice_is_refused() -> None:
    with pytest.raises(ValueError, match=r"work counted twice.*tractor_trailer"):
        WorkUse((TRUCK, TRUCK), ("km", "km"), np.ones((2, *SHAPE)), np.ones((2, *SHAPE)), {})


def test_negative_work_is_refused() -> None:
    with pytest.raises(ValueError, match=r"negative or missing work.*tractor_trailer"):
        WorkUse((TRUCK,), ("km",), np.full((1, *SHAPE), -1.0), np.ones((1, *SHAPE)), {})


def test_rows_without_a_unit_are_refused() -> None:
    with pytest.raises(ValueError, match="1 work keys but 0 units"):
        WorkUse((TRUCK,), (), np.ones((1, *SHAPE)), np.ones((1, *SHAPE)), {})
