"""S10's pieces: when losses fall, and the transformer's first steps."""

import numpy as np
import pytest

from regime.reproductions import addition, grokking
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


def test_the_transformer_is_trained_until_its_test_loss_is_low(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(addition, "LOW", 5.0)
    ((step, known, new),) = end(addition.learn(0.5, 0))
    assert step == 0
    assert known == pytest.approx(np.log(59), rel=0.01)
    assert new == pytest.approx(np.log(59), rel=0.01)
    monkeypatch.setattr(addition, "LOW", 0.5)
    monkeypatch.setattr(addition, "STEPS", 11)
    with pytest.raises(RuntimeError, match=r"alpha = 0\.5, seed 1: the test loss did not fall in 11 steps"):
        end(addition.learn(0.5, 1))


def test_a_loss_has_fallen_where_it_is_first_low() -> None:
    curve = [(0, 4.0, 4.0), (10, 0.4, 4.0), (20, 0.6, 0.3)]
    assert [addition.fell(curve, column) for column in (1, 2)] == [10, 20]
