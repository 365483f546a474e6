from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from tests.voc_folder import make_voc, write_xml
from wsss_assets.benchmarks import get_benchmark
from wsss_assets.devkit.label_sources import labels_from_devkit
from wsss_assets.errors import ImageFormatError, ListFormatError
from wsss_assets.storage.label_maps import write_label

if TYPE_CHECKING:
    from pathlib import Path

VOC = get_benchmark("voc2012")


def test_labels_from_xml_count_difficult_objects_but_no_parts(tmp_path: Path) -> None:
    root = make_voc(tmp_path)
    write_xml(
        root,
        "2009_000001",
        "<object><name>sofa</name><difficult>1</difficult></object>"
        "<object><name>person</name><part><name>head</name></part></object>"
        "<object><name> sofa </name></object>",
    )
    write_xml(root, "2009_000002", "")
    labels = labels_from_devkit(root, VOC, "val", "xml")
    assert dict(labels) == {"2009_000001": (14, 17), "2009_000002": ()}
    assert labels.source == "XML annotations"


BOMB = '<!DOCTYPE a [<!ENTITY b "bbbb"><!ENTITY c "&b;&b;">]><annotation>&c;</annotation>'


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (BOMB.encode(), "document type"),
        (BOMB.encode("utf-16"), "document type"),
        (b"<annotation><object>", "no VOC annotation"),
        (b"", "no VOC annotation"),
        (b'<?xml version="1.0" encoding="no-such"?><annotation/>', "no VOC annotation"),
        (b"<annotation><object><name>head</name></object></annotation>", "'head'"),
        (b"<annotation><object/></annotation>", "found ''"),
    ],
)
def test_a_bad_annotation_is_refused(tmp_path: Path, data: bytes, message: str) -> None:
    root = make_voc(tmp_path)
    (root / "Annotations" / "2009_000002.xml").write_bytes(data)
    with pytest.raises(ListFormatError, match=message) as caught:
        labels_from_devkit(root, VOC, "val", "xml")
    assert "2009_000002.xml" in str(caught.value)


def test_a_mask_with_a_value_that_is_no_class(tmp_path: Path) -> None:
    root = make_voc(tmp_path)
    mask = np.array([[0, 21, 254, 255]], dtype=np.uint8)
    write_label(root / "SegmentationClass" / "2009_000001.png", mask, 21)
    with pytest.raises(ImageFormatError, match="found 21, 254"):
        labels_from_devkit(root, VOC, "val")
