"""The SLAM projector: what the tiny WavLM hears becomes what the tiny Llama reads. Both stay as they are.

Command:    cargo xtask tiny slam --script DIR/script.jsonl --nets NETS --out OUT
Versions:   torch 2.15, transformers 5.23, espeak-ng 1.51; CPU, two threads
Device:     CUDA where PyTorch has it, else the CPU (--device); what is stated here ran on the CPU, CUDA has not run
Seed:       1
Time:       371 s (4,200 clips, beside other work)

NETS has wavlm and llama, in f16 as the product reads them. Sentences of the train split are spoken by
espeak-ng in voices of that split, noise is added, and WavLM's last states are kept. The projector learns first, frame
by frame, the embeddings of the words that are spoken there (Llama was trained to read mixtures of these), then by the
transcript that the frozen Llama writes.
"""

import argparse
import json
import time
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file
from tokenizers import Tokenizer
from transformers import LlamaConfig, LlamaForCausalLM, WavLMConfig, WavLMModel

import wavlm
from common import add_device, device, read_script, rounded, write_network
from dictation import Sounds, mixed, overlaps, piece_spans, spans
from espeak import RATE, Speaker, utterance
from hearing import ACCENTS, HOP, SHORTEST, noise
from llama import lay_out, loss_of, moved, place, schedule
from pieces import BOS, EOS, PROMPT, error_rate
from reading import transcribe

STACK, INNER = 5, 256
BATCH = 16  # clips that WavLM hears at once


def load(folder, build, where):
    """A network from config.json and model.safetensors, its f16 weights as f32 on a device, not to be trained."""
    folder = Path(folder)
    for name in ("config.json", "model.safetensors"):
        if not (folder / name).is_file():
            raise SystemExit(f"{folder / name} is not there: `cargo xtask tiny {folder.name} --out {folder.parent}` "
                             "writes it")  # fmt: skip
    module = build(json.loads((folder / "config.json").read_text(encoding="utf-8")))
    weights = {name: value.float() if value.is_floating_point() else value
               for name, value in load_file(folder / "model.safetensors").items()}  # fmt: skip
    module.load_state_dict(weights)
    return module.to(where).eval().requires_grad_(False)


class Projector(torch.nn.Module):
    """(count, STACK * encoder) -> (count, llm), as the product's."""

    def __init__(self, encoder, llm):
        super().__init__()
        self.linear1 = torch.nn.Linear(STACK * encoder, INNER)
        self.linear2 = torch.nn.Linear(INNER, llm)

    def forward(self, frames):
        return self.linear2(torch.relu(self.linear1(frames)))


def recorded(sound, noise_db, vary, rng):
    """A clip as the product hands it to WavLM, and the seconds before the speech. With `vary` some silence is around it
    and its level is drawn."""
    before, after = (int(rng.uniform(0, 0.12) * RATE) if vary else 0 for _ in range(2))
    level = 10 ** rng.uniform(-0.4, 0.3) if vary else 1
    whole = np.concatenate([np.zeros(before), sound * level, np.zeros(after)])
    whole = whole + noise(rng, len(whole), noise_db)
    return ((whole - whole.mean()) / np.sqrt(whole.var() + 1e-7)).astype(np.float32), before / RATE


class Heard:
    """Clips as WavLM heard them: stacked states, and the pieces that are spoken in each stacked frame.

    The states stay on the device of WavLM."""

    def __init__(self, clips, wavlm, sounds, seed, vary):
        """vary: in a voice drawn among those of `clips`, level and noise too; else as the script says."""
        rng = np.random.default_rng(seed)
        speaker = Speaker()
        variants = sorted({clip["speech"]["voice"].partition("+")[2] for clip in clips})
        self.clips = sorted(clips, key=lambda clip: len(clip["text"]) / clip["speech"]["rate"])
        self.states, self.spoken = [], []
        for at in range(0, len(self.clips), BATCH):
            waves, timed = [], []
            for clip in self.clips[at : at + BATCH]:
                speech = dict(clip["speech"])
                if vary:
                    speech["voice"] = f"{rng.choice(ACCENTS)}+{rng.choice(variants)}"
                sound, phones, words = utterance(speaker, clip["text"], speech)
                noise_db = rng.uniform(-55, -28) if vary else clip["noise_db"]
                wave, before = recorded(sound, noise_db, vary, rng)
                waves.append(torch.from_numpy(wave))
                said = spans(clip["text"], words, phones, len(sound) / RATE)
                timed.append([(word, start + before, end + before) for word, start, end in said])
            for rows, said in zip(stacked(wavlm, waves), timed):
                ids, starts, ends = piece_spans(sounds, said)
                self.states.append(rows.half())
                self.spoken.append((ids, overlaps(starts, ends, len(rows))))


