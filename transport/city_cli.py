"""The command ``transport green-travel``: the green travel share of the cities, what each lever would need, the cheapest mix, and what drives it."""

from __future__ import annotations

import json
import math
import sys
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from transport.arguments import Text, refuse
from transport.i18n import labels, t
from transport.layout import BASE_YEAR, YEARS
from transport.network_show import err, out, print_table

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterator, Sequence

    import polars as pl

    from transport.city_case import CityCase
    from transport.city_mix import Mix
    from transport.inputs import Inputs
    from transport.scenario import Scenario

OK, FINDINGS = 0, 2
#: Scenarios of the view where none is named, and the one that levers are asked about.
SCENARIOS, ASKED = ("baseline", "plan_2030", "stretch"), "plan_2030"
_YEAR, _DRAWS, _NEED_DRAWS, _TOP, _REPLACE = 2030, 200, 20, 10, 5


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
        "green-travel",
        parents=parents,
        help="help.command.green_travel",
    )
    parser.add_argument(
        "names",
        nargs="*",
        metavar="SCENARIO",
        help=Text("help.city.names", scenarios=" ".join(SCENARIOS), scenario=ASKED),
    )
    parser.add_argument("--scenario", nargs="+", default=[], metavar="NAME", help="help.city.scenario")
    parser.add_argument(
        "--area",
        nargs="+",
        metavar="CODE",
        help="help.city.area",
    )
    parser.add_argument(
        "--year",
        type=int,
        choices=[y for y in YEARS if y > BASE_YEAR],
        metavar="YEAR",
        default=_YEAR,
        help="help.city.year",
    )
    parser.add_argument("--target", type=_share, metavar="PERCENT", help="help.city.target")
    parser.add_argument("--draws", type=_positive, default=_DRAWS, metavar="N", help="help.city.draws")
    parser.add_argument("--needs", action="store_true", help="help.city.needs")
    parser.add_argument("--mix", action="store_true", help="help.city.mix")
    parser.add_argument("--drivers", action="store_true", help="help.city.drivers")
    parser.add_argument("--elasticities", action="store_true", help="help.city.elasticities")
    parser.add_argument("--top", type=_whole, metavar="N", help=Text("help.city.top", count=_TOP))
    parser.add_argument("--keep", nargs="+", default=[], metavar="LEVER", help="help.city.keep")
    one = parser.add_mutually_exclusive_group()
    one.add_argument(
        "--without-transfers",
        action="store_true",
        help="help.city.without_transfers",
    )
    one.add_argument("--with-transfers", action="store_true", help="help.city.with_transfers")
    parser.add_argument("--out", type=Path, metavar="FILE.toml", help="help.city.out")
    parser.add_argument("--tables", type=Path, metavar="FOLDER", help="help.city.tables")
    parser.set_defaults(command=_green_travel)


def _whole(text: str, least: int = 0) -> int:
    try:
        number = int(text)
    except ValueError:
        number = least - 1
    if number < least:
        refuse("cli.green_travel_whole", least=least, given=text)
    return number


def _positive(text: str) -> int:
    return _whole(text, 1)


def _share(text: str) -> float:
    try:
        found = float(text)
    except ValueError:
        found = 0.0
    if not 0.0 < found < 100.0:
        refuse("cli.green_travel_percent", given=text)
    return found / 100.0


def _green_travel(args: argparse.Namespace) -> int:
    from transport.inputs import load_inputs
    from transport.scenario import load_scenario, scenario_names
    from transport.scenario_sections import names_of

    inputs = load_inputs(pack=args.pack, lang=args.lang)
    _settle_names(args, scenario_names(inputs.folder))
    wrong = _wrong(args)
    if wrong:
        err(wrong)
        return FINDINGS
    asks = args.needs or args.mix or args.drivers
    names = args.scenario or ((ASKED,) if asks or args.elasticities else SCENARIOS)
    scenarios = [
        load_scenario(name, inputs.folder, inputs.levers, names=names_of(inputs.tables), lang=args.lang) for name in names
    ]
    _check_keep(inputs, args)
    areas = _areas(inputs, args, targets_only=asks, scenario=scenarios[0])
    if not areas:
        err(t("cli.green_travel_no_target", args.lang))
        return FINDINGS
    answer = _Answer(inputs, args)
    if args.elasticities:
        _elasticities(answer, scenarios[0])
    if asks:
        for name, scenario in zip(names, scenarios, strict=True):
            _ask(answer, scenario, areas, bundled=not name.endswith(".toml"))
    if not (asks or args.elasticities):
        _view(answer, scenarios, areas)
    if args.tables is not None:
        answer.write(args.tables)
    if args.json:
        out(json.dumps(answer.json(), ensure_ascii=False))
    return OK


