"""Speech as the SLAM projector writes it: an embedding for 100 ms, made of those of the words that are spoken there.

Versions:   numpy 2, torch 2.15, espeak-ng 1.51
"""

from collections import Counter
from difflib import SequenceMatcher

import numpy as np
import torch

from espeak import RATE, Speaker, utterance
from hearing import PAUSES
from pieces import MARKS

FRAME = 0.1  # seconds of speech in an embedding


class Sounds:
    """Which pieces stand for a spoken word: those of the spelling it has most often in `texts`."""

    def __init__(self, tokenizer, texts):
        spellings = {}
        for text in texts:
            for word in text.split():
                word = word.strip(MARKS)
                spellings.setdefault(word.lower(), Counter())[word] += 1
        self.tokenizer = tokenizer
        self.spellings = {word: min(found, key=lambda form: (-found[form], form)) for word, found in spellings.items()}
        self.words = sorted(self.spellings)
        self.known = {word: tokenizer.encode(form, add_special_tokens=False).ids
                      for word, form in self.spellings.items()}  # fmt: skip
        self.likes = {word: self._like(word) for word in self.words}

    def pieces(self, word):
        """The ids of a word in lower case, whether `texts` had it or not."""
        return self.known.get(word) or self.tokenizer.encode(word, add_special_tokens=False).ids

    def alike(self, piece, rng):
        """The first piece of a word that sounds like the one that `piece` stands for."""
        word = self.tokenizer.id_to_token(piece).strip("▁").lower()
        like = self.likes.get(word) or self.words
        return self.known[like[rng.integers(len(like))]][0]

    def _like(self, word):
        """The words whose letters are most like its own: as near as this comes to their sound."""
        near = sorted(((SequenceMatcher(None, word, other).ratio(), other) for other in self.words if other != word),
                      reverse=True)  # fmt: skip
        return [other for _, other in near[:5]]


def spans(text, words, phones, end):
    """(word in lower case, start, end) of an utterance, in seconds; pauses belong to no word.

    words, phones: as `espeak.utterance` gives them."""
    spoken = [word.strip(MARKS).lower() for word in text.split()]
    pauses = [start for start, name in phones if name in PAUSES]
    result = []
    for (start, index), (stop, _) in zip(words, [*words[1:], (end, None)]):
        result.append((spoken[index], start, next((pause for pause in pauses if start < pause < stop), stop)))
    return result


def piece_spans(sounds, timed):
    """(ids, starts, ends in seconds) of the pieces of timed words, which share a word's time by their letters."""
    ids, starts, ends = [], [], []
    for word, start, end in timed:
        pieces = sounds.pieces(word)
        letters = [max(1, len(sounds.tokenizer.id_to_token(piece).strip("▁"))) for piece in pieces]
        for piece, share in zip(pieces, letters):
            stop = start + (end - start) * share / sum(letters)
            letters = letters[1:]
            ids.append(piece)
            starts.append(start)
            ends.append(stop)
            start = stop
    return np.array(ids, np.int64), np.array(starts), np.array(ends)


def overlaps(starts, ends, frames):
    """(frames, pieces): which part of each frame is which piece's."""
    edges = np.arange(frames)[:, None] * FRAME
    shared = np.minimum(ends, edges + FRAME) - np.maximum(starts, edges)
    return (np.clip(shared, 0, None) / FRAME).astype(np.float32)


class Speech:
    """Draws what a projector could write of a sentence."""

    def __init__(self, sounds, tempo, rng):
        self.sounds, self.tempo, self.rng = sounds, tempo, rng

    def draw(self, text, hard, pace=1.0):
        """(ids of a sentence's pieces, their shares (frames, pieces)); with `hard` some words are wrong or unclear."""
        timed, end = self.tempo.timed(text, self.rng)
        if hard:
            timed = [(self.other(word) if self.rng.random() < 0.03 else word, start, stop)
                     for word, start, stop in timed if self.rng.random() > 0.02]  # fmt: skip
        ids, starts, ends = piece_spans(self.sounds, timed)
        shares = overlaps(starts * pace, ends * pace, max(1, int(end * pace / FRAME)))
        return self.blur(ids, shares) if hard and len(ids) else (ids, shares)

    def blur(self, ids, shares):
        """Each piece is mixed with one that sounds like it, mostly a little."""
        rng = self.rng
        doubt = rng.beta(0.6, 3.0, len(ids)).astype(np.float32)
        others = np.array([self.sounds.alike(piece, rng) for piece in ids], np.int64)
        return np.concatenate([ids, others]), np.concatenate([shares * (1 - doubt), shares * doubt], axis=1)

    def other(self, word):
        """A word that sounds like it, else any."""
        like = self.sounds.likes.get(word)
        if not like or self.rng.random() < 0.2:
            return self.sounds.words[self.rng.integers(len(self.sounds.words))]
        return like[self.rng.integers(len(like))]


class Tempo:
    """How long espeak-ng speaks each word, and what pauses are between sentences' parts: means over some clips."""

    def __init__(self, clips):
        speaker = Speaker()
        times = {}
        for clip in clips:
            sound, phones, words = utterance(speaker, clip["text"], clip["speech"])
            for word, start, end in spans(clip["text"], words, phones, len(sound) / RATE):
                times.setdefault(word, []).append((end - start) * clip["speech"]["rate"] / 160)
        self.seconds = {word: sum(found) / len(found) for word, found in times.items()}

    def timed(self, text, rng):
        """(word in lower case, start, end) of a sentence as some voice could speak it, and its end in seconds."""
        pace = rng.uniform(0.75, 1.25)
        at = rng.uniform(0, 0.3)
        result = []
        for word in text.split():
            said = word.strip(MARKS).lower()
            length = self.seconds.get(said, 0.06 * len(said) + 0.05) * pace * rng.uniform(0.8, 1.2)
            result.append((said, at, at + length))
            at += length + (word[-1] in MARKS) * rng.uniform(0, 0.3)
        return result, at + rng.uniform(0, 0.3)


def mixed(table, heard):
    """The frames (count, width) of each row: the mixture of its pieces' embeddings, on the device of `table`."""

    def there(values):
        return torch.from_numpy(values).to(table.device, non_blocking=True)

    return [there(shares) @ table[there(pieces)] for pieces, shares in heard]


def noisy(frames, scale, generator):
    """Gain, noise, and some frames that say nothing: drawn on the CPU, whatever the device of `frames`."""
    gain = torch.empty(len(frames), 1).uniform_(0.6, 1.2, generator=generator)
    noise = torch.randn(frames.shape, generator=generator)
    kept = (torch.rand(len(frames), 1, generator=generator) > 0.04).float()
    gain, noise, kept = (drawn.to(frames.device, non_blocking=True) for drawn in (gain, noise, kept))
    return frames * gain * kept + noise * scale
