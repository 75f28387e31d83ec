#include "common/options/options.h"

#include <string.h>

#include "common/options/option_value.h"
#include "common/base/units.h"

/* The columns at which explanations begin and lines break. */
#define HELP_INDENT 26
#define HELP_WIDTH  80

static void print_masked(const struct option_row *row, const void *config, size_t n,
                         struct buf *out)
{
    struct buf text = BUF_INIT;

    option_value_print(row, config, n, &text);
    buf_append(&text, "", 1);
    row->mask((const char *)text.data, out);
    buf_free(&text);
}

static void print_all(const struct options_program *program, const void *config,
                      bool masked, struct buf *out)
{
    for (size_t i = 0; i < program->row_count; i++) {
        const struct option_row *row = &program->rows[i];

        if (masked && row->internal)
            continue;
        for (size_t n = 0; n < option_value_count(row, config); n++) {
            buf_printf(out, "%s = ", row->name);
            if (masked && row->mask != NULL)
                print_masked(row, config, n, out);
            else
                option_value_print(row, config, n, out);
            buf_append_str(out, "\n");
        }
    }
}

void options_show(const struct options_program *program, const void *config,
                  struct buf *out)
{
    print_all(program, config, true, out);
}

void options_dump(const struct options_program *program, const void *config,
                  struct buf *out)
{
    print_all(program, config, false, out);
}

/* Appends words from column HELP_INDENT on, breaking lines at HELP_WIDTH. */
static void print_wrapped(struct buf *out, const char *text)
{
    size_t column = HELP_INDENT;

    while (*text != '\0') {
        size_t word = strcspn(text, " ");

        if (column > HELP_INDENT && column + 1 + word > HELP_WIDTH) {
            buf_printf(out, "\n%*s", HELP_INDENT, "");
            column = HELP_INDENT;
        } else if (column > HELP_INDENT) {
            buf_append_str(out, " ");
            column++;
        }
        buf_append(out, text, word);
        column += word;
        text += word + strspn(text + word, " ");
    }
    buf_append_str(out, "\n");
}

static void print_entry(struct buf *out, const char *name, const char *argument,
                        const char *text)
{
    size_t start = out->len;
    size_t width;

    buf_printf(out, "  --%s%s%s", name, argument[0] ? " " : "", argument);
    width = out->len - start;
    if (width + 2 > HELP_INDENT)
        buf_printf(out, "\n%*s", HELP_INDENT, "");
    else
        buf_printf(out, "%*s", (int)(HELP_INDENT - width), "");
    print_wrapped(out, text);
}

/* Appends the values and the default, which follow an option's explanation. */
static void append_values(const struct option_row *row, struct buf *text)
{
    const char *fallback = row->shown != NULL ? row->shown : row->fallback;

    if (row->names != NULL)
        for (const char *const *name = row->names(); *name != NULL; name++)
            buf_printf(text, "%s%s", name == row->names() ? ": " : ", ", *name);
    if (row->kind == OPTION_COMMAND)
        return;
    buf_printf(text, " (default: %s%s)",
               fallback != NULL && fallback[0] != '\0' ? fallback : "none",
               row->kind == OPTION_LIST ? "; may be repeated" : "");
}

static void print_row(struct buf *out, const struct option_row *row)
{
    struct buf text = BUF_INIT;

    if (row->kind == OPTION_GROUP) {
        buf_printf(out, "\n%s:\n", row->name);
        return;
    }
    buf_append_str(&text, row->help);
    append_values(row, &text);
    buf_append(&text, "", 1);
    print_entry(out, row->name, row->argument, (const char *)text.data);
    buf_free(&text);
}

void options_help(const struct options_program *program, struct buf *out)
{
    buf_printf(out, "Usage: %s [--FLAG VALUE | --FLAG=VALUE]...\n%s\n", program->name,
               program->summary);
    for (size_t i = 0; i < program->row_count; i++)
        if (!program->rows[i].internal)
            print_row(out, &program->rows[i]);
    buf_append_str(out, "\nConfiguration:\n");
    print_entry(out, "config", "FILE", "read options from FILE (default: none)");
    print_entry(out, "check-config", "", "check the configuration and exit");
    print_entry(out, "dump-config", "",
                "print the configuration in the form of a file and exit");
    print_entry(out, "version", "", "print the version and exit");
    print_entry(out, "help", "", "print this and exit");
    buf_printf(out,
               "\nSizes are " UNITS_SIZE_HELP ";\n"
               "durations are " UNITS_DURATION_HELP ".\n"
               "Every option is also a key of FILE (\"key = value\" lines, # comments)\n"
               "and an environment variable %s<FLAG> (lists: separated by\n"
               "white space). Flag beats environment beats file.\n",
               program->env_prefix);
}
