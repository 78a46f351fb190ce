/* test_dequantize.c - block decoding against the goldens, and every ISA against the scalar one. */
#include "support/check.h"

#include "base/alloc.h"
#include "base/path.h"
#include "engine/kernels/kernels.h"

#include <stdbool.h>

#define FOLDER "tests/fixtures/goldens/dequant/"
enum { GOLDEN_VALUES = 2048 };

/* Steps between two floats of the same sign; large when signs differ. */
static int64_t ulps(float a, float b) {
    int32_t x, y;
    memcpy(&x, &a, 4);
    memcpy(&y, &b, 4);
    if (x == y) return 0;
    if ((x ^ y) < 0) return a == b ? 0 : INT32_MAX;
    return x > y ? (int64_t)x - y : (int64_t)y - x;
}

static void test_golden(enum tensor_type type) {
    const char *name = tensor_type_info(type)->name;
    char path[256];
    size_t raw_size = 0, expected_size = 0;
    struct err err;
    snprintf(path, sizeof path, FOLDER "%s.weights.raw.bin", name);
    char *raw = path_read_file(path, 1 << 20, &raw_size, &err);
    snprintf(path, sizeof path, FOLDER "%s.weights.f32.bin", name);
    char *bytes = path_read_file(path, 1 << 20, &expected_size, &err);
    CHECK(raw != NULL && bytes != NULL);
    CHECK_INT(raw_size, tensor_type_row_bytes(type, GOLDEN_VALUES));
    CHECK_INT(expected_size, GOLDEN_VALUES * sizeof(float));
    static float expected[GOLDEN_VALUES], found[GOLDEN_VALUES];
    memcpy(expected, bytes, sizeof expected);
    for (enum isa isa = ISA_SCALAR; isa < ISA_COUNT; isa++) {
        const struct kernels *k = kernels_get(isa);
        if (k == NULL) continue;
        memset(found, 0xff, sizeof found);
        k->dequantize[type](found, raw, GOLDEN_VALUES);
        int64_t worst = 0;
        for (int i = 0; i < GOLDEN_VALUES; i++) {
            int64_t d = ulps(found[i], expected[i]);
            if (d > worst) worst = d;
        }
        if (worst != 0) fprintf(stderr, "%s %s: %lld ulp\n", name, isa_name(isa), (long long)worst);
        CHECK(worst <= 1);
    }
    mem_free(raw);
    mem_free(bytes);
}

/* Random bytes, so that scales take every value, infinities and NaN among them. */
static void test_equal_to_scalar(enum tensor_type type) {
    const struct tensor_type_info *info = tensor_type_info(type);
    enum { GUARD = 16 };
    uint64_t state = 0x9e3779b97f4a7c15u + type;
    for (int blocks = 0; blocks <= 9; blocks++) {
        int64_t n = (int64_t)blocks * info->block_values * (info->block_values == 1 ? 7 : 1);
        size_t bytes = tensor_type_row_bytes(type, (uint64_t)n);
        uint8_t *raw = mem_alloc(bytes + 1);
        float *expected = mem_alloc(((size_t)n + GUARD) * sizeof *expected);
        float *found = mem_alloc(((size_t)n + GUARD) * sizeof *found);
        for (size_t i = 0; i < bytes; i++) {
            state = state * 6364136223846793005u + 1442695040888963407u;
            raw[i + 1] = (uint8_t)(state >> 56);
        }
        kernels_get(ISA_SCALAR)->dequantize[type](expected, raw + 1, n);
        for (enum isa isa = ISA_SCALAR; isa < ISA_COUNT; isa++) {
            if (kernels_get(isa) == NULL) continue;
            memset(found, 0x5a, ((size_t)n + GUARD) * sizeof *found);
            kernels_get(isa)->dequantize[type](found, raw + 1, n); /* misaligned on purpose */
            int wrong = 0;
            for (int64_t i = 0; i < n; i++) {
                bool both_nan = isnan(found[i]) && isnan(expected[i]);
                wrong += !both_nan && memcmp(&found[i], &expected[i], 4) != 0;
            }
            if (wrong > 0) fprintf(stderr, "%s %s: %d wrong\n", info->name, isa_name(isa), wrong);
            CHECK_INT(wrong, 0);
            for (int64_t i = n; i < n + GUARD; i++) {
                uint32_t bits;
                memcpy(&bits, &found[i], 4);
                CHECK_INT(bits, 0x5a5a5a5a);
            }
        }
        mem_free(raw);
        mem_free(expected);
        mem_free(found);
    }
}

static void test_halves(void) {
    const struct kernels *k = kernels_get(kernels_best());
    for (uint32_t bits = 0; bits < 65536; bits += 16) {
        uint16_t halves[16];
        float values[16];
        for (uint32_t i = 0; i < 16; i++) halves[i] = (uint16_t)(bits + i);
        k->dequantize[TENSOR_F16](values, halves, 16);
        for (int i = 0; i < 16; i++) {
            float software = f32_from_f16(halves[i]);
            CHECK((isnan(software) && isnan(values[i])) || memcmp(&software, &values[i], 4) == 0);
            if (!isnan(software)) CHECK_INT(f16_from_f32(software), halves[i]);
        }
    }
    CHECK_INT(f16_from_f32(65520.0f), 0x7c00);
    CHECK_INT(f16_from_f32(1.0f + 0x1p-11f), 0x3c00); /* half way: to even */
    CHECK_INT(f16_from_f32(0x1p-25f), 0);
}

int main(void) {
    for (uint32_t type = 0; type < TENSOR_TYPE_COUNT; type++) {
        if (tensor_type_info(type) == NULL) continue;
        CHECK(kernels_get(ISA_SCALAR)->dequantize[type] != NULL);
        if (type != TENSOR_F32) test_golden((enum tensor_type)type);
        test_equal_to_scalar((enum tensor_type)type);
    }
    test_halves();
    return check_done();
}
