"""8-bit maps and label maps: what may be read as one, and how one is written.

A *map* (saliency, activation) is uint8 (H, W), 0..255. A *label map* is uint8 (H, W) of class
indices, 0 background, 255 ignore label, stored as a palette PNG so that people can look at it.
"""

from __future__ import annotations

import contextlib
import io
import zlib
from functools import lru_cache
from tokenize import TokenError
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import PIL
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from wsss_assets.errors import ImageFormatError, MissingFileError
from wsss_assets.storage.files import replaced

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = [
    "LABEL_SUFFIXES",
    "MAP_SUFFIXES",
    "MOST_PIXELS",
    "PHOTO_SUFFIXES",
    "PILLOW_VERSION",
    "UInt8",
    "check_label_header",
    "decode_map",
    "encode_label",
    "image_size",
    "is_grey",
    "is_rotated",
    "label_palette",
    "read_label",
    "read_map",
    "read_photo",
    "shows_label_colours",
    "write_label",
    "write_map",
    "write_photo",
]

UInt8: TypeAlias = NDArray[np.uint8]

PILLOW_VERSION: str = PIL.__version__

_STORED_AS = "stored as"

_ORIENTATION = 0x0112
"""The EXIF tag that says how pixels are to be turned; 1: not at all."""

_STRETCHED = {"L;2": 85, "L;4": 17}
"""What Pillow multiplies grey values of fewer than 8 bits with; indices must not be."""

_MAP_FORMATS = ("PNG", "JPEG", "BMP")
"""What bytes of unknown origin may be: Pillow knows formats that run other programs."""

_PHOTO_FORMATS = (*_MAP_FORMATS, "WEBP")
"""What photos may be, whatever their suffix; MPO, of stereo cameras, is a JPEG to Pillow."""

_FILE_FORMATS = (*_PHOTO_FORMATS, "GIF", "TIFF")
"""What other pictures may be: of some it is said why they are no map."""

MOST_PIXELS = 1 << 26
"""No map is that large; bytes of unknown origin that say so are refused."""

_TWO_COLOURS = 6
"""Bytes of a palette: black alone is no sign of labels."""

_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_PNG_HEAD = 26
_EIGHT_BIT_GREY = b"\x08\x00"
"""Depth and colour type, the last bytes of the head."""

MAP_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp")
LABEL_SUFFIXES = (".png", ".npy", ".bmp")
PHOTO_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp")


def read_map(path: Path) -> UInt8:
    """A saliency or activation map as uint8 (H, W).

    A grey picture stored as RGB(A) or with a palette is read as the grey it shows.

    Raises:
        MissingFileError: no such file.
        ImageFormatError: not an image, cut short, more than 8 bits, truly coloured, or partly
            transparent.
    """
    with _opened(path) as image:
        return _map_values(path, image)


def decode_map(data: bytes, where: str) -> UInt8:
    """A map as uint8 (H, W) from the bytes of its file, by the rules of `read_map`.

    Args:
        data: the file.
        where: what to call it in errors.

    Raises:
        ImageFormatError: as for `read_map`.
    """
    with _opened(where, io.BytesIO(data), formats=_MAP_FORMATS) as image:
        return _map_values(where, image)


def read_label(path: Path) -> UInt8:
    """A label map as uint8 (H, W): palette indices or grey values, or a 2-D integer `.npy`.

    Raises:
        MissingFileError: no such file.
        ImageFormatError: not an image or array, cut short, in colours instead of indices, or
            values outside 0..255.
    """
    if path.suffix.lower() == ".npy":
        return _read_label_array(path)
    with _opened(path) as image:
        _require_indices(path, image)
        label: UInt8 = np.array(image, np.uint8)  # a bilevel mask is 0 and 1
        factor = _STRETCHED.get(image.info[_STORED_AS])
        return label if factor is None else label // factor


def check_label_header(path: Path) -> None:
    """Refuse what cannot be a label map, by the header alone.

    Raises:
        MissingFileError: no such file.
        ImageFormatError: not an image, or in colours instead of indices.
    """
    with _opened(path, load=False) as image:
        _require_indices(path, image)


