/* offloop-codec as a program: its output and exit status. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "common/base/buf.h"

#define ARGS_MAX 8

static char folder[] = "/tmp/offloop-codec-test-XXXXXX";

/* The result of one run. */
struct run {
    int status;
    struct buf out;
    struct buf err;
};

static void path_of(const char *name, char *path)
{
    snprintf(path, PATH_MAX, "%s/%s", folder, name);
}

static void write_file(const char *name, const void *bytes, size_t len)
{
    char path[PATH_MAX];
    FILE *file;

    path_of(name, path);
    file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, len, file), len);
    assert_int_equal(fclose(file), 0);
}

static void read_file(const char *name, struct buf *content)
{
    char path[PATH_MAX];
    FILE *file;
    size_t got;

    path_of(name, path);
    file = fopen(path, "r");
    assert_non_null(file);
    while ((got = fread(buf_reserve(content, 4096), 1, 4096, file)) > 0)
        content->len += got;
    fclose(file);
    *buf_reserve(content, 1) = 0;
}

static void redirect(int fd, const char *name, int flags)
{
    int file = open(name, flags, 0600);

    if (file < 0 || dup2(file, fd) < 0)
        _exit(99);
}

/* The child: inside the test's folder, with stdin, out and err as files there. */
static void become(const char *program, const char *const *args)
{
    char *argv[ARGS_MAX + 2] = {(char *)(uintptr_t) "offloop-codec"};

    for (size_t i = 0; args[i] != NULL; i++)
        argv[i + 1] = (char *)(uintptr_t)args[i];
    if (chdir(folder) < 0)
        _exit(99);
    redirect(STDIN_FILENO, "in", O_RDONLY);
    redirect(STDOUT_FILENO, "out", O_WRONLY | O_CREAT | O_TRUNC);
    redirect(STDERR_FILENO, "err", O_WRONLY | O_CREAT | O_TRUNC);
    execv(program, argv);
    _exit(99);
}

static void run_program(const char *const *args, const void *in, size_t in_len,
                        struct run *run)
{
    const char *build = getenv("OFFLOOP_BUILD");
    char program[PATH_MAX];
    int status;
    pid_t pid;

    assert_non_null(build);
    snprintf(program, sizeof(program), "%s/offloop-codec", build);
    write_file("in", in, in_len);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0)
        become(program, args);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    *run = (struct run){WEXITSTATUS(status), BUF_INIT, BUF_INIT};
    read_file("out", &run->out);
    read_file("err", &run->err);
}

#define ARGS(...)         \
    (const char *const[]) \
    {                     \
        __VA_ARGS__, NULL \
    }

static void assert_text(const struct buf *buf, const char *expected)
{
    assert_string_equal((const char *)buf->data, expected);
}

static void expect(const char *const *args, const char *in, int status, const char *out,
                   const char *err)
{
    struct run run;

    run_program(args, in, strlen(in), &run);
    assert_text(&run.err, err);
    assert_text(&run.out, out);
    assert_int_equal(run.status, status);
    buf_free(&run.out);
    buf_free(&run.err);
}

/* As expect, but only a part of stderr (or stdout where err is NULL) is looked for. */
static void expect_part(const char *const *args, int status, const char *out,
                        const char *err)
{
    struct run run;

    run_program(args, "", 0, &run);
    assert_int_equal(run.status, status);
    if (out != NULL)
        assert_non_null(strstr((const char *)run.out.data, out));
    if (err != NULL)
        assert_non_null(strstr((const char *)run.err.data, err));
    buf_free(&run.out);
    buf_free(&run.err);
}

static void test_transcoding(void **state)
{
    (void)state;
    expect(ARGS("json2msgpack"), "[1, \"a\", true]", 0,
           "\x93\x01\xa1"
           "a\xc3",
           "");
    expect(ARGS("json2msgpack", "-"), " {} ", 0, "\x80", "");
    expect(ARGS("msgpack2json"),
           "\x93\x01\xa1"
           "a\xc3",
           0, "[1,\"a\",true]", "");
    expect(ARGS("msgpack2json", "--pretty"), "\x92\x01\x90", 0, "[\n  1,\n  []\n]", "");
    expect(ARGS("msgpack2json", "--codec", "yajl"), "\xc2", 0, "false", "");
    expect(ARGS("--codec=yajl", "json2msgpack", "in"), "5", 0, "\x05", "");
    expect(ARGS("json2msgpack", "--pretty"), "5", 0, "\x05", "");
}

