"""A model that reads both texts of a pair, as a feature of pairs: its folder, and the scores it gave. Loads no model.

The score of a pair that the model learnt from comes from a twin that did not, so that whatever learns from the score
may trust it as much as that of a new pair.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from core.arrays import Floats
from core.errors import BadInput, Damaged
from core.jobs.bundle import write_json
from core.models.encoders.encoder import OWN
from core.models.encoders.loading import encoder_source
from core.pairs.features import PairFeatures
from core.pairs.pair_keys import pair_key
from core.typed_json import from_json, to_json

SCORER, SCORES = "pair_scorer.json", "scores.safetensors"
SCORE = "cross-encoder score"
"""name of the feature"""


@dataclass(frozen=True)
class ScorerFacts:
    """base: name of the encoder whose features the score stands beside. model: what it was fine-tuned from. longest:
    tokens of both texts that it reads."""

    base: str
    model: str
    longest: int


@dataclass(frozen=True)
class StoredScores:
    """keys: (k,) ascending, see `pair_keys`. scores: (k,) probability that the two are the same."""

    keys: npt.NDArray[np.uint64]
    scores: Floats

    def of(self, keys: npt.NDArray[np.uint64]) -> Floats:
        """(n,), NaN for pairs that are not stored."""
        if not len(self.keys):
            return np.full(len(keys), np.nan, np.float32)
        rows = np.minimum(np.searchsorted(self.keys, keys), len(self.keys) - 1)
        return np.where(self.keys[rows] == keys, self.scores[rows], np.nan).astype(np.float32)


def pair_keys(pairs: Sequence[tuple[str, str]]) -> npt.NDArray[np.uint64]:
    """(n,) the first eight bytes of the `pair_key` of each."""
    digests = (bytes.fromhex(pair_key(*pair)[:16]) for pair in pairs)
    return np.array([int.from_bytes(digest, "little") for digest in digests], np.uint64)


def write_scorer(folder: Path, facts: ScorerFacts, keys: npt.NDArray[np.uint64], scores: Floats) -> None:
    """Beside the model's own files. A pair that stands there twice has the score of the first."""
    from safetensors.numpy import save_file

    distinct, first = np.unique(keys, return_index=True)
    save_file({"keys": distinct, "scores": np.asarray(scores, np.float32)[first]}, folder / SCORES)
    write_json(folder / SCORER, to_json(facts))


def read_scorer(folder: Path) -> ScorerFacts | None:
    """None for the folder of another kind of encoder. Raises Damaged."""
    try:
        return from_json(ScorerFacts, json.loads((folder / SCORER).read_text(encoding="utf-8")), str(folder / SCORER))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, BadInput) as error:
        raise Damaged(f"{folder / SCORER} cannot be read: {error}. Train the model again.") from None


def text_encoder(models: Path, encoder: str) -> str:
    """What `load_encoder` takes: of a model that reads pairs the encoder whose features its score stands beside.

    models: a folder of models. Raises BadInput where the model that is the encoder is gone, Damaged.
    """
    source = encoder_source(models, encoder)
    facts = read_scorer(Path(source)) if encoder.startswith(OWN) else None
    return facts.base if facts else source


def read_scores(folder: Path) -> StoredScores:
    """Raises Damaged."""
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        arrays = load_file(folder / SCORES)
        keys, scores = arrays["keys"], arrays["scores"]
    except (OSError, SafetensorError, KeyError) as error:
        raise Damaged(f"{folder / SCORES} cannot be read: {error}. Train the model again.") from None
    if keys.dtype != np.uint64 or keys.shape != scores.shape or keys.ndim != 1:
        raise Damaged(f"{folder / SCORES} has not one score for each pair. Train the model again.")
    return StoredScores(keys, scores)


def with_score(features: PairFeatures, scores: Floats) -> PairFeatures:
    """scores: (pairs,) 0..1."""
    values = np.column_stack([features.values, scores]).astype(np.float32)
    return PairFeatures((*features.names, SCORE), values)
