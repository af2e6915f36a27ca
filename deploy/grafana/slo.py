"""Objectives (a stand-in until the rules land)."""

from __future__ import annotations

from board import Board


def board() -> Board:
    """Return the dashboard."""
    return Board("voxtrace-slo", "SLOs", "x", source="target_info")
