"""SDUMC at its published widths, 4.27 M drawn weights; the module beside its golden files, in PyTorch."""

import json

import torch

import common

SEED = 7
WIDTHS = {"audio": 1024, "text": 4096, "video": 1024}
DIM = 256
LENGTHS = {"audio": [365, 120, 47], "text": [40, 12, 1], "video": [80, 220, 31]}
NAMES = list(WIDTHS)


def reference():
    module = common.golden("sdumc")
    module.WIDTHS, module.DIM = WIDTHS, DIM
    return module


def make(folder):
    module = reference()
    for structure, mia in [("residual-ae", "text"), ("equation", "equation")]:
        network = module.draw(module.Fusion("paper", mia))
        # As published: by a trainer that wraps the model, with the state of its optimizer.
        optimizer = torch.optim.Adam(network.parameters(), lr=1e-4, weight_decay=1e-5)
        for parameter in network.parameters():
            parameter.grad = torch.zeros_like(parameter)
        stored = {f"model.{key}": value.clone() for key, value in network.state_dict().items()}
        optimizer.step()
        stored = {"epoch": 13, "state_dict": stored, "optimizer": optimizer.state_dict()}
        torch.save(stored, folder / f"{structure}.pt")
    (folder / "transition.json").write_text(json.dumps({"mia_residual": "transition"}))
    (folder / "equation.json").write_text(json.dumps({"mia_structure": "equation"}))
    generator = torch.Generator().manual_seed(SEED)
    tensors = {}
    for name, garbage in zip(NAMES, (float("nan"), 1e30, float("-inf"))):
        rows = 1.5 * torch.randn(3, max(LENGTHS[name]), WIDTHS[name], generator=generator)
        for row, length in zip(rows, LENGTHS[name]):
            row[length:] = garbage
        tensors |= {name: rows, f"lengths.{name}": torch.tensor(LENGTHS[name])}
    common.save(folder / "batch.safetensors", tensors)


def run(_, flags, inputs, dtype):
    # In f32 the module itself is 2e-4 from what f64 gives, under `release` with these weights.
    dtype = torch.float64 if dtype is torch.float32 else dtype
    module = reference()
    module.LENGTHS = {name: inputs[f"lengths.{name}"].tolist() for name in NAMES}
    config = json.loads(flags.config.read_text()) if flags.config else {}
    on = flags.mia == "on" if flags.mia else flags.compat != "release"
    structure = "equation" if config.get("mia_structure") == "equation" else config.get("mia_residual", "text")
    with torch.device("meta"):
        network = module.Fusion(flags.compat or "paper", structure)
    network.mia = structure if on else "off"
    state = {key.removeprefix("model."): value for key, value in common.weights(flags.weights).items()}
    network.load_state_dict(state, assign=True)
    network = network.eval().to(dtype)
    rows = {name: inputs[name].to(dtype) for name in NAMES}
    steps, measured = common.repeated(flags.repeat, lambda: network(rows, flags.missing))
    return {name: steps[name].float() for name in ("valence", "r", "rnc", "text1", "text2")}, measured
