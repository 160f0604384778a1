"""Reference values for ConvPool-CNN-C: the forward pass in float64.

Reads a JSON list of cases on stdin, writes a JSON list of {"noisy", "clean"} logits on stdout: with noise as in
training (statistics of the batch), and without, as in evaluation (running averages). Written from the paper's table,
not from the TypeScript.
"""

import json
import sys

import numpy as np

LAYERS = [
    *[(f"conv{i}", "same") for i in (1, 2, 3)],
    "pool1",
    *[(f"conv{i}", "same") for i in (4, 5, 6)],
    "pool2",
    *[(f"conv{i}", "valid") for i in (7, 8, 9)],
]


def convolve(x, w, padding):
    """x [batch, height, width, in], w [k, k, in, out], stride 1: a sum over the k x k shifts."""
    k = w.shape[0]
    if padding == "same":
        x = np.pad(x, ((0, 0), (k // 2, k // 2), (k // 2, k // 2), (0, 0)))
    height, width = x.shape[1] - k + 1, x.shape[2] - k + 1
    shifts = [(i, j) for i in range(k) for j in range(k)]
    return sum(x[:, i : i + height, j : j + width] @ w[i, j] for i, j in shifts)


def linear(case, p, name, x, padding=None):
    """t = x * w, normalised, plus b."""
    kernel, output = case["kernelNormalization"], case["outputNormalization"]
    w = p[f"{name}/kernel"]
    if kernel == "weight":
        w = p[f"{name}/gain"] * w / np.sqrt((w * w).sum(axis=tuple(range(w.ndim - 1))) + 1e-12)
    t = x @ w if padding is None else convolve(x, w, padding)
    axes = tuple(range(t.ndim - 1))
    training = case["training"]
    if output is not None:
        t = t - (t.mean(axis=axes) if training else p[f"{name}/movingMean"])
    if output == "batch":
        variance = (t * t).mean(axis=axes) if training else p[f"{name}/movingVariance"]
        t = t / np.sqrt(variance + 1e-5) * p[f"{name}/scale"]
    return t + p[f"{name}/bias"]


def max_pool(x):
    batch, height, width, channels = x.shape
    return x.reshape(batch, height // 2, 2, width // 2, 2, channels).max(axis=(2, 4))


def forward(case, p):
    x = p["images"]
    if case["training"]:
        x = x + 0.15 * p["inputNoise"]
    for layer in LAYERS:
        if layer in ("pool1", "pool2"):
            x = max_pool(x)
            if case["training"]:
                x = x * p["dropoutMask1" if layer == "pool1" else "dropoutMask2"] / 0.5
        else:
            name, padding = layer
            t = linear(case, p, name, x, padding)
            x = np.where(t > 0, t, 0.1 * t)
    return linear(case, p, "logits", x.mean(axis=(1, 2)))


def solve(case):
    p = {name: np.array(value, dtype=np.float64) for name, value in case["tensors"].items()}
    noisy, clean = (forward({**case, "training": training}, p).tolist() for training in (True, False))
    return {"noisy": noisy, "clean": clean}


json.dump([solve(case) for case in json.load(sys.stdin)], sys.stdout)
