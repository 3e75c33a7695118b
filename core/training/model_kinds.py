"""The kinds of job that make a model of the project with files of its own."""

from core.jobs.kinds import JobKind
from core.training.lora_job import TRAIN_LORA, LoraParams, LoraResult
from core.training.train_job import TRAIN, TRAIN_PAIRS, TrainPairsParams, TrainParams, TrainResult

MODEL_KINDS: dict[
    str,
    JobKind[TrainParams, TrainResult] | JobKind[TrainPairsParams, TrainResult] | JobKind[LoraParams, LoraResult],
] = {TRAIN.name: TRAIN, TRAIN_PAIRS.name: TRAIN_PAIRS, TRAIN_LORA.name: TRAIN_LORA}
