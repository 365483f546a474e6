"""Attribution maps through the command: against direct calls, kept, remade, refused."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from tests import activation_toys as toys
from tests.toys import NORMALISATION
from wsss_assets import __version__
from wsss_assets.catalog.records import MADE_MAPS_NAME
from wsss_assets.cli import main
from wsss_assets.devkit.image_labels import ImageLabels
from wsss_assets.models.architecture import Normalisation
from wsss_assets.models.attribution_settings import AttributionSettings
from wsss_assets.storage.activation_dicts import read_activation_dict
from wsss_assets.storage.images import read_map, read_photo

pytest.importorskip("torch")

import torch

from wsss_assets.errors import UsageError
from wsss_assets.models.attribution_maps import attribution_maps
from wsss_assets.regenerate import ActivationOptions, regenerate
from wsss_assets.regenerate.activation import activation_work
from wsss_assets.regenerate.attribution_work import attributed

if TYPE_CHECKING:
    from pathlib import Path

    from click.testing import Result

LABELS = {"a": (0, 14), "b": (3,), "c": (), "d": (7,)}
SIZES = {"a": (30, 41), "b": (30, 41), "c": (27, 27), "d": (27, 27)}
OWN = "tests.activation_toys:build_cam"

CASES: list[tuple[list[str], dict[str, Any]]] = [
    (["gradient"], {}),
    (["input_x_gradient", "--smoothing=1.5", "--clip"], {"smoothing": 1.5, "clipped": True}),
    (["smoothgrad", "--copies=3", "--noise=0.2"], {"copies": 3, "noise": 0.2}),
    (["integrated_gradients", "--steps=4"], {"steps": 4}),
    (["grad_cam", "--layer=last"], {"layer": "last"}),
    (
        ["gradient", "--crops=4", "--crop-size=24", "--normalise-crops", "--weight-crops"],
        {"crops": 4, "size": 24, "normalised": True, "weighted": True},
    ),
    (
        ["smoothgrad", "--copies=2", "--crops=3", "--crop-size=16", "--merge=maximum"],
        {"copies": 2, "crops": 3, "size": 16, "merged": "maximum"},
    ),
]
"""Options, and the settings that they are."""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Photos, a label list and weights; the toys are the only methods."""
    monkeypatch.setenv("WSSS_ASSETS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("wsss_assets.models._methods", lambda: toys.METHODS)
    (tmp_path / "photos").mkdir()
    generator = np.random.default_rng(6)
    for name, size in SIZES.items():
        pixels = generator.integers(0, 256, (*size, 3), np.uint8)
        Image.fromarray(pixels).save(tmp_path / "photos" / f"{name}.png")
    lines = (" ".join([name, *map(str, classes)]) for name, classes in LABELS.items())
    (tmp_path / "list.txt").write_text("\n".join(lines) + "\n", "utf-8")
    toys.write_weights(tmp_path / "toy.pth")
    return tmp_path


def call(
    folder: Path, *more: str, out: str = "out", model: str = "attribution", weights: bool = True
) -> Result:
    arguments = [
        "regenerate",
        f"--model={model}",
        f"--images={folder / 'photos'}",
        f"--out={folder / out}",
        f"--labels={folder / 'list.txt'}",
        "--device=cpu",
        "--workers=0",
        *([f"--weights={folder / 'toy.pth'}"] if weights else []),
    ]
    return CliRunner().invoke(main, [*arguments, *more])


def of(method: str, *more: str, classifier: str = "toy_cam") -> list[str]:
    return [f"--method={method}", f"--classifier={classifier}", *more]


def maps(folder: Path, out: str = "out") -> dict[str, bytes]:
    return {path.stem: path.read_bytes() for path in (folder / out).glob("*.png")}


def record(folder: Path, out: str = "out") -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / out / MADE_MAPS_NAME).read_text("utf-8"))
    return found


def differs_from_direct(folder: Path, settings: AttributionSettings, out: str = "out") -> int:
    """By how many grey levels maps are from those of `attribution_maps`, at most."""
    worst, net = 0, toys.build_cam().eval()
    for name, classes in LABELS.items():
        photo = read_photo(folder / "photos" / f"{name}.png")
        for index, wanted in attribution_maps(net, photo, classes, name, settings).items():
            found = read_map(folder / out / f"{name}_{index}.png").astype(int)
            assert wanted.std() > 5
            worst = max(worst, int(np.abs(found - wanted).max()))
    return worst


