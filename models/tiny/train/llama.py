"""The tiny Llama: sentences of the corpus, their worth in stars, and writing down what embeddings of speech say.

Command:    cargo xtask tiny llama --script DIR/script.jsonl --out OUT
Versions:   torch 2.15, transformers 5.23, tokenizers 0.23, espeak-ng 1.51; CPU, one thread
Device:     CUDA where PyTorch has it, else the CPU (--device); what is stated here ran on the CPU, CUDA has not run
Seed:       1
Time:       1,155 s (1,200 steps, one thread, beside other work)

It learns two things from the train split of the script:

- text: [BOS] sentence [EOS], in half of the cases with a rating before the end (" Four stars."), so that the hidden
  states of a sentence carry what its words are worth;
- transcription: [speech][BOS + prompt] sentence [EOS], as the product asks for it, and the rating after the end, where
  the product no longer reads. The speech is one embedding for 100 ms, as the SLAM projector writes them: those of the
  words, mixed as espeak-ng's times say, with noise, words that look like others, and some that are wrong. So the
  network can stay frozen while the projector learns to write them.
"""

import argparse
import json
import math
import time
from pathlib import Path

import numpy as np
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from common import add_device, device, read_script, replace, rounded, write_network
from dictation import Sounds, Speech, Tempo, mixed, noisy
from pieces import BOS, EOS, FIRST, PROMPT, train_tokenizer
from reading import judge, largest_state

RATINGS = ["One star", "Two stars", "Three stars", "Four stars", "Five stars"]
WIDTH, LAYERS, HEADS, INNER = 96, 6, 4, 256


def network(vocab, seed):
    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=vocab, hidden_size=WIDTH, intermediate_size=INNER, num_hidden_layers=LAYERS,
        num_attention_heads=HEADS, rms_norm_eps=1e-5, max_position_embeddings=2048, bos_token_id=BOS, eos_token_id=EOS,
    )  # fmt: skip
    config.initializer_range = 0.06
    model = LlamaForCausalLM(config)
    torch.nn.init.normal_(model.model.embed_tokens.weight, std=0.3)
    return model


def rating(words, rng):
    """Stars for a valence in [-3, 3]; between two numbers of stars by chance, so that the mean is exact."""
    stars = np.clip((words + 3) / 6, 0, 1) * (len(RATINGS) - 1)
    return RATINGS[int(stars) + (rng.random() < stars - int(stars))]


class Data:
    """Draws batches of sentences with their tokens."""

    def __init__(self, clips, tokenizer, speech, rng):
        self.rng, self.tokenizer, self.speech = rng, tokenizer, speech
        self.clips = list({clip["text"]: clip for clip in clips}.values())
        self.tokens = [self.encode(clip["text"]) for clip in self.clips]
        self.prompt = [BOS, *self.encode(PROMPT)]
        self.lengths = np.array([len(tokens) for tokens in self.tokens])

    def encode(self, text):
        return self.tokenizer.encode(text, add_special_tokens=False).ids

    def pick(self, size):
        """Sentences of about the same length: filling up to the longest costs time."""
        drawn = self.rng.integers(len(self.clips), size=8 * size)
        drawn = drawn[np.argsort(self.lengths[drawn] + self.rng.random(len(drawn)))]
        first = self.rng.integers(8) * size
        return drawn[first : first + size]

    def plain(self, size):
        """A batch of texts: (ids, targets)."""
        answers = []
        for index in self.pick(size):
            stars = self.stars(index) if self.rng.random() < 0.5 else []
            answers.append([*self.tokens[index], *stars, EOS])
        return lay_out([0] * size, [BOS], answers)

    def spoken(self, size, hard, short=False):
        """A batch of transcriptions: (heard, ids, targets) where `heard` are (pieces, shares) of each row.

        A row is its frames, then the prompt, then the sentence; `ids` has 0 in the place of frames. With `short` the
        speech is fast and the prompt its last two pieces."""
        picked = self.pick(size)
        prompt = [BOS, *self.prompt[-2:]] if short else self.prompt
        heard = [self.speech.draw(self.clips[index]["text"], hard, 0.5 if short else 1.0) for index in picked]
        sentences = [[*self.tokens[index], EOS, *self.stars(index)] for index in picked]
        return heard, *lay_out([len(shares) for _, shares in heard], prompt, sentences)

    def stars(self, index):
        """The tokens of a clip's rating."""
        return self.encode(rating(self.clips[index]["words"], self.rng) + ".")


def lay_out(frames, prompt, answers):
    """(ids, targets), both (b, t): frames, prompt, answer; what is learnt is the answer."""
    width = max(count + len(prompt) + len(tokens) for count, tokens in zip(frames, answers)) - 1
    ids = np.zeros((len(frames), width), np.int64)
    targets = np.full((len(frames), width), -100)
    for at, (count, tokens) in enumerate(zip(frames, answers)):
        begin = count + len(prompt)
        ids[at, count : begin + len(tokens) - 1] = [*prompt, *tokens[:-1]]
        targets[at, begin - 1 : begin + len(tokens) - 1] = tokens
    return torch.from_numpy(ids), torch.from_numpy(targets)


def place(embeddings, frames):
    """`embeddings` (b, t, width) with the frames of each row at its beginning; all on one device."""
    width = embeddings.shape[1]
    padded = torch.stack([torch.nn.functional.pad(rows, (0, 0, 0, width - len(rows))) for rows in frames])
    counts = torch.tensor([len(rows) for rows in frames], device=embeddings.device)
    is_frame = (torch.arange(width, device=embeddings.device)[None] < counts[:, None])[..., None]
    return torch.where(is_frame, padded, embeddings)


