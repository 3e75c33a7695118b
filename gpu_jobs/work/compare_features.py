"""Compares what encoders would teach, on the labelled records alone. Knows a bundle, no store."""

from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import numpy as np

from core.arrays import Floats, Ints
from core.models.encoder_comparison import compare_features
from core.models.encoders.encoder import EMBEDDED, JOINED, MULTILINGUAL, Encoder
from core.models.encoders.joined import join_vectors, read_axes
from core.models.encoders.loading import load_encoder
from core.models.feature_check import FeatureCheck
from core.pairs.text_vectors import encode_texts
from gpu_jobs.work.choose import RoundInputs


def check_features(inputs: RoundInputs) -> FeatureCheck | None:
    """None where the round was not asked to, or has too few records that judge."""
    order, arrays = inputs.params.features, inputs.arrays
    if order is None:
        return None
    rows = arrays["compared_rows"]
    targets = arrays["train_targets"][np.searchsorted(arrays["train_rows"], rows)].astype(bool)
    vectors = _vectors_of(inputs, rows)
    retained = {name: vectors[name] for name in order.encoders}
    check = compare_features(retained, targets, arrays["compared_unbiased"], inputs.params.encoder, order.last)
    return check and replace(check, labels=len(arrays["train_rows"]))  # the next one is due by all there are


def _vectors_of(inputs: RoundInputs, rows: Ints) -> dict[str, Floats]:
    """By encoder; those of earlier rounds are read again, and those in use are there."""
    import polars

    params = inputs.params
    texts = polars.read_parquet(inputs.bundle / "in" / "texts.parquet")["text"].fill_null("").to_list()

    def encoded(name: str) -> Floats:
        if name == params.encoder:
            return np.asarray(inputs.vectors[rows], np.float32)
        encoder = _loaded(name, params.threads)
        return encode_texts(encoder, texts, Path(params.vectors), lambda done, total: None)

    first, second = encoded(EMBEDDED), encoded(MULTILINGUAL)
    return {EMBEDDED: first, MULTILINGUAL: second, JOINED: join_vectors(first, second, read_axes())}


@lru_cache(maxsize=2)
def _loaded(name: str, threads: int) -> Encoder:
    """Bundled ones, which need no folder of models. A process that compares again need not load them again."""
    return load_encoder(name, Path(), threads)
