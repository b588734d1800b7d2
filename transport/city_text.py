"""Answers about green travel as tables and sentences in the reader's language, and a mix of levers as a scenario file."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import polars as pl

from transport.city_case import start_year
from transport.city_drivers import WEAK
from transport.city_mix import price_levers
from transport.i18n import has_text, labels, listed, parameter_labels, t

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from transport.city_mix import Mix
    from transport.inputs import Inputs
    from transport.scenario import Scenario

#: Money of a mix by language: 10^4 yuan or 10^6 yuan, as the texts say.
_MONEY = {"zh": 1e4, "en": 1e6}
_PERCENT = 100.0
#: Digits of shares and of values of levers.
_SHARE, _VALUE = 1, 3
#: Lists whose codes stand in the subjects of inputs.
_SUBJECTS = ("area", "travel_mode", "travel_purpose", "person_group", "length_band")
#: What stands beside the share of a city.
_BESIDE = (
    "gap_points",
    "probability_pct",
    "without_e_bike_pct",
    "peak_pct",
    "cold_pct",
    "transit_of_motorised_pct",
    "base_pct",
    "break_even_base_pct",
    "break_even_2019_pct",
)


def view_lines(view: pl.DataFrame, inputs: Inputs, lang: str) -> pl.DataFrame:
    """Return the view under labels, shares with one digit and the interval in one column.

    Parameters
    ----------
    view
        From :func:`transport.city_needs.green_travel_view`.
    inputs
        For the labels.
    lang
        Language.
    """
    area, yes = labels(inputs, "area", lang), {True: t("network.yes", lang), False: t("network.no", lang)}
    rows = [
        {
            "scenario": row["scenario"],
            "area": area.get(row["area"], row["area"]),
            "has_target": yes[row["has_target"]],
            "share_pct": row["share_pct"],
            "interval": _interval(row["share_p5_pct"], row["share_p95_pct"]),
            **{name: row[name] for name in _BESIDE},
        }
        for row in view.iter_rows(named=True)
    ]
    return _titled(rows, lang)


def needs_lines(needs: pl.DataFrame, inputs: Inputs, lang: str) -> pl.DataFrame:
    """Return required values under labels: what each lever has, needs, may have, and what its best value gives.

    Parameters
    ----------
    needs
        From :func:`transport.city_needs.city_needs`.
    inputs
        For the labels.
    lang
        Language.
    """
    names = lever_labels(inputs, lang)
    rows = []
    for row in needs.iter_rows(named=True):
        answer = t(
            f"green_travel.status_{row['status']}",
            lang,
            value=f"{row['value']:.4g}",
            share=f"{row['share_pct']:.2f}",  # a near miss must not look like the target
        )
        rows.append(
            {
                "lever": names.get(row["lever"], row["lever"]),
                "now": f"{row['now']:.4g}",
                "range": f"{row['minimum']:g}-{row['maximum']:g}",
                "answer": answer if row["monotonic"] else f"{answer} {t('green_travel.not_monotonic', lang)}",
                "value_interval": _ends(row, lang),
                "reach_pct": None if row["reach_pct"] is None else f"{row['reach_pct']:.0f}",
                "scope": t(f"green_travel.scope_{row['scope']}", lang),
            }
        )
    return _titled(rows, lang)


def needs_sentences(needs: pl.DataFrame, inputs: Inputs, lang: str) -> list[str]:
    """Return what to know about required values: which years they leave alone, and how far prices can be believed where one helps.

    Parameters
    ----------
    needs
        From :func:`transport.city_needs.city_needs`, of one year.
    inputs
        For the labels and what is a price.
    lang
        Language.
    """
    said = [t("green_travel.needs_start", lang, start=start_year(year), year=year) for year in needs["year"].unique().sort()]
    asked = needs.filter(pl.col("status").is_in(["reached", "out_of_range"]))["lever"].unique(maintain_order=True)
    return [*said, *_price_caveat(asked, inputs, lang)]


def _price_caveat(levers: Iterable[str], inputs: Inputs, lang: str) -> list[str]:
    """Return the sentence about prices among some levers; none where there is no price."""
    prices, names = price_levers(inputs), lever_labels(inputs, lang)
    found = [names.get(lever, lever) for lever in levers if lever in prices]
    return [t("green_travel.price_caveat", lang, levers=_list(found, lang))] if found else []


def _ends(row: Mapping[str, object], lang: str) -> str | None:
    if row["reach_pct"] is None:
        return None
    beyond = t("green_travel.beyond", lang)
    ends = [beyond if row[name] is None else f"{row[name]:.4g}" for name in ("value_p5", "value_p95")]
    return ends[0] if ends[0] == ends[1] else f"{ends[0]} - {ends[1]}"


def drivers_lines(drivers: pl.DataFrame, inputs: Inputs, lang: str, top: int) -> pl.DataFrame:
    """Return the widest swings of a city under labels.

    Parameters
    ----------
    drivers
        From :func:`transport.city_drivers.city_drivers`, of one city.
    inputs
        For the labels.
    lang
        Language.
    top
        Rows; 0 = all.
    """
    quality = labels(inputs, "quality", lang)
    rows = [
        {
            "rank_swing": row["rank_swing"],
            "parameter": input_name(row["parameter"], row["subject"], inputs, lang),
            "value_range": f"{row['value']:.4g} ({row['low']:.4g}-{row['high']:.4g})",
            "quality": quality.get(row["quality"], row["quality"]),
            "swing_points": row["swing_points"],
            "share_ends": _interval(row["share_low_pct"], row["share_high_pct"]),
            "rank_correlation": None if row["rank_correlation"] is None else f"{row['rank_correlation']:+.2f}",
            "rank_correlated": row["rank_correlated"],
        }
        for row in (drivers.head(top) if top else drivers).iter_rows(named=True)
    ]
    return _titled(rows, lang)


def elasticities_lines(table: pl.DataFrame, inputs: Inputs, lang: str) -> pl.DataFrame:
    """Return what the travel model implies beside what was published, under labels.

    Parameters
    ----------
    table
        Elasticities of the travel model.
    inputs
        For the labels.
    lang
        Language.
    """
    area, mode, quality, role = (labels(inputs, name, lang) for name in ("area", "travel_mode", "quality", "used_for"))
    rows = [
        {
            "item": item_name(row["item"], lang),
            "modes": _list((mode.get(m, m) for m in str(row["modes"]).split()), lang),
            "area": area.get(row["area"], t("green_travel.target_cities", lang)),
            "modelled": f"{row['modelled']:.2f}",
            "published": None if row["published"] is None else f"{row['published']:.2f}",
            "published_range": None if row["low"] is None else f"{row['low']:g} ... {row['high']:g}",
            "verdict": t(f"green_travel.verdict_{row['verdict']}", lang) if row["verdict"] else None,
            "role": role.get(row["role"], row["role"]),
            "quality": quality.get(row["quality"], row["quality"]),
        }
        for row in table.iter_rows(named=True)
    ]
    return _titled(rows, lang)


def replace_first(drivers: pl.DataFrame, count: int, inputs: Inputs, lang: str) -> list[str]:
    """Return the inputs of a city to be replaced by data first, those of weak quality with the widest swings: what they are called and their rows.

    Parameters
    ----------
    drivers
        Of one city.
    count
        Most inputs to name.
    inputs
        For the labels.
    lang
        Language.
    """
    weak = drivers.filter(pl.col("quality").is_in(WEAK), pl.col("replace_first") <= count).sort("replace_first")
    return [f"{input_name(p, s, inputs, lang)} `{p} {s}`" for p, s in weak.select("parameter", "subject").iter_rows()]


def input_name(parameter: str, subject: str, inputs: Inputs, lang: str) -> str:
    """Return what an input is called: the label of its parameter, and the labels of the codes of its subject.

    Parameters
    ----------
    parameter, subject
        Keys of the rows.
    inputs
        For the labels.
    lang
        Language.
    """
    name = parameter_labels(inputs, lang).get(parameter, parameter)
    if subject in ("", "all"):
        return name
    known: dict[str, str] = {}
    for codes in _SUBJECTS:
        known |= labels(inputs, codes, lang)
    parts = [known.get(code, attribute_name(code, lang)) for code in subject.split(".")]
    return t("cities.input_of", lang, name=name, subject=" · ".join(parts))


def attribute_name(code: str, lang: str) -> str:
    """Return what an attribute of service is called; a code without a text is returned as it is.

    Parameters
    ----------
    code
        As in ``travel_elasticity``.
    lang
        Language.
    """
    key = f"cities.attribute_{code}"
    return t(key, lang) if has_text(key, lang) else code


def item_name(code: str, lang: str) -> str:
    """Return what an elasticity or a figure of a published case is called; a code without a text is returned as it is.

    Parameters
    ----------
    code
        Item of the elasticities.
    lang
        Language.
    """
    key = f"cities.item_{code.replace('.', '_')}"
    return t(key, lang) if has_text(key, lang) else attribute_name(code, lang)


def mix_lines(mix: Mix, inputs: Inputs, lang: str) -> pl.DataFrame:
    """Return the levers of a mix under labels, with what each costs.

    Parameters
    ----------
    mix
        From :func:`transport.city_mix.cheapest_mix`.
    inputs
        For the labels.
    lang
        Language.
    """
    names = lever_labels(inputs, lang)
    rows = [
        {
            "lever": names.get(lever, lever),
            "now": f"{now:.{_VALUE}f}",
            "mix_value": f"{value:.{_VALUE}f}",
            "end": f"{end:g}",
            "lever_cost": f"{mix.cost_of_lever[lever] / _MONEY[lang]:,.1f}",
        }
        for lever, (now, value, end) in mix.levers.items()
    ]
    return _titled(rows, lang)


def mix_sentences(mix: Mix, inputs: Inputs, lang: str) -> list[str]:
    """Return what a mix comes to in words: share, cost, chance, fares, what binds, what was left out for want of a cost, and what to know of prices.

    Parameters
    ----------
    mix
        From :func:`transport.city_mix.cheapest_mix`.
    inputs
        For the labels.
    lang
        Language.
    """
    names = lever_labels(inputs, lang)
    values = {
        "area": labels(inputs, "area", lang).get(mix.area, mix.area),
        "scenario": mix.scenario,
        "share": f"{mix.share * _PERCENT:.{_SHARE}f}",
        "target": f"{mix.target * _PERCENT:g}",
        "cost": f"{mix.cost / _MONEY[lang]:,.1f}",
        "year": mix.year,
    }
    said = [t(f"green_travel.mix_{mix.status}", lang, **values)]
    if mix.probability is not None:
        low, high = (f"{x * _PERCENT:.{_SHARE}f}" for x in mix.interval)
        said.append(t("green_travel.mix_chance", lang, low=low, high=high, probability=f"{mix.probability * _PERCENT:.0f}"))
    if mix.levers:
        way = "lost" if mix.fares < 0.0 else "gained"
        said.append(t(f"green_travel.mix_fares_{way}", lang, fares=f"{abs(mix.fares) / _MONEY[lang]:,.1f}"))
    if mix.binding:
        said.append(t("green_travel.mix_binding", lang, levers=_list((names.get(x, x) for x in mix.binding), lang)))
    if mix.unpriced:
        said.append(t("green_travel.mix_unpriced", lang, levers=_list((names.get(x, x) for x in mix.unpriced), lang)))
    return [*said, *_price_caveat(mix.levers, inputs, lang)]


def mix_scenario(mixes: Sequence[Mix], scenario: Scenario, inputs: Inputs, *, bundled: bool) -> str:
    """Return a scenario file with the mixes of some cities on top of a scenario.

    Parameters
    ----------
    mixes
        Of the scenario, in one year.
    scenario
        What they add to.
    inputs
        For the labels.
    bundled
        Whether it can be named as a base; else everything it sets is written out.

    Returns
    -------
    str
        TOML; what the mixes set stands by city where a lever can be set by area, as in ``"bus_priority@210100"``.
    """
    title = {"zh": scenario.title_zh, "en": scenario.title_en}
    area = {lang: labels(inputs, "area", lang) for lang in title}
    areas = {lang: _list((area[lang].get(mix.area, mix.area) for mix in mixes), lang) for lang in title}
    year = mixes[0].year
    lines = [
        *(
            f"title_{lang} = {_toml(t('green_travel.mix_title', lang, scenario=title[lang], areas=areas[lang], year=year))}"
            for lang in title
        ),
        *(f"about_{lang} = {_toml(t('green_travel.mix_about', lang, year=year))}" for lang in title),
        f"base = {_toml(scenario.name if bundled else 'baseline')}",
    ]
    resolved = scenario.resolved()
    run = resolved.pop("run")
    sections: dict[str, dict[str, object]] = {"set": {}} if bundled else {**resolved}
    sections["set"] = {**sections["set"], **{name: value for mix in mixes for name, value in mix.settings.items()}}
    for name, section in sections.items():
        lines += ["", f"[{name}]", *(f"{_toml(key)} = {_toml(value)}" for key, value in section.items())]
    if not bundled:
        lines += ["", "[run]", *(f"{key} = {_toml(run[key])}" for key in ("seed", "capacity", "network", "sales", "simulate"))]
    if not bundled and run["hold_year"]:
        lines += ["", "[run.hold]", f"year = {run['hold_year']}", f"but = {_toml(run['hold_but'])}"]
    return "\n".join(lines) + "\n"


def lever_labels(inputs: Inputs, lang: str) -> dict[str, str]:
    """Return lever -> label."""
    return dict(inputs.table("levers").select("lever", f"label_{lang}").iter_rows())


def _toml(value: object) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{year} = {_toml(value[year])}" for year in sorted(value)) + " }"
    if isinstance(value, float):
        return repr(value)
    return json.dumps(value, ensure_ascii=False)


def _list(names: Iterable[str], lang: str) -> str:
    return listed(names, lang)


def _interval(low: float | None, high: float | None) -> str | None:
    return None if low is None or high is None else f"{low:.{_SHARE}f}-{high:.{_SHARE}f}"


def _titled(rows: Sequence[Mapping[str, object]], lang: str) -> pl.DataFrame:
    """Return rows as a table under the labels of the language; columns without any value are left out."""
    table = pl.DataFrame(list(rows), infer_schema_length=None)
    kept = [name for name in table.columns if table[name].null_count() < table.height]
    return table.select(pl.col(name).alias(t(f"green_travel.{name}", lang)) for name in kept)
