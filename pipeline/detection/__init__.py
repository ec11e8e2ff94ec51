"""Any images, one method: what `zsad score` does, from a named detector to scores, maps and overlays."""
