"""Which trainers there are and what can be set on each, with defaults and ranges. Knows no torch and no records."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from difflib import get_close_matches

from core.config.settings import FILE, Settings
from core.errors import BadInput

Value = int | float | str | bool


@dataclass(frozen=True)
class Parameter:
    """A parameter, of its default's type. Numbers are in low..high, strings in `choices`, where there are any."""

    default: Value
    help: str
    low: float = 0
    high: float = 0
    choices: tuple[str, ...] = ()


@dataclass(frozen=True)
class Trainer:
    """A way to train a model. remote: worth a GPU. holds_out: holds out some labels to score itself on. two_sides: for
    tasks whose records have two sides, and for no other. by_step: tunes a language model, for one step of structured
    answers, and for no other."""

    caption: str
    parameters: Mapping[str, Parameter] = field(default_factory=dict)
    remote: bool = True
    holds_out: bool = True
    two_sides: bool = False
    by_step: bool = False


_FINE_TUNING = {
    "epochs": Parameter(6, "Passes over the training data, at most.", 1, 1_000),
    "batch_size": Parameter(32, "Texts or pairs per step.", 1, 4_096),
    "learning_rate": Parameter(2e-5, "Highest step size, after the warm-up.", 1e-8, 1.0),
    "warmup": Parameter(0.1, "Share of the steps in which the step size rises.", 0.0, 1.0),
    "warmup_steps": Parameter(0, "Steps of the warm-up; 0: by its share.", 0, 10_000_000),
    "weight_decay": Parameter(0.01, "How strongly weights are drawn to zero.", 0.0, 1.0),
    "eval_batch_size": Parameter(0, "Texts or pairs at once at an evaluation; 0: the trainer's own.", 0, 65_536),
    "max_steps": Parameter(0, "Steps at most; 0: as many as the epochs have.", 0, 10_000_000),
    "test_size": Parameter(
        0.2, "Share of the labels held out, to stop early and to keep the best checkpoint.", 0.0, 0.9
    ),
    "fewest_held_out": Parameter(40, "With fewer held-out records none is held out: all labels then train.", 2, 10_000),
    "patience": Parameter(3, "Evaluations without a better one after which training stops; 0: never.", 0, 1_000),
    "eval_steps": Parameter(0, "Steps between evaluations; 0: after each epoch.", 0, 1_000_000),
    "max_length": Parameter(256, "Tokens of a text that count.", 8, 8_192),
    "max_memory_mb": Parameter(0, "Memory the job may take; 0: no limit.", 0, 10_000_000),
}

CROSS_ENCODER = "cross-encoder"
LORA = "lora"

