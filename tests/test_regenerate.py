"""The runner in this process, against a plain loop: decode, run one image, quantise, resize."""

from __future__ import annotations

import errno
import json
import os
import signal
import threading
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

from tests import toys
from wsss_assets.catalog.records import MADE_MAPS_NAME, MadeMaps, parse_record
from wsss_assets.errors import (
    DataError,
    FolderInUseError,
    ListFormatError,
    MissingFileError,
    UnknownNameError,
    UsageError,
    WeightsError,
)
from wsss_assets.map_sets.feedback import Feedback
from wsss_assets.models.onnx_settings import OnnxSettings
from wsss_assets.parallel import default_workers
from wsss_assets.storage.files import sha256_file
from wsss_assets.storage.images import read_map, read_photo
from wsss_assets.storage.receipts import RECEIPTS_NAME, Receipts
from wsss_assets.storage.stamps import STAMP_NAME, claim_folder, read_stamp

torch = pytest.importorskip("torch")

from wsss_assets.models.finishing import truncated_bilinear  # noqa: E402
from wsss_assets.ranks import Ranks  # noqa: E402
from wsss_assets.regenerate import Origin, Summary, decoding, regenerate  # noqa: E402
from wsss_assets.regenerate.decoding import Decoders  # noqa: E402
from wsss_assets.regenerate.holding import held  # noqa: E402
from wsss_assets.regenerate.photos import Photo, find_photos  # noqa: E402
from wsss_assets.regenerate.plan import plan  # noqa: E402
from wsss_assets.regenerate.work import SaliencyWork  # noqa: E402

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor, nn

    from wsss_assets.models.architecture import Architecture
    from wsss_assets.storage.images import UInt8

COUNT = 11


class Photos:
    """A folder of photos of three sizes, the weights, and a place for maps."""

    def __init__(self, root: Path) -> None:
        self.root, self.folder = root, root / "photos"
        self.folder.mkdir()
        generator = np.random.default_rng(5)
        self.ids = [f"p{number}" for number in range(COUNT)]
        for number, image_id in enumerate(self.ids):
            size = [(30, 41), (41, 30), (27, 27)][number % 3]
            pixels = generator.integers(0, 256, (*size, 3), np.uint8)
            Image.fromarray(pixels).save(self.folder / f"{image_id}.png")
        self.weights = toys.write_weights(root / "toy.pth")

    def run(self, model: str | Architecture = "toy", out: str = "out", **options: Any) -> Summary:  # noqa: ANN401
        architecture = toys.TOYS[model]() if isinstance(model, str) else model
        values: dict[str, Any] = {"weights": [self.weights], "device": "cpu", "workers": 0}
        return regenerate(architecture, self.folder, self.root / out, **{**values, **options})

    def wanted(self, image_id: str, *, native: bool = False) -> UInt8:
        with Image.open(next(self.folder.glob(f"{image_id}.*"))) as image:
            photo = image.convert("RGB")
        shown = photo if native else photo.resize((toys.SIDE, toys.SIDE), Image.Resampling.BILINEAR)
        x = torch.from_numpy(np.array(shown)).permute(2, 0, 1)[None].float() / 255
        x = (x - torch.tensor([0.5, 0.4, 0.3]).view(1, 3, 1, 1)) / torch.tensor(
            [0.2, 0.3, 0.4]
        ).view(1, 3, 1, 1)
        threads = torch.get_num_threads()
        torch.set_num_threads(1)  # it decides the last digit, as the layout does
        with torch.no_grad():
            net = toys.build().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
            values = net(x.contiguous(memory_format=torch.channels_last))
            values = torch.sigmoid(values)[0, 0].numpy()
        torch.set_num_threads(threads)
        levels = Image.fromarray(np.rint(255 * values).astype(np.uint8))
        return np.asarray(levels.resize(photo.size, Image.Resampling.BILINEAR))

    def contents(self, out: str = "out") -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in (self.root / out).iterdir()}

    def maps(self, out: str = "out") -> dict[str, bytes]:
        return {name: data for name, data in self.contents(out).items() if name.endswith(".png")}

    def record(self, out: str = "out") -> MadeMaps:
        path = self.root / out / MADE_MAPS_NAME
        return parse_record(MadeMaps, path.read_bytes(), str(path))


