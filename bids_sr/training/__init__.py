"""Degradation, slice dataset, feature loss, trainer and evaluation."""
