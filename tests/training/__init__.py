"""Tests of `pipeline.training`."""
