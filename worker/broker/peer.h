/*
 * Who is at the other end of a Unix socket: as the kernel says it, for the log.
 */
#ifndef OFFLOOP_WORKER_BROKER_PEER_H
#define OFFLOOP_WORKER_BROKER_PEER_H

#include <sys/types.h>

#define PEER_COMMAND_BYTES 16

struct peer {
    pid_t pid; /* 0 where the kernel does not tell, or it is in no namespace of ours */
    uid_t uid;
    char
        command[PEER_COMMAND_BYTES]; /* the process's name; "?" where it cannot be read */
};

/* Reads who connected the socket. */
void peer_read(int fd, struct peer *peer_r);

#endif
