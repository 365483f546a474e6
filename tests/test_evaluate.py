from __future__ import annotations

import dataclasses
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from tests import plain
from tests.plain import THREE
from wsss_assets import Evaluator, evaluate
from wsss_assets.errors import (
    DataError,
    IgnoredPixelsError,
    ImageFormatError,
    MissingFileError,
    SizeMismatchError,
    UnknownNameError,
    UsageError,
    WsssAssetsError,
)

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from tests.plain import Pair, UInt8
    from wsss_assets import Scores

QUICK = settings(max_examples=50, deadline=None)


class Set:
    """Six images in memory and in folders."""

    def __init__(self, root: Path) -> None:
        self.root = root
        generator = np.random.default_rng(11)
        self.guesses: dict[str, UInt8] = {}
        self.truths: dict[str, UInt8] = {}
        for index in range(6):
            shape = tuple(generator.integers(3, 9, 2))
            values = np.array([0, 1, 2, 3, 255], np.uint8)
            self.guesses[f"i{index}"] = generator.choice(values, shape)
            self.truths[f"i{index}"] = generator.choice(values, shape)
        self.predicted = self.write("predicted", self.guesses)
        self.ground_truth = self.write("truth", self.truths)

    def write(self, name: str, labels: dict[str, UInt8]) -> Path:
        folder = self.root / name
        for image_id, label in labels.items():
            plain.write_grey(folder / f"{image_id}.png", label)
        return folder

    def pairs(self, ids: Iterable[str] | None = None) -> list[Pair]:
        ids = self.truths if ids is None else ids
        return [(self.guesses[image_id], self.truths[image_id]) for image_id in ids]

    def run(self, *sides: Any, **options: Any) -> Scores:  # noqa: ANN401
        guesses, truths = sides or (self.predicted, self.ground_truth)
        values: dict[str, Any] = {"benchmark": THREE, "ignored": "miss", "workers": 1} | options
        return evaluate(guesses, truths, **values)


@pytest.fixture
def images(tmp_path: Path) -> Set:
    return Set(tmp_path)


def check(scores: Scores, pairs: list[Pair], policy: str = "miss") -> None:
    counts = plain.tally(pairs, 3, policy)
    found = [(s.true_positives, s.predicted, s.true) for s in scores.per_class.values()]
    assert found == counts
    assert scores.miou == plain.mean(plain.ious(counts))
    assert scores.images == len(pairs)


# Kinds of input


@pytest.mark.parametrize("policy", plain.POLICIES)
@pytest.mark.parametrize("workers", [1, 4, None])
def test_folders(images: Set, policy: str, workers: int | None) -> None:
    scores = images.run(ignored=policy, workers=workers, split="val")
    check(scores, images.pairs(), policy)
    assert (scores.benchmark, scores.split, scores.synthetic) == ("three", "val", False)
    assert scores.ground_truth_digest == plain.digest(images.truths)
    assert scores.missing == ()


def test_any_number_of_workers_gives_the_same(images: Set) -> None:
    assert images.run(workers=1) == images.run(workers=4)


def test_paths_may_be_text(images: Set) -> None:
    assert images.run(str(images.predicted), str(images.ground_truth)) == images.run()


def test_mappings_and_folders_give_the_same(images: Set) -> None:
    wanted = images.run()
    assert images.run(images.guesses, images.truths) == wanted
    assert images.run(images.predicted, images.truths) == wanted
    assert images.run(images.guesses, images.ground_truth) == wanted
    backwards = dict(reversed(images.guesses.items())), dict(reversed(images.truths.items()))
    assert images.run(*backwards) == wanted


def test_iterables_give_the_same_without_a_digest(images: Set) -> None:
    wanted = dataclasses.replace(images.run(), ground_truth_digest=None)
    sides = list(images.guesses.values()), list(images.truths.values())
    assert images.run(*sides) == wanted
    assert images.run(*map(tuple, sides)) == wanted
    assert images.run(*(iter(side) for side in sides)) == wanted
    assert images.run(*((label.tolist() for label in side) for side in sides)) == wanted


def test_one_image_as_two_arrays(images: Set) -> None:
    scores = images.run(images.guesses["i0"], images.truths["i0"])
    check(scores, images.pairs(["i0"]))
    assert scores.ground_truth_digest is None


