/*
 * The built-in functions of values (see value_fn in program.h): what they take and give
 * is in docs/JQ.md. args[0] is the input, the arguments follow; all are taken.
 */
#ifndef OFFLOOP_COMMON_CODEC_JQ_FUNCTIONS_FUNCTIONS_H
#define OFFLOOP_COMMON_CODEC_JQ_FUNCTIONS_FUNCTIONS_H

#include "common/codec/jq/program.h"

/* ---- functions.c */
value_fn function_length, function_keys, function_keys_unsorted, function_has,
    function_contains, function_add, function_flatten, function_flatten_to,
    function_reverse, function_type, function_not, function_error, function_error_with,
    function_tostring, function_tonumber, function_toboolean, function_tojson,
    function_fromjson, function_to_entries, function_from_entries, function_transpose,
    function_indices, function_index, function_rindex, function_setpath,
    function_delpaths, function_bsearch, function_format;

/* ---- functions_strings.c */
value_fn function_utf8bytelength, function_startswith, function_endswith,
    function_ltrimstr, function_rtrimstr, function_trimstr, function_trim, function_ltrim,
    function_rtrim, function_explode, function_implode, function_split, function_join,
    function_ascii_downcase, function_ascii_upcase;

/* ---- functions_math.c; one_math: number is the position in the table */
value_fn function_math1, function_math2, function_math3, function_infinite, function_nan,
    function_isinfinite, function_isnan, function_isnormal, function_frexp, function_modf,
    function_lgamma_r, function_abs;

/* The position of a mathematical function with so many arguments (0: of its input);
   UINT32_MAX where there is none. */
uint32_t functions_math_named(const uint8_t *name, size_t len, uint32_t arity);

/* ---- functions_dates.c */
value_fn function_mktime, function_gmtime, function_strftime, function_strptime;

#endif
