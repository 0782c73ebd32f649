"""Options of hardware and precision."""

from __future__ import annotations

import argparse

from bids_sr.app import types
from bids_sr.app.options.sections import Section
from bids_sr.argument_types import device, positive
from bids_sr.superres.defaults import PRECISIONS


def add_performance(parser: argparse.ArgumentParser) -> Section:
    """Add the group of options to a parser, and return it."""
    section = Section(parser, "performance")
    section.add(
        "--device",
        type=device,
        default="auto",
        metavar="{auto,cpu,cuda,cuda:N}",
        help="where the network runs; auto: all visible GPUs, with runs distributed over them, or "
        "the CPU if there are none; cuda: all GPUs, at least one",
    )
    section.add(
        "--precision",
        choices=PRECISIONS,
        default="auto",
        help="precision of the network's layers; auto: on a CPU bfloat16 if it has "
        "instructions for it and a short check on the scan finds it faster and as good, else "
        "float32; on a GPU float16. float32 gives the same on every CPU, but for the last digits",
    )
    section.add(
        "--batch-size",
        type=positive,
        metavar="N",
        help="slices processed by the network at once; lower it if memory runs out",
        shown="by device, slice size and --mem-mb",
    )
    section.add(
        "--nprocs",
        "--nthreads",
        "--n-cpus",
        dest="nprocs",
        type=positive,
        metavar="N",
        help="total number of CPU cores to use",
        shown="all available to this process",
    )
    section.add(
        "--omp-nthreads",
        dest="threads",
        type=positive,
        metavar="N",
        help="CPU cores that one step may use",
        shown="up to 8 of --nprocs",
    )
    section.add(
        "--mem-mb",
        "--mem",
        dest="memory_mb",
        type=types.memory,
        metavar="SIZE",
        help="total memory that the program may use: megabytes, or with a suffix K, M, G or T. "
        "Steps wait for each other and work in smaller chunks to stay below; a run that needs "
        "more fails before it starts",
        shown="90%% of the machine's or of the container's or job's limit",
    )
    section.add(
        "--low-mem",
        action="store_true",
        help="use as little memory as possible, at the cost of time and files in the work "
        "folder; the results are the same",
    )
    section.add(
        "--resource-monitor",
        action="store_true",
        help="record memory and CPU use of every step, in resources.tsv in the log folder",
    )
    return section
