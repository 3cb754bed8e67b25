"""Trains the tiny WavLM on synthesised speech: what is said in its last state, how it is said in entry -5.

Command:    cargo xtask tiny wavlm --script DIR/script.jsonl --out OUT
Versions:   torch 2.15, transformers 5.23, espeak-ng 1.51; CPU, two threads
Device:     CUDA where PyTorch has it, else the CPU (--device); what is stated here ran on the CPU, CUDA has not run
Seed:       1
Time:       35 minutes for 1600 steps on two cores that other trainings shared (load 9)

espeak-ng tells when it says which phone and word. Heads on the last state name them frame by frame; heads on entry -5
tell energy, voicing and pitch of each frame and, from the mean over time, the feeling in the voice. The heads are
thrown away. Only the training split of the script is learnt from, spoken by its voices; the valid split (other
sentences, other voices) measures.
"""

import argparse
import copy
import json
import math
import resource
import time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

import common
from hearing import SKIP, Sounds, Words, word_of
from wavlm_pass import configuration, forward, network

SEED = 1


class Heads(nn.Module):
    """What is asked of the states in training."""

    def __init__(self, names, width):
        super().__init__()
        self.phones = nn.Linear(width, len(names.phones) + 2)
        self.words = nn.Linear(width, len(names.words) + 2)
        self.onsets = nn.Linear(width, 1)
        self.tune = nn.Linear(width, 3)
        self.manner = nn.Linear(width, 4)

    def loss(self, audio, last, batch):
        valid = batch.phones != SKIP
        tune, told = self.tune(audio), batch.tune
        voiced = (told[:, :, 1] > 0.5) & valid
        parts = [
            F.cross_entropy(self.phones(last).flatten(0, 1), batch.phones.flatten(), ignore_index=SKIP),
            F.cross_entropy(self.words(last).flatten(0, 1), batch.words.flatten(), ignore_index=SKIP),
            F.binary_cross_entropy_with_logits(self.onsets(last)[:, :, 0][valid], batch.onsets[valid]),
            F.mse_loss(tune[:, :, 0][valid], told[:, :, 0][valid]),
            F.binary_cross_entropy_with_logits(tune[:, :, 1][valid], told[:, :, 1][valid]),
            2 * F.mse_loss(tune[:, :, 2][voiced], told[:, :, 2][voiced]),
            F.mse_loss(self.manner(mean(audio, valid)), batch.manner),
        ]
        return sum(parts), [part.item() for part in parts]


def mean(states, valid):
    """Over the valid frames."""
    return (states * valid[:, :, None]).sum(1) / valid.sum(1, keepdim=True)


def heard_words(frames, names):
    """The words of runs of frames, those of a single frame left out."""
    edges = np.flatnonzero(np.diff(frames)) + 1
    runs = [run for run in np.split(frames, edges) if len(run) > 1 and run[0] > 0]
    return [names.names[run[0]] for run in runs]


@torch.no_grad()
def judge(model, heads, loader, names):
    """Accuracy of frames, errors of words, and how a ridge on the mean of entry -5 tells the feeling in the voice."""
    right = {"phones": [], "words": []}
    wrong = total = 0
    means, feelings, size = [], [], []
    for batch in loader:
        batch = batch.to(model.device)
        audio, last = forward(model, batch.waves, batch.frames)
        valid = batch.phones != SKIP
        guess = heads.words(last).argmax(-1)
        right["phones"].append((heads.phones(last).argmax(-1) == batch.phones)[valid])
        right["words"].append((guess == batch.words)[valid])
        for row, length, clip in zip(guess.cpu(), batch.frames.tolist(), batch.clips):
            said = [word_of(word) for word in clip["text"].split()]
            wrong += distance(said, heard_words(row[:length].numpy(), names))
            total += len(said)
        means.append(mean(audio, valid))
        feelings += [clip["voice"] for clip in batch.clips]
        size.append([states[valid].square().mean().sqrt().item() for states in (audio, last)])
    quality = {f"{name}_frame_accuracy": torch.cat(part).float().mean().item() for name, part in right.items()}
    rms = dict(zip(("rms_audio", "rms_last"), np.mean(size, 0).tolist()))
    return quality | {"word_errors_of_frames": wrong / total} | rms, torch.cat(means).cpu().numpy(), np.array(feelings)


def distance(one, other):
    """Least insertions, deletions and substitutions between two lists."""
    row = list(range(len(other) + 1))
    for at, left in enumerate(one, 1):
        before, row[0] = row[0], at
        for place, right in enumerate(other, 1):
            before, row[place] = row[place], min(row[place] + 1, row[place - 1] + 1, before + (left != right))
    return row[-1]


