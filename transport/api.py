"""What a script calls: load a scenario, run it, sweep many, compare. Names, paths and objects are taken alike, and the data are read if not given."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from transport import study
from transport.inputs import Inputs, load_inputs
from transport.run_deltas import VIEWS, deltas
from transport.scenario import Scenario
from transport.scenario import load_scenario as _load
from transport.scorecard import SIDES, compare_runs
from transport.store import StoredRun, read_run
from transport.study import Results
from transport.sweep_file import Sweep, read_sweep
from transport.sweeps import SweepResult, run_sweep

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import polars as pl

    from transport.freight_start import FreightStarts
    from transport.params import Lever, LeverValue
    from transport.scenario import Capacity, Network, Sales, Simulate

#: What can be compared: results, a stored run, or the path of a run folder.
Run: TypeAlias = "Results | StoredRun | Path | str"


def load_scenario(
    name: str,
    folder: Path | None = None,
    levers: Iterable[Lever] | None = None,
    *,
    set: Mapping[str, LeverValue] | None = None,  # noqa: A002  (as the section of the file)
    inputs: Inputs | None = None,
    **options: Any,
) -> Scenario:
    """Return a resolved scenario.

    Parameters
    ----------
    name
        Name of a bundled scenario, or path of a ``.toml`` file.
    folder, levers
        Data folder and known levers; those of the inputs by default.
    set
        Lever -> value, applied last.
    inputs
        Checked data; read if neither they nor folder and levers are given.
    **options
        As in :func:`transport.scenario.load_scenario`: ``capacity``, ``simulate``, ``projects``, ``closures``, ``sites`` ...

    Raises
    ------
    DataError
        If files are missing or malformed, or name what is not there; all problems at once.
    """
    if folder is None or levers is None:
        inputs = inputs or load_inputs()
        folder, levers = inputs.folder, inputs.levers
    extra = {**options.pop("extra", {}), **(set or {})}
    return _load(name, folder, levers, extra=extra or None, **options)


def run(
    scenario: Scenario | str | Path,
    inputs: Inputs | None = None,
    *,
    simulate: Simulate | None = None,
    capacity: Capacity | None = None,
    starts: FreightStarts | None = None,
    progress: study.Progress | None = None,
    **options: Any,
) -> Results:
    """Run a scenario.

    Parameters
    ----------
    scenario
        A resolved scenario, the name of a bundled one, or the path of a ``.toml`` file.
    inputs
        Checked data; the bundled ones by default.
    simulate, capacity, **options
        As in :func:`load_scenario`, for a name or path; ``simulate`` is ``none`` if neither this nor the file says otherwise.
    starts
        Networks and base years of earlier runs, for many runs in a row.
    progress
        Called with (step, number of steps, name).

    Returns
    -------
    Results
        Tables by name.

    Raises
    ------
    DataError
        As :func:`load_scenario`.
    """
    inputs = inputs or load_inputs()
    if not isinstance(scenario, Scenario):
        options |= {"simulate": simulate or "none", "capacity": capacity}
        scenario = load_scenario(str(scenario), inputs=inputs, **options)
    return study.run(scenario, inputs, progress=progress, starts=starts)


def sweep(
    file: Sweep | str | Path,
    inputs: Inputs | None = None,
    *,
    folder: Path | str | None = None,
    jobs: int = 1,
    scheduler: str | None = None,
    base: str | None = None,
    tables: Sequence[str] = (),
    simulate: Simulate | None = None,
    capacity: Capacity | None = None,
    network: Network | None = None,
    sales: Sales | None = None,
) -> SweepResult:
    """Run the cases of a sweep that have no results yet.

    Parameters
    ----------
    file
        A resolved sweep, the name of a bundled one, or the path of a ``.toml`` or ``.csv`` file.
    inputs
        Checked data; the bundled ones by default.
    folder, jobs, scheduler
        As in :func:`transport.sweeps.run_sweep`. With more than one process a script needs ``if __name__ == "__main__"``.
    base, tables, simulate, capacity, network, sales
        As in :func:`transport.sweep_file.read_sweep`, for a name or path.

    Returns
    -------
    SweepResult
        ``.table("indicators")``, ``.table("cases")`` and the other tables that are kept.

    Raises
    ------
    DataError
        If the file is malformed; all problems at once.
    """
    inputs = inputs or load_inputs()
    if not isinstance(file, Sweep):
        file = read_sweep(
            str(file), inputs, base=base, tables=tables, simulate=simulate, capacity=capacity, network=network, sales=sales
        )
    return run_sweep(file, inputs, folder=None if folder is None else Path(folder), jobs=jobs, scheduler=scheduler)


def compare(first: Run, *others: Run, by: str = "indicator", years: Sequence[int] = (2025, 2030)) -> pl.DataFrame:
    """Return up to four runs side by side.

    Parameters
    ----------
    first, *others
        Results, stored runs, or paths of run folders.
    by
        ``indicator``, ``corridor``, ``commodity`` or ``prefecture``.
    years
        Years to compare.

    Returns
    -------
    polars.DataFrame
        As :func:`transport.scorecard.compare_runs` for indicators, as :func:`transport.run_deltas.deltas` for the others (``run`` = b, c, d).

    Raises
    ------
    ValueError
        If ``by`` is another word, or one run or more than four are given.
    """
    known = ("indicator", *VIEWS)
    if by not in known:
        msg = f"by must be one of {', '.join(known)}, not {by!r}"
        raise ValueError(msg)
    if not 1 <= len(others) < len(SIDES):
        msg = f"two to {len(SIDES)} runs can be compared, not {len(others) + 1}"
        raise ValueError(msg)
    tables = [_table(x, "indicators" if by == "indicator" else VIEWS[by].table) for x in (first, *others)]
    if by == "indicator":
        return compare_runs(*tables, years=years)
    return deltas(by, tables[0], dict(zip(SIDES[1:], tables[1:], strict=False)), years=years)


def _table(run: Run, name: str) -> pl.DataFrame:
    if isinstance(run, Results):
        return run.tables[name]
    return (run if isinstance(run, StoredRun) else read_run(Path(run))).table(name)
