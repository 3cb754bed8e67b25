"""Batches of spoken sentences for the tiny WavLM: waveforms as the product hands them over, and what each frame is.

Versions:   torch 2.15, numpy 2, soxr 1.1, espeak-ng 1.51

Every batch is spoken anew: each sentence by a voice of the training split, in noise and at a level of its own.
"""

from dataclasses import dataclass, fields

import numpy as np
import torch

import espeak

HOP, FIELD, SHORTEST = 320, 400, 80  # samples between frames, under a frame, before the first
PAUSES = ("_:", "_", "_!", "_|", "_::")
ACCENTS = ("en-us", "en-gb", "en-gb-x-rp", "en-us-nyc")
COLOUR = 0.6  # of room noise
SKIP = -100  # no label: cross_entropy's own number


def word_of(written):
    """A word without stops and capitals."""
    return written.strip(".,!?").lower()


@dataclass
class Batch:
    """Rows are utterances, padded with zeros and SKIP. T: frames of the longest."""

    waves: torch.Tensor  # B x (320 T + 80)
    frames: torch.Tensor  # B, how many are valid
    phones: torch.Tensor  # B x T
    words: torch.Tensor  # B x T; 0: none
    onsets: torch.Tensor  # B x T, 1 in the first three frames of a word
    tune: torch.Tensor  # B x T x 3: log-energy, voicing, log-pitch
    manner: torch.Tensor  # B x 4: the voice's feeling, pitch, range and rate, each about -1 to 1
    clips: list

    def to(self, device):
        """The same with its tensors on a device."""
        values = (getattr(self, field.name) for field in fields(self))
        return Batch(*(value.to(device, non_blocking=True) if torch.is_tensor(value) else value for value in values))


