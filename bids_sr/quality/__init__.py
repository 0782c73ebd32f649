"""Quality metrics: one file each, pure functions from arrays to numbers."""
