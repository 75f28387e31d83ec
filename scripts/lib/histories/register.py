"""One document as a register: what an operation on it demands and does.

A state is None (there is no document) or (n, p, w): the counter of programs, the number of
the last patch and the number of the PUT that made it (tests/histories/document.h). Since no
two writes have the same number, a state names the write that made it.
"""
IMPOSSIBLE = "impossible"  # no state: the operation cannot come here
FOREVER = float("inf")     # the end of what was never answered

# What a condition demands of the state: (kind, state).
ANY, ABSENT, PRESENT, EQUAL, OTHER, PRESENT_OTHER = range(6)


def holds(need, state):
    kind, value = need
    if kind == ANY:
        return True
    if kind == EQUAL:
        return state == value
    if kind == OTHER:
        return state != value
    if kind == PRESENT_OTHER:
        return state is not None and state != value
    return (state is None) == (kind == ABSENT)


# Kinds of operations: a look finds what it demands and changes nothing.
LOOK, PUT, MERGE, JQ, DELETE = range(5)
NAMES = ("look", "PUT", "PATCH (merge)", "PATCH (jq)", "DELETE")


class Operation:
    """start and end in ns; end is FOREVER where it may take effect at any time or never
    (then it is in the list of the optional ones)."""
    __slots__ = ("start", "end", "kind", "need", "value", "result", "created", "hint",
                 "after", "text", "client")

    def __init__(self, start, end, kind, need=(ANY, None), value=0, result=None, created=None,
                 hint=None, after=None, text="", client="?"):
        self.start, self.end, self.kind, self.need = start, end, kind, need
        self.value = value      # the number of a PUT or patch
        self.result = result    # the state that a patch has answered; None for unknown
        self.created = created  # True for 201, False for 200, None for unknown
        self.hint = hint        # the version that it has answered: a guess at the order
        self.after = after      # an operation that comes first: an earlier line of a bulk load
        self.text, self.client = text, client  # for people

    def is_look(self):
        return self.kind == LOOK

    def apply(self, state):
        """The state after it, or IMPOSSIBLE."""
        if not holds(self.need, state):
            return IMPOSSIBLE
        if self.kind == LOOK:
            return state
        if self.kind == PUT:
            if self.created is not None and self.created != (state is None):
                return IMPOSSIBLE
            return (0, 0, self.value)
        if state is None:
            return IMPOSSIBLE
        if self.kind == DELETE:
            return None
        counter, _, written = state
        new = (counter + (self.kind == JQ), self.value, written)
        return new if self.result in (None, new) else IMPOSSIBLE


def look(start, end, state, **more):
    """What a read has found."""
    return Operation(start, end, LOOK, (EQUAL, state) if state is not None else (ABSENT, None),
                     **more)
