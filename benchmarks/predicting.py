"""`rondo predict` on 100,000 texts against the encoder's own time for the same texts, in processor time of one run.

`python -m benchmarks.predicting FOLDER [TEXTS]`: the folder holds snips, hwu64 and davidson_hate as Parquet. Both run
in one process with one thread: first the encoder on all texts in one call, then all of the job: reading a CSV file,
encoding, the head, parts, the file of three labels and scores per text.
"""

import sys
import tempfile
import time
from collections.abc import Sequence
from itertools import count
from pathlib import Path

import numpy as np

from core.models.artifacts import save_head
from core.models.encoders.encoder import EMBEDDED
from core.models.encoders.loading import load_encoder
from core.models.heads.head import Head
from core.registry.evaluation_jobs import EvaluatedFolder
from core.registry.predict import setting_outside
from core.registry.text_prediction_job import PredictFileParams, TextSource
from gpu_jobs.work.registry.predict_file import predict_file

SETS = ("snips", "hwu64", "davidson_hate")
LABELS = 30


def main() -> None:
    """Prints both times and their ratio."""
    folder, most = Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 100_000
    texts = distinct_texts(folder, most)
    encoder = load_encoder(EMBEDDED, folder, 1)
    encoder.encode(texts[:500])
    started = time.process_time()
    encoder.encode(texts)
    own = time.process_time() - started
    print(f"encoder alone: {len(texts):,} texts, {own:.1f} s of processor time", flush=True)
    with tempfile.TemporaryDirectory() as work:
        params = job(Path(work), texts)
        started = time.process_time()
        result = predict_file(Path(work), params, lambda done, total, **figures: None)
        whole = time.process_time() - started
    print(
        f"rondo predict: {result.rows:,} rows, {whole:.1f} s of processor time, {whole / own:.3f} times the encoder's"
    )


def distinct_texts(folder: Path, most: int) -> list[str]:
    """Of all sets in turn; from the second time round with a number before each, since equal texts are encoded once."""
    import polars

    plain = [text for name in SETS for text in polars.read_parquet(folder / f"{name}.parquet")["text"].to_list()]
    texts: dict[str, None] = {}
    for turn in count():
        for text in plain:
            texts[f"{turn} {text}" if turn else text] = None
            if len(texts) == most:
                return list(texts)
    raise AssertionError


def job(work: Path, texts: list[str]) -> PredictFileParams:
    """A model with a random head of LABELS labels, and the texts as a CSV file."""
    import polars

    random_head(work / "model", [f"label {number}" for number in range(LABELS)])
    polars.DataFrame({"id": np.arange(len(texts)), "text": texts}).write_csv(work / "texts.csv")
    return PredictFileParams(
        setting=setting_outside(work, 1, (), EMBEDDED),
        model=EvaluatedFolder("model", str(work / "model")),
        source=TextSource(str(work / "texts.csv"), ("text",), id="id"),
        out=str(work / "out.jsonl"),
        top_k=3,
        with_text=True,
    )


def random_head(folder: Path, labels: Sequence[str]) -> None:
    """A model of these labels on the encoder that is always there."""
    weights = np.random.default_rng(0).normal(size=(len(labels), 384)).astype(np.float32)
    head = Head(weights, np.zeros(len(labels), np.float32), 1.0, tuple(labels), False)
    save_head(folder, head, {"encoder": EMBEDDED})


if __name__ == "__main__":
    main()
