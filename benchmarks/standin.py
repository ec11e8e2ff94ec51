"""A device that computes nothing, to count what a real one would have to wait for or to move.

Tensors on `meta` have shapes and no values. Inside a `Watch` reading one gives zeros and is counted: on a
real device the processor would wait there for all work before it. So is an upload that says nothing of being
non-blocking, as one from pageable memory is.
"""

from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

META = torch.device("meta")
_COPY = (torch.ops.aten._to_copy.default, torch.ops.aten.copy_.default)
_READ = torch.ops.aten._local_scalar_dense.default
_COMPOSITE = (torch.ops.aten.to.device, torch.ops.aten.to.dtype, torch.ops.aten.to.dtype_layout)


class Watch(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts inside `with Watch() as watch`.

    Attributes:
        waits: times that the processor waits for the device.
        up: bytes that go to the device.
        down: bytes that come from it.
        calls: operations, about as many as kernels are launched.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.waits = self.up = self.down = self.calls = 0

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Run one operation, or stand in for it."""
        kwargs = kwargs or {}
        if func in _COMPOSITE:  # inference mode leaves these whole
            with self:
                return func.decompose(*args, **kwargs)
        self.calls += 1
        if func is _READ and args[0].device == META:
            self.waits += 1
            self.down += args[0].element_size()
            return 0
        if func is _COPY[0] and args[0].device == META and kwargs.get("device") == torch.device("cpu"):
            self.waits += 1
            self.down += _bytes(args[0])
            return torch.zeros(args[0].shape, dtype=kwargs.get("dtype") or args[0].dtype)
        if func is _COPY[0] and kwargs.get("device") == META and args[0].device != META:
            self._upload(args[0], waits=not kwargs.get("non_blocking"))
        if func is _COPY[1] and args[0].device == META and args[1].device != META:
            self._upload(args[1], waits=True)
        return func(*args, **kwargs)

    def less(self, other: "Watch") -> "Watch":
        """What was counted here beyond `other`."""
        rest = Watch()
        for name in ("waits", "up", "down", "calls"):
            setattr(rest, name, getattr(self, name) - getattr(other, name))
        return rest

    def _upload(self, values: Tensor, *, waits: bool) -> None:
        self.waits += waits
        self.up += _bytes(values)


def _bytes(values: Tensor) -> int:
    return values.numel() * values.element_size()
