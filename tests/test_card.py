"""Cards against what they should say, typed here by hand, and against what reads them."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.map_set_files import SPLIT, activation_maps, commit_staged, saliency_maps, stage
from wsss_assets.catalog.records import Manifest, canonical_json, parse_record
from wsss_assets.publish.card.dataset_card import dataset_card, generated_files, planned_card

if TYPE_CHECKING:
    from tests.fakehub import FakeHub

ROOT = Path(__file__).parent.parent
MAP_SETS = ROOT / "wsss_assets" / "catalog" / "manifests" / "map_sets"
SHA = "0123456789abcdef" * 4
OWN_REPO = "me/my-maps"
VST, EPS = "voc2012/saliency/vst_duts", "voc2012/activation/eps_vst_duts"
ENTRY = "@misc{mine,\n  title = {Mine},\n  note = {```},\n  year = {2030}\n}"
HOSTILE = (
    "a | b <script>alert(1)</script> `c` ``` ---\n---\n# d [e](javascript:f) $g ${h}\u202e\x1b"
)
Values = dict[str, Any]


def metadata(card: str) -> Values:
    from huggingface_hub import DatasetCard

    data: Values = DatasetCard(card).data.__dict__
    return {name: value for name, value in data.items() if value is not None}


def yaml_of(card: str) -> str:
    head, yaml, _ = card.split("---\n", 2)
    assert head == ""
    return yaml


def section(card: str, title: str) -> str:
    """What is under a heading, up to the next one of its level."""
    _, _, rest = card.partition(f"\n## {title}\n")
    assert rest, title
    return rest.partition("\n## ")[0]


def tables(text: str) -> list[list[list[str]]]:
    """The cells of every table, headers first; a `|` with a backslash is a character."""
    found: list[list[list[str]]] = []
    for block in text.split("\n\n"):
        lines = block.strip().splitlines()
        if len(lines) > 1 and re.fullmatch(r"\|( ?---+ ?\|)+", lines[1]):
            cells = [re.split(r"(?<!\\)\|", line)[1:-1] for line in lines]
            found.append([[cell.strip() for cell in row] for row in (cells[0], *cells[2:])])
    return found


def code_blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)


def without_code(text: str) -> str:
    """A card's text with its blocks of code, whose fences may be long, left out."""
    return re.sub(r"^(`{3,})[a-z]+\n.*?\n\1$", "(code)", text, flags=re.DOTALL | re.MULTILINE)


def part(
    set_id: str, split: str = "train_aug", holes: tuple[Values, ...] = (), **more: object
) -> Values:
    """A split of 5 rows in one file."""
    path = f"{set_id}/{split}-00000-of-00001.parquet"
    return {
        "rows": 5,
        "maps": 5 - len(holes),
        "encoding": "PNG, 8-bit grey, the authors' bytes",
        "ids_sha256": SHA,
        "pixels_sha256": None,
        "files": [{"path": path, "size": 10, "sha256": SHA}],
        "holes": list(holes),
        **more,
    }


def own_set(set_id: str = "voc2012/saliency/mine", **record: object) -> Values:
    holes = ({"image_id": "2007_000032", "class_id": None, "reason": "not in the source"},)
    return {
        "record": {"id": set_id, "maker": "My net", "splits": {"train_aug": 5}, **record},
        "splits": {"train_aug": part(set_id, holes=holes)},
    }


def catalogue_set(set_id: str, **content: object) -> Values:
    record = json.loads((MAP_SETS / f"{set_id}.json").read_text("utf-8"))
    return {
        "record": {**record, "splits": {"train_aug": 5}},
        "splits": {"train_aug": {**part(set_id), **content}},
    }


def manifest(*sets: Values, version: str = "v1.2.0") -> Manifest:
    text = json.dumps(
        {"format": 1, "version": version, "sets": sorted(sets, key=lambda one: one["record"]["id"])}
    )
    return parse_record(Manifest, text, "a test")


# The card of the whole catalogue


