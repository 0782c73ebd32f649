"""Network architectures, their input channels, model cards and model loading."""
