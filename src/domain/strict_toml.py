"""TOML read strictly: a missing, misspelt, mistyped or superfluous key is an error that names file, table and key."""

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Self

from domain.limits import MAX_INTEGER


class CatalogueInvalid(ValueError):
    """The catalogue's files do not make a catalogue. Says where and why, to whoever wrote them."""


@dataclass(slots=True)
class Table:
    """One table of a file. What is read is ticked off; `finish` refuses what is left, here and in the tables read through this.

    Every method raises CatalogueInvalid.
    """

    file: str
    path: tuple[str, ...]
    content: Mapping[str, object]
    _read: set[str] = field(default_factory=set)
    _inner: dict[str, "Table"] = field(default_factory=dict)

    @classmethod
    def parse(cls, file: str, text: str) -> Self:
        try:
            return cls(file, (), tomllib.loads(text))
        except tomllib.TOMLDecodeError as error:
            raise CatalogueInvalid(f"{file}: {error}") from None

    def __contains__(self, key: str) -> bool:
        return key in self.content

    @property
    def name(self) -> str:
        return self.path[-1]

    def wrong(self, key: str, why: str) -> CatalogueInvalid:
        where = ".".join(f'"{part}"' if "." in part else part for part in self.path)
        return CatalogueInvalid(f"{self.file}: {f'[{where}] ' if where else ''}{key}: {why}")

    def integer(self, key: str, *, least: int = 0, most: int = MAX_INTEGER) -> int:
        return self._whole(key, self._take(key), least, most)

    def integers(self, key: str, *, least: int = 0) -> tuple[int, ...]:
        return tuple(self._whole(key, item, least, MAX_INTEGER) for item in self._list(key))

    def integer_rows(self, key: str, *, width: int, least: int = 0) -> tuple[tuple[int, ...], ...]:
        """A list of lists of `width` numbers each."""
        rows = []
        for row in self._list(key):
            if not isinstance(row, list) or len(row) != width:
                raise self.wrong(key, f"each row must be a list of {width} numbers")
            rows.append(tuple(self._whole(key, item, least, MAX_INTEGER) for item in row))
        return tuple(rows)

    def flag(self, key: str) -> bool:
        value = self._take(key)
        if not isinstance(value, bool):
            raise self.wrong(key, "must be true or false")
        return value

    def text(self, key: str) -> str:
        return self._words(key, self._take(key))

    def texts(self, key: str) -> tuple[str, ...]:
        words = tuple(self._words(key, item) for item in self._list(key))
        if len(set(words)) != len(words):
            raise self.wrong(key, "names something twice")
        return words

    def one_of(self, key: str, allowed: Sequence[str]) -> str:
        return self._known(key, self.text(key), allowed)

    def some_of(self, key: str, allowed: Sequence[str]) -> tuple[str, ...]:
        return tuple(self._known(key, word, allowed) for word in self.texts(key))

    def date(self, key: str) -> date:
        value = self._take(key)
        if not isinstance(value, date) or isinstance(value, datetime):
            raise self.wrong(key, "must be a date such as 2026-12-01, without quotes")
        return value

    def table(self, key: str) -> "Table":
        value = self._take(key)
        if not isinstance(value, dict):
            raise self.wrong(key, "must be a table")
        return self._inner.setdefault(key, Table(self.file, (*self.path, key), value))

    def tables(self, key: str) -> Iterator["Table"]:
        """The tables inside the table `key`, in the file's order."""
        outer = self.table(key)
        for name in outer.content:
            yield outer.table(name)

    def finish(self) -> None:
        for key in self.content:
            if key not in self._read:
                raise self.wrong(key, "is not known here")
        for inner in self._inner.values():
            inner.finish()

    def _take(self, key: str) -> object:
        self._read.add(key)
        if key not in self.content:
            raise self.wrong(key, "is missing")
        return self.content[key]

    def _list(self, key: str) -> list[object]:
        value = self._take(key)
        if not isinstance(value, list):
            raise self.wrong(key, "must be a list")
        return value

    def _whole(self, key: str, value: object, least: int, most: int) -> int:
        if not isinstance(value, int) or isinstance(value, bool):
            raise self.wrong(key, "must be a whole number")
        if not least <= value <= most:
            raise self.wrong(key, f"must be from {least} to {most}")
        return value

    def _words(self, key: str, value: object) -> str:
        if not isinstance(value, str) or not value:
            raise self.wrong(key, "must be a text in quotes, and not empty")
        return value

    def _known(self, key: str, word: str, allowed: Sequence[str]) -> str:
        if word not in allowed:
            raise self.wrong(key, f'"{word}" is not one of {", ".join(allowed)}')
        return word
