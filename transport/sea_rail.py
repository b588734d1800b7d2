"""The sea-rail container chain: port, port rail yard, line, inland terminal, drayage; its boxes, ports, shares and what moved the shares.

Each box counts once, at its port. A train to an inland terminal takes back as many boxes as it brought, so what is lacking in the lighter direction
is empty; nothing here is chosen or fitted, it reads the flows and boxes of a solved freight model.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from networks.measure import MEASURE
from networks.parts import ALTERNATIVES, NEST
from transport.freight_demand import COMMODITIES
from transport.layout import FIRST_YEAR, PROVINCE, YEARS, year_index
from transport.sea_rail_path import FIRST_SHARE, path_table

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from networks.skim import Skim
    from transport.freight_model import FreightModel
    from transport.freight_ports import PortBoxes
    from transport.freight_prepare import Tables
    from transport.params import Params

    Array = NDArray[np.float64]

TO_PORT, FROM_PORT = "to_sea", "from_sea"
#: Pairs of years whose change of share is split, beside all consecutive ones.
SPANS: tuple[tuple[int, int], ...] = ((2018, 2020), (2019, 2021), (2020, 2022), (2020, 2025), (2025, 2030), (2030, 2035))
_BOXES, _RAIL = COMMODITIES.index("containers"), 1
_LINES_NAMED = 3
_DAYS = 365.0
CHAINS = {
    "year": pl.Int64,
    "zone_id": pl.String,
    "direction": pl.String,
    "inland_kind": pl.String,
    "inland_place": pl.String,
    "inland_zone": pl.String,
    "corridor": pl.String,
    "loaded_teu": pl.Float64,
    "empty_teu": pl.Float64,
    "boxes_20ft": pl.Float64,
    "boxes_40ft": pl.Float64,
    "t": pl.Float64,
    "rail_km": pl.Float64,
    "drayage_km": pl.Float64,
    "dwell_h": pl.Float64,
    "handling_kwh": pl.Float64,
    "trains_per_day": pl.Float64,
    "tightest_kind": pl.String,
    "tightest_place": pl.String,
    "tightest_vc_ratio": pl.Float64,
    "free_teu": pl.Float64,
}
CHANGES = {
    "zone_id": pl.String,
    "from_year": pl.Int64,
    "to_year": pl.Int64,
    "from_share_pct": pl.Float64,
    "to_share_pct": pl.Float64,
    "change_points": pl.Float64,
    "by_sea_rail_points": pl.Float64,
    "by_throughput_points": pl.Float64,
}


@dataclass(frozen=True)
class Used:
    """What the year's traffic leaves on lines and at terminals: tables ``freight_links`` and ``freight_terminals``, and the line of each link."""

    links: pl.DataFrame
    terminals: pl.DataFrame
    line_of: Mapping[str, str]


# --- chains -------------------------------------------------------------------------------------------------------------------------


def balanced_boxes(out_t: Array, back_t: Array, teu: float) -> tuple[Array, Array, float]:
    """Return loaded and empty boxes of trains that take back as many boxes as they brought.

    Parameters
    ----------
    out_t, back_t
        Tonnes towards the sea and from the sea by port and inland terminal ``[pair]`` [t/yr].
    teu
        All boxes of these pairs, both directions, empty ones among them [TEU/yr].

    Returns
    -------
    loaded
        ``[direction, pair]`` [TEU/yr]: towards the sea, then from the sea.
    empty
        The same for empty boxes; loaded + empty are equal in both directions of every pair, and all together are ``teu``.
    load
        Tonnes per loaded box that this takes [t/TEU]; 0 without boxes.

    Notes
    -----
    ``boxes of a pair = 2 max(out, back) / load``, ``load = sum of 2 max(out, back) / teu``: the empty boxes are the fewest that leave no terminal with
    boxes piling up.

    Examples
    --------
    >>> loaded, empty, load = balanced_boxes(np.array([300.0]), np.array([100.0]), 60.0)
    >>> loaded.tolist(), empty.tolist(), load
    ([[30.0], [10.0]], [[0.0], [20.0]], 10.0)
    """
    t = np.stack([out_t, back_t])
    heavier = t.max(axis=0)
    whole = 2.0 * float(heavier.sum())
    if whole <= 0.0 or teu <= 0.0:
        return np.zeros_like(t), np.zeros_like(t), 0.0
    load = whole / teu
    return t / load, (heavier - t) / load, load


