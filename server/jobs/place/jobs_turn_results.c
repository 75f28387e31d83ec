#include "server/jobs/place/jobs_turn_results.h"

#include <assert.h>

#include "server/jobs/place/jobs_share.h"

void jobs_turn_results_init(struct jobs_turn_results *turn)
{
    *turn = (struct jobs_turn_results){.any = false};
}

/* True where a job's input outlives it, and is all that its result depends on, which is
   all that the job gives. */
static bool can_be_kept(const struct job *job)
{
    return (job->share_key[0] | job->share_key[1]) != 0 && job->in_blob != NULL &&
           job->call.fields.len == 0 && job->call.argument.len == 0 &&
           job->call.digests == 0;
}

static unsigned slot_of(const struct job *job)
{
    return (unsigned)((job->share_key[0] ^ job->share_key[1]) % JOBS_TURN_RESULTS_SLOTS);
}

static void clear(struct jobs_turn_result *slot)
{
    blob_unref(&slot->in);
    blob_unref(&slot->result);
}

void jobs_turn_results_keep(struct jobs_turn_results *turn, const struct job *job)
{
    struct jobs_turn_result *slot = &turn->slots[slot_of(job)];

    assert(job->result != NULL);
    if (!can_be_kept(job))
        return;
    clear(slot);
    slot->key[0] = job->share_key[0];
    slot->key[1] = job->share_key[1];
    slot->call = job->call;
    slot->in = blob_ref(job->in_blob);
    slot->result = blob_ref(job->result);
    turn->any = true;
}

struct blob *jobs_turn_results_find(const struct jobs_turn_results *turn,
                                    const struct job *job)
{
    const struct jobs_turn_result *slot = &turn->slots[slot_of(job)];

    if (slot->result == NULL || !can_be_kept(job) || slot->key[0] != job->share_key[0] ||
        slot->key[1] != job->share_key[1] || !jobs_share_is_same(&slot->call, &job->call))
        return NULL;
    return blob_ref(slot->result);
}

void jobs_turn_results_end(struct jobs_turn_results *turn)
{
    for (unsigned i = 0; turn->any && i < JOBS_TURN_RESULTS_SLOTS; i++)
        clear(&turn->slots[i]);
    turn->any = false;
}
