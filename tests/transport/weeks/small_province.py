"""A province that is simulated in a moment: few vehicles, two replications, everything else the bundled data."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from transport.week_values import CityFleet

if TYPE_CHECKING:
    from transport.inputs import Inputs
    from transport.params import Params

BIG, SMALL, NONE = "210100", "211200", "210400"
#: Electric buses and taxis by city; one city has none.
FLEETS = {
    ("bus_depot", BIG): CityFleet(44.0, 46_000.0),
    ("taxi_city", BIG): CityFleet(60.0, 110_000.0),
    ("bus_depot", SMALL): CityFleet(18.0, 40_000.0),
    ("taxi_city", SMALL): CityFleet(25.0, 100_000.0),
    ("bus_depot", NONE): CityFleet(0.0, 0.0),
    ("taxi_city", NONE): CityFleet(0.0, 0.0),
}


def small_params(inputs: Inputs) -> Params:
    """Return the bundled parameters with small depots, few taxis and few movements."""
    params = inputs.params()
    for parameter, subject, value in [
        ("depot_buses", "all", 20.0),
        ("taxi_sample", "province", 40.0),
        ("taxi_sample", "feedback", 30.0),
        ("simulation_replications", "province", 2.0),
        ("simulation_replications", "sample", 2.0),
        ("simulation_replications", "feedback", 2.0),
    ]:
        params = params.replace(parameter, subject, np.full((1, 21), value))
    return params


def small_models() -> Any:
    """Return what the simulation takes from the models of a run; the fleets are those above."""
    ports = pl.DataFrame({"year": [2020, 2030], "zone_id": ["Z_PT_DANDONG"] * 2, "commodity": ["coal"] * 2, "t": [1.0, 1.5]})
    links = pl.DataFrame({"year": [2020]})
    return SimpleNamespace(
        vehicles=SimpleNamespace(airside_electric_share=np.full((1, 21), 0.5)),
        urban=None,
        freight=SimpleNamespace(tables={"freight_ports": ports, "freight_links": links}),
    )
