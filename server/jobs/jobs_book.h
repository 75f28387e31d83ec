/*
 * What the end of every job is booked in, wherever it ran: the front's
 * counters, and what is learned for others: the costs that auto and the queues
 * decide by, the documents that crash workers. One per front.
 * Inside the jobs room; loop thread only.
 */
#ifndef OFFLOOP_SERVER_JOBS_JOBS_BOOK_H
#define OFFLOOP_SERVER_JOBS_JOBS_BOOK_H

#include "server/jobs/jobs_cost.h"
#include "server/jobs/jobs_poison.h"

struct jobs_book {
    struct stats_front *stats;
    struct jobs_cost cost;
    struct jobs_poison poison;
};

#endif
