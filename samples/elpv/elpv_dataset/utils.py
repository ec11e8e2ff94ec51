"""Reads the table."""
