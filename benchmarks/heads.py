"""The head of the rounds against the one that SetFit fits by itself, on the same frozen vectors: macro F1.

    python -m benchmarks.heads DATA_FOLDER [--sets snips,sms_spam,davidson_hate,folder_paths,library_sample_en]
                               [--per-label 8,16] [--splits 3]

Of library_sample_en several labels hold, joined by `|`; SetFit takes one-vs-rest there. It says which head the trainer
setfit takes.
"""

import argparse
from functools import cache
from pathlib import Path
from statistics import mean, stdev

import numpy as np
import numpy.typing as npt

from benchmarks.trainers import EMBEDDED
from core.evaluation.scores import macro_f1
from core.models.encoders.encoder import Encoder
from core.models.encoders.loading import load_encoder
from core.models.heads.head import LabelledVectors
from core.tasks.choice import decide
from gpu_jobs.trainers.calibrated_fit import fit_plain
from gpu_jobs.trainers.setfit import fit_library_head

Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.floating]
JUDGED = 400
"""test records at most"""


def draw(folder: Path, name: str, per_label: int, seed: int) -> tuple[list[str], Bools, list[str], Bools, list[str]]:
    """(texts, labels) that teach, so many of each label, (texts, labels) that judge, and the labels' names."""
    import polars as pl

    table = pl.read_parquet(folder / f"{name}.parquet").select("text", "label", "split")
    names = sorted({label for labels in table["label"] for label in labels.split("|")})
    targets = np.array([[label in labels.split("|") for label in names] for labels in table["label"]])
    if name == "folder_paths":  # the ending alone tells the label there
        table = table.with_columns(pl.col("text").str.replace(r"\.[A-Za-z0-9]+$", ""))
    texts, judges = table["text"].to_list(), (table["split"] == "test").to_numpy()
    if not judges.any():
        judges[-JUDGED:] = True
    rng = np.random.default_rng(seed)
    train_sample = {
        int(row)
        for column in (targets & ~judges[:, None]).T
        for row in rng.permutation(np.flatnonzero(column))[:per_label]
    }
    rows, others = sorted(train_sample), np.random.default_rng(0).permutation(np.flatnonzero(judges))[:JUDGED].tolist()
    return [texts[row] for row in rows], targets[rows], [texts[row] for row in others], targets[others], names


@cache
def encode(text: str) -> Floats:
    """Texts come again in other splits."""
    return np.asarray(_encoder().encode([text])[0])


@cache
def _encoder() -> Encoder:
    return load_encoder(EMBEDDED, Path(), 1)


def compare(folder: Path, name: str, per_label: int, seed: int) -> tuple[float, float]:
    """Macro F1 of SetFit's head and of ours."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.multiclass import OneVsRestClassifier

    texts, targets, test_texts, truth, names = draw(folder, name, per_label, seed)
    multi = bool((truth.sum(axis=1) != 1).any())
    labelled_vectors = LabelledVectors(np.stack([*map(encode, texts)]), targets.astype(np.float32), tuple(names), multi)
    vectors = np.stack([*map(encode, test_texts)])
    ours = macro_f1(truth, decide(fit_plain(labelled_vectors).predict(vectors), multi))
    if multi:
        rest = OneVsRestClassifier(LogisticRegression()).fit(labelled_vectors.vectors, targets.astype(int))
        return macro_f1(truth, rest.predict(vectors).astype(bool)), ours
    return macro_f1(
        truth, decide(fit_library_head(LogisticRegression(), labelled_vectors).predict(vectors), multi)
    ), ours


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--sets", default="snips,sms_spam,davidson_hate,folder_paths,library_sample_en")
    parser.add_argument("--per-label", default="8,16")
    parser.add_argument("--splits", type=int, default=3)
    options = parser.parse_args()
    print(f"{'set':>18} {'per label':>9} {'SetFit':>16} {'ours':>16}")
    for name in options.sets.split(","):
        for per_label in map(int, options.per_label.split(",")):
            rows = [compare(options.data, name, per_label, seed) for seed in range(options.splits)]
            shown = [f"{mean(column):.3f} +-{stdev(column):.3f}" for column in zip(*rows, strict=True)]
            print(f"{name:>18} {per_label:>9} {shown[0]:>16} {shown[1]:>16}", flush=True)


if __name__ == "__main__":
    main()
