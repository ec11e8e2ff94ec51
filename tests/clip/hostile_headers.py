"""Headers of safetensors that lie, official checkpoints, and ours: more for the corpus in `hostile`."""

import json
import os
import struct
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save

from pipeline.files import value_digest
from pipeline.training import checkpoint
from tests.clip.hostile import (
    CALLS,
    LEARNT,
    MIB,
    OFFICIAL,
    TOWERS,
    Write,
    archive,
    content_of,
    legacy,
    saved,
    state,
    text,
)
from tests.clip.hostile_archives import writes_when_loaded


def _safe(header: Any, numbers: bytes = bytes(64), length: int | None = None) -> Write:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return content_of(struct.pack("<Q", len(text) if length is None else length) + text + numbers)


def _entry(**changes: Any) -> dict[str, Any]:
    return {"dtype": "F32", "shape": [16], "data_offsets": [0, 64], **changes}


_ONE = json.dumps(_entry())
TOWERS |= {
    "cut_length.safetensors": content_of(b"\x10\x00"),
    "header_of_exabytes.safetensors": _safe({}, length=(1 << 63) + 1),
    "header_behind_the_end.safetensors": _safe({"a": _entry()}, length=4000),
    "header_of_spaces.safetensors": _safe(b"{" + b" " * (40 * MIB) + b"}"),
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
    "text.pth": content_of(b"not found"),
    "code.pth": content_of(archive(state(text("prompt_learner"), b"}(" + text("a") + CALLS["eval"] + b"u"))),
    "code_legacy.pth": content_of(legacy(state(text("prompt_learner"), CALLS["os_system"]))),
    "script.pth": writes_when_loaded,
    "other_keys.pth": saved(lambda: {"state_dict": {}}),
    "a_list.pth": saved(lambda: {"prompt_learner": [1]}),
    "empty_dict.pth": saved(lambda: {"prompt_learner": {}}),
    "zeros.pth": saved(lambda: {"trainable_linearlayer": {"fc.0.weight": torch.zeros(4, 4)}}),
    "whole_numbers.pth": saved(lambda: {"prompt_learner": {"ctx_pos": torch.ones(1, 1, 2, 32).int()}}),
    "complex_numbers.pth": saved(
        lambda: {"prompt_learner": {"ctx_pos": torch.ones(1, dtype=torch.complex64)}}
    ),
    "no_axes.pth": saved(lambda: {"prompt_learner": {"ctx_pos": torch.tensor(1.0)}}),
    "not_a_number.pth": saved(lambda: {"trainable_linearlayer": {"fc.0.weight": torch.tensor([torch.nan])}}),
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
