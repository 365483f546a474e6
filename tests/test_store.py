from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from tests.map_set_files import (
    CAM,
    LABELS,
    SPLIT,
    VST,
    activation_maps,
    flip,
    make_read_only,
    saliency_maps,
    write_maps,
)
from wsss_assets.catalog.catalog import get_map_set
from wsss_assets.devkit.image_labels import ImageLabels
from wsss_assets.map_sets import store
from wsss_assets.map_sets.obtain import obtain
from wsss_assets.map_sets.store import (
    HeldSet,
    holding_key,
    is_locked,
    keep,
    list_held,
    locked,
    new_folder,
    sets_folder,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

NAMES = ("2007_000032", "2007_000039")


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WSSS_ASSETS_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def hold(tmp_path: Path) -> Callable[..., HeldSet]:
    """Imports maps from a folder."""

    def imported(set_id: str = VST, salt: str = "") -> HeldSet:
        maps = (saliency_maps if set_id == VST else activation_maps)(salt=salt)
        place = write_maps(tmp_path / f"{set_id}{salt}", maps)
        labels = ImageLabels(LABELS, "a test")
        return obtain(get_map_set(set_id), source=str(place), labels=labels)

    return imported


def test_what_is_held_is_listed_by_id_and_split(hold: Callable[..., HeldSet]) -> None:
    assert list_held() == ()
    saliency, activation, other = hold(VST), hold(CAM), hold(VST, "other")
    assert [one.holding.record.id for one in list_held()] == [CAM, VST, VST]
    assert list_held()[0] == activation
    assert all(one in list_held(VST) for one in (saliency, other))
    assert list_held(CAM) == (activation,)
    assert list_held(CAM, SPLIT) == (activation,)
    assert list_held(CAM, "val") == ()
    assert list_held("voc2012/saliency/move") == ()


def test_a_note_is_read_back_as_it_was_written(hold: Callable[..., HeldSet]) -> None:
    held = hold()
    (found,) = list_held()
    assert found == held
    assert found.holding.record == get_map_set(VST)
    assert found.paths == held.paths
    assert all(path.parent == held.folder for path in held.files())


@pytest.mark.parametrize("note", [b"", b"{}", b"[1]", b"\xff\xfe\x00", b'{"record": 1}'])
def test_a_note_that_cannot_be_read_is_passed_over(
    hold: Callable[..., HeldSet], note: bytes
) -> None:
    activation, saliency = hold(CAM), hold(VST)
    (activation.folder / "holding.json").write_bytes(note)
    assert list_held() == (saliency,)


def test_a_folder_being_made_is_not_a_set(hold: Callable[..., HeldSet]) -> None:
    held = hold()
    with new_folder(VST, SPLIT, "key") as folder:
        keep(folder, held.holding)
        assert list_held() == (held,)
    assert {one.folder.name for one in list_held()} == {held.folder.name, "key"}


def test_a_folder_appears_when_all_went_well_and_replaces_what_was_there() -> None:
    with new_folder(VST, SPLIT, "key") as folder:
        (folder / "old").touch()
        assert not (sets_folder() / VST / SPLIT / "key").exists()
    place = sets_folder() / VST / SPLIT / "key"
    assert [path.name for path in place.iterdir()] == ["old"]
    with new_folder(VST, SPLIT, "key") as folder:
        (folder / "new").touch()
    assert [path.name for path in place.iterdir()] == ["new"]
    assert [path.name for path in place.parent.iterdir()] == ["key"]


def test_a_folder_that_was_not_finished_leaves_the_old_one() -> None:
    with new_folder(VST, SPLIT, "key") as folder:
        (folder / "old").touch()

    def fail() -> None:
        with new_folder(VST, SPLIT, "key") as folder:
            (folder / "new").touch()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    place = sets_folder() / VST / SPLIT / "key"
    assert [path.name for path in place.iterdir()] == ["old"]
    assert [path.name for path in place.parent.iterdir()] == ["key"]


def test_keys_tell_apart_where_a_set_came_from() -> None:
    keys = [
        holding_key("hub", "a/b", "c"),
        holding_key("hub", "a", "b/c"),
        holding_key("hub", "a/b", None),
        holding_key("place", "a/b", "c"),
    ]
    assert len(set(keys)) == len(keys)
    assert all(len(key) == 16 and key.isalnum() for key in keys)
    assert holding_key("hub", "a/b", "c") == keys[0]


@pytest.mark.parametrize("damage", ["flipped", "truncated", "gone"])
def test_damaged_files_are_named(hold: Callable[..., HeldSet], damage: str) -> None:
    held = hold()
    assert held.damaged() == held.damaged(again=True) == ()
    path = held.paths[0]
    if damage == "flipped":
        flip(path, 300)
    elif damage == "truncated":
        path.write_bytes(path.read_bytes()[:-1])
    else:
        path.unlink()
    assert held.damaged() == held.damaged(again=True) == (held.holding.content.files[0],)


def test_damage_behind_the_back_is_found_when_asked_for(hold: Callable[..., HeldSet]) -> None:
    held = hold()
    assert held.damaged() == ()
    flip(held.paths[0], 300, secretly=True)
    assert held.damaged(again=True) == (held.holding.content.files[0],)


# Locks.


def test_one_at_a_time_may_fetch_a_set() -> None:
    order: list[str] = []
    inside = threading.Event()
    go_on = threading.Event()

    def first() -> None:
        with locked(VST):
            order.append("first in")
            inside.set()
            go_on.wait(60)
            order.append("first out")

    def second() -> None:
        inside.wait(60)
        with locked(VST):
            order.append("second in")

    threads = [threading.Thread(target=one) for one in (first, second)]
    for thread in threads:
        thread.start()
    assert inside.wait(60)
    assert is_locked(VST)
    assert not is_locked(CAM)
    with locked(CAM):
        order.append("others meanwhile")
    go_on.set()
    for thread in threads:
        thread.join(60)
    assert order == ["first in", "others meanwhile", "first out", "second in"]
    assert not is_locked(VST)


def test_a_lock_is_free_after_an_error() -> None:
    def fail() -> None:
        with locked(VST):
            raise KeyboardInterrupt

    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            fail()


def test_where_nothing_can_be_written_nobody_waits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = False
    with monkeypatch.context() as patches:
        make_read_only(patches, tmp_path / "cache")
        with locked(VST):
            done = True
    assert done


def test_notes_lie_where_they_are_said_to(hold: Callable[..., HeldSet]) -> None:
    held = hold()
    assert held.folder.parent == sets_folder() / VST / SPLIT
    assert (held.folder / store.HOLDING_NAME).is_file()
