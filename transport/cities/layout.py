"""Names and array shapes that the parts of the city model share; no values, no computation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

#: Order of the mode axis; the codes of list ``travel_mode``.
MODES: tuple[str, ...] = ("walk", "cycle", "e_bike", "bus", "metro", "taxi", "ride_hailing", "car", "other")
#: Modes that count as green in every reading; e_bike is added by a parameter row.
GREEN: tuple[str, ...] = ("walk", "cycle", "bus", "metro")
#: Walk, cycle and e_bike are not motorised in this indicator; works buses and motorcycles (other) are.
MOTORISED: tuple[str, ...] = ("bus", "metro", "taxi", "ride_hailing", "car", "other")
#: Modes whose vehicles stand in road traffic with a number that follows from the trips.
ROAD_MODES: tuple[str, ...] = ("taxi", "ride_hailing", "car")
#: Modes that road traffic slows down.
SLOWED: tuple[str, ...] = ("bus", "taxi", "ride_hailing", "car")
#: Nests of the choice of mode and the modes in each.
NESTS: dict[str, tuple[str, ...]] = {
    "active": ("walk", "cycle", "e_bike"),
    "transit": ("bus", "metro"),
    "motor": ("taxi", "ride_hailing", "car", "other"),
}
PURPOSES: tuple[str, ...] = ("commute", "school", "leisure", "business")
#: Persons aged six and over; adults are told apart by whether their household owns a car.
GROUPS: tuple[str, ...] = ("student", "adult_no_car", "adult_car", "senior")
#: Pairs (purpose, group) that make trips.
TRAVELLERS: tuple[tuple[str, str], ...] = (
    ("school", "student"),
    ("leisure", "student"),
    ("commute", "adult_no_car"),
    ("leisure", "adult_no_car"),
    ("business", "adult_no_car"),
    ("commute", "adult_car"),
    ("leisure", "adult_car"),
    ("business", "adult_car"),
    ("leisure", "senior"),
)
#: Trip-length bands by their upper end [km]; the last has none.
BANDS: tuple[str, ...] = ("km_1", "km_2", "km_4", "km_8", "km_15", "km_over_15")
#: Order of the segment axis: (purpose, group, band).
SEGMENTS: tuple[tuple[str, str, str], ...] = tuple((p, g, band) for p, g in TRAVELLERS for band in BANDS)
#: Order of the season axis; cold are the months with a mean temperature below 0 degC.
SEASONS: tuple[str, ...] = ("cold", "warm")


@dataclass(frozen=True, slots=True)
class CityDemand:
    """Trips of the residents of one central city and the base shares that the choice of mode pivots on.

    Attributes
    ----------
    area
        Prefecture code.
    trips
        Trips of residents [trip/yr], array ``[segment, draw, year]``.
    base
        Mode shares of 2019 by season and segment [dimensionless], array ``[season, segment, mode, draw]``; without the virtual share of a
        metro that does not yet run they sum to one over the modes. Weighted with ``season_share`` and the trips of 2019 they are the
        rows ``travel_base_share``.
    season_share
        Share of the trips of the year by season [dimensionless], array ``[season, draw]``.
    length_km
        Mean length of a trip [km], array ``[segment, draw]``.
    peak_share
        Share of the trips in the peak hours [dimensionless], array ``[segment, draw]``.
    """

    area: str
    trips: Array
    base: Array
    season_share: Array
    length_km: Array
    peak_share: Array


@dataclass(frozen=True, slots=True)
class CityService:
    """Utility of the modes in one city against 2019.

    Attributes
    ----------
    area
        Prefecture code.
    utility
        Change of utility against 2019 at the road speed of 2019 [dimensionless], array ``[season, segment, mode, draw, year]``; minus
        infinity where a mode does not run.
    traffic
        Change of utility per unit by which the car time index exceeds one [dimensionless, not positive], array
        ``[segment, mode, draw, year]``; zero for modes that do not stand in road traffic.
    barred
        Share of the car trips that cannot be made by car, beyond those of 2019 [dimensionless], array ``[draw, year]``; None = none.
    """

    area: str
    utility: Array
    traffic: Array
    barred: Array | None = None


@dataclass(frozen=True, slots=True)
class ServiceTerms:
    """Utility of the modes in one city against 2019 by the parts it is made of, some hundredth of the size of the whole.

    Attributes
    ----------
    area
        Prefecture code.
    modes
        Mode of each term.
    weight
        What the term counts for a traveller, array ``[term, traveller, draw]``.
    level
        Change of the term against 2019 times its coefficient, array ``[term, band, draw, year]``: ``weight x level`` is utility.
    flat
        Change of utility that is alike for all travellers and lengths [dimensionless], array ``[mode, draw, year]``; minus infinity where a
        mode does not run.
    cold
        What comes on top of it in the cold months [dimensionless], array ``[mode, draw, year]``.
    pace_weight
        What a minute counts for a traveller [dimensionless], array ``[traveller, draw]``.
    pace
        Change of utility per unit of that weight and per unit by which the car time index exceeds one [dimensionless], array
        ``[mode of SLOWED, band, draw, year]``.
    barred
        As in :class:`CityService`.
    """

    area: str
    modes: tuple[str, ...]
    weight: Array
    level: Array
    flat: Array
    cold: Array
    pace_weight: Array
    pace: Array
    barred: Array


@dataclass(frozen=True, slots=True)
class CityRoads:
    """What turns trips into road traffic in one city; arrays ``[draw, year]``.

    Attributes
    ----------
    vehicles_per_pkm
        Vehicle-km per passenger-km by mode of :data:`ROAD_MODES` [dimensionless], empty running counted, array ``[mode, draw, year]``.
    capacity
        Road capacity against 2019 [dimensionless].
    volume_capacity
        Volume over capacity of 2019 [dimensionless].
    background
        Share of the traffic of 2019 that does not come from trips of residents [dimensionless].
    delay, exponent
        Coefficients of the volume-delay function [dimensionless].
    """

    vehicles_per_pkm: Array
    capacity: Array
    volume_capacity: Array
    background: Array
    delay: Array
    exponent: Array
