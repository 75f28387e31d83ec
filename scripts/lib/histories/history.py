"""Reads a history (tests/histories/record.h) and makes of it, for each document, the
operations that the search takes; on the way it checks what can be checked line by line.
"""
import collections

from histories import register
from histories.register import (ABSENT, ANY, EQUAL, FOREVER, OTHER, PRESENT, PRESENT_OTHER,
                                Operation, look)

UNKNOWN = "unknown"  # a tag that no reply has shown


class Line:
    """A line's fields; the text for people is made when it is needed."""
    __slots__ = ("client", "start", "end", "kind", "name", "condition", "value", "status",
                 "doubt", "tag", "result", "index")

    def __init__(self, index, text):
        fields = text.split(" ")
        self.index = index
        self.client = fields[0]
        self.start, self.end = int(fields[1]), int(fields[2])
        self.kind, self.name, self.condition, self.value = fields[3:7]
        status = fields[7]
        self.doubt = status[-1] if status[-1] in "?!" else ""
        self.status = int(status.rstrip("?!"))
        self.tag = fields[8]
        self.result = " ".join(fields[9:])

    def text(self):
        words = {"get": "GET", "put": "PUT", "merge": "PATCH merge", "jq": "PATCH .n += 1,",
                 "delete": "DELETE", "list": "LIST", "bulk": "BULK"}
        parts = [words.get(self.kind, self.kind), self.name]
        if self.kind in ("put", "merge", "jq"):
            parts.append(f"{'w' if self.kind == 'put' else 'p'}={self.value}")
        if self.condition != "-":
            header = {"m": "If-Match", "n": "If-None-Match"}.get(self.condition[0])
            parts.append(f"{header}: {self.condition[1:]}" if self.kind != "list"
                         else f"after={self.condition}")
        if self.kind == "list" and self.value != "0":
            parts.append(f"limit={self.value}")
        parts.append("->")
        parts.append({0: "no answer"}.get(self.status, str(self.status)))
        if self.doubt == "?" and self.status:
            parts.append("(may have happened)")
        if self.tag != "-" and self.kind not in ("list", "bulk"):
            parts.append(f"tag {self.tag}")
        if self.kind in ("get", "merge", "jq") and self.result != "-":
            parts.append("n/p/w " + self.result)
        return " ".join(parts)


class Violation:
    """What was promised and not kept: kind, the document, and a text of several lines."""

    def __init__(self, kind, name, text):
        self.kind, self.name, self.text = kind, name, text

    def __str__(self):
        return f"{self.kind}: {self.name}: {self.text}"


def state_of(text):
    return tuple(map(int, text.split("/")))


class Document:
    """What concerns one document: operations with an answer, and those that may have
    happened; and which version is which state."""

    def __init__(self, name):
        self.name = name
        self.definite, self.optional = [], []
        self.tags, self.versions = {}, {}  # tag: state; state: tag

    def learn(self, tag, state, violations):
        """A tag stands for one content, and a content, which one write has made, has one
        tag."""
        if self.tags.setdefault(tag, state) != state:
            violations.append(Violation("a tag came back", self.name, f"the tag {tag} was "
                              f"given for {self.tags[tag]} and for {state} (n, p, w)"))
        if self.versions.setdefault(state, tag) != tag:
            violations.append(Violation("a write happened twice", self.name, f"the content "
                              f"{state} (n, p, w) had the tags {self.versions[state]} "
                              f"and {tag}"))


