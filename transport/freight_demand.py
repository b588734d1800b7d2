"""Freight demand of the base year: ends by zone, known pairs, gravity, sparse rows.

Ends come from the generator table; commodities without ends on land take theirs from weights and per-head uses. Captive flows are removed before
anything is fitted, known pairs are given pairs whose mode can still be chosen, the rest is distributed by a doubly constrained gravity model.
An OD table of a data pack takes the place of known pairs and gravity for the commodities in it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from networks.demand import balance_ends, gravity, sparsify
from networks.ports import FROM_SEA, TO_SEA, PortUse
from networks.solve import Demand
from transport.closures import SITE_LEVEL
from transport.industry import Drivers, flow_namer
from transport.layout import BASE_YEAR, year_index

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    from transport.params import Params

COMMODITIES: tuple[str, ...] = (
    "coal",
    "metal_ore",
    "nonmetal_minerals",
    "steel",
    "crude",
    "refined_products",
    "gas",
    "cement_building",
    "grain",
    "chemicals",
    "containers",
    "finished_vehicles",
    "general_cargo",
    "sand_stone",
)
#: Kinds of zones that are areas: a haul may start and end in the same one.
_AREAS = frozenset({"city", "county"})
_BASE = year_index(BASE_YEAR)


@dataclass(frozen=True)
class ZoneTable:
    """Zones in the order of their ids."""

    ids: tuple[str, ...]
    kind: NDArray[np.str_]
    area: tuple[str, ...]
    in_province: NDArray[np.bool_]
    intrazonal_km: NDArray[np.float64]
    position: Mapping[str, int]

    @classmethod
    def read(cls, zones: pl.DataFrame) -> ZoneTable:
        """Build from the zone table."""
        rows = zones.sort("zone_id")
        ids = tuple(rows["zone_id"].to_list())
        return cls(
            ids,
            np.array(rows["kind"].to_list()),
            tuple(str(a) for a in rows["area"].fill_null("").to_list()),
            rows["in_province"].to_numpy().astype(np.bool_),
            rows["intrazonal_km"].to_numpy().astype(np.float64),
            {z: i for i, z in enumerate(ids)},
        )

    @property
    def port(self) -> NDArray[np.bool_]:
        """Return which zones are ports in the province."""
        found: NDArray[np.bool_] = (self.kind == "port") & self.in_province
        return found


@dataclass(frozen=True)
class Segment:
    """Ends of one distribution problem; several segments may make one commodity."""

    name: str
    commodity: str
    production: NDArray[np.float64]
    attraction: NDArray[np.float64]
    allowed: NDArray[np.bool_]


@dataclass(frozen=True)
class FreightDemand:
    """Demand of the base year.

    Attributes
    ----------
    demand
        Sparse rows for the choice model.
    captive
        Captive flows: flow_id, origin, destination (zone positions), commodity (position), mode, t_per_year, group.
    groups
        Name of each level group, as :attr:`transport.industry.Group.name` gives it.
    ports
        Ports by what they handle, and the shares of those that are chosen.
    report
        One row per segment: segment, commodity, produced_t, added_t, beta_per_km, mean_haul_km, prior_haul_km, at_bound, dropped_t, margin_error.
    """

    demand: Demand
    captive: pl.DataFrame
    groups: tuple[str, ...]
    ports: PortUse
    report: pl.DataFrame


def build_demand(
    tables: Mapping[str, pl.DataFrame], params: Params, zones: ZoneTable, distance_km: NDArray[np.float64]
) -> FreightDemand:
    """Build the sparse demand of the base year.

    The table ``od`` replaces: for every commodity that it names, its pairs are all the goods that are not captive, so known pairs and the
    gravity model of that commodity are left out and no threshold applies. Captive flows stay, whatever the table holds.

    Parameters
    ----------
    tables
        ``generators``, ``flows``, ``population``, ``land_weights``; ``drivers`` and ``od`` (origin, destination, commodity, t_per_year) if there
        are any.
    params
        Central parameters.
    zones
        Zone table.
    distance_km
        Truck distance ``[origin, destination]``, with the length of hauls inside a zone on the diagonal [km].

    Returns
    -------
    FreightDemand
        Rows of at least the threshold; what was dropped is scaled back into the rest.
    """
    production, attraction = _generator_ends(tables["generators"], zones)
    handled = _handled(production, attraction, zones)
    flows = tables["flows"].sort("flow_id")
    known: list[tuple[int, int, int, float]] = []
    captive: list[tuple[str, int, int, int, str, float]] = []
    given, report = _given(tables.get("od"), zones, distance_km)
    replaced = frozenset(c for c, _, _ in given)
    for row in flows.iter_rows(named=True):
        o, d, c = zones.position[row["origin"]], zones.position[row["destination"]], COMMODITIES.index(row["commodity"])
        tonnes = float(row["t_per_year"])
        production[c, o] = max(production[c, o] - tonnes, 0.0)
        attraction[c, d] = max(attraction[c, d] - tonnes, 0.0)
        if row["captive"]:
            captive.append((row["flow_id"], o, d, c, row["mode"], tonnes))
        elif c not in replaced:
            known.append((c, o, d, tonnes))
    connected = np.isfinite(distance_km)
    pieces: dict[tuple[int, int, int], float] = {}
    for c, o, d, tonnes in known:
        pieces[c, o, d] = pieces.get((c, o, d), 0.0) + tonnes
    known_keys = frozenset(pieces)
    pieces |= {key: tonnes for key, tonnes in given.items() if tonnes > 0}
    value = _reader(params)
    active = _active(params, zones)
    through: dict[tuple[int, int, int], dict[int, float]] = {}
    for segment in _segments(production, attraction, tables, params, zones, connected):
        c = COMMODITIES.index(segment.commodity)
        if c in replaced:
            continue
        p, a, added = balance_ends(segment.production, segment.attraction, ~zones.in_province)
        seed = segment.allowed & connected
        p, a, lost = _drop_stuck(p, a, seed)
        if p.sum() == 0:
            continue
        # the ends of port towns leave nothing to fit: their hauls follow from the places
        local = "_local_" in segment.name
        prior = value("mean_haul", "port_local" if local else segment.name)
        found = gravity(
            p,
            a,
            distance_km,
            allowed=segment.allowed,
            counts=_counted(segment.name, zones),
            mean_haul_km=prior,
            beta_low=value("gravity_beta_low"),
            beta_high=value("gravity_beta_high"),
        )
        flow, dropped = sparsify(found.flow, value("od_threshold"))
        chooses = not local and value("port_choice", segment.commodity) > 0
        for o, d in zip(*np.nonzero(flow), strict=True):
            port, land, direction = (d, o, TO_SEA) if zones.port[d] else (o, d, FROM_SEA)
            if chooses and zones.port[port] and int(port) not in active:
                ports = through.setdefault((c, direction, int(land)), {})
                ports[int(port)] = ports.get(int(port), 0.0) + float(flow[o, d])
                continue
            key = (c, int(o), int(d))
            pieces[key] = pieces.get(key, 0.0) + float(flow[o, d])
        report.append(
            {
                "segment": segment.name,
                "commodity": segment.commodity,
                "produced_t": float(p.sum()),
                "added_t": added,
                "lost_t": lost,
                "beta_per_km": found.beta,
                "mean_haul_km": found.mean_haul_km,
                "prior_haul_km": prior,
                "at_bound": found.at_bound and not local,
                "dropped_t": dropped,
                "margin_error": found.margin_error,
            }
        )
    levelled = active | {i for i, z in enumerate(zones.ids) if params.own(SITE_LEVEL, z)}
    name = flow_namer(levelled, zones, COMMODITIES, Drivers.read(tables.get("drivers")))
    outside = {c: _outside_ports(params, COMMODITIES[c], zones) for c in {c for c, _, _ in through}}
    return _pack(pieces, through, outside, known_keys, captive, report, name, zones, handled)


def _outside_ports(params: Params, commodity: str, zones: ZoneTable) -> dict[int, float]:
    """Return the share of the goods of a commodity that choose their port which ports outside the province had in the base year, by zone.

    Raises
    ------
    ValueError
        If the shares leave nothing to the ports of the province.
    """
    if not _has(params, "outside_port_share"):
        return {}
    found: dict[int, float] = {}
    for subject in params.subjects("outside_port_share"):
        name, zone = subject.split(".", 1)
        share = float(params.get("outside_port_share", subject)[0, _BASE])
        if name == commodity and zone in zones.position and share > 0.0:
            found[zones.position[zone]] = share
    if sum(found.values()) >= 1.0:
        msg = f"outside_port_share of {commodity} sums to {sum(found.values()):g}: less than 1 is needed, the rest goes by ports of the province"
        raise ValueError(msg)
    return found


def _active(params: Params, zones: ZoneTable) -> frozenset[int]:
    """Return the zones with an activity path of their own."""
    return (
        frozenset(zones.position[z] for z in params.subjects("zone_activity") if z in zones.position)
        if _has(params)
        else frozenset()
    )


def _handled(production: NDArray[np.float64], attraction: NDArray[np.float64], zones: ZoneTable) -> NDArray[np.bool_]:
    """Return what passes the quays of each zone ``[commodity, direction, zone]``.

    Notes
    -----
    What a port attracts goes to the sea and what it produces comes from there; a works with a quay of its own ships what it makes.
    """
    out = np.where(zones.port, attraction, production) > 0
    back = np.where(zones.port, production, attraction) > 0
    return np.stack([out, back], axis=1)


def _given(
    od: pl.DataFrame | None, zones: ZoneTable, distance_km: NDArray[np.float64]
) -> tuple[dict[tuple[int, int, int], float], list[dict[str, object]]]:
    """Return the pairs of an OD table by (commodity, origin, destination) [t/yr], zeros too, and a row of the report per commodity."""
    given: dict[tuple[int, int, int], float] = {}
    if od is None:
        return given, []
    for origin, destination, name, tonnes in od.select("origin", "destination", "commodity", "t_per_year").iter_rows():
        given[COMMODITIES.index(name), zones.position[origin], zones.position[destination]] = float(tonnes)
    report: list[dict[str, object]] = []
    for commodity in sorted({c for c, _, _ in given}):
        pairs = [(t, float(distance_km[o, d])) for (c, o, d), t in given.items() if c == commodity]
        total = sum(t for t, _ in pairs)
        reached = [(t, km) for t, km in pairs if np.isfinite(km)]
        weight = sum(t for t, _ in reached)
        report.append(
            {
                "segment": f"{COMMODITIES[commodity]}_od",
                "commodity": COMMODITIES[commodity],
                "produced_t": total,
                "added_t": 0.0,
                "lost_t": 0.0,
                "beta_per_km": None,
                "mean_haul_km": sum(t * km for t, km in reached) / weight if weight > 0 else None,
                "prior_haul_km": None,
                "at_bound": False,
                "dropped_t": 0.0,
                "margin_error": 0.0,
            }
        )
    return given, report


def _counted(segment: str, zones: ZoneTable) -> NDArray[np.bool_]:
    """Return the pairs the prior haul describes: both ends inside the province, for external trade every pair."""
    if segment == "general_cargo_external":
        return np.ones((len(zones.ids), len(zones.ids)), dtype=np.bool_)
    return zones.in_province[:, None] & zones.in_province[None, :]


def _reader(params: Params) -> Callable[..., float]:
    """Return a reader of central base-year values: ``value(parameter, subject)``."""

    def value(parameter: str, subject: str = "all") -> float:
        return float(params.get(parameter, subject)[0, _BASE])

    return value


def _generator_ends(generators: pl.DataFrame, zones: ZoneTable) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return production and attraction ``[commodity, zone]`` [t/yr]."""
    ends = {role: np.zeros((len(COMMODITIES), len(zones.ids))) for role in ("production", "attraction")}
    summed = (
        generators.group_by("commodity", "role", "zone_id").agg(pl.col("t_per_year").sum()).sort("commodity", "role", "zone_id")
    )
    for row in summed.iter_rows(named=True):
        ends[row["role"]][COMMODITIES.index(row["commodity"]), zones.position[row["zone_id"]]] += row["t_per_year"]
    return ends["production"], ends["attraction"]


