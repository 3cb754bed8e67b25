"""Golden tensors of Llama, of beam search over it and of the SLAM-ASR projector.

Reference: transformers 5.23 (LlamaForCausalLM and MistralForCausalLM, eager attention, `generate`) on PyTorch 2.15, CPU,
f32, 1 thread.
The scores of transformers 4.35 come from `beam_search` below, our own statement of its rule; with the rule of 5.x the
same function is held against `generate` for every case.
Seeds: 0 and up, named at each use. Weights are rounded to f16 first, so that the stored files are exact.
Tolerance of the tests: hidden states 1e-4 relative, tokens identical, scores 1e-4.
Run: `python golden.py`; rewrites golden/ beside this file.
"""

import json
from pathlib import Path

import torch
from safetensors.torch import save_file
from transformers import LlamaConfig, LlamaForCausalLM, MistralConfig, MistralForCausalLM
from transformers.utils import logging

OUT = Path(__file__).parent / "golden"
EOS = 2
torch.set_num_threads(1)
torch.set_grad_enabled(False)
logging.set_verbosity_error()


def llama(name, seed, eos_scale, kind=(LlamaConfig, LlamaForCausalLM), **sizes):
    """A lively random model: every weight is drawn anew, and the end token's scores vary `eos_scale` times as much."""
    config = kind[0](
        vocab_size=100, hidden_size=64, num_attention_heads=4, rms_norm_eps=1e-5, attn_implementation="eager", **sizes
    )
    model = kind[1](config).eval()
    generator = torch.Generator().manual_seed(seed)
    for key, weight in model.named_parameters():
        noise = torch.randn(weight.shape, generator=generator)
        if "norm" in key:
            value = 1 + 0.2 * noise
        elif "embed" in key:
            value = 0.3 * noise
        elif "lm_head" in key:
            value = 0.25 * noise
            value[EOS] *= eos_scale
        elif "bias" in key:
            value = 0.3 * noise
        else:
            value = noise / weight.shape[1] ** 0.5
        weight.copy_(value.half().float())
    config_json = {key: value for key, value in config.to_dict().items() if not key.startswith("_")}
    weights = {key: value.half().contiguous() for key, value in model.state_dict().items()}
    if config.tie_word_embeddings:
        del weights["lm_head.weight"]
    else:
        # Early releases stored the frequencies with every layer; they must be ignored, not refused.
        weights["model.layers.0.self_attn.rotary_emb.inv_freq"] = torch.zeros(8)
    save_file(weights, OUT / f"{name}.weights.safetensors", metadata={"config": json.dumps(config_json)})
    return model


def forward(name, model, seed):
    """Plain, right-padded and left-padded batches, with all hidden states."""
    generator = torch.Generator().manual_seed(seed)
    ids = torch.randint(3, 100, (3, 12), generator=generator)
    lengths = torch.tensor([12, 7, 10])
    right = (torch.arange(12)[None] < lengths[:, None]).long()
    tensors = {"input_ids": ids, "mask.right": right, "mask.left": right.flip(1)}
    for kind, mask in [("plain", None), ("right", right), ("left", right.flip(1))]:
        output = model(input_ids=ids, attention_mask=mask, output_hidden_states=True)
        for at, hidden in enumerate(output.hidden_states):
            tensors[f"{kind}.hidden_states.{at}"] = hidden.contiguous()
        tensors[f"{kind}.logits"] = output.logits
    save_file(tensors, OUT / f"{name}.forward.safetensors")


def hidden_sum(hidden_states, layers):
    """Sum of the entries `layers` = (first, last), both negative and included."""
    entries = len(hidden_states)
    return sum(hidden_states[entries + at] for at in range(layers[0], layers[1] + 1))


