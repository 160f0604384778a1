"""Layer normalization (Ba et al. 2016, equation 3) in float64: value and gradients of sum(value x weights).

Gradients by complex steps, so that no derivative is written down. Reads one JSON question, writes one JSON answer.
"""

import json
import sys

import numpy as np

STEP = 1e-30


def normalize(x, gamma, beta, axes, epsilon):
    mean = x.mean(axes, keepdims=True)
    variance = ((x - mean) ** 2).mean(axes, keepdims=True)
    return (x - mean) / np.sqrt(variance + epsilon) * gamma + beta


question = json.load(sys.stdin)
axes, epsilon = tuple(question["axes"]), question["epsilon"]
arrays = {name: np.array(question[name], np.complex128) for name in ("x", "gamma", "beta")}
weights = np.array(question["weights"])
answer = {"value": normalize(**arrays, axes=axes, epsilon=epsilon).real.tolist()}
for name, array in arrays.items():
    gradient = np.zeros(array.shape)
    for index in np.ndindex(array.shape):
        moved = array.copy()
        moved[index] += 1j * STEP
        value = normalize(**{**arrays, name: moved}, axes=axes, epsilon=epsilon)
        gradient[index] = (value * weights).sum().imag / STEP
    answer[name] = gradient.tolist()
json.dump(answer, sys.stdout)
