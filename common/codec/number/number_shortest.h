/*
 * Double to the shortest decimal (Raffaello Giulietti, "The Schubfach way to render
 * doubles"): three 64x128-bit products, no loop. Pure; every thread may call.
 */
#ifndef OFFLOOP_COMMON_CODEC_NUMBER_NUMBER_SHORTEST_H
#define OFFLOOP_COMMON_CODEC_NUMBER_NUMBER_SHORTEST_H

#include <stdint.h>

/* digits * 10^exp10, digits not ending in a zero and below 10^17. */
struct number_shortest {
    uint64_t digits;
    int exp10;
};

/* Of the shortest decimals that read back as this double, the nearest to it. The value
   is finite and not zero; its sign is ignored. */
struct number_shortest number_shortest(double value);

#endif