def beam_search(model, embeds, beams, limit, eos, rule):
    """Beam search by its definition, without a cache. Returns tokens, score and the number of forward passes.

    rule "hf5": the limit ends candidates like the end token; score = sum / length with the end token; stop when the
    best running sum / length is no better than the worst of `beams` hypotheses. rule "hf4" (transformers 4.35): score =
    sum / length without the end token; stop when the best of all candidates, over the length with its new token, is no
    better than the worst; if the limit comes first, all running beams become hypotheses.
    """
    running = [(0.0, [])] + [(-1e9, [])] * (beams - 1)
    ended = []  # (score, tokens)

    def keep(score, tokens):
        ended.append((score, tokens))
        ended.sort(key=lambda pair: -pair[0])
        del ended[beams:]

    for step in range(1, limit + 1):
        rows = []
        for total, tokens in running:
            prompt = torch.cat([embeds, model.get_input_embeddings()(torch.tensor([tokens], dtype=torch.long))], 1)
            rows.append(torch.log_softmax(model(inputs_embeds=prompt).logits[0, -1], -1) + total)
        totals, flat = torch.topk(torch.cat(rows), beams * max(2, 1 + len(eos)))
        places = [divmod(at, len(rows[0])) for at in flat.tolist()]
        candidates = [(t, running[beam][1] + [token]) for t, (beam, token) in zip(totals.tolist(), places)]
        going_on = [c for c in candidates if c[1][-1] not in eos][:beams]
        for total, tokens in candidates[:beams]:
            if tokens[-1] in eos:
                keep(total / (step if rule == "hf5" else max(step - 1, 1)), tokens)
            elif step == limit and rule == "hf5":
                keep(total / step, tokens)
        best = going_on[0][0] if rule == "hf5" else candidates[0][0]
        if len(ended) == beams and best / step <= ended[0 if beams == 1 else -1][0]:
            break
        if step == limit and rule == "hf4":
            for total, tokens in going_on:
                keep(total / step, tokens)
        running = going_on
    return ended[0][1], ended[0][0], step


def generate(model, beams, limit, eos, embeds=None, ids=None):
    """`generate` of transformers: tokens, score, and the hidden states of every step."""
    prompt = {"inputs_embeds": embeds} if ids is None else {"input_ids": ids}
    length = (embeds if ids is None else ids).shape[1]
    output = model.generate(
        **prompt, attention_mask=torch.ones(1, length, dtype=torch.long), num_beams=beams, max_new_tokens=limit,
        do_sample=False, eos_token_id=eos, pad_token_id=eos[0], use_cache=True, return_dict_in_generate=True,
        output_scores=True, output_hidden_states=True,
    )
    tokens = output.sequences[0].tolist()[0 if ids is None else length:]
    if beams == 1:
        steps = zip(output.scores, tokens)
        score = sum(torch.log_softmax(row[0], -1)[token].item() for row, token in steps) / len(tokens)
    else:
        score = output.sequences_scores[0].item()
    return tokens, score, output.hidden_states


def cases(name, model, plan):
    """Runs `plan`, a list of (seed, beams, limit, layers, options), and stores what came of each."""
    tensors, notes = {}, []
    for at, (seed, beams, limit, layers, options) in enumerate(plan):
        generator = torch.Generator().manual_seed(seed)
        length, eos = 4 + seed % 9, options.get("eos", [EOS])
        ids = torch.randint(3, 100, (1, length), generator=generator) if options.get("ids") else None
        embeds = 0.3 * torch.randn(1, length, 64, generator=generator) if ids is None else None
        given = model.get_input_embeddings()(ids) if embeds is None else embeds
        tokens, score, states = generate(model, beams, limit, eos, embeds, ids)
        steps, scorer = len(states), options.get("scorer", "hf5")
        if beams > 1:
            own = beam_search(model, given, beams, limit, eos, "hf5")
            assert own[0] == tokens and own[2] == steps and abs(own[1] - score) < 1e-5, (own, tokens, score, steps)
        if scorer == "hf4":
            newer = tokens, steps
            tokens, score, steps = beam_search(model, given, beams, limit, eos, "hf4")
            changed = "as 5.x" if newer == (tokens, steps) else "unlike 5.x"
        fed = torch.cat([given, model.get_input_embeddings()(torch.tensor([tokens[:-1]], dtype=torch.long))], 1)
        again = model(inputs_embeds=fed, output_hidden_states=True).hidden_states
        tensors[f"{at}.tokens"] = torch.tensor(tokens)
        tensors[f"{at}.hidden.best"] = hidden_sum(again, layers)[0, length:].clone()
        if scorer == "hf5":
            rows = [hidden_sum(step, layers)[0, -1] for step in states[1:]]
            tensors[f"{at}.hidden.beam0"] = torch.stack(rows) if rows else torch.zeros(0, 64)
        if ids is None:
            tensors[f"{at}.inputs_embeds"] = embeds
        else:
            tensors[f"{at}.input_ids"] = ids
        rule = str(layers[0]) if layers[0] == layers[1] else f"{layers[0]}..{layers[1]}"
        notes.append({
            "beams": beams, "max_new_tokens": limit, "eos": eos, "scorer": scorer, "layers": rule, "score": score,
            "steps": steps,
        })
        ended = "ended" if tokens[-1] in eos else "cut"
        print(name, at, f"beams {beams} steps {steps} tokens {len(tokens)} {ended} score {score:.3f}",
              f"{scorer} {changed}" if scorer == "hf4" else "")
    save_file(tensors, OUT / f"{name}.generate.safetensors", metadata={"cases": json.dumps(notes)})


