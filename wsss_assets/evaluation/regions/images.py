"""A reference map, a map under test and the ground truth of each image, side by side."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from wsss_assets.benchmarks import get_benchmark
from wsss_assets.evaluation.aligned import AlignedImages, check_size
from wsss_assets.evaluation.confusion import check_counts
from wsss_assets.evaluation.image_lists import check_all_there, lack, lack_of_classes
from wsss_assets.labels.recipes import get_recipe
from wsss_assets.ranks import ALONE
from wsss_assets.storage.maps import ActivationFolder, LabelFolder, open_activations

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from wsss_assets.benchmarks import Benchmark
    from wsss_assets.evaluation.aligned import AlignedImage
    from wsss_assets.evaluation.image_lists import Lack
    from wsss_assets.parallel import Progress
    from wsss_assets.ranks import Ranks
    from wsss_assets.storage.maps import ActivationSource

__all__ = ["ClassPixels", "LabelMasks", "RegionImages"]

UInt8: TypeAlias = NDArray[np.uint8]
Result = TypeVar("Result")


class LabelMasks:
    """Pseudo-labels in place of activation maps: 255 where a pixel has the class's label, else 0.

    Args:
        folder: label maps `<image id>.png` or `.npy`; a label of 255 is of no class.
        benchmark: name or `Benchmark`: which values are labels.

    Attributes:
        folder: the label maps.
    """

    def __init__(self, folder: Path | str, benchmark: Benchmark | str = "voc2012") -> None:
        self.folder = LabelFolder(Path(folder))
        known = get_benchmark(benchmark) if isinstance(benchmark, str) else benchmark
        self._classes = len(known.classes)

    def __str__(self) -> str:
        return str(self.folder.folder)

    def read(self, image_id: str, classes: Sequence[int]) -> dict[int, UInt8]:
        """uint8 (H, W) of 0 and 255 by class; see `ActivationSource`.

        Raises:
            DataError: there is no label map of that name, or it holds what is no label.
        """
        label = self.folder.read(image_id)
        values = np.bincount(label.ravel(), minlength=256)
        check_counts(values, self._classes, f"prediction of {image_id}")
        return {index: (label == index + 1) * np.uint8(255) for index in classes}

    def version(self, image_id: str, classes: Sequence[int]) -> str:  # noqa: ARG002
        """See `ActivationSource`; nothing is known."""
        return ""


@dataclass(frozen=True)
class ClassPixels:
    """The valid pixels of an image, for one of its classes.

    Attributes:
        index: the 0-based class.
        reference: uint8 (N,) bytes of the reference map.
        tested: uint8 (N,) bytes of the map under test.
        of_class: bool (N,): the ground truth is the class.
    """

    index: int
    reference: UInt8
    tested: UInt8
    of_class: NDArray[np.bool_]


class RegionImages:
    """Reads reference, map under test and ground truth of the images of a list.

    Args:
        labels: 0-based classes by image id.
        reference: folder or source of the reference maps.
        tested: folder or source of the maps under test.
        ground_truth: folder of label maps.
        benchmark: name or `Benchmark`.
        ranks: which process this is.

    Raises:
        UsageError: the list is empty.
        ListFormatError: the list has a class that the benchmark does not have.
        MissingFileError: a folder is missing or empty, or has nothing for some images.
    """

    def __init__(
        self,
        labels: Mapping[str, Sequence[int]],
        reference: Path | str | ActivationSource,
        tested: Path | str | ActivationSource,
        ground_truth: Path | str,
        benchmark: Benchmark | str,
        ranks: Ranks = ALONE,
    ) -> None:
        unused = get_recipe().changed(saliency=False)
        self._images = AlignedImages(labels, None, tested, ground_truth, unused, benchmark, ranks)
        self._reference = open_activations(reference)
        self.benchmark, self.labels, self.ranks = self._images.benchmark, labels, ranks
        check_all_there(len(labels), self._lacks(reference, tested))

    def _lacks(self, reference: object, tested: object) -> Iterable[Lack]:
        """What the folders that were named lack, beside what `AlignedImages` looks for."""
        if isinstance(reference, str | Path) and isinstance(self._reference, ActivationFolder):
            yield lack_of_classes("reference map", self.labels, self._reference)
        if isinstance(tested, LabelMasks):
            yield lack("prediction", self.labels, tested.folder)

    def map(
        self,
        function: Callable[[ClassPixels], Result],
        workers: int | None,
        progress: Progress | None,
    ) -> Iterable[tuple[int, dict[int, Result]]]:
        """Digest of the ground truth and `function` of each class, image by image, in order.

        Raises:
            DataError: a map is missing, unusable, or of another size; the error names it.
        """

        def work(image: AlignedImage) -> tuple[int, dict[int, Result]]:
            return image.digest, {one.index: function(one) for one in self._classes(image)}

        return self._images.map(work, workers, progress)

    def _classes(self, image: AlignedImage) -> Iterable[ClassPixels]:
        references = self._reference.read(image.image_id, [*image.activations])
        valid = image.truth != 255
        truth = image.truth[valid]
        for index, tested in image.activations.items():
            reference = references[index]
            check_size(reference, image.truth, image.image_id, f"reference map of class {index}")
            yield ClassPixels(index, reference[valid], tested[valid], truth == index + 1)
