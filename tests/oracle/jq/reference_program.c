/*
 * jq on many programs at once, for tests/oracle/jq: a process of its own, since jq may
 * end it or never end, and since its functions have names that ours have too.
 *
 * On standard input comes a line with three numbers: of programs, of documents, and 1
 * where each result is to be written at once; then the programs and the documents, one a
 * line. On standard output goes "refused", or "ok" and a line for each document and
 * program: its result, which is "-" where there is none. A batch has some seconds of
 * processor time.
 */
#include <inttypes.h>
#include <jq.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/time.h>

#define BATCH_SECONDS 3
#define MEMORY_BYTES  ((rlim_t)2 << 30)

struct lines {
    char **list;
    size_t count;
};

static void end(const char *why)
{
    fprintf(stderr, "jq-reference: %s\n", why);
    exit(2);
}

static struct lines read_lines(size_t count)
{
    struct lines lines = {calloc(count + 1, sizeof(char *)), count};

    if (lines.list == NULL)
        end("no memory");
    for (size_t i = 0; i < count; i++) {
        size_t room = 0;
        ssize_t len = getline(&lines.list[i], &room, stdin);

        if (len < 1)
            end("the input ends too early");
        lines.list[i][len - 1] = 0;
    }
    return lines;
}

static void free_lines(struct lines *lines)
{
    for (size_t i = 0; i < lines->count; i++)
        free(lines->list[i]);
    free(lines->list);
}

/* All programs as one, which gives the results of each in turn. */
static char *joined(const struct lines *programs)
{
    size_t len = 1;
    char *text, *at;

    for (size_t i = 0; i < programs->count; i++)
        len += strlen(programs->list[i]) + 4;
    text = at = malloc(len);
    if (text == NULL)
        end("no memory");
    for (size_t i = 0; i < programs->count; i++)
        at += sprintf(at, "%s(%s)", i > 0 ? "," : "", programs->list[i]);
    *at = 0;
    return text;
}

static void print_result(jv result)
{
    if (jv_is_valid(result)) {
        jv text = jv_dump_string(result, 0);

        puts(jv_string_value(text));
        jv_free(text);
        return;
    }
    jv_free(result);
    puts("-");
}

static void run_document(jq_state *jq, const char *document, size_t program_count)
{
    bool over = false;

    jq_start(jq, jv_parse(document), 0);
    for (size_t i = 0; i < program_count; i++) {
        jv result = over ? jv_invalid() : jq_next(jq);

        over = !jv_is_valid(result);
        print_result(result);
    }
}

static void ignore(void *context, jv message)
{
    (void)context;
    jv_free(message);
}

/* How much processor time the process may still take, in all. */
static void allow_seconds(int seconds)
{
    struct itimerval timer = {.it_value.tv_sec = seconds};

    setitimer(ITIMER_PROF, &timer, NULL);
}

static void run_batch(const struct lines *programs, const struct lines *documents)
{
    jq_state *jq = jq_init();
    char *text = joined(programs);

    if (jq == NULL)
        end("no memory");
    jq_set_error_cb(jq, ignore, NULL);
    if (!jq_compile(jq, text)) {
        puts("refused");
    } else {
        puts("ok");
        for (size_t i = 0; i < documents->count; i++)
            run_document(jq, documents->list[i], programs->count);
    }
    jq_teardown(&jq);
    free(text);
}

int main(void)
{
    struct rlimit memory = {MEMORY_BYTES, MEMORY_BYTES};
    size_t program_count, document_count;
    int at_once;

    setrlimit(RLIMIT_AS, &memory);
    while (scanf("%zu %zu %d\n", &program_count, &document_count, &at_once) == 3) {
        struct lines programs = read_lines(program_count);
        struct lines documents = read_lines(document_count);

        setvbuf(stdout, NULL, at_once ? _IOLBF : _IOFBF, 1 << 16);
        allow_seconds(BATCH_SECONDS);
        run_batch(&programs, &documents);
        allow_seconds(0);
        fflush(stdout);
        free_lines(&programs);
        free_lines(&documents);
    }
    return 0;
}
