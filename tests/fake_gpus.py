"""GPUs as torch reports them, on a machine that has none."""

from __future__ import annotations

import torch

from bids_sr.superres import gpu_driver, gpu_proof

CU130 = ("sm_75", "sm_80", "sm_86", "sm_90", "sm_100", "sm_120", "compute_120")


class FakeGpus:
    """What a process sees: `count` GPUs of the runtime, of `cards` in the machine.

    `faults` has the errors that computing on a GPU raises, by its number.
    """

    def __init__(self, monkeypatch):
        self.count = self.cards = 0
        self.initialised, self.proved = False, []
        self.no_start = None
        self.faults, self.capability, self.built_for = {}, {}, CU130
        self.free = 40e9
        cuda = {
            "is_available": lambda: self.count > 0,
            "init": self._init,
            "device_count": lambda: self.count if self.initialised else self.cards,
            "get_arch_list": lambda: list(self.built_for),
            "get_device_capability": lambda gpu: self.capability.get(
                getattr(gpu, "index", gpu), (8, 0)
            ),
            "get_device_name": lambda gpu: f"Faked {gpu.index}",
            "mem_get_info": lambda gpu: (int(self.free), int(80e9)),
        }
        for name, fake in cuda.items():
            monkeypatch.setattr(torch.cuda, name, fake)
        monkeypatch.setattr(torch.version, "cuda", "13.0")
        monkeypatch.setattr(gpu_proof, "_nine_ones", self._compute)
        sign = lambda: "/proc/driver/nvidia/version" if self.cards else None  # noqa: E731
        monkeypatch.setattr(gpu_driver, "nvidia_trace", sign)

    def __call__(self, count, cards=None):
        """Pretend that so many GPUs are visible."""
        self.count, self.cards = count, count if cards is None else cards
        self.initialised = False
        return self

    def _init(self):
        if self.no_start is not None:
            raise self.no_start
        if not self.count:
            raise RuntimeError("No CUDA GPUs are available")
        self.initialised = True

    def _compute(self, gpu):
        if gpu.index >= self.count:
            raise RuntimeError("CUDA error: invalid device ordinal\nCUDA kernel errors might ...")
        self.proved.append(gpu.index)
        if gpu.index in self.faults:
            raise RuntimeError(self.faults[gpu.index])
        return 9.0
