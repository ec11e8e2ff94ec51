"""Tests of `pipeline.clip`."""
