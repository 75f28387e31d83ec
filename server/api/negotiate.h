/*
 * Content negotiation and entity tags: what the header fields of a request ask
 * for. Pure: bytes in, a value out (RFC 9110 sections 8.3, 8.8.3, 12.5.1, 13.1).
 */
#ifndef OFFLOOP_SERVER_API_NEGOTIATE_H
#define OFFLOOP_SERVER_API_NEGOTIATE_H

#include <stdbool.h>
#include <stdint.h>

#include "common/codec/codec.h"

/* The representations of a document, and behind them those that only a collection has:
   NAME, media type, mark in entity tags. */
#define NEGOTIATE_TYPE_MAP(X)                    \
    X(JSON, "application/json", "json")          \
    X(MSGPACK, "application/msgpack", "msgpack") \
    X(NDJSON, "application/x-ndjson", "ndjson")

enum negotiate_type {
#define X(name, media, mark) NEGOTIATE_##name,
    NEGOTIATE_TYPE_MAP(X)
#undef X
        NEGOTIATE_TYPES
};

/* Of these, the ones that a document has. */
#define NEGOTIATE_DOCUMENT_TYPES NEGOTIATE_NDJSON

/* Longest text of negotiate_etag_print(), with its NUL. */
#define NEGOTIATE_ETAG_MAX 64

/* Longest media type that a reply is sent under, and room for a text that says why a
   Content-Type is refused; both with their NUL. */
#define NEGOTIATE_MEDIA_MAX   128
#define NEGOTIATE_REFUSAL_MAX 256

/* The representation, of the first `types` ones, that an Accept field (all its values
   joined; data NULL where there is none) prefers, JSON among equals. Returns -1 where it
   accepts none. */
int negotiate_accept(struct slice accept, enum negotiate_type types,
                     enum negotiate_type *type_r);

/* True where an Accept field allows the type, liked or not. */
bool negotiate_accepts(struct slice accept, enum negotiate_type type);

/* The other name of the type that Accept likes better than the one of NEGOTIATE_TYPE_MAP
   ("application/geo+json", "application/jsonl"), with a NUL; empty for none. */
void negotiate_accept_name(struct slice accept, enum negotiate_type type,
                           char media_r[NEGOTIATE_MEDIA_MAX]);

/* The representation that a Content-Type names. Returns -1 where there is none (a page of
   another site can have a browser send that without asking first), for another type, and
   for a charset other than UTF-8. */
int negotiate_content_type(struct slice content_type, enum negotiate_type *type_r);

/* True where a Content-Type names that media type, in UTF-8. */
bool negotiate_is_media(struct slice content_type, const char *media);

/* True where a Content-Type names NDJSON, by any of its names, in UTF-8. */
bool negotiate_is_ndjson(struct slice content_type);

/* Writes why a Content-Type is refused; `taken` lists what is taken instead. */
void negotiate_refusal_print(struct slice content_type, const char *taken,
                             char text_r[NEGOTIATE_REFUSAL_MAX]);

/* The coding that an Accept-Encoding field likes best of the offered ones, which are in
   order of preference among equals (RFC 9110 section 12.5.3); NONE where it allows none
   of them or likes identity better. */
enum codec_coding negotiate_coding(struct slice accept_encoding,
                                   const enum codec_coding *offered, unsigned count);

/* Reads the Content-Encoding of a request: 0 and whether it is gzip, or -1 for another
   coding or several. */
int negotiate_content_coding(struct slice content_encoding, bool *gzip_r);

/* Prints the entity tag of a document's version in one representation, with quotes:
   "17-json", "17-json-gzip", "17-msgpack". What a program made of it has the program's
   hash (0 for none) as 16 digits: "17-json-00000000000000ff-gzip". */
void negotiate_etag_print(uint64_t version, enum negotiate_type type, uint64_t program,
                          enum codec_coding coding, char etag_r[NEGOTIATE_ETAG_MAX]);

/* True where an If-None-Match field holds "*" or, compared weakly, that tag. */
bool negotiate_none_match(struct slice field, const char *etag);

/* What an If-Match or If-None-Match field holds. */
enum negotiate_tags {
    NEGOTIATE_TAGS_NONE,    /* no such field */
    NEGOTIATE_TAGS_ANY,     /* "*" */
    NEGOTIATE_TAGS_VERSION, /* one tag: strong, of ours */
    NEGOTIATE_TAGS_LIST,    /* other tags, one or more */
    NEGOTIATE_TAGS_BAD      /* malformed */
};

/* Reads such a field; the version where it is VERSION. Of ours, any representation's tag
   means its version. */
enum negotiate_tags negotiate_tags_read(struct slice field, uint64_t *version_r);

/* True where a field is "*" or lists a tag of ours with that version; weak tags count
   only where they are compared weakly (If-None-Match, RFC 9110 section 8.8.3.2). */
bool negotiate_tags_name(struct slice field, uint64_t version, bool weakly);

/* What keeps the tags of an If-Match field from ever matching. */
enum negotiate_tag_fault {
    NEGOTIATE_TAG_SOUND,  /* nothing */
    NEGOTIATE_TAG_WEAK,   /* one of ours was made weak: W/"5-json" */
    NEGOTIATE_TAG_MARKED, /* one of ours was given another end: "5-json-br" */
};

/* Looks for what proxies that compress do to our tags. */
enum negotiate_tag_fault negotiate_tags_fault(struct slice field);

/* The media type of a representation. */
const char *negotiate_media_type(enum negotiate_type type);

#endif
