/*
 * What programs do with values: the operators, order, paths and formats. Each takes its
 * arguments (value.h) unless it says that it borrows. Those that return an int return an
 * enum flow, FLOW_ERROR with a message about `node`.
 */
#ifndef OFFLOOP_COMMON_CODEC_JQ_VALUES_H
#define OFFLOOP_COMMON_CODEC_JQ_VALUES_H

#include "common/codec/jq/nodes/flow.h"

/* ---- numbers.c */

enum operation {
    OPERATION_ADD,
    OPERATION_SUBTRACT,
    OPERATION_MULTIPLY,
    OPERATION_DIVIDE,
    OPERATION_MODULO
};

/* a + b and so on, of all types. */
int values_operate(struct jq_run *run, const struct node *node, enum operation operation,
                   struct jv a, struct jv b, struct jv *out_r);

/* The nearest double; an infinity for digits beyond all doubles. */
double values_double(struct jv number);

/* Counts the steps of reading a value that may be digits, as values_double() does, which
   can be as many as a text has. Borrows. */
static inline void values_charge_digits(struct jq_run *run, struct jv value)
{
    if (value.kind == JV_DIGITS)
        run_charge(run, value.len / 16);
}

/* Order of two numbers by value: -1, 0, 1. NaN is below all numbers. */
int values_compare_numbers(struct jv a, struct jv b);

/* The number that a JSON text is; false where it is none. Borrows. */
bool values_parse_number(struct jq_run *run, struct slice text, struct jv *number_r);

/* Writes a number of the language or of a text as JSON has it: without `+` and zeros in
   front, with a digit on either side of its point. What is no number remains none.
   Returns how many bytes; `to` has room for NUMBER_PLAIN_BYTES. */
#define NUMBER_PLAIN_BYTES(len) ((size_t)(len) + 3)
size_t values_plain_number(struct slice text, uint8_t *to);

/* True for the text nan, which is a number in texts. */
bool values_is_nan(struct slice text);

/* True where digits of the document are a JSON number. */
bool values_digits_valid(struct jv digits);

/* An integer from a number: its whole part, between the two. */
int64_t values_integer(struct jv number, int64_t min, int64_t max);

/* ---- order.c */

/* Order of any two values, as jq has it: null, false, true, numbers, strings, arrays,
   objects. Borrows. */
int values_compare(struct jq_run *run, struct jv a, struct jv b);

/* As values_compare() == 0, faster. Borrows. */
bool values_equal(struct jq_run *run, struct jv a, struct jv b);

/* The array sorted by itself, or by the array of as many keys. Equal ones keep their
   order. */
struct jv values_sort(struct jq_run *run, struct jv array);
struct jv values_sort_by(struct jq_run *run, struct jv array, struct jv keys,
                         struct jv *sorted_keys_r);

/* The names of an object in order. */
struct jv values_sorted_keys(struct jq_run *run, struct jv object);

/* ---- access.c */

/* value[key] for any key. */
int values_get(struct jq_run *run, const struct node *node, struct jv value,
               struct jv key, struct jv *out_r);

/* The value with value[key] = item. */
int values_set(struct jq_run *run, const struct node *node, struct jv value,
               struct jv key, struct jv item, struct jv *out_r);

/* Follows a path (an array); null where it leads nowhere. */
int values_get_path(struct jq_run *run, const struct node *node, struct jv value,
                    struct jv path, struct jv *out_r);

/* The value with what is at the path replaced by what `change` makes of it. */
struct change {
    const struct node *node;
    /* Takes the old value. */
    int (*apply)(struct change *change, struct jq_run *run, struct jv old,
                 struct jv *new_r);
};
int values_change_path(struct jq_run *run, struct change *change, struct jv value,
                       struct jv path, struct jv *out_r);

/* The value without what is at the paths (an array of paths). */
int values_delete_paths(struct jq_run *run, const struct node *node, struct jv value,
                        struct jv paths, struct jv *out_r);

/* True where value has that key. Borrows both. */
int values_has(struct jq_run *run, const struct node *node, struct jv value,
               struct jv key, bool *has_r);

/* Calls `take` with each item or member's value and its key (both taken by it) until one
   returns other than FLOW_OK. Takes the value. */
struct each {
    const struct node *node;
    bool with_keys; /* else keys are null */
    int (*take)(struct each *each, struct jq_run *run, struct jv key, struct jv item);
};
int values_each(struct jq_run *run, struct each *each, struct jv value);

/* ---- write.c */

/* Writes the (borrowed) value as MessagePack, of at most `max` bytes, else the run ends.
   What is returned is good until the next is written. */
struct slice values_write(struct jq_run *run, struct jv value, size_t max);

/* The same for an array whose (borrowed) items come one after another: begin, each item,
   end. Between them values_to_json() may be called, but nothing else here. */
void values_begin_array(struct jq_run *run, size_t max);
void values_write_item(struct jq_run *run, struct jv item);
struct slice values_end_array(struct jq_run *run, uint32_t count);

/* The value's JSON text. */
struct jv values_to_json(struct jq_run *run, struct jv value);

/* The value of a JSON text; fails where it is none. */
int values_from_json(struct jq_run *run, const struct node *node, struct jv text,
                     struct jv *out_r);

/* A MessagePack value from outside as a built value; false where it is none. */
bool values_from_msgpack(struct jq_run *run, struct slice bytes, struct jv *out_r);

/* A string as it is, else its JSON text. */
struct jv values_to_string(struct jq_run *run, struct jv value);

/* ---- formats.c */

/* The number of a format, "@csv"; UINT32_MAX where there is none. */
uint32_t values_format_named(struct slice name);

/* Applies a format. */
int values_format(struct jq_run *run, const struct node *node, uint32_t format,
                  struct jv value, struct jv *out_r);

#endif
