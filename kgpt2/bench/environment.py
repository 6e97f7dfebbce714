"""What a figure was measured on, and what memory a process has held."""

import contextlib
import datetime
import os
import platform
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import psutil

from kgpt2.processor import features

PACKAGES = (
    "kgpt2",
    "keras",
    "keras-hub",
    "tensorflow",
    "jax",
    "torch",
    "transformers",
    "openvino",
    "ctranslate2",
    "llama-cpp-python",
    "numpy",
)


def environment() -> dict[str, str | int]:
    """Machine, cores, the processor's features, date, and the versions of what is installed of `PACKAGES`."""
    lines = _lines(Path("/proc/cpuinfo"))
    model = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), "")
    versions = {}
    for name in PACKAGES:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            continue
    return {
        "machine": ", ".join(filter(None, (platform.machine(), f"{os.cpu_count()} cores", model))),
        "features": " ".join(features()),
        "system": f"{platform.system()} {platform.release().split('-')[0]}",
        "date": datetime.date.today().isoformat(),
        "python": platform.python_version(),
        **versions,
    }


def device() -> str:
    """What this process computes on: an accelerator's name as its library gives it, else "cpu"."""
    if "jax" in sys.modules:
        import jax

        first = jax.devices()[0]
        return "cpu" if first.platform == "cpu" else first.device_kind
    if "torch" in sys.modules:
        import torch

        if torch.cuda.is_available():
            return torch.cuda.get_device_name()
    return "cpu"


def peak_memory() -> float | None:
    """The most memory that this process has held since `forget_peak`, in MB: of its accelerator, where it uses one.

    None where the system does not tell.
    """
    if "jax" in sys.modules:
        import jax

        held = jax.local_devices()[0].memory_stats() or {}
        if "peak_bytes_in_use" in held:
            peak: int = held["peak_bytes_in_use"]
            return round(peak / 1e6, 1)
    elif "torch" in sys.modules:
        import torch

        if torch.cuda.is_available():
            return round(torch.cuda.max_memory_allocated() / 1e6, 1)
    for line in _lines(Path("/proc/self/status")):
        if line.startswith("VmHWM"):
            return round(int(line.split()[1]) * 1024 / 1e6, 1)
    return None


def forget_peak() -> None:
    """Lets `peak_memory` begin anew, where Linux or PyTorch can; elsewhere the peak is that of the whole process."""
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()


def busy() -> float:
    """The share of the processors' time that others take at this moment."""
    return psutil.cpu_percent(0.5) / 100


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text("utf-8", "replace").splitlines()
    except OSError:
        return []
