"""Pushes a model, and its labels, to the Hugging Face Hub. Knows what to send, not how it is sent.

The token goes to the job through its environment: it is in no file, no row and no log.
"""

import json
from dataclasses import asdict
from pathlib import Path

from core.errors import Refused
from core.jobs.bundle import Report, Resources
from core.jobs.job_states import LOST, change_state
from core.project import Project
from core.registry.model_export import README, collect, write_folder
from core.registry.push_job import PUSH, TOKEN, PushParams, PushResult, check_repo, check_token
from core.reports.export import write_export
from core.store.database import note
from core.store.tables import quoted

LABELS = "labels.parquet"


def push(  # noqa: PLR0913 - an option is an argument
    project: Project,
    report: Report,
    *,
    repo: str,
    user: str = "local",
    model: str = "",
    token: str = "",
    private: bool = True,
    labels: bool = False,
    message: str = "",
) -> PushResult:
    """Sends a model with its card.

    model: as `find_model` takes it, empty for the champion. token: with write access; else HF_TOKEN of the process.
    labels: also the settled labels with their texts and the data card, as REPO-labels. message: of the commit. A
    repository that is there gets a new commit if it holds what Rondo pushed before.
    """
    check_repo(f"{repo}-labels" if labels else repo)
    environment = {TOKEN: check_token(token)}
    fetch = f'from huggingface_hub import snapshot_download\n\nfolder = snapshot_download("{repo}")'
    exported = collect(project, model, fetch)
    params = PushParams(repo, private, message or f"Model {exported.model} by Rondo", labels, exported.model)
    bundle = project.jobs.prepare(PUSH, params)
    try:
        write_folder(exported, bundle.path / "in" / "model", report)
        if labels:
            _write_labels(project, bundle.path / "in" / "dataset")
        result = project.jobs.run(bundle, PUSH, report, f"Pushing {repo}", Resources(environment=environment))
        with project.store.transaction() as cursor:
            if project.jobs.claim_result(bundle, cursor):
                note(cursor, user, "push", asdict(result))
    finally:
        bundle.empty()  # what was to be sent lies in the project anyway; a job that never began is lost
        with project.store.transaction() as cursor:
            change_state(cursor, bundle.id, LOST, ["draft"])
    return result


def _write_labels(project: Project, folder: Path) -> None:
    """Texts, labels and the data card, without who labelled."""
    from huggingface_hub import DatasetCard, DatasetCardData

    folder.mkdir()
    whole = folder / "whole.parquet"
    if not write_export(project, whole, "parquet", "labels", card=True):
        raise Refused("There is no settled label to push. Push the model alone, or label some records first.")
    source, target = quoted(whole), quoted(folder / LABELS)
    with project.store.reading() as cursor:
        cursor.execute(f"copy (select * exclude (annotators) from '{source}') to '{target}' (format parquet)")
    card = folder / "whole.parquet.card.md"
    text = card.read_text(encoding="utf-8").replace("whole.parquet", LABELS)
    about = DatasetCardData(
        task_categories=["text-classification"],
        tags=["rondo", "active-learning"],
        configs=[{"config_name": "default", "data_files": LABELS}],
    )
    (folder / README).write_text(str(DatasetCard(f"---\n{about}\n---\n{text}")), encoding="utf-8")
    stored = json.loads((folder / "whole.parquet.card.json").read_text(encoding="utf-8"))
    stored["export"]["file"] = LABELS
    (folder / "card.json").write_text(json.dumps(stored, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    for path in (whole, card, folder / "whole.parquet.card.json"):
        path.unlink()
