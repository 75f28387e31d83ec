#include "server/store/writer/writer_protocol.h"

#include <assert.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "server/store/little_endian.h"

void writer_put_head(uint8_t at[WRITER_HEAD_BYTES], const struct writer_head *head)
{
    bool reply = head->type == WRITER_REPLY;

    assert(head->type == WRITER_WRITE || head->payload_len == 0);
    memset(at, 0, WRITER_HEAD_BYTES);
    at[0] = (uint8_t)head->type;
    at[1] = reply ? head->status : head->format;
    at[2] = head->condition;
    at[3] = head->remove;
    le_put(at + 4, 2, head->collection_len);
    le_put(at + 6, 2, head->id_len);
    le_put(at + 8, 8, head->number);
    le_put(at + 16, 8, head->version);
    le_put(at + 24, 8, reply ? head->commits : head->payload_len);
    le_put(at + 32, 8, head->type == WRITER_HELLO ? head->last_version : head->writes);
}

static int check_write(const struct writer_head *head)
{
    if (head->condition > STORE_IF_VERSION || head->writes != 0)
        return -1;
    if (head->collection_len < 1 || head->collection_len > STORE_NAME_MAX)
        return -1;
    if (head->id_len < 1 || head->id_len > STORE_NAME_MAX)
        return -1;
    if (head->remove)
        return head->format == 0 && head->payload_len == 0 ? 0 : -1;
    if (head->format != STORE_MSGPACK && head->format != STORE_JSON)
        return -1;
    return head->payload_len <= STORE_DOCUMENT_MAX ? 0 : -1;
}

/* In the other types, the fields that only a WRITE has are zero. */
static int check_other(const struct writer_head *head, const uint8_t *at)
{
    static const uint8_t zeros[6];

    if (memcmp(at + 2, zeros, sizeof zeros) != 0)
        return -1;
    switch (head->type) {
    case WRITER_HELLO:
        return head->number == WRITER_MAGIC && head->version == WRITER_VERSION &&
                       head->format == 0 && head->payload_len == 0
                   ? 0
                   : -1;
    case WRITER_REPLY: return head->status <= STORE_ERROR ? 0 : -1;
    case WRITER_BYE:
        return head->number == 0 && head->version == 0 && head->format == 0 &&
                       head->payload_len == 0 && head->writes == 0
                   ? 0
                   : -1;
    case WRITER_WRITE: break;
    }
    return -1;
}

int writer_read_head(const uint8_t at[WRITER_HEAD_BYTES], struct writer_head *head_r)
{
    bool reply = at[0] == WRITER_REPLY;

    if (at[0] < WRITER_HELLO || at[0] > WRITER_BYE || at[3] > 1)
        return -1;
    *head_r = (struct writer_head){
        .type = (enum writer_type)at[0],
        .format = reply ? 0 : at[1],
        .status = reply ? at[1] : 0,
        .condition = at[2],
        .remove = at[3] == 1,
        .collection_len = (uint16_t)le_get(at + 4, 2),
        .id_len = (uint16_t)le_get(at + 6, 2),
        .number = le_get(at + 8, 8),
        .version = le_get(at + 16, 8),
        .payload_len = reply ? 0 : le_get(at + 24, 8),
        .commits = reply ? le_get(at + 24, 8) : 0,
        .writes = at[0] == WRITER_HELLO ? 0 : le_get(at + 32, 8),
        .last_version = at[0] == WRITER_HELLO ? le_get(at + 32, 8) : 0,
    };
    return head_r->type == WRITER_WRITE ? check_write(head_r) : check_other(head_r, at);
}

bool writer_peer_is_ours(int fd)
{
    struct ucred peer;
    socklen_t len = sizeof peer;

    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) < 0)
        return false;
    return peer.uid == 0 || peer.uid == geteuid();
}
