"""The API through `gradio_client`, against the app in its own process."""

import json
import re
import time
from contextlib import suppress

import httpx
import jsonschema
import psutil
import pytest
from gradio_client import Client

from regime.config import KINDS
from regime.config.tasks import TASKS
from regime.reproductions.registry import CLAIMS

SMALL = {"width": 16, "steps": 20, "samples": 32, "test_samples": 32, "probe_samples": 16, "seeds": 2}
LONG = {"width": 64, "steps": 20_000, "measure_every": 200, "seeds": 1}


def connect(server):
    return Client(server.url, verbose=False, analytics_enabled=False, download_files=False)


@pytest.fixture(scope="module")
def client(server):
    client = connect(server)
    yield client
    client.close()


@pytest.fixture(scope="module")
def catalog(server):
    client = connect(server)
    yield client.predict(api_name="/catalog")
    client.close()


def stream(client, config, name="/toy"):
    """All events of a run; raises the run's error, which iterating over the job would swallow."""
    job = client.submit(config, api_name=name)
    job.result(timeout=60)
    return job.outputs()


def until_measured(job):
    """Wait for the first measurement of a running job."""
    for event in job:
        if event["kind"] == "measured":
            return event
    raise AssertionError("the run ended without a measurement")


def test_the_public_endpoints_are_these(client):
    wanted = {"/toy", "/probe", "/checkpoints", "/sweep", "/border", "/reproduce", "/estimate", "/catalog", "/health"}
    assert set(client.view_api(return_format="dict", print_info=False)["named_endpoints"]) == wanted


def test_every_parameter_is_typed_and_described(client):
    endpoints = client.view_api(return_format="dict", print_info=False)["named_endpoints"]
    for kind, config in KINDS.items():
        known = {each["parameter_name"]: each for each in endpoints[f"/{kind}"]["parameters"]}
        assert set(known) == {"config", *config.model_fields} - {"kind", "measures"}
        for name, schema in config.properties().items():
            if name in known and schema.get("type") != "object" and "oneOf" not in schema:
                assert known[name]["parameter_default"] == schema["default"]
                assert schema["description"] in known[name]["python_type"]["description"]
    toy = {each["parameter_name"]: each for each in endpoints["/toy"]["parameters"]}
    assert toy["task"]["type"]["enum"] == [*TASKS, "own"]
    assert toy["width"]["python_type"]["type"] == "int"
    assert toy["width"]["python_type"]["description"] == ("units in each hidden layer; an integer from 1 to 16384; default 512")
    claim, full = endpoints["/reproduce"]["parameters"]
    assert (claim["parameter_has_default"], claim["type"]["enum"]) == (False, [*CLAIMS])
    assert (full["parameter_default"], full["python_type"]["type"]) == (False, "bool")


@pytest.mark.parametrize("kind", KINDS)
def test_null_is_a_default_wherever_a_field_may_be_null(kind):
    """Since null stands for what is not given."""
    for schema in KINDS[kind].properties().values():
        if {"type": "null"} in schema.get("anyOf", []):
            assert schema["default"] is None


