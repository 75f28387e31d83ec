/*
 * Files that are built into a program, unchanged.
 *
 * The assembler reads the file by its path from the top of the tree. The source file
 * needs the flag -Wa,-I<top of the tree> and a dependency on the file: offloop_embed() in
 * cmake/Embed.cmake adds both.
 */
#ifndef OFFLOOP_COMMON_BASE_EMBED_H
#define OFFLOOP_COMMON_BASE_EMBED_H

#include <stdint.h>

/* Declares name[] with the file's bytes, and name_end[] behind the last one, where a NUL
   is. */
#define EMBED(name, file)                                           \
    __asm__(".pushsection .rodata\n"                                \
            "offloop_embedded_" #name ": .incbin \"" file "\"\n"    \
            "offloop_embedded_" #name "_end: .byte 0\n"             \
            ".popsection\n");                                       \
    extern const uint8_t name[] __asm__("offloop_embedded_" #name); \
    extern const uint8_t name##_end[] __asm__("offloop_embedded_" #name "_end")

#endif
