"""Reference values for the weight-norm layers: the definitions in float64, gradients by central differences.

Reads a JSON list of cases on stdin, writes a JSON list of {"y", "gradients"} on stdout. Written from the formulas of
Salimans & Kingma 2016, not from the TypeScript: the weight w = g v / ||v|| is built, outputs are never scaled, and no
derivative is derived.
"""

import json
import sys

import numpy as np

STEP = 1e-5


def conv2d(x, w, strides, padding):
    """x [n, h, w, c] * w [kh, kw, c, o], TensorFlow's padding rules."""
    (sh, sw), (kh, kw) = strides, w.shape[:2]
    if padding == "same":
        total = [
            max((-(-size // s) - 1) * s + k - size, 0)
            for size, s, k in zip(x.shape[1:3], strides, (kh, kw), strict=True)
        ]
        pads = [(t // 2, t - t // 2) for t in total]
        x = np.pad(x, ((0, 0), *pads, (0, 0)))
    rows = (x.shape[1] - kh) // sh + 1
    cols = (x.shape[2] - kw) // sw + 1
    y = np.empty((x.shape[0], rows, cols, w.shape[3]))
    for i in range(rows):
        for j in range(cols):
            patch = x[:, i * sh : i * sh + kh, j * sw : j * sw + kw, :]
            y[:, i, j, :] = np.tensordot(patch, w, axes=([1, 2, 3], [0, 1, 2]))
    return y


def forward(case, p):
    w = p["kernel"]
    axes = tuple(range(w.ndim - 1))
    if "gain" in p:
        w = p["gain"] * w / np.sqrt((w**2).sum(axis=axes) + case["epsilon"])
    t = p["x"] @ w if case["kind"] == "dense" else conv2d(p["x"], w, case["strides"], case["padding"])
    if case["meanOnly"]:
        t = t - t.mean(axis=tuple(range(t.ndim - 1)))
    return t + p["bias"] if "bias" in p else t


def solve(case):
    p = {name: np.array(value, dtype=np.float64) for name, value in case["tensors"].items()}
    dy = np.array(case["dy"], dtype=np.float64)
    gradients = {}
    for name, value in p.items():
        flat, gradient = value.reshape(-1), np.empty(value.size)
        for i in range(value.size):
            kept = flat[i]
            # y is multiplied by dy before subtraction, so only the differing part is summed.
            flat[i] = kept + STEP
            above = forward(case, p)
            flat[i] = kept - STEP
            below = forward(case, p)
            flat[i] = kept
            gradient[i] = ((above - below) * dy).sum() / (2 * STEP)
        gradients[name] = gradient.reshape(value.shape).tolist()
    return {"y": forward(case, p).tolist(), "gradients": gradients}


json.dump([solve(case) for case in json.load(sys.stdin)], sys.stdout)
