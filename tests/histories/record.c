#include "tests/histories/record.h"

#include <stdbool.h>
#include <string.h>

#define UNSURE_TEXT "may or may not have happened"

#define WRONG_MAX 120 /* bytes shown of what is wrong */

static const char *const kind_names[] = {"get",    "put",  "merge", "jq",
                                         "delete", "list", "bulk"};

/* What a line says of a reply that is as it should be. */
struct line {
    uint64_t tag;
    bool has_document;
    struct document document;
    char text[OPERATION_BULK_MAX * 8]; /* failed lines */
    const char *wrong;                 /* NULL for nothing */
};

static bool has_text(const struct record_reply *reply, const char *text)
{
    return memmem(reply->body, reply->body_len, text, strlen(text)) != NULL;
}

static void print_name(FILE *history, const struct operation *op)
{
    if (op->kind == OPERATION_LIST || op->kind == OPERATION_BULK)
        fprintf(history, " h%u ", op->collection);
    else
        fprintf(history, " h%u/k%03u ", op->collection, op->id);
}

static void print_head(FILE *history, const struct operation *op, unsigned client,
                       uint64_t end_ns, const char *kind)
{
    fprintf(history, "%u %ju %ju %s", client, (uintmax_t)op->start_ns, (uintmax_t)end_ns,
            kind);
    print_name(history, op);
}

static void print_condition(FILE *history, const struct operation *op)
{
    uintmax_t tag = op->tag;

    switch (op->condition) {
    case CONDITION_MATCH: fprintf(history, "m%ju ", tag); break;
    case CONDITION_MATCH_ANY: fprintf(history, "m* "); break;
    case CONDITION_NONE_MATCH: fprintf(history, "n%ju ", tag); break;
    case CONDITION_NONE_MATCH_ANY: fprintf(history, "n* "); break;
    case CONDITION_NONE: fprintf(history, "%s ", op->after[0] ? op->after : "-"); break;
    }
}

static void print_value(FILE *history, const struct operation *op)
{
    const char *comma = "";

    if (op->kind == OPERATION_PUT || op->kind == OPERATION_MERGE ||
        op->kind == OPERATION_JQ)
        fprintf(history, "%ju ", (uintmax_t)op->value);
    else if (op->kind == OPERATION_LIST)
        fprintf(history, "%u ", op->limit);
    else if (op->kind != OPERATION_BULK)
        fprintf(history, "- ");
    for (unsigned i = 0; op->kind == OPERATION_BULK && i < op->lines; i++) {
        fprintf(history, "%sk%03u=%ju", comma, op->line_ids[i],
                (uintmax_t)op->line_values[i]);
        comma = ",";
    }
    if (op->kind == OPERATION_BULK)
        fprintf(history, " ");
}

static void print_document(FILE *history, const struct document *document)
{
    fprintf(history, "%ju/%ju/%ju", (uintmax_t)document->n, (uintmax_t)document->p,
            (uintmax_t)document->w);
}

/* Bytes of the reply as one word. */
static void print_word(FILE *history, const char *text, size_t len)
{
    for (size_t i = 0; i < len && i < WRONG_MAX; i++)
        fputc(text[i] > ' ' && text[i] < 0x7f ? text[i] : '_', history);
    fputc(len == 0 ? '-' : ' ', history);
}

static void print_wrong(FILE *history, const struct operation *op, unsigned client,
                        const struct record_reply *reply, uint64_t end_ns,
                        const char *what)
{
    print_head(history, op, client, end_ns, "wrong");
    fprintf(history, "- - %u - ", reply->status);
    print_word(history, what, strlen(what));
    print_word(history, reply->body, reply->body_len);
    fputc('\n', history);
}

/* ---- replies ---- */

/* Whether a success of this operation carries a document. */
static bool sends_document(const struct operation *op, unsigned status)
{
    return status == 200 && (op->kind == OPERATION_GET || op->kind == OPERATION_MERGE ||
                             op->kind == OPERATION_JQ);
}

