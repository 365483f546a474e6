"""Records of what made maps: models and methods, what they were trained on, archives."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, PositiveInt

from wsss_assets.catalog.records.base import Record
from wsss_assets.catalog.records.fields import HttpsUrl, Kind, Line, Name, Sha256, Supervision

__all__ = ["Archive", "Maker", "RecommendedRecipe", "Regeneration", "TrainingSet"]


class RecommendedRecipe(Record):
    """Which recipe, with which settings, those who made the maps use on them.

    Attributes:
        method: name for `--method`; the recipe with its settings.
        recipe: name for `--recipe`.
        tau: activation threshold, 0..1.
        ignore: whether salient pixels of no class become 255.
        saliency: whether the recipe reads saliency maps.
        source: who recommends it.
    """

    method: Name
    recipe: Line
    tau: Annotated[float, Field(ge=0, le=1)]
    ignore: bool
    saliency: bool
    source: Line


class Regeneration(Record):
    """Whether the maps can be made again, and from which published weights.

    Attributes:
        possible: from weights that their authors published; None: not known.
        model: name for `regenerate --model`; None where there is no such network.
        weights: id of the record of published weights, trained on the same data; where there is
            no such record, which they are and where they lie; None where there are none.
        note: what stands in the way, or how close it can come.
    """

    possible: bool | None
    model: Name | None = None
    weights: Line | None = None
    note: Line


class Maker(Record):
    """A saliency model or an activation method.

    Attributes:
        key: its name in map set ids.
        kind: what kind of maps it makes.
        title: its name as papers write it.
        what: what it is, in a sentence or two.
        trained_with: annotation it needs for its own training, beyond a training set that a map
            set names; None where that is all.
        citations: keys of its papers' BibTeX entries.
        paper: author, year and venue in short.
        code: where its authors' code lies.
        code_licence: licence of that code; None: none stated.
        recommended: for activation maps.
        note: what a user must know.
    """

    key: Name
    kind: Kind
    title: Line
    what: Line
    trained_with: Line | None = None
    citations: tuple[Name, ...]
    paper: Line
    code: HttpsUrl | None
    code_licence: Line | None
    recommended: RecommendedRecipe | None = None
    note: Line | None = None


class TrainingSet(Record):
    """A data set that saliency models are trained on.

    Attributes:
        key: its name in records.
        title: its name as papers write it.
        supervision: what it is annotated with.
        what: what it is, in a sentence or two, and what that means for "weakly supervised".
        citations: keys of its papers' BibTeX entries.
    """

    key: Name
    title: Line
    supervision: Supervision
    what: Line
    citations: tuple[Name, ...]


class Archive(Record):
    """A zip archive of the authors.

    Attributes:
        url: where it lies.
        size: bytes; None: not known.
        sha256: its digest; None: not published, recorded when it is first fetched.
    """

    url: HttpsUrl
    size: PositiveInt | None = None
    sha256: Sha256 | None = None
