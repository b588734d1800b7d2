"""Closed forms of queues, to check the simulations and for quick sizing.

References: Erlang 1917; Crommelin 1932 (constant service); Cobham 1954 (priorities); Kleinrock, Queueing Systems I (1975), chapters 3 and 5,
II (1976), chapters 3 and 4 (priorities, processor sharing); Feller I (1968), XVII.7 (machine repair).
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import gammainc

from fleets.errors import FleetError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray


def erlang_b(offered: float, servers: int) -> float:
    """Return the blocking probability of M/M/c/c.

    Parameters
    ----------
    offered
        Offered load, arrival rate times mean service time [Erlang].
    servers
        Number of servers (plugs).

    Notes
    -----
    Recursion B(0) = 1, B(c) = a B(c-1) / (c + a B(c-1)); stable for any size.
    """
    _positive(offered=offered)
    if servers < 0:
        msg = f"servers={servers} must not be negative"
        raise FleetError(msg)
    blocking = 1.0
    for c in range(1, servers + 1):
        blocking = offered * blocking / (c + offered * blocking)
    return blocking


def erlang_c(offered: float, servers: int) -> float:
    """Return the probability of waiting in M/M/c; 1 if the queue is not stable.

    Parameters
    ----------
    offered
        Offered load [Erlang].
    servers
        Number of servers (plugs).

    Notes
    -----
    C = B / (1 - rho (1 - B)) with rho = offered / servers.
    """
    if servers <= offered:
        _positive(offered=offered)
        return 1.0
    blocking = erlang_b(offered, servers)
    return blocking / (1.0 - offered / servers * (1.0 - blocking))


def mmc_wait_min(arrivals_per_min: float, service_min: float, servers: int) -> float:
    """Return the mean wait in M/M/c before service [min]; infinite if the queue is not stable.

    Parameters
    ----------
    arrivals_per_min
        Arrival rate [1/min].
    service_min
        Mean service time [min].
    servers
        Number of servers.
    """
    _positive(arrivals_per_min=arrivals_per_min, service_min=service_min)
    offered = arrivals_per_min * service_min
    if offered >= servers:
        return math.inf
    return erlang_c(offered, servers) * service_min / (servers - offered)


def mmc_wait_quantile_min(arrivals_per_min: float, service_min: float, servers: int, quantile: float) -> float:
    """Return a quantile of the wait in M/M/c [min].

    Notes
    -----
    P(W > t) = C exp(-(c - a) t / S).
    """
    _positive(arrivals_per_min=arrivals_per_min, service_min=service_min)
    if not 0.0 <= quantile < 1.0:
        msg = f"quantile={quantile} must lie in 0 to below 1"
        raise FleetError(msg)
    offered = arrivals_per_min * service_min
    if offered >= servers:
        return math.inf
    waiting = erlang_c(offered, servers)
    return max(0.0, math.log(waiting / (1.0 - quantile)) * service_min / (servers - offered))


def md1_wait_min(arrivals_per_min: float, service_min: float) -> float:
    """Return the mean wait in M/D/1 [min]; infinite if the queue is not stable.

    Parameters
    ----------
    arrivals_per_min
        Arrival rate [1/min].
    service_min
        Constant service time [min].

    Notes
    -----
    Pollaczek-Khinchine with zero variance: W = rho S / (2 (1 - rho)).
    """
    _positive(arrivals_per_min=arrivals_per_min, service_min=service_min)
    rho = arrivals_per_min * service_min
    return math.inf if rho >= 1.0 else rho * service_min / (2.0 * (1.0 - rho))


def mdc_wait_min(arrivals_per_min: float, service_min: float, servers: int) -> float:
    """Return the mean wait in M/D/c [min]; infinite if the queue is not stable.

    Parameters
    ----------
    arrivals_per_min
        Arrival rate [1/min].
    service_min
        Constant service time [min].
    servers
        Number of servers.

    Notes
    -----
    Every server sees every c-th arrival, so that the wait is that of E_c/D/1 and Spitzer's sum gives
    W / S = sum over i >= 1 of P(N_i >= i c) - (c / a) P(N_i >= i c + 1), N_i Poisson with mean i a (Crommelin 1932). The tails are incomplete
    gamma functions.

    Examples
    --------
    >>> round(mdc_wait_min(0.5, 1.0, 1), 9)  # rho S / (2 (1 - rho))
    0.5
    """
    _positive(arrivals_per_min=arrivals_per_min, service_min=service_min)
    offered = arrivals_per_min * service_min
    if offered >= servers:
        return math.inf
    total, first, size = 0.0, 1, 256
    while True:
        i = np.arange(first, first + size, dtype=np.float64)
        terms = gammainc(i * servers, i * offered) - servers / offered * gammainc(i * servers + 1.0, i * offered)
        total += float(terms.sum())
        if abs(float(terms[-1])) <= 1e-14 * max(total, 1e-300) or total == 0.0:
            return total * service_min
        first, size = first + size, 2 * size


def mg1_wait_min(arrivals_per_min: float, service_min: float, service_cv: float) -> float:
    """Return the mean wait in M/G/1 [min]; infinite if the queue is not stable.

    Parameters
    ----------
    arrivals_per_min
        Arrival rate [1/min].
    service_min
        Mean service time [min].
    service_cv
        Coefficient of variation of the service time.

    Notes
    -----
    Pollaczek-Khinchine: W = rho S (1 + cv^2) / (2 (1 - rho)).
    """
    _positive(arrivals_per_min=arrivals_per_min, service_min=service_min)
    if not service_cv >= 0.0:
        msg = f"service_cv={service_cv} must not be negative"
        raise FleetError(msg)
    rho = arrivals_per_min * service_min
    return math.inf if rho >= 1.0 else rho * service_min * (1.0 + service_cv**2) / (2.0 * (1.0 - rho))


def mmck_wait_min(arrivals_per_min: float, service_min: float, servers: int, places: int) -> tuple[float, float]:
    """Return the share lost and the mean wait of those who stay [min] in M/M/c with a limited number of places to wait.

    Parameters
    ----------
    arrivals_per_min
        Arrival rate [1/min].
    service_min
        Mean service time [min].
    servers
        Number of servers.
    places
        Places to wait; 0 is the loss system, whose lost share is :func:`erlang_b`.

    Notes
    -----
    Birth-death chain: p(n) ~ a^n / n! up to c, then x a / c; lost = p(c + places), W = E[queue] / (arrival rate x (1 - lost)).
    """
    _positive(arrivals_per_min=arrivals_per_min, service_min=service_min)
    _count(servers=servers, places=places)
    if servers == 0:
        return 1.0, 0.0
    n = np.arange(servers + places + 1)
    share = _birth_death(np.full(n.size - 1, arrivals_per_min * service_min), np.minimum(n[1:], servers))
    lost = float(share[-1])
    queue = float((np.maximum(n - servers, 0) * share).sum())
    return lost, queue / (arrivals_per_min * (1.0 - lost))


def finite_fleet_wait_min(vehicles: int, away_min: float, service_min: float, servers: int) -> float:
    """Return the mean wait of a closed fleet that drives, queues and charges [min] (machine repair, M/M/c//N).

    Parameters
    ----------
    vehicles
        Vehicles of the fleet.
    away_min
        Mean time between the end of a charge and the next arrival, exponential [min].
    service_min
        Mean charging time, exponential [min].
    servers
        Number of plugs.

    Notes
    -----
    Birth-death chain with arrival rate (N - n) / away and service rate min(n, c) / S; W = E[queue] / throughput.
    """
    _positive(away_min=away_min, service_min=service_min)
    _count(vehicles=vehicles, servers=servers)
    if servers == 0:
        return math.inf
    n = np.arange(vehicles + 1)
    share = _birth_death(np.asarray((vehicles - n[:-1]) * (service_min / away_min), dtype=np.float64), np.minimum(n[1:], servers))
    throughput = float((np.minimum(n, servers) * share).sum()) / service_min
    return float((np.maximum(n - servers, 0) * share).sum()) / throughput if throughput > 0.0 else 0.0


def shared_feeder_time_min(arrivals_per_min: float, service_min: float, full_power: float) -> float:
    """Return the mean time at the plug where all who charge share a feeder [min]; infinite if it is too small.

    Parameters
    ----------
    arrivals_per_min
        Arrival rate [1/min].
    service_min
        Mean charging time at full power, of any distribution [min].
    full_power
        Vehicles the feeder carries at full power: feeder / power of a vehicle, not necessarily whole.

    Notes
    -----
    Processor sharing with plugs for everybody: with n charging the feeder works at min(n, r). The number present does not depend on the
    distribution of the energy (Kleinrock II, 4.4): p(n) ~ prod a / min(k, r), time = E[n] / arrival rate. With r = 1 it is S / (1 - rho).
    """
    _positive(arrivals_per_min=arrivals_per_min, service_min=service_min, full_power=full_power)
    offered = arrivals_per_min * service_min
    if offered >= full_power:
        return math.inf
    whole = math.floor(full_power)
    n = np.arange(whole + 1)
    head = _birth_death(np.full(whole, offered), n[1:].astype(np.float64))
    # from r on the shares fall geometrically: p(whole + j) = p(whole) x^j
    x = offered / full_power
    last = float(head[-1])
    tail, tail_mean = last * x / (1.0 - x), last * (whole * x / (1.0 - x) + x / (1.0 - x) ** 2)
    return (float((n * head).sum()) + tail_mean) / (1.0 + tail) / arrivals_per_min


def swap_wait_min(arrivals_per_min: float, charge_min: float, packs: int, chargers: int) -> float:
    """Return the mean wait for a charged pack at a swap station whose bays and exchange take no time [min].

    Parameters
    ----------
    arrivals_per_min
        Arrival rate [1/min].
    charge_min
        Mean time to charge a pack, exponential [min].
    packs
        Packs of the station.
    chargers
        Packs that charge at once, at most.

    Notes
    -----
    Packs that are not charged, plus vehicles that wait, are the number N in M/M/c with c chargers; a vehicle waits while N >= packs:
    W = E[max(N - packs, 0)] / arrival rate = C rho^(packs - c) S / (c - a) for packs >= c (base stock). More chargers than packs are idle.
    """
    _count(packs=packs, chargers=chargers)
    if packs == 0 or chargers == 0:
        return math.inf
    used = min(chargers, packs)
    wait = mmc_wait_min(arrivals_per_min, charge_min, used)
    return wait * (arrivals_per_min * charge_min / used) ** (packs - used) if wait < math.inf else wait


def priority_waits_min(
    arrivals_per_min: Sequence[float], service_min: Sequence[float], service_cv: Sequence[float] | float = 1.0
) -> list[float]:
    """Return the mean wait of each class in M/G/1 with priorities that do not interrupt a service [min].

    Parameters
    ----------
    arrivals_per_min
        Arrival rate of each class, the first goes first [1/min].
    service_min
        Mean service time of each class [min].
    service_cv
        Coefficient of variation of the service time of each class.

    Notes
    -----
    Cobham 1954: W(k) = R / ((1 - s(k - 1)) (1 - s(k))), s(k) = sum of rho up to k, R = sum of arrivals x E[S^2] / 2 over all classes.
    """
    rate, mean = np.asarray(arrivals_per_min, dtype=np.float64), np.asarray(service_min, dtype=np.float64)
    for index, (r, m) in enumerate(zip(rate.tolist(), mean.tolist(), strict=True)):
        _positive(**{f"arrivals_per_min[{index}]": r, f"service_min[{index}]": m})
    rest = float((rate * mean**2 * (1.0 + np.asarray(service_cv, dtype=np.float64) ** 2)).sum()) / 2.0
    upto = np.concatenate([[0.0], np.cumsum(rate * mean)])
    return [
        rest / ((1.0 - below) * (1.0 - own)) if own < 1.0 and upto[-1] < 1.0 else math.inf
        for below, own in zip(upto[:-1].tolist(), upto[1:].tolist(), strict=True)
    ]


def mmc_priority_waits_min(arrivals_per_min: Sequence[float], service_min: float, servers: int) -> list[float]:
    """Return the mean wait of each class in M/M/c with priorities that do not interrupt a service [min].

    Parameters
    ----------
    arrivals_per_min
        Arrival rate of each class, the first goes first [1/min].
    service_min
        Mean service time of all classes [min].
    servers
        Number of servers.

    Notes
    -----
    Cobham 1954: W(k) = C S / c / ((1 - s(k - 1)) (1 - s(k))) with s(k) = sum of rho up to k and C the probability to wait.
    """
    offered = float(sum(arrivals_per_min)) * service_min
    _positive(service_min=service_min, arrivals=offered)
    if offered >= servers:
        return [math.inf] * len(arrivals_per_min)
    base = erlang_c(offered, servers) * service_min / servers
    upto = [0.0, *np.cumsum(np.asarray(arrivals_per_min, dtype=np.float64) * service_min / servers).tolist()]
    return [base / ((1.0 - below) * (1.0 - own)) for below, own in pairwise(upto)]


def plugs_for_wait(arrivals_per_min: float, service_min: float, wait_min: float) -> int:
    """Return the fewest plugs whose mean M/M/c wait is at most ``wait_min`` [min]."""
    _positive(arrivals_per_min=arrivals_per_min, service_min=service_min, wait_min=wait_min)
    servers = math.floor(arrivals_per_min * service_min) + 1
    while mmc_wait_min(arrivals_per_min, service_min, servers) > wait_min:
        servers += 1
    return servers


def _positive(**values: float) -> None:
    for name, value in values.items():
        if not value > 0.0:
            msg = f"{name}={value} must be positive"
            raise FleetError(msg)


def _count(**values: int) -> None:
    for name, value in values.items():
        if value < 0:
            msg = f"{name}={value} must not be negative"
            raise FleetError(msg)


def _birth_death(births: NDArray[np.float64], deaths: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the shares of time in each state from ``births[n]`` (n to n + 1) and ``deaths[n]`` (n + 1 to n); logs keep them in range."""
    with np.errstate(divide="ignore"):
        log = np.concatenate([[0.0], np.cumsum(np.log(births) - np.log(deaths))])
    share = np.exp(log - log.max())
    return np.asarray(share / share.sum())