class Words:
    """Numbers of phones and words; 0 is a pause, 1 what was not met in training."""

    def __init__(self, phones, words):
        self.phones = {name: index for index, name in enumerate(sorted(phones), 2)}
        self.words = {name: index for index, name in enumerate(sorted(words), 2)}
        self.names = ["", "?"] + sorted(words)

    @classmethod
    def of(cls, clips):
        """Those of a training set; its phones from some of its sentences, in all voices."""
        speaker, phones = espeak.Speaker(), set()
        for clip in clips[:: max(1, len(clips) // 400)]:
            phones |= {name for _, name in espeak.utterance(speaker, clip["text"], clip["speech"])[1]}
        words = {word_of(word) for clip in clips for word in clip["text"].split()}
        return cls(phones - set(PAUSES) - {";"}, words)


class Sounds(torch.utils.data.Dataset):
    """Item number N is the Nth batch: the same for the same seed."""

    def __init__(self, clips, names, size, steps, seed, vary):
        """vary: each sentence in a voice drawn among those of `clips`, level and noise too; else as the script says."""
        self.clips, self.names, self.seed, self.vary = clips, names, seed, vary
        variants = sorted({clip["speech"]["voice"].partition("+")[2] for clip in clips})
        self.voices = [f"{accent}+{variant}" for accent in ACCENTS for variant in variants]
        self.order = self._order(size, steps)
        self.speaker = None

    def _order(self, size, steps):
        """Which clips each batch has: epochs of shuffled groups of similar length."""
        rng = np.random.default_rng(self.seed)
        length = np.array([len(clip["text"]) / clip["speech"]["rate"] for clip in self.clips])
        order = []
        while len(order) < steps:
            chosen = np.argsort(length * rng.uniform(0.9, 1.1, len(length)) if self.vary else length)
            groups = [chosen[at : at + size] for at in range(0, len(chosen), size)]
            order += [groups[index] for index in rng.permutation(len(groups))]
        return order[:steps]

    def __len__(self):
        return len(self.order)

    def __getitem__(self, step):
        # Here, and not in __init__: every worker process needs a library of its own.
        self.speaker = self.speaker or espeak.Speaker()
        rng = np.random.default_rng([self.seed, step])
        clips = [self.clips[index] for index in self.order[step]]
        return collate([self._utterance(clip, rng) for clip in clips], clips)

    def _utterance(self, clip, rng):
        speech = dict(clip["speech"])
        if self.vary:
            speech["voice"] = self.voices[rng.integers(len(self.voices))]
        clean, phones, words = espeak.utterance(self.speaker, clip["text"], speech)
        before, after = (int(rng.uniform(0, 0.12) * espeak.RATE) if self.vary else 0 for _ in range(2))
        clean = np.concatenate([np.zeros(before), clean, np.zeros(after)]).astype(np.float32)
        decibels = rng.uniform(-55, -28) if self.vary else clip["noise_db"]
        heard = clean * (10 ** rng.uniform(-0.4, 0.3) if self.vary else 1) + noise(rng, len(clean), decibels)
        heard = (heard - heard.mean()) / np.sqrt(heard.var() + 1e-7)
        frames = (len(clean) - SHORTEST) // HOP
        moments = (np.arange(frames) * HOP + FIELD / 2 - before) / espeak.RATE
        return heard.astype(np.float32), *self._labels(clip, phones, words, moments), tune(clean, frames), manner(clip)

    def _labels(self, clip, phones, words, moments):
        """Phone, word and onset of each frame; espeak's `;` only softens what is before it."""
        phones = [(time, name) for time, name in phones if name != ";"]
        at = np.searchsorted([time for time, _ in phones], moments, side="right") - 1
        names = [0 if name in PAUSES else self.names.phones.get(name, 1) for _, name in phones]
        phone = np.where(at < 0, 0, np.array(names)[np.maximum(at, 0)])
        phone[moments > phones[-1][0] + 0.1] = 0
        said = [word_of(clip["text"].split()[index]) for _, index in words]
        starts = np.array([time for time, _ in words])
        at = np.searchsorted(starts, moments, side="right") - 1
        word = np.array([self.names.words.get(name, 1) for name in said])[np.maximum(at, 0)]
        since = moments - starts[np.maximum(at, 0)]
        silent = (at < 0) | (phone == 0)
        return phone, np.where(silent, 0, word), np.where((at >= 0) & (since < 0.06), 1.0, 0.0)


def noise(rng, length, decibels):
    """Room noise as in the corpus: each value keeps COLOUR of the one before."""
    # The filter's answer is over, to single precision, after these taps.
    taps = COLOUR ** np.arange(16) * np.sqrt(1 - COLOUR**2)
    return np.convolve(rng.standard_normal(length + 15), taps, "valid") * 10 ** (decibels / 20)


def tune(clean, frames):
    """Log-energy, voicing and log-pitch of each frame, by autocorrelation over 40 ms."""
    padded = np.pad(clean, (120, 760))
    view = np.lib.stride_tricks.sliding_window_view(padded, 640)[: frames * HOP : HOP][:frames]
    window = np.hanning(640).astype(np.float32)
    spectrum = np.abs(np.fft.rfft(view * window, 1024)) ** 2
    own = np.abs(np.fft.rfft(window, 1024)) ** 2
    lags = np.fft.irfft(spectrum)[:, :267] / (np.fft.irfft(own)[:267] / np.fft.irfft(own)[0])
    energy = lags[:, 0]
    lag = 40 + lags[:, 40:].argmax(1)
    loud = energy > 1e-4 * energy.max()
    voiced = loud & (lags[np.arange(frames), lag] > 0.55 * energy)
    level = np.log(energy / energy.max() + 1e-4) / 4 + 1
    return np.stack([level, voiced, np.where(voiced, np.log(espeak.RATE / lag / 140), 0)], 1).astype(np.float32)


def manner(clip):
    """What the utterance as a whole is to tell."""
    speech = clip["speech"]
    leanings = (speech["pitch"] - 50) / 20, (speech["range"] - 95) / 40, (speech["rate"] - 160) / 20
    return np.array([clip["voice"] / 1.5, *leanings], np.float32)


def collate(utterances, clips):
    """One batch of what `_utterance` returned."""
    longest = max(len(row[1]) for row in utterances)

    def padded(column, length, value):
        out = np.full((len(utterances), length, *utterances[0][column].shape[1:]), value, np.float32)
        for row, utterance in zip(out, utterances):
            part = utterance[column][:length]
            row[: len(part)] = part
        return torch.from_numpy(out)

    return Batch(
        waves=padded(0, HOP * longest + SHORTEST, 0),
        frames=torch.tensor([len(row[1]) for row in utterances]),
        phones=padded(1, longest, SKIP).long(),
        words=padded(2, longest, SKIP).long(),
        onsets=padded(3, longest, SKIP),
        tune=padded(4, longest, 0),
        manner=torch.from_numpy(np.stack([row[5] for row in utterances])),
        clips=clips,
    )
