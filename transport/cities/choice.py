"""Choice of mode: nested logit in incremental form, pivoting on base shares by season and segment.

Only changes of utility enter, never its level: with no change the base shares come back bit for bit, whatever the coefficients.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from transport.cities.layout import MODES, NESTS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from transport.cities.layout import Array
    from transport.params import Params

#: Parameter with the logsum coefficients; its subjects are the nests.
THETA = "travel_nest_theta"


def nest_coefficients(params: Params) -> dict[str, Array]:
    """Return the logsum coefficient of each nest [dimensionless], array ``[draw]``.

    Raises
    ------
    ValueError
        If a coefficient is not above 0 and at most 1: the choice would not follow from the maximum of any utility.
    """
    found = {nest: params.get(THETA, nest)[:, 0] for nest in NESTS}
    check_theta(found)
    return found


def check_theta(theta: Mapping[str, Array]) -> None:
    """Check that every nest has a logsum coefficient above 0 and at most 1.

    Raises
    ------
    ValueError
        If a nest has none, or one outside the range; the message names the nest, the value and the row to change.
    """
    for nest in NESTS:
        if nest not in theta:
            msg = f"nest {nest} has no logsum coefficient; add a row {THETA} with subject {nest}"
            raise ValueError(msg)
        values = np.asarray(theta[nest])
        bad = values[~((values > 0) & (values <= 1))]
        if bad.size:
            msg = f"{THETA} of nest {nest} is {float(bad[0]):g}; a logsum coefficient lies above 0 and is at most 1"
            raise ValueError(msg)


def nested_shares(
    base: Array,
    utility: Array,
    nests: Mapping[str, Sequence[str]],
    theta: Mapping[str, Array],
    *,
    running: NDArray[np.bool_] | None = None,
) -> Array:
    """Return mode shares after a change of utility.

    Parameters
    ----------
    base
        Base shares [dimensionless], array ``[season, segment, mode, draw]``; those of the modes that run in the base sum to one, a mode
        that does not has the share with which it would join the others.
    utility
        Change of utility against the base [dimensionless], array ``[season, segment, mode, draw, year]``; minus infinity where a mode
        does not run.
    nests
        Nest -> modes of it; together they hold every mode once.
    theta
        Logsum coefficient by nest [dimensionless], array ``[draw]``, above 0 and at most 1.
    running
        Whether a mode runs in the base, array ``[season, segment, mode, draw]``; by default whether it does in the first year.

    Returns
    -------
    array ``[season, segment, mode, draw, year]``
        Shares that sum to one over the modes.

    Raises
    ------
    ValueError
        If a coefficient is outside its range, shapes do not fit, or no mode is left in a segment.

    Notes
    -----
    With ``P0`` the base shares, ``S_n`` the sum over the modes of nest ``n`` and ``S_n0`` the same with zero change over the modes that run
    in the base::

        P[i] ~ P0[i] exp(V[i] / theta_n) G_n^(theta_n - 1),   G_n = S_n / S_n0,   S_n = sum_i P0[i] exp(V[i] / theta_n)

    which is the incremental nested logit with upper scale 1; ``theta = 1`` in all nests is the incremental multinomial logit. A nest in which
    nothing ran in the base (a first metro line where no bus goes) takes its virtual shares as its base.

    Examples
    --------
    A tenth more utility for the bus takes riders from the metro first, then from all others alike:

    >>> base = np.full((1, 1, 9, 1), 1 / 9)
    >>> change = np.zeros((1, 1, 9, 1, 1))
    >>> change[0, 0, 3] = 0.1
    >>> shares = nested_shares(base, change, NESTS, {nest: np.array([0.5]) for nest in NESTS})[0, 0, :, 0, 0]
    >>> [round(float(x), 4) for x in shares[2:6]]
    [0.1098, 0.1272, 0.1042, 0.1098]
    """
    if base.shape != utility.shape[:-1] or base.shape[2] != len(MODES):
        msg = f"base shares {base.shape} and utilities {utility.shape} do not fit; they need [season, segment, {len(MODES)} modes, draw] and years"
        raise ValueError(msg)
    check_theta(theta)
    pivot = Pivot.of(base, utility, nests, theta, np.isfinite(utility[..., 0]) if running is None else running)
    return np.stack(pivot.shares({}), axis=2)


@dataclass(frozen=True, slots=True)
class Pivot:
    """What the shares of one set of utilities need again and again while the road speed is sought.

    Attributes
    ----------
    weight
        Base shares times exp(utility / theta) by mode, arrays ``[season, segment, draw, year]``.
    nest_base
        Sum of the base shares of each nest, arrays ``[season, segment, draw, 1]``.
    total_base
        Sum of the base shares of the modes that run in the base, array ``[season, segment, draw, 1]``.
    nests
        Nest -> positions of its modes.
    theta
        Logsum coefficient by nest, arrays ``[draw, 1]``.
    """

    weight: tuple[Array, ...]
    nest_base: dict[str, Array]
    total_base: Array
    nests: dict[str, tuple[int, ...]]
    theta: dict[str, Array]

    @classmethod
    def of(
        cls,
        base: Array,
        utility: Array,
        nests: Mapping[str, Sequence[str]],
        theta: Mapping[str, Array],
        running: NDArray[np.bool_],
    ) -> Pivot:
        """Prepare the shares of some utilities; arguments as those of :func:`nested_shares`."""
        places = {nest: tuple(MODES.index(m) for m in modes) for nest, modes in nests.items()}
        if sorted(i for modes in places.values() for i in modes) != list(range(len(MODES))):
            msg = f"the nests {dict(nests)} must hold each of the modes {', '.join(MODES)} once"
            raise ValueError(msg)
        column = {nest: np.asarray(theta[nest])[:, None] for nest in places}
        start = [np.where(running[:, :, i], base[:, :, i], 0.0) for i in range(len(MODES))]
        nest_base = {}
        weight: list[Array] = [base[:, :, 0]] * len(MODES)
        for nest, modes in places.items():
            virtual = _sum([base[:, :, i] for i in modes])
            real = _sum([start[i] for i in modes])
            nest_base[nest] = np.where(real > 0, real, virtual)[..., None]
            for i in modes:
                # Contiguous arrays only: the exponential of numpy may differ in the last bit between layouts.
                lifted = np.ascontiguousarray(utility[:, :, i]) / column[nest]
                weight[i] = base[:, :, i][..., None] * np.exp(lifted)
        return cls(tuple(weight), nest_base, _sum(start)[..., None], places, column)

    def shares(self, lift: Mapping[int, Array], without: int | None = None) -> list[Array]:
        """Return the shares by mode, arrays ``[season, segment, draw, year]``.

        Parameters
        ----------
        lift
            Factor exp(change of utility / theta) by position of a mode, on top of the weights.
        without
            Position of a mode that may not be chosen, if any.

        Raises
        ------
        ValueError
            If no mode is left for some segment.
        """
        weight = [self.weight[i] * lift[i] if i in lift else self.weight[i] for i in range(len(MODES))]
        if without is not None:
            weight[without] = np.zeros_like(weight[without])
        for nest, modes in self.nests.items():
            total = _sum([weight[i] for i in modes])
            served = total > 0
            # Nests in which nothing runs have no weight to scale; the ratio is put at one there, to keep zero from a negative power.
            ratio = np.divide(total, self.nest_base[nest], out=np.ones_like(total), where=served & (self.nest_base[nest] > 0))
            factor = ratio ** (self.theta[nest] - 1.0)
            for i in modes:
                weight[i] = weight[i] * factor
        # In the order of the modes, as the base was added up: with no change the ratio is exactly one.
        total = _sum(weight)
        if not bool((total > 0).all()):
            season, segment = (int(k[0]) for k in np.nonzero(~(total > 0))[:2])
            msg = f"no mode is left in season {season}, segment {segment}; at least one mode must run in every segment"
            raise ValueError(msg)
        scale = total / self.total_base
        return [w / scale for w in weight]


def _sum(parts: Sequence[Array]) -> Array:
    """Return the sum of arrays, added in order: numpy's own order depends on the length of the other axes."""
    total = parts[0].copy()
    for part in parts[1:]:
        total += part
    return total
