/*
 * The text of ?fields= as a client sends it, made into the text that the codec reads
 * (common/codec/operations/fields.h): paths divided by commas, each in one of two forms
 * that may be mixed.
 *
 *   names divided by dots   a,b.c,items.0.d
 *   JSON Pointers           /a,/b/c,/metadata/annotations/a.b~1c   (RFC 6901)
 *
 * Libraries differ in what they percent-encode, and may decode %2E (RFC 3986 section
 * 2.3). So a comma and, where it begins or divides a pointer, a slash mean the same
 * whether they are encoded or not. What stands in a name itself is encoded twice: %252C
 * is a comma, %252E a dot. %2E is a dot in a name, too, where it arrives.
 *
 * Pure: bytes in, bytes out.
 */
#ifndef OFFLOOP_SERVER_API_FIELDS_TEXT_H
#define OFFLOOP_SERVER_API_FIELDS_TEXT_H

#include "common/base/buf.h"

/* Longest text, in either form: longer ones do not fit a job's envelope
   (proto/call_options.h). */
#define FIELDS_TEXT_MAX 8128

/* Appends the codec's text of `sent`, which is at most FIELDS_TEXT_MAX bytes long.
   Returns NULL, or a static text that says what is wrong with a pointer; what is wrong
   with names is the codec's affair. */
const char *fields_text_read(struct slice sent, struct buf *text);

#endif
