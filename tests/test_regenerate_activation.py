"""Activation maps by the runner, in this process: against plain loops, kept, remade, listed."""

from __future__ import annotations

import os
import pickle
import shutil
import subprocess
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

from tests import activation_toys as toys
from tests.golden_weights import GOLDEN, Golden
from wsss_assets.catalog.records import MADE_MAPS_NAME, MadeMaps, parse_record
from wsss_assets.devkit.image_labels import ImageLabels
from wsss_assets.errors import FolderInUseError, MissingFileError, UsageError
from wsss_assets.map_sets.feedback import Feedback
from wsss_assets.storage.activation_dicts import read_activation_dict
from wsss_assets.storage.images import read_map
from wsss_assets.storage.receipts import RECEIPTS_NAME, Receipts
from wsss_assets.storage.stamps import STAMP_NAME

torch = pytest.importorskip("torch")

from wsss_assets.models import get_method  # noqa: E402
from wsss_assets.models.mcis import five_maps, merged, partners  # noqa: E402
from wsss_assets.models.protocols import MOST_PIXELS  # noqa: E402
from wsss_assets.regenerate import (  # noqa: E402
    ActivationOptions,
    Predicted,
    Summary,
    regenerate,
)
from wsss_assets.regenerate.activation import LABELS_NAME, activation_work  # noqa: E402
from wsss_assets.regenerate.activation_work import ActivationWork  # noqa: E402

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from wsss_assets.models.activation import ActivationMethod
    from wsss_assets.storage.images import UInt8

FOLDER = GOLDEN / "activation"
SIZES = [(30, 41), (41, 30), (27, 27)]
LABELS = {
    "p0": (0,),
    "p1": (3, 14),
    "p2": (0, 7, 19),
    "p3": (),
    "p4": (14,),
    "p5": (1, 2),
    "p6": (3,),
    "p7": (0, 3, 14),
    "p8": (7,),
    "p9": (2,),
}
SHOWING = {image_id: classes for image_id, classes in LABELS.items() if classes}


class Photos:
    """A folder of photos of three sizes, their labels, weights, seeds, and a place for maps."""

    def __init__(self, root: Path) -> None:
        self.root, self.folder, self.seeds = root, root / "photos", root / "seeds"
        self.folder.mkdir()
        self.seeds.mkdir()
        self.labels = ImageLabels(LABELS, "label list list.txt")
        generator = np.random.default_rng(5)
        for number, image_id in enumerate(LABELS):
            size = SIZES[number % 3]
            self.save(image_id, generator.integers(0, 256, (*size, 3), np.uint8))
            seed = generator.choice(np.array([0, 1, 255], np.uint8), size)
            Image.fromarray(seed).save(self.seeds / f"{image_id}.png")

    def save(self, image_id: str, pixels: UInt8) -> None:
        Image.fromarray(pixels).save(self.folder / f"{image_id}.png")

    def run(
        self,
        method: ActivationMethod = toys.TOY_CAM,
        out: str = "out",
        *,
        labels: Any = None,  # noqa: ANN401
        changes: dict[str, Any] | None = None,
        **options: Any,  # noqa: ANN401
    ) -> Summary:
        weights = self.root / f"{method.build.__name__}.pth"
        if not weights.exists():
            toys.write_weights(weights, method)
        activation = ActivationOptions(labels=labels or self.labels, **(changes or {}))
        values: dict[str, Any] = {"weights": [weights], "device": "cpu", "workers": 0}
        return regenerate(
            method,
            self.folder,
            self.root / out,
            activation=activation,
            **{**values, **options},
        )

    def photo(self, image_id: str) -> Image.Image:
        with Image.open(self.folder / f"{image_id}.png") as image:
            picture: Image.Image = image.convert("RGB")
        return picture

    def contents(self, out: str = "out") -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in (self.root / out).iterdir()}

    def maps(self, out: str = "out") -> dict[str, bytes]:
        return {name: data for name, data in self.contents(out).items() if name.endswith(".png")}

    def map(self, stem: str, out: str = "out") -> NDArray[np.int64]:
        return read_map(self.root / out / f"{stem}.png").astype(np.int64)

    def record(self, out: str = "out") -> MadeMaps:
        path = self.root / out / MADE_MAPS_NAME
        return parse_record(MadeMaps, path.read_bytes(), str(path))


