from __future__ import annotations

import io
import os
import zipfile
from typing import TYPE_CHECKING, Any

import pytest

from wsss_assets.errors import FetchError
from wsss_assets.storage import remote
from wsss_assets.storage.steady import SteadyFile, read_steadily

if TYPE_CHECKING:
    from wsss_assets.storage.stored_maps import StoredMaps

CONTENT = bytes(range(256)) * 40


class Flaky(io.BytesIO):
    """A file whose reads go wrong as planned: an exception to raise, or bytes to leave out."""

    def __init__(self, content: bytes, plan: list[Any]) -> None:
        super().__init__(content)
        self.plan = plan

    def read(self, size: int | None = -1) -> bytes:
        fault = self.plan.pop(0) if self.plan else 0
        if isinstance(fault, Exception):
            raise fault
        data = super().read(size)
        return data[: len(data) - fault]


FAULTS = [ValueError("closed"), RuntimeError("loop"), ConnectionResetError("reset"), EOFError(), 3]


def steady(plan: list[Any], content: bytes = CONTENT) -> SteadyFile:
    return SteadyFile(Flaky(content, plan), "x://maps", lambda _: None)


@pytest.mark.parametrize("fault", FAULTS)
def test_a_passing_fault_changes_no_byte(fault: object) -> None:
    with steady([fault, fault]) as file:
        assert file.seek(100) == 100
        assert file.read(300) == CONTENT[100:400]
        assert file.tell() == 400
        assert file.read() == CONTENT[400:]
        assert file.read() == b""
    assert file.closed


@pytest.mark.parametrize("fault", FAULTS)
def test_a_lasting_fault_is_an_error_that_names_the_file(fault: object) -> None:
    with pytest.raises(FetchError, match=r"x://maps cannot be read") as error:
        steady([fault] * 3).read(10)
    assert "tried 3 times" in str(error.value)


def test_places_are_those_of_a_file() -> None:
    file = steady([])
    plain = io.BytesIO(CONTENT)
    for offset, whence in ((5, os.SEEK_SET), (7, os.SEEK_CUR), (-9, os.SEEK_END)):
        assert file.seek(offset, whence) == plain.seek(offset, whence)
        assert file.read(4) == plain.read(4)
        assert file.tell() == plain.tell()
    with pytest.raises(ValueError, match="before the beginning"):
        file.seek(-1)
    file.seek(10, os.SEEK_END)
    assert file.read(1) == b""


def test_waits_grow_between_tries() -> None:
    waits: list[float] = []
    answers = iter([b"", b"12"])
    assert read_steadily(lambda: next(answers), 2, "it", waits.append) == b"12"
    assert len(waits) == 1
    with pytest.raises(FetchError, match="1 of 2 bytes"):
        read_steadily(lambda: b"1", 2, "it", waits.append)


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("lasting", [False, True])
def test_a_fault_on_the_way_to_a_zip_is_no_damaged_map(
    monkeypatch: pytest.MonkeyPatch, fault: object, lasting: bool
) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("maps/a.png", CONTENT)
    flaky = Flaky(buffer.getvalue(), [])

    class System:
        def open(self, *_: object, **__: object) -> Flaky:
            return flaky

    monkeypatch.setattr("fsspec.core.url_to_fs", lambda _: (System(), "maps.zip"))
    monkeypatch.setattr("time.sleep", lambda _: None)
    maps: StoredMaps = remote.open_stored_maps("x://maps.zip")
    flaky.plan = [fault] * (50 if lasting else 1)
    if not lasting:
        assert maps.read("a") == CONTENT
        return
    with pytest.raises(FetchError, match="cannot be read"):
        maps.read("a")
