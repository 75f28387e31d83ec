#include "tests/histories/operation.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Of a hundred operations, so many are of each kind. */
enum share {
    SHARE_GET = 43,
    SHARE_PUT = 22,
    SHARE_MERGE = 8,
    SHARE_JQ = 12,
    SHARE_DELETE = 9,
    SHARE_LIST = 4,
    SHARE_BULK = 2
};

/* Half of all operations go to so few documents, which change after so many operations:
   no history of one document becomes long, and each is crowded for a while. */
#define HOT_DOCUMENTS  6
#define HOT_OPERATIONS 1500

/* One in so many clients leaves before its answer. */
#define LEAVES_ONE_IN 400

static uint64_t next_random(struct operation_chooser *chooser)
{
    uint64_t z = (chooser->random += UINT64_C(0x9e3779b97f4a7c15));

    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

static unsigned below(struct operation_chooser *chooser, unsigned limit)
{
    return (unsigned)(next_random(chooser) % limit);
}

static bool chance(struct operation_chooser *chooser, unsigned percent)
{
    return below(chooser, 100) < percent;
}

void operation_space_init(struct operation_space *space)
{
    size_t count = (size_t)space->collections * space->ids * OPERATION_TAGS;

    space->tags = calloc(count, sizeof *space->tags);
    if (space->tags == NULL)
        abort();
}

void operation_chooser_init(struct operation_chooser *chooser, uint64_t seed,
                            unsigned client, unsigned clients)
{
    *chooser = (struct operation_chooser){.client = client, .clients = clients};
    chooser->random = seed * UINT64_C(0xd1342543de82ef95) + client;
    next_random(chooser);
}

static uint64_t *tags_of(const struct operation_space *space, unsigned collection,
                         unsigned id)
{
    return &space->tags[((size_t)collection * space->ids + id) * OPERATION_TAGS];
}

void operation_space_learn(struct operation_space *space, unsigned collection,
                           unsigned id, uint64_t tag)
{
    uint64_t *tags = tags_of(space, collection, id);

    if (tags[0] == tag)
        return;
    memmove(tags + 1, tags, (OPERATION_TAGS - 1) * sizeof *tags);
    tags[0] = tag;
}

/* ---- choosing ---- */

static uint64_t new_value(struct operation_chooser *chooser)
{
    return ++chooser->last_value * chooser->clients + chooser->client;
}

static void choose_document(struct operation_chooser *chooser,
                            const struct operation_space *space, struct operation *op)
{
    uint64_t documents = (uint64_t)space->collections * space->ids;
    uint64_t at = next_random(chooser) % documents;

    if (chance(chooser, 50)) {
        uint64_t hot = space->chosen / HOT_OPERATIONS * HOT_DOCUMENTS;

        /* times an odd number: neighbours lie in different collections */
        at = (hot + below(chooser, HOT_DOCUMENTS)) * 7919 % documents;
    }
    op->collection = (unsigned)(at % space->collections);
    op->id = (unsigned)(at / space->collections);
}

/* A condition on the last version that somebody has seen, or on an older one. */
static void choose_tag(struct operation_chooser *chooser,
                       const struct operation_space *space, struct operation *op,
                       enum operation_condition condition)
{
    const uint64_t *tags = tags_of(space, op->collection, op->id);
    unsigned at = chance(chooser, 75) ? 0 : below(chooser, OPERATION_TAGS);

    if (tags[at] == 0)
        return;
    op->condition = condition;
    op->tag = tags[at];
}

static void choose_put_condition(struct operation_chooser *chooser,
                                 const struct operation_space *space,
                                 struct operation *op)
{
    unsigned pick = below(chooser, 100);

    if (pick < 25)
        choose_tag(chooser, space, op, CONDITION_MATCH);
    else if (pick < 40)
        op->condition = CONDITION_NONE_MATCH_ANY;
    else if (pick < 46)
        op->condition = CONDITION_MATCH_ANY;
    else if (pick < 52)
        choose_tag(chooser, space, op, CONDITION_NONE_MATCH);
}

static void choose_list(struct operation_chooser *chooser,
                        const struct operation_space *space, struct operation *op)
{
    op->ids = chance(chooser, 30);
    if (chance(chooser, 25))
        return; /* all of it */
    op->limit = 3 + below(chooser, 30);
    if (chance(chooser, 50))
        snprintf(op->after, sizeof op->after, "k%03u", below(chooser, space->ids));
}

static void choose_bulk(struct operation_chooser *chooser,
                        const struct operation_space *space, struct operation *op)
{
    op->lines = 2 + below(chooser, OPERATION_BULK_MAX - 1);
    for (unsigned i = 0; i < op->lines; i++) {
        op->line_ids[i] = i > 0 && chance(chooser, 5) ? op->line_ids[below(chooser, i)]
                                                      : below(chooser, space->ids);
        op->line_values[i] = new_value(chooser);
    }
}

static enum operation_kind choose_kind(struct operation_chooser *chooser)
{
    static const unsigned shares[] = {
        [OPERATION_GET] = SHARE_GET,       [OPERATION_PUT] = SHARE_PUT,
        [OPERATION_MERGE] = SHARE_MERGE,   [OPERATION_JQ] = SHARE_JQ,
        [OPERATION_DELETE] = SHARE_DELETE, [OPERATION_LIST] = SHARE_LIST,
        [OPERATION_BULK] = SHARE_BULK};
    unsigned pick = below(chooser, 100), kind = 0;

    while (pick >= shares[kind])
        pick -= shares[kind++];
    return (enum operation_kind)kind;
}

void operation_choose(struct operation_chooser *chooser, struct operation_space *space,
                      struct operation *op_r)
{
    space->chosen++;
    if (chooser->scanning) {
        chooser->scanning = false;
        *op_r = chooser->scan;
        return;
    }
    *op_r = (struct operation){.kind = choose_kind(chooser)};
    choose_document(chooser, space, op_r);
    switch (op_r->kind) {
    case OPERATION_GET:
        if (chance(chooser, 30))
            choose_tag(chooser, space, op_r, CONDITION_NONE_MATCH);
        break;
    case OPERATION_PUT:
        choose_put_condition(chooser, space, op_r);
        op_r->value = new_value(chooser);
        break;
    case OPERATION_MERGE:
    case OPERATION_JQ: op_r->value = new_value(chooser); /* fall through */
    case OPERATION_DELETE:
        if (chance(chooser, 20))
            choose_tag(chooser, space, op_r, CONDITION_MATCH);
        break;
    case OPERATION_LIST: choose_list(chooser, space, op_r); break;
    case OPERATION_BULK: choose_bulk(chooser, space, op_r); break;
    }
    if (below(chooser, LEAVES_ONE_IN) == 0)
        op_r->leave = chance(chooser, 70) ? LEAVE_AFTER_REQUEST : LEAVE_IN_BODY;
}

void operation_make_get(struct operation *op_r, unsigned collection, unsigned id)
{
    *op_r = (struct operation){.kind = OPERATION_GET, .collection = collection, .id = id};
}

void operation_make_list(struct operation *op_r, unsigned collection)
{
    *op_r = (struct operation){.kind = OPERATION_LIST, .collection = collection};
}

/* ---- the request ---- */

static size_t print_bulk(const struct operation *op, char *to)
{
    size_t len = 0;

    for (unsigned i = 0; i < op->lines; i++) {
        const struct document document = {
            .collection = op->collection, .id = op->line_ids[i], .w = op->line_values[i]};

        len +=
            (size_t)sprintf(to + len, "{\"id\":\"k%03u\",\"document\":", op->line_ids[i]);
        len += document_print(&document, to + len);
        memcpy(to + len, "}\n", 2);
        len += 2;
    }
    return len;
}

static size_t print_body(const struct operation *op, char *to)
{
    const struct document document = {
        .collection = op->collection, .id = op->id, .w = op->value};

    switch (op->kind) {
    case OPERATION_PUT: return document_print(&document, to);
    case OPERATION_MERGE: return (size_t)sprintf(to, "{\"p\":%ju}", (uintmax_t)op->value);
    case OPERATION_JQ:
        return (size_t)sprintf(to, ".n += 1 | .p = %ju", (uintmax_t)op->value);
    case OPERATION_BULK: return print_bulk(op, to);
    default: return 0;
    }
}

static size_t print_target(const struct operation *op, char *to)
{
    size_t len = (size_t)sprintf(to, "/v1/h%u", op->collection);

    if (op->kind == OPERATION_BULK)
        return len;
    if (op->kind != OPERATION_LIST)
        return len + (size_t)sprintf(to + len, "/k%03u", op->id);
    to[len++] = '?';
    if (op->ids)
        len += (size_t)sprintf(to + len, "ids&");
    if (op->limit > 0)
        len += (size_t)sprintf(to + len, "limit=%u&", op->limit);
    if (op->after[0] != '\0')
        len += (size_t)sprintf(to + len, "after=%s&", op->after);
    return len - 1; /* without the last '&' or '?' */
}

static size_t print_condition(const struct operation *op, char *to)
{
    uintmax_t tag = op->tag;

    switch (op->condition) {
    case CONDITION_MATCH: return (size_t)sprintf(to, "If-Match: \"%ju-json\"\r\n", tag);
    case CONDITION_MATCH_ANY: return (size_t)sprintf(to, "If-Match: *\r\n");
    case CONDITION_NONE_MATCH:
        return (size_t)sprintf(to, "If-None-Match: \"%ju-json\"\r\n", tag);
    case CONDITION_NONE_MATCH_ANY: return (size_t)sprintf(to, "If-None-Match: *\r\n");
    case CONDITION_NONE: break;
    }
    return 0;
}

size_t operation_print(const struct operation *op, char *to)
{
    static const char *const methods[] = {"GET",    "PUT", "PATCH", "PATCH",
                                          "DELETE", "GET", "POST"};
    static const char *const types[] = {[OPERATION_PUT] = "application/json",
                                        [OPERATION_MERGE] =
                                            "application/merge-patch+json",
                                        [OPERATION_JQ] = "application/jq",
                                        [OPERATION_BULK] = "application/x-ndjson"};
    static char body[OPERATION_REQUEST_MAX];
    size_t body_len = print_body(op, body);
    size_t len = (size_t)sprintf(to, "%s ", methods[op->kind]);

    len += print_target(op, to + len);
    len += (size_t)sprintf(to + len, " HTTP/1.1\r\nHost: 127.0.0.1\r\n");
    len += print_condition(op, to + len);
    if (body_len > 0)
        len += (size_t)sprintf(to + len, "Content-Type: %s\r\nContent-Length: %zu\r\n",
                               types[op->kind], body_len);
    len += (size_t)sprintf(to + len, "\r\n");
    memcpy(to + len, body, body_len);
    return len + body_len;
}
