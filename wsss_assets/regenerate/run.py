"""Running a job: plan, batches, receipts, record, in one process or many."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from wsss_assets.errors import DataError, WeightsError
from wsss_assets.parallel import default_workers, most_at_once, ordered_map
from wsss_assets.regenerate.decoding import Decoders
from wsss_assets.regenerate.device import Runner, device_name
from wsss_assets.regenerate.holding import held
from wsss_assets.regenerate.job import IMAGES, Job
from wsss_assets.regenerate.loop import Loop, Task
from wsss_assets.regenerate.photos import find_photos
from wsss_assets.regenerate.plan import plan
from wsss_assets.regenerate.record import Origin, write_record
from wsss_assets.regenerate.stopping import stoppable
from wsss_assets.regenerate.writing import MapFolder
from wsss_assets.storage.files import sha256_file
from wsss_assets.storage.receipts import Receipts
from wsss_assets.storage.stamps import claim_folder, place, release_folder
from wsss_assets.words import counted

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from wsss_assets.map_sets.feedback import Feedback
    from wsss_assets.ranks import Ranks
    from wsss_assets.regenerate.photos import Photo
    from wsss_assets.regenerate.plan import Batch
    from wsss_assets.regenerate.stopping import Stop
    from wsss_assets.storage.receipts import Receipt

__all__ = ["Summary", "run"]

_MOST_HANDS = 16


@dataclass(frozen=True)
class Summary:
    """What a run did.

    Attributes:
        written: how many images got their maps.
        kept: how many had them already, made from just the same.
        failed: why an image has no map, by image id.
        without_classes: how many images show no class, so that there is no map to make of them.
        rotated: how many photos that maps were made of carry a rotation (EXIF), which is not
            applied: a map lies as the pixels are stored.
    """

    written: int
    kept: int
    failed: dict[str, str]
    without_classes: int = 0
    rotated: int = 0


def run(
    job: Job,
    images: Path,
    ids: Sequence[str] | None,
    out: Path,
    *,
    keep_batch_size: bool,
    workers: int | None,
    origin: Origin,
    ranks: Ranks,
    feedback: Feedback,
) -> Summary:
    """Make the maps of a job, whatever they are; see `regenerate`.

    Args:
        job: what decides the maps.
        images: folder of photos.
        ids: which; None: all.
        out: the folder of the maps.
        keep_batch_size: False: the folder's own batch size is taken where it has one.
        workers: processes that prepare photos.
        origin: for the record.
        ranks: which process this is.
        feedback: who waits.
    """
    with stoppable() as stop, ExitStack() as stack:

        def begin() -> _Begun:
            stack.enter_context(held(out))  # by the first process, for all
            if ranks.count == 1:  # another process may be about to write its first map
                stack.callback(release_folder, out, new=not out.exists())
            return _begin(job, images, ids, out, feedback, keep_batch_size=keep_batch_size)

        begun = ranks.first(begin)
        job = replace(job, batch_size=begun.batch_size)
        receipts = Receipts(out, None if ranks.count == 1 else str(ranks.rank))
        folder = MapFolder(out, job.work, job.fingerprint(), receipts, device_name(job.device))
        batches = ranks.share(begun.batches)
        tasks = _missing(batches, folder)
        missing = sum(len(task.missing) for task in tasks)
        before = receipts.all()
        try:
            done = _make(job, tasks, folder, stop, _Hands.of(workers, job, ranks), feedback)
            if done.written + len(done.failed) < missing:
                raise KeyboardInterrupt  # noqa: TRY301 (said below, as of a second Ctrl-C)
        except KeyboardInterrupt:
            feedback.say(f"{_new(before, receipts, ranks, out)}; the same command goes on")
            raise
        done = replace(done, kept=sum(len(batch.photos) for batch in batches) - missing)
        everyone = ranks.gathered(done)
        if ranks.is_first:
            done = _together(everyone, begun)
            _conclude(job, folder, begun.photos, done, origin)
        return Summary(done.written, done.kept, done.failed, begun.without_classes, done.rotated)


@dataclass(frozen=True)
class _Begun:
    """What the first process found and planned, for all."""

    batch_size: int
    photos: list[Photo]
    batches: list[Batch]
    lost: list[Photo]
    without_classes: int


@dataclass(frozen=True)
class _Done:
    """What a process did."""

    written: int
    kept: int
    failed: dict[str, str]
    rotated: int = 0


def _new(before: Mapping[str, Receipt], receipts: Receipts, ranks: Ranks, out: Path) -> str:
    """How many maps have a receipt that they had not before, in words.

    A process knows its own: the others may still be writing.
    """
    number = sum(before.get(stem) != receipt for stem, receipt in receipts.all().items())
    maps = counted(number, "map")
    if ranks.count == 1:
        return f"{maps} {'was' if number == 1 else 'were'} written to {out}"
    return (
        f"process {ranks.rank + 1} of {ranks.count} wrote {maps} to {out}, and what the others "
        "wrote is there too"
    )


def _begin(
    job: Job,
    images: Path,
    ids: Sequence[str] | None,
    out: Path,
    feedback: Feedback,
    *,
    keep_batch_size: bool,
) -> _Begun:
    """Find the photos, plan the batches, and make the folder ready."""
    photos = find_photos(images, ids, feedback)
    if not keep_batch_size:
        job = job.as_begun_in(out)
    wanted = [photo for photo in photos if job.work.stems(photo.image_id)]
    batches, lost = plan(wanted, job.work, job.batch_size)
    claim_folder(out, {**job.settings(), IMAGES: place(images, out)})
    Receipts(out).sort()  # those of processes that were killed become one file
    return _Begun(job.batch_size, photos, batches, lost, len(photos) - len(wanted))


def _missing(batches: Sequence[Batch], folder: MapFolder) -> list[Task]:
    """Batches of which a map is missing, changed or out of date."""

    def task(batch: Batch) -> Task:
        missing = (photo.image_id for photo in batch.photos if not folder.holds(photo))
        return Task(batch, frozenset(missing))

    return [task for task in ordered_map(task, batches, default_workers()) if task.missing]


@dataclass(frozen=True)
class _Hands:
    """How many processes prepare photos, threads write, and batches run at once."""

    workers: int
    writers: int
    lanes: int

    @classmethod
    def of(cls, workers: int | None, job: Job, ranks: Ranks) -> _Hands:
        """What suits a device and this process's part of the cores.

        On the CPU two processes keep up with any network, and writers mostly wait for it; no more
        batches are run at once than fit into the memory of the machine.
        """
        cores = max(1, min(_MOST_HANDS, default_workers() // ranks.local_count))
        if job.device.type == "cpu":
            lanes = min(cores, most_at_once(job.work.memory) // ranks.local_count)
            return cls(min(2, cores) if workers is None else workers, cores + 1, max(1, lanes))
        return cls(max(1, cores - 2) if workers is None else workers, max(2, cores // 2), 1)


def _make(
    job: Job,
    tasks: Sequence[Task],
    folder: MapFolder,
    stop: Stop,
    hands: _Hands,
    feedback: Feedback,
) -> _Done:
    """Make what is missing, until that is done or a stop is asked for."""
    if not tasks:
        return _Done(0, 0, {})
    if job.compiled:
        feedback.say("torch compiles the network with the first batch, which takes minutes")
    written, failed = 0, {}
    with (
        Runner.open(
            job.work,
            job.paths if job.onnx is None else (),  # an ONNX network comes with its weights
            job.device,
            job.precision,
            compiled=job.compiled,
            lanes=hands.lanes,
        ) as runner,
        Decoders(job.work.prepare, hands.workers) as decoders,
        stop.finishing(),
    ):
        _refuse_changed(job)
        loop = Loop(
            runner,
            decoders,
            folder,
            stop,
            ahead=max(2 * job.batch_size, 4 * hands.workers),
            behind=(hands.lanes + 1) * job.batch_size + hands.writers,
            writers=hands.writers,
            say=feedback.say,
        )
        outcomes = feedback.items(loop(tasks), sum(len(task.missing) for task in tasks))
        for outcome in outcomes:
            if outcome.error is None:
                written += 1
            else:
                failed[outcome.image_id] = outcome.error
    return _Done(written, 0, failed, loop.rotated)


def _refuse_changed(job: Job) -> None:
    """Refuse weights that are no longer those of the stamp, now that they have been loaded."""
    for path, one in zip(job.paths, job.weights, strict=True):
        found = sha256_file(path)
        if found != one.sha256:
            raise WeightsError(
                f"{path} was changed while the run began",
                expected=f"sha256 {one.sha256}",
                found=f"sha256 {found}",
                done="no map was made with it",
                hint="let nothing write to it, and run the command again",
            )


def _together(everyone: Sequence[_Done], begun: _Begun) -> _Done:
    """What all processes did; failures in the order of the list."""
    failed = {photo.image_id: photo.error or "" for photo in begun.lost}
    for one in everyone:
        failed.update(one.failed)
    order = [photo.image_id for photo in begun.photos]
    return _Done(
        sum(one.written for one in everyone),
        sum(one.kept for one in everyone),
        {image_id: failed[image_id] for image_id in order if image_id in failed},
        sum(one.rotated for one in everyone),
    )


def _conclude(
    job: Job, folder: MapFolder, photos: Sequence[Photo], done: _Done, origin: Origin
) -> None:
    """Make one sorted file of all receipts, remove outdated maps, and write the record."""
    receipts = Receipts(folder.path)
    ids = {photo.image_id for photo in photos}
    for stem in job.work.outdated(receipts.outputs(), ids):
        folder.remove(stem)
        receipts.forget(stem)
    receipts.sort()
    made = replace(folder, receipts=receipts).made()
    for photo in photos:
        lost = [stem for stem in job.work.stems(photo.image_id) if stem not in made]
        if lost and photo.image_id not in done.failed:
            raise DataError(
                f"{folder.path} lacks {lost[0]}.png, which this run made, or its receipt",
                done="no record was written",
                hint="let nothing else write there; the same command makes it again",
            )
    write_record(
        folder.path,
        job,
        origin,
        wanted={photo.image_id for photo in photos},
        made=made,
        failed=done.failed,
        anew=done.written > 0,
    )
