"""Everything that this package raises on purpose.

```
WsssAssetsError                 catch this one to catch them all
├── UsageError                  an option or argument makes no sense           exit 2
│   └── UnknownNameError        no benchmark, recipe, … of that name           exit 2
├── DataError                   what was given to work on cannot be used       exit 3
│   ├── MissingFileError        a file or folder is not there
│   ├── ImageFormatError        unreadable, 16-bit, coloured, a value that is no class
│   ├── SizeMismatchError       two maps of one image differ in size
│   ├── ListFormatError         a list, instances file or devkit is malformed
│   ├── RecordError             a record or manifest is malformed
│   ├── WeightsError            a checkpoint is unreadable, or belongs to another network
│   ├── ArchiveError            a zip archive is damaged or does what no archive of maps should
│   ├── IgnoredPixelsError      predictions hold 255 and no policy says what that means
│   └── FolderInUseError        the output folder was made with other settings
├── NotSweepableError           the recipe's structure allows no one-pass sweep exit 2
├── FetchError                  the network failed, or there is none           exit 4
│   └── ChecksumError           what arrived is not what was promised
└── MissingDependencyError      an optional package is not installed           exit 5
```

An error says what went wrong and, where there is something to say, what was expected, what
was found, what was done about it and what to do next.
"""

from __future__ import annotations

import contextlib
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar

from wsss_assets.words import did_you_mean, near

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

__all__ = [
    "ArchiveError",
    "ChecksumError",
    "DataError",
    "FetchError",
    "FolderInUseError",
    "IgnoredPixelsError",
    "ImageFormatError",
    "ListFormatError",
    "MissingDependencyError",
    "MissingFileError",
    "NotSweepableError",
    "RecordError",
    "SizeMismatchError",
    "UnknownNameError",
    "UsageError",
    "WeightsError",
    "WsssAssetsError",
    "about",
]


class WsssAssetsError(Exception):
    """Root of the tree above.

    Args:
        summary: what went wrong, naming the file, option or value; no full stop.
        expected: what would have been right.
        found: what was there instead.
        done: what has been done about it (nothing written, one file skipped, …).
        hint: the next command or step.
    """

    exit_code: ClassVar[int] = 1

    def __init__(
        self,
        summary: str,
        *,
        expected: str | None = None,
        found: str | None = None,
        done: str | None = None,
        hint: str | None = None,
    ) -> None:
        super().__init__(summary)
        self.summary = summary
        self.expected = expected
        self.found = found
        self.done = done
        self.hint = hint

    def __str__(self) -> str:
        parts = [self.summary]
        if self.expected:
            parts.append(f"expected {self.expected}")
        if self.found:
            parts.append(f"found {self.found}")
        if self.done:
            parts.append(self.done)
        text = "; ".join(parts)
        return f"{text}\n→ {self.hint}" if self.hint else text

    def __reduce__(self) -> tuple[Any, ...]:
        """So that it passes between processes, whatever a class takes to be made."""
        return _remade, (type(self), self.args), self.__dict__


def _remade(kind: type[WsssAssetsError], args: tuple[object, ...]) -> WsssAssetsError:
    """An error of these arguments whose attributes are yet to be set."""
    return kind.__new__(kind, *args)


class UsageError(WsssAssetsError):
    """An option or argument makes no sense."""

    exit_code = 2


class UnknownNameError(UsageError):
    """No such name; close ones are offered."""

    def __init__(self, kind: str, name: str, known: Iterable[str]) -> None:
        known = sorted(known)
        super().__init__(
            f"no {kind} is called {name!r}",
            expected="one of " + ", ".join(known),
            hint=did_you_mean(near(name.lower(), known, most=3)),
        )

    @classmethod
    def saying(
        cls, summary: str, *, expected: str | None = None, hint: str | None = None
    ) -> UnknownNameError:
        """The same error where more is known than which names there are."""
        error = cls.__new__(cls)
        WsssAssetsError.__init__(error, summary, expected=expected, hint=hint)
        return error


class DataError(WsssAssetsError):
    """What was given to work on cannot be used."""

    exit_code = 3


class MissingFileError(DataError):
    """A file or folder is not there."""


class ImageFormatError(DataError):
    """An image is unreadable, 16-bit, coloured, or holds a value that is no class."""


class SizeMismatchError(DataError):
    """Two maps of one image differ in size."""


class ListFormatError(DataError):
    """A label list, an instances file or a devkit folder is malformed."""


class RecordError(DataError):
    """A record or manifest is malformed, damaged or contradicts itself."""


class WeightsError(DataError):
    """A checkpoint is unreadable, would run code, or belongs to another network.

    Args:
        summary: as in every error.
        missing: keys of the network that the checkpoint lacks.
        unexpected: keys of the checkpoint that the network lacks.
        misshapen: (shape in the checkpoint, shape in the network) by key.
        details: `expected`, `found`, `done` and `hint` of every error.

    Attributes:
        missing: all of them; the message names the first few.
        unexpected: likewise.
        misshapen: likewise.
    """

    def __init__(
        self,
        summary: str,
        *,
        missing: Iterable[str] = (),
        unexpected: Iterable[str] = (),
        misshapen: Mapping[str, tuple[tuple[int, ...], tuple[int, ...]]] | None = None,
        **details: str | None,
    ) -> None:
        super().__init__(summary, **details)
        self.missing = tuple(missing)
        self.unexpected = tuple(unexpected)
        self.misshapen = dict(misshapen or {})


class ArchiveError(DataError):
    """A zip archive is damaged, or does what no archive of maps should."""


class IgnoredPixelsError(DataError):
    """Predictions hold 255 and nothing says what that means for the score."""


class FolderInUseError(DataError):
    """The output folder was made with other settings.

    Attributes:
        changed: the value there and the one here by setting, where these differ.
    """

    changed: Mapping[str, tuple[Any, Any]] = MappingProxyType({})


class NotSweepableError(WsssAssetsError):
    """The structure of the recipe allows no one-pass sweep."""

    exit_code = 2


class FetchError(WsssAssetsError):
    """The network failed, or there is none."""

    exit_code = 4


class ChecksumError(FetchError):
    """What arrived is not what was promised."""


class MissingDependencyError(WsssAssetsError):
    """An optional package is not installed."""

    exit_code = 5

    def __init__(self, package: str, extra: str, purpose: str) -> None:
        super().__init__(
            f"{purpose} needs the package {package}, which is not installed",
            hint=f"pip install 'wsss-assets[{extra}]'",
        )


@contextlib.contextmanager
def about(what: str) -> Iterator[None]:
    """Say of errors in the data what they are about, such as an image."""
    try:
        yield
    except DataError as error:
        error.summary = f"{what}: {error.summary}"
        raise
