"""PQN's updates (Gallici et al. 2025, algorithm 1) in float64: loss, gradients by complex steps, clipping, RAdam, and
after each so-manieth update the projection of the hidden layers' weights.

Reads one JSON question, writes one JSON answer: the weights after all minibatches, and each loss and mean of max Q from
before its update.
"""

import json
import sys

import numpy as np

STEP = 1e-30


def q_values(weights, states, question):
    """Dense layers with an optional weight norm, layer norm before each ReLU, none at the output."""
    x = states.astype(np.complex128)
    for layer in question["layers"]:
        kernel = weights[f"{layer}/kernel"]
        if f"{layer}/gain" in weights:
            kernel = kernel * weights[f"{layer}/gain"] / np.sqrt((kernel**2).sum(0))
        x = x @ kernel + weights[f"{layer}/bias"]
        if layer == question["layers"][-1]:
            return x
        if question["layerNorm"] != "none":
            mean = x.mean(-1, keepdims=True)
            variance = ((x - mean) ** 2).mean(-1, keepdims=True)
            x = (x - mean) / np.sqrt(variance + question["epsilon"])
            x = x * weights[f"{layer}_norm/gamma"] + weights[f"{layer}_norm/beta"]
        x = x * (x.real > 0)


def loss_of(weights, batch, question):
    values = q_values(weights, np.array(batch["states"]), question)
    chosen = values[np.arange(len(values)), batch["actions"]]
    return 0.5 * ((chosen - np.array(batch["returns"])) ** 2).mean(), values.real.max(1).mean()


def gradients_of(weights, batch, question):
    gradients = {}
    for name, array in weights.items():
        gradients[name] = np.zeros(array.shape)
        for index in np.ndindex(array.shape):
            moved = array.copy()
            moved[index] += 1j * STEP
            gradients[name][index] = loss_of({**weights, name: moved}, batch, question)[0].imag / STEP
    norm = np.sqrt(sum((gradient**2).sum() for gradient in gradients.values()))
    scale = min(1, question["maxGradientNorm"] / norm)
    return {name: gradient * scale for name, gradient in gradients.items()}


def norms_of(weights, layer):
    return np.sqrt((weights[f"{layer}/kernel"].real ** 2).sum(0))


def project(weights, m, v, first, question):
    """Every unit back to its first length; the moments of a v in terms of gradients that are so much larger."""
    for layer in question["layers"][:-1]:
        kernel, gain = f"{layer}/kernel", f"{layer}/gain"
        factor = norms_of(weights, layer) / norms_of(first, layer)
        weights[kernel] = weights[kernel] / factor
        if gain in weights:
            m[kernel], v[kernel] = m[kernel] * factor, v[kernel] * factor**2
            if question["projection"] == "gain":
                weights[gain] = first[gain]


question = json.load(sys.stdin)
weights = {name: np.array(values, np.complex128) for name, values in question["weights"].items()}
beta1, beta2, epsilon = (question["optimizer"][name] for name in ("beta1", "beta2", "epsilon"))
m = {name: np.zeros(array.shape) for name, array in weights.items()}
v = {name: np.zeros(array.shape) for name, array in weights.items()}
first = dict(weights)
longest = 2 / (1 - beta2) - 1
losses, mean_qs = [], []
for t, batch in enumerate(question["batches"], start=1):
    loss, mean_q = loss_of(weights, batch, question)
    losses.append(loss.real)
    mean_qs.append(mean_q)
    length = longest - 2 * t * beta2**t / (1 - beta2**t)
    for name, gradient in gradients_of(weights, batch, question).items():
        m[name] = beta1 * m[name] + (1 - beta1) * gradient
        v[name] = beta2 * v[name] + (1 - beta2) * gradient**2
        step = m[name] / (1 - beta1**t)
        if length >= 5:
            r = np.sqrt((length - 4) * (length - 2) * longest / ((longest - 4) * (longest - 2) * length))
            step = r * step / (np.sqrt(v[name] / (1 - beta2**t)) + epsilon)
        weights[name] = weights[name] - batch["learningRate"] * step
    if question["projection"] != "none" and t % question["period"] == 0:
        project(weights, m, v, first, question)
answer = {"weights": {name: array.real.tolist() for name, array in weights.items()}, "losses": losses}
json.dump({**answer, "meanQs": mean_qs}, sys.stdout)
