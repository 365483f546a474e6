from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree

import numpy as np
import pytest
from click.testing import CliRunner

from wsss_assets.cli import main
from wsss_assets.labels.recipes import METHODS, RECIPES
from wsss_assets.storage.images import write_map
from wsss_assets.storage.label_maps import encode_label, read_label, write_label
from wsss_assets.storage.receipts import RECEIPTS_NAME
from wsss_assets.storage.stamps import STAMP_NAME

if TYPE_CHECKING:
    from click.testing import Result

CLASSES = {"a": (0,), "b": (3, 14), "c": (), "d": (19,)}
SIDE = 12


def options(data: Path, *more: str) -> list[str]:
    """Where labels and maps are."""
    return [
        f"--labels={data / 'list.txt'}",
        f"--saliency={data / 'saliency'}",
        f"--activation={data / 'activation'}",
        *more,
    ]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A tiny data set whose pseudo-labels with tau 0.1 are its ground truth.

    Stripes: class by class two columns of activation 200, of saliency 255, on background.
    """
    lines = []
    for image_id, classes in CLASSES.items():
        lines.append(" ".join((image_id, *map(str, classes))) + "\n")
        saliency, truth = (np.zeros((SIDE, SIDE), np.uint8) for _ in range(2))
        for column, index in enumerate(classes):
            stripe = np.s_[:, 3 * column : 3 * column + 2]
            activation = np.full((SIDE, SIDE), 10, np.uint8)
            activation[stripe], saliency[stripe], truth[stripe] = 200, 255, index + 1
            write_map(tmp_path / "activation" / f"{image_id}_{index}.png", activation)
        write_map(tmp_path / "saliency" / f"{image_id}.png", saliency)
        write_label(tmp_path / "truth" / f"{image_id}.png", truth, 21)
    (tmp_path / "list.txt").write_text("".join(lines), encoding="utf-8")
    return tmp_path


def call(*arguments: str, stdin: str | None = None) -> Result:
    return CliRunner().invoke(main, list(arguments), input=stdin)


def run(*arguments: str, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
    """The command in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "wsss_assets", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        input=stdin,
    )


def complaint(text: str) -> list[str]:
    """The lines on standard error less what is said in good runs, too."""
    assert "Traceback" not in text
    return [
        line
        for line in text.splitlines()
        if line.strip()
        and line not in {"images", "labels", "masks"}
        and "images, from:" not in line
        and not line.startswith("this recipe uses no saliency")
    ]


def pseudo_label(data: Path, *more: str, out: str = "out") -> Result:
    return call("pseudo-label", *options(data, f"--out={data / out}", "--method=cam", *more))


def score(data: Path, *more: str, predictions: str = "out") -> Result:
    where = [f"--predictions={data / predictions}", f"--ground-truth={data / 'truth'}"]
    return call("evaluate", *where, *more)


# From maps to numbers


def test_labels_scores_and_sweep(data: Path) -> None:
    made = pseudo_label(data)
    assert made.exit_code == 0, made.output
    assert made.stdout == f"4 labels written to {data / 'out'}, 0 were there\n"
    for image_id in CLASSES:
        label = read_label(data / "out" / f"{image_id}.png")
        np.testing.assert_array_equal(label, read_label(data / "truth" / f"{image_id}.png"))
    assert "4 were there" in pseudo_label(data).stdout

    scored = score(data)
    assert scored.exit_code == 0, scored.output
    assert "mIoU 100.00 over 5 of 21 classes, pixel accuracy 100.00" in scored.stdout
    assert "voc2012, 4 images, ground truth " in scored.stdout

    swept = call(
        "sweep",
        *options(data, "--method=cam", f"--ground-truth={data / 'truth'}", "--ignored=miss"),
    )
    assert swept.exit_code == 0, swept.output
    assert "best mIoU 100.00 over 5 of 21 classes at tau 0.000" in swept.stdout
    assert "the recommended tau 0.1 loses 0.00 points" in swept.stdout
    assert "255 counted as: miss" in swept.stdout


