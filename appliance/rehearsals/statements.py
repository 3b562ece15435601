"""The statements of a migration's files, divided as psql divides them (PostgreSQL's ``psqlscan.l``)."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from appliance.errors import WrongRequestError

SHOWN_LONGEST = 120
_WORD = re.compile(r"[A-Za-z_\u0080-\U0010ffff][\w$]*")
_DOLLAR = re.compile(r"\$(?:[A-Za-z_\u0080-\U0010ffff][A-Za-z0-9_\u0080-\U0010ffff]*)?\$")
_BLOCK_MARK = re.compile(r"/\*|\*/")
STANDARD_INPUT = "-"
_NEXT = "Write it as SQL, which any program can send to a server."


@dataclass(frozen=True)
class Statement:
    """One statement, as it goes to the server."""

    file: str
    line: int
    """Where it begins, from 1."""
    column: int
    """And where in that line, from 0."""
    text: str
    words: tuple[str, ...]
    """Its words outside quotes, in lower case, those in double quotes as they are."""
    literals: tuple[str, ...]
    """What stands in quotes: texts, and the bodies of functions."""
    shown: str
    """On one line, without comments and without what stands in quotes."""

    @property
    def place(self) -> str:
        """``file:line``."""
        return f"{self.file}:{self.line}"


def read_text(file: Path) -> str:
    """The text of a file, ``-`` for standard input. Raises WrongRequestError for one that is no text."""
    try:
        content = sys.stdin.buffer.read() if str(file) == STANDARD_INPUT else file.read_bytes()
    except OSError as error:
        raise WrongRequestError(
            f"{file} cannot be read: {error.strerror or type(error).__name__}.", "", "Name a file of SQL."
        ) from None
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise WrongRequestError(
            f"{file}:{line} is not UTF-8.",
            "A rehearsal reads files of that encoding only.",
            f"iconv -f LATIN1 -t UTF-8 {file}",
        ) from None
    if "\0" in text:
        raise WrongRequestError(
            f"{file} holds a zero byte.", "Neither PostgreSQL nor psql takes it as SQL.", f"file {file}"
        )
    return text


def split_statements(text: str, file: str) -> Iterator[Statement]:
    """Each statement of ``text`` in turn; what holds only comments is none. Raises WrongRequestError."""
    position, line = 0, 1
    while position < len(text):
        piece = _Piece(text, position, file, position, line)
        position = piece.read()
        line += text.count("\n", piece.start, position)
        if piece.began is not None:
            yield piece.statement(position)


@dataclass
class _Piece:
    """One statement while it is read."""

    text: str
    at: int
    file: str
    start: int
    first_line: int
    """Of ``start``, so that no piece counts the lines before it again."""
    began: int | None = None
    words: list[str] = field(default_factory=list)
    literals: list[str] = field(default_factory=list)
    shown: list[str] = field(default_factory=list)
    parentheses: int = 0
    blocks: int = 0
    """How deep in BEGIN ATOMIC … END: semicolons there end no statement."""

    def read(self) -> int:
        """Read up to behind its semicolon, or to the end of the text; where that is."""
        while self.at < len(self.text):
            if self._skipped():
                continue
            if self.text[self.at] == ";" and self.parentheses <= 0 and self.blocks == 0:
                return self.at + 1
            if self.began is None:
                self.began = self.at
            self._take()
        return self.at

    def statement(self, end: int) -> Statement:
        """What was read."""
        assert self.began is not None  # noqa: S101 - only then is there one
        text = self.text[self.began : end].removesuffix(";").rstrip()
        shown = " ".join("".join(self.shown).split())
        return Statement(
            file=self.file,
            line=self._line(self.began),
            column=self.began - (self.text.rfind("\n", 0, self.began) + 1),
            text=text,
            words=tuple(self.words),
            literals=tuple(self.literals),
            shown=shown if len(shown) <= SHOWN_LONGEST else shown[: SHOWN_LONGEST - 1] + "…",
        )

    def _line(self, position: int) -> int:
        return self.first_line + self.text.count("\n", self.start, position)

    def _skipped(self) -> bool:
        """Whether white space or a comment was passed over."""
        text, at = self.text, self.at
        if text[at].isspace():
            self.at += 1
        elif text.startswith("--", at):
            end = text.find("\n", at)
            self.at = len(text) if end < 0 else end
        elif text.startswith("/*", at):
            self.at = self._behind_comment()
        else:
            return False
        self.shown.append(" ")
        return True

    def _behind_comment(self) -> int:
        depth = 0
        for mark in _BLOCK_MARK.finditer(self.text, self.at):
            depth += 1 if mark[0] == "/*" else -1
            if depth == 0:
                return mark.end()
        raise self._unfinished("A comment", self.at)

    def _take(self) -> None:
        """What stands here: a word, something in quotes, a character."""
        character = self.text[self.at]
        if character in "'\"":
            self._quoted(character, escapes=False)
        elif character == "$" and (mark := _DOLLAR.match(self.text, self.at)):
            self._dollars(mark[0])
        elif word := _WORD.match(self.text, self.at):
            self.at = word.end()
            if word[0] in "eE" and self.text.startswith("'", self.at):
                self._quoted("'", escapes=True)
                return
            self.shown.append(word[0])
            self._word(word[0].lower())
        elif character == "\\":
            raise WrongRequestError(
                f"{self.file}:{self._line(self.at)} holds a backslash: a command of psql.",
                "What begins with a backslash is for psql, and a rehearsal sends statements to the server.",
                _NEXT,
            )
        else:
            self.parentheses += {"(": 1, ")": -1}.get(character, 0)
            self.shown.append(character)
            self.at += 1

    def _word(self, word: str) -> None:
        self.words.append(word)
        if self.parentheses or not _makes_routine(self.words):
            return
        if word == "begin" or (word == "case" and self.blocks):
            self.blocks += 1
        elif word == "end" and self.blocks:
            self.blocks -= 1

    def _quoted(self, quote: str, *, escapes: bool) -> None:
        start = self.at + 1
        end = start
        while True:
            if end >= len(self.text):
                raise self._unfinished("What stands in quotes", self.at)
            if escapes and self.text[end] == "\\":
                end += 2
            elif self.text[end] != quote:
                end += 1
            elif self.text.startswith(quote, end + 1):
                end += 2
            else:
                break
        inside = self.text[start:end].replace(quote * 2, quote)
        self.at = end + 1
        if quote == '"':
            self.words.append(inside)
            self.shown.append(f'"{inside}"')
        else:
            self.literals.append(inside)
            self.shown.append("'…'" if inside else "''")

    def _dollars(self, mark: str) -> None:
        start = self.at + len(mark)
        end = self.text.find(mark, start)
        if end < 0:
            raise self._unfinished(f"What begins with {mark}", self.at)
        self.literals.append(self.text[start:end])
        self.shown.append("$$…$$")
        self.at = end + len(mark)

    def _unfinished(self, what: str, position: int) -> WrongRequestError:
        return WrongRequestError(
            f"{self.file}:{self._line(position)}: {what} has no end.",
            "The file ends first.",
            "Mend the file.",
        )


def _makes_routine(words: list[str]) -> bool:
    rest = words[1:]
    if rest[:2] == ["or", "replace"]:
        rest = rest[2:]
    return words[0] == "create" and rest[:1] in (["function"], ["procedure"])
