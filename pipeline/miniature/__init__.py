"""The embedded benchmark: drawn pictures, the data sets of the suites in miniature, and a tiny CLIP.

A fresh clone has neither data nor weights. This package draws small data sets in the published layouts
and trains the small model that stands in for CLIP on them. Nothing outside it depends on how the pictures
are made.
"""
