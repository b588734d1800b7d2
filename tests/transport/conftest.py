"""A small clean data folder, so that a test of the loader does not depend on the province's numbers; runs of the command line, made once."""

from __future__ import annotations

import contextlib
import copy
import io
import pickle
import shutil
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from transport.freight import FreightOutcome
    from transport.freight_model import BaseModel, FreightModel
    from transport.freight_start import FreightStarts
    from transport.inputs import Inputs
    from transport.parts import Parts
    from transport.store import StoredRun

    #: Name of a folder and how to make it -> the folder.
    Shared = Callable[[str, Callable[[Path], object]], Path]

BAD_INPUTS = Path(__file__).resolve().parents[1] / "bad_inputs"


@pytest.fixture(scope="session")
def bad_inputs() -> Path:
    """Return the folder with one data pack per kind of mistake."""
    return BAD_INPUTS


@pytest.fixture(scope="session")
def small_data(tmp_path_factory: pytest.TempPathFactory, data_folder: Path) -> Path:
    """Return a data folder of two cities with the dictionary, codes and units of the bundled one; tests must not write to it."""
    folder = tmp_path_factory.mktemp("small") / "data"
    shutil.copytree(BAD_INPUTS / "_base", folder)
    for name in ("dictionary.csv", "codes.csv", "units.txt"):
        shutil.copy(data_folder / name, folder / name)
    return folder


@pytest.fixture(scope="session")
def base_year(inputs: Inputs, shared: Shared) -> FreightStarts:
    """Return networks and base year of the bundled data without levers, solved once for all workers; tests take a copy (``starts``)."""
    from transport.freight_start import FreightStarts

    made: list[FreightStarts] = []

    def make(folder: Path) -> None:
        counted = replace(inputs, reads={})  # a run that starts here counts what the base year read
        made.append(FreightStarts())
        made[0].base_of(counted, counted.params())
        folder.mkdir()
        with (folder / "starts.pickle").open("wb") as file:
            pickle.dump(made[0], file, protocol=pickle.HIGHEST_PROTOCOL)

    folder = shared("base_year", make)
    if made:
        return made[0]
    with (folder / "starts.pickle").open("rb") as file:
        found: FreightStarts = pickle.load(file)  # noqa: S301  (another worker of these tests wrote it)
    return found


@pytest.fixture(scope="module")
def starts(base_year: FreightStarts) -> FreightStarts:
    """Return the base year of the bundled data for runs of one file; a run that takes it is the same bit by bit (``test_sweeps``)."""
    return copy.copy(base_year)  # it replaces its list, never changes it


@pytest.fixture(scope="session")
def base_model(inputs: Inputs, base_year: FreightStarts) -> BaseModel:
    """Return the solved base year of the bundled data: networks, demand, calibration."""
    return copy.copy(base_year).base_of(inputs, inputs.params())


@pytest.fixture(scope="session")
def fixed_model(inputs: Inputs, base_model: BaseModel) -> FreightModel:
    """Return the freight of the bundled data without levers at the fixed speed, with the flows of 2020 and 2030; solved once for all tests."""
    from transport.freight_model import solve_model

    return solve_model(inputs, inputs.params(), capacity="fixed", detail=(2020, 2030), base=base_model)


@pytest.fixture(scope="session")
def fixed_freight(inputs: Inputs, shared: Shared, request: pytest.FixtureRequest) -> FreightOutcome:
    """Return the outcome of ``fixed_model``, made once for all workers."""
    from transport.freight import freight_outcome

    def make(folder: Path) -> None:
        model = request.getfixturevalue("fixed_model")
        folder.mkdir()
        with (folder / "outcome.pickle").open("wb") as file:
            pickle.dump(freight_outcome(inputs, inputs.params(), model), file, protocol=pickle.HIGHEST_PROTOCOL)

    with (shared("fixed_freight", make) / "outcome.pickle").open("rb") as file:
        found: FreightOutcome = pickle.load(file)  # noqa: S301  (another worker of these tests wrote it)
    return found


@pytest.fixture(scope="session")
def parts_of(inputs: Inputs, fixed_freight: FreightOutcome) -> Callable[..., Parts]:
    """Return a function from a scenario and levers to the parts of its run, on the freight of the baseline at the fixed speed.

    The freight is held where the scenario holds it; levers and scenarios that move freight do not move it here.
    """
    import numpy as np

    from transport import study
    from transport.layout import YEARS, year_index
    from transport.scenario import load_scenario

    @cache
    def make(name: str, **levers: float) -> Parts:
        scenario = load_scenario(name, inputs.folder, inputs.levers, extra=levers, simulate="none", capacity="fixed")
        kept = fixed_freight
        if scenario.hold_year:
            at = np.minimum(np.arange(len(YEARS)), year_index(scenario.hold_year))
            kept = replace(kept, carrier_tkm={part: tkm[:, at] for part, tkm in kept.carrier_tkm.items()})
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(study, "model_freight", lambda *_, **__: kept)
            return study.model_parts(scenario, inputs)

    return make


@pytest.fixture(scope="session")
def baseline_run(shared: Shared, request: pytest.FixtureRequest) -> StoredRun:
    """Return the baseline without simulation at the fixed speed, run by the command line; what it printed stands beside the folder (``.txt``)."""
    return run_by_command(shared, request, "baseline", "run", "baseline", "--simulate", "none", "--capacity", "fixed", "--json")


@pytest.fixture(scope="session")
def lever_run(shared: Shared, request: pytest.FixtureRequest) -> StoredRun:
    """Return the baseline with another rail tariff, without simulation, at the equilibrium of every year; as ``baseline_run``, but with the texts."""
    tariff = "rail_tariff=2025:0.95,2030:0.9"
    return run_by_command(shared, request, "lever", "run", "baseline", "--simulate", "none", "--set", tariff, "--lang", "en")


def run_by_command(shared: Shared, request: pytest.FixtureRequest, name: str, *argv: str) -> StoredRun:
    """Return a run of the command line, made once for all workers on the base year that they share."""
    from transport import study
    from transport.cli import main
    from transport.store import read_run

    def make(folder: Path) -> None:
        starts, model_parts = copy.copy(request.getfixturevalue("base_year")), study.model_parts
        with contextlib.redirect_stdout(io.StringIO()) as printed, pytest.MonkeyPatch.context() as patch:
            patch.setattr(study, "model_parts", lambda *args, **kwargs: model_parts(*args, **{**kwargs, "starts": starts}))
            code = main([*argv, "--out", str(folder)])
        folder.with_suffix(".txt").write_text(printed.getvalue(), encoding="utf-8")
        assert code == 0, argv

    return read_run(shared(name, make))
