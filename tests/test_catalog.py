"""The catalogue against what WSSS-BED published, typed here by hand."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from wsss_assets.catalog.bibliography import (
    citation,
    citation_keys,
    citations,
    whole_bibliography,
)
from wsss_assets.catalog.catalog import (
    find_map_set,
    get_maker,
    get_map_set,
    get_result_table,
    get_training_set,
    keys_to_cite,
    list_makers,
    list_map_sets,
    list_training_sets,
)
from wsss_assets.catalog.names import map_set_names
from wsss_assets.catalog.prose import explain, facts
from wsss_assets.catalog.records import MapSet
from wsss_assets.catalog.results import narrow_results, results_of
from wsss_assets.errors import UnknownNameError, UsageError
from wsss_assets.labels.recipes import METHODS

ROOT = Path(__file__).parent.parent
CATALOG = ROOT / "wsss_assets" / "catalog"
MANIFESTS = CATALOG / "manifests"
RELEASES = "https://github.com/clovaai/WSSS-BED/releases/download"

NETWORKS = ("DSS", "PFAN", "PoolNet", "VST")
TRAINED = {
    "MSRA": ["msra_b"],
    "MSRA_HKU": ["msra_b", "hku_is"],
    "DUTS": ["duts"],
    "COCO": ["coco"],
    "COCO20": ["coco_20"],
}
VOC_ONLY = {"COCO", "COCO20"}
SPLITS = {"voc2012": {"train_aug": 10582}, "coco2014": {"train": 82081}}
BENCHMARK_PAPERS = {"voc2012": ["pascal_voc", "sbd"], "coco2014": ["coco"]}


def saliency_names(benchmark: str) -> dict[str, list[str] | None]:
    """WSSS-BED's names of the saliency sets less the benchmark, and their training sets."""
    found: dict[str, list[str] | None] = {
        f"{network}_{suffix}": keys
        for network in NETWORKS
        for suffix, keys in TRAINED.items()
        if benchmark == "voc2012" or suffix not in VOC_ONLY
    }
    found |= {"DeepUSPS": [], "MOVE": []}
    methods = ("OAA", "DRS", "EDAM", "EPS", "L2G") if benchmark == "voc2012" else ("EPS", "L2G")
    return found | {f"sal_{method}": None for method in methods}


def annotation_of(saliency: str) -> str | None:
    if saliency in {"DeepUSPS", "MOVE"}:
        return "none"
    return None if saliency in {"sal_OAA", "sal_DRS"} else "pixel_masks"


def expected() -> dict[str, dict[str, object]]:
    """What the records say of each of the 130 sets, by WSSS-BED's name."""
    found: dict[str, dict[str, object]] = {}

    def add(benchmark: str, kind: str, name: str, upstream: str, **values: object) -> None:
        tag = {"saliency": "sal_maps", "activation": "act_maps"}[kind]
        found[upstream] = {
            "id": f"{benchmark}/{kind}/{name.lower()}",
            "upstream": upstream,
            "splits": SPLITS[benchmark],
            "url": f"{RELEASES}/{tag}/{upstream}.zip",
            "licence": None,
            **values,
        }

    for benchmark, prefix, short in (
        ("voc2012", "VOC2012", "VOC2012"),
        ("coco2014", "COCO2014", "COCO"),
    ):
        for name, keys in saliency_names(benchmark).items():
            maker = name.lower() if name.startswith("sal_") else name.split("_")[0].lower()
            behind = annotation_of(name)
            add(
                benchmark,
                "saliency",
                name,
                f"{prefix}_{name}",
                maker=maker,
                trained_on=keys,
                supervision=behind,
                saliency=None,
                recommended=None,
            )
            if benchmark == "coco2014" and (name == "DeepUSPS" or name.startswith("sal_")):
                continue
            for method in ("EPS", "L2G"):
                add(
                    benchmark,
                    "activation",
                    f"{method}_{name}",
                    f"{short}_{method}_{name}",
                    maker=method.lower(),
                    trained_on=keys,
                    supervision="image_labels" if behind == "none" else behind,
                    saliency=f"{benchmark}/saliency/{name.lower()}",
                )
        methods = (
            ("CAM", "OAA", "MCIS", "DRS", "EDAM") if benchmark == "voc2012" else ("CAM", "DRS")
        )
        for method in methods:
            add(
                benchmark,
                "activation",
                method,
                f"{short}_{method}",
                maker=method.lower(),
                trained_on=[],
                supervision="image_labels",
                saliency=None,
            )
    return found


