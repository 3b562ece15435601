"""Reading what a step prints: messages become progress, notices and an outcome; the rest is the log's."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator

from appliance.contract.step_messages import Failure, Notice, Progress, Result, parse_message
from appliance.store.runs import RunStore

LONGEST_LINE = 1024 * 1024
"""A longer line is no message of ours; it is cut, so that a step cannot fill this process's memory."""
LONGEST_FOREIGN_LINE = 4_000
MOST_FOREIGN_LINES = 5_000
TAIL_LINES = 40
PROGRESS_EVERY_S = 1.0
EVENT_EVERY_S = 5.0


class StepOutput:
    """Collects one attempt's output. ``log`` is called with every line that people may read.

    ``clean_line`` cleans stray lines, one after the other: a value may go on over several.
    """

    def __init__(
        self,
        log: Callable[[str], None],
        clean: Callable[[str], str],
        clean_line: Callable[[str], str] | None = None,
    ) -> None:
        self.result: Result | None = None
        self.failure: Failure | None = None
        self.tail: deque[str] = deque(maxlen=TAIL_LINES)
        self._log = log
        self._clean = clean
        self._clean_line = clean_line or clean
        self._progress: dict[tuple[str | None, str | None], Progress] = {}
        self._notices: list[Notice] = []
        self._lock = threading.Lock()

    def read(self, chunks: Iterable[tuple[bytes | None, bytes | None]]) -> Iterator[Result | Failure]:
        """Take in (stdout, stderr) chunks until the stream ends; yields each outcome as it is read."""
        buffers = {0: b"", 1: b""}
        for chunk in chunks:
            for channel, data in enumerate(chunk):
                if not data:
                    continue
                *lines, rest = (buffers[channel] + data).split(b"\n")
                buffers[channel] = rest[:LONGEST_LINE]
                for line in lines:
                    if outcome := self._line(line, is_stdout=channel == 0):
                        yield outcome
        for channel, rest in buffers.items():
            if rest and (outcome := self._line(rest, is_stdout=channel == 0)):
                yield outcome

    def _line(self, raw: bytes, *, is_stdout: bool) -> Result | Failure | None:
        text = raw[:LONGEST_LINE].decode("utf-8", "replace").rstrip()
        message = parse_message(text) if is_stdout else None
        if isinstance(message, Progress):
            with self._lock:
                self._progress[(message.table, message.part)] = message
            if message.done and message.table:
                self._log(f"{message.table}: {message.rows:,} rows")
            return None
        if isinstance(message, Notice):
            with self._lock:
                self._notices.append(message)
            self._log(self._clean(message.text))
            return None
        if isinstance(message, Result):
            self.result = message
            return message
        if isinstance(message, Failure):
            self.failure = message
            return message
        if text:
            shown = self._clean_line(text)
            self.tail.append(shown)
            self._log(shown)
        return None

    def take(self) -> tuple[list[Progress], list[Notice]]:
        """What is new since the last call."""
        with self._lock:
            progress, self._progress = list(self._progress.values()), {}
            notices, self._notices = self._notices, []
        return progress, notices


class ForeignOutput(StepOutput):
    """Of a program that is not ours: every line is cleaned text, however much it looks like a message.

    What it prints must neither count as a step's word nor fill the disk.
    """

    def __init__(self, log: Callable[[str], None], clean_line: Callable[[str], str]) -> None:
        super().__init__(log, clean_line, clean_line)
        self._lines = 0

    def _line(self, raw: bytes, *, is_stdout: bool) -> None:  # noqa: ARG002
        text = raw[:LONGEST_FOREIGN_LINE].decode("utf-8", "replace").rstrip()
        if not text:
            return
        self._lines += 1
        shown = self._clean_line(text)
        self.tail.append(shown)
        if self._lines <= MOST_FOREIGN_LINES:
            self._log(shown)
        elif self._lines == MOST_FOREIGN_LINES + 1:
            self._log(f"It has printed {MOST_FOREIGN_LINES:,} lines; what follows is not logged.")


class ProgressKeeper:
    """Passes what a step said on to the run's store, not more often than anyone can look at it."""

    def __init__(self, store: RunStore | None, run_id: str, output: StepOutput) -> None:
        self._store = store
        self._run_id = run_id
        self._output = output
        self._next = 0.0
        self._next_event = time.monotonic() + EVENT_EVERY_S

    def pass_on(self, *, now: bool = False) -> None:
        """Write what is new, at most once a second unless ``now``. Never raises: a run goes on without it."""
        moment = time.monotonic()
        if moment < self._next and not now:
            return
        self._next = moment + PROGRESS_EVERY_S
        progress, notices = self._output.take()
        store = self._store
        if store is None or (not progress and not notices):
            return
        tell = moment >= self._next_event
        if tell:
            self._next_event = moment + EVENT_EVERY_S

        def write() -> None:
            if progress:
                store.progress(self._run_id, progress, tell=tell)
            for notice in notices:
                store.notice(self._run_id, notice.step, notice.text)

        store.attempt(write)
