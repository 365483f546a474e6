from __future__ import annotations

import dataclasses
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

import numpy as np
import pytest
from click.testing import CliRunner

from wsss_assets import analyse_errors, get_recipe
from wsss_assets.benchmarks import get_benchmark
from wsss_assets.cli import main
from wsss_assets.cli.anatomy_tables import print_ceilings
from wsss_assets.devkit.image_labels import read_label_list
from wsss_assets.evaluation.anatomy.counts import SIZES
from wsss_assets.evaluation.ceilings import ceilings
from wsss_assets.labels.folder import pseudo_label
from wsss_assets.mini.folder import write_mini
from wsss_assets.report.bars import LEFT, RIGHT
from wsss_assets.storage.label_maps import read_label, write_label

if TYPE_CHECKING:
    from click.testing import Result

MINI = get_benchmark("mini")
LIST = "ImageSets/Segmentation/train_cls.txt"
COLUMNS = ("missed_object", "missed_part", "confused", "claimed", "ignored", "spill", "phantom")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six drawn images, their maps, and pseudo-labels of them."""
    root = tmp_path_factory.mktemp("cli_anatomy") / "mini"
    write_mini(root, 6, saliency=["soft"], methods=["simulated_cam"])
    pseudo_label(
        read_label_list(root / LIST, MINI),
        root / "activation" / "simulated_cam",
        root.parent / "labels",
        saliency=root / "saliency" / "soft",
        recipe=get_recipe(method="cam"),
        benchmark="mini",
    )
    return root


def call(*arguments: str) -> Result:
    return CliRunner().invoke(main, list(arguments))


def errors(data: Path, *more: str, predictions: Path | None = None) -> Result:
    return call(
        "evaluate-errors",
        f"--predictions={predictions or data.parent / 'labels'}",
        f"--ground-truth={data / 'SegmentationClass'}",
        "--benchmark=mini",
        *more,
    )


def from_maps(data: Path, *more: str) -> Result:
    return call(
        "ceilings",
        f"--labels={data / LIST}",
        f"--saliency={data / 'saliency' / 'soft'}",
        f"--activation={data / 'activation' / 'simulated_cam'}",
        f"--ground-truth={data / 'SegmentationClass'}",
        "--benchmark=mini",
        *more,
    )


def table(text: str, head: str) -> dict[str, list[str]]:
    """Cells by the first one of each row, of the table under a head."""
    lines = text.splitlines()
    start = next(place for place, line in enumerate(lines) if line.startswith(head))
    rows = {}
    for line in lines[start + 1 :]:
        if not line:
            break
        name, *cells = re.split(r" {2,}", line)
        rows[name] = cells
    return rows


def percent(value: float | None) -> str:
    return "–" if value is None else f"{value * 100:.2f}"


def test_what_is_printed_is_what_the_json_says(data: Path) -> None:
    result = errors(data, "--ignored=miss")
    assert result.exit_code == 0, result.output
    assert max(map(len, result.stdout.splitlines()[:-1])) <= 100
    found: Any = json.loads(errors(data, "--ignored=miss", "--json=-").stdout)
    expected = analyse_errors(
        data.parent / "labels", data / "SegmentationClass", benchmark="mini", ignored="miss"
    ).to_dict()
    assert found == json.loads(json.dumps(expected))
    classes = table(result.stdout, "class")
    assert list(classes) == [name for name, one in found["per_class"].items() if one["union"]]
    for name, cells in classes.items():
        one = found["per_class"][name]
        assert cells == [percent(one["iou"]), *(percent(one["lost"][loss]) for loss in COLUMNS)]
    kinds = table(result.stdout, "kind")
    total = found["total"]
    assert [int(cells[0]) for cells in kinds.values()] == list(total["pixels"].values())
    assert kinds["right"][2] == percent(total["miou"])
    gain = (total["repaired"]["missed_part"] - total["miou"]) * 100
    assert kinds["missed part"][2:] == [percent(total["repaired"]["missed_part"]), f"{gain:+.2f}"]
    sizes = table(result.stdout, "objects")
    assert [int(cells[0]) for cells in sizes.values()] == [
        one["objects"] for one in found["per_size"].values()
    ]
    bands = table(result.stdout, "of a boundary")
    assert [cells[1] for cells in bands.values()] == [
        percent(one["miou"]) for one in found["bands"]
    ]
    assert "6 images" in result.stdout
    assert "SYNTHETIC" in result.stdout


def test_the_truth_itself_has_no_errors(data: Path) -> None:
    result = errors(data, predictions=data / "SegmentationClass")
    assert result.exit_code == 0
    kinds = table(result.stdout, "kind")
    assert [int(cells[0]) for name, cells in kinds.items() if name != "right"] == [0] * 6
    assert kinds["right"][1:] == ["100.00", "100.00"]


def test_the_picture_shows_every_class(data: Path, tmp_path: Path) -> None:
    target = tmp_path / "errors.svg"
    assert errors(data, "--ignored=miss", f"--plot={target}").exit_code == 0
    root = ElementTree.fromstring(target.read_text("utf-8"))  # noqa: S314
    texts = {element.text for element in root.iter("{http://www.w3.org/2000/svg}text")}
    found = json.loads(errors(data, "--ignored=miss", "--json=-").stdout)
    assert {name for name, one in found["per_class"].items() if one["union"]} <= texts
    assert errors(data, "--ignored=miss", "--plot=-").stdout == target.read_text("utf-8")
    both = errors(data, "--ignored=miss", "--plot=-", "--json=-")
    assert (both.exit_code, both.stdout) == (2, "")


def test_images_are_chosen_by_lists(data: Path, tmp_path: Path) -> None:
    ids = (data / LIST).read_text("utf-8").splitlines()[:2]
    chosen = tmp_path / "ids.txt"
    chosen.write_text("".join(f"{line.split()[0]}\n" for line in ids), encoding="utf-8")
    for option in (f"--ids={chosen}", f"--labels={chosen}"):
        found = json.loads(errors(data, option, "--ignored=drop", "--json=-").stdout)
        assert (found["images"], found["ignored"]) == (2, "drop")
    assert errors(data, f"--ids={chosen}", f"--labels={chosen}").exit_code == 2
    wide = json.loads(errors(data, "--found-from=1", "--ignored=drop", "--json=-").stdout)
    narrow = json.loads(errors(data, "--found-from=0", "--ignored=drop", "--json=-").stdout)
    assert narrow["total"]["missed_objects"] == 0 < wide["total"]["missed_objects"]


def test_what_cannot_be_used_is_named(data: Path, tmp_path: Path) -> None:
    needs = errors(data)
    assert (needs.exit_code, needs.stdout) == (3, "")
    assert "--ignored miss|background|drop" in needs.stderr
    empty = tmp_path / "empty"
    empty.mkdir()
    assert errors(data, predictions=empty).exit_code == 3
    assert errors(data, predictions=tmp_path / "nowhere").exit_code == 3
    some = tmp_path / "some"
    first = sorted((data.parent / "labels").glob("*.png"))[0]
    write_label(some / first.name, read_label(first), 21)
    missing = errors(data, "--ignored=miss", predictions=some)
    assert missing.exit_code == 3
    assert "5 of 6 images have no prediction" in missing.stderr
    passed = errors(data, "--ignored=miss", "--skip-missing", predictions=some)
    assert passed.exit_code == 1
    assert "passed over without a prediction: 5" in passed.stderr
    write_label(some / first.name, np.zeros((2, 2), np.uint8), 21)
    sizes = errors(data, "--skip-missing", predictions=some)
    assert sizes.exit_code == 3
    assert f"{first.stem}: prediction and ground truth differ in size" in sizes.stderr


def test_nothing_but_255_in_the_ground_truth(tmp_path: Path) -> None:
    write_label(tmp_path / "truth" / "a.png", np.full((4, 4), 255, np.uint8), 21)
    result = call(
        "evaluate-errors",
        f"--predictions={tmp_path / 'truth'}",
        f"--ground-truth={tmp_path / 'truth'}",
        f"--plot={tmp_path / 'plot.svg'}",
    )
    assert result.exit_code == 0, result.output
    assert table(result.stdout, "kind")["right"] == ["0", "–", "–"]
    assert "nothing to draw" in (tmp_path / "plot.svg").read_text("utf-8")


def test_ceilings_are_printed_as_the_json_says(data: Path, tmp_path: Path) -> None:
    method = ("--method=cam", "--ignored=miss")
    result = from_maps(data, *method, "--errors", f"--plot={tmp_path / 'plot.svg'}")
    assert result.exit_code == 0, result.output
    assert max(map(len, result.stdout.splitlines()[:-1])) <= 100
    found: Any = json.loads(from_maps(data, *method, "--errors", "--json=-").stdout)
    expected = ceilings(
        read_label_list(data / LIST, MINI),
        data / "activation" / "simulated_cam",
        data / "SegmentationClass",
        saliency=data / "saliency" / "soft",
        recipe=get_recipe(method="cam"),
        ignored="miss",
        benchmark="mini",
        errors=True,
    ).to_dict()
    assert found == json.loads(json.dumps(expected))
    rows = table(result.stdout, "mIoU")
    for name, one in zip(
        ("maps as given", "perfect activation", "perfect saliency", "both perfect"),
        found["variants"].values(),
        strict=True,
    ):
        best = one["best"]
        level = best["saliency_threshold"]
        cells = [f"{level:.3f}" if level else "soft", f"{best['tau']:.3f}"]
        assert rows[name] == [percent(one["miou"]), percent(best["miou"]), *cells]
    assert rows["both perfect"][0] == "100.00"
    given = found["variants"]["given"]["errors"]
    assert set(table(result.stdout, "class")) == {
        name for name, one in given["per_class"].items() if one["union"]
    }
    pixels = given["total"]["pixels"]
    assert table(result.stdout, "kind")["maps as given"] == [
        percent(count / sum(pixels.values())) for count in pixels.values()
    ]
    variants_are_drawn(ElementTree.parse(tmp_path / "plot.svg").getroot(), found)  # noqa: S314
    own = from_maps(data, *method, "--no-best", "--plot=-").stdout
    assert "at the best" not in own
    assert "at the recipe" in own


def variants_are_drawn(root: ElementTree.Element, found: Any) -> None:  # noqa: ANN401
    """Each bar is as long as the best mIoU; of it, the first part as the recipe's own."""
    space = "{http://www.w3.org/2000/svg}"
    bars: dict[str, list[float]] = {}
    for part in root.iter(f"{space}rect"):
        title = part.findtext(f"{space}title")
        if title is not None:
            bars.setdefault(title.partition(":")[0], []).append(float(part.attrib["width"]))
    assert list(bars) == ["maps as given", "perfect activation", "perfect saliency", "both perfect"]
    for widths, one in zip(bars.values(), found["variants"].values(), strict=True):
        assert widths[0] == pytest.approx(one["miou"] * (RIGHT - LEFT), abs=0.02)
        assert sum(widths) == pytest.approx(one["best"]["miou"] * (RIGHT - LEFT), abs=0.02)