@pytest.fixture
def photos(tmp_path: Path) -> Photos:
    return Photos(tmp_path)


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RANK", "WORLD_SIZE", "TOY_FITS", "TOY_RUN_SECONDS", "TOY_PIDS"):
        monkeypatch.delenv(name, raising=False)


def stems(labels: dict[str, tuple[int, ...]]) -> set[str]:
    return {f"{image_id}_{index}" for image_id, classes in labels.items() for index in classes}


def normalised(pixels: Image.Image) -> Any:  # noqa: ANN401 (a tensor)
    x = torch.from_numpy(np.array(pixels)).permute(2, 0, 1)[None].float() / 255
    mean, std = (torch.tensor(one).view(1, 3, 1, 1) for one in ([0.5, 0.4, 0.3], [0.2, 0.3, 0.4]))
    return (x - mean) / std


def plain(photos: Photos, image_id: str) -> dict[int, UInt8]:
    """An image's maps by a loop over scales and flips, one picture at a time."""
    photo = photos.photo(image_id)
    net = toys.build_cam()
    total = torch.zeros(1)
    with torch.no_grad():
        for scale in toys.SIZES:
            size = (round(photo.width * scale), round(photo.height * scale))
            x = normalised(photo.resize(size, Image.Resampling.BICUBIC))
            for flip in (False, True):
                maps = net(x.flip(3) if flip else x)
                maps = torch.nn.functional.interpolate(
                    maps, (photo.height, photo.width), mode="bilinear", align_corners=False
                )
                total = total + (maps.flip(3) if flip else maps)[0]
    found = {index: total[index].numpy() for index in LABELS[image_id]}
    return {
        index: np.rint(255 * one / (one.max() + 1e-5)).astype(np.uint8)
        for index, one in found.items()
    }


def near(found: NDArray[np.int64], expected: Any) -> bool:  # noqa: ANN401 (an array)
    difference = np.abs(found - np.asarray(expected, np.int64))
    return bool(difference.max() <= 1 and difference.mean() < 0.005)


# What is made


def test_maps_are_those_of_the_plain_loop(photos: Photos) -> None:
    assert photos.run(batch_size=1) == Summary(len(SHOWING), 0, {}, without_classes=1)
    assert photos.run(out="many", batch_size=4).written == len(SHOWING)
    assert set(photos.maps()) == {f"{stem}.png" for stem in stems(LABELS)}
    for image_id in SHOWING:
        for index, wanted in plain(photos, image_id).items():
            found = photos.map(f"{image_id}_{index}")
            assert wanted.std() > 5
            assert near(found, wanted)
            assert near(photos.map(f"{image_id}_{index}", "many"), wanted)


def test_bytes_are_enlarged_where_authors_do_so(photos: Photos) -> None:
    assert photos.run(toys.TOY_OAA).written == len(SHOWING)
    assert photos.map("p1_14").shape == SIZES[1]
    photos.run(toys.TOY_OAA, "npy", changes={"dictionaries": "classes"})
    found = read_activation_dict(photos.root / "npy" / "p1.npy", (3, 14))
    np.testing.assert_array_equal(found[14], photos.map("p1_14"))


def test_the_folder_is_the_same_for_any_number_of_workers(
    photos: Photos, monkeypatch: pytest.MonkeyPatch
) -> None:
    photos.run(batch_size=3)
    photos.run(batch_size=3, workers=2, out="apart")
    monkeypatch.setattr("wsss_assets.regenerate.run.default_workers", lambda: 1)
    photos.run(batch_size=3, out="alone")
    assert photos.contents() == photos.contents("apart") == photos.contents("alone")
    others = {STAMP_NAME, RECEIPTS_NAME, MADE_MAPS_NAME}
    assert set(photos.contents()) == {*photos.maps(), *others}


def test_preparing_needs_no_torch(photos: Photos) -> None:
    program = (
        "import pickle, sys; import numpy as np\n"
        "prepare = pickle.loads(sys.stdin.buffer.read())\n"
        "prepare(np.zeros((30, 41, 3), np.uint8), 'p0')\n"
        "assert 'torch' not in sys.modules"
    )
    for method in toys.METHODS.values():
        options = ActivationOptions(labels=photos.labels, seeds=photos.seeds, official_dropout=1)
        work = activation_work(method, options, photos.folder, labels=photos.labels)
        data = pickle.dumps(work.prepare)
        subprocess.run([sys.executable, "-c", program], input=data, check=True)


