"""A fine-tuned classifier as an encoder: the input of its last layer, as unit vectors. Knows torch, not records."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.arrays import Floats, unit_rows
from core.errors import Damaged
from core.jobs.bundle import write_json
from core.models.encoders.encoder import FEATURES, encode_alike, encode_in_batches, without_surrogates
from core.models.encoders.torch_encoder import fingerprint_of, multiplies_bfloat16

CPU_BUDGET, GPU_BUDGET, EACH_BUDGET = 2_048, 65_536, 1_024
"""tokens at once, with padding; the last where batches are filled up"""

CHARACTERS_PER_TOKEN = 40
"""characters of a text that are read for each token that counts: words are shorter, and a book would take minutes"""


@dataclass(frozen=True)
class FeatureEncoder:
    """On the GPU where torch finds one. classify: the whole model. layer: its last one, whose input is the vector."""

    name: str
    fingerprint: str
    dims: int
    longest: int
    tokenizer: Any
    classify: Any
    layer: Any

    def encode(self, texts: Sequence[str]) -> Floats:
        """(texts, dims), unit rows; of a long text the first `longest` tokens count."""
        return unit_rows(self.features(texts))

    def encode_each(self, texts: Sequence[str]) -> Floats:
        """The same, to the bit, whatever other texts there are."""
        cut = self._cut(texts)
        lengths = [len(ids) for ids in cut["input_ids"]]
        return unit_rows(encode_alike(lengths, EACH_BUDGET, self.dims, lambda batch: self._run(cut, batch), full=True))

    def features(self, texts: Sequence[str]) -> Floats:
        """(texts, dims), the input of the last layer, not scaled."""
        cut = self._cut(texts)
        budget = CPU_BUDGET if self.classify.device.type == "cpu" else GPU_BUDGET
        lengths = [len(ids) for ids in cut["input_ids"]]
        return encode_in_batches(lengths, budget, self.dims, lambda batch: self._run(cut, batch))

    def _cut(self, texts: Sequence[str]) -> Mapping[str, list[list[int]]]:
        """What the tokenizer makes of them, as far as it counts."""
        clean = [without_surrogates(text)[: self.longest * CHARACTERS_PER_TOKEN] for text in texts]
        return self.tokenizer(clean, truncation=True, max_length=self.longest) if clean else {"input_ids": []}

    def _run(self, tokens: Mapping[str, list[list[int]]], batch: list[int]) -> Floats:
        import torch

        cut = [{name: values[row] for name, values in tokens.items()} for row in batch]
        seen: list[Any] = []
        hook = self.layer.register_forward_pre_hook(lambda _, supplied: seen.append(supplied[0]))
        try:
            with torch.inference_mode():
                self.classify(**self.tokenizer.pad(cut, return_tensors="pt").to(self.classify.device))
        finally:
            hook.remove()
        rows: Floats = seen[0].float().cpu().numpy()
        return rows


def mark_features(folder: Path, layer: str, dims: int, longest: int) -> None:
    """Makes a saved classifier an encoder. layer: the module's name. longest: tokens that it was trained on."""
    write_json(folder / FEATURES, {"schema": 1, "layer": layer, "dims": dims, "longest": longest})


def load_feature_encoder(folder: Path, threads: int) -> FeatureEncoder:
    """From a folder that `mark_features` has marked. Raises Damaged when it is not whole."""
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    if threads:
        torch.set_num_threads(threads)
    kind = torch.bfloat16 if multiplies_bfloat16() else torch.float32
    try:
        marked = json.loads((folder / FEATURES).read_text(encoding="utf-8"))
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        model = AutoModelForSequenceClassification.from_pretrained(
            folder, local_files_only=True, use_safetensors=True, dtype=kind
        )
        layer = model.get_submodule(marked["layer"])
        tokenizer.deprecation_warnings["Asking-to-pad-a-fast-tokenizer"] = True  # it would say so for every batch
    except (OSError, ValueError, KeyError, AttributeError) as error:
        raise Damaged(f"{folder} is no fine-tuned classifier: {str(error).splitlines()[0]} Train it again.") from error
    device = "cuda" if torch.cuda.is_available() else "cpu"
    return FeatureEncoder(
        name=str(folder),
        fingerprint=fingerprint_of(folder),
        dims=int(marked["dims"]),
        longest=int(marked["longest"]),
        tokenizer=tokenizer,
        classify=model.to(device).eval(),
        layer=layer,
    )
