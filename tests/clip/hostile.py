"""Weights and checkpoints that somebody made to do harm, or that came to harm, each by code that makes it.

`TOWERS` are given as `--weights` of a tower, `OFFICIAL` as official checkpoints, `LEARNT` as ours.
What runs code in one of them would touch the file that the environment names as `CANARY`.
"""

import io
import os
import pickle
import socket
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

Write = Callable[[Path], object]
CANARY = "ZSAD_TEST_CANARY"
TOUCH = f'touch "${CANARY}"'

TOWERS: dict[str, Write] = {}
OFFICIAL: dict[str, Write] = {}
LEARNT: dict[str, Write] = {}

MIB = 1 << 20


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


def content_of(content: bytes) -> Write:
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
    "text.pt": content_of(b"not found"),
    "page.bin": content_of(b"<!DOCTYPE html><html>Too many requests</html>"),
    "pointer.safetensors": content_of(b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n"),
    "noise.pth": content_of(bytes(range(256)) * 40),
    "two_bytes.pt": content_of(b"PK"),
    "one_byte.pt": content_of(b"\x80"),
    "picture.pt": content_of(b"\x89PNG\r\n\x1a\n" + bytes(60)),
    "compressed.pt": content_of(b"\x1f\x8b\x08\x00" + bytes(60)),
    "very_old.pt": _tar,
    "a_pickle.safetensors": content_of(pickle.dumps({"a": 1})),
}


# ---- archives of torch, put together by hand


