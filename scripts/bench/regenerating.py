"""Maps from weights: the runner against the plain loop, one image after the other."""

from __future__ import annotations

import contextlib
import io
import itertools
import shutil
import tempfile
import threading
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click
import common
import numpy as np
import torch
from PIL import Image
from torch.nn import functional

from wsss_assets.devkit.image_labels import ImageLabels
from wsss_assets.mini.folder import write_mini
from wsss_assets.models import find_model
from wsss_assets.models.activation import ActivationMethod
from wsss_assets.models.views import views
from wsss_assets.regenerate import regenerate
from wsss_assets.regenerate.activation import ActivationOptions

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from wsss_assets.models.architecture import Architecture

CLASSES = 20
PLAIN, OURS = "plain loop", "regenerate"


def write_plain(
    architecture: Architecture, weights: Path, photos: list[Path], out: Path, device: torch.device
) -> None:
    """Decode, prepare, run, finish, encode: what test scripts of published code do."""
    net = architecture.create()
    net.load_state_dict(torch.load(weights, weights_only=True))
    net = net.to(device)
    with torch.inference_mode():
        for path in photos:
            with Image.open(path) as image:
                photo = np.asarray(image.convert("RGB"))
            x = torch.from_numpy(architecture.prepare(photo)[None]).to(device)
            values = architecture.read_out(net, architecture.normalisation(x))
            pixels = architecture.finish(values[0].float().cpu().numpy(), photo.shape[:2])
            Image.fromarray(pixels).save(out / f"{path.stem}.png")


def write_ours(
    model: Architecture | ActivationMethod,
    weights: Path,
    folder: Path,
    labels: Mapping[str, tuple[int, ...]],
    out: Path,
    device: str,
    precision: str,
) -> None:
    """The same by this package."""
    asked = isinstance(model, ActivationMethod)
    summary = regenerate(
        model,
        folder,
        out,
        weights=[weights],
        device=device,
        precision=precision,  # type: ignore[arg-type]
        activation=ActivationOptions(labels=ImageLabels(labels, "drawn")) if asked else None,
    )
    if summary.failed:
        raise click.ClickException(str(summary.failed))


def write_plain_activations(
    method: ActivationMethod,
    weights: Path,
    photos: list[Path],
    labels: Mapping[str, tuple[int, ...]],
    out: Path,
    device: torch.device,
) -> None:
    """Every view and its mirror image by itself, all classes enlarged, as test scripts do."""
    net = method.create(CLASSES)
    net.load_state_dict(torch.load(weights, weights_only=True))
    net, how = net.to(device), method.protocol
    if how is None or how.views != "scales" or how.flips_meet != "merge":
        raise click.ClickException(f"there is no plain loop here for {method.name}")
    with torch.inference_mode():
        for path in photos:
            with Image.open(path) as image:
                photo = np.asarray(image.convert("RGB"))
            total = torch.zeros(1)
            for view, mirrored in itertools.product(views(photo, how), (False, True)):
                x = torch.from_numpy(np.ascontiguousarray(view[..., ::-1] if mirrored else view))
                maps = net(method.normalisation[CLASSES](x[None].to(device)))
                maps = maps.softmax(1) if how.scores == "softmax" else maps
                maps = functional.interpolate(
                    maps, photo.shape[:2], mode=how.enlarged, align_corners=False
                )
                total = total.to(device) + (maps.flip(-1) if mirrored else maps)
            total = total[0].clamp(min=0)
            total = total / (total.amax((1, 2), keepdim=True) + how.eps)
            pixels = torch.round(255 * total).to(torch.uint8).cpu().numpy()
            for one in labels[path.stem]:
                Image.fromarray(pixels[one]).save(out / f"{path.stem}_{one}.png")


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
    """Samples, taken all the while, of how busy a GPU is, in percent; none on the CPU."""
    samples: list[int] = []
    over = threading.Event()

    def sample() -> None:
        while not over.wait(0.05):
            samples.append(torch.cuda.utilization(device))

    thread = threading.Thread(target=sample)
    if device.type == "cuda":
        thread.start()
    yield samples
    over.set()
    if device.type == "cuda":
        thread.join()


@click.command()
@common.data_option
@common.images_option
@common.rounds_option(3)
@click.option("--model", "models", multiple=True, default=["u2netp"], show_default=True)
@click.option("--device", default="cpu", show_default=True)
@click.option("--precision", default="fp32", show_default=True)
@common.json_option
def main(
    data: Path | None,
    images: int,
    rounds: int,
    models: tuple[str, ...],
    device: str,
    precision: str,
    json_target: Path | None,
) -> None:
    """Maps from weights, not trained: the runner against the plain loop."""
    report = common.Report("regenerating")
    place = torch.device(device)
    with tempfile.TemporaryDirectory(prefix="wsss-assets-bench-") as name:
        scratch = Path(name)
        root = scratch / "data" if data is None else data
        write_mini(root, images, saliency=[], methods=[])
        folder = scratch / "photos"
        folder.mkdir()
        for path in sorted((root / "JPEGImages").iterdir())[:images]:
            shutil.copy(path, folder)
        photos = sorted(folder.iterdir())
        labels = {path.stem: (at % 19, 19) for at, path in enumerate(photos)}
        for model in models:
            found = find_model(model)
            weights = scratch / f"{model}.pth"
            torch.manual_seed(0)
            theirs, ours = scratch / "plain", scratch / "ours"
            if isinstance(found, ActivationMethod):
                net = found.create(CLASSES)
                plain = partial(
                    write_plain_activations, found, weights, photos, labels, theirs, place
                )
                target = 1 if place.type == "cpu" else 4
            else:
                net = found.create()
                plain = partial(write_plain, found, weights, photos, theirs, place)
                target = 1 if place.type == "cpu" else 2 if found.batch == 1 else 5
            torch.save(net.state_dict(), weights)
            contenders = [
                common.Contender(PLAIN, plain, images, partial(emptied, theirs)),
                common.Contender(
                    OURS,
                    partial(write_ours, found, weights, folder, labels, ours, device, precision),
                    images,
                    partial(emptied, ours),
                ),
            ]
            times = common.interleave(contenders, rounds)
            report.timed(
                f"{model} on {device}, {precision}, per image of {images}",
                times,
                [common.Ratio(PLAIN, OURS, at_least=target)],
            )
            levels, share = worst_difference(ours, theirs)
            common.show(f"Largest difference {levels} grey levels; {share:.2e} of the pixels.")
            report.add({"title": f"{model}: pixels", "levels": levels, "share": share})
            if place.type == "cuda":
                emptied(ours)
                start = time.perf_counter()
                with utilisation(place) as samples:
                    contenders[1].run()
                busy = sum(samples) / max(1, len(samples))
                common.show(f"GPU busy {busy:.0f} % of {time.perf_counter() - start:.1f} s.")
                report.add({"title": f"{model}: busy", "percent": busy})
    report.write(json_target)


if __name__ == "__main__":
    main()