static bool is_expected(const struct operation *op, unsigned status)
{
    static const char *const expected[] = {
        [OPERATION_GET] = "200 304 404 503 504",
        [OPERATION_PUT] = "200 201 408 412 503 504 507",
        [OPERATION_MERGE] = "200 404 408 412 503 504 507",
        [OPERATION_JQ] = "200 404 408 412 503 504 507",
        [OPERATION_DELETE] = "204 404 412 503 504 507",
        [OPERATION_LIST] = "200 503 504",
        [OPERATION_BULK] = "200 408 503 504 507",
    };
    char text[16];

    snprintf(text, sizeof text, "%u", status);
    return strstr(expected[op->kind], text) != NULL;
}

static void read_document(const struct operation *op, const struct record_reply *reply,
                          struct line *line)
{
    const char *at = reply->body, *end = at + reply->body_len;

    line->has_document = document_read(&at, end, &line->document) && at == end;
    if (!line->has_document)
        line->wrong = "not_a_document_of_ours:";
    else if (line->document.collection != op->collection || line->document.id != op->id)
        line->wrong = "another_document:";
    else if (reply->tag == 0)
        line->wrong = "no_tag:";
}

/* "errors":[{"line":3,"detail":"…"},…] as "3?,7!". */
static void read_failed_lines(const struct record_reply *reply, struct line *line)
{
    const char *at = reply->body, *end = at + reply->body_len, *found;
    size_t len = 0;

    while ((found = memmem(at, (size_t)(end - at), "\"line\":", 7)) != NULL) {
        const char *close = memchr(found, '}', (size_t)(end - found));
        uint64_t number;

        at = found + 7;
        if (close == NULL || !document_read_number(&at, end, &number) || number == 0 ||
            number > OPERATION_BULK_MAX) {
            line->wrong = "no_such_line:";
            return;
        }
        len += (size_t)snprintf(
            line->text + len, sizeof line->text - len, "%s%ju%c", len ? "," : "",
            (uintmax_t)number,
            memmem(at, (size_t)(close - at), UNSURE_TEXT, strlen(UNSURE_TEXT)) ? '?'
                                                                               : '!');
        at = close;
    }
}

static void read_bulk(const struct record_reply *reply, struct line *line)
{
    const char *at = reply->body, *end = at + reply->body_len;

    if (!document_skip(&at, end, "{\"stored\":") ||
        !document_read_number(&at, end, &line->tag))
        line->wrong = "no_report:";
    else
        read_failed_lines(reply, line);
}

/* '?', '!' or nothing. */
static const char *doubt(const struct operation *op, const struct record_reply *reply)
{
    /* what was not sent whole does not happen, but a bulk load stores whole lines as they
       come */
    if (reply->status == 0)
        return op->leave == LEAVE_IN_BODY && op->kind != OPERATION_BULK ? "!" : "?";
    if (reply->status < 300 || reply->status == 304 || reply->status == 404 ||
        reply->status == 412)
        return "";
    /* a bulk load that ends with an error has perhaps stored some lines */
    return op->kind == OPERATION_BULK || has_text(reply, UNSURE_TEXT) ? "?" : "!";
}

/* ---- lists ---- */

/* Reads one item, and prints it as "k001=n/p/w" unless `history` is NULL. */
static bool take_item(FILE *history, const char **at, const char *end,
                      const struct operation *op)
{
    struct document document;
    uint64_t id = 0;

    if (op->ids &&
        (!document_skip(at, end, "{\"id\":\"k") || !document_read_number(at, end, &id) ||
         !document_skip(at, end, "\",\"document\":")))
        return false;
    if (!document_read(at, end, &document) || document.collection != op->collection)
        return false;
    if (op->ids && (id != document.id || !document_skip(at, end, "}")))
        return false;
    if (history != NULL) {
        fprintf(history, "k%03u=", document.id);
        print_document(history, &document);
    }
    return true;
}

