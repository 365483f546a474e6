"""Weights for a network: files of one's own, or published ones, fetched once and checked.

`<cache>/weights/<id>/<file name>` is the file, and `<file name>.json` beside it the digest that it
had when it was first seen, where none is published. Where its authors put it into a zip archive,
that is `<file name>.zip` until the file is taken out of it.
"""

from __future__ import annotations

import hashlib
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from wsss_assets.catalog.catalog import get_weights, list_weights, weights_names
from wsss_assets.catalog.first_seen import FirstSeen
from wsss_assets.catalog.records import Archive
from wsss_assets.catalog.weights import describe_source
from wsss_assets.errors import (
    ArchiveError,
    ChecksumError,
    DataError,
    MissingFileError,
    UsageError,
)
from wsss_assets.map_sets.feedback import SILENT
from wsss_assets.map_sets.store import locked
from wsss_assets.regenerate.drive import fetch_from_drive, ready_drive
from wsss_assets.regenerate.file_kinds import describe_kind, is_of_its_kind
from wsss_assets.regenerate.unpacking import take_member
from wsss_assets.storage.fetch import cache_folder, fetch_archive
from wsss_assets.storage.files import replaced, sha256_file
from wsss_assets.storage.verified import is_whole

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Literal

    from wsss_assets.catalog.records import PublishedWeights, WeightsSource
    from wsss_assets.map_sets.feedback import Feedback

__all__ = [
    "TENSORS_NAME",
    "WeightsFile",
    "copy_weights",
    "fetch_weights",
    "first_seen",
    "is_here",
    "kept_at",
    "known_as",
    "obtain_weights",
    "resolve",
]

TENSORS_NAME = "model.safetensors"
"""What converted weights are called in their folder."""

_ANY_NETWORK = "onnx"
"""The model that runs the network of an ONNX file, whichever it is."""


@dataclass(frozen=True)
class WeightsFile:
    """A file of weights on this machine.

    Attributes:
        path: where it is.
        sha256: its digest.
        record_id: id of the published weights that it is; None: none that is known.
    """

    path: Path
    sha256: str
    record_id: str | None


def resolve(
    model_name: str,
    given: Sequence[str] = (),
    feedback: Feedback = SILENT,
    *,
    classes: int | None = None,
) -> list[WeightsFile]:
    """The files that a network is to load, in this order.

    Args:
        model_name: the network, by its name in `list_models`, or `onnx`.
        given: paths of files or of folders with a `model.safetensors`, or ids of published
            weights, which bring with them what else they need; a path of such a name is written
            `./name`. None: the published weights of that network.
        feedback: who waits.
        classes: how many classes the network of an activation method has, without background.

    Raises:
        UnknownNameError: there is no such network.
        UsageError: there are no published weights of it, only a person can get them, or those
            named are of another network or for other classes.
        MissingFileError: there is no such file.
        DataError: what is to be published weights is no file of weights at all.
        FetchError: the network failed; `ChecksumError`: it is not the file that it should be.
        ArchiveError: it is not in the archive that it should be in.
        MissingDependencyError: gdown or filelock is needed for that and not installed.
    """
    if not given:
        return obtain_weights(_default(model_name, classes), feedback)
    files = [file for one in given for file in _given(one, model_name, classes, feedback)]
    return list(dict.fromkeys(files))


def obtain_weights(record: PublishedWeights, feedback: Feedback = SILENT) -> list[WeightsFile]:
    """Published weights and what they need besides, fetched unless they are here.

    Raises:
        UsageError: only a person can get them.
        DataError: what is there, or what came, is no file of weights at all.
        FetchError: the network failed; `ChecksumError`: it is not the file that it should be.
    """
    records = (record, *map(get_weights, record.needs))
    return [fetch_weights(one, feedback) for one in records]


def fetch_weights(record: PublishedWeights, feedback: Feedback = SILENT) -> WeightsFile:
    """One file of published weights, fetched unless it is here; raises as `obtain_weights`."""
    here = _here(record)
    if here is not None:
        return here
    with locked(f"weights/{record.id}"):
        here = _here(record)
        if here is not None:
            return here
        path = kept_at(record)
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.is_file() and not _has_md5(record, path):
            path.unlink()  # what fetches it knows no md5, and would take it
        sha256 = _fetch(record, path, feedback)
        if not _has_md5(record, path):
            path.unlink()
            raise ChecksumError(
                f"{record.file_name} of {record.id} is not the file that was published",
                expected=f"md5 {record.md5}",
                done="nothing was kept",
                hint=_by_hand(record),
            )
        if first_seen(record).digest() is None and not is_of_its_kind(path):
            error = _of_another_kind(record, "nothing was kept", _by_hand(record))
            path.unlink()
            raise error
        first_seen(record).remember(path, sha256)
        return WeightsFile(path, sha256, record.id)


