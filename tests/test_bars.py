from __future__ import annotations

from xml.etree import ElementTree

import pytest

from wsss_assets.errors import UsageError
from wsss_assets.report.bars import LEFT, RIGHT, Bar, bars_svg

SVG = "{http://www.w3.org/2000/svg}"
PARTS = ("hit", "missed", "spill")
BARS = (Bar("cat & dog", (0.5, 0.25, 0.25), "IoU 50"), Bar("cow", (0.0, 0.0, 0.75)))


def draw(*bars: Bar, **words: str) -> ElementTree.Element:
    return ElementTree.fromstring(bars_svg(bars, PARTS, title="T <1>", **words))  # noqa: S314


def parts_of(root: ElementTree.Element) -> list[ElementTree.Element]:
    return [each for each in root.iter(f"{SVG}rect") if "part" in each.attrib["class"].split()]


def test_parts_are_as_long_as_their_shares() -> None:
    parts = parts_of(draw(*BARS))
    places = [tuple(float(part.attrib[name]) for name in ("x", "width", "y")) for part in parts]
    whole = RIGHT - LEFT
    starts = [(x - LEFT) / whole for x, _, _ in places]
    assert starts == pytest.approx([0, 0.5, 0.75, 0], abs=1e-4)
    assert [width / whole for _, width, _ in places] == pytest.approx(
        [0.5, 0.25, 0.25, 0.75], abs=1e-4
    )
    rows = [y for _, _, y in places]
    assert rows[0] == rows[1] == rows[2] < rows[3]
    assert [part.attrib["class"] for part in parts] == [
        f"part fill{index}" for index in (0, 1, 2, 2)
    ]
    assert [part.findtext(f"{SVG}title") for part in parts] == [
        "cat & dog: hit 50.0%",
        "cat & dog: missed 25.0%",
        "cat & dog: spill 25.0%",
        "cow: spill 75.0%",
    ]


def test_words_are_escaped_and_read_out() -> None:
    root = draw(*BARS, subtitle="a < b", footer="SYNTHETIC")
    texts = [element.text for element in root.iter(f"{SVG}text")]
    assert {"T <1>", "a < b", "SYNTHETIC", "cat & dog", "IoU 50", *PARTS} <= set(texts)
    assert root.findtext(f"{SVG}desc") == (
        "cat & dog: hit 50.0%, missed 25.0%, spill 25.0%. cow: spill 75.0%."
    )


def test_no_bars_and_no_shares() -> None:
    root = draw()
    assert "nothing to draw" in [element.text for element in root.iter(f"{SVG}text")]
    assert parts_of(draw(Bar("x", (0, 0, 0)))) == []


def test_a_long_key_has_several_rows() -> None:
    parts = [f"a part with a long name, number {index}" for index in range(9)]
    root = ElementTree.fromstring(bars_svg([], parts, title=""))  # noqa: S314
    marks = [each for each in root.iter(f"{SVG}rect") if each.attrib["class"].startswith("fill")]
    assert len(marks) == 9
    assert len({mark.attrib["y"] for mark in marks}) > 2
    assert all(float(mark.attrib["x"]) < 700 for mark in marks)


def test_the_picture_grows_with_the_bars() -> None:
    low, high = (
        float(draw(*[Bar(str(index), (1, 0, 0)) for index in range(count)]).attrib["height"])
        for count in (21, 81)
    )
    assert high - low == 60 * 24


def test_what_cannot_be_drawn_is_refused() -> None:
    for shares in ((0.5, 0.5), (0.5, 0.5, 0.1), (1.1, -0.1, 0), (float("nan"), 0, 0)):
        with pytest.raises(UsageError, match="the bar 'x' cannot be drawn"):
            draw(Bar("x", shares))
    with pytest.raises(UsageError, match="10 parts"):
        bars_svg([], [str(index) for index in range(10)], title="")


def test_the_same_input_gives_the_same_bytes() -> None:
    assert bars_svg(BARS, PARTS, title="T") == bars_svg(BARS, PARTS, title="T")