TRAINERS: dict[str, Trainer] = {
    "head": Trainer(
        "A logistic head on the vectors there are: seconds, no GPU.",
        {"label_names": Parameter(True, "Names of labels are training examples too, fading as labels come in.")},
        remote=False,
        holds_out=False,
    ),
    "setfit": Trainer(
        "Few labels: pulls texts of one label together and others apart, then fits a head (Tunstall et al. 2022).",
        {
            **_FINE_TUNING,
            "base": Parameter("", "Encoder to start from; empty: the one in use."),
            "loss": Parameter("contrastive", "What the encoder learns from.", choices=("contrastive", "triplet")),
            "max_per_label": Parameter(
                0,
                "Records of each label that train the encoder, at most; 0: about 4,000 in all. The head uses all.",
                0,
                100_000,
            ),
            "iterations": Parameter(
                5, "Pairs of each kind per record; 0: every pair there is, which takes long.", 0, 10_000
            ),
            "max_pairs": Parameter(
                200_000, "Pairs to refuse beyond, since they grow with the square.", 100, 50_000_000
            ),
            "hard_negatives": Parameter(
                0,
                "Nearest records of another label per record, as extra pairs: 2, say, if labels are clean.",
                0,
                100,
            ),
            "min_similarity": Parameter(0.25, "Least cosine of a hard negative.", -1.0, 1.0),
            "oversampling": Parameter(2, "How many times a hard negative is taken.", 1, 100),
            "hard_labels": Parameter("", "Only for these labels, comma-separated; empty: all."),
        },
    ),
    "encoder": Trainer(
        "Teaches the encoder your labels; all records are encoded again and the loop goes on with better vectors.",
        {
            **_FINE_TUNING,
            "base": Parameter("", "Encoder to start from; empty: the one in use."),
            "loss": Parameter(
                "softmax", "What the encoder learns from.", choices=("softmax", "triplet", "contrastive")
            ),
            "samples_per_label": Parameter(
                2, "Texts of a label that are drawn together; for losses by triplets or within a batch.", 2, 100
            ),
            "oversample": Parameter(False, "Repeat small labels until all are as frequent."),
            "frozen_layers": Parameter(
                0, "Lowest layers that stay as they are, that of the word vectors first: quicker steps.", 0, 1_000
            ),
            "max_minutes": Parameter(
                0.0, "Processor minutes the steps may take, as the first ones are timed; 0: no limit.", 0.0, 100_000.0
            ),
        },
    ),
    "transformer": Trainer(
        "Fine-tunes a whole classifier (DeBERTa, ModernBERT ...): many labels, a GPU, the best accuracy.",
        {
            **_FINE_TUNING,
            "base": Parameter("answerdotai/ModernBERT-base", "A name or a folder; without a network all-MiniLM-L6-v2."),
            "epochs": Parameter(4, "Passes over the training data, at most.", 1, 1_000),
            "max_length": Parameter(512, "Tokens of a text that count.", 8, 8_192),
            "class_weights": Parameter(True, "Small labels count more."),
            "downsample": Parameter(0, "Train on this many records, for a trial; 0: on all.", 0, 100_000_000),
        },
    ),
    CROSS_ENCODER: Trainer(
        "For pairs: a transformer that reads both texts at once; its score becomes a feature of every pair.",
        {
            "base": Parameter("", "Model to start from; empty: the embedded encoder."),
            "epochs": Parameter(5, "Passes over the decided pairs.", 1, 1_000),
            "folds": Parameter(3, "Twins, whose scores of decided pairs they have not learnt from.", 2, 20),
            "batch_size": Parameter(16, "Pairs per step.", 1, 4_096),
            "learning_rate": Parameter(5e-5, "Highest step size, after the warm-up.", 1e-8, 1.0),
            "warmup": Parameter(0.1, "Share of the steps in which the step size rises.", 0.0, 1.0),
            "warmup_steps": Parameter(0, "Steps of the warm-up; 0: by its share.", 0, 10_000_000),
            "weight_decay": Parameter(0.01, "How strongly weights are drawn to zero.", 0.0, 1.0),
            "max_steps": Parameter(0, "Steps at most; 0: as many as the epochs have.", 0, 10_000_000),
            "max_length": Parameter(256, "Tokens of both texts that count.", 16, 8_192),
            "max_memory_mb": Parameter(0, "Memory the job may take; 0: no limit.", 0, 10_000_000),
        },
        holds_out=False,
        two_sides=True,
    ),
    LORA: Trainer(
        "For structured answers: tunes a language model for one step, by low-rank adapters (LoRA, Hu et al. 2021).",
        {
            "base": Parameter("SmolLM2-135M-Instruct", "Model to start from: a name of the Hub, or a folder."),
            "download": Parameter(False, "Fetch the model from the Hub where it is not on the machine."),
            "max_length": Parameter(2_048, "Tokens of prompt and answer; longer examples are left out.", 16, 131_072),
            "r": Parameter(16, "Rank of the adapter.", 1, 1_024),
            "alpha": Parameter(32, "Its weight, divided by r.", 1, 4_096),
            "dropout": Parameter(0.1, "Share of its inputs left out at random while it trains.", 0.0, 0.9),
            "target_modules": Parameter("", "Layers with an adapter, comma-separated; empty: all linear ones."),
            "four_bit": Parameter(
                "auto", "Base weights in 4 bits; auto: where there is a GPU.", choices=("auto", "on", "off")
            ),
            "precision": Parameter(
                "auto",
                "Numbers to compute with; auto: bfloat16 where the machine multiplies it, else float32.",
                choices=("auto", "bfloat16", "float32"),
            ),
            "batch_size": Parameter(4, "Examples at once.", 1, 4_096),
            "accumulation": Parameter(4, "Batches per step.", 1, 4_096),
            "epochs": Parameter(3, "Passes over the examples, at most.", 1, 1_000),
            "learning_rate": Parameter(2e-4, "Highest step size, after the warm-up.", 1e-8, 1.0),
            "warmup_steps": Parameter(50, "Steps in which the step size rises; at most a tenth of all.", 0, 1_000_000),
            "max_steps": Parameter(0, "Steps at most; 0: as many as the epochs have.", 0, 10_000_000),
            "packing": Parameter(
                "auto",
                "Short examples side by side instead of padding; auto: where there is a GPU.",
                choices=("auto", "on", "off"),
            ),
            "test_size": Parameter(0.1, "Share of the examples held out, whole texts at a time.", 0.0, 0.9),
            "fewest_held_out": Parameter(8, "With fewer held-out examples none is held out.", 2, 10_000),
            "eval_examples": Parameter(
                32, "Held-out examples that are answered at each evaluation, at most.", 1, 10_000
            ),
            "eval_steps": Parameter(0, "Steps between evaluations; 0: after each epoch.", 0, 1_000_000),
            "patience": Parameter(2, "Evaluations without a better one after which it stops; 0: never.", 0, 1_000),
            "memory_check": Parameter(True, "Refuse to begin where the memory will not do, by an estimate."),
            "max_memory_mb": Parameter(0, "Memory the job may take; 0: no limit.", 0, 10_000_000),
        },
        by_step=True,
    ),
    "zeroshot": Trainer(
        "No label needed: texts against the names and descriptions of the labels. The baseline to beat.",
        {
            "by": Parameter(
                "cosine", "cosine to the encoded label, or entailment by an NLI model.", choices=("cosine", "nli")
            ),
            "base": Parameter("", "Encoder or NLI model; empty: the encoder in use, or a small NLI model."),
            "template": Parameter("This text is about {}.", "What is asked about a label; {} is its name."),
        },
    ),
}


