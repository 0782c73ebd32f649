"""Degradation, slice dataset, feature loss and trainer."""
