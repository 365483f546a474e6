"""Maps of a whole list of photos, by a network and its weights."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from wsss_assets.errors import DataError, UsageError, WeightsError
from wsss_assets.map_sets.feedback import SILENT, counted
from wsss_assets.models import find_model
from wsss_assets.models.activation import ActivationMethod
from wsss_assets.models.architecture import Normalisation
from wsss_assets.models.onnx_settings import OnnxSettings
from wsss_assets.parallel import default_workers, most_at_once, ordered_map
from wsss_assets.ranks import Ranks
from wsss_assets.regenerate.activation import activation_maps, check_options
from wsss_assets.regenerate.decoding import Decoders
from wsss_assets.regenerate.device import Runner, choose_device, device_name
from wsss_assets.regenerate.holding import held
from wsss_assets.regenerate.job import IMAGES, Job
from wsss_assets.regenerate.loop import Loop, Task
from wsss_assets.regenerate.photos import find_photos
from wsss_assets.regenerate.plan import plan
from wsss_assets.regenerate.record import Origin, loaded_weights, write_record
from wsss_assets.regenerate.stopping import stoppable
from wsss_assets.regenerate.weights import resolve
from wsss_assets.regenerate.work import SaliencyWork
from wsss_assets.regenerate.writing import MapFolder
from wsss_assets.storage.files import sha256_file
from wsss_assets.storage.receipts import Receipts
from wsss_assets.storage.stamps import claim_folder, place, refuse_file, release_folder

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import torch

    from wsss_assets.map_sets.feedback import Feedback
    from wsss_assets.models.architecture import Architecture
    from wsss_assets.regenerate.activation import ActivationOptions
    from wsss_assets.regenerate.device import Precision
    from wsss_assets.regenerate.photos import Photo
    from wsss_assets.regenerate.plan import Batch
    from wsss_assets.regenerate.stopping import Stop
    from wsss_assets.regenerate.weights import WeightsFile
    from wsss_assets.regenerate.work import Work
    from wsss_assets.storage.receipts import Receipt

__all__ = ["Summary", "regenerate", "run"]

Colours = TypeVar("Colours", Normalisation, OnnxSettings)

_ONNX = "onnx"
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


def regenerate(
    model: str | Architecture | ActivationMethod,
    images: Path | str,
    out: Path | str,
    *,
    weights: Sequence[Path | str] = (),
    ids: Sequence[str] | None = None,
    device: str = "auto",
    precision: Precision = "fp32",
    batch_size: int | None = None,
    workers: int | None = None,
    compiled: bool = False,
    own_frame: bool = False,
    mean: tuple[float, float, float] | None = None,
    std: tuple[float, float, float] | None = None,
    onnx: OnnxSettings | None = None,
    activation: ActivationOptions | None = None,
    origin: Origin | None = None,
    feedback: Feedback = SILENT,
) -> Summary:
    """Make the saliency map or activation maps of every photo of a list, and a record of how.

    A map is written whole or not at all, and one that was made from the same photo by the same
    model, weights and settings, and is still what was written, is kept: a run that was stopped,
    or killed, goes on when it is started again, and its maps are the same bytes. Ctrl-C finishes
    the batches in hand and then raises KeyboardInterrupt; a second one drops them. The folder
    is stamped with all that decides the maps; other settings are refused.

    Under `torchrun` each process makes its share, and the first one writes the record when all
    have done so. The maps are the same for any number of processes and workers.

    Args:
        model: name or alias of a network, `onnx`, or an architecture or method of one's own.
        images: a folder of photos, `<image id>.jpg`, `.jpeg`, `.png`, `.bmp` or `.webp`. Pixels
            are taken as they are stored, see `storage.images.read_photo`.
        out: where to; `<image id>.png`, or `<image id>_<class>.png` with 0-based classes, 8 bits
            of grey.
        weights: files, or names of published weights; none: those that are published.
        ids: which images, in which order; None: all photos of the folder, or all images of the
            labels that are given.
        device: `auto`, `cpu`, `cuda` or `cuda:N`.
        precision: `fp32`, `tf32`, `bf16` or `fp16`; but for the first, maps are approximations.
        batch_size: photos that are run at once; None: what the folder was begun with, or what
            suits model and device. A batch that does not fit into a GPU's memory is halved.
        workers: processes that read and prepare photos; 0: none, threads do it; None: chosen.
        compiled: let torch compile the network first, for a GPU.
        own_frame: leave maps at the size at which the authors' script writes them, where that
            is not the photo's.
        mean: in place of the model's own, in the order of its channels.
        std: likewise.
        onnx: for `onnx`, what the file does not say.
        activation: for activation methods, which need labels at least.
        origin: for the record.
        feedback: who waits.

    Returns:
        What was done; under `torchrun`, by all in the first process, and by each in the others.
        A photo that is missing or unusable is listed, not raised.

    Raises:
        UnknownNameError: there is no such model.
        UsageError: an option makes no sense, here or for this model.
        MissingFileError: a folder is missing or holds no photo, or a file of weights is missing.
        ListFormatError: two photos have one name.
        WeightsError: the weights are not those of the model, or changed while they were loaded.
        FolderInUseError: `out` is a file, was made with other settings or of another folder of
            photos, or another run writes to it.
        KeyboardInterrupt: the run was asked to stop and did; what it made is there.
        OSError: the disk is full, or another process that has a part in this ended.
    """
    _refuse_contradictions(model, precision, onnx, compiled=compiled)
    refuse_file(Path(out))
    with Ranks.open() as ranks:
        say = feedback if ranks.is_first else SILENT
        making = _Making(
            Path(images),
            choose_device(device, ranks.local_rank),
            precision,
            compiled,
            batch_size,
            workers,
            origin or Origin(),
            ranks,
            say,
        )
        found = find_model(model) if isinstance(model, str) and model != _ONNX else model
        if isinstance(found, ActivationMethod):
            options = check_options(
                found, activation, precision=precision, compiled=compiled, own_frame=own_frame
            )
            classes = options.num_classes
            colours = _with_colours(found.normalisation[classes], mean, std)
            found = replace(found, normalisation={**found.normalisation, classes: colours})
            files: list[WeightsFile] = []
            if weights or found.weights_sha256 is None:
                files = _resolved(found.name, weights, ranks, say, classes)
            make = partial(making, files)
            return activation_maps(found, options, making.images, ids, Path(out), make, ranks, say)
        if activation is not None:
            raise UsageError("labels and options of activation methods make no saliency map")
        settings = None
        if isinstance(found, str):
            settings = _with_colours(onnx or OnnxSettings(), mean, std)
            architecture, files = _onnx(weights, settings, ranks, say)
        else:
            normalisation = _with_colours(found.normalisation, mean, std)
            architecture = replace(found, normalisation=normalisation)
            files = _resolved(architecture.name, weights, ranks, say)
        return making(files, SaliencyWork(architecture, own_frame), ids, Path(out), settings)


@dataclass(frozen=True)
class _Making:
    """All that decides a run besides what is made, of which images, by which weights."""

    images: Path
    device: torch.device
    precision: Precision
    compiled: bool
    batch_size: int | None
    workers: int | None
    origin: Origin
    ranks: Ranks
    feedback: Feedback

    def __call__(
        self,
        files: Sequence[WeightsFile],
        work: Work,
        ids: Sequence[str] | None,
        out: Path,
        settings: OnnxSettings | None = None,
    ) -> Summary:
        """Make it."""
        job = Job(
            work,
            loaded_weights(files),
            tuple(file.path for file in files),
            self.device,
            self.precision,
            self.compiled,
            self.batch_size or work.batch_size(self.device.type),
            settings,
        )
        return run(
            job,
            self.images,
            ids,
            out,
            keep_batch_size=self.batch_size is not None,
            workers=self.workers,
            origin=self.origin,
            ranks=self.ranks,
            feedback=self.feedback,
        )


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
            feedback.say(f"{_new(before, receipts)} written to {out}; the same command goes on")
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


def _new(before: Mapping[str, Receipt], receipts: Receipts) -> str:
    """How many maps have a receipt that they had not before, in words."""
    number = sum(before.get(stem) != receipt for stem, receipt in receipts.all().items())
    return f"{counted(number, 'map')} {'was' if number == 1 else 'were'}"


def _refuse_contradictions(
    model: str | Architecture | ActivationMethod,
    precision: Precision,
    onnx: OnnxSettings | None,
    *,
    compiled: bool,
) -> None:
    """Refuse options that would change nothing, for the record would say that they did."""
    if model != _ONNX:
        if onnx is not None:
            raise UsageError(
                "settings of ONNX networks were given for another model",
                hint=f"leave them out, or name the model {_ONNX}",
            )
    elif precision != "fp32" or compiled:
        raise UsageError(
            "onnxruntime runs an ONNX network as its file has it",
            found="compiling" if compiled else f"the precision {precision}",
            hint="leave that out",
        )


def _onnx(
    weights: Sequence[Path | str],
    settings: OnnxSettings,
    ranks: Ranks,
    feedback: Feedback,
) -> tuple[Architecture, list[WeightsFile]]:
    """The network of an ONNX file, and the file."""
    from wsss_assets.models.onnx import onnx_architecture

    files = _resolved(_ONNX, weights, ranks, feedback)
    if len(files) != 1:
        raise UsageError(
            "an ONNX network is one file", found=", ".join(file.path.name for file in files)
        )
    return onnx_architecture(files[0].path, settings), files


def _resolved(
    name: str,
    weights: Sequence[Path | str],
    ranks: Ranks,
    feedback: Feedback,
    classes: int | None = None,
) -> list[WeightsFile]:
    """The files of weights: the first process fetches what is not here."""
    given = [str(one) for one in weights]
    return ranks.first(lambda: resolve(name, given, feedback, classes=classes))


def _with_colours(
    settings: Colours,
    mean: tuple[float, float, float] | None,
    std: tuple[float, float, float] | None,
) -> Colours:
    """The same with another mean or standard deviation, where one is given."""
    return replace(settings, mean=mean or settings.mean, std=std or settings.std)


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
