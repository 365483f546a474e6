"""What an examination of a benchmark's folder found."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

from wsss_assets.words import first_few

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Checkup", "Finding", "Level", "some"]

Level: TypeAlias = Literal["ok", "warning", "problem"]
_SHOWN = 3


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        level: `ok`; `warning`, something works less well or not at all but nothing is wrong;
            `problem`, numbers made with this folder would be wrong or cannot be made.
        what: the finding.
        todo: what to do about it; empty where nothing is to be done.
    """

    level: Level
    what: str
    todo: str = ""


@dataclass(frozen=True)
class Checkup:
    """All findings about a folder, in the order in which they were made."""

    benchmark: str
    root: str
    quick: bool
    findings: tuple[Finding, ...]

    def count(self, level: Level) -> int:
        """How many findings are of a level."""
        return sum(finding.level == level for finding in self.findings)

    def as_dict(self) -> dict[str, object]:
        """The same as plain values, for JSON."""
        return asdict(self) | {
            "problems": self.count("problem"),
            "warnings": self.count("warning"),
        }


def some(ids: Sequence[str]) -> str:
    """The first few of many images."""
    return first_few(ids, _SHOWN)
