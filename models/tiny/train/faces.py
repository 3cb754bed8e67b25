"""Crops of a corpus's drawn faces, as the product makes them, for the trainer of the face encoder.

Versions:   numpy 2, pillow 12; the programs affekt and ffmpeg

Boxes from `affekt faces --json`, the crop recipe crop-box-112-v1 on the frame, Pillow's bilinear resize. A face counts
where a clip shows it; in the pauses expressions come and go. The embeddings of such crops differ from those of
`affekt extract` by less than a hundredth of their root mean square where both follow the face through the same frames.
"""

import hashlib
import json
import subprocess
from pathlib import Path

import common
import numpy as np
from PIL import Image

CROP = 112
EXPRESSIONS = ["neutral", "happy", "surprise", "sad", "fear", "disgust", "anger"]
EDGE, EVERY = 0.06, 0.24  # seconds: at a clip's ends that are left out, between two crops of a clip


def clips(corpus):
    """The clips of each video that has labels: (start, end, line of the script)."""
    lines = {(row["video"], str(row["clip"])): row for row in common.read_script(corpus / "script.jsonl")}
    found = {}
    for path in sorted((corpus / "Transcript/Segmented/Combined").glob("*.txt")):
        for line in path.read_text().splitlines():
            video, clip, start, end, _ = line.split("___", 4)
            found.setdefault(video, []).append((float(start), float(end), lines[video, clip]))
    return found


def told(command, remedy):
    """What a program writes; the end of this one, with what helps, where it fails or is not there."""
    try:
        return subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True).stdout
    except FileNotFoundError as error:
        raise SystemExit(f"{command[0]} is not there: {remedy}") from error
    except subprocess.CalledProcessError as error:
        raise SystemExit(f"{command[0]} failed with status {error.returncode}: {remedy}") from error


def boxes(affekt, films):
    """What the product finds in each film: time and box (x, y, width, height) of the speaker's face, by frame."""
    command = [affekt, "faces", "--json", "-q", *films]
    for line in told(command, "build it by `cargo build --release`, or name it with --affekt").splitlines():
        found = json.loads(line)
        speaker = found["speaker"]
        marks = {
            at["frame"]: (at["time"], [box[key] for key in ("x", "y", "width", "height")])
            for at in found["faces"] for box in at["boxes"] if speaker is not None and box["track"] == speaker
        }  # fmt: skip
        yield Path(found["input"]), marks


def frames(film):
    """All pictures of a film, in order."""
    probe = ["ffprobe", "-v", "error", "-select_streams", "v:0", "-show_entries", "stream=width,height"]
    size = told([*probe, "-of", "csv=p=0", film], "`cargo xtask setup` brings ffmpeg and ffprobe")
    width, height = (int(side) for side in size.strip().split(",")[:2])
    decode = ["ffmpeg", "-loglevel", "error", "-i", film, "-fps_mode", "passthrough", "-f", "rawvideo"]
    decode += ["-sws_flags", "bilinear+accurate_rnd+full_chroma_int", "-pix_fmt", "rgb24", "-threads", "1", "-"]
    with subprocess.Popen(decode, stdout=subprocess.PIPE) as process:
        while len(data := process.stdout.read(3 * width * height)) == 3 * width * height:
            yield Image.frombytes("RGB", (width, height), data)
    if process.returncode != 0:
        raise SystemExit(f"ffmpeg failed on {film}")


def crop(image, box):
    """The square of the recipe crop-box-112-v1, black outside the picture."""
    x, y, width, height = box
    side = max(width, height)
    left, top = x + width / 2 - side / 2, y + height / 2 + 0.04 * side - side / 2
    scale = side / CROP

    def inside(start, extent):
        return max(0, int(np.ceil(-start / scale))), min(CROP, int(np.floor((extent - start) / scale)))

    (c0, c1), (r0, r1) = inside(left, image.width), inside(top, image.height)
    result = Image.new("RGB", (CROP, CROP))
    if c1 > c0 and r1 > r0:
        part = (left + c0 * scale, top + r0 * scale, left + c1 * scale, top + r1 * scale)
        part = tuple(min(max(edge, 0.0), limit) for edge, limit in zip(part, 2 * image.size))
        result.paste(image.resize((c1 - c0, r1 - r0), Image.BILINEAR, box=part), (c0, r0))
    return np.asarray(result)


def gather(corpus, affekt):
    """Crops and what they show, of the train and the valid split, as arrays by name."""
    labelled = {video: rows for video, rows in clips(corpus).items() if rows[0][2]["split"] != "test"}
    if not labelled:
        raise SystemExit(f"{corpus} has no films of the train and valid split: make it by `cargo xtask replica` "
                         "without --script and --split")  # fmt: skip
    films = [corpus / "Videos/Full/Combined" / f"{video}.mp4" for video in labelled]
    kept = {name: [] for name in ("crops", "expression", "strength", "valence", "clip", "train")}
    for film, marks in boxes(affekt, films):
        wanted = {}
        for start, end, row in labelled[film.stem]:
            times = np.arange(start + EDGE, end - EDGE, EVERY) if row["visible"] else []
            for moment in times:
                near = min(marks, key=lambda frame: abs(marks[frame][0] - moment), default=None)
                if near is not None and abs(marks[near][0] - moment) < 0.03:
                    wanted[near] = row
        for index, image in enumerate(frames(film)):
            if index not in wanted:
                continue
            row = wanted[index]
            values = (crop(image, marks[index][1]), EXPRESSIONS.index(row["expression"]), row["strength"],
                      row["face"] / 3, row["id"], row["split"] == "train")  # fmt: skip
            for name, value in zip(kept, values):
                kept[name].append(value)
    return {name: np.array(values) for name, values in kept.items()}


def digest(corpus):
    """What tells a corpus from another one: the digest of its script."""
    path = corpus / "script.jsonl"
    common.read_script(path)  # which says what is wrong where it cannot be read
    return hashlib.sha256(path.read_bytes()).hexdigest()


def save(path, arrays):
    with open(path, "wb") as file:
        np.savez_compressed(file, **arrays)


def crops_of(folder, corpus, affekt):
    """The crops, from the folder where they are there already; those of another corpus are refused."""
    path = folder / "crops.npz"
    if not path.is_file():
        if corpus is None:
            raise SystemExit(f"{path} is not there: give --corpus DIR, a corpus of `cargo xtask replica`")
        crops = {**gather(corpus, affekt), "corpus": np.array(digest(corpus))}
        common.replace(path, lambda beside: save(beside, crops))
    with np.load(path) as file:
        crops = dict(file)
    if corpus is not None and str(crops.get("corpus")) != digest(corpus):
        raise SystemExit(f"{path} is not of the corpus {corpus}: remove it, or leave out --corpus")
    return crops
