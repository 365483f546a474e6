"""A map set in words: what it is, what is behind it, what is not known."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wsss_assets.benchmarks import get_benchmark
from wsss_assets.catalog.catalog import (
    get_maker,
    get_map_set,
    get_training_set,
    get_weights,
    weights_names,
)
from wsss_assets.catalog.results import results_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wsss_assets.catalog.records import (
        Archive,
        Kind,
        Maker,
        MapSet,
        Publication,
        RecommendedRecipe,
        Regeneration,
        Supervision,
    )

__all__ = ["describe_licence", "describe_supervision", "explain", "facts"]

_SUPERVISION = {
    "none": "none: no annotation by people is known to be behind them",
    "image_labels": "image labels: what weakly supervised usually means",
    "pixel_masks": "pixel masks drawn by people",
    None: "not known",
}


def explain(map_set: MapSet) -> tuple[str, str]:
    """Two paragraphs on a map set of the catalogue: what it is, and what is not known of it."""
    maker = get_maker(map_set.maker)
    story = (
        _what_it_is(map_set),
        f"They are from {_introduce(maker)}",
        *_what_is_behind_it(map_set),
        _what_that_means(map_set),
        map_set.note,
        *_who_used_it(map_set),
    )
    again = map_set.regeneration
    doubts = (
        None if map_set.licence else "No licence is stated for these maps.",
        maker.note,
        None if again is None else _regeneration(again, map_set.kind),
    )
    return _paragraph(story), _paragraph(doubts)


def facts(map_set: MapSet) -> list[tuple[str, str]]:
    """All that is recorded of a map set of the catalogue, as names and values to print."""
    maker = get_maker(map_set.maker)
    again = map_set.regeneration
    found = {
        "map set": map_set.id,
        "WSSS-BED": map_set.upstream,
        "made by": f"{maker.title} ({maker.paper}); key {maker.key}",
        "code": f"{maker.code or 'not published'} (licence: {maker.code_licence or 'none stated'})",
        "trained on": _training_sets(map_set),
        "supervision": describe_supervision(map_set.supervision),
        "saliency": map_set.saliency,
        "splits": _splits(map_set) + _by_lists(map_set),
        "recipe": map_set.recommended and _recipe(map_set.recommended),
        "licence": describe_licence(map_set),
        "on the Hub": _place(map_set.published),
        "archive": map_set.archive and _archive(map_set.archive),
        "made again": again and _regeneration(again, map_set.kind),
        "used by": ", ".join(map_set.used_by),
        "to cite": ", ".join(map_set.citations),
        "note": map_set.note,
        "on the maker": maker.note,
    }
    return [(name, value) for name, value in found.items() if value]


def describe_licence(map_set: MapSet) -> str:
    """The licence of the maps, or that there is none known."""
    return map_set.licence or "not stated by the authors"


def describe_supervision(supervision: Supervision | None) -> str:
    """What the strongest annotation behind maps or weights is."""
    return _SUPERVISION[supervision]


def _training_sets(map_set: MapSet) -> str:
    if map_set.trained_on is None:
        return "not stated by the authors"
    sets = (get_training_set(key) for key in map_set.trained_on)
    named = ", ".join(f"{one.title} ({one.key})" for one in sets)
    return named or get_maker(map_set.maker).trained_with or "no data set with annotations"


def _splits(map_set: MapSet) -> str:
    return ", ".join(
        f"{split} ({'number of photos not known' if images is None else f'{images:,} photos'})"
        for split, images in map_set.splits.items()
    )


def _by_lists(map_set: MapSet) -> str:
    """Where the numbers of photos come from while nobody has counted the maps."""
    return " by WSSS-BED's lists" if map_set.upstream and map_set.published is None else ""


def _recipe(recommended: RecommendedRecipe) -> str:
    return (
        f"--method {recommended.method}: recipe {recommended.recipe}, tau {recommended.tau:g}, "
        f"{'with' if recommended.saliency else 'without'} saliency, "
        f"{'ignore' if recommended.ignore else 'no ignore'} (from {recommended.source})"
    )


def _place(published: Publication | None) -> str:
    return f"{published.repo_id} at {published.revision}" if published else "not published there"


def _archive(archive: Archive) -> str:
    size = "size not known" if archive.size is None else f"{archive.size:,} bytes"
    return f"{archive.url} ({size}, sha256 {archive.sha256 or 'not published'})"


def _regeneration(regeneration: Regeneration, kind: Kind) -> str:
    verdict = {
        True: "They can be made again from published weights",
        False: "They cannot be made again from published weights",
        None: "Whether they can be made again is not known",
    }[regeneration.possible]
    if regeneration.weights is not None:
        published = _published_weights(regeneration.weights)
        verdict += f"{':' if regeneration.possible else '; published are'} {published}"
    return " ".join((f"{verdict}.", regeneration.note, *_how(regeneration, kind)))


def _published_weights(weights: str) -> str:
    """Weights that have a record by title and id, others as they are described."""
    if weights not in weights_names():
        return weights
    return f"the weights {weights} ({get_weights(weights).title})"


def _how(regeneration: Regeneration, kind: Kind) -> Iterator[str]:
    """What `regenerate` offers."""
    if regeneration.model is None:
        return
    command = f"wsss-assets regenerate --model {regeneration.model} --weights"
    labels = " --labels FILE" if kind == "activation" else ""
    if regeneration.weights in weights_names():
        yield f"'{command} {regeneration.weights}{labels}' runs the network with them."
    else:
        yield f"'{command} FILE{labels}' runs the network with weights of one's own."


def _what_it_is(map_set: MapSet) -> str:
    title = get_benchmark(map_set.benchmark).title
    maps = (
        "saliency maps, one per photo"
        if map_set.kind == "saliency"
        else "activation maps, one per photo and class present"
    )
    return f"{map_set.id}: {maps}, of {title} {_splits(map_set)}."


def _introduce(maker: Maker) -> str:
    return f"{maker.title} ({maker.paper}): {_continued(maker.what)}"


def _what_is_behind_it(map_set: MapSet) -> Iterator[str]:
    maker = get_maker(map_set.maker)
    if map_set.saliency is not None:
        behind = get_map_set(map_set.saliency)
        yield f"Here these are {behind.id}, from {_introduce(get_maker(behind.maker))}"
    elif maker.kind == "activation" and maker.trained_with is not None:
        yield f"It learns from {maker.trained_with}."
    for key in map_set.trained_on or ():
        training_set = get_training_set(key)
        yield f"Trained on {training_set.title}: {_continued(training_set.what)}"


def _what_that_means(map_set: MapSet) -> str:
    if map_set.supervision == "none":
        return "No annotation by people is known to be behind these maps."
    if map_set.supervision == "image_labels":
        return (
            "The strongest annotation behind these maps is image-level labels, which is what "
            "weakly supervised usually means."
        )
    if map_set.supervision is None:
        return "So what annotation is behind these maps is not known."
    kept = (
        "though not the benchmark's own" if map_set.trained_on else "of which photos is not known"
    )
    return (
        f"So masks drawn by people are behind these maps, {kept}: labels made with them are "
        "weakly supervised in that sense only."
    )


def _who_used_it(map_set: MapSet) -> Iterator[str]:
    if map_set.used_by:
        yield f"Used by {', '.join(map_set.used_by)}."
    results = sorted(results_of(map_set), key=lambda one: one.mean)
    if not results:
        return
    other = "method" if map_set.kind == "saliency" else "saliency"
    low, high = (f"{one.mean} ({getattr(one, other)})" for one in (results[0], results[-1]))
    scores = str(results[0].mean) if len(results) == 1 else f"{low} to {high}"
    yield f"There, networks trained on labels made with these maps reach a val mIoU of {scores}."


def _continued(sentence: str) -> str:
    """A sentence as it goes on after a colon."""
    return sentence[0].lower() + sentence[1:]


def _paragraph(sentences: tuple[str | None, ...]) -> str:
    return " ".join(sentence for sentence in sentences if sentence)
