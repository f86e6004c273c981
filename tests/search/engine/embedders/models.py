"""A small sentence embedder in a folder, as sentence-transformers saves it, with an ONNX export."""

import json
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from tokenizers import Tokenizer, models, pre_tokenizers

WORDS = ("[PAD]", "[UNK]", "기공", "가스", "공기", "수축", "증압", "금형", "온도")
DIMENSIONS = 8


def save(folder: Path, *, pooling: str = "mean", onnx_export: bool = True) -> np.ndarray:
    """Write the model and return its table of word vectors."""
    folder.mkdir(parents=True)
    _write(folder / "modules.json", [
        {"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"},
        {"idx": 1, "name": "1", "path": "1_Pooling",
         "type": "sentence_transformers.models.Pooling"},
        {"idx": 2, "name": "2", "path": "2_Normalize",
         "type": "sentence_transformers.models.Normalize"},
    ])  # fmt: skip
    _write(folder / "sentence_bert_config.json", {"max_seq_length": 4})
    modes = {"mean": "mean_tokens", "cls": "cls_token", "max": "max_tokens"}
    config = {f"pooling_mode_{name}": name == modes.get(pooling) for name in modes.values()}
    if pooling not in modes:
        config = {"pooling_mode_weightedmean_tokens": True}
    (folder / "1_Pooling").mkdir()
    _write(folder / "1_Pooling" / "config.json", config)
    tokenizer = Tokenizer(
        models.WordLevel({word: n for n, word in enumerate(WORDS)}, unk_token="[UNK]")
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.save(str(folder / "tokenizer.json"))
    table = np.random.default_rng(0).standard_normal((len(WORDS), DIMENSIONS)).astype(np.float32)
    if onnx_export:
        (folder / "onnx").mkdir()
        onnx.save(_graph(table), str(folder / "onnx" / "model.onnx"))
    return table


def _graph(table: np.ndarray) -> onnx.ModelProto:
    ids, mask = (
        helper.make_tensor_value_info(name, TensorProto.INT64, ["n", "t"])
        for name in ("input_ids", "attention_mask")
    )
    hidden = helper.make_tensor_value_info(
        "last_hidden_state", TensorProto.FLOAT, ["n", "t", DIMENSIONS]
    )
    nodes = [helper.make_node("Gather", ["table", "input_ids"], ["last_hidden_state"])]
    graph = helper.make_graph(
        nodes, "words", [ids, mask], [hidden], [numpy_helper.from_array(table, "table")]
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)


def _write(path: Path, content: object) -> None:
    path.write_text(json.dumps(content), "utf-8")
