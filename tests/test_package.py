from __future__ import annotations

import importlib
import importlib.metadata
import inspect
import json
import pkgutil
import subprocess
import sys

import click
import pytest

import wsss_assets
from wsss_assets.cli import main

HEAVY = {"torch", "datasets", "pydantic", "huggingface_hub", "numpy", "PIL"}
PUBLIC = {
    "Benchmark",
    "ErrorAnatomy",
    "Evaluator",
    "MapSet",
    "Recipe",
    "RegionScores",
    "SaliencyEvaluator",
    "SaliencyScores",
    "Scores",
    "ThresholdAnalysis",
    "WsssAssetsError",
    "__version__",
    "analyse_errors",
    "analyse_regions",
    "analyse_thresholds",
    "benchmark_grid",
    "compare_labels",
    "compare_maps",
    "download",
    "evaluate",
    "evaluate_saliency",
    "get_benchmark",
    "get_map_set",
    "get_recipe",
    "list_benchmarks",
    "list_map_sets",
    "list_recipes",
    "load_dataset",
    "make_label",
    "pseudo_label",
    "sweep",
    "sweep_surface",
    "write_report",
}
MODULES = sorted(
    ["wsss_assets"]
    + [
        module.name
        for module in pkgutil.walk_packages(wsss_assets.__path__, "wsss_assets.")
        if not module.name.endswith("__main__")
    ]
)


def walk(command: click.Command, *names: str) -> dict[tuple[str, ...], click.Command]:
    """Every command by the words that call it, groups included."""
    found = {names: command}
    if isinstance(command, click.Group):
        for name, one in command.commands.items():
            found.update(walk(one, *names, name))
    return found


COMMANDS = walk(main)
LEAVES = [names for names, one in COMMANDS.items() if not isinstance(one, click.Group)]


def imported_by(program: str, *arguments: str) -> set[str]:
    """Heavy packages that a fresh interpreter has loaded after a program."""
    report = "\nimport json, sys\nprint(json.dumps(sorted(sys.modules)), file=sys.stderr)"
    result = subprocess.run(
        [sys.executable, "-c", program + report, *arguments],
        capture_output=True,
        text=True,
        check=True,
    )
    return HEAVY & set(json.loads(result.stderr.splitlines()[-1]))


def test_all_is_exact() -> None:
    assert set(wsss_assets.__all__) == PUBLIC
    assert wsss_assets.__all__ == sorted(wsss_assets.__all__)
    assert set(dir(wsss_assets)) >= PUBLIC


@pytest.mark.parametrize("name", sorted(PUBLIC - {"__version__"}))
def test_public_names_are_the_objects_of_their_modules(name: str) -> None:
    value = getattr(wsss_assets, name)
    home = importlib.import_module(value.__module__)
    assert home.__name__.startswith("wsss_assets.")
    assert getattr(home, name) is value
    assert name in home.__all__
    assert value.__doc__


def test_star_import_gives_all_of_them() -> None:
    names: dict[str, object] = {}
    exec("from wsss_assets import *", names)  # noqa: S102
    assert names.keys() >= PUBLIC


def test_unknown_attribute() -> None:
    with pytest.raises(AttributeError, match="module 'wsss_assets' has no attribute 'evaluat'"):
        getattr(wsss_assets, "evaluat")  # noqa: B009
    with pytest.raises(ImportError, match="cannot import name 'evaluat'"):
        exec("from wsss_assets import evaluat")  # noqa: S102


def test_version_is_that_of_the_installed_package() -> None:
    try:
        installed = importlib.metadata.version("wsss-assets")
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("wsss-assets is not installed, it is run from its folder")
    assert wsss_assets.__version__ == installed


def test_the_probe_sees_what_is_loaded() -> None:
    assert imported_by("import wsss_assets.evaluation.evaluate") >= {"numpy", "PIL"}


def test_importing_the_package_loads_nothing_heavy() -> None:
    assert imported_by("import wsss_assets") == set()


def test_help_of_every_command_loads_nothing_heavy() -> None:
    program = """
import runpy, sys
for line in sys.argv[1].splitlines():
    sys.argv = ["wsss-assets", *line.split(), "--help"]
    try:
        runpy.run_module("wsss_assets", run_name="__main__")
    except SystemExit as error:
        assert not error.code, (line, error.code)
    else:
        raise AssertionError(line)
"""
    assert len(COMMANDS) > len(LEAVES) > 5
    assert imported_by(program, "\n".join(" ".join(names) for names in COMMANDS)) == set()


def test_module_can_be_run() -> None:
    result = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "wsss_assets", "--help"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert result.stdout.startswith("Usage: ")
    loaded = {line.rpartition("|")[2].strip() for line in result.stderr.splitlines()}
    assert "click" in loaded
    assert not loaded & HEAVY


@pytest.mark.parametrize("name", MODULES)
def test_every_module_has_a_docstring_and_says_what_is_public(name: str) -> None:
    if name.startswith(("wsss_assets.models.", "wsss_assets.regenerate")):
        pytest.importorskip("torch")
    module = importlib.import_module(name)
    assert (module.__doc__ or "").strip()
    if inspect.getsource(module).strip() == f'"""{module.__doc__}"""':
        return  # the __init__ of a plain folder: nothing but its docstring
    assert list(module.__all__)
    assert len(set(module.__all__)) == len(module.__all__)
    for public in module.__all__:
        assert hasattr(module, public), public


@pytest.mark.parametrize("names", COMMANDS, ids=" ".join)
def test_every_command_and_option_has_help(names: tuple[str, ...]) -> None:
    command = COMMANDS[names]
    assert (command.help or "").strip()
    assert not command.deprecated
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            assert (parameter.help or "").strip(), parameter.opts
            assert not parameter.hidden


@pytest.mark.parametrize("names", LEAVES, ids=" ".join)
def test_every_command_shows_an_example_of_itself(names: tuple[str, ...]) -> None:
    with click.Context(COMMANDS[names], info_name=" ".join(names)) as context:
        text = COMMANDS[names].get_help(context)
    _, _, example = text.partition("Example")
    first = example.partition("\n")[2].splitlines()[0].split()
    assert first[: len(names) + 1] == ["wsss-assets", *names]
