"""Counts of words or characters and a linear classifier."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
from pydantic import Field

from tuneoff.methods._base import MethodConfig, MethodFacts, TextMethod

if TYPE_CHECKING:
    from sklearn.feature_extraction.text import TfidfVectorizer

HANGUL_SHARE = 0.3


class TfidfParameters(MethodConfig):
    """Pieces counted (``auto``: characters for Korean, words otherwise) and the inverse strength ``C`` of the L2 penalty."""

    pieces: Literal["auto", "words", "characters"] = "auto"
    C: float = Field(default=10.0, gt=0)


class Tfidf(TextMethod):
    """TF-IDF and logistic regression (Salton and Buckley 1988): the baseline that a badly tuned transformer loses to."""

    Config = TfidfParameters
    facts = MethodFacts(
        title={"en": "TF-IDF + logistic regression", "ko": "TF-IDF + 로지스틱 회귀"},
        summary={"en": "word or character counts, linear classifier", "ko": "단어·글자 n-그램 빈도와 선형 분류기"},
        reference="Salton and Buckley (1988). Term-weighting approaches in automatic text retrieval. doi:10.1016/0306-4573(88)90021-0",
        experiment=0,
    )

    def fit(self, texts: Sequence[tuple[str, ...]], targets: np.ndarray, num_classes: int, seed: int) -> None:
        """Count, weigh, regress; classes absent from ``targets`` never happen, because labels come from train."""
        from sklearn.linear_model import LogisticRegression

        joined = _joined(texts)
        pieces = self.config.pieces
        if pieces == "auto":
            letters = [c for text in joined for c in text if c.isalpha()]
            korean = sum("가" <= c <= "힣" for c in letters) >= HANGUL_SHARE * max(1, len(letters))
            pieces = "characters" if korean else "words"
        self.pieces = pieces
        self.vectoriser = _vectoriser(pieces)
        counts = self.vectoriser.fit_transform(joined)
        model = LogisticRegression(C=self.config.C, max_iter=2000).fit(counts, targets)
        weights, bias = model.coef_, model.intercept_
        if num_classes == 2:
            weights, bias = np.vstack([-weights / 2, weights / 2]), np.array([-bias[0] / 2, bias[0] / 2])
        self.weights = np.ascontiguousarray(weights, dtype=np.float32)
        self.bias = np.ascontiguousarray(bias, dtype=np.float32)

    def logits(self, texts: Sequence[tuple[str, ...]]) -> np.ndarray:
        """Linear scores of the counts."""
        scores: np.ndarray = self.vectoriser.transform(_joined(texts)) @ self.weights.T + self.bias
        return scores.astype(np.float32)

    def num_parameters(self) -> int:
        """Weights and biases of the regression."""
        return int(self.weights.size + self.bias.size)

    def save(self, folder: Path) -> None:
        """Vocabulary as JSON, numbers as safetensors; nothing pickled."""
        from safetensors.numpy import save_file

        pieces = {piece: int(column) for piece, column in self.vectoriser.vocabulary_.items()}
        described = {"pieces": self.pieces, "vocabulary": pieces}
        (folder / "tfidf.json").write_text(json.dumps(described, ensure_ascii=False), encoding="utf-8")
        save_file({"weights": self.weights, "bias": self.bias, "idf": self.vectoriser.idf_}, folder / "tfidf.safetensors")

    def load(self, folder: Path) -> None:
        """The vectoriser with its vocabulary and weights."""
        from safetensors.numpy import load_file

        described = json.loads((folder / "tfidf.json").read_text(encoding="utf-8"))
        numbers = load_file(folder / "tfidf.safetensors")
        self.pieces = described["pieces"]
        self.vectoriser = _vectoriser(self.pieces, described["vocabulary"])
        self.vectoriser.idf_ = numbers["idf"]
        self.weights, self.bias = numbers["weights"], numbers["bias"]


def _vectoriser(pieces: str, vocabulary: dict[str, int] | None = None) -> "TfidfVectorizer":
    from sklearn.feature_extraction.text import TfidfVectorizer

    if pieces == "characters":
        return TfidfVectorizer(analyzer="char_wb", ngram_range=(1, 4), sublinear_tf=True, vocabulary=vocabulary)
    return TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, vocabulary=vocabulary)


def _joined(texts: Sequence[tuple[str, ...]]) -> list[str]:
    return [" \n ".join(text) for text in texts]
