"""Is there an order of these operations that explains all they answered?

The search of Wing and Gong with Lowe's memory: take an operation that may come next (none
that is still to come had ended before it began), see whether the document as it is now
allows its answer, go on; where nothing fits, go back. Configurations that were seen are not
tried again: which operations are done, and the state.

What keeps it fast:
- A look (a read, a failed condition) that fits now is taken at once. It changes nothing, so
  whatever order there is, there is one with this look here. (Not where a failover could
  still come before it.)
- Writes are tried in the order of their versions, which is mostly the right one.
- Optional operations (nobody knows whether they happened) come last. Those whose effect
  nobody has seen are alike: of those that do the same, only the first is tried. And one must
  matter: what comes next must find something else than it would have found without it.

A failover of Redis may lose the last writes. A document may then go back, once for each
failover, to a state that it had before; what is lost is in the answer.
"""
import random
import time

from histories.register import ANY, DELETE, EQUAL, FOREVER, IMPOSSIBLE, JQ, LOOK, MERGE, PUT, \
    Operation

FOUND, NONE, UNDECIDED = "found", "none", "undecided"
BUDGET = 100_000  # branches, after which it is not decided
NOTHING = "nothing"

_BITS = random.Random(1)
_NUMBERS = []  # 128 random bits for each operation: a set of them is their exclusive or


def _number(at):
    while len(_NUMBERS) <= at:
        _NUMBERS.append(_BITS.getrandbits(128))
    return _NUMBERS[at]


class Answer:
    """order: the operations as they may have happened; lost: [(operation, failover)] of
    acknowledged writes that a failover undid."""

    def __init__(self, verdict, order=(), lost=()):
        self.verdict, self.order, self.lost = verdict, list(order), list(lost)


def seen_numbers(operations):
    """The numbers of writes that some answer shows."""
    seen = set()
    for one in operations:
        for state in (one.need[1], one.result):
            if isinstance(state, tuple):
                seen.update(state[1:])
    return seen


class Rollback:
    """In an order: the document is again as it was at that place."""

    def __init__(self, number, state, from_length):
        self.number, self.state, self.from_length = number, state, from_length


