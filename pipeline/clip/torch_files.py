"""The files that torch writes: archives of `torch.save` and TorchScript, and the format before them.

Their pickles are read by `pipeline.clip.pickles`; of a TorchScript archive the text of its classes is looked
at for the names of weights, and nothing is run. Sizes are compared with the size of the file before numbers
are read. What is wrong is an error of damaged bytes, which `pipeline.clip.tensors` explains.
"""

import io
import os
import re
import struct
from collections.abc import Callable, Mapping
from math import prod
from typing import IO, Any
from zipfile import ZIP_STORED, ZipFile, ZipInfo

import torch
from torch import Tensor

from pipeline.clip.pickles import LONGEST, Module, RefusedError, Storage, Stored, described

LONGEST_NAME = 255

_LEGACY_MAGIC, _LEGACY_PROTOCOL = 0x1950A86A20F9469CFC6C, 1001
_LONGEST_READ = 8 << 20  # of zipfile: the list of members
_LONGEST_CODE = 16 << 20  # of all classes; a file may be read once for each class in it
_CHUNK = 1 << 20
_DEEPEST, _MOST_ATTRIBUTES = 64, 200_000
_MOST_NAMES_OF_ONE = 8  # tensor, on average
_COUNT = struct.Struct("<Q")

Choose = Callable[[Any], Any]
Read = Callable[[Storage], bytearray]


def from_archive(file: IO[bytes], size: int, choose: Choose) -> dict[str, Tensor]:
    """The tensors of a zip archive of `torch.save` or of TorchScript.

    Args:
        file: Open.
        size: Of the file in bytes.
        choose: See `pipeline.clip.tensors.read_pickled`.
    """
    with ZipFile(_Careful(file)) as archive:
        members = _members(archive, size)
        content, _ = described(io.BytesIO(_whole(archive, members["data.pkl"], LONGEST)))
        if members.get("byteorder") and _whole(archive, members["byteorder"], 8) != b"little":
            raise ValueError("its bytes stand in the order of another kind of machine")
        if isinstance(content, Module):
            code = {name: info for name, info in members.items() if name.startswith("code/")}
            content = _flat(content, _Declared(archive, code))

        def read(storage: Storage) -> bytearray:
            return _stored(archive, members[f"data/{storage.key}"], _bytes(storage))

        return _tensors(choose(content), read, size)


def from_legacy(file: IO[bytes], size: int, choose: Choose) -> dict[str, Tensor]:
    """As `from_archive`, of the format before it: five pickles, then every storage behind its length."""
    file.seek(0)
    stream = io.BytesIO(file.read(LONGEST))
    magic, protocol, system = (described(stream)[0] for _ in range(3))
    if (magic, protocol) != (_LEGACY_MAGIC, _LEGACY_PROTOCOL) or system["little_endian"] is not True:
        raise ValueError("no pickle of torch, or one of another kind of machine")
    content, storages = described(stream)
    keys, _ = described(stream)
    places, place = {}, stream.tell()
    for key in keys:
        places[key] = place
        place += _COUNT.size + _bytes(storages[key])

    def read(storage: Storage) -> bytearray:
        file.seek(places[storage.key])
        if _COUNT.unpack(file.read(_COUNT.size)) != (storage.length,):
            raise ValueError(f"storage {storage.key!r} has another length than its pickle says")
        return _filled(file, _bytes(storage))

    return _tensors(choose(content), read, size)