EXPECTED = expected()
IDS = sorted(str(one["id"]) for one in EXPECTED.values())


def test_there_are_as_many_as_were_published() -> None:
    counts = {
        "voc2012/saliency": 27,
        "voc2012/activation": 59,
        "coco2014/saliency": 16,
        "coco2014/activation": 28,
    }
    for folder, count in counts.items():
        assert sum(one.startswith(f"{folder}/") for one in map_set_names()) == count
    assert list(map_set_names()) == IDS


def test_every_record() -> None:
    files = sorted(MANIFESTS.rglob("map_sets/**/*.json"))
    assert len(files) == len(EXPECTED) == 130
    for file in files:
        text = file.read_text("utf-8")
        values = json.loads(text)
        assert text == json.dumps(values, indent=2, ensure_ascii=False) + "\n", file
        assert set(values) == set(MapSet.model_fields), file
        assert file.relative_to(MANIFESTS / "map_sets").with_suffix("").as_posix() == values["id"]

        wanted = EXPECTED[values["upstream"]]
        said = values | {"url": values["archive"]["url"]}
        assert {key: said[key] for key in wanted} == wanted
        found = get_map_set(values["id"])
        assert found is get_map_set(values["upstream"]) is get_map_set(values["upstream"].lower())
        if values["id"].startswith("voc2012/"):
            assert found is get_map_set(values["id"].rpartition("/")[2])
        assert found.id == values["id"]

        maker = get_maker(found.maker)
        assert maker.kind == found.kind
        check_recipe(values)
        check_citations(values)
        check_regeneration(values)
        assert "WSSS-BED (arXiv 2404.00918)" in found.used_by


def check_recipe(values: dict[str, object]) -> None:
    """The recommended recipe is the one that `--method` stands for."""
    recommended = values["recommended"]
    if values["saliency"] is None and "/saliency/" in str(values["id"]):
        assert recommended is None
        return
    assert isinstance(recommended, dict)
    recipe = METHODS[str(values["maker"])]
    assert recommended.pop("source") == "the scripts of WSSS-BED"
    assert recommended == {
        "method": values["maker"],
        "recipe": recipe.name,
        "tau": recipe.tau,
        "ignore": recipe.ignore,
        "saliency": recipe.uses_saliency,
    }


def check_citations(values: dict[str, object]) -> None:
    """Maker, saliency maker, training sets, benchmark, WSSS-BED, each once, all resolvable."""
    keys = values["citations"]
    assert isinstance(keys, list)
    makers = [str(values["maker"])]
    if values["saliency"] is not None:
        makers.append(EXPECTED_BY_ID[str(values["saliency"])])
    wanted = {key for maker in makers for key in PAPERS.get(maker, [maker])}
    trained_on = values["trained_on"]
    for key in trained_on if isinstance(trained_on, list) else []:
        wanted.add("coco" if key == "coco_20" else key)
    wanted |= {*BENCHMARK_PAPERS[str(values["id"]).split("/")[0]], "wsss_bed"}
    assert set(keys) == wanted
    assert len(keys) == len(wanted)
    assert all(citation(key) for key in keys)


EXPECTED_BY_ID = {str(one["id"]): str(one["maker"]) for one in EXPECTED.values()}
PAPERS = {
    "sal_oaa": ["oaa"],
    "sal_drs": ["drs"],
    "sal_edam": ["edam", "poolnet"],
    "sal_eps": ["eps", "pfan"],
    "sal_l2g": ["l2g", "poolnet"],
}


def check_regeneration(values: dict[str, object]) -> None:
    again = values["regeneration"]
    assert isinstance(again, dict)
    assert again["note"].endswith(".")
    assert again["possible"] is (True if values["upstream"] in REGENERABLE else again["possible"])
    if again["possible"] is True:
        assert values["upstream"] in REGENERABLE
        assert again["weights"]


REGENERABLE = {
    "VOC2012_CAM",
    "VOC2012_DRS",
    "VOC2012_EDAM",
    "VOC2012_EPS_sal_EPS",
    "VOC2012_L2G_sal_L2G",
}


