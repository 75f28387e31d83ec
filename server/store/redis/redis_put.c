#include <assert.h>
#include <hiredis/hiredis.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/alloc.h"
#include "server/store/redis/redis_flight.h"
#include "server/store/redis/redis_verbs.h"

/* Redis drops an upload after this time if its front is gone. */
#define UPLOAD_EXPIRES_S "600"

/* Above this number of unsent bytes, an upload sends one piece at a time. */
#define UNSENT_BYTES (UINT64_C(1) << 19)

enum put_state {
    PUT_PIECES,  /* pieces of an upload are under way */
    PUT_COMMIT,  /* awaits the script's answer (a flight without upload begins here) */
    PUT_REGISTER /* awaits that a cluster's list of collections has this one */
};

struct put_flight {
    struct redis_flight base;
    struct store_put *put;
    enum put_state state;
    unsigned waiting;         /* replies to come */
    enum store_status status; /* the first that was not OK */
    uint64_t asked;           /* bytes of the upload sent so far */
    struct blob *blob;        /* the bytes; NULL to delete */
    struct redis_key upload;  /* of no length if there is none */
    bool moved;               /* the slot is on another node: the upload begins anew */
    bool registered;          /* PUT_REGISTER has ended */
    struct redis_key value;   /* an application's value; of no length for a document */
};

/* Deletes the upload in Redis; the reply is not needed. */
static void drop_upload(struct put_flight *flight);

static void enter(struct put_flight *flight, enum put_state state)
{
    /* PIECES → COMMIT ⇄ REGISTER; a state may follow itself, for another attempt */
    assert(state == flight->state || state == PUT_COMMIT || flight->state == PUT_COMMIT);
    assert(state != PUT_PIECES || flight->upload.len > 0);
    flight->state = state;
}

static void end(struct put_flight *flight, enum store_status status, uint64_t version)
{
    assert(flight->waiting == 0);
    if (flight->state == PUT_PIECES && flight->upload.len > 0)
        drop_upload(flight);
    flight->base.servers->writes_waiting--;
    if (version > flight->base.servers->newest_version)
        flight->base.servers->newest_version = version;
    if (!flight->base.cancelled) {
        flight->put->version = version;
        STORE_BACKEND_END(flight->put, status);
    }
    blob_unref(&flight->blob);
    mem_free(flight);
}

static int send(struct put_flight *flight, const struct redis_command *args)
{
    if (redis_flight_send(&flight->base, args) < 0)
        return -1;
    flight->waiting++;
    return 0;
}

/* ---- the script ---- */

static const char *condition_letter(enum store_condition condition)
{
    switch (condition) {
    case STORE_ALWAYS: return "-";
    case STORE_IF_ABSENT: return "a";
    case STORE_IF_PRESENT: return "p";
    case STORE_IF_VERSION: return "v";
    }
    return "-";
}

/* The script's `which`: redis_script.h. */
static const char *which_letter(const struct put_flight *flight)
{
    if (flight->base.servers->cluster == NULL)
        return "";
    return flight->registered ? "r" : "c";
}

/* The step to the next version if the clock of Redis was set back (redis_script.c). It is
   random, so that two fronts, or one before and after a restore of a backup, hardly ever
   give out the same version. */
static unsigned draw_version_step(struct redis_servers *servers)
{
    servers->random =
        servers->random * UINT64_C(6364136223846793005) + 1442695040888963407;
    return 1 + (unsigned)(servers->random >> 44); /* up to 2^20, a second */
}

/* Writes an application's value. */
static int send_set(struct put_flight *flight)
{
    const struct store_put *put = flight->put;
    struct slice bytes = put->remove ? (struct slice){NULL, 0} : flight->blob->bytes;
    struct redis_command args;
    char digest[17], size[24];

    snprintf(digest, sizeof digest, "%016" PRIx64, put->if_version);
    snprintf(size, sizeof size, "%zu", bytes.len);
    redis_flight_script(&flight->base, &args, REDIS_SCRIPT_SET,
                        flight->upload.len > 0 ? 2 : 1);
    redis_command_add(&args, flight->value.bytes, flight->value.len);
    if (flight->upload.len > 0)
        redis_command_add(&args, flight->upload.bytes, flight->upload.len);
    redis_command_text(&args, condition_letter(put->condition));
    redis_command_text(&args, digest);
    redis_command_text(&args, put->remove ? "-" : "s");
    redis_command_text(&args, size);
    if (flight->upload.len == 0)
        redis_command_add(&args, bytes.data, bytes.len);
    enter(flight, PUT_COMMIT);
    return send(flight, &args);
}

