"""Every allowed architecture, tiny and random, through the whole of a probe; kernels against autograd of single texts."""

from pathlib import Path

import pytest
import torch

import regime
from regime import ProbeConfig
from regime.models import loading
from regime.models.checks import MASKED, TYPES
from regime.models.functions import TextFunction
from regime.models.readout import naming
from regime.models.sources import available
from regime.models.training import freeze
from regime.observe.observer import Observer
from tests.models import tiny

SMALL = {"samples": 8, "probe_samples": 8, "max_tokens": 14, "steps": 2, "measure_every": 1, "learning_rate": 1e-3}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("models")
    for family in TYPES:
        tiny.write(root / f"tiny-{family}", family, language_model=True)
    return root


@pytest.fixture(autouse=True)
def models(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REGIME_MODELS_DIR", str(folder))


def readouts(family: str) -> list[str]:
    return ["mean", "last", "prompt"] + ["next-token"] * (family not in MASKED)


@pytest.mark.parametrize("family", TYPES)
def test_a_saved_folder_is_in_the_catalog(family: str) -> None:
    facts = available()[f"tiny-{family}"]
    assert facts["type"] == family
    assert facts["blocks"] == 2
    assert facts["offline"]
    model = loading.load(f"tiny-{family}", language_model=True).model
    assert facts["parameters"] == sum(p.numel() for p in model.parameters())


@pytest.mark.parametrize(("family", "readout"), [(family, readout) for family in TYPES for readout in readouts(family)])
def test_kernels_and_expansion_against_single_texts(family: str, readout: str) -> None:
    """In float64, from gradients of one text after another."""
    config = ProbeConfig(model=f"tiny-{family}", readout=readout, samples=8, probe_samples=8, max_tokens=14)
    function = TextFunction(config, config.model, config.revision)
    model = function.module(0).double()
    batch = function.inputs(["a great movie", "a terrible one", "no", "it was a very great movie of all", *"abcd"])
    observer = Observer(model, batch, chunk=3, rename=naming(model))
    parameters = dict(model.named_parameters())
    rows = []
    for i in range(8):
        output = model(**{name: tensor[i : i + 1] for name, tensor in batch.items()})
        assert torch.allclose(output, observer.start[i], rtol=1e-9, atol=1e-12)
        gradients = torch.autograd.grad(output.squeeze(), parameters.values(), allow_unused=True)
        rows.append(
            torch.cat(
                [
                    torch.zeros_like(p).flatten() if g is None else g.flatten()
                    for g, p in zip(gradients, parameters.values(), strict=True)
                ]
            )
        )
    jacobian = torch.stack(rows)
    before = torch.cat([p.detach().flatten() for p in parameters.values()])
    total = sum(observer.observe().kernels.values())
    assert torch.allclose(total, jacobian @ jacobian.T, rtol=1e-9, atol=1e-12 * float(total.abs().max()))
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in parameters.values():
            parameter += 1e-3 * torch.randn(parameter.shape, generator=generator, dtype=parameter.dtype)
    moved = torch.cat([p.detach().flatten() for p in parameters.values()]) - before
    sight = observer.observe()
    want = observer.start + (jacobian @ moved).unsqueeze(1)
    assert torch.allclose(sight.expansion, want, rtol=1e-9, atol=1e-10)
    for block, (outputs, linear) in sight.moved.items():
        inside = [observer.blocks[naming(model)(name.rpartition(".")[0])] == block for name in parameters]
        only = torch.cat([torch.full((p.numel(),), keep).double() for keep, p in zip(inside, parameters.values(), strict=True)])
        assert torch.allclose(linear, observer.start + (jacobian @ (only * moved)).unsqueeze(1), rtol=1e-9, atol=1e-10), block
        values = {
            n: p.detach() if keep else observer.initial[n] for keep, (n, p) in zip(inside, parameters.items(), strict=True)
        }
        assert torch.allclose(outputs, torch.func.functional_call(model, values, kwargs=batch).detach(), rtol=1e-9), block


RUNS = [(family, readouts(family)[number % len(readouts(family))]) for number, family in enumerate(TYPES)]
"""Every family once, every readout at least twice."""


@pytest.mark.parametrize(("family", "readout"), RUNS)
def test_a_probe_end_to_end(family: str, readout: str) -> None:
    report = regime.run(ProbeConfig(model=f"tiny-{family}", readout=readout, **SMALL))
    assert [event.step for event in report.history] == [0, 1, 2]
    assert report.final["kernel_change"] > 0
    assert report.final["taylor_gap"] is not None
    assert report.final["representation_change"] >= 0
    known = [row for row in report.blocks if row["kernel_share"] is not None]
    assert sum(row["kernel_share"] for row in known) == pytest.approx(1)
    assert len([row for row in known if row["block"].rpartition(".")[2] in "01"]) == 2
    assert all(row["regime"] is not None for row in known)
    assert report.provenance.source.startswith(f"weights from REGIME_MODELS_DIR/tiny-{family}; sentences")


@pytest.mark.parametrize("family", ["bert", "gpt2"])
def test_random_weights_of_the_same_architecture(family: str) -> None:
    state = torch.get_rng_state()
    one, two = (loading.fresh(f"tiny-{family}", seed=seed).model for seed in (0, 1))
    again = loading.fresh(f"tiny-{family}", seed=0).model
    assert torch.equal(torch.get_rng_state(), state)
    for a, b, c in zip(one.parameters(), two.parameters(), again.parameters(), strict=True):
        assert torch.equal(a, c)
        assert a.dim() < 2 or not torch.equal(a, b)


@pytest.mark.parametrize("prompt", ["{text} It was {mask}.", "{mask} is what it was: {text}", "{text} Was {mask}: {text}"])
def test_only_the_templates_own_mask_counts(prompt: str) -> None:
    fields = {"model": "tiny-bert", "readout": "prompt", "samples": 8, "probe_samples": 8, "max_tokens": 40}
    config = ProbeConfig(**fields, prompt=prompt, words=("terrible", "great"))
    function = TextFunction(config, config.model, config.revision)
    model = function.module(0)
    outputs = [
        model(**function.inputs([text])) for text in ("no great movie", "no <mask> great <MASK> movie", "a terrible movie")
    ]
    assert torch.equal(outputs[0], outputs[1])
    assert not torch.equal(outputs[0], outputs[2])


def test_globs_freeze_the_rest() -> None:
    config = ProbeConfig(model="tiny-bert", samples=8, probe_samples=8, max_tokens=14)
    function = TextFunction(config, config.model, config.revision)

    def trained(*globs: str) -> set[str]:
        model = function.module(0)
        freeze(model, globs, naming(model))
        return {naming(model)(name) for name, parameter in model.named_parameters() if parameter.requires_grad}

    everything = trained("*")
    assert len(everything) == len(list(function.module(0).parameters()))
    assert trained("encoder.layer.1.*") == {name for name in everything if name.startswith("encoder.layer.1.")}
    assert trained("**.bias") == {name for name in everything if name.endswith(".bias")}
    assert trained("head", "embeddings.*") == {name for name in everything if name.startswith(("head.", "embeddings."))}
    with pytest.raises(regime.ConfigError, match=r"trainable = \['decoder'\] is not allowed: it matches no parameter"):
        trained("decoder")
