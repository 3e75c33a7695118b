"""What the libraries do without anything of ours around them: the peers of `benchmarks.trainers`. Knows texts only.

    python -m benchmarks.plain setfit|transformers LOT.json STEPS SEED

LOT.json holds texts, labels, test_texts and test_labels. Prints macro F1 on the test texts and the most memory in MB.
"""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from core.models.encoders.encoder import embedded_folder
from gpu_jobs.trainers.memory import peak_memory_mb

Lot = dict[str, list[str]]


def train_setfit(lot: Lot, steps: int, seed: int, folder: Path) -> list[str]:
    """SetFit's trainer and model with their defaults: all pairs, oversampled, one epoch; so many steps at most."""
    from datasets import Dataset
    from setfit import SetFitModel, Trainer, TrainingArguments

    model = SetFitModel.from_pretrained(str(embedded_folder()), labels=sorted(set(lot["labels"])))
    arguments = TrainingArguments(output_dir=str(folder), seed=seed, report_to="none", save_strategy="no")
    train_rows = Dataset.from_dict({"text": lot["texts"], "label": lot["labels"]})
    trainer = Trainer(model, arguments, train_dataset=train_rows)
    count = len(trainer.get_dataset(lot["texts"], lot["labels"], arguments)[0])
    arguments.max_steps = min(steps, -(-count // 16))
    trainer.args = arguments
    trainer.train()
    return [str(label) for label in model.predict(lot["test_texts"])]


def train_transformers(lot: Lot, steps: int, seed: int, folder: Path) -> list[str]:
    """transformers' own trainer of a classifier with its defaults, but 16 texts a step and 2e-5, as the job has."""
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer, Trainer, TrainingArguments, set_seed

    set_seed(seed)
    names = sorted(set(lot["labels"]))
    tokenizer = AutoTokenizer.from_pretrained(str(embedded_folder()))
    model = AutoModelForSequenceClassification.from_pretrained(str(embedded_folder()), num_labels=len(names))

    def collate(rows: list[tuple[str, int]]) -> dict[str, Any]:
        texts, labels = zip(*rows, strict=True)
        batch = tokenizer(list(texts), truncation=True, max_length=64, padding=True, return_tensors="pt")
        return {**batch, "labels": torch.tensor(labels)}

    arguments = TrainingArguments(
        output_dir=str(folder),
        max_steps=min(steps, 20 * -(-len(lot["texts"]) // 16)),
        per_device_train_batch_size=16,
        per_device_eval_batch_size=16,
        learning_rate=2e-5,
        remove_unused_columns=False,
        label_names=["labels"],
        save_strategy="no",
        report_to="none",
        seed=seed,
        use_cpu=True,
    )
    train_rows = [(text, names.index(label)) for text, label in zip(lot["texts"], lot["labels"], strict=True)]
    trainer = Trainer(model, arguments, train_dataset=train_rows, data_collator=collate)
    trainer.train()
    seen = trainer.predict([(text, 0) for text in lot["test_texts"]])
    return [names[number] for number in np.asarray(seen.predictions).argmax(axis=1)]


PLAIN: dict[str, Callable[[Lot, int, int, Path], list[str]]] = {
    "setfit": train_setfit,
    "transformers": train_transformers,
}


def main() -> None:
    from sklearn.metrics import f1_score

    name, file, steps, seed = sys.argv[1:]
    lot: Lot = json.loads(Path(file).read_text(encoding="utf-8"))
    predicted = PLAIN[name](lot, int(steps), int(seed), Path(file).parent / "out")
    score = f1_score(lot["test_labels"], predicted, average="macro")
    print(json.dumps([float(score), peak_memory_mb()]))


if __name__ == "__main__":
    main()
