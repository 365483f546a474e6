from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.commands import call, done, refused
from tests.faults import status
from tests.map_set_files import (
    CAM,
    LABELS,
    SPLIT,
    VST,
    Authors,
    activation_maps,
    draw,
    flip,
    list_text,
    saliency_maps,
    tree,
    use_records,
    waiting_is_quick,
    write_maps,
    zip_of,
)
from wsss_assets.catalog.records import MapSet, parse_record

if TYPE_CHECKING:
    from tests.fakehub import FakeHub
    from tests.fileserver import FileServer

REPO = "me/my-maps"
RIGHT = "hf_right"
MINE = "voc2012/saliency/mine"
SHARD = f"{SPLIT}-00000-of-00001.parquet"
IDS = list(LABELS)


@pytest.fixture(autouse=True)
def _here(hub: FakeHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not hub.repos
    monkeypatch.setenv("WSSS_ASSETS_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("WSSS_ASSETS_REPO", raising=False)
    waiting_is_quick(monkeypatch)
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    Path("list.txt").write_text(list_text(LABELS), "utf-8")
    write_maps(Path("maps"), saliency_maps())
    write_maps(Path("cams"), activation_maps())


def packing(*more: str, maps: str = "maps", name: str = MINE) -> list[str]:
    own = ["--made-by", "My model, trained on DUTS"] if name == MINE else []
    return ["pack", maps, "--id", name, "--labels", "list.txt", *own, *more]


PUBLISHING = ["publish", "--repo-id", REPO, "--version", "v1.0.0"]


# pack


def test_maps_are_packed_into_the_staging_folder() -> None:
    result = done(*packing())
    assert set(tree(Path("staging"))) == {
        "manifest.json",
        f"voc2012/labels/{SPLIT}.txt",
        f"{MINE}/{SHARD}",
    }
    size = Path(f"staging/{MINE}/{SHARD}").stat().st_size
    assert result.stdout == f"staging/{MINE}: 6 images, 6 maps, {size:,} bytes, 0 holes\n"
    assert result.stderr.splitlines() == [
        "train_aug of PASCAL VOC 2012 has 10,582 images and this list 6: maps of a part, or of "
        "another list, are better packed under a name of their own, e.g. --split mine"
    ]
    assert done(*packing("--split", "mine", "--staging", "other")).stderr == ""
    done(*packing(maps="cams", name=CAM))
    manifest = json.loads(Path("staging/manifest.json").read_text("utf-8"))
    assert [one["record"]["id"] for one in manifest["sets"]] == [CAM, MINE]


def test_what_is_said_of_a_set_is_in_its_record() -> None:
    Path("mine.bib").write_text("@misc{mine, title={Maps}}\n", "utf-8")
    done(
        *packing("--supervision", "pixel_masks", "--licence", "CC BY 4.0", "--note", "Blurred."),
        "--citation=mine.bib",
    )
    (packed,) = json.loads(Path("staging/manifest.json").read_text("utf-8"))["sets"]
    record = packed["record"]
    assert record["maker"] == "My model, trained on DUTS"
    assert record["supervision"] == "pixel_masks"
    assert record["licence"] == "CC BY 4.0"
    assert record["note"] == "Blurred."
    assert record["citations"] == ["@misc{mine, title={Maps}}"]
    assert record["splits"] == {SPLIT: 6}


def test_holes_are_listed_and_counted() -> None:
    Path(f"maps/{IDS[0]}.png").unlink()
    Path(f"maps/{IDS[1]}.png").write_bytes(b"no png")
    result = call(*packing())
    assert result.exit_code == 1
    assert "6 images, 4 maps" in result.stdout
    assert "2 holes" in result.stdout
    (line,) = (line for line in result.stderr.splitlines() if "holes" in line)
    assert line.startswith(
        f"holes, all in the manifest: 1 map not in the source: {IDS[0]}; "
        f"1 map cannot be used: {IDS[1]} (cannot be read"
    )
    done(*PUBLISHING)

    many = {f"2007_{number:06d}": (1,) for number in range(14)}
    Path("list.txt").write_text(list_text(many), "utf-8")
    write_maps(Path("few"), {"2007_000000_1": draw("a")})
    result = call(*packing("--staging", "other", "--json=-", maps="few", name=CAM))
    assert result.exit_code == 1
    assert len(json.loads(result.stdout)["holes"]) == 13
    assert result.stderr.splitlines()[-1] == (
        "holes, all in the manifest: 13 maps not in the source: "
        "2007_000001_1, 2007_000002_1, 2007_000003_1, …"
    )


def test_an_image_without_classes_needs_no_activation_map() -> None:
    Path("list.txt").write_text(f"{list_text(LABELS)}2007_000129\n", "utf-8")
    assert "7 images, 9 maps" in done(*packing(maps="cams", name=CAM)).stdout
    result = call(*packing("--staging", "other"))
    assert result.exit_code == 1
    assert "1 map not in the source: 2007_000129\n" in result.stderr


def test_holes_that_a_set_was_published_with_are_expected(monkeypatch: pytest.MonkeyPatch) -> None:
    Path(f"maps/{IDS[0]}.png").unlink()
    assert call(*packing()).exit_code == 1
    done(*PUBLISHING)
    published = parse_record(MapSet, Path(f"staging/records/{MINE}.json").read_bytes(), "a test")
    use_records(monkeypatch, {VST: published.model_copy(update={"id": VST})})
    again = done(*packing(name=VST))
    assert f"1 map not in the source: {IDS[0]}\n" in again.stderr
    Path(f"maps/{IDS[1]}.png").unlink()
    assert call(*packing(name=VST)).exit_code == 1
    assert call(*packing("--split", "mine", name=VST)).exit_code == 1


def test_packed_sets_are_told_as_json() -> None:
    result = done(*packing("--json", "-"))
    told = json.loads(result.stdout)
    manifest = json.loads(Path("staging/manifest.json").read_text("utf-8"))
    assert told == manifest["sets"][0]["splits"][SPLIT]
    beside = done(*packing("--json", "told.json"))
    assert json.loads(Path("told.json").read_text("utf-8")) == told
    assert beside.stdout.startswith(f"staging/{MINE}: ")


@pytest.mark.parametrize("recode", ["--recode", "--no-recode"])
def test_bytes_are_kept_where_that_is_asked_for(recode: str) -> None:
    told = json.loads(done(*packing(recode, "--workers", "1", "--json", "-")).stdout)
    assert (told["pixels_sha256"] is None) is (recode == "--no-recode")


def test_the_list_may_come_from_standard_input_and_the_maps_from_a_zip() -> None:
    done(*packing())
    Path("maps.zip").write_bytes(zip_of(saliency_maps()))
    arguments = ["pack", "maps.zip", "--id", MINE, "--made-by", "My model, trained on DUTS"]
    done(*arguments, "--labels", "-", "--staging", "other", stdin=list_text(LABELS))
    assert tree(Path("other")) == tree(Path("staging"))


def test_without_a_list_the_published_one_is_taken(
    files: FileServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    Authors(files, monkeypatch)
    done("pack", "maps", "--id", VST)
    assert Path(f"staging/voc2012/labels/{SPLIT}.txt").read_text("utf-8") == list_text(LABELS)
    assert len(files.gets("lists/")) == 1


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["pack", "maps"], 2, "--id"),
        (["pack", "maps", "--id", MINE, "--labels", "list.txt"], 2, "--made-by"),
        (packing("--supervision", "boxes"), 2, "image_labels"),
        (packing("--licence", "x", name=VST), 2, "in the catalogue"),
        (packing("--split", "../x"), 2, "can be no split's name"),
        (packing("--split", "Train"), 2, "can be no split's name"),
        (packing("--split", ""), 2, "can be no split's name"),
        (packing("--staging", "list.txt"), 2, "is a file"),
        ([*packing(name="voc2012/saliency/Mine"), "--made-by", "I"], 2, "no id of a map set"),
        (packing(maps="nowhere"), 3, "no folder nowhere"),
        (packing(maps="list.txt"), 3, "no zip archive"),
        (packing(maps="cams"), 3, "other kind"),
        (["pack", "maps", "--id", MINE, "--made-by", "I", "--labels", "no.txt"], 3, "no.txt"),
        (packing("--citation", "no.bib"), 6, "no.bib"),
        (packing(maps="memory://nothing"), 3, "nothing"),
    ],
)
def test_what_cannot_be_packed_is_refused(arguments: list[str], code: int, says: str) -> None:
    assert says in refused(code, *arguments)
    assert not Path("staging").exists()


