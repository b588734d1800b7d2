"""Colours of the app's charts and of the figures in reports: one per mode and sector everywhere, distinguishable by colour-blind readers."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

#: One colour per mode.
MODE_COLOURS: Mapping[str, str] = {
    "road": "#D55E00",
    "rail": "#0072B2",
    "water": "#009E73",
    "pipeline": "#CC79A7",
    "air": "#E69F00",
}
TARGET_COLOUR = "#b00020"
BAND_COLOUR = "#9dc3e6"
LINE_COLOUR = "#005f9e"
MET_COLOUR = "#1b7837"
MISSED_COLOUR = "#c76a00"
TOTAL_COLOUR = "#444444"
#: More, less and as before on a map of differences; purple and brown are told apart by colour-blind readers and are no mode's colour.
MORE_COLOUR = "#542788"
LESS_COLOUR = "#b35806"
UNCHANGED_COLOUR = "#c9ccd1"
REST_COLOUR = "#b9b9b9"
#: One colour per sector of the accounts by area; operating modes keep the colours of the modes.
SECTOR_COLOURS: Mapping[str, str] = {
    "road_freight": MODE_COLOURS["road"],
    "coaches": "#f0a775",
    "railway": MODE_COLOURS["rail"],
    "shipping": MODE_COLOURS["water"],
    "pipelines": MODE_COLOURS["pipeline"],
    "aviation": MODE_COLOURS["air"],
    "private_cars": "#56B4E9",
    "urban_transport": "#1f4e79",
    "own_account": "#8c6d31",
    "farming": "#a6b93c",
    "municipal": "#7f7f7f",
    "airports": "#f2d16b",
    "ports": "#7fd1b9",
}
#: Colours for anything else that stands side by side, in order.
SERIES_COLOURS: Sequence[str] = (
    "#0072B2",
    "#E69F00",
    "#009E73",
    "#D55E00",
    "#CC79A7",
    "#56B4E9",
    "#7f7f7f",
    "#8c6d31",
    "#a6b93c",
    "#1f4e79",
)
