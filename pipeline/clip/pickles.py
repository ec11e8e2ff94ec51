"""What a pickle of tensors says, read without importing or calling anything that it names.

Python's own unpickler imports and calls what a file asks for. Here the instructions of a file only put plain
values together (numbers, text, tuples, lists, dictionaries), and the few names that a file of tensors needs
stand for descriptions: of a storage, of a tensor, of a module of a TorchScript archive. Any other name, and
any instruction that torch does not write, is refused. Time and memory grow with the number of instructions,
which has a bound.
"""

import pickletools
from collections.abc import Callable, Iterator
from typing import IO, Any, NamedTuple

import torch

LONGEST = 2 << 20
"""Bytes that a pickle of tensors may have; that of ViT-L/14 with an optimiser has a twelfth of it."""

ARCHIVED = "__torch__"
"""First part of the names of a TorchScript archive's own classes."""

_MOST_AXES = 8
_MORE, _CONVERT = "holds more than tensors", ": convert it to safetensors where you trust it"

_STORAGES = {
    "torch DoubleStorage": torch.float64,
    "torch FloatStorage": torch.float32,
    "torch HalfStorage": torch.float16,
    "torch BFloat16Storage": torch.bfloat16,
    "torch LongStorage": torch.int64,
    "torch IntStorage": torch.int32,
    "torch ShortStorage": torch.int16,
    "torch CharStorage": torch.int8,
    "torch ByteStorage": torch.uint8,
    "torch BoolStorage": torch.bool,
    "torch ComplexFloatStorage": torch.complex64,
    "torch ComplexDoubleStorage": torch.complex128,
}


class Storage(NamedTuple):
    """Numbers in a row: their type, under which key they lie, how many."""

    dtype: torch.dtype
    key: str
    length: int


class Stored(NamedTuple):
    """A tensor that has not been read; `start` and `strides` count numbers of its storage."""

    storage: Storage
    start: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


class Module:
    """A module of a TorchScript archive: the full name of its class, and its attributes."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.attributes: dict[str, Any] = {}


class _Name(NamedTuple):
    """A name that the file gives; it is never looked up."""

    full: str


class _Mark:
    """Where a list of arguments begins on the stack."""


class RefusedError(ValueError):
    """What a file must not hold; the message goes on behind the file's name."""


class _Stack(list[Any]):
    """What an instruction works on, and the storages met so far."""

    def __init__(self) -> None:
        super().__init__()
        self.storages: dict[str, Storage] = {}


def described(stream: IO[bytes]) -> tuple[Any, dict[str, Storage]]:
    """What the pickle at the position of `stream` says; the position is then right behind it.

    Returns:
        Numbers, text, tuples, lists and dictionaries, with `Stored` for each tensor and `Module` for each
        module; and all storages by their key.

    Raises:
        RefusedError: it names something else, or holds a name twice.
        ValueError, LookupError, TypeError, AttributeError, AssertionError: it is damaged.
    """
    stack = _Stack()
    memo: dict[int, Any] = {}
    argument: Any
    for opcode, argument, _ in pickletools.genops(stream):
        name = opcode.name
        if name == "STOP":
            return stack.pop(), stack.storages
        if name in _PUSHED:
            stack.append(_PUSHED[name](argument))
        elif name in _STORED:
            memo[len(memo) if name == "MEMOIZE" else argument] = stack[-1]
        elif name in _FETCHED:
            stack.append(memo[argument])
        elif name in _MADE:
            _MADE[name](stack)
        elif name not in _SKIPPED:
            raise RefusedError(f"{_MORE} (the instruction {name}){_CONVERT}")
    raise ValueError("its pickle has no end")


def _named(argument: str) -> _Name:
    if argument in _STORAGES or argument in _CALLS or argument.partition(" ")[0].split(".")[0] == ARCHIVED:
        return _Name(argument)
    raise RefusedError(f"{_MORE} ({argument.replace(' ', '.', 1)[:80]!r}){_CONVERT}")


def _after_mark(stack: _Stack) -> list[Any]:
    """Take what lies above the last mark, and the mark."""
    place = len(stack) - 1
    while not isinstance(stack[place], _Mark):
        place -= 1
    items = stack[place + 1 :]
    del stack[place:]
    return items


def _tuple(count: int) -> Callable[[_Stack], None]:
    def make(stack: _Stack) -> None:
        items = tuple(stack[-count:])
        del stack[-count:]
        stack.append(items)

    return make


def _append(stack: _Stack) -> None:
    item = stack.pop()
    _extend(stack, [item])


def _appends(stack: _Stack) -> None:
    _extend(stack, _after_mark(stack))


def _extend(stack: _Stack, items: list[Any]) -> None:
    if type(stack[-1]) is not list:
        raise TypeError("its pickle appends to what is no list")
    stack[-1].extend(items)


def _set(stack: _Stack) -> None:
    value, key = stack.pop(), stack.pop()
    _update(stack[-1], iter([key, value]))


def _set_all(stack: _Stack) -> None:
    items = iter(_after_mark(stack))
    _update(stack[-1], items)


