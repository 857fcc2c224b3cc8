"""The app as a program: what `python app.py` and `python -m regime app` call."""

import gc
import logging
import os
import signal
import time

from regime.resources.container import keep_to_cores
from regime.resources.stubs import without_stubs

PATIENCE = 2
"""Seconds that readers have to take what is left for them, when the server ends."""
MOMENT = 0.3
"""Seconds from the end of the last run until Gradio has sent, on a busy machine, what it ended with."""


def launch() -> None:
    """Serve the app until SIGINT or SIGTERM; GRADIO_SERVER_NAME and GRADIO_SERVER_PORT say where."""
    # Read when torch loads. By default its threads wait for one another by spinning, so that two runs on the same cores slow
    # each other tenfold; after 1000 turns they sleep instead, which costs one run alone 3%.
    os.environ.setdefault("GOMP_SPINCOUNT", "1000")
    keep_to_cores()
    gc.disable()  # what loads stays: to look through it again and again is an eighth of the start
    logging.getLogger("regime").addHandler(logging.StreamHandler())
    logging.getLogger("regime").setLevel(logging.INFO)
    logging.getLogger("regime").propagate = False  # other libraries add handlers of their own to the root
    with without_stubs():
        from regime.resources.device import share_memory
        from regime.ui.build import build, launch_options
        from regime.ui.run.slots import busy, close
        from regime.ui.sessions import Sessions

    asked: list[int] = []
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda number, _: asked.append(number))
    share_memory()
    app = build()
    app.launch(**launch_options(), prevent_thread_lock=True)
    Sessions(app)
    gc.freeze()  # nor later
    gc.enable()
    while not asked:  # a thread that waits for a lock gets no signal on Windows, nor while it takes the lock
        time.sleep(0.1)
    close()
    ended = time.monotonic() + PATIENCE
    while busy() and time.monotonic() < ended:  # runs are told within half a second
        time.sleep(0.05)
    time.sleep(MOMENT)
    app.server.config.timeout_graceful_shutdown = PATIENCE
    app.close()
    gc.freeze()  # what is left is gone with the process; to look through it takes a second
