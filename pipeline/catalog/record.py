"""The record of a data set: everything that is known about it, as validated data.

One YAML file a data set in `records/`. Facts only: names, subsets, counts, its licence, its layout, its
traps, what could not be confirmed, and where it is to be got. How it is fetched is decided in
`pipeline.downloads`; what a build on disk looks like is `fingerprint`'s.
"""

import re
from collections.abc import Iterable
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, NonNegativeInt, field_validator, model_validator

from pipeline.catalog.layouts import AnyLayout
from pipeline.catalog.samples import Counts, KnownCounts
from pipeline.errors import DataError

FileName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]

HubPath = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*(/[A-Za-z0-9][A-Za-z0-9._-]*)*$")]

# Names become folder names of shards and results.
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_ -]*$")]
Task = Literal["image", "pixel"]
Domain = Literal["industrial", "medical", "own"]
Status = Literal["confirmed", "reported", "inferred", "accepted"]

_COUNTS = re.compile(r"(\d+)/(\d+)")  # normal/anomalous
_PAGES = {
    "gdrive": "https://drive.google.com/file/d/{id}",
    "gdrive folder": "https://drive.google.com/drive/folders/{id}",
    "huggingface": "https://huggingface.co/datasets/{id}/resolve/main/{file}",
    "kaggle": "https://www.kaggle.com/datasets/{id}",
    "zenodo": "https://zenodo.org/records/{id}",
}
_WITH_ID = frozenset({"gdrive", "figshare", "zenodo", "kaggle", "huggingface"})


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Source(_Part):
    """A place to get the data set, or a part of it, from. Digests are of the archive.

    Sources stand in the order in which they are tried. `confirmed`: the address is given by the publisher,
    by the authors of AnomalyCLIP, or by a maintained tool.

    Attributes:
        kind: `form` and `onedrive` need a person; `instructions` say what to do.
        use: false for what is named only to be known: pages, copies that were processed anew, other layouts.
        archive: name of the file; of several RAR volumes the first.
        files: of a huggingface source, its archives by their paths there; each is unpacked into the folder
            that it lies in.
        gated: the hub gives it to those alone who have accepted its terms, and asks for their token.
        volumes: names of the further volumes, beside it.
        part: the part of the data set that is there, null for all of it. Parts together make one set.
        build: name of the build that it gives, null for the first one.
        folder: a Google Drive folder, no file.
        keep: the one folder of the archive that belongs to the data set, null for all of it.
        about: bytes as a page rounds them, where no exact number is known: for plans, not for checks.
        digest_status: `tool` when a maintained tool checks its own download with it, `hint` when from one
            unrelated script, `measured` when computed by whoever gathered the facts.
    """

    kind: Literal["http", "s3", "gdrive", "figshare", "zenodo", "kaggle", "huggingface", "onedrive", "form"]
    url: str | None = None
    id: str | None = None
    use: bool = True
    archive: FileName | None = None
    volumes: tuple[FileName, ...] = ()
    files: tuple[HubPath, ...] = ()
    gated: bool = False
    part: str | None = None
    build: str | None = None
    folder: bool = False
    keep: FileName | None = None
    bytes: int | None = Field(default=None, gt=0)
    about: int | None = Field(default=None, gt=0)
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
        return self.archive or (self.files[0] if self.files else "archive.zip")

    @property
    def further_files(self) -> tuple[str, ...]:
        """What its other files are called, below the folder of the first."""
        return (*self.volumes, *self.files[1:])

    @property
    def size(self) -> int | None:
        """Bytes, exact where they are known."""
        return self.bytes or self.about

    @property
    def address(self) -> str:
        """What a person opens in a browser."""
        page = _PAGES.get(f"{self.kind} folder" if self.folder else self.kind, "{id}")
        return self.url or page.format(id=self.id, file=self.file_name)

    @property
    def key(self) -> str:
        """A name for the source that no other source has."""
        return f"{self.kind}:{self.id or self.url}"

    @field_validator("url")
    @classmethod
    def _plain_address(cls, url: str | None) -> str | None:
        parts = urlsplit(url or "https://none")  # raises ValueError for a host in half a bracket
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("an address begins with https://, or http://, and a host")
        if "@" in parts.netloc:
            raise ValueError("a user name or password stands in the address; leave it out")
        return url

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
        if self.kind == "huggingface" and not (self.archive or self.files):
            raise ValueError("huggingface needs the name of the archive")
        return self

    @model_validator(mode="after")
    def _only_the_hub_has(self) -> Self:
        if (self.gated or self.files) and self.kind != "huggingface":
            raise ValueError("`gated` and `files` are of huggingface alone")
        return self


def known_bytes(archives: Iterable[Source] | None) -> int | None:
    """Bytes of all `archives` together; None where one is not known, or there are none to take."""
    sizes = [source.size for source in archives] if archives is not None else [None]
    return None if None in sizes else sum(size for size in sizes if size is not None)


class Subset(_Part):
    """One subset; its class name is what class-aware methods put into their prompts.

    `normal` and `anomalous` are the images of its published test split, null where not known.
    """

    name: Name
    class_name: str
    normal: NonNegativeInt | None = None
    anomalous: NonNegativeInt | None = None

    @property
    def counts(self) -> Counts | None:
        """(normal, anomalous), None unless both are known."""
        return None if self.normal is None or self.anomalous is None else (self.normal, self.anomalous)


