"""Vectors from files of other programs: what is read, what is said aloud, and what is refused in one sentence."""

import json
import re
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from engine.errors import RunError
from engine.recommenders.external import Vectors, is_implicit, read_implicit, read_pairs, read_side
from engine.recommenders.scorers import Program, read_mlp

DOCUMENT = Path(__file__).parents[3] / "docs" / "adopt.md"
IDS = ["007", "b", "zürich, west", "10", "e"]
VECTORS = np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32)


def _ids(folder: Path, ids: list[str] = IDS) -> Path:
    path = folder / "ids.json"
    path.write_text(json.dumps(ids), encoding="utf-8")
    return path


def _same(read: Vectors) -> None:
    assert read.ids == IDS
    np.testing.assert_allclose(read.vectors, VECTORS, rtol=1e-6)
    assert read.vectors.dtype == np.float32
    assert read.vectors.flags.c_contiguous


def _refused(vectors: Path, ids: Path | None = None, bias: Path | None = None) -> str:
    with pytest.raises(RunError) as refusal:
        read_side("users", vectors, ids, bias)
    told = str(refusal.value).replace(str(vectors.parent), "")
    assert "\n" not in told
    return told


def _frame(**also: Any) -> pd.DataFrame:
    return pd.DataFrame({"user_id": IDS, **{f"d{n}": VECTORS[:, n] for n in range(3)}, **also})


def _npy(path: Path) -> None:
    np.save(path, VECTORS)


def _npz(path: Path) -> None:
    with path.open("wb") as file:
        np.savez(file, vectors=VECTORS, ids=np.array(IDS))


def _parquet_of_lists(path: Path) -> None:
    pd.DataFrame({"features": list(VECTORS), "id": IDS, "country": "NL"}).to_parquet(path)


def _parquet_indexed_by_id(path: Path) -> None:
    pd.DataFrame(VECTORS, index=IDS, columns=["a", "b", "c"]).to_parquet(path)


def _csv(path: Path) -> None:
    _frame().to_csv(path, index=False)


def _csv_with_numbered_columns(path: Path) -> None:
    pd.DataFrame(VECTORS, index=IDS).to_csv(path)


def _csv_without_a_header(path: Path) -> None:
    _frame().to_csv(path, index=False, header=False)


def _tsv_of_lists(path: Path) -> None:
    rows = [f"{name}\t{' '.join(map(repr, row.tolist()))}\n" for name, row in zip(IDS, VECTORS, strict=True)]
    path.write_text("uid:token\tuser_emb:float_seq\n" + "".join(rows), encoding="utf-8")


def _csv_of_lists(path: Path) -> None:
    pd.DataFrame({"user_id": IDS, "vector": [row.tolist() for row in VECTORS]}).to_csv(path, index=False)


def _semicolons(path: Path) -> None:
    _frame().to_csv(path, index=False, sep=";")


WITH_IDS = [_npz, _parquet_of_lists, _parquet_indexed_by_id, _csv, _csv_with_numbered_columns, _csv_without_a_header,
            _tsv_of_lists, _csv_of_lists, _semicolons]  # fmt: skip


@pytest.mark.parametrize("write", WITH_IDS)
def test_a_file_with_ids_is_read_by_its_content_whatever_its_name(tmp_path: Path, write: Any) -> None:
    path = tmp_path / "export.data"
    write(path)
    _same(read_side("users", path, None, None))


@pytest.mark.parametrize("name", ["users.npy", "users.txt", "users.csv", "users.npz#user_vectors", "users.safetensors"])
def test_vectors_without_ids_take_them_from_a_file(tmp_path: Path, name: str) -> None:
    from safetensors.numpy import save_file

    np.save(tmp_path / "users.npy", VECTORS)
    np.savetxt(tmp_path / "users.txt", VECTORS)
    pd.DataFrame(VECTORS).to_csv(tmp_path / "users.csv", index=False)
    np.savez(tmp_path / "users.npz", user_vectors=VECTORS, other=VECTORS + 1)
    save_file({"weights": VECTORS, "log": np.zeros(4)}, tmp_path / "users.safetensors")
    _same(read_side("users", tmp_path / name, _ids(tmp_path), None))