@pytest.mark.parametrize("there", ["staging", "staging/voc2012", f"staging/{MINE}"])
def test_folders_that_were_there_before_stay(there: str) -> None:
    Path(there).mkdir(parents=True)
    refused(3, *packing(maps="nowhere"))
    assert [path.as_posix() for path in sorted(Path("staging").rglob("*"))] == [
        path
        for path in ("staging/voc2012", "staging/voc2012/saliency", f"staging/{MINE}")
        if there.startswith(path)
    ]
    done(*packing())
    before = tree(Path("staging"))
    refused(3, *packing(maps="nowhere"))
    assert tree(Path("staging")) == before


def test_an_id_that_is_nearly_one_of_the_catalogue_is_offered_first() -> None:
    says = refused(2, "pack", "maps", "--id", "voc2012/saliency/vst_dut", "--labels", "list.txt")
    offered = says.index(f"did you mean {VST}?")
    assert offered < says.index("for maps of your own, say what made them with --made-by TEXT")


@pytest.mark.parametrize("name", ["half", "mine", "my_vst_duts", "model"])
def test_an_id_of_one_s_own_is_not_taken_for_a_slip(name: str) -> None:
    name = f"voc2012/saliency/{name}"
    says = refused(2, "pack", "maps", "--id", name, "--labels", "list.txt")
    assert "→ for maps of your own, say what made them with --made-by TEXT" in says
    assert "did you mean" not in says


