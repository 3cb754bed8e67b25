"""PyTorch in the place of `affekt run`: the same flags, the same files, the same line on stdout.

`python reference.py NETWORK --weights FOLDER --input IN.safetensors --output OUT.safetensors [--repeat N] ..` prints
`{"seconds": [one per repeat, the forward pass only], "peak_rss_mb"}`. OMP_NUM_THREADS says how many threads. Numbers
that mean nothing (padding) are NaN in the output.
"""

import argparse
import importlib
import json
import os
from pathlib import Path

import torch
from safetensors.torch import load_file

import common

MODULES = {"generate": "llama", "engine": "llama"}


def arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("network", choices=["wavlm", "manet", "llama", "slam", "generate", "engine", "sdumc"])
    for name in ("--weights", "--config", "--input", "--output"):
        parser.add_argument(name, type=Path)
    for name in ("--repeat", "--beams", "--max-new-tokens", "--in-flight"):
        parser.add_argument(name, type=int, default=1)
    for name in ("--variant", "--scorer", "--compat", "--mia"):
        parser.add_argument(name)
    parser.add_argument("--missing", action="store_true")
    parser.add_argument("--dtype", default="f32")
    return parser.parse_args()


@torch.inference_mode()
def main():
    flags = arguments()
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", torch.get_num_threads())))
    network = importlib.import_module(MODULES.get(flags.network, flags.network))
    tensors, measured = network.run(flags.network, flags, load_file(flags.input), common.DTYPES[flags.dtype])
    print(json.dumps(measured))
    common.save(flags.output, tensors)


if __name__ == "__main__":
    main()
