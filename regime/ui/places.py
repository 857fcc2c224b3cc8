"""What a call's stream tells beside the events of its run: the place in the queue, and over plain HTTP the last event once."""

from weakref import WeakSet

from gradio.queueing import Event, Queue
from gradio.server_messages import EstimationMessage, EventMessage, ProcessGeneratingMessage

from regime.record.events import Queued


def tell_places(queue: Queue, names: tuple[str, ...]) -> None:
    """Send calls of the endpoints `names` a `queued` event when they begin to wait, and whenever the queue moves.

    Gradio's own clients take the first value of a stream whole, and of each later one its difference to the one before. The
    last value comes twice, as a part of the stream and as what the call returns; of these, plain HTTP is sent the second alone.
    """
    send, told = queue.send_message, WeakSet[Event]()

    def telling(event: Event, message: EventMessage) -> None:
        if event.fn.api_name in names and event.data is not None:
            plain = event.data.simple_format
            if isinstance(message, EstimationMessage) and (place := _place(queue, event, message)):
                data = [place.to_dict()]
                output = {"data": _replacing(data) if event in told else data, "is_generating": True}
                send(event, ProcessGeneratingMessage(output=output, success=True))
                if not plain:
                    told.add(event)
            elif isinstance(message, ProcessGeneratingMessage):
                data = message.output["data"]
                if plain and data[0]["kind"] == "finished":
                    return
                if event in told:
                    told.discard(event)
                    message = message.model_copy(update={"output": message.output | {"data": _replacing(data)}})
        send(event, message)

    setattr(queue, "send_message", telling)  # noqa: B010 - a method of one object, which type checkers do not let be assigned


def _replacing(data: list[dict[str, object]]) -> list[object]:
    """Return values as differences that replace all that was there."""
    return [[["replace", [], value]] for value in data]


def _place(queue: Queue, event: Event, message: EstimationMessage) -> Queued | None:
    """Return what to tell of an event's place; None where a slot is free for it."""
    slots = queue.event_queue_per_concurrency_id[event.concurrency_id]
    if slots.concurrency_limit is None or message.rank is None:
        return None
    place = message.rank + 1 - (slots.concurrency_limit - slots.current_concurrency)
    ends = message.rank_eta  # when the run would end; none where a kind that runs now has never ended
    wait = 0.0 if ends is None else ends - queue.process_time_per_fn[event.fn].avg_time
    return Queued(place=place, seconds=wait if wait > 0 else None) if place > 0 else None