def archive(pickled: bytes, numbers: dict[str, bytes] | None = None, **more: bytes) -> bytes:
    """A file as `torch.save` writes it; `more` are further members, `__` for a slash."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("a/data.pkl", pickled)
        for key, content in (numbers or {"0": bytes(64)}).items():
            archive.writestr(f"a/data/{key}", content)
        for name, content in more.items():
            archive.writestr("a/" + name.replace("__", "/"), content)
    return buffer.getvalue()


def legacy(pickled: bytes, keys: bytes = b"\x80\x02]q\x00X\x01\x00\x00\x000a.", tail: bytes = b"") -> bytes:
    start = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.\x80\x02M\xe9\x03."
    system = pickle.dumps({"protocol_version": 1001, "little_endian": True, "type_sizes": {}}, protocol=2)
    return start + system + pickled + keys + tail


def text(word: str) -> bytes:
    return b"X" + struct.pack("<I", len(word.encode())) + word.encode()


def _integer(value: int) -> bytes:
    return pickle.dumps(value, protocol=2)[2:-1]


def _storage(kind: str = "FloatStorage", key: str = "0", length: int = 16) -> bytes:
    name = f"ctorch\n{kind}\n".encode()
    return b"(" + text("storage") + name + text(key) + text("cpu") + _integer(length) + b"tQ"


def tensor(shape: bytes = b"(K\x10t", strides: bytes = b"(K\x01t", start: int = 0, **storage: Any) -> bytes:
    head = b"ctorch._utils\n_rebuild_tensor_v2\n(" + _storage(**storage) + _integer(start)
    return head + shape + strides + b"\x89ccollections\nOrderedDict\n)RtR"


def state(*items: bytes) -> bytes:
    """A dictionary of names and values."""
    return b"\x80\x02}(" + b"".join(items) + b"u."


def one(value: bytes) -> bytes:
    return state(text("ctx_pos"), value)


def _both(name: str, pickled: bytes) -> None:
    """Into a zip archive and into the format before it."""
    TOWERS[f"{name}.pt"] = content_of(archive(pickled))
    TOWERS[f"{name}legacy.pt"] = content_of(legacy(pickled, tail=struct.pack("<Q", 16) + bytes(64)))


ARGUMENT = text(TOUCH)
_CODE = text(f"import os; os.system({TOUCH!r})")
CALLS = {
    "os_system": b"cposix\nsystem\n(" + ARGUMENT + b"tR",
    "os_by_stack": text("posix") + text("system") + b"\x93(" + ARGUMENT + b"tR",
    "eval": b"cbuiltins\neval\n(" + text(f"__import__('os').system({TOUCH!r})") + b"tR",
    "exec": b"cbuiltins\nexec\n(" + _CODE + b"tR",
    "popen": b"csubprocess\nPopen\n(" + ARGUMENT + b"NNt\x81",
    "import_only": b"cantigravity\nfly\n",
    "old_instance": b"(" + ARGUMENT + b"iposix\nsystem\n",
    "old_object": b"(cposix\nsystem\n" + ARGUMENT + b"o",
    "extension": b"\x82\x01",
    "by_getattr": b"cbuiltins\ngetattr\n(cposix\nsystem\n" + text("__call__") + b"tR",
    "nested_pickle": b"ctorch.storage\n_load_from_bytes\n(" + text("x") + b"tR",
    "type_rebuilt": b"ctorch._tensor\n_rebuild_from_type_v2\n(cposix\nsystem\nN(" + ARGUMENT + b"tNtR",
    "torch_load": b"ctorch\nload\n(" + text("/dev/zero") + b"tR",
    "torch_hub": b"ctorch.hub\nload\n(" + text("a/b") + b"tR",
    "numpy_array": b"cnumpy.core.multiarray\n_reconstruct\n(K\x00tR",
    "looks_like_torch": b"ctorch\nos.system\n(" + ARGUMENT + b"tR",
    "class_of_an_archive": b"c__torch__.os\nsystem\n(" + ARGUMENT + b"tR",
    "text_called": text("system") + b"(" + ARGUMENT + b"tR",
}
for _name, _value in CALLS.items():
    _both(_name, one(_value))

_BROKEN = {
    "memo_of_gigabytes": one(b"Nr\xff\xff\xff\xff"),
    "text_of_exabytes": one(b"\x8d" + struct.pack("<Q", 1 << 60)),
    "bytes_of_exabytes": one(b"\x96" + struct.pack("<Q", 1 << 60)),
    "number_of_gigabytes": one(b"\x8b" + struct.pack("<i", (1 << 31) - 1)),
    "digits_without_end": one(b"I" + b"9" * 6000 + b"\n"),
    "no_end": one(b"N")[:-1],
    "empty_stack": b"\x80\x02t.",
    "memo_unknown": one(b"h\x63"),
    "nested_deep": one(b")" + b"\x85" * 300_000),
    "holds_itself": one(b"]q\x01h\x01a"),
    "doubled_again_and_again": one(b")" + b"2\x86" * 2000),
    "key_of_tuples": state(b")" + b"q\x01h\x01\x86" * 60, b"N"),
    "no_state_dict": b"\x80\x02](K\x01K\x02e.",
    "state_dict_in_itself": state(text("a"), b"}(" + text("b"), tensor() + b"u"),
    "name_twice": state(text("a"), tensor(), text("a"), tensor()),
    "number_for_a_name": state(b"K\x01", tensor()),
    "no_tensors": b"\x80\x02}.",
}
for _name, _value in _BROKEN.items():
    _both(_name, _value)

_EIGHT_TIB = b"(J\x00\x00\x00\x40J\x00\x08\x00\x00t"
_TENSORS = {
    "whole_numbers": tensor(kind="IntStorage"),
    "truth_values": tensor(kind="BoolStorage", length=64),
    "complex_numbers": tensor(b"(K\x08t", kind="ComplexFloatStorage", length=8),
    "zeros": tensor(),
    "terabytes": tensor(_EIGHT_TIB, b"(M\x00\x08K\x01t", length=1 << 41),
    "one_number_shown_often": tensor(_EIGHT_TIB, b"(K\x00K\x00t"),
    "rows_that_overlap": tensor(b"(K\x08K\x08t", b"(K\x01K\x01t"),
    "negative_start": tensor(start=-4),
    "behind_the_end": tensor(start=4),
    "negative_size": tensor(b"(J\xff\xff\xff\xfft"),
    "negative_stride": tensor(strides=b"(J\xff\xff\xff\xfft", start=15),
    "too_few_strides": tensor(b"(K\x04K\x04t"),
    "a_hundred_axes": tensor(b"(" + b"K\x01" * 100 + b"t", b"(" + b"K\x01" * 100 + b"t"),
    "size_of_text": tensor(b"(" + text("16") + b"t"),
    "size_of_a_fraction": tensor(b"(G@0\x00\x00\x00\x00\x00\x00t"),
    "unknown_storage": tensor(key="1"),
    "key_that_climbs": tensor(key="../../etc/passwd"),
    "shorter_than_said": tensor(b"(K\x20t", length=32),
    "quantised": tensor(kind="QInt8Storage", length=64),
    "no_storage": b"ctorch._utils\n_rebuild_tensor_v2\n(NK\x00(t(t\x89NtR",
}
for _name, _value in _TENSORS.items():
    _both(_name, one(_value))


def saved(content: Callable[[], Any], **options: Any) -> Write:
    return lambda path: torch.save(content(), path, **options)


def _twice_with_module() -> dict[str, Any]:
    return {"visual.proj": torch.ones(2), "module.visual.proj": torch.ones(2)}


TOWERS |= {
    "sparse.pt": saved(lambda: {"a": torch.eye(3).to_sparse()}),
    "without_numbers.pt": saved(lambda: {"a": torch.empty(4, device="meta")}),
    "named_twice.pt": saved(_twice_with_module),
    "named_twice_legacy.pt": saved(_twice_with_module, _use_new_zipfile_serialization=False),
    "a_whole_model.pt": saved(lambda: torch.nn.Linear(2, 2)),
    "not_a_number.pt": saved(lambda: {"a": torch.tensor([1.0, torch.nan])}),
    "infinite.pt": saved(lambda: {"a": torch.tensor([1.0, -torch.inf])}),
    "another_model.pt": saved(lambda: torch.nn.Linear(2, 2).state_dict()),
}
