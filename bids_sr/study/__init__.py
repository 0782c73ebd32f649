"""The layer study: which layers of a feature loss cause which artifacts."""