class History:
    def __init__(self, lines):
        self.documents = {}
        self.collections = collections.defaultdict(set)  # name: ids
        self.violations = []
        self.operations = 0
        self.statuses = collections.Counter()
        self.lists = self.items = 0
        parsed = [Line(at, text) for at, text in enumerate(lines)]
        for line in parsed:
            self.note(line)
        for line in parsed:
            getattr(self, "take_" + line.kind)(line)
        for document in self.documents.values():
            for one in document.optional:
                if one.kind == register.PUT:
                    one.hint = hint(document.versions.get((0, 0, one.value)))

    # ---- first: who is who

    def document(self, name):
        if name not in self.documents:
            self.documents[name] = Document(name)
            collection, key = name.split("/")
            self.collections[collection].add(key)
        return self.documents[name]

    def note(self, line):
        self.operations += 1
        self.statuses[f"{line.kind} {line.status}"] += 1
        if line.kind == "list":
            for item in line.result.split(",") if line.result != "-" else ():
                self.document(f"{line.name}/{item.split('=')[0]}")
            return
        if line.kind == "bulk":
            for item in line.value.split(","):
                self.document(f"{line.name}/{item.split('=')[0]}")
            return
        if line.kind == "wrong":
            return
        document = self.document(line.name)
        if line.doubt or line.tag == "-":
            return
        if line.kind == "put" and line.status in (200, 201):
            document.learn(line.tag, (0, 0, int(line.value)), self.violations)
        elif line.status == 200:
            document.learn(line.tag, state_of(line.result), self.violations)

    # ---- then: what each demands

    def take_wrong(self, line):
        self.violations.append(Violation("a wrong reply", line.name,
                                         f"{line.status}: {line.result}"))

    def tagged(self, document, line):
        """The state that the condition names."""
        return document.tags.get(line.condition[1:], UNKNOWN)

    def need(self, document, line):
        """What the condition demands for the operation to happen."""
        condition = line.condition
        if condition == "-":
            return (ANY, None)
        if condition == "m*":
            return (PRESENT, None)
        if condition == "n*":
            return (ABSENT, None)
        kind = EQUAL if condition[0] == "m" else OTHER
        return (kind, self.tagged(document, line))

    def refused(self, document, line):
        """What a 412 tells."""
        condition = line.condition
        if condition == "m*":
            return (ABSENT, None)
        if condition == "n*":
            return (PRESENT, None)
        if condition[0] == "n":
            return (EQUAL, self.tagged(document, line))
        # a missing document is 412 to a PUT, and 404 to others
        return (OTHER if line.kind == "put" else PRESENT_OTHER, self.tagged(document, line))

    def end_of(self, line):
        return line.end if line.end else FOREVER

    def add_look(self, document, line, need):
        document.definite.append(Operation(line.start, line.end, register.LOOK, need,
                                           text=line, client=line.client))

    def add(self, document, line, kind, **more):
        """An operation that succeeded, or of which nobody knows."""
        need = self.need(document, line)
        if line.doubt == "!":
            return
        if line.doubt == "?":
            document.optional.append(Operation(line.start, FOREVER, kind, need, text=line,
                                               client=line.client, value=more.get("value", 0)))
        else:
            document.definite.append(Operation(line.start, line.end, kind, need, text=line,
                                               client=line.client, **more))

    def take_get(self, line):
        document = self.document(line.name)
        if line.status == 200:
            self.add_look(document, line, (EQUAL, state_of(line.result)))
        elif line.status == 304:
            self.add_look(document, line, (EQUAL, self.tagged(document, line)))
        elif line.status == 404:
            self.add_look(document, line, (ABSENT, None))

    def take_refusal(self, document, line):
        """True where a condition did not hold, or the document was not there."""
        if line.status == 412:
            self.add_look(document, line, self.refused(document, line))
        elif line.status == 404:
            self.add_look(document, line, (ABSENT, None))
        return line.status in (404, 412)

    def take_put(self, line):
        document = self.document(line.name)
        if not self.take_refusal(document, line):
            self.add(document, line, register.PUT, value=int(line.value),
                     created=line.status == 201, hint=hint(line.tag))

    def take_patch(self, line, kind, value):
        document = self.document(line.name)
        if not self.take_refusal(document, line):
            result = state_of(line.result) if line.status == 200 else None
            self.add(document, line, kind, value=value, result=result, hint=hint(line.tag))

    def take_merge(self, line):
        self.take_patch(line, register.MERGE, int(line.value))

    def take_jq(self, line):
        self.take_patch(line, register.JQ, int(line.value))

    def take_delete(self, line):
        document = self.document(line.name)
        if not self.take_refusal(document, line):
            self.add(document, line, register.DELETE)

    # ---- several documents at once

    def take_bulk(self, line):
        """Each line is a PUT within the time of the whole; of two with one id the later
        wins."""
        failed = dict((int(one[:-1]), one[-1]) for one in line.result.split(",")
                      if one not in ("-", ""))
        earlier, whole = {}, line.status == 200
        items = line.value.split(",")
        if whole and int(line.tag) + len(failed) != len(items):
            self.violations.append(Violation("a wrong report", line.name, f"{line.tag} stored "
                                             f"and {len(failed)} failed of {len(items)}"))
        for number, item in enumerate(items, 1):
            key, value = item.split("=")
            doubt = failed.get(number, "") if whole else line.doubt
            if doubt == "!":
                continue
            document = self.document(f"{line.name}/{key}")
            one = Operation(line.start, FOREVER if doubt else line.end, register.PUT,
                            value=int(value), after=earlier.get(key), client=line.client,
                            text=f"BULK {document.name} w={value} -> "
                                 f"{'may be stored' if doubt else 'stored'}",
                            hint=hint(document.versions.get((0, 0, int(value)))))
            (document.optional if doubt else document.definite).append(one)
            if not doubt:
                earlier[key] = one

    def take_list(self, line):
        """A page shows each document as it was at some time within the request, and is the
        documents behind `after` up to the one that its Link names."""
        if line.status != 200:
            return
        self.lists += 1
        shown = [one.split("=") for one in line.result.split(",")] if line.result != "-" else []
        after = line.condition if line.condition != "-" else ""
        last = line.tag if line.tag != "-" else None
        keys = [key for key, _ in shown]
        self.items += len(keys)
        if keys != sorted(set(keys)) or any(key <= after for key in keys) or \
                (last is not None and (last <= after or any(key > last for key in keys))):
            self.violations.append(Violation(
                "a page out of order", line.name,
                f"after {after or 'nothing'} up to {last or 'the end'}: {' '.join(keys)}"))
            return
        states = {key: state_of(state) for key, state in shown}
        for key in self.collections[line.name]:
            if key <= after or (last is not None and key > last):
                continue
            state = states.get(key)
            document = self.documents[f"{line.name}/{key}"]
            document.definite.append(look(line.start, line.end, state, text=PageText(line, key,
                                          state), client=line.client))


class PageText:
    """What a page said of one document."""
    __slots__ = ("line", "key", "state")

    def __init__(self, line, key, state):
        self.line, self.key, self.state = line, key, state

    def text(self):
        said = "does not show it" if self.state is None else \
            "shows n/p/w " + "/".join(map(str, self.state))
        return f"{self.line.text()} {said}"


def hint(tag):
    """A version as a guess at a write's place."""
    return int(tag) if tag not in (None, "-") else None


def text_of(operation):
    """One line for people."""
    text = operation.text
    return text if isinstance(text, str) else text.text()
