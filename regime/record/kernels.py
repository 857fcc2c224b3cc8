"""A run's kernels in a file."""

import os

import torch
from safetensors.torch import save

from regime.record.files import whole
from regime.record.recorder import Recorder


def save_kernels(recorder: Recorder | None, path: str | os.PathLike[str]) -> None:
    """Write a record's kernels as safetensors, whole or not at all; raises ValueError where there are none yet."""
    if recorder is None or recorder.baseline is None:
        raise ValueError("save_kernels: nothing is measured yet")
    with whole(path) as partial:
        # the first measurement is the last one too, for a while: tensors of a file may not share memory
        copies = {name: kernel.clone(memory_format=torch.contiguous_format) for name, kernel in recorder.kernels().items()}
        partial.write_bytes(save(copies))
