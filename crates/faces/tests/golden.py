"""Golden pictures for `affekt_faces::resize`: what Pillow makes of them bilinearly with antialias on 8-bit values.

Run:       python golden.py        (rewrites golden/resize.safetensors next to this file, and YuNet's, see yunet.py)
Versions:  Pillow 13, numpy 2.4, safetensors 0.8
Seed:      20260509
Tolerance: none; the Rust side must give the same bytes.

Two passes, across then down, as every Pillow up to 12 does, among them those that made the published features.
Pillow 13 goes down first where that is less work, and differs by one grey level here and there; so each pass is asked
for by itself, and for square to square, where all versions agree, it is checked that one call gives the same.

Each case N holds `source.N` (h, w, 3) u8, `box.N` (left, top, right, bottom) f64 and `resized.N` (h', w', 3) u8.
"""

from pathlib import Path

import numpy as np
from PIL import Image
from safetensors.numpy import save_file

import yunet

# (source width, source height), box or None for all of it, (width, height)
CASES = [
    ((112, 112), None, (224, 224)),  # the MANet input: enlarged by two
    ((140, 187), None, (112, 112)),  # a crop, reduced by a broken factor
    ((150, 140), (10.5, 3.25, 133.25, 126.0), (56, 56)),  # a square between pixels, reduced
    ((57, 41), None, (112, 33)),  # wider and lower at once
    ((90, 70), (3.25, 5.5, 71.75, 66.125), (56, 56)),  # a box between pixels
    ((400, 3), None, (7, 5)),  # reduced far in one direction
    ((1, 1), None, (4, 3)),
    ((64, 48), None, (64, 48)),  # nothing to do
]


def picture(rng: np.random.Generator, width: int, height: int) -> np.ndarray:
    """Slopes and full-range noise: both the rounding of flat areas and the clipping at edges are hit."""
    y, x = np.mgrid[0:height, 0:width]
    slope = np.stack([x * 255 / max(width - 1, 1), y * 255 / max(height - 1, 1), (x + y) % 256], axis=-1)
    noise = rng.integers(0, 256, (height, width, 3))
    mask = ((x // 9 + y // 9) % 2)[..., None]
    return np.where(mask == 0, slope, noise).astype(np.uint8)


def in_two_passes(source: Image.Image, box: tuple, size: tuple[int, int]) -> Image.Image:
    left, top, right, bottom = box
    across = source.resize((size[0], source.height), Image.Resampling.BILINEAR, box=(left, 0, right, source.height))
    return across.resize(size, Image.Resampling.BILINEAR, box=(0, top, size[0], bottom))


def main() -> None:
    rng = np.random.default_rng(20260509)
    tensors = {}
    for index, ((width, height), box, size) in enumerate(CASES):
        source = picture(rng, width, height)
        box = box or (0, 0, width, height)
        image = Image.fromarray(source)
        resized = in_two_passes(image, box, size)
        if box[2] - box[0] == box[3] - box[1] and size[0] == size[1]:
            assert resized == image.resize(size, Image.Resampling.BILINEAR, box=box)
        tensors[f"source.{index}"] = source
        tensors[f"box.{index}"] = np.array(box, dtype=np.float64)
        tensors[f"resized.{index}"] = np.asarray(resized)
    folder = Path(__file__).parent / "golden"
    folder.mkdir(exist_ok=True)
    save_file(tensors, folder / "resize.safetensors")
    yunet.main(folder)


if __name__ == "__main__":
    main()
