/*
 * The commands on a new connection before it may carry requests, sent all at
 * once: AUTH, SELECT, SCRIPT LOAD, ROLE (is the server a master?), and CONFIG GET
 * (does it keep the writes that it acknowledges? the answer goes to the log).
 *
 * An ACL may forbid CONFIG, ROLE and SCRIPT: then the log says that durability
 * is not known, and scripts travel as text. Loop thread only.
 */
#ifndef OFFLOOP_SERVER_STORE_REDIS_LINK_REDIS_GREETING_H
#define OFFLOOP_SERVER_STORE_REDIS_LINK_REDIS_GREETING_H

#include "server/store/redis/redis_command.h"
#include "server/store/redis/redis_url.h"

#define REDIS_DIGEST_CHARS 40

/* The settings of Redis that are asked for: those on which the durability of a write
   depends, and how long a connection may be idle. */
enum redis_setting {
    REDIS_SETTING_APPENDONLY,
    REDIS_SETTING_APPENDFSYNC,
    REDIS_SETTING_POLICY,
    REDIS_SETTING_TIMEOUT,
    REDIS_SETTINGS /* how many */
};

/* Embedded in the connection; zeroed at first. The connection sets `where` and
   `is_sentinel`; the greeting sets the rest. */
struct redis_greeting {
    const char *where; /* the server, for the log */
    bool is_sentinel;  /* then only AUTH and PING are sent */
    bool is_replica;
    char digests[REDIS_SCRIPTS][REDIS_DIGEST_CHARS + 1]; /* "" if not loaded */
    char settings[REDIS_SETTINGS][24];                   /* "" if not known */
    char *logged; /* the last line about durability; freed by redis_greeting_end() */
    struct redis_call call;
    unsigned steps[16]; /* the commands sent, in order */
    unsigned step, step_count;
    bool failed;
    void (*done)(void *ctx, const char *why, const char *detail);
    void *ctx;
};

/* Sends the commands. done is called once, but not if the connection is lost. If why is
   NULL, the connection may be used; else why is a static text and detail is Redis' error.
 */
void redis_greeting_send(struct redis_greeting *greeting, const struct redis_url *url,
                         int (*send)(void *ctx, const struct redis_command *args,
                                     struct redis_call *call),
                         void (*done)(void *ctx, const char *why, const char *detail),
                         void *ctx);

/* Appends what an operator should know about these settings; nothing if all is well. */
void redis_greeting_judge(const char settings[REDIS_SETTINGS][24], struct buf *out);

/* True if the reply to ROLE is that of a master. */
bool redis_greeting_is_master(const struct redisReply *reply);

/* Frees what the greeting holds. */
void redis_greeting_end(struct redis_greeting *greeting);

#endif
