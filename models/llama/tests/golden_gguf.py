"""Tiny Llamas in GGUF files, and what transformers computes with their weights: quantised, and as Llama 3.1 is written.

Reference: gguf 0.19 (GGUFWriter; `quants.dequantize`), transformers 5.23 (LlamaForCausalLM, eager attention) on PyTorch
2.15, CPU, f32, 1 thread. Blocks are drawn at random, seed 90, every type that the reader supports among them; q and k
rows are permuted as llama.cpp's conversion does it. Tolerance of the tests: 1e-4 relative.
Run: `python golden_gguf.py`, or golden.py, which runs this too; rewrites golden/ beside this file.
"""

from pathlib import Path

import gguf
import numpy as np
import torch
from gguf import GGMLQuantizationType as Type
from gguf import quants
from safetensors.torch import save_file
from transformers import LlamaConfig, LlamaForCausalLM

OUT = Path(__file__).parent / "golden"
WIDTH, INNER, HEADS, KV_HEADS, VOCAB = 256, 256, 4, 1, 32
HEAD = WIDTH // HEADS
torch.set_num_threads(1)
torch.set_grad_enabled(False)
rng = np.random.default_rng(90)


def halves(count, size):
    """`count` f16 scales of about `size`, as bytes (count, 2)."""
    return (size * rng.uniform(0.7, 1.3, count)).astype("<f2").view(np.uint8).reshape(count, 2)


def noise(*shape):
    return rng.integers(0, 256, shape, dtype=np.uint8)


def k_scales(count):
    """Eight scales and minima of 6 bits, each minimum equal to its scale: (count, 12)."""
    s = rng.integers(20, 64, (count, 8), dtype=np.uint8)
    packed = np.zeros((count, 12), np.uint8)
    packed[:, 0:4] = s[:, 0:4] | (s[:, 4:8] >> 4) << 6
    packed[:, 4:8] = s[:, 0:4] | (s[:, 4:8] >> 4) << 6
    packed[:, 8:12] = (s[:, 4:8] & 15) | (s[:, 4:8] & 15) << 4
    return packed


def blocks(rows, columns, kind):
    """Random blocks of numbers of about 1/16, as bytes (rows, bytes of a row)."""
    if kind in (Type.F32, Type.F16):
        values = rng.normal(0, 1 / 16, (rows, columns)).astype("<f4" if kind == Type.F32 else "<f2")
        return values.view(np.uint8)
    count = rows * columns // gguf.GGML_QUANT_SIZES[kind][0]
    parts = {
        Type.Q4_0: lambda: [halves(count, 1.4e-2), noise(count, 16)],
        Type.Q8_0: lambda: [halves(count, 8.5e-4), noise(count, 32)],
        Type.Q4_K: lambda: [halves(count, 3.4e-4), halves(count, 2.5e-3), k_scales(count), noise(count, 128)],
        Type.Q5_K: lambda: [
            halves(count, 1.7e-4), halves(count, 2.6e-3), k_scales(count), noise(count, 32), noise(count, 128)
        ],
        Type.Q6_K: lambda: [
            noise(count, 128), noise(count, 64), rng.integers(-60, 60, (count, 16), dtype=np.int8).view(np.uint8),
            halves(count, 9e-5),
        ],
    }[kind]()
    return np.concatenate(parts, axis=1).reshape(rows, -1)


