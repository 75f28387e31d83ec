/*
 * Memory that processes share: a memory file without a name, which the kernel
 * frees with the last process that has it, whatever those died of. Its size is
 * sealed: who could shrink it could have the others killed by SIGBUS. Any
 * thread may call.
 */
#ifndef OFFLOOP_COMMON_BASE_SHARED_FILE_H
#define OFFLOOP_COMMON_BASE_SHARED_FILE_H

#include <stdint.h>

/* Makes such a file of so many bytes (of whole pages), maps it for reading and writing at
   *data_r, and then seals it: against shrinking, growing and further seals, and by
   `seals` of F_ADD_SEALS besides. `name` is for /proc alone. Returns its descriptor, or
   -1 with errno. The caller unmaps and closes. */
int shared_file_create(const char *name, uint64_t bytes, int seals, uint8_t **data_r);

/* `bytes`, rounded up to whole pages. */
uint64_t shared_file_round(uint64_t bytes);

#endif