def test_every_other_record() -> None:
    for folder, get in (("makers", get_maker), ("training_sets", get_training_set)):
        for file in (MANIFESTS / folder).iterdir():
            text = file.read_text("utf-8")
            assert text == json.dumps(json.loads(text), indent=2, ensure_ascii=False) + "\n", file
            found = get(file.stem)
            assert found.key == file.stem
            assert found.citations
            assert all(citation(key) for key in found.citations)
    assert {one.maker for one in list_map_sets()} == set(list_makers())
    used = {key for one in list_map_sets() for key in one.trained_on or ()}
    assert used == set(list_training_sets())
    for benchmark in ("voc2012", "coco2014"):
        text = (MANIFESTS / "results" / f"{benchmark}.json").read_text("utf-8")
        assert text == json.dumps(json.loads(text), indent=2, ensure_ascii=False) + "\n"


def test_makers_say_what_the_recipe_of_their_maps_is() -> None:
    for key in list_makers():
        maker = get_maker(key)
        sets = list_map_sets(maker=key)
        assert {one.recommended for one in sets} == {maker.recommended}


# Citations


def test_every_entry_is_one_entry_of_its_name() -> None:
    for key in citation_keys():
        entry = citation(key)
        assert re.match(r"@(article|inproceedings)\{(\w+),\n", entry), key
        assert entry.count("@") == 1
        assert entry.startswith((f"@article{{{key},", f"@inproceedings{{{key},"))
        assert entry.endswith("\n}\n")
        assert entry.count("{") == entry.count("}")
        fields = re.findall(r"^  (\w+) += \{.+\},?$", entry, re.MULTILINE)
        assert {"author", "title", "year"} <= set(fields), key
        assert len(fields) == len(set(fields)) == len(entry.splitlines()) - 2
        assert {"booktitle", "journal"} & set(fields), key


def test_the_bibliography_is_fresh() -> None:
    """Otherwise: write `whole_bibliography()` to cards/CITATIONS.bib."""
    assert (ROOT / "cards" / "CITATIONS.bib").read_text("utf-8") == whole_bibliography()
    keys = re.findall(r"@\w+\{(\w+),", whole_bibliography())
    assert keys == sorted(path.stem for path in (CATALOG / "citations").iterdir())


def test_what_is_to_be_cited() -> None:
    eps = ("eps", "vst", "duts", "pascal_voc", "sbd", "wsss_bed")
    assert keys_to_cite("VOC2012_EPS_VST_DUTS") == eps
    assert keys_to_cite("vst") == ("vst",)
    assert keys_to_cite("coco_20") == ("coco",)
    assert keys_to_cite("sal_eps") == ("eps", "pfan")
    assert keys_to_cite("seam") == ("seam",)
    with pytest.raises(UnknownNameError, match="did you mean u2net"):
        keys_to_cite("u2nett")
    with pytest.raises(UnknownNameError, match="there is voc2012/activation/oaa"):
        keys_to_cite("COCO_OAA")


def test_entries_are_printed_once_and_whole_entries_as_they_are() -> None:
    own = "@misc{mine,\n  title = {Mine}\n}"
    text = citations(["vst", "duts", "vst", own])
    assert re.findall(r"@\w+\{(\w+)", text) == ["vst", "duts", "mine"]
    with pytest.raises(UnknownNameError, match="no citation is called 'dut'"):
        citations(["dut"])


# Names


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("COCO_OAA", "published no coco2014/activation/oaa\n→ there is voc2012/activation/oaa"),
        ("coco2014/activation/mcis", "→ there is voc2012/activation/mcis"),
        ("COCO_EDAM", "→ there is voc2012/activation/edam"),
        ("COCO_EPS_DeepUSPS", "there is voc2012/activation/eps_deepusps, and here eps_dss_duts"),
        ("coco_l2g_sal_l2g", "there is voc2012/activation/l2g_sal_l2g, and here l2g_"),
        ("COCO2014_sal_OAA", "there is voc2012/saliency/sal_oaa, and here sal_eps, sal_l2g"),
        (
            "COCO2014_VST_COCO20",
            "there is voc2012/saliency/vst_coco20, and here vst_duts, vst_msra",
        ),
        ("VOC2012_EPS", "voc2012/activation/eps is 27 map sets"),
        ("coco2014/activation/l2g", "coco2014/activation/l2g is 13 map sets"),
        ("vst_dutz", "coco2014/saliency/vst_duts or voc2012/activation/l2g_vst_duts"),
        ("eps", "voc2012/activation/eps is 27 map sets"),
        ("voc2012/activation/vst_duts", "voc2012/saliency/vst_duts"),
        ("voc2012/saliency/vst_dut", "did you mean voc2012/saliency/vst_duts"),
        ("VOC2012_POOLNET_DUT", "voc2012/saliency/poolnet_duts"),
        ("voc/saliency/move", "voc2012/saliency/move"),
        ("mini/saliency/move", "no map set is called 'mini/saliency/move'"),
        ("poolnet", "no map set is called 'poolnet'"),
        ("", "no map set is called ''; expected one of the 130"),
        ("\x1b[31m", r"no map set is called '\x1b[31m'"),
        ("/", "no map set is called '/'"),
        ("../../records", "no map set is called"),
        ("voc2012_", "no map set is called"),
    ],
)
def test_names_of_no_map_set_are_answered_by_those_there_are(name: str, said: str) -> None:
    with pytest.raises(UnknownNameError) as caught:
        get_map_set(name)
    assert said in str(caught.value)
    assert len(str(caught.value)) < 400


