"""The training loop of the 2021 original, written anew from its description, as something to be faster than.

    python -P core/bench/original.py --device cpu --batch-size 100 --steps 1 --niceness 0

It runs by path in a process of its own and must not import core, which sets how a process takes memory: the original
knows nothing of that. It says what it is in a line of JSON, then answers each line on stdin with the seconds that
`steps` steps took. PIL stretches each picture in the loader's workers, Adam isn't fused, everything is float32 in
torch's default layout, LRN is torch's own, nothing is tuned.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import sys
import time
from collections import OrderedDict
from collections.abc import Iterator

import numpy as np
import torch
from PIL import Image
from torch import nn
from torch.nn import functional
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

SIDE = 227  # pixels
_SHARED_MEMORY = "/dev/shm"
_NUM_IMAGES = 40_000  # of an epoch of the original
_DRAWN = 1_000  # different ones among them
_MOST_WORKERS = 4  # what the original's notebook asks for
_PREFETCHED = 2  # batches a worker has ready, the loader's default

Batch = tuple[torch.Tensor, torch.Tensor]


def make_network() -> nn.Sequential:
    """The original's AlexNet for ten classes: the layers of core's, under the same names, all from torch.nn."""
    layers: list[tuple[str, nn.Module]] = [
        ("conv1", nn.Conv2d(3, 96, kernel_size=11, stride=4)),
        ("relu1", nn.ReLU()),
        ("lrn1", nn.LocalResponseNorm(size=5, alpha=1e-4, beta=0.75, k=2.0)),
        ("pool1", nn.MaxPool2d(kernel_size=3, stride=2)),
        ("conv2", nn.Conv2d(96, 256, kernel_size=5, padding=2)),
        ("relu2", nn.ReLU()),
        ("lrn2", nn.LocalResponseNorm(size=5, alpha=1e-4, beta=0.75, k=2.0)),
        ("pool2", nn.MaxPool2d(kernel_size=3, stride=2)),
        ("conv3", nn.Conv2d(256, 384, kernel_size=3, padding=1)),
        ("relu3", nn.ReLU()),
        ("conv4", nn.Conv2d(384, 384, kernel_size=3, padding=1)),
        ("relu4", nn.ReLU()),
        ("conv5", nn.Conv2d(384, 256, kernel_size=3, padding=1)),
        ("relu5", nn.ReLU()),
        ("pool5", nn.MaxPool2d(kernel_size=3, stride=2)),
        ("flatten", nn.Flatten()),
        ("dropout6", nn.Dropout(0.5)),
        ("fc6", nn.Linear(9216, 4096)),
        ("relu6", nn.ReLU()),
        ("dropout7", nn.Dropout(0.5)),
        ("fc7", nn.Linear(4096, 4096)),
        ("relu7", nn.ReLU()),
        ("fc8", nn.Linear(4096, 10)),
    ]
    return nn.Sequential(OrderedDict(layers))


class Pictures(Dataset[Batch]):
    """As torchvision's CIFAR10 with the original's transform: a PIL image from an array, stretched, as a tensor."""

    def __init__(self) -> None:
        rng = np.random.default_rng(0)
        self.pixels = rng.integers(0, 256, (_DRAWN, 32, 32, 3), dtype=np.uint8)
        self.transform = transforms.Compose([transforms.Resize((SIDE, SIDE)), transforms.ToTensor()])

    def __len__(self) -> int:
        return _NUM_IMAGES

    def __getitem__(self, index: int) -> Batch:
        """float32, 3 x 227 x 227, 0..1, and its label."""
        image = self.transform(Image.fromarray(self.pixels[index % _DRAWN]))
        return image, torch.tensor(index % 10)


def num_workers(batch_size: int) -> int:
    """The original's worker processes, fewer where they would take cores from the network itself.

    0 where the memory that workers hand their batches over in has no room for them: a container's is often 64 MB.
    """
    workers = max(min(_MOST_WORKERS, (os.cpu_count() or 1) - 1), 1)
    needed = (workers * _PREFETCHED + 1) * batch_size * 3 * SIDE * SIDE * 4
    if os.path.isdir(_SHARED_MEMORY) and shutil.disk_usage(_SHARED_MEMORY).free < needed:  # noqa: PTH112
        return 0
    return workers


def batches(loader: DataLoader[Batch]) -> Iterator[Batch]:
    """Epoch after epoch."""
    while True:
        yield from loader


def train(
    network: nn.Module, optimizer: torch.optim.Optimizer, data: Iterator[Batch], device: torch.device, steps: int
) -> float:
    """The seconds that `steps` steps took, from asking for the first batch to the last weight's change."""
    _finish(device)
    began = time.perf_counter()
    for _ in range(steps):
        images, labels = next(data)
        images, labels = images.to(device), labels.to(device)
        loss = functional.cross_entropy(network(images), labels)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    _finish(device)
    return time.perf_counter() - began


def _finish(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", required=True)
    parser.add_argument("--batch-size", type=int, required=True)
    parser.add_argument("--steps", type=int, required=True)
    parser.add_argument("--niceness", type=int, required=True)
    options = parser.parse_args()
    if sys.platform == "linux":
        os.setpriority(os.PRIO_PROCESS, 0, options.niceness)  # before torch starts threads, which inherit it
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C means the benchmark, which then closes stdin
    device = torch.device(options.device)
    network = make_network().to(device)
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-4)
    workers = num_workers(options.batch_size)
    loader = DataLoader(Pictures(), batch_size=options.batch_size, shuffle=True, num_workers=workers)
    data = batches(loader)
    facts = {
        "parameters": sum(parameter.numel() for parameter in network.parameters()),
        "threads": torch.get_num_threads(),
        "workers": workers,
    }
    print(json.dumps(facts), flush=True)
    # A fast device uses up what the workers laid in while nothing was asked of them; on a CPU that is 1 % of a step.
    laid_in = 2 * workers * _PREFETCHED if device.type == "cuda" else 0
    for _ in sys.stdin:
        train(network, optimizer, data, device, laid_in)
        print(json.dumps({"seconds": train(network, optimizer, data, device, options.steps)}), flush=True)


if __name__ == "__main__":
    main()
