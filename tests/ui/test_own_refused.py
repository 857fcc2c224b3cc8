"""A server takes no part of a caller's own: endpoints, links and forms refuse a path before anything is imported."""

import json
import sys

import gradio as gr
import pytest
from gradio_client import Client

import regime
from regime.ui import api
from regime.ui.form.sweep import sweep_config, sweep_values
from regime.ui.run.export import snippet
from regime.ui.run.link import linked, query
from regime.ui.run.session import lease_seconds, lent_events, new_session

TRAP = "tests.trap:Task"
SAID = "is not allowed from a link, the page or the API"
ENDPOINTS = [
    (api.ANSWERS["toy"], {"task": "os:system"}),
    (api.ANSWERS["toy"], {"task": TRAP}),
    (api.ANSWERS["toy"], {"optimizer": TRAP, "learning_rate": 0.1}),
    (api.ANSWERS["toy"], {"measures": [TRAP]}),
    (api.ANSWERS["probe"], {"model": TRAP}),
    (api.ANSWERS["probe"], {"optimizer": TRAP, "learning_rate": 0.1}),
    (api.ANSWERS["checkpoints"], {"measures": [TRAP]}),
    (api.ANSWERS["sweep"], {"base": {"kind": "toy", "task": TRAP}, "axes": {"width": [8, 16]}}),
    (api.ANSWERS["sweep"], {"base": {"kind": "toy"}, "axes": {"task": ["rings", TRAP]}}),
    (api.ANSWERS["sweep"], {"base": {"kind": "probe"}, "axes": {"model": [TRAP]}}),
    (lambda config, _: [api.estimate(config)], {"task": TRAP}),
    (lambda config, _: [api.estimate(config)], {"kind": "sweep", "axes": {"task": [TRAP]}}),
]


@pytest.fixture(autouse=True)
def _nothing_is_imported():
    yield
    assert "tests.trap" not in sys.modules


@pytest.mark.parametrize(("endpoint", "config"), ENDPOINTS)
def test_an_endpoint_refuses_it(endpoint, config):
    with pytest.raises(gr.Error, match=SAID):
        list(endpoint(config, None))


@pytest.mark.parametrize(
    "pairs",
    [
        [("run", "toy"), ("task", "os:system")],
        [("task", TRAP)],
        [("measures", json.dumps([TRAP]))],
        [("run", "probe"), ("model", TRAP)],
        [("run", "sweep"), ("base", json.dumps({"kind": "toy", "task": TRAP}))],
        [("run", "sweep"), ("axes", json.dumps({"task": [TRAP]}))],
    ],
)
def test_a_link_refuses_it(pairs):
    with pytest.raises(regime.ConfigError, match=SAID):
        linked(pairs)


def test_the_map_form_refuses_it():
    fields = sweep_values(regime.SweepConfig()) | {"rest": json.dumps({"task": TRAP})}
    with pytest.raises(regime.ConfigError, match=SAID):
        sweep_config(fields)


@pytest.mark.parametrize("make", [lambda config: new_session(config), lambda config: next(lent_events(config.to_dict()))])
@pytest.mark.parametrize("config", [regime.ToyConfig(task=TRAP), regime.ProbeConfig(model=TRAP)])
def test_no_session_begins_with_it(make, config):
    with pytest.raises(regime.ConfigError, match=SAID):
        make(config)


@pytest.mark.parametrize("write", [query, snippet, lease_seconds])
def test_nothing_is_written_or_reckoned_of_it(write):
    with pytest.raises(regime.ConfigError, match=SAID):
        write(regime.ToyConfig(task=TRAP).to_dict())


def test_the_served_app_refuses_it(server):
    client = Client(server.url, verbose=False, analytics_enabled=False, download_files=False)
    for name, config in (("/toy", {"task": "os:system"}), ("/sweep", {"axes": {"task": [TRAP]}})):
        with pytest.raises(Exception, match=SAID):
            client.submit(config, api_name=name).result(timeout=60)
    client.close()
