"""Activation maps by the command: killed and started again, by two processes, verified, packed."""

from __future__ import annotations

import json
import os
import signal
from typing import TYPE_CHECKING

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from tests import activation_toys as toys
from tests.test_regenerate_processes import check, has_made, maps, started, wait
from wsss_assets.catalog.records import MADE_MAPS_NAME
from wsss_assets.cli import main
from wsss_assets.devkit.image_labels import ImageLabels, write_label_list
from wsss_assets.regenerate.activation import LABELS_NAME
from wsss_assets.storage.files import sha256_file
from wsss_assets.storage.images import read_map

pytest.importorskip("torch")

from wsss_assets.regenerate import ActivationOptions, Predicted, regenerate

if TYPE_CHECKING:
    from pathlib import Path

    from click.testing import Result

COUNT = 30


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Photos, labels, weights, and the maps of a run that nothing disturbed, in `expected`."""
    root = tmp_path_factory.mktemp("activation")
    for name in ("photos", "saliency"):
        (root / name).mkdir()
    generator = np.random.default_rng(1)
    labels = {}
    for number in range(COUNT):
        image_id, size = f"p{number}", (20 + number % 3, 24)
        classes = generator.choice(20, number % 4, replace=False)
        labels[image_id] = tuple(sorted(int(one) for one in classes))
        pixels = generator.integers(0, 256, (*size, 3), np.uint8)
        Image.fromarray(pixels).save(root / "photos" / f"{image_id}.png")
        saliency = generator.integers(0, 2, size, np.uint8) * 255
        Image.fromarray(saliency).save(root / "saliency" / f"{image_id}.png")
    write_label_list(root / "list.txt", labels)
    summary = regenerate(
        toys.TOY_CAM,
        root / "photos",
        root / "expected",
        weights=[toys.write_weights(root / "toy.pth")],
        device="cpu",
        batch_size=2,
        workers=0,
        activation=ActivationOptions(
            labels=ImageLabels(labels, "label list list.txt", sha256_file(root / "list.txt"))
        ),
    )
    assert summary.written + summary.without_classes == COUNT
    return root


@pytest.fixture
def toys_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wsss_assets.models._architectures", dict)
    monkeypatch.setattr("wsss_assets.models._methods", lambda: toys.METHODS)


def arguments(root: Path, *more: str, labels: str = "list.txt") -> list[str]:
    return [
        "regenerate",
        f"--weights={root / 'toy.pth'}",
        f"--images={root / 'photos'}",
        f"--labels={labels if labels == 'predicted' else root / labels}",
        "--device=cpu",
        *more,
    ]


def call(root: Path, *more: str, labels: str = "list.txt") -> Result:
    return CliRunner().invoke(main, [*arguments(root, *more, labels=labels), "--workers=0"])


def command(root: Path, out: Path) -> list[str]:
    given = arguments(root, "--model=toy_cam", f"--out={out}", "--batch-size=2", "--workers=1")
    return ["tests.toy_command", *given]


posix = pytest.mark.skipif(os.name != "posix", reason="signals are sent the POSIX way")


@posix
def test_a_killed_run_goes_on(whole: Path, tmp_path: Path) -> None:
    out, pids = tmp_path / "out", tmp_path / "pids"
    with started(command(whole, out), pids, 0.1) as process:
        wait(has_made(out, 12), process)
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert 12 <= len(maps(out)) < len(maps(whole / "expected"))
    with started(command(whole, out), pids, 0) as process:
        stdout, stderr = process.communicate(timeout=60)
    assert process.returncode == 0, stderr
    assert f"{-(-COUNT // 4)} images show no class" in stdout
    check(whole, out)


@posix
def test_two_processes_make_the_same(whole: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    launcher = ["torch.distributed.run", "--standalone", "--nproc-per-node=2", "-m"]
    with started([*launcher, *command(whole, out)], tmp_path / "pids", 0) as process:
        stdout, stderr = process.communicate(timeout=60)
    assert process.returncode == 0, stderr
    assert stdout.count("written to") == 1, "one process speaks for all"
    check(whole, out)


@posix
def test_two_processes_predict_the_same_labels(whole: Path, tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    launcher = ["torch.distributed.run", "--standalone", "--nproc-per-node=2", "-m"]
    given = [*command(whole, two), "--labels=predicted", "--label-threshold=0.6"]
    with started([*launcher, *given], tmp_path / "pids", 0) as process:
        _, stderr = process.communicate(timeout=60)
    assert process.returncode == 0, stderr
    regenerate(
        toys.TOY_CAM,
        whole / "photos",
        one,
        weights=[whole / "toy.pth"],
        device="cpu",
        batch_size=2,
        workers=0,
        activation=ActivationOptions(labels=Predicted(0.6)),
    )
    made = [
        {path.name: path.read_bytes() for path in out.iterdir() if path.name != MADE_MAPS_NAME}
        for out in (one, two)
    ]
    assert made[0] == made[1]
    assert LABELS_NAME in made[0]


@pytest.mark.usefixtures("toys_only")
def test_the_command(whole: Path, tmp_path: Path) -> None:
    result = call(whole, "--model=toy_cam", f"--out={tmp_path / 'out'}", "--json=-")
    assert result.exit_code == 0, result.output
    said = json.loads(result.stdout)
    assert said["written"] + said["without_classes"] == COUNT
    assert (said["kept"], said["failed"]) == (0, {})
    assert "Nothing is known of a toy." in result.stderr
    record = json.loads((tmp_path / "out" / MADE_MAPS_NAME).read_text("utf-8"))
    assert record["labels"]["source"] == "label list list.txt"
    result = call(whole, "--model=toy_cam", f"--out={tmp_path / 'npy'}", "--npy")
    assert result.exit_code == 0, result.output
    assert f"maps of {said['written']} images written" in result.stdout
    assert len(list((tmp_path / "npy").glob("*.npy"))) == said["written"]
    (tmp_path / "some.txt").write_text("p1\np2\n", "utf-8")
    some = [f"--ids={tmp_path / 'some.txt'}", f"--out={tmp_path / 'some'}"]
    assert call(whole, "--model=toy_cam", *some).exit_code == 0
    assert {path.stem.split("_")[0] for path in maps(tmp_path / "some")} == {"p1", "p2"}


@pytest.mark.usefixtures("toys_only")
@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--model=toy_cam", "--seeds=."], "takes no seeds"),
        (["--model=amn"], "maps of AMN need seeds"),
        (["--model=amn", "--seeds=.", "--without-seeds=plain"], "not both"),
        (["--model=toy_cam", "--label-threshold=0.5"], "--labels predicted"),
        (["--model=toy_cam", "--benchmark=coco2014"], "for 80 classes"),
        (["--model=onnx", "--npy", "--partner-seed=0"], "--npy, --partner-seed, of activation"),
        (["--model=onnx", "--labels=predicted"], "--labels predicted, of activation"),
    ],
)
def test_misuse_is_explained(whole: Path, tmp_path: Path, options: list[str], message: str) -> None:
    result = call(whole, *options, f"--out={tmp_path / 'out'}")
    assert result.exit_code == 2
    assert message in result.stderr
    assert "Traceback" not in result.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.usefixtures("toys_only")
def test_labels_are_needed(whole: Path, tmp_path: Path) -> None:
    given = [f"--images={whole / 'photos'}", f"--out={tmp_path / 'out'}", "--model=toy_cam"]
    result = CliRunner().invoke(main, ["regenerate", *given])
    assert result.exit_code == 2
    assert "--labels predicted" in result.stderr


# Verifying


def verify(root: Path, folder: Path, *more: str) -> Result:
    given = [f"--images={root / 'photos'}", f"--weights={root / 'toy.pth'}", "--device=cpu"]
    return CliRunner().invoke(
        main, ["regenerate", f"--verify={folder}", *given, "--workers=0", "--json=-", *more]
    )


@pytest.mark.usefixtures("toys_only")
def test_a_set_is_remade(whole: Path) -> None:
    result = verify(whole, whole / "expected", f"--saliency={whole / 'saliency'}")
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert found["reproduced"] is True
    assert found["salience_changed"] is None
    assert (found["labels_changed"], found["labels_miou"]) == (0, 1)
    with_maps = {path.stem.rpartition("_")[0] for path in maps(whole / "expected")}
    assert found["images"] == len(with_maps)
    assert found["pixels"] == sum(read_map(path).size for path in maps(whole / "expected"))
    result = verify(whole, whole / "expected", "--mean=0,0,0", "--sample=5")
    assert result.exit_code == 1
    found = json.loads(result.stdout)
    assert (found["images"], found["labels_changed"]) == (5, None)
    assert found["mean_difference"] > 1


@pytest.mark.usefixtures("toys_only")
def test_dictionaries_are_verified_by_a_list(whole: Path, tmp_path: Path) -> None:
    call(whole, "--model=toy_cam", f"--out={tmp_path / 'npy'}", "--npy")
    result = verify(whole, tmp_path / "npy")
    assert result.exit_code == 2
    assert "name it with --labels" in result.stderr
    assert verify(whole, tmp_path / "npy", f"--labels={whole / 'list.txt'}").exit_code == 0


@pytest.mark.usefixtures("toys_only")
def test_what_is_recorded_of_amn_is_taken(whole: Path, tmp_path: Path) -> None:
    out, weights = tmp_path / "amn", toys.write_weights(tmp_path / "amn.pth", toys.TOY_AMN)
    given = ["regenerate", "--model=amn", "--without-seeds=stretched", "--official-dropout=3"]
    given += [f"--weights={weights}", f"--images={whole / 'photos'}"]
    given += [f"--labels={whole / 'list.txt'}", "--device=cpu", "--workers=0", f"--out={out}"]
    result = CliRunner().invoke(main, given)
    assert result.exit_code == 0, result.output
    given = [f"--verify={out}", f"--images={whole / 'photos'}", f"--weights={weights}"]
    result = CliRunner().invoke(main, ["regenerate", *given, "--device=cpu", "--workers=0"])
    assert result.exit_code == 0, result.output
    assert "with amn" in result.stderr
    other = ["--without-seeds=plain", "--workers=0"]
    assert CliRunner().invoke(main, ["regenerate", *given, *other]).exit_code == 1


@pytest.mark.usefixtures("toys_only")
def test_wrong_kinds_are_refused(whole: Path) -> None:
    result = verify(whole, whole / "expected", "--activation=x")
    assert result.exit_code == 2
    assert "--saliency" in result.stderr
    result = verify(whole, whole / "expected", "--model=onnx")
    assert result.exit_code == 2
    assert "holds activation maps" in result.stderr


# Packing


@pytest.mark.usefixtures("toys_only")
def test_the_folder_can_be_packed_as_it_is(whole: Path, tmp_path: Path) -> None:
    given = [
        "pack",
        str(whole / "expected"),
        "--id=voc2012/activation/mine",
        f"--labels={whole / 'list.txt'}",
        f"--staging={tmp_path / 'staging'}",
        "--json=-",
    ]
    result = CliRunner().invoke(main, given)
    assert result.exit_code == 0, result.output
    packed = json.loads(result.stdout)
    assert (packed["rows"], packed["holes"]) == (COUNT, [])
    assert packed["maps"] == len(maps(whole / "expected"))
