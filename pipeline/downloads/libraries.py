"""Google Drive and Kaggle, through libraries of their own, which are an extra of the package.

gdown knows the pages that Drive puts before a file. It resumes within a run; across runs whole files of a
folder are kept and unfinished ones start over, since nothing on disk says which version of the remote file
they are a part of. kagglehub does archive, resume, MD5 and unpacking; it finds the account in
KAGGLE_API_TOKEN, in KAGGLE_USERNAME and KAGGLE_KEY, or in ~/.kaggle. Neither has a bound on what a host
sends, or on a host that sends a byte a minute: what they write is watched from here.
"""

import importlib
import os
import shutil
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, redirect_stdout, suppress
from pathlib import Path
from types import FrameType
from typing import Any

from pipeline.archives import DAMAGED
from pipeline.downloads.display import Display
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
_LOOK_SECONDS, _SILENT_SECONDS = 1.0, 1800.0  # kagglehub also reads what has come, to check it
_MOST_BYTES = 1 << 40
"""Where nobody says how large it is; the largest data set of the field has a tenth of it."""
_CACHE = "KAGGLEHUB_CACHE"
_OWN = "kagglehub"  # its folder beside the result
# `ValueError`, among the damaged, is also how kagglehub says that a file is no archive; the two others are
# how Python says that it cannot unpack one.
_UNREADABLE = (*DAMAGED, NotImplementedError, RuntimeError)


def _load(name: str) -> Any:
    """Import `gdown` or `kagglehub`.

    Raises:
        DownloadError: it is not installed; the message says how to install it.
    """
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError:
        raise DownloadError(f"{name} is not installed; run: pip install 'zsad[downloads]'") from None


def fetch_drive_file(
    id_: str, target: Path, *, display: Display, patience: Patience, most: int = _MOST_BYTES
) -> None:
    """Bring the file `id_` to `target`; more than `most` bytes are not taken.

    Raises:
        DownloadError: gdown is not installed, or Drive does not give the file.
    """
    gdown = _load("gdown")
    incoming = target.with_name(f"{target.name}.incoming")
    _drop(target.parent.glob(f"{incoming.name}*.part"))
    options = {"output": str(incoming), "quiet": True, "use_cookies": False, "timeout": 60.0}
    advance = _progress(display, target.name)
    _ask_drive(
        lambda: gdown.download(id=id_, retries=_RETRIES, progress=advance, **options),
        f"https://drive.google.com/uc?id={id_}",
        target,
        patience=patience,
        say=display.say,
        most=most,
    )
    incoming.replace(target)