class _Careful:
    """A file that refuses to be read in one piece beyond a bound; zipfile reads a list of members so."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.tell, self.seekable = file.tell, file.seekable

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        if whence == os.SEEK_SET and offset < 0:
            raise ValueError("it refers to a place before its start")
        return self._file.seek(offset, whence)

    def read(self, count: int = -1) -> bytes:
        content = self._file.read(count if 0 <= count <= _LONGEST_READ else _LONGEST_READ + 1)
        if len(content) > _LONGEST_READ:
            raise RefusedError("has a list of members that is too long: fetch it again")
        return content


def _members(archive: ZipFile, size: int) -> dict[str, ZipInfo]:
    """The members by name, without the folder that all are in."""
    listed = archive.infolist()
    members = {info.filename.partition("/")[2]: info for info in listed}
    if len(members) != len(listed) or len({info.filename.partition("/")[0] for info in listed}) != 1:
        raise RefusedError("has a member twice, or members outside its folder: fetch it again")
    if sum(info.file_size for name, info in members.items() if not name.startswith("code/")) > size:
        raise RefusedError("has members that say they are larger than the file: fetch it again")
    return members


def _whole(archive: ZipFile, info: ZipInfo, bound: int) -> bytes:
    with archive.open(info) as member:
        content = member.read(bound + 1)
    if len(content) > bound:
        raise RefusedError(
            f"has {info.filename[:LONGEST_NAME]!r} with more than {bound} bytes: fetch it again"
        )
    return content


def _stored(archive: ZipFile, info: ZipInfo, count: int) -> bytearray:
    if info.compress_type != ZIP_STORED or info.file_size != count:
        raise ValueError(f"{info.filename[:LONGEST_NAME]!r} has {info.file_size} bytes, expected {count}")
    with archive.open(info) as member:
        return _filled(member, count)


def _filled(file: IO[bytes], count: int) -> bytearray:
    """`count` bytes, in pieces: a library that reads them at once holds them twice."""
    content, view = bytearray(count), 0
    while view < count:
        piece = file.read(min(_CHUNK, count - view))
        if not piece:
            raise EOFError("it ends too early")
        content[view : view + len(piece)] = piece
        view += len(piece)
    file.read(1)  # zipfile compares the checksum at the end
    return content


class _Declared:
    """Which attributes of a class in an archive are weights, as the text of the class says.

    A state dict has parameters and buffers, and no other tensor that a module holds.
    """

    def __init__(self, archive: ZipFile, code: Mapping[str, ZipInfo]) -> None:
        self._archive, self._code = archive, code
        self._known: dict[str, frozenset[str]] = {}
        self._left = _LONGEST_CODE

    def names(self, kind: str) -> frozenset[str]:
        """Of the class of that full name."""
        if kind not in self._known:
            module, _, name = kind.rpartition(".")
            info = self._code[f"code/{module.replace('.', '/')}.py"]
            text = _whole(self._archive, info, self._left).decode()
            self._left -= len(text)
            found = re.search(
                rf"^class {re.escape(name)}\(Module\):\n((?:  __\w+__ = \[.*\]\n)*)", text, re.MULTILINE
            )
            if found is None:
                raise ValueError(f"{kind[:LONGEST_NAME]!r} stands nowhere in it")
            self._known[kind] = frozenset(re.findall(r'"([^"\n]*)"', found[1]))
        return self._known[kind]


def _flat(root: Module, declared: _Declared) -> dict[str, Any]:
    """The state dict of a tree of modules: `Stored` by the path of attributes that leads there."""
    state: dict[str, Any] = {}
    waiting, seen = [("", root, 0)], 0
    while waiting:
        prefix, module, depth = waiting.pop()
        seen += 1 + len(module.attributes)
        if depth > _DEEPEST or seen > _MOST_ATTRIBUTES or len(prefix) > LONGEST_NAME:
            raise RefusedError("has modules that are nested too deep: fetch it again")
        weights = declared.names(module.kind)
        for name, value in module.attributes.items():
            if isinstance(value, Module):
                waiting.append((f"{prefix}{name}.", value, depth + 1))
            elif isinstance(value, Stored) and name in weights:
                if f"{prefix}{name}" in state:
                    raise RefusedError(f"has {prefix + name[:LONGEST_NAME]!r} twice: fetch it again")
                state[f"{prefix}{name}"] = value
    return state


def _bytes(storage: Storage) -> int:
    return storage.length * storage.dtype.itemsize


def _tensors(state: Any, read: Read, size: int) -> dict[str, Tensor]:
    """Read what a state dict describes; tensors of one storage share its memory."""
    if not isinstance(state, dict) or not all(
        isinstance(name, str) and isinstance(value, Stored) for name, value in state.items()
    ):
        raise RefusedError("holds no state dict: expected names mapped to tensors")
    for name, value in state.items():
        _require_apart(name[:LONGEST_NAME], value)
    storages = {value.storage.key: value.storage for value in state.values()}
    wanted = sum(prod(value.shape) * value.storage.dtype.itemsize for value in state.values())
    if sum(map(_bytes, storages.values())) > size or wanted > _MOST_NAMES_OF_ONE * size:
        raise RefusedError("has tensors that say they are larger than the file: fetch it again")
    flat = {key: _numbers(storage, read(storage)) for key, storage in storages.items()}
    return {
        name: flat[value.storage.key].as_strided(value.shape, value.strides, value.start).contiguous()
        for name, value in state.items()
    }


def _numbers(storage: Storage, content: bytearray) -> Tensor:
    if not storage.length:
        return torch.empty(0, dtype=storage.dtype)  # torch makes no tensor of an empty buffer
    return torch.frombuffer(content, dtype=storage.dtype)


def _require_apart(name: str, value: Stored) -> None:
    """Refuse a tensor that shows a number of its storage twice, or ends behind it."""
    if not (count := prod(value.shape)):
        return
    pairs = zip(value.strides, value.shape, strict=True)
    last, nearest = value.start, 1
    for stride, size in sorted(pair for pair in pairs if pair[1] != 1):
        if stride < nearest:
            raise RefusedError(f"has {name!r}, which shows a number twice: convert it to safetensors")
        last, nearest = last + stride * (size - 1), stride * size
    if last >= value.storage.length or count > value.storage.length:
        raise ValueError(f"{name!r} ends behind its storage")
