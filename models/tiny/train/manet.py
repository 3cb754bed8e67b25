"""Trains the embedded bundle's face encoder, a narrow MANet, on the drawn faces of a corpus.

Command:    cargo xtask tiny manet --corpus DIR --out DIR [--seed N] [--steps N] [--affekt PROGRAM] [--device D]
            (needs numpy, pillow, torch, ffmpeg, and the program affekt for the crops: `cargo build --release`)
Versions:   torch 2.15, safetensors 0.6 or later, pillow 12; CPU, one thread (its layers are too small for two)
Device:     CUDA where PyTorch has it, else the CPU (--device); what is stated here ran on the CPU, CUDA has not run
Seed:       1 for weights, order and changes of the pictures
Time:       262 s for 8,850 crops of 751 clips and 174 s for 600 steps, beside another training on two cores

DIR is a corpus of `cargo xtask replica` with its films, whose faces faces.py crops as the product does. Two heads,
thrown away at the end, ask the embedding for the expression, and for its strength and the valence of the face. Training
faces are those of the train split; the valid split has other persons and backgrounds, and measures.

Writes OUT/manet/model.safetensors (float16), config.json and training.json; the crops stay in OUT/manet/crops.npz and
are taken from there the next time, if that is for the same corpus.
"""

import argparse
import importlib.util
import json
import time
from pathlib import Path

import common
import faces
import numpy as np
import torch
from PIL import Image
from torch import nn
from torch.nn import functional

HERE = Path(__file__).resolve().parent
WIDTH = 8  # the first channels; the embedding is 16 times as wide
SIDE = 224
EXPRESSIONS, CROP = faces.EXPRESSIONS, faces.CROP
BATCH, STEPS, RATE = 32, 600, 3e-3
RMS = 0.7  # of the embedding


def encoder():
    """The reference module beside MANet's golden files."""
    path = HERE.parents[1] / "manet" / "tests" / "golden.py"
    spec = importlib.util.spec_from_file_location("manet_reference", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.Encoder("sdumc", WIDTH)


class Trained(nn.Module):
    """The encoder with the two heads of the training."""

    def __init__(self):
        super().__init__()
        self.encoder = encoder()
        self.expression, self.degree = nn.Linear(16 * WIDTH, len(EXPRESSIONS)), nn.Linear(16 * WIDTH, 2)

    @property
    def device(self):
        """Where the weights are."""
        return self.degree.weight.device

    def forward(self, images):
        embedding = self.encoder(images)["embedding"]
        dropped = functional.dropout(embedding, 0.1, self.training)
        return embedding, self.expression(dropped), self.degree(dropped)


def resized(crops, device):
    """Crops (n, 112, 112, 3) as the network gets them: (n, 3, 224, 224) in 0 to 1, on a device."""
    large = [np.asarray(Image.fromarray(face).resize((SIDE, SIDE), Image.BILINEAR)) for face in crops]
    return there(np.stack(large), device).permute(0, 3, 1, 2).contiguous().float() / 255


def there(values, device):
    """An array as a tensor on a device."""
    return torch.from_numpy(values).to(device, non_blocking=True)


def uniform(rng, low, high, *shape):
    return low + (high - low) * torch.rand(shape, generator=rng)


def changed(crops, rng, device):
    """Crops at the network's size as they might be as well: darker, blurred, noisy, moved, turned, larger, mirrored.

    The pictures are changed on the device, by what `rng` draws on the CPU.
    """
    n = len(crops)
    images = there(crops, device).permute(0, 3, 1, 2).float() / 255
    small = int(uniform(rng, 70, CROP + 1, 1))  # the whole batch loses the same detail, as under a codec
    if small < 96:
        images = functional.interpolate(images, size=(small, small), mode="bilinear", antialias=True)
    gain, tint = uniform(rng, 0.8, 1.2, n, 1, 1, 1), uniform(rng, 0.93, 1.07, n, 3, 1, 1)
    noise = torch.randn(images.shape, generator=rng) * uniform(rng, 0, 0.02, n, 1, 1, 1)
    drawn = noise, uniform(rng, 0.8, 1.2, n, 1, 1, 1), gain * tint
    noise, contrast, light = (part.to(device, non_blocking=True) for part in drawn)
    images = (0.5 + (images - 0.5) * contrast) * light + noise
    angle, scale = uniform(rng, -0.08, 0.08, n), uniform(rng, 0.9, 1.1, n)
    mirror = torch.where(torch.rand(n, generator=rng) < 0.5, -1.0, 1.0)
    shift = uniform(rng, -0.1, 0.1, n, 2)
    turn = torch.stack(
        [mirror * scale * angle.cos(), -scale * angle.sin(), shift[:, 0],
         mirror * scale * angle.sin(), scale * angle.cos(), shift[:, 1]], 1,
    ).view(n, 2, 3).to(device, non_blocking=True)  # fmt: skip
    grid = functional.affine_grid(turn, (n, 3, SIDE, SIDE), align_corners=False)
    return functional.grid_sample(images.clamp(0, 1), grid, padding_mode="border", align_corners=False)


def degrees(data, at, device):
    """Strength and valence, (n, 2), on a device."""
    return there(np.stack([data["strength"][at], data["valence"][at]], 1).astype(np.float32), device)


def train(network, data, steps, seed):
    rng, order = torch.Generator().manual_seed(seed), np.random.default_rng(seed)
    pool = np.flatnonzero(data["train"])
    counts = np.bincount(data["expression"][pool], minlength=len(EXPRESSIONS)).clip(1)
    chances = 1 / np.sqrt(counts[data["expression"][pool]])  # rare expressions a little more often
    chances /= chances.sum()
    optimiser = torch.optim.AdamW(network.parameters(), lr=RATE, weight_decay=1e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, RATE, total_steps=steps, pct_start=0.15)
    network.train()
    begun, shown = time.time(), []
    for step in range(1, steps + 1):
        at = order.choice(pool, BATCH, p=chances)
        embedding, expression, degree = network(changed(data["crops"][at], rng, network.device))
        loss = functional.cross_entropy(expression, there(data["expression"][at], network.device))
        loss = loss + 2 * functional.mse_loss(degree, degrees(data, at, network.device))
        loss = loss + 0.1 * (embedding.square().mean() - RMS**2).square()
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 5.0)
        optimiser.step()
        schedule.step()
        shown.append(loss.item())
        if step % 100 == 0:
            print(f"step {step} of {steps}, loss {np.mean(shown[-100:]):.3f}, {time.time() - begun:.0f} s", flush=True)


