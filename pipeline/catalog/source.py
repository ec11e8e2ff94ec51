"""Where a data set, or a part of it, is to be got: an address or an identifier, and facts of the file.

Facts only, as a record has them; how they are fetched is decided in `pipeline.downloads`.
"""

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

FileName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]

_WITH_ID = frozenset({"gdrive", "figshare", "zenodo", "kaggle", "huggingface"})


class Source(BaseModel):
    """A place to get the data set, or a part of it, from. Digests are of the archive.

    Sources stand in the order in which they are tried. `confirmed`: the address is given by the publisher,
    by the authors of AnomalyCLIP, or by a maintained tool.

    Attributes:
        kind: `form` and `onedrive` need a person; `instructions` say what to do.
        use: false for what is named only to be known: pages, copies that were processed anew, other layouts.
        archive: name of the file; of several RAR volumes the first.
        volumes: names of the further volumes, beside it.
        part: the part of the data set that is there, null for all of it. Parts together make one set.
        build: name of the build that it gives, null for the first one.
        folder: a Google Drive folder, no file.
        keep: the one folder of the archive that belongs to the data set, null for all of it.
        digest_status: `tool` when a maintained tool checks its own download with it, `hint` when from one
            unrelated script, `measured` when computed by whoever gathered the facts.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["http", "s3", "gdrive", "figshare", "zenodo", "kaggle", "huggingface", "onedrive", "form"]
    url: str | None = None
    id: str | None = None
    use: bool = True
    archive: FileName | None = None
    volumes: tuple[FileName, ...] = ()
    part: str | None = None
    build: str | None = None
    folder: bool = False
    keep: FileName | None = None
    bytes: int | None = Field(default=None, gt=0)
    sha256: str | None = Field(default=None, pattern=r"^[0-9a-f]{64}$")
    md5: str | None = Field(default=None, pattern=r"^[0-9a-f]{32}$")
    digest_status: Literal["tool", "hint", "measured"] | None = None
    confirmed: bool
    instructions: str = ""
    note: str = ""

    @property
    def by_hand(self) -> bool:
        """Whether a person has to fetch it."""
        return self.kind in ("form", "onedrive")

    @property
    def file_name(self) -> str:
        """What its file is called on disk; of one without a published name, the content tells what it is."""
        return self.archive or "archive.zip"

    @property
    def key(self) -> str:
        """A name for the source that no other source has."""
        return f"{self.kind}:{self.id or self.url}"

    @model_validator(mode="after")
    def _can_be_found(self) -> Self:
        if self.url is None and self.id is None:
            raise ValueError("a source needs a url or an id")
        if (self.sha256 or self.md5) and self.digest_status is None:
            raise ValueError("say where the digest is from (digest_status)")
        if not self.use:
            return self
        if self.by_hand and not (self.archive and self.instructions):
            raise ValueError("a person needs the name of the archive and instructions")
        if self.kind in ("http", "s3") and not (self.url and self.archive):
            raise ValueError(f"{self.kind} needs the url and the name of the archive")
        if self.kind in _WITH_ID and self.id is None:
            raise ValueError(f"{self.kind} needs an id")
        if self.kind == "huggingface" and self.archive is None:
            raise ValueError("huggingface needs the name of the archive")
        return self
