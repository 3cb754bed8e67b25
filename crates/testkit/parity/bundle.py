"""Writes a bundle of the whole system at its published size, with drawn weights: `python bundle.py WEIGHTS FOLDER TOKENS`.

WEIGHTS holds what make.py has drawn for wavlm, manet, slam and sdumc. The language model, 7 B parameters, is drawn here,
block by block, in the formats that llama.cpp's Q4_K_M has: Q4_K, and Q6_K for the output head and for half of the values
and downward projections. Its vocabulary is the tiny bundle's, filled up to 32000 tokens. TOKENS is the limit of a
generation: drawn weights hardly ever end a text of their own accord.
"""

import hashlib
import json
import os
import re
import shutil
import struct
import sys
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[3]
SEED = 70
LAYERS, WIDTH, INNER, HEADS, VOCAB = 32, 4096, 11008, 32, 32000
ALIGNMENT = 32
# Number of the type, and its block's numbers and bytes.
F32, Q4_K, Q6_K = (0, 1, 4), (12, 256, 144), (14, 256, 210)
rng = np.random.Generator(np.random.SFC64(SEED))


def tensors():
    """Names, shapes and types, in the order of the file."""
    yield "token_embd.weight", (VOCAB, WIDTH), Q4_K
    for at in range(LAYERS):
        more = at < LAYERS // 8 or at >= 7 * LAYERS // 8 or (at - LAYERS // 8) % 3 == 2
        better = Q6_K if more else Q4_K
        for name, shape, kind in [
            ("attn_norm", (WIDTH,), F32), ("attn_q", (WIDTH, WIDTH), Q4_K), ("attn_k", (WIDTH, WIDTH), Q4_K),
            ("attn_v", (WIDTH, WIDTH), better), ("attn_output", (WIDTH, WIDTH), Q4_K), ("ffn_norm", (WIDTH,), F32),
            ("ffn_gate", (INNER, WIDTH), Q4_K), ("ffn_up", (INNER, WIDTH), Q4_K), ("ffn_down", (WIDTH, INNER), better),
        ]:  # fmt: skip
            yield f"blk.{at}.{name}.weight", shape, kind
    yield "output_norm.weight", (WIDTH,), F32
    yield "output.weight", (VOCAB, WIDTH), Q6_K


def size(shape, kind):
    _, numbers, count = kind
    return int(np.prod(shape)) // numbers * count


def halves(count, value):
    """`count` f16 factors of about `value`, as bytes (count, 2)."""
    return (value * rng.uniform(0.7, 1.3, count)).astype("<f2").view(np.uint8).reshape(count, 2)


def noise(*shape):
    return np.frombuffer(rng.bytes(int(np.prod(shape))), np.uint8).reshape(shape)


def k_scales(count):
    """Eight scales and minima of 6 bits, each minimum equal to its scale: (count, 12)."""
    s = rng.integers(20, 64, (count, 8), dtype=np.uint8)
    low, high = s[:, :4], s[:, 4:]
    first = low | (high >> 4) << 6
    return np.concatenate([first, first, (high & 15) | (high & 15) << 4], 1)


def blocks(count, inputs, kind):
    """Blocks whose numbers have a variance of 1 / inputs, as bytes."""
    deviation = inputs**-0.5
    if kind == Q4_K:
        d = deviation / 200
        parts = [halves(count, d), halves(count, 7.4 * d), k_scales(count), noise(count, 128)]
    else:
        scales = rng.integers(-60, 60, (count, 16), dtype=np.int8).view(np.uint8)
        parts = [noise(count, 192), scales, halves(count, deviation / 640)]
    return np.concatenate(parts, 1)


def text(value):
    raw = value.encode()
    return struct.pack("<Q", len(raw)) + raw


