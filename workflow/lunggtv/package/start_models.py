"""Where the models lie that training begins from, known before anything runs."""

from pathlib import Path

from lunggtv.errors import ConfigError
from lunggtv.package.package_file import MAX_FOLDS, model_names, read_manifest

UNPACKED = Path("results/start")


def start_models(place: str | None) -> list[tuple[str, str]]:
    """(weights, card) of each model of ``train.start_from``: those of another run, or where a package is unpacked to.

    Raises:
        ConfigError: nothing lies there, a folder that holds no trained fold, or that of this run.
        DamagedFile: a file that is no model package.
    """
    if place is None:
        return []
    if not Path(place).is_dir():
        if not Path(place).is_file():
            raise ConfigError(f"train.start_from: there is no {place}.")
        names = [model_names(fold) for fold in range(read_manifest(place)["folds"])]
        return [(str(UNPACKED / weights), str(UNPACKED / card)) for card, weights in names]
    if Path(place).resolve() == Path.cwd():
        raise ConfigError(
            "train.start_from: a run cannot begin from its own models. Copy results/train elsewhere, or make a package."
        )
    trained = Path(place, "results/train")
    folds = [trained / f"fold{fold}" for fold in range(MAX_FOLDS)]
    found = [
        (str(fold / "weights.safetensors"), str(fold / "card.json"))
        for fold in folds
        if (fold / "card.json").is_file()
    ]
    if not found:
        raise ConfigError(
            f"train.start_from: {place} is neither a model package nor the folder of a run: it has no "
            "results/train/fold<k>/card.json."
        )
    return found
