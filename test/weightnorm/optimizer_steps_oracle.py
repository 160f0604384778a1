"""Training steps of weight-normalised nets in float64: gradients and optimizers written out from their papers.

Reads a JSON list of cases on stdin, writes a JSON list of {"weights", "kink"} on stdout: the weights after the steps,
and how near any pre-activation of a ReLU came to 0, where its gradient jumps. No derivative is taken by machine or by
differences (Salimans & Kingma 2016, equations 2 and 3):

    w = g v/||v||      dg = dw . v/||v||      dv = (g/||v||) dw - (g dg/||v||^2) v
"""

import json
import sys

import numpy as np

EPSILON = 1e-12


def patches(x, size, stride):
    """The inputs of each output position of a valid convolution: x [n, h, w, c] to [n, rows, cols, size * size * c]."""
    rows, cols = ((length - size) // stride + 1 for length in x.shape[1:3])
    return np.stack(
        [
            np.stack(
                [
                    x[:, i * stride : i * stride + size, j * stride : j * stride + size].reshape(len(x), -1)
                    for j in range(cols)
                ],
                1,
            )
            for i in range(rows)
        ],
        1,
    )


def as_matrix(v):
    return v.reshape(-1, v.shape[-1])


def effective(v, g):
    """w and ||v||, one column a unit."""
    norm = np.sqrt((as_matrix(v) ** 2).sum(0) + EPSILON)
    return g * as_matrix(v) / norm, norm


def normalization_gradients(v, g, dw):
    columns, norm = as_matrix(v), effective(v, g)[1]
    dg = (dw * columns).sum(0) / norm
    dv = g / norm * dw - g * dg / norm**2 * columns
    return dv.reshape(v.shape), dg


def gradients(case, weights, x, target):
    """Of mean((y - target)^2) for a first layer, ReLU, and a dense layer; weights are v, b, g of each."""
    v1, b1, g1, v2, b2, g2 = weights
    inputs = patches(x, **case["conv"]) if case["conv"] else x  # [..., in]
    w1, w2 = effective(v1, g1)[0], effective(v2, g2)[0]
    t1 = inputs @ w1 + b1
    hidden = np.maximum(t1, 0).reshape(len(x), -1)
    y = hidden @ w2 + b2

    dy = 2 * (y - target) / y.size
    dv2, dg2 = normalization_gradients(v2, g2, hidden.T @ dy)
    dt1 = as_matrix((dy @ w2.T).reshape(t1.shape) * (t1 > 0))
    dv1, dg1 = normalization_gradients(v1, g1, as_matrix(inputs).T @ dt1)
    return [dv1, dt1.sum(0), dg1, dv2, dy.sum(0), dg2], np.abs(t1).min()


def sgd(lr, momentum=0.0):
    def update(state, x, gradient, _):
        state["accum"] = momentum * state.get("accum", 0) + gradient
        return x - lr * state["accum"]

    return update


def adam(lr, beta1, beta2, epsilon):
    """Kingma & Ba 2015, algorithm 1: epsilon is added to the corrected root."""

    def update(state, x, gradient, t):
        state["m"] = beta1 * state.get("m", 0) + (1 - beta1) * gradient
        state["v"] = beta2 * state.get("v", 0) + (1 - beta2) * gradient**2
        m, v = state["m"] / (1 - beta1**t), state["v"] / (1 - beta2**t)
        return x - lr * m / (np.sqrt(v) + epsilon)

    return update


def adam_epsilon_hat(lr, beta1, beta2, epsilon):
    """As above in the order of section 2's last paragraph: epsilon is added before the correction."""

    def update(state, x, gradient, t):
        state["m"] = beta1 * state.get("m", 0) + (1 - beta1) * gradient
        state["v"] = beta2 * state.get("v", 0) + (1 - beta2) * gradient**2
        step = lr * np.sqrt(1 - beta2**t) / (1 - beta1**t)
        return x - step * state["m"] / (np.sqrt(state["v"]) + epsilon)

    return update


def adamax(lr, beta1, beta2, epsilon):
    """Kingma & Ba 2015, algorithm 2."""

    def update(state, x, gradient, t):
        state["m"] = beta1 * state.get("m", 0) + (1 - beta1) * gradient
        state["u"] = np.maximum(beta2 * state.get("u", 0), np.abs(gradient))
        return x - lr / (1 - beta1**t) * state["m"] / (state["u"] + epsilon)

    return update


def rmsprop(lr, decay, momentum, epsilon, centered):
    """Tieleman & Hinton 2012; centred: Graves 2013, equations 38-41."""

    def update(state, x, gradient, _):
        state["ms"] = decay * state.get("ms", 0) + (1 - decay) * gradient**2
        state["mg"] = decay * state.get("mg", 0) + (1 - decay) * gradient if centered else 0.0
        deviation = np.sqrt(state["ms"] - state["mg"] ** 2 + epsilon)
        state["mom"] = momentum * state.get("mom", 0) + lr * gradient / deviation
        return x - state["mom"]

    return update


RULES = {"sgd": sgd, "adam": adam, "adam_epsilon_hat": adam_epsilon_hat, "adamax": adamax, "rmsprop": rmsprop}


def solve(case):
    x, target = np.array(case["x"]), np.array(case["target"])
    weights = [np.array(weight) for weight in case["weights"]]
    update = RULES[case["rule"]](**case["settings"])
    states = [{} for _ in weights]
    kink = np.inf
    for t in range(1, case["steps"] + 1):
        slopes, nearest = gradients(case, weights, x, target)
        kink = min(kink, nearest)
        weights = [update(*parts, t) for parts in zip(states, weights, slopes, strict=True)]
    return {"weights": [weight.tolist() for weight in weights], "kink": kink}


json.dump([solve(case) for case in json.load(sys.stdin)], sys.stdout)
