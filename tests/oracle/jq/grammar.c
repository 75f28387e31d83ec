#include "tests/oracle/jq/grammar.h"

#include <string.h>

/* The deepest template inside templates, and container inside containers. */
#define MAX_DEPTH 4

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

/*
 * In a template %o and the like stand for a text of that rule (see `rules`), %% for a
 * percent sign. %<x begins where the variable $x is bound, %> ends it. In front of a
 * template "~7 " says that jq 1.7 has it first, "~a " that texts must be ASCII.
 */
static const char *const one_leaves[] = {".", "%f", "%f", "%l", "%v", ".[\"b\"]"};

/* Give one result, or fail. */
static const char *const ones[] = {
    "(%o %A %o)",
    "(%o %A %o)",
    "(%o %C %o)",
    "(%o %B %o)",
    "(%o // %o)",
    "(%c)",
    "[%m]",
    "[%m]",
    "([%m] | %a)",
    "([%m] | %a)",
    "{%k: %o, %k: %o}",
    "{(%t): (%o)}",
    "{%k, %k}",
    "{(%t, %t): (%o)}",
    "{\"a\\(%o)\": 1}",
    "(if %o then %o else %o end)",
    "(if %o then %o elif %o then %o else %o end)",
    "~7 (if %o then %o end)",
    "(%o | %o)",
    "(%o | %u)",
    "(%o | %u)",
    "([try (%o) catch \"e\"] | .[0])",
    "([try (%o) catch type] | .[0])",
    "\"<\\(%o)>\"",
    "(-(%o))",
    "((%o) as $v | %<v%o%>)",
    "((%o) as $v | %<v[$v, %o]%>)",
    "((%o) as $v | %<v{$v, a: %o}%>)",
    "((%o) as [$m, $v] | %<m%<v%o%>%>)",
    "((%o) as {a: $m, $b, \"x y\": [$v]} | %<m%<b%<v%o%>%>%>)",
    "((%o) as {(%t): $m} | %<m%o%>)",
    "((%o) as {$b: [$m]} | %<b%<m%o%>%>)",
    "(reduce (%m) as $i (first(%o); %<i%o%>))",
    "(reduce (%m) as [$i, $j] (first(%o); %<i%<j%o%>%>))",
    "((%p) = %o)",
    "((%p) |= %o)",
    "((%p) |= %o)",
    "((%p) %U %o)",
    "del(%p)",
    "del(%p, %p)",
    "[path(%p)]",
    "[paths]",
    "~7 ([paths(%o)])",
    "[%f, %f]",
    "([.[%n]?] | .[0])",
    "([.[%t]?] | .[0])",
    "([.[length]?] | .[0])",
    "([.[%n:%n]?] | .[0])",
    "([.[-%n:]?] | .[0])",
    "map(%m)",
    "map_values(%o)",
    "([objects | with_entries(.value = %o)])",
    "([objects | with_entries(select(%o))])",
    "([objects | with_entries(.key |= ascii_upcase)])",
    "(any(%o))",
    "(all(%o))",
    "~7 (any(%m; %o))",
    "~7 (all(%m; %o))",
    "(arrays | %S(%o))",
    "%F",
    "%F \"x\\(%o)-\\(%o)\"",
    "(def f($p): [$p, .]; f(%o))",
    "(def f(g): [g, g]; f(%m))",
    "(def f(g; $p): [g, $p]; f(%m; %o))",
    "(def f: def g: %o; [g, g]; f)",
    "(def f: if type == \"number\" and . < 6 then . + 2 | f else . end; f)",
    "(def f($n): if $n < 1 then . else [., $n] | f($n - 1) end; f(%n))",
    "isempty(%m)",
    "([limit(3; %m)])",
    "([first(%m)])",
    "~7 ([nth(%n; %m)])",
    "(last(%l, %m))",
    "([%n | until(. > 20; . * 2 + 1)])",
    "([%n | limit(4; while(. < 40; . * 3 + 1))])",
    "([limit(3; %o | repeat([.]))])",
    "([recurse(if type == \"number\" and . < 3 then . + 1 else empty end)])",
    "([tostream])",
    "(fromstream(tostream))",
    "([%n | truncate_stream(%o | tostream)])",
    "([.[]? | %o])",
    "getpath([%t, %n])",
    "setpath([%t]; %o)",
    "~7 delpaths([paths(%o)])",
    "delpaths([[%t], [%n]])",
    "(walk(%w))",
    "(. as $v | %<v[.[]? | %o]%>)",
    "(%o | IN(%m))",
    "([%m] | map(tojson))",
    "~7 (pick(%q))",
    "~7 ([getpath([\"a\"])] | add)",
    "~8 ([skip(%n; %m)])",
    "~8 (add(%m))",
    "([%m] | [.[] as [$i] ?// $i | $i])",
    "([%o as [$i, {a: $j}] ?// {a: $i, b: $j} ?// $j | [$i, $j]])",
    "$__loc__",

};

