"""What stands at the end of every report: difference to the base, method, quality of the data, sources and licences, identity of the run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from transport import __version__
from transport.bundled import is_bundled
from transport.i18n import t
from transport.layout import BASE_YEAR, QUALITY_ORDER
from transport.report.chapters import place_and_name
from transport.report.content import WEAK, Number, Section, Table, Text, amount, change, columns, plain, year
from transport.report.readings import headline_words, reading_rows, reading_sentence
from transport.scenario_words import differences
from transport.scorecard import scorecard
from transport.template.layout import cited
from transport.template.words import words_of_names
from transport.text import unit_label

if TYPE_CHECKING:
    from transport.report.content import Block, Cell
    from transport.report.source import Source

#: Parameters that are named as the ones to replace first.
MOST = 30
#: Sentences on the method, in order.
METHOD = (
    "scope",
    "years",
    "freight",
    "fleets",
    "travel",
    "energy",
    "intensity",
    "attribution",
    "verdict",
    "principle",
    "uncertainty",
)
_SHORT = 12


def difference(source: Source) -> Section:
    """Return how the scenario differs from its base, in words, and the targets of both where the base has been run."""
    say, lang = source.say, source.lang
    if source.base.resolved == source.run.manifest["resolved"]:
        return Section(say("difference.chapter"), (Text(say("difference.same", base=source.base.title)),))
    found = differences(source.base.resolved, source.run.manifest["resolved"], source.inputs, lang)
    blocks: list[Block] = [Text(say("difference.lead", scenario=source.title, base=source.base.title, count=len(found)))]
    rows: tuple[tuple[Cell, ...], ...] = tuple((Number(float(i), str(i)), text) for i, text in enumerate(found, 1))
    heads = (say("number"), say("difference.what"))
    blocks.append(
        Table(
            "difference",
            say("difference.title", base=source.base.title),
            say("difference.sheet"),
            columns(heads, (0.6, 9.0), (1,)),
            rows,
        )
    )
    if source.base.run is None:
        blocks.append(Text(say("difference.not_run", base=source.base.title), "note"))
    else:
        blocks.append(_beside(source))
    return Section(say("difference.chapter"), tuple(blocks))


def _beside(source: Source) -> Table:
    """Return the targets of both runs side by side."""
    say, lang = source.say, source.lang
    verdicts = source.names("verdict")
    assert source.base.run is not None  # noqa: S101  (the caller looked)
    definitions = source.inputs.table("indicators")
    before = {(line.id, line.area, line.year): line for line in scorecard(source.base.run.table("indicators"), definitions)}
    rows: list[tuple[Cell, ...]] = []
    for line in source.lines:
        other = before.get((line.id, line.area, line.year))
        both = None not in (line.value, other.value if other else None)
        more = (line.value or 0.0) - (other.value or 0.0) if other is not None and both else None
        rows.append(
            (
                place_and_name(line, source),
                year(line.year),
                "-" if other is None else amount(other.value, line.unit, lang, weak=other.quality in WEAK),
                amount(line.value, line.unit, lang, weak=line.quality in WEAK),
                change(more, line.unit, lang),
                unit_label(line.unit, lang) or say("year_unit"),
                "-" if other is None else verdicts[other.verdict],
                verdicts[line.verdict],
            )
        )
    heads = (
        t("scorecard.indicator", lang),
        t("scorecard.year", lang),
        say("difference.base"),
        say("difference.this"),
        say("difference.change"),
        t("scorecard.unit", lang),
        say("difference.base_verdict"),
        say("difference.this_verdict"),
    )
    return Table(
        "beside",
        say("difference.beside_title", base=source.base.title),
        say("difference.beside_sheet"),
        columns(heads, (4, 0.6, 1, 1, 0.9, 0.9, 1.4, 1.4), (0, 5, 6, 7)),
        tuple(rows),
    )


def method(source: Source) -> Section:
    """Return the annex on the method."""
    words = headline_words(source) | {"base_year": str(BASE_YEAR)}
    return Section(
        source.say("method.chapter"), tuple(Text(source.say(f"method.{key}", **words), "item") for key in METHOD), annex=True
    )


def quality(source: Source) -> Section:
    """Return the annex on the quality of the data: how many numbers of which quality were read, and which to replace first."""
    say = source.say
    qualities = source.names("quality")
    used = source.table("parameters_used").filter(pl.col("reads") > 0)
    counts = dict(used.group_by("quality").len().iter_rows())
    rows: list[tuple[Cell, ...]] = []
    for code in reversed(QUALITY_ORDER):
        if code in counts:
            number = counts[code]
            share = plain(100.0 * number / used.height)
            rows.append((qualities[code], plain(float(number), 0), share, say("quality.unverified") if code in WEAK else ""))
    heads = (t("scorecard.quality", source.lang), say("quality.rows"), say("quality.share"), say("quality.remark"))
    counted = Table("qualities", say("quality.title"), say("quality.sheet"), columns(heads, (2, 1, 1, 2), (0, 3)), tuple(rows))
    weak = sum(number for code, number in counts.items() if code in WEAK)
    lead = Text(say("quality.lead", weak=f"{weak:,}", rows=f"{used.height:,}", share=f"{100.0 * weak / max(used.height, 1):.0f}"))
    checks = source.table("checks")
    failed = checks.filter(~pl.col("passed"))
    tested = say("quality.checks", count=checks.height, failed=failed.height)
    named = "" if failed.is_empty() else say("quality.failed", names=", ".join(failed["check"].to_list()[:_SHORT]))
    return Section(
        say("quality.chapter"),
        (lead, Text(" ".join(filter(None, (tested, named)))), counted, _replace_first(source, used)),
        annex=True,
    )


def _replace_first(source: Source, used: pl.DataFrame) -> Table:
    """Return the unverified parameters that are read most and known least: reads x relative range, the largest first."""
    say = source.say
    values = source.inputs.parameters.select("parameter", "subject", "value", "low", "high", "unit")
    size = pl.col("value").abs()
    width = pl.when(size > 0).then((pl.col("high") - pl.col("low")) / size).otherwise(None)
    # a row per year: the widest stands for its key
    wide = (
        values.with_columns(width=width)
        .group_by("parameter", "subject", maintain_order=True)
        .agg(pl.col("width").max(), pl.col("unit").first())
    )
    weak = used.filter(pl.col("quality").is_in(list(WEAK))).join(wide, on=["parameter", "subject"], how="left")
    weak = weak.with_columns(rank=pl.col("reads") * pl.col("width").fill_null(0.0), recalled=pl.col("quality") == "recalled")
    by = weak.group_by("parameter").agg(
        rank=pl.col("rank").sum(),
        rows=pl.len(),
        recalled=pl.col("recalled").sum(),
        reads=pl.col("reads").sum(),
        width=pl.col("width").max(),
        unit=pl.col("unit").first(),
    )
    qualities, called = source.names("quality"), words_of_names(source.inputs, source.lang)
    rows: list[tuple[Cell, ...]] = []
    for i, row in enumerate(by.sort(["rank", "parameter"], descending=[True, False]).head(MOST).iter_rows(named=True), 1):
        worst = qualities["recalled" if row["recalled"] else "assumption"]
        width_ = "-" if row["width"] is None else plain(100.0 * row["width"], 0)
        rows.append(
            (
                Number(float(i), str(i)),
                say("replace.named", name=called.get(row["parameter"], row["parameter"]), code=row["parameter"]),
                plain(float(row["rows"]), 0),
                width_,
                plain(float(row["reads"]), 0),
                worst,
            )
        )
    heads = tuple(say(f"replace.{key}") for key in ("parameter", "rows", "width", "reads"))
    return Table(
        "replace_first",
        say("replace.title", most=MOST),
        say("replace.sheet"),
        columns((say("number"), *heads, t("scorecard.quality", source.lang)), (0.6, 4, 1, 1.4, 1.2, 1.4), (1, 5)),
        tuple(rows),
        notes=(say("replace.note"),),
    )


def sources(source: Source) -> Section:
    """Return the annex on sources: those of the numbers that the run read, the licences, who is to be named."""
    say = source.say
    used = (
        source.table("parameters_used")
        .filter(pl.col("reads") > 0)
        .with_columns(source=pl.col("source").str.split(" "))
        .explode("source")
    )
    counts = dict(used.group_by("source").len().iter_rows())
    known = {row["source"]: row for row in source.inputs.table("sources").iter_rows(named=True)}
    citations = cited(source.inputs, source.lang)
    order = sorted((code for code in counts if code in known), key=lambda code: (-counts[code], code))
    rows: list[tuple[Cell, ...]] = []
    for code in order:
        row = known[code]
        facts = tuple(str(row[key] or "-") for key in ("date", "licence"))
        rows.append((code, citations[code], *facts, plain(float(counts[code]), 0)))
    heads = tuple(say(f"sources.{key}") for key in ("code", "citation", "date", "licence", "rows"))
    table = Table(
        "sources",
        say("sources.title"),
        say("sources.sheet"),
        columns(heads, (1.6, 5, 1.1, 1.6, 0.8), (0, 1, 2, 3)),
        tuple(rows),
        notes=(say("sources.note"),),
    )
    return Section(say("sources.chapter"), (Text(say("sources.osm")), Text(say("sources.others")), table), annex=True)


def identity(source: Source) -> tuple[tuple[str, str], ...]:
    """Return label and text of the lines that say which run, data and program made the report."""
    say, manifest = source.say, source.run.manifest
    made = [
        (say("line.scenario"), f"{source.title} ({manifest['scenario']})"),
        (say("line.base"), source.base.title),
        (say("line.run"), str(manifest["run_id"])),
        (say("line.made"), str(manifest["created_at"])[:10]),
        (say("line.version"), str(manifest["version"])),
        (say("line.data"), str(manifest["data_hash"])[:_SHORT]),
    ]
    if manifest["version"] != __version__:
        made.append((say("line.report_version"), __version__))
    if is_bundled(source.run):
        made.append((say("line.origin"), say("line.bundled")))
    return tuple(made)


def definitions(source: Source) -> tuple[tuple[str, str], ...]:
    """Return what the numbers mean, as label and text: the run, the headline, every reading, method, difference, sources, hashes."""
    say, manifest, lang = source.say, source.run.manifest, source.lang
    made = [*identity(source)]
    made += [(say("line.scenario_hash"), str(manifest["scenario_hash"])), (say("line.data_hash"), str(manifest["data_hash"]))]
    made += [(say("definitions.headline"), t("app.intensity_note", lang, **headline_words(source)))]
    made += [
        (say("definitions.reading", number=i), reading_sentence(row, lang))
        for i, row in enumerate(reading_rows(source.table("indicators"), source.inputs), 1)
    ]
    made += [(say("method.chapter"), section.text) for section in method(source).blocks if isinstance(section, Text)]
    found = differences(source.base.resolved, manifest["resolved"], source.inputs, lang)
    made += [
        (say("definitions.difference", base=source.base.title), text)
        for text in found or [say("difference.same", base=source.base.title)]
    ]
    made += [(say("sources.chapter"), say(f"sources.{key}")) for key in ("osm", "others")]
    return tuple(made)
