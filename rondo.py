"""Rondo in a Python program: an exported model on texts, with the numbers that `rondo predict` writes to a file.

    import rondo

    for prediction in rondo.load("my-model").predict(["Put on some jazz", "Will it rain?"]):
        print(prediction.predicted, prediction.scores[0])

The folder is what `rondo models export` wrote: safetensors and JSON. Nothing heavy is imported before `load`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from core.registry.text_prediction_job import TextPrediction
    from gpu_jobs.work.registry.text_predictor import TextPredictor


@dataclass(frozen=True)
class Model:
    """A loaded model. labels: what they are called, in the order of the head. several: may more than one hold?"""

    name: str
    labels: tuple[str, ...]
    several: bool
    _predictor: "TextPredictor"

    def predict(self, texts: Sequence[str], top_k: int = 3) -> "list[TextPrediction]":
        """One for each text, in order: `predicted`, and `labels` with their `scores`, the likeliest first. A text has
        the same numbers whatever other texts there are; nothing is said of one without a word."""
        from core.errors import BadInput

        if isinstance(texts, str) or not all(isinstance(text, str) for text in texts):
            raise BadInput("`predict` takes a list of texts: model.predict([text]).")
        if top_k < 1:
            raise BadInput(f"top_k is {top_k}; it must be 1 or more.")
        return self._predictor.predict(texts, top_k)


def load(folder: str | Path, *, threads: int = 0) -> Model:
    """A model that `rondo models export` wrote; its encoder is loaded at the first prediction. threads: 0: all cores.

    Raises BadInput for a folder without one, Damaged for files that are not whole or could run code.
    """
    from core.config.settings import FILE
    from core.errors import BadInput
    from core.models.encoders.encoder import EMBEDDED
    from core.registry.predict import model_in_folder, setting_outside
    from gpu_jobs.work.registry.text_predictor import open_predictor

    path = Path(folder)
    exported = model_in_folder(str(path))
    if exported is None:
        what = "is a project" if (path / FILE).exists() else "holds no exported model (no rondo.json)"
        raise BadInput(f"{path} {what}. Write a model into a folder: `rondo models export champion --out FOLDER`.")
    cache = Path.home() / ".cache" / "rondo"
    predictor = open_predictor(exported, setting_outside(cache, threads, (), EMBEDDED), cache)
    model = predictor.model
    return Model(model.name, tuple(model.names[label] for label in model.labels), model.multi, predictor)
