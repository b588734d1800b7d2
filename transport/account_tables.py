"""Result tables of the accounts beside the headline: fuel by sector, CO2 equivalent, infrastructure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from transport import co2e, construction, fuel_units
from transport.parts import boundaries, part_of_class

if TYPE_CHECKING:
    from collections.abc import Mapping

    import polars as pl

    from transport.parts import Parts


def account_tables(parts: Parts) -> Mapping[str, pl.DataFrame]:
    """Return the tables ``fuel_sectors``, ``co2e``, ``co2e_intensity`` and ``infrastructure_account`` of a run."""
    inputs, params, energy = parts.inputs, parts.params, parts.now.energy
    mode = co2e.modes(inputs)
    now, normal = (co2e.gases(books.energy, books.co2_t, params, mode) for books in (parts.now, parts.before))
    return {
        "fuel_sectors": fuel_units.fuel_sectors(inputs, params, energy),
        "co2e": co2e.co2e_frame(energy, now),
        "co2e_intensity": co2e.co2e_readings(
            (energy, now),
            (parts.before.energy, normal),
            (parts.now.book, parts.before.book),
            part_of_class(inputs, operating_only=True),
            boundaries(inputs),
        ),
        "infrastructure_account": construction.infrastructure_account(inputs, params),
    }
