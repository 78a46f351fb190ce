/* packed_together.h - what the levels share that multiply PACKED_STREAMS groups by one line of activations at a time:
 * which formats go so, and asking ahead. Included by packed_together_avx2.h and packed_together_vnni.h, after
 * STREAM_AHEAD_BYTES. */

/* Formats with one scale a block whose lines need no second plane and no table. */
INLINE bool goes_together(const struct packed_format f) {
    return f.base_bits == 8 || (f.base_bits == 4 && f.extra_bits == 0 && !f.lookup);
}

/* Ahead within each stream; 8-bit weights are read fast enough without. */
INLINE void ask_ahead(const uint8_t *w, const struct packed_format f, const int bytes) {
    for (int at = 0; f.base_bits < 8 && at < bytes; at += 64) prefetch(w + STREAM_AHEAD_BYTES + at);
}
