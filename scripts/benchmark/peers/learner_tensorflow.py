"""The same update as one tf.function of Python's TensorFlow, the one that the project itself runs on, with Keras' Adam.

Argument: {"batchSize": 32, "numActions": 9, "learningRate": 1e-4}.
"""

from turns import serve, time_calls  # first: it takes standard output  # isort: skip

import functools
import json
import sys

import keras
import numpy as np
import tensorflow as tf
from dqn_update import CONVOLUTIONS, initial_kernels, random_batches


class QNetwork(tf.Module):
    """Mnih et al. 2015: bytes [batch, 4, 84, 84] to action values [batch, actions]."""

    def __init__(self, num_actions: int, normalize: bool):
        super().__init__()
        kernels = initial_kernels(num_actions)
        self.kernels = [keras.Variable(kernel) for kernel in kernels]
        self.biases = [keras.Variable(np.zeros(kernel.shape[-1], np.float32)) for kernel in kernels]
        self.gains = [keras.Variable(norms(kernel)) for kernel in kernels] if normalize else []

    def parameters(self) -> list:
        return [*self.kernels, *self.biases, *self.gains]

    def weights(self, index: int) -> tf.Tensor:
        """w = g v/||v||, or v."""
        v = self.kernels[index].value
        return v * (self.gains[index].value / norms(v)) if self.gains else v

    def __call__(self, frames: tf.Tensor) -> tf.Tensor:
        x = tf.transpose(tf.cast(frames, tf.float32), (0, 2, 3, 1)) / 255
        for index, (_, stride) in enumerate(CONVOLUTIONS):
            x = tf.nn.conv2d(x, self.weights(index), stride, "VALID")
            x = tf.nn.relu(tf.nn.bias_add(x, self.biases[index].value))
        x = tf.reshape(x, (x.shape[0], -1))
        x = tf.nn.relu(tf.nn.bias_add(x @ self.weights(3), self.biases[3].value))
        return tf.nn.bias_add(x @ self.weights(4), self.biases[4].value)


def norms(kernel) -> tf.Tensor:
    return tf.sqrt(tf.reduce_sum(tf.square(kernel), axis=tuple(range(len(kernel.shape) - 1))))


class Learner:
    def __init__(self, options: dict, normalize: bool):
        self.online = QNetwork(options["numActions"], normalize)
        self.target = QNetwork(options["numActions"], normalize=False)
        self.optimizer = keras.optimizers.Adam(options["learningRate"], epsilon=1.5e-4)
        self.optimizer.build(self.online.parameters())
        self.huber = keras.losses.Huber()
        self.batches = random_batches(options)
        self.updates = 0

    @tf.function
    def update(self, states, actions, returns, discounts, next_states) -> tf.Tensor:
        targets = returns + discounts * tf.reduce_max(self.target(next_states), 1)
        with tf.GradientTape() as tape:
            values = tf.gather(self.online(states), actions, axis=1, batch_dims=1)
            loss = self.huber(targets, values)
        parameters = self.online.parameters()
        gradients = tape.gradient(loss, [parameter.value for parameter in parameters])
        self.optimizer.apply(gradients, parameters)
        return loss

    def learn(self) -> float:
        batch = self.batches[self.updates % len(self.batches)]
        self.updates += 1
        return float(self.update(*(tf.constant(array) for array in batch)))


def main() -> None:
    options = json.loads(sys.argv[1])
    learners = {
        "tensorflow": Learner(options, normalize=True),
        "tensorflowPlain": Learner(options, normalize=False),
    }
    for learner in learners.values():
        learner.learn()  # traces
    serve(
        {name: functools.partial(time_calls, learner.learn) for name, learner in learners.items()},
        {"tensorflow": tf.__version__, "keras": keras.__version__},
    )


main()
