"""Archives that are hostile as archives, and TorchScript: more for the corpus in `hostile`."""

import os
import struct
import zipfile
import zlib
from pathlib import Path

import torch

from tests.clip.hostile import (
    ARGUMENT,
    CANARY,
    MIB,
    TOWERS,
    Write,
    archive,
    content_of,
    legacy,
    one,
    tensor,
    text,
)


def _inflated(path: Path) -> None:
    """Three megabytes on disk, three gigabytes when it is read."""
    made = zlib.compressobj(9, zlib.DEFLATED, -15)
    piece = made.compress(bytes(16 * MIB)) + made.flush(zlib.Z_FULL_FLUSH)
    pickled = one(tensor(b"(J\x00\x00\x00\x30t", length=0x30000000))
    content = bytearray(archive(pickled, {"0": piece * 192 + made.flush()}))
    for name, method, size in ((content.find(b"a/data/0"), 22, 8), (content.rfind(b"a/data/0"), 36, 22)):
        struct.pack_into("<H", content, name - method, zipfile.ZIP_DEFLATED)
        struct.pack_into("<I", content, name - size, 0xC0000000)
    path.write_bytes(content)


def _inflated_pickle(path: Path) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a/data.pkl", b"\x80\x02" + b"]" * (64 * MIB))


def _many_members(path: Path) -> None:
    listed = b"".join(
        b"PK\x01\x02" + bytes(24) + struct.pack("<H", 8) + bytes(16) + b"%08d" % number
        for number in range(300_000)
    )
    counts = struct.pack("<HHHHIIH", 0, 0, 0xFFFF, 0xFFFF, len(listed), 4, 0)
    path.write_bytes(b"PK\x03\x04" + listed + b"PK\x05\x06" + counts)


def _same_member_often(path: Path) -> None:
    """Every storage of a list of members is the same megabyte."""
    content = bytearray(archive(one(tensor()), {"0": bytes(MIB), "1": bytes(MIB)}))
    first, second = content.find(b"a/data/0"), content.rfind(b"a/data/1")
    content[second - 4 : second] = struct.pack("<I", first - 30)
    path.write_bytes(content)


def _changed(old: bytes, new: bytes) -> Write:
    content = archive(one(tensor()), {"0": b"\x01\x02\x03\x04" * 16})
    return content_of(content.replace(old, new))


def _flagged(path: Path) -> None:
    content = bytearray(archive(one(tensor())))
    content[6] |= 1
    content[content.find(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(content)


def _doubled(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a/data.pkl", one(tensor()))
        archive.writestr("a/data/0", bytes(64))
        archive.writestr("a/data/0 ", bytes(64))
    path.write_bytes(path.read_bytes().replace(b"a/data/0 ", b"a/data/0\x00"))


def _elsewhere(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a/data.pkl", one(tensor()))
        archive.writestr("b/data/0", bytes(64))


_GOOD = archive(one(tensor()))
TOWERS |= {
    "inflated.pt": _inflated,
    "inflated_pickle.pt": _inflated_pickle,
    "many_members.pt": _many_members,
    "same_member_often.pt": _same_member_often,
    "member_twice.pt": _doubled,
    "two_folders.pt": _elsewhere,
    "locked.pt": _flagged,
    "wrong_checksum.pt": _changed(b"\x01\x02\x03\x04\x01", b"\x01\x02\x03\x05\x01"),
    "other_machine.pt": content_of(archive(one(tensor()), byteorder=b"big")),
    "no_pickle.pt": _changed(b"data.pkl", b"data.txt"),
    "half.pt": content_of(_GOOD[: len(_GOOD) // 2]),
    "without_its_end.pt": content_of(_GOOD[:-1]),
    "without_its_start.pt": content_of(b"PK" + _GOOD[40:]),
    "legacy_half.pt": content_of(legacy(one(tensor()))[:-20]),
    "legacy_other_machine.pt": content_of(legacy(one(tensor())).replace(b"\x88", b"\x89")),
    "legacy_lies.pt": content_of(legacy(one(tensor()), tail=struct.pack("<Q", 1 << 60) + bytes(64))),
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
    buffer = archive(b"\x80\x02" + root + b".", numbers)
    return lambda path: _with_members(path, buffer, content)


def _with_members(path: Path, archive: bytes, more: dict[str, bytes]) -> None:
    path.write_bytes(archive)
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as opened:
        for name, content in more.items():
            opened.writestr("a/" + name.replace("____torch__", "/__torch__"), content)


_CLASS = 'class A(Module):\n  __parameters__ = ["w", ]\n  __buffers__ = []\n'
_LEAF = _module("A", text("w") + tensor())


def _chain(length: int) -> bytes:
    """Modules in modules, each with the next under two names."""
    made = _LEAF + b"q\x01"
    for number in range(length):
        put, get = b"r" + struct.pack("<I", number + 2), b"j" + struct.pack("<I", number + 1)
        made += b"c__torch__\nA\n)\x81}(" + text("l") + get + text("r") + get + b"ub" + put
    return made


TOWERS |= {
    "script_that_writes.pt": writes_when_loaded,
    "script_that_loops.pt": lambda path: torch.jit.save(torch.jit.script(_Loops()), str(path)),
    "script_nested.pt": _scripted(_chain(30), _CLASS),
    "script_very_nested.pt": _scripted(_chain(3000), _CLASS),
    "script_in_itself.pt": _scripted(b"c__torch__\nA\n)\x81q\x01}(" + text("l") + b"h\x01ub", _CLASS),
    "script_without_code.pt": _scripted(_LEAF, "class B(Module):\n"),
    "script_code_inflated.pt": _scripted(_LEAF, _CLASS + " " * (64 * MIB)),
    "script_name_twice.pt": _scripted(_module("A", text("w") + tensor() + text("w") + tensor()), _CLASS),
    "script_dotted_twice.pt": _scripted(
        _module("A", text("b") + _LEAF + text("b.w") + tensor()), _CLASS.replace('"w"', '"w", "b.w"')
    ),
    "script_restores_twice.pt": _scripted(_LEAF + b"}(" + text("w") + tensor() + b"ub", _CLASS),
    "script_restored_by_a_tuple.pt": _scripted(b"c__torch__\nA\n)\x81(" + ARGUMENT + b"tb", _CLASS),
    "script_of_whole_numbers.pt": _scripted(_module("A", text("w") + tensor(kind="IntStorage")), _CLASS),
    "script_of_another_model.pt": _scripted(_LEAF, _CLASS),
}
