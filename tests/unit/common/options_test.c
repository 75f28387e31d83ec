/* The option engine on a table of its own: every kind, every source, every error line. */
#include "common/options/options.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "tests/unit/common/options_reading.h"

struct sample {
    struct option_list listen;
    struct option_list tag;
    char *name;
    char *note;
    char *engine;
    char *home;
    uint64_t body_bytes;
    uint64_t arena_bytes;
    uint64_t timeout_ns;
    unsigned processes;
    int color;
    bool sync;
    bool verify;
};

static const char *const *color_names(void)
{
    static const char *const names[] = {"red", "green", "blue", NULL};

    return names;
}

static const char *const *engine_names(void)
{
    static const char *const names[] = {"slow", "fast", NULL};

    return names;
}

static int check_slash(const char *text, const char **expected_r)
{
    *expected_r = "a path that begins with /";
    return text[0] == '/' ? 0 : -1;
}

/* clang-format off */
#define OPTION(...) OPTION_ROW(struct sample, __VA_ARGS__)
static const struct option_row rows[] = {
    OPTION_ROW_GROUP("Things") /* a heading */
    OPTION(LIST, listen, "listen", "PATH", "/default", "where", .check = check_slash)
    OPTION(LIST, tag, "tag", "TEXT", "", "labels")
    OPTION(STRING, name, "name", "TEXT", "nobody", "who")
    OPTION(STRING, note, "note", "TEXT", "", "may be empty")
    OPTION(STRING, engine, "engine", "ENGINE", "slow", "how", .names = engine_names)
    OPTION(STRING, home, "home", "DIR", NULL, "where to", .shown = "the usual place")
    OPTION_ROW_GROUP("Numbers")
    OPTION(SIZE, body_bytes, "max-body", "SIZE", "64MiB", "largest body",
           .min = 1024, .max = 1 << 30)
    OPTION(SIZE, arena_bytes, "arena", "SIZE", "1MiB", "shared memory",
           .may_be_off = true)
    OPTION(DURATION, timeout_ns, "job-timeout", "D", "10s", "deadline", .min = 1000)
    OPTION(UNSIGNED, processes, "processes", "N", "2", "how many", .min = 1, .max = 16)
    OPTION(ENUM, color, "color", "COLOR", "green", "which one", .names = color_names)
    OPTION(SWITCH, sync, "sync", "on|off", "off", "be careful")
    OPTION(COMMAND, verify, "verify", "", NULL, "verify and exit")};
/* clang-format on */

static int resolve(void *context, struct buf *why)
{
    struct sample *sample = context;

    if (sample->home == NULL)
        sample->home = strdup("/home/sample");
    if (strcmp(sample->name, sample->note) != 0)
        return 0;
    buf_append_str(why, "--note: expected other than --name");
    return -1;
}

static const struct options_program program = {
    .name = "sample",
    .summary = "A program of the tests.",
    .env_prefix = "OFFLOOP_SAMPLE_",
    .config_size = sizeof(struct sample),
    .rows = rows,
    .row_count = sizeof rows / sizeof *rows,
    .resolve = resolve,
};

/* One reading of options, and its outcome. */
struct fixture {
    struct sample sample;
    struct buf text; /* NUL-terminated after run() */
    enum options_outcome outcome;
};

/* Reads flags and environment given as arrays that end with NULL. */
static void run(struct fixture *f, const char *const *flags, const char *const *env)
{
    f->outcome = read_options(&program, &f->sample, &f->text, flags, env);
}

#define FLAGS(...)  ((const char *const[]){__VA_ARGS__, NULL})
#define RUN(f, ...) run(f, FLAGS(__VA_ARGS__), NULL)

static void end(struct fixture *f)
{
    options_free(&program, &f->sample);
    buf_free(&f->text);
}

static const char *text(const struct fixture *f)
{
    return (const char *)f->text.data;
}

/* A temporary file with this content; its path is static. */
static const char *write_file(const char *content)
{
    static char path[64];
    FILE *file;
    int fd;

    snprintf(path, sizeof path, "/tmp/offloop-options-XXXXXX");
    fd = mkstemp(path);
    assert_true(fd >= 0);
    file = fdopen(fd, "w");
    fputs(content, file);
    fclose(file);
    return path;
}

