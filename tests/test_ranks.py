"""Evaluations by several processes, as `torchrun` starts them: the same bits as by one."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests import rank_work
from wsss_assets.cli.options import shared_by_ranks
from wsss_assets.errors import UsageError
from wsss_assets.mini.folder import write_mini
from wsss_assets.ranks import ALONE, Ranks
from wsss_assets.storage.receipts import RECEIPTS_NAME, Receipts

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

COUNT = 7
ROOT = Path(__file__).parent.parent


@given(st.lists(st.integers(), max_size=20), st.integers(1, 5))
def test_every_item_has_one_process(items: list[int], count: int) -> None:
    ranks = [Ranks(rank, rank, count, count) for rank in range(count)]
    numbered = list(enumerate(items))
    assert sorted(item for one in ranks for item in one.share(numbered)) == numbered
    assert [item for one in ranks for item in one.stretch(numbered)] == numbered
    for divided in (Ranks.share, Ranks.stretch):
        sizes = [len(divided(one, numbered)) for one in ranks]
        assert max(sizes) - min(sizes) <= 1


def test_alone_there_is_nobody_to_talk_to() -> None:
    assert ALONE.share([1, 2]) == [1, 2]
    assert ALONE.everyone("a") == ["a"]
    assert ALONE.first(lambda: 3) == 3


def test_half_of_what_torchrun_sets_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RANK", "0")
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.delenv("LOCAL_RANK", raising=False)
    with pytest.raises(UsageError, match="not as torchrun does"):
        Ranks.from_environment()


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("ranks") / "mini"
    write_mini(root, COUNT)
    return root


@contextmanager
def started(count: int, arguments: Sequence[str]) -> Iterator[list[subprocess.Popen[str]]]:
    """The processes of one run, without a launcher."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    shared = {
        "WORLD_SIZE": str(count),
        "LOCAL_WORLD_SIZE": str(count),
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
        "OMP_NUM_THREADS": "1",
        "GLOO_SOCKET_IFNAME": "lo",
    }
    processes = [
        subprocess.Popen(
            [sys.executable, "-m", *arguments],
            env={**os.environ, **shared, "RANK": str(rank), "LOCAL_RANK": str(rank)},
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(count)
    ]
    try:
        yield processes
    finally:
        for process in processes:
            process.kill()
            process.communicate()


@pytest.fixture(scope="module")
def alone(data: Path) -> dict[str, Any]:
    """What one process says."""
    return rank_work.results(data, ALONE)


@pytest.mark.parametrize("count", [2, 3])
def test_any_number_of_processes_gives_the_same_bits(
    data: Path, alone: dict[str, Any], count: int
) -> None:
    pytest.importorskip("torch")
    with started(count, ["tests.rank_work", str(data)]) as processes:
        said = [process.communicate(timeout=120) for process in processes]
    for process, (stdout, stderr) in zip(processes, said, strict=True):
        assert process.returncode == 0, stderr
        found = json.loads(stdout)
        assert found.keys() == alone.keys()
        for name, result in json.loads(json.dumps(alone)).items():
            assert found[name] == result, name


def test_one_process_speaks_for_all(data: Path, tmp_path: Path) -> None:
    pytest.importorskip("torch")
    out, alone = tmp_path / "out", tmp_path / "alone"
    command = ["pseudo-label", f"--labels={data / rank_work.LIST}", "--benchmark=mini"]
    command += [f"--{kind}={folder}" for kind, folder in rank_work.maps(data).items()]
    with started(2, ["wsss_assets", *command, f"--out={out}"]) as (first, second):
        stdout, stderr = first.communicate(timeout=60)
        assert first.returncode == 0, stderr
        assert stdout == f"{COUNT} labels written to {out}, 0 were there\n"
        assert second.communicate(timeout=60) == ("", "")
        assert second.returncode == 0
    subprocess.run([sys.executable, "-m", "wsss_assets", *command, f"--out={alone}"], check=True)
    assert {path.name: path.read_bytes() for path in out.iterdir()} == {
        path.name: path.read_bytes() for path in alone.iterdir()
    }


def test_an_error_of_one_process_ends_all(data: Path, tmp_path: Path) -> None:
    pytest.importorskip("torch")
    listed = tmp_path / "list.txt"
    ids = [line.split()[0] for line in (data / rank_work.LIST).read_text("utf-8").splitlines()]
    listed.write_text("\n".join([*ids, "nowhere"]), "utf-8")
    truth = str(rank_work.truth(data))
    command = ["evaluate", f"--predictions={truth}", f"--ground-truth={truth}", "--benchmark=mini"]
    with started(2, ["wsss_assets", *command, f"--ids={listed}"]) as processes:
        said = [process.communicate(timeout=60) for process in processes]
    assert [process.returncode for process in processes] == [3, 3]
    assert "nowhere" in said[0][1]


def test_parts_that_a_listing_does_not_show_yet_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A network file system may show a folder as it was half a minute ago."""
    for rank in range(2):
        Receipts(tmp_path, str(rank)).add(f"image_{rank}", f"maps {rank}")
    with monkeypatch.context() as patches:
        patches.setattr(Path, "glob", lambda *_: iter(()))
        Receipts(tmp_path, others=["0", "1"]).sort()
    assert [one.name for one in tmp_path.iterdir()] == [RECEIPTS_NAME]
    assert Receipts(tmp_path).outputs() == ("image_0", "image_1")


def test_processes_of_a_machine_share_its_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Ranks, "open", lambda: nullcontext(Ranks(0, 0, 1, 2)))
    monkeypatch.setattr("wsss_assets.parallel.default_workers", lambda: 8)
    run = shared_by_ranks(lambda **options: options.get("workers"))
    assert (run(workers=None), run(workers=3), run()) == (4, 3, None)


@pytest.mark.parametrize("failing", [0, 1])
def test_a_process_that_fails_amid_a_sweep_does_not_leave_the_others_to_work_on(
    data: Path, tmp_path: Path, failing: int
) -> None:
    """The other one waits at a map that never comes, as if it had hours of work left."""
    pytest.importorskip("torch")
    ids = [line.split()[0] for line in (data / rank_work.LIST).read_text("utf-8").splitlines()]
    folders = rank_work.maps(data)
    saliency = tmp_path / "saliency"
    shutil.copytree(folders["saliency"], saliency)
    shares = [Ranks(rank, rank, 2, 2).stretch(ids) for rank in range(2)]
    (saliency / f"{shares[failing][1]}.png").unlink()
    endless = saliency / f"{shares[1 - failing][1]}.png"
    endless.unlink()
    os.mkfifo(endless)
    command = ["sweep", f"--labels={data / rank_work.LIST}", "--benchmark=mini", "--workers=2"]
    command += [f"--saliency={saliency}", f"--activation={folders['activation']}"]
    command += [f"--ground-truth={rank_work.truth(data)}", "--ignored=miss"]
    with started(2, ["wsss_assets", *command]) as processes:
        one, other = processes[failing], processes[1 - failing]
        _, why = one.communicate(timeout=60)
        assert one.returncode == 3, why
        assert f"no saliency map {shares[failing][1]}" in why
        endless_writer = os.open(endless, os.O_RDWR)  # a thread cannot be stopped as it reads
        os.close(endless_writer)
        stdout, told = other.communicate(timeout=20)
    assert stdout == ""
    assert other.returncode == 6
    assert f"process {failing} of 2 failed: no saliency map {shares[failing][1]}" in told
