"""How far outputs are from their reference: `python compare.py REFERENCE.safetensors GOT.safetensors`.

Prints one JSON object a group of tensors (`hidden_states.0`, `hidden_states.1` ... are one): how many they are, the
largest error and whose it is. The error is the largest difference over the root mean square of the reference; for
integers 0 where all are equal. It is null where nothing can be compared: another shape, a tensor that is not there, a
number that is not finite. NaN in the reference stands for numbers that mean nothing.
"""

import json
import re
import sys

import torch
from safetensors.torch import load_file


def error(want, got):
    if got is None or got.shape != want.shape or got.is_floating_point() != want.is_floating_point():
        return None
    if not want.is_floating_point():
        return 0.0 if torch.equal(want.long(), got.long()) else None
    there = ~want.isnan()
    want, got = want[there].double(), got[there].double()
    if not (want.isfinite().all() and got.isfinite().all()):
        return None
    if want.numel() == 0:
        return 0.0
    difference = (want - got).abs().max().item()
    return 0.0 if difference == 0 else difference / want.square().mean().sqrt().item()


def main(reference, got):
    reference, got = load_file(reference), load_file(got)
    groups = {}
    for name, want in reference.items():
        groups.setdefault(re.sub(r"\.\d+$", "", name), []).append((name, error(want, got.get(name))))
    for group, members in groups.items():
        worst, largest = max(members, key=lambda member: float("inf") if member[1] is None else member[1])
        kind = "numbers" if reference[worst].is_floating_point() else "integers"
        row = {"name": group, "kind": kind, "tensors": len(members), "worst": worst, "error": largest}
        print(json.dumps(row))


if __name__ == "__main__":
    main(*sys.argv[1:])
