from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.test_files import dead_pid, names
from wsss_assets.errors import FolderInUseError
from wsss_assets.storage.files import _host
from wsss_assets.storage.stamps import (
    MADE_MAPS_NAME,
    STAMP_NAME,
    claim_folder,
    read_stamp,
    unfinished_by,
)

if TYPE_CHECKING:
    from pathlib import Path

SETTINGS: dict[str, Any] = {
    "made_by": "wsss-assets pseudo-label",
    "recipe": {"tau": 0.1, "ignore": True},
    "saliency": None,
}


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out"


def changed(**recipe: object) -> dict[str, Any]:
    return {**SETTINGS, "recipe": {**SETTINGS["recipe"], **recipe}}


def test_a_new_folder_is_made_and_stamped(out: Path) -> None:
    claim_folder(out / "deep", SETTINGS)
    assert names(out / "deep") == [STAMP_NAME]
    assert json.loads((out / "deep" / STAMP_NAME).read_text("utf-8")) == SETTINGS
    assert read_stamp(out / "deep") == SETTINGS


def test_an_empty_folder_is_stamped(out: Path) -> None:
    out.mkdir()
    claim_folder(out, SETTINGS)
    assert read_stamp(out) == SETTINGS


def test_the_same_settings_get_the_folder_again(out: Path) -> None:
    claim_folder(out, SETTINGS)
    (out / "a.png").write_text("label")
    before = (out / STAMP_NAME).stat().st_mtime_ns
    claim_folder(out, dict(reversed(SETTINGS.items())))
    assert (out / "a.png").read_text() == "label"
    assert (out / STAMP_NAME).stat().st_mtime_ns == before


def test_tuples_are_the_lists_that_json_makes_of_them(out: Path) -> None:
    claim_folder(out, {"classes": (1, 2)})
    claim_folder(out, {"classes": [1, 2]})


def test_other_settings_are_refused_and_named(out: Path) -> None:
    claim_folder(out, SETTINGS)
    (out / "a.png").write_text("label")
    before = (out / STAMP_NAME).read_bytes()
    with pytest.raises(FolderInUseError) as caught:
        claim_folder(out, {**changed(tau=0.3), "saliency": "maps"})
    assert caught.value.expected == "recipe.tau 0.3, saliency maps"
    assert caught.value.found == "recipe.tau 0.1, saliency none"
    assert caught.value.done == "nothing was written"
    assert (out / STAMP_NAME).read_bytes() == before
    assert names(out) == ["a.png", STAMP_NAME]


@pytest.mark.parametrize(
    "other",
    [changed(tau=0.1000001), changed(ignore=False), changed(more=None), {"recipe": {}}, {}],
    ids=str,
)
def test_any_difference_is_one(out: Path, other: dict[str, Any]) -> None:
    claim_folder(out, SETTINGS)
    (out / "a.png").write_text("label")
    with pytest.raises(FolderInUseError, match=r"made with other settings; expected .+; found .+"):
        claim_folder(out, other)


def test_a_stamp_alone_is_replaced(out: Path) -> None:
    claim_folder(out, SETTINGS)
    claim_folder(out, changed(tau=0.3))
    assert read_stamp(out) == changed(tau=0.3)


def test_files_without_a_stamp_are_not_mixed_with(out: Path) -> None:
    out.mkdir()
    (out / "a.png").write_text("label")
    with pytest.raises(FolderInUseError, match=r"no stamp.*nothing was written") as caught:
        claim_folder(out, SETTINGS)
    assert "another folder" in str(caught.value.hint)
    assert names(out) == ["a.png"]


def test_a_file_is_no_folder(out: Path) -> None:
    out.write_text("mine")
    with pytest.raises(FolderInUseError, match="is a file"):
        claim_folder(out, SETTINGS)
    assert out.read_text() == "mine"


@pytest.mark.parametrize("text", [b"", b"{", b"[]", b"1", b"\xff\xfe{}"])
def test_a_damaged_stamp_is_no_permission(out: Path, text: bytes) -> None:
    out.mkdir()
    (out / STAMP_NAME).write_bytes(text)
    with pytest.raises(FolderInUseError, match="is no stamp"):
        claim_folder(out, SETTINGS)
    assert (out / STAMP_NAME).read_bytes() == text


def test_no_stamp(out: Path) -> None:
    assert read_stamp(out) is None
    out.mkdir()
    assert read_stamp(out) is None
    (out / "file").touch()
    assert read_stamp(out / "file") is None


