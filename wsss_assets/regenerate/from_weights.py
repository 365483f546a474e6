"""Maps of a whole list of photos, by a network and its weights."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from wsss_assets.errors import UsageError
from wsss_assets.map_sets.feedback import SILENT
from wsss_assets.models import find_model
from wsss_assets.models.activation import ActivationMethod
from wsss_assets.models.architecture import Normalisation
from wsss_assets.models.onnx_settings import OnnxSettings
from wsss_assets.ranks import Ranks
from wsss_assets.regenerate.activation import activation_maps, check_options
from wsss_assets.regenerate.device import choose_device
from wsss_assets.regenerate.job import Job
from wsss_assets.regenerate.record import Origin, loaded_weights
from wsss_assets.regenerate.run import Summary, run
from wsss_assets.regenerate.weights import resolve
from wsss_assets.regenerate.work import SaliencyWork
from wsss_assets.storage.stamps import refuse_file

if TYPE_CHECKING:
    from collections.abc import Sequence

    import torch

    from wsss_assets.map_sets.feedback import Feedback
    from wsss_assets.models.architecture import Architecture
    from wsss_assets.regenerate.activation import ActivationOptions
    from wsss_assets.regenerate.device import Precision
    from wsss_assets.regenerate.weights_cache import WeightsFile
    from wsss_assets.regenerate.work import Work

__all__ = ["regenerate"]

Colours = TypeVar("Colours", Normalisation, OnnxSettings)

_ONNX = "onnx"


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
            found = _with_doubts(found, files, classes)
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


def _with_doubts(
    method: ActivationMethod, files: Sequence[WeightsFile], classes: int
) -> ActivationMethod:
    """The same; where published weights are loaded, with what is not known of these."""
    doubt = method.unknown_weights.get(classes)
    if doubt is None or not any(file.record_id for file in files):
        return method
    said = f"{method.unknown} {doubt}" if method.unknown else doubt
    return replace(method, unknown=said)


def _with_colours(
    settings: Colours,
    mean: tuple[float, float, float] | None,
    std: tuple[float, float, float] | None,
) -> Colours:
    """The same with another mean or standard deviation, where one is given."""
    return replace(settings, mean=mean or settings.mean, std=std or settings.std)
