from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsss_assets.errors import MissingFileError
from wsss_assets.storage.files import (
    _host,
    list_files,
    list_leftovers,
    remove_leftovers,
    replaced,
    sha256_file,
    write_atomically,
)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def touch(folder: Path, *files: str) -> None:
    for name in files:
        (folder / name).write_bytes(name.encode())


def test_replaced_moves_the_whole_file_there(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_text("old")
    with replaced(path) as temporary:
        assert temporary.parent == tmp_path
        assert temporary.name.startswith(".")
        temporary.write_text("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"
    assert names(tmp_path) == ["a.png"]


def test_replaced_makes_parent_folders(tmp_path: Path) -> None:
    path = tmp_path / "one" / "two" / "a.png"
    with replaced(path) as temporary:
        temporary.write_text("new")
    assert path.read_text() == "new"


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_replaced_keeps_the_old_file_after_an_exception(
    tmp_path: Path, error: type[BaseException]
) -> None:
    path = tmp_path / "a.png"
    path.write_text("old")

    def write() -> None:
        with replaced(path) as temporary:
            temporary.write_text("half")
            raise error

    with pytest.raises(error):
        write()
    assert path.read_text() == "old"
    assert names(tmp_path) == ["a.png"]


def test_replaced_without_a_file_written_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_text("old")
    with pytest.raises(FileNotFoundError), replaced(path):
        pass
    assert path.read_text() == "old"


def test_temporary_files_are_no_maps_and_differ_between_processes(tmp_path: Path) -> None:
    touch(tmp_path, "b.png")
    program = (
        "import sys, pathlib\n"
        "from wsss_assets.storage.files import replaced\n"
        "with replaced(pathlib.Path(sys.argv[1])) as path:\n"
        "    path.touch(); print(path.name)\n"
    )
    path = tmp_path / "a.png"
    other = subprocess.run(
        [sys.executable, "-c", program, str(path)], capture_output=True, text=True, check=True
    ).stdout.strip()
    path.unlink()
    with replaced(path) as temporary:
        temporary.touch()
        assert temporary.name != other
        assert list(list_files(tmp_path, (".png", ".tmp"))) == ["b"]


def test_write_atomically_takes_bytes_and_text(tmp_path: Path) -> None:
    path = tmp_path / "new" / "a"
    write_atomically(path, b"\x00\r\n\xff")
    assert path.read_bytes() == b"\x00\r\n\xff"
    write_atomically(path, "é\n→\n")
    assert path.read_bytes() == "é\n→\n".encode()
    assert names(path.parent) == ["a"]


def test_write_atomically_leaves_nothing_when_it_cannot_write(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(OSError, match="folder"):
        write_atomically(tmp_path / "folder", "text")
    assert names(tmp_path) == ["folder"]


@pytest.mark.parametrize("size", [0, 1, (1 << 20) - 1, 1 << 20, (1 << 20) + 1, 3_000_000])
def test_sha256_is_that_of_hashlib(tmp_path: Path, size: int) -> None:
    data = bytes(range(251)) * (size // 251 + 1)
    path = tmp_path / "a"
    path.write_bytes(data[:size])
    assert sha256_file(path) == hashlib.sha256(data[:size]).hexdigest()


def test_sha256_of_a_published_example(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"abc")
    assert sha256_file(tmp_path / "a") == (
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    )


@pytest.mark.parametrize("order", [(".png", ".npy"), (".npy", ".png")])
def test_the_first_suffix_wins(tmp_path: Path, order: tuple[str, ...]) -> None:
    touch(tmp_path, "a.npy", "a.png", "b.npy", "c.png")
    found = list_files(tmp_path, order)
    assert {stem: path.suffix for stem, path in found.items()} == {
        "a": order[0],
        "b": ".npy",
        "c": ".png",
    }


def test_upper_case_suffixes_count(tmp_path: Path) -> None:
    touch(tmp_path, "A.PNG", "b.Png", "c.JPEG")
    found = list_files(tmp_path, (".png",))
    assert {stem: path.name for stem, path in found.items()} == {"A": "A.PNG", "b": "b.Png"}


def test_hidden_files_and_other_suffixes_are_passed_over(tmp_path: Path) -> None:
    touch(tmp_path, ".a.png", ".png", "._b.png", "c.txt", "d", "e.png.tmp", "f.1.png")
    assert list(list_files(tmp_path, (".png",))) == ["f.1"]


@given(st.sets(st.from_regex(r"[a-z0-9_]{1,8}", fullmatch=True), min_size=1, max_size=20))
def test_names_come_sorted(stems: set[str]) -> None:
    import tempfile
    from pathlib import Path

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        touch(folder, *(f"{stem}.png" for stem in stems))
        found = list_files(folder, (".png",))
    assert list(found) == sorted(stems)
    assert list(found.values()) == [folder / f"{stem}.png" for stem in sorted(stems)]


def test_a_missing_folder(tmp_path: Path) -> None:
    with pytest.raises(MissingFileError, match=r"no folder .*absent; found nothing there"):
        list_files(tmp_path / "absent", (".png",))


def test_a_file_instead_of_a_folder(tmp_path: Path) -> None:
    touch(tmp_path, "a.png")
    with pytest.raises(MissingFileError, match=r"no folder .*; found a file"):
        list_files(tmp_path / "a.png", (".png",))


def test_a_folder_without_such_files(tmp_path: Path) -> None:
    touch(tmp_path, "a.txt")
    with pytest.raises(MissingFileError, match=r"holds no \.png or \.npy file") as caught:
        list_files(tmp_path, (".png", ".npy"))
    assert caught.value.hint


def dead_pid() -> int:
    """The number of a process that has ended and been waited for."""
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()
    return process.pid


@pytest.mark.skipif(os.name != "posix", reason="whether a process runs is asked on POSIX only")
def test_leftovers_of_dead_processes_are_removed(tmp_path: Path) -> None:
    touch(tmp_path, f".a.png.{_host()}.{dead_pid()}.tmp", "a.png", f"b.{dead_pid()}.tmp")
    remove_leftovers(tmp_path)
    assert len(names(tmp_path)) == 2
    assert not any(name.startswith(".") for name in names(tmp_path))


@pytest.mark.parametrize("pid", [os.getpid(), os.getppid(), 1], ids=["own", "parent", "first"])
def test_leftovers_of_running_processes_are_kept(tmp_path: Path, pid: int) -> None:
    touch(tmp_path, f".a.png.{_host()}.{pid}.tmp")
    remove_leftovers(tmp_path)
    assert names(tmp_path) == [f".a.png.{_host()}.{pid}.tmp"]


def test_other_hidden_files_are_kept(tmp_path: Path) -> None:
    kept = [".a.png", ".a.png.x.tmp", ".tmp", ".gitignore"]
    touch(tmp_path, *kept)
    remove_leftovers(tmp_path)
    assert names(tmp_path) == sorted(kept)


def test_numbers_that_can_be_no_process_do_no_harm(tmp_path: Path) -> None:
    touch(tmp_path, f".a.png.{_host()}.{10**30}.tmp")
    remove_leftovers(tmp_path)


def test_folders_that_vanish_meanwhile_are_passed_over(tmp_path: Path) -> None:
    def come_and_go() -> None:
        for number in range(300):
            folder = tmp_path / f"{number % 7}" / ".train.tmp"
            folder.mkdir(parents=True)
            shutil.rmtree(folder.parent)

    thread = threading.Thread(target=come_and_go)
    thread.start()
    while thread.is_alive():
        assert list_leftovers(tmp_path) == []
    thread.join()


def test_no_leftovers_in_a_folder_that_is_not_there(tmp_path: Path) -> None:
    remove_leftovers(tmp_path / "absent")
    assert names(tmp_path) == []


def test_a_device_is_written_to_and_stays_one() -> None:
    null = Path("/dev/null")
    if not null.is_char_device():
        pytest.skip("there is no /dev/null here")
    write_atomically(null, "gone")
    assert null.is_char_device()


def test_a_link_keeps_pointing_to_what_is_written(tmp_path: Path) -> None:
    target, link = tmp_path / "deep" / "target.json", tmp_path / "link.json"
    target.parent.mkdir()
    target.write_text("old")
    link.symlink_to(target)
    write_atomically(link, "new")
    assert link.is_symlink()
    assert target.read_text() == "new"


def test_leftovers_of_other_machines_are_kept(tmp_path: Path) -> None:
    name = f".a.png.{_host()}x.{dead_pid()}.tmp"
    touch(tmp_path, name)
    remove_leftovers(tmp_path)
    assert names(tmp_path) == [name]