def test_a_batch_is_its_images() -> None:
    guesses, truths = np.random.default_rng(0).integers(0, 4, (2, 5, 6, 7))
    scores = evaluate(guesses, truths, benchmark=THREE)
    narrow = guesses.astype(np.uint8), truths.astype(np.uint8)
    check(scores, list(zip(*narrow, strict=True)))
    evaluator = Evaluator(THREE)
    evaluator.update(guesses, truths, list("abcde"))
    digest = plain.digest(dict(zip("abcde", narrow[1], strict=True)))
    assert evaluator.compute() == dataclasses.replace(scores, ground_truth_digest=digest)


def test_tensors(images: Set) -> None:
    torch = pytest.importorskip("torch")
    wanted = images.run()
    guesses = {image_id: torch.from_numpy(label) for image_id, label in images.guesses.items()}
    assert images.run(guesses, images.truths) == wanted
    evaluator = Evaluator(THREE, ignored="miss")
    for image_id, label in images.truths.items():
        evaluator.update(guesses[image_id].long(), torch.from_numpy(label).int(), image_id)
    assert evaluator.compute() == wanted
    batch = torch.randint(0, 4, (3, 4, 5))
    check(
        evaluate(batch, batch, benchmark=THREE),
        [(values, values) for values in batch.numpy().astype(np.uint8)],
    )
    with pytest.raises(ImageFormatError, match="argmax"):
        evaluator.update(torch.zeros(4, 5), torch.zeros(4, 5, dtype=torch.uint8))


def test_npy_predictions(images: Set) -> None:
    folder = images.root / "arrays"
    folder.mkdir()
    for kind, (image_id, label) in zip(
        [np.uint8, np.int64, np.int32, np.uint16, np.int16, np.uint64],
        images.guesses.items(),
        strict=True,
    ):
        np.save(folder / f"{image_id}.npy", label.astype(kind))
    assert images.run(folder, images.ground_truth) == images.run()


def test_palette_pngs_are_read_as_indices(images: Set) -> None:
    for image_id, label in images.truths.items():
        image = Image.fromarray(label)
        image.putpalette([index % 7 * 30 for index in range(768)])
        image.save(images.ground_truth / f"{image_id}.png", compress_level=0)
    assert images.run() == images.run(images.guesses, images.truths)


def test_colours_cannot_be_scored(images: Set) -> None:
    label = images.guesses["i3"]
    Image.fromarray(np.repeat(label[..., None], 3, axis=2)).save(images.predicted / "i3.png")
    with pytest.raises(ImageFormatError, match=r"i3\.png"):
        images.run()


# Which images


def test_a_subset_in_any_order(images: Set) -> None:
    for ids in (["i4", "i1"], ("i1", "i4"), iter(["i4", "i1"])):
        scores = images.run(ids=ids)
        check(scores, images.pairs(["i1", "i4"]))
        wanted = {image_id: images.truths[image_id] for image_id in ("i1", "i4")}
        assert scores.ground_truth_digest == plain.digest(wanted)


def test_predictions_of_other_images_do_not_count(images: Set) -> None:
    (images.ground_truth / "i5.png").unlink()
    check(images.run(), images.pairs(f"i{index}" for index in range(5)))


def test_repeated_ids_are_refused(images: Set) -> None:
    with pytest.raises(UsageError, match="1 image ids are listed twice"):
        images.run(ids=["i1", "i2", "i1"])


def test_missing_predictions_are_an_error_or_listed(images: Set) -> None:
    for name in ("i1", "i3"):
        (images.predicted / f"{name}.png").unlink()
        del images.guesses[name]
    for sides in ((images.predicted, images.ground_truth), (images.guesses, images.truths)):
        with pytest.raises(MissingFileError, match="2 of 6 images have no prediction: i1, i3"):
            images.run(*sides)
        scores = images.run(*sides, skip_missing=True)
        assert scores.missing == ("i1", "i3")
        check(scores, images.pairs(images.guesses))
        wanted = {image_id: images.truths[image_id] for image_id in images.guesses}
        assert scores.ground_truth_digest == plain.digest(wanted)


