"""What counts as a secret, and what a reader must still be able to read."""

import pytest

from pipeline.errors import redacted

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
