"""What counts as a secret, what a reader must still be able to read, and what is a fault of the machine."""

import errno
import io
import os
import zipfile

import pyarrow as pa
import pytest
from PIL import ImageFile

from pipeline.errors import as_message, fault_behind, is_fault, is_shown, redacted

PASSWORD = "pa55word"  # noqa: S105 - an example


@pytest.mark.parametrize(
    "name",
    ["AWS_SECRET_ACCESS_KEY", "KAGGLE_KEY", "HF_TOKEN", "PREFECT_API_KEY", "RAY_AUTH_TOKEN", "ZSAD_NOTIFY"],
)
def test_values_of_secret_variables_are_hidden(name: str) -> None:
    assert redacted("key wJalrXUtnFEMI here", {name: "wJalrXUtnFEMI"}) == "key *** here"


def test_the_longest_secret_goes_first() -> None:
    assert redacted("abcdef-123", {"A_TOKEN": "abcdef", "B_TOKEN": "abcdef-123"}) == "***"


@pytest.mark.parametrize("password", [PASSWORD, "p@55word"])
def test_passwords_in_addresses_are_hidden(password: str) -> None:
    assert redacted(f"fetch https://user:{password}@host/x", {}) == "fetch https://***@host/x"


@pytest.mark.parametrize(
    "text", ["abc is too short to be a secret", "/home/somebody", "http://host/x and me@example.org"]
)
def test_the_rest_stays(text: str) -> None:
    assert redacted(text, {"X_TOKEN": "abc", "HOME": "/home/somebody", "RAY_AUTH_MODE": "token"}) == text


class _Failing(io.BytesIO):
    """A file on a disk that does not answer."""

    def seek(self, *_: object) -> int:
        raise OSError(errno.EIO, os.strerror(errno.EIO))


def test_a_fault_that_a_reader_tells_as_damage_is_found() -> None:
    with pytest.raises(zipfile.BadZipFile) as caught:
        zipfile.ZipFile(_Failing())
    fault = fault_behind(caught.value)
    assert fault is not None
    assert fault.errno == errno.EIO
    with pytest.raises(zipfile.BadZipFile) as damaged:
        zipfile.ZipFile(io.BytesIO(b"PK"))
    assert fault_behind(damaged.value) is None


def test_short_memory_is_a_fault_of_the_machine_and_one_line() -> None:
    """Pillow tells it as it tells damage; what it means by -9 is IMAGING_CODEC_MEMORY of its sources."""
    for error in (MemoryError(), pa.ArrowMemoryError("malloc of size 128 failed")):
        assert is_fault(error)
        assert is_shown(error)
        assert as_message(error).startswith("out of memory: ")
    assert is_fault(ImageFile._get_oserror(-9, encoder=False))
    assert not is_fault(ImageFile._get_oserror(-2, encoder=False))


def test_a_thread_too_many_is_one_line_and_other_errors_of_code_are_not() -> None:
    thread = RuntimeError("can't start new thread")
    assert is_shown(thread)
    assert as_message(thread) == (
        "can't start new thread: allow more processes (`ulimit -u`, a container's limit) and run it again"
    )
    assert not is_shown(RuntimeError("shapes differ"))
