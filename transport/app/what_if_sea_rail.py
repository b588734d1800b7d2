"""What the what-if page shows of boxes on trains, as plain frames: result tables of a run in, names and units of the reader out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import polars as pl

from transport.app.what_if_tables import MONEY, TEU, badge, joint
from transport.i18n import has_text, labels, t
from transport.layout import BASE_YEAR, PROVINCE
from transport.text import period_text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from transport.app.freight_tables import Names
    from transport.inputs import Inputs

#: Parts of throughput with what each box counts, in the order of the stack.
PARTS: Mapping[str, float] = {"sea_rail": 1.0, "road": 1.0, "transhipped": 2.0, "residual": 1.0}
#: Chains listed.
TOP = 20


@dataclass(frozen=True)
class Reached:
    """Whether and when a share is reached.

    Attributes
    ----------
    target_pct, target_year
        What was promised.
    first
        First year at or above the target after the base year, None = never.
    at_target
        Share in the target year [percent].
    best, best_year
        Highest share of the path and its first year.
    gap_teu
        Boxes lacking in the target year; negative = to spare [TEU/yr].
    observed_period, observed_pct, error_points
        Last published share, and model minus published.
    first_corrected, at_target_corrected
        First year at the target (None = never) and share in the target year if that error is taken off every year after the last published one.
    """

    target_pct: float
    target_year: int
    first: int | None
    at_target: float
    best: float
    best_year: int
    gap_teu: float
    observed_period: str
    observed_pct: float | None
    error_points: float
    first_corrected: int | None
    at_target_corrected: float


def reached(path: pl.DataFrame) -> Reached | None:
    """Return whether the province reaches its share of boxes on trains; None if the path holds no target.

    Parameters
    ----------
    path
        Result table ``sea_rail_path``.
    """
    whole = path.filter(pl.col("zone_id") == PROVINCE).sort("year")
    promised = whole.drop_nulls("target_share_pct")
    if promised.is_empty():
        return None
    goal = promised.row(0, named=True)
    later = whole.filter(pl.col("year") > BASE_YEAR).drop_nulls("share_pct")
    seen = whole.drop_nulls("share_error_points").tail(1).to_dicts()
    error = float(seen[0]["share_error_points"]) if seen else 0.0

    last = int(seen[0]["year"]) if seen else BASE_YEAR

    def first(off: float, after: int) -> int | None:
        found = later.filter(pl.col("year") > after, pl.col("share_pct") - off >= goal["target_share_pct"])["year"]
        return None if found.is_empty() else int(found[0])

    top = later.sort("share_pct", "year", descending=[True, False]).row(0, named=True)
    return Reached(
        target_pct=float(goal["target_share_pct"]),
        target_year=int(goal["year"]),
        first=first(0.0, BASE_YEAR),
        at_target=float(goal["share_pct"]),
        best=float(top["share_pct"]),
        best_year=int(top["year"]),
        gap_teu=float(goal["target_share_pct"] / 100.0 * goal["teu_throughput"] - goal["sea_rail_teu"]),
        observed_period=str(seen[0]["observed_period"]) if seen else "",
        observed_pct=float(seen[0]["observed_share_pct"]) if seen else None,
        error_points=error,
        first_corrected=first(error, last),
        at_target_corrected=float(goal["share_pct"]) - (error if goal["year"] > last else 0.0),
    )


def tightest(chains: pl.DataFrame, year: int) -> pl.DataFrame:
    """Return the fullest places on the way of boxes in a year: kind, place, vc_ratio, teu of the chains whose fullest place it is; fullest first.

    Parameters
    ----------
    chains
        Result table ``sea_rail_chains``.
    year
        One of its years.
    """
    rows = chains.filter(pl.col("year") == year).drop_nulls("tightest_place")
    return (
        rows.group_by(kind="tightest_kind", place="tightest_place")
        .agg(vc_ratio=pl.col("tightest_vc_ratio").max(), teu=(pl.col("loaded_teu") + pl.col("empty_teu")).sum())
        .sort("vc_ratio", "place", descending=[True, False])
    )


def path_rows(path: pl.DataFrame, zone: str, data: Inputs, lang: str) -> pl.DataFrame:
    """Return the path of the province or a port on the reader's scale, with what was published and its quality.

    Parameters
    ----------
    path
        Result table ``sea_rail_path``.
    zone
        Port, or the province.
    data
        For labels.
    lang
        ``zh`` or ``en``.
    """
    uses, qualities = labels(data, "used_for", lang), labels(data, "quality", lang)
    rows = path.filter(pl.col("zone_id") == zone).sort("year")
    return rows.select(
        "year",
        share="share_pct",
        teu=pl.col("sea_rail_teu") / TEU[lang],
        throughput=pl.col("teu_throughput") / TEU[lang],
        target="target_share_pct",
        period=pl.col("observed_period").map_elements(lambda period: period_text(period, lang), return_dtype=pl.String),
        observed_share="observed_share_pct",
        implied=pl.when(pl.col("observed_share_pct").is_null()).then(100.0 * pl.col("observed_teu") / pl.col("teu_throughput")),
        error="share_error_points",
        observed_teu=pl.col("observed_teu") / TEU[lang],
        teu_error=pl.when(pl.col("observed_teu").is_not_null()).then(
            100.0 * (pl.col("sea_rail_teu") / pl.col("observed_teu") - 1.0)
        ),
        use=pl.col("used_for").replace_strict(uses, default=pl.col("used_for"), return_dtype=pl.String),
        quality=pl.Series([None if code is None else badge(code, qualities, lang) for code in rows["quality"]], dtype=pl.String),
    )


def port_parts(ports: pl.DataFrame, names: Names, year: int, lang: str) -> pl.DataFrame:
    """Return throughput of the province's ports by part (columns of :data:`PARTS`), observed throughput, gateway boxes and share; the province last.

    Parameters
    ----------
    ports
        Result table ``sea_rail_ports``.
    names
        Names of places.
    year
        Calendar year.
    lang
        ``zh`` or ``en``.
    """
    rows = ports.filter(pl.col("year") == year, pl.col("in_province")).sort("teu_throughput", descending=True)
    amounts = {"throughput": "teu_throughput", "observed": "observed_teu", "gateway": "gateway_teu"}
    columns = {part: pl.col(f"{part}_teu") * times for part, times in PARTS.items()} | {k: pl.col(v) for k, v in amounts.items()}
    scaled = {name: column / TEU[lang] for name, column in columns.items()}
    found = rows.select(port=pl.col("zone_id").replace_strict(names.places, default=pl.col("zone_id")), **scaled)
    whole = found.select(pl.lit(names.places[PROVINCE]).alias("port"), pl.col(pl.Float64).sum())
    if found["observed"].null_count():
        whole = whole.with_columns(observed=pl.lit(None, dtype=pl.Float64))
    return pl.concat([found, whole]).with_columns(
        share=100.0 * pl.col("sea_rail") / pl.col("throughput"),
        closes=pl.sum_horizontal(*PARTS) - pl.col("throughput"),
    )


def part_bars(table: pl.DataFrame, lang: str) -> pl.DataFrame:
    """Return the parts of throughput of the ports as rows: name, part (label), amount.

    Parameters
    ----------
    table
        From :func:`port_parts`; the province is left out.
    lang
        ``zh`` or ``en``.
    """
    names = {part: t(f"what_if.part_{part}", lang) for part in PARTS}
    long = table.head(-1).unpivot(on=list(PARTS), index="port", variable_name="part", value_name="amount")
    return long.select(name="port", part=pl.col("part").replace_strict(names), amount="amount")


def changes(table: pl.DataFrame, zone: str, *, single: bool) -> pl.DataFrame:
    """Return the change of the share between two years: period, from, to, change, by boxes on trains, by throughput [percent and points].

    Parameters
    ----------
    table
        Result table ``sea_rail_change``.
    zone
        Port, or the province.
    single
        Consecutive years, or the longer spans.
    """
    years = pl.col("to_year") - pl.col("from_year")
    rows = table.filter(pl.col("zone_id") == zone, years == 1 if single else years > 1).sort("from_year", "to_year")
    return rows.select(
        period=pl.format("{}-{}", "from_year", "to_year"),
        start="from_share_pct",
        end="to_share_pct",
        change="change_points",
        by_boxes="by_sea_rail_points",
        by_throughput="by_throughput_points",
    )


def chain_rows(chains: pl.DataFrame, names: Names, year: int, lang: str, top: int = TOP) -> pl.DataFrame:
    """Return the largest chains of a year: port, direction, inland terminal, lines, boxes, distances, trains and the fullest place on the way.

    Parameters
    ----------
    chains
        Result table ``sea_rail_chains``.
    names
        Names of places and links.
    year
        One of its years.
    lang
        ``zh`` or ``en``.
    top
        Rows.
    """
    rows = (
        chains.filter(pl.col("year") == year)
        .with_columns(teu=pl.col("loaded_teu") + pl.col("empty_teu"))
        .sort("teu", "zone_id", "inland_place", descending=[True, False, False])
        .head(top)
    )
    ways = {code: t(f"what_if.way_{code}", lang) for code in ("to_sea", "from_sea")}
    return rows.select(
        port=pl.col("zone_id").replace_strict(names.places, default=pl.col("zone_id")),
        way=pl.col("direction").replace_strict(ways),
        terminal=pl.col("inland_place").replace_strict(names.places, default=pl.col("inland_place")),
        teu=pl.col("teu") / TEU[lang],
        empty=100.0 * pl.col("empty_teu") / pl.col("teu"),
        rail_km="rail_km",
        drayage_km="drayage_km",
        trains="trains_per_day",
        tight=pl.Series(
            [place_name(kind, place, names) for kind, place in rows.select("tightest_kind", "tightest_place").iter_rows()],
            dtype=pl.String,
        ),
        vc_ratio="tightest_vc_ratio",
        corridor="corridor",
    )


def place_name(kind: str | None, place: str | None, names: Names) -> str | None:
    """Return the name of the fullest place on a way: a line's section, or a station.

    Parameters
    ----------
    kind
        ``line`` or a kind of terminal.
    place
        Its link or node.
    names
        Names of places and links.
    """
    if place is None:
        return None
    return (names.sections if kind == "line" else names.places).get(place, place)


def elasticities(table: pl.DataFrame, lang: str) -> pl.DataFrame:
    """Return the response of boxes on trains, of trucks on the whole way and of feeder trucks to prices, with the range of the cost scale.

    Parameters
    ----------
    table
        Result table ``sea_rail_elasticities``.
    lang
        ``zh`` or ``en``.
    """
    columns = ("sea_rail_teu", "road_line_haul_tkm", "drayage_tkm")
    made = []
    for price in table["price_of"].unique(maintain_order=True):
        of = {row["case"]: row for row in table.filter(pl.col("price_of") == price).iter_rows(named=True)}
        row = {"price": t(f"what_if.price_{price}", lang)}
        for name in columns:
            ends = sorted((of["scale.low"][name], of["scale.high"][name]))
            row[name] = f"{of['central'][name]:+.2f} ({ends[0]:+.2f} ~ {ends[1]:+.2f})"
        made.append(row)
    return pl.DataFrame(made, schema=dict.fromkeys(("price", *columns), pl.String))


def needs(table: pl.DataFrame, data: Inputs, lang: str) -> pl.DataFrame:
    """Return what reaches a share: kind, name, strength [percent of the way to the end], share, reached, outlay, levers; as the table orders them.

    Parameters
    ----------
    table
        From :func:`transport.sea_rail_cli.answer`.
    data
        For the labels of levers.
    lang
        ``zh`` or ``en``.
    """
    levers = dict(data.table("levers").select("lever", f"label_{lang}").iter_rows())
    rows = []
    for row in table.iter_rows(named=True):
        values = [one.partition("=") for one in row["levers"].split(", ") if one]
        key = f"what_if.package_{row['name']}"
        rows.append(
            {
                "kind": t(f"what_if.need_{row['kind']}", lang),
                "name": levers.get(row["name"], t(key, lang) if has_text(key, lang) else row["name"]),
                "reached": t(f"what_if.{'yes' if row['reached'] else 'no'}", lang),
                "share": row["share_pct"],
                "strength": 100.0 * row["strength"],
                "outlay": None if row["outlay_mcny"] is None else row["outlay_mcny"] * 1e6 / MONEY[lang],
                "levers": joint(lang).join(f"{levers.get(name, name)} {value}" for name, _, value in values),
            }
        )
    return pl.DataFrame(rows, infer_schema_length=None)
