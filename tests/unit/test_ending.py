"""What ends the worker is said in words that help, wherever it comes from."""

from __future__ import annotations

import pytest
from aiokafka.errors import KafkaConnectionError, TopicAuthorizationFailedError, UnknownTopicOrPartitionError

from agents.errors import CartwheelError, Halted, Misconfigured, Unavailable
from agents.faust_engine.ending import explained
from schemas.codec import Undecodable


@pytest.mark.parametrize(
    ("raised", "ours"),
    [
        (Undecodable("state of schema version 9"), Misconfigured),
        (KafkaConnectionError("no brokers"), Unavailable),
        (UnknownTopicOrPartitionError(), Unavailable),
    ],
)
def test_what_is_not_a_defect_is_not_called_one(raised: Exception, ours: type[CartwheelError]) -> None:
    told = explained(raised)
    assert isinstance(told, ours)
    assert str(raised) in told.message


@pytest.mark.parametrize(
    "raised", [Halted("stop", next_step="look"), ValueError("a defect"), TopicAuthorizationFailedError("commands")]
)
def test_everything_else_stays_what_it_is(raised: Exception) -> None:
    assert explained(raised) is raised
