"""Writes tests/golden/: tiny WavLM networks with random weights, and what transformers computes with them.

Seed 20. transformers 5.x (5.23), torch 2.x (2.15), CPU, float32.
Run:        python golden.py
Tolerance:  1e-4 relative (largest difference over the RMS of the reference), every layer.

`large` is laid out as WavLM-Large (layer norm after each convolution, pre-norm blocks), `base` as WavLM-Base (group
norm after the first convolution, post-norm blocks). Every parameter is random, also those that are ones or zeros in a
fresh network, so that no term can be left out unnoticed. The clips are long enough for logarithmic distance buckets
(more than 80 frames).

transformers 5.x gives entry L of `hidden_states` before the final layer norm; here it is `last_hidden_state`.
"""

import json
from pathlib import Path

import torch
from safetensors.torch import save_file
from transformers import Wav2Vec2FeatureExtractor, WavLMConfig, WavLMModel
from transformers.models.wavlm.modeling_wavlm import WavLMAttention

SEED = 20
OUT = Path(__file__).parent / "golden"
COMMON = dict(
    conv_dim=[16, 16, 24, 24, 24, 24, 24],
    conv_kernel=[10, 3, 3, 3, 3, 2, 2],
    conv_stride=[5, 2, 2, 2, 2, 2, 2],
    num_conv_pos_embeddings=128,
    num_conv_pos_embedding_groups=16,
    hidden_size=32,
    intermediate_size=96,
    num_attention_heads=4,
    num_buckets=320,
)
CASES = {
    "large": dict(
        COMMON,
        num_hidden_layers=5,
        max_bucket_distance=800,
        feat_extract_norm="layer",
        do_stable_layer_norm=True,
    ),
    "base": dict(
        COMMON,
        num_hidden_layers=2,
        max_bucket_distance=1280,
        feat_extract_norm="group",
        do_stable_layer_norm=False,
        conv_bias=True,
    ),
}


def randomise(network, generator):
    for name, parameter in network.named_parameters():
        noise = torch.randn(parameter.shape, generator=generator)
        if name.endswith("rel_attn_embed.weight"):
            value = noise
        elif "weight.original0" in name:
            value = 2 + 0.5 * noise.abs()
        elif parameter.ndim >= 2 and "gru_rel_pos_const" not in name:
            fan_in = parameter[0].numel()
            value = 1.5 * noise / fan_in**0.5
        elif name.endswith("weight") or "gru_rel_pos_const" in name:
            value = 1 + 0.3 * noise
        else:
            value = 0.3 * noise
        parameter.data.copy_(value)


def voice(samples, generator):
    """Something with harmonics, an envelope, noise and an offset: normalisation has work to do."""
    time = torch.arange(samples) / 16000
    pitch = 110 + 40 * torch.sin(2 * torch.pi * 1.3 * time)
    phase = 2 * torch.pi * torch.cumsum(pitch, 0) / 16000
    tone = sum(torch.sin(k * phase) / k for k in range(1, 8))
    envelope = 0.2 + torch.sin(2 * torch.pi * 2.1 * time) ** 2
    return 0.05 + 0.1 * envelope * tone + 0.02 * torch.randn(samples, generator=generator)


def states(network, waveform, mask):
    with torch.no_grad():
        out = network(waveform, attention_mask=mask, output_hidden_states=True)
    return [*out.hidden_states[:-1], out.last_hidden_state]


def write(name, case):
    generator = torch.Generator().manual_seed(SEED)
    config = WavLMConfig(**case, apply_spec_augment=False)
    network = WavLMModel(config).eval()
    randomise(network, generator)
    # The group norm of `base` sees the padding, in transformers: there a batch is no reference.
    lengths = [36000, 28333] if case["feat_extract_norm"] == "layer" else [32000]
    batch = torch.zeros(len(lengths), lengths[0])
    mask = torch.zeros(len(lengths), lengths[0], dtype=torch.long)
    for row, samples in enumerate(lengths):
        batch[row, :samples] = voice(samples, generator)
        mask[row, :samples] = 1
    tensors = {"waveform": batch, "lengths": torch.tensor(lengths)}
    for index, state in enumerate(states(network, batch, mask)):
        tensors[f"hidden.{index}"] = state
    metadata = {"config": json.dumps({"model_type": "wavlm", **case})}
    save(f"{name}.safetensors", tensors, metadata)
    save(f"{name}.weights.safetensors", network.state_dict())


def write_normalisation():
    generator = torch.Generator().manual_seed(SEED)
    waveform = voice(2000, generator)
    extractor = Wav2Vec2FeatureExtractor(do_normalize=True)
    hf = extractor(waveform.numpy(), sampling_rate=16000, return_tensors="pt").input_values[0]
    slam = torch.nn.functional.layer_norm(waveform, waveform.shape)
    save("normalize.safetensors", {"waveform": waveform, "hf": hf, "slam": slam})


def write_buckets():
    """Buckets of the relative positions -1500 to 1500 for several tables, as f32."""
    positions = torch.arange(-1500, 1501)
    tensors = {}
    for buckets, distance in [(320, 800), (320, 1280), (32, 128)]:
        attention = WavLMAttention(8, 2, num_buckets=buckets, max_distance=distance)
        found = attention._relative_positions_bucket(positions)
        tensors[f"{buckets}.{distance}"] = found.float()
    save("buckets.safetensors", tensors)


def save(name, tensors, metadata=None):
    tensors = {key: value.detach().clone().contiguous() for key, value in tensors.items()}
    save_file(tensors, OUT / name, metadata)
    print(f"{name}: {(OUT / name).stat().st_size} bytes")


if __name__ == "__main__":
    torch.set_num_threads(1)
    OUT.mkdir(exist_ok=True)
    for name, case in CASES.items():
        write(name, case)
    write_normalisation()
    write_buckets()
