"""Reference values for the feed-forward layers and the functions they are made of, in float64.

Reads {"layers": [case], "functions": [case]} on stdin, writes the answers in the same shape. Written from the papers'
formulas and TensorFlow's padding rules, not from the TypeScript:

- A dense, convolution or embedding layer is a table of products y[i] += x[j] w[k], listed position by position; its
  gradients follow from the table. Nothing is scaled after the product.
- Normalizations are differentiated by complex steps, f(x + ih) = f(x) + ih f'(x), exact to rounding: no derivative is
  derived here.
"""

import json
import sys

import numpy as np

STEP = 1e-30  # no difference is taken, so it may be tiny

# ---- normalizations ---------------------------------------------------------------------------------------------


def gradients(f, arguments, dy):
    """dL/da for each argument a of f, where dL/df = dy. f takes leading axes in any one argument."""
    result = []
    for i, a in enumerate(arguments):
        steps = 1j * STEP * np.eye(a.size).reshape(a.size, *a.shape)
        moved = f(*arguments[:i], a + steps, *arguments[i + 1 :])
        moved = np.broadcast_to(moved, (a.size, *dy.shape))  # without an effect there is no leading axis
        result.append((moved.imag * dy).reshape(a.size, -1).sum(axis=1).reshape(a.shape) / STEP)
    return result


def mean(a, axes):
    return a.mean(axis=axes, keepdims=True)


EPSILON = {
    "none": None,
    "weight": 1e-12,
    "centered-weight": 1e-12,
    "weight-standardization": 1e-5,
    "scaled-weight-standardization": 1e-4,
}


def kernel_rule(name, settings):
    """(rows [..., units, fan-in], g [..., units]) -> w; the functions of g have a second argument."""
    eps = settings.get("epsilon", EPSILON[name])
    activation_gain = settings.get("activationGain", 1)

    def weight(v, g):  # Salimans & Kingma 2016, equation 2
        return g[..., None] * v / np.sqrt((v**2).sum(axis=-1, keepdims=True) + eps)

    def centered(v, g):  # Huang et al. 2017
        return weight(v - mean(v, -1), g)

    def standardized(v):  # Qiao et al. 2019
        c = v - mean(v, -1)
        return c / (np.sqrt(mean(c**2, -1)) + eps)

    def scaled(v, g):  # Brock et al. 2021
        c = v - mean(v, -1)
        variance = mean(c**2, -1) * v.shape[-1]
        floored = np.where(variance.real > eps, variance, eps)
        return activation_gain * g[..., None] * c / np.sqrt(floored)

    return {
        "none": lambda v: v,
        "weight": weight,
        "centered-weight": centered,
        "weight-standardization": standardized,
        "scaled-weight-standardization": scaled,
    }[name]


