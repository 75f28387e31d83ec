/*
 * Converts a double to the shortest decimal (Raffaello Giulietti, "The Schubfach way to
 * render doubles"): three 64x128-bit products, no loop. Pure; every thread may call.
 */
#ifndef OFFLOOP_COMMON_CODEC_NUMBER_NUMBER_SHORTEST_H
#define OFFLOOP_COMMON_CODEC_NUMBER_NUMBER_SHORTEST_H

#include <stdint.h>

/* digits * 10^exp10; digits does not end with a zero and is below 10^17. */
struct number_shortest {
    uint64_t digits;
    int exp10;
};

/* The shortest decimal that reads as this double; of several, the nearest. The value is
   finite and not zero; its sign is ignored. */
struct number_shortest number_shortest(double value);

#endif