def ridge(train, valid, strength=1.0):
    """Pearson's r on `valid` of a ridge learnt on `train`, both (features, targets)."""
    (x, y), (seen, told) = train, valid
    middle, spread = x.mean(0), x.std(0) + 1e-6
    x, seen = (x - middle) / spread, (seen - middle) / spread
    weights = np.linalg.solve(x.T @ x + strength * np.eye(x.shape[1]), x.T @ (y - y.mean()))
    return float(np.corrcoef(seen @ weights, told)[0, 1])


def loader(sounds):
    return torch.utils.data.DataLoader(
        sounds, batch_size=None, num_workers=1, prefetch_factor=4, multiprocessing_context="spawn"
    )


class Training:
    """The state of one training."""

    def __init__(self, options):
        self.options, self.started = options, time.monotonic()
        self.device = common.device(options.device)
        clips = common.read_script(options.script, "train")
        self.names = Words.of(clips)
        torch.manual_seed(SEED)
        # Drawn on the CPU, so that a seed gives the same weights everywhere.
        self.model = network().to(self.device)
        self.heads = Heads(self.names, self.model.config.hidden_size).to(self.device)
        self.sounds = Sounds(clips, self.names, options.batch, options.steps, SEED, True)
        valid = common.read_script(options.script, "valid")
        self.valid = Sounds(valid, self.names, 32, math.ceil(len(valid) / 32), SEED, False)
        # Every eighth training clip as the script says it: the ridge learns from these.
        self.plain = Sounds(clips[::8], self.names, 32, math.ceil(len(clips[::8]) / 32), SEED, False)

    def run(self):
        options = self.options
        parameters = [*self.model.parameters(), *self.heads.parameters()]
        groups = [{"params": [p for p in parameters if p.dim() > 1], "weight_decay": 0.02},
                  {"params": [p for p in parameters if p.dim() <= 1], "weight_decay": 0.0}]  # fmt: skip
        optimizer = torch.optim.AdamW(groups, lr=options.rate, betas=(0.9, 0.98))
        saved = time.monotonic()
        for step, batch in enumerate(loader(self.sounds)):
            rise, progress = min(1.0, (step + 1) / 100), step / options.steps
            for group in optimizer.param_groups:
                group["lr"] = options.rate * rise * (0.02 + 0.98 * (1 + math.cos(math.pi * progress)) / 2)
            batch = batch.to(self.device)
            audio, last = forward(self.model, batch.waves, batch.frames)
            loss, parts = self.heads.loss(audio, last, batch)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            nn.utils.clip_grad_norm_(parameters, 1.0)
            optimizer.step()
            if step % 20 == 0:
                told = " ".join(f"{part:.3f}" for part in parts)
                print(f"{time.monotonic() - self.started:.0f} s, step {step}: {told}", flush=True)
            if time.monotonic() - saved > options.every * 60:
                self.save(step + 1)
                saved = time.monotonic()
        return self.save(options.steps)

    def save(self, steps):
        """Judges what the file will hold: the weights as f16 has them."""
        model = common.rounded(copy.deepcopy(self.model)).eval()
        quality, seen, told = judge(model, self.heads, loader(self.valid), self.names)
        _, features, feelings = judge(model, self.heads, loader(self.plain), self.names)
        quality["voice_feeling_r"] = ridge((features, feelings), (seen, told))
        seconds = round(time.monotonic() - self.started, 1)
        used = [resource.getrusage(whose) for whose in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
        training = {
            "network": "wavlm", "data": "script.jsonl of cargo xtask replica, spoken by espeak-ng",
            "train_clips": len(self.sounds.clips), "valid_clips": len(self.valid.clips), "device": self.device.type,
            "seed": SEED, "steps": steps, "of_steps": self.options.steps, "batch": self.options.batch,
            "rate": self.options.rate, "seconds": seconds,
            "core_seconds": round(sum(each.ru_utime + each.ru_stime for each in used), 1),
            "quality": {name: round(value, 4) for name, value in quality.items()},
        }  # fmt: skip
        config = configuration().to_diff_dict()
        common.write_network(Path(self.options.out) / "wavlm", model.state_dict(), config, training)
        print(json.dumps(training), flush=True)
        return training


def main():
    parser = argparse.ArgumentParser(description="Trains the tiny WavLM on synthesised speech.")
    parser.add_argument("--script", required=True, help="script.jsonl of `cargo xtask replica --script`")
    parser.add_argument("--out", required=True, help="folder of the networks; this one goes to OUT/wavlm")
    parser.add_argument("--steps", type=int, default=1600)
    parser.add_argument("--batch", type=int, default=16, help="sentences a step")
    parser.add_argument("--rate", type=float, default=2e-3, help="highest learning rate")
    parser.add_argument("--every", type=float, default=5.0, help="minutes between checkpoints")
    parser.add_argument("--threads", type=int, default=2)
    common.add_device(parser)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.set_flush_denormal(True)
    Training(options).run()


if __name__ == "__main__":
    main()
