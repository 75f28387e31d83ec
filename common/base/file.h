/*
 * Reads small files as a whole, and makes memory files for children. Every process and
 * thread may call, but not on a loop: the functions block.
 */
#ifndef OFFLOOP_COMMON_BASE_FILE_H
#define OFFLOOP_COMMON_BASE_FILE_H

#include "common/base/buf.h"

/* Appends a file's bytes to out. -1 with errno: EFBIG where it has more than max_bytes.
 */
int file_read(const char *path, size_t max_bytes, struct buf *out)
    __attribute__((warn_unused_result));

/* As file_read(), from the start of an open regular file or memory file. The descriptor's
   position does not move, so that several processes may share it. */
int file_read_fd(int fd, size_t max_bytes, struct buf *out)
    __attribute__((warn_unused_result));

/* Makes a memory file (memfd, close-on-exec) with these bytes and seals it: no process
   can change it any more. -1 with errno. The caller closes it. */
int file_create_sealed(const char *name, struct slice bytes)
    __attribute__((warn_unused_result));

#endif
