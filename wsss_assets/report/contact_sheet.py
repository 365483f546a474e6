"""One picture that shows, image by image, what maps and labels look like."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from wsss_assets.errors import SizeMismatchError, UsageError
from wsss_assets.storage.files import replaced
from wsss_assets.storage.label_maps import label_palette

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from wsss_assets.storage.images import UInt8

__all__ = ["SheetRow", "contact_sheet", "heat_colours"]

CELL = 240
MARGIN = 32
GAP = 12
ROW_GAP = 26
CAPTION_HEIGHT = 30

INK = (28, 32, 38)
QUIET = (104, 110, 120)
PAPER = (255, 255, 255)
PANEL = (240, 242, 245)
RULE = (216, 220, 226)

COLUMNS = ("Photo", "Saliency", "Activation", "Pseudo-label", "Ground truth")

# Anchors of a black-violet-orange-yellow map whose lightness rises evenly, as magma's does.
_HEAT = (
    (0.00, (4, 4, 16)),
    (0.20, (54, 18, 92)),
    (0.40, (128, 38, 124)),
    (0.60, (206, 66, 108)),
    (0.78, (248, 128, 88)),
    (0.90, (254, 192, 118)),
    (1.00, (252, 246, 184)),
)


@dataclass(frozen=True)
class SheetRow:
    """What is known of one image; all arrays share H and W.

    Attributes:
        image_id: printed below the row.
        photo: uint8 (H, W, 3).
        saliency: uint8 (H, W), or None where there is none.
        activations: uint8 (H, W) by class name.
        label: uint8 (H, W) label map, or None.
        truth: uint8 (H, W) label map, or None.
        caption: a few words beside the id, e.g. `IoU 61.2 %`.
    """

    image_id: str
    photo: UInt8
    saliency: UInt8 | None = None
    activations: Mapping[str, UInt8] = field(default_factory=dict)
    label: UInt8 | None = None
    truth: UInt8 | None = None
    caption: str = ""


def contact_sheet(
    rows: Sequence[SheetRow],
    path: Path,
    *,
    label_names: Sequence[str],
    title: str,
    footer: str = "",
) -> None:
    """Write a PNG with one row per image: photo, saliency, activation, label, ground truth.

    Activation maps of several classes are shown as their maximum, each class named where it
    peaks. Label maps lie over the darkened photo in VOC's colours, the ignore label in white.

    Args:
        rows: images, at least one.
        path: where to; written whole or not at all.
        label_names: names by label value, `background` first.
        title: a line above; shortened where it does not fit.
        footer: a line below, e.g. that all this is synthetic.

    Raises:
        UsageError: no rows.
        SizeMismatchError: a map's size is not its photo's.
    """
    if not rows:
        raise UsageError("a contact sheet needs at least one image")
    for row in rows:
        _check_sizes(row)
    heights = [_fit(row.photo)[1] for row in rows]
    width = 2 * MARGIN + len(COLUMNS) * CELL + (len(COLUMNS) - 1) * GAP
    top = MARGIN + 68
    height = top + sum(heights) + len(rows) * (CAPTION_HEIGHT + ROW_GAP) - ROW_GAP + MARGIN
    if footer:
        height += 38
    sheet = Image.new("RGB", (width, height), PAPER)
    draw = ImageDraw.Draw(sheet)
    inner = width - 2 * MARGIN
    _text(draw, (MARGIN, MARGIN), _shortened(title, _font(22), inner), 22, INK)
    for column, name in enumerate(COLUMNS):
        _text(draw, (_left(column), top - 26), name, 14, QUIET)
    for row, row_height in zip(rows, heights, strict=True):
        for column, cell in enumerate(_cells(row)):
            _place(sheet, cell, _left(column), top, row_height)
        _write_caption(draw, row, top + row_height + 8, inner, label_names)
        top += row_height + CAPTION_HEIGHT + ROW_GAP
    if footer:
        line = top - ROW_GAP + 16
        draw.line((MARGIN, line, width - MARGIN, line), fill=RULE)
        _text(draw, (MARGIN, line + 11), _shortened(footer, _font(14), inner), 14, QUIET)
    with replaced(path) as temporary:
        sheet.save(temporary, format="PNG")


def heat_colours() -> UInt8:
    """Colours of a heat map by 8-bit value: uint8 (256, 3), dark to light."""
    anchors = np.array([position * 255 for position, _ in _HEAT])
    colours = np.array([colour for _, colour in _HEAT], dtype=np.float64)
    values = np.arange(256)
    channels = [np.interp(values, anchors, colours[:, channel]) for channel in range(3)]
    return np.rint(np.stack(channels, axis=1)).astype(np.uint8)


def _check_sizes(row: SheetRow) -> None:
    size = row.photo.shape[:2]
    maps = {
        "saliency map": row.saliency,
        "label": row.label,
        "ground truth": row.truth,
        **{f"activation map of {name}": values for name, values in row.activations.items()},
    }
    for name, values in maps.items():
        if values is not None and values.shape != size:
            raise SizeMismatchError(
                f"the {name} of {row.image_id} does not fit its photo",
                expected=f"{size[1]}×{size[0]}",
                found="×".join(map(str, reversed(values.shape))),
            )


def _fit(photo: UInt8) -> tuple[int, int]:
    """(width, height) of a picture that fills a square cell in one direction."""
    height, width = photo.shape[:2]
    scale = CELL / max(height, width)
    return max(1, round(width * scale)), max(1, round(height * scale))


def _left(column: int) -> int:
    return MARGIN + column * (CELL + GAP)


def _place(sheet: Image.Image, cell: Image.Image | None, left: int, top: int, height: int) -> None:
    """Centre a picture on its panel."""
    draw = ImageDraw.Draw(sheet)
    draw.rectangle((left, top, left + CELL - 1, top + height - 1), fill=PANEL)
    if cell is None:
        middle = (left + CELL // 2, top + height // 2)
        draw.text(middle, "not given", font=_font(14), fill=QUIET, anchor="mm")
        return
    sheet.paste(cell, (left + (CELL - cell.width) // 2, top + (height - cell.height) // 2))


def _cells(row: SheetRow) -> tuple[Image.Image | None, ...]:
    size = _fit(row.photo)
    photo = Image.fromarray(row.photo).resize(size, Image.Resampling.LANCZOS)
    return (
        photo,
        None if row.saliency is None else _shrunk(row.saliency, size).convert("RGB"),
        _heat_cell(row.activations, photo) if row.activations else None,
        None if row.label is None else _label_cell(row.label, photo),
        None if row.truth is None else _label_cell(row.truth, photo),
    )


def _shrunk(values: UInt8, size: tuple[int, int]) -> Image.Image:
    return Image.fromarray(values).resize(size, Image.Resampling.BILINEAR)


def _heat_cell(activations: Mapping[str, UInt8], photo: Image.Image) -> Image.Image:
    """The highest activation over the photo, stronger where it is higher, classes named."""
    maps = {name: np.asarray(_shrunk(each, photo.size)) for name, each in activations.items()}
    highest = np.maximum.reduce(list(maps.values()))
    grey = np.asarray(photo.convert("L"), dtype=np.float64)[:, :, None]
    opacity = 0.45 + 0.45 * highest[:, :, None] / 255
    blended = grey * (1 - opacity) + heat_colours()[highest] * opacity
    cell = Image.fromarray(np.rint(blended).astype(np.uint8))
    taken: list[tuple[float, float, float, float]] = []
    for name, values in maps.items():
        row, column = divmod(int(values.argmax()), values.shape[1])
        _tag(cell, name, column, row, taken)
    return cell


def _tag(
    cell: Image.Image,
    name: str,
    column: int,
    row: int,
    taken: list[tuple[float, float, float, float]],
) -> None:
    """Write a name near a point: inside the cell, and not over another name if it can be."""
    draw = ImageDraw.Draw(cell, "RGBA")
    font = _font(13)
    name = _shortened(name, font, cell.width - 18)
    width, height = font.getlength(name) + 12, 20
    left = min(max(column - width / 2, 3), cell.width - width - 3)
    lowest = cell.height - height - 3
    start = min(max(row - height / 2, 3), lowest)
    steps = range(0, cell.height, 4)
    tops = [start + sign * step for step in steps for sign in (1, -1)]
    for top in (each for each in tops if 3 <= each <= lowest):
        box = (left, top, left + width, top + height)
        if not any(_overlap(box, other) for other in taken):
            break
    else:
        box = (left, start, left + width, start + height)
    taken.append(box)
    draw.rounded_rectangle(box, radius=5, fill=(16, 18, 24, 190))
    middle = ((box[0] + box[2]) / 2, (box[1] + box[3]) / 2)
    draw.text(middle, name, font=font, fill=PAPER, anchor="mm")


def _overlap(
    one: tuple[float, float, float, float], other: tuple[float, float, float, float]
) -> bool:
    return (
        one[0] < other[2] + 2
        and other[0] < one[2] + 2
        and one[1] < other[3] + 2
        and other[1] < one[3] + 2
    )


def _label_cell(label: UInt8, photo: Image.Image) -> Image.Image:
    """Classes in their colours, the ignore label in white, the photo dark where there are none."""
    shrunk = np.asarray(Image.fromarray(label).resize(photo.size, Image.Resampling.NEAREST))
    colours = _colours()[shrunk].astype(np.float64)
    seen = np.asarray(photo, dtype=np.float64)
    opacity = np.where(shrunk == 0, 0.66, np.where(shrunk == 255, 1.0, 0.78))[:, :, None]
    blended = seen * (1 - opacity) + colours * opacity
    return Image.fromarray(np.rint(blended).astype(np.uint8))


def _colours() -> UInt8:
    return np.frombuffer(label_palette(255), dtype=np.uint8).reshape(256, 3)


def _write_caption(
    draw: ImageDraw.ImageDraw, row: SheetRow, top: int, inner: int, label_names: Sequence[str]
) -> None:
    """Id and caption on the left; the classes' colours on the right, as many as fit."""
    image_id = _shortened(row.image_id, _font(15), inner / 3)
    left = MARGIN + _font(15).getlength(image_id) + 14
    _text(draw, (MARGIN, top), image_id, 15, INK)
    right: float = MARGIN + inner
    values: set[int] = set()
    for label in (row.label, row.truth):
        if label is not None:
            values |= set(np.flatnonzero(np.bincount(label.ravel(), minlength=256)).tolist())
    names = {
        value: _printable(label_names[value]) if value < len(label_names) else f"class {value - 1}"
        for value in sorted(values - {0, 255})
    }
    if 255 in values:
        names[255] = "ignored (255)"
    # Two thirds of the line for the legend at most, the rest for the caption.
    right = _write_legend(draw, names, max(left, right - inner * 2 / 3), right, top)
    caption = _shortened(row.caption, _font(14), right - left - 16)
    _text(draw, (left, top + 1), caption, 14, QUIET)


