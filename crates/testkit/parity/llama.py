"""Llama: the network of transformers, 100 M drawn weights with the published vocabulary; its `generate`; the older
scorer by the statement beside the golden files."""

import json

import torch
from transformers import LlamaConfig, LlamaForCausalLM

import common

SEED = 30
EOS = 2
WIDTH = 640
SIZES = dict(
    vocab_size=32000, hidden_size=WIDTH, intermediate_size=1728, num_hidden_layers=12, num_attention_heads=10,
    rms_norm_eps=1e-5, bos_token_id=1, eos_token_id=EOS,
)  # fmt: skip


def make(folder):
    generator = torch.Generator().manual_seed(SEED)
    network = LlamaForCausalLM(LlamaConfig(**SIZES)).eval()
    for key, weight in network.named_parameters():
        noise = torch.randn(weight.shape, generator=generator)
        if "norm" in key:
            weight.copy_(1 + 0.2 * noise)
        else:
            weight.copy_(noise * (0.3 if "embed" in key else weight.shape[1] ** -0.5))
        if "lm_head" in key:
            weight[EOS] *= 2.5  # so that some generations end before the limit
    network.save_pretrained(folder)
    config = json.loads((folder / "config.json").read_text())
    # With an end token as likely as any other, a search runs to its limit: for timing.
    (folder / "endless.json").write_text(json.dumps(config | {"eos_token_id": 99}))
    draw = lambda *shape: torch.randint(3, 32000, shape, generator=generator)
    common.save(folder / "prefill.safetensors", {"input_ids": draw(1, 128)})
    lengths = torch.tensor([40, 17, 29])
    mask = (torch.arange(40)[None] < lengths[:, None]).long()
    for side, mask in [("right", mask), ("left", mask.flip(1))]:
        common.save(folder / f"{side}.safetensors", {"input_ids": draw(3, 40), "attention_mask": mask})
    prompt = lambda *shape: 0.3 * torch.randn(*shape, WIDTH, generator=generator)
    common.save(folder / "prompt.safetensors", {"inputs_embeds": prompt(1, 118)})
    prompts = prompt(3, 24)
    prompts[1, :9] *= 1e4
    mask = torch.ones(3, 24, dtype=torch.long)
    mask[1, :9] = 0
    common.save(folder / "prompts.safetensors", {"inputs_embeds": prompts, "attention_mask": mask})
    for name, lengths in [
        ("engine", [60 + at * 37 % 32 * 80 // 31 for at in range(32)]),  # 60 to 140, in no order
        ("ragged", torch.randint(1, 50, (9,), generator=generator).tolist()),
    ]:
        common.save(folder / f"{name}.safetensors", left_padded([prompt(length) for length in lengths]))


def left_padded(prompts):
    """Prompts (t, width) as one batch, zeros before the shorter ones, and its mask."""
    pad = lambda rows: torch.nn.utils.rnn.pad_sequence([row.flip(0) for row in rows], batch_first=True).flip(1)
    ones = [torch.ones(len(prompt), dtype=torch.long) for prompt in prompts]
    return {"inputs_embeds": pad(prompts), "attention_mask": pad(ones)}


def load(flags, dtype):
    config = LlamaConfig.from_json_file(flags.config or flags.weights / "config.json")
    return LlamaForCausalLM.from_pretrained(flags.weights, config=config, dtype=dtype).eval()


def run(network, flags, inputs, dtype):
    return {"generate": search, "engine": batches}.get(network, states)(load(flags, dtype), flags, inputs)


def states(model, flags, inputs):
    mask = inputs.get("attention_mask")
    forward = lambda: model(input_ids=inputs["input_ids"], attention_mask=mask, output_hidden_states=True)
    output, measured = common.repeated(flags.repeat, forward)
    named = {f"hidden_states.{at}": state for at, state in enumerate(output.hidden_states)} | {"logits": output.logits}
    if mask is not None:
        named = {name: common.without_meaning(rows, mask.bool()) for name, rows in named.items()}
    return {name: rows.float() for name, rows in named.items()}, measured


def batches(model, flags, inputs):
    """`generate` of `--in-flight` prompts at once, as they come, padding at the left: tokens and scores."""
    eos, count = model.config.eos_token_id, flags.in_flight
    embeds, mask = inputs["inputs_embeds"], inputs["attention_mask"]

    def generate(at, limit):
        there = mask[at : at + count]
        first = there.argmax(1).min()  # the longest prompt of a batch has no padding
        found = model.generate(
            inputs_embeds=embeds[at : at + count, first:], attention_mask=there[:, first:], num_beams=flags.beams,
            max_new_tokens=limit, do_sample=False, eos_token_id=eos, pad_token_id=eos, return_dict_in_generate=True,
            output_scores=True,
        )  # fmt: skip
        return found.sequences, found.sequences_scores  # the scores of all tokens would only fill memory

    generate(0, 2)  # warms up
    everything = lambda: [generate(at, flags.max_new_tokens) for at in range(0, len(embeds), count)]
    found, measured = common.repeated(flags.repeat, everything)
    rows = [row for sequences, _ in found for row in sequences]
    sequences = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=eos)
    return {"sequences": sequences, "scores": torch.cat([scores for _, scores in found])}, measured


def search(model, flags, inputs):
    """Only tokens and scores are inside the measured time; hidden states cost transformers more."""
    eos = model.config.eos_token_id
    embeds, mask = inputs["inputs_embeds"], inputs.get("attention_mask")
    prompts = [row[None] if mask is None else row[None, mask[at].bool()] for at, row in enumerate(embeds)]
    settings = dict(
        num_beams=flags.beams, max_new_tokens=flags.max_new_tokens, do_sample=False, eos_token_id=eos, pad_token_id=eos,
        return_dict_in_generate=True, output_scores=True,
    )  # fmt: skip

    def generate(prompt, **more):
        there = torch.ones(prompt.shape[:2], dtype=torch.long)
        return model.generate(inputs_embeds=prompt, attention_mask=there, **settings, **more)

    beam0 = None
    if flags.scorer == "hf4":
        older = common.golden("llama").beam_search
        alone = lambda prompt: older(model, prompt, flags.beams, flags.max_new_tokens, [eos], "hf4")[:2]
        found, measured = common.repeated(flags.repeat, lambda: [alone(prompt) for prompt in prompts])
    else:
        _, measured = common.repeated(flags.repeat, lambda: [generate(prompt) for prompt in prompts])
        full = [generate(prompt, output_hidden_states=True) for prompt in prompts]
        found = [(output.sequences[0].tolist(), output.sequences_scores[0].item()) for output in full]
        none = torch.zeros(0, WIDTH)
        beam0 = [torch.cat([none, *(step[-4][:1, -1] for step in output.hidden_states[1:])]) for output in full]
    best = [fed_again(model, prompt, tokens) for prompt, (tokens, _) in zip(prompts, found)]
    pad = lambda rows, value=0: torch.nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=value)
    lengths = lambda rows: torch.tensor([len(row) for row in rows])
    named = {
        "sequences": pad([torch.tensor(tokens) for tokens, _ in found], eos),
        "scores": torch.tensor([score for _, score in found]),
        "hidden.best": pad(best), "lengths.best": lengths(best),
    }  # fmt: skip
    if beam0 is not None:
        named |= {"hidden.beam0": pad(beam0), "lengths.beam0": lengths(beam0)}
    return named, measured


def fed_again(model, prompt, tokens):
    """Entry -4 of the states at every token but the last, when the tokens are fed again."""
    fed = torch.cat([prompt, model.get_input_embeddings()(torch.tensor([tokens[:-1]], dtype=torch.long))], 1)
    return model(inputs_embeds=fed, output_hidden_states=True).hidden_states[-4][0, prompt.shape[1] :]
