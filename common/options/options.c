#include "common/options/options.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/base/file.h"
#include "common/base/text.h"
#include "common/options/option_value.h"

/* A larger configuration file is refused. */
#define FILE_MAX_BYTES (1024 * 1024)

/* The sources of values; a later one is stronger. */
enum source { FROM_DEFAULT, FROM_FILE, FROM_ENVIRONMENT, FROM_FLAG };

/* What a flag requests instead of a run. */
enum request { ASK_NOTHING, ASK_HELP, ASK_VERSION, ASK_CHECK, ASK_DUMP };

struct given_flag {
    const struct option_row *row;
    const char *value;
};

struct reader {
    const struct options_program *program;
    void *config;
    struct buf *text;
    enum source *set_by; /* for each row */
    struct given_flag *flags;
    size_t flag_count;
    const char *file; /* --config, NULL for none */
    bool is_ours;     /* the text comes from options_dump() */
    enum request request;
};

/* Sets the text to one line "program: where: what". Returns -1. */
__attribute__((format(printf, 2, 3))) static int fail(struct reader *reader,
                                                      const char *format, ...)
{
    va_list args;

    buf_free(reader->text);
    buf_printf(reader->text, "%s: ", reader->program->name);
    va_start(args, format);
    buf_vprintf(reader->text, format, args);
    va_end(args);
    buf_append_str(reader->text, "\n");
    return -1;
}

static void reader_free(struct reader *reader)
{
    mem_free(reader->set_by);
    mem_free(reader->flags);
}

/* A reader; every option has its default. */
static struct reader reader_start(const struct options_program *program, void *config,
                                  struct buf *text)
{
    struct reader reader = {.program = program, .config = config, .text = text};

    reader.set_by = mem_zalloc(program->row_count * sizeof *reader.set_by);
    for (size_t i = 0; i < program->row_count; i++)
        option_value_set_default(&program->rows[i], config);
    return reader;
}

static const struct option_row *find_row(const struct reader *reader, const char *name,
                                         size_t len)
{
    for (size_t i = 0; i < reader->program->row_count; i++) {
        const struct option_row *row = &reader->program->rows[i];

        if (row->kind != OPTION_GROUP && (!row->internal || reader->is_ours) &&
            strlen(row->name) == len && memcmp(row->name, name, len) == 0)
            return row;
    }
    return NULL;
}

/* The checks for values of all kinds. NULL, or what is wrong. */
static const char *find_flaw(const struct option_row *row, const char *value)
{
    size_t len = strlen(value);

    if (len == 0)
        return row->fallback != NULL && row->fallback[0] == '\0' ? NULL : "is empty";
    if (isspace((unsigned char)value[0]) || isspace((unsigned char)value[len - 1]))
        return "begins or ends with white space";
    for (size_t i = 0; i < len; i++)
        if (iscntrl((unsigned char)value[i]))
            return "has a control character in it";
    return NULL;
}

/* Takes one value from one source. `where` is its place for the error line. */
static int apply(struct reader *reader, const struct option_row *row, enum source source,
                 const char *where, const char *value)
{
    enum source *set_by = &reader->set_by[row - reader->program->rows];
    const char *flaw = find_flaw(row, value);
    struct buf why = BUF_INIT;
    int result = 0;

    assert(source >= *set_by);
    if (flaw != NULL)
        return fail(reader, "%s: the value %s", where, flaw);
    if (source != *set_by && row->kind == OPTION_LIST)
        option_value_clear(row, reader->config);
    if (value[0] != '\0' || row->kind != OPTION_LIST)
        result = option_value_set(row, reader->config, value, &why);
    if (result < 0)
        result = fail(reader, "%s: %.*s", where, (int)why.len, (char *)why.data);
    *set_by = source;
    buf_free(&why);
    return result;
}

static char *skip_space(char *text)
{
    while (isspace((unsigned char)*text))
        text++;
    return text;
}

static void cut_space(char *text)
{
    size_t len = strlen(text);

    while (len > 0 && isspace((unsigned char)text[len - 1]))
        len--;
    text[len] = '\0';
}

/* Takes one "key = value" line without white space around it. */
static int read_pair(struct reader *reader, const char *file, unsigned number, char *line)
{
    char *equals = strchr(line, '=');
    const struct option_row *row;
    char *where;
    int result;

    if (equals == NULL)
        return fail(reader, "%s:%u: expected \"key = value\" or a # comment", file,
                    number);
    *equals = '\0';
    cut_space(line);
    row = find_row(reader, line, strlen(line));
    if (row == NULL || row->kind == OPTION_COMMAND)
        return fail(reader, "%s:%u: unknown key \"%s\"", file, number, line);
    if (row->kind != OPTION_LIST &&
        reader->set_by[row - reader->program->rows] == FROM_FILE)
        return fail(reader, "%s:%u: %s is given twice", file, number, row->name);
    where = str_printf("%s:%u: %s", file, number, row->name);
    result = apply(reader, row, FROM_FILE, where, skip_space(equals + 1));
    mem_free(where);
    return result;
}

