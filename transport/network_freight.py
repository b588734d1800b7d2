"""The commands ``transport network explain``, ``select`` and ``identify``: the solved freight model asked about one haul, one place, its calibration."""

from __future__ import annotations

import json
import math
import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from transport.arguments import Text
from transport.freight_words import chain_label, sentence
from transport.i18n import label, t
from transport.layout import FIRST_YEAR, LAST_YEAR, YEARS
from transport.network_show import err, label_of, out, print_table

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Mapping, Sequence

    import polars as pl

    from transport.freight_explain import Explanation
    from transport.freight_identify import Identification
    from transport.freight_model import FreightModel
    from transport.freight_select import Selection
    from transport.inputs import Inputs
    from transport.params import Params
    from transport.scenario import Capacity, Scenario

    Command = Callable[[argparse.Namespace], int]

OK, FINDINGS = 0, 2
_YEAR = 2030
_TOP = 20
#: Tonnes in the unit of the column, by language: ten thousand tonnes, and thousand tonnes.
_TONNES = {"zh": 1e4, "en": 1e3}
#: Kinds of chains whose path is printed: the one that carries most, and the next.
_PATHS = 2


def add_freight(sub: Any, parents: Sequence[argparse.ArgumentParser]) -> None:
    """Add the verbs to ``transport network``.

    Parameters
    ----------
    sub
        What ``add_subparsers`` returned.
    parents
        Parsers of the common options.
    """
    explain = sub.add_parser("explain", parents=parents, help="help.command.network_explain")
    explain.add_argument("origin", help="help.network_freight.origin")
    explain.add_argument("destination", help="help.network_freight.destination")
    explain.add_argument("commodity", help="help.network_freight.commodity")
    _model_options(explain)
    explain.set_defaults(command=_guarded(_explain))

    select = sub.add_parser("select", parents=parents, help="help.command.network_select")
    select.add_argument("what", help="help.network_freight.what")
    _model_options(select)
    select.add_argument("--top", type=int, default=_TOP, help="help.network_freight.top")
    select.set_defaults(command=_guarded(_select))

    identify = sub.add_parser("identify", parents=parents, help="help.command.network_identify")
    identify.add_argument("--scenario", default="baseline", help="help.network_freight.scenario")
    _network_option(identify)
    identify.set_defaults(command=_guarded(_identify))


def _model_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--scenario", default="baseline", help="help.network_freight.scenario")
    parser.add_argument(
        "--year",
        type=int,
        choices=YEARS,
        metavar="YEAR",
        default=_YEAR,
        help=Text("help.network_freight.year", first=FIRST_YEAR, last=LAST_YEAR),
    )
    parser.add_argument(
        "--capacity",
        choices=("equilibrium", "fixed"),
        help="help.network_freight.capacity",
    )
    _network_option(parser)


def _network_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--network", choices=("compact", "fine"), help="help.network_freight.network")


def _guarded(command: Command) -> Command:
    """Return the command with unknown names as messages instead of tracebacks."""

    def run(args: argparse.Namespace) -> int:
        from networks.errors import NetworkError

        try:
            return command(args)
        except NetworkError as error:
            if args.json:
                out(json.dumps({"error": str(error).splitlines()}, ensure_ascii=False))
            else:
                err(str(error))
            return FINDINGS

    return run


def _inputs(args: argparse.Namespace) -> tuple[Inputs, Scenario]:
    from transport.inputs import load_inputs
    from transport.scenario import load_scenario
    from transport.scenario_sections import names_of
    from transport.study import scenario_inputs

    inputs = load_inputs(pack=args.pack, lang=args.lang)
    capacity: Capacity | None = getattr(args, "capacity", "fixed")
    scenario = load_scenario(
        args.scenario,
        inputs.folder,
        inputs.levers,
        names=names_of(inputs.tables),
        draws=1,
        capacity=capacity,
        network=args.network,
        lang=args.lang,
    )
    return scenario_inputs(scenario, inputs), scenario


