"""Examples of use in a card: Python that runs as it stands."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from wsss_assets.map_sets.obtain import USUAL_SPLITS
from wsss_assets.map_sets.repository import DEFAULT_REPO_ID
from wsss_assets.publish.card.configurations import default_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wsss_assets.publish.card.configurations import Configuration

__all__ = ["checked", "with_package", "without_package"]

_USUAL_BENCHMARK = "voc2012"

_JOIN = """\
assert saliency["image_id"][:] == activation["image_id"][:]
data = datasets.concatenate_datasets([saliency, activation.remove_columns("image_id")], axis=1)"""

_CHECKED = """\
import hashlib
import json
from pathlib import Path

import datasets
from huggingface_hub import hf_hub_download


def fetch(path):
    return Path(hf_hub_download({repo_id}, path, repo_type="dataset", revision={version}))


manifest = json.loads(fetch("manifest.json").read_text("utf-8"))
found = next(one for one in manifest["sets"] if one["record"]["id"] == {set_id})
files = found["splits"][{split}]["files"]
for file in files:
    assert hashlib.sha256(fetch(file["path"]).read_bytes()).hexdigest() == file["sha256"]
{kind} = datasets.Dataset.from_parquet([str(fetch(file["path"])) for file in files])"""


def with_package(configurations: Sequence[Configuration], repo_id: str, version: str) -> str:
    """Loading a saliency and an activation set, where there are both, with this package."""
    chosen = _chosen(configurations)
    options: dict[str, str] = {one.record.kind: _short_name(one, chosen) for one in chosen}
    columns = [f'row["{column}"]' for column in ("image_id", "labels", *options)]
    if chosen[0].record.benchmark != _USUAL_BENCHMARK:
        options["benchmark"] = chosen[0].record.benchmark
    if any(len(one.splits) > 1 for one in chosen):
        options["split"] = _split(chosen)
    if repo_id != DEFAULT_REPO_ID:
        options |= {"repo_id": repo_id, "revision": version}
    arguments = ", ".join(f"{name}={_text(value)}" for name, value in options.items())
    return (
        "from wsss_assets import load_dataset\n\n"
        f'data = load_dataset("wsss-bed", {arguments})\n'
        f"row = data[0]\n{', '.join(columns)}"
    )


def without_package(configurations: Sequence[Configuration], repo_id: str, version: str) -> str:
    """The same with `datasets` alone."""
    chosen = _chosen(configurations)
    split = _split(chosen)
    pinned = f"split={_text(split)}, revision={_text(version)}"
    loads = [
        f"{one.record.kind} = datasets.load_dataset(\n"
        f"    {_text(repo_id)}, {_text(one.name)}, {pinned}\n"
        ")"
        for one in chosen
    ]
    return "\n".join(("import datasets\n", *loads, *([_JOIN] if len(chosen) > 1 else [])))


def checked(configurations: Sequence[Configuration], repo_id: str, version: str) -> str:
    """The same for one set, held to the manifest."""
    chosen = _chosen(configurations)
    return _CHECKED.format(
        repo_id=_text(repo_id),
        version=_text(version),
        set_id=_text(chosen[0].record.id),
        split=_text(_split(chosen)),
        kind=chosen[0].record.kind,
    )


def _chosen(configurations: Sequence[Configuration]) -> tuple[Configuration, ...]:
    """The default and one that goes with it, if there is one: saliency, then activation."""
    first = default_of(configurations)
    others = [
        one
        for one in configurations
        if one.record.benchmark == first.record.benchmark
        and one.record.kind != first.record.kind
        and one.splits.keys() & first.splits.keys()
    ]
    made_with_it = [one for one in others if _is_trained_with(one, first)]
    second = next(iter([*made_with_it, *others]), None)
    chosen = (first,) if second is None else (first, second)
    return tuple(sorted(chosen, key=lambda one: one.record.kind != "saliency"))


def _is_trained_with(one: Configuration, other: Configuration) -> bool:
    return one.record.saliency == other.record.id or other.record.saliency == one.record.id


def _short_name(one: Configuration, chosen: Sequence[Configuration]) -> str:
    """`eps` for the set of EPS that was trained with the saliency set beside it."""
    beside = [other.record for other in chosen if other.record.id == one.record.saliency]
    suffixes = [f"_{record.name}" for record in beside]
    return one.record.name.removesuffix(suffixes[0]) if suffixes else one.record.name


def _split(chosen: Sequence[Configuration]) -> str:
    """A split that all of them have."""
    shared = [split for split in chosen[0].splits if all(split in one.splits for one in chosen)]
    return next(split for split in (*USUAL_SPLITS, *shared) if split in shared)


def _text(value: str) -> str:
    """A text as Python writes it."""
    return json.dumps(value)
