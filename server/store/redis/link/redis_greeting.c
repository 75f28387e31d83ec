#include "server/store/redis/link/redis_greeting.h"

#include <assert.h>
#include <hiredis/hiredis.h>
#include <stdio.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/base/log.h"
#include "common/base/text.h"

/* The commands; SCRIPT is followed by the script's number, SETTING by the setting's. */
enum step {
    STEP_AUTH,
    STEP_SELECT,
    STEP_PING,
    STEP_ROLE,
    STEP_SETTING,
    STEP_SCRIPT = STEP_SETTING + REDIS_SETTINGS
};

static const char *const setting_names[REDIS_SETTINGS] = {"appendonly", "appendfsync",
                                                          "maxmemory-policy", "timeout"};

void redis_greeting_judge(const char settings[REDIS_SETTINGS][24], struct buf *out)
{
    const char *appendonly = settings[REDIS_SETTING_APPENDONLY];
    const char *fsync = settings[REDIS_SETTING_APPENDFSYNC];
    const char *policy = settings[REDIS_SETTING_POLICY];

    if (appendonly[0] == 0 || fsync[0] == 0)
        buf_append_str(out, "whether an answered write survives a crash of Redis is not "
                            "known (CONFIG GET is refused)");
    else if (strcmp(appendonly, "yes") != 0)
        buf_append_str(out, "appendonly is off: a crash of Redis loses answered writes");
    else if (strcmp(fsync, "always") != 0)
        buf_printf(out,
                   "appendfsync is %s, not always: a crash of Redis or its host may lose "
                   "the last answered writes",
                   fsync);
    if (policy[0] != 0 && strcmp(policy, "noeviction") != 0)
        buf_printf(out,
                   "%smaxmemory-policy is %s, not noeviction: Redis may drop documents",
                   out->len > 0 ? "; " : "", policy);
}

static void log_durability(struct redis_greeting *greeting)
{
    struct buf text = BUF_INIT;

    redis_greeting_judge((const char(*)[24])greeting->settings, &text);
    buf_append(&text, "", 1);
    if (greeting->logged == NULL ||
        strcmp(greeting->logged, (const char *)text.data) != 0) {
        if (text.len > 1)
            log_warn("store: %s: %s", greeting->where, (const char *)text.data);
        mem_free(greeting->logged);
        greeting->logged = str_dup((const char *)text.data);
    }
    buf_free(&text);
}

static void end(struct redis_greeting *greeting, const char *why, const char *detail)
{
    greeting->failed = why != NULL;
    if (why == NULL && !greeting->is_sentinel)
        log_durability(greeting);
    greeting->done(greeting->ctx, why, detail);
}

static bool is_string(const struct redisReply *reply)
{
    return reply->type == REDIS_REPLY_STRING || reply->type == REDIS_REPLY_STATUS;
}

/* ROLE: an array that begins with "master", "slave" or "sentinel". */
static bool is_role(const struct redisReply *reply, const char *role)
{
    return reply->type == REDIS_REPLY_ARRAY && reply->elements > 0 &&
           is_string(reply->element[0]) && strcmp(reply->element[0]->str, role) == 0;
}

bool redis_greeting_is_master(const struct redisReply *reply)
{
    return is_role(reply, "master");
}

/* CONFIG GET: an array of a name and its value. */
static void take_setting(struct redis_greeting *greeting, unsigned setting,
                         const struct redisReply *reply)
{
    if (reply->type == REDIS_REPLY_ARRAY && reply->elements == 2 &&
        is_string(reply->element[1]))
        snprintf(greeting->settings[setting], sizeof greeting->settings[setting], "%s",
                 reply->element[1]->str);
}

/* True if the error allows the greeting to go on: an ACL may forbid the command. */
static bool may_be_forbidden(const struct redis_greeting *greeting, unsigned step,
                             const struct redisReply *reply)
{
    if (greeting->is_sentinel && step == STEP_AUTH)
        return text_starts_with(reply->str, "ERR"); /* it has no password */
    return step != STEP_AUTH && step != STEP_SELECT &&
           (text_starts_with(reply->str, "NOPERM") ||
            text_starts_with(reply->str, "ERR"));
}