def trainers_for(*, two_sides: bool, by_step: bool = False) -> dict[str, Trainer]:
    """Those of tasks whose records have two sides, or one; by_step: those that tune a language model for a step."""
    return {name: one for name, one in TRAINERS.items() if (one.two_sides, one.by_step) == (two_sides, by_step)}


ONE_SIDED = tuple(trainers_for(two_sides=False))
"""names of those that train on single texts"""


ALIASES: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(("num_epochs", "num_train_epochs"), ("epochs",)),
    **dict.fromkeys(("train_batch_size", "per_device_train_batch_size"), ("batch_size",)),
    "per_device_eval_batch_size": ("eval_batch_size",),
    **dict.fromkeys(("lr", "body_learning_rate"), ("learning_rate",)),
    **dict.fromkeys(("warmup_ratio", "warmup_proportion"), ("warmup",)),
    "l2_weight": ("weight_decay",),
    **dict.fromkeys(("model", "model_name", "base_model", "model_for_training_finetune"), ("base",)),
    **dict.fromkeys(("val_size", "validation_size"), ("test_size",)),
    "max_seq_length": ("max_length",),
    "lora_r": ("r",),
    "lora_alpha": ("alpha",),
    "lora_dropout": ("dropout",),
    "load_in_4bit": ("four_bit",),
    "gradient_accumulation_steps": ("accumulation",),
    "early_stopping_patience": ("patience",),
    "evaluation_steps": ("eval_steps",),
    "num_iterations": ("iterations",),
    "hardneg_k": ("hard_negatives",),
    "hardneg_min_sim": ("min_similarity",),
    "hardneg_factor": ("oversampling",),
    "hardneg_labels": ("hard_labels",),
    "balance_classes": ("oversample", "class_weights"),
    "max_train_samples": ("downsample",),
    "hypothesis_template": ("template",),
}
"""what SetFit, transformers and other scripts call a parameter: the first of ours that the trainer has is meant"""


def read_values(trainer: str, supplied: Sequence[str]) -> dict[str, Value]:
    """Every parameter of the trainer, with those of `given` ("key=value") in place of defaults. Raises BadInput."""
    if trainer not in TRAINERS:
        raise BadInput(f"There is no trainer {trainer!r}; there are {', '.join(TRAINERS)}, and grid to search them.")
    parameters = TRAINERS[trainer].parameters
    values = {name: parameter.default for name, parameter in parameters.items()}
    for entry in supplied:
        name, text = read_entry(trainer, *split_entry(entry))
        values[name] = read_value(name, parameters[name], text)
    return values


def entries_in(settings: Settings, trainer: str) -> list[str]:
    """What [train.NAME] of the settings says of a trainer, as "key=value"."""
    return [f"{key}={value}" for one in settings.train if one.trainer == trainer for key, value in one.values]


