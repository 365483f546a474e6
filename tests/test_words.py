from __future__ import annotations

from wsss_assets.words import counted, did_you_mean, first_few, near, over_classes, some_of


def test_one_thing_is_none_of_many() -> None:
    assert counted(1, "map") == "1 map"
    assert counted(0, "map") == "0 maps"
    assert counted(12345, "image") == "12,345 images"


def test_all_names_are_said_where_they_are_few() -> None:
    assert first_few(["a", "b"], most=2) == some_of(["a", "b"], most=2) == "a, b"
    assert first_few([]) == some_of([]) == ""


def test_of_many_names_the_first_are_said() -> None:
    names = [*"abcdefg"]
    assert first_few(names) == "a, b, c, d, e, …"
    assert some_of(names) == "a, b, c, d, e and 2 more"
    assert some_of(names, most=1) == "a and 6 more"


def test_values_are_said_as_numbers() -> None:
    assert first_few([1, 2], most=1) == "1, …"


def test_only_what_is_really_near_is_offered() -> None:
    assert near("nope", ["pe", "no", "ope"]) == ["ope"]
    assert near("eps", ["esp", "es", "oaa"]) == ["es", "esp"]
    assert near("coco", ["coco2014", "voc2012"]) == ["coco2014"]
    assert near("xyz", ["eps"]) == []
    assert near("epss", ["eps", "esp", "epsa"], most=1) == ["eps"]


def test_what_is_offered_is_a_question() -> None:
    assert did_you_mean([]) is None
    assert did_you_mean(["a", "b"]) == "did you mean a or b?"


def test_a_mean_over_all_classes_needs_no_words() -> None:
    assert over_classes(21, 21) == ""
    assert over_classes(0, 21) == " over 0 of 21 classes"
