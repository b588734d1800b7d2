"""Which weak parameters matter most: from the drivers of the headline in an ensemble, where one was made on these data."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from transport.ensemble import MANIFEST, read_ensemble
from transport.scorecard import headline_rows
from transport.sensitivity import drivers_if_any, replace_first
from transport.store import StoreError

if TYPE_CHECKING:
    from pathlib import Path

    from transport.ensemble import EnsembleResult
    from transport.inputs import Inputs

#: Indicators and year whose drivers are asked for, in this order.
INDICATORS, YEAR = ("operating_co2_intensity", "sea_rail_share", "green_travel_share"), 2030


def newest_ensemble(runs: Path, inputs: Inputs) -> EnsembleResult | None:
    """Return the latest finished ensemble on these data, None if there is none.

    Parameters
    ----------
    runs
        Folder of runs.
    inputs
        Checked data.
    """
    found = []
    for file in runs.glob(f"ensemble-*/{MANIFEST}"):
        try:
            about = json.loads(file.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue
        if about.get("complete") and about.get("data_hash") == inputs.data_hash:
            found.append((file.stat().st_mtime, file.parent))
    try:
        return read_ensemble(max(found)[1]) if found else None
    except StoreError:
        return None


def to_replace_first(result: EnsembleResult, inputs: Inputs, *, count: int = 10) -> list[tuple[str, str]]:
    """Return the weak parameters that own most of the variance: of each indicator in turn, none twice.

    Parameters
    ----------
    result
        An ensemble.
    inputs
        Checked data.
    count
        Most parameters of one indicator.
    """
    series = headline_rows(result.table("series"), inputs.table("indicators"))
    made: dict[tuple[str, str], None] = {}
    for indicator in INDICATORS:
        for place in series.filter(id=indicator)["series"].to_list():
            try:
                drivers = drivers_if_any(result, int(place), YEAR)
            except ValueError:  # too few draws, or the year is not kept
                continue
            rows = replace_first(drivers, inputs, count=count)
            made |= dict.fromkeys(rows.select("parameter", "subject").iter_rows())
    return list(made)
