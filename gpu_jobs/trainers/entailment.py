"""Does a text entail a sentence? A model trained for natural language inference. Knows texts, not labels."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from core.arrays import Floats
from core.errors import BadInput
from core.models.encoders.encoder import encode_in_batches, without_surrogates
from core.models.encoders.torch_encoder import multiplies_bfloat16
from gpu_jobs.trainers.pretrained import Pretrained, find_model, load_classifier

NLI_MODEL = "cross-encoder/nli-MiniLM2-L6-H768"
"""82 million weights, three labels; its tokenizer needs no further package"""

LONGEST = 512
CPU_BUDGET, GPU_BUDGET = 2_048, 65_536
"""tokens at once, with padding"""


@dataclass(frozen=True)
class Reader:
    """yes: index of the entailment logit. no: that of contradiction, or all others where the model has none of that
    name.
    """

    loaded: Pretrained
    yes: int
    no: tuple[int, ...]

    def probabilities(self, texts: Sequence[str], sentences: Sequence[str], *, against: bool) -> Floats:
        """(texts, sentences) logits of entailment; against: log odds of it against the contradiction."""
        clean = [without_surrogates(text) for text in texts]
        rows = np.stack([self._logits(clean, sentence) for sentence in sentences], axis=1)
        if not against:
            return np.asarray(rows[:, :, self.yes])
        return np.asarray(rows[:, :, self.yes] - np.logaddexp.reduce(rows[:, :, list(self.no)], axis=2))

    def _logits(self, texts: list[str], sentence: str) -> Floats:
        model, tokenizer, longest = self.loaded.model, self.loaded.tokenizer, self.loaded.longest
        cut = tokenizer(texts, [sentence] * len(texts), truncation="only_first", max_length=longest)
        budget = CPU_BUDGET if model.device.type == "cpu" else GPU_BUDGET

        def run(batch: list[int]) -> Floats:
            import torch

            supplied = tokenizer.pad(
                [{name: rows[at] for name, rows in cut.items()} for at in batch], return_tensors="pt"
            )
            with torch.inference_mode():
                logits: Floats = model(**supplied.to(model.device)).logits.float().cpu().numpy()
            return logits

        return encode_in_batches([len(ids) for ids in cut["input_ids"]], budget, model.config.num_labels, run)


def load_reader(name: str, cache: Path, threads: int) -> Reader:
    """Loads a model by name or folder. Raises BadInput for one that was not trained for entailment."""
    import torch

    if threads:
        torch.set_num_threads(threads)
    loaded = load_classifier(find_model(name, cache), LONGEST)
    called = {int(index): str(label).lower() for index, label in loaded.model.config.id2label.items()}
    yes = [index for index, label in called.items() if label.startswith("entail")]
    if len(yes) != 1 or len(called) < 2:
        raise BadInput(
            f"{name} has no label of entailment; its labels are {', '.join(called.values())[:200]}. Name a model that "
            f"was trained for natural language inference, such as {NLI_MODEL}."
        )
    no = [index for index, label in called.items() if label.startswith("contra")]
    no = no or [index for index in called if index not in yes]
    precision = torch.bfloat16 if multiplies_bfloat16() else torch.float32
    model = loaded.model.to("cuda" if torch.cuda.is_available() else "cpu", dtype=precision).eval()
    loaded.tokenizer.deprecation_warnings["Asking-to-pad-a-fast-tokenizer"] = True  # it would say so for every batch
    return Reader(Pretrained(model, loaded.tokenizer, loaded.longest, loaded.folder), yes[0], tuple(no))
