"""In what settings differ, and how that is told to people."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["Told", "differences", "spoken", "told"]

_ABSENT = object()
_DIGEST = re.compile(r"[0-9a-f]{64}")
_PLAIN = re.compile(r"(?!(none|yes|no)$)[\w./:+-]+")
_DIGITS_SHOWN = 12


class Told(NamedTuple):
    """A setting that differs, in words.

    Attributes:
        name: what people call it.
        base: its value in one.
        other: its value in the other.
    """

    name: str
    base: str
    other: str


def differences(base: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    """What differs between settings, by the names of nested ones with dots between them.

    Returns:
        The value in `base` and that in `other`, None where there is none.
    """
    left, right = _flat(base), _flat(other)
    return {
        key: (left.get(key), right.get(key))
        for key in sorted({*left, *right})
        if left.get(key, _ABSENT) != right.get(key, _ABSENT)
    }


def told(
    changed: Mapping[str, tuple[Any, Any]], names: Mapping[str, str] | None = None
) -> list[Told]:
    """What people are told of differences.

    A digest is left out where what it is the digest of differs as well.

    Args:
        changed: as `differences` gives them.
        names: what people call a setting, such as the option that sets it; those come first.
    """
    names = names or {}
    shown = [key for key in changed if not _is_said_otherwise(key, changed)]
    shown.sort(key=lambda key: key not in names)
    return [Told(names.get(key, key), *map(spoken, changed[key])) for key in shown]


def spoken(value: object) -> str:
    """A value of a setting as people read it.

    >>> spoken(None), spoken(True), spoken([0.1, 2]), spoken("fp16"), spoken("two words")
    ('none', 'yes', '0.1,2', 'fp16', "'two words'")
    """
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return ",".join(map(spoken, value)) or "none"
    if not isinstance(value, str):
        return repr(value)
    if _DIGEST.fullmatch(value):
        return f"{value[:_DIGITS_SHOWN]}…"
    return value if _PLAIN.fullmatch(value) else repr(value)


def _is_said_otherwise(key: str, changed: Mapping[str, Any]) -> bool:
    """Whether a key is of a digest, and what that is taken of differs as well."""
    if key.endswith("_sha256"):
        return key.removesuffix("_sha256") in changed
    group = key.removesuffix("sha256")
    beside: Sequence[str] = [one for one in changed if one.startswith(group) and one != key]
    return group != key and group.endswith(".") and bool(beside)


def _flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    result: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, dict):
            result.update(_flat(value, f"{prefix}{key}."))
        else:
            result[prefix + key] = value
    return result
