"""Language packages for Argos as it installs them, but for their size and their wits."""

from __future__ import annotations

import importlib
import json
import zipfile
from pathlib import Path
from typing import Any

#: What the tokenizer learns its pieces from.
CORPUS = (
    "it was the best of times, it was the worst of times.",
    "it was the age of wisdom, it was the age of foolishness.",
    "era el mejor de los tiempos, era el peor de los tiempos.",
    "la edad de la sabiduria, y tambien de la locura.",
    "das beste und das schlechteste aller zeiten.",
)
WIDTH = 16
#: Classes of a character in MiniSBD: inside a token, the end of one, the end of a sentence.
INSIDE, END_OF_TOKEN, END_OF_SENTENCE = range(3)
CLASSES = 5


def build(folder: Path, source: str, target: str) -> Path:
    """Build the package of a direction: a translator, a tokenizer, and a splitter that goes by full stops."""
    content = folder / f"translate-{source}_{target}"
    (content / "minisbd").mkdir(parents=True)
    metadata = {"package_version": "1.0", "argos_version": "1.11", "from_code": source, "to_code": target}
    metadata |= {"from_name": source.upper(), "to_name": target.upper()}
    (content / "metadata.json").write_text(json.dumps(metadata), encoding="utf-8")
    pieces = _tokenizer(content / "sentencepiece.model")
    _translator(content / "model", pieces)
    _splitter(content / "minisbd" / f"{source}.onnx")
    path = folder / f"{source}_{target}.argosmodel"
    with zipfile.ZipFile(path, "w") as file:
        for part in content.rglob("*"):
            file.write(part, part.relative_to(folder))
    return path


def _tokenizer(path: Path) -> list[str]:
    sentencepiece = importlib.import_module("sentencepiece")
    with path.open("wb") as file:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(CORPUS), model_writer=file, vocab_size=45, minloglevel=2
        )
    processor = sentencepiece.SentencePieceProcessor(model_file=str(path))
    return [processor.id_to_piece(number) for number in range(processor.get_piece_size())]


class _Weights:
    """Random weights for the layers of a Transformer."""

    def __init__(self) -> None:
        self.numpy = importlib.import_module("numpy")
        self._random = self.numpy.random.default_rng(7)

    def matrix(self, *shape: int) -> Any:
        return self._random.normal(0.0, 0.3, shape).astype("float32")

    def fill(self, stack: Any) -> None:
        """Fill an encoder or a decoder, but for what is about the vocabulary."""
        self._norm(stack.layer_norm)
        for layer in stack.layer:
            self._attend(layer.self_attention)
            if hasattr(layer, "attention"):
                self._attend(layer.attention)
            self._norm(layer.ffn.layer_norm)
            self._linear(layer.ffn.linear_0, 4 * WIDTH, WIDTH)
            self._linear(layer.ffn.linear_1, WIDTH, 4 * WIDTH)

    def _attend(self, attention: Any) -> None:
        self._norm(attention.layer_norm)
        # Of itself it asks queries, keys and values at once; of the encoder first the ones, then the others.
        for linear, rows in zip(
            attention.linear, {2: (3, 1), 3: (1, 2, 1)}[len(attention.linear)], strict=True
        ):
            self._linear(linear, rows * WIDTH, WIDTH)

    def _linear(self, linear: Any, rows: int, columns: int) -> None:
        linear.weight, linear.bias = self.matrix(rows, columns), self.matrix(rows)

    def _norm(self, norm: Any) -> None:
        norm.gamma, norm.beta = self.numpy.ones(WIDTH, "float32"), self.numpy.zeros(WIDTH, "float32")


def _translator(folder: Path, pieces: list[str]) -> None:
    """Save a Transformer of one layer, with random weights and a mild wish to stop."""
    specs = importlib.import_module("ctranslate2.specs")
    spec = specs.TransformerSpec.from_config(num_layers=1, num_heads=2)
    weights = _Weights()
    weights.fill(spec.encoder)
    weights.fill(spec.decoder)
    for vocabulary in (spec.encoder.embeddings[0], spec.decoder.embeddings, spec.decoder.projection):
        vocabulary.weight = weights.matrix(len(pieces), WIDTH)
    bias = weights.numpy.zeros(len(pieces), "float32")
    bias[[pieces.index("<unk>"), pieces.index("<s>")]] = -100.0
    bias[pieces.index("</s>")] = 2.0
    spec.decoder.projection.bias = bias
    spec.register_source_vocabulary(pieces)
    spec.register_target_vocabulary(pieces)
    spec.validate()
    folder.mkdir()
    spec.save(str(folder))


def _splitter(path: Path) -> None:
    """Save a network that looks each character up: a full stop ends a sentence, a blank a token."""
    onnx = importlib.import_module("onnx")
    helper = onnx.helper
    units = ["<PAD>", "<UNK>", ".", " "]
    scores = [[1.0 if kind == INSIDE else 0.0 for kind in range(CLASSES)] for _ in units]
    scores[2][END_OF_SENTENCE] = scores[3][END_OF_TOKEN] = 2.0
    table = [score for row in scores for score in row]
    integers, floats = onnx.TensorProto.INT64, onnx.TensorProto.FLOAT
    graph = helper.make_graph(
        [helper.make_node("Gather", ["scores", "units"], ["classes"])],
        "splitter",
        [
            helper.make_tensor_value_info("units", integers, ["texts", "length"]),
            helper.make_tensor_value_info("features", floats, ["texts", "length", 1]),
        ],
        [helper.make_tensor_value_info("classes", floats, ["texts", "length", CLASSES])],
        [helper.make_tensor("scores", floats, [len(units), CLASSES], table)],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    vocabulary = {"lang": "en", "idx": 0, "cutoff": 0, "lower": False}
    vocabulary |= {"_id2unit": units, "_unit2id": {unit: index for index, unit in enumerate(units)}}
    config = {"feat_funcs": ["numeric"]}
    helper.set_model_props(model, {"config": json.dumps(config), "vocab": json.dumps(vocabulary)})
    onnx.save(model, str(path))
