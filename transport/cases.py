"""Runs that differ in their levers only, side by side along the draw axis: one solve of the networks serves many of them.

Levers move rows of the parameters after the base year, so that cases share networks, demand, base year and its constants. Freight delays and
scarcity prices are those of the base year (fixed); what the freight model takes from the first draw alone parts the cases into groups.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from networks.errors import CalibrationError
from transport.params import Params, lever_settings
from transport.study import Given, model_parts, scenario_inputs, scenario_params

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from transport.freight_start import FreightStarts
    from transport.inputs import Inputs
    from transport.params import LeverValue
    from transport.parts import Parts
    from transport.scenario import Scenario

    Settings = Mapping[str, LeverValue]

#: Cases that are worked out together; fixed, so that the bytes of a result do not depend on the number of processes.
CHUNK = 24
#: What the freight model takes from the first draw alone at fixed delays: networks, quotas of ports, departures.
FIRST_DRAW: tuple[str, ...] = (
    "planned_links_open",
    "port_clean_quota",
    "clean_truck_share_at_ports",
    "port_quota_charge_ceiling",
    "sea_rail_window_trains",
    "coastal_sailings_added",
)
_QUOTA = "port_clean_quota"


@dataclass(frozen=True)
class Chunk:
    """Some cases that are worked out together.

    Attributes
    ----------
    scenario
        Scenario whose data, projects, closures and sites they have; delays fixed, nothing simulated.
    positions
        Which of all cases these are.
    settings
        Levers of each.
    """

    scenario: Scenario
    positions: tuple[int, ...]
    settings: tuple[Settings, ...]


def chunks(scenario: Scenario, inputs: Inputs, settings: Sequence[Settings], *, size: int = CHUNK) -> tuple[Chunk, ...]:
    """Return the cases in chunks that can be worked out together.

    Parameters
    ----------
    scenario
        A resolved scenario; its own levers play no part.
    inputs
        Checked data.
    settings
        Levers of each case.
    size
        Most cases of a chunk.

    Raises
    ------
    KeyError, ValueError
        If a lever is not known or out of its range.
    """
    bare = replace(scenario, capacity="fixed", simulate="none", draws=1)
    plain = scenario_params(replace(bare, settings={}), scenario_inputs(bare, inputs))
    groups: dict[bytes, list[int]] = {}
    for k, levers in enumerate(settings):
        moved = plain.with_levers(lever_settings(inputs.levers, levers))
        groups.setdefault(_signature(moved, levers), []).append(k)
    return tuple(
        Chunk(bare, tuple(part), tuple(settings[k] for k in part))
        for group in groups.values()
        for part in (group[i : i + size] for i in range(0, len(group), size))
    )


def run_chunk(chunk: Chunk, inputs: Inputs, *, starts: FreightStarts, given: Given | None = None) -> Parts:
    """Run the cases of a chunk, without result tables; draw ``k`` of what is returned is the chunk's case ``k``.

    Parameters
    ----------
    chunk
        From :func:`chunks`.
    inputs
        Checked data.
    starts
        As in :func:`transport.study.model_parts`.
    given
        From :func:`given_of`, if the caller has them.

    Raises
    ------
    networks.errors.CalibrationError
        If the base year of a case is out of reach of the constants.
    """
    cases = given_of(chunk, inputs) if given is None else given
    parts = model_parts(chunk.scenario, inputs, starts=starts, response=False, light=True, given=cases)
    if parts.freight.unsettled:
        lost = f"{len(parts.freight.unsettled)} of {len(chunk.settings)} cases"
        msg = f"the constants of {lost} do not settle: a margin of the base year is out of reach there"
        raise CalibrationError(msg)
    return parts


def given_of(chunk: Chunk, inputs: Inputs) -> Given:
    """Return the parameters of the cases of a chunk, with and without their levers."""
    plain = scenario_params(replace(chunk.scenario, settings={}), scenario_inputs(chunk.scenario, inputs))
    moved = [plain.with_levers(lever_settings(inputs.levers, levers)) for levers in chunk.settings]
    return Given(Params.stack(moved), Params.stack([plain] * len(moved)), priced=True)


def _signature(params: Params, levers: Settings) -> bytes:
    """Return what parts cases that cannot be worked out together; the charge of a quota answers to all levers of a case, which then stands alone."""
    taken = b"".join(params.get(name, subject).tobytes() for name in FIRST_DRAW for subject in params.subjects(name))
    quota = any(params.get(_QUOTA, port).any() for port in params.subjects(_QUOTA))
    return taken + (repr(sorted(levers.items())).encode() if quota else b"")
