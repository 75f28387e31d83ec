#include "server/store/redis/redis_verbs.h"

#include <assert.h>
#include <ev.h>
#include <hiredis/hiredis.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/base/list.h"
#include "common/base/log.h"
#include "server/store/redis/place/redis_servers.h"
#include "server/store/redis/redis_layout.h"

/* Ids and keys asked for at a time. */
#define STEP "500"

/* How long the check waits for connections. */
#define CONNECT_S 10.0

struct check {
    struct ev_loop *loop;
    struct redis_servers servers;
    store_check_verify *verify;
    void *ctx;
    struct store_check_counts *counts;
    uint64_t newest; /* the newest version of the documents in this step */
    struct buf newest_id;
    bool failed; /* the connection was lost, or Redis refused a command */
};

/* A command that waits for its reply. */
struct question {
    struct redis_call call;
    struct check *check;
    struct redis_conn *conn;
    void (*take)(struct check *check, const struct redisReply *reply, void *into);
    void *into;
    bool done;
};

/* True for an application's key that was a string when SCAN named it, and is of another
   type now. Such a check sends nothing else that has a type. */
static bool has_changed_type(const struct check *check, const struct redisReply *reply)
{
    return check->servers.url.keys != NULL && reply != NULL &&
           reply->type == REDIS_REPLY_ERROR &&
           redis_error_read(reply->str, reply->len).status == STORE_WRONG_TYPE;
}

static void on_reply(struct redis_call *call, const struct redisReply *reply)
{
    struct question *question = container_of(call, struct question, call);

    question->done = true;
    if (has_changed_type(question->check, reply))
        return;
    if (reply == NULL || reply->type == REDIS_REPLY_ERROR) {
        if (reply != NULL && !question->check->failed)
            redis_conn_take_error(question->conn, reply);
        question->check->failed = true;
    } else {
        question->take(question->check, reply, question->into);
    }
}

/* Sends a command on a connection and runs the loop until take() had the reply. */
static void ask_on(struct check *check, struct redis_conn *conn,
                   const struct redis_command *args,
                   void (*take)(struct check *, const struct redisReply *, void *),
                   void *into)
{
    struct question question = {{.on_reply = on_reply}, check, conn, take, into, false};

    if (check->failed || conn == NULL ||
        redis_conn_send(conn, args, &question.call) < 0) {
        check->failed = true;
        return;
    }
    while (!question.done)
        ev_run(check->loop, EVRUN_ONCE);
}

/* The same for a command whose first argument is a key, on the connection to that key. */
static void ask(struct check *check, const struct redis_command *args,
                void (*take)(struct check *, const struct redisReply *, void *),
                void *into)
{
    const struct slice key = {(const uint8_t *)args->parts[1], args->lens[1]};

    assert(args->count > 1);
    ask_on(check, redis_servers_conn(&check->servers, key), args, take, into);
}

/* "GET key" and the like. */
static void ask_key(struct check *check, const char *verb, const struct redis_key *key,
                    struct slice more,
                    void (*take)(struct check *, const struct redisReply *, void *),
                    void *into)
{
    struct redis_command args = {0};

    redis_command_text(&args, verb);
    redis_command_add(&args, key->bytes, key->len);
    if (more.len > 0)
        redis_command_add(&args, more.data, more.len);
    ask(check, &args, take, into);
}

static void found(struct check *check, struct store_key name, const char *what)
{
    if (check->counts->damaged++ < STORE_CHECK_LOG_MAX)
        log_warn("store: %.*s/%.*s: %s", (int)name.collection.len,
                 (const char *)name.collection.data, (int)name.id.len,
                 (const char *)name.id.data, what);
}

/* ---- texts that are kept after their reply is freed ---- */

struct texts {
    struct buf *items;
    size_t count;
};

static void texts_add(struct texts *texts, const char *bytes, size_t len)
{
    texts->items = mem_realloc(texts->items, (texts->count + 1) * sizeof *texts->items);
    texts->items[texts->count] = (struct buf)BUF_INIT;
    buf_append(&texts->items[texts->count++], bytes, len);
}

static void texts_free(struct texts *texts)
{
    for (size_t i = 0; i < texts->count; i++)
        buf_free(&texts->items[i]);
    mem_free(texts->items);
    *texts = (struct texts){0};
}

static void take_texts(struct check *check, const struct redisReply *reply, void *into)
{
    (void)check;
    for (size_t i = 0; reply->type == REDIS_REPLY_ARRAY && i < reply->elements; i++)
        if (reply->element[i]->type == REDIS_REPLY_STRING)
            texts_add(into, reply->element[i]->str, reply->element[i]->len);
}

