from __future__ import annotations

import zlib
from collections import Counter
from functools import cache
from typing import TYPE_CHECKING, TypeVar

import numpy as np
import pytest

from wsss_assets.benchmarks import get_benchmark
from wsss_assets.errors import FolderInUseError, UnknownNameError, UsageError
from wsss_assets.mini.clutter import CLUTTER
from wsss_assets.mini.folder import DRAWING, NOTICE, write_mini
from wsss_assets.mini.grids import block_mean, enlarge, soften, spread
from wsss_assets.mini.maps import (
    ACTIVATION_METHODS,
    SALIENCY_MODELS,
    draw_activation,
    draw_saliency,
)
from wsss_assets.mini.scenes import SILHOUETTES, Scene, draw_scene
from wsss_assets.storage.images import read_map, read_photo
from wsss_assets.storage.label_maps import read_label
from wsss_assets.storage.stamps import STAMP_NAME

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

Item = TypeVar("Item")

MINI = get_benchmark("mini")
EVERY_CLASS_ONCE = range(20)


@cache
def scene(index: int) -> Scene:
    return draw_scene(index)


def snapshot(root: Path) -> dict[str, bytes]:
    return {
        path.relative_to(root).as_posix(): path.read_bytes()
        for path in root.rglob("*")
        if path.is_file()
    }


def draw(
    root: Path, images: int, seed: int = 0, workers: int = 1
) -> list[tuple[str, tuple[int, ...]]]:
    return write_mini(
        root, images, seed, saliency=("sharp",), methods=("simulated_cam",), workers=workers
    )


def test_benchmark_says_that_it_is_drawn() -> None:
    assert MINI.synthetic
    assert MINI.classes == get_benchmark("voc2012").classes
    assert MINI.split("train").images is None
    assert "drawn" in MINI.title
    assert not set(ACTIVATION_METHODS) & {"cam", "oaa", "mcis", "drs", "edam", "eps", "l2g"}


def test_a_scene_follows_from_seed_and_index_alone() -> None:
    first = scene(7)
    again = draw_scene(7)
    np.testing.assert_array_equal(first.photo, again.photo)
    np.testing.assert_array_equal(first.label, again.label)
    assert first.classes == again.classes
    for other in (draw_scene(7, seed=1), draw_scene(8)):
        assert first.photo.shape != other.photo.shape or (first.photo != other.photo).any()


def test_the_drawing_program_has_not_changed_unnoticed() -> None:
    """Where this fails on purpose, raise DRAWING: old and new drawings must not mix."""
    drawn = scene(12)
    maps = (
        drawn.photo,
        drawn.label,
        draw_saliency(drawn, "partial"),
        draw_activation(drawn, drawn.classes[0], "simulated_l2g"),
    )
    assert (DRAWING, [zlib.crc32(each.tobytes()) for each in maps]) == (
        1,
        [938167709, 820067912, 895266521, 1828989950],
    )


@pytest.mark.parametrize("index", EVERY_CLASS_ONCE)
def test_ground_truth_is_exact(index: int) -> None:
    drawn = scene(index)
    height, width = drawn.label.shape
    assert drawn.label.dtype == np.uint8
    assert drawn.photo.shape == (height, width, 3)
    assert max(height, width) == 500
    assert 333 <= min(height, width) <= 375
    values = set(np.unique(drawn.label).tolist())
    assert values - {0, 255} == {class_index + 1 for class_index in drawn.classes}
    assert {0, 255} < values
    kept = drawn.label != 255
    own = np.array([0, *(placed.class_index + 1 for placed in drawn.objects)], dtype=np.uint8)
    np.testing.assert_array_equal(drawn.label[kept], own[drawn.instances][kept])


@pytest.mark.parametrize("index", [2, 6, 14])
def test_every_rim_is_ignored_five_pixels_wide(index: int) -> None:
    drawn = scene(index)
    ids = drawn.instances
    windows = np.lib.stride_tricks.sliding_window_view(ids, (6, 6))
    rim = windows.min(axis=(2, 3)) != windows.max(axis=(2, 3))
    np.testing.assert_array_equal(drawn.label[2:-3, 2:-3] == 255, rim)
    rows, columns = np.nonzero(ids[:, 1:] != ids[:, :-1])
    assert len(rows) > 100
    for row, column in zip(rows, columns, strict=True):
        assert (drawn.label[row, max(column - 2, 0) : column + 3] == 255).all()


