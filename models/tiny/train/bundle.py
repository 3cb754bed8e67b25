"""Assembles the embedded bundle: trained networks, a drawn Whisper, a fusion run, and the bundle.toml that names them.

Command:    cargo xtask tiny bundle --nets DIR --fusion RUN|none [--out DIR]
Versions:   torch 2.15, safetensors 0.6 or later; CPU, one thread
Seed:       1 for a fusion model that is drawn
Time:       2 s

DIR/NETWORK is what the scripts beside this one write for wavlm, manet, llama, slam and whisper; the files are copied as
they are. RUN is the folder of `affekt train`, or its checkpoint: its weights are rounded to float16 and keep the card,
which `affekt` holds against the bundle's features. It must have been trained on features of these very networks.
With `none` the fusion model is drawn, so that features can be extracted before one is trained, and the bundle says
that it is untrained. Nothing is written where anything does not fit.
"""

import argparse
import hashlib
import importlib.util
import json
from pathlib import Path

import common
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save

HERE = Path(__file__).resolve().parent
NETWORKS = ("wavlm", "manet", "llama", "slam", "sdumc", "whisper")
DRAWN = "whisper"  # the one that nobody trains
WITH_TOKENIZER = ("llama", "whisper")
DIM, SEED = 64, 1  # of a drawn fusion model
MOST_BYTES = 12_000_000
LICENCE = "MIT OR Apache-2.0"
KNOWN_SETTINGS = ("compat", "mia", "mia_structure", "mia_residual")
DESCRIPTION = {
    True: "Every network of the system at a tiny size, trained on a small drawn world: for trying out and for tests.",
    False: "Every network of the system at a tiny size, with a fusion model that is drawn: to extract features by.",
}
WORLD = (
    "a drawn face that speaks English with a synthetic voice, in a vocabulary of 400 words about films, food, hotels "
    "and other everyday things"
)

RECIPES = """
[features.audio]
network = "wavlm"
layers = "-5"
normalize = "hf"

[features.speech]
network = "wavlm"
layers = "-1"
normalize = "hf"

[features.video]
network = "manet"
faces = [
    ["yunet-n-320", "track-10hz-smooth3-v2", "align-five-112-v1"],
    ["rustface-0.1.7-288", "track-10hz-smooth3-v2", "crop-box-112-v1"],
]
size = 224

[features.text]
network = "llama"
layers = "-4..-1"

[features.simulated]
network = "llama"
projector = "slam"
layers = "-4..-1"
mode = "best"
prompt = "sdumc"
beams = 4
max_new_tokens = 100
"""


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def names_of(network):
    return ["config.json", "model.safetensors"] + ["tokenizer.json"] * (network in WITH_TOKENIZER)


def copied(nets, network):
    """The bytes of a network's files, refused where one is absent or its weights are not finite float16."""
    folder = nets / network
    for name in names_of(network):
        if not (folder / name).is_file():
            raise SystemExit(f"{folder / name} is not there: run {network}.py --out {nets} first")
    for name, value in load_file(folder / "model.safetensors").items():
        if value.is_floating_point() and (value.dtype != torch.float16 or not torch.isfinite(value).all()):
            raise SystemExit(f"{name} in {folder / 'model.safetensors'} is not finite float16: train {network} again")
    return {name: (folder / name).read_bytes() for name in names_of(network)}


def widths(nets):
    """The widths of the features, from the configurations; refused where the projector is for other networks."""
    encoders = ("wavlm", "manet", "llama", "slam")
    config = {name: json.loads((nets / name / "config.json").read_text()) for name in encoders}
    audio, text = config["wavlm"]["hidden_size"], config["llama"]["hidden_size"]
    ends = {"encoder_dim": audio, "llm_dim": text}
    for name, wanted in ends.items():
        if config["slam"][name] != wanted:
            raise SystemExit(f"{name} of {nets / 'slam/config.json'} is {config['slam'][name]}, but the networks there "
                             f"have {wanted}: train slam again")  # fmt: skip
    return {"audio": audio, "text": text, "video": 16 * config["manet"]["width"]}


