"""The SLAM-ASR projector at its published size: 5 x 1024 -> 2048 -> 4096."""

import torch

import common

SEED = 80
STACK, SPEECH, HIDDEN, WORDS = 5, 1024, 2048, 4096


def make(folder):
    generator = torch.Generator().manual_seed(SEED)
    draw = lambda *shape: torch.randn(*shape, generator=generator)
    weights = {
        "linear1.weight": draw(HIDDEN, STACK * SPEECH) / (STACK * SPEECH) ** 0.5, "linear1.bias": draw(HIDDEN),
        "linear2.weight": draw(WORDS, HIDDEN) / HIDDEN**0.5, "linear2.bias": draw(WORDS),
    }  # fmt: skip
    # As published: a flat dictionary.
    torch.save({f"encoder_projector.{key}": value for key, value in weights.items()}, folder / "model.pt")
    common.save(folder / "features.safetensors", {"features": draw(2, 399, SPEECH)})
    common.save(folder / "long.safetensors", {"features": draw(1, 10_000, SPEECH)})


def run(_, flags, inputs, dtype):
    weights = {key.split(".", 1)[1]: value.to(dtype) for key, value in common.weights(flags.weights).items()}
    features = inputs["features"].to(dtype)
    linear = torch.nn.functional.linear

    def forward():
        b, t, width = features.shape
        stacked = features[:, : t - t % STACK].reshape(b, t // STACK, STACK * width)
        hidden = torch.relu(linear(stacked, weights["linear1.weight"], weights["linear1.bias"]))
        return linear(hidden, weights["linear2.weight"], weights["linear2.bias"])

    result, measured = common.repeated(flags.repeat, forward)
    return {"projected": result.float()}, measured