static const char *refusal(unsigned step, const struct redisReply *reply)
{
    if (step == STEP_AUTH)
        return "Redis refuses the user or password";
    if (text_starts_with(reply->str, "NOAUTH"))
        return "Redis wants a password";
    if (step == STEP_SELECT)
        return "Redis refuses the db number";
    if (text_starts_with(reply->str, "LOADING"))
        return "Redis is loading its data";
    return "Redis is not ready";
}

static void take(struct redis_greeting *greeting, unsigned step,
                 const struct redisReply *reply)
{
    if (reply->type == REDIS_REPLY_ERROR) {
        if (!may_be_forbidden(greeting, step, reply))
            end(greeting, refusal(step, reply), reply->str);
    } else if (step == STEP_ROLE) {
        greeting->is_replica = is_role(reply, "slave");
    } else if (step >= STEP_SCRIPT) {
        if (is_string(reply) && reply->len == REDIS_DIGEST_CHARS)
            memcpy(greeting->digests[step - STEP_SCRIPT], reply->str,
                   REDIS_DIGEST_CHARS + 1);
    } else if (step >= STEP_SETTING) {
        take_setting(greeting, step - STEP_SETTING, reply);
    }
}

static void on_reply(struct redis_call *call, const struct redisReply *reply)
{
    struct redis_greeting *greeting =
        (struct redis_greeting *)(void *)((char *)call -
                                          offsetof(struct redis_greeting, call));

    if (reply == NULL || greeting->failed)
        return; /* the connection itself handles its loss */
    assert(greeting->step < greeting->step_count);
    take(greeting, greeting->steps[greeting->step++], reply);
    if (!greeting->failed && greeting->step == greeting->step_count)
        end(greeting, NULL, "");
}

/* Fills in the command of a step. */
static void fill(struct redis_command *args, unsigned step, const struct redis_url *url,
                 char number[16])
{
    args->count = 0;
    if (step == STEP_AUTH) {
        redis_command_text(args, "AUTH");
        if (url->user != NULL)
            redis_command_text(args, url->user);
        redis_command_text(args, url->password);
    } else if (step == STEP_SELECT) {
        snprintf(number, 16, "%u", url->db);
        redis_command_text(args, "SELECT");
        redis_command_text(args, number);
    } else if (step == STEP_PING) {
        redis_command_text(args, "PING");
    } else if (step == STEP_ROLE) {
        redis_command_text(args, "ROLE");
    } else if (step >= STEP_SCRIPT) {
        redis_command_text(args, "SCRIPT");
        redis_command_text(args, "LOAD");
        redis_command_text(args, redis_script_text(step - STEP_SCRIPT));
    } else {
        redis_command_text(args, "CONFIG");
        redis_command_text(args, "GET");
        redis_command_text(args, setting_names[step - STEP_SETTING]);
    }
}

/* Chooses the steps for this URL. */
static void plan(struct redis_greeting *greeting, const struct redis_url *url)
{
    unsigned count = 0;

    if (url->password != NULL)
        greeting->steps[count++] = STEP_AUTH;
    if (url->db != 0)
        greeting->steps[count++] = STEP_SELECT;
    if (greeting->is_sentinel)
        greeting->steps[count++] = STEP_PING;
    for (unsigned step = STEP_ROLE;
         !greeting->is_sentinel && step < STEP_SCRIPT + REDIS_SCRIPTS; step++)
        greeting->steps[count++] = step;
    assert(count <= sizeof greeting->steps / sizeof *greeting->steps);
    greeting->step_count = count;
    greeting->step = 0;
}

void redis_greeting_send(struct redis_greeting *greeting, const struct redis_url *url,
                         int (*send)(void *ctx, const struct redis_command *args,
                                     struct redis_call *call),
                         void (*done)(void *ctx, const char *why, const char *detail),
                         void *ctx)
{
    struct redis_command args;
    char number[16];

    greeting->done = done;
    greeting->ctx = ctx;
    greeting->call.on_reply = on_reply;
    greeting->failed = greeting->is_replica = false;
    memset(greeting->digests, 0, sizeof greeting->digests);
    memset(greeting->settings, 0, sizeof greeting->settings);
    plan(greeting, url);
    for (unsigned i = 0; i < greeting->step_count; i++) {
        fill(&args, greeting->steps[i], url, number);
        if (send(ctx, &args, &greeting->call) < 0)
            return; /* lost already; the connection handles that */
    }
}

void redis_greeting_end(struct redis_greeting *greeting)
{
    mem_free(greeting->logged);
    greeting->logged = NULL;
}