static int read_lines(struct reader *reader, const char *file, struct slice input)
{
    char *text = mem_alloc(input.len + 1);
    char *line = text;
    int result = 0;

    if (input.len > 0)
        memcpy(text, input.data, input.len);
    text[input.len] = '\0';
    if (strlen(text) != input.len)
        result = fail(reader, "%s: is not a text file", file);
    for (unsigned number = 1; result == 0 && line != NULL; number++) {
        char *end = strchr(line, '\n');

        if (end != NULL)
            *end++ = '\0';
        line = skip_space(line);
        cut_space(line);
        if (line[0] != '\0' && line[0] != '#')
            result = read_pair(reader, file, number, line);
        line = end;
    }
    mem_free(text);
    return result;
}

static int read_file(struct reader *reader)
{
    struct buf bytes = BUF_INIT;
    int result;

    if (reader->file == NULL)
        return 0;
    if (file_read(reader->file, FILE_MAX_BYTES, &bytes) < 0)
        result = fail(reader, "--config: %s: %s", reader->file, strerror(errno));
    else
        result = read_lines(reader, reader->file, buf_slice(&bytes));
    buf_free(&bytes);
    return result;
}

void options_env_name(const struct options_program *program, const struct option_row *row,
                      struct buf *out)
{
    buf_append_str(out, program->env_prefix);
    for (const char *c = row->name; *c != '\0'; c++)
        buf_append(out, *c == '-' ? "_" : &(char){(char)toupper((unsigned char)*c)}, 1);
}

/* The option of a variable "PREFIX_NAME=..."; NULL if there is none. */
static const struct option_row *find_variable(const struct options_program *program,
                                              const char *variable)
{
    size_t len = strcspn(variable, "=");

    for (size_t i = 0; i < program->row_count; i++) {
        const struct option_row *row = &program->rows[i];
        struct buf name = BUF_INIT;
        bool same;

        if (row->kind == OPTION_GROUP || row->kind == OPTION_COMMAND || row->internal)
            continue;
        options_env_name(program, row, &name);
        same = name.len == len && memcmp(name.data, variable, len) == 0;
        buf_free(&name);
        if (same)
            return row;
    }
    return NULL;
}

static int read_variable(struct reader *reader, const struct option_row *row,
                         const char *variable)
{
    char *copy = str_dup(variable);
    char *value = strchr(copy, '=') + 1;
    char *state = NULL;
    int result = 0;

    value[-1] = '\0';
    /* An empty variable is no value, as --flag= is none. */
    if (row->kind != OPTION_LIST || value[strspn(value, " \t\n")] == '\0')
        result = apply(reader, row, FROM_ENVIRONMENT, copy, value);
    else
        for (char *item = strtok_r(value, " \t\n", &state); item != NULL && result == 0;
             item = strtok_r(NULL, " \t\n", &state))
            result = apply(reader, row, FROM_ENVIRONMENT, copy, item);
    mem_free(copy);
    return result;
}

/* True for PREFIX_CONFIG; then *value_r is its value. */
static bool is_config_variable(const struct options_program *program,
                               const char *variable, const char **value_r)
{
    *value_r = text_after(variable + strlen(program->env_prefix), "CONFIG=");
    return *value_r != NULL;
}

static int read_environment(struct reader *reader, char **env)
{
    const struct options_program *program = reader->program;
    const char *ignored;

    for (; *env != NULL; env++) {
        const struct option_row *row;

        if (!text_starts_with(*env, program->env_prefix) || strchr(*env, '=') == NULL ||
            is_config_variable(program, *env, &ignored))
            continue;
        row = find_variable(program, *env);
        if (row == NULL)
            buf_printf(reader->text, "%.*s names no option and is ignored\n",
                       (int)strcspn(*env, "="), *env);
        else if (read_variable(reader, row, *env) < 0)
            return -1;
    }
    return 0;
}

static void find_config_variable(struct reader *reader, char **env)
{
    const char *prefix = reader->program->env_prefix;

    for (; *env != NULL && reader->file == NULL; env++)
        if (text_starts_with(*env, prefix))
            is_config_variable(reader->program, *env, &reader->file);
}

static enum request find_request(const char *name, size_t len)
{
    static const struct {
        const char *name;
        enum request request;
    } requests[] = {{"help", ASK_HELP},
                    {"version", ASK_VERSION},
                    {"check-config", ASK_CHECK},
                    {"dump-config", ASK_DUMP}};

    for (size_t i = 0; i < sizeof requests / sizeof *requests; i++)
        if (strlen(requests[i].name) == len && memcmp(requests[i].name, name, len) == 0)
            return requests[i].request;
    return ASK_NOTHING;
}

