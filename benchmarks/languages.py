"""Which of the encoders that come with Rondo serves which language.

    python -m benchmarks.languages DATA_FOLDER [--pairs 1500] [--sets debian_de,debian_ja] [--records 3000]

Without --sets: of DATA_FOLDER/pairs_korean_questions.parquet the first pairs with the same meaning; each text looks
for its partner among all the others, by cosine. Prints the share whose nearest text, or one of the ten nearest, is it.
With --sets: macro F1 on the test records of each SET.parquet (text, label, perhaps split; `benchmarks.
package_descriptions` makes six) by a plain head on 4, 16 and 64 training records of each label, the mean of five draws.
"""

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks.recipe import macro_f1, split_of
from core.arrays import Floats, Ints
from core.models.encoders.encoder import BUNDLED
from core.models.encoders.loading import load_encoder
from core.models.heads.head import LabelledVectors, fit_head


def ranks(vectors: Floats, partner: Floats) -> Floats:
    """(n,) how many others are nearer than the partner."""
    cosines = vectors @ vectors.T
    np.fill_diagonal(cosines, -np.inf)
    return np.asarray((cosines > cosines[np.arange(len(vectors)), partner][:, None]).sum(axis=1))


DRAWS = 5
PER_LABEL = (4, 16, 64)


def draw(truth: Ints, each: int, rng: np.random.Generator) -> Ints:
    """So many records of each label, or all where there are fewer."""
    return np.concatenate([rng.permutation(np.flatnonzero(truth == label))[:each] for label in np.unique(truth)])


def by_labels(folder: Path, names: list[str], records: int) -> None:
    """One line for each set and encoder."""
    import polars

    print(
        f"| set | labels | encoder | {' | '.join(map(str, PER_LABEL))} | processor s |\n|---|---|---|---|---|---|---|"
    )
    for name in names:
        table = polars.read_parquet(folder / f"{name}.parquet")
        table = table.sample(min(records, len(table)), seed=0)
        labels = tuple(sorted(table["label"].unique().to_list()))
        truth = np.array([labels.index(label) for label in table["label"]], np.int64)
        test = split_of(table["split"].to_list() if "split" in table.columns else None, len(truth))
        for encoder_name in BUNDLED:
            encoder, started = load_encoder(encoder_name, Path(tempfile.gettempdir()), 1), time.process_time()
            vectors = encoder.encode(table["text"].to_list())
            spent, means = time.process_time() - started, []
            for each in PER_LABEL:
                scores = []
                for seed in range(DRAWS):
                    rows = np.flatnonzero(~test)[draw(truth[~test], each, np.random.default_rng(seed))]
                    examples = LabelledVectors(vectors[rows], np.eye(len(labels))[truth[rows]], labels)
                    head = fit_head(examples, None, np.random.default_rng(0))
                    scores.append(macro_f1(truth[test], head.predict(vectors[test]).argmax(axis=1)))
                means.append(f"{np.mean(scores):.3f}")
            print(f"| {name} | {len(labels)} | {encoder_name} | {' | '.join(means)} | {spent:.1f} |", flush=True)


def by_pairs(folder: Path, pairs: int) -> None:
    """One line for each encoder."""
    import polars

    table = polars.read_parquet(folder / "pairs_korean_questions.parquet")
    same = table.filter(polars.col("label") == "duplicate").head(pairs)
    texts = [*same["text"].to_list(), *same["text_b"].to_list()]
    partner = np.concatenate([np.arange(pairs, 2 * pairs), np.arange(pairs)])
    print("| encoder | nearest | among the ten nearest | processor s |\n|---|---|---|---|")
    for name in BUNDLED:
        encoder, started = load_encoder(name, Path(tempfile.gettempdir()), 1), time.process_time()
        rank = ranks(encoder.encode(texts), partner)
        spent = time.process_time() - started
        print(f"| {name} | {(rank < 1).mean():.3f} | {(rank < 10).mean():.3f} | {spent:.1f} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--pairs", type=int, default=1_500)
    parser.add_argument("--sets", default="")
    parser.add_argument("--records", type=int, default=3_000)
    options = parser.parse_args()
    if options.sets:
        by_labels(options.folder, options.sets.split(","), options.records)
    else:
        by_pairs(options.folder, options.pairs)


if __name__ == "__main__":
    main()
