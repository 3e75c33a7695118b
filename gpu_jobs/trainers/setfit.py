"""Few labels: the library setfit trains the encoder on pairs of texts and fits a head. Tunstall et al. 2022.

Around its trainer we add what a job needs: checkpoints to resume from, the best state on held-out texts, limits on
pairs and memory, a head that is no pickle. Knows texts and labels, no bundle.
"""

import os
import time
from functools import partial
from typing import Any

import numpy as np

from core.arrays import Bools, Ints
from core.errors import BadInput, Refused
from core.models.encoders.encoder import without_surrogates
from core.models.encoders.torch_encoder import multiplies_bfloat16
from core.models.heads.head import Head, LabelledVectors
from gpu_jobs.trainers.bases import find_base, open_base, save_encoder
from gpu_jobs.trainers.calibrated_fit import fit_plain
from gpu_jobs.trainers.callbacks import LINES, batches_by_epoch, callbacks, evaluator, is_better, outcome
from gpu_jobs.trainers.checkpoints import newest
from gpu_jobs.trainers.memory import memory_limit
from gpu_jobs.trainers.probing import check_training_set, choose_rows, finish, make_probe, training_info
from gpu_jobs.trainers.trainer_types import TrainedModel, TrainingRun, TrainingSet

MOST_TEXTS = 4_000
"""that teach the encoder, about: the library lists every pair of them before it takes some (setfit issue 472)"""
MOST_HELD_OUT = 200
"""held-out texts whose pairs give the loss on them"""


def train(training_set: TrainingSet, run: TrainingRun) -> TrainedModel:
    """An encoder trained by SetFit with a logistic head, calibrated on texts that the encoder was not trained on.

    Raises Refused for too few labels, too many pairs or too little memory, BadInput for a base that is no encoder or
    for parameters that do not go together.
    """
    from setfit import SetFitModel
    from sklearn.linear_model import LogisticRegression

    started, values = time.monotonic(), run.values
    check_training_set(training_set)
    most = _most_per_label(training_set.targets)
    parts = choose_rows(training_set, run, min(int(values["max_per_label"]) or most, most))
    train_rows = parts.train_rows[
        training_set.targets[parts.train_rows].any(axis=1)
    ]  # for the library two without a label are a negative pair
    anchors = find_anchors(training_set, train_rows, run)
    check_pairs(training_set.targets[train_rows], len(anchors), run)
    base, folder = find_base(run)
    with memory_limit(values["max_memory_mb"]):
        strategy = "one-vs-rest" if training_set.multi else None
        model = SetFitModel(open_base(folder, run), LogisticRegression(), strategy, normalize_embeddings=True)
        probe = make_probe(training_set, parts, run.seed)
        before = probe(model.model_body) if probe else None
        hard = mine(model.model_body, training_set, train_rows, anchors, run) if len(anchors) else []
        trainer = _make_trainer(model, run, has_held_out=probe is not None)
        inner = trainer.st_trainer
        inner.evaluator = evaluator(probe) if probe else None
        _set_data(trainer, training_set, train_rows, parts.held_out, hard)
        _set_steps(trainer, run)
        checkpoint = newest(run.checkpoints, "checkpoint")
        inner.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
        steps = outcome(inner.state)
        if not is_better(inner.state, before):
            model.model_body, steps["best_step"] = open_base(folder, run), 0
        save_encoder(model.model_body, run.work / "encoder")
        # one-vs-rest predicts almost no label from few examples: macro F1 .001 against our .499, 8 texts a label
        fit = fit_plain if training_set.multi else partial(fit_library_head, model.model_head)
        trained = finish(training_set, run, parts, fit)
    facts = {"base": base, "pairs": len(inner.train_dataset), "hard_negatives": len(hard), **steps}
    facts["seconds_training"] = round(time.monotonic() - started, 3)
    return training_info(trained, training_set, parts, before["macro_f1"] if before else None, facts)


def _most_per_label(targets: Bools) -> int:
    """Of each label, so that there are MOST_TEXTS at most."""
    counts = targets.sum(axis=0)
    fitting = [most for most in range(2, int(counts.max()) + 1) if np.minimum(counts, most).sum() <= MOST_TEXTS]
    return max(fitting, default=2)


