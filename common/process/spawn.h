/*
 * What a child process inherits from its master: the one description of their contract.
 * Both sides, in both daemons, include it.
 *
 * A master forks and executes its own binary (/proc/self/exe, or the new one in an
 * upgrade), because nng does not survive a fork. So a child has only the state that is
 * listed here.
 *
 * - Environment: OFFLOOP_CHILD="<version> <role> <index> <generation>", and the user's
 *   variables without OFFLOOP_* and the service manager's (NOTIFY_SOCKET, WATCHDOG_*,
 *   LISTEN_*).
 * - Descriptors: the fixed numbers below; more from SPAWN_FD_FIRST on, in an order that
 * the role defines. The standard ones are the master's.
 * - Configuration: a sealed memfd at SPAWN_FD_CONFIG in the form of --dump-config. So a
 *   child sees what its master has checked, even if the file has changed since.
 * - Control: SPAWN_FD_CONTROL, a SOCK_SEQPACKET pair with the master. Each message is one
 *   byte (enum spawn_message). End of file means that the master is gone: the child
 * drains and exits.
 * - Signals: TERM drains and exits with 0. INT, HUP, USR2 and PIPE start ignored. (Ctrl-C
 *   in a terminal sends INT to the whole process group, but the master decides the order
 *   of a drain.) All other signals have their defaults, and none is blocked.
 * - Exit status: 0 after a drain; EXIT_FATAL (1): the environment failed; EXIT_USAGE (2):
 *   the configuration is bad. Otherwise a signal.
 */
#ifndef OFFLOOP_COMMON_PROCESS_SPAWN_H
#define OFFLOOP_COMMON_PROCESS_SPAWN_H

#include <stdbool.h>
#include <stdint.h>

/* Increase this with every change here, of the messages between children of one master
   (writer and gate links), or of handover records. An upgrade needs two binaries of one
   version: a child of another version refuses to start, which undoes the upgrade. */
#define SPAWN_VERSION 4

/* Exit status for a bad flag or value. */
#define EXIT_USAGE 2

enum spawn_fd {
    SPAWN_FD_CONTROL = 3,
    SPAWN_FD_CONFIG = 4,
    SPAWN_FD_SHARED = 5, /* a memfd that all children of a master map (statistics) */
    SPAWN_FD_FIRST = 6   /* the role's own: see the enum below */
};

/* The server's listening sockets, by role:
   front:  WRITER, GATE (only to read their addresses), ADMIN (or /dev/null), CLIENT...
   writer: WRITER; gate: GATE. */
enum spawn_server_fd {
    SPAWN_FD_WRITER = SPAWN_FD_FIRST, /* abstract AF_UNIX SOCK_STREAM, listening */
    SPAWN_FD_GATE,                    /* abstract AF_UNIX SOCK_SEQPACKET, listening */
    SPAWN_FD_ADMIN,
    SPAWN_FD_CLIENT /* the first of as many as --listen names */
};

/* The worker daemon's descriptors. The broker has all of them, the gate the first. */
enum spawn_broker_fd {
    SPAWN_FD_BROKER_GATE =
        SPAWN_FD_FIRST,    /* abstract AF_UNIX SOCK_SEQPACKET, listening */
    SPAWN_FD_BROKER_STATS, /* a memfd of statistics */
    SPAWN_FD_BROKER_ADMIN, /* or /dev/null */
    SPAWN_FD_BROKER_LISTEN /* AF_UNIX SOCK_STREAM, listening */
};

/* The roles of processes: NAME, text (in OFFLOOP_CHILD, the log, the process list). */
#define SPAWN_ROLE_MAP(X)                                         \
    X(MASTER, "master") /* no OFFLOOP_CHILD in the environment */ \
    X(FRONT, "front")                                             \
    X(GATE, "gate")                                               \
    X(WRITER, "writer")                                           \
    X(WORKER, "worker")                                           \
    X(BROKER, "broker") /* of a worker daemon, for applications */

enum spawn_role {
#define X(name, text) SPAWN_##name,
    SPAWN_ROLE_MAP(X)
#undef X
        SPAWN_ROLES
};

/* A message on the control socket, from child to master. */
enum spawn_message {
    SPAWN_READY = 'R', /* the child can do its work now; sent once */
    SPAWN_DID = 'D', /* it has done its first work (a request, a job); sent once. A child
                        that dies after this is restarted without a pause */
    SPAWN_ALIVE = 'A', /* its loop turns. A child that has sent this once sends it every
                          SPAWN_ALIVE_EVERY_MS; otherwise it counts as hung */
    SPAWN_BUSY = 'B'   /* as SPAWN_ALIVE, but the next one may take up to SPAWN_BUSY_MS */
};

/* The time between two SPAWN_ALIVE. */
#define SPAWN_ALIVE_EVERY_MS 1000

/* How long a child that has sent SPAWN_BUSY may be silent. */
#define SPAWN_BUSY_MS 60000

/* The identity of this process. */
struct spawn_self {
    enum spawn_role role;
    unsigned index;      /* from 0; different for all living children of a role */
    uint64_t generation; /* of the master's configuration, from 1; part of addresses */
};

/* Reads this process's identity from the environment, removes it there, and sets a
   child's name in the process list. -1 with a log line where it is malformed or of
   another version. main() calls this first. */
int spawn_self_read(struct spawn_self *self_r) __attribute__((warn_unused_result));

/* True for a master's child, after spawn_self_read(). */
bool spawn_is_child(void);

/* A child sends the message to its master. It is no error where the master is gone. */
void spawn_tell(enum spawn_message message);

/* The role's name, "front". */
const char *spawn_role_name(enum spawn_role role);

#endif
