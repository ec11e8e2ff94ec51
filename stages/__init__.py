"""One short file a DVC stage: read params, call the pipeline, write outputs."""
