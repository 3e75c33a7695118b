"""The encoder that is always there, all-MiniLM-L6-v2, and those tuned from one like it, as an OpenVINO graph built from
their weights. Knows no torch."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from core.arrays import Floats
from core.models.encoders.encoder import embedded_folder, encode_alike, encode_in_batches, without_surrogates
from core.models.encoders.int8 import OWN_PEAKS, PEAKS, longest_of

TOKEN_BUDGET = 768
"""tokens at once, with padding: activations of more leave the second-level cache and gain nothing"""

CUT = 3_000
"""characters read of a text before the rest is looked at: most give all the tokens that the model can take"""

LONGEST_WORD = 100
"""the tokenizer's own limit of pieces in one word, so that a cut inside a word cannot reach the tokens kept"""


@dataclass(frozen=True)
class EmbeddedEncoder:
    """Runs in 8 bits and bfloat16 where the processor can, in float32 elsewhere."""

    name: str
    fingerprint: str
    dims: int
    longest: int
    tokenizer: Any
    request: Any

    def encode(self, texts: Sequence[str]) -> Floats:
        """(texts, dims), unit rows; of a long text the first 256 tokens count."""
        ids = self._ids(texts)
        lengths = [len(row) for row in ids]
        return encode_in_batches(lengths, TOKEN_BUDGET, self.dims, lambda batch: self._run([ids[row] for row in batch]))

    def encode_each(self, texts: Sequence[str]) -> Floats:
        """The same, to the bit, whatever other texts there are."""
        ids = self._ids(texts)
        lengths = [len(row) for row in ids]
        return encode_alike(
            lengths, TOKEN_BUDGET, self.dims, lambda batch: self._run([ids[row] for row in batch]), full=False
        )

    def _ids(self, requested: Sequence[str]) -> list[list[int]]:
        texts = [without_surrogates(text) for text in requested]
        tokens = self._tokenize([text[:CUT] for text in texts])
        enough = self.longest + LONGEST_WORD
        short = [row for row, text in enumerate(texts) if len(text) > CUT and len(tokens[row]) < enough]
        for row, ids in zip(short, self._tokenize([texts[row] for row in short]), strict=True):
            tokens[row] = ids
        return [ids if len(ids) <= self.longest else [*ids[: self.longest - 1], ids[-1]] for ids in tokens]

    def _tokenize(self, texts: list[str]) -> list[list[int]]:
        return [encoding.ids for encoding in self.tokenizer.encode_batch_fast(texts)]

    def _run(self, ids: list[list[int]]) -> Floats:
        width = len(ids[-1])
        tokens = np.zeros((len(ids), width), np.int32)
        mask = np.zeros((len(ids), width), np.float32)
        for row, line in enumerate(ids):
            tokens[row, : len(line)] = line
            mask[row, : len(line)] = 1.0
        vectors: Floats = self.request.infer([tokens, mask], share_inputs=True)[0]
        return vectors


def load_embedded(name: str, threads: int) -> EmbeddedEncoder:
    """From the installed package; about half a second the first time in a process, which keeps what it compiled (a
    replay would compile it for each of its jobs). Raises Damaged when the package is not whole."""
    compiled = _compile_once(embedded_folder(), threads)
    request = compiled.request.get_compiled_model().create_infer_request()  # a request is for one thread at a time
    return replace(compiled, name=name, request=request)


@lru_cache(maxsize=1)
def _compile_once(folder: Path, threads: int) -> EmbeddedEncoder:
    return _load("", folder, None, threads)


def load_tuned(folder: Path, threads: int) -> EmbeddedEncoder:
    """An encoder that was tuned here and has its peaks beside its weights."""
    return _load(str(folder), folder, folder, threads)


def _load(name: str, folder: Path, tuned: Path | None, threads: int) -> EmbeddedEncoder:
    from tokenizers import Tokenizer

    weights = (folder / "model.safetensors").read_bytes()
    peaks = (folder / OWN_PEAKS if tuned else PEAKS).read_bytes()
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    longest = longest_of(folder)
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return EmbeddedEncoder(
        name=name,
        fingerprint=hashlib.sha256(weights + peaks).hexdigest()[:16],
        dims=config["hidden_size"],
        longest=longest,
        tokenizer=tokenizer,
        request=_compile(folder / "model.safetensors", config, tuned, (longest, threads)),
    )


def _compile(weights: Path, config: dict[str, Any], tuned: Path | None, limits: tuple[int, int]) -> Any:
    """limits: (tokens, threads)."""
    from safetensors.numpy import load_file

    from core.models.encoders.bert_graph import build_graph, load_openvino
    from core.models.encoders.int8 import find_inlets, read_peaks

    core = load_openvino().Core()
    quick = "bf16" if "BF16" in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES") else "f32"
    settings = {
        "INFERENCE_PRECISION_HINT": quick,
        "INFERENCE_NUM_THREADS": limits[1],
        "NUM_STREAMS": 1,
    }
    arrays = load_file(weights)
    inlets = find_inlets(arrays, read_peaks(tuned)) if _multiplies_bytes() else {}
    graph = build_graph(arrays, config, limits[0], inlets)
    return core.compile_model(graph, "CPU", settings).create_infer_request()


def _multiplies_bytes() -> bool:
    """Has the processor dot products of bytes (VNNI)? Without them 8-bit sums saturate, or are no quicker."""
    result = Path("/proc/cpuinfo")
    return result.exists() and "vnni" in result.read_text(encoding="utf-8", errors="replace")
