"""A project of the task extract: entities and a few other values, records in several scripts, one of them suggested."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from core import loop
from core.config.settings import read_settings, write_settings
from core.config.steps import steps_in
from core.data.file_import import import_file
from core.labelling.generated_answers import GeneratedRow, store_generated
from core.labelling.leases import Holder
from core.labelling.queue import QueueRequest
from core.labelling.responses import Event
from core.loop import create_project
from core.project import open_project
from gpu_jobs.runners.local import InProcessRunner
from tests.argilla_server import quiet

HOSTILE = "<img src=x onerror='window.broken=1'> Mara met Pim 🎧"
TALE = "Mara the weaver lent her red kite to Pim. Pim let it go, and the crow Old Ink carried it home."
TEXTS = (TALE, HOSTILE, "مشى بطرس 👩‍👩‍👧 إلى السوق. عاد بطرس إلى البيت.", "Nobody came. " * 400)
DISPUTED = "r4"
"""id of the record on which ann and bob do not agree"""
NAMES = {"type": "array", "items": {"type": "string"}, "maxItems": 9}
STEPS = steps_in(
    {
        "steps": [
            {
                "name": "character",
                "instruction": "Who acts? {text}",
                "grounded": ["doers", "receivers"],
                "output": {
                    "type": "object",
                    "required": ["doers", "receivers"],
                    "properties": {"doers": NAMES | {"description": "Who acts."}, "receivers": NAMES},
                },
            },
            {
                "name": "outcome",
                "instruction": "What comes of it? {text}",
                "optional": True,
                "grounded": ["moral"],
                "output": {
                    "type": "object",
                    "required": ["status"],
                    "properties": {
                        "status": {"enum": ["success", "attempt", "failure"]},
                        "moral": {"type": ["string", "null"], "maxLength": 80},
                        "year": {"type": ["integer", "null"], "minimum": 1, "maximum": 2100},
                    },
                },
            },
        ]
    }
)
SUGGESTED: dict[str, Any] = {
    "values": {
        "character": {"doers": ["Mara the weaver", "Pim"], "receivers": ["Pim"]},
        "outcome": {"status": "success", "moral": "kindness returns"},
    },
    "spans": {
        "character.doers": {"Mara the weaver": [[0, 15]], "Pim": [[42, 45]]},
        "character.receivers": {"Pim": [[37, 40]]},
    },
}


def make_project(folder: Path) -> None:
    """Five records in the queue, for as many people as come; the first has a suggestion, the last two answers."""
    create_project(folder, [], task="extract", steps=STEPS)
    settings = read_settings(folder)
    write_settings(folder, replace(settings, automatic=False, overlap=9, lease_seconds=60, audit_share=0.0))
    rows = [
        {"id": f"r{number}", "text": text, "story": str(12 + number)}
        for number, text in enumerate((*TEXTS, "Ann saw Bob."))
    ]
    file = folder.parent / "tales.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    project = open_project(folder, InProcessRunner())
    import_file(project, quiet, file=str(file), text=["text"], id="id", meta=["story"])
    loop.play_round(project, quiet)
    record_no = project.store.one("select n from records where id = 'r0'")
    generated = [
        GeneratedRow(
            record_no=record_no,
            step=step,
            model="m1",
            state="valid",
            answer=value,
            confidence=0.71,
            spans=SUGGESTED["spans"],
        )
        for step, value in SUGGESTED["values"].items()
    ]
    with project.store.transaction() as cursor:
        store_generated(cursor, generated)
    for user, doers in (("ann", ["Ann"]), ("bob", ["Ann", "Bob"])):
        spans = {"character.doers": {name: [[start := "Ann saw Bob.".index(name), start + 3]] for name in doers}}
        answer = {"values": {"character": {"doers": doers, "receivers": ["Bob"]}}, "spans": spans}
        event = Event(f"{user}-1", DISPUTED, "submit", answer)
        project.label_queue.exchange(Holder(user, "tab"), QueueRequest(events=(event,)))
    project.close()


@pytest.fixture(scope="session", name="extracted")
def make_extracted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Made once; tests work on copies of it."""
    folder = tmp_path_factory.mktemp("extracted") / "tales"
    make_project(folder)
    return folder
