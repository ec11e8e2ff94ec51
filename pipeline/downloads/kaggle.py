"""Data sets on Kaggle, through kagglehub: archive, resume, MD5 and unpacking are its work.

kagglehub finds the account in KAGGLE_API_TOKEN, in KAGGLE_USERNAME and KAGGLE_KEY, or in ~/.kaggle.
"""

import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path

from pipeline.archives import DAMAGED
from pipeline.downloads.display import Display
from pipeline.downloads.hosts import load
from pipeline.downloads.retries import DownloadError, Patience, TransientError, retry_after, retrying
from pipeline.errors import DiskFullError, is_full

_CACHE = "KAGGLEHUB_CACHE"
_OWN = "kagglehub"  # its folder beside the result
# `ValueError`, among the damaged, is also how kagglehub says that a file is no archive; the two others are
# how Python says that it cannot unpack one.
_UNREADABLE = (*DAMAGED, NotImplementedError, RuntimeError)


def fetch_dataset(id_: str, target: Path, *, display: Display, patience: Patience) -> None:
    """Bring the files of the data set `id_` (owner/name) to the folder `target`.

    Raises:
        DownloadError: kagglehub is not installed, or Kaggle does not give the data set.
    """
    kagglehub = load("kagglehub")
    from kagglehub.exceptions import BackendError, CredentialError, DataCorruptionError
    from requests import HTTPError, RequestException

    def attempt() -> Path:
        try:
            with redirect_stdout(sys.stderr):  # it tells there of newer versions of itself
                return Path(kagglehub.dataset_download(id_))
        except HTTPError as error:
            raise _status(error.response, id_, target) from None
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


def _status(response: object, id_: str, target: Path) -> Exception:
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
