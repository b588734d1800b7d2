"""What the representative weeks read: values of one year, the fleets of the cities, tariffs, and how far a bus or a taxi drives.

Profiles, shifts and seasons say how the year is shared out; how long it is, the accounts say: the factors here give a vehicle of the stock the
distance that its energy is reckoned with.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from fleets.battery import Battery
from fleets.tariff import make_tariff
from transport.layout import year_index
from transport.params import seed_for

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from fleets.tariff import Tariff
    from transport.inputs import Inputs
    from transport.params import Params

WEEKS: tuple[str, ...] = ("winter", "summer", "shoulder", "holiday")
MIN_PER_H = 60.0
_KNOTS = ("cold", "freezing", "mild", "hot")
#: Climate group -> vehicle class whose cabin heaters the simulated batteries feed.
_HEATED = {"bus": "urban_bus", "car": "taxi"}
_WEEKEND = (5, 6)
_DAYS_PER_WEEK = 7.0


@dataclass(frozen=True, slots=True)
class CityFleet:
    """Electric vehicles of one kind in one city.

    Attributes
    ----------
    vehicles
        Vehicles of the stock [veh].
    km
        What each drives in a year by the accounts [km/veh/yr].
    """

    vehicles: float
    km: float


class WeekValues:
    """Values of one year, first draw, and the tables the systems share.

    Parameters
    ----------
    inputs
        Tables fleets/duty_profiles, fleets/climate, fleets/climate_areas and fleets/turnaround_tasks.
    params
        Parameters after levers.
    fleets
        (system, area) -> electric buses or taxis of the city in that year.
    year
        Year whose values hold.
    given
        What a system needs beside parameters, by name: outcomes of the year's models as plain tables and numbers.
    """

    def __init__(
        self,
        inputs: Inputs,
        params: Params,
        fleets: Mapping[tuple[str, str], CityFleet],
        year: int,
        given: Mapping[str, Any] | None = None,
    ) -> None:
        self.params, self.year, self._index, self._fleets = params, year, year_index(year), fleets
        self.given: Mapping[str, Any] = given or {}
        profiles = inputs.table("fleets/duty_profiles").sort("profile", "hour")
        self.profiles: dict[str, NDArray[np.float64]] = {
            str(name[0]): group["value"].cast(pl.Float64).to_numpy()
            for name, group in profiles.group_by(["profile"], maintain_order=True)
        }
        climate = inputs.table("fleets/climate").select(
            "area", pl.col("month").cast(pl.Int64), pl.col("temperature_c").cast(pl.Float64)
        )
        self.temperature_c = {(str(a), int(m)): float(t) for a, m, t in climate.sort("area", "month").iter_rows()}
        self.turnaround_tasks = inputs.table("fleets/turnaround_tasks")
        self._station = dict(inputs.table("fleets/climate_areas").select(pl.col("area", "station").cast(pl.String)).iter_rows())

    def __call__(self, parameter: str, subject: str = "all") -> float:
        """Return the value of a parameter."""
        return float(self.params.get(parameter, subject)[0, self._index])

    def fleet(self, system: str, area: str) -> CityFleet:
        """Return the electric vehicles of a city that are to be simulated."""
        found = self._fleets.get((system, area))
        if found is None or not (found.vehicles > 0.0 and found.km > 0.0):
            msg = (
                f"{system} of {area} in {self.year}: the stock has no electric vehicles there; simulate another year or add sales"
            )
            raise ValueError(msg)
        return found

    def fleets(self, system: str) -> dict[str, CityFleet]:
        """Return the fleet of a system by area, cities without electric vehicles left out, sorted by area."""
        return {a: f for (s, a), f in sorted(self._fleets.items()) if s == system and f.vehicles > 0.0 and f.km > 0.0}

    @property
    def airside_electric_share(self) -> float:
        """Return the electric share of the ground equipment in the stock of the year [-]; 1 where no stock is given."""
        return float(self.given.get("airside_electric_share", 1.0))

    def month(self, week: str) -> int:
        """Return the month that a week lies in."""
        return round(self("week_month", week))

    def week_temperature_c(self, area: str, week: str) -> float:
        """Return the mean temperature of a week in a prefecture [degC], at the station that stands for it."""
        month = self.month(week)
        station = area if (area, month) in self.temperature_c else self._station.get(area, area)
        if (station, month) not in self.temperature_c:
            msg = f"fleets/climate has no temperature of {station} in month {month}; add it, or name a station for {area} in fleets/climate_areas"
            raise ValueError(msg)
        return self.temperature_c[station, month] + self("temperature_offset")

    def temperature_factor(self, group: str, temperature_c: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return energy per km relative to mild weather: linear between the knots, flat outside."""
        knots = [self("temperature_knot", k) for k in _KNOTS]
        values = [1.0 if k == "mild" else self("electric_temperature_ratio", f"{group}:{k}") for k in _KNOTS]
        if group in _HEATED:
            # fuel heaters and heat pumps take over part of the winter surplus, as in the vehicle model
            name = _HEATED[group]
            fired = self("fuel_heater_share", name) if self.params.has("fuel_heater_share", name) else 0.0
            pumped = min(max(self("heat_pump_share", name), 0.0), 1.0 - fired)
            relief = [fired * self("fuel_heater_saving") + pumped * self("heat_pump_saving", k) for k in _KNOTS[:2]]
            values[:2] = [1.0 + (v - 1.0) * (1.0 - r) for v, r in zip(values[:2], relief, strict=True)]
        return np.asarray(np.interp(temperature_c, knots, values))

    def battery(self, vehicle_class: str, nominal_kwh: float, temperature_c: float | None) -> Battery:
        """Return the battery of a class: aged, and with what the cold leaves within reach."""
        within = self("battery_health")
        if temperature_c is not None:
            within *= 1.0 - self("cold_capacity_loss") * max(0.0, self("temperature_knot", "mild") - temperature_c)
        power = self("battery_c_rate", vehicle_class) * nominal_kwh
        return Battery(nominal_kwh * within, power, self("battery_taper_soc"), power * self("battery_end_power_share"))

    def energy_by_day(
        self, system: str, area: str, week: str, seed: int, replications: int, group: str, base: float
    ) -> NDArray[np.float64]:
        """Return energy out of the battery by replication and day, from the first day of the warm-up [kWh/km]."""
        days = 7 + round(self("simulation_warmup")) + 1
        mean = self.week_temperature_c(area, week)
        rows = []
        for replication in range(replications):
            rng = np.random.default_rng(seed_for(seed, f"simulate:{system}:{area}:{week}:weather", replication))
            rows.append(base * self.temperature_factor(group, mean + self("day_temperature_sd") * rng.standard_normal(days)))
        return np.stack(rows)

    def frame(self, week: str) -> dict[str, Any]:
        """Return the settings of the method."""
        return {
            "warmup_days": round(self("simulation_warmup")),
            "step_min": round(self("load_step")),
            "confidence": self("confidence_level"),
            "monday": first_monday(self.year, self.month(week)),
        }


