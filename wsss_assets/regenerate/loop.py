"""Decode, run, write: three things at once, in memory that does not grow with the list.

Photos are prepared ahead of the batch that is run; the device gets a batch while the one before
it is still being worked on; and what it gave is waited for, turned into maps and written by
threads. The main thread only hands over.
"""

from __future__ import annotations

from collections import deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import torch

from wsss_assets.errors import DataError
from wsss_assets.regenerate.device import does_not_fit, too_large

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from concurrent.futures import Future

    from wsss_assets.regenerate.decoding import Decoders, Prepared
    from wsss_assets.regenerate.device import Outputs, Runner
    from wsss_assets.regenerate.photos import Photo
    from wsss_assets.regenerate.plan import Batch
    from wsss_assets.regenerate.stopping import Stop
    from wsss_assets.regenerate.writing import MapFolder, Outcome

__all__ = ["Loop", "Task"]


@dataclass(frozen=True)
class Task:
    """A batch and those of its photos whose maps are missing."""

    batch: Batch
    missing: frozenset[str]


@dataclass(frozen=True)
class _Coming:
    """A photo that is being prepared."""

    photo: Photo
    made_from: str
    future: Future[Prepared] | None
    error: str | None = None


@dataclass(frozen=True)
class _Ready:
    """A photo in its place in a batch; None where it cannot be read."""

    photo: Photo
    made_from: str
    prepared: Prepared | None