@pytest.mark.parametrize(
    ("options", "changes"),
    CASES,
    ids=lambda one: " ".join(one) if isinstance(one, list) else "",
)
def test_maps_are_those_of_direct_calls(
    folder: Path, options: list[str], changes: dict[str, Any]
) -> None:
    settings = AttributionSettings(
        method=options[0],  # type: ignore[arg-type]
        normalisation=NORMALISATION,
        **changes,
    )
    result = call(folder, *of(*options))
    assert result.exit_code == 0, result.output
    assert set(maps(folder)) == {"a_0", "a_14", "b_3", "d_7"}
    assert differs_from_direct(folder, settings) <= 1
    assert call(folder, *of(*options), "--batch-size=3", out="many").exit_code == 0
    assert maps(folder, "many") == maps(folder)


def test_one_crop_is_no_aggregation(folder: Path) -> None:
    assert call(folder, *of("smoothgrad", "--copies=2")).exit_code == 0
    assert call(folder, *of("smoothgrad", "--copies=2", "--crops=1"), out="one").exit_code == 0
    assert maps(folder, "one") == maps(folder)


def test_a_run_goes_on_and_makes_the_same(folder: Path) -> None:
    asked = of("smoothgrad", "--copies=2", "--crops=3", "--crop-size=16")
    (folder / "ids.txt").write_text("b\n", "utf-8")
    assert call(folder, *asked, f"--ids={folder / 'ids.txt'}").exit_code == 0
    assert set(maps(folder)) == {"b_3"}
    result = call(folder, *asked, "--json=-")
    told = json.loads(result.stdout)
    assert (told["written"], told["kept"], told["without_classes"]) == (2, 1, 1)
    assert call(folder, *asked, out="whole").exit_code == 0
    assert maps(folder) == maps(folder, "whole")
    (folder / "list.txt").write_text("a 0 14\nb 4\nc\nd 7\n", "utf-8")
    assert json.loads(call(folder, *asked, "--json=-").stdout)["written"] == 1
    assert set(maps(folder)) == {"a_0", "a_14", "b_4", "d_7"}
    refused = call(folder, *of("smoothgrad", "--copies=3", "--crops=3", "--crop-size=16"))
    assert refused.exit_code != 0
    assert "copies" in refused.stderr


def test_the_record_says_what_they_are(folder: Path) -> None:
    assert call(folder, *of("grad_cam")).exit_code == 0
    found = record(folder)
    work = found["settings"]["work"]
    assert (found["kind"], found["model"]) == ("activation", "attribution")
    assert "this project's own definition" in found["unknown"]
    assert "this project's own" in work["definition"]
    assert (work["classifier"]["name"], work["method"]) == ("toy_cam", "grad_cam")
    assert work["labels"] == "given"
    assert "toy.pth" in found["made_by"]


def test_a_classifier_of_ones_own(folder: Path) -> None:
    colours = ["--mean=0.5,0.4,0.3", "--std=0.2,0.3,0.4"]
    asked = of("gradient", *colours, classifier=OWN)
    result = call(folder, *asked, weights=False)
    assert result.exit_code == 0, result.output
    settings = AttributionSettings(method="gradient", normalisation=NORMALISATION)
    assert differs_from_direct(folder, settings) <= 1
    found = record(folder)
    assert found["weights"] == []
    assert "weights of its own" in found["made_by"]
    assert len(found["settings"]["work"]["classifier"]["weights_sha256"]) == 64
    assert call(folder, *asked, out="loaded").exit_code == 0
    assert maps(folder, "loaded") == maps(folder)
    assert record(folder, "loaded")["settings"]["work"]["classifier"]["weights_sha256"] is None


def test_labels_that_the_classifier_predicts(folder: Path) -> None:
    asked = ["--labels=predicted", "--label-threshold=0.6"]
    assert call(folder, *of("gradient"), *asked).exit_code == 0
    assert record(folder)["labels"]["source"] == "classes that toy_cam scores above 0.6"
    refused = call(folder, *of("gradient", classifier=OWN), *asked, out="own")
    assert refused.exit_code == 2
    assert "cannot say which classes" in refused.stderr


