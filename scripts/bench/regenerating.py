"""Maps from weights: the runner against the plain loop, one image after the other."""

from __future__ import annotations

import contextlib
import io
import shutil
import tempfile
import threading
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import click
import common
import numpy as np
import torch
from PIL import Image
from plain_networks import CLASSES, write_activations, write_saliency

from wsss_assets.devkit.image_labels import ImageLabels
from wsss_assets.mini.folder import write_mini
from wsss_assets.models import find_model
from wsss_assets.models.activation import ActivationMethod
from wsss_assets.models.architecture import Architecture
from wsss_assets.models.attribution_settings import AttributionSettings
from wsss_assets.regenerate import regenerate
from wsss_assets.regenerate.activation import ActivationOptions
from wsss_assets.regenerate.attribution_work import attributed

if TYPE_CHECKING:
    from collections.abc import Iterator

PLAIN, OURS = "plain loop", "regenerate"

Model: TypeAlias = Architecture | ActivationMethod


def wanted(name: str, crops: int | None, size: int | None) -> Model:
    """A model by its name; with crops, a classifier's gradients in place of its maps."""
    if crops is None:
        found: Model = find_model(name)
        return found
    return attributed(name, AttributionSettings(method="gradient", crops=crops, size=size))


def target(model: Model, device: torch.device) -> int:
    """How many times faster than the plain loop the runner is to be."""
    if device.type == "cpu":
        return 1
    if isinstance(model, ActivationMethod):
        return 4
    return 2 if model.batch == 1 else 5


def contenders(
    model: Model,
    photos: Path,
    scratch: Path,
    device: torch.device,
    precision: str,
    workers: int | None = None,
) -> list[common.Contender]:
    """Both ways from the same untrained weights and photos, each to a folder of its own name."""
    paths = sorted(photos.iterdir())
    labels = {path.stem: (at % 19, 19) for at, path in enumerate(paths)}
    weights, theirs, ours = scratch / f"{model.name}.pth", scratch / PLAIN, scratch / OURS
    torch.manual_seed(0)
    if isinstance(model, ActivationMethod):
        net = model.create(CLASSES)
        plain = partial(write_activations, model, weights, paths, labels, theirs, device)
        options = ActivationOptions(
            labels=ImageLabels(labels, "drawn"),
            without_seeds="plain" if model.name == "amn" else None,
        )
    else:
        net, options = model.create(), None
        plain = partial(write_saliency, model, weights, paths, theirs, device)
    torch.save(net.state_dict(), weights)

    def run() -> None:
        summary = regenerate(
            model,
            photos,
            ours,
            weights=[weights],
            device=str(device),
            precision=precision,  # type: ignore[arg-type]
            activation=options,
            workers=workers,
        )
        if summary.failed:
            raise click.ClickException(str(summary.failed))

    return [
        common.Contender(PLAIN, plain, len(paths), partial(emptied, theirs)),
        common.Contender(OURS, run, len(paths), partial(emptied, ours)),
    ]


def cpu_times(
    few: list[common.Contender], many: list[common.Contender], rounds: int
) -> dict[str, list[float]]:
    """CPU seconds of a photo on one thread, starting left out: of many photos less those of few."""
    torch.set_num_threads(1)
    times: dict[str, list[float]] = {}
    for _ in range(rounds):
        for less, more in zip(few, many, strict=True):
            spent = []
            for contender in (less, more):
                contender.prepare()
                start = time.process_time()
                contender.run()
                spent.append(time.process_time() - start)
            seconds = (spent[1] - spent[0]) / (more.images - less.images)
            times.setdefault(more.name, []).append(seconds)
    return times


