"""Unpack the archives in which data sets are published; they come from outside and are taken as hostile.

One entry: `extract`. What a member may be called, be and weigh is decided in `rules`, for every format alike;
`tars`, `zips` and `rars` only know how their format is read. Nothing here knows data sets.
"""

from pipeline.archives.extract import DAMAGED, extract

__all__ = ["DAMAGED", "extract"]
