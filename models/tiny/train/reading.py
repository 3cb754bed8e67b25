"""What the tiny Llama can do: transcripts and their errors, and what its states tell of a sentence's worth.

Versions:   numpy 2, torch 2.15, transformers 5.23
"""

import numpy as np
import torch

from dictation import mixed, noisy
from pieces import BOS, EOS, FIRST, PROMPT, error_rate


@torch.no_grad()
def transcribe(model, tokenizer, frames, beams=1, size=64):
    """The texts of projected speech: (count, width) each."""
    ids = [BOS, *tokenizer.encode(PROMPT, add_special_tokens=False).ids]
    prompt = model.model.embed_tokens(torch.tensor(ids, device=model.device))
    texts = []
    for at in range(0, len(frames), size):
        rows = [torch.cat([row, prompt]) for row in frames[at : at + size]]
        width = max(map(len, rows))
        padded = torch.stack([torch.nn.functional.pad(row, (0, 0, width - len(row), 0)) for row in rows])
        places = torch.arange(width, device=model.device)
        mask = torch.stack([(places >= width - len(row)).long() for row in rows])
        found = model.generate(inputs_embeds=padded, attention_mask=mask, num_beams=beams, do_sample=False,
                               max_new_tokens=60, pad_token_id=EOS)  # fmt: skip
        texts += tokenizer.decode_batch(found.tolist(), skip_special_tokens=True)
    return texts


def sentence(model, tokenizer, clip):
    """BOS and a clip's tokens, (1, count), where the model is."""
    return torch.tensor([[BOS, *tokenizer.encode(clip["text"], add_special_tokens=False).ids]], device=model.device)


@torch.no_grad()
def text_features(model, tokenizer, clips):
    """(mean, last row) over BOS and the sentence's tokens of the sum of hidden_states -4..-1, for each clip."""
    means, lasts = [], []
    for clip in clips:
        ids = sentence(model, tokenizer, clip)
        states = model.model(ids, output_hidden_states=True).hidden_states
        rows = sum(states[-4:])[0]
        means.append(rows.mean(0).cpu().numpy())
        lasts.append(rows[-1].cpu().numpy())
    return np.stack(means), np.stack(lasts)


@torch.no_grad()
def simulated_features(model, tokenizer, clips, frames):
    """The mean over the sentence's tokens of hidden_states[-4] after speech and prompt, for each clip."""
    prompt = [BOS, *tokenizer.encode(PROMPT, add_special_tokens=False).ids]
    means = []
    for clip, row in zip(clips, frames):
        tokens = [*prompt, *tokenizer.encode(clip["text"], add_special_tokens=False).ids]
        embeddings = torch.cat([row, model.model.embed_tokens(torch.tensor(tokens, device=model.device))])[None]
        states = model.model(inputs_embeds=embeddings, output_hidden_states=True).hidden_states
        means.append(states[-4][0, len(row) + len(prompt) :].mean(0).cpu().numpy())
    return np.stack(means)


def ridge(rows, labels, other_rows, other_labels, weight=1.0):
    """(r, MAE) on other rows of a ridge regression on standardised columns."""
    mean, deviation = rows.mean(0), rows.std(0) + 1e-6
    inputs = (rows - mean) / deviation
    gram = inputs.T @ inputs + weight * len(rows) * 0.01 * np.eye(inputs.shape[1])
    weights = np.linalg.solve(gram, inputs.T @ (labels - labels.mean()))
    told = (other_rows - mean) / deviation @ weights + labels.mean()
    return round(float(np.corrcoef(told, other_labels)[0, 1]), 3), round(float(np.abs(told - other_labels).mean()), 3)


@torch.no_grad()
def judge(model, tokenizer, speech, clips, seed):
    """Quality on sentences that it did not learn from; the ridge learns from train sentences."""
    model.eval()
    valid = [at for at, clip in enumerate(clips) if clip["split"] == "valid"][:300]
    train = [at for at, clip in enumerate(clips) if clip["split"] == "train"][:1000]
    pick = lambda indices: [clips[at] for at in indices]  # noqa: E731
    values = lambda indices: np.array([clips[at]["words"] for at in indices])  # noqa: E731
    generator = torch.Generator().manual_seed(seed)
    table = model.model.embed_tokens.weight
    level = table[FIRST:].pow(2).mean().sqrt()
    quality = {"sentences": {"train": len(train), "valid": len(valid)}}
    for name, hard, scale in (("clean", False, 0.0), ("noisy", True, 0.6 * level)):
        frames = [noisy(row, scale, generator) if hard else row
                  for row in mixed(table, [speech.draw(clips[at]["text"], hard) for at in valid])]  # fmt: skip
        texts = transcribe(model, tokenizer, frames)
        quality[f"wer_{name}"] = round(error_rate([(clips[at]["text"], text) for at, text in zip(valid, texts)]), 4)
        if not hard:
            heard = mixed(table, [speech.draw(clips[at]["text"], False) for at in train])
            learnt = simulated_features(model, tokenizer, pick(train), heard)
            other = simulated_features(model, tokenizer, pick(valid), frames)
            quality["simulated_mean"] = ridge(learnt, values(train), other, values(valid))
    learnt, other = (text_features(model, tokenizer, pick(indices)) for indices in (train, valid))
    for name, at in (("text_mean", 0), ("text_last", 1)):
        quality[name] = ridge(learnt[at], values(train), other[at], values(valid))
    constant = np.abs(values(valid) - np.median(values(train))).mean()
    quality["constant_mae"] = round(float(constant), 3)
    return quality


def largest_state(model, tokenizer, clips):
    """The largest absolute number in any hidden state: f16 holds 65504."""
    with torch.no_grad():
        peak = 0.0
        for clip in clips[:50]:
            ids = sentence(model, tokenizer, clip)
            peak = max(peak, *(state.abs().max().item() for state in
                               model.model(ids, output_hidden_states=True).hidden_states))  # fmt: skip
    return round(peak, 1)