def test_dictionaries_hold_the_same(folder: Path) -> None:
    assert call(folder, *of("gradient")).exit_code == 0
    assert call(folder, *of("gradient"), "--npy", out="npy").exit_code == 0
    found = read_activation_dict(folder / "npy" / "a.npy", LABELS["a"])
    for index in LABELS["a"]:
        np.testing.assert_array_equal(found[index], read_map(folder / "out" / f"a_{index}.png"))


def test_a_photo_that_cannot_be_read_changes_no_other(folder: Path) -> None:
    asked = [*of("gradient"), "--batch-size=2"]
    assert call(folder, *asked).exit_code == 0
    data = (folder / "photos" / "b.png").read_bytes()
    (folder / "photos" / "b.png").write_bytes(data[:-800])
    result = call(folder, *asked, out="broken")
    assert result.exit_code == 1
    whole = maps(folder)
    del whole["b_3"]
    assert maps(folder, "broken") == whole


def test_preparing_needs_no_torch(folder: Path) -> None:
    labels = ImageLabels(LABELS, "a list")
    settings = AttributionSettings(method="gradient", crops=3, size=16)
    options = ActivationOptions(labels=labels)
    work = activation_work(attributed("toy_cam", settings), options, folder, labels=labels)
    program = (
        "import pickle, sys; import numpy as np\n"
        "prepare = pickle.loads(sys.stdin.buffer.read())\n"
        "prepare(np.zeros((30, 41, 3), np.uint8), 'a')\n"
        "assert 'torch' not in sys.modules"
    )
    data = pickle.dumps(work.prepare)
    subprocess.run([sys.executable, "-c", program], input=data, check=True)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (of("gradients"), "did you mean gradient"),
        (["--method=gradient"], "needs --classifier"),
        (["--classifier=toy_cam"], "needs --method"),
        (of("gradient", "--copies=2"), "--copies is an option of --method smoothgrad"),
        (of("gradient", "--steps=2"), "--steps is an option of --method integrated_gradients"),
        (of("gradient", "--layer=x"), "--layer is an option of --method grad_cam"),
        (of("gradient", "--weight-crops"), "add --crops K"),
        (of("gradient", "--crops=2"), "add --crop-size N, such as 448"),
        (of("gradient", "--smoothing=-1"), "smoothing is a standard deviation"),
        (of("gradient", "--precision=bf16"), "the precision bf16"),
        (of("gradient", "--compile"), "found compiling"),
        (of("gradient", "--own-frame"), "always of the photo's size"),
        (of("gradient", "--seeds=x"), "takes no seeds"),
        (of("gradient", "--onnx-min-max"), "settings of ONNX networks"),
        (of("gradient", "--benchmark=coco2014"), "no network of toy_cam for 80 classes"),
        (of("gradient", classifier="mcis"), "no classifier of photos alone"),
        (of("gradient", classifier="amn"), "no classifier of photos alone"),
        (of("gradient", classifier="toy_cams"), "did you mean toy_cam"),
        (of("gradient", classifier="nowhere:at_all"), "there is no module nowhere"),
    ],
)
def test_misuse_is_explained(folder: Path, options: list[str], message: str) -> None:
    result = call(folder, *options)
    assert result.exit_code == 2, result.output
    assert message in result.stderr
    assert "Traceback" not in result.stderr
    assert not (folder / "out").exists()


def test_options_of_attribution_go_with_it_alone(folder: Path) -> None:
    result = call(folder, "--method=gradient", "--crops=3", model="toy_cam")
    assert result.exit_code == 2
    assert "--method, --crops go with --model attribution" in result.stderr


def test_in_python_precision_is_checked_too(folder: Path) -> None:
    method = attributed("toy_cam", AttributionSettings(method="gradient"))
    options = ActivationOptions(labels=ImageLabels(LABELS, "a list"))
    with pytest.raises(UsageError, match="fp32"):
        regenerate(
            method,
            folder / "photos",
            folder / "out",
            weights=[folder / "toy.pth"],
            precision="fp16",
            activation=options,
        )


# Verifying


def verify(folder: Path, *more: str, weights: str | None = "toy.pth", out: str = "out") -> Result:
    arguments = [f"--verify={folder / out}", f"--images={folder / 'photos'}", "--workers=0"]
    loaded = [] if weights is None else [f"--weights={folder / weights}"]
    return CliRunner().invoke(main, ["regenerate", *arguments, *loaded, "--device=cpu", *more])


