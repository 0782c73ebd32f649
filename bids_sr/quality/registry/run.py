"""Facts of the scan and of its processing, stored in the record with the metrics."""

from __future__ import annotations

from functools import partial

from bids_sr.diffusion.axis_permutations import EXPECTED, WORLD_LPS, WORLD_RAS, signed_permutations
from bids_sr.diffusion.gradient_check import NOT_CHECKED, NOT_DECIDED
from bids_sr.quality.metric_spec import IDENTITY, PROCESSING, SCAN, TIME, VERDICT, MetricSpec

_identity = partial(MetricSpec, family=IDENTITY)
_scan = partial(MetricSpec, family=SCAN)
_processing = partial(MetricSpec, family=PROCESSING)
_time = partial(MetricSpec, family=TIME, optional=True)

_GRADIENTS = {
    **{table.words: f"To fix it, {table.edit}." for table in signed_permutations()},
    **dict.fromkeys(
        (WORLD_RAS, WORLD_LPS), "It lies along the axes of the scanner, not of the image."
    ),
    EXPECTED: "The gradient table fits the image.",
    NOT_DECIDED: "The evidence is not clear.",
    NOT_CHECKED: "The check was switched off (--gradient-check off).",
}

RUN = (
    _identity("bids_name", "Name", "Name of the output up to desc-sr; unique in the table."),
    _identity(
        "state", "State", "Whether the run ended well, and whether all its files are still there.",
        levels={
            "finished": "The run ended well and all its files are there.",
            "incomplete": "The run ended well, but files are missing.",
            "not finished": "The run has begun and has no record yet.",
            "damaged record": "The quality record cannot be read.",
            "failed": "The run ended with an error.",
        },
    ),
    _identity("run", "Run", "Name of the source image."),
    _identity("subject", "Participant", "Label of the participant, without sub-."),
    _identity("session", "Session", "Label of the session, without ses-."),
    _identity("acquisition", "Acquisition", "Label of the acquisition (acq)."),
    _identity("notes", "Notes", "Anything unusual during processing."),
    _identity("dti_skipped_reason", "No tensor fit because", "Empty if a tensor was fitted."),
    _identity("gqi_skipped_reason", "No GQI because", "Empty if GQI was done."),
)  # fmt: skip
"""Names and texts that the pages show outside the tables."""

VERDICTS = (
    MetricSpec(
        "qc_status", "Quality", "The worst check of the run's report.", family=VERDICT,
        levels={
            "pass": "No check is amber or red.",
            "warn": "Something needs to be checked.",
            "fail": "Do not use it before it has been checked.",
            "unknown": "Too little is known to judge.",
        },
    ),
    MetricSpec(
        "qc_reasons",
        "Reason",
        "Why the quality is not 'pass', or why there is none; reasons are separated by semicolons.",
        family=VERDICT,
    ),
)  # fmt: skip
"""What the lights sum up to."""

