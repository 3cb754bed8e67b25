"""Draws `sample.mp4`: a face of our own that speaks one sentence, for the demo and for tests.

Run:       python sample.py        (rewrites sample.mp4 and sample.txt next to this file)
Needs:     numpy 2, and the commands `ffmpeg` (with libx264) and `espeak-ng`
Seed:      20260509; the same versions give the same file
Licence:   MIT OR Apache-2.0, like all of affekt; nobody is shown, and the voice is eSpeak NG's

Lengths are in half widths of the head: u to the right, v down, the middle of the face at (0, 0).
"""

import io
import subprocess
import wave
from pathlib import Path

import numpy as np

SENTENCE = "I am really happy with the way this little film turned out."
VOICE = ["-v", "en-us", "-s", "150", "-p", "42", "-a", "120"]
SEED = 20260509
FPS = 25
WIDTH, HEIGHT = 480, 360
OVERSAMPLE = 2
HEAD = 72.0  # half width of the head in pixels
CENTRE = (240.0, 168.0)
LEAD, TAIL = 0.4, 0.5  # seconds before the first and after the last word
BLINKS = (0.75, 2.3, 3.75)

SKIN = np.array([226, 172, 142]) / 255
LIP = np.array([172, 84, 80]) / 255
HAIR = np.array([58, 40, 31]) / 255
SHIRT = np.array([48, 84, 112]) / 255
WALL = np.array([170, 178, 180]) / 255


# --- shapes: each returns its cover of every pixel, 0 to 1 ---


def ramp(value, low, high):
    """0 below `low`, 1 above `high`, smooth between."""
    t = np.clip((value - low) / (high - low), 0, 1)
    return t * t * (3 - 2 * t)


def ellipse(u, v, x, y, width, height, soft=0.08):
    distance = np.sqrt(((u - x) / width) ** 2 + ((v - y) / height) ** 2)
    return ramp(-distance, -1 - soft, -1 + soft)


def glow(u, v, x, y, width, height):
    """A hill without an edge."""
    return np.exp(-(((u - x) / width) ** 2) - ((v - y) / height) ** 2)


def stroke(u, v, x, y, width, bend, thick):
    """A line from x - width to x + width that is lower by `bend` at its ends and thins out there."""
    t = (u - x) / width
    along = np.clip(1 - t * t, 0, 1)
    return ramp(-np.abs(v - y - bend * t * t), -thick * np.sqrt(along) - 0.012, -thick * np.sqrt(along) + 0.012) * (along > 0)


def lay(picture, cover, colour):
    picture += cover[..., None] * (colour - picture)


def shade(picture, cover, factor):
    picture *= 1 + cover[..., None] * (factor - 1)


# --- the picture ---


def room(x, y):
    """A wall in soft light with a window's glow and the edge of a shelf, out of focus."""
    light = 0.80 + 0.25 * glow(x, y, 0.15, 0.2, 0.5, 0.6) - 0.30 * x * x
    picture = WALL * light[..., None]
    lay(picture, 0.8 * ramp(x, 0.80, 0.84), np.array([0.45, 0.36, 0.28]))
    shade(picture, 0.5 * ramp(x, 0.76, 0.82) * ramp(-x, -0.84, -0.80), 0.7)
    for place, width, tone in ((0.86, 0.018, (0.55, 0.30, 0.25)), (0.91, 0.022, (0.30, 0.42, 0.44)), (0.965, 0.02, (0.62, 0.55, 0.36))):
        book = ramp(-np.abs(x - place), -width - 0.006, -width + 0.006) * ramp(y, 0.30, 0.32) * ramp(-y, -0.63, -0.61)
        lay(picture, book, np.array(tone))
    return picture


def body(picture, u, v):
    """Shoulders, neck and the hair behind them."""
    lay(picture, ellipse(u, v, 0, -0.12, 1.20, 1.52, 0.03), HAIR * 0.75)
    lay(picture, ellipse(u, v, 0, 1.05, 1.12, 0.62, 0.06), HAIR * 0.65)
    neck = ramp(-np.abs(u), -0.60, -0.54) * ramp(v, 0.5, 0.6)
    tone = SKIN * (0.80 - 0.22 * u)[..., None]
    picture += neck[..., None] * (tone - picture)
    shade(picture, neck * glow(u, v, 0.0, 1.18, 0.8, 0.34), 0.50)
    top = 1.78 + 0.16 * u * u + 0.55 * np.clip(np.abs(u) - 1.3, 0, None) ** 2
    dip = 0.34 * np.exp(-((u / 0.46) ** 4))
    shirt = ramp(v - top - dip, -0.02, 0.04)
    folds = 1 + 0.10 * np.sin(3.1 * u + 1.2 * v) - 0.22 * np.clip(u, 0, 3) + 0.15 * glow(u, v, -1.2, 2.1, 0.9, 0.4)
    picture += shirt[..., None] * (SHIRT * folds[..., None] - picture)
    collar = ramp(-np.abs(v - top - dip - 0.05), -0.045, -0.03)
    shade(picture, collar * ramp(-np.abs(u), -0.85, -0.75), 1.25)


