"""What numbers mean nothing without, in one line."""

from __future__ import annotations

from wsss_assets.words import counted

__all__ = ["provenance_line"]


def provenance_line(
    benchmark: str,
    split: str | None,
    images: int,
    ground_truth_digest: str | None,
    *,
    ignored: str | None = None,
    synthetic: bool = False,
    whole: int | None = None,
) -> str:
    """Which images, which masks, under which policy.

    Args:
        benchmark: its name.
        split: its name; None: not named, and then not spoken of.
        images: how many were counted.
        ground_truth_digest: 64 hex digits, of which the first 16 are shown; None: unknown.
        ignored: what a label of 255 counts as; None where that does not matter.
        synthetic: whether the images were drawn by a program.
        whole: how many images the split has, where that is not what was counted.
    """
    digest = ground_truth_digest[:16] if ground_truth_digest else "unknown"
    number = counted(images, "image")
    parts = [
        " ".join(filter(None, (benchmark, split))),
        number if whole is None else f"{number} of {whole:,}",
        f"ground truth {digest}",
    ]
    if ignored:
        parts.append(f"255 counted as: {ignored}")
    if synthetic:
        parts.append("SYNTHETIC: drawn by a program")
    return ", ".join(parts)
