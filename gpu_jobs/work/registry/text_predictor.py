"""A model that says of any texts what their labels are, the same whatever other texts there are. Knows no file."""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from core.arrays import Rows
from core.data.clean_rules import clean_text
from core.registry.evaluation_jobs import EvaluatedFolder, Setting
from core.registry.exported_model import is_export, rules_of_export
from core.registry.text_prediction_job import TEXTS_IN, PredictTextsParams, TextPrediction, TextPredictions
from gpu_jobs.trainers.trainer_types import Progress
from gpu_jobs.work.registry.evaluated_model import Chunk, EvaluatedModel, open_model

PIECE, PIECE_CHARACTERS = 2_048, 1 << 19
"""texts between two reports, and more while they have fewer characters: each length in a piece has a batch that is not
full, which cost a tenth of the encoder's time with 2,048 short texts"""
DIGITS = 6
NOTHING = TextPrediction(None, (), ())


@dataclass(frozen=True)
class TextPredictor:
    """An open model. rules: that clean a text before the model reads it."""

    model: EvaluatedModel
    rules: tuple[str, ...] = ()

    def predict(
        self, texts: Sequence[str], top_k: int = 3, report: Callable[[int], None] = lambda done: None
    ) -> list[TextPrediction]:
        """One for each text, in order; of blank ones nothing is said. report(done): of the texts."""
        rows_of: dict[str, list[int]] = {}
        for row, text in enumerate(texts):
            if text and not text.isspace():
                rows_of.setdefault(text, []).append(row)
        result, done = [NOTHING] * len(texts), 0
        for piece in _pieces(sorted(rows_of, key=len)):
            for text, prediction in zip(piece, self._rank(piece, top_k), strict=True):
                for row in rows_of[text]:
                    result[row] = prediction
                done += len(rows_of[text])
            report(done)
        return result

    def _rank(self, texts: list[str], top_k: int) -> list[TextPrediction]:
        """Ties: the label that comes first."""
        read = [clean_text(text, self.rules) or text for text in texts] if self.rules else texts
        says = self.model.predict(Chunk(ids=[], texts=read, labels=[]))
        names = [self.model.names[label] for label in self.model.labels]
        order = np.argsort(-says.outputs, axis=1, kind="stable")[:, :top_k]
        scores = np.round(np.take_along_axis(says.outputs, order, axis=1).astype(np.float64), DIGITS)
        return [
            TextPrediction(predicted, tuple(names[column] for column in columns), tuple(chances))
            for predicted, columns, chances in zip(
                self._proposed(names, says.predicted), order.tolist(), scores.tolist(), strict=True
            )
        ]

    def _proposed(self, names: Sequence[str], predicted: Rows) -> Sequence[str | tuple[str, ...]]:
        if not self.model.multi:
            return [names[column] for column in predicted.argmax(axis=1).tolist()]
        return [tuple(names[column] for column in np.flatnonzero(row).tolist()) for row in predicted]


def _pieces(texts: list[str]) -> Iterator[list[str]]:
    first = size = 0
    for position, text in enumerate(texts):
        if position - first >= PIECE and size >= PIECE_CHARACTERS:
            yield texts[first:position]
            first, size = position, 0
        size += len(text)
    if texts:
        yield texts[first:]


def open_predictor(model: EvaluatedFolder, setting: Setting, work: Path) -> TextPredictor:
    """work: a folder to work in. Raises Damaged, Refused or BadInput."""
    folder = Path(model.folder) if model.folder else None
    rules = rules_of_export(folder) if folder and is_export(folder) else setting.rules
    return TextPredictor(open_model(model, setting, work), rules)


def predict_texts(bundle: Path, params: PredictTextsParams, report: Progress) -> TextPredictions:
    """Of the texts in the bundle."""
    texts = json.loads((bundle / TEXTS_IN).read_text(encoding="utf-8"))
    predictor = open_predictor(params.model, params.setting, bundle / "ckpt")
    predictions = predictor.predict(texts, params.top_k, lambda done: report(done, len(texts)))
    return TextPredictions(predictor.model.name, tuple(predictions))