def test_sweep_says_what_evaluate_says(data: Path) -> None:
    """tau 0.9 drops every class: salient pixels are 255."""
    assert pseudo_label(data, "--tau=0.9").exit_code == 0
    by_policy = {}
    for policy in ("miss", "background", "drop"):
        scores = json.loads(score(data, f"--ignored={policy}", "--json=-").stdout)
        where = [f"--ground-truth={data / 'truth'}", f"--ignored={policy}", "--json=-"]
        swept = json.loads(call("sweep", *options(data, "--method=cam", *where)).stdout)
        assert swept["miou"][230] == scores["miou"]
        assert swept["ground_truth_digest"] == scores["ground_truth_digest"]
        assert scores["ignored_pixels"] == 4 * 2 * SIDE
        by_policy[policy] = scores["miou"]
    total, lost = 4 * SIDE * SIDE, 4 * 2 * SIDE
    assert by_policy == {
        "miss": 1 / 5,  # the background whole, four classes missed
        "background": pytest.approx((total - lost) / total / 5),
        "drop": 1.0,  # nothing but background is left, and it is right
    }


def test_scores_say_which_classes_are_absent_and_how_much_of_the_split_was_scored(
    data: Path,
) -> None:
    where = (f"--predictions={data / 'truth'}", f"--ground-truth={data / 'truth'}")
    ids = "".join(f"{path.stem}\n" for path in (data / "truth").glob("*.png"))
    result = call("evaluate", *where, "--split=val", "--ids=-", stdin=ids)
    assert result.exit_code == 0, result.output
    absent = re.search(r"^occur nowhere: (.+)$", result.stdout, re.MULTILINE)
    assert absent is not None
    assert re.fullmatch(r"(\w+, ){4}\w+ and \d+ more", absent.group(1))
    first = absent.group(1).split(",")[0]
    assert not re.search(rf"^{first} ", result.stdout, re.MULTILINE)
    assert "voc2012 val, 4 images of 1,449, ground truth " in result.stdout
    wrong = call("evaluate", *where, "--split=vall")
    assert wrong.exit_code == 2
    assert "did you mean val" in wrong.stderr


def test_the_surface_has_the_curve_in_it(data: Path) -> None:
    where = [f"--ground-truth={data / 'truth'}", "--ignored=miss", "--method=cam"]
    result = call("sweep", *options(data, *where, "--surface"))
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith("best mIoU 100.00 over 5 of 21 classes at ")


@pytest.mark.parametrize("more", [[], ["--surface"]], ids=["curve", "surface"])
def test_plots_are_well_formed_svg(data: Path, more: list[str]) -> None:
    plot = data / "a.svg"
    where = [f"--ground-truth={data / 'truth'}", "--ignored=miss", "--method=cam", f"--plot={plot}"]
    result = call("sweep", *options(data, *where, *more))
    assert result.exit_code == 0, result.output
    tree = ElementTree.fromstring(plot.read_bytes())  # noqa: S314 (our own)
    assert tree.tag == "{http://www.w3.org/2000/svg}svg"
    assert any(part.tag.endswith("}text") and part.text for part in tree.iter())


def test_the_files_do_not_depend_on_the_number_of_threads(data: Path) -> None:
    for workers in ("1", "3"):
        assert pseudo_label(data, f"--workers={workers}", out=workers).exit_code == 0
    for image_id in CLASSES:
        one, three = (data / name / f"{image_id}.png" for name in "13")
        assert one.read_bytes() == three.read_bytes()


def test_labels_come_from_standard_input(data: Path) -> None:
    maps = [one for one in options(data, "--method=cam") if not one.startswith("--labels")]
    where = f"--out={data / 'out'}"
    result = call("pseudo-label", *maps, "--labels", "-", where, stdin="d 19\na 0\n")
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith("2 labels written")
    assert "2 images, from: label list standard input" in result.stderr
    assert {path.name for path in (data / "out").iterdir()} == {
        "a.png",
        "d.png",
        STAMP_NAME,
        RECEIPTS_NAME,
    }
    result = score(data, "--ids=-", "--json=-")
    assert result.exit_code != 0  # nothing came


def test_ids_come_from_standard_input(data: Path) -> None:
    assert pseudo_label(data).exit_code == 0
    where = [f"--predictions={data / 'out'}", f"--ground-truth={data / 'truth'}", "--json=-"]
    result = run("evaluate", *where, "--ids=-", stdin="b\nc\n")
    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout)["images"] == 2


