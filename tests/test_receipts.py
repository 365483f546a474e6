from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from wsss_assets.storage.receipts import RECEIPTS_NAME, Receipts

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