def chain_frame(params: Params, model: FreightModel, boxes: PortBoxes, used: Used, year: int) -> pl.DataFrame:
    """Return the table ``sea_rail_chains`` of one year, draw 0: boxes on trains by port, direction and inland terminal.

    Parameters
    ----------
    params
        Parameters of the run.
    model
        A solved model with the flows of that year.
    boxes
        From :func:`transport.freight_ports.port_boxes`.
    used
        Use of lines and terminals; other years in it are ignored.
    year
        Calendar year.

    Returns
    -------
    polars.DataFrame
        Columns of :data:`CHAINS`: ``zone_id`` of the port (those outside the province too), ``inland_kind`` and ``inland_place`` as in ``freight_terminals``,
        ``inland_zone`` the place that sends or gets most there, ``corridor`` the longest lines of the way, boxes [TEU/yr and box/yr], ``t`` [t/yr],
        mean ``rail_km`` and ``drayage_km`` of a tonne, ``dwell_h`` of a box at its terminals, ``handling_kwh`` of the rail yard of the port and the
        inland terminal [kWh/yr], and of the lines and terminals on the way the fullest one with the boxes that it has room for.
    """
    position = year_index(year)
    hauls = _hauls(model, position)
    if hauls.is_empty():
        return pl.DataFrame(schema=CHAINS)
    keys = ["port", "direction", "inland_kind", "inland_place"]
    way = ["start", "end"]
    most = pl.col("inland_zone").sort_by("t", descending=True).first()
    heavy = [pl.col(name).sort_by("t", descending=True).first() for name in way]
    mean = [((pl.col(name) * pl.col("t")).sum() / pl.col("t").sum()).alias(name) for name in ("rail_km", "drayage_km")]
    rows = hauls.filter(pl.col("t") > 0).group_by(keys).agg(pl.col("t").sum(), most, *heavy, *mean).sort(keys)
    pairs = rows.group_by("port", "inland_kind", "inland_place").agg(
        *(pl.col("t").filter(pl.col("direction") == d).sum().alias(d) for d in (TO_PORT, FROM_PORT))
    )
    found = [_with_empties(pairs.filter(pl.col("port") == k).sort(keys[2:]), boxes, k, position) for k in range(len(boxes.ports))]
    # an empty box goes the way of the loaded one: where nothing is loaded in one direction, the row of the other lends its way
    base = rows.select("port", "inland_kind", "inland_place", "inland_zone", *way, "rail_km", "drayage_km").unique(
        ["port", "inland_kind", "inland_place"], keep="first", maintain_order=True
    )
    table = (
        pl.concat(found)
        .join(base, on=["port", "inland_kind", "inland_place"], how="left")
        .join(
            rows.select(*keys, "t", *(pl.col(n).alias(f"own_{n}") for n in ("inland_zone", *way, "rail_km", "drayage_km"))),
            on=keys,
            how="left",
        )
        .with_columns(pl.coalesce(f"own_{n}", n).alias(n) for n in ("inland_zone", *way, "rail_km", "drayage_km"))
        .with_columns(pl.col("t").fill_null(0.0))
        .sort(keys)
    )
    return _described(params, model, boxes, used, table, position)


def _hauls(model: FreightModel, position: int) -> pl.DataFrame:
    """Return tonnes of boxes on trains by row: port column, direction, inland terminal and zone, rail terminals, kilometres."""
    prepared = model.prepared
    state = prepared.states[prepared.state_of_year[position]]
    rows, flow = model.speed.adapt(state.rows, position), model.speed.solution.flows[position]
    demand, ids = prepared.demand.demand, np.array(prepared.zones.ids)
    pair = state.chains.pair[rows.chain]
    mine = np.flatnonzero(
        (demand.commodity[rows.demand] == _BOXES) & (NEST[rows.alternative] == _RAIL) & prepared.box_port[pair].any(axis=1)
    )
    pair, chain = pair[mine], rows.chain[mine]
    places = frozenset(prepared.outside_ports)
    is_port = prepared.zones.port | np.array([z in places for z in prepared.zones.ids])
    seaward = is_port[demand.destination[pair]]
    inland = np.where(seaward, demand.origin[pair], demand.destination[pair])
    ends = np.full((2, state.chains.pair.size), -1, dtype=np.int64)
    start, end, of = state.wiring.legs["rail"]
    ends[0, of], ends[1, of] = start, end
    ends = ends[:, chain]
    station = np.array(state.inputs.rail.network.terminals)[np.where(seaward, ends[0], ends[1])]
    truck = np.array([_truck_ends(a) for a in ALTERNATIVES])[rows.alternative[mine]]
    trucked = np.where(seaward, truck[:, 0], truck[:, 1])
    site = (1.0 - model.costs.siding_share[0, position]) * rows.measure[mine, MEASURE["site_rail_km"]]
    return pl.DataFrame(
        {
            "port": prepared.box_port[pair].argmax(axis=1).astype(np.int64),
            "direction": np.where(seaward, TO_PORT, FROM_PORT),
            "inland_kind": np.where(trucked, "yard", "siding"),
            "inland_place": np.where(trucked, station, ids[inland]),
            "inland_zone": ids[inland],
            "start": ends[0],
            "end": ends[1],
            "t": flow[mine],
            "rail_km": rows.measure[mine, MEASURE["km_rail"]],
            "drayage_km": rows.measure[mine, MEASURE["km_road"]] + site,
        }
    )


