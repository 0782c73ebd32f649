"""Figures of merit: one file each, pure functions from arrays to numbers."""
