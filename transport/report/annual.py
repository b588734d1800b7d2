"""The annual evaluation: every transport clause of the plan once, with its indicators, gaps, lead department and status; progress; missed targets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl

from transport.i18n import labels, t
from transport.layout import BASE_YEAR, PROVINCE
from transport.report.annex import identity
from transport.report.chapters import gap, place_and_name, reason
from transport.report.content import MARK, WEAK, Number, Section, Table, Text, amount, columns, year
from transport.scorecard import MET, ScoreLine, headline_rows
from transport.targets import NOT_MODELLED, unmodelled
from transport.text import divisor, goal, period_text, reason_text, target_text, unit_label

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from transport.report.content import Block, Cell
    from transport.report.source import Source

#: Year whose value is shown of an indicator without a target.
TRACKED_YEAR = 2030


def clauses(source: Source) -> Section:
    """Return the chapter with every clause of the plan, and that with the targets of other documents."""
    say = source.say
    table = source.inputs.table("targets/clauses")
    plan = set(table["document"].to_list())
    documents = {target.id: target.document for target in source.inputs.targets}
    others = [line for line in source.lines if documents.get(line.id) not in plan]
    blocks: list[Block] = [Text(say("clauses.lead", count=table.height)), clause_table(source)]
    blocks += [Text(say("clauses.others")), _others(source, others)] if others else []
    return Section(say("clauses.chapter"), tuple(blocks))


def clause_table(source: Source) -> Table:
    """Return one row per clause and indicator; number and wording of a clause stand in its first row only, so that each is there once.

    Lead departments have a column where any is named; else a note says once that the plan names none.
    """
    say, lang = source.say, source.lang
    kinds, leads = source.names("clause_status"), _leads(source)
    values = _values(source)
    table = source.inputs.table("targets/clauses")
    led = bool(leads) or any(table["lead"].to_list())
    rows: list[tuple[Cell, ...]] = []
    for clause in table.iter_rows(named=True):
        ids = (clause["indicator"] or "").split()
        found = [line for name in ids for line in values.get(name, [])]
        head: tuple[Cell, ...] = (
            clause["clause_id"],
            str(clause["wording_zh"] if lang == "zh" else clause["wording_en"]),
            kinds[clause["status"]],
        )
        named = clause["lead"] or next((leads[name] for name in ids if leads.get(name)), "") or say("clauses.no_lead")
        lead = (named,) if led else ()
        if not found:
            note = str(clause["note_zh"] if lang == "zh" else clause["status_note"])
            rows.append((*head, note, *("-" for _ in range(6)), *lead, kinds[clause["status"]]))
            continue
        for i, line in enumerate(found):
            rows.append((*(head if i == 0 else ("", "", "")), *_cells(line, source), *lead, _status(line, source)))
    heads = (
        say("clauses.clause"),
        say("clauses.wording"),
        say("clauses.kind"),
        t("scorecard.indicator", lang),
        t("scorecard.year", lang),
        say("clauses.value"),
        say("clauses.origin"),
        t("scorecard.target", lang),
        t("scorecard.gap", lang),
        t("scorecard.unit", lang),
        *((say("clauses.lead_department"),) if led else ()),
        say("clauses.status"),
    )
    widths = (0.95, 4.0, 1.2, 2.3, 0.7, 1.25, 0.8, 1.15, 1.15, 1.35, *((1.25,) if led else ()), 1.35)
    return Table(
        "clauses",
        say("clauses.title_lead" if led else "clauses.title"),
        say("clauses.sheet"),
        columns(heads, widths, (0, 1, 2, 3, 6, *range(9, len(heads)))),
        tuple(rows),
        notes=(say("clauses.note"), *(() if led else (say("clauses.lead_note"),)), say("mark_note", mark=MARK)),
        merged=(0, 1, 2),
        wide=True,
    )


def _leads(source: Source) -> dict[str, str]:
    """Return indicator -> lead department of its target, where the document names one."""
    return {target.id: target.lead_department for target in source.inputs.targets if target.lead_department}


def _values(source: Source) -> dict[str, list[ScoreLine]]:
    """Return indicator -> its targets, or where it has none its tracked value as a line without target."""
    found: dict[str, list[ScoreLine]] = {}
    for line in source.lines:
        found.setdefault(line.id, []).append(line)
    tracked = headline_rows(source.table("indicators"), source.inputs.table("indicators")).filter(pl.col("year") == TRACKED_YEAR)
    areas = {target.id: target.area for target in source.inputs.targets}
    for row in tracked.iter_rows(named=True):
        if row["id"] in found or row["area"] != areas.get(row["id"], PROVINCE):
            continue
        found[row["id"]] = [_tracked(row)]
    return found


def _tracked(row: Mapping[str, Any]) -> ScoreLine:
    return ScoreLine(
        id=row["id"],
        area=row["area"],
        year=row["year"],
        value=row["value"],
        actual=row["actual"],
        target=float("nan"),
        gap=None,
        unit=row["unit"],
        direction="",
        strength="tracked",
        verdict=row["verdict"],
        quality=row["quality"],
        met=0,
        readings=1,
    )


def _cells(line: ScoreLine, source: Source) -> tuple[Cell, ...]:
    """Return indicator, year, value, where it is from, target, gap and unit of one line; an actual value goes before a modelled one."""
    say, lang = source.say, source.lang
    actual = line.actual is not None
    value = amount(line.actual if actual else line.value, line.unit, lang, weak=not actual and line.quality in WEAK)
    origin = say("clauses.actual" if actual else "clauses.modelled") if value != "-" else "-"
    head = (place_and_name(line, source), year(line.year), value, origin)
    unit = unit_label(line.unit, lang) or say("year_unit")
    if line.strength == "tracked":
        return (*head, "-", "-", unit)
    target = Number(line.target / divisor(line.unit, lang), target_text(line, lang))
    return (*head, target, gap(line.gap, line.unit, lang), unit)


def _status(line: ScoreLine, source: Source) -> str:
    if line.value is None and line.id in unmodelled(source.inputs, source.lang) and line.actual is None:
        return source.names("verdict")[NOT_MODELLED]
    return source.names("verdict")[line.verdict]


def _others(source: Source, lines: Sequence[ScoreLine]) -> Table:
    """Return the targets of other documents."""
    say, lang = source.say, source.lang
    targets = {(target.id, target.year): target for target in source.inputs.targets}
    documents = _documents(source)
    led = any(targets[line.id, line.year].lead_department for line in lines)
    rows: list[tuple[Cell, ...]] = []
    for line in lines:
        target = targets[line.id, line.year]
        rows.append(
            (
                documents.get(target.document, target.document),
                *_cells(line, source),
                *((target.lead_department or say("clauses.no_lead"),) if led else ()),
                _status(line, source),
            )
        )
    heads = (
        say("clauses.document"),
        t("scorecard.indicator", lang),
        t("scorecard.year", lang),
        say("clauses.value"),
        say("clauses.origin"),
        t("scorecard.target", lang),
        t("scorecard.gap", lang),
        t("scorecard.unit", lang),
        *((say("clauses.lead_department"),) if led else ()),
        say("clauses.status"),
    )
    widths = (2.8, 2.6, 0.7, 1.3, 0.8, 1.2, 1.2, 1.1, *((1.1,) if led else ()), 1.4)
    return Table(
        "other_targets",
        say("clauses.others_title"),
        say("clauses.others_sheet"),
        columns(heads, widths, (0, 1, 4, *range(7, len(heads)))),
        tuple(rows),
        notes=(say("mark_note", mark=MARK),),
        wide=True,
    )


def _documents(source: Source) -> dict[str, str]:
    """Return document as the data name it -> its name in the language of the report."""
    original, names = labels(source.inputs, "target_document", "zh"), source.names("target_document")
    return {original[code]: names[code] for code in names}


def progress(source: Source) -> Section:
    """Return the chapter of the fifteenth five-year view: actual values, remaining gap, needed yearly rate, light and reason."""
    say, lang = source.say, source.lang
    table = source.table("progress")
    names, areas = source.names("indicator"), source.names("area")
    unknown = unmodelled(source.inputs, lang)
    rows: list[tuple[Cell, ...]] = []
    why: list[tuple[Cell, ...]] = []
    for i, row in enumerate(table.iter_rows(named=True), 1):
        unit = str(row["unit"])
        name = names.get(row["id"], row["id"])
        if row["area"] != PROVINCE:
            name = say("place_and_name", place=areas.get(row["area"], row["area"]), name=name)
        number = Number(float(i), str(i))
        remaining = _remaining(row)
        rows.append(
            (
                number,
                name,
                year(row["target_year"]),
                t(f"progress.light.{row['light']}", lang),
                period_text(row["period"], lang),
                *(amount(row[key], unit, lang, weak=key == "actual" and row["quality"] in WEAK) for key in ("actual", "path")),
                "-" if row["target"] is None else Number(row["target"] / divisor(unit, lang), goal(row["target"], unit, lang)),
                gap(remaining, unit, lang),
                *(amount(row[key], unit, lang) for key in ("needed_per_year", "achieved_per_year")),
                unit_label(unit, lang) or say("year_unit"),
            )
        )
        text = reason_text(row, lang)
        if row["id"] in unknown:
            text += ("" if lang == "zh" else " ") + t("progress.not_modelled", lang, reason=unknown[row["id"]])
        why.append((number, name, text))
    heads = (
        say("number"),
        t("scorecard.indicator", lang),
        t("scorecard.year", lang),
        t("progress.light.title", lang),
        t("progress.period", lang),
        t("scorecard.actual", lang),
        t("progress.path", lang),
        t("scorecard.target", lang),
        say("progress.remaining"),
        t("progress.needed", lang),
        t("progress.achieved", lang),
        t("scorecard.unit", lang),
    )
    as_of = int(table["as_of"][0])
    listed = Table(
        "progress",
        say("progress.title", year=as_of),
        say("progress.sheet"),
        columns(heads, (0.5, 2.8, 0.7, 0.6, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.1), (1, 3, 4, 11)),
        tuple(rows),
        notes=(say("progress.note", base=BASE_YEAR), say("mark_note", mark=MARK)),
        wide=True,
    )
    reasons = Table(
        "progress_reasons",
        say("progress.reasons_title"),
        say("progress.reasons_sheet"),
        columns((say("number"), t("scorecard.indicator", lang), say("reasons.reason")), (0.6, 3, 7), (1, 2)),
        tuple(why),
        wide=True,
    )
    return Section(say("progress.chapter"), (Text(say("progress.lead", year=as_of)), listed, reasons))


def _remaining(row: Mapping[str, Any]) -> float | None:
    """Return what is missing of the target, positive = still to go."""
    if row["actual"] is None or row["target"] is None or row["reason"] == "other_unit":
        return None
    missing = float(row["target"]) - float(row["actual"])
    return missing if row["direction"] == "at_least" else -missing


def missed(source: Source) -> Section:
    """Return a short text on each target that is missed, is due without an actual value, or has no model."""
    say = source.say
    blocks: list[Block] = []
    for group, verdicts in (("missed", ("missed",)), ("pending", ("actual_pending",)), ("not_modelled", (NOT_MODELLED,))):
        lines = [line for line in source.lines if line.verdict in verdicts]
        if not lines:
            continue
        blocks.append(Text(say(f"missed.{group}", count=len(lines))))
        blocks += [
            Text(say("missed.line", name=place_and_name(line, source), year=line.year, reason=reason(line, source)), "item")
            for line in lines
        ]
    return Section(say("missed.chapter"), tuple(blocks) or (Text(say("missed.none")),))


def evaluation_summary(source: Source) -> Section:
    """Return the chapter that says how many clauses there are of each kind and how the targets stand."""
    say = source.say
    kinds = source.names("clause_status")
    counts = dict(source.inputs.table("targets/clauses").group_by("status").len().iter_rows())
    listed = [say("clauses.count", kind=kinds[code], count=counts[code]) for code in kinds if code in counts]
    joint = "，" if source.lang == "zh" else ", "
    met = sum(line.verdict in MET for line in source.lines)
    lines = [
        Text(say("evaluation.clauses", count=sum(counts.values()), kinds=joint.join(listed))),
        Text(
            say(
                "evaluation.targets",
                targets=len(source.lines),
                met=met,
                missed=sum(line.verdict == "missed" for line in source.lines),
                pending=sum(line.verdict == "actual_pending" for line in source.lines),
                unmodelled=sum(line.verdict == NOT_MODELLED for line in source.lines),
                scenario=source.title,
            )
        ),
        Text(say("evaluation.actuals", run=dict(identity(source))[say("line.run")])),
    ]
    return Section(say("summary.chapter"), tuple(lines))