static const char *const many_leaves[] = {
    ".[]?", "..", ".", "1, 2", "empty", "%f", "%l, %f", ".[]?, %f", "~7 keys?"};

/* Give any number of results. */
static const char *const manys[] = {
    "%o",
    "%o",
    "%o",
    "%c",
    "(%m, %m)",
    "(%m | %m)",
    "(%m %A %m)",
    "(%m %C %m)",
    "(%m // %m)",
    "(%m %B %m)",
    "(if %m then %m else %m end)",
    "select(%m)",
    "([(%m)?] | .[])",
    "([try (%m) catch %l] | .[])",
    "([.[]? as $v | %<vtry (%o) catch [$v]%>] | .[])",
    "limit(%1; %m)",
    "first(%m)",
    "range(%n)",
    "range(%n; %n)",
    "range(%n; %n; %1)",
    "range(%m; %m)",
    "(label $out | %m, break $out, %m)",
    "(label $out | %m | if %o then ., break $out else . end)",
    "(label $a | label $b | %m, (%m | break $a), break $b)",
    "{a: (%m), b: %o}",
    "{(%m | strings): %o}",
    "\"\\(%m)-\\(%m)\"",
    "(foreach (%m) as $i (first(%o); %<i%o%>))",
    "(foreach (%m) as $i (first(%o); %<i%o; %o%>))",
    "(foreach (%m) as [$i, $j] (first(%o); %<i%<j%o; %m%>%>))",
    "((%p) = (%m))",
    "((%p) %U (%m))",
    "recurse(if type == \"array\" then .[] else empty end)",
    "recurse(.[]?; %o)",
    "((%m) as $m | %<m%m%>)",
    "((%m) as [$m] | %<m%m%>)",
    "((%m) as {a: $m} | %<m%m%>)",
    "((%m) as [$m, [$i]] | %<m%<i%m%>%>)",
    "(def f: %m; f, f)",
    "(def f(g): g | g; f(%m))",
    "(def f(g): def h: g; h, h; f(%m))",
    "(def f(g; h): h, g; f(%m; %m))",
    "(def f($a; $b): $a, $b; f(%m; %m))",
    "~7 paths(%o)",
    "paths",
    "path(%p)",
    "tostream",
    "(.[]? | %o)",
    "(.[]? | %m)",
    "error(%t)",
    "~7 (%o | error)",
    "(%m | values)",
    "(%m | scalars)",
    "(to_entries[]? | %o)",
    "([%m] | to_entries[] | [.key, .value])",
    "([%m] | .[-1:][])",
    "([%m] | sort | .[])",
    "([%m] | group_by(type) | .[])",
    "(%m | %u)",
    "~7 limit(%n; %m)",
    "~7 (%m | if . then %m end)",
    "~8 skip(%n; %m)",
    "([.[]? as [$i] ?// $i | $i] | .[])",
    "getpath(paths)",
    "(%t, %t | ascii_downcase, ascii_upcase)",
    "(%o | .[]?, .[%n:]?)",
};

static const char *const path_leaves[] = {
    "%f",     ".[]", ".[]?", ".[%n]", ".[%n:]", ".[:%n]",  ".[%n:%n]", "%f[]?",
    ".[-%1]", "..",  ".",    "%f%f",  "%f?",    "%f[%n]?", "empty",    ".[%t]?"};

