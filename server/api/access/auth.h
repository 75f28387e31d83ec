/*
 * Bearer tokens (RFC 6750) and what each may do. They come from a file with one line for
 * each grant, '#' starting a comment:
 *
 *     <SHA-256 of the token, 64 hex digits>  r|w|rw, each also with q  <prefix>
 *
 * The rights hold for the collections whose name begins with the prefix; '*' is every
 * collection and their list. A token may have several lines. The file holds no tokens,
 * only hashes: tokens are random and long, so no slow hash is needed.
 *
 * Read-only once loaded; any thread may check. Loading blocks: not on a loop.
 */
#ifndef OFFLOOP_SERVER_API_ACCESS_AUTH_H
#define OFFLOOP_SERVER_API_ACCESS_AUTH_H

#include "common/base/buf.h"

/* Rights, to be or-ed. */
#define AUTH_READ    1u
#define AUTH_WRITE   2u
#define AUTH_PROGRAM 4u /* q: run programs of one's own, where it may read or write */

enum auth_verdict {
    AUTH_ALLOWED,
    AUTH_MISSING,  /* 401: no bearer token */
    AUTH_UNKNOWN,  /* 401: no line has it */
    AUTH_FORBIDDEN /* 403: not with these rights here */
};

struct auth;

/* Reads the text of such a file; NULL with what is wrong, and in which line, appended to
   why. The caller ends it with auth_destroy(). */
struct auth *auth_parse(struct slice text, struct buf *why);

/* Reads the file; as above. */
struct auth *auth_load(const char *path, struct buf *why);

/* Frees; NULL inside is allowed. */
void auth_destroy(struct auth **auth);

/* Judges an Authorization field (data NULL where there is none) that wants `rights` on a
   collection; an empty name is the list of all collections. Takes the same time whichever
   of the known tokens it is. */
enum auth_verdict auth_check(const struct auth *auth, struct slice authorization,
                             struct slice collection, unsigned rights);

#endif
