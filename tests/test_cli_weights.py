from __future__ import annotations

import hashlib
import json
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from tests.golden_weights import Golden
from tests.test_cli_catalog import complete
from tests.test_package import imported_by
from wsss_assets.catalog.catalog import get_weights, weights_names
from wsss_assets.catalog.records import PublishedWeights, WeightsSource
from wsss_assets.cli import main
from wsss_assets.errors import MissingDependencyError
from wsss_assets.regenerate.weights_cache import first_seen, kept_at

if TYPE_CHECKING:
    from click.testing import Result

ROOT = Path(__file__).parent.parent
NETWORK = "u2netp"
BODY = b"PK\x03\x04weights"
HEAD, TRUNK = b"PK\x03\x04head", b"PK\x03\x04trunk"


def call(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["weights", *arguments], env={"COLUMNS": "100"})


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "cache"
    monkeypatch.setenv("WSSS_ASSETS_CACHE", str(folder))
    return folder


def put(name: str, content: bytes = BODY) -> Path:
    """Put a file where published weights are kept, as a person does."""
    path = kept_at(get_weights(name))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


# list, info


def test_the_list_is_a_table() -> None:
    put("vst")
    result = call("list")
    assert result.exit_code == 0, result.output
    lines = [line.split() for line in result.stdout.splitlines()]
    assert [line[0] for line in lines[1:]] == list(weights_names())
    assert ["vst", "vst", "duts", "pixel_masks", "drive+page", "yes"] in lines
    assert ["move", "move", "–", "none", "page", "no"] in lines
    assert max(map(len, result.stdout.splitlines())) <= 100


def test_the_list_of_a_network() -> None:
    assert len(call("list", "--model=u2netp").stdout.splitlines()) == 3
    none = call("list", "--model=poolnet_vgg16")
    assert none.exit_code == 0
    assert "no published weights of poolnet_vgg16 are known" in none.stderr
    assert call("list", "--model=poolnet").stdout == call("list", "--model=poolnet_resnet50").stdout
    unknown = call("list", "--model=u2nett", "--json=-")
    assert (unknown.exit_code, unknown.stdout) == (2, "")
    assert "did you mean u2net" in unknown.stderr


def test_without_torch_unknown_networks_are_told_from_those_with_weights(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(_: str) -> None:
        raise MissingDependencyError("torch", "regenerate", "running networks")

    monkeypatch.setattr("wsss_assets.models.get_architecture", refuse)
    result = call("list", "--model=poolnet")
    assert result.exit_code == 2
    assert "no published weights of poolnet are known" in result.stderr
    assert "poolnet_resnet50" in result.stderr
    assert call("list", "--model=vst").exit_code == 0


def test_damaged_files_are_called_so() -> None:
    path = put("u2netp_onnx")
    assert ["u2netp_onnx", "damaged"] in [
        [line.split()[0], line.split()[-1]] for line in call("list").stdout.splitlines()
    ]
    assert "damaged; its place is" in call("info", "u2netp_onnx").stdout
    found = json.loads(call("info", "u2netp_onnx", "--json=-").stdout)
    assert (found["here"], found["path"]) == ("damaged", str(path))


def test_records_as_json_say_what_is_here() -> None:
    path = put("vst")
    (found,) = json.loads(call("list", "--model=vst", "--json=-").stdout)
    assert found == json.loads(call("info", "vst", "--json=-").stdout)
    assert found["sources"][0]["drive"] == get_weights("vst").sources[0].drive
    assert (found["path"], found["sha256"], found["held_to"]) == (str(path), None, None)
    assert call("fetch", "vst").stdout == f"{path}\n"
    digest = hashlib.sha256(BODY).hexdigest()
    assert json.loads(call("info", "vst", "--json=-").stdout)["held_to"] == digest
    assert re.search(rf"^first seen +sha256 {digest}$", call("info", "vst").stdout, re.MULTILINE)


def test_info_says_what_is_not_known() -> None:
    text = re.sub(r"\s+", " ", call("info", "move").stdout)
    for said in (
        "network move",
        "https://github.com/adambielski/move-seg/releases/tag/move_model (a .pth among",
        "sha256 not published",
        "licence not stated by their authors",
        "trained on no data set with annotations",
        "needs dino_vits8",
        "voc2012/saliency/move; whether these come from them is not stated",
        "here no; its place is",
    ):
        assert said in text


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("cam_wsss_bed", ["checkpoint_cam.pth in a zip archive", "image-level labels alone"]),
        ("eps_voc", ["classes 20", "saliency voc2012/saliency/sal_eps", "stated by the authors"]),
        ("l2g_coco", ["classes 80", "of the code CC BY-NC-SA 4.0", "not permit commercial use"]),
        ("edam", ["voc2012/activation/edam; that they give the published maps to the byte"]),
        ("amn_voc", ["ir_label, Google Drive 1N8lQsnqaKPOSVtuI-MCDeQxp-d9wHx5F"]),
    ],
)
def test_info_of_activation_methods(name: str, wanted: list[str]) -> None:
    text = re.sub(r"\s+", " ", call("info", name).stdout)
    for said in wanted:
        assert said in text


