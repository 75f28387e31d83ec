/*
 * Small whole files, and memory files that are handed to children.
 * Every process and thread may call; blocking, so not on a loop.
 */
#ifndef OFFLOOP_COMMON_BASE_FILE_H
#define OFFLOOP_COMMON_BASE_FILE_H

#include "common/base/buf.h"

/* Appends a file's bytes to out. -1 with errno; EFBIG where it has more than max_bytes.
 */
int file_read(const char *path, size_t max_bytes, struct buf *out)
    __attribute__((warn_unused_result));

/* Appends what a descriptor of a regular or memory file holds, from its start; its
   position does not move, so that several processes may read it. As above. */
int file_read_fd(int fd, size_t max_bytes, struct buf *out)
    __attribute__((warn_unused_result));

/* A memory file (memfd, close-on-exec) with these bytes, sealed: nobody can change it any
   more. -1 with errno. The caller closes it. */
int file_create_sealed(const char *name, struct slice bytes)
    __attribute__((warn_unused_result));

#endif