static void defaults(void **state)
{
    struct fixture f;

    (void)state;
    run(&f, NULL, NULL);
    assert_int_equal(f.outcome, OPTIONS_RUN);
    assert_string_equal(text(&f), "");
    assert_int_equal(f.sample.listen.count, 1);
    assert_string_equal(f.sample.listen.items[0], "/default");
    assert_int_equal(f.sample.tag.count, 0);
    assert_string_equal(f.sample.name, "nobody");
    assert_string_equal(f.sample.note, "");
    assert_string_equal(f.sample.engine, "slow");
    assert_string_equal(f.sample.home, "/home/sample");
    assert_int_equal(f.sample.body_bytes, 64 << 20);
    assert_int_equal(f.sample.timeout_ns, 10000000000);
    assert_int_equal(f.sample.processes, 2);
    assert_int_equal(f.sample.color, 1);
    assert_false(f.sample.sync);
    assert_false(f.sample.verify);
    end(&f);
}

static void flags_in_both_forms(void **state)
{
    struct fixture f;

    (void)state;
    RUN(&f, "--name", "x=y", "--max-body=2KiB", "--job-timeout", "200us",
        "--processes=16", "--color", "blue", "--engine=fast", "--arena=off", "--note=a b",
        "--verify");
    assert_int_equal(f.outcome, OPTIONS_RUN);
    assert_string_equal(f.sample.name, "x=y");
    assert_int_equal(f.sample.body_bytes, 2048);
    assert_int_equal(f.sample.timeout_ns, 200000);
    assert_int_equal(f.sample.processes, 16);
    assert_int_equal(f.sample.color, 2);
    assert_string_equal(f.sample.engine, "fast");
    assert_int_equal(f.sample.arena_bytes, 0);
    assert_string_equal(f.sample.note, "a b");
    assert_true(f.sample.verify);
    end(&f);
}

static void last_flag_wins(void **state)
{
    struct fixture f;

    (void)state;
    RUN(&f, "--name=a", "--name=b", "--sync", "--sync=off");
    assert_string_equal(f.sample.name, "b");
    assert_false(f.sample.sync);
    end(&f);
}

static void switches(void **state)
{
    static const struct {
        const char *flags[4];
        bool on;
    } cases[] = {
        {{"--sync", NULL}, true},       {{"--sync=on", NULL}, true},
        {{"--sync", "on", NULL}, true}, {{"--sync", "off", NULL}, false},
        {{"--sync=off", NULL}, false},  {{"--sync", "--name", "x", NULL}, true},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct fixture f;

        run(&f, cases[i].flags, NULL);
        assert_int_equal(f.outcome, OPTIONS_RUN);
        assert_int_equal(f.sample.sync, cases[i].on);
        end(&f);
    }
}

static void lists_repeat(void **state)
{
    struct fixture f;

    (void)state;
    RUN(&f, "--listen", "/a", "--listen=/b", "--listen", "/c");
    assert_int_equal(f.sample.listen.count, 3);
    assert_string_equal(f.sample.listen.items[0], "/a");
    assert_string_equal(f.sample.listen.items[2], "/c");
    end(&f);
}

static void flag_beats_environment_beats_file(void **state)
{
    const char *path = write_file("# all three\nname = file\nprocesses = 3\n"
                                  "  color=red  \nlisten = /f1\nlisten = /f2\n\n"
                                  "tag = from file\nnote =\n");
    char config[96];
    struct fixture f;

    (void)state;
    snprintf(config, sizeof config, "--config=%s", path);
    run(&f, FLAGS(config, "--name", "flag", "--listen=/flag"),
        FLAGS("OFFLOOP_SAMPLE_NAME=env", "OFFLOOP_SAMPLE_PROCESSES=4",
              "OFFLOOP_SAMPLE_LISTEN=/e1 /e2\t/e3", "HOME=/root"));
    assert_int_equal(f.outcome, OPTIONS_RUN);
    assert_string_equal(f.sample.name, "flag");
    assert_int_equal(f.sample.processes, 4);
    assert_int_equal(f.sample.color, 0);
    assert_int_equal(f.sample.listen.count, 1);
    assert_string_equal(f.sample.listen.items[0], "/flag");
    assert_string_equal(f.sample.tag.items[0], "from file");
    end(&f);
    run(&f, FLAGS(config), FLAGS("OFFLOOP_SAMPLE_LISTEN=/e1 /e2\t/e3"));
    assert_int_equal(f.sample.listen.count, 3);
    assert_string_equal(f.sample.listen.items[1], "/e2");
    assert_string_equal(f.sample.name, "file");
    end(&f);
    run(&f, FLAGS(config), NULL);
    assert_int_equal(f.sample.listen.count, 2);
    end(&f);
    unlink(path);
}

