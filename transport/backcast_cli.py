"""The command ``transport backcast``: the cheapest package of levers that meets targets with a probability."""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from transport.ensemble_cli import positive
from transport.i18n import LANGUAGES, t
from transport.network_show import err, out, print_table

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from transport.backcast_solve import Tell
    from transport.backcast_tables import Backcast
    from transport.inputs import Inputs
    from transport.scenario import Scenario

OK, FINDINGS = 0, 2
_PROBABILITY, _DRAWS, _POPULATION, _GENERATIONS, _ITERATIONS, _POINTS = 0.8, 96, 24, 8, 24, 6
_LITTLE = 0.005


def register(verbs: Any, parents: Sequence[argparse.ArgumentParser]) -> None:
    """Add ``backcast`` to the command line.

    Parameters
    ----------
    verbs
        What ``add_subparsers`` returned.
    parents
        Parsers of the common options.
    """
    parser = verbs.add_parser(
        "backcast", parents=parents, help="the cheapest package of levers that meets targets with a probability"
    )
    parser.add_argument("scenario", help="what packages are put on: name of a bundled scenario, or a .toml file")
    parser.add_argument(
        "--target",
        action="append",
        default=[],
        required=True,
        metavar="ID[@YEAR][=VALUE]",
        help="target to be met; may be given several times. Without a value that of the plan",
    )
    parser.add_argument(
        "--probability", type=_chance, default=_PROBABILITY, metavar="P", help=f"with which all are met (default {_PROBABILITY})"
    )
    parser.add_argument(
        "--bounds",
        default="stretch",
        metavar="NAME",
        help="scenario whose values are the plausible ends (default stretch), or 'range': the ends of the ranges of the data",
    )
    parser.add_argument("--levers", default="", metavar="A,B", help="levers to use (default: those of the bounds)")
    parser.add_argument(
        "--without-prices", action="store_true", help="leave out levers that only move money (tariffs, tolls, subsidies)"
    )
    parser.add_argument("--population", type=positive, default=_POPULATION, metavar="N", help="packages of a generation")
    parser.add_argument("--generations", type=_count, default=_GENERATIONS, metavar="N", help="generations of the wide search")
    parser.add_argument(
        "--iterations", type=positive, default=_ITERATIONS, metavar="N", help=f"most steps of a descent (default {_ITERATIONS})"
    )
    parser.add_argument("--points", type=_count, default=_POINTS, metavar="N", help="points of the front, 0 = none")
    parser.add_argument("--seed", type=int, default=0, metavar="S", help="seed of search and draws")
    parser.add_argument(
        "--draws", type=_count, default=_DRAWS, metavar="N", help=f"draws (default {_DRAWS}); 0 = central values only"
    )
    parser.add_argument("--no-equilibrium", action="store_true", help="do not check the answer with capacity in equilibrium")
    parser.add_argument("--set", action="append", default=[], metavar="LEVER=VALUE", help="set a lever of the scenario")
    parser.add_argument(
        "--workers", "--jobs", type=positive, metavar="N", help="processes (default: one per core); the answer is the same"
    )
    parser.add_argument("--scheduler", metavar="ADDRESS", help="work on a Dask cluster, for example tcp://host:8786")
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="folder (default runs/backcast-<id>)")
    parser.add_argument("--settings", action="store_true", help="print the package as lines of a scenario file")
    parser.add_argument("--progress", type=Path, metavar="FILE", help="append progress as JSON lines to this file")
    parser.add_argument("--quiet", action="store_true", help="no progress")
    parser.set_defaults(command=_backcast)


def _chance(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0.0 < value < 1.0:
        raise argparse.ArgumentTypeError(" / ".join(t("backcast.no_probability", lang, given=text) for lang in LANGUAGES))
    return value


def _count(text: str) -> int:
    value = int(text) if text.isdigit() else -1
    if value < 0:
        raise argparse.ArgumentTypeError(" / ".join(t("backcast.no_count", lang, given=text, least=0) for lang in LANGUAGES))
    return value


def _backcast(args: argparse.Namespace) -> int:
    from transport.backcast import RANGE, BackcastError
    from transport.backcast_run import Question, run_backcast, settings_text
    from transport.backcast_solve import Effort
    from transport.cli import settings
    from transport.inputs import load_inputs
    from transport.scenario import load_scenario
    from transport.scenario_sections import names_of

    inputs = load_inputs(pack=args.pack, lang=args.lang)
    options: dict[str, Any] = {"names": names_of(inputs.tables), "draws": 1, "capacity": "fixed", "simulate": "none"}

    def scenario_of(name: str, extra: Mapping[str, Any] | None = None) -> Scenario:
        return load_scenario(name, inputs.folder, inputs.levers, lang=args.lang, extra=extra, **options)

    question = Question(
        targets=tuple(args.target),
        probability=args.probability,
        draws=args.draws,
        bounds=None if args.bounds == RANGE else scenario_of(args.bounds),
        levers=tuple(name.strip() for name in args.levers.split(",") if name.strip()),
        with_prices=not args.without_prices,
        equilibrium=not args.no_equilibrium,
    )
    effort = Effort(
        population=args.population,
        generations=args.generations,
        iterations=args.iterations,
        points=args.points,
        seed=args.seed,
        workers=args.workers or os.cpu_count(),
        scheduler=args.scheduler,
    )
    try:
        found = run_backcast(
            scenario_of(args.scenario, settings(args.set, args.lang)),
            inputs,
            question,
            effort,
            folder=args.out,
            tell=_teller(args),
        )
    except BackcastError as wrong:
        err(t(wrong.key, args.lang, **wrong.values))
        return FINDINGS
    if args.json:
        tables = {name: found.table(name).fill_nan(None).to_dicts() for name in found.manifest["tables"]}
        out(json.dumps({"folder": str(found.folder), **found.manifest, "tables": tables}, ensure_ascii=False))
        return OK
    if args.settings:
        out(settings_text(found))
        return OK
    _show(found, inputs, args.lang)
    return OK


def _show(found: Backcast, inputs: Inputs, lang: str) -> None:
    """Print the sentences and the tables behind them."""
    from transport.backcast_rows import front_rows, lever_rows, target_rows

    manifest = found.manifest
    out(t("backcast.title", lang, title=manifest[f"title_{lang}"], name=manifest["backcast"], count=manifest["evaluations"]))
    for text in found.table("words").sort("line")[lang]:
        out(f"- {text}")
    out("")
    out(t("backcast.targets_title", lang))
    print_table(target_rows(found, inputs, lang))
    out("")
    out(t("backcast.levers_title", lang, year=manifest["year"]))
    print_table(lever_rows(found, _LITTLE, inputs, lang))
    front = found.table("front")
    if front.height > 1:
        out("")
        out(t("backcast.front_title", lang))
        print_table(front_rows(front, lang))
    out(t("backcast.written", lang, folder=str(found.folder)))


def _teller(args: argparse.Namespace) -> Tell:
    """Return what writes progress as JSON lines, and shows it on a terminal."""
    shown = not (args.quiet or args.json) and sys.stderr.isatty()

    def tell(stage: str, done: int, count: int) -> None:
        if args.progress is not None:
            with args.progress.open("a", encoding="utf-8") as file:
                file.write(json.dumps({"step": done, "steps": count, "name": stage}) + "\n")
        if shown:
            err(t("backcast.progress", args.lang, stage=t(f"backcast.{stage}", args.lang), done=done, count=count))

    return tell