def _write_legend(
    draw: ImageDraw.ImageDraw, names: Mapping[int, str], left: float, right: float, top: int
) -> float:
    """Write from the right; where the legend begins."""
    font = _font(14)
    colours = _colours()
    shown = dict(names)
    while shown:
        more = f"+{len(names) - len(shown)} more" if len(shown) < len(names) else ""
        widths = [19 + font.getlength(name) + 16 for name in shown.values()]
        begin = right + 16 - sum(widths) - (font.getlength(more) + 16 if more else 0)
        if begin >= left:
            break
        shown.popitem()
    else:
        return right
    cursor = begin
    for (value, name), width in zip(shown.items(), widths, strict=True):
        red, green, blue = (int(channel) for channel in colours[value])
        draw.rounded_rectangle(
            (cursor, top + 3, cursor + 12, top + 15),
            radius=3,
            fill=(red, green, blue),
            outline=QUIET if value == 255 else None,
        )
        _text(draw, (cursor + 19, top + 1), name, 14, INK)
        cursor += width
    if more:
        _text(draw, (cursor, top + 1), more, 14, QUIET)
    return begin


def _shortened(text: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, width: float) -> str:
    """The text, its end replaced by an ellipsis where it is too wide."""
    text = _printable(" ".join(text.split()))
    if font.getlength(text) <= width:
        return text
    while text and font.getlength(text + "...") > width:
        text = text[:-1]
    return text.rstrip() + "..." if text else ""


def _printable(text: str) -> str:
    """The text with what Pillow's own font lacks spelt otherwise, at worst as `?`."""
    spelt = []
    for each in text:
        plain = _SPELT.get(each) or unicodedata.normalize("NFKD", each)[0]
        spelt.append(each if _has_glyph(each) else plain if plain.isascii() else "?")
    return "".join(spelt)


_SPELT = {
    "×": "x",
    "−": "-",
    "–": "-",
    "—": "-",
    "→": "->",
    "≥": ">=",
    "≤": "<=",
    "τ": "tau",
}


@cache
def _has_glyph(character: str) -> bool:
    font = _font(14)
    absent, drawn = font.getmask("\U0010ffff"), font.getmask(character)
    return character == " " or (absent.size, bytes(absent)) != (drawn.size, bytes(drawn))


def _text(
    draw: ImageDraw.ImageDraw,
    corner: tuple[float, float],
    text: str,
    size: int,
    colour: tuple[int, int, int],
) -> None:
    draw.text(corner, text, font=_font(size), fill=colour)


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)
