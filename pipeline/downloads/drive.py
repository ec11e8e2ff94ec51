"""Files and folders on Google Drive, through gdown, which knows the pages that Drive puts before a file.

gdown resumes within a run; across runs whole files of a folder are kept and unfinished ones start over, since
nothing on disk says which version of the remote file they are a part of.
"""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from pipeline.downloads.display import Display
from pipeline.downloads.hosts import load
from pipeline.downloads.retries import (
    DownloadError,
    Patience,
    TransientError,
    require_network,
    retry_after,
    retrying,
)
from pipeline.errors import DiskFullError, is_full

_RETRIES = 5  # of broken connections, by gdown itself


def fetch_file(id_: str, target: Path, *, display: Display, patience: Patience) -> None:
    """Bring the file `id_` to `target`.

    Raises:
        DownloadError: gdown is not installed, or Drive does not give the file.
    """
    gdown = load("gdown")
    incoming = target.with_name(f"{target.name}.incoming")
    _drop(target.parent.glob(f"{incoming.name}*.part"))
    options = {"output": str(incoming), "quiet": True, "use_cookies": False, "timeout": 60.0}
    advance = _progress(display, target.name)
    _call(
        lambda: gdown.download(id=id_, retries=_RETRIES, progress=advance, **options),
        f"https://drive.google.com/uc?id={id_}",
        target,
        patience=patience,
        say=display.say,
    )
    incoming.replace(target)


def fetch_folder(id_: str, target: Path, *, display: Display, patience: Patience) -> None:
    """Bring everything in the folder `id_` to the folder `target`, which appears when all of it is there.

    Raises:
        DownloadError: gdown is not installed, or Drive does not give a file.
    """
    gdown = load("gdown")
    incoming = target.with_name(f"{target.name}.incoming")
    _drop(incoming.rglob("*.part"))
    display.say(f"{target.parent.name}: a folder on Google Drive, file by file")
    options = {"output": str(incoming), "quiet": True, "use_cookies": False, "timeout": 60.0}
    _call(
        lambda: gdown.download_folder(id=id_, retries=_RETRIES, resume=True, **options),
        f"https://drive.google.com/drive/folders/{id_}",
        target.with_name("archive.zip"),
        patience=patience,
        say=display.say,
    )
    incoming.replace(target)


def _drop(unfinished: Iterable[Path]) -> None:
    """Remove what gdown left behind (`<name>XXXXXXXX.part`)."""
    for path in list(unfinished):
        path.unlink()


def _progress(display: Display, name: str) -> Callable[[int, int | None], None]:
    """Turn what gdown tells, (bytes so far, total) after each piece, into new bytes for a display."""
    advance: Callable[[int], None] | None = None
    known = 0

    def report(done: int, total: int | None) -> None:
        nonlocal advance, known
        if advance is None:
            advance = display.file(name, total, 0)
        advance(done - known)
        known = done

    return report


def _call(
    call: Callable[[], object], url: str, by_hand: Path, *, patience: Patience, say: Callable[[str], None]
) -> None:
    from gdown.exceptions import DownloadError as DriveError
    from requests import HTTPError, RequestException

    def attempt() -> None:
        try:
            call()
        except HTTPError as error:
            raise _status(error, url) from None
        except (DriveError, RequestException, KeyError) as error:
            unread = isinstance(error, KeyError)  # a header that gdown takes for granted
            reason = "an answer without type" if unread else " ".join(str(error).split())
            require_network(reason)
            raise DownloadError(
                f"{url}: {reason}; when it opens in a browser, save it as {by_hand} and run the command again"
            ) from None
        except OSError as error:
            if is_full(error):
                raise DiskFullError(
                    f"{by_hand.parent}: the disk is full; make room and run it again"
                ) from None
            raise

    retrying(url, patience, attempt, say=say)


def _status(error: Any, url: str) -> Exception:
    status = error.response.status_code
    if status in (429, 503):
        return TransientError(f"HTTP {status}", retry_after(error.response.headers.get("Retry-After")))
    return DownloadError(f"{url}: HTTP {status} from Google Drive")
