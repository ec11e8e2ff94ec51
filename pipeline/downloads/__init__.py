"""Downloads: from the sources in a data set's record to the published tree in its place.

Records say where; `routes` in which order; `acquire` gets verified archives (plain HTTP in `transfer`, Google
Drive and Kaggle through their libraries); `assemble` unpacks, checks and places. Nothing is re-hosted.
"""

from pipeline.downloads.meter import Meter, open_meter
from pipeline.downloads.obtain import Failure, Outcome, bytes_to_fetch, obtain, obtain_all
from pipeline.downloads.retries import DownloadError
from pipeline.downloads.store import Store, open_store
from pipeline.errors import DiskFullError

__all__ = [
    "DiskFullError",
    "DownloadError",
    "Failure",
    "Meter",
    "Outcome",
    "Store",
    "bytes_to_fetch",
    "obtain",
    "obtain_all",
    "open_meter",
    "open_store",
]
