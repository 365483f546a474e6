"""Records: frozen descriptions, stored as JSON in one canonical form.

A record that comes from outside, such as another repository's `manifest.json`, is checked here
and nowhere else: unknown fields, paths that leave their folder, digests that are none, names
that could not be file names are refused. What is not known is None (`null`), never a guess.
"""

from __future__ import annotations

from wsss_assets.catalog.records.base import Record, canonical_json, parse_record
from wsss_assets.catalog.records.fields import (
    NAME_PATTERN,
    NOT_THERE,
    REPO_ID_PATTERN,
    SET_ID_PATTERN,
    Kind,
    Supervision,
)
from wsss_assets.catalog.records.files import (
    Hole,
    LabelListFile,
    Publication,
    RepoFile,
    SplitShards,
)
from wsss_assets.catalog.records.made import MADE_MAPS_NAME, LoadedWeights, MadeFrom, MadeMaps
from wsss_assets.catalog.records.makers import (
    Archive,
    Maker,
    RecommendedRecipe,
    Regeneration,
    TrainingSet,
)
from wsss_assets.catalog.records.map_sets import Holding, Manifest, MapSet, PublishedSet
from wsss_assets.catalog.records.results import Result, ResultTable
from wsss_assets.catalog.records.weights import PublishedWeights, WeightsSource

__all__ = [
    "MADE_MAPS_NAME",
    "NAME_PATTERN",
    "NOT_THERE",
    "REPO_ID_PATTERN",
    "SET_ID_PATTERN",
    "Archive",
    "Holding",
    "Hole",
    "Kind",
    "LabelListFile",
    "LoadedWeights",
    "MadeFrom",
    "MadeMaps",
    "Maker",
    "Manifest",
    "MapSet",
    "Publication",
    "PublishedSet",
    "PublishedWeights",
    "RecommendedRecipe",
    "Record",
    "Regeneration",
    "RepoFile",
    "Result",
    "ResultTable",
    "SplitShards",
    "Supervision",
    "TrainingSet",
    "WeightsSource",
    "canonical_json",
    "parse_record",
]
