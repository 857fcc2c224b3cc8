"""Prompts: the template stays whole around any text, in any tokenizer, and asks for one word."""

import copy
import json
from pathlib import Path

import pytest
from tokenizers import AddedToken, Tokenizer, normalizers, processors
from transformers import PreTrainedTokenizerFast

import regime
from regime.models.functions import TextFunction
from tests.models import tiny

TEXTS = {
    "english": [f"a film of number {k} that is not good at all, and long, too" for k in range(12)],
    "accents": [f"{'é' * k} naïve übergroß film" for k in range(8, 32)],
    "chinese": [f"{'很' * k}好看我喜欢它的故事和演员表演" for k in range(12)],
    "short": ["good", "bad", "a film", "no"],
}
UNACCENTED = normalizers.Sequence([normalizers.NFD(), normalizers.StripAccents()])
SPECIAL = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>", "pad_token": "<pad>"}


def byte_pairs(mask: AddedToken, normalizer: normalizers.Normalizer | None = None) -> PreTrainedTokenizerFast:
    """As RoBERTa's: byte pairs between two ends, and a mask."""
    inner = json.loads(tiny.tokenizer(False).backend_tokenizer.to_str())
    inner["added_tokens"] = [token for token in inner["added_tokens"] if token["content"] != "<mask>"]
    made = Tokenizer.from_str(json.dumps(inner))
    made.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 1), add_prefix_space=False)
    made.normalizer = normalizer or normalizers.Sequence([])
    return PreTrainedTokenizerFast(tokenizer_object=made, mask_token=mask, **SPECIAL)


def function(root: Path, family: str, tokenizer: PreTrainedTokenizerFast, **fields: object) -> TextFunction:
    tokenizer.save_pretrained(tiny.write(root / "m", family, language_model=True))
    fields = {"words": ("terrible", "great"), "max_tokens": 24} | fields
    return TextFunction(regime.ProbeConfig(model="m", readout="prompt", **fields), "m", "main")


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("REGIME_MODELS_DIR", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("prompt", ['Q: "{text}" A: {mask}', "{text} It was {mask}.", "{text}: {text} is {mask}"])
@pytest.mark.parametrize("family", ["roberta", "gpt2"])
def test_the_template_is_whole_around_every_text(root: Path, family: str, prompt: str, side: str) -> None:
    masked = family == "roberta"
    tokenizer = byte_pairs(AddedToken("<mask>")) if masked else copy.deepcopy(tiny.tokenizer(False))
    tokenizer.truncation_side = side
    made = function(root, family, tokenizer, prompt=prompt)
    template = f"<s>{prompt.replace('{mask}', '<mask>')}</s>" if masked else prompt.partition("{mask}")[0].rstrip()
    for kind, rows in TEXTS.items():
        inputs = made.inputs(rows)
        for row, ids, length in zip(rows, inputs["input_ids"].tolist(), inputs["attention_mask"].sum(1).tolist(), strict=True):
            read = made.tokenizer.decode(ids[:length], clean_up_tokenization_spaces=False)
            kept = [row[:end] for end in range(1, len(row) + 1) if template.replace("{text}", row[:end]) == read]
            assert len(kept) == 1, (kind, read)
            assert length <= 24
            assert kept == [row] or length >= 24 - 4 * prompt.count("{text}"), (kind, read)
    assert kept == [row]


@pytest.mark.parametrize(
    ("mask", "normalizer", "text", "count"),
    [
        (AddedToken("<mask>", single_word=True), None, "a good film", 0),
        (AddedToken("<mask>", normalized=True), UNACCENTED, "a good <másk> film", 2),
    ],
)
def test_a_prompt_without_one_mask_is_refused(root: Path, mask, normalizer, text: str, count: int) -> None:
    made = function(root, "roberta", byte_pairs(mask, normalizer), prompt="{text}{mask}")
    assert made.inputs(["a film!"])["input_ids"].shape[1] > 2
    with pytest.raises(regime.ConfigError, match=rf"prompt = .* finds {count} masks .* '{text}'; allowed: one"):
        made.inputs(["a film!", text])


@pytest.mark.parametrize(
    ("prompt", "text", "said"),
    [
        ("很很{text}: {mask}", "a film", r"the prompt alone has \d+ tokens; allowed: more"),
        ("{text}. It was: {mask}", "很好看", "the prompt leaves no room for the text '很好看'; allowed: more"),
    ],
)
def test_a_prompt_without_room_for_a_text_is_refused(root: Path, prompt: str, text: str, said: str) -> None:
    made = function(root, "gpt2", tiny.tokenizer(False), prompt=prompt, max_tokens=6)
    with pytest.raises(regime.ConfigError, match=f"max_tokens = 6 is not allowed: {said}"):
        made.inputs(["good", text])