def _settle_names(args: argparse.Namespace, bundled: Sequence[str]) -> None:
    """Gather the scenarios: those in place, those of the option, and those that ``--area CODE NAME`` has swallowed."""
    swallowed = [word for word in args.area or () if word in bundled or word.endswith(".toml")]
    if swallowed:
        args.area = [word for word in args.area if word not in swallowed] or None
    args.scenario = [*args.names, *args.scenario, *swallowed]


def _wrong(args: argparse.Namespace) -> str:
    """Return what is wrong with options that do not go together; empty where nothing is."""
    alone = {
        "--keep": (args.keep, "--mix", args.mix),
        "--without-transfers": (args.without_transfers, "--mix", args.mix),
        "--with-transfers": (args.with_transfers, "--mix", args.mix),
        "--top": (args.top is not None, "--drivers", args.drivers),
    }
    for option, (given, mode, asked) in alone.items():
        if given and not asked:
            return t("cli.green_travel_belongs", args.lang, option=option, mode=mode)
    if args.elasticities and len(args.scenario) > 1:
        return t("cli.green_travel_one_scenario", args.lang)
    if args.out is None:
        return ""
    if not args.mix or len(args.scenario) > 1:
        return t("cli.green_travel_out_without_mix", args.lang)
    if args.out.suffix != ".toml":
        return t("cli.green_travel_out_no_toml", args.lang, file=str(args.out))
    if args.out.exists():
        return t("cli.green_travel_out_exists", args.lang, file=str(args.out))
    return ""


def _areas(inputs: Inputs, args: argparse.Namespace, *, targets_only: bool, scenario: Scenario) -> tuple[str, ...]:
    """Return the cities that are asked about: those named, else all, or those with a target."""
    from transport.check_problems import Problem, nearest, words
    from transport.city_case import city_cases
    from transport.findings import DataError
    from transport.travel import prefectures

    known = prefectures(inputs.table("codes"))
    if args.area is None:
        if not targets_only:
            return known
        return tuple(case.area for case in city_cases(inputs, scenario, known, args.year, draws=1) if case.has_target)
    wrong = [
        Problem(
            "--area",
            0,
            "",
            "value.code",
            area,
            values={"list": "area", "allowed": ", ".join(known), "hint": nearest(area, known)},
        )
        for area in args.area
        if area not in known
    ]
    if wrong:
        raise DataError(words(wrong, args.lang))
    return tuple(dict.fromkeys(args.area))


def _check_keep(inputs: Inputs, args: argparse.Namespace) -> None:
    from transport.check_problems import Problem, nearest, words
    from transport.findings import DataError

    known = [lever.lever for lever in inputs.levers]
    wrong = [
        Problem("--keep", 0, name, "lever.unknown", values={"hint": nearest(name, known)})
        for name in args.keep
        if name not in known
    ]
    if wrong:
        raise DataError(words(wrong, args.lang))


