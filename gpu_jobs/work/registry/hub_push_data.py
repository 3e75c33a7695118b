"""Sends a table to the Hugging Face Hub as a data set of splits. Knows files and names, not what was labelled."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

from core.data.formats.file_format import Meaning
from core.data.formats.write_job import TABLE, WriteParams, write_parts
from core.registry.data_push import CARD, CARD_TEXT, DataPushParams, SentData
from gpu_jobs.work.registry.hub_push import in_sentences, prepare, send


def push_data(bundle: Path, params: DataPushParams, report: Callable[[int, int], None]) -> SentData:
    """in/table.parquet as a file for each split with the card, as one commit. The token is in HF_TOKEN.

    Raises Refused or BadInput with a sentence on what to do; a data set that is public, or holds something else, is
    left as it is.
    """
    os.environ["HF_HUB_DISABLE_PROGRESS_BARS"] = "1"
    os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
    folder = bundle / "out" / "dataset"
    folder.mkdir(parents=True, exist_ok=True)
    parts = write_parts(
        WriteParams(params.file_format, Meaning(), by_split=True), bundle / "in" / TABLE, bundle / "out"
    ).parts
    files = {name: f"{name}.{params.file_format}" for name in parts}
    for name, file in files.items():
        (bundle / "out" / name).rename(folder / file)
    shutil.copyfile(bundle / "in" / CARD, folder / CARD)
    with in_sentences(params.repo, os.environ.get("HF_TOKEN", "")):
        from huggingface_hub import DatasetCard, DatasetCardData, HfApi

        about = DatasetCardData(
            pretty_name=params.title,
            task_categories=["text-classification"],
            tags=["rondo", "active-learning"],
            configs=[
                {
                    "config_name": "default",
                    "data_files": [{"split": name, "path": file} for name, file in files.items()],
                }
            ],
        )
        text = (bundle / "in" / CARD_TEXT).read_text(encoding="utf-8")
        (folder / "README.md").write_text(str(DatasetCard(f"---\n{about}\n---\n{text}")), encoding="utf-8")
        api = HfApi(token=os.environ["HF_TOKEN"])
        parent = prepare(api, params.repo, "dataset", params.private)
        sent = send(api, (params.repo, "dataset", parent), folder, params.message, report)
    return SentData(sent, parts)
