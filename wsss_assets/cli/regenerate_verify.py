"""Options of `regenerate` that compare instead of keeping: is a set what its weights make?"""

from __future__ import annotations

import functools
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from wsss_assets.cli.output import print_failures, write_json

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from wsss_assets.benchmarks import Benchmark
    from wsss_assets.cli.regenerate_activation import Asked
    from wsss_assets.cli.regenerate_attribution import AskedAttribution
    from wsss_assets.devkit.image_labels import ImageLabels
    from wsss_assets.regenerate.attribution_work import Attributed
    from wsss_assets.regenerate.comparison import Comparison
    from wsss_assets.regenerate.given import Given
    from wsss_assets.regenerate.verify import Labelling

__all__ = ["verify_options"]


def verify_options(command: Callable[..., object]) -> Callable[..., object]:
    """Options that make a command on maps one that verifies them; without `--verify` it is itself.

    Above the options of the command that say what is run, on which images.
    """

    @functools.wraps(command)
    def run(
        *,
        verify: str | None,
        sample: int,
        levels: int,
        share: float,
        activation: str | None,
        saliency: str | None,
        **others: Any,  # noqa: ANN401 (handed on as they are)
    ) -> object:
        if verify is None:
            _refuse_alone()
            return command(**others)
        _verify(verify, sample, (levels, share / 100), (activation, saliency), **others)
        return None

    for option in reversed(_OPTIONS):
        run = option(run)
    return run


_OPTIONS = (
    click.option(
        "--verify",
        metavar="ID|DIR",
        help="Remake a sample of this map set, or folder of maps, and compare; nothing is kept.",
    ),
    click.option(
        "--sample",
        type=click.IntRange(min=1),
        default=200,
        show_default=True,
        metavar="N",
        help="How many images to remake; always the same ones.",
    ),
    click.option(
        "--levels",
        type=click.IntRange(0, 255),
        default=1,
        show_default=True,
        help="Grey levels by which a pixel of a reproduction may differ …",
    ),
    click.option(
        "--share",
        type=click.FloatRange(0, 100),
        default=99.0,
        show_default=True,
        metavar="PERCENT",
        help="… in so many of all pixels at least, and in half of those of each map.",
    ),
    click.option(
        "--activation",
        metavar="DIR|NAME",
        help="Activation maps to go with saliency maps: what becomes of pseudo-labels?",
    ),
    click.option(
        "--saliency",
        metavar="DIR|NAME",
        help="Saliency maps to go with activation maps, likewise.",
    ),
)


def _refuse_alone() -> None:
    """Refuse options that say something of a comparison where nothing is compared."""
    from wsss_assets.errors import UsageError

    for name in ("sample", "levels", "share", "activation", "saliency"):
        if _is_given(name):
            raise UsageError(f"--{name} goes with --verify", hint="leave it out, or add --verify")


def _is_given(name: str) -> bool:
    """Whether an option was written down, be it with its default."""
    source = click.get_current_context().get_parameter_source(name)
    return source not in {None, ParameterSource.DEFAULT, ParameterSource.DEFAULT_MAP}


