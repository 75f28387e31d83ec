/*
 * What a child inherits from its master: the one description of the contract
 * between them. Both sides of both daemons include it and nothing else of each
 * other.
 *
 * A master fork+execs its own binary (/proc/self/exe; the new one during an
 * upgrade): nng is not fork-safe, and an exec'd child has no state but what stands
 * here.
 *
 * - Environment: OFFLOOP_CHILD="<version> <role> <index> <generation>" and, of
 *   the user's, all but the OFFLOOP_ variables and the service manager's
 *   (NOTIFY_SOCKET, WATCHDOG_, LISTEN_).
 * - Descriptors: the fixed numbers below; further ones from SPAWN_FD_FIRST on,
 *   in an order that the role defines. Standard ones are as the master's.
 * - Configuration: a sealed memfd at SPAWN_FD_CONFIG in the form that
 *   --dump-config prints, so that a child sees what its master validated and
 *   never a file that was edited meanwhile.
 * - Control: SPAWN_FD_CONTROL, a SOCK_SEQPACKET pair with the master. One byte
 *   a message (enum spawn_message). End of file means that the master is gone:
 *   the child drains and exits.
 * - Signals: TERM drains and exits 0. INT, HUP and USR2 are the master's alone
 *   and start ignored (a terminal's Ctrl-C reaches the whole process group, but
 *   the order of a drain is the master's); PIPE starts ignored; all others are
 *   at their defaults, and none is blocked.
 * - Exit: 0 drained; EXIT_FATAL (1) the environment failed; EXIT_USAGE (2) the
 *   configuration is bad; a signal otherwise.
 */
#ifndef OFFLOOP_COMMON_PROCESS_SPAWN_H
#define OFFLOOP_COMMON_PROCESS_SPAWN_H

#include <stdbool.h>
#include <stdint.h>

/* To be bumped with any change here, of what children of one master say to each other
   (writer and gate links) or of handover records: an upgrade goes between binaries of one
   version only. A child of another version refuses to start, which undoes the upgrade. */
#define SPAWN_VERSION 4

/* Exit status for a bad flag or value. */
#define EXIT_USAGE 2

enum spawn_fd {
    SPAWN_FD_CONTROL = 3,
    SPAWN_FD_CONFIG = 4,
    SPAWN_FD_SHARED = 5, /* a memfd that all children of a master map (statistics) */
    SPAWN_FD_FIRST = 6   /* the role's own: see enum below */
};

/* The server's listening sockets, by role:
   front:  WRITER, GATE (to ask their addresses of), ADMIN (or /dev/null), CLIENT...
   writer: WRITER; gate: GATE. */
enum spawn_server_fd {
    SPAWN_FD_WRITER = SPAWN_FD_FIRST, /* abstract AF_UNIX SOCK_STREAM, listening */
    SPAWN_FD_GATE,                    /* abstract AF_UNIX SOCK_SEQPACKET, listening */
    SPAWN_FD_ADMIN,
    SPAWN_FD_CLIENT /* the first of as many as --listen names */
};

/* What a process is: NAME, text (in OFFLOOP_CHILD, the log and the process list). */
#define SPAWN_ROLE_MAP(X)                                         \
    X(MASTER, "master") /* no OFFLOOP_CHILD in the environment */ \
    X(FRONT, "front")                                             \
    X(GATE, "gate")                                               \
    X(WRITER, "writer")                                           \
    X(WORKER, "worker")

enum spawn_role {
#define X(name, text) SPAWN_##name,
    SPAWN_ROLE_MAP(X)
#undef X
        SPAWN_ROLES
};

/* A note on the control socket, from child to master. */
enum spawn_message {
    SPAWN_READY = 'R', /* the child can do its work now; once */
    SPAWN_DID = 'D',   /* it has finished something (first request, first job); once: a
                          child that dies after this is restarted without a pause */
    SPAWN_ALIVE = 'A', /* its loop turns; a child that has told this once tells it every
                          SPAWN_ALIVE_EVERY_MS, and is taken for hung where it does not */
    SPAWN_BUSY = 'B'   /* as SPAWN_ALIVE, but the next one may take up to SPAWN_BUSY_MS */
};

/* How often SPAWN_ALIVE is told. */
#define SPAWN_ALIVE_EVERY_MS 1000

/* How long a child that has told SPAWN_BUSY may be silent. */
#define SPAWN_BUSY_MS 60000

/* Who this process is. */
struct spawn_self {
    enum spawn_role role;
    unsigned index;      /* from 0; no two living children of a role share one */
    uint64_t generation; /* of the master's configuration, from 1; named in addresses */
};

/* Reads who this process is from the environment (and clears it there), and names a
   child in the process list. Returns -1 with a line on stderr where it is malformed or of
   another version. Call first in main(). */
int spawn_self_read(struct spawn_self *self_r) __attribute__((warn_unused_result));

/* True once spawn_self_read() has found that this process is a master's child. */
bool spawn_is_child(void);

/* Child: tells the master. A master that is gone is not an error here. */
void spawn_tell(enum spawn_message message);

/* The role's name, "front". */
const char *spawn_role_name(enum spawn_role role);

#endif
