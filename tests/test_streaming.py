"""Map sets read from the Hub as they are needed: the same results, and nothing kept."""

from __future__ import annotations

import functools
import io
import json
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import pyarrow.parquet as parquet
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from tests.faults import corrupt, drop, norange, rst, short, status
from tests.map_set_files import (
    CAM,
    REPO,
    SPLIT,
    VST,
    commit_staged,
    draw,
    list_text,
    pinned_records,
    stage,
    tree,
    use_records,
    waiting_is_quick,
    write_maps,
)
from wsss_assets import get_recipe, pseudo_label, sweep
from wsss_assets.cli import main
from wsss_assets.errors import ChecksumError, DataError, FetchError, MissingFileError, UsageError
from wsss_assets.map_sets import packing
from wsss_assets.map_sets.sources import open_map_set
from wsss_assets.map_sets.store import HeldSet
from wsss_assets.ranks import ALONE, Ranks
from wsss_assets.storage import row_groups
from wsss_assets.storage.row_groups import GroupSizes, RowGroups
from wsss_assets.storage.shard_maps import ShardActivations, ShardSaliency
from wsss_assets.storage.shards import write_shards

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from tests.fakehub import FakeHub
    from tests.serving import Fault

Value = TypeVar("Value")

LABELS = {f"{2000 + number // 100}_{number:06d}": (number % 20,) for number in range(1024)}
"""Four row groups of 256 rows: two halves of the list are two groups each."""

IDS = list(LABELS)
SIZE = (2, 3)
KINDS = {"saliency": "vst_duts", "activation": "cam"}
RECIPE = get_recipe(method="cam")
PARQUET = r"\.parquet|/lfs/"


class Drawn:
    """Two sets, packed and as loose files, and masks."""

    def __init__(self, root: Path) -> None:
        tiny = functools.lru_cache(lambda index: draw(f"tiny {index}", SIZE))
        saliency = {one: tiny(number % 97) for number, one in enumerate(IDS)}
        activation = {f"{one}_{known[0]}": tiny(known[0]) for one, known in LABELS.items()}
        with pytest.MonkeyPatch.context() as small:
            # Two row groups of saliency maps fit into a shard.
            small.setattr(packing, "write_shards", functools.partial(write_shards, largest=45_000))
            self.staging = stage(root / "staging", {VST: saliency}, LABELS)
        stage(self.staging, {CAM: activation}, LABELS)
        self.folders = {
            "saliency": write_maps(root / "saliency", saliency),
            "activation": write_maps(root / "activation", activation),
        }
        self.truth = self._masks(root / "masks")

    def _masks(self, folder: Path) -> Path:
        values = [
            np.random.default_rng(seed).choice([0, 1 + seed % 20, 255], SIZE) for seed in range(97)
        ]
        masks = {}
        for number, one in enumerate(IDS):
            buffer = io.BytesIO()
            Image.fromarray(values[number % 97].astype(np.uint8)).save(buffer, "PNG")
            masks[one] = buffer.getvalue()
        return write_maps(folder, masks)

    def swept(self, sources: Any, ids: Sequence[str], ranks: Ranks) -> NDArray[np.int64]:  # noqa: ANN401
        """Confusions of every tau."""
        labels = {one: LABELS[one] for one in ids}
        options: dict[str, Any] = {"recipe": RECIPE, "workers": 2, "ranks": ranks}
        return sweep(labels, ground_truth=self.truth, **sources, **options).confusions

    @functools.cached_property
    def swept_whole(self) -> NDArray[np.int64]:
        return self.swept(self.folders, IDS, ALONE)


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Drawn:
    return Drawn(tmp_path_factory.mktemp("drawn"))


