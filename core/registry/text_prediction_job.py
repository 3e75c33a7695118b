"""What the jobs that predict new texts are given, and what they give back. Predicts nothing."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from core.evaluation.metrics import Estimate
from core.jobs.kinds import JobKind
from core.registry.evaluation_jobs import EvaluatedFolder, Setting, TopAccuracy


@dataclass(frozen=True)
class TextPrediction:
    """What a model says of one text. predicted: the name of the label, or where several may hold those of all that are
    proposed; None for a text without a word. labels: names, the likeliest first; scores: their probabilities, to six
    places."""

    predicted: str | tuple[str, ...] | None
    labels: tuple[str, ...]
    scores: tuple[float, ...]


@dataclass(frozen=True)
class TextSource:
    """A file or folder, and its columns. label: the true labels. keep: columns that are carried over. split: only rows
    of it, by split_column."""

    file: str
    text: tuple[str, ...]
    id: str | None = None
    label: str | None = None
    keep: tuple[str, ...] = ()
    split: str | None = None
    split_column: str = "split"
    encoding: str = "utf-8"


@dataclass(frozen=True)
class PredictFileParams:
    """out: the file to write, by its ending CSV, JSON lines or Parquet. with_text: the texts are written too."""

    setting: Setting
    model: EvaluatedFolder
    source: TextSource
    out: str
    top_k: int
    with_text: bool


@dataclass(frozen=True)
class FilePredictions:
    """Of a file. rows: that were written; blank: of these without text, and so without a prediction; resumed: of these
    that an earlier run had predicted. predicted: rows by the name of the label. scored: rows with a true label, on
    which the figures rest; unknown: true labels that the model does not know, and their rows. notes: sentences."""

    model: str
    out: str
    rows: int
    blank: int
    resumed: int
    predicted: Mapping[str, int]
    seconds: float
    scored: int = 0
    accuracy: Estimate | None = None
    macro_f1: Estimate | None = None
    top: tuple[TopAccuracy, ...] = ()
    unknown: Mapping[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


PREDICT_FILE = JobKind("predict_file", PredictFileParams, FilePredictions)

TEXTS_IN = "in/texts.json"


@dataclass(frozen=True)
class PredictTextsParams:
    """The bundle has TEXTS_IN: a list."""

    setting: Setting
    model: EvaluatedFolder
    top_k: int


@dataclass(frozen=True)
class TextPredictions:
    """In the order of the texts. model: its id, or `baseline`."""

    model: str
    predictions: tuple[TextPrediction, ...]


PREDICT_TEXTS = JobKind("predict_texts", PredictTextsParams, TextPredictions)
