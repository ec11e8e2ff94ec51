"""What can go wrong on the way from a host to a folder of data, as far as the caller acts on it."""

from pipeline.errors import DataError


class DownloadError(DataError):
    """A source that cannot be used now; another source of the same data may do."""


class TransientError(Exception):
    """An attempt that failed and may work when it is made again.

    Attributes:
        after: seconds that the server asks to wait, None when it does not say.
    """

    def __init__(self, reason: str, after: float | None = None) -> None:
        super().__init__(reason)
        self.after = after
