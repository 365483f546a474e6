from __future__ import annotations

import builtins
import inspect
import io
import os
import pickle
import subprocess
import sys
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wsss_assets.errors import ImageFormatError, MissingFileError
from wsss_assets.storage.activation_dicts import read_activation_dict

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

Array: TypeAlias = "np.ndarray[Any, Any]"

FLOATS = ["float16", "float32", "float64"]


def scores(count: int = 0, seed: int = 0, shape: tuple[int, int] = (4, 5)) -> Array:
    """Scores k/255 with the bytes k that they stand for: exact in every float type's rounding."""
    levels = np.random.default_rng(seed).integers(0, 256, (count, *shape) if count else shape)
    return levels / 255


def levels(values: Array) -> Array:
    rounded: Array = np.rint(255 * values).astype(np.uint8)
    return rounded


def save(path: Path, content: object, protocol: int = 4) -> Path:
    """What `np.save` makes of an object, with a pickle of any protocol."""
    boxed = np.empty((), dtype=object)
    boxed[()] = content
    return save_pickle(path, pickle.dumps(boxed, protocol))


def save_pickle(path: Path, data: bytes) -> Path:
    buffer = io.BytesIO()
    header = {"descr": "|O", "fortran_order": False, "shape": ()}
    np.lib.format.write_array_header_1_0(buffer, header)
    path.write_bytes(buffer.getvalue() + data)
    return path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "2007_000032.npy"


def check(found: dict[int, Array], expected: dict[int, Array]) -> None:
    assert list(found) == list(expected)
    for index, values in expected.items():
        assert found[index].dtype == np.uint8
        np.testing.assert_array_equal(found[index], levels(values))


# What the field's code saves


@pytest.mark.parametrize("dtype", FLOATS)
def test_irn_as_np_save_writes_it(path: Path, dtype: str) -> None:
    high = scores(2)
    content = {
        "keys": np.array([14, 3]),
        "cam": scores(2, shape=(2, 3)).astype(dtype),
        "high_res": high.astype(dtype),
    }
    np.save(path, content)  # type: ignore[arg-type]
    check(read_activation_dict(path, (3, 14)), {3: high[1], 14: high[0]})


@pytest.mark.parametrize("dtype", FLOATS)
def test_irn_with_tensors(path: Path, dtype: str) -> None:
    torch = pytest.importorskip("torch")
    high = scores(2)
    content = {
        "keys": torch.tensor([3, 14]),
        "cam": torch.from_numpy(scores(2, shape=(2, 3))).to(getattr(torch, dtype)),
        "high_res": high.astype(dtype),
    }
    np.save(path, content)  # type: ignore[arg-type]
    check(read_activation_dict(path, (3, 14)), {3: high[0], 14: high[1]})
    content["high_res"] = torch.from_numpy(high).to(getattr(torch, dtype))
    np.save(path, content)  # type: ignore[arg-type]
    check(read_activation_dict(path, (3, 14)), {3: high[0], 14: high[1]})


def test_tensors_of_any_stride(path: Path) -> None:
    torch = pytest.importorskip("torch")
    whole = torch.from_numpy(scores(6, shape=(8, 10)))
    views = {
        0: whole[2].t(),
        1: whole[3, 1:7:2, ::3],
        2: whole[4, 2:3].expand(5, 10),
        3: whole[5:, -1, -2:],
        4: whole[0].clone(),
    }
    np.save(path, views)  # type: ignore[arg-type]
    check(
        read_activation_dict(path, tuple(views)),
        {index: view.numpy() for index, view in views.items()},
    )


def test_tensors_that_share_a_storage(path: Path) -> None:
    torch = pytest.importorskip("torch")
    high = torch.from_numpy(scores(3)).float()
    np.save(path, {"keys": [0, 5, 19], "cam": high[:, :2, :2], "high_res": high})  # type: ignore[arg-type]
    check(
        read_activation_dict(path, (0, 5, 19)),
        {0: high[0].numpy(), 5: high[1].numpy(), 19: high[2].numpy()},
    )