def _drop_stuck(
    production: NDArray[np.float64], attraction: NDArray[np.float64], seed: NDArray[np.bool_]
) -> tuple[NDArray[np.float64], NDArray[np.float64], float]:
    """Set ends without any partner to zero and rebalance by scaling the larger side down; the loss is returned and reported."""
    p, a = production.copy(), attraction.copy()
    # a zone that could trade with itself only cannot balance its two ends
    partners = seed & ~np.eye(seed.shape[0], dtype=np.bool_)
    for _ in range(3):
        p[(p > 0) & ~(partners @ (a > 0))] = 0.0
        a[(a > 0) & ~(partners.T @ (p > 0))] = 0.0
    total = min(p.sum(), a.sum())
    lost = float(production.sum() - total)
    if total <= 0:
        return np.zeros_like(p), np.zeros_like(a), lost
    return p * (total / p.sum()), a * (total / a.sum()), lost


def _segments(
    production: NDArray[np.float64],
    attraction: NDArray[np.float64],
    tables: Mapping[str, pl.DataFrame],
    params: Params,
    zones: ZoneTable,
    connected: NDArray[np.bool_],
) -> list[Segment]:
    """Return every distribution problem, in the order of the commodities."""
    n = len(zones.ids)
    area = np.isin(zones.kind, sorted(_AREAS))
    port, inside = zones.port, zones.in_province
    # goods landed at a port are not shipped from another; goods that never touch the province are data rows, not gravity
    trade = ~(port[:, None] & port[None, :]) & (inside[:, None] | inside[None, :]) & (~np.eye(n, dtype=np.bool_) | area[:, None])
    reachable = (connected & ~np.eye(n, dtype=np.bool_)).any(axis=1)
    people = {item: values * reachable for item, values in _population(tables["population"], zones).items()}
    weights = tables["land_weights"]
    value = _reader(params)
    land = inside & ~port & reachable
    made: list[Segment] = []
    for c, commodity in enumerate(COMMODITIES):
        p, a = production[c].copy(), attraction[c].copy()
        if commodity in ("containers", "general_cargo"):
            p_land = _basis(weights, commodity, "production", people, production, land)
            a_land = _basis(weights, commodity, "attraction", people, production, land)
            p_shares, a_shares = (
                _with_hinterland(p_land, commodity, params, zones),
                _with_hinterland(a_land, commodity, params, zones),
            )
            name = commodity if commodity == "containers" else "general_cargo_port"
            far = 1.0 - value("port_local_share", commodity)
            across = trade & (port[:, None] ^ port[None, :])
            ends = (far * (p * port + a[port].sum() * p_shares), far * (a * port + p[port].sum() * a_shares))
            made.append(Segment(name, commodity, *ends, across))
            made += _port_towns(name, commodity, p * port * (1.0 - far), a * port * (1.0 - far), p_land, a_land, zones, across)
            if commodity == "general_cargo":
                made += _general_segments(p_land, a_land, people, params, zones, trade)
            continue
        if commodity == "sand_stone":
            use = value("sand_and_stone_use")
            # pits lie near the towns that use them; the prior haul says how near
            p = a = use * people["resident_population"]
        elif commodity == "chemicals":
            share = _basis(weights, commodity, "attraction", people, production, land)
            a = a + max(p.sum() - a.sum(), 0.0) * share
        if p.sum() + a.sum() > 0:
            made.append(Segment(commodity, commodity, p, a, trade))
    return made


