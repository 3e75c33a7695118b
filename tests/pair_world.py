"""Small worlds of pairs: products that two shops name differently, and files of decided pairs."""

import csv
import random
from pathlib import Path

MAKERS = ("sony", "canon", "bosch", "philips", "garmin", "yamaha", "braun", "epson")
THINGS = ("digital camera", "cordless drill", "coffee maker", "wireless headphones", "laser printer", "night lamp")
COLOURS = ("black", "white", "silver", "red")


def products(count: int, seed: int = 0) -> tuple[list[str], list[str]]:
    """(left, right): row i of both is the same product, in other words; fields on lines of their own."""
    lot = random.Random(seed)
    left, right = [], []
    for number in range(count):
        maker, thing, colour = lot.choice(MAKERS), lot.choice(THINGS), lot.choice(COLOURS)
        code, price = f"{lot.choice('abcdk')}{lot.randint(100, 999)}{number}", lot.randint(20, 900)
        words = thing.split()
        left.append(f"name: {maker} {thing} {code} {colour}\nprice: {price}.00")
        right.append(
            f"name: {words[-1]} {maker.upper()} {code[:1]}-{code[1:]} {words[0]}\nprice: {price + lot.randint(-5, 5)}"
        )
    return left, right


def write_pairs(path: Path, count: int, *, positive: str = "match") -> Path:
    """text, text_b, label, split: each left record with its own partner and three others; every fifth record judges."""
    left, right = products(count)
    lot = random.Random(1)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["text", "text_b", "label", "split"])
        for number, text in enumerate(left):
            split = "test" if number % 5 == 4 else "train"
            writer.writerow([text, right[number], positive, split])
            for other in lot.sample([row for row in range(count) if row != number], 3):
                writer.writerow([text, right[other], "no-match", split])
    return path
