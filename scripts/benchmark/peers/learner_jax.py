"""The same update as one jitted function of JAX, with optax's Adam.

Argument: {"batchSize": 32, "numActions": 9, "learningRate": 1e-4}.
"""

from turns import serve, time_calls  # first: it takes standard output  # isort: skip

import functools
import json
import sys

import jax
import jax.numpy as jnp
import optax
from dqn_update import CONVOLUTIONS, initial_kernels, random_batches


def initial_parameters(num_actions: int, normalize: bool) -> list[dict]:
    layers = []
    for kernel in initial_kernels(num_actions):
        gain = {"g": jnp.asarray(norms(kernel))} if normalize else {}
        layers.append({"v": jnp.asarray(kernel), "b": jnp.zeros(kernel.shape[-1]), **gain})
    return layers


def norms(kernel):
    return jnp.sqrt(jnp.sum(jnp.square(kernel), axis=tuple(range(kernel.ndim - 1))))


def weights(layer: dict):
    """w = g v/||v||, or v."""
    return layer["v"] * (layer["g"] / norms(layer["v"])) if "g" in layer else layer["v"]


def q_values(layers: list[dict], frames):
    x = frames.astype(jnp.float32).transpose(0, 2, 3, 1) / 255
    for layer, (_, stride) in zip(layers, CONVOLUTIONS, strict=False):
        layout = ("NHWC", "HWIO", "NHWC")
        x = jax.lax.conv_general_dilated(x, weights(layer), (stride, stride), "VALID", dimension_numbers=layout)
        x = jax.nn.relu(x + layer["b"])
    x = x.reshape(x.shape[0], -1)
    x = jax.nn.relu(x @ weights(layers[3]) + layers[3]["b"])
    return x @ weights(layers[4]) + layers[4]["b"]


class Learner:
    def __init__(self, options: dict, normalize: bool):
        self.online = initial_parameters(options["numActions"], normalize)
        self.target = initial_parameters(options["numActions"], normalize)
        optimizer = optax.adam(options["learningRate"], eps=1.5e-4)
        self.state = optimizer.init(self.online)
        self.batches = random_batches(options)
        self.updates = 0

        def loss_of(online, target, states, actions, returns, discounts, next_states):
            targets = returns + discounts * q_values(target, next_states).max(1)
            values = jnp.take_along_axis(q_values(online, states), actions[:, None], 1)[:, 0]
            return optax.huber_loss(values, targets).mean()

        @functools.partial(jax.jit, donate_argnums=(0, 1))
        def update(online, state, target, *batch):
            loss, gradients = jax.value_and_grad(loss_of)(online, target, *batch)
            changes, state = optimizer.update(gradients, state, online)
            return optax.apply_updates(online, changes), state, loss

        self.update = update

    def learn(self) -> float:
        batch = self.batches[self.updates % len(self.batches)]
        self.updates += 1
        self.online, self.state, loss = self.update(self.online, self.state, self.target, *batch)
        return float(loss)


def main() -> None:
    options = json.loads(sys.argv[1])
    learners = {"jax": Learner(options, normalize=True), "jaxPlain": Learner(options, normalize=False)}
    for learner in learners.values():
        learner.learn()  # compiles
    serve(
        {name: functools.partial(time_calls, learner.learn) for name, learner in learners.items()},
        {"jax": jax.__version__},
    )


main()
