#include "server/store/lmdb/lmdb_sharing.h"

#include <assert.h>
#include <lmdb.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* As in /proc/PID/stat; the name is what the kernel keeps of it. */
struct process {
    char name[32];
    pid_t parent;
};

/* -1 where the process is gone, or none of our business. */
static int read_process(pid_t pid, struct process *process_r)
{
    char path[64], line[512];
    const char *end;
    FILE *file;
    bool whole;

    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    file = fopen(path, "re");
    if (file == NULL)
        return -1;
    whole = fgets(line, sizeof line, file) != NULL;
    fclose(file);
    end = whole ? strrchr(line, ')') : NULL; /* the name may have brackets in it */
    if (end == NULL || sscanf(line, "%*d (%31[^)]", process_r->name) != 1 ||
        sscanf(end, ") %*c %d", &process_r->parent) != 1)
        return -1;
    return 0;
}

/* The master of a reader, where that is another server's; else 0. */
static pid_t find_stranger(pid_t reader)
{
    struct process child, master;

    if (reader <= 0 || reader == getpid() || read_process(reader, &child) < 0 ||
        child.parent == getppid() || read_process(child.parent, &master) < 0)
        return 0;
    return strcmp(master.name, "offloop-server") == 0 ? child.parent : 0;
}

/* LMDB's table, line by line: a heading, then "pid thread txnid". */
static int on_reader(const char *line, void *ctx)
{
    pid_t *found = ctx;

    if (*found == 0)
        *found = find_stranger((pid_t)strtol(line, NULL, 10));
    return 0;
}

pid_t lmdb_sharing_find(const struct lmdb_db *db)
{
    pid_t found = 0;

    assert(db->env != NULL);
    (void)!mdb_reader_list(db->env, on_reader, &found);
    return found;
}
