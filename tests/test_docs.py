"""The documentation says what the code does: commands, files, names, fields."""

from __future__ import annotations

import builtins
import dataclasses
import doctest
import importlib
import pkgutil
import re
import shlex
import symtable
from pathlib import Path

import click
import pytest

import wsss_assets
from wsss_assets.cli import main
from wsss_assets.devkit.ground_truth import RULES
from wsss_assets.evaluation.dialects import DIALECTS
from wsss_assets.evaluation.scores import ClassScores, Scores
from wsss_assets.labels.recipes import METHODS, RECIPES

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def read(name: str) -> str:
    return (ROOT / name).read_text("utf-8")


def commands(group: click.Group, *names: str) -> dict[str, click.Command]:
    found: dict[str, click.Command] = {}
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            found |= commands(command, *names, name)
        else:
            found[" ".join((*names, name))] = command
    return found


def command_lines() -> list[str]:
    return [
        line
        for page in PAGES
        for block in re.findall(r"```sh\n(.*?)```", page.read_text("utf-8"), re.DOTALL)
        for line in block.splitlines()
        if line.startswith("wsss-assets ")
    ]


def test_every_command_is_documented() -> None:
    page = read("docs/commands.md")
    for name in commands(main):
        assert f"`{name}`" in page, name


@pytest.mark.parametrize("line", command_lines())
def test_command_lines_parse(line: str) -> None:
    words = shlex.split(line)[1:]
    command: click.Command = main
    context = click.Context(main)
    while isinstance(command, click.Group):
        command = command.commands[words.pop(0)]
    command.make_context(command.name, words, parent=context)


def python_blocks() -> list[tuple[str, str]]:
    return [
        (page.name, block)
        for page in PAGES
        for block in re.findall(r"```python\n(.*?)```", page.read_text("utf-8"), re.DOTALL)
    ]


def undefined_names(block: str) -> set[str]:
    """Names that a block uses and nothing in it defines."""
    tables = [symtable.symtable(block, "block", "exec")]
    known = {one.get_name() for one in tables[0].get_symbols() if one.is_assigned()}
    known |= {one.get_name() for one in tables[0].get_symbols() if one.is_imported()}
    used: set[str] = set()
    while tables:
        table = tables.pop()
        tables += table.get_children()
        used |= {one.get_name() for one in table.get_symbols() if one.is_global()}
        if table.get_type() == "module":
            used |= {one.get_name() for one in table.get_symbols()}
    return used - known - set(dir(builtins))


@pytest.mark.parametrize(("page", "block"), python_blocks())
def test_python_blocks_define_what_they_use(page: str, block: str) -> None:
    assert undefined_names(block) == set(), page


def test_a_name_that_nothing_defines_is_found() -> None:
    assert undefined_names("for a in b: print([c for c in a], d, len)") == {"b", "d"}
    assert undefined_names("import x\ny = [x.z(w) for w in x]\ny.v") == set()


def test_python_blocks_import_what_is_there() -> None:
    pytest.importorskip("torch")
    lines = [
        line
        for _, block in python_blocks()
        for line in block.splitlines()
        if line.startswith("from wsss_assets")
    ]
    assert len(lines) >= 10
    exec("\n".join(lines), {})  # noqa: S102 (our own)


def test_the_readme_has_command_lines() -> None:
    assert len(command_lines()) >= 5


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", page.read_text("utf-8")):
        if "://" not in target:
            assert (page.parent / target).exists(), target


def test_exit_codes_of_the_page_are_those_of_the_help() -> None:
    page = dict(re.findall(r"^\| (\d+) \| (.+?) \|$", read("docs/commands.md"), re.MULTILINE))
    shown = dict(re.findall(r"^  (\d+)  ([^;\n]+)", main.epilog or "", re.MULTILINE))
    assert page == shown


def test_every_recipe_method_dialect_and_rule_is_documented() -> None:
    for page, names in (
        ("docs/recipes.md", [*RECIPES, *METHODS]),
        ("docs/evaluation.md", [name for name in DIALECTS if name != "wsss-assets"]),
        ("docs/benchmarks.md", RULES),
    ):
        for name in names:
            assert f"`{name}`" in read(page), (page, name)


def test_every_json_field_is_documented() -> None:
    page = read("docs/evaluation.md")
    for kind in (Scores, ClassScores):
        for field in dataclasses.fields(kind):
            assert f"`{field.name}`" in page, field.name


def test_the_architecture_names_every_package() -> None:
    page = read("docs/architecture.md")
    for path in sorted((ROOT / "wsss_assets").iterdir()):
        if path.suffix in {"", ".py"} and not path.name.startswith("__"):
            assert path.stem in page, path.name


def test_examples_in_docstrings_run() -> None:
    tried = 0
    for found in pkgutil.walk_packages(wsss_assets.__path__, "wsss_assets."):
        if found.name != "wsss_assets.__main__":
            try:
                module = importlib.import_module(found.name)
            except ModuleNotFoundError as error:
                if error.name != "torch":  # the one optional package that modules import
                    raise
                continue
            outcome = doctest.testmod(module)
            assert outcome.failed == 0, found.name
            tried += outcome.attempted
    assert tried >= 5
