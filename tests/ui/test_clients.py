"""The clients that the guide of the API prints, run as they are printed, against an app with a tiny model."""

import json
import re
import shutil
import subprocess
import sys
import time
from contextlib import ExitStack, closing

import pytest
from gradio_client import Client

from tests.conftest import ROOT

ADDRESS = "http://127.0.0.1:7860"
GUIDE = (ROOT / "regime" / "guides" / "api.md").read_text()
SMALL = {"width": 16, "steps": 20, "samples": 32, "test_samples": 32, "probe_samples": 16, "seeds": 2}
LONG = {"width": 64, "steps": 100_000, "measure_every": 200, "seeds": 1}
PROBE = {"model": "tiny-bert", "samples": 8, "probe_samples": 8, "max_tokens": 16, "steps": 4, "measure_every": 2}
SWEEP = {"base": SMALL, "axes": {"width": [8, 12], "alpha": [0.5, 2.0]}}
RUNS = {"toy": (SMALL, 3), "probe": (PROBE, 3), "sweep": (SWEEP, 4)}
"""Endpoint -> a configuration, and how many measured events it sends."""
TOO_MANY = {"base": {"width": 512}, "axes": {"alpha": [0.1 * k for k in range(1, 90)], "seed": list(range(100))}}
ERRORS = [
    (["toy", {"width": -1}], "width = -1 is not allowed; allowed: "),
    (["toy", {"widht": 64}], "'widht' is not a field of ToyConfig; allowed: "),
    (["toy", {"steps": "many"}], "steps = 'many' is not allowed; allowed: "),
    (["toy", {"kind": "probe"}], "kind = 'probe' is not allowed; allowed: "),
    (["toy", {"optimizer": "gd", "batch_size": 8}], "batch_size = 8 is not allowed with optimizer = 'gd'; allowed: "),
    (["toy", [1, 2]], "config = [1, 2] is not allowed; allowed: "),
    (["toy"], "data = [] has 0 values; allowed: one value"),
    (["toy", {}, {}], "data = [{}, {}] has 2 values; allowed: one value"),
    (["toys", {}], "'toys' is not an endpoint; allowed: toy, probe"),
    (["catalog", {}], "data = [{}] has 1 values; allowed: no value"),
    (["probe", {"model": "gpt-9"}], "model = 'gpt-9' is not allowed: there is none of that name; there are: "),
    (["sweep", TOO_MANY], "That is longer than a run may take here"),
    (["estimate", {"model": "tiny-bert", "steps": -1}], "steps = -1 is not allowed; allowed: "),
]
"""What a client asks for, and what the line that it reads says."""


