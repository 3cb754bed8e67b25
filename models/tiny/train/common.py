"""What the trainers of the tiny networks share: reading the script of the corpus, writing a network's folder.

Versions:   torch 2.15, numpy 2, safetensors; Python 3.11 or newer
"""

import hashlib
import json
import os
from pathlib import Path

import torch
from safetensors.torch import save_file

EXCLAIMED = 2.2  # the grammar writes `!` only where the words say more than this


def add_device(parser):
    """The flag that `device` reads."""
    text = "what the network learns on; auto (the default): CUDA where PyTorch has it, else the CPU"
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto", help=text)


def device(name):
    """The device that `--device` names.

    What decides data and first weights is drawn on the CPU all the same, so that a seed gives the same on both; only
    dropout is drawn on the device.
    """
    there = torch.cuda.is_available()
    if name == "cuda" and not there:
        raise SystemExit(f"--device cuda: PyTorch {torch.__version__} has no CUDA device here: take --device cpu, or "
                         "name by AFFEKT_PYTHON a Python whose PyTorch is built for CUDA, on a machine where "
                         "`nvidia-smi` lists a device")  # fmt: skip
    return torch.device("cuda" if there and name != "cpu" else "cpu")


def split_of(sentence):
    """The one split that a sentence is said in: `Split::of` in crates/replica/src/split.rs."""
    percent = int.from_bytes(hashlib.sha256(sentence.lower().encode()).digest()[:2], "big") * 100 // 65536
    return "train" if percent < 70 else "valid" if percent < 80 else "test"


def only_train(clip):
    """Whether a sentence is of the training split with either stop: else somebody is judged by the same words."""
    exclaimed = abs(clip["words"]) > EXCLAIMED
    return all(split_of(clip["text"][:-1] + stop) == "train" for stop in (".!" if exclaimed else "."))


def read_script(path, split=None):
    """The clips of `script.jsonl` (`cargo xtask replica --script`) in the order of the file; of one split if named.

    Of the training split, those whose words another split may say with another stop are left out.
    """
    try:
        with open(path, encoding="utf-8") as lines:
            clips = [json.loads(line) for line in lines if line.strip()]
    except (OSError, ValueError) as error:
        raise SystemExit(f"{path} cannot be read: {error}; `cargo xtask replica --script --out DIR` writes "
                         "DIR/script.jsonl") from error  # fmt: skip
    clips = [clip for clip in clips if split is None or clip["split"] == split]
    clips = [clip for clip in clips if split != "train" or only_train(clip)]
    if not clips:
        raise SystemExit(f"{path} has no clips of the {split or 'whole'} split: make it again, with more --clips and "
                         "without --split")  # fmt: skip
    return clips


def replace(path, write):
    """Writes a file beside its place and renames it, so that a reader never sees half of it."""
    path = Path(path)
    beside = path.with_name(path.name + ".part")
    write(beside)
    os.replace(beside, path)


def write_network(folder, weights, config, training):
    """A network as the product reads it: model.safetensors in f16, config.json; training.json says where it is from.

    weights: name -> tensor. config: the members of config.json. training: data, device, seed, steps, seconds, quality.
    Weights that f16 cannot hold are an error, for the product would read infinities.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    stored = {}
    for name, value in sorted(weights.items()):
        value = value.detach().cpu()
        stored[name] = (value.to(torch.float16) if value.is_floating_point() else value).contiguous()
        if not torch.isfinite(stored[name]).all():
            raise SystemExit(f"{name} of {folder} does not fit into f16 (largest {value.abs().max():g}): train again "
                             "with a lower rate")  # fmt: skip
    write_json(folder / "config.json", config)
    replace(folder / "model.safetensors", lambda path: save_file(stored, path))
    write_json(folder / "training.json", training)


def write_json(path, value):
    """Sorted members, two spaces, as the other files of the bundle."""
    text = json.dumps(value, indent=2, sort_keys=True) + "\n"
    replace(path, lambda beside: beside.write_text(text, encoding="utf-8"))


def rounded(module):
    """Rounds the weights of a module to f16 in place: its forward pass then is the one of the stored network."""
    for parameter in module.parameters():
        parameter.data = parameter.data.to(torch.float16).to(parameter.dtype)
    return module
