"""Several visitors at once: models are made by one thread at a time."""

from concurrent.futures import ThreadPoolExecutor

import torch

from regime.models import loading, modular


def test_models_loaded_at_once_are_whole() -> None:
    revisions = modular.revisions()[:8] * 2
    with ThreadPoolExecutor(4) as threads:
        loaded = list(threads.map(lambda revision: loading.load("modular-addition", revision, language_model=True), revisions))
    for revision, one in zip(revisions, loaded, strict=True):
        again = loading.load("modular-addition", revision, language_model=True).model
        assert all(torch.equal(a, b) for a, b in zip(one.model.parameters(), again.parameters(), strict=True))
        assert one.model.lm_head.weight is one.model.transformer.wte.weight


def test_random_weights_drawn_at_once_are_those_of_their_seeds() -> None:
    def draw(seed: int) -> torch.Tensor:
        return loading.fresh("modular-addition", "step-00000", language_model=True, seed=seed).model.transformer.wte.weight

    alone = [draw(seed) for seed in range(8)]
    with ThreadPoolExecutor(4) as threads:
        together = list(threads.map(draw, range(8)))
    assert all(torch.equal(a, b) for a, b in zip(alone, together, strict=True))
