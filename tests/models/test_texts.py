import csv

import pytest

from regime.config.own_texts import parse_texts
from regime.models import texts


@pytest.mark.parametrize("task", ["sentiment", "source"])
def test_splits_are_disjoint_balanced_and_drawn_by_the_seed(task: str) -> None:
    groups = texts.split(task, [64, 31, 128])
    assert [len(group.texts) for group in groups] == [64, 31, 128]
    assert all(abs(2 * int(group.labels.sum()) - len(group.labels)) <= 1 for group in groups)
    assert len({text for group in groups for text in group.texts}) == 64 + 31 + 128
    assert [group.texts for group in texts.split(task, [64, 31, 128])] == [group.texts for group in groups]
    assert texts.split(task, [64, 31, 128], seed=1)[0].texts != groups[0].texts


def test_the_attribution_is_beside_the_file() -> None:
    assert "Hutto" in (texts.REVIEWS.parent / "README.md").read_text()


def test_labels_are_those_of_the_file() -> None:
    with texts.REVIEWS.open(newline="") as file:
        rows = {row["text"]: row for row in csv.DictReader(file)}
    assert len(rows) == 1200
    for task, classes in texts.CLASSES.items():
        (group,) = texts.split(task, [40])
        assert [classes[label] for label in group.labels] == [rows[text][task] for text in group.texts]


def test_own_rows_of_three_labels() -> None:
    source = "\n".join(f"text {k},{'abc'[k % 3]}" for k in range(30))
    train, probe = texts.split("own", [12, 9], own=parse_texts(source))
    assert train.labels.bincount().tolist() == [4, 4, 4]
    assert probe.labels.bincount().tolist() == [3, 3, 3]
    assert not set(train.texts) & set(probe.texts)
    with pytest.raises(ValueError, match=r"31 texts are asked for, 20 \+ 11, and there are 30"):
        texts.split("own", [20, 11], own=parse_texts(source))


def test_text_alone_has_no_labels() -> None:
    (group,) = texts.split("own", [2], own=parse_texts("one\ntwo\nthree", labeled=False))
    assert group.labels.tolist() == [0, 0]


def test_prompts_ask_for_one_word_a_label() -> None:
    for task, prompt in texts.PROMPTS.items():
        assert len(prompt.words) == len(texts.CLASSES[task])
        assert "{text}" in prompt.template
    assert texts.prompt_prefix("{text} It was {mask}.") == "{text} It was"


def test_a_rare_label_is_in_every_group() -> None:
    source = "\n".join(f"text {k},{'rare' if k % 10 == 0 else 'common'}" for k in range(100))
    for group in texts.split("own", [32, 32, 32], own=parse_texts(source)):
        assert group.labels.bincount(minlength=2).tolist()[1] >= 3
