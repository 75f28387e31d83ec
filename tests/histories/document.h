/*
 * The documents of a history: their text, and reading it back.
 *
 *     {"k":"h0/k007","n":2,"p":31,"w":17,"z":"rrrr…"}
 *
 * k is the document's name. w and p are the numbers of the PUT and of the last patch that
 * made it (0 where none did); no two operations have the same number. n counts the
 * programs `.n += 1 | .p = 31`. z is filler whose letter and length follow from w. So a
 * document tells which operations made it, and every byte of it can be checked.
 *
 * Pure. Numbers are below 2^53.
 */
#ifndef OFFLOOP_TESTS_HISTORIES_DOCUMENT_H
#define OFFLOOP_TESTS_HISTORIES_DOCUMENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The most bytes of one document's text. */
#define DOCUMENT_MAX (192 * 1024)

/* The most bytes of a name, "h12/k123" or a part of it, with its NUL. */
#define DOCUMENT_NAME_MAX 32

struct document {
    unsigned collection, id;
    uint64_t n, p, w;
};

/* Prints the document at `to`, which has room for DOCUMENT_MAX bytes. Returns its length;
   no NUL follows. */
size_t document_print(const struct document *document, char *to);

/* Reads the document that begins at *at, and moves *at behind it. False where the bytes
   before `end` are not exactly what document_print() or a patch of that makes. */
bool document_read(const char **at, const char *end, struct document *document_r);

/* Moves *at behind `text`; false where something else is there. */
bool document_skip(const char **at, const char *end, const char *text);

/* Reads digits that begin at *at; false where there are none. */
bool document_read_number(const char **at, const char *end, uint64_t *number_r);

#endif
