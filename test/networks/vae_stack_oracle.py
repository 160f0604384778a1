"""Reference values for the VAE with several stochastic layers: the definitions in float64, gradients by complex steps.

Reads a JSON case on stdin, writes {"values", "gradients"} on stdout; `gradients` are those of sum(value x weight) over
all values and their weights in `dy`. Written from the equations of Kingma et al. 2016, not from the TypeScript: KL
divergences from the densities of z itself, masks from the order of elements.
"""

import json
import sys

import numpy as np
from complex_step import solve
from vae_layers import conv, conv_transpose, elu, larger, log_discretized_logistic


def mask(from_places, to_places, strict):
    """3x3: an element sees those before it in the order (row, column, place in the pixel), or of its own place too."""
    seen = np.zeros([3, 3, len(from_places), len(to_places)])
    for row in range(3):
        for column in range(3):
            for i, a in enumerate(from_places):
                for j, b in enumerate(to_places):
                    there, here = (row - 1, column - 1, a), (0, 0, b)
                    seen[row, column, i, j] = there < here if strict else there <= here
    return seen


def flow(p, name, z, context):
    latent, hidden = z.shape[3], context.shape[3]
    places = list(range(latent))
    degrees = [j * latent // hidden for j in range(hidden)]
    h = elu(conv(p, f"{name}_hidden0", z, mask=mask(places, degrees, strict=False)) + context)
    h = elu(conv(p, f"{name}_hidden1", h, mask=mask(degrees, degrees, strict=False)))
    out = 0.1 * conv(p, f"{name}_output", h, mask=mask(degrees, places + places, strict=True))
    m, s = np.split(out, 2, axis=3)
    return (z - m) / np.exp(s), s


def bound_case(case, p):
    images = np.array(case["images"])
    names = [f"level{level}_layer{i}" for level, count in enumerate(case["levels"]) for i in range(count)]
    z_maps, maps = case["latentMaps"], case["maps"]

    h = conv(p, "input", (images + 0.5) / 256 - 0.5, stride=2)
    up = {}
    for name in names:
        resamples = name in case["resamples"]
        x = conv(p, f"{name}_up_input", elu(h), stride=2 if resamples else 1)
        up[name] = np.split(x, [z_maps, 2 * z_maps, 2 * z_maps + maps], axis=3)
        if name == names[-1]:
            continue
        if resamples:
            h = (h[:, ::2, ::2] + h[:, 1::2, ::2] + h[:, ::2, 1::2] + h[:, 1::2, 1::2]) / 4
        h = h + 0.1 * conv(p, f"{name}_up_output", elu(up[name][2]))

    h = np.broadcast_to(p["top"], [*up[names[-1]][0].shape[:3], maps])
    kls = {}  # [batch, latentMaps]
    for name in reversed(names):
        x = conv(p, f"{name}_down_input", elu(h))
        cuts = [z_maps, 2 * z_maps, 3 * z_maps, 4 * z_maps, 4 * z_maps + maps]
        p_mean, p_log_sigma, mean, log_sigma, hidden, context = np.split(x, cuts, axis=3)
        up_mean, up_log_sigma, _, up_context = up[name]
        mean, log_sigma = mean + up_mean, log_sigma + up_log_sigma
        noise = np.array(case["noise"][name])
        z = mean + np.exp(log_sigma) * noise
        if case["flow"]:
            log_q = -(((z - mean) / np.exp(log_sigma)) ** 2) / 2 - log_sigma
            z, s = flow(p, f"{name}_flow", z, context + up_context)
            log_p = -(((z - p_mean) / np.exp(p_log_sigma)) ** 2) / 2 - p_log_sigma
            kl = log_q + s - log_p
        else:
            variance, p_variance = np.exp(2 * log_sigma), np.exp(2 * p_log_sigma)
            kl = p_log_sigma - log_sigma + (variance + (mean - p_mean) ** 2) / (2 * p_variance) - 1 / 2
        kls[name] = kl.sum(axis=(1, 2))
        h2 = elu(np.concatenate([z, hidden], axis=3))
        if name in case["resamples"]:
            h = h.repeat(2, axis=1).repeat(2, axis=2) + 0.1 * conv_transpose(p, f"{name}_down_output", h2)
        else:
            h = h + 0.1 * conv(p, f"{name}_down_output", h2)
    means = conv_transpose(p, "output", elu(h))
    log_likelihood = log_discretized_logistic(images, means, p["log_scale"])

    layer_kl = np.stack([kls[name].sum(axis=1) for name in names], axis=1)
    kl = layer_kl.sum(axis=1)
    bound = log_likelihood - kl
    objective = bound.mean()
    if "freeBits" in case:
        map_kls = np.stack([kls[name].mean(axis=0) for name in names])
        objective = log_likelihood.mean() - larger(map_kls, case["freeBits"]).sum()
    return {
        "bound": bound,
        "reconstruction": -log_likelihood,
        "kl": kl,
        "layerKl": layer_kl,
        "objective": np.array(objective),
    }


json.dump(solve(json.load(sys.stdin), bound_case), sys.stdout)