# What is printed where


@pytest.mark.parametrize("command", ["pseudo-label", "evaluate", "sweep", "surface", "recipes"])
def test_standard_output_is_json_and_nothing_else(data: Path, command: str) -> None:
    where = [f"--ground-truth={data / 'truth'}", "--ignored=miss", "--method=cam"]
    commands = {
        "pseudo-label": ["pseudo-label", *options(data, "--method=cam", f"--out={data / 'other'}")],
        "evaluate": [
            "evaluate",
            f"--predictions={data / 'truth'}",
            f"--ground-truth={data / 'truth'}",
        ],
        "sweep": ["sweep", *options(data, *where)],
        "surface": ["sweep", *options(data, *where), "--surface"],
        "recipes": ["recipes", "list"],
    }
    result = run(*commands[command], "--json", "-")
    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout)
    target = data / "result.json"
    if command != "pseudo-label":  # it says how many labels were written
        beside = call(*commands[command], "--json", str(target))
        assert beside.exit_code == 0
        assert json.loads(target.read_text("utf-8")) == json.loads(result.stdout)


def test_json_of_a_run(data: Path) -> None:
    (data / "activation" / "d_19.png").unlink()
    result = pseudo_label(data, "--json=-")
    assert result.exit_code == 1
    found = json.loads(result.stdout)
    assert (found["written"], found["kept"], list(found["failed"])) == (3, 0, ["d"])
    assert found["recipe"]["tau"] == 0.1
    assert found["out"] == str(data / "out")


# Exit status


def test_images_that_failed_are_listed_and_the_status_is_1(data: Path) -> None:
    (data / "activation" / "b_14.png").unlink()
    (data / "saliency" / "d.png").write_bytes(b"no picture")
    result = pseudo_label(data)
    assert result.exit_code == 1
    assert result.stdout.startswith("2 labels written")
    lines = complaint(result.stderr)
    assert lines[0] == "2 images have no label:"
    assert lines[1].startswith("  b: no activation map b_14 in ")
    assert lines[2].startswith("  d: ")
    assert "d.png cannot be read as an image" in lines[2]
    assert len(lines) == 3
    assert not (data / "out" / "b.png").exists()


def test_a_long_list_of_failures_is_cut(data: Path) -> None:
    ids = [f"x{number}" for number in range(50)]
    (data / "list.txt").write_text("".join(f"{one} 0\n" for one in ids))
    result = pseudo_label(data)
    assert result.exit_code == 1
    lines = complaint(result.stderr)
    assert lines[0] == "50 images have no label:"
    assert len(lines) == 22
    assert "30 more" in lines[-1]


def test_images_passed_over_are_said_and_the_status_is_1(data: Path) -> None:
    assert pseudo_label(data).exit_code == 0
    (data / "out" / "d.png").unlink()
    result = score(data)
    assert result.exit_code == 3
    assert "1 of 4 images have no prediction: d" in result.stderr
    assert result.stdout == ""
    result = score(data, "--skip-missing")
    assert result.exit_code == 1
    assert "passed over without a prediction: 1 (d)" in result.stderr
    assert "mIoU 100.00 over 4 of 21 classes" in result.stdout


