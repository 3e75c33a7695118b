"""Which encoder a name means. Knows names and folders of models, not records or projects."""

from pathlib import Path

from core.errors import BadInput
from core.models.encoders.encoder import EMBEDDED, FEATURES, JOINED, MULTILINGUAL, OWN, Encoder
from core.models.encoders.int8 import OWN_PEAKS


def encoder_source(models: Path, name: str) -> str:
    """What `load_encoder` takes: the name, or the folder of an encoder trained here. models: a folder of models.

    Raises BadInput where the model that contains it is gone.
    """
    if not name.startswith(OWN):
        return name
    model = name.removeprefix(OWN)
    folder = models / model / "encoder"
    if not model or Path(model).name != model or not folder.is_dir():
        raise BadInput(
            f"The encoder {name!r} is not there: {folder} is missing. Put that folder back from a backup; or put "
            "another model to use, `rondo models promote MODEL --force --reason TEXT` (`rondo models` lists them); or "
            f'write encoder = "{EMBEDDED}" under [encoder] in rondo.toml: records are encoded again then, labels stay.'
        )
    return str(folder)


def load_encoder(name: str, cache: Path, threads: int) -> Encoder:
    """The encoder of that name or folder. cache: where fetched models are kept. Raises BadInput when there is none."""
    if name == EMBEDDED:
        from core.models.encoders.embedded import load_embedded

        return load_embedded(name, threads)
    if name == MULTILINGUAL:
        from core.models.encoders.multilingual import load_multilingual

        return load_multilingual(name, threads)
    if name == JOINED:
        from core.models.encoders.joined import load_joined

        return load_joined(name, threads)
    if (Path(name) / FEATURES).is_file():
        from core.models.encoders.feature_encoder import load_feature_encoder

        return load_feature_encoder(Path(name), threads)
    if (Path(name) / OWN_PEAKS).is_file():
        from core.models.encoders.embedded import load_tuned

        return load_tuned(Path(name), threads)
    from core.models.encoders.torch_encoder import load_sentence_transformer

    return load_sentence_transformer(name, cache, threads)
