/*
 * Work put off to a later turn of the loop, for rooms that do not know the loop:
 * what would hold it too long goes on when other events have had their turn.
 *
 * Only the loop's thread may call.
 */
#ifndef OFFLOOP_COMMON_LATER_H
#define OFFLOOP_COMMON_LATER_H

struct ev_loop;
struct later;

/* Makes something that calls run(ctx) when asked to. The caller ends it with
   later_destroy(). */
struct later *later_create(struct ev_loop *loop, void (*run)(void *ctx), void *ctx);

/* Stops and frees; also from within run. NULL inside is allowed. */
void later_destroy(struct later **later);

/* Asks for one call of run, in the loop's next turn (0) or in so many milliseconds. Where
   one is asked for already, the sooner one counts. */
void later_ask(struct later *later, unsigned delay_ms);

#endif