def misuse(data: Path) -> dict[str, tuple[list[str], int, str]]:
    """Commands that cannot be carried out, their exit status and what is said."""
    label = ["pseudo-label", *options(data, f"--out={data / 'other'}")]
    sweep = ["sweep", *options(data, f"--ground-truth={data / 'truth'}")]
    evaluate = ["evaluate", f"--predictions={data / 'truth'}", f"--ground-truth={data / 'truth'}"]
    return {
        "no command": (["pseudolabel"], 2, "No such command 'pseudolabel'"),
        "no option": ([*label, "--taus=1"], 2, "No such option"),
        "no number": ([*label, "--tau=high"], 2, "'high' is not a valid float"),
        "tau": ([*label, "--tau=1.5"], 2, "tau is 1.5; expected a number from 0 to 1"),
        "tau nan": ([*label, "--tau=nan"], 2, "tau is nan"),
        "threads": ([*label, "--workers=0"], 2, "--workers"),
        "recipe": ([*label, "--recipe=wsss_bed"], 2, "did you mean wsss-bed?"),
        "method": ([*label, "--method=CAMS"], 2, "did you mean cam"),
        "both": ([*label, "--recipe=drs", "--method=cam"], 2, "contradict each other"),
        "benchmark": ([*label, "--benchmark=voc12"], 2, "did you mean voc2012?"),
        "dialect": ([*evaluate, "--as=mmsegm"], 2, "did you mean mmseg"),
        "policy": ([*evaluate, "--ignored=skip"], 2, "--ignored"),
        "twice": ([*evaluate, "--ids=a", "--labels=b"], 2, "one of them"),
        "structure": ([*sweep, "--recipe=oaa", "--ignored=miss"], 2, "cannot be swept in one pass"),
        "no surface": ([*sweep, "--method=eps", "--surface"], 2, "has no surface"),
        "no maps": (
            ["pseudo-label", f"--labels={data / 'list.txt'}", f"--out={data / 'other'}",
             f"--activation={data / 'activation'}"],
            2,
            "recipe wsss-bed needs saliency maps",
        ),
        "recipe shown": (["recipes", "show", "mcsi"], 2, "did you mean mcis?"),
        "no list": ([*label, f"--labels={data / 'absent'}"], 3, "no file "),
        "no folder": ([*label, f"--activation={data / 'absent'}"], 3, "no folder "),
        "no maps there": ([*label, f"--activation={data}"], 3, "holds no .png"),
        "not ours": ([*label, f"--out={data / 'truth'}"], 3, "holds files that carry no stamp"),
        "no policy": ([*sweep, "--method=cam"], 3, "choose with --ignored"),
        "classes": ([*evaluate, f"--predictions={data / 'saliency'}", "--benchmark=coco2014",
                     f"--ground-truth={data / 'activation'}"], 3, "no prediction"),
        "values": ([*evaluate, f"--predictions={data / 'wrong'}"], 3, "found 21"),
        "size": ([*evaluate, f"--predictions={data / 'small'}"], 3, "differ in size"),
    }  # fmt: skip


@pytest.fixture
def spoiled(data: Path) -> Path:
    """The data set with two folders of predictions that cannot be scored."""
    for image_id in CLASSES:
        full = np.full((SIDE, SIDE), 21, np.uint8)
        write_label(data / "wrong" / f"{image_id}.png", full, 21)
        write_label(data / "small" / f"{image_id}.png", full[:-1] * 0, 21)
    return data


@pytest.mark.parametrize("case", misuse(Path()))
def test_misuse_is_explained_in_a_few_lines(spoiled: Path, case: str) -> None:
    arguments, code, said = misuse(spoiled)[case]
    result = call(*arguments)
    assert result.exit_code == code, result.output
    assert result.stdout == ""
    assert said in result.stderr
    lines = complaint(result.stderr)
    if "Usage: " not in result.stderr:  # then click says it, in its own way
        assert len(lines) <= 3
        assert lines[0].startswith("wsss-assets: ")
    assert not (spoiled / "other").exists()


def test_an_image_of_another_size_is_named(spoiled: Path) -> None:
    where = [f"--ground-truth={spoiled / 'small'}", "--ignored=miss", "--method=cam"]
    result = call("sweep", *options(spoiled, *where))
    assert result.exit_code == 3
    assert re.search("a: the (saliency|activation) map.* does not fit", result.stderr)
    assert "expected (11, 12) (height, width); found (12, 12)" in result.stderr


def test_a_process_ends_with_the_status_of_the_error(data: Path) -> None:
    command = ["sweep", *options(data, f"--ground-truth={data / 'truth'}", "--method=cam")]
    result = run(*command)
    assert result.returncode == 3
    assert result.stdout == ""
    assert len(complaint(result.stderr)) == 2  # what is wrong, and what to do
    result = run(*command[:-1], "--recipe=cam")
    assert result.returncode == 2
    assert "cam is a method, not a recipe" in result.stderr


