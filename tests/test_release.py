from __future__ import annotations

import copy
import hashlib
import json
import re
import shutil
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pytest
from huggingface_hub import constants

import wsss_assets
from tests.faults import corrupt, drop, rst, status
from tests.map_set_files import (
    CAM,
    LABELS,
    SPLIT,
    VST,
    activation_maps,
    draw,
    flip,
    list_text,
    pixels_of,
    saliency_maps,
    stage,
    tree,
    use_records,
    waiting_is_quick,
)
from tests.serving import Fault
from wsss_assets.catalog.records import MapSet, parse_record
from wsss_assets.devkit.image_labels import ImageLabels
from wsss_assets.errors import (
    ChecksumError,
    DataError,
    FetchError,
    RecordError,
    UsageError,
    WsssAssetsError,
)
from wsss_assets.map_sets import packing
from wsss_assets.publish.pack import describe, pack
from wsss_assets.publish.release import Release, publish, write_records
from wsss_assets.storage.hub import fetch_hub_file
from wsss_assets.storage.shards import write_shards

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.fakehub import FakeHub
    from tests.fakehub_git import Repository
    from tests.serving import Answer, Request, Route, Visit

REPO = "org/maps"
OWN = "voc2012/saliency/own"
SHARD = f"{SPLIT}-00000-of-00001.parquet"
LIST = f"voc2012/labels/{SPLIT}.txt"
WRITES = {"POST", "PUT", "DELETE"}
RIGHT = "hf_right"


pytestmark = pytest.mark.usefixtures("hub")


