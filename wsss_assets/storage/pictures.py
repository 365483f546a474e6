"""Picture files of unknown origin, opened with Pillow.

Which formats may be opened, what of a file Pillow forgets, and what it raises in this package's
errors.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import PIL
from PIL import Image, UnidentifiedImageError

from wsss_assets.errors import ImageFormatError, MissingFileError

if TYPE_CHECKING:
    import io
    from collections.abc import Iterator
    from pathlib import Path

__all__ = [
    "MAP_FORMATS",
    "MOST_PIXELS",
    "PHOTO_FORMATS",
    "PILLOW_VERSION",
    "STORED_AS",
    "describe",
    "loading",
    "opened",
]

PILLOW_VERSION: str = PIL.__version__

STORED_AS = "stored as"
"""Where `opened` leaves, in an image's `info`, how its pixels lie in the file."""

MAP_FORMATS = ("PNG", "JPEG", "BMP")
"""What bytes of unknown origin may be: Pillow knows formats that run other programs."""

PHOTO_FORMATS = (*MAP_FORMATS, "WEBP")
"""What photos may be, whatever their suffix; MPO, of stereo cameras, is a JPEG to Pillow."""

_FILE_FORMATS = (*PHOTO_FORMATS, "GIF", "TIFF")
"""What other pictures may be: of some it is said why they are no map."""

MOST_PIXELS = 1 << 26
"""No map is that large; bytes of unknown origin that say so are refused."""


def opened(
    where: Path | str,
    file: io.BytesIO | None = None,
    *,
    load: bool = True,
    formats: tuple[str, ...] = _FILE_FORMATS,
) -> Image.Image:
    """The image in `file`, or else at the path `where`.

    Raises:
        MissingFileError: no such file.
        ImageFormatError: not an image of these formats, damaged, or vast.
    """
    with loading(where, in_memory=file is not None):
        image = Image.open(where if file is None else file, formats=formats)
        image.info[STORED_AS] = _stored_as(image)  # loading forgets it
        if file is not None:
            _refuse_bombs(image)
        if load:
            _load(image)
    return image


@contextlib.contextmanager
def loading(where: Path | str, *, in_memory: bool = False) -> Iterator[None]:
    """Say in this package's errors what Pillow finds wrong."""
    try:
        yield
    except FileNotFoundError:
        raise MissingFileError(f"no file {where}") from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise ImageFormatError(f"{where} is too large to be a map", found=str(error)) from error
    except Exception as error:  # readers of damaged files raise whatever they stumble over
        # Pillow names the file; that of bytes in memory would be another in each run.
        unknown = isinstance(error, UnidentifiedImageError) and in_memory
        found = "no image" if unknown else str(error) or type(error).__name__
        raise ImageFormatError(f"{where} cannot be read as an image", found=found) from error


def _refuse_bombs(image: Image.Image) -> None:
    if image.width * image.height > MOST_PIXELS:
        raise Image.DecompressionBombError(f"{image.width}×{image.height} pixels")


def _stored_as(image: Image.Image) -> str:
    """Pillow's name of the layout in the file, such as `L;2` or `RGB;16B`; empty if unknown."""
    tiles = getattr(image, "tile", None)
    layout = tiles[0][3] if tiles else ""
    layout = layout[0] if isinstance(layout, tuple) and layout else layout
    return layout if isinstance(layout, str) else ""


def _load(image: Image.Image) -> None:
    try:
        image.load()
    except BaseException:
        image.close()  # Pillow leaves the file of a damaged image open
        raise


def describe(image: Image.Image) -> str:
    """Depth, colours and size of an image that was `opened`, in words."""
    bits = {"I;16": "16-bit grey", "I": "16- or 32-bit grey", "F": "floating-point grey"}
    deep = "16 bits, " if "16" in image.info.get(STORED_AS, "") else ""
    kind = bits.get(image.mode, f"{deep}mode {image.mode}")
    return f"{kind}, {image.width}×{image.height}"
