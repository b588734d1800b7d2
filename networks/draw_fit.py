"""Constants of many draws that meet observed margins and shares of ports, modes and ports together.

Each draw is a search of its own that takes a lane of the compiled loops (:mod:`networks.draw_kernels`) and hands it on when it is done, so that a
draw has the same bytes whatever draws it is fitted with.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from networks import draw_kernels as kernels
from networks.draw_blocks import Constants, room_of, slope_blocks
from networks.draw_kernels import Prices, Weights
from networks.draws import Memory, case_flow, filled, prices_of
from networks.lanes import LANES

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from networks.draws import Compact
    from networks.ports import PortUse
    from networks.solve import Costs, Demand

    Array = NDArray[np.float64]

#: A draw has settled when the next step would move no constant by more than this [utility]; it is given up as unsettled after so many evaluations.
_SETTLED, _MOST = 1e-8, 80
#: Steps that shrink by at least this much foretell the next one.
_SHRINKS = 0.1
#: How the damping begins, falls after a good step and rises as long as a step is too long; the longest first step [utility].
_DAMPING, _EASE, _RAISE, _LEAST, _REACH = 1e-3, 0.4, 2.0, 1e-12, 8.0
#: A step is good as well that brings the ports this much of its way nearer to their shares.
_NEARER = 0.5
#: What a refused step leaves of its length, and how much longer than a good one the next may be.
_SHORTER, _LONGER = 0.25, 10.0
#: So many times in a row a refused step is damped, which shortens that of the modes; then all of it is cut.
_DAMPED = 2
#: Rounding of the objective, relative and absolute: a step this much worse is no worse.
_SLACK, _NOTHING = 1e-9, 1e-14
#: An update of the curvature with a smaller cosine than this is left out, as its denominator is rounding.
_STEEP = 1e-8


@dataclass(frozen=True)
class Aim:
    """What the constants are fitted to.

    Attributes
    ----------
    weights
        Weights of the margins ``[row, margin]``.
    fixed, observed
        Part of each margin outside the choice, and observed margins ``[draw, margin]``.
    weight
        Weight of each margin ``[margin]``.
    prior, prior_sd, ridge
        Prior of the constants of modes ``[constant]``, its spread, and its weight.
    ports
        Ports and their shares.
    """

    weights: Array
    fixed: Array
    observed: Array
    weight: Array
    prior: Array
    prior_sd: Array
    ridge: float
    ports: PortUse


@dataclass(frozen=True)
class DrawFit:
    """Constants ``[draw, constant]``, modelled margins ``[draw, margin]``, and by draw the evaluations and whether it has settled."""

    constants: Array
    margins: Array
    evaluations: NDArray[np.int64]
    settled: NDArray[np.bool_]


def _solved(matrix: Array, right: Array) -> Array:
    """Return the solution of linear equations; the shortest one where there are many, as with a port that no cost reaches in a draw."""
    try:
        return np.asarray(np.linalg.solve(matrix, right), dtype=np.float64)
    except np.linalg.LinAlgError:
        return np.asarray(np.linalg.lstsq(matrix, right, rcond=None)[0], dtype=np.float64)


class _Search:
    """The search of one draw: damped Newton steps on the constants of modes and ports together.

    Notes
    -----
    Modes: ``J'r + ridge (theta - prior) / sd^2 = 0`` with the ports held, ports: ``ln(share / observed share) = 0``. The curvature of the modes is
    ``J'J`` plus a symmetric rank-one estimate of what the residuals add (Dennis, Gay, Welsch 1981, here with SR1); a step is refused if the
    objective of the modes, less what the ports did to it, has risen and the ports have not come much nearer to their shares (a filter, Fletcher and
    Leyffer 2002), and then tried again at a quarter of its length: that of the modes first, by damping, then all of it.
    """

    def __init__(self, aim: Aim, draw: int, start: Array) -> None:
        self.draw, self.trial, self.done, self.count = draw, start.astype(np.float64), False, 0
        self._aim, self._n = aim, aim.prior.size
        self._pull = aim.ridge / aim.prior_sd**2
        block, share = aim.ports.block, aim.ports.share
        self._belongs = (block[:, None] == np.arange(int(block.max(initial=-1)) + 1)).astype(np.float64)
        self._block = block
        # only differences of port constants count: their mean over the tonnes of a block stays where it is
        self._level = (self._belongs @ self._belongs.T) * share[None, :]
        self._at, self._best, self._damping = self.trial, np.inf, _DAMPING
        self._reach, self._last, self._refused, self._part = _REACH, 0.0, 0, 1.0
        self._curve = np.zeros((self._n, self._n))
        none: Array = np.zeros(0)
        self._left = self._jacobian = self._wrong = none
        self._ports = self._matrix = self._right = self._scale = none
        self.margins = np.zeros(0)

    def advance(self, made: Array, slope: Array) -> None:
        """Take in margins and port totals at the trial constants, with their slopes, and make the next trial."""
        aim, n, n_m = self._aim, self._n, self._aim.weight.size
        self.count += 1
        seen = aim.observed[self.draw]
        margins = made[:n_m] + aim.fixed[self.draw]
        left, jacobian = aim.weight * (margins - seen) / seen, (aim.weight / seen)[:, None] * slope[:n_m]
        step = self.trial - self._at
        prior = float((self._pull * (self.trial[:n] - aim.prior) ** 2).sum())
        alone = left - jacobian[:, n:] @ step[n:]
        better = float(alone @ alone) + prior <= self._best * (1.0 + _SLACK) + _NOTHING
        wrong, moves = self._missed(made[n_m:])
        nearer = 1.0 - _NEARER * self._part
        if better or float(np.abs(wrong).max(initial=0.0)) < nearer * float(np.abs(self._wrong).max(initial=0.0)):
            if self.count > 1:
                self._damping = max(self._damping * _EASE, _LEAST)
                self._bend(step[:n], (jacobian[:, :n] - self._jacobian[:, :n]).T @ left)
            self._at, self._best, self.margins = self.trial, float(left @ left) + prior, margins
            self._left, self._jacobian, self._wrong = left, jacobian, wrong
            self._solve_ports(made[n_m:], slope[n_m:], moves)
            self._reach, self._refused = max(self._reach, _LONGER * float(np.abs(step[:n]).max(initial=0.0))), 0
        else:
            self._refused, self._last = self._refused + 1, 0.0
            if self._refused <= _DAMPED:
                self._reach = _SHORTER * float(np.abs(step[:n]).max(initial=0.0))
        self._part = _SHORTER ** max(0, self._refused - _DAMPED)
        step = self._step(0.0)
        length = float(np.abs(step).max(initial=0.0))
        foretold = length**2 / self._last if length < _SHRINKS * self._last else length
        if foretold < _SETTLED:
            self.done = True
            self.margins = self.margins + (self._jacobian @ step) * seen / aim.weight
        else:
            step, self._last = self._part * self._damped(), length
        self.trial = self._at + step

    def _bend(self, step: Array, change: Array) -> None:
        """Update the curvature of the residuals from how the slopes changed over a step."""
        miss = change - self._curve @ step
        size = float(miss @ step)
        if abs(size) > _STEEP * float(np.linalg.norm(miss)) * float(np.linalg.norm(step)):
            self._curve = self._curve + np.outer(miss, miss) / size

    def _missed(self, made: Array) -> tuple[Array, NDArray[np.bool_]]:
        """Return how far the ports are from their shares at the trial constants [ln], and which ports have goods; without any they stay."""
        share, trial = self._aim.ports.share, self.trial[self._n :]
        total = (made @ self._belongs)[self._block]
        moves = (total > 0) & (made > 0)
        error = np.log(np.where(moves, np.where(moves, made, 1.0) / np.where(moves, total, 1.0) / share, 1.0))
        return np.where(moves, error + ((trial * share) @ self._belongs)[self._block], 0.0), moves

    def _solve_ports(self, made: Array, slope: Array, moves: NDArray[np.bool_]) -> None:
        """Put the step of the ports in terms of that of the modes, and what then is left of the equations of the modes."""
        n, j, share = self._n, self._jacobian, self._aim.ports.share
        by_port = slope / np.where(moves, made, 1.0)[:, None]
        by_port[:, n:] += self._level
        by_port = np.where(moves[:, None], by_port, np.eye(share.size, n + share.size, n))
        plain = j[:, :n].T @ j[:, :n] + np.diag(self._pull)
        curved = plain + self._curve
        if float(np.linalg.eigvalsh(curved)[0]) <= 0.0:
            curved = plain
        self._ports = _solved(by_port[:, n:], np.column_stack([by_port[:, :n], self._wrong]))
        across = j[:, :n].T @ j[:, n:]
        gradient = j[:, :n].T @ self._left + self._pull * (self._at[:n] - self._aim.prior)
        self._matrix, self._right = curved - across @ self._ports[:, :n], gradient - across @ self._ports[:, n]
        self._scale = np.diag(np.diag(plain))

    def _step(self, damping: float) -> Array:
        """Return the Newton step at some damping of the modes."""
        modes = -_solved(self._matrix + damping * self._scale, self._right)
        return np.concatenate([modes, -(self._ports[:, self._n] + self._ports[:, : self._n] @ modes)])

    def _damped(self) -> Array:
        """Return the step, its modes damped until they move no further than they may; the ports follow them."""
        step = self._step(self._damping)
        while float(np.abs(step[: self._n]).max(initial=0.0)) > self._reach:
            self._damping *= _RAISE
            step = self._step(self._damping)
        return step

    @property
    def found(self) -> Array:
        """Return the constants the search has come to."""
        return self.trial if self.done else self._at


@dataclass(frozen=True)
class _Lanes:
    """What the evaluations of some draws begin with, a lane each: prices, demand, utilities of the ports, weights of the margins."""

    prices: Prices
    flow: Array
    utility: Array
    weight: Array

    def put(self, lane: int, other: _Lanes, place: int) -> None:
        """Hand a lane on to a draw of another set."""
        for mine, new in zip((*self.prices, self.flow, self.utility, self.weight), other.arrays, strict=True):
            mine[..., lane] = new[..., place]

    @property
    def arrays(self) -> tuple[Array, ...]:
        """Return all arrays."""
        return (*self.prices, self.flow, self.utility, self.weight)


def fit_draws(
    compact: Compact, demand: Demand, costs: Costs, year: int, aim: Aim, *, start: Array, draws: Sequence[int]
) -> DrawFit:
    """Fit the constants of some draws to their margins and shares of ports.

    Parameters
    ----------
    compact, demand, costs
        Rows at the delays and prices of the fit, demand, costs by draw.
    year
        Year position of the observations.
    aim
        What to fit to.
    start
        Constants to start from ``[constant]``, modes, then ports.
    draws
        Draws to fit.

    Returns
    -------
    DrawFit
        In the order of ``draws``.

    Notes
    -----
    The optimum is that of :func:`networks.calibration.calibrate` and :func:`networks.ports.fit_ports` in turn: each is met with the other held.
    """
    tree, n_mode = compact.tree, aim.prior.size
    has = np.add.reduceat(aim.weights != 0.0, tree.port_start[:-1], axis=0) > 0
    port, margin = np.nonzero(has)
    first = np.searchsorted(port, np.arange(has.shape[0] + 1)).astype(np.int32)
    index = margin.astype(np.int32)
    memory, saved, at = Memory(tree), compact.saved_h(costs, year), np.full(LANES, year)
    weights = np.ascontiguousarray(aim.weights)
    room = room_of(compact.blocks)

    def begun() -> Iterator[tuple[_Search, _Lanes, int]]:
        for begin in range(0, len(draws), LANES):
            some = np.array(draws[begin : begin + LANES], dtype=np.int64)
            prices = prices_of(costs, filled(some), at)
            memory.collapse(compact, prices, compact.price, saved)
            weight = np.empty((index.size, LANES))
            kernels.weigh(tree.port_start, first, index, weights, memory.share[0], weight)
            lanes = _Lanes(prices, case_flow(compact, demand, costs, filled(some), at), memory.utility[1].copy(), weight)
            for place, draw in enumerate(some.tolist()):
                yield _Search(aim, draw, start), lanes, place

    queue = begun()
    searches: list[_Search] = []
    running: list[_Search | None] = [None] * LANES
    lanes: _Lanes | None = None
    trial = np.repeat(start[:, None], LANES, axis=1)
    while True:
        for lane in range(LANES):
            now = running[lane]
            if now is None or now.done or now.count >= _MOST:
                following = next(queue, None)
                running[lane] = None if following is None else following[0]
                if following is not None:
                    searches.append(following[0])
                    if lanes is None:
                        lanes = _Lanes(
                            Prices(*(x.copy() for x in following[1].prices)), *(x.copy() for x in following[1].arrays[-3:])
                        )
                    lanes.put(lane, following[1], following[2])
        if lanes is None or all(search is None for search in running):
            break
        for lane, search in enumerate(running):
            if search is not None:
                trial[:, lane] = search.trial
        n_port = aim.ports.share.size
        made, slope = np.zeros((aim.weight.size + n_port, LANES)), np.zeros((aim.weight.size + n_port, n_mode + n_port, LANES))
        by, own = Constants.of(trial, n_mode), Weights(first, index, lanes.weight)
        slope_blocks(tree, compact.blocks, own, lanes.prices, by, lanes.utility, lanes.flow, room, made, slope)
        for lane, search in enumerate(running):
            if search is not None:
                search.advance(made[:, lane], slope[:, :, lane])
    return DrawFit(
        np.array([s.found for s in searches]),
        np.array([s.margins for s in searches]),
        np.array([s.count for s in searches]),
        np.array([s.done for s in searches]),
    )