def test_no_prediction_at_all_gives_no_score(images: Set) -> None:
    with pytest.raises(DataError, match="no image was counted"):
        images.run({}, images.truths, skip_missing=True)
    with pytest.raises(MissingFileError):
        images.run({}, images.truths)


def test_missing_ground_truth_is_an_error(images: Set) -> None:
    images.guesses["i9"] = images.guesses["i0"]
    plain.write_grey(images.predicted / "i9.png", images.guesses["i0"])
    with pytest.raises(MissingFileError, match="i9"):
        images.run(images.guesses, images.truths, ids=["i0", "i9"])
    with pytest.raises(MissingFileError, match="i9"):
        images.run(ids=["i0", "i9"])


def test_empty_and_missing_folders_are_errors(images: Set) -> None:
    with pytest.raises(MissingFileError, match="no folder"):
        images.run(images.root / "nowhere", images.ground_truth)
    (images.root / "empty").mkdir()
    with pytest.raises(MissingFileError, match="holds no"):
        images.run(images.predicted, images.root / "empty")


# What does not fit


@pytest.mark.parametrize("workers", [1, 4])
def test_a_wrong_size_names_the_image(images: Set, workers: int) -> None:
    cropped = images.guesses["i2"][:-1]
    plain.write_grey(images.predicted / "i2.png", cropped)
    with pytest.raises(SizeMismatchError, match="i2: ") as caught:
        images.run(workers=workers)
    assert str(cropped.shape) in str(caught.value)
    images.guesses["i2"] = cropped
    with pytest.raises(SizeMismatchError, match="i2: "):
        images.run(images.guesses, images.truths, workers=workers)


@pytest.mark.parametrize("side", ["predicted", "ground_truth"])
def test_a_wrong_value_names_the_image(images: Set, side: str) -> None:
    plain.write_grey(getattr(images, side) / "i2.png", np.full_like(images.truths["i2"], 4))
    with pytest.raises(ImageFormatError, match="i2: ") as caught:
        images.run()
    assert "found 4" in str(caught.value)


def test_a_truncated_prediction_names_the_file(images: Set) -> None:
    path = images.predicted / "i2.png"
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    with pytest.raises(ImageFormatError, match=r"i2\.png"):
        images.run()


def test_a_prediction_cut_anywhere_is_refused_or_whole(images: Set) -> None:
    path = images.predicted / "i2.png"
    data, wanted = path.read_bytes(), images.run(ids=["i2"])
    refused = 0
    for length in range(len(data)):
        path.write_bytes(data[:length])
        try:
            assert images.run(ids=["i2"]) == wanted  # all pixels came before the cut
        except ImageFormatError:
            refused += 1
    assert refused > len(data) // 2


def test_iterables_of_different_length_are_refused(images: Set) -> None:
    guesses, truths = list(images.guesses.values()), list(images.truths.values())
    with pytest.raises(UsageError, match="differ in number"):
        images.run(guesses[:-1], truths)
    with pytest.raises(UsageError, match="differ in number"):
        images.run(guesses, iter(truths[:-1]))


def test_ids_on_one_side_only_are_refused(images: Set) -> None:
    with pytest.raises(UsageError, match="cannot be matched"):
        images.run(list(images.guesses.values()), images.ground_truth)
    with pytest.raises(UsageError, match="cannot be matched"):
        images.run(images.guesses, list(images.truths.values()))
    with pytest.raises(UsageError, match="cannot be matched"):
        images.run(list(images.guesses.values()), list(images.truths.values()), ids=["i0"])


def test_unknown_names_are_refused(images: Set) -> None:
    with pytest.raises(UnknownNameError, match="benchmark"):
        images.run(benchmark="voc2021")
    with pytest.raises(UnknownNameError, match="policy"):
        images.run(ignored="skip")
    with pytest.raises(UnknownNameError, match="evaluator"):
        images.run(dialect="seem")


def test_a_predicted_255_needs_a_policy_or_a_dialect(images: Set) -> None:
    with pytest.raises(IgnoredPixelsError):
        images.run(ignored=None)
    assert images.run(ignored=None, dialect="eps").ignored == "drop"
    with pytest.raises(UsageError, match="not background"):
        images.run(ignored="background", dialect="eps")


# Evaluator


