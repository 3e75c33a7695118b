"""Makes persons, many of them several times and never written the same way: records to link whose truth is known.

`python -m benchmarks.make_people FILE [--records 1000000] [--seed 0]`: columns id, person, name, address, city, born,
phone. Records of the same `person` are the same; names, streets and towns are frequent or rare, as real ones are.
"""

import argparse
import random
import string
from collections.abc import Callable
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path

TIMES = ((1, 0.60), (2, 0.25), (3, 0.10), (4, 0.05))
"""(how often a person is recorded, share of the persons)"""
TYPO, GONE = 0.3, 0.08
"""chances of a field of a repeated record"""
INITIAL, OTHER_ORDER, OTHER_PHONE = 0.1, 0.1, 0.4
SYLLABLES = [first + second for first in "bcdfghjklmnprstvwz" for second in ("a", "e", "i", "o", "u", "an", "er", "el")]
KINDS = (("Street", "St"), ("Road", "Rd"), ("Avenue", "Ave"), ("Lane", "Ln"), ("Way", "Way"))

Person = tuple[str, str, str, str, str, str]


@dataclass(frozen=True)
class Names:
    """Words with the chance of each; some are a thousand times as frequent as others."""

    words: list[str]
    weights: list[float]

    def draw(self, rng: random.Random) -> str:
        return rng.choices(self.words, cum_weights=self.weights)[0]


def _names(rng: random.Random, count: int, syllables: tuple[int, int]) -> Names:
    words = dict.fromkeys("".join(rng.choices(SYLLABLES, k=rng.randint(*syllables))).capitalize() for _ in range(count))
    return Names(list(words), list(accumulate(1 / (rank + 20) for rank in range(len(words)))))


def make_people(file: Path, records: int, seed: int = 0) -> None:
    """CSV in an order by lot, the same for a seed."""
    import polars as pl

    rng = random.Random(seed)
    draw = _person_maker(rng)
    rows: list[tuple[int, Person]] = []
    person, sizes, shares = 0, [times for times, _ in TIMES], [share for _, share in TIMES]
    while len(rows) < records:
        whole = draw()
        rows.append((person, whole))
        for _ in range(rng.choices(sizes, shares)[0] - 1):
            rows.append((person, _written_again(rng, whole)))
        person += 1
    del rows[records:]
    rng.shuffle(rows)
    columns = list(zip(*(row for _, row in rows), strict=True))
    first, last, address, city, born, phone = columns
    pl.DataFrame(
        {
            "id": [f"r{number}" for number in range(len(rows))],
            "person": [number for number, _ in rows],
            "name": [f"{one} {other}".strip() for one, other in zip(first, last, strict=True)],
            "address": address,
            "city": city,
            "born": born,
            "phone": phone,
        }
    ).write_csv(file)


def _person_maker(rng: random.Random) -> Callable[[], Person]:
    first, last = _names(rng, 3_000, (1, 3)), _names(rng, 40_000, (2, 4))
    streets, cities = _names(rng, 30_000, (2, 4)), _names(rng, 4_000, (2, 3))

    def draw() -> Person:
        return (
            first.draw(rng),
            last.draw(rng),
            f"{rng.randint(1, 200)} {streets.draw(rng)} {rng.choice(KINDS)[0]}",
            cities.draw(rng),
            f"{rng.randint(1930, 2010)}-{rng.randint(1, 12):02}-{rng.randint(1, 28):02}",
            f"0{rng.randint(100, 999)} {rng.randint(100_000, 9_999_999)}",
        )

    return draw


def _written_again(rng: random.Random, person: Person) -> Person:
    """With slips of the keyboard, abbreviations, and fields left empty."""
    first, last, address, city, born, phone = person
    if rng.random() < INITIAL:
        first = f"{first[0]}."
    if rng.random() < OTHER_ORDER:
        first, last = f"{last},", first
    address = next((address.replace(long, short) for long, short in KINDS if long in address), address)
    if rng.random() < OTHER_PHONE:
        phone = f"+44 {phone[1:4]}-{phone[5:]}"
    fields = [first, last, address, city, born, phone]
    for number, value in enumerate(fields):
        lot = rng.random()
        if lot < GONE and number > 1:
            fields[number] = ""
        elif lot < GONE + TYPO:
            fields[number] = _slip(rng, value)
    return fields[0], fields[1], fields[2], fields[3], fields[4], fields[5]


def _slip(rng: random.Random, value: str) -> str:
    """One character left out, doubled, replaced, or exchanged with the next."""
    position = rng.randrange(len(value))
    before, here, after = value[:position], value[position], value[position + 1 :]
    other = rng.choice(string.digits if here.isdigit() else string.ascii_lowercase)
    return rng.choice(
        (before + after, before + here + here + after, before + other + after, before + after[:1] + here + after[1:])
    )


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("--records", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    make_people(args.file, args.records, args.seed)


if __name__ == "__main__":
    main()
