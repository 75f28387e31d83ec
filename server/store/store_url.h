/*
 * The URL of a store (the value of --store): which kind of store it names, and
 * how to print it without its password. Nothing is opened. Pure; any thread
 * may call.
 */
#ifndef OFFLOOP_SERVER_STORE_STORE_URL_H
#define OFFLOOP_SERVER_STORE_STORE_URL_H

#include <stdbool.h>

#include "common/base/buf.h"

/* Returns 0 for a URL that store_open() accepts. Returns -1 otherwise, and *expected_r
   (static text) names the accepted forms. */
int store_url_check(const char *url, const char **expected_r);

/* The directory in a URL "lmdb:DIR"; NULL for any other URL. Points into the URL. */
const char *store_url_lmdb_dir(const char *url);

/* True for a store whose writes need our writer process (LMDB). */
bool store_url_needs_writer(const char *url);

/* True for a store of an application's own values, which are JSON text: store.h. */
bool store_url_is_foreign(const char *url);

/* Appends the URL, with "***" for a password. The URL may be malformed. */
void store_url_print(const char *url, struct buf *out);

#endif
