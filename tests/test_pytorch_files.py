from __future__ import annotations

import os
import pickle
import subprocess
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.toy_weights import copied, toy
from wsss_assets.errors import WeightsError

torch = pytest.importorskip("torch")


from wsss_assets.models.checkpoints import read_state_dict  # noqa: E402
from wsss_assets.models.loading import load  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Callable


class Runs:
    """Unpickled without care, it makes a file."""

    def __init__(self, function: Callable[..., object], *arguments: object) -> None:
        self.call = function, arguments

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return self.call


@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize("function", [os.system, subprocess.call, eval, Path.touch])
def test_no_code_is_run(tmp_path: Path, function: Callable[..., object], legacy: bool) -> None:
    trap = tmp_path / "trap"
    argument: object = {eval: f"open({str(trap)!r}, 'w')", Path.touch: trap}.get(
        function, f"touch {trap}"
    )
    state = {**copied(toy()), "more": Runs(function, argument)}
    path = tmp_path / "net.pth"
    torch.save(state, path, _use_new_zipfile_serialization=not legacy)
    with pytest.raises(WeightsError, match="refused and nothing was loaded"):
        read_state_dict(path)
    assert not trap.exists()


def test_a_refused_name_is_named(tmp_path: Path) -> None:
    torch.save(toy(), tmp_path / "net.pth")
    with pytest.raises(WeightsError, match=r"asks for torch\.nn\.modules\.container\.Sequential"):
        read_state_dict(tmp_path / "net.pth")


def test_a_plain_pickle_is_not_run(tmp_path: Path) -> None:
    trap = tmp_path / "trap"
    (tmp_path / "net.pkl").write_bytes(pickle.dumps(Runs(os.system, f"touch {trap}"), 2))
    with pytest.raises(WeightsError):
        read_state_dict(tmp_path / "net.pkl")
    assert not trap.exists()


def test_numpy_is_handed_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.save({"state_dict": copied(toy()), "best": np.float64(1)}, tmp_path / "net.pth")
    monkeypatch.setattr(np, "dtype", None)
    assert len(read_state_dict(tmp_path / "net.pth")) == 9


def test_what_torch_allows_is_left_as_it_was(tmp_path: Path) -> None:
    before = set(torch.serialization.get_safe_globals())
    torch.save(copied(toy()), tmp_path / "net.pth")
    read_state_dict(tmp_path / "net.pth")
    with pytest.raises(WeightsError):
        load(toy(), {})
    assert set(torch.serialization.get_safe_globals()) == before


def bomb(path: Path, **changes: int) -> Path:
    """A checkpoint whose pickle is followed by zeros, written anew."""
    torch.save(copied(toy()), path)
    with zipfile.ZipFile(path) as archive:
        records = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w", changes.get("compression", zipfile.ZIP_STORED)) as archive:
        for name, data in records.items():
            zeros = changes.get("zeros", 0) if name.endswith("data.pkl") else 0
            archive.writestr(name, data + bytes(zeros))
    return path


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"compression": zipfile.ZIP_DEFLATED}, r"compressed \(.*data\.pkl"),
        ({"compression": zipfile.ZIP_DEFLATED, "zeros": 1 << 24}, r"bytes of records in a file of"),
        ({"zeros": (64 << 20) + 1}, "a pickle of 67,"),
    ],
)
def test_a_file_that_unpacks_to_more_than_it_is(
    tmp_path: Path, changes: dict[str, int], match: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch, "load", None)  # not even begun
    with pytest.raises(WeightsError, match=match) as caught:
        read_state_dict(bomb(tmp_path / "net.pth", **changes))
    assert "nothing was loaded" in str(caught.value)


def test_records_written_anew_are_read_as_long_as_they_are_not_compressed(tmp_path: Path) -> None:
    assert len(read_state_dict(bomb(tmp_path / "net.pth"))) == len(toy().state_dict())


def test_an_archive_of_files(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "net.zip", "w") as archive:
        archive.writestr("net/readme.txt", "weights")
    with pytest.raises(WeightsError, match="unpack it"):
        read_state_dict(tmp_path / "net.zip")


@pytest.mark.parametrize("legacy", [False, True])
@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_damaged_files(
    tmp_path_factory: pytest.TempPathFactory, legacy: bool, data: st.DataObject
) -> None:
    """Cut or changed anywhere, a file is refused or read; nothing else happens."""
    path = tmp_path_factory.mktemp("damaged") / "net.pth"
    torch.save({"model": copied(toy())}, path, _use_new_zipfile_serialization=not legacy)
    content = bytearray(path.read_bytes())
    if data.draw(st.booleans()):
        del content[data.draw(st.integers(0, len(content) - 1)) :]
    else:
        for _ in range(data.draw(st.integers(1, 4))):
            content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(content)
    try:
        state = read_state_dict(path)
    except WeightsError:
        return
    assert all(isinstance(value, torch.Tensor) for value in state.values())


@settings(max_examples=20, deadline=None)
@given(cut=st.integers(1, 2000))
def test_truncated_files(tmp_path_factory: pytest.TempPathFactory, cut: int) -> None:
    path = tmp_path_factory.mktemp("cut") / "net.pth"
    torch.save(copied(toy()), path)
    path.write_bytes(path.read_bytes()[:-cut])
    with pytest.raises(WeightsError, match="download it again"):
        read_state_dict(path)
