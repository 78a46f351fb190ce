/* packed_dpbusd_avx2.h - vpdpbusd on 32 bytes: in its AVX-VNNI encoding, or, where a file is compiled
 * for AVX-512 VNNI and VL instead, in that one. The tests use the latter to run this code on
 * processors that lack the former. */
#ifdef __AVXVNNI__
#define vi_dpbusd(sum, w, x) _mm256_dpbusd_avx_epi32(sum, w, x)
#else
#define vi_dpbusd(sum, w, x) _mm256_dpbusd_epi32(sum, w, x)
#endif
