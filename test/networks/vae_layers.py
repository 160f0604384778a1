"""What the reference values of both VAEs are made of: layers and the likelihood in float64.

`p` has the parameters by name, complex for the sake of complex_step.
"""

import numpy as np


def elu(x):
    return np.where(x.real > 0, x, np.exp(x) - 1)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def larger(x, least):
    return np.where(x.real > least, x, least)


def weight(p, name, unit_axis=-1, mask=1):
    """Norms run over all axes but that of the output unit."""
    v = p[f"{name}/kernel"] * mask
    if f"{name}/gain" not in p:
        return v
    others = tuple(axis for axis in range(v.ndim) if axis != unit_axis % v.ndim)
    norm = np.sqrt((v * v).sum(axis=others, keepdims=True) + 1e-12)
    return p[f"{name}/gain"].reshape(norm.shape) * v / norm


def dense(p, name, x, mask=1):
    return x @ weight(p, name, mask=mask) + p[f"{name}/bias"]


def correlate(x, w, stride=1):
    """Without padding."""
    size = w.shape[0]
    windows = np.lib.stride_tricks.sliding_window_view(x, (size, size), axis=(1, 2))[:, ::stride, ::stride]
    return np.einsum("bhwcij,ijco->bhwo", windows, w)


def conv(p, name, x, stride=1, mask=1):
    """Padded as TensorFlow's 'same': of an odd number of zeros the larger half goes behind."""
    w = weight(p, name, mask=mask)
    pads = [max((-(-n // stride) - 1) * stride + w.shape[0] - n, 0) for n in x.shape[1:3]]
    padded = np.pad(x, [(0, 0), *[(pad // 2, pad - pad // 2) for pad in pads], (0, 0)])
    return correlate(padded, w, stride) + p[f"{name}/bias"]


def conv_transpose(p, name, x):
    """Stride 2: zeros between the pixels, then a convolution with the kernel [height, width, out, in] turned round."""
    batch, height, width, maps = x.shape
    w = weight(p, name, unit_axis=2)
    size = w.shape[0]
    stretched = np.zeros([batch, 2 * height - 1, 2 * width - 1, maps], dtype=complex)
    stretched[:, ::2, ::2] = x
    around = (size - 1, size - 1)
    full = correlate(np.pad(stretched, [(0, 0), around, around, (0, 0)]), w[::-1, ::-1].transpose(0, 1, 3, 2))
    before = (size - 2) // 2
    return full[:, before : before + 2 * height, before : before + 2 * width] + p[f"{name}/bias"]


def log_discretized_logistic(levels, means, log_scale):
    """log p of each image."""

    def below(edge):  # the share of the distribution that lies below
        return sigmoid((edge - means) / np.exp(log_scale))

    lower = np.where(levels == 0, 0, below(levels / 256 - 0.5))
    upper = np.where(levels == 255, 1, below((levels + 1) / 256 - 0.5))
    return np.log(upper - lower).sum(axis=(1, 2, 3))
