"""The libraries for single hosts, which are an extra of the package."""

import importlib
from typing import Any

from pipeline.downloads.errors import DownloadError


def load(name: str) -> Any:
    """Import `gdown` or `kagglehub`.

    Raises:
        DownloadError: it is not installed; the message says how to install it.
    """
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError:
        raise DownloadError(f"{name} is not installed; run: pip install 'zsad[downloads]'") from None
