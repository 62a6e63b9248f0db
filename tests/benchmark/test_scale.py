import pytest

from irbox.benchmark.scale import (
    DAY,
    Archive,
    Machines,
    Training,
    all_reduce,
    cores_that_suffice,
    cost,
    days,
    megapixels_a_second,
    restoring,
    step,
)

MACHINES = Machines(
    rate=1e12,
    launch=1e-5,
    link=1e11,
    network=1e10,
    latency=1e-5,
    gpus=8,
    cores=4,
    samples=100.0,
    price=2.0,
)
TRAINING = Training(
    weights=10_000_000, macs=1e10, launches=1000, batch=8, at_once=2, samples=864_000
)


def ring(values):
    """Sum by a real ring, and count what each sends."""
    number = len(values)
    parts = [[float(value) for _ in range(number)] for value in values]
    sent = [0] * number
    for turn in range(number - 1):
        moved = [(rank, (rank - turn) % number) for rank in range(number)]
        content = [parts[rank][place] for rank, place in moved]
        for (rank, place), value in zip(moved, content, strict=True):
            parts[(rank + 1) % number][place] += value
            sent[rank] += 1
    for turn in range(number - 1):
        moved = [(rank, (rank + 1 - turn) % number) for rank in range(number)]
        content = [parts[rank][place] for rank, place in moved]
        for (rank, place), value in zip(moved, content, strict=True):
            parts[(rank + 1) % number][place] = value
            sent[rank] += 1
    return parts, sent


@pytest.mark.parametrize('number', [2, 3, 8])
def test_bytes_of_a_ring(number):
    """Each part is the N-th of the whole."""
    parts, sent = ring(list(range(number)))
    assert all(value == sum(range(number)) for row in parts for value in row)
    size = 1000 * number
    expected = sent[0] * size / number
    assert all_reduce(size, number, MACHINES)[0] == expected


def test_one_gpu_sends_nothing_and_takes_batches_in_turn():
    found = step(TRAINING, MACHINES, 1)
    assert (found.exchanged, found.exchange, found.exposed) == (0, 0.0, 0.0)
    assert (found.crops, found.batch) == (8, 8)
    # 8 crops of 6e10 operations at 1e12; launches of four batches of two: 0.12 s.
    assert found.compute == pytest.approx(0.48)
    assert found.load == pytest.approx(8 / 400)
    assert found.efficiency == 1
    assert days(TRAINING, found) == pytest.approx(864_000 / 8 * 0.48 / DAY)
    assert cost(TRAINING, MACHINES, found) == pytest.approx(864_000 / 8 * 0.48 / 3600 * 2)


def test_launches_are_a_floor():
    slow = step(TRAINING, Machines(**vars(MACHINES) | {'rate': 1e15}), 8)
    assert slow.compute == pytest.approx(3 * 1000 * 1e-5)


def test_the_last_bucket_is_never_hidden():
    found = step(TRAINING, MACHINES, 4)
    # 40 MB in a ring of four: 60 MB at 1e11 bytes a second, hidden but for the last 25 MiB.
    assert found.exchange == pytest.approx(60e6 / 1e11 + 6e-5)
    assert found.exposed == pytest.approx(1.5 * 25 * 2**20 / 1e11 + 6e-5)


def test_between_machines_the_network_counts():
    within, beyond = step(TRAINING, MACHINES, 8), step(TRAINING, MACHINES, 16)
    assert beyond.exchange > 9 * within.exchange
    # Fewer crops than GPUs: one each, and the batch grows.
    assert (beyond.crops, beyond.batch) == (1, 16)
    assert days(TRAINING, beyond) < days(TRAINING, within)
    assert beyond.efficiency < within.efficiency < 1


def test_loading_can_be_what_a_step_waits_for():
    poor = Machines(**vars(MACHINES) | {'samples': 1.0})
    found = step(TRAINING, poor, 1)
    assert found.seconds == found.load == pytest.approx(2.0)
    assert found.efficiency == pytest.approx(0.24)
    # 16.7 crops a second: as many cores of one crop a second.
    cores = cores_that_suffice(TRAINING, poor)
    assert cores == pytest.approx(1 / 0.06)
    enough = step(TRAINING, Machines(**vars(poor) | {'cores': round(cores + 1)}), 1)
    assert enough.efficiency == 1


def test_speed_of_restoring():
    # A crop of 1000x1000 is a megapixel of 2e10 operations.
    assert megapixels_a_second(TRAINING, 1e12, 1000) == pytest.approx(50)
    assert megapixels_a_second(TRAINING, 1e12, 100) == pytest.approx(0.5)


def test_restoring_an_archive():
    archive = Archive(
        pictures=1000,
        megapixels=12,
        read=5e6,
        written=6e6,
        decode=0.1,
        listed=0.01,
        kept=400,
    )
    one, ten = restoring(archive, 2.0, [1, 10])
    assert one.hours == pytest.approx(1000 * 12 / 2 / 3600)
    assert one.worker_hours == pytest.approx(ten.worker_hours)
    assert ten.reading == pytest.approx(10 * 2 / 12 * 5e6)
    assert ten.writing == pytest.approx(10 * 2 / 12 * 6e6)
    assert one.cores == pytest.approx(0.2)
    assert ten.noting == pytest.approx(10 * 2 / 12 * 0.01)
