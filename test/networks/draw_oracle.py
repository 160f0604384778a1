"""Reference values for DRAW: the definitions in float64, gradients by complex steps.

Reads a JSON list of cases on stdin, writes a JSON list of {"values", "gradients"} on stdout; `gradients` are those of
sum(value x weight) over all values and their weights in `dy`. Written from the equations of Gregor et al. 2015, not
from the TypeScript: one example, one filter and one pixel at a time, and no derivative is derived. A complex step has
no difference of near numbers: f(p + ih) = f(p) + ih f'(p) up to h^2.
"""

import json
import sys

import numpy as np
from complex_step import solve


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def bank(center, delta, sigma, window_size, image_size):
    """[window_size, image_size] of one example."""
    filters = []
    for i in range(1, window_size + 1):
        mean = center + (i - window_size / 2 - 0.5) * delta  # equation 19
        row = [np.exp(-((a - mean) ** 2) / (2 * sigma**2)) for a in range(image_size)]  # equation 25
        filters.append(np.array(row) / (sum(row) + 1e-4))
    return np.array(filters)


def grid(linear, window_size, height, width):
    """Filters of rows and of columns, and gamma, from five linear outputs of one example."""
    y, x, log_delta, log_variance, log_gamma = linear
    delta = (max(height, width) - 1) / (window_size - 1) * np.exp(log_delta)
    sigma = np.exp(log_variance / 2)
    rows = bank((y + 1) / 2 * height, delta, sigma, window_size, height)
    columns = bank((x + 1) / 2 * width, delta, sigma, window_size, width)
    return rows, columns, np.exp(log_gamma)


def read(image, linear, window_size):
    rows, columns, gamma = grid(linear, window_size, *image.shape)
    return gamma * rows @ image @ columns.T


def write(window, linear, height, width):
    rows, columns, gamma = grid(linear, len(window), height, width)
    return rows.T @ window @ columns / gamma


def filter_bank_case(case, p):
    size = case["windowSize"], case["imageSize"]
    examples = zip(p["center"], p["delta"], p["sigma"], strict=True)
    return {"filters": np.array([bank(*example, *size) for example in examples])}


def read_case(case, p):
    pairs = zip(p["images"], p["linear"], strict=True)
    return {"windows": np.array([read(image, linear, case["windowSize"]) for image, linear in pairs])}


def write_case(case, p):
    pairs = zip(p["windows"], p["linear"], strict=True)
    return {"images": np.array([write(window, linear, case["height"], case["width"]) for window, linear in pairs])}


def weight(p, name):
    v = p[f"{name}/v"]
    if f"{name}/g" not in p:
        return v
    return p[f"{name}/g"] * v / np.sqrt((v * v).sum(axis=0) + 1e-12)


def affine(p, name, x):
    return x @ weight(p, f"{name}/kernel") + p[f"{name}/bias"]


def lstm(p, name, x, h, c):
    i, f, g, o = np.split(affine(p, name, x) + h @ weight(p, f"{name}/recurrent_kernel"), 4)
    to_input, to_forget, to_output = p[f"{name}/peepholes"]
    c_next = sigmoid(f + to_forget * c) * c + sigmoid(i + to_input * c) * np.tanh(g)
    return sigmoid(o + to_output * c_next) * np.tanh(c_next), c_next


def bound_of_one(case, p, x, noise):
    """noise [steps, latent units] of one example."""
    encoder_units, decoder_units = (p[f"{name}/peepholes"].shape[1] for name in ("encoder", "decoder"))
    h_enc = c_enc = np.zeros(encoder_units)
    h_dec = c_dec = np.zeros(decoder_units)
    canvas = np.zeros(x.shape)
    kl = 0
    for epsilon in noise:
        error = x - sigmoid(canvas)
        where = affine(p, "read_attention", h_dec)
        glimpses = [read(picture, where, case["readSize"]).reshape(-1) for picture in (x, error)]
        h_enc, c_enc = lstm(p, "encoder", np.concatenate([*glimpses, h_dec]), h_enc, c_enc)
        mean, log_sigma = np.split(affine(p, "latent", h_enc), 2)
        sigma = np.exp(log_sigma)
        for m, s in zip(mean, sigma, strict=True):
            kl = kl + (m**2 + s**2 - np.log(s**2)) / 2 - 1 / 2
        h_dec, c_dec = lstm(p, "decoder", mean + sigma * epsilon, h_dec, c_dec)
        window = affine(p, "write_window", h_dec).reshape(case["writeSize"], case["writeSize"])
        canvas = canvas + write(window, affine(p, "write_attention", h_dec), *x.shape)
    probability = sigmoid(canvas)
    reconstruction = -(x * np.log(probability) + (1 - x) * np.log(1 - probability)).sum()
    return reconstruction, kl


def bound_case(case, p):
    images, noise = np.array(case["images"]), np.array(case["noise"])
    parts = [bound_of_one(case, p, x, noise[:, i]) for i, x in enumerate(images)]
    reconstruction, kl = np.array(parts).T
    return {"bound": -(reconstruction + kl), "reconstruction": reconstruction, "kl": kl}


CASES = {"filterBank": filter_bank_case, "read": read_case, "write": write_case, "bound": bound_case}

json.dump([solve(case, CASES[case["kind"]]) for case in json.load(sys.stdin)], sys.stdout)