/* Writes a document. */
static int send_write(struct put_flight *flight)
{
    const struct store_put *put = flight->put;
    const char *which = which_letter(flight);
    struct redis_key document, index, version;
    struct redis_command args;
    char if_version[REDIS_VERSION_DIGITS + 1], size[24], step[16];
    char format = put->remove ? '-' : redis_head_format(put->format);
    struct slice bytes = put->remove ? (struct slice){NULL, 0} : flight->blob->bytes;

    redis_key_document(&document, put->key);
    redis_key_own(&index, put->key.collection, 'i');
    redis_key_own(&version, put->key.collection, 'v');
    redis_head_put_version(if_version, put->if_version);
    snprintf(size, sizeof size, "%zu", bytes.len);
    snprintf(step, sizeof step, "%u", draw_version_step(flight->base.servers));
    redis_flight_script(&flight->base, &args, REDIS_SCRIPT_WRITE,
                        flight->upload.len > 0 ? 5 : 4);
    redis_command_add(&args, document.bytes, document.len);
    redis_command_add(&args, index.bytes, index.len);
    redis_command_add(&args, version.bytes, version.len);
    if (which[0] == 0)
        redis_command_text(&args, REDIS_COLLECTIONS_KEY);
    else
        redis_command_add(&args, version.bytes, version.len); /* of the same slot */
    if (flight->upload.len > 0)
        redis_command_add(&args, flight->upload.bytes, flight->upload.len);
    redis_command_text(&args, condition_letter(put->condition));
    redis_command_text(&args, if_version);
    redis_command_add(&args, &format, 1);
    redis_command_add(&args, put->key.id.data, put->key.id.len);
    redis_command_add(&args, put->key.collection.data, put->key.collection.len);
    redis_command_text(&args, size);
    redis_command_text(&args, which);
    redis_command_text(&args, step);
    if (flight->upload.len == 0)
        redis_command_add(&args, bytes.data, bytes.len);
    enter(flight, PUT_COMMIT);
    return send(flight, &args);
}

static int send_commit(struct put_flight *flight)
{
    return flight->value.len > 0 ? send_set(flight) : send_write(flight);
}

/* In a cluster the list of collections lies in a slot of its own, so no script can change
   it together with a document. It may list too many collections, never too few: the
   writer of a collection's first document adds it before, and nothing removes it again.
 */
static int send_register(struct put_flight *flight)
{
    static const struct slice key = {(const uint8_t *)REDIS_COLLECTIONS_KEY,
                                     sizeof REDIS_COLLECTIONS_KEY - 1};
    struct slice collection = flight->put->key.collection;
    struct redis_command args = {0};

    if (flight->state != PUT_REGISTER)
        redis_flight_turn_to(&flight->base, key);
    enter(flight, PUT_REGISTER);
    redis_command_text(&args, "ZADD");
    redis_command_add(&args, key.data, key.len);
    redis_command_text(&args, "0");
    redis_command_add(&args, collection.data, collection.len);
    return send(flight, &args);
}

