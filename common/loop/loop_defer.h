/*
 * Work put off to a later turn of the loop, for rooms that do not know the loop:
 * what would hold it too long goes on when other events have had their turn.
 *
 * Only the loop's thread may call.
 */
#ifndef OFFLOOP_COMMON_LOOP_LOOP_DEFER_H
#define OFFLOOP_COMMON_LOOP_LOOP_DEFER_H

struct ev_loop;
struct loop_defer;

/* Makes something that calls run(ctx) when asked to. The caller ends it with
   loop_defer_destroy(). */
struct loop_defer *loop_defer_create(struct ev_loop *loop, void (*run)(void *ctx),
                                     void *ctx);

/* Stops and frees; also from within run. NULL inside is allowed. */
void loop_defer_destroy(struct loop_defer **later);

/* Asks for one call of run, in the loop's next turn (0) or in so many milliseconds. Where
   one is asked for already, the sooner one counts. */
void loop_defer_ask(struct loop_defer *later, unsigned delay_ms);

#endif
