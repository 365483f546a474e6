from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.map_set_files import (
    CAM,
    EPS,
    LABELS,
    REPO,
    VST,
    activation_maps,
    commit_staged,
    saliency_maps,
    stage,
)
from wsss_assets.catalog.names import is_place
from wsss_assets.errors import UnknownNameError, UsageError
from wsss_assets.map_sets.choose import choose_by_id, choose_map_set
from wsss_assets.map_sets.repository import Repository, open_repository

if TYPE_CHECKING:
    from pathlib import Path

    from tests.fakehub import FakeHub

MINE = "voc2012/saliency/mine"


@pytest.mark.parametrize(
    "place",
    [
        "./vst_duts",
        "../maps",
        "/data/maps",
        "~/maps",
        ".",
        "maps.zip",
        "MAPS.ZIP",
        "s3://bucket/maps",
        "memory://maps",
        "zip://maps::https://example.org/a.zip",
        "C:\\maps",
        "no/such/folder",
    ],
)
def test_a_place_is_written_as_one(place: str) -> None:
    assert is_place(place)


@pytest.mark.parametrize("name", ["vst_duts", "cam", VST, "VOC2012_CAM", "eps"])
def test_a_name_is_a_name(name: str) -> None:
    assert not is_place(name)


def test_a_folder_that_happens_to_be_called_so_is_not_meant(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("vst_duts", VST, CAM, "maps/mine"):
        (tmp_path / name).mkdir(parents=True)
    assert not is_place("vst_duts")
    assert not is_place(VST), "an id, also in a folder that 'pack' made"
    assert not is_place(CAM)
    assert is_place("./vst_duts")
    assert is_place(f"./{VST}")
    assert is_place("maps/mine")


@pytest.mark.parametrize(
    ("name", "kind", "saliency", "found"),
    [
        ("vst_duts", "saliency", None, VST),
        (" VST_DUTS ", "saliency", None, VST),
        (VST, "saliency", None, VST),
        ("VOC2012_VST_DUTS", "saliency", None, VST),
        ("cam", "activation", None, CAM),
        ("cam", "activation", "vst_duts", CAM),
        ("eps", "activation", "vst_duts", EPS),
        ("eps", "activation", VST, EPS),
        ("eps_vst_duts", "activation", "move", EPS),
        ("voc2012_eps_vst_duts", "activation", None, EPS),
    ],
)
def test_the_catalogue_knows_short_names_ids_and_upstream_s(
    name: str, kind: str, saliency: str | None, found: str
) -> None:
    chosen = choose_map_set(name, benchmark="voc2012", kind=kind, saliency=saliency)  # type: ignore[arg-type]
    assert chosen.id == found


def test_a_pair_that_was_never_made_is_an_error_that_says_which_were() -> None:
    with pytest.raises(UnknownNameError, match="eps") as error:
        choose_map_set("eps", benchmark="voc2012", kind="activation")
    assert "eps_move" in str(error.value) or "eps_d" in str(error.value)
    with pytest.raises(UnknownNameError, match="published no") as error:
        choose_map_set("eps", benchmark="coco2014", kind="activation", saliency="deepusps")
    assert "voc2012/activation/eps_deepusps" in str(error.value)


def test_a_set_of_another_kind_or_benchmark_is_refused() -> None:
    with pytest.raises(UsageError, match="activation maps of voc2012"):
        choose_map_set(VST, benchmark="voc2012", kind="activation")
    with pytest.raises(UsageError, match="saliency maps of coco2014"):
        choose_map_set(VST, benchmark="coco2014", kind="saliency")


@pytest.mark.parametrize("name", [VST, "VOC2012_VST_DUTS", "voc2012_vst_duts", f" {VST} "])
def test_a_set_is_chosen_by_id(name: str) -> None:
    assert choose_by_id(name).id == VST


def test_an_unknown_id_is_an_error_with_close_ones() -> None:
    with pytest.raises(UnknownNameError, match=VST):
        choose_by_id("voc2012/saliency/vst_dut")


# In a repository.


@pytest.fixture
def repository(hub: FakeHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Repository:
    monkeypatch.setenv("WSSS_ASSETS_CACHE", str(tmp_path / "cache"))
    sets = {
        VST: saliency_maps(),
        MINE: saliency_maps(),
        EPS: activation_maps(),
        "coco2014/saliency/vst_duts": saliency_maps(),
    }
    commit_staged(hub, stage(tmp_path / "staging", sets, LABELS))
    return open_repository(REPO)


@pytest.mark.parametrize(
    ("name", "kind", "saliency", "found"),
    [
        ("vst_duts", "saliency", None, VST),
        ("mine", "saliency", None, MINE),
        (MINE.upper(), "saliency", None, MINE),
        ("VOC2012_VST_DUTS", "saliency", None, VST),
        ("eps", "activation", "vst_duts", EPS),
        ("eps", "activation", VST, EPS),
        ("eps", "activation", "VOC2012_VST_DUTS", EPS),
        ("eps_vst_duts", "activation", None, EPS),
        ("voc2012_eps_vst_duts", "activation", None, EPS),
    ],
)
def test_a_repository_knows_its_own_sets(
    repository: Repository, name: str, kind: str, saliency: str | None, found: str
) -> None:
    chosen = choose_map_set(
        name,
        benchmark="voc2012",
        kind=kind,  # type: ignore[arg-type]
        saliency=saliency,
        repository=repository,
    )
    assert chosen.id == found
    assert chosen.published is not None
    assert chosen.published.revision == repository.revision


@pytest.mark.parametrize(
    ("name", "kind", "saliency"),
    [
        ("cam", "activation", None),
        (CAM, "activation", None),
        ("eps", "activation", None),
        ("eps", "activation", "mine"),
        ("mine", "activation", None),
        ("coco2014/saliency/vst_duts", "saliency", None),
    ],
)
def test_a_repository_says_which_sets_it_has(
    repository: Repository, name: str, kind: str, saliency: str | None
) -> None:
    with pytest.raises(UsageError, match=REPO) as error:
        choose_map_set(
            name,
            benchmark="voc2012",
            kind=kind,  # type: ignore[arg-type]
            saliency=saliency,
            repository=repository,
        )
    assert ("eps_vst_duts" if kind == "activation" else "mine") in str(error.value)


def test_ids_in_a_repository(repository: Repository) -> None:
    for name in (MINE, VST, "VOC2012_VST_DUTS", "coco2014/saliency/vst_duts"):
        assert choose_by_id(name, repository).published is not None
    with pytest.raises(UnknownNameError, match=f"map set in {REPO}") as error:
        choose_by_id(CAM, repository)
    assert MINE in str(error.value)