def copy_weights(file: WeightsFile, folder: Path) -> Path:
    """Copy a file into a folder, and return where it is; what is there already stays.

    Raises:
        DataError: another file of that name is there.
    """
    target = folder / file.path.name
    if not target.exists():
        with replaced(target) as temporary:
            shutil.copyfile(file.path, temporary)
    elif sha256_file(target) != file.sha256:
        raise DataError(f"{target} is another file", done="nothing was written")
    return target


def kept_at(record: PublishedWeights) -> Path:
    """Where the file is kept, or would be."""
    return cache_folder() / "weights" / record.id / record.file_name


def first_seen(record: PublishedWeights) -> FirstSeen:
    """What the digest of published weights must be."""
    archive = Archive(url=record.sources[0].address, size=record.size, sha256=record.sha256)
    path = kept_at(record)
    return FirstSeen(archive, path.with_name(f"{path.name}.json"))


def is_here(record: PublishedWeights) -> Literal["yes", "no", "damaged"]:
    """Whether the file is in the cache, and as it should be as far as that is known."""
    path, seen = kept_at(record), first_seen(record).recorded()
    if not path.is_file():
        return "no"
    if seen.sha256 is None:
        whole = is_of_its_kind(path) and _has_md5(record, path)
    else:
        whole = is_whole(path, seen.size or path.stat().st_size, seen.sha256)
    return "yes" if whole else "damaged"


def known_as(sha256: str) -> str | None:
    """The id of the published weights of a digest; None: none that are known."""
    for record in list_weights():
        if first_seen(record).digest() == sha256:
            return record.id
    return None


def _here(record: PublishedWeights) -> WeightsFile | None:
    """The file in the cache, fetched or put there by a person; None: none, or a damaged one.

    What is published to have another digest and can be fetched counts as damaged. A digest that
    was only noted may be the wrong one, so nothing is fetched before the user knows.

    Raises:
        ChecksumError: it is another file than was seen before, or than only a person can get.
        DataError: it is no file of weights, and no digest is known that would say so.
    """
    path, seen = kept_at(record), first_seen(record)
    if not path.is_file():
        return None
    sha256, known = sha256_file(path), seen.digest()
    if known is None and not is_of_its_kind(path):
        raise _of_another_kind(record, "no digest was noted", f"remove it; {_by_hand(record)}")
    if known == sha256 or (known is None and _has_md5(record, path)):
        seen.remember(path, sha256)
        return WeightsFile(path, sha256, record.id)
    if record.sha256 is None and known is not None:
        raise ChecksumError(
            f"{path} is not the file of {record.id} that was seen before",
            expected=f"sha256 {known}, as {seen.note} notes",
            found=f"sha256 {sha256}",
            done="nothing was fetched",
            hint=f"remove {path} if it is the wrong file; remove {seen.note} if the one seen "
            "before was, or if its authors have replaced theirs",
        )
    if _fetchable(record) is None:
        raise ChecksumError(
            f"{path} is not the file that was published as {record.id}",
            expected=f"md5 {record.md5}" if known is None else f"sha256 {known}",
            found=f"sha256 {sha256}",
            hint=_by_hand(record),
        )
    return None


def _of_another_kind(record: PublishedWeights, done: str, hint: str) -> DataError:
    path = kept_at(record)
    return DataError(
        f"{record.file_name} of {record.id} is no file of weights",
        expected=f"one that begins as {path.suffix} files do",
        found=f"{describe_kind(path)} at {path}",
        done=done,
        hint=hint,
    )


def _has_md5(record: PublishedWeights, path: Path) -> bool:
    """Whether a file has the md5 that is published, where a sha256 is not."""
    if record.md5 is None or record.sha256 is not None:
        return True
    with path.open("rb") as file:
        digest = hashlib.md5(usedforsecurity=False)
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest() == record.md5


