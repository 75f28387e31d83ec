/*
 * Compiled programs, kept by their text: the 64 that were used last.
 *
 * A cache belongs to one thread or loop. What it gives is its own, and stays until the
 * next call of jq_cache_get(). Texts that are no programs are kept, too, with the reason,
 * so that asking for one again and again costs no more than asking for a good one.
 */
#ifndef OFFLOOP_COMMON_CODEC_JQ_JQ_CACHE_H
#define OFFLOOP_COMMON_CODEC_JQ_JQ_CACHE_H

#include "common/codec/jq/jq.h"

#define JQ_CACHE_PROGRAMS 64

struct jq_cache;

/* An empty cache; NULL where there is no memory. The caller ends it with
   jq_cache_destroy(). */
struct jq_cache *jq_cache_create(void);

/* Frees the cache and its programs; NULL inside is allowed. */
void jq_cache_destroy(struct jq_cache **cache);

/* The program of that text with arguments of those names; as jq_compile(). */
const struct jq_program *jq_cache_get(struct jq_cache *cache, struct slice text,
                                      const struct slice *names, size_t count,
                                      struct jq_refusal *refusal_r);

/* How many times jq_cache_get() had to compile. */
uint64_t jq_cache_compiled(const struct jq_cache *cache);

#endif
