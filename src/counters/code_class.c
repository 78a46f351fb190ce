/* code_class.c - see code_class.h. */
#include "counters/code_class.h"

#include <stdio.h>
#include <string.h>

#ifdef WOOLLY_HAVE_ZYDIS
#include <Zydis/Zydis.h>
#endif

const char *code_class_name(enum code_class code_class) {
    static const char *const names[CODE_CLASSES] = {"scalar", "sse",    "avx", "avx2",
                                                    "avx512", "fma",    "vnni"};
    return names[code_class];
}

#if defined(WOOLLY_HAVE_ZYDIS) && defined(__x86_64__)

const char *code_decoder(struct err *reason) {
    static char text[32];
    (void)reason;
    uint64_t version = ZydisGetVersion();
    snprintf(text, sizeof text, "Zydis %u.%u.%u", (unsigned)ZYDIS_VERSION_MAJOR(version),
             (unsigned)ZYDIS_VERSION_MINOR(version), (unsigned)ZYDIS_VERSION_PATCH(version));
    return text;
}

static bool begins_with(const char *text, const char *start) {
    return strncmp(text, start, strlen(start)) == 0;
}

static bool ends_with(const char *text, const char *end) {
    size_t n = strlen(text), m = strlen(end);
    return n >= m && strcmp(text + n - m, end) == 0;
}

/* Is it about one value, for all that it stands in a vector register? By its mnemonic. */
static bool is_one_value(const char *name) {
    const char *base = name[0] == 'v' ? name + 1 : name;
    if (base[0] == 'p' || begins_with(base, "broadcast") || begins_with(base, "compress")) {
        return false; /* vpabsd, vbroadcastss, vcompressd end like scalar ones */
    }
    if (begins_with(base, "cvt")) {
        return strstr(base, "ss2") != NULL || strstr(base, "sd2") != NULL ||
               strstr(base, "si2s") != NULL || ends_with(base, "2ss") || ends_with(base, "2sd");
    }
    return ends_with(base, "ss") || ends_with(base, "sd") || ends_with(base, "sh") ||
           strcmp(base, "movd") == 0 || strcmp(base, "movq") == 0 ||
           strcmp(base, "crc32") == 0 || begins_with(base, "zero") || ends_with(base, "mxcsr") || begins_with(base, "comis") ||
           begins_with(base, "ucomis");
}

/* The two sources are one register: a zero, whatever it held. */
static bool is_zeroing(const ZydisDecodedInstruction *instruction, const uint8_t *code) {
    switch (instruction->mnemonic) {
    case ZYDIS_MNEMONIC_PXOR:
    case ZYDIS_MNEMONIC_XORPS:
    case ZYDIS_MNEMONIC_XORPD:
    case ZYDIS_MNEMONIC_VPXOR:
    case ZYDIS_MNEMONIC_VPXORD:
    case ZYDIS_MNEMONIC_VPXORQ:
    case ZYDIS_MNEMONIC_VXORPS:
    case ZYDIS_MNEMONIC_VXORPD:
        break;
    default:
        return false;
    }
    ZydisDecoder decoder;
    ZydisDecodedInstruction again;
    ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];
    ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
    if (!ZYAN_SUCCESS(ZydisDecoderDecodeFull(&decoder, code, instruction->length, &again,
                                             operands)) ||
        again.operand_count_visible < 2) {
        return false;
    }
    const ZydisDecodedOperand *last = &operands[again.operand_count_visible - 1];
    return last[0].type == ZYDIS_OPERAND_TYPE_REGISTER &&
           last[-1].type == ZYDIS_OPERAND_TYPE_REGISTER &&
           last[0].reg.value == last[-1].reg.value;
}

static enum code_class class_of(const ZydisDecodedInstruction *instruction, const uint8_t *code) {
    const char *set = ZydisISASetGetString(instruction->meta.isa_set);
    bool is_vector = begins_with(set, "SSE") || begins_with(set, "AVX") || begins_with(set, "FMA") ||
                     begins_with(set, "SSSE3") || begins_with(set, "F16C") ||
                     begins_with(set, "XOP") || begins_with(set, "AES") ||
                     begins_with(set, "VAES") || begins_with(set, "PCLMULQDQ") ||
                     begins_with(set, "VPCLMULQDQ") || begins_with(set, "GFNI") ||
                     begins_with(set, "SHA") || begins_with(set, "PENTIUMMMX");
    if (!is_vector || strcmp(set, "SSE_PREFETCH") == 0 || strcmp(set, "SSEMXCSR") == 0) {
        return CODE_SCALAR;
    }
    const char *name = ZydisMnemonicGetString(instruction->mnemonic);
    if (name == NULL || is_one_value(name) || is_zeroing(instruction, code)) return CODE_SCALAR;
    if (instruction->meta.category == ZYDIS_CATEGORY_PREFETCH ||
        instruction->meta.category == ZYDIS_CATEGORY_MISC) { /* fences, crc32, popcnt */
        return CODE_SCALAR;
    }
    if (begins_with(name, "vpdp")) return CODE_VNNI;
    if (begins_with(name, "vfm") || begins_with(name, "vfnm")) return CODE_FMA;
    if (begins_with(set, "AVX512")) return CODE_AVX512;
    if (begins_with(set, "AVX2")) return CODE_AVX2;
    if (begins_with(set, "AVX") || instruction->encoding == ZYDIS_INSTRUCTION_ENCODING_VEX) {
        return CODE_AVX;
    }
    return CODE_SSE;
}

bool code_decode(const uint8_t *code, size_t n, struct code_instruction *out) {
    ZydisDecoder decoder;
    ZydisDecodedInstruction instruction;
    ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
    if (!ZYAN_SUCCESS(ZydisDecoderDecodeInstruction(&decoder, NULL, code, n, &instruction))) {
        return false;
    }
    ZydisInstructionCategory category = instruction.meta.category;
    bool is_branch = category == ZYDIS_CATEGORY_COND_BR || category == ZYDIS_CATEGORY_UNCOND_BR;
    *out = (struct code_instruction){
        .code_class = class_of(&instruction, code),
        .length = instruction.length,
        .ends_block = is_branch || category == ZYDIS_CATEGORY_RET,
        .has_target = is_branch && instruction.raw.imm[0].is_relative,
    };
    if (out->has_target) out->target = instruction.length + instruction.raw.imm[0].value.s;
    return true;
}

#else

const char *code_decoder(struct err *reason) {
#if defined(__x86_64__)
    err_set(reason, ERR_UNAVAILABLE,
            "this build has no decoder of instructions: install libzydis-dev and build again");
#else
    err_set(reason, ERR_UNAVAILABLE,
            "this version decodes the instructions of x86-64 only");
#endif
    return NULL;
}

bool code_decode(const uint8_t *code, size_t n, struct code_instruction *out) {
    (void)code;
    (void)n;
    (void)out;
    return false;
}

#endif
