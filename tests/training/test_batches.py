"""The order of the data and how processes share it."""

import pytest
import torch
from transformers.trainer_pt_utils import LengthGroupedSampler

from stages.common.errors import UserError
from stages.training.batches import Batches

LENGTHS = [3 + 7 * n % 20 for n in range(23)]


def dealt(accumulation, processes, passes=1):
    """Batches of every process, each starting from the same random state."""
    found = []
    for rank in range(processes):
        torch.manual_seed(5)
        batches = Batches(LENGTHS, 2, accumulation, rank, processes)
        found.append([list(batches) for _ in range(passes)])
        assert all(len(taken) == len(batches) for taken in found[-1])
    return found


def test_the_order_is_that_of_the_usual_sampler():
    [[mine]] = dealt(4, 1)
    torch.manual_seed(5)
    usual = list(LengthGroupedSampler(8, lengths=LENGTHS))
    assert [position for batch in mine for position in batch] == usual


@pytest.mark.parametrize("processes", [2, 4])
def test_every_step_is_the_same_for_any_number_of_processes(processes):
    [alone] = dealt(4, 1, passes=2)
    together = dealt(4, processes, passes=2)
    share = 4 // processes
    for number, whole in enumerate(alone):
        for step in range(3):
            mine = [batch for rank in together
                    for batch in rank[number][step * share:(step + 1) * share] if batch]
            assert sorted(mine) == sorted(whole[step * 4:(step + 1) * 4])


def test_a_process_without_a_batch_left_gets_an_empty_one():
    first, last = (rank[0] for rank in dealt(4, 4)[::3])
    assert len(first) == len(last) == 3 and first[-1] and last[-1]  # 12 batches
    assert dealt(8, 8)[4][0][-1] == []  # 12 of 16


def test_a_pass_can_be_repeated():
    batches = Batches(LENGTHS, 2, 4)
    first, second = list(batches), list(batches)
    drawn = batches.drawn
    batches.again(drawn)
    assert list(batches) == second != first


def test_processes_that_cannot_share_a_step_are_refused():
    with pytest.raises(UserError, match="3 processes cannot share the 4 batches of a step"):
        Batches(LENGTHS, 2, 4, 0, 3)
