#include "tests/oracle/jq/reference.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/log.h"

/* jq counts the bytes of a program's code with 16 bits: more programs do not fit. */
#define BATCH_MAX 100

/* Tells the versions from each other. */
static const char *const probes[] = {"pick(.a)", "trimstr(\"a\")"};

static void start(struct reference *reference)
{
    int to[2], from[2];

    if (pipe(to) < 0 || pipe(from) < 0 || (reference->pid = fork()) < 0)
        log_fatal("no process for jq");
    if (reference->pid == 0) {
        dup2(to[0], STDIN_FILENO);
        dup2(from[1], STDOUT_FILENO);
        close(to[0]), close(to[1]), close(from[0]), close(from[1]);
        execl(reference->path, reference->path, (char *)NULL);
        _exit(127);
    }
    close(to[0]);
    close(from[1]);
    reference->to = fdopen(to[1], "w");
    reference->from = fdopen(from[0], "r");
}

void reference_close(struct reference *reference)
{
    if (reference->pid == 0)
        return;
    fclose(reference->to);
    fclose(reference->from);
    kill(reference->pid, SIGKILL);
    waitpid(reference->pid, NULL, 0);
    reference->pid = 0;
}

/* Reads a line into buf, with a NUL in place of its newline. False at the end. */
static bool read_line(FILE *from, struct buf *buf)
{
    char *line = NULL;
    size_t room = 0;
    ssize_t len = getline(&line, &room, from);
    bool whole = len > 0 && line[len - 1] == '\n';

    buf->len = 0;
    if (whole) {
        line[len - 1] = 0;
        buf_append(buf, line, (size_t)len);
    }
    free(line);
    return whole;
}

static void send_batch(struct reference *reference, struct reference_item *const *items,
                       size_t item_count, const char *const *documents,
                       size_t document_count, bool at_once)
{
    if (reference->pid == 0)
        start(reference);
    fprintf(reference->to, "%zu %zu %d\n", item_count, document_count, at_once);
    for (size_t i = 0; i < item_count; i++)
        fprintf(reference->to, "%s\n", items[i]->program);
    for (size_t i = 0; i < document_count; i++)
        fprintf(reference->to, "%s\n", documents[i]);
    fflush(reference->to);
}

/* What came of a batch. */
enum answer { ANSWER_OK, ANSWER_REFUSED, ANSWER_DEAD };

/* *done_r is the number of results read before the process died. */
static enum answer receive(struct reference *reference,
                           struct reference_item *const *items, size_t item_count,
                           size_t document_count, size_t *done_r)
{
    struct buf word = BUF_INIT;
    bool alive = read_line(reference->from, &word);
    bool refused = alive && strcmp((const char *)word.data, "refused") == 0;

    buf_free(&word);
    *done_r = 0;
    if (refused)
        return ANSWER_REFUSED;
    for (; alive && *done_r < item_count * document_count; ++*done_r) {
        struct reference_item *item = items[*done_r % item_count];

        alive = read_line(reference->from, &item->results[*done_r / item_count]);
        if (!alive)
            break;
    }
    if (alive)
        return ANSWER_OK;
    reference_close(reference);
    return ANSWER_DEAD;
}

static void run_some(struct reference *reference, struct reference_item **items,
                     size_t item_count, const char *const *documents,
                     size_t document_count);

/* Compiles each half alone. */
static void divide(struct reference *reference, struct reference_item **items,
                   size_t item_count, const char *const *documents, size_t document_count)
{
    size_t half = item_count / 2;

    if (item_count == 1) {
        items[0]->verdict = REFERENCE_REFUSES;
        return;
    }
    run_some(reference, items, half, documents, document_count);
    run_some(reference, items + half, item_count - half, documents, document_count);
}

/* Runs again, watching, without the program that then proves to be the last to begin. */
static void find_deadly(struct reference *reference, struct reference_item **items,
                        size_t item_count, const char *const *documents,
                        size_t document_count)
{
    size_t done, deadly;

    send_batch(reference, items, item_count, documents, document_count, true);
    if (receive(reference, items, item_count, document_count, &done) != ANSWER_DEAD)
        return; /* not this time */
    deadly = done % item_count;
    items[deadly]->verdict = REFERENCE_DIES;
    if (item_count == 1)
        return;
    memmove(items + deadly, items + deadly + 1,
            (item_count - deadly - 1) * sizeof(struct reference_item *));
    run_some(reference, items, item_count - 1, documents, document_count);
}

static void run_some(struct reference *reference, struct reference_item **items,
                     size_t item_count, const char *const *documents,
                     size_t document_count)
{
    size_t done;

    send_batch(reference, items, item_count, documents, document_count, false);
    switch (receive(reference, items, item_count, document_count, &done)) {
    case ANSWER_OK: break;
    case ANSWER_REFUSED:
        divide(reference, items, item_count, documents, document_count);
        break;
    case ANSWER_DEAD:
        find_deadly(reference, items, item_count, documents, document_count);
        break;
    }
}

void reference_run(struct reference *reference, struct reference_item *items,
                   size_t item_count, const char *const *documents, size_t document_count)
{
    struct reference_item *some[BATCH_MAX];

    for (size_t from = 0; from < item_count; from += BATCH_MAX) {
        size_t count = item_count - from < BATCH_MAX ? item_count - from : BATCH_MAX;

        for (size_t i = 0; i < count; i++) {
            some[i] = &items[from + i];
            some[i]->verdict = REFERENCE_RUNS;
        }
        run_some(reference, some, count, documents, document_count);
    }
}

static bool is_known(struct reference *reference, const char *program)
{
    const char *document = "null";
    struct buf result = BUF_INIT;
    struct reference_item item = {.program = program, .results = &result};

    reference_run(reference, &item, 1, &document, 1);
    buf_free(&result);
    return item.verdict == REFERENCE_RUNS;
}

bool reference_open(struct reference *reference, const char *path)
{
    *reference = (struct reference){.path = path, .version = 6};
    if (access(path, X_OK) < 0)
        return false;
    signal(SIGPIPE, SIG_IGN);
    for (size_t i = 0; i < sizeof probes / sizeof probes[0]; i++)
        if (is_known(reference, probes[i]))
            reference->version++;
    return true;
}
