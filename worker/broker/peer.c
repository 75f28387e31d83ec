#include "worker/broker/peer.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static void read_command(struct peer *peer)
{
    char path[40];
    ssize_t got;
    int fd;

    strcpy(peer->command, "?");
    if (peer->pid <= 0)
        return;
    snprintf(path, sizeof path, "/proc/%ld/comm", (long)peer->pid);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return;
    got = read(fd, peer->command, sizeof peer->command - 1);
    close(fd);
    if (got > 0 && peer->command[got - 1] == '\n')
        got--;
    if (got > 0)
        peer->command[got] = '\0';
    else
        strcpy(peer->command, "?");
}

void peer_read(int fd, struct peer *peer_r)
{
    struct ucred who = {.pid = 0, .uid = (uid_t)-1};
    socklen_t len = sizeof who;

    (void)!getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &len);
    peer_r->pid = who.pid;
    peer_r->uid = who.uid;
    read_command(peer_r);
}
