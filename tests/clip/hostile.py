"""Weights and checkpoints that somebody made to do harm, or that came to harm, each by code that makes it.

`TOWERS` are given as `--weights` of a tower, `OFFICIAL` as official checkpoints, `LEARNT` as ours.
What runs code in one of them would touch the file that the environment names as `CANARY`.
"""

import io
import json
import os
import pickle
import socket
import struct
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save

from pipeline.files import value_digest
from pipeline.training import checkpoint

Write = Callable[[Path], object]
CANARY = "ZSAD_TEST_CANARY"
TOUCH = f'touch "${CANARY}"'

TOWERS: dict[str, Write] = {}
OFFICIAL: dict[str, Write] = {}
LEARNT: dict[str, Write] = {}

_MIB = 1 << 20


# ---- what is no file, and what is no file of tensors


def _socket(path: Path) -> None:
    here = Path.cwd()
    os.chdir(path.parent)  # a socket's name is short
    try:
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(path.name)
    finally:
        os.chdir(here)


def _tar(path: Path) -> None:
    import tarfile

    with tarfile.open(path, "w") as archive:
        archive.addfile(tarfile.TarInfo("storages"), io.BytesIO())


def _bytes(content: bytes) -> Write:
    return lambda path: path.write_bytes(content)


TOWERS |= {
    "empty.pt": lambda path: path.touch(),
    "empty.safetensors": lambda path: path.touch(),
    "folder.pt": lambda path: path.mkdir(),
    "folder.safetensors": lambda path: path.mkdir(),
    "pipe.pt": os.mkfifo,
    "pipe.safetensors": os.mkfifo,
    "socket.pt": _socket,
    "device.pt": lambda path: path.symlink_to("/dev/zero"),
    "random.bin": lambda path: path.symlink_to("/dev/urandom"),
    "loop.pt": lambda path: path.symlink_to(path.name),
    "nowhere.pt": lambda path: path.symlink_to("nothing"),
    "of_the_kernel.pt": lambda path: path.symlink_to("/proc/self/environ"),
    "text.pt": _bytes(b"not found"),
    "page.bin": _bytes(b"<!DOCTYPE html><html>Too many requests</html>"),
    "pointer.safetensors": _bytes(b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n"),
    "noise.pth": _bytes(bytes(range(256)) * 40),
    "two_bytes.pt": _bytes(b"PK"),
    "one_byte.pt": _bytes(b"\x80"),
    "picture.pt": _bytes(b"\x89PNG\r\n\x1a\n" + bytes(60)),
    "compressed.pt": _bytes(b"\x1f\x8b\x08\x00" + bytes(60)),
    "very_old.pt": _tar,
    "a_pickle.safetensors": _bytes(pickle.dumps({"a": 1})),
}


# ---- archives of torch, put together by hand


def _archive(pickled: bytes, numbers: dict[str, bytes] | None = None, **more: bytes) -> bytes:
    """A file as `torch.save` writes it; `more` are further members, `__` for a slash."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("a/data.pkl", pickled)
        for key, content in (numbers or {"0": bytes(64)}).items():
            archive.writestr(f"a/data/{key}", content)
        for name, content in more.items():
            archive.writestr("a/" + name.replace("__", "/"), content)
    return buffer.getvalue()


def _legacy(pickled: bytes, keys: bytes = b"\x80\x02]q\x00X\x01\x00\x00\x000a.", tail: bytes = b"") -> bytes:
    start = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.\x80\x02M\xe9\x03."
    system = pickle.dumps({"protocol_version": 1001, "little_endian": True, "type_sizes": {}}, protocol=2)
    return start + system + pickled + keys + tail


def _text(word: str) -> bytes:
    return b"X" + struct.pack("<I", len(word.encode())) + word.encode()


def _integer(value: int) -> bytes:
    return pickle.dumps(value, protocol=2)[2:-1]


def _storage(kind: str = "FloatStorage", key: str = "0", length: int = 16) -> bytes:
    name = f"ctorch\n{kind}\n".encode()
    return b"(" + _text("storage") + name + _text(key) + _text("cpu") + _integer(length) + b"tQ"


def _tensor(shape: bytes = b"(K\x10t", strides: bytes = b"(K\x01t", start: int = 0, **storage: Any) -> bytes:
    head = b"ctorch._utils\n_rebuild_tensor_v2\n(" + _storage(**storage) + _integer(start)
    return head + shape + strides + b"\x89ccollections\nOrderedDict\n)RtR"


def _state(*items: bytes) -> bytes:
    """A dictionary of names and values."""
    return b"\x80\x02}(" + b"".join(items) + b"u."


def _one(value: bytes) -> bytes:
    return _state(_text("ctx_pos"), value)


def _both(name: str, pickled: bytes) -> None:
    """Into a zip archive and into the format before it."""
    TOWERS[f"{name}.pt"] = _bytes(_archive(pickled))
    TOWERS[f"{name}_legacy.pt"] = _bytes(_legacy(pickled, tail=struct.pack("<Q", 16) + bytes(64)))


_ARGUMENT = _text(TOUCH)
_CODE = _text(f"import os; os.system({TOUCH!r})")
_CALLS = {
    "os_system": b"cposix\nsystem\n(" + _ARGUMENT + b"tR",
    "os_by_stack": _text("posix") + _text("system") + b"\x93(" + _ARGUMENT + b"tR",
    "eval": b"cbuiltins\neval\n(" + _text(f"__import__('os').system({TOUCH!r})") + b"tR",
    "exec": b"cbuiltins\nexec\n(" + _CODE + b"tR",
    "popen": b"csubprocess\nPopen\n(" + _ARGUMENT + b"NNt\x81",
    "import_only": b"cantigravity\nfly\n",
    "old_instance": b"(" + _ARGUMENT + b"iposix\nsystem\n",
    "old_object": b"(cposix\nsystem\n" + _ARGUMENT + b"o",
    "extension": b"\x82\x01",
    "by_getattr": b"cbuiltins\ngetattr\n(cposix\nsystem\n" + _text("__call__") + b"tR",
    "nested_pickle": b"ctorch.storage\n_load_from_bytes\n(" + _text("x") + b"tR",
    "type_rebuilt": b"ctorch._tensor\n_rebuild_from_type_v2\n(cposix\nsystem\nN(" + _ARGUMENT + b"tNtR",
    "torch_load": b"ctorch\nload\n(" + _text("/dev/zero") + b"tR",
    "torch_hub": b"ctorch.hub\nload\n(" + _text("a/b") + b"tR",
    "numpy_array": b"cnumpy.core.multiarray\n_reconstruct\n(K\x00tR",
    "looks_like_torch": b"ctorch\nos.system\n(" + _ARGUMENT + b"tR",
    "class_of_an_archive": b"c__torch__.os\nsystem\n(" + _ARGUMENT + b"tR",
    "text_called": _text("system") + b"(" + _ARGUMENT + b"tR",
}
for _name, _value in _CALLS.items():
    _both(_name, _one(_value))

_BROKEN = {
    "memo_of_gigabytes": _one(b"Nr\xff\xff\xff\xff"),
    "text_of_exabytes": _one(b"\x8d" + struct.pack("<Q", 1 << 60)),
    "bytes_of_exabytes": _one(b"\x96" + struct.pack("<Q", 1 << 60)),
    "number_of_gigabytes": _one(b"\x8b" + struct.pack("<i", (1 << 31) - 1)),
    "digits_without_end": _one(b"I" + b"9" * 6000 + b"\n"),
    "no_end": _one(b"N")[:-1],
    "empty_stack": b"\x80\x02t.",
    "memo_unknown": _one(b"h\x63"),
    "nested_deep": _one(b")" + b"\x85" * 300_000),
    "holds_itself": _one(b"]q\x01h\x01a"),
    "doubled_again_and_again": _one(b")" + b"2\x86" * 2000),
    "key_of_tuples": _state(b")" + b"q\x01h\x01\x86" * 60, b"N"),
    "no_state_dict": b"\x80\x02](K\x01K\x02e.",
    "state_dict_in_itself": _state(_text("a"), b"}(" + _text("b"), _tensor() + b"u"),
    "name_twice": _state(_text("a"), _tensor(), _text("a"), _tensor()),
    "number_for_a_name": _state(b"K\x01", _tensor()),
    "no_tensors": b"\x80\x02}.",
}
for _name, _value in _BROKEN.items():
    _both(_name, _value)

_EIGHT_TIB = b"(J\x00\x00\x00\x40J\x00\x08\x00\x00t"
_TENSORS = {
    "whole_numbers": _tensor(kind="IntStorage"),
    "truth_values": _tensor(kind="BoolStorage", length=64),
    "complex_numbers": _tensor(b"(K\x08t", kind="ComplexFloatStorage", length=8),
    "zeros": _tensor(),
    "terabytes": _tensor(_EIGHT_TIB, b"(M\x00\x08K\x01t", length=1 << 41),
    "one_number_shown_often": _tensor(_EIGHT_TIB, b"(K\x00K\x00t"),
    "rows_that_overlap": _tensor(b"(K\x08K\x08t", b"(K\x01K\x01t"),
    "negative_start": _tensor(start=-4),
    "behind_the_end": _tensor(start=4),
    "negative_size": _tensor(b"(J\xff\xff\xff\xfft"),
    "negative_stride": _tensor(strides=b"(J\xff\xff\xff\xfft", start=15),
    "too_few_strides": _tensor(b"(K\x04K\x04t"),
    "a_hundred_axes": _tensor(b"(" + b"K\x01" * 100 + b"t", b"(" + b"K\x01" * 100 + b"t"),
    "size_of_text": _tensor(b"(" + _text("16") + b"t"),
    "size_of_a_fraction": _tensor(b"(G@0\x00\x00\x00\x00\x00\x00t"),
    "unknown_storage": _tensor(key="1"),
    "key_that_climbs": _tensor(key="../../etc/passwd"),
    "shorter_than_said": _tensor(b"(K\x20t", length=32),
    "quantised": _tensor(kind="QInt8Storage", length=64),
    "no_storage": b"ctorch._utils\n_rebuild_tensor_v2\n(NK\x00(t(t\x89NtR",
}
for _name, _value in _TENSORS.items():
    _both(_name, _one(_value))


def _saved(content: Callable[[], Any], **options: Any) -> Write:
    return lambda path: torch.save(content(), path, **options)


def _twice_with_module() -> dict[str, Any]:
    return {"visual.proj": torch.ones(2), "module.visual.proj": torch.ones(2)}


TOWERS |= {
    "sparse.pt": _saved(lambda: {"a": torch.eye(3).to_sparse()}),
    "without_numbers.pt": _saved(lambda: {"a": torch.empty(4, device="meta")}),
    "named_twice.pt": _saved(_twice_with_module),
    "named_twice_legacy.pt": _saved(_twice_with_module, _use_new_zipfile_serialization=False),
    "a_whole_model.pt": _saved(lambda: torch.nn.Linear(2, 2)),
    "not_a_number.pt": _saved(lambda: {"a": torch.tensor([1.0, torch.nan])}),
    "infinite.pt": _saved(lambda: {"a": torch.tensor([1.0, -torch.inf])}),
    "another_model.pt": _saved(lambda: torch.nn.Linear(2, 2).state_dict()),
}


# ---- archives that are hostile as archives


def _inflated(path: Path) -> None:
    """Three megabytes on disk, three gigabytes when it is read."""
    made = zlib.compressobj(9, zlib.DEFLATED, -15)
    piece = made.compress(bytes(16 * _MIB)) + made.flush(zlib.Z_FULL_FLUSH)
    pickled = _one(_tensor(b"(J\x00\x00\x00\x30t", length=0x30000000))
    content = bytearray(_archive(pickled, {"0": piece * 192 + made.flush()}))
    for name, method, size in ((content.find(b"a/data/0"), 22, 8), (content.rfind(b"a/data/0"), 36, 22)):
        struct.pack_into("<H", content, name - method, zipfile.ZIP_DEFLATED)
        struct.pack_into("<I", content, name - size, 0xC0000000)
    path.write_bytes(content)


def _inflated_pickle(path: Path) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a/data.pkl", b"\x80\x02" + b"]" * (64 * _MIB))


def _many_members(path: Path) -> None:
    listed = b"".join(
        b"PK\x01\x02" + bytes(24) + struct.pack("<H", 8) + bytes(16) + b"%08d" % number
        for number in range(300_000)
    )
    counts = struct.pack("<HHHHIIH", 0, 0, 0xFFFF, 0xFFFF, len(listed), 4, 0)
    path.write_bytes(b"PK\x03\x04" + listed + b"PK\x05\x06" + counts)


def _same_member_often(path: Path) -> None:
    """Every storage of a list of members is the same megabyte."""
    content = bytearray(_archive(_one(_tensor()), {"0": bytes(_MIB), "1": bytes(_MIB)}))
    first, second = content.find(b"a/data/0"), content.rfind(b"a/data/1")
    content[second - 4 : second] = struct.pack("<I", first - 30)
    path.write_bytes(content)


def _changed(old: bytes, new: bytes) -> Write:
    content = _archive(_one(_tensor()), {"0": b"\x01\x02\x03\x04" * 16})
    return _bytes(content.replace(old, new))


def _flagged(path: Path) -> None:
    content = bytearray(_archive(_one(_tensor())))
    content[6] |= 1
    content[content.find(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(content)


def _doubled(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a/data.pkl", _one(_tensor()))
        archive.writestr("a/data/0", bytes(64))
        archive.writestr("a/data/0 ", bytes(64))
    path.write_bytes(path.read_bytes().replace(b"a/data/0 ", b"a/data/0\x00"))


def _elsewhere(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a/data.pkl", _one(_tensor()))
        archive.writestr("b/data/0", bytes(64))


_GOOD = _archive(_one(_tensor()))
TOWERS |= {
    "inflated.pt": _inflated,
    "inflated_pickle.pt": _inflated_pickle,
    "many_members.pt": _many_members,
    "same_member_often.pt": _same_member_often,
    "member_twice.pt": _doubled,
    "two_folders.pt": _elsewhere,
    "locked.pt": _flagged,
    "wrong_checksum.pt": _changed(b"\x01\x02\x03\x04\x01", b"\x01\x02\x03\x05\x01"),
    "other_machine.pt": _bytes(_archive(_one(_tensor()), byteorder=b"big")),
    "no_pickle.pt": _changed(b"data.pkl", b"data.txt"),
    "half.pt": _bytes(_GOOD[: len(_GOOD) // 2]),
    "without_its_end.pt": _bytes(_GOOD[:-1]),
    "without_its_start.pt": _bytes(b"PK" + _GOOD[40:]),
    "legacy_half.pt": _bytes(_legacy(_one(_tensor()))[:-20]),
    "legacy_other_machine.pt": _bytes(_legacy(_one(_tensor())).replace(b"\x88", b"\x89")),
    "legacy_lies.pt": _bytes(_legacy(_one(_tensor()), tail=struct.pack("<Q", 1 << 60) + bytes(64))),
}


# ---- TorchScript


class _Writes(torch.nn.Module):
    """An archive of it overwrites a file when `torch.jit.load` restores it."""

    def __init__(self, victim: str) -> None:
        super().__init__()
        self.victim = victim
        self.numbers = torch.ones(4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x

    @torch.jit.export
    def __getstate__(self) -> tuple[str, torch.Tensor, bool]:
        return (self.victim, self.numbers, self.training)

    @torch.jit.export
    def __setstate__(self, state: tuple[str, torch.Tensor, bool]) -> None:
        self.victim = state[0]
        self.numbers = torch.from_file(state[0], shared=True, size=4).fill_(7.0)
        self.training = state[2]


class _Loops(torch.nn.Module):
    """An archive of it never ends being loaded."""

    def __init__(self) -> None:
        super().__init__()
        self.numbers = torch.ones(4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x

    @torch.jit.export
    def __getstate__(self) -> tuple[torch.Tensor, bool]:
        return (self.numbers, self.training)

    @torch.jit.export
    def __setstate__(self, state: tuple[torch.Tensor, bool]) -> None:
        self.numbers = state[0]
        while bool(self.numbers.sum() >= 0):
            self.numbers = self.numbers.abs()
        self.training = state[1]


def writes_when_loaded(path: Path) -> None:
    torch.jit.save(torch.jit.script(_Writes(os.environ[CANARY])), str(path))


def _module(kind: str, attributes: bytes) -> bytes:
    return f"c__torch__\n{kind}\n".encode() + b")\x81}(" + attributes + b"ub"


def _scripted(root: bytes, code: str, **more: bytes) -> Write:
    content = {"code____torch__.py": code.encode(), **more}
    numbers = {"0": struct.pack("<16f", *range(16))}
    buffer = _archive(b"\x80\x02" + root + b".", numbers)
    return lambda path: _with_members(path, buffer, content)


def _with_members(path: Path, archive: bytes, more: dict[str, bytes]) -> None:
    path.write_bytes(archive)
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as opened:
        for name, content in more.items():
            opened.writestr("a/" + name.replace("____torch__", "/__torch__"), content)


_CLASS = 'class A(Module):\n  __parameters__ = ["w", ]\n  __buffers__ = []\n'
_LEAF = _module("A", _text("w") + _tensor())


def _chain(length: int) -> bytes:
    """Modules in modules, each with the next under two names."""
    made = _LEAF + b"q\x01"
    for number in range(length):
        put, get = b"r" + struct.pack("<I", number + 2), b"j" + struct.pack("<I", number + 1)
        made += b"c__torch__\nA\n)\x81}(" + _text("l") + get + _text("r") + get + b"ub" + put
    return made


TOWERS |= {
    "script_that_writes.pt": writes_when_loaded,
    "script_that_loops.pt": lambda path: torch.jit.save(torch.jit.script(_Loops()), str(path)),
    "script_nested.pt": _scripted(_chain(30), _CLASS),
    "script_very_nested.pt": _scripted(_chain(3000), _CLASS),
    "script_in_itself.pt": _scripted(b"c__torch__\nA\n)\x81q\x01}(" + _text("l") + b"h\x01ub", _CLASS),
    "script_without_code.pt": _scripted(_LEAF, "class B(Module):\n"),
    "script_code_inflated.pt": _scripted(_LEAF, _CLASS + " " * (64 * _MIB)),
    "script_name_twice.pt": _scripted(_module("A", _text("w") + _tensor() + _text("w") + _tensor()), _CLASS),
    "script_dotted_twice.pt": _scripted(
        _module("A", _text("b") + _LEAF + _text("b.w") + _tensor()), _CLASS.replace('"w"', '"w", "b.w"')
    ),
    "script_restores_twice.pt": _scripted(_LEAF + b"}(" + _text("w") + _tensor() + b"ub", _CLASS),
    "script_restored_by_a_tuple.pt": _scripted(b"c__torch__\nA\n)\x81(" + _ARGUMENT + b"tb", _CLASS),
    "script_of_whole_numbers.pt": _scripted(_module("A", _text("w") + _tensor(kind="IntStorage")), _CLASS),
    "script_of_another_model.pt": _scripted(_LEAF, _CLASS),
}


# ---- safetensors


def _safe(header: Any, numbers: bytes = bytes(64), length: int | None = None) -> Write:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return _bytes(struct.pack("<Q", len(text) if length is None else length) + text + numbers)


def _entry(**changes: Any) -> dict[str, Any]:
    return {"dtype": "F32", "shape": [16], "data_offsets": [0, 64], **changes}


_ONE = json.dumps(_entry())
TOWERS |= {
    "cut_length.safetensors": _bytes(b"\x10\x00"),
    "header_of_exabytes.safetensors": _safe({}, length=(1 << 63) + 1),
    "header_behind_the_end.safetensors": _safe({"a": _entry()}, length=4000),
    "header_of_spaces.safetensors": _safe(b"{" + b" " * (40 * _MIB) + b"}"),
    "no_json.safetensors": _safe(b"{a:1}"),
    "no_text.safetensors": _safe(b"\xff\xfe{}"),
    "deep_json.safetensors": _safe(b"[" * 200_000),
    "a_list.safetensors": _safe([1, 2]),
    "digits.safetensors": _safe(b'{"a":' + b"9" * 6000 + b"}"),
    "twice.safetensors": _safe(f'{{"a":{_ONE},"a":{_ONE}}}'.encode()),
    "metadata_twice.safetensors": _safe(f'{{"__metadata__":{{"a":"1","a":"2"}},"a":{_ONE}}}'.encode()),
    "metadata_of_numbers.safetensors": _safe({"__metadata__": {"a": 1}, "a": _entry()}),
    "more_keys.safetensors": _safe({"a": _entry(extra=1)}),
    "unknown_type.safetensors": _safe({"a": _entry(dtype="F31")}),
    "small_type.safetensors": _safe({"a": _entry(dtype="F4", shape=[128])}),
    "overlap.safetensors": _safe({"a": _entry(), "b": _entry()}),
    "gap.safetensors": _safe({"a": _entry(data_offsets=[4, 64], shape=[15])}),
    "behind_the_end.safetensors": _safe({"a": _entry(shape=[32], data_offsets=[0, 128])}),
    "backwards.safetensors": _safe({"a": _entry(data_offsets=[64, 0])}),
    "negative.safetensors": _safe({"a": _entry(shape=[-16])}),
    "fraction.safetensors": _safe({"a": _entry(shape=[16.0])}),
    "terabytes.safetensors": _safe({"a": _entry(shape=[1 << 40, 1 << 30])}),
    "other_shape.safetensors": _safe({"a": _entry(shape=[17])}),
    "many_axes.safetensors": _safe({"a": _entry(shape=[1] * 99 + [16])}),
    "longer_than_said.safetensors": _safe({"a": _entry()}, bytes(100)),
    "whole_numbers.safetensors": _safe({"a": _entry(dtype="I32")}),
    "truth_values.safetensors": _safe({"a": _entry(dtype="BOOL", shape=[64])}),
    "complex_numbers.safetensors": _safe({"a": _entry(dtype="C64", shape=[8])}),
    "zeros.safetensors": _safe({"a": _entry()}),
    "not_a_number.safetensors": _safe({"a": _entry()}, struct.pack("<16f", *[float("nan")] * 16)),
    "infinite.safetensors": _safe({"a": _entry()}, struct.pack("<16f", *[float("inf")] * 16)),
    "nothing.safetensors": _safe({}, b""),
    "control.safetensors": _safe({"\x1b[2J\n\u202e": _entry()}, struct.pack("<16f", *range(16))),
}


# ---- official checkpoints

OFFICIAL |= {
    "empty.pth": lambda path: path.touch(),
    "pipe.pth": os.mkfifo,
    "text.pth": _bytes(b"not found"),
    "code.pth": _bytes(_archive(_state(_text("prompt_learner"), b"}(" + _text("a") + _CALLS["eval"] + b"u"))),
    "code_legacy.pth": _bytes(_legacy(_state(_text("prompt_learner"), _CALLS["os_system"]))),
    "script.pth": writes_when_loaded,
    "other_keys.pth": _saved(lambda: {"state_dict": {}}),
    "a_list.pth": _saved(lambda: {"prompt_learner": [1]}),
    "empty_dict.pth": _saved(lambda: {"prompt_learner": {}}),
    "zeros.pth": _saved(lambda: {"trainable_linearlayer": {"fc.0.weight": torch.zeros(4, 4)}}),
    "whole_numbers.pth": _saved(lambda: {"prompt_learner": {"ctx_pos": torch.ones(1, 1, 2, 32).int()}}),
    "complex_numbers.pth": _saved(
        lambda: {"prompt_learner": {"ctx_pos": torch.ones(1, dtype=torch.complex64)}}
    ),
    "no_axes.pth": _saved(lambda: {"prompt_learner": {"ctx_pos": torch.tensor(1.0)}}),
    "not_a_number.pth": _saved(lambda: {"trainable_linearlayer": {"fc.0.weight": torch.tensor([torch.nan])}}),
}


# ---- checkpoints of ours


def _ours(tensors: dict[str, torch.Tensor], text: str | None = None, **changes: Any) -> Write:
    """With a digest that is right, whatever the content; `text` takes the place of the whole header."""
    header = {"format": 2, "method": "coop", "settings": {"layers": [6]}, "provenance": {}} | changes

    def write(path: Path) -> None:
        try:
            digest = checkpoint._digest(header, tensors)  # the forger knows it too
        except ValueError:
            digest = "0"
        signed = json.dumps(header | {"digest": digest}) if text is None else text
        path.write_bytes(save(tensors, metadata={"zsad": signed}))

    return write


_LEARNT = {"context": torch.linspace(-1, 1, 16 * 32).view(1, 16, 32)}
LEARNT |= {
    "empty.safetensors": lambda path: path.touch(),
    "pipe.safetensors": os.mkfifo,
    "format_99.safetensors": _ours(_LEARNT, format=99),
    "format_true.safetensors": _ours(_LEARNT, format=True),
    "format_2_0.safetensors": _ours(_LEARNT, format=2.0),
    "format_text.safetensors": _ours(_LEARNT, format="2"),
    "format_missing.safetensors": _ours(_LEARNT, format=None),
    "method_number.safetensors": _ours(_LEARNT, method=1),
    "method_unknown.safetensors": _ours(_LEARNT, method="nobody"),
    "method_path.safetensors": _ours(_LEARNT, method="../../evil"),
    "method_learns_nothing.safetensors": _ours(_LEARNT, method="clip"),
    "settings_list.safetensors": _ours(_LEARNT, settings=[1]),
    "settings_unknown.safetensors": _ours(_LEARNT, settings={"evil": 1}),
    "settings_not_a_number.safetensors": _ours(_LEARNT, settings={"n_ctx": float("nan")}),
    "settings_gigantic.safetensors": _ours(_LEARNT, settings={"layers": [6], "n_ctx": 10**12}),
    "provenance_text.safetensors": _ours(_LEARNT, provenance="me"),
    "more_keys.safetensors": _ours(_LEARNT, extra=1),
    "deep_header.safetensors": _ours(_LEARNT, text="[" * 100_000),
    "digits_header.safetensors": _ours(_LEARNT, text='{"format":' + "9" * 6000 + "}"),
    "surrogate.safetensors": _ours(
        _LEARNT, text='{"format":2,"method":"\\ud800","settings":{},"provenance":{},"digest":"0"}'
    ),
    "header_list.safetensors": _ours(_LEARNT, text="[1]"),
    "wrong_digest.safetensors": _ours(
        _LEARNT,
        text=json.dumps(
            {"format": 2, "method": "coop", "settings": {}, "provenance": {}, "digest": value_digest(1)}
        ),
    ),
    "zeros.safetensors": _ours({"context": torch.zeros(1, 16, 32)}),
    "whole_numbers.safetensors": _ours({"context": torch.ones(1, 16, 32, dtype=torch.int32)}),
    "truth_values.safetensors": _ours({"context": torch.ones(1, 16, 32, dtype=torch.bool)}),
    "complex_numbers.safetensors": _ours({"context": torch.ones(1, 16, 32, dtype=torch.complex64)}),
    "not_a_number.safetensors": _ours({"context": torch.full((1, 16, 32), torch.nan)}),
    "other_shape.safetensors": _ours({"context": torch.ones(3)}),
    "no_header.safetensors": lambda path: path.write_bytes(save(_LEARNT)),
    "another_key.safetensors": lambda path: path.write_bytes(
        save(_LEARNT, metadata={"a": "b", "zsad": "{}"})
    ),
}