class Build(_Part):
    """A known concrete content of the data set: how many test images, and its fingerprint once seen.

    A number of images is null where not known. `mask_above` is the rule of its masks: a pixel is anomalous
    when its grey value lies above. 0 is the paper's rule; 127 leaves out the noise that lossy masks have.
    `bit_depth` is of images that are stored in 16 bits: 12 when white is 4095; null where there are none.
    A build that reads the files of another one names it (`files_of`) and the `layout` that does so. One that
    was cut anew may have other `subsets`.
    """

    name: str
    normal: NonNegativeInt | None
    anomalous: NonNegativeInt | None
    status: Status
    note: str = ""
    digest: str | None = Field(default=None, pattern=r"^[0-9a-f]{64}$")
    mask_above: int = Field(default=0, ge=0, lt=255)
    bit_depth: int | None = Field(default=None, ge=8, le=16)
    files_of: str | None = None
    layout: AnyLayout | None = None
    subsets: tuple[Subset, ...] = ()

    @property
    def counts(self) -> KnownCounts:
        """(normal, anomalous)."""
        return (self.normal, self.anomalous)


class Licence(_Part):
    """Terms as far as they could be established; null where not."""

    name: str | None
    url: str | None = None
    redistribution: str | None = None
    note: str = ""


class DatasetRecord(_Part):
    """Everything that is known about one data set.

    Attributes:
        name: the name used in params, files and tables of this project.
        paper_name: the name printed in tables, for the 17 that of the paper.
        tasks: `image` when image-level metrics are defined, `pixel` when masks exist.
        subsets: in the order of the publisher.
        builds: known builds; the first is the one that the paper evaluates, or the one that a suite means.
        layouts: published layouts, the first that fits is read.
        holds_images_of: other data sets that what is tuned on this one must not be evaluated on.
        quirks: traps for whoever reads the files.
        unconfirmed: what could not be established.
        facts_from: keys of `references.yaml`.
    """

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
    title: str
    paper_name: str
    aliases: tuple[str, ...] = ()
    domain: Domain
    group: Literal[
        "object_and_texture", "object", "texture", "brain", "liver", "retina", "chest", "tissue", "skin",
        "colon", "thyroid", "own",
    ]  # fmt: skip
    modality: str
    tasks: Annotated[tuple[Task, ...], Field(min_length=1)]
    subsets: Annotated[tuple[Subset, ...], Field(min_length=1)]
    builds: Annotated[tuple[Build, ...], Field(min_length=1)]
    sources: tuple[Source, ...]
    licence: Licence
    layouts: Annotated[tuple[AnyLayout, ...], Field(min_length=1)]
    holds_images_of: tuple[str, ...] = ()
    quirks: tuple[str, ...] = ()
    unconfirmed: tuple[str, ...] = ()
    facts_from: tuple[str, ...]

    @model_validator(mode="after")
    def _names_are_unique(self) -> Self:
        for names in (self.subset_names, [build.name for build in self.builds], self.tasks):
            if len(set(names)) != len(names):
                raise ValueError(f"names occur twice: {', '.join(names)}")
        return self

    @model_validator(mode="after")
    def _sources_are_of_known_builds(self) -> Self:
        known = {None, *(build.name for build in self.builds)}
        for source in self.sources:
            if source.build not in known:
                raise ValueError(f"a source is of the unknown build {source.build!r}")
        return self

    @property
    def subset_names(self) -> tuple[str, ...]:
        """Names of the subsets, in order."""
        return tuple(subset.name for subset in self.subsets)

    @property
    def has_masks(self) -> bool:
        """Whether anomalous images come with masks."""
        return "pixel" in self.tasks

    def build(self, name: str | None = None) -> Build:
        """A build: a known one by name, any other by its counts such as `85/68`; None is the paper's.

        One by counts is read by the rules of the paper's.

        Raises:
            DataError: no known build of that name, and no counts.
        """
        if name is None:
            return self.builds[0]
        for build in self.builds:
            if build.name == name:
                return build
        if counts := _COUNTS.fullmatch(name):
            normal, anomalous = map(int, counts.groups())
            read = self.builds[0].model_dump(include={"mask_above", "bit_depth"})
            return Build(name=name, normal=normal, anomalous=anomalous, status="accepted", **read)
        known = ", ".join(repr(build.name) for build in self.builds)
        raise DataError(
            f"{self.name}: unknown build {name!r}; known: {known}, or counts of images such as 85/68"
        )

    def accepting(self, build: str | None) -> Self:
        """The record with another build in the place of the paper's.

        Raises:
            DataError: see `build`.
        """
        chosen = self.build(build)
        if chosen == self.builds[0]:
            return self
        uncounted = (it.model_copy(update={"normal": None, "anomalous": None}) for it in self.subsets)
        others = (known for known in self.builds if known != chosen)
        changes = {"builds": (chosen, *others), "subsets": chosen.subsets or tuple(uncounted)}
        return self.model_copy(update=changes | ({"layouts": (chosen.layout,)} if chosen.layout else {}))

    def expected(self) -> dict[str, KnownCounts]:
        """Subset to the (normal, anomalous) test images of the first build, where they are known."""
        if len(self.subsets) == 1:
            return {self.subsets[0].name: self.builds[0].counts}
        return {subset.name: subset.counts for subset in self.subsets if subset.counts is not None}
