"""Checks a whole history: each document's operations must have an order, and every line
must be one that the contract allows."""
from histories import linear
from histories.history import History, Violation, text_of
from histories.register import FOREVER

SHOWN_MAX = 60  # operations of a violation


class Result:
    def __init__(self, history):
        self.operations = history.operations
        self.statuses = history.statuses
        self.lists, self.items = history.lists, history.items
        self.documents = len(history.documents)
        self.violations = list(history.violations)
        self.undecided = []
        self.lost = []  # (document, operation, failover)
        self.optional = sum(len(one.optional) for one in history.documents.values())


def show(name, definite, optional, faults, failovers):
    """The operations of a violation, in the order in which they began, with the faults of
    that time. Times are in ms since the first."""
    rows = [(one, True) for one in definite] + [(one, False) for one in optional]
    rows.sort(key=lambda row: row[0].start)
    if len(rows) > SHOWN_MAX:
        rows = rows[-SHOWN_MAX:]
    zero = rows[0][0].start
    last = max(one.start if one.end == FOREVER else one.end for one, _ in rows)
    lines = ["no order of these explains what they answered"]
    lines.append(f"    {'from ms':>10} {'to ms':>10} client")
    entries = [(one.start, f"    {(one.start - zero) / 1e6:>10.3f} "
                f"{'-' if one.end == FOREVER else format((one.end - zero) / 1e6, '.3f'):>10} "
                f"c{one.client:<5} {text_of(one)}{'' if sure else ' (may or may not count)'}")
               for one, sure in rows]
    entries += [(at, f"    {(at - zero) / 1e6:>10.3f} {'':>10} fault  {text}")
                for at, text in faults if zero - 50_000_000 <= at <= last]
    entries += [(start, f"    {(start - zero) / 1e6:>10.3f} {'':>10} fault  a failover, which may "
                 "lose the last writes once") for start, end in failovers if zero <= end <= last]
    return "\n".join(lines + [text for _, text in sorted(entries, key=lambda one: one[0])])


def check_document(document, failovers, faults, result):
    answer = linear.search(document.definite, document.optional, failovers)
    result.lost += [(document.name, one, failover) for one, failover in answer.lost]
    if answer.verdict == linear.UNDECIDED:
        result.undecided.append(document.name)
    if answer.verdict == linear.NONE:
        part = linear.shrink(document.definite, document.optional, failovers)
        result.violations.append(Violation("not linearizable", document.name,
                                           show(document.name, *part, faults, failovers)))


def check(lines, failovers=(), faults=(), most=3):
    """failovers: [(start, end)]; faults: [(time, text)], for people; all in ns as in the
    history. After `most` documents without an order the others are not looked at."""
    history = History(lines)
    result = Result(history)
    for name in sorted(history.documents):
        check_document(history.documents[name], failovers, faults, result)
        if sum(one.kind == "not linearizable" for one in result.violations) >= most:
            break
    return result