class Published:
    """The two sets on the Hub."""

    def __init__(self, hub: FakeHub, drawn: Drawn, root: Path, patches: pytest.MonkeyPatch) -> None:
        self.hub = hub
        self.root = root
        self.drawn = drawn
        use_records(patches, pinned_records(hub, commit_staged(hub, drawn.staging)))
        self.folders = drawn.folders
        self.truth = drawn.truth
        hub.clear_log()

    def open(self, kind: Any, ids: Sequence[str] = IDS, ranks: Ranks = ALONE) -> Any:  # noqa: ANN401
        return open_map_set(KINDS[kind], kind, "voc2012", stream=True, ids=ids, ranks=ranks)

    def swept(self, ids: Sequence[str] = IDS, ranks: Ranks = ALONE) -> NDArray[np.int64]:
        """Confusions of every tau, of streamed maps."""
        sources = {kind: self.open(kind, ids, ranks) for kind in KINDS}
        return self.drawn.swept(sources, ids, ranks)

    def swept_here(self, ids: Sequence[str] = IDS) -> NDArray[np.int64]:
        """The same of loose files."""
        if sorted(ids) == IDS:
            return self.drawn.swept_whole
        return self.drawn.swept(self.folders, ids, ALONE)

    def shards(self, set_id: str) -> dict[str, bytes]:
        """Paths and bytes of a set's shards."""
        files = self.hub.repo(REPO).files()
        return {
            path: data
            for path, data in sorted(files.items())
            if path.startswith(f"{set_id}/") and path.endswith(".parquet")
        }

    def groups(self, set_id: str) -> list[tuple[int, int]]:
        """First and last byte of each row group, out of the footers."""
        found = []
        for data in self.shards(set_id).values():
            footer = parquet.ParquetFile(io.BytesIO(data)).metadata
            for number in range(footer.num_row_groups):
                group = footer.row_group(number)
                columns = [group.column(one) for one in range(group.num_columns)]
                start = min(one.data_page_offset for one in columns)
                found.append((start, start + sum(c.total_compressed_size for c in columns) - 1))
        return found

    def reads(self, set_id: str) -> list[tuple[int, int]]:
        """The ranges that were asked for of a set's shards."""
        wanted = [one.range for one in self.hub.gets(set_id, "hub")]
        return [tuple(map(int, str(one)[6:].split("-"))) for one in wanted if one]  # type: ignore[misc]


@pytest.fixture
def published(
    hub: FakeHub, drawn: Drawn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Published]:
    monkeypatch.setenv("WSSS_ASSETS_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("WSSS_ASSETS_REPO", raising=False)
    waiting_is_quick(monkeypatch)
    monkeypatch.setattr("wsss_assets.storage.steady.pause", lambda *_: None)
    yield Published(hub, drawn, tmp_path, monkeypatch)
    kept = [name for name in tree(tmp_path / "hf_home") if name.endswith(".parquet")]
    assert kept == [], "a stream leaves no copy"


@dataclass(frozen=True)
class InThreads(Ranks):
    """A process of several, all of which are threads of this one."""

    meeting: threading.Barrier = field(default_factory=lambda: threading.Barrier(1))
    said: list[Any] = field(default_factory=list)

    def everyone(self, value: Value) -> list[Value]:
        self.said[self.rank] = value
        self.meeting.wait(30)
        values = list(self.said)
        self.meeting.wait(30)
        return values

    def add_up(self, *counts: NDArray[np.int64]) -> None:
        for array, others in zip(
            counts, zip(*self.everyone([one.copy() for one in counts]), strict=True), strict=True
        ):
            array[...] = sum(others)

    def first(self, action: Callable[[], Value]) -> Value:
        return self.everyone(action() if self.is_first else None)[0]  # type: ignore[return-value]


def together(count: int, work: Callable[[Ranks], Value]) -> list[Value]:
    """What several ranks say."""
    meeting, said = threading.Barrier(count), [None] * count
    ranks = [InThreads(rank, rank, count, count, meeting, said) for rank in range(count)]
    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(work, ranks))


def test_a_stream_is_swept_to_the_same_bits(published: Published) -> None:
    here = published.swept_here()
    assert here.sum()
    assert np.array_equal(published.swept(), here)
    for set_id in (VST, CAM):
        groups = published.groups(set_id)
        assert len(groups) == 4
        reads = published.reads(set_id)
        assert [one for one in reads if one in groups] == groups, "once each, in order"
        footers = [one for one in reads if one not in groups]
        assert len(footers) <= 2 * len(published.shards(set_id))


def test_each_of_two_ranks_reads_its_own_half(published: Published) -> None:
    here = published.swept_here()
    for said in together(2, lambda ranks: published.swept(ranks=ranks)):
        assert np.array_equal(said, here)
    for set_id in (VST, CAM):
        groups = published.groups(set_id)
        reads = [one for one in published.reads(set_id) if one in groups]
        assert sorted(reads) == sorted(groups), "none is read by both"


