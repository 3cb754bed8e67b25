"""Writes sample.mp4 and sample.txt: a drawn face that speaks one sentence, for tests and `affekt bench extract`.

Command:    python sample.py     (needs numpy and pillow, and the commands espeak-ng and ffmpeg)
Seed:       none: every motion is a function of time

Picture: 480x360 at 25 frames a second, own drawing. Sound: espeak-ng's voice. The mouth opens with the sound's level.
"""

import math
import subprocess
import tempfile
import wave
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

HERE = Path(__file__).resolve().parent
SENTENCE = "I really love this film. The story is warm and funny, and I would see it again."
WIDTH, HEIGHT, RATE = 480, 360, 25
SCALE = 2  # drawn larger, then reduced, for smooth edges


def speak(path):
    subprocess.run(["espeak-ng", "-v", "en-us", "-s", "150", "-w", path, SENTENCE], check=True)
    with wave.open(str(path)) as file:
        rate = file.getframerate()
        samples = np.frombuffer(file.readframes(file.getnframes()), np.int16).astype(np.float32) / 32768
    return samples, rate


def levels(samples, rate):
    """Loudness around each frame, 0 to 1, smoothed so that the mouth does not flicker."""
    hop = rate / RATE
    count = int(len(samples) / hop)
    rms = [np.sqrt(np.mean(samples[int(i * hop) : int((i + 1) * hop)] ** 2) + 1e-9) for i in range(count)]
    smooth = np.convolve(rms, [0.25, 0.5, 0.25], mode="same")
    return np.clip(smooth / np.percentile(smooth, 95), 0, 1)


class Canvas:
    """Soft shapes in a head's own coordinates: (0, 0) between the eyes, 1 unit a head's half width."""

    def __init__(self, image, x, y, unit, roll):
        self.image, self.x, self.y, self.unit, self.roll = image, x, y, unit, roll

    def point(self, u, v):
        cos, sin = math.cos(self.roll), math.sin(self.roll)
        return (self.x + self.unit * (u * cos - v * sin), self.y + self.unit * (u * sin + v * cos))

    def oval(self, u, v, ru, rv, colour, blur=0.0, strength=1.0):
        turns = np.linspace(0, 2 * math.pi, 48, endpoint=False)
        self.shape([(u + ru * math.cos(t), v + rv * math.sin(t)) for t in turns], colour, blur, strength)

    def shape(self, outline, colour, blur=0.0, strength=1.0):
        mask = Image.new("L", self.image.size)
        ImageDraw.Draw(mask).polygon([self.point(u, v) for u, v in outline], fill=int(255 * strength))
        if blur:
            mask = mask.filter(ImageFilter.GaussianBlur(blur * self.unit))
        self.image.paste(colour, (0, 0), mask)


def backdrop():
    rows = np.linspace(0, 1, HEIGHT * SCALE)[:, None, None]
    columns = np.linspace(0, 1, WIDTH * SCALE)[None, :, None]
    top, bottom = np.array([120.0, 138, 150]), np.array([70.0, 84, 98])
    wall = top * (1 - rows) + bottom * rows + 14 * np.sin(3 * columns + 1)
    return Image.fromarray(np.clip(wall, 0, 255).astype(np.uint8))


