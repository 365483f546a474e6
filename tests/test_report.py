"""The report without a browser: numbers, tables of the rule, the sample, files."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import re
import sys
import zlib
from dataclasses import replace
from functools import lru_cache
from importlib import resources
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from tests import plain
from wsss_assets import Recipe, get_recipe, make_label, sweep, sweep_surface
from wsss_assets.benchmarks import get_benchmark
from wsss_assets.devkit.image_labels import read_label_list
from wsss_assets.errors import (
    DataError,
    FolderInUseError,
    IgnoredPixelsError,
    MissingFileError,
    NotSweepableError,
    SizeMismatchError,
    UsageError,
)
from wsss_assets.evaluation import shapes
from wsss_assets.evaluation.sweep import TAUS
from wsss_assets.mini.folder import write_mini
from wsss_assets.report.explorer.digests import agreed, map_digest
from wsss_assets.report.explorer.report import Report, write_report
from wsss_assets.report.explorer.sample import PhotoFolder, choose
from wsss_assets.report.explorer.tables import rule_tables
from wsss_assets.report.explorer.writing import Place
from wsss_assets.report.latex import latex_table, latex_text
from wsss_assets.storage.images import read_map
from wsss_assets.storage.label_maps import read_label
from wsss_assets.storage.maps import SaliencyFolder

if TYPE_CHECKING:
    from pathlib import Path

IMAGES = 5
CAM = get_recipe(method="cam")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("report") / "mini"
    write_mini(root, IMAGES, saliency=("soft", "sharp"), methods=("simulated_cam", "simulated_eps"))
    return root


def listed(data: Path) -> dict[str, tuple[int, ...]]:
    path = data / "ImageSets/Segmentation/train_cls.txt"
    return dict(read_label_list(path, get_benchmark("mini")))


def only_ids(data: Path) -> dict[str, tuple[int, ...]]:
    """The list with a class that has no maps: whatever reads maps fails."""
    return dict.fromkeys(listed(data), (19,))


def options(data: Path, **more: Any) -> dict[str, Any]:  # noqa: ANN401
    return {
        "labels": listed(data),
        "activation": {name: data / "activation" / f"simulated_{name}" for name in ("cam", "eps")},
        "saliency": {name: data / "saliency" / name for name in ("soft", "sharp")},
        "ground_truth": data / "SegmentationClass",
        "recipe": CAM,
        "benchmark": "mini",
        "split": "train",
        "ignored": "miss",
        "samples": 3,
        "workers": 2,
        **more,
    }


@pytest.fixture(scope="module")
def made(data: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Report, Path]:
    out = tmp_path_factory.mktemp("out") / "report"
    return write_report(out=out, images=data / "JPEGImages", **options(data)), out


def page_data(page: Path) -> dict[str, Any]:
    """What the page's scripts read."""
    text = page.read_text("utf-8")
    found = re.search(r'<script type="application/json" id="report">(.*?)</script>', text)
    assert found
    value: dict[str, Any] = json.loads(found.group(1))
    return value


def inflated(text: str) -> bytes:
    return zlib.decompress(base64.b64decode(text))


def stored(out: Path, key: str) -> Any:  # noqa: ANN401
    """What a script of the folder hands over."""
    (folder,) = (path for path in out.iterdir() if path.is_dir())
    text = (folder / f"{key}.js").read_text("utf-8")
    assert text.startswith(f'wsssData("{key}", ')
    assert text.endswith(");\n")
    return json.loads(text[len(f'wsssData("{key}", ') : -3])


# The rule as tables


RECIPES = [
    CAM,
    CAM.changed(ignore=False),
    CAM.changed(saliency_threshold=0.0),
    get_recipe(method="eps"),
    get_recipe("edam"),
    get_recipe("irn"),
    replace(get_recipe("edam"), ignore=True, ignore_saliency=0.4, override_above=0.6),
]


tables_of = lru_cache(maxsize=None)(rule_tables)


def by_tables(recipe: Recipe, sample: plain.Sample, row: int, k: int) -> plain.UInt8:
    """A label as the page makes it, pixel by pixel."""
    tables = tables_of(recipe)
    label = np.zeros(sample.saliency.shape, np.uint8)
    for place in np.ndindex(label.shape):
        salience = int(sample.saliency[place]) if recipe.uses_saliency else 255
        scores = {index: int(values[place]) for index, values in sorted(sample.maps.items())}
        highest = max(scores.values(), default=0)
        floor = max(tables.floors[row, salience], tables.tau_floors[k])
        if highest > floor:
            label[place] = min(index for index in scores if scores[index] == highest) + 1
        elif recipe.uses_saliency and salience > tables.ignore_above[row]:
            label[place] = 255
    return label