def test_every_json_field_is_documented() -> None:
    page = (ROOT / "docs" / "commands.md").read_text("utf-8")
    for kind in (PublishedWeights, WeightsSource):
        for field in kind.model_fields:
            assert f"`{field}`" in page, field


def test_every_network_and_all_weights_are_on_the_page() -> None:
    pytest.importorskip("torch")
    from wsss_assets.models import list_models

    page = (ROOT / "docs" / "models.md").read_text("utf-8")
    for name in (*list_models(), *weights_names()):
        assert f"`{name}`" in page, name


# fetch


def test_fetch_prints_paths_and_copies(tmp_path: Path) -> None:
    move, dino = put("move", HEAD), put("dino_vits8", TRUNK)
    assert call("fetch", "move").stdout.splitlines() == [str(move), str(dino)]
    result = call("fetch", "move", f"--to={tmp_path / 'to'}")
    copied = [tmp_path / "to" / path.name for path in (move, dino)]
    assert result.stdout.splitlines() == [str(path) for path in copied]
    assert [path.read_bytes() for path in copied] == [HEAD, TRUNK]
    assert first_seen(get_weights("move")).digest() == hashlib.sha256(HEAD).hexdigest()


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["fetch", "dss_port"], 2, "https://pan.baidu.com/s/"),
        (["fetch", "vts"], 2, "did you mean vst?"),
        (["info", "u2net_p"], 2, "did you mean u2netp"),
        (["convert", "final.pth", "--to=to"], 2, "name it with --model NAME"),
        (["convert", "--to=to"], 2, "Missing argument"),
        (["convert", "absent.pth", "--model=u2netp", "--to=to"], 3, "no file absent.pth"),
        (["convert", "vst", "--model=u2netp", "--to=to"], 2, "are weights of vst, not of u2netp"),
        (["convert", "x", "--model=u2nett", "--to=to"], 2, "did you mean u2net"),
        (["convert", "eps_voc", "--classes=80", "--to=to"], 2, "are weights for 20 classes"),
    ],
)
def test_misuse(arguments: list[str], code: int, said: str) -> None:
    pytest.importorskip("torch")
    result = call(*arguments)
    assert result.exit_code == code, result.output
    assert said in result.stderr
    assert result.stdout == ""
    assert not Path("to").exists()