def test_the_planned_card_has_every_map_set_as_a_configuration() -> None:
    ids = sorted(
        path.relative_to(MAP_SETS).with_suffix("").as_posix() for path in MAP_SETS.rglob("*.json")
    )
    configs = metadata(planned_card())["configs"]
    assert len(ids) == len(configs) == 130
    assert sorted(one["config_name"] for one in configs) == [one.replace("/", "-") for one in ids]
    splits = {"voc2012": "train_aug", "coco2014": "train"}
    for one in configs:
        set_id = one["config_name"].replace("-", "/")
        split = splits[set_id.partition("/")[0]]
        assert one["data_files"] == [{"split": split, "path": f"{set_id}/{split}-*.parquet"}]
    assert [one["config_name"] for one in configs if "default" in one] == [
        "voc2012-saliency-vst_duts"
    ]
    assert [one["default"] for one in configs if "default" in one] == [True]
    assert configs[0]["config_name"] == "voc2012-saliency-deepusps"


def test_what_the_planned_card_says_to_the_hub() -> None:
    card = planned_card()
    said = metadata(card)
    del said["configs"]
    assert said == {
        "pretty_name": "WSSS-BED: saliency and activation maps",
        "license": "other",
        "license_name": "per-map-set",
        "license_link": "https://huggingface.co/datasets/wsss-assets/wsss-bed#licences",
        "annotations_creators": ["machine-generated"],
        "source_datasets": ["extended|other-voc2012", "extended|other-coco2014"],
        "task_categories": ["image-segmentation"],
        "task_ids": ["semantic-segmentation"],
        "size_categories": ["1M<n<10M"],  # 86 x 10,582 + 44 x 82,081 = 4,521,616
        "tags": [
            "weakly-supervised-semantic-segmentation",
            "saliency-maps",
            "class-activation-maps",
        ],
    }
    assert len(yaml_of(card).encode()) < 40_000
    assert "## Licences" in card  # where the link leads


def test_the_planned_card_has_every_map_set_in_a_table() -> None:
    shown = section(planned_card(), "Map sets")
    titles = re.findall(r"^### (.+)$", shown, re.MULTILINE)
    assert titles == [
        "PASCAL VOC 2012: saliency maps (27)",
        "PASCAL VOC 2012: activation maps (59)",
        "MS COCO 2014: saliency maps (16)",
        "MS COCO 2014: activation maps (28)",
        "What made them",
    ]
    found = tables(shown)
    assert [len(rows) - 1 for rows in found] == [27, 5, 27, 16, 2, 13, 18]
    for rows in found:
        assert {len(cells) for cells in rows} == {len(rows[0])}
    releases = "https://github.com/clovaai/WSSS-BED/releases/download"
    assert [
        "`voc2012-saliency-vst_duts`",
        "VST",
        "DUTS-TR",
        "pixel masks",
        "not stated by the authors",
        f"[`VOC2012_VST_DUTS`]({releases}/sal_maps/VOC2012_VST_DUTS.zip)",
        "`train_aug`: 10,582 rows",
    ] in found[0]
    assert [
        "`vst_duts`",
        "DUTS-TR",
        "pixel masks",
        f"[`eps_vst_duts`]({releases}/act_maps/COCO_EPS_VST_DUTS.zip)",
        f"[`l2g_vst_duts`]({releases}/act_maps/COCO_L2G_VST_DUTS.zip)",
    ] in found[5]
    archives = re.findall(r"\]\((https://\S+\.zip)\)", shown)
    assert len(archives) == len(set(archives)) == 130


def test_the_planned_card_says_what_is_not_known() -> None:
    card = planned_card()
    assert "**Not released yet.**" in card
    assert "Version: unreleased." in card
    assert "- not stated by the authors (all sets)" in section(card, "Licences")
    assert "not known before the sets are packed" in section(card, "Holes")
    assert "two things are inferred" in section(card, "What a value means")
    counts = tables(section(card, "Is this weakly supervised?"))[0][1:]
    assert {row[0]: row[2] for row in counts} == {
        "none known": "4",
        "image labels": "13",
        "pixel masks": "107",
        "not known": "6",
    }
    assert "are not weakly supervised in the usual sense" in card
    assert "`voc2012-saliency-{dss_coco, dss_coco20," in card


def test_the_planned_card_cites_the_papers() -> None:
    (entries,) = code_blocks(section(planned_card(), "Citation"), "bibtex")
    keys = re.findall(r"^@\w+\{(\w+),$", entries, re.MULTILINE)
    saliency = ["deepusps", "dss", "move", "pfan", "poolnet", "vst"]
    activation = ["cam", "drs", "edam", "eps", "l2g", "mcis", "oaa"]
    data = ["coco", "duts", "hku_is", "msra_b", "pascal_voc", "sbd"]
    assert keys == sorted([*saliency, *activation, *data, "wsss_bed"])


