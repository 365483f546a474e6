"""Whether maps are reproduced: differences counted by hand, and a set remade by its own weights."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import fields
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from tests import toys
from wsss_assets.catalog.records import MADE_MAPS_NAME
from wsss_assets.cli import main
from wsss_assets.cli.regenerate_settings import NAMES
from wsss_assets.errors import DataError, UsageError
from wsss_assets.models.architecture import Normalisation
from wsss_assets.models.attribution_settings import AttributionSettings
from wsss_assets.models.onnx_settings import OnnxSettings
from wsss_assets.storage.files import sha256_file
from wsss_assets.storage.maps import ActivationFolder, SaliencyFolder
from wsss_assets.storage.receipts import RECEIPTS_NAME
from wsss_assets.storage.stamps import STAMP_NAME

pytest.importorskip("torch")

from wsss_assets.regenerate import regenerate
from wsss_assets.regenerate.verify import Labelling, compare, sample, verify
from wsss_assets.regenerate.weights_cache import WeightsFile

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from click.testing import Result

    from wsss_assets.regenerate.comparison import Comparison


def write(folder: Path, **maps: Any) -> Path:  # noqa: ANN401 (nested lists)
    folder.mkdir(exist_ok=True)
    for name, values in maps.items():
        Image.fromarray(np.array(values, np.uint8)).save(folder / f"{name}.png")
    return folder


def compared(
    expected: Path, found: Path, ids: list[str], labelling: Labelling, levels: int = 1
) -> Comparison:
    return compare(SaliencyFolder(expected), SaliencyFolder(found), ids, labelling, levels)


def test_differences_are_counted(tmp_path: Path) -> None:
    old = write(tmp_path / "old", a=[[0, 51, 52, 255]], b=[[10, 10]], c=[[1]])
    new = write(tmp_path / "new", a=[[1, 52, 51, 0]], b=[[10, 13]], c=[[1, 1]])
    found = compared(old, new, ["a", "b", "c"], Labelling())
    assert (found.images, found.pixels) == (2, 6)
    assert {n: int(k) for n, k in enumerate(found.differences) if k} == {0: 1, 1: 3, 3: 1, 255: 1}
    assert found.mean == (3 * 1 + 3 + 255) / 6
    assert found.largest == 255
    assert found.share_within(1) == 4 / 6
    assert found.share_within(3) == 5 / 6
    assert found.salience_changed == 3  # 51 is not above 0.2, 52 is; and 255 became 0
    assert found.failed.keys() == {"c"}
    assert "differ in size" in found.failed["c"]
    assert found.labels_changed is None
    assert found.labels_miou is None


def test_a_reproduction_is_close_and_whole(tmp_path: Path) -> None:
    old = write(tmp_path / "old", a=[[5, 5, 5, 5]], b=[[5]])
    new = write(tmp_path / "new", a=[[5, 6, 4, 9]])
    found = compared(old, new, ["a"], Labelling())
    assert found.is_reproduction(share=0.75)
    assert not found.is_reproduction(share=0.76)
    assert compared(old, new, ["a"], Labelling(), levels=4).is_reproduction(share=1)
    assert not compared(old, new, ["a", "b"], Labelling(), levels=255).is_reproduction(share=0)


def test_what_becomes_of_labels(tmp_path: Path) -> None:
    old = write(tmp_path / "old", a=[[0, 0, 255, 255]])
    new = write(tmp_path / "new", a=[[0, 255, 255, 255]])
    maps = write(tmp_path / "maps", a_7=[[255, 255, 255, 255]])
    labelling = Labelling(ActivationFolder(maps), {"a": (7,)})
    found = compared(old, new, ["a"], labelling)
    assert found.labels_changed == 1
    # background: 1 of 2 pixels; class 7: 2 of 3
    assert found.labels_miou == pytest.approx((1 / 2 + 2 / 3) / 2, abs=1e-12)
    assert found.to_dict()["labels_changed"] == 1 / 4
    assert "25.000% of the pixels change, mIoU between the two 0.5833" in found.describe()


def test_nothing_to_compare(tmp_path: Path) -> None:
    old = write(tmp_path / "old", a=[[5]])
    with pytest.raises(DataError, match="no image could be compared"):
        compared(old, write(tmp_path / "new", b=[[5]]), ["a"], Labelling())
    with pytest.raises(UsageError, match="no image"):
        verify(SaliencyFolder(old), toys.toy(), tmp_path, [])


def test_a_sample_is_the_same_each_time_and_grows() -> None:
    ids = [f"image {number}" for number in range(100)]
    few, more = sample(ids, 10), sample(ids, 30)
    assert len(few) == 10
    assert set(few) < set(more)
    assert few == sorted(few, key=ids.index)
    assert sample(ids, 1000) == ids
    assert few != ids[:10]


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("WSSS_ASSETS_CACHE", str(tmp_path / "cache"))
    generator = np.random.default_rng(2)
    (tmp_path / "photos").mkdir()
    for name in "abc":
        pixels = generator.integers(0, 256, (20, 31, 3), np.uint8)
        Image.fromarray(pixels).save(tmp_path / "photos" / f"{name}.png")
    toys.write_weights(tmp_path / "toy.pth")
    regenerate(
        toys.toy(),
        tmp_path / "photos",
        tmp_path / "maps",
        weights=[tmp_path / "toy.pth"],
        workers=0,
        device="cpu",
    )
    return tmp_path


def test_a_set_is_remade(made: Path) -> None:
    options: dict[str, Any] = {"weights": [made / "toy.pth"], "workers": 0, "device": "cpu"}
    maps = SaliencyFolder(made / "maps")
    found = verify(maps, toys.toy(), made / "photos", ["a", "b", "c"], **options)
    assert found.share_within(0) == 1
    assert found.is_reproduction(share=1)
    other = toys.toy(normalisation=Normalisation((0, 0, 0), (1, 1, 1)))
    found = verify(maps, other, made / "photos", ["a", "b", "c"], **options)
    assert not found.is_reproduction(share=0.99)
    (made / "photos" / "b.png").write_bytes(b"broken")
    found = verify(maps, toys.toy(), made / "photos", ["a", "b", "c"], **options)
    assert found.failed.keys() == {"b"}
    assert found.images == 2


@pytest.fixture
def toys_only(monkeypatch: pytest.MonkeyPatch) -> None:
    known = {name: make() for name, make in toys.TOYS.items()}
    monkeypatch.setattr("wsss_assets.models._architectures", lambda: known)


def call(made: Path, *more: str) -> Result:
    arguments = ["regenerate", f"--images={made / 'photos'}", f"--weights={made / 'toy.pth'}"]
    return CliRunner().invoke(main, [*arguments, "--device=cpu", "--workers=0", *more])


@pytest.mark.usefixtures("toys_only")
def test_the_command_finds_what_made_a_folder(made: Path) -> None:
    result = call(made, f"--verify={made / 'maps'}", "--sample=2")
    assert result.exit_code == 0, result.output
    assert "remaking 2 of 3 maps with toy" in result.stderr
    assert result.stdout == (
        "2 images, 1,240 pixels: all are equal\n"
        "a reproduction: 100.000% of the pixels differ by at most 1, 99.0% are asked for\n"
    )
    assert "not as recorded" not in result.stderr  # the folder of photos is no setting


@pytest.mark.usefixtures("toys_only")
def test_a_map_that_the_record_names_and_is_gone_is_no_reproduction(made: Path) -> None:
    (made / "maps" / "b.png").unlink()
    result = call(made, f"--verify={made / 'maps'}")
    assert result.exit_code == 1
    assert "no reproduction: 1 map that was made is gone: b\n" in result.stdout
    assert "no reproduction: 1 image could not be compared: b\n" in result.stdout
    assert "b: no saliency map b" in result.stderr
    assert "leave out --npy" in call(made, f"--verify={made / 'maps'}", "--npy").stderr


@pytest.mark.usefixtures("toys_only")
def test_images_that_were_left_out_decide_the_verdict(made: Path) -> None:
    (made / "photos" / "b.png").write_bytes(b"broken")
    result = call(made, f"--verify={made / 'maps'}")
    assert result.exit_code == 1
    assert "no reproduction: 1 image could not be compared: b\n" in result.stdout


@pytest.mark.usefixtures("toys_only")
def test_a_name_that_is_neither_a_map_set_nor_a_folder(made: Path) -> None:
    result = call(made, "--verify=nofolder")
    assert result.exit_code == 2
    assert "no map set is called 'nofolder', and there is no folder nofolder" in result.stderr


@pytest.mark.usefixtures("toys_only")
def test_the_exit_status_says_whether_it_is_one(made: Path) -> None:
    folder = f"--verify={made / 'maps'}"
    result = call(made, folder, "--mean=0,0,0", "--json=-")
    assert result.exit_code == 1
    found = json.loads(result.stdout)
    assert found["reproduced"] is False
    assert found["images"] == 3
    assert sum(found["pixels_by_difference"]) == found["pixels"] == 3 * 20 * 31
    assert call(made, folder, "--mean=0,0,0", "--levels=255").exit_code == 0


@pytest.mark.usefixtures("toys_only")
def test_what_a_verification_needs(made: Path) -> None:
    maps = made / "maps"
    for name in (MADE_MAPS_NAME, RECEIPTS_NAME, STAMP_NAME):
        (maps / name).unlink()
    result = call(made, f"--verify={maps}")
    assert result.exit_code == 2
    assert "name it with --model" in result.stderr
    assert call(made, f"--verify={maps}", "--model=toy").exit_code == 0
    assert "leave out --out" in call(made, f"--verify={maps}", "--out=x").stderr
    result = call(made, "--out=x")
    assert "maps need --model" in result.stderr
    assert "of a published set or of a folder with a record neither is needed" in result.stderr
    assert "maps need --out" in call(made, "--model=toy").stderr
    result = call(made, "--verify=voc2012/activation/cam", "--model=toy")
    assert result.exit_code == 2
    assert "expected a set of saliency maps" in result.stderr


def without_weights(made: Path, *more: str) -> Result:
    arguments = ["regenerate", f"--images={made / 'photos'}", f"--verify={made / 'maps'}"]
    return CliRunner().invoke(main, [*arguments, "--workers=0", *more])


def change_record(made: Path, **weights: Any) -> None:  # noqa: ANN401
    path = made / "maps" / MADE_MAPS_NAME
    record = json.loads(path.read_text("utf-8"))
    record["weights"][0].update(weights)
    path.write_text(json.dumps(record), "utf-8")


@pytest.mark.usefixtures("toys_only")
def test_weights_that_are_not_published_must_be_named(made: Path) -> None:
    result = without_weights(made)
    assert result.exit_code == 2
    assert "are not published" in result.stderr
    assert "toy.pth of sha256 " in result.stderr
    assert "--weights FILE" in result.stderr


@pytest.mark.usefixtures("toys_only")
def test_published_weights_are_taken_only_if_they_are_the_recorded_ones(
    made: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sha256 = sha256_file(made / "toy.pth")
    monkeypatch.setattr("wsss_assets.regenerate.recorded.weights_names", lambda: ["known"])
    monkeypatch.setattr("wsss_assets.regenerate.recorded.get_weights", lambda name: name)
    monkeypatch.setattr(
        "wsss_assets.regenerate.recorded.fetch_weights",
        lambda name, _: WeightsFile(made / "toy.pth", sha256, name),
    )
    change_record(made, record="known")
    result = without_weights(made)
    assert result.exit_code == 0, result.output
    change_record(made, sha256="0" * 64)
    result = without_weights(made)
    assert result.exit_code == 3
    assert f"expected sha256 {'0' * 64}; found sha256 {sha256}" in result.stderr


@pytest.mark.usefixtures("toys_only")
def test_other_weights_are_compared_and_that_is_said(made: Path) -> None:
    change_record(made, sha256="0" * 64)
    path = made / "maps" / MADE_MAPS_NAME
    record = json.loads(path.read_text("utf-8"))
    record["settings"].update(weights=["0" * 64], numpy="1.0")
    path.write_text(json.dumps(record), "utf-8")
    result = call(made, f"--verify={made / 'maps'}", "--json=-")
    assert result.exit_code == 0, result.output
    sha256 = sha256_file(made / "toy.pth")
    assert f"--weights of sha256 {sha256[:12]}…, recorded: {'0' * 12}…" in result.stderr
    found = json.loads(result.stdout)["departures"]
    assert found["weights"] == {"recorded": ["0" * 64], "here": [sha256]}
    assert found["numpy"] == {"recorded": "1.0", "here": np.__version__}


@pytest.mark.parametrize(
    "options",
    [{"precision": "bf16"}, {"own_frame": True}, {"mean": (0.1, 0.2, 0.3)}, {"batch_size": 2}],
)
@pytest.mark.usefixtures("toys_only")
def test_settings_are_those_of_the_record(made: Path, options: dict[str, Any]) -> None:
    shutil.rmtree(made / "maps")
    regenerate(
        toys.toy(),
        made / "photos",
        made / "maps",
        weights=[made / "toy.pth"],
        workers=0,
        device="cpu",
        **options,
    )
    arguments = [f"--verify={made / 'maps'}", "--levels=0", "--share=100"]
    result = call(made, *arguments)
    assert result.exit_code == 0, result.output
    assert "not as recorded" not in result.stderr
    result = call(made, *arguments, "--precision=fp16")
    assert "not as recorded: --precision fp16, recorded: " in result.stderr


@pytest.mark.usefixtures("toys_only")
def test_a_frame_that_the_maps_do_not_have_is_refused_at_once(made: Path) -> None:
    result = call(made, f"--verify={made / 'maps'}", "--own-frame")
    assert result.exit_code == 2
    assert "leave out --own-frame" in result.stderr


@pytest.mark.usefixtures("toys_only")
def test_another_model_does_not_get_the_weights_of_the_record(made: Path) -> None:
    result = without_weights(made, "--model=toy_native")
    assert result.exit_code == 2
    assert "no published weights of toy_native" in result.stderr


@pytest.mark.usefixtures("toys_only")
def test_what_was_made_on_a_gpu_is_remade_here_and_that_is_said(made: Path) -> None:
    path = made / "maps" / MADE_MAPS_NAME
    record = json.loads(path.read_text("utf-8"))
    record["settings"].update(device="cuda", precision="tf32", compiled=True, batch_size=64)
    path.write_text(json.dumps(record), "utf-8")
    result = call(made, f"--verify={made / 'maps'}")
    assert result.exit_code == 0, result.output
    for said in (
        "--device cpu, recorded: cuda",
        "--precision fp32, recorded: tf32",
        "--compile no, recorded: yes",
        "--batch-size 1, recorded: 64",
    ):
        assert f"not as recorded: {said}\n" in result.stderr


@pytest.mark.usefixtures("toys_only")
def test_activation_maps_show_what_becomes_of_labels(made: Path) -> None:
    write(made / "cam", **{f"{name}_3": np.full((20, 31), 200) for name in "abc"})
    (made / "list.txt").write_text("a 3\nb 3\nc 3\n", "utf-8")
    arguments = [f"--verify={made / 'maps'}", f"--activation={made / 'cam'}"]
    result = call(made, *arguments, f"--labels={made / 'list.txt'}")
    assert result.exit_code == 0, result.output
    assert "pseudo-labels: 0.000% of the pixels change" in result.stdout


def inverted(path: Path) -> None:
    Image.fromarray(255 - np.array(Image.open(path))).save(path)


def many(folder: Path, images: int) -> list[str]:
    """Maps of equal size, so many of them that one is less than a hundredth of all pixels."""
    ids = [f"i{number:03}" for number in range(images)]
    write(folder, **{one: [[9] * 10] for one in ids})
    return ids


def test_one_map_that_is_another_is_no_reproduction(tmp_path: Path) -> None:
    ids = many(tmp_path / "old", 120)
    many(tmp_path / "new", 120)
    write(tmp_path / "new", i007=[[9] * 5 + [11] * 5])
    found = compared(tmp_path / "old", tmp_path / "new", ids, Labelling())
    assert found.is_reproduction(share=0.99)  # just half of it
    write(tmp_path / "new", i007=[[9] * 4 + [11] * 5 + [200]], i005=[[9] * 9 + [12]])
    found = compared(tmp_path / "old", tmp_path / "new", ids, Labelling())
    assert found.share_within(1) > 0.99
    assert not found.is_reproduction(share=0.99)
    said = "more than half of the pixels differ by more than 1 in 1 image: i007"
    assert found.verdict(0.99) == f"no reproduction: {said}"
    assert found.to_dict()["worst"] == [
        {"image": "i007", "class": None, "share_beyond": 0.6, "largest_difference": 191},
        {"image": "i005", "class": None, "share_beyond": 0.1, "largest_difference": 3},
    ]
    assert "differ by more than 1:\n  i007: 60.000%, largest 191\n  i005: 10." in found.describe()
    assert compared(tmp_path / "old", tmp_path / "new", ids, Labelling(), levels=2).is_reproduction(
        share=0.99
    )
    assert found.verdict(0.9999).splitlines() == [
        "no reproduction: 99.417% of the pixels differ by at most 1, 100.0% are asked for",
        f"no reproduction: {said}",
    ]


def test_the_worst_five_are_listed_by_share_and_then_by_image(tmp_path: Path) -> None:
    ids = many(tmp_path / "old", 8)
    many(tmp_path / "new", 8)
    shares = {"i006": 2, "i001": 3, "i004": 2, "i000": 1, "i002": 2, "i003": 1}
    write(tmp_path / "new", **{one: [[99] * n + [9] * (10 - n)] for one, n in shares.items()})
    found = compared(tmp_path / "old", tmp_path / "new", ids[::-1], Labelling())
    assert [one.image for one in found.worst] == ["i001", "i002", "i004", "i006", "i000"]
    assert len(found.apart) == 6
    assert "the worst 5 of 6:\n  i001: 30.000%, largest 90\n" in found.describe()


def test_of_activation_maps_each_counts_by_itself(tmp_path: Path) -> None:
    old = write(tmp_path / "old", a_3=[[0, 0]], a_5=[[0, 0]], a_7=[[0, 0]])
    new = write(tmp_path / "new", a_3=[[0, 1]], a_5=[[90, 80]], a_7=[[2, 0]])
    labelling = Labelling(classes={"a": (3, 5, 7)})
    found = compare(ActivationFolder(old), ActivationFolder(new), ["a"], labelling)
    assert [(str(one), one.share, one.largest) for one in found.apart] == [("a class 5", 1, 90)]
    assert found.pixels == 6
    assert "in 1 image: a class 5" in found.verdict(0)


@pytest.mark.usefixtures("toys_only")
def test_every_file_of_a_folder_is_held_to_its_record(made: Path) -> None:
    inside = sample(["a", "b", "c"], 1)
    changed, missing = (one for one in "abc" if one not in inside)
    inverted(made / "maps" / f"{changed}.png")
    (made / "maps" / f"{missing}.png").unlink()
    write(made / "maps", more=[[1]])
    result = call(made, f"--verify={made / 'maps'}", "--sample=1")
    assert result.exit_code == 1, result.output
    assert result.stdout.splitlines() == [
        "1 image, 620 pixels: all are equal",
        f"no reproduction: 1 map is not the file that was made: {changed}",
        f"no reproduction: 1 map that was made is gone: {missing}",
        "no reproduction: 1 map is not in the record: more",
    ]
    found = json.loads(call(made, f"--verify={made / 'maps'}", "--sample=1", "--json=-").stdout)
    assert found["reproduced"] is False
    assert len(found["shortcomings"]) == 3
    assert found["files"] == {
        "recorded": 3,
        "changed": [changed],
        "missing": [missing],
        "unknown": ["more"],
    }


@pytest.mark.usefixtures("toys_only")
def test_a_folder_of_which_no_record_is_there_has_no_files_to_hold_to_it(made: Path) -> None:
    for name in (MADE_MAPS_NAME, STAMP_NAME):
        (made / "maps" / name).unlink()
    result = call(made, f"--verify={made / 'maps'}", "--model=toy", "--json=-")
    assert json.loads(result.stdout)["files"] is None
    assert result.exit_code == 0


@pytest.mark.usefixtures("toys_only")
def test_a_run_that_has_not_finished_is_called_so(made: Path) -> None:
    (made / "maps" / MADE_MAPS_NAME).unlink()
    result = call(made, f"--verify={made / 'maps'}")
    assert result.exit_code == 2
    assert "is the folder of a 'wsss-assets regenerate' that has not finished" in result.stderr
    assert (
        "begun with --model toy --device cpu --precision fp32 --mean 0.5,0.4,0.3 " in result.stderr
    )
    assert f"--images {(made / 'photos').resolve()}\n" in result.stderr
    assert "the same command again finishes it" in result.stderr
    assert call(made, f"--verify={made / 'maps'}", "--model=toy").exit_code == 0
    (made / "maps" / STAMP_NAME).write_text('{"made_by": "wsss-assets regenerate"}', "utf-8")
    assert "settings that its stamp does not say" in call(made, f"--verify={made / 'maps'}").stderr


def edited(made: Path, edit: Callable[[dict[str, Any]], object]) -> Result:
    """What is said of a record whose settings were edited by hand."""
    path = made / "maps" / MADE_MAPS_NAME
    record = json.loads(path.read_text("utf-8"))
    edit(record["settings"])
    path.write_text(json.dumps(record), "utf-8")
    return call(made, f"--verify={made / 'maps'}")


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        (lambda one: one.pop("work"), "the setting work is missing (expected an object)"),
        (lambda one: one.update(work=[]), "setting work makes no sense (expected an object, found"),
        (lambda one: one["work"].pop("normalisation"), "setting work.normalisation is missing"),
        (lambda one: one["work"]["normalisation"].update(mean=[1]), "expected three numbers"),
        (lambda one: one.update(device=None), "expected a text, found null"),
        (lambda one: one.update(precision="fp8"), "expected fp32, tf32, bf16 or fp16, found 'fp8'"),
        (lambda one: one.update(batch_size=0), "expected a whole number from 1, found 0"),
        (lambda one: one.pop("compiled"), "the setting compiled is missing"),
        (lambda one: one.update(onnx={"gamma": 2}), "there is no setting onnx.gamma"),
        (lambda one: one.update(onnx={"scale": "no"}), "the ONNX setting scale makes no sense"),
    ],
)
@pytest.mark.usefixtures("toys_only")
def test_a_record_that_was_edited_by_hand(
    made: Path, edit: Callable[[dict[str, Any]], object], said: str
) -> None:
    result = edited(made, edit)
    assert result.exit_code == 3, result.output
    assert "the record of toy maps does not say how they were made" in result.stderr
    assert said in result.stderr
    assert "Error:" not in result.stderr  # no name of Python


@pytest.mark.usefixtures("toys_only")
def test_a_record_that_is_cut_off(made: Path) -> None:
    path = made / "maps" / MADE_MAPS_NAME
    path.write_bytes(path.read_bytes()[:-20])
    result = call(made, f"--verify={made / 'maps'}")
    assert result.exit_code == 3
    assert f"{path} is cut off or no JSON" in result.stderr
    assert "the same 'wsss-assets regenerate' again writes it anew" in result.stderr


@pytest.mark.usefixtures("toys_only")
def test_five_departures_are_told_options_first(made: Path) -> None:
    programs = dict.fromkeys(("numpy", "pillow", "torch", "version"), "1.0")
    result = edited(made, lambda one: one.update(programs, device="cuda", batch_size=9))
    lines = [line for line in result.stderr.splitlines() if line.startswith("not as recorded")]
    assert lines[:2] == [
        "not as recorded: --batch-size 1, recorded: 9",
        "not as recorded: --device cpu, recorded: cuda",
    ]
    assert lines[2] == f"not as recorded: numpy {np.__version__}, recorded: 1.0"
    assert lines[5:] == ["not as recorded: 1 more (--json FILE lists them all)"]
    result = call(made, f"--verify={made / 'maps'}", "--json=-")
    assert len(json.loads(result.stdout)["departures"]) == 6


@pytest.mark.usefixtures("toys_only")
def test_of_another_model_only_that_is_told(made: Path) -> None:
    result = call(
        made, f"--verify={made / 'maps'}", "--model=toy_native", "--mean=0,0,0", "--json=-"
    )
    lines = [line for line in result.stderr.splitlines() if line.startswith("not as recorded")]
    assert lines == ["not as recorded: --model toy_native, recorded: toy"]
    assert len(json.loads(result.stdout)["departures"]) > 1


def test_settings_are_called_by_options_that_there_are() -> None:
    options = {name for option in main.commands["regenerate"].params for name in option.opts}
    called = {part for name in NAMES.values() for part in re.findall("--[a-z-]+", name)}
    assert called <= options
    of_attribution = {field.name for field in fields(AttributionSettings)} - {"normalisation"}
    assert {f"work.{name}" for name in of_attribution} <= NAMES.keys()
    assert {f"onnx.{field.name}" for field in fields(OnnxSettings)} <= NAMES.keys()