@torch.no_grad()
def stacked(model, waves):
    """(count, STACK * width) for each wave: WavLM's last states, STACK after each other; a rest is dropped."""
    frames = torch.tensor([(len(wave) - SHORTEST) // HOP for wave in waves])
    padded = torch.nn.utils.rnn.pad_sequence(waves, batch_first=True)[:, : HOP * int(frames.max()) + SHORTEST]
    _, last = wavlm.forward(model, *moved([padded, frames], model.device))
    return [rows[: count // STACK * STACK].reshape(count // STACK, -1) for rows, count in zip(last, frames.tolist())]


def blurred(rows):
    """States with noise of a tenth of their deviation, drawn on the CPU: the same for a seed on every device."""
    noise = torch.randn(rows.shape).to(rows.device, non_blocking=True)
    return rows + 0.1 * rows.std() * noise


def regress(projector, table, heard, steps, rate):
    """Learns the mixture of the embeddings of what is spoken in each frame."""
    inputs = torch.cat(heard.states)
    targets = torch.cat(mixed(table, heard.spoken))
    level = targets.pow(2).mean()
    optimiser = torch.optim.AdamW(projector.parameters(), lr=rate, weight_decay=0.02)
    for step in range(steps):
        for group in optimiser.param_groups:
            group["lr"] = rate * schedule(step, steps)
        picked = torch.randint(len(inputs), (1024,)).to(inputs.device, non_blocking=True)
        rows = blurred(inputs[picked].float())
        loss = (projector(rows) - targets[picked]).pow(2).mean() / level
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        if step % 500 == 499:
            print(f"frames {step + 1}/{steps}  error {loss.item():.3f}", flush=True)


def tune(projector, model, tokenizer, heard, steps, size, rate, rng):
    """Learns by the transcript that the frozen Llama writes."""
    encode = lambda text: tokenizer.encode(text, add_special_tokens=False).ids  # noqa: E731
    prompt = [BOS, *encode(PROMPT)]
    tokens = [encode(clip["text"]) for clip in heard.clips]
    lengths = np.array([len(rows) for rows in heard.states])
    optimiser = torch.optim.AdamW(projector.parameters(), lr=rate, weight_decay=0.02)
    began, mean = time.monotonic(), 0.0
    for step in range(steps):
        for group in optimiser.param_groups:
            group["lr"] = rate * schedule(step, steps, 30)
        drawn = rng.integers(len(lengths), size=8 * size)
        drawn = drawn[np.argsort(lengths[drawn] + rng.random(len(drawn)))]
        picked = drawn[(first := rng.integers(8) * size) : first + size]
        rows = [heard.states[at].float() for at in picked]
        frames = projector(torch.cat([blurred(row) for row in rows]))
        frames = frames.split([len(row) for row in rows])
        laid_out = lay_out([len(row) for row in rows], prompt, [[*tokens[at], EOS] for at in picked])
        ids, targets = moved(laid_out, model.device)
        loss = loss_of(model, place(model.model.embed_tokens(ids), frames), targets)
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(projector.parameters(), 1.0)
        optimiser.step()
        mean += loss.item()
        if step % 50 == 49:
            print(f"transcripts {step + 1}/{steps}  {time.monotonic() - began:.0f} s  loss {mean / 50:.3f}", flush=True)
            mean = 0.0


@torch.no_grad()
def word_errors(projector, model, tokenizer, heard, beams):
    """Word error rate, and the first texts."""
    texts = transcribe(model, tokenizer, [projector(rows.float()) for rows in heard.states], beams)
    pairs = [(clip["text"], text) for clip, text in zip(heard.clips, texts)]
    return round(error_rate(pairs), 4), pairs


def options():
    parser = argparse.ArgumentParser(description="Trains the SLAM projector from the tiny WavLM to the tiny Llama.")
    parser.add_argument("--script", required=True, help="script.jsonl of `cargo xtask replica --script`")
    parser.add_argument("--nets", required=True, help="folder with wavlm and llama")
    parser.add_argument("--out", required=True, help="folder of the networks; this one goes to OUT/slam")
    parser.add_argument("--clips", type=int, default=4200, help="of the train split: so many are heard")
    parser.add_argument("--frame-steps", type=int, default=4000, help="steps on single frames")
    parser.add_argument("--steps", type=int, default=400, help="steps on transcripts")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=1)
    add_device(parser)
    return parser.parse_args()


def main():
    args = options()
    torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)
    where = device(args.device)
    began = time.monotonic()
    nets = Path(args.nets)
    ears = load(nets / "wavlm", lambda config: WavLMModel(WavLMConfig(**config)), where)
    model = load(nets / "llama", lambda config: LlamaForCausalLM(LlamaConfig(**config)), where)
    tokenizer = Tokenizer.from_file(str(nets / "llama" / "tokenizer.json"))
    train = read_script(args.script, "train")
    sounds = Sounds(tokenizer, [clip["text"] for clip in train])
    heard = Heard(train[: args.clips], ears, sounds, args.seed, True)
    unseen = Heard(read_script(args.script, "valid")[:300], ears, sounds, args.seed + 1, False)
    print(f"{len(heard.states)} clips heard, {time.monotonic() - began:.0f} s", flush=True)
    projector = Projector(ears.config.hidden_size, model.config.hidden_size).to(where)
    regress(projector, model.model.embed_tokens.weight, heard, args.frame_steps, 2e-3)
    quality = {"wer_frames": word_errors(projector, model, tokenizer, unseen, 1)[0]}
    print(json.dumps(quality), flush=True)
    tune(projector, model, tokenizer, heard, args.steps, 48, 1e-3, np.random.default_rng(args.seed))
    seconds = round(time.monotonic() - began)
    rounded(projector)
    for beams in (1, 4):
        quality[f"wer_beams_{beams}"], pairs = word_errors(projector, model, tokenizer, unseen, beams)
    for said, written in pairs[:12]:
        print(f"  {said}\n    {written}")
    config = {"encoder_projector_ds_rate": STACK, "encoder_dim": ears.config.hidden_size, "hidden_dim": INNER,
              "llm_dim": model.config.hidden_size}  # fmt: skip
    training = {"data": {"script": Path(args.script).name, "train": len(heard.clips), "valid": len(unseen.clips)},
                "device": where.type, "seed": args.seed, "steps": [args.frame_steps, args.steps], "seconds": seconds,
                "quality": quality}  # fmt: skip
    weights = {f"encoder_projector.{name}": value for name, value in projector.state_dict().items()}
    write_network(Path(args.out) / "slam", weights, config, training)
    print(json.dumps({"network": "slam", "seconds": seconds, "quality": quality}))


if __name__ == "__main__":
    main()