def test_examples_of_the_planned_card_are_python() -> None:
    examples = code_blocks(planned_card(), "python")
    assert len(examples) == 3
    for example in examples:
        compile(example, "card", "exec")
    assert 'load_dataset("wsss-bed", saliency="vst_duts", activation="eps")' in examples[0]
    assert (
        '"wsss-assets/wsss-bed", "voc2012-saliency-vst_duts", split="train_aug", '
        'revision="v1.0.0"' in examples[1]
    )


def test_generated_files_are_fresh() -> None:
    """Otherwise: run scripts/cards."""
    texts = generated_files()
    assert sorted(texts) == sorted(path.name for path in (ROOT / "cards").iterdir())
    for name, text in texts.items():
        assert (ROOT / "cards" / name).read_text("utf-8") == text, name
        assert text.endswith("\n")
        assert not re.search(r"[ \t]$|\n\n\n", without_code(text), re.MULTILINE), name


def test_the_script_finds_what_is_stale(tmp_path: Path) -> None:
    (tmp_path / "scripts").mkdir()
    (tmp_path / "cards").mkdir()
    script = tmp_path / "scripts" / "cards"
    script.write_bytes((ROOT / "scripts" / "cards").read_bytes())

    def run(*arguments: str) -> tuple[int, str]:
        done = subprocess.run(
            [sys.executable, str(script), *arguments],
            capture_output=True,
            text=True,
            check=False,
            cwd=ROOT,
            env={"PYTHONPATH": str(ROOT)},
        )
        assert not done.stderr
        return done.returncode, done.stdout

    everything = ("CITATIONS.bib", "LICENSES.md", "wsss-bed.md")
    assert run("--check") == (1, "".join(f"stale: {name}\n" for name in everything))
    assert not list((tmp_path / "cards").iterdir())
    assert run() == (0, "".join(f"written: {name}\n" for name in everything))
    assert run("--check") == (0, "")
    (tmp_path / "cards" / "LICENSES.md").write_text("old")
    assert run("--check") == (1, "stale: LICENSES.md\n")


def test_licences_say_whose_terms_hold() -> None:
    text = generated_files()["LICENSES.md"]
    assert "- 130 map sets: not stated by the authors\n" in text
    (rows,) = tables(text)
    said = {(row[0], row[1]): row[4] for row in rows[1:]}
    assert len(said) == len(rows) - 1 == 18
    assert said["L2G", "activation"] == "CC BY-NC-SA 4.0"
    assert said["PoolNet", "saliency"] == "MIT"
    assert said["VST", "saliency"] == "none stated"
    assert "COCO, COCO-20, DUTS-TR, HKU-IS, MSRA-B" in text


# Cards of single repositories


def test_a_card_of_one_s_own_set() -> None:
    """No maker in the catalogue, no licence, a whole BibTeX entry, a hole."""
    card = dataset_card(manifest(own_set(citations=[ENTRY, "pascal_voc", "nowhere"])), OWN_REPO)
    said = metadata(card)
    assert said["pretty_name"] == "my-maps: saliency maps"
    assert said["license_link"] == "https://huggingface.co/datasets/me/my-maps#licences"
    assert said["size_categories"] == ["n<1K"]
    assert said["tags"] == ["weakly-supervised-semantic-segmentation", "saliency-maps"]
    assert said["configs"] == [
        {
            "config_name": "voc2012-saliency-mine",
            "default": True,
            "data_files": [
                {"split": "train_aug", "path": "voc2012/saliency/mine/train_aug-*.parquet"}
            ],
        }
    ]
    assert "Version: v1.2.0." in card
    assert tables(section(card, "Map sets"))[0][1:] == [
        [
            "`voc2012-saliency-mine`",
            "My net",
            "not stated",
            "not known",
            "not stated by the authors",
            "none",
            "`train_aug`: 5 rows, 4 maps, 1 hole",
        ]
    ]
    assert "- not stated by the authors (`voc2012-saliency-mine`)" in section(card, "Licences")
    assert "In all 1;" in section(card, "Holes")
    assert "- `voc2012-saliency-mine`, `train_aug`: 1 of 5 maps: not in the source (1)" in section(
        card, "Holes"
    )
    assert f"````bibtex\n{ENTRY}\n\n@article{{pascal_voc," in card
    assert "\n% No entry is known here of the key nowhere\n````\n" in card
    assert "The maps come from those who published this repository." in card
    for absent in ("WSSS-BED", "Not released", "What made them", "inferred", "class_id`:"):
        assert absent not in card, absent


