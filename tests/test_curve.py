from __future__ import annotations

import math
import re
from itertools import pairwise
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsss_assets.errors import UsageError
from wsss_assets.report.curve import BOTTOM, LEFT, RIGHT, TOP, Curve, _spaced, curve_svg

SVG = "{http://www.w3.org/2000/svg}"
TAUS = [step / 20 for step in range(21)]


def bump(name: str = "cam", peak: float = 0.3, end: float = 0.1) -> Curve:
    values = [end + (0.6 - end) * math.exp(-(((tau - peak) / 0.8) ** 2)) for tau in TAUS]
    best = max(range(len(TAUS)), key=values.__getitem__)
    near = [index for index, value in enumerate(values) if value >= values[best] - 0.01]
    return Curve(name, TAUS, values, best, (near[0], near[-1]), recommended=0.5)


def parse(svg: str) -> ElementTree.Element:
    return ElementTree.fromstring(svg)  # noqa: S314 (our own text)


def number(element: ElementTree.Element, name: str) -> float:
    return float(element.attrib[name])


def of_class(root: ElementTree.Element, name: str) -> list[ElementTree.Element]:
    return [each for each in root.iter() if name in each.attrib.get("class", "").split()]


def texts(root: ElementTree.Element) -> list[str]:
    return [each.text or "" for each in root.iter(f"{SVG}text")]


def test_marks_lie_where_the_data_say() -> None:
    curve = bump()
    root = parse(curve_svg([curve], title="T"))
    (line,) = of_class(root, "curve")
    points = [tuple(map(float, pair.split(","))) for pair in line.attrib["points"].split()]
    assert len(points) == len(TAUS)
    assert [round((x - LEFT) / (RIGHT - LEFT), 4) for x, _ in points] == TAUS
    ticks = [each for each in of_class(root, "tick") if each.attrib["text-anchor"] == "end"]
    low, high = ticks[0], ticks[-1]
    rows = [number(each, "y") - 4 for each in (low, high)]
    percents = [float(each.text or "") for each in (low, high)]
    slope = (percents[1] - percents[0]) / (rows[1] - rows[0])
    for (_, y), value in zip(points, curve.values, strict=True):
        assert percents[0] + (y - rows[0]) * slope == pytest.approx(100 * value, abs=0.05)
    (best,) = of_class(root, "best")
    assert (number(best, "cx"), number(best, "cy")) == points[curve.best]
    (band,) = of_class(root, "plateau")
    first, last = curve.plateau
    assert last - first == 4
    assert number(band, "x") == pytest.approx(points[first][0], abs=0.01)
    assert number(band, "x") + number(band, "width") == pytest.approx(points[last][0], abs=0.02)
    (ring,) = of_class(root, "ring")[-1:]
    assert (number(ring, "cx"), number(ring, "cy")) == points[TAUS.index(0.5)]
    lost = 100 * (curve.values[curve.best] - curve.values[TAUS.index(0.5)])
    assert f"recommended 0.50: {lost:.1f} points lower" in texts(root)
    assert "best 60.0 at 0.30" in texts(root)


def test_a_recommendation_between_two_thresholds_is_interpolated() -> None:
    curve = Curve("two", [0.0, 1.0], [0.4, 0.6], best=1, plateau=(1, 1), recommended=0.25)
    assert "recommended 0.25: 15.0 points lower" in texts(parse(curve_svg([curve], title="T")))
    none = Curve("two", [0.0, 1.0], [0.4, 0.6], best=1, plateau=(1, 1))
    svg = curve_svg([none], title="T")
    assert "recommended" not in re.sub(r"(?s)<style>.*</style>", "", svg)


def test_names_are_escaped_and_whole() -> None:
    nasty = '<script>&"\u202e\x00\n'
    svg = curve_svg([bump(nasty)], title=nasty, subtitle=nasty, footer=nasty)
    root = parse(svg)
    assert "<script" not in svg
    assert "\x00" not in svg
    shown = '<script>&"   '
    assert root.findtext(f"{SVG}title") == shown
    assert texts(root).count(shown) >= 3


