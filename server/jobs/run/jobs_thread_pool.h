/*
 * Threads of a front that run codec calls, each with a codec of its own. They
 * touch nothing but the task they have: what a task's call points to belongs
 * to its maker and stays in place until the task is taken back.
 *
 * Threads start with the first task, with all signals blocked (those are the
 * loop thread's) and at a lower priority than the loop. Inside the jobs room;
 * the loop thread calls, but for what is marked.
 */
#ifndef OFFLOOP_SERVER_JOBS_RUN_JOBS_THREAD_POOL_H
#define OFFLOOP_SERVER_JOBS_RUN_JOBS_THREAD_POOL_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/codec/codec.h"
#include "common/base/list.h"

/* How much less than the loop the threads want the processor, as nice() counts. */
#define JOBS_THREAD_POOL_NICE 10

struct jobs_thread_pool;

/* One call of the codec, embedded in what its maker keeps. */
struct pool_task {
    struct list link; /* the pool's */
    struct codec_call call;
    uint64_t stop_ns;    /* clock_now_ns() terms: a program that runs then is ended, as
                            CODEC_STOPPED */
    atomic_bool dropped; /* set by the maker: need not be run any more */

    /* results, the maker's again once the task is taken back */
    bool ran; /* false where it was dropped before it could start */
    struct buf out;
    struct codec_fault fault;
    uint32_t codec_us;
};

/* A pool of that many threads, none of which runs yet, with the engine of that name
   (which must stay). `wake` is called by a pool's thread when a finished task lies ready
   where none did. The caller ends it with jobs_thread_pool_destroy(). */
struct jobs_thread_pool *jobs_thread_pool_create(const char *engine, unsigned threads,
                                                 void (*wake)(void *arg), void *arg);

/* Waits for what runs, drops what does not, and ends the threads. What was not taken back
   is still the maker's and untouched from now on. NULL inside is allowed. */
void jobs_thread_pool_destroy(struct jobs_thread_pool **pool);

/* Gives a task to the next thread that is free, in the order given. */
void jobs_thread_pool_put(struct jobs_thread_pool *pool, struct pool_task *task);

/* Takes back a finished task, NULL where there is none. */
struct pool_task *jobs_thread_pool_take(struct jobs_thread_pool *pool);

#endif