def test_a_card_of_sets_of_the_catalogue() -> None:
    card = dataset_card(
        manifest(
            catalogue_set(VST, encoding="PNG, 8-bit grey"),
            catalogue_set(EPS, maps=7),
            own_set(licence="CC BY 4.0", note="Mine to keep.", supervision="none", trained_on=[]),
        ),
        "wsss-assets/wsss-bed",
    )
    alone, variants, makers = tables(section(card, "Map sets"))
    assert [row[0] for row in alone[1:]] == [
        "`voc2012-saliency-mine`",
        "`voc2012-saliency-vst_duts`",
    ]
    assert alone[1][2:5] == ["no data set with annotations", "none known", "CC BY 4.0"]
    assert alone[2][6] == "`train_aug`: 5 rows, 5 maps, 0 holes"
    assert variants[0][3:] == ["EPS"]
    assert variants[1][0] == "`vst_duts`"
    assert variants[1][3].endswith(".zip) (`train_aug`: 5 rows, 7 maps, 0 holes)")
    assert [row[0] for row in makers[1:]] == ["VST", "EPS"]
    assert "- CC BY 4.0 (`voc2012-saliency-mine`)" in card
    assert (
        "- not stated by the authors (`voc2012-saliency-vst_duts`, "
        "`voc2012-activation-eps_vst_duts`)" in card
    )
    assert "- Mine to keep. (`voc2012-saliency-mine`)" in card
    assert "How the maps are stored: PNG, 8-bit grey, the authors' bytes; PNG, 8-bit grey." in card
    assert "WSSS-BED" in section(card, "Where the maps come from")
    assert "All other maps come from those" in section(card, "Where the maps come from")
    assert metadata(card)["pretty_name"] == "wsss-bed: saliency and activation maps"


def test_a_card_of_complete_sets_says_so() -> None:
    card = dataset_card(manifest(catalogue_set(VST)), OWN_REPO)
    assert "There are none: every map of every set is there." in section(card, "Holes")
    assert 'load_dataset("wsss-bed", saliency="vst_duts", repo_id="me/my-maps"' in card
    assert "concatenate" not in card


@pytest.mark.parametrize("split", ["train", "no", "null", "0x10", "1_0", "on"])
def test_splits_and_benchmarks_of_any_name(split: str) -> None:
    """What YAML would read as a number or a truth value, and a benchmark that is none of ours."""
    one = own_set("mine/activation/net")
    one["record"]["splits"] = {split: 5}
    one["splits"] = {
        split: part("mine/activation/net", split),
        "a": part("mine/activation/net", "a"),
    }
    card = dataset_card(manifest(one), OWN_REPO)
    assert metadata(card)["configs"][0]["data_files"] == [
        {"split": name, "path": f"mine/activation/net/{name}-*.parquet"} for name in (split, "a")
    ]
    assert "### mine: activation maps (1)" in card
    options = f'benchmark="mine", split="{split}", repo_id="me/my-maps", revision="v1.2.0"'
    assert f'load_dataset("wsss-bed", activation="net", {options})' in card


@pytest.mark.parametrize(
    ("rows", "category"),
    [
        (999, "n<1K"),
        (1_000, "1K<n<10K"),
        (10_582, "10K<n<100K"),
        (999_999_999_999, "100B<n<1T"),
        (10**12, "n>1T"),
    ],
)
def test_size_categories(rows: int, category: str) -> None:
    one = own_set()
    one["splits"]["train_aug"]["rows"] = rows
    assert metadata(dataset_card(manifest(one), OWN_REPO))["size_categories"] == [category]