def test_tensors_that_wanted_gradients(path: Path) -> None:
    torch = pytest.importorskip("torch")
    values = scores()
    np.save(path, {7: torch.tensor(values, requires_grad=True)})  # type: ignore[arg-type]
    check(read_activation_dict(path, (7,)), {7: values})


def test_amn_keys_are_label_values(path: Path) -> None:
    high = scores(3)
    np.save(path, {"keys": np.array([0, 4, 15]), "high_res": high})  # type: ignore[arg-type]
    check(read_activation_dict(path, (3, 14)), {3: high[1], 14: high[2]})


def test_amn_keys_are_classes_and_maps_begin_with_the_background(path: Path) -> None:
    high = scores(3)
    np.save(path, {"keys": np.array([3, 14]), "high_res": high})  # type: ignore[arg-type]
    check(read_activation_dict(path, (3, 14)), {3: high[1], 14: high[2]})


def test_class_0_is_told_from_the_background(path: Path) -> None:
    high = scores(2)
    np.save(path, {"keys": np.array([0, 4]), "high_res": high})  # type: ignore[arg-type]
    check(read_activation_dict(path, (0, 4)), {0: high[0], 4: high[1]})
    check(read_activation_dict(path, (3,)), {3: high[1]})


def test_cam_stands_in_where_there_is_no_high_res(path: Path) -> None:
    maps = scores(1)
    np.save(path, {"keys": np.array([3]), "cam": maps})  # type: ignore[arg-type]
    check(read_activation_dict(path, (3,)), {3: maps[0]})


def test_irn_without_classes_saves_keys_alone(path: Path) -> None:
    np.save(path, {"keys": np.array([], dtype=np.int64)})  # type: ignore[arg-type]
    assert read_activation_dict(path, ()) == {}
    with pytest.raises(MissingFileError, match="no map of class 3; found classes none"):
        read_activation_dict(path, (3,))


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("key", [int, np.int64, np.uint8])
def test_seam_maps_by_class(path: Path, dtype: str, key: Callable[[int], Any]) -> None:
    first, second = scores(seed=1), scores(seed=2)
    np.save(path, {key(14): first.astype(dtype), key(3): second.astype(dtype)})  # type: ignore[arg-type]
    check(read_activation_dict(path, (3, 14)), {3: second, 14: first})
    check(read_activation_dict(path, (14,)), {14: first})
    assert read_activation_dict(path, ()) == {}


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_every_pickle_protocol(path: Path, protocol: int) -> None:
    values = scores(2)
    save(path, {"keys": np.array([3, 14]), "high_res": values}, protocol)
    check(read_activation_dict(path, (3, 14)), {3: values[0], 14: values[1]})
    save(path, {np.int64(3): np.asfortranarray(values[0])}, protocol)
    check(read_activation_dict(path, (3,)), {3: values[0]})


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_tensors_in_every_pickle_protocol(path: Path, protocol: int) -> None:
    torch = pytest.importorskip("torch")
    values = scores()
    save(path, {3: torch.from_numpy(values)}, protocol)
    check(read_activation_dict(path, (3,)), {3: values})


def test_files_of_old_numpy(path: Path) -> None:
    data = pickle.dumps(np.array({3: np.full((2, 3), 0.2)}, dtype=object), 2)
    old = data.replace(b"numpy._core.", b"numpy.core.").replace(b"\x89\x88\x87", b"K\x00K\x01\x87")
    assert old != data
    check(read_activation_dict(save_pickle(path, old), (3,)), {3: np.full((2, 3), 0.2)})


def test_big_endian_scores(path: Path) -> None:
    values = scores()
    np.save(path, {3: values.astype(">f4")})  # type: ignore[arg-type]
    check(read_activation_dict(path, (3,)), {3: values})


def test_the_second_header_version(path: Path) -> None:
    values = scores()
    boxed = np.array({3: values}, dtype=object)
    with path.open("wb") as file:
        np.lib.format.write_array(file, boxed, version=(2, 0))
    check(read_activation_dict(path, (3,)), {3: values})