def _truck_ends(alternative: str) -> tuple[bool, bool]:
    """Return whether a truck serves the first and the last end of a rail alternative."""
    parts = alternative.split("_")
    return (parts[1] == "truck", parts[2] == "truck") if parts[0] == "rail" else (False, False)


def _with_empties(pairs: pl.DataFrame, boxes: PortBoxes, port: int, position: int) -> pl.DataFrame:
    """Return loaded and empty boxes of one port by inland terminal and direction."""
    loaded, empty, _ = balanced_boxes(
        pairs[TO_PORT].to_numpy(), pairs[FROM_PORT].to_numpy(), float(boxes.sea_rail[port, 0, position])
    )
    frames = [
        pairs.select("port", "inland_kind", "inland_place").with_columns(
            pl.lit(direction).alias("direction"), pl.Series("loaded_teu", loaded[k]), pl.Series("empty_teu", empty[k])
        )
        for k, direction in enumerate((TO_PORT, FROM_PORT))
    ]
    return pl.concat(frames)


def _described(
    params: Params, model: FreightModel, boxes: PortBoxes, used: Used, table: pl.DataFrame, position: int
) -> pl.DataFrame:
    """Return the chains with names, box sizes, energy, trains and the tightest place on the way."""
    year = FIRST_YEAR + position
    state = model.prepared.states[model.prepared.state_of_year[position]]
    rail = model.frozen[model.prepared.state_of_year[position]].skims.get("rail") or state.inputs.rail

    def at(name: str, subject: str = "all") -> float:
        return float(params.get(name, subject)[0, position])

    links = {r["link_id"]: r for r in used.links.filter(pl.col("year") == year).iter_rows(named=True)}
    places = {(r["kind"], r["place"]): r for r in used.terminals.filter(pl.col("year") == year).iter_rows(named=True)}
    described: list[dict[str, object]] = []
    for row in table.iter_rows(named=True):
        port = boxes.ports[row["port"]]
        way = _links_on(rail, row["start"], row["end"])
        spots = [("line", i, links[i], max(links[i]["forward_t"], links[i]["backward_t"])) for i, _ in way if i in links]
        ends = (("port_yard", ("siding", port)), ("inland_terminal", (row["inland_kind"], row["inland_place"])))
        spots += [(name, key[1], places[key], places[key]["t_per_year"]) for name, key in ends if key in places]
        known = [
            (s["vc_ratio"], kind, place, s["capacity_t_per_year"] - t) for kind, place, s, t in spots if s["vc_ratio"] is not None
        ]
        ratio, kind, place, free_t = max(known, default=(None, None, None, None))
        described.append(
            {
                "zone_id": port,
                "corridor": _corridor(way, used.line_of),
                "tightest_kind": kind,
                "tightest_place": place,
                "tightest_vc_ratio": ratio,
                "free_teu": None if free_t is None else max(free_t, 0.0) * float(boxes.teu_per_t[row["port"], 0]),
            }
        )
    long_box, teu = at("box_40ft_share"), pl.col("loaded_teu") + pl.col("empty_teu")
    energy = at("box_transfer_energy", "port_rail_yard") + at("box_transfer_energy", "inland_terminal")
    shape = ["zone_id", "corridor", "tightest_kind", "tightest_place", "tightest_vc_ratio", "free_teu"]
    named = pl.DataFrame(described, schema={name: CHAINS[name] for name in shape})
    return pl.concat([table.drop("port"), named], how="horizontal").select(
        pl.lit(year, dtype=pl.Int64).alias("year"),
        "zone_id",
        *list(CHAINS)[2:7],
        "loaded_teu",
        "empty_teu",
        ((1.0 - long_box) * teu).alias("boxes_20ft"),
        (long_box * teu / 2.0).alias("boxes_40ft"),
        "t",
        "rail_km",
        "drayage_km",
        pl.lit(at("rail_terminal_dwell")).alias("dwell_h"),
        (energy * teu).alias("handling_kwh"),
        (teu / (_DAYS * at("box_train_teu"))).alias("trains_per_day"),
        *list(CHAINS)[-4:],
    )