def test_every_class_leads_once_in_twenty_and_all_occur_evenly() -> None:
    assert {c for index in EVERY_CLASS_ONCE for c in scene(index).classes} == set(range(20))
    counts = Counter(c for index in range(40) for c in scene(index).classes)
    assert min(counts.values()) >= 2
    assert max(counts.values()) <= 8


def test_scenes_vary() -> None:
    scenes = [scene(index) for index in range(40)]
    assert any(drawn.label.shape[0] == 500 for drawn in scenes)
    assert {len(drawn.classes) for drawn in scenes} == {1, 2, 3}
    assert any(len(drawn.objects) > len(drawn.classes) for drawn in scenes)


def test_every_part_of_every_silhouette_covers_something() -> None:
    silhouettes = [*SILHOUETTES.values(), *(each for group in CLUTTER.values() for each in group)]
    assert set(SILHOUETTES) == set(MINI.classes)
    for silhouette in silhouettes:
        for shape, _ in silhouette.parts:
            left, top, right, bottom = shape.bounds
            u = np.linspace(left, right, 41, dtype=np.float32)
            v = np.linspace(top, bottom, 41, dtype=np.float32)[:, None]
            assert shape.covers(u, v).mean() > 0.1, shape
        for companion in silhouette.companions:
            assert companion in SILHOUETTES


@pytest.mark.parametrize("name", SALIENCY_MODELS)
def test_saliency_is_a_plausible_map(name: str) -> None:
    maps = [draw_saliency(scene(index), name) for index in range(12)]
    inside, outside = [], []
    for index, values in enumerate(maps):
        assert values.dtype == np.uint8
        assert values.shape == scene(index).label.shape
        assert (values.min(), values.max()) == (0, 255)
        inside.append(values[scene(index).instances > 0].mean())
        outside.append(values[scene(index).instances == 0].mean())
    assert len(np.unique(np.concatenate([values.ravel() for values in maps]))) == 256
    assert np.mean(inside) > 100 > 40 > np.mean(outside) > 2
    np.testing.assert_array_equal(maps[3], draw_saliency(draw_scene(3), name))


def test_better_saliency_models_are_better() -> None:
    def agreement(name: str) -> float:
        found = [draw_saliency(scene(index), name) > 51 for index in EVERY_CLASS_ONCE]
        there = [scene(index).instances > 0 for index in EVERY_CLASS_ONCE]
        both = sum((one & other).sum() for one, other in zip(found, there, strict=True))
        either = sum((one | other).sum() for one, other in zip(found, there, strict=True))
        return float(both / either)

    assert 0.95 > agreement("sharp") > agreement("soft") > agreement("partial") > 0.5


@pytest.mark.parametrize("method", ACTIVATION_METHODS)
def test_activation_is_a_plausible_map(method: str) -> None:
    peaks_on_its_class = []
    levels: set[int] = set()
    for index in range(12):
        drawn = scene(index)
        for class_index in drawn.classes:
            values = draw_activation(drawn, class_index, method)
            assert values.dtype == np.uint8
            assert values.shape == drawn.label.shape
            assert (values.min(), values.max()) == (0, 255)
            peak = np.unravel_index(int(values.argmax()), values.shape)
            owner = int(drawn.instances[peak])
            peaks_on_its_class.append(
                owner > 0 and drawn.objects[owner - 1].class_index == class_index
            )
            levels |= set(np.unique(values).tolist())
            roughest = np.abs(np.diff(values.astype(int), axis=1)).max()
            assert roughest <= (120 if method == "simulated_l2g" else 64)
    assert np.mean(peaks_on_its_class) > 0.6
    assert len(levels) == 256


