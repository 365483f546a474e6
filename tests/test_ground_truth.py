from __future__ import annotations

import copy
import random
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from tests.instances_files import changed, content, rectangle, save
from wsss_assets.benchmarks.coco2014 import BENCHMARK, CATEGORY_IDS
from wsss_assets.devkit.ground_truth import RULES, get_rule, label_map, write_ground_truth
from wsss_assets.devkit.instances import Annotation
from wsss_assets.errors import (
    FolderInUseError,
    ListFormatError,
    MissingDependencyError,
    MissingFileError,
    UnknownNameError,
)
from wsss_assets.storage.label_maps import label_palette, read_label

if TYPE_CHECKING:
    from pathlib import Path

HEIGHT = 4
WIDTH = 5


@dataclass(frozen=True)
class Thing:
    """An object as a set of (row, column) pixels."""

    number: int
    value: int
    pixels: frozenset[tuple[int, int]]
    area: float
    crowd: bool


def run_lengths(pixels: frozenset[tuple[int, int]]) -> dict[str, Any]:
    """COCO's uncompressed form: runs of 0s and 1s in turn, down the columns."""
    bits = [(row, column) in pixels for column in range(WIDTH) for row in range(HEIGHT)]
    counts, current = [0], False
    for bit in bits:
        if bit != current:
            counts.append(0)
            current = bit
        counts[-1] += 1
    return {"size": [HEIGHT, WIDTH], "counts": counts}


def annotation_of(thing: Thing) -> Annotation:
    return Annotation(
        thing.number, thing.value - 1, run_lengths(thing.pixels), thing.area, thing.crowd
    )


def canonical_pixel(things: list[Thing], at: tuple[int, int]) -> int:
    over = [thing for thing in things if at in thing.pixels]
    objects = [thing for thing in over if not thing.crowd]
    if objects:
        return min(objects, key=lambda thing: (len(thing.pixels), thing.number)).value
    return 255 if over else 0


def coco2voc_pixel(things: list[Thing], at: tuple[int, int]) -> int:
    winner = None
    for thing in things:
        if at in thing.pixels and (winner is None or thing.area < winner.area):
            winner = thing
    return winner.value if winner else 0


def recam_pixel(things: list[Thing], at: tuple[int, int]) -> int:
    value = 0
    for thing in things:
        if at in thing.pixels and not thing.crowd:
            value = thing.value
    return value


PIXEL_RULES = {"canonical": canonical_pixel, "coco2voc": coco2voc_pixel, "recam": recam_pixel}

_pixels = st.frozensets(
    st.tuples(st.integers(0, HEIGHT - 1), st.integers(0, WIDTH - 1)), max_size=HEIGHT * WIDTH
)
_things = st.lists(
    st.builds(
        Thing,
        number=st.integers(1, 1000),
        value=st.integers(1, 80),
        pixels=_pixels,
        area=st.sampled_from([1.0, 2.5, 7.0, 7.5]),
        crowd=st.booleans(),
    ),
    max_size=6,
    unique_by=lambda thing: thing.number,
)


def test_every_rule_is_transcribed() -> None:
    assert set(PIXEL_RULES) == set(RULES)


@pytest.mark.parametrize("name", RULES)
@settings(deadline=None, max_examples=60)
@given(things=_things)
def test_each_pixel_is_as_its_rule_says(name: str, things: list[Thing]) -> None:
    label = label_map([annotation_of(thing) for thing in things], HEIGHT, WIDTH, RULES[name])
    expected = [
        [PIXEL_RULES[name](things, (row, column)) for column in range(WIDTH)]
        for row in range(HEIGHT)
    ]
    assert label.dtype == np.uint8
    assert label.tolist() == expected


@settings(deadline=None, max_examples=60)
@given(things=_things, seed=st.integers())
def test_the_canonical_rule_does_not_care_for_order(things: list[Thing], seed: int) -> None:
    annotations = [annotation_of(thing) for thing in things]
    first = label_map(annotations, HEIGHT, WIDTH, RULES["canonical"])
    random.Random(seed).shuffle(annotations)
    assert np.array_equal(first, label_map(annotations, HEIGHT, WIDTH, RULES["canonical"]))


def test_polygons_and_both_run_length_forms_draw_the_same() -> None:
    from pycocotools import mask

    pixels = frozenset({(1, 2), (2, 2), (1, 3), (2, 3)})
    plain = run_lengths(pixels)
    packed = mask.frPyObjects(copy.deepcopy(plain), HEIGHT, WIDTH)
    packed["counts"] = packed["counts"].decode()
    expected = np.zeros((HEIGHT, WIDTH), dtype=np.uint8)
    expected[1:3, 2:4] = 5
    for outline in (rectangle(2, 1, 4, 3), plain, packed):
        label = label_map([Annotation(1, 4, outline)], HEIGHT, WIDTH, RULES["canonical"])
        assert np.array_equal(label, expected)


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
@settings(deadline=None, max_examples=40)
@given(
    st.lists(
        st.lists(st.floats(-3, 12, width=16), min_size=6, max_size=12).filter(
            lambda points: len(points) % 2 == 0
        ),
        min_size=1,
        max_size=3,
    )
)
def test_pixels_are_those_of_pycocotools(polygons: list[list[float]]) -> None:
    from pycocotools import mask

    expected = mask.decode(mask.merge(mask.frPyObjects(polygons, 8, 10)))
    label = label_map([Annotation(1, 0, polygons)], 8, 10, RULES["canonical"])
    assert np.array_equal(label, expected)


