"""Chargers of a store against the plug bank, which knows more rules: the same ends, stretches and states of charge."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleets.battery import Battery
from fleets.clock import Clock
from fleets.pack_chargers import PackChargers
from fleets.plug_bank import Charge, PlugBank
from fleets.taper import TableBattery

if TYPE_CHECKING:
    from collections.abc import Generator

    import simpy

PACK = Battery(50.0, 60.0, 0.8, 6.0)
packs = st.lists(st.tuples(st.floats(0.0, 200.0), st.floats(0.0, 0.9)), min_size=1, max_size=12)


def charged(rows: list[tuple[float, float]], count: int, until: float, *, bank: bool, battery: Any = PACK) -> Any:
    """Return the end of each charge, states of charge at the end of the run, and the stretches."""
    clock = Clock()
    ends: dict[int, float] = {}
    charges = [Charge(i, 50.0, 60.0, soc=soc, target=0.95, battery=battery) for i, (_, soc) in enumerate(rows)]
    here: Any = PlugBank(clock, [40.0] * count, stretches=True)
    if not bank:
        here = PackChargers(clock, count, 40.0, lambda charge: ends.__setitem__(charge.vehicle, clock.now))

    def bring(at: float, charge: Charge) -> Generator[simpy.Event, Any, None]:
        yield clock.timeout(at)
        event = here.arrive(charge)
        if bank:
            event.callbacks.append(lambda _: ends.__setitem__(charge.vehicle, clock.now))

    for (at, _), charge in zip(rows, charges, strict=True):
        clock.process(bring(at, charge))
    clock.run(until=until)
    here.close()
    return ends, [c.soc for c in charges], sorted(map(tuple, here.segments(0.9).tolist()))


@given(rows=packs, count=st.integers(0, 4), until=st.sampled_from([60.0, 250.0, 5000.0]))
def test_the_same_as_the_plug_bank(rows: list[tuple[float, float]], count: int, until: float) -> None:
    ours, theirs = (charged(rows, count, until, bank=bank) for bank in (False, True))
    assert ours[0] == pytest.approx(theirs[0], abs=1e-9)
    assert ours[1] == pytest.approx(theirs[1], abs=1e-9)
    assert len(ours[2]) == len(theirs[2])
    for mine, other in zip(ours[2], theirs[2], strict=True):
        assert mine == pytest.approx(other, abs=1e-9)


def test_one_after_the_other_on_one_charger() -> None:
    minutes = PACK.minutes(0.2, 0.95, 40.0)
    ends, soc, stretches = charged([(0.0, 0.2), (1.0, 0.2)], 1, 5000.0, bank=False)
    assert (list(ends.values()), soc) == (pytest.approx([minutes, 2.0 * minutes]), [0.95, 0.95])
    assert [row[:2] for row in stretches] == [pytest.approx((0.0, minutes)), pytest.approx((minutes, 2.0 * minutes))]


def test_without_chargers_every_pack_waits() -> None:
    assert charged([(0.0, 0.2), (1.0, 0.4)], 0, 5000.0, bank=False) == ({}, [0.2, 0.4], [])


def test_a_table_of_powers_is_charged_piece_by_piece() -> None:
    table = TableBattery(50.0, ((0.0, 60.0), (0.7, 50.0), (1.0, 10.0)))
    ours, theirs = (charged([(0.0, 0.1), (3.0, 0.5)], 1, 400.0, bank=bank, battery=table) for bank in (False, True))
    assert ours == theirs
    assert len(ours[2]) > 2