def check_entries(settings: Settings) -> Settings:
    """The same settings. Raises BadInput for a trainer or a parameter that there is not, and values out of range."""
    for one in settings.train:
        try:
            read_values(one.trainer, entries_in(settings, one.trainer))
        except BadInput as error:
            raise BadInput(f"{FILE}: [train.{one.trainer}]: {error}") from None
    return settings


def parameters_in(settings: Settings, trainer: str) -> dict[str, Parameter]:
    """The trainer's parameters, with what the settings say in place of defaults."""
    values = read_values(trainer, entries_in(settings, trainer))
    return {name: replace(one, default=values[name]) for name, one in TRAINERS[trainer].parameters.items()}


def split_entry(entry: str) -> tuple[str, str]:
    """(key, value) of "key=value"; dashes and capitals in a key mean nothing. Raises BadInput."""
    name, sign, text = entry.partition("=")
    if not sign:
        raise BadInput(f"{entry!r} is not key=value.")
    return name.strip().lstrip("-").replace("-", "_").lower(), text


def read_entry(trainer: str, name: str, text: str) -> tuple[str, str]:
    """The parameter of that name, which may be one of ALIASES, and its value. Raises BadInput with similar names."""
    parameters = TRAINERS[trainer].parameters
    if name == "no_triplet_loss" and "loss" in parameters:
        without = read_value(name, Parameter(False, ""), text)
        return "loss", str(parameters["loss"].default) if without else "triplet"
    for meant in (name, *ALIASES.get(name, ())):
        if meant in parameters:
            return meant, text
    raise BadInput(_unknown(trainer, name))


def _unknown(trainer: str, name: str) -> str:
    parameters = TRAINERS[trainer].parameters
    own = {alias: meant for alias, of in ALIASES.items() for meant in of if meant in parameters}
    known = {**own, **{parameter: parameter for parameter in parameters}}
    near = dict.fromkeys(known[match] for match in get_close_matches(name, known, 3, 0.7))
    owners = [other for other in TRAINERS if {name, *ALIASES.get(name, ())} & TRAINERS[other].parameters.keys()]
    hint = f" Did you mean {' or '.join(near)}?" if near else ""
    hint = hint or (f" {', '.join(owners)} {'has' if len(owners) == 1 else 'have'} it." if owners else "")
    return f"The trainer {trainer} has no parameter {name!r}.{hint} There are: {', '.join(parameters) or 'none'}."


def in_todays_names(values: Mapping[str, Value]) -> dict[str, Value]:
    """Values of a job of an earlier version: `max_per_label` was called `samples_per_label` then."""
    if "samples_per_label" not in values or "max_per_label" in values or "oversample" in values:
        return dict(values)
    return {"max_per_label" if name == "samples_per_label" else name: value for name, value in values.items()}


def read_value(name: str, parameter: Parameter, text: str) -> Value:
    """The value that a person wrote. Raises BadInput with the range."""
    if isinstance(parameter.default, bool):
        if text.lower() not in ("true", "false"):
            raise BadInput(f"{name} is {text!r}, but it must be true or false.")
        return text.lower() == "true"
    if isinstance(parameter.default, str):
        if parameter.choices and text not in parameter.choices:
            raise BadInput(f"{name} is {text!r}, but it must be one of {', '.join(parameter.choices)}.")
        return text
    kind = type(parameter.default)
    try:
        value = kind(text)
    except ValueError:
        raise BadInput(f"{name} is {text!r}, but a {'whole ' if kind is int else ''}number is needed.") from None
    if not parameter.low <= value <= parameter.high:
        raise BadInput(f"{name} is {text}, but it must lie between {parameter.low:g} and {parameter.high:g}.")
    return value


def as_table(trainer: Trainer) -> dict[str, object]:
    """Caption and parameters as rows: name, default, help, and the range in words."""
    rows = [
        {"name": name, "default": parameter.default, "help": parameter.help, "range": range_of(parameter)}
        for name, parameter in trainer.parameters.items()
    ]
    return {"caption": trainer.caption, "parameters": rows}


def range_of(parameter: Parameter) -> str:
    """In words: '0 to 1', 'a, b', 'true, false'; empty for free text."""
    if parameter.choices:
        return ", ".join(parameter.choices)
    if isinstance(parameter.default, bool):
        return "true, false"
    return "" if isinstance(parameter.default, str) else f"{parameter.low:g} to {parameter.high:g}"