@pytest.mark.parametrize(
    ("method", "tau"), [("simulated_cam", 0.1), ("simulated_eps", 0.2), ("simulated_drs", 0.5)]
)
def test_pseudo_labels_are_plausible_and_have_a_best_threshold(method: str, tau: float) -> None:
    counts = np.zeros((21, 21, 256), dtype=np.int64)
    for index in EVERY_CLASS_ONCE:
        drawn = scene(index)
        maps = np.stack([draw_activation(drawn, each, method) for each in drawn.classes])
        claim = np.array(drawn.classes)[maps.argmax(axis=0)] + 1
        level = np.where(draw_saliency(drawn, "soft") > 51, maps.max(axis=0), 0)
        kept = drawn.label < 255
        flat = (drawn.label[kept].astype(np.int64) * 21 + claim[kept]) * 256 + level[kept]
        counts += np.bincount(flat, minlength=counts.size).reshape(counts.shape)

    def mean_iou(threshold: int) -> float:
        confusion = counts[:, :, threshold:].sum(axis=2)
        confusion[:, 0] += counts[:, :, :threshold].sum(axis=(1, 2))
        hit = np.diag(confusion)
        return float(np.mean(hit / (confusion.sum(axis=0) + confusion.sum(axis=1) - hit)))

    curve = [mean_iou(threshold) for threshold in range(1, 256)]
    best = int(np.argmax(curve))
    assert 0.45 < mean_iou(int(np.ceil(tau * 255))) < 0.75
    assert curve[best] > curve[0] + 0.01
    assert curve[best] > curve[-1] + 0.2
    assert 5 < best < 200


def test_unknown_names_and_classes_are_refused() -> None:
    drawn = scene(0)
    absent = next(c for c in range(20) if c not in drawn.classes)
    with pytest.raises(UnknownNameError, match="sharpp"):
        draw_saliency(drawn, "sharpp")
    with pytest.raises(UnknownNameError, match="simulated_cam"):
        draw_activation(drawn, drawn.classes[0], "cam")
    with pytest.raises(UsageError, match=f"class {absent}"):
        draw_activation(drawn, absent, "simulated_cam")
    for index, seed in ((-1, 0), (0, -1)):
        with pytest.raises(UsageError):
            draw_scene(index, seed)


def test_folder_holds_a_devkit_and_map_sets(tmp_path: Path) -> None:
    done = draw(tmp_path / "new" / "mini", 3, seed=5)
    root = tmp_path / "new" / "mini"
    lists = root / "ImageSets" / "Segmentation"
    assert [image_id for image_id, _ in done] == ["mini_000000", "mini_000001", "mini_000002"]
    assert lists.joinpath("train.txt").read_text().split() == [image_id for image_id, _ in done]
    lines = lists.joinpath("train_cls.txt").read_text().splitlines()
    expected = {
        NOTICE,
        STAMP_NAME,
        "ImageSets/Segmentation/train.txt",
        "ImageSets/Segmentation/train_cls.txt",
    }
    for index, (image_id, classes) in enumerate(done):
        drawn = draw_scene(index, seed=5)
        assert classes == drawn.classes
        assert lines[index].split() == [image_id, *map(str, classes)]
        label = read_label(root / "SegmentationClass" / f"{image_id}.png")
        np.testing.assert_array_equal(label, drawn.label)
        photo = read_photo(root / "JPEGImages" / f"{image_id}.jpg")
        assert np.abs(photo.astype(int) - drawn.photo).mean() < 4
        saliency = read_map(root / "saliency" / "sharp" / f"{image_id}.png")
        np.testing.assert_array_equal(saliency, draw_saliency(drawn, "sharp"))
        expected |= {f"JPEGImages/{image_id}.jpg", f"saliency/sharp/{image_id}.png"}
        expected |= {f"SegmentationClass/{image_id}.png"}
        expected |= {f"activation/simulated_cam/{image_id}_{c}.png" for c in classes}
    assert set(snapshot(root)) == expected
    notice = (root / NOTICE).read_text().splitlines()
    assert len(notice) == 2
    assert "drawn by a program" in notice[0]
    assert "seed 5" in notice[1]