def _port_towns(
    name: str,
    commodity: str,
    production: NDArray[np.float64],
    attraction: NDArray[np.float64],
    p_land: NDArray[np.float64],
    a_land: NDArray[np.float64],
    zones: ZoneTable,
    across: NDArray[np.bool_],
) -> list[Segment]:
    """Return the port cargo whose land end lies in the prefecture of the port, one segment per prefecture."""
    made = []
    area = np.array(zones.area)
    for code in sorted({zones.area[i] for i in np.flatnonzero(zones.port)}):
        here = area == code
        landed, shipped = production * here, attraction * here
        if landed.sum() + shipped.sum() == 0:
            continue
        p = landed + shipped.sum() * p_land * here / (p_land * here).sum()
        a = shipped + landed.sum() * a_land * here / (a_land * here).sum()
        made.append(Segment(f"{name}_local_{code}", commodity, p, a, across & here[:, None] & here[None, :]))
    return made


def _general_segments(
    p_land: NDArray[np.float64],
    a_land: NDArray[np.float64],
    people: Mapping[str, NDArray[np.float64]],
    params: Params,
    zones: ZoneTable,
    trade: NDArray[np.bool_],
) -> list[Segment]:
    """Return trade with other regions, urban distribution and food."""
    value = _reader(params)
    inward, outward = np.zeros(len(zones.ids)), np.zeros(len(zones.ids))
    for parameter, target in (("external_cargo_in", inward), ("external_cargo_out", outward)):
        for zone in params.subjects(parameter):
            if zone in zones.position:
                target[zones.position[zone]] = value(parameter, zone)
    outside = ~zones.in_province
    urban = value("urban_general_cargo_use") * people["urban_population"].sum()
    food = value("food_and_agricultural_products_use") * people["resident_population"].sum()
    rural, resident = people["rural_population"], people["resident_population"]
    return [
        Segment(
            "general_cargo_external",
            "general_cargo",
            inward + outward.sum() * p_land,
            outward + inward.sum() * a_land,
            trade & (outside[:, None] ^ outside[None, :]),
        ),
        Segment("general_cargo_urban", "general_cargo", urban * p_land, urban * a_land, trade),
        Segment("food", "general_cargo", food * rural / rural.sum(), food * resident / resident.sum(), trade),
    ]


