"""Gives memory that is free back to the system.

A batch makes large arrays that go and small ones that stay. What is free then lies in holes between the small
ones; glibc keeps these pages, and as new arrays do not always fit the old holes, a process would grow with
the number of images, whatever it holds.
"""

import ctypes

_TRIM = getattr(ctypes.CDLL(None), "malloc_trim", None)  # glibc's own; other allocators have no such call


def give_back() -> None:
    """Return every free page; some 10 ms, and as much again until they are in use again."""
    if _TRIM is not None:
        _TRIM(0)
