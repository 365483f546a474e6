"""Weights as safetensors, with a model card that says where they come from."""

from __future__ import annotations

import json
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wsss_assets import __version__
from wsss_assets.benchmarks import get_benchmark
from wsss_assets.catalog.bibliography import citations
from wsss_assets.catalog.catalog import get_weights, weights_names
from wsss_assets.catalog.prose import describe_supervision
from wsss_assets.catalog.weights import describe_source, describe_training
from wsss_assets.errors import DataError, UsageError
from wsss_assets.map_sets.feedback import SILENT
from wsss_assets.models.activation import ActivationMethod
from wsss_assets.regenerate.weights import TENSORS_NAME, resolve
from wsss_assets.regenerate.weights_cache import known_as
from wsss_assets.storage.files import sha256_file, write_atomically

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from wsss_assets.catalog.records import PublishedWeights
    from wsss_assets.map_sets.feedback import Feedback
    from wsss_assets.models.architecture import Architecture
    from wsss_assets.regenerate.weights_cache import WeightsFile

__all__ = ["CARD_NAME", "convert_weights", "model_card"]

CARD_NAME = "README.md"

_HUB_LICENCES = {"Apache-2.0": "apache-2.0", "MIT": "mit", "GPL-3.0": "gpl-3.0"}
"""Licences as the front matter of a card names them."""

_BENCHMARKS = ("voc2012", "coco2014")
"""Those that activation methods have networks for."""

_SALIENCY_TAGS = ("saliency", "salient-object-detection")
_ACTIVATION_TAGS = ("activation-maps", "class-activation-maps")


def convert_weights(
    given: Sequence[str],
    model: str | None,
    folder: Path,
    feedback: Feedback = SILENT,
    *,
    classes: int | None = None,
) -> tuple[Path, Path]:
    """Load weights into their network and write `model.safetensors` and `README.md`.

    Args:
        given: paths or ids of published weights, as `resolve` takes them.
        model: the network; None: that of the id, or of the published weights that a file is.
        folder: where to; made if need be.
        feedback: who waits.
        classes: of an activation method, how many its network knows, without background; None:
            as many as that of the id, or of the one number there is.

    Returns:
        The two files.

    Raises:
        UsageError: no network is named, no id, and no file of a known digest; or the number of
            classes is not known, not that of the id, or none for which there is a network.
        DataError: the folder has such a file already.
        WeightsError: they do not fit the network.
        MissingDependencyError: torch or safetensors is not installed.
        WsssAssetsError: whatever `resolve` raises.
    """
    from wsss_assets.models import create_model, find_model, load_weights
    from wsss_assets.models.safetensors_files import save_safetensors

    network = find_model(model or _model_of(given))
    tensors, card = folder / TENSORS_NAME, folder / CARD_NAME
    for path in (tensors, card):
        if path.exists():
            raise DataError(
                f"{path} is there already", done="nothing was written", hint="name another folder"
            )
    if isinstance(network, ActivationMethod):
        files = resolve(network.name, given, feedback, classes=classes)
        classes = classes or _classes_of(files, network)
    else:
        files = resolve(network.name, given, feedback)
    net = create_model(network.name, classes)
    load_weights(net, *(file.path for file in files))
    digests = " ".join(file.sha256 for file in files)
    folder.mkdir(parents=True, exist_ok=True)
    save_safetensors(net, tensors, {"model": network.name, "source_sha256": digests})
    write_atomically(card, model_card(network, files, sha256_file(tensors), classes))
    return tensors, card


def model_card(
    network: Architecture | ActivationMethod,
    files: Sequence[WeightsFile],
    sha256: str,
    classes: int | None = None,
) -> str:
    """The text of a model card.

    Args:
        network: that of saliency maps, or an activation method.
        files: what its weights were read from.
        sha256: digest of `model.safetensors`.
        classes: of an activation method, how many its network knows.
    """
    records = [get_weights(one.record_id) for one in files if one.record_id is not None]
    keys = [network.citation or "", *(key for one in records for key in one.citations)]
    parts = [
        _front_matter(_licence(files, records), classes),
        f"# {network.title}\n",
        f"{_wrapped(_introduction(network, classes))}\n",
        "## Where the weights come from\n",
        "\n".join(_origin(files)) + "\n",
        f"`{TENSORS_NAME}` holds them as they were loaded into the network; its sha256 is\n"
        f"`{sha256}`.\n",
        "## Licence\n",
        f"{_wrapped(_about_licence(files, records))}\n",
        "## What the network is shown, and what becomes of its output\n",
        f"```json\n{json.dumps(_settings(network, classes), indent=2)}\n```\n",
        *((_wrapped(network.unknown) + "\n",) if network.unknown else ()),
        "## Use\n",
        _use(network.name, classes),
        "## To cite\n",
        f"```bibtex\n{citations(filter(None, keys))}```\n",
    ]
    return "\n".join(parts)


