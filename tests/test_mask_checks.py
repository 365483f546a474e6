from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from wsss_assets.benchmarks import get_benchmark
from wsss_assets.devkit.mask_checks import MaskFacts, judge_masks, look_at_mask
from wsss_assets.storage.images import write_photo
from wsss_assets.storage.label_maps import write_label

if TYPE_CHECKING:
    from pathlib import Path

    from wsss_assets.benchmarks import Benchmark

VOC = get_benchmark("voc2012")
COCO = get_benchmark("coco2014")


@pytest.fixture
def mask(tmp_path: Path) -> Path:
    write_label(tmp_path / "a.png", np.array([[0, 3, 255], [20, 3, 0]], np.uint8), 21)
    return tmp_path / "a.png"


def test_what_is_seen_of_a_mask(mask: Path, tmp_path: Path) -> None:
    photo = tmp_path / "a.jpg"
    write_photo(photo, np.zeros((2, 3, 3), np.uint8))
    assert look_at_mask("a", mask, photo, VOC, quick=False) == MaskFacts("a", classes=(2, 19))
    assert look_at_mask("a", mask, photo, VOC, quick=True) == MaskFacts("a")
    assert look_at_mask("a", mask, None, VOC, quick=True) == MaskFacts("a")
    write_photo(photo, np.zeros((3, 2, 3), np.uint8))
    assert not look_at_mask("a", mask, photo, VOC, quick=True).fits_photo


def test_an_error_is_told_without_the_path(mask: Path) -> None:
    write_label(mask, np.array([[0, 77]], np.uint8), 21)
    facts = look_at_mask("a", mask, None, VOC, quick=False)
    assert facts.error == "holds values that are no class of voc2012 (77)"


def test_masks_without_fault_are_said_to_be_so() -> None:
    facts = [MaskFacts("a", classes=(1,)), MaskFacts("b", classes=(2,))]
    (found,) = judge_masks("masks", facts, VOC, quick=False)
    assert (found.level, found.todo) == ("ok", "")
    assert found.what.startswith("masks: 2 masks readable, values as they should")
    (found,) = judge_masks("masks", facts, VOC, quick=True)
    assert "by their headers" in found.what


def test_faults_are_told_once_for_each_kind() -> None:
    facts = [
        *(MaskFacts(name, error="cannot be read") for name in "abcd"),
        MaskFacts("e", error="holds no class indices"),
        MaskFacts("f", fits_photo=False),
        MaskFacts("g", classes=()),
        MaskFacts("h", classes=(1,)),
    ]
    found = judge_masks("masks", facts, VOC, quick=False)
    assert [one.level for one in found] == ["problem", "problem", "problem", "warning"]
    assert found[0].what == "masks: 4 of 8 masks cannot be used: a, b, c, …: cannot be read"
    assert [one.todo.partition(" ")[0] for one in found] == ["get", "masks", "take", "fine"]


@pytest.mark.parametrize(
    ("benchmark", "todo"), [(VOC, "0..20 and 255"), (COCO, "wsss-assets ground-truth")]
)
def test_values_that_are_no_class_are_explained(benchmark: Benchmark, todo: str) -> None:
    facts = [MaskFacts("a", error="holds values that are no class of it")]
    (found,) = judge_masks("masks", facts, benchmark, quick=False)
    assert todo in found.todo