def _fetch(record: PublishedWeights, path: Path, feedback: Feedback) -> str:
    source = _fetchable(record)
    if source is None:
        raise UsageError(
            f"{record.id} ({record.title}) is not published as a file that can be fetched",
            done="nothing was fetched",
            hint=f"{_by_hand(record)}; or {_named(record)}",
        )
    sha256 = first_seen(record).digest()
    instead = _instead(record, source)
    try:
        if source.member is None:
            return _download(
                source,
                path,
                sha256=sha256,
                size=record.size,
                instead=instead,
                feedback=feedback,
            )
        return _unpack(
            source, source.member, path, sha256=sha256, instead=instead, feedback=feedback
        )
    except ChecksumError as error:
        if record.sha256 is None:
            error.hint = f"{error.hint}; {first_seen(record).if_replaced}"
        raise


def _download(
    source: WeightsSource,
    path: Path,
    *,
    sha256: str | None,
    size: int | None,
    instead: str,
    feedback: Feedback,
) -> str:
    """What lies at an address, to `path`; its hex sha256."""
    if source.drive is not None:
        ready_drive(path, address=source.address, instead=instead)
    feedback.say(f"fetching {source.address}")
    with feedback.bytes(path.name, size) as advance:
        if source.drive is not None:
            return fetch_from_drive(
                source.drive,
                path,
                address=source.address,
                sha256=sha256,
                advance=advance,
                instead=instead,
            )
        return fetch_archive(
            source.address, path, sha256=sha256, size=size, advance=advance, instead=instead
        )


def _unpack(
    source: WeightsSource,
    member: str,
    path: Path,
    *,
    sha256: str | None,
    instead: str,
    feedback: Feedback,
) -> str:
    """The same where an archive lies there; one that a person put beside `path` is taken."""
    archive = path.with_name(f"{path.name}.zip")
    if not archive.is_file():
        _download(source, archive, sha256=None, size=None, instead=instead, feedback=feedback)
    try:
        found = take_member(archive, member, path, sha256)
    except (ArchiveError, ChecksumError) as error:
        error.hint = f"remove {archive}, and {source.address} is fetched again; or {instead}"
        raise
    archive.unlink()
    return found


def _fetchable(record: PublishedWeights) -> WeightsSource | None:
    return next((one for one in record.sources if one.page is None), None)


def _by_hand(record: PublishedWeights) -> str:
    places = "; or ".join(map(describe_source, record.sources))
    return f"get it from {places}; and put it at {kept_at(record)}"


def _instead(record: PublishedWeights, tried: WeightsSource) -> str:
    others = [describe_source(one) for one in record.sources if one is not tried]
    return "; or ".join([_named(record), *others])


def _named(record: PublishedWeights) -> str:
    """How a copy is named to `regenerate`, with what is needed besides."""
    options = ["--weights FILE", *(f"--weights {one}" for one in record.needs)]
    return f"name a copy to 'wsss-assets regenerate' with {' '.join(options)}"


def _default(model_name: str, classes: int | None) -> PublishedWeights:
    for record in list_weights(model_name):
        if record.default and record.classes == classes:
            return record
    network = model_name if classes is None else f"{model_name} for {classes} classes"
    raise UsageError(
        f"there are no published weights of {network}", hint="name your own: --weights FILE"
    )


def _given(
    text: str, model_name: str, classes: int | None, feedback: Feedback
) -> list[WeightsFile]:
    if text not in weights_names():
        return [_own_file(text, model_name)]
    record = get_weights(text)
    as_onnx = model_name == _ANY_NETWORK and record.file_name.endswith(".onnx")
    if record.model != model_name and not as_onnx:
        known = ", ".join(one.id for one in list_weights(model_name)) or "none of the catalogue"
        raise UsageError(
            f"{record.id} are weights of {record.model}, not of {model_name}",
            expected=f"a file, or for {model_name}: {known}",
        )
    if classes not in {None, record.classes}:
        raise UsageError(
            f"{record.id} ({record.title}) are weights for {record.classes} classes",
            expected=f"weights for {classes}",
        )
    return obtain_weights(record, feedback)


def _own_file(text: str, model_name: str) -> WeightsFile:
    path = Path(text).expanduser()
    if (path / TENSORS_NAME).is_file():
        path /= TENSORS_NAME
    if not path.is_file():
        known = ", ".join(one.id for one in list_weights(model_name))
        raise MissingFileError(
            f"no file {path}",
            found=f"a folder without {TENSORS_NAME}" if path.is_dir() else None,
            hint=f"published weights of {model_name} are named {known}" if known else None,
        )
    sha256 = sha256_file(path)
    return WeightsFile(path, sha256, known_as(sha256))
