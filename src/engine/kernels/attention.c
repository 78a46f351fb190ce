/* attention.c - what does not depend on the instruction set: row sizes, names, merging of parts. */
#include "engine/kernels/attention.h"

#include "engine/kernels/attention_tables.h"

#include <math.h>
#include <string.h>
#include <strings.h>

static const char *const names[KV_TYPE_COUNT] = {"f32", "f16", "q8_0", "q4_0"};

size_t kv_row_bytes(enum kv_type type, int64_t n) {
    const size_t values = (size_t)n;
    switch (type) {
    case KV_F32:
        return values * 4;
    case KV_F16:
        return values * 2;
    case KV_Q8_0:
        return values + (values + KV_BLOCK - 1) / KV_BLOCK * 2;
    case KV_Q4_0:
        return n % KV_BLOCK == 0 ? values / 2 + values / KV_BLOCK * 2 : 0;
    default:
        return 0;
    }
}

const char *kv_type_name(enum kv_type type) {
    return names[type];
}

bool kv_type_from_name(const char *name, enum kv_type *type) {
    for (int i = 0; i < KV_TYPE_COUNT; i++) {
        if (strcasecmp(names[i], name) != 0) continue;
        *type = (enum kv_type)i;
        return true;
    }
    return false;
}

size_t attention_scratch_bytes(int64_t n_tokens, int64_t group, int64_t head_dim) {
    size_t block = (size_t)head_dim * KV_POSITIONS; /* keys, values, keys turned */
    size_t scores = (size_t)KV_QUERIES * KV_POSITIONS;
    size_t queries = (size_t)(n_tokens * group) * ((size_t)(2 * head_dim) + sizeof(float)); /* as integers */
    return (3 * block + scores) * sizeof(float) + queries;
}

void attention_merge(float *out, int64_t out_stride, const struct attention_part *parts, int n_parts,
                     int64_t n_tokens, int64_t group, int64_t head_dim) {
    for (int64_t i = 0; i < n_tokens * group; i++) {
        float *restrict to = out + i / group * out_stride + i % group * head_dim;
        float most = parts[0].max[i], sum = 0;
        for (int p = 1; p < n_parts; p++) most = fmaxf(most, parts[p].max[i]);
        for (int p = 0; p < n_parts; p++) {
            sum += parts[p].sum[i] == 0 ? 0 : parts[p].sum[i] * expf(parts[p].max[i] - most);
        }
        for (int p = 0; p < n_parts; p++) {
            if (parts[p].sum[i] == 0) continue;
            const float *restrict from = parts[p].acc + i * head_dim;
            const float share = expf(parts[p].max[i] - most) / sum;
            if (p == 0) {
                for (int64_t d = 0; d < head_dim; d++) to[d] = from[d] * share;
            } else {
                for (int64_t d = 0; d < head_dim; d++) to[d] += from[d] * share;
            }
        }
    }
}

const struct attention_kernels *attention_kernels_get(enum isa isa) {
    if (kernels_get(isa) == NULL) return &attention_kernels_scalar;
#if defined(__x86_64__)
    if (isa >= ISA_AVX512VNNI) return &attention_kernels_avx512vnni;
    if (isa >= ISA_AVX512) return &attention_kernels_avx512;
    if (isa >= ISA_AVX2) return &attention_kernels_avx2;
    if (isa >= ISA_SSE4) return &attention_kernels_sse4;
#elif defined(__aarch64__)
    if (isa >= ISA_NEON) return &attention_kernels_neon;
#endif
    return &attention_kernels_scalar;
}
