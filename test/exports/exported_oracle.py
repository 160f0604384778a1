# What Python reads in exported agents: TensorFlow the SavedModels, numpy alone the safetensors.
import json
import struct
import sys

import numpy as np
import tensorflow as tf

TYPES = {"F32": np.float32, "F16": np.float16}


def read_weights(path):
    with open(path, "rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(length))
        data = file.read()
    header.pop("__metadata__", None)
    weights = {}
    for name, entry in header.items():
        begin, end = entry["data_offsets"]
        weights[name] = np.frombuffer(data[begin:end], TYPES[entry["dtype"]]).reshape(entry["shape"])
    return weights


def convolve(x, kernel, stride):
    height, width = kernel.shape[:2]
    windows = np.lib.stride_tricks.sliding_window_view(x, (height, width), axis=(1, 2))
    return np.einsum("nyxchw,hwco->nyxo", windows[:, ::stride, ::stride], kernel, optimize=True)


def apply_layers(weights, layers, x):
    """Layers as pairs of a name and what comes with it: the stride of a convolution, or null."""
    for name, stride in layers:
        kernel = weights[name + "/kernel"].astype(np.float64)
        x = x.reshape(len(x), -1) @ kernel if stride is None else convolve(x, kernel, stride)
        x = x + weights[name + "/bias"]
        if name != "q":
            x = np.maximum(x, 0)
    return x


def saved_model(question):
    model = tf.saved_model.load(question["folder"])
    states = tf.constant(question["states"], tf.float32)
    outputs = model.signatures["serving_default"](states=states)
    return {name: value.numpy().tolist() for name, value in outputs.items()}


def safetensors(question):
    weights = read_weights(question["file"])
    x = np.array(question["states"])
    if x.ndim == 4:
        x = x.transpose(0, 2, 3, 1) / 255
    return {
        "q_values": apply_layers(weights, question["layers"], x).tolist(),
        "types": sorted({str(weight.dtype) for weight in weights.values()}),
        "shapes": {name: list(weight.shape) for name, weight in weights.items()},
    }


asked = json.load(sys.stdin)
answer = {
    "savedModels": [saved_model(question) for question in asked["savedModels"]],
    "safetensors": [safetensors(question) for question in asked["safetensors"]],
}
json.dump(answer, sys.stdout)
