"""Files that are either there and whole, or not there: atomic writes, content digests, journals, locks.

Everything that a run leaves on disk goes through `atomic_path`, so that a kill at any moment leaves
no half-written file under a final name. Long work that is to go on after a kill keeps a `Journal`. What only
one process may do at a time is done inside `only_one`, and what need not outlive its process lies in a
`scratch_folder`.
"""

import errno
import fcntl
import hashlib
import json
import os
import shutil
import stat
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any, BinaryIO

from pipeline.errors import BusyError

_CHUNK = 1 << 20
_LOOK_SECONDS = 0.1  # between two looks at a lock
_HELD = "held"  # the lock of a scratch folder


class NotAFileError(OSError):
    """A pipe, device, socket or folder where a file must be."""


class TooLongError(ValueError):
    """A file of more bytes than it may have."""


def open_regular(path: Path) -> BinaryIO:
    """Open a regular file for reading. A pipe would wait for ever, and a device has no end.

    Raises:
        NotAFileError: something else is there.
        FileNotFoundError: nothing is there.
        OSError: it cannot be opened now.
    """
    try:
        regular = stat.S_ISREG(path.stat().st_mode)
    except ValueError as error:  # a NUL in the name
        raise FileNotFoundError(errno.ENOENT, "No such file", str(path)) from error
    # Not blocking, in case that a pipe takes the place in between.
    handle = open(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb") if regular else None  # noqa: PTH123, SIM115
    if handle is None or not stat.S_ISREG(os.fstat(handle.fileno()).st_mode):
        if handle:
            handle.close()
        raise NotAFileError(errno.EINVAL, "Not a regular file", str(path))
    return handle


def read_all(file: IO[bytes], most: int) -> bytes:
    """What an open file holds, from its start; its size is looked at first.

    Raises:
        TooLongError: it has more than `most` bytes.
        OSError: the machine cannot read it now.
    """
    if (size := file.seek(0, os.SEEK_END)) > most:
        raise TooLongError(f"more than {most >> 20} MB")
    file.seek(0)
    return file.read(size)  # no more than that, even where somebody writes on


def read_json(path: Path, most: int = 64 << 20) -> Any:
    """The value in a JSON file of at most `most` bytes.

    Raises:
        ValueError: longer, no JSON, or nested too deep.
        OSError: nothing or no regular file is there, or the machine cannot read it now.
    """
    with open_regular(path) as file:
        content = read_all(file, most)
    try:
        return json.loads(content)
    except RecursionError:
        raise ValueError(f"{path}: nested too deep") from None


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; on success fsync it and rename it to `path`.

    Raises:
        OSError: the folder cannot be written; it names `path`. Nothing is left under either name.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{uuid.uuid4().hex}.tmp")  # of any path, however long its name is
    try:
        yield temporary
        with temporary.open("rb") as handle:
            os.fsync(handle.fileno())
        temporary.replace(path)
        sync_folder(path.parent)
    except OSError as error:
        if error.filename == str(temporary):
            error.filename = str(path)  # which a user knows
        raise
    finally:
        with suppress(OSError):  # on a file system that cannot be written, which has just been said
            temporary.unlink(missing_ok=True)


def sync_folder(folder: Path) -> None:
    """Make the names in a folder last, those that a rename has just given included."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_bytes(path: Path, content: bytes) -> None:
    """Write `content` to `path` atomically."""
    with atomic_path(path) as temporary:
        temporary.write_bytes(content)


def write_private(path: Path, content: str) -> None:
    """Write `content` to `path` atomically, for its owner's eyes only (mode 0600)."""
    with atomic_path(path) as temporary:
        temporary.touch(mode=0o600)
        temporary.write_text(content, encoding="utf-8")


def make_private(folder: Path) -> None:
    """Make `folder`, or take it as it is, and let nobody but its owner in (mode 0700), whatever the umask."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if stat.S_IMODE((found := folder.stat()).st_mode) & 0o077 and found.st_uid == os.getuid():
        folder.chmod(0o700)


def write_text(path: Path, content: str) -> None:
    """Write `content` to `path` atomically, as UTF-8."""
    write_bytes(path, content.encode())


def write_json(path: Path, content: Any) -> None:
    """Write `content` to `path` atomically as JSON with sorted keys: same content, same bytes."""
    write_text(path, json_text(content))


def json_text(content: Any) -> str:
    """`content` as `write_json` writes it."""
    return json.dumps(content, indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n"


def file_digest(path: Path) -> str:
    """SHA-256 of the content of `path`, in hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as handle:
        while chunk := handle.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def value_digest(value: Any) -> str:
    """SHA-256 of a JSON-able value; dictionaries with equal items in another order have the same digest."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


class Journal:
    """Finished parts of long work, a line each, for the run that goes on after a kill.

    A line carries a digest over itself and the key of the work; what was cut short, altered or made by other
    work counts as absent.

    Args:
        path: of the file; there is none until something is kept.
        key: stands for all that the parts depend on.
    """

    def __init__(self, path: Path, key: str) -> None:
        self._path, self._key = path, key
        try:
            with open_regular(path) as file:
                found = file.read().decode(errors="replace").splitlines(keepends=True)
        except FileNotFoundError:
            found = []
        whole = [line for line in found if line == self._line(line.partition(" ")[2].rstrip("\n"))]
        if whole != found:
            write_text(path, "".join(whole))
        self._parts: dict[str, Any] = dict(json.loads(line.partition(" ")[2]) for line in whole)

    def _line(self, text: str) -> str:
        return f"{hashlib.sha256((self._key + text).encode()).hexdigest()} {text}\n"

    def get(self, part: str) -> Any:
        """What was kept of a part, or None."""
        return self._parts.get(part)

    def keep(self, part: str, value: Any) -> None:
        """Add a part that is finished, JSON-able: it is on disk when this returns."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.open("ab") as file:
            file.write(self._line(json.dumps([part, value], allow_nan=False)).encode())
            file.flush()
            os.fsync(file.fileno())

    def remove(self) -> None:
        """Delete the file: the work is done."""
        self._path.unlink(missing_ok=True)


@contextmanager
def only_one(path: Path, message: str, wait: Callable[[str], None] | None = None) -> Iterator[None]:
    """Be the only process inside, by the lock file `path`; a second one is refused at once, or waits.

    The lock is the operating system's: it ends with the process that holds it, however that ends.

    Args:
        path: the lock file; its folder is made. The file stays, empty, and says nothing by being there.
        message: what the refused process says: who is at work, and the next step.
        wait: wait for the other process instead, after telling this function the message.

    Raises:
        BusyError: another process holds the lock, and there is no `wait`.
        OSError: the file system has no locks, or the file cannot be opened.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle = _locked(path)
    if handle is None:
        if wait is None:
            raise BusyError(message)
        wait(message)
        while (handle := _locked(path)) is None:
            time.sleep(_LOOK_SECONDS)
    try:
        yield
    finally:
        os.close(handle)


def _locked(path: Path) -> int | None:
    """A handle of the lock file that holds the lock, unless another one does."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o644)
    try:
        # A folder that was thrown away while this process waited is no place for a lock.
        if lock(handle, path) and os.path.samestat(os.fstat(handle), path.stat()):
            return handle
    except FileNotFoundError:
        pass
    except BaseException:
        os.close(handle)
        raise
    os.close(handle)
    return None


def lock(handle: int, path: Path) -> bool:
    """Lock an open file or folder until the handle is closed; false where another handle holds the lock.

    Raises:
        OSError: its file system has no locks; the error names `path`.
    """
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):  # some network drives say the second
        return False
    except OSError as error:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK), str(path)) from error
    return True


@contextmanager
def scratch_folder(place: Path, prefix: str) -> Iterator[Path]:
    """A new folder below `place` that only its owner can enter; gone at the end, however that comes.

    The operating system keeps a lock in it as long as this process lives. What killed processes of this user
    left beside it is known by its lock, which nobody holds any more, and removed first; a number of a process
    would not do, since another machine, container or later process has the same.

    Args:
        place: an existing folder.
        prefix: begins the folder's name, and the names that are looked at.

    Raises:
        OSError: it cannot be made.
    """
    for folder in place.glob(f"{prefix}*"):
        with suppress(OSError):
            _remove_left(folder)
    folder = Path(tempfile.mkdtemp(prefix=prefix, dir=place))
    try:
        with (folder / ".new").open("wb") as file:
            with suppress(OSError):  # where there are no locks, nobody takes it for left either
                lock(file.fileno(), folder)
            (folder / ".new").rename(folder / _HELD)  # never there without being held
            yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _remove_left(folder: Path) -> None:
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
        return
    handle = os.open(folder / _HELD, os.O_RDWR | os.O_NOFOLLOW)
    try:
        if lock(handle, folder):
            shutil.rmtree(folder, ignore_errors=True)
    finally:
        os.close(handle)
