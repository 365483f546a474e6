"""What comes from outside is refused unless it is exactly a record."""

from __future__ import annotations

import hashlib
import json
import string
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsss_assets.catalog.records import (
    Manifest,
    MapSet,
    Publication,
    RepoFile,
    SplitShards,
    canonical_json,
    parse_record,
)
from wsss_assets.errors import RecordError

SHA = "0123456789abcdef" * 4
COMMIT = "0123456789" * 4
Values = dict[str, Any]


def shards(name: str = "a") -> Values:
    """A split of one file."""
    return {
        "rows": 3,
        "maps": 2,
        "encoding": "PNG, 8-bit grey",
        "ids_sha256": SHA,
        "pixels_sha256": None,
        "files": [{"path": f"data/{name}/train-00000.parquet", "size": 10, "sha256": SHA}],
        "holes": [{"image_id": "2007_000032", "class_id": None, "reason": "not in the archive"}],
    }


def record(name: str = "a", **changes: object) -> Values:
    values: Values = {"id": f"voc2012/saliency/{name}", "maker": "me", "splits": {"train": 3}}
    return {**values, **changes}


def manifest(*names: str, **changes: object) -> Values:
    """A manifest of some map sets and one label list."""
    values: Values = {
        "format": 1,
        "version": "v1.0.0",
        "sets": [{"record": record(one), "splits": {"train": shards(one)}} for one in names],
        "lists": {
            "voc2012/train": {"path": "lists/train.txt", "size": 9, "sha256": SHA, "images": 3}
        },
    }
    return {**values, **changes}


def read(values: object) -> Manifest:
    return parse_record(Manifest, json.dumps(values), "manifest.json")


def changed(values: Values, *path: str | int, to: object) -> Values:
    """A copy with one value replaced or added."""
    copy: Values = json.loads(json.dumps(values))
    place: Any = copy
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = to
    return copy


FILE = ("sets", 0, "splits", "train", "files", 0)
SPLIT = FILE[:-2]
RECORD = ("sets", 0, "record")


def test_a_manifest_is_read() -> None:
    found = read(manifest("a", "b"))
    assert [one.record.id for one in found.sets] == ["voc2012/saliency/a", "voc2012/saliency/b"]
    assert [file.path for file in found.files()] == [
        "data/a/train-00000.parquet",
        "data/b/train-00000.parquet",
        "lists/train.txt",
    ]
    assert found.sets[0].splits["train"].size == 10
    assert found.sets[0].record.licence is None


def test_records_do_not_change() -> None:
    found = read(manifest("a"))
    with pytest.raises(ValueError, match="frozen"):
        found.version = "v2"


# Canonical form


@given(
    text=st.text(min_size=1, max_size=50),
    number=st.none() | st.integers(min_value=1, max_value=10**12),
)
def test_what_is_written_is_read_again(text: str, number: int | None) -> None:
    written = MapSet(id="voc2012/activation/a", maker=text, splits={"train": number})
    once = canonical_json(written)
    assert parse_record(MapSet, once, "it") == written
    assert canonical_json(parse_record(MapSet, once.encode(), "it")) == once
    assert once.endswith("}\n")
    assert json.loads(once)["maker"] == text


def test_canonical_form_by_hand() -> None:
    file = RepoFile(path="ä/b.parquet", size=0, sha256=SHA)
    assert canonical_json(file) == (
        f'{{\n  "path": "ä/b.parquet",\n  "size": 0,\n  "sha256": "{SHA}"\n}}\n'
    )


# Paths


HOSTILE_PATHS = (
    "",
    "/etc/passwd",
    "//host/share",
    "..",
    "../a",
    "a/../b",
    "a/..",
    "./a",
    "a//b",
    "a/",
    "a/./b",
    ".git/config",
    "a/.hidden",
    "C:/Windows",
    "C:a",
    "c:\\a",
    "a\\b",
    "\\\\host\\share",
    "a\x00b",
    "a\nb",
    "a\x1b[2Jb",
    "a\u202eb",
    "a\u2028b",
    "a/ b",
    "a /b",
    "a./b",
    "a*",
    "a?b",
    'a"b',
    "a|b",
    "<a>",
    "a:stream",
    "x" * 301,
)


@pytest.mark.parametrize("path", HOSTILE_PATHS)
def test_paths_that_leave_the_repository_or_trick_a_file_system(path: str) -> None:
    with pytest.raises(RecordError, match="is no Manifest record"):
        read(changed(manifest("a"), *FILE, "path", to=path))


@given(st.text(alphabet=st.sampled_from('ab./\\: *?"<>|~\x00\n\x7f\u202e'), max_size=12))
def test_a_path_that_is_taken_stays_below_the_root(path: str) -> None:
    try:
        found = RepoFile(path=path, size=1, sha256=SHA).path
    except ValueError:
        return
    parts = found.split("/")
    assert all(parts)
    assert not {".", ".."} & set(parts)
    assert not set(found) & set('\\:*?"<>|\x00\n\x7f\u202e')


