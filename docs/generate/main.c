/*
 * Fills in a template: the manual, the completions and the configuration files
 * come from the option tables, so that they cannot say something else.
 *
 *     generate TEMPLATE OUTPUT
 *
 * A line "@@WHAT" or "@@WHAT PROGRAM" is replaced by what its function prints;
 * @VERSION@ anywhere by the version. Everything else is copied.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/codec/codec.h"
#include "common/base/file.h"
#include "docs/generate/man.h"
#include "docs/generate/shell.h"
#include "server/process/config.h"
#include "worker/config.h"

#define TEMPLATE_MAX_BYTES (1 << 20)

typedef void print_function(const struct options_program *program, struct buf *out);

/* Without a program: the engines, apart by spaces. */
static void print_engines(const struct options_program *program, struct buf *out)
{
    (void)program;
    for (const char *const *name = codec_engine_names(); *name != NULL; name++)
        buf_printf(out, "%s%s", name == codec_engine_names() ? "" : " ", *name);
}

static const struct directive {
    const char *name;
    print_function *print;
} directives[] = {
    {"OPTIONS", man_print_options},     {"KEYS", man_print_keys},
    {"BASH", shell_print_bash},         {"ZSH", shell_print_zsh},
    {"DEFAULTS", shell_print_defaults},
};

__attribute__((noreturn)) static void give_up(const char *what, const char *where)
{
    fprintf(stderr, "generate: %s: %s\n", where, what);
    exit(1);
}

static const struct options_program *program_named(const char *name)
{
    const struct options_program *programs[] = {server_config_program(),
                                                worker_config_program()};

    for (size_t i = 0; i < sizeof programs / sizeof *programs; i++)
        if (strcmp(programs[i]->name, name) == 0)
            return programs[i];
    give_up("no such program", name);
}

/* "@@WHAT PROGRAM" */
static void run_directive(const char *line, struct buf *out)
{
    char what[32], name[64];

    if (sscanf(line, "@@%31s %63s", what, name) != 2)
        give_up("expected @@WHAT PROGRAM", line);
    for (size_t i = 0; i < sizeof directives / sizeof *directives; i++)
        if (strcmp(directives[i].name, what) == 0) {
            directives[i].print(program_named(name), out);
            return;
        }
    give_up("no such directive", line);
}

/* Copies a line with @VERSION@ and @ENGINES@ filled in. */
static void copy_line(const char *line, struct buf *out)
{
    const char *at;

    while ((at = strchr(line, '@')) != NULL) {
        buf_append(out, line, (size_t)(at - line));
        if (strncmp(at, "@VERSION@", 9) == 0) {
            buf_append_str(out, OFFLOOP_VERSION);
            line = at + 9;
        } else if (strncmp(at, "@ENGINES@", 9) == 0) {
            print_engines(NULL, out);
            line = at + 9;
        } else {
            buf_append(out, at, 1);
            line = at + 1;
        }
    }
    buf_append_str(out, line);
    buf_append_str(out, "\n");
}

static void fill_in(char *text, struct buf *out)
{
    char *rest = text, *line;

    while ((line = strsep(&rest, "\n")) != NULL) {
        if (rest == NULL && line[0] == '\0')
            break; /* behind the last line's end */
        if (strncmp(line, "@@", 2) == 0)
            run_directive(line, out);
        else
            copy_line(line, out);
    }
}

static void write_whole(const char *path, const struct buf *bytes)
{
    FILE *file = fopen(path, "w");

    if (file == NULL || fwrite(bytes->data, 1, bytes->len, file) != bytes->len ||
        fclose(file) != 0)
        give_up("cannot be written", path);
}

int main(int argc, char **argv)
{
    struct buf text = BUF_INIT, out = BUF_INIT;

    if (argc != 3)
        give_up("expected TEMPLATE OUTPUT", argv[0]);
    if (file_read(argv[1], TEMPLATE_MAX_BYTES, &text) < 0)
        give_up("cannot be read", argv[1]);
    buf_append(&text, "", 1);
    fill_in((char *)text.data, &out);
    write_whole(argv[2], &out);
    buf_free(&text);
    buf_free(&out);
    return 0;
}
