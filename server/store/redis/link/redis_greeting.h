/*
 * What is said on a fresh connection before it may carry requests, all in one
 * go: AUTH, SELECT, SCRIPT LOAD; and what is asked for the log: whether the
 * server is a master, and whether it keeps what it acknowledges.
 *
 * An ACL may forbid CONFIG, ROLE and SCRIPT: then the log says that durability
 * is not known, and scripts travel as text. Loop thread only.
 */
#ifndef OFFLOOP_SERVER_STORE_REDIS_LINK_REDIS_GREETING_H
#define OFFLOOP_SERVER_STORE_REDIS_LINK_REDIS_GREETING_H

#include "server/store/redis/link/redis_conn.h"

#define REDIS_DIGEST_CHARS 40

/* Redis' settings that matter to us, as far as they are known: what a 2xx depends on, and
   how long a connection may be idle. */
enum redis_setting {
    REDIS_SETTING_APPENDONLY,
    REDIS_SETTING_APPENDFSYNC,
    REDIS_SETTING_POLICY,
    REDIS_SETTING_TIMEOUT,
    REDIS_SETTINGS /* how many */
};

/* Embedded in the connection; zeroed at first. All but `where` and
   `is_sentinel` is the greeting's to write. */
struct redis_greeting {
    const char *where; /* the server, for the log */
    bool is_sentinel;  /* which knows AUTH and PING, perhaps */
    bool is_replica;
    char digests[REDIS_SCRIPTS][REDIS_DIGEST_CHARS + 1]; /* "" where it is not loaded */
    char settings[REDIS_SETTINGS][24];                   /* "" where it is not known */
    char *told; /* the last line about durability; ends with redis_greeting_end() */
    struct redis_call call;
    unsigned steps[16]; /* what the replies to come answer */
    unsigned step, step_count;
    bool failed;
    void (*done)(void *ctx, const char *why, const char *detail);
    void *ctx;
};

/* Sends all of it. done is called once: why is NULL where the connection may be used,
   else a static text, detail what Redis said; never where the connection was lost. */
void redis_greeting_send(struct redis_greeting *greeting, const struct redis_url *url,
                         int (*send)(void *ctx, const struct redis_command *args,
                                     struct redis_call *call),
                         void (*done)(void *ctx, const char *why, const char *detail),
                         void *ctx);

/* Appends what an operator should know about these settings; nothing where all is well.
 */
void redis_greeting_judge(const char settings[REDIS_SETTINGS][24], struct buf *out);

/* True for the answer of a master to ROLE. */
bool redis_greeting_is_master(const struct redisReply *reply);

/* Frees what it remembers. */
void redis_greeting_end(struct redis_greeting *greeting);

#endif
