"""Official checkpoints in and out: the files that the authors of AnomalyCLIP, VAND and Bayes-PFL released.

A released file is `{key: state dict}`; the key says whose it is. Files come from outside, so nothing but
tensors is unpickled, and everything that is not exactly such a file is refused with the reason. Files whose
digest is known are called by name: their folders are named after the data set that they are tested on, not
the one that they were tuned on, and have been mixed up before.
"""

import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from pipeline import methods
from pipeline.clip import Clip
from pipeline.clip.tensors import read_pickled, require_weights
from pipeline.errors import WeightsError
from pipeline.files import file_digest, write_bytes
from pipeline.methods.base import LearntMethod
from pipeline.training.format_bayes_pfl import BayesPflFormat
from pipeline.training.formats import IDS, AnomalyClipFormat, Format, VandFormat

FORMATS: tuple[Format, ...] = (AnomalyClipFormat(), VandFormat(), BayesPflFormat())


@dataclass(frozen=True)
class Released:
    """A released file: what to call it, and the auxiliary set that it was tuned on."""

    title: str
    auxiliary: str


# SHA-256 of epoch_15.pth in the two released folders, as two independent sources give them.
RELEASED: dict[str, Released] = {
    "94ce202da3e6486a864b904fdfed5057de75846c5834e446fd1d2fe7f97acb44": Released(
        "AnomalyCLIP epoch 15 tuned on VisA, for MVTec AD", "visa"
    ),
    "415c5dcb52668b8c33fb9c1a351c686d632b919df5b384d63fa9ce7a2338ced4": Released(
        "AnomalyCLIP epoch 15 tuned on MVTec AD, for VisA and all other data sets", "mvtec"
    ),
}


@dataclass(frozen=True)
class OfficialCheckpoint:
    """A released file that has been read; nothing is known yet of the tower that it needs.

    Attributes:
        path: Of the file.
        method: Whose it is.
        state: Its tensors under their official names.
        provenance: File name, digest, and what the digest says: `source` and `auxiliary`, None if unknown.
    """

    path: Path
    method: str
    state: dict[str, Tensor]
    provenance: dict[str, Any]

    def build(
        self,
        clip: Clip,
        base: Mapping[str, Any],
        changes: Mapping[str, Any] | None = None,
        prompts: Path | None = None,
    ) -> LearntMethod:
        """The method with what the file learnt.

        Args:
            clip: Its tower.
            base: Settings for all that the file does not decide.
            changes: Settings that must hold, whatever `base` says.
            prompts: File of prompts; None takes the method's own.

        Raises:
            WeightsError: the file contradicts the tower or `changes`.
            ParamsError: a setting is unknown, or impossible on this tower.
        """
        form, changes = _format_of(self.method), changes or {}
        given = {**base, **changes}
        methods.get(self.method).parse(given)
        try:
            found = form.settings(self.state, clip, given)
            _refuse_contradiction(found, changes)
            method = methods.build(self.method, given | found, clip, prompts)
            if not isinstance(method, LearntMethod):
                raise WeightsError(f"{self.method} is registered as a method that learns nothing")
            method.load_state(form.learnt(self.state))
        except WeightsError as error:
            raise WeightsError(f"{self.path}: {error}") from error
        return method


def read_official(path: Path) -> OfficialCheckpoint:
    """Read a released file.

    Raises:
        WeightsError: it is missing, damaged, holds code, or is no official checkpoint of these methods.
    """
    forms = {form.key: form for form in FORMATS}
    found: list[Format] = []

    def choose(content: Any) -> Any:
        if not isinstance(content, dict) or len(content) != 1 or (key := next(iter(content))) not in forms:
            raise WeightsError(f"{path} is no official checkpoint: expected one key, {' or '.join(forms)}")
        found.append(forms[key])
        return content[key]

    try:
        state = read_pickled(path, choose)
    except FileNotFoundError as error:
        raise WeightsError(f"{path} does not exist: give the path of an official checkpoint") from error
    require_weights({name: value for name, value in state.items() if not name.startswith(IDS)}, path)
    digest = file_digest(path)
    known = RELEASED.get(digest)
    provenance = {
        "file": path.name,
        "sha256": digest,
        "source": known.title if known else None,
        "auxiliary": known.auxiliary if known else None,
    }
    return OfficialCheckpoint(path, found[0].method, state, provenance)


def export_official(path: Path, method: LearntMethod) -> None:
    """Write what `method` learnt as the official code reads it; equal content gives equal bytes.

    Raises:
        WeightsError: a method or settings that have no official format.
    """
    form = _format_of(method.name)
    buffer = io.BytesIO()  # written to a file, the archive would carry that file's name
    torch.save({form.key: form.official(method)}, buffer)
    write_bytes(path, buffer.getvalue())


def _format_of(method: str) -> Format:
    for form in FORMATS:
        if form.method == method:
            return form
    known = ", ".join(form.method for form in FORMATS)
    raise WeightsError(f"{method} has no official checkpoint format; these have: {known}")


def _refuse_contradiction(found: Mapping[str, Any], changes: Mapping[str, Any]) -> None:
    for key in sorted(found.keys() & changes.keys()):
        if found[key] != changes[key]:
            raise WeightsError(f"its {key} is {found[key]}, but {changes[key]} was asked for")
