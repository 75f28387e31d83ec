"""Reads C as tokens and lists the mutants of a file: each is one small change.

The reader knows just enough C for the operators below, and relies on the house's format:
a binary * has a space on both sides, that of a pointer has not. A change that makes no
sense does not compile, and is then not counted.
"""
import bisect
import dataclasses
import hashlib
import re

TOKEN = re.compile(r"""
    (?P<comment> /\*.*?\*/ | //[^\n]* )
  | (?P<string> (?:u8|[uUL])?"(?:[^"\\\n]|\\.)*" )
  | (?P<char> [uUL]?'(?:[^'\\\n]|\\.)*' )
  | (?P<number> \.?[0-9](?:[eEpP][+-]|[\w.])* )
  | (?P<word> [A-Za-z_]\w* )
  | (?P<punct> \.\.\. | <<= | >>= | -> | \+\+ | -- | << | >> | <= | >= | == | != | && | \|\|
      | [-+*/%&|^]= | [-+*/%&|^~!<>=?:;,.(){}\[\]\#] )
""", re.X | re.S)
DIRECTIVE = re.compile(r"^[ \t]*#(?:[^\n\\]|\\.|\\\n)*", re.M)

SWAPS = {"<": "<=", "<=": "<", ">": ">=", ">=": ">", "==": "!=", "!=": "==",
         "&&": "||", "||": "&&", "+=": "-=", "-=": "+=", "++": "--", "--": "++",
         "|=": "&=", "&=": "|=", "<<": ">>", ">>": "<<", "true": "false", "false": "true"}
BINARY_SWAPS = {"+": "-", "-": "+", "*": "/", "/": "*", "%": "/", "&": "|", "|": "&"}
ASSIGNMENTS = {"=", "+=", "-=", "*=", "/=", "%=", "&=", "|=", "^=", "<<=", ">>="}
KEYWORDS = {"return", "case", "else", "if", "while", "for", "do", "switch", "sizeof", "goto",
            "break", "continue", "default"}
# What they hold is never changed: it is said to a reader, or is a check itself.
UNTOUCHED = re.compile(r"assert|static_assert|_Static_assert|log_(?:info|warn|fatal|panic)")


@dataclasses.dataclass(frozen=True)
class Token:
    kind: str
    text: str
    start: int
    end: int


@dataclasses.dataclass
class Mutant:
    path: str
    function: str      # "" outside of functions
    line: int
    text: str          # the line as it is
    operator: str      # which kind of change
    change: str        # the change for a reader
    edits: tuple       # of (start, end, new text)
    ident: str = ""    # of this change in this text of the file
    name: tuple = ()   # what stays the same when other parts of the file change

    def apply(self, source):
        """The file with the change. Line numbers stay."""
        for start, end, new in sorted(self.edits, reverse=True):
            new += "\n" * (source[start:end].count("\n") - new.count("\n"))
            source = source[:start] + new + source[end:]
        return source


def tokens_of(source):
    blank = DIRECTIVE.sub(lambda found: re.sub(r"[^\n]", " ", found.group()), _hide(source))
    return [Token(found.lastgroup, source[found.start():found.end()], *found.span())
            for found in TOKEN.finditer(blank) if found.lastgroup != "comment"]


def _hide(source):
    """The source without what comments say: a directive's name may stand in one."""
    def hide(found):
        if found.lastgroup != "comment":
            return found.group()
        return re.sub(r"[^\n]", " ", found.group())
    return TOKEN.sub(hide, source)


