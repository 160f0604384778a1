"""Reference values for the normalised recurrent layers: the definitions in float64, gradients by complex steps.

Reads a JSON list of cases on stdin, writes a JSON list of {"y", "gradients"} on stdout. Written from the formulas of
the papers, not from the TypeScript: w is built for each column of both kernels, the steps are taken one by one, and no
derivative is derived. A complex step has no difference of near numbers: f(p + ih) = f(p) + ih f'(p) up to h^2.
"""

import json
import sys

import numpy as np

STEP = 1e-30


def column_weights(case, v, gain):
    """w of v [rows, columns]; each column is one unit of one gate."""
    kind, epsilon, rows = case["normalization"], case["epsilon"], v.shape[0]
    if kind == "none":
        return v
    if kind == "weight":
        return gain * v / np.sqrt((v * v).sum(axis=0) + epsilon)
    centered = v - v.sum(axis=0) / rows
    squares = (centered * centered).sum(axis=0)
    if kind == "centered-weight":
        return gain * centered / np.sqrt(squares + epsilon)
    if kind == "weight-standardization":
        return centered / (np.sqrt(squares / rows) + epsilon)
    if kind == "scaled-weight-standardization":
        variance = squares / rows
        bounded = np.where(variance.real * rows > epsilon, variance * rows, epsilon)
        return case["activationGain"] * gain * centered / np.sqrt(bounded)
    raise ValueError(kind)


def hard_sigmoid(x):
    line = 0.2 * x + 0.5
    return np.where(line.real <= 0, 0, np.where(line.real >= 1, 1, line))


def simple_rnn(x, states, w, recurrent_w, bias):
    (h,) = states
    return (np.tanh(x @ w + h @ recurrent_w + bias),)


def lstm(x, states, w, recurrent_w, bias):
    h, c = states
    i, f, g, o = np.split(x @ w + h @ recurrent_w + bias, 4, axis=1)
    c = hard_sigmoid(f) * c + hard_sigmoid(i) * np.tanh(g)
    return hard_sigmoid(o) * np.tanh(c), c


def gru(x, states, w, recurrent_w, bias):
    """The reset gate acts on the state before the recurrent kernel."""
    (h,) = states
    xz, xr, xh = np.split(x @ w + bias, 3, axis=1)
    uz, ur, uh = np.split(recurrent_w, 3, axis=1)
    z = hard_sigmoid(xz + h @ uz)
    r = hard_sigmoid(xr + h @ ur)
    return (z * h + (1 - z) * np.tanh(xh + (r * h) @ uh),)


CELLS = {"simpleRNN": (simple_rnn, 1), "lstm": (lstm, 2), "gru": (gru, 1)}


def forward(case, p):
    """x [batch, steps, in] to y [batch, steps, units]."""
    step, state_count = CELLS[case["cell"]]
    constant = case.get("fixedGain")
    w = column_weights(case, p["kernel"], p.get("gain", constant))
    recurrent_w = column_weights(case, p["recurrent_kernel"], p.get("recurrentGain", constant))
    bias = p.get("bias", 0)
    x = p["x"]
    states = (np.zeros((x.shape[0], recurrent_w.shape[0])),) * state_count
    outputs = []
    for t in range(x.shape[1]):
        states = step(x[:, t], states, w, recurrent_w, bias)
        outputs.append(states[0])
    return np.stack(outputs, axis=1)


def solve(case):
    p = {name: np.array(value, dtype=np.complex128) for name, value in case["tensors"].items()}
    dy = np.array(case["dy"])
    gradients = {}
    for name, value in p.items():
        flat, gradient = value.reshape(-1), np.empty(value.size)
        for i in range(value.size):
            flat[i] += 1j * STEP
            gradient[i] = (forward(case, p).imag * dy).sum() / STEP
            flat[i] = flat[i].real
        gradients[name] = gradient.reshape(value.shape).tolist()
    return {"y": forward(case, p).real.tolist(), "gradients": gradients}


json.dump([solve(case) for case in json.load(sys.stdin)], sys.stdout)
