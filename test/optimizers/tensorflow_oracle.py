"""Runs TensorFlow's own update ops in float64 on the cases from stdin; prints variables and slots after every step."""

import json
import os
import sys

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
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


def run(case):
    config = case["config"]
    x = tf.Variable(case["initial"], dtype=tf.float64)
    slots = {slot: tf.Variable(tf.zeros_like(x)) for slot in case["slots"]}
    steps = []
    for t, grad in enumerate(case["gradients"], start=1):
        powers = [tf.constant(config.get(beta, 0.0) ** t, tf.float64) for beta in ("beta1", "beta2")]
        update(config, x, slots, *powers, tf.constant(grad, tf.float64))
        steps.append({"x": x.numpy().tolist(), **{slot: variable.numpy().tolist() for slot, variable in slots.items()}})
    return steps


print(json.dumps([run(case) for case in json.load(sys.stdin)]))