def test_debug_shows_where_an_error_comes_from(data: Path) -> None:
    command = ["sweep", *options(data, f"--ground-truth={data / 'truth'}", "--method=cam")]
    result = run("--debug", *command)
    assert result.returncode == 1
    assert "Traceback (most recent call last)" in result.stderr
    assert "IgnoredPixelsError: the recipe writes 255" in result.stderr


def test_a_predicted_255_needs_a_policy_and_each_says_its_score(data: Path) -> None:
    assert pseudo_label(data, "--tau=0.9").exit_code == 0
    result = score(data)
    assert result.exit_code == 3
    assert result.stdout == ""
    assert "96 predicted pixels are 255" in result.stderr
    for policy in ("miss (", "background (", "drop ("):
        assert policy in result.stderr
    assert "mIoU 20.00%" in result.stderr
    assert "choose with --ignored miss|background|drop" in result.stderr
    assert len(complaint(result.stderr)) <= 3
    result = score(data, "--as=seam")
    assert result.exit_code == 0, result.output
    assert "predicted 255: 96 pixels, counted as: miss" in result.stdout
    assert "as seam counts" in result.stdout


# Stopped and started again


def linked(data: Path, images: int) -> Path:
    """A data set of many images that share their files."""
    size = 192
    noise = np.random.default_rng(0).integers(0, 256, (size, size), dtype=np.uint8)
    folder = data / "long"
    write_map(folder / "one_3.png", noise)
    write_map(folder / "one.png", noise.T.copy())
    for kind in ("saliency", "activation"):
        (folder / kind).mkdir()
    ids = [f"image{number:04}" for number in range(images)]
    for image_id in ids:
        os.link(folder / "one.png", folder / "saliency" / f"{image_id}.png")
        os.link(folder / "one_3.png", folder / "activation" / f"{image_id}_3.png")
    (folder / "list.txt").write_text("".join(f"{one} 3\n" for one in ids), encoding="utf-8")
    return folder


STOPPABLE = """
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)  # shells take it from background jobs
from wsss_assets.cli import main
main()
"""


@pytest.mark.skipif(os.name != "posix", reason="signals are sent the POSIX way")
@pytest.mark.parametrize("workers", ["1", "3"])
def test_ctrl_c_leaves_whole_files_and_the_same_command_goes_on(data: Path, workers: str) -> None:
    images = 600
    folder = linked(data, images)
    out = folder / "out"
    command = [
        "pseudo-label",
        *options(folder, f"--out={out}", "--method=cam", f"--workers={workers}"),
    ]
    with subprocess.Popen(
        [sys.executable, "-c", STOPPABLE, *command],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        deadline = time.monotonic() + 30
        while not out.is_dir() or len(list(out.glob("*.png"))) < 10:
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.005)
        process.send_signal(signal.SIGINT)
        stdout, stderr = process.communicate(timeout=30)
    assert process.returncode == 130, stderr
    assert stdout == ""
    assert complaint(stderr)[-1] == "wsss-assets: stopped"

    made = {path.name: path.read_bytes() for path in out.iterdir()}
    assert made.pop(STAMP_NAME)
    receipts = made.pop(RECEIPTS_NAME, b"")
    assert 10 <= len(made) < images
    assert all(name.startswith("image") and name.endswith(".png") for name in made)
    whole = read_label(out / min(made))
    assert set(made.values()) == {encode_label(whole, 21)}

    result = call(*command)
    assert result.exit_code == 0, result.output
    # A label whose receipt was not written yet, at most one for each thread, is made again.
    kept = receipts.count(b"\n")
    assert len(made) - int(workers) <= kept <= len(made)
    assert result.stdout == f"{images - kept} labels written to {out}, {kept} were there\n"
    assert len(list(out.glob("*.png"))) == images
    assert {path.read_bytes() for path in out.glob("*.png")} == set(made.values())


def test_another_setting_does_not_go_on_in_the_same_folder(data: Path) -> None:
    assert pseudo_label(data).exit_code == 0
    before = {path.name: path.read_bytes() for path in (data / "out").iterdir()}
    result = pseudo_label(data, "--tau=0.3")
    assert result.exit_code == 3
    assert "expected recipe.tau 0.3; found recipe.tau 0.1" in result.stderr
    assert {path.name: path.read_bytes() for path in (data / "out").iterdir()} == before


