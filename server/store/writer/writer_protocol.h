/*
 * The messages between fronts and the writer on their unix stream socket. Both
 * run on one host from one build, so nothing is negotiated; but HELLO has a
 * version, because an old front may meet a new writer during an upgrade.
 *
 * Every message begins with a head of 40 bytes, little-endian:
 *
 *      0  type (enum writer_type)
 *      1  WRITE: format; REPLY: status (enum store_status)
 *      2  WRITE: condition (enum store_condition)
 *      3  WRITE: 1 to delete
 *      4  WRITE: length of the collection's name, 16 bits
 *      6  WRITE: length of the id, 16 bits
 *      8  HELLO: WRITER_MAGIC; WRITE, REPLY: the request's number
 *     16  HELLO: WRITER_VERSION; WRITE: if_version; REPLY: the new version
 *     24  WRITE: bytes of the document; REPLY: the writer's commits so far
 *     32  REPLY: the writer's answered writes so far; HELLO of the writer: the last
 *         version in the store
 *
 * After the head of a WRITE come the name, the id and the document. Fields that a
 * type does not use are zero.
 *
 * Each side sends HELLO first. The writer answers WRITEs in the order in which
 * they arrive. With BYE the writer asks the front to finish the message that it
 * is sending and to shut down its side; the writer then answers all WRITEs and
 * closes. A message that breaks these rules ends the connection.
 */
#ifndef OFFLOOP_SERVER_STORE_WRITER_WRITER_PROTOCOL_H
#define OFFLOOP_SERVER_STORE_WRITER_WRITER_PROTOCOL_H

#include "server/store/store.h"

#define WRITER_MAGIC      UINT64_C(0x7265746972776c6f) /* "olwriter" */
#define WRITER_VERSION    2
#define WRITER_HEAD_BYTES 40

enum writer_type { WRITER_HELLO = 1, WRITER_WRITE, WRITER_REPLY, WRITER_BYE };

/* A head taken apart. */
struct writer_head {
    enum writer_type type;
    uint8_t format; /* enum store_format of a WRITE that does not delete */
    uint8_t status; /* enum store_status of a REPLY */
    uint8_t condition;
    bool remove;
    uint16_t collection_len;
    uint16_t id_len;
    uint64_t number;
    uint64_t version;
    uint64_t payload_len;  /* of a WRITE; at most STORE_DOCUMENT_MAX */
    uint64_t commits;      /* of a REPLY */
    uint64_t writes;       /* of a REPLY */
    uint64_t last_version; /* of a HELLO; zero in a front's */
};

/* Writes a head. */
void writer_put_head(uint8_t at[WRITER_HEAD_BYTES], const struct writer_head *head);

/* Reads a head and checks every field; -1 if one breaks a rule. */
int writer_read_head(const uint8_t at[WRITER_HEAD_BYTES], struct writer_head *head_r)
    __attribute__((warn_unused_result));

/* True if the other end of a unix socket runs as root or as our user. */
bool writer_peer_is_ours(int fd);

#endif