def people_by_zone(population: pl.DataFrame, zones: ZoneTable) -> NDArray[np.float64]:
    """Return the residents of each zone [person]."""
    return _population(population, zones)["resident_population"]


def _population(population: pl.DataFrame, zones: ZoneTable) -> dict[str, NDArray[np.float64]]:
    """Return people and jobs by zone [person]."""
    items = ("resident_population", "urban_population", "rural_population", "industry_employment")
    found = {item: np.zeros(len(zones.ids)) for item in items}
    rows = population.filter(pl.col("zone_id").is_not_null() & pl.col("item").is_in(items) & pl.col("value").is_not_null())
    for row in rows.sort("item", "zone_id").iter_rows(named=True):
        found[row["item"]][zones.position[row["zone_id"]]] += row["value"]
    return found


def _basis(
    weights: pl.DataFrame,
    commodity: str,
    role: str,
    people: Mapping[str, NDArray[np.float64]],
    production: NDArray[np.float64],
    land: NDArray[np.bool_],
) -> NDArray[np.float64]:
    """Return the land weights of a commodity and role, summing to one."""
    boxed = [COMMODITIES.index(name) for name in ("steel", "nonmetal_minerals", "grain", "chemicals")]
    total = np.zeros(land.size)
    rows = weights.filter((pl.col("commodity") == commodity) & (pl.col("role") == role)).sort("basis")
    for row in rows.iter_rows(named=True):
        basis = production[boxed].sum(axis=0) * land if row["basis"] == "generators" else people[row["basis"]] * land
        total += row["share"] * basis / basis.sum()
    normed: NDArray[np.float64] = total / total.sum()
    return normed