def test_ceilings_without_a_search(data: Path) -> None:
    result = from_maps(data, "--method=cam", "--ignored=miss", "--no-best")
    assert all(len(cells) == 1 for cells in table(result.stdout, "mIoU").values() if cells)
    assert "at the recipe's own thresholds alone" in result.stdout
    drs = from_maps(data, "--recipe=drs", "--ignored=miss")
    assert drs.exit_code == 0, drs.output
    assert "at the recipe's own thresholds alone" in drs.stdout
    edam = from_maps(data, "--recipe=edam")
    assert "best: over all tau" in edam.stdout


def test_ceilings_that_make_no_sense(data: Path) -> None:
    here = f"--activation={data / 'activation' / 'simulated_cam'}"
    truth = f"--ground-truth={data / 'SegmentationClass'}"
    none = call("ceilings", f"--labels={data / LIST}", here, truth, "--benchmark=mini")
    assert none.exit_code == 2
    assert "ceilings need saliency maps" in none.stderr
    for options, why in (
        (("--recipe=irn",), "uses no saliency"),
        (("--method=cam",), "evaluators disagree"),
        (("--plot=-", "--json=-"), "cannot both go"),
        (("--method=eps",), "choose a recipe that uses saliency"),
    ):
        result = from_maps(data, *options)
        assert result.exit_code in {2, 3}
        assert result.stdout == ""
        assert why in result.stderr


