"""Downloads: from the sources in a data set's record to the published tree in its place.

Records say where, `hosts` in which order; `acquire` gets verified archives (plain HTTP in `http`, Google
Drive and Kaggle through their libraries); `assemble` unpacks, checks and places. Nothing is re-hosted.
"""

from pipeline.downloads.display import Display, open_display
from pipeline.downloads.http import file_size
from pipeline.downloads.obtain import Obtained, obtain, obtain_all, obtain_file, to_fetch
from pipeline.downloads.retries import DownloadError
from pipeline.downloads.store import Store, open_store
from pipeline.errors import DiskFullError

__all__ = [
    "DiskFullError",
    "Display",
    "DownloadError",
    "Obtained",
    "Store",
    "file_size",
    "obtain",
    "obtain_all",
    "obtain_file",
    "open_display",
    "open_store",
    "to_fetch",
]
