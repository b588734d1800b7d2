"""Parts of a vehicle group: lengths of buses, types of ships, kinds of airside equipment and of sanitation vehicles.

A group is the ``parent`` of its classes in ``fleets/classes``. The rows of the group give its totals and means; two parameters split them:
``share_in_group`` (one member takes the remainder) and ``ratio_in_group`` (a member against the others). Ratios are scaled so that the
group's mean in the base year stays what its own rows say: a split moves no total of the base year.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from transport.layout import BASE_YEAR, year_index

if TYPE_CHECKING:
    from collections.abc import Mapping

    from transport.params import Params
    from transport.vehicles.tables import Array, VehicleClass


def _shares(spec: VehicleClass, params: Params) -> Mapping[str, Array]:
    """Return the share of every member of the class's group ``[draw, year]``; they sum to 1.

    Raises
    ------
    ValueError
        If not exactly one member is without a row and so takes the remainder.
    """
    given = {m: np.clip(params.get("share_in_group", m), 0.0, 1.0) for m in spec.members if params.has("share_in_group", m)}
    rest = [m for m in spec.members if m not in given]
    if len(rest) != 1:
        msg = f"group {spec.group} needs exactly one member without a row of share_in_group, found {rest or 'none'}"
        raise ValueError(msg)
    total = sum(given.values(), np.zeros(1))
    scale = 1.0 / np.maximum(total, 1.0)
    return {**{m: share * scale for m, share in given.items()}, rest[0]: 1.0 - total * scale}


def share_in_group(spec: VehicleClass, params: Params) -> Array | float:
    """Return the share of a class in the vehicles or the turnover of its group ``[draw, year]``, 1 for a class without a group."""
    return 1.0 if len(spec.members) == 1 else _shares(spec, params)[spec.name]


def ratio_in_group(spec: VehicleClass, params: Params, kind: str, *, harmonic: bool = False) -> Array | float:
    """Return a property of a class relative to the mean of its group in the base year, 1 for a class without a group.

    Parameters
    ----------
    spec
        The class.
    params
        Hold ``share_in_group`` and ``ratio_in_group``, subject ``class:kind``; a group has ratios of a kind for all members or for none.
    kind
        ``combustion`` and ``electric`` energy, ``battery`` capacity, ``work`` of a vehicle in a year.
    harmonic
        The share is one of the work and the ratio one of work per vehicle: the number of vehicles is preserved, not the sum.

    Returns
    -------
    array ``[draw, 1]``

    Notes
    -----
    r(m) / sum over n of s(n) r(n), harmonic r(m) x sum of s(n) / r(n), with the shares s of the base year.
    """
    if len(spec.members) == 1 or not params.has("ratio_in_group", f"{spec.name}:{kind}"):
        return 1.0
    base = year_index(BASE_YEAR)
    share = {m: s[:, base : base + 1] for m, s in _shares(spec, params).items()}
    ratio = {m: params.get("ratio_in_group", f"{m}:{kind}")[:, base : base + 1] for m in spec.members}
    if harmonic:
        return np.asarray(ratio[spec.name] * sum(share[m] / ratio[m] for m in spec.members))
    return np.asarray(ratio[spec.name] / sum(share[m] * ratio[m] for m in spec.members))


def of_member(
    spec: VehicleClass, params: Params, parameter: str, kind: str, powertrain: str = "", *, harmonic: bool = False
) -> Array:
    """Return a parameter of a class: its own row as it stands, else the row of its group times the class's ratio.

    Parameters
    ----------
    spec
        The class.
    params
        Inherit from groups (:meth:`transport.params.Params.inheriting`).
    parameter
        Name of the parameter, subject ``class`` or ``class:powertrain``.
    kind
        Ratio that applies, as in :func:`ratio_in_group`.
    powertrain
        Powertrain of the subject, if it has one.
    harmonic
        As in :func:`ratio_in_group`.

    Returns
    -------
    array ``[draw, year]``
    """
    subject = f"{spec.name}:{powertrain}" if powertrain else spec.name
    value = params.get(parameter, subject)
    return value if params.own(parameter, subject) else np.asarray(value * ratio_in_group(spec, params, kind, harmonic=harmonic))
