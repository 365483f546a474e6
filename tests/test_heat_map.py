from __future__ import annotations

import base64
import io
import re
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from wsss_assets.errors import UsageError
from wsss_assets.report.contact_sheet import heat_colours
from wsss_assets.report.heat_map import LEFT, SIDE, TOP, HeatMap, heat_map_svg

SVG = "{http://www.w3.org/2000/svg}"
WORDS = {
    "title": "A & B",
    "subtitle": "<both>",
    "x_label": "tau",
    "y_label": "saliency threshold",
    "footer": "SYNTHETIC",
}


def draw(heat_map: HeatMap) -> ElementTree.Element:
    return ElementTree.fromstring(heat_map_svg(heat_map, **WORDS))  # noqa: S314


def picture(root: ElementTree.Element) -> Image.Image:
    href = root.find(f"{SVG}image")
    assert href is not None
    data = href.attrib["href"].removeprefix("data:image/png;base64,")
    return Image.open(io.BytesIO(base64.b64decode(data)))


def test_pixels_are_the_values_with_row_0_at_the_bottom() -> None:
    values = np.array([[0.25, 0.75], [0.5, np.nan]])
    pixels = np.asarray(picture(draw(HeatMap(values, (0, 1)))))
    colours = heat_colours()
    assert pixels.shape == (2, 2, 4)
    assert tuple(pixels[1, 0]) == (*colours[0], 255)  # the lowest value
    assert tuple(pixels[1, 1]) == (*colours[255], 255)  # the highest
    assert tuple(pixels[0, 0]) == (*colours[128], 255)
    assert pixels[0, 1, 3] == 0  # no value


def test_marks_lie_on_their_settings() -> None:
    values = np.zeros((256, 256))
    values[51, 102] = 0.5
    root = draw(HeatMap(values, (51, 102), (0.2, 0.4)))
    ring = root.findall(f"{SVG}circle")[-1]
    assert float(ring.attrib["cx"]) == pytest.approx(LEFT + 102.5 / 256 * SIDE, abs=0.1)
    assert float(ring.attrib["cy"]) == pytest.approx(TOP + SIDE - 51.5 / 256 * SIDE, abs=0.1)
    cross = root.findall(f"{SVG}path")[-1].attrib["d"]
    x, y = (float(number) for number in re.findall(r"[\d.]+", cross)[:2])
    assert x + 6 == pytest.approx(LEFT + 0.4 * SIDE, abs=0.1)
    assert y == pytest.approx(TOP + SIDE - 0.2 * SIDE, abs=0.1)


def test_words_are_escaped_and_read_out() -> None:
    values = np.full((256, 256), 0.25)
    values[51, 102] = 0.5
    root = draw(HeatMap(values, (51, 102)))
    texts = [element.text for element in root.iter(f"{SVG}text")]
    assert {"A & B", "<both>", "tau", "saliency threshold", "SYNTHETIC"} <= set(texts)
    described = root.findtext(f"{SVG}desc") or ""
    assert "50.00%, at saliency threshold 0.200 and tau 0.400" in described


def test_a_flat_surface_is_drawn_and_an_empty_one_refused() -> None:
    draw(HeatMap(np.full((4, 4), 0.3), (0, 0)))
    with pytest.raises(UsageError, match="nothing to draw"):
        draw(HeatMap(np.full((4, 4), np.nan), (0, 0)))
    with pytest.raises(UsageError, match="nothing to draw"):
        draw(HeatMap(np.zeros((4, 4)), (4, 0)))


def test_the_same_input_gives_the_same_bytes() -> None:
    values = np.random.default_rng(0).random((256, 256))
    assert heat_map_svg(HeatMap(values, (1, 2)), **WORDS) == heat_map_svg(
        HeatMap(values.copy(), (1, 2)), **WORDS
    )