@given(
    st.lists(st.text(alphabet=string.ascii_letters + string.digits + "-_", min_size=1), min_size=1)
)
def test_plain_paths_are_taken(parts: list[str]) -> None:
    path = "/".join(parts)
    if len(path) <= 300:
        assert RepoFile(path=path, size=1, sha256=SHA).path == path


# Names, ids, digests, numbers


@pytest.mark.parametrize(
    "set_id",
    [
        "",
        "vst_duts",
        "voc2012/vst_duts",
        "voc2012/depth/vst",
        "voc2012/saliency/",
        "voc2012/saliency/a/b",
        "voc2012/saliency/../b",
        "VOC2012/saliency/a",
        "voc2012/saliency/A",
        "voc2012/saliency/a\n",
        "/voc2012/saliency/a",
        "voc2012/saliency/a b",
        "voc2012/saliency/é",
        f"voc2012/saliency/{'a' * 65}",
        7,
        None,
    ],
)
def test_ids_that_are_none(set_id: object) -> None:
    with pytest.raises(RecordError, match=r"sets\.0\.record\.id"):
        read(changed(manifest("a"), *RECORD, "id", to=set_id))


@given(st.text(max_size=30))
def test_an_id_that_is_taken_has_three_plain_parts(name: str) -> None:
    try:
        found = MapSet(id=f"voc2012/saliency/{name}", maker="me", splits={"train": 1})
    except ValueError:
        return
    assert (found.benchmark, found.kind, found.name) == ("voc2012", "saliency", name)
    assert set(name) <= set(string.ascii_lowercase + string.digits + "_")


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ((*FILE, "sha256"), SHA[:-1]),
        ((*FILE, "sha256"), SHA.upper()),
        ((*FILE, "sha256"), SHA + "\n"),
        ((*FILE, "sha256"), ""),
        ((*FILE, "sha256"), None),
        ((*FILE, "size"), -1),
        ((*FILE, "size"), "10"),
        ((*FILE, "size"), 10.5),
        ((*FILE, "size"), True),
        ((*FILE, "mode"), "0755"),
        ((*SPLIT, "rows"), 0),
        ((*SPLIT, "files"), []),
        ((*SPLIT, "files"), {}),
        ((*SPLIT, "encoding"), "x" * 2001),
        ((*SPLIT, "holes"), [{"image_id": "../a", "reason": "x"}]),
        ((*SPLIT, "holes"), [{"image_id": "a", "class_id": 254, "reason": "x"}]),
        ((*SPLIT, "holes"), [{"image_id": "a", "class_id": 1}]),
        ((*RECORD, "licence"), ""),
        ((*RECORD, "colour"), "red"),
        ((*RECORD, "trained_on"), "duts"),
        ((*RECORD, "supervision"), "masks"),
        ((*RECORD, "upstream"), "VOC2012/../X"),
        ((*RECORD, "splits"), {"../train": 1}),
        ((*RECORD, "splits"), {"train": 0}),
        ((*RECORD, "archive"), {"url": "http://example.org/a.zip"}),
        ((*RECORD, "archive"), {"url": "file:///etc/passwd"}),
        ((*RECORD, "archive"), {"url": "https://example.org/a b"}),
        ((*RECORD, "archive"), {"url": "https://example.org/a\n"}),
        (("sets", 0, "splits"), {}),
        (("sets", 0, "splits"), {"Train": shards()}),
        (("sets",), None),
        (("format",), 2),
        (("format",), "1"),
        (("version",), ""),
        (("sha256",), "unsealed"),
        (("lists", "voc2012/train", "images"), 0),
        (("lists", "train"), {"path": "t.txt", "size": 1, "sha256": SHA, "images": 1}),
        (("lists", "../train"), {"path": "t.txt", "size": 1, "sha256": SHA, "images": 1}),
        (("author",), "me"),
    ],
)
def test_values_that_are_refused(path: tuple[str | int, ...], value: object) -> None:
    with pytest.raises(RecordError) as caught:
        read(changed(manifest("a"), *path, to=value))
    assert caught.value.found


def test_a_recommended_tau_is_a_number_from_0_to_1() -> None:
    recipe = {
        "method": "cam",
        "recipe": "wsss-bed",
        "ignore": True,
        "saliency": True,
        "source": "x",
    }
    for tau in (-0.1, 1.1, "0.1", None):
        values = record(recommended={**recipe, "tau": tau})
        with pytest.raises(RecordError, match="tau"):
            parse_record(MapSet, json.dumps(values), "it")
    text = json.dumps(record(recommended={**recipe, "tau": 0.1})).replace("0.1", "NaN")
    with pytest.raises(RecordError):
        parse_record(MapSet, text, "it")


# Manifests as a whole


def test_sets_are_sorted_and_there_once() -> None:
    for names in (("b", "a"), ("a", "a")):
        with pytest.raises(RecordError, match="not sorted by id, each once"):
            read(manifest(*names))


