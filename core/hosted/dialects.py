"""How providers want files and fine-tuning jobs to be called, where they differ. Knows no patience and no job of ours.

Every function makes one request through OpenAI's client, and raises ValueError for an answer that it cannot read.
OpenAI: developers.openai.com/api/reference. Together: docs.together.ai/reference. Fireworks:
docs.fireworks.ai/api-reference. All read on 2026-11-30, none run.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from core.language_models.client import fields_of, required_text, text_at
from core.language_models.providers import account_of

if TYPE_CHECKING:
    from openai import OpenAI

Fields = dict[str, object]
LISTED = 100
STATUSES = ("validating_files", "queued", "running", "paused", "succeeded", "failed", "cancelled")
ENDED = ("succeeded", "failed", "cancelled")


@dataclass(frozen=True)
class TuningOrder:
    """file: its id at the provider. epochs: None lets the provider choose. name: of the job, ours."""

    base: str
    file: str
    epochs: int | None
    name: str


@dataclass(frozen=True)
class ProviderJob:
    """A job as the provider has it. status: one of STATUSES; word: the provider's own. tokens: trained, if known."""

    id: str
    status: str
    word: str
    message: str
    model: str
    base: str
    file: str
    tokens: int | None = None


@dataclass(frozen=True)
class Dialect:
    """upload: (client, content, name) -> id of the file. forget: deletes a file."""

    upload: Callable[["OpenAI", bytes, str], str]
    create: Callable[["OpenAI", TuningOrder], ProviderJob]
    retrieve: Callable[["OpenAI", str], ProviderJob]
    cancel: Callable[["OpenAI", str], ProviderJob]
    jobs: Callable[["OpenAI"], list[ProviderJob]]
    forget: Callable[["OpenAI", str], None]


def _status(word: str, words: Mapping[str, str]) -> str:
    """An unknown word is one more way of running: the job is followed until it ends."""
    return words.get(word, word if word in STATUSES else "running")


def _list(answer: object, name: str) -> list[Fields]:
    items = answer if isinstance(answer, list) else fields_of(answer).get(name)
    if not isinstance(items, list):
        raise ValueError(f"it has no list `{name}`")
    return [fields_of(item) for item in items]


