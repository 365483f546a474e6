"""What attribution maps are made by; no torch here.

Attribution maps say of every pixel how much a classifier's score of a class depends on it. Maruf,
Daw, Dutta, Bu & Karpatne, "Beyond Discriminative Regions: Saliency Maps as Alternatives to CAMs for
Weakly Supervised Semantic Segmentation", arXiv:2308.11052, propose them in place of class
activation maps, merged over random crops. How exactly was not to be had: which attributions, how
they are reduced to one channel, and everything about crops is this project's own definition.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, get_args

from wsss_assets.errors import UnknownNameError, UsageError
from wsss_assets.models.architecture import IMAGENET

if TYPE_CHECKING:
    from collections.abc import Callable

    from wsss_assets.models.architecture import Normalisation

__all__ = ["AttributionMethod", "AttributionSettings"]

AttributionMethod: TypeAlias = Literal[
    "gradient", "input_x_gradient", "smoothgrad", "integrated_gradients", "grad_cam"
]

_VERSION = 1
"""Raised whenever a change of ours may change a map."""

_OF_ALL = ("method", "crops", "smoothing", "clipped")
_OF_CROPS = ("size", "normalised", "weighted", "merged")
_OF_METHOD: dict[str, tuple[str, ...]] = {
    "smoothgrad": ("copies", "noise"),
    "integrated_gradients": ("steps",),
    "grad_cam": ("layer",),
}


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


_KINDS: tuple[tuple[tuple[str, ...], Callable[[object], bool], str], ...] = (
    (("method", "merged"), lambda value: isinstance(value, str), "a name"),
    (("copies", "steps", "crops"), _is_whole, "a whole number"),
    (("size",), lambda value: value is None or _is_whole(value), "a whole number, or none"),
    (
        ("noise", "smoothing"),
        lambda value: isinstance(value, float) or _is_whole(value),
        "a number",
    ),
    (("layer",), lambda value: value is None or isinstance(value, str), "a name, or none"),
    (
        ("normalised", "weighted", "clipped"),
        lambda value: isinstance(value, bool),
        "true or false",
    ),
)
"""Fields, what their values must be, and that in words."""


@dataclass(frozen=True, kw_only=True)
class AttributionSettings:
    """How attribution maps are made; this project's own definition.

    Attributes:
        method: which attribution; see `wsss_assets.models.attribution`.
        copies: of the photo with noise, for `smoothgrad`.
        noise: its standard deviation, in ranges (maximum less minimum) of the normalised photo.
        steps: from zeros to the photo, for `integrated_gradients`.
        layer: for `grad_cam`, the module whose output is the last feature map, such as `layer4`;
            None: that of this package's networks, or the last module that gives a map.
        crops: windows of the photo that are merged, the whole photo first among them; 0 and 1:
            the whole photo alone.
        size: side of the square that every window is made before the classifier is shown it,
            the whole photo too: the classifier's training size. None: the photo as it is.
        normalised: divide each crop's map by its own maximum before merging.
        weighted: let each crop count by the sigmoid of its score.
        merged: `mean` over the windows that cover a pixel, or their `maximum`.
        smoothing: standard deviation of a Gaussian over the merged map, in pixels of the photo;
            0: none.
        clipped: cut the map off at its 99th percentile before it is divided by its maximum.
        normalisation: what the classifier was trained with.

    Raises:
        UnknownNameError: there is no such method.
        UsageError: a value is of another kind, a number is out of its range, or settings contradict
            each other.
    """

    method: AttributionMethod
    copies: int = 16
    noise: float = 0.15
    steps: int = 32
    layer: str | None = None
    crops: int = 0
    size: int | None = None
    normalised: bool = False
    weighted: bool = False
    merged: Literal["mean", "maximum"] = "mean"
    smoothing: float = 0.0
    clipped: bool = False
    normalisation: Normalisation = IMAGENET

    def __post_init__(self) -> None:
        self._check_kinds()
        if self.method not in get_args(AttributionMethod):
            raise UnknownNameError("attribution", self.method, get_args(AttributionMethod))
        if self.merged not in {"mean", "maximum"}:
            raise UnknownNameError("way to merge crops", self.merged, ("mean", "maximum"))
        for name, least in (("copies", 1), ("steps", 1), ("crops", 0), ("size", 1)):
            value = getattr(self, name)
            if value is not None and value < least:
                raise UsageError(
                    f"too small a number of {name}", expected=f"{least} or more", found=f"{value}"
                )
        for name in ("noise", "smoothing"):
            if not 0 <= getattr(self, name) < float("inf"):
                raise UsageError(
                    f"{name} is a standard deviation",
                    expected="0 or more",
                    found=f"{getattr(self, name)}",
                )
        if self.crops > 1 and self.size is None:
            raise UsageError(
                "at which size the classifier is shown crops is not said",
                expected="the size at which it was trained",
                hint="give a size, such as 448 for the ResNet-38 networks",
            )
        if self.weighted and self.merged == "maximum":
            raise UsageError(
                "weights make no sense for a maximum", hint="merge by mean, or leave them out"
            )

    def _check_kinds(self) -> None:
        """Refuse what is no number, no text or neither true nor false."""
        for names, fits, expected in _KINDS:
            for name in names:
                value = getattr(self, name)
                if not fits(value):
                    raise UsageError(
                        f"the attribution setting {name} makes no sense",
                        expected=expected,
                        found=repr(value),
                    )

    def settings(self) -> dict[str, Any]:
        """What decides a map besides classifier and weights; JSON types only."""
        names = [*_OF_ALL, *_OF_METHOD.get(self.method, ()), *_OF_CROPS]
        return {
            "version": _VERSION,
            "definition": "this project's own, not that of arXiv:2308.11052",
            **{name: getattr(self, name) for name in names},
            "normalisation": asdict(self.normalisation),
        }
