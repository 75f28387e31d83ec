/*
 * Which running kernel this process is under. Two processes that read the same
 * can share memory, whatever their containers call themselves.
 */
#ifndef OFFLOOP_COMMON_ADDRESS_HOST_ID_H
#define OFFLOOP_COMMON_ADDRESS_HOST_ID_H

#include <stdint.h>

#define HOST_ID_BYTES 16

/* The kernel's boot id. Returns -1 and zeros where it tells nothing. Opens a file; any
   thread may call. */
int host_id_read(uint8_t id_r[HOST_ID_BYTES]);

#endif