/* A run of a sorted set, after a member. */
static void ask_members(struct check *check, const char *key, size_t key_len,
                        struct slice after, struct texts *texts)
{
    struct redis_command args = {0};
    struct buf from = BUF_INIT;

    buf_append_str(&from, after.len > 0 ? "(" : "-");
    buf_append(&from, after.data, after.len);
    redis_command_text(&args, "ZRANGEBYLEX");
    redis_command_add(&args, key, key_len);
    redis_command_add(&args, from.data, from.len);
    redis_command_text(&args, "+");
    redis_command_text(&args, "LIMIT");
    redis_command_text(&args, "0");
    redis_command_text(&args, STEP);
    ask(check, &args, take_texts, texts);
    buf_free(&from);
}

static void take_is_there(struct check *check, const struct redisReply *reply, void *into)
{
    (void)check;
    *(bool *)into = reply->type != REDIS_REPLY_NIL;
}

/* True if the sorted set has the member. */
static bool is_member(struct check *check, const struct redis_key *set,
                      struct slice member)
{
    bool is_there = true; /* if nothing could be asked, the check has failed anyway */

    ask_key(check, "ZSCORE", set, member, take_is_there, &is_there);
    return is_there;
}

/* ---- documents ---- */

/* The finding about a document; NULL for none. */
static const char *examine(struct check *check, struct store_key name,
                           const struct redisReply *reply)
{
    struct redis_head head;
    struct slice bytes;

    if (reply->type != REDIS_REPLY_STRING ||
        redis_head_read(reply->str, reply->len, &head) < 0)
        return "the document's head is damaged";
    bytes = (struct slice){(const uint8_t *)reply->str + REDIS_HEAD_BYTES,
                           reply->len - REDIS_HEAD_BYTES};
    check->counts->bytes += bytes.len;
    if (bytes.len != head.len)
        return "the document's length is not what its head says";
    if (head.version > check->newest) {
        check->newest = head.version;
        check->newest_id.len = 0;
        buf_append(&check->newest_id, name.id.data, name.id.len);
    }
    if (check->verify != NULL && check->verify(check->ctx, name, head.format, bytes) < 0)
        return "the document's bytes are damaged";
    return NULL;
}

struct examined {
    struct store_key name;
    bool is_there;
};

static void take_document(struct check *check, const struct redisReply *reply, void *into)
{
    struct examined *examined = into;
    const char *what;

    examined->is_there = reply->type != REDIS_REPLY_NIL;
    if (!examined->is_there)
        return;
    check->counts->documents++;
    what = examine(check, examined->name, reply);
    if (what != NULL)
        found(check, examined->name, what);
}

static void take_version(struct check *check, const struct redisReply *reply, void *into)
{
    (void)check;
    *(uint64_t *)into =
        reply->type == REDIS_REPLY_STRING ? strtoull(reply->str, NULL, 10) : 0;
}

/* Asks for the version that was given out last. This comes after the documents were read,
   so none of them can be newer. */
static void check_newest(struct check *check, struct slice collection)
{
    struct redis_key version;
    uint64_t last = UINT64_MAX;

    redis_key_own(&version, collection, 'v');
    ask_key(check, "GET", &version, (struct slice){NULL, 0}, take_version, &last);
    if (check->newest > last)
        found(check, (struct store_key){collection, buf_slice(&check->newest_id)},
              "the document's version was never given out");
    check->newest = 0;
}

/* What the store knows about a document at one moment. */
struct standing {
    bool is_there;  /* its key */
    bool is_listed; /* in the collection's index */
    bool is_known;  /* its collection, in the list of collections */
};

/* KEYS: document, index and, if it lies on the same server, the list of collections. */
static const char standing_text[] =
    "local listed = redis.call('ZSCORE', KEYS[2], ARGV[1])\n"
    "local known = not KEYS[3] or redis.call('ZSCORE', KEYS[3], ARGV[2])\n"
    "return {redis.call('EXISTS', KEYS[1]), listed and 1 or 0, known and 1 or 0}\n";

static void take_standing(struct check *check, const struct redisReply *reply, void *into)
{
    struct standing *standing = into;

    if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 3) {
        check->failed = true;
        return;
    }
    standing->is_there = reply->element[0]->integer == 1;
    standing->is_listed = reply->element[1]->integer == 1;
    standing->is_known = reply->element[2]->integer == 1;
}

/* Asks for all of it in one step, because servers write meanwhile. The result is "all is
   well" if nothing could be asked: the check has failed then. */