def outline(u, v):
    """Half width of the head at height `v`: an oval skull, cheekbones, a narrower jaw, a round chin."""
    skull = np.sqrt(np.clip(1 - (np.clip(-v, 0, None) / 1.42) ** 2, 0, 1))
    jaw = 1 - 0.27 * ramp(v, 0.15, 1.0)
    chin = np.sqrt(np.clip(1 - (np.clip(v - 0.35, 0, None) / 0.98) ** 2.6, 0, 1))
    return np.where(v < 0, skull, jaw * chin)


def light_of(u, v):
    """Lambert's law on an egg, lit from the upper left, with light from all around."""
    x, y = np.clip(u / 1.08, -1, 1), np.clip((v - 0.05) / 1.55, -1, 1)
    z = np.sqrt(np.clip(1 - x * x - y * y, 0.02, 1))
    normal = np.stack([x, 0.75 * y, 1.1 * z]) / np.sqrt(x * x + (0.75 * y) ** 2 + (1.1 * z) ** 2)
    light = np.array([-0.38, -0.48, 0.79])
    return 0.42 + 0.66 * np.clip(np.tensordot(light, normal, 1), 0, 1)


def head(picture, u, v, yaw, pitch, lids, mouth):
    """The face. Features lie on a dome: a turn moves those nearest to the viewer most."""
    half = outline(u, v)
    inside = ramp(half - np.abs(u), -0.025, 0.025) * (half > 0)
    for side in (-1, 1):
        ear = ellipse(u, v, side * 1.02 - 0.25 * yaw, 0.02, 0.13, 0.28, 0.1)
        lay(picture, ear, SKIN * 0.72)
        shade(picture, ellipse(u, v, side * 1.03 - 0.25 * yaw, 0.02, 0.06, 0.17, 0.5), 0.75)
    skin = SKIN * light_of(u, v)[..., None]
    dome = np.sqrt(np.clip(1.2 - u * u - (v / 1.5) ** 2, 0, None))
    u, v = u - yaw * dome, v - pitch * dome
    complexion(skin, u, v)
    nose(skin, u - 0.25 * yaw, v - 0.2 * pitch)
    for side in (-1, 1):
        eye(skin, u, v, side, lids)
    lips(skin, u, v, mouth)
    picture += inside[..., None] * (skin - picture)


def complexion(skin, u, v):
    """Sockets, cheeks, temples, the fold beside the mouth, the chin."""
    for side in (-1, 1):
        shade(skin, glow(u, v, side * 0.40, -0.22, 0.30, 0.17), 0.66)
        shade(skin, glow(u, v, side * 0.17, -0.16, 0.09, 0.20), 0.80)
        shade(skin, glow(u, v, side * 0.95, 0.25, 0.30, 0.75), 0.80)
        lay(skin, 0.30 * glow(u, v, side * 0.55, 0.28, 0.26, 0.20), np.array([0.86, 0.50, 0.44]))
        shade(skin, glow(u, v, side * 0.50, 0.10, 0.20, 0.10), 1.10)
        crease = np.exp(-(((u - side * (0.30 + 0.30 * (v - 0.25))) / 0.05) ** 2) - ((v - 0.45) / 0.20) ** 2)
        shade(skin, crease, 0.86)
    shade(skin, glow(u, v, -0.05, -0.75, 0.50, 0.30), 1.12)
    shade(skin, glow(u, v, 0, 1.08, 0.22, 0.14), 1.10)
    shade(skin, glow(u, v, 0, 0.90, 0.26, 0.06), 0.80)


def nose(skin, u, v):
    shade(skin, glow(u, v, -0.01, 0.02, 0.055, 0.34), 1.16)
    shade(skin, glow(u, v, 0.14, 0.12, 0.06, 0.26), 0.80)
    shade(skin, glow(u, v, -0.15, 0.16, 0.05, 0.20), 0.90)
    shade(skin, glow(u, v, 0.0, 0.27, 0.10, 0.09), 1.14)
    for side in (-1, 1):
        shade(skin, glow(u, v, side * 0.215, 0.31, 0.05, 0.09), 0.74)
        shade(skin, glow(u, v, side * 0.095, 0.385, 0.062, 0.030), 0.30)
    shade(skin, glow(u, v, 0.02, 0.44, 0.20, 0.055), 0.70)
    shade(skin, glow(u, v, 0.0, 0.50, 0.035, 0.06), 0.88)


