"""Reads TensorBoard's event files with TensorFlow's own reader, images with its PNG decoder."""

import json
import math
import os
import sys

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
import tensorflow as tf


def read(path):
    for event in tf.compat.v1.train.summary_iterator(path):
        for value in event.summary.value:
            plugin = value.metadata.plugin_data.plugin_name
            content = tf.make_ndarray(value.tensor)
            entry = {"tag": value.tag, "plugin": plugin, "step": event.step}
            if plugin == "images":
                width, height, png = content
                pixels = tf.io.decode_png(png).numpy()
                size = {"width": int(width), "height": int(height)}
                yield entry | size | {"shape": pixels.shape, "pixels": pixels.flatten().tolist()}
            else:
                value = float(content)
                yield entry | {"value": value if math.isfinite(value) else str(value)}  # JSON has no NaN


json.dump([list(read(path)) for path in json.load(sys.stdin)], sys.stdout)
