/*
 * Which documents processes of this daemon have crashed on. The board lies in
 * memory that the master and its workers share: a worker that is about to die
 * by a fault of its own notes the document it was at, the master, which alone
 * sees how the process really ended, makes a record of it, and every worker
 * tells the records to the servers in its hellos.
 *
 * A process that is killed from outside notes nothing, so that nobody can have
 * a document condemned by killing workers.
 */
#ifndef OFFLOOP_WORKER_CRASH_H
#define OFFLOOP_WORKER_CRASH_H

#include "proto/wire.h"

/* Worker processes with a place for a note; those beyond note nothing. */
#define CRASH_PLACES 1024

/* How long a record is told: as long as servers refuse a document for. */
#define CRASH_TOLD_NS UINT64_C(600000000000)

struct crash_board;

/* Master: makes the memory and returns its descriptor, or -1 with errno. */
int crash_create_fd(void) __attribute__((warn_unused_result));

/* Maps the memory, for the rest of the process; NULL with errno. */
struct crash_board *crash_open(int fd);

/* Worker, main thread, once: from now on faults are noted at that place before they end
   the process as they would have. */
void crash_watch(struct crash_board *board, unsigned index);

/* Worker, the thread that runs a job: the document that a fault from now on is blamed on,
   and the end of that. Cheap (but for the first time in a thread, which gets a stack for
   its faults); no-ops before crash_watch(). */
void crash_blame(struct slice document);
void crash_blame_nobody(void);

/* Master: the process at that place has ended with waitpid()'s status. What it noted
   becomes a record where it died by SEGV, BUS, ABRT, ILL, FPE or SYS. */
void crash_take_note(struct crash_board *board, unsigned index, int status,
                     uint64_t now_ns);

/* The latest records not older than CRASH_TOLD_NS; a document that crashed several
   processes stands there several times. Returns how many. */
unsigned crash_list(struct crash_board *board, uint64_t now_ns,
                    struct wire_crash crashes_r[WIRE_MAX_CRASHES]);

#endif