def shows_label_colours(path: Path, colours: int) -> bool:
    """Whether a picture has a palette that begins as `label_palette` does, by the header alone.

    Args:
        path: the picture.
        colours: how many indices are labels: the classes and the background.
    """
    try:
        with _opened(path, load=False) as image:
            if image.mode != "P" or image.palette is None:
                return False
            held = bytes(image.palette.palette)
    except (ImageFormatError, MissingFileError):
        return False
    length = min(len(held), 3 * colours)  # a palette may be cut off behind the last index in use
    return length >= _TWO_COLOURS and held[:length] == label_palette(colours)[:length]


def is_grey(path: Path) -> bool:
    """Whether a picture is stored as 8-bit grey, by the header alone."""
    with path.open("rb") as file:
        head = file.read(_PNG_HEAD)
    if head.startswith(_PNG_SIGNATURE):  # without Pillow, for there may be many
        return head[-2:] == _EIGHT_BIT_GREY
    try:
        with _opened(path, load=False) as image:
            return str(image.mode) == "L"
    except ImageFormatError:
        return False


def read_photo(path: Path) -> UInt8:
    """A photo as uint8 (H, W, 3), RGB.

    Pixels are taken as they are stored: a rotation that the EXIF data ask for is not made, for
    ground truth and published maps lie on stored pixels. Grey, palette and CMYK become RGB as
    Pillow converts them; transparency is dropped, as the readers of published code do.

    Raises:
        MissingFileError: no such file.
        ImageFormatError: not an image, cut short, of more than 8 bits per channel, or of so many
            pixels that a map of its size could not be read again.
    """
    with _opened(path, load=False, formats=_PHOTO_FORMATS) as image:
        _refuse_no_photo(path, image)
        with _loading(path):
            return np.asarray(image.convert("RGB"))


def is_rotated(path: Path) -> bool:
    """Whether EXIF data ask for a rotation or reflection, which `read_photo` does not make.

    By the header alone; False where that cannot be read.
    """
    with (
        contextlib.suppress(ImageFormatError, MissingFileError),
        _opened(path, load=False, formats=_PHOTO_FORMATS) as image,
        _loading(path),
    ):  # without "exif" Pillow would read the whole of a PNG for some
        return "exif" in image.info and image.getexif().get(_ORIENTATION, 1) in range(2, 9)
    return False


def image_size(path: Path) -> tuple[int, int]:
    """(height, width) from the header alone.

    Raises:
        MissingFileError: no such file.
        ImageFormatError: not an image, or of no format that photos may have.
    """
    with _opened(path, load=False, formats=_PHOTO_FORMATS) as image:
        return image.height, image.width


def write_map(path: Path, values: UInt8) -> None:
    """Write uint8 (H, W) as a grey PNG, whole or not at all."""
    _write_png(path, Image.fromarray(values))


def write_photo(path: Path, values: UInt8) -> None:
    """Write uint8 (H, W, 3) as a JPEG (quality 95) or PNG by the suffix, whole or not at all."""
    kind = "PNG" if path.suffix.lower() == ".png" else "JPEG"
    with replaced(path) as temporary:
        Image.fromarray(values).save(temporary, format=kind, quality=95)


def write_label(path: Path, label: UInt8, colours: int) -> None:
    """Write a label map as a palette PNG, whole or not at all.

    Args:
        path: where to.
        label: uint8 (H, W) class indices.
        colours: how many indices have colours of their own (classes + background).
    """
    with replaced(path) as temporary:
        temporary.write_bytes(encode_label(label, colours))


def encode_label(label: UInt8, colours: int) -> bytes:
    """The PNG bytes that `write_label` writes."""
    image = Image.fromarray(label)
    image.putpalette(label_palette(colours))
    buffer = io.BytesIO()
    # Runs alone (zlib's Z_RLE) pack label maps nearly as small as level 6, in half the time.
    image.save(buffer, format="PNG", compress_type=zlib.Z_RLE)
    return buffer.getvalue()


@lru_cache
def label_palette(colours: int) -> bytes:
    """768 bytes of RGB: VOC's colours for the first `colours` indices, grey for the rest.

    VOC's rule spreads the bits of the index over the high bits of red, green and blue. Index
    255 is white.
    """
    table = np.repeat(np.arange(256, dtype=np.uint8)[:, None], 3, axis=1)
    for index in range(colours):
        bits = index
        rgb = [0, 0, 0]
        for shift in range(7, -1, -1):
            for channel in range(3):
                rgb[channel] |= ((bits >> channel) & 1) << shift
            bits >>= 3
        table[index] = rgb
    return table.tobytes()


