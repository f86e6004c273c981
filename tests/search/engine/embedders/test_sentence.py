"""Sentence embedders from a folder."""

import json
from pathlib import Path

import numpy as np
import pytest

from search.engine.building import build
from search.engine.embedders import sentence
from search.engine.index import open_index
from search.engine.options import BuildOptions, EmbedderSpec
from search.engine.passages import Passage
from search.engine.problems import EmbedderProblem, IndexDamaged
from tests.search.engine.embedders import models


def _unit(vector: np.ndarray) -> np.ndarray:
    return np.asarray(vector / np.linalg.norm(vector))


@pytest.mark.parametrize("pooling", ["mean", "cls", "max"])
def test_the_folder_says_how_words_are_pooled(tmp_path: Path, pooling: str) -> None:
    table = models.save(tmp_path / "model", pooling=pooling)
    embedder = sentence.load({"folder": str(tmp_path / "model")})
    words = table[[models.WORDS.index("기공"), models.WORDS.index("가스")]]
    expected = {"mean": words.mean(axis=0), "cls": words[0], "max": words.max(axis=0)}[pooling]
    # The longer neighbour pads the shorter text, which must not change it.
    found = embedder.encode(["기공 가스", "기공 가스 공기 수축"])[0]
    assert found == pytest.approx(_unit(expected), abs=1e-5)


def test_a_text_is_cut_at_the_models_length(tmp_path: Path) -> None:
    models.save(tmp_path / "model")
    embedder = sentence.load({"folder": str(tmp_path / "model")})
    short, long = embedder.encode(["기공 가스 공기 수축", "기공 가스 공기 수축 증압 금형"])
    assert long == pytest.approx(short, abs=1e-6)


def test_an_index_is_built_and_searched_with_it(tmp_path: Path) -> None:
    models.save(tmp_path / "model")
    spec = EmbedderSpec("sentence-transformers", {"folder": str(tmp_path / "model")})
    given = [Passage("a", "a", "기공 가스"), Passage("b", "b", "수축 증압")]
    build(given, tmp_path / "index", BuildOptions(embedder=spec))
    index = open_index(tmp_path / "index")
    assert index.search("증압", "vector").hits[0].passage.id == "b"
    index.close()


def test_an_index_refuses_another_model(tmp_path: Path) -> None:
    models.save(tmp_path / "model")
    spec = EmbedderSpec("sentence-transformers", {"folder": str(tmp_path / "model")})
    build([Passage("a", "a", "기공")], tmp_path / "index", BuildOptions(embedder=spec))
    content = json.loads((tmp_path / "model" / "tokenizer.json").read_bytes())
    content["model"]["vocab"]["새말"] = 1
    (tmp_path / "model" / "tokenizer.json").write_text(json.dumps(content), "utf-8")
    with pytest.raises(IndexDamaged) as caught:
        open_index(tmp_path / "index")
    assert caught.value.code == "embedder_changed"


def test_a_folder_that_is_no_model_is_refused(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "absent"):
        with pytest.raises(EmbedderProblem, match=r"modules\.json"):
            sentence.load({"folder": str(folder)})


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("onnx/model.onnx", b"damaged"),
        ("tokenizer.json", b"{}"),
        ("modules.json", b'[{"type": "x.Dense", "path": ""}]'),
        ("modules.json", b"["),
    ],
)
def test_a_damaged_model_is_refused(tmp_path: Path, name: str, content: bytes) -> None:
    models.save(tmp_path / "model")
    (tmp_path / "model" / name).write_bytes(content)
    with pytest.raises(EmbedderProblem) as caught:
        sentence.load({"folder": str(tmp_path / "model")})
    assert caught.value.code == "model_unreadable"


def test_an_unknown_pooling_is_refused(tmp_path: Path) -> None:
    models.save(tmp_path / "model", pooling="weightedmean")
    with pytest.raises(EmbedderProblem, match="weightedmean"):
        sentence.load({"folder": str(tmp_path / "model")})


def test_without_an_export_the_package_is_asked_for(tmp_path: Path) -> None:
    models.save(tmp_path / "model", onnx_export=False)
    try:
        import sentence_transformers  # noqa: F401, PLC0415
    except ImportError:
        with pytest.raises(EmbedderProblem) as caught:
            sentence.load({"folder": str(tmp_path / "model")})
        assert caught.value.code == "package_missing"
    else:
        with pytest.raises(EmbedderProblem) as caught:  # it has no weights of the package's own
            sentence.load({"folder": str(tmp_path / "model")})
        assert caught.value.code == "model_unreadable"


def test_the_package_loads_a_model_it_saved(tmp_path: Path) -> None:
    package = pytest.importorskip(
        "sentence_transformers", reason="the package sentence-transformers is not installed"
    )
    transformers = pytest.importorskip("transformers")
    folder = tmp_path / "bert"
    folder.mkdir()
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *models.WORDS[2:]]
    (folder / "vocab.txt").write_text("\n".join(words), "utf-8")
    transformers.BertTokenizerFast(str(folder / "vocab.txt")).save_pretrained(folder)
    config = transformers.BertConfig(
        vocab_size=len(words), hidden_size=16, num_hidden_layers=1, num_attention_heads=2,
        intermediate_size=16,
    )  # fmt: skip
    transformers.BertModel(config).save_pretrained(folder)
    word_model = package.models.Transformer(str(folder))
    pooling = package.models.Pooling(16)
    package.SentenceTransformer(modules=[word_model, pooling]).save(str(tmp_path / "model"))
    embedder = sentence.load({"folder": str(tmp_path / "model")})
    assert embedder.dimensions == 16
    vectors = embedder.encode(["기공 가스", ""])
    assert np.linalg.norm(vectors, axis=1) == pytest.approx([1.0, 0.0], abs=1e-5)
