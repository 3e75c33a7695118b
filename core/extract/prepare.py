"""Training data of a step: what people answered, or a folder of annotations, as prompts and completions."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb

from core.config.steps import Step
from core.errors import BadInput, Refused
from core.extract.import_annotations import STORY, find_mapping, mapped_documents
from core.extract.prompts import completion, messages, step_input
from core.extract.render_job import CHATS, RENDER_CHATS, TEXTS, RenderParams
from core.jobs.bundle import Report
from core.project import Project
from core.store.targets import refuse_target
from core.store.whole_files import write_whole
from core.tasks.extract_answers import Json, values_of
from core.tasks.tasks import task_of
from core.training.lora_job import LoraExample

GOLD, CORRECTED, PREDICTED = "gold", "corrected", "predicted"
"""whose answer to an earlier step a prompt was given: a file's, a person's, or a model's"""
SETTLED = """
    select n, r.id, r.text, r.fields::varchar, r.meta::varchar, s.answer::varchar, s.stratum = 'file'
    from settled s join records r using (n)
    where s.stratum in ('chosen', 'file') and r.duplicate_of is null
      and n not in (select o.n from left_out o) order by n
"""
"""what may teach: neither gold nor audit, which are to tell how good a model is, nor what cleaning or balancing left
out. Texts are as they came, for spans are places in them"""


@dataclass(frozen=True)
class PreparedExample:
    """prompt, completion: messages of a chat. group: examples of one text, which are held out together. inputs: of each
    step that the prompt was given whose answer it was."""

    id: str
    group: str
    prompt: list[dict[str, str]]
    completion: list[dict[str, str]]
    inputs: dict[str, str]

    @property
    def instruction(self) -> str:
        """The prompt as one text."""
        return "\n\n".join(message["content"] for message in self.prompt)


@dataclass(frozen=True)
class AnsweredRecord:
    """fields: text and other fields by name. values: step -> its value. origin: GOLD or CORRECTED."""

    id: str
    group: str
    fields: Mapping[str, str]
    values: Mapping[str, Json]
    origin: str


@dataclass(frozen=True)
class PreparedStep:
    """files: instruction rows, and the same as chats. without: records that have no answer to this step."""

    step: str
    examples: int
    without: int
    files: tuple[str, ...]


@dataclass(frozen=True)
class Prepared:
    """steps: in their order. unread: documents that could not be read, with the reason."""

    steps: tuple[PreparedStep, ...]
    unread: tuple[str, ...] = ()


def find_step(steps: Sequence[Step], name: str) -> Step:
    """Raises BadInput."""
    step = next((one for one in steps if one.name == name), None)
    if step is None:
        raise BadInput(f"There is no step {name!r}; there are {', '.join(one.name for one in steps) or 'none'}.")
    return step


def find_steps(steps: Sequence[Step], names: Sequence[str]) -> list[Step]:
    """Those of these names, in their order; no name means all. Raises BadInput."""
    return [find_step(steps, name) for name in names] or list(steps)


def training_rows(project: Project, step: str) -> list[PreparedExample]:
    """Of the project's settled answers to a step, in the order of the records."""
    with project.store.reading() as cursor:
        records = list(settled_records(cursor))
    return list(examples(find_step(project.settings().steps, step), records))


def settled_records(cursor: duckdb.DuckDBPyConnection, query: str = SETTLED) -> Iterator[AnsweredRecord]:
    """query: SQL of n, id, text, fields, meta, answer, and whether a file said it."""
    for _, id, text, fields, meta, answer, from_file in cursor.execute(query).fetchall():
        known = record_fields(text, fields, meta)
        origin = GOLD if from_file else CORRECTED
        yield AnsweredRecord(id, known.get(STORY, id), known, values_of(json.loads(answer)), origin)


def record_fields(text: str, fields: str | None, meta: str | None) -> dict[str, str]:
    """The fields that a prompt may name, the text among them."""
    merged = {**json.loads(meta or "{}"), **json.loads(fields or "{}")}
    return {name: value if isinstance(value, str) else str(value) for name, value in merged.items() if value} | {
        "text": text
    }


