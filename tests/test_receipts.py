from __future__ import annotations

import hashlib
import os
from typing import TYPE_CHECKING

import pytest

from wsss_assets.storage.receipts import RECEIPTS_NAME, Receipts, files_version

if TYPE_CHECKING:
    from pathlib import Path


def test_a_receipt_is_of_one_output_made_from_one_thing(tmp_path: Path) -> None:
    Receipts(tmp_path).add("a", "1")
    receipts = Receipts(tmp_path)
    assert receipts.has("a", "1")
    assert not receipts.has("a", "2")
    assert not receipts.has("b", "1")


def test_the_last_receipt_counts(tmp_path: Path) -> None:
    receipts = Receipts(tmp_path)
    receipts.add("a", "1")
    receipts.add("a", "2")
    assert receipts.has("a", "2")
    assert not Receipts(tmp_path).has("a", "1")


@pytest.mark.parametrize("cut", range(1, 21))
def test_a_line_cut_short_counts_for_nothing_and_swallows_nothing(tmp_path: Path, cut: int) -> None:
    receipts = Receipts(tmp_path)
    receipts.add("a", "1")
    whole = (tmp_path / RECEIPTS_NAME).read_text("utf-8")
    receipts.add("b", "2")
    text = (tmp_path / RECEIPTS_NAME).read_text("utf-8")
    (tmp_path / RECEIPTS_NAME).write_text(text[: len(whole) + cut], "utf-8")
    after = Receipts(tmp_path)
    assert after.has("a", "1")
    assert not after.has("b", "2")
    after.add("c", "3")
    again = Receipts(tmp_path)
    assert again.has("a", "1")
    assert again.has("c", "3")


def test_sorted_receipts_do_not_tell_in_what_order_they_came(tmp_path: Path) -> None:
    for folder, order in (("x", "abc"), ("y", "cab")):
        (tmp_path / folder).mkdir()
        receipts = Receipts(tmp_path / folder)
        for letter in order:
            receipts.add(letter, letter * 2)
        receipts.sort()
    first, second = ((tmp_path / name / RECEIPTS_NAME).read_bytes() for name in "xy")
    assert first == second
    assert Receipts(tmp_path / "x").has("b", "bb")


def test_a_digest_vouches_for_the_file(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"whole")
    receipts = Receipts(tmp_path)
    receipts.add("a", "1", hashlib.sha256(b"whole").hexdigest())
    receipts.add("b", "1")
    again = Receipts(tmp_path)
    assert again.vouches_for("a", "1", tmp_path / "a")
    assert again.sha256("a") == hashlib.sha256(b"whole").hexdigest()
    assert not again.vouches_for("a", "2", tmp_path / "a")
    assert not again.vouches_for("a", "1", tmp_path / "gone")
    (tmp_path / "a").write_bytes(b"whol")
    assert not again.vouches_for("a", "1", tmp_path / "a")
    assert again.has("b", "1")
    assert again.sha256("b") is None
    assert not again.vouches_for("b", "1", tmp_path / "a")


def test_a_line_without_a_digest_is_as_it_always_was(tmp_path: Path) -> None:
    receipts = Receipts(tmp_path)
    receipts.add("a", "1")
    receipts.sort()
    assert (tmp_path / RECEIPTS_NAME).read_text("utf-8") == '{"id": "a", "from": "1"}\n'


def test_parts_of_several_processes_become_one_file(tmp_path: Path) -> None:
    Receipts(tmp_path).add("a", "old")
    Receipts(tmp_path).add("d", "4")
    for part, names in (("0", "ab"), ("1", "c")):
        receipts = Receipts(tmp_path, part)
        for name in names:
            receipts.add(name, "new")
    last = tmp_path / RECEIPTS_NAME.replace(".jsonl", ".1.jsonl")
    last.write_text(last.read_text("utf-8") + '{"id": "e", "fr', "utf-8")  # killed
    whole = Receipts(tmp_path)
    assert all(whole.has(name, "new") for name in "abc")
    assert whole.has("d", "4")
    whole.sort()
    assert [path.name for path in tmp_path.iterdir()] == [RECEIPTS_NAME]
    assert Receipts(tmp_path).has("c", "new")
    assert not Receipts(tmp_path).has("e", "new")


def test_a_part_that_was_cut_short_goes_on(tmp_path: Path) -> None:
    Receipts(tmp_path, "0").add("a", "1")
    part = tmp_path / RECEIPTS_NAME.replace(".jsonl", ".0.jsonl")
    part.write_text(part.read_text("utf-8") + '{"id": "b"', "utf-8")
    Receipts(tmp_path, "0").add("c", "3")
    again = Receipts(tmp_path)
    assert again.has("a", "1")
    assert again.has("c", "3")


@pytest.mark.parametrize(
    "line",
    [
        '{"id": 5, "from": "x"}',
        '{"id": "x", "from": 5}',
        '{"id": "\\ud800", "from": "x"}',
        '{"id": "x", "from": "x", "sha256": 5}',
        '{"id": "x", "from": "x", "how": 5}',
        '{"id": "x", "from": "x", "how": {"on": "\\ud800"}}',
        "[1]",
        "[" * 100_000,
    ],
    ids=lambda line: line[:50],
)
def test_a_line_that_is_no_receipt_counts_for_nothing(tmp_path: Path, line: str) -> None:
    Receipts(tmp_path).add("a", "1")
    with (tmp_path / RECEIPTS_NAME).open("a", encoding="utf-8") as file:
        file.write(line + "\n")
    receipts = Receipts(tmp_path)
    receipts.sort()
    assert list(Receipts(tmp_path).all()) == ["a"]


def test_a_receipt_says_what_else_its_maker_has_to_say(tmp_path: Path) -> None:
    Receipts(tmp_path).add("b", "1", how={"on": "a GPU"})
    Receipts(tmp_path).add("a", "1")
    receipts = Receipts(tmp_path)
    receipts.sort()
    found = Receipts(tmp_path).all()
    assert list(found) == ["a", "b"]
    assert (found["a"].how, found["b"].how) == ({}, {"on": "a GPU"})


def test_the_version_of_files_changes_with_name_size_and_time(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"1")
    os.utime(path, ns=(5, 5))
    assert files_version([path, None]) == "a:1:5"
    assert files_version([None]) == ""
