"""Where the weights of a tag such as `openai` are.

Looked for in `pretrained/` under the published name, with the published digest; `zsad download --weights`
puts them there, or a person. Otherwise open_clip brings another form of them from its hub at first use.
"""

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from pipeline.clip.architecture import import_open_clip
from pipeline.errors import WeightsError
from pipeline.files import file_digest

PRETRAINED = Path("pretrained")
_SUFFIXES = (".safetensors", ".pt", ".pth", ".bin")
_IN_ADDRESS = re.compile(r"/(?P<sha256>[0-9a-f]{64})/[^/]+$")
_IN_NAME = re.compile(r"-(?P<sha256>[0-9a-f]{8})\.(pt|pth|bin)$")


@dataclass(frozen=True)
class Published:
    """The file of a tag, as open_clip's table has it.

    Attributes:
        url: its address; the end is its name.
        sha256: of its content, or the beginning of it that its name carries; "" where none is published.
        hub: where open_clip's hub has it in another form, "" where not.
    """

    url: str
    sha256: str
    hub: str

    @property
    def path(self) -> Path:
        """Where it belongs."""
        return PRETRAINED / self.url.rpartition("/")[2]


def published(model: str, tag: str) -> Published:
    """What is known of the weights of a tag.

    OpenAI's addresses carry the digest before the name, those of open_clip eight digits behind the name.

    Raises:
        WeightsError: open_clip knows no such tag for `model`.
    """
    config = import_open_clip().pretrained.get_pretrained_cfg(model, tag)
    if not config:
        raise WeightsError(
            f"weights {tag!r}: neither a weights file nor a tag that open_clip knows for {model}"
        )
    url = str(config.get("url") or "")
    found = _IN_ADDRESS.search(url) or _IN_NAME.search(url)
    return Published(url, found["sha256"] if found else "", str(config.get("hf_hub") or ""))


def is_tag(weights: str) -> bool:
    """Whether `weights` of a tower is a tag, and no path of a file."""
    return not weights.endswith(_SUFFIXES)


def find_weights(model: str, weights: str) -> Path | None:
    """The file that a tower would be read from, None where it is not here; nothing is fetched.

    Raises:
        WeightsError: a tag that nobody knows, or a file in its place that is another one.
    """
    if not is_tag(weights):
        return Path(weights) if Path(weights).is_file() else None
    known = published(model, weights)
    return _placed(known) or _in_the_hubs_cache(known)


def _placed(known: Published) -> Path | None:
    """The file in its place, checked: its cells are kept under its name."""
    path = known.path
    if not (known.url and path.is_file()):
        return None
    if not (found := _digest(path, path.stat().st_mtime_ns)).startswith(known.sha256):
        raise WeightsError(
            f"{path} is not the published file: its SHA-256 is {found}, published is {known.sha256}; fetch it"
            " again, or give a file of your own another name and write its path under `weights` of the tower"
        )
    return path


@cache
def _digest(path: Path, _changed: int) -> str:
    return file_digest(path)


def _in_the_hubs_cache(known: Published) -> Path | None:
    from huggingface_hub import constants, try_to_load_from_cache

    if known.hub:
        repository, name = known.hub.rsplit("/", 1)
        for file in (name,) if name else ("open_clip_model.safetensors", "open_clip_pytorch_model.bin"):
            found = try_to_load_from_cache(repository, file, cache_dir=constants.HF_HUB_CACHE)
            if isinstance(found, str):
                return Path(found)
    return None


def fetched_weights(model: str, tag: str) -> Path:
    """The file of a tag; where it is not in its place, open_clip's own, downloaded once.

    Raises:
        WeightsError: it cannot be downloaded, or another file is in its place.
    """
    known = published(model, tag)
    if (path := _placed(known)) is not None:
        return path
    pretrained = import_open_clip().pretrained
    try:
        return Path(pretrained.download_pretrained(pretrained.get_pretrained_cfg(model, tag)))
    except Exception as error:  # every network stack below raises its own classes
        raise WeightsError(
            f"weights {tag!r} of {model} cannot be downloaded ({error}): {_remedy(known)}"
        ) from error


def _remedy(known: Published) -> str:
    if not known.url:  # it has no name of its own to be put under
        return f"bring a file of {known.hub} on the hub, and write its path under `weights` of the tower"
    return f"`zsad download --weights` fetches them from {known.url}, or put the file at {known.path}"