def examples(step: Step, records: Sequence[AnsweredRecord]) -> Iterator[PreparedExample]:
    """Of the records with an answer to the step and to all that it needs and that is not optional."""
    for record in records:
        if step.name not in record.values:
            continue
        inputs = step_input(step, record.fields, record.values)
        yield PreparedExample(
            record.id,
            record.group,
            messages(step, inputs),
            [{"role": "assistant", "content": completion(step, record.values[step.name])}],
            {name: record.origin for name in inputs.answers},
        )


def lora_examples(rows: Sequence[PreparedExample]) -> list[LoraExample]:
    """As a tuning reads them."""
    return [LoraExample(row.id, row.group, tuple(row.prompt), tuple(row.completion)) for row in rows]


def prepare(  # noqa: PLR0913 - an option is an argument
    project: Project,
    report: Report,
    *,
    out: str,
    steps: Sequence[str] = (),
    data_dir: str | None = None,
    map: str | None = None,
    base: str = "",
) -> Prepared:
    """Writes STEP_train.jsonl (instruction, input, output) and STEP_chat.jsonl (prompt, completion) for each step.
    base: a language model, by whose own chat template STEP_text.jsonl (text) is written, too.

    steps: none means all. data_dir: a folder or file of annotations instead of the project's answers; map: as for an
    import of it. A step without any answer has an empty file, and that is said.
    """
    settings = project.settings()
    if not task_of(settings).steps:
        raise Refused(f"Instruction data is for tasks with steps, and this project's is {settings.task!r}.")
    chosen = find_steps(settings.steps, steps)
    folder = Path(out)
    refuse_target(project, out)
    unread: list[str] = []
    if data_dir:
        records = _read_folder(Path(data_dir), settings.steps, project, map, unread)
    else:
        with project.store.reading() as cursor:
            records = list(settled_records(cursor))
    folder.mkdir(parents=True, exist_ok=True)
    results = []
    for number, step in enumerate(chosen):
        report("Preparing", number, len(chosen))
        rows = list(examples(step, records))
        files: tuple[Path, ...] = (folder / f"{step.name}_train.jsonl", folder / f"{step.name}_chat.jsonl")
        write_whole(files[0], _lines(_instruction_row(row) for row in rows))
        write_whole(files[1], _lines({"id": r.id, "prompt": r.prompt, "completion": r.completion} for r in rows))
        if base and rows:
            files = (*files, _render(project, report, base, files[1]))
        results.append(PreparedStep(step.name, len(rows), len(records) - len(rows), tuple(str(file) for file in files)))
    report("Preparing", len(chosen), len(chosen))
    return Prepared(tuple(results), tuple(unread))


def _render(project: Project, report: Report, base: str, chats: Path) -> Path:
    """By the chat template of a model's own tokenizer, in a job, which may load one."""
    bundle = project.jobs.prepare(RENDER_CHATS, RenderParams(base))
    try:
        write_whole(bundle.path / "in" / CHATS, chats.read_bytes())
        project.jobs.run(bundle, RENDER_CHATS, report, "Writing as text")
        target = chats.with_name(chats.name.replace("_chat.jsonl", "_text.jsonl"))
        write_whole(target, (bundle.path / "out" / TEXTS).read_bytes())
        with project.store.transaction() as cursor:
            project.jobs.claim_result(bundle, cursor)
    finally:
        bundle.empty()
    return target


def _read_folder(
    path: Path, steps: Sequence[Step], project: Project, map: str | None, unread: list[str]
) -> list[AnsweredRecord]:
    mapping = find_mapping(path, steps, map, project.folder)
    records = []
    for document in mapped_documents(path, mapping, steps):
        unread += [document.fault] if document.fault else []
        for one in document.records:
            fields = one.meta | {"text": one.text}
            records.append(AnsweredRecord(one.id, document.name, fields, values_of(one.answer), GOLD))
    return records


def _instruction_row(example: PreparedExample) -> dict[str, str]:
    return {"instruction": example.instruction, "input": "", "output": example.completion[0]["content"]}


def _lines(rows: Iterator[Mapping[str, object]]) -> bytes:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()
