"""The library as its owner sees it by way of HTTP, beside a model of it in plain lists: after any acts in any order, each list,
search, collection and sum shows exactly what it should.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tests.http_house import House
from tests.library_rows import REQUEST, finished
from tests.service import Customer
from tests.world import new_id

WORDS = ("fox", "snow", "boat", "東京", "🐈")
BEGIN = datetime(2026, 3, 1, 12, tzinfo=UTC)
CREDITS = 2
"""Of each generation."""
MARKS = {"favourite": ("favourite", True), "unfavourite": ("favourite", False), "trash": ("trashed", True)}
MARKS |= {"restore": ("trashed", False)}


@dataclass
class Kept:
    """A generation as it should be."""

    prompt: str
    kind: str
    favourite: bool = False
    trashed: bool = False
    erased: bool = False
    labels: dict[str, str] = field(default_factory=dict)


@dataclass
class Shelves:
    """`items`: the owner's order, the trash included."""

    kept: dict[str, Kept] = field(default_factory=dict)
    items: dict[str, list[str]] = field(default_factory=dict)
    covers: dict[str, str | None] = field(default_factory=dict)

    def matching(self, said: Mapping[str, Any]) -> list[str]:
        """Newest first."""
        return [id for id, one in reversed(self.kept.items()) if self._fits(id, one, said)]

    def _fits(self, id: str, one: Kept, said: Mapping[str, Any]) -> bool:
        return (
            not one.erased
            and one.trashed == said.get("trashed", False)
            and said.get("favourite") in (None, one.favourite)
            and said.get("kind") in (None, one.kind)
            and ("collection" not in said or id in self.items[said["collection"]])
            and ("q" not in said or set(said["q"].split()) <= set(one.prompt.split()))
        )

    def erase(self, id: str) -> None:
        self.kept[id] = Kept("", self.kept[id].kind, erased=True)
        for collection, items in self.items.items():
            self.take_out(collection, [id] if id in items else [])

    def take_out(self, collection: str, ids: Sequence[str]) -> None:
        self.items[collection] = [each for each in self.items[collection] if each not in ids]
        if self.covers[collection] in ids:
            self.covers[collection] = None

    def put(self, collection: str, id: str, behind: str | None) -> None:
        others = [each for each in self.items[collection] if each != id]
        at = others.index(behind) + 1 if behind else 0
        self.items[collection] = [*others[:at], id, *others[at:]]

    def collect(self, collection: str, ids: Sequence[str]) -> None:
        self.items[collection] += [id for id in dict.fromkeys(ids) if id not in self.items[collection]]


