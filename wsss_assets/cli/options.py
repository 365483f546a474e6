"""Options that several commands share: which images, with how many threads, where results go."""

from __future__ import annotations

import functools
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from wsss_assets.ranks import Ranks

__all__ = [
    "FILE",
    "FOLDER",
    "TARGET",
    "benchmark_option",
    "ignored_option",
    "json_option",
    "label_options",
    "list_options",
    "predictions_option",
    "shared_by_ranks",
    "skip_missing_option",
    "target_option",
    "truth_option",
    "with_options",
    "workers_option",
]

FOLDER = click.Path(path_type=Path, file_okay=False)
FILE = click.Path(path_type=Path, dir_okay=False, allow_dash=True)


class _Target(click.Path):
    """A file to write, refused before anything is done where that cannot be written."""

    def convert(
        self,
        value: Any,  # noqa: ANN401 (as click has it)
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> Any:  # noqa: ANN401
        """The path.

        Raises:
            UsageError: there is no such folder; none is made, for it may be a slip.
            OSError: the folder is a file, or may not be written to.
        """
        target = Path(str(super().convert(value, param, ctx)))
        if str(target) != "-":
            _check_target(target)
        return target


TARGET = _Target(path_type=Path, dir_okay=False, allow_dash=True)

benchmark_option = click.option(
    "--benchmark",
    default="voc2012",
    show_default=True,
    metavar="NAME",
    help="voc2012, coco2014 or mini: class names, palette, splits.",
)


predictions_option = click.option(
    "--predictions", type=FOLDER, required=True, help="Folder of <image id>.png or .npy."
)

skip_missing_option = click.option(
    "--skip-missing", is_flag=True, help="Pass over images without a prediction."
)

truth_option = click.option(
    "--ground-truth", type=FOLDER, required=True, help="Folder of masks <image id>.png."
)

ignored_option = click.option(
    "--ignored",
    type=click.Choice(["miss", "background", "drop"]),
    help="What a predicted 255 counts as: a miss, class 0, or nothing at all.",
)

workers_option = click.option(
    "--workers", type=click.IntRange(min=1), metavar="N", help="Threads.  [default: one per core]"
)


def _check_target(target: Path) -> None:
    """Refuse a file whose folder is not there, or cannot be written to."""
    there = next(one for one in target.absolute().parents if one.exists())
    if not there.is_dir() or not os.access(there, os.W_OK):
        why = "may not be written to" if there.is_dir() else "is no folder"
        raise OSError(f"{target} cannot be written: {there} {why}; choose another place")
    if there != target.absolute().parent:
        from wsss_assets.errors import UsageError

        raise UsageError(
            f"{target} cannot be written: there is no folder {target.parent}",
            done="nothing was done",
            hint=f"make it first: mkdir -p {target.parent}",
        )


def target_option(*names: str, words: str) -> Callable[..., Callable[..., object]]:
    """An option that names a file to write, refused at once where that cannot be written.

    Args:
        names: as of `click.option`.
        words: its help.
    """
    return click.option(*names, type=TARGET, help=words)


json_option = target_option(
    "--json", "json_target", words="Write JSON there; - for standard output."
)


def shared_by_ranks(command: Callable[..., object]) -> Callable[..., object]:
    """Let the processes that `torchrun` starts share a command; the outermost of its options.

    The command gets `ranks`, says what it did in the first process alone, and has its bar there.
    Where it was not given `workers`, processes of one machine share its cores.
    """

    @functools.wraps(command)
    def run(**options: Any) -> object:  # noqa: ANN401
        from wsss_assets.ranks import Ranks

        with Ranks.open() as ranks, ranks.watched(click.exceptions.Exit):
            if ranks.local_count > 1 and options.get("workers", 0) is None:
                from wsss_assets.parallel import default_workers

                options["workers"] = max(1, default_workers() // ranks.local_count)
            return command(ranks=ranks, **options)

    return run


def label_options(command: Callable[..., object]) -> Callable[..., object]:
    """Options that say which images, with which classes, of which benchmark.

    The command gets `labels` (an `ImageLabels`), `benchmark` (a `Benchmark`) and `split`.
    """

    @functools.wraps(command)
    def run(*, labels: Path | None, split: str | None, benchmark: str, **others: Any) -> object:  # noqa: ANN401
        from wsss_assets.benchmarks import get_benchmark
        from wsss_assets.devkit.label_sources import resolve_labels
        from wsss_assets.ranks import ALONE

        known = get_benchmark(benchmark)
        if split is not None:
            known.split(split)
        _check_folders(others)
        ranks: Ranks = others.get("ranks", ALONE)  # one process reads standard input for all
        listed = ranks.first(lambda: resolve_labels(known, split, labels=labels))
        return command(labels=listed, split=split, benchmark=known, **others)

    return with_options(
        run,
        benchmark_option,
        click.option("--labels", type=FILE, help="A label list `id c c …`; - for standard input."),
        click.option(
            "--split",
            metavar="NAME",
            help="train, train_aug or val; without --labels, WSSS-BED's list of it is fetched.",
        ),
    )


def list_options(command: Callable[..., object]) -> Callable[..., object]:
    """Options that say which images, of which benchmark, where classes do not matter.

    The command gets `wanted` (image ids; None where no list is named), `benchmark` (a
    `Benchmark`) and `split`.
    """

    @functools.wraps(command)
    def run(
        *,
        ids: Path | None,
        labels: Path | None,
        split: str | None,
        benchmark: str,
        **others: Any,  # noqa: ANN401
    ) -> object:
        from wsss_assets.benchmarks import get_benchmark
        from wsss_assets.devkit.label_sources import fetch_label_list
        from wsss_assets.errors import UsageError
        from wsss_assets.ranks import ALONE
        from wsss_assets.storage.image_ids import read_ids

        if ids is not None and labels is not None:
            raise UsageError("--ids and --labels both say which images", expected="one of them")
        known = get_benchmark(benchmark)
        _check_folders(others)
        ranks: Ranks = others.get("ranks", ALONE)  # one process reads standard input for all
        listed = ids or labels
        wanted: Collection[str] | None = None
        if listed is not None:
            wanted = ranks.first(lambda: read_ids(listed))
        if split is not None:
            whole = known.split(split).images
            if wanted is None:
                wanted = ranks.first(lambda: fetch_label_list(known, split))
            if whole is not None and len(wanted) > whole:
                raise UsageError(
                    f"the list is not {known.name} {split}",
                    expected=f"at most {whole} images",
                    found=f"{len(wanted)}",
                )
        return command(wanted=wanted, split=split, benchmark=known, **others)

    return with_options(
        run,
        click.option("--ids", type=FILE, help="Which images: a list; - for standard input."),
        click.option(
            "--labels",
            type=FILE,
            help="Which images: a label list `id c c …`; - for standard input.",
        ),
        click.option(
            "--split",
            metavar="NAME",
            help="train, train_aug or val; without --ids or --labels, WSSS-BED's list of it is "
            "fetched.",
        ),
        benchmark_option,
    )


def _check_folders(given: Mapping[str, object]) -> None:
    """Refuse folders that are not there, before a list is fetched.

    Raises:
        MissingFileError: one is not.
    """
    from wsss_assets.storage.files import check_folder

    for name in ("ground_truth", "predictions", "images"):
        folder = given.get(name)
        if isinstance(folder, Path):
            check_folder(folder)


def with_options(
    command: Callable[..., object], *options: Callable[..., Callable[..., object]]
) -> Callable[..., object]:
    """Add options so that `--help` lists them in the order given."""
    for option in reversed(options):
        command = option(command)
    return command
