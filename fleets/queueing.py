"""Closed forms of queues, to check the simulations and for quick sizing.

References: Erlang 1917; Kleinrock, Queueing Systems I (1975), chapters 3 and 5.
"""

from __future__ import annotations

import math

from fleets.errors import FleetError


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