static void a_variable_that_is_empty(void **state)
{
    static const char *const variables[] = {
        "OFFLOOP_SAMPLE_LISTEN=", "OFFLOOP_SAMPLE_LISTEN= \t",
        "OFFLOOP_SAMPLE_PROCESSES="};
    struct fixture f;

    (void)state;
    for (size_t i = 0; i < sizeof variables / sizeof *variables; i++) {
        run(&f, FLAGS(NULL), FLAGS(variables[i]));
        assert_int_equal(f.outcome, OPTIONS_BAD);
        assert_non_null(memmem(f.text.data, f.text.len, "OFFLOOP_SAMPLE_", 15));
        end(&f);
    }
}

static void config_file_from_environment(void **state)
{
    const char *path = write_file("name = file");
    char variable[96];
    struct fixture f;

    (void)state;
    snprintf(variable, sizeof variable, "OFFLOOP_SAMPLE_CONFIG=%s", path);
    run(&f, NULL, FLAGS(variable));
    assert_int_equal(f.outcome, OPTIONS_RUN);
    assert_string_equal(f.sample.name, "file");
    end(&f);
    /* the flag chooses another file */
    run(&f, FLAGS("--config=/dev/null"), FLAGS(variable));
    assert_string_equal(f.sample.name, "nobody");
    end(&f);
    unlink(path);
}

static void unknown_variable_is_a_warning(void **state)
{
    struct fixture f;

    (void)state;
    run(&f, NULL, FLAGS("OFFLOOP_SAMPLE_NAM=x", "OFFLOOP_OTHER_NAME=y"));
    assert_int_equal(f.outcome, OPTIONS_RUN);
    assert_string_equal(text(&f), "OFFLOOP_SAMPLE_NAM names no option and is ignored\n");
    end(&f);
}

