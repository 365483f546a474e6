"""Processes that are killed, stopped, or run out of disk, at every step of what they do.

Run as a program, this module is the launcher of such processes: it imports what commands need and
forks a child for each, which is quick enough to kill one at every step. See `Launcher`.
"""

from __future__ import annotations

import contextlib
import copy
import errno
import hashlib
import importlib
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from tests.faults import Gate, block, noheader, pause
from tests.map_set_files import (
    CAM,
    LABELS,
    SPLIT,
    VST,
    activation_maps,
    commit_staged,
    draw,
    list_text,
    saliency_maps,
    stage,
    tree,
    write_maps,
    zip_of,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.fakehub import FakeHub
    from tests.fileserver import FileServer
    from tests.serving import FaultyServer

if not hasattr(os, "fork"):
    pytest.skip("processes are forked", allow_module_level=True)

ROOT = Path(__file__).parent.parent
REPO = "org/maps"
MINE = "voc2012/saliency/mine"
SHARD = f"{SPLIT}-00000-of-00001.parquet"
NAME = "VOC2012_VST_DUTS"
FEW = {one: LABELS[one] for one in list(LABELS)[1:3]}
LARGE = {one: draw(one, (150, 200)) for one in LABELS}
PATIENCE = 60
MOST_DECISIVE, MOST_OTHERS = 7, 4
PASSING = re.compile(
    r"^cache/(verified|locks)/|^hf/.*(\.locks/|/blobs/|/refs/|/trees/|\.no_exist/|/tmp[^/]*/dummy)"
)
"""What is not the same after every run; the last is what the Hub's library tries links with."""

CHANGES = {"os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.symlink", "os.link"}


# The launcher, which runs in a process of its own.


class _Watch:
    """Counts the steps by which this process changes what is below a folder, and spoils one."""

    def __init__(self, home: str, at: int, how: str, note: Path) -> None:
        self.home, self.at, self.how, self.note = home, at, how, note
        self.steps: list[str] = []

    def __call__(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open":
            changes = bool((arguments[2] or 0) & (os.O_WRONLY | os.O_RDWR | os.O_CREAT))
        else:
            changes = event in CHANGES
        if not changes or not self._is_ours(arguments[0]):
            return
        self.steps.append(f"{event} {arguments[0]}")
        if self.how == "count" or self.at not in {-1, len(self.steps) - 1}:
            return
        if self.how == "kill":
            self.how = "count"
            self.note.write_text(self.steps[self.at], "utf-8")
            os.kill(os.getpid(), signal.SIGKILL)
        number = getattr(errno, self.how)
        raise OSError(number, os.strerror(number), str(arguments[0]))

    def _is_ours(self, path: object) -> bool:
        return isinstance(path, (str, os.PathLike)) and str(Path(path).absolute()).startswith(
            self.home
        )


def _work(order: dict[str, Any], place: Path) -> None:
    """What a forked child does: one command; it does not come back."""
    from wsss_assets.cli import main

    for number, name in ((1, "stdout"), (2, "stderr")):
        os.dup2(os.open(place / name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
    os.chdir(order["folder"])
    watch = _Watch(order["home"], order["at"], order["how"], place / "step")
    sys.addaudithook(watch)
    code: object = 1
    try:
        main(order["arguments"])
    except SystemExit as end:
        code = end.code
    finally:
        watch.how = "count"
        sys.stdout.flush()
        sys.stderr.flush()
        (place / "steps").write_text("\n".join(watch.steps), "utf-8")
        os._exit(int(code or 0) if isinstance(code, (int, type(None))) else 1)


def _launch() -> None:
    """Take orders, one JSON line each, and answer in the same way."""
    for name in (
        "filelock",
        "huggingface_hub._commit_api",
        "huggingface_hub._local_folder",
        "huggingface_hub._tree_cache",
        "huggingface_hub.lfs",
        "huggingface_hub.utils._shared_blobs",
        "multiprocessing.synchronize",
        "pyarrow.parquet",
        "tqdm.auto",
        "wsss_assets.cli",
        "wsss_assets.map_sets.cache",
        "wsss_assets.map_sets.export",
        "wsss_assets.map_sets.obtain",
        "wsss_assets.publish.release",
    ):
        with contextlib.suppress(ImportError):  # some of them are others' own business
            importlib.import_module(name)
    from huggingface_hub import get_session

    get_session()  # reading certificates takes longest
    place = Path(sys.argv[1])
    for line in sys.stdin:
        for path in place.iterdir():
            path.unlink()
        child = os.fork()
        if not child:
            _work(json.loads(line), place)
        _, status = os.waitpid(child, 0)
        told: dict[str, Any] = {"code": os.waitstatus_to_exitcode(status)}
        for name in ("stdout", "stderr", "step", "steps"):
            path = place / name
            told[name] = path.read_text("utf-8") if path.exists() else ""
        sys.stdout.write(json.dumps(told) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    _launch()


# What tests see of it.


class Outcome(NamedTuple):
    """How a process ended; a killed one has minus nine for its code."""

    code: int
    stdout: str
    stderr: str
    step: str  # before which it was killed
    steps: str  # all of them, a line each


class Place:
    """A user's machine: a cache, the Hub's cache, and a folder where commands are run."""

    def __init__(self, hub: FakeHub, home: Path) -> None:
        self.hub, self.home = hub, home
        self.cache, self.hf, self.here = home / "cache", home / "hf", home / "here"
        self.here.mkdir(parents=True)
        (self.here / "list.txt").write_text(list_text(LABELS), "utf-8")
        (self.here / "few.txt").write_text(list_text(FEW), "utf-8")
        self.environment = {
            **hub.client_environment(self.hf),
            "WSSS_ASSETS_CACHE": str(self.cache),
            "PYTHONPATH": str(ROOT),
        }

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """A command in a process of its own."""
        with self.started(*arguments) as process:
            stdout, stderr = process.communicate(timeout=PATIENCE)
        return subprocess.CompletedProcess(arguments, process.returncode, stdout, stderr)

    def started(self, *arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "wsss_assets", *arguments],
            env=self.environment,
            cwd=self.here,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def age(self) -> None:
        """As if hours had passed since downloads broke off."""
        before = time.time() - 7200
        for path in self.home.rglob("*.incomplete"):
            os.utime(path, (before, before))

    def leftovers(self) -> list[str]:
        """What a process that is gone has left."""
        return [
            path.relative_to(self.home).as_posix()
            for path in self.home.rglob("*")
            if path.name.endswith((".tmp", ".incomplete", ".part", ".zip"))
            or re.search(r"\.part\.|\.tmp\.", path.name)
        ]

    def contents(self) -> dict[str, bytes]:
        """Shards, notes of sets and loose files; less what differs from run to run."""
        return {path: data for path, data in tree(self.home).items() if not PASSING.search(path)}


class Launcher:
    """Runs commands in children of a process that has everything imported.

    A child can be killed, or get an error, at any of the steps by which it changes files.
    """

    def __init__(self, place: Place) -> None:
        self.place = place
        self.notes = place.home.with_name(f"{place.home.name}-notes")
        self.notes.mkdir()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.test_survival", str(self.notes)],
            env=place.environment,
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def run(self, *arguments: str, at: int = -1, how: str = "count") -> Outcome:
        """Run a command.

        Args:
            arguments: of wsss-assets.
            at: which of its steps is spoilt; less than 0: all of them.
            how: `kill`, the name of an error that the step fails with, or `count`: none is.
        """
        order = {
            "arguments": arguments,
            "at": at,
            "how": how,
            "home": str(self.place.home),
            "folder": str(self.place.here),
        }
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(order) + "\n")
        self.process.stdin.flush()
        return Outcome(**json.loads(self.process.stdout.readline()))

    def close(self) -> None:
        with self.process:
            assert self.process.stdin is not None
            self.process.stdin.close()
            self.process.wait(PATIENCE)


@pytest.fixture
def place(hub: FakeHub, tmp_path: Path) -> Place:
    return Place(hub, tmp_path / "home")


@pytest.fixture
def launcher(place: Place) -> Iterator[Launcher]:
    launcher = Launcher(place)
    yield launcher
    launcher.close()


class Moments:
    """A command, what is there before it, and what it gives when nothing disturbs it."""

    def __init__(self, launcher: Launcher, *arguments: str, within: str = "") -> None:
        self.launcher, self.arguments, self.within = launcher, arguments, within
        self.place, self.hub = launcher.place, launcher.place.hub
        self.template = self.place.home.with_name("template")
        shutil.copytree(self.place.home, self.template, symlinks=True)
        self.repos = copy.deepcopy(self.hub.repos)
        self.whole = launcher.run(*arguments)
        assert self.whole.code == 0, self.whole.stderr
        self.right = self.contents()
        self.right_repos = self._state()

    def restore(self) -> None:
        self.hub.clear_faults()
        self.hub.repos = copy.deepcopy(self.repos)
        shutil.rmtree(self.place.home)
        shutil.copytree(self.template, self.place.home, symlinks=True)

    def chosen(self) -> list[int]:
        """Steps to spoil: those that put something into place, and some of the others."""
        steps = self.whole.steps.splitlines()
        decisive = [at for at, step in enumerate(steps) if step.startswith("os.rename")]
        others = sorted(set(range(len(steps))) - set(decisive))
        return sorted([*_some(decisive, MOST_DECISIVE), *_some(others, MOST_OTHERS)])

    def spoilt(self, how: str) -> Iterator[Outcome]:
        """The outcome of the command after each of its steps was spoilt."""
        for at in self.chosen():
            self.restore()
            outcome = self.launcher.run(*self.arguments, at=at, how=how)
            if len(outcome.steps.splitlines()) <= at and not outcome.code:
                continue  # runs differ by a step or two
            assert how != "kill" or outcome.code == -signal.SIGKILL, outcome
            yield outcome

    def assert_mended(self, what: Outcome) -> None:
        """The same command gives the same, and nothing is left over in the end."""
        again = self.launcher.run(*self.arguments)
        assert again.code == 0, (what, again.stderr)
        assert again.stdout.splitlines()[-1:] == self.whole.stdout.splitlines()[-1:], what
        self.place.age()
        pruned = self.launcher.run("cache", "prune")
        assert pruned.code == 0, pruned.stderr
        assert self.place.leftovers() == [], what
        assert self.contents() == self.right, what
        assert self._state() == self.right_repos, what

    def contents(self) -> dict[str, bytes]:
        """What there is of what matters."""
        found = self.place.contents()
        return {path: data for path, data in found.items() if path.startswith(self.within)}

    def _state(self) -> dict[str, Any]:
        return {
            name: {tag: repository.files(tag) for tag in repository.tags}
            for name, repository in self.hub.repos.items()
        }


def _some(steps: list[int], most: int) -> list[int]:
    """So many of them at random, the same ones every time."""
    return random.Random(0).sample(steps, min(most, len(steps)))


def assert_whole(launcher: Launcher, what: Outcome) -> None:
    """Nothing that is taken for complete is not."""
    verified = launcher.run("verify")
    assert verified.code == 0, (what, verified)


FROM_HUB = ["download", VST, f"--repo-id={REPO}", "--revision=v1.0.0"]
EXPORT = ["export", VST, "--to=maps", "--ids=few.txt", *FROM_HUB[2:]]
PACK = ["pack", "loose", f"--id={MINE}", "--made-by=I", "--labels=list.txt", "--json=-"]
PUBLISH = ["publish", "--repo-id=me/mine", "--version=v1.0.0"]


def import_from(url: str) -> list[str]:
    return ["download", VST, f"--source={url}", "--labels=list.txt"]


@pytest.fixture
def commit(hub: FakeHub, tmp_path: Path) -> str:
    """A commit with two published sets."""
    sets = {VST: saliency_maps(), CAM: activation_maps()}
    return commit_staged(hub, stage(tmp_path / "staging", sets), "v1.0.0", REPO)


# Killed at every step.


@pytest.mark.usefixtures("commit")
def test_a_download_may_be_killed_anywhere(launcher: Launcher) -> None:
    moments = Moments(launcher, *FROM_HUB)
    for killed in moments.spoilt("kill"):
        assert_whole(launcher, killed)
        moments.assert_mended(killed)


def test_an_import_may_be_killed_anywhere(launcher: Launcher, files: FileServer) -> None:
    url = files.add(f"{NAME}.zip", zip_of(LARGE))
    moments = Moments(launcher, *import_from(url))
    for killed in moments.spoilt("kill"):
        assert_whole(launcher, killed)
        moments.assert_mended(killed)


@pytest.mark.usefixtures("commit")
def test_an_export_may_be_killed_anywhere(launcher: Launcher) -> None:
    assert launcher.run(*FROM_HUB).code == 0
    moments = Moments(launcher, *EXPORT)
    maps = {f"here/maps/{stem}.png": data for stem, data in saliency_maps(FEW).items()}
    assert {path: moments.right.get(path) for path in maps} == maps
    for killed in moments.spoilt("kill"):
        found = tree(launcher.place.here)
        assert {path for path in found if path.endswith(".png")} <= {
            path.removeprefix("here/") for path in maps
        }
        for path, data in found.items():
            if path.endswith(".png"):
                assert data == maps[f"here/{path}"], killed
        again = launcher.run(*EXPORT)
        assert again.code == 0, again.stderr
        left = [path for path in launcher.place.leftovers() if path.startswith("here/")]
        assert left == [], "it needs no prune"
        assert launcher.run("cache", "prune").code == 0
        assert moments.contents() == moments.right, killed


def test_packing_may_be_killed_anywhere(launcher: Launcher) -> None:
    write_maps(launcher.place.here / "loose", saliency_maps())
    moments = Moments(launcher, *PACK)
    for killed in moments.spoilt("kill"):
        would = launcher.run(*PUBLISH, "--dry-run")
        packed = (launcher.place.here / "staging" / "manifest.json").exists()
        assert would.code == (0 if packed else 2), (killed, would.stderr)
        moments.assert_mended(killed)


def test_packing_again_may_be_killed_anywhere(launcher: Launcher) -> None:
    here = launcher.place.here
    write_maps(here / "loose", saliency_maps())
    assert launcher.run(*PACK).code == 0
    before = tree(here / "staging")
    write_maps(here / "loose", saliency_maps(salt="new"))
    moments = Moments(launcher, *PACK)
    assert tree(here / "staging") != before
    for killed in moments.spoilt("kill"):
        would = launcher.run(*PUBLISH, "--dry-run")
        if would.code:
            assert (would.code, "pack the set again" in would.stderr) == (3, True), killed
        moments.assert_mended(killed)


def test_publishing_may_be_killed_anywhere(launcher: Launcher, hub: FakeHub) -> None:
    write_maps(launcher.place.here / "loose", saliency_maps())
    assert launcher.run(*PACK).code == 0
    moments = Moments(launcher, *PUBLISH, within="here/")
    (files,) = moments.right_repos["me/mine"].values()
    for killed in moments.spoilt("kill"):
        if "me/mine" in hub.repos and hub.repo("me/mine").tags:
            assert hub.repo("me/mine").files("v1.0.0") == files, killed
        there = set(hub.repo("me/mine").objects) if "me/mine" in hub.repos else set()
        hub.clear_log()
        moments.assert_mended(killed)
        sent = {one.path.split("/")[-1] for one in hub.requests if one.method == "PUT"}
        assert not sent & there, f"{killed}: sent again"


# Killed and stopped in the middle of an answer.


def interrupted(
    place: Place, gate: Gate, sent: signal.Signals, *arguments: str, stored: int = 0
) -> subprocess.CompletedProcess[str]:
    """A command that got a signal while it waited for a gate, with so much of an archive here."""
    with place.started(*arguments) as process:
        assert gate.reached.wait(PATIENCE), process.communicate()
        end = time.monotonic() + 5
        while stored and time.monotonic() < end:
            if stored <= sum(path.stat().st_size for path in place.cache.rglob("*.part")):
                break
            time.sleep(0.01)
        process.send_signal(sent)
        stdout, stderr = process.communicate(timeout=PATIENCE)
    gate.release.set()
    return subprocess.CompletedProcess(arguments, process.returncode, stdout, stderr)


def assert_ended(done: subprocess.CompletedProcess[str], sent: signal.Signals) -> None:
    if sent == signal.SIGKILL:
        assert done.returncode == -signal.SIGKILL
    else:
        assert done.returncode == 130, done.stderr
        assert done.stderr.rstrip().endswith("wsss-assets: stopped")
        assert "Traceback" not in done.stderr
    assert done.stdout == ""


@pytest.mark.usefixtures("commit")
@pytest.mark.parametrize("sent", [signal.SIGKILL, signal.SIGINT], ids=["killed", "Ctrl-C"])
def test_a_download_may_end_within_a_shard(
    place: Place, hub: FakeHub, sent: signal.Signals
) -> None:
    gate = Gate()
    hub.fault(r"\.parquet", pause(900, gate))
    assert_ended(interrupted(place, gate, sent, *FROM_HUB), sent)
    assert not list(place.hf.rglob("*.parquet"))
    assert not list(place.cache.rglob("holding.json"))
    again = place.run(*FROM_HUB)
    assert again.returncode == 0, again.stderr
    (shard,) = Path(again.stdout.strip()).glob("*.parquet")
    assert shard.read_bytes() == hub.repo(REPO).files()[f"{VST}/{SHARD}"]
    place.age()
    assert place.run("cache", "prune").returncode == 0
    assert place.leftovers() == []


@pytest.mark.parametrize("sent", [signal.SIGKILL, signal.SIGINT], ids=["killed", "Ctrl-C"])
def test_an_import_goes_on_where_it_ended(
    place: Place, files: FileServer, sent: signal.Signals
) -> None:
    archive = zip_of(LARGE)
    arguments = import_from(files.add(f"{NAME}.zip", archive))
    gate = Gate()
    files.fault(r"\.zip", pause(150_000, gate))
    assert_ended(interrupted(place, gate, sent, *arguments, stored=1 << 16), sent)
    assert not list(place.cache.rglob("*.parquet"))
    files.clear_log()
    again = place.run(*arguments)
    assert again.returncode == 0, again.stderr
    (visit,) = files.gets(r"\.zip")
    assert visit.range is not None
    assert int(visit.range.removeprefix("bytes=").rstrip("-")) >= 1 << 16
    note = json.loads((place.cache / "archives" / f"{NAME}.json").read_text("utf-8"))
    assert note["sha256"] == hashlib.sha256(archive).hexdigest()
    assert place.run("verify").returncode == 0
    assert place.leftovers() == []


def test_what_an_import_left_can_be_removed(place: Place, files: FileServer) -> None:
    gate = Gate()
    files.fault(r"\.zip", pause(150_000, gate))
    arguments = import_from(files.add(f"{NAME}.zip", zip_of(LARGE)))
    interrupted(place, gate, signal.SIGKILL, *arguments, stored=1 << 16)
    assert place.leftovers()
    assert place.run("cache", "prune").returncode == 0
    assert place.leftovers() == []


@pytest.mark.parametrize(
    ("sent", "moment"),
    [
        (signal.SIGKILL, "PUT /lfs/"),
        (signal.SIGKILL, "POST /commit/"),
        (signal.SIGKILL, "GET /lfs/"),
        (signal.SIGKILL, "POST /tag/"),
        (signal.SIGINT, "POST /commit/"),
        (signal.SIGINT, "GET /lfs/"),
    ],
)
def test_a_release_may_end_within_an_answer(
    place: Place, hub: FakeHub, moment: str, sent: signal.Signals
) -> None:
    stage(place.here / "staging", {MINE: saliency_maps()})
    gate = Gate()
    method, path = moment.split()
    hub.fault(path, block(gate), method=method)
    assert_ended(interrupted(place, gate, sent, *PUBLISH), sent)
    time.sleep(0.05)  # what was blocked is done after all
    again = place.run(*PUBLISH)
    assert again.returncode == 0, again.stderr
    assert len(hub.repo("me/mine").commits()) == 2
    files = hub.repo("me/mine").files("v1.0.0")
    for name, data in tree(place.here / "staging").items():
        if name.startswith("voc2012/"):
            assert files[name] == data
    assert place.leftovers() == []


@pytest.mark.usefixtures("commit")
def test_downloads_may_be_killed_at_any_time(place: Place, hub: FakeHub) -> None:
    begun = time.monotonic()
    whole = place.run(*FROM_HUB)
    took = time.monotonic() - begun
    shutil.rmtree(place.cache)
    shutil.rmtree(place.hf)
    for part in (0.7, 0.9):
        with place.started(*FROM_HUB) as process:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(took * part)
            process.kill()
            process.communicate()
        for path in place.hf.rglob("snapshots/*/voc2012/**/*.*"):
            name = path.relative_to(next(place.hf.rglob("snapshots/*"))).as_posix()
            assert path.read_bytes() == hub.repo(REPO).files()[name]
    again = place.run(*FROM_HUB)
    assert (again.returncode, again.stdout) == (0, whole.stdout), again.stderr
    assert place.run("verify").returncode == 0


# Two at once.


@pytest.mark.parametrize("origin", ["hub", "archive"])
def test_two_processes_fetch_a_set_once(
    place: Place, hub: FakeHub, files: FileServer, commit: str, origin: str
) -> None:
    gate = Gate()
    server: FaultyServer = hub
    arguments, blob = FROM_HUB, r"^/lfs/.*\.parquet"
    if origin == "archive":
        server, blob = files, r"\.zip"
        arguments = import_from(files.add(f"{NAME}.zip", zip_of(LARGE)))
    server.fault(blob, pause(500, gate))
    with place.started(*arguments) as first, place.started(*arguments) as second:
        assert gate.reached.wait(PATIENCE)
        time.sleep(0.3)  # time for the other to get as far
        assert (first.poll(), second.poll()) == (None, None)
        gate.release.set()
        told = [process.communicate(timeout=PATIENCE) for process in (first, second)]
    assert (first.returncode, second.returncode) == (0, 0), told
    assert told[0][0] == told[1][0] != ""
    assert len(server.gets(blob)) == 1
    assert place.run("verify").returncode == 0
    assert place.leftovers() == []
    assert commit


# A cache that cannot be written, a disk that is full.


@pytest.mark.parametrize("origin", ["hub", "archive"])
def test_a_read_only_cache_is_read(
    launcher: Launcher, hub: FakeHub, files: FileServer, commit: str, origin: str
) -> None:
    place = launcher.place
    arguments = ["download", VST, f"--repo-id={REPO}", f"--revision={commit}"]
    if origin == "archive":
        arguments = import_from(files.add(f"{NAME}.zip", zip_of(LARGE)))
    first = launcher.run(*arguments)
    assert first.code == 0, first.stderr
    before = tree(place.home)
    for server in (hub, files):
        server.clear_log()
    for command in (arguments, ["verify"], ["verify", VST], ["cache", "ls"]):
        outcome = launcher.run(*command, how="EROFS")
        assert outcome.code == 0, (command, outcome.stderr)
    assert launcher.run(*arguments, how="EROFS").stdout == first.stdout
    if origin == "hub":
        target = place.home.with_name("exported")
        export = ["export", VST, f"--to={target}", f"--repo-id={REPO}", f"--revision={commit}"]
        outcome = launcher.run(*export, how="EROFS")
        assert outcome.code == 0, outcome.stderr
        for stem, data in saliency_maps().items():
            assert (target / f"{stem}.png").read_bytes() == data
    assert tree(place.home) == before
    assert [one for server in (hub, files) for one in server.requests] == []

    new = ["download", CAM, f"--repo-id={REPO}", f"--revision={commit}"]
    for command in (new, ["cache", "prune", VST]):
        outcome = launcher.run(*command, how="EROFS")
        assert outcome.code == 6, (command, outcome)
        assert "Read-only file system" in outcome.stderr
        assert "Traceback" not in outcome.stderr
    assert tree(place.home) == before
    assert_whole(launcher, first)


def assert_clear(full: Outcome) -> None:
    """It was no trouble at all, or it is said what the trouble is."""
    assert full.code in {0, 3, 6}, full
    assert "Traceback" not in full.stderr, full
    if full.code:
        assert "No space left on device" in full.stderr, full


@pytest.mark.usefixtures("commit")
def test_the_disk_may_fill_up_at_any_step_of_a_download(launcher: Launcher) -> None:
    moments = Moments(launcher, *FROM_HUB)
    for full in moments.spoilt("ENOSPC"):
        assert_clear(full)
        assert_whole(launcher, full)
        moments.assert_mended(full)


def test_the_disk_may_fill_up_at_any_step_of_an_import(
    launcher: Launcher, files: FileServer
) -> None:
    moments = Moments(launcher, *import_from(files.add(f"{NAME}.zip", zip_of(LARGE))))
    for full in moments.spoilt("ENOSPC"):
        assert_clear(full)
        assert_whole(launcher, full)
        moments.assert_mended(full)


def test_the_disk_may_fill_up_at_any_step_of_packing(launcher: Launcher) -> None:
    write_maps(launcher.place.here / "loose", saliency_maps())
    moments = Moments(launcher, *PACK)
    for full in moments.spoilt("ENOSPC"):
        assert_clear(full)
        moments.assert_mended(full)


SMALL_DISK = """
mount -t tmpfs -o size=160k none "$1" || exit 77
shift
"$@" >"$OUT/first.out" 2>"$OUT/first.err"; echo $? >"$OUT/first.code"
find "$WSSS_ASSETS_CACHE" "$HF_HOME" -type f >"$OUT/first.files" 2>/dev/null
mount -o remount,size=20m none "$DISK"
"$@" >"$OUT/second.out" 2>"$OUT/second.err"; echo $? >"$OUT/second.code"
"$PYTHON" -m wsss_assets verify >"$OUT/verify.out" 2>&1; echo $? >"$OUT/verify.code"
"""


@pytest.mark.parametrize("announced", [True, False])
@pytest.mark.parametrize("origin", ["hub", "archive"])
def test_a_disk_that_is_too_small_is_said(
    place: Place,
    hub: FakeHub,
    files: FileServer,
    tmp_path: Path,
    origin: str,
    announced: bool,
) -> None:
    if shutil.which("unshare") is None:
        pytest.skip("there is no program unshare")
    if origin == "hub":
        if not announced:
            pytest.skip("sizes of published files are in their record")
        commit_staged(hub, stage(tmp_path / "staging", {VST: LARGE}), "v1.0.0", REPO)
        arguments = FROM_HUB
    else:
        arguments = import_from(files.add(f"{NAME}.zip", zip_of(LARGE)))
        if not announced:
            files.fault(r"\.zip", noheader("Content-Length"), None)
    disk, out = tmp_path / "disk", tmp_path / "out"
    disk.mkdir()
    out.mkdir()
    environment = {
        **place.environment,
        "HF_HOME": str(disk / "hf"),
        "WSSS_ASSETS_CACHE": str(disk / "cache"),
        "DISK": str(disk),
        "OUT": str(out),
        "PYTHON": sys.executable,
    }
    command = ["unshare", "-rm", "sh", "-c", SMALL_DISK, "sh", str(disk)]
    done = subprocess.run(
        [*command, sys.executable, "-m", "wsss_assets", *arguments],
        env=environment,
        cwd=place.here,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    if not (out / "first.code").exists():
        pytest.skip(f"no file system may be mounted here: {done.stderr.strip()}")
    said = {path.name: path.read_text("utf-8").strip() for path in out.iterdir()}
    assert said["first.code"] in {"3", "6"}, said
    assert "Traceback" not in said["first.err"]
    assert re.search("too full|No space left", said["first.err"]), said["first.err"]
    assert "parquet" not in said["first.files"]
    assert (said["second.code"], said["verify.code"]) == ("0", "0"), said
