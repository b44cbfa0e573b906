"""Whether a generation stands still: by steps that are not made, and only while somebody looks."""

from midfill_model.generation.requests.stall import Stall


def looked(*looks: tuple[float, int, bool]) -> float:
    stall = Stall()
    for now, n_steps, waits in looks:
        stall.look(n_steps, waits, now)
    return stall.seconds


def test_only_time_in_which_nothing_goes_on_and_somebody_looks_counts() -> None:
    still = [(0.5 * n, 7, True) for n in range(9)]
    assert looked(*still) == 4.0
    assert looked(*still, (4.5, 8, True)) == 0.0  # a layer is done, of a prompt however long
    assert looked(*still, (4.5, 8, True), (5.0, 8, True)) == 0.5
    assert looked(*still, (4.5, 7, False)) == 0.0  # nothing waits
    assert looked(*still, (3600.0, 7, True)) == 5.0  # the process was stopped, or the machine slept
