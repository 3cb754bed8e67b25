"""A fusion model as its authors hand one out, and what it says: written by PyTorch.

Command:    python released.py        (rewrites golden/released.* beside this file)
Versions:   torch 2.15, safetensors 0.6 or later; CPU, float32, one thread
Seed:       7, as in models/sdumc/tests/golden.py, whose module this is at smaller widths
Tolerance:  1e-4 relative to the root mean square of each reference tensor

Files:
  golden/released.pt            `epoch`, `state_dict` (names after `model.`) and `optimizer` (Adam after one step)
  golden/released.safetensors   features of three clips with their lengths, padding not zero, and the valence of both flows
                                as the released code has it, with the imagination on and (`off.`) off
"""

import importlib.util
from pathlib import Path

import torch
from safetensors.torch import save_file

HERE = Path(__file__).parent
SOURCE = HERE.parent.parent / "models/sdumc/tests/golden.py"
WIDTHS = {"audio": 6, "text": 10, "video": 7}
DIM = 8


def module():
    spec = importlib.util.spec_from_file_location("sdumc_golden", SOURCE)
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    loaded.WIDTHS, loaded.DIM = WIDTHS, DIM
    return loaded


def main():
    torch.set_num_threads(1)
    sdumc = module()
    network = sdumc.draw(sdumc.Fusion("release", "text"))
    inputs = {n: sdumc.seeded((3, max(sdumc.LENGTHS[n]), WIDTHS[n]), f"input {n}", 1.5) for n in WIDTHS}
    tensors = inputs | {f"lengths.{n}": torch.tensor(sdumc.LENGTHS[n]) for n in WIDTHS}
    with torch.no_grad():
        for prefix, mia in ("", "text"), ("off.", "off"):
            network.mia = mia
            for flow in ("complete", "missing"):
                tensors[f"{prefix}{flow}"] = network(inputs, flow == "missing")["valence"]
    save_file({k: t.contiguous().clone() for k, t in tensors.items()}, HERE / "golden/released.safetensors")
    state = {f"model.{key}": value.clone() for key, value in network.state_dict().items()}
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-4, weight_decay=1e-5)
    for parameter in network.parameters():
        parameter.grad = torch.zeros_like(parameter)
    optimizer.step()
    stored = {"epoch": 13, "state_dict": state, "optimizer": optimizer.state_dict()}
    torch.save(stored, HERE / "golden/released.pt")


if __name__ == "__main__":
    main()