def find_anchors(training_set: TrainingSet, rows: Ints, run: TrainingRun) -> Ints:
    """Places in `rows` of the records that get hard negatives: none, all, or those of the labels in hard_labels.

    Raises BadInput for an unknown label, or where hard negatives are impossible.
    """
    names = [word for word in (word.strip() for word in str(run.values["hard_labels"]).split(",")) if word]
    known = list(zip(training_set.labels, training_set.names, strict=True))
    for word in names:
        if not any(word in label for label in known):
            raise BadInput(f"hard_labels names {word!r}, but the labels are {', '.join(training_set.names)}.")
    if not run.values["hard_negatives"]:
        if names:
            raise BadInput("hard_labels needs hard negatives, but there are none. Set hard_negatives=2.")
        return np.empty(0, np.int64)
    if run.values["loss"] != "contrastive":
        raise BadInput("loss=triplet finds the hard ones in each batch itself. Leave hard_negatives at 0.")
    chosen = [not names or bool(set(names) & set(label)) for label in known]
    return np.flatnonzero(training_set.targets[rows][:, chosen].any(axis=1))


def check_pairs(targets: Bools, anchors: int, run: TrainingRun) -> None:
    """Raises Refused where there are no pairs, or more than max_pairs. anchors: of hard negatives."""
    values, count = run.values, len(targets)
    shared = _shared(targets, targets)
    like, unlike = int(shared.sum()) - count, int((~shared).sum())
    if not like or not unlike:
        lacking = "have a label in common" if not like else "differ in their labels"
        raise Refused(
            f"No two of the {count:,} records that teach {lacking}, so there is nothing to tell apart. "
            "Label two records each of at least two labels."
        )
    if values["loss"] == "triplet":
        batch_size = int(values["batch_size"])
        if batch_size < 4 or batch_size % 2:
            raise BadInput(f"batch_size is {batch_size}, but loss=triplet needs an even one of at least 4.")
        if (np.unique(targets, axis=0, return_counts=True)[1] > 1).sum() < 2:
            raise Refused(
                "loss=triplet needs two labels (or sets of labels) with two records each. Take loss=contrastive."
            )
        return
    hard = int(values["oversampling"]) * int(values["hard_negatives"]) * anchors
    pairs = 2 * int(values["iterations"]) * count or max(like + 2 * count, unlike)
    if pairs + hard > values["max_pairs"]:
        rounds = max(int(values["max_pairs"]) - hard, 0) // (2 * count)
        remedy = f"Set iterations={min(rounds, 10)}" if rounds else "Set max_per_label lower"
        raise Refused(
            f"{count:,} records make {pairs + hard:,} pairs, and max_pairs is {values['max_pairs']:,}. {remedy}, or "
            f"max_pairs={pairs + hard} if the time does not matter."
        )


def _shared(left: Bools, right: Bools) -> Bools:
    """(left, right) mask: is there a label in common?"""
    return np.asarray(left.astype(np.float32) @ right.astype(np.float32).T > 0)


def _make_trainer(model: Any, run: TrainingRun, *, has_held_out: bool) -> Any:
    """SetFit's trainer, without data; settings that its arguments lack are set on the inner trainer."""
    # setfit makes the inner trainer's arguments, and would use float32 everywhere
    os.environ["ACCELERATE_MIXED_PRECISION"] = "bf16" if multiplies_bfloat16() else "no"
    from sentence_transformers.sentence_transformer import losses
    from setfit import Trainer, TrainingArguments
    from transformers.trainer_callback import ProgressCallback

    values = run.values
    arguments = TrainingArguments(
        output_dir=str(run.checkpoints),
        batch_size=int(values["batch_size"]),
        num_epochs=int(values["epochs"]),
        num_iterations=int(values["iterations"]) or None,
        body_learning_rate=float(values["learning_rate"]),
        warmup_proportion=float(values["warmup"]),
        l2_weight=float(values["weight_decay"]),
        loss=losses.BatchHardTripletLoss if values["loss"] == "triplet" else losses.CosineSimilarityLoss,
        seed=run.seed % 2**32,
        report_to="none",
        logging_first_step=False,
        save_total_limit=2,  # a kill while one is written leaves the one before
        eval_strategy="steps" if has_held_out else "no",
        load_best_model_at_end=has_held_out,
        metric_for_best_model="embedding_score",
        greater_is_better=True,
    )
    trainer = Trainer(model, arguments, callbacks=callbacks(run, has_held_out=has_held_out))
    trainer.remove_callback(ProgressCallback)
    inner = trainer.st_trainer
    inner.args._n_gpu = min(inner.args.n_gpu, 1)  # DataParallel would split a batch's pairs
    inner.args.dataloader_pin_memory = False
    inner.args.restore_callback_states_from_checkpoint = True
    inner.args.batch_sampler = "group_by_label" if values["loss"] == "triplet" else batches_by_epoch()
    inner._save = lambda folder, state_dict=None: model.model_body.save_pretrained(folder, create_model_card=False)
    return trainer


