"""A causal language model in memory: loaded from a folder, answering greedily. Knows no task and no training."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.errors import BadInput, Refused
from core.models.encoders.encoder import token_batches
from core.models.encoders.torch_encoder import multiplies_bfloat16
from gpu_jobs.language_models.chat import end_tokens, load_tokenizer

TOKEN_BUDGET = 8_192
"""tokens with padding, of prompts and the answers to come, that are generated at once"""


@dataclass(frozen=True)
class CausalModel:
    """longest: tokens of prompt and answer that the model has positions for."""

    model: Any
    tokenizer: Any
    longest: int
    folder: Path


@dataclass(frozen=True)
class Generated:
    """text: without what ends it. cut: it did not end within the limit. tokens: of the answer."""

    text: str
    cut: bool
    tokens: int


def load_causal(folder: Path, precision: str = "auto", *, four_bit: bool = False, threads: int = 0) -> CausalModel:
    """On the GPU where one is. precision: auto (bfloat16 where the machine multiplies it, else float32, which is twelve
    times quicker there), bfloat16, float32. four_bit: NF4 by bitsandbytes. Raises BadInput, Refused.
    """
    import torch
    from transformers import AutoModelForCausalLM

    if threads:
        torch.set_num_threads(threads)
    tokenizer = load_tokenizer(folder)
    kind = {"bfloat16": torch.bfloat16, "float32": torch.float32}.get(precision) or (
        torch.bfloat16 if multiplies_bfloat16() else torch.float32
    )
    options: dict[str, Any] = {"dtype": kind, "local_files_only": True, "use_safetensors": True}
    if four_bit:
        options["quantization_config"] = _four_bit(kind)
    if torch.cuda.is_available():
        options["device_map"] = {"": torch.cuda.current_device()}
    try:
        model = AutoModelForCausalLM.from_pretrained(folder, **options)
    except ImportError as error:
        raise BadInput(f"{folder} needs a package that is not installed: {error}") from error
    except (OSError, ValueError, KeyError) as error:
        line = next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
        raise BadInput(f"{folder} is no causal language model that transformers can load: {line}") from error
    model.config.use_cache = True
    model.get_output_embeddings().register_forward_pre_hook(_in_one_piece)
    longest = int(getattr(model.config.get_text_config(), "max_position_embeddings", 0) or 2048)
    return CausalModel(model, tokenizer, longest, folder)


def _in_one_piece(layer: Any, supplied: tuple[Any, ...]) -> tuple[Any, ...]:
    """The last layer's input without gaps. Of a slice (the last token of each row) torch multiplies row by row where
    the weights are frozen, and on a processor copies them for each: 2 GB for 40 rows of SmolLM2."""
    return (supplied[0].contiguous(), *supplied[1:])


def has_four_bit() -> bool:
    """Can weights be held in 4 bits here: is there a GPU, and the package bitsandbytes?"""
    from importlib.util import find_spec

    import torch

    return torch.cuda.is_available() and find_spec("bitsandbytes") is not None


def _four_bit(kind: Any) -> Any:
    from transformers import BitsAndBytesConfig

    if not has_four_bit():
        raise Refused("4-bit weights need a GPU and the package bitsandbytes. Say four_bit=off, or use --on modal.")
    return BitsAndBytesConfig(
        load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=True, bnb_4bit_compute_dtype=kind
    )


def generate(causal: CausalModel, prompts: Sequence[Sequence[int]], max_new_tokens: int) -> list[Generated]:
    """The likeliest answer to each prompt, token by token, in the prompts' order. prompts: tokens, not padded."""
    import torch

    model, pad = causal.model, causal.tokenizer.pad_token_id
    ends = end_tokens(causal.tokenizer, model)
    results: list[Generated | None] = [None] * len(prompts)
    training = model.training
    model.eval()
    lengths = [len(prompt) + max_new_tokens for prompt in prompts]
    for rows in token_batches(lengths, TOKEN_BUDGET):
        width = max(len(prompts[row]) for row in rows)
        ids = torch.full((len(rows), width), pad)
        mask = torch.zeros((len(rows), width), dtype=torch.long)
        for line, row in enumerate(rows):  # on the left: all answers begin in the same column
            ids[line, width - len(prompts[row]) :] = torch.tensor(list(prompts[row]))
            mask[line, width - len(prompts[row]) :] = 1
        with torch.inference_mode():
            output = model.generate(
                input_ids=ids.to(model.device),
                attention_mask=mask.to(model.device),
                max_new_tokens=max_new_tokens,
                do_sample=False,
                temperature=None,
                top_p=None,
                top_k=None,
                eos_token_id=ends,
                pad_token_id=pad,
                use_cache=True,
            )
        for line, row in enumerate(rows):
            results[row] = _read(causal.tokenizer, output[line, width:].tolist(), ends)
    model.train(training)
    return [result for result in results if result is not None]


def _read(tokenizer: Any, tokens: list[int], ends: Sequence[int]) -> Generated:
    end = next((index for index, token in enumerate(tokens) if token in ends), None)
    answer = tokens if end is None else tokens[:end]
    return Generated(tokenizer.decode(answer, skip_special_tokens=True), end is None, len(answer))
