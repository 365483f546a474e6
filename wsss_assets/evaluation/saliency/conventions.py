"""Conventions of scoring saliency maps, by name; other names are refused."""

from __future__ import annotations

from typing import TypeVar, get_args

from wsss_assets.errors import UnknownNameError
from wsss_assets.evaluation.saliency.measures import Normalisation
from wsss_assets.evaluation.saliency.truth import KINDS, VOIDS, Kind, Void

__all__ = ["check_kind", "check_normalisation", "check_void"]

Name = TypeVar("Name", bound=str)

_NORMALISATIONS: tuple[Normalisation, ...] = get_args(Normalisation)


def check_kind(name: str) -> Kind:
    """`name` as a kind of ground truth.

    Raises:
        UnknownNameError: it is none; so for the others.
    """
    return _known("kind of ground truth", name, KINDS)


def check_normalisation(name: str) -> Normalisation:
    """`name` as a normalisation."""
    return _known("normalisation", name, _NORMALISATIONS)


def check_void(name: str) -> Void:
    """`name` as a policy for void pixels."""
    return _known("policy for void pixels", name, VOIDS)


def _known(what: str, name: str, known: tuple[Name, ...]) -> Name:
    for one in known:
        if one == name:
            return one
    raise UnknownNameError(what, name, known)