/* What may stand left of an assignment. */
static const char *const paths[] = {
    "%p | %p",
    "%p | %p",
    "(%p, %p)",
    "(%p)%f?",
    "(%p)[]?",
    ".[]? | select(%o)",
    "if %o then %p else %p end",
    "(%p // %p)",
    "first(%p)",
    "limit(%1; %p)",
    "getpath([%t, %n])",
    "(.. | select(type == \"number\"))",
    "(.. | select(type == \"array\"))",
    "(.. | strings)",
    "recurse(.[]?; %o)",
    "(label $out | %p, break $out, %p)",
    "(%o as $v | %<v%p%>)",
    "(def f: %p; f | f)",
    "(def f(g): g | g; f(%p))",
    "~7 (try (%p) catch empty)",
    "~7 (%p)?",
    "(.[]? | .[%m]?)",
    "~7 select(%o).a",

};

/* A few of them that a new value can be made along. */
static const char *const picks[] = {".a",     ".[0]",   ".a.b", ".[1]",
                                    ".a, .b", ".[0].a", "first"};

/* Not in brackets: what binds what is the parser's decision. */
static const char *const chains[] = {
    "%e %A %e %A %e",
    "%e %A %e %A %e %A %e",
    "%e + %e * %e",
    "%e - %e - %e",
    "%e * %e / (%e) %% %e",
    "%e %C %e %A %e",
    "%e %A %e %C %e %A %e",
    "%e %C %e and %e %C %e",
    "%e and %e or %e and %e",
    "%e or %e and %e | not",
    "%e // %e // %e",
    "%e // %e, %e // %e",
    "%e and %e // %e or %e",
    "%e %A %e // %e %C %e",
    "%e | %e, %e | %e",
    "%e, %e | %e",
    "%e as $v | %<v%e, %e | %e%>",
    "~o %e + (%e as $v | %<v%e%> | %e)",
    "~o 1 + %e as $v | %<v%e, $v%>",
    "-%e + %e",
    "-%e - %e",
    "[%e, -%e]",
    "%f = %e + %e",
    "%f |= %e // %e",
    "%f += %e, %e",
    "%f = %e | %e",
    "%e, %f = %e",
    "%f // %f |= %e",
    "%f and %e, %f or %e",
    "reduce %e as $v (first(%e); %<v%e, %e%>) | %e",
    "foreach %e as $v (first(%e); %<v%e; %e, %e%>)",
    "~7 try (%e) catch (%l, %v)",
    "~7 [try (%e) catch [%v], %e]",
    "~7 try error(%e) catch .",
    "def f: %e; f, %e | f",
    "def f: %e, %e; def g: f | %e; g",
    "~o %e + def f: %e; f, %e",
    "if %e, %e then %e, %e else %e | %e end",
    "if %e then %e elif %e then %e else %e end | %e",
    "label $l | %e, break $l, %e",
    "~7 (%e)?, (%e)?",
    "%e as [$v, $i] | %<v%<i%e%>%>",
    "[%e as [$v] ?// $v | %<v%e%>]",
    "{a: %e, b: %e | %e} | %e",
    "~7 {%k, a: 1, \"b\": %e, (%t): (%o), @base64 \"x\": 1, $__loc__}",
    "[.[]? | %e, %e] | %e",
    "~7 ..%r",
    "~7 %e | ..%r",
};

/* A term, perhaps with something behind it. */
static const char *const term_leaves[] = {".",  "%f", "%n",   "%t",
                                          "%v", "%l", "%f%r", ".%r"};
static const char *const terms[] = {
    ".",
    "%f",
    "%n",
    "%t",
    "%v",
    "%l",
    "%f%r",
    "[%m]",
    "(%o)",
    "(%m)",
    "{a: %o}",
    "{%k: %e}",
    "[%e]%r",
    "(%m)%r",
    "{a: %e}%r",
    "%f%r%r",
    "\"a\\(%o)b\"",
    "%F",
    "%t%r",
    "%v%r",
    "%u",
    "(arrays | %S(%e))",
};