# Scores and bytes


@pytest.mark.parametrize(
    ("score", "byte"),
    [
        (0.0, 0),
        (0.49 / 255, 0),
        (0.51 / 255, 1),
        (0.2, 51),
        (127.4 / 255, 127),
        (127.6 / 255, 128),
        (0.5, 128),  # 127.5, to the even neighbour
        (100.5 / 255, 100),  # so is this
        (254.49 / 255, 254),
        (1.0, 255),
        (-0.0009, 0),
        (1.0009, 255),
    ],
)
def test_scores_are_rounded_to_the_nearest_byte(path: Path, score: float, byte: int) -> None:
    np.save(path, {3: np.full((1, 2), score)})  # type: ignore[arg-type]
    np.testing.assert_array_equal(read_activation_dict(path, (3,))[3], [[byte, byte]])


@pytest.mark.parametrize("score", [-0.0011, 1.0011, 255.0, -1.0, 1e300])
def test_scores_outside_the_range_are_refused(path: Path, score: float) -> None:
    np.save(path, {3: np.array([[0.5, score]])})  # type: ignore[arg-type]
    with pytest.raises(ImageFormatError, match=r"scores outside 0\.\.1") as caught:
        read_activation_dict(path, (3,))
    assert str(path) in caught.value.summary
    assert f"{score:.4g}" in str(caught.value.found)


@pytest.mark.parametrize("score", [np.nan, np.inf, -np.inf])
def test_scores_that_are_no_numbers_are_refused(path: Path, score: float) -> None:
    np.save(path, {3: np.array([[0.5, score]])})  # type: ignore[arg-type]
    with pytest.raises(ImageFormatError, match="NaN or infinity"):
        read_activation_dict(path, (3,))


def test_only_the_classes_asked_for_must_be_sound(path: Path) -> None:
    np.save(path, {3: np.full((1, 1), np.nan), 4: np.full((1, 1), 1.0)})  # type: ignore[arg-type]
    assert list(read_activation_dict(path, (4,))) == [4]


@pytest.mark.parametrize(
    ("values", "found"),
    [
        (np.zeros((2, 2), np.uint8), r"a map of uint8 and shape \(2, 2\)"),
        (np.zeros((2, 2), bool), "a map of bool"),
        (np.zeros((1, 2, 2)), r"a map of float64 and shape \(1, 2, 2\)"),
        (np.zeros((2, 2), complex), "(a map of complex128|elements of the type .c16)"),
        (0.5, r"shape \(\)"),
        ("text", "a map of <U4"),
        (None, "a map of object"),
        ([[0.5], [0.5, 0.5]], "."),
        (np.zeros((0, 2)), "no pixel"),
    ],
)
def test_what_is_no_map_is_refused(path: Path, values: object, found: str) -> None:
    np.save(path, {3: values})  # type: ignore[arg-type]
    with pytest.raises(ImageFormatError, match=rf"no activation dictionary.*{found}"):
        read_activation_dict(path, (3,))


# Keys


def test_a_class_without_a_map_is_missing(path: Path) -> None:
    np.save(path, {14: scores(), 3: scores()})  # type: ignore[arg-type]
    with pytest.raises(MissingFileError) as caught:
        read_activation_dict(path, (3, 4, 5))
    assert str(caught.value) == f"{path} has no map of class 4, 5; found classes 3, 14"


@pytest.mark.parametrize(
    ("keys", "maps"),
    [
        ([3, 14], 2),
        ([3], 1),
        ([3, 4, 5], 3),
        ([0, 4], 2),
        ([4, 5], 3),
        ([3, 4], 4),
        ([3, 4], 1),
        ([4, 5, 0], 3),
    ],
)
def test_keys_that_do_not_fit_the_classes(path: Path, keys: list[int], maps: int) -> None:
    np.save(path, {"keys": np.array(keys), "high_res": scores(maps)})  # type: ignore[arg-type]
    with pytest.raises(ImageFormatError, match="does not fit the classes of the image") as caught:
        read_activation_dict(path, (3, 4))
    assert caught.value.expected == "maps of the classes [3, 4]"
    assert caught.value.found == f"keys {keys} and {maps} maps"


