"""What the processes of a run have to agree on; see `tests.rank_commands`."""

from __future__ import annotations

import tempfile
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wsss_assets import (
    analyse_regions,
    analyse_thresholds,
    benchmark_grid,
    compare_labels,
    compare_maps,
    evaluate,
    evaluate_saliency,
    get_recipe,
    pseudo_label,
    sweep,
    sweep_surface,
    write_report,
)
from wsss_assets.benchmarks import get_benchmark
from wsss_assets.devkit.image_labels import read_label_list
from wsss_assets.errors import MissingFileError
from wsss_assets.evaluation.anatomy.analyse import RecipeLabels, analyse_errors
from wsss_assets.evaluation.ceilings import ceilings
from wsss_assets.storage.files import sha256_file
from wsss_assets.storage.maps import SaliencyFolder

if TYPE_CHECKING:
    from collections.abc import Callable

    from wsss_assets.ranks import Ranks

LIST = "ImageSets/Segmentation/train_cls.txt"


def maps(data: Path) -> dict[str, Path]:
    """Folders of maps by their kind."""
    return {
        "saliency": data / "saliency" / "soft",
        "activation": data / "activation" / "simulated_cam",
    }


def truth(data: Path) -> Path:
    return data / "SegmentationClass"


def _evaluate(data: Path, ranks: Ranks) -> Any:  # noqa: ANN401
    folder = truth(data)
    return evaluate(folder, folder, benchmark="mini", ranks=ranks).to_dict()


def _sweep(data: Path, ranks: Ranks) -> Any:  # noqa: ANN401
    return sweep(**_swept(data, ranks)).to_dict("miss")


def _surface(data: Path, ranks: Ranks) -> Any:  # noqa: ANN401
    return sweep_surface(**_swept(data, ranks)).to_dict("miss")


def _swept(data: Path, ranks: Ranks) -> dict[str, Any]:
    return {
        "labels": read_label_list(data / LIST, get_benchmark("mini")),
        **maps(data),
        "ground_truth": truth(data),
        "recipe": get_recipe(method="cam"),
        "benchmark": "mini",
        "ranks": ranks,
    }


def _thresholds(data: Path, ranks: Ranks) -> Any:  # noqa: ANN401
    return analyse_thresholds(**_swept(data, ranks), ignored="miss").to_dict()


def _regions(data: Path, ranks: Ranks) -> Any:  # noqa: ANN401
    return analyse_regions(
        read_label_list(data / LIST, get_benchmark("mini")),
        maps(data)["activation"],
        data / "activation" / "simulated_eps",
        truth(data),
        benchmark="mini",
        per_image_means=True,
        ranks=ranks,
    ).to_dict()


def _errors(data: Path, ranks: Ranks) -> Any:  # noqa: ANN401
    swept = _swept(data, ranks)
    made = RecipeLabels(
        swept["labels"], swept["activation"], saliency=swept["saliency"], recipe=swept["recipe"]
    )
    options = {"ids": swept["labels"], "benchmark": "mini", "ignored": "miss", "ranks": ranks}
    return analyse_errors(made, truth(data), **options).to_dict()


def _ceilings(data: Path, ranks: Ranks) -> Any:  # noqa: ANN401
    return ceilings(**_swept(data, ranks), ignored="miss", errors=True).to_dict()


def _saliency(data: Path, ranks: Ranks) -> Any:  # noqa: ANN401
    measures: list[Any] = []
    scores = evaluate_saliency(
        maps(data)["saliency"],
        truth(data),
        benchmark="mini",
        each=lambda _, image_id, one: measures.append((image_id, one.s_measure, one.weighted_f)),
        ranks=ranks,
    )
    return [scores.to_dict(), [row for rows in ranks.everyone(measures) for row in rows]]


def _labels(data: Path, ranks: Ranks) -> list[Path]:
    """Two folders of pseudo-labels, made by the same processes."""
    made: list[Path] = []
    folders = maps(data)
    for tau in (0.1, 0.4):
        out = data.parent / f"labels {tau} by {ranks.count}"
        recipe = get_recipe(method="cam").changed(tau=tau)
        pseudo_label(
            read_label_list(data / LIST, get_benchmark("mini")),
            folders["activation"],
            out,
            saliency=folders["saliency"],
            recipe=recipe,
            benchmark="mini",
            ranks=ranks,
        )
        made.append(out)
    return made


