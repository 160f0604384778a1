"""One update of the Nature network in PyTorch: the work of `benchmark learner`, written as a PyTorch user writes it.

Argument: {"device": "cpu", "batchSize": 32, "numActions": 9, "learningRate": 1e-4}.
"""

from turns import serve, time_calls  # first: it takes standard output  # isort: skip

import functools
import json
import sys

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.utils.parametrizations import weight_norm

BATCHES = 4


class QNetwork(nn.Module):
    """Mnih et al. 2015: bytes [batch, 4, 84, 84] to action values [batch, actions]."""

    def __init__(self, num_actions: int, normalize: bool):
        super().__init__()
        norm = weight_norm if normalize else lambda layer: layer
        self.layers = nn.Sequential(
            norm(nn.Conv2d(4, 32, 8, stride=4)),
            nn.ReLU(),
            norm(nn.Conv2d(32, 64, 4, stride=2)),
            nn.ReLU(),
            norm(nn.Conv2d(64, 64, 3, stride=1)),
            nn.ReLU(),
            nn.Flatten(),
            norm(nn.Linear(3136, 512)),
            nn.ReLU(),
            norm(nn.Linear(512, num_actions)),
        )

    def forward(self, frames: torch.Tensor) -> torch.Tensor:
        return self.layers(frames.float() / 255)


class Learner:
    """DQN's update: online and target network, Huber loss, Adam."""

    def __init__(self, options: dict, normalize: bool):
        self.device = torch.device(options["device"])
        self.online = QNetwork(options["numActions"], normalize).to(self.device)
        self.target = QNetwork(options["numActions"], normalize).to(self.device)
        self.target.load_state_dict(self.online.state_dict())
        self.optimizer = torch.optim.Adam(self.online.parameters(), lr=options["learningRate"], eps=1.5e-4)
        random = np.random.default_rng(1)
        self.batches = [random_batch(random, options["batchSize"], options["numActions"]) for _ in range(BATCHES)]
        self.updates = 0

    def learn(self) -> float:
        batch = self.batches[self.updates % BATCHES]
        self.updates += 1
        states, actions, returns, discounts, next_states = (torch.from_numpy(a).to(self.device) for a in batch)
        with torch.no_grad():
            targets = returns + discounts * self.target(next_states).max(1).values
        values = self.online(states).gather(1, actions[:, None]).squeeze(1)
        loss = F.smooth_l1_loss(values, targets)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        return loss.item()


def random_batch(random: np.random.Generator, batch_size: int, num_actions: int) -> tuple[np.ndarray, ...]:
    frames = (batch_size, 4, 84, 84)
    return (
        random.integers(0, 256, frames, dtype=np.uint8),
        random.integers(0, num_actions, batch_size),
        random.integers(-1, 2, batch_size).astype(np.float32),
        np.full(batch_size, 0.99, np.float32),
        random.integers(0, 256, frames, dtype=np.uint8),
    )


def main() -> None:
    options = json.loads(sys.argv[1])
    torch.manual_seed(1)
    learners = {"torch": Learner(options, normalize=True), "torchPlain": Learner(options, normalize=False)}
    serve(
        {name: functools.partial(time_calls, learner.learn) for name, learner in learners.items()},
        {"torch": torch.__version__, "threads": str(torch.get_num_threads()), "device": options["device"]},
    )


main()
