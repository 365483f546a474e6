from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.test_files import dead_pid, names
from wsss_assets.errors import FolderInUseError
from wsss_assets.storage.files import _host
from wsss_assets.storage.stamps import STAMP_NAME, claim_folder, read_stamp

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
    assert caught.value.expected == "recipe.tau 0.3, saliency 'maps'"
    assert caught.value.found == "recipe.tau 0.1, saliency None"
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
