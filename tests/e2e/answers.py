"""What Prometheus answers to the expressions of dashboards and rules, and which traces are shown beside."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable
from typing import Any

import httpx

from rules.expressions import Expression, needs

#: Long enough for any stack that a test has run.
PAST = 3 * 3600
#: What is true for a second only may be the news.
STEP = 1


class Answers:
    """
    Asks one Prometheus.

    Args:
        url: its address.
        web: asks over connections that it keeps.
        met: what has been brought about, of conditions.yaml.
    """

    def __init__(self, url: str, web: httpx.Client, *, met: Iterable[str] = ()) -> None:
        self._url = url
        self._web = web
        self._met = set(met)

    def missing(self, expression: Expression) -> str | None:
        """What is wrong with an answer; nothing where it has data, or is not to have any yet."""
        wanted = needs(expression.plain) | ({"alert"} if expression.alerts else set())
        found = self._rows("query", query=expression.plain)
        if not _numbers(found):
            # A moment ago there was something, perhaps: a graph shows the past, too.
            now = time.time()
            found = self._rows("query_range", query=expression.plain, start=now - PAST, end=now, step=STEP)
        return "no data" if wanted <= self._met and not _numbers(found) else None

    def rules(self) -> list[Expression]:
        """The rules as this Prometheus runs them, perhaps at another pace than they are written."""
        return [
            Expression(
                where=f"{group['name']} / {rule['name']} {number}",
                text=rule["query"],
                alerts=rule["type"] == "alerting",
            )
            for group in self._get("rules")["groups"]
            for number, rule in enumerate(group["rules"])
        ]

    def exemplars(self, expression: Expression) -> set[str]:
        """Return the traces that are shown as dots beside an expression."""
        now = time.time()
        found = self._get("query_exemplars", query=expression.plain, start=now - PAST, end=now + 60)
        return {exemplar["labels"]["trace_id"] for series in found for exemplar in series["exemplars"]}

    def _rows(self, path: str, **asked: str | float) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = self._get(path, **asked)["result"]
        return rows

    def _get(self, path: str, **asked: str | float) -> Any:
        answer = self._web.get(f"{self._url}/api/v1/{path}", params=asked)
        assert answer.status_code == 200, f"{asked}: {answer.text}"
        return answer.json()["data"]


def _numbers(rows: list[Any]) -> bool:
    """Say whether anything in an answer is a number: a quantile of nothing is none."""
    values = [
        pair[1] for row in rows if isinstance(row, dict) for pair in row.get("values", [row.get("value")])
    ]
    return any(not math.isnan(float(value)) for value in values)
