"""Slices to batches to device to slices; data consistency."""