@pytest.mark.parametrize(
    "content",
    [
        {"cam": scores()},
        {"aeroplane": scores()},
        {3: scores(), "3": scores()},
        {3.5: scores()},
        {None: scores()},
        {"keys": ["aeroplane"], "high_res": scores(1)},
        {"keys": [None], "high_res": scores(1)},
        {"keys": [np.nan], "high_res": scores(1)},
        {"keys": [3], "high_res": 0.5},
        {"keys": [3, 4], "high_res": [scores(), scores(shape=(2, 2))]},
    ],
    ids=lambda content: str(content)[:30].partition("\n")[0],
)
def test_dictionaries_of_another_kind_are_refused(path: Path, content: object) -> None:
    save(path, content)
    with pytest.raises(ImageFormatError, match=r"2007_000032\.npy"):
        read_activation_dict(path, (3,))


@pytest.mark.parametrize(
    "values",
    [
        np.zeros((2, 2)),
        np.array([{3: 1}, {3: 1}], dtype=object),
        np.array("text"),
        np.array([3, scores(), "x"], dtype=object)[0:1].reshape(()),
    ],
    ids=["floats", "two", "text", "int"],
)
def test_arrays_that_hold_no_dictionary_are_refused(path: Path, values: Array) -> None:
    np.save(path, values)
    with pytest.raises(ImageFormatError, match="is no activation dictionary"):
        read_activation_dict(path, (3,))


@pytest.mark.parametrize("data", [b"", b"text", b"\x93NUMPY", b"\x93NUMPY\x03\x00", b"PK\x03\x04"])
def test_other_files_are_refused(path: Path, data: bytes) -> None:
    path.write_bytes(data)
    with pytest.raises(ImageFormatError, match="is no activation dictionary"):
        read_activation_dict(path, (3,))


def test_a_missing_file(path: Path) -> None:
    with pytest.raises(MissingFileError, match=r"no file .*2007_000032\.npy"):
        read_activation_dict(path, (3,))


def test_a_folder_is_no_dictionary(path: Path) -> None:
    path.mkdir()
    with pytest.raises(ImageFormatError, match=r"2007_000032\.npy"):
        read_activation_dict(path, (3,))


# Pickles that want to do something


class Call:
    """Pickled as a call of anything."""

    def __init__(self, function: Callable[..., Any], *arguments: object) -> None:
        self.function = function
        self.arguments = arguments

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[object, ...]]:
        return self.function, self.arguments