def _set_data(
    trainer: Any, training_set: TrainingSet, train_rows: Ints, held_out: Ints, hard: list[tuple[str, str]]
) -> None:
    """The library's pairs and loss, hard negatives as more of its pairs, and some pairs of held-out texts."""
    from datasets import Dataset, concatenate_datasets

    inner, iterations = trainer.st_trainer, trainer.args.num_iterations or 0
    contrastive = trainer.args.loss.__name__ == "CosineSimilarityLoss"

    def pairs(rows: Ints) -> tuple[Any, Any]:
        texts, targets = [without_surrogates(training_set.texts[row]) for row in rows], training_set.targets[rows]
        labels = (
            targets.astype(int)
            if training_set.multi and contrastive
            else np.unique(targets, axis=0, return_inverse=True)[1]
        )
        most = 2 * iterations * len(rows) or -1  # else it lists all possible pairs
        dataset, loss = trainer.get_dataset(texts, labels.tolist(), trainer.args, most)
        return dataset, loss

    inner.train_dataset, inner.loss = pairs(train_rows)
    if hard:
        left, right = zip(*hard, strict=True)
        mined = Dataset.from_dict({"sentence_1": left, "sentence_2": right, "label": [0.0] * len(hard)})
        inner.train_dataset = concatenate_datasets([inner.train_dataset, mined])
    eval_rows = held_out[training_set.targets[held_out].any(axis=1)][:MOST_HELD_OUT]
    if contrastive and not _shared(training_set.targets[eval_rows], training_set.targets[eval_rows]).all():
        some, _ = pairs(eval_rows)
        inner.eval_dataset = some.select(range(min(len(some), 4 * len(eval_rows))))


def _set_steps(trainer: Any, run: TrainingRun) -> None:
    """Sets what depends on the number of batches: when to stop, to evaluate, to save and to report."""
    arguments, values = trainer.args, run.values
    per_epoch = len(trainer.st_trainer.get_train_dataloader())
    steps = int(values["epochs"]) * per_epoch
    arguments.max_steps = min(steps, int(values["max_steps"]) or steps)
    arguments.eval_steps = arguments.save_steps = min(int(values["eval_steps"]) or per_epoch, arguments.max_steps)
    arguments.logging_steps = max(1, arguments.max_steps // LINES)
    if values["warmup_steps"]:
        arguments.warmup_proportion = min(int(values["warmup_steps"]) / arguments.max_steps, 1.0)
    trainer.args = arguments  # passes them on to the trainer inside
    if values["eval_batch_size"]:
        trainer.st_trainer.args.per_device_eval_batch_size = int(values["eval_batch_size"])


def mine(body: Any, training_set: TrainingSet, rows: Ints, anchors: Ints, run: TrainingRun) -> list[tuple[str, str]]:
    """(text, text that is close to it though they have no label in common), each as often as `oversampling` says.

    Raises Refused where the texts with a common label, which the library must know, are more pairs than max_pairs.
    """
    from datasets import Dataset
    from sentence_transformers.util import mine_hard_negatives

    values, texts = run.values, [without_surrogates(training_set.texts[row]) for row in rows]
    left, right = np.nonzero(_shared(training_set.targets[rows[anchors]], training_set.targets[rows]))
    if len(left) > values["max_pairs"]:
        raise Refused(
            f"To mine hard negatives, {len(left):,} pairs with a label in common must be compared, and max_pairs is "
            f"{values['max_pairs']:,}. Set max_per_label lower, or name few labels in hard_labels."
        )
    like = {"anchor": [texts[anchors[row]] for row in left], "positive": [texts[row] for row in right]}
    mined = mine_hard_negatives(
        Dataset.from_dict(like),
        body,
        corpus=texts,
        num_negatives=int(values["hard_negatives"]),
        min_score=float(values["min_similarity"]),
        verbose=False,
    )
    return sorted(set(zip(mined["anchor"], mined["negative"], strict=True))) * int(values["oversampling"])


def fit_library_head(fitted: Any, labelled_vectors: LabelledVectors) -> Head:
    """The logistic regression that SetFit takes, as a head. A label without any text stays improbable."""
    count, labels = labelled_vectors.targets.shape
    weights = np.zeros((labels, labelled_vectors.vectors.shape[1]), np.float32)
    bias = np.full(labels, -np.log(count + labels), np.float32)
    fitted.fit(labelled_vectors.vectors, labelled_vectors.targets.argmax(axis=1))
    binary = len(fitted.classes_) == 2  # one row then, for the second; the first is at 0
    bias[fitted.classes_] = [0, *fitted.intercept_] if binary else fitted.intercept_
    weights[fitted.classes_[int(binary) :]] = fitted.coef_
    return Head(weights, bias, 1.0, labelled_vectors.labels, labelled_vectors.multi)
