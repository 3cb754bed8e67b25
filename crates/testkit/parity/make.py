"""Draws a network's full-size weights and inputs, once: `python make.py NETWORK FOLDER`.

The folder is a cache: it is made anew as soon as these scripts, the golden generators or the versions that they run on
have changed.
"""

import hashlib
import importlib
import shutil
import sys
from pathlib import Path

import torch

import common


def digest():
    here = Path(__file__).parent
    scripts = [*here.glob("*.py"), *(common.ROOT / "models").glob("*/tests/golden.py"), here.parent / "requirements.txt"]
    return hashlib.sha256(b"".join(path.read_bytes() for path in sorted(scripts))).hexdigest()


@torch.no_grad()
def main(network, folder):
    stamp = folder / "made-by"
    if stamp.is_file() and stamp.read_text() == digest():
        return
    print(f"drawing the weights of {network}", file=sys.stderr)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    torch.manual_seed(0)
    importlib.import_module(network).make(folder)
    stamp.write_text(digest())


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
