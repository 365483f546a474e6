"""What the fields of records may hold: names, paths, digests, addresses."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from pydantic import AfterValidator, Field, StringConstraints

from wsss_assets.errors import WsssAssetsError
from wsss_assets.storage.image_ids import check_image_id

__all__ = [
    "NAME_PATTERN",
    "NOT_THERE",
    "REPO_ID_PATTERN",
    "SET_ID_PATTERN",
    "ClassIndex",
    "Commit",
    "DriveId",
    "FileName",
    "HttpsUrl",
    "ImageId",
    "Kind",
    "Line",
    "MapSetId",
    "Md5",
    "Name",
    "RepoId",
    "RepoPath",
    "Sha256",
    "Supervision",
    "UpstreamName",
]

Kind: TypeAlias = Literal["saliency", "activation"]

Supervision: TypeAlias = Literal["none", "image_labels", "pixel_masks"]
"""The strongest annotation behind a map set, on any images: of its model, of what that model was
initialised with where that is known to matter, and of the saliency maps it was trained with."""


def _check_path(path: str) -> str:
    """Refuse what is no plain path below a repository's root."""
    parts = path.split("/")
    harmless = (
        path.isprintable()
        and not any(character in path for character in '\\:*?"<>|')
        and all(part and part != ".." and not part.startswith((".", " ")) for part in parts)
        and not any(part.endswith((".", " ")) for part in parts)
    )
    if not harmless:
        raise ValueError(f"{path!a} is no path below the root of a repository")
    return path


def _check_id(image_id: str) -> str:
    try:
        return check_image_id(image_id, "a record")
    except WsssAssetsError as error:
        raise ValueError(str(error)) from error


REPO_ID_PATTERN = "[A-Za-z0-9][A-Za-z0-9._-]{0,95}/[A-Za-z0-9][A-Za-z0-9._-]{0,95}"

NOT_THERE = "not in the source"
"""The reason of a hole where there was no file."""

NAME_PATTERN = "[a-z0-9][a-z0-9_]{0,63}"
SET_ID_PATTERN = f"{NAME_PATTERN}/(saliency|activation)/{NAME_PATTERN}"

Name: TypeAlias = Annotated[str, StringConstraints(pattern=rf"\A{NAME_PATTERN}\z")]
MapSetId: TypeAlias = Annotated[str, StringConstraints(pattern=rf"\A{SET_ID_PATTERN}\z")]
UpstreamName: TypeAlias = Annotated[str, StringConstraints(pattern=r"\A[A-Za-z0-9_]{1,100}\z")]
Sha256: TypeAlias = Annotated[str, StringConstraints(pattern=r"\A[0-9a-f]{64}\z")]
Commit: TypeAlias = Annotated[str, StringConstraints(pattern=r"\A[0-9a-f]{40}\z")]
RepoId: TypeAlias = Annotated[str, StringConstraints(pattern=rf"\A{REPO_ID_PATTERN}\z")]
RepoPath: TypeAlias = Annotated[
    str, StringConstraints(min_length=1, max_length=300), AfterValidator(_check_path)
]
ImageId: TypeAlias = Annotated[str, AfterValidator(_check_id)]
Md5: TypeAlias = Annotated[str, StringConstraints(pattern=r"\A[0-9a-f]{32}\z")]
HttpsUrl: TypeAlias = Annotated[str, StringConstraints(pattern=r"\Ahttps://[!-~]+\z")]
DriveId: TypeAlias = Annotated[str, StringConstraints(pattern=r"\A[A-Za-z0-9_-]{20,60}\z")]
FileName: TypeAlias = Annotated[
    str, StringConstraints(pattern=r"\A[A-Za-z0-9][A-Za-z0-9._-]{0,99}\z")
]
Line: TypeAlias = Annotated[str, StringConstraints(min_length=1, max_length=2000)]
ClassIndex: TypeAlias = Annotated[int, Field(ge=0, le=253)]
