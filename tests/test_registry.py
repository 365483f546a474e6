"""Names of networks of either kind, and what they are asked for."""

from __future__ import annotations

import pytest

from wsss_assets.errors import UnknownNameError, UsageError

pytest.importorskip("torch")

from wsss_assets.models import (
    create_model,
    find_model,
    get_architecture,
    get_method,
    list_models,
)


def test_networks_are_of_one_kind() -> None:
    saliency, activation = list_models("saliency"), list_models("activation")
    assert {"u2netp", "vst"} <= set(saliency)
    assert {"cam", "oaa", "mcis", "drs", "edam", "eps", "l2g", "amn"} <= set(activation)
    assert list(list_models()) == sorted((*saliency, *activation))
    assert not set(saliency) & set(activation)
    names = [alias for name in list_models() for alias in find_model(name).aliases]
    assert len({*names, *list_models()}) == len(names) + len(list_models())


def test_a_name_of_the_other_kind_is_explained() -> None:
    assert get_method("oaa_iam").name == "oaa"
    with pytest.raises(UsageError, match="cam is an activation method"):
        get_architecture("cam")
    with pytest.raises(UsageError, match="u2netp is a saliency network"):
        get_method("u2netp")
    with pytest.raises(UnknownNameError, match="did you mean l2g"):
        get_method("l2gg")


def test_the_number_of_classes() -> None:
    def channels(num_classes: int | None) -> int:
        return len(create_model("irn_cam", num_classes).state_dict()["classifier.weight"])

    assert (channels(None), channels(20), channels(80)) == (20, 20, 80)
    with pytest.raises(UsageError, match="no network of oaa for 80 classes"):
        create_model("oaa", num_classes=80)
    with pytest.raises(UsageError, match="which knows no classes"):
        create_model("u2netp", num_classes=20)
