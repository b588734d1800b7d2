"""The answer of a backcast in sentences, in both languages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl

from transport.backcast import RANGE
from transport.backcast_tables import BASE, BEST, TABLES
from transport.city_mix import PRICE
from transport.i18n import LANGUAGES, labels, t
from transport.layout import PROVINCE
from transport.measures import measure_names
from transport.text import divisor, shown, unit_label

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from transport.backcast_tables import Backcast
    from transport.inputs import Inputs

    Row = Mapping[str, Any]

#: Units by language: money (10^8 or 10^6 CNY), CO2 (10^4 t or kt), goods (10^4 t or kt).
SCALE = {"zh": {"cost": 1e8, "co2": 1e4, "t": 1e4}, "en": {"cost": 1e6, "co2": 1e3, "t": 1e3}}
#: Rows that are named in a sentence.
_NAMED, _AT_BOUND = 8, 12
_LITTLE = 0.005
#: Money below which a price is none [CNY/yr].
_LEAST_CNY = 1.0


def words_of(found: Backcast, inputs: Inputs) -> pl.DataFrame:
    """Return the answer of a stored backcast in sentences; they are made of its tables each time, so that they are always today's.

    Parameters
    ----------
    found
        The backcast.
    inputs
        For the labels.

    Returns
    -------
    polars.DataFrame
        As :func:`word_frame`.
    """
    return word_frame(found.manifest, {name: found.table(name) for name in TABLES}, inputs)


def word_frame(manifest: Row, tables: Mapping[str, pl.DataFrame], inputs: Inputs) -> pl.DataFrame:
    """Return the answer in sentences: ``line`` from 1, ``kind``, ``zh``, ``en``.

    Parameters
    ----------
    manifest
        Question, status and totals.
    tables
        Those of :data:`transport.backcast_tables.TABLES`.
    inputs
        For the labels.
    """
    lines = {lang: _Words(manifest, tables, inputs, lang).all() for lang in LANGUAGES}
    rows = [
        {"line": k, "kind": zh[0], "zh": zh[1], "en": en[1]}
        for k, (zh, en) in enumerate(zip(lines["zh"], lines["en"], strict=True), 1)
    ]
    return pl.DataFrame(rows)


def target_name(row: Row, inputs: Inputs, lang: str) -> str:
    """Return the name of a target: indicator, place unless it is the province, year.

    Parameters
    ----------
    row
        With id, area and year.
    inputs, lang
        For the labels.
    """
    name = labels(inputs, "indicator", lang).get(row["id"], row["id"])
    if row["area"] == PROVINCE:
        return t("backcast.target_name", lang, name=name, year=row["year"])
    area = labels(inputs, "area", lang).get(row["area"], row["area"])
    return t("backcast.target_name_of", lang, name=name, area=area, year=row["year"])


def variable_names(inputs: Inputs, lang: str) -> dict[str, str]:
    """Return variable -> label: that of its lever, or of its measure."""
    own = dict(inputs.table("levers").select("lever", f"label_{lang}").iter_rows())
    return measure_names(inputs, lang) | own


def bounds_name(source: str, manifest: Row, lang: str) -> str:
    """Return what the plausible ends of levers are called: the scenario that sets them, or the ranges of the data.

    Parameters
    ----------
    source
        Name of a scenario, or ``range``.
    manifest
        Of the backcast.
    lang
        Language.
    """
    if source == RANGE:
        return t("backcast.bounds_range", lang)
    return str((manifest["bounds"] == source and manifest.get(f"bounds_{lang}")) or source)


def in_unit(value: float | None, unit: str, lang: str) -> str:
    """Return a value with its unit, in words where it does not exist.

    Parameters
    ----------
    value
        In ``unit``.
    unit
        Unit of a target.
    lang
        Language.
    """
    if value is None:
        return t("backcast.never", lang)
    if unit.startswith("percent"):
        return f"{value:.2f}%"
    return shown(value, unit, lang) if unit == "year" else f"{shown(value, unit, lang)} {unit_label(unit, lang)}"


def distance(value: float, unit: str, lang: str) -> str:
    """Return a distance from a target with its unit: points where the target is in percent.

    Parameters
    ----------
    value
        In ``unit``.
    unit
        Unit of a target.
    lang
        Language.
    """
    if unit.startswith("percent"):
        return t("backcast.points", lang, value=f"{value:.2f}")
    if unit == "year":
        return t("backcast.years", lang, value=f"{value:,.1f}")
    return f"{shown(value, unit, lang)} {unit_label(unit, lang)}"


def step_unit(unit: str, lang: str) -> tuple[float, str]:
    """Return the unit that a price is told for, in units of a target, and its name: points, years, 10^4 t.

    Parameters
    ----------
    unit
        Unit of a target.
    lang
        Language.
    """
    if unit.startswith("percent"):
        return 1.0, t("backcast.point", lang)
    return (1.0, t("backcast.year_unit", lang)) if unit == "year" else (divisor(unit, lang), unit_label(unit, lang))


class _Words:
    """The sentences of one language."""

    def __init__(self, manifest: Row, tables: Mapping[str, pl.DataFrame], inputs: Inputs, lang: str) -> None:
        self._manifest, self._tables, self._inputs, self._lang = manifest, tables, inputs, lang
        self._best = tables["packages"].filter(package=BEST).row(0, named=True)
        self._base = tables["packages"].filter(package=BASE).row(0, named=True)
        self._targets = tables["targets"].filter(package=BEST).to_dicts()
        self._levers = tables["levers"].filter(package=BEST)
        self._names = variable_names(inputs, lang)

    def all(self) -> list[tuple[str, str]]:
        """Return (kind, sentence) in order; the kinds are the same in both languages."""
        answer = [("answer", self._answer())]
        if self._manifest["status"] != "infeasible":
            answer += [("answer", self._kept(row)) for row in self._targets if row["met"] and self._is_past(row)]
        if self._manifest["status"] == "infeasible":
            answer += [("infeasible", text) for text in [*self._infeasible(), self._at_bound()]]
        if self._manifest["status"] == "improbable":
            answer.append(("infeasible", self._at_bound()))
        chance = [] if self._best["probability"] is None else [("probability", self._chance())]
        shadow = [("shadow", text) for text in self._shadow()]
        capacity = [("capacity", text) for text in self._capacity()]
        return [*answer, *chance, ("package", self._package()), *shadow, *capacity, *self._cautions()]

    def _say(self, key: str, **values: object) -> str:
        return t(f"backcast.{key}", self._lang, **values)

    def _join(self, parts: Iterable[str]) -> str:
        space = "" if self._lang == "zh" else " "
        return (self._say("between") + space).join(parts)

    def _money(self, value: float) -> str:
        return f"{abs(value) / SCALE[self._lang]['cost']:,.2f}"

    def _signed(self, value: float) -> str:
        return f"{value / SCALE[self._lang]['cost']:,.2f}"

    def _cost(self, value: float) -> str:
        key = "saves" if value < -_LEAST_CNY else "costs" if value > _LEAST_CNY else "costs_nothing"
        return self._say(key, money=self._money(value))

    def _co2(self, value: float) -> str:
        key = "less_co2" if value < 0.0 else "more_co2"
        return self._say(key, amount=f"{abs(value) / SCALE[self._lang]['co2']:,.1f}")

    def _name(self, row: Row) -> str:
        return target_name(row, self._inputs, self._lang)

    def _value(self, row: Row, column: str) -> str:
        return in_unit(row[column], row["unit"], self._lang)

    def _answer(self) -> str:
        used = self._levers.filter(pl.col("level") > _LITTLE)["variable"].n_unique()
        status = self._manifest["status"]
        return self._say(
            status,
            title=self._manifest[f"title_{self._lang}"],
            year=self._manifest["year"],
            first=self._manifest["first_year"],
            asked=f"{self._manifest['probability']:.0%}",
            used=used,
            known=len(self._manifest["levers"]),
            targets=self._join(f"{self._name(r)} {self._goal(r)}" for r in self._targets),
            cost=self._cost(self._best["cost_cny2023"]),
            co2=self._co2(self._best["co2_change_t"]),
            reached=self._percent(self._reached()),
        )

    def _goal(self, row: Row) -> str:
        sign = "≥" if row["direction"] == "at_least" else "≤"
        return f"{sign} {in_unit(row['target'], row['unit'], self._lang)}"

    def _reached(self) -> float | None:
        """Return the chance of the answer, less what capacity takes where that is known."""
        known = (self._best["probability"], self._manifest.get("probability_in_equilibrium"))
        return min((p for p in known if p is not None), default=None)

    def _percent(self, share: float | None) -> str:
        return "" if share is None else f"{share:.1%}"

    def _infeasible(self) -> list[str]:
        lines = []
        for row in self._targets:
            if row["met"] and row["equilibrium_met"] is False:
                short = row["target"] - row["equilibrium"]
                lines.append(
                    self._say(
                        "blocked",
                        name=self._name(row),
                        goal=self._goal(row),
                        value=self._value(row, "central"),
                        balanced=self._value(row, "equilibrium"),
                        gap=distance(abs(short), row["unit"], self._lang),
                    )
                )
                continue
            if row["met"]:
                lines.append(self._kept(row))
                continue
            base = self._tables["targets"].filter(package=BASE, id=row["id"], area=row["area"], year=row["year"])
            every = self._tables["targets"].filter(package="all", id=row["id"], area=row["area"], year=row["year"])
            key = "past" if self._is_past(row) else "missed"
            lines.append(
                self._say(
                    key,
                    name=self._name(row),
                    goal=self._goal(row),
                    value=self._value(row, "central"),
                    gap=distance(row["gap"], row["unit"], self._lang),
                    before=in_unit(base["central"][0], row["unit"], self._lang),
                    every=in_unit(every["central"][0], row["unit"], self._lang),
                    first=self._manifest["first_year"],
                )
            )
        return lines

    def _is_past(self, row: Row) -> bool:
        return bool(row["year"] < self._manifest["first_year"])

    def _kept(self, row: Row) -> str:
        return self._say(
            "past_met" if self._is_past(row) else "kept",
            name=self._name(row),
            goal=self._goal(row),
            value=self._value(row, "central"),
            first=self._manifest["first_year"],
        )

    def _at_bound(self) -> str:
        full = self._levers.filter("at_bound")["variable"].unique(maintain_order=True).to_list()
        shown = self._join(self._names.get(v, v) for v in full[:_AT_BOUND])
        return self._say("at_bound" if full else "none_at_bound", count=len(full), names=shown, bounds=self._bounds())

    def _bounds(self) -> str:
        return bounds_name(self._manifest["bounds"], self._manifest, self._lang)

    def _chance(self) -> str:
        best, base = self._best, self._base
        margins = [f"{self._name(r)} {distance(r['margin'], r['unit'], self._lang)}" for r in self._targets if r["margin"] > 0.0]
        return self._say(
            "chance" if margins else "chance_no_margin",
            draws=best["draws"],
            chance=self._percent(best["probability"]),
            error=self._percent(best["standard_error"]),
            before=self._percent(base["probability"]),
            margins=self._join(margins),
        )

    def _package(self) -> str:
        groups = self._levers.filter(pl.col("level") > _LITTLE).group_by("variable", maintain_order=True).first()
        if groups.is_empty():
            return self._say("no_package")
        shown = groups.sort(pl.col("cost_cny2023").abs(), "variable", descending=[True, False], nulls_last=True)
        parts = []
        for row in shown.head(_NAMED).iter_rows(named=True):
            share = self._say("at_top") if row["at_bound"] else f"{row['level']:.0%}"
            name = self._names.get(row["variable"], row["variable"])
            values = f"{row['base_value']:.4g} → {row['value']:.4g}"
            parts.append(
                self._say("one_lever", name=name, values=values, level=share, cost=self._cost(row["cost_cny2023"] or 0.0))
            )
        more = groups.height - len(parts)
        return self._say("package_more" if more > 0 else "package", levers=self._join(parts), more=more)

    def _shadow(self) -> list[str]:
        rows = self._tables["shadow_prices"].to_dicts()
        lines = []
        for tighter, looser in zip(rows[::2], rows[1::2], strict=True):
            size, unit = step_unit(tighter["unit"], self._lang)
            up, down = tighter.get("cny2023_per_unit"), looser.get("cny2023_per_unit") or 0.0
            step = max(abs(up or 0.0), abs(down)) * tighter["step"]
            tonne = tighter["cny2023_per_tco2"]
            if up is None:
                key = "price_no_more"
            elif step <= _LEAST_CNY:
                key = "price_none"
            else:
                key = "price_tonne" if tonne is not None and tonne > 0.0 else "price"
            lines.append(
                self._say(
                    key,
                    name=self._name(tighter),
                    unit=unit,
                    up="" if up is None else self._signed(up * size),
                    down=self._signed(down * size),
                    tonne=f"{tonne:,.0f}" if key == "price_tonne" else "",
                    step=f"{tighter['step'] / size:g}",
                )
            )
        return lines

    def _capacity(self) -> list[str]:
        if self._manifest["capacity"] != "equilibrium":
            return [self._say("not_checked")]
        values = self._join(
            self._say(
                "holds" if r["equilibrium_met"] else "fails",
                name=self._name(r),
                value=self._value(r, "equilibrium"),
                fixed=self._value(r, "central"),
            )
            for r in self._targets
        )
        binding = self._tables["binding"].to_dicts()
        lines = [self._say("balanced", values=values)]
        chance = self._manifest.get("probability_in_equilibrium")
        if chance is not None:
            lines.append(self._say("balanced_chance", chance=self._percent(chance), asked=f"{self._manifest['probability']:.0%}"))
        if not binding:
            return [*lines, self._say("nothing_binds")]
        parts = []
        for row in binding[:_NAMED]:
            name = str(row[f"name_{self._lang}"])
            if row["unmet_t"]:
                amount = f"{row['unmet_t'] / SCALE[self._lang]['t']:,.0f}"
                if row["vc_ratio"] is None:  # a place without any capacity has no ratio
                    parts.append(self._say("binds_nothing", name=name, amount=amount))
                else:
                    parts.append(self._say("binds_unmet", name=name, load=f"{row['vc_ratio']:.2f}", amount=amount))
            else:
                parts.append(self._say("binds", name=name, load=f"{row['vc_ratio']:.2f}"))
        return [*lines, self._say("binding", count=len(binding), names=self._join(parts))]

    def _cautions(self) -> list[tuple[str, str]]:
        lines = [self._say("caution_cost")]
        if self._manifest["bounds"] == RANGE:
            lines.append(self._say("caution_range"))
        priced = self._levers.filter(pl.col("basis") == PRICE, pl.col("level") > _LITTLE)["lever"].to_list()
        if priced:
            lines.append(self._say("caution_prices", names=self._join(self._names.get(v, v) for v in priced)))
        unknown = self._tables["left_out"].filter(reason="no_cost")["lever"].to_list()
        if unknown:
            shown = self._join(self._names.get(v, v) for v in unknown[:_AT_BOUND])
            lines.append(self._say("caution_left", count=len(unknown), names=shown))
        return [("caution", text) for text in lines]
