"""Reads TensorBoard's event files with TensorFlow's own reader, images with its PNG decoder."""

import json
import math
import os
import struct
import sys

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
import tensorflow as tf
from google.protobuf import struct_pb2


def fields(message):
    """Each field of a protocol buffer: its number and its bytes, or its number where it is a double or an int."""
    at = 0

    def varint():
        nonlocal at
        value = shift = 0
        while True:
            byte = message[at]
            at += 1
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value

    while at < len(message):
        number, kind = divmod(varint(), 8)
        if kind == 0:
            yield number, varint()
        elif kind == 1:
            at += 8
            yield number, struct.unpack("<d", message[at - 8 : at])[0]
        else:
            size = varint()
            at += size
            yield number, message[at - size : at]


def session_start(content):
    """HParamsPluginData: field 3 is SessionStartInfo, whose field 1 is a map and field 5 the time."""
    [(number, start)] = fields(content)
    assert number == 3
    entries = [dict(fields(entry)) for field, entry in fields(start) if field == 1]
    [seconds] = [value for field, value in fields(start) if field == 5]
    settings = {}
    for entry in entries:
        value = struct_pb2.Value.FromString(entry[2])
        settings[entry[1].decode()] = getattr(value, value.WhichOneof("kind"))
    return {"settings": settings, "seconds": seconds}


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
            elif plugin == "histograms":
                yield entry | {"buckets": content.tolist()}
            elif plugin == "hparams":
                yield entry | session_start(value.metadata.plugin_data.content)
            else:
                value = float(content)
                yield entry | {"value": value if math.isfinite(value) else str(value)}  # JSON has no NaN


json.dump([list(read(path)) for path in json.load(sys.stdin)], sys.stdout)
