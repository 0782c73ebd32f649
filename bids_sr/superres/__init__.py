"""Super-resolution of a series: slices, batches, devices, data consistency."""