class Search:
    def __init__(self, definite, optional, failovers, budget):
        self.operations = [None, *sorted(definite, key=lambda one: (one.start, one.end))]
        count = len(self.operations)
        self.next = [*range(1, count), 0]
        self.previous = [count - 1, *range(count - 1)]
        self.optional = sorted(optional, key=lambda one: one.start)
        self.failovers = failovers  # [(start, end)]
        self.budget = budget
        seen = seen_numbers([*definite, *optional])
        self.signatures = [self.signature(one, seen) for one in self.optional]
        numbers = {id(one): at for at, one in enumerate([*self.operations[1:], *self.optional])}
        self.before = {at: numbers.get(id(one.after))
                       for at, one in enumerate([*self.operations[1:], *self.optional])
                       if one.after is not None}
        # the configuration
        self.state = None
        self.done = 0            # of definite operations, by their numbers
        self.used = set()        # places of optional ones
        self.order = []          # numbers of definite, ~places of optional ones, Rollbacks
        self.states = [None]     # after each entry of the order
        self.failover = 0        # those before it cannot be used any more
        self.last_start = 0
        self.seen_states = 0
        self.without = NOTHING   # the state before an optional one that was taken just now

    @staticmethod
    def signature(one, seen):
        """The same for optional operations that nobody can tell apart."""
        if one.kind in (PUT, MERGE, JQ) and one.value in seen:
            return None
        return (one.kind, one.need, id(one.after) if one.after else None)

    # ---- one step

    def put_state(self, entry, state):
        self.state = state
        self.order.append(entry)
        self.states.append(state)
        if self.failovers:
            self.seen_states ^= hash((state, "state"))

    def take(self, at):
        """A definite operation happens."""
        one = self.operations[at]
        after, before = self.next[at], self.previous[at]
        self.next[before], self.previous[after] = after, before
        self.done ^= _number(at)
        if one.start > self.last_start:
            self.last_start = one.start
        return one

    def give_back(self, at):
        self.next[self.previous[at]] = self.previous[self.next[at]] = at
        self.done ^= _number(at)

    def is_done(self, number):
        """Of an operation of either list, by its number there."""
        count = len(self.operations) - 1
        if number is None:
            return True
        if number >= count:  # one that may never have happened holds up nobody
            return True
        at = number + 1
        return self.next[self.previous[at]] != at

    def may_come(self, number):
        return number not in self.before or self.is_done(self.before[number])

    def last_way_back(self):
        """Once something is taken that began later, a failover cannot come any more."""
        return min((end for _, end in self.failovers[self.failover:]
                    if end >= self.last_start), default=FOREVER)

    def take_looks(self):
        """Takes what fits and changes nothing. Returns the numbers of what may come next,
        and until when it must."""
        operations, following = self.operations, self.next
        at, until, state, writes = following[0], FOREVER, self.state, []
        limit = self.last_way_back() if self.failovers else FOREVER
        while at:
            one = operations[at]
            if one.start > until:
                break
            if one.kind == LOOK and one.start <= limit:
                kind, value = one.need
                if (state == value if kind == EQUAL else one.apply(state) is not IMPOSSIBLE):
                    self.take(at)
                    self.order.append(at)
                    self.states.append(state)
                    self.without = NOTHING
                    at = following[at]
                    continue
            else:
                writes.append(at)  # or a look behind a failover
            if one.end < until:
                until = one.end
            at = following[at]
        return writes, until

    # ---- what may come next

    def fits(self, one, number):
        """Whether it may come now. What would do the same if the optional one before it
        had not happened is left to the order without that one."""
        if not self.may_come(number):
            return False
        state = one.apply(self.state)
        return state is not IMPOSSIBLE and \
            (self.without is NOTHING or one.apply(self.without) != state)

    def choices(self, writes, until):
        found = [(self.operations[at].hint or 0, at) for at in writes
                 if self.fits(self.operations[at], at - 1)]
        tried = set()
        for place, one in enumerate(self.optional):
            if one.start > until:
                break
            signature = self.signatures[place]
            if place in self.used or signature in tried or \
                    not self.fits(one, len(self.operations) - 1 + place):
                continue
            if signature is not None:
                tried.add(signature)
            found.append((one.hint or FOREVER, ~place))
        found.sort(key=lambda pair: pair[0])
        return [entry for _, entry in found] + \
            (self.rollbacks(until) if self.without is NOTHING else [])

    def rollbacks(self, until):
        found = []
        for number in range(self.failover, len(self.failovers)):
            start, end = self.failovers[number]
            if start > until or self.last_start > end:
                continue
            tried = {self.state}
            for length in range(len(self.states) - 1, -1, -1):
                state = self.states[length]
                if state not in tried:
                    tried.add(state)
                    found.append(Rollback(number, state, length))
        return found

    def follow(self, entry):
        self.without = NOTHING
        if isinstance(entry, Rollback):
            self.failover = entry.number + 1
            self.put_state(entry, entry.state)
        elif entry < 0:
            self.used.add(~entry)
            self.without = self.state
            self.put_state(entry, self.optional[~entry].apply(self.state))
        else:
            one = self.operations[entry]
            state = one.apply(self.state)
            self.take(entry)
            self.put_state(entry, state)

    # ---- there and back

    def save(self):
        return (len(self.order), self.state, self.failover, self.last_start, self.seen_states)

    def restore(self, saved):
        length, self.state, self.failover, self.last_start, self.seen_states = saved
        while len(self.order) > length:
            entry = self.order.pop()
            self.states.pop()
            if isinstance(entry, Rollback):
                continue
            if entry < 0:
                self.used.discard(~entry)
            else:
                self.give_back(entry)

    def key(self):
        return (self.done, frozenset(self.used) if self.used else None, self.state,
                self.without, self.failover, self.seen_states)

    def run(self):
        known, frames = set(), []
        while True:
            writes, until = self.take_looks()
            if not self.next[0]:
                return self.answer()
            key = self.key()
            choices = []
            if key not in known:
                known.add(key)
                choices = self.choices(writes, until)
                if len(known) > self.budget:
                    return Answer(UNDECIDED)
            frames.append((self.save(), choices, [0]))
            while frames:
                saved, choices, at = frames[-1]
                if at[0] < len(choices):
                    break
                frames.pop()
            if not frames:
                return Answer(NONE)
            self.restore(saved)
            self.follow(choices[at[0]])
            at[0] += 1

    def answer(self):
        order, lost = [], []
        for at, entry in enumerate(self.order):
            if isinstance(entry, Rollback):
                lost += [(self.operations[one], entry.number)
                         for one in self.order[entry.from_length:at]
                         if not isinstance(one, Rollback) and one > 0 and
                         not self.operations[one].is_look()]
            else:
                order.append(self.operations[entry] if entry > 0 else self.optional[~entry])
        return Answer(FOUND, order, lost)


def search(definite, optional=(), failovers=(), budget=BUDGET):
    return Search(definite, optional, failovers, budget).run()


# ---- a small part that cannot be explained either

def _as_optional(one):
    return Operation(one.start, FOREVER, one.kind, one.need, one.value, None, None, one.hint,
                     None, one.text, one.client)


def _until(definite, optional, end):
    """What was known at that time."""
    kept = [one for one in definite if one.end <= end]
    cut = [_as_optional(one) for one in definite if one.end > end >= one.start and
           not one.is_look()]
    return kept, [one for one in optional if one.start <= end] + cut


def shrink(definite, optional, failovers=(), budget=20_000, seconds=20):
    """(definite, optional) of a part that has no order either: as early an end as possible,
    then as few looks and acknowledgements as can be had in that time. Taking away a look, or
    making a write optional, only demands less; so what is left is a fault by itself."""
    deadline = time.monotonic() + seconds

    def fails(some, maybe):
        return search(some, maybe, failovers, budget).verdict == NONE

    ends = sorted({one.end for one in definite})
    low, high = 0, len(ends) - 1
    while low < high:
        middle = (low + high) // 2
        if search(*_until(definite, optional, ends[middle]), failovers,
                  budget).verdict != FOUND:
            high = middle
        else:
            low = middle + 1
    some, maybe = _until(definite, optional, ends[low])
    size = max(1, len(some) // 2)
    while size and time.monotonic() < deadline:
        at = 0
        while at < len(some) and time.monotonic() < deadline:
            part = some[at:at + size]
            rest = some[:at] + some[at + size:]
            weaker = maybe + [_as_optional(one) for one in part if not one.is_look()]
            if fails(rest, weaker):
                some, maybe = rest, weaker
            else:
                at += size
        size //= 2
    seen = seen_numbers(some)
    return some, [one for one in maybe
                  if one.value in seen or one.kind == DELETE or one.need[0] != ANY]