FACTS = (
    _scan("n_volumes", "Volumes", "Number of volumes."),
    _scan("n_b0", "Volumes at b = 0", "Number of volumes at b = 0."),
    _scan("n_directions", "Directions", "Number of distinct gradient directions."),
    _scan(
        "shells",
        "Shells",
        "The b-values; the check compares them with the training range.",
        "s/mm²",
    ),
    _scan("input_shape", "Acquired matrix", "Voxels along i, j and k, as acquired.", "voxels"),
    _scan(
        "input_zooms_mm",
        "Acquired voxel size",
        "Voxel size as acquired; the check compares it with the training range.",
        "mm",
        column="Voxel in",
    ),
    _scan("output_zooms_mm", "Output voxel size", "Voxel size of the output.", "mm",
          column="Voxel out"),
    _scan("brain_volume_ml", "Brain mask", "Volume of the brain mask.", "ml", 0, optional=True),
    _scan(
        "slice_axis",
        "Slice axis",
        "Voxel axis across the slices; it is never refined.",
        levels={"0": "i", "1": "j", "2": "k"},
    ),
    _scan(
        "acquired_matrix",
        "In-plane matrix, acquired",
        "In-plane pixels that the scanner measured; the factor counts from these.",
        optional=True,
    ),
    _scan(
        "stored_matrix",
        "In-plane matrix, stored",
        "In-plane pixels of the input file. Where they are more than were acquired, the scanner "
        "had filled k-space with zeros, and this was undone first.",
        optional=True,
    ),
    _scan("stored_zooms_mm", "Stored voxel size", "Voxel size of the input file.", "mm", 3,
          optional=True),
    _scan(
        "band_note",
        "K-space not fully covered",
        "In-plane axes whose highest frequencies hold no signal: the scanner filled k-space with "
        "zeros or filtered the image. There is less to gain than the voxel size suggests.",
        optional=True,
    ),
    _scan(
        "bad_lines",
        "Damaged lines and slices",
        "Parts of the input that should not be trusted, volumes and slices counted from 0.",
        optional=True,
    ),
    _scan(
        "gradients_verdict",
        "Gradient table",
        "Whether axes of the gradient table are swapped or flipped, judged by how well fibres "
        "continue along their own direction; x, y and z are the voxel axes i, j and k of the "
        "image as stored.",
        optional=True,
        levels=_GRADIENTS,
        column="Gradients",
    ),
    _scan(
        "gradients_coherence",
        "Fibre coherence",
        "How much less the tensor changes along fibres than by chance, with the supplied gradient "
        "table: about 0 if it does not fit the image.",
        optional=True,
    ),
    _scan(
        "gradients_coherence_best",
        "Largest fibre coherence",
        "Fibre coherence with the best of the gradient tables that were tried (axes swapped, "
        "flipped, in world coordinates).",
        optional=True,
    ),
    _scan(
        "gradients_margin",
        "Gradient check, margin",
        "Lead of the best table over the next, in standard errors.",
        decimals=1,
        optional=True,
    ),
    _scan(
        "gradients_fixed",
        "Gradient table corrected",
        "Whether the output was made with a corrected table (--gradient-check fix).",
        optional=True,
    ),
    _scan(
        "gradients_note",
        "Gradient check undecided because",
        "Why the gradient table could not be judged.",
        optional=True,
    ),
    _processing(
        "scale_factor",
        "In-plane factor",
        "Factor by which the resolution was increased along both in-plane axes.",
        column="Factor",
    ),
    _processing("model", "Network", "Name of the network."),
    _processing("model_sha256", "Weights, SHA-256", "Checksum of the network's weights."),
    _processing(
        "data_consistency",
        "K-space data consistency",
        "Whether the acquired frequencies of the input were kept in the output.",
    ),
    _processing(
        "signed",
        "Signed input",
        "Whether the input is real-valued, with noise on both sides of zero, so that the output "
        "keeps the sign; magnitude images are clipped at zero.",
        optional=True,
    ),
    _processing(
        "ensemble",
        "Self-ensemble",
        "Number of rotated or flipped copies of each slice whose outputs were averaged.",
        optional=True,
    ),
    _processing(
        "uncertainty",
        "Self-ensemble SD written",
        "Whether the standard deviation over the self-ensemble was written (--uncertainty).",
        optional=True,
    ),
    _processing(
        "maps_written",
        "Diffusion maps written",
        "Whether the tensor and GQI maps were kept. Otherwise (--no-maps) they were made "
        "for metrics and pictures only.",
        optional=True,
    ),
    _processing(
        "input_band",
        "K-space coverage",
        "Share of the input's in-plane frequencies that hold signal, along each axis. Below 1, the "
        "scanner or an earlier program filled k-space with zeros or filtered the image.",
        optional=True,
    ),
    _processing("device", "Device", "Hardware that the network ran on."),
    _processing(
        "precision",
        "Precision",
        "Number format of the network's layers; everything else is float32.",
        optional=True,
    ),
    _processing("slices_per_second", "Speed", "Slices super-resolved per second.", "slices/s", 1),
    _processing(
        "batch_size",
        "Batch size",
        "Slices that the network processed at once.",
        "slices",
        optional=True,
    ),
    _processing("version", "bids_sr", "Version of bids_sr that was used."),
)  # fmt: skip
"""Facts of the scan and of its processing."""

TIMES = (
    _time(
        "seconds_superres",
        "Super-resolution time",
        "Time taken by super-resolution alone.",
        "s",
        1,
        optional=False,
        column="Time",
        least_range=60.0,
    ),
    _time(
        "seconds_total",
        "Total time",
        "From the start of super-resolution to the last quality metric, pauses included.",
        "s",
        1,
        least_range=60.0,
    ),
    _time(
        "peak_memory_gb",
        "Peak memory",
        "Of the processes for super-resolution and for quality metrics, whichever took more.",
        "GB",
        2,
        least_range=0.5,
    ),
)
"""What the run cost."""