def _solved(inputs: Inputs, scenario: Scenario, args: argparse.Namespace, year: int) -> tuple[Params, FreightModel]:
    """Return parameters and model of a scenario in one year, at its speed."""
    from transport.freight_year import solve_year
    from transport.study import scenario_params

    if not args.json:
        err(t(f"explain.solving_{scenario.capacity}", args.lang, year=year))
    params = scenario_params(scenario, inputs)
    held = scenario.hold_year or None
    return params, solve_year(inputs, params, year, hold_network_after=held, capacity=scenario.capacity)


def _print_json(value: Any) -> None:
    out(json.dumps(_finite(value), ensure_ascii=False))


def _finite(value: Any) -> Any:
    """Return a value without infinities and not-a-numbers, which JSON does not know, and without sets."""
    if isinstance(value, dict):
        return {k: _finite(v) for k, v in value.items()}
    if isinstance(value, (list, tuple, frozenset)):
        return [_finite(v) for v in (sorted(value) if isinstance(value, frozenset) else value)]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _tonnes(value: float, lang: str) -> str:
    return f"{value / _TONNES[lang]:,.1f}"


# ---- explain ----


def _explain(args: argparse.Namespace) -> int:
    from transport.freight_explain import explain, find_commodity, find_zone, get_ready

    inputs, scenario = _inputs(args)
    # a wrong name must not cost a solve
    origin, destination = (find_zone(inputs, text, args.lang) for text in (args.origin, args.destination))
    commodity = find_commodity(inputs, args.commodity, args.lang)
    params, model = _solved(inputs, scenario, args, args.year)
    ready = get_ready(inputs, model, args.year)
    start = time.perf_counter()
    found = explain(inputs, params, model, origin, destination, commodity, args.year, ready=ready, lang=args.lang)
    answered = 1e3 * (time.perf_counter() - start)
    words = sentence(found, args.lang)
    if args.json:
        tables = {name: getattr(found, name).to_dicts() for name in ("chains", "stops", "path")}
        heads = {k: v for k, v in vars(found).items() if k not in tables}
        named = [{**row, "label": chain_label(row["alternative"], args.lang)} for row in tables["chains"]]
        whole = {"scenario": scenario.name, **heads, **tables, "chains": named, "sentence": words}
        _print_json({**whole, "answered_ms": round(answered, 3)})
        return OK
    for line in _heading(found, inputs, scenario, args.lang):
        out(line)
    print_table(_chains(found, args.lang))
    out("")
    out(t("explain.terms_title", args.lang))
    print_table(_terms(found, args.lang))
    out("")
    for line in path_lines(found, args.lang):
        out(line)
    out(words)
    out(t("explain.note", args.lang))
    if found.capacity == "equilibrium":
        out(t("explain.note_path", args.lang))
    out(t("explain.answered", args.lang, ms=f"{answered:.0f}"))
    return OK


def _heading(found: Explanation, inputs: Inputs, scenario: Scenario, lang: str) -> list[str]:
    title = t(
        "explain.title",
        lang,
        origin=found.origin_name,
        origin_id=found.origin,
        destination=found.destination_name,
        destination_id=found.destination,
        commodity=label(inputs, "commodity", found.commodity, lang),
        year=found.year,
        scenario=scenario.name,
        capacity=t(f"explain.capacity_{found.capacity}", lang),
    )
    tonnes = {"tonnes": _tonnes(found.t_per_year, lang), "captive": _tonnes(found.captive_t_per_year, lang)}
    return [title, t("explain.demand", lang, **tonnes)]


