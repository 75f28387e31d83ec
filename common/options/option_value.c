#include "common/options/option_value.h"

#include <assert.h>
#include <inttypes.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/base/log.h"
#include "common/base/units.h"

/* The address of the row's member; never NULL. */
#define MEMBER(row, config, kind) \
    ((OPTION_TYPE_##kind *)(void *)((char *)(config) + (row)->offset))
#define CONST_MEMBER(row, config, kind) \
    ((OPTION_TYPE_##kind const *)(const void *)((const char *)(config) + (row)->offset))

static int refuse(struct buf *why, const char *text, const char *what,
                  const char *expected)
{
    buf_printf(why, "\"%s\" %s: expected %s", text, what, expected);
    return -1;
}

/* The index of text in the row's names, or -1. */
static int find_name(const struct option_row *row, const char *text)
{
    const char *const *names = row->names();

    for (int i = 0; names[i] != NULL; i++)
        if (strcmp(names[i], text) == 0)
            return i;
    return -1;
}

static int refuse_name(const struct option_row *row, const char *text, struct buf *why)
{
    buf_printf(why, "\"%s\" is unknown: expected ", text);
    for (const char *const *name = row->names(); *name != NULL; name++)
        buf_printf(why, "%s%s",
                   name == row->names() ? ""
                   : name[1]            ? ", "
                                        : " or ",
                   *name);
    return -1;
}

static void print_amount(const struct option_row *row, uint64_t amount, struct buf *out)
{
    if (amount == 0 && row->may_be_off)
        buf_append_str(out, "off");
    else if (row->kind == OPTION_SIZE)
        units_print_size(out, amount);
    else if (row->kind == OPTION_DURATION)
        units_print_duration(out, amount);
    else
        buf_printf(out, "%" PRIu64, amount);
}

static int check_range(const struct option_row *row, const char *text, uint64_t amount,
                       struct buf *why)
{
    if (amount >= row->min && (row->max == 0 || amount <= row->max))
        return 0;
    buf_printf(why, "\"%s\" is out of range: expected ", text);
    if (row->max == 0)
        buf_append_str(why, "at least ");
    print_amount(row, row->min, why);
    if (row->max != 0) {
        buf_append_str(why, " to ");
        print_amount(row, row->max, why);
    }
    return -1;
}

static int parse_amount(const struct option_row *row, const char *text,
                        uint64_t *amount_r, struct buf *why)
{
    if (row->may_be_off && strcmp(text, "off") == 0) {
        *amount_r = 0;
        return 0;
    }
    if (row->kind == OPTION_SIZE) {
        if (units_parse_size(text, amount_r) < 0)
            return refuse(why, text, "is not a size", UNITS_SIZE_HELP ", such as 64MiB");
    } else if (row->kind == OPTION_DURATION) {
        if (units_parse_duration(text, amount_r) < 0)
            return refuse(why, text, "is not a duration",
                          UNITS_DURATION_HELP ", such as 10s");
    } else if (units_parse_number(text, amount_r) < 0) {
        return refuse(why, text, "is not a number", "a whole number");
    }
    return check_range(row, text, *amount_r, why);
}

/* Refuses a text that may contain a secret. */
static int refuse_masked(const struct option_row *row, const char *text,
                         const char *expected, struct buf *why)
{
    buf_append_str(why, "\"");
    row->mask(text, why);
    buf_printf(why, "\" is not valid: expected %s", expected);
    return -1;
}

static int check_text(const struct option_row *row, const char *text, struct buf *why)
{
    const char *expected = NULL;

    if (row->names != NULL && find_name(row, text) < 0)
        return refuse_name(row, text, why);
    if (row->check != NULL && row->check(text, &expected) < 0) {
        assert(expected != NULL);
        if (row->mask != NULL)
            return refuse_masked(row, text, expected, why);
        return refuse(why, text, "is not valid", expected);
    }
    return 0;
}

static void append_item(struct option_list *list, const char *text)
{
    list->items = mem_realloc(list->items, (list->count + 1) * sizeof *list->items);
    list->items[list->count++] = str_dup(text);
}

static int set_amount(const struct option_row *row, void *config, const char *text,
                      struct buf *why)
{
    uint64_t amount;

    if (parse_amount(row, text, &amount, why) < 0)
        return -1;
    if (row->kind == OPTION_UNSIGNED) {
        assert(row->max > 0 && row->max <= UINT32_MAX);
        *MEMBER(row, config, UNSIGNED) = (unsigned)amount;
    } else {
        *MEMBER(row, config, SIZE) = amount;
    }
    return 0;
}

static int set_enum(const struct option_row *row, void *config, const char *text,
                    struct buf *why)
{
    int index = find_name(row, text);

    if (index < 0)
        return refuse_name(row, text, why);
    *MEMBER(row, config, ENUM) = index;
    return 0;
}

static int set_switch(const struct option_row *row, void *config, const char *text,
                      struct buf *why)
{
    bool on = strcmp(text, "on") == 0;

    if (!on && strcmp(text, "off") != 0)
        return refuse(why, text, "is not a switch", "on or off");
    *MEMBER(row, config, SWITCH) = on;
    return 0;
}

static int set_text(const struct option_row *row, void *config, const char *text,
                    struct buf *why)
{
    if (check_text(row, text, why) < 0)
        return -1;
    if (row->kind == OPTION_LIST) {
        append_item(MEMBER(row, config, LIST), text);
    } else {
        mem_free(*MEMBER(row, config, STRING));
        *MEMBER(row, config, STRING) = str_dup(text);
    }
    return 0;
}

int option_value_set(const struct option_row *row, void *config, const char *text,
                     struct buf *why)
{
    switch (row->kind) {
    case OPTION_SIZE:
    case OPTION_DURATION:
    case OPTION_UNSIGNED: return set_amount(row, config, text, why);
    case OPTION_ENUM: return set_enum(row, config, text, why);
    case OPTION_SWITCH: return set_switch(row, config, text, why);
    case OPTION_STRING:
    case OPTION_LIST: return set_text(row, config, text, why);
    case OPTION_COMMAND: *MEMBER(row, config, COMMAND) = true; return 0;
    case OPTION_GROUP: break;
    }
    log_panic("heading \"%s\" is not an option", row->name);
}

void option_value_set_default(const struct option_row *row, void *config)
{
    struct buf why = BUF_INIT;

    if (row->fallback == NULL)
        return;
    if (row->fallback[0] == '\0') {
        if (row->kind == OPTION_STRING)
            *MEMBER(row, config, STRING) = str_dup("");
    } else if (option_value_set(row, config, row->fallback, &why) < 0) {
        log_panic("default of --%s: %.*s", row->name, (int)why.len, (char *)why.data);
    }
}

void option_value_clear(const struct option_row *row, void *config)
{
    struct option_list *list;

    if (row->kind == OPTION_STRING) {
        mem_free(*MEMBER(row, config, STRING));
        *MEMBER(row, config, STRING) = NULL;
    } else if (row->kind == OPTION_LIST) {
        list = MEMBER(row, config, LIST);
        for (size_t i = 0; i < list->count; i++)
            mem_free(list->items[i]);
        mem_free(list->items);
        *list = (struct option_list){NULL, 0};
    }
}

size_t option_value_count(const struct option_row *row, const void *config)
{
    switch (row->kind) {
    case OPTION_GROUP:
    case OPTION_COMMAND: return 0;
    case OPTION_LIST: return CONST_MEMBER(row, config, LIST)->count;
    default: return 1;
    }
}

void option_value_print(const struct option_row *row, const void *config, size_t index,
                        struct buf *out)
{
    assert(index < option_value_count(row, config));
    switch (row->kind) {
    case OPTION_SIZE:
    case OPTION_DURATION: print_amount(row, *CONST_MEMBER(row, config, SIZE), out); break;
    case OPTION_UNSIGNED:
        print_amount(row, *CONST_MEMBER(row, config, UNSIGNED), out);
        break;
    case OPTION_ENUM:
        buf_append_str(out, row->names()[*CONST_MEMBER(row, config, ENUM)]);
        break;
    case OPTION_SWITCH:
        buf_append_str(out, *CONST_MEMBER(row, config, SWITCH) ? "on" : "off");
        break;
    case OPTION_STRING: buf_append_str(out, *CONST_MEMBER(row, config, STRING)); break;
    case OPTION_LIST:
        buf_append_str(out, CONST_MEMBER(row, config, LIST)->items[index]);
        break;
    case OPTION_GROUP:
    case OPTION_COMMAND: break;
    }
}
