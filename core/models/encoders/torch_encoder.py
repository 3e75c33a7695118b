"""Any other model that sentence-transformers can load, by name or folder. Knows torch, not records."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.arrays import Floats, unit_rows
from core.errors import BadInput, Unreachable
from core.models.encoders.encoder import EMBEDDED, encode_alike, encode_in_batches, without_surrogates

TOKEN_BUDGET = 2_048
EACH_BUDGET = 1_024
"""where batches are filled up: the less, the less is computed for nothing"""
CHARACTERS_PER_TOKEN = 4
MOST_PER_TOKEN = 40
"""characters of a text that are read for each token that counts"""

NOT_NEEDED = ["*.onnx", "onnx/*", "openvino/*", "*.h5", "*.ot", "*.msgpack", "*.gguf", "*.tflite", "*.mlmodel"]
"""the same weights in other clothes, which many repositories hold"""


@dataclass(frozen=True)
class TorchEncoder:
    """On the GPU where torch finds one; in bfloat16 where the processor multiplies it, in float32 elsewhere."""

    name: str
    fingerprint: str
    dims: int
    model: Any

    def encode(self, texts: Sequence[str]) -> Floats:
        """(texts, dims), unit rows; of a long text as much counts as the model can take."""
        clean = [without_surrogates(text) for text in texts]
        longest = self.model.max_seq_length or 512
        # every tokenizer has its own interface; an estimate is good enough for batches of similar length
        lengths = [min(len(text) // CHARACTERS_PER_TOKEN + 3, longest) for text in clean]
        return encode_in_batches(
            lengths, TOKEN_BUDGET, self.dims, lambda batch: self._run([clean[row] for row in batch])
        )

    def encode_each(self, texts: Sequence[str]) -> Floats:
        """The same, to the bit, whatever other texts there are."""
        clean = [without_surrogates(text) for text in texts]
        return encode_alike(
            self._lengths(clean),
            EACH_BUDGET,
            self.dims,
            lambda batch: self._run([clean[row] for row in batch]),
            full=True,
        )

    def _lengths(self, texts: list[str]) -> list[int]:
        """Tokens of each that count. Raises nothing for a tokenizer of another kind: its encoders pad nothing."""
        longest, tokenizer = self.model.max_seq_length or 512, self.model.tokenizer
        if not callable(tokenizer) or not texts:
            return [1] * len(texts)
        cut = [text[: longest * MOST_PER_TOKEN] for text in texts]
        return [len(ids) for ids in tokenizer(cut, truncation=True, max_length=longest)["input_ids"]]

    def _run(self, texts: list[str]) -> Floats:
        vectors = self.model.encode(texts, batch_size=len(texts), show_progress_bar=False, convert_to_tensor=True)
        return unit_rows(vectors.float().cpu().numpy())


def load_sentence_transformer(name: str, cache: Path, threads: int) -> TorchEncoder:
    """From a folder, from what is already on this machine, or fetched into `cache`. Raises BadInput."""
    folder = Path(name) if Path(name).is_dir() else fetch_model(_full(name), cache)
    import torch
    from sentence_transformers import SentenceTransformer

    if threads:
        torch.set_num_threads(threads)
    kind = torch.bfloat16 if multiplies_bfloat16() else torch.float32
    try:
        model = SentenceTransformer(str(folder), local_files_only=True, model_kwargs={"dtype": kind})
    except (OSError, ValueError) as error:
        raise BadInput(
            f"{folder} is no model that sentence-transformers can load: {str(error).splitlines()[0]} "
            f"Name a folder with a sentence-transformers model, or use {EMBEDDED}, which is always there."
        ) from error
    return TorchEncoder(name, fingerprint_of(folder), int(model.get_embedding_dimension()), model)


def multiplies_bfloat16() -> bool:
    """Does this machine have instructions for it? Without them bfloat16 is emulated and slower than float32."""
    import torch

    if torch.cuda.is_available():
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    able = torch.cpu.get_capabilities()
    return bool(able.get("avx512_bf16") or able.get("amx_bf16"))


def _full(name: str) -> str:
    return name if "/" in name else f"sentence-transformers/{name}"


def fetch_model(name: str, cache: Path) -> Path:
    """The folder of a model that is on this machine already, or is fetched now into `cache`. Raises BadInput; its
    subclass Unreachable where the Hub could not be reached.
    """
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    try:
        for cache_dir in (None, cache):
            try:
                return Path(snapshot_download(name, cache_dir=cache_dir, local_files_only=True))
            except LocalEntryNotFoundError:
                continue
        return Path(snapshot_download(name, cache_dir=cache, ignore_patterns=NOT_NEEDED))
    except (HFValidationError, HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        answered = isinstance(error, HFValidationError | HfHubHTTPError)
        raise (BadInput if answered else Unreachable)(
            f"There is no model {name!r}: no folder of that name, nothing fetched earlier, and fetching failed "
            f"({type(error).__name__}). Check the name and the network, or use {EMBEDDED}, which is always there."
        ) from error


def fingerprint_of(folder: Path) -> str:
    """Of everything that the vectors can depend on, read in pieces: weights can have gigabytes."""
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.suffix in (".safetensors", ".bin", ".json", ".txt", ".model") and path.is_file():
            with path.open("rb") as file:
                digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()[:16]