def metadata():
    integers = {
        "llama.block_count": LAYERS, "llama.context_length": 4096, "llama.embedding_length": WIDTH,
        "llama.feed_forward_length": INNER, "llama.attention.head_count": HEADS,
        "llama.attention.head_count_kv": HEADS, "llama.rope.dimension_count": WIDTH // HEADS,
        "tokenizer.ggml.bos_token_id": 1, "tokenizer.ggml.eos_token_id": 2,
    }  # fmt: skip
    entries = [text("general.architecture") + struct.pack("<I", 8) + text("llama")]
    entries += [text(key) + struct.pack("<II", 4, value) for key, value in integers.items()]
    entries.append(text("llama.attention.layer_norm_rms_epsilon") + struct.pack("<If", 6, 1e-5))
    return entries


def padded(length):
    return -(-length // ALIGNMENT) * ALIGNMENT


def language_model(path):
    offset, infos = 0, []
    for name, shape, kind in tensors():
        dims = struct.pack(f"<I{len(shape)}Q", len(shape), *reversed(shape))
        infos.append(text(name) + dims + struct.pack("<IQ", kind[0], offset))
        offset += padded(size(shape, kind))
    entries = metadata()
    head = b"GGUF" + struct.pack("<IQQ", 3, len(infos), len(entries)) + b"".join(entries + infos)
    with path.open("wb") as file:
        file.write(head.ljust(padded(len(head)), b"\0"))
        for _, shape, kind in tensors():
            if kind == F32:
                file.write((1 + 0.1 * rng.standard_normal(shape)).astype("<f4").tobytes())
                continue
            left = size(shape, kind) // kind[2]
            while left > 0:
                count = min(left, 1 << 16)
                file.write(blocks(count, shape[1], kind).tobytes())
                left -= count
            file.write(bytes(padded(size(shape, kind)) - size(shape, kind)))


def tokenizer(path):
    words = json.loads((ROOT / "models/tiny/llama/tokenizer.json").read_text(encoding="utf-8"))
    vocab = words["model"]["vocab"]
    vocab |= {f"▁unused{at}": at for at in range(len(vocab), VOCAB)}
    path.write_text(json.dumps(words, ensure_ascii=False), encoding="utf-8")


def given(source, target):
    """The same file under another name; a copy where there is no linking."""
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def main(weights, folder, tokens):
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "llama").mkdir(parents=True)
    published = ROOT / "models/bundles"
    for network, config, file in [
        ("wavlm", weights / "wavlm/config.json", "model.safetensors"),
        ("manet", published / "configs/manet.json", "model.safetensors"),
        ("slam", published / "configs/slam.json", "model.pt"),
        ("sdumc", published / "configs/sdumc.json", "residual-ae.pt"),
    ]:
        shutil.copyfile(config, folder / f"{network}.json")
        given(weights / network / file, folder / network / file)
    language_model(folder / "llama/model.gguf")
    tokenizer(folder / "llama/tokenizer.json")
    recipes = (published / "wavlm-large-vicuna7b-q4/bundle.toml").read_text()
    recipes = recipes[recipes.index("[features.audio]") :].split("\n#", 1)[0]
    recipes = re.sub(r"(?m)^max_new_tokens = .*$", f"max_new_tokens = {tokens}", recipes)
    (folder / "bundle.toml").write_text(f"{NETWORKS}\n{recipes}\n{files(folder)}")


def files(folder):
    lines = []
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        lines += [f'[files."{path.relative_to(folder).as_posix()}"]', f'sha256 = "{digest}"']
        lines += ['licence = "MIT OR Apache-2.0"', 'source = "drawn by crates/testkit/parity"', ""]
    return "\n".join(lines)


NETWORKS = """name = "full-size"
description = "The whole system at its published size, with drawn weights."
trained = false

[networks.wavlm]
config = "wavlm.json"
weights = "wavlm/model.safetensors"

[networks.manet]
config = "manet.json"
weights = "manet/model.safetensors"

[networks.llama]
weights = "llama/model.gguf"
tokenizer = "llama/tokenizer.json"

[networks.slam]
config = "slam.json"
weights = "slam/model.pt"

[networks.sdumc]
config = "sdumc.json"
weights = "sdumc/residual-ae.pt"
"""


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]))
