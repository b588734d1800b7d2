"""A small clean data folder beside the bundled one, so that a test of the loader does not depend on the province's numbers."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from transport.freight_model import FreightModel
    from transport.inputs import Inputs

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
def fixed_model(inputs: Inputs) -> FreightModel:
    """Return the freight of the bundled data without levers at the fixed speed, with the flows of 2020 and 2030; solved once for all tests."""
    from transport.freight_model import solve_model

    return solve_model(inputs, inputs.params(), capacity="fixed", detail=(2020, 2030))
