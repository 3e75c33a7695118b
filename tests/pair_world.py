"""Small worlds of pairs: products that two shops name differently, and files of decided pairs."""

import csv
import json
import random
from collections.abc import Iterable, Mapping
from pathlib import Path

from core import loop
from core.config.record_fields import join_fields
from core.project import Project, open_project
from gpu_jobs.runners.local import InProcessRunner

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


def pair_project(
    folder: Path, sources: Mapping[str, Mapping[str, str | dict[str, str]]], pairs: Iterable[tuple[int, int]]
) -> Project:
    """A project as import and candidates leave it. sources: name -> id -> text, or its fields; pairs: of their numbers
    in this order, each a record `LEFT-RIGHT`."""
    loop.create_project(folder, [], task="pairs")
    project = open_project(folder, InProcessRunner())
    rows = [(source, id, value) for source, records in sources.items() for id, value in records.items()]
    texts = [value if isinstance(value, str) else join_fields(value) for *_, value in rows]
    with project.store.transaction() as cursor:
        for side, (source, id, value) in enumerate(rows):
            fields = None if isinstance(value, str) else json.dumps(value)
            cursor.execute(
                "insert into sides values (?, ?, ?, ?, ?, ?, now())",
                [side, source, id, texts[side], fields, texts[side].casefold()],
            )
        for n, (left, right) in enumerate(pairs):
            both = {"left": texts[left], "right": texts[right]}
            cursor.execute(
                "insert into records values (?, ?, ?, ?, null, ?, null, null, 'candidates', now())",
                [n, f"{left}-{right}", join_fields(both), json.dumps(both), f"{left}-{right}"],
            )
            columns = "n, left_side, right_side, similarity"
            cursor.execute(f"insert into pairs ({columns}) values (?, ?, ?, 0.5)", [n, left, right])
    project.label_queue.reload()
    return project


def label_by_machine(project: Project, verdicts: Mapping[str, tuple[bool, float]]) -> None:
    """A guarantee in force, and what it covers. verdicts: record -> are they the same, how probable."""
    with project.store.transaction() as cursor:
        cursor.execute("delete from guarantees")
        cursor.execute("delete from machine_labels")
        cursor.execute(
            """insert into guarantees values ('g', now(), 'max', 'm', 'e', 1, 0.9, null, 0.9, '{}', '{}', 0, 0,
                                              'in_force', null, null)"""
        )
        for record, (same, probability) in verdicts.items():
            cursor.execute(
                """insert into machine_labels
                   select n, [], ?, 0.9, 'g', 'm', ? from records where id = ?""",
                [probability, json.dumps({"same": same}), record],
            )
