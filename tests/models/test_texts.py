import pytest

from regime.models import texts


@pytest.mark.parametrize("task", ["sentiment", "source"])
def test_splits_are_disjoint_balanced_and_fixed(task: str) -> None:
    groups = texts.split(task, [64, 31, 128])
    assert [len(group.texts) for group in groups] == [64, 31, 128]
    assert [tuple(group.labels.shape) for group in groups] == [(64, 1), (31, 1), (128, 1)]
    assert all(abs(group.labels.sum()) <= 1 for group in groups)
    assert len({text for group in groups for text in group.texts}) == 64 + 31 + 128
    assert [group.texts for group in texts.split(task, [64, 31, 128])] == [group.texts for group in groups]


def test_the_attribution_is_beside_the_file() -> None:
    assert "Hutto" in (texts.REVIEWS.parent / "README.md").read_text()


def test_labels_are_those_of_the_file() -> None:
    import csv

    with texts.REVIEWS.open(newline="") as file:
        rows = {row["text"]: row for row in csv.DictReader(file)}
    assert len(rows) == 1200
    (group,) = texts.split("sentiment", [40])
    assert all(
        (label > 0) == (rows[text]["sentiment"] == "positive") for text, label in zip(group.texts, group.labels, strict=True)
    )
    (group,) = texts.split("source", [40])
    assert all((label > 0) == (rows[text]["source"] == "movie") for text, label in zip(group.texts, group.labels, strict=True))
