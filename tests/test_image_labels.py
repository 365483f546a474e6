from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsss_assets.benchmarks import get_benchmark
from wsss_assets.devkit.image_labels import (
    ImageLabels,
    format_label_list,
    read_label_list,
    write_label_list,
)
from wsss_assets.errors import ListFormatError, MissingFileError

VOC = get_benchmark("voc2012")
COCO = get_benchmark("coco2014")
BOM = "\N{ZERO WIDTH NO-BREAK SPACE}"


@pytest.fixture
def listed(tmp_path: Path) -> Path:
    return tmp_path / "list.txt"


def put(path: Path, text: str) -> Path:
    path.write_bytes(text.encode())
    return path


# Label lists.


@pytest.mark.parametrize(
    "text",
    [
        "a 0 14\nb\nc 19\n",
        "a 0 14 \nb \nc 19 ",
        "a 0 14\r\nb\r\nc 19\r\n",
        BOM + "a 0 14\nb\nc 19",
        "a\t0  14\nb\nc 19\n\n \r\n\n",
        "a 14 0\nb\nc 19\n",
    ],
    ids=["plain", "trailing blanks", "windows", "byte-order mark", "blank end", "unsorted"],
)
def test_a_label_list_is_read_however_it_was_saved(listed: Path, text: str) -> None:
    labels = read_label_list(put(listed, text), VOC)
    assert list(labels.items()) == [("a", (0, 14)), ("b", ()), ("c", (19,))]
    assert labels.source == "label list list.txt"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a 0\nb 1\na 2\n", r":3: a is there twice.*line 1"),
        ("a 0\nb 1 2 1\n", r":2: a class is named twice"),
        ("a 0\nb 20\n", r":2: voc2012 has no class 20; expected 0\.\.19"),
        ("a -1\n", r":1: '-1' is no class"),
        ("a 1.0\n", r":1: '1\.0' is no class"),
        ("a 0,14\n", r":1: '0,14' is no class"),
        ("a \N{FULLWIDTH DIGIT ONE}\n", r":1: '\\uff11' is no class"),
        ("a 99999999999999999999\n", r":1: '9+' is no class"),
        ("a 0\n\nb 1\n", r":2: a blank line"),
        ("../a 0\n", r":1: this is no image id"),
        ("a/b 0\n", r":1: this is no image id"),
        ("C:a 0\n", r":1: this is no image id"),
        ("a\x07 0\n", r":1: this is no image id"),
        ("a\x00 0\n", r":1: this is no image id"),
        (".a 0\n", r":1: this is no image id"),
        ("", "names no image"),
        (" \n\n", "names no image"),
    ],
)
def test_a_malformed_label_list_is_refused_with_its_line(
    listed: Path, text: str, message: str
) -> None:
    with pytest.raises(ListFormatError, match=message) as caught:
        read_label_list(put(listed, text), VOC)
    assert "list.txt" in str(caught.value)


def test_a_list_that_is_no_text_or_not_there(listed: Path, tmp_path: Path) -> None:
    listed.write_bytes(b"\x89PNG\r\n\x1a\n\xff")
    with pytest.raises(ListFormatError, match="no text"):
        read_label_list(listed, VOC)
    with pytest.raises(MissingFileError, match="absent"):
        read_label_list(tmp_path / "absent.txt", VOC)
    with pytest.raises(MissingFileError, match="a folder"):
        read_label_list(tmp_path, VOC)


def test_a_label_list_comes_from_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"a 3\n")))
    labels = read_label_list(Path("-"), VOC)
    assert dict(labels) == {"a": (3,)}
    assert labels.source == "label list standard input"


_ids = st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9_\-]{0,20}", fullmatch=True)
_classes = st.sets(st.integers(0, 19)).map(lambda found: tuple(sorted(found)))


@given(st.dictionaries(_ids, _classes, min_size=1))
def test_what_is_written_is_read_again(
    tmp_path_factory: pytest.TempPathFactory, entries: dict[str, tuple[int, ...]]
) -> None:
    path = tmp_path_factory.mktemp("lists") / "list.txt"
    write_label_list(path, entries)
    assert list(read_label_list(path, VOC).items()) == list(entries.items())


def test_labels_are_equal_whatever_their_source_and_cannot_be_changed() -> None:
    labels = ImageLabels({"a": (0,)}, "masks")
    assert labels == ImageLabels({"a": (0,)}, "XML")
    assert labels != ImageLabels({"a": (1,)}, "masks")
    with pytest.raises(AttributeError):
        labels.source = "other"  # type: ignore[misc]


def test_the_text_of_a_list_is_plain() -> None:
    assert format_label_list({"a": (0, 14), "b": ()}) == "a 0 14\nb\n"