class _Answer:
    """Tables of an answer by name as they come, printed one after the other unless JSON is wanted."""

    def __init__(self, inputs: Inputs, args: argparse.Namespace) -> None:
        self.inputs, self.args, self.lang = inputs, args, args.lang
        self.tables: dict[str, list[pl.DataFrame]] = {}

    def add(self, name: str, table: pl.DataFrame) -> None:
        self.tables.setdefault(name, []).append(table)

    def say(self, *lines: str) -> None:
        if not self.args.json:
            for line in lines:
                out(line)

    def show(self, table: pl.DataFrame) -> None:
        if not self.args.json and not table.is_empty():
            print_table(table)

    def joined(self) -> dict[str, pl.DataFrame]:
        import polars as pl

        return {name: pl.concat(parts) for name, parts in self.tables.items()}

    def write(self, folder: Path) -> None:
        from transport.store import editors_only

        editors_only(folder)
        folder.mkdir(parents=True, exist_ok=True)
        for name, table in self.joined().items():
            table.write_parquet(folder / f"green_travel_{name}.parquet")

    def json(self) -> dict[str, Any]:
        rows = {
            name: [{k: _plain(v) for k, v in row.items()} for row in table.to_dicts()] for name, table in self.joined().items()
        }
        return {"year": self.args.year, "draws": self.args.draws, **rows}

    @contextmanager
    def bar(self) -> Iterator[Callable[[int, int, str], None]]:
        """Show a progress bar on a terminal."""
        if self.args.json or not sys.stderr.isatty():
            yield lambda *_: None
            return
        from tqdm import tqdm

        with tqdm(total=1, bar_format="{l_bar}{bar:24}| {n_fmt}/{total_fmt} {elapsed}", ascii=True, leave=False) as bar:

            def tell(done: int, count: int, name: str) -> None:
                bar.total = count
                bar.set_description_str(name)
                bar.update(done - bar.n)

            yield tell


