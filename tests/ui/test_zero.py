"""A Space with ZeroGPU, played by a module that pickles all that goes in and comes out, as a forked process does."""

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).parents[2]
SPACE = """
import json, pickle, sys, types
asked = []
def GPU(task, duration):
    def lent(*args):
        args = pickle.loads(pickle.dumps(args))
        asked.append(duration(*args))
        for value in task(*args):
            yield pickle.loads(pickle.dumps(value))
    return lent
sys.modules["spaces"] = types.SimpleNamespace(GPU=GPU)

import torch, regime
from regime.resources import device
from regime.ui.run.board import Board
from regime.ui.run.export import make_file
from regime.ui.run.visit import SHELF, Visit
from regime.ui.run import session

really, torch.cuda.is_available = torch.cuda.is_available, lambda: True  # as in a Space's main process, without a GPU
before = str(device.pick_device("auto"))
torch.cuda.is_available = really        # where one is lent it is there; a CUDA build of torch would look for it
device._has_cuda = lambda: False        # this machine has none to lend
size = {"samples": 8, "probe_samples": 8, "max_tokens": 12, "steps": 2, "measure_every": 1}
config = regime.ProbeConfig(model="tiny-bert", forecast=False, **size)
visit = Visit("probe")
kinds = [event["kind"] for event in visit.play(config, visit.press(), fresh=True, ahead=1)]
held, shelved = visit.board.status, len(SHELF._held)
list(visit.play(config, visit.press(), fresh=False, ahead=None))
import tempfile, os
os.environ["GRADIO_TEMP_DIR"] = tempfile.mkdtemp()
kernels = make_file("kernels.safetensors", visit)
from safetensors.torch import load_file
toy = type(session.new_session(regime.ToyConfig())).__name__
ended = [visit.board.status, sorted(load_file(kernels)), asked, toy, device._lent]
print(json.dumps([before, kinds[0], held, shelved, *ended]))
"""


def test_a_run_goes_through_the_lent_gpu_and_begins_again_where_it_was_held(tmp_path: Path, tiny_models: Path) -> None:
    environment = os.environ | {"SPACES_ZERO_GPU": "true", "PYTHONPATH": str(ROOT), "TMPDIR": str(tmp_path)}
    environment["REGIME_MODELS_DIR"] = str(tiny_models)
    done = subprocess.run(
        [sys.executable, "-c", SPACE], env=environment, capture_output=True, text=True, timeout=200, check=False
    )
    assert done.returncode == 0, done.stderr
    before, first, held, shelved, status, kernels, asked, toy, lent = json.loads(done.stdout.splitlines()[-1])
    assert before == "cpu"
    assert (first, held, shelved, status) == ("started", "paused", 0, "finished")
    assert Counter(name.split("/")[0] for name in kernels) == {"start": 21, "now": 21}, "one of each of two blocks' layers"
    assert len(asked) == 2
    assert all(15 <= seconds <= 120 for seconds in asked)
    assert toy == "Session"
    assert lent
