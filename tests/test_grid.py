from __future__ import annotations

import csv
import io
import json
import os
import weakref
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

import numpy as np
import pytest

from wsss_assets import evaluate, get_recipe, pseudo_label, sweep, sweep_surface
from wsss_assets.benchmarks import get_benchmark
from wsss_assets.devkit.image_labels import read_label_list
from wsss_assets.errors import (
    FolderInUseError,
    IgnoredPixelsError,
    MissingFileError,
    NotSweepableError,
    UsageError,
)
from wsss_assets.evaluation.grid import run, scorer
from wsss_assets.evaluation.grid.cells import NO_SALIENCY, NOTICE, Cell
from wsss_assets.evaluation.grid.run import benchmark_grid, recipe_for
from wsss_assets.evaluation.grid.scores import Grid
from wsss_assets.evaluation.grid.sources import folders_below, held_sets
from wsss_assets.mini.folder import write_mini
from wsss_assets.report.grid import grid_svg, write_grid
from wsss_assets.report.grid_tables import grid_csv, grid_markdown, grid_tables, grid_tex
from wsss_assets.storage.files import replaced
from wsss_assets.storage.label_maps import write_label
from wsss_assets.storage.maps import SaliencyFolder

if TYPE_CHECKING:
    from pathlib import Path

    from wsss_assets.devkit.image_labels import ImageLabels

SALIENCY = ("soft", "sharp")
METHODS = ("simulated_cam", "simulated_eps")
SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("grid") / "mini"
    write_mini(root, 4, saliency=SALIENCY, methods=METHODS)
    return root


@pytest.fixture(scope="module")
def labels(data: Path) -> ImageLabels:
    return read_label_list(data / "ImageSets/Segmentation/train_cls.txt", get_benchmark("mini"))


def made(data: Path, labels: ImageLabels, out: Path, **options: Any) -> Grid:  # noqa: ANN401
    options = {
        "saliency": {name: data / "saliency" / name for name in SALIENCY},
        "activation": {name: data / "activation" / name for name in METHODS},
        "benchmark": "mini",
        "ignored": "miss",
        **options,
    }
    return benchmark_grid(labels, ground_truth=data / "SegmentationClass", out=out, **options)