def printed(language):
    """The guide's blocks of code in a language, in order."""
    return re.findall(rf"^```{language}\n(.*?)^```", GUIDE, flags=re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def python(server):
    """The function `stream` of the guide's client in plain Python, and what its example printed."""
    code = printed("python")[0].replace(ADDRESS + "/", server.url)
    imports = re.findall(r"^(?:from|import) (\w+)", code, flags=re.MULTILINE)
    assert set(imports) <= sys.stdlib_module_names
    said = []
    scope = {"print": lambda *parts: said.append(parts)}
    exec(code, scope)
    return scope["stream"], said


@pytest.fixture
def node(server, tmp_path):
    """Start the guide's client in JavaScript, its example replaced by other code."""
    if not (found := shutil.which("node")):
        pytest.skip("no node here")
    if int(subprocess.run([found, "--version"], capture_output=True, text=True, check=True).stdout[1:].split(".")[0]) < 18:
        pytest.skip("node is older than 18")
    (code,) = printed("javascript")
    code = code.replace(ADDRESS + "/", server.url)
    started = []

    def start(instead=None):
        (tmp_path / "client.mjs").write_text(code if instead is None else code[: code.index("\nfor await")] + instead)
        process = subprocess.Popen([found, "client.mjs"], cwd=tmp_path, stdin=-1, stdout=-1, stderr=-1, text=True)
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def finished(process):
    """The lines that a client printed until it ended well."""
    said, wrong = process.communicate(timeout=250)
    assert process.returncode == 0, wrong
    return said.splitlines()


def check(events, measured):
    kinds = [event["kind"] for event in events if event["kind"] != "progress"]
    assert kinds == ["started", *["measured"] * measured, "finished"]
    assert events[-1]["report"]["config"]["kind"] == events[0]["config"]["kind"]


def begun(events):
    """Wait until a run has left the queue, where one that was ended before may still hold its slot."""
    assert any(event["kind"] == "started" for event in events)


def test_the_python_client_prints_what_the_guide_says(python):
    _, said = python
    assert [line[0] for line in said[:11]] == list(range(0, 101, 10))
    assert said[-3][0] == "toy"
    assert said[-2] == ("started",)
    assert "'widht' is not a field of ToyConfig" in str(said[-1][0])


@pytest.mark.parametrize("endpoint", RUNS)
def test_the_python_client_streams_every_event_once(python, endpoint):
    config, measured = RUNS[endpoint]
    check(list(python[0](endpoint, config)), measured)


@pytest.mark.parametrize(("asked", "line"), ERRORS)
def test_the_python_client_reads_an_error(python, asked, line):
    with pytest.raises(RuntimeError, match=re.escape(line)):
        list(python[0](*asked))


def test_the_python_client_reads_what_json_has_no_word_for(python):
    with pytest.raises(RuntimeError, match="alpha = nan is not allowed; allowed: "):
        list(python[0]("toy", {"alpha": float("nan")}))


def test_the_python_client_ends_a_run(python, server):
    events = python[0]("toy", LONG)
    begun(events)
    assert server.computes()
    events.close()
    assert server.rests(within=5)


def test_the_javascript_client_prints_what_the_guide_says(node):
    lines = finished(node())
    assert [line.split()[0] for line in lines[:11]] == [str(step) for step in range(0, 101, 10)]
    assert lines[-2] == "started"
    assert "'widht' is not a field of ToyConfig" in lines[-1]


def test_the_javascript_client_streams_every_event_once(node):
    code = f"""
    for (const [endpoint, [config]] of Object.entries({json.dumps(RUNS)})) {{
      const events = [];
      for await (const event of stream(endpoint, config)) events.push(event);
      console.log(JSON.stringify(events));
    }}"""
    for line, (_, measured) in zip(finished(node(code)), RUNS.values(), strict=True):
        check(json.loads(line), measured)


def test_the_javascript_client_reads_errors(node):
    code = f"""
    for (const asked of {json.dumps([asked for asked, _ in ERRORS])}) {{
      try {{
        for await (const event of stream(...asked)) console.log(event.kind);
      }} catch (error) {{
        if (error.constructor === Error) console.log(error.message);
      }}
    }}"""
    said = [line for line in finished(node(code)) if line != "started"]
    assert len(said) == len(ERRORS)
    for line, (asked, wanted) in zip(said, ERRORS, strict=True):
        assert wanted in line, asked


def test_the_javascript_client_ends_a_run(node, server):
    code = f"""
    for await (const event of stream("toy", {json.dumps(LONG)})) {{
      if (event.kind !== "started") continue;
      console.log("started");
      await new Promise((go) => process.stdin.once("data", go));
      break;
    }}
    console.log("left");
    setInterval(() => {{}}, 1000);"""
    process = node(code)
    assert process.stdout.readline() == "started\n"
    assert server.computes()
    process.stdin.write("go\n")
    process.stdin.flush()
    assert process.stdout.readline() == "left\n"
    assert server.rests(within=5)
    assert process.poll() is None, "the run is to end by leaving the loop, not with the process"


def shell(code, server):
    """The output of lines of a shell that a page prints."""
    code = code.replace(ADDRESS + "/", server.url)
    return subprocess.run(["bash", "-c", code], capture_output=True, text=True, timeout=250, check=True).stdout


@pytest.mark.parametrize("page", ["README.md", "regime/guides/api.md"])
def test_the_lines_for_curl_stream_a_run(server, page):
    (code,) = re.findall(r"^```bash\n(APP=.*?)^```", (ROOT / page).read_text(), flags=re.MULTILINE | re.DOTALL)
    lines = shell(code, server).splitlines()
    assert [line[7:] for line in lines if line.startswith("event: ") and "heartbeat" not in line][-1] == "complete"
    data = [json.loads(line[6:]) for line in lines if line.startswith("data: ")]
    check([each[0] for each in data if each], 11)


def test_curl_ends_a_run_by_going_away(server):
    start, _, read = printed("bash")[0].replace('{"width": 64, "steps": 100}', json.dumps(LONG)).rpartition("curl")
    command = start.replace(ADDRESS + "/", server.url) + "exec curl" + read
    with subprocess.Popen(["bash", "-c", command], stdout=subprocess.PIPE, text=True) as process:
        while '"started"' not in process.stdout.readline():
            pass
        assert server.computes()
        process.terminate()
    assert server.rests(within=5)


def test_a_waiting_run_reads_its_place(python, server):
    stream, _ = python
    with ExitStack() as stack:
        running, other, third, fourth = (
            stack.enter_context(closing(stream(*asked)))
            for asked in (("toy", LONG), ("toy", LONG), ("sweep", SWEEP), ("sweep", SWEEP))
        )
        begun(running)
        begun(other)
        places = [next(third), next(fourth)]
        assert [(event["kind"], event["place"]) for event in places] == [("queued", 1), ("queued", 2)]
        check(list(stream("toy", SMALL)), 3)  # a short run begins beside two long ones
        client = Client(server.url, verbose=False, analytics_enabled=False, download_files=False)
        job = client.submit(SWEEP, api_name="/sweep")
        assert next(iter(job)).items() >= {"kind": "queued", "place": 3}.items()
        running.close()
        check(admitted(third), 4)
        check(admitted(fourth), 4)
        job.result(timeout=250)
        check(admitted(job.outputs()), 4)
        client.close()


def admitted(events):
    """A run's events after those from the queue."""
    return [event for event in events if event["kind"] != "queued"]


def test_a_run_that_waits_leaves_the_queue_with_its_reader(python):
    stream, _ = python
    with closing(stream("toy", LONG)) as one, closing(stream("toy", LONG)) as two:
        begun(one)
        begun(two)

        def place():
            time.sleep(0.2)  # a reader's leaving is noticed a moment later
            with closing(stream("sweep", SWEEP)) as waiting:
                return next(waiting)["place"]

        assert place() == 1
        assert any(place() == 1 for _ in range(50))
