"""WavLM-Large: the network of transformers, 315 M drawn weights."""

import torch
from transformers import WavLMConfig, WavLMModel

import common

SEED = 20
RATE = 16000
LARGE = dict(
    hidden_size=1024, num_hidden_layers=24, num_attention_heads=16, intermediate_size=4096, max_bucket_distance=800,
    feat_extract_norm="layer", do_stable_layer_norm=True,
)  # fmt: skip


def make(folder):
    golden = common.golden("wavlm")
    generator = torch.Generator().manual_seed(SEED)
    network = WavLMModel(WavLMConfig(**LARGE, apply_spec_augment=False)).eval()
    golden.randomise(network, generator)
    network.save_pretrained(folder)
    common.save(folder / "clip.safetensors", {"waveform": golden.voice(8 * RATE, generator)[None]})
    lengths = [8 * RATE, 5 * RATE + 123, 2 * RATE + 45]
    # What stands behind a clip's end must not matter: noise, numbers out of all proportion, and none at all.
    batch = 100 * torch.randn(3, lengths[0], generator=generator)
    batch[1, lengths[1] :: 2], batch[2, lengths[2] :: 2] = 1e30, float("nan")
    for row, samples in enumerate(lengths):
        batch[row, :samples] = golden.voice(samples, generator)
    common.save(folder / "batch.safetensors", {"waveform": batch, "lengths": torch.tensor(lengths)})


def run(_, flags, inputs, dtype):
    network = WavLMModel.from_pretrained(flags.weights, dtype=dtype).eval()

    def states(waveform):
        mean, var = waveform.mean(1, keepdim=True), waveform.var(1, correction=0, keepdim=True)
        out = network(((waveform - mean) / torch.sqrt(var + 1e-7)).to(dtype), output_hidden_states=True)
        # transformers 5.x gives the last entry before the final layer norm.
        return [*out.hidden_states[:-1], out.last_hidden_state]

    def forward():
        if "lengths" not in inputs:
            return states(inputs["waveform"])
        clips = [states(row[None, :samples]) for row, samples in zip(inputs["waveform"], inputs["lengths"].tolist())]
        return [padded([clip[layer][0].float() for clip in clips]) for layer in range(len(clips[0]))]

    result, measured = common.repeated(flags.repeat, forward)
    return {f"hidden_states.{at}": state.float() for at, state in enumerate(result)}, measured


def padded(clips):
    """Clips (t, width) in one batch; rows past a clip's end mean nothing."""
    return torch.nn.utils.rnn.pad_sequence(clips, batch_first=True, padding_value=float("nan"))
