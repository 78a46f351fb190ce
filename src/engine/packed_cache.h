/* packed_cache.h - packed weights kept in a file beside the model, so that the next load reads instead of
 * packing. The file is the packed block as it is in memory; its last 64 bytes say what it was made from
 * and sum it up, so a file that is stale, cut or damaged is not used. */
#ifndef WOOLLY_ENGINE_PACKED_CACHE_H
#define WOOLLY_ENGINE_PACKED_CACHE_H

#include "engine/packed_model.h"

enum { PACKED_CACHE_TRAILER = 64 };

/* Fills packed->base [packed->bytes] from the file. False when there is none or it does not fit: then the
 * weights are to be packed. */
bool packed_cache_read(const struct packed_model *packed, const struct model *model,
                       const volatile int *cancel);
/* Writes the file, "MODEL.avx512vnni-16.packed". False and err when the folder does not let us. */
bool packed_cache_write(const struct packed_model *packed, const struct model *model, struct err *err);

#endif
