"""Groups of texts of like lengths: every text once, no more tokens than allowed, and no padding beyond the longest."""

import torch

from regime.models.padding import Texts

LENGTHS = [3, 9, 1, 7, 7, 2]
MASK = (torch.arange(9) < torch.tensor(LENGTHS)[:, None]).long()
INPUTS = {"input_ids": torch.arange(54).view(6, 9) * MASK, "attention_mask": MASK}


def test_groups_hold_every_text_once_padded_to_their_longest() -> None:
    groups = list(Texts(INPUTS).groups(18))
    assert sorted(row for group in groups for row in group.rows) == list(range(6))
    for rows, inputs in groups:
        longest = max(LENGTHS[row] for row in rows)
        assert inputs["input_ids"].shape == (len(rows), longest)
        assert inputs["input_ids"].numel() <= 18
        assert torch.equal(inputs["input_ids"], INPUTS["input_ids"][rows, :longest])
    assert [group.rows for group in Texts(INPUTS).groups(1, [2, 5])] == [[5], [2]]
    assert list(Texts(INPUTS).groups(18, [])) == []


def test_padding_that_may_be_part_of_the_function_stays() -> None:
    groups = list(Texts(INPUTS, padded=True).groups(18))
    assert [group.rows for group in groups] == [[0, 1], [2, 3], [4, 5]]
    assert {group.inputs["input_ids"].shape for group in groups} == {(2, 9)}