class _File:
    def __init__(self, path, source):
        self.path, self.source = path, source
        self.tokens = tokens_of(source)
        self.lines = source.split("\n")
        self.starts = [0]
        for line in self.lines:
            self.starts.append(self.starts[-1] + len(line) + 1)
        self.partner = self._match()
        self.functions, self.untouched = self._scan()
        self.mutants = []

    def _match(self):
        partner, open_ones = {}, []
        for at, token in enumerate(self.tokens):
            if token.kind != "punct":
                continue
            if token.text in "([{":
                open_ones.append(at)
            elif token.text in ")]}" and open_ones:
                first = open_ones.pop()
                partner[first], partner[at] = at, first
        return partner

    def text(self, at):
        return self.tokens[at].text if 0 <= at < len(self.tokens) else ""

    def kind(self, at):
        return self.tokens[at].kind if 0 <= at < len(self.tokens) else ""

    def _scan(self):
        """(first, last, name, whether bool) of each function; the indices not to change."""
        functions, untouched, at, head = [], set(), 0, 0
        while at < len(self.tokens):
            if self.text(at) in "{" and at in self.partner:
                end = self.partner[at]
                if self.text(at - 1) == ")":
                    name = self.partner[at - 1] - 1
                    functions.append((at, end, self.text(name),
                                      "bool" in [self.text(i) for i in range(head, name)]))
                else:
                    functions.append((at, end, "", False))
                at = end
            if self.text(at) in ("}", ";"):
                head = at + 1
            at += 1
        for at, token in enumerate(self.tokens):
            if token.kind == "word" and UNTOUCHED.fullmatch(token.text) and self.text(at + 1) == "(":
                untouched.update(range(at, self.partner[at + 1] + 1))
        return functions, untouched

    def add(self, operator, change, first, *edits):
        line = bisect.bisect_right(self.starts, self.tokens[first].start) - 1
        function = next((name for begin, end, name, _ in self.functions if begin <= first <= end), "")
        self.mutants.append(Mutant(self.path, function, line + 1, self.lines[line].strip(),
                                   operator, change, edits))

    def replace(self, operator, at, new, change=None):
        token = self.tokens[at]
        self.add(operator, change or f"{token.text} → {new}", at, (token.start, token.end, new))

    def is_operand(self, at):
        return (self.kind(at) in ("number", "char", "string") or self.text(at) in (")", "]") or
                (self.kind(at) == "word" and self.text(at) not in KEYWORDS))

    def is_binary(self, at):
        token = self.tokens[at]
        around = self.source[token.start - 1:token.start] + self.source[token.end:token.end + 1]
        return self.is_operand(at - 1) and around.strip() != around and \
            self.source[token.end] in " \n" and self.source[token.start - 1] in " \n"

    def is_array_size(self, at):
        """In `type name[4]`: a larger array changes nothing, in `name[4]` it would."""
        return (self.text(at - 1) == "[" and self.text(at + 1) == "]" and self.kind(at - 2) == "word" and
                (self.kind(at - 3) == "word" and self.text(at - 3) not in KEYWORDS or
                 self.text(at - 3) == "*" and not self.is_binary(at - 3)))


def _operators(file, at):
    token = file.tokens[at]
    if token.text in SWAPS:
        kinds = {"<": "relation", ">": "relation", "=": "relation", "!": "relation", "&": "logic",
                 "|": "logic", "t": "constant", "f": "constant"}
        kind = "arithmetic" if token.text in ("+=", "-=", "++", "--", "|=", "&=", "<<", ">>") else \
            kinds[token.text[0]]
        file.replace(kind, at, SWAPS[token.text])
    elif token.text in BINARY_SWAPS and file.is_binary(at):
        file.replace("arithmetic", at, BINARY_SWAPS[token.text])
    elif token.text == "!":
        file.replace("negation", at, "", "! removed")


def _constants(file, at):
    token = file.tokens[at]
    if file.is_array_size(at):
        return
    if token.kind == "number":
        new = {"0": "1", "1": "0"}.get(token.text, f"({token.text} + 1)")
        file.replace("constant", at, new)
    elif token.kind == "char":
        file.replace("constant", at, f"({token.text} + 1)")


def _condition(file, first, last, loop):
    """Of an if the opposite; a loop is not entered, because the opposite mostly never ends."""
    start, end = file.tokens[first].start, file.tokens[last].end
    if loop:
        file.add("condition", "the loop is not entered", first, (start, end, "0"))
    elif not _is_lone_relation(file, first, last):
        file.add("condition", "condition negated", first, (start, start, "!("), (end, end, ")"))


def _is_lone_relation(file, first, last):
    """a == b, whose opposite the relation's swap makes already."""
    texts, at = [], first
    while at <= last:
        texts.append(file.text(at))
        at = file.partner[at] + 1 if file.text(at) in ("(", "[") else at + 1
    return sum(text in ("==", "!=") for text in texts) == 1 and not {"&&", "||", "?"} & set(texts)