@dataclass
class Loop:
    """Makes the missing maps of batches.

    Attributes:
        runner: runs a batch on the device.
        decoders: prepare photos.
        folder: where maps go.
        stop: asked between batches.
        ahead: how many photos are prepared, or being so, before they are needed.
        behind: how many may be with the device or the writers before more are handed over.
        writers: threads that finish and write.
        say: is told, once, that batches are halved.
        rotated: how many photos of missing maps are stored rotated, so far.
    """

    runner: Runner
    decoders: Decoders
    folder: MapFolder
    stop: Stop
    ahead: int
    behind: int
    writers: int
    say: Callable[[str], object]
    rotated: int = 0
    _fits: dict[tuple[tuple[int, ...], ...], int] = field(default_factory=dict)

    def __call__(self, tasks: Iterable[Task]) -> Iterator[Outcome]:
        """Work through batches; gives the outcome of each missing map as it is known.

        When a stop is asked for, what the device has is still written.
        """
        pool = ThreadPoolExecutor(self.writers, "writing")
        writing: deque[Future[Outcome]] = deque()
        try:
            for task, ready, failed in self._batches(tasks):
                yield from failed
                for found in self._run(ready, task.missing):
                    writing.append(pool.submit(self._write, *found))
                while len(writing) > self.behind or (writing and writing[0].done()):
                    yield writing.popleft().result()
            while writing:
                yield writing.popleft().result()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)

    def _batches(self, tasks: Iterable[Task]) -> Iterator[tuple[Task, list[_Ready], list[Outcome]]]:
        """Tasks with their photos prepared, and the outcome of those that cannot be."""
        coming: deque[tuple[Task, list[_Coming]]] = deque()
        waiting = 0
        rest = iter(tasks)
        while not self.stop.asked:
            while waiting < self.ahead and (task := next(rest, None)) is not None:
                coming.append((task, [self._begin(photo) for photo in task.batch.photos]))
                waiting += len(task.batch.photos)
            if not coming:
                return
            task, photos = coming.popleft()
            waiting -= len(photos)
            yield task, *self._gathered(task, photos)

    def _begin(self, photo: Photo) -> _Coming:
        if photo.path is None or photo.error is not None:
            return _Coming(photo, "", None, photo.error)
        try:
            made_from = self.folder.version(photo.image_id, photo.path)
        except DataError as error:
            return _Coming(photo, "", None, str(error))
        except OSError as error:
            return _Coming(photo, "", None, f"{photo.path} cannot be read: {error.strerror}")
        return _Coming(photo, made_from, self.decoders.submit(photo.path, photo.image_id))

    def _gathered(self, task: Task, photos: list[_Coming]) -> tuple[list[_Ready], list[Outcome]]:
        ready: list[_Ready] = []
        failed: list[Outcome] = []
        for one in photos:
            prepared, error = None, one.error
            try:
                prepared = None if one.future is None else one.future.result()
            except DataError as caught:
                error = str(caught)
            if prepared is not None and not _fits_in(one.photo, prepared, ready):
                prepared, error = None, f"{one.photo.path} has not the size that was planned for"
            ready.append(_Ready(one.photo, one.made_from, prepared))
            if one.photo.image_id not in task.missing:
                continue
            if prepared is not None:
                self.rotated += prepared.rotated
            else:
                failed.append(self.folder.failed(one.photo, error or "it cannot be read"))
        return ready, failed

    def _run(
        self, ready: list[_Ready], missing: frozenset[str]
    ) -> Iterator[tuple[_Ready, Outputs | DataError, int, int | None]]:
        """Run a batch, in parts if it does not fit.

        Gives each photo that is wanted of it, what its part gave, its position there, and the
        size of the part where the batch was halved.
        """
        if not any(one.prepared is not None and one.photo.image_id in missing for one in ready):
            return
        inputs = self._stacked(ready)
        shape = tuple(tuple(one.shape[1:]) for one in inputs)
        start = 0
        while start < len(ready):
            size = min(self._fits.get(shape, len(ready)), len(ready) - start)
            part = ready[start : start + size]
            outputs: Outputs | DataError | None
            outputs = self._attempt(tuple(one[start : start + size] for one in inputs))
            if outputs is None:
                outputs = self._halve(part, shape)
            if outputs is None:
                continue  # the same photos again, fewer at a time
            halved_to = self._fits.get(shape)
            for position, one in enumerate(part):
                if one.prepared is not None and one.photo.image_id in missing:
                    yield one, outputs, position, halved_to
            start += size

    def _attempt(self, inputs: tuple[torch.Tensor, ...]) -> Outputs | None:
        """Run a part of a batch; None where the memory of the GPU is too small for it."""
        try:
            return self.runner(inputs)
        except Exception as error:
            if not does_not_fit(error):
                raise
            return None  # with the exception goes what it holds on the device

    def _halve(self, part: list[_Ready], shape: tuple[tuple[int, ...], ...]) -> DataError | None:
        """Halve the batches of this shape; the error of a photo that does not fit alone."""
        torch.cuda.empty_cache()
        if len(part) == 1:
            return too_large(part[0].photo.path)
        if not self._fits:
            self.say(
                f"a batch of {len(part)} does not fit into the memory of the GPU: "
                "batches are halved; a smaller --batch-size avoids it"
            )
        self._fits[shape] = len(part) // 2
        return None

    def _stacked(self, ready: list[_Ready]) -> tuple[torch.Tensor, ...]:
        """One tensor for each array of a photo; zeros keep the place of what cannot be read.

        The shape of a batch decides the last digit of its results, so a photo that is broken
        today changes nothing of the others.
        """
        example = next(one.prepared.arrays for one in ready if one.prepared is not None)
        batches = []
        for number, array in enumerate(example):
            kind = torch.from_numpy(np.empty(0, array.dtype)).dtype
            batch = self.runner.buffer((len(ready), *array.shape), kind)
            rows = batch.numpy()
            for row, one in zip(rows, ready, strict=True):
                row[...] = 0 if one.prepared is None else one.prepared.arrays[number]
            batches.append(batch)
        return tuple(batches)

    def _write(
        self, one: _Ready, outputs: Outputs | DataError, position: int, halved_to: int | None
    ) -> Outcome:
        if isinstance(outputs, DataError):
            return self.folder.failed(one.photo, str(outputs))
        assert one.prepared is not None  # noqa: S101 (only such are wanted)
        values = outputs.of(position)
        return self.folder.write(one.photo, values, one.prepared.size, one.made_from, halved_to)


def _fits_in(photo: Photo, prepared: Prepared, batch: list[_Ready]) -> bool:
    """Whether a photo has the size by which its batch was planned, and is shaped as the others."""
    if photo.size not in {None, prepared.size}:
        return False
    shapes = (
        [array.shape for array in one.prepared.arrays] for one in batch if one.prepared is not None
    )
    mine = [array.shape for array in prepared.arrays]
    return next(shapes, mine) == mine
