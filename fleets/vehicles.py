"""What a fleet is made of: sales by powertrain, age structure at the start, efficiency by vintage, use by age."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from fleets.stock import StockPath, steady_ages

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Array = NDArray[np.float64]

#: Groups of powertrains; the first two are clean in the plan's sense, the last is not.
NEW_ENERGY, GAS, CONVENTIONAL = "new_energy", "gas", "conventional"


@dataclass(frozen=True, slots=True)
class Pair:
    """One powertrain of one vehicle class.

    Attributes
    ----------
    powertrain
        Code of the powertrain.
    group
        ``new_energy``, ``gas`` or ``conventional``.
    remainder
        Whether it takes what the other powertrains of its group leave.
    """

    powertrain: str
    group: str
    remainder: bool


def within_group(weights: Mapping[str, Array], pairs: Sequence[Pair], group: str, shape: tuple[int, ...]) -> dict[str, Array]:
    """Return the shares of a group's powertrains.

    Parameters
    ----------
    weights
        Share of each powertrain that is not the remainder, arrays ``[draw, year]``.
    pairs
        Powertrains of the class.
    group
        Group to split.
    shape
        Shape of the result, ``(draw, year)``.

    Returns
    -------
    dict of arrays ``[draw, year]``
        Sum 1 over the group; the remainder takes 1 - sum of the others, and the others are scaled down where they exceed 1.

    Raises
    ------
    ValueError
        If the group does not have exactly one remainder.
    """
    members = [p for p in pairs if p.group == group]
    rest = [p.powertrain for p in members if p.remainder]
    if len(rest) != 1:
        msg = f"group {group} needs exactly one remainder, found {rest}"
        raise ValueError(msg)
    others = {p.powertrain: np.clip(np.broadcast_to(weights[p.powertrain], shape), 0.0, None) for p in members if not p.remainder}
    total = sum(others.values(), np.zeros(shape))
    scale = 1.0 / np.maximum(total, 1.0)
    shares = {name: np.asarray(value * scale) for name, value in others.items()}
    shares[rest[0]] = np.maximum(1.0 - total * scale, 0.0)
    return shares


def sales_shares(
    pairs: Sequence[Pair], clean_share: Array, new_energy_share_of_clean: Array, weights: Mapping[str, Array]
) -> Array:
    """Return the share of each powertrain in sales.

    Parameters
    ----------
    pairs
        Powertrains of the class, in the order of the result.
    clean_share
        Share of clean vehicles in sales ``[draw, year]``.
    new_energy_share_of_clean
        Share of new-energy vehicles among the clean ones ``[draw, year]``; the others run on gas.
    weights
        Share within its group of each powertrain that is not the remainder.

    Returns
    -------
    array ``[draw, year, powertrain]``
        Sums to 1. A class without a gas powertrain has only new-energy clean sales, and the other way round.
    """
    groups = {p.group for p in pairs}
    shape = clean_share.shape
    clean = np.clip(clean_share, 0.0, 1.0) if groups - {CONVENTIONAL} else np.zeros(shape)
    if CONVENTIONAL not in groups:
        clean = np.ones(shape)
    new_energy = np.clip(new_energy_share_of_clean, 0.0, 1.0)
    if GAS not in groups:
        new_energy = np.ones(shape)
    elif NEW_ENERGY not in groups:
        new_energy = np.zeros(shape)
    of_group = {NEW_ENERGY: clean * new_energy, GAS: clean * (1.0 - new_energy), CONVENTIONAL: 1.0 - clean}
    within = {g: within_group(weights, pairs, g, shape) for g in sorted(groups)}
    return np.stack([of_group[p.group] * within[p.group][p.powertrain] for p in pairs], axis=-1)


def initial_stock(total: Array, share: Array, chance: Array, growth_per_year: Array) -> Array:
    """Return the stock at the end of the first year by powertrain and age.

    Parameters
    ----------
    total
        Array ``[draw]`` [veh].
    share
        Array ``[draw, powertrain]``; sums to 1.
    chance
        Conditional survival, broadcast to ``[draw, powertrain, age]``.
    growth_per_year
        Growth of sales before the first year, array ``[draw, powertrain]``: a young market has young vehicles.

    Returns
    -------
    array ``[draw, powertrain, age]`` [veh]
    """
    n_draw, n_train = share.shape
    ages = steady_ages(np.broadcast_to(chance, (n_draw, n_train, chance.shape[-1])), growth_per_year)
    return np.asarray(total[:, None, None] * share[:, :, None] * ages)


def vintage_index(new_vehicle: Array, decline_before: Array, n_age: int) -> Array:
    """Return energy per km of each age in each year, relative to a new vehicle of the first year.

    Parameters
    ----------
    new_vehicle
        Index of a new vehicle by year of sale ``[draw, year]``; 1 in the first year.
    decline_before
        Yearly fall of the index before the first year ``[draw]``.
    n_age
        Number of age bins.

    Returns
    -------
    array ``[draw, year, age]``

    Notes
    -----
    index(t, a) = index of vintage t - a; before the first year (1 + decline) ** (years before it).
    """
    n_draw, n_year = new_vehicle.shape
    years_before = np.arange(n_age - 1, 0, -1, dtype=np.float64)
    older = new_vehicle[:, :1] * (1.0 + decline_before[:, None]) ** years_before
    vintages = np.concatenate([older, new_vehicle], axis=1)
    position = (n_age - 1) + np.arange(n_year)[:, None] - np.arange(n_age)[None, :]
    return np.asarray(vintages[:, position].reshape(n_draw, n_year, n_age))


@dataclass(frozen=True, slots=True)
class Mix:
    """How a class's distance splits over powertrains and how efficient each is.

    Attributes
    ----------
    distance_share
        Array ``[draw, year, powertrain]``; sums to 1.
    index
        By kind of engine (``combustion``, ``electric``) an array ``[draw, year, powertrain]``: energy per km relative to a new vehicle
        of the first year.
    """

    distance_share: Array
    index: Mapping[str, Array]

    def held(self, year: int) -> Mix:
        """Return the mix with the years after position ``year`` as in that year."""
        return Mix(hold_after(self.distance_share, year), {kind: hold_after(array, year) for kind, array in self.index.items()})


def fleet_mix(path: StockPath, use_decline_per_year: Array, index: Mapping[str, Array]) -> Mix:
    """Return the mix of a stock in which older vehicles drive less.

    Parameters
    ----------
    path
        Stock of the class.
    use_decline_per_year
        Yearly fall of the distance per vehicle with its age ``[draw]``.
    index
        By kind of engine an array ``[draw, year, age]`` of :func:`vintage_index`.

    Notes
    -----
    Weight of an age = stock * (1 - decline) ** age; share and index are weighted by it.
    """
    n_age = path.stock.shape[-1]
    use = (1.0 - use_decline_per_year[:, None]) ** np.arange(n_age, dtype=np.float64)
    by_train = np.einsum("dypa,da->dyp", path.stock, use)
    total = by_train.sum(axis=-1, keepdims=True)
    share = np.where(total > 0, by_train / np.where(total > 0, total, 1.0), 0.0)
    mean: dict[str, Array] = {}
    for kind, array in index.items():
        weighted = np.einsum("dypa,dya->dyp", path.stock, array * use[:, None, :])
        mean[kind] = np.where(by_train > 0, weighted / np.where(by_train > 0, by_train, 1.0), 1.0)
    return Mix(share, mean)


def hold_after(array: Array, year: int) -> Array:
    """Return an array ``[draw, year, ...]`` whose years after position ``year`` equal that year."""
    held = array.copy()
    held[:, year + 1 :] = array[:, year : year + 1]
    return held


def held_composition(path: StockPath, year: int) -> StockPath:
    """Return a stock path that keeps the composition of position ``year`` afterwards, total flows unchanged.

    Notes
    -----
    With a constant share s of each powertrain and age, stock, sales, inflow and scrapped are all s times their totals, so that the
    balance holds for every powertrain.
    """
    now = path.stock[:, year]
    total_now = now.sum(axis=(1, 2), keepdims=True)
    share = np.where(total_now > 0, now / np.where(total_now > 0, total_now, 1.0), 0.0)
    train_share = share.sum(axis=2)
    stock = path.stock.copy()
    stock[:, year + 1 :] = path.stock[:, year + 1 :].sum(axis=(2, 3))[:, :, None, None] * share[:, None]
    flows = []
    for flow in (path.sales, path.scrapped, path.inflow):
        held = flow.copy()
        held[:, year + 1 :] = flow[:, year + 1 :].sum(axis=2)[:, :, None] * train_share[:, None]
        flows.append(held)
    return StockPath(stock, flows[0], flows[1], flows[2])
