from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from wsss_assets.benchmarks import get_benchmark
from wsss_assets.errors import SizeMismatchError, UsageError
from wsss_assets.report.contact_sheet import (
    CELL,
    GAP,
    MARGIN,
    SheetRow,
    contact_sheet,
    heat_colours,
)

if TYPE_CHECKING:
    from pathlib import Path

    from wsss_assets.storage.images import UInt8

NAMES = get_benchmark("voc2012").label_names
WIDTH = 2 * MARGIN + 5 * CELL + 4 * GAP


def make_row(height: int = 75, width: int = 100, /, **changes: object) -> SheetRow:
    label = np.zeros((height, width), dtype=np.uint8)
    label[:, width // 2 :] = 15
    label[:, width // 2 - 5 : width // 2 + 5] = 255
    ramp = np.tile(np.linspace(0, 255, width).astype(np.uint8), (height, 1))
    fields: dict[str, object] = {
        "image_id": "mini_000001",
        "photo": np.full((height, width, 3), 120, dtype=np.uint8),
        "saliency": ramp,
        "activations": {"person": ramp, "horse": ramp[:, ::-1].copy()},
        "label": label,
        "truth": label,
        "caption": "IoU 61.2 %",
    }
    return SheetRow(**{**fields, **changes})  # type: ignore[arg-type]


def sheet(path: Path, *rows: SheetRow, title: str = "Title", footer: str = "") -> UInt8:
    contact_sheet(rows, path, label_names=NAMES, title=title, footer=footer)
    with Image.open(path) as image:
        assert image.format == "PNG"
        return np.asarray(image)


def cell(picture: UInt8, column: int, top: int, height: int) -> UInt8:
    left = MARGIN + column * (CELL + GAP)
    return picture[top : top + height, left : left + CELL]


def test_cells_show_their_maps(tmp_path: Path) -> None:
    picture = sheet(tmp_path / "sheet.png", make_row())
    top, height = MARGIN + 68, 180
    assert picture.shape[1] == WIDTH
    assert (cell(picture, 0, top, height) == 120).all()
    saliency = cell(picture, 1, top, height)
    assert (np.diff(saliency[90, :, 0].astype(int)) >= 0).all()
    assert saliency[90, 0, 0] < 3
    assert saliency[90, -1, 0] > 252
    for column in (3, 4):
        labels = cell(picture, column, top, height)
        assert (labels[:, CELL // 2] == 255).all()
        assert labels[90, 10].max() < 60, "background is dark"
        assert abs(labels[90, -10].astype(int) - (192, 128, 128)).max() < 30, "VOC's person"


def test_pictures_keep_their_proportions(tmp_path: Path) -> None:
    picture = sheet(tmp_path / "sheet.png", make_row(100, 50))
    photo = cell(picture, 0, MARGIN + 68, CELL)
    shown = (photo == 120).all(axis=2)
    assert shown.sum() == CELL * CELL // 2
    assert shown[:, CELL // 4 : 3 * CELL // 4].all()


@pytest.mark.parametrize("photo_size", [(75, 100), (100, 30), (20, 100), (1, 1)])
def test_nothing_reaches_into_the_margins(tmp_path: Path, photo_size: tuple[int, int]) -> None:
    every = np.arange(photo_size[0] * photo_size[1], dtype=np.int64) % 21
    crowd = every.astype(np.uint8).reshape(photo_size)
    ramp = np.zeros(photo_size, dtype=np.uint8)
    long = "Many words — τ ≥ 0.5 × é 中 and many more " * 9
    row = make_row(
        *photo_size,
        image_id="an_image_id_that_never_ends_" * 5,
        caption=long,
        label=crowd,
        truth=crowd,
        activations=dict.fromkeys([*NAMES[1:], "a class of a very very very long name"], ramp),
    )
    picture = sheet(tmp_path / "sheet.png", row, make_row(), title=long, footer=long)
    assert (picture[:, : MARGIN - 1] == 255).all()
    assert (picture[:, WIDTH - MARGIN + 1 :] == 255).all()
    assert (picture[: MARGIN - 1] == 255).all()
    assert (picture[-16:] == 255).all()


def test_what_is_missing_is_said(tmp_path: Path) -> None:
    row = make_row(saliency=None, activations={}, label=None, truth=None, caption="")
    picture = sheet(tmp_path / "sheet.png", row)
    for column in range(1, 5):
        panel = cell(picture, column, MARGIN + 68, 180)
        assert (panel[:60] == panel[0, 0]).all()
        assert (panel[70:110] != panel[0, 0]).any()


def test_the_same_rows_give_the_same_bytes(tmp_path: Path) -> None:
    sheet(tmp_path / "one.png", make_row(), footer="synthetic")
    sheet(tmp_path / "two.png", make_row(), footer="synthetic")
    assert (tmp_path / "one.png").read_bytes() == (tmp_path / "two.png").read_bytes()
    sheet(tmp_path / "three.png", make_row(), footer="other")
    assert (tmp_path / "one.png").read_bytes() != (tmp_path / "three.png").read_bytes()


@pytest.mark.parametrize("name", ["saliency", "label", "truth", "activations"])
def test_a_map_of_another_size_is_refused(tmp_path: Path, name: str) -> None:
    path = tmp_path / "sheet.png"
    path.write_bytes(b"old")
    wrong = np.zeros((100, 75), dtype=np.uint8)
    row = make_row(**{name: {"cat": wrong} if name == "activations" else wrong})
    with pytest.raises(SizeMismatchError, match="expected 100×75; found 75×100"):
        sheet(path, make_row(), row)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_no_rows_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        sheet(tmp_path / "sheet.png")


def test_heat_grows_lighter_evenly() -> None:
    colours = heat_colours().astype(float)
    lightness = colours @ (0.2126, 0.7152, 0.0722)
    steps = np.diff(lightness)
    assert colours.shape == (256, 3)
    assert lightness[0] < 10
    assert lightness[-1] > 230
    assert steps.min() > -0.5
    assert steps.max() < 3
