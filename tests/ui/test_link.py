"""Permalinks: what a query says is a configuration, or a refusal that names the field."""

import re
from urllib.parse import parse_qsl

import pytest

import regime
from regime.errors import ConfigError
from regime.ui.build import check_places
from regime.ui.form.presets import PRESETS, matching, preset_named
from regime.ui.run.link import check_frame, linked, query


@pytest.mark.parametrize("preset", [preset for kind in PRESETS.values() for preset in kind], ids=lambda preset: preset.name)
def test_every_preset_survives_its_link(preset):
    text = query(preset.config.to_dict())
    assert text.startswith(f"run={preset.config.kind}")
    assert linked(parse_qsl(text)) == preset.config
    assert matching(preset.config, preset.against) is preset is preset_named(preset.config.kind, preset.name)


def test_a_probe_has_a_link_too():
    config = regime.ProbeConfig(steps=7, learning_rate=2e-4)
    assert linked(parse_qsl(query(config.to_dict()))) == config


def test_own_rows_are_not_in_a_link():
    rows = "\n".join(f"{k},{k % 2}" for k in range(1, 49))
    config = regime.ToyConfig(task="own", csv=rows, samples=16, test_samples=16, probe_samples=16)
    text = query(config.to_dict())
    assert len(text) < 200
    assert linked(parse_qsl(text)).to_dict() == config.to_dict() | {"csv": None}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("run=toy&width=1e99", "width = '1e99' is not allowed; allowed: an integer from 1 to 16384"),
        ("width=1e99", "width = '1e99' is not allowed"),
        ("run=toy&alpha=nan", "alpha = nan is not allowed"),
        ("run=toy&evil=1", "'evil' is not a field of ToyConfig"),
        ("run=../../etc/passwd", "run = '../../etc/passwd' is not allowed; allowed: one of 'toy', 'probe'"),
    ],
)
def test_a_bad_query_is_named(text, said):
    with pytest.raises(regime.ConfigError, match=re.escape(said)):
        linked(parse_qsl(text))


def test_what_sites_add_to_a_link_that_is_passed_on_is_left_alone():
    passed_on = [("run", "toy"), ("width", "32"), ("utm_source", "mail"), ("utm_medium", "x"), ("fbclid", "Iw"), ("gclid", "E")]
    assert linked(passed_on) == regime.ToyConfig(width=32)
    assert linked(passed_on[2:]) is None


def test_names_of_the_host_are_left_alone():
    assert linked([("__theme", "dark"), ("_x", "1"), ("view", "api")]) is None
    assert linked([]) is None
    assert linked([("__theme", "dark"), ("width", "32")]) == regime.ToyConfig(width=32)


def test_how_the_page_is_framed_is_no_part_of_the_run():
    pairs = [("embed", "1"), ("hide", "depth,seeds")]
    assert linked(pairs) is None
    assert linked([*pairs, ("width", "32")]) == regime.ToyConfig(width=32)
    check_frame([*pairs, ("hide", "task"), ("width", "32")], {"depth", "seeds", "task"})


@pytest.mark.parametrize(
    ("pair", "said"),
    [
        (("embed", "yes"), "embed = 'yes' is not allowed; allowed: 1"),
        (("embed", "<script>"), "embed = '<script>' is not allowed"),
        (("hide", "depth,transport"), "hide = 'transport' is not allowed; allowed: names of controls"),
        (("hide", "depth{} body"), "hide = 'depth{} body' is not allowed"),
        (("hide", ""), "hide = '' is not allowed"),
        (("hide", "9" * 5000), "hide = '999"),
    ],
)
def test_a_bad_frame_is_named(pair, said):
    with pytest.raises(regime.ConfigError, match=re.escape(said)) as caught:
        check_frame([("embed", "1"), pair], {"depth"})
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize(
    ("text", "fields"),
    [
        ("steps=100000", {"steps": 100_000, "measure_every": 100}),
        ("steps=50", {"steps": 50}),
        ("steps=2000&measure_every=4", {"steps": 2000, "measure_every": 4}),
        ("run=probe&steps=1000", {"steps": 1000, "measure_every": 10}),
        ('run=checkpoints&model=pythia-14m&revisions=["step0","step128"]', {"task": "sentiment", "readout": "next-token"}),
        ("run=probe&trainable=encoder.layer.1.*", {"trainable": ("encoder.layer.1.*",)}),
        ("run=probe&words=no, yes&readout=prompt", {"words": ("no", "yes")}),
        ("task=own&drop=3,id&encode=color", {"drop": (3, "id"), "encode": ("color",)}),
    ],
)
def test_what_a_link_leaves_out_suits_what_it_says(text, fields):
    changes = linked(parse_qsl(text)).changes()
    assert changes == changes | fields


def test_a_link_names_places_that_there_are():
    for name, text in (("claim", "S1"), ("lesson", "lazy"), ("tab", "map"), ("run", "toy")):
        check_places({name: text})
    for name in ("claim", "lesson", "tab"):
        with pytest.raises(ConfigError, match=f"{name} = 'S999' is not allowed; allowed: one of "):
            check_places({name: "S999"})
    assert linked([("claim", "S1"), ("tab", "learn")]) is None


@pytest.mark.parametrize("run", ["Toy", "", "toy&x", "map", "9" * 5000])
def test_an_unknown_run_is_refused(run):
    with pytest.raises(regime.ConfigError, match=r"run = .* is not allowed; allowed: one of 'toy', 'probe'"):
        linked([("run", run)])


def test_a_press_of_no_preset_is_none():
    for name in (None, "x", ["x"], {"a": 1}):
        with pytest.raises(ConfigError, match=r"preset = .* is not allowed; allowed: one of the names on the page"):
            preset_named("toy", name)
