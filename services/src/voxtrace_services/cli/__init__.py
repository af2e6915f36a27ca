"""The `voxtrace` command: run the pipeline, send it audio, read its traces."""