def _controls(file, at):
    word = file.text(at)
    if word in ("if", "while") and file.text(at + 1) == "(":
        last = file.partner[at + 1]
        _condition(file, at + 2, last - 1, word == "while")
    elif word == "for" and file.text(at + 1) == "(":
        clauses = [i for i in range(at + 2, file.partner[at + 1])
                   if file.text(i) == ";" and _depth(file, at + 1, i) == 0]
        if len(clauses) == 2 and clauses[1] > clauses[0] + 1:
            _condition(file, clauses[0] + 1, clauses[1] - 1, True)
    elif word in ("break", "continue"):
        file.replace("jump", at, "", f"{word} removed")


def _depth(file, first, at):
    """How many brackets are open between the one at `first` and `at`."""
    return sum((file.text(i) in "([{") - (file.text(i) in ")]}") for i in range(first + 1, at)
               if file.kind(i) == "punct")


def _statement_end(file, at):
    while at < len(file.tokens) and file.text(at) != ";":
        if file.text(at) in ("{", "}", ")"): # the last: a step of a for
            return None
        at = file.partner.get(at, at) if file.text(at) in ("(", "[") else at
        at += 1
    return at


def _return(file, at):
    end = _statement_end(file, at)
    if end is None or end == at + 1:
        return
    span = file.tokens[at + 1].start, file.tokens[end - 1].end
    old = " ".join(file.source[span[0]:span[1]].split())
    is_bool = next((known for first, last, _, known in file.functions if first <= at <= last), False)
    for new in ("0", "1") if is_bool else ("0",):
        if old not in ("0", "1", "true", "false", "NULL"):
            file.add("return", f"return {old} → return {new}", at, (*span, new))


def _deletion(file, at):
    """A call or an assignment that is a whole statement; declarations stay."""
    if file.text(at - 1) not in ("{", "}", ";", ")", "else", ":", ""):
        return
    if file.text(at - 1) == ")" and not _is_control_head(file, at - 1):
        return
    first = at
    if [file.text(at + i) for i in range(3)] == ["(", "void", ")"]:
        at += 3
    if file.text(at) not in ("*", "++", "--") and (file.kind(at) != "word" or file.text(at) in KEYWORDS):
        return
    if file.text(at).startswith("FOR_EACH") or at in file.untouched:
        return
    end = _statement_end(file, at)
    if end is None or not _is_effect(file, at, end):
        return
    span = file.tokens[first].start, file.tokens[end - 1].end
    what = " ".join(file.source[span[0]:span[1]].split())
    file.add("deletion", f"deleted: {what}", first, (*span, ""))


def _is_control_head(file, at):
    before = file.text(file.partner[at] - 1)
    return before in ("if", "while", "for", "switch") or before.startswith("FOR_EACH")


def _is_effect(file, at, end):
    """True for a call, an assignment, or a step; false for a declaration."""
    parts = []
    while at < end:
        parts.append(at)
        at = file.partner[at] + 1 if file.text(at) in ("(", "[") else at + 1
    texts = [file.text(i) for i in parts]
    left = next((i for i, text in enumerate(texts) if text in ASSIGNMENTS), None)
    if left is None:
        return texts[-1] == "(" and len(texts) >= 2 or texts[-1] in ("++", "--") or texts[0] in ("++", "--")
    words = [file.kind(i) == "word" for i in parts[:left]]
    return not any(words[i] and (words[i + 1] or texts[i + 1] == "*") for i in range(left - 1))


def mutants_of(path, source):
    """Every mutant of the file, in the order of the text."""
    file = _File(path, source)
    for at in range(len(file.tokens)):
        if at in file.untouched:
            continue
        inside = any(name and first < at < last for first, last, name, _ in file.functions)
        file_scope = not inside and any(first < at < last for first, last, _, _ in file.functions)
        if inside:
            _operators(file, at)
            _controls(file, at)
            if file.text(at) == "return":
                _return(file, at)
            _deletion(file, at)
        if inside or file_scope:
            _constants(file, at)
    _name(file.mutants, source)
    return file.mutants


def _name(mutants, source):
    digest = hashlib.sha256(source.encode()).hexdigest()
    seen = {}
    for one in mutants:
        key = (one.path, one.function, one.text, one.change)
        seen[key] = seen.get(key, 0) + 1
        one.name = (*key, seen[key])
        one.ident = hashlib.sha256(repr((digest, one.name)).encode()).hexdigest()[:16]
