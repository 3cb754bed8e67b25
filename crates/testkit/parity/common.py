"""What the reference networks share: seeded numbers, files, time and memory."""

import importlib.util
import time
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

ROOT = Path(__file__).resolve().parents[3]
DTYPES = {"f32": torch.float32, "f16": torch.float16, "bf16": torch.bfloat16}


def golden(network):
    """The module that makes a network's golden files: it holds the reference, at any size."""
    path = ROOT / "models" / network / "tests" / "golden.py"
    spec = importlib.util.spec_from_file_location(f"{network}_golden", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def save(path, tensors):
    tensors = {name: tensor.detach().clone().contiguous() for name, tensor in tensors.items()}
    save_file(tensors, path, metadata={"format": "pt"})


def weights(path):
    """All tensors of a checkpoint, mapped rather than read: of a folder's `model.safetensors`, or of a `.pt` or `.pth`."""
    if path.is_dir():
        return load_file(path / "model.safetensors")
    stored = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    return stored.get("state_dict", stored)


def repeated(times, forward):
    """Calls `forward` so often; gives the last result, the seconds of each call and the peak memory after them."""
    seconds = []
    for _ in range(times):
        result = None  # or two results would be in memory at once
        start = time.perf_counter()
        result = forward()
        seconds.append(time.perf_counter() - start)
    return result, {"seconds": seconds, "peak_rss_mb": peak_rss_mb()}


def peak_rss_mb():
    """Largest resident memory of this process so far, in MiB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM:"))


def without_meaning(rows, valid):
    """`rows` (b, t, ..) with NaN wherever `valid` (b, t) is false: such rows are left out of comparisons."""
    return rows.float().masked_fill(~valid.reshape(*valid.shape, *[1] * (rows.dim() - 2)), float("nan"))