def test_no_set_of_the_grid_is_without_an_answer() -> None:
    """Every combination that somebody may expect is there, or its absence is explained."""
    for upstream in EXPECTED:
        for prefix in ("VOC2012", "COCO2014", "COCO"):
            name = f"{prefix}_{upstream.partition('_')[2]}"
            try:
                get_map_set(name)
            except UnknownNameError as error:
                assert error.summary.startswith("WSSS-BED published no coco2014/")  # noqa: PT017


@pytest.mark.parametrize(
    ("name", "benchmark", "kind", "saliency", "found"),
    [
        ("vst_duts", "voc2012", "saliency", None, "voc2012/saliency/vst_duts"),
        ("VST_DUTS", "coco2014", "saliency", None, "coco2014/saliency/vst_duts"),
        ("cam", "coco2014", "activation", None, "coco2014/activation/cam"),
        ("cam", "voc2012", "activation", "move", "voc2012/activation/cam"),
        ("eps", "voc2012", "activation", "vst_duts", "voc2012/activation/eps_vst_duts"),
        ("EPS", "voc2012", "activation", "VOC2012_sal_OAA", "voc2012/activation/eps_sal_oaa"),
        ("l2g", "coco2014", "activation", "coco2014/saliency/move", "coco2014/activation/l2g_move"),
        ("eps_move", "voc2012", "activation", "vst_duts", "voc2012/activation/eps_move"),
        ("VOC2012_EPS", "voc2012", "activation", "move", "voc2012/activation/eps_move"),
        ("COCO_CAM", "coco2014", "activation", None, "coco2014/activation/cam"),
    ],
)
def test_short_names(
    name: str, benchmark: str, kind: str, saliency: str | None, found: str
) -> None:
    wanted = find_map_set(name, benchmark=benchmark, kind=kind, saliency=saliency)  # type: ignore[arg-type]
    assert wanted.id == found


@pytest.mark.parametrize(
    ("name", "benchmark", "saliency", "said"),
    [
        ("eps", "voc2012", None, "eps_deepusps, eps_dss_coco, eps_dss_coco20, eps_dss_duts and 23"),
        ("eps", "coco2014", "deepusps", "published no coco2014/activation/eps_deepusps"),
        ("eps", "coco2014", "vst_dutss", "no map set is called 'coco2014/saliency/vst_dutss'"),
        ("camm", "voc2012", "vst_duts", "did you mean voc2012/activation/cam"),
        ("oaa", "coco2014", "vst_duts", "there is voc2012/activation/oaa"),
        ("cam", "voc12", None, "did you mean voc2012?"),
    ],
)
def test_short_names_of_nothing(name: str, benchmark: str, saliency: str | None, said: str) -> None:
    with pytest.raises(UnknownNameError) as caught:
        find_map_set(name, benchmark=benchmark, kind="activation", saliency=saliency)
    assert said in str(caught.value)


def test_a_full_name_of_something_else_than_is_asked_for() -> None:
    with pytest.raises(UsageError, match="expected activation maps of coco2014"):
        find_map_set("VOC2012_CAM", benchmark="coco2014", kind="activation")
    with pytest.raises(UsageError, match="expected saliency maps of voc2012"):
        find_map_set("voc2012/activation/cam", benchmark="voc2012", kind="saliency")


# Filters


