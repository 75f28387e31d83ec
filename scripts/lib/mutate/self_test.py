"""Checks the reader of C and the counting on small texts: what is changed, and what is not."""
import results
import source

CASES = [ # (a function's body, all changes that are wanted)
    ("return a < b;", ["return a < b → return 0", "< → <="]),
    ("assert(a == 0);", []),
    ("log_warn(\"%d\", a + 1);", []),
    ("/* a == b; */ // c == d\n", []),
    ("#define X (1 + 2)\n", []),
    ("if (a == 1)\n        go(a);", ["== → !=", "1 → 0", "deleted: go(a)"]),
    ("if (a)\n        ;", ["condition negated"]),
    ("if (!a && b)\n        ;", ["condition negated", "! removed", "&& → ||"]),
    ("while (a)\n        break;", ["the loop is not entered", "break removed"]),
    ("for (; a < b; a++)\n        ;", ["the loop is not entered", "< → <=", "++ → --"]),
    ("for (; a < b; a = c)\n        go();", ["the loop is not entered", "< → <=", "deleted: go()"]),
    ("int c = a, *d = &a;", []),
    ("char *text = \"==\";", []),
    ("char buffer[8];", []),
    ("at[8] = 'x';", ["deleted: at[8] = 'x'", "8 → (8 + 1)", "'x' → ('x' + 1)"]),
    ("a = b * c;", ["deleted: a = b * c", "* → /"]),
    ("struct x *y = z;", []),
    ("a->b.c[d] += -e;", ["deleted: a->b.c[d] += -e", "+= → -="]),
    ("(void)go(a);", ["deleted: (void)go(a)"]),
    ("(void)a;", []),
    ("go((char *)&a, &b);", ["deleted: go((char *)&a, &b)"]),
    ("a = b & c;", ["deleted: a = b & c", "& → |"]),
    ("FOR_EACH_WORKER(&a, b)\n        go(b);", ["deleted: go(b)"]),
    ("*a = true;", ["deleted: *a = true", "true → false"]),
]


def check_operators():
    for body, wanted in CASES:
        text = f"static int f(int a)\n{{\n    {body}\n}}\n"
        found = source.mutants_of("x.c", text)
        assert [one.change for one in found] == wanted, (body, [one.change for one in found])
        for one in found:
            assert one.function == "f", one
            changed = one.apply(text)
            assert changed != text and changed.count("\n") == text.count("\n"), (body, changed)
        assert len({one.ident for one in found}) == len(found), body


def check_bool_and_tables():
    found = source.mutants_of("x.c", "bool f(int a)\n{\n    return g(a);\n}\n")
    assert [one.change for one in found] == ["return g(a) → return 0", "return g(a) → return 1"], found
    found = source.mutants_of("x.c", "static const int t[] = {7, 0};\nstruct s { int a[4]; };\n")
    assert [(one.function, one.change) for one in found] == [("", "7 → (7 + 1)"), ("", "0 → 1")], found


def check_names():
    """Two equal changes on equal lines differ; what stands before them changes neither's name."""
    text = "int f(void)\n{\n    a = b + c + d;\n}\n"
    found = [one for one in source.mutants_of("x.c", text) if one.change == "+ → -"]
    assert [one.name[-1] for one in found] == [1, 2], found
    later = [one for one in source.mutants_of("x.c", "int x;\n" + text) if one.change == "+ → -"]
    assert [one.name for one in later] == [one.name for one in found]
    assert later[0].ident != found[0].ident and later[0].line == found[0].line + 1


def check_counting():
    def record(outcome, number):
        return {"outcome": outcome, "name": ("x.c", "f", "a", "b", number)}
    sample = [record("killed", n) for n in range(8)] + [record("survived", 8), record("survived", 9),
                                                       record("same code", 10), record("not compiled", 11)]
    figures = results.count(sample, {("x.c", "f", "a", "b", 9): "why"})
    assert (figures["tried"], figures["killed"], figures["judged"]) == (10, 8, 1), figures
    assert figures["share"] == 0.8 and figures["share judged"] == 8 / 9, figures


def check_judged():
    """Every judgement names a mutant that there still is, and has a reason."""
    mutants = {}
    for name, reason in results.load_judged().items():
        path = name[0]
        if path not in mutants:
            mutants[path] = {one.name for one in source.mutants_of(path, (results.ROOT / path).read_text())}
        assert name in mutants[path], f"judged.tsv: there is no such mutant any more: {name}"
        assert len(reason) > 10, name


def main():
    for check in (check_operators, check_bool_and_tables, check_names, check_counting, check_judged):
        check()
    print("mutate: the self-test passed")
