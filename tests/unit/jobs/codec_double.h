/*
 * A codec that does nothing clever, linked instead of the real one into tests
 * of the jobs room: ENCODE and the rest give their input back in capitals,
 * unless the input starts with '!' (refused: SYNTAX at offset 1) or is larger
 * than max_output (TOO_LARGE). An input that starts with '?' holds its thread
 * until codec_double_open_gate(); one that starts with '~' works until its budget is
 * spent, where it has one (STOPPED); one that starts with '=' looks at its budget once,
 * and is stopped where that is spent. It defines all of codec.h that a front uses.
 */
#ifndef OFFLOOP_TESTS_UNIT_JOBS_CODEC_DOUBLE_H
#define OFFLOOP_TESTS_UNIT_JOBS_CODEC_DOUBLE_H

#include <ctype.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "common/codec/codec.h"

struct codec {
    int unused;
};

static atomic_uint codec_double_runs;    /* calls of codec_run */
static atomic_uint codec_double_created; /* codecs alive */

static struct {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool open;
    unsigned inside; /* threads held */
} codec_double_gate = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, false, 0};

/* Lets those go that are held, and all that come. */
static inline void codec_double_open_gate(void)
{
    pthread_mutex_lock(&codec_double_gate.lock);
    codec_double_gate.open = true;
    pthread_cond_broadcast(&codec_double_gate.changed);
    pthread_mutex_unlock(&codec_double_gate.lock);
}

/* Holds who comes from now on. */
static inline void codec_double_close_gate(void)
{
    pthread_mutex_lock(&codec_double_gate.lock);
    codec_double_gate.open = false;
    pthread_mutex_unlock(&codec_double_gate.lock);
}

/* Waits until so many threads are held. */
static inline void codec_double_wait_inside(unsigned count)
{
    pthread_mutex_lock(&codec_double_gate.lock);
    while (codec_double_gate.inside < count)
        pthread_cond_wait(&codec_double_gate.changed, &codec_double_gate.lock);
    pthread_mutex_unlock(&codec_double_gate.lock);
}

static void pass_gate(void)
{
    pthread_mutex_lock(&codec_double_gate.lock);
    codec_double_gate.inside++;
    pthread_cond_broadcast(&codec_double_gate.changed);
    while (!codec_double_gate.open)
        pthread_cond_wait(&codec_double_gate.changed, &codec_double_gate.lock);
    codec_double_gate.inside--;
    pthread_mutex_unlock(&codec_double_gate.lock);
}

struct codec *codec_create(const char *engine)
{
    if (strcmp(engine, "yajl") != 0)
        return NULL;
    codec_double_created++;
    return calloc(1, sizeof(struct codec));
}

void codec_destroy(struct codec **codec)
{
    if (*codec != NULL)
        codec_double_created--;
    free(*codec);
    *codec = NULL;
}

static enum codec_status refuse(struct codec_fault *fault_r, enum codec_status status,
                                uint64_t offset)
{
    *fault_r = (struct codec_fault){status, offset};
    return status;
}

enum codec_status codec_run(struct codec *codec, const struct codec_call *call,
                            struct buf *out, struct codec_fault *fault_r)
{
    (void)codec;
    codec_double_runs++;
    if (call->in.len > 0 && call->in.data[0] == '?')
        pass_gate();
    if (call->in.len > 0 && call->in.data[0] == '!')
        return refuse(fault_r, CODEC_SYNTAX, 1);
    if (call->in.len > 0 && call->in.data[0] == '~' && call->budget != NULL) {
        while (!call->budget->is_spent(call->budget, 0))
            ;
        return refuse(fault_r, CODEC_STOPPED, CODEC_NO_OFFSET);
    }
    if (call->in.len > 0 && call->in.data[0] == '=' && call->budget != NULL &&
        call->budget->is_spent(call->budget, 0))
        return refuse(fault_r, CODEC_STOPPED, CODEC_NO_OFFSET);
    if (call->in.len > call->max_output)
        return refuse(fault_r, CODEC_TOO_LARGE, 0);
    for (size_t i = 0; i < call->in.len; i++)
        buf_append(out, &(uint8_t){(uint8_t)toupper(call->in.data[i])}, 1);
    return refuse(fault_r, CODEC_OK, 0);
}

void codec_trim(struct codec *codec, size_t keep_bytes)
{
    (void)codec;
    (void)keep_bytes;
}

#endif