def test_newer_maps_make_new_labels(data: Path) -> None:
    assert pseudo_label(data).exit_code == 0
    changed = data / "activation" / "d_19.png"
    write_map(changed, np.zeros((SIDE, SIDE), np.uint8))
    later = time.time() + 5
    os.utime(changed, (later, later))
    assert pseudo_label(data).stdout.startswith("1 label written")
    assert set(np.unique(read_label(data / "out" / "d.png"))) == {0, 255}


# Pipes


def test_a_reader_that_stops_early_is_no_error_to_speak_of(data: Path) -> None:
    where = [f"--predictions={data / 'truth'}", f"--ground-truth={data / 'truth'}"]
    reading, writing = os.pipe()
    os.close(reading)
    try:
        result = subprocess.run(
            [sys.executable, "-m", "wsss_assets", "evaluate", *where, "--json=-"],
            stdout=writing,
            stderr=subprocess.PIPE,
            text=True,
            timeout=60,
        )
    finally:
        os.close(writing)
    assert complaint(result.stderr) == []


@pytest.mark.skipif(os.name != "posix", reason="uses a POSIX shell")
@pytest.mark.parametrize("command", ["evaluate --json -", "evaluate"])
def test_head_takes_the_first_line(data: Path, command: str) -> None:
    where = f"--predictions '{data / 'truth'}' --ground-truth '{data / 'truth'}'"
    result = subprocess.run(  # noqa: S602 (pipes are what is tested)
        f"'{sys.executable}' -m wsss_assets {command} {where} | head -1",
        shell=True,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert result.stdout == ("{\n" if "json" in command else result.stdout)
    assert len(result.stdout.splitlines()) == 1
    assert complaint(result.stderr) == []


# Recipes


def test_recipes_are_listed_and_shown() -> None:
    listed = call("recipes", "list")
    assert listed.exit_code == 0
    for name, one in RECIPES.items():
        assert f"{one.describe()}  ({one.paper})" in listed.stdout.splitlines()
        shown = call("recipes", "show", name)
        assert shown.exit_code == 0
        assert one.paper in shown.stdout
    for name in METHODS:
        assert any(line.split()[:1] == [name] for line in listed.stdout.splitlines())
    found = json.loads(call("recipes", "list", "--json=-").stdout)
    assert list(found["recipes"]) == list(RECIPES)
    assert found["methods"]["eps"]["tau"] == 0.2


def test_recipes_show_has_the_settings() -> None:
    lines = [line.split() for line in call("recipes", "show", "drs").stdout.splitlines()]
    assert ["tau", "0.2"] in lines
    assert ["conflict_channels", "3"] in lines


def test_recipes_differ_in_words() -> None:
    result = call("recipes", "diff", "drs", "oaa")
    assert result.exit_code == 0
    assert "activation threshold: drs drops scores below 0.2; oaa drops scores below 0.3" in (
        result.stdout.splitlines()
    )
    assert call("recipes", "diff", "drs", "drs").stdout == "drs and drs are the same rule\n"


# Help


def test_version() -> None:
    from wsss_assets import __version__

    assert call("--version").stdout.split()[-1] == __version__
    assert call("-V").stdout == call("--version").stdout


def test_help_states_the_exit_codes_in_use() -> None:
    text = call("-h").stdout
    for code in ("0", "1", "2", "3", "4", "5", "130"):
        assert any(line.split()[:1] == [code] for line in text.splitlines()), code


def test_no_command_shows_the_help() -> None:
    result = call()
    assert result.exit_code in {0, 2}
    assert "Usage: " in result.output
    assert "pseudo-label" in result.output


def test_a_file_that_cannot_be_written_ends_with_its_own_status(data: Path) -> None:
    (data / "file").write_text("mine")
    below = data / "file" / "out"
    for command in (
        ["pseudo-label", *options(data, "--method=cam"), f"--out={below}"],
        ["evaluate", f"--predictions={data / 'truth'}", f"--ground-truth={data / 'truth'}",
         f"--json={below}"],
    ):  # fmt: skip
        result = call(*command)
        assert result.exit_code == 6, result.output
        assert len(complaint(result.stderr)) == 1
    assert (data / "file").read_text() == "mine"


def test_one_stream_carries_one_thing(data: Path) -> None:
    where = [f"--ground-truth={data / 'truth'}", "--ignored=miss", "--method=cam"]
    both = call("sweep", *options(data, *where), "--plot=-", "--json=-")
    assert both.exit_code == 2
    assert "cannot both go to standard output" in both.stderr
    drawn = call("sweep", *options(data, *where), "--plot=-")
    assert drawn.exit_code == 0
    ElementTree.fromstring(drawn.stdout)  # noqa: S314


@pytest.mark.parametrize(
    ("command", "option"),
    [
        ("sweep", "--plot"),
        ("evaluate-thresholds", "--plot"),
        ("ceilings", "--plot"),
        ("report", "--latex"),
    ],
)
def test_a_picture_that_cannot_be_written_is_refused_before_the_work(
    data: Path, command: str, option: str
) -> None:
    (data / "file").write_text("mine")
    nowhere = [f"--ground-truth={data / 'nowhere'}", "--ignored=miss", "--method=cam"]
    where = [*nowhere, "--out=page"] if command == "report" else nowhere
    result = call(command, *options(data, *where), f"{option}={data / 'file' / 'picture'}")
    assert result.exit_code == 6, result.output
    assert "choose another place" in result.stderr


@pytest.mark.parametrize("surface", [[], ["--surface"]])
def test_ground_truth_of_255_alone_gives_no_score(data: Path, surface: list[str]) -> None:
    for path in (data / "truth").glob("*.png"):
        write_label(path, np.full_like(read_label(path), 255), 21)
    where = [f"--ground-truth={data / 'truth'}", "--ignored=miss", "--method=cam"]
    result = call("sweep", *options(data, *where), *surface)
    assert result.exit_code == 3
    assert "no class occurs" in result.stderr


def test_a_list_of_ids_alone_is_no_label_list(data: Path) -> None:
    maps = [one for one in options(data, "--method=cam") if not one.startswith("--labels")]
    result = call("pseudo-label", *maps, "--labels=-", f"--out={data / 'out'}", stdin="a\nb\n")
    assert result.exit_code == 3
    assert "names 2 images and no class" in result.stderr
    assert not (data / "out").exists()


def test_saliency_that_is_not_used_is_said(data: Path) -> None:
    result = call("pseudo-label", *options(data, "--method=eps"), f"--out={data / 'out'}")
    assert result.exit_code in {0, 1}
    assert "this recipe uses no saliency" in result.stderr


def test_the_demo_does_not_mix_with_other_files(tmp_path: Path) -> None:
    (tmp_path / "results.json").write_text("mine")
    result = call("demo", f"--out={tmp_path}", "--images=1")
    assert result.exit_code == 3
    assert [path.name for path in tmp_path.iterdir()] == ["results.json"]
    assert (tmp_path / "results.json").read_text() == "mine"


def test_folders_are_looked_for_before_a_list_is_fetched(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wsss_assets.storage.fetch.is_offline", lambda: True)
    monkeypatch.setenv("WSSS_ASSETS_CACHE", str(data / "cache"))
    nowhere = data / "nowhere"
    maps = [one for one in options(data, "--method=cam") if not one.startswith("--labels")]
    for command in (
        ["sweep", *maps, f"--ground-truth={nowhere}"],
        ["evaluate", f"--predictions={nowhere}", f"--ground-truth={data / 'truth'}"],
    ):
        result = call(*command, "--split=train_aug", "--ignored=miss")
        assert result.exit_code == 3, result.output
        assert result.stderr.startswith(f"wsss-assets: no folder {nowhere}")


def test_a_second_ctrl_c_ends_what_has_said_that_it_stops(monkeypatch: pytest.MonkeyPatch) -> None:
    def stop() -> tuple[str, ...]:
        raise KeyboardInterrupt

    handlers: list[tuple[object, ...]] = []
    monkeypatch.setattr("wsss_assets.benchmarks.list_benchmarks", stop)
    monkeypatch.setattr("signal.signal", lambda *how: handlers.append(how))
    result = call("benchmarks")
    assert (result.exit_code, result.stderr) == (130, "\nwsss-assets: stopped\n")
    assert handlers == [(signal.SIGINT, signal.SIG_DFL)]
