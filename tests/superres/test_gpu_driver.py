"""Without torch it is only said that there is no GPU when there is none."""

from __future__ import annotations

import subprocess
import sys

import pytest

from bids_sr.superres import gpu_driver
from bids_sr.superres.gpu_driver import gpu_expected, has_gpu_driver, quick_device


@pytest.mark.parametrize(
    ("name", "there", "answer"),
    [
        ("cpu", True, "cpu"),
        ("cpu", False, "cpu"),
        ("auto", False, "cpu"),
        ("auto", True, None),
        ("cuda", False, None),
        ("cuda:1", True, None),
    ],
)
def test_only_what_is_clear(monkeypatch, name, there, answer):
    monkeypatch.setattr(gpu_driver, "has_gpu_driver", lambda: there)
    assert quick_device(name) == answer


def test_drivers_are_looked_for(monkeypatch, tmp_path):
    monkeypatch.setattr(gpu_driver, "_CUDA_DRIVER", "libno-such-driver.so.1")
    monkeypatch.setattr(gpu_driver, "_ROCM_DRIVER", tmp_path / "kfd")
    assert not has_gpu_driver()
    (tmp_path / "kfd").touch()
    assert has_gpu_driver()
    (tmp_path / "kfd").unlink()
    monkeypatch.setattr(gpu_driver, "_CUDA_DRIVER", "libm.so.6")
    assert has_gpu_driver()


@pytest.mark.parametrize("part", ["module", "program"])
def test_half_a_driver_is_warned_of(monkeypatch, tmp_path, caplog, part):
    """Of the kernel, which a container shares; or of the machine, whose library is not found."""
    monkeypatch.setattr(gpu_driver, "has_gpu_driver", lambda: False)
    monkeypatch.setattr(gpu_driver, "_NVIDIA_MODULE", tmp_path / "version")
    monkeypatch.setattr(gpu_driver, "_ROCM_DRIVER", tmp_path / "kfd")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert quick_device("auto") == "cpu" and not caplog.text and not gpu_expected()
    file = tmp_path / {"module": "version", "program": "nvidia-smi"}[part]
    file.touch(0o755)
    assert quick_device("auto") == "cpu"
    assert f"There is an NVIDIA driver ({file})" in caplog.text
    assert "--nv" in caplog.text
    assert gpu_expected()
    caplog.clear()
    assert quick_device("cpu") == "cpu" and not caplog.text


@pytest.mark.slow
def test_torch_is_not_imported():
    code = (
        "import sys, bids_sr.superres.gpu_driver as d; d.quick_device('auto');"
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
