"""`monoscope adopt`: a run of a model that was trained elsewhere."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from engine.errors import MonoscopeError
from workbench.choices import home_of, setting
from workbench.commands.common import DatasetName, group
from workbench.commands.runs import run_summary

if TYPE_CHECKING:
    from engine.recommenders.recommender import Recommender

adopt_app = group("")


@adopt_app.command()
def adopt(
    ctx: typer.Context,
    dataset: DatasetName,
    user_vectors: Annotated[
        Path | None, typer.Option(help="Vectors of users: .npy, .npz, .parquet, .csv or .safetensors.")
    ] = None,
    item_vectors: Annotated[Path | None, typer.Option(help="Vectors of items, in any of these formats.")] = None,
    user_ids: Annotated[Path | None, typer.Option(help="Ids of the users' rows, where the vectors lack them.")] = None,
    item_ids: Annotated[Path | None, typer.Option(help="Ids of the items' rows, where the vectors lack them.")] = None,
    user_bias: Annotated[Path | None, typer.Option(help="An additive bias for each user.")] = None,
    item_bias: Annotated[Path | None, typer.Option(help="An additive bias for each item.")] = None,
    model: Annotated[
        Path | None, typer.Option(help="A model that the library implicit saved, in place of vectors; ids as above.")
    ] = None,
    scorer: Annotated[
        str, typer.Option(help="dot, cosine, or a folder with scorer.json and scorer.safetensors (an MLP).")
    ] = "dot",
    trust_code: Annotated[
        Path | None,
        typer.Option(metavar="PROGRAM.pt2", help="Score with this torch.export program. It can do anything you can."),
    ] = None,
    check_pairs: Annotated[
        Path | None, typer.Option(help="Rows of user, item, score from the original model, to compare with.")
    ] = None,
    trained_on: Annotated[
        str, typer.Option(help="train: it never saw this data set's held-out items; all; or unknown.")
    ] = "unknown",
    allow_missing: Annotated[
        bool, typer.Option("--allow-missing", help="Go on although some ids have no vector, or no row.")
    ] = False,
    allow_zero: Annotated[bool, typer.Option("--allow-zero", help="Accept vectors of nothing but zeros.")] = False,
    neurons: Annotated[int | None, typer.Option(help="Neurons of the autoencoder.")] = None,
    values: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="One setting, such as sae.k_items=12.")
    ] = None,
    name: Annotated[str | None, typer.Option(help="The run's name; default: DATASET-adopted.")] = None,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
) -> None:
    """Look into a model of your own: its vectors with their ids, and how it scores a pair.

    DATASET is one that is here (`monoscope datasets add`). Where there is none of that name, one is made of the ids
    alone. docs/adopt.md says how to export from PyTorch, RecBole, LightFM, Spark and implicit.
    """
    from typing import get_args

    from engine.adopt import Adoption, Pairs, described
    from engine.adopt import adopt as adopt_model
    from engine.recommenders.external import read_pairs
    from engine.steering.inputs import TrainedOn
    from workbench.tables import progress_bar, say

    if trained_on not in get_args(TrainedOn):
        raise typer.BadParameter("--trained-on is train, all or unknown")
    notes: list[str] = []
    brought = _brought(
        (user_vectors, user_ids, user_bias),
        (item_vectors, item_ids, item_bias),
        model,
        notes,
        allow_zero=allow_zero,
        scorer=scorer,
        program=trust_code,
    )
    pairs = None if check_pairs is None else Pairs(*read_pairs(check_pairs))
    chosen = setting(None, {"sae.neurons": neurons}, values or [])
    if set(chosen) - {"sae"}:
        raise MonoscopeError("Only settings of the autoencoder can be given here, such as --set sae.k_items=12.")
    files = {
        "user_vectors": user_vectors, "item_vectors": item_vectors, "user_ids": user_ids, "item_ids": item_ids,
        "user_bias": user_bias, "item_bias": item_bias, "model": model, "program": trust_code,
    }  # fmt: skip
    adoption = Adoption(
        trained_on=trained_on,  # type: ignore[arg-type]  # checked above
        allow_missing=allow_missing,
        pairs=pairs,
        source=described(files),
        notes=notes,
        sae=chosen.get("sae", {}),
        device=device,
    )
    with progress_bar(f"Adopting on {dataset}") as progress:
        run = adopt_model(home_of(ctx), dataset, brought, adoption, name, progress)
    for sentence in run_summary(run):
        say(sentence)


Side = tuple[Path | None, Path | None, Path | None]


def _brought(
    users: Side,
    items: Side,
    model: Path | None,
    notes: list[str],
    *,
    allow_zero: bool,
    scorer: str,
    program: Path | None,
) -> "Recommender":
    """The model that the files hold; what was decided while reading goes to `notes`."""
    from engine.recommenders.external import read_implicit, read_side
    from engine.recommenders.recommender import Recommender, Tower
    from engine.recommenders.scorers import Program, read_mlp

    if model is not None:
        if users[1] is None or items[1] is None:
            raise typer.BadParameter("a model of implicit holds no ids: give --user-ids and --item-ids")
        sides = read_implicit(model, users[1], items[1], allow_zero=allow_zero)
    elif users[0] is None or items[0] is None:
        raise typer.BadParameter("give --user-vectors and --item-vectors, or --model")
    else:
        sides = (
            read_side("users", users[0], users[1], users[2], allow_zero=allow_zero),
            read_side("items", items[0], items[1], items[2], allow_zero=allow_zero),
        )
    notes += [note for side in sides for note in side.notes]
    towers = [Tower.of(side.ids, side.vectors, side.bias) for side in sides]
    d_users, d_items = (tower.vectors.shape[1] for tower in towers)
    if program is not None:
        try:
            return Recommender.of(towers[0], towers[1], Program(program.read_bytes()))
        except OSError as error:
            raise MonoscopeError(f"Cannot read {program}: {error.strerror}.") from error
    if scorer in ("dot", "cosine"):
        return Recommender.of(towers[0], towers[1], scorer)
    folder = Path(scorer)
    if not folder.is_dir():
        raise MonoscopeError(
            f"--scorer {scorer!r} is neither dot nor cosine nor a folder; a program is given with --trust-code."
        )
    return Recommender.of(towers[0], towers[1], read_mlp(folder, d_users, d_items))
