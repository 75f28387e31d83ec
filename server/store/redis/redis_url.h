/*
 * The URLs of a Redis store: pure functions over text.
 *
 *     redis://[user[:password]@]host[:port][/db]      host: a name, 127.0.0.1 or [::1]
 *     rediss://…                                      the same by TLS
 *     redis+unix://[user[:password]@]/path[?db=N]
 *     redis+sentinel://[login@]host[:port][,host[:port]]…/master[/db]
 *                                     several Sentinels, which know the master
 *     rediss+sentinel://…             Sentinels and servers by TLS
 *     redis+cluster://[login@]host[:port][,host[:port]]…
 *                                     a cluster, and some of its nodes
 *     rediss+cluster://…              the same by TLS
 *
 * Each may end in ?key=TEMPLATE, then the store is an application's own values
 * (keys/redis_template.h); also with &scan or &scan=off.
 *
 * User and password may hold %XX; ":password@" alone is Redis' default user.
 * The default port is 6379 (of a Sentinel 26379), the default db 0. Any thread may
 * call.
 */
#ifndef OFFLOOP_SERVER_STORE_REDIS_REDIS_URL_H
#define OFFLOOP_SERVER_STORE_REDIS_REDIS_URL_H

#include <stdbool.h>

#include "server/store/redis/keys/redis_template.h"

#define REDIS_URL_PORT   6379
#define REDIS_URL_DB_MAX 65535
#define REDIS_URL_MAX    2048 /* bytes of the whole text */

#define REDIS_URL_SENTINEL_PORT 26379
#define REDIS_URL_PLACES        16 /* Sentinels, or first nodes */

#define REDIS_URL_EXPECTED                                               \
    "redis://[user:password@]host[:port][/db], "                         \
    "redis+unix://[user:password@]/path[?db=N], or "                     \
    "redis+sentinel://[user:password@]host[:port],host.../master[/db]; " \
    "rediss for TLS; ?key=TEMPLATE[&scan] for values of an application"

/* Whether an application's values may be listed, which has Redis look at all of its keys.
 */
enum redis_scan {
    REDIS_SCAN_ASKED, /* where the request asks for a scan */
    REDIS_SCAN_ON,
    REDIS_SCAN_OFF
};

/* The kind of server at the other end. */
enum redis_kind { REDIS_SERVER, REDIS_SENTINEL, REDIS_CLUSTER };

/* A host and its port. */
struct redis_place {
    char *host; /* without brackets */
    unsigned port;
};

/* A URL taken apart; each text is owned, or NULL for none. */
struct redis_url {
    enum redis_kind kind;
    char *host; /* without brackets; NULL if there is a path or places */
    char *path; /* of a unix socket */
    char *user;
    char *password;
    unsigned port;
    unsigned db;
    bool tls;
    char *master; /* its name among the Sentinels */
    struct redis_place *places;
    size_t place_count;
    struct redis_template *keys; /* of an application's values; NULL for documents */
    enum redis_scan scan;
};

/* True for a text that names a Redis store, even a malformed one. */
bool redis_url_is_redis(const char *text);

/* Takes a URL apart; -1 if it is not one of the above: then there is nothing to free. */
int redis_url_parse(const char *text, struct redis_url *url_r)
    __attribute__((warn_unused_result));

/* Where the parameters of a URL begin, if it is a sound one: at the first ? that one of
   them follows. Without parameters, the end of the text. */
const char *redis_url_query(const char *text);

/* What was expected of a text that redis_url_parse() refuses; static text. */
const char *redis_url_expected(const char *text);

/* Makes the URL of one server from a host and a port, with the TLS and login of another
   URL. End it with redis_url_free(). */
void redis_url_of_place(struct redis_url *url_r, const struct redis_url *like,
                        const char *host, unsigned port);

/* Wipes the password, frees the texts, and zeroes the struct. */
void redis_url_free(struct redis_url *url);

/* Appends the store's address for logs, "redis 127.0.0.1:6379/0", without user and
 * password.
 */
void redis_url_print(const struct redis_url *url, struct buf *out);

#endif