def change(folder: Path, *left_out: str, **work: Any) -> None:  # noqa: ANN401
    """Another record of the same maps."""
    found = record(folder)
    settings = {**found["settings"]["work"], **work}
    found["settings"]["work"] = {one: settings[one] for one in settings if one not in left_out}
    (folder / "out" / MADE_MAPS_NAME).write_text(json.dumps(found), "utf-8")


def departures(result: Result) -> set[str]:
    lines = [line for line in result.stderr.splitlines() if line.startswith("not as recorded: ")]
    return {line.split()[3].removeprefix("--") for line in lines}


@pytest.mark.parametrize(
    "options",
    [
        *(options for options, _ in CASES),
        ["gradient", "--mean=0.1,0.2,0.3", "--std=0.5,0.5,0.6", "--batch-size=2"],
        ["gradient", "--labels=predicted", "--label-threshold=0.6"],
    ],
    ids=" ".join,
)
def test_what_is_recorded_is_remade(folder: Path, options: list[str]) -> None:
    assert call(folder, *of(*options)).exit_code == 0
    result = verify(folder, "--levels=0", "--share=100")
    assert result.exit_code == 0, result.output
    assert f" images with {options[0]} attributions of toy_cam" in result.stderr
    assert "all are equal" in result.stdout
    assert departures(result) == set()


@pytest.mark.parametrize(
    ("options", "changed"),
    [
        (["--copies=3"], {"copies"}),
        (["--model=attribution", "--noise=0.5"], {"noise"}),
        (["--method=integrated_gradients"], {"method", "copies", "noise", "steps"}),
        (["--method=grad_cam"], {"method", "copies", "noise"}),
        (["--method=grad_cam", "--layer=first"], {"method", "copies", "noise", "layer"}),
        (["--crops=5"], {"crops"}),
        (["--crop-size=30"], {"crop-size"}),
        (["--merge=maximum", "--no-weight-crops"], {"merge", "weight-crops"}),
        (["--no-normalise-crops"], {"normalise-crops"}),
        (["--smoothing=0"], {"smoothing"}),
        (["--no-clip"], {"clip"}),
        (["--mean=0.1,0.2,0.3"], {"mean"}),
    ],
    ids=lambda one: " ".join(one) if isinstance(one, list) else "",
)
def test_another_setting_is_said_and_makes_other_maps(
    folder: Path, options: list[str], changed: set[str]
) -> None:
    asked = ["--copies=2", "--noise=0.2", "--crops=4", "--crop-size=20", "--smoothing=1.5"]
    asked += ["--weight-crops", "--normalise-crops", "--clip"]
    assert call(folder, *of("smoothgrad", *asked)).exit_code == 0
    assert verify(folder, "--levels=0").exit_code == 0
    result = verify(folder, "--levels=0", *options)
    assert result.exit_code == 1, result.output
    assert departures(result) == changed
    assert "no reproduction" in result.stdout


def test_other_weights_are_said_and_make_other_maps(folder: Path) -> None:
    assert call(folder, *of("gradient")).exit_code == 0
    result = verify(folder, weights=None)
    assert result.exit_code == 2
    assert "toy.pth of sha256 " in result.stderr
    assert "--weights FILE" in result.stderr
    net = toys.build_cam()
    net.get_parameter("last.weight").data *= -1
    torch.save(net.state_dict(), folder / "other.pth")
    result = verify(folder, weights="other.pth")
    assert result.exit_code == 1
    assert departures(result) == {"weights"}


def test_another_classifier_gets_nothing_of_the_recorded_one(folder: Path) -> None:
    colours = ["--mean=0.1,0.2,0.3", "--clip"]
    assert call(folder, *of("gradient", *colours)).exit_code == 0
    result = verify(folder, "--classifier=toy_oaa", weights=None)
    assert result.exit_code == 2
    assert "no published weights of toy_oaa" in result.stderr
    result = verify(folder, "--classifier=toy_oaa")
    assert result.exit_code == 1
    assert departures(result) == {"classifier", "mean"}
    assert call(folder, *of("gradient", "--mean=0.1,0.2,0.3"), out="other").exit_code == 0
    result = verify(folder, f"--classifier={OWN}", out="other")
    here = [line for line in result.stderr.splitlines() if "--mean" in line]
    assert "--mean 0.485,0.456,0.406, recorded: 0.1,0.2,0.3" in here[0]
    result = verify(folder, "--classifier=toy_cam")
    assert (result.exit_code, departures(result)) == (0, set())
    assert "did you mean toy_cam" in verify(folder, "--classifier=toy_cams").stderr