@pytest.mark.parametrize(
    ("conditions", "count"),
    [
        ({}, 130),
        ({"benchmark": "mini"}, 0),
        ({"benchmark": "coco2014", "kind": "activation"}, 28),
        ({"maker": "eps"}, 27 + 13),
        ({"maker": "vst"}, 5 + 3),
        ({"maker": "sal_drs"}, 1),
        ({"trained_on": "coco_20"}, 4 + 8),
        ({"trained_on": "hku_is", "kind": "saliency"}, 4 + 4),
        ({"supervision": "none"}, 2 + 2),
        ({"supervision": "image_labels"}, (5 + 4) + (2 + 2)),
        ({"supervision": "not_known"}, 6),
        ({"supervision": "pixel_masks", "kind": "saliency"}, (20 + 3) + (12 + 2)),
        ({"regenerable": True}, 5),
        ({"regenerable": False}, 125),
    ],
)
def test_filters(conditions: dict[str, object], count: int) -> None:
    found = list_map_sets(**conditions)  # type: ignore[arg-type]
    assert len(found) == count
    assert [one.id for one in found] == sorted(one.id for one in found)


@pytest.mark.parametrize(
    ("conditions", "said"),
    [
        ({"benchmark": "voc12"}, "did you mean voc2012?"),
        ({"kind": "depth"}, "no kind of maps is called 'depth'"),
        ({"maker": "poolnett"}, "did you mean poolnet?"),
        ({"trained_on": "coco20"}, "did you mean coco_20"),
        ({"supervision": "masks"}, "did you mean pixel_masks"),
    ],
)
def test_filters_by_what_is_not_there(conditions: dict[str, object], said: str) -> None:
    with pytest.raises(UnknownNameError) as caught:
        list_map_sets(**conditions)  # type: ignore[arg-type]
    assert said in str(caught.value)


def test_unknown_makers_training_sets_and_tables() -> None:
    with pytest.raises(UnknownNameError, match="did you mean dss"):
        get_maker("dsss")
    with pytest.raises(UnknownNameError, match="did you mean duts"):
        get_training_set("DUTS")
    with pytest.raises(UnknownNameError, match="expected one of coco2014, voc2012"):
        get_result_table("mini")


# Results


UNPUBLISHED = {("coco2014", "deepusps", "eps"), ("coco2014", "deepusps", "l2g")}
"""Pairs of the paper's tables whose activation maps WSSS-BED did not publish."""


@pytest.mark.parametrize(
    ("benchmark", "methods", "rows"),
    [
        ("voc2012", ("cam", "oaa", "mcis", "drs", "edam", "eps", "l2g"), 22),
        ("coco2014", ("cam", "drs", "eps", "l2g"), 14),
    ],
)
def test_every_cell_is_of_a_pair_of_map_sets(
    benchmark: str, methods: tuple[str, ...], rows: int
) -> None:
    table = get_result_table(benchmark)
    cells = {(one.method, one.saliency) for one in table.results}
    assert len(cells) == len(table.results) == rows * len(methods)
    assert {method for method, _ in cells} == set(methods)
    for method, saliency in cells:
        name = f"{method}_{saliency}" if method in {"eps", "l2g"} else method
        assert f"{benchmark}/saliency/{saliency}" in IDS
        published = (benchmark, saliency, method) not in UNPUBLISHED
        assert (f"{benchmark}/activation/{name}" in IDS) is published
    assert all(25 < one.mean < table.supervised and 0 <= one.std <= 1 for one in table.results)
    assert set(table.own) <= set(methods)


@pytest.mark.parametrize(
    ("benchmark", "saliency", "method", "mean", "std"),
    [
        ("voc2012", "dss_msra", "cam", 63.2, 0.3),
        ("voc2012", "dss_coco20", "l2g", 72.4, 0.0),
        ("voc2012", "pfan_msra_hku", "mcis", 65.6, 0.3),
        ("voc2012", "poolnet_duts", "drs", 68.1, 0.2),
        ("voc2012", "vst_coco", "edam", 74.8, 0.2),
        ("voc2012", "vst_duts", "eps", 72.4, 0.2),
        ("voc2012", "deepusps", "oaa", 60.6, 0.3),
        ("voc2012", "move", "l2g", 71.0, 0.2),
        ("coco2014", "dss_msra", "cam", 35.0, 0.4),
        ("coco2014", "poolnet_msra", "drs", 28.4, 1.0),
        ("coco2014", "vst_duts", "l2g", 45.1, 0.0),
        ("coco2014", "move", "eps", 40.6, 0.1),
    ],
)
def test_figures_of_the_paper(
    benchmark: str, saliency: str, method: str, mean: float, std: float
) -> None:
    cells = {(one.saliency, one.method): one for one in get_result_table(benchmark).results}
    assert (cells[saliency, method].mean, cells[saliency, method].std) == (mean, std)