def _chains(found: Explanation, lang: str) -> pl.DataFrame:
    """Return the chains under short headings; modes that no chain uses have no column."""
    import polars as pl

    table = found.chains
    km = [c for c in table.columns if c.startswith("km_") and bool((table[c] != 0).any())]
    return table.select(
        pl.col("chain").alias(t("explain.number", lang)),
        pl.Series(t("explain.chain", lang), [chain_label(c, lang) for c in table["alternative"]]),
        (100.0 * pl.col("probability")).alias(t("explain.share", lang)),
        (pl.col("t_per_year") / _TONNES[lang]).alias(t("explain.tonnes", lang)),
        pl.col("cost_cny_per_t").alias(t("explain.cost", lang)),
        *(pl.col(c).alias(t(f"explain.{c}", lang)) for c in km),
        pl.col("hours").alias(t("explain.hours", lang)),
        pl.col("co2_kg_per_t").alias(t("explain.co2", lang)),
        pl.col("terminals").alias(t("explain.terminals", lang)),
    )


def _terms(found: Explanation, lang: str) -> pl.DataFrame:
    """Return the cost terms in rows and the chains in columns; terms that are zero everywhere are left out."""
    import polars as pl

    from transport.freight_explain import TERMS

    table = found.chains
    used = [name for name in TERMS if bool((table[name] != 0).any())]
    names = [t(f"explain.term_name.{name}", lang) for name in used] + [t("explain.total", lang), t("explain.beside", lang)]
    columns = [*used, "cost_cny_per_t", "beside_cost_cny_per_t"]
    chains = {str(row["chain"]): [float(row[c]) for c in columns] for row in table.iter_rows(named=True)}
    return pl.DataFrame({t("explain.term", lang): names, **chains})


def path_lines(found: Explanation, lang: str) -> list[str]:
    """Return the legs and terminals of the best chain of the first kinds of chains as lines."""
    import polars as pl

    lines = []
    best = found.chains.unique("alternative", keep="first", maintain_order=True).head(_PATHS)
    for number, alternative in best.select("chain", "alternative").iter_rows():
        lines.append(t("explain.path_title", lang, number=number, chain=chain_label(alternative, lang)))
        for leg in found.path.filter(pl.col("chain") == number).iter_rows(named=True):
            values = {
                "network": t(f"explain.network.{leg['network']}", lang),
                "nodes": " - ".join(leg["names"]),
                "km": f"{leg['km']:,.1f}",
            }
            if leg["worst_link_id"] is None:
                lines.append("  " + t("explain.path_leg", lang, **values))
            else:
                values |= {
                    "section": leg["worst_name"],
                    "link": leg["worst_link_id"],
                    "ratio": f"{100 * leg['worst_vc_ratio']:.0f}",
                }
                lines.append("  " + t("explain.path_leg_worst", lang, **values))
        for stop in found.stops.filter(pl.col("chain") == number, pl.col("capacity_t").is_finite()).iter_rows(named=True):
            values = {
                "kind": t(f"explain.kind.{stop['kind']}", lang),
                "name": stop["name"],
                "ratio": f"{100 * stop['vc_ratio']:.0f}",
                "price": f"{stop['price_cny_per_t']:.2f}",
            }
            lines.append("  " + t("explain.stop_load", lang, **values))
    return lines


# ---- select ----


def _select(args: argparse.Namespace) -> int:
    from transport.freight_select import find_target, select

    inputs, scenario = _inputs(args)
    find_target(inputs, inputs.table("networks/links"), args.what, args.year, args.lang)
    _, model = _solved(inputs, scenario, args, args.year)
    found = select(inputs, model, args.what, args.year, lang=args.lang)
    if args.json:
        sums = ("by_commodity", "by_alternative", "by_pair", "by_area")
        tables = {name: getattr(found, name).head(args.top).to_dicts() for name in sums}
        head = {"scenario": scenario.name, "capacity": found.capacity, "target": asdict(found.target), "year": found.year}
        _print_json({**head, "t_per_year": found.t_per_year, **tables})
        return OK
    for line in _selection_heading(found, scenario, args.lang):
        out(line)
    if found.rows.is_empty():
        out(t("select.nothing", args.lang))
        return OK
    for table in _selection_tables(found, inputs, args):
        out("")
        print_table(table)
    return OK