def first_monday(year: int, month: int) -> datetime:
    """Return the first Monday of a month at midnight."""
    first = datetime(year, month, 1, tzinfo=UTC)
    return first + timedelta(days=-first.weekday() % 7)


def week_tariff(inputs: Inputs, read: WeekValues) -> Tariff:
    """Return the time-of-use tariff of the year in its prices."""
    table = inputs.table("tou_periods")
    name = min(table["tariff"].unique().to_list())
    flat = read("charging_electricity_price", "flat")
    prices = {period: flat * read("tou_price_ratio", period) for period in read.params.subjects("tou_price_ratio")}
    return make_tariff(
        table.filter(pl.col("tariff") == name),
        prices,
        demand_cny_per_kw_month=read("charging_demand_price"),
        demand_interval_min=round(read("load_step")),
    )


def bus_hours(read: WeekValues) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return buses on the road against the busiest hour, and km per minute of a bus on the road with its layovers, by hour of the day."""
    profile = read.profiles["urban_bus"]
    peak = profile >= read("bus_peak_profile_share") * profile.max()
    speed = np.where(peak, read("bus_speed", "peak"), read("bus_speed", "off_peak")) * (1.0 - read("bus_layover_share"))
    return profile / profile.max(), speed / MIN_PER_H


def bus_factor(read: WeekValues, area: str) -> float:
    """Return the factor on bus service with which the weeks make up the distance of the accounts."""
    busy, speed = bus_hours(read)
    weekday_km = float((busy * speed).sum()) * MIN_PER_H * read("bus_peak_out_share")
    days = sum(read("week_weight", week) * float(day_factor(read, week, 0)[:7].sum()) for week in WEEKS)
    return read.fleet("bus_depot", area).km / (weekday_km * days)


def taxi_factor(read: WeekValues, area: str) -> float:
    """Return the factor on the distance of a day with which the weeks make up the distance of the accounts."""
    double = float(np.clip(read("taxi_double_shift_share"), 0.0, 1.0))
    km = double * read("taxi_daily_distance", "double_shift") + (1.0 - double) * read("taxi_daily_distance", "single_shift")
    days = sum(read("week_weight", week) * _DAYS_PER_WEEK * read("taxi_activity", week) for week in WEEKS)
    return read.fleet("taxi_city", area).km / (km * days)


def day_factor(read: WeekValues, week: str, warmup_days: int) -> NDArray[np.float64]:
    """Return bus service by day from the first day of the warm-up to the day after the week."""
    days = np.arange(-warmup_days, 8) % 7
    weekday = read("bus_service_factor", "weekday") if week != "holiday" else read("bus_service_factor", "holiday")
    weekend = read("bus_service_factor", "weekend") if week != "holiday" else read("bus_service_factor", "holiday")
    return np.where(np.isin(days, _WEEKEND), weekend, weekday)
