"""What the server keeps for one visitor of one tab: the run that is shown, and the session that can go on."""

from collections import OrderedDict
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from threading import Lock
from typing import Any
from uuid import uuid4

import regime
from regime.config import Config, Runnable
from regime.resources.limits import limits
from regime.sweep.sweep import Sweep
from regime.ui.run.examples import example
from regime.ui.run.frames import Feed
from regime.ui.run.runs import limited
from regime.ui.run.session import Rented, new_session
from regime.ui.run.slots import Turn, pool_of

Events = Iterator[dict[str, Any]]
Held = regime.Session | Rented | Sweep
ENDING = 2.0
"""Seconds that a run may take to end once the page was told that it has."""


class Shelf:
    """Paused sessions of all visitors; where they need more room than there is, those paused longest are let go."""

    def __init__(self) -> None:
        self._held: OrderedDict[str, tuple[regime.Session, int]] = OrderedDict()
        self._lock = Lock()

    def put(self, key: str, session: regime.Session, size: int) -> None:
        """Hold a session, and let go of those held longest where there is no more room.

        Args:
            key: to take it by.
            session: paused.
            size: bytes that it needs.
        """
        self.drop(key)
        with self._lock:
            self._held[key] = session, size
            gone = []
            while sum(size for _, size in self._held.values()) > limits().held_bytes:
                gone.append(self._held.popitem(last=False)[1][0])
        for each in gone:
            each.close()

    def get(self, key: str) -> regime.Session | None:
        """Return a held session, which stays held; None where there is none."""
        with self._lock:
            return self._held.get(key, (None, 0))[0]

    def take(self, key: str) -> regime.Session | None:
        """Return a held session, which is then held no longer; None where there is none."""
        with self._lock:
            return self._held.pop(key, (None, 0))[0]

    def drop(self, key: str) -> None:
        """Let go of a session that nobody comes back to."""
        if session := self.take(key):
            session.close()


SHELF = Shelf()


@dataclass(frozen=True)
class Plan:
    """What a press runs: whether a paused run begins again, and measurements after which it pauses; None: at its end."""

    config: Runnable
    fresh: bool = False
    ahead: int | None = None
    against: Runnable | None = None
    """A configuration to run and pin before."""


class Visit:
    """One visitor's tab, where only the newest press counts: a run that an older press began is paused at its next event."""

    def __init__(self, kind: str) -> None:
        self.kind, self.board = kind, example(kind)
        self.key = uuid4().hex
        self.feed = Feed(self.key)
        self.turn = self.heard = 0
        self.against: Runnable | None = None
        """A configuration to run and pin before that of the newest press."""
        self.session: Held | None = None
        """That of the run that is shown, for its files; of a paused one the shelf has it, as long as there is room."""
        self._plan: Plan | None = None
        self._settles = False
        """Whether the page is still to be shown how the newest press ended: its run, once that was played, or a pause."""
        self._playing = Lock()

    def __deepcopy__(self, memo: dict[int, Any]) -> "Visit":
        """Return another visitor's: Gradio copies the one that it is built with, at a visitor's first event."""
        del memo
        return Visit(self.kind)

    def press(self, plan: Plan | None = None) -> int:
        """Count a press of a button, keep what it plans to run, if anything, and return the number that its run has to show."""
        self.turn += 1
        self._plan, self._settles = plan, plan is None
        self.against = plan.against if plan else None
        return self.turn

    def hears(self, asked: Mapping[str, Any]) -> bool:
        """Tell whether a request is to be answered: one that a newer one has overtaken on its way would undo that."""
        if asked.get("do") == "all" or not isinstance(number := asked.get("number"), int):
            return True
        newest, self.heard = self.heard, max(self.heard, number)
        return number >= newest

    def planned(self) -> tuple[Runnable, int, bool, int | None] | None:
        """Return what the newest press has planned, as `play` takes it, once."""
        plan, self._plan = self._plan, None
        return plan and (plan.config, self.turn, plan.fresh, plan.ahead)

    def holds(self, config: Config) -> bool:
        """Tell whether a run of a configuration is paused here."""
        return self.board.status == "paused" and self.board.config == config.to_dict()

    def play(
        self, config: Runnable, turn: int, fresh: bool = False, ahead: int | None = None, *, visitor: str | None = None
    ) -> Events:
        """Go on with a paused run of a configuration, or begin one, fold its events into the board and yield them.

        A run waits for a slot first. It ends with its last step, or is paused when a newer button is pressed. A paused run that
        was let go for room begins again, with the same numbers.

        Args:
            config: of the run.
            turn: number of the press that started it; nothing is run for any but the newest.
            fresh: whether a paused run begins again.
            ahead: measurements after step 0, or after the pause, at which the run is paused; None: not at all.
            visitor: who asks, so that nobody has two runs waiting.
        """
        with self._playing:
            try:
                if turn == self.turn and self.against:
                    yield from self._admitted(Plan(self.against, fresh=True), turn, visitor)
                    if turn == self.turn:
                        yield {"kind": "pinned"}
                if turn == self.turn:
                    yield from self._admitted(Plan(config, fresh, ahead), turn, visitor)
            finally:
                self._settles |= turn == self.turn

    def _admitted(self, plan: Plan, turn: int, visitor: str | None) -> Events:
        """Wait for a slot, and run what is planned in it."""
        with pool_of(plan.config).turn(visitor) as slot:
            for place in slot:
                yield place.to_dict()
                if turn != self.turn:
                    return
            yield from self._stream(plan, turn, slot)

    def _stream(self, plan: Plan, turn: int, slot: Turn) -> Events:
        """Run what the press `turn` has planned in its slot, and hold the session where it is paused."""
        config, ahead = plan.config, plan.ahead
        again = not plan.fresh and self.holds(config)
        session = SHELF.take(self.key) if again else None
        if session:
            self.board.status, self.session = "running", session
        elif ahead is not None:
            ahead += max(1, len(self.board.history)) if again else self.board.opening
        begun = session is not None
        session = session or new_session(config)
        try:
            with closing(limited(session.stream(ahead), slot, config.to_dict())) as events:
                for event in events:
                    if event["kind"] == "started":
                        SHELF.drop(self.key)  # what was paused before is shown no more
                        self.board, self.session = type(self.board)(config={}), session
                    begun |= event["kind"] == "started"
                    if begun and event["kind"] not in ("queued", "fetching"):  # what is shown stays until the run goes on
                        self.board.take(event)
                        self.feed.take(event, self.board)
                    if begun or event["kind"] != "progress":
                        yield event
                    if turn != self.turn:
                        break
        except Exception:
            self.board.stop()
            raise
        finally:
            if self.board.status == "running":
                self.board.status = "paused"
                if isinstance(session, regime.Session):
                    SHELF.put(self.key, session, self.board.started["estimate"]["bytes"])
                    self.session = None

    @contextmanager
    def resting(self) -> Iterator[tuple[bool, Held | None]]:
        """Keep the run that is shown from going on; yield whether it rests, and its session where there still is one."""
        if self.board.status == "finished":  # whatever waits or begins beside it
            yield True, self.session
            return
        rests = self._playing.acquire(timeout=0 if self.board.status == "running" else ENDING)
        try:
            yield rests, self.session or SHELF.get(self.key)
        finally:
            if rests:
                self._playing.release()

    def settled(self) -> bool:
        """Wait until no run goes on; return False if the newest press is not played yet, or was shown as it ended."""
        turn, settles, self._settles = self.turn, self._settles, False
        while settles and turn == self.turn:
            if self._playing.acquire(timeout=0.1):
                self._playing.release()
                return True
        return False