def _links_on(rail: Skim, start: int, end: int) -> list[tuple[str, float]]:
    """Return the links and kilometres of the way between two stations, from the end back to the start."""
    network = rail.network
    root, vertex = int(network.origins[start]), int(network.destinations[end])
    found = []
    while vertex != root:
        arc = int(rail.arc_of[start, vertex])
        found.append((network.link_ids[network.link[arc]], float(network.length_km[arc])))
        vertex = int(rail.predecessor[start, vertex])
    return found


def _corridor(way: Sequence[tuple[str, float]], line_of: Mapping[str, str]) -> str:
    """Return the longest lines of a way, longest first."""
    km: dict[str, float] = {}
    for link, length in way:
        if link in line_of:
            km[line_of[link]] = km.get(line_of[link], 0.0) + length
    return " + ".join(sorted(km, key=lambda name: (-km[name], name))[:_LINES_NAMED])


# --- ports --------------------------------------------------------------------------------------------------------------------------


def port_table(params: Params, boxes: PortBoxes, chains: pl.DataFrame) -> pl.DataFrame:
    """Return the table ``sea_rail_ports`` of draw 0: boxes of every port and year.

    Parameters
    ----------
    params
        Parameters of the run.
    boxes
        From :func:`transport.freight_ports.port_boxes`.
    chains
        Table ``sea_rail_chains``; its years have loaded and empty boxes on trains.

    Returns
    -------
    polars.DataFrame
        ``teu_throughput`` = ``sea_rail_teu`` + ``road_teu`` + 2 x ``transhipped_teu`` + ``residual_teu`` of ports of the province; ``observed_teu`` where the
        data hold it; ``gateway_teu`` = ``sea_rail_teu`` + ``road_teu``; shares of boxes on trains in throughput and in gateway boxes; ``loaded_teu`` and ``empty_teu`` on trains, ``t_per_loaded_teu``;
        ``foreign_teu`` and ``domestic_teu`` of the throughput. A port outside the province has only the boxes of the places of the model.
    """
    frames = []
    for k, port in enumerate(boxes.ports):
        gateway, rail = boxes.gateway[k, 0], boxes.sea_rail[k, 0]
        inside = k < boxes.n_inside
        nothing = np.full(len(YEARS), np.nan)
        whole = boxes.throughput[k, 0] if inside else nothing
        foreign = params.get("port_foreign_share", port)[0] if inside else nothing
        frames.append(
            pl.DataFrame(
                {
                    "year": np.asarray(YEARS, dtype=np.int64),
                    "zone_id": [port] * len(YEARS),
                    "in_province": [inside] * len(YEARS),
                    "teu_throughput": whole,
                    "observed_teu": boxes.observed[k, 0] if inside else nothing,
                    "gateway_teu": gateway,
                    "sea_rail_teu": rail,
                    "road_teu": gateway - rail,
                    "transhipped_teu": boxes.transhipped[k, 0] if inside else nothing,
                    "residual_teu": boxes.residual[k, 0] if inside else nothing,
                    "share_pct": 100.0 * _ratio(rail, whole),
                    "gateway_share_pct": 100.0 * _ratio(rail, gateway),
                    "foreign_teu": whole * foreign,
                    "domestic_teu": whole * (1.0 - foreign),
                }
            )
        )
    split = chains.group_by("year", "zone_id").agg(
        pl.col("loaded_teu", "empty_teu").sum(), (pl.col("t").sum() / pl.col("loaded_teu").sum()).alias("t_per_loaded_teu")
    )
    return (
        pl.concat(frames)
        .join(split, on=["year", "zone_id"], how="left")
        .with_columns(pl.col(pl.Float64).fill_nan(None))
        .sort("year", "zone_id")
    )


def _ratio(top: Array, bottom: Array) -> Array:
    """Return a ratio, NaN where there is nothing below."""
    found: Array = np.divide(top, bottom, out=np.full(top.shape, np.nan), where=bottom > 0)
    return found


