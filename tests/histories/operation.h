/*
 * One operation of a history: how it is chosen, and the request that asks for it.
 *
 * Pure: one client's choices follow from its seed, but for the versions that were seen.
 */
#ifndef OFFLOOP_TESTS_HISTORIES_OPERATION_H
#define OFFLOOP_TESTS_HISTORIES_OPERATION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tests/histories/document.h"

#define OPERATION_BULK_MAX 30

/* The most bytes of a request. */
#define OPERATION_REQUEST_MAX ((DOCUMENT_MAX + 100) * OPERATION_BULK_MAX + 4096)

/* Versions remembered of each document, to make conditions of. */
#define OPERATION_TAGS 4

enum operation_kind {
    OPERATION_GET,
    OPERATION_PUT,
    OPERATION_MERGE,
    OPERATION_JQ,
    OPERATION_DELETE,
    OPERATION_LIST,
    OPERATION_BULK
};

enum operation_condition {
    CONDITION_NONE,
    CONDITION_MATCH,
    CONDITION_MATCH_ANY,
    CONDITION_NONE_MATCH,
    CONDITION_NONE_MATCH_ANY
};

/* How a client leaves before its answer. */
enum operation_leave { LEAVE_NOT, LEAVE_AFTER_REQUEST, LEAVE_IN_BODY };

struct operation {
    enum operation_kind kind;
    enum operation_condition condition;
    enum operation_leave leave;
    uint64_t tag; /* of the condition */
    unsigned collection, id;
    uint64_t value;
    bool ids; /* LIST: with ids */
    unsigned limit;
    char after[DOCUMENT_NAME_MAX]; /* LIST: the id; empty for none */
    unsigned lines;                /* BULK */
    unsigned line_ids[OPERATION_BULK_MAX];
    uint64_t line_values[OPERATION_BULK_MAX];
    uint64_t start_ns;
};

/* The choices of one client; they depend on its seed alone, but for the tags that it and
   the others have seen. */
struct operation_chooser {
    uint64_t random;
    unsigned client, clients;
    uint64_t last_value;
    struct operation scan; /* the next page of a list, where scanning */
    bool scanning;
};

/* The documents: `collections` times `ids` of them. `tags` has OPERATION_TAGS for each.
 */
struct operation_space {
    unsigned collections, ids; /* fewer than 1000 ids: names have three digits */
    uint64_t *tags;
    uint64_t chosen; /* operations so far: which documents are asked for most changes */
};

/* Makes the space's tags, which nobody knows yet. */
void operation_space_init(struct operation_space *space);

/* Notes that somebody has seen this version of the document. */
void operation_space_learn(struct operation_space *space, unsigned collection,
                           unsigned id, uint64_t tag);

/* Makes a client's chooser; clients are numbered from 0. */
void operation_chooser_init(struct operation_chooser *chooser, uint64_t seed,
                            unsigned client, unsigned clients);

/* Chooses the client's next operation. */
void operation_choose(struct operation_chooser *chooser, struct operation_space *space,
                      struct operation *op_r);

/* A read of a document, or of a whole collection. */
void operation_make_get(struct operation *op_r, unsigned collection, unsigned id);
void operation_make_list(struct operation *op_r, unsigned collection);

/* Prints the request, which has at most OPERATION_REQUEST_MAX bytes. Returns its length.
 */
size_t operation_print(const struct operation *op, char *to);

#endif
