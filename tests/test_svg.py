from __future__ import annotations

from xml.etree import ElementTree

import pytest

from wsss_assets.report.provenance import provenance_line
from wsss_assets.report.svg import (
    cut,
    dashes,
    document,
    footnote,
    heading,
    line_colours,
    safe,
    text,
)

SVG = "{http://www.w3.org/2000/svg}"


def test_a_document_is_xml_whatever_it_is_called() -> None:
    name = '<a & "b">\x00\x1b'
    body = [*heading(name, name, width=400), text(1, 2.25, name, "note", "end")]
    drawn = document(
        body,
        width=400,
        height=99.6,
        title=name,
        description=name,
        style=line_colours(9, dark=False),
        dark_style=line_colours(9, dark=True),
    )
    root = ElementTree.fromstring(drawn)  # noqa: S314 (our own text)
    assert root.get("viewBox") == "0 0 400 100"
    words = [one.text for one in root.iter() if one.tag in {f"{SVG}title", f"{SVG}text"}]
    assert words == ['<a & "b">  '] * 4
    last = [*root.iter(f"{SVG}text")][-1]
    assert (last.get("x"), last.get("y"), last.get("text-anchor")) == ("1", "2.2", "end")
    style = root.findtext(f"{SVG}style") or ""
    assert style.count("{") == style.count("}")
    light, dark = style.split("@media (prefers-color-scheme: dark)")
    assert ".fill8" in light
    assert ".fill8" in dark
    assert light[light.index(".fill8") :] != dark[dark.index(".fill8") :]


def test_long_headlines_are_cut_and_long_footnotes_broken() -> None:
    assert cut("abcd", 4) == "abcd"
    assert cut("abc de", 5) == "abc…"
    assert all("…" in line for line in heading("w" * 99, "w" * 99, width=400))
    lines = footnote("one two " * 20, width=400, bottom=90)
    places = [ElementTree.fromstring(line).get("y") for line in lines]  # noqa: S314
    assert places == ["42", "58", "74", "90"]
    assert "".join(lines).count("two") == 20
    assert footnote("", width=400, bottom=90) == []


def test_lines_of_one_colour_have_other_dashes() -> None:
    assert [dashes(index) for index in (0, 6)] == ["", ""]
    assert len({dashes(index) for index in (0, 7, 14)}) == 3
    assert dashes(21) == ""


def test_control_characters_become_blanks() -> None:
    assert safe("a\tb\x07<") == "a b &lt;"


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, "mini train, 3 images, ground truth 0123456789abcdef"),
        ({"whole": 5}, "mini train, 3 images of 5, ground truth 0123456789abcdef"),
        (
            {"split": None, "ground_truth_digest": None, "ignored": "miss", "synthetic": True},
            "mini, 3 images, ground truth unknown, 255 counted as: miss, "
            "SYNTHETIC: drawn by a program",
        ),
    ],
)
def test_provenance_says_what_numbers_mean_nothing_without(
    options: dict[str, object], expected: str
) -> None:
    known: dict[str, object] = {
        "benchmark": "mini",
        "split": "train",
        "images": 3,
        "ground_truth_digest": "0123456789abcdef" * 4,
    }
    assert provenance_line(**(known | options)) == expected  # type: ignore[arg-type]