class Stateful:
    """Writes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = str(path)

    def __setstate__(self, state: dict[str, str]) -> None:
        with open(state["path"], "w") as file:  # noqa: PTH123
            file.write("here")

    def __hash__(self) -> int:
        return 0


def attacks(target: Path) -> dict[str, tuple[Any, str]]:
    """Objects that make the file `target` when a plain unpickler reads them."""
    code = f"open({str(target)!r}, 'w').close()"
    return {
        "system": (Call(os.system, f"touch '{target}'"), r"\.system"),
        "eval": (Call(builtins.eval, code), r"\.eval"),
        "exec": (Call(builtins.exec, code), r"\.exec"),
        "getattr": (Call(builtins.getattr, Call(builtins.open, str(target), "w"), "x"), r"\.\w+"),
        "open": (Call(builtins.open, str(target), "w"), r"\.open"),
        "popen": (Call(subprocess.call, ["touch", str(target)]), r"\.call"),
        "setstate": (Stateful(target), r"\.(Stateful|_reconstructor)"),
        "savetxt": (Call(np.savetxt, str(target), [1.0]), r"\.savetxt"),
        "load": (Call(pickle.loads, pickle.dumps(Call(builtins.exec, code))), r"\.loads"),
    }


WRAPPERS: dict[str, Callable[[Any], Any]] = {
    "alone": lambda one: one,
    "value": lambda one: {3: one},
    "key": lambda one: {3: scores(), one: scores()},
    "keys": lambda one: {"keys": [one], "high_res": scores(1)},
    "unused": lambda one: {"keys": [3], "high_res": scores(1), "more": [(one,)]},
    "in an array": lambda one: {3: np.array([[one]], dtype=object)},
}


def harmless_alone(path: Path, target: Path) -> bool:
    """Whether a plain unpickler, too, leaves the target alone: then the attack tests nothing."""
    program = "import sys, numpy; numpy.load(sys.argv[1], allow_pickle=True)"
    subprocess.run([sys.executable, "-W", "ignore", "-c", program, str(path)], capture_output=True)
    made = target.exists()
    target.unlink(missing_ok=True)
    return not made


@pytest.mark.parametrize("name", attacks(None))  # type: ignore[arg-type]
def test_attacks_would_work_elsewhere(path: Path, name: str) -> None:
    target = path.with_name("pwned")
    save(path, attacks(target)[name][0])
    assert not harmless_alone(path, target)


@pytest.mark.parametrize("wrapper", WRAPPERS)
@pytest.mark.parametrize("name", attacks(None))  # type: ignore[arg-type]
def test_no_program_in_a_file_is_run(path: Path, name: str, wrapper: str) -> None:
    target = path.with_name("pwned")
    attack, refused = attacks(target)[name]
    for protocol in (2, 4):
        save(path, WRAPPERS[wrapper](attack), protocol)
        with pytest.raises(ImageFormatError, match=rf"the name .*{refused}, which is refused"):
            read_activation_dict(path, (3,))
    assert not target.exists()


def test_no_program_in_a_storage_is_run(path: Path) -> None:
    torch = pytest.importorskip("torch")
    target = path.with_name("pwned")
    inner = pickle.dumps(Call(os.system, f"touch '{target}'"), 2)
    for data in (inner, pickle.dumps(1, 2) * 3 + inner):
        save(path, {3: Call(torch.storage._load_from_bytes, data)})
        with pytest.raises(ImageFormatError, match=f"the name {os.name}.system, which is refused"):
            read_activation_dict(path, (3,))
    assert not target.exists()


def name(module: str, attribute: str) -> bytes:
    return f"c{module}\n{attribute}\n".encode()


def part(value: object) -> bytes:
    """The opcodes that push a plain value."""
    return pickle.dumps(value, 2)[2:-1]


def call(function: bytes, *arguments: bytes) -> bytes:
    return function + b"(" + b"".join(arguments) + b"tR"


def build(thing: bytes, *state: bytes) -> bytes:
    return thing + b"(" + b"".join(state) + b"tb"


def dtype(code: str) -> bytes:
    return call(name("numpy", "dtype"), part(code), part(False), part(True))


def raw(text: str) -> bytes:
    return call(name("_codecs", "encode"), part(text), part("latin1"))


def array(kind: bytes, shape: tuple[int, ...], content: bytes) -> bytes:
    empty = call(
        name("numpy.core.multiarray", "_reconstruct"),
        name("numpy", "ndarray"),
        part((0,)),
        part("b"),
    )
    return build(empty, part(1), part(shape), kind, part(False), content)


def boxed(content: bytes) -> bytes:
    """A whole pickle: the array of no dimension that holds one object."""
    kind = build(dtype("O8"), *map(part, (3, "|", None, None, None, -1, -1, 63)))
    return b"\x80\x02" + array(kind, (), b"](" + content + b"e") + b"."


def dictionary(value: bytes) -> bytes:
    return boxed(b"}(" + part(3) + value + b"u")


def tensor(storage: bytes, offset: int, size: tuple[int, ...], stride: tuple[int, ...]) -> bytes:
    return call(
        name("torch._utils", "_rebuild_tensor_v2"),
        storage,
        *map(part, (offset, size, stride, False, None)),
    )


def object_field_without_the_flag() -> bytes:
    """An array that says "eight raw bytes" with a field that takes them for an object's address."""
    field = b"}" + part("a") + b"(" + dtype("O8") + part(0) + b"ts"
    return build(
        dtype("V8"),
        *map(part, (3, "|", None, ("a",))),
        field,
        *map(part, (8, 1, 0)),
    )


