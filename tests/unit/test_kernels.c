/* test_kernels.c - F32 row arithmetic of every ISA against double precision, all tails. */
#include "support/check.h"

#include "base/alloc.h"
#include "engine/kernels/kernels.h"

#include <stdbool.h>

enum { MAX_N = 1500, MAX_X = 9, PAD = 3 };

static const double DOT_TOLERANCE = 4e-7;  /* of the sum of |a b| */
static const double EXP_TOLERANCE = 5e-7;  /* relative */

static float a[MAX_N + PAD], b[(MAX_N + PAD) * MAX_X], out[MAX_N + PAD];
static uint64_t state = 42;

static float random_float(float scale) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    return ((float)(state >> 40) / 8388608.0f - 1.0f) * scale;
}

static void fill(float *x, int n, float scale) {
    for (int i = 0; i < n; i++) x[i] = random_float(scale);
}

static void test_dot(const struct kernels *k, int n, int misaligned) {
    float *x = b + misaligned;
    double sum = 0, norm = 1e-30;
    for (int i = 0; i < n; i++) {
        sum += (double)a[i] * x[i];
        norm += fabs((double)a[i] * x[i]);
    }
    CHECK_NEAR(k->dot_f32(a, x, n), sum, DOT_TOLERANCE * norm * (k->lanes == 1 ? 30 : 1));
    for (int n_x = 0; n_x <= MAX_X; n_x++) {
        float y[MAX_X + 1];
        y[n_x] = 77;
        k->dot_f32_columns(y, a, b, MAX_N, n_x, n);
        for (int j = 0; j < n_x; j++) {
            float alone = k->dot_f32(a, b + j * MAX_N, n);
            CHECK(memcmp(&alone, &y[j], sizeof alone) == 0);
        }
        CHECK(y[n_x] == 77);
    }
}

static void test_rows(const struct kernels *k, int n) {
    float *y = out + 1;
    fill(y, n, 1);
    float before[MAX_N];
    memcpy(before, y, (size_t)n * sizeof *y);
    y[n] = 5;
    k->axpy_f32(y, 0.75f, a, n);
    for (int i = 0; i < n; i++) CHECK_NEAR(y[i], before[i] + 0.75 * a[i], 3e-7);
    CHECK(y[n] == 5);
    if (n == 0) return;

    double square = 0;
    for (int i = 0; i < n; i++) square += (double)a[i] * a[i];
    double scale = 1 / sqrt(square / n + 1e-5);
    k->rms_norm(y, a, b, 1e-5f, n);
    for (int i = 0; i < n; i++) CHECK_NEAR(y[i], a[i] * scale * b[i], 4e-6);
    CHECK(y[n] == 5);

    for (int i = 0; i < n; i++) y[i] = i % 7 == 3 ? -INFINITY : a[i] * 30;
    memcpy(before, y, (size_t)n * sizeof *y);
    double most = -INFINITY, total = 0;
    for (int i = 0; i < n; i++) most = fmax(most, before[i]);
    for (int i = 0; i < n; i++) total += exp(before[i] - most);
    k->softmax(y, n);
    for (int i = 0; i < n; i++) {
        double expected = exp(before[i] - most) / total;
        CHECK_NEAR(y[i], expected, 3e-6 * expected + 2e-38);
    }
    CHECK(y[n] == 5);

    float gate[MAX_N];
    for (int i = 0; i < n; i++) gate[i] = a[i] * (i % 5 == 0 ? 100.0f : 8.0f);
    k->swiglu(y, gate, b, n);
    for (int i = 0; i < n; i++) {
        double expected = gate[i] / (1 + exp(-(double)gate[i])) * b[i];
        CHECK_NEAR(y[i], expected, EXP_TOLERANCE * fabs(expected) + 1e-36);
    }
    CHECK(y[n] == 5);
}

static void test_not_a_number(const struct kernels *k) {
    float x[40], ones[40];
    for (int i = 0; i < 40; i++) x[i] = ones[i] = 1;
    x[17] = NAN;
    k->softmax(x, 40);
    CHECK(isnan(x[0]) && isnan(x[39]));
    x[17] = NAN;
    k->swiglu(x, x, ones, 40);
    CHECK(isnan(x[17]));
}

int main(void) {
    CHECK(kernels_get(ISA_SCALAR) != NULL && kernels_get(kernels_best()) != NULL);
    enum isa isa;
    CHECK(isa_from_name("best", &isa) && isa == kernels_best());
    CHECK(isa_from_name("AVX2", &isa) && isa == ISA_AVX2);
    CHECK(!isa_from_name("mmx", &isa));
    fill(a, MAX_N + PAD, 1);
    fill(b, (MAX_N + PAD) * MAX_X, 1);
    for (isa = ISA_SCALAR; isa < ISA_COUNT; isa++) {
        const struct kernels *k = kernels_get(isa);
        if (k == NULL) continue;
        CHECK_INT(k->isa, isa);
        for (int n = 0; n <= 70; n++) {
            test_dot(k, n, n % 4);
            test_rows(k, n);
        }
        test_dot(k, 1499, 1);
        test_rows(k, 1499);
        test_not_a_number(k);
    }
    return check_done();
}
