"""Models made on the spot, small enough to be trained in a second: random weights, a vocabulary of a few words."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from core.evaluation.scores import macro_f1
from core.tasks.choice import decide
from core.training.trainers import TRAINERS, read_values
from gpu_jobs.trainers.trainer_types import Progress, TrainedModel, TrainingRun, TrainingSet
from tests.conftest import TOPICS

WORDS = (
    *(word for words in TOPICS.values() for word in words),
    *("the", "came", "before", "said", "witness", "this", "text", "is", "about", "one", "two", "three"),
    *TOPICS,
    *".,",
)


def make_encoder(folder: Path, words: Sequence[str] = WORDS, dims: int = 32, seed: int = 0) -> Path:
    """A sentence-transformers folder: a random BERT of two layers, mean pooling, unit vectors."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Normalize, Pooling, Transformer

    plain = make_bert(folder.with_name(folder.name + "-plain"), words, dims, seed)
    body = Transformer(str(plain), max_seq_length=64)
    model = SentenceTransformer(modules=[body, Pooling(dims, "mean"), Normalize()], device="cpu")
    model.save_pretrained(str(folder), create_model_card=False)
    return folder


def make_bert(folder: Path, words: Sequence[str] = WORDS, dims: int = 32, seed: int = 0) -> Path:
    """A plain Hugging Face folder without a head."""
    import torch
    from transformers import BertModel

    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return _save(folder, BertModel(_shape(words, dims)), words)


def make_classifier(
    folder: Path, labels: Sequence[str] = ("no", "yes"), words: Sequence[str] = WORDS, dims: int = 32, seed: int = 0
) -> Path:
    """A Hugging Face sequence classifier with a random head of these labels."""
    import torch
    from transformers import BertForSequenceClassification

    names = dict(enumerate(labels))
    shape = _shape(words, dims, id2label=names, label2id={label: number for number, label in names.items()})
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return _save(folder, BertForSequenceClassification(shape), words)


def _shape(words: Sequence[str], dims: int, **more: Any) -> Any:
    from transformers import BertConfig

    return BertConfig(
        vocab_size=len(_vocabulary(words)),
        hidden_size=dims,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=2 * dims,
        max_position_embeddings=64,
        **more,
    )


def _save(folder: Path, model: Any, words: Sequence[str]) -> Path:
    model.save_pretrained(folder)
    _tokenizer(words).save_pretrained(folder)
    return folder


def _vocabulary(words: Sequence[str]) -> dict[str, int]:
    return {word: number for number, word in enumerate(("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *words))}


def _tokenizer(words: Sequence[str]) -> Any:
    """Whole words in lower case; a word that is not in the vocabulary is [UNK]."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    vocabulary = _vocabulary(words)
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    ends = [(word, vocabulary[word]) for word in ("[CLS]", "[SEP]")]
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=ends
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        unk_token="[UNK]",
        pad_token="[PAD]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        mask_token="[MASK]",
        model_max_length=64,
    )


def unheard(done: int, total: int, **figures: float) -> None:
    """Progress that nobody follows."""


def puzzles(count: int, seed: int = 0, filling: int = 9) -> list[tuple[str, str]]:
    """(text, topic) where one word of ten tells the topic: a random encoder sees little of it. filling: other words."""
    rng = np.random.default_rng(seed)
    topics, others = list(TOPICS), WORDS[18:30]
    result = []
    for number in range(count):
        topic = topics[number % len(topics)]
        words = [*rng.choice(others, filling), rng.choice(TOPICS[topic])]
        result.append((" ".join(rng.permutation(words)), topic))
    return result


def lessons(count: int, seed: int = 0, *, multi: bool = False) -> TrainingSet:
    """The puzzles with their topics as labels; where several may hold, every fourth text has two topics' words."""
    names, rows = tuple(TOPICS), puzzles(count, seed)
    texts, topics = [text for text, _ in rows], [{topic} for _, topic in rows]
    for number in range(0, count - 1, 4) if multi else ():
        texts[number] += " " + texts[number + 1]
        topics[number] |= topics[number + 1]
    targets = np.array([[name in held for name in names] for held in topics])
    return TrainingSet(texts, targets, tuple(f"id-{name}" for name in names), names, ("",) * len(names), multi)


def make_run(
    trainer: str, base: Path, folder: Path, *supplied: str, report: Progress = unheard, seed: int = 3
) -> TrainingRun:
    """How a job would call that trainer, in a folder of its own. given: "key=value"."""
    for name in ("work", "checkpoints"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    few = ["fewest_held_out=10"] if "fewest_held_out" in TRAINERS[trainer].parameters else []
    values = read_values(trainer, [*few, *supplied])
    return TrainingRun(values, str(base), folder / "cache", folder / "work", folder / "checkpoints", seed, 1, report)


@dataclass(frozen=True)
class Heard:
    """A training and all that was told of it: (done, total, figures)."""

    run: TrainingRun
    trained: TrainedModel
    details: list[tuple[int, int, dict[str, float]]]


def score(trained: TrainedModel, material: TrainingSet) -> float:
    """Macro F1 on that material."""
    return macro_f1(material.targets, decide(trained.predict(material.texts), material.multi))
