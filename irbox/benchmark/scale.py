"""What a training or a restoring of many pictures would take on many machines: formulas alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

DAY = 86400.0


@dataclass(frozen=True)
class Machines:
    """What a cluster offers. Rates are those that are reached, not those of data sheets."""

    rate: float
    """Arithmetic operations a second of a GPU, in training."""
    launch: float
    """Seconds that a processor needs to launch a kernel."""
    link: float
    """Bytes a second, each way, between GPUs of a machine."""
    network: float
    """Bytes a second, each way, of a GPU's share of the network between machines."""
    latency: float
    """Seconds until a message of no length arrives."""
    gpus: int
    """In a machine."""
    cores: int
    """Processor cores beside a GPU."""
    samples: float
    """Training crops a second that a core reads, decodes and cuts."""
    price: float
    """Of a GPU for an hour."""


@dataclass(frozen=True)
class Training:
    """A schedule."""

    weights: int
    """That are trained."""
    macs: float
    """Multiply-accumulates of a forward pass over a crop."""
    launches: int
    """Kernels of a forward pass."""
    batch: int
    """Crops of a step, over all GPUs and accumulated batches."""
    at_once: int
    """Crops that fit on a GPU."""
    samples: int
    """Crops in all, of all epochs."""


@dataclass(frozen=True)
class Step:
    """A step on a number of GPUs; seconds and bytes are those of one GPU."""

    gpus: int
    crops: int
    """Of a GPU."""
    batch: int
    """Of all."""
    compute: float
    exchanged: int
    """Bytes of gradients that each GPU sends."""
    exchange: float
    exposed: float
    """Seconds of the exchange that no backward pass hides."""
    load: float
    """Seconds that a GPU's cores need for its crops."""

    @property
    def seconds(self) -> float:
        """Give how long a step takes: data are loaded beside it."""
        return max(self.compute + self.exposed, self.load)

    @property
    def efficiency(self) -> float:
        """Give the share of the time in which GPUs compute."""
        return self.compute / self.seconds


def all_reduce(size: float, gpus: int, machines: Machines) -> tuple[int, float]:
    """Give bytes that each GPU sends in a ring, and seconds: twice (N - 1) parts of 1 / N.

    The slowest link of the ring counts: the network, once there are several machines.
    """
    if gpus == 1:
        return 0, 0.0
    sent = 2 * (gpus - 1) / gpus * size
    speed = machines.link if gpus <= machines.gpus else machines.network
    return round(sent), sent / speed + 2 * (gpus - 1) * machines.latency


def step(
    training: Training, machines: Machines, gpus: int, bucket: float = 25 * 2**20, width: int = 4
) -> Step:
    """Work out a step of data-parallel training.

    Where there are more GPUs than crops in a batch, each gets one and the batch grows.

    Args:
        training: What is trained.
        machines: Where.
        gpus: How many.
        bucket: Bytes of gradients that are exchanged at once: the last has nothing to hide behind.
        width: Bytes of a gradient.
    """
    crops = max(training.batch // gpus, 1)
    passes = -(-crops // training.at_once)
    # A backward pass takes two forward passes, in operations and in launches.
    arithmetic = 3 * 2 * training.macs * crops / machines.rate
    compute = max(arithmetic, 3 * training.launches * passes * machines.launch)
    size = training.weights * width
    sent, exchange = all_reduce(size, gpus, machines)
    last = all_reduce(min(bucket, size), gpus, machines)[1]
    # Gradients are exchanged in the backward pass of the last of several batches.
    hidden = 2 / 3 * compute / passes
    exposed = max(exchange - hidden, last)
    load = crops / (machines.samples * machines.cores)
    return Step(gpus, crops, crops * gpus, compute, sent, exchange, exposed, load)


def days(training: Training, found: Step) -> float:
    """Give the length of a whole schedule, which sees as many crops whatever the batch is."""
    return training.samples / found.batch * found.seconds / DAY


def cost(training: Training, machines: Machines, found: Step) -> float:
    """Give the price of a whole schedule."""
    return days(training, found) * 24 * found.gpus * machines.price


def cores_that_suffice(training: Training, machines: Machines) -> float:
    """Give the cores beside a GPU from which on its data never make it wait, at any batch."""
    each = 3 * 2 * training.macs / machines.rate
    return 1 / each / machines.samples


def megapixels_a_second(training: Training, rate: float, patch: int) -> float:
    """Give how fast a GPU restores at its rate: the forward pass alone, whose cost is its area's.

    Args:
        training: Whose network it is.
        rate: Operations a second.
        patch: Height and width of the crops.
    """
    return rate / (2 * training.macs) * patch**2 / 1e6


@dataclass(frozen=True)
class Archive:
    """Pictures to restore, and what each takes."""

    pictures: float
    megapixels: float
    """Of a picture."""
    read: float
    """Bytes of a file."""
    written: float
    """Bytes of an answer."""
    decode: float
    """Seconds of a core for a megapixel, to decode and to encode."""
    listed: float
    """Seconds of the one process that lists and notes pictures, for each."""
    kept: float
    """Bytes of its memory, for each."""


@dataclass(frozen=True)
class Restoring:
    """An archive on a number of workers."""

    workers: int
    hours: float
    cores: float
    """That decode and encode as fast as the workers restore, for each worker."""
    reading: float
    """Bytes a second, of all."""
    writing: float
    noting: float
    """Share of its time that the one process works; above 1 it is what all wait for."""

    @property
    def worker_hours(self) -> float:
        """Give the hours of all workers."""
        return self.hours * self.workers


def restoring(archive: Archive, rate: float, workers: Sequence[int]) -> Iterator[Restoring]:
    """Work out an archive on workers that restore ``rate`` megapixels a second each."""
    for number in workers:
        seconds = archive.pictures * archive.megapixels / rate / number
        a_second = archive.pictures / seconds
        yield Restoring(
            number,
            seconds / 3600,
            rate * archive.decode,
            a_second * archive.read,
            a_second * archive.written,
            a_second * archive.listed,
        )
