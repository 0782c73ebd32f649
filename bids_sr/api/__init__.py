"""Super-resolution from Python: of one file outside any dataset, and of arrays."""
