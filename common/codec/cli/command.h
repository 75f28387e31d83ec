/*
 * offloop-codec, the codec on the command line: its options, its commands except `bench`
 * (bench.h) and `jq` (run_jq.h), and what all of them share. A command reads files or
 * stdin and prints errors on stderr. It returns the exit status: EXIT_SUCCESS, or
 * EXIT_FAILURE where the input is bad or a file cannot be read or written. One process,
 * one thread.
 */
#ifndef OFFLOOP_COMMON_CODEC_CLI_COMMAND_H
#define OFFLOOP_COMMON_CODEC_CLI_COMMAND_H

#include "common/codec/codec.h"

/* Exit status for a bad command line. */
#define COMMAND_EXIT_USAGE 2

/* The repetitions of `bench` when none are asked for: enough for a steady figure. */
#define COMMAND_REPEAT_AUTO (-1)

/* The most --arg of one command line. */
#define COMMAND_MAX_ARGUMENTS 32

/* An --arg NAME VALUE. */
struct command_argument {
    const char *name, *value;
};

/* The command line; its strings are argv's. */
struct command_options {
    const char *codec;     /* an engine's name, or NULL where none was given */
    const char *direction; /* bench: "decode" or "encode" alone, or NULL */
    bool pretty;
    bool json;
    bool msgpack;        /* jq: the input is MessagePack */
    const char *program; /* bench: a jq program that is run before encoding, or NULL */
    struct command_argument arguments[COMMAND_MAX_ARGUMENTS];
    int argument_count;
    long repeat;
    char **files; /* "-" is stdin */
    int file_count;
};

/* json2msgpack and msgpack2json: at most one file (none: stdin), the result to stdout. */
int command_transcode(const struct command_options *options, enum codec_op op);

/* check: are the files valid? Those named *.msgpack or *.mp are MessagePack, all others
   JSON. Prints nothing about valid ones. */
int command_check(const struct command_options *options);

/* The name of a file in messages: stdin is "<stdin>". */
const char *command_file_name(const char *path);

/* Appends all of a file, or of stdin for "-". Returns -1 with a message on stderr. */
int command_read(const char *path, struct buf *content)
    __attribute__((warn_unused_result));

/* Writes all to stdout. Returns -1 with a message on stderr. */
int command_write(const struct buf *content) __attribute__((warn_unused_result));

/* A codec call on `in` without limits. */
struct codec_call command_call(enum codec_op op, const struct buf *in);

/* Prints on stderr what is wrong with a file's content. */
void command_report(const char *path, const struct codec_fault *fault);

#endif