def fields(value: Any, free: set[str]) -> set[str]:  # noqa: ANN401
    """Names of fields at every depth, less free ones (what they hold is searched)."""
    if isinstance(value, list):
        return {name for one in value for name in fields(one, free)}
    if not isinstance(value, dict):
        return set()
    inner = {name for key, one in value.items() if key != "recipe" for name in fields(one, free)}
    return (set(value) | inner) - free


def test_every_json_field_is_documented(data: Path) -> None:
    page = (Path(__file__).parent.parent / "docs" / "errors.md").read_text("utf-8")
    free = {*MINI.label_names, *SIZES}
    for result in (
        errors(data, "--ignored=miss", "--json=-"),
        from_maps(data, "--method=cam", "--ignored=miss", "--errors", "--json=-"),
    ):
        found = fields(json.loads(result.stdout), free)
        assert len(found) > 20
        assert {name for name in found if f"`{name}`" not in page} == set()


def test_means_that_leave_classes_out_say_so(data: Path) -> None:
    method = ("--method=cam", "--ignored=miss")
    found: Any = json.loads(from_maps(data, *method, "--json=-").stdout)["variants"]
    known = len(MINI.label_names)
    counts = set()
    for one in found.values():
        occur = sum(iou is not None for iou in one["per_class"].values())
        assert one["classes_in_mean"] == occur
        counts |= {occur, one["best"]["classes_in_mean"]}
    (count,) = counts
    assert count < known
    assert f"\nmIoU over {count} of {known} classes\n" in from_maps(data, *method).stdout


def test_means_over_different_classes_are_told_apart(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    result = ceilings(
        read_label_list(data / LIST, MINI),
        data / "activation" / "simulated_cam",
        data / "SegmentationClass",
        saliency=data / "saliency" / "soft",
        recipe=get_recipe(method="cam"),
        ignored="miss",
        benchmark="mini",
    )
    known = len(MINI.label_names)
    variants = {
        name: dataclasses.replace(
            one,
            own=dataclasses.replace(one.own, classes_in_mean=known - place // 2),
            best=one.best and dataclasses.replace(one.best, classes_in_mean=known - place),
        )
        for place, (name, one) in enumerate(result.variants.items())
    }
    print_ceilings(dataclasses.replace(result, variants=variants))
    told = [line for line in capsys.readouterr().out.splitlines() if " classes" in line]
    assert told == [
        f"perfect activation: mIoU best over {known - 1} of {known} classes",
        f"perfect saliency: mIoU own over {known - 1} of {known} classes, "
        f"best over {known - 2} of {known} classes",
        f"both perfect: mIoU own over {known - 1} of {known} classes, "
        f"best over {known - 3} of {known} classes",
    ]
