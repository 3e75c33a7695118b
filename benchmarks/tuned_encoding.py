"""A tuned encoder as a graph in 8 bits against the same weights as sentence-transformers runs them: speed, and a head.

`python -m benchmarks.tuned_encoding DATA_FOLDER [SETS]`: DATA_FOLDER holds SET.parquet with text and label. Of each set
the trainer `encoder` tunes the embedded encoder on LABELS records, as the loop does, and measures the ranges over POOL
others. Both then encode the same texts turn about, one thread each, and the same head learns from either's vectors.
"""

import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks.recipe import macro_f1
from core.models.encoders.encoder import EMBEDDED
from core.models.encoders.loading import load_encoder
from core.models.heads.head import LabelledVectors, fit_uncalibrated
from core.training.trainers import read_values
from gpu_jobs.trainers.encoder import train
from gpu_jobs.trainers.trainer_types import TrainingRun, TrainingSet

LABELS, POOL, TEST, STEPS, TURNS = 160, 400, 600, 60, 3


def tune(texts: list[str], targets: np.ndarray, labels: tuple[str, ...], folder: Path) -> Path:
    """The folder of the tuned encoder. texts: those that train, then those of the pool."""
    values = read_values(
        "encoder",
        ["epochs=1000", f"max_steps={STEPS}", "batch_size=16", "learning_rate=5e-5", "test_size=0", "frozen_layers=1"],
    )
    for name in ("work", "checkpoints"):
        (folder / name).mkdir(parents=True)
    run = TrainingRun(values, EMBEDDED, folder, folder / "work", folder / "checkpoints", 0, 1, lambda *_, **__: None)
    names = ("",) * len(labels)
    trained = train(TrainingSet(texts[:LABELS], targets, labels, names, names, False, pool=texts[LABELS:]), run)
    return trained.encoder or folder


def compare(name: str, data: Path, folder: Path) -> None:
    import polars
    import torch
    from sentence_transformers import SentenceTransformer

    torch.set_num_threads(1)
    table = polars.read_parquet(data / f"{name}.parquet")
    rows = np.random.default_rng(0).permutation(len(table))[: LABELS + POOL + TEST]
    texts, labels = table["text"][rows].to_list(), tuple(sorted(table["label"].unique()))
    truth = np.array([labels.index(label) for label in table["label"][rows]])
    targets = np.eye(len(labels), dtype=np.bool_)[truth[:LABELS]]
    tuned = tune(texts[: LABELS + POOL], targets, labels, folder)
    model, ours = SentenceTransformer(str(tuned), device="cpu"), load_encoder(str(tuned), folder, 1)
    ways = {"sentence-transformers": lambda part: np.asarray(model.encode(part), np.float32), "graph": ours.encode}
    learn, test = texts[:LABELS], texts[-TEST:]
    spent: dict[str, list[float]] = {way: [] for way in ways}
    vectors: dict[str, list[np.ndarray]] = {way: [] for way in ways}
    scores = {}
    for turn in range(TURNS):
        part = test[turn * TEST // TURNS : (turn + 1) * TEST // TURNS]
        for way, run in ways.items():
            started = time.process_time()
            vectors[way].append(run(part))
            spent[way].append(time.process_time() - started)
    for way, run in ways.items():
        head = fit_uncalibrated(LabelledVectors(run(learn), targets.astype(np.float32), labels), None)
        scores[way] = macro_f1(truth[-TEST:], head.predict(np.concatenate(vectors[way])).argmax(axis=1))
    usual, quick = ways
    alike = float((np.concatenate(vectors[usual]) * np.concatenate(vectors[quick])).sum(axis=1).mean())
    ratio = float(np.median(spent[usual]) / np.median(spent[quick]))
    points = 100 * (scores[quick] - scores[usual])
    print(
        f"| {name} | {np.mean(list(map(len, test))):.0f} | {ratio:.1f} | {alike:.4f} "
        f"| {scores[usual]:.3f} | {scores[quick]:.3f} | {points:+.1f} |",
        flush=True,
    )


def main() -> None:
    names = sys.argv[2].split(",") if len(sys.argv) > 2 else ["snips", "sms_spam"]
    print("| set | mean characters | times as quick | mean cosine | sentence-transformers | graph | points |")
    for name in names:
        with tempfile.TemporaryDirectory() as folder:
            compare(name, Path(sys.argv[1]), Path(folder))


if __name__ == "__main__":
    main()
