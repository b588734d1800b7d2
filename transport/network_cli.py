"""The command ``transport network``: build, check, show and export networks.

Sub-verbs stand in :data:`VERBS`: a function that adds a parser with ``set_defaults(command=...)``. A command returns its exit code.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from transport.i18n import t
from transport.layout import BASE_YEAR
from transport.network_freight import add_freight
from transport.network_show import err, label_of, out, print_table, show

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Mapping, Sequence

    import networkx as nx
    import polars as pl

    from transport.findings import Finding
    from transport.inputs import Inputs

    Adder = Callable[[Any, Sequence[argparse.ArgumentParser]], None]
    Row = dict[str, Any]

OK, FAILURE, FINDINGS = 0, 1, 2
TABLES = ("nodes", "links", "zones", "connectors")
FORMATS = ("tables", "tntp", "gmns", "graphml")
EXPORTS = ("geojson", "graphml", "gmns", "tables", "omx")
NETWORKS = ("compact", "fine")


@dataclass(frozen=True)
class Source:
    """A network: its graph, and where there are any, the inputs and the tables it comes from."""

    graph: nx.MultiDiGraph[Any]
    inputs: Inputs | None
    tables: Mapping[str, pl.DataFrame] | None


def register(verbs: Any, parents: Sequence[argparse.ArgumentParser]) -> None:
    """Add ``network`` and its sub-verbs to the command line.

    Parameters
    ----------
    verbs
        What ``add_subparsers`` returned.
    parents
        Parsers of the common options: language, JSON, data pack.
    """
    parser = verbs.add_parser("network", help="help.command.network")
    sub = parser.add_subparsers(required=True, metavar="WHAT")
    for add in VERBS:
        add(sub, parents)


def _add_build(sub: Any, parents: Sequence[argparse.ArgumentParser]) -> None:
    build = sub.add_parser("build", parents=parents, help="help.command.network_build")
    _source_options(build)
    build.add_argument("--out", type=Path, help="help.network.out")
    build.add_argument("--force", action="store_true", help="help.network.force")
    build.set_defaults(command=_guarded(_build))


def _add_check(sub: Any, parents: Sequence[argparse.ArgumentParser]) -> None:
    check = sub.add_parser("check", parents=parents, help="help.command.network_check")
    _source_options(check)
    check.set_defaults(command=_guarded(_check))


def _add_show(sub: Any, parents: Sequence[argparse.ArgumentParser]) -> None:
    parser = sub.add_parser("show", parents=parents, help="help.command.network_show")
    parser.add_argument("what", nargs="?", help="help.network.what")
    parser.add_argument("--mode", help="help.network.mode")
    parser.add_argument("--line", help="help.network.line")
    parser.add_argument("--network", choices=NETWORKS, default="compact", help="help.network.network")
    parser.set_defaults(command=_guarded(_show))


def _add_export(sub: Any, parents: Sequence[argparse.ArgumentParser]) -> None:
    export = sub.add_parser("export", parents=parents, help="help.command.network_export")
    _source_options(export, name="--source-format")
    export.add_argument("--format", dest="to", choices=EXPORTS, required=True, help="help.network.format")
    export.add_argument("--out", type=Path, required=True, help="help.network.out_export")
    export.add_argument("--run", type=Path, help="help.network.run")
    export.add_argument("--force", action="store_true", help="help.network.force_export")
    export.set_defaults(command=_guarded(_export))


#: What ``transport network`` can do, in the order of its help.
VERBS: tuple[Adder, ...] = (_add_build, _add_check, _add_show, _add_export, add_freight)


def _source_options(parser: argparse.ArgumentParser, *, name: str = "--format") -> None:
    parser.add_argument("--year", type=int, default=BASE_YEAR, help="help.network.year")
    parser.add_argument("--network", choices=NETWORKS, help="help.network.network_options")
    parser.add_argument("--from", dest="source", type=Path, help="help.network.from")
    parser.add_argument(name, dest="format", choices=FORMATS, default="tables", help="help.network.source_format")


def _guarded(command: Callable[[argparse.Namespace], int]) -> Callable[[argparse.Namespace], int]:
    """Return the command with problems of network files as messages instead of tracebacks."""

    def run(args: argparse.Namespace) -> int:
        from networks.errors import NetworkError

        try:
            return command(args)
        except NetworkError as error:
            if args.json:
                out(json.dumps({"error": str(error).splitlines()}, ensure_ascii=False))
            else:
                err(t("network.refused", args.lang, problem=str(error)))
            return FINDINGS

    return run


# ---- where a network comes from ----


def _source(args: argparse.Namespace) -> Source:
    from networks import formats
    from networks.graph import build_graph

    tables: Mapping[str, pl.DataFrame] | None = None
    inputs = None
    if args.source is None:
        from transport.inputs import load_inputs, network_tables

        inputs = load_inputs(pack=args.pack, lang=args.lang)
        tables = network_tables(inputs, args.network or _network_of_run(args))
    elif args.format == "tables":
        tables = formats.read_tables(args.source)
    if tables is not None:
        return Source(build_graph(*(tables[name] for name in TABLES), year=args.year), inputs, tables)
    if args.format == "gmns":
        return Source(formats.read_gmns(args.source), None, None)
    if args.format == "graphml":
        return Source(formats.read_graphml(args.source), None, None)
    net, trips = _tntp_files(args.source)
    return Source(formats.read_tntp(net, trips)[0], None, None)


def _network_of_run(args: argparse.Namespace) -> str:
    """Return the road network that the run to be joined was made on."""
    from transport.store import read_run

    run = getattr(args, "run", None)
    return "compact" if run is None else read_run(run).network


def _tntp_files(source: Path) -> tuple[Path, Path]:
    """Return the net and the trips file: given by the folder that holds both, or by the net file with the trips file beside it."""
    from networks.errors import NetworkError

    nets = sorted(source.glob("*_net.tntp")) if source.is_dir() else [source]
    if len(nets) != 1 or not nets[0].name.endswith("_net.tntp"):
        msg = f"{source}: give a file *_net.tntp, or a folder that holds one, with *_trips.tntp beside it"
        raise NetworkError(msg)
    return nets[0], nets[0].with_name(nets[0].name.replace("_net.tntp", "_trips.tntp"))


# ---- build ----


def _build(args: argparse.Namespace) -> int:
    from networks.formats import write_graphml, write_tables
    from networks.graph import open_links
    from networks.inspection import by_class, components, link_table

    if args.out is not None and not _free(args.out, args):
        return FINDINGS
    source = _source(args)
    links = link_table(source.graph)
    classes = by_class(links)
    groups = components(links)
    counts = _counts(source, links)
    year = source.graph.graph.get("year", args.year)
    if args.out is not None:
        if source.tables is not None:
            tables = {name: source.tables[name] for name in TABLES}
            write_tables(args.out, {**tables, "links": open_links(tables["links"], args.year)})
        write_graphml(args.out / "graph.graphml", source.graph)
    if args.json:
        sizes = {mode: [len(group) for group in found] for mode, found in groups.items()}
        out(json.dumps({"year": year, **counts, "classes": classes.to_dicts(), "components": sizes}))
        return OK
    out(t("network.counts", args.lang, year=year, **counts))
    print_table(_classes(classes, source, args.lang))
    for mode, found in groups.items():
        sizes_text = ", ".join(str(len(group)) for group in found)
        out(
            t(
                "network.components",
                args.lang,
                mode=label_of(source.inputs, "mode", mode, args.lang),
                count=len(found),
                sizes=sizes_text,
            )
        )
    if args.out is not None:
        out(t("network.written", args.lang, path=args.out))
    return OK


def _counts(source: Source, links: pl.DataFrame) -> dict[str, int]:
    """Return nodes, links, zones, connectors and terminals of a graph."""
    import polars as pl

    from networks.graph import ZONE_PREFIX

    connectors = links.filter(pl.col("is_connector"))
    zones = sum(str(node).startswith(ZONE_PREFIX) for node in source.graph)
    access = connectors.filter(pl.col("link_class") != "connector").select(pl.col("to_node"), pl.col("link_class"))
    return {
        "nodes": source.graph.number_of_nodes() - zones,
        "links": links.height - connectors.height,
        "zones": zones,
        "connectors": connectors.height,
        "terminals": access.unique().height,
    }


def _classes(classes: pl.DataFrame, source: Source, lang: str) -> pl.DataFrame:
    import polars as pl

    rows = [
        {
            t("network.mode", lang): label_of(source.inputs, "mode", r["mode"], lang),
            t("network.class", lang): label_of(source.inputs, "link_class", r["link_class"], lang),
            t("network.links", lang): r["links"],
            t("network.km", lang): f"{r['km']:,.0f}",
            t("network.province_km", lang): f"{r['province_km']:,.0f}",
            t("network.derived", lang): f"{100 * r['derived_km_share']:.0f} %",
            t("network.open", lang): f"{100 * r['open_km_share']:.0f} %",
        }
        for r in classes.iter_rows(named=True)
    ]
    return pl.DataFrame(rows)


# ---- check ----


def _check(args: argparse.Namespace) -> int:
    from transport.check_problems import format_finding

    errors, notes = _findings(args)
    if args.json:
        out(json.dumps({"findings": [f.as_dict() for f in errors], "notes": [f.as_dict() for f in notes]}, ensure_ascii=False))
        return FINDINGS if errors else OK
    for finding in errors:
        out(format_finding(finding, args.lang))
    if notes:
        out(t("network.notes", args.lang))
    for finding in notes:
        out("  " + format_finding(finding, args.lang))
    out(t("cli.findings", args.lang, count=len(errors)) if errors else t("network.clean", args.lang, notes=len(notes)))
    return FINDINGS if errors else OK


def _findings(args: argparse.Namespace) -> tuple[list[Finding], list[Finding]]:
    """Return the findings that stop a run or spoil a result, and the notes on what the network rests on."""
    from transport import network_check
    from transport.check_problems import words
    from transport.findings import DataError

    if args.source is not None:
        if args.format == "tables":
            from networks.formats import read_tables

            tables = read_tables(args.source)
            found = network_check.table_problems(tables)
            if found:
                return words(found, args.lang), []
        source = _source(args)
        return network_check.weaknesses(source.graph, source.tables, args.source.name, {}, args.lang, {})
    try:
        source = _source(args)
    except DataError as error:
        return [f for f in error.findings if "networks/" in f.file] or error.findings, []
    places = network_check.places(args.pack)
    return network_check.weaknesses(
        source.graph, source.tables, "data/networks/links.csv", places, args.lang, _modes(source, args.lang)
    )


def _modes(source: Source, lang: str) -> dict[str, str]:
    from transport.i18n import labels

    return {} if source.inputs is None else labels(source.inputs, "mode", lang)


def _show(args: argparse.Namespace) -> int:
    from transport.inputs import load_inputs, network_tables

    inputs = load_inputs(pack=args.pack, lang=args.lang)
    return show(network_tables(inputs, args.network), inputs, args)


# ---- export ----


def _export(args: argparse.Namespace) -> int:
    from networks import formats
    from networks.graph import open_links

    if not _free(args.out, args):
        return FINDINGS
    if args.to == "omx":
        return _export_od(args)
    source = _source(args)
    left_out = 0
    if args.to == "geojson":
        shapes = _shapes(source)
        left_out = formats.write_geojson(args.out, source.graph, shapes=shapes, joined=_flows(args))
    elif args.to == "graphml":
        formats.write_graphml(args.out, source.graph)
    elif args.to == "gmns":
        formats.write_gmns(args.out, source.graph)
    elif source.tables is None:
        err(t("network.no_tables", args.lang))
        return FINDINGS
    else:
        tables = {name: source.tables[name] for name in TABLES}
        formats.write_tables(args.out, {**tables, "links": open_links(tables["links"], args.year)})
    if args.json:
        out(json.dumps({"path": str(args.out), "format": args.to, "without_place": left_out}))
        return OK
    out(t("network.written", args.lang, path=args.out))
    if left_out:
        out(t("network.without_place", args.lang, count=left_out))
    return OK


def _export_od(args: argparse.Namespace) -> int:
    """Write the OD matrices of a run, one per commodity [t/yr], over the zones of the data."""
    import polars as pl

    from networks.formats import od_matrices, write_omx
    from transport.inputs import load_inputs
    from transport.store import read_run

    if args.run is None:
        err(t("network.needs_run", args.lang))
        return FINDINGS
    rows = _of_year(read_run(args.run).table("freight_od"), args)
    summed = rows.group_by("origin", "destination", "commodity").agg(t_per_year=pl.col("t").sum())
    zones = sorted(load_inputs(pack=args.pack, lang=args.lang).table("networks/zones")["zone_id"].to_list())
    matrices = od_matrices(summed.sort("commodity", "origin", "destination"), zones)
    write_omx(args.out, matrices, zones)
    if args.json:
        totals = {name: float(matrix.sum()) for name, matrix in matrices.items()}
        out(json.dumps({"path": str(args.out), "format": "omx", "zones": len(zones), "t_per_year": totals}))
        return OK
    out(t("network.matrices", args.lang, count=len(matrices), zones=len(zones), year=args.year, path=args.out))
    return OK


def _of_year(table: pl.DataFrame, args: argparse.Namespace) -> pl.DataFrame:
    import polars as pl

    from networks.errors import NetworkError

    found = table.filter(pl.col("year") == args.year)
    if found.is_empty():
        years = table["year"].unique().sort().to_list()
        raise NetworkError(t("network.no_year", args.lang, year=args.year, years=", ".join(map(str, years))))
    return found


def _flows(args: argparse.Namespace) -> dict[str, Row]:
    """Return the flows of a run by link, nothing without a run."""
    if args.run is None:
        return {}
    from transport.store import read_run

    rows = _of_year(read_run(args.run).table("freight_links"), args)
    known = {"link_id", "from_node", "to_node", "mode"}
    return {r["link_id"]: {k: v for k, v in r.items() if k not in known} for r in rows.iter_rows(named=True)}


def _shapes(source: Source) -> dict[str, list[tuple[float, float]]]:
    """Return the polylines of the data where it has any."""
    from networks.geojson import shapes_of

    if source.inputs is None or "networks/shapes" not in source.inputs.tables:
        return {}
    return shapes_of(source.inputs.table("networks/shapes"))


# ---- printing ----


def _free(path: Path, args: argparse.Namespace) -> bool:
    """Return whether a path may be written; say so if not."""
    taken = any(path.iterdir()) if path.is_dir() else path.exists()
    if taken and not args.force:
        err(t("network.taken", args.lang, path=path))
        return False
    return True