# convert


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights of a small network, as its authors publish them."""
    torch = pytest.importorskip("torch")
    golden = Golden(NETWORK)
    state = {
        key: torch.from_numpy(value) for key, value in golden.weights(golden.sets["x1"]).items()
    }
    path = tmp_path_factory.mktemp("weights") / "own.pth"
    torch.save(state, path)
    return path


def test_weights_are_converted_with_a_card(checkpoint: Path, tmp_path: Path) -> None:
    import torch

    from wsss_assets.models import create_model, load_weights

    put(NETWORK, checkpoint.read_bytes())
    result = call("convert", NETWORK, f"--to={tmp_path / 'to'}")
    assert result.exit_code == 0, result.output
    tensors, card = (Path(line) for line in result.stdout.splitlines())
    assert (tensors.name, card.name) == ("model.safetensors", "README.md")
    x = torch.zeros(1, 3, 64, 64)
    with torch.inference_mode():
        expected = load_weights(create_model(NETWORK), checkpoint)(x)
        assert torch.equal(load_weights(create_model(NETWORK), tensors)(x), expected)
    text = card.read_text("utf-8")
    for said in (
        "---\nlicense: unknown\nlibrary_name: wsss-assets\npipeline_tag: image-segmentation\n",
        hashlib.sha256(checkpoint.read_bytes()).hexdigest(),
        hashlib.sha256(tensors.read_bytes()).hexdigest(),
        str(get_weights(NETWORK).sources[0].drive),
        "DUTS-TR (duts)",
        "must not be redistributed without asking",
        '"model": "u2netp"',
        "@article{u2net,",
        "@inproceedings{duts,",
        f"wsss-assets regenerate --model {NETWORK} --weights model.safetensors",
    ):
        assert said in re.sub(r"\n(?=\S)", "\n", text), said

    again = call("convert", NETWORK, f"--to={tmp_path / 'to'}")
    assert again.exit_code == 3
    assert "is there already" in again.stderr
    assert card.read_text("utf-8") == text


def test_weights_of_activation_methods_are_converted(tmp_path: Path) -> None:
    import torch

    from wsss_assets.models import create_model, load_weights

    torch.manual_seed(3)
    net, path, to = create_model("irn_cam", 80), tmp_path / "own.pth", tmp_path / "to"
    torch.save(net.state_dict(), path)
    unsaid = call("convert", str(path), "--model=irn_cam", f"--to={to}")
    assert unsaid.exit_code == 2
    assert "--classes 20 or 80" in unsaid.stderr
    assert not to.exists()
    result = call("convert", str(path), "--model=irn_cam", "--classes=80", f"--to={to}")
    assert result.exit_code == 0, result.output
    again = load_weights(create_model("irn_cam", 80), to / "model.safetensors")
    x = torch.rand(1, 3, 32, 32)
    with torch.inference_mode():
        assert torch.equal(again(x), net(x))
    text = (to / "README.md").read_text("utf-8")
    assert 'create_model("irn_cam", num_classes=80)' in text
    assert "--benchmark coco2014 --labels labels.txt --out maps" in text
    assert "activation maps of 80 classes" in re.sub(r"\s+", " ", text)
    assert "saliency" not in text


def test_the_card_of_an_activation_method_names_its_saliency() -> None:
    pytest.importorskip("torch")
    from wsss_assets.models import find_model
    from wsss_assets.regenerate.conversion import model_card
    from wsss_assets.regenerate.weights_cache import WeightsFile

    files = [WeightsFile(Path("eps.pth"), "0" * 64, "eps_voc")]
    text = re.sub(r"\s+", " ", model_card(find_model("eps"), files, "1" * 64, 20))
    for said in (
        "tags: - activation-maps - class-activation-maps - weakly-supervised",
        "Trained with saliency maps: `voc2012/saliency/sal_eps`.",
        "Weights of the activation method `eps`, a network that makes activation maps of 20",
        '"model": "eps"',
        "--benchmark voc2012 --labels labels.txt",
    ):
        assert said in text
    assert "saliency network" not in text
    assert "salient-object-detection" not in text


def test_own_weights_say_that_nothing_is_known_of_them(checkpoint: Path, tmp_path: Path) -> None:
    result = call("convert", str(checkpoint), "--model=u2netp", f"--to={tmp_path / 'to'}")
    assert result.exit_code == 0, result.output
    text = (tmp_path / "to" / "README.md").read_text("utf-8")
    assert "`own.pth`, a file of which nothing is recorded" in text
    assert "license: unknown" in text


def test_the_network_of_a_file_of_a_known_digest_need_not_be_named(
    checkpoint: Path, tmp_path: Path
) -> None:
    put(NETWORK, checkpoint.read_bytes())
    assert call("fetch", NETWORK).exit_code == 0
    result = call("convert", str(checkpoint), f"--to={tmp_path / 'to'}")
    assert result.exit_code == 0, result.output
    assert "(`u2netp`)" in (tmp_path / "to" / "README.md").read_text("utf-8")


def test_weights_that_do_not_fit_leave_nothing(checkpoint: Path, tmp_path: Path) -> None:
    result = call("convert", str(checkpoint), "--model=dss", f"--to={tmp_path / 'to'}")
    assert result.exit_code == 3, result.output
    assert not (tmp_path / "to").exists()


# The shell


def test_shells_complete_weights() -> None:
    assert complete("wsss-assets weights info u2netp") == ["u2netp", "u2netp_onnx"]
    assert complete("wsss-assets weights fetch dino") == ["dino_vits8"]
    assert complete("wsss-assets weights convert poolnet_r") == ["poolnet_resnet50"]


@pytest.mark.skipif(sys.platform == "win32", reason="asks a fresh interpreter")
def test_looking_up_and_fetching_load_no_torch() -> None:
    put("vst")
    for words in (["list"], ["info", "vst"], ["fetch", "vst"]):
        program = (
            "import contextlib, io\nfrom wsss_assets.cli import main\n"
            "with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit):\n"
            f"    main(['weights', *{words!r}])"
        )
        assert "torch" not in imported_by(program), words
