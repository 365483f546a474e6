"""Names: which map sets there are, what else they are called, what is said of those missing.

The directory is the registry: `manifests/map_sets/<benchmark>/<kind>/<name>.json` is the record
of `<benchmark>/<kind>/<name>`. Nothing is opened here, so that a shell can complete names.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files

from wsss_assets.errors import UnknownNameError, UsageError
from wsss_assets.words import did_you_mean, near, some_of

__all__ = [
    "find_name",
    "is_full_name",
    "is_place",
    "map_set_names",
    "near_names",
    "no_map_set",
    "read_file",
    "resolve_name",
    "stems",
    "weights_names",
]

_FOLDER = ("manifests", "map_sets")
_KINDS = ("activation", "saliency")
_PREFIXES = {"coco": "coco2014"}
"""Prefixes of WSSS-BED's names that are no benchmark of that name."""

_USUAL_BENCHMARK = "voc2012"
"""What a last part alone is read as a part of, as everywhere else."""

_MOST_SHOWN = 4


@cache
def stems(*folder: str) -> tuple[str, ...]:
    """Names in a folder of this package without their endings, sorted."""
    place = files("wsss_assets.catalog").joinpath("/".join(folder))
    names = (one.name.partition(".")[0] for one in place.iterdir())
    return tuple(sorted(name for name in names if name))  # less what desktops leave behind


def read_file(*path: str) -> str:
    """The text of a file of this package."""
    return files("wsss_assets.catalog").joinpath("/".join(path)).read_text("utf-8")


@cache
def map_set_names() -> tuple[str, ...]:
    """Ids of all map sets of the catalogue, sorted."""
    return tuple(
        f"{benchmark}/{kind}/{name}"
        for benchmark in stems(*_FOLDER)
        for kind in stems(*_FOLDER, benchmark)
        for name in stems(*_FOLDER, benchmark, kind)
    )


def weights_names() -> tuple[str, ...]:
    """Ids of all published weights of the catalogue, sorted."""
    return stems("manifests", "weights")


def resolve_name(name: str) -> str:
    """The id of a map set, from its id, WSSS-BED's name of it or, on VOC, the last part of it.

    >>> resolve_name("COCO_EPS_VST_DUTS"), resolve_name("vst_duts")
    ('coco2014/activation/eps_vst_duts', 'voc2012/saliency/vst_duts')

    Raises:
        UnknownNameError: there is none; the error says which there are instead.
    """
    usual = [f"{_USUAL_BENCHMARK}/{kind}/{name.strip().lower()}" for kind in _KINDS]
    for reading in (*_readings(name), *usual):
        if reading in map_set_names():
            return reading
    raise _several(usual[0]) or no_map_set(name)


def find_name(name: str, *, benchmark: str, kind: str, saliency: str | None = None) -> str:
    """The id of a map set of a benchmark, from the last part of it, the whole of it, or
    WSSS-BED's name.

    >>> find_name("eps", benchmark="voc2012", kind="activation", saliency="vst_duts")
    'voc2012/activation/eps_vst_duts'

    Args:
        name: e.g. `vst_duts`, `cam`, `eps_move`, `VOC2012_CAM`.
        benchmark: name of the benchmark.
        kind: `saliency` or `activation`.
        saliency: the saliency maps to be used, which choose among the sets of a method that is
            trained with saliency maps; other methods do not mind.

    Raises:
        UnknownNameError: there is no such map set.
        UsageError: it is of another benchmark or kind.
    """  # noqa: D205
    wanted = f"{benchmark}/{kind}/{name.strip().lower()}"
    readings = _readings(name)
    for one in (wanted, *readings):
        if one in map_set_names():
            _check_folder(one, benchmark, kind)
            return one
    missing = next(iter(readings), wanted)
    if saliency is None or not _variants(missing):
        raise no_map_set(missing)
    chosen = find_name(saliency, benchmark=benchmark, kind="saliency")
    return resolve_name(f"{missing}_{chosen.rpartition('/')[2]}")


def is_full_name(name: str) -> bool:
    """Whether a name says of which benchmark it is, whether or not there is such a map set."""
    return bool(_readings(name))


def is_place(text: str) -> bool:
    """Whether a text means a folder, file or address of one's own maps, and not a map set.

    A name never means a folder that happens to be called so: write `./name` for that.

    >>> is_place("maps/vst_duts"), is_place("voc2012/saliency/vst_duts"), is_place("vst_duts")
    (True, False, False)
    """
    parts = text.split("/")
    if len(parts) == 3 and parts[1] in _KINDS and parts[0] not in {"", ".", "..", "~"}:
        return False
    return (
        len(parts) > 1 or "\\" in text or text in {".", "..", "~"} or text.lower().endswith(".zip")
    )


