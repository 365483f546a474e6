"""The command as people run it: stopped, killed, started again, and by several processes."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from tests import toys
from wsss_assets.catalog.records import MADE_MAPS_NAME, MadeMaps, parse_record
from wsss_assets.parallel import default_workers
from wsss_assets.storage.files import _host
from wsss_assets.storage.receipts import RECEIPTS_NAME
from wsss_assets.storage.stamps import STAMP_NAME

pytest.importorskip("torch")

from wsss_assets.regenerate import regenerate
from wsss_assets.regenerate.stopping import stoppable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

COUNT = 40
ROOT = Path(__file__).parent.parent

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals are sent the POSIX way")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Photos, weights, and the maps of a run that nothing disturbed, in `expected`."""
    root = tmp_path_factory.mktemp("regenerate")
    (root / "photos").mkdir()
    generator = np.random.default_rng(1)
    for number in range(COUNT):
        size = (20 + number % 3, 24)
        Image.fromarray(generator.integers(0, 256, (*size, 3), np.uint8)).save(
            root / "photos" / f"p{number}.png"
        )
    weights = toys.write_weights(root / "toy.pth")
    summary = regenerate(
        toys.toy(),
        root / "photos",
        root / "expected",
        weights=[weights],
        device="cpu",
        batch_size=2,
        workers=0,
    )
    assert summary.written == COUNT
    return root


