/*
 * What fuzzers are made of. Each fuzz_NAME.c is one function over the public functions of a module:
 * it is given bytes, and aborts where something does not hold that must hold for any bytes. It is
 * linked with libFuzzer in the preset fuzz, and elsewhere with replay.c.
 */
#ifndef FUZZ_H
#define FUZZ_H

#include "../unit/scratch.h"

/* Called once, by who has main(). Makes the scratch directory, which goes away at exit. */
int LLVMFuzzerInitialize(int *argc, char ***argv);

/* One input. Returns 0. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The path of a name in the scratch directory, in one of two buffers that take turns. */
const char *fuzz_path(const char *name);

/* Makes the bytes a file there. Returns its path. */
const char *fuzz_put(const char *name, const void *bytes, size_t size);

/* The bytes as a text in memory of just that size, so that reading behind it is found; to be freed.
 * A NUL byte ends it before. */
char *fuzz_text(const void *bytes, size_t size);

#endif