@settings(max_examples=120, deadline=None)
@given(
    sample=plain.samples(least=1),
    recipe=st.sampled_from(RECIPES),
    row=st.one_of(st.sampled_from([0, 1, 51, 102, 153, 204, 255]), st.integers(0, 255)),
    k=st.one_of(st.sampled_from([0, 1, 51, 102, 153, 204, 255]), st.integers(0, 255)),
)
def test_tables_are_the_rule_at_every_threshold(
    sample: plain.Sample, recipe: Recipe, row: int, k: int
) -> None:
    changed = recipe.changed(tau=TAUS[k])
    if len(tables_of(recipe).floors) == 1:
        row = 0
    else:
        changed = changed.changed(saliency_threshold=TAUS[row])
    saliency = sample.saliency if recipe.uses_saliency else None
    expected = plain.skeleton(saliency, sample.maps, changed)
    assert (by_tables(recipe, sample, row, k) == expected).all()
    assert (make_label(saliency, sample.maps, changed) == expected).all()


@settings(max_examples=60, deadline=None)
@given(
    sample=plain.samples(least=1),
    recipe=st.sampled_from(RECIPES),
    tau=plain.TAUS,
    threshold=plain.TAUS.filter(lambda value: value == 0 or value >= 1 / 255),
)
def test_own_setting_acts_as_the_recipe(
    sample: plain.Sample, recipe: Recipe, tau: float, threshold: float
) -> None:
    recipe = recipe.changed(tau=tau)
    if recipe.uses_saliency:
        recipe = recipe.changed(saliency_threshold=threshold)
    saliency = sample.saliency if recipe.uses_saliency else None
    row, k = rule_tables(recipe).own
    expected = plain.skeleton(saliency, sample.maps, recipe)
    assert (by_tables(recipe, sample, row, k) == expected).all()


def test_a_threshold_that_no_byte_stands_for_is_refused() -> None:
    assert rule_tables(CAM).own == (51, 26)
    assert rule_tables(CAM.changed(saliency_threshold=0.0)).own[0] == 0
    with pytest.raises(UsageError, match=r"0\.002 acts as none of j/255 does"):
        rule_tables(CAM.changed(saliency_threshold=0.002))


@pytest.mark.parametrize("name", ["oaa", "mcis", "drs"])
def test_recipes_that_cannot_be_swept_are_refused(data: Path, tmp_path: Path, name: str) -> None:
    with pytest.raises(NotSweepableError):
        write_report(out=tmp_path / "out", **options(data, recipe=get_recipe(name)))
    assert not (tmp_path / "out").exists()


# Numbers


def test_numbers_are_those_of_the_sweeps(made: tuple[Report, Path], data: Path) -> None:
    report, out = made
    assert [(one.activation, one.saliency) for one in report.pairings] == [
        ("cam", "soft"),
        ("cam", "sharp"),
        ("eps", "soft"),
        ("eps", "sharp"),
    ]
    chosen = options(data)
    for number, one in enumerate(report.pairings):
        kept = {name: chosen[name] for name in ("recipe", "benchmark", "workers")}
        kept |= {"saliency": chosen["saliency"][one.saliency]}
        maps = chosen["activation"][one.activation]
        surface = sweep_surface(listed(data), maps, chosen["ground_truth"], **kept)
        curve = sweep(listed(data), maps, chosen["ground_truth"], **kept).curve("miss")
        expected = surface.surface("miss")
        assert np.array_equal(one.miou, expected.miou, equal_nan=True)
        assert one.best == expected.best
        assert np.array_equal(one.curve, curve.miou)
        assert (one.plateau, one.loss) == (curve.plateau, curve.loss)
        assert (one.best_tau, one.own) == ((51, curve.best), (51, curve.recommended))
        assert np.array_equal(
            one.per_class["best_tau"], curve.per_class[curve.best], equal_nan=True
        )
        shuffled = np.frombuffer(inflated(stored(out, f"surface-{number}")), np.uint8)
        values = np.ascontiguousarray(shuffled.reshape(8, -1).T).view("<f8")
        assert np.array_equal(values.reshape(256, 256), one.miou, equal_nan=True)