static void test_bad_input(void **state)
{
    (void)state;
    expect(ARGS("json2msgpack"), "[1,]", 1, "",
           "<stdin>: error at byte 3: not valid JSON\n");
    expect(ARGS("json2msgpack", "in"), "\"\xff\"", 1, "",
           "in: error at byte 1: ill-formed UTF-8\n");
    expect(ARGS("msgpack2json"), "\x91", 1, "",
           "<stdin>: error at byte 1: ends too early\n");
    expect(ARGS("msgpack2json", "in"), "\xc0\xc0", 1, "",
           "in: error at byte 1: bytes follow the value\n");
    expect(ARGS("json2msgpack", "missing"), "", 1, "",
           "offloop-codec: missing: No such file or directory\n");
    expect(ARGS("json2msgpack", "."), "", 1, "", "offloop-codec: .: Is a directory\n");
}

static void test_check(void **state)
{
    (void)state;
    write_file("good.json", "{\"a\":1}\n", 8);
    write_file("bad.json", "{\"a\":1,}", 8);
    write_file("good.msgpack", "\x91\x01", 2);
    write_file("bad.msgpack", "\x91\xc4", 2);
    write_file("bad.mp", "\xc1", 1);
    expect(ARGS("check", "good.json", "good.msgpack"), "", 0, "", "");
    expect(ARGS("check", "-"), "[1]", 0, "", "");
    expect(ARGS("check", "bad.json", "good.json", "bad.msgpack", "bad.mp"), "", 1, "",
           "bad.json: error at byte 7: not valid JSON\n"
           "bad.msgpack: error at byte 1: MessagePack type that JSON does not have\n"
           "bad.mp: error at byte 0: not valid MessagePack\n");
    expect(ARGS("check", "missing", "bad.json"), "", 1, "",
           "offloop-codec: missing: No such file or directory\n"
           "bad.json: error at byte 7: not valid JSON\n");
}

static void test_bench(void **state)
{
    (void)state;
    write_file("a b\".json", "{\"a\":[1,2.5,\"x\"]}", 17);
    write_file("bad.json", "[", 1);
    expect_part(ARGS("bench", "--repeat", "3", "a b\".json"), 0, "decode", NULL);
    expect_part(ARGS("bench", "--repeat", "0", "--codec", "yajl", "a b\".json"), 0, "-",
                NULL);
    expect(
        ARGS("bench", "--json", "--repeat", "0", "--codec", "yajl", "a b\".json"), "", 0,
        "[\n  {\"file\": \"a b\\\".json\", \"engine\": \"yajl\", \"direction\": "
        "\"decode\", "
        "\"bytes\": 17, \"values\": 5, \"repeat\": 0, \"elapsed_ns\": 0, "
        "\"mb_per_s\": null, \"ns_per_value\": null},\n"
        "  {\"file\": \"a b\\\".json\", \"engine\": \"yajl\", \"direction\": \"encode\", "
        "\"bytes\": 17, \"values\": 5, \"repeat\": 0, \"elapsed_ns\": 0, "
        "\"mb_per_s\": null, \"ns_per_value\": null}\n]\n",
        "");
    expect_part(ARGS("bench", "--json", "--only", "encode", "a b\".json"), 0,
                "\"direction\": \"encode\"", NULL);
    expect(ARGS("bench", "--json", "--codec", "yajl", "bad.json"), "", 1, "[]\n",
           "bad.json: error at byte 1: ends too early\n");
}

static void test_command_line(void **state)
{
    (void)state;
    expect_part(ARGS("--help"), 0, "usage: offloop-codec json2msgpack", NULL);
    expect_part(ARGS("--help"), 0, "yajl", NULL);
    expect_part(ARGS("bench", "--help"), 0, "--repeat N", NULL);
    expect_part(ARGS("--version"), 0, "offloop-codec 0", NULL);
    expect_part(ARGS("transmute"), 2, NULL, "transmute: no such command");
    expect_part(ARGS("check"), 2, NULL, "which file?");
    expect_part(ARGS("bench"), 2, NULL, "which file?");
    expect_part(ARGS("json2msgpack", "a", "b"), 2, NULL, "one file at a time");
    expect_part(ARGS("check", "--codec", "quick", "in"), 2, NULL, "no such engine");
    expect_part(ARGS("bench", "--repeat", "-1", "in"), 2, NULL, "not a number");
    expect_part(ARGS("bench", "--repeat", "9x", "in"), 2, NULL, "not a number");
    expect_part(ARGS("bench", "--only", "both", "in"), 2, NULL, "neither decode");
    expect_part(ARGS("check", "--pretty", "in"), 2, NULL, "does not apply");
    expect_part(ARGS("json2msgpack", "--repeat", "1"), 2, NULL, "do not apply");
    expect_part(ARGS("--frobnicate"), 2, NULL, "frobnicate");
}