/* The script's answer. */
static void take_commit(struct put_flight *flight, const struct redisReply *reply)
{
    const struct redisReply *code = redis_flight_element(reply, 0, REDIS_REPLY_INTEGER);
    const struct redisReply *text = redis_flight_element(reply, 1, REDIS_REPLY_STRING);
    uint64_t version;

    if (code == NULL || text == NULL) {
        end(flight, STORE_ERROR, 0);
        return;
    }
    version = strtoull(text->str, NULL, 10);
    if (code->integer == REDIS_WRITE_REGISTER && which_letter(flight)[0] == 'c') {
        if (send_register(flight) < 0)
            end(flight, STORE_DOWN, 0);
        return;
    }
    if (flight->upload.len > 0 && code->integer >= REDIS_WRITE_MISSING)
        drop_upload(flight);
    switch (code->integer) {
    case REDIS_WRITE_REPLACED: end(flight, STORE_OK, version); break;
    case REDIS_WRITE_CREATED: end(flight, STORE_CREATED, version); break;
    case REDIS_WRITE_DELETED: end(flight, STORE_OK, version); break;
    case REDIS_WRITE_MISSING: end(flight, STORE_NOT_FOUND, 0); break;
    case REDIS_WRITE_CONFLICT: end(flight, STORE_CONFLICT, 0); break;
    case REDIS_WRITE_LOST: end(flight, STORE_FULL, 0); break; /* it was evicted */
    case REDIS_WRITE_TYPE:
        end(flight, flight->value.len > 0 ? STORE_WRONG_TYPE : STORE_ERROR, 0);
        break;
    default: end(flight, STORE_ERROR, 0); break;
    }
}

/* ---- uploads ---- */

static void on_dropped(struct redis_call *call, const struct redisReply *reply)
{
    (void)reply;
    mem_free(call);
}

static void drop_upload(struct put_flight *flight)
{
    struct redis_call *call = mem_zalloc(sizeof *call);
    struct redis_command args = {0};

    call->on_reply = on_dropped;
    redis_command_text(&args, "UNLINK");
    redis_command_add(&args, flight->upload.bytes, flight->upload.len);
    if (flight->base.conn == NULL || redis_conn_send(flight->base.conn, &args, call) < 0)
        mem_free(call); /* it expires in Redis */
}

/* The upload expires by itself if its front is gone. */
static int send_expire(struct put_flight *flight)
{
    struct redis_command args = {0};

    redis_command_text(&args, "EXPIRE");
    redis_command_add(&args, flight->upload.bytes, flight->upload.len);
    redis_command_text(&args, UPLOAD_EXPIRES_S);
    return send(flight, &args);
}

static int send_piece(struct put_flight *flight, uint64_t len)
{
    struct redis_command args = {0};
    uint64_t head = flight->value.len > 0 ? 0 : REDIS_HEAD_BYTES;
    char at[24];

    /* the script fills in the head */
    snprintf(at, sizeof at, "%" PRIu64, head + flight->asked);
    redis_command_text(&args, "SETRANGE");
    redis_command_add(&args, flight->upload.bytes, flight->upload.len);
    redis_command_text(&args, at);
    redis_command_add(&args, flight->blob->bytes.data + flight->asked, len);
    if (send(flight, &args) < 0)
        return -1;
    flight->asked += len;
    return 0;
}

/* True if another piece may be sent: one always, more while few bytes wait for the
   socket. */
static bool has_window(const struct put_flight *flight)
{
    return flight->waiting == 0 ||
           (flight->waiting < REDIS_PIECES && flight->base.behind == 0 &&
            redis_conn_unsent(flight->base.conn) < UNSENT_BYTES);
}

/* Keeps some pieces under way, then commits. -1 if the store is down. */
static int send_more(struct put_flight *flight)
{
    uint64_t total = flight->blob->bytes.len;

    while (flight->asked < total && has_window(flight)) {
        bool first = flight->asked == 0;
        uint64_t len = total - flight->asked;

        if (send_piece(flight, len < REDIS_UPLOAD_BYTES ? len : REDIS_UPLOAD_BYTES) < 0 ||
            (first && send_expire(flight) < 0))
            return -1;
    }
    return flight->asked == total && flight->waiting == 0 ? send_commit(flight) : 0;
}

static void begin_upload(struct put_flight *flight)
{
    struct slice tag = flight->put->key.collection;

    if (flight->value.len > 0)
        tag = redis_slot_tag(redis_key_slice(&flight->value));
    redis_key_upload(&flight->upload, tag, flight->base.servers->uploads++);
    enter(flight, PUT_PIECES);
}

/* ---- replies ---- */

/* The reply to a piece. */
static void take_piece(struct put_flight *flight)
{
    if (flight->moved && flight->waiting == 0 && !flight->base.cancelled &&
        flight->status == STORE_OK) {
        flight->moved = false;
        flight->asked = 0;
        begin_upload(flight);
    }
    if (!flight->moved && !flight->base.cancelled && flight->status == STORE_OK &&
        send_more(flight) < 0)
        flight->status = STORE_DOWN;
    if (flight->waiting == 0)
        end(flight, flight->status, 0);
}