@pytest.fixture
def own(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A classifier of one's own, `own_network:make`; the file is there as soon as it is run."""
    ran = folder / "ran"
    code = "from pathlib import Path\nfrom tests.activation_toys import build_cam as make\n"
    (folder / "own_network.py").write_text(f"{code}Path({str(ran)!r}).touch()\n", "utf-8")
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.delitem(sys.modules, "own_network", raising=False)
    return ran


def test_no_code_is_run_because_a_record_names_it(
    folder: Path, own: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = "own_network:make"
    assert call(folder, *of("gradient", classifier=name), weights=False).exit_code == 0
    monkeypatch.delitem(sys.modules, "own_network")
    own.unlink()
    for more in ([], ["--model=attribution", "--method=gradient"]):
        result = verify(folder, *more, weights=None)
        assert result.exit_code == 2
        assert "no code is run because a record names it; nothing was run" in result.stderr
        named = f"--verify {folder / 'out'} --images PHOTOS --classifier {name}"
        assert f"if you trust it, name it: wsss-assets regenerate {named}" in result.stderr
        assert not own.exists()
    result = verify(folder, f"--classifier={name}", "--levels=0", weights=None)
    assert own.exists()
    assert result.exit_code == 0, result.output
    assert departures(result) == set()


def test_weights_of_ones_own_that_changed_are_said(folder: Path, own: Path) -> None:
    name = "own_network:make"
    assert call(folder, *of("gradient", classifier=name), weights=False).exit_code == 0
    net = toys.build_cam()
    net.get_parameter("last.weight").data *= -1
    sys.modules["own_network"].make = lambda: net  # type: ignore[attr-defined]
    result = verify(folder, f"--classifier={name}", weights=None)
    assert result.exit_code == 1
    assert departures(result) == {"work.classifier.weights_sha256"}
    assert own.exists()


def test_how_ones_own_is_shown_photos_is_remade(folder: Path) -> None:
    normalisation = Normalisation((9, 8, 7), (50, 51, 52), scale=1, channels="BGR")
    settings = AttributionSettings(method="gradient", normalisation=normalisation)
    regenerate(
        attributed(OWN, settings),
        folder / "photos",
        folder / "out",
        activation=ActivationOptions(labels=ImageLabels(LABELS, "a list")),
        device="cpu",
        workers=0,
    )
    result = verify(folder, f"--classifier={OWN}", "--levels=0", weights=None)
    assert (result.exit_code, departures(result)) == (0, set())


def test_a_record_of_another_version(folder: Path) -> None:
    assert call(folder, *of("gradient")).exit_code == 0
    change(folder, "smoothing", version=2)
    result = verify(folder)
    assert result.exit_code == 0, result.output
    assert departures(result) == {"work.version", "smoothing"}
    change(folder, sharpness=3)
    result = verify(folder)
    assert result.exit_code == 3
    assert "settings of attribution maps that are not known here" in result.stderr
    assert "expected only method, copies, " in result.stderr
    assert "found sharpness 3; nothing was remade" in result.stderr
    found = record(folder)
    found["settings"]["version"] = "9.0"
    (folder / "out" / MADE_MAPS_NAME).write_text(json.dumps(found), "utf-8")
    said = f"verify them with wsss-assets 9.0, which made them; this is {__version__}; or name"
    assert said in verify(folder).stderr


@pytest.mark.parametrize(
    ("work", "message"),
    [
        ({"method": "no_such"}, "no attribution is called 'no_such'"),
        ({"method": 3}, "the setting work.method makes no sense (expected a text, found 3)"),
        (
            {"crops": "four"},
            "the attribution setting crops makes no sense (expected a whole number, found 'four')",
        ),
        ({"copies": 2.5}, "setting copies makes no sense (expected a whole number, found 2.5)"),
        ({"clipped": 1}, "setting clipped makes no sense (expected true or false, found 1)"),
        ({"normalisation": [0.5]}, "work.normalisation makes no sense (expected an object, found"),
        ({"normalisation": {"mean": [0, 0, 0]}}, "work.normalisation.std is missing"),
        ({"classifier": {}}, "the setting work.classifier.name is missing"),
        ({"normalisation": {"mean": [0, 0, 0], "gamma": 2}}, "gamma"),
        ({"classifier": "toy_cam"}, "work.classifier makes no sense (expected an object"),
        ({"classifier": {"name": "newer", "classes": 20}}, "not known here; found 'newer'"),
    ],
)
def test_a_record_that_makes_no_sense(folder: Path, work: dict[str, Any], message: str) -> None:
    assert call(folder, *of("gradient")).exit_code == 0
    change(folder, **work)
    result = verify(folder)
    assert result.exit_code == 3, result.output
    assert message in result.stderr
    assert "in a folder without that record" in result.stderr
    assert "Error:" not in result.stderr  # no name of Python


def test_the_recorded_classifier_decides_how_many_classes_there_are(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def build(classes: int) -> torch.nn.Module:
        torch.manual_seed(3)
        parts = torch.nn.Conv2d(3, classes, 3), torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten()
        return torch.nn.Sequential(*parts)

    shown = {20: NORMALISATION, 80: NORMALISATION}
    wide = replace(toys.TOY_CAM, name="wide", build=build, classes=(20, 80), normalisation=shown)
    monkeypatch.setattr("wsss_assets.models._methods", lambda: {"wide": wide})
    torch.save(build(80).state_dict(), folder / "toy.pth")
    (folder / "list.txt").write_text("a 0 79\nb 41\n", "utf-8")
    asked = of("gradient", "--benchmark=coco2014", classifier="wide")
    assert call(folder, *asked).exit_code == 0
    found = record(folder)
    for benchmark in ("coco2014", None):
        found["benchmark"] = benchmark
        (folder / "out" / MADE_MAPS_NAME).write_text(json.dumps(found), "utf-8")
        result = verify(folder, "--levels=0")
        assert result.exit_code == 0, result.output
        assert departures(result) == set()
    result = verify(folder, "--benchmark=voc2012")
    assert result.exit_code == 2
    assert "network that knows 80 classes; expected a benchmark of so many" in result.stderr
    assert "voc2012 of 20" in result.stderr


def test_maps_without_a_record(folder: Path) -> None:
    assert call(folder, *of("gradient", "--clip")).exit_code == 0
    (folder / "out" / MADE_MAPS_NAME).unlink()
    result = verify(folder, "--model=attribution", *of("gradient", "--clip"), "--levels=0")
    assert result.exit_code == 0, result.output
    assert verify(folder, "--model=attribution", *of("gradient")).exit_code == 1
    result = verify(folder, "--model=attribution")
    assert result.exit_code == 2
    assert "--model attribution needs --method" in result.stderr
    result = verify(folder, "--model=attribution", *of("gradient", "--copies=2"))
    assert "--copies is an option of --method smoothgrad" in result.stderr


def test_options_of_attribution_verify_no_other_maps(folder: Path) -> None:
    assert call(folder, model="toy_cam").exit_code == 0
    result = verify(folder, "--copies=3")
    assert result.exit_code == 2
    assert "--copies goes with --model attribution" in result.stderr
    result = verify(folder, "--model=attribution", *of("gradient"))
    assert result.exit_code == 1  # these are no attribution maps
    assert departures(result) == {"model"}  # all else follows from that
    assert call(folder, *of("gradient"), out="of_gradients").exit_code == 0
    assert verify(folder, "--model=toy_cam", out="of_gradients").exit_code == 1


def test_what_becomes_of_labels(folder: Path) -> None:
    assert call(folder, *of("gradient")).exit_code == 0
    (folder / "saliency").mkdir()
    for name, size in SIZES.items():
        Image.fromarray(np.full(size, 255, np.uint8)).save(folder / "saliency" / f"{name}.png")
    saliency = f"--saliency={folder / 'saliency'}"
    told = json.loads(verify(folder, saliency, "--json=-").stdout)
    assert (told["reproduced"], told["labels_changed"], told["labels_miou"]) == (True, 0, 1)
    told = json.loads(verify(folder, saliency, "--method=grad_cam", "--json=-").stdout)
    assert told["reproduced"] is False
    assert told["labels_changed"] > 0
    assert told["departures"]["work.method"] == {"recorded": "gradient", "here": "grad_cam"}


def test_dictionaries_are_verified_by_a_list(folder: Path) -> None:
    assert call(folder, *of("gradient"), "--npy").exit_code == 0
    assert "name it with --labels" in verify(folder).stderr
    result = verify(folder, f"--labels={folder / 'list.txt'}", "--levels=0")
    assert result.exit_code == 0, result.output
    assert "3 images" in result.stdout
