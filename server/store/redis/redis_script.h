/*
 * The Lua scripts that run inside Redis. A script is atomic: no other client
 * sees it half done. Scripts are loaded once per connection (SCRIPT LOAD) and then
 * called by their digest. For the layout see redis_layout.h.
 *
 * REDIS_SCRIPT_WRITE  KEYS: document, 'i', 'v', collections, upload (optional)
 *                     ARGV: condition (its letter below), if_version, format's letter or
 *                           '-' to delete, id, collection, bytes' length, which (below),
 *                           the step to the next version if the clock was set back,
 *                           bytes (if there is no upload)
 *                     which: '' if collections is one of the keys; in a cluster it is
 *                           not (and 'v' stands in its place): 'c', or 'r' if the
 *                           collection has just been added there
 *                     returns {REDIS_WRITE_…, version}
 * REDIS_SCRIPT_LIST   KEYS: 'i'; ARGV: the ids' prefix, after, how many, how many bytes,
 *                     most bytes of a first document that comes whole, 'c' in a
 *                     cluster (there a document may be moving to another node)
 *                     returns {1 if more follow, id, value, id, value, …}
 * REDIS_SCRIPT_COUNT  KEYS: 'i'; ARGV: after, at most
 *                     returns {count, 1 if more follow, last id}
 * REDIS_SCRIPT_NAMES  KEYS: collections; ARGV: after, how many
 *                     returns {1 if more follow, name, documents, …}
 *
 * For the values of an application (keys/):
 *
 * REDIS_SCRIPT_SET    KEYS: the value's, upload (optional)
 *                     ARGV: condition (its letter below), if_version (the digest's 16 hex
 *                           digits), 's', or '-' to delete, bytes' length, bytes (if
 *                           there is no upload)
 *                     returns {REDIS_WRITE_…, ''}; the value keeps its time to live
 * REDIS_SCRIPT_PIECES KEYS: the value's; ARGV: how many bytes it has, bytes of a piece
 *                     returns {piece, …}; {} if it has another length, or is missing
 */
#ifndef OFFLOOP_SERVER_STORE_REDIS_REDIS_SCRIPT_H
#define OFFLOOP_SERVER_STORE_REDIS_REDIS_SCRIPT_H

enum redis_script {
    REDIS_SCRIPT_WRITE,
    REDIS_SCRIPT_LIST,
    REDIS_SCRIPT_COUNT,
    REDIS_SCRIPT_NAMES,
    REDIS_SCRIPT_SET,
    REDIS_SCRIPT_PIECES,
    REDIS_SCRIPTS /* how many */
};

/* What REDIS_SCRIPT_WRITE answers. */
enum redis_write {
    REDIS_WRITE_REPLACED,
    REDIS_WRITE_CREATED,
    REDIS_WRITE_DELETED,
    REDIS_WRITE_MISSING,  /* no document to delete */
    REDIS_WRITE_CONFLICT, /* the condition does not hold */
    REDIS_WRITE_LOST,     /* the upload is gone */
    REDIS_WRITE_REGISTER, /* first the collection must be added to the collections */
    REDIS_WRITE_TYPE      /* the key has a value of another type, which stays */
};

/* The script's text; static memory. */
const char *redis_script_text(enum redis_script script);

#endif
