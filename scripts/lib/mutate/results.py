"""What became of the mutants: kept as lines of JSON, judged, and shown as tables."""
import collections
import json
import pathlib

ROOT = pathlib.Path(__file__).resolve().parents[3]
JUDGED = ROOT / "scripts/lib/mutate/judged.tsv"


def load(path):
    """Records by ident; a later one replaces an earlier one."""
    if not path.exists():
        return {}
    records = {}
    for line in path.read_text().splitlines():
        try:
            record = json.loads(line)
        except ValueError: # the run was ended while it wrote
            continue
        record["name"] = tuple(record["name"])
        records[record["ident"]] = record
    return records


def keeper(path):
    path.parent.mkdir(parents=True, exist_ok=True)

    def keep(record):
        with path.open("a") as out:
            out.write(json.dumps(record) + "\n")
    return keep


def load_judged():
    """{name of a mutant: reason}; the columns are file, function, line, change, number, reason."""
    judged = {}
    if not JUDGED.exists():
        return judged
    for line in JUDGED.read_text().splitlines():
        if line and not line.startswith("#"):
            path, function, text, change, number, reason = line.split("\t")
            judged[(path, function, text, change, int(number))] = reason
    return judged


def row_to_judge(record):
    """The line of judged.tsv for a survivor, but for its reason."""
    return "\t".join(str(part) for part in record["name"])


def count(sample, judged):
    """The figures of a table's row."""
    outcomes = collections.Counter(record["outcome"] for record in sample)
    survivors = [record for record in sample if record["outcome"] == "survived"]
    equal = sum(record["name"] in judged for record in survivors)
    tried = outcomes["killed"] + outcomes["survived"]
    return {"tried": tried, "killed": outcomes["killed"], "survived": outcomes["survived"],
            "judged": equal, "not compiled": outcomes["not compiled"], "same code": outcomes["same code"],
            "share": outcomes["killed"] / tried if tried else 0,
            "share judged": outcomes["killed"] / (tried - equal) if tried > equal else 1}


def table(rows):
    """rows: (name, all mutants, figures)."""
    lines = ["| room | mutants | not compiled | same code | tried | killed | survived | of these judged | killed of tried | without the judged |",
             "|---|---|---|---|---|---|---|---|---|---|"]
    for name, total, one in rows:
        lines.append(f"| {name} | {total} | {one['not compiled']} | {one['same code']} | {one['tried']} | "
                     f"{one['killed']} | {one['survived']} | {one['judged']} | {one['share']:.1%} | "
                     f"{one['share judged']:.1%} |")
    return "\n".join(lines)


def operators(sample):
    lines = ["| operator | tried | killed |", "|---|---|---|"]
    kinds = collections.defaultdict(collections.Counter)
    for record in sample:
        kinds[record["operator"]][record["outcome"]] += 1
    for kind, one in sorted(kinds.items()):
        tried = one["killed"] + one["survived"]
        if tried:
            lines.append(f"| {kind} | {tried} | {one['killed'] / tried:.0%} |")
    return "\n".join(lines)


def survivors(sample, judged):
    """A paragraph for each that is not judged."""
    lines = []
    for record in sorted(sample, key=lambda one: (one["name"][0], one["line"])):
        if record["outcome"] == "survived" and record["name"] not in judged:
            path, function, text, change, _ = record["name"]
            reached = "" if record["reached"] else "   (no test reaches it)"
            lines.append(f"{path}:{record['line']}: {function}(): {change}{reached}\n    {text}")
    return "\n".join(lines)
