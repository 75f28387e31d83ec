/* Which functions there are without a definition, and which are left out. */
#include "common/codec/jq/functions/functions.h"
#include "common/codec/jq/nodes/nodes.h"
#include "common/codec/jq/parse/parser.h"
#include "common/codec/jq/values.h"

/* Functions of values: name, how many arguments, what computes it. */
static const struct value_builtin {
    const char *name;
    uint32_t arity;
    value_fn *function;
} value_builtins[] = {
    {"length", 0, function_length},
    {"utf8bytelength", 0, function_utf8bytelength},
    {"keys", 0, function_keys},
    {"keys_unsorted", 0, function_keys_unsorted},
    {"has", 1, function_has},
    {"contains", 1, function_contains},
    {"add", 0, function_add},
    {"flatten", 0, function_flatten},
    {"flatten", 1, function_flatten_to},
    {"reverse", 0, function_reverse},
    {"type", 0, function_type},
    {"not", 0, function_not},
    {"error", 0, function_error},
    {"error", 1, function_error_with},
    {"tostring", 0, function_tostring},
    {"tonumber", 0, function_tonumber},
    {"toboolean", 0, function_toboolean},
    {"tojson", 0, function_tojson},
    {"fromjson", 0, function_fromjson},
    {"format", 1, function_format},
    {"to_entries", 0, function_to_entries},
    {"from_entries", 0, function_from_entries},
    {"transpose", 0, function_transpose},
    {"indices", 1, function_indices},
    {"index", 1, function_index},
    {"rindex", 1, function_rindex},
    {"setpath", 2, function_setpath},
    {"delpaths", 1, function_delpaths},
    {"bsearch", 1, function_bsearch},
    {"startswith", 1, function_startswith},
    {"endswith", 1, function_endswith},
    {"ltrimstr", 1, function_ltrimstr},
    {"rtrimstr", 1, function_rtrimstr},
    {"trimstr", 1, function_trimstr},
    {"trim", 0, function_trim},
    {"ltrim", 0, function_ltrim},
    {"rtrim", 0, function_rtrim},
    {"explode", 0, function_explode},
    {"implode", 0, function_implode},
    {"split", 1, function_split},
    {"join", 1, function_join},
    {"ascii_downcase", 0, function_ascii_downcase},
    {"ascii_upcase", 0, function_ascii_upcase},
    {"infinite", 0, function_infinite},
    {"nan", 0, function_nan},
    {"isinfinite", 0, function_isinfinite},
    {"isnan", 0, function_isnan},
    {"isnormal", 0, function_isnormal},
    {"frexp", 0, function_frexp},
    {"modf", 0, function_modf},
    {"lgamma_r", 0, function_lgamma_r},
    {"abs", 0, function_abs},
    {"mktime", 0, function_mktime},
    {"gmtime", 0, function_gmtime},
    {"strftime", 1, function_strftime},
    {"strptime", 1, function_strptime},
};

/* Functions that evaluate their arguments themselves: see nodes.h. */
static const struct node_builtin {
    const char *name;
    uint32_t arity;
    one_fn *one;
    many_fn *many;
    uint32_t number;
} node_builtins[] = {
    {"empty", 0, NULL, many_empty, 0},
    {"recurse", 0, NULL, many_descend, 0},
    {"recurse", 1, NULL, many_recurse, 0},
    {"repeat", 1, NULL, many_repeat, 0},
    {"path", 1, NULL, many_path, 0},
    {"select", 1, NULL, many_select, 0},
    {"getpath", 1, NULL, many_getpath, 0},
    {"del", 1, one_delete, many_of_one, 0},
    {"range", 1, NULL, many_range, 0},
    {"range", 2, NULL, many_range, 0},
    {"range", 3, NULL, many_range, 0},
    {"first", 1, NULL, many_first, 0},
    {"last", 1, NULL, many_last, 0},
    {"limit", 2, NULL, many_limit, 0},
    {"skip", 2, NULL, many_skip, 0},
    {"until", 2, NULL, many_until, 0},
    {"while", 2, NULL, many_while, 0},
    {"isempty", 1, one_is_empty, many_of_one, 0},
    {"any", 2, one_any, many_of_one, 0},
    {"all", 2, one_any, many_of_one, 1},
    {"sort", 0, one_sort_by, many_of_one, SORTING_SORT},
    {"sort_by", 1, one_sort_by, many_of_one, SORTING_SORT},
    {"group_by", 1, one_sort_by, many_of_one, SORTING_GROUP},
    {"unique", 0, one_sort_by, many_of_one, SORTING_UNIQUE},
    {"unique_by", 1, one_sort_by, many_of_one, SORTING_UNIQUE},
    {"min", 0, one_sort_by, many_of_one, SORTING_MIN},
    {"min_by", 1, one_sort_by, many_of_one, SORTING_MIN},
    {"max", 0, one_sort_by, many_of_one, SORTING_MAX},
    {"max_by", 1, one_sort_by, many_of_one, SORTING_MAX},
};

