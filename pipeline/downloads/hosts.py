"""From a record to places on hosts: which sources together give a data set, and which files each stands for.

Routes are tried in the order of the record. A source is a plain address, or an article of figshare or Zenodo,
which are asked for its files and say their sizes and MD5; nothing is fetched here but those answers. Google
Drive and Kaggle are reached through `libraries`.
"""

import os
from collections.abc import Callable, Mapping
from pathlib import PurePosixPath
from typing import Any, TypeAlias
from urllib.parse import quote, urljoin

import httpx

from pipeline.catalog import DatasetRecord, Source
from pipeline.downloads.digests import Expected
from pipeline.downloads.http import TOKEN, Remote, get_json
from pipeline.downloads.retries import DownloadError, Patience

Route: TypeAlias = tuple[Source, ...]

PLAIN = frozenset({"http", "s3", "figshare", "zenodo", "huggingface"})
SERVICES = {
    "figshare": "https://api.figshare.com",
    "zenodo": "https://zenodo.org",
    "huggingface": "https://huggingface.co",
}
"""Addresses of the services that are asked for files."""


def routes(record: DatasetRecord, build: str | None = None) -> tuple[Route, ...]:
    """The ways to a build (without a name, the first) of a data set; each is complete by itself.

    Sources of parts make one route, which stands where the first of them stands.
    """
    usual, chosen = record.builds[0].name, record.build(build)
    wanted = chosen.files_of or chosen.name
    if wanted not in {source.build for source in record.sources}:
        wanted = usual  # another reading of the same files, or counts that the user accepts
    usable = [source for source in record.sources if source.use and (source.build or usual) == wanted]
    parts = tuple(source for source in usable if source.part is not None)
    found: list[Route] = []
    for source in usable:
        if source.part is None:
            found.append((source,))
        elif source is parts[0]:
            found.append(parts)
    return tuple(found)


def remotes(
    source: Source,
    expected: Callable[[str], Expected],
    *,
    services: Mapping[str, str],
    client: httpx.Client,
    patience: Patience,
) -> tuple[Remote, ...]:
    """The files of a source over plain HTTP; `expected` says what is known of a file by its name.

    Raises:
        DownloadError: the service does not answer or has no such file.
    """
    name = source.file_name
    if source.kind == "huggingface":
        home = f"{services['huggingface']}/datasets/{source.id}"
        return tuple(
            Remote(file, f"{home}/resolve/main/{quote(file)}", expected(file))
            for file in source.files or (name,)
        )
    if source.kind == "figshare":
        article = get_json(
            f"{services['figshare']}/v2/articles/{source.id}", client=client, patience=patience
        )
        found = tuple(_figshare(file, expected) for file in _files(article))
    elif source.kind == "zenodo":
        article = get_json(f"{services['zenodo']}/api/records/{source.id}", client=client, patience=patience)
        found = tuple(_zenodo(file, expected) for file in _files(article))
    else:
        url = str(source.url)
        first = Remote(name, url, expected(name))
        return (first, *(Remote(file, urljoin(url, file), expected(file)) for file in source.volumes))
    chosen = tuple(remote for remote in found if source.archive in (None, remote.name))
    if not chosen:
        held = ", ".join(remote.name for remote in found) or "no files"
        raise DownloadError(f"{source.kind} {source.id}: no {source.archive} there but {held}")
    return chosen


def token(source: Source) -> str | None:
    """What opens a gated source, from the environment; None for any other.

    Raises:
        DownloadError: it is not there, or is none that can be sent.
    """
    if not source.gated:
        return None
    page = f"{SERVICES['huggingface']}/datasets/{source.id}"
    found = os.environ.get(TOKEN, "").strip()
    if not found:
        raise DownloadError(
            f"{source.key} is for those who have accepted its terms: accept them on {page}, "
            f"make a token there and put it into {TOKEN} of the environment"
        )
    if not (found.isascii() and found.isprintable() and " " not in found):
        raise DownloadError(f"{TOKEN} of the environment holds no token; copy it once more")
    return found


def _files(article: Any) -> list[Mapping[str, Any]]:
    files = article.get("files") if isinstance(article, dict) else None
    return [file for file in files if isinstance(file, dict)] if isinstance(files, list) else []


def _figshare(file: Mapping[str, Any], expected: Callable[[str], Expected]) -> Remote:
    name, md5 = _name(file.get("name")), file.get("computed_md5") or file.get("supplied_md5")
    return Remote(name, str(file.get("download_url")), expected(name).completed(_size(file), md5, "figshare"))


def _zenodo(file: Mapping[str, Any], expected: Callable[[str], Expected]) -> Remote:
    name = _name(file.get("key"))
    kind, _, digest = str(file.get("checksum", "")).partition(":")
    known = expected(name).completed(_size(file), digest if kind == "md5" else None, "Zenodo")
    links = file.get("links")
    return Remote(name, str(links.get("self") if isinstance(links, dict) else None), known)


def _size(file: Mapping[str, Any]) -> int | None:
    size = file.get("size")
    return size if isinstance(size, int) else None


def _name(value: Any) -> str:
    """A file name from outside, safe to use as one."""
    name = PurePosixPath(str(value)).name
    if not name or name.startswith(".") or not name.isprintable() or "\\" in name:
        raise DownloadError(f"{value!r}: a service names a file like this, which is not safe to write")
    return name