def few_bytes(shape: tuple[int, ...], strides: tuple[int, ...]) -> bytes:
    """An array of four bytes that claims to be larger."""
    return call(
        name("numpy", "ndarray"), part(shape), part("f4"), raw("AAAA"), part(0), part(strides)
    )


CRAFTED = {
    "object from bytes": b"\x80\x02"
    + array(object_field_without_the_flag(), (), raw("A" * 8))
    + b".",
    "object from bytes inside": dictionary(
        array(object_field_without_the_flag(), (1, 1), raw("A" * 8))
    ),
    "vast view": dictionary(
        tensor(few_bytes((1 << 40,), (0,)), 0, (1 << 16, 1 << 10), (1 << 10, 1))
    ),
    "rows for a storage": dictionary(
        tensor(
            call(name("numpy", "ndarray"), part((8, 1 << 25)), part("f4")),
            7,
            (4 << 14, 1 << 11),
            (1 << 11, 1),
        )
    ),
    "vast array": dictionary(call(name("numpy", "ndarray"), part((1 << 29, 1 << 29)), part("f4"))),
    "vast array, never filled": dictionary(
        call(
            name("numpy.core.multiarray", "_reconstruct"),
            name("numpy", "ndarray"),
            part((1 << 29, 1 << 29)),
            part("f4"),
        )
    ),
    "vast memo": b"\x80\x02Nr\xff\xff\xff\x3f.",
    "vast string": b"\x80\x04\x8d" + b"\xff" * 6 + b"\x00\x00",
    "vast bytes": b"\x80\x04\x8e" + b"\xff" * 6 + b"\x3f\x00",
    "vast frame": b"\x80\x04\x95" + b"\xff" * 6 + b"\x3f\x00N.",
    "vast frame, beyond a signed size": b"\x80\x04\x95" + b"\xff" * 8 + b"N.",
    "deep key": b"\x80\x02}N" + b"\x85" * 2_000_000 + b"Ns.",
    "number of endless digits": dictionary(b"I" + b"9" * 5000 + b"\n"),
    "memory that was never written": dictionary(
        call(name("numpy", "ndarray"), part((1024, 1024)), part("f4"))
    ),
}