def _update(target: Any, items: Iterator[Any]) -> None:
    if type(target) is not dict:
        raise TypeError("its pickle sets a key of what is no dictionary")
    for key, value in zip(items, items, strict=True):
        if not isinstance(key, str | int):
            raise TypeError("its pickle has a key that is neither text nor a number")
        if key in target:
            raise RefusedError(f"has {str(key)[:80]!r} twice: fetch it again")
        target[key] = value


def _reduce(stack: _Stack) -> None:
    arguments, name = stack.pop(), stack.pop()
    stack.append(_CALLS[name.full](*arguments))


def _new(stack: _Stack) -> None:
    arguments, name = stack.pop(), stack.pop()
    if not isinstance(name, _Name) or name.full in _CALLS or name.full in _STORAGES or arguments != ():
        raise TypeError("its pickle makes an object that is no module")
    stack.append(Module(name.full.replace(" ", ".")))


def _build(stack: _Stack) -> None:
    state, target = stack.pop(), stack[-1]
    if isinstance(target, Module):
        if type(state) is not dict:
            raise RefusedError(f"{_MORE} ({target.kind[:80]!r} restores itself by code){_CONVERT}")
        if target.attributes:
            raise RefusedError(f"has the attributes of a {target.kind[:80]!r} twice: fetch it again")
        target.attributes = state
    elif type(target) is not dict:  # an ordered dictionary may carry versions of modules, which nobody reads
        raise TypeError("its pickle gives a state to what has none")


def _persistent(stack: _Stack) -> None:
    kind, name, key, _, count, *view = stack.pop()
    if kind != "storage" or any(part is not None for part in view):
        raise ValueError("its pickle refers to something that is no storage")
    storage = Storage(_STORAGES[name.full], _text(key), _count(count))
    if stack.storages.setdefault(storage.key, storage) != storage:
        raise RefusedError(f"has the storage {storage.key[:80]!r} twice: fetch it again")
    stack.append(storage)


def _stack_global(stack: _Stack) -> None:
    name, module = stack.pop(), stack.pop()
    stack.append(_named(f"{_text(module)} {_text(name)}"))


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError("its pickle has no text where a name must stand")
    return value


def _count(value: Any) -> int:
    if type(value) is not int or value < 0:
        raise ValueError("its pickle counts with something that is no number")
    return value


def _tensor(storage: Any, start: Any, shape: Any, strides: Any, *_: Any) -> Stored:
    if not isinstance(storage, Storage):
        raise TypeError("its pickle makes a tensor of something that is no storage")
    if not len(strides) == len(shape) <= _MOST_AXES:
        raise ValueError(f"its pickle makes a tensor of {len(shape)} axes and {len(strides)} strides")
    return Stored(storage, _count(start), tuple(map(_count, shape)), tuple(map(_count, strides)))


def _first(data: Any, *_: Any) -> Any:
    return data


# None of them copies what it is given: the same list can be given a million times.
_CALLS: dict[str, Callable[..., Any]] = {
    "collections OrderedDict": lambda: {},
    "torch Size": _first,
    "torch device": _first,
    "torch._utils _rebuild_parameter": _first,
    "torch._utils _rebuild_parameter_with_state": _first,
    "torch._utils _rebuild_tensor": _tensor,
    "torch._utils _rebuild_tensor_v2": _tensor,
    "torch.jit._pickle build_boollist": _first,
    "torch.jit._pickle build_doublelist": _first,
    "torch.jit._pickle build_intlist": _first,
    "torch.jit._pickle build_tensorlist": _first,
    "torch.jit._pickle restore_type_tag": _first,
}

_PUSHED: dict[str, Callable[[Any], Any]] = {
    "MARK": lambda _: _Mark(),
    "NONE": lambda _: None,
    "NEWTRUE": lambda _: True,
    "NEWFALSE": lambda _: False,
    "EMPTY_TUPLE": lambda _: (),
    "EMPTY_LIST": lambda _: [],
    "EMPTY_DICT": lambda _: {},
    "GLOBAL": _named,
    **dict.fromkeys(
        ("BININT", "BININT1", "BININT2", "LONG1", "LONG4", "BINFLOAT", "BINUNICODE", "SHORT_BINUNICODE"),
        lambda argument: argument,
    ),
}

_STORED = frozenset({"BINPUT", "LONG_BINPUT", "MEMOIZE"})
_FETCHED = frozenset({"BINGET", "LONG_BINGET"})
_SKIPPED = frozenset({"PROTO", "FRAME"})

_MADE: dict[str, Callable[[_Stack], None]] = {
    "TUPLE": lambda stack: stack.append(tuple(_after_mark(stack))),
    "TUPLE1": _tuple(1),
    "TUPLE2": _tuple(2),
    "TUPLE3": _tuple(3),
    "APPEND": _append,
    "APPENDS": _appends,
    "SETITEM": _set,
    "SETITEMS": _set_all,
    "REDUCE": _reduce,
    "NEWOBJ": _new,
    "BUILD": _build,
    "BINPERSID": _persistent,
    "STACK_GLOBAL": _stack_global,
}