def test_the_record_says_by_which_labels(photos: Photos) -> None:
    photos.run()
    record = photos.record()
    assert (record.kind, record.model, record.images) == ("activation", "toy_cam", len(LABELS))
    assert record.labels is not None
    assert (record.labels.source, record.labels.images) == ("label list list.txt", len(LABELS))
    assert record.unknown == "Nothing is known of a toy."
    assert set(record.maps) == stems(LABELS)
    assert record.settings["work"]["labels"] == "given"
    assert record.settings["work"]["protocol"]["sizes"] == list(toys.SIZES)


def test_some_images_of_a_list(photos: Photos) -> None:
    assert photos.run(ids=["p1", "p3"]) == Summary(1, 0, {}, without_classes=1)
    assert set(photos.maps()) == {"p1_3.png", "p1_14.png"}


def test_an_image_that_the_labels_do_not_know_is_listed(photos: Photos) -> None:
    photos.save("odd", np.zeros((9, 9, 3), np.uint8))
    summary = photos.run(ids=["p1", "odd"])
    assert summary.written == 1
    assert "which classes odd shows is not known" in summary.failed["odd"]
    assert "label list list.txt" in summary.failed["odd"]


@pytest.mark.parametrize("name", ["oaa", "amn"])
def test_maps_are_those_of_the_authors(tmp_path: Path, name: str) -> None:
    golden, image = Golden(name, FOLDER), "chelsea"
    for folder, source in (("photos", f"input_{image}"), ("seeds", f"input_{image}_irlabel")):
        (tmp_path / folder).mkdir()
        shutil.copy(FOLDER / f"{source}.png", tmp_path / folder / f"{image}.png")
    weights = golden.weights(golden.photo)
    state = {key: torch.from_numpy(np.array(value)) for key, value in weights.items()}
    torch.save(state, tmp_path / "weights.pth")
    labels = ImageLabels({image: tuple(sorted(golden.photo["labels"][image]))}, "the reference")
    seeds = tmp_path / "seeds" if name == "amn" else None
    regenerate(
        name,
        tmp_path / "photos",
        tmp_path / "out",
        weights=[tmp_path / "weights.pth"],
        device="cpu",
        workers=0,
        activation=ActivationOptions(labels=labels, seeds=seeds),
    )
    expected = {index: golden.photo_map(f"{image}_{index}") for index in labels[image]}
    assert any(one is not None for one in expected.values())
    for index, one in expected.items():
        found = read_map(tmp_path / "out" / f"{image}_{index}.png")[::3, ::3].astype(int)
        assert one is None or (np.abs(found - one) <= 1).mean() >= 0.995


# Going on


def test_what_is_missing_cut_short_or_edited_is_made_again(photos: Photos) -> None:
    photos.run(batch_size=4)
    before = photos.contents()
    out = photos.root / "out"
    (out / "p2_7.png").unlink()
    (out / "p7_3.png").write_bytes(before["p7_3.png"][:-9])
    edited = read_map(out / "p5_1.png").copy()
    edited[0, 0] ^= 1
    Image.fromarray(edited).save(out / "p5_1.png")
    assert photos.run(batch_size=4) == Summary(3, len(SHOWING) - 3, {}, 1)
    assert photos.contents() == before
    assert photos.run() == Summary(0, len(SHOWING), {}, 1)


def test_changed_labels_remake_just_those_images(photos: Photos) -> None:
    photos.run(batch_size=4)
    changed = {**LABELS, "p1": (3,), "p3": (5,), "p4": (9, 14), "p9": ()}
    summary = photos.run(batch_size=4, labels=ImageLabels(changed, "another list"))
    assert summary == Summary(3, len(SHOWING) - 3, {}, 1)
    assert set(photos.maps()) == {f"{stem}.png" for stem in stems(changed)}
    assert set(Receipts(photos.root / "out").outputs()) == stems(changed)
    photos.run(batch_size=4, labels=ImageLabels(changed, "another list"), out="anew")
    assert {name for name, data in photos.maps("anew").items() if photos.maps()[name] == data} >= {
        f"{image_id}_{index}.png" for image_id in ("p0", "p5") for index in LABELS[image_id]
    }


