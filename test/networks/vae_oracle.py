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
from vae_layers import conv, conv_transpose, dense, elu, larger, log_discretized_logistic, sigmoid


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
        h = elu(dense(p, hidden, np.concatenate([z, context], axis=1), to_hidden))
        m, s = np.split(dense(p, output, h, to_output), 2, axis=1)
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
