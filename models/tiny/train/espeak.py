"""Speech by espeak-ng with the time of every phone and word, for training without films.

Command:    python espeak.py VOICE RATE PITCH RANGE TEXT OUT.wav     writes one utterance at 16 kHz
Versions:   espeak-ng 1.51 (libespeak-ng.so.1 over ctypes), numpy 2, soxr 1.1

The samples are those that `espeak-ng -v VOICE -s RATE -p PITCH -m` writes for `<prosody range="RANGE%">TEXT</prosody>`:
bit for bit in the first utterance of a process (compared for five voices). In the following ones the library's
oscillators start elsewhere, and lengths differ by up to 10 ms. It keeps its state per process: use no threads.
"""

import ctypes
import sys
import wave
from xml.sax.saxutils import escape

import numpy as np
import soxr

RATE = 16000
SILENCE = 8  # of 32,768, as the corpus trims its clips
SYNCHRONOUS = 2  # AUDIO_OUTPUT_SYNCHRONOUS: samples come to the callback before espeak_Synth returns
PHONEME_EVENTS = 1
WORD, PHONEME = 1, 7  # espeak_EVENT_TYPE
SPEED, PITCH = 1, 3  # espeak_PARAMETER
# What the program passes with -m: the encoding of the locale is UTF-8, [[phonemes]] are read, the end has a pause.
FLAGS = 0x01 | 0x10 | 0x100 | 0x1000


class Event(ctypes.Structure):
    """`espeak_EVENT` of speak_lib.h."""

    _fields_ = [
        ("type", ctypes.c_int),
        ("identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", ctypes.c_char * 8),
    ]


class Voice(ctypes.Structure):
    """`espeak_VOICE` of speak_lib.h."""

    _fields_ = [
        ("name", ctypes.c_char_p),
        ("languages", ctypes.c_char_p),
        ("identifier", ctypes.c_char_p),
        ("gender", ctypes.c_ubyte),
        ("age", ctypes.c_ubyte),
        ("variant", ctypes.c_ubyte),
        ("unused", ctypes.c_ubyte),
        ("score", ctypes.c_int),
        ("spare", ctypes.c_void_p),
    ]


CALLBACK = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(Event))


class Speaker:
    """The library, opened once."""

    def __init__(self, library="libespeak-ng.so.1"):
        try:
            self.library = ctypes.CDLL(library)
        except OSError as error:
            raise SystemExit(f"{library}: {error}; install espeak-ng") from error
        self.rate = self.library.espeak_Initialize(SYNCHRONOUS, 0, None, PHONEME_EVENTS)
        if self.rate <= 0:
            raise SystemExit("espeak-ng does not find its data; install espeak-ng-data")
        self.callback = CALLBACK(self._take)
        self.library.espeak_SetSynthCallback(self.callback)
        self.chunks, self.events = [], []

    def _take(self, samples, count, events):
        if samples and count > 0:
            self.chunks.append(np.ctypeslib.as_array(samples, (count,)).copy())
        at = 0
        while events[at].type:
            event = events[at]
            if event.type in (WORD, PHONEME):
                name = bytes(event.id).split(b"\0")[0].decode("utf-8", "replace") if event.type == PHONEME else ""
                self.events.append((event.type, event.sample, event.text_position, event.length, name))
            at += 1
        return 0

    def say(self, text, voice, pitch, range, rate):
        """Samples as espeak-ng makes them (i16 at `self.rate`), and its raw events (type, sample, position, length,
        phone), positions in characters of the SSML, from 1."""
        name = voice.encode()
        # As the program does: a name, or else a language ("en-gb" is one, its voice has another name).
        if self.library.espeak_SetVoiceByName(name) != 0:
            wanted = Voice(languages=name)
            if self.library.espeak_SetVoiceByProperties(ctypes.byref(wanted)) != 0:
                raise SystemExit(f"espeak-ng has no voice {voice}; `espeak-ng --voices` lists them")
        self.library.espeak_SetParameter(SPEED, int(rate), 0)
        self.library.espeak_SetParameter(PITCH, int(pitch), 0)
        self.chunks, self.events = [], []
        ssml = f'<prosody range="{int(range)}%">{escape(text)}</prosody>'.encode()
        status = self.library.espeak_Synth(ssml, len(ssml) + 1, 0, 1, 0, FLAGS, None, None)
        if status != 0 or not self.chunks:
            raise SystemExit(f"espeak-ng did not speak {text!r} (status {status})")
        return np.concatenate(self.chunks), self.events


def utterance(speaker, text, speech):
    """One clip's speech: trimmed of digital silence, at 16 kHz, with times.

    speech: voice, pitch, range, rate as in script.jsonl.
    Returns samples (f32 in [-1, 1]), phones [(start s, name)], words [(start s, index into text.split())].
    """
    samples, events = speaker.say(text, **speech)
    loud = np.flatnonzero(np.abs(samples.astype(np.int32)) > SILENCE)
    if len(loud) == 0:
        raise SystemExit(f"espeak-ng was silent for {text!r}")
    first, last = loud[0], loud[-1] + 1
    sound = soxr.resample(samples[first:last].astype(np.float32) / 32768.0, speaker.rate, RATE, quality="HQ")
    before = len(f'<prosody range="{int(speech["range"])}%">')
    phones, said = [], []
    for kind, sample, position, length, name in events:
        time = max(0.0, float(sample - first) / speaker.rate)
        if kind == PHONEME:
            phones.append((time, name))
        elif length > 0:
            said.append((time, position - 1 - before, length))
    return sound, phones, words_at(text, said, len(sound) / RATE)


def words_at(text, said, end):
    """When each word of `text` begins: [(start s, index into text.split())].

    said: espeak's word events (start s, position, length), which join words such as `of the` and miscount after some
    stops: each goes to the likeliest of the words to come, and a word left out takes its part of the one before.
    """
    words = text.split()
    starts = np.concatenate([[0], np.cumsum([len(escape(word)) + 1 for word in words])])
    found = []
    for time, position, length in said:
        after = found[-1][1] + 1 if found else 0
        if after < len(words):
            ahead = range(after, len(words))
            cost = [abs(starts[i] - position) + 2 * abs(len(words[i].strip(".,!?")) - length) for i in ahead]
            found.append((time, after + int(np.argmin(cost))))
    result = []
    for (time, index), (later, following) in zip(found, found[1:] + [(end, len(words))]):
        letters = np.cumsum([0] + [len(word) for word in words[index:following]])
        result += [(time + (later - time) * letters[i] / letters[-1], index + i) for i in range(following - index)]
    return result


def main():
    if len(sys.argv) != 7:
        raise SystemExit(f"espeak.py takes VOICE RATE PITCH RANGE TEXT OUT.wav, not {len(sys.argv) - 1} arguments")
    voice, rate, pitch, range, text, out = sys.argv[1:]
    speech = {"voice": voice, "rate": rate, "pitch": pitch, "range": range}
    sound, phones, words = utterance(Speaker(), text, speech)
    with wave.open(out, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes((np.clip(sound, -1, 1) * 32767).round().astype("<i2").tobytes())
    print("phones", [(round(time, 3), name) for time, name in phones])
    print("words", [(round(float(time), 3), text.split()[index]) for time, index in words])


if __name__ == "__main__":
    main()