/* Behind a term. */
static const char *const suffixes[] = {
    "[]?",  "[%n]?", "[%n:]?",   "[:-%1]?",   "[%t]?",   "%f?",     "[]",
    "[%n]", "%f",    "[%n:%n]?", "~7 .[%n]?", ".\"a\"?", "~7 .[]?", "[.a]?"};

static const char *const arrays[] = {
    "length",
    "sort",
    "add",
    "unique",
    "reverse",
    "min",
    "max",
    "first",
    "last",
    "flatten",
    "~7 [transpose?]",
    "any",
    "[join(%t)?]",
    "to_entries",
    "all",
    "tojson",
    "map(%o)",
    ".[1:]",
    ".[-1]",
    "[combinations(%1)?] | length",
    "[.[%n:%n]]",
    "index(%o)",
    "indices(%o)",
    "rindex(%o)",
    "contains([%o])",
    "inside([%m])",
    "[sort | bsearch(%n)?]",
    "[implode?]",

    "[.[[%n]]?]",
    "del(.[%n, %n])",
    "del(.[%n:%n])",
    ".[%n] = %o",
    ".[%n:%n] = [%m]",
    "[limit(3; .[])]",
    "[IN(.[]; %m)]",
    "INDEX(type)",
    "[@csv?, @tsv?, @sh?]",
    "[has(%n)?]",
    ". - [%o]",
    ". + [%m]",
    "map(select(%o))",
    "map(type)",
    "[flatten(%n)?]",
    "group_by(%o)",
    "[.[] | numbers | floor]",
    "[.[] | %u]",
    "tostream",
    "[getpath([%n, %t])?]",
    "join(\",\")?",
    "[paths]",
    "implode?",
};

/* Functions of a value; what may fail gives an array without it. */
static const char *const functions[] = {
    "length",
    "[keys?]",
    "[keys_unsorted?]",
    "type",
    "tostring",
    "tojson",
    "not",
    "[add?]",
    "[(arrays, nulls) | reverse]",
    "[sort?]",
    "[unique?]",
    "[flatten?]",
    "[min?]",
    "[max?]",
    "[floor?]",
    "[fabs?]",
    "[tonumber?]",
    "[explode?]",
    "[ascii_downcase?]",
    "[ascii_upcase?]",
    "[to_entries?]",
    "[objects | to_entries | from_entries]",
    "[utf8bytelength?]",
    "[any?]",
    "[all?]",
    "[first?]",
    "[last?]",
    "[combinations?] | length",
    "(tojson | fromjson)",
    "[explode? | implode]",
    "[values]",
    "[nulls]",
    "[booleans]",
    "[numbers]",
    "[strings]",
    "[arrays]",
    "[objects]",
    "[scalars]",
    "[iterables]",
    "[has(%t)?]",
    "[has(%n)?]",
    "[startswith(%t)?]",
    "[endswith(%t)?]",
    "ltrimstr(%t)",
    "rtrimstr(%t)",
    "[split(%t)?]",
    "[join(%t)?]",
    "[arrays | contains(%o)?]",
    "[inside(%o)?]",
    "[flatten(%n)?]",
    "[getpath([%t, %n])?]",
    "[setpath([%t]; %o)?]",
    "[setpath([%t, %n]; %o)?]",
    "[delpaths([[%t], [%n]])?]",
    "[nth(%n)?]",
    "[in(%o)?]",
    "[tojson, tostring]",
    "~a [indices(%t)?]",
    "~a [index(%t)?]",
    "~a [rindex(%t)?]",
    "[numbers | sqrt, ceil, round]",
    "[numbers | fabs | todate]",
    "[numbers | fabs | gmtime | mktime]",
    "[numbers | fabs | gmtime]",
    "[numbers | fabs | strftime(\"%%Y/%%j %%H:%%M:%%S %%a %%b\")]",
    "[strings | fromdate?]",
    "[strings | @base64 | @base64d]",
    "[strings | @json, @text]",
    "[strings | fromjson?]",
    "[.. | numbers]",
    "[..] | length",
    "[numbers | pow(.; 2), log2, exp10]",
    "[numbers | isnan, isinfinite, isnormal]",
    "[numbers | significand, logb, trunc]",
    "[recurse | type]",
    "[tostream] | fromstream(.[])",
    "[numbers | . %% 3]",
    "[numbers | -(.)]",
    "[map_values(%o)?]",
    "[numbers | [limit(3; range(.))]]",
    "[strings | . * 2]",
    "[strings | ascii_downcase]",
    "[.[]?] | length",
    "[strings | explode | map(. + 1) | implode]",
    "[min_by(%o)?]",
    "~7 [strings | ltrimstr(\"a\") | rtrimstr(\"b\")]",
    "~7 [abs?]",
    "~8 [strings | trim, ltrim, rtrim]",
    "~8 [strings | trimstr(\"a\")]",
    "~7 [getpath([])]",
    "[to_entries?, (tostring | ascii_upcase)]",
    "~7 [arrays | transpose?]",
    "[objects | del(.a)]",
    "[objects | keys[] as $k | .[$k]]",
    "[strings | .[1:], .[:-1]]",
};

