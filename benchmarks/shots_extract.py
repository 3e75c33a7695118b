"""The pictures of structured answers: an invented tale with what a language model says of it, as the card shows it.

`python -m benchmarks.shots_extract` takes these alone.
"""

import json
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

from benchmarks.screens import FLAGS, OUT, SCREENS, wait_for
from core import loop
from core.config.settings import read_settings, write_settings
from core.config.steps import Step, steps_in
from core.data.file_import import import_file
from core.extract.mapping import ground_values
from core.ids import RecordNo
from core.labelling.generated_answers import GeneratedRow, store_generated
from core.labelling.leases import Holder
from core.labelling.queue import QueueRequest
from core.labelling.responses import Event
from core.labelling.reviews import send_to_queue
from core.project import open_project
from gpu_jobs.runners.local import InProcessRunner

PORT = 8596
ASKED = "The red kite, 1 of 3"
TALES = {
    ASKED: "Mara the weaver lent her red kite to Pim. Pim let it go, and the crow Old Ink carried it home. "
    "“Keep the string,” said Mara, “for the next wind.” But Pim had tied the string to the miller's gate, and when the "
    "wind rose in the night the gate flew open and the geese walked down to the river.",
    "The toll": "The toll keeper forbade Juno to cross. At night she crossed on a borrowed goat, and he never woke.",
    "The well": "Tam asked the well for rain. The well asked Tam for silence. Neither could wait, so both went dry.",
    "The lamp": "Grandmother Oona gave Ilse a lamp without oil. Ilse filled it with fireflies and found the way.",
    "The drum": "A drum that nobody beat called the king every noon. The king had it fed, and it was quiet.",
}
NAMES = {"type": "array", "items": {"type": "string", "maxLength": 60}, "maxItems": 12}
NOTE = {"type": ["string", "null"], "maxLength": 200}
STEPS: tuple[Step, ...] = steps_in(
    {
        "steps": [
            {
                "name": "character",
                "instruction": "Name who acts and who is acted upon, as the passage has them.\n\n{text}",
                "grounded": ["doers", "receivers"],
                "output": {
                    "type": "object",
                    "required": ["doers", "receivers"],
                    "properties": {"doers": NAMES, "receivers": NAMES},
                },
            },
            {
                "name": "instrument",
                "instruction": "Which thing do they use?\n\n{text}",
                "grounded": ["instrument"],
                "optional": True,
                "output": {"type": "object", "properties": {"instrument": NOTE}},
            },
            {
                "name": "outcome",
                "instruction": "What comes of it?\n\n{text}",
                "grounded": ["consequence", "moral"],
                "output": {
                    "type": "object",
                    "required": ["status"],
                    "properties": {
                        "status": {"enum": ["success", "attempt", "failure", "partial"]},
                        "consequence": NOTE,
                        "moral": NOTE,
                    },
                },
            },
        ]
    }
)
SUGGESTED: dict[str, dict[str, object]] = {
    "character": {"doers": ["Mara the weaver", "Old Ink"], "receivers": ["Pim"]},
    "instrument": {"instrument": "red kite"},
    "outcome": {"status": "partial", "consequence": "the gate flew open", "moral": "what is tied is not kept"},
}


def prepare(folder: Path) -> None:
    """A project in which one tale waits with a model's answer, and the others are answered."""
    loop.create_project(folder, [], task="extract", steps=STEPS)
    write_settings(folder, replace(read_settings(folder), automatic=False, audit_share=0.0))
    project = open_project(folder, InProcessRunner())
    file = folder.parent / "tales.jsonl"
    rows = [{"id": name, "text": text, "story": name} for name, text in TALES.items()]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    import_file(project, _quiet, file=str(file), text=["text"], id="id", meta=["story"])
    loop.play_round(project, _quiet)
    answer = {"values": {"character": {"doers": [], "receivers": []}, "outcome": {"status": "success"}}, "spans": {}}
    events = tuple(Event(f"ana-{name}", name, "submit", answer) for name in TALES if name != ASKED)
    project.label_queue.exchange(Holder("ana", "tab"), QueueRequest(events=events))
    record_no = RecordNo(project.store.one("select n from records where id = ?", [ASKED]))
    with project.store.transaction() as cursor:
        store_generated(cursor, [_generated(step, record_no) for step in STEPS])
    send_to_queue(project, [record_no], "ana")
    project.close()


def _generated(step: Step, record_no: RecordNo) -> GeneratedRow:
    value = SUGGESTED[step.name]
    spans, _ = ground_values({step.name: value}, TALES[ASKED], [step])
    return GeneratedRow(
        record_no=record_no, step=step.name, model="lora-3", state="valid", answer=value, spans=spans, confidence=0.83
    )


def _quiet(what: str, done: int, total: int) -> None:
    """A report that nobody reads."""


def take(browser: Browser) -> None:
    """The card, wide and narrow, light and dark."""
    folder = Path(tempfile.mkdtemp(prefix="rondo-shots-")) / "tales"
    prepare(folder)
    command = [sys.executable, "-m", "app", "--project", str(folder), "up", "--no-token", "--port", str(PORT)]
    server = subprocess.Popen(command)
    try:
        wait_for(f"http://127.0.0.1:{PORT}")
        for width, scheme in SCREENS:
            page = browser.new_page(viewport={"width": width, "height": 860}, color_scheme=scheme)
            page.goto(f"http://127.0.0.1:{PORT}/label?annotator=me")
            page.wait_for_selector(f'[data-record-id="{ASKED}"]')
            page.locator(".adder").first.fill("Pim")  # what a person adds is marked where it stands first
            page.keyboard.press("Enter")
            page.keyboard.press("Escape")
            page.wait_for_timeout(1500)
            page.screenshot(path=OUT / f"extract-{width}-{scheme}.png")
            page.close()
    finally:
        server.terminate()
        server.wait(20)


if __name__ == "__main__":
    with sync_playwright() as playwright:
        take(playwright.chromium.launch(executable_path="/usr/bin/chromium", args=FLAGS))
