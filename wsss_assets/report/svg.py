"""What pictures share: an SVG that stands alone, its headline, text, and colours of lines.

No script, no font and no library is needed to show one; colours follow the reader's scheme.
"""

from __future__ import annotations

from html import escape
from re import sub
from textwrap import wrap
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = [
    "cut",
    "dashes",
    "document",
    "footnote",
    "heading",
    "line_colours",
    "minus",
    "safe",
    "text",
]

_STYLE = """
svg {
  background: #ffffff;
  max-width: 100%;
  height: auto;
  font: 13px system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif;
}
text { fill: #1c2026 }
.title { font-size: 18px; font-weight: 600 }
"""
_DARK_STYLE = """
svg { background: #14171c }
text { fill: #e8eaee }
"""

# Okabe and Ito's colours, told apart by colour-blind readers; (on light paper, on dark paper).
_LINE_COLOURS = (
    ("#0072b2", "#4c9be8"),
    ("#d55e00", "#ff8a3d"),
    ("#007a5a", "#2bc49a"),
    ("#b0478a", "#e592c4"),
    ("#8a6d00", "#e6c84a"),
    ("#45a5e6", "#b5e3ff"),
    ("#4a4a4a", "#d0d0d0"),
)
_DASHES = ("", "8 3", "2 3")


def document(
    body: Iterable[str],
    *,
    width: float,
    height: float,
    title: str,
    description: str,
    style: str,
    dark_style: str,
) -> str:
    """A picture of its own.

    Args:
        body: elements, in the order in which they are painted.
        width: in pixels.
        height: in pixels.
        title: what it is, read out by screen readers.
        description: what it shows, in sentences, read out by them, too.
        style: CSS rules beside those for the page, `text` and `.title`.
        dark_style: what of them is different for readers who prefer dark pages.
    """
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}" '
        f'width="{width:.0f}" height="{height:.0f}" role="img" '
        'aria-labelledby="title description">',
        f'<title id="title">{safe(title)}</title>',
        f'<desc id="description">{safe(description)}</desc>',
        f"<style>{_STYLE}{style}@media (prefers-color-scheme: dark) {{"
        f"{_DARK_STYLE}{dark_style}}}\n</style>",
        *body,
        "</svg>",
        "",
    ]
    return "\n".join(parts)


def heading(title: str, subtitle: str, *, width: float) -> list[str]:
    """Headline and the line below it, cut to about the width of the picture."""
    inside = width - 48
    return [
        text(24, 36, cut(title, int(inside / 10.8)), "title"),
        text(24, 58, cut(subtitle, int(inside / 7.3)), "quiet"),
    ]


def footnote(words: str, *, width: float, bottom: float) -> list[str]:
    """Small text in as many lines as it takes, the last of them at `bottom`."""
    lines = wrap(words, int((width - 48) / 7.3))
    return [
        text(24, bottom - 16 * above, line, "quiet")
        for above, line in zip(reversed(range(len(lines))), lines, strict=True)
    ]


def text(x: float, y: float, words: str, kind: str = "", anchor: str = "start") -> str:
    """A line of text.

    Args:
        x: where it starts, has its middle, or ends.
        y: its base line.
        words: unescaped.
        kind: its CSS classes.
        anchor: `start`, `middle` or `end`.
    """
    named = f' class="{kind}"' if kind else ""
    where = "" if anchor == "start" else f' text-anchor="{anchor}"'
    return f'<text{named} x="{_short(x)}" y="{_short(y)}"{where}>{safe(words)}</text>'


def cut(words: str, length: int) -> str:
    """Text of at most this many characters, the last of them `…` where some are left out."""
    return words if len(words) <= length else words[: length - 1].rstrip() + "…"


def minus(figures: str) -> str:
    """Figures with the minus sign of print, and with none where they are zero.

    >>> minus(f"{-1.25:.1f} {1:+d}"), minus(f"{-0.001:.2f}")
    ('−1.2 +1', '0.00')
    """
    return sub(r"-(?=[\d.]*[1-9])", "−", sub(r"-(?=[0.]+(?![\d.]))", "", figures))


def safe(words: str) -> str:
    """Text for XML: escaped, and without the control characters that XML cannot hold."""
    return escape("".join(each if each.isprintable() else " " for each in words))


def line_colours(count: int, *, dark: bool) -> str:
    """CSS rules `.stroke0`, `.fill0`, `.stroke1` … for some lines, on light or dark paper."""
    rules = []
    for index in range(count):
        colour = _LINE_COLOURS[index % len(_LINE_COLOURS)][dark]
        rules.append(f".stroke{index} {{ stroke: {colour} }} .fill{index} {{ fill: {colour} }}\n")
    return "".join(rules)


def dashes(index: int) -> str:
    """The attribute that tells a line from those of its colour, or nothing for the first ones."""
    dash = _DASHES[index // len(_LINE_COLOURS) % len(_DASHES)]
    return f' stroke-dasharray="{dash}"' if dash else ""


def _short(place: float) -> str:
    return f"{place:.1f}".removesuffix(".0")
