"""``transport balance``: the bridge from modelled vehicles to the energy balance, line by line, with what stays unexplained."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from transport.i18n import labels, t
from transport.layout import YEARS
from transport.network_show import err, out

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator, Sequence

    from transport.inputs import Inputs

OK, FINDINGS = 0, 2
#: Last year with a published balance.
PUBLISHED_YEAR = 2019
#: What is shown without further wishes: the transport sector, and the gasoline of households.
_SHOWN = (pl.col("sector") == "transport") | ((pl.col("sector") == "household") & (pl.col("fuel") == "gasoline"))
_KEY = ("year", "sector", "fuel")
_TOTALS = ("published", "estimated")


def add_balance(verbs: Any, parents: Sequence[argparse.ArgumentParser]) -> None:
    """Add the command to the command line."""
    parser = verbs.add_parser("balance", parents=parents, help="help.command.balance")
    parser.add_argument(
        "scenario",
        nargs="?",
        default="baseline",
        help="help.balance.scenario",
    )
    parser.add_argument("--year", type=int, choices=YEARS, default=PUBLISHED_YEAR, metavar="YEAR", help="help.shared.year")
    parser.add_argument("--sector", help="help.balance.sector")
    parser.add_argument("--fuel", help="help.balance.fuel")
    parser.add_argument(
        "--capacity",
        choices=("equilibrium", "fixed"),
        default="fixed",
        help="help.balance.capacity",
    )
    parser.set_defaults(command=_balance)


def _balance(args: argparse.Namespace) -> int:
    from transport.inputs import load_inputs

    inputs = load_inputs(pack=args.pack, lang=args.lang)
    table = _table(args, inputs).filter(pl.col("year") == args.year)
    chosen = _SHOWN if args.sector is None else pl.lit(value=True) if args.sector == "all" else pl.col("sector") == args.sector
    table = table.filter(chosen, pl.lit(value=True) if args.fuel is None else pl.col("fuel") == args.fuel)
    if table.is_empty():
        err(t("account.balance.nothing", args.lang, year=args.year, sector=args.sector or "-", fuel=args.fuel or "-"))
        return FINDINGS
    if args.json:
        out(json.dumps({"scenario": args.scenario, "lines": table.to_dicts(), "notes": _notes(inputs)}, ensure_ascii=False))
        return OK
    for line in balance_lines(table, inputs, args.lang):
        out(line)
    return OK


def _table(args: argparse.Namespace, inputs: Inputs) -> pl.DataFrame:
    """Return the bridges of a run folder, or of a scenario run now."""
    if Path(args.scenario).is_dir():
        from transport.store import read_run

        return read_run(Path(args.scenario)).table("balance_bridge")
    from transport.account_cli import models_of
    from transport.bridge import bridge_table

    _, parts = models_of(args.scenario, inputs, args)
    return bridge_table(parts.inputs, parts.params, parts.now.energy)


def _notes(inputs: Inputs) -> list[dict[str, Any]]:
    return inputs.table("accounts/balance_notes").to_dicts()


def balance_lines(table: pl.DataFrame, inputs: Inputs, lang: str) -> list[str]:
    """Return bridges as lines of text: one block per entry, then how many entries stay within the limit.

    Parameters
    ----------
    table
        Rows of the result table ``balance_bridge``, whole entries.
    inputs
        For labels and notes.
    lang
        Language of the text.
    """
    made: list[str] = []
    for _, block in table.group_by(_KEY, maintain_order=True):
        made += [*_block(block, inputs, lang), ""]
    judged = table.filter(pl.col("passed").is_not_null())
    if judged.is_empty():
        return [*made, t("account.balance.not_judged", lang)]
    return [*made, t("account.balance.summary", lang, within=int(judged["passed"].sum()), entries=judged.height)]


def _block(block: pl.DataFrame, inputs: Inputs, lang: str) -> Iterator[str]:
    from transport.text import shown, table_lines, unit_label

    total = block.filter(pl.col("kind").is_in(_TOTALS)).row(0, named=True)
    rest = block.filter(pl.col("kind") == "unexplained").row(0, named=True)
    names = _names(inputs, lang)
    unit = total["unit"]
    yield t(
        "account.balance.title",
        lang,
        sector=labels(inputs, "nbs_sector", lang)[total["sector"]],
        fuel=labels(inputs, "carrier", lang)[total["fuel"]],
        year=total["year"],
        unit=unit_label(unit, lang),
    )
    rows = []
    for row in block.iter_rows(named=True):
        name = (
            t(f"account.kind.{row['kind']}", lang)
            if row["kind"] in {"unexplained", *_TOTALS}
            else names.get(row["line"], row["line"])
        )
        exact = row["low"] == row["high"]
        rows.append(
            {
                t("account.balance.line", lang): name,
                t("account.balance.kind", lang): t(f"account.kind.{row['kind']}", lang),
                t("account.balance.quantity", lang): shown(row["quantity"], unit, lang),
                t("account.balance.range", lang): ""
                if exact
                else f"{shown(row['low'], unit, lang)} .. {shown(row['high'], unit, lang)}",
                t("account.balance.share", lang): f"{row['share_pct']:+.1f}",
            }
        )
    yield from table_lines(pl.DataFrame(rows))
    if rest["passed"] is not None:
        key = "account.balance.within" if rest["passed"] else "account.balance.beyond"
        yield t(key, lang, share=f"{abs(rest['share_pct']):.1f}", limit=f"{rest['limit_pct']:g}")
    if rest["low"] <= 0.0 <= rest["high"]:
        yield t("account.balance.open", lang)
    if total["kind"] == "estimated" or total["used_for"] != "context":  # the text on context speaks of years without a balance
        yield t(f"account.used_for.{total['used_for']}", lang)
    for note in _notes(inputs):
        if (note["sector"], note["fuel"]) == (total["sector"], total["fuel"]):
            yield note[f"note_{lang}"]


def _names(inputs: Inputs, lang: str) -> dict[str, str]:
    """Return what a line is called: class, bridge or moved part."""
    found = dict(labels(inputs, "vehicle_class", lang))
    for table, key in (("accounts/bridges", "bridge"), ("accounts/balance_lines", "line")):
        found |= dict(inputs.table(table).select(key, f"label_{lang}").iter_rows())
    return found