def test_a_benchmark_that_is_none_is_said_before_anything_else() -> None:
    name = "voc212/saliency/vst_duts"
    says = refused(2, "pack", "maps", "--id", name, "--labels", "list.txt")
    assert "no benchmark is called 'voc212'" in says


def test_what_regenerate_has_not_finished_is_refused_whatever_is_said() -> None:
    stamp = json.dumps({"made_by": "wsss-assets regenerate"})
    Path("maps/wsss-assets.json").write_text(stamp, "utf-8")
    for more in (["--made-by", "I"], []):
        says = refused(3, "pack", "maps", "--id", MINE, "--labels", "list.txt", *more)
        assert "not finished" in says
        assert "→ run the same command again\n" in says
    assert not Path("staging").exists()


def test_a_citation_may_come_from_standard_input() -> None:
    done(*packing("--citation", "-"), stdin="@misc{mine, title={Maps}}\n")
    (packed,) = json.loads(Path("staging/manifest.json").read_text("utf-8"))["sets"]
    assert packed["record"]["citations"] == ["@misc{mine, title={Maps}}"]


# publish


def test_a_dry_run_says_what_would_be_sent(hub: FakeHub) -> None:
    done(*packing())
    hub.clear_log()
    before = tree(Path("staging"))
    result = done(*PUBLISHING, "--dry-run")
    assert not hub.repos
    assert not [visit for visit in hub.requests if visit.method not in {"GET", "HEAD"}]
    assert tree(Path("staging")) == before
    header, *rows = (line.split() for line in result.stdout.splitlines())
    assert " ".join(header) == "would send bytes"
    listed = {row[0]: int(row[1].replace(",", "")) for row in rows}
    assert listed.keys() == {*before, "README.md"}
    for path in (f"{MINE}/{SHARD}", f"voc2012/labels/{SPLIT}.txt"):
        assert listed[path] == len(before[path])
    told = json.loads(done(*PUBLISHING, "--dry-run", "--json", "-").stdout)
    assert told["uploads"] == listed
    assert (told["revision"], told["records"], told["sets"]) == (None, [], [MINE])


def test_maps_are_published_and_had_back(hub: FakeHub, monkeypatch: pytest.MonkeyPatch) -> None:
    done(*packing())
    result = done(*PUBLISHING)
    repository = hub.repo(REPO)
    commit = repository.tags["v1.0.0"]
    assert commit == repository.head
    assert f"{REPO} v1.0.0 is commit {commit}; records: staging/records" in result.stdout
    assert result.stdout.splitlines()[0].split() == ["sent", "bytes"]
    path = Path(f"staging/records/{MINE}.json")
    record = parse_record(MapSet, path.read_bytes(), "a test")
    assert record.published is not None
    assert (record.published.repo_id, record.published.revision) == (REPO, commit)

    done("export", MINE, "--to", "back", "--repo-id", REPO, "--revision", "v1.0.0")
    back = {path.stem: path for path in Path("back").glob("*.png")}
    assert back.keys() == set(LABELS)

    use_records(monkeypatch, {VST: record.model_copy(update={"id": VST})})
    again = done(*PUBLISHING, "--json", "-")
    told = json.loads(again.stdout)
    assert (told["uploads"], told["removals"], told["revision"]) == ({}, [], commit)
    assert told["records"] == [str(path)]
    assert repository.tags == {"v1.0.0": commit}


