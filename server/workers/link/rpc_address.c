#include "server/workers/link/rpc_address.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/address/rpc_url.h"
#include "common/base/text.h"

#define IPC_SCHEME "ipc://"
#define TCP_SCHEME "tcp://"
#define TLS_SCHEME "tls+tcp://"

static_assert(RPC_URL_PATH_MAX + sizeof "-9999999-4194304-9999999999" <
                  sizeof(((struct sockaddr_un *)0)->sun_path),
              "a seat's path fits into a socket address");

const char *rpc_address_path(const char *url)
{
    return text_after(url, IPC_SCHEME);
}

bool rpc_address_is_tls(const char *url)
{
    return text_starts_with(url, TLS_SCHEME);
}

/* What is behind the scheme of a URL over TCP; NULL for others. */
static const char *host_and_port(const char *url)
{
    return text_after(url, rpc_address_is_tls(url) ? TLS_SCHEME : TCP_SCHEME);
}

int rpc_address_make_directory(const char *url)
{
    const char *path = rpc_address_path(url), *slash;
    char directory[RPC_ADDRESS_MAX_BYTES];

    if (path == NULL)
        return 0;
    slash = strrchr(path, '/');
    if (slash == NULL || slash == path)
        return 0;
    snprintf(directory, sizeof directory, "%.*s", (int)(slash - path), path);
    return mkdir(directory, 0750) != 0 && errno != EEXIST ? -1 : 0;
}

bool rpc_address_is_taken(const char *url)
{
    const char *path = rpc_address_path(url);
    FILE *file = path == NULL ? NULL : fopen("/proc/net/unix", "re");
    char line[256], there[sizeof line];
    unsigned flags;
    bool taken = false;

    if (file == NULL)
        return false;
    /* Num RefCount Protocol Flags Type St Inode Path; 0x10000 is for listening ones. */
    while (!taken && fgets(line, sizeof line, file) != NULL)
        taken = sscanf(line, "%*s %*s %*s %x %*s %*s %*s %255s", &flags, there) == 2 &&
                (flags & 0x10000) != 0 && strcmp(there, path) == 0;
    fclose(file);
    return taken;
}

void rpc_address_of_seat(const char *gate_url, uint64_t generation, pid_t front,
                         uint64_t seat, struct rpc_address *address_r)
{
    const char *colon = strrchr(gate_url, ':');
    int len;

    if (rpc_address_path(gate_url) != NULL)
        len = snprintf(address_r->url, sizeof address_r->url, "%s-%llu-%d-%llu", gate_url,
                       (unsigned long long)generation, (int)front,
                       (unsigned long long)seat);
    else
        len = snprintf(address_r->url, sizeof address_r->url, "%.*s:0",
                       (int)(colon - gate_url), gate_url);
    assert(len > 0 && (size_t)len < sizeof address_r->url);
}

void rpc_address_set_port(struct rpc_address *address, int port)
{
    char *colon = strrchr(address->url, ':');
    size_t room = sizeof address->url - (size_t)(colon + 1 - address->url);

    if (rpc_address_path(address->url) != NULL)
        return;
    assert(strcmp(colon, ":0") == 0 && room >= sizeof "65535");
    snprintf(colon + 1, room, "%d", port);
}

bool rpc_address_set_host(struct rpc_address *address, const char *host)
{
    static const char *const wildcards[] = {"0.0.0.0:", "[::]:"};
    const char *old = host_and_port(address->url);

    for (size_t i = 0; old != NULL && i < sizeof wildcards / sizeof *wildcards; i++)
        if (text_starts_with(old, wildcards[i])) {
            struct rpc_address set;
            int len =
                snprintf(set.url, sizeof set.url, "%.*s%s%s", (int)(old - address->url),
                         address->url, host, strrchr(old, ':'));

            assert(len > 0 && (size_t)len < sizeof set.url);
            *address = set;
            return true;
        }
    return false;
}

/* True where the process is gone, or is only waiting to be reaped. (Never asked of the
   socket itself: a connection that is dropped at once may cost a living seat its
   listener, nng 1518.) */
static int is_dead(pid_t pid)
{
    char path[64], state = 'R';
    FILE *file;

    if (kill(pid, 0) != 0)
        return errno == ESRCH;
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    file = fopen(path, "re");
    if (file == NULL)
        return 0;
    if (fscanf(file, "%*d (%*[^)]) %c", &state) != 1)
        state = 'R';
    fclose(file);
    return state == 'Z' || state == 'X';
}

/* The pid in the name of a seat's file, "<base>-<generation>-<pid>-<seat>"; 0 for other
   files. */
static pid_t seat_file_pid(const char *name, const char *base)
{
    unsigned long long generation, seat;
    int pid, end = 0;

    name = text_after(name, base);
    if (name == NULL || name[0] != '-')
        return 0;
    if (sscanf(name, "-%llu-%d-%llu%n", &generation, &pid, &seat, &end) != 3 ||
        name[end] != '\0' || pid <= 0)
        return 0;
    return (pid_t)pid;
}

unsigned rpc_address_sweep(const char *gate_url)
{
    const char *path = rpc_address_path(gate_url);
    const char *slash = path == NULL ? NULL : strrchr(path, '/');
    char directory[RPC_ADDRESS_MAX_BYTES], file[RPC_ADDRESS_MAX_BYTES + 256];
    struct dirent *entry;
    unsigned swept = 0;
    DIR *dir;

    if (slash == NULL)
        return 0;
    snprintf(directory, sizeof directory, "%.*s", (int)(slash + 1 - path), path);
    dir = opendir(directory);
    if (dir == NULL)
        return 0;
    while ((entry = readdir(dir)) != NULL) {
        pid_t pid = seat_file_pid(entry->d_name, slash + 1);

        if (pid == 0 || !is_dead(pid))
            continue;
        snprintf(file, sizeof file, "%s%s", directory, entry->d_name);
        if (unlink(file) == 0)
            swept++;
    }
    closedir(dir);
    return swept;
}
