"""MRAD-FT: MRAD-TF's memory, compared through four learnt linear layers (public code 1cc1c6b).

Queries and keys of the image and of its patches have a layer each and are not normalised again. The cache of
the auxiliary set is the memory itself, so in training a token does not see the keys that are most like it.
"""

from typing import ClassVar

import torch
from torch import nn

from pipeline.methods.layers import draw_uniform
from pipeline.methods.mrad_tf import KEYS, Memory, MradTf


class MradFt(MradTf):
    """MRAD-TF, its comparisons learnt."""

    name: ClassVar[str] = "mrad_ft"
    title: ClassVar[str] = "MRAD-FT"

    def _memory(self, width: int) -> Memory:
        """Compared in the joint space; a bias of the keys would move no softmax over them."""
        joint = self.clip.embed_dim
        return Memory(nn.Linear(width, joint), nn.Linear(width, joint, bias=False), width)

    @property
    def flop(self) -> float:
        """Likewise in the joint space, where patches have to get to."""
        width, joint = self.clip.vision.width, self.clip.embed_dim
        return 2.0 * self.clip.vision.grid**2 * joint * (width + KEYS)

    def reset(self, generator: torch.Generator) -> None:
        """Draw every layer as torch does by default."""
        super().reset(generator)
        for memory in (self._memories.image, self._memories.patch):
            for layer in (memory.query, memory.key):
                draw_uniform(layer, generator)
