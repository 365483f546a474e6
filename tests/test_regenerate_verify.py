"""Whether maps are reproduced: differences counted by hand, and a set remade by its own weights."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from tests import toys
from wsss_assets.catalog.records import MADE_MAPS_NAME
from wsss_assets.cli import main
from wsss_assets.errors import DataError, UsageError
from wsss_assets.models.architecture import Normalisation
from wsss_assets.storage.files import sha256_file
from wsss_assets.storage.maps import ActivationFolder, SaliencyFolder
from wsss_assets.storage.receipts import RECEIPTS_NAME
from wsss_assets.storage.stamps import STAMP_NAME

pytest.importorskip("torch")

from wsss_assets.regenerate import regenerate
from wsss_assets.regenerate.verify import Labelling, compare, sample, verify
from wsss_assets.regenerate.weights_cache import WeightsFile

if TYPE_CHECKING:
    from pathlib import Path

    from click.testing import Result

    from wsss_assets.regenerate.verify import Comparison


def write(folder: Path, **maps: Any) -> Path:  # noqa: ANN401 (nested lists)
    folder.mkdir(exist_ok=True)
    for name, values in maps.items():
        Image.fromarray(np.array(values, np.uint8)).save(folder / f"{name}.png")
    return folder


def compared(expected: Path, found: Path, ids: list[str], labelling: Labelling) -> Comparison:
    return compare(SaliencyFolder(expected), SaliencyFolder(found), ids, labelling)


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
    assert found.is_reproduction(levels=1, share=0.75)
    assert not found.is_reproduction(levels=1, share=0.76)
    assert found.is_reproduction(levels=4, share=1)
    assert not compared(old, new, ["a", "b"], Labelling()).is_reproduction(levels=255, share=0)


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
    assert found.is_reproduction(levels=0, share=1)
    other = toys.toy(normalisation=Normalisation((0, 0, 0), (1, 1, 1)))
    found = verify(maps, other, made / "photos", ["a", "b", "c"], **options)
    assert not found.is_reproduction(levels=1, share=0.99)
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
    assert "no reproduction: 1 image could not be compared" in result.stdout
    assert "b: no saliency map b" in result.stderr
    assert "leave out --npy" in call(made, f"--verify={made / 'maps'}", "--npy").stderr


@pytest.mark.usefixtures("toys_only")
def test_images_that_were_left_out_decide_the_verdict(made: Path) -> None:
    (made / "photos" / "b.png").write_bytes(b"broken")
    result = call(made, f"--verify={made / 'maps'}")
    assert result.exit_code == 1
    said = "no reproduction: 1 image could not be compared; of the others 100.000% of the pixels"
    assert said in result.stdout


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
    assert f"not as recorded: weights ['{sha256}'], recorded ['{'0' * 64}']" in result.stderr
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
    assert "not as recorded: precision 'fp16'" in result.stderr


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
    for name in ("device 'cpu'", "precision 'fp32'", "compiled False", "batch_size 1"):
        assert f"not as recorded: {name}, recorded" in result.stderr


@pytest.mark.usefixtures("toys_only")
def test_activation_maps_show_what_becomes_of_labels(made: Path) -> None:
    write(made / "cam", **{f"{name}_3": np.full((20, 31), 200) for name in "abc"})
    (made / "list.txt").write_text("a 3\nb 3\nc 3\n", "utf-8")
    arguments = [f"--verify={made / 'maps'}", f"--activation={made / 'cam'}"]
    result = call(made, *arguments, f"--labels={made / 'list.txt'}")
    assert result.exit_code == 0, result.output
    assert "pseudo-labels: 0.000% of the pixels change" in result.stdout
