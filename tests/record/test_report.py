import json
from pathlib import Path

import pytest

import regime
from regime import Report, ToyConfig

CONFIG = ToyConfig(samples=16, test_samples=8, probe_samples=8, width=8, seeds=2, steps=4, measure_every=2)


def test_save_and_load_are_exact(tmp_path) -> None:
    report = regime.run(CONFIG)
    path = report.save(tmp_path / "run")
    assert path == tmp_path / "run" / "report.json"
    assert Report.load(tmp_path / "run") == report
    assert Report.from_dict(json.loads(json.dumps(report.to_dict()))) == report
    assert [file.name for file in path.parent.iterdir()] == ["report.json"]


def test_the_contract_of_a_report() -> None:
    report = regime.run(CONFIG)
    assert report.config == CONFIG
    assert report.verdict.label in ("lazy", "mixed", "rich", "no verdict")
    low, high = report.verdict.interval
    assert 0 <= low <= high <= 1
    assert isinstance(report.verdict.reasons, list)
    assert isinstance(report.verdict.advice, list)
    assert {"layer", "block", "kernel_change", "representation_change", "parameter_movement"} <= set(report.layers[0])
    assert report.layers[-1]["representation_change"] is None
    assert "representation_change" in report.layers[-1]["undefined"]
    assert [event.step for event in report.history] == [0, 2, 4]
    assert {"regime", "torch", "python"} <= set(report.provenance.versions)


@pytest.mark.parametrize(
    ("text", "message"), [("nonsense", "is not JSON"), ("{}", "not a report of this version: config"), ("[]", "not a report")]
)
def test_a_file_that_is_no_report_is_refused(tmp_path, text: str, message: str) -> None:
    (tmp_path / "report.json").write_text(text)
    with pytest.raises(ValueError, match=message):
        Report.load(tmp_path)


def test_a_report_of_any_size_is_loaded_as_it_was_saved(tmp_path) -> None:
    report = regime.run(CONFIG)
    large = report.model_copy(update={"undefined": {"kernel_change": "x" * 70 * 2**20}})
    path = large.save(tmp_path)
    assert path.stat().st_size > 70 * 2**20
    assert Report.load(tmp_path) == Report.load(path) == large


def test_a_report_that_cannot_be_written_leaves_what_was_there(tmp_path, monkeypatch) -> None:
    report = regime.run(CONFIG)
    report.save(tmp_path)

    def full(path: Path, *_: object, **__: object) -> None:
        path.write_bytes(b"{")
        raise OSError("no space left")

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(OSError, match="no space left"):
        report.save(tmp_path)
    assert [file.name for file in tmp_path.iterdir()] == ["report.json"]
    assert Report.load(tmp_path) == report


@pytest.mark.parametrize(
    ("part", "name", "value", "said"),
    [
        (
            "seeds",
            "kernel_change",
            [0.1, 0.2, 0.3],
            "seeds.[a-z_]+: 3 numbers are not allowed",
        ),
        ("verdict", "interval", [float("nan"), 0.5], "verdict.interval.0: Input should be a finite number"),
        ("verdict", "index", float("inf"), "verdict.index: Input should be a finite number"),
    ],
)
def test_a_report_whose_parts_do_not_fit_is_refused(part, name, value, said) -> None:
    fields = regime.run(CONFIG).to_dict()
    fields[part][name] = value
    with pytest.raises(ValueError, match=f"not a report of this version: ({said})"):
        Report.from_dict(fields)


@pytest.mark.parametrize("part", ["layers", "blocks"])
@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("layer", None, "layer: Input should be a valid string"),
        ("undefined", [], "undefined: Input should be a valid dictionary"),
        ("floors", "low", "floors: Input should be a valid dictionary"),
        ("intervals", {"kernel_change": 0.5}, "intervals.kernel_change: Input should be a valid tuple"),
        ("kernel_change", "large", "measures.kernel_change: Input should be a valid number"),
        ("kernel_change", float("nan"), "measures.kernel_change: Input should be a finite number"),
        ("regime", "lazy", "regime: Input should be a valid dictionary"),
    ],
)
def test_rows_that_are_none_are_refused(part: str, name: str, value: object, said: str) -> None:
    """They were taken as they are: 41 of such edits made `to_csv` fail with an error of Python's."""
    fields = regime.run(CONFIG).to_dict()
    fields[part][0][name] = value
    with pytest.raises(ValueError, match=rf"not a report of this version: {part}\.0: {said}"):
        Report.from_dict(fields)


def test_a_row_that_lacks_a_part_is_refused_and_one_without_a_regime_is_not() -> None:
    fields = regime.run(CONFIG).to_dict()
    fields["blocks"][0]["regime"] = None
    assert "regime" not in Report.from_dict(fields).blocks[0]
    for name in ("layer", "block", "undefined", "floors", "intervals"):
        spoiled = {**fields, "layers": [{key: value for key, value in fields["layers"][0].items() if key != name}]}
        with pytest.raises(ValueError, match=f"layers.0: {name}: Field required"):
            Report.from_dict(spoiled)
