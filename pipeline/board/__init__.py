"""Runs of others: `verify` says what is wrong with a folder, `site` shows those that are accepted."""

from pipeline.board.site import write_board
from pipeline.board.verify import Verdict, verify

__all__ = ["Verdict", "verify", "write_board"]