static const char *const updates[] = {".",
                                      "(if type == \"number\" then . + 1 else . end)",
                                      "(if type == \"array\" then sort else . end)",
                                      "(if type == \"object\" then del(.a) else . end)",
                                      "[.]",
                                      "(if type == \"string\" then length else . end)"};

static const char *const fields[] = {".a",    ".b",       ".c",     ".key", ".value",
                                     ".name", ".\"x y\"", ".\"a\"", ".k7"};
static const char *const keys[] = {"a", "b", "c", "key", "value", "\"x y\"", "k7"};
static const char *const numbers[] = {"0", "1", "2", "3", "4"};
static const char *const counts[] = {"1", "2", "3"};
static const char *const literals[] = {"%n", "%t", "null", "true", "false",
                                       "[]", "{}", "0.5",  "(-1)", "1.25"};
static const char *const texts[] = {"",
                                    "a",
                                    "b",
                                    "ab",
                                    "a,b",
                                    "1",
                                    "-2.5",
                                    "[1]",
                                    "x y",
                                    "ABC",
                                    "null",
                                    "aXbXc",
                                    "<&>\\\"",
                                    "tab\\there",
                                    "key",
                                    "value",
                                    "2015-03-05T23:51:47Z",
                                    "YWI="};
static const char *const more_texts[] = {"é", "日本", "😀x", "\\u00e9\\n", "ÀÉ"};
static const char *const operators[] = {"+", "+", "-", "*", "/", "%%"};
static const char *const comparisons[] = {"==", "!=", "<", "<=", ">", ">="};
static const char *const conditions[] = {"and", "or"};
static const char *const assignments[] = {"+=", "-=", "*=", "/=", "//="};
static const char *const sortings[] = {"sort_by", "group_by", "unique_by", "min_by",
                                       "max_by"};
static const char *const formats[] = {"@json", "@text", "@html",   "@csv",
                                      "@tsv",  "@sh",   "@base64", "@uri"};
static const char *const names[] = {"a", "b", "c", "key", "value", "name", "x y"};

struct templates {
    const char *const *list;
    size_t count;
};

#define TEMPLATES(array)      \
    {                         \
        (array), COUNT(array) \
    }

/* A letter and its templates; `leaves` where no deeper one may follow. */
static const struct rule {
    char letter;
    struct templates leaves, all;
} rules[] = {
    {'o', TEMPLATES(one_leaves), TEMPLATES(ones)},
    {'m', TEMPLATES(many_leaves), TEMPLATES(manys)},
    {'p', TEMPLATES(path_leaves), TEMPLATES(paths)},
    {'c', TEMPLATES(term_leaves), TEMPLATES(chains)},
    {'e', TEMPLATES(term_leaves), TEMPLATES(terms)},
    {'a', TEMPLATES(updates), TEMPLATES(arrays)},
    {'u', TEMPLATES(updates), TEMPLATES(functions)},
    {'q', TEMPLATES(picks), TEMPLATES(picks)},
    {'r', TEMPLATES(suffixes), TEMPLATES(suffixes)},
    {'w', TEMPLATES(updates), TEMPLATES(updates)},
    {'f', TEMPLATES(fields), TEMPLATES(fields)},
    {'k', TEMPLATES(keys), TEMPLATES(keys)},
    {'n', TEMPLATES(numbers), TEMPLATES(numbers)},
    {'1', TEMPLATES(counts), TEMPLATES(counts)},
    {'l', TEMPLATES(literals), TEMPLATES(literals)},
    {'A', TEMPLATES(operators), TEMPLATES(operators)},
    {'C', TEMPLATES(comparisons), TEMPLATES(comparisons)},
    {'B', TEMPLATES(conditions), TEMPLATES(conditions)},
    {'U', TEMPLATES(assignments), TEMPLATES(assignments)},
    {'S', TEMPLATES(sortings), TEMPLATES(sortings)},
    {'F', TEMPLATES(formats), TEMPLATES(formats)},
};