def projector(seed):
    """Sizes (16 -> 5 x 16 -> 32 -> 24), 23 frames: three are dropped."""
    generator = torch.Generator().manual_seed(seed)
    draw = lambda *shape: torch.randn(*shape, generator=generator)
    w1, b1, w2, b2 = draw(32, 80) / 9, draw(32), draw(24, 32) / 6, draw(24)
    features = draw(2, 23, 16)
    stacked = features[:, :20].reshape(2, 4, 80)
    projected = torch.relu(stacked @ w1.T + b1) @ w2.T + b2
    weights = {"linear1.weight": w1, "linear1.bias": b1, "linear2.weight": w2, "linear2.bias": b2}
    save_file({f"encoder_projector.{k}": v for k, v in weights.items()}, OUT / "slam.weights.safetensors")
    save_file({"features": features, "projected": projected}, OUT / "slam.safetensors")


PAPER, SUM = (-4, -4), (-4, -1)


def main():
    OUT.mkdir(exist_ok=True)
    mha = llama("mha", 1, 2.5, num_hidden_layers=4, intermediate_size=112)
    gqa = llama(
        "gqa", 2, 1.0, num_hidden_layers=5, intermediate_size=96, num_key_value_heads=2, head_dim=24,
        tie_word_embeddings=True, rope_parameters={"rope_type": "default", "rope_theta": 500000.0},
    )
    # As Llama 3.1, with texts of the first training so short that wavelengths are stretched in all three ways; and biases.
    llama3 = llama(
        "llama3", 3, 1.5, num_hidden_layers=3, intermediate_size=80, num_key_value_heads=2, attention_bias=True,
        mlp_bias=True, rope_parameters={
            "rope_type": "llama3", "rope_theta": 500000.0, "factor": 8.0, "low_freq_factor": 1.0,
            "high_freq_factor": 4.0, "original_max_position_embeddings": 64,
        },
    )
    mistral = llama(
        "mistral", 4, 2.0, (MistralConfig, MistralForCausalLM), num_hidden_layers=3, intermediate_size=80,
        num_key_value_heads=1, head_dim=24, sliding_window=40,
    )
    forward("mha", mha, 10)
    forward("gqa", gqa, 11)
    forward("llama3", llama3, 12)
    forward("mistral", mistral, 13)
    plan = [(seed, 4, 24, PAPER if seed % 2 else SUM, {}) for seed in range(20, 30)]
    plan += [(seed, beams, 16, PAPER, {}) for seed in (30, 31, 32) for beams in (1, 2, 3)]
    plan += [(seed, 4, 12, PAPER, {"ids": True}) for seed in (40, 41)]
    plan += [(50, 4, 1, PAPER, {}), (50, 1, 1, PAPER, {}), (51, 4, 2, PAPER, {}), (52, 4, 70, SUM, {"eos": [99]})]
    plan += [(53, 4, 16, PAPER, {"eos": [2, 7, 11]}), (54, 8, 12, PAPER, {})]
    plan += [(seed, 4, 14, PAPER, {"scorer": "hf4"}) for seed in range(60, 68)]
    cases("mha", mha, plan)
    cases("gqa", gqa, [(70, 4, 12, PAPER, {}), (71, 4, 12, SUM, {"ids": True}), (72, 3, 10, PAPER, {"eos": [2, 5]})])
    # The entry -4 is the embeddings here: the networks have three layers.
    plan = [(seed, 4, 14, PAPER if seed % 2 else SUM, {"ids": seed % 3 == 0}) for seed in range(73, 77)]
    cases("llama3", llama3, plan + [(77, 2, 10, SUM, {"eos": [2, 5]})])
    cases("mistral", mistral, plan + [(78, 5, 10, SUM, {})])
    projector(80)
    # Here, because others take the references above at any size, and not all of them have the package `gguf`.
    import golden_gguf

    golden_gguf.main()
    golden_gguf.stretched()


if __name__ == "__main__":
    main()
