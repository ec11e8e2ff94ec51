"""Tests of `pipeline.methods`."""
