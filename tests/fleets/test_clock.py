"""The clock is SimPy's environment: the same events in the same order at the same times, and the same answers to what is wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import simpy
from hypothesis import given
from hypothesis import strategies as st

from fleets.clock import Clock
from fleets.plug_bank import GIVE_UP, SETTLE, At

if TYPE_CHECKING:
    from collections.abc import Generator


def story(env: simpy.Environment, plans: list[tuple[float, list[float]]], until: float | None) -> list[tuple[float, Any]]:
    """Return what happens when: queues, timers of every priority, conditions and processes that wait for others."""
    told: list[tuple[float, Any]] = []
    desk = simpy.PriorityResource(env, 1)

    def guest(number: int, begin: float, stays: list[float]) -> Generator[simpy.Event, Any, int]:
        yield env.timeout(begin)
        for stay in stays:
            with desk.request(priority=number % 2) as turn:
                got = yield turn | env.timeout(2.0, value="tired")
                told.append((env.now, (number, "desk" if turn in got else "left")))
                At(env, 1.0, SETTLE, lambda _: told.append((env.now, (number, "settled"))), None)
                At(env, 1.0, GIVE_UP, lambda _: told.append((env.now, (number, "gone"))), None)
                yield env.timeout(stay)
        return number

    def host(guests: list[simpy.Process]) -> Generator[simpy.Event, Any, None]:
        found = yield env.all_of(guests)
        told.append((env.now, sorted(found.values())))

    env.process(host([env.process(guest(i, *plan)) for i, plan in enumerate(plans)]))
    env.run(until=until)
    return [*told, (env.now, "end")]


times = st.floats(0.0, 4.0).map(lambda x: round(x * 2.0) / 2.0)


@given(
    plans=st.lists(st.tuples(times, st.lists(times, max_size=4)), max_size=5), until=st.sampled_from([None, 0.5, 3.0, 7.5, 60.0])
)
def test_the_same_story_as_simpy(plans: list[tuple[float, list[float]]], until: float | None) -> None:
    assert story(Clock(), plans, until) == story(simpy.Environment(), plans, until)


def test_it_stops_before_what_happens_at_its_end_and_goes_on_from_there() -> None:
    clock, seen = Clock(initial_time=-3.0), []
    for at in (1.0, 5.0, 9.0):
        clock.timeout(at + 3.0).callbacks.append(lambda _: seen.append(clock.now))
    clock.run(until=5.0)
    assert (seen, clock.now, clock.peek()) == ([1.0], 5.0, 5.0)
    clock.run(until=6.0)
    clock.run()
    assert (seen, clock.now) == ([1.0, 5.0, 9.0], 9.0)


def test_it_runs_until_an_event() -> None:
    clock = Clock()
    later = clock.timeout(4.0, value="here")
    clock.timeout(9.0)
    assert (clock.run(until=later), clock.now) == ("here", 4.0)


def test_what_is_wrong_is_said() -> None:
    clock = Clock(initial_time=2.0)
    for delay in (-1.0, float("nan")):
        with pytest.raises(ValueError, match="delay"):
            clock.timeout(delay)
    with pytest.raises(ValueError, match="until=2 must lie after"):
        clock.run(until=2.0)

    def broken() -> Generator[simpy.Event, Any, None]:
        yield clock.timeout(1.0)
        msg = "a process that fails"
        raise KeyError(msg)

    clock.process(broken())
    with pytest.raises(KeyError, match="a process that fails"):
        clock.run(until=10.0)


def test_processes_end_when_it_lets_go() -> None:
    clock, ended = Clock(), []

    def waits() -> Generator[simpy.Event, Any, None]:
        try:
            yield clock.timeout(50.0)
        finally:
            ended.append(clock.now)

    clock.process(waits())
    clock.run(until=5.0)
    assert not ended
    clock.let_go()
    assert (ended, clock.peek()) == ([5.0], float("inf"))
