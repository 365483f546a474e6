from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.faults import corrupt, rst, status, swap
from tests.map_set_files import (
    CAM,
    LABELS,
    REPO,
    SPLIT,
    VST,
    activation_maps,
    commit_staged,
    flip,
    go_offline,
    saliency_maps,
    stage,
    waiting_is_quick,
)
from wsss_assets.catalog.catalog import get_map_set
from wsss_assets.dataset import load_dataset
from wsss_assets.errors import (
    ChecksumError,
    FetchError,
    MissingFileError,
    RecordError,
    UnknownNameError,
    WsssAssetsError,
)
from wsss_assets.map_sets.feedback import Feedback
from wsss_assets.map_sets.obtain import download
from wsss_assets.map_sets.repository import (
    DEFAULT_REPO_ID,
    MANIFEST_NAME,
    LocalCopy,
    Repository,
    chosen_repository,
    open_copy,
    open_repository,
)
from wsss_assets.storage.hub import cached_hub_file

if TYPE_CHECKING:
    from pathlib import Path

    from tests.fakehub import FakeHub
    from tests.serving import Fault

MANIFEST = r"/manifest\.json"


@pytest.fixture(autouse=True)
def commit(hub: FakeHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The commit of a repository with two sets, tagged v1.0.0."""
    monkeypatch.setenv("WSSS_ASSETS_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("WSSS_ASSETS_REPO", raising=False)
    waiting_is_quick(monkeypatch)
    staging = stage(tmp_path / "staging", {VST: saliency_maps(), CAM: activation_maps()})
    commit = commit_staged(hub, staging, "v1.0.0")
    hub.clear_log()
    return commit


def manifest_of(hub: FakeHub, revision: str) -> dict[str, object]:
    found: dict[str, object] = json.loads(hub.repo(REPO).files(revision)[MANIFEST_NAME])
    return found


@pytest.mark.parametrize("revision", ["v1.0.0", "main", None])
def test_a_name_is_resolved_first_and_read_at_that_commit(
    hub: FakeHub, commit: str, revision: str | None
) -> None:
    repository = open_repository(REPO, revision)
    assert (repository.repo_id, repository.revision) == (REPO, commit)
    assert [one.path for one in hub.gets("resolve")] == [
        f"/datasets/{REPO}/resolve/{commit}/{MANIFEST_NAME}"
    ]
    hub.clear_log()
    assert open_repository(REPO, revision) == repository
    assert len(hub.requests) == 1


def test_a_commit_that_is_here_costs_no_request(hub: FakeHub, commit: str) -> None:
    repository = open_repository(REPO, commit)
    hub.clear_log()
    assert open_repository(REPO, commit) == repository
    assert hub.requests == []


def test_the_records_say_where_the_sets_lie(hub: FakeHub, commit: str) -> None:
    repository = open_repository(REPO)
    records = {one.id: one for one in repository.records()}
    assert list(records) == [CAM, VST]
    for set_id, record in records.items():
        published = record.published
        assert published is not None
        assert (published.repo_id, published.revision) == (REPO, commit)
        assert record.citations == get_map_set(set_id).citations
        assert list(published.splits) == list(published.lists) == [SPLIT]
        for file in published.splits[SPLIT].files:
            data = hub.repo(REPO).files(commit)[file.path]
            assert file.size == len(data)
    assert repository.publication("voc2012/saliency/move") is None


def test_a_moved_tag_is_another_version(hub: FakeHub, commit: str, tmp_path: Path) -> None:
    before = open_repository(REPO, "v1.0.0")
    staging = stage(tmp_path / "other", {VST: saliency_maps(salt="v2")})
    changed = commit_staged(hub, staging, "v1.0.0")
    after = open_repository(REPO, "v1.0.0")
    assert (before.revision, after.revision) == (commit, changed)
    assert open_repository(REPO, commit) == before


@pytest.mark.parametrize(
    "fault", [status(503), rst(100), corrupt(300), corrupt(0), swap(b"<html>"), swap(b"{}")]
)
def test_damage_on_the_way_is_found_without_a_digest_beforehand(
    hub: FakeHub, commit: str, fault: Fault
) -> None:
    hub.fault(MANIFEST, fault, method="GET")
    repository = open_repository(REPO, commit)
    assert [one.record.id for one in repository.manifest.sets] == [CAM, VST]
    assert len(hub.gets(MANIFEST)) == 2


def test_damage_for_ever_is_refused_and_nothing_is_kept(hub: FakeHub, commit: str) -> None:
    hub.fault(MANIFEST, corrupt(300), times=None)
    with pytest.raises(ChecksumError, match=r"manifest\.json of") as error:
        open_repository(REPO, commit)
    assert "nothing was kept" in str(error.value)
    assert len(hub.gets(MANIFEST)) == 2
    assert cached_hub_file(REPO, commit, MANIFEST_NAME) is None
    hub.clear_faults()
    assert open_repository(REPO, commit).revision == commit


@pytest.mark.parametrize("offset", [5, 300, -5])
def test_a_cached_manifest_that_went_bad_heals(hub: FakeHub, commit: str, offset: int) -> None:
    repository = open_repository(REPO, commit)
    path = cached_hub_file(REPO, commit, MANIFEST_NAME)
    assert path is not None
    flip(path, offset, secretly=True)
    hub.clear_log()
    assert open_repository(REPO, commit) == repository
    assert len(hub.gets(MANIFEST)) == 1


def test_a_manifest_changed_by_hand_is_refused(hub: FakeHub, commit: str) -> None:
    manifest = manifest_of(hub, commit)
    manifest["version"] = "v9.9.9"
    changed = hub.commit(REPO, {MANIFEST_NAME: json.dumps(manifest).encode()})
    with pytest.raises(ChecksumError, match="digest"):
        open_repository(REPO, changed)


def test_a_repository_without_a_manifest_is_an_error_that_names_it(
    hub: FakeHub,
) -> None:
    bare = hub.commit("org/other", {"README.md": b"# Other\n"})
    with pytest.raises(FetchError, match=r"manifest\.json of org/other") as error:
        open_repository("org/other")
    assert bare[:12] in str(error.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"[]", "no Manifest record"),
        (b"{}", "no Manifest record"),
        (b'{"format": 2, "sets": []}', "no Manifest record"),
        (b'{"format": 1, "sets"', "cut off"),
        (b"\xff", "no JSON"),
    ],
)
def test_a_manifest_of_another_form_is_an_error_that_says_so(
    hub: FakeHub, text: bytes, said: str
) -> None:
    hub.commit("org/other", {MANIFEST_NAME: text})
    with pytest.raises((RecordError, ChecksumError), match=r"manifest\.json of org/other") as error:
        open_repository("org/other")
    assert said in str(error.value)


def test_without_a_network_a_repository_is_what_it_was(
    hub: FakeHub, commit: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = open_repository(REPO, "v1.0.0")
    staging = stage(tmp_path / "other", {VST: saliency_maps(salt="v2")})
    changed = commit_staged(hub, staging, "v2.0.0")
    open_repository(REPO, "v2.0.0")
    hub.clear_log()
    go_offline(monkeypatch)
    assert open_repository(REPO, "v1.0.0") == open_repository(REPO, commit) == before
    assert open_repository(REPO, "v2.0.0").revision == changed
    with pytest.raises(FetchError, match="HF_HUB_OFFLINE"):
        open_repository(REPO, "v3.0.0")
    assert hub.requests == []


def test_a_hub_that_is_down_does_not_change_the_version(hub: FakeHub, tmp_path: Path) -> None:
    before = open_repository(REPO, "v1.0.0")
    staging = stage(tmp_path / "other", {VST: saliency_maps(salt="v2")})
    commit_staged(hub, staging, "v2.0.0")
    open_repository(REPO, "v2.0.0")
    hub.fault("", status(503), times=None)
    assert open_repository(REPO, "v1.0.0") == before


# Which one a user wants.


def test_the_records_own_repository_needs_no_request(hub: FakeHub) -> None:
    assert chosen_repository(None, None) is None
    assert chosen_repository(DEFAULT_REPO_ID, None) is None
    assert hub.requests == []


def test_a_revision_of_the_records_own_repository_is_read(commit: str) -> None:
    assert REPO == DEFAULT_REPO_ID
    repository = chosen_repository(None, "v1.0.0")
    assert repository == open_repository(REPO, commit)
    assert isinstance(repository, Repository)


def test_a_repository_may_be_named_by_argument_or_environment(
    hub: FakeHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    staging = stage(tmp_path / "mine", {"voc2012/saliency/mine": saliency_maps()})
    commit_staged(hub, staging, repo_id="me/maps")
    commit_staged(hub, staging, repo_id="you/maps")
    named = chosen_repository("me/maps", None)
    assert named is not None
    assert [one.id for one in named.records()] == ["voc2012/saliency/mine"]
    monkeypatch.setenv("WSSS_ASSETS_REPO", "me/maps")
    assert chosen_repository(None, None) == named
    other = chosen_repository("you/maps", None)
    assert other is not None
    assert other.repo_id == "you/maps"
    monkeypatch.setenv("WSSS_ASSETS_REPO", "")
    assert chosen_repository(None, None) is None


@pytest.mark.parametrize("repo_id", ["nobody/nothing", "no slash", "a/b/c", "../x"])
def test_a_name_that_is_no_repository_is_an_error(repo_id: str) -> None:
    with pytest.raises(WsssAssetsError, match=repo_id):
        open_repository(repo_id)


# A copy of a repository in a folder.


def test_a_copy_has_records_of_its_own(hub: FakeHub, tmp_path: Path) -> None:
    staging = stage(tmp_path / "copy", {"voc2012/saliency/mine": saliency_maps()})
    copy = chosen_repository(None, None, str(staging))
    assert isinstance(copy, LocalCopy)
    assert [record.id for record in copy.records()] == ["voc2012/saliency/mine"]
    folder = download("voc2012/saliency/mine", source=str(staging), feedback=Feedback())
    assert [path.read_bytes() for path in sorted(folder.glob("*.parquet"))] == [
        path.read_bytes() for path in sorted(staging.rglob("*.parquet"))
    ]
    data = load_dataset(saliency="mine", source=str(staging), feedback=Feedback())
    assert len(data["image_id"]) == len(LABELS)
    with pytest.raises(UnknownNameError, match="vst_duts"):
        download(VST, source=str(staging), feedback=Feedback())
    assert hub.requests == []


def test_a_copy_whose_manifest_is_damaged_is_refused(tmp_path: Path) -> None:
    staging = stage(tmp_path / "copy", {VST: saliency_maps()})
    manifest = staging / MANIFEST_NAME
    manifest.write_text(manifest.read_text("utf-8").replace("unreleased", "unrelaesed"), "utf-8")
    with pytest.raises(ChecksumError, match="is damaged"):
        chosen_repository(None, None, str(staging))
    with pytest.raises(MissingFileError):
        open_copy(tmp_path)
