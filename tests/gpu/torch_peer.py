"""PyTorch and transformers beside `affekt bench gpu`: the same networks, weights and inputs, eager.

Reads one order (JSON) from stdin, measures one stage, and prints what it found as JSON on the last line of stdout. `affekt
bench gpu` starts it. It takes torch, transformers and safetensors; on a GPU, of any versions that know the card.

Weights and inputs are made by `seeded.py`, under the names that affekt has for them. Layouts are PyTorch's best: MANet runs
channels-last, attention by what transformers chooses. A batch that does not fit into memory has no times, and says so.
"""

import json
import re
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(Path(__file__).parent), str(ROOT / "crates/testkit/parity")]

import torch

import seeded

DTYPES = {"f32": torch.float32, "f16": torch.float16, "bf16": torch.bfloat16}
WARM_UP, LEAST, LONGEST = 2, 3, 20.0


class Stage:
    """An order, and the rows of its answer."""

    def __init__(self, order):
        self.device, self.runs, self.count = torch.device(order["device"]), order["runs"], order["sample"]
        self.sizes, self.rows = order["sizes"], []
        # As affekt has it: products of f32 are exact ones unless both sides are asked for less.
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = order["tf32"]

    def synchronise(self):
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)

    def timed(self, work):
        for _ in range(WARM_UP):
            work()
        self.synchronise()
        seconds, begun = [], time.perf_counter()
        while len(seconds) < self.runs and (len(seconds) < LEAST or time.perf_counter() - begun < LONGEST):
            started = time.perf_counter()
            work()
            self.synchronise()
            seconds.append(time.perf_counter() - started)
        return seconds

    def measure(self, dtype, batch, work, sample=None):
        """Times `work`; `sample` gives what is compared."""
        row = {"dtype": dtype, "batch": batch, "seconds": []}
        try:
            if sample is not None:
                row["sample"] = sample()
            row["seconds"] = self.timed(work)
        except torch.cuda.OutOfMemoryError as error:
            row["failed"] = f"out of memory at batch {batch}: {error}".splitlines()[0]
            torch.cuda.empty_cache()
        self.rows.append(row)

    def sample(self, x):
        """Every so-manieth number of a tensor, as affekt takes them."""
        x = x.detach().float().flatten()
        return {"numbers": x[:: max(1, len(x) // self.count)][: self.count].tolist()}

    def noise(self, name, shape, deviation, dtype):
        return seeded.noise(name, shape, deviation, DTYPES[dtype], self.device)

    def empty(self, make, dtype):
        """A network on the device, of whatever numbers."""
        with torch.device("meta"):
            network = make().to(DTYPES[dtype])
        return network.to_empty(device=self.device).eval()


def wavlm(stage):
    from transformers import WavLMConfig, WavLMModel

    def rename(name):
        return re.sub(r"parametrizations\.weight\.original(.)", lambda m: "weight_" + "gv"[int(m[1])], name)

    sizes = stage.sizes
    config = WavLMConfig(**sizes["config"], apply_spec_augment=False)
    for dtype in sizes["types"]:
        # The weight norm wants numbers when it is made, so not on the device "meta".
        with torch.device(stage.device):
            network = WavLMModel(config).to(DTYPES[dtype]).eval()
        seeded.fill(network, rename)
        for batch in sizes["batches"]:
            voices = stage.noise("waveform", (batch, sizes["samples"]), 1.0, dtype)
            forward = lambda: network(voices, output_hidden_states=True)
            sample = lambda: stage.sample(forward().last_hidden_state)
            stage.measure(dtype, batch, forward, sample if batch == sizes["batches"][0] else None)


def manet(stage):
    import common
    import manet as parity

    sizes, golden = stage.sizes, common.golden("manet")
    # Its images are of one size: cuDNN may look for its best kernels, in the runs that do not count.
    torch.backends.cudnn.benchmark = True
    for dtype in sizes["types"]:
        network = stage.empty(lambda: golden.Encoder("sdumc", sizes["width"]), dtype)
        network = seeded.fill(network).to(memory_format=torch.channels_last)
        side = sizes["side"]
        images = lambda batch: stage.noise("images", (batch, 3, side, side), 0.25, dtype)
        first = sizes["batches"][0]
        for batch in sizes["batches"]:
            faces = images(batch).contiguous(memory_format=torch.channels_last)
            forward = lambda: parity.embedding(network, faces)
            sample = lambda: stage.sample(parity.embedding(network, faces[:1]))
            stage.measure(dtype, batch, forward, sample if batch == first else None)


def language(stage, dtype):
    from transformers import LlamaConfig, LlamaForCausalLM

    config = LlamaConfig(**stage.sizes["config"], bos_token_id=1, eos_token_id=2, pad_token_id=0)
    # The rotary frequencies are computed when it is made, so they are made here.
    with torch.device("meta"):
        network = LlamaForCausalLM(config)
    with torch.device(stage.device):
        rotary = type(network.model.rotary_emb)(config=config)
    network = network.to(DTYPES[dtype]).to_empty(device=stage.device).eval()
    network.model.rotary_emb = rotary
    rename = lambda name: None if "rotary" in name else name.removeprefix("model.")
    return seeded.fill(network, rename)


def llama(stage):
    sizes = stage.sizes
    (dtype,) = sizes["types"]
    network = language(stage, dtype)
    for batch in sizes["batches"]:
        ids = seeded.integers("input_ids", batch * sizes["tokens"], sizes["config"]["vocab_size"], stage.device)
        ids = ids.reshape(batch, sizes["tokens"])
        forward = lambda: network(input_ids=ids, output_hidden_states=True, use_cache=False)
        sample = lambda: stage.sample(forward().logits)
        stage.measure(dtype, batch, forward, sample if batch == sizes["batches"][0] else None)


def generate(stage):
    from transformers import GenerationConfig

    sizes = stage.sizes
    (dtype,) = sizes["types"]
    network, width, tokens = language(stage, dtype), sizes["config"]["hidden_size"], sizes["tokens"]
    # No token ends a text, so that every one has the same number of new tokens. Scores are not kept: that would cost time.
    settings = GenerationConfig(
        num_beams=sizes["beams"], max_new_tokens=tokens, do_sample=False, eos_token_id=None, pad_token_id=0,
        bos_token_id=1,
    )  # fmt: skip
    network.generation_config = settings
    for batch in sizes["batches"]:
        prompts = stage.noise("prompt", (batch, sizes["prompt"], width), width**-0.5, dtype)
        there = torch.ones(prompts.shape[:2], dtype=torch.long, device=stage.device)
        search = lambda: network.generate(inputs_embeds=prompts, attention_mask=there, generation_config=settings)

        def sample():
            found = search()
            assert found.shape[1] == tokens, f"{found.shape[1]} new tokens instead of {tokens}"
            behind = network(inputs_embeds=prompts[:1], use_cache=False).logits[0, -1]
            return {**stage.sample(behind), "tokens": found[0].tolist()}

        stage.measure(dtype, batch, search, sample if batch == sizes["batches"][0] else None)


# From the names of the parity script's module to those of the release, which affekt has too.
VIEWS = ["fused", "at", "tv", "av", "audio", "text", "video"]
NAMES = ["audio", "text", "video"]
RELEASED = [
    (r"^reshape\.(\d)", lambda m: f"frame_dim_reshape_{m[1]}"),
    (r"^pool\.(\d)\.keys", lambda m: f"fra2utt_{m[1]}.input_proj"),
    (r"^pool\.(\d)\.context", lambda m: f"fra2utt_{m[1]}.attention_context_vector"),
    (r"^cross\.(\d)\.keys", lambda m: f"cross_att_fra2utt_{m[1]}.input_proj"),
    (r"^cross\.(\d)\.queries", lambda m: f"cross_att_fra2utt_{m[1]}.query_proj"),
    (r"^hidden\.(\d)", lambda m: f"{NAMES[int(m[1])]}_mlp"),
    (r"^cross_hidden\.(\d)", lambda m: f"cross_{NAMES[int(m[1])]}_mlp"),
    (r"^imagine\.", lambda m: "missing_text_imagination_mlp."),
    (r"^imagine_cross\.", lambda m: "missing_cross_text_query_imagination_mlp."),
    (r"\.(encoder|decoder)\.", lambda m: f".{m[1]}_0.0."),
    (r"^gather\.", lambda m: "attention_mlp."),
    (r"^weigh\.", lambda m: "fc_att."),
    (r"^views\.(\d)", lambda m: f"cross_{VIEWS[int(m[1])]}_query_mlp"),
    (r"^gather_views\.", lambda m: "cross_attention_mlp."),
    (r"^weigh_views\.", lambda m: "cross_fc_att."),
    (r"^valence\.", lambda m: "fc_out_v."),
    (r"^rnc\.", lambda m: "orgin_linear_change."),
]


def released(name):
    for pattern, new in RELEASED:
        name = re.sub(pattern, new, name)
    return name


def train(stage):
    import sdumc_step

    clips, audio, text, video = stage.sizes["frames"]
    network = seeded.fill(sdumc_step.Network().to(stage.device), released)
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-4, weight_decay=1e-5)
    shapes = [("audio", audio, 1024), ("text", text, 4096), ("simulated", text, 4096), ("video", video, 1024)]
    features = [stage.noise(name, (clips, rows, width), 1.0, "f32") for name, rows, width in shapes]
    labels = 6 * (torch.arange(clips, device=stage.device) + 0.5) / clips - 3
    losses = lambda: {"numbers": terms(sdumc_step, network.eval(), features, labels)}
    with torch.no_grad():
        sample = losses()
    network.train()
    stage.measure("f32", 1, lambda: sdumc_step.step(network, optimizer, features, labels))
    stage.rows[-1]["sample"] = sample


def terms(code, network, features, labels):
    """The terms of the loss, then the loss, without dropout."""
    audio, text, simulated, video = (
        network.reshape[at](x) for at, x in zip((code.AUDIO, code.TEXT, code.TEXT, code.VIDEO), features)
    )
    full, missing = network([audio, text, video], False), network([audio, simulated, video], True)
    found = [((flow[0] - labels) ** 2).mean() for flow in (full, missing)]
    found += [code.rmse(missing[3], full[3]), code.rmse(missing[4], full[4]), code.rmse(missing[1], full[1])]
    found += [code.rank_n_contrast(torch.cat([full[2], missing[2]]), torch.cat([labels, labels]))]
    weights = [code.WEIGHTS[name] for name in ("full", "missing", "mkd1", "mkd2", "rs", "rnc")]
    return [*(term.item() for term in found), sum(weight * term.item() for weight, term in zip(weights, found))]


def main():
    import transformers

    order = json.loads(sys.stdin.read())
    stage, name = Stage(order), order["stage"]
    work = {"wavlm": wavlm, "manet": manet, "llama": llama, "generate": generate, "train": train}[name]
    with torch.set_grad_enabled(name == "train"):
        work(stage)
    versions = f"torch {torch.__version__}, transformers {transformers.__version__}"
    print(json.dumps({"versions": versions, "rows": stage.rows}))


if __name__ == "__main__":
    main()