/* What jq has and this language has not, and why. */
static const struct left_out {
    const char *names; /* with a space before and behind each */
    const char *reason;
} left_out[] = {
    {" test match capture scan split splits sub gsub ",
     "regular expressions are not part of this language"},
    {" env ENV get_search_list input_filename ", "programs see no environment"},
    {" input inputs input_line_number ", "a program has one input, which is `.`"},
    {" debug stderr halt halt_error ", "programs have no output but their results"},
    {" now localtime strflocaltime ", "programs see no clock and no time zone"},
    {" builtins ", "this function is not part of this language"},
    {" import include modulemeta ", "modules are not part of this language"},
};

static bool is_named(const char *name, struct slice wanted)
{
    return strlen(name) == wanted.len && memcmp(name, wanted.data, wanted.len) == 0;
}

void builtin_refuse(struct parser *parser, uint32_t at, struct slice name)
{
    char spaced[64];

    if (name.len > sizeof spaced - 3)
        return;
    spaced[0] = ' ';
    memcpy(spaced + 1, name.data, name.len);
    memcpy(spaced + 1 + name.len, " ", 2);
    for (size_t i = 0; i < sizeof left_out / sizeof left_out[0]; i++)
        if (strstr(left_out[i].names, spaced) != NULL)
            parser_refuse(parser, at, "%s", left_out[i].reason);
}

/* A function of values. */
static struct node *value_call(struct parser *parser, uint32_t at, value_fn *function,
                               const struct node *const *args, uint32_t count)
{
    struct node *node;
    bool single = true;

    for (uint32_t i = 0; i < count; i++)
        single = single && args[i]->one != NULL;
    node = parser_node(parser, at, single ? one_function : NULL,
                       single ? many_of_one : many_function);
    for (uint32_t i = 0; i < count; i++)
        parser_adopt(parser, node, args[i], true);
    node->list = parser_list(parser, args, count);
    node->count = count;
    node->function = function;
    node->ignores_input = false;
    return node;
}

static struct node *math_call(struct parser *parser, uint32_t at, struct slice name,
                              const struct node *const *args, uint32_t count)
{
    static value_fn *const functions[] = {function_math1, NULL, function_math2,
                                          function_math3};
    uint32_t number;
    struct node *node;

    if (count > 3 || functions[count] == NULL)
        return NULL;
    number = functions_math_named(name.data, name.len, count);
    if (number == UINT32_MAX)
        return NULL;
    node = value_call(parser, at, functions[count], args, count);
    node->number = number;
    return node;
}

static struct node *node_call(struct parser *parser, uint32_t at,
                              const struct node_builtin *builtin,
                              const struct node *const *args)
{
    struct node *node = parser_node(parser, at, builtin->one, builtin->many);

    for (uint32_t i = 0; i < builtin->arity; i++)
        parser_adopt(parser, node, args[i], false);
    node->a = builtin->arity > 0 ? args[0] : NULL;
    node->b = builtin->arity > 1 ? args[1] : NULL;
    node->c = builtin->arity > 2 ? args[2] : NULL;
    node->number = builtin->number;
    node->ignores_input = false;
    return node;
}

/* map(f) is [.[] | f]. */
static struct node *map_call(struct parser *parser, uint32_t at, const struct node *f)
{
    struct node *each = parser_node(parser, at, NULL, many_iterate);
    struct node *pipe = parser_node(parser, at, NULL, many_pipe);
    struct node *array = parser_node(parser, at, one_array, many_array);

    each->ignores_input = pipe->ignores_input = array->ignores_input = false;
    pipe->a = each;
    pipe->b = f;
    parser_adopt(parser, pipe, f, false);
    array->a = pipe;
    parser_adopt(parser, array, pipe, false);
    return array;
}

struct node *builtin_call(struct parser *parser, uint32_t at, struct slice name,
                          const struct node *const *args, uint32_t count)
{
    if (count == 1 && is_named("map", name))
        return map_call(parser, at, args[0]);
    for (size_t i = 0; i < sizeof node_builtins / sizeof node_builtins[0]; i++)
        if (node_builtins[i].arity == count && is_named(node_builtins[i].name, name))
            return node_call(parser, at, &node_builtins[i], args);
    for (size_t i = 0; i < sizeof value_builtins / sizeof value_builtins[0]; i++)
        if (value_builtins[i].arity == count && is_named(value_builtins[i].name, name))
            return value_call(parser, at, value_builtins[i].function, args, count);
    return math_call(parser, at, name, args, count);
}
