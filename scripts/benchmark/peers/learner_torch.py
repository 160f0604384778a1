"""One update of the Nature network in PyTorch: the work of `benchmark learner`, written as a PyTorch user writes it.

Argument: {"device": "cpu", "batchSize": 32, "numActions": 9, "learningRate": 1e-4}.
"""

from turns import serve, time_calls  # first: it takes standard output  # isort: skip

import functools
import json
import sys

import torch
import torch.nn.functional as F
from dqn_update import random_batches
from torch import nn
from torch.nn.utils.parametrizations import weight_norm


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
    """DQN's update: online and target network, Huber loss, Adam; compiled with one kernel for all of Adam, or eager."""

    def __init__(self, options: dict, normalize: bool, compiled: bool = False):
        self.device = torch.device(options["device"])
        self.online = QNetwork(options["numActions"], normalize).to(self.device)
        self.target = QNetwork(options["numActions"], normalize).to(self.device)
        self.target.load_state_dict(self.online.state_dict())
        self.optimizer = torch.optim.Adam(
            self.online.parameters(), lr=options["learningRate"], eps=1.5e-4, fused=True if compiled else None
        )
        self.loss = torch.compile(self.loss_of) if compiled else self.loss_of
        self.batches = random_batches(options)
        self.updates = 0

    def loss_of(self, states, actions, returns, discounts, next_states) -> torch.Tensor:
        with torch.no_grad():
            targets = returns + discounts * self.target(next_states).max(1).values
        values = self.online(states).gather(1, actions[:, None]).squeeze(1)
        return F.smooth_l1_loss(values, targets)

    def learn(self) -> float:
        batch = self.batches[self.updates % len(self.batches)]
        self.updates += 1
        loss = self.loss(*(torch.from_numpy(array).to(self.device) for array in batch))
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        return loss.item()


def main() -> None:
    options = json.loads(sys.argv[1])
    torch.manual_seed(1)
    learners = {
        "torch": Learner(options, normalize=True),
        "torchPlain": Learner(options, normalize=False),
        "torchCompile": Learner(options, normalize=True, compiled=True),
        "torchCompilePlain": Learner(options, normalize=False, compiled=True),
    }
    for learner in learners.values():
        learner.learn()  # compiles
    serve(
        {name: functools.partial(time_calls, learner.learn) for name, learner in learners.items()},
        {"torch": torch.__version__, "threads": str(torch.get_num_threads()), "device": options["device"]},
    )


main()