@pytest.fixture
def photos(tmp_path: Path) -> Photos:
    return Photos(tmp_path)


# What is made


@pytest.mark.parametrize("model", ["toy", "toy_native"])
def test_maps_are_those_of_the_plain_loop(photos: Photos, model: str) -> None:
    assert photos.run(model, batch_size=1) == Summary(written=COUNT, kept=0, failed={})
    assert photos.run(model, "many", batch_size=4).written == COUNT
    for image_id in photos.ids:
        wanted = photos.wanted(image_id, native=model == "toy_native")
        np.testing.assert_array_equal(read_map(photos.root / "out" / f"{image_id}.png"), wanted)
        together = read_map(photos.root / "many" / f"{image_id}.png").astype(int)
        assert np.abs(together - wanted).max() <= 1


def test_the_folder_is_the_same_for_any_number_of_workers(photos: Photos) -> None:
    photos.run(workers=0, batch_size=3)
    photos.run(workers=2, batch_size=3, out="apart")
    assert photos.contents() == photos.contents("apart")
    assert set(photos.contents()) == {
        *(f"{image_id}.png" for image_id in photos.ids),
        STAMP_NAME,
        RECEIPTS_NAME,
        MADE_MAPS_NAME,
    }


def test_processes_that_prepare_photos_load_no_torch(photos: Photos) -> None:
    assert photos.run("toy_heavy", workers=1).written == COUNT


def test_maps_stay_at_the_size_of_the_authors_where_asked(photos: Photos) -> None:
    photos.run(own_frame=True)
    assert read_map(photos.root / "out" / "p0.png").shape == (toys.SIDE, toys.SIDE)
    assert photos.record().settings["work"]["frame"] == "own"


def test_mean_and_std_may_be_others(photos: Photos) -> None:
    photos.run()
    photos.run(out="other", mean=(0.1, 0.1, 0.1))
    assert photos.record("other").settings["work"]["normalisation"]["mean"] == [0.1, 0.1, 0.1]
    assert photos.record("other").settings["work"]["normalisation"]["std"] == [0.2, 0.3, 0.4]
    assert photos.maps("other") != photos.maps()


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_half_precision_is_near(photos: Photos, precision: str) -> None:
    photos.run()
    photos.run(out="half", precision=precision)
    assert photos.maps("half") != photos.maps()
    for image_id in photos.ids:
        exact = read_map(photos.root / "out" / f"{image_id}.png").astype(int)
        assert np.abs(read_map(photos.root / "half" / f"{image_id}.png") - exact).max() <= 8


def test_the_settings_of_torch_are_as_before(
    photos: Photos, monkeypatch: pytest.MonkeyPatch
) -> None:
    def settings() -> tuple[object, ...]:
        cudnn = torch.backends.cudnn
        return (
            torch.get_float32_matmul_precision(),
            cudnn.benchmark,
            cudnn.deterministic,
            cudnn.allow_tf32,
            torch.is_inference_mode_enabled(),
            torch.get_num_threads(),
            signal.getsignal(signal.SIGINT),
            signal.getsignal(signal.SIGTERM),
        )

    monkeypatch.setattr(torch.backends.cudnn, "benchmark", True)
    torch.set_float32_matmul_precision("high")
    try:
        before = settings()
        photos.run()
        assert settings() == before
        with pytest.raises(RuntimeError):
            photos.run(toys.toy(read_out=lambda net, x: net(x[:, :2])), "broken")
        assert settings() == before
    finally:
        torch.set_float32_matmul_precision("highest")


