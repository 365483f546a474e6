"""Photos read and prepared beside the network, in processes of their own.

Such a process is a plain interpreter at the other end of two pipes. It loads no torch and runs no
line of the caller's program, it ends when its pipe does (even if this process is killed), and
Ctrl-C is none of its business.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, NamedTuple

from wsss_assets.errors import DataError
from wsss_assets.storage.images import is_rotated, read_photo

if TYPE_CHECKING:
    from concurrent.futures import Future
    from pathlib import Path
    from types import TracebackType

    from wsss_assets.regenerate.work import Arrays, Prepare

__all__ = ["Decoders", "Prepared", "prepared", "serve"]

_CHILD = (
    "import pickle, sys; sys.path[:] = pickle.load(sys.stdin.buffer); "
    "from wsss_assets.regenerate.decoding import serve; serve()"
)
_ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
_PATIENCE = 5  # seconds that a process has to end by itself
_THREADS_HERE = 2


class Prepared(NamedTuple):
    """A photo as a network takes it, (H, W) of the photo, and whether it is stored rotated."""

    arrays: Arrays
    size: tuple[int, int]
    rotated: bool = False


def prepared(prepare: Prepare, path: Path, image_id: str) -> Prepared:
    """Read a photo and prepare it.

    Raises:
        DataError: it cannot be read or prepared.
    """
    try:
        photo = read_photo(path)
        size = (photo.shape[0], photo.shape[1])
        return Prepared(prepare(photo, image_id), size, is_rotated(path))
    except DataError:
        raise
    except Exception as error:  # one photo, whatever is wrong with it, must not end the run
        raise DataError(
            f"{path} cannot be prepared", found=f"{type(error).__name__}: {error}"
        ) from error


class Decoders:
    """Prepares photos, several at a time; a context manager.

    Args:
        prepare: what becomes of a photo; it must be importable by name.
        workers: processes; 0: threads of this one.
    """

    def __init__(self, prepare: Prepare, workers: int) -> None:
        self._prepare = prepare
        self._apart = workers > 0
        self._threads = ThreadPoolExecutor(workers or _THREADS_HERE, "decoding")
        self._own = threading.local()
        self._workers: list[_Worker] = []

    def __enter__(self) -> Decoders:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End all processes; what has not begun is dropped."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        if error is not None:  # nobody waits for what is in hand
            for worker in tuple(self._workers):
                worker.kill()
        self._threads.shutdown(wait=True)
        for worker in self._workers:
            worker.close()

    def submit(self, path: Path, image_id: str) -> Future[Prepared]:
        """Begin to prepare a photo; the result is as of `prepared`."""
        return self._threads.submit(self._one, path, image_id)

    def _one(self, path: Path, image_id: str) -> Prepared:
        if not self._apart:
            return prepared(self._prepare, path, image_id)
        worker: _Worker | None = getattr(self._own, "worker", None)
        if worker is None:
            worker = self._own.worker = _Worker(self._prepare)
            self._workers.append(worker)
        return worker(path, image_id)


class _Worker:
    """A process that prepares one photo at a time."""

    def __init__(self, prepare: Prepare) -> None:
        self._process = subprocess.Popen(  # noqa: S603 (this very interpreter)
            [sys.executable, "-c", _CHILD],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, **_ONE_THREAD},
            start_new_session=True,  # Ctrl-C in a terminal goes to whole groups of processes
        )
        self._last_line = ""
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()
        self._send(sys.path)
        self._send(prepare)

    def __call__(self, path: Path, image_id: str) -> Prepared:
        try:
            self._send((path, image_id))
            assert self._process.stdout is not None  # noqa: S101 (for the type checker)
            reply = pickle.load(self._process.stdout)  # noqa: S301 (from our own process)
        except (EOFError, BrokenPipeError, pickle.UnpicklingError) as error:
            status = self._process.wait()
            self._listener.join(_PATIENCE)
            raise _ended(status, self._last_line) from error
        if isinstance(reply, DataError):
            raise reply
        return Prepared(*reply)

    def kill(self) -> None:
        """End it at once."""
        self._process.kill()

    def close(self) -> None:
        """Let it end, and see to it that it does."""
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with contextlib.suppress(BrokenPipeError):
                    pipe.close()
        try:
            self._process.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._listener.join(_PATIENCE)

    def _listen(self) -> None:
        """Pass on what the process says, and keep its last line, which tells why it ended."""
        assert self._process.stderr is not None  # noqa: S101 (for the type checker)
        with self._process.stderr as said:
            for line in said:
                text = line.decode(errors="replace").rstrip()
                self._last_line = text or self._last_line
                sys.stderr.write(f"{text}\n")

    def _send(self, value: object) -> None:
        assert self._process.stdin is not None  # noqa: S101 (for the type checker)
        with contextlib.suppress(BrokenPipeError):  # the reply, which does not come, tells why
            pickle.dump(value, self._process.stdin, protocol=5)
            self._process.stdin.flush()


def _ended(status: int, last_line: str) -> ChildProcessError:
    """A process ended by itself, which says nothing about the photo it had: nothing is listed."""
    how = signal.Signals(-status).name if status < 0 else f"exit status {status}"
    hint = "mend what it says, or look for it with --workers 0; the same command goes on"
    if status == -signal.SIGKILL:
        hint = (
            "the system ends processes when memory is short: the same command with fewer --workers "
            "goes on"
        )
    elif last_line:
        how += f", after saying {last_line!r}"
    return ChildProcessError(
        f"a process that prepares photos ended: {how}; the maps made so far are kept\n→ {hint}"
    )


def serve() -> None:
    """Prepare photos whose paths and ids come from standard input until it ends."""
    for number in (signal.SIGINT, signal.SIGTERM):  # SLURM sends them to every process
        signal.signal(number, signal.SIG_IGN)
    requests = sys.stdin.buffer
    replies = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # what is printed must not get among them
    prepare: Prepare = pickle.load(requests)  # noqa: S301 (from the process that started this one)
    with contextlib.suppress(EOFError, BrokenPipeError):
        while True:
            path, image_id = pickle.load(requests)  # noqa: S301
            reply: DataError | tuple[object, ...]
            try:
                reply = tuple(prepared(prepare, path, image_id))
            except DataError as error:
                reply = error
            pickle.dump(reply, replies, protocol=5)
            replies.flush()