def _selection_heading(found: Selection, scenario: Scenario, lang: str) -> list[str]:
    target = found.target
    values = {"year": found.year, "tonnes": _tonnes(found.t_per_year, lang), "scenario": scenario.name, "name": target.name}
    if target.what == "link":
        title = t("select.title_link", lang, id=next(iter(target.links)), **values)
    elif target.what == "line":
        title = t("select.title_line", lang, count=len(target.links), **values)
    else:
        title = t("select.title_terminal", lang, **values)
    return [title, t(f"select.note_{found.capacity}", lang), *([t("select.note_line", lang)] if target.what == "line" else [])]


def _selection_tables(found: Selection, inputs: Inputs, args: argparse.Namespace) -> list[pl.DataFrame]:
    from transport.freight_explain import node_names
    from transport.i18n import labels

    lang = args.lang
    names = node_names(inputs, lang)
    zones = {str(z): names[n] for z, n in inputs.table("networks/zones").select("zone_id", "node_id").iter_rows()}
    places = {**zones, **labels(inputs, "area", lang)}
    chains = {code: chain_label(code, lang) for code in found.by_alternative["alternative"]}
    every = len(found.by_commodity) + len(found.by_alternative)
    return [
        _summed(found.by_commodity, {"commodity": labels(inputs, "commodity", lang)}, every, lang),
        _summed(found.by_alternative, {"alternative": chains}, every, lang),
        _summed(found.by_pair, {"origin": zones, "destination": zones}, args.top, lang),
        _summed(found.by_area, {"from_place": places, "to_place": places}, args.top, lang),
    ]


def _summed(table: pl.DataFrame, names: Mapping[str, Mapping[str, str]], top: int, lang: str) -> pl.DataFrame:
    """Return sums under labels, the largest first, and what is left out in one row."""
    import polars as pl

    head = {"alternative": "chain"}
    shown, rest = table.head(top), table.slice(top)
    cells = {t(f"select.{head.get(k, k)}", lang): [v.get(c, c) for c in shown[k]] for k, v in names.items()}
    tonnes, share = shown["t"].to_list(), shown["share_pct"].to_list()
    if not rest.is_empty():
        for i, column in enumerate(cells.values()):
            column.append(t("select.rest", lang, count=rest.height) if i == 0 else "")
        tonnes.append(float(rest["t"].sum()))
        share.append(float(rest["share_pct"].sum()))
    return pl.DataFrame({**cells, t("select.tonnes", lang): [v / _TONNES[lang] for v in tonnes], t("select.share", lang): share})


# ---- identify ----


def _identify(args: argparse.Namespace) -> int:
    from transport.freight_identify import identify
    from transport.layout import BASE_YEAR

    inputs, scenario = _inputs(args)
    params, model = _solved(inputs, scenario, args, BASE_YEAR)
    found = identify(inputs, params, model)
    if args.json:
        import polars as pl

        _print_json(
            {"scenario": scenario.name, **{k: v.to_dicts() if isinstance(v, pl.DataFrame) else v for k, v in vars(found).items()}}
        )
        return OK
    out(t("identify.title", args.lang, scenario=scenario.name))
    for title, table in _identify_tables(found, inputs, args.lang):
        out("")
        out(t(f"identify.{title}", args.lang))
        print_table(table)
        if title == "constants":
            out(_matrix(found, args.lang))
        if title == "elasticities":
            known = found.elasticities.drop_nulls("literature")
            for value, note in known.select("literature", "note").iter_rows():
                out(t("identify.note", args.lang, value=f"{value:+.2g}", note=note))
    out(_range_line(found, args.lang))
    if found.flags:
        out(t("identify.flags", args.lang))
    for flag in found.flags:
        out(f"  {flag}")
    return OK


def _matrix(found: Identification, lang: str) -> str:
    singular = ", ".join(f"{v:.3g}" for v in found.singular_values)
    values = {"rank": found.rank, "count": found.constants.height, "condition": f"{found.condition_number:.3g}"}
    return t("identify.matrix", lang, **values, singular=singular)