@st.composite
def splits(draw: st.DrawFn) -> tuple[dict[str, Pair], list[list[str]]]:
    """A few images and a random distribution of their ids over evaluators."""
    images: dict[str, Pair] = {}
    for index in range(draw(st.integers(1, 6))):
        shape = draw(plain.SHAPES)
        images[f"i{index}"] = draw(plain.label_maps(shape)), draw(plain.label_maps(shape))
    parts: list[list[str]] = [[], [], []]
    for image_id in draw(st.permutations(list(images))):
        parts[draw(st.integers(0, 2))].append(image_id)
    return images, draw(st.permutations(parts))


@QUICK
@given(splits(), st.booleans())
def test_merged_evaluators_are_one_pass(
    split: tuple[dict[str, Pair], list[list[str]]], nested: bool
) -> None:
    images, parts = split
    evaluators = []
    for part in parts:
        evaluator = Evaluator(THREE, ignored="drop")
        for image_id in part:
            guess, truth = images[image_id]
            evaluator.update(guess.tolist() if nested else guess, truth, image_id)
        evaluators.append(evaluator)
    first, *others = evaluators
    for other in others:
        first.merge(other)
    scores = first.compute()
    check(scores, list(images.values()), "drop")
    truths = {image_id: truth for image_id, (_, truth) in images.items()}
    guesses = {image_id: guess for image_id, (guess, _) in images.items()}
    assert scores.ground_truth_digest == plain.digest(truths)
    assert scores == evaluate(guesses, truths, benchmark=THREE, ignored="drop", workers=1)


def test_one_image_without_id_takes_the_digest_away() -> None:
    label = np.zeros((2, 2), np.uint8)
    first, second = Evaluator(THREE), Evaluator(THREE)
    first.update(label, label, "a")
    assert first.compute().ground_truth_digest == plain.digest({"a": label})
    second.update(label, label)
    assert second.compute().ground_truth_digest is None
    first.merge(second)
    assert first.compute().ground_truth_digest is None
    assert first.compute().images == 2


@pytest.mark.parametrize("ids", ["a", ["a"], ["a", "b", "c"]])
def test_ids_of_a_batch_must_be_as_many(ids: Any) -> None:  # noqa: ANN401
    batch = np.zeros((2, 3, 4), np.uint8)
    evaluator = Evaluator(THREE)
    with pytest.raises(WsssAssetsError):
        evaluator.update(batch, batch, ids)
    assert evaluator.images == 0
    assert not evaluator.confusion.any()


@pytest.mark.parametrize(
    "wrong", [np.full((2, 2), 4), np.zeros((2, 3), np.uint8), np.zeros((2, 2)), [[-1, 0], [0, 0]]]
)
def test_what_is_refused_is_not_counted(wrong: Any) -> None:  # noqa: ANN401
    good = np.zeros((2, 2), np.uint8)
    evaluator = Evaluator(THREE)
    evaluator.update(good, good, "a")
    before = evaluator.compute()
    for guess, truth in ((wrong, good), (good, wrong)):
        with pytest.raises(DataError):
            evaluator.update(guess, truth, "b")
    assert evaluator.compute() == before


def test_other_benchmarks_do_not_merge() -> None:
    with pytest.raises(UsageError, match="different benchmarks"):
        Evaluator("voc2012").merge(Evaluator(THREE))


def test_nothing_counted_gives_no_score() -> None:
    with pytest.raises(DataError, match="no image was counted"):
        Evaluator(THREE).compute()


def test_inputs_are_not_changed() -> None:
    label = np.array([[0, 1, 255]], np.uint8)
    label.flags.writeable = False
    evaluator = Evaluator(THREE, ignored="background")
    evaluator.update(label, label)
    evaluator.compute()
    assert label.tolist() == [[0, 1, 255]]


def test_numpy_input_loads_no_torch() -> None:
    script = (
        "import sys, numpy as np\n"
        "from wsss_assets import Evaluator, evaluate\n"
        "label = np.zeros((2, 2), np.uint8)\n"
        "evaluator = Evaluator('voc2012')\n"
        "evaluator.update(label, label)\n"
        "assert evaluator.compute().miou == 1\n"
        "assert evaluate({'a': label}, {'a': label}).miou == 1\n"
        "heavy = {'torch', 'pycocotools', 'click'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", script], check=True)