def test_screen_readers_are_told_everything() -> None:
    root = parse(curve_svg([bump("one"), bump("two", 0.5)], title="T"))
    description = root.findtext(f"{SVG}desc") or ""
    assert root.attrib["role"] == "img"
    labels = root.attrib["aria-labelledby"].split()
    assert labels == [root[0].attrib["id"], root[1].attrib["id"]]
    for words in ("one: best 60.0 at 0.30", "two: best 60.0 at 0.50", "within one point"):
        assert words in description


def test_there_are_colours_for_both_schemes() -> None:
    style = parse(curve_svg([bump()], title="T")).findtext(f"{SVG}style") or ""
    light, dark = style.split("@media (prefers-color-scheme: dark)")
    assert ".stroke0" in light
    assert ".stroke0" in dark
    assert style.count("{") == style.count("}")


@pytest.mark.parametrize("count", [1, 2, 7, 12, 25])
def test_names_never_overlap_and_stay_in_the_picture(count: int) -> None:
    curves = [bump(f"curve {index}", end=0.1 + index / 1000) for index in range(count)]
    root = parse(curve_svg(curves, title="T", footer="F"))
    names = sorted(number(each, "y") for each in of_class(root, "name"))
    assert len(names) == count
    assert all(later - earlier >= 40 for earlier, later in pairwise(names))
    height = number(root, "height")
    assert all(0 < number(each, "y") <= height - 8 for each in root.iter(f"{SVG}text"))
    stripes = sorted(number(each, "y") for each in of_class(root, "stripe"))
    assert len(stripes) == (count if count > 1 else 0)
    assert all(TOP < y < BOTTOM for y in stripes)
    assert len(set(stripes)) == len(stripes)


@given(
    st.lists(st.floats(-50, 600), max_size=9),
    st.floats(1, 50),
)
def test_spacing_keeps_order_gap_and_bounds(wanted: list[float], gap: float) -> None:
    top, bottom = 0.0, 500.0
    places = _spaced(wanted, gap, top, bottom)
    order = sorted(range(len(wanted)), key=lambda index: (wanted[index], index))
    ordered = [places[index] for index in order]
    for earlier, later in pairwise(ordered):
        assert later - earlier >= gap - 1e-6
    assert all(top - 1e-6 <= place <= bottom + 1e-6 for place in places)


@pytest.mark.parametrize("level", [0.0, 0.5, 1.0])
def test_a_flat_curve_has_a_scale(level: float) -> None:
    curve = Curve("flat", TAUS, [level] * len(TAUS), best=0, plateau=(0, 20), recommended=0.3)
    root = parse(curve_svg([curve], title="T"))
    ticks = [each for each in of_class(root, "tick") if each.attrib["text-anchor"] == "end"]
    percents = [float(each.text or "") for each in ticks]
    assert len(percents) >= 4
    assert percents[0] <= 100 * level <= percents[-1]
    assert 0 <= percents[0] < percents[-1] <= 100
    assert "recommended 0.30: as good" in texts(root)


def test_one_threshold_and_no_curve_can_be_drawn() -> None:
    parse(curve_svg([Curve("point", [0.3], [0.5], 0, (0, 0), 0.9)], title="T"))
    assert "nothing to draw" in texts(parse(curve_svg([], title="T")))


def test_the_same_input_gives_the_same_bytes() -> None:
    curves = [bump(), bump("b", 0.6)]
    assert curve_svg(curves, title="T") == curve_svg(curves, title="T")


@pytest.mark.parametrize(
    "curve",
    [
        Curve("empty", [], [], 0, (0, 0)),
        Curve("uneven", [0.1, 0.2], [0.5], 0, (0, 0)),
        Curve("percent", [0.1, 0.2], [50.0, 60.0], 1, (1, 1)),
        Curve("not a number", [0.1, 0.2], [math.nan, 0.6], 1, (1, 1)),
        Curve("back", [0.2, 0.1], [0.5, 0.6], 1, (1, 1)),
        Curve("outside", [0.1, 0.2], [0.5, 0.6], 2, (1, 2)),
        Curve("plateau", [0.1, 0.2], [0.5, 0.6], 1, (0, 0)),
        Curve("recommended", [0.1, 0.2], [0.5, 0.6], 1, (1, 1), 1.5),
    ],
    ids=lambda curve: curve.name,
)
def test_numbers_that_do_not_fit_are_refused(curve: Curve) -> None:
    with pytest.raises(UsageError, match=curve.name):
        curve_svg([curve], title="T")
