"""Messages survive any cutting of the stream; damage is noticed."""

import os
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from automl.errors import NotCanonical
from automl.execution.wire import Inbox, frame, receive, send

messages = st.lists(st.dictionaries(st.text(max_size=4), st.integers() | st.text(max_size=9)), max_size=4)


@given(messages, st.lists(st.integers(0, 400)))
def test_messages_arrive_whole_however_the_stream_is_cut(sent: list[dict[str, object]], cuts: list[int]) -> None:
    stream = b"".join(frame(message) for message in sent)  # type: ignore[arg-type]
    inbox, got = Inbox(max_bytes=10_000), []
    places = sorted({0, len(stream), *(cut for cut in cuts if cut < len(stream))})
    for begin, end in pairwise(places):
        inbox.feed(stream[begin:end])
        while (message := inbox.take()) is not None:
            got.append(message)
    assert got == sent


def test_message_over_the_limit_is_refused_before_it_is_read() -> None:
    inbox = Inbox(max_bytes=10)
    inbox.feed(frame({"text": "x" * 100})[:8])
    with pytest.raises(NotCanonical, match="at most 10"):
        inbox.take()


def test_noise_is_refused() -> None:
    inbox = Inbox(max_bytes=10)
    inbox.feed((3).to_bytes(8, "big") + b"\xff{]")
    with pytest.raises(NotCanonical):
        inbox.take()


def test_end_of_the_pipe_is_the_end_even_in_the_middle_of_a_message() -> None:
    reading, writing = os.pipe()
    send(writing, frame({"n": 1}) + frame({"n": 2})[:-1])
    os.close(writing)
    inbox = Inbox(max_bytes=100)
    assert receive(reading, inbox) == {"n": 1}
    assert receive(reading, inbox) is None
    os.close(reading)
