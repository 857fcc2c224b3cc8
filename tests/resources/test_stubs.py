"""Gradio writes no stubs of components whose classes are made meanwhile."""

import inspect
import runpy
from pathlib import Path

import gradio as gr
import pytest

from regime.resources.stubs import without_stubs

CLASS = "import gradio as gr\n\nclass Own(gr.Button):\n    pass\n"


def test_components_are_made_without_stubs_and_with_them_again(tmp_path: Path) -> None:
    own = tmp_path / "own.py"
    own.write_text(CLASS, encoding="utf-8")
    before = inspect.getfile
    with without_stubs():
        made = runpy.run_path(str(own))["Own"]
        assert inspect.getfile(Path) == before(Path)
    assert inspect.getfile is before
    assert issubclass(made, gr.Button)
    assert not own.with_suffix(".pyi").exists()


def test_what_fails_meanwhile_leaves_nothing_changed() -> None:
    before = inspect.getfile
    with pytest.raises(ImportError), without_stubs():
        raise ImportError
    assert inspect.getfile is before
