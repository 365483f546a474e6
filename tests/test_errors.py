from __future__ import annotations

import copy
import inspect
import pickle
import re

import pytest

from wsss_assets import errors
from wsss_assets.errors import (
    ChecksumError,
    DataError,
    FetchError,
    ImageFormatError,
    MissingDependencyError,
    UnknownNameError,
    UsageError,
    WsssAssetsError,
    about,
)

ROOT = "WsssAssetsError"
CLASSES: dict[str, type[WsssAssetsError]] = {
    name: value
    for name, value in vars(errors).items()
    if inspect.isclass(value) and issubclass(value, WsssAssetsError)
}


def drawn_tree() -> dict[str, tuple[str | None, int | None]]:
    """Parent and exit code of each class in the drawing; None where none is drawn."""
    drawing = (errors.__doc__ or "").split("```")[1]
    found: dict[str, tuple[str | None, int | None]] = {}
    above: list[str] = []
    for line in drawing.strip().splitlines():
        match = re.fullmatch(r"([│├└─ ]*)(\w+)  +(.*?)(?: +exit (\d+))?", line)
        assert match, line
        branch, name, _, code = match.groups()
        assert len(branch) % 4 == 0
        del above[len(branch) // 4 :]
        found[name] = (above[-1] if above else None, int(code) if code else None)
        above.append(name)
    return found


def test_the_drawing_is_the_tree() -> None:
    drawn = {name: parent for name, (parent, _) in drawn_tree().items()}
    actual = {name: one.__base__.__name__ for name, one in CLASSES.items() if one.__base__}
    assert drawn.pop(ROOT) is None
    assert actual.pop(ROOT) == "Exception"
    assert drawn == actual


def test_exit_codes_are_the_drawn_ones() -> None:
    tree = drawn_tree()
    for name, (parent, code) in tree.items():
        while code is None and parent is not None:
            parent, code = tree[parent]
        assert CLASSES[name].exit_code == (1 if code is None else code), name


def test_the_drawing_has_the_documented_codes() -> None:
    codes = {one: one.exit_code for one in (UsageError, DataError, FetchError, ChecksumError)}
    assert codes == {UsageError: 2, DataError: 3, FetchError: 4, ChecksumError: 4}
    assert errors.NotSweepableError.exit_code == 2
    assert MissingDependencyError.exit_code == 5


def test_all_is_exactly_the_tree() -> None:
    assert errors.__all__ == [*sorted(CLASSES), "about"]
    others = {one for one in vars(errors).values() if inspect.isclass(one)} - {*CLASSES.values()}
    assert not any(issubclass(one, BaseException) for one in others)


@pytest.mark.parametrize("name", sorted(CLASSES))
def test_every_class_says_what_it_stands_for(name: str) -> None:
    assert CLASSES[name].__doc__
    assert CLASSES[name].__module__ == "wsss_assets.errors"


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (DataError("a is bad"), "a is bad"),
        (DataError("a is bad", expected="b"), "a is bad; expected b"),
        (DataError("a is bad", found="c"), "a is bad; found c"),
        (DataError("a is bad", done="left out"), "a is bad; left out"),
        (DataError("a is bad", hint="do d"), "a is bad\n→ do d"),
        (
            ImageFormatError("a is bad", expected="b", found="c", done="left out", hint="do d"),
            "a is bad; expected b; found c; left out\n→ do d",
        ),
    ],
)
def test_text(error: WsssAssetsError, text: str) -> None:
    assert str(error) == text


def test_the_parts_can_be_read() -> None:
    error = DataError("s", expected="e", found="f", done="d", hint="h")
    assert (error.summary, error.expected, error.found, error.done, error.hint) == tuple("sefdh")
    assert error.args == ("s",)


def test_unknown_name_offers_close_ones() -> None:
    error = UnknownNameError("benchmark", "VOC-2012", ["voc2012", "mini", "ade20k"])
    assert str(error) == (
        "no benchmark is called 'VOC-2012'; expected one of ade20k, mini, voc2012\n"
        "→ did you mean voc2012?"
    )


def test_unknown_name_offers_several_close_ones() -> None:
    error = UnknownNameError("split", "trains", iter(["train", "train_aug", "val"]))
    assert error.hint == "did you mean train or train_aug?"


def test_unknown_name_offers_nothing_far_fetched() -> None:
    error = UnknownNameError("recipe", "zzz", ["drs", "oaa"])
    assert error.hint is None
    assert str(error) == "no recipe is called 'zzz'; expected one of drs, oaa"


def test_missing_dependency_names_the_extra() -> None:
    error = MissingDependencyError("pycocotools", "coco", "reading COCO masks")
    assert str(error) == (
        "reading COCO masks needs the package pycocotools, which is not installed\n"
        "→ pip install 'wsss-assets[coco]'"
    )


def examples() -> list[WsssAssetsError]:
    """One error of every class, and those made in other ways."""
    special: dict[type[WsssAssetsError], WsssAssetsError] = {
        UnknownNameError: UnknownNameError("split", "trains", ["train", "val"]),
        MissingDependencyError: MissingDependencyError("datasets", "hub", "load_dataset"),
    }
    plain = [
        one("s", expected="e", found="f", done="d", hint="h")
        for one in CLASSES.values()
        if one not in special
    ]
    return [*plain, *special.values(), UnknownNameError.saying("none", expected="some")]


@pytest.mark.parametrize("error", examples(), ids=lambda error: type(error).__name__)
def test_every_error_passes_between_processes(error: WsssAssetsError) -> None:
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        again = pickle.loads(pickle.dumps(error, protocol))  # noqa: S301 (made right here)
        assert type(again) is type(error)
        assert (str(again), again.args, vars(again)) == (str(error), error.args, vars(error))
    assert str(copy.copy(error)) == str(error)


def test_errors_in_the_data_are_said_to_be_about_something() -> None:
    with pytest.raises(ImageFormatError) as caught, about("here"), about("a.png"):
        raise ImageFormatError("it is torn", found="two halves", hint="glue it")
    assert str(caught.value) == "here: a.png: it is torn; found two halves\n→ glue it"
    with pytest.raises(FetchError) as other, about("a.png"):
        raise FetchError("no network")
    assert str(other.value) == "no network"
