"""Training of the networks: data preparation, degradation, patches, losses and trainer."""
