/*
 * Every state that each document of the simulated store has had, and when, and every
 * write that was asked for, so that whatever a client was told can be compared with it. A
 * write that must not take effect, or not again, is found here when it does.
 */
#ifndef OFFLOOP_TESTS_SIMULATION_FRONT_SIM_HISTORY_H
#define OFFLOOP_TESTS_SIMULATION_FRONT_SIM_HISTORY_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

#include "server/store/store.h"
#include "tests/simulation/clients/sim_document.h"
#include "tests/simulation/system/sim_world.h"

/* One more than the largest number of a write. */
#define SIM_WRITES 1024

/* A document's name, as an index; they are made as they are needed. */
unsigned sim_history_name(struct slice collection, struct slice id);
struct slice sim_history_collection_of(unsigned name);
struct slice sim_history_id_of(unsigned name);

/* What a document was from one moment on. */
struct sim_state {
    uint64_t since_ns;
    uint64_t version; /* 0 where there was no document */
    struct sim_document document;
    enum store_format format;
};

/* Begins and ends an execution. */
void sim_history_begin(void);
void sim_history_end(void);

/* ---- what is known of writes, by their numbers ---- */

/* A write is about to be asked for. Lines of one bulk load have the number of the first,
   which has SIM_FIRST_LINE, as `bulk`; others have 0. */
#define SIM_FIRST_LINE UINT_MAX
unsigned sim_history_plan(unsigned bulk);

/* Its client was told that it failed: it must not happen any more, or must not have
   happened. */
void sim_history_refuse(unsigned number);

/* True where it has taken effect; the document it was applied to. */
bool sim_history_applied(unsigned number, unsigned *name_r);

/* ---- what documents were ---- */

/* True where `holds` is true of a state that the document had at or after `from_ns`. */
bool sim_history_had(unsigned name, uint64_t from_ns,
                     bool (*holds)(const struct sim_state *state, uint64_t argument),
                     uint64_t argument);

/* The state of that version, and the one before it (all 0 where there was none); NULL
   where the document never had it. */
const struct sim_state *sim_history_version(unsigned name, uint64_t version,
                                            struct sim_state *before_r);

/* What the document is now: returns its version, 0 where there is none. */
uint64_t sim_history_now(unsigned name, struct slice *bytes_r,
                         enum store_format *format_r);

/* A write takes effect: the document becomes those bytes, or nothing. */
void sim_history_write(unsigned name, uint64_t version, struct slice bytes,
                       enum store_format format);
void sim_history_remove(unsigned name);

/* How many names there are. */
unsigned sim_history_names(void);

/* Some version that the document had, the last one mostly; 0 for none. */
uint64_t sim_history_some_version(unsigned name, struct sim_random *random);

#endif
