from irbox.utils.few_graphs import IDLE, MOST, FewGraphs


def run(graphs, sizes):
    """Call with one size after the other; how many recordings that takes."""
    recorded = 0
    for size in sizes:
        if graphs.take(size) is None and graphs.makes_room(size):
            graphs.keep(size, f'graph of {size}')
            recorded += 1
    return recorded


def test_more_sizes_in_turn_than_are_kept_are_not_recorded_for_ever():
    graphs = FewGraphs()
    assert graphs.any_one() is None
    assert run(graphs, [number % (MOST + 1) for number in range(100)]) == MOST
    assert len(graphs) == MOST
    assert graphs.take(0) == graphs.any_one() == 'graph of 0'
    graphs.clear()
    assert len(graphs) == 0


def test_sizes_one_after_the_other_are_all_recorded():
    graphs = FewGraphs()
    sizes = [number for number in range(2 * MOST) for _ in range(IDLE + 2)]
    assert run(graphs, sizes) == 2 * MOST
    assert len(graphs) == MOST
    assert graphs.take(2 * MOST - 1) is not None


def test_one_that_is_taken_is_not_idle():
    graphs = FewGraphs()
    run(graphs, range(MOST))
    for _ in range(IDLE + 1):
        assert graphs.take(0)
        graphs.makes_room('new')
    assert graphs.take(0), 'another one went'
    assert len(graphs) == MOST - 1
