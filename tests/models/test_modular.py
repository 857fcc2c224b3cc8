"""The shipped trajectory is what its script makes, and groks."""

import csv
import itertools
import json

import pytest
import torch

from regime.models import loading, modular


def curves() -> dict[int, dict[str, float]]:
    with (modular.CHECKPOINTS / "curves.csv").open(newline="") as file:
        return {int(row["step"]): {k: float(v) for k, v in row.items()} for row in csv.DictReader(file)}


def test_what_ships_is_small_and_complete() -> None:
    assert modular.revisions() == [f"step-{step:05}" for step in modular.SAVED]
    assert sum(path.stat().st_size for path in modular.CHECKPOINTS.rglob("*") if path.is_file()) < 8e6
    config = json.loads((modular.CHECKPOINTS / "step-00000" / "config.json").read_text())
    assert (config["n_embd"], config["n_layer"], config["vocab_size"]) == (64, 1, modular.P + 1)


def test_all_sums_are_in_one_part_or_the_other() -> None:
    train, test = modular.pairs()
    seen = {tuple(row) for part in (train, test) for row in part.input_ids[:, :2].tolist()}
    assert len(train.answers) + len(test.answers) == len(seen) == modular.P**2
    assert (train.input_ids[:, :2].sum(1) % modular.P == train.answers).all()


@pytest.mark.parametrize("step", [0, 200, 2600])
def test_checkpoints_score_as_their_curves_say(step: int) -> None:
    model = loading.load("modular-addition", f"step-{step:05}", language_model=True).model
    for name, value in modular.scores(model).items():
        assert value == pytest.approx(curves()[step][name], rel=1e-3, abs=1e-4), name


def test_training_takes_the_steps_that_the_curves_show() -> None:
    state = torch.get_rng_state()
    model = modular.new_model()
    assert torch.equal(torch.get_rng_state(), state)
    for step in itertools.islice(modular.train(model, 26), 26):
        if step == 25:
            for name, value in modular.scores(model).items():
                assert value == pytest.approx(curves()[25][name], rel=1e-2), name


def test_it_knows_the_training_sums_long_before_the_others() -> None:
    known = min(step for step, row in curves().items() if row["train_accuracy"] > 0.999)
    general = min(step for step, row in curves().items() if row["test_accuracy"] > 0.95)
    assert general > 5 * known
