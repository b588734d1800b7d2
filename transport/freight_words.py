"""An explanation of a haul in words: which kind of chain wins, by how much, and which place on its way is the tightest."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from transport.i18n import t

if TYPE_CHECKING:
    from transport.freight_explain import Explanation


def chain_label(code: str, lang: str) -> str:
    """Return the name of a kind of chains, or of flows that do not choose."""
    if code == "captive":
        return t("select.captive", lang)
    return t(f"freight.chain_{code}", lang)


def sentence(found: Explanation, lang: str) -> str:
    """Return in words which kind of chain wins, by how many yuan, and which place on its way is the tightest.

    Parameters
    ----------
    found
        The explanation; kinds of chains are compared by the terminal pair that carries most.
    lang
        ``zh`` or ``en``.
    """
    share = dict(found.chains.group_by("alternative").agg(pl.col("probability").sum()).iter_rows())
    best = found.chains.unique("alternative", keep="first", maintain_order=True).to_dicts()
    first = best[0]
    winner = chain_label(first["alternative"], lang)
    if len(best) == 1:
        words = t("explain.sentence_only", lang, winner=winner)
    else:
        other = best[1]
        gap = other["cost_cny_per_t"] - first["cost_cny_per_t"]
        words = t(
            "explain.sentence_cheaper" if gap >= 0 else "explain.sentence_dearer",
            lang,
            winner=winner,
            share=f"{100 * share[first['alternative']]:.0f}",
            other=chain_label(other["alternative"], lang),
            other_share=f"{100 * share[other['alternative']]:.0f}",
            gap=f"{abs(gap):.1f}",
            worth=f"{first['beside_cost_cny_per_t'] - other['beside_cost_cny_per_t']:.1f}",
        )
    return f"{words}{'' if lang == 'zh' else ' '}{_bottleneck(found, first['chain'], lang)}"


def _bottleneck(found: Explanation, chain: int, lang: str) -> str:
    """Return the tightest section or terminal of a chain in words."""
    sections = found.path.filter(pl.col("chain") == chain, pl.col("worst_link_id").is_not_null())
    stops = found.stops.filter(pl.col("chain") == chain, pl.col("capacity_t").is_finite())
    tight = [(r["worst_vc_ratio"], f"{r['worst_name']} ({r['worst_link_id']})") for r in sections.iter_rows(named=True)]
    tight += [(r["vc_ratio"], f"{r['name']} ({t('explain.kind.' + r['kind'], lang)})") for r in stops.iter_rows(named=True)]
    if not tight:
        return t("explain.bottleneck_none", lang)
    ratio, name = max(tight)
    return t("explain.bottleneck_over" if ratio > 1 else "explain.bottleneck", lang, name=name, ratio=f"{100 * ratio:.0f}")
