"""Files on Google Drive, through gdown: whole, checked, or not there."""

from __future__ import annotations

import textwrap
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from wsss_assets.errors import ChecksumError, FetchError, MissingDependencyError
from wsss_assets.storage.files import (
    looks_like_a_page,
    refuse_disk_trouble,
    sha256_file,
    temporary_folder,
)
from wsss_assets.storage.web import is_offline

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

__all__ = ["fetch_from_drive", "ready_drive"]

_WEIGHTS = {".pth", ".pt", ".tar", ".onnx", ".safetensors"}
_TIMEOUT = 30.0
_RETRIES = 2


def ready_drive(path: Path, *, address: str, instead: str) -> Any:  # noqa: ANN401 (a module)
    """The module gdown, where files on Drive can be asked for at all.

    Args:
        path: where the file belongs.
        address: of the same in a browser, for errors.
        instead: what the user can do without the file.

    Raises:
        MissingDependencyError: gdown is not installed.
        FetchError: nothing is to be fetched.
    """
    hint = _hint(path, instead)
    if is_offline():
        raise FetchError(
            f"{address} is not in the cache",
            found="HF_HUB_OFFLINE is set, so nothing is fetched",
            hint=f"unset it and run the same command once with a network, or {hint}",
        )
    try:
        import gdown
    except ImportError as error:
        missing = MissingDependencyError("gdown", "drive", f"fetching {address}")
        missing.hint = f"{missing.hint}; or {hint}"
        raise missing from error
    return gdown


def fetch_from_drive(
    drive_id: str,
    path: Path,
    *,
    address: str,
    sha256: str | None,
    advance: Callable[[int], object],
    instead: str,
) -> str:
    """Fetch a file to `path`, and return its hex sha256.

    Authors share a file, or a folder that holds it, by ids that look alike: what cannot be had as
    a file is looked into as a folder, and if that holds one file of weights, it is taken.

    Args:
        drive_id: id of the file or folder.
        path: where the file belongs; it appears there only when it is whole.
        address: of the same in a browser, for errors.
        sha256: digest it must have; None: not known.
        advance: told of bytes as they come.
        instead: what the user can do without the file.

    Raises:
        MissingDependencyError: gdown is not installed.
        FetchError: no network, or Google refuses: too many have fetched it, or it is gone.
        ChecksumError: it is another file; nothing of it is kept.
    """
    gdown = ready_drive(path, address=address, instead=instead)
    hint = _hint(path, instead)
    with temporary_folder(path) as folder:
        part = folder / path.name
        try:
            _download(gdown, drive_id, part, advance)
        except (gdown.exceptions.DownloadError, OSError, KeyError) as error:
            # A KeyError: gdown takes it for granted that answers have certain headers.
            refuse_disk_trouble(error, f"fetching {address}")
            raise FetchError(
                f"{address} cannot be fetched",
                found=textwrap.shorten(str(error), 200, placeholder=" …") or type(error).__name__,
                done="nothing was kept",
                hint=hint,
            ) from error
        _refuse_page(part, address, hint)
        found = sha256_file(part)
        if sha256 not in {None, found}:
            raise ChecksumError(
                f"{address} is not the file it should be",
                expected=f"sha256 {sha256}",
                found=f"sha256 {found}",
                done="nothing was kept",
                hint=hint,
            )
        part.replace(path)
    return found


def _hint(path: Path, instead: str) -> str:
    return f"open it in a browser and put the file at {path}, or {instead}"


def _download(gdown: Any, drive_id: str, part: Path, advance: Callable[[int], object]) -> None:  # noqa: ANN401
    try:
        _download_file(gdown, drive_id, part, advance)
    except gdown.exceptions.DownloadError:
        inside = _only_weights(gdown, drive_id, part.parent)
        if inside is None:
            raise
        _download_file(gdown, inside, part, advance)


def _download_file(gdown: Any, drive_id: str, part: Path, advance: Callable[[int], object]) -> None:  # noqa: ANN401
    received = 0

    def progress(so_far: int, _: int | None) -> None:
        nonlocal received
        advance(so_far - received)
        received = so_far

    gdown.download(
        id=drive_id,
        output=str(part),
        quiet=True,
        use_cookies=False,
        progress=progress,
        timeout=_TIMEOUT,
        retries=_RETRIES,
    )


def _only_weights(gdown: Any, drive_id: str, folder: Path) -> str | None:  # noqa: ANN401
    """The id of the one file of weights in a folder on Drive; None: it has none, or several."""
    try:
        files = gdown.download_folder(
            id=drive_id,
            output=str(folder),
            quiet=True,
            use_cookies=False,
            skip_download=True,
            timeout=_TIMEOUT,
        )
    except (gdown.exceptions.DownloadError, OSError):
        return None
    found = [str(one.id) for one in files if PurePath(one.path).suffix in _WEIGHTS]
    return found[0] if len(found) == 1 else None


def _refuse_page(part: Path, address: str, hint: str) -> None:
    with part.open("rb") as file:
        start = file.read(512)
    if looks_like_a_page(start):
        raise FetchError(
            f"{address} gives no file", found="a web page", done="nothing was kept", hint=hint
        )
