#include "server/store/redis/link/redis_reader.h"

#include <assert.h>
#include <ev.h>
#include <hiredis/adapters/libev.h>
#include <hiredis/async.h>
#include <string.h>
#include <sys/socket.h>

#include "common/base/log.h"

/* The memory of an element besides its bytes. */
#define ELEMENT_BYTES 96

/* Counts a part of a reply; false if the reply has become too large. */
static bool count(const redisReadTask *task, size_t bytes)
{
    struct redis_reader *reader = task->privdata;

    if (task->parent == NULL)
        reader->bytes = 0;
    reader->bytes += bytes + ELEMENT_BYTES;
    return reader->bytes <= REDIS_READER_BYTES;
}

static struct redis_reader *of(const redisReadTask *task)
{
    return task->privdata;
}

/* If one of these returns NULL, hiredis ends the connection. */

static void *create_string(const redisReadTask *task, char *text, size_t len)
{
    return count(task, len) ? of(task)->defaults->createString(task, text, len) : NULL;
}

#if HIREDIS_MAJOR >= 1
typedef size_t element_count;
#else
typedef int element_count;
#endif

static void *create_array(const redisReadTask *task, element_count elements)
{
    if (elements > REDIS_READER_ELEMENTS ||
        !count(task, elements > 0 ? (size_t)elements * sizeof(void *) : 0))
        return NULL;
    return of(task)->defaults->createArray(task, elements);
}

static void *create_integer(const redisReadTask *task, long long value)
{
    return count(task, 0) ? of(task)->defaults->createInteger(task, value) : NULL;
}

static void *create_nil(const redisReadTask *task)
{
    return count(task, 0) ? of(task)->defaults->createNil(task) : NULL;
}

#if HIREDIS_MAJOR >= 1
/* Types of RESP3, which we never use. */
static void *refuse_double(const redisReadTask *task, double value, char *text,
                           size_t len)
{
    (void)task, (void)value, (void)text, (void)len;
    return NULL;
}

static void *refuse_bool(const redisReadTask *task, int value)
{
    (void)task, (void)value;
    return NULL;
}
#endif

/* The reply that must not be freed. One variable is enough, because there is one loop,
   and hiredis frees a reply right after its call. hiredis passes no context when it
   frees. */
static const void *kept;

void redis_reader_keep(const struct redisReply *reply)
{
    assert(kept == NULL && reply != NULL);
    kept = reply;
}

static void free_object(void *reply)
{
    if (reply == kept)
        kept = NULL;
    else
        freeReplyObject(reply);
}

void redis_reader_bound(struct redis_reader *reader, redisAsyncContext *ac)
{
    reader->bytes = reader->unread = reader->arrived = 0;
    reader->defaults = ac->c.reader->fn;
    reader->functions = (redisReplyObjectFunctions){.createString = create_string,
                                                    .createArray = create_array,
                                                    .createInteger = create_integer,
                                                    .createNil = create_nil,
                                                    .freeObject = free_object};
#if HIREDIS_MAJOR >= 1
    reader->functions.createDouble = refuse_double;
    reader->functions.createBool = refuse_bool;
#endif
    ac->c.reader->fn = &reader->functions;
    ac->c.reader->privdata = reader;
}

/* An unfinished reply begins with a line (a status, a number, a length). hiredis searches
   it for its end from the beginning whenever bytes arrive. */
static bool has_endless_line(const redisReader *reader)
{
    return reader->len - reader->pos > REDIS_READER_LINE_BYTES &&
           memmem(reader->buf + reader->pos, REDIS_READER_LINE_BYTES, "\r\n", 2) == NULL;
}

/* Counts what has arrived, by how much the buffer has grown. That is a little too few:
   hiredis takes finished parts of a reply out of it meanwhile. */
static void count_arrived(struct redis_reader *reader, size_t unread)
{
    if (unread > reader->unread)
        reader->arrived += unread - reader->unread;
    reader->unread = unread;
    if (reader->arrived < REDIS_READER_PROGRESS_BYTES)
        return;
    reader->arrived = 0;
    reader->on_progress(reader->ctx);
}

int redis_reader_take_bytes(const redisAsyncContext *ac)
{
    const redisReader *reader = ac->c.reader;

    count_arrived(reader->privdata, reader->len);
    return reader->len > REDIS_READER_BYTES || has_endless_line(reader) ? -1 : 0;
}

/* hiredis calls this after each read. A socket that is shut down ends the connection at
   the next read. */
static void add_read(void *data)
{
    const redisLibevEvents *events = data;

    if (redis_reader_take_bytes(events->context) < 0)
        shutdown(events->context->c.fd, SHUT_RDWR);
    redisLibevAddRead(data);
}

void redis_reader_attach(struct ev_loop *loop, redisAsyncContext *ac)
{
    if (redisLibevAttach(loop, ac) != REDIS_OK)
        log_panic("store: a fresh connection is attached already");
    ac->ev.addRead = add_read;
}