def _number(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


OPENAI_WORDS = {"pausing": "paused", "resuming": "running", "canceled": "cancelled"}


def _openai_job(answer: object) -> ProviderJob:
    fields = fields_of(answer)
    word, error = required_text(fields, "status"), fields.get("error")
    return ProviderJob(
        id=required_text(fields, "id"),
        status=_status(word, OPENAI_WORDS),
        word=word,
        message=text_at(error, "message", "code") if isinstance(error, dict) else text_at(fields, "error"),
        model=text_at(fields, "fine_tuned_model"),
        base=text_at(fields, "model"),
        file=text_at(fields, "training_file"),
        tokens=_number(fields.get("trained_tokens")),
    )


def _openai_upload(client: "OpenAI", content: bytes, name: str) -> str:
    return required_text(fields_of(client.files.create(file=(name, content), purpose="fine-tune")), "id")


def _openai_create(client: "OpenAI", order: TuningOrder) -> ProviderJob:
    supervised = {"hyperparameters": {"n_epochs": order.epochs}} if order.epochs else {}
    created = client.fine_tuning.jobs.create(
        model=order.base,
        training_file=order.file,
        suffix="rondo",
        method={"type": "supervised", "supervised": supervised},
        metadata={"rondo_job": order.name},
    )
    return _openai_job(created)


def _openai_jobs(client: "OpenAI") -> list[ProviderJob]:
    page = client.get(f"/fine_tuning/jobs?limit={LISTED}", cast_to=object)  # the typed page fails on another form
    return [_openai_job(one) for one in _list(page, "data")]


def _openai_forget(client: "OpenAI", file: str) -> None:
    client.files.delete(file)


TOGETHER_WORDS = {
    **{"pending": "queued", "compressing": "running", "uploading": "running", "cancel_requested": "running"},
    **{"completed": "succeeded", "error": "failed", "user_error": "failed"},
}


def _together_job(answer: object) -> ProviderJob:
    fields = fields_of(answer)
    word, events = required_text(fields, "status"), fields.get("events")
    last = fields_of(events[-1]) if isinstance(events, list) and events else {}
    status = _status(word, TOGETHER_WORDS)
    return ProviderJob(
        id=required_text(fields, "id"),
        status=status,
        word=word,
        message=text_at(last, "message") if status == "failed" else "",
        model=text_at(fields, "model_output_name", "output_name") if status == "succeeded" else "",
        base=text_at(fields, "model"),
        file=text_at(fields, "training_file"),
        tokens=_number(fields.get("token_count")),
    )


def _together_upload(client: "OpenAI", content: bytes, name: str) -> str:
    answer = client.post(
        "/files/upload",
        cast_to=object,
        body={"purpose": "fine-tune", "file_name": name, "file_type": "jsonl"},
        files=[("file", (name, content))],
        options={"headers": {"Content-Type": "multipart/form-data"}},
    )
    return required_text(fields_of(answer), "id")


def _together_create(client: "OpenAI", order: TuningOrder) -> ProviderJob:
    epochs = {"n_epochs": order.epochs} if order.epochs else {}
    body = {"model": order.base, "training_file": order.file, "suffix": "rondo", **epochs}
    return _together_job(client.post("/fine-tunes", cast_to=object, body=body))


def _together_forget(client: "OpenAI", file: str) -> None:
    client.delete(f"/files/{file}", cast_to=object)


FIREWORKS_WORDS = {
    **{"JOB_STATE_CREATING": "queued", "JOB_STATE_CREATING_INPUT_DATASET": "queued", "JOB_STATE_PENDING": "queued"},
    **{"JOB_STATE_RE_QUEUEING": "queued", "JOB_STATE_IDLE": "queued", "JOB_STATE_VALIDATING": "validating_files"},
    **{"JOB_STATE_RUNNING": "running", "JOB_STATE_WRITING_RESULTS": "running", "JOB_STATE_CANCELLING": "running"},
    **{"JOB_STATE_PAUSED": "paused", "JOB_STATE_COMPLETED": "succeeded", "JOB_STATE_EARLY_STOPPED": "succeeded"},
    **{"JOB_STATE_FAILED": "failed", "JOB_STATE_FAILED_CLEANING_UP": "failed", "JOB_STATE_EXPIRED": "failed"},
    **{"JOB_STATE_CANCELLED": "cancelled", "JOB_STATE_DELETING": "cancelled", "JOB_STATE_DELETED": "cancelled"},
    **{"JOB_STATE_DELETING_CLEANING_UP": "cancelled", "JOB_STATE_ARCHIVED": "cancelled"},
}


def _in_account(path: str) -> str:
    return f"/accounts/{account_of()}/{path}"


def _fireworks_job(answer: object) -> ProviderJob:
    fields = fields_of(answer)
    word, status = required_text(fields, "state"), fields.get("status")
    return ProviderJob(
        id=required_text(fields, "name").rpartition("/")[2],
        status=_status(word, FIREWORKS_WORDS),
        word=word,
        message=text_at(status, "message") if isinstance(status, dict) else "",
        model=text_at(fields, "outputModel"),
        base=text_at(fields, "baseModel"),
        file=text_at(fields, "dataset").rpartition("/")[2],
    )


def _fireworks_upload(client: "OpenAI", content: bytes, name: str) -> str:
    """A dataset is made by name, then filled; its name is its id."""
    dataset = name.removesuffix(".jsonl").lower()
    lines = content.count(b"\n")
    body = {"datasetId": dataset, "dataset": {"userUploaded": {}, "exampleCount": str(lines)}}
    client.post(_in_account("datasets"), cast_to=object, body=body)
    client.post(
        _in_account(f"datasets/{dataset}:upload"),
        cast_to=object,
        files=[("file", (name, content))],
        options={"headers": {"Content-Type": "multipart/form-data"}},
    )
    return dataset


def _fireworks_create(client: "OpenAI", order: TuningOrder) -> ProviderJob:
    epochs = {"epochs": order.epochs} if order.epochs else {}
    dataset = f"accounts/{account_of()}/datasets/{order.file}"
    body = {"baseModel": order.base, "dataset": dataset, "displayName": order.name, **epochs}
    return _fireworks_job(client.post(_in_account("supervisedFineTuningJobs"), cast_to=object, body=body))


def _fireworks_jobs(client: "OpenAI") -> list[ProviderJob]:
    path = _in_account(f"supervisedFineTuningJobs?pageSize={LISTED}")
    return [_fireworks_job(one) for one in _list(client.get(path, cast_to=object), "supervisedFineTuningJobs")]


def _fireworks_cancel(client: "OpenAI", job: str) -> ProviderJob:
    client.post(_in_account(f"supervisedFineTuningJobs/{job}:cancel"), cast_to=object, body={})
    return _fireworks_retrieve(client, job)


def _fireworks_retrieve(client: "OpenAI", job: str) -> ProviderJob:
    return _fireworks_job(client.get(_in_account(f"supervisedFineTuningJobs/{job}"), cast_to=object))


def _fireworks_forget(client: "OpenAI", file: str) -> None:
    client.delete(_in_account(f"datasets/{file}"), cast_to=object)


DIALECTS: dict[str, Dialect] = {
    "openai": Dialect(
        upload=_openai_upload,
        create=_openai_create,
        retrieve=lambda client, job: _openai_job(client.fine_tuning.jobs.retrieve(job)),
        cancel=lambda client, job: _openai_job(client.fine_tuning.jobs.cancel(job)),
        jobs=_openai_jobs,
        forget=_openai_forget,
    ),
    "together": Dialect(
        upload=_together_upload,
        create=_together_create,
        retrieve=lambda client, job: _together_job(client.get(f"/fine-tunes/{job}", cast_to=object)),
        cancel=lambda client, job: _together_job(client.post(f"/fine-tunes/{job}/cancel", cast_to=object)),
        jobs=lambda client: [_together_job(one) for one in _list(client.get("/fine-tunes", cast_to=object), "data")],
        forget=_together_forget,
    ),
    "fireworks": Dialect(
        upload=_fireworks_upload,
        create=_fireworks_create,
        retrieve=_fireworks_retrieve,
        cancel=_fireworks_cancel,
        jobs=_fireworks_jobs,
        forget=_fireworks_forget,
    ),
}
"""by `Provider.dialect`"""
