"""What this machine can do, by PyTorch: `python probe.py` prints `{"read_gb_s", "gflop_s"}`.

The first is the rate at which a gigabyte, which no cache holds, is read once; the second that of a large matrix product
in f32. Each is the best of several: what a program may reach when nothing else runs. OMP_NUM_THREADS says how many
threads.
"""

import json
import os
import time

import torch

SIDE = 2048
NUMBERS = 1 << 28


def best(times, work):
    seconds = []
    for _ in range(times):
        start = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - start)
    return min(seconds)


@torch.inference_mode()
def main():
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", torch.get_num_threads())))
    a, b, out = (torch.rand(SIDE, SIDE) for _ in range(3))
    product = best(20, lambda: torch.mm(a, b, out=out))
    numbers = torch.ones(NUMBERS)
    # Largest numbers and sums take no more arithmetic than the loads leave time for; which is faster depends on the build.
    read = min(best(4, numbers.sum), best(4, numbers.amax), best(4, lambda: torch.dot(numbers, numbers)))
    print(json.dumps({"read_gb_s": 4 * NUMBERS / read / 1e9, "gflop_s": 2 * SIDE**3 / product / 1e9}))


if __name__ == "__main__":
    main()