def test_no_text_of_a_record_breaks_a_card() -> None:
    url = "https://example.org/a|b)<script>`x`.zip"
    hostile = own_set(
        maker=HOSTILE,
        licence=HOSTILE,
        note=HOSTILE,
        trained_on=["no_such_set"],
        supervision="pixel_masks",
        citations=[f"@misc{{x, title={{{HOSTILE}}}}}", HOSTILE],
        archive={"url": url, "size": None, "sha256": None},
    )
    holes = tuple(
        {"image_id": f"a{index}", "class_id": None, "reason": f"{HOSTILE} {index}"}
        for index in range(5)
    )
    hostile["splits"] = {"train_aug": part("voc2012/saliency/mine", holes=holes, encoding=HOSTILE)}
    variant = own_set("voc2012/activation/mine", maker=HOSTILE, saliency="voc2012/saliency/mine")
    usual = own_set("voc2012/saliency/usual", maker="Net")
    card = dataset_card(manifest(hostile, variant, usual, version=HOSTILE), "me/<script>|`")
    names = [one["config_name"] for one in metadata(card)["configs"]]
    assert names == ["voc2012-saliency-mine", "voc2012-saliency-usual", "voc2012-activation-mine"]
    lines = without_code(card).splitlines()
    assert [line for line in lines if line.strip() == "---"] == ["---", "---"]

    usual_card = dataset_card(
        manifest(own_set(), variant | own_set("voc2012/activation/mine"), usual), OWN_REPO
    )
    headings = [
        re.findall(r"^#+ (.+)$", without_code(text), re.MULTILINE) for text in (card, usual_card)
    ]
    assert headings[0][1:] == headings[1][1:]

    body = without_code(card.split("---\n", 2)[2])
    for rows in tables(body):
        assert {len(cells) for cells in rows} == {len(rows[0])}
    cell = (
        r"a \| b \<script\>alert(1)\</script\> \`c\` \`\`\` --- --- \# d "
        r"\[e\](javascript:f) \$g \$\{h\}"
    )
    alone = tables(section(card, "Map sets"))[0]
    assert alone[1][1] == alone[1][4] == cell
    assert alone[1][5] == "[`archive`](https://example.org/a%7Cb%29%3Cscript%3E%60x%60.zip)"
    assert not re.search(r"(?<!\\)<[a-z/]", body.replace("<benchmark>", "").replace("<split>", ""))
    assert all(line.isprintable() for line in card.splitlines())
    assert "and other reasons" in card
    assert "`` " not in body


# What reads cards


def test_a_card_is_as_the_hub_and_the_examples_need_it(
    hub: FakeHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A repository with the card, and every example in it, run as it stands."""
    from huggingface_hub import DatasetCard

    monkeypatch.setenv("WSSS_ASSETS_CACHE", str(tmp_path / "cache"))
    holes = saliency_maps()
    del holes["2007_000039"]
    staging = stage(tmp_path / "staging", {VST: holes, EPS: activation_maps()})
    packed = parse_record(Manifest, (staging / "manifest.json").read_bytes(), "a test")
    released = packed.model_copy(update={"version": "v1.0.0"}).sealed()
    card = dataset_card(released, OWN_REPO)
    DatasetCard(card).validate()
    (staging / "manifest.json").write_text(canonical_json(released), "utf-8")
    (staging / "README.md").write_text(card, "utf-8")
    commit_staged(hub, staging, "v1.0.0", OWN_REPO)

    with_package, without_package, checked = code_blocks(card, "python")
    seen: Values = {}
    exec(with_package, seen)  # noqa: S102
    assert seen["row"]["image_id"] == "2007_000032"
    assert seen["row"]["labels"] == [0, 14]
    assert [one["class_id"] for one in seen["row"]["activation"]] == [0, 14]
    assert seen["data"][1]["saliency"] is None

    seen = {}
    exec(without_package, seen)  # noqa: S102
    assert seen["data"].column_names == ["image_id", "map", "classes", "maps"]
    assert seen["data"][1]["map"] is None
    assert seen["data"][0]["classes"] == [0, 14]
    assert seen["data"][0]["map"].size == seen["data"][0]["maps"][0]["map"].size

    seen = {}
    exec(checked, seen)  # noqa: S102
    assert seen["saliency"].num_rows == 6
    assert seen["saliency"][0]["image_id"] == "2007_000032"

    import datasets

    default = datasets.load_dataset(OWN_REPO, split=SPLIT)
    assert default[0]["map"].size == seen["saliency"][0]["map"].size