def test_without_annotated_areas_coco2voc_goes_by_pixels() -> None:
    large, small = rectangle(0, 0, 5, 4), rectangle(0, 0, 2, 2)
    annotations = [Annotation(1, 0, small), Annotation(2, 1, large)]
    label = label_map(annotations, HEIGHT, WIDTH, RULES["coco2voc"])
    assert (label[0, 0], label[3, 4]) == (1, 2)


@pytest.mark.parametrize(
    "outline",
    [
        [],
        [[]],
        [[0, 0, 1, 1]],
        [[0, 0, 1, 1, 2]],
        [[0, 0, 1, 1, 2, float("nan")]],
        [[0, 0, 1, 1, 2, 1e300]],
        [[0, 0, 1, 1, 2, "2"]],
        [0, 0, 4, 4],
        None,
        "abc",
        {},
        {"size": [4, 5]},
        {"size": [5, 4], "counts": [20]},
        {"size": [4, 5], "counts": [21]},
        {"size": [4, 5], "counts": [19]},
        {"size": [4, 5], "counts": [-1, 21]},
        {"size": [4, 5], "counts": [10.0, 10]},
        {"size": [4, 5], "counts": "\x01\x02"},
        {"size": [4, 5], "counts": "P"},
        {"size": [4, 5], "counts": "PPPPPPPPPPPPPPPPPPPPPPPPPPPPPPPP1"},
        {"size": [4, 5], "counts": "é"},
        {"size": [4, 5], "counts": 3},
        {"size": 4, "counts": [20]},
    ],
)
def test_a_malformed_outline_is_refused(outline: object) -> None:
    with pytest.raises(ListFormatError, match="annotation 9 is malformed"):
        label_map([Annotation(9, 0, outline)], HEIGHT, WIDTH, RULES["canonical"])


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return save(tmp_path / "instances_val2014.json", content())


@pytest.mark.parametrize(
    ("rule", "shared", "crowd"), [("canonical", 80, 255), ("coco2voc", 80, 12), ("recam", 1, 0)]
)
def test_ground_truth_is_written_by_each_rule(
    source: Path, tmp_path: Path, rule: str, shared: int, crowd: int
) -> None:
    out = tmp_path / "masks"
    summary = write_ground_truth(source, out, rule, workers=2)
    assert (summary.written, summary.kept, summary.without_annotation) == (2, 0, 1)
    assert sorted(path.stem[-1] for path in out.glob("*.png")) == ["1", "2"]
    label = read_label(out / "COCO_val2014_000000000001.png")
    assert (label[0, 0], label[0, 2], label[3, 3]) == (shared, 1, 0)
    assert np.all(read_label(out / "COCO_val2014_000000000002.png") == crowd)
    with Image.open(out / "COCO_val2014_000000000001.png") as image:
        assert image.mode == "P"
        assert bytes(image.getpalette() or []) == label_palette(81)


def test_a_stopped_run_goes_on(source: Path, tmp_path: Path) -> None:
    out = tmp_path / "masks"
    write_ground_truth(source, out, ids=["COCO_val2014_000000000002"])
    kept = out / "COCO_val2014_000000000002.png"
    before = kept.stat().st_mtime_ns
    summary = write_ground_truth(source, out, include_empty=True)
    assert (summary.written, summary.kept, summary.without_annotation) == (2, 1, 0)
    assert kept.stat().st_mtime_ns == before
    assert not read_label(out / "COCO_val2014_000000000003.png").any()


def test_rules_and_sources_never_mix(source: Path, tmp_path: Path) -> None:
    out = tmp_path / "masks"
    write_ground_truth(source, out, "canonical")
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    with pytest.raises(FolderInUseError, match="recam"):
        write_ground_truth(source, out, "recam")
    other = save(tmp_path / "other.json", changed(annotations__0__area=5.0))
    with pytest.raises(FolderInUseError, match="sha256"):
        write_ground_truth(other, out, "canonical")
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before
    (tmp_path / "foreign").mkdir()
    (tmp_path / "foreign" / "1.png").write_bytes(b"")
    with pytest.raises(FolderInUseError):
        write_ground_truth(source, tmp_path / "foreign")


def test_errors_before_anything_is_written(source: Path, tmp_path: Path) -> None:
    out = tmp_path / "masks"
    with pytest.raises(UnknownNameError, match="canonical, coco2voc, recam"):
        write_ground_truth(source, out, "smallest")
    with pytest.raises(MissingFileError, match=r"no image 2009_1.*1 of 2"):
        write_ground_truth(source, out, ids=["COCO_val2014_000000000002", "2009_1"])
    assert not out.exists()


def test_a_malformed_outline_names_file_image_and_annotation(tmp_path: Path) -> None:
    path = save(tmp_path / "bad.json", changed(annotations__1__segmentation=[[1, 2, 3]]))
    with pytest.raises(ListFormatError, match=r"bad\.json, image COCO\w+1: annotation 12"):
        write_ground_truth(path, tmp_path / "masks")


def test_without_pycocotools_the_error_says_what_to_install(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pycocotools", None)
    with pytest.raises(MissingDependencyError, match=r"wsss-assets\[coco\]"):
        write_ground_truth(source, tmp_path / "masks")


def test_rules_say_what_they_do() -> None:
    for name, rule in RULES.items():
        assert get_rule(name) is rule
        assert rule.summary
    assert len(BENCHMARK.classes) == len(CATEGORY_IDS)
