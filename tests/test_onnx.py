"""Networks that come as ONNX files, with tiny ones made here."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import click
import numpy as np
import pytest
from click.testing import CliRunner

torch = pytest.importorskip("torch")
onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

from onnx import TensorProto, helper, numpy_helper  # noqa: E402

from wsss_assets.cli.regenerate_onnx import onnx_options  # noqa: E402
from wsss_assets.errors import (  # noqa: E402
    DataError,
    MissingDependencyError,
    MissingFileError,
    UsageError,
    WeightsError,
)
from wsss_assets.models import list_models  # noqa: E402
from wsss_assets.models.onnx import onnx_architecture  # noqa: E402
from wsss_assets.models.onnx_settings import (  # noqa: E402
    LARGEST_SIDE,
    OnnxSettings,
    read_onnx_settings,
)

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from wsss_assets.models.architecture import Architecture

RED = [[[1.0]], [[0.0]], [[0.0]]]
"""The kernel of a network that gives back the first channel."""

PLAIN = OnnxSettings(mean=(0, 0, 0), std=(1, 1, 1))


def write(
    path: Path,
    shape: tuple[Any, ...] = (1, 3, 8, 8),
    *,
    activation: str | None = None,
    kind: int = TensorProto.FLOAT,
    flat: bool = False,
) -> Path:
    """A network with two outputs: `red`, the first channel, and `all`, all three."""
    weight = np.array([RED], np.float16 if kind == TensorProto.FLOAT16 else np.float32)
    nodes = [helper.make_node("Conv", ["photo", "weight"], ["logits"])]
    last = "logits"
    if activation is not None:
        nodes.append(helper.make_node(activation, [last], ["active"]))
        last = "active"
    if flat:
        nodes.append(helper.make_node("Squeeze", [last, "axes"], ["flat"]))
        last = "flat"
    nodes.append(helper.make_node("Identity", [last], ["red"]))
    nodes.append(helper.make_node("Identity", ["photo"], ["all"]))
    one = (shape[0], 1, *shape[2:])
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("photo", kind, shape)],
        [
            helper.make_tensor_value_info("red", kind, (one[0], *one[2:]) if flat else one),
            helper.make_tensor_value_info("all", kind, shape),
        ],
        [
            numpy_helper.from_array(weight, "weight"),
            numpy_helper.from_array(np.array([1], np.int64), "axes"),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)])
    model.ir_version = 8
    onnx.save(model, str(path))
    return path


def photo(height: int = 8, width: int = 8) -> NDArray[np.uint8]:
    return np.random.default_rng(3).integers(0, 256, (height, width, 3), np.uint8)


def map_of(architecture: Architecture, picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    batch = torch.from_numpy(architecture.prepare(picture))[None]
    with torch.inference_mode():
        values = architecture.read_out(architecture.create(), architecture.normalisation(batch))
    assert values.dtype == torch.float32
    return architecture.finish(values[0].numpy(), picture.shape[:2])


def test_a_network_of_one_file(tmp_path: Path) -> None:
    architecture = onnx_architecture(write(tmp_path / "a.onnx"), PLAIN)
    found = map_of(architecture, photo())
    np.testing.assert_array_equal(found, photo()[..., 0])
    assert found.dtype == np.uint8
    assert architecture.prepared_size(300, 200) == (8, 8)
    larger = map_of(architecture, photo(13, 17))
    assert larger.shape == (13, 17)
    assert not architecture.create().training
    assert "onnx" not in list_models()


@pytest.mark.parametrize(
    ("shape", "kind", "flat"),
    [
        ((1, 3, 8, 8), TensorProto.FLOAT, False),
        (("n", 3, 8, 8), TensorProto.FLOAT, False),
        (("n", 3, "h", "w"), TensorProto.FLOAT, True),
        ((1, 3, 8, 8), TensorProto.FLOAT16, True),
    ],
)
def test_batches(tmp_path: Path, shape: tuple[Any, ...], kind: int, flat: bool) -> None:
    path = write(tmp_path / "a.onnx", shape, kind=kind, flat=flat)
    size = None if isinstance(shape[2], int) else (8, 8)
    architecture = onnx_architecture(path, OnnxSettings(size=size))
    assert architecture.batch == (1 if shape[0] == 1 else 8)
    net = architecture.create()
    x = torch.rand(5, 3, 8, 8)
    found = net(x)
    assert found.shape == (5, 1, 8, 8)
    torch.testing.assert_close(found, x[:, :1], rtol=0, atol=1e-3)
    torch.testing.assert_close(net(x[2:3]), found[2:3])


def test_what_makes_probabilities(tmp_path: Path) -> None:
    logits = write(tmp_path / "logits.onnx")
    active = write(tmp_path / "active.onnx", activation="Sigmoid")
    imagenet = OnnxSettings()
    assert onnx_architecture(logits, imagenet).settings()["read_out"] == "sigmoid"
    assert onnx_architecture(active, imagenet).settings()["read_out"] == "as it is"
    np.testing.assert_array_equal(
        map_of(onnx_architecture(logits, imagenet), photo()),
        map_of(onnx_architecture(active, imagenet), photo()),
    )
    with pytest.raises(UsageError, match="--onnx-activation sigmoid"):
        map_of(onnx_architecture(logits, OnnxSettings(activation="none")), photo())
    twice = onnx_architecture(active, OnnxSettings(activation="sigmoid"))
    assert map_of(twice, photo()).min() >= 127


def test_normalisation_scale_and_channels(tmp_path: Path) -> None:
    path = write(tmp_path / "a.onnx")
    picture = photo() // 2
    bgr = onnx_architecture(path, OnnxSettings(mean=(0, 0, 0), std=(1, 1, 1), channels="BGR"))
    np.testing.assert_array_equal(map_of(bgr, picture), picture[..., 2])
    by_maximum = onnx_architecture(path, OnnxSettings(mean=(0, 0, 0), std=(1, 1, 1), scale="max"))
    expected = np.rint(picture[..., 0] / np.float32(picture.max()) * 255)
    np.testing.assert_array_equal(map_of(by_maximum, picture), expected)
    assert map_of(by_maximum, picture * 0).max() == 0
    halved = onnx_architecture(path, OnnxSettings(mean=(0, 0, 0), std=(2, 1, 1)))
    np.testing.assert_array_equal(map_of(halved, picture), np.rint(picture[..., 0] / 2))


def test_maps_are_stretched_to_the_whole_range(tmp_path: Path) -> None:
    settings = OnnxSettings(mean=(0, 0, 0), std=(1, 1, 1), min_max=True)
    architecture = onnx_architecture(write(tmp_path / "a.onnx"), settings)
    found = map_of(architecture, photo() // 4 + 50)
    assert (found.min(), found.max()) == (0, 255)
    assert map_of(architecture, np.full((8, 8, 3), 90, np.uint8)).max() == 0


@pytest.mark.parametrize("min_max", [False, True])
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_value_that_is_no_number_is_of_its_photo_alone(
    tmp_path: Path, value: float, min_max: bool
) -> None:
    settings = OnnxSettings(mean=(0, 0, 0), std=(1, 1, 1), activation="none", min_max=min_max)
    architecture = onnx_architecture(write(tmp_path / "a.onnx", ("n", 3, 8, 8)), settings)
    batch = torch.rand(2, 3, 8, 8)
    batch[0, 0, 3, 3] = value
    faulty, sound = architecture.read_out(architecture.create(), batch).numpy()
    with pytest.raises(DataError, match="no finite numbers"):
        architecture.finish(faulty, (8, 8))
    assert architecture.finish(sound, (8, 8)).any()


@pytest.mark.parametrize("rule", ["nearest", "bilinear", "bicubic", "lanczos"])
def test_the_filter_is_that_of_the_settings(tmp_path: Path, rule: Any) -> None:  # noqa: ANN401
    from PIL import Image

    settings = OnnxSettings(mean=(0, 0, 0), std=(1, 1, 1), resize=rule)
    found = map_of(onnx_architecture(write(tmp_path / "a.onnx"), settings), photo(20, 30))
    small = Image.fromarray(photo(20, 30)).resize((8, 8), Image.Resampling[rule.upper()])
    red = Image.fromarray(np.asarray(small)[..., 0])
    np.testing.assert_array_equal(found, red.resize((30, 20), Image.Resampling[rule.upper()]))


def test_the_output_is_chosen_by_name_or_number(tmp_path: Path) -> None:
    path = write(tmp_path / "a.onnx")
    for output in (None, "red", 0, "0"):
        assert onnx_architecture(path, OnnxSettings(output=output)).steps["output"] == "red"
    for wrong in ("green", 2, "2"):
        with pytest.raises(UsageError, match="one of red, all"):
            onnx_architecture(path, OnnxSettings(output=wrong))
    with pytest.raises(WeightsError, match=r"expected \(N, 1, h, w\).*\n.*red, all"):
        onnx_architecture(path, OnnxSettings(output="all"))


def test_the_size_is_the_file_s_or_the_user_s(tmp_path: Path) -> None:
    path = write(tmp_path / "fixed.onnx")
    assert onnx_architecture(path, OnnxSettings(size=(8, 8))).prepared_size(1, 1) == (8, 8)
    with pytest.raises(UsageError, match="one size only"):
        onnx_architecture(path, OnnxSettings(size=(8, 9)))
    free = write(tmp_path / "free.onnx", ("n", 3, "h", "w"))
    with pytest.raises(UsageError, match="--onnx-size 1024 1024"):
        onnx_architecture(free)
    assert onnx_architecture(free, OnnxSettings(size=(6, 9))).prepared_size(1, 1) == (6, 9)
    wide = write(tmp_path / "wide.onnx", (1, 3, 2, LARGEST_SIDE + 1))
    with pytest.raises(WeightsError, match="expected sides of 1 to 4096 pixels; found 2 x 4097"):
        onnx_architecture(wide)


def test_how_large_photos_can_be_is_said_and_held_to() -> None:
    assert OnnxSettings(size=(1, LARGEST_SIDE)).size == (1, LARGEST_SIDE)
    command = click.command()(onnx_options(lambda **_: None))
    done = CliRunner().invoke(command, ["--onnx-size", "100000", "100000"])
    assert isinstance(done.exception, UsageError)
    assert "found (100000, 100000)" in str(done.exception)
    assert f"at most {LARGEST_SIDE} each" in CliRunner().invoke(command, ["--help"]).output


@pytest.mark.parametrize(
    ("shape", "kind"),
    [
        ((2, 3, 8, 8), TensorProto.FLOAT),
        ((1, 4, 8, 8), TensorProto.FLOAT),
        ((1, 8, 8, 3), TensorProto.FLOAT),
        ((1, 3, 8, 8), TensorProto.DOUBLE),
    ],
)
def test_networks_that_are_not_shown_photos(
    tmp_path: Path, shape: tuple[int, ...], kind: int
) -> None:
    graph = helper.make_graph(
        [helper.make_node("Identity", ["photo"], ["map"])],
        "other",
        [helper.make_tensor_value_info("photo", kind, shape)],
        [helper.make_tensor_value_info("map", kind, shape)],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)])
    model.ir_version = 8
    onnx.save(model, str(tmp_path / "a.onnx"))
    with pytest.raises(WeightsError, match=r"expected one input of floats \(N, 3, h, w\)"):
        onnx_architecture(tmp_path / "a.onnx")


def test_what_is_no_network(tmp_path: Path) -> None:
    (tmp_path / "a.onnx").write_bytes(b"<html>")
    with pytest.raises(WeightsError, match="is no network that onnxruntime can run"):
        onnx_architecture(tmp_path / "a.onnx")
    with pytest.raises(FileNotFoundError):
        onnx_architecture(tmp_path / "absent.onnx")


def test_weights_in_another_file_are_refused(tmp_path: Path) -> None:
    model = onnx.load(str(write(tmp_path / "a.onnx")))
    onnx.save(
        model,
        str(tmp_path / "b.onnx"),
        save_as_external_data=True,
        location="b.data",
        size_threshold=0,
    )
    assert (tmp_path / "b.data").exists()
    with pytest.raises(WeightsError, match="holds its weights itself"):
        onnx_architecture(tmp_path / "b.onnx")


def test_without_onnxruntime_the_extra_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path / "a.onnx")
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(MissingDependencyError, match=r"wsss-assets\[onnx\]"):
        onnx_architecture(path)


def test_the_settings_say_all_that_decides_a_map(tmp_path: Path) -> None:
    path = write(tmp_path / "a.onnx")
    plain = json.dumps(onnx_architecture(path).settings(), sort_keys=True)
    assert plain == json.dumps(onnx_architecture(path).settings(), sort_keys=True)
    changes: list[dict[str, Any]] = [
        {"mean": (0.5, 0.5, 0.5)},
        {"std": (1, 1, 1)},
        {"scale": 1},
        {"scale": "max"},
        {"channels": "BGR"},
        {"activation": "none"},
        {"min_max": True},
        {"resize": "lanczos"},
    ]
    changed = [
        json.dumps(onnx_architecture(path, OnnxSettings(**one)).settings(), sort_keys=True)
        for one in changes
    ]
    assert len({plain, *changed}) == 1 + len(changes)


def test_preparing_needs_no_torch(tmp_path: Path) -> None:
    prepare = onnx_architecture(write(tmp_path / "a.onnx"), OnnxSettings(scale="max")).prepare
    program = (
        "import pickle, sys; import numpy as np\n"
        "prepare = pickle.loads(sys.stdin.buffer.read())\n"
        "assert prepare(np.ones((40, 50, 3), np.uint8)).shape == (3, 8, 8)\n"
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], input=pickle.dumps(prepare), check=True)


# Settings


def test_settings_are_read_from_a_file_and_options_win(tmp_path: Path) -> None:
    config = tmp_path / "a.json"
    config.write_text('{"size": [1024, 512], "std": [1, 1, 1], "output": "d0", "scale": "max"}')
    found = read_onnx_settings(config, output="d1", mean=None)
    assert found == OnnxSettings(size=(1024, 512), std=(1, 1, 1), output="d1", scale="max")
    config.write_text(json.dumps(found.as_dict()))
    assert read_onnx_settings(config) == found
    assert read_onnx_settings() == OnnxSettings()


@pytest.mark.parametrize(
    ("text", "error", "said"),
    [
        ('{"sise": [1, 1], "mean": [0, 0, 0]}', DataError, "found sise"),
        ("[]", DataError, "expected a JSON object"),
        ("{", DataError, "is no JSON"),
        ('{"size": 320}', UsageError, "size makes no sense"),
        ('{"size": [320, 0]}', UsageError, "size"),
        ('{"size": [320, true]}', UsageError, "size"),
        ('{"size": [320, 4097]}', UsageError, "of 1 to 4096"),
        ('{"mean": [0.5]}', UsageError, "three numbers"),
        ('{"mean": ["a", 0, 0]}', UsageError, "three numbers"),
        ('{"std": [1, 1, 0]}', UsageError, "other than 0"),
        ('{"std": [1, 1, NaN]}', UsageError, "other than 0"),
        ('{"scale": 0}', UsageError, "above 0, or max"),
        ('{"scale": "most"}', UsageError, "above 0, or max"),
        ('{"channels": "RBG"}', UsageError, "RGB or BGR"),
        ('{"output": -1}', UsageError, "number from 0"),
        ('{"activation": "relu"}', UsageError, "auto, sigmoid, none"),
        ('{"resize": "area"}', UsageError, "lanczos"),
        ('{"min_max": "yes"}', UsageError, "true or false"),
    ],
)
def test_settings_that_make_no_sense(
    tmp_path: Path, text: str, error: type[Exception], said: str
) -> None:
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(error, match=said):
        read_onnx_settings(tmp_path / "a.json")
    with pytest.raises(MissingFileError):
        read_onnx_settings(tmp_path / "b.json")


def options_of(*arguments: str) -> tuple[int, str]:
    """What a command with the options gets of them."""

    @click.command()
    @onnx_options
    def command(onnx: OnnxSettings | None) -> None:
        click.echo("none" if onnx is None else json.dumps(onnx.as_dict()))

    result = CliRunner().invoke(command, list(arguments))
    return result.exit_code, result.output


def test_options_become_settings() -> None:
    assert options_of() == (0, "none\n")
    given = (
        "--onnx-size 8 9 --onnx-scale max --onnx-channels BGR --onnx-output 1959 "
        "--onnx-activation none --onnx-min-max --onnx-resize lanczos"
    )
    _, text = options_of(*given.split())
    expected = OnnxSettings(
        size=(8, 9),
        resize="lanczos",
        scale="max",
        channels="BGR",
        output="1959",
        activation="none",
        min_max=True,
    )
    assert json.loads(text) == json.loads(json.dumps(expected.as_dict()))
    assert json.loads(options_of("--onnx-scale", "1")[1])["scale"] == 1
    code, text = options_of("--onnx-scale", "half")
    assert code == 2
    assert "neither a number nor max" in text
