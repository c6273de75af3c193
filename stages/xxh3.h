// XXH3 by the widest vectors that the processor has. libxxhash's plain functions are compiled for
// the oldest processor of an architecture; where the library was built with its own dispatch, its
// header is there and puts those in their place.
#ifndef VOLSTREAM_STAGES_XXH3_H_
#define VOLSTREAM_STAGES_XXH3_H_

#include <xxhash.h>

#if defined(__x86_64__) && __has_include(<xxh_x86dispatch.h>)
#include <xxh_x86dispatch.h>
#endif

#endif  // VOLSTREAM_STAGES_XXH3_H_
