"""Finding runs, derivative names, sidecars, dataset_description."""
