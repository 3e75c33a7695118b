"""Training data as text, by the chat template of a model's own tokenizer. Knows files."""

import json
from pathlib import Path

from core.extract.render_job import CHATS, TEXTS, RenderParams, RenderResult
from core.store.whole_files import write_whole
from gpu_jobs.language_models.bases import find_base, user_cache
from gpu_jobs.language_models.chat import PLAIN, encode_example, load_tokenizer
from gpu_jobs.trainers.trainer_types import Progress


def render_chats(bundle: Path, params: RenderParams, report: Progress) -> RenderResult:
    """The same tokens that `train --trainer lora` learns, as text. Raises BadInput for a base that is none."""
    tokenizer = load_tokenizer(find_base(params.base, user_cache()).folder)
    rows = [json.loads(line) for line in (bundle / "in" / CHATS).read_text(encoding="utf-8").splitlines()]
    lines = []
    for done, row in enumerate(rows):
        report(done, len(rows))
        tokens = encode_example(tokenizer, row["prompt"], row["completion"])
        text = tokenizer.decode(tokens.ids, skip_special_tokens=False)
        lines.append(json.dumps({"id": row["id"], "text": text}, ensure_ascii=False) + "\n")
    write_whole(bundle / "out" / TEXTS, "".join(lines).encode())
    return RenderResult(len(rows), "plain" if tokenizer.chat_template == PLAIN else "its own")
