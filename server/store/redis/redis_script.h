/*
 * What runs inside Redis: a script is atomic, so each is one step that nobody
 * sees half done. They are sent once per connection (SCRIPT LOAD) and then named
 * by their digest. Layout: redis_layout.h.
 *
 * REDIS_SCRIPT_WRITE  KEYS: document, 'i', 'v', collections, upload (may be left out)
 *                     ARGV: condition (its letter below), if_version, format's letter or
 *                           '-' to delete, id, collection, bytes' length, which (below),
 *                           the step to the next version where the clock was set back,
 *                           bytes (where there is no upload)
 *                     which: '' where collections is one of the keys; in a cluster, where
 *                           it is not (and 'v' stands in its place): 'c', or 'r' where
 *                           the collection has just been added there
 *                     gives {REDIS_WRITE_…, version}
 * REDIS_SCRIPT_LIST   KEYS: 'i'; ARGV: the ids' prefix, after, how many, how many bytes,
 *                     most bytes of a first document that is given whole, 'c' in a
 *                     cluster (where a document may be on its way to another node)
 *                     gives {1 where more follow, id, value, id, value, …}
 * REDIS_SCRIPT_COUNT  KEYS: 'i'; ARGV: after, at most
 *                     gives {count, 1 where more follow, last id}
 * REDIS_SCRIPT_NAMES  KEYS: collections; ARGV: after, how many
 *                     gives {1 where more follow, name, documents, …}
 */
#ifndef OFFLOOP_SERVER_STORE_REDIS_REDIS_SCRIPT_H
#define OFFLOOP_SERVER_STORE_REDIS_REDIS_SCRIPT_H

enum redis_script {
    REDIS_SCRIPT_WRITE,
    REDIS_SCRIPT_LIST,
    REDIS_SCRIPT_COUNT,
    REDIS_SCRIPT_NAMES,
    REDIS_SCRIPTS /* how many */
};

/* What REDIS_SCRIPT_WRITE answers. */
enum redis_write {
    REDIS_WRITE_REPLACED,
    REDIS_WRITE_CREATED,
    REDIS_WRITE_DELETED,
    REDIS_WRITE_MISSING,  /* to be deleted, and was not there */
    REDIS_WRITE_CONFLICT, /* the condition does not hold */
    REDIS_WRITE_LOST,     /* the upload is not there any more */
    REDIS_WRITE_REGISTER  /* the collection has to be added to the collections first */
};

/* The script's text; static memory. */
const char *redis_script_text(enum redis_script script);

#endif
