"""The numbers that affekt's `seeded` module makes, in PyTorch: integer arithmetic and two roundings, the same bits.

Number i of the tensor NAME is a hash of i that starts from the CRC-32 of NAME, in -1 to 1 on a grid of 2^-23, times a
factor. Weights have the variance 1 / fan_in; biases and running means are 0; other vectors are 1.
"""

import math
import zlib

import torch

MASK = 0xFFFFFFFF
# Numbers made at a time: integers of 64 bits take room.
PART = 1 << 26


def hashes(name, start, stop, device):
    # Products wrap at 64 bits, which leaves the lower 32 as they should be.
    x = torch.arange(start, stop, device=device, dtype=torch.int64) * 0x9E3779B9 + zlib.crc32(name.encode()) & MASK
    x = (x ^ (x >> 16)) * 0x7FEB352D & MASK
    x = (x ^ (x >> 15)) * 0x846CA68B & MASK
    return x ^ (x >> 16)


def noise(name, shape, deviation, dtype=torch.float32, device="cpu"):
    """Uniform numbers of this standard deviation."""
    count = math.prod(shape)
    bound = torch.tensor(deviation * math.sqrt(3.0), dtype=torch.float64).to(torch.float32).to(device)
    made = torch.empty(count, dtype=dtype, device=device)
    for start in range(0, count, PART):
        stop = min(start + PART, count)
        centred = ((hashes(name, start, stop, device) >> 8) - (1 << 23)).to(torch.float32) * 2.0**-23
        made[start:stop] = (centred * bound).to(dtype)
    return made.reshape(shape)


def weight(name, shape, dtype=torch.float32, device="cpu"):
    if name.endswith("bias") or name.endswith("running_mean"):
        return torch.zeros(shape, dtype=dtype, device=device)
    if len(shape) < 2:
        return torch.ones(shape, dtype=dtype, device=device)
    return noise(name, shape, math.sqrt(1.0 / math.prod(shape[1:])), dtype, device)


def integers(name, count, below, device="cpu"):
    return hashes(name, 0, count, device) % below


@torch.no_grad()
def fill(module, rename=lambda name: name):
    """Gives every parameter and buffer of `module` the numbers of the name that affekt has for it."""
    for name, tensor in [*module.named_parameters(), *module.named_buffers()]:
        if tensor.is_floating_point():
            ours = rename(name)
            if ours is not None:
                tensor.copy_(weight(ours, tuple(tensor.shape), tensor.dtype, tensor.device))
    return module


if __name__ == "__main__":
    print(integers("a.weight", 4, 1000).tolist())
    print([f"{number:.9g}" for number in weight("a.weight", (2, 3)).flatten().tolist()])
