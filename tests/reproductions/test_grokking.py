"""S10's pieces: when losses fall, and the transformer's first steps."""

import numpy as np
import pytest

from regime.reproductions import grokking
from regime.reproductions.addition import LOW, fell, learn
from regime.reproductions.grokking import LOSS, train
from regime.reproductions.polynomial import Polynomial


def end(steps):
    while True:
        try:
            next(steps)
        except StopIteration as stop:
            return stop.value


def test_the_train_loss_falls_first_and_later_where_alpha_is_large() -> None:
    task = Polynomial.draw(2, 20, 110)
    one, four = (end(train(task, 100, alpha, 0.4)) for alpha in (1.0, 4.0))
    assert (one.train < one.test).all()
    assert (four.test - four.train > one.test - one.train).all()
    step, known, new = np.array(one.curves).T
    assert (np.diff(step) > 0).all()
    assert known[0] > LOSS < new[0]


def test_a_loss_that_does_not_fall_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grokking, "STEPS", 2)
    with pytest.raises(RuntimeError, match="did not fall in 2 steps"):
        end(train(Polynomial.draw(1, 5, 10), 4, 1.0, 0.1))


def test_the_transformer_takes_steps_that_follow_its_scale() -> None:
    curve = end(learn(0.5, steps=11))
    assert [step for step, *_ in curve] == [0, 10]
    assert curve[1][1] < curve[0][1]
    assert fell(curve, 1) == float("inf")
    assert fell([(0, 1.0, 4.0), (10, LOW / 2, 4.0)], 1) == 10
