#include "docs/generate/shell.h"

#include <assert.h>
#include <stddef.h>
#include <string.h>

#include "docs/generate/rows.h"

#define COMMENT_WIDTH 78

/* What a shell completes a value with, from the word that --help has for it. */
static const char *kind_of(const struct option_row *row)
{
    if (strcmp(row->argument, "FILE") == 0)
        return "file";
    return strcmp(row->argument, "NAME") == 0 ? "user" : "none";
}

static void print_flag(const struct options_program *program,
                       const struct option_row *row, struct buf *out)
{
    (void)program;
    if (row->kind != OPTION_GROUP)
        buf_printf(out, " --%s", row->name);
}

static void print_values(const char *const *values, struct buf *out)
{
    for (size_t i = 0; values[i] != NULL; i++)
        buf_printf(out, "%s%s", i > 0 ? " " : "", values[i]);
}

static void print_branch(const struct options_program *program,
                         const struct option_row *row, struct buf *out)
{
    const char *const *values = rows_values(row);

    (void)program;
    if (row->kind == OPTION_GROUP || row->argument[0] == '\0')
        return;
    buf_printf(out, "        --%s) ", row->name);
    if (values != NULL) {
        buf_append_str(out, "words='");
        print_values(values, out);
        buf_append_str(out, "' ;;\n");
    } else {
        buf_printf(out, "kind=%s ;;\n", kind_of(row));
    }
}

void shell_print_bash(const struct options_program *program, struct buf *out)
{
    buf_append_str(out, "        '') words='");
    rows_each(program, true, print_flag, out);
    buf_append_str(out, "' ;;\n");
    rows_each(program, true, print_branch, out);
}

/* Text within '...:...[...]': what zsh would read as a delimiter is quoted. */
static void print_quoted(const char *text, struct buf *out)
{
    for (; *text != '\0'; text++)
        switch (*text) {
        case '[':
        case ']':
        case ':': buf_printf(out, "\\%c", *text); break;
        case '\'': buf_append_str(out, "'\\''"); break;
        default: buf_append(out, text, 1); break;
        }
}

static void print_action(const struct option_row *row, struct buf *out)
{
    const char *const *values = rows_values(row);

    buf_append_str(out, ":");
    print_quoted(row->argument, out);
    if (values != NULL) {
        buf_append_str(out, ":(");
        print_values(values, out);
        buf_append_str(out, ")");
    } else if (strcmp(kind_of(row), "file") == 0) {
        buf_append_str(out, ":_files");
    } else {
        buf_append_str(out, strcmp(kind_of(row), "user") == 0 ? ":_users" : ": ");
    }
}

static void print_spec(const struct options_program *program,
                       const struct option_row *row, struct buf *out)
{
    (void)program;
    if (row->kind == OPTION_GROUP)
        return;
    buf_printf(out, "        '%s--%s%s[", row->kind == OPTION_LIST ? "*" : "", row->name,
               row->argument[0] != '\0' ? "=" : "");
    print_quoted(row->help, out);
    buf_append_str(out, "]");
    if (row->argument[0] != '\0')
        print_action(row, out);
    buf_append_str(out, "' \\\n");
}

void shell_print_zsh(const struct options_program *program, struct buf *out)
{
    rows_each(program, true, print_spec, out);
}

/* Words as lines of comment. */
static void print_comment(const char *text, struct buf *out)
{
    size_t column = 1;

    buf_append_str(out, "#");
    while (*text != '\0') {
        size_t word = strcspn(text, " ");

        if (column + 1 + word > COMMENT_WIDTH) {
            buf_append_str(out, "\n#");
            column = 1;
        }
        buf_append_str(out, " ");
        buf_append(out, text, word);
        column += 1 + word;
        text += word + strspn(text + word, " ");
    }
    buf_append_str(out, "\n");
}

static void print_default(const struct options_program *program,
                          const struct option_row *row, struct buf *out)
{
    struct buf text = BUF_INIT;

    (void)program;
    if (!rows_is_key(row))
        return;
    assert(row->help[0] != '\0');
    buf_append_str(&text, row->help);
    if (row->names != NULL) {
        buf_append_str(&text, ": ");
        print_values(row->names(), &text);
    }
    if (row->fallback == NULL) {
        buf_append_str(&text, " (default: ");
        rows_print_default(row, &text);
        buf_append_str(&text, ")");
    }
    buf_append(&text, "", 1);
    buf_append_str(out, "\n");
    print_comment((const char *)text.data, out);
    buf_free(&text);
    buf_printf(out, "#%s =", row->name);
    if (row->fallback != NULL && row->fallback[0] != '\0')
        buf_printf(out, " %s", row->fallback);
    buf_append_str(out, "\n");
}

void shell_print_defaults(const struct options_program *program, struct buf *out)
{
    rows_each(program, false, print_default, out);
}