def _with_hinterland(share: NDArray[np.float64], commodity: str, params: Params, zones: ZoneTable) -> NDArray[np.float64]:
    """Return land shares with the part of the hinterland outside the province."""
    outer = np.zeros_like(share)
    for subject in params.subjects("port_hinterland_share"):
        name, zone = subject.split(".", 1)
        if name == commodity and zone in zones.position:
            outer[zones.position[zone]] = params.get("port_hinterland_share", subject)[0, _BASE]
    whole: NDArray[np.float64] = outer + (1.0 - outer.sum()) * share
    return whole


def _pack(
    pieces: Mapping[tuple[int, int, int], float],
    through: Mapping[tuple[int, int, int], Mapping[int, float]],
    outside: Mapping[int, Mapping[int, float]],
    known: frozenset[tuple[int, int, int]],
    captive: list[tuple[str, int, int, int, str, float]],
    report: list[dict[str, object]],
    name: Callable[..., str],
    zones: ZoneTable,
    handled: NDArray[np.bool_],
) -> FreightDemand:
    """Return sorted rows with their level groups; what goes through a port of choice may use every port that handles such goods."""
    groups: dict[str, int] = {}

    def group(c: int, o: int, d: int, *, given: bool = False, chosen: bool = False) -> int:
        return groups.setdefault(name(c, o, d, given=given, chosen=chosen), len(groups))

    choices: dict[tuple[int, int], set[int]] = {}
    for (c, direction, _), ports in through.items():
        choices.setdefault((c, direction), set()).update(ports)
    pieces = dict(pieces)
    for (c, direction, land), ports in through.items():
        if len(choices[c, direction]) == 1:  # where one port handles the goods there is nothing to choose
            ((port, tonnes),) = ports.items()
            key = (c, land, port) if direction == TO_SEA else (c, port, land)
            pieces[key] = pieces.get(key, 0.0) + tonnes
    through = {key: ports for key, ports in through.items() if len(choices[key[:2]]) > 1}
    tonnes_by_port: dict[tuple[int, int, int], float] = {}
    for (c, direction, _), ports in sorted(through.items()):
        for port, tonnes in ports.items():
            tonnes_by_port[c, direction, port] = tonnes_by_port.get((c, direction, port), 0.0) + tonnes
    kept = {c: 1.0 - sum(shares.values()) for c, shares in outside.items()}
    for c, direction in sorted({key[:2] for key in through}):
        whole = sum(tonnes for key, tonnes in tonnes_by_port.items() if key[:2] == (c, direction) and key[2] not in outside[c])
        for port, share in outside[c].items():
            tonnes_by_port[c, direction, port] = whole * share / kept[c]
    use = _port_use(tonnes_by_port, handled)
    rows: list[tuple[int, float, int]] = []
    options: list[tuple[int, int, int, int]] = []
    for c, o, d in sorted(pieces):
        options.append((len(rows), o, d, -1))
        rows.append((c, pieces[c, o, d], group(c, o, d, given=(c, o, d) in known)))
    for c, direction, land in sorted(through):
        some = next(iter(through[c, direction, land]))
        for port in np.flatnonzero(use.constant[c, direction] >= 0).tolist():
            pair = (land, port) if direction == TO_SEA else (port, land)
            options.append((len(rows), *pair, int(use.constant[c, direction, port])))
        # no port of choice has an activity path and all ports have the same products, so the group holds whatever the port
        level = group(c, land, some, chosen=True) if direction == TO_SEA else group(c, some, land, chosen=True)
        # the throughputs of the province's ports are what goes through them; what leaves by ports outside comes on top
        rows.append((c, sum(through[c, direction, land].values()) / kept[c], level))
    order = np.argsort([c for c, _, _ in rows], kind="stable")
    place = np.argsort(order, kind="stable")
    columns = np.array(options, dtype=np.int64).reshape(-1, 4)
    columns[:, 0] = place[columns[:, 0]]
    columns = columns[np.argsort(columns[:, 0], kind="stable")]
    pairs, pair = np.unique(columns[:, 1] * len(zones.ids) + columns[:, 2], return_inverse=True)
    demand = Demand(
        pair=pair.astype(np.int64),
        commodity=np.array([c for c, _, _ in rows], dtype=np.int64)[order],
        t_per_year=np.array([tonnes for _, tonnes, _ in rows], dtype=np.float64)[order],
        group=np.array([g for _, _, g in rows], dtype=np.int64)[order],
        origin=pairs // len(zones.ids),
        destination=pairs % len(zones.ids),
        row=columns[:, 0],
        port=columns[:, 3],
    )
    fixed = pl.DataFrame(
        [(f, o, d, c, mode, t, group(c, o, d, given=(c, o, d) in known)) for f, o, d, c, mode, t in captive],
        schema={
            "flow_id": pl.String,
            "origin": pl.Int64,
            "destination": pl.Int64,
            "commodity": pl.Int64,
            "mode": pl.String,
            "t_per_year": pl.Float64,
            "group": pl.Int64,
        },
        orient="row",
    )
    return FreightDemand(demand, fixed, tuple(groups), use, pl.DataFrame(report, infer_schema_length=None))


def _port_use(tonnes: Mapping[tuple[int, int, int], float], handled: NDArray[np.bool_]) -> PortUse:
    """Return ports by what they handle, a constant for each commodity, direction and port of choice, and its share of the tonnes."""
    constant = np.full(handled.shape, -1, dtype=np.int64)
    total: dict[tuple[int, int], float] = {}
    for c, direction, port in sorted(tonnes):
        constant[c, direction, port] = int((constant >= 0).sum())
        total[c, direction] = total.get((c, direction), 0.0) + tonnes[c, direction, port]
    share = [tonnes[key] / total[key[:2]] for key in sorted(tonnes)]
    return PortUse(handled, constant, np.array(share, dtype=np.float64))


def _has(params: Params, parameter: str = "zone_activity") -> bool:
    """Return whether any row holds a parameter."""
    try:
        return bool(params.subjects(parameter))
    except KeyError:
        return False
