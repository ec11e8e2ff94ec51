"""The format of the released VAND checkpoints: its linear layers, named as our own."""

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from pipeline.clip import Clip
from pipeline.errors import WeightsError
from pipeline.methods.base import LearntMethod
from pipeline.methods.vand import Vand
from pipeline.training.interchange_format import State, numbered, require_shapes


class VandFormat:
    """See `pipeline.training.interchange_format.Format`."""

    method = Vand.name
    key = "trainable_linearlayer"

    def settings(self, state: State, clip: Clip, given: Mapping[str, Any]) -> dict[str, Any]:
        """As many layers as there are in the file; where none are chosen, evenly spaced up to the last block.

        On 24 blocks four layers are 6, 12, 18 and 24, those of the public code.
        """
        count, depth = numbered(state, "fc.", ".weight"), clip.vision.depth
        if not count:
            raise WeightsError("fc.0.weight is missing")
        sides = (clip.embed_dim, clip.vision.width)
        shapes: dict[str, tuple[int, ...]] = {}
        for number in range(count):
            shapes |= {f"fc.{number}.weight": sides, f"fc.{number}.bias": sides[:1]}
        require_shapes(state, shapes)
        if len(chosen := given.get("layers", range(count))) != count:
            raise WeightsError(f"it holds {count} linear layers, methods.vand.layers names {len(chosen)}")
        if "layers" in given:
            return {}
        if depth % count:
            raise WeightsError(f"{count} layers do not divide {depth} blocks evenly: set methods.vand.layers")
        return {"layers": [depth // count * number for number in range(1, count + 1)]}

    def learnt(self, state: State) -> dict[str, Tensor]:
        """The same tensors."""
        return dict(state)

    def official(self, method: LearntMethod) -> dict[str, Tensor]:
        """The same tensors."""
        return method.state()
