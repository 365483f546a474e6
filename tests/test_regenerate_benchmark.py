"""The script that remakes the map sets of a benchmark, one after the other."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from wsss_assets.catalog.catalog import get_weights, list_map_sets
from wsss_assets.regenerate.weights_cache import kept_at

if TYPE_CHECKING:
    from collections.abc import Mapping

ROOT = Path(__file__).parent.parent
SCRIPT = ROOT / "scripts" / "regenerate_benchmark"
WITHOUT_NETWORK = "import sys, socket; socket.socket.connect = sys.modules['torch'] = None"

FAKE = """
import sys
arguments = sys.argv[1:]
given = dict(zip(arguments[::2], arguments[1::2]))
with open(sys.argv[0] + ".log", "a") as log:
    print(*arguments, file=log)
sys.exit(given["--model"] == "cam")
"""


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WSSS_ASSETS_CACHE", str(tmp_path / "cache"))


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the script, in a process that has neither torch nor the network."""
    program = (
        f"{WITHOUT_NETWORK}; import runpy; sys.argv = {[str(SCRIPT), *arguments]!r}; "
        "runpy.run_path(sys.argv[0], run_name='__main__')"
    )
    return subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        encoding="utf-8",
        check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8"},
    )


def rows(text: str) -> Mapping[str, list[str]]:
    """Words of the table's lines by map set."""
    words = (line.split() for line in text.splitlines())
    lines = [line for line in words if line[0].count("/") == 2]
    found = {line[0]: line[1:] for line in lines}
    assert len(found) == len(lines)
    return found


@pytest.mark.parametrize("benchmark", ["voc2012", "coco2014"])
def test_the_plan_has_every_map_set_once(benchmark: str) -> None:
    result = run(benchmark, "photos", "maps", "--dry-run")
    assert (result.returncode, result.stderr) == (0, "")
    sets = [one for one in list_map_sets() if one.benchmark == benchmark and one.regeneration]
    known = {one.id for one in sets if one.regeneration and one.regeneration.model}
    assert set(rows(result.stdout)) == known
    assert any("/activation/" in one for one in known)
    assert f"of these {len(known)} can be remade now" in result.stdout


def test_the_plan_says_where_weights_are() -> None:
    path = kept_at(get_weights("vst"))
    path.parent.mkdir(parents=True)
    path.write_bytes(b"weights")
    text = run("voc2012", "photos", "maps", "--dry-run").stdout
    found = rows(text)
    for name, words in {
        "saliency/vst_duts": "vst vst here 10,582 10,582",
        "saliency/pfan_duts": "pfan pfan_port fetchable 10,582 10,582",
        "saliency/vst_coco": "vst – none published 10,582 10,582",
        "saliency/sal_eps": "pfan – not known which 10,582 10,582",
        "saliency/move": "move move by a person 10,582 10,582",
        "activation/eps_sal_eps": "eps eps_voc fetchable 10,582 10,582 or more",
        "activation/oaa": "oaa – none that oaa loads 10,582 10,582 or more",
    }.items():
        assert found[f"voc2012/{name}"] == words.split()
    missing = [line for line in text.splitlines() if line.startswith("missing: ")]
    assert [line.split()[1] for line in missing] == ["edam,", "deepusps,", "dss_port,", "move,"]
    assert str(kept_at(get_weights("move"))) in missing[-1]
    assert not Path("maps").exists()


def test_what_can_be_remade_is_run_and_failures_are_named(tmp_path: Path) -> None:
    fake = tmp_path / "fake.py"
    fake.write_text(FAKE)
    program = f"'{sys.executable}' '{fake}'"
    result = run("voc2012", "photos", "maps", "--split=train", f"--with={program}")
    assert result.returncode == 1
    log = fake.with_name("fake.py.log").read_text().splitlines()
    assert len(log) == 7
    assert log[0] == (
        "--model cam --weights cam_wsss_bed --images photos --benchmark voc2012 --split train "
        f"--out {Path('maps/voc2012/activation/cam')}"
    )
    names = ("activation/edam", "saliency/deepusps", "saliency/dss_msra", "saliency/move")
    bad = ", ".join(f"voc2012/{name}" for name in (*names, "activation/cam"))
    assert result.stderr == f"not made: {bad}\n"