def near_names(text: str, *, benchmark: str, kind: str) -> list[str]:
    """Last parts of map sets of a benchmark that look like a text, or like the end of a path.

    >>> near_names("maps/vst_dutss", benchmark="voc2012", kind="saliency")
    ['vst_duts', 'dss_duts']
    """
    folder = f"{benchmark}/{kind}/"
    shorts = [one.rpartition("/")[2] for one in map_set_names() if one.startswith(folder)]
    return near(text.strip().lower().rpartition("/")[2], shorts)


def no_map_set(name: str) -> UnknownNameError:
    """The error that says of a name that there is no such map set, and which there are."""
    for reading in _readings(name):
        error = _several(reading) or _hole(reading)
        if error is not None:
            return error
    close = _namesakes(name) or _close(name)
    return UnknownNameError.saying(
        f"no map set is called {name!r}",
        expected=f"one of the {len(map_set_names())} that 'wsss-assets list' shows",
        hint=did_you_mean(close),
    )


def _several(reading: str) -> UnknownNameError | None:
    """The error for a method that has a map set for each set of saliency maps."""
    folder = reading.rpartition("/")[0]
    here = [one for one in _variants(reading) if one.startswith(f"{folder}/")]
    if not here:
        return None
    return UnknownNameError.saying(
        f"{reading} is {len(here)} map sets: one for each set of saliency maps that the method was "
        "trained with",
        expected=_shortened(here),
    )


def _hole(reading: str) -> UnknownNameError | None:
    """The error for maps that were published for another benchmark only."""
    folder, _, short = reading.rpartition("/")
    known = map_set_names()
    elsewhere = [one for one in known if _kind_and_name(one) == _kind_and_name(reading)]
    if not elsewhere or folder.partition("/")[0] not in stems(*_FOLDER):
        return None
    family = f"{folder}/{short.partition('_')[0]}_"
    siblings = [one for one in known if one.startswith(family)]
    here = f", and here {_shortened(siblings)}" if siblings else ""
    return UnknownNameError.saying(
        f"WSSS-BED published no {reading}", hint=f"there is {', '.join(elsewhere)}{here}"
    )


def _readings(name: str) -> list[str]:
    """The ids that a name may stand for, whether or not there are such map sets."""
    lower = name.strip().lower()
    if "/" in lower:
        return [lower]
    prefix, _, short = lower.partition("_")
    benchmark = _PREFIXES.get(prefix, prefix)
    if not short or benchmark not in stems(*_FOLDER):
        return []
    return [f"{benchmark}/{kind}/{short}" for kind in _KINDS]


def _check_folder(found: str, benchmark: str, kind: str) -> None:
    if not found.startswith(f"{benchmark}/{kind}/"):
        raise UsageError(
            f"{found} is not what is asked for", expected=f"{kind} maps of {benchmark}"
        )


def _variants(reading: str) -> list[str]:
    """The sets of a method that is trained with saliency maps, on any benchmark."""
    kind, short = _kind_and_name(reading)
    shorts = {_kind_and_name(one)[1] for one in map_set_names() if f"/{kind}/" in one}
    if kind != "activation" or short in shorts:
        return []
    return [one for one in map_set_names() if f"/{kind}/{short}_" in one]


def _kind_and_name(reading: str) -> tuple[str, str]:
    _, _, rest = reading.partition("/")
    kind, _, short = rest.partition("/")
    return kind, short


def _namesakes(name: str) -> list[str]:
    """Map sets of the same last part, whatever benchmark and kind was said."""
    shorts = {name.strip().lower(), *(_kind_and_name(one)[1] for one in _readings(name))}
    return [one for one in map_set_names() if _kind_and_name(one)[1] in shorts][:_MOST_SHOWN]


def _close(name: str) -> list[str]:
    """Map sets whose id, or else whose last part, looks like the name."""
    readings = _readings(name)
    if readings:
        found = [near(one, map_set_names()) for one in readings]
        return list(dict.fromkeys(one for matches in found for one in matches))
    shorts = sorted({_kind_and_name(one)[1] for one in map_set_names()})
    close = near(name.strip().lower(), shorts)
    return [one for one in map_set_names() if _kind_and_name(one)[1] in close][:_MOST_SHOWN]


def _shortened(names: list[str]) -> str:
    """The last parts of the first names, and how many more there are."""
    shorts = [one.rpartition("/")[2] for one in names]
    return some_of(shorts, _MOST_SHOWN)