def library_machine(served: House) -> type[RuleBasedStateMachine]:
    """One customer each time it is played."""

    class Library(RuleBasedStateMachine):
        def __init__(self) -> None:
            super().__init__()
            self.who: Customer = served.customer(credits=0)
            self.model = Shelves()

        def ask(self, method: str, path: str, *statuses: int, **said: Any) -> httpx.Response:
            answer = served.client.request(method, path, headers=self.who.headers, **said)
            assert answer.status_code in statuses, (method, path, said, answer.status_code, answer.text)
            return answer

        def pages(self, path: str, limit: int, **said: Any) -> list[Any]:
            rows, after = list[Any](), None
            while True:
                page = served.get(self.who, path, limit=limit, **said, **({"after": after} if after else {}))
                rows += page["data"]
                after = page["next"]
                if not after:
                    return rows

        def one(self, data: st.DataObject, rather: Sequence[str] = ()) -> str:
            """Mostly one of those, now and then any, erased or nobody's."""
            return data.draw(st.sampled_from([*rather] * 4 + [*self.model.kept, str(new_id())]), "generation")

        def collection(self, data: st.DataObject) -> str:
            return data.draw(st.sampled_from(list(self.model.items)), "collection")

        def is_there(self, id: str) -> bool:
            return id in self.model.kept and not self.model.kept[id].erased

        def a_filter(self, data: st.DataObject) -> dict[str, Any]:
            asked = {
                "favourite": data.draw(st.sampled_from([None, None, True, False])),
                "kind": data.draw(st.sampled_from([None, None, "generate", "edit"])),
                "trashed": data.draw(st.sampled_from([None, None, True])),
                "q": data.draw(st.sampled_from([None, *WORDS, "fox snow", "boat 東京"])),
                "collection": data.draw(st.sampled_from([None, *self.model.items])),
            }
            return {name: value for name, value in asked.items() if value is not None}

        @initialize(kinds=st.lists(st.sampled_from(["generate", "edit"]), max_size=8), collections=st.integers(0, 2))
        def begin(self, kinds: list[str], collections: int) -> None:
            for number, kind in enumerate(kinds):
                self.create([WORDS[number % len(WORDS)], WORDS[number // 2]], kind)
            for _ in range(collections):
                self.make_collection()

        @rule(prompt=st.lists(st.sampled_from(WORDS), min_size=1, max_size=3), kind=st.sampled_from(["generate", "edit"]))
        def create(self, prompt: list[str], kind: str) -> None:
            at, said = BEGIN + timedelta(seconds=len(self.model.kept)), " ".join(prompt)
            (id,) = finished(served, self.who, 1, at, kind=kind, unit=CREDITS, request=REQUEST | {"prompt": said})
            self.model.kept[id] = Kept(said, kind)

        @rule()
        def make_collection(self) -> None:
            made = self.ask("POST", "/v1/collections", 201, json={"name": "boats"}).json()
            self.model.items[made["id"]], self.model.covers[made["id"]] = [], None

        @precondition(lambda self: self.model.kept)
        @rule(data=st.data(), favourite=st.booleans(), labels=st.dictionaries(st.sampled_from("ab"), st.just("x")))
        def change(self, data: st.DataObject, favourite: bool, labels: dict[str, str]) -> None:
            id, there = self.one(data), list(self.model.items)
            add = data.draw(st.lists(st.sampled_from(there), unique=True, max_size=2)) if there else []
            remove = [each for each in there if each not in add][:1]
            said = {"favourite": favourite, "metadata": labels, "collections": {"add": add, "remove": remove}}
            self.ask("PATCH", f"/v1/generations/{id}", 200 if self.is_there(id) else 404, json=said)
            if self.is_there(id):
                self.model.kept[id].favourite, self.model.kept[id].labels = favourite, labels
                for each in add:
                    self.model.collect(each, [id])
                for each in remove:
                    self.model.take_out(each, [id])

        @precondition(lambda self: self.model.items and self.model.kept)
        @rule(data=st.data(), where=st.sampled_from(["first", "last", "behind"]))
        def put(self, data: st.DataObject, where: str) -> None:
            id, collection = self.one(data), self.collection(data)
            items, there = self.model.items[collection], self.is_there(id)
            behind = data.draw(st.sampled_from(items)) if items and where == "behind" else None
            said: dict[str, Any] = {} if where == "last" else {"after": behind}
            expected = 404 if not there else 400 if behind == id else 204
            self.ask("PUT", f"/v1/collections/{collection}/items/{id}", expected, json=said)
            if expected == 204 and where == "last":
                self.model.collect(collection, [id])
            elif expected == 204:
                self.model.put(collection, id, behind)

        @precondition(lambda self: self.model.items and self.model.kept)
        @rule(data=st.data())
        def take_out(self, data: st.DataObject) -> None:
            collection = self.collection(data)
            id = self.one(data, self.model.items[collection])
            self.ask("DELETE", f"/v1/collections/{collection}/items/{id}", 204)
            self.model.take_out(collection, [id])

        @precondition(lambda self: self.model.items)
        @rule(data=st.data())
        def cover(self, data: st.DataObject) -> None:
            collection = self.collection(data)
            items = self.model.items[collection]
            chosen = data.draw(st.sampled_from([None, *self.model.kept] + items * 3))
            fits = chosen is None or chosen in self.model.items[collection]
            self.ask("PATCH", f"/v1/collections/{collection}", 200 if fits else 400, json={"cover": chosen})
            if fits:
                self.model.covers[collection] = chosen

        @precondition(lambda self: self.model.items)
        @rule(data=st.data())
        def remove_collection(self, data: st.DataObject) -> None:
            collection = self.collection(data)
            self.ask("DELETE", f"/v1/collections/{collection}", 204)
            self.ask("GET", f"/v1/collections/{collection}", 404)
            del self.model.items[collection], self.model.covers[collection]

        @precondition(lambda self: self.model.kept)
        @rule(data=st.data(), act=st.sampled_from(["trash", "restore", "trash", "restore", "purge"]))
        def move(self, data: st.DataObject, act: str) -> None:
            held = [id for items in self.model.items.values() for id in items]
            trashed = [id for id, one in self.model.kept.items() if one.trashed]
            id = self.one(data, trashed if act == "restore" else held)
            path, there = f"/v1/generations/{id}", self.is_there(id)
            if act == "restore":
                self.ask("POST", f"{path}/restore", 200 if there else 404)
            else:
                self.ask("DELETE", path + ("?purge=true" if act == "purge" else ""), 204 if there else 404)
            if there and act == "purge":
                self.model.erase(id)
            elif there:
                self.model.kept[id].trashed = act == "trash"

        @precondition(lambda self: self.model.kept)
        @rule(data=st.data(), act=st.sampled_from([*MARKS, "purge", "add_to_collection", "remove_from_collection"]))
        def act_on_many(self, data: st.DataObject, act: str) -> None:
            if "collection" in act and not self.model.items:
                return
            where = {"collection": self.collection(data)} if "collection" in act else {}
            said: dict[str, Any]
            if data.draw(st.booleans()):
                said = {"action": act, "filter": self.a_filter(data)}
                named = expected = self.model.matching(said["filter"])
            else:
                named = data.draw(
                    st.lists(st.sampled_from([*self.model.kept, str(new_id())]), min_size=1, max_size=4, unique=True)
                )
                atomic = act != "purge" and data.draw(st.booleans())
                expected, said = [id for id in named if self.is_there(id)], {"action": act, "ids": named, "atomic": atomic}
                if atomic and len(expected) < len(named):
                    self.ask("POST", "/v1/generations/bulk", 409, json=said | where)
                    return
            told = self.ask("POST", "/v1/generations/bulk", 200, json=said | where).json()["results"]
            outcomes = {row["id"]: row["outcome"] for row in told}
            assert outcomes == {id: "done" if id in expected else "not_found" for id in named}
            self._done(act, expected, where.get("collection", ""))

        def _done(self, act: str, ids: Sequence[str], collection: str) -> None:
            if act == "add_to_collection":
                self.model.collect(collection, ids)
            elif act == "remove_from_collection":
                self.model.take_out(collection, ids)
            for id in ids:
                if act == "purge":
                    self.model.erase(id)
                elif act in MARKS:
                    setattr(self.model.kept[id], *MARKS[act])

        @rule(data=st.data(), limit=st.sampled_from([1, 3, 100]))
        def look(self, data: st.DataObject, limit: int) -> None:
            asked = self.a_filter(data)
            assert [row["id"] for row in self.pages("/v1/generations", limit, **asked)] == self.model.matching(asked), asked

        @invariant()
        def the_list_is_right(self) -> None:
            rows = self.pages("/v1/generations", 100)
            assert [row["id"] for row in rows] == self.model.matching({})
            for row in rows:
                one = self.model.kept[row["id"]]
                assert (row["favourite"], row["metadata"]) == (one.favourite, one.labels)

        @invariant()
        def collections_are_right(self) -> None:
            told = {row["id"]: (row["items"], row["cover"]) for row in self.pages("/v1/collections", 2)}
            assert told == {id: (len(items), self.model.covers[id]) for id, items in self.model.items.items()}
            for id, items in self.model.items.items():
                shown = [row["id"] for row in self.pages(f"/v1/collections/{id}/items", 3)]
                assert shown == [each for each in items if not self.model.kept[each].trashed]

        def teardown(self) -> None:
            day = f"{BEGIN:%Y-%m-%d}"
            told, number = served.get(self.who, "/v1/statistics", first=day, last=day), len(self.model.kept)
            assert told["total"] == {"generations": number, "pictures": number, "credits": CREDITS * number}
            counted = {row["collection"]: row["pictures"] for row in told["collections"]}
            assert counted == {id: len(items) for id, items in self.model.items.items() if items}

    return Library
