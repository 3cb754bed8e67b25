"""Checkpoints as PyTorch writes them, for tests/published.rs: each beside its tensors as safetensors.

Seed 3. torch 2.15, safetensors 0.8, numpy 2; CPU. Comparison is bit for bit.
Command: python crates/weights/tests/golden.py (`cargo xtask goldens` runs it).
"""

import argparse
import collections
import json
import pathlib
import shutil

import numpy
import safetensors.torch
import torch

HERE = pathlib.Path(__file__).parent / "golden"


def noise(*shape, dtype=torch.float32):
    if dtype == torch.bool:
        return torch.rand(shape) < 0.5
    if dtype.is_floating_point:
        return torch.randn(shape).to(dtype)
    low = 0 if dtype in (torch.uint8, torch.uint16, torch.uint32) else -100
    return torch.randint(low, 100, shape, dtype=torch.int64).to(dtype)


def layers():
    """A network's state dictionary, with a buffer that counts."""
    network = torch.nn.Sequential(torch.nn.Linear(5, 3), torch.nn.BatchNorm1d(3), torch.nn.Linear(3, 2, bias=False))
    network.train()
    network(noise(4, 5))
    return network


def twin(name, tensors):
    """What a reader must find."""
    tensors = {key: value.detach().clone().contiguous() for key, value in tensors.items()}
    safetensors.torch.save_file(tensors, HERE / f"{name}.safetensors", {"format": "pt"})


def save(name, checkpoint, tensors, ending="pt", **options):
    torch.save(checkpoint, HERE / f"{name}.{ending}", **options)
    twin(name, tensors)


def training():
    """A checkpoint in the middle of training, as MANet and SDUMC store them: scores as tensors and NumPy scalars."""
    network = layers()
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-4)
    network(noise(4, 5)).sum().backward()
    optimizer.step()
    state = collections.OrderedDict((f"module.{key}", value) for key, value in network.state_dict().items())
    checkpoint = {
        "epoch": 7,
        "state_dict": state,
        "best_acc": torch.tensor(88.33),
        "loss": numpy.float64(0.25),
        "history": numpy.arange(3.0),
        "optimizer": optimizer.state_dict(),
        "recorder": {"classes": {1, 2}, "args": argparse.Namespace(lr=1e-4, data=pathlib.PurePosixPath("x"))},
    }
    save("training", checkpoint, state, "pth")
    save("training_legacy", checkpoint, state, "pth", _use_new_zipfile_serialization=False)
    save("protocol4", checkpoint, state, pickle_protocol=4)


def fairseq():
    """WavLM's layout: the configuration beside `model`; parameters, not plain tensors."""
    network = layers()
    tensors = {key: torch.nn.Parameter(value, requires_grad=False) if value.is_floating_point() else value
               for key, value in network.state_dict().items()}
    save("fairseq", {"cfg": {"encoder_layers": 2, "conv": "[(512,10,5)]"}, "model": tensors}, tensors)


def shapes():
    """Views: turned, sliced, strided, shared, single numbers, nothing."""
    base = noise(6, 4)
    tied = noise(3, 3)
    tensors = {
        "turned": base.t(),
        "permuted": noise(2, 3, 4).permute(2, 0, 1),
        "rows": base[2:5],
        "columns": base[:, 1:3],
        "every_other": base.flatten()[::2],
        "tied.first": tied,
        "tied.second": tied,
        "one": torch.tensor(1.5),
        "expanded": noise(4, 1).expand(4, 1),
        "empty": noise(0, 3),
        "ünï.cödé": noise(2),
    }
    save("shapes", tensors, tensors)
    save("shapes_legacy", tensors, tensors, _use_new_zipfile_serialization=False)


def types():
    """Every type that a network might have."""
    names = ["float64", "float32", "float16", "bfloat16", "int64", "int32", "int16", "int8", "uint8", "bool", "uint16",
             "uint32"]
    tensors = {name: noise(3, 2, dtype=getattr(torch, name)) for name in names}
    tensors["untyped"] = tensors["uint16"].t()
    save("types", tensors, tensors)
    plain = {name: tensor for name, tensor in tensors.items() if tensor.dtype not in (torch.uint16, torch.uint32)}
    save("types_legacy", plain, plain, _use_new_zipfile_serialization=False)


def sharded():
    """Folders as Hugging Face saves them."""
    tensors = layers().state_dict()
    for kind, stem, ending in [("bin", "pytorch_model", "bin"), ("safe", "model", "safetensors")]:
        folder = HERE / f"sharded_{kind}"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        names = sorted(tensors)
        weight_map = {}
        for number, part in enumerate([names[:3], names[3:]], 1):
            shard = f"{stem}-{number:05}-of-00002.{ending}"
            weight_map.update({name: shard for name in part})
            held = {name: tensors[name].clone() for name in part}
            if ending == "bin":
                torch.save(held, folder / shard)
            else:
                safetensors.torch.save_file(held, folder / shard, {"format": "pt"})
        index = {"metadata": {"total_size": 0}, "weight_map": weight_map}
        (folder / f"{stem}.{ending}.index.json").write_text(json.dumps(index, indent=1))
    twin("sharded", tensors)


def refused():
    """Sound files that hold no dictionary of tensors."""
    torch.save(layers(), HERE / "whole_network.pt")
    torch.save([noise(2)], HERE / "list.pt")


if __name__ == "__main__":
    torch.manual_seed(3)
    HERE.mkdir(exist_ok=True)
    training()
    fairseq()
    shapes()
    types()
    sharded()
    refused()
