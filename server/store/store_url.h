/*
 * What --store may say, without opening anything: for the option table, and for
 * everything that prints the value (a URL may hold a password). Pure; any
 * thread may call.
 */
#ifndef OFFLOOP_SERVER_STORE_STORE_URL_H
#define OFFLOOP_SERVER_STORE_STORE_URL_H

#include <stdbool.h>

#include "common/base/buf.h"

/* 0 for a URL that store_open() knows; -1 with what is expected (static text). */
int store_url_check(const char *url, const char **expected_r);

/* True where writes go through a writer process of ours (LMDB). */
bool store_url_needs_writer(const char *url);

/* Appends the URL with a password as "***", well formed or not. */
void store_url_print(const char *url, struct buf *out);

#endif