static void one_line_for_each_bad_flag(void **state)
{
    static const struct {
        const char *flags[3];
        const char *line;
    } cases[] = {
        {{"--max-body", "12"},
         "--max-body: \"12\" is not a size: expected a whole number with a unit "
         "(B, KiB, MiB, GiB, TiB), such as 64MiB"},
        {{"--max-body=1B"}, "--max-body: \"1B\" is out of range: expected 1KiB to 1GiB"},
        {{"--max-body=2GiB"},
         "--max-body: \"2GiB\" is out of range: expected 1KiB to 1GiB"},
        {{"--max-body=off"},
         "--max-body: \"off\" is not a size: expected a whole number with a unit "
         "(B, KiB, MiB, GiB, TiB), such as 64MiB"},
        {{"--job-timeout=5"},
         "--job-timeout: \"5\" is not a duration: expected a whole number with a unit "
         "(us, ms, s, m, h, d), such as 10s"},
        {{"--job-timeout=0"},
         "--job-timeout: \"0\" is out of range: expected at least 1us"},
        {{"--processes=0"}, "--processes: \"0\" is out of range: expected 1 to 16"},
        {{"--processes=99999999999999"},
         "--processes: \"99999999999999\" is out of range: expected 1 to 16"},
        {{"--processes=two"},
         "--processes: \"two\" is not a number: expected a whole number"},
        {{"--color=pink"}, "--color: \"pink\" is unknown: expected red, green or blue"},
        {{"--engine=x"}, "--engine: \"x\" is unknown: expected slow or fast"},
        {{"--sync=yes"}, "--sync: \"yes\" is not a switch: expected on or off"},
        {{"--listen=a"},
         "--listen: \"a\" is not valid: expected a path that begins with /"},
        {{"--name"}, "--name: needs a value"},
        {{"--name="}, "--name: the value is empty"},
        {{"--name= x"}, "--name: the value begins or ends with white space"},
        {{"--name=x\n"}, "--name: the value begins or ends with white space"},
        {{"--name=x\ny"}, "--name: the value has a control character in it"},
        {{"--verify=1"}, "--verify: takes no value"},
        {{"--help=1"}, "--help: takes no value"},
        {{"--nope"}, "unknown flag --nope (see --help)"},
        {{"--nope=1"}, "unknown flag --nope (see --help)"},
        {{"--Things=1"}, "unknown flag --Things (see --help)"},
        {{"name"}, "unexpected argument \"name\" (see --help)"},
        {{"-n"}, "unexpected argument \"-n\" (see --help)"},
        {{"--"}, "unexpected argument \"--\" (see --help)"},
        {{"--config"}, "--config: needs a value"},
        {{"--config=/no/such"}, "--config: /no/such: No such file or directory"},
        {{"--config=/dev/zero"}, "--config: /dev/zero: File too large"},
        {{"--name=a", "--note=a"}, "--note: expected other than --name"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char line[256];
        struct fixture f;

        run(&f, cases[i].flags, NULL);
        snprintf(line, sizeof line, "sample: %s\n", cases[i].line);
        assert_string_equal(text(&f), line);
        assert_int_equal(f.outcome, OPTIONS_BAD);
        end(&f);
    }
}

static void one_line_for_each_bad_file(void **state)
{
    static const struct {
        const char *content;
        const char *line; /* behind "sample: FILE" */
    } cases[] = {
        {"name = a\nnonsense\n", ":2: expected \"key = value\" or a # comment"},
        {"\n\nsize = 3\n", ":3: unknown key \"size\""},
        {"verify = on\n", ":1: unknown key \"verify\""},
        {"config = x\n", ":1: unknown key \"config\""},
        {"name = a\nname = b\n", ":2: name is given twice"},
        {"# c\nmax-body = 12 # twelve\n",
         ":2: max-body: \"12 # twelve\" is not a size: expected a whole number with a "
         "unit (B, KiB, MiB, GiB, TiB), such as 64MiB"},
        {"name =\n", ":1: name: the value is empty"},
        {"name = a\x01z\n", ":1: name: the value has a control character in it"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *path = write_file(cases[i].content);
        char line[320];
        struct fixture f;

        RUN(&f, "--config", path);
        snprintf(line, sizeof line, "sample: %s%s\n", path, cases[i].line);
        assert_string_equal(text(&f), line);
        assert_int_equal(f.outcome, OPTIONS_BAD);
        end(&f);
        unlink(path);
    }
}

static void bad_variable_names_itself(void **state)
{
    struct fixture f;

    (void)state;
    run(&f, NULL, FLAGS("OFFLOOP_SAMPLE_MAX_BODY=x"));
    assert_int_equal(f.outcome, OPTIONS_BAD);
    assert_string_equal(text(&f),
                        "sample: OFFLOOP_SAMPLE_MAX_BODY: \"x\" is not a size: expected "
                        "a whole number with a unit (B, KiB, MiB, GiB, TiB), such as "
                        "64MiB\n");
    end(&f);
}

static void file_with_nul_is_refused(void **state)
{
    static const uint8_t bytes[] = "name = a\0b\n";
    struct fixture f = {.text = BUF_INIT};

    (void)state;
    f.outcome = options_read_text(
        &program, "x.conf", (struct slice){bytes, sizeof bytes - 1}, &f.sample, &f.text);
    buf_append(&f.text, "", 1);
    assert_int_equal(f.outcome, OPTIONS_BAD);
    assert_string_equal(text(&f), "sample: x.conf: is not a text file\n");
    end(&f);
}

static void help_names_everything(void **state)
{
    struct fixture f;

    (void)state;
    RUN(&f, "--help", "--processes=5");
    assert_int_equal(f.outcome, OPTIONS_TEXT);
    for (size_t i = 0; i < program.row_count; i++)
        assert_non_null(strstr(text(&f), rows[i].name));
    assert_non_null(strstr(text(&f), "\nThings:\n"));
    assert_non_null(strstr(text(&f), "(default: the usual place)"));
    assert_non_null(strstr(text(&f), "--max-body SIZE"));
    assert_non_null(strstr(text(&f), "which one: red, green, blue (default: green)"));
    assert_non_null(strstr(text(&f), "OFFLOOP_SAMPLE_<FLAG>"));
    for (char *line = strtok((char *)f.text.data, "\n"); line; line = strtok(NULL, "\n"))
        assert_true(strlen(line) <= 80);
    end(&f);
}

static void help_beats_a_bad_value(void **state)
{
    struct fixture f;

    (void)state;
    RUN(&f, "--processes=0", "--check-config", "--help");
    assert_int_equal(f.outcome, OPTIONS_TEXT);
    assert_non_null(strstr(text(&f), "Usage: sample"));
    end(&f);
}

static void version_and_check(void **state)
{
    struct fixture f;

    (void)state;
    RUN(&f, "--version");
    assert_int_equal(f.outcome, OPTIONS_TEXT);
    assert_string_equal(text(&f), "sample " OFFLOOP_VERSION "\n");
    end(&f);
    RUN(&f, "--check-config", "--name=x");
    assert_int_equal(f.outcome, OPTIONS_TEXT);
    assert_string_equal(text(&f), "configuration is valid\n");
    end(&f);
    RUN(&f, "--check-config", "--name=x", "--note=x");
    assert_int_equal(f.outcome, OPTIONS_BAD);
    end(&f);
}

static void dump_is_read_again(void **state)
{
    struct fixture f, again = {.text = BUF_INIT};
    struct buf dump = BUF_INIT;

    (void)state;
    RUN(&f, "--dump-config", "--listen=/a", "--listen=/b", "--max-body=3KiB", "--sync",
        "--color=red", "--arena=off", "--note=#5 = x", "--processes=7", "--verify",
        "--job-timeout=1500us");
    assert_int_equal(f.outcome, OPTIONS_TEXT);
    assert_string_equal(text(&f), "listen = /a\nlisten = /b\nname = nobody\n"
                                  "note = #5 = x\nengine = slow\nhome = /home/sample\n"
                                  "max-body = 3KiB\narena = off\njob-timeout = 1500us\n"
                                  "processes = 7\ncolor = red\nsync = on\n");
    f.text.len--; /* without the NUL of run() */
    again.outcome = options_read_text(&program, "dump", buf_slice(&f.text), &again.sample,
                                      &again.text);
    assert_int_equal(again.outcome, OPTIONS_RUN);
    options_dump(&program, &again.sample, &dump);
    assert_int_equal(dump.len, f.text.len);
    assert_memory_equal(dump.data, f.text.data, dump.len);
    assert_false(again.sample.verify);
    buf_free(&dump);
    end(&again);
    end(&f);
}

static void environment_names(void **state)
{
    struct buf out = BUF_INIT;

    (void)state;
    options_env_name(&program, &rows[8], &out);
    buf_append(&out, "", 1);
    assert_string_equal((char *)out.data, "OFFLOOP_SAMPLE_MAX_BODY");
    buf_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults),
        cmocka_unit_test(flags_in_both_forms),
        cmocka_unit_test(last_flag_wins),
        cmocka_unit_test(switches),
        cmocka_unit_test(lists_repeat),
        cmocka_unit_test(flag_beats_environment_beats_file),
        cmocka_unit_test(a_variable_that_is_empty),
        cmocka_unit_test(config_file_from_environment),
        cmocka_unit_test(unknown_variable_is_a_warning),
        cmocka_unit_test(one_line_for_each_bad_flag),
        cmocka_unit_test(one_line_for_each_bad_file),
        cmocka_unit_test(bad_variable_names_itself),
        cmocka_unit_test(file_with_nul_is_refused),
        cmocka_unit_test(help_names_everything),
        cmocka_unit_test(help_beats_a_bad_value),
        cmocka_unit_test(version_and_check),
        cmocka_unit_test(dump_is_read_again),
        cmocka_unit_test(environment_names),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