def test_ids_come_from_lines_tables_json_and_arrays(tmp_path: Path) -> None:
    np.save(tmp_path / "v.npy", VECTORS)
    (tmp_path / "ids.txt").write_text("\n".join(IDS) + "\n", encoding="utf-8-sig")
    pd.DataFrame({"age": 3, "user_id": IDS}).to_csv(tmp_path / "ids.csv")
    pd.DataFrame({"label": IDS}).to_parquet(tmp_path / "ids.parquet")
    (tmp_path / "rows.json").write_text(json.dumps({name: n for n, name in reversed(list(enumerate(IDS)))}))
    np.save(tmp_path / "ids.npy", np.array(IDS)[:, None])
    for name in ("ids.txt", "ids.csv", "ids.parquet", "rows.json", "ids.npy"):
        _same(read_side("users", tmp_path / "v.npy", tmp_path / name, None))
    np.save(tmp_path / "numbers.npy", np.arange(5, dtype=np.uint64) + 2**63)
    large = read_side("users", tmp_path / "v.npy", tmp_path / "numbers.npy", None)
    assert large.ids[4] == "9223372036854775812"


def test_the_folders_that_spark_writes_are_read_whole(tmp_path: Path) -> None:
    for part in (0, 1):
        folder = tmp_path / "userFactors"
        folder.mkdir(exist_ok=True)
        rows = slice(part * 2, part * 2 + 2)
        pd.DataFrame({"id": [7, 3, 9, 1][rows], "features": list(VECTORS[rows])}).to_parquet(
            folder / f"part-0000{part}.snappy.parquet"
        )
    (tmp_path / "userFactors" / "_SUCCESS").touch()
    read = read_side("users", tmp_path / "userFactors", None, None)
    assert read.ids == ["7", "3", "9", "1"]
    np.testing.assert_array_equal(read.vectors, VECTORS[:4])
    assert "is a folder without .parquet" in _refused(tmp_path)
    assert "is a folder" in _refused(_saved(tmp_path), tmp_path / "userFactors")


def test_a_matrix_on_its_side_is_turned_round_and_said(tmp_path: Path) -> None:
    np.save(tmp_path / "v.npy", np.ascontiguousarray(VECTORS.T))
    read = read_side("users", tmp_path / "v.npy", _ids(tmp_path), None)
    _same(read)
    assert any("turned round" in note for note in read.notes)
    told = _refused(tmp_path / "v.npy", _ids(tmp_path, IDS[:4]))
    assert "3 rows" in told
    assert "4 ids" in told


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16, torch.float64])
def test_other_floats_become_float32_with_the_values_they_had(tmp_path: Path, kind: torch.dtype) -> None:
    from safetensors.torch import save_file

    stored = torch.from_numpy(VECTORS * (1 if kind == torch.float16 else 1e6)).to(kind)
    save_file({"user.weight": stored, "item.weight": stored + 1}, tmp_path / "model.safetensors")
    read = read_side("users", tmp_path / "model.safetensors", _ids(tmp_path), None)
    np.testing.assert_array_equal(read.vectors, stored.float().numpy())
    assert any("user.weight" in note for note in read.notes)
    assert any("float64 converted" in note for note in read.notes) == (kind == torch.float64)


def test_a_bias_is_joined_by_id_or_taken_in_order(tmp_path: Path) -> None:
    bias = np.array([0.5, -1, 2, 3, 4], np.float32)
    np.save(tmp_path / "v.npy", VECTORS)
    np.save(tmp_path / "in_order.npy", bias[:, None])
    pd.DataFrame({"user_id": [*IDS, "unknown"], "bias": [*bias, 9]}).iloc[::-1].to_csv(tmp_path / "b.csv", index=False)
    (tmp_path / "b.json").write_text(json.dumps(dict(zip(IDS[::-1], bias[::-1].tolist(), strict=True))))
    (tmp_path / "b.txt").write_text("\n".join(map(str, bias)))
    for name in ("in_order.npy", "b.csv", "b.json", "b.txt"):
        read = read_side("users", tmp_path / "v.npy", _ids(tmp_path), tmp_path / name)
        np.testing.assert_array_equal(read.bias, bias, err_msg=name)
    pd.DataFrame({"id": IDS[1:], "b": bias[1:]}).to_csv(tmp_path / "short.csv", index=False)
    assert "007" in _refused(tmp_path / "v.npy", _ids(tmp_path), tmp_path / "short.csv")
    np.save(tmp_path / "short.npy", bias[1:])
    assert "4 biases, but there are 5 users" in _refused(tmp_path / "v.npy", _ids(tmp_path), tmp_path / "short.npy")


def test_a_bias_column_beside_the_vectors_is_no_dimension(tmp_path: Path) -> None:
    _frame(bias=np.arange(5.0)).to_csv(tmp_path / "v.csv", index=False)
    read = read_side("users", tmp_path / "v.csv", None, None)
    _same(read)
    np.testing.assert_array_equal(read.bias, np.arange(5, dtype=np.float32))
    assert any("taken as the bias" in note for note in read.notes)