def drawn(widths):
    """A fusion model with drawn weights, and its configuration; from the module beside its golden files."""
    path = HERE.parents[1] / "sdumc" / "tests" / "golden.py"
    spec = importlib.util.spec_from_file_location("sdumc_reference", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.WIDTHS, module.DIM = widths, DIM
    torch.manual_seed(SEED)
    network = module.Fusion("paper", "text")
    for name, parameter in network.named_parameters():
        if parameter.dim() == 2 and "context_vector" in name:
            torch.nn.init.xavier_normal_(parameter)
    return network.state_dict(), {"widths": widths, "dim": DIM, "compat": "paper", "mia": "on"}, None


def digest(weights):
    """The digest that a checkpoint of affekt has of its tensors: a line a tensor, in the order of their names."""
    kinds = {torch.float32: "F32", torch.float16: "F16"}
    lines = (f"{name} {kinds[value.dtype]} {list(value.shape)} {sha256(value.numpy().tobytes())}\n"
             for name, value in sorted(weights.items()))  # fmt: skip
    return sha256("".join(lines).encode())


def trained(run, nets, widths):
    """The weights of a run, its configuration, and its notes, which hold the card."""
    path = run / "checkpoint.safetensors" if run.is_dir() else run
    if not path.is_file():
        raise SystemExit(f"{path} is not there: --fusion names the folder of a finished `affekt train`, or none")
    try:
        with safe_open(path, "pt") as file:
            notes = json.loads((file.metadata() or {}).get("affekt", "{}"))
        weights = load_file(path)
    except SafetensorError as error:
        raise SystemExit(f"{path} cannot be read: {error}") from error
    if "card" not in notes or notes.get("tensors") != digest(weights):
        raise SystemExit(f"{path} is not a whole checkpoint of `affekt train`: name the folder of a finished run")
    card = json.loads(notes["card"])
    for spec in card["specs"]:
        here = sha256((nets / spec["encoder"] / "model.safetensors").read_bytes())
        if spec["weights"] != here:
            theirs = f"{spec['kind']} by {spec['encoder']} {spec['weights'][:8]}"
            raise SystemExit(f"{path} was trained on {theirs}, but {nets} has {here[:8]}: extract the features again, "
                             "and train")  # fmt: skip
    shapes = [list(weights[f"frame_dim_reshape_{index}.weight"].shape) for index in range(3)]
    if [width for _, width in shapes] != list(widths.values()):
        raise SystemExit(f"{path} takes features of other widths than those of the networks in {nets}, {widths}")
    config = {name: card["settings"][name] for name in KNOWN_SETTINGS if card["settings"].get(name) is not None}
    return weights, {"widths": widths, "dim": shapes[0][0], **config}, notes


def fusion(run, nets):
    """The bytes of the fusion model's files."""
    if run is None:
        weights, config, notes = drawn(widths(nets))
    else:
        weights, config, notes = trained(run, nets, widths(nets))
    weights = {name: value.to(torch.float16).contiguous() for name, value in sorted(weights.items())}
    wide = [name for name, value in weights.items() if not torch.isfinite(value).all()]
    if wide:
        raise SystemExit(f"{wide[0]} of the fusion model does not fit into float16: train it again with a lower rate")
    if notes is not None:
        text = json.dumps({**notes, "tensors": digest(weights)}, sort_keys=True, separators=(",", ":"))
        notes = {"affekt": text}
    config = json.dumps(config, indent=2, sort_keys=True) + "\n"
    return {"config.json": config.encode(), "model.safetensors": save(weights, notes)}


def manifest(files, is_trained):
    """The text of bundle.toml. `files`: path inside the bundle -> bytes."""
    lines = ["# Written by train/bundle.py.", 'name = "tiny"', f'description = "{DESCRIPTION[is_trained]}"']
    lines += [f"trained = {str(is_trained).lower()}"] + [f'world = "{WORLD}"'] * is_trained
    for network in NETWORKS:
        lines += ["", f"[networks.{network}]"]
        lines += [f'config = "{network}/config.json"', f'weights = "{network}/model.safetensors"']
        lines += [f'tokenizer = "{network}/tokenizer.json"'] * (network in WITH_TOKENIZER)
        lines += ["trained = false"] * (is_trained and network == DRAWN)
    lines.append(RECIPES)
    for path, data in sorted(files.items()):
        lines += [f'[files."{path}"]', f'sha256 = "{sha256(data)}"', f'licence = "{LICENCE}"']
        lines += [f'source = "{source(path.split("/")[0], is_trained)}"', ""]
    return "\n".join(lines).rstrip() + "\n"


def source(network, is_trained):
    if network == DRAWN:
        return "drawn by models/tiny/train/whisper.py"
    if network == "sdumc":
        return "trained by affekt train" if is_trained else "drawn by models/tiny/train/bundle.py"
    return f"trained by models/tiny/train/{network}.py"


def main():
    parser = argparse.ArgumentParser(description="Assembles the embedded bundle.")
    parser.add_argument("--nets", type=Path, required=True, help="folder of the networks")
    parser.add_argument("--fusion", required=True, help="folder of a run of `affekt train`, or none")
    parser.add_argument("--out", type=Path, default=HERE.parent, help="folder of the bundle")
    flags = parser.parse_args()
    torch.set_num_threads(1)
    run = None if flags.fusion == "none" else Path(flags.fusion)
    files = {f"{network}/{name}": data for network in NETWORKS if network != "sdumc"
             for name, data in copied(flags.nets, network).items()}  # fmt: skip
    files |= {f"sdumc/{name}": data for name, data in fusion(run, flags.nets).items()}
    total = sum(len(data) for data in files.values())
    if total > MOST_BYTES:
        raise SystemExit(f"the networks have {total:,} bytes, but the bundle may have {MOST_BYTES:,}")
    for path, data in files.items():
        (flags.out / path).parent.mkdir(parents=True, exist_ok=True)
        common.replace(flags.out / path, lambda part, data=data: part.write_bytes(data))
    text = manifest(files, run is not None)
    common.replace(flags.out / "bundle.toml", lambda part: part.write_text(text))
    print(json.dumps({"bundle": str(flags.out), "bytes": total, "files": len(files), "trained": run is not None}))


if __name__ == "__main__":
    main()