def test_maps_do_not_depend_on_the_number_of_cores(
    photos: Photos, monkeypatch: pytest.MonkeyPatch
) -> None:
    photos.run(batch_size=2)
    monkeypatch.setattr("wsss_assets.regenerate.run.default_workers", lambda: 1)
    photos.run(batch_size=2, out="alone")
    assert photos.contents() == photos.contents("alone")


def test_it_runs_in_a_thread(photos: Photos) -> None:
    found: list[Summary] = []
    thread = threading.Thread(target=lambda: found.append(photos.run()))
    thread.start()
    thread.join()
    assert found[0].written == COUNT


# Going on


def test_what_is_there_is_kept(photos: Photos) -> None:
    photos.run()
    before = photos.contents()
    times = {path: path.stat().st_mtime_ns for path in (photos.root / "out").glob("*.png")}
    assert photos.run() == Summary(written=0, kept=COUNT, failed={})
    assert {path: path.stat().st_mtime_ns for path in times} == times
    assert photos.contents() == before


@pytest.mark.parametrize("model", ["toy", "toy_native"])
def test_what_is_missing_cut_short_or_edited_is_made_again(photos: Photos, model: str) -> None:
    photos.run(model, batch_size=4)
    before = photos.contents()
    out = photos.root / "out"
    (out / "p1.png").unlink()
    (out / "p4.png").write_bytes(before["p4.png"][:-9])
    edited = read_map(out / "p9.png").copy()
    edited[0, 0] ^= 1
    Image.fromarray(edited).save(out / "p9.png")
    assert photos.run(model, batch_size=4) == Summary(written=3, kept=COUNT - 3, failed={})
    assert photos.contents() == before


def test_a_map_without_a_receipt_is_made_again(photos: Photos) -> None:
    photos.run()
    before = photos.contents()
    receipts = photos.root / "out" / RECEIPTS_NAME
    lines = receipts.read_text("utf-8").splitlines(keepends=True)
    receipts.write_text("".join(lines[:5]) + lines[5][:20], "utf-8")
    assert photos.run() == Summary(written=COUNT - 5, kept=5, failed={})
    assert photos.contents() == before


def test_a_changed_photo_gets_a_new_map(photos: Photos) -> None:
    photos.run()
    Image.new("RGB", (30, 30), (200, 10, 10)).save(photos.folder / "p2.png")
    os.utime(photos.folder / "p2.png", (1000, 1000))  # as archives and copies keep it
    assert photos.run() == Summary(written=1, kept=COUNT - 1, failed={})
    np.testing.assert_array_equal(read_map(photos.root / "out" / "p2.png"), photos.wanted("p2"))


@pytest.mark.parametrize(
    "options",
    [
        {"batch_size": 2},
        {"precision": "bf16"},
        {"own_frame": True},
        {"std": (1.0, 1.0, 1.0)},
        {"model": toys.toy(version=2)},
        {"model": "toy_native"},
    ],
)
def test_other_settings_never_use_old_maps(photos: Photos, options: dict[str, Any]) -> None:
    photos.run(batch_size=3)
    before = photos.contents()
    with pytest.raises(FolderInUseError, match="other settings"):
        photos.run(**{"batch_size": 3, **options})
    assert photos.contents() == before


def test_other_weights_never_use_old_maps(photos: Photos) -> None:
    photos.run()
    state = torch.load(photos.weights, weights_only=True)
    state["0.bias"] += 1
    torch.save(state, photos.weights)
    with pytest.raises(FolderInUseError, match="weights"):
        photos.run()


def test_another_version_of_the_package_never_uses_old_maps(
    photos: Photos, monkeypatch: pytest.MonkeyPatch
) -> None:
    photos.run()
    monkeypatch.setattr("wsss_assets.regenerate.job.__version__", "99.0")
    with pytest.raises(FolderInUseError, match=r"version 99\.0"):
        photos.run()


def test_a_batch_size_that_is_left_open_is_the_one_of_the_folder(photos: Photos) -> None:
    photos.run(batch_size=3)
    assert photos.run() == Summary(written=0, kept=COUNT, failed={})
    with pytest.raises(FolderInUseError):
        photos.run(mean=(0.0, 0.0, 0.0))


