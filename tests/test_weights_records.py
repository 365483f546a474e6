"""What is recorded of published weights."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.weights_files import VST
from wsss_assets.catalog.bibliography import citation
from wsss_assets.catalog.catalog import (
    get_map_set,
    get_training_set,
    get_weights,
    list_map_sets,
    list_weights,
    weights_names,
)
from wsss_assets.catalog.prose import explain
from wsss_assets.catalog.records import PublishedWeights, WeightsSource, canonical_json
from wsss_assets.catalog.weights import weights_facts
from wsss_assets.errors import RecordError, UnknownNameError

MANIFESTS = Path(__file__).parent.parent / "wsss_assets" / "catalog" / "manifests" / "weights"


@pytest.mark.parametrize("name", weights_names())
def test_every_record(name: str) -> None:
    text = (MANIFESTS / f"{name}.json").read_text("utf-8")
    record = get_weights(name)
    assert record.id == name
    assert text == canonical_json(record)
    assert all(citation(key) for key in record.citations)
    assert all(get_training_set(key) for key in record.trained_on or ())
    if record.trained_on:
        strongest = {get_training_set(key).supervision for key in record.trained_on}
        assert strongest == {record.supervision}
    assert all(get_weights(needed).model == record.model for needed in record.needs)
    for set_id in record.regenerates:
        made = get_map_set(set_id)
        assert made.kind == ("saliency" if record.classes is None else "activation")
        assert set(made.trained_on or ()) == set(record.trained_on or ())
        assert made.saliency == record.saliency
        assert made.supervision == record.supervision or made.kind == "saliency"
    stated = dict(weights_facts(record))
    assert stated["licence"] == record.licence or "not stated" in stated["licence"]


@pytest.mark.parametrize("name", weights_names())
def test_every_record_is_of_a_network_that_there_is(name: str) -> None:
    pytest.importorskip("torch")
    from wsss_assets.models import get_method, list_models

    record = get_weights(name)
    assert record.model in list_models("saliency" if record.classes is None else "activation")
    if record.classes is not None:
        assert record.classes in get_method(record.model).classes


def test_a_network_has_at_most_one_default() -> None:
    defaults = [(one.model, one.classes) for one in list_weights() if one.default]
    assert len(defaults) == len(set(defaults))
    assert set(defaults) == {(one.model, one.classes) for one in list_weights()}


WITHOUT_A_NETWORK = {
    *(f"voc2012/saliency/{name}" for name in ("sal_oaa", "sal_drs")),
    "coco2014/activation/drs",  # there is one for 20 classes
}


def test_map_sets_name_weights_and_networks_that_there_are() -> None:
    pytest.importorskip("torch")
    from wsss_assets.models import list_models

    named = set()
    for one in list_map_sets():
        again = one.regeneration
        assert again is not None
        assert again.model in {None, *list_models()}
        assert (again.model is None) == (one.id in WITHOUT_A_NETWORK), one.id
        if again.weights is None or one.id == "voc2012/activation/oaa":
            continue
        record = get_weights(again.weights)
        named.add((record.id, one.id))
        assert record.model == again.model
        assert one.id in record.regenerates
        # Of saliency maps, nobody says that they come from these weights.
        assert again.possible is (None if one.kind == "saliency" else True)
    told = {(one.id, set_id) for one in list_weights() for set_id in one.regenerates}
    assert told - named == {
        ("poolnet_joint_resnet50", "coco2014/saliency/poolnet_duts"),
        ("poolnet_joint_resnet50", "voc2012/saliency/poolnet_duts"),
        ("drs_refine", "voc2012/activation/drs"),
    }


def test_methods_with_saliency_in_training_name_it() -> None:
    for name, saliency in (("eps", "sal_eps"), ("l2g", "sal_l2g")):
        assert get_weights(f"{name}_voc").saliency == f"voc2012/saliency/{saliency}"
        coco = get_weights(f"{name}_coco")
        assert coco.saliency is None
        assert "which ones is not stated" in str(coco.note)


def test_map_sets_say_how_they_might_be_made_again() -> None:
    _, doubts = explain(get_map_set("vst_duts"))
    assert "published are the weights vst (VST for RGB photos, of the authors)" in doubts
    assert "'wsss-assets regenerate --model vst --weights vst' runs" in doubts
    _, doubts = explain(get_map_set("vst_coco"))
    assert "--model vst --weights FILE' runs the network with weights of one's own" in doubts
    assert "--model" not in explain(get_map_set("sal_oaa"))[1]
    _, doubts = explain(get_map_set("voc2012_eps_sal_eps"))
    assert "'wsss-assets regenerate --model eps --weights eps_voc --labels FILE' runs" in doubts
    _, doubts = explain(get_map_set("voc2012_eps_move"))
    assert "They cannot be made again from published weights." in doubts
    assert "--model eps --weights FILE --labels FILE' runs the network with weights of" in doubts
    _, doubts = explain(get_map_set("voc2012_oaa"))
    assert "Whether they can be made again is not known" in doubts
    assert "a by-product of training: no weights give them" in doubts


def test_a_source_is_one_place() -> None:
    for places in ({}, {"url": "https://a.org/b", "page": "https://a.org/"}):
        with pytest.raises(ValueError, match="one of url, drive and page"):
            WeightsSource(**places)
    for drive in ("../../etc/passwd", "a b", "1" * 19):
        with pytest.raises(ValueError, match="drive"):
            WeightsSource(drive=drive)
    with pytest.raises(ValueError, match="member"):
        WeightsSource(url="https://a.org/b.zip", member="../b.pth")
    with pytest.raises(ValueError, match="file_name"):
        VST.model_validate(VST.model_dump() | {"file_name": "../vst.pth"})


def test_unknown_names_are_answered() -> None:
    with pytest.raises(UnknownNameError, match="did you mean u2netp"):
        get_weights("u2net_p")
    assert list_weights("poolnet_vgg16") == ()
    assert [one.id for one in list_weights("u2netp")] == ["u2netp", "u2netp_onnx"]


def test_a_foreign_record_is_held_to_the_same_rules() -> None:
    from wsss_assets.catalog.records import parse_record

    values = json.loads(canonical_json(VST))
    assert parse_record(PublishedWeights, json.dumps(values), "it") == VST
    changes: list[dict[str, Any]] = [
        {"needs": ["../x"]},
        {"sources": []},
        {"sha256": "0"},
        {"mirror": "x"},
    ]
    for change in changes:
        with pytest.raises(RecordError):
            parse_record(PublishedWeights, json.dumps({**values, **change}), "it")