def test_images_depend_neither_on_their_number_nor_on_workers(tmp_path: Path) -> None:
    draw(tmp_path / "few", 2, workers=1)
    draw(tmp_path / "many", 5, workers=4)
    few, many = snapshot(tmp_path / "few"), snapshot(tmp_path / "many")
    pictures = [name for name in few if name.endswith(("jpg", "png"))]
    assert len(pictures) >= 8
    for name in pictures:
        assert few[name] == many[name], name


def test_a_later_run_adds_what_is_missing_and_touches_nothing_else(tmp_path: Path) -> None:
    draw(tmp_path, 2)
    before = snapshot(tmp_path)
    lost = tmp_path / "activation" / "simulated_cam"
    lost = min(lost.iterdir())
    lost.unlink()
    (tmp_path / "JPEGImages" / "mini_000001.jpg").write_bytes(b"kept as it is")
    draw(tmp_path, 3)
    after = snapshot(tmp_path)
    assert after.pop("JPEGImages/mini_000001.jpg") == b"kept as it is"
    same = [name for name in before if name.endswith("png")]
    assert [after[name] for name in same] == [before[name] for name in same]
    assert "SegmentationClass/mini_000002.png" in after
    write_mini(tmp_path, 1, saliency=("soft",), methods=(), workers=1)
    assert (tmp_path / "saliency" / "soft" / "mini_000000.png").is_file()
    assert (tmp_path / "ImageSets/Segmentation/train.txt").read_text() == "mini_000000\n"


def test_another_seed_is_refused_in_the_same_folder(tmp_path: Path) -> None:
    draw(tmp_path, 1, seed=1)
    before = snapshot(tmp_path)
    with pytest.raises(FolderInUseError, match=r"expected seed 2; found seed 1"):
        draw(tmp_path, 2, seed=2)
    assert snapshot(tmp_path) == before


def test_drawn_images_never_mix_with_others(tmp_path: Path) -> None:
    (tmp_path / "JPEGImages").mkdir()
    (tmp_path / "JPEGImages" / "2007_000032.jpg").write_bytes(b"real")
    with pytest.raises(FolderInUseError, match="carry no stamp"):
        draw(tmp_path, 1)
    assert set(snapshot(tmp_path)) == {"JPEGImages/2007_000032.jpg"}


def test_wrong_arguments_write_nothing(tmp_path: Path) -> None:
    root = tmp_path / "mini"
    with pytest.raises(UsageError, match="nothing to draw"):
        write_mini(root, 0)
    with pytest.raises(UsageError):
        write_mini(root, 1, seed=-1)
    with pytest.raises(UnknownNameError):
        write_mini(root, 1, saliency=("dull",))
    with pytest.raises(UnknownNameError):
        write_mini(root, 1, methods=("oaa",))
    assert not root.exists()


def test_progress_sees_every_image(tmp_path: Path) -> None:
    seen: list[object] = []

    def wrap(items: Iterable[Item], length: int) -> Iterator[Item]:
        seen.append(length)
        for item in items:
            seen.append(item)
            yield item

    done = write_mini(tmp_path, 2, saliency=(), methods=(), workers=2, progress=wrap)
    assert seen == [2, *done]


def test_grids_keep_means_and_bounds() -> None:
    random = np.random.default_rng(0)
    mask = random.random((37, 50)) < 0.4
    for stride in (2, 5, 16):
        shares = block_mean(mask, stride)
        whole = mask[: stride * 2, : stride * 2].reshape(2, stride, 2, stride).mean(axis=(1, 3))
        np.testing.assert_allclose(shares[:2, :2], whole, rtol=1e-6)
        assert shares.shape == (-(-37 // stride), -(-50 // stride))
    grid = random.random((9, 13)).astype(np.float32)
    np.testing.assert_allclose(soften(grid, 0).mean(), grid.mean(), rtol=1e-5)
    for blurred in (spread(grid, 1), spread(grid, 5), enlarge(grid, (37, 50), 4)):
        assert grid.min() <= blurred.min() <= blurred.max() <= grid.max() + 1e-6
    ramp = np.arange(6, dtype=np.float32)[None].repeat(6, axis=0)
    np.testing.assert_allclose(enlarge(ramp, (24, 24), 4)[5, 2:22], np.arange(20) / 4 + 0.125)