class Counted(SaliencyFolder):
    """Maps that know how often each was read."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.read_ids: list[str] = []

    def read(self, image_id: str) -> Any:  # noqa: ANN401
        self.read_ids.append(image_id)
        return super().read(image_id)


def test_maps_are_read_once_for_each_pairing(data: Path, tmp_path: Path) -> None:
    soft = Counted(data / "saliency" / "soft")
    sets = {name: data / "activation" / f"simulated_{name}" for name in ("cam", "eps")}
    chosen = {**options(data, samples=0), "saliency": {"soft": soft}, "activation": sets}
    bars: list[int] = []

    def progress(items: Any, length: int) -> Any:  # noqa: ANN401
        bars.append(length)
        return items

    write_report(out=tmp_path / "out", progress=progress, **chosen)
    assert sorted(soft.read_ids) == sorted([*listed(data)] * 2)
    assert bars == [IMAGES, IMAGES]


def test_iou_by_class_over_tau_is_stored(made: tuple[Report, Path], data: Path) -> None:
    report, out = made
    chosen = options(data)
    for number, one in enumerate(report.pairings):
        kept = {name: chosen[name] for name in ("recipe", "benchmark")}
        kept |= {"saliency": chosen["saliency"][one.saliency]}
        maps = chosen["activation"][one.activation]
        curve = sweep(listed(data), maps, chosen["ground_truth"], **kept).curve("miss")
        shuffled = np.frombuffer(inflated(stored(out, f"classes-{number}")), np.uint8)
        values = np.ascontiguousarray(shuffled.reshape(8, -1).T).view("<f8").reshape(-1, 256)
        assert np.array_equal(values, curve.per_class.T, equal_nan=True)
        assert np.array_equal(values, one.class_curves, equal_nan=True)
        shown = page_data(out / "index.html")["pairings"][number]["classes"]
        own = [one.per_class["own"][value] for value in shown]
        assert own == sorted(own, reverse=True)
        assert set(shown) == set(np.flatnonzero(~np.isnan(values).all(axis=1)).tolist())


# Which maps were scored


def plain_digest(maps: dict[tuple[str, str], plain.UInt8]) -> str:
    """By image and class (or `saliency`), added in an order of its own."""
    total = 0
    for (image_id, kind), values in sorted(maps.items(), reverse=True):
        words = f"{image_id}\n{kind}\n{values.shape[0]} {values.shape[1]}\n".encode()
        total += int(hashlib.sha256(words + values.tobytes()).hexdigest(), 16)
    return f"{total % 2**256:064x}"


def test_digests_are_of_the_pixels(made: tuple[Report, Path], data: Path) -> None:
    report, out = made
    text = (out / "index.html").read_text("utf-8")
    for name, digest in report.saliency_digests.items():
        maps = {
            (one, "saliency"): read_map(data / f"saliency/{name}/{one}.png") for one in listed(data)
        }
        assert digest == plain_digest(maps)
        assert text.count(digest) == 3  # at each of its pairings, and in the table of digests
    for name, digest in report.activation_digests.items():
        folder = data / f"activation/simulated_{name}"
        maps = {
            (one, str(index)): read_map(folder / f"{one}_{index}.png")
            for one, classes in listed(data).items()
            for index in classes
        }
        assert digest == plain_digest(maps)
        assert f"{name} {digest[:12]}" in latex_table(report).splitlines()[0]
    said = report.to_dict()["pairings"][1]
    assert said["activation_digest"] == report.activation_digests["cam"]
    assert said["saliency_digest"] == report.saliency_digests["sharp"]


def test_a_pixel_a_size_and_a_class_change_the_digest() -> None:
    values = np.arange(12, dtype=np.uint8).reshape(3, 4)
    changed = values.copy()
    changed[2, 3] += 1
    numbers = {
        map_digest("one", "saliency", values),
        map_digest("two", "saliency", values),
        map_digest("one", "1", values),
        map_digest("one", "saliency", changed),
        map_digest("one", "saliency", values.reshape(4, 3)),
        map_digest("one", "saliency", np.asfortranarray(values[::-1])),
    }
    assert len(numbers) == 6
    assert map_digest("one", "1", np.asfortranarray(values)) == map_digest("one", "1", values)


def test_maps_that_change_while_they_are_read_are_refused() -> None:
    same = [("cam", "a" * 64), ("eps", "b" * 64), ("cam", "a" * 64)]
    assert agreed(same) == {"cam": "a" * 64, "eps": "b" * 64}
    with pytest.raises(DataError, match="the maps of cam changed while they were read"):
        agreed([*same, ("cam", "c" * 64)])


def test_scores_of_images_are_counted_plainly(made: tuple[Report, Path], data: Path) -> None:
    report, _ = made
    for one in report.pairings:
        pairs = []
        for number, (image_id, classes) in enumerate(listed(data).items()):
            saliency = read_map(data / "saliency" / str(one.saliency) / f"{image_id}.png")
            folder = data / "activation" / f"simulated_{one.activation}"
            maps = {index: read_map(folder / f"{image_id}_{index}.png") for index in classes}
            label = plain.wsss_bed(saliency, maps, tau=0.1, ignore=True)
            pair = (label, read_label(data / "SegmentationClass" / f"{image_id}.png"))
            pairs.append(pair)
            score = plain.mean(plain.ious(plain.tally([pair], 20, "miss")))
            assert one.labels.image_scores[number] == score
        assert one.at(one.own) == plain.mean(plain.ious(plain.tally(pairs, 20, "miss")))
        assert one.labels.anatomy is not None
        assert one.labels.anatomy["total"]["miou"] == one.at(one.own)


def test_json_and_page_say_the_same(made: tuple[Report, Path]) -> None:
    report, out = made
    said = report.to_dict()
    assert json.loads(json.dumps(said, allow_nan=False)) == said
    page = page_data(out / "index.html")
    assert page["leading"] == said["leading"]
    assert [one["curve"] for one in page["pairings"]] == [one["miou"] for one in said["pairings"]]
    own = [one["recommended"]["miou"] for one in said["pairings"]]
    assert own[said["leading"]] == max(own)
    settings = [one["recommended"] for one in said["pairings"]]
    assert {(one["recipe_tau"], one["tau_step"]) for one in settings} == {(0.1, 26)}
    assert "tau 0.1 stands at 0.102 (26/255)" in (out / "index.html").read_text("utf-8")
    assert [one["id"] for one in page["images"]] == [one["id"] for one in said["sample"]]
    assert said["synthetic"] is True


def test_a_recipe_without_surface_has_the_curve_alone(data: Path, tmp_path: Path) -> None:
    for recipe, count in ((get_recipe("edam"), 4), (get_recipe(method="eps"), 2)):
        report = write_report(
            out=tmp_path / recipe.name, **options(data, recipe=recipe, ignored=None)
        )
        assert len(report.pairings) == count
        one = report.pairings[-1]
        assert one.miou.shape == (1, 256)
        kept = options(data)
        saliency = kept["saliency"]["sharp"] if recipe.uses_saliency else None
        maps = kept["activation"]["eps"]
        swept = sweep(
            listed(data),
            maps,
            kept["ground_truth"],
            saliency=saliency,
            recipe=recipe,
            benchmark="mini",
        )
        curve = swept.curve()
        assert np.array_equal(one.curve, curve.miou)
        assert (one.own, one.loss) == ((0, curve.recommended), curve.loss)
        assert page_data(tmp_path / recipe.name / "index.html")["rows"] == 1


def test_maps_are_embedded_to_the_byte(made: tuple[Report, Path], data: Path) -> None:
    report, out = made
    page = page_data(out / "index.html")
    for number, one in enumerate(report.sample):
        image = stored(out, f"image-{number}")
        truth = read_label(data / "SegmentationClass" / f"{one.image_id}.png")
        assert inflated(image["truth"]) == truth.tobytes()
        photo = image["photo"].removeprefix("data:image/jpeg;base64,")
        written = (data / "JPEGImages" / f"{one.image_id}.jpg").read_bytes()
        assert base64.b64decode(photo) == written
        shown = page["images"][number]
        assert (shown["height"], shown["width"]) == truth.shape
        for index, name in enumerate(page["saliencies"]):
            values = read_map(data / "saliency" / name / f"{one.image_id}.png")
            assert inflated(stored(out, f"saliency-{index}-{number}")) == values.tobytes()
        for index, name in enumerate(page["activations"]):
            folder = data / "activation" / f"simulated_{name}"
            joined = b"".join(
                read_map(folder / f"{one.image_id}_{c}.png").tobytes() for c in shown["classes"]
            )
            assert inflated(stored(out, f"activation-{index}-{number}")) == joined


# The same input, the same bytes


def contents(folder: Path) -> dict[str, bytes]:
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


def test_same_input_same_bytes(made: tuple[Report, Path], data: Path, tmp_path: Path) -> None:
    _, first = made
    again = tmp_path / "elsewhere" / "again"
    write_report(out=again, images=data / "JPEGImages", **options(data, workers=1))
    assert contents(again) == contents(first)
    write_report(out=again, images=data / "JPEGImages", **options(data, workers=3))
    assert contents(again) == contents(first)
    for name, content in contents(first).items():
        assert str(data).encode() not in content, name
        assert str(first).encode() not in content, name


def test_new_maps_replace_the_old_report(data: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    (out / "data-mine").mkdir(parents=True)
    (out / "data-mine").rmdir()
    chosen = options(data, activation={"one": data / "activation/simulated_cam"})
    write_report(out=out, **chosen)
    before = contents(out)
    write_report(out=out, **{**chosen, "activation": {"one": data / "activation/simulated_eps"}})
    after = contents(out)
    assert before["index.html"] != after["index.html"]
    assert len([path for path in out.iterdir() if path.is_dir()]) == 1
    assert page_data(out / "index.html")["data"] in {name.split("/")[0] for name in after}


def test_one_file_holds_everything(made: tuple[Report, Path], data: Path, tmp_path: Path) -> None:
    out = tmp_path / "report.html"
    write_report(out=out, images=data / "JPEGImages", **options(data))
    text = out.read_text("utf-8")
    assert page_data(out)["data"] is None
    for key in ("surface-3", "image-0", "saliency-1-2", "activation-1-2"):
        found = re.search(rf'<script type="application/json" id="data-{key}">(.*?)</script>', text)
        assert found
        assert json.loads(found.group(1)) == stored(made[1], key)
    write_report(out=out, images=data / "JPEGImages", **options(data))
    assert out.read_text("utf-8") == text
    assert list(tmp_path.iterdir()) == [out]


@pytest.mark.parametrize("name", ["report", "report.html"])
def test_foreign_places_are_left_alone(data: Path, tmp_path: Path, name: str) -> None:
    out = tmp_path / name
    mine = out / "mine.txt" if name == "report" else out
    mine.parent.mkdir(exist_ok=True)
    mine.write_text("mine", "utf-8")
    with pytest.raises(FolderInUseError):
        write_report(out=out, **options(data))
    assert contents(tmp_path) == {mine.relative_to(tmp_path).as_posix(): b"mine"}


def test_a_report_with_other_settings_is_left_alone(data: Path, tmp_path: Path) -> None:
    chosen = options(data, activation={"one": data / "activation/simulated_cam"})
    write_report(out=tmp_path / "out", **chosen)
    before = contents(tmp_path)
    with pytest.raises(FolderInUseError, match="other settings"):
        write_report(out=tmp_path / "out", **{**chosen, "ignored": "drop"})
    assert contents(tmp_path) == before
    (tmp_path / "a.html").mkdir()
    with pytest.raises(FolderInUseError, match="is a folder"):
        write_report(out=tmp_path / "a.html", **chosen)


@pytest.mark.parametrize("name", ["report", "report.html"])
def test_what_fails_leaves_nothing(data: Path, tmp_path: Path, name: str) -> None:
    missing = {"nowhere": (0,), **listed(data)}
    with pytest.raises(MissingFileError, match="nowhere"):
        write_report(out=tmp_path / name, **options(data, labels=missing))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["report", "report.html", "deep/er/report"])
def test_a_place_that_takes_no_files_is_refused_at_once(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    def work(*_: object) -> None:
        raise AssertionError("maps were read")

    def read_only(**_: object) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr("wsss_assets.report.explorer.report.measure", work)
    (tmp_path / "file").write_text("mine", "utf-8")
    with pytest.raises(OSError, match="file is no folder; choose another place"):
        write_report(out=tmp_path / "file" / name, **options(data))
    monkeypatch.setattr("wsss_assets.report.explorer.writing.TemporaryFile", read_only)
    with pytest.raises(OSError, match=r"takes no files .Read-only file system."):
        write_report(out=tmp_path / name, **options(data))
    assert contents(tmp_path) == {"file": b"mine"}


@pytest.mark.parametrize("name", ["report.txt", "v1.0.PDF"])
def test_a_name_of_another_kind_of_file_is_refused(data: Path, tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match=r"is no .(txt|pdf) file"):
        write_report(out=tmp_path / name, **options(data))
    assert list(tmp_path.iterdir()) == []
    assert not Place(tmp_path / "v1.0").is_file
    (tmp_path / name).mkdir()  # which someone called so
    assert not Place(tmp_path / name).is_file


# What is refused


def test_a_policy_is_asked_for(data: Path, tmp_path: Path) -> None:
    with pytest.raises(IgnoredPixelsError):
        write_report(out=tmp_path / "out", **options(data, ignored=None))


def test_nothing_to_report_on(data: Path, tmp_path: Path) -> None:
    wrong: dict[str, Any]
    for wrong in ({"labels": {}}, {"activation": {}}, {"samples": -1}):
        with pytest.raises(UsageError, match="nothing to report on"):
            write_report(out=tmp_path / "out", **options(data, **wrong))
    with pytest.raises(UsageError, match="needs saliency maps"):
        write_report(out=tmp_path / "out", **options(data, saliency={}))
    first = next(iter(listed(data)))
    photo = (data / "JPEGImages" / f"{first}.jpg").read_bytes()
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / f"{first}.jpg").write_bytes(photo)
    with pytest.raises(MissingFileError, match="no photo mini_000001"):  # before any work
        write_report(
            out=tmp_path / "out", **options(data, images=tmp_path / "photos", labels=only_ids(data))
        )
    assert not (tmp_path / "out").exists()


def test_ground_truth_of_255_alone(data: Path, tmp_path: Path) -> None:
    for image_id in listed(data):
        truth = read_label(data / "SegmentationClass" / f"{image_id}.png")
        plain.write_grey(tmp_path / "masks" / f"{image_id}.png", np.full_like(truth, 255))
    with pytest.raises(DataError, match="no class occurs"):
        write_report(out=tmp_path / "out", **options(data, ground_truth=tmp_path / "masks"))
    assert not (tmp_path / "out").exists()


# The sample


@given(
    st.lists(st.one_of(st.just(float("nan")), st.sampled_from([0.0, 0.25, 0.5, 1.0])), max_size=30),
    st.integers(0, 12),
)
def test_the_sample_is_from_both_ends_and_between(scores: list[float], count: int) -> None:
    ids = [f"{(7 * number) % 31:02d}" for number in range(len(scores))]
    chosen = choose(ids, np.array(scores), count)
    known = sorted((score, one) for score, one in zip(scores, ids, strict=True) if score >= 0)
    assert len(chosen) == min(count, len(known)) == len({one.image_id for one in chosen})
    worst, best, between = (
        [(one.score, one.image_id) for one in chosen if one.group == group]
        for group in ("worst", "best", "between")
    )
    assert worst == known[: len(worst)]
    assert best == known[::-1][: len(best)]
    assert between == sorted(between)
    assert len(worst) == len(best) == len(chosen) // 3


def test_images_between_are_spread_by_rank() -> None:
    ids = [str(number) for number in range(100)]
    chosen = choose(ids, np.arange(100) / 100, 12)
    assert [one.image_id for one in chosen if one.group == "between"] == ["15", "38", "61", "84"]


def test_photos(tmp_path: Path) -> None:
    values = np.arange(60, dtype=np.uint8).reshape(4, 5, 3)
    exif = Image.Exif()
    exif[0x0112] = 6  # turned, for viewers that believe it
    Image.fromarray(values).save(tmp_path / "bare.jpg", quality=95)
    Image.fromarray(values).save(tmp_path / "turned.jpg", quality=95, exif=exif)
    Image.fromarray(values).save(tmp_path / "lossless.png")
    photos = PhotoFolder(tmp_path)
    for name in ("bare", "turned", "lossless"):
        text = photos.read(name, (4, 5)).removeprefix("data:image/jpeg;base64,")
        with Image.open(io.BytesIO(base64.b64decode(text))) as image:
            assert (image.format, image.size) == ("JPEG", (5, 4))
            assert "exif" not in image.info
    with pytest.raises(SizeMismatchError):
        photos.read("bare", (5, 4))
    with pytest.raises(MissingFileError, match="no photo other"):
        photos.read("other", (4, 5))
    noise = np.random.default_rng(0).integers(0, 256, (1500, 900, 3), np.uint8)
    Image.fromarray(noise).save(tmp_path / "large.jpg", quality=95)
    text = PhotoFolder(tmp_path).read("large", (1500, 900)).partition(",")[2]
    with Image.open(io.BytesIO(base64.b64decode(text))) as image:
        assert image.size == (614, 1024)


# Colours


def luminance(colour: str) -> float:
    """Relative luminance as the Web Content Accessibility Guidelines define it."""
    levels = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [x / 12.92 if x <= 0.04045 else ((x + 0.055) / 1.055) ** 2.4 for x in levels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def mixed(one: str, other: str, share: float) -> str:
    pairs = ((int(one[i : i + 2], 16), int(other[i : i + 2], 16)) for i in (1, 3, 5))
    return "#" + "".join(f"{round(share * a + (1 - share) * b):02x}" for a, b in pairs)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_words_and_lines_can_be_told_from_what_they_stand_on(scheme: str) -> None:
    files = resources.files("wsss_assets.report.explorer")
    style = (files / "page.css").read_text("utf-8")
    light, automatic, dark = re.findall(r"^ *:root[^{\n]*\{\n(.*?)^ *\}", style, re.M | re.S)[:3]
    assert automatic.split() == dark.split()
    colours = dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", light + (scheme == "dark") * dark))
    for words in ("ink", "quiet", "accent", "good", "bad"):
        for ground in ("paper", "panel", "accent-soft"):
            assert contrast(colours[words], colours[ground]) >= 4.5, (words, ground)
    assert contrast(colours["mark-ink"], colours["mark"]) >= 4.5
    tinted = mixed(colours["accent"], colours["panel"], 0.42)  # the best cell of the matrix
    assert contrast(colours["ink"], tinted) >= 4.5
    script = (files / "charts.js").read_text("utf-8")
    found = re.search(rf"{scheme}: \[(.*?)\]", script)
    assert found
    lines = re.findall("#[0-9a-f]{6}", found.group(1))
    assert len(lines) == 7
    assert all(contrast(line, colours["panel"]) >= 3 for line in lines)


# Text


def test_markup_in_names_is_text(data: Path, tmp_path: Path) -> None:
    nasty = "</script><b title='&\"'>$policy"
    benchmark = replace(
        get_benchmark("mini"), title=nasty, classes=(nasty, *get_benchmark("mini").classes[1:])
    )
    out = tmp_path / "out"
    chosen = options(
        data, benchmark=benchmark, activation={nasty: data / "activation/simulated_cam"}
    )
    report = write_report(out=out, **chosen)
    text = (out / "index.html").read_text("utf-8")
    assert "<b title" not in text
    assert nasty in page_data(out / "index.html")["activations"]
    assert text.count("</script>") == 2
    assert r"\textless{}/script\textgreater{}" in latex_table(report)


def test_latex(made: tuple[Report, Path]) -> None:
    report, _ = made
    lines = latex_table(report).splitlines()
    assert lines[0].startswith("% mini train, 5 images, wsss-bed: ")
    assert "SYNTHETIC" in lines[0]
    nameless = replace(report, job=replace(report.job, split=None))
    assert latex_table(nameless).startswith("% mini, 5 images, ")
    assert lines[1:3] == [r"\begin{tabular}{llrrrrrr}", r"\toprule"]
    rows = lines[5:-2]
    assert len(rows) == 4
    assert all(row.count("&") == 7 and row.endswith(r" \\") for row in rows)
    best = max(range(4), key=lambda number: report.pairings[number].at((51, 26)) or 0)
    own = f"{100 * report.pairings[best].miou[51, 26]:.2f}"
    assert rf"& \textbf{{{own}}} &" in rows[best]
    assert lines[-2:] == [r"\bottomrule", r"\end{tabular}"]


def test_latex_text() -> None:
    assert latex_text("a_b & 50% {x}\n#1 $") == r"a\_b \& 50\% \{x\} \#1 \$"
    assert latex_text("~^\\") == r"\textasciitilde{}\textasciicircum{}\textbackslash{}"


def test_without_scipy_the_page_says_how_to_get_it(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [one for one in sys.modules if one.split(".")[0] == "scipy"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "scipy", None)  # importing it fails
    assert not shapes.is_there()
    report = write_report(out=tmp_path / "out", **options(data, samples=0))
    assert [one.labels.anatomy for one in report.pairings] == [None] * 4
    text = (tmp_path / "out/index.html").read_text("utf-8")
    assert "needs SciPy" in text
    assert "pip install 'wsss-assets[analysis]'" in text
    assert "pip install '.[analysis]'" in text
    assert report.sample == ()