def _verify(
    name: str,
    images_at_most: int,
    tolerance: tuple[int, float],
    others: tuple[str | None, str | None],
    *,
    model: str | None,
    weights: tuple[str, ...],
    images: Path,
    out: Path | None,
    benchmark: str | None,
    split: str | None,
    labels: Path | None,
    ids: Path | None,
    json_target: Path | None,
    asked: Asked,
    attribution: AskedAttribution,
    **options: Any,  # noqa: ANN401 (of `wsss_assets.regenerate.regenerate`)
) -> None:
    from wsss_assets.cli.regenerate_activation import kind_of
    from wsss_assets.cli.regenerate_settings import refuse_unfinished, tell_departures
    from wsss_assets.errors import UsageError
    from wsss_assets.map_sets.feedback import Terminal
    from wsss_assets.ranks import Ranks
    from wsss_assets.regenerate.attribution_work import ATTRIBUTION
    from wsss_assets.regenerate.given import open_given
    from wsss_assets.regenerate.verify import sample, verify
    from wsss_assets.words import counted

    if out is not None:
        raise UsageError("--verify keeps no maps", hint="leave out --out, or --verify")
    if asked.npy is not None:
        raise UsageError("--verify compares PNGs that it makes itself", hint="leave out --npy")
    if Ranks.from_environment().count > 1:
        raise UsageError("--verify runs in one process", hint="call it without torchrun")
    if model is None:
        refuse_unfinished(Path(name))
    kind = None if model is None else kind_of(model)
    given = open_given(name, split, Terminal(), kind=kind)
    if options["own_frame"] and given.own_frame is False:
        raise UsageError(
            f"the maps of {name} have the size of their photos", hint="leave out --own-frame"
        )
    known = given.of_benchmark(benchmark)
    remade: str | Attributed
    if (model or given.model) == ATTRIBUTION:
        remade, weights, options = _attributed(
            name, given, attribution, weights, options, len(known.classes)
        )
        model, said = ATTRIBUTION, f"{remade.attribution.method} attributions of {remade.name}"
    else:
        attribution.refuse()
        model, weights, options = _as_recorded(name, given, model, weights, options)
        remade = said = model
    wanted = sample(_wanted(given, known, labels, ids), images_at_most)
    if given.kind == "saliency":
        asked.refuse(model, labels)
        labelling = _labelling(known, given, others, split, labels)
    else:
        listed = _listed(known, given, model, wanted, split, labels)
        labelling = _labelling_of_activation(known, given, model, others, split, listed)
        options["activation"] = asked.recorded(given.options).options(listed, len(known.classes))
    there = counted(len(given.ids), "image" if given.kind == "activation" else "map")
    click.echo(f"remaking {len(wanted):,} of {there} with {said}", err=True)
    found = verify(
        given.maps,
        remade,
        images,
        wanted,
        labelling=labelling,
        recorded=given.made.settings if given.made is not None else None,
        levels=tolerance[0],
        feedback=Terminal(),
        weights=weights,
        **options,
    )
    tell_departures(found.departures)
    _report(replace(found, files=given.files(Terminal())), tolerance[1], json_target)


def _as_recorded(
    name: str,
    given: Given,
    model: str | None,
    weights: tuple[str, ...],
    options: dict[str, Any],
) -> tuple[str, tuple[str, ...], dict[str, Any]]:
    """Model, weights and options: those that were given, and else those of the record."""
    from wsss_assets.errors import UsageError
    from wsss_assets.map_sets.feedback import Terminal
    from wsss_assets.regenerate.recorded import is_model, recorded_options, recorded_weights

    if model is None and given.model is None:
        raise UsageError(f"what made {name} is not recorded", hint="name it with --model NAME")
    if model is not None and not is_model(model, given.model):
        return model, weights, options
    if given.made is None:
        found = () if given.weights is None else (given.weights,)
        return model or str(given.model), weights or found, options
    device = options["device"] if _is_given("device") else None
    as_made = recorded_options(given.made, device=device)
    chosen = {
        option: value
        for option, value in options.items()
        if _is_given(option) or option not in as_made or (option == "onnx" and value is not None)
    }
    weights = weights or recorded_weights(given.made, name, Terminal())
    return str(given.model), weights, {**as_made, **chosen}


def _attributed(
    name: str,
    given: Given,
    asked: AskedAttribution,
    weights: tuple[str, ...],
    options: dict[str, Any],
    num_classes: int,
) -> tuple[Attributed, tuple[str, ...], dict[str, Any]]:
    """The same of attribution maps; another classifier than the recorded gets no weights of it."""
    from wsss_assets.regenerate.attribution_work import ATTRIBUTION
    from wsss_assets.regenerate.recorded import recorded_attribution

    recorded = None
    if given.made is not None and given.model == ATTRIBUTION:
        recorded = recorded_attribution(given.made, name, asked.classifier)
        if recorded.as_recorded:
            _, weights, options = _as_recorded(name, given, ATTRIBUTION, weights, options)
    return asked.attributed(num_classes, trained=not weights, recorded=recorded), weights, options


