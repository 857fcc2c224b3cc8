"""What is said of kernel regression: its losses, and where the ridge against rounding decides them."""

import pytest
import torch
from torch import Tensor

from regime.dynamics.regression import fit_scores


def score(name: str, outputs: Tensor) -> dict[str, Tensor]:
    return {f"{name}_loss": outputs.square().mean((-2, -1)), f"{name}_error": outputs.abs().mean((-2, -1))}


def test_a_loss_that_a_second_fit_changes_is_no_number() -> None:
    """Losses of two seeds, 4 before: the second fit changes one by 1% and the other by 3%, and on training points nothing."""
    start = {name: torch.full((2, 5, 1), 2.0, dtype=torch.float64) for name in ("train", "test")}
    first = torch.tensor([0.99, 0.97], dtype=torch.float64).sqrt().view(2, 1, 1)
    fits = {"train": torch.stack([start["train"] * 1e-2, start["train"] * 1e-9])}
    fits["test"] = torch.stack([start["test"] * first, start["test"]])
    found, floors = fit_scores(fits, start, score)
    assert found["test_loss"][0] == 4
    assert found["test_loss"][1].isnan()
    assert found["test_error"].isnan().tolist() == [False, True]
    assert torch.allclose(floors["test_loss"], torch.tensor([0.04, 0.12], dtype=torch.float64))
    assert torch.allclose(found["train_loss"], torch.tensor(4e-18, dtype=torch.float64)), "nothing beside what it was before"
    assert (floors["train_loss"] - 4e-4).abs().max() < 1e-12


def test_other_rounding_is_in_the_floor() -> None:
    """One more draw of mean 0 lies within the floor that two others give in 95 of 100, whatever their size."""
    draws = 1e-6 * torch.randn(4000, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    start = torch.full((4000, 3, 1), 2.0, dtype=torch.float64)
    losses = torch.stack([torch.zeros_like(draws[:, 0]), torch.zeros_like(draws[:, 0]), draws[:, 0], draws[:, 1]]) + 1
    fits = {"test": losses.sqrt()[..., None, None].expand(-1, -1, 3, 1)}
    _, floors = fit_scores(fits, {"test": start}, score)
    more = 1e-6 * torch.randn(4000, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    assert (more.abs() <= floors["test_loss"]).double().mean().item() == pytest.approx(0.95, abs=0.012)


def test_a_kernel_that_is_none_gives_no_number() -> None:
    start = {"train": torch.ones(1, 3, 1)}
    found, floors = fit_scores({"train": torch.full((2, 1, 3, 1), torch.nan)}, start, score)
    assert found["train_loss"].isnan().all()
    assert floors["train_loss"].isnan().all()