def test_maps_and_photos_are_moved_together(photos: Photos) -> None:
    photos.run(batch_size=3)
    (photos.root / "elsewhere").mkdir()
    for name in ("photos", "out"):
        (photos.root / name).rename(photos.root / "elsewhere" / name)
    photos.folder = photos.root / "elsewhere" / "photos"
    assert photos.run(out="elsewhere/out").kept == COUNT
    photos.folder = photos.folder.rename(photos.root / "photos")
    with pytest.raises(FolderInUseError, match="expected images"):
        photos.run(out="elsewhere/out")


def test_more_images_are_added(photos: Photos) -> None:
    photos.run(ids=photos.ids[:4])
    assert photos.run() == Summary(written=COUNT - 4, kept=4, failed={})


# What is broken


def broken(photos: Photos) -> set[str]:
    """Make three photos unusable."""
    data = (photos.folder / "p3.png").read_bytes()
    (photos.folder / "p3.png").write_bytes(data[: len(data) // 2])
    (photos.folder / "p5.png").write_bytes(b"no picture")
    Image.fromarray(np.zeros((9, 9), np.uint16)).save(photos.folder / "p6.png")
    return {"p3", "p5", "p6"}


@pytest.mark.parametrize("model", ["toy", "toy_native"])
@pytest.mark.parametrize("workers", [0, 1])
def test_a_broken_photo_is_listed_and_the_others_go_on(
    photos: Photos, model: str, workers: int
) -> None:
    failing = broken(photos)
    summary = photos.run(model, workers=workers, batch_size=4)
    assert (summary.written, summary.kept) == (COUNT - 3, 0)
    assert list(summary.failed) == sorted(failing)
    assert "cannot be read" in summary.failed["p3"]
    assert "convert it yourself" in summary.failed["p6"]
    assert photos.record().failed == summary.failed
    assert set(photos.record().maps) == set(photos.ids) - failing
    again = photos.run(model, workers=workers, batch_size=4)
    assert (again.written, again.kept, again.failed) == (0, COUNT - 3, summary.failed)


def test_a_photo_that_was_mended_is_made_and_the_others_are_as_if_it_never_was_broken(
    photos: Photos,
) -> None:
    photos.run(batch_size=4, out="whole")
    data = (photos.folder / "p3.png").read_bytes()
    stat = (photos.folder / "p3.png").stat()
    (photos.folder / "p3.png").write_bytes(b"no picture")
    photos.run(batch_size=4)
    (photos.folder / "p3.png").write_bytes(data)
    os.utime(photos.folder / "p3.png", ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert photos.run(batch_size=4) == Summary(written=1, kept=COUNT - 1, failed={})
    assert photos.contents() == photos.contents("whole")


def test_an_older_map_of_a_broken_photo_is_said_to_stay(photos: Photos) -> None:
    photos.run()
    (photos.folder / "p3.png").write_bytes(b"no picture")
    summary = photos.run()
    assert "an older map stays in place" in summary.failed["p3"]
    assert "p3" not in photos.record().maps


def test_a_photo_that_is_not_there_is_listed(photos: Photos) -> None:
    summary = photos.run(ids=["p1", "nowhere", "p2"])
    assert summary.written == 2
    assert summary.failed == {"nowhere": f"no photo nowhere in {photos.folder}"}


@pytest.mark.parametrize("workers", [0, 1])
def test_whatever_preparing_raises_is_of_that_photo(
    photos: Photos, workers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOY_FAILS", "41")
    summary = photos.run(workers=workers)
    assert set(summary.failed) == {"p1", "p4", "p7", "p10"}
    assert "ZeroDivisionError: as asked for" in summary.failed["p1"]


def test_a_process_that_ends_is_no_fault_of_a_photo(
    photos: Photos, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOY_ENDS", "27")
    with pytest.raises(ChildProcessError, match="exit status 9") as caught:
        photos.run(workers=1, batch_size=1)
    assert "memory" not in str(caught.value)
    made = len(photos.maps())
    assert made < COUNT
    monkeypatch.delenv("TOY_ENDS")
    assert photos.run(workers=1, batch_size=1).kept == made


def test_memory_is_blamed_only_where_the_system_ends_a_process(
    photos: Photos, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOY_ENDS", "killed")
    with pytest.raises(ChildProcessError, match=r"SIGKILL.*\n.*memory.*fewer --workers"):
        photos.run("toy_unloadable", workers=1)


def test_a_process_that_ends_by_an_error_says_which(
    photos: Photos, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TOY_ENDS", "unloadable")
    with pytest.raises(ChildProcessError, match="exit status 1, after saying 'ImportError: gone'"):
        photos.run("toy_unloadable", workers=1)
    assert "ImportError: gone" in capsys.readouterr().err


def test_whatever_reading_raises_is_of_that_photo(
    photos: Photos, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(path: Path) -> UInt8:
        if path.stem == "p1":
            raise RuntimeError("as asked for")
        return read_photo(path)

    monkeypatch.setattr(decoding, "read_photo", fail)
    summary = photos.run()
    assert list(summary.failed) == ["p1"]
    assert "RuntimeError: as asked for" in summary.failed["p1"]


def test_a_map_of_what_is_no_number_is_not_made(photos: Photos) -> None:
    def faulty(net: nn.Module, x: Tensor) -> Tensor:
        values = toys.read_out(net, x)
        values[0, 3, 3] = torch.nan
        return values

    summary = photos.run(toys.toy(read_out=faulty, finish=truncated_bilinear), batch_size=COUNT)
    assert list(summary.failed) == ["p0"]
    assert "no finite numbers" in summary.failed["p0"]
    assert summary.written == COUNT - 1


def test_a_network_without_a_frame_of_its_own(photos: Photos) -> None:
    with pytest.raises(UsageError, match=r"have no frame of their own.*\n.*--own-frame"):
        photos.run(toys.toy(own_frame=None), own_frame=True)
    assert not (photos.root / "out").exists()


@pytest.mark.parametrize("kind", ["L", "LA", "P", "RGBA", "1", "CMYK", "turned", "narrow"])
def test_photos_of_any_kind(photos: Photos, kind: str) -> None:
    path = photos.folder / f"odd.{'jpg' if kind in {'CMYK', 'turned'} else 'png'}"
    image = Image.open(photos.folder / "p0.png")
    if kind == "turned":
        exif = Image.Exif()
        exif[0x0112] = 6
        image.save(path, exif=exif)
    elif kind == "narrow":
        image.crop((0, 0, 1, 30)).save(path)
    else:
        image.convert(kind).save(path)
    image.close()
    photos.run(ids=["odd"])
    found = read_map(photos.root / "out" / "odd.png")
    assert found.shape == ((30, 1) if kind == "narrow" else (30, 41))
    np.testing.assert_array_equal(found, photos.wanted("odd"))


# Memory


class Heard(Feedback):
    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, text: str) -> None:
        self.lines.append(text)


@pytest.fixture
def like_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """Batches are run one by one, and it is known at once whether they fit."""
    monkeypatch.setattr("wsss_assets.regenerate.run.default_workers", lambda: 1)


@pytest.mark.usefixtures("like_a_gpu")
def test_a_batch_that_does_not_fit_is_halved_and_that_is_said_once(
    photos: Photos, monkeypatch: pytest.MonkeyPatch
) -> None:
    photos.run(batch_size=2, out="pairs")
    monkeypatch.setenv("TOY_FITS", "2")
    heard = Heard()
    assert photos.run(batch_size=8, feedback=heard).written == COUNT
    assert len(heard.lines) == 1
    assert "a batch of 8 does not fit" in heard.lines[0]
    assert photos.record().smallest_batch == 2
    for image_id in photos.ids:
        pair, halved = (
            read_map(photos.root / out / f"{image_id}.png").astype(int) for out in ("pairs", "out")
        )
        assert np.abs(pair - halved).max() <= 1


@pytest.mark.usefixtures("like_a_gpu")
def test_a_photo_that_does_not_fit_alone_is_listed(
    photos: Photos, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOY_FITS", "0")
    summary = photos.run(batch_size=2)
    assert len(summary.failed) == COUNT
    assert "more memory than the GPU has" in summary.failed["p0"]


def test_what_is_prepared_ahead_is_bounded(photos: Photos, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(100):
        Image.new("RGB", (8, 8), (number, 0, 0)).save(photos.folder / f"q{number}.png")
    begun, most = 0, 0
    submit = Decoders.submit

    def counted(self: Decoders, *photo: Any) -> Any:  # noqa: ANN401
        nonlocal begun, most
        begun += 1
        most = max(most, begun - len(list((photos.root / "out").glob("[!.]*.png"))))
        return submit(self, *photo)

    monkeypatch.setattr(Decoders, "submit", counted)
    assert photos.run(batch_size=2).written == COUNT + 100
    assert begun == COUNT + 100
    assert most <= 8 * default_workers() + 16


# Which photos


def test_photos_are_taken_in_natural_order(photos: Photos) -> None:
    found = [photo.image_id for photo in find_photos(photos.folder, None)]
    assert found == [f"p{number}" for number in range(COUNT)]


def test_two_photos_of_one_name_are_refused(photos: Photos) -> None:
    Image.new("RGB", (4, 4)).save(photos.folder / "p1.jpg")
    with pytest.raises(ListFormatError, match=r"p1\.jpg and p1\.png"):
        photos.run()
    assert photos.run(ids=["p0"]).written == 1


def test_names_with_blanks_are_fine_in_a_folder_of_ones_own(photos: Photos) -> None:
    (photos.folder / "p0.png").rename(photos.folder / "my photo (1).png")
    assert photos.run().written == COUNT
    assert "my photo (1).png" in photos.maps()


def test_a_name_that_can_be_no_id_is_listed(photos: Photos) -> None:
    (photos.folder / "p3.png").rename(photos.folder / os.fsdecode(b"p\xff.png"))
    summary = photos.run()
    assert summary.written == COUNT - 1
    assert list(summary.failed) == [r"p\udcff"]
    assert "printable" in summary.failed[r"p\udcff"]
    assert not photos.record().failed.keys() - summary.failed.keys()


def test_a_folder_without_photos_is_refused(photos: Photos, tmp_path: Path) -> None:
    with pytest.raises(MissingFileError, match="no folder"):
        regenerate(toys.toy(), tmp_path / "none", tmp_path / "out", weights=[photos.weights])
    (tmp_path / "empty").mkdir()
    with pytest.raises(MissingFileError, match="holds no photo"):
        regenerate(toys.toy(), tmp_path / "empty", tmp_path / "out", weights=[photos.weights])
    with pytest.raises(MissingFileError, match="any of the 2 images"):
        photos.run(ids=["x", "y"])
    assert not (tmp_path / "out").exists()


def test_an_id_twice_is_refused(photos: Photos) -> None:
    with pytest.raises(ListFormatError, match="twice"):
        photos.run(ids=["p0", "p1", "p0"])


# The plan


def photos_of(sizes: list[tuple[int, int]]) -> list[Photo]:
    return [Photo(str(number), None, size) for number, size in enumerate(sizes)]


def test_a_plan_holds_each_photo_once_in_batches_of_one_size(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("wsss_assets.regenerate.plan.measured", lambda found: found)
    generator = np.random.default_rng(2)
    sizes = [tuple(generator.integers(1, 4, 2).tolist()) for _ in range(200)]
    found = photos_of(sizes)
    batches, lost = plan(found, SaliencyWork(toys.TOYS["toy_native"]()), 5)
    assert not lost
    assert sorted(photo.image_id for batch in batches for photo in batch.photos) == sorted(
        photo.image_id for photo in found
    )
    assert all(len({photo.size for photo in batch.photos}) == 1 for batch in batches)
    assert all(len(batch.photos) <= 5 for batch in batches)
    short = [batch.photos[0].size for batch in batches if len(batch.photos) < 5]
    assert len(set(short)) == len(short)
    for batch in batches:
        numbers = [int(photo.image_id) for photo in batch.photos]
        assert numbers == sorted(numbers)
    for count in (1, 2, 3, 7):
        parts = [Ranks(rank, rank, count, count).share(batches) for rank in range(count)]
        assert sum(map(len, parts)) == len(batches)
        assert all(any(one is batch for part in parts for one in part) for batch in batches)


def test_where_all_photos_have_one_size_no_header_is_read() -> None:
    found = [Photo(str(number), None) for number in range(7)]
    batches, lost = plan(found, SaliencyWork(toys.toy()), 3)
    assert [len(batch.photos) for batch in batches] == [3, 3, 1]
    assert not lost


# Options


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"device": "tpu"}, "no device"),
        ({"device": "cpu:1"}, "no device"),
        ({"device": "cuda:99"}, "no GPU 99"),
        ({"precision": "tf32"}, "TF32"),
        ({"weights": []}, "no published weights"),
    ],
)
def test_options_that_make_no_sense(photos: Photos, options: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        photos.run(**options)
    assert not list((photos.root / "out").glob("*.png"))


def test_an_unknown_model(photos: Photos) -> None:
    with pytest.raises(UnknownNameError, match="model"):
        regenerate("poolnett", photos.folder, photos.root / "out")


def test_weights_of_another_network(photos: Photos) -> None:
    torch.save({"x": torch.zeros(2)}, photos.weights)
    with pytest.raises(WeightsError):
        photos.run()


# The record


def test_the_record_says_how_and_vouches_for_every_map(photos: Photos) -> None:
    origin = Origin("voc2012", "val", ("regenerate", "--model", "toy"))
    photos.run(origin=origin, batch_size=2)
    record = photos.record()
    assert (record.model, record.images, record.benchmark, record.split) == (
        "toy",
        COUNT,
        "voc2012",
        "val",
    )
    assert record.command == origin.command
    assert record.weights[0].file == "toy.pth"
    assert record.weights[0].sha256 == sha256_file(photos.weights)
    assert {**record.settings, "images": "../photos"} == read_stamp(photos.root / "out")
    assert record.settings["batch_size"] == 2
    assert record.settings["torch"] == torch.__version__
    assert record.settings["numpy"] == np.__version__
    assert list(record.devices.values()) == [COUNT]
    assert str(photos.root) not in json.dumps(record.model_dump(mode="json"))
    assert record.maps == {
        image_id: sha256_file(photos.root / "out" / f"{image_id}.png") for image_id in photos.ids
    }


def test_a_run_that_makes_nothing_leaves_the_record_as_it_is(photos: Photos) -> None:
    photos.run(origin=Origin("voc2012", "val", ("first",)))
    before = photos.contents()
    photos.run(origin=Origin(command=("second",)))
    photos.run(ids=photos.ids[:2], origin=Origin(command=("third",)))
    assert photos.contents() == before


def test_a_run_of_some_images_leaves_the_others_in_the_record(photos: Photos) -> None:
    photos.run(ids=[*photos.ids[:4], "nowhere"], origin=Origin("voc2012", "val", ("first",)))
    photos.run(ids=photos.ids[4:6], origin=Origin("voc2012", "train", ("second",)))
    record = photos.record()
    assert set(record.maps) == set(photos.ids[:6])
    assert record.failed.keys() == {"nowhere"}
    assert record.images == 7
    assert (record.benchmark, record.split, record.command) == ("voc2012", None, ("second",))
    (photos.root / "out" / "p0.png").unlink()
    photos.run(ids=photos.ids[4:6])
    assert "p0" not in photos.record().maps


def test_the_record_says_what_each_part_was_made_on(
    photos: Photos, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wsss_assets.regenerate.run.device_name", lambda _: "one machine")
    monkeypatch.setenv("TOY_FITS", "2")
    monkeypatch.setattr("wsss_assets.regenerate.run.default_workers", lambda: 1)
    photos.run(ids=photos.ids[:4], batch_size=4)
    monkeypatch.setenv("TOY_FITS", "1000")
    monkeypatch.setattr("wsss_assets.regenerate.run.device_name", lambda _: "another")
    photos.run()
    assert photos.record().devices == {"another": COUNT - 4, "one machine": 4}
    assert photos.record().smallest_batch == 2


@pytest.mark.parametrize("program", ["np.__version__", "PILLOW_VERSION"])
def test_another_version_of_a_program_never_uses_old_maps(
    photos: Photos, program: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    photos.run()
    monkeypatch.setattr(f"wsss_assets.regenerate.job.{program}", "99.0")
    with pytest.raises(FolderInUseError, match=r"(numpy|pillow) 99\.0"):
        photos.run()


def test_weights_that_change_while_the_run_begins_are_refused(
    photos: Photos, monkeypatch: pytest.MonkeyPatch
) -> None:
    def claim(*args: Any) -> None:  # noqa: ANN401
        claim_folder(*args)
        state = torch.load(photos.weights, weights_only=True)
        torch.save({name: value + 1 for name, value in state.items()}, photos.weights)

    monkeypatch.setattr("wsss_assets.regenerate.run.claim_folder", claim)
    with pytest.raises(WeightsError, match="changed while the run began"):
        photos.run()
    assert not (photos.root / "out").exists()


def test_one_run_at_a_time_writes_to_a_folder(photos: Photos) -> None:
    with held(photos.root / "out"):
        with pytest.raises(FolderInUseError, match=f"found process {os.getpid()} on "):
            photos.run()
        assert photos.run(out="other").written == COUNT
    assert photos.run().written == COUNT
    assert photos.run().kept == COUNT


def test_receipts_of_other_settings_are_not_taken_for_those_of_this_run(
    photos: Photos, monkeypatch: pytest.MonkeyPatch
) -> None:
    def sort(self: Receipts) -> None:
        if self.all():
            self.add("p3", "something else", "0" * 64)

    monkeypatch.setattr(Receipts, "sort", sort)
    with pytest.raises(DataError, match=r"lacks p3\.png, which this run made, or its receipt"):
        photos.run()
    assert not (photos.root / "out" / MADE_MAPS_NAME).exists()


def test_bytes_that_are_no_text_are_spelt_out_in_the_record(photos: Photos) -> None:
    odd = os.fsdecode(b"f\xff")
    photos.folder = photos.folder.rename(photos.root / odd)
    photos.run(ids=["p0", "nowhere"], origin=Origin(command=(odd,)))
    assert photos.record().command == ("f\\udcff",)
    assert photos.record().failed["nowhere"].endswith("f\\udcff")


def test_a_full_disk_is_said_with_what_is_kept(
    photos: Photos, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("wsss_assets.regenerate.writing.write_atomically", full)
    with pytest.raises(OSError, match=r"No space left .* maps made so far are kept.* goes on"):
        photos.run()


def test_options_that_would_change_nothing_are_refused(photos: Photos) -> None:
    with pytest.raises(UsageError, match="settings of ONNX networks"):
        photos.run(onnx=OnnxSettings())
    for option in ({"precision": "bf16"}, {"compiled": True}):
        with pytest.raises(UsageError, match="onnxruntime runs"):
            regenerate("onnx", photos.folder, photos.root / "out", **option)
    with pytest.raises(UsageError, match="compiling takes longer"):
        photos.run(compiled=True)


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("WSSS_ASSETS_CACHE", str(tmp_path / "cache"))
    for name in ("RANK", "WORLD_SIZE", "TOY_FITS", "TOY_FAILS", "TOY_ENDS"):
        monkeypatch.delenv(name, raising=False)