def test_a_file_belongs_to_one_set() -> None:
    path = "data/a/train-00000.parquet"
    twice = changed(manifest("a", "b"), "sets", 1, *FILE[2:], "path", to=path)
    with pytest.raises(RecordError, match="a file belongs to two sets"):
        read(twice)
    listed = changed(manifest("a"), "lists", "voc2012/train", "path", to=path)
    with pytest.raises(RecordError, match="is no text file"):
        read(listed)


def test_shards_keep_their_names_when_they_lie_in_one_folder() -> None:
    for other in ("other/train-00000.parquet", "data/a/holding.json"):
        files = [
            {"path": one, "size": 1, "sha256": "a" * 64}
            for one in ("data/a/train-00000.parquet", other)
        ]
        with pytest.raises(RecordError, match="distinct"):
            read(changed(manifest("a"), *FILE[:-1], to=files))


def test_a_manifest_speaks_of_its_own_repository_only() -> None:
    published = {"repo_id": "other/repo", "revision": COMMIT, "splits": {"train": shards()}}
    with pytest.raises(RecordError, match="records name no other"):
        read(changed(manifest("a"), *RECORD, "published", to=published))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "null",
        "[]",
        "7",
        '"manifest"',
        "{",
        "{}",
        "<html>404</html>",
        "[" * 100_000,
        '{"format": 1' + " " * 1_000_000,
        b"\xff\xfe",
        b"PK\x03\x04",
        json.dumps(manifest("a"))[:-1],
    ],
    ids=lambda text: repr(text[:12]),
)
def test_what_is_no_manifest_at_all(text: str | bytes) -> None:
    with pytest.raises(RecordError, match=r"is (no Manifest record|cut off or no JSON)"):
        parse_record(Manifest, text, "manifest.json")


@given(
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats(allow_nan=False)
        | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.sampled_from(["format", "sets", "lists", "x"]), inner, max_size=3)
        ),
        max_leaves=8,
    )
)
def test_any_other_json_is_refused_without_a_crash(values: object) -> None:
    with pytest.raises(RecordError):
        read(values)


def test_an_error_names_the_first_faults_and_counts_the_rest() -> None:
    with pytest.raises(RecordError) as caught:
        read({"format": 1, "version": "v1", "sets": [], **dict.fromkeys("abcde", 1)})
    assert str(caught.value).startswith("manifest.json is no Manifest record; found a: ")
    assert str(caught.value).endswith(" and 2 more")


# Digests


def test_a_sealed_manifest_is_intact_and_a_changed_one_is_not() -> None:
    plain = read(manifest("a"))
    assert plain.sha256 == ""
    assert not plain.is_intact()
    sealed = plain.sealed()
    assert sealed.is_intact()
    assert sealed.sealed() == sealed
    again = parse_record(Manifest, canonical_json(sealed), "manifest.json")
    assert again.is_intact()
    for path, value in (
        (("version",), "v1.0.1"),
        ((*FILE, "size"), 11),
        ((*RECORD, "licence"), "CC0"),
        (("sha256",), "f" * 64),
    ):
        damaged = changed(json.loads(canonical_json(sealed)), *path, to=value)
        assert not read(damaged).is_intact()


def test_the_digest_by_hand() -> None:
    sealed = read(manifest("a")).sealed()
    values = json.loads(canonical_json(sealed)) | {"sha256": ""}
    text = json.dumps(values, indent=2, ensure_ascii=False) + "\n"
    assert sealed.sha256 == hashlib.sha256(text.encode()).hexdigest()


def test_where_a_set_of_a_manifest_lies() -> None:
    found = read(manifest("a", "b")).publication("voc2012/saliency/b", "org/repo", COMMIT)
    assert found is not None
    assert (found.repo_id, found.revision) == ("org/repo", COMMIT)
    assert found.splits["train"].files[0].path == "data/b/train-00000.parquet"
    assert found.lists["train"].images == 3
    assert read(manifest("a")).publication("voc2012/saliency/b", "org/repo", COMMIT) is None


@pytest.mark.parametrize("repo_id", ["", "repo", "a/b/c", "../b", "a/..", "a b/c", "a/b\n", "/a"])
def test_repositories_that_are_none(repo_id: str) -> None:
    split = SplitShards.model_validate_json(json.dumps(shards()))
    with pytest.raises(ValueError, match="repo_id"):
        Publication(repo_id=repo_id, revision=COMMIT, splits={"train": split})


@pytest.mark.parametrize("revision", ["", "main", "v1.0.0", COMMIT[:7], COMMIT.upper() + "A"])
def test_a_publication_names_a_commit(revision: str) -> None:
    split = SplitShards.model_validate_json(json.dumps(shards()))
    with pytest.raises(ValueError, match="revision"):
        Publication(repo_id="org/repo", revision=revision, splits={"train": split})


@pytest.mark.parametrize("text", ["", "{", json.dumps(manifest("a"))[:-5], b"PK\x03\x04"])
def test_what_is_cut_off_is_called_so(text: str | bytes) -> None:
    with pytest.raises(RecordError) as caught:
        parse_record(Manifest, text, "manifest.json")
    assert caught.value.summary == "manifest.json is cut off or no JSON"
    assert "Invalid JSON" not in str(caught.value)