# --- what moved the share -----------------------------------------------------------------------------------------------------------


def share_change(top: tuple[float, float], bottom: tuple[float, float]) -> tuple[float, float]:
    """Return what the numerator and the denominator of a share did to its change; the two sum to the change.

    Parameters
    ----------
    top, bottom
        Numerator and denominator, before and after; all above zero.

    Raises
    ------
    ValueError
        If one of them is not above zero: its logarithm has no meaning.

    Notes
    -----
    ``s1 - s0 = L(s1, s0) (ln(n1 / n0) - ln(d1 / d0))`` with the logarithmic mean ``L(a, b) = (a - b) / ln(a / b)``, ``L(a, a) = a``.

    Examples
    --------
    >>> n, d = share_change((1.0, 1.0), (10.0, 5.0))
    >>> n, round(d, 12)
    (0.0, 0.1)
    """
    if min(*top, *bottom) <= 0.0:
        msg = f"a change of share needs figures above zero; got {top[0]:g} -> {top[1]:g} over {bottom[0]:g} -> {bottom[1]:g}"
        raise ValueError(msg)
    before, after = top[0] / bottom[0], top[1] / bottom[1]
    by_top, by_bottom = np.log(top[1] / top[0]), -np.log(bottom[1] / bottom[0])
    moved = float(by_top + by_bottom)
    # (e^x - 1) / x loses nothing where the share hardly moves
    mean = before * (float(np.expm1(moved)) / moved if moved else 1.0)
    first = float(mean * by_top)
    return first, (after - before) - first if abs(by_bottom) > 0.0 else 0.0


def change_table(ports: pl.DataFrame) -> pl.DataFrame:
    """Return the table ``sea_rail_change``: what boxes on trains and what throughput did to the share, by port and for the province.

    Parameters
    ----------
    ports
        Table ``sea_rail_ports``.

    Returns
    -------
    polars.DataFrame
        Columns of :data:`CHANGES`, for consecutive years and :data:`SPANS`; ports without boxes on trains are left out.
    """
    inside = ports.filter(pl.col("in_province"))
    whole = inside.group_by("year").agg(pl.col("sea_rail_teu", "teu_throughput").sum()).with_columns(zone_id=pl.lit(PROVINCE))
    rows = pl.concat(
        [
            inside.select("year", "zone_id", "sea_rail_teu", "teu_throughput"),
            whole.select("year", "zone_id", "sea_rail_teu", "teu_throughput"),
        ]
    )
    spans = sorted({*SPANS, *((y, y + 1) for y in range(FIRST_SHARE, YEARS[-1]))})
    found = []
    for (zone,), group in rows.sort("zone_id", "year").group_by("zone_id", maintain_order=True):
        at = {y: (n, d) for y, n, d in group.select("year", "sea_rail_teu", "teu_throughput").iter_rows()}
        for a, b in spans:
            if min(*at[a], *at[b]) > 0.0:
                by_top, by_bottom = share_change((at[a][0], at[b][0]), (at[a][1], at[b][1]))
                shares = (at[a][0] / at[a][1], at[b][0] / at[b][1])
                found.append((zone, a, b, *(100.0 * x for x in (*shares, shares[1] - shares[0], by_top, by_bottom))))
    return pl.DataFrame(found, schema=CHANGES, orient="row")


def sea_rail_tables(inputs: Tables, params: Params, model: FreightModel, boxes: PortBoxes, used: Used) -> dict[str, pl.DataFrame]:
    """Return the tables of the sea-rail chain of a solved model, draw 0.

    Parameters
    ----------
    inputs
        Observations.
    params
        Parameters of the run.
    model
        The solved model; the years whose flows it kept have chains.
    boxes
        From :func:`transport.freight_ports.port_boxes`.
    used
        Use of lines and terminals in those years.

    Returns
    -------
    dict
        ``sea_rail_chains``, ``sea_rail_ports``, ``sea_rail_change``, ``sea_rail_path``.
    """
    years = [FIRST_YEAR + position for position in sorted(model.speed.solution.flows)]
    chains = pl.concat([pl.DataFrame(schema=CHAINS), *(chain_frame(params, model, boxes, used, year) for year in years)])
    ports = port_table(params, boxes, chains)
    return {
        "sea_rail_chains": chains,
        "sea_rail_ports": ports,
        "sea_rail_change": change_table(ports),
        "sea_rail_path": path_table(inputs.table("observed/sea_rail"), ports),
    }