static struct standing look_at(struct check *check, struct store_key name)
{
    static const struct redis_key names = {sizeof REDIS_COLLECTIONS_KEY - 1,
                                           REDIS_COLLECTIONS_KEY};
    bool is_cluster = check->servers.cluster != NULL;
    struct standing standing = {true, true, true};
    struct redis_key document, index;
    struct redis_command args = {0};

    redis_key_document(&document, name);
    redis_key_own(&index, name.collection, 'i');
    redis_command_text(&args, "EVAL");
    redis_command_text(&args, standing_text);
    redis_command_text(&args, is_cluster ? "2" : "3");
    redis_command_add(&args, document.bytes, document.len);
    redis_command_add(&args, index.bytes, index.len);
    if (!is_cluster)
        redis_command_add(&args, names.bytes, names.len);
    redis_command_add(&args, name.id.data, name.id.len);
    redis_command_add(&args, name.collection.data, name.collection.len);
    ask_on(check, redis_servers_conn(&check->servers, name.collection), &args,
           take_standing, &standing);
    if (is_cluster) /* a separate step will do: nothing leaves that list */
        standing.is_known = is_member(check, &names, name.collection);
    return standing;
}

static void check_listed(struct check *check, struct store_key name)
{
    struct examined examined = {name, true};
    struct standing standing;
    struct redis_key key;

    redis_key_document(&key, name);
    ask_key(check, "GET", &key, (struct slice){NULL, 0}, take_document, &examined);
    if (examined.is_there || check->failed)
        return;
    standing = look_at(check, name);
    if (standing.is_listed && !standing.is_there)
        found(check, name, "is listed but not there");
    else if (standing.is_there) /* it was written again meanwhile */
        ask_key(check, "GET", &key, (struct slice){NULL, 0}, take_document, &examined);
}

static void check_collection(struct check *check, struct slice collection)
{
    struct redis_key index;
    struct buf after = BUF_INIT;
    size_t count;
    bool counted = false;

    redis_key_own(&index, collection, 'i');
    do {
        struct texts ids = {0};

        ask_members(check, index.bytes, index.len, buf_slice(&after), &ids);
        for (size_t i = 0; i < ids.count; i++)
            check_listed(check, (struct store_key){collection, buf_slice(&ids.items[i])});
        check_newest(check, collection);
        check->counts->collections +=
            !counted && ids.count > 0; /* a cluster lists empty collections too */
        counted |= ids.count > 0;
        count = ids.count;
        after.len = 0;
        if (count > 0)
            buf_append(&after, ids.items[count - 1].data, ids.items[count - 1].len);
        texts_free(&ids);
    } while (count > 0 && !check->failed);
    buf_free(&after);
}

static void check_collections(struct check *check)
{
    struct buf after = BUF_INIT;
    size_t count;

    do {
        struct texts names = {0};

        ask_members(check, REDIS_COLLECTIONS_KEY, strlen(REDIS_COLLECTIONS_KEY),
                    buf_slice(&after), &names);
        for (size_t i = 0; i < names.count; i++)
            if (names.items[i].len >= 1 && names.items[i].len <= STORE_NAME_MAX)
                check_collection(check, buf_slice(&names.items[i]));
        count = names.count;
        after.len = 0;
        if (count > 0)
            buf_append(&after, names.items[count - 1].data, names.items[count - 1].len);
        texts_free(&names);
    } while (count > 0 && !check->failed);
    buf_free(&after);
}

/* ---- is every document listed? ---- */

struct scan {
    struct buf cursor;
    struct texts keys;
};

static void take_scan(struct check *check, const struct redisReply *reply, void *into)
{
    struct scan *scan = into;

    scan->cursor.len = 0;
    if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 2 ||
        reply->element[0]->type != REDIS_REPLY_STRING) {
        check->failed = true;
        return;
    }
    buf_append(&scan->cursor, reply->element[0]->str, reply->element[0]->len);
    take_texts(check, reply->element[1], &scan->keys);
}

/* "offloop:{C}:d:ID" */
static int read_key(struct slice key, struct store_key *name_r)
{
    static const char begin[] = "offloop:{", middle[] = "}:d:";
    const uint8_t *at;

    if (key.len < strlen(begin))
        return -1;
    key = (struct slice){key.data + strlen(begin), key.len - strlen(begin)};
    at = memmem(key.data, key.len, middle, strlen(middle));
    if (at == NULL)
        return -1;
    name_r->collection = (struct slice){key.data, (size_t)(at - key.data)};
    at += strlen(middle);
    name_r->id = (struct slice){at, key.len - (size_t)(at - key.data)};
    return name_r->collection.len >= 1 && name_r->collection.len <= STORE_NAME_MAX &&
                   name_r->id.len <= STORE_NAME_MAX
               ? 0
               : -1;
}

