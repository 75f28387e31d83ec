/*
 * A thread that closes what may take its time: nng_close() waits for nng's own
 * threads and has been seen to hang (nng 1543, 1813), and nothing on a loop may
 * wait. Closings run one after another; the thread starts with the first.
 */
#ifndef OFFLOOP_SERVER_RPC_REAPER_H
#define OFFLOOP_SERVER_RPC_REAPER_H

#include <stdbool.h>
#include <stdint.h>

struct reaper;

/* A reaper without work; the caller ends it with reaper_destroy(). */
struct reaper *reaper_create(void);

/* Has `close` called with the object on the reaper's thread, later; the object is the
   reaper's from now on. Any thread may call. */
void reaper_add(struct reaper *reaper, void (*close)(void *object), void *object);

/* For how long the closing under way has been, 0 for none: one that takes seconds hangs,
   and all behind it do. Any thread may call. */
uint64_t reaper_busy_ns(struct reaper *reaper);

/* Waits until all closings are done, but at most wait_ms. Returns true and frees the
   reaper where they are; else the thread and what it holds are left to the end of the
   process, and *reaper is NULL just so. */
bool reaper_destroy(struct reaper **reaper, unsigned wait_ms)
    __attribute__((warn_unused_result));

#endif
