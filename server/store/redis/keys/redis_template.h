/*
 * The keys of a store of an application's own values: a template such as
 * "doc:{collection}:{id}" gives the key of a document.
 *
 * A key must name one document only, because tokens are given for collections. So where
 * what stands between the two names may also stand in a name, the first of the names must
 * not contain it: in "doc:{collection}:{id}", "doc:a:b:c" is the document "b:c" of
 * collection "a", and there is no collection "a:b". An id may have colons.
 *
 * Pure functions over bytes; any thread may call.
 */
#ifndef OFFLOOP_SERVER_STORE_REDIS_KEYS_REDIS_TEMPLATE_H
#define OFFLOOP_SERVER_STORE_REDIS_KEYS_REDIS_TEMPLATE_H

#include "server/store/redis/redis_layout.h"

/* A template taken apart. */
struct redis_template {
    struct buf text;                      /* decoded; the slices point into it */
    struct slice before, between, behind; /* the texts around the names */
    bool id_first;
};

/* Takes a template apart, in which %XX stands for a byte. Returns NULL, or a static text
   that says what was expected; then there is nothing to free. */
const char *redis_template_parse(struct slice text, struct redis_template *template_r);

/* Frees the text; zeros are allowed. */
void redis_template_free(struct redis_template *template);

/* Writes the key of a document. Returns -1 if the template has no key for the name. */
int redis_template_key(const struct redis_template *template, struct store_key name,
                       struct redis_key *key_r) __attribute__((warn_unused_result));

/* True if documents of the collection can have keys. */
bool redis_template_has(const struct redis_template *template, struct slice collection);

/* Reads the document's name out of a key; the slices point into the key. Returns -1 for a
   key that is of no document: another form, or a name that offloop does not allow. */
int redis_template_name(const struct redis_template *template, struct slice key,
                        struct store_key *name_r) __attribute__((warn_unused_result));

/* Appends the pattern (SCAN … MATCH) of the keys of a collection; of all collections if
   it has no bytes. Keys of other collections may match, too. */
void redis_template_pattern(const struct redis_template *template,
                            struct slice collection, struct buf *out);

#endif