/* The value of the flag at argv[*at]: the text after '=', or the next argument. */
static const char *take_value(const struct option_row *row, int argc, char **argv,
                              int *at)
{
    char *equals = strchr(argv[*at], '=');

    if (row != NULL && row->kind == OPTION_COMMAND)
        return equals == NULL ? "" : NULL;
    if (equals != NULL)
        return equals + 1;
    if (row != NULL && row->kind == OPTION_SWITCH &&
        (*at + 1 == argc || text_starts_with(argv[*at + 1], "--")))
        return "on";
    return *at + 1 < argc ? argv[++*at] : NULL;
}

static int read_flag(struct reader *reader, int argc, char **argv, int *at)
{
    const char *name = argv[*at] + 2;
    size_t len = strcspn(name, "=");
    enum request request = find_request(name, len);
    const struct option_row *row = find_row(reader, name, len);
    bool is_config = len == 6 && memcmp(name, "config", len) == 0;
    const char *value;

    if (!text_starts_with(argv[*at], "--") || len == 0)
        return fail(reader, "unexpected argument \"%s\" (see --help)", argv[*at]);
    if (request != ASK_NOTHING && name[len] == '=')
        return fail(reader, "--%.*s: takes no value", (int)len, name);
    if (request != ASK_NOTHING) {
        if (reader->request == ASK_NOTHING || request == ASK_HELP)
            reader->request = request;
        return 0;
    }
    if (row == NULL && !is_config)
        return fail(reader, "unknown flag --%.*s (see --help)", (int)len, name);
    value = take_value(row, argc, argv, at);
    if (value == NULL)
        return fail(reader, "--%.*s: %s", (int)len, name,
                    row != NULL && row->kind == OPTION_COMMAND ? "takes no value"
                                                               : "needs a value");
    if (is_config)
        reader->file = value;
    else
        reader->flags[reader->flag_count++] = (struct given_flag){row, value};
    return 0;
}

static int read_flags(struct reader *reader, int argc, char **argv)
{
    reader->flags = mem_zalloc((size_t)argc * sizeof *reader->flags);
    for (int at = 1; at < argc; at++)
        if (read_flag(reader, argc, argv, &at) < 0)
            return -1;
    return 0;
}

static int apply_flags(struct reader *reader)
{
    for (size_t i = 0; i < reader->flag_count; i++) {
        const struct given_flag *flag = &reader->flags[i];
        char *where = str_printf("--%s", flag->row->name);
        int result = 0;

        if (flag->row->kind == OPTION_COMMAND)
            result = option_value_set(flag->row, reader->config, "", reader->text);
        else
            result = apply(reader, flag->row, FROM_FLAG, where, flag->value);
        mem_free(where);
        if (result < 0)
            return -1;
    }
    return 0;
}

static int resolve(struct reader *reader)
{
    struct buf why = BUF_INIT;
    int result = 0;

    if (reader->program->resolve != NULL &&
        reader->program->resolve(reader->config, &why) < 0)
        result = fail(reader, "%.*s", (int)why.len, (char *)why.data);
    buf_free(&why);
    return result;
}

static enum options_outcome read_all(struct reader *reader, int argc, char **argv,
                                     char **env)
{
    if (read_flags(reader, argc, argv) < 0)
        return OPTIONS_BAD;
    if (reader->request == ASK_HELP) {
        options_help(reader->program, reader->text);
        return OPTIONS_TEXT;
    }
    if (reader->request == ASK_VERSION) {
        buf_printf(reader->text, "%s %s\n", reader->program->name, OFFLOOP_VERSION);
        return OPTIONS_TEXT;
    }
    find_config_variable(reader, env);
    if (read_file(reader) < 0 || read_environment(reader, env) < 0 ||
        apply_flags(reader) < 0 || resolve(reader) < 0)
        return OPTIONS_BAD;
    if (reader->request == ASK_NOTHING)
        return OPTIONS_RUN;
    if (reader->request == ASK_CHECK) { /* after the warnings */
        buf_append_str(reader->text, "configuration is valid\n");
        return OPTIONS_TEXT;
    }
    buf_free(reader->text);
    options_show(reader->program, reader->config, reader->text);
    return OPTIONS_TEXT;
}

enum options_outcome options_read(const struct options_program *program, int argc,
                                  char **argv, char **env, void *config, struct buf *text)
{
    struct reader reader = reader_start(program, config, text);
    enum options_outcome outcome;

    assert(text->len == 0);
    outcome = read_all(&reader, argc, argv, env);
    reader_free(&reader);
    return outcome;
}

enum options_outcome options_read_text(const struct options_program *program,
                                       const char *file, struct slice input, void *config,
                                       struct buf *text)
{
    struct reader reader = reader_start(program, config, text);
    enum options_outcome outcome = OPTIONS_RUN;

    reader.is_ours = true;
    if (read_lines(&reader, file, input) < 0 || resolve(&reader) < 0)
        outcome = OPTIONS_BAD;
    reader_free(&reader);
    return outcome;
}

void options_free(const struct options_program *program, void *config)
{
    for (size_t i = 0; i < program->row_count; i++)
        option_value_clear(&program->rows[i], config);
}
