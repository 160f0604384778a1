"""One update of ConvPool-CNN-C in PyTorch: the work of `benchmark cifar10`, written as a PyTorch user writes it.

Argument: {"device": "cpu", "batchSize": 100, "widthMultiplier": 1,
"learningRates": {"torch": 3e-3, "torchPlain": 3e-4}}.
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
CLASSES = 10
INPUT_NOISE_STD = 0.15


class InputNoise(nn.Module):
    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return images + INPUT_NOISE_STD * torch.randn_like(images)


def conv_pool_cnn_c(width_multiplier: float, normalize: bool) -> nn.Module:
    """Salimans & Kingma 2016, section 5.1: whitened images [batch, 3, 32, 32] to logits [batch, 10]."""
    narrow, wide = (int(filters * width_multiplier + 0.5) for filters in (96, 192))

    def normed(layer: nn.Module) -> nn.Module:
        nn.init.normal_(layer.weight, std=0.05)
        nn.init.zeros_(layer.bias)
        return weight_norm(layer) if normalize else layer

    def conv(inputs: int, filters: int, size: int, padding: str) -> list[nn.Module]:
        return [normed(nn.Conv2d(inputs, filters, size, padding=padding)), nn.LeakyReLU(0.1)]

    return nn.Sequential(
        InputNoise(),
        *conv(3, narrow, 3, "same"),
        *conv(narrow, narrow, 3, "same"),
        *conv(narrow, narrow, 3, "same"),
        nn.MaxPool2d(2),
        nn.Dropout(0.5),
        *conv(narrow, wide, 3, "same"),
        *conv(wide, wide, 3, "same"),
        *conv(wide, wide, 3, "same"),
        nn.MaxPool2d(2),
        nn.Dropout(0.5),
        *conv(wide, wide, 3, "valid"),
        *conv(wide, wide, 1, "valid"),
        *conv(wide, wide, 1, "valid"),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        normed(nn.Linear(wide, CLASSES)),
    )


class Learner:
    """Softmax cross-entropy, its gradients, Adam."""

    def __init__(self, options: dict, name: str):
        self.device = torch.device(options["device"])
        network = conv_pool_cnn_c(options["widthMultiplier"], normalize=name == "torch")
        # A tenth less processor time than with the channels first (half width, one thread).
        self.network = network.to(self.device, memory_format=torch.channels_last).train()
        self.optimizer = torch.optim.Adam(self.network.parameters(), lr=options["learningRates"][name])
        random = np.random.default_rng(1)
        self.batches = [random_batch(random, options["batchSize"]) for _ in range(BATCHES)]
        self.updates = 0

    def parameters(self) -> int:
        return sum(parameter.numel() for parameter in self.network.parameters())

    def learn(self) -> tuple[float, float]:
        batch = self.batches[self.updates % BATCHES]
        self.updates += 1
        images, labels = (torch.from_numpy(array).to(self.device) for array in batch)
        logits = self.network(images.permute(0, 3, 1, 2))  # a view: channels last as they are
        loss = F.cross_entropy(logits, labels)
        error = (logits.argmax(1) != labels).float().mean()
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        return loss.item(), error.item()


def random_batch(random: np.random.Generator, batch_size: int) -> tuple[np.ndarray, np.ndarray]:
    return (
        random.standard_normal((batch_size, 32, 32, 3), dtype=np.float32),
        random.integers(0, CLASSES, batch_size),
    )


def main() -> None:
    options = json.loads(sys.argv[1])
    torch.manual_seed(1)
    learners = {name: Learner(options, name) for name in options["learningRates"]}
    serve(
        {name: functools.partial(time_calls, learner.learn) for name, learner in learners.items()},
        {
            "torch": torch.__version__,
            "threads": str(torch.get_num_threads()),
            "device": options["device"],
            "memoryFormat": "channels_last",
            **{f"{name}Parameters": str(learner.parameters()) for name, learner in learners.items()},
        },
    )


main()
