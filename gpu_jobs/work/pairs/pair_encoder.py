"""What compares pairs: an encoder of texts, and where a project has trained one, a model that reads both texts."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from core.arrays import Floats
from core.models.encoders.encoder import Encoder
from core.models.encoders.loading import load_encoder
from core.models.encoders.torch_encoder import fingerprint_of
from core.pairs.scorer import ScorerFacts, pair_keys, read_scorer, read_scores

Report = Callable[[int, int], None]


@dataclass(frozen=True)
class PairScorer:
    """The model in `folder`, loaded when a pair has no stored score."""

    folder: Path
    facts: ScorerFacts
    threads: int

    def score(self, pairs: Sequence[tuple[str, str]], report: Report) -> Floats:
        """(n,) probability that the two are the same."""
        scores = read_scores(self.folder).of(pair_keys(pairs))
        fresh = np.flatnonzero(np.isnan(scores))
        if len(fresh):
            from gpu_jobs.trainers.cross_encoder import load_cross_encoder

            model = load_cross_encoder(self.folder, self.threads, self.facts.longest)
            scores[fresh] = model.score([pairs[row] for row in fresh.tolist()], report)
        return scores


@dataclass(frozen=True)
class PairEncoder:
    """scorer: None where none was trained."""

    encoder: Encoder
    scorer: PairScorer | None

    @property
    def fingerprint(self) -> str:
        """Of all weights that features depend on; reads them."""
        own = self.encoder.fingerprint
        return f"{own}-{fingerprint_of(self.scorer.folder)}" if self.scorer else own


def open_pair_encoder(source: str, cache: Path, threads: int) -> PairEncoder:
    """source: an encoder as `load_encoder` takes it, or the folder of a model that reads pairs. Raises BadInput,
    Damaged."""
    folder = Path(source)
    facts = read_scorer(folder)
    encoder = load_encoder(facts.base if facts else source, cache, threads)
    return PairEncoder(encoder, PairScorer(folder, facts, threads) if facts else None)
