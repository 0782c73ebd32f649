"""UNet, the channels it reads, model cards and loading."""