@pytest.fixture(autouse=True)
def _own_locks(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("WSSS_ASSETS_CACHE", str(tmp_path / "cache"))


def command(root: Path, out: Path, *more: str) -> list[str]:
    return [
        "tests.toy_command",
        "regenerate",
        "--model=toy",
        f"--weights={root / 'toy.pth'}",
        f"--images={root / 'photos'}",
        f"--out={out}",
        "--device=cpu",
        "--batch-size=2",
        *more,
    ]


def environment(pids: Path, seconds: float = 0.0) -> dict[str, str]:
    return {
        **os.environ,
        "TOY_PIDS": str(pids),
        "TOY_RUN_SECONDS": str(seconds),
        "OMP_NUM_THREADS": "1",
        "GLOO_SOCKET_IFNAME": "lo",
    }


@contextmanager
def started(arguments: list[str], pids: Path, seconds: float) -> Iterator[subprocess.Popen[str]]:
    pids.mkdir(exist_ok=True)
    with subprocess.Popen(
        [sys.executable, "-m", *arguments],
        env=environment(pids, seconds),
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def wait(until: Callable[[], bool], process: subprocess.Popen[str] | None = None) -> None:
    deadline = time.monotonic() + 60
    while not until():
        assert process is None or process.poll() is None, "it ended too early"
        assert time.monotonic() < deadline
        time.sleep(0.005)


def maps(out: Path) -> list[Path]:
    return list(out.glob("[!.]*.png"))


def has_made(out: Path, number: int) -> Callable[[], bool]:
    return lambda: len(maps(out)) >= number


def noted(out: Path) -> int:
    """How many maps have a receipt; a killed run may have written others, one a thread."""
    return sum(file.read_bytes().count(b"\n") for file in out.glob("*.jsonl"))


def is_gone(pid: int) -> bool:
    """Whether a process has ended, be it that nobody has asked how."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text("utf-8").rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return True
    return state == "Z"


def check(root: Path, out: Path) -> None:
    """Hold every file to the run that nothing disturbed.

    In records commands differ, and in stamps the way to the photos.
    """
    found, expected = (
        {path.name: path.read_bytes() for path in folder.iterdir()}
        for folder in (out, root / "expected")
    )
    records = [
        parse_record(MadeMaps, files.pop(MADE_MAPS_NAME), "").model_copy(update={"command": ()})
        for files in (found, expected)
    ]
    stamps = [json.loads(files.pop(STAMP_NAME)) for files in (found, expected)]
    assert (out / stamps[0].pop("images")).resolve() == (root / "photos").resolve()
    assert (root / "expected" / stamps[1].pop("images")).resolve() == (root / "photos").resolve()
    assert stamps[0] == stamps[1]
    assert found == expected
    assert records[0] == records[1]


def go_on(root: Path, out: Path) -> None:
    """Run the same in this process; whatever had a receipt is kept, and nothing else."""
    kept = noted(out)
    assert 0 < kept <= len(maps(out))
    summary = regenerate(
        toys.toy(), root / "photos", out, weights=[root / "toy.pth"], device="cpu", workers=0
    )
    assert (summary.written, summary.kept) == (COUNT - kept, kept)
    check(root, out)


def test_a_killed_run_goes_on_and_leaves_no_process(whole: Path, tmp_path: Path) -> None:
    out, pids = tmp_path / "out", tmp_path / "pids"
    with started(command(whole, out, "--workers=1"), pids, 0.03) as process:
        wait(lambda: noted(out) >= 8, process)
        process.send_signal(signal.SIGKILL)
        process.wait()
        worker = int((pids / "preparing.0").read_text("utf-8"))
        assert worker != process.pid
        assert len(maps(out)) < COUNT
        # As if it had been killed while it wrote, too.
        (out / f".p39.png.{_host()}.1.{process.pid}.tmp").write_bytes(b"half a png")
        wait(lambda: is_gone(worker))
    go_on(whole, out)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_stopped_once_it_finishes_what_is_in_hand(
    whole: Path, tmp_path: Path, number: signal.Signals
) -> None:
    out = tmp_path / "out"
    with started(command(whole, out, "--workers=1"), tmp_path / "pids", 0.05) as process:
        wait(has_made(out, 4), process)
        process.send_signal(number)
        stdout, stderr = process.communicate(timeout=30)
    assert process.returncode == 130, stderr
    assert stdout == ""
    assert "once more drops them" in stderr
    made = len(maps(out))
    assert f"{made} maps were written to {out}; the same command goes on" in stderr
    assert stderr.endswith("wsss-assets: stopped\n")
    assert "Traceback" not in stderr
    assert made % 2 == 0
    assert made < COUNT
    assert noted(out) == made
    go_on(whole, out)


def test_stopped_twice_it_drops_what_is_in_hand(whole: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    with started(command(whole, out, "--workers=1"), tmp_path / "pids", 1) as process:
        wait(lambda: (tmp_path / "pids" / "running.0").exists(), process)
        process.send_signal(signal.SIGINT)
        time.sleep(0.2)
        process.send_signal(signal.SIGINT)
        _, stderr = process.communicate(timeout=15)
    assert process.returncode == 130, stderr
    assert "Traceback" not in stderr
    made = len(maps(out))
    assert made <= 2 * 2 * (default_workers() + 1)
    noun = "map was" if made == 1 else "maps were"
    assert f"{made} {noun} written to {out}; the same command goes on" in stderr


def test_two_runs_that_begin_one_folder_at_once(whole: Path, tmp_path: Path) -> None:
    out, pids = tmp_path / "out", tmp_path / "pids"
    with (
        started(command(whole, out, "--workers=0"), pids, 0.05) as one,
        started(command(whole, out, "--workers=0", "--std=1,1,1"), pids, 0.05) as other,
    ):
        said = {process.communicate(timeout=60)[1]: process.returncode for process in (one, other)}
    assert sorted(said.values()) == [0, 3]
    assert any("another run is writing" in text or "other settings" in text for text in said)
    assert len(parse_record(MadeMaps, (out / MADE_MAPS_NAME).read_bytes(), "").maps) == COUNT


def test_before_anything_is_in_hand_one_signal_is_enough() -> None:
    with pytest.raises(KeyboardInterrupt), stoppable():
        signal.raise_signal(signal.SIGTERM)
    with stoppable() as stop:
        with stop.finishing():
            signal.raise_signal(signal.SIGINT)
        assert stop.asked


@contextmanager
def two_ranks(root: Path, out: Path, port: int) -> Iterator[list[subprocess.Popen[str]]]:
    """Two processes of one run, without a launcher that ends one when the other ends."""
    shared = {"WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1"}
    (out.parent / "pids").mkdir()
    processes = [
        subprocess.Popen(
            [sys.executable, "-m", *command(root, out, "--workers=0")],
            env={
                **environment(out.parent / "pids", 0.05),
                **shared,
                "RANK": str(rank),
                "LOCAL_RANK": str(rank),
                "MASTER_PORT": str(port),
            },
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(2)
    ]
    try:
        yield processes
    finally:
        for process in processes:
            process.kill()
            process.communicate()


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGKILL, -9)])
def test_when_one_process_of_a_run_is_gone_the_other_says_what_goes_on(
    whole: Path, tmp_path: Path, number: signal.Signals, status: int
) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with two_ranks(whole, tmp_path / "out", port) as (first, second):
        wait(has_made(tmp_path / "out", 4), second)
        second.send_signal(number)
        second.communicate(timeout=30)
        assert second.returncode == status
        _, stderr = first.communicate(timeout=60)
    assert first.returncode == 6, stderr
    assert "the same command goes on" in stderr
    assert "Traceback" not in stderr
    go_on(whole, tmp_path / "out")


def test_an_error_of_the_first_process_ends_the_others(whole: Path, tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "a file").write_bytes(b"")
    with two_ranks(whole, tmp_path / "out", port) as processes:
        said = [process.communicate(timeout=60)[1] for process in processes]
        assert [process.returncode for process in processes] == [3, 3]
    assert "no stamp" in said[0]
    assert "Traceback" not in said[1]


def test_of_two_processes_that_are_stopped_one_says_what_it_wrote(
    whole: Path, tmp_path: Path
) -> None:
    out, pids = tmp_path / "out", tmp_path / "pids"
    launcher = ["torch.distributed.run", "--standalone", "--nproc-per-node=2", "-m"]
    receipts = [out / RECEIPTS_NAME.replace(".jsonl", f".{rank}.jsonl") for rank in range(2)]
    with started([*launcher, *command(whole, out, "--workers=1")], pids, 0.1) as process:
        wait(lambda: all(file.exists() for file in receipts), process)
        for rank in range(2):
            os.kill(int((pids / f"running.{rank}").read_text("utf-8")), signal.SIGINT)
        _, stderr = process.communicate(timeout=60)
    assert process.returncode != 0
    text = rf"process 1 of 2 wrote (\d+) maps? to {re.escape(str(out))}, and what the others wrote"
    said = re.findall(f"{text} is there too; the same command goes on", stderr)
    (number,) = said  # the first process speaks for all
    assert 0 < int(number) < noted(out)
    assert int(number) == len(receipts[0].read_text("utf-8").splitlines())


def test_two_processes_one_of_which_is_killed(whole: Path, tmp_path: Path) -> None:
    out, pids = tmp_path / "out", tmp_path / "pids"
    launcher = ["torch.distributed.run", "--standalone", "--nproc-per-node=2", "-m"]
    arguments = [*launcher, *command(whole, out, "--workers=1")]
    receipts = [out / RECEIPTS_NAME.replace(".jsonl", f".{rank}.jsonl") for rank in range(2)]
    with started(arguments, pids, 0.05) as process:
        wait(has_made(out, 8), process)
        wait(lambda: all(file.exists() for file in receipts), process)  # one may be far behind
        second = int((pids / "running.1").read_text("utf-8"))
        os.kill(second, signal.SIGKILL)
        process.communicate(timeout=60)
    assert process.returncode != 0
    assert 8 <= len(maps(out)) < COUNT
    assert not (out / MADE_MAPS_NAME).exists()
    assert sorted(out.glob("*.jsonl")) == receipts
    there = noted(out)
    with started(arguments, pids, 0) as process:
        stdout, stderr = process.communicate(timeout=60)
    assert process.returncode == 0, stderr
    written, kept = (int(word) for word in stdout.split() if word.isdecimal())
    assert (written, kept) == (COUNT - there, there)
    assert stdout.count("\n") == 1, "one process speaks for all"
    check(whole, out)