/* xorshift64*: the next random number below `below`. */
static unsigned pick(struct grammar *grammar, size_t below)
{
    grammar->state ^= grammar->state >> 12;
    grammar->state ^= grammar->state << 25;
    grammar->state ^= grammar->state >> 27;
    return (unsigned)((grammar->state * UINT64_C(0x2545f4914f6cdd1d) >> 33) % below);
}

void grammar_seed(struct grammar *grammar, uint64_t seed)
{
    /* Seeds that follow one another must begin in quite different ways (splitmix64). */
    seed += UINT64_C(0x9e3779b97f4a7c15);
    seed = (seed ^ seed >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    seed = (seed ^ seed >> 27) * UINT64_C(0x94d049bb133111eb);
    grammar->state = (seed ^ seed >> 31) | 1;
    grammar->variable_count = 0;
}

static const struct rule *rule_of(char letter)
{
    const struct rule *rule = rules;

    while (rule->letter != letter)
        rule++;
    return rule;
}

/* The template behind its condition; NULL where that is not met. */
static const char *usable(const struct grammar *grammar, const char *text)
{
    if (*text != '~')
        return text;
    switch (text[1]) {
    case 'a': return grammar->ascii ? text + 3 : NULL;
    case 'o': return grammar->version < 8 ? text + 3 : NULL;
    default: return grammar->version >= (unsigned)(text[1] - '0') ? text + 3 : NULL;
    }
}

static const char *choose(struct grammar *grammar, const struct templates *of)
{
    const char *text;

    do {
        text = usable(grammar, of->list[pick(grammar, of->count)]);
    } while (text == NULL);
    return text;
}

/* Appends a text in quotes. The texts are written as they stand in JSON. */
static void add_text(struct grammar *grammar, struct buf *out)
{
    size_t count = COUNT(texts) + (grammar->ascii ? 0 : COUNT(more_texts));
    size_t at = pick(grammar, count);

    buf_printf(out, "\"%s\"",
               at < COUNT(texts) ? texts[at] : more_texts[at - COUNT(texts)]);
}

static void add_variable(struct grammar *grammar, struct buf *out)
{
    if (grammar->variable_count == 0)
        buf_append_str(out, ".");
    else
        buf_printf(out, "$%s",
                   grammar->variables[pick(grammar, grammar->variable_count)]);
}

static void expand(struct grammar *grammar, struct buf *out, const char *text,
                   unsigned depth);

/* What stands for one letter behind a percent sign. Returns how many bytes it takes. */
static size_t add_piece(struct grammar *grammar, struct buf *out, const char *letter,
                        unsigned depth)
{
    const struct rule *rule;

    switch (*letter) {
    case '%': buf_append_str(out, "%"); return 1;
    case 't': add_text(grammar, out); return 1;
    case 'v': add_variable(grammar, out); return 1;
    case '>': grammar->variable_count--; return 1;
    case '<': {
        static const char *const known[] = {"a", "b", "i", "j", "m", "v"};
        size_t at = 0;

        while (known[at][0] != letter[1])
            at++;
        grammar->variables[grammar->variable_count++] = known[at];
        return 2;
    }
    default: break;
    }
    rule = rule_of(*letter);
    expand(grammar, out, choose(grammar, depth == 0 ? &rule->leaves : &rule->all),
           depth > 0 ? depth - 1 : 0);
    return 1;
}

/* Appends a template with all that it stands for. */
static void expand(struct grammar *grammar, struct buf *out, const char *text,
                   unsigned depth)
{
    while (*text != 0) {
        size_t plain = strcspn(text, "%");

        buf_append(out, text, plain);
        text += plain;
        if (*text == '%')
            text += 1 + add_piece(grammar, out, text + 1, depth);
    }
}

void grammar_program(struct grammar *grammar, struct buf *text)
{
    expand(grammar, text, "%m", 1 + pick(grammar, MAX_DEPTH - 1));
}

/* ---- documents */

static void add_value(struct grammar *grammar, struct buf *out, unsigned depth);

static void add_number(struct grammar *grammar, struct buf *out)
{
    static const char *const fractions[] = {"0.5", "1.25", "2.75", "10.5", "1425599621"};

    if (pick(grammar, 4) > 0)
        buf_printf(out, "%d", (int)pick(grammar, 17) - 5);
    else
        buf_append_str(out, fractions[pick(grammar, COUNT(fractions))]);
}

static void add_array(struct grammar *grammar, struct buf *out, unsigned depth)
{
    unsigned count = pick(grammar, 5);

    buf_append_str(out, "[");
    for (unsigned i = 0; i < count; i++) {
        if (i > 0)
            buf_append_str(out, ",");
        add_value(grammar, out, depth + 1);
    }
    buf_append_str(out, "]");
}

static void add_object(struct grammar *grammar, struct buf *out, unsigned depth)
{
    unsigned chosen = pick(grammar, 1u << COUNT(names)),
             first = pick(grammar, COUNT(names));
    const char *comma = "";

    chosen &= pick(grammar, 1u << COUNT(names)) | 1u << first;
    buf_append_str(out, "{");
    for (unsigned i = 0; i < COUNT(names); i++) {
        unsigned at = (first + i) % COUNT(names);

        if ((chosen >> at & 1) == 0)
            continue;
        buf_printf(out, "%s\"%s\":", comma, names[at]);
        add_value(grammar, out, depth + 1);
        comma = ",";
    }
    buf_append_str(out, "}");
}

/* Rows with the same members, as tables have. */
static void add_rows(struct grammar *grammar, struct buf *out)
{
    unsigned count = 1 + pick(grammar, 4);

    buf_append_str(out, "[");
    for (unsigned i = 0; i < count; i++) {
        buf_append_str(out, i > 0 ? ",{\"a\":" : "{\"a\":");
        add_number(grammar, out);
        buf_append_str(out, ",\"b\":");
        add_value(grammar, out, 2);
        buf_append_str(out, ",\"key\":");
        add_text(grammar, out);
        buf_append_str(out, pick(grammar, 4) == 0 ? ",\"c\":null}" : "}");
    }
    buf_append_str(out, "]");
}

/* An object with more members than are searched one by one. */
static void add_wide(struct grammar *grammar, struct buf *out)
{
    buf_append_str(out, "{\"a\":");
    add_value(grammar, out, 1);
    for (unsigned i = 0; i < 30; i++) {
        buf_printf(out, ",\"k%u\":", (i * 7 + 3) % 30);
        add_value(grammar, out, 3);
    }
    buf_append_str(out, "}");
}

static void add_value(struct grammar *grammar, struct buf *out, unsigned depth)
{
    static const char *const constants[] = {"null", "true", "false"};
    unsigned kind = pick(grammar, depth < MAX_DEPTH ? 10 : 6);

    if (kind == 0)
        buf_append_str(out, constants[pick(grammar, 3)]);
    else if (kind < 4)
        add_number(grammar, out);
    else if (kind < 6)
        add_text(grammar, out);
    else if (kind < 8)
        add_array(grammar, out, depth);
    else
        add_object(grammar, out, depth);
}

void grammar_document(struct grammar *grammar, struct buf *text)
{
    switch (pick(grammar, 12)) {
    case 0: add_rows(grammar, text); break;
    case 1: add_wide(grammar, text); break;
    case 2: add_value(grammar, text, 0); break;
    case 3:
    case 4:
    case 5: add_array(grammar, text, 0); break;
    default: add_object(grammar, text, 0); break;
    }
}