def _pseudo_label(data: Path, ranks: Ranks) -> Any:  # noqa: ANN401
    """Two runs into one folder, the second of which has but one label to make."""
    out = data.parent / f"labels by {ranks.count}"
    labels = read_label_list(data / LIST, get_benchmark("mini"))
    said: list[Any] = []
    for _ in range(2):
        options: dict[str, Any] = {**maps(data), "recipe": get_recipe(method="cam")}
        done = pseudo_label(labels, out=out, benchmark="mini", ranks=ranks, **options)
        said.append([done.written, done.kept, done.failed])
        written = ranks.first(lambda: {one.name: sha256_file(one) for one in sorted(out.iterdir())})
        said.append(written)
        ranks.first((out / f"{list(labels)[-1]}.png").unlink)
    return said


def _compare_labels(data: Path, ranks: Ranks) -> Any:  # noqa: ANN401
    first, second = _labels(data, ranks)
    return compare_labels(
        first,
        second,
        ground_truth=truth(data),
        benchmark="mini",
        ignored="miss",
        most=3,
        ranks=ranks,
    ).to_dict()


def _compare_maps(data: Path, ranks: Ranks) -> Any:  # noqa: ANN401
    first, second = (data / "activation" / name for name in ("simulated_cam", "simulated_eps"))
    compared = compare_maps(first, second, "activation", benchmark="mini", most=3, ranks=ranks)
    return compared.to_dict()


class _Holed:
    """Saliency maps of which the last is missing: one process alone meets that."""

    def __init__(self, folder: Path) -> None:
        self.maps = SaliencyFolder(folder)

    def read(self, image_id: str) -> Any:  # noqa: ANN401
        if image_id == max(self.maps.files):
            raise MissingFileError(f"no map {image_id}")
        return self.maps.read(image_id)

    def version(self, image_id: str) -> str:
        return image_id


class _Afar(_Holed):
    """As what is read from the Hub: its columns share a pass."""

    is_afar = True


def _grid(data: Path, ranks: Ranks, holed: type[_Holed] = _Holed) -> Any:  # noqa: ANN401
    soft = maps(data)["saliency"]
    grid = benchmark_grid(
        read_label_list(data / LIST, get_benchmark("mini")),
        {"soft": soft, "holed": holed(soft)},
        {name: data / "activation" / name for name in ("simulated_cam", "simulated_eps")},
        truth(data),
        data.parent / f"grid of {holed.__name__} by {ranks.count}",
        benchmark="mini",
        ignored="miss",
        ranks=ranks,
    )
    return grid.to_dict()


def _report(data: Path, ranks: Ranks) -> Any:  # noqa: ANN401
    swept = _swept(data, ranks)
    with tempfile.TemporaryDirectory() as folder:
        page = ranks.first(lambda: str(Path(folder) / "report.html"))
        swept |= {kind: {"one": swept[kind]} for kind in ("saliency", "activation")}
        made = write_report(**swept, out=page, ignored="miss", samples=2)
        digest = ranks.first(lambda: sha256_file(Path(page)))
    return [made.to_dict(), digest]


WORK: dict[str, Callable[[Path, Ranks], Any]] = {
    "pseudo-label": _pseudo_label,
    "compare labels": _compare_labels,
    "compare maps": _compare_maps,
    "grid": _grid,
    "grid in one pass": partial(_grid, holed=_Afar),
    "evaluate": _evaluate,
    "sweep": _sweep,
    "surface": _surface,
    "saliency": _saliency,
    "regions": _regions,
    "thresholds": _thresholds,
    "errors": _errors,
    "ceilings": _ceilings,
    "report": _report,
}


def results(data: Path, ranks: Ranks) -> dict[str, Any]:
    """What this process has to say, by the name of the evaluation."""
    return {name: work(data, ranks) for name, work in WORK.items()}