static void check_key(struct check *check, struct slice text)
{
    struct standing standing;
    struct store_key name;

    if (read_key(text, &name) < 0)
        return;
    standing = look_at(check, name);
    if (standing.is_there && !standing.is_listed)
        found(check, name, "is there but not listed");
    else if (standing.is_there && !standing.is_known)
        found(check, name, "its collection is not listed");
}

static void take_value(struct check *check, const struct redisReply *reply, void *into)
{
    const struct store_key *name = into;
    const struct slice bytes = {(const uint8_t *)reply->str, reply->len};

    if (reply->type != REDIS_REPLY_STRING)
        return;
    check->counts->documents++;
    check->counts->bytes += bytes.len;
    if (check->verify != NULL && check->verify(check->ctx, *name, STORE_JSON, bytes) < 0)
        found(check, *name, "the value is not JSON");
}

/* An application's value: it must be JSON. One that is gone meanwhile, or is of another
   type, is no finding. */
static void check_value(struct check *check, struct slice text)
{
    struct store_key name;
    struct redis_key key = {.len = 0};

    if (redis_template_name(check->servers.url.keys, text, &name) < 0 ||
        redis_template_key(check->servers.url.keys, name, &key) < 0)
        return;
    ask_key(check, "GET", &key, (struct slice){NULL, 0}, take_value, &name);
}

/* Looks through all keys of a server that match a pattern, and are of a type where one is
   given. */
static void look_through(struct check *check, struct redis_conn *conn,
                         struct slice pattern, const char *type,
                         void (*look)(struct check *, struct slice key))
{
    struct scan scan = {0};

    buf_append_str(&scan.cursor, "0");
    do {
        struct redis_command args = {0};

        redis_command_text(&args, "SCAN");
        redis_command_add(&args, scan.cursor.data, scan.cursor.len);
        redis_command_text(&args, "MATCH");
        redis_command_add(&args, pattern.data, pattern.len);
        redis_command_text(&args, "COUNT");
        redis_command_text(&args, STEP);
        if (type != NULL) {
            redis_command_text(&args, "TYPE");
            redis_command_text(&args, type);
        }
        ask_on(check, conn, &args, take_scan, &scan);
        for (size_t i = 0; i < scan.keys.count; i++)
            look(check, buf_slice(&scan.keys.items[i]));
        texts_free(&scan.keys);
    } while (!check->failed && (scan.cursor.len != 1 || scan.cursor.data[0] != '0'));
    buf_free(&scan.cursor);
}

static void check_keys(struct check *check, struct redis_conn *conn)
{
    static const char pattern[] = "offloop:{*}:d:*";

    look_through(check, conn,
                 (struct slice){(const uint8_t *)pattern, sizeof pattern - 1}, NULL,
                 check_key);
}

static void check_values(struct check *check, struct redis_conn *conn)
{
    struct buf pattern = BUF_INIT;

    redis_template_pattern(check->servers.url.keys, (struct slice){NULL, 0}, &pattern);
    look_through(check, conn, buf_slice(&pattern), "string", check_value);
    buf_free(&pattern);
}

/* ---- all of it ---- */

/* True if every server that holds keys is connected. */
static bool is_connected(struct check *check)
{
    struct redis_conn *conn;
    const char *why;

    redis_servers_settle(&check->servers, CONNECT_S);
    for (unsigned i = 0; (conn = redis_servers_node(&check->servers, i)) != NULL; i++)
        if (!redis_conn_is_up(conn, &why))
            return false;
    return redis_servers_node(&check->servers, 0) != NULL;
}

int redis_check(const struct store_config *config, store_check_verify *verify, void *ctx,
                struct store_check_counts *counts_r)
{
    struct check check = {.verify = verify, .ctx = ctx, .counts = counts_r};
    struct redis_conn *conn;

    check.loop = ev_loop_new(EVFLAG_AUTO);
    if (check.loop == NULL)
        log_fatal("no event loop");
    if (redis_servers_open(&check.servers, check.loop, config) < 0) {
        ev_loop_destroy(check.loop);
        return -1;
    }
    check.failed = !is_connected(&check);
    if (!check.failed && check.servers.url.keys == NULL)
        check_collections(&check);
    for (unsigned i = 0; !check.failed && (conn = redis_servers_node(&check.servers, i));
         i++) {
        if (check.servers.url.keys != NULL)
            check_values(&check, conn);
        else
            check_keys(&check, conn);
    }
    if (check.failed)
        log_warn("store: the check could not be finished");
    redis_servers_close(&check.servers);
    ev_loop_destroy(check.loop);
    buf_free(&check.newest_id);
    return check.failed || counts_r->damaged > 0 ? -1 : 0;
}