def _model_of(given: Sequence[str]) -> str:
    for one in given:
        path = Path(one).expanduser()
        if one in weights_names():
            return get_weights(one).model
        known = known_as(sha256_file(path)) if path.is_file() else None
        if known is not None:
            return get_weights(known).model
    raise UsageError(
        f"{', '.join(given)}: of which network these weights are, is not known",
        hint="name it with --model NAME; docs/models.md lists the networks",
    )


def _classes_of(files: Sequence[WeightsFile], method: ActivationMethod) -> int:
    """How many classes weights are for, by their records or because there is one number."""
    for file in files:
        recorded = None if file.record_id is None else get_weights(file.record_id).classes
        if recorded is not None:
            return recorded
    if len(method.classes) == 1:
        return method.classes[0]
    raise UsageError(
        f"for how many classes these weights of {method.name} are, a file does not say",
        expected=f"--classes {' or '.join(map(str, method.classes))}",
        hint="20 are PASCAL VOC's, 80 COCO's",
    )


def _settings(network: Architecture | ActivationMethod, classes: int | None) -> dict[str, Any]:
    if isinstance(network, ActivationMethod):
        return network.settings(classes or network.classes[0])
    return network.settings()


def _licence(files: Sequence[WeightsFile], records: Sequence[PublishedWeights]) -> str | None:
    """The licence that all parts have in common; None: not stated, or not the same."""
    stated = {one.licence for one in records}
    known = len(records) == len(files) and len(stated) == 1
    return stated.pop() if known else None


def _front_matter(licence: str | None, classes: int | None) -> str:
    return "\n".join(
        (
            "---",
            f"license: {_HUB_LICENCES.get(licence or '', 'unknown')}",
            "library_name: wsss-assets",
            "pipeline_tag: image-segmentation",
            "tags:",
            *(f"- {tag}" for tag in (_SALIENCY_TAGS if classes is None else _ACTIVATION_TAGS)),
            "- weakly-supervised-semantic-segmentation",
            "---",
            "",
        )
    )


def _introduction(network: Architecture | ActivationMethod, classes: int | None) -> str:
    what = (
        f"the saliency network `{network.name}`"
        if classes is None
        else f"the activation method `{network.name}`, a network that makes activation maps of "
        f"{classes} classes"
    )
    return f"Weights of {what}, converted by wsss-assets {__version__}. {network.reference}"


def _origin(files: Sequence[WeightsFile]) -> Iterator[str]:
    """A list item for each file that the weights were read from."""
    for file in files:
        if file.record_id is None:
            said = [f"`{file.path.name}`, a file of which nothing is recorded"]
        else:
            record = get_weights(file.record_id)
            said = [
                f"{record.title} (`{record.id}`)",
                f"from {'; or '.join(map(describe_source, record.sources))}",
                f"trained on: {describe_training(record)}",
                f"supervision: {describe_supervision(record.supervision)}",
                *((f"trained with saliency maps: `{record.saliency}`",) if record.saliency else ()),
                *((record.note.rstrip("."),) if record.note else ()),
            ]
        said.append(f"its sha256: `{file.sha256}`")
        yield textwrap.fill(
            ". ".join(one[0].upper() + one[1:] for one in said) + ".",
            100,
            initial_indent="- ",
            subsequent_indent="  ",
            break_long_words=False,
            break_on_hyphens=False,
        )


def _about_licence(files: Sequence[WeightsFile], records: Sequence[PublishedWeights]) -> str:
    stated = [f"{one.id}: {one.licence or 'not stated by its authors'}" for one in records]
    code = [f"{one.id}: {one.code_licence or 'none stated'}" for one in records]
    unstated = len(records) < len(files) or any(one.licence is None for one in records)
    sentences = [
        f"Of the weights: {'; '.join(stated)}." if stated else "Of the weights: not known.",
        f"Of the repositories that publish them: {'; '.join(code)}." if code else "",
        "Weights without a stated licence must not be redistributed without asking their authors; "
        "converting them changes nothing about that."
        if unstated
        else "",
    ]
    return " ".join(filter(None, sentences))


def _use(name: str, classes: int | None) -> str:
    number = "" if classes is None else f", num_classes={classes}"
    options = "" if classes is None else _activation_options(name, classes)
    return (
        "```python\n"
        "from wsss_assets.models import create_model, load_weights\n\n"
        f'net = load_weights(create_model("{name}"{number}), "{TENSORS_NAME}")\n'
        "```\n\n"
        "```sh\n"
        f"wsss-assets regenerate --model {name} --weights {TENSORS_NAME} "
        f"--images photos{options} --out maps\n"
        "```\n"
    )


def _activation_options(name: str, classes: int) -> str:
    """What an activation method must be told besides: whose classes, which of them, seeds."""
    benchmark = next(one for one in _BENCHMARKS if len(get_benchmark(one).classes) == classes)
    seeds = " --seeds ir_label" if name == "amn" else ""
    return f" --benchmark {benchmark} --labels labels.txt{seeds}"


def _wrapped(text: str) -> str:
    return textwrap.fill(text, 100, break_long_words=False, break_on_hyphens=False)