/* Reads the whole list; false where it is none of ours. */
static bool take_items(FILE *history, const struct operation *op,
                       const struct record_reply *reply)
{
    const char *at = reply->body, *end = at + reply->body_len;

    if (!document_skip(&at, end, "["))
        return false;
    if (document_skip(&at, end, "]")) {
        if (history != NULL)
            fputc('-', history);
        return at == end;
    }
    while (take_item(history, &at, end, op)) {
        if (document_skip(&at, end, "]"))
            return at == end;
        if (!document_skip(&at, end, ","))
            return false;
        if (history != NULL)
            fputc(',', history);
    }
    return false;
}

/* The id after which the Link goes on; false where there is a Link without one. */
static bool read_link(const struct record_reply *reply, char *id_r)
{
    const char *at, *end = reply->link + reply->link_len;
    size_t len = 0;

    id_r[0] = '\0';
    if (reply->link_len == 0)
        return true;
    at = memmem(reply->link, reply->link_len, "after=", 6);
    if (at == NULL)
        return false;
    for (at += 6; at < end && *at != '&' && *at != '>'; at++)
        if (len < DOCUMENT_NAME_MAX - 1)
            id_r[len++] = *at;
    id_r[len] = '\0';
    return len > 0;
}

/* ---- lines ---- */

/* Reads what belongs into the line. */
static void read_reply(const struct operation *op, const struct record_reply *reply,
                       struct operation *next_r, struct line *line)
{
    line->tag = reply->tag;
    if (reply->status != 0 && !is_expected(op, reply->status))
        line->wrong = "a_status_that_must_not_be:";
    else if (sends_document(op, reply->status))
        read_document(op, reply, line);
    else if (op->kind == OPERATION_PUT &&
             (reply->status == 200 || reply->status == 201) && reply->tag == 0)
        line->wrong = "no_tag:";
    else if (op->kind == OPERATION_BULK && reply->status == 200)
        read_bulk(reply, line);
    else if (op->kind == OPERATION_LIST && reply->status == 200 &&
             (!take_items(NULL, op, reply) || !read_link(reply, next_r->after)))
        line->wrong = "not_a_list_of_ours:";
}

static void print_result(FILE *history, const struct operation *op,
                         const struct record_reply *reply, const struct line *line)
{
    if (op->kind == OPERATION_LIST && reply->status == 200)
        take_items(history, op, reply);
    else if (line->has_document)
        print_document(history, &line->document);
    else
        fputs(line->text[0] != '\0' ? line->text : "-", history);
    fputc('\n', history);
}

void record_write(FILE *history, const struct operation *op, unsigned client,
                  const struct record_reply *reply, uint64_t end_ns,
                  struct operation_space *space, struct operation *next_r)
{
    struct line line = {.tag = 0};

    *next_r = *op;
    next_r->after[0] = '\0';
    read_reply(op, reply, next_r, &line);
    if (line.wrong != NULL) {
        print_wrong(history, op, client, reply, end_ns, line.wrong);
        return;
    }
    print_head(history, op, client, end_ns, kind_names[op->kind]);
    print_condition(history, op);
    print_value(history, op);
    fprintf(history, "%u%s ", reply->status, doubt(op, reply));
    if (op->kind == OPERATION_LIST && next_r->after[0] != '\0')
        fprintf(history, "%s ", next_r->after);
    else if (op->kind != OPERATION_LIST && (line.tag != 0 || reply->status == 200))
        fprintf(history, "%ju ", (uintmax_t)line.tag);
    else
        fputs("- ", history);
    print_result(history, op, reply, &line);
    if (line.tag != 0 && op->kind != OPERATION_BULK && op->kind != OPERATION_LIST)
        operation_space_learn(space, op->collection, op->id, line.tag);
}
