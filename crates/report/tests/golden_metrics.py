"""Metrics of sentiment as scikit-learn, NumPy and SciPy compute them.

Command:    python golden_metrics.py        (rewrites golden/metrics.json and golden/metrics_paired.json beside this file, the same
                                      bytes every time)
Versions:   scikit-learn 1.9.1, NumPy 2.4.6, SciPy 1.17.1
Seed:       11
Tolerance:  1e-12 of the value, or of 1 where it is smaller; t and p 1e-10 of the value; counts are equal

Files:
  metrics.json          `cases`: predictions, labels (both as a float32 holds them), every metric, the confusion of 7 classes
                        and the error by bin; null is undefined
  metrics_paired.json   `tails`: (t, degrees of freedom, two-sided p); `cases`: results of two methods over seeds, mean and
                        deviation of the first, and SciPy's paired tests; null is undefined
"""

import json
import warnings
from pathlib import Path

import numpy as np
from scipy import special, stats
from sklearn.metrics import accuracy_score, confusion_matrix, f1_score, mean_absolute_error

OUT = Path(__file__).parent / "golden"
CLASSES = list(range(-3, 4))


def binary(predicted, truth):
    if len(truth) == 0:
        return None, None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a class without samples: zero_division at its default
        return accuracy_score(truth, predicted), f1_score(truth, predicted, average="weighted")


def classes(values, limit):
    # Adding 0 turns -0 into 0, which are one class.
    return (np.round(np.clip(values, -limit, limit)) + 0.0).astype(int)


def correlation(p, y):
    """NumPy's, in extended precision: in double, a mean is itself rounded, and nearly constant values show it."""
    if np.ptp(p) == 0 or np.ptp(y) == 0:
        return None
    p, y = p.astype(np.longdouble), y.astype(np.longdouble)
    return float(np.clip(np.corrcoef(p, y, dtype=np.longdouble)[0, 1], -1, 1))


def case(name, predictions, labels):
    p, y = (np.asarray(v, np.float32).astype(np.float64) for v in (predictions, labels))
    non0 = y != 0
    bins = classes(y, 3)
    has0_acc, has0_f1 = binary(p >= 0, y >= 0)
    non0_acc, non0_f1 = binary(p[non0] > 0, y[non0] > 0)
    return {
        "name": name, "predictions": p.tolist(), "labels": y.tolist(),
        "metrics": {
            "samples": len(y), "non0_samples": int(non0.sum()),
            "mae": mean_absolute_error(y, p), "corr": correlation(p, y),
            "acc7": accuracy_score(bins, classes(p, 3)), "acc5": accuracy_score(classes(y, 2), classes(p, 2)),
            "acc2_has0": has0_acc, "f1_has0": has0_f1, "acc2_non0": non0_acc, "f1_non0": non0_f1,
        },
        "confusion": confusion_matrix(bins, classes(p, 3), labels=CLASSES).tolist(),
        "bins": [
            [c, int(at.sum()), float(np.abs(p - y)[at].mean()), float((p - y)[at].mean())] if at.any() else [c, 0, None, None]
            for c in CLASSES for at in [bins == c]
        ],
    }


def cases(draw):
    yield case("one sample", [1.3], [1.0])
    yield case("one sample, label zero", [-0.2], [0.0])
    yield case("two samples", [0.1, -0.4], [2.0, -1.0])
    yield case("every label zero", [0.4, -0.3, 0.0, 2.0], [0.0] * 4)
    yield case("every label zero, every prediction negative", [-0.4, -0.3, -2.0], [0.0, -0.0, 0.0])
    yield case("constant prediction", [0.3] * 6, [-2.0, -1.0, 0.0, 1 / 3, 1.0, 3.0])
    yield case("constant prediction of zero", [0.0] * 5, [-2.0, -1.0, 0.0, 1.0, 3.0])
    yield case("constant labels", [-1.0, 0.2, 0.9, 3.4], [1.0] * 4)
    yield case("both constant", [0.1] * 7, [0.1] * 7)
    yield case("no true negative", [-0.5, 0.5, 1.5], [1.0, 2.0, 3.0])
    yield case("no true positive", [-0.5, 0.5, 1.5], [-1.0, -2.0, -3.0])
    yield case("never predicted negative", [0.5, 0.1, 1.5, 2.0], [-1.0, 2.0, -3.0, 1.0])
    yield case("never predicted positive", [-0.5, -0.1, -1.5, -2.0], [-1.0, 2.0, -3.0, 1.0])
    yield case("all wrong", [-1.0, 1.0, -1.0], [1.0, -1.0, 2.0])
    halves = np.arange(-4, 4.25, 0.5)
    yield case("half-way predictions", np.tile(halves, 7), np.repeat(CLASSES, len(halves)))
    yield case("half-way labels", np.repeat([-3, -2, -1, 0, 1, 2, 3], 7), np.tile(halves[2:16:2] + 0.5, 7))
    yield case("half-way on both sides", np.tile(halves, 15), np.repeat(halves[1:16], len(halves)))
    near = np.array([np.nextafter(np.float32(h), np.float32(d)) for h in halves for d in (-9, 9)])
    yield case("next to half-way", np.tile(near, 3), np.repeat([-1.0, 0.5, 2.0], len(near)))
    yield case("far outside", [-40.0, 1e6, 3.6, -3.4, 2.51, 8.0], [-3.0, 3.0, 3.0, -3.0, 2.0, -2.0])
    yield case("zeros of both signs", [0.0, -0.0, 0.0, -0.0, 1.0, -1.0], [0.0, 0.0, -0.0, -0.0, 1.0, -0.0])
    yield case("zero predicted for labels that are not", [0.0, -0.0, 0.0, -0.0], [1.0, 1.0, -1.0, -1.0])
    one = np.float32(0.1)
    yield case("one float32 step from constant", [one, one, np.nextafter(one, np.float32(1)), one, one], [1.0, -1.0, 2.0, 0.5, -3.0])
    yield case("equal", [-2.0, -1 / 3, 0.0, 1.0], [-2.0, -1 / 3, 0.0, 1.0])
    yield case("opposite", [2.0, 1 / 3, 0.0, -1.0], [-2.0, -1 / 3, 0.0, 1.0])
    yield case("far from zero", 1e6 + draw.normal(size=40), draw.normal(size=40))
    for size in (2, 3, 5, 8, 13, 30, 64, 200, 700):
        # Labels as of CMU-MOSEI, means of three ratings; predictions related to them.
        labels = np.round(np.clip(draw.normal(0.4, 1.2, size), -3, 3) * 3) / 3
        yield case(f"ratings, {size}", 0.6 * labels + draw.normal(0, 0.8, size), labels)
    for size in (20, 90):
        yield case(f"quarters, {size}", draw.integers(-14, 15, size) / 4, draw.integers(-12, 13, size) / 4)
        yield case(f"continuous, {size}", draw.uniform(-5, 5, size), draw.uniform(-3, 3, size))