/* The script's answer; NULL if the connection was lost. */
static void take_answer(struct put_flight *flight, const struct redisReply *reply,
                        bool again)
{
    if (reply == NULL && !flight->base.unsent) {
        flight->base.servers->writes_unsure++;
        flight->status = STORE_UNSURE;
    }
    if (again && send_commit(flight) == 0) {
        flight->status = STORE_OK;
        return;
    }
    if (flight->status == STORE_OK && !flight->base.cancelled)
        take_commit(flight, reply);
    else
        end(flight, again ? STORE_DOWN : flight->status, 0);
}

/* The reply to the registration; no document was written yet. */
static void take_registered(struct put_flight *flight, bool again)
{
    int rc = -1;

    if (again) {
        flight->status = STORE_OK;
        rc = send_register(flight);
    } else if (flight->status == STORE_OK && !flight->base.cancelled) {
        flight->registered = true;
        redis_flight_turn_to(&flight->base, flight->put->key.collection);
        rc = send_commit(flight);
    }
    if (rc < 0)
        end(flight, flight->status == STORE_OK ? STORE_DOWN : flight->status, 0);
}

static void on_reply(struct redis_call *call, const struct redisReply *reply)
{
    struct put_flight *flight =
        container_of(redis_flight_of(call), struct put_flight, base);
    bool again;
    enum store_status status = redis_flight_status(&flight->base, reply, &again);

    flight->waiting--;
    if (again && flight->state == PUT_PIECES)
        flight->moved = true;
    else if (flight->status == STORE_OK)
        flight->status = status;
    switch (flight->state) {
    case PUT_PIECES: take_piece(flight); break;
    case PUT_COMMIT: take_answer(flight, reply, again); break;
    case PUT_REGISTER: take_registered(flight, again); break;
    }
}

static enum store_status check(const struct redis_servers *servers,
                               const struct store_put *put)
{
    struct redis_key key;

    if (servers->cluster == NULL && !redis_conn_is_writable(servers->conn) &&
        !redis_conn_is_renewing(servers->conn))
        return STORE_DOWN;
    if (!put->remove && put->blob->bytes.len > REDIS_DOCUMENT_MAX)
        return STORE_ERROR;
    if (servers->url.keys != NULL &&
        redis_template_key(servers->url.keys, put->key, &key) < 0)
        return STORE_BAD_NAME;
    /* it could not be read again: JSON is longer than the MessagePack that came */
    if (servers->url.keys != NULL && !put->remove &&
        put->blob->bytes.len > servers->max_value_bytes)
        return STORE_TOO_LARGE;
    return STORE_OK;
}

/* Prepares a flight's key: a template has one for the name, as check() has seen. */
static void init_flight(struct put_flight *flight, struct redis_servers *servers,
                        struct store_put *put)
{
    struct slice key = put->key.collection;

    if (servers->url.keys != NULL &&
        redis_template_key(servers->url.keys, put->key, &flight->value) == 0)
        key = redis_key_slice(&flight->value);
    redis_flight_init(&flight->base, servers, &put->request, key, on_reply);
}

void redis_put(struct redis_servers *servers, struct store_put *put)
{
    struct put_flight *flight;
    bool large = !put->remove && put->blob->bytes.len > REDIS_PIECE_BYTES;
    enum store_status status = check(servers, put);

    if (status != STORE_OK) {
        STORE_BACKEND_END(put, status);
        return;
    }
    flight = mem_zalloc(sizeof *flight);
    init_flight(flight, servers, put);
    flight->put = put;
    flight->blob = put->remove ? NULL : blob_ref(put->blob);
    servers->writes_waiting++;
    servers->writes_sent++;
    if (large)
        begin_upload(flight);
    else
        flight->state = PUT_COMMIT;
    if ((large ? send_more(flight) : send_commit(flight)) < 0) {
        flight->status = STORE_DOWN;
        if (flight->waiting == 0)
            end(flight, STORE_DOWN, 0);
    }
}
