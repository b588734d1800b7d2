"""The command ``transport measures``: what each measure of a scenario does to CO2, the headline and cost, and how measures meet."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from transport.catalogue_cli import store_option, take_in
from transport.ensemble_cli import positive
from transport.i18n import t
from transport.network_show import err, out, print_table

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Sequence

    import polars as pl

    from transport.inputs import Inputs

OK, FINDINGS = 0, 2
_YEAR, _PAIRS, _TOP = 2030, 10, 10
#: Years that can be asked for.
YEARS_SHOWN = (2025, 2030, 2035)
#: Decimals that are printed; what is left of sums that cancel is below.
_DIGITS = 4
#: Units by language: CO2 (10^4 t or kt) and money (10^8 or 10^6 CNY).
_SCALE = {"zh": {"co2_t": 1e4, "cost_cny2023": 1e8}, "en": {"co2_t": 1e3, "cost_cny2023": 1e6}}


def register(verbs: Any, parents: Sequence[argparse.ArgumentParser]) -> None:
    """Add the command to the command line.

    Parameters
    ----------
    verbs
        What ``add_subparsers`` returned.
    parents
        Parsers of the common options.
    """
    parser = verbs.add_parser(
        "measures",
        parents=parents,
        help="help.command.measures",
    )
    parser.add_argument("scenario", help="help.shared.scenario")
    parser.add_argument("--base", metavar="NAME", help="help.measures.base")
    parser.add_argument("--year", type=int, choices=YEARS_SHOWN, default=_YEAR, metavar="YEAR", help="help.measures.year")
    parser.add_argument(
        "--pairs",
        type=positive,
        default=_PAIRS,
        metavar="N",
        help="help.measures.pairs",
    )
    parser.add_argument("--no-interactions", action="store_true", help="help.measures.no_interactions")
    parser.add_argument("--set", action="append", default=[], metavar="LEVER=VALUE", help="help.shared.set")
    parser.add_argument("--workers", type=positive, metavar="N", help="help.shared.workers")
    parser.add_argument("--scheduler", metavar="ADDRESS", help="help.shared.scheduler")
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="help.measures.out")
    store_option(parser)
    parser.set_defaults(command=_measures)


def _measures(args: argparse.Namespace) -> int:
    from transport.cli import settings
    from transport.inputs import load_inputs
    from transport.measures import measures_of
    from transport.measures_folder import Asked, kept_measures, measure_tables
    from transport.scenario import load_scenario
    from transport.scenario_sections import names_of

    inputs = load_inputs(pack=args.pack, lang=args.lang)
    known = names_of(inputs.tables)
    options: dict[str, Any] = {"names": known, "draws": 1, "capacity": "fixed", "simulate": "none", "lang": args.lang}
    scenario = load_scenario(args.scenario, inputs.folder, inputs.levers, extra=settings(args.set, args.lang), **options)
    name = args.base or next((label for label in scenario.lineage[-2::-1] if not label.startswith("+")), scenario.name)
    base = (
        {}
        if args.base is None and name == scenario.name
        else load_scenario(name, inputs.folder, inputs.levers, **options).settings
    )
    if not measures_of(scenario, inputs, base):
        err(t("measures.nothing", args.lang, scenario=scenario.name))
        return FINDINGS
    asked = Asked(name, base, args.pairs, interactions=not args.no_interactions)
    how: dict[str, Any] = {"workers": args.workers, "done": _teller(args), "scheduler": args.scheduler}
    if args.out is None:
        tables = measure_tables(scenario, inputs, asked, **how)
    else:
        kept = kept_measures(args.out, scenario, inputs, asked, **how)
        take_in([kept], args)
        tables = {table: kept.table(table) for table in kept.manifest["tables"]}
    if args.json:
        out(
            json.dumps(
                {"scenario": scenario.name, "base": name, **{k: v.fill_nan(None).to_dicts() for k, v in tables.items()}},
                ensure_ascii=False,
            )
        )
        return OK
    _tell(tables, scenario.name, name, inputs, args)
    if args.out is not None:
        out(t("measures.written", args.lang, folder=str(args.out)))
    return OK


def _tell(tables: dict[str, pl.DataFrame], scenario: str, base: str, inputs: Inputs, args: argparse.Namespace) -> None:
    import polars as pl

    from transport.measures import measure_names

    lang, scale = args.lang, _SCALE[args.lang]
    now = {name: table.filter(pl.col("year") == args.year) for name, table in tables.items()}
    out(t("measures.title", lang, scenario=scenario, base=base, year=args.year))
    print_table(measure_rows(now["measures"], inputs, lang))
    total = now["measures"].select(pl.col("share_co2_t", "share_headline_pct", "share_cost_cny2023").sum()).row(0, named=True)
    out(
        t(
            "measures.total",
            lang,
            co2=f"{total['share_co2_t'] / scale['co2_t']:,.1f}",
            points=f"{total['share_headline_pct']:.2f}",
            cost=f"{total['share_cost_cny2023'] / scale['cost_cny2023']:,.1f}",
        )
    )
    pairs = now.get("measure_interactions")
    if pairs is not None and not pairs.is_empty():
        out("")
        out(t("measures.pairs", lang))
        strongest = pairs.sort(pl.col("last_co2_t").abs(), descending=True).head(_TOP)
        names = measure_names(inputs, lang)
        print_table(
            strongest.select(
                pl.col("measure").replace_strict(names, default=pl.col("measure")).alias(t("measures.measure", lang)),
                pl.col("other").replace_strict(names, default=pl.col("other")).alias(t("measures.other", lang)),
                (pl.col("first_co2_t") / scale["co2_t"]).alias(t("measures.first_pair", lang)),
                (pl.col("last_co2_t") / scale["co2_t"]).alias(t("measures.last_pair", lang)),
            )
        )
    out(t("measures.note", lang))


def measure_rows(table: pl.DataFrame, inputs: Inputs, lang: str) -> pl.DataFrame:
    """Return the measures of one year under labels in the units of the language, those that avoid most CO2 first.

    Parameters
    ----------
    table
        Rows of one year of :func:`transport.measures.measure_table`.
    inputs
        For the labels.
    lang
        Language.
    """
    import polars as pl

    from transport.measures import measure_names

    scale, names = _SCALE[lang], measure_names(inputs, lang)
    ways = [
        (pl.col(f"{way}_co2_t") / scale["co2_t"]).round(_DIGITS).fill_nan(None).alias(t(f"measures.{way}", lang))
        for way in ("alone", "first", "last", "share", "error")
    ]
    return table.sort("share_co2_t", "measure").select(
        pl.col("measure").replace_strict(names, default=pl.col("measure")).alias(t("measures.measure", lang)),
        *ways,
        pl.col("share_headline_pct").round(_DIGITS).alias(t("measures.headline", lang)),
        pl.when("has_cost")
        .then(pl.col("share_cost_cny2023") / scale["cost_cny2023"])
        .round(_DIGITS)
        .alias(t("measures.cost", lang)),
        pl.col("cny2023_per_tco2").alias(t("measures.price", lang)),
    )


def _teller(args: argparse.Namespace) -> Callable[[int, int], None] | None:
    if args.json or not sys.stderr.isatty():
        return None
    return lambda done, count: err(t("measures.progress", args.lang, done=done, count=count))
