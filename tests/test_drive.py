from __future__ import annotations

import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from tests.faults import drop, status
from tests.map_set_files import Told
from tests.serving import Answer, Fault, serve_bytes
from tests.weights_files import BODY, DIGEST, OTHER, VST, Drive, refusal, use_cache
from wsss_assets.catalog.catalog import get_weights
from wsss_assets.errors import ChecksumError, FetchError, MissingDependencyError
from wsss_assets.regenerate.weights import resolve
from wsss_assets.regenerate.weights_cache import WeightsFile, kept_at
from wsss_assets.regenerate.weights_fetching import obtain_weights

if TYPE_CHECKING:
    from pathlib import Path

    from tests.fakehub import FakeHub
    from tests.fileserver import FileServer
    from tests.serving import Request, Route


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hub: FakeHub) -> Path:  # noqa: ARG001
    return use_cache(tmp_path / "cache", monkeypatch)


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
