"""What upstream lacks where messages end, are tried again, or die."""

from __future__ import annotations

import functools
from typing import Any

from contract.messaging import test_settle, test_story
from contract.messaging.gaps.gap import FIRST, Gap


def _nack(channel: Any, tag: int) -> None:
    channel.basic_nack(tag, requeue=False)


def _give_back(channel: Any, tag: int) -> None:
    channel.basic_nack(tag)


_refused = functools.partial(test_settle.test_a_refused_message_is_an_error, operation="nack", refuse=_nack)
_given_back = functools.partial(
    test_settle.test_a_returned_message_comes_again,
    operation="nack",
    refuse=_give_back,
    requeued=("requeue", "UNSET", None),
)

ENDED: tuple[Gap, ...] = (
    Gap(
        gap="Work handed to a thread is longer than its span",
        scenario=test_settle.test_an_ack_from_another_thread_is_in_the_messages_trace,
        adapter="blocking",
        since=FIRST,
        reason=r"^the span was over before the work",
    ),
    Gap(
        gap="A message refused without an exception looks like a success",
        scenario=_refused,
        adapter="blocking",
        since=FIRST,
        reason=r"^a refused message looks like a success",
    ),
    Gap(
        gap="Settlements are not traced",
        scenario=test_settle.test_an_ack_is_a_span_if_asked_for,
        adapter="blocking",
        since=FIRST,
        reason=r"^no settle span",
    ),
    Gap(
        gap="A dead letter tells nothing of its history (x-death)",
        scenario=test_story.test_a_dead_letter_knows_its_history,
        adapter="blocking",
        since=FIRST,
        reason=r"^nothing is told of the dead letter's history",
    ),
    Gap(
        gap="A span ends with its callback, though the message is not settled",
        scenario=test_settle.test_a_multiple_ack_ends_every_span,
        adapter="blocking",
        since=FIRST,
        reason=r"^assert \[<.*\] == \[\]",
    ),
    Gap(
        gap="A message that its channel was closed over looks like a success",
        scenario=test_settle.test_closing_before_the_ack_ends_the_span,
        adapter="blocking",
        since=FIRST,
        reason=r"^assert \(None, 'UNSET', None\) == \('channel_clo",
    ),
    Gap(
        gap="A message that is given back leaves no span of that",
        scenario=_given_back,
        adapter="blocking",
        since=FIRST,
        reason=r"^no settle span",
    ),
    Gap(
        gap="The attempts at a message are unrelated siblings",
        scenario=test_story.test_an_attempt_is_linked_to_the_one_before,
        adapter="blocking",
        since=FIRST,
        reason=r"^the attempts are unrelated",
    ),
    Gap(
        gap="A replay is not linked to the creation of what it sends again",
        scenario=test_story.test_a_replayed_message_links_to_both,
        adapter="blocking",
        since=FIRST,
        reason=r"^no link from a replay to the creation",
    ),
    Gap(
        gap="The delay of a retry is not told",
        scenario=test_story.test_a_delayed_retry_stays_in_the_trace,
        adapter="blocking",
        since=FIRST,
        reason=r"^no span for the wait in the queue",
    ),
)
