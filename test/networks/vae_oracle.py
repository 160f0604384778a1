"""Reference values for the VAE: the definitions in float64, gradients by complex steps.

Reads a JSON case on stdin, writes {"values", "gradients"} on stdout; `gradients` are those of sum(value x weight) over
all values and their weights in `dy`. Written from the equations of Kingma & Welling 2014 and Kingma et al. 2016, not
from the TypeScript, and no derivative is derived. A complex step has no difference of near numbers:
f(p + ih) = f(p) + ih f'(p) up to h^2.
"""

import json
import sys

import numpy as np
from complex_step import solve


def elu(x):
    return np.where(x.real > 0, x, np.exp(x) - 1)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def larger(x, least):
    return np.where(x.real > least, x, least)


def weight(p, name, axes, mask=1):
    """Norms run over `axes`, all but the output unit's."""
    v = p[f"{name}/kernel"] * mask
    if f"{name}/gain" not in p:
        return v
    norm = np.sqrt((v * v).sum(axis=axes, keepdims=True) + 1e-12)
    shape = [1 if axis in axes else size for axis, size in enumerate(v.shape)]
    return p[f"{name}/gain"].reshape(shape) * v / norm


def dense(p, name, x):
    return x @ weight(p, name, (0,)) + p[f"{name}/bias"]


def conv(p, name, x, stride=1):
    """3x3; padded as TensorFlow's 'same': of an odd number of zeros the larger half goes behind."""
    batch, *size, _ = x.shape
    out = [-(-n // stride) for n in size]
    pads = [max((o - 1) * stride + 3 - n, 0) for o, n in zip(out, size, strict=True)]
    x = np.pad(x, [(0, 0), *[(pad // 2, pad - pad // 2) for pad in pads], (0, 0)])
    w = weight(p, name, (0, 1, 2))
    y = np.zeros([batch, *out, w.shape[3]], dtype=complex)
    for i in range(out[0]):
        for j in range(out[1]):
            window = x[:, i * stride : i * stride + 3, j * stride : j * stride + 3]
            y[:, i, j] = np.einsum("bhwc,hwco->bo", window, w)
    return y + p[f"{name}/bias"]


def conv_transpose(p, name, x):
    """3x3, stride 2: each input pixel adds its kernel [height, width, out, in]; what overhangs is cut off behind."""
    batch, height, width, _ = x.shape
    w = weight(p, name, (0, 1, 3))
    y = np.zeros([batch, 2 * height + 1, 2 * width + 1, w.shape[2]], dtype=complex)
    for i in range(height):
        for j in range(width):
            y[:, 2 * i : 2 * i + 3, 2 * j : 2 * j + 3] += np.einsum("bc,hwoc->bhwo", x[:, i, j], w)
    return y[:, :-1, :-1] + p[f"{name}/bias"]


def residuals(p, name, x, blocks):
    for block in range(blocks):
        inner = conv(p, f"{name}_block{block}_conv0", elu(x))
        x = x + 0.1 * conv(p, f"{name}_block{block}_conv1", elu(inner))
    return x


def encode(case, p, images):
    if case["likelihood"] != "bernoulli":
        images = (images + 0.5) / 256 - 0.5
    x = conv(p, "encoder_input", images)
    for i in range(len(case["maps"])):
        if i > 0:
            x = conv(p, f"encoder_down{i}", elu(x), stride=2)
        x = residuals(p, f"encoder{i}", x, case["blocks"])
    context = elu(dense(p, "encoder_dense", elu(x).reshape(len(x), -1)))
    mean, log_sigma = np.split(dense(p, "posterior", context), 2, axis=1)
    return mean, log_sigma, context


def flow(case, p, z, context):
    """One hidden layer a step; hidden unit j sees the first j mod D units of z in the step's order, and the context."""
    units = z.shape[1]
    log_scale = np.zeros_like(z)
    for step in range(case["flowSteps"]):
        order = list(range(units)) if step % 2 == 0 else list(range(units))[::-1]
        hidden, output = f"flow{step}_hidden", f"flow{step}_output"
        hidden_units = len(p[f"{hidden}/bias"])
        to_hidden = np.ones([units + context.shape[1], hidden_units])
        to_output = np.zeros([hidden_units, 2 * units])
        for j in range(hidden_units):
            seen = order[: j % units]
            to_hidden[[i for i in range(units) if i not in seen], j] = 0
            for i in order[j % units :]:
                to_output[j, [i, units + i]] = 1
        h = elu(np.concatenate([z, context], axis=1) @ weight(p, hidden, (0,), to_hidden) + p[f"{hidden}/bias"])
        m, s = np.split(h @ weight(p, output, (0,), to_output) + p[f"{output}/bias"], 2, axis=1)
        gate = sigmoid(s + 2)
        z = gate * z + (1 - gate) * m
        log_scale = log_scale + np.log(gate)
    return z, log_scale


def decode(case, p, z):
    height, width = (n // 2 ** (len(case["maps"]) - 1) for n in case["size"])
    x = dense(p, "decoder_maps", elu(dense(p, "decoder_dense", z))).reshape(len(z), height, width, -1)
    for i in reversed(range(len(case["maps"]))):
        x = residuals(p, f"decoder{i}", x, case["blocks"])
        if i > 0:
            x = conv_transpose(p, f"decoder_up{i}", elu(x))
    return conv(p, "decoder_output", elu(x))


def log_bernoulli(images, logits):
    probability = sigmoid(logits)
    return (images * np.log(probability) + (1 - images) * np.log(1 - probability)).sum(axis=(1, 2, 3))


def log_discretized_logistic(levels, means, log_scale):
    def below(edge):  # the share of the distribution that lies below
        return sigmoid((edge - means) / np.exp(log_scale))

    lower = np.where(levels == 0, 0, below(levels / 256 - 0.5))
    upper = np.where(levels == 255, 1, below((levels + 1) / 256 - 0.5))
    return np.log(upper - lower).sum(axis=(1, 2, 3))


def bound_case(case, p):
    images, noise = np.array(case["images"]), np.array(case["noise"])
    mean, log_sigma, context = encode(case, p, images)
    sigma = np.exp(log_sigma)
    z, log_scale = flow(case, p, mean + sigma * noise, context)
    if case["flowSteps"] > 0:
        log_q = -(noise**2) / 2 - log_sigma - log_scale
        kl = log_q + z**2 / 2
    else:
        kl = (mean**2 + sigma**2 - 1) / 2 - log_sigma
    output = decode(case, p, z)
    if case["likelihood"] == "bernoulli":
        log_likelihood = log_bernoulli(images, output)
    else:
        log_likelihood = log_discretized_logistic(images, output, p["log_scale"])
    bound = log_likelihood - kl.sum(axis=1)
    objective = bound.mean()
    if "freeBits" in case:
        objective = log_likelihood.mean() - larger(kl.mean(axis=0), case["freeBits"]).sum()
    return {"bound": bound, "reconstruction": -log_likelihood, "kl": kl.sum(axis=1), "objective": np.array(objective)}


def logistic_case(_, p):
    return {"logLikelihood": log_discretized_logistic(p["levels"].real, p["means"], p["logScale"])}


CASES = {"bound": bound_case, "logistic": logistic_case}

question = json.load(sys.stdin)
json.dump(solve(question, CASES[question["kind"]]), sys.stdout)
