/*
 * Work that is put off to a later turn of the loop, for code that does not know the loop.
 * Work that would block the loop for too long goes on after other events had their turn.
 *
 * Only the loop's thread may call.
 */
#ifndef OFFLOOP_COMMON_LOOP_LOOP_DEFER_H
#define OFFLOOP_COMMON_LOOP_LOOP_DEFER_H

struct ev_loop;
struct loop_defer;

/* Makes an object that calls run(ctx) on request. The caller ends it with
   loop_defer_destroy(). */
struct loop_defer *loop_defer_create(struct ev_loop *loop, void (*run)(void *ctx),
                                     void *ctx);

/* Stops and frees the object, also from within run. The pointer inside may be NULL. */
void loop_defer_destroy(struct loop_defer **later);

/* Requests one call of run, in the loop's next turn (0) or after so many milliseconds. Of
   two requests the sooner one counts. */
void loop_defer_ask(struct loop_defer *later, unsigned delay_ms);

#endif