@torch.no_grad()
def settle(network, data, seed):
    """Batch statistics as they are on faces that nobody has changed: prediction goes by them."""
    norms = [part for part in network.modules() if isinstance(part, nn.BatchNorm2d)]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # the mean over all batches
    pool = np.random.default_rng(seed).permutation(np.flatnonzero(data["train"]))
    network.train()
    for start in range(0, min(len(pool), 20 * BATCH), BATCH):
        network.encoder(resized(data["crops"][pool[start : start + BATCH]], network.device))
    network.eval()


def rounded(module):
    """Rounds parameters and batch statistics to what the file will hold."""
    state = module.state_dict().items()
    module.load_state_dict({key: value.half().float() if value.is_floating_point() else value for key, value in state})


def correlation(a, b):
    return float(np.corrcoef(a, b)[0, 1]) if len(a) > 2 and np.std(a) > 0 and np.std(b) > 0 else float("nan")


@torch.no_grad()
def measure(network, data, chosen):
    """Quality on single faces and on whole clips, whose answers are means over their faces."""
    at = np.flatnonzero(chosen)
    starts = range(0, len(at), BATCH)
    batches = [network(resized(data["crops"][at[start : start + BATCH]], network.device)) for start in starts]
    embedding, scores, degree = (torch.cat(parts).cpu().numpy() for parts in zip(*batches))
    truth, strength, valence = data["expression"][at], data["strength"][at], data["valence"][at]
    names, first, member = np.unique(data["clip"][at], return_index=True, return_inverse=True)
    means = [np.stack([rows[member == clip].mean(0) for clip in range(len(names))]) for rows in (scores, degree)]
    matrix = np.zeros((len(EXPRESSIONS), len(EXPRESSIONS)), int)
    np.add.at(matrix, (truth, scores.argmax(1)), 1)
    return {
        "faces": len(at), "clips": len(names),
        "accuracy": float((scores.argmax(1) == truth).mean()),
        "accuracy_of_clips": float((means[0].argmax(1) == truth[first]).mean()),
        "strength_r": correlation(degree[:, 0], strength),
        "valence_r": correlation(degree[:, 1], valence),
        "valence_r_of_clips": correlation(means[1][:, 1], valence[first]),
        "embedding_rms": float(np.sqrt((embedding**2).mean())), "embedding_largest": float(np.abs(embedding).max()),
        "confusion": matrix.tolist(),
    }  # fmt: skip


def main():
    parser = argparse.ArgumentParser(description="Trains the narrow MANet on the drawn faces of a corpus.")
    parser.add_argument("--corpus", type=Path, help="folder of `cargo xtask replica`; not needed once crops are there")
    parser.add_argument("--out", type=Path, required=True, help="folder of the trained networks")
    parser.add_argument("--affekt", type=Path, default=HERE.parents[2] / "target/release/affekt")
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--seed", type=int, default=1)
    common.add_device(parser)
    flags = parser.parse_args()
    device = common.device(flags.device)
    torch.set_num_threads(1)
    torch.manual_seed(flags.seed)
    folder = flags.out / "manet"
    folder.mkdir(parents=True, exist_ok=True)
    begun = time.time()
    data = faces.crops_of(folder, flags.corpus, flags.affekt)
    cropped = time.time() - begun
    network = Trained().to(device)  # drawn on the CPU: the same for a seed on every device
    train(network, data, flags.steps, flags.seed)
    settle(network, data, flags.seed)
    rounded(network.encoder)
    trained = time.time() - begun - cropped
    facts = {
        "network": "manet", "device": device.type, "seed": flags.seed, "steps": flags.steps, "batch": BATCH,
        "seconds_of_cropping": round(cropped, 1), "seconds": round(trained, 1), "expressions": EXPRESSIONS,
        "train": measure(network, data, data["train"]), "valid": measure(network, data, ~data["train"]),
    }  # fmt: skip
    config = {"variant": "sdumc", "width": WIDTH}
    common.write_network(folder, network.encoder.state_dict(), config, facts)
    print(json.dumps(facts))


if __name__ == "__main__":
    main()
