"""The sample projects of a home: where their records come from. Knows no page."""

import json
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from app.cli.demo import fill
from app.cli.pairs.pair_demo import fill_pairs
from app.cli.steps.step_demo import fill_tales
from app.client import call
from core.config.new_project import templates_in, write_project
from core.data.file_import import ImportOptions, import_file
from core.jobs.bundle import Report
from core.store.whole_files import write_whole

GOLD_EVERY = 5
MESSAGES = 360
SEED = 7
_SUBJECTS = (
    *("the new app", "line 7", "my parcel", "the support team", "this phone", "the update", "breakfast at the hotel"),
    *("the concert", "our school", "the night train", "the coffee place", "that series", "the museum", "the match"),
    *("my internet", "the bike lane", "the book fair", "the ferry"),
)
_SAYINGS = {
    "positive": (
        *("{} made my day :)", "cannot stop smiling about {}", "ok wow, {} is SO much better than last year"),
        *("thank you {}!! you saved my evening", "honestly {} deserves a prize", "{} = pure joy, going again tmrw"),
        *("small praise for {}: quick, kind, on time", "did not expect to love {} but here we are"),
        *("{} again tonight, best part of my week", "everybody at {} was so friendly today"),
    ),
    "neutral": (
        *("does anyone know when {} starts again?", "{}: opens at nine, closed on mondays", "reading up on {} rn"),
        *("they moved {} to the other side of town", "looking for photos of {}, anybody?", "part 2 about {} is up"),
        *("so {} will be back in march, they say", "who is going to {} on friday", "just passed {} on my way"),
        *("{} changed its name, that is all i know",),
    ),
    "negative": (
        *("third time {} lets me down this week", "why is {} ALWAYS late", "done with {}. done."),
        *("paid twice for {} and nobody answers", "ugh {} broke again, twenty minutes lost"),
        *("would not wish {} on anyone tbh", "{} used to be good. what happened", "waiting for {} in the rain, great"),
        *("so disappointed by {} :(", "tried {} once, never again"),
    ),
}
_TAILS = (
    "",
    "",
    "",
    " #monday",
    " 🙃",
    " lol",
    " @everyone",
    " (again)",
    " 😍",
    " pls",
    " #fail",
    " https://x.example/a1",
)


@dataclass(frozen=True)
class Sample:
    """caption: what is asked. task: what an answer is. fill: (folder, report) makes the project."""

    title: str
    caption: str
    task: str
    fill: Callable[[Path, Report], None]


def messages() -> Iterator[dict[str, str | None]]:
    """Short messages as people post them, made up here; of one in five the answer is known, and it judges."""
    rng, seen = random.Random(SEED), set[str]()  # noqa: S311 - sample texts, not secrets
    while len(seen) < MESSAGES:
        feeling = rng.choice(list(_SAYINGS))
        tail = rng.choice(_TAILS)
        text = rng.choice(_SAYINGS[feeling]).format(rng.choice(_SUBJECTS)) + tail
        if text in seen:
            continue
        seen.add(text)
        gold = len(seen) % GOLD_EVERY == 0
        row: dict[str, str | None] = {"id": f"m{len(seen)}", "text": text}
        yield row | {"split": "test" if gold else None, "feeling": feeling if gold else None}


def fill_messages(folder: Path, report: Report) -> None:
    """The project with its messages, nothing encoded."""
    write_project(folder, templates_in(None)["sentiment"], folder.name)
    file = folder / "messages.jsonl"
    lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in messages())
    write_whole(file, lines.encode())
    columns = ImportOptions(text=["text"], label="feeling", id="id", split="split")
    call(folder, import_file, report, file=str(file), **columns)


SAMPLES: dict[str, Sample] = {
    "messages": Sample("Short messages", "How does each of 360 short messages feel?", "labels", fill_messages),
    "docstrings": Sample(
        "Python's docstrings", "Which chapter of the library does each of 4,000 texts belong to?", "labels", fill
    ),
    "twins": Sample("Twins", "Are two docstrings about the same function? 840 records", "pairs", fill_pairs),
    "tales": Sample("Tales", "Take twelve short tales apart, field by field", "extract", fill_tales),
}
"""name in addresses -> what one may try Rondo on, without a file of one's own"""
