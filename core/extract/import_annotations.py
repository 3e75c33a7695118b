"""Bringing in annotated texts: other people's files by a mapping, long texts in chunks."""

import json
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from core.config.steps import FILE, MAP, Step
from core.data.file_import import ImportOptions, ImportSummary, import_file
from core.errors import BadInput, Refused
from core.extract.documents import columns_of, read_documents
from core.extract.mapping import FileMapping, Mapped, map_document, plain_mapping, read_mapping
from core.extract.step_files import TEMPLATES, template_or_file
from core.jobs.bundle import Report
from core.project import Project
from core.tasks.extract_answers import values_of
from core.tasks.tasks import task_of

SHOWN = 50
"""faults that a result names; the rest is counted"""
LONGEST_CHUNK = 100_000
STORY, CHUNK, START = "story", "chunk", "start"
"""metadata of a chunk: which text it is of, which one of how many, where in the text it begins"""


@dataclass(frozen=True)
class AnnotationImport:
    """documents: that were read; unread: that could not be, among `faults`. answered: step -> records with an answer to
    it. faults: what did not come in, each with document and path; absent: grounded values that are not in their text,
    which are kept. Of both the first SHOWN, and how many there are."""

    documents: int
    unread: int
    records: ImportSummary
    answered: dict[str, int]
    faults: tuple[str, ...]
    all_faults: int
    absent: tuple[str, ...]
    all_absent: int


@dataclass(frozen=True)
class Chunking:
    """In characters; size 0: texts stay whole."""

    size: int = 0
    overlap: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.size <= LONGEST_CHUNK or not 0 <= self.overlap <= self.size // 2:
            raise BadInput(
                f"A chunk has up to {LONGEST_CHUNK:,} characters, and its overlap is at most half of that; "
                f"asked for {self.size:,} and {self.overlap:,}."
            )


def import_annotations(  # noqa: PLR0913 - an option is an argument
    project: Project, report: Report, *, file: str, map: str | None = None, chunk: int = 0, overlap: int = 0
) -> AnnotationImport:
    """file: of rows, of JSON, or a folder of JSON files. map: file with a section [map]; without it that of the
    project's steps, else columns are taken by the fields' names. All of what can be read comes in, or nothing.
    """
    settings, path = project.settings(), Path(file)
    if not task_of(settings).steps:
        raise Refused(f"A file of annotations is for tasks with steps, and this project's is {settings.task!r}.")
    mapping = find_mapping(path, settings.steps, map, project.folder)
    chunking = Chunking(chunk, overlap)
    faults: list[str] = []
    absent: list[str] = []
    answered: Counter[str] = Counter()
    documents = unread = 0
    metas: dict[str, None] = {}
    known: dict[str, str] = {}
    with tempfile.TemporaryDirectory(prefix="rondo-annotations-") as folder:
        flat = Path(folder) / f"{path.name.partition('.')[0]}.jsonl"
        with flat.open("w", encoding="utf-8") as lines:
            for document in mapped_documents(path, mapping, settings.steps):
                documents += 1
                report("Reading annotations", documents, 0)
                if document.fault:
                    unread += 1
                    faults.append(document.fault)
                for one in (part for record in document.records for part in chunks(record, chunking)):
                    if fault := _unusable(one, known):
                        faults.append(fault)
                        continue
                    faults += [f"{one.id}: {fault}" for fault in one.faults]
                    absent += [f"{one.id}: {value}" for value in one.absent]
                    answered.update(values_of(one.answer).keys())
                    metas |= dict.fromkeys(one.meta)
                    lines.write(json.dumps(_row(one), ensure_ascii=False) + "\n")
        if not known:
            fault = faults[0].rstrip(".") if faults else "there is no text in it"
            raise BadInput(f"{file}: nothing could be read: {fault}.")
        options = ImportOptions(text=["text"], label="answer", id="id", split="split", meta=list(metas))
        records = import_file(project, report, file=str(flat), **options)
    counts = {step.name: answered[step.name] for step in settings.steps}
    return AnnotationImport(
        documents, unread, records, counts, tuple(faults[:SHOWN]), len(faults), tuple(absent[:SHOWN]), len(absent)
    )


@dataclass(frozen=True)
class MappedDocument:
    """fault: why it could not be read; then it has no records."""

    name: str
    records: tuple[Mapped, ...] = ()
    fault: str = ""


def mapped_documents(path: Path, mapping: FileMapping, steps: Sequence[Step]) -> Iterator[MappedDocument]:
    """What is wrong with one document keeps no other out. Raises BadInput where there is nothing to read."""
    for document in read_documents(path):
        try:
            if document.content is None:
                raise BadInput(document.fault)
            records = tuple(map_document(document.content, mapping, steps, document.name))
        except BadInput as error:
            yield MappedDocument(document.name, fault=str(error))
        else:
            yield MappedDocument(document.name, records)


def _unusable(one: Mapped, known: dict[str, str]) -> str:
    """Why this record cannot come in, or empty. known: id -> text of those before it; the record is added."""
    if not one.text.strip():
        return f"{one.id}: its text is empty"
    if known.setdefault(one.id, one.text) != one.text:
        return f"{one.id}: another text before it has the same id"
    return ""


def find_mapping(path: Path, steps: Sequence[Step], map: str | None, folder: Path) -> FileMapping:
    """map: a file or a template's name; None: that of the steps of the project in this folder, or columns by name.

    Raises BadInput where what was named has none.
    """
    if map:
        if mapping := read_mapping(template_or_file(map)):
            return mapping
        raise BadInput(f"{map} has no section [{MAP}].")
    own = read_mapping(folder / FILE) if (folder / FILE).exists() else None
    return own or plain_mapping(steps, columns_of(path))


def mapping_templates() -> list[str]:
    """Names of the templates of steps that have a mapping."""
    return [name for name in TEMPLATES if read_mapping(template_or_file(name))]


def _row(one: Mapped) -> dict[str, object]:
    answer = json.dumps(one.answer, ensure_ascii=False) if values_of(one.answer) else None
    own = {name: value for name, value in one.meta.items() if name not in ("id", "text", "answer", "split")}
    return {**own, "id": one.id, "text": one.text, "answer": answer, "split": one.split}


def chunks(record: Mapped, chunking: Chunking) -> Iterator[Mapped]:
    """The record itself where it is short enough. Its answer is of the whole text, so no part has it, and that is said.

    A chunk ends with a paragraph, a sentence or a word where one ends in its last third.
    """
    if not chunking.size or len(record.text) <= chunking.size:
        yield record
        return
    spans = list(_spans(record.text, chunking))
    note = ("its answer is of the whole text, which came in in chunks",) if values_of(record.answer) else ()
    for number, (start, end) in enumerate(spans, 1):
        meta = record.meta | {STORY: record.id, CHUNK: f"{number} of {len(spans)}", START: str(start)}
        yield replace(
            record,
            id=f"{record.id}#{number}",
            text=record.text[start:end],
            meta=meta,
            answer={"values": {}, "spans": {}},
            faults=(*record.faults, *note) if number == 1 else (),
            absent=(),
        )


def _spans(text: str, chunking: Chunking) -> Iterator[tuple[int, int]]:
    start = 0
    while start < len(text):
        end = min(start + chunking.size, len(text))
        if end < len(text):
            least = start + 2 * chunking.size // 3
            ends = (text.rfind(mark, least, end) + len(mark) for mark in ("\n\n", "\n", ". ", "。", " "))
            end = next((one for one in ends if one > least), end)
        yield start, end
        if end == len(text):
            return
        start = end - chunking.overlap