def emptied(folder: Path) -> None:
    """Make the folder new, so that nothing is kept."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()


def worst_difference(ours: Path, theirs: Path) -> tuple[int, float]:
    """Largest difference in grey levels, and the share of pixels that differ."""
    most, differ, pixels = 0, 0, 0
    for path in theirs.glob("*.png"):
        data = (Image.open(io.BytesIO(one.read_bytes())) for one in (ours / path.name, path))
        first, second = (np.asarray(image).astype(int) for image in data)
        difference = np.abs(first - second)
        most = max(most, int(difference.max()))
        differ, pixels = differ + int((difference > 0).sum()), pixels + difference.size
    return most, differ / pixels


@contextlib.contextmanager
def utilisation(device: torch.device) -> Iterator[list[int]]:
    """Samples, taken all the while, of how busy a GPU is, in percent; needs nvidia-ml-py."""
    samples = [torch.cuda.utilization(device)]
    over = threading.Event()

    def sample() -> None:
        while not over.wait(0.05):
            samples.append(torch.cuda.utilization(device))

    thread = threading.Thread(target=sample)
    samples.clear()
    thread.start()
    try:
        yield samples
    finally:
        over.set()
        thread.join()


@click.command()
@common.data_option
@click.option(
    "--photos",
    "given",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Folder of photos to take in place of drawn ones.",
)
@common.images_option
@common.rounds_option(3)
@click.option("--model", "models", multiple=True, default=["u2netp"], show_default=True)
@click.option(
    "--crops",
    type=click.IntRange(min=0),
    help="Make gradients of the classifiers named by --model, merged over so many crops.",
)
@click.option("--crop-size", type=click.IntRange(min=1), help="At which crops are shown to them.")
@click.option("--device", default="cpu", show_default=True)
@click.option("--precision", default="fp32", show_default=True)
@click.option(
    "--warm-up/--no-warm-up", default=True, show_default=True, help="A round before the first."
)
@click.option(
    "--cpu-time",
    is_flag=True,
    help="Count CPU seconds on one thread, starting left out, for a machine that is busy.",
)
@common.json_option
def main(
    data: Path | None,
    given: Path | None,
    images: int,
    rounds: int,
    models: tuple[str, ...],
    crops: int | None,
    crop_size: int | None,
    device: str,
    precision: str,
    warm_up: bool,
    cpu_time: bool,
    json_target: Path | None,
) -> None:
    """Maps from weights, not trained: the runner against the plain loop."""
    if cpu_time and images < 2:
        raise click.UsageError("--cpu-time needs two photos at least")
    report = common.Report("regenerating")
    place = torch.device(device)
    if precision == "fp32":  # the plain loop too, whose convolutions would be of TF32 otherwise
        torch.backends.cudnn.allow_tf32 = False
    with tempfile.TemporaryDirectory(prefix="wsss-assets-bench-") as name:
        scratch = Path(name)
        photos = scratch / "photos"
        photos.mkdir()
        if given is None:
            root = scratch / "data" if data is None else data
            write_mini(root, images, saliency=[], methods=[])
            given = root / "JPEGImages"
        first = scratch / "first"
        first.mkdir()
        for path in sorted(given.iterdir())[:images]:
            shutil.copy(path, photos)
        shutil.copy(min(photos.iterdir()), first)
        for one in models:
            model = wanted(one, crops, crop_size)
            workers = 0 if cpu_time else None
            both = contenders(model, photos, scratch, place, precision, workers)
            if cpu_time:
                alone = contenders(model, first, scratch, place, precision, workers)
                times = cpu_times(alone, both, rounds)
            else:
                times = common.interleave(both, rounds, warm_up=warm_up)
            title = one if crops is None else f"gradients of {one} over {crops} crops"
            report.timed(
                f"{title} on {device}, {precision}, per image of {both[0].images}"
                + (", CPU time" if cpu_time else ""),
                times,
                [common.Ratio(PLAIN, OURS, at_least=target(model, place))],
            )
            levels, share = worst_difference(scratch / OURS, scratch / PLAIN)
            common.show(f"Largest difference {levels} grey levels; {share:.2e} of the pixels.")
            report.add({"title": f"{title}: pixels", "levels": levels, "share": share})
            if place.type == "cuda":
                both[1].prepare()
                start = time.perf_counter()
                try:
                    with utilisation(place) as samples:
                        both[1].run()
                except ModuleNotFoundError as error:
                    common.show(f"How busy the GPU is, is not known: {error}")
                    continue
                busy = sum(samples) / max(1, len(samples))
                common.show(f"GPU busy {busy:.0f} % of {time.perf_counter() - start:.1f} s.")
                report.add({"title": f"{title}: busy", "percent": busy})
    report.write(json_target)


if __name__ == "__main__":
    main()
