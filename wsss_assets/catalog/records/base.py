"""What all records share, and their one form as JSON."""

from __future__ import annotations

import json
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from wsss_assets.errors import RecordError

__all__ = ["AnyRecord", "Record", "canonical_json", "parse_record"]

AnyRecord = TypeVar("AnyRecord", bound="Record")


class Record(BaseModel):
    """What all records share: frozen, no unknown field, no silent conversion."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


def canonical_json(record: Record) -> str:
    """The one way a record is written: fields as declared, two spaces, UTF-8, a line feed."""
    values = record.model_dump(mode="json")
    return json.dumps(values, indent=2, ensure_ascii=False) + "\n"


def parse_record(kind: type[AnyRecord], text: str | bytes, where: str) -> AnyRecord:
    """Read a record.

    Args:
        kind: which record.
        text: its JSON.
        where: the file or address, for the error.

    Raises:
        RecordError: it is no JSON, or no such record: the error names the first fields that are
            wrong.
    """
    try:
        return kind.model_validate_json(text)
    except ValidationError as error:
        if error.errors()[0]["type"] == "json_invalid":
            what = error.errors()[0]["msg"].removeprefix("Invalid JSON: ")
            raise RecordError(f"{where} is cut off or no JSON", found=what) from error
        raise RecordError(
            f"{where} is no {kind.__name__} record", found=_faults(error.errors())
        ) from error


def _faults(errors: list[Any]) -> str:
    """The first three faults, each with its place."""
    shown = [
        f"{'.'.join(str(part) for part in error['loc']) or 'record'}: {error['msg']}"
        for error in errors[:3]
    ]
    more = f" and {len(errors) - 3} more" if len(errors) > 3 else ""
    return "; ".join(shown) + more
