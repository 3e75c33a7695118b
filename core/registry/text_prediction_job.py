"""What the jobs that predict new texts are given, and what they give back. Predicts nothing."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from core.evaluation.metrics import Estimate
from core.jobs.kinds import JobKind
from core.jobs.many_jobs import PiecesResult
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
    """out: the file to write, by its ending CSV, JSON lines or Parquet. with_text: the texts are written too.
    predictions: a folder with those that other jobs made, empty to make them here; content: the hash of the file that
    they are of."""

    setting: Setting
    model: EvaluatedFolder
    source: TextSource
    out: str
    top_k: int
    with_text: bool
    predictions: str = ""
    content: str = ""


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


@dataclass(frozen=True)
class CutParams:
    """A file to be cut into texts of `job_records` rows each. sample: texts that are put aside, to measure with."""

    setting: Setting
    model: EvaluatedFolder
    source: TextSource
    top_k: int
    job_records: int
    sample: int


@dataclass(frozen=True)
class CutResult:
    """rows: of the file, by the piece in `out`. sampled: texts put aside. version: what the predictions depend on.
    content: the hash of the file."""

    rows: tuple[int, ...]
    sampled: int
    version: str
    content: str


CUT_TEXTS = JobKind("cut_texts", CutParams, CutResult)

PIECE_IN, SAMPLE_OUT = "in/texts.parquet", "out/sample.parquet"
MODELS_IN = "in/models"
"""folder of models that travel with the texts, for a machine that has none of our folders"""


@dataclass(frozen=True)
class PieceParams:
    """Of the bundle's PIECE_IN. model: its folder is a name below MODELS_IN where it is `carried`. setting: without
    `vectors` elsewhere."""

    setting: Setting
    model: EvaluatedFolder
    carried: bool
    top_k: int
    number: int
    version: str


@dataclass(frozen=True)
class PieceResult:
    """resumed: rows that an earlier attempt had predicted."""

    rows: int
    resumed: int
    seconds: float
    texts_per_second: float


PREDICT_PIECE = JobKind("predict_piece", PieceParams, PieceResult)


@dataclass(frozen=True)
class PiecesParams:
    """Of the row that stands for all pieces of a file. gpu: "" for none."""

    version: str
    model: str
    file: str
    gpu: str
    workers: int
    job_records: int


PREDICT_PIECES = JobKind("predict_pieces", PiecesParams, PiecesResult)


class LoadedModels(Protocol):
    """Models that a process keeps loaded, so that they answer without the seconds that a job takes to begin."""

    def predict(
        self, word: str, params: PredictTextsParams, texts: Sequence[str], waiting: Callable[[], None]
    ) -> TextPredictions | None:
        """What the job PREDICT_TEXTS says, or raises; None where no process lives long enough: start the job then.

        word: by which the model was requested; another model by the same word takes the first one's process. waiting:
        called now and then; may raise Cancelled.
        """

    def close(self) -> None:
        """Ends all processes."""
