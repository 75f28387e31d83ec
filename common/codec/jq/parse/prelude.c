/* Functions that are defined in the language itself. The text of one is read when a
   program uses it. */
#include "common/codec/jq/parse/parser.h"

static const struct definition_text {
    const char *name;
    uint32_t arity;
    const char *text;
} definitions[] = {
    {"first", 0, "def first: .[0];"},
    {"last", 0, "def last: .[-1];"},
    {"nth", 1, "def nth($position): .[$position];"},
    {"nth", 2,
     "def nth($position; f): if $position < 0 then error(\"nth doesn't support negative "
     "indices\") else first(skip($position; f)) end;"},
    {"any", 0, "def any: any(.[]; .);"},
    {"any", 1, "def any(f): any(.[]; f);"},
    {"all", 0, "def all: all(.[]; .);"},
    {"all", 1, "def all(f): all(.[]; f);"},
    {"add", 1, "def add(f): reduce f as $item (null; . + $item);"},
    {"in", 1, "def in(whole): . as $key | whole | has($key);"},
    {"inside", 1, "def inside(whole): . as $part | whole | contains($part);"},
    {"map_values", 1, "def map_values(f): .[] |= f;"},
    {"with_entries", 1, "def with_entries(f): to_entries | map(f) | from_entries;"},
    {"recurse", 2, "def recurse(f; condition): recurse(f | select(condition));"},
    {"recurse_down", 0, "def recurse_down: recurse;"},
    {"paths", 0, "def paths: path(..) | select(. != []);"},
    {"paths", 1, "def paths(f): path(.. | select(f)) | select(. != []);"},
    {"leaf_paths", 0, "def leaf_paths: paths(scalars);"},
    {"pick", 1,
     "def pick(f): . as $whole | reduce path(f) as $path (null; setpath($path; $whole | "
     "getpath($path)));"},
    {"walk", 1,
     "def walk(f): def down: (if type == \"object\" then .[] |= down elif type == "
     "\"array\" then map(down) else . end) | f; down;"},
    {"combinations", 0,
     "def combinations: if length == 0 then [] else .[0][] as $head | (.[1:] | "
     "combinations) "
     "as $tail | [$head] + $tail end;"},
    {"combinations", 1,
     "def combinations($count): . as $choices | [range($count) | $choices] | "
     "combinations;"},
    {"values", 0, "def values: select(. != null);"},
    {"nulls", 0, "def nulls: select(. == null);"},
    {"booleans", 0, "def booleans: select(type == \"boolean\");"},
    {"numbers", 0, "def numbers: select(type == \"number\");"},
    {"strings", 0, "def strings: select(type == \"string\");"},
    {"arrays", 0, "def arrays: select(type == \"array\");"},
    {"objects", 0, "def objects: select(type == \"object\");"},
    {"iterables", 0, "def iterables: select(type == \"array\" or type == \"object\");"},
    {"scalars", 0, "def scalars: select(type != \"array\" and type != \"object\");"},
    {"finites", 0, "def finites: select((isinfinite or isnan) | not);"},
    {"normals", 0, "def normals: select(isnormal);"},
    {"isfinite", 0, "def isfinite: type == \"number\" and (isinfinite | not);"},
    {"isvalid", 1, "def isvalid(f): try (f | true) catch false;"},
    {"toarray", 0, "def toarray: if type == \"array\" then . else [.] end;"},
    {"ascii", 0, "def ascii: [.] | implode;"},
    {"have_literal_numbers", 0, "def have_literal_numbers: true;"},
    {"have_decnum", 0, "def have_decnum: true;"},
    {"IN", 1, "def IN(items): any(items == .; .);"},
    {"IN", 2, "def IN(f; items): any(f == items; .);"},
    {"INDEX", 1, "def INDEX(f): INDEX(.[]; f);"},
    {"INDEX", 2,
     "def INDEX(rows; f): reduce rows as $row ({}; .[$row | f | tostring] = $row);"},
    {"JOIN", 2, "def JOIN($index; f): map([., $index[f]]);"},
    {"JOIN", 3, "def JOIN($index; rows; f): rows | [., $index[f]];"},
    {"JOIN", 4, "def JOIN($index; rows; f; join): rows | [., $index[f]] | join;"},
    {"todate", 0, "def todate: strftime(\"%Y-%m-%dT%H:%M:%SZ\");"},
    {"todateiso8601", 0, "def todateiso8601: todate;"},
    {"date", 0, "def date: todate;"},
    {"fromdate", 0, "def fromdate: strptime(\"%Y-%m-%dT%H:%M:%SZ\") | mktime;"},
    {"fromdateiso8601", 0, "def fromdateiso8601: fromdate;"},
    {"dateadd", 2, "def dateadd(unit; $count): . + $count;"},
    {"datesub", 2, "def datesub(unit; $count): . - $count;"},
    {"tostream", 0,
     "def tostream: def events($way): if (type == \"array\" or type == \"object\") and "
     "length > 0 then keys_unsorted as $keys | ($keys[] as $key | .[$key] | events($way "
     "+ "
     "[$key])), [$way + [$keys[-1]]] else [$way, .] end; events([]);"},
    {"fromstream", 1,
     "def fromstream(f): foreach f as $event ({done: false}; (if .done then {done: "
     "false} "
     "else . end) | if ($event | length) == 2 then .value |= setpath($event[0]; "
     "$event[1]) | .done = ($event[0] == []) else .done = (($event[0] | length) == 1) "
     "end; if .done then .value else empty end);"},
    {"truncate_stream", 1,
     "def truncate_stream(f): . as $depth | null | f | select((.[0] | length) > $depth) "
     "| .[0] "
     "|= .[$depth:];"},
};

const char *prelude_find(struct slice name, uint32_t arity, const char **name_r)
{
    for (size_t i = 0; i < sizeof definitions / sizeof definitions[0]; i++) {
        const struct definition_text *one = &definitions[i];

        if (one->arity == arity && strlen(one->name) == name.len &&
            memcmp(one->name, name.data, name.len) == 0) {
            *name_r = one->name;
            return one->text;
        }
    }
    return NULL;
}
