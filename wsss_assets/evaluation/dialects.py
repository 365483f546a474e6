"""Evaluators in circulation, by name: what each makes of the cases they disagree on.

Given the same integers they differ in three things: what a *predicted* 255 means, whether a
class that occurs nowhere counts as 0 or is left out, and which classes the error rates are
averaged over. The same labels can differ by 15 points of mIoU between two of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

from wsss_assets.errors import UnknownNameError

__all__ = ["DIALECTS", "POLICIES", "Dialect", "Policy", "get_dialect"]

Policy: TypeAlias = Literal["miss", "background", "drop"]
"""What a predicted 255 counts as, where the ground truth is not 255.

`miss`: a miss of the true class and a hit of none; `background`: class 0; `drop`: the pixel is
left out altogether, as if its ground truth were 255.
"""

POLICIES: tuple[Policy, ...] = get_args(Policy)


@dataclass(frozen=True)
class Dialect:
    """One evaluator.

    Attributes:
        name: how commands call it.
        ignored: its policy for a predicted 255; None: the user must choose.
        absent_is_zero: a class without ground truth and predictions has IoU and error rates
            of 0 and counts; otherwise it has none and is left out of the means.
        rates_of_background: error rates are averaged over the background, too.
        used_by: where it is found.
        note: what it does besides, and what is not imitated.
    """

    name: str
    ignored: Policy | None
    absent_is_zero: bool = False
    rates_of_background: bool = True
    used_by: str = ""
    note: str = ""


DIALECTS: dict[str, Dialect] = {
    dialect.name: dialect
    for dialect in (
        Dialect("wsss-assets", None, used_by="this package"),
        Dialect(
            "eps",
            "drop",
            used_by="EPS",
            note="The original also crops the prediction to the size of the ground truth; here "
            "different sizes are an error.",
        ),
        Dialect("l2g", "drop", used_by="L2G", note="As eps."),
        Dialect(
            "irn",
            "background",
            rates_of_background=False,
            used_by="IRN, AMN, ReCAM and others built on chainercv",
        ),
        Dialect(
            "seam",
            "miss",
            absent_is_zero=True,
            rates_of_background=False,
            used_by="SEAM, EDAM",
            note="The original adds 1e-10 to each union and counts in 32 bits, which overflows "
            "at COCO scale; the overflow is not imitated. It gives error rates per class only; "
            "the means are ours.",
        ),
        Dialect(
            "mctformer",
            "miss",
            absent_is_zero=True,
            used_by="MCTformer",
            note="As seam, error rates over all classes.",
        ),
        Dialect("mmseg", "miss", used_by="mmsegmentation, Hugging Face mean_iou"),
    )
}


def get_dialect(name: str) -> Dialect:
    """The evaluator called `name`.

    Raises:
        UnknownNameError: there is none.
    """
    if name.lower() not in DIALECTS:
        raise UnknownNameError("evaluator", name, DIALECTS)
    return DIALECTS[name.lower()]
