// VS_CHECK stops the process on a broken invariant: a bug in volstream, never a bad input.
#ifndef VOLSTREAM_ENGINE_CHECK_H_
#define VOLSTREAM_ENGINE_CHECK_H_

#include <cstdio>
#include <cstdlib>

#define VS_CHECK(condition)                                                                  \
  do {                                                                                       \
    if (!(condition)) {                                                                      \
      std::fprintf(stderr, "%s:%d: broken invariant: %s\n", __FILE__, __LINE__, #condition); \
      std::abort();                                                                          \
    }                                                                                        \
  } while (false)

#endif  // VOLSTREAM_ENGINE_CHECK_H_