def fetch_drive_folder(
    id_: str, target: Path, *, display: Display, patience: Patience, most: int = _MOST_BYTES
) -> None:
    """Bring everything in the folder `id_` to the folder `target`, which appears when all of it is there.

    More than `most` bytes are not taken.

    Raises:
        DownloadError: gdown is not installed, or Drive does not give a file.
    """
    gdown = _load("gdown")
    incoming = target.with_name(f"{target.name}.incoming")
    _drop(incoming.rglob("*.part"))
    display.say(f"{target.parent.name}: a folder on Google Drive, file by file")
    options = {"output": str(incoming), "quiet": True, "use_cookies": False, "timeout": 60.0}
    _ask_drive(
        lambda: gdown.download_folder(id=id_, retries=_RETRIES, resume=True, **options),
        f"https://drive.google.com/drive/folders/{id_}",
        target.with_name("archive.zip"),
        patience=patience,
        say=display.say,
        most=most,
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


def _ask_drive(
    call: Callable[[], object],
    url: str,
    by_hand: Path,
    *,
    patience: Patience,
    say: Callable[[str], None],
    most: int,
) -> None:
    from gdown.exceptions import DownloadError as DriveError
    from requests import HTTPError, RequestException

    def attempt() -> None:
        try:
            with _watched(by_hand.parent, most):
                call()
        except HTTPError as error:
            raise _drive_error(error, url) from None
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


def _drive_error(error: Any, url: str) -> Exception:
    status = error.response.status_code
    if status in (429, 503):
        return TransientError(f"HTTP {status}", retry_after(error.response.headers.get("Retry-After")))
    return DownloadError(f"{url}: HTTP {status} from Google Drive")


def fetch_kaggle(
    id_: str, target: Path, *, display: Display, patience: Patience, most: int = _MOST_BYTES
) -> None:
    """Bring the files of the data set `id_` (owner/name) to the folder `target`.

    More than `most` bytes, archive and what is unpacked of it together, are not taken.

    Raises:
        DownloadError: kagglehub is not installed, or Kaggle does not give the data set.
    """
    kagglehub = _load("kagglehub")
    from kagglehub.exceptions import BackendError, CredentialError, DataCorruptionError
    from requests import HTTPError, RequestException

    def attempt() -> Path:
        try:
            with redirect_stdout(sys.stderr), _watched(target.parent, most):  # it tells of newer versions
                return Path(kagglehub.dataset_download(id_))
        except HTTPError as error:
            raise _kaggle_error(error.response, id_, target) from None
        except RequestException as error:
            raise TransientError(f"the connection to Kaggle broke ({error})") from None
        except _UNREADABLE as error:
            # A whole archive of the right size is taken again, whatever is in it.
            shutil.rmtree(target.with_name(_OWN), ignore_errors=True)
            raise DownloadError(
                f"kaggle {id_}: cannot be unpacked ({error}); run it again, or {_by_hand(id_, target)}"
            ) from None
        except (BackendError, CredentialError, DataCorruptionError) as error:
            raise DownloadError(f"kaggle {id_}: {error}; {_by_hand(id_, target)}") from None
        except OSError as error:
            if is_full(error):
                raise DiskFullError(
                    f"{target.parent}: the disk is full; make room and run it again"
                ) from None
            raise

    display.say(f"{target.parent.name}: a data set on Kaggle")
    with _cache_at(target.parent):
        retrying(f"kaggle {id_}", patience, attempt, say=display.say).replace(target)
    shutil.rmtree(target.with_name(_OWN))


@contextmanager
def _watched(folder: Path, most: int) -> Iterator[None]:
    """End what is done inside when more than `most` bytes come to lie below `folder`, or none come for long.

    A timer of the system interrupts the main thread, whatever it waits for; there is none in other threads.

    Raises:
        DownloadError: too many bytes.
        TransientError: none for half an hour.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    size, since = _written(folder), time.monotonic()
    begun = size

    def look(_signal: int, _frame: FrameType | None) -> None:
        nonlocal size, since
        before, size = size, _written(folder)
        if size != before:
            since = time.monotonic()
        if size - begun > most:
            raise DownloadError(f"{folder}: more than the {most} bytes that may come; it was ended")
        if time.monotonic() - since > _SILENT_SECONDS:
            raise TransientError(f"nothing came for {_SILENT_SECONDS:g} s")

    handler = signal.signal(signal.SIGALRM, look)
    left, _ = signal.setitimer(signal.ITIMER_REAL, _LOOK_SECONDS, _LOOK_SECONDS)
    try:
        yield
    finally:
        spent = time.monotonic() - since if left else 0.0
        signal.setitimer(signal.ITIMER_REAL, max(left - spent, 0.01) if left else 0.0)
        signal.signal(signal.SIGALRM, handler)


def _written(folder: Path) -> int:
    total = 0
    for path in folder.rglob("*"):
        with suppress(OSError):  # gone in between
            total += path.lstat().st_size
    return total


@contextmanager
def _cache_at(folder: Path) -> Iterator[None]:
    """Let kagglehub work on the disk of the data, so that its result can be moved by a rename."""
    before = os.environ.get(_CACHE)
    os.environ[_CACHE] = str(folder / _OWN)
    try:
        yield
    finally:
        if before is None:
            del os.environ[_CACHE]
        else:
            os.environ[_CACHE] = before


def _kaggle_error(response: object, id_: str, target: Path) -> Exception:
    from requests import Response

    if not isinstance(response, Response):
        return DownloadError(f"kaggle {id_}: no answer; {_by_hand(id_, target)}")
    if response.status_code in (429, 500, 502, 503, 504):
        after = retry_after(response.headers.get("Retry-After"))
        return TransientError(f"HTTP {response.status_code}", after)
    hint = (
        "set KAGGLE_API_TOKEN to a token of your account, or " if response.status_code in (401, 403) else ""
    )
    return DownloadError(f"kaggle {id_}: HTTP {response.status_code}; {hint}{_by_hand(id_, target)}")


def _by_hand(id_: str, target: Path) -> str:
    page = f"https://www.kaggle.com/datasets/{id_}"
    return (
        f"download it from {page} in a browser, save it as {target.parent / 'archive.zip'} and run it again"
    )
