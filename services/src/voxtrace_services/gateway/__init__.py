"""The HTTP edge of the pipeline: takes uploads in, tells how they fare, hands results out."""