def default_groups(units):
    return max([2**k for k in range(6) if units % 2**k == 0 and units // 2**k >= 2], default=1)


def output_rule(name, settings, rank, units, over_positions):
    """t [..., batch, positions, units] -> t; `rank` is that of one t."""
    eps = settings.get("varianceEpsilon", 1e-5)

    def standardized(t, axes):
        c = t - mean(t, axes)
        return c / np.sqrt(mean(c**2, axes) + eps)

    def group(t):
        groups = settings.get("groups") or default_groups(units)
        batch = t.shape[: t.ndim - rank + 1]
        grouped = t.reshape(*batch, -1, groups, units // groups)
        return standardized(grouped, (-3, -1)).reshape(t.shape)

    each_unit = tuple(range(-rank, -1))
    each_example = tuple(range(1 - rank, 0)) if over_positions else -1
    return {
        "none": lambda t: t,
        "mean-only-batch": lambda t: t - mean(t, each_unit),
        "batch": lambda t: standardized(t, each_unit),
        "layer": lambda t: standardized(t, each_example),
        "group": group,
    }[name]


def to_rows(v, unit_axes):
    """[units, fan-in] from a kernel in its own layout."""
    first = np.moveaxis(v, unit_axes, range(len(unit_axes)))
    return first.reshape(int(np.prod(first.shape[: len(unit_axes)])), -1)


def from_rows(rows, shape, unit_axes):
    rest = [axis for axis in range(len(shape)) if axis not in [a % len(shape) for a in unit_axes]]
    kept = [shape[a] for a in unit_axes]
    return np.moveaxis(rows.reshape(kept + [shape[a] for a in rest]), range(len(unit_axes)), unit_axes)


# ---- layers -----------------------------------------------------------------------------------------------------


class Products:
    """y[i] += x[j] w[k] for each (i, j, k)."""

    def __init__(self, y_shape, i, j, k):
        self.y_shape, self.i, self.j, self.k = tuple(y_shape), i, j, k

    def apply(self, x, w):
        y = np.bincount(self.i, x.ravel()[self.j] * w.ravel()[self.k], int(np.prod(self.y_shape)))
        return y.reshape(self.y_shape)

    def gradients(self, x, w, dy):
        dy = dy.ravel()[self.i]
        dx = np.bincount(self.j, dy * w.ravel()[self.k], x.size).reshape(x.shape)
        dw = np.bincount(self.k, dy * x.ravel()[self.j], w.size).reshape(w.shape)
        return dx, dw


def convolution(x_shape, w_shape, strides, padding, dilation, depthwise=False):
    """Channels last, kernel [..., in, out], or depthwise [..., in, multiplier]; any number of dimensions, also none."""
    n, *size, channels = x_shape
    *kernel, _, last = w_shape
    extent = [(k - 1) * d + 1 for k, d in zip(kernel, dilation, strict=True)]
    if padding == "same":
        out = [-(-a // s) for a, s in zip(size, strides, strict=True)]
        before = [max((o - 1) * s + e - a, 0) // 2 for o, s, e, a in zip(out, strides, extent, size, strict=True)]
    else:
        out = [(a - e) // s + 1 for a, e, s in zip(size, extent, strides, strict=True)]
        before = [0] * len(out)
    dims = len(kernel)
    batch, *rest = np.indices((n, *out, *kernel, channels, last)).reshape(2 * dims + 3, -1)
    at, tap, (c, f) = rest[:dims], rest[dims : 2 * dims], rest[2 * dims :]
    source = [o * s - b + t * d for o, s, b, t, d in zip(at, strides, before, tap, dilation, strict=True)]
    inside = np.ones(batch.shape, dtype=bool)
    for position, limit in zip(source, size, strict=True):
        inside &= (position >= 0) & (position < limit)
    y_shape = (n, *out, channels * last if depthwise else last)

    def flat(shape, *indices):
        return np.ravel_multi_index([index[inside] for index in indices], shape)

    unit = c * last + f if depthwise else f
    return Products(
        y_shape,
        flat(y_shape, batch, *at, unit),
        flat(x_shape, batch, *source, c),
        flat(w_shape, *tap, c, f),
    )


def transposed(x_shape, w_shape, strides, padding):
    """The convolution from y to x, backwards; kernel [height, width, out, in]."""
    n, *size, _ = x_shape
    *kernel, out, _ = w_shape
    valid = padding == "valid"
    larger = [a * s + (max(k - s, 0) if valid else 0) for a, s, k in zip(size, strides, kernel, strict=True)]
    back = convolution((n, *larger, out), w_shape, strides, padding, [1] * len(size))
    assert back.y_shape == tuple(x_shape)
    return Products((n, *larger, out), back.j, back.i, back.k)


def lookup(indices, table_shape):
    """Rows of a table: x is the number 1."""
    units = table_shape[1]
    k = (indices.astype(int).ravel()[:, None] * units + np.arange(units)).ravel()
    return Products((*indices.shape, units), np.arange(k.size), np.zeros(k.size, dtype=int), k)


DIMENSIONS = {
    "conv1d": 1,
    "conv2d": 2,
    "conv3d": 3,
    "conv2dTranspose": 2,
    "depthwiseConv2d": 2,
    "separableConv2d": 2,
}


def stages(case, p):
    """(kernel's name, its gain's name, unit axes, products) in the order of application."""
    kind, args, x_shape = case["kind"], case["args"], p["x"].shape
    if kind == "embedding":
        return [("embeddings", "gain", [0], lookup(p["x"], p["embeddings"].shape))]
    if kind == "dense":
        w_shape = p["kernel"].shape
        flat = convolution((int(np.prod(x_shape[:-1])), x_shape[-1]), w_shape, [], "valid", [])
        return [("kernel", "gain", [-1], Products((*x_shape[:-1], w_shape[1]), flat.i, flat.j, flat.k))]

    def each(name):
        value = args.get(name, 1)
        return value if isinstance(value, list) else [value] * DIMENSIONS[kind]

    strides, dilation, padding = each("strides"), each("dilationRate"), args.get("padding", "valid")
    if kind == "conv2dTranspose":
        return [("kernel", "gain", [-2], transposed(x_shape, p["kernel"].shape, strides, padding))]
    if kind in ("depthwiseConv2d", "separableConv2d"):
        shape = p["depthwise_kernel"].shape
        first = convolution(x_shape, shape, strides, padding, dilation, depthwise=True)
        if kind == "depthwiseConv2d":
            return [("depthwise_kernel", "gain", [-2, -1], first)]
        second = convolution(first.y_shape, p["pointwise_kernel"].shape, [1, 1], "valid", [1, 1])
        return [
            ("depthwise_kernel", "depthwiseGain", [-2, -1], first),
            ("pointwise_kernel", "gain", [-1], second),
        ]
    return [("kernel", "gain", [-1], convolution(x_shape, p["kernel"].shape, strides, padding, dilation))]


def solve_layer(case):
    p = {name: np.array(value, dtype=np.float64) for name, value in case["tensors"].items()}
    args, dy = case["args"], np.array(case["dy"], dtype=np.float64)
    parts = case["normalization"].split("+")
    kernel_name = next((part for part in parts if part in EPSILON), "none")
    output_name = next((part for part in parts if part not in EPSILON), "none")
    rule = kernel_rule(kernel_name, args)

    # Forward.
    x = np.ones(1) if case["kind"] == "embedding" else p["x"]
    inputs, kernels, arguments = [], [], []
    for name, gain, unit_axes, products in stages(case, p):
        rows = to_rows(p[name], unit_axes)
        learned = [p[gain]] if gain in p else []
        fixed = [np.full(len(rows), args["fixedGain"])] if "fixedGain" in args else []
        arguments.append([rows, *learned, *fixed] if kernel_name not in ("none", "weight-standardization") else [rows])
        kernels.append(from_rows(rule(*arguments[-1]), p[name].shape, unit_axes))
        inputs.append(x)
        x = products.apply(x, kernels[-1])
    t = x
    units = t.shape[-1]
    over_positions = case["kind"] not in ("dense", "embedding")
    normalize = output_rule(output_name, args, t.ndim, units, over_positions)
    scale, bias = p.get("scale", np.ones(units)), p.get("bias", np.zeros(units))
    n = normalize(t)

    # Inference and running averages.
    at_inference, each_unit, averages = n, tuple(range(t.ndim - 1)), {}
    statistics = {"movingMean": t.mean(axis=each_unit), "movingVariance": t.var(axis=each_unit)}
    if "movingMean" in p:
        variance = p["movingVariance"] + args.get("varianceEpsilon", 1e-5) if "movingVariance" in p else 1
        at_inference = (t - p["movingMean"]) / np.sqrt(variance)
        momentum = args.get("momentum", 0.9)
        averages = {
            name: momentum * p[name] + (1 - momentum) * value for name, value in statistics.items() if name in p
        }

    # Backward.
    result = {"bias": dy.sum(axis=each_unit), "scale": (dy * n).sum(axis=each_unit)}
    dx = gradients(normalize, [t], dy * scale)[0]
    for i, (name, gain, unit_axes, products) in reversed(list(enumerate(stages(case, p)))):
        dx, dw = products.gradients(inputs[i], kernels[i], dx)
        dv, *dg = gradients(rule, arguments[i], to_rows(dw, unit_axes))
        result[name] = from_rows(dv, p[name].shape, unit_axes)
        if dg:
            result[gain] = dg[0]
    result["x"] = dx
    return {
        "training": scale * n + bias,
        "inference": scale * at_inference + bias,
        "averages": averages,
        "gradients": {name: value for name, value in result.items() if name in p and name not in averages},
    }


def solve_function(case):
    """A kernel's or an output's normalization by itself: the value and the gradients with respect to `inputs`."""
    first, *rest = [np.array(value, dtype=np.float64) for value in case["inputs"]]
    dy, settings = np.array(case["dy"], dtype=np.float64), case["settings"]
    if case["normalization"] in EPSILON:
        rule, axes = kernel_rule(case["normalization"], settings), case["unitAxes"]
        arguments = [to_rows(first, axes), *[g.ravel() for g in rest]]
        value = from_rows(rule(*arguments), first.shape, axes)
        dv, *dg = gradients(rule, arguments, to_rows(dy, axes))
        found = [from_rows(dv, first.shape, axes), *[d.reshape(g.shape) for d, g in zip(dg, rest, strict=True)]]
    else:
        rule = output_rule(
            case["normalization"], settings, first.ndim, first.shape[-1], settings.get("overPositions", False)
        )
        value, found = rule(first), gradients(rule, [first], dy)
    return {"value": value, "gradients": found}


cases = json.load(sys.stdin)
answers = {
    "layers": [solve_layer(case) for case in cases["layers"]],
    "functions": [solve_function(case) for case in cases["functions"]],
}
json.dump(answers, sys.stdout, default=lambda array: array.tolist())
