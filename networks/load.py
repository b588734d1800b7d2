"""Loading of chains on links: flows by arc and direction, and the checks every loading must pass."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from networks.chains import LEG_NETWORKS, ChainInputs
from networks.skim import load_paths

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from networks.chains import Legs
    from networks.skim import Skim


@dataclass(frozen=True)
class LinkFlow:
    """Flows of one network.

    Attributes
    ----------
    network
        Network name (:data:`networks.chains.LEG_NETWORKS`).
    skim
        Paths used.
    flow
        Flow per arc [t/yr].
    imbalance
        Largest difference of flow in and out at any vertex, after what starts and ends there, over the total flow [-].
    """

    network: str
    skim: Skim
    flow: NDArray[np.float64]
    imbalance: float


def skim_of(inputs: ChainInputs, network: str) -> Skim:
    """Return the skim a leg network runs on."""
    if network in inputs.pipelines:
        return inputs.pipelines[network][0]
    found: Skim = getattr(inputs, network)
    return found


def load_legs(inputs: ChainInputs, legs: Legs, chain_flow: NDArray[np.float64]) -> list[LinkFlow]:
    """Load the legs of chains on their networks.

    Parameters
    ----------
    inputs
        Networks and paths.
    legs
        Legs of the chains.
    chain_flow
        Flow of each chain [t/yr].

    Returns
    -------
    list of LinkFlow
        One per network, in the order of the leg networks.
    """
    made = []
    for code, name in enumerate(LEG_NETWORKS):
        skim = skim_of(inputs, name)
        n = len(skim.network.terminals)
        matrix = np.zeros((n, n))
        mine = legs.network == code
        np.add.at(matrix, (legs.start[mine], legs.end[mine]), chain_flow[legs.chain[mine]])
        np.fill_diagonal(matrix, 0.0)
        flow = load_paths(skim, matrix) if n else np.zeros(skim.network.head.size)
        made.append(LinkFlow(name, skim, flow, _imbalance(skim, matrix, flow)))
    return made


def _imbalance(skim: Skim, matrix: NDArray[np.float64], flow: NDArray[np.float64]) -> float:
    network = skim.network
    total = matrix.sum()
    if total == 0:
        return float(np.abs(flow).max(initial=0.0))
    balance = np.zeros(len(network.nodes))
    np.add.at(balance, network.head, flow)
    np.subtract.at(balance, network.tail, flow)
    np.add.at(balance, network.origins, matrix.sum(axis=1))
    np.subtract.at(balance, network.destinations, matrix.sum(axis=0))
    return float(np.abs(balance).max() / total)