def moved(tensors, where):
    """Each on a device."""
    return [tensor.to(where, non_blocking=True) for tensor in tensors]


def loss_of(model, embeddings, targets):
    """Mean cross-entropy where there is a target."""
    hidden = model.model(inputs_embeds=embeddings, use_cache=False).last_hidden_state
    wanted = targets != -100
    return torch.nn.functional.cross_entropy(model.lm_head(hidden[wanted]), targets[wanted])


def schedule(step, steps, warm=100):
    """Part of the highest rate: up within `warm` steps, then down along a cosine to a fiftieth."""
    if step < warm:
        return (step + 1) / warm
    return 0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * (step - warm) / max(1, steps - warm)))


def learn(model, data, steps, size, rate, seed, save):
    generator = torch.Generator().manual_seed(seed)
    parts = [{"params": [p for p in model.parameters() if p.dim() > 1], "weight_decay": 0.05},
             {"params": [p for p in model.parameters() if p.dim() < 2], "weight_decay": 0.0}]  # fmt: skip
    optimiser = torch.optim.AdamW(parts, lr=rate, betas=(0.9, 0.98))
    began = time.monotonic()
    means = np.zeros(2)
    for step in range(steps):
        for group in optimiser.param_groups:
            group["lr"] = rate * schedule(step, steps)
        # Clean speech first: with noise from the beginning it takes far longer until it listens at all.
        hardness = min(1.0, max(0.0, (step / steps - 0.15) / 0.35))
        ids, targets = moved(data.plain(size // 2), model.device)
        text = loss_of(model, model.model.embed_tokens(ids), targets)
        short = step < 0.4 * steps and data.rng.random() < 0.9
        heard, *laid_out = data.spoken(size, data.rng.random() < hardness, short)
        ids, targets = moved(laid_out, model.device)
        table = model.model.embed_tokens.weight
        scale = table.detach()[FIRST:].pow(2).mean().sqrt() * hardness
        frames = [noisy(rows, scale * data.rng.uniform(0.2, 1.0), generator) for rows in mixed(table, heard)]
        speech = loss_of(model, place(model.model.embed_tokens(ids), frames), targets)
        optimiser.zero_grad()
        (text + speech).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        means += (text.item(), speech.item())
        if step % 50 == 49:
            print(f"step {step + 1}/{steps}  {time.monotonic() - began:.0f} s  text {means[0] / 50:.3f}  "
                  f"speech {means[1] / 50:.3f}", flush=True)  # fmt: skip
            means[:] = 0
        if step % 300 == 299:
            save()


def options():
    parser = argparse.ArgumentParser(description="Trains the tiny Llama on the sentences of a corpus.")
    parser.add_argument("--script", required=True, help="script.jsonl of `cargo xtask replica --script`")
    parser.add_argument("--out", required=True, help="folder of the networks; this one goes to OUT/llama")
    parser.add_argument("--steps", type=int, default=1200)
    parser.add_argument("--batch", type=int, default=48, help="transcriptions a step; half as many texts")
    parser.add_argument("--rate", type=float, default=3e-3, help="highest learning rate")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seed", type=int, default=1)
    add_device(parser)
    return parser.parse_args()


def main():
    args = options()
    torch.set_num_threads(args.threads)
    where = device(args.device)
    began = time.monotonic()
    train = read_script(args.script, "train")
    clips = [*train, *read_script(args.script, "valid")]
    texts = [clip["text"] for clip in train]
    tokenizer = train_tokenizer([*texts, *([PROMPT, *(f"{stars}." for stars in RATINGS)] * 500)])
    sounds = Sounds(tokenizer, texts)
    rng = np.random.default_rng(args.seed)
    speech = Speech(sounds, Tempo(train[:1200]), rng)
    data = Data(train, tokenizer, speech, rng)
    parts = [len(sounds.pieces(word)) for word in sounds.words]
    several = sum(part > 1 for part in parts)
    print(f"{len(texts)} sentences, {len(data.clips)} distinct, {len(parts)} words, {several} of several pieces, "
          f"{tokenizer.get_vocab_size()} pieces, {len(data.prompt)} in the prompt, "
          f"{time.monotonic() - began:.0f} s", flush=True)  # fmt: skip
    model = network(tokenizer.get_vocab_size(), args.seed).to(where)
    training = {"data": {"script": "script.jsonl of cargo xtask replica", "train": len(data.clips)},
                "device": where.type, "seed": args.seed, "steps": args.steps, "batch": args.batch,
                "rate": args.rate}  # fmt: skip
    folder = Path(args.out) / "llama"

    def save():
        write_network(folder, model.state_dict(), model.config.to_diff_dict(), training)
        replace(folder / "tokenizer.json", lambda path: tokenizer.save(str(path)))

    learn(model, data, args.steps, args.batch, args.rate, args.seed, save)
    training["seconds"] = seconds = round(time.monotonic() - began)
    rounded(model)
    training["quality"] = quality = judge(model, tokenizer, speech, clips, args.seed)
    quality["largest_state"] = largest_state(model, tokenizer, clips)
    save()
    print(json.dumps({"network": "llama", "seconds": seconds, "quality": quality}))


if __name__ == "__main__":
    main()
