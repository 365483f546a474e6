"""Settings of a record, which a person may have edited, read with what they must be."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from wsss_assets.errors import RecordError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["only", "setting"]

_KINDS: dict[str, Callable[[Any], bool]] = {
    "an object": lambda value: isinstance(value, dict),
    "a text": lambda value: isinstance(value, str),
    "true or false": lambda value: isinstance(value, bool),
    "fp32, tf32, bf16 or fp16": lambda value: value in ("fp32", "tf32", "bf16", "fp16"),
    "RGB or BGR": lambda value: value in ("RGB", "BGR"),
    "a whole number from 1": lambda value: type(value) is int and value > 0,
    "a number above 0": lambda value: _is_number(value) and value > 0,
    "three numbers": lambda value: (
        isinstance(value, list) and len(value) == 3 and all(map(_is_number, value))
    ),
}


def setting(settings: Mapping[str, Any], path: str, kind: str) -> Any:  # noqa: ANN401 (JSON)
    """The value of a setting, which must be there and of its kind.

    Args:
        settings: of a record.
        path: names of nested ones with dots between them.
        kind: what it must be, in words: one of `_KINDS`.

    Raises:
        RecordError: it is not; the error says which setting, and what there is.
    """
    value: Any = settings
    passed: list[str] = []
    for name in path.split("."):
        if not isinstance(value, dict):
            raise _wrong(".".join(passed), "an object", value)
        passed.append(name)
        if name not in value:
            raise RecordError(f"the setting {'.'.join(passed)} is missing", expected=kind)
        value = value[name]
    if not _KINDS[kind](value):
        raise _wrong(path, kind, value)
    return value


def only(settings: Mapping[str, Any], path: str, *names: str) -> dict[str, Any]:
    """An object that must have no other settings than these.

    Raises:
        RecordError: it is none, or has others.
    """
    found: dict[str, Any] = setting(settings, path, "an object")
    unknown = [name for name in found if name not in names]
    if unknown:
        raise RecordError(
            f"there is no setting {path}.{unknown[0]}", expected=f"only {', '.join(names)}"
        )
    return found


def _wrong(path: str, kind: str, value: object) -> RecordError:
    return RecordError(f"the setting {path} makes no sense", expected=kind, found=_in_json(value))


def _in_json(value: object) -> str:
    """What a value is, as JSON has it and not too long."""
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, list):
        return "a list"
    return "null" if value is None else repr(value)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
