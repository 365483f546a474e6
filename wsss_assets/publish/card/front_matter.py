"""What a card says to the Hub: YAML, with nothing in it but names that records allow.

There is no `dataset_info`: the columns are in the shards, and the Hub refuses large YAML.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from wsss_assets.publish.card.configurations import default_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from wsss_assets.publish.card.configurations import Configuration

__all__ = ["front_matter"]

_SIZES = ("1K", "10K", "100K", "1M", "10M", "100M", "1B", "10B", "100B", "1T")
_TAGS = {"saliency": "saliency-maps", "activation": "class-activation-maps"}


def front_matter(configurations: Sequence[Configuration], title: str, repo_id: str) -> str:
    """The lines between the two `---` of a card.

    Args:
        configurations: at least one.
        title: what the Hub shows as the name.
        repo_id: `org/name`.
    """
    benchmarks = dict.fromkeys(one.record.benchmark for one in configurations)
    kinds = dict.fromkeys(one.record.kind for one in configurations)
    size = _size_category(configurations)
    lists = {
        "annotations_creators": ["machine-generated"],
        "source_datasets": [f"extended|other-{benchmark}" for benchmark in benchmarks],
        "task_categories": ["image-segmentation"],
        "task_ids": ["semantic-segmentation"],
        "size_categories": [] if size is None else [size],
        "tags": ["weakly-supervised-semantic-segmentation", *(_TAGS[kind] for kind in kinds)],
    }
    return "\n".join(
        (
            f"pretty_name: {_quoted(title)}",
            "license: other",
            "license_name: per-map-set",
            f"license_link: {_quoted(f'https://huggingface.co/datasets/{repo_id}#licences')}",
            *(line for key, values in lists.items() for line in _list(key, values)),
            "configs:",
            *_configs(configurations),
        )
    )


def _size_category(configurations: Iterable[Configuration]) -> str | None:
    """How the Hub calls the number of rows of all configurations; None: it is not known."""
    total = 0
    for one in configurations:
        for split in one.splits:
            rows = one.rows(split)
            if rows is None:
                return None
            total += rows
    bounds = [1000 * 10**power for power in range(len(_SIZES))]
    above = [size for size, bound in zip(_SIZES, bounds, strict=True) if total >= bound]
    if not above:
        return f"n<{_SIZES[0]}"
    if len(above) == len(_SIZES):
        return f"n>{_SIZES[-1]}"
    return f"{above[-1]}<n<{_SIZES[len(above)]}"


def _list(key: str, values: Sequence[str]) -> Iterator[str]:
    if values:
        yield f"{key}:"
        yield from (f"- {value}" for value in values)


def _configs(configurations: Sequence[Configuration]) -> Iterator[str]:
    default = default_of(configurations)
    for one in configurations:
        yield f"- config_name: {one.name}"
        if one is default:
            yield "  default: true"
        yield "  data_files:"
        for split in one.splits:
            yield f"  - split: {_quoted(split)}"
            yield f"    path: {one.record.id}/{split}-*.parquet"


def _quoted(text: str) -> str:
    """A text that YAML reads as this text, a split called `no` included."""
    return json.dumps(text)
