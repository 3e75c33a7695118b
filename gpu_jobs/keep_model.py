"""A process that keeps one model loaded and predicts texts with it, a line of JSON each. Knows no store and no route.

`python -m gpu_jobs.keep_model FOLDER SECONDS`: it ends when nothing was requested for so long, and at once when its
owner has ended, even by a kill: nobody else holds the other end of its input.
"""

import json
import os
import sys
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Thread
from typing import BinaryIO

from core.errors import RondoError
from core.registry.text_prediction_job import PredictTextsParams, TextPredictions
from core.typed_json import from_json, to_json
from gpu_jobs.work.registry.text_predictor import TextPredictor, open_predictor


def main() -> None:
    """Answers lines of {"params", "texts"} with lines of {"value"} or {"error", "message"}, in their order."""
    work, idle = Path(sys.argv[1]), float(sys.argv[2])
    os.nice(10)  # somebody may be labelling
    requests, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints is no answer
    with open(os.devnull, "rb") as nothing:  # a library's child closes sys.stdin, and would wait for whoever reads it
        os.dup2(nothing.fileno(), 0)
    lines: SimpleQueue[bytes] = SimpleQueue()
    Thread(target=_listen, args=(requests, lines), daemon=True).start()
    _answer(lines, answers, work, idle)


def _listen(requests: BinaryIO, lines: SimpleQueue[bytes]) -> None:
    """Beside the work, so that it ends with its owner in the middle of a batch, too."""
    for line in requests:
        lines.put(line)
    os._exit(0)


def _answer(lines: SimpleQueue[bytes], answers: BinaryIO, work: Path, idle: float) -> None:
    """Whatever is no error of ours ends the process; its traceback goes to the log."""
    predictor: TextPredictor | None = None
    while True:
        try:
            request = json.loads(lines.get(timeout=idle))
        except Empty:
            return
        params = from_json(PredictTextsParams, request["params"], "The parameters")
        try:
            predictor = predictor or open_predictor(params.model, params.setting, work)
            predictions = predictor.predict(request["texts"], params.top_k)
            answer = {"value": to_json(TextPredictions(predictor.model.name, tuple(predictions)))}
        except RondoError as error:
            answer = {"error": type(error).__name__, "message": str(error)}
        answers.write(json.dumps(answer).encode() + b"\n")
        answers.flush()


if __name__ == "__main__":
    main()