def two_tails(t, df):
    """By the incomplete beta function, of whichever argument is the smaller: `2 * stats.t.sf(t, df)` is off by 6e-10 of its
    value at t = 1e-9 and by 3e-9 at 2 degrees and t = 1e4."""
    x, y = df / (df + t * t), t * t / (df + t * t)
    return float(special.betainc(df / 2, 0.5, x) if x < y else special.betaincc(0.5, df / 2, y))


def test(name, a, b):
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    d = a - b
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        student = stats.ttest_rel(a, b) if len(d) > 1 and np.ptp(d) > 1e-12 else None
        ranks = stats.wilcoxon(a, b, method="exact") if len(d) > 1 and 0 < np.count_nonzero(d) <= 25 else None
    return {
        "name": name, "a": a.tolist(), "b": b.tolist(),
        "mean": a.mean(), "sd": a.std(ddof=1) if len(a) > 1 else None, "mean_difference": d.mean(),
        "t_test": student and [student.statistic, int(student.df), student.pvalue],
        "wilcoxon": ranks and [ranks.statistic, np.count_nonzero(d), ranks.pvalue],
    }


def tests(draw):
    yield test("one pair", [0.5], [0.4])
    yield test("two pairs", [0.51, 0.53], [0.54, 0.52])
    yield test("equal", [0.5, 0.51, 0.52], [0.5, 0.51, 0.52])
    yield test("one difference for all", [0.51, 0.52, 0.53, 0.54, 0.55], [0.5, 0.51, 0.52, 0.53, 0.54])
    yield test("one difference for all, exactly", [1.5, 2.5, 3.5], [1.0, 2.0, 3.0])
    yield test("all but one are zero", [1.0, 2.0, 3.0, 4.0], [1.0, 2.0, 3.5, 4.0])
    yield test("zeros and ties", [5, 4, 3, 3, 2, 7, 8, 1], [5, 3, 4, 1, 4, 7, 6, 0])
    yield test("ties with a fractional sum", [1, 2, 5, 7, 3], [2, 1, 2, 3, 8])
    yield test("ties with a fractional sum, the other way", [2, 1, 2, 3, 8], [1, 2, 5, 7, 3])
    yield test("far apart", 0.5 + 1e-4 * draw.normal(size=10), 0.9 + 1e-4 * draw.normal(size=10))
    for size in (3, 4, 5, 5, 5, 6, 10, 17, 24, 25, 26, 100):
        a = draw.normal(0.51, 0.004, size)
        yield test(f"seeds, {size}", a, a + draw.normal(0.002, 0.003, size))
    for size in (5, 12, 25):
        yield test(f"accuracies, {size}", draw.integers(540, 560, size) / 640, draw.integers(535, 556, size) / 640)


def plain(value):
    return value.item() if isinstance(value, np.generic) else value


def write(name, **lists):
    parts = [
        f'"{key}": [\n' + ",\n".join(json.dumps(entry, default=plain, allow_nan=False) for entry in entries) + "\n]"
        for key, entries in lists.items()
    ]
    OUT.mkdir(exist_ok=True)
    (OUT / name).write_text("{" + ",\n".join(parts) + "}\n", encoding="utf-8")


def main():
    draw = np.random.default_rng(11)
    write("metrics.json", cases=list(cases(draw)))
    degrees = [1, 2, 3, 4, 5, 9, 10, 24, 29, 99, 100, 999, 10000]
    sizes = [0.0, 1e-9, 1e-3, 0.1, 0.5, 1.0, 1.5, 2.0, 2.776, 3.0, 4.604, 6.0, 10.0, 30.0, 100.0, 1e4]
    # Below the smallest normal number a p has no 10 digits.
    tails = [[t, df, p] for df in degrees for t in sizes for p in [two_tails(t, df)] if p > 1e-300]
    tails += [[-t, df, p] for t, df, p in tails[20:40]]
    write("metrics_paired.json", tails=tails, cases=list(tests(draw)))


if __name__ == "__main__":
    main()
