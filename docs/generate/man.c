#include "docs/generate/man.h"

#include <assert.h>
#include <stddef.h>
#include <string.h>

#include "docs/generate/rows.h"

/* Appends text so that troff prints it as it is: a '-' that can be copied to a shell, no
   escapes, and no request where it begins a line. */
static void print_plain(const char *text, struct buf *out)
{
    if (text[0] == '.' || text[0] == '\'')
        buf_append_str(out, "\\&");
    for (; *text != '\0'; text++)
        switch (*text) {
        case '-': buf_append_str(out, "\\-"); break;
        case '\\': buf_append_str(out, "\\e"); break;
        default: buf_append(out, text, 1); break;
        }
}

static void print_in(const char *font, const char *text, struct buf *out)
{
    buf_printf(out, "\\f%s", font);
    print_plain(text, out);
    buf_append_str(out, "\\fR");
}

/* The texts of a buffer are printed and freed; an empty one prints nothing. */
static void print_note(const char *before, struct buf *text, const char *after,
                       struct buf *out)
{
    if (text->len > 0) {
        buf_append(text, "", 1);
        buf_append_str(out, before);
        print_in("B", (const char *)text->data, out);
        buf_append_str(out, after);
    }
    buf_free(text);
}

static void print_values(const struct option_row *row, struct buf *out)
{
    const char *const *values = rows_values(row);

    if (values == NULL || row->kind == OPTION_SWITCH)
        return;
    buf_append_str(out, "One of ");
    for (size_t i = 0; values[i] != NULL; i++) {
        if (i > 0)
            buf_append_str(out, values[i + 1] != NULL ? ", " : " or ");
        print_in("B", values[i], out);
    }
    buf_append_str(out, ".\n");
}

/* The sentence of a row's help, then what else is known of its value. */
static void print_body(const struct option_row *row, struct buf *out)
{
    struct buf text = BUF_INIT;

    assert(row->help[0] != '\0');
    buf_append_str(&text, row->help);
    if (text.data[0] >= 'a' && text.data[0] <= 'z')
        text.data[0] -= 'a' - 'A';
    buf_append(&text, "", 1);
    print_plain((const char *)text.data, out);
    buf_append_str(out, ".\n");
    buf_free(&text);
    print_values(row, out);
    if (row->kind == OPTION_LIST)
        buf_append_str(out, "May be repeated.\n");
    if (rows_is_key(row)) {
        rows_print_default(row, &text);
        print_note("Default: ", &text, ".\n", out);
    }
}

static void print_group(const struct option_row *row, struct buf *out)
{
    buf_append_str(out, ".SS ");
    print_plain(row->name, out);
    buf_append_str(out, "\n");
}

static void print_option(const struct options_program *program,
                         const struct option_row *row, struct buf *out)
{
    (void)program;
    if (row->kind == OPTION_GROUP) {
        print_group(row, out);
        return;
    }
    buf_append_str(out, ".TP\n\\fB\\-\\-");
    print_plain(row->name, out);
    buf_append_str(out, "\\fR");
    if (row->argument[0] != '\0') {
        buf_append_str(out, " ");
        print_in("I", row->argument, out);
    }
    buf_append_str(out, "\n");
    print_body(row, out);
}

void man_print_options(const struct options_program *program, struct buf *out)
{
    rows_each(program, true, print_option, out);
}

static void print_key(const struct options_program *program, const struct option_row *row,
                      struct buf *out)
{
    struct buf text = BUF_INIT;

    if (!rows_is_key(row))
        return; /* groups of nothing but flags would leave an empty section */
    buf_append_str(out, ".TP\n");
    print_in("B", row->name, out);
    buf_append_str(out, " = ");
    print_in("I", row->argument, out);
    buf_append_str(out, "\n");
    print_body(row, out);
    rows_print_range(row, &text);
    print_note("Allowed: ", &text, ".\n", out);
    options_env_name(program, row, &text);
    print_note("Environment: ", &text, ".\n", out);
}

void man_print_keys(const struct options_program *program, struct buf *out)
{
    rows_each(program, false, print_key, out);
}
