"""Whether this computer can draw Chinese: looked up and tried before any file is written, so that no report has boxes in the place of characters."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from transport.i18n import t
from transport.report.source import ReportError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

#: Families that hold simplified Chinese, the best first, and the beginnings of the names of their files.
FAMILIES: Sequence[tuple[str, tuple[str, ...]]] = (
    ("Microsoft YaHei", ("msyh",)),
    ("Noto Sans CJK SC", ("notosanscjk",)),
    ("Noto Sans SC", ("notosanssc", "notosanshans")),
    ("Source Han Sans SC", ("sourcehansanssc", "sourcehansans", "sourcehansanscn")),
    ("PingFang SC", ("pingfang",)),
    ("Heiti SC", ("stheiti",)),
    ("SimHei", ("simhei",)),
    ("SimSun", ("simsun",)),
    ("WenQuanYi Micro Hei", ("wqy-microhei",)),
    ("WenQuanYi Zen Hei", ("wqy-zenhei",)),
    ("Droid Sans Fallback", ("droidsansfallback",)),
)
_ENDINGS = (".ttf", ".ttc", ".otf", ".otc")
#: Two characters that look the same only where both are boxes.
_TRIED = ("国", "一")


@dataclass(frozen=True, slots=True)
class Font:
    """A family that holds simplified Chinese, and one of its files."""

    family: str
    file: Path


def folders() -> Iterator[Path]:
    """Return where fonts are kept on this system; the environment variable TRANSPORT_FONTS names one more folder."""
    extra = os.environ.get("TRANSPORT_FONTS")
    if extra:
        yield Path(extra)
    home = Path.home()
    if sys.platform == "win32":
        yield Path(os.environ.get("WINDIR", "C:/Windows")) / "Fonts"
        yield home / "AppData" / "Local" / "Microsoft" / "Windows" / "Fonts"
    elif sys.platform == "darwin":
        yield from (Path("/System/Library/Fonts"), Path("/Library/Fonts"), home / "Library" / "Fonts")
    else:
        yield from (
            Path("/usr/share/fonts"),
            Path("/usr/local/share/fonts"),
            home / ".fonts",
            home / ".local" / "share" / "fonts",
        )


def find_font() -> Font | None:
    """Return the first family of :data:`FAMILIES` that is installed, None where there is none."""
    files = [
        file for folder in folders() if folder.is_dir() for file in sorted(folder.rglob("*")) if file.suffix.lower() in _ENDINGS
    ]
    for family, beginnings in FAMILIES:
        for file in files:
            if file.name.lower().startswith(beginnings):
                return Font(family, file)
    return None


def require_font(lang: str) -> Font:
    """Return the font of the figures, after it has drawn two Chinese characters that differ.

    Parameters
    ----------
    lang
        Language of the message.

    Raises
    ------
    ReportError
        If no font with Chinese is installed, or what is drawn with it shows boxes; the message says what to install.
    """
    font = find_font()
    if font is None or not _draws(font):
        remedy = t(f"report.font_{'windows' if sys.platform == 'win32' else 'other'}", lang)
        searched = ", ".join(str(folder) for folder in folders())
        raise ReportError(
            t("report.no_font", lang, names=", ".join(family for family, _ in FAMILIES[:8]), folders=searched, remedy=remedy)
        )
    return font


def _draws(font: Font) -> bool:
    """Return whether two characters come out as two pictures: boxes for missing characters are all alike."""
    from transport.report.figures import text_picture

    first, second = (text_picture(character, font.family) for character in _TRIED)
    return first != second
