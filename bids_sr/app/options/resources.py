"""Options that say with what it is computed."""

from __future__ import annotations

import argparse

from bids_sr.app import types
from bids_sr.app.options.sections import Section
from bids_sr.argument_types import device, positive
from bids_sr.superres.defaults import PRECISIONS


def add_performance(parser: argparse.ArgumentParser) -> Section:
    """Add the group to a parser, and return it."""
    section = Section(parser, "performance")
    section.add(
        "--device",
        type=device,
        default="auto",
        metavar="{auto,cpu,cuda,cuda:N}",
        help="where the network runs; auto: all visible GPUs, with runs dealt out among them, or "
        "the CPU if there is none; cuda: all, and at least one",
    )
    section.add(
        "--precision",
        choices=PRECISIONS,
        default="auto",
        help="numbers in which the network's layers compute; auto: on a CPU bfloat16 where it has "
        "instructions for it and a short check on the scan finds it faster and as good, else "
        "float32; on a GPU float16. float32 gives the same on every CPU, but for the last digits",
    )
    section.add(
        "--batch-size",
        type=positive,
        metavar="N",
        help="slices that go through the network at once; lower it when memory runs out",
        shown="by device, slice size and --mem-mb",
    )
    section.add(
        "--nprocs",
        "--nthreads",
        "--n-cpus",
        dest="nprocs",
        type=positive,
        metavar="N",
        help="CPU cores to use in all",
        shown="all that this process may use",
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
        help="memory that the program may use in all: megabytes, or with a suffix K, M, G or T. "
        "Steps wait for each other and work on smaller pieces to stay below; a run that needs "
        "more fails before it begins",
        shown="90%% of the machine's or of the container's or job's limit",
    )
    section.add(
        "--low-mem",
        action="store_true",
        help="use as little memory as possible, at the cost of time and of files in the work "
        "folder; the results are the same",
    )
    section.add(
        "--resource-monitor",
        action="store_true",
        help="record memory and processor use of every step, in resources.tsv in the log folder",
    )
    return section
