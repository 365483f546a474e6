"""Where two recipes differ, in words."""

from __future__ import annotations

from dataclasses import fields

from wsss_assets.labels.recipes import Recipe, level_text

__all__ = ["differences"]


def differences(first: Recipe, second: Recipe) -> list[str]:
    """In words, one sentence per setting in which two recipes differ."""
    sentences = []
    for field in fields(Recipe):
        if field.name in {"name", "paper", "note"} or _has_no_effect(field.name, first, second):
            continue
        before, after = (_say(recipe, field.name) for recipe in (first, second))
        if before != after:
            sentences.append(
                f"{_SUBJECTS[field.name]}: {first.name} {before}; {second.name} {after}"
            )
    return sentences


_SUBJECTS = {
    "background": "background score",
    "tau": "activation threshold",
    "saliency_threshold": "saliency",
    "cut_background": "cut of the background score",
    "normalize": "stretching of each activation map",
    "override_above": "override of the saliency",
    "ignore": "salient pixels that no class claims",
    "ignore_saliency": "what counts as salient when unclaimed pixels are ignored",
    "ignore_activation": "activation that makes an unclaimed pixel count as salient",
    "conflict_above": "conflict between strong scores",
    "minimum_foreground": "images with hardly any foreground",
    "conflict_channels": "strong scores that make a conflict",
}


def _has_no_effect(field: str, *recipes: Recipe) -> bool:
    """Whether the setting decides nothing in at least one of the recipes."""
    needs_saliency = {"saliency_threshold", "cut_background", "override_above"}
    needs_ignore = {"ignore_saliency", "ignore_activation"}
    return any(
        (field in needs_saliency and not recipe.uses_saliency)
        or (field in needs_ignore and not recipe.ignore)
        or (field == "conflict_channels" and recipe.conflict_above is None)
        for recipe in recipes
    )


def _say(recipe: Recipe, field: str) -> str:
    if field == "background":
        return "one minus the saliency" if recipe.uses_saliency else f"the constant {recipe.tau:g}"
    if field == "tau":
        if recipe.uses_saliency:
            return f"drops scores below {recipe.tau:g}"
        return f"wants scores above {recipe.tau:g}"
    if field == "saliency_threshold":
        if recipe.saliency_threshold <= 0:
            return "keeps its grey values"
        return f"is 1 above {level_text(recipe.saliency_threshold)}, else 0"
    if field == "cut_background":
        return "also 0 below tau" if recipe.cut_background else "none"
    if field == "normalize":
        return "by its own minimum and maximum" if recipe.normalize else "none"
    if field == "override_above":
        return _optional("a class wins with a score above {}", recipe.override_above)
    if field == "ignore":
        return "become 255" if recipe.ignore else "are background"
    if field == "ignore_saliency":
        return f"saliency above {level_text(recipe.saliency_above_ignored)}"
    if field == "ignore_activation":
        return _optional("above {}", recipe.ignore_activation)
    if field == "conflict_above":
        if recipe.conflict_above is None:
            return "is resolved, the strongest wins"
        return f"becomes 255 above {recipe.conflict_above:g}"
    if field == "conflict_channels":
        return f"needs {recipe.conflict_channels} of them"
    if recipe.minimum_foreground == 0:
        return "are kept"
    return f"become 255 as a whole below {recipe.minimum_foreground:.0%}"


def _optional(template: str, value: float | None) -> str:
    return "none" if value is None else template.format(f"{value:g}")
