"""Recipes: the published rules that turn maps into a pseudo-label, as data.

Every rule in use has the same skeleton. A background score comes from the saliency map or is a
constant; class scores below the activation threshold tau are dropped; the strongest score
wins, the background on a tie with a class and the lower class index among classes; then some
pixels become 255. Recipes differ in the figures and in which of these steps they have, so a
recipe is a value, and `wsss_assets.labels.differences` says in words how two differ.

Maps are 8-bit. A byte `b` stands for `float32(b) / float32(255)` and thresholds are compared
as float32: saliency 51 is *not* above 0.2, activation 51 is *not* below it.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, replace
from typing import Literal

from wsss_assets.errors import UnknownNameError, UsageError

__all__ = [
    "METHODS",
    "RECIPES",
    "Recipe",
    "get_recipe",
    "level_text",
    "list_recipes",
]


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """A rule that turns one saliency map and the class activation maps into a label map.

    Attributes:
        name: how commands call it.
        paper: who published it.
        background: `saliency`: the background score is one minus the saliency; `constant`: it
            is tau, and the saliency map is not used.
        tau: activation threshold, 0..1. With saliency a class score strictly below it becomes
            0; without, a class must be strictly above it.
        saliency_threshold: saliency strictly above it counts as 1, other as 0; with a value
            <= 0 the saliency keeps its grey values.
        cut_background: the background score, too, becomes 0 where it is below tau.
        normalize: each activation map is stretched to 0..1 by its own minimum and maximum.
        override_above: a class score strictly above it wins whatever the saliency says.
        ignore: salient pixels that no class claims become 255.
        ignore_saliency: what "salient" means there; None: `saliency_threshold`.
        ignore_activation: pixels with a class score strictly above it count as salient, too.
        conflict_above: pixels where at least `conflict_channels` of the scores, background
            included, are strictly above it become 255.
        conflict_channels: see `conflict_above`.
        minimum_foreground: an image with a smaller share of class pixels becomes 255 as a whole.
        note: what a reader should know about where the figures come from.
    """

    name: str
    paper: str
    background: Literal["saliency", "constant"] = "saliency"
    tau: float
    saliency_threshold: float = 0.2
    cut_background: bool = False
    normalize: bool = False
    override_above: float | None = None
    ignore: bool = False
    ignore_saliency: float | None = None
    ignore_activation: float | None = None
    conflict_above: float | None = None
    conflict_channels: int = 2
    minimum_foreground: float = 0.0
    note: str = ""

    def __post_init__(self) -> None:
        if not 0 <= self.tau <= 1:
            raise UsageError(f"tau is {self.tau}", expected="a number from 0 to 1")
        if math.isnan(self.saliency_threshold) or self.saliency_threshold > 1:
            raise UsageError(
                f"the saliency threshold is {self.saliency_threshold}",
                expected="a number up to 1 (0 or less keeps the saliency soft)",
            )
        if self.ignore and self.background == "constant":
            raise UsageError(
                "without saliency no pixel is salient, so none can be ignored",
                hint="leave out --ignore, or use saliency maps",
            )

    @property
    def uses_saliency(self) -> bool:
        """Whether the recipe reads the saliency map."""
        return self.background == "saliency"

    @property
    def saliency_above_ignored(self) -> float:
        """The saliency above which an unclaimed pixel is ignored."""
        return self.saliency_threshold if self.ignore_saliency is None else self.ignore_saliency

    def changed(
        self,
        *,
        tau: float | None = None,
        saliency_threshold: float | None = None,
        ignore: bool | None = None,
        saliency: bool | None = None,
    ) -> Recipe:
        """The same recipe with other settings; None keeps a setting.

        Args:
            tau: new activation threshold.
            saliency_threshold: new saliency threshold.
            ignore: whether unclaimed salient pixels become 255.
            saliency: False: do without saliency (constant background, nothing ignored).

        Raises:
            UsageError: the settings contradict each other or are out of range.
        """
        recipe = self
        if saliency is False:
            recipe = replace(recipe, background="constant", ignore=False)
        elif saliency is True:
            recipe = replace(recipe, background="saliency")
        if saliency_threshold is not None:
            if not recipe.uses_saliency:
                raise UsageError(
                    f"recipe {self.name} without saliency has no saliency threshold",
                    hint="leave out --saliency-threshold",
                )
            recipe = replace(recipe, saliency_threshold=float(saliency_threshold))
        if ignore is not None:
            recipe = replace(recipe, ignore=ignore)
        if tau is not None:
            recipe = replace(recipe, tau=float(tau))
        return recipe

    def settings(self) -> dict[str, object]:
        """The fields that decide the label, for stamps and JSON."""
        values = asdict(self)
        return {name: values[name] for name in values if name not in {"paper", "note"}}

    def describe(self) -> str:
        """The rule in one line, e.g. `wsss-bed: saliency > 0.2, tau 0.1, ignore`."""
        parts = []
        if not self.uses_saliency:
            parts.append("no saliency")
        elif self.saliency_threshold <= 0:
            parts.append("soft saliency")
        else:
            parts.append(f"saliency > {level_text(self.saliency_threshold)}")
        parts.append(f"tau {self.tau:.4g}")
        parts.append("ignore" if self.ignore else "no ignore")
        return f"{self.name}: {', '.join(parts)}"


WSSS_BED = Recipe(
    name="wsss-bed",
    paper="WSSS-BED, arXiv 2404.00918",
    tau=0.0,
    note="Bit-equal to run.py of clovaai/WSSS-BED; tau, saliency threshold and ignore are its "
    "options, with its defaults.",
)

OAA = Recipe(
    name="oaa",
    paper="OAA, ICCV 2019",
    tau=0.3,
    saliency_threshold=0.0,
    cut_background=True,
    normalize=True,
    ignore=True,
    ignore_saliency=31 / 255,
    ignore_activation=0.8,
    conflict_above=0.9,
    conflict_channels=2,
    minimum_foreground=0.01,
    note="The authors skip an image without a saliency map silently; here it is reported.",
)

RECIPES: dict[str, Recipe] = {
    recipe.name: recipe
    for recipe in (
        WSSS_BED,
        OAA,
        replace(
            OAA,
            name="mcis",
            paper="MCIS, ECCV 2020, arXiv 2007.01947",
            ignore_activation=0.95,
            conflict_above=0.99,
            note="As OAA but for two figures, which the authors' code has; its comments say "
            "0.9 and 0.95, and 0.2 for tau.",
        ),
        Recipe(
            name="drs",
            paper="DRS, AAAI 2021, arXiv 2103.07246",
            tau=0.2,
            saliency_threshold=50 / 255,
            ignore=True,
            conflict_above=0.9,
            conflict_channels=3,
        ),
        Recipe(
            name="edam",
            paper="EDAM, CVPR 2021",
            tau=1e-6,
            saliency_threshold=20 / 255,
            override_above=0.99999,
            note="Applied inside the authors' evaluator. Their theta of 0.2 is multiplied by 100, "
            "not 255. That a score above 0.99999 beats even a non-salient background is our "
            "reading of their figures.",
        ),
        Recipe(
            name="l2g",
            paper="L2G, CVPR 2022, arXiv 2204.03206",
            background="constant",
            tau=0.25,
            note="The authors sweep 0.1 to 0.3 on VOC.",
        ),
        Recipe(
            name="irn",
            paper="IRN, CVPR 2019, arXiv 1904.05044",
            background="constant",
            tau=0.15,
            note="Also SEAM's and AMN's rule (AMN: tau 0.25); SEAM sweeps the constant.",
        ),
    )
}
"""Published recipes by name."""

METHODS: dict[str, Recipe] = {
    "cam": WSSS_BED.changed(tau=0.1, ignore=True),
    "oaa": WSSS_BED.changed(tau=0.3, ignore=True),
    "mcis": WSSS_BED.changed(tau=0.5, ignore=True),
    "drs": WSSS_BED.changed(tau=0.5, ignore=True),
    "edam": WSSS_BED.changed(tau=0.5, ignore=True),
    "eps": WSSS_BED.changed(tau=0.2, saliency=False),
    "l2g": WSSS_BED.changed(tau=0.3, saliency=False),
}
"""WSSS-BED's settings of its own recipe for each method's maps."""


def list_recipes() -> tuple[str, ...]:
    """Names of all recipes, in the order of the documentation."""
    return tuple(RECIPES)


def get_recipe(name: str | None = None, *, method: str | None = None) -> Recipe:
    """A published recipe, or WSSS-BED's settings for a method's maps.

    Args:
        name: one of `list_recipes()`; None: `wsss-bed`.
        method: one of `cam`, `oaa`, `mcis`, `drs`, `edam`, `eps`, `l2g`: the recipe `wsss-bed`
            with the settings that WSSS-BED uses for this method.

    Raises:
        UnknownNameError: no such recipe or method.
        UsageError: a method together with another recipe than `wsss-bed`.
    """
    if method is None:
        name = name or WSSS_BED.name
        if name in METHODS and name not in RECIPES:
            raise UsageError(
                f"{name} is a method, not a recipe",
                hint=f"--method {name} (in Python: get_recipe(method={name!r})) is recipe "
                f"{WSSS_BED.name} with the settings for its maps",
            )
        if name not in RECIPES:
            raise UnknownNameError("recipe", name, RECIPES)
        return RECIPES[name]
    if name not in {None, WSSS_BED.name}:
        raise UsageError(
            f"recipe {name} and method {method} contradict each other",
            expected="one of them",
            hint="--method NAME is recipe wsss-bed with the settings for that method's maps",
        )
    if method not in METHODS:
        raise UnknownNameError("method", method, METHODS)
    return METHODS[method]


def level_text(value: float) -> str:
    """A threshold as people write it: `0.2`, or `50/255` where it is a byte."""
    byte, text = value * 255, f"{value:g}"
    is_byte = abs(byte - round(byte)) < 1e-9 and byte >= 1
    return f"{byte:.0f}/255" if is_byte and len(text) > len("0.25") else text