def eye(skin, u, v, side, lids):
    """`lids` is how far the eye is open: 1 open, 0 shut."""
    x, y = side * 0.40, -0.17
    brow = stroke(u, v, x + side * 0.01, -0.445, 0.27, 0.075, 0.050)
    lay(skin, 0.88 * brow, HAIR * 0.8)
    t = np.clip(1 - ((u - x) / 0.195) ** 2, 0, 1)
    upper, lower = y - 0.105 * lids * t + 0.03 * (1 - lids), y + 0.070 * t * (0.35 + 0.65 * lids)
    ball = ramp(v - upper, -0.012, 0.012) * ramp(lower - v, -0.012, 0.012) * (t > 0) * ramp(lids, 0.05, 0.2)
    white = np.stack([np.full_like(u, tone) for tone in (0.90, 0.89, 0.86)], -1)
    shade(white, ramp(-(v - upper), -0.07, 0.0), 0.70)
    lay(white, ellipse(u, v, x, y - 0.01, 0.088, 0.088, 0.12), np.array([0.26, 0.19, 0.13]))
    lay(white, ellipse(u, v, x, y - 0.01, 0.042, 0.042, 0.2), np.array([0.03, 0.03, 0.03]))
    lay(white, ellipse(u, v, x - 0.03, y - 0.045, 0.020, 0.020, 0.4), np.array([1.0, 1.0, 1.0]))
    skin += ball[..., None] * (white - skin)
    lash = ramp(-np.abs(v - upper + 0.008), -0.030, -0.012) * ramp(t, 0.0, 0.15)
    lay(skin, 0.9 * lash, HAIR * 0.45)
    crease = ramp(-np.abs(v - upper + 0.065), -0.028, -0.008) * ramp(t, 0.05, 0.4)
    shade(skin, crease, 0.80)
    shade(skin, ramp(-np.abs(v - lower - 0.012), -0.024, -0.006) * ramp(t, 0.05, 0.3), 0.80)


def lips(skin, u, v, mouth):
    """`mouth` is how far it is open, 0 to 1."""
    width = 0.335 - 0.035 * mouth
    t = np.clip(1 - (u / width) ** 2, 0, 1)
    y = 0.665 - 0.045 * (u / width) ** 2  # the corners are higher: a smile
    bow = 0.016 * np.exp(-((u / 0.05) ** 2))
    upper, lower = y - 0.015 * mouth * t, y + (0.012 + 0.165 * mouth) * t
    top, bottom = upper - 0.075 * t**0.8 + bow, lower + 0.105 * t**0.7
    both = ramp(v - top, -0.014, 0.014) * ramp(bottom - v, -0.014, 0.014) * (t > 0)
    tone = LIP * (0.82 + 0.35 * ramp(v - lower, -0.02, 0.06))[..., None]
    skin += (0.85 * both)[..., None] * (tone - skin)
    shade(skin, glow(u, v, -0.04, 0.665 + 0.165 * mouth + 0.065, 0.13, 0.026), 1.22)
    hole = ramp(v - upper, -0.010, 0.012) * ramp(lower - v, -0.010, 0.012) * (t > 0)
    inner = np.stack([np.full_like(u, tone) for tone in (0.20, 0.07, 0.07)], -1)
    teeth = ramp(-(v - upper - 0.055 * mouth - 0.005), -0.01, 0.01) * ramp(-np.abs(u), -0.24, -0.18) * min(1, 3 * mouth)
    lay(inner, teeth, np.array([0.86, 0.83, 0.78]))
    skin += hole[..., None] * (inner - skin)
    lay(skin, 0.7 * ramp(-np.abs(v - y), -0.022, -0.006) * ramp(t, 0, 0.1) * (1 - min(1, 4 * mouth)), np.array([0.28, 0.10, 0.10]))
    shade(skin, glow(u, v, 0, bottom.max() + 0.03, 0.20, 0.035), 0.80)


def fringe(picture, u, v, yaw):
    """Hair over forehead and temples, parted on one side, with strands that catch the light."""
    arc = np.sqrt(np.clip(1 - (u / 1.15) ** 2, 0, 1))
    edge = -0.80 - 0.22 * np.clip(arc, 0, 1) + 0.42 * np.abs(u + 0.15 - 0.3 * yaw) ** 2.2
    top = ellipse(u, v, 0, -0.12, 1.16, 1.47, 0.03)
    hair = top * ramp(edge - v, -0.05, 0.05)
    for side in (-1, 1):
        lock = ellipse(u, v, side * 1.06, 0.15, 0.20, 0.95, 0.15) * ramp(-v, -1.05, -0.85)
        hair = np.maximum(hair, lock)
    strands = 0.95 + 0.16 * np.sin(34 * u + 9 * v * u) + 0.10 * np.sin(71 * u - 5 * v)
    shine = 1 + 0.9 * glow(u, v, -0.42, -1.18, 0.42, 0.12)
    tone = HAIR * (strands * shine)[..., None]
    picture += hair[..., None] * (tone - picture)


