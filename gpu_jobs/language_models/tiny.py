"""A language model made on the spot: random, small enough to learn ten answers by heart in seconds. Knows no task.

It stands for a real one where there is no time or no network: in CI and in demonstrations.
"""

from pathlib import Path
from typing import Any

from core.store.whole_files import whole_file

VOCABULARY = 392
HIDDEN, LAYERS, HEADS, LONGEST = 64, 2, 4, 1024
SPREAD = 0.3
"""standard deviation of the weights. LoRA leaves them as they are, and with the usual .02 the frozen last layer cannot
say any token with confidence: nothing is learnt"""
SPECIAL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")

CHATML = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
"""the template of SmolLM2 and Qwen, without their own system message"""

_TEXT = (
    'Return JSON: {"doers": ["Mara", "Pim"], "receivers": ["Pim"], "notes": null, "element": "action"}',
    "The old miller gave the girl a lantern, and she went into the forest before the rain came.",
    "system user assistant Read the text and list the characters who act, one object per character.",
    "从前有一个小女孩，她住在森林里。 狐狸说：“你好！” 🦊🌲",
)
"""what the vocabulary's merges are learnt from; single bytes spell everything else"""


def tiny_model(folder: Path, seed: int = 0) -> Path:
    """Writes a Llama of two layers (99,000 weights, 400 KB) with a byte-level vocabulary of its own and ChatML turns.

    The same seed gives the same files. Returns the folder, which is whole or absent.
    """
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    if (folder / "config.json").is_file():
        return folder
    tokenizer = _tokenizer()
    shape = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=HIDDEN,
        intermediate_size=2 * HIDDEN,
        num_hidden_layers=LAYERS,
        num_attention_heads=HEADS,
        num_key_value_heads=HEADS // 2,
        max_position_embeddings=LONGEST,
        initializer_range=SPREAD,
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    with torch.random.fork_rng(devices=[]), whole_file(folder) as partial:
        torch.manual_seed(seed)
        LlamaForCausalLM(shape).save_pretrained(partial)
        tokenizer.save_pretrained(partial)
    return folder


def _tokenizer() -> Any:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    plain = Tokenizer(models.BPE())
    plain.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    plain.decoder = decoders.ByteLevel()
    learner = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=list(SPECIAL),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    plain.train_from_iterator(_TEXT, learner)
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=plain, model_max_length=LONGEST, clean_up_tokenization_spaces=False
    )
    tokenizer.pad_token, _, tokenizer.eos_token = SPECIAL
    tokenizer.chat_template = CHATML
    return tokenizer