def unpermuted(weight, heads):
    """Rows from GGUF's order (neighbours are a pair) to that of transformers (halves are)."""
    return weight.reshape(heads, HEAD // 2, 2, -1).swapaxes(1, 2).reshape(weight.shape)


def main():
    writer = gguf.GGUFWriter(OUT / "tiny.gguf", "llama")
    writer.add_block_count(2)
    writer.add_context_length(64)
    writer.add_embedding_length(WIDTH)
    writer.add_feed_forward_length(INNER)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(KV_HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_freq_base(20000.0)
    writer.add_rope_dimension_count(HEAD)
    writer.add_token_list([f"t{at}" for at in range(VOCAB)])
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    state = {}

    def tensor(name, hf, rows, columns, kind, heads=None):
        raw = blocks(rows, columns, kind)
        writer.add_tensor(name, raw, raw_dtype=kind)
        weight = quants.dequantize(raw, kind).astype(np.float32).reshape(rows, columns)
        state[hf] = torch.from_numpy(np.ascontiguousarray(unpermuted(weight, heads) if heads else weight))

    def norm(name, hf):
        weight = (1 + 0.2 * rng.normal(size=WIDTH)).astype(np.float32)
        writer.add_tensor(name, weight)
        state[hf] = torch.from_numpy(weight)

    kinds = [
        (Type.Q4_K, Type.Q5_K, Type.Q6_K, Type.Q4_K, Type.Q4_K, Type.Q5_K, Type.Q6_K),
        (Type.Q4_0, Type.F16, Type.Q8_0, Type.Q4_0, Type.Q4_0, Type.Q4_0, Type.Q4_0),
    ]
    for at, (q, k, v, o, gate, up, down) in enumerate(kinds):
        ours, theirs = f"blk.{at}.", f"model.layers.{at}."
        norm(ours + "attn_norm.weight", theirs + "input_layernorm.weight")
        tensor(ours + "attn_q.weight", theirs + "self_attn.q_proj.weight", WIDTH, WIDTH, q, HEADS)
        tensor(ours + "attn_k.weight", theirs + "self_attn.k_proj.weight", KV_HEADS * HEAD, WIDTH, k, KV_HEADS)
        tensor(ours + "attn_v.weight", theirs + "self_attn.v_proj.weight", KV_HEADS * HEAD, WIDTH, v)
        tensor(ours + "attn_output.weight", theirs + "self_attn.o_proj.weight", WIDTH, WIDTH, o)
        norm(ours + "ffn_norm.weight", theirs + "post_attention_layernorm.weight")
        tensor(ours + "ffn_gate.weight", theirs + "mlp.gate_proj.weight", INNER, WIDTH, gate)
        tensor(ours + "ffn_up.weight", theirs + "mlp.up_proj.weight", INNER, WIDTH, up)
        tensor(ours + "ffn_down.weight", theirs + "mlp.down_proj.weight", WIDTH, INNER, down)
    tensor("token_embd.weight", "model.embed_tokens.weight", VOCAB, WIDTH, Type.Q8_0)
    norm("output_norm.weight", "model.norm.weight")
    tensor("output.weight", "lm_head.weight", VOCAB, WIDTH, Type.Q6_K)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()

    config = LlamaConfig(
        vocab_size=VOCAB, hidden_size=WIDTH, intermediate_size=INNER, num_hidden_layers=2, num_attention_heads=HEADS,
        num_key_value_heads=KV_HEADS, rms_norm_eps=1e-5, attn_implementation="eager",
        rope_parameters={"rope_type": "default", "rope_theta": 20000.0},
    )
    model = LlamaForCausalLM(config).eval()
    model.load_state_dict(state, strict=True)
    ids = torch.randint(3, VOCAB, (2, 11), generator=torch.Generator().manual_seed(91))
    output = model(input_ids=ids, output_hidden_states=True)
    golden = {f"hidden_states.{at}": hidden.contiguous() for at, hidden in enumerate(output.hidden_states)}
    save_file(golden | {"input_ids": ids, "logits": output.logits}, OUT / "gguf.safetensors")


def stretched():
    """One layer in F16 with the factors of Llama 3.1's wavelengths as a tensor. They are 1 / 8, between, and whole."""
    width, inner, heads, head, vocab = 64, 32, 4, 16, 16
    rope = {
        "rope_type": "llama3", "rope_theta": 500000.0, "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
        "original_max_position_embeddings": 64,
    }
    config = LlamaConfig(
        vocab_size=vocab, hidden_size=width, intermediate_size=inner, num_hidden_layers=1, num_attention_heads=heads,
        num_key_value_heads=2, rms_norm_eps=1e-5, attn_implementation="eager", rope_parameters=rope,
    )
    model = LlamaForCausalLM(config).eval()
    generator = torch.Generator().manual_seed(92)
    for key, weight in model.named_parameters():
        noise = torch.randn(weight.shape, generator=generator)
        weight.copy_((1 + 0.2 * noise if "norm" in key else noise / weight.shape[1] ** 0.5).half().float())
    writer = gguf.GGUFWriter(OUT / "stretched.gguf", "llama")
    writer.add_block_count(1)
    writer.add_context_length(512)
    writer.add_embedding_length(width)
    writer.add_feed_forward_length(inner)
    writer.add_head_count(heads)
    writer.add_head_count_kv(2)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_freq_base(rope["rope_theta"])
    writer.add_rope_dimension_count(head)
    unscaled = 1 / rope["rope_theta"] ** (torch.arange(0, head, 2).float() / head)
    writer.add_tensor("rope_freqs.weight", (unscaled / model.model.rotary_emb.inv_freq).numpy())
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.LLAMA, 1)
    for key, weight in model.state_dict().items():
        if "q_proj" in key or "k_proj" in key:
            count = weight.shape[0] // head
            weight = weight.reshape(count, 2, head // 2, width).swapaxes(1, 2).reshape(weight.shape)
        name = names.get_name(key.removesuffix(".weight")) + ".weight"
        weight = weight.numpy() if weight.dim() == 1 else weight.half().numpy()
        writer.add_tensor(name, np.ascontiguousarray(weight))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    ids = torch.randint(3, vocab, (1, 40), generator=generator)
    output = model(input_ids=ids, output_hidden_states=True)
    golden = {f"hidden_states.{at}": hidden.contiguous() for at, hidden in enumerate(output.hidden_states)}
    save_file(golden | {"input_ids": ids, "logits": output.logits}, OUT / "stretched.safetensors")


if __name__ == "__main__":
    main()
    stretched()