def test_a_second_set_is_added_from_another_folder(hub: FakeHub) -> None:
    done(*packing())
    done(*PUBLISHING)
    done(*packing("--staging", "second", maps="cams", name=CAM))
    result = done(
        "publish", "--staging=second", f"--repo-id={REPO}", "--version=v1.1.0", "--records=pins"
    )
    assert set(tree(Path("pins"))) == {f"{MINE}.json", f"{CAM}.json"}
    assert f"{MINE}/" not in result.stdout
    files = hub.repo(REPO).files("v1.1.0")
    assert {f"{MINE}/{SHARD}", f"{CAM}/{SHARD}"} < files.keys()


def test_a_private_repository_is_made(hub: FakeHub, monkeypatch: pytest.MonkeyPatch) -> None:
    done(*packing())
    hub.token = RIGHT
    says = refused(4, *PUBLISHING, "--private")
    assert "HF_TOKEN" in says
    monkeypatch.setenv("HF_TOKEN", RIGHT)
    done(*PUBLISHING, "--private")
    assert hub.repo(REPO).private


@pytest.mark.parametrize(
    ("more", "code", "says"),
    [
        (["--version", "1.0"], 2, "v1.0.0"),
        (["--staging", "nowhere"], 2, "wsss-assets pack"),
        (["--repo-id", "no-org"], 2, "org"),
        (["--repo-id", "a/b/c"], 2, "a/b/c"),
    ],
)
def test_what_makes_no_sense_is_refused(
    hub: FakeHub, more: list[str], code: int, says: str
) -> None:
    done(*packing())
    hub.clear_log()
    assert says in refused(code, *PUBLISHING, *more)
    assert not hub.repos


def test_failures_say_what_to_do_and_the_same_command_mends_them(hub: FakeHub) -> None:
    done(*packing())
    flip(Path(f"staging/{MINE}/{SHARD}"), 60)
    assert "pack the set again" in refused(3, *PUBLISHING)
    assert hub.requests == []
    done(*packing())
    hub.fault("/commit/main", status(503), None)
    assert "503" in refused(4, *PUBLISHING)
    assert not hub.repo(REPO).tags
    hub.clear_faults()
    hub.clear_log()
    done(*PUBLISHING)
    assert not [visit for visit in hub.requests if visit.method == "PUT"]
    write_maps(Path("maps"), saliency_maps(salt="new"))
    done(*packing())
    assert "already" in refused(4, *PUBLISHING)


def test_output_is_clean_and_progress_on_standard_error() -> None:
    packed: Any = json.loads(done(*packing("--json", "-")).stdout)
    assert packed["rows"] == 6
    result = done(*PUBLISHING, "--json", "-")
    told = json.loads(result.stdout)
    assert told["repo_id"] == REPO
    assert "read" in result.stderr


@pytest.mark.parametrize(
    ("command", "options"),
    [
        (
            "pack",
            [
                "--id",
                "--staging",
                "--split",
                "--labels",
                "--made-by",
                "--supervision",
                "--licence",
                "--citation",
                "--note",
                "--recode",
                "--workers",
                "--json",
            ],
        ),
        (
            "publish",
            [
                "--staging",
                "--repo-id",
                "--version",
                "--private",
                "--dry-run",
                "--records",
                "--json",
            ],
        ),
    ],
)
def test_help_names_every_option_with_an_example(command: str, options: list[str]) -> None:
    text = done(command, "--help").stdout
    for option in options:
        assert any(line.strip().startswith(option) for line in text.splitlines()), option
    assert "Examples" in text
    assert f"wsss-assets {command}" in text
    assert max(map(len, text.splitlines())) <= 100