static void test_jq(void **state)
{
    (void)state;
    expect(ARGS("jq", ".a | map(. + 1)"), "{\"a\":[1,2]}", 0, "[2,3]\n", "");
    expect(ARGS("jq", ".[]"), "[1,\"x\"]", 0, "1\n\"x\"\n", "");
    expect(ARGS("jq", "--codec", "yajl", ". + 1"), "1 2\n\n3 ", 0, "2\n3\n4\n", "");
    expect(ARGS("jq", "."), "", 0, "", "");
    expect(ARGS("jq", "--msgpack", ".[1]"), "\x92\x01\x02\x91\x07", 0, "2\nnull\n", "");
    expect(ARGS("jq", "--arg", "x", "[1]", "--arg", "y", "a b", "[$x, $y]"), "0", 0,
           "[[1],\"a b\"]\n", "");
    expect(ARGS("jq", "-.a", "in"), "{\"a\":1}", 0, "-1\n", "");
    expect(ARGS("jq", "--", "-1"), "null", 0, "-1\n", "");
    expect(ARGS("jq", ".a, error(\"no\")"), "{\"a\":1} {}", 1, "1\n",
           "offloop-codec: jq: error at byte 4 of the program: no\n");
    expect(ARGS("jq", ".a | now"), "{}", 1, "",
           "offloop-codec: jq: error at byte 5 of the program: programs see no clock and "
           "no time zone\n");
    expect(ARGS("jq", "."), "1 [2", 1, "1\n",
           "<stdin>: error at byte 4: ends too early\n");
    expect(ARGS("jq", "range(1e9) | empty"), "1", 1, "",
           "offloop-codec: jq: the program takes too many steps\n");
    write_file("a b\".json", "{\"a\":[1,2.5,\"x\"]}", 17);
    expect_part(ARGS("bench", "--repeat", "1", "--jq", ".a", "a b\".json"), 0, "jq",
                NULL);
    expect_part(ARGS("jq"), 2, NULL, "which program?");
    expect_part(ARGS("jq", ".", "a", "b"), 2, NULL, "one file at a time");
    expect_part(ARGS("jq", "--arg", "x"), 2, NULL, "which value?");
    expect_part(ARGS("jq", "--arg=x", "1", "."), 2, NULL, "a word of its own");
    expect_part(ARGS("check", "--msgpack", "in"), 2, NULL, "do not apply");
    expect_part(ARGS("check", "--jq", ".", "in"), 2, NULL, "do not apply");
}

/* A full disk is an error. */
static void test_full_disk(void **state)
{
    char command[3 * PATH_MAX];
    int status;

    (void)state;
    write_file("in", "[1]", 3);
    snprintf(command, sizeof(command),
             "'%s/offloop-codec' json2msgpack '%s/in' > /dev/full 2> '%s/err'",
             getenv("OFFLOOP_BUILD"), folder, folder);
    status = system(command);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 1);
}

/* Larger than any block that is read or written at once. */
static void test_large_input(void **state)
{
    struct buf text = BUF_INIT;
    struct run packed, again;

    (void)state;
    buf_append_str(&text, "[0");
    for (int i = 1; i < 300000; i++)
        buf_printf(&text, ",%d", i);
    buf_append_str(&text, "]");
    run_program(ARGS("json2msgpack"), text.data, text.len, &packed);
    assert_int_equal(packed.status, 0);
    run_program(ARGS("msgpack2json"), packed.out.data, packed.out.len, &again);
    assert_int_equal(again.status, 0);
    assert_int_equal(again.out.len, text.len);
    assert_memory_equal(again.out.data, text.data, text.len);
    buf_free(&text);
    buf_free(&packed.out);
    buf_free(&packed.err);
    buf_free(&again.out);
    buf_free(&again.err);
}

static int make_folder(void **state)
{
    (void)state;
    return mkdtemp(folder) == NULL ? -1 : 0;
}

static int remove_folder(void **state)
{
    static const char *const names[] = {"in",          "out",      "err",
                                        "good.json",   "bad.json", "good.msgpack",
                                        "bad.msgpack", "bad.mp",   "a b\".json"};

    (void)state;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        char path[PATH_MAX];

        path_of(names[i], path);
        unlink(path);
    }
    return rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_transcoding),  cmocka_unit_test(test_bad_input),
        cmocka_unit_test(test_check),        cmocka_unit_test(test_bench),
        cmocka_unit_test(test_command_line), cmocka_unit_test(test_full_disk),
        cmocka_unit_test(test_large_input),  cmocka_unit_test(test_jq),
    };

    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
