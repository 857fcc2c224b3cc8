"""Benchmarks of the app: `python -m tests.benchmarks.app`, from the root of the checkout.

    p4     the default run as a client and as a browser see it: first event, events a second, time outside computation, bytes
    p5     from `python app.py` to the first page, against a hello-world Gradio app that also imports torch

Run it on an idle machine. A load average above 0.3 of the cores at the start is noted with the results.
"""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from argparse import Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import numpy as np
from gradio_client import Client

from regime.ui.form.toy import ALPHAS, WIDTHS
from tests.benchmarks.report import REPEATS, NotRunError, Row, Section, Table, command, rounds
from tests.benchmarks.timing import in_turn, ratio

ROOT = Path(__file__).parents[2]
CALLS = 15
STARTS = 7
HELLO = """
import torch
import gradio as gr
with gr.Blocks() as demo:
    name, said = gr.Textbox(), gr.Textbox()
    name.submit(lambda name: f"Hello, {name} {torch.ones(1).item()}", name, said)
demo.launch(ssr_mode=False, quiet=True)
"""
CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")


@contextmanager
def serving(*command: str) -> Iterator[str]:
    """A Gradio app in a process of its own, once its page answers; its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with tempfile.TemporaryDirectory() as folder:
        settings = {
            "GRADIO_SERVER_NAME": "127.0.0.1",
            "GRADIO_SERVER_PORT": str(port),
            "GRADIO_TEMP_DIR": folder,
            "GRADIO_ANALYTICS_ENABLED": "False",
            "HF_HUB_OFFLINE": "1",
        }
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        process = subprocess.Popen([sys.executable, *command], cwd=ROOT, env=os.environ | settings, **quiet)
        url = f"http://127.0.0.1:{port}/"
        try:
            while not _answers(url):
                if process.poll() is not None:
                    raise RuntimeError(f"{command} ended with {process.returncode}")
                time.sleep(0.01)
            yield url
        finally:
            process.send_signal(signal.SIGKILL)
            process.wait()


def _answers(url: str) -> bool:
    try:
        urllib.request.urlopen(url, timeout=5).read()
    except OSError:
        return False
    return True


def start(*command: str) -> float:
    """Seconds until the first page has been read."""
    began = time.perf_counter()
    with serving(*command):
        return time.perf_counter() - began


def call(client: Client, fields: dict) -> dict[str, float]:
    """One run over the API: what a client waits for, and what the server computed meanwhile."""
    began = time.perf_counter()
    job = client.submit(fields, api_name="/toy")
    first, count = 0.0, 0
    for _ in job:
        first = first or time.perf_counter() - began
        count += 1
    wall = time.perf_counter() - began
    computed = job.result()["report"]["provenance"]["seconds"]
    return {"first": first, "rate": count / (wall - first), "outside": 1 - computed / wall, "wall": wall}


def drawn(url: str, width: int) -> dict[str, float]:
    """A run of the page, in Chromium: frames and bytes that the server sends while it goes."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1440, "height": 900})
        network = page.context.new_cdp_session(page)
        network.send("Network.enable")
        page.goto(url)
        page.locator("#toy-transport").get_by_text("finished in").wait_for()
        page.get_by_role("slider", name="Width").fill(str(WIDTHS.index(width)))
        page.get_by_role("slider", name="Output scale").fill(str(ALPHAS.index(1.0)))
        page.wait_for_timeout(2000)
        received: list[int] = []
        network.on("Network.dataReceived", lambda part: received.append(part["dataLength"]))
        page.evaluate(
            """() => { window.seen = {frames: 0, first: 0, last: 0, began: performance.now(), step: ''};
            const now = () => document.querySelector('#toy-transport .progress b')?.textContent ?? '';
            new MutationObserver(() => {
              if (now() === seen.step || !now().startsWith('step')) return;
              Object.assign(seen, {step: now(), frames: seen.frames + 1, last: performance.now()});
              seen.first ||= seen.last;
            }).observe(document.body, {subtree: true, childList: true, characterData: true}); }"""
        )
        page.get_by_role("button", name="Run", exact=True).click()
        page.get_by_role("button", name="Pause", exact=True).wait_for()
        page.get_by_role("button", name="Run", exact=True).wait_for(timeout=120_000)
        page.locator("#toy-transport").get_by_text("finished in").wait_for()
        seen = page.evaluate("seen")
        browser.close()
    first, last = ((seen[name] - seen["began"]) / 1000 for name in ("first", "last"))
    return {"frames": seen["frames"], "seconds": last - first, "bytes": sum(received), "first": first}


def live(asked: Namespace) -> Section:
    """P4."""
    if not Path(CHROMIUM).exists():
        raise NotRunError(f"there is no Chromium at {CHROMIUM}")
    fields, width = ({"width": 16, "steps": 20, "seeds": 1}, 16) if asked.quick else ({}, 512)
    section = Section(
        "P4, the default run from outside", ["`/toy` without fields by gradio_client, warm; the page in Chromium."]
    )
    with serving("app.py") as url:
        client = Client(url, verbose=False, analytics_enabled=False, download_files=False)
        call(client, fields)
        calls = [call(client, fields) for _ in range(max(1, rounds(asked, CALLS)))]
        client.close()
        page = drawn(url, width)
    columns = {name: [each[name] for each in calls] for name in calls[0]}
    medians = {name: float(np.median(values)) for name, values in columns.items()}
    section.promise("first event within 0.5 s, the slowest call", max(columns["first"]), at_most=0.5)
    section.promise("at least 10 events a second, the slowest call", min(columns["rate"]), at_least=10)
    section.promise("at most 20% of the time outside computation, median", medians["outside"], at_most=0.2)
    rows: list[Row] = [
        {"what": "first event, s", "median": medians["first"]},
        {"what": "events a second", "median": medians["rate"]},
        {"what": "share of time outside computation", "median": medians["outside"]},
        {"what": "whole call, s", "median": medians["wall"]},
        {"what": "page: first frame after the press, s", "median": page["first"]},
        {"what": "page: frames a second", "median": page["frames"] / page["seconds"]},
        {"what": "page: bytes a frame, all that arrives while it runs", "median": page["bytes"] / page["frames"]},
    ]
    section.tables.append(Table("Medians over calls; one run of the page", rows))
    section.seconds["calls"] = columns
    return section


def cold(asked: Namespace) -> Section:
    """P5."""
    if asked.quick:
        raise NotRunError("starts take their time; p4 begins with one")
    section = Section("P5, from the start to the first page", ["A process each, until its page has been read, in turn."])
    turns = {"app.py": partial(start, "app.py"), "hello world": partial(start, "-c", HELLO)}
    seconds = in_turn(turns, rounds(asked, STARTS))
    section.promise("at most 1.3 times hello world with torch", ratio(*seconds.values()), at_most=1.3)
    rows: list[Row] = [{"what": name, "median, s": float(np.median(values))} for name, values in seconds.items()]
    section.tables.append(Table("Seconds", rows))
    section.seconds["starts"] = seconds
    return section


if __name__ == "__main__":
    sys.exit(command("app", __doc__, {"p4": live, "p5": cold}, REPEATS))
