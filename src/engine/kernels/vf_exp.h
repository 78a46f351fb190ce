/* vf_exp.h - the exponential in the registers of the including file. */
#ifndef WOOLLY_ENGINE_VF_EXP_H
#define WOOLLY_ENGINE_VF_EXP_H

#define INLINE static inline __attribute__((always_inline))

/* e^x for x <= 88: 2^k times a polynomial of degree 5 on [-ln2 / 2, ln2 / 2], off by 1.05e-7 at most (the
 * least there is, by Remez's exchange; 1 + r is exact); 0 below -87.3. */
INLINE VF vf_exp(VF x) {
    VF clamped = vf_max(vf_set1(-87.3f), x); /* the second operand keeps a NaN */
    VF k = vf_round(vf_mul(clamped, vf_set1(1.44269504f)));
    VF r = vf_fma(k, vf_set1(-0.693359375f), clamped);
    r = vf_fma(k, vf_set1(2.12194440e-4f), r);
    VF p = vf_set1(8.3125013e-3f);
    p = vf_fma(p, r, vf_set1(4.1890331e-2f));
    p = vf_fma(p, r, vf_set1(1.6667115e-1f));
    p = vf_fma(p, r, vf_set1(4.9999230e-1f));
    p = vf_fma(vf_mul(r, r), p, vf_add(r, vf_set1(1.0f)));
    return vf_zero_below(x, -87.3f, vf_scale2(p, k));
}

#endif
