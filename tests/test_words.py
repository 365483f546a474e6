from __future__ import annotations

from wsss_assets.words import counted, first_few, some_of


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
