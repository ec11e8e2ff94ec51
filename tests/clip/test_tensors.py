"""Files of tensors against what torch and safetensors themselves read in them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from pipeline.clip.architecture import build_model
from pipeline.clip.tensors import read_pickled, read_safetensors, read_state_dict
from pipeline.errors import WeightsError

from .towers import SMALL, random_state

pytestmark = pytest.mark.filterwarnings(
    "ignore:.*torch.jit.*", "ignore:.*TracerWarning.*", "ignore:Converting a"
)


class Part(torch.nn.Module):
    """Parameters, a buffer, and tensors that are neither."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = torch.nn.Linear(2, 3)
        self.mask = torch.ones(2, 2)
        self.register_buffer("scale", torch.tensor(2.5).half())

    def forward(self, x: Tensor) -> Tensor:
        return self.linear(x)  # type: ignore[no-any-return]


class Whole(torch.nn.Module):
    """Modules in a list, one module under two names, a transposed parameter, attributes of other kinds."""

    def __init__(self) -> None:
        super().__init__()
        self.parts = torch.nn.Sequential(Part(), torch.nn.Conv2d(3, 2, 1, bias=False))
        self.again = self.parts[0]
        self.turned = torch.nn.Parameter(torch.arange(6.0).view(2, 3).t())
        self.sizes = [1, 2]
        self.names = ["a", "b"]
        self.factor = 3.0

    def forward(self, x: Tensor) -> Tensor:
        return self.again(x) @ self.turned  # type: ignore[no-any-return]


def clip(half: bool) -> torch.nn.Module:
    model: torch.nn.Module = build_model(SMALL.config(), "quickgelu")
    model.load_state_dict(random_state(SMALL))
    return model.half() if half else model


def same(found: dict[str, Tensor], expected: dict[str, Tensor]) -> None:
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        assert (found[name].dtype, found[name].shape) == (value.dtype, value.shape), name
        assert torch.equal(found[name], value), name
        assert found[name].is_contiguous()


def whole(content: Any) -> Any:
    return content


def traced(half: bool) -> Any:
    kind = torch.float16 if half else torch.float32
    inputs = {"encode_image": torch.ones(1, 3, 40, 40, dtype=kind), "encode_text": torch.ones(1, 77).long()}
    return torch.jit.trace_module(clip(half).eval(), inputs, check_trace=False)  # type: ignore[no-untyped-call]


ARCHIVES: dict[str, Callable[[], Any]] = {
    "script": lambda: torch.jit.script(Whole()),
    "trace": lambda: torch.jit.trace(Whole().eval(), torch.ones(1, 2)),  # type: ignore[no-untyped-call]
    "clip": lambda: traced(half=False),
    "clip in half precision": lambda: traced(half=True),
}


@pytest.mark.parametrize("make", ARCHIVES.values(), ids=ARCHIVES)
def test_archives_of_torchscript_are_as_torch_reads_them(tmp_path: Path, make: Callable[[], Any]) -> None:
    path = tmp_path / "archive.pt"
    torch.jit.save(make(), str(path))
    expected = torch.jit.load(str(path)).state_dict()  # type: ignore[no-untyped-call]
    assert len(expected) > 5
    same(read_pickled(path, whole), expected)


def ordinary() -> dict[str, Any]:
    """As people save them: views, ties, scalars, nothing, parameters, every kind of number."""
    rows = torch.arange(24.0).view(4, 6)
    kinds = (torch.float64, torch.bfloat16, torch.float16, torch.int64, torch.uint8, torch.bool)
    return {
        "rows": rows,
        "some": rows[1:3, 2:5],
        "turned": rows.t(),
        "tied": rows,
        "scalar": torch.tensor(4.6),
        "none": torch.empty(0, 3),
        "learnt": torch.nn.Parameter(torch.ones(2)),
        **{str(kind): torch.ones(3).to(kind) for kind in kinds},
    }


@pytest.mark.parametrize("new", [True, False], ids=["zip", "before zip"])
def test_saved_state_dicts_are_as_torch_reads_them(tmp_path: Path, new: bool) -> None:
    torch.save(ordinary(), tmp_path / "a.pt", _use_new_zipfile_serialization=new)
    expected = torch.load(tmp_path / "a.pt", weights_only=True)
    same(read_pickled(tmp_path / "a.pt", whole), {name: value.data for name, value in expected.items()})


@pytest.mark.parametrize("new", [True, False], ids=["zip", "before zip"])
def test_a_training_checkpoint_gives_its_state_dict(tmp_path: Path, new: bool) -> None:
    model = clip(half=False)
    optimiser = torch.optim.AdamW(model.parameters())
    model(torch.ones(1, 3, 40, 40), torch.ones(1, 77).long())[0].sum().backward()
    optimiser.step()
    content = {
        "epoch": 3,
        "name": "a",
        "state_dict": {f"module.{name}": value for name, value in model.state_dict().items()},
        "optimizer": optimiser.state_dict(),
        "scaler": {"scale": 65536.0, "growth_interval": 2000},
    }
    torch.save(content, tmp_path / "epoch_3.pt", _use_new_zipfile_serialization=new)
    same(read_state_dict("", str(tmp_path / "epoch_3.pt")), dict(model.state_dict()))


def test_safetensors_are_as_the_library_reads_them(tmp_path: Path) -> None:
    save_file(
        random_state(SMALL) | {"none": torch.empty(0, 3)}, tmp_path / "a.safetensors", metadata={"a": "b"}
    )
    tensors, texts = read_safetensors(tmp_path / "a.safetensors")
    same(tensors, load_file(tmp_path / "a.safetensors"))
    assert texts == {"a": "b"}


@pytest.mark.parametrize(
    ("fault", "seen"),
    [
        (OSError(5, "Input/output error"), OSError),
        (MemoryError(), MemoryError),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried 8 bytes"), MemoryError),
    ],
)
def test_a_fault_of_the_machine_is_no_fact_about_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: Exception, seen: type[Exception]
) -> None:
    torch.save({"a": torch.ones(2)}, tmp_path / "a.pt")

    def fail(*_: object) -> None:
        raise fault

    monkeypatch.setattr("pipeline.clip.torch_files._filled", fail)
    with pytest.raises(seen):
        read_state_dict("", str(tmp_path / "a.pt"))


def test_nothing_but_zeros_is_refused(tmp_path: Path) -> None:
    torch.save({"a": torch.zeros(2, 2), "b": torch.ones(1)}, tmp_path / "a.pt")
    assert read_state_dict("", str(tmp_path / "a.pt")).keys() == {"a", "b"}
    torch.save({"a": torch.zeros(2, 2), "b": torch.zeros(1)}, tmp_path / "b.pt")
    with pytest.raises(WeightsError, match=r"b\.pt: all its numbers are zero"):
        read_state_dict("", str(tmp_path / "b.pt"))
