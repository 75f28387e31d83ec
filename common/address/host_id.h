/*
 * The identity of the running kernel. Two processes that read the same one can share
 * memory, even if they run in different containers.
 */
#ifndef OFFLOOP_COMMON_ADDRESS_HOST_ID_H
#define OFFLOOP_COMMON_ADDRESS_HOST_ID_H

#include <stdint.h>

#define HOST_ID_BYTES 16

/* The kernel's boot id. Returns -1, and zeros, where the kernel has none. Opens a file.
   Any thread may call. */
int host_id_read(uint8_t id_r[HOST_ID_BYTES]);

#endif
