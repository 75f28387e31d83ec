/*
 * Raw requests through a whole server: every row of wire_cases.h, sent whole, byte
 * by byte and in pieces of seven, each followed by a canary request. What the
 * canary's fate is shows what became of the framing.
 */
#include "rig.h"

#include <ctype.h>

#include "wire_cases.h"

#define CANARY      "GET /canary HTTP/1.1\r\nHost: c\r\nConnection: close\r\n\r\n"
#define REPLIES_MAX 16
#define PATIENCE_MS 600000

struct reply {
    int status;
    const char *body;
    size_t body_len;
};

/* Takes the replies apart. Every one here carries Content-Length. */
static unsigned split_replies(struct buf *got, const char *seen, struct reply *replies)
{
    const char *at = rig_text(got), *end = at + got->len;
    unsigned count = 0;

    while (at < end) {
        const char *blank = strstr(at, "\r\n\r\n"), *length;
        bool head = strncmp(seen, "HEAD", 4) == 0;

        assert_true(count < REPLIES_MAX);
        assert_int_equal(0, strncmp(at, "HTTP/1.1 ", 9));
        assert_non_null(blank);
        if (strncmp(at, "HTTP/1.1 100 ", 13) == 0) {
            at = blank + 4;
            continue;
        }
        length = strstr(at, "Content-Length: ");
        assert_true(length != NULL && length < blank);
        replies[count].status = atoi(at + 9);
        replies[count].body = blank + 4;
        replies[count].body_len = head ? 0 : strtoul(length + 16, NULL, 10);
        at = blank + 4 + replies[count].body_len;
        assert_true(at <= end);
        seen = strchr(seen, '\n') ? strchr(seen, '\n') + 1 : seen;
        count++;
    }
    return count;
}

/* True where the statuses are those of the row: "200 400|501". */
static bool statuses_match(const char *want, const struct reply *replies, unsigned count)
{
    unsigned at = 0;
    bool match = false;

    for (;;) {
        char *end;
        int status = (int)strtol(want, &end, 10);

        if (at >= count)
            return false;
        match |= replies[at].status == status;
        if (*end == '|') {
            want = end + 1;
            continue;
        }
        if (!match)
            return false;
        at++;
        match = false;
        if (*end == '\0')
            return at == count;
        want = end + 1;
    }
}

static bool is_canary(const struct reply *reply)
{
    return reply->status == 200 && reply->body_len == strlen("GET /canary ") &&
           memcmp(reply->body, "GET /canary ", reply->body_len) == 0;
}

/* What is wrong with the outcome; NULL for nothing. */
static const char *judge(const struct wire_case *row, struct rig *rig, struct buf *got)
{
    struct reply replies[REPLIES_MAX];
    const char *seen = rig_text(&rig->seen);
    unsigned count = split_replies(got, seen, replies);
    bool canary = count > 0 && is_canary(&replies[count - 1]);

    if (strstr(seen, "/smuggled") != NULL)
        return "a request was smuggled";
    if (canary != (row->fate == LIVES))
        return canary ? "lives" : "ends";
    if (!canary && strstr(seen, "/canary") != NULL)
        return "the canary was seen";
    if (!statuses_match(row->statuses, replies, canary ? count - 1 : count))
        return "other statuses";
    if (row->echo != NULL &&
        (replies[0].body_len != strlen(row->echo) ||
         memcmp(replies[0].body, row->echo, replies[0].body_len) != 0))
        return "another request";
    if (rig->requests != rig->closes)
        return "an exchange did not end";
    return NULL;
}

/* Sends in pieces of that size (0: whole), the server having its turn after each. */
static void send_pieces(struct rig *rig, int fd, const char *bytes, size_t len,
                        size_t piece)
{
    if (piece == 0)
        piece = len;
    for (size_t at = 0; at < len; at += piece) {
        if (!rig_send_bytes(rig, fd, bytes + at, len - at < piece ? len - at : piece))
            return;
        ev_run(rig->loop, EVRUN_NOWAIT);
    }
}

/* Returns false, with a line on stderr, where the outcome is not the row's. */
static bool run_case(const struct wire_case *row, size_t piece)
{
    struct rig rig;
    struct buf all = BUF_INIT;
    const char *wrong;

    rig_init(&rig);
    /* a turn for each byte may take long where others want the processor */
    rig.limits.head_timeout_ms = rig.limits.body_grace_ms = PATIENCE_MS;
    rig_open_echo(&rig);
    buf_append(&all, row->bytes, row->len);
    buf_append_str(&all, CANARY);
    send_pieces(&rig, rig.fd, (const char *)all.data, all.len, piece);
    shutdown(rig.fd, SHUT_WR);
    rig_await_end(&rig);
    rig_await_none(&rig);
    wrong = judge(row, &rig, &rig.got);
    if (wrong != NULL)
        print_error("%s (pieces of %zu): %s; wanted %s %s; got: %.300s\n", row->name,
                    piece, wrong, row->statuses, row->fate == LIVES ? "lives" : "ends",
                    rig_text(&rig.got));
    buf_free(&all);
    rig_finish(&rig);
    return wrong == NULL;
}

static void run_cases(size_t piece)
{
    unsigned failed = 0;

    for (size_t i = 0; i < sizeof wire_cases / sizeof *wire_cases; i++)
        failed += !run_case(&wire_cases[i], piece);
    assert_int_equal(0, failed);
}

static void test_whole(void **state)
{
    (void)state;
    run_cases(0);
}

static void test_byte_by_byte(void **state)
{
    (void)state;
    run_cases(1);
}

static void test_in_sevens(void **state)
{
    (void)state;
    run_cases(7);
}

static void test_there_are_enough(void **state)
{
    (void)state;
    assert_true(sizeof wire_cases / sizeof *wire_cases >= 200);
    print_message("%zu raw requests\n", sizeof wire_cases / sizeof *wire_cases);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_there_are_enough),
        cmocka_unit_test(test_whole),
        cmocka_unit_test(test_byte_by_byte),
        cmocka_unit_test(test_in_sevens),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
