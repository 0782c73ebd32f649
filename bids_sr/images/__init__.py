"""Grids and affines, streaming NIfTI, intensity scale, k-space operators."""
