"""Evaluations by several processes, as `torchrun` starts them: the same bits as by one."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from tests import rank_work
from wsss_assets.cli import main
from wsss_assets.cli.options import shared_by_ranks
from wsss_assets.errors import UsageError
from wsss_assets.mini.folder import write_mini
from wsss_assets.ranks import ALONE, Ranks
from wsss_assets.storage.receipts import RECEIPTS_NAME, Receipts

if TYPE_CHECKING:
    from collections.abc import Iterator

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
    monkeypatch.setenv("WORLD_SIZE", "1")  # as some clusters set it for a single process
    assert Ranks.from_environment() == ALONE


@pytest.mark.parametrize(("rank", "count"), [("2", "2"), ("-1", "2"), ("0", "0"), ("x", "2")])
def test_a_rank_beyond_the_count_is_refused(
    monkeypatch: pytest.MonkeyPatch, rank: str, count: str
) -> None:
    names = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE")
    for name, value in zip(names, (rank, count, "0", count), strict=True):
        monkeypatch.setenv(name, value)
    with pytest.raises(UsageError, match="not as torchrun does"):
        Ranks.from_environment()


@pytest.fixture
def data(tmp_path: Path) -> Path:
    root = tmp_path / "mini"
    write_mini(root, COUNT, saliency=["soft"], methods=["simulated_cam", "simulated_eps"])
    return root


class Processes:
    """Processes that run one command after the other together, without a launcher.

    Args:
        count: how many.
    """

    def __init__(self, count: int) -> None:
        shared = {
            "WORLD_SIZE": str(count),
            "LOCAL_WORLD_SIZE": str(count),
            "MASTER_ADDR": "127.0.0.1",
            "OMP_NUM_THREADS": "1",
            "GLOO_SOCKET_IFNAME": "lo",
        }
        self._running = [
            subprocess.Popen(
                [sys.executable, "-m", "tests.rank_commands"],
                env={**os.environ, **shared, "RANK": str(rank), "LOCAL_RANK": str(rank)},
                cwd=ROOT,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            for rank in range(count)
        ]

    def ask(self, *, port: int | None = None, **what: object) -> None:
        """Have all of them begin something."""
        if port is None:
            with socket.socket() as free:
                free.bind(("127.0.0.1", 0))
                port = free.getsockname()[1]
        for one in self._running:
            assert one.stdin is not None
            one.stdin.write(json.dumps({"port": port, "environment": {}, **what}) + "\n")
            one.stdin.flush()

    def answer(self, rank: int) -> Any:  # noqa: ANN401
        """What came of it in one of them."""
        stdout = self._running[rank].stdout
        assert stdout is not None
        line = stdout.readline()
        assert line, f"process {rank} ended"
        return json.loads(line)

    def answers(self) -> list[Any]:
        return [self.answer(rank) for rank in range(len(self._running))]

    def kill(self) -> None:
        for one in self._running:
            one.kill()

    def end(self) -> None:
        self.kill()
        for one in self._running:
            one.communicate()


@contextmanager
def started(count: int, seconds: float = 150) -> Iterator[Processes]:
    """Processes that are killed at the end, or when they take too long."""
    processes = Processes(count)
    late = threading.Timer(seconds, processes.kill)
    late.start()
    try:
        yield processes
    finally:
        late.cancel()
        processes.end()


def assert_agreed(data: Path, processes: Processes) -> None:
    """Each of them has what one process alone says of every evaluation, to the bit."""
    processes.ask(data=str(data))
    alone = json.loads(json.dumps(rank_work.results(data, ALONE)))
    for found in processes.answers():
        assert found.keys() == alone.keys()
        for name, result in alone.items():
            assert found[name] == result, name


def test_three_processes_give_the_same_bits_as_one(data: Path) -> None:
    pytest.importorskip("torch")
    with started(3) as processes:
        assert_agreed(data, processes)


def test_two_processes_share_work_and_words_and_errors(data: Path, tmp_path: Path) -> None:
    """One launch for all: importing torch takes longer than what is tested."""
    pytest.importorskip("torch")
    with started(2) as pair:
        assert_agreed(data, pair)
        one_speaks_for_all(pair, data, tmp_path)
        an_error_ends_all(pair, data, tmp_path)
        for failing in (0, 1):
            the_others_do_not_work_on(pair, data, tmp_path / f"{failing}", failing)
        who_waits_at_the_sum_is_told(pair, data, tmp_path / "sum")
        what_torchrun_starts_anew_does_not_hear_of_before(pair, data, tmp_path)


def ids(data: Path) -> list[str]:
    lines = (data / rank_work.LIST).read_text("utf-8").splitlines()
    return [line.split()[0] for line in lines]


def assert_nothing_is_left(said: Any) -> None:  # noqa: ANN401
    """No thread looks on for errors of others, and signals mean what they did before."""
    assert (said["watching"], said["handled"]) == ([], False)


def one_speaks_for_all(pair: Processes, data: Path, folder: Path) -> None:
    out, alone = folder / "out", folder / "alone"
    command = ["pseudo-label", f"--labels={data / rank_work.LIST}", "--benchmark=mini"]
    command += [f"--{kind}={place}" for kind, place in rank_work.maps(data).items()]
    pair.ask(command=[*command, f"--out={out}"])
    first, second = pair.answers()
    assert first["code"] == second["code"] == 0, first["stderr"]
    assert first["stdout"] == f"{COUNT} labels written to {out}, 0 were there\n"
    assert (second["stdout"], second["stderr"]) == ("", "")
    assert_nothing_is_left(first)
    CliRunner().invoke(main, [*command, f"--out={alone}"], catch_exceptions=False)
    assert {path.name: path.read_bytes() for path in out.iterdir()} == {
        path.name: path.read_bytes() for path in alone.iterdir()
    }


def an_error_ends_all(pair: Processes, data: Path, folder: Path) -> None:
    listed = folder / "list.txt"
    listed.write_text("\n".join([*ids(data), "nowhere"]), "utf-8")
    truth = str(rank_work.truth(data))
    command = ["evaluate", f"--predictions={truth}", f"--ground-truth={truth}", "--benchmark=mini"]
    pair.ask(command=[*command, f"--ids={listed}"])
    said = pair.answers()
    assert [one["code"] for one in said] == [3, 3]
    assert "nowhere" in said[0]["stderr"]


def swept(data: Path, saliency: Path) -> list[str]:
    command = ["sweep", f"--labels={data / rank_work.LIST}", "--benchmark=mini", "--workers=2"]
    command += [f"--saliency={saliency}", f"--activation={rank_work.maps(data)['activation']}"]
    return [*command, f"--ground-truth={rank_work.truth(data)}", "--ignored=miss"]


def stretches(data: Path) -> list[list[str]]:
    return [Ranks(rank, rank, 2, 2).stretch(ids(data)) for rank in range(2)]


def the_others_do_not_work_on(pair: Processes, data: Path, saliency: Path, failing: int) -> None:
    """The other one waits at a map that never comes, as if it had hours of work left."""
    shutil.copytree(rank_work.maps(data)["saliency"], saliency)
    lost, waits = stretches(data)[failing][1], stretches(data)[1 - failing][1]
    (saliency / f"{lost}.png").write_bytes(b"no picture")
    endless = saliency / f"{waits}.png"
    endless.unlink()
    os.mkfifo(endless)
    pair.ask(command=swept(data, saliency))
    one = pair.answer(failing)
    assert one["code"] == 3, one["stderr"]
    assert f"{lost}.png cannot be read" in one["stderr"]
    os.close(os.open(endless, os.O_RDWR))  # a thread cannot be stopped as it reads
    other = pair.answer(1 - failing)
    assert (other["code"], other["stdout"]) == (6, "")
    assert f"process {failing} of 2 failed: {saliency / lost}.png cannot" in other["stderr"]
    for said in (one, other):
        assert_nothing_is_left(said)


def who_waits_at_the_sum_is_told(pair: Processes, data: Path, saliency: Path) -> None:
    """One process has done its share when the other one fails."""
    shutil.copytree(rank_work.maps(data)["saliency"], saliency)
    late = saliency / f"{stretches(data)[1][0]}.png"
    late.unlink()
    os.mkfifo(late)
    pair.ask(command=swept(data, saliency))
    with late.open("wb") as file:  # the other process has begun to read it
        time.sleep(1)
        file.write(b"no picture")
    first, second = pair.answers()
    assert second["code"] == 3, second["stderr"]
    assert (first["code"], first["stdout"]) == (6, "")
    assert "process 1 of 2 failed" in first["stderr"]
    assert late.name in first["stderr"]
    assert_nothing_is_left(first)


def what_torchrun_starts_anew_does_not_hear_of_before(
    pair: Processes, data: Path, folder: Path
) -> None:
    """With --max-restarts, what was said before stays where the processes find each other."""
    distributed = pytest.importorskip("torch.distributed")
    agent = distributed.TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)
    lost = folder / "lost"
    shutil.copytree(rank_work.maps(data)["saliency"], lost)
    (lost / f"{ids(data)[0]}.png").write_bytes(b"no picture")
    codes = []
    for number, saliency in enumerate((lost, rank_work.maps(data)["saliency"])):
        environment = {
            "TORCHELASTIC_USE_AGENT_STORE": "True",
            "TORCHELASTIC_RESTART_COUNT": str(number),
        }
        pair.ask(port=agent.port, environment=environment, command=swept(data, saliency))
        codes.append([one["code"] for one in pair.answers()])
    assert codes == [[3, 6], [0, 0]]


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
