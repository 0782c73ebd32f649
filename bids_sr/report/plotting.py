"""The one place that imports matplotlib; a ``matplotlibrc`` in the working directory is ignored."""

from contextlib import chdir

with chdir("/"):  # matplotlib looks there first, and text of another size would not fit
    from matplotlib import colormaps
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.colors import LinearSegmentedColormap
    from matplotlib.figure import Figure

__all__ = ["Figure", "FigureCanvasAgg", "LinearSegmentedColormap", "colormaps"]
