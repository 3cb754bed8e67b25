"""Reference losses and gradients of SDUMC: the PyTorch module of golden.py, smaller, and autograd, in f64.

Command:    python golden_loss.py   (rewrites golden/loss/ beside this file, the same bytes every time)
Versions:   torch 2.15, safetensors 0.6 or later; CPU, float64, one thread
Seed:       that of golden.py, for weights and features
Tolerance:  1e-5 of each term, 1e-4 of each gradient's root mean square

Files:
  residual-ae.weights.safetensors   all parameters, the unused ones too, f32
  equation.weights.safetensors      the same with the imagination of equations 5 and 6
  COMPAT_MIA.safetensors            terms of the loss and `gradients`: of all parameters, flat, in the order of their names,
                                    and `reached`: 1 for each that has one
  inputs.safetensors                the batch: five clips, lengths and padding as different as they come, labels with ties
Metadata `config` is the configuration as JSON.
"""

import json
from pathlib import Path

import golden
import torch
from safetensors.torch import save_file

OUT = Path(__file__).parent / "golden" / "loss"
golden.WIDTHS |= {"audio": 6, "text": 10, "video": 5}
golden.DIM = 8
LENGTHS = {"audio": [7, 2, 5, 7, 1], "text": [4, 1, 2, 3, 4], "video": [1, 3, 0, 3, 2], "simulated": [2, 5, 1, 0, 3]}
LABELS = [1.0, -2.0 / 3, 1.0, 0.0, 2.3333333]
WEIGHTS = {"paper": [0.5, 0.5, 0.1, 0.7, 0.13, 0.5], "release": [0.5, 0.5, 0.1, 0.7, 0.1, 0.8]}
TERMS = ["task_full", "task_missing", "mkd1", "mkd2", "rs", "rnc"]
BUFFERS = ("running_mean", "running_var", "num_batches_tracked")


def rmse(x, y):
    return ((x - y) ** 2).mean().sqrt()


def rank_n_contrast(z, y, temperature=2.0):
    """Literally: a loop over anchors and positives."""
    n, total = len(z), 0.0
    for i in range(n):
        others = [k for k in range(n) if k != i]
        sim = -(z[i] - z[others]).norm(dim=-1) / temperature
        far = (y[i] - y[others]).abs()
        for j in range(n - 1):
            total = total - (sim[j] - torch.logsumexp(sim[far >= far[j] - 1e-4], 0))
    return total / (n * (n - 1))


def losses(network, inputs, labels):
    full = network(inputs, False, LENGTHS | {"video": one(LENGTHS["video"])})
    swapped = inputs | {"text": inputs["simulated"]}
    lengths = LENGTHS | {"video": one(LENGTHS["video"]), "text": one(LENGTHS["simulated"])}
    missing = network(swapped, True, lengths)
    terms = [((flow["valence"] - labels) ** 2).sum() / len(labels) for flow in (full, missing)]
    terms += [rmse(missing["text1"], full["text1"].detach()), rmse(missing["text2"], full["text2"].detach())]
    terms += [rmse(missing["r"], full["r"])]
    return terms + [rank_n_contrast(torch.cat([full["rnc"], missing["rnc"]]), torch.cat([labels, labels]))]


def one(lengths):
    """An absent modality is one zero row that counts."""
    return [max(length, 1) for length in lengths]


def save(name, tensors, **metadata):
    tensors = {k: t.detach().contiguous().clone() for k, t in tensors.items()}
    save_file(tensors, OUT / f"{name}.safetensors", metadata or None)


def weights(name, network):
    state = {k: t for k, t in network.state_dict().items() if not k.endswith(BUFFERS)}
    save(name, state)


def main():
    torch.set_num_threads(1)
    OUT.mkdir(parents=True, exist_ok=True)
    for old in OUT.glob("*.safetensors"):
        old.unlink()
    widths = golden.WIDTHS | {"simulated": golden.WIDTHS["text"]}
    inputs = {n: golden.seeded((5, max(LENGTHS[n]), widths[n]), f"loss input {n}", 1.5) for n in widths}
    for name in ("video", "simulated"):
        for clip, length in enumerate(LENGTHS[name]):
            if length == 0:
                inputs[name][clip, 0] = 0
    lengths = {f"lengths.{n}": torch.tensor(LENGTHS[n]) for n in widths}
    save("inputs", inputs | lengths | {"labels": torch.tensor(LABELS)})
    inputs = {n: x.double() for n, x in inputs.items()}
    labels = torch.tensor(LABELS).double()
    weights("residual-ae.weights", golden.draw(golden.Fusion("paper", "text")))
    weights("equation.weights", golden.draw(golden.Fusion("paper", "equation")))
    settings = {
        "off": {"mia": "off"},
        "text": {"mia": "on", "mia_residual": "text"},
        "transition": {"mia": "on", "mia_residual": "transition"},
        "equation": {"mia": "on", "mia_structure": "equation"},
    }
    for compat in ("paper", "release"):
        for mia, setting in settings.items():
            network = golden.draw(golden.Fusion(compat, mia)).double()
            terms = losses(network, inputs, labels)
            total = sum(weight * term for weight, term in zip(WEIGHTS[compat], terms))
            total.backward()
            parameters = sorted(network.named_parameters())
            assert all(p.grad.abs().max() > 0 for _, p in parameters if p.grad is not None), "a dead parameter"
            flat = [torch.zeros_like(p) if p.grad is None else p.grad for _, p in parameters]
            tensors = dict(zip(TERMS, terms)) | {"loss": total, "gradients": torch.cat([g.flatten() for g in flat])}
            tensors = {name: tensor.detach().float() for name, tensor in tensors.items()}
            # A tensor, since the order of several texts in the metadata would be that of a hash map.
            tensors["reached"] = torch.tensor([p.grad is not None for _, p in parameters], dtype=torch.uint8)
            save(f"{compat}_{mia}", tensors, config=json.dumps(setting | {"compat": compat}))


if __name__ == "__main__":
    main()
