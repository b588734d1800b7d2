"""The calculation of the panel of own numbers, run as a subprocess: what each filled number did to the headline and the verdicts."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from transport.app.calculations import serve
from transport.app.what_if_jobs import scenario_of
from transport.inputs import load_inputs

if TYPE_CHECKING:
    from collections.abc import Mapping

    import polars as pl

    from transport.app.calculations import Tell
    from transport.inputs import Inputs

MODULE = "transport.app.pack_jobs"


def solve(request: Mapping[str, Any], inputs: Inputs, tell: Tell) -> dict[str, pl.DataFrame]:
    """Return the tables of a request.

    Parameters
    ----------
    request
        ``before`` = data pack that the numbers were laid over, empty for the bundled data; ``manifest`` of a run with the numbers; ``capacity``.
    inputs
        Checked data with the numbers.
    tell
        Called before every evaluation.

    Returns
    -------
    dict
        As :func:`transport.template.causes.causes` makes it.
    """
    from transport.template.causes import causes, light_evaluation

    before = load_inputs(pack=Path(request["before"]) if request["before"] else None, lang=request["lang"])
    scenario = scenario_of(request["manifest"], capacity=request["capacity"])
    return causes(before, inputs, light_evaluation(scenario), capacity=scenario.capacity, tell=tell)


if __name__ == "__main__":
    sys.exit(serve(Path(sys.argv[1]), solve))
