"""The layer study: which layers of a feature loss leave which artifacts."""