def test_leftovers_go_when_the_folder_is_claimed_again(out: Path) -> None:
    claim_folder(out, SETTINGS)
    leftover = f".a.png.{_host()}.{dead_pid()}.tmp"
    (out / leftover).touch()
    with pytest.raises(FolderInUseError):
        claim_folder(out, changed(tau=0.3))
    assert leftover in names(out)
    claim_folder(out, SETTINGS)
    assert names(out) == [STAMP_NAME]


def test_a_folder_killed_before_its_stamp_was_whole_can_be_claimed(out: Path) -> None:
    out.mkdir()
    (out / f".{STAMP_NAME}.{_host()}.{dead_pid()}.tmp").write_text("{")
    claim_folder(out, SETTINGS)
    assert names(out) == [STAMP_NAME]


def test_of_another_command_only_that_is_said(tmp_path: Path) -> None:
    claim_folder(tmp_path, {"made_by": "wsss-assets pseudo-label", "recipe": {"tau": 0.1}})
    (tmp_path / "a.png").write_bytes(b"")
    with pytest.raises(FolderInUseError) as caught:
        claim_folder(tmp_path, {"made_by": "wsss-assets report", "images": 3})
    assert caught.value.expected == "made_by 'wsss-assets report'"
    assert caught.value.found == "made_by 'wsss-assets pseudo-label'"


def test_a_folder_without_the_record_that_comes_last_is_unfinished(out: Path) -> None:
    claim_folder(out, {"made_by": "wsss-assets regenerate"})
    assert unfinished_by(out) == "wsss-assets regenerate"
    (out / MADE_MAPS_NAME).write_text("{}")
    assert unfinished_by(out) is None


@pytest.mark.parametrize("made_by", ["wsss-assets pseudo-label", None, ["wsss-assets regenerate"]])
def test_what_leaves_nothing_to_tell_by_is_not_called_unfinished(
    out: Path, made_by: object
) -> None:
    assert unfinished_by(out) is None
    claim_folder(out, {"made_by": made_by})
    assert unfinished_by(out) is None


def test_a_folder_whose_stamp_cannot_be_read_is_not_called_unfinished(out: Path) -> None:
    claim_folder(out, {"made_by": "wsss-assets regenerate"})
    (out / STAMP_NAME).write_text('{"made_by": "wsss')
    assert unfinished_by(out) is None


def refused(out: Path, base: dict[str, Any], other: dict[str, Any]) -> tuple[str, str]:
    claim_folder(out, base)
    (out / "a.png").write_text("label")
    with pytest.raises(FolderInUseError) as caught:
        claim_folder(out, other)
    return str(caught.value.expected), str(caught.value.found)


def test_values_are_told_in_words(out: Path) -> None:
    base = {"a": None, "b": True, "c": [0.5, 1], "d": "fp16", "e": "two words"}
    other = {"a": 3, "b": False, "c": [], "d": "none", "e": "f" * 64}
    assert refused(out, base, other) == (
        f"a 3, b no, c none, d 'none', e {'f' * 12}…",
        "a none, b yes, c 0.5,1, d fp16, e 'two words'",
    )


def test_five_differences_are_told_and_how_many_more(out: Path) -> None:
    expected, found = refused(out, dict.fromkeys("abcdefg", 1), dict.fromkeys("abcdefg", 2))
    assert expected == "a 2, b 2, c 2, d 2, e 2 and 2 more"
    assert found == "a 1, b 1, c 1, d 1, e 1 and 2 more"


def test_a_digest_is_told_only_where_nothing_else_says_it(out: Path, tmp_path: Path) -> None:
    base = {"recipe": "bed", "recipe_sha256": "a" * 64, "list": {"images": 1, "sha256": "b" * 64}}
    other = {"recipe": "own", "recipe_sha256": None, "list": {"images": 2, "sha256": "c" * 64}}
    assert refused(out, base, other) == ("list.images 2, recipe own", "list.images 1, recipe bed")
    alone = {**base, "recipe_sha256": None}
    expected = ("recipe_sha256 none", f"recipe_sha256 {'a' * 12}…")
    assert refused(tmp_path / "alone", base, alone) == expected
    listed = {**base, "list": {"images": 1, "sha256": "c" * 64}}
    assert refused(tmp_path / "list", base, listed)[0] == f"list.sha256 {'c' * 12}…"