def test_a_constant_column_is_said(tmp_path: Path) -> None:
    np.save(tmp_path / "v.npy", np.column_stack([VECTORS, np.ones(5, np.float32)]))
    notes = read_side("users", tmp_path / "v.npy", _ids(tmp_path), None).notes
    assert any("column 4 is 1 in every row" in note for note in notes)


class Trap:
    """Reading a pickle of it would leave a file behind."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, tuple[Any, ...]]:
        return Path.touch, (self.mark,)


def test_nothing_in_a_pickle_is_run_and_the_way_out_is_told(tmp_path: Path) -> None:
    mark = tmp_path / "it ran"
    np.save(tmp_path / "objects.npy", np.array([Trap(mark)], dtype=object), allow_pickle=True)
    np.savez(tmp_path / "objects.npz", vectors=VECTORS, ids=np.array([Trap(mark)], dtype=object))
    torch.save({"x": Trap(mark)}, tmp_path / "new.npy")
    torch.save({"x": Trap(mark)}, tmp_path / "old.pth", _use_new_zipfile_serialization=False)
    for name in ("objects.npy", "objects.npz", "new.npy", "old.pth"):
        assert "opening a pickle runs" in _refused(tmp_path / name, _ids(tmp_path))
        assert "opening a pickle runs" in _refused(_saved(tmp_path), tmp_path / name)
        assert not is_implicit(tmp_path / name)
    assert not mark.exists()


def _saved(folder: Path) -> Path:
    np.save(folder / "fine.npy", VECTORS)
    return folder / "fine.npy"


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_number_that_is_none_is_named_by_row_and_id(tmp_path: Path, value: float) -> None:
    vectors = VECTORS.copy()
    vectors[1, 2] = value
    np.save(tmp_path / "v.npy", vectors)
    assert "row 2 (id b): number 3 is" in _refused(tmp_path / "v.npy", _ids(tmp_path))


def test_an_empty_cell_a_word_and_a_short_row_are_named(tmp_path: Path) -> None:
    path = tmp_path / "v.csv"
    path.write_text("user_id,x,y\na,1,2\nb,,2\n")
    assert "row 2 (id b)" in _refused(path)
    path.write_text("user_id,x,y\na,1,2\nb,one,2\n")
    assert "row 2, x: 'one' is not a number" in _refused(path)
    path.write_text("user_id,x,y\na,1,2\nb,1\n")
    assert "row 2: expected 3 fields, found 2" in _refused(path)
    path.write_text("user_id,x,y\na,1,2\nb,1_000,2\n")
    assert "row 2, x: '1_000' is not a number" in _refused(path)
    path.write_text("user_id;x;y\na;0,5;2\n")
    assert "0,5 with a decimal comma" in _refused(path)
    path.write_text("user_id,title,y\na,Heat,2\n")
    assert "title, row 1: 'Heat' is not a number" in _refused(path)
    path.write_text("user_id,x,y\na,1,2\n,1,3\n")
    assert "row 2: the id is empty" in _refused(path)
    path.write_bytes("user_id,x,y\nAmélie,1,2\n".encode("latin-1"))
    assert "UTF-8" in _refused(path)


def test_zero_vectors_are_refused_unless_they_are_allowed(tmp_path: Path) -> None:
    vectors = VECTORS.copy()
    vectors[[0, 3]] = 0
    np.save(tmp_path / "v.npy", vectors)
    told = _refused(tmp_path / "v.npy", _ids(tmp_path))
    assert "2 of 5 vectors are all zeros (first: 007, 10)" in told
    allowed = read_side("users", tmp_path / "v.npy", _ids(tmp_path), None, allow_zero=True)
    assert any("all zeros" in note for note in allowed.notes)


def test_ids_that_repeat_are_empty_or_disagree_are_refused(tmp_path: Path) -> None:
    path = _saved(tmp_path)
    assert "first b in rows 2 and 4" in _refused(path, _ids(tmp_path, ["a", "b", "c", "b", "e"]))
    assert "4 ids" in _refused(path, _ids(tmp_path, IDS[:4]))
    assert "vectors[1:]" in _refused(path, _ids(tmp_path, IDS[:4]))
    assert "--user-ids" in _refused(path)
    _frame().to_csv(tmp_path / "v.csv", index=False)
    assert "differ" in _refused(tmp_path / "v.csv", _ids(tmp_path, IDS[::-1]))
    (tmp_path / "gap.txt").write_text("a\n\nc\nd\ne\n")
    assert "row 2: the id is empty" in _refused(path, tmp_path / "gap.txt")
    (tmp_path / "nested.json").write_text("[1, [2]]")
    assert "entry 2" in _refused(path, tmp_path / "nested.json")
    np.savetxt(tmp_path / "bare.csv", VECTORS, delimiter=",")
    assert "does not look like an id" in _refused(tmp_path / "bare.csv")


def test_numbers_that_float32_cannot_hold_are_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "ids_inside.npy", np.column_stack([VECTORS.astype(np.float64), 2.0**31 + np.arange(5)]))
    assert "column 4: whole numbers like 2147483648 look like ids" in _refused(
        tmp_path / "ids_inside.npy", _ids(tmp_path)
    )
    np.save(tmp_path / "huge.npy", VECTORS.astype(np.float64) * 1e300)
    assert "too large for float32" in _refused(tmp_path / "huge.npy", _ids(tmp_path))


def test_files_that_are_missing_empty_cut_or_foreign_are_named(tmp_path: Path) -> None:
    ids = _ids(tmp_path)
    assert "cannot be read" in _refused(tmp_path / "nowhere.npy", ids)
    (tmp_path / "empty.csv").touch()
    assert "is empty" in _refused(tmp_path / "empty.csv")
    whole = _saved(tmp_path).read_bytes()
    (tmp_path / "cut.npy").write_bytes(whole[:-8])
    assert "damaged" in _refused(tmp_path / "cut.npy", ids)
    pd.DataFrame({"id": IDS}).to_parquet(tmp_path / "v.parquet")
    (tmp_path / "cut.parquet").write_bytes((tmp_path / "v.parquet").read_bytes()[:-9])
    assert "damaged" in _refused(tmp_path / "cut.parquet")
    (tmp_path / "index.faiss").write_bytes(b"IxFI" + bytes(64))
    assert "faiss" in _refused(tmp_path / "index.faiss", ids)
    (tmp_path / "picture.npy").write_bytes(b"\x89PNG\r\n\x1a\n\0\0")
    assert "none of the files" in _refused(tmp_path / "picture.npy", ids)
    with zipfile.ZipFile(tmp_path / "bundle.zip", "w") as bundle:
        bundle.writestr("users.csv", "id,x\na,1\n")
    assert "unpack" in _refused(tmp_path / "bundle.zip")
    np.savez(tmp_path / "two.npz", a=VECTORS, b=VECTORS)
    assert "two.npz#a" in _refused(tmp_path / "two.npz", ids)
    assert "has no array c" in _refused(tmp_path / "two.npz#c", ids)
    pd.DataFrame({"id": IDS, "v": [[1.0, 2.0]] * 4 + [[1.0]]}).to_parquet(tmp_path / "ragged.parquet")
    assert "row 5: 1 numbers, but row 1 has 2" in _refused(tmp_path / "ragged.parquet")


def test_pairs_are_read_from_every_format_by_name_or_by_place(tmp_path: Path) -> None:
    pairs = pd.DataFrame({"score": [0.25, -1.5], "user_id": ["007", "b"], "item_id": ["x", "10"]})
    pairs.to_csv(tmp_path / "p.csv", index=False)
    pairs.to_parquet(tmp_path / "p.parquet")
    pairs.to_json(tmp_path / "p.jsonl", orient="records", lines=True)
    pairs[["user_id", "item_id", "score"]].to_csv(tmp_path / "p.tsv", sep="\t", index=False, header=False)
    for name in ("p.csv", "p.parquet", "p.jsonl", "p.tsv"):
        users, items, scores = read_pairs(tmp_path / name)
        assert (users, items, scores.tolist()) == (["007", "b"], ["x", "10"], [0.25, -1.5]), name
    (tmp_path / "bad.csv").write_text("user_id,item_id,rank\na,b,1\n")
    with pytest.raises(RunError, match="user_id, item_id and score"):
        read_pairs(tmp_path / "bad.csv")
    (tmp_path / "bad.csv").write_text("user_id,item_id,score\na,b,1\na,c,nan\n")
    with pytest.raises(RunError, match="row 2: the score of user a and item c"):
        read_pairs(tmp_path / "bad.csv")


@pytest.mark.parametrize("extra", [0, 1, 2])
def test_the_columns_where_implicit_hides_biases_are_split_off(tmp_path: Path, extra: int) -> None:
    rng = np.random.default_rng(extra)
    users, items = rng.normal(size=(5, 4 + extra)), rng.normal(size=(6, 4 + extra))
    if extra:
        users[:, 4] = 1
    if extra == 2:
        items[:, -1] = 1
    np.savez(tmp_path / "model.npz", user_factors=users, item_factors=items, factors=4)
    item_ids = tmp_path / "items.txt"
    item_ids.write_text("i0\ni1\ni2\ni3\ni4\ni5\n")
    assert is_implicit(tmp_path / "model.npz")
    assert "--model" in _refused(tmp_path / "model.npz", _ids(tmp_path))
    read_users, read_items = read_implicit(tmp_path / "model.npz", _ids(tmp_path), item_ids)
    np.testing.assert_allclose(_scores(read_users, read_items), users @ items.T, atol=1e-5)
    assert read_users.vectors.shape == (5, 4)
    assert (read_users.bias is not None, read_items.bias is not None) == (extra == 2, extra > 0)
    np.savez(tmp_path / "model.npz", user_factors=users + 1, item_factors=items, factors=4)
    if extra:
        with pytest.raises(RunError, match="not the layout"):
            read_implicit(tmp_path / "model.npz", _ids(tmp_path), item_ids)


def _scores(users: Vectors, items: Vectors) -> np.ndarray:
    scores = users.vectors @ items.vectors.T
    scores = scores if items.bias is None else scores + items.bias
    return scores if users.bias is None else scores + users.bias[:, None]


def _recipe(heading: str, **known: Any) -> dict[str, Any]:
    """Run the code under a heading of docs/adopt.md in the working folder."""
    section = re.split(r"\n#+ ", DOCUMENT.read_text(encoding="utf-8").split(f"# {heading}\n")[1])[0]
    assert "*Tested" in section
    (code,) = re.findall(r"```python\n(.*?)```", section, re.S)
    exec(compile(code, heading, "exec"), known)
    return known


@pytest.mark.parametrize("family", ["als.AlternatingLeastSquares", "bpr.BayesianPersonalizedRanking",
                                    "lmf.LogisticMatrixFactorization"])  # fmt: skip
def test_models_of_implicit_keep_their_scores(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, family: str) -> None:
    pytest.importorskip("implicit")
    import importlib

    from scipy import sparse

    module, name = family.split(".")
    seen = (np.random.default_rng(3).random((60, 40)) < 0.2).astype(np.float32)
    seen[:, 0] = seen[0] = 1
    model = getattr(importlib.import_module(f"implicit.{module}"), name)(factors=8, iterations=5, random_state=1)
    model.fit(sparse.csr_matrix(seen), show_progress=False)
    user_ids, item_ids = [f"u{n}" for n in range(60)], [f"i{n}" for n in range(40)]
    monkeypatch.chdir(tmp_path)
    _recipe("implicit", model=model, user_ids=user_ids, item_ids=item_ids)
    users, items = read_implicit(Path("model.npz"), Path("user_ids.json"), Path("item_ids.json"))
    assert (users.ids, items.ids) == (user_ids, item_ids)
    told, ours = np.zeros((60, 40)), _scores(users, items)
    for user in range(60):
        order, scores = model.recommend(user, None, N=40, filter_already_liked_items=False)
        told[user, order] = scores
    np.testing.assert_allclose(ours, told, atol=1e-5)


class TwoTowers(torch.nn.Module):
    """A recommender of the kind that docs/adopt.md exports."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.user_tower, self.item_tower = torch.nn.Embedding(5, 6), torch.nn.Embedding(7, 4)
        layers = [torch.nn.Linear(10, 8), torch.nn.ReLU(), torch.nn.Dropout(0.5), torch.nn.Linear(8, 1)]
        self.mlp = torch.nn.Sequential(*layers)

    def score(self, u: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        return self.mlp(torch.cat([u, v], dim=1))[:, 0]


def test_the_torch_recipes_keep_vectors_ids_and_scores(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    model, item_ids = TwoTowers(), [f"i{n}" for n in range(7)]
    known = _recipe("PyTorch", model=model, user_ids=IDS, item_ids=item_ids)
    _recipe("A multi-layer perceptron as scorer", **known)
    _recipe("Any other scorer", **known)
    users = read_side("users", Path("users.npz"), None, None)
    items = read_side("items", Path("items.npz"), None, None)
    assert (users.ids, items.ids) == (IDS, item_ids)
    u, v = torch.cartesian_prod(torch.arange(5), torch.arange(7)).T
    with torch.no_grad():
        told = model.score(model.user_tower(u), model.item_tower(v)).reshape(5, 7).numpy()
    for scorer in (read_mlp(Path("scorer"), 6, 4), Program(Path("scorer.pt2").read_bytes())):
        np.testing.assert_allclose(scorer(users.vectors, items.vectors), told, atol=1e-5)
    assert "--trust-code" in _refused(Path("scorer.pt2"), _ids(tmp_path))
