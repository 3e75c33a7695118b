"""Lines of chats, as OpenAI and others take them to tune a model: instructions, text, answer. Written, not read."""

import json
from pathlib import Path

from core.data.formats.file_format import ExportTable, FileFormat


def write(table: ExportTable, target: Path) -> tuple[str, ...]:
    """A line for each record with an answer; the answer is the JSON that `rondo suggest` asks a language model for."""
    table.require_single("openai-chat")
    unanswered = 0
    with target.open("w", encoding="utf-8") as file:
        for row in table.rows():
            names = table.meaning.names(row.get("label"))
            if names is None:
                unanswered += 1
                continue
            answer = {"labels": names} if table.meaning.several else {"label": names[0]} if names else {"label": None}
            chat = [
                {"role": "system", "content": table.meaning.instructions},
                {"role": "user", "content": row["text"]},
                {"role": "assistant", "content": json.dumps(answer, ensure_ascii=False)},
            ]
            file.write(json.dumps({"messages": chat}, ensure_ascii=False) + "\n")
    return (f"{unanswered:,} records without a label were left out",) if unanswered else ()


OPENAI_CHAT = FileFormat(
    caption="chats to tune a language model on: instructions, the text, its labels as JSON",
    ending=".jsonl",
    write=write,
    holds=frozenset(("text", "label")),
    needs_labels=True,
    changes=("records without a label are left out",),
)
