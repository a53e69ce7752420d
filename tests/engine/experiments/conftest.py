"""A miniature of the paper's music data in its two-CSV layout, and recipes cut down to seconds."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from engine import presets
from engine.catalogue.fetch import fetch
from engine.experiments import whole
from engine.experiments.drawing import picture
from engine.experiments.reproduce import Order, Reproduced
from engine.home import Home
from engine.progress import silent

TAGS = ("electronic", "metal", "folk", "country", "rock", "pop")
ARTISTS_A_TAG, USERS = 22, 150
FILTERS = {"first_listeners": "2", "rows_of_user": "5", "last_listeners": "2", "min_tagged": "5"}


def music_files() -> dict[str, bytes]:
    """Users who love one tag and hear some of another: who listens to whom follows the tags."""
    random = np.random.default_rng(0)
    music = ["track_id,name,artist,spotify_preview_url,spotify_id,tags,genre,year,duration_ms"]
    artists = [(tag, n) for tag in TAGS for n in range(ARTISTS_A_TAG)]
    for a, (tag, n) in enumerate(artists):
        music.append(f'TR{a},Song,"{tag.title()} Act {n}",http://x,id,"{tag}",Rock,2004,200000')
    plays = ["track_id,user_id,playcount"]
    for user in range(USERS):
        own, other = user % len(TAGS), random.integers(len(TAGS))
        for tag, count in ((own, 14), (other, 5)):
            chosen = random.choice(ARTISTS_A_TAG, count, replace=False) + tag * ARTISTS_A_TAG
            plays += [f"TR{artist},user{user:03},{random.integers(1, 9)}" for artist in chosen]
    return {
        "Music Info.csv": "\n".join([*music, ""]).encode(),
        "User Listening History.csv": "\n".join(dict.fromkeys([*plays, ""])).encode(),
    }


@pytest.fixture(scope="module")
def music_home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A home with the miniature as lastfm-msd."""
    folder = tmp_path_factory.mktemp("music")
    for name, data in music_files().items():
        (folder / name).write_bytes(data)
    home = Home(tmp_path_factory.mktemp("home"))
    fetch(home, "lastfm-msd", source=folder, assent=True, progress=silent, parameters=FILTERS)
    return home


@pytest.fixture(autouse=True, scope="module")
def short_recipes() -> Iterator[None]:
    """Both recipes with a few epochs and steps: what is tested here is not how well they learn."""
    whole = presets._tables

    def cut(tables: dict[str, Any]) -> dict[str, Any]:
        found = {name: cut(value) if isinstance(value, dict) else value for name, value in tables.items()}
        if "epochs" in found:
            found |= {"epochs": 3}
        if found.get("batch") == 8:
            found |= {"batch": 64}
        return found

    def short(name: object) -> dict[str, Any]:
        tables = cut(whole(name))
        for kind in ("mf", "ncf"):
            tables["sae"][kind] = {**tables["sae"].get(kind, {}), "steps": 60, "rows_a_step": 64, "pair_rows": 32}
        return tables

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(presets, "_tables", short)
        yield


class Makers:
    """Stand-ins that make a part at once; `broken` says what comes of one instead."""

    def __init__(self) -> None:
        self.made: list[str] = []
        self.broken: dict[str, BaseException] = {}
        self.drawn = "drawn"
        self.watch: Callable[[str], None] = lambda _name: None

    def __call__(self, order: Order, name: str, _progress: object) -> Reproduced:
        self.made.append(name)
        self.watch(name)
        if name in self.broken:
            raise self.broken[name]
        drawn = picture(
            f"{name}-{self.drawn}", 2, lambda canvas: canvas.add_subplot().plot([0, 1]), "A line.", ("a",), [(1,)]
        )
        empty: dict[str, object] = {"columns": [], "cases": [], "curves": [], "paper": {}, "models": {}}
        facts = {"dataset": order.dataset, **empty, "name": name}
        return Reproduced(name, facts, f"# {name}\n\nWords.\n", [drawn])


@pytest.fixture
def makers(monkeypatch: pytest.MonkeyPatch) -> Makers:
    found = Makers()
    monkeypatch.setattr(whole, "reproduce", found)
    monkeypatch.setattr(whole, "wanted", lambda _order, _name: [])
    return found
