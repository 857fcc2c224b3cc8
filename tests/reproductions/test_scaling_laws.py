"""scaling-laws: spectra, random functions that have them, and fits of lattices."""

from math import inf

import numpy as np
import pytest

from regime.reproductions.scaling_laws import CASES, DECAYS, MODES, Fit, drawn, kernel, predicted, spectrum


@pytest.mark.parametrize("name", ["ntk", "nngp"])
def test_the_spectrum_is_that_of_the_kernel(name: str) -> None:
    angles = np.array([0.0, 0.3, 2.0])
    values = kernel(name, angles[:1], angles)[0]
    waves = np.cos(np.outer(angles, np.arange(MODES + 1))) @ (spectrum(name) * np.where(np.arange(MODES + 1), 2, 1))
    np.testing.assert_allclose(waves / waves[0], values / values[0], atol=1e-3)


def test_random_functions_have_the_spectrum_of_their_teacher() -> None:
    angles = 2 * np.pi * np.arange(16) / 16
    draws = np.stack([drawn("nngp", angles, np.random.default_rng(seed)) for seed in range(300)])
    power = (np.abs(np.fft.rfft(draws)) ** 2).mean(0)[1:5]
    want = spectrum("nngp")[1:5]
    np.testing.assert_allclose(power / power[0], want / want[0], rtol=0.3)


def test_the_rougher_of_target_and_kernel_sets_the_exponent() -> None:
    assert [predicted(*case) for case in CASES] == [1, 3, 4, 1]
    assert DECAYS["one wave"] == inf


def test_a_finer_lattice_fits_better() -> None:
    errors = [np.mean([Fit.draw("nngp", n, seed, True).error("ntk") for seed in range(4)]) for n in (16, 64)]
    assert errors[1] < errors[0] / 10