READ_APART = """
import pathlib, resource, sys, threading
sys.path[:0] = sys.argv[2:]
from wsss_assets.errors import ImageFormatError
from wsss_assets.storage.activation_dicts import read_activation_dict
resource.setrlimit(resource.RLIMIT_AS, (4 << 30, 4 << 30))
resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
try:
    read_activation_dict(pathlib.Path(sys.argv[1]), (3,))
except ImageFormatError as error:
    print("refused")
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the limit on memory is set the Linux way")
@pytest.mark.parametrize("attack", CRAFTED)
def test_crafted_files_do_not_reach_memory_they_should_not(path: Path, attack: str) -> None:
    save_pickle(path, CRAFTED[attack])
    result = subprocess.run(
        [sys.executable, "-c", READ_APART, str(path), *sys.path],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
    )
    assert (result.returncode, result.stdout) == (0, "refused\n"), result.stderr[-300:]


def test_the_crafting_makes_sound_files_too(path: Path) -> None:
    kind = build(dtype("f4"), *map(part, (3, "<", None, None, None, -1, -1, 0)))
    four = np.array([[0, 0.2], [0.4, 1]], "<f4")
    save_pickle(path, dictionary(array(kind, (2, 2), raw(four.tobytes().decode("latin1")))))
    check(read_activation_dict(path, (3,)), {3: four})


@pytest.mark.parametrize(
    "callable_",
    [
        name("_codecs", "encode"),
        name("torch._utils", "_rebuild_tensor_v2"),
        name("torch.storage", "_load_from_bytes"),
        name("numpy.core.multiarray", "_reconstruct"),
        name("numpy.core.multiarray", "scalar"),
        name("numpy", "dtype"),
        name("collections", "OrderedDict"),
    ],
)
def test_a_file_does_not_change_how_later_ones_are_read(path: Path, callable_: bytes) -> None:
    def state() -> list[tuple[object, ...]]:
        modules = [one for key, one in sys.modules.items() if key.startswith("wsss_assets.storage")]
        return [
            (one, one.__defaults__, one.__kwdefaults__, dict(vars(one)))
            for module in modules
            for one in vars(module).values()
            if inspect.isfunction(one)
        ]

    before = state()
    for key in ("__defaults__", "planted"):
        for change in (b"N}" + part(key) + part((1,)) + b"s", b"}" + part(key) + part((1,)) + b"s"):
            split = change.startswith(b"N")
            data = callable_ + (b"(" + change + b"t" if split else change) + b"b"
            save_pickle(path, boxed(data))
            with pytest.raises(ImageFormatError):
                read_activation_dict(path, (3,))
    assert state() == before


# Damage


def valid_files() -> dict[str, bytes]:
    """Bytes of sound files, one per way of saving."""
    kinds: dict[str, tuple[Any, int]] = {
        "seam": ({3: scores().astype(np.float32)}, 2),
        "irn": ({"keys": np.array([3]), "high_res": scores(1).astype(np.float16)}, 4),
    }
    found = {}
    for kind, (content, protocol) in kinds.items():
        box = np.empty((), dtype=object)
        box[()] = content
        buffer = io.BytesIO()
        header = {"descr": "|O", "fortran_order": False, "shape": ()}
        np.lib.format.write_array_header_1_0(buffer, header)
        found[kind] = buffer.getvalue() + pickle.dumps(box, protocol)
    return found


VALID = valid_files()


def read_or_refuse(path: Path) -> bool:
    """Whether the file could be read; anything but the two errors is raised."""
    try:
        found = read_activation_dict(path, (3,))
    except (ImageFormatError, MissingFileError):
        return False
    assert list(found) == [3]
    assert found[3].dtype == np.uint8
    assert found[3].ndim == 2
    return True


@pytest.mark.parametrize("kind", VALID)
def test_every_cut_is_refused(path: Path, kind: str) -> None:
    data = VALID[kind]
    path.write_bytes(data)
    assert read_or_refuse(path)
    for length in range(len(data)):
        path.write_bytes(data[:length])
        assert not read_or_refuse(path), length


def test_every_cut_of_a_tensor_is_refused(path: Path) -> None:
    torch = pytest.importorskip("torch")
    np.save(path, {3: torch.from_numpy(scores())})  # type: ignore[arg-type]
    data = path.read_bytes()
    for length in range(128, len(data), 3):
        path.write_bytes(data[:length])
        assert not read_or_refuse(path), length


@settings(max_examples=200, deadline=None)
@given(kind=st.sampled_from(sorted(VALID)), place=st.integers(0), value=st.integers(1, 255))
def test_a_damaged_byte_gives_data_or_an_error(
    tmp_path_factory: pytest.TempPathFactory, kind: str, place: int, value: int
) -> None:
    data = bytearray(VALID[kind])
    data[place % len(data)] ^= value
    path = tmp_path_factory.getbasetemp() / "damaged.npy"
    path.write_bytes(data)
    read_or_refuse(path)


@settings(max_examples=100, deadline=None)
@given(data=st.binary(max_size=60))
def test_random_pickles_give_an_error(
    tmp_path_factory: pytest.TempPathFactory, data: bytes
) -> None:
    path = tmp_path_factory.getbasetemp() / "random.npy"
    assert not read_or_refuse(save_pickle(path, data))
