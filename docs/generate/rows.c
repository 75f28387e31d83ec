#include "docs/generate/rows.h"

#include <assert.h>
#include <inttypes.h>
#include <stddef.h>

#include "common/base/units.h"

/* What common/options/options.c knows by itself. */
static const struct option_row built_in_rows[] = {
    {.kind = OPTION_GROUP, .name = "Configuration"},
    {.kind = OPTION_COMMAND,
     .name = "config",
     .argument = "FILE",
     .help = "read options from FILE"},
    {.kind = OPTION_COMMAND,
     .name = "check-config",
     .argument = "",
     .help = "check the configuration and exit"},
    {.kind = OPTION_COMMAND,
     .name = "dump-config",
     .argument = "",
     .help = "print the configuration in the form of a file and exit"},
    {.kind = OPTION_COMMAND,
     .name = "version",
     .argument = "",
     .help = "print the version and exit"},
    {.kind = OPTION_COMMAND,
     .name = "help",
     .argument = "",
     .help = "print the options and exit"},
};

void rows_each(const struct options_program *program, bool built_in,
               void (*each)(const struct options_program *program,
                            const struct option_row *row, struct buf *out),
               struct buf *out)
{
    assert(program->row_count > 0);
    for (size_t i = 0; i < program->row_count; i++)
        if (!program->rows[i].internal)
            each(program, &program->rows[i], out);
    for (size_t i = 0; built_in && i < sizeof built_in_rows / sizeof *built_in_rows; i++)
        each(program, &built_in_rows[i], out);
}

bool rows_is_key(const struct option_row *row)
{
    return row->kind != OPTION_GROUP && row->kind != OPTION_COMMAND;
}

const char *const *rows_values(const struct option_row *row)
{
    static const char *const switch_values[] = {"on", "off", NULL};

    if (row->names != NULL)
        return row->names();
    return row->kind == OPTION_SWITCH ? switch_values : NULL;
}

void rows_print_default(const struct option_row *row, struct buf *out)
{
    const char *text = row->shown != NULL ? row->shown : row->fallback;

    assert(rows_is_key(row));
    buf_append_str(out, text != NULL && text[0] != '\0' ? text : "none");
}

static void print_number(const struct option_row *row, uint64_t number, struct buf *out)
{
    switch (row->kind) {
    case OPTION_SIZE: units_print_size(out, number); break;
    case OPTION_DURATION: units_print_duration(out, number); break;
    default: buf_printf(out, "%" PRIu64, number); break;
    }
}

void rows_print_range(const struct option_row *row, struct buf *out)
{
    if (row->min == 0 && row->max == 0)
        return;
    print_number(row, row->min, out);
    if (row->max == 0) {
        buf_append_str(out, " or more");
        return;
    }
    assert(row->max >= row->min);
    buf_append_str(out, " to ");
    print_number(row, row->max, out);
}
