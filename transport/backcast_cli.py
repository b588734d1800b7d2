"""The command ``transport backcast``: the cheapest package of levers that meets targets with a probability."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from transport.arguments import refuse
from transport.ensemble_cli import positive
from transport.i18n import t
from transport.network_show import err, out, print_table

if TYPE_CHECKING:
    import argparse
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
    parser = verbs.add_parser("backcast", parents=parents, help="help.command.backcast")
    parser.add_argument("scenario", help="help.backcast.scenario")
    parser.add_argument(
        "--target",
        action="append",
        default=[],
        required=True,
        metavar="ID[@YEAR][=VALUE]",
        help="help.backcast.target",
    )
    parser.add_argument("--probability", type=_chance, default=_PROBABILITY, metavar="P", help="help.backcast.probability")
    parser.add_argument(
        "--bounds",
        default="stretch",
        metavar="NAME",
        help="help.backcast.bounds",
    )
    parser.add_argument("--levers", default="", metavar="A,B", help="help.backcast.levers")
    parser.add_argument("--without-prices", action="store_true", help="help.backcast.without_prices")
    parser.add_argument("--population", type=positive, default=_POPULATION, metavar="N", help="help.backcast.population")
    parser.add_argument("--generations", type=_count, default=_GENERATIONS, metavar="N", help="help.backcast.generations")
    parser.add_argument("--iterations", type=positive, default=_ITERATIONS, metavar="N", help="help.backcast.iterations")
    parser.add_argument("--points", type=_count, default=_POINTS, metavar="N", help="help.backcast.points")
    parser.add_argument("--seed", type=int, default=0, metavar="S", help="help.backcast.seed")
    parser.add_argument("--draws", type=_count, default=_DRAWS, metavar="N", help="help.backcast.draws")
    parser.add_argument("--no-equilibrium", action="store_true", help="help.backcast.no_equilibrium")
    parser.add_argument("--set", action="append", default=[], metavar="LEVER=VALUE", help="help.backcast.set")
    parser.add_argument("--workers", "--jobs", type=positive, metavar="N", help="help.backcast.workers")
    parser.add_argument("--scheduler", metavar="ADDRESS", help="help.shared.scheduler")
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="help.backcast.out")
    parser.add_argument("--settings", action="store_true", help="help.backcast.settings")
    parser.add_argument("--progress", type=Path, metavar="FILE", help="help.shared.progress")
    parser.add_argument("--quiet", action="store_true", help="help.shared.quiet")
    parser.set_defaults(command=_backcast)


def _chance(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0.0 < value < 1.0:
        refuse("backcast.no_probability", given=text)
    return value


def _count(text: str) -> int:
    value = int(text) if text.isdigit() else -1
    if value < 0:
        refuse("backcast.no_count", given=text, least=0)
    return value


def _backcast(args: argparse.Namespace) -> int:
    from transport.backcast import RANGE, BackcastError
    from transport.backcast_run import Question, run_backcast, settings_text
    from transport.backcast_solve import Effort
    from transport.backcast_tables import TABLES
    from transport.backcast_words import words_of
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
        tables = {name: found.table(name).fill_nan(None).to_dicts() for name in TABLES} | {
            "words": words_of(found, inputs).to_dicts()
        }
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
    from transport.backcast_words import words_of

    manifest = found.manifest
    out(t("backcast.title", lang, title=manifest[f"title_{lang}"], name=manifest["backcast"], count=manifest["evaluations"]))
    for text in words_of(found, inputs)[lang]:
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