def _write_png(path: Path, image: Image.Image) -> None:
    with replaced(path) as temporary:
        image.save(temporary, format="PNG")


def _opened(
    where: Path | str,
    file: io.BytesIO | None = None,
    *,
    load: bool = True,
    formats: tuple[str, ...] = _FILE_FORMATS,
) -> Image.Image:
    """The image in `file`, or else at the path `where`."""
    with _loading(where, in_memory=file is not None):
        image = Image.open(where if file is None else file, formats=formats)
        image.info[_STORED_AS] = _stored_as(image)  # loading forgets it
        if file is not None:
            _refuse_bombs(image)
        if load:
            _load(image)
    return image


@contextlib.contextmanager
def _loading(where: Path | str, *, in_memory: bool = False) -> Iterator[None]:
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


def _refuse_no_photo(path: Path, image: Image.Image) -> None:
    if image.width * image.height > MOST_PIXELS:
        raise ImageFormatError(
            f"{path} is too large",
            expected=f"at most {MOST_PIXELS:,} pixels, as many as a map may have",
            found=_describe(image),
            hint="make the photo smaller",
        )
    if "16" in image.info[_STORED_AS] or image.mode.startswith(("I", "F")):
        raise ImageFormatError(
            f"{path} is no 8-bit photo",
            expected="8 bits per channel",
            found=_describe(image),
            hint="convert it yourself, choosing how its values become 8 bits: readers differ there",
        )


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


def _require_indices(path: Path, image: Image.Image) -> None:
    if image.mode not in {"L", "P", "1"}:
        raise ImageFormatError(
            f"{path} holds no class indices",
            expected="a palette or 8-bit grey PNG whose values are class indices",
            found=_describe(image),
            hint="colours cannot be scored: write the mask with indices (mode P)",
        )


def _map_values(where: Path | str, image: Image.Image) -> UInt8:
    if image.mode == "L":
        return np.asarray(image)
    if image.mode == "1":
        return np.asarray(image.convert("L"))
    deep = "16" in image.info[_STORED_AS]
    if deep or image.mode not in {"P", "RGB", "RGBA", "LA", "PA"}:
        raise ImageFormatError(
            f"{where} is no 8-bit map",
            expected="8 bits of grey per pixel",
            found=_describe(image),
            hint="convert it yourself, choosing how 16 bits become 8: readers differ there",
        )
    return _grey(where, image)


def _grey(where: Path | str, image: Image.Image) -> UInt8:
    channels = np.asarray(image.convert("RGBA"))
    red, green, blue, alpha = (channels[..., index] for index in range(4))
    if not (np.array_equal(red, green) and np.array_equal(green, blue)):
        raise ImageFormatError(
            f"{where} is coloured",
            expected="grey",
            found=_describe(image),
            hint="is this a folder of photos? a heat map drawn in colours cannot be turned back "
            "into the grey map that it shows",
        )
    if alpha.min() < 255:
        raise ImageFormatError(f"{where} is partly transparent", expected="an opaque grey map")
    return np.ascontiguousarray(red)


def _read_label_array(path: Path) -> UInt8:
    try:
        values = np.load(path, allow_pickle=False)
    except FileNotFoundError:
        raise MissingFileError(f"no file {path}") from None
    except (ValueError, OSError, EOFError, SyntaxError, TokenError, OverflowError,
            MemoryError) as error:  # fmt: skip
        raise ImageFormatError(
            f"{path} cannot be read as a label map",
            expected="a 2-D array of integers",
            found=str(error),
        ) from error
    if values.ndim != 2 or values.dtype.kind not in "iub":
        raise ImageFormatError(
            f"{path} is no label map",
            expected="a 2-D array of integers",
            found=f"{values.dtype} {values.shape}",
        )
    if values.size and (values.min() < 0 or values.max() > 255):
        raise ImageFormatError(
            f"{path} holds values that are no class",
            expected="0..255",
            found=f"{values.min()}..{values.max()}",
        )
    label: UInt8 = values.astype(np.uint8)
    return label


def _describe(image: Image.Image) -> str:
    bits = {"I;16": "16-bit grey", "I": "16- or 32-bit grey", "F": "floating-point grey"}
    deep = "16 bits, " if "16" in image.info.get(_STORED_AS, "") else ""
    kind = bits.get(image.mode, f"{deep}mode {image.mode}")
    return f"{kind}, {image.width}×{image.height}"