def _plain(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _view(answer: _Answer, scenarios: Sequence[Scenario], areas: Sequence[str]) -> None:
    from transport.city_needs import green_travel_view
    from transport.city_text import view_lines

    args = answer.args
    with answer.bar() as tell:
        view = green_travel_view(
            scenarios, answer.inputs, draws=args.draws, areas=areas, year=args.year, target=args.target, progress=tell
        )
    answer.add("view", view)
    answer.say(t("green_travel.view_title", answer.lang, year=args.year, draws=args.draws))
    answer.show(view_lines(view, answer.inputs, answer.lang))
    answer.say(t("green_travel.view_note", answer.lang, target=f"{view['target_pct'][0]:g}"))


def _ask(answer: _Answer, scenario: Scenario, areas: Sequence[str], *, bundled: bool) -> None:
    """Answer what is asked about the levers and inputs of one scenario."""
    args = answer.args
    if args.needs:
        _needs(answer, scenario, areas)
    if args.mix:
        _mix(answer, scenario, areas, bundled=bundled)
    if args.drivers:
        _drivers(answer, scenario, areas)


def _needs(answer: _Answer, scenario: Scenario, areas: Sequence[str]) -> None:
    import polars as pl

    from transport.city_case import city_cases
    from transport.city_needs import needs_table
    from transport.city_text import needs_lines, needs_sentences

    args = answer.args
    # required values of a few draws say how sure they are; the shares of all draws stand in the view
    cases = city_cases(answer.inputs, scenario, areas, args.year, draws=min(args.draws, _NEED_DRAWS), target=args.target)
    with answer.bar() as tell:
        needs = needs_table(cases, progress=tell)
    answer.add("needs", needs)
    for case in cases:
        rows = needs.filter(pl.col("area") == case.area)
        answer.say(
            "", t("green_travel.needs_title", answer.lang, **_who(answer, case, float(rows["share_now_pct"].to_numpy()[0])))
        )
        answer.show(needs_lines(rows, answer.inputs, answer.lang))
    answer.say(*needs_sentences(needs, answer.inputs, answer.lang))
    answer.say(t("green_travel.needs_note", answer.lang, draws=min(args.draws, _NEED_DRAWS)))


def _mix(answer: _Answer, scenario: Scenario, areas: Sequence[str], *, bundled: bool) -> None:
    from transport.city_case import city_cases
    from transport.city_mix import cheapest_mix, city_costs, lever_bases, mix_table
    from transport.city_text import mix_lines, mix_scenario, mix_sentences
    from transport.study import scenario_params

    inputs, args = answer.inputs, answer.args
    cases = city_cases(inputs, scenario, areas, args.year, draws=args.draws, target=args.target)
    bare = scenario_params(replace(scenario, settings={}, draws=1), cases[0].inputs)
    ways = (False,) if args.without_transfers else (True,) if args.with_transfers else (False, True)
    mixes: list[Mix] = []
    with answer.bar() as tell:
        for case in cases:
            cost_of = city_costs(case, bare)
            for with_prices in ways:
                tell(len(mixes), len(ways) * len(cases), f"{scenario.name} {case.area}")
                mixes.append(
                    cheapest_mix(
                        case,
                        cost_of,
                        lever_bases(inputs, case.levers),
                        with_prices=with_prices,
                        keep=args.keep,
                    )
                )
        tell(len(mixes), len(mixes), "")
    answer.add("mix", mix_table(mixes))
    answer.say("", t("green_travel.mix_heading", answer.lang, scenario=scenario.name, year=args.year))
    for mix in mixes:
        answer.say("", t("green_travel.mix_with_prices" if mix.with_prices else "green_travel.mix_without_prices", answer.lang))
        answer.say(*mix_sentences(mix, inputs, answer.lang))
        answer.show(mix_lines(mix, inputs, answer.lang))
    answer.say("", t("green_travel.mix_note", answer.lang))
    if args.out is not None:
        written = [mix for mix in mixes if mix.with_prices == ways[0]]
        args.out.write_text(mix_scenario(written, scenario, inputs, bundled=bundled), encoding="utf-8")
        answer.say(t("cli.green_travel_out", answer.lang, file=str(args.out)))


def _drivers(answer: _Answer, scenario: Scenario, areas: Sequence[str]) -> None:
    import polars as pl

    from transport.city_drivers import city_drivers
    from transport.city_text import drivers_lines, replace_first

    args = answer.args
    with answer.bar() as tell:
        drivers = city_drivers(answer.inputs, scenario, areas, args.year, draws=args.draws, progress=tell)
    answer.add("drivers", drivers)
    names = labels(answer.inputs, "area", answer.lang)
    for area in areas:
        rows = drivers.filter(pl.col("area") == area)
        who = {"area": names.get(area, area), "scenario": scenario.name, "year": args.year}
        answer.say("", t("green_travel.drivers_title", answer.lang, **who))
        answer.show(drivers_lines(rows, answer.inputs, answer.lang, _TOP if args.top is None else args.top))
        first = replace_first(rows, _REPLACE, answer.inputs, answer.lang)
        if first:
            answer.say(t("green_travel.replace_first", answer.lang, inputs="; ".join(first)))
    answer.say(t("green_travel.drivers_note", answer.lang, noise=f"{1.0 / max(args.draws - 1, 1) ** 0.5:.2f}"))


def _elasticities(answer: _Answer, scenario: Scenario) -> None:
    import polars as pl

    from transport.cities.elasticities import TARGETS
    from transport.city_text import elasticities_lines
    from transport.study import scenario_inputs, scenario_params
    from transport.travel import model_travel

    own = scenario_inputs(scenario, answer.inputs)
    table = model_travel(own, scenario_params(replace(scenario, draws=1), own)).elasticities
    named = answer.args.area
    if named is not None:
        table = table.filter(pl.col("area").is_in(named))
        names = labels(answer.inputs, "area", answer.lang)
        missing = [names.get(area, area) for area in dict.fromkeys(named) if area not in set(table["area"])]
        if missing:
            err(t("cli.green_travel_no_elasticities", answer.lang, areas=("、" if answer.lang == "zh" else ", ").join(missing)))
    answer.add("elasticities", table)
    shown = table.filter((pl.col("area") == TARGETS) | (pl.col("role") == "validation")) if named is None else table
    if shown.is_empty():
        return
    answer.say("", t("green_travel.elasticities_title", answer.lang))
    answer.show(elasticities_lines(shown, answer.inputs, answer.lang))
    held = table.filter(pl.col("role") == "validation").drop_nulls("verdict")
    hits = {verdict: held.filter(pl.col("verdict") == verdict).height for verdict in ("within", "edge", "outside")}
    answer.say(t("green_travel.held_out", answer.lang, count=held.height, **hits))
    answer.say(t("green_travel.elasticities_note", answer.lang))


def _who(answer: _Answer, case: CityCase, share: float) -> dict[str, object]:
    return {
        "area": labels(answer.inputs, "area", answer.lang).get(case.area, case.area),
        "scenario": case.scenario,
        "year": case.year,
        "share": f"{share:.1f}",
        "target": f"{case.target * 100:g}",
    }