@pytest.fixture(autouse=True)
def _quick_and_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    waiting_is_quick(monkeypatch)
    monkeypatch.setenv("WSSS_ASSETS_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def staging(tmp_path: Path) -> Path:
    """One set."""
    return stage(tmp_path / "staging", {VST: saliency_maps()})


@pytest.fixture
def more(tmp_path: Path) -> Path:
    """Another set of the same split."""
    return stage(tmp_path / "more", {CAM: activation_maps()})


def send(staging: Path, version: str = "v1.0.0", **options: Any) -> Release:  # noqa: ANN401
    return publish(staging, REPO, version, sleep=lambda _: None, **options)


def forget_downloads() -> None:
    """As on another machine."""
    shutil.rmtree(constants.HF_HUB_CACHE, ignore_errors=True)


def sets_of(manifest: bytes) -> dict[str, Any]:
    """What a manifest says, by map set; its seal is found right."""
    said = json.loads(manifest)
    unsealed = json.dumps({**said, "sha256": ""}, indent=2, ensure_ascii=False) + "\n"
    assert said["sha256"] == hashlib.sha256(unsealed.encode()).hexdigest()
    return {one["record"]["id"]: one for one in said["sets"]}


def assert_published(hub: FakeHub, version: str, *stagings: Path) -> None:
    """The tag's tree holds all that was staged, its manifest says so, and nothing else is there."""
    repository = hub.repo(REPO)
    files = repository.files(repository.tags[version])
    sets: dict[str, Any] = {}
    staged: dict[str, bytes] = {}
    for staging in stagings:
        packed = {
            path: data
            for path, data in tree(staging).items()
            if path.endswith((".parquet", ".txt"))
        }
        staged |= packed
        sets |= sets_of((staging / "manifest.json").read_bytes())
    assert files.keys() == {*staged, "manifest.json", "README.md", ".gitattributes"}
    assert {path: files[path] for path in staged} == staged
    assert sets_of(files["manifest.json"]) == sets
    assert json.loads(files["manifest.json"])["version"] == version
    vouched = [
        file for one in sets.values() for part in one["splits"].values() for file in part["files"]
    ]
    for file in (*vouched, *json.loads(files["manifest.json"])["lists"].values()):
        assert hashlib.sha256(files[file["path"]]).hexdigest() == file["sha256"]
    assert all(blob.lfs for path, blob in repository.find(version).files.items() if "parq" in path)


# What is published.


def test_a_first_version_is_made_and_tagged(hub: FakeHub, staging: Path) -> None:
    done = send(staging)
    assert_published(hub, "v1.0.0", staging)
    repository = hub.repo(REPO)
    assert repository.tags == {"v1.0.0": repository.head} == {"v1.0.0": done.revision}
    assert [commit.title for commit in repository.commits()][1:] == ["initial commit"]
    assert not repository.private
    files = repository.files()
    assert done.uploads == {
        path: len(files[path]) for path in (f"{VST}/{SHARD}", LIST, "manifest.json", "README.md")
    }
    assert (done.repo_id, done.version, done.removals, done.sets) == (REPO, "v1.0.0", (), (VST,))


def test_a_later_version_adds_a_set_and_keeps_the_first(
    hub: FakeHub, staging: Path, more: Path
) -> None:
    first = send(staging)
    forget_downloads()
    hub.clear_log()
    second = send(more, "v1.1.0")
    assert_published(hub, "v1.1.0", staging, more)
    assert_published(hub, "v1.0.0", staging)
    assert hub.repo(REPO).tags == {"v1.0.0": first.revision, "v1.1.0": second.revision}
    assert second.uploads.keys() == {f"{CAM}/{SHARD}", "manifest.json", "README.md"}
    assert second.sets == (CAM, VST)
    assert [visit.path.split("/")[-1] for visit in hub.requests if visit.method == "PUT"] == [
        hashlib.sha256((more / CAM / SHARD).read_bytes()).hexdigest()
    ]
    assert not hub.gets(VST), "what was published before is not read again"


def test_a_set_is_replaced_and_its_old_shards_go(
    hub: FakeHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    many = {f"2007_{number:06d}": (1,) for number in range(300)}
    with monkeypatch.context() as patch:
        patch.setattr(packing, "write_shards", partial(write_shards, largest=1))
        first = stage(tmp_path / "first", {VST: dict.fromkeys(many, draw("old"))}, many)
    send(first)
    second = stage(tmp_path / "second", {VST: dict.fromkeys(many, draw("new"))}, many)
    done = send(second, "v2.0.0")
    old = {f"{VST}/{SPLIT}-0000{number}-of-00002.parquet" for number in (0, 1)}
    assert set(done.removals) == old
    assert old < hub.repo(REPO).files("v1.0.0").keys()
    assert_published(hub, "v2.0.0", second)


def test_an_own_split_of_a_published_set_stays(hub: FakeHub, staging: Path, tmp_path: Path) -> None:
    send(staging)
    val = ImageLabels({"2007_000032": (0,)}, "a test")
    loose = tmp_path / "staging-loose" / VST
    pack(loose, describe(VST), tmp_path / "val", split="val", labels=val)
    send(tmp_path / "val", "v1.1.0")
    said = sets_of(hub.repo(REPO).files("v1.1.0")["manifest.json"])[VST]
    assert said["splits"].keys() == {SPLIT, "val"}
    assert said["record"]["splits"] == {SPLIT: 6, "val": 1}


def test_a_run_after_success_sends_nothing(hub: FakeHub, staging: Path) -> None:
    first = send(staging)
    for again in range(3):
        if again == 1:
            forget_downloads()
        hub.clear_log()
        second = send(staging)
        assert (second.revision, second.uploads, second.removals) == (first.revision, {}, ())
        assert second.records == first.records
        assert not [visit for visit in hub.requests if visit.method == "PUT"]
        assert not [visit for visit in hub.requests if "/commit/" in visit.path]
        assert not hub.gets(origin="cdn"), "what was read back is not read again"
    assert len(hub.repo(REPO).commits()) == 2
    assert hub.repo(REPO).tags == {"v1.0.0": first.revision}


def test_a_new_version_of_the_same_sets_sends_manifest_and_card_only(
    hub: FakeHub, staging: Path
) -> None:
    send(staging)
    done = send(staging, "v1.0.1")
    assert done.uploads.keys() - {"README.md"} == {"manifest.json"}
    assert_published(hub, "v1.0.1", staging)
    assert_published(hub, "v1.0.0", staging)


@pytest.mark.parametrize("published", [False, True])
def test_a_dry_run_sends_nothing(hub: FakeHub, staging: Path, more: Path, published: bool) -> None:
    if published:
        send(staging)
    state = {name: (repo.head, dict(repo.tags)) for name, repo in hub.repos.items()}
    before = tree(more)
    hub.clear_log()
    done = send(more, "v1.1.0", dry_run=True)
    assert hub.requests
    assert not [visit for visit in hub.requests if visit.method in WRITES]
    assert state == {name: (repo.head, dict(repo.tags)) for name, repo in hub.repos.items()}
    assert tree(more) == before
    assert (done.revision, done.records) == (None, ())
    assert done.uploads.keys() >= {f"{CAM}/{SHARD}", "manifest.json"}
    assert (LIST in done.uploads) is not published
    assert done.sets == ((CAM, VST) if published else (CAM,))
    real = send(more, "v1.1.0")
    assert real.uploads == done.uploads


def test_a_private_repository_needs_a_token(
    hub: FakeHub, staging: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.token = RIGHT
    with pytest.raises(FetchError, match="401") as caught:
        send(staging, private=True)
    assert "HF_TOKEN" in str(caught.value)
    assert not hub.repos
    monkeypatch.setenv("HF_TOKEN", RIGHT)
    send(staging, private=True)
    assert hub.repo(REPO).private
    assert_published(hub, "v1.0.0", staging)
    assert not hub.cdn_saw_authorization


# What the records say, and what a user gets.


def test_the_records_pin_the_commit(
    hub: FakeHub, staging: Path, more: Path, tmp_path: Path
) -> None:
    send(staging)
    done = send(more, "v1.1.0")
    paths = write_records(done, tmp_path / "records")
    assert set(tree(tmp_path / "records")) == {f"{VST}.json", f"{CAM}.json"}
    assert {path.relative_to(tmp_path / "records").as_posix() for path in paths} == set(
        tree(tmp_path / "records")
    )
    files = hub.repo(REPO).files("v1.1.0")
    for set_id in (VST, CAM):
        text = (tmp_path / "records" / f"{set_id}.json").read_text("utf-8")
        said = json.loads(text)
        assert text == json.dumps(said, indent=2, ensure_ascii=False) + "\n"
        published = said["published"]
        assert (published["repo_id"], published["revision"]) == (REPO, hub.repo(REPO).head)
        assert published["splits"] == sets_of(files["manifest.json"])[set_id]["splits"]
        assert published["lists"][SPLIT]["path"] == LIST
        for file in published["splits"][SPLIT]["files"]:
            data = files[file["path"]]
            assert (file["size"], file["sha256"]) == (len(data), hashlib.sha256(data).hexdigest())
        parse_record(MapSet, text, set_id)


@pytest.mark.parametrize("way", ["repository", "records"])
def test_what_is_loaded_are_the_maps(
    staging: Path,
    more: Path,
    monkeypatch: pytest.MonkeyPatch,
    way: str,
) -> None:
    send(staging)
    second = send(more, "v1.1.0")
    forget_downloads()
    where: dict[str, Any] = {"repo_id": REPO, "revision": "v1.1.0"}
    if way == "records":
        use_records(monkeypatch, {record.id: record for record in second.records})
        where = {}
    data: Any = wsss_assets.load_dataset("wsss-bed", saliency="vst_duts", activation="cam", **where)
    assert data["image_id"][:] == list(LABELS)
    for row in data:
        assert row["labels"] == list(LABELS[row["image_id"]])
        expected = pixels_of(draw(row["image_id"]))
        np.testing.assert_array_equal(np.asarray(row["saliency"]), expected)
        found = {one["class_id"]: np.asarray(one["map"]) for one in row["activation"]}
        assert list(found) == list(LABELS[row["image_id"]])
        for index, pixels in found.items():
            expected = pixels_of(draw(f"{row['image_id']}_{index}"))
            np.testing.assert_array_equal(pixels, expected)


def test_the_first_version_is_loaded_as_it_was(staging: Path, tmp_path: Path) -> None:
    send(staging)
    send(stage(tmp_path / "new", {VST: saliency_maps(salt="new")}), "v2.0.0")
    for version, salt in {"v1.0.0": "", "v2.0.0": "new"}.items():
        data: Any = wsss_assets.load_dataset(
            "wsss-bed", saliency="vst_duts", repo_id=REPO, revision=version
        )
        for row in data:
            expected = pixels_of(draw(f"{salt}{row['image_id']}"))
            np.testing.assert_array_equal(np.asarray(row["saliency"]), expected)


# What is refused.


def test_a_version_that_is_taken_is_refused(hub: FakeHub, staging: Path, more: Path) -> None:
    first = send(staging)
    hub.clear_log()
    with pytest.raises(FetchError, match=r"has a version v1\.0\.0 already") as caught:
        send(more)
    assert "next version" in str(caught.value)
    assert not [visit for visit in hub.requests if visit.method in {"PUT", "DELETE"}]
    assert not [visit for visit in hub.requests if "/commit/" in visit.path]
    assert hub.repo(REPO).tags == {"v1.0.0": first.revision}
    assert hub.repo(REPO).head == first.revision


@pytest.mark.parametrize(
    "version", ["1.0.0", "v1.0", "v1.0.0rc1", "main", "", "v1.0.0\n", "v١.0.0"]
)
def test_what_is_no_version_is_refused(hub: FakeHub, staging: Path, version: str) -> None:
    with pytest.raises(UsageError, match=r"one such as v1\.0\.0"):
        send(staging, version)
    assert hub.requests == []


def test_nothing_staged_is_refused(hub: FakeHub, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="wsss-assets pack"):
        send(tmp_path / "nowhere")
    assert hub.requests == []


@pytest.mark.parametrize("name", [f"{VST}/{SHARD}", LIST, "manifest.json"])
@pytest.mark.parametrize("damage", ["flipped", "cut", "gone"])
def test_a_damaged_staging_folder_is_refused(
    hub: FakeHub, staging: Path, name: str, damage: str
) -> None:
    path = staging / name
    if damage == "flipped":
        flip(path, 40)
    elif damage == "cut":
        path.write_bytes(path.read_bytes()[:-2])
    else:
        path.unlink()
    with pytest.raises((DataError, UsageError), match=r"pack|manifest\.json is (no|cut off)"):
        send(staging)
    assert hub.requests == []


def test_a_new_list_needs_all_its_sets_anew(hub: FakeHub, staging: Path, tmp_path: Path) -> None:
    fewer = {one: LABELS[one] for one in list(LABELS)[:3]}
    first = send(staging)
    cut = stage(tmp_path / "cut", {CAM: activation_maps(fewer)}, fewer)
    with pytest.raises(DataError, match=VST):
        send(cut, "v2.0.0")
    assert hub.repo(REPO).tags == {"v1.0.0": first.revision}
    stage(tmp_path / "cut", {VST: saliency_maps(fewer)}, fewer)
    send(cut, "v2.0.0")
    assert_published(hub, "v2.0.0", cut)
    assert hub.repo(REPO).files("v2.0.0")[LIST] == list_text(fewer).encode()


def test_a_foreign_manifest_is_not_built_upon(hub: FakeHub, staging: Path) -> None:
    for content in (b"{}", b"no json", b'{"format": 2, "version": "v9", "sets": []}'):
        hub.commit(REPO, {"manifest.json": content})
        head = hub.repo(REPO).head
        with pytest.raises(WsssAssetsError, match=r"manifest\.json of org/maps") as caught:
            send(staging)
        assert isinstance(caught.value, (RecordError, FetchError))
        assert (hub.repo(REPO).head, hub.repo(REPO).tags) == (head, {})


@pytest.mark.parametrize("name", [f"{VST}/{SHARD}", LIST])
@pytest.mark.parametrize("damage", ["changed", "gone"])
def test_a_published_file_that_was_changed_by_hand_gets_no_tag(
    hub: FakeHub, staging: Path, more: Path, name: str, damage: str
) -> None:
    send(staging)
    changed = bytearray(hub.repo(REPO).files()[name])
    changed[5] ^= 1
    hub.commit(REPO, {name: bytes(changed) if damage == "changed" else None})
    fresh = stage(more.with_name("other"), {OWN: saliency_maps()})
    (fresh / LIST).write_bytes(list_text(LABELS).encode())
    if name == LIST:  # a list that is staged as well is put right
        send(fresh, "v1.1.0")
        assert hub.repo(REPO).files("v1.1.0")[LIST] == list_text(LABELS).encode()
        return
    with pytest.raises(ChecksumError, match="not what"):
        send(fresh, "v1.1.0")
    assert "v1.1.0" not in hub.repo(REPO).tags
    stage(fresh, {VST: saliency_maps()})
    send(fresh, "v1.1.0")
    assert hub.repo(REPO).files("v1.1.0")[name] == (staging / name).read_bytes()


# Somebody else at the same time.


def meanwhile(act: Callable[[], object]) -> Fault:
    """Something happens on the server just before it answers."""

    def answer(request: Request, route: Route) -> Answer:
        act()
        return route(request)

    return Fault(answer=answer)


def test_a_commit_of_somebody_else_is_not_lost(hub: FakeHub, staging: Path) -> None:
    hub.fault("/commit/main", meanwhile(lambda: hub.commit(REPO, {"theirs.txt": b"theirs"})))
    with pytest.raises(FetchError, match="somebody else has changed") as caught:
        send(staging)
    assert "run the same command again" in str(caught.value)
    assert hub.repo(REPO).tags == {}
    assert hub.repo(REPO).files().keys() == {"theirs.txt", ".gitattributes"}
    hub.clear_log()
    send(staging)
    assert not [visit for visit in hub.requests if visit.method == "PUT"]
    files = hub.repo(REPO).files("v1.0.0")
    assert files.pop("theirs.txt") == b"theirs"
    assert files[f"{VST}/{SHARD}"] == (staging / VST / SHARD).read_bytes()


def test_two_who_publish_at_once_lose_nothing(hub: FakeHub, staging: Path, more: Path) -> None:
    hub.fault("/commit/main", meanwhile(lambda: send(more, "v1.0.0")), method="POST")
    with pytest.raises(FetchError, match="somebody else"):
        send(staging, "v1.1.0")
    assert_published(hub, "v1.0.0", more)
    send(staging, "v1.1.0")
    assert_published(hub, "v1.1.0", more, staging)
    assert_published(hub, "v1.0.0", more)


def test_a_tag_that_somebody_else_makes_is_not_taken_for_ours(hub: FakeHub, staging: Path) -> None:
    first = hub.commit(REPO, {"theirs.txt": b"theirs"})
    hub.fault(r"/tag/", meanwhile(lambda: hub.move_tag(REPO, "v1.0.0", first)))
    with pytest.raises(FetchError, match=r"v1\.0\.0 of org/maps is another commit"):
        send(staging)
    assert hub.repo(REPO).tags == {"v1.0.0": first}
    with pytest.raises(FetchError, match="already"):
        send(staging)
    send(staging, "v1.0.1")
    assert hub.repo(REPO).tags["v1.0.0"] == first


# A fault at every request of a release.


class Moment(NamedTuple):
    """One request of an undisturbed release."""

    method: str
    target: str
    number: int  # how many like it came before

    def __str__(self) -> str:
        return f"{self.method} {self.target} ({self.number})"


def moments(visits: list[Visit]) -> list[Moment]:
    found: list[Moment] = []
    for visit in visits:
        before = sum((one.method, one.target) == (visit.method, visit.path) for one in found)
        found.append(Moment(visit.method, visit.path, before))
    return found


def plan(hub: FakeHub, moment: Moment, fault: Fault, times: int | None = 1) -> None:
    pattern = f"^{re.escape(moment.target)}$"
    if moment.number:
        hub.fault(pattern, Fault(), moment.number, moment.method)
    hub.fault(pattern, fault, times, moment.method)


def without(name: str) -> Fault:
    """A listing that lacks a file."""

    def answer(request: Request, route: Route) -> Answer:
        good = route(request)
        rows = [row for row in json.loads(good.body) if row["path"] != name]
        return replace(good, body=json.dumps(rows).encode())

    return Fault(answer=answer)


def losing(name: str) -> Fault:
    """A commit that forgets a file."""

    def answer(request: Request, route: Route) -> Answer:
        lines = [line for line in request.body.splitlines() if name.encode() not in line]
        return route(replace(request, body=b"\n".join(lines)))

    return Fault(answer=answer)


class Case(NamedTuple):
    """A release to disturb."""

    hub: FakeHub
    state: dict[str, Repository]  # what was published before
    before: tuple[Path, ...]
    packed: Path
    version: str
    staging: Path

    def begin(self) -> None:
        """As it was before the release."""
        self.hub.reset()
        self.hub.repos = copy.deepcopy(self.state)
        forget_downloads()
        shutil.rmtree(self.staging, ignore_errors=True)
        shutil.copytree(self.packed, self.staging)

    def undisturbed(self) -> list[Moment]:
        """All requests of it."""
        self.begin()
        send(self.staging, self.version)
        self.assert_right()
        return moments(list(self.hub.requests))

    def assert_right(self) -> None:
        assert_published(self.hub, self.version, *self.before, self.packed)
        if self.before:
            assert_published(self.hub, "v1.0.0", *self.before)


@pytest.fixture(params=["first version", "later version"])
def case(request: pytest.FixtureRequest, hub: FakeHub, staging: Path, more: Path) -> Case:
    home = staging.with_name("disturbed")
    if request.param == "first version":
        return Case(hub, {}, (), staging, "v1.0.0", home)
    send(staging)
    return Case(hub, copy.deepcopy(hub.repos), (staging,), more, "v1.1.0", home)


def survives(case: Case, what: str) -> bool:
    """Publish under planned faults, then without; whether the first run succeeded."""
    hub, complaint = case.hub, ""
    try:
        send(case.staging, case.version)
    except WsssAssetsError as error:
        complaint = str(error)
    there, commits = set(), 0
    if REPO in hub.repos:
        there, commits = set(hub.repo(REPO).objects), len(hub.repo(REPO).commits())
        if not complaint or case.version in hub.repo(REPO).tags:
            case.assert_right()  # a tag may be there, its own answer lost
    assert not complaint or REPO in complaint, f"{what}: {complaint}"
    hub.clear_faults()
    hub.clear_log()
    again = send(case.staging, case.version)
    case.assert_right()
    assert hub.repo(REPO).tags[case.version] == again.revision, what
    sent = {visit.path.split("/")[-1] for visit in hub.requests if visit.method == "PUT"}
    assert not sent & there, f"{what}: sent again"
    if not complaint:
        assert (again.uploads, len(hub.repo(REPO).commits())) == ({}, commits), what
    return not complaint


PASSING = {
    "503": status(503),
    "429": status(429, {"Retry-After": "0"}),
    "reset": rst(0),
    "answer lost": drop(0),
}


EVERYWHERE = [("later version", name) for name in PASSING] + [("first version", "answer lost")]


@pytest.mark.parametrize(("case", "fault"), EVERYWHERE, indirect=["case"])
def test_every_request_may_fail_once(case: Case, fault: str) -> None:
    for moment in case.undisturbed():
        case.begin()
        plan(case.hub, moment, PASSING[fault])
        assert survives(case, str(moment)), moment


@pytest.mark.parametrize(
    ("case", "code"),
    [("first version", 401), ("first version", 500), ("later version", 404)],
    indirect=["case"],
)
def test_every_request_may_fail_for_good(case: Case, code: int) -> None:
    for moment in case.undisturbed():
        case.begin()
        plan(case.hub, moment, status(code), None)
        survives(case, str(moment))


@pytest.mark.parametrize("times", [1, None])
def test_every_body_may_come_with_a_flipped_byte(case: Case, times: int | None) -> None:
    bodies = [
        moment
        for moment in case.undisturbed()
        if moment.method == "GET" and "/api/" not in moment.target
    ]
    assert len(bodies) >= 3
    for moment in bodies:
        case.begin()
        plan(case.hub, moment, corrupt(30), times)
        assert survives(case, str(moment)) is (times == 1), moment


def test_a_listing_that_lacks_a_file_is_no_reason_to_tag(case: Case) -> None:
    listings = [moment for moment in case.undisturbed() if "/tree/" in moment.target]
    assert len(listings) == 2
    for moment in listings:
        for name in (f"{VST}/{SHARD}", LIST, "README.md"):
            case.begin()
            plan(case.hub, moment, without(name))
            survives(case, f"{moment} without {name}")


def test_a_commit_that_lost_a_file_gets_no_tag(case: Case) -> None:
    (shard,) = [path for path in tree(case.packed) if path.endswith(".parquet")]
    for name in (shard, "manifest.json", "README.md"):
        case.begin()
        case.hub.fault("/commit/main", losing(name))
        assert not survives(case, name), name


@pytest.mark.parametrize("times", [1, None])
def test_a_commit_may_be_refused_without_a_reason(case: Case, times: int | None) -> None:
    case.begin()
    case.hub.fault("/commit/main", status(412), times)
    assert survives(case, "412") is (times == 1)


def test_a_run_that_was_stopped_while_reading_back_leaves_nothing(
    hub: FakeHub, staging: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class StoppedError(BaseException):
        pass

    fetched: list[str] = []

    def fetch_some(repo_id: str, revision: str, path: str, **options: Any) -> Path:  # noqa: ANN401
        if len(fetched) == 2:
            raise StoppedError
        fetched.append(path)
        return fetch_hub_file(repo_id, revision, path, **options)

    with monkeypatch.context() as patch:
        patch.setattr("wsss_assets.publish.release.fetch_hub_file", fetch_some)
        with pytest.raises(StoppedError):
            send(staging)
    assert hub.repo(REPO).tags == {}
    assert not [path for path in staging.rglob("*") if ".tmp" in path.name]
    hub.clear_log()
    send(staging)
    assert_published(hub, "v1.0.0", staging)
    read = {name for name in fetched if hub.gets(f"resolve/.*{re.escape(name)}$")}
    assert not read, "read back twice"


def test_a_stray_shard_is_no_part_of_a_version(hub: FakeHub, tmp_path: Path) -> None:
    staging = stage(tmp_path / "staging", {VST: saliency_maps()})
    shard = next(staging.rglob("*.parquet"))
    stray = f"{VST}/{SPLIT}-00001-of-00002.parquet"
    hub.commit("me/maps", {stray: shard.read_bytes()})
    done = publish(staging, "me/maps", "v1.0.0", sleep=lambda _: None)
    assert done.removals == (stray,)
    files = hub.repo("me/maps").files("v1.0.0")
    assert [path for path in files if path.endswith(".parquet")] == [
        str(shard.relative_to(staging))
    ]