def _range_line(found: Identification, lang: str) -> str:
    """Return the ends of the response table in words."""
    table = found.response
    central = table.row(0, named=True)
    ends = {
        f"{end}{tail}": f"{getattr(table[column], how)():+.1f}"
        for column, tail in (("rail_tkm_pct", ""), ("rail_t_pct", "_t"))
        for end, how in (("low", "min"), ("high", "max"))
    }
    return t("identify.range_line", lang, central=f"{central['rail_tkm_pct']:+.1f}", **ends)


def _identify_tables(found: Identification, inputs: Inputs, lang: str) -> list[tuple[str, pl.DataFrame]]:
    """Return the tables of the report under labels."""
    import polars as pl

    def named(columns: Mapping[str, list[Any]]) -> pl.DataFrame:
        return pl.DataFrame({t(f"identify.{k}", lang): v for k, v in columns.items()})

    def mode(codes: pl.Series) -> list[str]:
        return [label_of(inputs, "mode", c, lang) for c in codes]

    margins, constants, owed, reply, response = found.margins, found.constants, found.owed, found.elasticities, found.response
    yes = t("identify.yes", lang)
    return [
        (
            "margins",
            named(
                {
                    "item": [t(f"identify.items.{i}", lang) for i in margins["item"]],
                    "unit": margins["unit"].to_list(),
                    "observed": [f"{v:,.4g}" for v in margins["observed"]],
                    "range": [f"{a:,.4g} - {b:,.4g}" for a, b in margins.select("low", "high").iter_rows()],
                    "modelled": [f"{v:,.4g}" for v in margins["modelled"]],
                    "at_prior": [f"{v:,.4g}" for v in margins["at_prior"]],
                    "error": [f"{v:+.2f}" for v in margins["error_pct"]],
                }
            ),
        ),
        (
            "constants",
            named(
                {
                    "constant": [t(f"identify.names.{c}", lang) for c in constants["constant"]],
                    "value": [f"{v:+.3f}" for v in constants["value"]],
                    "prior": constants["prior"].to_list(),
                    "prior_sd": constants["prior_sd"].to_list(),
                    "prior_share": [f"{100 * v:.2g}" for v in constants["prior_share"]],
                }
            ),
        ),
        (
            "owed",
            named(
                {
                    "mode": mode(owed["mode"]),
                    "measure": [t(f"identify.{m}", lang) for m in owed["measure"]],
                    "share": owed["share_pct"].to_list(),
                    "at_prior": owed["at_prior_pct"].to_list(),
                    "owed_pct": [f"{v:+.0f}" for v in owed["owed_pct"]],
                    "mainly": [yes if m else "" for m in owed["mainly"]],
                }
            ),
        ),
        (
            "elasticities",
            named(
                {
                    "cost_of": mode(reply["cost_of"]),
                    "mode": mode(reply["mode"]),
                    "measure": [t(f"identify.{m}", lang) for m in reply["measure"]],
                    "elasticity": [f"{v:+.3f}" for v in reply["elasticity"]],
                    "literature": ["" if v is None else f"{v:+.2g}" for v in reply["literature"]],
                    "quality": [
                        "" if v is None else label_of(inputs, "quality", q, lang)
                        for v, q in reply.select("literature", "quality").iter_rows()
                    ],
                }
            ),
        ),
        (
            "response",
            named(
                {
                    "case": [_case(c, lang) for c in response["case"]],
                    "rail_t": [f"{v:+.1f}" for v in response["rail_t_pct"]],
                    "rail_tkm": [f"{v:+.1f}" for v in response["rail_tkm_pct"]],
                    "road_t": [f"{v:+.1f}" for v in response["road_t_pct"]],
                    "fit": [f"{v:.1f}" for v in response["fit_error_pct"]],
                }
            ),
        ),
    ]


def _case(case: str, lang: str) -> str:
    name, _, end = case.partition(".")
    words = t(f"identify.cases.{name}", lang)
    return t(f"identify.cases.{end}", lang, name=words) if end else words
