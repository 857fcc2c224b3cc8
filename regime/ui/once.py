"""What plain HTTP is told of a run: its last event once, as what the call returns, not as a part of the stream, too."""

from gradio.queueing import Event, Queue
from gradio.server_messages import EventMessage, ProcessGeneratingMessage


def tell_once(queue: Queue, names: tuple[str, ...]) -> None:
    """Leave `finished` out of the streams of the endpoints `names` over plain HTTP, whose last message holds it again."""
    send = queue.send_message

    def telling(event: Event, message: EventMessage) -> None:
        plain = event.fn.api_name in names and event.data is not None and event.data.simple_format
        last = isinstance(message, ProcessGeneratingMessage) and plain and message.output["data"][0]["kind"] == "finished"
        if not last:
            send(event, message)

    setattr(queue, "send_message", telling)  # noqa: B010 - a method of one object, which type checkers do not let be assigned
