/*
 * What is different about GET of a collection whose store is an application's (store.h):
 * it is a scan, in no order, of values that need not be JSON. Pure, but for the answers;
 * the loop thread only.
 */
#ifndef OFFLOOP_SERVER_API_LISTING_SCAN_H
#define OFFLOOP_SERVER_API_LISTING_SCAN_H

#include "server/api/exchange.h"

/* Room for a text of scan_explain(), with its NUL. */
#define SCAN_DETAIL_MAX 512

/* Answers a request for what a scan cannot give; then it returns false. `counts` says
   that the reply needs the number of documents before the first of them. */
bool scan_may_begin(struct exchange *e, bool counts);

/* Answers with a store's status other than OK. */
void scan_fail_store(struct exchange *e, enum store_status status);

/* True if a job on a run failed because a document is no JSON. Then a text for people is
   written to detail_r. `ids` are those of the documents, a '\n' behind each; the
   documents are divided by '\n', which stands nowhere else in them. */
bool scan_explain(const struct job *job, struct slice documents, struct slice ids,
                  char detail_r[SCAN_DETAIL_MAX]);

#endif