def test_figures_beside_the_tables() -> None:
    voc, coco = get_result_table("voc2012"), get_result_table("coco2014")
    assert (voc.supervised, coco.supervised) == (77.9, 55.7)
    assert voc.own == {
        "oaa": 65.2,
        "mcis": 66.2,
        "drs": 70.4,
        "edam": 70.9,
        "eps": 70.9,
        "l2g": 72.1,
    }
    assert coco.own == {"eps": 35.7, "l2g": 44.2}


def test_results_of_a_map_set() -> None:
    counts = {
        "voc2012/saliency/vst_duts": 7,
        "voc2012/saliency/sal_oaa": 0,
        "voc2012/activation/cam": 22,
        "voc2012/activation/eps_vst_duts": 1,
        "voc2012/activation/eps_sal_oaa": 0,
        "coco2014/activation/drs": 14,
    }
    for name, count in counts.items():
        assert len(results_of(get_map_set(name))) == count, name


def test_a_table_is_narrowed() -> None:
    table = get_result_table("voc2012")
    assert narrow_results(table) == table
    some = narrow_results(table, ["cam", "EPS"], ["vst", "dss_msra"]).results
    assert len(some) == 2 * (5 + 1)
    assert {one.saliency for one in some} >= {"vst_coco20", "dss_msra"}
    assert "dss_msra_hku" not in {one.saliency for one in some}
    with pytest.raises(UnknownNameError, match="did you mean mcis"):
        narrow_results(table, ["mciss"])
    with pytest.raises(UnknownNameError, match="did you mean vst_coco"):
        narrow_results(get_result_table("voc2012"), [], ["vst_coc"])
    with pytest.raises(UnknownNameError, match="no saliency set in the table of coco2014"):
        narrow_results(get_result_table("coco2014"), [], ["vst_coco"])


# Prose


def test_every_map_set_is_explained() -> None:
    for one in list_map_sets():
        for text in (*explain(one), *(value for _, value in facts(one))):
            assert text.strip() == text
            assert not re.search(r"None|null|\.\.|  | ,|\{|\}|True|False", text), text
        story, doubts = explain(one)
        assert story.startswith(f"{one.id}: ")
        assert story.endswith(".")
        assert doubts.startswith("No licence is stated for these maps. ")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("voc2012_vst_duts", "masks drawn by people are behind these maps, though not the benchm"),
        ("voc2012_vst_duts", "a val mIoU of 69.2 (mcis) to 72.4 (eps)."),
        ("voc2012_vst_coco", "are not weakly supervised in the usual sense"),
        ("voc2012_deepusps", "Cityscapes"),
        ("coco2014_deepusps", "Cityscapes"),
        ("voc2012_eps_deepusps", "Cityscapes"),
        ("voc2012_move", "No annotation by people is known to be behind these maps."),
        ("voc2012_sal_oaa", "what annotation is behind these maps is not known"),
        ("voc2012_l2g_sal_drs", "what annotation is behind these maps is not known"),
        ("voc2012_sal_l2g", "PoolNet"),
        ("voc2012_cam", "image-level labels"),
        ("voc2012_cam", "They can be made again from published weights: the weights cam_wsss_bed"),
        ("coco_cam", "They cannot be made again from published weights."),
        ("voc2012_eps_vst_duts", "voc2012/saliency/vst_duts"),
        ("voc2012_eps_vst_duts", "a val mIoU of 72.4."),
        ("voc2012_oaa", "OAA+"),
    ],
)
def test_what_is_said(name: str, said: str) -> None:
    assert said in " ".join(explain(get_map_set(name)))


# What it costs


def test_one_record_opens_one_file() -> None:
    program = """
import sys
opened = []
sys.addaudithook(lambda event, args: opened.append(str(args[0])) if event == "open" else None)
from wsss_assets.catalog.catalog import get_map_set
get_map_set("VOC2012_EPS_VST_DUTS")
get_map_set("voc2012/activation/eps_vst_duts")
print(sum("manifests" in path for path in opened))
"""
    result = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert result.stdout == "1\n"


def test_names_and_citations_need_no_records() -> None:
    program = """
import sys
from wsss_assets.catalog.bibliography import citation
from wsss_assets.catalog.names import map_set_names
assert len(map_set_names()) == 130 and citation("vst")
print("pydantic" in sys.modules)
"""
    result = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert result.stdout == "False\n"
