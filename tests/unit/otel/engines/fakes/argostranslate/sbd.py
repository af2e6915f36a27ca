"""Sentence splitters that load their model when they first need it."""

# The engine's names and signatures, which are not documented here.
# ruff: noqa: D101, D102

from __future__ import annotations


class Detector:
    def sentences(self, text: str) -> list[str]:
        return [sentence.strip() for sentence in text.split(".") if sentence.strip()]


class ISentenceBoundaryDetectionModel:
    def split_sentences(self, text: str) -> list[str]:
        raise NotImplementedError


class MiniSBDSentencizer(ISentenceBoundaryDetectionModel):
    def __init__(self, pkg: object) -> None:
        self.pkg = pkg
        self.detector: Detector | None = None

    def lazy_detector(self) -> Detector:
        if self.detector is None:
            self.detector = Detector()
        return self.detector

    def split_sentences(self, text: str) -> list[str]:
        return self.lazy_detector().sentences(text)


class StanzaSentencizer(ISentenceBoundaryDetectionModel):
    def __init__(self, pkg: object) -> None:
        self.pkg = pkg
        self.stanza_pipeline: Detector | None = None

    def lazy_pipeline(self) -> Detector:
        if self.stanza_pipeline is None:
            self.stanza_pipeline = Detector()
        return self.stanza_pipeline

    def split_sentences(self, text: str) -> list[str]:
        return self.lazy_pipeline().sentences(text)