def _wanted(
    given: Given, benchmark: Benchmark, labels: Path | None, ids: Path | None
) -> Sequence[str]:
    """The images to choose from: of a list, those that have a map."""
    from wsss_assets.devkit.image_labels import read_label_list
    from wsss_assets.storage.image_ids import read_ids

    if ids is not None:
        listed = read_ids(ids)
    elif labels is not None:
        listed = tuple(read_label_list(labels, benchmark))
    else:
        return given.ids
    there = set(given.ids)
    return [one for one in listed if one in there]


def _listed(
    benchmark: Benchmark,
    given: Given,
    model: str,
    wanted: Sequence[str],
    split: str | None,
    labels: Path | None,
) -> ImageLabels:
    """The classes of images: those of a list, or those of which there are maps.

    What MCIS makes of an image depends on all others of the list, and on their order.
    """
    from wsss_assets.devkit.image_labels import ImageLabels
    from wsss_assets.devkit.label_sources import resolve_labels
    from wsss_assets.errors import UsageError

    if labels is not None or split is not None:
        return resolve_labels(benchmark, split, labels=labels)
    seen = {image_id: given.classes(image_id) for image_id in wanted}
    known = {image_id: classes for image_id, classes in seen.items() if classes is not None}
    if model == "mcis" or len(known) < len(seen):
        raise UsageError(
            f"by which label list these maps of {model} were made cannot be seen",
            hint="name it with --labels FILE or --split NAME",
        )
    return ImageLabels(known, "names of the maps")


def _labelling(
    benchmark: Benchmark,
    given: Given,
    others: tuple[str | None, str | None],
    split: str | None,
    labels: Path | None,
) -> Labelling:
    """How labels are made of saliency maps, if there are activation maps to make them with."""
    from wsss_assets.cli.map_options import open_maps
    from wsss_assets.devkit.label_sources import resolve_labels
    from wsss_assets.errors import UsageError
    from wsss_assets.regenerate.verify import Labelling
    from wsss_assets.storage.maps import open_activations

    activation, saliency = others
    if saliency is not None:
        raise UsageError("saliency maps are verified with --activation DIR|NAME beside them")
    if activation is None:
        return Labelling(benchmark=benchmark)
    split = split or given.split
    return Labelling(
        open_activations(open_maps(activation, "activation", benchmark, split)),
        classes=resolve_labels(benchmark, split, labels=labels),
        benchmark=benchmark,
    )


def _labelling_of_activation(
    benchmark: Benchmark,
    given: Given,
    model: str,
    others: tuple[str | None, str | None],
    split: str | None,
    listed: ImageLabels,
) -> Labelling:
    """How labels are made of activation maps, if there are saliency maps to make them with."""
    from wsss_assets.cli.map_options import open_maps
    from wsss_assets.errors import UsageError
    from wsss_assets.labels.recipes import METHODS, get_recipe
    from wsss_assets.regenerate.verify import Labelling
    from wsss_assets.storage.maps import open_saliency

    activation, saliency = others
    if activation is not None:
        raise UsageError("activation maps are verified with --saliency DIR|NAME beside them")
    beside = None
    if saliency is not None:
        beside = open_saliency(open_maps(saliency, "saliency", benchmark, split or given.split))
    return Labelling(
        saliency=beside,
        classes=listed,
        recipe=get_recipe(method=model if model in METHODS else None),
        benchmark=benchmark,
    )


def _report(found: Comparison, share: float, json_target: Path | None) -> None:
    """Print what was found; exit status 1 where it is no reproduction."""
    same = found.is_reproduction(share)
    if json_target is not None:
        verdict = {"reproduced": same, "shortcomings": found.shortcomings(share)}
        write_json(json_target, {**verdict, **found.to_dict()})
    if str(json_target) != "-":
        click.echo(found.describe())
        click.echo(found.verdict(share))
        print_failures(found.failed, "comparison")
    if not same:
        click.get_current_context().exit(1)