def test_the_description_for_other_clients_has_every_parameter_too(server):
    paths = httpx.get(f"{server.url}gradio_api/openapi.json").json()["paths"]
    body = paths["/gradio_api/call/v2/toy"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    assert body["properties"]["width"]["type"] == "integer"
    assert body["properties"]["width"]["default"] == 512
    assert "units in each hidden layer" in body["properties"]["width"]["description"]


def test_schemas_are_in_no_page(server):
    page = httpx.get(server.url).text
    assert "additionalProperties" not in page
    assert len(page.encode()) < 300_000


def said(client, **fields):
    """The configuration in full that a call runs, which is then ended."""
    job = client.submit(**fields)
    first = next(iter(job), None) or job.result(timeout=60)
    job.cancel()
    return first["config"]


def test_fields_may_be_given_by_themselves_or_in_the_object_or_in_both(client):
    whole = said(client, config=SMALL, api_name="/toy")
    assert said(client, **SMALL, api_name="/toy") == whole
    assert (
        said(client, config={"width": 16}, **{name: SMALL[name] for name in SMALL if name != "width"}, api_name="/toy") == whole
    )
    assert whole == said(client, config=SMALL | {"alpha": 1.0}, alpha=1.0, api_name="/toy")


@pytest.mark.parametrize(
    ("endpoint", "fields", "line"),
    [
        ("/toy", {"config": {"width": 8}, "width": 16}, "width is given twice, in config and beside it; allowed: once"),
        ("/toy", {"config": [1], "width": 16}, "config = [1] is not allowed; allowed: an object"),
        ("/toy", {"width": -1}, "width = -1 is not allowed; allowed: an integer from 1 to 16384"),
        ("/toy", {"width": True}, "width = True is not allowed"),
        ("/toy", {"bias": 1}, "bias = 1 is not allowed"),
        ("/probe", {"model": "gpt-9"}, "model = 'gpt-9' is not allowed"),
        ("/sweep", {"axes": {"wide": [1]}}, "axes.wide is not allowed"),
        ("/border", {"search": {"axis": "width"}, "axis": "width"}, "axis is given twice, in search and beside it"),
        ("/border", {"axis": "depth"}, "axis = 'depth' is not allowed"),
        ("/estimate", {"config": {"kind": "toy"}, "kind": "probe"}, "kind is given twice"),
        ("/reproduce", {"claim": "S999"}, "claim = 'S999' is not allowed; allowed: one of "),
        ("/reproduce", {"claim": "S1", "full": "yes"}, "full = 'yes' is not allowed; allowed: true or false"),
    ],
)
def test_a_field_that_is_wrong_is_named(client, endpoint, fields, line):
    with pytest.raises(Exception, match=re.escape(line)):
        client.predict(**fields, api_name=endpoint)


def test_an_estimate_of_a_named_kind(client):
    assert client.predict({"samples": 8, "probe_samples": 8, "steps": 2}, kind="probe", api_name="/estimate")["kind"] == "probe"


def test_named_fields_over_plain_http(server):
    call = httpx.post(f"{server.url}gradio_api/call/v2/estimate", json={"config": {"width": 64}, "kind": "toy"}).json()
    assert '"kind": "toy"' in httpx.get(f"{server.url}gradio_api/call/estimate/{call['event_id']}").text


def test_a_claim_streams_its_reproduction(client):
    job = client.submit("S1", api_name="/reproduce")
    kinds = [event["kind"] for event, _ in zip(job, range(3), strict=False) if event["kind"] != "queued"]
    job.cancel()
    assert kinds[0] == "started"
    assert set(kinds[1:]) == {"working"}


def test_the_catalog_lists_the_claims(catalog):
    assert set(catalog["claims"]) == set(CLAIMS)
    for id, told in catalog["claims"].items():
        assert (told["title"], told["claim"]) == (CLAIMS[id].title, CLAIMS[id].claim)
        assert set(told["seconds"]) == {"quick", "full"}


def test_catalog_describes_what_can_be_asked(catalog):
    toys = catalog["tasks"]["toy"]
    assert set(toys) == {*TASKS, "own"}
    assert toys["digits"] == {"inputs": 64, "classes": 10, "meaning": TASKS["digits"].meaning}
    assert toys["own"]["classes"] is None
    assert catalog["models"]["minilm"]["offline"]
    assert not catalog["models"]["gpt2"]["offline"]
    assert catalog["models"]["smollm2-135m"]["blocks"] == 30
    assert catalog["models"]["modular-addition"]["revisions"][-1] == "step-02600"
    assert catalog["limits"]["max_seconds"] == 900
    assert "kernel_change" in catalog["measures"]
    assert set(catalog["schemas"]) == {
        "toy",
        "probe",
        "checkpoints",
        "sweep",
        "event",
        "report",
        "sweep-event",
        "card",
        "reproduction-event",
        "sweep-report",
        "border-event",
        "border",
    }


def test_a_toy_run_streams_events_that_fit_their_schema(client, catalog):
    events = stream(client, SMALL)
    kinds = [event["kind"] for event in events]
    assert kinds[0] == "started"
    assert kinds[-1] == "finished"
    assert [event["step"] for event in events if event["kind"] == "measured"] == [0, 10, 20]
    for event in events:
        jsonschema.validate(event, catalog["schemas"]["event"])
    jsonschema.validate(events[-1]["report"], catalog["schemas"]["report"])
    assert events[0]["config"] == SMALL | {k: v for k, v in events[0]["config"].items() if k not in SMALL}


@pytest.mark.parametrize("arguments", [(), ({},), (None,)], ids=["missing", "empty", "null"])
def test_a_config_may_be_left_out(client, arguments):
    job = client.submit(*arguments, api_name="/toy")
    first = next(iter(job))
    job.cancel()
    assert first["kind"] == "started"
    assert first["config"]["width"] == 512


def test_the_first_event_comes_within_a_second_when_warm(client):
    stream(client, SMALL)
    waits = []
    for _ in range(3):
        began = time.monotonic()
        job = client.submit(SMALL, api_name="/toy")
        assert next(iter(job))["kind"] == "started"
        waits.append(time.monotonic() - began)
        job.cancel()
    assert min(waits) < 1.0


def test_a_cancelled_run_stops_computing_within_a_second(client, server):
    job = client.submit(LONG, api_name="/toy")
    until_measured(job)
    assert server.computes(), "the run must be computing before it is cancelled, or this test shows nothing"
    job.cancel()
    assert server.rests(within=1)


def test_a_server_that_has_nothing_to_do_does_nothing(server):
    process, used = psutil.Process(server.pid), []
    for _ in range(5):
        before = sum(process.cpu_times()[:2])
        time.sleep(1)
        used.append(sum(process.cpu_times()[:2]) - before)
    assert min(used) <= 0.02, "seconds of a second; to look for calls a thousand times took 0.1"


def test_a_visitor_who_leaves_stops_their_run(server):
    with httpx.Client(base_url=server.url) as http:
        body = {"data": [LONG]}
        event = http.post("gradio_api/call/toy", json=body).json()["event_id"]
        with http.stream("GET", f"gradio_api/call/toy/{event}") as response:
            received = response.iter_lines()
            while '"measured"' not in next(received):
                pass
            assert server.computes()
    assert server.rests(within=2)


BAD = {
    "NaN as text": ({"width": "NaN"}, "width"),
    "negative width": ({"width": -1}, "width"),
    "absurd width": ({"width": 1e99}, "width"),
    "too wide for memory": ({"width": 16384, "depth": 8}, "width"),
    "boolean as number": ({"width": True}, "width"),
    "text as number": ({"steps": "many"}, "steps"),
    "unknown task": ({"task": "chess"}, "task"),
    "unknown field": ({"widht": 3}, "widht"),
    "list for object": ([1, 2], "config"),
    "text for object": ("rings", "config"),
    "own rows without rows": ({"task": "own"}, "csv"),
    "rows without their task": ({"csv": "1,2"}, "csv"),
    "rows that are no table": ({"task": "csv", "csv": "1,2\n3"}, "row 2 has not the 2 cells of the others"),
    "number as boolean": ({"bias": 1}, "bias"),
    "another kind": ({"kind": "probe"}, "kind"),
    "markup": ({"task": "<img src=x onerror=alert(1)>"}, "task"),
}


@pytest.mark.parametrize(("config", "field"), BAD.values(), ids=BAD)
def test_bad_input_is_an_error_that_names_the_field(client, config, field):
    with pytest.raises(Exception, match=field) as caught:
        stream(client, config)
    assert "allowed" in str(caught.value)


def test_a_literal_nan_is_an_error_that_names_the_field(server):
    """The client cannot send one, but a hand-written request can."""
    with httpx.Client(base_url=server.url) as http:
        headers = {"content-type": "application/json"}
        event = http.post("gradio_api/call/toy", content='{"data": [{"alpha": NaN}]}', headers=headers).json()["event_id"]
        answer = http.get(f"gradio_api/call/toy/{event}").text
    assert "event: error" in answer
    assert "alpha = nan is not allowed" in answer


JSON = {"content-type": "application/json"}
CALL, JOIN = "call/toy", "queue/join"
BAD_REQUESTS = {
    "no body": ("POST", CALL, b"", 400, "is not a JSON object"),
    "no JSON": ("POST", CALL, b"hello", 400, "the body 'hello' is not a JSON object"),
    "half of it": ("POST", CALL, b'{"data": [', 400, "is not a JSON object (Expecting value: line 1 column 11"),
    "a list": ("POST", CALL, b"[1, 2]", 400, "the body '[1, 2]' is not a JSON object"),
    "null": ("POST", CALL, b"null", 400, "the body 'null' is not a JSON object"),
    "not UTF-8": ("POST", CALL, b'{"data": ["\xff"]}', 400, "is not a JSON object ('utf-8' codec"),
    "too deep": ("POST", CALL, b'{"data": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", 400, "is not a JSON object"),
    "too many digits": ("POST", CALL, b'{"data": [' + b"9" * 5000 + b"]}", 400, "is not a JSON object"),
    "too large": ("POST", CALL, b" " * (16 * 2**20 + 1), 413, "16,777,217 bytes; allowed: at most 16,777,216"),
    "no data": ("POST", CALL, b'{"width": 64}', 400, "data is not among ['width']; allowed: a list"),
    "data no list": ("POST", CALL, b'{"data": {"width": 64}}', 400, "data = {'width': 64} is not allowed; allowed: a list"),
    "data NaN": ("POST", CALL, b'{"data": NaN}', 400, "data = nan is not allowed; allowed: a list"),
    "half a surrogate": ("POST", CALL, b'{"data": "\\ud800"}', 400, "is not allowed; allowed: a list"),
    "no value": ("POST", CALL, b'{"data": []}', 400, "data = [] has 0 values; allowed: one value"),
    "two values": ("POST", CALL, b'{"data": [{}, {}]}', 400, "has 2 values; allowed: one value"),
    "a value for none": ("POST", "call/catalog", b'{"data": [{}]}', 400, "has 1 values; allowed: no value"),
    "session no text": ("POST", CALL, b'{"data": [{}], "session_hash": 3}', 400, "body.session_hash = 3"),
    "unknown endpoint": ("POST", "call/toys", b'{"data": [{}]}', 404, "'toys' is not an endpoint; allowed: toy, probe"),
    "a private function": ("POST", "call/open_link", b'{"data": [{}]}', 404, "'open_link' is not an endpoint"),
    "past the queue, unknown": ("POST", "run/toys", b'{"data": [{}]}', 400, "known here: 'Could not infer"),
    "past the queue": ("POST", "run/toy", b'{"data": [{}]}', 404, "join the queue"),
    "second form, unknown": ("POST", "call/v2/toys", b"{}", 404, "'toys' is not an endpoint"),
    "second form, argument": ("POST", "call/v2/toy", b'{"widht": 64}', 400, "'widht' is not a parameter; allowed: config, "),
    "second form, none": ("POST", "call/v2/catalog", b'{"x": 64}', 400, "'x' is not a parameter; allowed: none"),
    "another method": ("PUT", CALL, b'{"data": [{}]}', 405, "PUT is not allowed here; allowed: POST"),
    "unknown run": ("GET", "call/toy/123", b"", 404, "event_id = '123' is not known; allowed: "),
    "unknown run of none": ("GET", "call/toys/123", b"", 404, "'toys' is not an endpoint"),
    "join, no JSON": ("POST", JOIN, b"hello", 400, "is not a JSON object"),
    "join, no data": ("POST", JOIN, b'{"session_hash": "a"}', 400, "data is not among ['session_hash']"),
    "join, no session": ("POST", JOIN, b'{"data": [{}], "fn_index": 0}', 400, "Session hash"),
    "join, unknown": (
        "POST",
        JOIN,
        b'{"data": [{}], "session_hash": "a", "fn_index": 9999}',
        400,
        "not known here: '9999'",
    ),
    "join, a name": ("POST", JOIN, b'{"data": [{}], "session_hash": "a", "fn_index": "toy"}', 400, "body.fn_index = 'toy'"),
    "cancel, nothing": ("POST", "cancel", b"{}", 400, "body.event_id"),
    "cancel, NaN": ("POST", "cancel", b'{"fn_index": NaN}', 400, "body.fn_index = nan"),
}


@pytest.mark.parametrize(("method", "path", "body", "status", "line"), BAD_REQUESTS.values(), ids=BAD_REQUESTS)
def test_a_bad_request_is_told_what_is_allowed(server, method, path, body, status, line):
    answer = httpx.request(method, f"{server.url}gradio_api/{path}", content=body, headers=JSON)
    assert answer.status_code == status
    assert list(answer.json()) == ["detail"]
    said = answer.json()["detail"]
    assert line in said
    assert len(said.splitlines()) == 1
    assert len(said) < 600


@pytest.mark.parametrize("headers", [{}, {"content-type": "application/x-www-form-urlencoded"}])
def test_a_body_of_another_type_is_told_the_type(server, headers):
    answer = httpx.post(f"{server.url}gradio_api/call/toy", content=b'{"data": [{}]}', headers=headers)
    assert answer.status_code == 400
    assert "content-type = " in answer.json()["detail"]
    assert "allowed: POST /gradio_api/call/toy with content-type: application/json" in answer.json()["detail"]


def test_a_call_of_an_endpoint_through_the_queue_has_its_values_counted(server):
    functions = httpx.get(f"{server.url}config").json()["dependencies"]
    (index,) = (each["id"] for each in functions if each["api_name"] == "toy")
    body = {"data": [], "session_hash": "a", "fn_index": index}
    answer = httpx.post(f"{server.url}gradio_api/queue/join", json=body)
    assert (answer.status_code, "has 0 values; allowed: one value" in answer.text) == (400, True)


def test_no_event_of_the_page_is_dropped_while_an_answer_to_one_before_is_on_its_way(server):
    functions = httpx.get(f"{server.url}config").json()["dependencies"]
    once = [each["api_name"] for each in functions if each["api_visibility"] == "private" and each["trigger_mode"] == "once"]
    assert once == ["compare_models", "open_link"], "which open a run in place of one that is shown"


def _values(part):
    parts = part.values() if isinstance(part, dict) else part if isinstance(part, list) else None
    return 1 if parts is None else sum(map(_values, parts))


def _inside(places, chosen):
    """The components that are in the chosen ones, and these."""
    for place in places:
        within = place["id"] in chosen
        yield from [place["id"]] * within
        below = place.get("children") or []
        yield from _inside(below, {each["id"] for each in below} if within else chosen)


def test_no_status_is_on_a_part_of_the_page_that_holds_much(server):
    """At each event of a run Gradio copies, value by value, all that is in components with a status: once the whole page."""
    page = httpx.get(f"{server.url}config").json()
    held = {each["id"]: _values(each["props"]) for each in page["components"]}
    told = {place for each in page["dependencies"] for place in each["show_progress_on"] or each["outputs"]}
    assert sum(held[place] for place in _inside(page["layout"]["children"], told)) < 500
    assert sum(held.values()) > 1000


def test_a_run_is_read_once(server):
    path = f"{server.url}gradio_api/call/toy"
    event = httpx.post(path, json={"data": [SMALL]}).json()["event_id"]
    lines = httpx.get(f"{path}/{event}", timeout=60).text.splitlines()
    kinds = [json.loads(line[6:])[0]["kind"] for line in lines if line.startswith("data: ") and line != "data: null"]
    assert kinds.count("finished") == 1
    assert kinds[-1] == "finished"
    assert httpx.get(f"{path}/{event}").status_code == 404


def test_a_config_that_is_nested_too_deeply_is_an_error(server):
    body = b'{"data": [{"task": ' + b"[" * 900 + b"]" * 900 + b"}]}"
    path = f"{server.url}gradio_api/call/toy"
    event = httpx.post(path, content=body, headers=JSON).json()["event_id"]
    said = httpx.get(f"{path}/{event}").text  # from Python 3.12 on, a list of so many is not too deep to be shown
    assert re.search(r"task = \[+[^ ]* is not allowed(: it is nested too deep)?; allowed: ", said)


BAD_PROBES = {
    "unknown model": ({"model": "gpt-9"}, "model = 'gpt-9' is not allowed"),
    "a path": ({"model": "../../etc"}, "model = '../../etc' is not allowed"),
    "from the Hub": ({"model": "distilgpt2"}, "without a network: minilm"),
    "no word logits": ({"readout": "prompt"}, "has no word logits"),
    "steps": ({"steps": -1}, "steps"),
    "another run's field": ({"width": 8}, "width"),
    "one label": ({"task": "own", "texts": "a,x\nb,x"}, "its target has one value only"),
    "many rows": ({"task": "own", "texts": "t,a\n" * 10_000}, "it has over 6144 rows; allowed: at most 6144 rows"),
    "a huge cell": ({"task": "own", "texts": "x" * 999_000 + ",a\nb,c"}, "line 1 has a cell of over 131072"),
    "lost encoding": ({"task": "own", "texts": "caf\ufffd,x\nb,y"}, "its encoding was lost"),
    "an empty text": ({"task": "own", "texts": "a,x\n,y"}, "missing in row 2; missing = 'drop'"),
    "too few rows": ({"task": "own", "texts": "a,x\nb,y"}, "it has 2 rows; allowed: at least 16"),
    "no such layer": ({"trainable": ["decoder.*"]}, "trainable"),
}


@pytest.mark.parametrize(("config", "field"), BAD_PROBES.values(), ids=BAD_PROBES)
def test_bad_probe_input_is_an_error_that_names_the_field(client, config, field):
    with pytest.raises(Exception, match=re.escape(field)) as caught:
        stream(client, config, "/probe")
    assert "/tmp" not in str(caught.value)


def test_checkpoints_stream_events_that_fit_their_schema(client, catalog):
    events = stream(client, {"revisions": ["step-00200", "step-02600"], "samples": 16}, "/checkpoints")
    measured = [event for event in events if event["kind"] == "measured"]
    assert [event["step"] for event in measured] == [200, 2600]
    for event in events:
        jsonschema.validate(event, catalog["schemas"]["event"])
    jsonschema.validate(events[-1]["report"], catalog["schemas"]["report"])
    assert measured[-1]["measures"]["test_accuracy"] > 0.9


MAP = {"base": SMALL, "axes": {"width": [8, 16, 32], "alpha": [0.5, 1, 2]}}


def test_a_sweep_streams_cells_that_fit_their_schema(client, catalog):
    events = stream(client, MAP, "/sweep")
    for event in events:
        jsonschema.validate(event, catalog["schemas"]["sweep-event"])
    jsonschema.validate(events[-1]["report"], catalog["schemas"]["sweep-report"])
    cells = [event["cell"] for event in events if event["kind"] == "measured"]
    assert sorted(cell["index"] for cell in cells) == list(range(9))
    alone = stream(client, SMALL | {"width": 16, "alpha": 2.0})[-1]["report"]
    cell = next(cell for cell in cells if cell["point"] == {"width": 16, "alpha": 2.0})
    assert cell["measures"]["kernel_change"] == pytest.approx(alone["final"]["kernel_change"], rel=1e-3)


def test_a_sweep_that_was_cancelled_finds_its_cells_again(client, server):
    axes = {"width": [8, 12, 16, 20], "alpha": [1.0, 3.0]}
    config = {"base": SMALL | {"steps": 1500, "measure_every": 100}, "axes": axes}
    job = client.submit(config, api_name="/sweep")
    first = until_measured(job)
    job.cancel()
    assert server.rests(within=1)
    events = stream(client, config, "/sweep")
    assert events[0]["found"] >= first["step"]
    assert events[0]["found"] % 2 == 0
    assert len(events[-1]["report"]["cells"]) == 8


@pytest.mark.parametrize(
    ("config", "field"),
    [
        ({"axes": {}}, "axes"),
        ({"axes": {"width": []}}, "axes.width"),
        ({"axes": {"width": ["wide"]}}, "axes: width = 'wide' is not allowed"),
        ({"axes": {"kind": ["toy"]}}, "axes.kind"),
        ({"axes": {"width": list(range(1, 1001)), "seed": list(range(1000))}}, "axes make 1,000,000 cells"),
        ({"base": {"width": 10**9}}, "base: width"),
        ({"base": {"kind": "sweep"}}, "base.kind"),
        ({"store": "/etc/passwd"}, "store"),
        ({"store": "cells.sqlite"}, "store"),
        ({"engine": "dask"}, "scheduler"),
        ({"engine": "dask", "scheduler": "tcp://127.0.0.1:22"}, "scheduler"),
        ({"grid": {}}, "'grid'"),
        ({"seeds": 0}, "seeds"),
        ({"base": {"device": "cuda"}}, "device"),
    ],
)
def test_a_bad_sweep_is_an_error_that_names_the_field(client, config, field):
    began = time.perf_counter()
    with pytest.raises(Exception, match=re.escape(field)) as raised:
        stream(client, config, "/sweep")
    assert "Traceback" not in str(raised.value)
    assert time.perf_counter() - began < 10


def test_a_border_streams_events_that_fit_their_schema(client, catalog):
    search = {"config": SMALL | {"steps": 10}, "axis": "width", "side": "rich", "within": [8, 64]}
    events = stream(client, search, "/border")
    for event in events:
        jsonschema.validate(event, catalog["schemas"]["border-event"])
    border = events[-1]["report"]
    jsonschema.validate(border, catalog["schemas"]["border"])
    assert (border["axis"], border["side"], border["config"]["steps"]) == ("width", "rich", 10)
    assert len(border["seen"]) == sum(event["kind"] == "tried" for event in events)


@pytest.mark.parametrize(
    ("search", "said"),
    [
        ({"width": 8}, "'width' is not a field of a search for a border; allowed: config, axis, side, within"),
        ({"config": {"width": 0}}, "width = 0 is not allowed"),
        ({"config": {"kind": "sweep"}}, "kind = 'sweep' is not allowed"),
        ({"axis": "depth"}, "axis = 'depth' is not allowed"),
        ({"side": ["lazy"]}, "side = ['lazy'] is not allowed"),
        ({"within": [5]}, "within = [5] is not allowed"),
    ],
)
def test_a_bad_search_is_an_error_that_names_the_field(client, search, said):
    with pytest.raises(Exception, match=re.escape(said)):
        stream(client, search, "/border")


def test_an_estimate_of_a_sweep(client):
    told = client.predict({"kind": "sweep", **MAP}, api_name="/estimate")
    assert told["seconds"] > 0
    assert told["refused"] is None
    large = MAP | {"base": {"width": 512}, "axes": {"alpha": [0.1 * k for k in range(1, 90)], "seed": list(range(100))}}
    assert "of its 8900 cells would fit" in client.predict({"kind": "sweep", **large}, api_name="/estimate")["refused"]


def test_an_estimate_before_the_run(client):
    small = {"kind": "probe", "samples": 8, "probe_samples": 8, "steps": 2}
    cost = client.predict(small, api_name="/estimate")
    assert cost["seconds"] > 0
    assert cost["bytes"] > 1e8
    assert cost["refused"] is None
    assert client.predict({"width": 64}, api_name="/estimate")["seconds"] > 0
    long = small | {"steps": 1000, "measure_every": 10, "samples": 128}
    refused = client.predict(long, api_name="/estimate")["refused"]
    assert re.search(r"longer than a run may take here, 15 min; steps = \d+ would fit", refused)
    with pytest.raises(Exception, match=r"steps = \d+ would fit"):
        stream(client, long, "/probe")
    with pytest.raises(Exception, match="model = 'x y' is not allowed"):
        client.predict({"kind": "probe", "model": "x y"}, api_name="/estimate")


KNOWN_BY = [
    ({}, "toy"),
    ({"width": 16, "steps": 10}, "toy"),
    ({"model": "modular-addition", "revisions": ["step-00200", "step-02600"], "samples": 16}, "checkpoints"),
    ({"axes": {"width": [8, 16]}}, "sweep"),
    ({"base": {"width": 8}}, "sweep"),
    ({"kind": "sweep", "axes": {"width": [8, 16]}}, "sweep"),
    ({"model": "minilm", "samples": 8, "probe_samples": 8, "steps": 2, "max_tokens": 12, "forecast": False}, "probe"),
]


@pytest.mark.parametrize(("config", "kind"), KNOWN_BY)
def test_an_estimate_knows_the_kind_of_a_run_by_its_fields(client, config, kind):
    told = client.predict(config, api_name="/estimate")
    assert told["kind"] == kind
    assert (told["refused"] is None) == (told["fits"] is None or kind == "toy")


def test_an_estimate_of_a_bad_probe_names_a_field_of_probes(client):
    with pytest.raises(Exception, match=r"'widht' is not a field of ProbeConfig"):
        client.predict({"model": "minilm", "widht": 3}, api_name="/estimate")


def test_an_estimate_says_what_of_a_toy_would_fit(client):
    long = {"width": 1024, "samples": 256, "steps": 100_000, "measure_every": 1000}
    told = client.predict(long, api_name="/estimate")
    assert told["seconds"] > 900
    assert told["refused"] is None
    steps = int(re.fullmatch(r"steps = (\d+) would fit", told["fits"])[1])
    assert client.predict(long | {"steps": steps // 2}, api_name="/estimate")["fits"] is None


def test_the_server_still_serves_after_bad_input(client):
    for config, _ in BAD.values():
        with suppress(Exception):
            stream(client, config)
    assert stream(client, SMALL)[-1]["kind"] == "finished"


def test_two_visitors_at_once_do_not_meet(server):
    clients = [connect(server), connect(server)]
    configs = [SMALL | {"seed": seed, "steps": 60} for seed in (11, 22)]
    jobs = [client.submit(config, api_name="/toy") for client, config in zip(clients, configs, strict=True)]
    together = [list(job)[-1]["report"] for job in jobs]
    alone = [stream(clients[0], config)[-1]["report"] for config in configs]
    for client in clients:
        client.close()
    for one, two, config in zip(together, alone, configs, strict=True):
        assert one["config"]["seed"] == config["seed"]
        assert one["seeds"]["train_loss"] == pytest.approx(two["seeds"]["train_loss"], rel=1e-4)
    assert together[0]["final"]["train_loss"] != together[1]["final"]["train_loss"]
