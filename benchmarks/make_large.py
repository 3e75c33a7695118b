"""Makes the large synthetic CSV that the ingest benchmark reads. Knows nothing of Rondo.

`python -m benchmarks.make_large FILE [--rows 1000000]`: about 250 bytes a row, some texts quoted, over several lines
or beyond ASCII, one in a hundred an exact and one in a hundred a near duplicate of an earlier one.
"""

import argparse
import csv
import random
from pathlib import Path

LABELS = ["billing", "delivery", "returns", "praise", "other"]
FOREIGN = ["Straße", "naïve", "Ωμέγα", "日本語", "مرحبا", "שלום", "😀"]


def make_large(file: Path, rows: int, seed: int = 0, labelled: float = 0.1) -> None:
    """Columns: id, text, label (in that share of the rows), split, channel."""
    rng = random.Random(seed)
    words = [_word(rng) for _ in range(20_000)] + FOREIGN * 30
    recent: list[str] = []
    with file.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(["id", "text", "label", "split", "channel"])
        for row in range(rows):
            text = _text(rng, words, recent)
            recent = [*recent[-999:], text] if row % 100 == 0 else recent
            label = rng.choice(LABELS) if rng.random() < labelled else ""
            split = "test" if rng.random() < 0.1 else "train"
            writer.writerow([f"t{row:08d}", text, label, split, rng.choice(["mail", "chat", "phone"])])


def _word(rng: random.Random) -> str:
    return "".join(rng.choices("etaoinshrdlucmfwypvbgkjqxz", k=rng.randint(2, 9)))


def _text(rng: random.Random, words: list[str], recent: list[str]) -> str:
    lot = rng.random()
    if recent and lot < 0.01:
        return rng.choice(recent).upper()
    if recent and lot < 0.02:
        return f"{rng.choice(recent)} {rng.choice(words)}"
    text = " ".join(rng.choices(words, k=rng.randint(10, 58)))
    return text.replace(" ", ', "so"\n', 1) if lot < 0.1 else text


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("--rows", type=int, default=1_000_000)
    args = parser.parse_args()
    make_large(args.file, args.rows)


if __name__ == "__main__":
    main()
