from __future__ import annotations

from pathlib import Path

import pytest

from wsss_assets.cli.output import (
    cut,
    number,
    percent,
    print_table,
    print_words,
    signed,
    takes_standard_output,
)
from wsss_assets.errors import UsageError

DASH, FILE = Path("-"), Path("file")


def test_numbers_of_tables() -> None:
    assert (number(0.12345, 3), number(None, 3), number(float("nan"), 3)) == ("0.123", "–", "–")
    assert (percent(0.12345), percent(0.125, 0), percent(None)) == ("12.35", "12", "–")
    assert (percent(float("nan")), percent(-0.5, 1)) == ("–", "−50.0")
    assert (signed(-1.25, 1), signed(0.25, 2), number(-0.001, 2)) == ("−1.2", "+0.25", "0.00")


def test_the_first_column_gives_way(capsys: pytest.CaptureFixture[str]) -> None:
    rows = [("a" * 30, "1.00"), ("b", "-")]
    print_table(("set", "IoU"), rows, 20)
    assert capsys.readouterr().out.splitlines() == [
        "set" + " " * 14 + "IoU",
        "a" * 13 + "…  1.00",
        "b" + " " * 18 + "-",
    ]
    print_table(("set", "IoU"), rows, 9)  # no name becomes shorter than eight letters
    assert capsys.readouterr().out.splitlines()[1] == "aaaaaaa…  1.00"
    print_table(("set", "IoU"), rows)
    assert "a" * 30 in capsys.readouterr().out


def test_long_lines_are_folded_and_keep_their_inset(capsys: pytest.CaptureFixture[str]) -> None:
    print_words(f"short-one\n  {'word ' * 30}")
    first, *rest = capsys.readouterr().out.splitlines()
    assert first == "short-one"
    assert [len(line) - len(line.lstrip()) for line in rest] == [2, 4]
    assert max(map(len, rest)) <= 100
    assert " ".join(rest).split() == ["word"] * 30


def test_long_names_are_cut() -> None:
    assert (cut("abcd", 4), cut("abcde", 4)) == ("abcd", "abc…")


def test_one_file_at_most_goes_to_standard_output() -> None:
    assert not takes_standard_output(plot=None, json=FILE)
    assert takes_standard_output(plot=DASH, json=FILE)
    with pytest.raises(UsageError, match="--plot and --json cannot both go"):
        takes_standard_output(plot=DASH, json=DASH)
    with pytest.raises(UsageError, match="only one of --per-image, --plot and --json can go"):
        takes_standard_output(per_image=DASH, plot=None, json=DASH)
