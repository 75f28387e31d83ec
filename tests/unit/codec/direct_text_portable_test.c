/* The same tests for the version without SSE2. */
#define OFFLOOP_NO_SSE2 1
#include "tests/unit/codec/direct_text_test.c"