@pytest.mark.parametrize("workers", [0, 1])
def test_a_broken_photo_is_listed_and_changes_nothing_of_the_others(
    photos: Photos, workers: int
) -> None:
    photos.run(batch_size=4, out="whole")
    path = photos.folder / "p6.png"
    data, stat = path.read_bytes(), path.stat()
    path.write_bytes(data[: len(data) // 2])
    summary = photos.run(batch_size=4, workers=workers)
    assert (summary.written, list(summary.failed)) == (len(SHOWING) - 1, ["p6"])
    assert "p6_3" not in photos.record().maps
    assert photos.maps().items() <= photos.maps("whole").items()
    path.write_bytes(data)
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert photos.run(batch_size=4).written == 1
    assert photos.contents() == photos.contents("whole")


def test_on_the_cpu_a_batch_is_shown_one_by_one(
    photos: Photos, monkeypatch: pytest.MonkeyPatch
) -> None:
    photos.run(batch_size=1)
    monkeypatch.setenv("TOY_FITS", "1")
    photos.run(batch_size=4, out="four")
    for stem in stems(LABELS):
        np.testing.assert_array_equal(photos.map(stem), photos.map(stem, "four"))


def test_a_batch_that_does_not_fit_is_halved(
    photos: Photos, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wsss_assets.regenerate.run.default_workers", lambda: 1)
    monkeypatch.setattr(ActivationWork, "most_pixels", lambda _self, _device_type: MOST_PIXELS)
    photos.run(batch_size=2, out="pairs")
    monkeypatch.setenv("TOY_FITS", "4")  # two photos and their mirror images
    assert photos.run(batch_size=4).written == len(SHOWING)
    assert photos.record().smallest_batch in {1, 2}
    for stem in stems(LABELS):
        assert near(photos.map(stem), photos.map(stem, "pairs"))


# Dictionaries


def test_dictionaries_hold_the_same_maps(photos: Photos) -> None:
    photos.run()
    npy: dict[str, Any] = {"changes": {"dictionaries": "classes"}}
    assert photos.run(out="npy", **npy) == Summary(len(SHOWING), 0, {}, 1)
    assert {name for name in photos.contents("npy") if name.endswith(".npy")} == {
        f"{image_id}.npy" for image_id in SHOWING
    }
    for image_id, classes in SHOWING.items():
        path = photos.root / "npy" / f"{image_id}.npy"
        for index, found in read_activation_dict(path, classes).items():
            np.testing.assert_array_equal(found, photos.map(f"{image_id}_{index}"))
    by_numpy = np.load(photos.root / "npy" / "p1.npy", allow_pickle=True).item()
    assert list(by_numpy) == [3, 14]
    assert by_numpy[3].dtype == np.float32
    assert by_numpy[3].shape == SIZES[1]
    photos.run(out="again", workers=2, **npy)
    assert photos.contents("npy") == photos.contents("again")
    assert photos.run(out="npy", **npy).kept == len(SHOWING)
    with pytest.raises(FolderInUseError, match="output"):
        photos.run(**npy)


def test_irn_s_own_dictionaries(photos: Photos) -> None:
    irn_cam = replace(toys.TOY_CAM, name="irn_cam")
    photos.run(irn_cam, "irn", changes={"dictionaries": "irn"}, batch_size=4)
    photos.run(irn_cam)
    with pytest.raises(UsageError, match="write no files as IRN does"):
        photos.run(toys.TOY_CAM, "no", changes={"dictionaries": "irn"})
    check_irn(photos, "irn", "out", 0)
    for extra in ({"seeds": photos.seeds}, {"without_seeds": "stretched", "official_dropout": 3}):
        first, second = f"amn{len(extra)}", f"png{len(extra)}"
        npy = {**extra, "dictionaries": "irn"}
        photos.run(toys.TOY_AMN, first, changes=npy, batch_size=4)
        photos.run(toys.TOY_AMN, second, changes=extra, batch_size=4)
        check_irn(photos, first, second, 1)


def check_irn(photos: Photos, folder: str, pngs: str, behind: int) -> None:
    """Every file has keys, two sizes, and the maps that the PNGs of the other folder have."""
    for image_id, classes in SHOWING.items():
        path = photos.root / folder / f"{image_id}.npy"
        for index, found in read_activation_dict(path, classes).items():
            np.testing.assert_array_equal(found, photos.map(f"{image_id}_{index}", pngs))
        content = np.load(path, allow_pickle=True).item()
        assert content["keys"].tolist() == [0] * behind + [index + behind for index in classes]
        height, width = content["high_res"].shape[1:]
        assert content["cam"].shape == (len(classes) + behind, -(-height // 4), -(-width // 4))
        assert content["cam"].dtype == content["high_res"].dtype == np.float32


# Predicted labels


def test_labels_can_be_predicted(photos: Photos) -> None:
    (photos.folder / "p8.png").write_bytes(b"no picture")
    summary = photos.run(labels=Predicted(0.6))
    assert list(summary.failed) == ["p8"]
    assert "p8.png" in summary.failed["p8"]
    listed = dict(line.partition(" ")[::2] for line in lines(photos.root / "out" / LABELS_NAME))
    assert set(listed) == set(LABELS) - {"p8"}
    for image_id in listed:
        with torch.no_grad():
            sides = toys.build_cam()(normalised(photos.photo(image_id)), side_outputs=True)[1]
        above = (torch.sigmoid(sides["scores"][0]) > 0.6).nonzero().flatten().tolist()
        assert listed[image_id] == " ".join(map(str, above))
    assert len(set(listed.values())) > 1
    named = {one: tuple(map(int, text.split())) for one, text in listed.items()}
    assert set(photos.maps()) == {f"{stem}.png" for stem in stems(named)}
    settings = photos.record().settings["work"]
    assert (settings["labels"], settings["label_threshold"]) == ("predicted", 0.6)
    assert photos.record().labels.source == "classes that toy_cam scores above 0.6"  # type: ignore[union-attr]
    again = photos.run(labels=Predicted(0.6))
    assert (again.written, again.kept, again.failed) == (0, summary.written, summary.failed)
    before = lines(photos.root / "out" / LABELS_NAME)
    photos.run(labels=Predicted(0.6), ids=["p1"])
    assert lines(photos.root / "out" / LABELS_NAME) == before
    with pytest.raises(FolderInUseError, match="threshold"):
        photos.run(labels=Predicted(0.7))


def lines(path: Path) -> list[str]:
    return path.read_text("utf-8").splitlines()


def test_an_image_without_a_class_above_the_threshold_has_none(photos: Photos) -> None:
    summary = photos.run(labels=Predicted(0.999999))
    assert summary.without_classes > 0
    assert summary.written + summary.without_classes == len(LABELS)


# AMN


def test_amn_takes_seeds(photos: Photos) -> None:
    seeded: dict[str, Any] = {"changes": {"seeds": photos.seeds}}
    assert photos.run(toys.TOY_AMN, batch_size=1, **seeded).written == len(SHOWING)
    assert photos.record().model == "amn"
    photos.run(toys.TOY_AMN, "many", batch_size=4, **seeded)
    photos.run(toys.TOY_AMN, "plain", changes={"without_seeds": "plain"})
    photos.run(toys.TOY_AMN, "stretched", changes={"without_seeds": "stretched"})
    assert photos.record("plain").model == "amn_unstretched"
    assert photos.record("stretched").model == "amn_stretched_everywhere"
    assert "without its seeds" in photos.record("plain").made_by
    for image_id, classes in SHOWING.items():
        seed = np.asarray(Image.open(photos.seeds / f"{image_id}.png"))
        for index in classes:
            stem = f"{image_id}_{index}"
            kept, stretched = photos.map(stem, "plain"), photos.map(stem, "stretched")
            assert near(photos.map(stem), np.where(seed == 0, kept, stretched))
            assert near(photos.map(stem, "many"), photos.map(stem))


def test_a_seed_that_is_missing_or_wrong_is_listed(photos: Photos) -> None:
    (photos.seeds / "p1.png").unlink()
    Image.fromarray(np.zeros((5, 5), np.uint8)).save(photos.seeds / "p2.png")
    Image.fromarray(np.full(SIZES[1], 77, np.uint8)).save(photos.seeds / "p4.png")
    summary = photos.run(toys.TOY_AMN, batch_size=4, changes={"seeds": photos.seeds})
    assert list(summary.failed) == ["p1", "p2", "p4"]
    assert "no seed" in summary.failed["p1"]
    assert "not of the size of its photo" in summary.failed["p2"]
    assert "77" in summary.failed["p4"]
    assert summary.written == len(SHOWING) - 3


def test_a_changed_seed_remakes_just_that_image(photos: Photos) -> None:
    seeded: dict[str, Any] = {"changes": {"seeds": photos.seeds}, "batch_size": 4}
    photos.run(toys.TOY_AMN, **seeded)
    Image.fromarray(np.full(SIZES[1], 255, np.uint8)).save(photos.seeds / "p4.png")
    assert photos.run(toys.TOY_AMN, **seeded) == Summary(1, len(SHOWING) - 1, {}, 1)


def test_official_dropout_depends_on_the_image_alone(photos: Photos) -> None:
    changes: dict[str, Any] = {"without_seeds": "plain", "official_dropout": 7}
    photos.run(toys.TOY_AMN, "off", changes={"without_seeds": "plain"})
    photos.run(toys.TOY_AMN, "one", changes=changes, batch_size=1)
    photos.run(toys.TOY_AMN, "many", changes=changes, batch_size=4)
    photos.run(toys.TOY_AMN, "some", changes=changes, batch_size=1, ids=["p7", "p1"])
    photos.run(toys.TOY_AMN, "other", changes={**changes, "official_dropout": 8})
    assert photos.maps("one") == photos.maps("many")
    assert photos.maps("some").items() <= photos.maps("one").items()
    assert photos.maps("one") != photos.maps("off") != photos.maps("other")
    assert photos.maps("one") != photos.maps("other")
    assert photos.record("one").settings["work"]["official_dropout"] == 7


# MCIS


def test_mcis_compares_with_partners(photos: Photos) -> None:
    assert photos.run(toys.TOY_MCIS, batch_size=1).written == len(SHOWING)
    photos.run(toys.TOY_MCIS, "many", batch_size=4, workers=1)
    assert photos.record().settings["work"]["partner_seed"] == 0
    by_class = {
        index: [one for one, classes in LABELS.items() if index in classes] for index in range(20)
    }
    net: Any = toys.build_mcis()
    for image_id in ("p2", "p4"):
        first, second, third = (square(photos, image_id, side) for side in (256, 192, 512))
        drawn = {index: partners(by_class, index, 0, image_id) for index in LABELS[image_id]}
        others = {
            index: torch.cat([square(photos, one, 256) for one in ids])
            for index, ids in drawn.items()
        }
        with torch.no_grad():
            small = merged(five_maps(net, first, second, third, others)).numpy().astype(np.uint8)
        for index, one in zip(LABELS[image_id], small, strict=True):
            found = photos.map(f"{image_id}_{index}")
            height, width = found.shape
            enlarged = torch.nn.functional.interpolate(
                torch.from_numpy(one)[None, None].double(), (height, width), mode="bicubic"
            )
            wanted = enlarged.round().clamp(0, 255)[0, 0].numpy()
            assert near(found, wanted)
            assert near(photos.map(f"{image_id}_{index}", "many"), found)


def square(photos: Photos, image_id: str, side: int) -> Any:  # noqa: ANN401 (a tensor)
    return normalised(photos.photo(image_id).resize((side, side), Image.Resampling.BILINEAR))


def test_a_partner_that_is_missing_is_listed(photos: Photos) -> None:
    photos.run(toys.TOY_MCIS)
    partner = next(one for one in drawn_for("p2", 19) + drawn_for("p2", 7) if one != "p2")
    (photos.folder / f"{partner}.png").unlink()
    summary = photos.run(toys.TOY_MCIS)
    assert partner in summary.failed
    said = f"p2 is compared with {partner}, of which there is no photo"
    assert said in summary.failed["p2"]
    assert summary.kept == len(SHOWING) - len(summary.failed)


def drawn_for(image_id: str, index: int) -> tuple[str, ...]:
    ids = [one for one, classes in LABELS.items() if index in classes]
    return partners({index: ids}, index, 0, image_id)


def test_a_changed_partner_remakes_what_was_compared_with_it(photos: Photos) -> None:
    photos.run(toys.TOY_MCIS)
    photos.save("p7", np.zeros((27, 41, 3), np.uint8))
    touched = {
        image_id
        for image_id, classes in SHOWING.items()
        if image_id == "p7" or any("p7" in drawn_for(image_id, index) for index in classes)
    }
    assert 1 < len(touched) < len(SHOWING)
    assert photos.run(toys.TOY_MCIS).written == len(touched)


# Options


@pytest.mark.parametrize(
    ("method", "changes", "message"),
    [
        (toys.TOY_CAM, {"seeds": "x"}, "takes no seeds"),
        (toys.TOY_CAM, {"official_dropout": 0}, "takes no official dropout"),
        (toys.TOY_CAM, {"partner_seed": 0}, "takes no partner seed"),
        (toys.TOY_CAM, {"num_classes": 80}, "no network of toy_cam for 80 classes"),
        (toys.TOY_AMN, {}, "maps of AMN need seeds"),
        (toys.TOY_AMN, {"labels": Predicted()}, "cannot say which classes"),
        (toys.TOY_MCIS, {"labels": Predicted()}, "cannot say which classes"),
        (toys.TOY_CAM, {"labels": Predicted(1.5)}, "threshold"),
    ],
)
def test_options_that_make_no_sense(
    photos: Photos, method: ActivationMethod, changes: dict[str, Any], message: str
) -> None:
    changes = dict(changes)
    labels = changes.pop("labels", None)
    if method is toys.TOY_AMN and labels is not None:
        changes["without_seeds"] = "plain"
    with pytest.raises(UsageError, match=message):
        photos.run(method, labels=labels, changes=changes)
    assert not (photos.root / "out").exists()


def test_what_amn_needs_is_said(photos: Photos) -> None:
    with pytest.raises(UsageError, match="1N8lQsnqaKPOSVtuI") as caught:
        photos.run(toys.TOY_AMN)
    assert "--without-seeds" in str(caught.value)
    with pytest.raises(MissingFileError, match="no folder"):
        photos.run(toys.TOY_AMN, changes={"seeds": photos.root / "none"})


def test_labels_are_needed_and_saliency_takes_none(photos: Photos) -> None:
    from tests.toys import toy

    with pytest.raises(UsageError, match="need the classes of each image"):
        regenerate(toys.TOY_CAM, photos.folder, photos.root / "out")
    with pytest.raises(UsageError, match="make no saliency map"):
        regenerate(
            toy(),
            photos.folder,
            photos.root / "out",
            activation=ActivationOptions(labels=photos.labels),
        )
    with pytest.raises(UsageError, match="always of the photo's size"):
        photos.run(own_frame=True)


def test_other_settings_never_use_old_maps(photos: Photos) -> None:
    photos.run()
    with pytest.raises(FolderInUseError, match="eps"):
        photos.run(replace(toys.TOY_CAM, protocol=replace(toys.PROTOCOL, eps=1e-3)))


def test_networks_that_need_much_memory_run_fewer_batches_at_once(
    photos: Photos, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []

    def one(memory: int) -> int:
        asked.append(memory)
        return 1

    monkeypatch.setattr("wsss_assets.regenerate.run.most_at_once", one)
    photos.run(batch_size=2, out="alone")
    monkeypatch.undo()
    photos.run(batch_size=2)
    assert asked == [3 << 30]
    assert photos.contents() == photos.contents("alone")


@pytest.mark.parametrize("published", [False, True])
def test_doubts_about_published_weights_are_said_of_these_alone(
    photos: Photos, monkeypatch: pytest.MonkeyPatch, published: bool
) -> None:
    if published:
        monkeypatch.setattr("wsss_assets.regenerate.weights.known_as", lambda _sha256: "known")
    said: list[str] = []
    feedback = Feedback()
    monkeypatch.setattr(feedback, "say", said.append)
    doubted = replace(
        toys.TOY_CAM, unknown_weights={80: "Eighty.", toys.CLASSES: "Who trained it?"}
    )
    photos.run(doubted, feedback=feedback)
    known = "Nothing is known of a toy."
    assert photos.record().unknown == (f"{known} Who trained it?" if published else known)
    assert [line for line in said if "Nothing" in line] == [photos.record().unknown]
    whose = "the published weights" if published else "weights of the user's own,"
    assert photos.record().made_by.startswith(f"a toy with maps with {whose} build_cam.pth (")


def test_what_is_unknown_of_weights_for_coco_is_not_said_of_voc() -> None:
    method = get_method("cam")
    assert method.unknown is None
    assert set(method.unknown_weights) == {80}
    assert "WSSS-BED's classifier" not in method.title