def tree(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.fixture(scope="module")
def whole(data: Path, labels: ImageLabels, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A grid of both thresholds, with its files."""
    out = tmp_path_factory.mktemp("whole") / "grid"
    write_grid(made(data, labels, out, surface=True), out)
    return out


# Cells


def test_a_cell_is_what_labels_that_were_made_score(
    data: Path, labels: ImageLabels, tmp_path: Path
) -> None:
    grid = made(data, labels, tmp_path / "grid", surface=True)
    truth = data / "SegmentationClass"
    assert list(grid.cells) == [(row, column) for row in SALIENCY for column in METHODS]
    for (row, column), cell in grid.cells.items():
        recipe = get_recipe(method=column.removeprefix("simulated_"))
        assert grid.columns[column] == recipe
        maps: dict[str, Any] = {
            "activation": data / "activation" / column,
            "saliency": data / "saliency" / row,
            "benchmark": "mini",
        }

        def scored(tau: float, threshold: float | None = None) -> float | None:
            out = tmp_path / f"{row} {column} {tau} {threshold}"  # noqa: B023 (called here)
            changed = recipe.changed(tau=tau, saliency_threshold=threshold)  # noqa: B023
            pseudo_label(labels, out=out, recipe=changed, **maps)  # noqa: B023
            return evaluate(out, truth, ids=labels, benchmark="mini", ignored="miss").miou

        assert cell.miou == scored(recipe.tau)
        assert cell.best_miou == scored(cell.best_tau)
        curve = sweep(labels, ground_truth=truth, recipe=recipe, **maps).curve("miss")
        assert cell.best_tau == curve.taus[curve.best]
        assert cell.plateau == tuple(curve.taus[index] for index in curve.plateau)
        if recipe.uses_saliency:
            surface = sweep_surface(labels, ground_truth=truth, recipe=recipe, **maps)
            assert cell.surface_miou == surface.surface("miss").miou.max() == cell.best
            assert cell.surface_tau is not None
            assert cell.surface_miou == scored(cell.surface_tau, cell.surface_saliency_threshold)
        else:
            assert (cell.surface_miou, cell.best) == (None, cell.best_miou)
        assert cell.images == 4


def test_a_recipe_without_saliency_is_scored_once_for_all_rows(
    data: Path, labels: ImageLabels, whole: Path, tmp_path: Path
) -> None:
    names = sorted(path.name for path in (whole / "cells").iterdir())
    assert names == [
        "no_saliency__simulated_eps.json",
        "sharp__simulated_cam.json",
        "soft__simulated_cam.json",
    ]
    recipe = get_recipe(method="eps")
    alone = made(data, labels, tmp_path / "a", saliency={}, recipe=recipe)
    assert alone.rows == (NO_SALIENCY,)
    assert alone.best_rows() == [None, None]


def test_one_recipe_for_all(data: Path, labels: ImageLabels, tmp_path: Path) -> None:
    recipe = get_recipe().changed(tau=0.3)
    grid = made(data, labels, tmp_path / "a", recipe=recipe, ignored=None)
    assert set(grid.columns.values()) == {recipe}
    assert grid.ignored is None
    assert len(list((tmp_path / "a" / "cells").iterdir())) == 4


@pytest.mark.parametrize(
    ("name", "method"),
    [
        ("cam", "cam"),
        ("OAA", "oaa"),
        ("simulated_drs", "drs"),
        ("eps_vst_duts", "eps"),
        ("mine", None),
        ("cam_of_mine", None),
    ],
)
def test_recipes_follow_names(name: str, method: str | None) -> None:
    assert recipe_for(name) == get_recipe(method=method)


# Stopping and going on


def test_what_is_there_is_kept_and_another_set_adds_cells(
    data: Path, labels: ImageLabels, tmp_path: Path
) -> None:
    out = tmp_path / "a"
    told: list[tuple[str, int, int]] = []
    one = {"soft": data / "saliency" / "soft"}
    first = made(data, labels, out, saliency=one, notify=lambda *what: told.append(what))
    assert told == [("soft × simulated_cam", 1, 2), ("simulated_eps", 2, 2)]
    before = tree(out)
    assert first.kept == 0
    assert made(data, labels, out, saliency=one).kept == 2
    assert tree(out) == before
    more = made(data, labels, out)
    assert more.kept == 2
    after = tree(out)
    assert {name: after[name] for name in before} == before
    assert sorted(set(after) - set(before)) == ["cells/sharp__simulated_cam.json"]
    assert more.cells["soft", "simulated_cam"] == first.cells["soft", "simulated_cam"]


def test_the_same_input_gives_the_same_bytes(
    data: Path, labels: ImageLabels, whole: Path, tmp_path: Path
) -> None:
    out = tmp_path / "again"
    write_grid(made(data, labels, out, surface=True, workers=3), out)
    assert tree(out) == tree(whole)
    write_grid(made(data, labels, out, surface=True), out)
    assert tree(out) == tree(whole)


@pytest.mark.parametrize("damage", [b"", b"{}", b"[]", b"null", b"\xff", "cut", "edited"])
def test_a_damaged_cell_is_made_again(
    data: Path, labels: ImageLabels, tmp_path: Path, damage: bytes | str
) -> None:
    out = tmp_path / "a"
    made(data, labels, out)
    path = out / "cells" / "soft__simulated_cam.json"
    content = path.read_bytes()
    if damage == "cut":
        damage = content[:200]
    elif damage == "edited":
        damage = content.replace(b'"miou": 0.', b'"miou": 0.9')
    assert isinstance(damage, bytes)
    assert damage != content
    path.write_bytes(damage)
    assert made(data, labels, out).kept == 2
    assert path.read_bytes() == content


@pytest.mark.parametrize(
    ("change", "kept"),
    [
        ("saliency/soft", 2),
        ("activation/simulated_cam", 1),
        ("SegmentationClass", 0),
    ],
)
def test_a_cell_is_made_again_when_what_it_was_made_from_changes(
    tmp_path: Path, change: str, kept: int
) -> None:
    data = tmp_path / "mini"
    write_mini(data, 2, saliency=SALIENCY, methods=METHODS)
    labels = read_label_list(data / "ImageSets/Segmentation/train_cls.txt", get_benchmark("mini"))
    made(data, labels, tmp_path / "a")
    os.utime(sorted((data / change).iterdir())[0], (1, 1))
    assert made(data, labels, tmp_path / "a").kept == kept


def test_another_policy_makes_nothing_again(
    data: Path, labels: ImageLabels, whole: Path, tmp_path: Path
) -> None:
    out = tmp_path / "a"
    made(data, labels, out, surface=True)
    before = tree(out)
    for policy in ("drop", "background", "miss"):
        grid = made(data, labels, out, surface=True, ignored=policy)
        assert grid.kept == 3
        for (row, column), cell in grid.cells.items():
            maps: dict[str, Any] = {
                "activation": data / "activation" / column,
                "ground_truth": data / "SegmentationClass",
                "saliency": data / "saliency" / row,
                "recipe": grid.columns[column],
                "benchmark": "mini",
            }
            curve = sweep(labels, **maps).curve(policy)
            assert cell.best_miou == curve.miou[curve.best]
            if cell.has_surface:
                assert cell.best == sweep_surface(labels, **maps).surface(policy).miou.max()
        write_grid(grid, tmp_path / policy)
        assert tree(out) == before
    assert tree(tmp_path / "miss") == {
        name: data for name, data in tree(whole).items() if data != before.get(name)
    }


@pytest.mark.parametrize("name", ["RULE_VERSION", "_CELL_VERSION"])
def test_another_rule_makes_all_cells_again(
    data: Path, labels: ImageLabels, tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    made(data, labels, tmp_path / "a")
    monkeypatch.setattr(scorer, name, getattr(scorer, name) + 1)
    assert made(data, labels, tmp_path / "a").kept == 0


def test_a_surface_can_be_added_and_is_never_lost(
    data: Path, labels: ImageLabels, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "a"
    plain = made(data, labels, out)
    assert not plain.surface
    with monkeypatch.context() as patched:  # what was swept is not swept again
        patched.setattr(scorer, "sweep_pairs", None)
        added = made(data, labels, out, surface=True)
    assert added.kept == 1  # EPS's recipe uses no saliency
    assert tree(out / "cells") == tree(whole / "cells")
    again = made(data, labels, out)
    assert (again.kept, again.surface, again.cells) == (3, True, added.cells)
    assert tree(out / "cells") == tree(whole / "cells")


def test_surfaces_of_some_cells_are_kept_and_not_shown(
    data: Path, labels: ImageLabels, tmp_path: Path
) -> None:
    out = tmp_path / "a"
    made(data, labels, out, surface=True, saliency={"soft": data / "saliency" / "soft"})
    before = tree(out / "cells")
    mixed = made(data, labels, out)
    assert (mixed.kept, mixed.surface) == (2, False)
    assert not any(cell.has_surface for cell in mixed.cells.values())
    assert mixed.cells == made(data, labels, tmp_path / "b").cells
    after = tree(out / "cells")
    assert {name: after[name] for name in before} == before


def test_other_settings_are_refused_and_nothing_is_lost(
    data: Path, labels: ImageLabels, tmp_path: Path
) -> None:
    out = tmp_path / "a"
    made(data, labels, out)
    before = tree(out)
    with pytest.raises(FolderInUseError, match="recipe"):
        made(data, labels, out, recipe=get_recipe(method="cam"))
    with pytest.raises(FolderInUseError, match=r"list\.images 2.*list\.images 4"):
        made(data, dict(list(labels.items())[:2]), out)  # type: ignore[arg-type]
    other = tmp_path / "masks"
    other.mkdir()
    for path in (data / "SegmentationClass").iterdir():
        (other / path.name).write_bytes(path.read_bytes())
    with pytest.raises(FolderInUseError, match="ground_truth"):
        benchmark_grid(
            labels,
            {"soft": data / "saliency" / "soft"},
            {"simulated_cam": data / "activation" / "simulated_cam"},
            other,
            out,
            benchmark="mini",
            ignored="miss",
        )
    assert tree(out) == before
    made(data, labels, tmp_path / "b", recipe=get_recipe(method="cam"))
    with pytest.raises(FolderInUseError, match=r"recipe '.*tau 0\.11"):
        made(data, labels, tmp_path / "b", recipe=get_recipe(method="cam").changed(tau=0.11))


def test_sets_that_a_run_was_not_given_are_named(
    data: Path, labels: ImageLabels, tmp_path: Path
) -> None:
    out = tmp_path / "a"
    assert made(data, labels, out).others == {"saliency": (), "activation": ()}
    (out / "cells" / "else.json").write_text("[]", "utf-8")
    fewer = made(
        data,
        labels,
        out,
        saliency={"soft": data / "saliency" / "soft"},
        activation={"simulated_cam": data / "activation" / "simulated_cam"},
    )
    assert fewer.others == {"saliency": ("sharp",), "activation": ("simulated_eps",)}
    assert (fewer.kept, fewer.count) == (1, 1)


@dataclass
class Silent:
    """Maps that nobody can tell from others before they are read."""

    maps: SaliencyFolder

    def read(self, image_id: str) -> Any:  # noqa: ANN401
        return self.maps.read(image_id)

    def version(self, image_id: str) -> str:
        return "" if image_id.endswith("2") else image_id


def test_what_does_not_say_what_it_has_is_never_kept(
    data: Path, labels: ImageLabels, tmp_path: Path
) -> None:
    soft, sharp = (Silent(SaliencyFolder(data / "saliency" / name)) for name in SALIENCY)
    first = made(data, labels, tmp_path / "a", saliency={"x": soft})
    again = made(data, labels, tmp_path / "a", saliency={"x": sharp})
    assert again.kept == 1  # that without saliency
    assert again.cells["x", "simulated_cam"] != first.cells["x", "simulated_cam"]


class Afar:
    """Saliency maps whose every reading costs a request."""

    is_afar = True

    def __init__(self, folder: Path, missing: str | None = None) -> None:
        self.maps = SaliencyFolder(folder)
        self.missing = missing
        self.asked: list[str] = []
        self.held: list[int] = []
        self._given: list[weakref.ref[Any]] = []

    def read(self, image_id: str) -> Any:  # noqa: ANN401
        self.asked.append(image_id)
        if image_id == self.missing:
            raise MissingFileError(f"no saliency map {image_id}")
        self.held.append(sum(one() is not None for one in self._given))
        found = self.maps.read(image_id)
        self._given.append(weakref.ref(found))
        return found

    def version(self, image_id: str) -> str:
        return self.maps.version(image_id)


def columns(data: Path) -> dict[str, Path]:
    """Three with saliency, one without."""
    cam, eps = (data / "activation" / name for name in METHODS)
    return {"cam": cam, "oaa": eps, "x": cam, "eps": eps}


def test_maps_from_afar_are_asked_for_once_for_all_columns(
    data: Path, labels: ImageLabels, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    places = {name: data / "saliency" / name for name in SALIENCY}
    near = made(data, labels, tmp_path / "near", saliency=places, activation=columns(data))
    sets = {name: Afar(place) for name, place in places.items()}
    told: list[tuple[str, int]] = []

    def notify(cell: str, done: int, count: int) -> None:
        told.append((cell, done))
        assert count == 7

    options: dict[str, Any] = {"saliency": sets, "activation": columns(data), "notify": notify}
    out = tmp_path / "afar"
    grid = made(data, labels, out, **options)
    assert [sorted(one.asked) for one in sets.values()] == [sorted(labels)] * 2
    assert grid.to_dict() == near.to_dict()
    assert tree(out / "cells") == tree(tmp_path / "near" / "cells")
    assert [done for _, done in told] == [*range(1, 8)]

    for one in sets.values():  # what is there already is not asked for
        one.asked.clear()
    for name in ("soft__cam.json", "soft__x.json", "sharp__x.json"):
        (out / "cells" / name).unlink()
    again = made(data, labels, out, **options)
    assert (again.kept, again.cells) == (4, grid.cells)
    assert [sorted(one.asked) for one in sets.values()] == [sorted(labels)] * 2
    assert made(data, labels, out, **options).kept == 7
    assert [len(one.asked) for one in sets.values()] == [len(labels)] * 2

    monkeypatch.setattr(run, "_MOST_COUNTS", 1)  # room for one column only
    assert made(data, labels, tmp_path / "small", **options).cells == grid.cells
    assert [len(one.asked) for one in sets.values()] == [4 * len(labels)] * 2


def test_a_pass_holds_the_maps_of_one_image(
    data: Path, labels: ImageLabels, tmp_path: Path
) -> None:
    soft = Afar(data / "saliency" / "soft")
    sets = columns(data)
    made(data, labels, tmp_path / "a", saliency={"x": soft}, activation=sets, workers=1)
    assert len(soft.held) == len(labels)
    assert max(soft.held) <= 1


def test_a_map_that_is_missing_afar_costs_the_cells_of_its_row(
    data: Path, labels: ImageLabels, tmp_path: Path
) -> None:
    sets = {name: Afar(data / "saliency" / name) for name in SALIENCY}
    sets["soft"].missing = list(labels)[1]
    grid = made(data, labels, tmp_path / "a", saliency=sets, activation=columns(data), workers=1)
    assert set(grid.failed) == {("soft", "cam"), ("soft", "oaa"), ("soft", "x")}
    assert len(grid.cells) == 5
    assert sets["soft"].asked == [*list(labels)[:1], *[sets["soft"].missing] * 3]
    sets["soft"].missing = None
    assert not made(data, labels, tmp_path / "a", saliency=sets, activation=columns(data)).failed


def test_names_may_be_long_and_hold_what_files_cannot(
    data: Path, labels: ImageLabels, tmp_path: Path
) -> None:
    soft = data / "saliency" / "soft"
    names = ["a/b: c?", "x" * 300, "x" * 299 + "y", "../up"]
    columns = {"a": data / "activation" / "simulated_cam"}
    out = tmp_path / "grid" / "a"
    grid = made(data, labels, out, saliency=dict.fromkeys(names, soft), activation=columns)
    assert grid.rows == tuple(names)
    assert not grid.failed
    assert len(list((out / "cells").iterdir())) == 4
    assert [one.name for one in (tmp_path / "grid").iterdir()] == ["a"]
    write_grid(grid, out)


def test_two_runs_at_once_write_one_grid(
    data: Path, labels: ImageLabels, whole: Path, tmp_path: Path
) -> None:
    out = tmp_path / "a"

    def run(_: int) -> Grid:
        grid = made(data, labels, out, surface=True, workers=1)
        write_grid(grid, out)
        return grid

    with ThreadPoolExecutor(3) as pool:
        first, *others = pool.map(run, range(3))
    assert all(one.cells == first.cells for one in others)
    assert tree(out) == tree(whole)


def test_a_missing_map_costs_its_cell_alone(
    data: Path, labels: ImageLabels, tmp_path: Path
) -> None:
    holed = tmp_path / "holed"
    holed.mkdir()
    for path in sorted((data / "saliency" / "soft").iterdir())[1:]:
        (holed / path.name).write_bytes(path.read_bytes())
    places = {"holed": holed, "soft": data / "saliency" / "soft"}
    grid = made(data, labels, tmp_path / "a", saliency=places)
    assert list(grid.failed) == [("holed", "simulated_cam")]
    assert "no saliency map" in grid.failed["holed", "simulated_cam"]
    assert len(grid.cells) == 3
    assert grid.column_means() == [None, grid.cells["soft", "simulated_eps"].miou]
    assert grid.row_means()[0] is None
    assert grid.row_means()[1] is not None
    assert grid.best_rows() == [None, None]
    write_grid(grid, tmp_path / "a")
    assert not list((tmp_path / "a" / "cells").glob("holed*"))
    assert "holed × simulated\\_cam: no saliency map" in grid_markdown(grid)
    (holed / "mini_000000.png").write_bytes(
        (data / "saliency" / "soft" / "mini_000000.png").read_bytes()
    )
    assert not made(data, labels, tmp_path / "a", saliency=places).failed


# What is refused


def test_what_would_fail_everywhere_is_refused_at_once(
    data: Path, labels: ImageLabels, tmp_path: Path
) -> None:
    out = tmp_path / "a"
    with pytest.raises(UsageError, match="label list is empty"):
        benchmark_grid({}, {}, {}, data, out)
    with pytest.raises(UsageError, match="no activation set"):
        made(data, labels, out, activation={})
    with pytest.raises(UsageError, match="needs saliency maps"):
        made(data, labels, out, saliency={})
    with pytest.raises(IgnoredPixelsError, match="--ignored"):
        made(data, labels, out, ignored=None)
    with pytest.raises(NotSweepableError):
        made(data, labels, out, recipe=get_recipe("drs"))
    with pytest.raises(MissingFileError):
        made(data, labels, out, saliency={"nowhere": data / "nowhere"})
    alike = {"a b": data / "saliency" / "soft", "a-b": data / "saliency" / "sharp"}
    with pytest.raises(UsageError, match="too much like others"):
        made(data, labels, out, saliency=alike)
    assert not out.exists()
    out.mkdir()
    (out / "letter.txt").write_text("mine", "utf-8")
    with pytest.raises(FolderInUseError):
        made(data, labels, out)


# Sources at hand


def test_folders_below_come_in_the_order_of_the_paper(tmp_path: Path) -> None:
    for name in ("saliency/b", "saliency/a", "saliency/.x", "activation/zoo", "activation/cam"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "activation" / "oaa").mkdir()
    (tmp_path / "saliency" / "readme.txt").write_text("", "utf-8")
    found = folders_below(tmp_path)
    assert list(found.saliency) == ["a", "b"]
    assert list(found.activation) == ["cam", "oaa", "zoo"]
    with pytest.raises(MissingFileError, match="saliency holds no folder"):
        folders_below(tmp_path / "activation")


def test_sets_that_are_held_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("pyarrow")
    pytest.importorskip("filelock")
    from tests.map_set_files import (
        CAM,
        LABELS,
        VST,
        activation_maps,
        flip,
        saliency_maps,
        write_maps,
    )
    from wsss_assets.catalog.catalog import get_map_set
    from wsss_assets.devkit.image_labels import ImageLabels
    from wsss_assets.map_sets.obtain import obtain

    monkeypatch.setenv("WSSS_ASSETS_CACHE", str(tmp_path / "cache"))
    voc = get_benchmark("voc2012")
    assert held_sets(voc) == ({}, {}, ())
    listed = ImageLabels(LABELS, "a test")
    for set_id, maps in ((VST, saliency_maps()), (CAM, activation_maps())):
        place = write_maps(tmp_path / set_id, maps)
        held = obtain(get_map_set(set_id), source=str(place), labels=listed)
    found = held_sets(voc)
    assert list(found.saliency) == [VST.rpartition("/")[2]]
    assert list(found.activation) == [CAM.rpartition("/")[2]]
    (source,) = found.activation.values()
    assert set(source.ids()) == set(LABELS)
    for image_id in LABELS:
        size = next(iter(found.saliency.values())).read(image_id).shape
        write_label(tmp_path / "truth" / f"{image_id}.png", np.zeros(size, np.uint8), 21)
    out = tmp_path / "grid"
    options: dict[str, Any] = {"ground_truth": tmp_path / "truth", "out": out, "ignored": "miss"}
    scored = benchmark_grid(LABELS, found.saliency, found.activation, **options)
    assert not scored.failed
    assert scored.columns == {"cam": get_recipe(method="cam")}
    assert benchmark_grid(LABELS, found.saliency, found.activation, **options).kept == 1
    assert held_sets(get_benchmark("coco2014")) == ({}, {}, ())
    assert held_sets(voc, "val") == ({}, {}, ())
    flip(held.paths[0])
    assert held_sets(voc).damaged == (CAM,)


# Tables and the picture


def drawn(names: tuple[str, ...] = ("cam", "a_b%&<|*")) -> Grid:
    """A grid of made-up numbers with a hole."""

    def cell(miou: float | None) -> Cell:
        return Cell(miou, 0.5, miou, (0.4, 0.6), None, None, None, 7, "ab" * 32)

    recipes = {name: get_recipe(method="cam") for name in names}
    values = {("x_1", names[0]): 0.25, ("y", names[0]): 0.5, ("y", names[1]): 0.75}
    cells = {pair: cell(value) for pair, value in values.items()}
    failed = {("x_1", names[1]): "no map\n→ make <it>"}
    benchmark = get_benchmark("mini")
    return Grid(
        ("x_1", "y"), recipes, cells, failed, 0, 7, benchmark, "train", "drop", surface=False
    )


def test_means_are_of_whole_rows_and_columns() -> None:
    grid = drawn()
    assert grid.values() == [[0.25, None], [0.5, 0.75]]
    assert grid.row_means() == [None, 0.625]
    assert grid.column_means() == [0.375, None]
    assert grid.best_rows() == [1, None]
    table = grid_tables(grid)[0]
    assert table.header == ("cam", "a_b%&<|*", "mean")
    assert table.names == ("x_1", "y", "mean")
    assert table.rows == (("25.00", "–", "–"), ("50.00", "75.00", "62.50"), ("37.50", "–", "–"))
    assert table.best == {(1, 0)}


@pytest.mark.parametrize(
    ("rows", "columns", "header", "names"),
    [
        (1, 2, ("a", "b", "mean"), ("s",)),
        (2, 1, ("a",), ("s", "t", "mean")),
        (1, 1, ("a",), ("s",)),
    ],
)
def test_one_row_or_column_has_no_mean(
    rows: int, columns: int, header: tuple[str, ...], names: tuple[str, ...]
) -> None:
    cell = Cell(0.5, 0.5, 0.5, (0.4, 0.6), None, None, None, 7, "ab" * 32)
    recipes = {name: get_recipe(method="cam") for name in "ab"[:columns]}
    pairs = [(row, column) for row in "st"[:rows] for column in recipes]
    grid = Grid(
        tuple("st"[:rows]),
        recipes,
        dict.fromkeys(pairs, cell),
        {},
        0,
        7,
        get_benchmark("mini"),
        "train",
        "drop",
        surface=False,
    )
    table = grid_tables(grid)[0]
    assert (table.header, table.names) == (header, names)
    assert [len(row) for row in table.rows] == [len(header)] * len(names)
    has_mean = "mean" in (*header, *names)
    for text in (grid_markdown(grid), grid_tex(grid), grid_svg(grid)):
        assert ("mean" in text.replace("means", "")) == has_mean
    assert ("Bold" in grid_markdown(grid)) == ("Framed" in grid_svg(grid)) == (rows > 1)
    assert "no score" not in grid_markdown(grid)


def test_colours_span_five_points_at_least() -> None:
    def fills(values: tuple[float, float]) -> set[str]:
        grid = drawn(("a", "b"))
        given = (*values, values[1])
        grid.cells.update(
            {
                pair: replace(grid.cells[pair], miou=value)
                for pair, value in zip(grid.cells, given, strict=True)
            }
        )
        root = ElementTree.fromstring(grid_svg(grid))  # noqa: S314
        return {str(part.get("fill")) for part in root.iter(f"{SVG}rect") if part.get("fill")}

    ends = fills((0.2, 0.8))
    assert len(ends) == 2
    for near in ((0.5, 0.505), (0.0, 0.001), (0.999, 1.0)):
        assert not fills(near) >= ends


def test_every_output_says_what_it_is_not() -> None:
    grid = drawn()
    for text in (grid_markdown(grid), grid_csv(grid), grid_tex(grid), json.dumps(grid.to_dict())):
        assert NOTICE in text
    picture = "".join(ElementTree.fromstring(grid_svg(grid)).itertext())  # noqa: S314
    assert NOTICE in picture
    for text in (grid_markdown(grid), grid_tex(grid), picture):
        assert "mini train, 7 images, ground truth abababababababab" in text
        assert "255 counted as: drop, SYNTHETIC: drawn by a program" in text


def test_csv_has_the_numbers_in_full(data: Path, labels: ImageLabels, tmp_path: Path) -> None:
    grid = made(data, labels, tmp_path / "a", surface=True)
    rows = list(csv.DictReader(io.StringIO(grid_csv(grid))))
    assert len(rows) == 4
    for row in rows:
        cell = grid.cells[row["saliency"], row["activation"]]
        assert float(row["pseudo_label_miou"]) == cell.miou
        assert float(row["best_tau"]) == cell.best_tau
        surface = row["pseudo_label_surface_miou"]
        assert (float(surface) if surface else None) == cell.surface_miou
    assert next(csv.DictReader(io.StringIO(grid_csv(drawn()))))["activation"] == "cam"


def test_names_are_escaped() -> None:
    markdown, tex = grid_markdown(drawn()), grid_tex(drawn())
    assert r"a\_b%&\<\|\*" in markdown
    assert r"no map → make \<it\>" in markdown
    assert r"a\_b\%\&\textless{}\textbar{}*" in tex
    assert r"\toprule" in tex
    assert tex.count(r"\begin{table}") == tex.count(r"\end{table}") == 2
    assert "a_b%&<|*" in "".join(ElementTree.fromstring(grid_svg(drawn())).itertext())  # noqa: S314


def test_the_picture_has_every_number_and_frames_the_best(whole: Path) -> None:
    grid = json.loads((whole / "grid.json").read_text("utf-8"))
    root = ElementTree.fromstring((whole / "grid.svg").read_bytes())  # noqa: S314
    texts = [part.text for part in root.iter(f"{SVG}text")]
    for cell in grid["cells"]:
        assert f"{100 * cell['miou']:.2f}" in texts
        best = cell["surface_miou"] or cell["best_miou"]
        assert f"{100 * best:.2f}" in texts
    frames = [part for part in root.iter(f"{SVG}rect") if part.get("class") == "frame"]
    assert len(frames) == 1  # of two columns one uses saliency
    nothing = ElementTree.fromstring(grid_svg(drawn()))  # noqa: S314
    assert [part.get("class") for part in nothing.iter(f"{SVG}rect")].count("nothing") == 1


def test_a_grid_without_a_score_can_be_shown(
    data: Path, labels: ImageLabels, tmp_path: Path
) -> None:
    empty = {"soft": tmp_path / "empty"}
    with replaced(tmp_path / "empty" / "else.png") as path:
        path.write_bytes((data / "saliency" / "soft" / "mini_000000.png").read_bytes())
    only = {"simulated_cam": data / "activation" / "simulated_cam"}
    grid = made(data, labels, tmp_path / "a", saliency=empty, activation=only)
    assert not grid.cells
    assert grid.ground_truth_digest is None
    write_grid(grid, tmp_path / "a")
    assert "ground truth unknown" in grid_markdown(grid)
