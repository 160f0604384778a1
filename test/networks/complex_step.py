"""Derivatives without deriving: f(x + ih) has the derivative in its imaginary part, exact to rounding for a tiny h."""

import numpy as np

STEP = 1e-30


def solve(case, forward):
    """What forward(case, tensors) gives, a dict of arrays, and the gradients of sum(value x case["dy"][its name]).

    Gradients are with respect to each of case["tensors"].
    """
    p = {name: np.array(value, dtype=np.complex128) for name, value in case["tensors"].items()}
    dy = {name: np.array(value) for name, value in case["dy"].items()}
    gradients = {}
    for name, value in p.items():
        flat, gradient = value.reshape(-1), np.empty(value.size)
        for i in range(value.size):
            flat[i] += 1j * STEP
            values = forward(case, p)
            gradient[i] = sum((values[output].imag * weights).sum() for output, weights in dy.items()) / STEP
            flat[i] = flat[i].real
        gradients[name] = gradient.reshape(value.shape).tolist()
    values = {name: value.real.tolist() for name, value in forward(case, p).items()}
    return {"values": values, "gradients": gradients}