def test_three_ranks_share_no_more_than_the_row_groups_between_them(published: Published) -> None:
    here = published.swept_here()
    for said in together(3, lambda ranks: published.swept(ranks=ranks)):
        assert np.array_equal(said, here)
    groups = published.groups(CAM)
    reads = [one for one in published.reads(CAM) if one in groups]
    assert [reads.count(one) for one in groups] == [1, 2, 2, 1]


@pytest.mark.parametrize("of_the_list", [slice(300, 310), slice(0, 1024, 300), slice(600, 900)])
def test_a_part_of_the_list_reads_the_row_groups_it_is_in(
    published: Published, of_the_list: slice
) -> None:
    ids = IDS[of_the_list]
    assert np.array_equal(published.swept(ids), published.swept_here(ids))
    groups = published.groups(CAM)
    wanted = sorted({number // 256 for number in range(1024)[of_the_list]})
    reads = [one for one in published.reads(CAM) if one in groups]
    # Once each; which of two threads asks first is left to them.
    assert sorted(reads) == [groups[number] for number in wanted]


@pytest.mark.parametrize("listed", [True, False])
def test_which_rows_there_are_is_read_off_the_list_or_the_shards(
    published: Published, listed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not listed:
        monkeypatch.setattr("wsss_assets.map_sets.sources._listed_ids", lambda _: ())
    ids = IDS[700:710]
    source = published.open("activation", ids)
    assert source.ids() == tuple(IDS)
    before = len(published.reads(CAM))
    assert before <= (2 if listed else 2 + 4 + 1)
    assert source.read(ids[0], LABELS[ids[0]])[LABELS[ids[0]][0]].shape == SIZE
    assert len(published.reads(CAM)) - before <= 3  # a row group; the shard is opened for it


def test_two_ranks_look_through_the_shards_together(
    published: Published, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wsss_assets.map_sets.sources._listed_ids", lambda _: ())
    ids = IDS[:700]
    for source in together(2, lambda ranks: published.open("saliency", ids, ranks)):
        assert source.ids() == tuple(IDS)


def test_pseudo_labels_of_a_stream_are_those_of_files(published: Published, tmp_path: Path) -> None:
    labels = {one: LABELS[one] for one in IDS[250:270]}
    streamed = {kind: published.open(kind, list(labels)) for kind in KINDS}
    for name, sources in (("here", published.folders), ("stream", streamed)):
        done = pseudo_label(labels, out=tmp_path / name, recipe=RECIPE, **sources)
        assert (done.written, done.failed) == (20, {})
    here, there = tree(tmp_path / "here"), tree(tmp_path / "stream")
    pictures = {name for name in here if name.endswith(".png")}
    assert len(pictures) == 20
    assert {name: here[name] for name in pictures} == {name: there[name] for name in pictures}


def test_the_command_streams(published: Published) -> None:
    listed = published.root / "list.txt"
    listed.write_text(list_text(LABELS), "utf-8")
    common = ["sweep", f"--labels={listed}", f"--ground-truth={published.truth}", "--method=cam"]
    common += ["--ignored=miss", "--json=-"]
    folders = [f"--{kind}={folder}" for kind, folder in published.folders.items()]
    names = [f"--{kind}={name}" for kind, name in KINDS.items()]
    here = CliRunner().invoke(main, [*common, *folders])
    streamed = CliRunner().invoke(main, [*common, *names, "--stream"])
    assert here.exit_code == streamed.exit_code == 0, streamed.output
    assert here.stdout == streamed.stdout
    assert published.reads(CAM)


@pytest.mark.parametrize(
    ("command", "options", "kinds"),
    [
        ("evaluate-regions", ("--reference={activation}", "--activation=a={activation}"), [CAM]),
        (
            "evaluate-saliency",
            ("--predictions=s={saliency}", "--ground-truth-kind=classes", "--no-weighted-f"),
            [VST],
        ),
        (
            "evaluate-thresholds",
            ("--activation={activation}", "--saliency={saliency}", "--method=eps"),
            [CAM, VST],
        ),
    ],
)
def test_evaluations_of_streams_are_those_of_files(
    published: Published, command: str, options: tuple[str, ...], kinds: list[str]
) -> None:
    listed = published.root / "list.txt"
    listed.write_text(list_text(LABELS), "utf-8")
    common = [command, f"--labels={listed}", f"--ground-truth={published.truth}", "--json=-"]
    said = [
        CliRunner().invoke(main, [*common, *(one.format(**places) for one in options), *more])
        for places, more in ((published.folders, ()), (KINDS, ("--stream",)))
    ]
    assert [one.exit_code for one in said] == [0, 0], said[1].output
    here, streamed = (json.loads(one.stdout) for one in said)
    assert {**here, "reference": ""} == {**streamed, "reference": ""}
    for kind in kinds:
        assert set(published.reads(kind)) >= set(published.groups(kind))


def test_a_grid_streams_and_keeps_its_cells(published: Published, tmp_path: Path) -> None:
    """A cell is known by the digests of its shards: no map is read to see whether it is current."""
    listed = published.root / "list.txt"
    listed.write_text(list_text(LABELS), "utf-8")
    common = ["benchmark", f"--labels={listed}", f"--ground-truth={published.truth}"]
    common += ["--ignored=miss", "--json=-"]
    here = [f"--{kind}={KINDS[kind]}={folder}" for kind, folder in published.folders.items()]
    names = [f"--{kind}={name}" for kind, name in KINDS.items()]
    by_files = CliRunner().invoke(main, [*common, *here, f"--out={tmp_path / 'here'}"])
    streamed = [*common, *names, "--stream", f"--out={tmp_path / 'grid'}"]
    published.hub.clear_log()
    first = CliRunner().invoke(main, streamed)
    assert first.exit_code == by_files.exit_code == 0, first.output
    assert first.stdout == by_files.stdout
    groups = published.groups(CAM)
    assert [one for one in published.reads(CAM) if one in groups] == groups
    published.hub.clear_log()
    again = CliRunner().invoke(main, streamed)
    assert again.stdout == first.stdout
    assert "of 1:" not in again.stderr
    assert [one for one in published.reads(CAM) if one in groups] == []


def test_columns_of_a_streamed_grid_share_the_saliency_maps(
    published: Published, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(row_groups, "_GROUPS_KEPT", 2)  # none is left for another pass
    listed = published.root / "list.txt"
    listed.write_text(list_text(LABELS), "utf-8")
    common = ["benchmark", f"--labels={listed}", f"--ground-truth={published.truth}"]
    common += ["--ignored=miss", "--json=-", "--saliency=vst_duts"]
    common += ["--activation=cam", f"--activation=oaa={published.folders['activation']}"]
    published.hub.clear_log()
    said = CliRunner().invoke(main, [*common, "--stream", f"--out={tmp_path / 'grid'}"])
    assert said.exit_code == 0, said.output
    assert len(json.loads(said.stdout)["cells"]) == 2
    groups = published.groups(VST)
    assert [one for one in published.reads(VST) if one in groups] == groups


@pytest.mark.parametrize("kind", KINDS)
def test_a_comparison_streams(published: Published, kind: str, tmp_path: Path) -> None:
    listed = tmp_path / "list.txt"
    listed.write_text(list_text({one: LABELS[one] for one in IDS[200:600]}), "utf-8")
    names = ["compare", KINDS[kind], str(published.folders[kind]), f"--kind={kind}", "--stream"]
    set_id = VST if kind == "saliency" else CAM
    result = CliRunner().invoke(main, [*names, f"--labels={listed}", "--json=-"])
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert (found["images"], found["same_maps"]) == (400, 400)
    groups = published.groups(set_id)
    assert [one for one in published.reads(set_id) if one in groups] == groups[:3]
    refused = CliRunner().invoke(main, names)
    assert refused.exit_code == 2
    assert "--labels FILE" in refused.stderr


def test_labels_do_not_stream(published: Published) -> None:
    truth = str(published.truth)
    result = CliRunner().invoke(main, ["compare", truth, truth, "--kind=labels", "--stream"])
    assert result.exit_code == 2
    assert "leave out --stream" in result.stderr


def test_what_is_here_is_not_asked_for(published: Published) -> None:
    open_map_set("cam", "activation", "voc2012").close()  # fetched
    published.hub.clear_log()
    source = published.open("activation")
    assert source.classes(IDS[3]) == LABELS[IDS[3]]
    assert published.hub.requests == []
    for path in published.root.rglob("*.parquet"):
        path.unlink()


def test_processes_that_open_a_set_at_once_fetch_it_once(published: Published) -> None:
    def opened(ranks: Ranks) -> tuple[str, ...]:
        return open_map_set("vst_duts", "saliency", "voc2012", ranks=ranks).ids()

    assert together(3, opened) == [tuple(IDS)] * 3
    fetched = [one.path for one in published.hub.gets(origin="cdn")]
    assert len(fetched) == len(set(fetched)) == len(published.shards(VST))
    for path in published.root.rglob("*.parquet"):
        path.unlink()


def test_machines_with_and_without_a_copy_look_a_set_up_together(
    published: Published, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = published.swept_here()
    for kind, name in KINDS.items():
        open_map_set(name, kind, "voc2012").close()  # type: ignore[arg-type]  # fetched
    published.hub.clear_log()
    damaged = HeldSet.damaged
    afar = threading.local()

    def is_damaged(self: HeldSet, **options: bool) -> Any:  # noqa: ANN401
        return ("all of it",) if getattr(afar, "yes", False) else damaged(self, **options)

    monkeypatch.setattr(HeldSet, "damaged", is_damaged)

    def swept(ranks: Ranks) -> NDArray[np.int64]:
        afar.yes = not ranks.is_first
        return published.swept(ranks=ranks)

    for said in together(2, swept):
        assert np.array_equal(said, here)
    groups = published.groups(CAM)
    assert [one for one in published.reads(CAM) if one in groups] == groups[2:]
    for path in published.root.rglob("*.parquet"):
        path.unlink()


@given(st.lists(st.lists(st.integers(1, 5), min_size=1, max_size=4), min_size=1, max_size=4))
def test_every_row_has_its_place(sizes: list[list[int]]) -> None:
    found = GroupSizes(sizes)
    row = number = 0
    for shard, groups in enumerate(sizes):
        for group, size in enumerate(groups):
            for position in range(size):
                assert found.group_of(row) == number
                assert found.position(row) == (position, size)
                row += 1
            assert found.place(number) == (shard, group)
            number += 1
    assert found.rows == row
    assert found.in_order_of(range(row)) == tuple(range(number))


@given(
    st.lists(st.integers(1, 5), min_size=1, max_size=9),
    st.lists(st.integers(0, 1 << 10), min_size=1, max_size=40),
    st.booleans(),
)
def test_an_order_that_is_taken_reads_each_row_group_once(
    sizes: list[int], places: list[int], nearly: bool
) -> None:
    found = GroupSizes([sizes])
    rows = [place % found.rows for place in places]
    if nearly:
        rows = sorted(rows, key=lambda row: row + (row * 7) % 4)
    read: list[int] = []

    class Noted(RowGroups):
        def _read(self, number: int) -> Any:  # noqa: ANN401
            read.append(number)

    plan = tuple(dict.fromkeys(map(found.group_of, rows)))
    groups = Noted([], "saliency", found, plan)
    for row in rows:
        groups.of_row(row)
        assert len(groups._kept) <= row_groups._GROUPS_KEPT
    groups._thread.submit(lambda: None).result()  # what is read ahead is not called off
    groups.close()
    if len(read) == len(plan):
        assert found.in_order_of(rows) == plan == tuple(read)
    else:
        with pytest.raises(UsageError, match=f"{len(read)} reads of {len(plan)} row groups"):
            found.in_order_of(rows)


# What cannot be streamed.


@pytest.mark.usefixtures("published")
def test_an_archive_cannot_be_streamed() -> None:
    with pytest.raises(UsageError, match="not on the Hub") as caught:
        open_map_set("drs", "activation", "voc2012", stream=True, ids=IDS)
    assert "leave out --stream" in str(caught.value)


def test_folders_alone_cannot_be_streamed(published: Published) -> None:
    listed = published.root / "list.txt"
    listed.write_text(list_text(LABELS), "utf-8")
    folders = [f"--{kind}={folder}" for kind, folder in published.folders.items()]
    command = ["sweep", f"--labels={listed}", f"--ground-truth={published.truth}", "--stream"]
    said = CliRunner().invoke(main, [*command, *folders])
    assert isinstance(said.exception, UsageError) or said.exit_code == 2
    assert "leave out --stream" in (said.output + str(said.exception))


def test_another_order_is_refused_before_anything_is_read(published: Published) -> None:
    backwards = [IDS[place] for place in np.random.default_rng(0).permutation(1024)]
    sizes = ((256,) * 8,)
    with pytest.raises(UsageError, match="another order"):
        GroupSizes(sizes).in_order_of([0, 300, 600, 900, 1200, 5])
    assert GroupSizes(sizes).in_order_of([0, 300, 600, 800, 5, 1200]) == (0, 1, 2, 3, 4)
    with pytest.raises(UsageError, match="6 reads of 5 row groups"):  # 900: the next is read ahead
        GroupSizes(sizes).in_order_of([0, 300, 600, 900, 5, 1200])
    # Four row groups fit into memory, and so does any order of them.
    assert np.array_equal(published.swept(backwards), published.swept_here(backwards))


def test_an_image_that_the_set_does_not_have_is_an_error(published: Published) -> None:
    source = published.open("saliency", [*IDS[:3], "2012_999999"])
    with pytest.raises(MissingFileError, match="no image 2012_999999"):
        source.read("2012_999999")


def test_shards_of_other_images_are_refused(tmp_path: Path) -> None:
    from wsss_assets.storage.shard_maps import Layout
    from wsss_assets.storage.shards import Row

    rows = [Row(one, {None: draw(one)}) for one in ("a", "b", "c")]
    paths = [one.path for one in write_shards(rows, tmp_path, "train", "saliency")]
    with pytest.raises(DataError, match="not those of their record"):
        ShardSaliency(paths, "x", Layout(["a", "b"], [[3]]))
    source = ShardSaliency(paths, "x", Layout(["a", "c", "b"], [[3]]))
    assert source.read("a").shape == (6, 8)
    with pytest.raises(DataError, match="holds b where c should be"):
        source.read("c")


# Faults on the way.


@pytest.mark.parametrize(
    "fault",
    [status(503), status(500), status(403), status(429), rst(200), drop(200), short(100)],
    ids=["503", "500", "expired", "429", "reset", "dropped", "short"],
)
def test_a_stream_survives_faults(published: Published, fault: Fault) -> None:
    ids = IDS[:300]
    here = published.swept_here(ids)
    published.hub.fault("/lfs/", fault, times=2)
    assert np.array_equal(published.swept(ids), here)


def test_bytes_that_are_wrong_once_are_read_again(published: Published) -> None:
    ids = IDS[:20]
    here = published.swept_here(ids)
    start, stop = published.groups(CAM)[0]
    sources = {kind: published.open(kind, ids) for kind in KINDS}
    # The footer is read before; it has no such byte.
    published.hub.fault(f"/lfs/.*{CAM}", corrupt((start + stop) // 2), times=2)
    assert np.array_equal(published.drawn.swept(sources, ids, ALONE), here)
    assert published.reads(CAM).count((start, stop)) == 2


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (status(503), FetchError),
        (status(403), FetchError),
        (rst(200), FetchError),
        (norange(), FetchError),
        (short(100), FetchError),
    ],
    ids=["503", "forbidden", "reset", "no ranges", "short"],
)
def test_a_fault_that_stays_is_an_error_that_names_the_shard(
    published: Published, fault: Fault, error: type[Exception]
) -> None:
    source = published.open("activation", IDS)
    published.hub.fault("/lfs/", fault, times=None)
    with pytest.raises(error, match=f"{CAM}/{SPLIT}"):
        source.read(IDS[0], LABELS[IDS[0]])
    published.hub.clear_faults()
    assert source.read(IDS[0], LABELS[IDS[0]])[0].shape == SIZE, "what failed is tried anew"


def test_a_flipped_byte_that_stays_is_an_error_and_no_number(published: Published) -> None:
    start, stop = published.groups(CAM)[1]
    published.hub.fault(f"/lfs/.*{CAM}", corrupt((start + stop) // 2), times=None)
    with pytest.raises(DataError, match=CAM) as caught:
        published.swept()
    assert "wsss-assets download" in str(caught.value)


def test_a_list_that_is_not_that_of_the_record_is_refused(published: Published) -> None:
    published.hub.fault(r"labels/", corrupt(3), times=None)
    with pytest.raises(ChecksumError, match="labels/train_aug"):
        published.open("saliency", IDS[:5])


def test_memory_holds_a_few_row_groups(
    published: Published, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(row_groups, "_GROUPS_KEPT", 2)
    source = published.open("activation", IDS)
    assert isinstance(source, ShardActivations)
    for one in IDS:
        assert source.read(one, LABELS[one])[LABELS[one][0]].shape == SIZE
        assert len(source._groups._kept) <= 2
    groups = published.groups(CAM)
    assert [one for one in published.reads(CAM) if one in groups] == groups