def face(wall, time, level):
    image = wall.copy()
    sway, nod = math.sin(1.1 * time), math.sin(1.7 * time + 1)
    unit = 74 * SCALE
    centre = (WIDTH / 2 + 5 * sway) * SCALE, (150 + 3 * nod) * SCALE
    body = Canvas(image, WIDTH / 2 * SCALE, 150 * SCALE, unit, 0)
    body.oval(0, 3.15, 2.3, 1.35, (52, 62, 92), 0.03)
    head = Canvas(image, *centre, unit, 0.03 * sway)
    skin, shade, light, dark = (214, 170, 146), (168, 118, 98), (236, 200, 178), (44, 32, 28)
    head.oval(0, 1.55, 0.48, 0.75, (176, 128, 108), 0.04)
    head.oval(0, -0.25, 1.12, 1.25, dark, 0.03)  # hair behind
    head.oval(-1.0, 0.25, 0.12, 0.24, shade, 0.02)
    head.oval(1.0, 0.25, 0.12, 0.24, shade, 0.02)
    head.oval(0, 0.30, 0.98, 1.22, skin, 0.02)
    head.oval(0, -0.45, 0.55, 0.28, light, 0.12, 0.8)
    for side in (-1, 1):
        head.oval(0.80 * side, 0.55, 0.22, 0.75, shade, 0.13, 0.6)  # the cheek turns away
        head.oval(0.50 * side, 0.50, 0.22, 0.17, light, 0.10, 0.8)
        head.oval(0.42 * side, -0.02, 0.30, 0.20, shade, 0.09, 0.9)  # socket
    head.oval(0, 1.33, 0.40, 0.12, shade, 0.08, 0.8)
    fringe = [(-1.02, 0.0), (-0.95, -0.75), (-0.4, -1.15), (0.4, -1.15), (0.95, -0.75), (1.02, 0.0), (0.86, -0.35)]
    head.shape(fringe + [(0.55, -0.62), (0.0, -0.70), (-0.5, -0.60), (-0.86, -0.35)], dark, 0.03)
    open_eye = 0.0 if (time % 2.6) > 2.48 else 1.0
    for side in (-1, 1):
        brow = [(0.16, -0.24), (0.40, -0.34), (0.66, -0.25), (0.66, -0.18), (0.40, -0.25), (0.17, -0.16)]
        head.shape([(u * side, v) for u, v in brow], dark, 0.015)
        head.oval(0.42 * side, 0.0, 0.20, 0.02 + 0.075 * open_eye, (236, 232, 226), 0.01, open_eye)
        head.oval(0.42 * side + 0.02 * sway, 0.0, 0.085, 0.015 + 0.075 * open_eye, (58, 40, 30), 0.008)
        head.oval(0.42 * side + 0.02 * sway + 0.03, -0.03, 0.02, 0.02, (250, 250, 250), 0.004, open_eye)
        lid = [(0.20, -0.01), (0.30, -0.09), (0.42, -0.11), (0.55, -0.09), (0.64, 0.0), (0.55, -0.055), (0.42, -0.075)]
        head.shape([(u * side, v) for u, v in lid], dark, 0.008)
        head.oval(0.105 * side, 0.53, 0.055, 0.035, (110, 66, 54), 0.015, 0.9)  # nostril
        head.oval(0.15 * side, 0.30, 0.05, 0.24, shade, 0.05, 0.55)
    head.oval(0, 0.20, 0.06, 0.34, light, 0.05, 0.9)
    head.oval(0, 0.45, 0.11, 0.09, light, 0.05, 0.8)
    head.oval(0, 0.60, 0.18, 0.03, shade, 0.03, 0.9)
    opening = 0.02 + 0.14 * level
    smile = 0.05
    head.oval(0, 0.86, 0.34, 0.075 + opening / 2, (166, 84, 80), 0.02)
    head.oval(0, 0.86 + opening / 4, 0.25, opening / 2, (70, 24, 26), 0.012)
    for side in (-1, 1):
        head.oval(0.34 * side, 0.85 - smile, 0.05, 0.035, shade, 0.02, 0.9)
    head.oval(0, 1.06, 0.24, 0.04, shade, 0.04, 0.8)
    return image.resize((WIDTH, HEIGHT), Image.LANCZOS)


def main():
    with tempfile.TemporaryDirectory() as folder:
        sound = Path(folder) / "sound.wav"
        samples, rate = speak(sound)
        wall = backdrop()
        encode = [
            "ffmpeg", "-y", "-loglevel", "error", "-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{WIDTH}x{HEIGHT}",
            "-r", str(RATE), "-i", "-", "-i", str(sound), "-c:v", "libx264", "-preset", "slow", "-crf", "26",
            "-pix_fmt", "yuv420p", "-threads", "1", "-c:a", "aac", "-b:a", "64k", "-shortest",
            "-fflags", "+bitexact", "-flags:v", "+bitexact", "-flags:a", "+bitexact", str(HERE / "sample.mp4"),
        ]  # fmt: skip
        video = subprocess.Popen(encode, stdin=subprocess.PIPE)
        for index, level in enumerate(levels(samples, rate)):
            video.stdin.write(face(wall, index / RATE, level).tobytes())
        video.stdin.close()
        if video.wait() != 0:
            raise SystemExit("ffmpeg failed")
    (HERE / "sample.txt").write_text(SENTENCE + "\n")


if __name__ == "__main__":
    main()