def draw(pose, lids, mouth):
    """One frame as (HEIGHT, WIDTH, 3) bytes."""
    x0, y0, roll, yaw, pitch = pose
    rows, columns = HEIGHT * OVERSAMPLE, WIDTH * OVERSAMPLE
    y, x = np.mgrid[0:rows, 0:columns]
    x, y = (x + 0.5) / OVERSAMPLE, (y + 0.5) / OVERSAMPLE
    picture = room(x / WIDTH, y / HEIGHT)
    body(picture, (x - CENTRE[0] - 0.3 * x0) / HEAD, (y - CENTRE[1] - 0.3 * y0) / HEAD)
    du, dv = (x - CENTRE[0] - x0) / HEAD, (y - CENTRE[1] - y0) / HEAD
    u, v = np.cos(roll) * du + np.sin(roll) * dv, np.cos(roll) * dv - np.sin(roll) * du
    head(picture, u, v, yaw, pitch, lids, mouth)
    fringe(picture, u, v, yaw)
    picture = picture.reshape(HEIGHT, OVERSAMPLE, WIDTH, OVERSAMPLE, 3).mean((1, 3))
    return (np.clip(picture, 0, 1) * 255 + 0.5).astype(np.uint8)


# --- voice and motion ---


def speak():
    """The sentence as (samples, rate), with silence before and after."""
    raw = subprocess.run(["espeak-ng", *VOICE, "--stdout", SENTENCE], check=True, capture_output=True).stdout
    with wave.open(io.BytesIO(raw)) as file:
        rate = file.getframerate()
        samples = np.frombuffer(file.readframes(10**9), dtype="<i2").astype(np.float32) / 32768
    samples = samples[: np.nonzero(np.abs(samples) > 1e-3)[0][-1] + 1]
    samples = np.concatenate([np.zeros(int(LEAD * rate)), samples, np.zeros(int(TAIL * rate))])
    length = -(-len(samples) * FPS // rate)  # whole frames
    return np.pad(samples, (0, length * rate // FPS - len(samples))).astype(np.float32), rate


def openings(samples, rate):
    """How far the mouth is open in each frame: the loudness around it."""
    step = rate // FPS
    frames = len(samples) // step
    loud = np.sqrt((samples[: frames * step].reshape(frames, step) ** 2).mean(1))
    loud = np.convolve(np.pad(loud, 1, mode="edge"), [0.2, 0.6, 0.2], mode="valid")
    return np.clip(loud / np.quantile(loud, 0.93), 0, 1) ** 0.8


def motion(frames):
    """Pose (x, y, roll, yaw, pitch) of each frame: slow waves of random phase, and how far the eyes are open."""
    rng = np.random.default_rng(SEED)
    time = np.arange(frames) / FPS
    size = np.array([6.0, 3.0, 0.035, 0.085, 0.045])
    pose = np.zeros((frames, 5))
    for rhythm, share in ((0.23, 0.6), (0.47, 0.3), (0.9, 0.1)):
        phase = rng.uniform(0, 2 * np.pi, 5)
        pose += share * np.sin(2 * np.pi * rhythm * time[:, None] + phase)
    lids = np.ones(frames)
    for blink in BLINKS:
        lids = np.minimum(lids, np.clip(np.abs(time - blink) / 0.09 - 0.35, 0, 1))
    return pose * size, lids


def encode(frames, samples, rate, path):
    sound = path.with_suffix(".wav")
    with wave.open(str(sound), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes((np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes())
    picture = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{WIDTH}x{HEIGHT}", "-r", str(FPS), "-i", "-"]
    video = ["-c:v", "libx264", "-preset", "slow", "-crf", "25", "-pix_fmt", "yuv420p", "-threads", "1"]
    colour = ["-vf", "scale=out_color_matrix=bt709:out_range=tv", "-colorspace", "bt709", "-color_range", "tv"]
    audio = ["-c:a", "aac", "-b:a", "64k"]
    exact = ["-fflags", "+bitexact", "-flags:v", "+bitexact", "-flags:a", "+bitexact", "-movflags", "+faststart"]
    command = ["ffmpeg", "-v", "error", "-y", *picture, "-i", str(sound), *colour, *video, *audio, *exact, str(path)]
    try:
        subprocess.run(command, input=b"".join(frame.tobytes() for frame in frames), check=True)
    finally:
        sound.unlink()


def main():
    folder = Path(__file__).parent
    samples, rate = speak()
    mouths = openings(samples, rate)
    poses, lids = motion(len(mouths))
    frames = (draw(*each) for each in zip(poses, lids, mouths))
    encode(frames, samples, rate, folder / "sample.mp4")
    (folder / "sample.txt").write_text(SENTENCE + "\n")


if __name__ == "__main__":
    main()
