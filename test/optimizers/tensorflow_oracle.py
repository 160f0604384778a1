"""Runs TensorFlow's own update ops in float64 on the cases from stdin; prints variables and slots after every step.

TensorFlow has no rectified Adam: that is written out in NumPy.
"""

import json
import os
import sys

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
import numpy as np
import tensorflow as tf

raw = tf.raw_ops


def update(config, x, slots, power1, power2, grad):
    name, lr = config["name"], config["learningRate"]
    handles = {slot: variable.handle for slot, variable in slots.items()}
    if name == "adam":
        beta1, beta2, epsilon = config["beta1"], config["beta2"], config["epsilon"]
        raw.ResourceApplyAdam(
            var=x.handle,
            **handles,
            beta1_power=power1,
            beta2_power=power2,
            lr=lr,
            beta1=beta1,
            beta2=beta2,
            epsilon=epsilon,
            grad=grad,
        )
    elif name == "adamax":
        raw.ResourceApplyAdaMax(
            var=x.handle,
            m=handles["m"],
            v=handles["u"],
            beta1_power=power1,
            lr=lr,
            beta1=config["beta1"],
            beta2=config["beta2"],
            epsilon=config["epsilon"],
            grad=grad,
        )
    elif name == "centered-rmsprop":
        raw.ResourceApplyCenteredRMSProp(
            var=x.handle,
            **handles,
            lr=lr,
            rho=config["decay"],
            momentum=config["momentum"],
            epsilon=config["epsilon"],
            grad=grad,
        )
    else:
        raw.ResourceApplyMomentum(var=x.handle, **handles, lr=lr, grad=grad, momentum=config["momentum"])


def rectified_adam(case):
    """Liu et al. 2020, algorithm 2, with the threshold 5 of optax."""
    config = case["config"]
    beta1, beta2 = config["beta1"], config["beta2"]
    x = np.array(case["initial"])
    m, v = np.zeros_like(x), np.zeros_like(x)
    longest = 2 / (1 - beta2) - 1
    steps = []
    for t, grad in enumerate(np.array(case["gradients"]), start=1):
        m = beta1 * m + (1 - beta1) * grad
        v = beta2 * v + (1 - beta2) * grad**2
        m_hat, v_hat = m / (1 - beta1**t), v / (1 - beta2**t)
        length = longest - 2 * t * beta2**t / (1 - beta2**t)
        if length >= 5:
            r = np.sqrt((length - 4) * (length - 2) * longest / ((longest - 4) * (longest - 2) * length))
            x = x - config["learningRate"] * r * m_hat / (np.sqrt(v_hat) + config["epsilon"])
        else:
            x = x - config["learningRate"] * m_hat
        steps.append({"x": x.tolist(), "m": m.tolist(), "v": v.tolist()})
    return steps


def run(case):
    config = case["config"]
    if config["name"] == "radam":
        return rectified_adam(case)
    x = tf.Variable(case["initial"], dtype=tf.float64)
    slots = {slot: tf.Variable(tf.zeros_like(x)) for slot in case["slots"]}
    steps = []
    for t, grad in enumerate(case["gradients"], start=1):
        powers = [tf.constant(config.get(beta, 0.0) ** t, tf.float64) for beta in ("beta1", "beta2")]
        update(config, x, slots, *powers, tf.constant(grad, tf.float64))
        steps.append({"x": x.numpy().tolist(), **{slot: variable.numpy().tolist() for slot, variable in slots.items()}})
    return steps


print(json.dumps([run(case) for case in json.load(sys.stdin)]))
